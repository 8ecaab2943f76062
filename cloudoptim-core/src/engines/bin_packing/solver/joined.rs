//! The most valuable filling of a type with several equal devices, exactly:
//! what fewer devices can hold is listed, and two lists are joined.
//!
//! Every bundle loses something against the fractional filling, and what all of a
//! node lose together is no more than that filling is worth beyond the target.
//! Such parts of nodes are few enough to list, each with what it takes of the two
//! amounts that bind and what it is worth; parts that another one beats in all
//! three go. The best node is then the best pair of two halves, found by one pass
//! over both lists (Horowitz and Sahni 1974). As devices are equal, one half may
//! be the one whose bundles lose the least: half of what is to lose, at most.

use super::branches::Branch;
use super::bundles::{Bundler, Relaxed};
use super::labels::Priced;
use super::parts::{Beaten, Part, Promise, Stairs, dear_first};
use super::pricing::Search;
use std::collections::{BTreeMap, BTreeSet};

/// Parts that a list may have, before those that others beat go.
const PARTS: usize = 2_000_000;

/// Parts made or compared that take as long as a label.
const PARTS_PER_LABEL: u64 = 8;

/// How many fillings are told beside the best.
const OTHERS: usize = 40;

/// Floating point may be wrong by less than this, relative.
const SLACK: f64 = 1e-9;

/// The empty part.
const NOTHING: u32 = u32::MAX;

/// How a part was made.
#[derive(Debug, Clone, Copy)]
enum Made {
    /// One item, by index in [`Search::shapes`].
    Item(u32),
    Of(u32, u32),
}

struct Join {
    capacity: [u64; 2],
    made: Vec<Made>,
    work: u64,
    /// Work after which it is given up.
    most: u64,
}

/// Fractional fillings of a type, which bound the whole ones.
#[derive(Debug, Clone)]
pub(super) struct Bundled {
    pub(super) all: Relaxed,
    /// Without items that take several devices each, where there are any: a part
    /// of one is all too good a filling.
    without: Option<Relaxed>,
    /// The same with a set of such items on the node, for each that may matter;
    /// `None` where these are too many.
    branches: Option<Vec<Branch>>,
    /// No filling is worth more than this and what was asked for.
    pub(super) upper: f64,
}

impl Bundled {
    /// At `values`, by [`Search::shapes`]; what is worth no more than `least` does
    /// not matter.
    pub(super) fn new(bundler: &mut Bundler, search: &Search, values: &[f64], least: f64) -> Self {
        let mut bundled = Self::plain(bundler.relax(search, values));
        let Some(singles) = bundler.without_several(values) else {
            return bundled;
        };
        let without = bundler.relax(search, &singles);
        if bundled.all.value > least {
            bundled.branches = bundler.branches(search, &bundled.all, values, least);
        }
        if let Some(branches) = &bundled.branches {
            let upper = branches.iter().map(Branch::upper);
            let upper = upper.fold(without.value.max(least), f64::max);
            bundled.upper = bundled.upper.min(upper);
        }
        bundled.without = Some(without);
        bundled
    }

    /// Where no item takes several devices.
    pub(super) fn plain(all: Relaxed) -> Self {
        Self {
            upper: all.value,
            all,
            without: None,
            branches: None,
        }
    }
}

/// An item at present values.
#[derive(Debug, Clone, Copy)]
struct Item {
    part: Part,
    /// Cells of a device that it takes.
    cells: usize,
    /// What it is worth beyond what it takes besides the device.
    gain: f64,
}

/// Parts by what they take of devices.
struct Lists {
    /// Without a device.
    plain: Vec<Part>,
    /// On a single device.
    single: Vec<Part>,
    /// Items with so many devices, at least two.
    several: BTreeMap<u32, Vec<Part>>,
}

/// What parts may lose, as what they are beside will lose something too.
struct Spare {
    slack: f64,
    /// What a single device loses at least.
    single: f64,
    /// What items with several devices lose at least, by how many devices are
    /// left.
    several: Vec<(u32, f64)>,
}

