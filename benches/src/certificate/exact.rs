//! The most that a node can hold in whole items.

use super::{Item, Room};
use cloudoptim_core::engines::bin_packing::solver::{Share, ShareOf};
use std::collections::BTreeMap;

/// Steps of branch and bound for one type.
const STEPS: u64 = 100_000;

/// Cells of a table: a coarse one first, finer ones while it does not prove
/// enough.
const CELLS: [u64; 3] = [100_000, 800_000, 4_000_000];

/// A limit above this is left out of a table; a class with no more items than
/// the second has a limit of its own.
const LIMIT: u64 = 16;
pub(super) const FEW: u64 = 4;

const UPDATES_PER_STEP: u64 = 8;

/// Steps for all types together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    updates: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            updates: 3_000_000_000,
        }
    }
}

impl Budget {
    /// Updates of a table that are left.
    pub(super) const fn updates(self) -> u64 {
        self.updates
    }

    /// Takes so many of them; `None` where there are fewer.
    pub(super) fn take(&mut self, updates: u64) -> Option<()> {
        self.updates = self.updates.checked_sub(updates)?;
        Some(())
    }

    /// Steps that are left for lists, of which each takes as long as some
    /// updates of a table.
    pub(super) const fn left(self) -> u64 {
        self.updates / UPDATES_PER_STEP
    }

    /// So many of those steps are left now.
    pub(super) const fn spend_to(&mut self, left: u64) {
        self.updates = left * UPDATES_PER_STEP;
    }
}

/// At most so much value fits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub(super) value: u128,
    /// Whether nothing was relaxed.
    pub(super) exact: bool,
}

impl Most {
    /// Whether nothing is to be gained by another look.
    pub(super) const fn is_enough(&self, room: &Room) -> bool {
        self.exact || self.value <= room.price
    }
}

/// The most that fits, or the price when that is more, by what takes least time;
/// `None` when it would take too long.
pub(super) fn quick(room: &Room, shares: &[Share], budget: &mut Budget) -> Option<Most> {
    if !room.of.devices.is_empty()
        && let Some(found) = super::lists::most(room, budget)
    {
        return Some(found);
    }
    branch(room, shares).or_else(|| tables(room, shares, &CELLS[..2], budget))
}

/// The same by the largest table, and by lists where there are no devices.
pub(super) fn slow(room: &Room, shares: &[Share], budget: &mut Budget) -> Option<Most> {
    let best = tables(room, shares, &CELLS[2..], budget);
    if room.of.devices.is_empty() && !best.is_some_and(|best| best.is_enough(room)) {
        return super::lists::most(room, budget).or(best);
    }
    best
}

/// The least of what tables of so many cells say, until one is enough.
fn tables(room: &Room, shares: &[Share], all: &[u64], budget: &mut Budget) -> Option<Most> {
    let mut best: Option<Most> = None;
    for cells in all {
        let Some(found) = table(room, shares, *cells, budget) else {
            continue;
        };
        if best.is_none_or(|b| found.value < b.value) {
            best = Some(found);
        }
        if found.is_enough(room) {
            break;
        }
    }
    best
}

struct Branch<'a> {
    items: Vec<&'a Item>,
    /// What each item takes of each share, and what each share is worth.
    parts: Vec<Vec<f64>>,
    amounts: Vec<f64>,
    free: Vec<u64>,
    limits: BTreeMap<usize, u64>,
    rest: Vec<f64>,
    milli: u64,
    target: u128,
    steps: u64,
}

/// Depth-first over how many of each item, most value for its shares first.
/// Branches that cannot be worth more than the price are not looked into.
pub(super) fn branch(room: &Room, shares: &[Share]) -> Option<Most> {
    let part = |item: &Item, share: &Share| {
        let (num, den) = room.part(item, share.of, share.rounding);
        num as f64 / den as f64
    };
    let tight = |item: &Item| {
        let worth: f64 = shares.iter().map(|s| part(item, s) * s.amount as f64).sum();
        item.value as f64 / worth.max(1.0)
    };
    let mut items: Vec<&Item> = room.items.iter().filter(|i| i.value > 0).collect();
    // The shares bound the rest only where they cover every item.
    if items.iter().any(|i| tight(i) > 1.0 + 1e-9) {
        return None;
    }
    items.sort_by(|a, b| tight(b).total_cmp(&tight(a)).then(b.value.cmp(&a.value)));
    let mut search = Branch {
        parts: items
            .iter()
            .map(|i| shares.iter().map(|s| part(i, s)).collect())
            .collect(),
        items,
        amounts: shares.iter().map(|s| s.amount as f64).collect(),
        free: room.of.capacity.clone(),
        limits: room
            .limits
            .iter()
            .map(|(l, max)| (*l, u64::from(*max)))
            .collect(),
        rest: vec![1.0; shares.len()],
        milli: room.of.devices.iter().map(|d| u64::from(d.milli)).sum(),
        target: room.price,
        steps: 0,
    };
    search.fill(0, 0);
    (search.steps < STEPS).then_some(Most {
        value: search.target,
        exact: room.of.devices.is_empty(),
    })
}

