//! From the lines of a case to a snapshot.
//!
//! ```text
//! decide [headroom=5] [age=30] [cooldown=30] [min-saving=5] [share=50] [max-nodes=100]
//!        [launch] [surge=10] [vcpus=1000] [addresses=1000] [addresses-each=] [extra=<dollars per hour>]
//!        [marginal=<type>:<dollars per hour>] [max-vcpus=64] [min-nodes=3]
//!        [spot=0] [spot-of=<app>:<percent>] [spot-price=40 or ?] [spot-vcpus=1000]
//!        [zone-share=100] [room=<pods>:<cpu>:<memory>[:<pool>[:<zone>]]]
//!        [flight=10] [disrupted=<minutes ago>] [empty-dir=keeps] [bare=moves] [refused-resize=drop] [figures] [green] [explain]
//! node  <name> <cpu> <memory> [type= zone= age= label=k:v taint=key[:effect] ann=k:v pods= ebs=]
//!       [in=<type>]                       its instance is in the reservation of that type
//!       [pool= | group= | asg=] [unowned] [spot] [cordoned] [not-ready] [deleting]
//! pod   <app>-<n> <node or -> <cpu> <memory> [kind= ns= selector=k:v tolerates= for= avoids= near=
//!       spread= domains= grace= port= claim= held= ann=k:v label=k:v nominated= gate= priority= volume=] [not-ready] [heeds-taints] …
//! pods  <app> <node or -> <count> <cpu> <memory> …    <app>-<node>-1, -2, …
//! pdb   <name> [app=] [min= | max=] [allowed=] [policy=] [replicas=]
//! pool  <name> [policy= after= budget= schedule= duration= reason= startup= cpu= memory= nodes= types=a,b label=k:v taint=key[:effect]] [spot | spot-only | reserved]
//! group <name> min= desired= [max=] [cluster=] [asg=] [type=] [zone=] [spot]
//! asg   <name> min= desired= [max=] [type=] [zones=a,b] [suspended=]
//! quota <code> <vCPUs> used=
//! subnet <zone> <free addresses> [lasting]    with instances of the nodes above
//! short <type> <minutes ago>              a launch was refused
//! lost <type> <minutes ago>               an instance on spot was taken back
//! reserved <type> <count> [zone=] [platform=Linux/UNIX or ?] [open]    a capacity reservation
//! plan <id> <dollars per hour> [rate=700] [used=1000] [family=]    a Savings Plan
//! other <type> [in=<type>]                a running instance that is no node
//! instances <id> <type> <count> [used=1000]    reserved instances
//! claim <name> [zone=] [local=<node>] [lost]
//! price <type> <dollars per hour>         the account's own
//! limit <app> max= [with=<app>]           a rule of the operator
//! removed <node>                          by an earlier pass
//! unknown | partial <part>                of the snapshot, or `events`
//! ```

use super::{NOW, Scenario};
use crate::cases::Line;
use crate::fixtures::*;
use chrono::TimeDelta;
use cloudoptim_core::decision::Offering;
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::{Disrupted, Ledgers, PoolEvent, PoolEventKind};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::{CountLimit, NodeRef, Overlay};
use std::collections::BTreeMap;

pub(super) fn number<T: std::str::FromStr>(line: &Line, key: &str) -> Option<T> {
    let text = line.get(key)?;
    let parsed = text.parse().ok();
    Some(parsed.unwrap_or_else(|| panic!("{key}={text} in: {}", line.text)))
}

fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(',').map(|pair| {
        let (key, value) = pair.split_once(':').unwrap_or_else(|| panic!("{pair}"));
        (key.to_owned(), value.to_owned())
    })
}

fn push<T>(part: &mut Knowledge<Vec<T>>, item: T) {
    part.value_mut().unwrap().push(item);
}

pub(super) fn zone(short: &str) -> String {
    format!("us-east-1{short}")
}

fn subnet(short: &str) -> SubnetId {
    SubnetId::new(format!("subnet-{short}"))
}

fn taint(text: &str) -> Taint {
    let (key, effect) = text.split_once(':').unwrap_or((text, "NoSchedule"));
    Taint {
        key: key.to_owned(),
        value: String::new(),
        effect: match effect {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            other => panic!("{other}"),
        },
    }
}

fn selector(app: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Labels::from([("app".to_owned(), app.to_owned())]),
        ..Default::default()
    }
}

