//! Packings where items dislike some places, beside packings that know less of it.

use super::naive;
use super::properties::{RICH, Shape, problem, total};
use cloudoptim_core::engines::bin_packing::solver::{
    Class, Effort, Mask, Problem, Solution, solve,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

fn solved(problem: &Problem) -> Solution {
    solve(problem, &Effort::default()).unwrap()
}

/// The problem as if nobody disliked anything.
fn ignoring(problem: &Problem) -> Problem {
    let mut free = problem.clone();
    free.classes.iter_mut().for_each(|c| c.dislikes.clear());
    free
}

/// The problem in which every class may only go where that costs it least beside, of
/// all that is large enough for it; for those without zones.
fn obeying(problem: &Problem) -> Problem {
    let holds = |class: &Class, has: &[u64]| class.demand.iter().zip(has).all(|(d, h)| d <= h);
    let mut strict = problem.clone();
    for (class, of) in strict.classes.iter_mut().zip(&problem.classes) {
        let on_sale = |t: usize| {
            let offers = &problem.types[t].offerings;
            offers
                .iter()
                .any(|o| o.price.is_some() && o.available != Some(0))
        };
        let types = (0..problem.types.len())
            .filter(|t| of.types.contains(*t) && holds(of, &problem.types[*t].capacity));
        let types: Vec<usize> = types.filter(|t| on_sale(*t)).collect();
        let nodes = problem.nodes.iter().enumerate();
        let nodes =
            nodes.filter(|(at, n)| of.nodes.contains(*at) && !n.closed && holds(of, &n.free));
        let nodes: Vec<usize> = nodes.map(|(at, _)| at).collect();
        let there = |of_type: Option<usize>, of_node: Option<usize>| -> i64 {
            let here = of.dislikes.iter().filter(|d| {
                of_type.is_some_and(|t| d.types.contains(t))
                    || of_node.is_some_and(|n| d.nodes.contains(n))
            });
            here.map(|d| d.cost.0).sum()
        };
        let at_types = types.iter().map(|t| there(Some(*t), None));
        let at_nodes = nodes.iter().map(|n| there(None, Some(*n)));
        let least = at_types.chain(at_nodes).min();
        let best = |cost: i64| Some(cost) == least;
        class.types = Mask::only(types.into_iter().filter(|t| best(there(Some(*t), None))));
        class.nodes = Mask::only(nodes.into_iter().filter(|n| best(there(None, Some(*n)))));
    }
    ignoring(&strict)
}

/// What a packing costs if items dislike what they do in that problem, as a checker
/// counts that shares no code with the solver.
fn judged(problem: &Problem, solution: &Solution) -> i64 {
    let beside = naive::disliked_by(problem, solution);
    solution.cost.0 + beside
}

fn left_out(solution: &Solution) -> BTreeMap<usize, u32> {
    let mut out = BTreeMap::new();
    for unplaced in &solution.unplaced {
        *out.entry(unplaced.class).or_default() += unplaced.count;
    }
    out
}

fn costs_somebody(problem: &Problem) -> bool {
    let mut wanted = problem.classes.iter().filter(|c| c.count > 0);
    wanted.any(|c| c.dislikes.iter().any(|d| d.cost.0 > 0))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, ..ProptestConfig::default() })]

    #[test]
    fn never_dearer_than_a_search_that_ignores_preferences(p in problem(RICH)) {
        prop_assume!(costs_somebody(&p));
        let (ours, blind) = (solved(&p), solved(&ignoring(&p)));
        if left_out(&ours) == left_out(&blind) {
            let blind = judged(&p, &blind);
            prop_assert!(total(&ours).0 <= blind, "{} > {blind}", total(&ours));
        }
    }

    #[test]
    fn never_dearer_than_a_search_to_which_preferences_are_rules(
        p in problem(Shape { zones: 0, ..RICH }),
    ) {
        prop_assume!(costs_somebody(&p));
        let (ours, strict) = (solved(&p), solved(&obeying(&p)));
        if left_out(&ours) == left_out(&strict) {
            let strict = judged(&p, &strict);
            prop_assert!(total(&ours).0 <= strict, "{} > {strict}", total(&ours));
        }
    }
}

/// Those two are no empty words: preferences do matter to what is drawn, both ways.
#[test]
fn many_drawn_packings_are_cheaper_than_those_that_know_less() {
    let mut runner = TestRunner::deterministic();
    let problems = problem(Shape { zones: 0, ..RICH });
    let (mut compared, mut than_blind, mut than_strict) = (0, 0, 0);
    for _ in 0..600 {
        let p = problems.new_tree(&mut runner).unwrap().current();
        if !costs_somebody(&p) {
            continue;
        }
        let ours = solved(&p);
        let (blind, strict) = (solved(&ignoring(&p)), solved(&obeying(&p)));
        let alike = |other: &Solution| left_out(other) == left_out(&ours);
        compared += u32::from(alike(&blind) && alike(&strict));
        let cheaper = |than: &Solution| alike(than) && total(&ours).0 < judged(&p, than);
        than_blind += u32::from(cheaper(&blind));
        than_strict += u32::from(cheaper(&strict));
    }
    println!("{compared} {than_blind} {than_strict}");
    assert!(compared >= 100, "{compared} of 600 are alike");
    assert!(than_blind >= 30, "{than_blind} cheaper than if ignored");
    assert!(than_strict >= 30, "{than_strict} cheaper than as rules");
}
