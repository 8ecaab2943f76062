//! What every strategy shares: what is left to place, what is left to buy,
//! the open bins, and ways to fill one bin.

use super::bin::{Bin, On};
use super::bound::Bound;
use super::model::{Model, Offer};
use super::roofs::Roofs;
use super::sums;

/// The part of a problem that one strategy works on: everything, or one zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) model: &'a Model,
    pub(super) bound: &'a Bound,
    /// Only offerings of this zone; `None` when zones do not matter.
    pub(super) zone: Option<usize>,
    /// Types that are worth trying.
    pub(super) types: &'a [usize],
}

/// How many types a strategy tries beside those of the fluid optimum.
const TRIED: usize = 48;

/// Types within so much of the best, by what they hold at most for their price,
/// count as equal.
const AS_GOOD: f64 = 1e-3;

/// The types that are worth trying: those that the fluid optimum uses, of the
/// others those that promise most for their price, small ones first, and for
/// each shape the one that takes it at the least cost.
pub(super) fn promising(model: &Model, bound: &Bound) -> Vec<usize> {
    let mut order: Vec<usize> = (0..model.types.len()).collect();
    if order.len() <= TRIED {
        return order;
    }
    let price = |t: usize| model.types[t].offers.first().map_or(0, |o| o.raised);
    let rank = |t: usize| ((1.0 - bound.worth[t]).max(0.0) / AS_GOOD) as u64;
    order.sort_by_key(|t| (rank(*t), price(*t), *t));
    let mut chosen = vec![false; order.len()];
    for t in &order[..TRIED] {
        chosen[*t] = true;
    }
    for (t, usage) in bound.usage.iter().enumerate() {
        chosen[t] |= *usage > 0.0;
    }
    for s in (0..model.shapes.len()).filter(|s| model.wanted[*s]) {
        let takes = (0..model.types.len()).filter(|t| model.types[*t].fits[s] > 0);
        let dear = |t: &usize| price(*t) as f64 / f64::from(model.types[*t].fits[s]);
        if let Some(best) = takes.min_by(|a, b| dear(a).total_cmp(&dear(b)).then(a.cmp(b))) {
            chosen[best] = true;
        }
    }
    (0..chosen.len()).filter(|t| chosen[*t]).collect()
}

/// Items that are still to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) kinds: Vec<u32>,
    pub(super) shapes: Vec<u32>,
    pub(super) total: u64,
}

impl Left {
    pub(super) fn new(model: &Model, kinds: Vec<u32>) -> Self {
        let mut shapes = vec![0; model.shapes.len()];
        for (k, n) in kinds.iter().enumerate() {
            shapes[model.kinds[k].shape] += n;
        }
        let total = kinds.iter().map(|n| u64::from(*n)).sum();
        Self {
            kinds,
            shapes,
            total,
        }
    }

    pub(super) fn take(&mut self, model: &Model, kind: usize, count: u32) {
        self.kinds[kind] -= count;
        self.shapes[model.kinds[kind].shape] -= count;
        self.total -= u64::from(count);
    }

    pub(super) fn give(&mut self, model: &Model, kind: usize, count: u32) {
        self.kinds[kind] += count;
        self.shapes[model.kinds[kind].shape] += count;
        self.total += u64::from(count);
    }
}

/// How many of each offering can still be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stock {
    offers: Vec<Vec<Option<u32>>>,
    /// What is left of each purchase limit.
    limits: Vec<u64>,
}

impl Stock {
    pub(super) fn new(model: &Model) -> Self {
        let offers = model.types.iter().map(|t| t.offers.iter());
        Self {
            offers: offers.map(|o| o.map(|o| o.available).collect()).collect(),
            limits: model.limited.room(),
        }
    }

    /// The cheapest offering of a type that is left, and how many of it.
    pub(super) fn cheapest(&self, scope: Scope<'_>, ty: usize) -> Option<(usize, u32)> {
        self.on_sale(scope, ty).next()
    }

