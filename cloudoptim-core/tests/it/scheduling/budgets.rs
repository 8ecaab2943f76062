//! Disruption budgets: what the eviction API would say.

use super::*;
use cloudoptim_core::scheduling::{Budgets, EvictionRefusal, TakenOff};

fn budget(name: &str, app: Option<&str>) -> PodDisruptionBudget {
    PodDisruptionBudget {
        meta: meta("n", name),
        selector: app.and_then(selecting),
        ..Default::default()
    }
}

fn three(budgets: Vec<PodDisruptionBudget>) -> Cluster {
    let mut c = cluster();
    let small = || container("c", "100m", "64Mi");
    let pods = ["a-1", "a-2", "a-3"].map(|n| pod("n", "a", n, "x", small()));
    c.pods = complete(pods.to_vec());
    c.workloads = complete(deployment("n", "a", 3, small()).to_vec());
    c.disruption_budgets = complete(budgets);
    c
}

/// Evictions that are granted one after the other.
fn granted(c: &Cluster) -> usize {
    let mut budgets = Budgets::new(c, at("2026-05-01T12:00Z"));
    let pods = c.pods.items().iter();
    pods.filter(|p| budgets.take(p).is_ok()).count()
}

#[test]
fn percentages_are_rounded_up_on_both_sides() {
    let with = |min, max| {
        let mut b = budget("b", Some("a"));
        (b.min_available, b.max_unavailable) = (min, max);
        granted(&three(vec![b]))
    };
    use IntOrPercent::{Count, Percent};
    assert_eq!(with(Some(Percent(50)), None), 1); // two of three stay
    assert_eq!(with(None, Some(Percent(25))), 1); // one of three may go
    assert_eq!(with(None, Some(Percent(34))), 2);
    assert_eq!(with(Some(Count(3)), None), 0);
    assert_eq!(with(None, Some(Count(0))), 0);
    assert_eq!(with(Some(Count(0)), None), 3);
}

#[test]
fn a_status_is_believed_only_of_the_present_generation() {
    let mut b = budget("b", Some("a"));
    b.max_unavailable = Some(IntOrPercent::Count(1));
    b.meta.generation = Some(2);
    b.observed_generation = Some(2);
    (b.disruptions_allowed, b.expected_pods) = (Some(3), Some(3));
    (b.current_healthy, b.desired_healthy) = (Some(3), Some(0));
    assert_eq!(granted(&three(vec![b.clone()])), 3);
    b.observed_generation = Some(1);
    assert_eq!(granted(&three(vec![b.clone()])), 1);
    // A granted eviction counts for two minutes where it is computed anew.
    b.disrupted_pods
        .insert("a-1".into(), at("2026-05-01T11:59Z"));
    assert_eq!(granted(&three(vec![b.clone()])), 0);
    b.disrupted_pods
        .insert("a-1".into(), at("2026-05-01T11:58Z"));
    assert_eq!(granted(&three(vec![b])), 1);
}

#[test]
fn no_selector_selects_nothing_and_an_empty_one_everything() {
    let mut b = budget("b", None);
    b.max_unavailable = Some(IntOrPercent::Count(0));
    assert_eq!(granted(&three(vec![b.clone()])), 3);
    b.selector = Some(LabelSelector::default());
    assert_eq!(granted(&three(vec![b])), 0);
}

#[test]
fn two_budgets_block_and_missing_parts_block() {
    let loose = |name: &str| {
        let mut b = budget(name, Some("a"));
        b.max_unavailable = Some(IntOrPercent::Count(3));
        b
    };
    let c = three(vec![loose("b"), loose("c")]);
    let budgets = Budgets::new(&c, at("2026-05-01T12:00Z"));
    let refusal = budgets.can_evict(&c.pods.items()[0]).unwrap_err();
    assert!(matches!(&refusal, EvictionRefusal::SeveralBudgets { budgets } if budgets.len() == 2));
    assert!(refusal.is_permanent());
    let mut c = three(vec![]);
    c.disruption_budgets = Default::default();
    assert_eq!(granted(&c), 0);
}

#[test]
fn pods_that_are_not_ready_follow_the_unhealthy_policy() {
    let with = |policy, ready: [bool; 3]| {
        let mut b = budget("b", Some("a"));
        b.min_available = Some(IntOrPercent::Count(2));
        b.unhealthy_policy = policy;
        let mut c = three(vec![b]);
        for (p, ready) in c.pods.value_mut().unwrap().iter_mut().zip(ready) {
            p.status.ready = Some(ready);
        }
        let budgets = Budgets::new(&c, at("2026-05-01T12:00Z"));
        budgets.can_evict(&c.pods.items()[0]).is_ok()
    };
    use UnhealthyPodEviction::{AlwaysAllow, IfHealthyBudget, Unrecognised};
    assert!(with(IfHealthyBudget, [false, true, true]));
    assert!(!with(IfHealthyBudget, [false, false, true]));
    assert!(with(AlwaysAllow, [false, false, true]));
    assert!(!with(Unrecognised, [false, true, true]));
    assert!(with(Unrecognised, [true, true, true]));
}

/// A budget that lets one of `of` go, where three pods stand and the
/// Deployment wants `replicas`.
fn scaled(max: IntOrPercent, replicas: u32) -> usize {
    let mut b = budget("b", Some("a"));
    b.max_unavailable = Some(max);
    let mut c = three(vec![b]);
    for w in c.workloads.value_mut().unwrap() {
        w.replicas = Some(replicas);
    }
    granted(&c)
}