fn add_node(line: &Line, cluster: &mut Cluster, cloud: &mut Cloud) {
    let name = line.word(1);
    let mut n = node(name, line.word(2), line.word(3));
    let zone = zone(line.get("zone").unwrap_or("a"));
    n.provider_id = Some(format!("aws:///{zone}/i-{name}"));
    n.meta.created_at = Some(at(NOW) - TimeDelta::minutes(number(line, "age").unwrap_or(600)));
    let mut label = |key: &str, value: &str| {
        n.meta.labels.insert(key.to_owned(), value.to_owned());
    };
    label(ZONE_LABEL, &zone);
    match line.get("type").unwrap_or("m6i.xlarge") {
        "-" => {}
        name => label(INSTANCE_TYPE_LABEL, name),
    }
    if line.has("spot") {
        label("karpenter.sh/capacity-type", "spot");
    }
    if line.has("reserved") {
        label("karpenter.sh/capacity-type", "reserved");
    }
    for kind in ["auto", "fargate"] {
        if line.has(kind) {
            label("eks.amazonaws.com/compute-type", kind);
        }
    }
    if let Some(group) = line.get("group") {
        label(NODE_GROUP_LABEL, group);
    }
    let by_group = line.get("group").or(line.get("asg")).is_some();
    if !by_group && !line.has("unowned") {
        label(NODE_POOL_LABEL, line.get("pool").unwrap_or("main"));
        let claim = NodeClaim {
            meta: meta("", &format!("main-{name}")),
            node_name: Some(NodeName::new(name)),
            provider_id: n.provider_id.clone(),
            ..Default::default()
        };
        push(&mut cluster.node_claims, claim);
    }
    if let Some(group) = line.get("asg") {
        let groups = cloud.auto_scaling_groups.value_mut().unwrap();
        let found = groups.iter_mut().find(|g| g.name == group);
        let found = found.unwrap_or_else(|| panic!("asg {group} comes first"));
        found.instances.push(GroupInstance {
            instance: format!("i-{name}").into(),
            lifecycle: "InService".to_owned(),
            ..Default::default()
        });
    }
    if let Some(reservation) = line.get("in") {
        let instance = Instance {
            id: n.instance_id().unwrap(),
            instance_type: n.instance_type().unwrap().into(),
            state: InstanceState::Running,
            zone: n.zone_name(),
            capacity_reservation: Some(format!("cr-{reservation}")),
            ..Default::default()
        };
        push(&mut cloud.instances, instance);
    }
    if let Some(text) = line.get("label") {
        n.meta.labels.extend(pairs(text));
    }
    if let Some(text) = line.get("ann") {
        n.meta.annotations.extend(pairs(text));
    }
    n.taints.extend(line.get("taint").map(taint));
    n.unschedulable = line.has("cordoned");
    if line.has("not-ready") {
        n.conditions.clear();
    }
    if line.has("deleting") {
        n.meta.deleted_at = Some(at(NOW));
    }
    n.allocatable.pods = number(line, "pods").unwrap_or(110);
    if let Some(gpus) = number(line, "gpu") {
        n.allocatable
            .extended
            .insert("nvidia.com/gpu".to_owned(), gpus);
    }
    if let Some(limit) = number(line, "ebs") {
        let driver = CsiDriver {
            name: "ebs.csi.aws.com".to_owned(),
            attach_limit: Some(limit),
        };
        let csi = CsiNode {
            meta: meta("", name),
            drivers: vec![driver],
        };
        push(&mut cluster.csi_nodes, csi);
    }
    push(&mut cluster.nodes, n);
}

