//! The naive judge of launches, on generated clusters: what the engine plans
//! takes no more than there is, the judge and the engine's own limits say the
//! same of launches that nobody planned, and broken plans are seen.

use crate::agreement::known;
use cloudoptim_benches::launches::{Excess, Step, excesses, waves, whole};
use cloudoptim_benches::sample::Random;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{
    Action, Decision, Launch, LaunchThrough, NodeShape, Offering, Owner, PodMove, Subject,
    planned_name,
};
use cloudoptim_core::engines::bin_packing::{
    Config, Obstacle, Reason, StatedRoom, decide, migration,
};
use cloudoptim_core::engines::{EngineId, Inputs};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(crate) const KINDS: [(&str, u64); 4] = [
    ("m6i.large", 2),
    ("m6i.xlarge", 4),
    ("m6i.2xlarge", 8),
    ("m6i.4xlarge", 16),
];
pub(crate) const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];
pub(crate) const IDS: [&str; 3] = ["use1-az4", "use1-az6", "use1-az1"];
static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::embedded().unwrap());
const QUOTA: &str = "L-1216C47A";

pub(crate) struct Draw(pub(crate) Random);

impl Draw {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0.below(usize::try_from(n).unwrap()) as u64
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.0.below(list.len())].clone()
    }
}

/// A drawn cluster, its account and settings with limits near to what is used.
struct Case {
    snapshot: Snapshot,
    config: Config,
}

