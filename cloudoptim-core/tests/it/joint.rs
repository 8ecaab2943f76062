//! The joint run: what several engines answer becomes one plan, in which a
//! resource changes once, a dollar counts once, and a cluster stays itself.
//!
//! Nodes are m6i.xlarge at $0.192 an hour, so $140.16 a month each.

use crate::bin_packing;
use crate::bin_packing::build::build;
use crate::cases::Line;
use crate::fixtures::*;
use chrono::TimeDelta;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{Action, Subject};
use cloudoptim_core::engines::{EngineId, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::*;
use cloudoptim_core::optimize::optimize;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{DeclineReason, Declined, Plan, Step};
use cloudoptim_core::policy::Policy;
use std::collections::BTreeSet;

/// Of one node, in a month of 730 hours.
pub(crate) const NODE_PER_MONTH: MicroUsdPerMonth = MicroUsdPerMonth(192_000 * 730);

pub(crate) fn policy(engines: &[EngineId]) -> Policy {
    let mut policy = Policy::default();
    policy.engines = engines.iter().copied().collect();
    policy
}

/// With room for as many resizes as are proposed.
pub(crate) fn any_number_of_resizes(mut policy: Policy) -> Policy {
    policy.plan = policy.plan.with_max_resizes(100, 100);
    policy
}

pub(crate) fn run_on(
    catalog: &Catalog,
    policy: &Policy,
    snapshot: &Snapshot,
    ledgers: &Ledgers,
) -> Plan {
    optimize(&Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog,
        policy,
        ledgers,
        deadline: None,
    })
    .unwrap()
}

pub(crate) fn run(policy: &Policy, snapshot: &Snapshot) -> Plan {
    let catalog = bin_packing::catalog();
    run_on(&catalog, policy, snapshot, &Ledgers::default())
}

/// The snapshot of the lines; see the packer's builder.
pub(crate) fn world(text: &str) -> Snapshot {
    let lines: Vec<Line> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(Line::parse)
        .collect();
    build(&Line::default(), &lines).snapshot
}

pub(crate) fn workload_of<'a>(cluster: &'a mut Cluster, name: &str) -> &'a mut Workload {
    let all = cluster.workloads.value_mut().unwrap();
    all.iter_mut()
        .find(|w| w.meta.name == name && w.kind != WorkloadKind::ReplicaSet)
        .unwrap()
}

/// Gives a workload the requests of its pods and a week of use, as told.
pub(crate) fn used(snapshot: &mut Snapshot, app: &str, cpu_text: &str, memory: &str) {
    let now = snapshot.taken_at;
    let cluster = &mut snapshot.clusters[0];
    let pods = cluster.pods.items().iter();
    let spec = pods
        .filter(|p| p.meta.labels.get("app").is_some_and(|a| a == app))
        .map(|p| p.spec.containers.clone())
        .next()
        .unwrap();
    let workload = workload_of(cluster, app);
    workload.template.as_mut().unwrap().spec.containers = spec;
    let reference = workload.reference();
    let stats = |most: u64| UsageStats {
        samples: 168,
        first_at: Some(now - TimeDelta::days(8)),
        last_at: Some(now - TimeDelta::hours(1)),
        step_seconds: 3600,
        p90: most,
        p95: most,
        p99: most,
        max: most,
        ..Default::default()
    };
    let usage = ContainerUsage {
        namespace: reference.namespace.clone(),
        workload: Some(reference),
        container: "main".to_owned(),
        cpu: Some(stats(cpu(cpu_text).0)),
        memory: Some(stats(bytes(memory).0)),
        pods: vec![PodUsage {
            pod: format!("{app}-1"),
            live: true,
            ..Default::default()
        }],
    };
    let mut summary = cluster.usage.value_mut().map(std::mem::take);
    let all = summary.get_or_insert_default();
    all.containers.push(usage);
    cluster.usage = complete(vec![()]).map(|_| summary.unwrap_or_default());
}

