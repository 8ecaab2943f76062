//! Repacking of fleets against every possible assignment of small ones.

mod drawn;
mod naive;
mod preferring;

use cloudoptim_core::engines::bin_packing::solver::{
    Class, ExistingNode, Fleet, Holding, Mask, Place, Point, Problem, PurchaseLimit, RepackEffort,
    Take, repack,
};
use cloudoptim_core::model::MicroUsdPerHour;
pub(super) use drawn::fleets;
use drawn::{More, fleet, floored, limits, minima, shared};
use naive::{beyond, cheapest, short};
pub(super) use naive::{bound, faults};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_assignment_is_below_the_bound_and_every_point_is_one(fleet in fleets()) {
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let best = cheapest(&fleet);
        for (moved, cost) in &best {
            let bound = bound(&fleet, &frontier, *moved);
            prop_assert!(bound <= *cost, "{moved} moves: bound {bound}, possible {cost}");
            prop_assert!(frontier.lower_bound.0 <= *cost);
        }
        let mut before: Option<&Point> = None;
        for point in &frontier.points {
            prop_assert_eq!(faults(&fleet, point), Vec::<String>::new());
            prop_assert_eq!(point.lower_bound.0, bound(&fleet, &frontier, point.moved));
            if let Some(before) = before {
                prop_assert!(before.moved < point.moved && before.cost > point.cost);
            }
            before = Some(point);
        }
        let end = frontier.prefix.unwrap();
        prop_assert!(frontier.points.iter().any(|p| p.cost <= end.cost && p.moved <= end.evictions));
        prop_assert!(frontier.points.iter().all(|p| p.cost <= frontier.cost_before));
    }

    #[test]
    fn no_more_is_bought_than_limits_allow(
        fleet in fleets(),
        max in 0u64..4,
        amount in 1u64..3,
    ) {
        let mut fleet = fleet;
        fleet.problem.purchase_limits = vec![PurchaseLimit {
            id: "quota".into(),
            max,
            takes: (0..fleet.problem.types.len())
                .map(|node_type| Take { node_type, offering: None, amount })
                .collect(),
            ..PurchaseLimit::default()
        }];
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        for point in &frontier.points {
            prop_assert_eq!(faults(&fleet, point), Vec::<String>::new());
            let taken = amount * point.bought.len() as u64;
            prop_assert!(taken <= max, "{taken} of {max}: {point:?}");
        }
    }

    #[test]
    fn nodes_that_go_leave_what_they_take_of_limits_to_new_ones(
        fleet in fleets(),
        limits in limits(),
    ) {
        let fleet = shared(fleet, &limits);
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let best = cheapest(&fleet);
        for point in &frontier.points {
            prop_assert_eq!(faults(&fleet, point), Vec::<String>::new());
            let all = 0..fleet.problem.nodes.len();
            let kept = all.filter(|node| !point.removed.contains(node));
            let bought = point.bought.iter().map(|n| (n.node_type, n.offering));
            let bought: Vec<(usize, usize)> = bought.collect();
            prop_assert_eq!(beyond(&fleet, kept, &bought), None, "{:?}", point);
        }
        for (moved, cost) in &best {
            let bound = bound(&fleet, &frontier, *moved);
            prop_assert!(bound <= *cost, "{moved} moves: bound {bound}, possible {cost}");
        }
    }

    #[test]
    fn as_many_are_left_as_minima_say_and_no_assignment_is_below_the_bound(
        fleet in fleets(),
        minima in minima(),
        limits in prop::option::of(limits()),
    ) {
        let fleet = shared(fleet, &limits.unwrap_or_default());
        let fleet = floored(fleet, &minima);
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        for (moved, cost) in &cheapest(&fleet) {
            let bound = bound(&fleet, &frontier, *moved);
            prop_assert!(bound <= *cost, "{moved} moves: bound {bound}, possible {cost}");
            prop_assert!(frontier.lower_bound.0 <= *cost);
        }
        for point in &frontier.points {
            prop_assert_eq!(faults(&fleet, point), Vec::<String>::new());
            prop_assert_eq!(point.lower_bound.0, bound(&fleet, &frontier, point.moved));
            let kept = (0..fleet.problem.nodes.len()).filter(|n| !point.removed.contains(n));
            let kept: Vec<usize> = kept.collect();
            let bought: Vec<_> = point.bought.iter().map(|n| (n.node_type, n.offering)).collect();
            prop_assert_eq!(short(&fleet, &kept, &bought), None);
            prop_assert_eq!(beyond(&fleet, kept.into_iter(), &bought), None);
        }
        prop_assert!(frontier.points.iter().all(|p| p.cost <= frontier.cost_before));
    }

    #[test]
    fn the_order_of_nodes_and_classes_changes_nothing(fleet in fleets(), turn in 1usize..4) {
        let there = repack(&fleet, &RepackEffort::default()).unwrap();
        let mut other = fleet.clone();
        let by = turn % other.problem.nodes.len();
        other.problem.nodes.rotate_left(by);
        other.holdings.rotate_left(by);
        let count = other.problem.nodes.len();
        for class in &mut other.problem.classes {
            if class.nodes != Mask::All {
                let kept = (0..count).filter(|n| class.nodes.contains(*n));
                class.nodes = Mask::only(kept.map(|n| (n + count - by) % count).collect::<Vec<_>>());
            }
        }
        let mut back = repack(&other, &RepackEffort::default()).unwrap();
        let nodes = other.problem.nodes.len();
        for point in &mut back.points {
            let home = |node: &mut usize| *node = (*node + by) % nodes;
            point.removed.iter_mut().for_each(home);
            for relocation in &mut point.moves {
                home(&mut relocation.from);
                if let Place::Node(node) = &mut relocation.to {
                    home(node);
                }
            }
        }
        prop_assert_eq!(there, back);
    }
}