/// One pod, with the workload that makes it counted in `replicas`.
fn add_pod(
    line: &Line,
    app: &str,
    name: &str,
    sizes: [&str; 2],
    cluster: &mut Cluster,
    replicas: &mut BTreeMap<(String, String, String), u32>,
) {
    let ns = line.get("ns").unwrap_or("shop");
    let mut p = pod(ns, app, name, "", container("main", sizes[0], sizes[1]));
    let on = line.word(2);
    p.spec.node_name = (on != "-").then(|| NodeName::new(on));
    if on == "-" {
        p.status.phase = PodPhase::Pending;
        p.status.ready = Some(false);
    }
    let kind = line.get("kind").unwrap_or("ReplicaSet");
    p.meta.owners.clear();
    let key = (ns.to_owned(), kind.to_owned(), app.to_owned());
    match kind {
        "Bare" => {}
        "Mirror" => p.meta.owners.push(owner("Node", on, "uid-node")),
        "ReplicaSet" => {
            let uid = format!("uid-{ns}-{app}-1");
            p.meta
                .owners
                .push(owner("ReplicaSet", &format!("{app}-1"), &uid));
            *replicas.entry(key).or_default() += 1;
        }
        kind => {
            p.meta
                .owners
                .push(owner(kind, app, &format!("uid-{ns}-{app}")));
            *replicas.entry(key).or_default() += 1;
        }
    }
    if line.has("not-ready") {
        p.status.ready = Some(false);
    }
    if line.has("leaving") {
        p.meta.deleted_at = Some(at(NOW));
    }
    if line.has("finished") {
        p.status.phase = PodPhase::Succeeded;
        p.status.ready = Some(false);
    }
    if line.has("bound-not-started") {
        p.status.phase = PodPhase::Pending;
        p.status.ready = Some(false);
    }
    p.status.started_at =
        Some(at(NOW) - TimeDelta::minutes(number(line, "started").unwrap_or(300)));
    if let Some(held) = line.get("held") {
        p.status.resize_pending = Some("Infeasible".to_owned());
        let mut allocated = p.spec.containers[0].resources.requests.clone();
        allocated.cpu = Some(cpu(held));
        p.status.containers[0].allocated = Some(allocated);
    }
    p.status.nominated_node = line.get("nominated").map(NodeName::new);
    let spec = &mut p.spec;
    spec.scheduling_gates = line.get("gate").map(str::to_owned).into_iter().collect();
    spec.resource_claims = line.get("devices").map(str::to_owned).into_iter().collect();
    spec.priority = number(line, "priority");
    if let Some(text) = line.get("selector") {
        spec.node_selector.extend(pairs(text));
    }
    if let Some(text) = line.get("not-on") {
        let requirement = Requirement {
            key: HOSTNAME_LABEL.to_owned(),
            operator: Operator::NotIn,
            values: vec![text.to_owned()],
        };
        spec.required_node_affinity = Some(vec![NodeSelectorTerm {
            match_expressions: vec![requirement],
            ..Default::default()
        }]);
    }
    if let Some(key) = line.get("tolerates") {
        spec.tolerations.push(Toleration {
            key: key.to_owned(),
            exists: true,
            seconds: number(line, "for"),
            ..Default::default()
        });
    }
    let near = |app: &str| PodAffinityTerm {
        selector: Some(selector(app)),
        topology_key: HOSTNAME_LABEL.to_owned(),
        ..Default::default()
    };
    if let Some(app) = line.get("avoids") {
        spec.required_pod_anti_affinity.push(near(app));
    }
    if let Some(app) = line.get("near") {
        spec.required_pod_affinity.push(near(app));
    }
    for (word, when) in [
        ("spread", WhenUnsatisfiable::DoNotSchedule),
        ("soft-spread", WhenUnsatisfiable::ScheduleAnyway),
    ] {
        if let Some(by) = line.get(word) {
            spec.topology_spread.push(TopologySpread {
                max_skew: number(line, "skew").unwrap_or(1),
                topology_key: match by {
                    "zone" => ZONE_LABEL,
                    "host" => HOSTNAME_LABEL,
                    other => panic!("{other}"),
                }
                .to_owned(),
                when_unsatisfiable: when,
                selector: Some(selector(app)),
                min_domains: number(line, "domains"),
                honour_node_taints: line.has("heeds-taints").then_some(true),
                ..Default::default()
            });
        }
    }
    spec.termination_grace_seconds = number(line, "grace").or(spec.termination_grace_seconds);
    if let Some(port) = number(line, "port") {
        spec.containers[0].host_ports.push(HostPort {
            port,
            protocol: "TCP".to_owned(),
            ip: String::new(),
        });
    }
    if let Some(gpus) = number(line, "gpu") {
        let extended = &mut spec.containers[0].resources.requests.extended;
        extended.insert("nvidia.com/gpu".to_owned(), gpus);
    }
    // A sidecar and an init container, as `sidecar=<cpu>` and `init=<cpu>`.
    for (word, restarts) in [("sidecar", true), ("init", false)] {
        if let Some(size) = line.get(word) {
            let mut c = container(word, size, "0");
            c.restarts_always = restarts;
            spec.init_containers.push(c);
        }
    }
    if let Some(name) = line.get("claim") {
        spec.volumes.push(PodVolume {
            name: "data".to_owned(),
            source: PodVolumeSource::Claim {
                name: name.to_owned(),
            },
        });
    }
    if let Some(kind) = line.get("volume") {
        let source = match kind {
            "emptydir" => PodVolumeSource::EmptyDir { in_memory: false },
            "memory" => PodVolumeSource::EmptyDir { in_memory: true },
            "hostpath" => PodVolumeSource::HostPath,
            other => panic!("{other}"),
        };
        spec.volumes.push(PodVolume {
            name: "scratch".to_owned(),
            source,
        });
    }
    if let Some(text) = line.get("label") {
        p.meta.labels.extend(pairs(text));
    }
    if let Some(text) = line.get("ann") {
        p.meta.annotations.extend(pairs(text));
    }
    push(&mut cluster.pods, p);
}

