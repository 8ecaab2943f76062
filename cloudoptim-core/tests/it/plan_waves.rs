//! The packer's decisions as waves of steps: the steps are the migration, and
//! what is carried out half is taken back.

use crate::bin_packing::{FORCED, plan_of_case, with_generated_ways};
use crate::execute::Host;
use chrono::TimeDelta;
use cloudoptim_core::decision::{Action, Owner, Undo};
use cloudoptim_core::engines::bin_packing::{
    Elsewhere, Eviction, Migration, Placement as How, Wave,
};
use cloudoptim_core::execute::{StepResult, undo};
use cloudoptim_core::guard::Placement;
use cloudoptim_core::journal::{End, Entry, History};
use cloudoptim_core::memory::{Fault, FaultKind};
use cloudoptim_core::model::*;
use cloudoptim_core::plan::{Plan, Precondition, Step, StepId};
use std::collections::{BTreeMap, BTreeSet};

/// What a step does to which node.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Does {
    Cordon(NodeName),
    Evict(NodeName, Vec<Uid>),
    Uncordon(NodeName),
    Remove(NodeName),
}

fn does(step: &Step) -> Does {
    match &step.action {
        Action::CordonNode { node, .. } => Does::Cordon(node.clone()),
        Action::UncordonNode { node, .. } => Does::Uncordon(node.clone()),
        Action::DrainNode { node, moves, .. } => {
            Does::Evict(node.clone(), moves.iter().map(|m| m.uid.clone()).collect())
        }
        Action::RemoveNode { node, .. } => Does::Remove(node.clone()),
        other => panic!("{other}"),
    }
}

/// What is closed for the time of the wave.
fn closed(wave: &Wave) -> Vec<NodeName> {
    match &wave.placement {
        How::Forced { closed, .. } => closed.clone(),
        _ => Vec::from_iter(wave.closed.clone()),
    }
}

/// What the waves say, in the order of the steps.
fn expected(way: &Migration) -> Vec<Vec<Does>> {
    let waves = way.waves.iter().map(|wave| {
        let mut all: Vec<Does> = wave.cordon.iter().cloned().map(Does::Cordon).collect();
        all.extend(closed(wave).iter().cloned().map(Does::Cordon));
        match &wave.placement {
            How::Free | How::Checked => {
                let mut from: Vec<&NodeName> = Vec::new();
                for eviction in &wave.evictions {
                    if !from.contains(&&eviction.from) {
                        from.push(&eviction.from);
                    }
                }
                for node in from {
                    let own = |e: &&Eviction| e.from == *node;
                    let uids = wave.evictions.iter().filter(own).map(|e| e.uid.clone());
                    all.push(Does::Evict(node.clone(), uids.collect()));
                }
            }
            How::Forced { .. } => {
                let one = |e: &Eviction| Does::Evict(e.from.clone(), vec![e.uid.clone()]);
                all.extend(wave.evictions.iter().map(one));
            }
            other => panic!("{other:?}"),
        }
        all.extend(closed(wave).iter().cloned().map(Does::Uncordon));
        all.extend(wave.removed.iter().cloned().map(Does::Remove));
        all
    });
    let mut waves: Vec<Vec<Does>> = waves.collect();
    stay_closed(way, &mut waves);
    waves
}

/// Takes out what opens a node that the next wave closes again, as long as
/// whoever closed it first has pods or its node to go.
fn stay_closed(way: &Migration, waves: &mut [Vec<Does>]) {
    let touched = |number: usize| {
        let wave = &way.waves[number];
        let from = wave.evictions.iter().map(Eviction::goes);
        from.chain(&wave.removed).collect::<Vec<&NodeName>>()
    };
    let mut by: BTreeMap<NodeName, &NodeName> = BTreeMap::new();
    for number in 1..way.waves.len() {
        let next = closed(&way.waves[number]);
        for node in &closed(&way.waves[number - 1]) {
            let owner = *by.entry(node.clone()).or_insert(touched(number - 1)[0]);
            let goes_on = (number..way.waves.len()).any(|n| touched(n).contains(&owner));
            if goes_on && next.contains(node) && way.waves[number].launch.is_empty() {
                waves[number - 1].retain(|does| *does != Does::Uncordon(node.clone()));
                waves[number].retain(|does| *does != Does::Cordon(node.clone()));
            } else {
                by.remove(node);
            }
        }
    }
}