#[test]
fn pods_are_expected_by_the_scale_of_the_owner_and_not_by_their_count() {
    use IntOrPercent::{Count, Percent};
    // Five are wanted, three are there: two are missing already.
    assert_eq!(scaled(Count(1), 5), 0);
    assert_eq!(scaled(Count(2), 5), 0);
    assert_eq!(scaled(Count(3), 5), 1);
    // 60 % of five is three; 60 % of the three pods would be two.
    assert_eq!(scaled(Percent(60), 5), 1);
    assert_eq!(scaled(Percent(60), 3), 2);
    // Two are wanted and three are there: the third is spare.
    assert_eq!(scaled(Count(0), 2), 1);
    // A number of pods that must stay asks no scale.
    let mut b = budget("b", Some("a"));
    b.min_available = Some(IntOrPercent::Count(1));
    let mut c = three(vec![b]);
    c.workloads.value_mut().unwrap().clear();
    assert_eq!(granted(&c), 2);
}

#[test]
fn a_scale_that_is_not_known_blocks_and_pods_without_a_controller_are_left_out() {
    let mut b = budget("b", Some("a"));
    b.max_unavailable = Some(IntOrPercent::Count(2));
    let mut c = three(vec![b]);
    let of = |c: &Cluster| Budgets::new(c, at("2026-05-01T12:00Z")).can_evict(&c.pods.items()[0]);
    assert_eq!(of(&c), Ok(()));
    c.workloads.value_mut().unwrap().clear();
    let refusal = of(&c).unwrap_err();
    assert!(matches!(
        refusal,
        EvictionRefusal::Unknown {
            budget: Some(_),
            ..
        }
    ));
    // With no controller nobody expects any: none may go.
    for p in c.pods.value_mut().unwrap() {
        p.meta.owners.clear();
    }
    let refusal = of(&c).unwrap_err();
    assert!(matches!(
        refusal,
        EvictionRefusal::Never { expected: 0, .. }
    ));
}

#[test]
fn two_workloads_under_one_budget_are_added_up() {
    let mut b = budget("b", None);
    b.selector = Some(LabelSelector::default());
    b.max_unavailable = Some(IntOrPercent::Percent(40));
    let mut c = three(vec![b]);
    c.workloads
        .value_mut()
        .unwrap()
        .extend(deployment("n", "z", 2, small()));
    for name in ["z-1", "z-2"] {
        c.pods
            .value_mut()
            .unwrap()
            .push(pod("n", "z", name, "x", small()));
    }
    // 40 % of five is two; of three and of two it would be two and one.
    assert_eq!(granted(&c), 2);
}

#[test]
fn a_budget_selects_in_its_own_namespace() {
    let mut b = budget("b", None);
    b.selector = Some(LabelSelector::default());
    b.max_unavailable = Some(IntOrPercent::Count(0));
    b.meta.namespace = "other".into();
    assert_eq!(granted(&three(vec![b])), 3);
}

#[test]
fn what_is_going_or_has_not_started_goes_without_asking() {
    let mut b = budget("b", Some("a"));
    b.max_unavailable = Some(IntOrPercent::Count(0));
    let with = |change: fn(&mut Pod)| {
        let mut c = three(vec![b.clone()]);
        change(&mut c.pods.value_mut().unwrap()[0]);
        let budgets = Budgets::new(&c, at("2026-05-01T12:00Z"));
        budgets.can_evict(&c.pods.items()[0]).is_ok()
    };
    assert!(!with(|_| ()));
    assert!(with(|p| p.meta.deleted_at = Some(at("2026-05-01T11:59Z"))));
    assert!(with(|p| p.status.phase = PodPhase::Pending));
    assert!(with(|p| p.status.phase = PodPhase::Succeeded));
    assert!(with(|p| p.status.phase = PodPhase::Failed));
}

#[test]
fn pods_that_are_going_are_not_healthy() {
    let mut b = budget("b", Some("a"));
    b.min_available = Some(IntOrPercent::Count(2));
    let mut c = three(vec![b]);
    assert_eq!(granted(&c), 1);
    c.pods.value_mut().unwrap()[2].meta.deleted_at = Some(at("2026-05-01T11:59Z"));
    let budgets = Budgets::new(&c, at("2026-05-01T12:00Z"));
    let refusal = budgets.can_evict(&c.pods.items()[0]).unwrap_err();
    let EvictionRefusal::NotNow {
        healthy, desired, ..
    } = refusal
    else {
        panic!("{refusal}");
    };
    assert_eq!((healthy, desired), (2, 2));
}

#[test]
fn a_wave_is_what_all_its_evictions_together_may_take() {
    let mut b = budget("b", Some("a"));
    b.max_unavailable = Some(IntOrPercent::Count(2));
    let c = three(vec![b]);
    let mut budgets = Budgets::new(&c, at("2026-05-01T12:00Z"));
    let off = |b: &Budgets<'_>, i: usize| match b.taken_off(&c.pods.items()[i]) {
        TakenOff::Budget { allowed, .. } => Some(allowed),
        TakenOff::Refused(EvictionRefusal::NotNow { .. }) => Some(0),
        _ => None,
    };
    // Each alone may go, and so may two, but not three.
    assert_eq!([0, 1, 2].map(|i| off(&budgets, i)), [Some(2); 3]);
    assert!(budgets.take(&c.pods.items()[0]).is_ok());
    assert_eq!(off(&budgets, 1), Some(1));
    assert!(budgets.take(&c.pods.items()[1]).is_ok());
    assert_eq!(off(&budgets, 2), Some(0));
    assert!(budgets.take(&c.pods.items()[2]).is_err());
    assert_eq!(budgets.allowed_at_once(&c.pods.items()[2]), Some(0));
}