/// In how many of 400 small fleets the cheapest point is the best there is, and in
/// how many something could be saved.
fn reached(fleets: impl Strategy<Value = Fleet>) -> (u32, u32) {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut best_found, mut saved) = (0, 0);
    for _ in 0..400 {
        let fleet = fleets.new_tree(&mut runner).unwrap().current();
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let best = cheapest(&fleet).into_values().min();
        // Beyond a limit as it is, nothing may be possible but to buy nothing.
        let best = best.unwrap_or(frontier.cost_before.0);
        let found = frontier.points.last().unwrap().cost.0;
        best_found += u32::from(found <= best);
        saved += u32::from(best < frontier.cost_before.0);
    }
    (best_found, saved)
}

#[test]
fn the_points_reach_the_best_there_is_in_most_small_fleets() {
    let (best_found, saved) = reached(fleets());
    assert!(saved > 200, "{saved} of 400 could save");
    assert!(best_found >= 320, "{best_found} of 400 reach the optimum");
    let within = (fleets(), limits()).prop_map(|(fleet, limits)| shared(fleet, &limits));
    let (best_found, saved) = reached(within);
    assert!(saved > 150, "{saved} of 400 could save within limits");
    assert!(
        best_found >= 320,
        "{best_found} of 400 reach the optimum within limits"
    );
    let with = (fleets(), minima()).prop_map(|(fleet, minima)| floored(fleet, &minima));
    let (best_found, saved) = reached(with);
    assert!(saved > 150, "{saved} of 400 could save with minima");
    assert!(
        best_found >= 360,
        "{best_found} of 400 reach the optimum with minima"
    );
}

/// Nodes that a minimum keeps are in the bound as well as in the plan.
#[test]
fn what_minima_keep_is_proven() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut bind, mut proven) = (0, 0);
    for _ in 0..400 {
        let drawn = (fleets(), minima()).new_tree(&mut runner);
        let (fleet, minima) = drawn.unwrap().current();
        let free = cheapest(&fleet).into_values().min().unwrap();
        let fleet = floored(fleet, &minima);
        let least = cheapest(&fleet).into_values().min().unwrap();
        if least > free {
            bind += 1;
            let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
            proven += u32::from(frontier.lower_bound.0 > free);
        }
    }
    assert!(bind >= 200, "minima bind in {bind} of 400");
    assert!(
        proven * 100 >= bind * 85,
        "{proven} of {bind} are proven to bind"
    );
}