impl Spare {
    fn new(lists: &Lists, whole: &[Vec<Part>], slack: f64) -> Self {
        let left = (0..whole.len() as u32).rev();
        let some = whole.iter().zip(left).filter(|(list, _)| !list.is_empty());
        Self {
            slack,
            single: least(&lists.single),
            several: some.map(|(list, left)| (left, least(list))).collect(),
        }
    }

    /// What so many single devices lose at least.
    fn singles(&self, devices: u32) -> f64 {
        // What cannot be had at all loses nothing if none of it is.
        if devices == 0 {
            0.0
        } else {
            self.single * f64::from(devices)
        }
    }

    /// What so many single devices, and what has none, may lose.
    fn beside(&self, devices: u32) -> f64 {
        let fits = self.several.iter().filter(|(left, _)| *left >= devices);
        let most = fits.map(|(left, loss)| self.slack - loss - self.singles(left - devices));
        most.fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The least loss of a list; more than anything for none.
fn least(parts: &[Part]) -> f64 {
    parts.iter().map(|p| p.loss).fold(f64::INFINITY, f64::min)
}

const EMPTY: Part = Part {
    takes: [0, 0],
    value: 0.0,
    loss: 0.0,
    way: NOTHING,
};

impl Bundler {
    /// Fillings worth more than `target`, and a bound of the best, as far as they
    /// lose no more than a `part` of what they may. `None` where the lists would
    /// take more than `budget` labels.
    pub(super) fn joined(
        &self,
        search: &Search,
        bundled: &Bundled,
        values: &[f64],
        part: f64,
        target: f64,
        budget: u64,
    ) -> Option<Priced> {
        let look = |relaxed: &Relaxed, values: &[f64], several: bool| {
            let slack = (relaxed.value - target).max(0.0) * part + SLACK * relaxed.value;
            let axes = self.axes(search, relaxed, values)?;
            let mut join = Join {
                capacity: axes.map(|dim| dim.map_or(u64::MAX, |dim| search.capacity[dim])),
                made: Vec::new(),
                work: 0,
                most: budget.saturating_mul(PARTS_PER_LABEL),
            };
            let lists = self.lists(search, relaxed, values, &mut join, axes, slack)?;
            let best = self.halves(&lists, &mut join, several, slack, target)?;
            Some(join.priced(search, relaxed, best, slack, target))
        };
        let Some(without) = &bundled.without else {
            return look(&bundled.all, values, false);
        };
        let singles = self.without_several(values)?;
        let mut priced = look(without, &singles, false)?;
        let Some(branches) = &bundled.branches else {
            better(&mut priced, look(&bundled.all, values, true)?);
            return Some(priced);
        };
        for branch in branches.iter().filter(|branch| branch.upper() > target) {
            let left = budget.saturating_sub(priced.work);
            let beside = self.joined_beside(search, branch, values, part, target, left)?;
            better(&mut priced, beside);
        }
        Some(priced)
    }

    /// Values without those of items that take several devices; `None` when no
    /// such item has one.
    fn without_several(&self, values: &[f64]) -> Option<Vec<f64>> {
        let mut out = values.to_vec();
        let several = self.single.iter().filter(|bundle| bundle.devices > 1);
        let mut some = false;
        for (i, _) in several.flat_map(|bundle| &bundle.items) {
            some |= out[*i] > 0.0;
            out[*i] = 0.0;
        }
        some.then_some(out)
    }

    /// What may be on a node, one device at a time.
    fn lists(
        &self,
        search: &Search,
        relaxed: &Relaxed,
        values: &[f64],
        join: &mut Join,
        axes: [Option<usize>; 2],
        slack: f64,
    ) -> Option<Lists> {
        let device = relaxed.device(self.devices);
        let duals = relaxed.duals();
        let mut item = |i: usize, cells: usize| -> Item {
            let takes = axes.map(|dim| dim.map_or(0, |dim| search.demand[i * search.dims + dim]));
            join.made.push(Made::Item(i as u32));
            let way = join.made.len() as u32 - 1;
            Item {
                part: Part {
                    takes,
                    value: values[i],
                    loss: 0.0,
                    way,
                },
                cells,
                gain: self.beyond(search, values, duals, i),
            }
        };
        let mut lists = Lists {
            plain: Vec::new(),
            single: Vec::new(),
            several: BTreeMap::new(),
        };
        let mut whole: Vec<Item> = Vec::new();
        for bundle in &self.single {
            let Some((i, _)) = bundle.items.first().filter(|(i, _)| values[*i] > 0.0) else {
                continue;
            };
            let mut item = item(*i, self.cells);
            item.part.loss = (device * f64::from(bundle.devices) - item.gain).max(0.0);
            let part = item.part;
            if part.loss > slack || !join_fits(&part, search, axes) {
                continue;
            }
            match bundle.devices {
                // There is no end to what takes nothing.
                0 if part.takes == [0, 0] => return None,
                0 => lists.plain.push(part),
                1 => whole.push(item),
                n => lists.several.entry(n).or_default().push(part),
            }
        }
        let shared = self.shared.iter().filter(|(i, _)| values[*i] > 0.0);
        let mut shared: Vec<Item> = shared.map(|(i, cells)| item(*i, *cells)).collect();
        shared.sort_by(|a, b| b.cells.cmp(&a.cells).then(a.part.way.cmp(&b.part.way)));
        let mut single: Vec<Part> = whole.into_iter().map(|item| item.part).collect();
        single.extend(join.on_one_device(&shared, self.cells, device, slack)?);
        lists.single = join.undominated(single);
        // What loses most first: little is left to lose beside it.
        lists
            .plain
            .sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.way.cmp(&b.way)));
        Some(lists)
    }

