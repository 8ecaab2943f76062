//! The most that nodes can hold of two amounts, in a band along a line.
//!
//! What a node holds can be put into an order in which the two amounts grow in step:
//! while the second is ahead of the line from nothing to all, something that takes
//! more of the first comes next, and the other way round (Steinitz's lemma, in the
//! plane; used for tables by Eisenbrand and Weismantel 2018). What is left free
//! counts as items of one unit and no value. So no sum strays from the line by more
//! than one item, and a table over both amounts needs no more than the cells beside
//! the line, and of its rows those that the largest item reaches back to. Other types
//! end near the line of a larger one mostly: one table tells of many, each when its
//! row passes.
//!
//! Per-node limits are states: how many were taken of each. Where these would be too
//! many the rest of the limits is left out, as is a third amount that may run out;
//! and where the cells would be too many, units are doubled and requests rounded
//! down to them. Each can only raise what a node seems to hold.

use super::exact::{Budget, FEW, Most, gcd, groups, most_of};
use super::{Item, Room};
use cloudoptim_core::engines::bin_packing::solver::{Share, ShareOf};

/// Updates of one table, of all that may be taken.
const PART: u64 = 2;

/// Amounts of more units are not looked at.
const UNITS: u64 = 1 << 40;

/// Cells that are kept at a time, and states.
const KEPT: u128 = 1 << 23;
const STATES: usize = 8;

/// What an item takes, in units.
#[derive(Debug, Clone, Copy)]
struct Piece {
    takes: [u64; 2],
    value: u64,
    /// By index in the limits; `None` may be repeated.
    limit: Option<usize>,
}

/// A band along the line from nothing to what the largest type has.
struct Band {
    dims: [Option<usize>; 2],
    units: [u64; 2],
    has: [u64; 2],
    pieces: Vec<Piece>,
    /// How many of each limit.
    limits: Vec<usize>,
    /// How far an item goes off the line to either side, in cells times `has[0]`.
    below: i128,
    above: i128,
    /// Whether no limit is left out.
    whole: bool,
}

/// A type with its duals, and where it ends in a band.
struct End<'a> {
    at: usize,
    room: &'a Room,
    has: [u64; 2],
}

/// The most that fits each of the types, or the price when that is more; `None` for
/// those with devices and those that would take too long. On the grid of all
/// requests, or on one as coarse as it must be.
pub(super) fn most(
    rooms: &[(&Room, &[Share])],
    coarse: bool,
    budget: &mut Budget,
) -> Vec<Option<Most>> {
    let mut found = vec![None; rooms.len()];
    let mut left: Vec<usize> = (0..rooms.len())
        .filter(|at| rooms[*at].0.of.devices.is_empty())
        .collect();
    // The largest come first, as others end near their lines.
    left.sort_by_key(|at| (std::cmp::Reverse(rooms[*at].0.price), *at));
    while let Some(first) = left.first().copied() {
        left.remove(0);
        let (room, shares) = rooms[first];
        let Some(band) = Band::new(room, shares, coarse, budget) else {
            continue;
        };
        let most = u128::from(budget.updates() / PART);
        let (mut low, mut high) = band.strays(band.has);
        let mut ends = vec![End {
            at: first,
            room,
            has: band.has,
        }];
        left.retain(|at| {
            let Some(end) = band.end(*at, room, rooms[*at].0) else {
                return true;
            };
            let (below, above) = band.strays(end.has);
            let (below, above) = (low.min(below), high.max(above));
            // A little wider is less than another table.
            let fits = 2 * (above - below) <= 3 * (band.below + band.above)
                && band.updates(below, above) <= most;
            if fits {
                (low, high) = (below, above);
                ends.push(end);
            }
            !fits
        });
        let updates = u64::try_from(band.updates(low, high)).unwrap_or(u64::MAX);
        if budget.take(updates).is_none() {
            continue;
        }
        let values = band.run(low, high, &ends);
        for (end, value) in ends.iter().zip(values) {
            found[end.at] = value.map(|value| Most {
                value: u128::from(value).max(end.room.price),
                exact: band.exact(room, end),
            });
        }
    }
    found
}