/// `engine verb what` of each step, in order.
pub(crate) fn steps(plan: &Plan) -> Vec<String> {
    let show = |step: &Step| match &step.action {
        Action::ResizeContainer {
            workload, from, to, ..
        } => {
            let cpu = |r: &ContainerResources| r.requests.cpu.unwrap().0;
            format!("resize {} {}m>{}m", workload.name, cpu(from), cpu(to))
        }
        Action::CordonNode { node, .. } => format!("cordon {node}"),
        Action::DrainNode { node, moves, .. } => {
            let to = moves
                .iter()
                .map(|m| format!(" {}>{}", m.pod.name, m.to.as_ref().unwrap()));
            format!("drain {node}{}", to.collect::<String>())
        }
        Action::RemoveNode { node, .. } => format!("remove {node}"),
        Action::ScaleWorkload {
            workload, from, to, ..
        } => format!("scale {} {from}>{to}", workload.name),
        Action::Annotate { object, .. } => format!("annotate {}", object.name),
        Action::SnapshotVolume { volume, .. } => format!("snapshot {volume}"),
        Action::DeleteVolume { volume, .. } => format!("delete {volume}"),
        other => other.to_string(),
    };
    plan.steps.iter().map(show).collect()
}

/// What was proposed and is not in the steps.
fn set_aside(plan: &Plan) -> Vec<&Declined> {
    let acts = plan.declined.iter();
    acts.filter(|d| d.because != DeclineReason::EngineKeeps)
        .collect()
}

fn node_subject(name: &str) -> Subject {
    Subject::Node {
        cluster: "c1".into(),
        node: name.into(),
    }
}

fn saved(plan: &Plan) -> MicroUsdPerMonth {
    plan.steps.iter().filter_map(|s| s.saves_per_month).sum()
}

// --- one act per resource ----------------------------------------------------

#[test]
fn a_raise_after_a_kill_wins_over_another_size_of_the_same_container() {
    let mut snapshot = world(
        "node n1 4 16Gi
        pod web-1 n1 1 256Mi",
    );
    let pods = snapshot.clusters[0].pods.value_mut().unwrap();
    pods[0].spec.containers[0].resources.limits.memory = Some(bytes("256Mi"));
    pods[0].status.containers[0].restart_count = 1;
    pods[0].status.containers[0].last_terminated = Some(Termination {
        reason: "OOMKilled".to_owned(),
        exit_code: 137,
        finished_at: Some(at(bin_packing::NOW) - TimeDelta::minutes(30)),
        ..Default::default()
    });
    used(&mut snapshot, "web", "100m", "200Mi");
    let policy = any_number_of_resizes(policy(&[EngineId::Oom, EngineId::Rightsizing]));
    let ledgers = Ledgers {
        memory_raises: Some(vec![]),
        ..Default::default()
    };
    let plan = run_on(&bin_packing::catalog(), &policy, &snapshot, &ledgers);

    assert_eq!(plan.steps.len(), 1, "{}", plan.explain());
    assert_eq!(plan.steps[0].engine, EngineId::Oom);
    let Action::ResizeContainer { from, to, .. } = &plan.steps[0].action else {
        panic!("{}", plan.explain());
    };
    assert_eq!(from.limits.memory, Some(bytes("256Mi")));
    assert_eq!(to.limits.memory, Some(bytes("356Mi")));
    assert_eq!(to.requests.cpu, Some(cpu("1")));
    let aside = set_aside(&plan);
    assert_eq!(aside.len(), 1, "{}", plan.explain());
    assert_eq!(aside[0].decision.engine, EngineId::Rightsizing);
    assert_eq!(
        aside[0].because,
        DeclineReason::Conflict {
            resource: "c1/workload/shop/Deployment/web/container/main".to_owned(),
            with: EngineId::Oom,
        }
    );
}

// --- limits of a plan --------------------------------------------------------

/// Four StatefulSets of one pod that ask for more than they use: `a` the least,
/// `d` the most.
pub(crate) fn four_too_large() -> Snapshot {
    let mut snapshot = world(
        "node n1 16 64Gi
        pod a-1 n1 1 1Gi kind=StatefulSet
        pod b-1 n1 2 1Gi kind=StatefulSet
        pod c-1 n1 3 1Gi kind=StatefulSet
        pod d-1 n1 4 1Gi kind=StatefulSet",
    );
    for app in ["a", "b", "c", "d"] {
        used(&mut snapshot, app, "100m", "900Mi");
    }
    snapshot
}

