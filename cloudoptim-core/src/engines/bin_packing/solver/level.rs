//! Packing many small items on nodes that are opened together.
//!
//! Where a node holds many items, what it can hold is hardly more than a matter
//! of sums. The cheapest whole nodes whose amounts add up to the demand are
//! opened at once, and every item, the most valuable first, goes where the
//! amounts that it needs are the least taken. So all nodes fill evenly, large
//! items are spread over all of them, and small ones level what those left
//! uneven (list scheduling, Graham 1969, with the square of the load as the
//! potential of a vector; Chekuri and Khanna 2004). What is not placed at the
//! end is small, and little.

use super::bin::Bin;
use super::lp::{Column, Master};
use super::pack::{Pack, Scope};
use super::sums;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Nodes that are levelled together; where there are more, each such group
/// gets its share of everything.
const TOGETHER: usize = 512;

/// How much an uneven node is worse than a full one.
const EVEN: f64 = 16.0;

/// A type that takes less of the items than this, by value, is not opened.
const TAKES: f64 = 0.5;

/// Nodes that hold fewer items than this on average are not filled to the brim
/// by evenness alone.
const ITEMS: f64 = 12.0;

/// How many of the largest nodes a search for the cheapest whole nodes disposes
/// of, and how many types, those that waste least, it chooses from.
const TAILS: [f64; 2] = [3.0, 8.0];
const CHOICES: [usize; 5] = [4, 6, 8, 11, 15];

/// Steps of each such search, what it may cost more than what it covers is
/// worth, and with how little more in all it is content.
const STEPS: u64 = 150_000;
const WASTE: f64 = 0.2;
const CONTENT: f64 = 2e-4;

/// Pairs of items that are looked at for an exchange, at most.
const TRIES: u64 = 20_000_000;

/// Opens the cheapest whole nodes whose amounts add up to `1 + spare` times the
/// demand, and levels the items over them. Whether there were any.
pub(super) fn level(scope: Scope<'_>, pack: &mut Pack, spare: f64) -> bool {
    let Some(opened) = open(scope, pack, spare) else {
        return false;
    };
    let model = scope.model;
    let mut order: Vec<usize> = (0..model.kinds.len())
        .filter(|k| pack.left.kinds[*k] > 0)
        .collect();
    let value = |kind: usize| scope.bound.values[model.kinds[kind].shape];
    order.sort_by(|a, b| value(*b).total_cmp(&value(*a)).then(a.cmp(b)));
    let groups = opened.len().div_ceil(TOGETHER);
    let mut groups: Vec<Group> = (0..groups)
        .map(|g| Group::new(scope, opened.iter().skip(g).step_by(groups).copied()))
        .collect();
    let mut turn = 0;
    for kind in order {
        if model.stop.is_due() {
            break;
        }
        for group in &mut groups {
            group.begin(scope, pack, kind);
        }
        let mut misses = 0;
        while pack.left.kinds[kind] > 0 && misses < groups.len() {
            let at = turn % groups.len();
            turn += 1;
            let placed = groups[at].place(scope, pack, kind);
            misses = if placed { 0 } else { misses + 1 };
        }
    }
    let from = pack.bins.len();
    for group in groups {
        for bin in group.bins {
            match bin.on {
                super::bin::On::New { ty, offer } if bin.is_empty() => {
                    pack.stock.give(model, ty as usize, offer as usize, 1);
                }
                _ => pack.bins.push(bin),
            }
        }
    }
    exchange(scope, pack, from);
    true
}

/// Puts what was left out where a smaller item makes room for it that fits
/// elsewhere; on bins from `from` on.
fn exchange(scope: Scope<'_>, pack: &mut Pack, from: usize) {
    let model = scope.model;
    let value = |kind: usize| scope.bound.values[model.kinds[kind].shape];
    let mut waiting: Vec<usize> = (0..model.kinds.len())
        .filter(|k| pack.left.kinds[*k] > 0 && model.kinds[*k].company.is_empty())
        .collect();
    waiting.sort_by(|a, b| value(*b).total_cmp(&value(*a)).then(a.cmp(b)));
    let mut tries = 0;
    for kind in waiting {
        while pack.left.kinds[kind] > 0 && !model.stop.is_due() {
            if tries >= TRIES || !exchanged(scope, pack, from, kind, &mut tries) {
                break;
            }
        }
    }
    pack.work += tries / 16;
}

