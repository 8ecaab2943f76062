//! Items change places, so that what is free lies together.
//!
//! Two nodes at a time: items on either are shared out between them anew, in the
//! way that leaves most room for more items of the usual size on one of them. The
//! measure is the sum of squares, as in the search of Fleszar and Hindi (2002) for
//! bin packing. Room that lies together takes what stands on a node that goes.

use super::super::super::model::Model;
use super::regroup::Loose;
use super::{Base, Trial};

/// Ways to share out items of two nodes that are looked at.
const WAYS: usize = 128;

/// Nodes that each one is looked at with, in each of so many sweeps.
const PARTNERS: usize = 48;
const SWEEPS: usize = 12;

/// A node that takes part.
struct Side {
    node: usize,
    zone: Option<usize>,
    free: Vec<f64>,
    /// By kind of [`Table::kinds`]: how many are here, how many are at home here,
    /// and whether more may come.
    count: Vec<u32>,
    home: Vec<u32>,
    takes: Vec<bool>,
    usable: f64,
}

/// Kinds that are shared out, sorted.
struct Table {
    kinds: Vec<usize>,
    demand: Vec<Vec<f64>>,
    zoned: Vec<bool>,
    /// One over what an item of the usual size takes, by resource.
    unit: Vec<f64>,
}

impl Table {
    /// How many items of the usual size fit into some room.
    fn usable(&self, room: &[f64]) -> f64 {
        let parts = room.iter().zip(&self.unit).map(|(f, u)| f * u);
        parts.fold(f64::INFINITY, f64::min).min(1e9)
    }
}

impl Trial {
    /// Brings what is free on nodes that stay together on few of them; whether
    /// anything changed. A move has to bring `per_move` at the least, as a part of
    /// what it brings to free a usual node. At most `limit` ways are looked at.
    pub(in super::super) fn concentrate(
        &mut self,
        base: &Base<'_>,
        loose: Loose,
        per_move: f64,
        limit: u64,
    ) -> bool {
        let table = self.common(base, loose);
        let mut sides = self.sides(base, loose, &table);
        let before: Vec<Vec<u32>> = sides.iter().map(|s| s.count.clone()).collect();
        let count = sides.len();
        let node = base.items.iter().sum::<u64>() as f64 / (base.items.len() as f64).max(1.0);
        let mut share = Share::new(&table, per_move * node * node);
        for sweep in 0..SWEEPS {
            let mut some = false;
            for a in 0..count {
                for step in 0..PARTNERS.min(count.saturating_sub(1)) {
                    // Others in each sweep, near and far.
                    let b = (a + 1 + step * (2 * sweep + 1) + sweep) % count;
                    if a != b && share.work < limit {
                        some |= share.out(&mut sides, a, b, sweep + step);
                    }
                }
            }
            if !some || share.work >= limit {
                break;
            }
        }
        let work = share.work;
        self.work += work / 4;
        let changed: Vec<&Side> = sides
            .iter()
            .zip(&before)
            .filter(|(side, before)| side.count != **before)
            .map(|(side, _)| side)
            .collect();
        if changed.is_empty() {
            return false;
        }
        let spread = |trial: &mut Self, put: &dyn Fn(&mut Self, usize, usize, u32)| {
            for side in &changed {
                for (kind, n) in table.kinds.iter().zip(&side.count) {
                    let n = n + trial.fixed(base, side.node, *kind, loose);
                    put(trial, side.node, *kind, n);
                }
            }
        };
        spread(self, &|trial, node, kind, n| trial.lower(base, node, kind, n));
        spread(self, &|trial, node, kind, n| {
            let there = trial.raise(base, node, kind, n);
            debug_assert!(there, "what was shared out fits");
        });
        self.full.fill(false);
        self.moved = self.moved_now(base);
        true
    }