    /// The offerings of a type that are left, the cheapest first, and how many of
    /// each.
    pub(super) fn on_sale<'s>(
        &'s self,
        scope: Scope<'s>,
        ty: usize,
    ) -> impl Iterator<Item = (usize, u32)> + 's {
        let offers = scope.model.types[ty].offers.iter().zip(&self.offers[ty]);
        offers.enumerate().filter_map(move |(i, (offer, left))| {
            if scope.zone.is_some() && offer.zone != scope.zone {
                return None;
            }
            let left = left.unwrap_or(u32::MAX).min(self.room(scope.model, offer));
            (left > 0).then_some((i, left))
        })
    }

    /// How many nodes of an offer the limits leave room for.
    fn room(&self, model: &Model, offer: &Offer) -> u32 {
        let takes = model.limited.takes(offer.takes).iter();
        let rooms = takes.map(|(limit, amount)| self.limits[*limit] / amount);
        rooms
            .min()
            .map_or(u32::MAX, |room| u32::try_from(room).unwrap_or(u32::MAX))
    }

    /// Limits that leave no room for a node of an offer, of which there is some.
    pub(super) fn short(&self, model: &Model, ty: usize, offer: usize) -> Vec<usize> {
        let takes = &model.types[ty].offers[offer].takes;
        let takes = model.limited.takes(*takes).iter();
        let short = takes.filter(|(limit, amount)| self.limits[*limit] < *amount);
        short.map(|(limit, _)| *limit).collect()
    }

    /// How many of an offering there are, limits aside.
    pub(super) fn stocked(&self, ty: usize, offer: usize) -> bool {
        self.offers[ty][offer] != Some(0)
    }

    /// Whether there is an end to an offering.
    pub(super) fn ends(&self, model: &Model, ty: usize, offer: usize) -> bool {
        let takes = model.types[ty].offers[offer].takes;
        self.offers[ty][offer].is_some() || !model.limited.takes(takes).is_empty()
    }

    pub(super) fn take(&mut self, model: &Model, ty: usize, offer: usize, count: u32) {
        if let Some(left) = &mut self.offers[ty][offer] {
            *left = left.saturating_sub(count);
        }
        for (limit, amount) in model.limited.takes(model.types[ty].offers[offer].takes) {
            let left = &mut self.limits[*limit];
            *left = left.saturating_sub(amount.saturating_mul(u64::from(count)));
        }
    }

    pub(super) fn give(&mut self, model: &Model, ty: usize, offer: usize, count: u32) {
        if let Some(left) = &mut self.offers[ty][offer] {
            *left += count;
        }
        for (limit, amount) in model.limited.takes(model.types[ty].offers[offer].takes) {
            let left = &mut self.limits[*limit];
            *left = left.saturating_add(amount.saturating_mul(u64::from(count)));
        }
    }

    /// What is left of each purchase limit.
    pub(super) fn limits(&self) -> &[u64] {
        &self.limits
    }

    /// Leaves no more of the limits than this.
    pub(super) fn limit_to(&mut self, limits: Vec<u64>) {
        self.limits = limits;
    }

    /// The same for a model whose offers stand in another order.
    fn reordered(&mut self, from: &Model, to: &Model) {
        for (ty, left) in self.offers.iter_mut().enumerate() {
            let (old, new) = (&from.types[ty].offers, &to.types[ty].offers);
            let left_of = |o: &Offer| {
                let at = old.iter().position(|x| x.offering == o.offering)?;
                left[at]
            };
            *left = new.iter().map(left_of).collect();
        }
    }
}

/// A packing in progress.
#[derive(Debug, Clone)]
pub(super) struct Pack {
    pub(super) bins: Vec<Bin>,
    pub(super) left: Left,
    pub(super) stock: Stock,
    /// Attempts to put an item on a node.
    pub(super) work: u64,
}

impl Pack {
    pub(super) fn new(model: &Model, kinds: Vec<u32>, bins: Vec<Bin>) -> Self {
        Self {
            bins,
            left: Left::new(model, kinds),
            stock: Stock::new(model),
            work: 0,
        }
    }

    /// The same packing for a model that differs in the order of offers.
    pub(super) fn reordered(&mut self, from: &Model, to: &Model) {
        self.stock.reordered(from, to);
        for bin in &mut self.bins {
            if let On::New { ty, offer } = &mut bin.on {
                let old = from.types[*ty as usize].offers[*offer as usize].offering;
                let mut new = to.types[*ty as usize].offers.iter();
                let at = new.position(|o| o.offering == old);
                *offer = at.map_or(*offer, |at| at as u32);
            }
        }
    }

    /// Counts anew what is left in stock beside the bins; `limits` is what there
    /// is of purchase limits, of which the bins take no more.
    pub(super) fn restock(&mut self, model: &Model, limits: Vec<u64>) {
        self.stock = Stock::new(model);
        self.stock.limit_to(limits);
        for bin in &self.bins {
            if let On::New { ty, offer } = bin.on {
                self.stock.take(model, ty as usize, offer as usize, 1);
            }
        }
    }