/// One step of [`exchange`].
fn exchanged(scope: Scope<'_>, pack: &mut Pack, from: usize, kind: usize, tries: &mut u64) -> bool {
    let model = scope.model;
    let demand = |kind: usize| &model.shapes[model.kinds[kind].shape].demand;
    let fits = |bin: &Bin, kind: usize| sums::fits(demand(kind), &bin.free);
    let value = |kind: usize| scope.bound.values[model.kinds[kind].shape];
    for at in from..pack.bins.len() {
        let bin = &pack.bins[at];
        if !bin.accepts(model, kind) || bin.bound_together(model) {
            continue;
        }
        for index in 0..bin.items.len() {
            let other = bin.items[index].kind as usize;
            *tries += 1;
            let rows = demand(kind).iter().zip(demand(other)).zip(&bin.free);
            let enough = rows.fold(true, |ok, ((d, o), f)| ok && *d <= f + o);
            if !enough || value(other) >= value(kind) {
                continue;
            }
            *tries += (pack.bins.len() - from) as u64 / 4;
            let to = (from..pack.bins.len()).find(|to| {
                let to_bin = &pack.bins[*to];
                *to != at
                    && fits(to_bin, other)
                    && to_bin.accepts(model, other)
                    && to_bin.room(model, other, 1) > 0
            });
            let Some(to) = to else { continue };
            let mut changed = bin.clone();
            changed.remove(model, index, 1);
            if changed.room(model, kind, 1) == 0 {
                continue;
            }
            changed.add(model, kind, 1);
            pack.bins[at] = changed;
            pack.bins[to].add(model, other, 1);
            pack.left.take(model, kind, 1);
            return true;
        }
    }
    false
}

/// A type that may be opened.
struct Choice {
    ty: usize,
    offer: usize,
    most: u32,
    price: f64,
    capacity: Vec<f64>,
    /// What a node costs more than the demand it covers is worth.
    waste: f64,
}

/// Types and offers of the nodes to open, types taking turns.
fn open(scope: Scope<'_>, pack: &mut Pack, spare: f64) -> Option<Vec<(usize, usize)>> {
    let model = scope.model;
    let mut need = vec![0.0; model.dims];
    let mut worth = vec![0.0; model.types.len()];
    let mut everything = 0.0;
    for (s, n) in pack.left.shapes.iter().enumerate().filter(|(_, n)| **n > 0) {
        let shape = &model.shapes[s];
        if shape.devices.is_some() {
            return None;
        }
        for (need, d) in need.iter_mut().zip(&shape.demand) {
            *need += *d as f64 * f64::from(*n) * (1.0 + spare);
        }
        let value = scope.bound.values[s] * f64::from(*n);
        everything += value;
        for t in scope.types {
            if model.types[*t].fits[s] > 0 {
                worth[*t] += value;
            }
        }
    }
    let dims: Vec<usize> = (0..model.dims).filter(|d| need[*d] > 0.0).collect();
    let need: Vec<f64> = dims.iter().map(|d| need[*d]).collect();
    let mut choices: Vec<Choice> = Vec::new();
    for ty in scope.types.iter().copied() {
        let t = &model.types[ty];
        let Some((offer, most)) = pack.stock.cheapest(scope, ty) else {
            continue;
        };
        if !t.devices.is_empty() || worth[ty] < TAKES * everything {
            continue;
        }
        choices.push(Choice {
            ty,
            offer,
            most,
            price: (t.offers[offer].raised as f64).max(1.0),
            capacity: dims.iter().map(|d| t.capacity[*d] as f64).collect(),
            waste: 0.0,
        });
    }
    let mut counts = cheapest(&mut choices, &need)?;
    cheapen(&choices, &need, &mut counts);
    let nodes: u32 = counts.iter().sum();
    if pack.left.total as f64 <= ITEMS * f64::from(nodes) {
        return None;
    }
    // At its part of the way, so that any stretch of the list is a fair sample.
    let mut out: Vec<(f64, usize, usize)> = Vec::new();
    for (choice, n) in choices.iter().zip(counts) {
        // Others may have taken of the same limit.
        let here = pack.stock.on_sale(scope, choice.ty);
        let left = here.filter(|(offer, _)| *offer == choice.offer);
        let n = left.map(|(_, left)| left.min(n)).max().unwrap_or(0);
        pack.stock.take(model, choice.ty, choice.offer, n);
        for at in 0..n {
            let way = (f64::from(at) + 0.5) / f64::from(n);
            out.push((way, choice.ty, choice.offer));
        }
    }
    out.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    Some(out.into_iter().map(|(_, ty, offer)| (ty, offer)).collect())
}