#[test]
fn of_more_resizes_than_a_plan_may_make_the_largest_stay_and_the_rest_are_over_the_limit() {
    let snapshot = four_too_large();
    let mut policy = policy(&[EngineId::Rightsizing]);
    policy.plan = policy.plan.with_max_resizes(20, 50);
    let plan = run(&policy, &snapshot);
    assert_eq!(
        steps(&plan),
        ["resize c 3000m>2100m", "resize d 4000m>2800m"]
    );
    let aside = set_aside(&plan);
    let subjects: Vec<String> = aside
        .iter()
        .map(|d| match &d.decision.subject {
            Subject::Container { workload, .. } => workload.name.clone(),
            other => other.to_string(),
        })
        .collect();
    assert_eq!(subjects, ["a", "b"]);
    for declined in aside {
        assert_eq!(
            declined.because,
            DeclineReason::OverLimit {
                limit: 2,
                candidates: 4,
                population: 4,
            }
        );
    }
}

/// Of ten Deployments with a ReplicaSet each, an old ReplicaSet of each, and
/// what has no pod, ten count.
#[test]
fn the_limit_counts_what_has_pods_and_each_once() {
    let mut text = "node n1 64 256Gi".to_owned();
    for i in 0..10 {
        text += &format!("\npod w{i}-1 n1 2 1Gi");
    }
    let mut snapshot = world(&text);
    for i in 0..10 {
        used(&mut snapshot, &format!("w{i}"), "100m", "900Mi");
    }
    let workloads = snapshot.clusters[0].workloads.value_mut().unwrap();
    let sets = workloads
        .iter()
        .filter(|w| w.kind == WorkloadKind::ReplicaSet);
    let old: Vec<Workload> = sets.cloned().collect();
    assert_eq!(old.len(), 10);
    for mut set in old {
        set.meta.name += "-old";
        set.meta.uid = Uid::new(format!("{}-old", set.meta.uid));
        set.replicas = Some(0);
        workloads.push(set);
    }
    let [mut down, _] = deployment("shop", "down", 0, container("main", "1", "1Gi"));
    down.meta.uid = "uid-down".into();
    workloads.push(down);
    snapshot.normalize();
    let mut policy = policy(&[EngineId::Rightsizing]);
    policy.plan = policy.plan.with_max_resizes(20, 20);
    let plan = run(&policy, &snapshot);
    assert_eq!(plan.steps.len(), 2, "{}", plan.explain());
    for declined in set_aside(&plan) {
        assert_eq!(
            declined.because,
            DeclineReason::OverLimit {
                limit: 2,
                candidates: 10,
                population: 10,
            }
        );
    }
}

#[test]
fn a_plan_with_as_many_resizes_as_it_may_make_sets_none_aside() {
    let snapshot = four_too_large();
    let mut policy = policy(&[EngineId::Rightsizing]);
    policy.plan = policy.plan.with_max_resizes(4, 100);
    let plan = run(&policy, &snapshot);
    assert_eq!(plan.steps.len(), 4, "{}", plan.explain());
    assert_eq!(set_aside(&plan), Vec::<&Declined>::new());
}

// --- the time of a plan ------------------------------------------------------

/// Two of three nodes go, one after the other: each takes 5 s to cordon, 30 s
/// of grace and the settle time to drain, and 30 s to remove.
fn two_of_three_go() -> Snapshot {
    world(
        "node n1 4 16Gi
        node n2 4 16Gi
        node n3 4 16Gi
        pod a-1 n1 1 1Gi
        pod b-1 n2 500m 1Gi
        pod c-1 n3 500m 1Gi",
    )
}

fn with_time(minutes: u32, settle_seconds: u32) -> Policy {
    let mut policy = policy(&[EngineId::BinPacking]);
    policy.plan = policy.plan.with_valid_minutes(minutes);
    policy.plan.settle_seconds = settle_seconds;
    policy
}

#[test]
fn what_ends_as_the_plan_expires_is_in_it_and_a_second_later_is_too_late() {
    let snapshot = two_of_three_go();
    let plan = run(&with_time(4, 55), &snapshot);
    assert_eq!(plan.steps.len(), 6, "{}", plan.explain());
    let seconds: u64 = plan.steps.iter().map(|s| s.estimated_seconds).sum();
    assert_eq!(seconds, 240);
    assert_eq!(plan.expires_at - plan.made_at, TimeDelta::minutes(4));
    assert_eq!(set_aside(&plan), Vec::<&Declined>::new());

    let plan = run(&with_time(4, 56), &snapshot);
    assert_eq!(plan.steps.len(), 3, "{}", plan.explain());
    let aside = set_aside(&plan);
    assert_eq!(aside.len(), 1);
    assert_eq!(
        aside[0].because,
        DeclineReason::TooLate {
            needs_seconds: 242,
            valid_seconds: 240,
        }
    );
    assert_eq!(plan.totals.saves_per_month, NODE_PER_MONTH);
}