impl Case {
    fn with<T>(&self, then: impl FnOnce(&Inputs<'_>, &Cluster) -> T) -> T {
        let overlay = Overlay::default();
        let (policy, ledgers) = (Policy::default(), Ledgers::default());
        let inputs = Inputs {
            snapshot: &self.snapshot,
            overlay: &overlay,
            catalog: &CATALOG,
            policy: &policy,
            ledgers: &ledgers,
            deadline: None,
        };
        then(&inputs, &self.snapshot.clusters[0])
    }
}

/// A node of a type, by its owner: a pool, the group `fixed`, or the scaling
/// group `own`.
pub(crate) fn node(name: &str, kind: usize, zone: usize, owner: &str) -> Node {
    let mut node = Node::default();
    node.meta.name = name.to_owned();
    node.meta.uid = name.into();
    node.meta.created_at = Some("2026-01-01T00:00:00Z".parse().unwrap());
    node.provider_id = Some(format!("aws:///{}/i-{name}", ZONES[zone]));
    for (key, value) in [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/os", "linux"),
        ("topology.kubernetes.io/zone", ZONES[zone]),
        ("node.kubernetes.io/instance-type", KINDS[kind].0),
        ("karpenter.sh/capacity-type", "on-demand"),
    ] {
        node.meta.labels.insert(key.to_owned(), value.to_owned());
    }
    let label = match owner {
        "fixed" => Some(NODE_GROUP_LABEL),
        "own" => None,
        _ => Some(NODE_POOL_LABEL),
    };
    if let Some(label) = label {
        node.meta.labels.insert(label.to_owned(), owner.to_owned());
    }
    let cores = KINDS[kind].1;
    node.capacity.cpu = MilliCpu(cores * 1_000);
    node.capacity.memory = Bytes((cores * 4) << 30);
    node.allocatable.cpu = MilliCpu(cores * 1_000 - 100);
    node.allocatable.memory = Bytes((cores * 4 - 1) << 30);
    node.allocatable.pods = 29;
    node.conditions.push(NodeCondition {
        name: "Ready".to_owned(),
        status: ConditionStatus::True,
        ..NodeCondition::default()
    });
    node
}

pub(crate) fn pod(app: usize, number: usize, on: &str, cpu: u64) -> Pod {
    let mut pod = Pod::default();
    pod.meta.namespace = "shop".to_owned();
    pod.meta.name = format!("app{app}-{number}");
    pod.meta.uid = pod.meta.name.as_str().into();
    pod.meta.owners.push(OwnerRef {
        api_version: "apps/v1".to_owned(),
        kind: "StatefulSet".to_owned(),
        name: format!("app{app}"),
        uid: format!("app{app}").as_str().into(),
        controller: true,
    });
    pod.spec.node_name = Some(on.into());
    let mut container = Container {
        name: "main".to_owned(),
        ..Container::default()
    };
    container.resources.requests.cpu = Some(MilliCpu(cpu));
    container.resources.requests.memory = Some(Bytes(256 << 20));
    pod.spec.containers.push(container);
    pod.status.phase = PodPhase::Running;
    pod.status.ready = Some(true);
    pod
}

fn cluster(draw: &mut Draw) -> (Cluster, Vec<&'static str>) {
    let mut nodes = Vec::new();
    let mut owners = Vec::new();
    let mut pods = Vec::new();
    let mut claims = Vec::new();
    for number in 0..3 + draw.below(5) {
        let owner = draw.of(&["main", "main", "side", "fixed", "own"]);
        let (kind, zone) = match owner {
            // The group makes one type in one zone; some nodes are from before.
            "fixed" | "own" => (if draw.one_in(4) { 2 } else { 1 }, 0),
            _ => (draw.below(4) as usize, draw.below(3) as usize),
        };
        let new = node(&format!("n{number}"), kind, zone, owner);
        let mut free = new.allocatable.cpu.0;
        for turn in 0..draw.below(5) {
            let cpu = 100 + 100 * draw.below(12);
            if cpu <= free {
                free -= cpu;
                let at = number as usize * 10 + turn as usize;
                pods.push(pod(draw.below(6) as usize, at, &new.meta.name, cpu));
            }
        }
        if owner == "main" || owner == "side" {
            let mut claim = NodeClaim::default();
            claim.meta.name = format!("claim-{number}");
            claim
                .meta
                .labels
                .insert(NODE_POOL_LABEL.to_owned(), owner.to_owned());
            // One in a while is not there yet.
            claim.node_name = (!draw.one_in(30)).then(|| new.name());
            claim.provider_id = new.provider_id.clone();
            claims.push(claim);
        }
        nodes.push(new);
        owners.push(owner);
    }
    let pools = ["main", "side"].map(|name| {
        let mut pool = NodePool::default();
        pool.meta.name = name.to_owned();
        let own = || {
            nodes
                .iter()
                .filter(|n| n.meta.label(NODE_POOL_LABEL) == Some(name))
        };
        let cores: u64 = own().map(|n| n.capacity.cpu.0 / 1_000).sum();
        let count = own().count() as u64;
        let mut limits = ResourceList::default();
        if draw.one_in(2) {
            limits.cpu = Some(MilliCpu((cores + draw.below(14)) * 1_000));
        }
        if draw.one_in(3) {
            limits.memory = Some(Bytes(((cores * 4) + draw.below(60)) << 30));
        }
        if draw.one_in(3) {
            let most = count + draw.below(3);
            limits.extended.insert("nodes".to_owned(), most);
        }
        pool.limits = (limits != ResourceList::default()).then_some(limits);
        if draw.one_in(4) {
            pool.requirements.push(Requirement {
                key: INSTANCE_TYPE_LABEL.to_owned(),
                operator: draw.of(&[Operator::In, Operator::NotIn]),
                values: vec![draw.of(&KINDS).0.to_owned()],
            });
        }
        pool
    });
    let claims = if draw.one_in(30) {
        known(claims).demoted(cloudoptim_core::knowledge::Gap::CompletenessNotStated)
    } else {
        known(claims)
    };
    let cluster = Cluster {
        uid: "c1".into(),
        name: "test".to_owned(),
        account: Some("111122223333".into()),
        region: Some("us-east-1".into()),
        nodes: known(nodes),
        pods: known(pods),
        workloads: known(Vec::new()),
        disruption_budgets: known(Vec::new()),
        node_pools: known(pools.to_vec()),
        node_claims: claims,
        persistent_volumes: known(Vec::new()),
        claims: known(Vec::new()),
        storage_classes: known(Vec::new()),
        csi_nodes: known(Vec::new()),
        volume_attachments: known(Vec::new()),
        limit_ranges: known(Vec::new()),
        runtime_classes: known(Vec::new()),
        namespaces: known(Vec::new()),
        ..Cluster::default()
    };
    (cluster, owners)
}

fn account(draw: &mut Draw, cluster: &Cluster, owners: &[&str]) -> Cloud {
    let zones = ZONES.iter().zip(IDS).map(|(name, id)| Zone {
        name: (*name).into(),
        id: id.into(),
        kind: "availability-zone".to_owned(),
    });
    let nodes = cluster.nodes.items();
    let mut instances = Vec::new();
    for node in nodes.iter().filter(|_| !draw.one_in(8)).collect::<Vec<_>>() {
        let zone = node.zone_name().unwrap();
        instances.push(Instance {
            id: node.instance_id().unwrap(),
            instance_type: node.instance_type().unwrap().into(),
            state: InstanceState::Running,
            zone_id: ZONES
                .iter()
                .position(|z| *z == zone.as_str())
                .map(|at| IDS[at].into()),
            subnet: Some(format!("subnet-{zone}").as_str().into()),
            zone: Some(zone),
            lasting_interfaces: if draw.one_in(6) {
                vec!["eni-1".to_owned()]
            } else {
                Vec::new()
            },
            ..Instance::default()
        });
    }
    let mut subnets = Vec::new();
    for (zone, id) in ZONES.iter().zip(IDS) {
        if !draw.one_in(4) {
            subnets.push(Subnet {
                id: format!("subnet-{zone}").as_str().into(),
                zone_id: Some(id.into()),
                free_addresses: draw.below(140) as u32,
            });
        }
    }
    let used: u64 = instances
        .iter()
        .map(|i| {
            KINDS
                .iter()
                .find(|k| k.0 == i.instance_type.as_str())
                .unwrap()
                .1
        })
        .sum();
    let mut quotas = Vec::new();
    if !draw.one_in(4) {
        quotas.push(ServiceQuota {
            code: QUOTA.to_owned(),
            value: used + draw.below(24),
            used: draw.one_in(2).then_some(used),
            ..ServiceQuota::default()
        });
    }
    let count = |of: &str| owners.iter().filter(|o| **o == of).count() as u32;
    let mut group = NodeGroup {
        name: "fixed".to_owned(),
        cluster: "test".to_owned(),
        desired: count("fixed"),
        min_size: draw.below(2) as u32,
        subnets: vec!["subnet-us-east-1a".into()],
        instance_types: vec!["m6i.xlarge".into()],
        ..NodeGroup::default()
    };
    group.max_size = group.desired + draw.below(3) as u32;
    if draw.one_in(5) {
        group.instance_types.push("m6i.large".into());
    }
    let own = nodes.iter().zip(owners).filter(|(_, o)| **o == "own");
    let mut scaling = AutoScalingGroup {
        name: "own".to_owned(),
        desired: count("own"),
        min_size: draw.below(2) as u32,
        zones: vec![ZONES[0].into()],
        instance_types: vec!["m6i.xlarge".into()],
        instances: own
            .map(|(n, _)| GroupInstance {
                instance: n.instance_id().unwrap(),
                lifecycle: "InService".to_owned(),
                ..GroupInstance::default()
            })
            .collect(),
        ..AutoScalingGroup::default()
    };
    scaling.max_size = scaling.desired + draw.below(3) as u32;
    let reservation = Commitment {
        id: "cr-1".to_owned(),
        kind: CommitmentKind::CapacityReservation,
        count: Some(draw.below(3) as u32),
        instance_type: Some("m6i.large".to_owned()),
        zone_id: Some(IDS[0].into()),
        ..Commitment::default()
    };
    for instance in &mut instances {
        let fills = instance.instance_type.as_str() == "m6i.large"
            && instance
                .zone_id
                .as_ref()
                .is_some_and(|z| z.as_str() == IDS[0]);
        if fills && draw.one_in(3) {
            instance.capacity_reservation = Some("cr-1".to_owned());
        }
    }
    Cloud {
        account: "111122223333".into(),
        region: "us-east-1".into(),
        instances: if draw.one_in(12) {
            known(instances).demoted(cloudoptim_core::knowledge::Gap::CompletenessNotStated)
        } else {
            known(instances)
        },
        volumes: known(Vec::new()),
        ebs_snapshots: known(Vec::new()),
        auto_scaling_groups: known(vec![scaling]),
        node_groups: known(vec![group]),
        cluster_records: known(Vec::new()),
        zones: known(zones.collect()),
        subnets: known(subnets),
        quotas: known(quotas),
        spot_requests: known(Vec::new()),
        commitments: known(vec![reservation]),
        prices: known(Vec::new()),
    }
}

fn case(seed: u64) -> Case {
    let mut draw = Draw(Random::new(seed));
    let (cluster, owners) = cluster(&mut draw);
    let cloud = account(&mut draw, &cluster, &owners);
    let mut room = StatedRoom::default();
    if draw.one_in(2) {
        room.free_vcpus.insert(QUOTA.to_owned(), draw.below(20));
    }
    for zone in ZONES {
        if !draw.one_in(3) {
            room.free_addresses.insert(zone.to_owned(), draw.below(120));
        }
    }
    room.addresses_per_node = draw.of(&[None, Some(1), Some(20)]);
    use LaunchThrough::{AutoScalingGroups, NodeGroups, NodePools};
    let config = Config::default()
        .with_headroom_percent(0)
        .with_max_workload_share_percent(100)
        .with_max_disrupted_percent(100)
        .with_min_saving_per_month(MicroUsdPerMonth(1))
        .with_launch_through([NodePools, NodeGroups, AutoScalingGroups])
        .with_max_surge_percent(draw.of(&[10, 40, 100]))
        .with_concentration(draw.of(&[2, 4, 64]), draw.of(&[1, 3, 5]))
        .with_stated_room(room);
    let mut snapshot = Snapshot::new("2026-11-24T12:00:00Z".parse().unwrap());
    snapshot.expected_clusters = known(vec![ExpectedCluster {
        name: "test".to_owned(),
        uid: Some("c1".into()),
    }]);
    snapshot.clusters.push(cluster);
    snapshot.clouds.push(cloud);
    snapshot.normalize();
    Case { snapshot, config }
}

#[test]
fn what_the_engine_plans_takes_no_more_than_there_is() {
    let (mut launched, mut removed, mut rounds) = (0, 0, 0);
    for seed in 0..1_200 {
        let case = case(seed);
        case.with(|inputs, cluster| {
            let decisions = decide(&case.config, inputs).unwrap().decisions;
            let steps = whole(cluster, &decisions);
            let over = excesses(inputs, &case.config, cluster, &steps, false);
            assert_eq!(over, [], "seed {seed}: {steps:#?}");
            removed += steps[0].remove.len();
            launched += steps[1].launch.iter().map(|l| l.count).sum::<u32>();
            let uid = "c1".into();
            let way = migration(&case.config, inputs, &uid, &decisions).unwrap();
            let steps = waves(&way, &decisions);
            let over = excesses(inputs, &case.config, cluster, &steps, true);
            assert_eq!(over, [], "seed {seed}: {steps:#?}");
            rounds += steps.iter().filter(|s| !s.launch.is_empty()).count();
        });
    }
    println!("{launched} launched, {removed} removed, {rounds} rounds");
    assert!(
        launched > 60 && removed > 1_000 && rounds > 40,
        "{launched} {removed} {rounds}"
    );
}

/// Rules about which nodes are launched at all: whoever carries a migration out
/// takes them from the decisions.
fn about_which(excess: &Excess) -> bool {
    let limit = excess.limit.as_str();
    limit.contains(" of type ")
        || limit.contains(" with that ")
        || limit.contains(" in that zone")
        || limit.contains("may lose")
        || limit == "vCPUs of one node"
        || limit == "nodes fewer than there must be"
}

/// Empties a node for one that nobody planned, perhaps after an empty one goes.
fn unplanned(draw: &mut Draw, cluster: &Cluster) -> Vec<Decision> {
    let nodes = cluster.nodes.items();
    let on = |node: &Node| {
        let pods = cluster.pods.items().iter();
        pods.filter(|p| p.spec.node_name.as_ref() == Some(&node.name()))
            .collect::<Vec<_>>()
    };
    let mut decisions = Vec::new();
    let act = |node: &Node, mut actions: Vec<Action>, via: Owner| {
        let name = node.name();
        actions.push(Action::RemoveNode {
            cluster: "c1".into(),
            node: name.clone(),
            instance: node.instance_id(),
            via,
        });
        Decision::act(
            EngineId::BinPacking,
            Subject::Node {
                cluster: "c1".into(),
                node: name,
            },
            actions,
            Some(MicroUsdPerMonth(1_000_000)),
            vec![Reason::Empty { node_pods: 0 }.into()],
        )
    };
    let owner_of = |node: &Node| match (
        node.meta.label(NODE_POOL_LABEL),
        node.meta.label(NODE_GROUP_LABEL),
    ) {
        (Some(_), _) => Owner::NodeClaim {
            name: format!("claim of {}", node.meta.name),
        },
        (_, Some(name)) => Owner::NodeGroup {
            name: name.to_owned(),
            auto_scaling_group: None,
        },
        _ => Owner::AutoScalingGroup {
            name: "own".to_owned(),
        },
    };
    let empty = nodes.iter().find(|n| on(n).is_empty());
    if let Some(empty) = empty.filter(|_| draw.one_in(2)) {
        decisions.push(act(empty, Vec::new(), owner_of(empty)));
    }
    let full: Vec<&Node> = nodes.iter().filter(|n| !on(n).is_empty()).collect();
    if full.is_empty() {
        return decisions;
    }
    let from = draw.of(&full);
    let via = match draw.below(5) {
        0 => Owner::NodePool {
            name: "side".to_owned(),
        },
        1 => Owner::NodeGroup {
            name: "fixed".to_owned(),
            auto_scaling_group: None,
        },
        2 => Owner::AutoScalingGroup {
            name: "own".to_owned(),
        },
        _ => Owner::NodePool {
            name: "main".to_owned(),
        },
    };
    let (zone, count) = (draw.below(3) as usize, 1 + draw.below(3));
    let names: Vec<NodeName> = (1..=count).map(|n| planned_name(n as usize)).collect();
    let mut labels = node("x", 0, zone, "main").meta.labels;
    labels.remove(HOSTNAME_LABEL);
    let mut allocatable = Resources::new(MilliCpu(64_000), Bytes(256 << 30));
    allocatable.pods = 10 + draw.below(60);
    let capacity_type = if draw.one_in(5) {
        CapacityType::Reserved
    } else {
        CapacityType::OnDemand
    };
    let kind = if draw.one_in(20) {
        "zz9.large"
    } else {
        draw.of(&KINDS).0
    };
    let launch = Launch {
        nodes: names.clone(),
        shape: Some(Box::new(NodeShape {
            labels,
            allocatable,
            ..NodeShape::default()
        })),
        ..Launch::new(
            Offering {
                instance_type: kind.into(),
                zone: Some(IDS[zone].into()),
                capacity_type,
            },
            u32::try_from(count).unwrap(),
            via,
        )
    };
    let moves = on(from).into_iter().enumerate().map(|(turn, pod)| PodMove {
        pod: NamespacedName::new("shop", pod.meta.name.clone()),
        uid: pod.meta.uid.clone(),
        to: Some(names[turn % names.len()].clone()),
    });
    let actions = vec![
        Action::LaunchNodes {
            cluster: "c1".into(),
            launch: Box::new(launch),
        },
        Action::CordonNode {
            cluster: "c1".into(),
            node: from.name(),
        },
        Action::DrainNode {
            cluster: "c1".into(),
            node: from.name(),
            moves: moves.collect(),
        },
    ];
    decisions.push(act(from, actions, owner_of(from)));
    decisions
}

#[test]
fn judge_and_engine_say_the_same_of_launches_that_nobody_planned() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut compared = 0;
    for seed in 0..12_000 {
        let case = case(seed);
        let mut draw = Draw(Random::new(seed ^ 0x5eed));
        case.with(|inputs, cluster| {
            let decisions = unplanned(&mut draw, cluster);
            let launch = |d: &Decision| match d.actions.first() {
                Some(Action::LaunchNodes { launch, .. }) => Some((**launch).clone()),
                _ => None,
            };
            let Some(launch) = decisions.last().and_then(launch) else {
                return;
            };
            let way = migration(&case.config, inputs, &"c1".into(), &decisions).unwrap();
            let mut steps = waves(&way, &decisions);
            let refused = way
                .left_out
                .iter()
                .any(|l| matches!(l.because, Obstacle::SurgeLimit { .. }));
            let launched = steps.iter().any(|s| !s.launch.is_empty());
            if refused {
                // Whatever went first, there was no room then.
                steps.push(Step {
                    launch: vec![&launch],
                    remove: Vec::new(),
                });
            } else if !launched {
                return; // for another reason
            }
            compared += 1;
            let mut over = excesses(inputs, &case.config, cluster, &steps, true);
            over.retain(|o| !about_which(o));
            assert_eq!(
                refused,
                !over.is_empty(),
                "seed {seed}: {way:#?}\n{over:#?}"
            );
            let none = ["room".to_owned()];
            let kinds = over.iter().map(|o| {
                let state = if o.has.is_some() { "" } else { ", unknown" };
                let kind = o.limit.split_whitespace().take(2).collect::<Vec<_>>();
                format!("{}{state}", kind.join(" "))
            });
            let kinds: Vec<String> = kinds.collect();
            for kind in if kinds.is_empty() { &none[..] } else { &kinds } {
                *seen.entry(kind.clone()).or_default() += 1;
            }
        });
    }
    println!("{compared} compared: {seen:?}");
    assert!(compared > 5_000, "{compared}");
    for kind in [
        "room",
        "nodes at",
        "CPU of",
        "memory of",
        "nodes of",
        "vCPUs of",
        "vCPUs of, unknown",
        "addresses in",
        "addresses in, unknown",
        "CPU of, unknown",
        "reservations of",
    ] {
        let times = seen.get(kind).copied().unwrap_or(0);
        assert!(times >= 20, "{kind}: {times}");
    }
}