fn add_workloads(cluster: &mut Cluster, replicas: BTreeMap<(String, String, String), u32>) {
    let workloads = cluster.workloads.value_mut().unwrap();
    for ((ns, kind, app), count) in replicas {
        let mut both = deployment(&ns, &app, count, container("main", "100m", "128Mi"));
        if kind == "ReplicaSet" {
            workloads.extend(both);
        } else {
            both[0].kind = kind.as_str().into();
            workloads.push(both[0].clone());
        }
    }
}

fn share(text: &str) -> IntOrPercent {
    match text.strip_suffix('%') {
        Some(percent) => IntOrPercent::Percent(percent.parse().unwrap()),
        None => IntOrPercent::Count(text.parse().unwrap()),
    }
}

fn add_budget(line: &Line, cluster: &mut Cluster) {
    let mut meta = meta(line.get("ns").unwrap_or("shop"), line.word(1));
    meta.generation = Some(2);
    let select = match line.get("app").unwrap_or(line.word(1)) {
        "*" => LabelSelector::default(),
        app => selector(app),
    };
    // A status that is of an older specification is computed anew.
    let stale = line.get("allowed").is_none();
    let budget = PodDisruptionBudget {
        meta,
        selector: Some(select),
        min_available: line.get("min").map(share),
        max_unavailable: line.get("max").map(share),
        unhealthy_policy: match line.get("policy") {
            None => UnhealthyPodEviction::IfHealthyBudget,
            Some("always") => UnhealthyPodEviction::AlwaysAllow,
            Some(_) => UnhealthyPodEviction::Unrecognised,
        },
        disruptions_allowed: number(line, "allowed").or(Some(9)),
        current_healthy: Some(9),
        desired_healthy: Some(9 - number::<u32>(line, "allowed").unwrap_or(9)),
        expected_pods: Some(9),
        observed_generation: Some(if stale { 1 } else { 2 }),
        ..Default::default()
    };
    push(&mut cluster.disruption_budgets, budget);
}

fn add_pool(line: &Line, cluster: &mut Cluster) {
    let budget = line.get("budget").map(|nodes| DisruptionBudget {
        nodes: nodes.to_owned(),
        schedule: line.get("schedule").map(str::to_owned),
        duration: line.get("duration").map(str::to_owned),
        reasons: line.get("reason").map(str::to_owned).into_iter().collect(),
    });
    let pool = NodePool {
        meta: meta("", line.word(1)),
        consolidation_policy: line.get("policy").map(str::to_owned),
        consolidate_after: line.get("after").map(str::to_owned),
        budgets: budget.into_iter().collect(),
        startup_taints: line.get("startup").map(taint).into_iter().collect(),
        ..Default::default()
    };
    let mut pool = pool;
    let nodes = number(line, "nodes").map(|n| ("nodes".to_owned(), n));
    let limits = ResourceList {
        cpu: line.get("cpu").map(cpu),
        memory: line.get("memory").map(bytes),
        extended: nodes.into_iter().collect(),
        ..Default::default()
    };
    pool.limits = (limits != ResourceList::default()).then_some(limits);
    if let Some(types) = line.get("types") {
        pool.requirements.push(Requirement {
            key: INSTANCE_TYPE_LABEL.to_owned(),
            operator: Operator::In,
            values: types.split(',').map(str::to_owned).collect(),
        });
    }
    let capacity: &[&str] = match (line.has("spot"), line.has("spot-only")) {
        (true, _) => &["spot", "on-demand"],
        (_, true) => &["spot"],
        _ if line.has("reserved") => &["on-demand", "reserved"],
        _ => &[],
    };
    if !capacity.is_empty() {
        pool.requirements.push(Requirement {
            key: "karpenter.sh/capacity-type".to_owned(),
            operator: Operator::In,
            values: capacity.iter().map(ToString::to_string).collect(),
        });
    }
    pool.taints.extend(line.get("taint").map(taint));
    pool.labels
        .extend(line.get("label").into_iter().flat_map(pairs));
    push(&mut cluster.node_pools, pool);
}