/// How many nodes of each choice cover `need` at the least cost, as far as
/// bounded searches tell: most of what the linear programme says, then branch and
/// bound over what is left.
fn cheapest(choices: &mut [Choice], need: &[f64]) -> Option<Vec<u32>> {
    let start = (0..need.len()).map(|row| {
        let own = choices.iter().filter(|c| c.capacity[row] > 0.0);
        let dear = |c: &&Choice| c.price / c.capacity[row];
        let best = own.min_by(|a, b| dear(a).total_cmp(&dear(b)))?;
        Some(Column {
            cost: best.price * 1.5,
            entries: vec![(row as u32, best.capacity[row])],
        })
    });
    let start: Vec<Option<Column>> = start.map(|c| c.map(Some)).collect::<Option<_>>()?;
    let mut master = Master::new(need.to_vec(), start);
    for choice in choices.iter() {
        let entries = (0..).zip(choice.capacity.iter().copied());
        master.add(Column {
            cost: choice.price,
            entries: entries.filter(|(_, c)| *c > 0.0).collect(),
        });
    }
    master.solve(1_000).ok()?;
    let duals: Vec<f64> = master.duals().iter().map(|d| d.max(0.0)).collect();
    let worth = |amounts: &[f64]| -> f64 {
        let parts = amounts.iter().zip(&duals);
        parts.map(|(a, y)| a.max(0.0) * y).sum()
    };
    let used: Vec<(usize, f64)> = master
        .solution()
        .into_iter()
        .filter_map(|(column, x)| Some((column.checked_sub(need.len())?, x)))
        .collect();
    let largest = used.iter().map(|(at, _)| choices[*at].price);
    let largest = largest.fold(0.0, f64::max);
    let total: f64 = used.iter().map(|(at, x)| choices[*at].price * x).sum();
    for choice in choices.iter_mut() {
        choice.waste = (choice.price - worth(&choice.capacity)).max(0.0);
    }
    let mut order: Vec<usize> = (0..choices.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&choices[*a], &choices[*b]);
        let by_waste = a.waste.total_cmp(&b.waste);
        by_waste
            .then(b.price.total_cmp(&a.price))
            .then(a.ty.cmp(&b.ty))
    });
    let mut best: Option<(f64, Vec<u32>)> = None;
    for tail in TAILS {
        // The same part of every type is left to the search.
        let part = (1.0 - tail * largest / total.max(1e-9)).max(0.0);
        let mut counts = vec![0u32; choices.len()];
        let mut rest = need.to_vec();
        let mut spent = 0.0;
        for (at, x) in &used {
            counts[*at] = ((x * part).round() as u32).min(choices[*at].most);
            spent += choices[*at].price * f64::from(counts[*at]);
            for (rest, c) in rest.iter_mut().zip(&choices[*at].capacity) {
                *rest -= c * f64::from(counts[*at]);
            }
        }
        let limit = worth(&rest) * (1.0 + WASTE) + largest;
        for choose in CHOICES {
            // Wasteful ones first: few of them are in any good answer.
            let order: Vec<usize> = order.iter().take(choose).rev().copied().collect();
            let mut search = Search {
                choices,
                order: &order,
                taken: &counts,
                duals: &duals,
                now: vec![0; choices.len()],
                best: None,
                most: best.as_ref().map_or(limit, |(cost, _)| cost - spent),
                steps: 0,
                need: rest.clone(),
            };
            search.from(0, 0.0);
            if let Some(found) = search.best {
                let found = counts.iter().zip(found).map(|(n, more)| n + more);
                best = Some((spent + search.most, found.collect()));
            }
            let content = |(cost, _): &(f64, Vec<u32>)| *cost <= total * (1.0 + CONTENT);
            if best.as_ref().is_some_and(content) {
                return best.map(|(_, counts)| counts);
            }
            if choose >= choices.len() {
                break;
            }
        }
        if part == 0.0 {
            break;
        }
    }
    best.map(|(_, counts)| counts)
}