/// Three nodes of a group that may not have fewer, and room on one of them for all.
#[test]
fn a_minimum_holds_nodes_and_lets_them_be_replaced_by_their_like() {
    let node = (40, 40, 90, true, false);
    let more = |buy| More {
        buy,
        alone: false,
        narrow: false,
        only: None,
    };
    let last = |buy, min, amount| {
        let items = [(0, 0), (0, 1), (0, 2)];
        let fleet = fleet(&[node; 3], &[(8, 8)], &items, &more(buy));
        let fleet = floored(fleet, &[(min, amount, vec![1; 3])]);
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let point = frontier.points.last().unwrap();
        (point.cost.0, frontier.lower_bound.0, point.bought.len())
    };
    for (min, cost) in [(0, 90), (1, 90), (2, 180), (3, 270)] {
        assert_eq!(last(None, min, 1), (cost, cost, 0), "at least {min}");
    }
    // New nodes of the group count, others do not.
    let buy = Some((20, 20, 50));
    assert_eq!(last(buy, 3, 1), (150, 150, 3));
    assert_eq!(last(buy, 2, 1), (100, 100, 2));
    assert_eq!(last(buy, 3, 0), (270, 270, 0));
    // One too few as it is: none goes, but for as many that they are enough.
    assert_eq!(last(None, 4, 1), (270, 270, 0));
    assert_eq!(last(buy, 4, 1), (270, 150, 0));
}

/// How many points of 400 small fleets of two or more nodes are proven to be the
/// best for their moves, of all that are.
#[test]
fn most_points_that_are_the_best_for_their_moves_are_proven_to_be() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut proven, mut best_there_is) = (0, 0);
    for _ in 0..400 {
        let fleet = fleets().new_tree(&mut runner).unwrap().current();
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let possible = cheapest(&fleet);
        for point in &frontier.points {
            let within = possible.range(..=point.moved).map(|(_, cost)| *cost);
            if within.min() == Some(point.cost.0) {
                best_there_is += 1;
                proven += u32::from(point.lower_bound == point.cost);
            }
        }
    }
    assert!(best_there_is > 600, "{best_there_is}");
    // Without moves off nodes that stay and whole items 501 of 662 are.
    assert!(proven >= 520, "{proven} of {best_there_is}");
}

/// A node of now takes all of a limit: it goes for a cheaper one, which takes as
/// much, and no node comes beside it.
#[test]
fn a_full_limit_lets_a_node_be_replaced() {
    let nodes = [(40, 40, 90, true, false)];
    let more = More {
        buy: Some((20, 20, 50)),
        alone: false,
        narrow: false,
        only: None,
    };
    let fleet = fleet(&nodes, &[(8, 8)], &[(0, 0), (0, 0)], &more);
    let last = |limits: &[(u64, u64, Vec<u64>)]| {
        let fleet = shared(fleet.clone(), limits);
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        frontier.points.last().unwrap().cost.0
    };
    assert_eq!(last(&[]), 50);
    // All that there is, and half of what the new one takes.
    assert_eq!(last(&[(4, 4, vec![4])]), 50);
    assert_eq!(last(&[(2, 4, vec![2])]), 90);
    // Of another one there is nothing.
    assert_eq!(last(&[(4, 4, vec![4]), (0, 1, vec![0])]), 90);
}

