//! What holds of every plan, on generated clusters.

use super::build::{PARTS, forget};
use super::generated::{any_case, open, scenario};
use super::naive::Board;
use super::{Scenario, node_of, run};
use cloudoptim_core::decision::Action;
use cloudoptim_core::engines::EngineOutput;
use cloudoptim_core::engines::bin_packing::{Config, Headroom, Reason};
use cloudoptim_core::model::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn any_config() -> impl Strategy<Value = Config> {
    prop::sample::select(vec![
        open(),
        Config::default(),
        open().with_max_workload_share_percent(50),
        open().with_headroom_percent(20),
        open()
            .with_max_workload_share_percent(34)
            .with_max_workload_zone_share_percent(50),
        open().with_headroom(vec![room(3, Some("main"), Some("us-east-1a"))]),
        open().with_headroom(vec![room(5, None, None)]),
    ])
}

/// Room for so many pods of half a CPU and half a GiB.
fn room(pods: u32, pool: Option<&str>, zone: Option<&str>) -> Headroom {
    Headroom {
        pods,
        cpu: MilliCpu(500),
        memory: Bytes(512 << 20),
        pool: pool.map(str::to_owned),
        zone: zone.map(str::to_owned),
    }
}

pub(super) fn removed(output: &EngineOutput) -> BTreeSet<&str> {
    let acts = output.decisions.iter().filter(|d| !d.is_keep());
    acts.map(|d| node_of(d).as_str()).collect()
}

/// Every move, in the order of the plan: pod, from, to.
fn moves(output: &EngineOutput) -> Vec<(&str, &str, &str)> {
    let mut all = Vec::new();
    for action in output.decisions.iter().flat_map(|d| &d.actions) {
        if let Action::DrainNode { node, moves, .. } = action {
            all.extend(moves.iter().map(|m| {
                let to = m.to.as_ref().unwrap().as_str();
                (m.uid.as_str(), node.as_str(), to)
            }));
        }
    }
    all
}

/// The cluster that a plan leaves, some minutes later: pods are ready again on
/// their new nodes, and what ended with its node is gone.
pub(super) fn after(scenario: &Scenario, output: &EngineOutput) -> Scenario {
    let mut next = scenario.clone();
    let gone = removed(output);
    let to: BTreeMap<&str, &str> = moves(output)
        .into_iter()
        .map(|(p, _, to)| (p, to))
        .collect();
    let cluster = &mut next.snapshot.clusters[0];
    let pods = cluster.pods.value_mut().unwrap();
    pods.retain(|p| {
        let stays = p.node().is_none_or(|n| !gone.contains(n.as_str()));
        stays || to.contains_key(p.meta.uid.as_str())
    });
    for pod in pods {
        if let Some(node) = to.get(pod.meta.uid.as_str()) {
            pod.spec.node_name = Some(NodeName::new(*node));
            pod.meta.deleted_at = None;
        }
    }
    let groups: Vec<(String, bool)> = cluster
        .nodes
        .items()
        .iter()
        .filter(|n| gone.contains(n.meta.name.as_str()))
        .map(|n| {
            let group = n.meta.labels.contains_key(NODE_GROUP_LABEL);
            (n.meta.name.clone(), group)
        })
        .collect();
    let nodes = cluster.nodes.value_mut().unwrap();
    nodes.retain(|n| !gone.contains(n.meta.name.as_str()));
    let cloud = &mut next.snapshot.clouds[0];
    for (name, in_group) in groups {
        let id = format!("i-{name}");
        for asg in cloud.auto_scaling_groups.value_mut().unwrap() {
            let before = asg.instances.len();
            asg.instances.retain(|i| i.instance.as_str() != id);
            asg.desired -= (before - asg.instances.len()) as u32;
        }
        if in_group {
            cloud.node_groups.value_mut().unwrap()[0].desired -= 1;
        }
    }
    next
}

fn text(config: &Config, scenario: &Scenario) -> String {
    serde_json::to_string(&run(config, scenario)).unwrap()
}

/// Reasons that depend on what the other nodes do, not on the node itself.
const FOR_THE_REST: [&str; 13] = [
    "empty",
    "pods_fit_elsewhere",
    "room_is_made",
    "makes_room",
    "takes_pods",
    "no_room",
    "unsettles",
    "headroom",
    "pool_headroom",
    "zone_balance",
    "group_at_minimum",
    "last_in_zone",
    "plan_is_full",
];

