//! Nodes that cost nothing, of which there are few or as many as needed.

use super::limits::limited;
use super::naive::{faults, unproven};
use super::properties::{RICH, Shape, TINY, in_order, problem, readable, shuffled, total};
use cloudoptim_core::engines::bin_packing::solver::{
    Class, Effort, NodeType, Offering, Problem, PurchaseLimit, Take, UnplacedReason, solve,
};
use cloudoptim_core::model::MicroUsdPerHour;
use proptest::prelude::*;

/// The problem with some of its prices at nothing, or next to it.
fn freed(problems: impl Strategy<Value = Problem>) -> impl Strategy<Value = Problem> {
    let price = prop_oneof![2 => Just(None), 2 => Just(Some(0)), 1 => Just(Some(1))];
    (problems, prop::collection::vec(price, 24)).prop_map(|(mut problem, prices)| {
        let offerings = problem.types.iter_mut().flat_map(|t| &mut t.offerings);
        let known = offerings.filter_map(|o| o.price.as_mut());
        for (of, price) in known.zip(prices.iter().cycle()) {
            *of = price.map_or(*of, MicroUsdPerHour);
        }
        problem
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn plans_with_free_nodes_are_sound_and_bounds_are_proven(p in freed(limited(RICH, 1))) {
        let solution = solve(&p, &Effort::default()).unwrap();
        let faults = faults(&p, &solution);
        prop_assert!(faults.is_empty(), "{faults:?}\n{solution:?}");
        let unproven = unproven(&p, &solution);
        prop_assert!(unproven.is_empty(), "{unproven:?}");
        if solution.unplaced.iter().all(|u| u.reason == UnplacedReason::FitsNothing) {
            prop_assert!(solution.lower_bound <= total(&solution));
        }
    }

    #[test]
    fn a_shuffled_problem_with_free_nodes_has_the_same_answer(
        p in freed(problem(RICH)),
        by in 0usize..7,
    ) {
        let other = shuffled(&p, by);
        let a = solve(&p, &Effort::default()).unwrap();
        let b = solve(&other, &Effort::default()).unwrap();
        prop_assert_eq!(readable(&p, &a), readable(&other, &b));
    }

    #[test]
    fn bound_optimum_and_plan_are_in_order_with_free_nodes(p in freed(problem(TINY))) {
        in_order(&p, &solve(&p, &Effort::default()).unwrap())?;
    }

    #[test]
    fn bound_optimum_and_plan_are_in_order_with_few_free_nodes(
        p in freed(limited(Shape { nodes: 0, ..TINY }, 1)),
    ) {
        in_order(&p, &solve(&p, &Effort::default()).unwrap())?;
    }
}

/// What is limited and costs next to nothing is no reason to leave items out: the
/// others cost what they cost.
#[test]
fn the_bound_counts_the_nodes_beside_a_few_free_ones() {
    let node = |id: &str, price| NodeType {
        id: id.into(),
        capacity: vec![4],
        devices: Vec::new(),
        offerings: vec![Offering {
            price: Some(MicroUsdPerHour(price)),
            ..Offering::default()
        }],
    };
    for price in [0, 1, 100, 10_000] {
        let problem = Problem {
            dims: vec!["cpu".into()],
            types: vec![node("free", price), node("paid", 100_000)],
            classes: vec![Class {
                id: "web".into(),
                count: 40,
                demand: vec![1],
                ..Class::default()
            }],
            purchase_limits: vec![PurchaseLimit {
                id: "reserved".into(),
                max: 3,
                takes: vec![Take {
                    node_type: 0,
                    offering: None,
                    amount: 1,
                }],
                ..PurchaseLimit::default()
            }],
            ..Problem::default()
        };
        for effort in [Effort::quick(), Effort::default()] {
            let solution = solve(&problem, &effort).unwrap();
            let cost = MicroUsdPerHour(3 * price + 700_000);
            assert_eq!(
                (solution.cost, solution.lower_bound),
                (cost, cost),
                "{price}"
            );
        }
    }
}