#[test]
fn broken_plans_are_seen() {
    let case = case(1);
    case.with(|inputs, cluster| {
        let launch = |kind: &str, zone: usize, count: u32, via: Owner| {
            let labels = node("x", 0, zone, "main").meta.labels;
            Launch {
                shape: Some(Box::new(NodeShape {
                    labels,
                    allocatable: Resources::default(),
                    ..NodeShape::default()
                })),
                ..Launch::new(
                    Offering {
                        instance_type: kind.into(),
                        zone: Some(IDS[zone].into()),
                        capacity_type: CapacityType::OnDemand,
                    },
                    count,
                    via,
                )
            }
        };
        let config = case.config.clone().with_concentration(8, 99);
        let says = |steps: &[Step<'_>]| -> Vec<String> {
            let over = excesses(inputs, &config, cluster, steps, false);
            over.into_iter().map(|o| o.limit).collect()
        };
        let group = || Owner::NodeGroup {
            name: "fixed".to_owned(),
            auto_scaling_group: None,
        };
        let scaling = || Owner::AutoScalingGroup {
            name: "own".to_owned(),
        };
        let many = launch("m6i.xlarge", 0, 500, group());
        let wrong = launch("m6i.large", 0, 1, group());
        let giant = launch("m6i.4xlarge", 1, 1, scaling());
        let nobody = launch("m6i.large", 0, 1, Owner::Unowned);
        fn step(launch: &Launch) -> Step<'_> {
            Step {
                launch: vec![launch],
                remove: Vec::new(),
            }
        }
        let has = |launch: &Launch, limit: &str| {
            let found = says(&[step(launch)]);
            assert!(found.iter().any(|l| l == limit), "{limit} in {found:?}");
        };
        has(&many, "nodes of node group fixed");
        has(&many, &format!("vCPUs of quota {QUOTA}"));
        has(&wrong, "nodes of node group fixed of type m6i.large");
        has(&giant, "vCPUs of one node");
        has(&giant, "nodes of auto scaling group own in that zone");
        has(
            &giant,
            "nodes of auto scaling group own of type m6i.4xlarge",
        );
        assert!(
            says(&[step(&nobody)])
                .iter()
                .any(|l| l.contains("launches"))
        );
        // All nodes but one go, for one that comes.
        let names: Vec<NodeName> = cluster.nodes.items().iter().map(Node::name).collect();
        let group = group();
        let gone = Step {
            launch: Vec::new(),
            remove: names[1..].iter().map(|n| (n, Some(&group))).collect(),
        };
        let found = says(&[gone, step(&nobody)]);
        assert!(
            found.iter().any(|l| l == "nodes fewer than there must be"),
            "{found:?}"
        );
        assert!(
            found.iter().any(|l| l == "nodes that fixed may lose"),
            "{found:?}"
        );
        let strange = NodeName::new("strange");
        let twice = Step {
            launch: Vec::new(),
            remove: vec![(&strange, None)],
        };
        assert_eq!(says(&[twice]), ["such nodes"]);
    });
}