    /// What all new bins cost and what items dislike, in micro-dollars per hour.
    pub(super) fn cost(&self, model: &Model) -> i64 {
        self.bins.iter().map(|b| spent(model, b)).sum()
    }

    /// Counts anew what is left of `counts` (by kind) beside what was there before.
    pub(super) fn count_left(&mut self, model: &Model, counts: &[u32]) {
        let mut left = counts.to_vec();
        for item in self.bins.iter().flat_map(|bin| &bin.items) {
            if let Some(left) = left.get_mut(item.kind as usize) {
                *left = left.saturating_sub(item.count);
            }
        }
        self.left = Left::new(model, left);
    }

    /// What makes one packing better than another: more placed, then cheaper,
    /// then fewer nodes.
    pub(super) fn rank(&self, model: &Model) -> (u64, i64, usize) {
        (self.left.total, self.cost(model), self.bins.len())
    }
}

pub(super) fn price(model: &Model, bin: &Bin) -> i64 {
    match bin.on {
        On::Node(_) => 0,
        On::New { ty, offer } => model.types[ty as usize].offers[offer as usize].price.0,
    }
}

/// What the items of a bin cost beside, by what they dislike.
pub(super) fn extra(model: &Model, bin: &Bin) -> i64 {
    if !model.prefers {
        return 0;
    }
    let items = bin.items.iter().map(|item| {
        let shape = &model.shapes[model.kinds[item.kind as usize].shape];
        let each = match bin.on {
            On::Node(node) => shape.extra_on(node as usize),
            On::New { ty, .. } => shape.extra(model.types[ty as usize].source, bin.zone),
        };
        each.saturating_mul(i64::from(item.count))
    });
    items.fold(0, i64::saturating_add)
}

/// A bin's price, and what its items cost beside.
pub(super) fn spent(model: &Model, bin: &Bin) -> i64 {
    price(model, bin).saturating_add(extra(model, bin))
}

/// How the next item for a bin is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pick {
    /// Shapes in a fixed order, as many of each as fit.
    Order(Key),
    /// The most value for the scarcest resources (Toyoda 1975).
    Scarce,
    /// The largest dot product of demand and free room (Panigrahy et al. 2011).
    Dot,
    /// The least distance between demand and free room (the same).
    L2,
    /// The demand whose direction is nearest to that of the free room, larger
    /// ones first by this weight.
    Balance(f64),
}

/// The order of [`Pick::Order`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Key {
    /// Most valuable item first.
    Value,
    /// Largest item first, as a part of the node.
    Size,
    /// Largest part of any one resource first.
    Widest,
}

/// What shapes look like from one type.
#[derive(Debug, Clone)]
pub(super) struct Lens {
    /// Shapes that the type accepts and that are wanted.
    pub(super) shapes: Vec<usize>,
    /// Part of the node that one item takes of each resource, devices last; one
    /// shape after the other.
    parts: Vec<f64>,
    /// Weight of each resource.
    weights: Vec<f64>,
    capacity: Vec<f64>,
}

impl Lens {
    pub(super) fn new(scope: Scope<'_>, ty: usize) -> Self {
        let (model, t) = (scope.model, &scope.model.types[ty]);
        let mut capacity: Vec<f64> = t.capacity.iter().map(|c| *c as f64).collect();
        capacity.push(t.devices.iter().map(|(_, m)| f64::from(*m)).sum());
        let shapes: Vec<usize> = (0..model.shapes.len())
            .filter(|s| model.wanted[*s] && t.fits[*s] > 0)
            .filter(|s| {
                scope
                    .zone
                    .is_none_or(|z| model.shapes[*s].zones.contains(z))
            })
            .collect();
        let parts = shapes
            .iter()
            .flat_map(|s| {
                let shape = &model.shapes[*s];
                let devices = shape
                    .devices
                    .as_ref()
                    .map_or(0.0, |d| f64::from(d.count) * f64::from(d.milli));
                let demand = shape.demand.iter().map(|d| *d as f64);
                let amounts = demand.chain([devices]).zip(&capacity);
                amounts.map(|(d, c)| if *c > 0.0 { d / c } else { 0.0 })
            })
            .collect();
        let known: f64 = scope.bound.weights[ty].iter().sum();
        let weights = if known > 1e-6 {
            scope.bound.weights[ty].iter().map(|w| w / known).collect()
        } else {
            vec![1.0 / (model.dims + 1) as f64; model.dims + 1]
        };
        Self {
            shapes,
            parts,
            weights,
            capacity,
        }
    }

