//! Launches on spot, on generated clusters: no workload has more on spot than
//! its share and what it can lose, in the plan and wherever the scheduler puts
//! pods meanwhile; nothing is launched there that nobody allows or prices; and
//! the bound holds.

use crate::agreement::known;
use crate::launches::{Draw, IDS, KINDS, ZONES, node, pod};
use cloudoptim_benches::launches::{excesses, waves, whole};
use cloudoptim_benches::sample::Random;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{Action, Decision, LaunchThrough, Reason as Why};
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::{
    Chooser, Config, Placement, Reason, StatedRoom, decide, migration, simulate,
};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::embedded().unwrap());
const CAPACITY: &str = "karpenter.sh/capacity-type";

/// What was drawn, as the judge knows it.
struct Case {
    snapshot: Snapshot,
    config: Config,
    /// Most pods of each app on spot; 0 where it may have none.
    most: BTreeMap<String, usize>,
    /// What the risk of a type adds, where anyone says.
    risk: BTreeMap<&'static str, i64>,
    /// Pools that name spot.
    spot_pools: BTreeSet<&'static str>,
}

/// Price on spot without the risk: 30 % of 48,000 micro-dollars for each vCPU.
fn plain(cores: u64) -> i64 {
    i64::try_from(cores).unwrap() * 14_400
}

fn price(kind: &str, capacity_type: CapacityType, per_hour: i64) -> OfferingPrice {
    OfferingPrice {
        instance_type: kind.into(),
        zone_id: None,
        capacity_type,
        per_hour: MicroUsdPerHour(per_hour),
    }
}

fn selector(app: &str) -> Labels {
    Labels::from([("app".to_owned(), app.to_owned())])
}

/// Nodes with pods of apps, some of them on spot.
fn fleet(draw: &mut Draw) -> (Vec<Node>, Vec<Pod>) {
    let (mut nodes, mut pods) = (Vec::new(), Vec::new());
    for number in 0..3 + draw.below(5) {
        let pool = draw.of(&["main", "main", "side"]);
        let (kind, zone) = (draw.below(4) as usize, draw.below(2) as usize);
        let mut new = node(&format!("n{number}"), kind, zone, pool);
        if draw.one_in(4) {
            let labels = &mut new.meta.labels;
            labels.insert(CAPACITY.to_owned(), "spot".to_owned());
        }
        let mut free = new.allocatable.cpu.0;
        for turn in 0..draw.below(6) {
            let cpu = 200 + 100 * draw.below(10);
            if cpu <= free {
                free -= cpu;
                let at = number as usize * 10 + turn as usize;
                let app = draw.below(4) as usize;
                let mut pod = pod(app, at, &new.meta.name, cpu);
                pod.meta.owners[0].kind = "ReplicaSet".to_owned();
                pod.meta.labels = selector(&format!("app{app}"));
                // One in a while chooses nothing on spot.
                if draw.one_in(6) {
                    let only = (CAPACITY.to_owned(), "on-demand".to_owned());
                    pod.spec.node_selector.extend([only]);
                }
                pods.push(pod);
            }
        }
        nodes.push(new);
    }
    (nodes, pods)
}

fn workload(app: &str, pods: &[&Pod]) -> Workload {
    let replicas = u32::try_from(pods.len()).ok();
    let mut workload = Workload {
        kind: WorkloadKind::ReplicaSet,
        template: Some(PodTemplate {
            labels: selector(app),
            spec: PodSpec {
                node_name: None,
                ..pods[0].spec.clone()
            },
            ..PodTemplate::default()
        }),
        replicas,
        current_replicas: replicas,
        updated_replicas: replicas,
        ..Workload::default()
    };
    workload.meta.namespace = "shop".to_owned();
    workload.meta.name = app.to_owned();
    workload.meta.uid = app.into();
    workload
}