fn by_wave(plan: &Plan) -> Vec<Vec<&Step>> {
    let mut waves: BTreeMap<u32, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        waves.entry(step.wave.unwrap()).or_default().push(step);
    }
    assert!(plan.steps.is_sorted_by_key(|s| s.wave));
    waves.into_values().collect()
}

/// Controllers whose pods a step waits for.
fn waits_for(step: &Step) -> BTreeSet<Uid> {
    let all = step.preconditions.iter().filter_map(|p| match p {
        Precondition::PodsAreReady { controllers, .. } => Some(controllers),
        _ => None,
    });
    all.flatten().map(|c| c.uid.clone()).collect()
}

#[test]
fn the_steps_of_generated_clusters_are_their_migrations() {
    let (mut waves_seen, mut forced_seen, mut checked_seen) = (0, 0, 0);
    with_generated_ways(200, |cluster, way, plan| {
        let waves = by_wave(plan);
        let got: Vec<Vec<Does>> = waves
            .iter()
            .map(|steps| steps.iter().map(|s| does(s)).collect())
            .collect();
        // A node that was cordoned before is not cordoned again.
        let mut want = expected(way);
        for wave in &mut want {
            wave.retain(|d| match d {
                Does::Cordon(node) => {
                    let node = cluster.nodes.items().iter().find(|n| n.name() == *node);
                    !node.unwrap().unschedulable
                }
                _ => true,
            });
        }
        assert_eq!(got, want);
        waves_seen += waves.len();
        let forced = |w: &&Wave| matches!(w.placement, How::Forced { .. });
        forced_seen += way.waves.iter().filter(forced).count();

        // Each step waits for the one before, and each wave for the pods of the
        // wave before. What is looked at again goes on without others.
        let launches = way.waves.iter().any(|wave| !wave.launch.is_empty());
        let bound = |step: &&Step| match &step.action {
            Action::RemoveNode { via, .. } => !matches!(via, Owner::NodeClaim { .. }),
            _ => launches,
        };
        let bound: BTreeSet<u32> = plan.steps.iter().filter(bound).map(|s| s.group).collect();
        let looked_at = |step: &Step| {
            let number = usize::try_from(step.wave.unwrap()).unwrap();
            way.waves[number - 1].placement == How::Checked && !bound.contains(&step.group)
        };
        let mut latest: BTreeMap<u32, StepId> = BTreeMap::new();
        for (before, step) in std::iter::once(None)
            .chain(plan.steps.iter().map(Some))
            .zip(&plan.steps)
        {
            let before = before.map(|step| &step.id);
            let own = latest.insert(step.group, step.id.clone());
            if looked_at(step) {
                let others = before.filter(|id| own.as_ref() != Some(*id));
                assert_eq!(step.depends_on, Vec::from_iter(own.clone()));
                assert_eq!(step.after, Vec::from_iter(others.cloned()));
                checked_seen += 1;
            } else {
                assert_eq!(step.depends_on, Vec::from_iter(before.cloned()));
                assert_eq!(step.after, []);
            }
        }
        let owner = |uid: &Uid| {
            let pod = cluster.pods.items().iter().find(|p| p.meta.uid == *uid);
            pod.unwrap().meta.controller().map(|o| o.uid.clone())
        };
        for (wave, steps) in way.waves.iter().zip(waves.iter().skip(1)) {
            let moved = wave
                .evictions
                .iter()
                .filter_map(|e| owner(&e.uid))
                .collect();
            let drains = |s: &&&Step| matches!(does(s), Does::Evict(..));
            if steps.iter().any(|step| looked_at(step)) {
                let looked_at = steps.iter().filter(|step| looked_at(step));
                let mut drains = looked_at.filter(drains);
                assert!(drains.all(|step| waits_for(step) == moved));
            } else {
                assert_eq!(waits_for(steps[0]), moved);
            }
        }
        // What a decision saves stands on its last step.
        let saves = plan.steps.iter().filter(|s| s.saves_per_month.is_some());
        for step in saves {
            assert!(matches!(does(step), Does::Remove(_)), "{}", step.action);
        }
    });
    assert!(waves_seen > 100, "{waves_seen} waves");
    assert!(forced_seen > 5, "{forced_seen} forced waves");
    assert!(
        checked_seen > 5,
        "{checked_seen} steps that are looked at again"
    );
}