    /// The best of all fillings with some item that takes several devices, or
    /// without any: for each first half the best second half.
    fn halves(
        &self,
        lists: &Lists,
        join: &mut Join,
        several: bool,
        slack: f64,
        target: f64,
    ) -> Option<Vec<(f64, u32, u32)>> {
        let half = self.devices / 2;
        let rest = self.devices - half;
        // Items with several devices, by how many devices in all.
        let mut whole: Vec<Vec<Part>> = vec![Vec::new(); self.devices as usize + 1];
        whole[0].push(EMPTY);
        for (n, parts) in &lists.several {
            for item in parts {
                for to in *n..=self.devices {
                    let from = &whole[(to - n) as usize];
                    let item = std::slice::from_ref(item);
                    let more = join.pairs(from, item, slack, slack, None)?;
                    whole[to as usize].extend(more);
                }
            }
        }
        if several {
            whole[0].clear();
        }
        let whole: Vec<Vec<Part>> = whole.into_iter().map(|l| join.undominated(l)).collect();
        if whole.iter().all(Vec::is_empty) {
            return Some(Vec::new());
        }
        let spare = Spare::new(lists, &whole, slack);
        // Without devices: any number of each.
        let mut without = vec![EMPTY];
        for item in &lists.plain {
            let item = std::slice::from_ref(item);
            let mut all = without.clone();
            let mut last = without;
            while !last.is_empty() {
                last = join.pairs(&last, item, spare.beside(0), slack, None)?;
                all.extend_from_slice(&last);
            }
            without = join.undominated(all);
        }
        // One device each, by how many.
        let mut singles: Vec<Vec<Part>> = vec![vec![EMPTY]];
        for n in 1..=rest {
            let list = if n == 1 {
                lists.single.clone()
            } else {
                let (a, b) = (n / 2, n - n / 2);
                // The first are those that lose least.
                let all = spare.beside(n);
                let few = if a == b { all / 2.0 } else { all };
                let (a, b) = (&singles[a as usize], &singles[b as usize]);
                let joined = join.pairs(a, b, all, few, None)?;
                join.undominated(joined)
            };
            singles.push(list);
        }
        let mut best: Vec<(f64, u32, u32)> = Vec::new();
        let mut first: Vec<Part> = Vec::new();
        for (n, list) in (0..).zip(&whole) {
            if n <= half {
                let few = if n == 0 && half == rest {
                    slack / 2.0
                } else {
                    slack
                };
                let ones = &singles[(half - n) as usize];
                let all = slack - spare.singles(rest);
                first.extend(join.pairs(ones, list, all, few, None)?);
            } else if !list.is_empty() {
                let others = &singles[(self.devices - n) as usize];
                let wanted = Promise::new(join.capacity, list, target);
                let all = slack - least(list);
                let second = join.pairs(others, &without, all, slack, Some(&wanted))?;
                join.meet(list, &second, target, &mut best);
            }
        }
        if first.is_empty() {
            return Some(best);
        }
        let all = slack - least(&first);
        let wanted = Promise::new(join.capacity, &first, target);
        let ones = &singles[rest as usize];
        let second = join.pairs(ones, &without, all, slack, Some(&wanted))?;
        join.meet(&first, &second, target, &mut best);
        Some(best)
    }