impl Band {
    /// `None` where it takes more updates than there are for one table.
    fn new(room: &Room, shares: &[Share], coarse: bool, budget: &mut Budget) -> Option<Self> {
        let dims = dims(room, shares);
        let items: Vec<_> = room.items.iter().filter(|i| i.value > 0).collect();
        let takes = |item: &Item, side: usize| dims[side].map_or(0, |d| asked(item, d));
        let unit = |side: usize| items.iter().fold(0, |g, i| gcd(g, takes(i, side))).max(1);
        let mut units = [unit(0), unit(1)];
        loop {
            // What is compared with what, at most.
            budget.take((items.len() as u64).saturating_pow(2))?;
            let most = u128::from(budget.updates() / PART);
            let has = has(room, dims, units);
            if has.iter().all(|has| *has < UNITS)
                && let Some(band) = Self::on(room, dims, units)
            {
                let (low, high) = band.strays(has);
                if band.updates(low, high) <= most && band.kept(low, high) <= KEPT {
                    return Some(band);
                }
            }
            if !coarse {
                return None;
            }
            // The side on which twice the unit takes least off.
            let lost = |side: usize| -> u64 {
                let parts = items.iter().map(|i| takes(i, side)).filter(|t| *t > 0);
                parts
                    .map(|t| (t % (2 * units[side])).saturating_mul(1_000) / t)
                    .sum()
            };
            let side = (0..2)
                .filter(|side| has[*side] > 2)
                .min_by_key(|side| lost(*side))?;
            units[side] *= 2;
        }
    }

    /// On a grid. `None` where something takes no cell, or is worth too much to be
    /// added up.
    fn on(room: &Room, dims: [Option<usize>; 2], units: [u64; 2]) -> Option<Self> {
        let has = has(room, dims, units);
        if has[0] == 0 {
            return None;
        }
        let items: Vec<_> = room.items.iter().filter(|i| i.value > 0).collect();
        let mut pieces = Vec::new();
        let mut limits: Vec<usize> = Vec::new();
        let mut whole = true;
        let mut of = groups(&items, room);
        // Those of which most may come first, as they stay when states run out.
        of.sort_by_key(|(max, of)| (max.is_some(), std::cmp::Reverse(of.len())));
        let mut free: Vec<Piece> = Vec::new();
        for (max, items) in of {
            let piece = |item: &&Item, limit| Piece {
                takes: [0, 1].map(|side| dims[side].map_or(0, |d| asked(item, d) / units[side])),
                value: item.value,
                limit,
            };
            let Some(max) = max else {
                free.extend(items.iter().map(|i| piece(i, None)));
                continue;
            };
            let max = usize::try_from(max).ok()?;
            let all = items.iter().map(|i| piece(i, Some(limits.len())));
            // What some other, that may be repeated, does at least as well.
            let all = all.filter(|p| !free.iter().any(|f| f.beats(p)));
            let all: Vec<Piece> = all.collect();
            if all.is_empty() {
                continue;
            }
            let states: usize = limits.iter().map(|max| max + 1).product();
            if states.saturating_mul(max + 1) <= STATES {
                limits.push(max);
                pieces.extend(all);
            } else {
                whole = false;
                free.extend(all.into_iter().map(|p| Piece { limit: None, ..p }));
            }
        }
        pieces.extend(free);
        let pieces = undominated(&pieces);
        if pieces
            .iter()
            .any(|p| p.takes == [0, 0] && p.limit.is_none())
        {
            return None; // there is no end to what takes nothing
        }
        // Every item takes a cell, but those of limits.
        let most = pieces.iter().map(|p| p.value).max().unwrap_or(0);
        let count = has[0].checked_add(has[1])?;
        let count = count.checked_add(limits.iter().map(|max| *max as u64).sum())?;
        most.checked_mul(count).filter(|sum| *sum < 1 << 62)?;
        // What is left free is a piece of one unit.
        let [x, y] = has.map(i128::from);
        let off = pieces
            .iter()
            .map(|p| i128::from(p.takes[1]) * x - i128::from(p.takes[0]) * y)
            .chain([x, -y]);
        let (mut below, mut above) = (0, 0);
        for off in off {
            below = below.max(-off);
            above = above.max(off);
        }
        Some(Self {
            dims,
            units,
            has,
            pieces,
            limits,
            below,
            above,
            whole,
        })
    }