#[test]
fn what_a_fleet_says_of_itself_must_agree() {
    let good = fleet(
        &[(20, 20, 50, true, false), (20, 20, 50, true, false)],
        &[(5, 5)],
        &[(0, 0), (0, 1)],
        &More {
            buy: None,
            alone: true,
            narrow: true,
            only: None,
        },
    );
    assert!(repack(&good, &RepackEffort::default()).is_ok());
    let refused = |change: &dyn Fn(&mut Fleet), why: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let error = repack(&bad, &RepackEffort::default())
            .unwrap_err()
            .to_string();
        assert_eq!(error, why);
    };
    refused(&|f| drop(f.holdings.pop()), "1 holdings for 2 nodes");
    refused(
        &|f| f.holdings[0].price = Some(MicroUsdPerHour(-1)),
        &format!("node \"n0\" has the price {}", MicroUsdPerHour(-1)),
    );
    refused(
        &|f| f.holdings[0].movable.push((0, 1)),
        "2 items of class 0 may leave node \"n0\", which holds 1",
    );
    refused(
        &|f| f.holdings[0].movable.push((7, 0)),
        "0 items of class 7 may leave node \"n0\", which holds 0",
    );
    refused(
        &|f| f.holdings[1].takes.push((0, 1)),
        "node \"n1\" takes of limit 0, of which there are 0",
    );
    refused(
        &|f| f.narrow_rules = vec![3],
        "narrow_rules refers to rule 3, of which there are 1",
    );
}

#[test]
fn fleets_with_next_to_nothing_are_answered_too() {
    for effort in [0, 1, 16] {
        let mut effort_of = RepackEffort::default();
        effort_of.levels = effort;
        effort_of.prefix_candidates = effort;
        let none = repack(&Fleet::default(), &effort_of).unwrap();
        assert_eq!(none.lower_bound, MicroUsdPerHour::ZERO);
        // No resources, no capacity, no price.
        let nothing = More {
            buy: Some((0, 0, 0)),
            alone: false,
            narrow: false,
            only: None,
        };
        let nodes = [(0, 0, 0, true, false), (0, 0, 7, true, true)];
        let fleet = fleet(
            &nodes,
            &[(0, 0), (3, 3)],
            &[(0, 0), (0, 1), (1, 0)],
            &nothing,
        );
        let frontier = repack(&fleet, &effort_of).unwrap();
        assert_eq!(frontier.points.last().unwrap().cost, MicroUsdPerHour::ZERO);
        let mut flat = fleet;
        flat.problem.dims.clear();
        flat.problem.types.clear();
        flat.problem
            .classes
            .iter_mut()
            .for_each(|c| c.demand.clear());
        flat.problem.nodes.iter_mut().for_each(|n| n.free.clear());
        let frontier = repack(&flat, &effort_of).unwrap();
        assert_eq!(frontier.points.last().unwrap().cost, MicroUsdPerHour::ZERO);
    }
}

#[test]
fn a_node_goes_when_an_item_of_a_node_that_stays_makes_room() {
    // The item of the small node fits on neither of the others. One of x may go to
    // y, which leaves room for it on x.
    let class = |id: &str, demand: [u64; 2]| Class {
        id: id.into(),
        demand: demand.to_vec(),
        ..Class::default()
    };
    let node = |id: &str, free: [u64; 2], class: usize, n: u32| ExistingNode {
        id: id.into(),
        free: free.to_vec(),
        present: vec![(class, n)],
        ..ExistingNode::default()
    };
    let holding = |price, class: usize, n: u32| Holding {
        price: Some(MicroUsdPerHour(price)),
        removable: true,
        movable: vec![(class, n)],
        ..Holding::default()
    };
    let fleet = Fleet {
        problem: Problem {
            dims: vec!["cpu".into(), "memory".into()],
            classes: vec![class("a", [5, 1]), class("b", [1, 5]), class("c", [5, 5])],
            nodes: vec![
                node("x", [1, 9], 0, 2),
                node("y", [9, 1], 1, 2),
                node("z", [0, 0], 2, 1),
            ],
            ..Problem::default()
        },
        holdings: vec![
            holding(100_000, 0, 2),
            holding(100_000, 1, 2),
            holding(50_000, 2, 1),
        ],
        ..Fleet::default()
    };
    let best = |from_kept: bool| {
        let mut effort = RepackEffort::default();
        effort.from_kept = from_kept;
        let frontier = repack(&fleet, &effort).unwrap();
        let best = frontier.chosen(MicroUsdPerHour(1)).cloned().unwrap();
        assert_eq!(faults(&fleet, &best), Vec::<String>::new());
        (best.cost, best.moved)
    };
    assert_eq!(best(false), (MicroUsdPerHour(250_000), 0));
    assert_eq!(best(true), (MicroUsdPerHour(200_000), 2));
}