    /// The two amounts that may run out first; of the others, those that cannot
    /// run out before are no loss.
    fn axes(
        &self,
        search: &Search,
        relaxed: &Relaxed,
        values: &[f64],
    ) -> Option<[Option<usize>; 2]> {
        let items: Vec<usize> = (0..values.len()).filter(|i| values[*i] > 0.0).collect();
        let demand = |i: &usize, dim: usize| u128::from(search.demand[i * search.dims + dim]);
        let has = |dim: usize| u128::from(search.capacity[dim]);
        // Of this one every item takes no more, as a part, than of another.
        let covered = |dim: usize| {
            (0..search.dims).filter(|other| *other != dim).any(|other| {
                let order = |i| (demand(i, dim) * has(other)).cmp(&(demand(i, other) * has(dim)));
                let same = items.iter().all(|i| order(i).is_eq());
                items.iter().all(|i| order(i).is_le()) && !(same && other > dim)
            })
        };
        let carried = self.by_dim(search.dims, relaxed);
        let mut dims: Vec<usize> = (0..search.dims).filter(|dim| !covered(*dim)).collect();
        dims.sort_by(|a, b| carried[*b].total_cmp(&carried[*a]).then(a.cmp(b)));
        let others: f64 = dims.iter().skip(2).map(|dim| carried[*dim]).sum();
        // What beats another may take more of what is no axis; so that must not
        // be what bounds it.
        let free = others <= 0.0 && self.by_limits(relaxed) <= 0.0;
        free.then(|| [dims.first().copied(), dims.get(1).copied()])
    }
}

/// Keeps the best of both.
fn better(priced: &mut Priced, mut other: Priced) {
    priced.upper = priced.upper.max(other.upper);
    priced.work += other.work;
    if other.value > priced.value {
        std::mem::swap(&mut priced.counts, &mut other.counts);
        priced.value = other.value;
    }
    if !other.counts.is_empty() {
        priced.others.push(other.counts);
    }
    priced.others.append(&mut other.others);
}

/// Whether a part fits an empty node.
fn join_fits(part: &Part, search: &Search, axes: [Option<usize>; 2]) -> bool {
    let mut sides = axes.iter().zip(part.takes);
    sides.all(|(dim, takes)| dim.is_none_or(|dim| takes <= search.capacity[dim]))
}