impl Branch<'_> {
    fn fill(&mut self, at: usize, value: u128) {
        self.target = self.target.max(value);
        self.steps += 1;
        if self.steps >= STEPS || at == self.items.len() {
            return;
        }
        let rest: f64 = self
            .rest
            .iter()
            .zip(&self.amounts)
            .map(|(r, a)| r.max(0.0) * a)
            .sum();
        if (value as f64 + rest) * (1.0 + 1e-9) <= self.target as f64 {
            return;
        }
        let item = self.items[at];
        let room = item.demand.iter().zip(&self.free).filter(|(d, _)| **d > 0);
        let mut most = room
            .map(|(d, f)| f / d)
            .min()
            .unwrap_or(u64::MAX)
            .min(item.count);
        for limit in &item.limits {
            most = most.min(self.limits.get(limit).copied().unwrap_or(u64::MAX));
        }
        let milli = milli(item);
        if let Some(whole) = self.milli.checked_div(milli) {
            most = most.min(whole);
        }
        for count in (0..=most).rev() {
            self.add(at, count, milli, true);
            self.fill(at + 1, value + u128::from(count) * u128::from(item.value));
            self.add(at, count, milli, false);
        }
    }

    /// Takes room for `count` items, or gives it back.
    fn add(&mut self, at: usize, count: u64, milli: u64, take: bool) {
        let item = self.items[at];
        let change = |left: &mut u64, by: u64| if take { *left -= by } else { *left += by };
        for (free, d) in self.free.iter_mut().zip(&item.demand) {
            change(free, d * count);
        }
        for limit in &item.limits {
            if let Some(left) = self.limits.get_mut(limit) {
                change(left, count);
            }
        }
        change(&mut self.milli, milli * count);
        let sign = if take { -1.0 } else { 1.0 };
        for (rest, part) in self.rest.iter_mut().zip(&self.parts[at]) {
            *rest += sign * part * count as f64;
        }
    }
}

/// Thousandths of devices that an item takes in all.
fn milli(item: &Item) -> u64 {
    item.devices.map_or(0, |(n, m)| u64::from(n) * u64::from(m))
}

/// What an item takes of a resource; the devices come after the last amount.
fn takes(item: &Item, dim: usize) -> u64 {
    item.demand.get(dim).copied().unwrap_or_else(|| milli(item))
}

/// What a node has of a resource, likewise.
fn has(room: &Room, dim: usize) -> u64 {
    let capacity = room.of.capacity.get(dim).copied();
    capacity.unwrap_or_else(|| room.of.devices.iter().map(|d| u64::from(d.milli)).sum())
}

/// A resource of a table: which, in what units, how many of them fit.
#[derive(Debug, Clone, Copy)]
struct Side {
    dim: usize,
    unit: u64,
    cells: u64,
    /// Whether some request is no multiple of the unit.
    coarse: bool,
}

/// Sides of a table of at most so many cells. Units are the greatest divisor of
/// all requests, doubled where that rounds least away.
fn sides(items: &[&Item], room: &Room, shares: &[Share], cells: u64) -> Option<Vec<Side>> {
    let amounts = room.of.capacity.len();
    let carried = |dim: usize| -> f64 {
        let resource = if dim < amounts {
            ShareOf::Dim(dim)
        } else {
            ShareOf::Devices
        };
        let of = shares.iter().filter(|s| s.of == resource);
        of.map(|s| s.amount as f64).sum::<f64>() + 1.0
    };
    let side = |dim: usize, unit: u64| Side {
        dim,
        unit,
        cells: has(room, dim) / unit + 1,
        coarse: items.iter().any(|i| !takes(i, dim).is_multiple_of(unit)),
    };
    let mut sides: Vec<Side> = (0..=amounts)
        .filter_map(|dim| {
            let unit = items.iter().fold(0, |g, i| gcd(g, takes(i, dim)));
            (unit > 0).then(|| side(dim, unit))
        })
        .collect();
    let size = |sides: &[Side]| sides.iter().fold(1u64, |n, s| n.saturating_mul(s.cells));
    // What cannot bind beside the others is left out first, then what carries
    // least of the price, as long as two stay.
    while sides.len() > 3 || (sides.len() > 2 && size(&sides) > cells) {
        let binds = |side: &Side| {
            let others = sides.iter().filter(|other| other.dim != side.dim);
            let most = others.filter_map(|other| {
                let least = items.iter().map(|i| takes(i, other.dim)).min()?;
                has(room, other.dim).checked_div(least)
            });
            let largest = items.iter().map(|i| takes(i, side.dim)).max();
            let most = most.min().unwrap_or(u64::MAX);
            most.saturating_mul(largest.unwrap_or(0)) > has(room, side.dim)
        };
        let least = (0..sides.len()).min_by(|a, b| {
            let (a, b) = (&sides[*a], &sides[*b]);
            let by_price = carried(a.dim).total_cmp(&carried(b.dim));
            binds(a).cmp(&binds(b)).then(by_price)
        })?;
        sides.remove(least);
    }
    while size(&sides) > cells {
        let lost = |s: &Side| -> f64 {
            let parts = items.iter().map(|i| takes(i, s.dim)).filter(|t| *t > 0);
            let parts = parts.map(|t| (t % (s.unit * 2)) as f64 / t as f64);
            parts.sum::<f64>() * carried(s.dim)
        };
        let least = (0..sides.len())
            .filter(|s| sides[*s].cells > 2)
            .min_by(|a, b| lost(&sides[*a]).total_cmp(&lost(&sides[*b])))?;
        let Side { dim, unit, .. } = sides[least];
        sides[least] = side(dim, unit * 2);
    }
    Some(sides)
}

