//! Trials are refined: room is brought together, and items are dealt out anew.

use super::relax::Level;
use super::state::{Base, Fit, Loose, Trial};
use super::sweep::Sweep;
use crate::model::MicroUsdPerHour;
use std::collections::BTreeMap;

/// What was refined before, by cost and moves.
#[derive(Default)]
pub(super) struct Refined {
    /// What became of trials when room was brought together, the last ones.
    gathered: Vec<((i64, u64), Trial)>,
    /// Prices per move at which items of nodes that stay moved for that, too.
    tried: BTreeMap<(i64, u64), Vec<i64>>,
}

/// A trial is refined that is further than one part in so many above what is
/// proven.
const CLOSE: i128 = 3_000;

/// Trials of one price per move that are refined, all but the best as long as no
/// more than this work is done for each node.
const SEVERAL: usize = 3;
const EARLY: u64 = 1_200;

/// Trials whose refinement is remembered.
const REMEMBERED: usize = 6;

/// What it may take for each node to bring room together once.
const GATHERING: u64 = 1_200;

/// Work for each node is reckoned for as many as this at the least, and of small
/// clusters for so many times their nodes, but no fewer than a few.
const NODES: usize = 1_400;
const TIMES: usize = 7;
const SOME: usize = 600;

/// Nodes tried one after the other in vain, once room was brought together.
pub(super) const IN_VAIN: usize = 24;

/// What one price per move may take for each node to deal items out anew.
const REGROUPING: u64 = 150;

/// Nodes tried in vain before dealing out is given up, and what that takes for each
/// node at the least.
const DEALT_IN_VAIN: u32 = 8;
const PATIENCE: u64 = 20;

/// Over how many nodes items are dealt out at once, and how many nodes are tried
/// in place of one.
const FEW: usize = 40;
const CROWD: usize = 160;
const INSTEAD: usize = 3;

impl Trial {
    /// What it costs with its moves.
    pub(super) fn total(&self, base: &Base<'_>, per_move: i64) -> i128 {
        total(self.spent(base), self.moved, per_move)
    }
}

/// What a trial costs with its moves.
fn total(cost: i64, moved: u64, per_move: i64) -> i128 {
    i128::from(cost) + i128::from(moved) * i128::from(per_move)
}