impl Join {
    /// What may share one device, and the device that stays empty.
    fn on_one_device(
        &mut self,
        items: &[Item],
        cells: usize,
        device: f64,
        slack: f64,
    ) -> Option<Vec<Part>> {
        let width = cells + 1;
        // Which gain could still be had from an item on with so many cells.
        let mut still = vec![0.0f64; (items.len() + 1) * width];
        for (at, item) in items.iter().enumerate().rev() {
            for free in 0..width {
                let mut best = still[(at + 1) * width + free];
                if item.cells <= free {
                    best = best.max(still[at * width + free - item.cells] + item.gain);
                }
                still[at * width + free] = best;
            }
        }
        self.work += still.len() as u64 / 4;
        // Free cells, gain, part.
        let mut labels: Vec<(usize, f64, Part)> = vec![(cells, 0.0, EMPTY)];
        for (at, item) in items.iter().enumerate() {
            let with = &still[at * width..][..width];
            let after = &still[(at + 1) * width..][..width];
            let mut from = 0;
            let before = labels.len();
            loop {
                let to = labels.len();
                for label in from..to {
                    let (free, gain, part) = labels[label];
                    self.work += 1;
                    let Some(free) = free.checked_sub(item.cells) else {
                        continue;
                    };
                    let gain = gain + item.gain;
                    // More of the same may follow.
                    if gain + with[free] < device - slack {
                        continue;
                    }
                    if let Some(part) = self.pair(&part, &item.part) {
                        labels.push((free, gain, part));
                    }
                }
                if labels.len() == to {
                    break;
                }
                if self.work > self.most {
                    return None;
                }
                from = to;
            }
            let same = labels.len() == before;
            labels.retain(|(free, gain, _)| gain + after[*free] >= device - slack);
            if same {
                continue;
            }
            labels = undominated(labels);
        }
        let parts = labels.into_iter().map(|(_, gain, part)| Part {
            loss: (device - gain).max(0.0),
            ..part
        });
        Some(parts.filter(|part| part.loss <= slack).collect())
    }

    /// Both together, if there is room.
    fn pair(&mut self, a: &Part, b: &Part) -> Option<Part> {
        let takes = self.takes(a, b)?;
        Some(self.both(a, b, takes))
    }

    /// What both take together, if there is room.
    #[inline]
    fn takes(&self, a: &Part, b: &Part) -> Option<[u64; 2]> {
        let x = a.takes[0].checked_add(b.takes[0])?;
        let y = a.takes[1].checked_add(b.takes[1])?;
        (x <= self.capacity[0] && y <= self.capacity[1]).then_some([x, y])
    }

    fn both(&mut self, a: &Part, b: &Part, takes: [u64; 2]) -> Part {
        let way = match (a.way, b.way) {
            (NOTHING, way) | (way, NOTHING) => way,
            (a, b) => {
                self.made.push(Made::Of(a, b));
                self.made.len() as u32 - 1
            }
        };
        Part {
            takes,
            value: a.value + b.value,
            loss: a.loss + b.loss,
            way,
        }
    }

    /// All pairs that fit and lose little enough together, the first of each no
    /// more than `least`; of these, those that are `wanted`. `None` when they are
    /// too many.
    fn pairs(
        &mut self,
        first: &[Part],
        second: &[Part],
        slack: f64,
        least: f64,
        wanted: Option<&Promise>,
    ) -> Option<Vec<Part>> {
        let mut order: Vec<Part> = second.to_vec();
        order.sort_unstable_by(|a, b| a.loss.total_cmp(&b.loss).then(a.way.cmp(&b.way)));
        let mut out: Vec<Part> = Vec::new();
        let least = least * (1.0 + SLACK);
        let mut beaten = Beaten::new(self.capacity);
        for a in first.iter().filter(|a| a.loss <= least) {
            for b in &order {
                self.work += 1;
                if a.loss + b.loss > slack {
                    break;
                }
                let Some(takes) = self.takes(a, b) else {
                    continue;
                };
                let value = a.value + b.value;
                let good = wanted.is_none_or(|list| list.wants(takes, value));
                if good && !beaten.knows(takes, value) {
                    out.push(self.both(a, b, takes));
                }
            }
            beaten.look_at(&mut out);
            if out.len() > PARTS || self.work > self.most {
                return None;
            }
        }
        Some(out)
    }

