//! The joint run with sleepers: what sleeps keeps its volumes, lets nodes go for
//! as long, and wakes before anything else.

use crate::fixtures::*;
use crate::joint::{
    NODE_PER_MONTH, any_number_of_resizes, four_too_large, policy, run, run_on, steps, workload_of,
    world,
};
use crate::{bin_packing, zombie_volumes};
use chrono::TimeDelta;
use cloudoptim_core::decision::{Decision, Subject};
use cloudoptim_core::engines::{EngineId, office_hours};
use cloudoptim_core::ledger::{Asleep, Ledgers, Observed};
use cloudoptim_core::model::*;
use cloudoptim_core::plan::Plan;
use cloudoptim_core::policy::Policy;
use std::collections::BTreeMap;

// --- volumes of what sleeps --------------------------------------------------

/// The unattached volume `vol-x` of the claim `db/data-web-0`, seen so for ten
/// days, and the ledgers.
fn free_volume(asleep: Vec<Asleep>) -> (Cluster, Cloud, Ledgers) {
    let (cluster, mut cloud) = zombie_volumes::busy();
    let mut free = zombie_volumes::volume("vol-x");
    for (key, value) in [
        ("KubernetesCluster", "test"),
        ("kubernetes.io/cluster/test", "owned"),
        ("kubernetes.io/created-for/pvc/name", "data-web-0"),
        ("kubernetes.io/created-for/pvc/namespace", "db"),
    ] {
        free.tags.insert(key.to_owned(), value.to_owned());
    }
    let now = at(zombie_volumes::NOW);
    let seen = Observed {
        first_at: now - TimeDelta::days(10),
        last_at: now - TimeDelta::hours(12),
        count: 20,
        longest_gap_seconds: 86_400,
    };
    let ledgers = Ledgers {
        volumes_unattached: Some(BTreeMap::from([(free.id.clone(), seen)])),
        asleep: Some(asleep),
        ..Default::default()
    };
    cloud.volumes.value_mut().unwrap().push(free);
    (cluster, cloud, ledgers)
}

/// The steps, and the first reason of what was decided about `vol-x`.
fn fate((cluster, cloud, ledgers): (Cluster, Cloud, Ledgers), policy: &Policy) -> (Plan, String) {
    let snapshot = snapshot(zombie_volumes::NOW, cluster, cloud);
    let plan = run_on(&zombie_volumes::catalog(), policy, &snapshot, &ledgers);
    let about = |subject: &Subject| matches!(subject, Subject::Volume { volume, .. } if volume.as_str() == "vol-x");
    let kept = plan.declined.iter().map(|d| &d.decision);
    let kept = kept
        .filter(|d| about(&d.subject))
        .map(|d: &Decision| d.reasons[0].code().1)
        .next();
    let done = plan.steps.iter().find(|s| about(&s.subject));
    let code = kept
        .or_else(|| done.map(|s| s.reasons[0].code().1))
        .unwrap();
    (plan, code)
}

#[test]
fn a_volume_of_what_an_earlier_run_put_to_sleep_is_no_zombie() {
    let policy = policy(&[EngineId::OfficeHours, EngineId::ZombieVolumes]);
    let (plan, code) = fate(free_volume(vec![]), &policy);
    assert_eq!(steps(&plan), ["snapshot vol-x", "delete vol-x"]);
    assert_eq!(code, "grace_elapsed");
    assert_eq!(plan.totals.saves_per_month, MicroUsdPerMonth(3_000_000));

    let asleep = Asleep {
        cluster: "c1".into(),
        workload: WorkloadRef::new("db", "StatefulSet", "web"),
        replicas: 1,
        since: at("2026-11-20T18:00Z"),
        generation: None,
    };
    let (plan, code) = fate(free_volume(vec![asleep]), &policy);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(code, "asleep");
    assert_eq!(plan.totals.saves_per_month, MicroUsdPerMonth::ZERO);
}

#[test]
fn a_volume_of_what_this_run_puts_to_sleep_is_no_zombie() {
    let mut policy = policy(&[EngineId::OfficeHours, EngineId::ZombieVolumes]);
    let with_set = || {
        let (mut cluster, cloud, ledgers) = free_volume(vec![]);
        cluster.namespaces.value_mut().unwrap().push(Namespace {
            meta: meta("", "db"),
        });
        let set = zombie_volumes::stateful_set("web", "data", 1);
        cluster.workloads.value_mut().unwrap().push(set);
        (cluster, cloud, ledgers)
    };
    let (plan, code) = fate(with_set(), &policy);
    assert_eq!(steps(&plan), Vec::<String>::new());
    assert_eq!(code, "stateful_set_template");

    policy.office_hours = office_hours::Config::default().with_namespace("db");
    let (plan, code) = fate(with_set(), &policy);
    assert_eq!(steps(&plan), ["annotate web", "scale web 1>0"]);
    assert_eq!(code, "asleep");
}