fn add_claim(line: &Line, cluster: &mut Cluster) {
    let name = line.word(1);
    let volume = format!("pv-{name}");
    let term = |key: &str, value: String| {
        vec![NodeSelectorTerm {
            match_expressions: vec![Requirement {
                key: key.to_owned(),
                operator: Operator::In,
                values: vec![value],
            }],
            ..Default::default()
        }]
    };
    let local = line.get("local");
    let affinity = match (local, line.get("zone")) {
        (Some(node), _) => Some(term(HOSTNAME_LABEL, node.to_owned())),
        (None, Some(short)) => Some(term(ZONE_LABEL, zone(short))),
        (None, None) => None,
    };
    let pv = PersistentVolume {
        meta: meta("", &volume),
        source: if local.is_some() {
            PvSource::Local
        } else {
            PvSource::Ebs {
                volume: format!("vol-{name}").into(),
            }
        },
        node_affinity: affinity,
        phase: PvPhase::Bound,
        ..Default::default()
    };
    let claim = PersistentVolumeClaim {
        meta: meta("shop", name),
        phase: if line.has("lost") {
            ClaimPhase::Lost
        } else {
            ClaimPhase::Bound
        },
        volume_name: Some(volume),
        access_modes: vec!["ReadWriteOnce".to_owned()],
        ..Default::default()
    };
    push(&mut cluster.persistent_volumes, pv);
    push(&mut cluster.claims, claim);
}

fn commitment(line: &Line) -> Commitment {
    let plan = line.word(0) == "plan";
    let dollars = |text: &str| (text.parse::<f64>().unwrap() * 1e6).round() as i64;
    let family = line.get("family").map(str::to_owned);
    Commitment {
        id: line.word(1).to_owned(),
        kind: match (plan, &family) {
            (true, None) => CommitmentKind::ComputeSavingsPlan,
            (true, Some(_)) => CommitmentKind::InstanceSavingsPlan,
            _ => CommitmentKind::ReservedInstance,
        },
        per_hour: plan.then(|| MicroUsdPerHour(dollars(line.word(2)))),
        count: (!plan).then(|| line.word(3).parse().unwrap()),
        instance_type: if plan {
            family
        } else {
            Some(line.word(2).to_owned())
        },
        rate_milli: plan.then(|| number(line, "rate").unwrap_or(700)),
        used_milli: match line.get("used") {
            Some("?") => None,
            _ => Some(number(line, "used").unwrap_or(1_000)),
        },
        ..Default::default()
    }
}

fn reservation(line: &Line, cloud: &Cloud) -> Commitment {
    let zone: ZoneName = zone(line.get("zone").unwrap_or("a")).into();
    Commitment {
        id: format!("cr-{}", line.word(1)),
        kind: CommitmentKind::CapacityReservation,
        count: Some(line.word(2).parse().unwrap()),
        instance_type: Some(line.word(1).to_owned()),
        zone_id: cloud.zone_id(&zone).cloned(),
        platform: match line.get("platform") {
            Some("?") => None,
            platform => Some(platform.unwrap_or("Linux/UNIX").to_owned()),
        },
        targeted: Some(!line.has("open")),
        ..Default::default()
    }
}

