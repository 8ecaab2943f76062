//! Where items go: by quota, by fit, and by making others give way.

use super::{Base, Fit, Quota, Trial, Undo};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// An item that looks for a node.
#[derive(Clone, Copy)]
struct Guest {
    kind: usize,
    /// Whether each of its kind changes where the next may go.
    one_by_one: bool,
    /// Whether it asks for company that is nowhere yet.
    alone: bool,
}

impl Trial {
    /// How many items of each kind should go to each look: what the quota has
    /// there above what stands there.
    pub(super) fn wanted(
        &self,
        base: &Base<'_>,
        quota: &Quota<'_>,
        kinds: &[(usize, u32)],
    ) -> Vec<Vec<(usize, u32)>> {
        let model = base.model;
        let looks = quota.flow.len();
        let mut stands: Vec<Vec<f64>> = vec![vec![0.0; model.shapes.len()]; looks];
        for (nodes, stands) in quota.nodes.iter().zip(&mut stands) {
            for node in nodes.iter().filter(|n| !self.gone[**n]) {
                for (kind, n) in base.movable[*node].iter().chain(&self.arrived[*node]) {
                    stands[model.kinds[*kind].shape] += f64::from(*n);
                }
            }
        }
        kinds
            .iter()
            .map(|(kind, count)| {
                let shape = model.kinds[*kind].shape;
                let above: Vec<f64> = (0..looks)
                    .map(|l| (quota.flow[l][shape] - stands[l][shape]).max(0.0))
                    .collect();
                let sum: f64 = above.iter().sum();
                if sum <= 0.0 {
                    return Vec::new();
                }
                // Rounded so that the parts add up.
                let (mut before, mut given) = (0.0, 0);
                above
                    .iter()
                    .enumerate()
                    .map(|(look, part)| {
                        before += part / sum * f64::from(*count);
                        let upto = (before + 0.5).floor().min(f64::from(*count)) as u32;
                        let n = upto.saturating_sub(given);
                        given = given.max(upto);
                        (look, n)
                    })
                    .filter(|(_, n)| *n > 0)
                    .collect()
            })
            .collect()
    }

    /// Puts up to `count` items of a kind on open nodes; returns how many.
    pub(super) fn place(
        &mut self,
        base: &Base<'_>,
        kind: usize,
        count: u32,
        fit: Fit,
        within: Option<&[usize]>,
        undo: &mut Undo,
    ) -> u32 {
        let model = base.model;
        let k = &model.kinds[kind];
        let one_by_one = k.zoned || !k.company.is_empty();
        let demand = &model.shapes[k.shape].demand;
        let mut placed = 0;
        while placed < count {
            let guest = Guest {
                kind,
                one_by_one,
                alone: !k.company.is_empty() && self.starts_group(base, kind),
            };
            let before = placed;
            self.work += within.map_or(self.bins.len(), <[usize]>::len) as u64;
            if let (Fit::First, None) = (fit, within) {
                placed += self.put_first(base, guest, count - placed, undo);
            } else {
                let mut candidates: Vec<Reverse<(u64, usize)>> = Vec::new();
                let mut look_at = |trial: &Self, i: usize| {
                    let takes = trial.takes(base, guest, i);
                    if takes {
                        // Never below zero: its bits are in its order.
                        let score = base.score(trial, i, demand, fit).to_bits();
                        candidates.push(Reverse((score, i)));
                    }
                    takes
                };
                match within {
                    Some(nodes) => nodes.iter().for_each(|i| {
                        look_at(self, *i);
                    }),
                    None => self.in_blocks(demand, &mut look_at),
                }
                // As a heap: of many candidates mostly few are looked at.
                let mut candidates = BinaryHeap::from(candidates);
                while let Some(Reverse((_, i))) = candidates.pop() {
                    placed += self.put(base, guest, i, count - placed, undo);
                    if placed == count || (one_by_one && placed > before) {
                        break;
                    }
                }
            }
            if placed == before || !one_by_one {
                break;
            }
        }
        placed
    }