    /// How far off the line the fillings of a type stray that ends there, to either
    /// side. Beyond the line comes what goes back, as long as there is some: so none
    /// goes further than one item does, but for what leads to the end.
    fn strays(&self, end: [u64; 2]) -> (i128, i128) {
        let off = i128::from(end[1]) * i128::from(self.has[0])
            - i128::from(end[0]) * i128::from(self.has[1]);
        (off.min(-self.below), off.max(self.above))
    }

    /// Cells of a row.
    fn width(&self, low: i128, high: i128) -> u128 {
        ((high - low) / i128::from(self.has[0]).max(1)).unsigned_abs() + 3
    }

    fn states(&self) -> usize {
        self.limits.iter().map(|max| max + 1).product()
    }

    fn updates(&self, low: i128, high: i128) -> u128 {
        let states = self.states();
        let each = |piece: &Piece| match piece.limit {
            None => states,
            Some(limit) => states - states / (self.limits[limit] + 1),
        };
        let updates: usize = self.pieces.iter().map(each).sum();
        let rows = u128::from(self.has[0]) + 1;
        rows * self.width(low, high) * (updates + 2 * states) as u128
    }

    fn kept(&self, low: i128, high: i128) -> u128 {
        let rows = self.pieces.iter().map(|p| p.takes[0]).max().unwrap_or(0);
        self.width(low, high) * (u128::from(rows) + 1) * self.states() as u128
    }

