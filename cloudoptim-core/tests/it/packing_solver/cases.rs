//! Worked cases of the packing solver.

use super::naive::{faults, unproven};
use cloudoptim_core::engines::bin_packing::solver::{
    Affinity, BoundMethod, Class, CountLimit, Device, DeviceRequest, Effort, Existing,
    ExistingNode, Mask, NodeType, Note, Offering, Per, Problem, ProblemError, Rule, Solution,
    Stopped, UnplacedReason, ZoneSpread, solve, solve_observed,
};
use cloudoptim_core::model::MicroUsdPerHour;
use std::ops::ControlFlow;

fn class(id: &str, count: u32, cpu: u64) -> Class {
    Class {
        id: id.into(),
        count,
        demand: vec![cpu],
        ..Class::default()
    }
}

pub(super) fn node_type(id: &str, cpu: u64, price: i64) -> NodeType {
    NodeType {
        id: id.into(),
        capacity: vec![cpu],
        offerings: vec![Offering {
            price: Some(MicroUsdPerHour(price)),
            ..Offering::default()
        }],
        ..NodeType::default()
    }
}

fn problem(classes: Vec<Class>, types: Vec<NodeType>) -> Problem {
    Problem {
        dims: vec!["cpu".into()],
        classes,
        types,
        ..Problem::default()
    }
}

/// The same types offered in three zones at one price.
fn in_zones(mut p: Problem) -> Problem {
    p.zones = ["a", "b", "c"].map(String::from).to_vec();
    for t in &mut p.types {
        let price = t.offerings[0].price;
        t.offerings = (0..3)
            .map(|zone| Offering {
                zone: Some(zone),
                price,
                available: None,
            })
            .collect();
    }
    p
}

/// The solution, without a fault and proven.
pub(super) fn solved(p: &Problem) -> Solution {
    let solution = solve(p, &Effort::default()).unwrap();
    assert_eq!(faults(p, &solution), Vec::<String>::new());
    assert_eq!(unproven(p, &solution), Vec::<String>::new());
    solution
}

#[test]
fn whole_fillings_bound_what_cut_items_do_not() {
    // 3 × 30 or 2 × 40 leave a rest that no item fits: five nodes of 105, where
    // cut items would do with less.
    let p = problem(
        vec![class("a", 6, 40), class("b", 7, 30)],
        vec![node_type("m", 105, 100), node_type("s", 41, 57)],
    );
    let cut = solve(&p, &Effort::default().with_bound_labels(0)).unwrap();
    let whole = solved(&p);
    assert_eq!(cut.proof.method, BoundMethod::Fluid);
    assert_eq!(whole.proof.method, BoundMethod::Configurations);
    assert!(cut.lower_bound < whole.lower_bound);
    assert!(whole.lower_bound <= whole.cost);
    assert!(whole.work.labels > 0);
}

#[test]
fn a_bound_is_a_sum_of_prices() {
    // Three items of 350 need 1.05 nodes of 1,000: two, at a price of 100 each.
    let p = problem(vec![class("a", 3, 350)], vec![node_type("m", 1000, 100)]);
    let solution = solve(&p, &Effort::quick()).unwrap();
    assert_eq!(solution.lower_bound, MicroUsdPerHour(200));
    assert_eq!(solution.proof.stopped, Stopped::Optimal);
}

#[test]
fn a_perfect_fit_is_found_and_proven_optimal() {
    // Six pairs of 600 and 400 fill six nodes to the brim.
    let p = problem(
        vec![class("large", 6, 600), class("small", 6, 400)],
        vec![node_type("m", 1000, 100)],
    );
    let solution = solved(&p);
    assert_eq!(solution.cost, MicroUsdPerHour(600));
    assert_eq!(solution.lower_bound, MicroUsdPerHour(600));
    assert_eq!(solution.gap(), Some(0.0));
    assert_eq!(solution.proof.stopped, Stopped::Optimal);
}

#[test]
fn items_above_half_a_node_need_a_node_each_and_the_bound_knows() {
    // Demand alone would allow 6 nodes; no two items of 510 share one.
    let p = problem(vec![class("c", 10, 510)], vec![node_type("m", 1000, 100)]);
    let solution = solved(&p);
    assert_eq!(solution.lower_bound, MicroUsdPerHour(1000));
    assert_eq!(solution.cost, MicroUsdPerHour(1000));
}