fn case(seed: u64) -> Case {
    let mut draw = Draw(Random::new(seed));
    let (nodes, pods) = fleet(&mut draw);
    let percent = draw.of(&[0, 50, 100, 100]);
    let special = draw.of(&[0, 25, 100]);
    let mut apps: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in &pods {
        apps.entry(&pod.meta.owners[0].name).or_default().push(pod);
    }
    let (mut workloads, mut budgets) = (Vec::new(), Vec::new());
    let mut most = BTreeMap::new();
    for (app, own) in &apps {
        workloads.push(workload(app, own));
        let replicas = own.len();
        let share = if *app == "app0" { special } else { percent };
        let mut may = 0;
        if !draw.one_in(4) {
            let least = draw.below(3).min(replicas as u64) as usize;
            let mut budget = PodDisruptionBudget {
                selector: Some(LabelSelector {
                    match_labels: selector(app),
                    ..LabelSelector::default()
                }),
                min_available: Some(IntOrPercent::Count(least as u32)),
                disruptions_allowed: Some((replicas - least) as u32),
                current_healthy: Some(replicas as u32),
                desired_healthy: Some(least as u32),
                expected_pods: Some(replicas as u32),
                ..PodDisruptionBudget::default()
            };
            budget.meta.namespace = "shop".to_owned();
            budget.meta.name = (*app).to_owned();
            budgets.push(budget);
            // One stays on demand, and as many as the budget wants.
            if replicas >= 2 && replicas > least {
                let part = replicas * share as usize / 100;
                may = part.min(replicas - least.max(1));
            }
        }
        most.insert((*app).to_owned(), may);
    }
    let spot_pools: BTreeSet<&str> = ["main", "side"]
        .into_iter()
        .filter(|_| !draw.one_in(3))
        .collect();
    let pools = ["main", "side"].map(|name| {
        let mut pool = NodePool::default();
        pool.meta.name = name.to_owned();
        if spot_pools.contains(name) {
            pool.requirements.push(Requirement {
                key: CAPACITY.to_owned(),
                operator: Operator::In,
                values: vec!["spot".to_owned(), "on-demand".to_owned()],
            });
        }
        pool
    });
    let (mut listed, mut with_risk, mut risk) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (kind, cores) in KINDS {
        let on_demand = i64::try_from(cores).unwrap() * 48_000;
        listed.push(price(kind, CapacityType::OnDemand, on_demand));
        listed.push(price(kind, CapacityType::Spot, plain(cores)));
        match draw.below(6) {
            // Nobody says, or what they say has no risk in it.
            0 => {}
            1 => with_risk.push(price(kind, CapacityType::Spot, plain(cores) - 1)),
            _ => {
                let more = 1 + i64::try_from(draw.below(20_000)).unwrap();
                risk.insert(kind, more);
                with_risk.push(price(kind, CapacityType::Spot, plain(cores) + more));
            }
        }
    }
    let mut room = StatedRoom::default();
    for code in ["L-1216C47A", "L-34B43A08"] {
        room.free_vcpus.insert(code.to_owned(), draw.below(24));
    }
    for zone in ZONES {
        room.free_addresses.insert(zone.to_owned(), 4_000);
    }
    let config = Config::default()
        .with_headroom_percent(0)
        .with_max_workload_share_percent(draw.of(&[50, 100]))
        .with_max_disrupted_percent(100)
        .with_min_saving_per_month(MicroUsdPerMonth(1))
        .with_launch_through([LaunchThrough::NodePools])
        .with_max_surge_percent(100)
        .with_concentration(16, 1)
        .with_stated_room(room)
        .with_spot_percent(percent)
        .with_spot_percent_of(WorkloadRef::new("shop", "ReplicaSet", "app0"), special)
        .with_spot_prices(with_risk, "2026-11-24T12:00:00Z".parse().unwrap());
    let cluster = Cluster {
        uid: "c1".into(),
        name: "test".to_owned(),
        account: Some("111122223333".into()),
        region: Some("us-east-1".into()),
        node_claims: known(nodes.iter().map(claim).collect()),
        nodes: known(nodes),
        pods: known(pods.clone()),
        workloads: known(workloads),
        disruption_budgets: known(budgets),
        node_pools: known(pools.to_vec()),
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
    let zones = ZONES.iter().zip(IDS).map(|(name, id)| Zone {
        name: (*name).into(),
        id: id.into(),
        kind: "availability-zone".to_owned(),
    });
    let cloud = Cloud {
        account: "111122223333".into(),
        region: "us-east-1".into(),
        zones: known(zones.collect()),
        prices: known(listed),
        instances: known(Vec::new()),
        commitments: known(Vec::new()),
        ..Cloud::default()
    };
    let mut snapshot = Snapshot::new("2026-11-24T12:00:00Z".parse().unwrap());
    snapshot.clusters.push(cluster);
    snapshot.clouds.push(cloud);
    snapshot.normalize();
    Case {
        snapshot,
        config,
        most,
        risk,
        spot_pools,
    }
}

fn claim(node: &Node) -> NodeClaim {
    let mut claim = NodeClaim::default();
    claim.meta.name = format!("claim-{}", node.meta.name);
    claim.node_name = Some(node.name());
    claim.provider_id = node.provider_id.clone();
    claim
}

impl Case {
    fn with<T>(&self, then: impl FnOnce(&Inputs<'_>, &Cluster) -> T) -> T {
        let (overlay, policy) = (Overlay::default(), Policy::default());
        let ledgers = Ledgers {
            pool_events: Some(Vec::new()),
            ..Ledgers::default()
        };
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

    /// Whether the settings let anything come to spot.
    fn counts(&self) -> bool {
        let of = &self.config.spot_percent_of;
        self.config.spot_percent > 0 || of.iter().any(|of| of.percent > 0)
    }

    /// Nodes on spot: those that are there and those that decisions launch.
    fn on_spot(&self, decisions: &[Decision]) -> BTreeSet<NodeName> {
        let nodes = self.snapshot.clusters[0].nodes.items().iter();
        let there = nodes.filter(|n| n.meta.label(CAPACITY) == Some("spot"));
        let mut all: BTreeSet<NodeName> = there.map(Node::name).collect();
        for action in decisions.iter().flat_map(|d| &d.actions) {
            if let Action::LaunchNodes { launch, .. } = action
                && launch.offering.capacity_type == CapacityType::Spot
            {
                all.extend(launch.nodes.iter().cloned());
            }
        }
        all
    }

    /// No app has more on spot than it may, or had before.
    fn assert_shares(&self, spot: &BTreeSet<NodeName>, places: &BTreeMap<Uid, NodeName>, of: &str) {
        if !self.counts() {
            return;
        }
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for pod in self.snapshot.clusters[0].pods.items() {
            let before = pod.spec.node_name.as_ref().unwrap();
            let after = places.get(&pod.meta.uid).unwrap_or(before);
            let (was, is) = counts.entry(&pod.meta.owners[0].name).or_default();
            *was += usize::from(spot.contains(before));
            *is += usize::from(spot.contains(after));
        }
        for (app, (was, is)) in counts {
            let most = self.most[app];
            assert!(
                is <= was.max(most),
                "{of}: {app} has {is} of {most}, had {was}"
            );
        }
    }
}

fn planned(decisions: &[Decision]) -> BTreeMap<Uid, NodeName> {
    let actions = decisions.iter().flat_map(|d| &d.actions);
    let moves = actions.filter_map(|a| match a {
        Action::DrainNode { moves, .. } => Some(moves),
        _ => None,
    });
    let placed = moves.flatten();
    placed
        .filter_map(|m| Some((m.uid.clone(), m.to.clone()?)))
        .collect()
}

/// What every decision with a launch says of it.
fn assert_told(case: &Case, decisions: &[Decision], seed: u64) -> [u32; 2] {
    let mut count = [0, 0];
    for decision in decisions {
        let mut told = decision.reasons.iter().filter_map(|reason| match reason {
            Why::BinPacking(Reason::Launches {
                offering,
                nodes,
                price,
                risk,
            }) => Some((offering, *nodes, *price, *risk)),
            _ => None,
        });
        for action in &decision.actions {
            let Action::LaunchNodes { launch, .. } = action else {
                continue;
            };
            let (offering, nodes, price, risk) = told.next().unwrap();
            assert_eq!((offering, nodes), (&launch.offering, launch.count));
            let (kind, cores) = *KINDS
                .iter()
                .find(|k| k.0 == offering.instance_type.as_str())
                .unwrap();
            if offering.capacity_type == CapacityType::Spot {
                count[1] += nodes;
                assert!(case.counts(), "seed {seed}");
                assert_eq!(price.0, plain(cores), "seed {seed}");
                assert_eq!(risk.map(|r| r.0), Some(case.risk[kind]), "seed {seed}");
                let via = launch.via.to_string();
                let named = |pool: &&str| via == format!("node pool {pool}");
                assert!(case.spot_pools.iter().any(named), "seed {seed}: {via}");
            } else {
                count[0] += nodes;
                assert_eq!(risk, None, "seed {seed}");
            }
        }
        assert_eq!(told.next(), None, "seed {seed}");
    }
    count
}

#[test]
fn no_workload_has_more_on_spot_than_it_may_whatever_the_scheduler_chooses() {
    let (mut decided, mut carried, mut forced) = ([0, 0], [0, 0], 0);
    for seed in 0..600 {
        let case = case(seed);
        case.with(|inputs, cluster| {
            let output = decide(&case.config, inputs).unwrap();
            for figures in &output.figures {
                let (after, bound) = (figures.cost_after.unwrap(), figures.lower_bound.unwrap());
                assert!(bound <= after, "seed {seed}: {bound} > {after}");
            }
            let decisions = output.decisions;
            let count = assert_told(&case, &decisions, seed);
            decided = [decided[0] + count[0], decided[1] + count[1]];
            let steps = whole(cluster, &decisions);
            let over = excesses(inputs, &case.config, cluster, &steps, false);
            assert_eq!(over, [], "seed {seed}: {steps:#?}");
            let spot = case.on_spot(&decisions);
            case.assert_shares(
                &spot,
                &planned(&decisions),
                &format!("seed {seed}, planned"),
            );
            let way = migration(&case.config, inputs, &"c1".into(), &decisions).unwrap();
            let steps = waves(&way, &decisions);
            let over = excesses(inputs, &case.config, cluster, &steps, true);
            assert_eq!(over, [], "seed {seed}: {steps:#?}");
            for wave in &way.waves {
                forced += u32::from(matches!(wave.placement, Placement::Forced { .. }));
                for launch in &wave.launch {
                    let on_spot = launch.offering.capacity_type == CapacityType::Spot;
                    carried[usize::from(on_spot)] += launch.count;
                }
            }
            let random = (0..4).map(|seed| Chooser::Random { seed });
            for chooser in [Chooser::Scores, Chooser::Tightest]
                .into_iter()
                .chain(random)
            {
                let run = simulate(&case.config, inputs, &way, chooser).unwrap();
                let of = format!("seed {seed}, {chooser:?}");
                assert!(run.pending.is_empty(), "{of}: {:?}", run.pending);
                case.assert_shares(&spot, &run.places, &of);
            }
        });
    }
    println!("{decided:?} decided, {carried:?} launched, {forced} forced");
    assert!(
        decided[1] > 50 && carried[1] > 15,
        "{decided:?} {carried:?}"
    );
}
