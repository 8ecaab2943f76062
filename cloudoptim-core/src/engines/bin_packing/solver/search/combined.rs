//! The last step: fillings that are known, combined.

use super::super::columns::{self, Programme};
use super::super::cover;
use super::super::greedy;
use super::super::merged::Merged;
use super::super::pack::{Pack, Pick, Scope};
use super::Search;
use std::ops::ControlFlow;

impl Search<'_> {
    /// The fillings known of a part, combined by an integer programme where that
    /// is small.
    pub(super) fn cover(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        let fillings = std::mem::take(&mut self.fillings);
        let best = self.parts[part].best.as_ref();
        let best = best.filter(|(pack, _)| pack.left.total == 0);
        let Some(best) = best.map(|(pack, _)| pack.clone()) else {
            return ControlFlow::Continue(());
        };
        let standing: usize = self.parts[part].start.bins.len();
        if fillings.is_empty() || standing > 0 || self.over(part) {
            return ControlFlow::Continue(());
        }
        let merged = Merged::new(self.model, scope.bound);
        let start = &self.parts[part].start;
        let left = merged.left(&start.left.kinds);
        let wide = Scope {
            model: &merged.model,
            bound: &merged.bound,
            ..scope
        };
        let plain = Pack::new(&merged.model, left.clone(), Vec::new());
        let pivots = self.pivots(left.iter().filter(|n| **n > 0).count());
        let mut programme = Programme::new(wide, &plain, scope.types, pivots, 0);
        programme.learn(&merged, &best);
        programme.learn_configs(&fillings);
        let cost = u64::try_from(best.cost(self.model)).unwrap_or(0);
        let near = programme.near(&left, &plain, cost);
        self.work.pivots += programme.pivots;
        let step = u64::try_from(scope.bound.price_step.0).unwrap_or(1);
        let found = near.map(|near| cover::cover(&near, cost, step, self.solvers));
        let found = found.unwrap_or_default();
        self.cover_failed |= found.failed;
        if found.plan.is_empty() {
            return ControlFlow::Continue(());
        }
        self.consider(part, scope, "cover", &mut |pack| {
            columns::carry_out(scope, &merged, pack, &found.plan);
            greedy::fill_open(scope, pack);
            greedy::by_ratio(scope, pack, Pick::Scarce, &scope.bound.values);
        })?;
        self.improve(part, scope)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::canon::Canonical;
    use super::super::super::integer::{SOLVERS, Said, Solver};
    use super::super::super::problem::{Class, NodeType, Offering, Problem};
    use super::super::super::proportional::Draws;
    use super::super::super::solution::{Effort, Note, Solution};
    use super::super::super::stop::Stop;
    use super::super::run_with;
    use crate::model::MicroUsdPerHour;
    use std::ops::ControlFlow;

    /// Classes of any size on types that are dearer than they are large by some.
    fn drawn(seed: u64, classes: usize, types: usize) -> Problem {
        let mut draws = Draws::new(seed);
        let types = (0..types).map(|i| {
            let size = 1 + draws.below(8);
            let memory = size * [1, 2, 4, 8][draws.below(4) as usize];
            let price = 3_000 * size + 1_000 * memory + draws.below(400);
            NodeType {
                id: format!("t{i}"),
                capacity: vec![1_000 * size, 1_000 * memory],
                offerings: vec![Offering {
                    price: Some(MicroUsdPerHour(price as i64)),
                    ..Offering::default()
                }],
                ..NodeType::default()
            }
        });
        let types = types.collect();
        let classes = (0..classes).map(|i| Class {
            id: format!("c{i:02}"),
            count: 1 + draws.below(12) as u32,
            demand: vec![50 + draws.below(850), 50 + draws.below(1_750)],
            ..Class::default()
        });
        Problem {
            dims: vec!["cpu".to_owned(), "memory".to_owned()],
            classes: classes.collect(),
            types,
            ..Problem::default()
        }
    }

    fn packed(problem: &Problem, solvers: &[Solver]) -> Solution {
        let canonical = Canonical::new(problem).on_grid();
        let (effort, stop) = (Effort::default(), Stop::default());
        let solution = run_with(&canonical.problem, &effort, solvers, &stop, &mut |_| {
            ControlFlow::Continue(())
        });
        canonical.back(solution)
    }

    /// Whether every item is on one node, none of which is too full, and the cost is
    /// that of the nodes.
    fn holds(problem: &Problem, solution: &Solution) -> bool {
        let mut placed = vec![0; problem.classes.len()];
        let fits = solution.nodes.iter().all(|node| {
            let has = &problem.types[node.node_type];
            let mut free = has.capacity.clone();
            node.items.iter().all(|item| {
                placed[item.class] += item.count;
                let demand = problem.classes[item.class].demand.iter();
                free.iter_mut().zip(demand).all(|(free, demand)| {
                    let left = free.checked_sub(u64::from(item.count) * demand);
                    left.map(|left| *free = left).is_some()
                })
            }) && has.offerings[node.offering].price == Some(node.price)
        });
        let mut all = placed.iter().zip(&problem.classes);
        let cost: i64 = solution.nodes.iter().map(|node| node.price.0).sum();
        fits && all.all(|(n, class)| *n == class.count)
            && solution.unplaced.is_empty()
            && solution.cost == MicroUsdPerHour(cost)
    }

    #[test]
    fn a_failure_leaves_the_packing_before_and_says_so() {
        // The first that the step makes cheaper.
        let mut drawn = (1..=60).map(|seed| drawn(seed, 14, 8));
        let cheaper = drawn.find_map(|problem| {
            let with = packed(&problem, SOLVERS);
            let without = packed(&problem, &[|_, _| Said::Infeasible]);
            let cheaper = with.cost < without.cost && with.proof.strategy.starts_with("cover");
            cheaper.then_some((problem, with, without))
        });
        let (problem, with, without) = cheaper.unwrap();
        for found in [&with, &without] {
            assert!(!found.proof.notes.contains(&Note::CoverFailed));
            assert!(holds(&problem, found));
        }
        let fails: Solver = |_, _| Said::Failed;
        let breaks: Solver = |programme, _| Said::Values(vec![0.0; programme.columns.len()]);
        let no_numbers: Solver = |_, _| Said::Values(vec![f64::NAN]);
        for solver in [fails, breaks, no_numbers] {
            let mut failed = packed(&problem, &[solver]);
            assert!(holds(&problem, &failed));
            assert!(failed.lower_bound <= failed.cost && failed.cost <= without.cost);
            // The note is all that differs.
            assert_eq!(failed.proof.notes.pop(), Some(Note::CoverFailed));
            assert_eq!(failed, without);
            // Where another solver is there, nobody notices.
            assert_eq!(packed(&problem, &[&[solver], SOLVERS].concat()), with);
        }
    }
}