#[test]
fn nodes_that_go_too_late_are_set_aside_with_the_time_that_they_need() {
    let plan = run(&with_time(1, 55), &two_of_three_go());
    assert_eq!(steps(&plan), Vec::<String>::new());
    let aside = set_aside(&plan);
    assert_eq!(aside.len(), 2, "{}", plan.explain());
    let mut needs: Vec<u64> = aside
        .iter()
        .filter_map(|d| match d.because {
            DeclineReason::TooLate {
                needs_seconds,
                valid_seconds: 60,
            } => Some(needs_seconds),
            _ => None,
        })
        .collect();
    needs.sort_unstable();
    assert_eq!(needs, [120, 240]);
    assert_eq!(plan.totals.saves_per_month, MicroUsdPerMonth::ZERO);
    assert_eq!(plan.totals.nodes_per_hour_after, plan.totals.nodes_per_hour);
}

/// The resize of the three pods of `a` takes 180 s of 120; the node of `c` goes
/// without it, in 65 s.
#[test]
fn a_resize_that_is_too_late_leaves_the_nodes_that_go_without_it() {
    let mut snapshot = world(
        "node n1 4 16Gi
        node n2 4 16Gi
        node n3 4 16Gi
        pod a-1 n1 1 1Gi
        pod a-2 n1 1 1Gi
        pod a-3 n1 1 1Gi
        pod b-1 n2 1300m 1Gi
        pod c-1 n3 50m 1Gi",
    );
    used(&mut snapshot, "a", "100m", "900Mi");
    let mut both = policy(&[EngineId::BinPacking, EngineId::Rightsizing]);
    both.plan = both.plan.with_valid_minutes(60);
    both.plan.settle_seconds = 0;
    let all = run(&any_number_of_resizes(both.clone()), &snapshot);
    let removed = |plan: &Plan| {
        let removes = plan.steps.iter().filter(|s| s.saves_per_month.is_some());
        removes.count()
    };
    assert_eq!(steps(&all)[0], "resize a 1000m>700m", "{}", all.explain());
    assert_eq!(removed(&all), 2, "{}", all.explain());

    both.plan = both.plan.with_valid_minutes(2);
    let plan = run(&any_number_of_resizes(both), &snapshot);
    assert_eq!(removed(&plan), 1, "{}", plan.explain());
    assert_eq!(plan.totals.saves_per_month, NODE_PER_MONTH);
    let aside = set_aside(&plan);
    assert_eq!(aside.len(), 2, "{}", plan.explain());
    let late = aside
        .iter()
        .find(|d| d.decision.engine == EngineId::Rightsizing)
        .unwrap();
    assert_eq!(
        late.because,
        DeclineReason::TooLate {
            needs_seconds: 180,
            valid_seconds: 120,
        }
    );
    assert!(aside.iter().any(|d| {
        let subject = Box::new(late.decision.subject.clone());
        d.because == DeclineReason::BuildsOnDeclined { subject }
    }));
}

// --- every dollar once -------------------------------------------------------

/// What the nodes cost that the steps leave, in millionths of a dollar an hour.
fn cost_after(snapshot: &Snapshot, plan: &Plan) -> MicroUsdPerHour {
    let gone: BTreeSet<(&ClusterUid, &NodeName)> = plan
        .steps
        .iter()
        .filter_map(|s| match &s.action {
            Action::RemoveNode { cluster, node, .. } => Some((cluster, node)),
            _ => None,
        })
        .collect();
    let left = snapshot.clusters.iter().flat_map(|c| {
        let nodes = c.nodes.items().iter();
        nodes.filter(|n| !gone.contains(&(&c.uid, &n.name())))
    });
    MicroUsdPerHour(192_000 * i64::try_from(left.count()).unwrap())
}

