//! Items change places, so that what is free lies together.
//!
//! Two nodes at a time: items on either are shared out between them anew, in the
//! way that leaves most room for more items of the usual size on one of them. The
//! measure is the sum of squares, as in the search of Fleszar and Hindi (2002) for
//! bin packing. Room that lies together takes what stands on a node that goes.

use super::super::super::model::Model;
use super::regroup::Loose;
use super::{Base, Trial, Undo};

/// Ways to share out items of two nodes that are looked at.
const WAYS: usize = 128;

/// Nodes that each one is looked at with, in each of so many sweeps.
const PARTNERS: usize = 48;
const SWEEPS: usize = 12;

/// Resources that are reckoned with when items are shared out: as many as fit into
/// the widest registers, or the ones that are scarcest of many more. All of them
/// are looked at when items are put where they were shared out.
const FEW: usize = 4;
const SOME: usize = 8;
const MANY: usize = 16;

/// A node that takes part.
struct Side<const N: usize> {
    node: usize,
    zone: Option<usize>,
    free: [f64; N],
    /// By kind of [`Table::kinds`]: how many are here, how many are at home here,
    /// and whether more may come.
    count: Vec<u32>,
    home: Vec<u32>,
    takes: Vec<bool>,
    usable: f64,
}

/// Kinds that are shared out, sorted.
struct Table<const N: usize> {
    kinds: Vec<usize>,
    demand: Vec<[f64; N]>,
    zoned: Vec<bool>,
    /// One over what an item of the usual size takes, by resource.
    unit: [f64; N],
}

impl<const N: usize> Table<N> {
    /// How many items of the usual size fit into some room; below zero where the
    /// room is overfull.
    fn usable(&self, room: &[f64; N]) -> f64 {
        let mut parts = [0.0; N];
        for (part, (f, u)) in parts.iter_mut().zip(room.iter().zip(&self.unit)) {
            *part = f * u;
        }
        // Halves against each other, not one after the other: as many at a time as
        // the registers hold.
        let mut width = N;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                let (a, b) = (parts[i], parts[i + width]);
                parts[i] = if b < a { b } else { a };
            }
        }
        if parts[0] < 1e9 { parts[0] } else { 1e9 }
    }
}

/// The amounts of some resources; where there are fewer, the rest is `filler`.
fn lanes<const N: usize>(amounts: &[u64], of: &[usize], filler: f64) -> [f64; N] {
    let mut lanes = [filler; N];
    for (lane, r) in lanes.iter_mut().zip(of) {
        *lane = amounts.get(*r).map_or(filler, |a| *a as f64);
    }
    lanes
}

impl Trial {
    /// Brings what is free on nodes that stay together on few of them; whether
    /// anything changed. Items that leave their home for that have to be worth
    /// `per_move` each, where a node's mean price is what as much room as a usual
    /// node has, all of it together, is worth. At most `limit` ways are looked at.
    pub(in super::super) fn concentrate(
        &mut self,
        base: &Base<'_>,
        loose: Loose,
        per_move: i64,
        limit: u64,
    ) -> bool {
        match base.model.dims {
            0..=FEW => self.concentrate_by::<FEW>(base, loose, per_move, limit),
            5..=SOME => self.concentrate_by::<SOME>(base, loose, per_move, limit),
            _ => self.concentrate_by::<MANY>(base, loose, per_move, limit),
        }
    }

    fn concentrate_by<const N: usize>(
        &mut self,
        base: &Base<'_>,
        loose: Loose,
        per_move: i64,
        limit: u64,
    ) -> bool {
        let unit = usual(base);
        let mut of: Vec<usize> = (0..unit.len()).collect();
        if of.len() > N {
            of = self.scarcest(base, &unit, N);
        }
        let table: Table<N> = self.common(base, loose, &unit, &of);
        let mut sides = self.sides(base, loose, &table, &of);
        let before: Vec<Vec<u32>> = sides.iter().map(|s| s.count.clone()).collect();
        let count = sides.len();
        let nodes = (base.items.len() as f64).max(1.0);
        let items = base.items.iter().sum::<u64>() as f64 / nodes;
        let price = base.price.iter().map(|p| *p as f64).sum::<f64>() / nodes;
        let part = per_move as f64 / price.max(1.0);
        let mut share = Share::new(&table, part * items * items);
        for sweep in 0..SWEEPS {
            let mut some = false;
            for a in 0..count {
                if base.model.stop.is_due() {
                    break;
                }
                for step in 0..PARTNERS.min(count.saturating_sub(1)) {
                    // Others in each sweep, near and far.
                    let b = (a + 1 + step * (2 * sweep + 1) + sweep) % count;
                    if a != b && share.work < limit {
                        some |= share.out(&mut sides, a, b, sweep + step);
                    }
                }
            }
            if !some || share.work >= limit || base.model.stop.is_due() {
                break;
            }
        }
        let work = share.work;
        self.work += work / 4;
        let changed: Vec<&Side<N>> = sides
            .iter()
            .zip(&before)
            .filter(|(side, before)| side.count != **before)
            .map(|(side, _)| side)
            .collect();
        if changed.is_empty() {
            return false;
        }
        if !self.spread(base, loose, &table, &changed) {
            return false;
        }
        self.full.fill(false);
        self.moved = self.moved_now(base);
        true
    }

