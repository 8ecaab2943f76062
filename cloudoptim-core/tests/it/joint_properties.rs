//! The joint run on generated snapshots: the order of input is forgotten, less
//! knowledge never destroys more, and no plan saves more than is spent.

use crate::bin_packing;
use crate::fixtures::*;
use crate::joint::{any_number_of_resizes, run_on, used, workload_of, world};
use chrono::TimeDelta;
use cloudoptim_core::decision::Action;
use cloudoptim_core::engines::office_hours;
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::{Ledgers, Observed};
use cloudoptim_core::model::*;
use cloudoptim_core::plan::Plan;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Of an application: cores in tenths, replicas, and what else is so.
#[derive(Debug, Clone)]
struct App {
    tenths: u32,
    replicas: u32,
    used: bool,
    sleeps: bool,
    killed: bool,
}

#[derive(Debug, Clone)]
struct World {
    nodes: usize,
    apps: Vec<App>,
    /// An unattached volume, and an instance without a node.
    waste: bool,
}

fn worlds() -> impl Strategy<Value = World> {
    let flag = prop::bool::weighted(0.4);
    let app = (3_u32..20, 1_u32..3, flag, flag, prop::bool::weighted(0.2)).prop_map(
        |(tenths, replicas, used, sleeps, killed)| App {
            tenths,
            replicas,
            used,
            sleeps,
            killed,
        },
    );
    let apps = prop::collection::vec(app, 1..5);
    (2_usize..5, apps, any::<bool>()).prop_map(|(nodes, apps, waste)| World { nodes, apps, waste })
}

fn build(of: &World) -> (Snapshot, Ledgers) {
    let mut text = String::new();
    for node in 0..of.nodes {
        text += &format!("node n{node} 4 16Gi\n");
    }
    let mut place = 0;
    for (i, app) in of.apps.iter().enumerate() {
        for replica in 1..=app.replicas {
            let node = place % of.nodes;
            text += &format!("pod a{i}-{replica} n{node} {}m 1Gi\n", app.tenths * 100);
            place += 1;
        }
    }
    let mut snapshot = world(&text);
    let now = snapshot.taken_at;
    for (i, app) in of.apps.iter().enumerate() {
        let name = format!("a{i}");
        if app.used {
            used(&mut snapshot, &name, "100m", "300Mi");
        }
        let cluster = &mut snapshot.clusters[0];
        if app.sleeps {
            let key = office_hours::OPT_IN.to_owned();
            let notes = &mut workload_of(cluster, &name).meta.annotations;
            notes.insert(key, "true".to_owned());
        }
        let pods = cluster.pods.value_mut().unwrap().iter_mut();
        let mut mine = pods.filter(|p| p.meta.name.starts_with(&format!("{name}-")));
        if app.killed
            && let Some(pod) = mine.next()
        {
            pod.spec.containers[0].resources.limits.memory = Some(bytes("1Gi"));
            pod.status.containers[0].last_terminated = Some(Termination {
                reason: "OOMKilled".to_owned(),
                exit_code: 137,
                finished_at: Some(now - TimeDelta::minutes(30)),
                ..Default::default()
            });
        }
    }
    let mut ledgers = Ledgers {
        asleep: Some(vec![]),
        memory_raises: Some(vec![]),
        disrupted: Some(vec![]),
        ..Default::default()
    };
    if of.waste {
        let volume = crate::zombie_volumes::volume("vol-x");
        let seen = Observed {
            first_at: now - TimeDelta::days(30),
            last_at: now - TimeDelta::hours(1),
            count: 60,
            longest_gap_seconds: 43_200,
        };
        ledgers.volumes_unattached = Some(BTreeMap::from([(volume.id.clone(), seen)]));
        let volumes = &mut snapshot.clouds[0].volumes;
        volumes.value_mut().unwrap().push(volume);
    }
    snapshot.normalize();
    (snapshot, ledgers)
}

fn run(snapshot: &Snapshot, ledgers: &Ledgers) -> Plan {
    let mut policy = any_number_of_resizes(Policy::default());
    policy.office_hours.schedule = "Mon-Fri 16:00-20:00 UTC".to_owned();
    run_on(&bin_packing::catalog(), &policy, snapshot, ledgers)
}

/// What the plan does that nothing brings back: how many nodes go, and the rest
/// by name. Which node goes is a choice: with other requests another is cheaper
/// to empty.
fn destroys(plan: &Plan) -> (usize, BTreeSet<String>) {
    let steps = plan.steps.iter().map(|s| &s.action);
    let gone: Vec<&Action> = steps.filter(|a| a.is_destructive()).collect();
    let is_node = |a: &&&Action| matches!(a, Action::RemoveNode { .. });
    let nodes = gone.iter().filter(is_node).count();
    let others = gone.iter().filter(|a| !is_node(a));
    (nodes, others.map(|a| a.to_string()).collect())
}