    /// Drops parts that another one beats: it takes no more and is worth no less.
    fn undominated(&mut self, mut parts: Vec<Part>) -> Vec<Part> {
        self.work += parts.len() as u64;
        // Sorting takes longer than a look at the grid.
        Beaten::new(self.capacity).look_at(&mut parts);
        let mut order: Vec<(u64, u32)> = (0..)
            .zip(&parts)
            .map(|(at, part)| (dear_first(part.value), at))
            .collect();
        let takes = |at: u32| (parts[at as usize].takes, parts[at as usize].way);
        order.sort_unstable_by(|a, b| {
            let by_value = a.0.cmp(&b.0);
            by_value.then_with(|| takes(a.1).cmp(&takes(b.1)))
        });
        let mut stairs = Stairs::default();
        let mut kept = Vec::new();
        for (_, at) in order {
            if stairs.keep(&parts[at as usize]) {
                kept.push(parts[at as usize]);
            }
        }
        kept
    }

    /// For each of `first` the best of `second` that fits beside it, where that
    /// is worth more than `target`.
    fn meet(
        &mut self,
        first: &[Part],
        second: &[Part],
        target: f64,
        best: &mut Vec<(f64, u32, u32)>,
    ) {
        // Few parts can be in what is worth more than the target; of these, those
        // that another one beats go.
        self.work += (first.len() + second.len()) as u64;
        let wanted = Promise::new(self.capacity, second, target);
        let first = first.iter().filter(|p| wanted.wants(p.takes, p.value));
        let first = self.undominated(first.copied().collect());
        let second = self.undominated(second.to_vec());
        let mut heights: Vec<u64> = second.iter().map(|p| p.takes[1]).collect();
        heights.sort_unstable();
        heights.dedup();
        let mut tree: Vec<(f64, u32)> = vec![(f64::NEG_INFINITY, NOTHING); heights.len() + 1];
        let mut first: Vec<&Part> = first.iter().collect();
        first.sort_by(|a, b| b.takes.cmp(&a.takes).then(a.way.cmp(&b.way)));
        let mut rest: Vec<&Part> = second.iter().collect();
        rest.sort_by(|a, b| a.takes.cmp(&b.takes).then(a.way.cmp(&b.way)));
        let mut next = 0;
        self.work += 4 * (first.len() + rest.len()) as u64;
        for part in first {
            let room = [
                self.capacity[0] - part.takes[0],
                self.capacity[1] - part.takes[1],
            ];
            while let Some(other) = rest.get(next).filter(|o| o.takes[0] <= room[0]) {
                let mut at = heights.partition_point(|h| *h < other.takes[1]) + 1;
                while at < tree.len() {
                    if other.value > tree[at].0 {
                        tree[at] = (other.value, next as u32);
                    }
                    at += at & at.wrapping_neg();
                }
                next += 1;
            }
            let mut at = heights.partition_point(|h| *h <= room[1]);
            let mut most = (f64::NEG_INFINITY, NOTHING);
            while at > 0 {
                if tree[at].0 > most.0 {
                    most = tree[at];
                }
                at -= at & at.wrapping_neg();
            }
            if part.value + most.0 > target {
                let other = rest.get(most.1 as usize).map_or(NOTHING, |o| o.way);
                best.push((part.value + most.0, part.way, other));
            }
        }
    }

    /// Indices of shapes and counts, sorted.
    fn filling(&self, ways: [u32; 2]) -> Vec<(usize, u32)> {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        let mut open = ways.to_vec();
        while let Some(way) = open.pop() {
            match self.made.get(way as usize) {
                Some(Made::Item(i)) => *counts.entry(*i as usize).or_default() += 1,
                Some(Made::Of(a, b)) => open.extend([*a, *b]),
                None => {}
            }
        }
        counts.into_iter().collect()
    }