    /// Puts everything where it was shared out; changes nothing, and says so, where
    /// some rule does not allow it.
    fn spread<const N: usize>(
        &mut self,
        base: &Base<'_>,
        loose: Loose,
        table: &Table<N>,
        sides: &[&Side<N>],
    ) -> bool {
        let mut undo = Undo::default();
        let departed = self.departed.clone();
        for side in sides {
            undo.bins.push((side.node, self.bins.share(side.node)));
            let arrived = self.arrived[side.node].clone();
            undo.arrived.push((side.node, arrived));
        }
        let all = |trial: &Self| -> Vec<(usize, usize, u32)> {
            let each = sides.iter().flat_map(|side| {
                let counts = table.kinds.iter().zip(&side.count);
                counts.map(|(kind, n)| (side.node, *kind, *n))
            });
            let there = each.map(|(node, kind, n)| {
                let fixed = trial.fixed(base, node, kind, loose);
                (node, kind, n.saturating_add(fixed))
            });
            there.collect()
        };
        let there = all(self);
        // What leaves first, then what comes.
        for (node, kind, n) in &there {
            self.lower(base, *node, *kind, *n);
        }
        let fits = there
            .iter()
            .all(|(node, kind, n)| self.raise(base, *node, *kind, *n));
        if !fits {
            self.undo(undo);
            self.departed = departed;
        }
        fits
    }