    /// Nodes that are worth more than the moves of what stands on them, those first
    /// whose items need least room for what they bring.
    pub(in super::super) fn by_room(&self, base: &Base<'_>, per_move: i64) -> Vec<usize> {
        let Table { unit, .. } = self.common(base, Loose::Arrived);
        let mut found: Vec<(u64, usize)> = Vec::new();
        for node in (0..base.price.len()).filter(|n| base.removable[*n] && !self.gone[*n]) {
            let items = i64::try_from(base.items[node]).unwrap_or(i64::MAX);
            let worth = base.price[node].saturating_sub(per_move.saturating_mul(items));
            let mut sums = vec![0.0; base.model.dims];
            for (kind, n) in self.items_on(base, node) {
                for (sum, d) in sums.iter_mut().zip(demand(base.model, kind)) {
                    *sum += d * f64::from(n);
                }
            }
            let parts = sums.iter().zip(&unit).map(|(s, u)| s * u);
            let room = parts.fold(0.0, f64::max);
            if worth > 0 {
                found.push(((room / worth as f64 * 1e12) as u64, node));
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, node)| node).collect()
    }

    /// Kinds that may change places, and what items usually take.
    fn common(&self, base: &Base<'_>, loose: Loose) -> Table {
        let model = base.model;
        let stay = (0..self.bins.len()).filter(|n| self.stays(base, *n));
        let mut kinds: Vec<usize> = stay
            .flat_map(|n| self.loose_on(base, n, loose))
            .map(|(kind, _)| kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.retain(|kind| base.dealt(*kind));
        let mut sums = vec![0.0; model.dims];
        let mut items = 0.0;
        for (kind, n) in base.movable.iter().flatten() {
            items += f64::from(*n);
            for (sum, d) in sums.iter_mut().zip(demand(model, *kind)) {
                *sum += d * f64::from(*n);
            }
        }
        Table {
            demand: kinds.iter().map(|k| demand(model, *k)).collect(),
            zoned: kinds.iter().map(|k| model.kinds[*k].zoned).collect(),
            unit: sums.iter().map(|s| items / s.max(1.0)).collect(),
            kinds,
        }
    }

    fn stays(&self, base: &Base<'_>, node: usize) -> bool {
        !self.gone[node] && self.open(base, node)
    }

    fn sides(&self, base: &Base<'_>, loose: Loose, table: &Table) -> Vec<Side> {
        let stay = (0..self.bins.len()).filter(|n| self.stays(base, *n));
        stay.map(|node| {
            let seat = self.seat_of(base, node, &table.kinds, loose);
            let free: Vec<f64> = self.bins[node].free.iter().map(|f| *f as f64).collect();
            Side {
                node,
                zone: seat.zone,
                usable: table.usable(&free),
                free,
                count: seat.count,
                home: seat.home,
                takes: seat.takes,
            }
        })
        .collect()
    }
}

fn demand(model: &Model, kind: usize) -> Vec<f64> {
    let shape = &model.shapes[model.kinds[kind].shape];
    shape.demand.iter().map(|d| *d as f64).collect()
}

/// How items are shared out, with room to reckon.
struct Share<'a> {
    table: &'a Table,
    /// What a move has to bring, in squares.
    per_move: f64,
    /// Kinds that can be on either node, and how many of each there are.
    free: Vec<(usize, u32)>,
    /// How many of these are on the first node, and in the best way.
    at: Vec<u32>,
    best: Vec<u32>,
    /// What is left on each node.
    rest: [Vec<f64>; 2],
    /// Ways looked at.
    work: u64,
}

impl<'a> Share<'a> {
    fn new(table: &'a Table, per_move: f64) -> Self {
        Self {
            table,
            per_move,
            free: Vec::new(),
            at: Vec::new(),
            best: Vec::new(),
            rest: [Vec::new(), Vec::new()],
            work: 0,
        }
    }