    /// What one item takes.
    #[inline]
    fn parts(&self, i: usize) -> &[f64] {
        let width = self.capacity.len();
        &self.parts[i * width..(i + 1) * width]
    }

    /// What is free on a bin, as parts of the capacity; the inverse where the
    /// scarcest counts most.
    fn free(&self, bin: &Bin, pick: Pick, out: &mut Vec<f64>) {
        out.clear();
        out.extend_from_slice(&self.capacity);
        for (at, part) in out.iter_mut().enumerate() {
            let free = match bin.free.get(at) {
                Some(free) => *free,
                None => bin.free_devices(),
            };
            *part = if *part > 0.0 {
                free as f64 / *part
            } else {
                0.0
            };
            if pick == Pick::Scarce {
                *part = 1.0 / part.max(1e-9);
            }
        }
    }

    fn size(&self, i: usize) -> f64 {
        sums::dot(self.parts(i), &self.weights)
    }

    /// Indices into `shapes` in the order of `key`, first things first.
    pub(super) fn order(&self, key: Key, values: &[f64]) -> Vec<usize> {
        let rank = |i: usize, size: f64| match key {
            Key::Value => values[self.shapes[i]],
            Key::Size => size,
            Key::Widest => self.parts(i).iter().fold(0.0_f64, |a, b| a.max(*b)),
        };
        let mut order: Vec<(f64, f64, usize)> = (0..self.shapes.len())
            .map(|i| (rank(i, self.size(i)), self.size(i), i))
            .collect();
        order.sort_by(|a, b| {
            let by_rank = b.0.total_cmp(&a.0);
            by_rank.then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2))
        });
        order.into_iter().map(|(.., i)| i).collect()
    }

    /// How well an item suits a bin with so much [`Lens::free`].
    fn score(&self, i: usize, pick: Pick, free: &[f64], values: &[f64]) -> f64 {
        let parts = self.parts(i);
        let (free, weights) = (&free[..parts.len()], &self.weights[..parts.len()]);
        match pick {
            Pick::Order(_) => 0.0,
            Pick::Scarce => values[self.shapes[i]] / sums::dot(parts, free).max(1e-12),
            Pick::Dot => {
                let mut dot = 0.0;
                for (at, p) in parts.iter().enumerate() {
                    dot += weights[at] * p * free[at];
                }
                dot
            }
            Pick::L2 => {
                let mut square = 0.0;
                for (at, p) in parts.iter().enumerate() {
                    square += weights[at] * (free[at] - p) * (free[at] - p);
                }
                -square
            }
            Pick::Balance(size) => {
                let (mut dot, mut pp, mut ff) = (0.0, 0.0, 0.0);
                for (at, p) in parts.iter().enumerate() {
                    let (f, w) = (free[at], weights[at]);
                    dot += w * p * f;
                    pp += w * p * p;
                    ff += w * f * f;
                }
                let cosine = dot / (pp * ff).sqrt().max(1e-12);
                cosine + size * (pp / ff.max(1e-12)).sqrt()
            }
        }
    }
}

/// Puts as many items of `shape` as fit, up to `want`, on the bin, those under
/// most rules first. Returns how many.
pub(super) fn add_shape(
    model: &Model,
    bin: &mut Bin,
    left: &mut Left,
    shape: usize,
    want: u32,
    work: &mut u64,
) -> u32 {
    add_kinds(model, bin, left, &model.shapes[shape].kinds, want, work)
}

/// [`add_shape`] from several shapes, `kinds` in their order.
pub(super) fn add_kinds(
    model: &Model,
    bin: &mut Bin,
    left: &mut Left,
    kinds: &[usize],
    want: u32,
    work: &mut u64,
) -> u32 {
    let mut added = 0;
    for kind in kinds {
        if added == want {
            break;
        }
        let available = left.kinds[*kind].min(want - added);
        if available == 0 {
            continue;
        }
        *work += 1;
        let room = bin.room(model, *kind, available);
        if room > 0 {
            bin.add(model, *kind, room);
            left.take(model, *kind, room);
            added += room;
        }
    }
    added
}