#[test]
fn the_savings_of_the_steps_are_the_total_and_what_the_nodes_cost_less() {
    let snapshot = two_of_three_go();
    let plan = run(&Policy::default(), &snapshot);
    assert_eq!(saved(&plan), MicroUsdPerMonth(2 * NODE_PER_MONTH.0));
    assert_eq!(plan.totals.saves_per_month, saved(&plan));
    let per_engine = plan.engines.iter().map(|e| e.saves_per_month);
    assert_eq!(per_engine.sum::<MicroUsdPerMonth>(), saved(&plan));
    assert_eq!(plan.totals.nodes_per_hour, MicroUsdPerHour(3 * 192_000));
    assert_eq!(plan.totals.nodes_per_hour_after, MicroUsdPerHour(192_000));
    assert_eq!(
        plan.totals.nodes_per_hour_after,
        cost_after(&snapshot, &plan)
    );
    // On the last step of each decision, where it takes effect.
    for step in &plan.steps {
        let removes = matches!(step.action, Action::RemoveNode { .. });
        assert_eq!(step.saves_per_month, removes.then_some(NODE_PER_MONTH));
    }
}

#[test]
fn what_is_at_stake_is_in_no_sum() {
    let plan = run(&policy(&[EngineId::Rightsizing]), &four_too_large());
    let summary = &plan.engines[0];
    assert_eq!(summary.engine, EngineId::Rightsizing);
    assert_eq!(summary.saves_per_month, MicroUsdPerMonth::ZERO);
    assert_eq!(plan.totals.saves_per_month, MicroUsdPerMonth::ZERO);
    assert!(plan.steps.iter().all(|s| s.saves_per_month.is_none()));
    assert_eq!(plan.totals.nodes_per_hour_after, plan.totals.nodes_per_hour);
    let stake = plan.declined.iter().map(|d| &d.decision);
    let stake: MicroUsdPerMonth = stake.filter_map(|d| d.at_stake_per_month).sum();
    assert!(stake > MicroUsdPerMonth::ZERO, "{}", plan.explain());
}

#[test]
fn an_act_that_counts_nothing_keeps_its_stake_in_the_summary() {
    let stake = |most| {
        let mut policy = policy(&[EngineId::Rightsizing]);
        policy.plan = policy.plan.with_max_resizes(most, 100);
        let plan = run(&policy, &four_too_large());
        (plan.steps.len(), plan.engines[0].at_stake_per_month)
    };
    // Whether they are over the limit of a plan, or in it.
    let (none, over) = stake(0);
    let (all, done) = stake(4);
    assert_eq!((none, all), (0, 4));
    assert!(done > MicroUsdPerMonth::ZERO);
    assert_eq!(over, done);
}

// --- two clusters ------------------------------------------------------------

/// The cluster `c1`, and `c2` with nodes and pods of the same names.
fn two_clusters() -> Snapshot {
    let mut snapshot = two_of_three_go();
    let text = serde_json::to_string(&snapshot.clusters[0]).unwrap();
    let text = text.replace("i-n", "i-m").replace("uid-", "uid2-");
    let mut second: Cluster = serde_json::from_str(&text).unwrap();
    second.uid = "c2".into();
    second.name = "other".to_owned();
    snapshot
        .expected_clusters
        .value_mut()
        .unwrap()
        .push(ExpectedCluster {
            name: second.name.clone(),
            uid: Some(second.uid.clone()),
        });
    snapshot.clusters.push(second);
    snapshot.normalize();
    snapshot
}

fn cluster_of(action: &Action) -> &str {
    match action {
        Action::CordonNode { cluster, .. }
        | Action::DrainNode { cluster, .. }
        | Action::RemoveNode { cluster, .. } => cluster.as_str(),
        other => panic!("{other}"),
    }
}

#[test]
fn the_acts_on_a_cluster_stay_in_it_and_are_those_of_the_cluster_alone() {
    let snapshot = two_clusters();
    let plan = run(&policy(&[EngineId::BinPacking]), &snapshot);
    let alone = steps(&run(&policy(&[EngineId::BinPacking]), &two_of_three_go()));
    assert_eq!(alone.len(), 6);
    for cluster in ["c1", "c2"] {
        let mut own = plan.clone();
        own.steps.retain(|s| cluster_of(&s.action) == cluster);
        assert_eq!(steps(&own), alone, "{cluster}");
        let ids: BTreeSet<_> = own.steps.iter().map(|s| &s.id).collect();
        for step in &own.steps {
            let uid: ClusterUid = cluster.into();
            assert!(
                matches!(&step.subject, Subject::Node { cluster, .. } if *cluster == uid),
                "{}",
                step.subject
            );
            let mut before = step.depends_on.iter().chain(&step.after);
            assert!(before.all(|id| ids.contains(id)));
            if let Action::DrainNode { moves, .. } = &step.action {
                let here = snapshot.cluster(&uid).unwrap().pods.items();
                for moved in moves {
                    assert!(here.iter().any(|p| p.meta.uid == moved.uid));
                }
            }
        }
    }
    assert_eq!(
        plan.totals.saves_per_month,
        MicroUsdPerMonth(4 * NODE_PER_MONTH.0)
    );
    // Half a node is needed in each, so a whole one.
    assert_eq!(
        plan.totals.lower_bound_per_hour,
        Some(MicroUsdPerHour(2 * 192_000))
    );
    assert_eq!(
        plan.totals.nodes_per_hour_after,
        cost_after(&snapshot, &plan)
    );
}