    /// Shares out what stands on two nodes in the best way; whether that is
    /// another one than now. Of many kinds other ones are looked at each time.
    fn out(&mut self, sides: &mut [Side], a: usize, b: usize, first: usize) -> bool {
        self.work += 1;
        let (one, two) = (&sides[a], &sides[b]);
        let now = one.usable * one.usable + two.usable * two.usable;
        let least = now + 1e-9 * (1.0 + now);
        // All that is free on one of them is the most there can be.
        let both = one.free.iter().zip(&two.free).map(|(f, g)| f + g);
        let parts = both.zip(&self.table.unit).map(|(f, u)| f * u);
        let most = parts.fold(f64::INFINITY, f64::min).min(1e9);
        if most * most <= least {
            return false;
        }
        self.choose(one, two, first);
        if self.free.is_empty() {
            return false;
        }
        let here: Vec<u32> = self.free.iter().map(|(k, _)| one.count[*k]).collect();
        let start = least - self.away(&here, one, two);
        let Some((x, y)) = self.search(one, two, start) else {
            return false;
        };
        for ((k, n), first) in self.free.iter().zip(&self.best) {
            let came = f64::from(*first) - f64::from(sides[a].count[*k]);
            sides[a].count[*k] = *first;
            sides[b].count[*k] = n - first;
            for (r, d) in self.table.demand[*k].iter().enumerate() {
                sides[a].free[r] -= came * d;
                sides[b].free[r] += came * d;
            }
        }
        (sides[a].usable, sides[b].usable) = (x, y);
        true
    }

    /// As many kinds as there are ways to look at.
    fn choose(&mut self, one: &Side, two: &Side, first: usize) {
        let table = self.table;
        self.free.clear();
        let mut ways = 1usize;
        let kinds = table.kinds.len();
        for k in (0..kinds).map(|i| (i + first) % kinds) {
            let n = one.count[k] + two.count[k];
            if n == 0 || !one.takes[k] || !two.takes[k] {
                continue;
            }
            let bound = table.zoned[k] && one.zone != two.zone;
            let more = ways.saturating_mul(n as usize + 1);
            if !bound && more <= WAYS {
                self.free.push((k, n));
                ways = more;
            }
        }
        self.work += ways as u64;
    }

    /// What the moves cost of those that are away from home.
    fn away(&self, at: &[u32], one: &Side, two: &Side) -> f64 {
        if self.per_move <= 0.0 {
            return 0.0;
        }
        let moved = self.free.iter().zip(at).map(|((k, n), first)| {
            let gone = one.home[*k].saturating_sub(*first);
            gone + two.home[*k].saturating_sub(n - first)
        });
        self.per_move * f64::from(moved.sum::<u32>())
    }

    /// The best way, if it is worth more than `least`: left in `self.best`. What is
    /// usable then.
    fn search(&mut self, one: &Side, two: &Side, mut least: f64) -> Option<(f64, f64)> {
        let table = self.table;
        // Beginning with all of them on the second.
        self.rest[0].clone_from(&one.free);
        self.rest[1].clone_from(&two.free);
        for (k, _) in &self.free {
            let n = f64::from(one.count[*k]);
            let [first, second] = &mut self.rest;
            for ((f, s), d) in first.iter_mut().zip(second).zip(&table.demand[*k]) {
                *f += n * d;
                *s -= n * d;
            }
        }
        self.at.clear();
        self.at.resize(self.free.len(), 0);
        let mut found = None;
        loop {
            let [first, second] = &self.rest;
            if first.iter().all(|r| *r >= 0.0) && second.iter().all(|r| *r >= 0.0) {
                let (x, y) = (table.usable(first), table.usable(second));
                let squares = x * x + y * y;
                if squares > least {
                    let value = squares - self.away(&self.at, one, two);
                    if value > least {
                        least = value;
                        found = Some((x, y));
                        self.best.clone_from(&self.at);
                    }
                }
            }
            if !self.next() {
                return found;
            }
        }
    }

    /// The next way: one more of the first kind that has more, and none of those
    /// before it.
    fn next(&mut self) -> bool {
        for ((k, n), at) in self.free.iter().zip(&mut self.at) {
            let more = *at < *n;
            let step = if more { 1.0 } else { -f64::from(*n) };
            let [first, second] = &mut self.rest;
            for ((f, s), d) in first.iter_mut().zip(second).zip(&self.table.demand[*k]) {
                *f -= step * d;
                *s += step * d;
            }
            if more {
                *at += 1;
                return true;
            }
            *at = 0;
        }
        false
    }
}