    /// What was found, by shapes.
    fn priced(
        &self,
        search: &Search,
        relaxed: &Relaxed,
        mut best: Vec<(f64, u32, u32)>,
        slack: f64,
        target: f64,
    ) -> Priced {
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut priced = Priced {
            upper: (relaxed.value - slack).max(target),
            work: self.work / PARTS_PER_LABEL,
            ..Priced::default()
        };
        if let Some((most, ..)) = best.first() {
            priced.upper = priced.upper.max(most * (1.0 + SLACK));
        }
        let mut seen = BTreeSet::new();
        for (worth, a, b) in best.into_iter().take(4 * OTHERS) {
            let filling = self.filling([a, b]);
            // What was left out, such as limits, may forbid it.
            if !search.fits(&filling) || !seen.insert(filling.clone()) {
                continue;
            }
            let by_shapes = filling.iter().map(|(i, n)| (search.shapes[*i], *n));
            let mut by_shapes: Vec<(usize, u32)> = by_shapes.collect();
            by_shapes.sort_unstable();
            if priced.counts.is_empty() {
                priced.value = worth;
                priced.counts = by_shapes;
            } else if priced.others.len() < OTHERS {
                priced.others.push(by_shapes);
            }
        }
        priced
    }
}

/// Drops labels on one device that another one beats, which leaves as much of it
/// free.
fn undominated(labels: Vec<(usize, f64, Part)>) -> Vec<(usize, f64, Part)> {
    let mut order: Vec<(usize, u64, u32)> = (0..)
        .zip(&labels)
        .map(|(at, (free, _, part))| (*free, dear_first(part.value), at))
        .collect();
    let takes = |at: u32| {
        let part = &labels[at as usize].2;
        (part.takes, part.way)
    };
    order.sort_unstable_by(|a, b| {
        let by_value = (a.0, a.1).cmp(&(b.0, b.1));
        by_value.then_with(|| takes(a.2).cmp(&takes(b.2)))
    });
    let mut stairs = Stairs::default();
    let mut last = usize::MAX;
    let mut kept = Vec::new();
    for (free, _, at) in order {
        if free != last {
            stairs.clear();
            last = free;
        }
        if stairs.keep(&labels[at as usize].2) {
            kept.push(labels[at as usize]);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::bundles::tests::{brute, problem, search};
    use super::*;

    #[test]
    fn joined_lists_find_what_trying_everything_finds() {
        for seed in 1..=400u32 {
            let devices = seed as usize % 5;
            let (problem, by_class) = problem(seed.into(), devices);
            let (search, pricer, values) = search(&problem, &by_class);
            let mut bundler = Bundler::new(&search, &pricer.rows).unwrap();
            let mut free = vec![10, 12];
            free.resize(2 + devices, 1000);
            let best = brute(&search, &values, 0, &mut free);
            for (target, part) in [(0.5, 1.0), (0.99, 1.0), (0.9, 0.5), (1.01, 0.25)] {
                let target = best * target;
                let bundled = Bundled::new(&mut bundler, &search, &values, target);
                assert!(bundled.all.value >= best - 1e-6, "seed {seed}");
                assert!(bundled.upper.max(target) >= best - 1e-6, "seed {seed}");
                let priced = bundler.joined(&search, &bundled, &values, part, target, u64::MAX);
                let priced = priced.unwrap();
                assert!(priced.upper >= best - 1e-6, "seed {seed}: {priced:?}");
                assert!(priced.value <= best + 1e-6, "seed {seed}: {priced:?}");
                if part == 1.0 {
                    let near = best * (1.0 + 1e-6);
                    assert!(priced.upper <= near, "seed {seed}: {priced:?}, best {best}");
                    assert!(
                        priced.value >= best - 1e-6,
                        "seed {seed}: {priced:?}, best {best}"
                    );
                }
            }
        }
    }
}
