//! What the search tries and keeps, and whom it tells.

use super::{ELITE, Part, Search};
use crate::engines::bin_packing::solver::greedy;
use crate::engines::bin_packing::solver::pack::{Pack, Scope};
use crate::engines::bin_packing::solver::parallel;
use crate::engines::bin_packing::solver::solution::{Progress, Stopped};
use crate::model::MicroUsdPerHour;
use std::ops::ControlFlow;

impl Search<'_> {
    /// Whether the work is done, or the time is up, and a part has some packing.
    pub(super) fn over(&self, part: usize) -> bool {
        let done =
            self.work.placements >= self.limit || self.work.strategies >= self.effort.strategies;
        self.parts[part].best.is_some() && (done || self.stop.is_due())
    }

    /// Runs one strategy on a part and keeps its packing if it is better.
    pub(super) fn consider(
        &mut self,
        part: usize,
        scope: Scope<'_>,
        name: &str,
        run: &mut dyn FnMut(&mut Pack),
    ) -> ControlFlow<()> {
        if self.over(part) {
            self.stopped = Stopped::WorkLimit;
            return ControlFlow::Continue(());
        }
        let mut pack = self.parts[part].start.clone();
        run(&mut pack);
        greedy::follow(scope, &mut pack);
        self.keep(part, pack, name)
    }

    /// The same with each of `tries`, until `enough` says so of what a run gave.
    pub(super) fn consider_each<T: Sync, R: Send>(
        &mut self,
        part: usize,
        scope: Scope<'_>,
        tries: &[(String, T)],
        run: impl Fn(&T, &mut Pack) -> R + Sync + Send,
        mut enough: impl FnMut(&Self, R) -> bool,
    ) -> ControlFlow<()> {
        let mut left = tries.len();
        if left > 0 && self.over(part) {
            self.stopped = Stopped::WorkLimit;
            return ControlFlow::Continue(());
        }
        let start = self.parts[part].start.clone();
        let mut flow = ControlFlow::Continue(());
        parallel::in_order(
            tries,
            1,
            |(_, with)| {
                let mut pack = start.clone();
                let given = run(with, &mut pack);
                greedy::follow(scope, &mut pack);
                (pack, given)
            },
            |(name, _), (pack, given)| {
                flow = self.keep(part, pack, name);
                flow?;
                if enough(self, given) {
                    return ControlFlow::Break(());
                }
                left -= 1;
                if left > 0 && self.over(part) {
                    self.stopped = Stopped::WorkLimit;
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(1)
            },
        );
        flow
    }

    /// Counts what a packing of a part took, and keeps it if it is better.
    pub(super) fn keep(&mut self, part: usize, pack: Pack, name: &str) -> ControlFlow<()> {
        self.work.placements += pack.work;
        self.work.strategies += 1;
        let rank = pack.rank(self.model);
        let elite = &mut self.parts[part].elite;
        let ranks: Vec<_> = elite.iter().map(|(p, _)| p.rank(self.model)).collect();
        if !ranks.contains(&rank) {
            let at = ranks.partition_point(|r| *r < rank);
            elite.insert(at, (pack.clone(), name.to_owned()));
            elite.truncate(ELITE);
        }
        self.offer(part, pack, name)
    }

    /// Keeps a packing of a part if it is better, and tells the observer.
    pub(super) fn offer(&mut self, part: usize, pack: Pack, name: &str) -> ControlFlow<()> {
        let best = &mut self.parts[part].best;
        let better = best
            .as_ref()
            .is_none_or(|(b, _)| pack.rank(self.model) < b.rank(self.model));
        if !better {
            return ControlFlow::Continue(());
        }
        *best = Some((pack, name.to_owned()));
        let waits = |p: &Part| p.best.is_none() && p.start.left.total > 0;
        if self.parts.iter().any(waits) {
            return ControlFlow::Continue(());
        }
        let (mut cost, mut unplaced) = (0, self.missing());
        for (pack, _) in self.parts.iter().filter_map(|p| p.best.as_ref()) {
            cost += pack.cost(self.model);
            unplaced += pack.left.total;
        }
        self.tell(unplaced, cost, name)?;
        if self.done() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Tells the observer of a packing of all parts, if it is the best so far.
    pub(super) fn tell(&mut self, unplaced: u64, cost: i64, strategy: &str) -> ControlFlow<()> {
        if self.told.is_some_and(|told| told <= (unplaced, cost)) {
            return ControlFlow::Continue(());
        }
        self.told = Some((unplaced, cost));
        let answer = (self.observe)(Progress {
            cost: MicroUsdPerHour(cost),
            unplaced,
            strategy,
        });
        if answer.is_break() {
            self.stopped = Stopped::Observer;
        }
        answer
    }
}
