//! How long a drain takes: the graces of its pods, in waves of what their
//! budgets allow.

use crate::fixtures::*;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{Action, Decision, PodMove, Subject};
use cloudoptim_core::engines::{EngineId, EngineOutput, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{DeclineReason, Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;

const SETTLE: u64 = 60;

/// A cluster whose node `x` holds pods of `app` with these graces.
fn on_x(graces: &[(&str, Option<i64>)]) -> Cluster {
    let mut c = cluster();
    let small = || container("c", "100m", "64Mi");
    for (i, (app, grace)) in graces.iter().enumerate() {
        let mut p = pod("n", app, &format!("{app}-{i}"), "x", small());
        p.spec.termination_grace_seconds = *grace;
        c.pods.value_mut().unwrap().push(p);
        let owner = p_workload(&c, app);
        if !owner {
            let replicas = graces.iter().filter(|(a, _)| a == app).count();
            let replicas = u32::try_from(replicas).unwrap();
            let pair = deployment("n", app, replicas, small());
            c.workloads.value_mut().unwrap().extend(pair);
        }
    }
    c.nodes = complete(vec![node("x", "8", "32Gi"), node("y", "8", "32Gi")]);
    c
}

fn p_workload(c: &Cluster, app: &str) -> bool {
    c.workloads.items().iter().any(|w| w.meta.name == app)
}

fn budget(app: &str, max_unavailable: u32) -> PodDisruptionBudget {
    PodDisruptionBudget {
        meta: meta("n", app),
        selector: Some(LabelSelector {
            match_labels: Labels::from([("app".to_owned(), app.to_owned())]),
            ..Default::default()
        }),
        max_unavailable: Some(IntOrPercent::Count(max_unavailable)),
        ..Default::default()
    }
}

/// Seconds of the drains of every pod, in their order, without settle times.
fn drain_seconds(c: Cluster, budgets: Vec<PodDisruptionBudget>) -> u64 {
    let mut c = c;
    c.disruption_budgets = complete(budgets);
    let plan = planned(c);
    assert!(plan.declined.is_empty(), "{:?}", plan.declined);
    plan.steps
        .iter()
        .map(|s| s.estimated_seconds - SETTLE)
        .sum()
}

/// The code of what is in the way of it.
fn obstacle(c: Cluster) -> &'static str {
    let plan = planned(c);
    assert!(plan.steps.is_empty(), "{}", plan.explain());
    match &plan.declined[0].because {
        DeclineReason::NoSafeWay { obstacle } => obstacle.code(),
        other => panic!("{other}"),
    }
}

fn planned(c: Cluster) -> Plan {
    let moves = c.pods.items().iter().map(|p| PodMove {
        pod: NamespacedName::new("n", p.meta.name.as_str()),
        uid: p.meta.uid.clone(),
        to: Some(NodeName::new("y")),
    });
    let drain = Action::DrainNode {
        cluster: c.uid.clone(),
        node: NodeName::new("x"),
        moves: moves.collect(),
    };
    let subject = Subject::Node {
        cluster: c.uid.clone(),
        node: NodeName::new("x"),
    };
    let engine = EngineId::BinPacking;
    let decision = Decision::act(engine, subject, vec![drain], None, vec![]);
    let snapshot = snapshot("2026-05-01T12:00Z", c, cloud());
    let inputs = Inputs {
        snapshot: &snapshot,
        overlay: &Overlay::default(),
        catalog: &Catalog::empty(),
        policy: &Policy::default(),
        ledgers: &Ledgers::default(),
        deadline: None,
    };
    let input = PlanInput {
        outputs: vec![EngineOutput::new(engine, vec![decision])],
        ..Default::default()
    };
    plan(&inputs, input)
}

fn of_a(graces: &[i64]) -> Cluster {
    let pods: Vec<_> = graces.iter().map(|g| ("a", Some(*g))).collect();
    on_x(&pods)
}

#[test]
fn without_a_budget_pods_end_side_by_side() {
    assert_eq!(drain_seconds(of_a(&[30, 60, 90]), vec![]), 90);
    assert_eq!(drain_seconds(on_x(&[("a", None)]), vec![]), 30);
    assert_eq!(drain_seconds(on_x(&[("a", Some(0))]), vec![]), 0);
    assert_eq!(drain_seconds(on_x(&[]), vec![]), 0);
    // A budget of others changes nothing.
    let seconds = drain_seconds(of_a(&[30, 60, 90]), vec![budget("b", 1)]);
    assert_eq!(seconds, 90);
}

#[test]
fn pods_of_one_budget_go_in_waves_of_what_it_allows() {
    for (allowed, seconds) in [
        (3, 90),
        (2, 60 + 90),
        (1, 30 + 60 + 90),
        // More than there are.
        (9, 90),
    ] {
        let got = drain_seconds(of_a(&[30, 60, 90]), vec![budget("a", allowed)]);
        assert_eq!(got, seconds, "{allowed} at once");
    }
    // Seven in waves of three: three waves, in the order of the moves.
    let graces = [10, 20, 30, 60, 50, 40, 5];
    let got = drain_seconds(of_a(&graces), vec![budget("a", 3)]);
    assert_eq!(got, 30 + 60 + 5);
}

#[test]
fn budgets_are_spent_side_by_side() {
    let pods = [
        ("a", Some(30)),
        ("b", Some(100)),
        ("a", Some(30)),
        ("c", Some(45)),
        ("b", Some(100)),
        ("a", Some(30)),
    ];
    let one_each = || vec![budget("a", 1), budget("b", 1)];
    // The second of `a` and of `b` wait for the wave after.
    assert_eq!(drain_seconds(on_x(&pods), one_each()), 100 + 100 + 30);
    let wide = vec![budget("a", 3), budget("b", 2)];
    assert_eq!(drain_seconds(on_x(&pods), wide), 100);
    // A long grace without a budget outlasts its wave.
    let mut longer = pods;
    longer[3].1 = Some(600);
    assert_eq!(drain_seconds(on_x(&longer), one_each()), 100 + 600 + 30);
}

#[test]
fn what_a_status_allows_now_counts_and_not_what_the_specification_would() {
    let mut b = budget("a", 2);
    (b.disruptions_allowed, b.expected_pods) = (Some(1), Some(3));
    (b.current_healthy, b.desired_healthy) = (Some(2), Some(1));
    assert_eq!(drain_seconds(of_a(&[30, 60, 90]), vec![b]), 180);
}

#[test]
fn pods_that_no_budget_is_asked_about_keep_nobody_waiting() {
    // Not ready, in a healthy budget: they go without spending.
    let mut c = of_a(&[30, 60, 90]);
    for p in c.pods.value_mut().unwrap() {
        p.status.ready = Some(false);
    }
    let mut b = budget("a", 1);
    b.unhealthy_policy = UnhealthyPodEviction::AlwaysAllow;
    assert_eq!(drain_seconds(c, vec![b]), 90);
}

#[test]
fn pods_that_may_not_go_or_of_which_that_is_not_known_stay() {
    let with = |budgets: Vec<PodDisruptionBudget>| {
        let mut c = of_a(&[30, 60, 90]);
        c.disruption_budgets = complete(budgets);
        c
    };
    assert_eq!(obstacle(with(vec![budget("a", 0)])), "budget_blocks");
    // Two budgets on each pod: the eviction API refuses them all.
    let mut both = budget("a", 9);
    both.meta.name = "other".to_owned();
    assert_eq!(obstacle(with(vec![budget("a", 9), both])), "budget_blocks");
    // Budgets that nobody listed, or not all of them.
    let mut unknown = of_a(&[30, 60, 90]);
    unknown.disruption_budgets = Knowledge::default();
    assert_eq!(obstacle(unknown.clone()), "part_missing");
    let listed = complete(vec![budget("b", 9)]);
    unknown.disruption_budgets = listed.demoted(Gap::CompletenessNotStated);
    assert_eq!(obstacle(unknown), "part_missing");
    // Of one budget, a pod whose rule is not known.
    let mut c = of_a(&[30, 60, 90]);
    c.pods.value_mut().unwrap()[2].status.ready = Some(false);
    let mut b = budget("a", 3);
    b.unhealthy_policy = UnhealthyPodEviction::Unrecognised;
    (b.disruptions_allowed, b.expected_pods) = (Some(3), Some(3));
    (b.current_healthy, b.desired_healthy) = (Some(3), Some(0));
    c.disruption_budgets = complete(vec![b]);
    assert_eq!(obstacle(c), "budget_blocks");
}