/// Follows the plan step by step with the naive rules.
pub(super) fn obeys(
    config: &Config,
    scenario: &Scenario,
    output: &EngineOutput,
) -> Result<(), TestCaseError> {
    let gone = removed(output);
    let mut board = Board::new(&scenario.snapshot.clusters[0]);
    // Waiting pods may take what room there is: the scheduler puts them first.
    let waits = board.pods.len() > board.places.len();
    let places = |board: &Board<'_>| -> Vec<u64> {
        let rooms = config.headroom.iter();
        rooms
            .map(|room| board.places_for(room).min(u64::from(room.pods)))
            .collect()
    };
    let had = places(&board);
    let shares = [
        config.max_workload_share_percent,
        config.max_workload_zone_share_percent,
    ];
    let mut moved = BTreeSet::new();
    for action in output.decisions.iter().flat_map(|d| &d.actions) {
        match action {
            Action::DrainNode { node, moves, .. } => {
                for m in moves {
                    let (uid, to) = (m.uid.as_str(), m.to.as_ref().unwrap().as_str());
                    prop_assert!(moved.insert(uid.to_owned()), "{uid} moves twice");
                    prop_assert!(!gone.contains(to), "{uid} goes to {to}, which goes");
                    prop_assert_eq!(board.places.remove(uid), Some(node.as_str()));
                    let mut broken = board.broken(uid, to);
                    broken.extend(board.crowded(uid, node.as_str(), to, shares));
                    prop_assert!(broken.is_empty(), "{broken:?}");
                    let uid = *board.pods.get_key_value(uid).unwrap().0;
                    let to = *board.nodes.get_key_value(to).unwrap().0;
                    board.places.insert(uid, to);
                }
            }
            Action::RemoveNode { node, .. } => {
                // What is left there ends with the node.
                for pod in board.on(node.as_str()) {
                    let daemon = pod.meta.owners.iter().any(|o| o.kind == "DaemonSet");
                    let name = &pod.meta.name;
                    prop_assert!(daemon || pod.meta.deleted_at.is_some(), "{}", name);
                    board.places.remove(pod.meta.uid.as_str());
                }
                board.nodes.remove(node.as_str());
            }
            _ => {}
        }
    }
    if !waits {
        let has = places(&board);
        let fewer = had.iter().zip(&has).any(|(had, has)| has < had);
        prop_assert!(!fewer, "room for {has:?} pods of {had:?}");
    }
    // Where pods came, nothing is broken for anybody; a spread is a rule for
    // those that arrive.
    let targets: BTreeSet<&str> = moves(output).into_iter().map(|(_, _, to)| to).collect();
    for node in targets {
        for pod in board.on(node) {
            let mut broken = board.broken(pod.meta.uid.as_str(), node);
            broken.retain(|b| !b.ends_with("zone spread"));
            prop_assert!(broken.is_empty(), "{broken:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn shuffled_input_gives_equal_bytes(case in any_case(), config in any_config(), turn: u8) {
        let straight = scenario(&case);
        let mut turned = straight.clone();
        let turn_by = |n: usize| usize::from(turn) % n.max(1);
        for c in &mut turned.snapshot.clusters {
            macro_rules! shuffle {
                ($($part:ident),*) => {$(
                    let items = c.$part.value_mut().unwrap();
                    items.reverse();
                    let by = turn_by(items.len());
                    items.rotate_left(by);
                )*};
            }
            shuffle!(nodes, pods, workloads, disruption_budgets, node_pools, node_claims, claims,
                persistent_volumes, csi_nodes);
        }
        let groups = turned.snapshot.clouds[0].auto_scaling_groups.value_mut().unwrap();
        groups.reverse();
        for group in groups {
            group.instances.reverse();
        }
        turned.snapshot.normalize();
        prop_assert_eq!(text(&config, &straight), text(&config, &turned));
    }

    #[test]
    fn knowing_less_never_removes_more(case in any_case(), config in any_config(), demote: bool) {
        let whole = scenario(&case);
        let before = run(&config, &whole);
        for part in PARTS {
            let mut less = whole.clone();
            let Snapshot { clusters, clouds, .. } = &mut less.snapshot;
            forget(&mut clusters[0], &mut clouds[0], part, demote);
            let after = run(&config, &less);
            // A node that stays may let another go in its place. So what must
            // hold is: each that goes had no reason of its own to stay ...
            for node in removed(&after) {
                let decision = before.decisions.iter().find(|d| node_of(d).as_str() == node);
                let decision = decision.unwrap();
                for code in decision.reasons.iter().map(|r| r.code().1) {
                    prop_assert!(FOR_THE_REST.contains(&code.as_str()), "{part}: {node} {code}");
                    // Room is made for who goes, by who stays.
                    let (made, makes) = (code == "room_is_made", code == "makes_room");
                    prop_assert!(!made || !decision.is_keep(), "{part}: {node}");
                    prop_assert!(!makes || decision.is_keep(), "{part}: {node}");
                }
            }
            // ... and each pod that moves breaks no rule of what is known.
            obeys(&config, &whole, &after)?;
            let needed = ["nodes", "pods", "workloads", "pdbs"].contains(&part);
            prop_assert!(!needed || removed(&after).is_empty(), "{}", part);
        }
    }

    #[test]
    fn every_move_keeps_every_rule(case in any_case(), config in any_config()) {
        let scenario = scenario(&case);
        obeys(&config, &scenario, &run(&config, &scenario))?;
    }

    #[test]
    fn pods_that_wait_for_a_node_still_fit_one(case in any_case(), config in any_config()) {
        // One at a time: each that fits somewhere before fits somewhere after.
        let before = scenario(&case);
        let next = after(&before, &run(&config, &before));
        let fits = |s: &Scenario| -> BTreeSet<String> {
            let cluster = &s.snapshot.clusters[0];
            let board = Board::new(cluster);
            let waiting = cluster.pods.items().iter().filter(|p| p.node().is_none());
            waiting
                .filter(|p| p.meta.deleted_at.is_none())
                // A DaemonSet's pod goes with the node that it is for.
                .filter(|p| !p.meta.owners.iter().any(|o| o.kind == "DaemonSet"))
                .filter(|p| board.nodes.keys().any(|n| board.broken(p.meta.uid.as_str(), n).is_empty()))
                .map(|p| p.meta.name.clone())
                .collect()
        };
        let (had, has) = (fits(&before), fits(&next));
        // With one waiting pod its own place is certain; several compete.
        if had.len() == 1 {
            prop_assert_eq!(had, has);
        }
    }

    #[test]
    fn never_dearer_and_never_below_the_bound(case in any_case(), config in any_config()) {
        let output = run(&config, &scenario(&case));
        for figures in &output.figures {
            let (now, after) = (figures.cost_now.unwrap(), figures.cost_after.unwrap());
            prop_assert!(after <= now);
            let bound = figures.lower_bound.unwrap();
            prop_assert!(bound <= after, "{bound} > {after}");
            let saves: MicroUsdPerMonth =
                output.decisions.iter().filter_map(|d| d.saves_per_month).sum();
            prop_assert_eq!(saves, (now - after).per_month());
            prop_assert_eq!(figures.moves, moves(&output).len() as u64);
        }
    }

    #[test]
    fn no_more_is_saved_than_commitments_leave_to_pay(
        case in any_case(),
        commitment in prop::sample::select(vec![
            ("plan sp 0.05", Some(71_428)),
            ("plan sp 0.3", Some(428_571)),
            ("plan sp 0.2 family=m6i", Some(285_714)),
            ("instances ri m6i.xlarge 1", Some(192_000)),
            ("instances ri m6i.large 3", Some(288_000)),
            ("plan sp 0.1 used=999", None),
        ]),
        other: bool,
    ) {
        let (line, worth) = commitment;
        let mut case = case;
        case.0.push(line.to_owned());
        if other {
            case.0.push("other m6i.2xlarge".to_owned());
        }
        let scenario = scenario(&case);
        let output = run(&open(), &scenario);
        // What is left to pay beside the commitment, which pays for whatever runs.
        let gone = removed(&output);
        let pays = |all: bool| -> i64 {
            let nodes = scenario.snapshot.clusters[0].nodes.items().iter();
            let there = nodes.filter(|n| all || !gone.contains(n.meta.name.as_str()));
            let prices = there.map(|n| match n.instance_type().unwrap() {
                "m6i.large" => 96_000,
                "m6i.xlarge" => 192_000,
                _ => 384_000,
            });
            let spend = prices.sum::<i64>() + if other { 384_000 } else { 0 };
            worth.map_or(0, |worth: i64| (spend - worth).max(0))
        };
        let saves: MicroUsdPerMonth =
            output.decisions.iter().filter_map(|d| d.saves_per_month).sum();
        let really = MicroUsdPerHour(pays(true) - pays(false)).per_month();
        prop_assert!(saves <= really, "{saves} > {really}");
        // And no less, but for what a node saves that a commitment pays for in part.
        if worth == Some(71_428) && other {
            prop_assert_eq!(saves, really);
        }
    }

    #[test]
    fn no_budget_is_broken_one_by_one(case in any_case(), config in any_config()) {
        let scenario = scenario(&case);
        let cluster = &scenario.snapshot.clusters[0];
        let output = run(&config, &scenario);
        let pods: BTreeMap<&str, &Pod> =
            cluster.pods.items().iter().map(|p| (p.meta.uid.as_str(), p)).collect();
        let selected = |b: &PodDisruptionBudget, p: &Pod| {
            let labels = &b.selector.as_ref().unwrap().match_labels;
            labels.iter().all(|(k, v)| p.meta.labels.get(k) == Some(v))
        };
        for (uid, _, _) in moves(&output) {
            let pod = pods[uid];
            let over: Vec<_> = cluster.disruption_budgets.items().iter()
                .filter(|b| selected(b, pod)).collect();
            // Deleted already, or not running yet: no budget is asked.
            if pod.meta.deleted_at.is_some() || over.is_empty() {
                continue;
            }
            prop_assert_eq!(over.len(), 1, "{} has several budgets", uid);
            let mine: Vec<&Pod> = pods.values().copied().filter(|p| selected(over[0], p)).collect();
            let healthy = mine.iter()
                .filter(|p| p.status.ready == Some(true) && p.meta.deleted_at.is_none()).count();
            // Bare pods have no scale; every other of them has one replica each.
            let scale = mine.iter().filter(|p| !p.meta.owners.is_empty()).count();
            let percent = |n: u32, of: usize| (of * n as usize).div_ceil(100);
            let least = match (over[0].min_available, over[0].max_unavailable) {
                (Some(IntOrPercent::Count(n)), _) => n as usize,
                (Some(IntOrPercent::Percent(n)), _) => percent(n, scale),
                (_, Some(IntOrPercent::Count(n))) => scale.saturating_sub(n as usize),
                (_, Some(IntOrPercent::Percent(n))) => scale.saturating_sub(percent(n, scale)),
                (None, None) => 0,
            };
            // With the one before back, this one leaves `healthy - 1`; one that
            // is not ready takes nothing away from what is healthy.
            if pod.status.ready == Some(true) {
                prop_assert!(healthy > least, "{uid}: {healthy} healthy, {least} must stay");
            } else {
                prop_assert!(healthy >= least && least > 0 || healthy > least);
            }
        }
    }

    #[test]
    fn applying_plans_ends(case in any_case(), config in any_config()) {
        // Each plan removes a node, so there are at most as many as nodes; the
        // last one is empty and stays so.
        let mut now = scenario(&case);
        let mut rounds = 0;
        loop {
            let output = run(&config, &now);
            if removed(&output).is_empty() {
                break;
            }
            rounds += 1;
            prop_assert!(rounds <= 9);
            now = after(&now, &output);
        }
        prop_assert!(removed(&run(&config, &now)).is_empty());
        prop_assert_eq!(text(&config, &now), text(&config, &now));
    }

    #[test]
    fn what_goes_after_a_plan_was_kept_for_a_reason_that_the_plan_changed(
        case in any_case(), config in any_config()
    ) {
        let before = scenario(&case);
        let output = run(&config, &before);
        let second = run(&config, &after(&before, &output));
        for node in removed(&second) {
            let kept = output.decisions.iter().find(|d| node_of(d).as_str() == node).unwrap();
            let codes: Vec<String> = kept.reasons.iter().map(|r| r.code().1).collect();
            // It took pods, which may go on; a pod that was leaving is gone; or
            // a pod that moved makes way for another.
            let may_change = ["takes_pods", "no_room", "unsettles", "headroom", "pool_headroom", "zone_balance", "budget_blocks", "pool_forbids", "makes_room"];
            prop_assert!(codes.iter().all(|c| may_change.contains(&c.as_str())), "{node} {codes:?}");
        }
    }
}

#[test]
fn the_generated_clusters_are_worth_looking_at() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut goes, mut moved) = (0, 0);
    let mut codes: BTreeSet<String> = BTreeSet::new();
    for _ in 0..400 {
        let case = any_case().new_tree(&mut runner).unwrap().current();
        let output = run(&open(), &scenario(&case));
        goes += removed(&output).len();
        moved += moves(&output).len();
        codes.extend(
            output
                .decisions
                .iter()
                .flat_map(|d| &d.reasons)
                .map(|r| r.code().1),
        );
    }
    assert!(
        goes > 250 && moved > 150,
        "{goes} nodes go, {moved} pods move"
    );
    let never = [
        "part_missing",
        "protected",
        "unpriced",
        "saves_too_little",
        "owner_unknown",
        "managed_by_provider",
        "cooling_down",
        "plan_is_full",
        "headroom",
        "pool_headroom",
        "unsettles",
        "covered_by_commitment",
        "commitments_unknown",
        // Nobody can be asked for nodes there.
        "pods_fit_with_launches",
        "launches",
        // Nobody is in a hurry.
        "out_of_time",
        // Nobody prefers anything.
        "breaks_preferences",
        "preferences_cost_more",
    ];
    let missing: Vec<_> = Reason::CODES
        .iter()
        .filter(|c| !never.contains(c) && !codes.contains(**c))
        .collect();
    assert!(missing.is_empty(), "never generated: {missing:?}");
}