/// Says no for one node.
#[derive(Debug)]
pub(super) struct NoRoomFor(pub(super) &'static str);

impl Placement for NoRoomFor {
    fn fits_elsewhere(&self, _: &Cluster, node: &NodeName, _: &[Uid]) -> Result<(), String> {
        match node.as_str() == self.0 {
            true => Err("nowhere".to_owned()),
            false => Ok(()),
        }
    }
}

/// Three nodes of a team's own, of which the first may go once it is looked at.
fn island(team: &str) -> String {
    let its = format!("taint={team} label=team:{team}");
    let own = format!("tolerates={team} selector=team:{team}");
    let stays = "ann=karpenter.sh/do-not-disrupt:true";
    format!(
        "node {team}1 4 16Gi {its}
        node {team}2 4 16Gi {its} {stays}
        node {team}3 4 16Gi {its} {stays}
        pods {team}-a {team}1 1 2 2Gi {own}
        pods {team}-b {team}2 2 1 2Gi {own}
        pods {team}-c {team}3 2 1 2Gi {own}
        pods {team}-d - 1 2 2Gi {own}\n"
    )
}

/// What is looked at again before it goes does not count on the others.
#[test]
fn a_node_that_fits_nowhere_else_any_more_stays_and_the_rest_goes_on() {
    let text = [island("x"), island("y")].concat();
    let header = "migrate headroom=0 share=100";
    for stays in ["x1", "y1"] {
        let (world, plan) = plan_of_case(header, &text);
        let after = plan.steps.iter().filter(|step| !step.after.is_empty());
        assert!(after.count() > 1, "{}", plan.explain());
        let host = Host::of(world, plan);
        let report = host.report_by(&NoRoomFor(stays)).unwrap();
        assert_eq!(report.end, End::Done, "{report:#?}");
        let world = host.memory.world();
        let nodes = world.clusters[0].nodes.items().iter();
        let mut left: Vec<&str> = nodes.map(|n| n.meta.name.as_str()).collect();
        left.retain(|name| name.ends_with('1'));
        assert_eq!(left, [stays], "{report:#?}");
        assert_eq!(unschedulable(&world), [] as [&str; 0]);
    }
}

/// Nor does it begin before the pods of the wave before are back: until then
/// nobody knows whether it fits.
#[test]
fn what_is_waited_for_is_judged_before_what_fits() {
    let text = [island("x"), island("y")].concat();
    let (world, plan) = plan_of_case("migrate headroom=0 share=100", &text);
    let drains = |s: &&Step| matches!(does(s), Does::Evict(..));
    let second = plan.steps.iter().filter(drains).nth(1).unwrap().clone();
    let Does::Evict(node, _) = does(&second) else {
        panic!("{}", second.action);
    };
    let stays = ["x1", "y1"].into_iter().find(|n| *n == node.as_str());
    let owners = waits_for(&second);
    assert!(!owners.is_empty(), "{}", plan.explain());
    let host = Host::of(world, plan);
    host.memory.change(|world| {
        for pod in world.clusters[0].pods.value_mut().unwrap() {
            let own = pod.meta.controller();
            if own.is_some_and(|o| owners.contains(&o.uid)) {
                pod.status.ready = Some(false);
            }
        }
    });
    let report = host.report_by(&NoRoomFor(stays.unwrap())).unwrap();
    let mut steps = report.steps.iter();
    let result = steps.find(|s| s.0 == second.id).map(|s| &s.1);
    let Some(StepResult::Refused { refusal }) = result else {
        panic!("{result:?}");
    };
    assert!(refusal.to_string().contains("are ready again"), "{refusal}");
}

fn unschedulable(world: &Snapshot) -> Vec<String> {
    let nodes = world.clusters[0].nodes.items().iter();
    let cordoned = nodes.filter(|n| n.unschedulable);
    cordoned.map(|n| n.meta.name.clone()).collect()
}

#[test]
fn a_forced_wave_opens_what_it_closed() {
    let (world, plan) = plan_of_case("migrate headroom=0", FORCED);
    let closes = plan
        .steps
        .iter()
        .filter(|s| matches!(does(s), Does::Uncordon(_)));
    assert!(closes.count() > 0, "{}", plan.explain());
    let host = Host::of(world, plan);
    let report = host.report();
    assert_eq!(report.end, End::Done, "{report:#?}");
    let world = host.memory.world();
    assert_eq!(unschedulable(&world), [] as [&str; 0]);
    let left: Vec<_> = world.clusters[0].nodes.items().iter().collect();
    assert_eq!(left.len(), 2);
}

/// What was closed for a wave is open again: to take the plan back closes nothing.
#[test]
fn taking_a_plan_back_repeats_no_cordon_of_a_wave() {
    let (world, plan) = plan_of_case("migrate headroom=0", FORCED);
    let closed = plan.steps.iter().filter_map(|s| match does(s) {
        Does::Uncordon(node) => Some(node),
        _ => None,
    });
    let closed: BTreeSet<NodeName> = closed.collect();
    assert!(!closed.is_empty(), "{}", plan.explain());
    let host = Host::of(world, plan);
    host.report();
    let history = History::new(host.entries());
    let now = host.memory.world();
    let back = undo(&host.plan, &history, &now, TimeDelta::hours(1));
    for step in &back.steps {
        assert!(!matches!(does(step), Does::Cordon(_)), "{}", step.action);
    }
}

/// Each call fails once and for all, one after the other: whatever is done
/// then, no node that stays is left closed.
#[test]
fn whatever_fails_no_cordon_is_left_behind() {
    let (mut undone, mut removed) = (0, 0);
    for operation in ["cordon_node", "drain_node", "uncordon_node", "remove_node"] {
        for nth in 0..3 {
            let (world, plan) = plan_of_case("migrate headroom=0", FORCED);
            let fault = Fault::once(operation, nth, FaultKind::Denied);
            let host = Host::of(world, plan).with_fault(fault);
            let report = host.report();
            let world = host.memory.world();
            let steps = report.steps.iter();
            undone += steps.filter(|s| s.1 == StepResult::Undone).count();
            let left = world.clusters[0].nodes.items().len();
            removed += usize::from(left == 2);
            assert_eq!(
                unschedulable(&world),
                [] as [&str; 0],
                "{operation} {nth}: {report:#?}"
            );
        }
    }
    assert!(
        undone > 5 && removed > 1,
        "{undone} undone, {removed} removed"
    );
}

/// The step that begins a wave waits for the pods of the wave before.
#[test]
fn a_wave_begins_when_the_pods_of_the_one_before_are_back() {
    let (world, plan) = plan_of_case("migrate headroom=0", FORCED);
    let host = Host::of(world, plan);
    let waiting = host
        .plan
        .steps
        .iter()
        .position(|s| !waits_for(s).is_empty());
    let waiting = &host.plan.steps[waiting.unwrap()];
    let owners = waits_for(waiting);
    // A pod of that owner never becomes ready.
    host.memory.change(|world| {
        for pod in world.clusters[0].pods.value_mut().unwrap() {
            if pod
                .meta
                .controller()
                .is_some_and(|o| owners.contains(&o.uid))
            {
                pod.status.ready = Some(false);
            }
        }
    });
    let report = host.report();
    let of = |id| report.steps.iter().find(|s| s.0 == id).map(|s| &s.1);
    let result = of(waiting.id.clone()).unwrap();
    let StepResult::Refused { refusal } = result else {
        panic!("{result:?}");
    };
    assert!(refusal.to_string().contains("are ready again"), "{refusal}");
    assert_eq!(unschedulable(&host.memory.world()), [] as [&str; 0]);
}

/// Nodes that the plan has cordoned and not begun to empty are in service still.
#[test]
fn more_nodes_than_are_disrupted_at_a_time_may_be_cordoned() {
    let mut text = String::new();
    for n in 0..12 {
        text += &format!("node n{n:02} 4 16Gi\npods a{n} n{n:02} 2 200m 512Mi\n");
    }
    let (world, plan) = plan_of_case("migrate headroom=0 share=100 at-once=10", &text);
    let going = plan
        .steps
        .iter()
        .filter(|s| matches!(does(s), Does::Remove(_)));
    let going = going.count();
    // Ten percent of twelve is one.
    assert!(going > 3, "{}", plan.explain());
    let host = Host::of(world, plan);
    let report = host.report();
    assert_eq!(report.end, End::Done, "{report:#?}");
    assert_eq!(
        host.memory.world().clusters[0].nodes.items().len(),
        12 - going
    );
}

#[test]
fn a_drain_in_several_steps_counts_as_one() {
    let text = "node n1 4 16Gi
        node n2 4 16Gi ann=karpenter.sh/do-not-disrupt:true
        node n3 4 16Gi ann=karpenter.sh/do-not-disrupt:true
        pods a n1 3 100m 1Gi
        pods b n2 3 100m 1Gi
        pods c n3 3 1 1Gi
        pdb a allowed=1";
    let (world, plan) = plan_of_case("migrate share=100", text);
    let drains = plan
        .steps
        .iter()
        .filter(|s| matches!(does(s), Does::Evict(..)));
    assert_eq!(drains.count(), 3, "{}", plan.explain());
    let host = Host::of(world, plan);
    host.report();
    let entries = host.entries();
    let charged = |e: &&Entry| {
        matches!(
            e,
            Entry::Started {
                charge: Some(_),
                ..
            }
        )
    };
    assert_eq!(entries.iter().filter(charged).count(), 1);
}

#[test]
fn pods_fit_elsewhere_by_the_rules_of_the_scheduler() {
    let (world, _) = plan_of_case("migrate headroom=0", FORCED);
    let cluster = &world.clusters[0];
    let rules = Elsewhere::default();
    let uid = |name: &str| {
        let pod = cluster.pods.items().iter().find(|p| p.meta.name == name);
        pod.unwrap().meta.uid.clone()
    };
    let fits = |cluster: &Cluster, pods: &[Uid]| rules.fits_elsewhere(cluster, &"n1".into(), pods);
    assert_eq!(fits(cluster, &[uid("memory-1")]), Ok(()));
    assert_eq!(fits(cluster, &[uid("cpu-1")]), Ok(()));
    // Together the one may take the only room of the other.
    let both = fits(cluster, &[uid("memory-1"), uid("cpu-1")]);
    assert!(both.unwrap_err().contains("cpu-1 could find no place"));
    // With the only node closed that has room for it.
    let mut closed = cluster.clone();
    closed.nodes.value_mut().unwrap()[2].unschedulable = true;
    let why = fits(&closed, &[uid("cpu-1")]).unwrap_err();
    assert!(why.contains("cpu-1"), "{why}");
    assert_eq!(fits(&closed, &[uid("memory-1")]), Ok(()));
    // What is gone needs no room, and an unknown part is no room.
    assert_eq!(fits(&closed, &["gone".into()]), Ok(()));
    let mut unknown = cluster.clone();
    unknown.disruption_budgets = Default::default();
    assert!(fits(&unknown, &[uid("memory-1")]).is_err());
}

/// Between plan and act a pod may come to be protected, and a budget be made
/// that lets none go: then nothing of the node is evicted.
#[test]
fn pods_that_stay_or_are_never_let_go_fit_nowhere() {
    let text = "node n1 4 16Gi
        node n2 4 16Gi
        pods a n1 2 100m 1Gi
        pods b n1 1 100m 1Gi
        pdb a allowed=1";
    let (world, _) = plan_of_case("migrate share=100", text);
    let cluster = &world.clusters[0];
    let all: Vec<Uid> = cluster
        .pods
        .items()
        .iter()
        .map(|p| p.meta.uid.clone())
        .collect();
    let fits = |cluster: &Cluster| Elsewhere::default().fits_elsewhere(cluster, &"n1".into(), &all);
    assert_eq!(fits(cluster), Ok(()));
    let changed = |change: fn(&mut Cluster)| {
        let mut cluster = cluster.clone();
        change(&mut cluster);
        fits(&cluster).unwrap_err()
    };
    let bare = changed(|c| c.pods.value_mut().unwrap()[0].meta.owners.clear());
    assert!(
        bare.contains("no controller that would make it anew"),
        "{bare}"
    );
    let kept = changed(|c| {
        let meta = &mut c.pods.value_mut().unwrap()[0].meta;
        meta.annotations
            .insert("karpenter.sh/do-not-disrupt".to_owned(), "true".to_owned());
    });
    assert!(kept.contains("karpenter.sh/do-not-disrupt"), "{kept}");
    let never = changed(|c| {
        let budget = &mut c.disruption_budgets.value_mut().unwrap()[0];
        budget.disruptions_allowed = Some(0);
        budget.desired_healthy = budget.expected_pods;
    });
    assert!(never.contains("never allows one"), "{never}");
    let several = changed(|c| {
        let budgets = c.disruption_budgets.value_mut().unwrap();
        let mut second = budgets[0].clone();
        second.meta.name = "second".into();
        budgets.push(second);
    });
    assert!(several.contains("several budgets"), "{several}");
    // One that has none left for the moment is waited for.
    let mut later = cluster.clone();
    later.disruption_budgets.value_mut().unwrap()[0].disruptions_allowed = Some(0);
    assert_eq!(fits(&later), Ok(()));
}

/// The way back from every step of a wave is a step, but for removals.
#[test]
fn steps_of_waves_say_how_they_are_undone() {
    let (_, plan) = plan_of_case("migrate headroom=0", FORCED);
    for step in &plan.steps {
        let by_action = matches!(step.undo, Undo::Action { .. });
        assert_eq!(by_action, !step.action.is_destructive(), "{}", step.action);
    }
}
