//! A deadline at any moment leaves an answer that is whole and proven.

use super::naive::{faults, unproven};
use super::properties::{RICH, Shape, problem, total};
use super::repack;
use crate::ticking::{alone, passed_at};
use cloudoptim_core::engines::bin_packing::solver::{
    Effort, Problem, RepackEffort, Solution, Stopped, UnplacedReason, repack_until, solve,
    solve_until,
};
use cloudoptim_core::model::MicroUsdPerHour;
use cloudoptim_core::providers::Deadline;
use proptest::prelude::*;
use std::ops::ControlFlow;

/// An answer, and how often the clock was looked at.
fn until(problem: &Problem, look: i64) -> (Solution, i64) {
    let (clock, deadline) = passed_at(look);
    let found = alone(|| in_time(problem, &deadline));
    (found, clock.looks())
}

fn in_time(problem: &Problem, deadline: &Deadline) -> Solution {
    let found = solve_until(problem, &Effort::default(), Some(deadline), &mut |_| {
        ControlFlow::Continue(())
    });
    found.unwrap()
}

fn left(solution: &Solution) -> u32 {
    let fits = |reason: &UnplacedReason| *reason != UnplacedReason::FitsNothing;
    let left = solution.unplaced.iter().filter(|u| fits(&u.reason));
    left.map(|u| u.count).sum()
}

fn whole_whenever_it_ends(problem: &Problem, looks: &[i64]) -> Result<(), TestCaseError> {
    let full = solve(problem, &Effort::default()).unwrap();
    let (never, all) = until(problem, i64::MAX / 2);
    prop_assert_eq!(
        &never,
        &full,
        "a deadline that does not pass changes nothing"
    );
    for part in looks {
        let look = 1 + all * part / 100;
        let (found, looked) = until(problem, look);
        // When it ends hangs on who looks; whatever was found is whole.
        let wide = in_time(problem, &passed_at(look).1);
        prop_assert_eq!(faults(problem, &wide), Vec::<String>::new(), "at {}", look);
        prop_assert_eq!(
            unproven(problem, &wide),
            Vec::<String>::new(),
            "at {}",
            look
        );
        if look == 1 {
            // Nothing but the first packing of each zone.
            let first = problem.zones.len().max(1);
            prop_assert!(found.work.strategies as usize <= first, "{:?}", found.work);
        }
        prop_assert_eq!(faults(problem, &found), Vec::<String>::new(), "at {}", look);
        prop_assert_eq!(
            unproven(problem, &found),
            Vec::<String>::new(),
            "at {}",
            look
        );
        // What is proven by then holds of what is found with more time.
        if left(&full) == 0 {
            prop_assert!(found.lower_bound <= total(&full), "at {look}");
        }
        // Whoever is told once asks no more; parts are asked for their share of the
        // time, three times each and once for all of them.
        let parts = 4 * problem.zones.len().max(1) as i64;
        prop_assert!(looked <= look + 2 * parts, "{looked} looks for {look}");
        match found.proof.stopped {
            Stopped::Deadline => prop_assert_eq!(&until(problem, look).0, &found, "at {}", look),
            // What costs no more than is proven needs no more time.
            Stopped::Optimal => prop_assert_eq!(total(&found), found.lower_bound, "at {}", look),
            _ => {
                prop_assert!(looked <= look, "{looked} looks for {look}");
                prop_assert_eq!(&found, &full, "at {}", look);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_packing_is_whole_whenever_it_ends(problem in problem(RICH), part in 0i64..100) {
        whole_whenever_it_ends(&problem, &[0, part])?;
    }

    #[test]
    fn without_rules_too(
        problem in problem(Shape { zones: 0, nodes: 0, rules: 0, stock: false, ..RICH }),
        part in 0i64..100,
    ) {
        whole_whenever_it_ends(&problem, &[0, part])?;
    }

    #[test]
    fn a_repacking_is_whole_whenever_it_ends(fleet in repack::fleets(), part in 0i64..100) {
        let effort = RepackEffort::default();
        let until = |look: i64| {
            let (clock, deadline) = passed_at(look);
            let found = alone(|| repack_until(&fleet, &effort, Some(&deadline)).unwrap());
            (found, clock.looks())
        };
        let full = repack_until(&fleet, &effort, None).unwrap();
        let (never, all) = until(i64::MAX / 2);
        prop_assert_eq!(&never, &full);
        for look in [1, 1 + all * part / 100] {
            let (found, looked) = until(look);
            prop_assert!(look > 1 || found.proofs.len() <= 1, "{:?}", found.proofs);
            for point in &found.points {
                prop_assert_eq!(repack::faults(&fleet, point), Vec::<String>::new());
                prop_assert_eq!(point.lower_bound.0, repack::bound(&fleet, &found, point.moved));
                prop_assert!(point.cost <= found.cost_before);
            }
            // What is proven holds of all that is found with more time.
            for point in &full.points {
                let bound = repack::bound(&fleet, &found, point.moved);
                prop_assert!(bound <= point.cost.0, "at {look}: {bound} for {point:?}");
            }
            prop_assert!(found.lower_bound <= full.points.last().unwrap().cost);
            // The fleet as it is is always among what can be chosen.
            let first = found.points.first().unwrap();
            prop_assert_eq!((first.moved, first.cost <= found.cost_before), (0, true));
            for price in [0, 7, 1_000] {
                let chosen = found.chosen(MicroUsdPerHour(price)).unwrap();
                prop_assert!(chosen.cost <= found.cost_before);
            }
            let late = looked > look;
            prop_assert_eq!((found.late, found.prefix.is_none()), (late, late));
            prop_assert!(looked <= look + 1);
            if !late {
                prop_assert_eq!(&found, &full);
            }
        }
    }
}