/// The snapshot without each of its parts in turn.
fn with_one_part_less(snapshot: &Snapshot) -> Vec<(String, Snapshot)> {
    let unknown = Knowledge::<Vec<()>>::unknown(Gap::NotCollected);
    let unknown = serde_json::to_value(unknown).unwrap();
    let whole = serde_json::to_value(snapshot).unwrap();
    let mut all = Vec::new();
    let mut try_at = |path: String, pointer: &[&str]| {
        let mut less = whole.clone();
        let mut at = &mut less;
        for key in pointer {
            at = match key.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[*key],
            };
        }
        if *at == unknown {
            return;
        }
        *at = unknown.clone();
        // What is no part is not read so.
        if let Ok(less) = serde_json::from_value::<Snapshot>(less) {
            all.push((path, less));
        }
    };
    let keys = |value: &Value| -> Vec<String> {
        let object = value.as_object();
        object
            .into_iter()
            .flatten()
            .map(|(k, _)| k.clone())
            .collect()
    };
    for key in keys(&whole) {
        try_at(key.clone(), &[&key]);
    }
    for list in ["clusters", "clouds"] {
        for key in keys(&whole[list][0]) {
            try_at(format!("{list}.{key}"), &[list, "0", &key]);
        }
    }
    all
}

#[test]
fn every_part_is_taken_away_in_turn() {
    let one = World {
        nodes: 2,
        apps: vec![App {
            tenths: 3,
            replicas: 1,
            used: true,
            sleeps: false,
            killed: false,
        }],
        waste: true,
    };
    let all = with_one_part_less(&build(&one).0);
    let names: BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    for part in [
        "clusters.pods",
        "clusters.usage",
        "clouds.volumes",
        "expected_clusters",
    ] {
        assert!(names.contains(part), "{names:?}");
    }
    assert!(names.len() > 30, "{names:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_the_snapshot_changes_no_byte_of_a_plan(of in worlds()) {
        let (snapshot, ledgers) = build(&of);
        let mut turned = snapshot.clone();
        let cluster = &mut turned.clusters[0];
        macro_rules! turn {
            ($($part:expr),*) => { $(if let Some(items) = $part.value_mut() { items.reverse(); })* };
        }
        turn!(
            cluster.nodes, cluster.pods, cluster.workloads, cluster.namespaces,
            cluster.persistent_volumes, cluster.claims
        );
        if let Some(usage) = cluster.usage.value_mut() {
            usage.containers.reverse();
        }
        let cloud = &mut turned.clouds[0];
        turn!(cloud.instances, cloud.volumes, cloud.prices, cloud.zones);
        turned.normalize();
        let text = |s: &Snapshot| serde_json::to_string(&run(s, &ledgers)).unwrap();
        let first = text(&snapshot);
        prop_assert_eq!(&first, &text(&turned));
        prop_assert_eq!(&first, &text(&snapshot));
    }

    #[test]
    fn a_plan_saves_no_more_than_is_spent_and_its_sums_agree(of in worlds()) {
        let (snapshot, ledgers) = build(&of);
        let plan = run(&snapshot, &ledgers);
        let steps: MicroUsdPerMonth = plan.steps.iter().filter_map(|s| s.saves_per_month).sum();
        let engines: MicroUsdPerMonth = plan.engines.iter().map(|e| e.saves_per_month).sum();
        prop_assert_eq!(steps, plan.totals.saves_per_month);
        prop_assert_eq!(engines, plan.totals.saves_per_month);
        let nodes = plan.totals.nodes_per_hour.per_month();
        // The volume is one of 100 GiB of gp3 at $0.08 at most.
        let volumes = MicroUsdPerMonth(if of.waste { 8_000_000 } else { 0 });
        prop_assert!(plan.totals.saves_per_month <= nodes + volumes, "{}", plan.explain());
        prop_assert!(plan.totals.nodes_per_hour_after >= MicroUsdPerHour(0));
        // One removal of a node.
        let removed: Vec<String> = plan.steps.iter().filter_map(|s| match &s.action {
            Action::RemoveNode { node, .. } => Some(node.to_string()),
            _ => None,
        }).collect();
        let once: BTreeSet<&String> = removed.iter().collect();
        prop_assert_eq!(once.len(), removed.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn less_knowledge_destroys_nothing_more(of in worlds()) {
        let (snapshot, ledgers) = build(&of);
        let (nodes, others) = destroys(&run(&snapshot, &ledgers));
        for (part, less) in with_one_part_less(&snapshot) {
            let (nodes_then, others_then) = destroys(&run(&less, &ledgers));
            prop_assert!(nodes_then <= nodes, "{part}: {nodes_then} nodes beyond {nodes}");
            prop_assert!(others_then.is_subset(&others), "{part}: {others_then:?} beyond {others:?}");
        }
    }
}
