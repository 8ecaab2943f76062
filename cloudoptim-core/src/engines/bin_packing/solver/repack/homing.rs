//! Trials by the programme in which moves off kept nodes cost, too.

use super::super::bound::SCALE;
use super::super::solution::Effort;
use super::Point;
use super::homes::{Climb, Homes};
use super::relax::{Level, Relaxation};
use super::state::Trial;
use super::sweep::Sweep;
use crate::model::MicroUsdPerHour;

/// Numbers of moves for which the programme is solved, at the most.
const TARGETS: usize = 4;

/// A point that costs more than one part in so many above what is proven is worth
/// the programme.
const FAR: i128 = 400;

/// Targets are apart by one part in so many.
const APART: u64 = 25;

/// How many nodes more or fewer go when new ones come.
const BUYING: usize = 3;

impl Sweep<'_> {
    /// Solves the programme where the frontier is furthest above what is proven.
    pub(super) fn at_home(&mut self, relaxation: &mut Relaxation<'_>) {
        // Where all nodes are alike the order in which they go is known.
        if relaxation.looks.len() < 2 && self.base.fleet.problem.types.is_empty() {
            return;
        }
        let mut homes: Option<Homes> = None;
        let mut tried: Vec<u64> = Vec::new();
        while tried.len() < TARGETS
            && !self.over()
            && let Some(point) = self.target(&tried)
        {
            tried.push(point.moved);
            if homes.is_none() {
                homes = Homes::new(self.base, relaxation);
            }
            let Some(homes) = &mut homes else {
                return;
            };
            let before = homes.work;
            let some = self.aim(homes, relaxation, &point);
            self.work += homes.work - before;
            if some.is_none() {
                return;
            }
        }
    }

    /// The point that is furthest above what is proven.
    fn target(&self, tried: &[u64]) -> Option<Point> {
        let near = |a: u64, b: u64| a.abs_diff(b).saturating_mul(APART) < a.max(b);
        let new = |p: &&Point| !tried.iter().any(|t| near(*t, p.moved));
        let far = self.points.iter().filter(new).filter_map(|p| {
            let open = i128::from(p.total().0) - self.proven(p.moved)?.0;
            let far = open * FAR > i128::from(p.total().0);
            (far && open >= i128::from(self.base.least)).then_some((open, p))
        });
        let most = far.max_by_key(|(open, p)| (*open, p.moved));
        most.map(|(_, p)| p.clone())
    }

    /// What is proven for so many moves, and by which level.
    fn proven(&self, moved: u64) -> Option<(i128, &Level)> {
        let levels = self.levels.iter().map(|level| {
            let moves = i128::from(moved) * i128::from(level.per_move);
            (i128::from(level.lower) - moves, level)
        });
        levels.max_by_key(|(lower, _)| *lower)
    }

    /// The programme at the moves of a point; `None` if it cannot be solved.
    fn aim(
        &mut self,
        homes: &mut Homes,
        relaxation: &mut Relaxation<'_>,
        point: &Point,
    ) -> Option<()> {
        let (_, start) = self.proven(point.moved)?;
        let groups = relaxation.groups.iter();
        let values: Vec<f64> = groups
            .map(|g| {
                let of = g.shapes.iter().filter_map(|s| start.certified.get(*s));
                of.max().map_or(0.0, |v| *v as f64 / SCALE)
            })
            .collect();
        let from = (values.as_slice(), start.per_move);
        let pivots = self.effort.pivots;
        let climb = homes.climb(relaxation, from, (self.base, point), pivots)?;
        if self.over() {
            return None;
        }
        let level = homes.certify(relaxation, &climb)?;
        self.by_home(&climb, &level);
        let at = self.levels.partition_point(|l| l.per_move < level.per_move);
        self.levels.insert(at, level);
        Some(())
    }

    /// The longest prefix of the nodes that the programme does not keep, and those
    /// around it with new nodes.
    fn by_home(&mut self, climb: &Climb, level: &Level) {
        let base = self.base;
        let values: Vec<f64> = level.certified.iter().map(|v| *v as f64 / SCALE).collect();
        let kept = |n: usize| (climb.kept[n] * 1e6).round();
        let nodes = 0..base.price.len();
        let mut order: Vec<usize> = nodes.filter(|n| base.removable[*n]).collect();
        order.sort_by(|a, b| {
            let by_kept = kept(*a).total_cmp(&kept(*b));
            let by_dear = level.dear[*b].total_cmp(&level.dear[*a]);
            by_kept.then(by_dear).then(a.cmp(b))
        });
        let all = order.clone();
        let order = base.start().spared(base, &all);
        let stay = (level.kept - 1e-6).floor().max(0.0) as usize;
        let goal = all.len().saturating_sub(stay);
        let per_move = MicroUsdPerHour(level.per_move);
        let found_by = format!("filled, {per_move} a move");
        let mut best: Option<Trial> = None;
        let mut attempt = |this: &mut Self, k: usize| -> bool {
            let mut trial = base.start();
            let went = trial.remove_filling(base, &order[..k], &values);
            this.work += trial.work;
            if went {
                this.keep(&trial, &found_by);
                best = Some(trial);
            }
            went
        };
        let target = goal.min(order.len());
        // Down from the goal in growing steps, then up again.
        let (mut good, mut bad) = (0, target + 1);
        let (mut at, mut step) = (target, 1);
        while good < at && !self.over() {
            if attempt(self, at) {
                good = at;
            } else {
                bad = at;
                at = at.saturating_sub(step);
                step *= 2;
            }
        }
        while bad - good > 1 && good > 0 && !self.over() {
            let middle = usize::midpoint(good, bad);
            if attempt(self, middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        if let Some(mut best) = best.filter(|b| self.open(level, b.total(base, level.per_move))) {
            self.regroup(level, &mut best);
        }
        if level.bought <= 1e-6 {
            return;
        }
        let found_by = format!("filled with new nodes, {per_move} a move");
        let around = goal.saturating_sub(BUYING)..=(goal + BUYING).min(all.len());
        for k in around {
            if self.over() {
                return;
            }
            let mut trial = base.start();
            let went = trial.replace_filling(base, &all[..k], &values, &Effort::quick());
            self.work += trial.work;
            if went {
                self.keep(&trial, &found_by);
            }
        }
    }
}