    /// Where another type ends: it must take what this one takes as far as that fits.
    fn end<'a>(&self, at: usize, first: &Room, room: &'a Room) -> Option<End<'a>> {
        let same = |a: &Item, b: &Item| {
            (&a.demand, &a.limits, a.count, a.value) == (&b.demand, &b.limits, b.count, b.value)
        };
        let mut theirs = room.items.iter().filter(|i| i.value > 0);
        let mut ours = first.items.iter().filter(|i| i.value > 0 && fits(i, room));
        let all = ours.all(|item| theirs.next().is_some_and(|their| same(their, item)));
        if !all || theirs.next().is_some() || room.limits != first.limits {
            return None;
        }
        let has = has(room, self.dims, self.units);
        (has[0] <= self.has[0]).then_some(End { at, room, has })
    }

    /// Whether a type's best filling is what the table says.
    fn exact(&self, first: &Room, end: &End<'_>) -> bool {
        let room = end.room;
        // What only the largest takes must not be in reach.
        let takes = |item: &Item| self.dims.map(|dim| dim.map_or(0, |d| asked(item, d)));
        let strange = first.items.iter().filter(|i| i.value > 0 && !fits(i, room));
        let mut strange = strange.map(takes);
        let beyond = strange.all(|takes| {
            let sides = takes.iter().zip(self.units).zip(end.has);
            sides
                .into_iter()
                .any(|((takes, unit), has)| takes / unit > has)
        });
        let items: Vec<_> = room.items.iter().filter(|i| i.value > 0).collect();
        let dims = || self.dims.iter().flatten();
        let on_grid = items.iter().all(|i| {
            let mut sides = self.dims.iter().zip(self.units);
            sides.all(|(dim, unit)| dim.is_none_or(|d| asked(i, d).is_multiple_of(unit)))
        });
        let count = dims().filter_map(|d| {
            let least = items.iter().map(|i| asked(i, *d)).min()?;
            room.of.capacity[*d].checked_div(least)
        });
        let count = count.min().unwrap_or(u64::MAX);
        let mut others = (0..room.of.capacity.len()).filter(|d| dims().all(|own| own != d));
        let loose = others.all(|d| {
            let largest = items.iter().map(|i| asked(i, d)).max().unwrap_or(0);
            count.saturating_mul(largest) <= room.of.capacity[d]
        });
        let of = groups(&items, room);
        let counted = of.iter().all(|(max, of)| match max {
            None => of
                .iter()
                .all(|i| i.limits.is_empty() && i.count >= most_of(i, room)),
            Some(max) => {
                // A limit that is not the group's is let pass.
                let own = |i: &Item| i.limits.is_empty() || i.count > FEW;
                of.iter().all(|i| i.count >= *max) && (of.len() > 1 || of.iter().all(|i| own(i)))
            }
        });
        let single = items.iter().all(|i| i.limits.len() <= 1);
        beyond && self.whole && on_grid && loose && counted && single
    }

    /// What fits up to each of the ends, by a band between `low` and `high`.
    fn run(&self, low: i128, high: i128, ends: &[End<'_>]) -> Vec<Option<u64>> {
        let [x, y] = self.has.map(i128::from);
        // Rounded away from the line.
        let from = |row: usize| {
            let at = (row as i128 * y + low).div_euclid(x).max(0);
            usize::try_from(at).unwrap_or(usize::MAX)
        };
        let to = |row: usize| {
            let at = -(-(row as i128 * y + high)).div_euclid(x);
            usize::try_from(at.max(0)).unwrap_or(0)
        };
        let pieces: Vec<(usize, usize, u64, Option<usize>)> = self
            .pieces
            .iter()
            .map(|p| (p.takes[0] as usize, p.takes[1] as usize, p.value, p.limit))
            .collect();
        let kept = pieces.iter().map(|p| p.0).max().unwrap_or(0).max(1) + 1;
        let states = self.states();
        let mut rows: Vec<Vec<u64>> = vec![Vec::new(); kept * states];
        let mut found = vec![None; ends.len()];
        let last = ends.iter().map(|e| e.has[0]).max().unwrap_or(0) as usize;
        for row in 0..=last {
            let start = from(row);
            for state in 0..states {
                let place = |row: usize, state: usize| (row % kept) * states + state;
                let mut own = std::mem::take(&mut rows[place(row, state)]);
                own.clear();
                own.resize((to(row) + 1).saturating_sub(start), 0);
                if row > 0 {
                    raise(
                        &mut own,
                        start,
                        &rows[place(row - 1, state)],
                        from(row - 1),
                        0,
                    );
                }
                let mut stride = 1;
                for (limit, max) in self.limits.iter().enumerate() {
                    if (state / stride) % (max + 1) > 0 {
                        let fewer = state - stride;
                        raise(&mut own, start, &rows[place(row, fewer)], start, 0);
                        for (dx, dy, value, _) in pieces.iter().filter(|p| p.3 == Some(limit)) {
                            if let Some(before) = row.checked_sub(*dx) {
                                let other = &rows[place(before, fewer)];
                                raise(&mut own, start, other, from(before) + dy, *value);
                            }
                        }
                    }
                    stride *= max + 1;
                }
                let free = || pieces.iter().filter(|p| p.3.is_none());
                for (dx, dy, value, _) in free().filter(|p| p.0 > 0) {
                    if let Some(before) = row.checked_sub(*dx) {
                        let other = &rows[place(before, state)];
                        raise(&mut own, start, other, from(before) + dy, *value);
                    }
                }
                // Along the row: what takes only of the second, then what stays free.
                for (_, dy, value, _) in free().filter(|p| p.0 == 0) {
                    for at in *dy..own.len() {
                        own[at] = own[at].max(own[at - dy] + value);
                    }
                }
                let mut best = 0;
                for cell in &mut own {
                    best = best.max(*cell);
                    *cell = best;
                }
                rows[place(row, state)] = own;
            }
            for (end, found) in ends.iter().zip(&mut found) {
                if end.has[0] as usize == row {
                    let all = &rows[(row % kept) * states + states - 1];
                    let at = (end.has[1] as usize).checked_sub(start);
                    *found = at.and_then(|at| all.get(at)).copied();
                }
            }
        }
        found
    }
}

