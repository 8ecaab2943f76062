//! Limits on what all new nodes together take.

use super::cases::{node_type, solved};
use super::naive::{faults, unproven};
use super::properties::{RICH, Shape, TINY, in_order, problem, readable, shuffled, total};
use cloudoptim_core::engines::bin_packing::solver::{
    BoundMethod, Certificate, Class, Effort, Mask, NodeType, Note, Offering, Problem, ProblemError,
    PurchaseLimit, Solution, Take, UnplacedReason, exact, solve,
};
use cloudoptim_core::model::MicroUsdPerHour;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// A problem with up to four limits: of nodes, of what a node holds, and of what
/// only some offerings take.
pub(super) fn limited(shape: Shape, tightest: u64) -> impl Strategy<Value = Problem> {
    problem(shape).prop_flat_map(move |p| {
        let types = p.types.len();
        let one = (
            0u8..3,
            proptest::collection::vec(0u64..6, types),
            0usize..shape.zones.max(1),
            tightest..40,
        );
        (Just(p), proptest::collection::vec(one, 1..=4)).prop_map(|(mut p, limits)| {
            let limits = limits.into_iter().enumerate();
            p.purchase_limits = limits
                .map(|(i, (way, amounts, zone, max))| {
                    let types = p.types.iter().zip(amounts).enumerate();
                    let take = |(node_type, (of, amount)): (usize, (&NodeType, u64))| {
                        let (offering, amount) = match way {
                            0 => (None, amount.min(1)),
                            1 => (None, of.capacity[0] * amount.min(1)),
                            _ => (Some(zone.min(of.offerings.len() - 1)), amount),
                        };
                        Take {
                            node_type,
                            offering,
                            amount,
                        }
                    };
                    PurchaseLimit {
                        id: format!("l{i}"),
                        max: match way {
                            0 => max / 4,
                            1 => max * 25,
                            _ => max,
                        },
                        takes: types.map(take).collect(),
                        ..PurchaseLimit::default()
                    }
                })
                .collect();
            p
        })
    })
}

/// The same with reservations of the first types, of so many nodes each, which cost
/// next to nothing there; and with a group that gives at most `max` of the last type, of
/// which there is no other.
fn reserved(p: &Problem, counts: &[u64], max: u64) -> Problem {
    let mut p = p.clone();
    let types = p.types.len();
    let all = |id: String, node_type, max| PurchaseLimit {
        id,
        max,
        takes: vec![Take {
            node_type,
            offering: None,
            amount: 1,
        }],
        ..PurchaseLimit::default()
    };
    p.purchase_limits
        .push(all("group".to_owned(), types - 1, max));
    for (of, count) in counts.iter().enumerate().take(types) {
        let mut own = p.types[of].clone();
        own.id = format!("{} reserved", own.id);
        // Of one zone, as reservations are.
        own.offerings.truncate(1);
        for offering in &mut own.offerings {
            let price = offering.price.map(|price| (price.0 / 1_000).max(1));
            offering.price = price.map(MicroUsdPerHour);
            offering.available = None;
        }
        let new = p.types.len();
        for class in &mut p.classes {
            if class.types != Mask::All {
                let mut accepted: Vec<usize> =
                    (0..new).filter(|t| class.types.contains(*t)).collect();
                accepted.extend(class.types.contains(of).then_some(new));
                class.types = Mask::only(accepted);
            }
        }
        p.types.push(own);
        p.purchase_limits
            .push(all(format!("reserved {of}"), new, *count));
    }
    p
}

