//! Taking back a plan that is done.

use super::{Host, NOW, at};
use chrono::TimeDelta;
use cloudoptim_core::decision::Action;
use cloudoptim_core::execute::undo;
use cloudoptim_core::journal::{End, History};
use cloudoptim_core::model::Snapshot;
use cloudoptim_core::plan::Plan;

fn undoing(host: &Host, world: &Snapshot) -> Plan {
    let history = History::new(host.entries());
    undo(&host.plan, &history, world, TimeDelta::hours(1))
}

fn seen(host: &Host) -> Snapshot {
    let mut world = host.memory.world();
    world.taken_at = at(NOW);
    world
}

/// A host whose plan has nothing that is beyond taking back.
fn reversible() -> Host {
    let mut host = Host::new();
    host.plan.steps.retain(|s| {
        !s.action.is_destructive()
            && !matches!(
                s.action,
                Action::SnapshotVolume { .. } | Action::DrainNode { .. }
            )
    });
    host.plan.fingerprint = host.plan.computed_fingerprint();
    host
}

#[test]
fn what_was_done_is_taken_back_and_nothing_else() {
    let host = reversible();
    let before = host.outcome();
    assert_eq!(undoing(&host, &seen(&host)).steps, [], "nothing was done");
    assert_eq!(host.report().end, End::Done);
    assert_ne!(host.outcome(), before);

    let back = undoing(&host, &seen(&host));
    assert_eq!(back.steps.len(), host.plan.steps.len());
    assert_ne!(back.fingerprint, host.plan.fingerprint);
    let first = Host {
        plan: back.clone(),
        ..host
    };
    let report = first.report();
    assert_eq!((&report.end, report.done()), (&End::Done, back.steps.len()));
    let mut after = first.outcome();
    // A change of a specification is a new generation, also the way back.
    for (now, then) in after.clusters[0]
        .workloads
        .value_mut()
        .unwrap()
        .iter_mut()
        .zip(before.clusters[0].workloads.items())
    {
        now.meta.generation = then.meta.generation;
    }
    assert_eq!(after, before);
}

#[test]
fn what_has_changed_since_is_left_as_it_is() {
    let host = reversible();
    assert_eq!(host.report().end, End::Done);
    let world = seen(&host);
    // A person wakes the workload with another size, and replaces the node.
    host.memory.change(|world| {
        let cluster = &mut world.clusters[0];
        for workload in cluster.workloads.value_mut().unwrap() {
            if workload.meta.name == "api" {
                workload.replicas = Some(7);
            }
        }
        for node in cluster.nodes.value_mut().unwrap() {
            if node.meta.name == "n1" {
                node.meta.uid = "another".into();
            }
        }
    });
    let back = undoing(&host, &world);
    let acts = host.memory.acts().len();
    let host = Host { plan: back, ..host };
    let report = host.report();
    assert_eq!(report.done(), host.plan.steps.len() - 2, "{report:#?}");
    assert_eq!(host.memory.acts().len() - acts, report.done());
    let world = host.memory.world();
    assert!(world.clusters[0].nodes.items()[0].unschedulable);
}