#[test]
fn the_last_node_is_no_larger_than_it_has_to_be() {
    let p = problem(
        vec![class("c", 9, 500)],
        vec![node_type("large", 4000, 400), node_type("small", 500, 60)],
    );
    let solution = solved(&p);
    assert_eq!(solution.cost, MicroUsdPerHour(460));
}

#[test]
fn one_replica_per_node_costs_a_node_for_each_replica() {
    let mut p = problem(vec![class("web", 5, 100)], vec![node_type("m", 1000, 100)]);
    p.rules.push(Rule::CountLimit(CountLimit {
        per: Per::Node,
        with: vec![0],
        of: vec![0],
        max: 1,
    }));
    let solution = solved(&p);
    assert_eq!(solution.nodes.len(), 5);
    assert_eq!(
        solution.lower_bound,
        MicroUsdPerHour(500),
        "the bound knows the rule"
    );
}

#[test]
fn anti_affinity_holds_for_whoever_comes_second() {
    // Only `a` asks not to stand beside `b`; `b` may not join it either.
    let mut p = problem(
        vec![class("a", 2, 100), class("b", 2, 100)],
        vec![node_type("m", 1000, 100)],
    );
    p.rules.push(Rule::CountLimit(CountLimit {
        per: Per::Node,
        with: vec![0],
        of: vec![1],
        max: 0,
    }));
    assert_eq!(solved(&p).nodes.len(), 2);
    // The same on nodes that exist: the only node holds an `a`.
    p.types.clear();
    p.classes[0].count = 0;
    p.nodes.push(ExistingNode {
        id: "n".into(),
        free: vec![1000],
        present: vec![(0, 1)],
        ..ExistingNode::default()
    });
    let solution = solved(&p);
    assert_eq!(solution.unplaced[0].count, 2);
    assert_eq!(solution.unplaced[0].reason, UnplacedReason::Rules);
    assert!(Existing::new(&p).unwrap().place(&[(1, 1)]).is_err());
}

#[test]
fn a_spread_fills_zones_evenly() {
    let mut p = in_zones(problem(
        vec![class("web", 7, 100)],
        vec![node_type("m", 1000, 100)],
    ));
    p.rules.push(Rule::ZoneSpread(ZoneSpread {
        with: vec![0],
        of: vec![0],
        max_skew: 1,
        zones: Mask::All,
        min_zones: 0,
    }));
    let solution = solved(&p);
    let mut held = [0; 3];
    for node in &solution.nodes {
        held[node.zone.unwrap()] += node.items[0].count;
    }
    held.sort_unstable();
    assert_eq!(held, [2, 2, 3]);
}

#[test]
fn a_group_that_wants_its_own_company_stays_in_one_zone() {
    let mut p = in_zones(problem(
        vec![class("db", 4, 600), class("other", 8, 600)],
        vec![node_type("m", 1000, 100)],
    ));
    p.rules.push(Rule::Affinity(Affinity {
        per: Per::Zone,
        with: vec![0],
        of: vec![0],
    }));
    let solution = solved(&p);
    let zones: std::collections::BTreeSet<_> = solution
        .nodes
        .iter()
        .filter(|n| n.items.iter().any(|i| i.class == 0))
        .map(|n| n.zone)
        .collect();
    assert_eq!(zones.len(), 1);
}

#[test]
fn half_a_gpu_twice_is_one_gpu_and_a_whole_one_another() {
    let mut p = problem(
        vec![class("half", 4, 10), class("whole", 2, 10)],
        vec![node_type("g", 1000, 100)],
    );
    p.models.push("T4".into());
    let request = |milli| {
        Some(DeviceRequest {
            count: 1,
            milli,
            models: Mask::All,
        })
    };
    p.classes[0].devices = request(500);
    p.classes[1].devices = request(1000);
    p.types[0].devices = vec![
        Device {
            model: 0,
            milli: 1000,
        };
        4
    ];
    let solution = solved(&p);
    assert_eq!(solution.nodes.len(), 1);
    assert_eq!(solution.lower_bound, MicroUsdPerHour(100));
}

#[test]
fn an_unknown_price_is_never_bought_and_the_proof_says_so() {
    let mut p = problem(
        vec![class("c", 1, 100)],
        vec![node_type("known", 1000, 100), node_type("unknown", 1000, 0)],
    );
    p.types[1].offerings[0].price = None;
    let solution = solved(&p);
    assert_eq!(solution.cost, MicroUsdPerHour(100));
    assert!(
        solution
            .proof
            .notes
            .contains(&Note::UnpricedTypes { types: 1 })
    );
}