    /// Looks at the nodes of all blocks that may take an item which asks for so much;
    /// where none of a block does, what is free on them is looked at, too.
    fn in_blocks(&mut self, demand: &[u64], look_at: &mut impl FnMut(&Self, usize) -> bool) {
        for (block, nodes) in self.bins.blocks() {
            if self.bins.admit(block, demand) {
                let mut some = false;
                for i in nodes.clone() {
                    some |= look_at(self, i);
                }
                if !some {
                    self.bins.renew(block, nodes, |i| !self.gone[i]);
                }
            }
        }
    }

    /// Puts up to `want` items on the first nodes that take them; says how many.
    fn put_first(&mut self, base: &Base<'_>, guest: Guest, want: u32, undo: &mut Undo) -> u32 {
        let demand = &base.model.shapes[base.model.kinds[guest.kind].shape].demand;
        let mut placed = 0;
        for (block, nodes) in self.bins.blocks() {
            if !self.bins.admit(block, demand) {
                continue;
            }
            let mut some = false;
            for i in nodes.clone() {
                if self.takes(base, guest, i) {
                    some = true;
                    placed += self.put(base, guest, i, want - placed, undo);
                    if placed == want || (guest.one_by_one && placed > 0) {
                        return placed;
                    }
                }
            }
            if !some {
                self.bins.renew(block, nodes, |i| !self.gone[i]);
            }
        }
        placed
    }

    /// Whether a node takes one item at least.
    #[inline]
    fn takes(&self, base: &Base<'_>, guest: Guest, node: usize) -> bool {
        let model = base.model;
        let kind = &model.kinds[guest.kind];
        let shape = &model.shapes[kind.shape];
        // Most nodes are gone or too full: the cheap tests come first.
        if self.gone[node] || !self.bins.fits(node, &shape.demand) || !self.open(base, node) {
            return false;
        }
        let bin = &self.bins[node];
        if !bin.accepts(model, guest.kind) {
            return false;
        }
        // Nothing but what it takes can keep an item off a node that accepts it.
        let plain = kind.touches.is_empty() && kind.company.is_empty() && shape.devices.is_none();
        plain
            || if guest.alone {
                bin.room_alone(model, guest.kind, 1) > 0
            } else {
                bin.room(model, guest.kind, 1) > 0
            }
    }

    /// Puts up to `want` items on a node; says how many it takes.
    fn put(
        &mut self,
        base: &Base<'_>,
        guest: Guest,
        node: usize,
        want: u32,
        undo: &mut Undo,
    ) -> u32 {
        let (model, kind) = (base.model, guest.kind);
        let zone = self.bins[node].zone;
        if guest.one_by_one
            && let Some(zone) = zone
            && !self.zones.admits(kind, zone)
        {
            return 0;
        }
        let want = if guest.one_by_one { 1 } else { want };
        let room = if guest.alone {
            1
        } else {
            self.bins[node].room(model, kind, want)
        };
        if room == 0 {
            return 0;
        }
        undo.keep(self, node);
        self.bins.change(node, |bin| bin.add(model, kind, room));
        self.arrive(node, kind, room);
        if let Some(zone) = zone {
            self.zones.shift(kind, zone, i64::from(room));
            undo.shifted(kind, zone, i64::from(room));
        }
        room
    }

    /// Places every item that is left by moving one that came before it.
    pub(super) fn eject_all(
        &mut self,
        base: &Base<'_>,
        left: &BTreeMap<usize, u32>,
        undo: &mut Undo,
    ) -> bool {
        left.iter()
            .all(|(kind, n)| (0..*n).all(|_| self.eject(base, *kind, undo)))
    }