/// Gives a workload to KEDA.
fn scaled_by_keda(cluster: &mut Cluster, target: WorkloadRef) {
    let meta = meta(&target.namespace, "keda-hpa-so");
    let scalers = cluster.horizontal_autoscalers.value_mut().unwrap();
    scalers.push(HorizontalPodAutoscaler {
        meta: meta.clone(),
        target: target.clone(),
        ..Default::default()
    });
    let objects = cluster.scaled_objects.value_mut().unwrap();
    objects.push(ScaledObject {
        meta,
        target,
        ..Default::default()
    });
}

#[test]
fn a_volume_of_what_this_run_puts_to_sleep_by_keda_is_no_zombie() {
    let mut policy = policy(&[EngineId::OfficeHours, EngineId::ZombieVolumes]);
    policy.office_hours = office_hours::Config::default().with_namespace("db");
    let (mut cluster, cloud, ledgers) = free_volume(vec![]);
    cluster.namespaces.value_mut().unwrap().push(Namespace {
        meta: meta("", "db"),
    });
    let set = zombie_volumes::stateful_set("web", "data", 1);
    scaled_by_keda(&mut cluster, set.reference());
    cluster.workloads.value_mut().unwrap().push(set);
    let (plan, code) = fate((cluster, cloud, ledgers), &policy);
    let keda = "annotate keda-hpa-so";
    assert_eq!(steps(&plan), [keda, keda], "{}", plan.explain());
    assert_eq!(code, "asleep");
}

/// Pods of three cores each, of which `b` sleeps.
fn one_sleeps(by_keda: bool) -> Plan {
    let mut snapshot = world(
        "node n1 4 16Gi
        node n2 4 16Gi
        pod a-1 n1 3 1Gi
        pod b-1 n2 3 1Gi",
    );
    let cluster = &mut snapshot.clusters[0];
    let opted_in = (office_hours::OPT_IN.to_owned(), "true".to_owned());
    let workload = workload_of(cluster, "b");
    workload.meta.annotations.extend([opted_in]);
    let reference = workload.reference();
    if by_keda {
        scaled_by_keda(cluster, reference);
    }
    let mut policy = policy(&[EngineId::BinPacking, EngineId::OfficeHours]);
    policy.office_hours.schedule = "Mon-Fri 16:00-20:00 UTC".to_owned();
    let ledgers = Ledgers {
        asleep: Some(vec![]),
        ..Default::default()
    };
    run_on(&bin_packing::catalog(), &policy, &snapshot, &ledgers)
}

#[test]
fn what_sleeps_lets_a_node_go_for_as_long_whether_keda_scales_it_or_not() {
    let node = "cordon n2;remove n2".split(';');
    let node: Vec<String> = node.map(str::to_owned).collect();
    for (by_keda, sleep) in [
        (false, ["annotate b", "scale b 1>0"]),
        (true, ["annotate keda-hpa-so", "annotate keda-hpa-so"]),
    ] {
        let plan = one_sleeps(by_keda);
        let all = steps(&plan);
        assert_eq!(all[..2], sleep, "{}", plan.explain());
        assert_eq!(all[2..], node, "{}", plan.explain());
        // 148 of 168 hours.
        assert_eq!(plan.totals.saves_per_month, NODE_PER_MONTH.ratio(880, 1000));
    }
}

/// Whatever brings back comes first, whoever scales it.
#[test]
fn what_keda_wakes_wakes_before_anything_is_resized() {
    let mut snapshot = four_too_large();
    let cluster = &mut snapshot.clusters[0];
    let d = workload_of(cluster, "d");
    d.replicas = Some(0);
    let reference = d.reference();
    scaled_by_keda(cluster, reference.clone());
    let notes = &mut cluster.scaled_objects.value_mut().unwrap()[0]
        .meta
        .annotations;
    for (key, value) in [(office_hours::KEDA_PAUSED, "0"), (office_hours::MARK, "1")] {
        notes.insert(key.to_owned(), value.to_owned());
    }
    let policy = policy(&[EngineId::Rightsizing, EngineId::OfficeHours]);
    let plan = run(&any_number_of_resizes(policy), &snapshot);
    let keda = "annotate keda-hpa-so";
    let all = steps(&plan);
    assert_eq!(all[..2], [keda, keda], "{}", plan.explain());
    assert!(all[2].starts_with("resize"), "{}", plan.explain());
}