/// A subnet of a zone, and in it an instance of each node that is there already.
fn add_subnet(line: &Line, cluster: &Cluster, cloud: &mut Cloud) {
    let zone: ZoneName = zone(line.word(1)).into();
    let own = Subnet {
        id: subnet(line.word(1)),
        zone_id: cloud.zone_id(&zone).cloned(),
        free_addresses: line.word(2).parse().unwrap(),
    };
    let nodes = cluster.nodes.items().iter();
    for node in nodes.filter(|n| n.zone_name() == Some(zone.clone())) {
        let lasting = line.has("lasting").then(|| "eni-1".to_owned());
        let instance = Instance {
            id: node.instance_id().unwrap(),
            instance_type: node.instance_type().unwrap().into(),
            state: InstanceState::Running,
            zone: Some(zone.clone()),
            subnet: Some(own.id.clone()),
            lasting_interfaces: lasting.into_iter().collect(),
            ..Default::default()
        };
        push(&mut cloud.instances, instance);
    }
    push(&mut cloud.subnets, own);
}

/// A snapshot with the account behind it, a ledger and an overlay.
pub(crate) fn build(header: &Line, lines: &[Line]) -> Scenario {
    let (mut cluster, mut cloud) = (cluster(), cloud());
    let mut overlay = Overlay::default();
    let mut replicas = BTreeMap::new();
    let mut losses = Vec::new();
    let mut events = Vec::new();
    for line in lines {
        match line.word(0) {
            "node" => add_node(line, &mut cluster, &mut cloud),
            "pod" => {
                let name = line.word(1);
                let app = name.rsplit_once('-').map_or(name, |(app, _)| app);
                let sizes = [line.word(3), line.word(4)];
                add_pod(line, app, name, sizes, &mut cluster, &mut replicas);
            }
            "pods" => {
                let (app, on) = (line.word(1), line.word(2));
                let sizes = [line.word(4), line.word(5)];
                for i in 1..=line.word(3).parse().unwrap() {
                    let name = format!("{app}-{on}-{i}");
                    add_pod(line, app, &name, sizes, &mut cluster, &mut replicas);
                }
            }
            "pdb" => add_budget(line, &mut cluster),
            "pool" => add_pool(line, &mut cluster),
            "group" => {
                let group = NodeGroup {
                    name: line.word(1).to_owned(),
                    cluster: line.get("cluster").unwrap_or("test").to_owned(),
                    min_size: number(line, "min").unwrap(),
                    desired: number(line, "desired").unwrap(),
                    max_size: number(line, "max").unwrap_or(99),
                    instance_types: line.get("type").map(Into::into).into_iter().collect(),
                    subnets: line.get("zone").map(subnet).into_iter().collect(),
                    capacity_type: match line.has("spot") {
                        true => CapacityType::Spot,
                        false => CapacityType::OnDemand,
                    },
                    ..Default::default()
                };
                if let Some(short) = line.get("zone") {
                    let zone_id = cloud.zone_id(&zone(short).into()).cloned();
                    let subnet = Subnet {
                        id: subnet(short),
                        zone_id,
                        free_addresses: 1_000,
                    };
                    push(&mut cloud.subnets, subnet);
                }
                push(&mut cloud.node_groups, group);
            }
            "asg" => {
                let zones = line.get("zones").unwrap_or("a").split(',');
                let group = AutoScalingGroup {
                    name: line.word(1).to_owned(),
                    min_size: number(line, "min").unwrap(),
                    desired: number(line, "desired").unwrap(),
                    max_size: number(line, "max").unwrap_or(99),
                    instance_types: line.get("type").map(Into::into).into_iter().collect(),
                    zones: zones.map(|z| ZoneName::from(zone(z))).collect(),
                    suspended: line
                        .get("suspended")
                        .map(str::to_owned)
                        .into_iter()
                        .collect(),
                    ..Default::default()
                };
                push(&mut cloud.auto_scaling_groups, group);
            }
            "claim" => add_claim(line, &mut cluster),
            "quota" => push(
                &mut cloud.quotas,
                ServiceQuota {
                    code: line.word(1).to_owned(),
                    value: line.word(2).parse().unwrap(),
                    used: number(line, "used"),
                    ..Default::default()
                },
            ),
            "subnet" => add_subnet(line, &cluster, &mut cloud),
            "reserved" => {
                let reservation = reservation(line, &cloud);
                push(&mut cloud.commitments, reservation);
            }
            "plan" | "instances" => push(&mut cloud.commitments, commitment(line)),
            "other" => push(
                &mut cloud.instances,
                Instance {
                    id: "i-other".into(),
                    instance_type: line.word(1).into(),
                    state: InstanceState::Running,
                    capacity_reservation: line.get("in").map(|of| format!("cr-{of}")),
                    ..Default::default()
                },
            ),
            "short" => events.push(PoolEvent {
                offering: Offering::on_demand(line.word(1), None),
                kind: PoolEventKind::InsufficientCapacity,
                at: at(NOW) - TimeDelta::minutes(line.word(2).parse().unwrap()),
                instance: None,
            }),
            "lost" => events.push(PoolEvent {
                offering: Offering {
                    capacity_type: CapacityType::Spot,
                    ..Offering::on_demand(line.word(1), None)
                },
                kind: PoolEventKind::InterruptionNotice,
                at: at(NOW) - TimeDelta::minutes(line.word(2).parse().unwrap()),
                instance: None,
            }),
            "price" => {
                let dollars: f64 = line.word(2).parse().unwrap();
                let price = OfferingPrice {
                    instance_type: line.word(1).into(),
                    capacity_type: CapacityType::OnDemand,
                    per_hour: MicroUsdPerHour((dollars * 1e6).round() as i64),
                    ..Default::default()
                };
                push(&mut cloud.prices, price);
            }
            "limit" => {
                let deployment = |app: &str| WorkloadRef::new("shop", "Deployment", app);
                overlay.count_limits.push(CountLimit {
                    cluster: "c1".into(),
                    with: line.get("with").map(deployment),
                    of: deployment(line.word(1)),
                    max: number(line, "max").unwrap(),
                });
            }
            "removed" => overlay.removed_nodes.push(NodeRef {
                cluster: "c1".into(),
                node: NodeName::new(line.word(1)),
            }),
            "unknown" | "partial" => losses.push((line.word(1), line.has("partial"))),
            other => panic!("{other}?"),
        }
    }
    add_workloads(&mut cluster, replicas);
    let no_events = losses.iter().any(|(part, _)| *part == "events");
    losses.retain(|(part, _)| *part != "events");
    for (part, demote) in losses {
        forget(&mut cluster, &mut cloud, part, demote);
    }
    let ledgers = Ledgers {
        disrupted: header.get("disrupted").map(|minutes| {
            let ago = TimeDelta::minutes(minutes.parse().unwrap());
            vec![Disrupted {
                cluster: header.get("of").unwrap_or("c1").into(),
                node: "gone".into(),
                at: at(NOW) - ago,
            }]
        }),
        pool_events: (!no_events).then_some(events),
        ..Default::default()
    };
    Scenario {
        snapshot: snapshot(NOW, cluster, cloud),
        ledgers,
        overlay,
    }
}

