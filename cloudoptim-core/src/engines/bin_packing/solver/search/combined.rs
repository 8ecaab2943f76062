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
        let found = near.map(|near| cover::cover(&near, cost, step));
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