/// As many items as fit of each shape, in an order of the lens.
pub(super) fn fill_in(
    model: &Model,
    lens: &Lens,
    order: &[usize],
    bin: &mut Bin,
    left: &mut Left,
    work: &mut u64,
) {
    for i in order {
        let shape = lens.shapes[*i];
        let available = left.shapes[shape];
        if available > 0 {
            add_shape(model, bin, left, shape, available, work);
        }
    }
}

/// Fills a bin of the lens's type until nothing more fits.
pub(super) fn fill(
    scope: Scope<'_>,
    lens: &Lens,
    pick: Pick,
    values: &[f64],
    bin: &mut Bin,
    left: &mut Left,
    work: &mut u64,
) {
    let model = scope.model;
    if let Pick::Order(key) = pick {
        fill_in(model, lens, &lens.order(key, values), bin, left, work);
        return;
    }
    let mut open: Vec<usize> = (0..lens.shapes.len())
        .filter(|i| left.shapes[lens.shapes[*i]] > 0)
        .collect();
    let mut free: Vec<f64> = Vec::new();
    while !open.is_empty() {
        lens.free(bin, pick, &mut free);
        let mut best: Option<(f64, usize)> = None;
        let mut kept = 0;
        for at in 0..open.len() {
            let i = open[at];
            let shape = lens.shapes[i];
            if left.shapes[shape] == 0 || !sums::fits(&model.shapes[shape].demand, &bin.free) {
                continue;
            }
            open[kept] = i;
            kept += 1;
            let score = lens.score(i, pick, &free, values);
            if best.is_none_or(|(b, _)| score > b) {
                best = Some((score, i));
            }
        }
        open.truncate(kept);
        *work += open.len() as u64;
        let Some((_, i)) = best else { break };
        if add_shape(model, bin, left, lens.shapes[i], 1, work) == 0 {
            open.retain(|x| *x != i);
        }
    }
}

/// Puts items on open bins where they leave the least behind.
///
/// Returns how many of `count` found a place; bins are noted in `journal` as
/// they were before. No bin has more free than `roofs` say.
pub(super) fn insert(
    scope: Scope<'_>,
    pack: &mut Pack,
    kind: usize,
    count: u32,
    roofs: &Roofs,
    mut journal: Option<&mut Vec<(usize, Bin)>>,
) -> u32 {
    let model = scope.model;
    let demand = &model.shapes[model.kinds[kind].shape].demand;
    let mut placed = 0;
    let blocks = roofs.blocks();
    let mut candidates: Vec<(f64, usize)> = blocks
        .filter(|(block, _)| admitted(model, roofs, *block, kind))
        .flat_map(|(_, nodes)| nodes)
        .map(|i| (i, &pack.bins[i]))
        .filter(|(_, b)| b.accepts(model, kind) && b.room(model, kind, 1) > 0)
        .map(|(i, b)| (waste(model, b, demand), i))
        .collect();
    pack.work += pack.bins.len() as u64;
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (_, i) in candidates {
        if placed == count {
            break;
        }
        let room = pack.bins[i].room(model, kind, count - placed);
        if room > 0 {
            if let Some(journal) = &mut journal {
                journal.push((i, pack.bins[i].clone()));
            }
            pack.bins[i].add(model, kind, room);
            pack.left.take(model, kind, room);
            placed += room;
        }
    }
    placed
}

/// What is free on bins.
pub(super) fn roofs(model: &Model, bins: &[Bin]) -> Roofs {
    let mut roofs = Roofs::new(model.dims);
    for (at, bin) in bins.iter().enumerate() {
        bin.raise(&mut roofs, at);
    }
    roofs
}

/// Whether a bin of a block may take an item of a kind.
pub(super) fn admitted(model: &Model, roofs: &Roofs, block: usize, kind: usize) -> bool {
    let shape = &model.shapes[model.kinds[kind].shape];
    let device = shape.devices.as_ref().map_or(0, |d| u64::from(d.milli));
    roofs.admit(block, &shape.demand, device)
}

/// Smallest where the item fills the bin best.
pub(super) fn waste(model: &Model, bin: &Bin, demand: &[u64]) -> f64 {
    let capacity = match bin.on {
        On::New { ty, .. } => &model.types[ty as usize].capacity,
        On::Node(_) => &bin.free,
    };
    let mut waste = 0.0;
    for (dim, free) in bin.free.iter().enumerate() {
        let rest = free.saturating_sub(demand[dim]) as f64 / (capacity[dim] as f64).max(1.0);
        waste += rest * rest;
    }
    waste
}
