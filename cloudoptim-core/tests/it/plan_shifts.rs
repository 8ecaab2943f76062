//! Pods that leave nodes that stay, carried out: nothing is left closed, whatever
//! happens in between.

use crate::bin_packing::plan_of_case;
use crate::execute::Host;
use crate::plan_waves::NoRoomFor;
use chrono::TimeDelta;
use cloudoptim_core::decision::{Action, Subject};
use cloudoptim_core::engines::bin_packing::Elsewhere;
use cloudoptim_core::execute::{Report, undo};
use cloudoptim_core::journal::{End, History};
use cloudoptim_core::memory::{Fault, FaultKind};
use cloudoptim_core::model::*;
use cloudoptim_core::plan::{Plan, Precondition};

const HEADER: &str = "migrate headroom=0";

/// The pod of n1 has room on n2 once a pod of n2 is on n3.
const ROOM: &str = "node n1 4 16Gi
    node n2 4 16Gi
    node n3 4 16Gi
    pods big n1 1 2500m 4Gi
    pods small n2 1 1500m 1Gi
    pods pin n2 1 1 1Gi kind=Bare
    pods pin n3 1 2500m 1Gi kind=Bare";

fn told(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|s| s.action.to_string()).collect()
}

fn closed(world: &Snapshot) -> Vec<&str> {
    let nodes = world.clusters[0].nodes.items().iter();
    let closed = nodes.filter(|n| n.unschedulable);
    closed.map(|n| n.meta.name.as_str()).collect()
}

fn nodes(world: &Snapshot) -> Vec<&str> {
    let nodes = world.clusters[0].nodes.items().iter();
    nodes.map(|n| n.meta.name.as_str()).collect()
}

fn place<'w>(world: &'w Snapshot, pod: &str) -> &'w str {
    let mut pods = world.clusters[0].pods.items().iter();
    let pod = pods.find(|p| p.meta.name == pod).unwrap();
    pod.node().unwrap().as_str()
}

fn by_the_rules(host: &Host) -> Option<Report> {
    host.report_by(&Elsewhere::default())
}

fn assert_done(host: &Host) {
    let world = host.memory.world();
    assert_eq!(nodes(&world), ["n2", "n3"]);
    assert_eq!(closed(&world), [] as [&str; 0]);
    let places = ["small-n2-1", "big-n1-1"].map(|pod| place(&world, pod));
    assert_eq!(places, ["n3", "n2"]);
}

#[test]
fn the_node_that_stays_is_closed_left_and_opened_for_the_one_that_goes() {
    let (world, plan) = plan_of_case(HEADER, ROOM);
    assert_eq!(
        told(&plan),
        [
            "cordon n1",
            "cordon n2",
            "evict 1 pods from n2",
            "uncordon n2",
            "evict 1 pods from n1",
            "remove n1 through node claim main-n1"
        ]
    );
    // All of it is the decision about n1, which saves and counts every move.
    let goes = |s: &Subject| matches!(s, Subject::Node { node, .. } if node.as_str() == "n1");
    assert!(plan.steps.iter().all(|s| s.group == 1 && goes(&s.subject)));
    assert_eq!(
        (plan.totals.moves, plan.totals.saves_per_month.0 > 0),
        (2, true)
    );
    // It is opened when the pod is back, not before.
    let back = |p: &Precondition| matches!(p, Precondition::PodsAreReady { .. });
    assert!(plan.steps[3].preconditions.iter().any(back));
    let host = Host::of(world, plan);
    let report = by_the_rules(&host).unwrap();
    assert_eq!(report.end, End::Done, "{report:#?}");
    assert_done(&host);
}

#[test]
fn a_crash_at_any_call_ends_in_the_same_world() {
    let (world, plan) = plan_of_case(HEADER, ROOM);
    let host = Host::of(world.clone(), plan.clone());
    by_the_rules(&host).unwrap();
    let calls = host.memory.calls().len();
    for kind in [FaultKind::HangsBefore, FaultKind::HangsAfter] {
        for nth in 0..u64::try_from(calls).unwrap() {
            let host = Host::of(world.clone(), plan.clone());
            let host = host.with_fault(Fault::at_call(nth, kind));
            assert!(by_the_rules(&host).is_none(), "call {nth} did not hang");
            host.memory.heal();
            let report = by_the_rules(&host).unwrap();
            assert_eq!(report.end, End::Done, "after call {nth}: {report:#?}");
            assert_done(&host);
        }
    }
}

/// Whether the pod that makes room fits nowhere any more, or the one that it is
/// made for: what was closed is open again, and n1 stays.
#[test]
fn what_cannot_be_done_whole_leaves_nothing_closed() {
    for (stays, small) in [("n2", "n2"), ("n1", "n3")] {
        let (world, plan) = plan_of_case(HEADER, ROOM);
        let host = Host::of(world, plan);
        host.report_by(&NoRoomFor(stays)).unwrap();
        let world = host.memory.world();
        assert_eq!(nodes(&world), ["n1", "n2", "n3"], "{stays}");
        assert_eq!(closed(&world), [] as [&str; 0], "{stays}");
        let places = ["small-n2-1", "big-n1-1"].map(|pod| place(&world, pod));
        assert_eq!(places, [small, "n1"], "{stays}");
    }
}

/// The room is taken by somebody else in between: the pod of n1 is not evicted.
#[test]
fn room_that_is_gone_again_is_seen() {
    let (world, plan) = plan_of_case(HEADER, ROOM);
    let host = Host::of(world, plan);
    let host = host.with_fault(Fault::once("uncordon_node", 0, FaultKind::HangsAfter));
    assert!(by_the_rules(&host).is_none());
    host.memory.heal();
    host.memory.change(|world| {
        let pods = world.clusters[0].pods.value_mut().unwrap();
        let mut late = pods
            .iter()
            .find(|p| p.meta.name == "big-n1-1")
            .unwrap()
            .clone();
        late.meta.name = "late".to_owned();
        late.meta.uid = "late".into();
        late.spec.node_name = Some("n2".into());
        pods.push(late);
    });
    by_the_rules(&host).unwrap();
    let world = host.memory.world();
    assert_eq!(nodes(&world), ["n1", "n2", "n3"]);
    assert_eq!(closed(&world), [] as [&str; 0]);
    assert_eq!(place(&world, "big-n1-1"), "n1");
}

/// What the plan opened itself is not opened again for somebody else, who closed it
/// since.
#[test]
fn taking_the_plan_back_leaves_the_node_that_stays_as_it_is() {
    let (world, plan) = plan_of_case(HEADER, ROOM);
    let host = Host::of(world, plan);
    by_the_rules(&host).unwrap();
    host.memory.change(|world| {
        for node in world.clusters[0].nodes.value_mut().unwrap() {
            node.unschedulable |= node.meta.name == "n2";
        }
    });
    let history = History::new(host.entries());
    let now = host.memory.world();
    let back = undo(&host.plan, &history, &now, TimeDelta::hours(1));
    let of_n2 = |action: &Action| action.resource().ends_with("/n2");
    assert!(
        !back.steps.iter().any(|s| of_n2(&s.action)),
        "{:?}",
        told(&back)
    );
}

/// A share of a pool that is out of service at a time: a node that is open again
/// does not count.
#[test]
fn a_node_that_is_open_again_is_not_out_of_service() {
    let header = format!("{HEADER} at-once=10");
    let (world, plan) = plan_of_case(&header, ROOM);
    let host = Host::of(world, plan);
    let report = by_the_rules(&host).unwrap();
    assert_eq!(report.end, End::Done, "{report:#?}");
    assert_done(&host);
}
