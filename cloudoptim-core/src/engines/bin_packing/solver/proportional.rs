//! Packing many classes by their share in the fluid optimum.
//!
//! Where classes are many, every node can be filled to the brim, and the fluid
//! optimum says what a node of each type should hold on average. Each node gets
//! a part of that, large items first, what is rounded off carried over to the
//! next node; then, of a few items drawn at random, the one that leaves amounts
//! in balance; and at last the pair that fills the rest best. So what is left
//! stays a fair sample of the whole, and the last nodes are as full as the first.

use super::bin::Bin;
use super::pack::{Pack, Scope, add_shape};

/// How the nodes are filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Setting {
    /// The part of the fluid share that is placed outright.
    pub(super) share: f64,
    /// Of how many drawn items the most balanced is taken.
    pub(super) drawn: usize,
    /// How much of a node, in mean items, is left to the best pair.
    pub(super) tail: f64,
}

/// First items of pairs that are tried with every second one.
const FIRSTS: usize = 10;

/// Nodes after which draws follow what is left.
const RENEWED: usize = 64;

/// A type of the fluid optimum.
struct Share {
    ty: usize,
    usage: f64,
    /// Shape, how many of it a node holds, and what was carried over; the
    /// largest first.
    items: Vec<(usize, f64, f64)>,
    weights: Vec<f64>,
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`, which is small.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Opens as many nodes as the fluid optimum has, and fills them.
pub(super) fn proportional(scope: Scope<'_>, pack: &mut Pack, setting: Setting, seed: u64) {
    let model = scope.model;
    let mut draws = Draws::new(seed);
    let mut shares = shares(scope, pack, &mut draws);
    let total: f64 = shares.iter().map(|s| s.usage).sum();
    if total < 1.0 {
        return;
    }
    let everything: u32 = model.kinds.iter().map(|k| k.count).sum();
    let nodes = total * pack.left.total as f64 / f64::from(everything.max(1));
    let mean_items = f64::from(everything) / total;
    let mut opened = vec![0.0; shares.len()];
    let mut urn = Urn::default();
    for node in 0..nodes.floor() as usize {
        if node % RENEWED == 0 {
            if model.stop.is_due() {
                return;
            }
            urn = Urn::new(&pack.left.shapes);
        }
        let due = |at: usize| shares[at].usage / total * (node + 1) as f64 - opened[at];
        let Some(at) = (0..shares.len()).max_by(|a, b| due(*a).total_cmp(&due(*b))) else {
            return;
        };
        opened[at] += 1.0;
        let share = &mut shares[at];
        let Some((offer, _)) = pack.stock.cheapest(scope, share.ty) else {
            share.usage = 0.0;
            continue;
        };
        let mut bin = Bin::new(model, share.ty, offer);
        for (shape, per_node, carried) in &mut share.items {
            *carried += *per_node * setting.share;
            let want = (carried.floor().max(0.0) as u32).min(pack.left.shapes[*shape]);
            if want > 0 {
                let left = &mut pack.left;
                let placed = add_shape(model, &mut bin, left, *shape, want, &mut pack.work);
                *carried -= f64::from(placed);
            }
            *carried = carried.min(2.0);
        }
        let mut filler = Filler {
            scope,
            weights: &share.weights,
            capacity: &model.types[share.ty].capacity,
            urn: &urn,
            draws: &mut draws,
        };
        filler.balance(&mut bin, pack, setting, setting.tail / mean_items);
        filler.finish(&mut bin, pack);
        if !bin.is_empty() {
            pack.stock.take(model, share.ty, offer, 1);
            pack.bins.push(bin);
        }
    }
}

fn shares(scope: Scope<'_>, pack: &Pack, draws: &mut Draws) -> Vec<Share> {
    let model = scope.model;
    let mut shares = Vec::new();
    for (ty, usage) in scope.bound.usage.iter().copied().enumerate() {
        if usage < 0.5 || pack.stock.cheapest(scope, ty).is_none() {
            continue;
        }
        let t = &model.types[ty];
        let size = |s: usize| -> f64 {
            let parts = model.shapes[s].demand.iter().zip(&t.capacity);
            parts.map(|(d, c)| *d as f64 / (*c as f64).max(1.0)).sum()
        };
        let flows = scope.bound.flow.range((ty, 0)..=(ty, usize::MAX));
        let flows = flows.filter(|((_, s), _)| pack.left.shapes[*s] > 0);
        let mut items: Vec<(usize, f64, f64)> = flows
            .map(|((_, s), flow)| (*s, flow / usage, draws.part()))
            .collect();
        items.sort_by(|a, b| size(b.0).total_cmp(&size(a.0)).then(a.0.cmp(&b.0)));
        let known: f64 = scope.bound.weights[ty][..model.dims].iter().sum();
        let weights = scope.bound.weights[ty][..model.dims].iter();
        shares.push(Share {
            ty,
            usage,
            items,
            weights: weights.map(|w| w / known.max(1e-12)).collect(),
        });
    }
    shares
}

/// Shapes in proportion to what is left of them.
#[derive(Debug, Default)]
struct Urn {
    upto: Vec<u64>,
}

impl Urn {
    fn new(left: &[u32]) -> Self {
        let mut sum = 0;
        let upto = left.iter().map(|n| {
            sum += u64::from(*n);
            sum
        });
        Self {
            upto: upto.collect(),
        }
    }

    fn draw(&self, draws: &mut Draws) -> Option<usize> {
        let total = self.upto.last().copied().filter(|total| *total > 0)?;
        let at = draws.next() % total;
        Some(self.upto.partition_point(|upto| *upto <= at))
    }
}

struct Filler<'a> {
    scope: Scope<'a>,
    weights: &'a [f64],
    capacity: &'a [u64],
    urn: &'a Urn,
    draws: &'a mut Draws,
}

impl Filler<'_> {
    fn fits(&self, bin: &Bin, pack: &Pack, shape: usize) -> bool {
        let demand = self.scope.model.shapes[shape].demand.iter();
        pack.left.shapes[shape] > 0 && demand.zip(&bin.free).all(|(d, f)| d <= f)
    }

    /// How much is free, and how unevenly, once `shape` is there too.
    fn rest(&self, bin: &Bin, shape: Option<usize>) -> (f64, f64) {
        let demand = shape.map(|s| &self.scope.model.shapes[s].demand);
        let (mut mean, mut square) = (0.0, 0.0);
        for (dim, weight) in self.weights.iter().enumerate() {
            let taken = demand.map_or(0, |demand| demand[dim]);
            let free = bin.free[dim].saturating_sub(taken);
            let part = free as f64 / (self.capacity[dim] as f64).max(1.0);
            mean += weight * part;
            square += weight * part * part;
        }
        (mean, square - mean * mean)
    }

    /// Adds the most balanced of a few drawn items until little is free.
    fn balance(&mut self, bin: &mut Bin, pack: &mut Pack, setting: Setting, tail: f64) {
        let mut misses = 0;
        while misses < 3 && self.rest(bin, None).0 > tail {
            let mut best: Option<(f64, usize)> = None;
            for _ in 0..setting.drawn {
                let Some(shape) = self.urn.draw(self.draws) else {
                    return;
                };
                pack.work += 1;
                if self.fits(bin, pack, shape) {
                    let (_, uneven) = self.rest(bin, Some(shape));
                    if best.is_none_or(|(least, _)| uneven < least) {
                        best = Some((uneven, shape));
                    }
                }
            }
            let added = best.map_or(0, |(_, shape)| {
                let (left, work) = (&mut pack.left, &mut pack.work);
                add_shape(self.scope.model, bin, left, shape, 1, work)
            });
            misses = if added == 0 { misses + 1 } else { 0 };
        }
    }

    /// Adds the pair that is worth most, again and again.
    fn finish(&mut self, bin: &mut Bin, pack: &mut Pack) {
        let model = self.scope.model;
        let values = &self.scope.bound.values;
        let mut open: Vec<usize> = (0..model.shapes.len()).collect();
        loop {
            open.retain(|s| self.fits(bin, pack, *s));
            pack.work += open.len() as u64 / 4;
            if open.is_empty() {
                return;
            }
            // Dearest first: the first second item that fits is the best.
            open.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
            let mut best = (values[open[0]], open[0], None);
            for _ in 0..FIRSTS {
                let first = open[(self.draws.next() % open.len() as u64) as usize];
                let demand = &model.shapes[first].demand;
                let second = open.iter().find(|s| {
                    let both = model.shapes[**s].demand.iter().zip(demand).zip(&bin.free);
                    let enough = if **s == first { 2 } else { 1 };
                    pack.left.shapes[**s] >= enough
                        && both.fold(true, |ok, ((a, b), f)| ok && a + b <= *f)
                });
                pack.work += 4;
                if let Some(second) = second {
                    let worth = values[first] + values[*second];
                    if worth > best.0 {
                        best = (worth, first, Some(*second));
                    }
                }
            }
            let mut added = 0;
            for shape in [Some(best.1), best.2].into_iter().flatten() {
                let (left, work) = (&mut pack.left, &mut pack.work);
                added += add_shape(model, bin, left, shape, 1, work);
            }
            if added == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::{Class, NodeType, Offering, Problem};
    use super::super::{Effort, solve};
    use crate::model::MicroUsdPerHour;

    #[test]
    fn many_classes_are_packed_close_to_the_fluid_bound() {
        let classes = (0..500u64).map(|at| Class {
            id: format!("{at:03}"),
            count: 1 + (at * 7 % 19) as u32,
            demand: vec![120 + at * 37 % 1_900, 90 + at * 53 % 4_100],
            ..Class::default()
        });
        let node_type = |id: &str, capacity: [u64; 2], price: i64| NodeType {
            id: id.to_owned(),
            capacity: capacity.to_vec(),
            offerings: vec![Offering {
                price: Some(MicroUsdPerHour(price)),
                ..Offering::default()
            }],
            ..NodeType::default()
        };
        let problem = Problem {
            dims: vec!["cpu".to_owned(), "memory".to_owned()],
            classes: classes.collect(),
            types: vec![
                node_type("c", [15_900, 28_000], 680_000),
                node_type("m", [15_900, 58_000], 768_000),
            ],
            ..Problem::default()
        };
        let solution = solve(&problem, &Effort::default()).unwrap();
        assert!(solution.unplaced.is_empty());
        assert!(
            solution.proof.strategy.contains("proportional"),
            "{}",
            solution.proof.strategy
        );
        let gap = solution.gap().unwrap();
        assert!(gap < 0.015, "{gap}");
    }
}
