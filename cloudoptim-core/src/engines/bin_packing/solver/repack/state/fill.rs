//! Nodes filled one after the other, each as well as can be.

use super::{Base, Fit, Trial, Undo};

/// Steps of the search for what fills one node.
const STEPS: u32 = 2_000;

/// What an item counts beside its value, by its size: a part of what its node
/// costs. Of fillings that are worth the same, the one that leaves less free is
/// taken.
const SIZE: f64 = 1e-3;

/// A kind of which some are without a place.
struct Loose {
    kind: usize,
    demand: Vec<u64>,
    left: u32,
    value: f64,
    /// Value for each unit of a resource.
    dense: Vec<f64>,
    /// How many the node takes that is filled.
    most: u32,
}

/// The search for what fills a node.
struct Search<'a> {
    loose: &'a [Loose],
    /// By entry and resource, the most that one unit is worth from there on.
    dense: Vec<Vec<f64>>,
    count: Vec<u32>,
    best: Vec<u32>,
    value: f64,
    left: u32,
}

impl Trial {
    /// Puts items on open nodes, those with least room first: on each the whole
    /// items that are worth most together. `values` are by shape. What stands in
    /// rules about zones or asks for company is left alone.
    pub(super) fn fill(
        &mut self,
        base: &Base<'_>,
        kinds: &mut [(usize, u32)],
        values: &[f64],
        undo: &mut Undo,
    ) {
        let model = base.model;
        let price = base.price.iter().copied().max().unwrap_or(0) as f64;
        let count = base.capacity.len().max(1) as f64;
        let mean: Vec<f64> = (0..model.dims)
            .map(|r| base.capacity.iter().map(|c| c[r]).sum::<f64>() / count)
            .collect();
        let mut loose: Vec<Loose> = kinds
            .iter()
            .filter(|(kind, _)| {
                let kind = &model.kinds[*kind];
                !kind.zoned && kind.company.is_empty()
            })
            .map(|(kind, left)| {
                let shape = model.kinds[*kind].shape;
                let demand = model.shapes[shape].demand.clone();
                let parts = demand
                    .iter()
                    .zip(&mean)
                    .map(|(d, m)| *d as f64 / m.max(1.0));
                let size = parts.fold(0.0, f64::max);
                let value = values.get(shape).copied().unwrap_or(0.0).max(0.0);
                let value = value + (size + 0.01) * size * SIZE * price;
                Loose {
                    kind: *kind,
                    left: *left,
                    value,
                    dense: demand
                        .iter()
                        .map(|d| {
                            if *d > 0 {
                                value / *d as f64
                            } else {
                                f64::INFINITY
                            }
                        })
                        .collect(),
                    demand,
                    most: 0,
                }
            })
            .collect();
        // Large items have fewer places.
        loose.sort_by_key(|l| base.rank[l.kind]);
        let mut nodes: Vec<usize> = (0..self.bins.len())
            .filter(|i| !self.gone[*i] && self.open(base, *i))
            .collect();
        let none = vec![0; model.dims];
        nodes.sort_by(|a, b| {
            let room = |i: usize| base.score(self, i, &none, Fit::Tight);
            room(*a).total_cmp(&room(*b)).then(a.cmp(b))
        });
        for node in nodes {
            let bin = &self.bins[node];
            let mut some = false;
            for l in &mut loose {
                let fits = l.left > 0 && l.demand.iter().zip(&bin.free).all(|(d, f)| d <= f);
                l.most = match fits && bin.accepts(model, l.kind) {
                    true => bin.room(model, l.kind, l.left),
                    false => 0,
                };
                some |= l.most > 0;
            }
            self.work += loose.len() as u64;
            if !some {
                continue;
            }
            let mut search = Search::new(&loose, model.dims);
            search.from(0, &bin.free, 0.0);
            self.work += u64::from(STEPS - search.left) / 4;
            let best = search.best;
            let zone = bin.zone;
            for (l, n) in loose.iter_mut().zip(best).filter(|(_, n)| *n > 0) {
                // Rules and devices are looked at one kind after the other.
                let n = self.bins[node].room(model, l.kind, n);
                if n == 0 {
                    continue;
                }
                undo.keep(self, node);
                self.bins.change(node, |bin| bin.add(model, l.kind, n));
                self.arrive(node, l.kind, n);
                if let Some(zone) = zone {
                    self.zones.shift(l.kind, zone, i64::from(n));
                    undo.shifted(l.kind, zone, i64::from(n));
                }
                l.left -= n;
            }
        }
        for (kind, left) in kinds {
            if let Some(l) = loose.iter().find(|l| l.kind == *kind) {
                *left = l.left;
            }
        }
    }
}

impl<'a> Search<'a> {
    fn new(loose: &'a [Loose], dims: usize) -> Self {
        // From the last entry on, the greatest so far.
        let mut dense = vec![vec![0.0; dims]];
        let mut most = vec![0.0_f64; dims];
        for l in loose.iter().rev() {
            if l.most > 0 {
                for (most, own) in most.iter_mut().zip(&l.dense) {
                    *most = most.max(*own);
                }
            }
            dense.push(most.clone());
        }
        dense.reverse();
        Self {
            dense,
            count: vec![0; loose.len()],
            best: vec![0; loose.len()],
            value: 0.0,
            left: STEPS,
            loose,
        }
    }

    fn from(&mut self, at: usize, free: &[u64], value: f64) {
        if value > self.value {
            self.value = value;
            self.best.copy_from_slice(&self.count);
        }
        let Some(l) = self.loose.get(at) else {
            return;
        };
        let Some(left) = self.left.checked_sub(1) else {
            return;
        };
        self.left = left;
        let room = free.iter().zip(&self.dense[at]);
        let most = room.fold(f64::INFINITY, |most, (f, d)| most.min(*f as f64 * d));
        // Nothing is gained, or nothing is worth anything.
        if value + most <= self.value * (1.0 + 1e-9) {
            return;
        }
        let fit = l.demand.iter().zip(free).filter(|(d, _)| **d > 0);
        let fit = fit.map(|(d, f)| f / d).min().unwrap_or(u64::MAX);
        let most = u32::try_from(fit).unwrap_or(u32::MAX).min(l.most);
        if most == 0 {
            self.from(at + 1, free, value);
            return;
        }
        let mut rest: Vec<u64> = free.to_vec();
        for n in (0..=most).rev() {
            for ((rest, f), d) in rest.iter_mut().zip(free).zip(&l.demand) {
                *rest = f.saturating_sub(d.saturating_mul(u64::from(n)));
            }
            self.count[at] = n;
            self.from(at + 1, &rest, value + f64::from(n) * l.value);
        }
        self.count[at] = 0;
    }
}