impl Sweep<'_> {
    /// Refines the best trials of one price per move.
    pub(super) fn refine(&mut self, level: &Level, mut found: Vec<Trial>) {
        let base = self.base;
        let rank = |t: &Trial| (t.total(base, level.per_move), t.moved);
        found.sort_by_key(rank);
        found.dedup_by_key(|t| rank(t));
        for (at, trial) in found.into_iter().take(SEVERAL).enumerate() {
            let late = self.work > self.share(EARLY);
            if self.over() || (at > 0 && late) {
                return;
            }
            if self.open(level, trial.total(base, level.per_move)) {
                self.refine_one(level, trial);
            }
        }
    }

    /// Whether something costs more than what is proven to be about as good as can
    /// be.
    pub(super) fn open(&self, level: &Level, total: i128) -> bool {
        let apart = total - i128::from(level.lower);
        apart * CLOSE > total && apart >= i128::from(self.base.least)
    }

    fn late(&self) -> bool {
        self.base.model.stop.is_due()
    }

    /// So much work for each node, and never more than a part of all that is left.
    fn share(&self, each: u64) -> u64 {
        let nodes = self.base.price.len();
        let least = nodes.saturating_mul(TIMES).clamp(SOME, NODES);
        let nodes = nodes.max(least) as u64;
        let all = self.effort.placements / 16;
        all.min(each.saturating_mul(nodes))
    }

    fn refine_one(&mut self, level: &Level, mut trial: Trial) {
        let (key, price) = ((trial.cost, trial.moved), level.per_move);
        let mut known = self.refined.gathered.iter();
        if let Some((_, known)) = known.find(|(of, _)| *of == key) {
            trial.clone_from(known);
        } else {
            self.gather(level, &mut trial, Loose::Arrived);
            let gathered = &mut self.refined.gathered;
            if gathered.len() == REMEMBERED {
                gathered.remove(0);
            }
            gathered.push((key, trial.clone()));
        }
        // Another point may be as good as can be by now.
        let points = self.points.iter();
        let best = points.map(|p| total(p.total().0, p.moved, price)).min();
        let done = best.is_some_and(|best| !self.open(level, best));
        if done || !self.effort.from_kept {
            return;
        }
        if self.late() {
            return;
        }
        let early = self.work < self.share(EARLY / 2);
        let tried = self.refined.tried.entry(key).or_default();
        let like = |other: &i64| price / 4 <= *other && *other / 4 <= price;
        if early || !tried.iter().any(like) {
            tried.push(price);
            self.gather(level, &mut trial, Loose::All);
        }
        self.regroup(level, &mut trial);
    }

    /// What is free comes together, and more nodes go, as long as some do.
    fn gather(&mut self, level: &Level, trial: &mut Trial, loose: Loose) {
        let base = self.base;
        let per_move = MicroUsdPerHour(level.per_move);
        let found_by = format!("room brought together, {per_move} a move");
        let limit = self.share(GATHERING);
        let last = self.work + limit;
        loop {
            let mut next = trial.clone();
            let some = next.concentrate(base, loose, level.per_move, limit);
            self.work += next.work - trial.work;
            trial.work = next.work;
            if !some || self.over() || self.work >= last {
                return;
            }
            let order = next.by_room(base, level.per_move);
            self.singles(level, &order, &mut next, Fit::Tight, IN_VAIN);
            if loose == Loose::All {
                next.return_home(base);
            }
            self.keep(&next, &found_by);
            let rank = |t: &Trial| t.total(base, level.per_move);
            let went = next.removed.len() > trial.removed.len();
            if loose == Loose::Arrived || rank(&next) < rank(trial) {
                *trial = next;
            }
            if !went {
                return;
            }
        }
    }

    /// One node after the other goes, or a cheaper one comes in its place, and what
    /// stands on it and on others is dealt out anew, as long as that pays.
    pub(super) fn regroup(&mut self, level: &Level, trial: &mut Trial) {
        let base = self.base;
        let before = trial.work;
        let limit = before + self.share(REGROUPING);
        let patience = self.share(PATIENCE);
        let per_move = MicroUsdPerHour(level.per_move);
        let found_by = format!("dealt out anew, {per_move} a move");
        loop {
            let mut some = false;
            let (mut in_vain, mut since) = (0, trial.work);
            for node in trial.by_waste(base, &level.certified) {
                if self.late() {
                    break;
                }
                if trial.work >= limit || trial.gone[node] {
                    continue;
                }
                if regroup_one(base, trial, node, level.per_move) {
                    some = true;
                    (in_vain, since) = (0, trial.work);
                    self.keep(trial, &found_by);
                } else {
                    in_vain += 1;
                }
                // Those that waste less are less likely to go.
                if in_vain >= DEALT_IN_VAIN && trial.work >= since + patience {
                    break;
                }
            }
            if !some || trial.work >= limit || self.late() {
                break;
            }
        }
        self.work += trial.work - before;
    }
}

/// Whether a node goes, or a cheaper one comes in its place.
fn regroup_one(base: &Base<'_>, trial: &mut Trial, node: usize, per_move: i64) -> bool {
    let others = trial.roomy(base, node, FEW, CROWD);
    let lacking = trial.lacking(base, node, &others);
    if lacking.iter().all(|lacks| *lacks == 0) && trial.regroup(base, node, &others, None, per_move)
    {
        return true;
    }
    let instead = trial.instead(base, node, &lacking);
    let mut first = instead.into_iter().take(INSTEAD);
    if first.any(|(_, new)| trial.regroup(base, node, &others, Some(new), per_move)) {
        return true;
    }
    let items = i64::try_from(trial.standing_on(base, node)).unwrap_or(i64::MAX);
    let moves = per_move.saturating_mul(items);
    let budget = trial.price(base, node).saturating_sub(moves);
    trial.swap(base, node, budget.saturating_sub(1))
}