/// Puts a cheaper node in the place of one, or none, as long as all that is needed
/// stays covered: what saves most first.
fn cheapen(choices: &[Choice], need: &[f64], counts: &mut [u32]) {
    let mut over: Vec<f64> = need.iter().map(|n| -n).collect();
    for (choice, n) in choices.iter().zip(counts.iter()) {
        for (over, c) in over.iter_mut().zip(&choice.capacity) {
            *over += c * f64::from(*n);
        }
    }
    loop {
        let mut best: Option<(f64, usize, Option<usize>)> = None;
        for (from, old) in choices.iter().enumerate().filter(|(i, _)| counts[*i] > 0) {
            let stays = |new: Option<&Choice>| {
                let mut rows = over.iter().zip(&old.capacity).enumerate();
                rows.all(|(r, (over, c))| over - c + new.map_or(0.0, |n| n.capacity[r]) >= 0.0)
            };
            let cheaper = choices.iter().enumerate();
            let cheaper = cheaper.filter(|(i, new)| new.price < old.price && counts[*i] < new.most);
            let ways = cheaper.map(|(i, new)| (old.price - new.price, Some(i)));
            for (saves, to) in ways.chain([(old.price, None)]) {
                if best.is_none_or(|b| saves > b.0) && stays(to.map(|i| &choices[i])) {
                    best = Some((saves, from, to));
                }
            }
        }
        let Some((_, from, to)) = best else { return };
        counts[from] -= 1;
        for (over, c) in over.iter_mut().zip(&choices[from].capacity) {
            *over -= c;
        }
        if let Some(to) = to {
            counts[to] += 1;
            for (over, c) in over.iter_mut().zip(&choices[to].capacity) {
                *over += c;
            }
        }
    }
}

/// Depth first over how many nodes of each choice.
struct Search<'a> {
    choices: &'a [Choice],
    order: &'a [usize],
    taken: &'a [u32],
    duals: &'a [f64],
    now: Vec<u32>,
    best: Option<Vec<u32>>,
    /// Only what costs less counts.
    most: f64,
    steps: u64,
    /// What is not covered yet; less than zero where there is room to spare.
    need: Vec<f64>,
}

impl Search<'_> {
    fn from(&mut self, at: usize, cost: f64) {
        self.steps += 1;
        if self.need.iter().all(|n| *n <= 0.0) {
            if cost < self.most {
                self.most = cost;
                self.best = Some(self.now.clone());
            }
            return;
        }
        let Some(i) = self.order.get(at).copied() else {
            return;
        };
        let choice = &self.choices[i];
        let rows = self.need.iter().zip(&choice.capacity);
        let full = rows.map(|(n, c)| if *n <= 0.0 { 0.0 } else { (n / c).ceil() });
        let room = f64::from(choice.most - self.taken[i].min(choice.most));
        let full = full.fold(0.0, f64::max).min(room).min(1e6) as u32;
        // The last must cover all that is left.
        let first = if at + 1 == self.order.len() { full } else { 0 };
        self.take(choice, f64::from(first));
        let mut count = first;
        loop {
            let cost = cost + choice.price * f64::from(count);
            let parts = self.need.iter().zip(self.duals);
            let rest: f64 = parts.map(|(n, y)| n.max(0.0) * y).sum();
            if self.steps > STEPS || cost + rest >= self.most {
                break;
            }
            self.now[i] = count;
            self.from(at + 1, cost);
            if count == full {
                break;
            }
            self.take(choice, 1.0);
            count += 1;
        }
        self.take(choice, -f64::from(count));
        self.now[i] = 0;
    }

    fn take(&mut self, choice: &Choice, count: f64) {
        for (need, c) in self.need.iter_mut().zip(&choice.capacity) {
            *need -= c * count;
        }
    }
}

/// Nodes that are levelled together.
struct Group {
    bins: Vec<Bin>,
    /// Type of each node, by its place in `types`.
    of: Vec<usize>,
    types: Vec<usize>,
    /// What is taken of each amount that matters, as a part, node after node.
    levels: Vec<f64>,
    /// The amounts that carry some of a price.
    dims: Vec<usize>,
    /// Price of each type, and the part of it that each amount carries.
    prices: Vec<f64>,
    weights: Vec<f64>,
    /// What one item of the present kind takes, by type.
    parts: Vec<f64>,
    /// By how much it raises the potential of a node of each type: so much for
    /// each level, and so much at least.
    slopes: Vec<f64>,
    bases: Vec<f64>,
    /// Nodes that may take one, where it raises the potential least first.
    ready: BinaryHeap<Ready>,
}