fn placed_all_that_fits(solution: &Solution) -> bool {
    let mut left = solution.unplaced.iter();
    left.all(|u| u.reason == UnplacedReason::FitsNothing)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn plans_keep_to_limits_and_bounds_are_proven(
        p in limited(RICH, 0),
        labels in prop_oneof![3 => Just(20_000_000u64), 1 => Just(0), 1 => Just(50)],
    ) {
        let solution = solve(&p, &Effort::default().with_bound_labels(labels)).unwrap();
        let faults = faults(&p, &solution);
        prop_assert!(faults.is_empty(), "{faults:?}\n{solution:?}");
        let unproven = unproven(&p, &solution);
        prop_assert!(unproven.is_empty(), "{unproven:?}");
        if placed_all_that_fits(&solution) {
            prop_assert!(solution.lower_bound <= total(&solution));
        }
    }

    #[test]
    fn whole_fillings_pay_for_what_is_limited(p in limited(Shape { nodes: 0, ..RICH }, 6)) {
        let solution = solve(&p, &Effort::default()).unwrap();
        let faults = faults(&p, &solution);
        prop_assert!(faults.is_empty(), "{faults:?}\n{solution:?}");
        let unproven = unproven(&p, &solution);
        prop_assert!(unproven.is_empty(), "{unproven:?}");
    }

    #[test]
    fn little_effort_keeps_to_limits(p in limited(RICH, 0)) {
        let quick = solve(&p, &Effort::quick()).unwrap();
        let faults = faults(&p, &quick);
        prop_assert!(faults.is_empty(), "{faults:?}");
        let unproven = unproven(&p, &quick);
        prop_assert!(unproven.is_empty(), "{unproven:?}");
    }

    #[test]
    fn a_shuffled_problem_with_limits_has_the_same_answer(
        p in limited(RICH, 2),
        by in 0usize..7,
    ) {
        let other = shuffled(&p, by);
        let a = solve(&p, &Effort::default()).unwrap();
        let b = solve(&other, &Effort::default()).unwrap();
        prop_assert_eq!(readable(&p, &a), readable(&other, &b));
        let uses = |p: &Problem, s: &Solution| -> Vec<(String, u64, u64)> {
            let uses = s.purchase_limits.iter();
            uses.map(|u| (p.purchase_limits[u.limit].id.clone(), u.used, u.value)).collect()
        };
        prop_assert_eq!(uses(&p, &a), uses(&other, &b));
    }

    #[test]
    fn a_limit_that_nobody_reaches_changes_nothing(p in limited(RICH, 2)) {
        let mut wide = p.clone();
        for limit in &mut wide.purchase_limits {
            limit.max = 1 << 40;
        }
        let free = Problem { purchase_limits: Vec::new(), ..p };
        let effort = Effort::default();
        let (mut a, b) = (solve(&wide, &effort).unwrap(), solve(&free, &effort).unwrap());
        prop_assert!(a.purchase_limits.iter().all(|u| u.value == 0));
        a.purchase_limits.clear();
        prop_assert_eq!(a, b);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn bound_optimum_and_plan_are_in_order_within_limits(
        p in prop_oneof![
            limited(TINY, 0),
            limited(Shape { nodes: 0, ..TINY }, 2),
            limited(Shape { zones: 2, per_class: 1, classes: 5, ..TINY }, 0),
        ],
        labels in prop_oneof![Just(20_000_000u64), Just(0)],
    ) {
        let solution = solve(&p, &Effort::default().with_bound_labels(labels)).unwrap();
        let faults = faults(&p, &solution);
        prop_assert!(faults.is_empty(), "{faults:?}\n{solution:?}");
        in_order(&p, &solution)?;
    }

    #[test]
    fn what_is_reserved_costs_next_to_nothing_and_the_rest_its_price(
        p in prop_oneof![
            problem(TINY),
            problem(Shape { zones: 2, per_class: 1, classes: 5, ..TINY }),
        ],
        counts in proptest::collection::vec(0u64..3, 1..=2),
        max in 0u64..4,
        labels in prop_oneof![Just(20_000_000u64), Just(0)],
    ) {
        let p = reserved(&p, &counts, max);
        let solution = solve(&p, &Effort::default().with_bound_labels(labels)).unwrap();
        let faults = faults(&p, &solution);
        prop_assert!(faults.is_empty(), "{faults:?}\n{solution:?}");
        let unproven = unproven(&p, &solution);
        prop_assert!(unproven.is_empty(), "{unproven:?}");
        in_order(&p, &solution)?;
    }

    #[test]
    fn a_tighter_limit_never_lowers_the_least_cost(
        p in limited(TINY, 3),
        which in 0usize..4,
    ) {
        let mut tighter = p.clone();
        let which = which % p.purchase_limits.len();
        tighter.purchase_limits[which].max /= 2;
        if let Some(after) = exact::optimum(&tighter) {
            let before = exact::optimum(&p);
            prop_assert!(before.is_some_and(|before| before <= after), "{before:?} {after}");
        }
    }
}

/// What the properties above are about does occur among what they are shown.
#[test]
fn many_generated_limits_have_a_price() {
    let mut runner = TestRunner::deterministic();
    let problems = limited(Shape { nodes: 0, ..RICH }, 6);
    let (mut priced, mut by_fillings, mut refused) = (0, 0, 0);
    for _ in 0..300 {
        let p = problems.new_tree(&mut runner).unwrap().current();
        let solution = solve(&p, &Effort::default()).unwrap();
        if solution.purchase_limits.iter().any(|u| u.value > 0) {
            priced += 1;
            by_fillings += usize::from(solution.proof.method == BoundMethod::Configurations);
        }
        let mut left = solution.unplaced.iter();
        refused += usize::from(left.any(|u| u.reason == UnplacedReason::PurchaseLimit));
    }
    let seen = format!("{priced} priced, {by_fillings} of them by fillings, {refused} refused");
    assert!(priced >= 30 && by_fillings >= 5 && refused >= 20, "{seen}");
}

/// Ten items that each fill a node: a cheap one, of which a quota allows `max`, or
/// a dear one.
fn quota(max: u64) -> Problem {
    let takes = vec![Take {
        node_type: 0,
        offering: None,
        amount: 4,
    }];
    Problem {
        dims: vec!["cpu".into()],
        classes: vec![Class {
            id: "a".into(),
            count: 10,
            demand: vec![1_000],
            ..Class::default()
        }],
        types: vec![
            node_type("cheap", 1_000, 100_000),
            node_type("dear", 1_000, 150_000),
        ],
        purchase_limits: vec![PurchaseLimit {
            id: "quota".into(),
            max,
            takes,
            ..PurchaseLimit::default()
        }],
        ..Problem::default()
    }
}

#[test]
fn a_quota_costs_what_the_dearer_nodes_cost_more() {
    // 24 of the quota are six cheap nodes; the other four cost 50,000 more each.
    let solution = solved(&quota(24));
    assert_eq!(solution.cost, MicroUsdPerHour(6 * 100_000 + 4 * 150_000));
    assert_eq!(solution.lower_bound, solution.cost);
    let quota_use = &solution.purchase_limits[0];
    assert_eq!((quota_use.used, quota_use.max), (24, 24));
    // A node takes 4 and saves 50,000: 12,500 for each, 24 of them.
    let value = 24 * 12_500;
    assert_eq!(quota_use.value >> Certificate::SCALE_BITS, value);
    assert!((quota_use.usd_per_hour_per_unit() - 0.0125).abs() < 1e-9);
    // Two left over buy nothing.
    assert_eq!(solved(&quota(26)).cost, solution.cost);
    // Enough for all: no price.
    let free = solved(&quota(40));
    assert_eq!(free.cost, MicroUsdPerHour(1_000_000));
    assert_eq!(free.purchase_limits[0].value, 0);
    // None at all.
    let none = solved(&quota(3));
    assert_eq!(none.cost, MicroUsdPerHour(1_500_000));
    assert_eq!(none.lower_bound, none.cost);
}

#[test]
fn what_a_limit_leaves_without_a_node_says_so() {
    let mut p = quota(24);
    p.types.pop();
    let solution = solved(&p);
    assert_eq!(solution.nodes.len(), 6);
    assert_eq!(solution.unplaced.len(), 1);
    assert_eq!(solution.unplaced[0].count, 4);
    assert_eq!(solution.unplaced[0].reason, UnplacedReason::PurchaseLimit);
    let reached = Note::LimitReached { limit: 0 };
    assert!(solution.proof.notes.contains(&reached));
    assert_eq!(solution.gap(), None);
    // Nor when there is no room for a single node.
    p.purchase_limits[0].max = 3;
    let solution = solved(&p);
    assert_eq!(solution.unplaced[0].count, 10);
    assert_eq!(solution.unplaced[0].reason, UnplacedReason::PurchaseLimit);
    assert!(solution.proof.notes.contains(&reached));
}

#[test]
fn zones_share_a_limit() {
    // Nine items in each zone, and cheap nodes for ten in all.
    let mut p = quota(40);
    p.zones = vec!["a".into(), "b".into()];
    for t in &mut p.types {
        let price = t.offerings[0].price;
        t.offerings = [0, 1]
            .map(|zone| Offering {
                zone: Some(zone),
                price,
                available: None,
            })
            .to_vec();
    }
    let class = |zone: usize| Class {
        id: format!("in {zone}"),
        count: 9,
        zones: Mask::only([zone]),
        ..p.classes[0].clone()
    };
    p.classes = vec![class(0), class(1)];
    let solution = solved(&p);
    assert_eq!(solution.cost, MicroUsdPerHour(10 * 100_000 + 8 * 150_000));
    assert_eq!(solution.lower_bound, solution.cost);
}

#[test]
fn contradictory_limits_are_refused() {
    let mut p = quota(1);
    p.purchase_limits[0].takes[0].node_type = 2;
    let err = solve(&p, &Effort::default()).unwrap_err();
    let said = "purchase limit \"quota\" refers to type 2, of which there are 2";
    assert_eq!(err.to_string(), said);
    p.purchase_limits[0].takes[0].node_type = 1;
    p.purchase_limits[0].takes[0].offering = Some(1);
    assert!(matches!(
        solve(&p, &Effort::default()),
        Err(ProblemError::Index { .. })
    ));
    p.purchase_limits[0].takes[0].offering = None;
    p.purchase_limits[0].max = u64::MAX;
    assert!(matches!(
        solve(&p, &Effort::default()),
        Err(ProblemError::TooLarge { .. })
    ));
    p.purchase_limits = vec![PurchaseLimit::default(), PurchaseLimit::default()];
    assert!(matches!(
        solve(&p, &Effort::default()),
        Err(ProblemError::DuplicateId { .. })
    ));
}

#[test]
fn a_problem_without_limits_is_read_and_written_as_before() {
    let mut p = quota(1);
    p.purchase_limits.clear();
    let json = serde_json::to_string(&p).unwrap();
    assert!(!json.contains("purchase_limits"));
    assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), p);
    let solution = serde_json::to_string(&solved(&p)).unwrap();
    assert!(!solution.contains("limit_values") && !solution.contains("purchase_limits"));
}

/// The bound buys parts of nodes: it needs a third of the fourth one, for which there
/// is enough of the quota, and gives no price. There is too little for all of it.
#[test]
fn a_limit_may_hold_a_node_back_without_a_price() {
    let thirds = |max| {
        let mut p = quota(max);
        p.classes[0].demand = vec![300];
        solved(&p)
    };
    let (held, free) = (thirds(15), thirds(16));
    assert_eq!(held.cost, MicroUsdPerHour(3 * 100_000 + 150_000));
    assert_eq!(free.cost, MicroUsdPerHour(4 * 100_000));
    let of = &held.purchase_limits[0];
    assert_eq!((of.used, of.max, of.value), (12, 15, 0));
}