    /// Puts an item where a smaller one that came there finds another place.
    pub(super) fn eject(&mut self, base: &Base<'_>, kind: usize, undo: &mut Undo) -> bool {
        let model = base.model;
        if model.kinds[kind].zoned || !model.kinds[kind].company.is_empty() {
            return false;
        }
        // Which kinds some open node takes one more of.
        let mut room: BTreeMap<usize, Option<(f64, usize)>> = BTreeMap::new();
        let demand = &model.shapes[model.kinds[kind].shape].demand;
        let mut best: Option<(f64, usize, usize, usize)> = None;
        for node in 0..self.bins.len() {
            self.work += 1;
            let bin = &self.bins[node];
            if self.gone[node] || !self.open(base, node) || !bin.accepts(model, kind) {
                continue;
            }
            for (other, _) in &self.arrived[node] {
                let other = *other;
                if other == kind || model.kinds[other].zoned {
                    continue;
                }
                let less = &model.shapes[model.kinds[other].shape].demand;
                let mut free = bin.free.iter().zip(less).zip(demand);
                if !free.all(|((f, l), d)| f + l >= *d) {
                    continue;
                }
                let to = *room
                    .entry(other)
                    .or_insert_with(|| self.tightest(base, other));
                let Some((score, to)) = to else { continue };
                if to == node {
                    continue;
                }
                let waste: f64 = bin
                    .free
                    .iter()
                    .zip(less)
                    .zip(demand)
                    .zip(self.capacity(base, node))
                    .map(|(((f, l), d), c)| {
                        let rest = (f + l - d) as f64 / c;
                        rest * rest
                    })
                    .sum();
                let key = waste + score;
                if best.is_none_or(|b| key < b.0) {
                    best = Some((key, node, other, to));
                }
            }
        }
        let Some((_, node, other, to)) = best else {
            return false;
        };
        for i in [node, to] {
            undo.keep(self, i);
        }
        let entry = self.bins[node]
            .items
            .iter()
            .position(|i| i.kind as usize == other);
        let Some(entry) = entry else { return false };
        self.bins.change(node, |bin| bin.remove(model, entry, 1));
        self.leave(node, other);
        if self.bins[node].room(model, kind, 1) == 0 || self.bins[to].room(model, other, 1) == 0 {
            return false;
        }
        self.bins.change(node, |bin| bin.add(model, kind, 1));
        self.arrive(node, kind, 1);
        self.bins.change(to, |bin| bin.add(model, other, 1));
        self.arrive(to, other, 1);
        for (k, at, n) in [(other, node, -1), (kind, node, 1), (other, to, 1)] {
            if let Some(zone) = self.bins[at].zone {
                self.zones.shift(k, zone, n);
                undo.shifted(k, zone, n);
            }
        }
        true
    }

    /// The open node that an item fills best.
    pub(super) fn tightest(&self, base: &Base<'_>, kind: usize) -> Option<(f64, usize)> {
        let model = base.model;
        let demand = &model.shapes[model.kinds[kind].shape].demand;
        (0..self.bins.len())
            .filter(|i| {
                let bin = &self.bins[*i];
                !self.gone[*i]
                    && self.bins.fits(*i, demand)
                    && self.open(base, *i)
                    && bin.accepts(model, kind)
                    && bin.room(model, kind, 1) > 0
            })
            .map(|i| (base.score(self, i, demand, Fit::Tight), i))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
    }

    pub(super) fn leave(&mut self, node: usize, kind: usize) {
        for (k, n) in &mut self.arrived[node] {
            if *k == kind {
                *n -= 1;
            }
        }
        self.arrived[node].retain(|(_, n)| *n > 0);
    }

    pub(super) fn arrive(&mut self, node: usize, kind: usize, count: u32) {
        match self.arrived[node].iter_mut().find(|(k, _)| *k == kind) {
            Some((_, n)) => *n += count,
            None => self.arrived[node].push((kind, count)),
        }
    }

    /// Whether an item is its own company and there is none anywhere.
    pub(super) fn starts_group(&self, base: &Base<'_>, kind: usize) -> bool {
        let model = base.model;
        let k = &model.kinds[kind];
        k.company.iter().all(|a| {
            let rule = (model.limits.len() + a) as u32;
            let own = k.touches.iter().any(|t| t.rule == rule && t.of);
            own && self
                .bins
                .iter()
                .zip(&self.gone)
                .all(|(b, gone)| *gone || b.company(model, *a) == 0)
        })
    }
}