    /// Nodes that are worth more than the moves of what stands on them, those first
    /// whose items need least room for what they bring.
    pub(in super::super) fn by_room(&self, base: &Base<'_>, per_move: i64) -> Vec<usize> {
        let unit = usual(base);
        let mut found: Vec<(u64, usize)> = Vec::new();
        for node in (0..base.price.len()).filter(|n| base.removable[*n] && !self.gone[*n]) {
            let items = i64::try_from(base.items[node]).unwrap_or(i64::MAX);
            let worth = base.price[node].saturating_sub(per_move.saturating_mul(items));
            let mut sums = vec![0.0; base.model.dims];
            for (kind, n) in self.items_on(base, node) {
                for (sum, d) in sums.iter_mut().zip(demand(base.model, kind)) {
                    *sum += *d as f64 * f64::from(n);
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

    /// Kinds that may change places.
    fn common<const N: usize>(
        &self,
        base: &Base<'_>,
        loose: Loose,
        unit: &[f64],
        of: &[usize],
    ) -> Table<N> {
        let model = base.model;
        let stay = (0..self.bins.len()).filter(|n| self.stays(base, *n));
        let mut kinds: Vec<usize> = stay
            .flat_map(|n| self.loose_on(base, n, loose))
            .map(|(kind, _)| kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.retain(|kind| base.dealt(*kind));
        let mut units = [1.0; N];
        for (lane, r) in units.iter_mut().zip(of) {
            *lane = unit.get(*r).copied().unwrap_or(1.0);
        }
        Table {
            demand: kinds
                .iter()
                .map(|k| lanes(demand(model, *k), of, 0.0))
                .collect(),
            zoned: kinds.iter().map(|k| model.kinds[*k].zoned).collect(),
            unit: units,
            kinds,
        }
    }

    /// The resources of which least is free on nodes that stay, by what items
    /// usually take.
    fn scarcest(&self, base: &Base<'_>, unit: &[f64], most: usize) -> Vec<usize> {
        let mut free = vec![0.0; unit.len()];
        for bin in (0..self.bins.len()).filter(|n| self.stays(base, *n)) {
            for (sum, f) in free.iter_mut().zip(&self.bins[bin].free) {
                *sum += *f as f64;
            }
        }
        let mut of: Vec<usize> = (0..unit.len()).collect();
        of.sort_by(|a, b| (free[*a] * unit[*a]).total_cmp(&(free[*b] * unit[*b])));
        of.truncate(most);
        of
    }

    fn stays(&self, base: &Base<'_>, node: usize) -> bool {
        !self.gone[node] && self.open(base, node)
    }

    fn sides<const N: usize>(
        &self,
        base: &Base<'_>,
        loose: Loose,
        table: &Table<N>,
        of: &[usize],
    ) -> Vec<Side<N>> {
        let stay = (0..self.bins.len()).filter(|n| self.stays(base, *n));
        stay.map(|node| {
            let seat = self.seat_of(base, node, &table.kinds, loose);
            let free = lanes(&self.bins[node].free, of, f64::INFINITY);
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

fn demand(model: &Model, kind: usize) -> &[u64] {
    &model.shapes[model.kinds[kind].shape].demand
}

/// One over what an item of the usual size takes, by resource.
fn usual(base: &Base<'_>) -> Vec<f64> {
    let mut sums = vec![0.0; base.model.dims];
    let mut items = 0.0;
    for (kind, n) in base.movable.iter().flatten() {
        items += f64::from(*n);
        for (sum, d) in sums.iter_mut().zip(demand(base.model, *kind)) {
            *sum += *d as f64 * f64::from(*n);
        }
    }
    sums.iter().map(|s: &f64| items / s.max(1.0)).collect()
}

/// How items are shared out, with room to reckon.
struct Share<'a, const N: usize> {
    table: &'a Table<N>,
    /// What a move has to bring, in squares.
    per_move: f64,
    /// Kinds that can be on either node, how many of each there are, and what one
    /// takes.
    free: Vec<(usize, u32, [f64; N])>,
    /// How many of these are on the first node, and in the best way.
    at: Vec<u32>,
    best: Vec<u32>,
    /// Ways looked at.
    work: u64,
}

impl<'a, const N: usize> Share<'a, N> {
    fn new(table: &'a Table<N>, per_move: f64) -> Self {
        Self {
            table,
            per_move,
            free: Vec::new(),
            at: Vec::new(),
            best: Vec::new(),
            work: 0,
        }
    }

    /// Shares out what stands on two nodes in the best way; whether that is
    /// another one than now. Of many kinds other ones are looked at each time.
    fn out(&mut self, sides: &mut [Side<N>], a: usize, b: usize, first: usize) -> bool {
        self.work += 1;
        let (one, two) = (&sides[a], &sides[b]);
        let now = one.usable * one.usable + two.usable * two.usable;
        let least = now + 1e-9 * (1.0 + now);
        // All that is free on one of them is the most there can be.
        let mut both = one.free;
        for (f, g) in both.iter_mut().zip(&two.free) {
            *f += g;
        }
        let most = self.table.usable(&both);
        if most * most <= least {
            return false;
        }
        self.choose(one, two, first);
        if self.free.is_empty() {
            return false;
        }
        let here: Vec<u32> = self.free.iter().map(|(k, ..)| one.count[*k]).collect();
        let start = least - self.away(&here, one, two);
        let Some((x, y)) = self.search(one, two, start) else {
            return false;
        };
        for ((k, n, demand), first) in self.free.iter().zip(&self.best) {
            let came = f64::from(*first) - f64::from(sides[a].count[*k]);
            sides[a].count[*k] = *first;
            sides[b].count[*k] = n - first;
            shift(&mut sides[a].free, demand, -came);
            shift(&mut sides[b].free, demand, came);
        }
        (sides[a].usable, sides[b].usable) = (x, y);
        true
    }

    /// As many kinds as there are ways to look at.
    fn choose(&mut self, one: &Side<N>, two: &Side<N>, first: usize) {
        let table = self.table;
        self.free.clear();
        let mut ways = 1usize;
        let kinds = table.kinds.len();
        let first = first % kinds.max(1);
        for k in (first..kinds).chain(0..first) {
            let n = one.count[k] + two.count[k];
            if n == 0 || !one.takes[k] || !two.takes[k] {
                continue;
            }
            let bound = table.zoned[k] && one.zone != two.zone;
            let more = ways.saturating_mul(n as usize + 1);
            if !bound && more <= WAYS {
                self.free.push((k, n, table.demand[k]));
                ways = more;
            }
        }
        self.work += ways as u64;
    }

    /// What the moves cost of those that are away from home.
    fn away(&self, at: &[u32], one: &Side<N>, two: &Side<N>) -> f64 {
        if self.per_move <= 0.0 {
            return 0.0;
        }
        let moved = self.free.iter().zip(at).map(|((k, n, _), first)| {
            let gone = one.home[*k].saturating_sub(*first);
            gone + two.home[*k].saturating_sub(n - first)
        });
        self.per_move * f64::from(moved.sum::<u32>())
    }

    /// The best way, if it is worth more than `least`: left in `self.best`. What is
    /// usable then.
    fn search(&mut self, one: &Side<N>, two: &Side<N>, mut least: f64) -> Option<(f64, f64)> {
        let table = self.table;
        // Beginning with all of them on the second.
        let (mut first, mut second) = (one.free, two.free);
        for (k, _, demand) in &self.free {
            let n = f64::from(one.count[*k]);
            shift(&mut first, demand, n);
            shift(&mut second, demand, -n);
        }
        self.at.clear();
        self.at.resize(self.free.len(), 0);
        let mut found = None;
        loop {
            let (x, y) = (table.usable(&first), table.usable(&second));
            if x >= 0.0 && y >= 0.0 {
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
            if !self.next(&mut first, &mut second) {
                return found;
            }
        }
    }

    /// The next way: one more of the first kind that has more, and none of those
    /// before it.
    fn next(&mut self, first: &mut [f64; N], second: &mut [f64; N]) -> bool {
        for ((_, n, demand), at) in self.free.iter().zip(&mut self.at) {
            if *at < *n {
                *at += 1;
                shift(first, demand, -1.0);
                shift(second, demand, 1.0);
                return true;
            }
            *at = 0;
            let n = f64::from(*n);
            shift(first, demand, n);
            shift(second, demand, -n);
        }
        false
    }
}

/// So many items less, or more, on a node.
fn shift<const N: usize>(free: &mut [f64; N], demand: &[f64; N], items: f64) {
    for (f, d) in free.iter_mut().zip(demand) {
        *f += items * d;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<1> {
        Table {
            kinds: vec![0, 1, 2],
            demand: vec![[4.0], [3.0], [2.0]],
            zoned: vec![false; 3],
            unit: [1.0],
        }
    }

    fn side(node: usize, count: [u32; 3], home: [u32; 3]) -> Side<1> {
        let taken = 4 * count[0] + 3 * count[1] + 2 * count[2];
        let free = 10.0 - f64::from(taken);
        Side {
            node,
            zone: Some(node),
            free: [free],
            count: count.to_vec(),
            home: home.to_vec(),
            takes: vec![true; 3],
            usable: free,
        }
    }

    /// 4 + 3 and 4 + 2 + 2 of ten each are 4 + 4 + 2 and 3 + 2.
    #[test]
    fn what_is_free_on_two_nodes_comes_together_on_one() {
        let table = table();
        let mut sides = [side(0, [1, 1, 0], [0; 3]), side(1, [1, 0, 2], [0; 3])];
        assert!(Share::new(&table, 0.0).out(&mut sides, 0, 1, 0));
        let mut free = sides.each_ref().map(|s| s.usable);
        free.sort_by(f64::total_cmp);
        assert_eq!(free, [0.0, 5.0]);
        let count = |k: usize| sides[0].count[k] + sides[1].count[k];
        assert_eq!([count(0), count(1), count(2)], [2, 1, 2]);
        // It is as good as can be.
        assert!(!Share::new(&table, 0.0).out(&mut sides, 0, 1, 0));
    }

    /// The same brings 25 − (9 + 4) = 12 squares for two items that leave their home.
    #[test]
    fn items_leave_their_home_only_for_what_that_brings() {
        let table = table();
        let home = [side(0, [1, 1, 0], [1, 1, 0]), side(1, [1, 0, 2], [1, 0, 2])];
        for (per_move, moves) in [(5.9, true), (6.1, false)] {
            let mut sides = home.each_ref().map(|s| Side {
                count: s.count.clone(),
                home: s.home.clone(),
                takes: s.takes.clone(),
                ..*s
            });
            let went = Share::new(&table, per_move).out(&mut sides, 0, 1, 0);
            assert_eq!(went, moves, "at {per_move}");
        }
    }

    #[test]
    fn what_is_held_in_its_zone_or_not_let_in_stays() {
        let mut zoned = table();
        zoned.zoned = vec![true; 3];
        let start = || [side(0, [1, 1, 0], [0; 3]), side(1, [1, 0, 2], [0; 3])];
        assert!(!Share::new(&zoned, 0.0).out(&mut start(), 0, 1, 0));
        let mut closed = start();
        closed[0].takes = vec![false; 3];
        assert!(!Share::new(&table(), 0.0).out(&mut closed, 0, 1, 0));
    }
}