#[test]
fn with_a_cluster_that_was_not_judged_there_is_no_bound() {
    let both = policy(&[EngineId::BinPacking, EngineId::Rightsizing]);
    let mut snapshot = two_clusters();
    snapshot.clusters[1].pods = Knowledge::Unknown {
        gap: Gap::NotCollected,
    };
    let plan = run(&both, &snapshot);
    assert_eq!(plan.totals.nodes_per_hour, MicroUsdPerHour(6 * 192_000));
    assert_eq!(plan.totals.lower_bound_per_hour, None);
}

#[test]
fn the_order_of_clusters_changes_no_byte_of_a_plan() {
    let bytes =
        |snapshot: &Snapshot| serde_json::to_vec(&run(&Policy::default(), snapshot)).unwrap();
    let ordered = two_clusters();
    let mut shuffled = ordered.clone();
    shuffled.clusters.reverse();
    shuffled.normalize();
    assert_eq!(bytes(&shuffled), bytes(&ordered));
    assert_eq!(bytes(&ordered), bytes(&ordered));
}

// --- what one engine decides reaches the next --------------------------------

/// Pods of three and two cores on nodes of four.
fn two_nodes_that_need_lower_requests() -> Snapshot {
    let mut snapshot = world(
        "node n1 4 16Gi
        node n2 4 16Gi
        pod a-1 n1 3 1Gi
        pod b-1 n2 2 1Gi",
    );
    used(&mut snapshot, "a", "100m", "900Mi");
    used(&mut snapshot, "b", "100m", "900Mi");
    snapshot
}

#[test]
fn lower_requests_let_a_node_go_that_stays_without_them() {
    let snapshot = two_nodes_that_need_lower_requests();
    let alone = run(&policy(&[EngineId::BinPacking]), &snapshot);
    assert_eq!(steps(&alone), Vec::<String>::new());
    assert_eq!(alone.totals.saves_per_month, MicroUsdPerMonth::ZERO);

    let both = policy(&[EngineId::BinPacking, EngineId::Rightsizing]);
    let plan = run(&any_number_of_resizes(both), &snapshot);
    assert_eq!(
        steps(&plan),
        [
            "resize a 3000m>2100m",
            "resize b 2000m>1400m",
            "cordon n1",
            "drain n1 a-1>n2",
            "remove n1",
        ]
    );
    // The node waits for every resize of its cluster.
    let resizes: BTreeSet<_> = plan.steps[..2].iter().map(|s| s.id.clone()).collect();
    let waits: BTreeSet<_> = plan.steps[2].depends_on.iter().cloned().collect();
    assert_eq!(waits, resizes);
    assert_eq!(plan.totals.saves_per_month, NODE_PER_MONTH);
    assert_eq!(plan.steps[4].saves_per_month, Some(NODE_PER_MONTH));
    assert_eq!(
        plan.totals.nodes_per_hour_after,
        cost_after(&snapshot, &plan)
    );
}

#[test]
fn a_node_stays_when_the_resizes_that_it_needs_are_over_the_limit() {
    let mut both = policy(&[EngineId::BinPacking, EngineId::Rightsizing]);
    both.plan = both.plan.with_max_resizes(0, 100);
    let plan = run(&both, &two_nodes_that_need_lower_requests());
    assert_eq!(steps(&plan), Vec::<String>::new());
    let aside = set_aside(&plan);
    assert_eq!(aside.len(), 2, "{}", plan.explain());
    for declined in aside {
        assert!(matches!(
            declined.because,
            DeclineReason::OverLimit {
                limit: 0,
                candidates: 2,
                ..
            }
        ));
    }
    let kept = |name: &str| {
        plan.declined
            .iter()
            .any(|d| d.decision.subject == node_subject(name))
    };
    assert!(kept("n1") && kept("n2"), "{}", plan.explain());
}