#[test]
fn an_item_that_fits_nothing_is_named_and_does_not_hide_the_gap_of_the_rest() {
    let p = problem(
        vec![class("c", 1, 100), class("giant", 2, 5000)],
        vec![node_type("m", 1000, 100)],
    );
    let solution = solved(&p);
    assert_eq!(solution.unplaced.len(), 1);
    assert_eq!(solution.unplaced[0].reason, UnplacedReason::FitsNothing);
    assert!(solution.gap().is_some());
    assert!(
        solution
            .proof
            .notes
            .contains(&Note::ItemsFitNothing { items: 2 })
    );
}

#[test]
fn what_is_sold_out_leaves_items_over_and_no_gap() {
    let mut p = problem(vec![class("c", 3, 1000)], vec![node_type("m", 1000, 100)]);
    p.types[0].offerings[0].available = Some(2);
    let solution = solved(&p);
    assert_eq!(solution.nodes.len(), 2);
    assert_eq!(solution.unplaced[0].reason, UnplacedReason::NoneLeft);
    assert_eq!(solution.gap(), None);
}

#[test]
fn free_room_is_used_before_anything_is_bought() {
    let mut p = problem(vec![class("c", 3, 400)], vec![node_type("m", 1000, 100)]);
    p.nodes.push(ExistingNode {
        id: "n".into(),
        free: vec![900],
        ..ExistingNode::default()
    });
    let solution = solved(&p);
    assert_eq!(solution.reused[0].items[0].count, 2);
    assert_eq!(solution.nodes.len(), 1);
    // 300 too much for the free room: a third of a node, so a whole one.
    assert_eq!(solution.lower_bound, MicroUsdPerHour(100));
    assert_eq!(solution.proof.method, BoundMethod::Fluid);
}

#[test]
fn a_caller_that_breaks_off_still_gets_a_packing() {
    let p = problem(
        vec![
            class("a", 40, 330),
            class("b", 40, 210),
            class("c", 40, 470),
        ],
        vec![node_type("m", 1000, 100), node_type("l", 2000, 190)],
    );
    let solution = solve_observed(&p, &Effort::default(), &mut |_| ControlFlow::Break(())).unwrap();
    assert_eq!(solution.proof.stopped, Stopped::Observer);
    assert_eq!(faults(&p, &solution), Vec::<String>::new());
    assert!(solution.unplaced.is_empty());
}

#[test]
fn who_is_company_of_others_stays_with_its_own() {
    // Items of `b` stand where those of `a` do, and those of `a` on one node. Where
    // nodes stand already, zones are not tried as homes one by one.
    let mut p = in_zones(problem(
        vec![class("a", 4, 36), class("b", 4, 59)],
        vec![node_type("m", 197, 100)],
    ));
    p.nodes = vec![ExistingNode {
        id: "full".into(),
        zone: Some(0),
        free: vec![0],
        ..ExistingNode::default()
    }];
    let beside = |with: usize, of: usize| {
        Rule::Affinity(Affinity {
            per: Per::Node,
            with: vec![with],
            of: vec![of],
        })
    };
    p.rules = vec![
        beside(0, 0),
        Rule::ZoneSpread(ZoneSpread {
            with: vec![1],
            of: vec![1],
            max_skew: 1,
            zones: Mask::All,
            min_zones: 0,
        }),
        beside(1, 0),
    ];
    let solution = solved(&p);
    let with_a = solution
        .nodes
        .iter()
        .filter(|n| n.items.iter().any(|i| i.class == 0));
    assert_eq!(with_a.count(), 1);
}

#[test]
fn contradictions_are_refused_with_the_value() {
    let mut p = problem(vec![class("c", 1, 1)], vec![node_type("m", 1, 1)]);
    p.classes[0].demand.push(5);
    let err = solve(&p, &Effort::default()).unwrap_err();
    assert_eq!(err.to_string(), "class \"c\" has 2 amounts, expected 1");
    let mut p = problem(vec![class("c", 1, 1)], vec![node_type("m", 1, -5)]);
    assert!(matches!(
        solve(&p, &Effort::default()),
        Err(ProblemError::Price { .. })
    ));
    p.types[0].offerings[0].price = None;
    p.rules.push(Rule::CountLimit(CountLimit {
        per: Per::Node,
        with: vec![3],
        of: vec![],
        max: 1,
    }));
    let err = solve(&p, &Effort::default()).unwrap_err();
    assert_eq!(
        err.to_string(),
        "rule 0 refers to class 3, of which there are 1"
    );
}
