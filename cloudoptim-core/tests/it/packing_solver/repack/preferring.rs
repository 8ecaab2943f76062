//! Repacking where items dislike some places.

use super::drawn::{dislikes, disliking, fleets, floored, limits, minima, shared};
use super::naive::{bound, cheapest, disliked_by, faults};
use cloudoptim_core::engines::bin_packing::solver::{Fleet, Frontier, Point, RepackEffort, repack};
use cloudoptim_core::model::MicroUsdPerHour;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn repacked(fleet: &Fleet) -> Frontier {
    repack(fleet, &RepackEffort::default()).unwrap()
}

fn sound(fleet: &Fleet) -> Result<Frontier, TestCaseError> {
    let frontier = repacked(fleet);
    for (moved, cost) in &cheapest(fleet) {
        let bound = bound(fleet, &frontier, *moved);
        prop_assert!(
            bound <= *cost,
            "{moved} moves: bound {bound}, possible {cost}"
        );
        prop_assert!(frontier.lower_bound.0 <= *cost);
    }
    for point in &frontier.points {
        prop_assert_eq!(faults(fleet, point), Vec::<String>::new());
        prop_assert_eq!(point.lower_bound.0, bound(fleet, &frontier, point.moved));
        prop_assert!(point.lower_bound <= point.total());
    }
    let pairs = frontier.points.iter().zip(frontier.points.iter().skip(1));
    for (before, after) in pairs {
        prop_assert!(before.moved < after.moved && before.total() > after.total());
    }
    Ok(frontier)
}

/// What a point costs in all in a fleet that dislikes what the one it is of may not.
fn judged(fleet: &Fleet, point: &Point) -> i64 {
    point.cost.0 + disliked_by(fleet, point)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_assignment_is_below_the_bound_with_what_items_dislike(
        fleet in fleets(),
        dislikes in dislikes(),
    ) {
        sound(&disliking(fleet, &dislikes))?;
    }

    #[test]
    fn nor_is_one_within_limits_and_minima(
        fleet in fleets(),
        dislikes in dislikes(),
        minima in minima(),
        limits in prop::option::of(limits()),
    ) {
        let fleet = shared(fleet, &limits.unwrap_or_default());
        let fleet = disliking(floored(fleet, &minima), &dislikes);
        let frontier = repacked(&fleet);
        for (moved, cost) in &cheapest(&fleet) {
            let bound = bound(&fleet, &frontier, *moved);
            prop_assert!(bound <= *cost, "{moved} moves: bound {bound}, possible {cost}");
        }
        for point in &frontier.points {
            prop_assert_eq!(faults(&fleet, point), Vec::<String>::new());
        }
    }

    #[test]
    fn what_costs_nothing_changes_nothing(fleet in fleets(), dislikes in dislikes()) {
        let free: Vec<_> = dislikes.iter().map(|(c, bits, _)| (*c, *bits, 0)).collect();
        prop_assert_eq!(repacked(&disliking(fleet.clone(), &free)), repacked(&fleet));
    }

    #[test]
    fn no_point_is_dearer_than_of_a_search_that_ignores_preferences(
        fleet in fleets(),
        dislikes in dislikes(),
    ) {
        let disliking = disliking(fleet.clone(), &dislikes);
        let ours = repacked(&disliking);
        for blind in &repacked(&fleet).points {
            let cost = judged(&disliking, blind);
            let beats = |p: &Point| p.moved <= blind.moved && p.total().0 <= cost;
            prop_assert!(ours.points.iter().any(beats), "{} moves for {cost}", blind.moved);
        }
    }

    #[test]
    fn the_order_of_classes_and_dislikes_changes_nothing(
        fleet in fleets(),
        dislikes in dislikes(),
    ) {
        let there = repacked(&disliking(fleet.clone(), &dislikes));
        let turned: Vec<_> = dislikes.iter().rev().copied().collect();
        prop_assert_eq!(there, repacked(&disliking(fleet, &turned)));
    }
}

/// In how many small fleets the point that is chosen at no price for moves is the
/// best there is, of those in which dislikes make another one the best.
#[test]
fn what_items_dislike_moves_the_choice_to_the_best_there_is() {
    let mut runner = TestRunner::deterministic();
    let (mut matters, mut best_found, mut blind, mut proven) = (0, 0, 0, 0);
    for _ in 0..600 {
        let drawn = (fleets(), dislikes()).new_tree(&mut runner).unwrap();
        let (fleet, dislikes) = drawn.current();
        let disliking = disliking(fleet.clone(), &dislikes);
        let best = cheapest(&disliking).into_values().min().unwrap();
        let free = cheapest(&fleet).into_values().min().unwrap();
        if best == free {
            continue;
        }
        matters += 1;
        let frontier = repacked(&disliking);
        let chosen = frontier.chosen(MicroUsdPerHour::ZERO).unwrap();
        best_found += u32::from(chosen.total().0 == best);
        proven += u32::from(frontier.lower_bound.0 > free);
        // Whoever does not know of them.
        let without = repacked(&fleet);
        let point = without.chosen(MicroUsdPerHour::ZERO).unwrap();
        blind += u32::from(judged(&disliking, point) == best);
    }
    assert!(matters >= 200, "dislikes matter in {matters} of 600");
    println!("{matters} {best_found} {blind} {proven}");
    assert!(
        best_found * 100 >= matters * 60 && best_found > blind,
        "{best_found} of {matters} are the best, {blind} are by accident"
    );
    assert!(proven * 100 >= matters * 60, "{proven} of {matters}");
}
