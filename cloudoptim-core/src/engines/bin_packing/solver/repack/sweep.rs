//! Prices per move from none to more than any node is worth, and the frontier.

use super::super::canon::Canonical;
use super::super::model::{Model, self_limited};
use super::super::solution::Effort;
use super::super::stop::Stop;
use super::floors::Floored;
use super::refine::{IN_VAIN, Refined};
use super::relax::{Level, Relaxation};
use super::state::{Base, Fit, Quota, Trial, Way};
use super::{Fleet, Frontier, Holding, LevelProof, Place, Point, PrefixEnd, RepackEffort, prefix};
use crate::model::MicroUsdPerHour;
use std::collections::BTreeSet;

pub(super) fn run(fleet: &Fleet, effort: &RepackEffort, stop: &Stop) -> Frontier {
    let mut counted = fleet.problem.clone();
    for class in &mut counted.classes {
        class.count = 0;
    }
    for (class, n) in fleet.holdings.iter().flat_map(|h| &h.movable) {
        if let Some(class) = counted.classes.get_mut(*class) {
            class.count = class.count.saturating_add(*n);
        }
    }
    let canonical = Canonical::new(&counted).on_grid();
    let (class_of, node_of) = canonical.inverse();
    let mut holdings = vec![Holding::default(); fleet.holdings.len()];
    for (holding, node) in fleet.holdings.iter().zip(&node_of) {
        let mut movable: Vec<(usize, u32)> = holding
            .movable
            .iter()
            .map(|(c, n)| (class_of[*c], *n))
            .collect();
        movable.sort_unstable();
        let takes = holding.takes.iter();
        holdings[*node] = Holding {
            movable,
            takes: takes.map(|(l, n)| (canonical.limit_new(*l), *n)).collect(),
            ..holding.clone()
        };
    }
    let sorted = Fleet {
        problem: canonical.problem.clone(),
        holdings,
        narrow_rules: canonical.rules_new(&fleet.narrow_rules),
    };
    let model = Model::new(&sorted.problem).until(stop);
    let relaxed = relaxed(&sorted, &model);
    let base = Base::new(&sorted, &model);
    let mut frontier = Sweep {
        effort,
        base: &base,
        relaxed: &relaxed,
        points: Vec::new(),
        levels: Vec::new(),
        refined: Refined::default(),
        known: Vec::new(),
        seen: BTreeSet::new(),
        offered: 0,
        work: 0,
    }
    .run();
    for point in &mut frontier.points {
        back(&canonical, point);
    }
    for proof in &mut frontier.proofs {
        let mut values = vec![0; proof.class_values.len()];
        for (class, value) in proof.class_values.iter().enumerate() {
            values[canonical.class(class)] = *value;
        }
        proof.class_values = values;
    }
    frontier
}

/// The model without the limits that a bound may not count on: those that are
/// stricter than what holds, and those that some node breaks as it is.
fn relaxed(fleet: &Fleet, model: &Model) -> Model {
    let broken = |rule: usize, max: u32| {
        let both = self_limited(&fleet.problem.rules[rule]);
        fleet.problem.nodes.iter().any(|node| {
            let here = node.present.iter().filter(|(c, _)| both.contains(c));
            here.map(|(_, n)| u64::from(*n)).sum::<u64>() > u64::from(max)
        })
    };
    let holds: Vec<bool> = model
        .self_limits
        .iter()
        .map(|l| !fleet.narrow_rules.contains(&l.rule) && !broken(l.rule, l.max))
        .collect();
    let mut relaxed = model.clone();
    for shape in &mut relaxed.shapes {
        shape.limits.retain(|limit| holds[*limit]);
    }
    relaxed
}

/// A point in the indices of the original problem.
fn back(canonical: &Canonical, point: &mut Point) {
    for node in &mut point.removed {
        *node = canonical.node(*node);
    }
    for relocation in &mut point.moves {
        relocation.class = canonical.class(relocation.class);
        relocation.from = canonical.node(relocation.from);
        if let Place::Node(node) = &mut relocation.to {
            *node = canonical.node(*node);
        }
    }
    canonical.bought_back(&mut point.bought);
}

/// Prices per move to begin with, each a quarter of the one before.
const CHEAP_LEVELS: u32 = 6;

/// Prices per move in a row that may bring no point.
const LEVELS_IN_VAIN: u32 = 3;

/// Points of the search over prefixes that the frontier may show.
const PREFIX_STOPS: usize = 8;