/// What a node has of two amounts, in units.
fn has(room: &Room, dims: [Option<usize>; 2], units: [u64; 2]) -> [u64; 2] {
    [0, 1].map(|side| dims[side].map_or(0, |d| room.of.capacity[d] / units[side]))
}

/// Whether an empty node has room for an item.
fn fits(item: &Item, room: &Room) -> bool {
    let mut amounts = item.demand.iter().zip(&room.of.capacity);
    amounts.all(|(d, has)| d <= has)
}

/// What an item takes of an amount.
fn asked(item: &Item, dim: usize) -> u64 {
    item.demand.get(dim).copied().unwrap_or(0)
}

impl Piece {
    /// Whether it takes no more and is worth no less.
    fn beats(&self, other: &Self) -> bool {
        let less = self.takes.iter().zip(&other.takes).all(|(a, b)| a <= b);
        less && self.value >= other.value
    }
}

/// Drops what another does as well wherever it may come.
fn undominated(pieces: &[Piece]) -> Vec<Piece> {
    let mut kept: Vec<Piece> = Vec::new();
    for piece in pieces {
        let beats = |a: &Piece, b: &Piece| (a.limit.is_none() || a.limit == b.limit) && a.beats(b);
        if !kept.iter().any(|k| beats(k, piece)) {
            kept.retain(|k| !beats(piece, k));
            kept.push(*piece);
        }
    }
    kept
}

/// The two amounts that carry most of the price; then those that are asked for most.
fn dims(room: &Room, shares: &[Share]) -> [Option<usize>; 2] {
    let carried = |dim: usize| -> u128 {
        let of = shares.iter().filter(|s| s.of == ShareOf::Dim(dim));
        of.map(|s| u128::from(s.amount)).sum()
    };
    let sum = |dim: usize| -> u64 {
        let parts = room.items.iter().filter_map(|i| {
            let millionths = asked(i, dim).saturating_mul(1_000_000);
            millionths.checked_div(room.of.capacity[dim])
        });
        parts.fold(0, u64::saturating_add)
    };
    let mut dims: Vec<usize> = (0..room.of.capacity.len())
        .filter(|d| room.items.iter().any(|i| i.value > 0 && asked(i, *d) > 0))
        .collect();
    dims.sort_by_key(|d| (std::cmp::Reverse((carried(*d), sum(*d))), *d));
    let mut two = [dims.first().copied(), dims.get(1).copied()];
    // Rows are quicker where every item takes some.
    let always = |dim: &usize| {
        room.items
            .iter()
            .all(|i| i.value == 0 || asked(i, *dim) > 0)
    };
    if two[1].as_ref().is_some_and(always) && !two[0].as_ref().is_some_and(always) {
        two.swap(0, 1);
    }
    two
}

/// Raises each cell to what another row, moved, holds and `by`, where that is more.
fn raise(own: &mut [u64], start: usize, other: &[u64], from: usize, by: u64) {
    let first = start.max(from);
    let end = (start + own.len()).min(from + other.len());
    if first >= end {
        return;
    }
    let n = end - first;
    let own = &mut own[first - start..][..n];
    let other = &other[first - from..][..n];
    for (own, other) in own.iter_mut().zip(other) {
        *own = (*own).max(other + by);
    }
}

#[cfg(test)]
mod tests;