/// Dynamic programming over what is used of up to three resources.
pub(super) fn table(
    room: &Room,
    shares: &[Share],
    cells: u64,
    budget: &mut Budget,
) -> Option<Most> {
    let items: Vec<&Item> = room.items.iter().filter(|i| i.value > 0).collect();
    let asked = |dim: &usize| items.iter().any(|i| i.demand[*dim] > 0);
    let whole = (0..room.of.capacity.len()).filter(asked).count();
    let sides = sides(&items, room, shares, cells)?;
    let size = sides.iter().fold(1u64, |n, s| n.saturating_mul(s.cells));
    let groups = groups(&items, room);
    let rounds: u64 = groups
        .iter()
        .map(|(max, of)| of.len() as u64 * (*max).unwrap_or(1))
        .sum();
    let work = size.saturating_mul(rounds);
    budget.take(work)?;
    let exact =
        room.of.devices.is_empty() && sides.len() == whole && !sides.iter().any(|s| s.coarse);
    let mut side = [1usize; 3];
    for (cells, of) in side.iter_mut().rev().zip(&sides) {
        *cells = of.cells as usize;
    }
    let steps = |item: &Item| {
        let mut by = [0usize; 3];
        for (by, of) in by.iter_mut().rev().zip(&sides) {
            *by = (takes(item, of.dim) / of.unit) as usize;
        }
        by
    };
    let mut best = vec![0u64; side[0] * side[1] * side[2]];
    let mut dropped = false;
    for (max, of) in groups {
        match max {
            None => {
                for item in of {
                    if steps(item) == [0; 3] {
                        // Nothing that is left in the table would bound it.
                        return None;
                    }
                    dropped |= item.count < most_of(item, room) || !item.limits.is_empty();
                    grow(&mut best, None, side, steps(item), item.value);
                }
            }
            Some(max) => {
                // Fewer of one than the limit allows, or a limit that is not the
                // group's, are let pass.
                dropped |= of.iter().any(|i| i.count < max);
                dropped |= of.len() == 1 && !of[0].limits.is_empty() && of[0].count <= FEW;
                for _ in 0..max {
                    let before = best.clone();
                    for item in &of {
                        grow(&mut best, Some(&before), side, steps(item), item.value);
                    }
                }
            }
        }
    }
    let value = u128::from(best.last().copied().unwrap_or(0)).max(room.price);
    let limited = items.iter().any(|i| i.limits.len() > 1);
    Some(Most {
        value,
        exact: exact && !limited && !dropped,
    })
}

/// How many of an item an empty node holds.
pub(super) fn most_of(item: &Item, room: &Room) -> u64 {
    let dims = item
        .demand
        .iter()
        .zip(&room.of.capacity)
        .filter(|(d, _)| **d > 0);
    dims.map(|(d, has)| has / d).min().unwrap_or(u64::MAX)
}

/// Items that may be taken without end (a limit of `None`), and those of which
/// only so many.
pub(super) fn groups<'a>(items: &[&'a Item], room: &Room) -> Vec<(Option<u64>, Vec<&'a Item>)> {
    let mut free = Vec::new();
    let mut out = Vec::new();
    let mut limited: BTreeMap<usize, Vec<&Item>> = BTreeMap::new();
    for item in items {
        let own = item
            .limits
            .iter()
            .filter_map(|l| Some((*room.limits.get(l)?, *l)));
        match own.min() {
            Some((max, limit)) if u64::from(max) <= LIMIT => {
                limited.entry(limit).or_default().push(item);
            }
            _ if item.count <= FEW => out.push((Some(item.count), vec![*item])),
            _ => free.push(*item),
        }
    }
    for (limit, of) in limited {
        let max = room.limits.get(&limit).copied().unwrap_or(0);
        out.push((Some(u64::from(max)), of));
    }
    out.push((None, free));
    out
}

/// Lets one item more come wherever it fits: any number (`before` is `None`), or
/// one on top of what was there before.
fn grow(best: &mut [u64], before: Option<&[u64]>, side: [usize; 3], by: [usize; 3], value: u64) {
    let back = (by[0] * side[1] + by[1]) * side[2] + by[2];
    for x in by[0]..side[0] {
        for y in by[1]..side[1] {
            let row = (x * side[1] + y) * side[2];
            for cell in row + by[2]..row + side[2] {
                let from = before.map_or_else(|| best[cell - back], |b| b[cell - back]);
                best[cell] = best[cell].max(from.saturating_add(value));
            }
        }
    }
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
