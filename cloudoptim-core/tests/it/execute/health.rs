//! What the gate of clusters looks at.

use super::{Host, block_on};
use crate::fixtures::{container, meta, owner, pod};
use chrono::TimeDelta;
use cloudoptim_core::collect::Part;
use cloudoptim_core::health::ClusterHealth;
use cloudoptim_core::memory::{Fault, FaultKind};
use cloudoptim_core::model::*;
use cloudoptim_core::plan::Plan;
use cloudoptim_core::providers::{Baseline, Clock, HealthGate, Sources, Underway, Verdict};
use std::sync::Arc;

fn pods(world: &mut Snapshot) -> &mut Vec<Pod> {
    world.clusters[0].pods.value_mut().unwrap()
}

fn workloads(world: &mut Snapshot) -> &mut Vec<Workload> {
    world.clusters[0].workloads.value_mut().unwrap()
}

/// What the gate says after `change`, with `gate` for the default one.
fn judged_by(gate: &ClusterHealth, host: &Host, change: impl FnOnce(&mut Snapshot)) -> Verdict {
    let sources = host.memory.sources();
    let before = block_on(gate.before(&host.plan, &sources))
        .unwrap()
        .unwrap();
    host.memory.change(change);
    let underway = Underway {
        plan: &host.plan,
        sources: &sources,
        before: &before,
        since: host.clock.now(),
    };
    block_on(gate.judge(underway)).unwrap()
}

fn judged(change: impl FnOnce(&mut Snapshot)) -> Verdict {
    judged_by(&ClusterHealth::default(), &Host::new(), change)
}

fn unhealthy(why: &str) -> Verdict {
    Verdict::Unhealthy {
        why: why.to_owned(),
    }
}

#[test]
fn a_pod_that_waits_for_a_node_and_did_not_before_is_unhealthy() {
    let waiting = |name: &str| {
        let mut pod = pod("shop", "web", name, "n1", container("main", "1", "1Gi"));
        pod.spec.node_name = None;
        pod.status.ready = Some(false);
        pod.status.phase = PodPhase::Pending;
        pod
    };
    let found = judged(|world| pods(world).push(waiting("web-9")));
    assert_eq!(found, unhealthy("pod shop/web-9 waits for a node"));
    // One that is on its way out, and one that waited before, say nothing.
    let found = judged(|world| {
        let mut going = waiting("web-9");
        going.meta.deleted_at = Some(world.taken_at);
        pods(world).push(going);
    });
    assert_eq!(found, Verdict::Healthy);
    let host = Host::new();
    host.memory
        .change(|world| pods(world).push(waiting("web-9")));
    let found = judged_by(&ClusterHealth::default(), &host, |_| {});
    assert_eq!(found, Verdict::Healthy);
}

#[test]
fn a_workload_with_fewer_ready_pods_than_before_is_unhealthy_unless_it_wants_fewer() {
    let worse = unhealthy("shop/Deployment/web has 1 ready pods of 2");
    assert_eq!(
        judged(|world| pods(world)[0].status.ready = Some(false)),
        worse
    );
    assert_eq!(judged(|world| pods(world)[0].status.ready = None), worse);
    assert_eq!(judged(|world| drop(pods(world).remove(0))), worse);
    let deployment = |world: &mut Snapshot, replicas| {
        for workload in workloads(world) {
            if workload.meta.namespace == "shop" {
                workload.replicas = Some(replicas);
            }
        }
    };
    let scaled = judged(|world| {
        pods(world).remove(0);
        deployment(world, 1);
    });
    assert_eq!(scaled, Verdict::Healthy, "whoever lowered it");
    let deleted = judged(|world| {
        pods(world).clear();
        workloads(world).retain(|w| w.meta.namespace != "shop");
    });
    assert_eq!(deleted, Verdict::Healthy);
    // More wanted than before: no more is owed than there was.
    assert_eq!(judged(|world| deployment(world, 9)), Verdict::Healthy);
}

#[test]
fn pods_of_jobs_end_by_themselves() {
    let host = Host::new();
    let mut of_job = pod("shop", "job", "job-1", "n2", container("main", "1", "1Gi"));
    of_job.meta.owners = vec![owner("Job", "job", "uid-job")];
    let job = Workload {
        meta: meta("shop", "job"),
        kind: WorkloadKind::Job,
        replicas: Some(1),
        ..Default::default()
    };
    host.memory.change(|world| {
        pods(world).push(of_job);
        workloads(world).push(job);
    });
    let found = judged_by(&ClusterHealth::default(), &host, |world| {
        pods(world).retain(|p| p.meta.name != "job-1");
    });
    assert_eq!(found, Verdict::Healthy);
}

/// An owner that is not collected, such as an Argo Rollout, is judged by the
/// ReplicaSets that it has.
#[test]
fn an_owner_of_an_unknown_kind_wants_what_its_replica_sets_want() {
    let run = |wanted: u32| {
        let host = Host::new();
        host.memory.change(|world| {
            workloads(world).retain(|w| w.kind != WorkloadKind::Deployment);
            for set in workloads(world) {
                set.meta.owners = vec![owner("Rollout", "web", "uid-rollout")];
            }
        });
        judged_by(&ClusterHealth::default(), &host, |world| {
            pods(world).remove(0);
            for set in workloads(world) {
                set.replicas = Some(wanted);
            }
        })
    };
    assert_eq!(run(1), Verdict::Healthy);
    assert_eq!(run(2), unhealthy("shop/Rollout/web has 1 ready pods of 2"));
}

#[test]
fn what_is_not_whole_or_of_before_the_act_is_unknown() {
    let unknown = |verdict: Verdict, what: &str| {
        let Verdict::Unknown { why } = verdict else {
            panic!("{what}: {verdict:?}")
        };
        assert!(why.contains(what), "{why}");
    };
    for (part, name) in [(Part::Pods, "pods"), (Part::Workloads, "workloads")] {
        let found = judged(|world| super::demote(world, part, false));
        unknown(found, name);
    }
    let host = Host::new();
    let host = host.with_fault(Fault::once("list_pods", 1, FaultKind::LostAnswer));
    unknown(
        judged_by(&ClusterHealth::default(), &host, |_| {}),
        "unavailable",
    );
    // A cached list.
    let host = Host::new();
    let (gate, sources) = (ClusterHealth::default(), host.memory.sources());
    let before = block_on(gate.before(&host.plan, &sources))
        .unwrap()
        .unwrap();
    let mut underway = Underway {
        plan: &host.plan,
        sources: &sources,
        before: &before,
        since: host.clock.now() + TimeDelta::seconds(1),
    };
    unknown(
        block_on(gate.judge(underway)).unwrap(),
        "before the last act",
    );
    underway.since = host.clock.now();
    let nothing = Baseline::default();
    underway.before = &nothing;
    unknown(block_on(gate.judge(underway)).unwrap(), "nobody noted");
}

#[derive(Debug)]
struct Alert;

#[async_trait::async_trait]
impl HealthGate for Alert {
    async fn before(&self, _: &Plan, _: &Sources) -> Result<Baseline, String> {
        Ok(Baseline::default())
    }

    async fn judge<'a>(&self, _: Underway<'a>) -> Verdict {
        unhealthy("error rate")
    }
}

#[test]
fn a_gate_of_the_host_is_asked_too() {
    let gate = ClusterHealth::default().and(Arc::new(Alert));
    assert_eq!(
        judged_by(&gate, &Host::new(), |_| {}),
        unhealthy("error rate")
    );
}