/// Longest prefixes that are remembered.
const KNOWN: usize = 4;

/// The longest prefix of an order that went, and the shortest that did not.
struct Known {
    order: Vec<usize>,
    fit: Fit,
    best: (usize, Trial),
    failed: Option<usize>,
}

pub(super) struct Sweep<'a> {
    pub(super) effort: &'a RepackEffort,
    pub(super) base: &'a Base<'a>,
    relaxed: &'a Model,
    pub(super) points: Vec<Point>,
    pub(super) levels: Vec<Level>,
    /// What was refined before.
    pub(super) refined: Refined,
    known: Vec<Known>,
    /// Cost and moves of longest prefixes that were gone on with.
    seen: BTreeSet<(i64, u64, Fit)>,
    /// Points that came to the frontier so far.
    offered: u64,
    pub(super) work: u64,
}

impl Sweep<'_> {
    fn run(mut self) -> Frontier {
        let base = self.base;
        let start = base.start();
        self.keep(&start, "as it is");
        let mut empties = base.start();
        let empty: Vec<usize> = (0..base.price.len()).filter(|n| base.empty(*n)).collect();
        let empty = empties.spared(base, &empty);
        if !empty.is_empty() && empties.remove(base, &empty, Fit::Tight) {
            self.keep(&empties, "empty nodes");
        }
        let relaxation = Relaxation::new(base.fleet, self.relaxed, &base.removable);
        let mut relaxation = Floored::new(relaxation, base.fleet, &base.removable);
        let top = self.top();
        for per_move in [0, top] {
            // The first is what bounds all points.
            if self.levels.is_empty() || !self.base.model.stop.is_due() {
                self.level(&mut relaxation, per_move);
            }
        }
        // Most of what is to be saved is saved where moves are cheap.
        for halvings in (2..2 + 2 * CHEAP_LEVELS).step_by(2) {
            if self.levels.len() >= self.effort.levels as usize || self.over() {
                break;
            }
            self.level(&mut relaxation, top >> halvings);
        }
        let mut in_vain = 0;
        while self.levels.len() < self.effort.levels as usize
            && !self.over()
            && in_vain < LEVELS_IN_VAIN
            && let Some(per_move) = self.next_price()
        {
            let before = self.offered;
            self.level(&mut relaxation, per_move);
            in_vain = if self.offered == before {
                in_vain + 1
            } else {
                0
            };
        }
        self.at_home(relaxation.plain());
        let mut stops: Vec<Point> = Vec::new();
        let candidates = usize::try_from(self.effort.prefix_candidates).unwrap_or(usize::MAX);
        let limit = self.effort.placements / 2;
        let end = prefix::run(base, base.start(), candidates, limit, &mut |trial| {
            stops.push(trial.point(base, "prefixes and single nodes"));
        });
        self.work += end.work;
        // Some on the way, and where it ended.
        let every = stops.len().div_ceil(PREFIX_STOPS).max(1);
        for stop in stops.into_iter().rev().step_by(every) {
            self.offer(stop);
        }
        self.finish(PrefixEnd {
            cost: MicroUsdPerHour(end.cost),
            evictions: end.evictions,
        })
    }

    /// A price at which no node is worth its moves.
    fn top(&self) -> i64 {
        let base = self.base;
        let nodes = (0..base.price.len()).filter(|n| base.removable[*n] && base.items[*n] > 0);
        let each = nodes.map(|n| base.price[n] / i64::try_from(base.items[n]).unwrap_or(i64::MAX));
        each.max().map_or(0, |most| most + 1)
    }

    fn level(&mut self, relaxation: &mut Floored<'_>, per_move: i64) {
        if self.levels.iter().any(|l| l.per_move == per_move) {
            return;
        }
        let level = relaxation.solve(per_move, self.effort.pivots);
        self.at(&level, &relaxation.nodes_by_look());
        let at = self.levels.partition_point(|l| l.per_move < per_move);
        self.levels.insert(at, level);
    }

    /// A price between two neighbouring ones: those between which the cost found
    /// is furthest above what is proven, where their bounds meet.
    fn next_price(&self) -> Option<i64> {
        let base = self.base;
        let pairs = self.levels.iter().zip(self.levels.iter().skip(1));
        pairs
            .filter_map(|(low, high)| {
                let apart = high.per_move - low.per_move;
                if apart < 2 || apart * 50 < high.per_move {
                    return None;
                }
                let meet = (high.lower - low.lower) / apart;
                let proven = i128::from(low.lower) - i128::from(low.per_move) * i128::from(meet);
                let moved = u64::try_from(meet).unwrap_or(0);
                let cheapest = |found: &dyn Fn(&Point) -> bool| {
                    let points = self.points.iter().filter(|p| found(p));
                    points.min_by_key(|p| (p.total(), p.moved))
                };
                let at = cheapest(&|p| p.moved <= moved)?;
                let open = i128::from(at.total().0) - proven;
                if open * 1_000 <= i128::from(at.total().0) || open < i128::from(base.least) {
                    return None;
                }
                // Where the frontier is steeper than this, it pays to move on.
                let next = self.points.iter().filter(|p| p.moved > moved);
                let slope = next
                    .min_by_key(|p| p.moved)
                    .and_then(|p| {
                        let moves = i64::try_from(p.moved - at.moved).ok()?;
                        (at.total().0 - p.total().0).checked_div(moves)
                    })
                    .filter(|s| low.per_move < *s && *s < high.per_move);
                let price = slope.unwrap_or(low.per_move + apart / 2);
                let known = self.levels.iter().any(|l| l.per_move == price);
                (!known).then_some((open, price))
            })
            .max()
            .map(|(_, price)| price)
    }

    pub(super) fn over(&self) -> bool {
        self.work >= self.effort.placements || self.base.model.stop.is_due()
    }

    /// Trials at one price per move.
    fn at(&mut self, level: &Level, nodes: &[Vec<usize>]) {
        let base = self.base;
        let mut order: Vec<usize> = (0..base.price.len())
            .filter(|n| base.removable[*n])
            .collect();
        order.sort_by(|a, b| {
            let dear = level.dear[*b].total_cmp(&level.dear[*a]);
            dear.then(base.items[*a].cmp(&base.items[*b]))
                .then(a.cmp(b))
        });
        let goal = order.len().saturating_sub(level.kept.floor() as usize);
        // Those that minima let go: others go only when something comes for them.
        let all = std::mem::take(&mut order);
        let order = base.start().spared(base, &all);
        let goal = goal.min(order.len());
        let quota = Quota {
            nodes,
            flow: &level.flow,
        };
        let one_look = level.flow.len() <= 2;
        let mut longest: Option<usize> = None;
        let mut found: Vec<Trial> = Vec::new();
        for (fit, quota) in [
            (Fit::Tight, Some(&quota)),
            (Fit::Tight, None),
            (Fit::Even, Some(&quota)),
            (Fit::Even, None),
        ] {
            if self.over() || (one_look && quota.is_some()) {
                continue;
            }
            // Another way has to begin a little below what one way did.
            let floor = longest.map(|k| k - k / 50);
            let Some((k, mut trial)) = self.longest(&order, goal, floor, fit, quota) else {
                continue;
            };
            longest = longest.max(Some(k));
            // At another price the same nodes went.
            if quota.is_none() && !self.seen.insert((trial.cost, trial.moved, fit)) {
                continue;
            }
            if self.open(level, trial.total(base, level.per_move)) {
                let rest = trial.by_room(base, level.per_move);
                self.singles(level, &rest, &mut trial, fit, IN_VAIN);
            }
            let per_move = MicroUsdPerHour(level.per_move);
            self.keep(&trial, &format!("fluid, {per_move} a move"));
            found.push(trial);
        }
        // Where moves cost nothing it is tried whatever the programme says: among
        // optima that cost the same it may have found the one that buys nothing.
        let free = level.per_move == 0 && !base.fleet.problem.types.is_empty();
        if free || level.bought > 1e-6 {
            found.extend(self.replacements(level, (&order, &all), goal, &quota));
        }
        self.refine(level, found);
    }

    /// The longest prefix whose items the others take over, if it is longer than
    /// `floor`. The programme's own answer, `goal`, is the most to be hoped for.
    /// What was tried before of the same order is not tried again.
    fn longest(
        &mut self,
        order: &[usize],
        goal: usize,
        floor: Option<usize>,
        fit: Fit,
        quota: Option<&Quota<'_>>,
    ) -> Option<(usize, Trial)> {
        let base = self.base;
        let goal = goal.min(order.len());
        let known = self.known.iter().position(|k| {
            let same = k.fit == fit && k.order == order;
            same && quota.is_none() && k.best.0 <= goal && floor.is_none_or(|f| f < k.best.0)
        });
        let known = known.map(|at| self.known.remove(at));
        let late = || base.model.stop.is_due();
        let mut attempt = |k: usize| -> Option<Trial> {
            let mut trial = base.start();
            let went = trial.remove_by(base, &order[..k], (fit, Way::Once), quota);
            self.work += trial.work;
            went.then_some(trial)
        };
        let (mut best, mut failed) = known.map_or((None, None), |k| (Some(k.best), k.failed));
        match floor {
            Some(floor) if best.is_none() => {
                let at = floor + (goal.saturating_sub(floor) / 8).max(1);
                if at > goal {
                    return None;
                }
                best = Some((at, attempt(at)?));
            }
            // Down from the goal in growing steps.
            _ => {
                let mut at = failed.map_or(goal, |f| goal.min(f.saturating_sub(1)));
                let mut step = goal / 100 + 1;
                while best.as_ref().is_none_or(|(k, _)| *k < at) {
                    if let Some(trial) = attempt(at) {
                        best = Some((at, trial));
                    } else {
                        if late() {
                            return None;
                        }
                        failed = Some(at);
                        at = at.checked_sub(1)?.saturating_sub(step - 1);
                        step *= 2;
                    }
                }
            }
        }
        let mut best = best?;
        let mut high = failed.unwrap_or(goal + 1);
        while high.min(goal + 1) - best.0 > 1 && !late() {
            let middle = usize::midpoint(best.0, high.min(goal + 1));
            match attempt(middle) {
                Some(trial) => best = (middle, trial),
                None => (high, failed) = (middle, Some(middle)),
            }
        }
        if quota.is_none() {
            if self.known.len() == KNOWN {
                self.known.remove(0);
            }
            self.known.push(Known {
                order: order.to_vec(),
                fit,
                best: best.clone(),
                failed,
            });
        }
        Some(best)
    }

    /// One node after the other, as long as it is worth its moves, until so many do
    /// not go one after the other.
    pub(super) fn singles(
        &mut self,
        level: &Level,
        order: &[usize],
        trial: &mut Trial,
        fit: Fit,
        in_vain: usize,
    ) {
        let base = self.base;
        let mut vain = 0;
        for node in order {
            if self.over() || vain == in_vain {
                return;
            }
            let items = i64::try_from(base.items[*node]).unwrap_or(i64::MAX);
            let worth = base.price[*node] > level.per_move.saturating_mul(items);
            if trial.gone[*node] || !worth {
                continue;
            }
            let before = trial.work;
            let went = trial.remove(base, &[*node], fit);
            vain = if went { 0 } else { vain + 1 };
            self.work += trial.work - before;
        }
    }

    /// Prefixes with new nodes for what the others do not take, then cheaper new
    /// ones in place of any of `all`.
    fn replacements(
        &mut self,
        level: &Level,
        (order, all): (&[usize], &[usize]),
        goal: usize,
        quota: &Quota<'_>,
    ) -> Option<Trial> {
        let base = self.base;
        let quick = Effort::quick();
        let total = |t: &Trial| {
            i128::from(t.spent(base)) + i128::from(t.moved) * i128::from(level.per_move)
        };
        let mut best: Option<(usize, Trial)> = None;
        let mut tried: Vec<usize> = Vec::new();
        let try_one = |this: &mut Self, k: usize, effort: &Effort| -> Option<Trial> {
            let mut trial = base.start();
            let quota = Some(quota);
            let went = trial.replace(base, &order[..k], Fit::Tight, quota, i64::MAX, effort);
            this.work += trial.work;
            went.then_some(trial)
        };
        let mut step = (order.len() / 16).max(1);
        let mut around = goal;
        loop {
            for k in [
                around.saturating_sub(2 * step),
                around.saturating_sub(step),
                around,
                around + step,
                around + 2 * step,
            ] {
                if k > order.len() || tried.contains(&k) || self.over() {
                    continue;
                }
                tried.push(k);
                if let Some(trial) = try_one(self, k, &quick)
                    && best.as_ref().is_none_or(|(_, b)| total(&trial) < total(b))
                {
                    best = Some((k, trial));
                }
            }
            let (k, _) = best.as_ref()?;
            if step == 1 {
                break;
            }
            around = *k;
            step = (step / 4).max(1);
        }
        let (k, quick_one) = best?;
        let careful = Effort::default()
            .with_placements(4_000_000)
            .with_bound_labels(0)
            .with_bound_pivots(1_000);
        let chosen = match try_one(self, k, &careful) {
            Some(trial) if total(&trial) <= total(&quick_one) => trial,
            _ => quick_one,
        };
        let mut trial = chosen;
        self.singles(level, order, &mut trial, Fit::Tight, usize::MAX);
        self.swaps(level, all, &mut trial);
        let found_by = format!(
            "fluid with new nodes, {} a move",
            MicroUsdPerHour(level.per_move)
        );
        self.keep(&trial, &found_by);
        self.rest(trial.clone(), &format!("{found_by}, then prefixes"));
        Some(trial)
    }

    /// What the search over prefixes makes of a trial.
    fn rest(&mut self, trial: Trial, found_by: &str) {
        let base = self.base;
        let candidates = usize::try_from(self.effort.prefix_candidates).unwrap_or(usize::MAX);
        let before = trial.work;
        let limit = before + self.effort.placements / 16;
        let mut stops: Vec<Point> = Vec::new();
        let end = prefix::run(base, trial, candidates, limit, &mut |trial| {
            stops.push(trial.point(base, found_by));
        });
        self.work += end.work - before;
        if let Some(last) = stops.pop() {
            self.offer(last);
        }
    }

    /// One node after the other against cheaper new ones.
    fn swaps(&mut self, level: &Level, order: &[usize], trial: &mut Trial) {
        let base = self.base;
        let effort = Effort::quick();
        for node in order {
            if self.over() {
                return;
            }
            let items = i64::try_from(base.items[*node]).unwrap_or(i64::MAX);
            let budget = base.price[*node] - level.per_move.saturating_mul(items) - 1;
            if trial.gone[*node] || budget <= 0 {
                continue;
            }
            let before = trial.work;
            if !trial.replace(base, &[*node], Fit::Tight, None, budget, &effort) {
                trial.swap(base, *node, budget);
            }
            self.work += trial.work - before;
        }
    }

    pub(super) fn keep(&mut self, trial: &Trial, found_by: &str) {
        let cost = trial.spent(self.base);
        let beaten = |p: &Point| p.total().0 < cost && p.moved <= trial.moved;
        if !self.points.iter().any(beaten) {
            self.offer(trial.point(self.base, found_by));
        }
    }

    /// Keeps a point that no other is as good as; of two that cost and move the
    /// same, the one with fewer new nodes.
    fn offer(&mut self, point: Point) {
        let beats = |a: &Point, b: &Point| {
            let same = a.total() == b.total() && a.moved == b.moved;
            let fewer = !same || a.bought.len() <= b.bought.len();
            a.total() <= b.total() && a.moved <= b.moved && fewer
        };
        if self.points.iter().any(|p| beats(p, &point)) {
            return;
        }
        self.points.retain(|p| !beats(&point, p));
        self.points.push(point);
        self.offered += 1;
    }

    fn finish(mut self, prefix: PrefixEnd) -> Frontier {
        self.points.sort_by_key(|p| (p.moved, p.total()));
        let lower = |moved: u64| -> MicroUsdPerHour {
            let levels = self.levels.iter().map(|l| {
                let moves = i128::from(moved) * i128::from(l.per_move);
                i128::from(l.lower) - moves
            });
            let best = levels.max().unwrap_or(0).max(0);
            MicroUsdPerHour(self.base.priced(i64::try_from(best).unwrap_or(i64::MAX)))
        };
        for point in &mut self.points {
            point.lower_bound = lower(point.moved);
        }
        let model = self.base.model;
        let proofs = self
            .levels
            .iter()
            .map(|level| {
                let classes = model.kind_of_class.iter();
                LevelProof {
                    per_move: MicroUsdPerHour(level.per_move),
                    lower_bound: level.lower(),
                    class_values: classes
                        .map(|k| level.certified[model.kinds[*k].shape])
                        .collect(),
                }
            })
            .collect();
        let lower_bound = self
            .levels
            .iter()
            .filter(|l| l.per_move == 0)
            .map(|l| l.lower().0)
            .max()
            .unwrap_or(0);
        let lower_bound = MicroUsdPerHour(self.base.priced(lower_bound));
        let late = model.stop.was_due();
        Frontier {
            cost_before: MicroUsdPerHour(self.base.cost_before),
            lower_bound,
            points: self.points,
            prefix: (!late).then_some(prefix),
            proofs,
            work_limit: self.work >= self.effort.placements,
            late,
        }
    }
}