/// Parts whose absence must never add a removal. Prices are not among them:
/// without the account's own the list price stands in.
pub(super) const PARTS: [&str; 18] = [
    "nodes",
    "pods",
    "workloads",
    "pdbs",
    "pools",
    "node-claims",
    "claims",
    "volumes",
    "classes",
    "csi",
    "attachments",
    "limits",
    "runtimes",
    "namespaces",
    "instances",
    "asgs",
    "groups",
    "zones",
];

/// Takes a part away, or its completeness.
pub(super) fn forget(cluster: &mut Cluster, cloud: &mut Cloud, part: &str, demote: bool) {
    macro_rules! parts {
        ($($name:literal => $of:ident.$field:ident),* $(,)?) => {
            match part {
                $($name => {
                    let old = std::mem::take(&mut $of.$field);
                    if demote {
                        $of.$field = old.demoted(Gap::CompletenessNotStated);
                    }
                })*
                other => panic!("{other}?"),
            }
        };
    }
    parts!(
        "nodes" => cluster.nodes,
        "pods" => cluster.pods,
        "workloads" => cluster.workloads,
        "pdbs" => cluster.disruption_budgets,
        "pools" => cluster.node_pools,
        "node-claims" => cluster.node_claims,
        "claims" => cluster.claims,
        "volumes" => cluster.persistent_volumes,
        "classes" => cluster.storage_classes,
        "csi" => cluster.csi_nodes,
        "attachments" => cluster.volume_attachments,
        "limits" => cluster.limit_ranges,
        "runtimes" => cluster.runtime_classes,
        "namespaces" => cluster.namespaces,
        "instances" => cloud.instances,
        "asgs" => cloud.auto_scaling_groups,
        "groups" => cloud.node_groups,
        "zones" => cloud.zones,
        "commitments" => cloud.commitments,
    );
}