/// A node, and by how much an item would raise its potential.
#[derive(Debug, Clone, Copy)]
struct Ready {
    raises: f64,
    node: usize,
}

impl PartialEq for Ready {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ready {}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ready {
    /// The least is the greatest: it is taken first.
    fn cmp(&self, other: &Self) -> Ordering {
        let least = other.raises.total_cmp(&self.raises);
        least.then(other.node.cmp(&self.node))
    }
}

impl Group {
    fn new(scope: Scope<'_>, nodes: impl Iterator<Item = (usize, usize)>) -> Self {
        let model = scope.model;
        let mut types: Vec<usize> = Vec::new();
        let mut of = Vec::new();
        let mut bins = Vec::new();
        for (ty, offer) in nodes {
            let at = types.iter().position(|t| *t == ty).unwrap_or_else(|| {
                types.push(ty);
                types.len() - 1
            });
            of.push(at);
            bins.push(Bin::new(model, ty, offer));
        }
        let matters = |dim: &usize| types.iter().any(|t| scope.bound.weights[*t][*dim] > 1e-6);
        let dims: Vec<usize> = (0..model.dims).filter(matters).collect();
        let price = |t: &usize| {
            model.types[*t]
                .offers
                .first()
                .map_or(0.0, |o| o.raised as f64)
        };
        let weights = types
            .iter()
            .flat_map(|t| dims.iter().map(move |d| (*t, *d)));
        Self {
            levels: vec![0.0; bins.len() * dims.len()],
            bins,
            of,
            prices: types.iter().map(price).collect(),
            weights: weights.map(|(t, d)| scope.bound.weights[t][d]).collect(),
            types,
            dims,
            parts: Vec::new(),
            slopes: Vec::new(),
            bases: Vec::new(),
            ready: BinaryHeap::new(),
        }
    }

    /// Gets ready for items of `kind`.
    fn begin(&mut self, scope: Scope<'_>, pack: &mut Pack, kind: usize) {
        let model = scope.model;
        let shape = &model.shapes[model.kinds[kind].shape];
        self.parts.clear();
        self.slopes.clear();
        self.bases.clear();
        for (at, ty) in self.types.iter().enumerate() {
            let capacity = &model.types[*ty].capacity;
            let from = self.parts.len();
            for dim in &self.dims {
                let part = shape.demand[*dim] as f64 / (capacity[*dim] as f64).max(1.0);
                self.parts.push(part);
            }
            // The potential is the square of the mean level and those of the
            // distances to it: (1 - EVEN) mean² + EVEN × the mean square.
            let weights = &self.weights[from..];
            let parts = &self.parts[from..];
            let mean = sums::dot(parts, weights);
            let mut square = 0.0;
            for (d, part) in parts.iter().enumerate() {
                let raise = (1.0 - EVEN) * mean + EVEN * part;
                self.slopes.push(self.prices[at] * 2.0 * weights[d] * raise);
                square += weights[d] * part * part;
            }
            let base = (1.0 - EVEN) * mean * mean + EVEN * square;
            self.bases.push(self.prices[at] * base);
        }
        pack.work += 1 + self.bins.len() as u64 / 8;
        let mut ready = std::mem::take(&mut self.ready).into_vec();
        ready.clear();
        for node in 0..self.bins.len() {
            if sums::fits(&shape.demand, &self.bins[node].free) {
                ready.push(self.ready(node));
            }
        }
        self.ready = BinaryHeap::from(ready);
    }

    fn ready(&self, node: usize) -> Ready {
        let (at, width) = (self.of[node], self.dims.len());
        let slopes = &self.slopes[at * width..(at + 1) * width];
        let levels = &self.levels[node * width..(node + 1) * width];
        Ready {
            raises: self.bases[at] + sums::dot(slopes, levels),
            node,
        }
    }

    /// Puts one item of the kind that it is ready for where it raises the
    /// potential least.
    fn place(&mut self, scope: Scope<'_>, pack: &mut Pack, kind: usize) -> bool {
        let model = scope.model;
        let width = self.dims.len();
        while let Some(Ready { node, .. }) = self.ready.pop() {
            pack.work += 1;
            let bin = &mut self.bins[node];
            if !bin.accepts(model, kind) || bin.room(model, kind, 1) == 0 {
                continue;
            }
            bin.add(model, kind, 1);
            pack.left.take(model, kind, 1);
            let at = self.of[node];
            let levels = &mut self.levels[node * width..(node + 1) * width];
            sums::take_times(levels, -1.0, &self.parts[at * width..(at + 1) * width]);
            // Only this node has changed.
            let again = self.ready(node);
            self.ready.push(again);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::bound;
    use super::super::model::Model;
    use super::super::problem::{Class, NodeType, Offering, Problem};
    use super::*;
    use crate::model::MicroUsdPerHour;

    /// What the cheapest cover costs, by trying everything.
    fn brute(choices: &[Choice], need: &[f64]) -> f64 {
        if need.iter().all(|n| *n <= 0.0) {
            return 0.0;
        }
        let Some((first, rest)) = choices.split_first() else {
            return f64::INFINITY;
        };
        let mut best = f64::INFINITY;
        let mut need = need.to_vec();
        for count in 0..=first.most {
            let cost = first.price * f64::from(count);
            best = best.min(cost + brute(rest, &need));
            for (need, c) in need.iter_mut().zip(&first.capacity) {
                *need -= c;
            }
        }
        best
    }

    #[test]
    fn the_cheapest_whole_nodes_are_those_that_trying_all_finds() {
        for seed in 1..=60u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut below = |n: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % n) as f64
            };
            let mut choices: Vec<Choice> = (0..4)
                .map(|ty| Choice {
                    ty,
                    offer: 0,
                    most: 6,
                    price: 5.0 + below(20),
                    capacity: vec![4.0 + below(12), 4.0 + below(12)],
                    waste: 0.0,
                })
                .collect();
            let need = [20.0 + below(30), 20.0 + below(30)];
            let counts = cheapest(&mut choices, &need).unwrap();
            let mut rest = need.to_vec();
            let mut cost = 0.0;
            for (choice, n) in choices.iter().zip(&counts) {
                assert!(*n <= choice.most);
                cost += choice.price * f64::from(*n);
                for (rest, c) in rest.iter_mut().zip(&choice.capacity) {
                    *rest -= c * f64::from(*n);
                }
            }
            assert!(rest.iter().all(|n| *n <= 0.0), "seed {seed}: {counts:?}");
            let best = brute(&choices, &need);
            assert!(cost <= best * 1.001, "seed {seed}: {cost}, not {best}");
        }
    }

    #[test]
    fn nodes_of_many_items_are_filled_to_the_brim() {
        let classes = (0..24u64).map(|at| Class {
            id: format!("{at:02}"),
            count: 60 + 5 * at as u32,
            demand: vec![50 + at * 170 % 1_500, 100 + at * 530 % 4_000],
            ..Class::default()
        });
        let types = [2u64, 4, 8, 16, 32, 64].into_iter().flat_map(|cores| {
            [("c", 2, 42), ("m", 4, 50)].map(|(family, gib, price)| NodeType {
                id: format!("{family}{cores:02}"),
                capacity: vec![1_000 * cores - 80, 1_000 * gib * cores - 600],
                offerings: vec![Offering {
                    price: Some(MicroUsdPerHour(1_000 * price * cores as i64)),
                    ..Offering::default()
                }],
                ..NodeType::default()
            })
        });
        let problem = Problem {
            dims: vec!["cpu".to_owned(), "memory".to_owned()],
            classes: classes.collect(),
            types: types.collect(),
            ..Problem::default()
        };
        let model = Model::new(&problem);
        let bound = bound::fluid(&problem, &model, 10_000);
        let types: Vec<usize> = (0..model.types.len()).collect();
        let scope = Scope {
            model: &model,
            bound: &bound,
            zone: None,
            types: &types,
        };
        let counts = model.kinds.iter().map(|k| k.count).collect();
        let mut pack = Pack::new(&model, counts, Vec::new());
        assert!(level(scope, &mut pack, 0.002));
        let items = pack.bins.iter().flat_map(|b| &b.items);
        let value = |i: &super::super::bin::Item| {
            bound.values[model.kinds[i.kind as usize].shape] * f64::from(i.count)
        };
        // What stands on the nodes is worth nearly what they cost.
        let full = items.map(value).sum::<f64>() / pack.cost(&model) as f64;
        assert!(full > 0.98, "{full}");
    }
}
