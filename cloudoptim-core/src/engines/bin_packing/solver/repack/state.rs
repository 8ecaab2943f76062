//! A fleet in which nodes are emptied in thought.

use super::super::bin::Bin;
use super::super::canon::Canonical;
use super::super::model::Model;
use super::super::problem::{Class, ExistingNode, Mask, Problem};
use super::super::search;
use super::super::solution::{Effort, NewNode, Placed};
use super::super::zones::ZoneRules;
use super::relax::emptied;
use super::{Fleet, Place, Point, Relocation};
use crate::model::MicroUsdPerHour;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// How a node is chosen for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Where the least room stays behind.
    Tight,
    /// Where what stays free is most alike in all resources.
    Even,
    /// The first in the order of ids, as a scheduler without a view of the whole.
    First,
}

/// Above so many items without a place, an attempt is given up at once.
const MAX_EJECTED: u32 = 64;

/// How many items of each kind should stand on each look of nodes.
pub(super) struct Quota<'a> {
    /// Nodes of each look.
    pub(super) nodes: &'a [Vec<usize>],
    /// By look and shape.
    pub(super) flow: &'a [Vec<f64>],
}

/// What all trials share.
pub(super) struct Base<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) model: &'a Model,
    bins: Vec<Bin>,
    zones: ZoneRules,
    /// What a node offers once emptied, by resource; at least 1.
    capacity: Vec<Vec<f64>>,
    /// Kinds and counts that may move, by node.
    pub(super) movable: Vec<Vec<(usize, u32)>>,
    pub(super) items: Vec<u64>,
    pub(super) price: Vec<i64>,
    pub(super) removable: Vec<bool>,
    /// Whether the node takes items.
    open: Vec<bool>,
    /// Kinds: those that are hard to place first.
    rank: Vec<usize>,
    pub(super) cost_before: i64,
}

/// Nodes emptied, items moved, nodes bought.
#[derive(Clone)]
pub(super) struct Trial {
    bins: Vec<Bin>,
    zones: ZoneRules,
    pub(super) gone: Vec<bool>,
    /// Nodes in the order in which they went.
    pub(super) removed: Vec<usize>,
    /// Kinds and counts that came to each node.
    arrived: Vec<Vec<(usize, u32)>>,
    /// Nodes bought; they come after those of the fleet in all lists by node.
    pub(super) bought: Vec<Bought>,
    /// What the fleet costs.
    pub(super) cost: i64,
    /// Items that ended elsewhere.
    pub(super) moved: u64,
    /// Evictions, also of items that had moved before.
    pub(super) evictions: u64,
    pub(super) work: u64,
    /// Kinds of which no open node takes one more; nodes only get fuller.
    full: Vec<bool>,
}

/// A node that was bought, with all that is on it.
#[derive(Clone)]
pub(super) struct Bought {
    node: NewNode,
    /// What it offers, by resource; at least 1.
    capacity: Vec<f64>,
    /// Whether its bin tells what is on it; else it takes nothing more.
    open: bool,
}

/// How to take a step back.
#[derive(Default)]
struct Undo {
    bins: Vec<(usize, Bin)>,
    shifts: Vec<(usize, usize, i64)>,
    arrived: Vec<(usize, Vec<(usize, u32)>)>,
}

impl<'a> Base<'a> {
    pub(super) fn new(fleet: &'a Fleet, model: &'a Model) -> Self {
        let problem = &fleet.problem;
        let bins: Vec<Bin> = problem
            .nodes
            .iter()
            .enumerate()
            .map(|(i, n)| Bin::existing(model, i, n))
            .collect();
        let capacity: Vec<Vec<f64>> = (0..problem.nodes.len())
            .map(|n| {
                let (capacity, _) = emptied(fleet, problem, n);
                capacity.iter().map(|c| (*c as f64).max(1.0)).collect()
            })
            .collect();
        let movable: Vec<Vec<(usize, u32)>> = fleet
            .holdings
            .iter()
            .map(|h| {
                let mut kinds: BTreeMap<usize, u32> = BTreeMap::new();
                for (class, n) in h.movable.iter().filter(|(_, n)| *n > 0) {
                    *kinds.entry(model.kind_of_class[*class]).or_default() += n;
                }
                kinds.into_iter().collect()
            })
            .collect();
        let items: Vec<u64> = movable
            .iter()
            .map(|m| m.iter().map(|(_, n)| u64::from(*n)).sum())
            .collect();
        let price: Vec<i64> = fleet
            .holdings
            .iter()
            .map(|h| h.price.map_or(0, |p| p.0))
            .collect();
        let removable: Vec<bool> = fleet
            .holdings
            .iter()
            .map(|h| h.removable && h.price.is_some())
            .collect();
        // Sizes as parts of the mean node.
        let count = capacity.len().max(1) as f64;
        let mean: Vec<f64> = (0..model.dims)
            .map(|r| capacity.iter().map(|c| c[r]).sum::<f64>() / count)
            .collect();
        let size = |k: usize| -> u64 {
            let demand = &model.shapes[model.kinds[k].shape].demand;
            let parts = demand
                .iter()
                .zip(&mean)
                .map(|(d, m)| *d as f64 / m.max(1.0));
            (parts.fold(0.0, f64::max) * 1e9) as u64
        };
        let mut order: Vec<usize> = (0..model.kinds.len()).collect();
        order.sort_by_key(|k| {
            let kind = &model.kinds[*k];
            (
                Reverse(kind.zoned || !kind.company.is_empty()),
                Reverse(size(*k)),
                Reverse(kind.touches.len()),
                *k,
            )
        });
        let mut rank = vec![0; order.len()];
        for (at, k) in order.iter().enumerate() {
            rank[*k] = at;
        }
        Self {
            zones: ZoneRules::new(problem, model),
            open: problem.nodes.iter().map(|n| !n.closed).collect(),
            cost_before: price.iter().sum(),
            fleet,
            model,
            bins,
            capacity,
            movable,
            items,
            price,
            removable,
            rank,
        }
    }

    pub(super) fn start(&self) -> Trial {
        Trial {
            bins: self.bins.clone(),
            zones: self.zones.clone(),
            gone: vec![false; self.bins.len()],
            removed: Vec::new(),
            arrived: vec![Vec::new(); self.bins.len()],
            bought: Vec::new(),
            cost: self.cost_before,
            moved: 0,
            evictions: 0,
            work: 0,
            full: vec![false; self.model.kinds.len()],
        }
    }

    /// Nodes without anything that may move, and that may go.
    pub(super) fn empty(&self, node: usize) -> bool {
        self.removable[node] && self.items[node] == 0
    }

    fn score(&self, trial: &Trial, node: usize, demand: &[u64], fit: Fit) -> f64 {
        let free = trial.bins[node].free.iter();
        let rest = free
            .zip(demand)
            .zip(trial.capacity(self, node))
            .map(|((f, d), c)| f.saturating_sub(*d) as f64 / c);
        match fit {
            Fit::First => 0.0,
            Fit::Tight => rest.map(|r| r * r).sum(),
            Fit::Even => {
                let rest: Vec<f64> = rest.collect();
                let mean = rest.iter().sum::<f64>() / (rest.len() as f64).max(1.0);
                let unlike: f64 = rest.iter().map(|r| (r - mean) * (r - mean)).sum();
                unlike + 0.1 * mean * mean
            }
        }
    }
}

impl Trial {
    fn new_node(&self, base: &Base<'_>, node: usize) -> Option<&Bought> {
        self.bought.get(node.checked_sub(base.price.len())?)
    }

    /// What a node costs.
    pub(super) fn price(&self, base: &Base<'_>, node: usize) -> i64 {
        let new = self.new_node(base, node);
        new.map_or_else(|| base.price[node], |new| new.node.price.0)
    }

    /// Whether a node may go.
    pub(super) fn removable(&self, base: &Base<'_>, node: usize) -> bool {
        base.removable.get(node).copied().unwrap_or(true)
    }

    fn open(&self, base: &Base<'_>, node: usize) -> bool {
        let new = self.new_node(base, node);
        new.map_or_else(|| base.open[node], |new| new.open)
    }

    fn capacity<'b>(&'b self, base: &'b Base<'_>, node: usize) -> &'b [f64] {
        let new = self.new_node(base, node);
        new.map_or_else(|| &base.capacity[node], |new| &new.capacity)
    }

    /// How many nodes there are, with those that are gone.
    pub(super) fn nodes(&self) -> usize {
        self.bins.len()
    }

    /// Empties `nodes` and takes them away, as long as all of their items find
    /// a place on the others; else changes nothing.
    pub(super) fn remove(&mut self, base: &Base<'_>, nodes: &[usize], fit: Fit) -> bool {
        self.remove_by(base, nodes, fit, None)
    }

    /// [`Trial::remove`], placing by quota first.
    pub(super) fn remove_by(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        fit: Fit,
        quota: Option<&Quota<'_>>,
    ) -> bool {
        let mut kinds = nodes.iter().flat_map(|n| base.movable.get(*n)).flatten();
        if kinds.any(|(k, _)| self.full[*k]) {
            return false;
        }
        let mut stuck = None;
        let went = self.remove_or(base, nodes, fit, quota, |trial, left, undo| {
            // A few that are left find a place when others make room.
            let rest: u32 = left.values().sum();
            let few = rest <= MAX_EJECTED && u64::from(rest) * 20 <= nodes.len() as u64 + 20;
            let done = few && trial.eject_all(base, left, undo);
            stuck = left.keys().next().copied();
            (left.is_empty() || done).then(Vec::new)
        });
        if let (false, Some(kind)) = (went, stuck) {
            self.full[kind] = (0..self.bins.len()).all(|i| {
                let bin = &self.bins[i];
                nodes.contains(&i)
                    || self.gone[i]
                    || !self.open(base, i)
                    || !bin.accepts(base.model, kind)
                    || bin.room_alone(base.model, kind, 1) == 0
            });
            self.work += self.bins.len() as u64;
        }
        went
    }

    /// [`Trial::remove`], buying nodes for what finds no place if all is then
    /// at most `budget` for the new nodes.
    pub(super) fn replace(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        fit: Fit,
        quota: Option<&Quota<'_>>,
        budget: i64,
        effort: &Effort,
    ) -> bool {
        self.remove_or(base, nodes, fit, quota, |trial, left, _| {
            if left.is_empty() {
                return Some(Vec::new());
            }
            trial.buy(base, left, budget, effort)
        })
    }

    /// [`Trial::remove`], buying at most one node, for at most `budget`.
    pub(super) fn replace_by_one(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        fit: Fit,
        budget: i64,
    ) -> bool {
        self.remove_or(base, nodes, fit, None, |trial, left, _| {
            if left.is_empty() {
                return Some(Vec::new());
            }
            Some(vec![trial.one_for(base, left, budget)?])
        })
    }

    /// The cheapest single node for what is left.
    fn one_for(
        &mut self,
        base: &Base<'_>,
        left: &BTreeMap<usize, u32>,
        budget: i64,
    ) -> Option<NewNode> {
        let model = base.model;
        let mut offers: Vec<(i64, usize, usize)> = Vec::new();
        for (ty, t) in model.types.iter().enumerate() {
            let affordable = t.offers.iter().enumerate();
            let affordable = affordable.filter(|(_, o)| o.price.0 <= budget);
            offers.extend(affordable.map(|(at, o)| (o.price.0, ty, at)));
        }
        offers.sort_unstable();
        let mut sums = vec![0u64; model.dims];
        for (kind, n) in left {
            let demand = &model.shapes[model.kinds[*kind].shape].demand;
            for (sum, d) in sums.iter_mut().zip(demand) {
                *sum = sum.saturating_add(d.saturating_mul(u64::from(*n)));
            }
        }
        let items: Vec<(usize, u32)> = left.iter().map(|(k, n)| (*k, *n)).collect();
        for (_, ty, at) in offers {
            self.work += 1;
            let t = &model.types[ty];
            let small = sums.iter().zip(&t.capacity).any(|(s, c)| s > c);
            let offer = t.offers[at];
            if small
                || !self.in_stock(base, t.source, offer.offering)
                || !self.zone_takes(base, offer.zone, &items)
            {
                continue;
            }
            let mut node = NewNode {
                node_type: t.source,
                offering: offer.offering,
                zone: offer.zone,
                price: offer.price,
                items: Vec::new(),
            };
            let Some(bin) = self.filled(base, &node, &items) else {
                continue;
            };
            for item in &bin.items {
                let (class, _) = model.kinds[item.kind as usize].classes.first()?;
                node.items.push(Placed {
                    class: *class,
                    count: item.count,
                    devices: (0..64).filter(|i| (item.devices >> i) & 1 == 1).collect(),
                });
            }
            return Some(node);
        }
        None
    }

    /// Whether the rules about zones let all these items into a zone.
    fn zone_takes(&mut self, base: &Base<'_>, zone: Option<usize>, items: &[(usize, u32)]) -> bool {
        let zoned = items.iter().filter(|(k, _)| base.model.kinds[*k].zoned);
        let Some(zone) = zone else {
            return zoned.count() == 0;
        };
        let mut came: Vec<usize> = Vec::new();
        let mut takes = true;
        'all: for (kind, n) in zoned {
            for _ in 0..*n {
                if !self.zones.admits(*kind, zone) {
                    takes = false;
                    break 'all;
                }
                self.zones.shift(*kind, zone, 1);
                came.push(*kind);
            }
        }
        for kind in came {
            self.zones.shift(kind, zone, -1);
        }
        takes
    }

    /// Whether one more node of an offering can be had.
    fn in_stock(&self, base: &Base<'_>, ty: usize, offering: usize) -> bool {
        let types = &base.fleet.problem.types;
        let offer = types.get(ty).and_then(|t| t.offerings.get(offering));
        let live = self.bought.iter().zip(base.price.len()..);
        let live = live.filter(|(b, i)| {
            !self.gone[*i] && b.node.node_type == ty && b.node.offering == offering
        });
        offer
            .and_then(|o| o.available)
            .is_none_or(|most| (live.count() as u64) < u64::from(most))
    }

    fn remove_or(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        fit: Fit,
        quota: Option<&Quota<'_>>,
        rest: impl FnOnce(&mut Self, &BTreeMap<usize, u32>, &mut Undo) -> Option<Vec<NewNode>>,
    ) -> bool {
        let model = base.model;
        let mut undo = Undo::default();
        let excess = self.zones.total();
        let mut leave: BTreeMap<usize, u32> = BTreeMap::new();
        let (mut moved, mut evicted, mut saved) = (0, 0, 0);
        for node in nodes {
            let node = *node;
            if self.gone[node] {
                continue;
            }
            undo.bins.push((node, self.bins[node].clone()));
            undo.arrived
                .push((node, std::mem::take(&mut self.arrived[node])));
            let Some((_, arrived)) = undo.arrived.last() else {
                continue;
            };
            let own = base.movable.get(node).into_iter().flatten();
            for (kind, n) in own.chain(arrived) {
                *leave.entry(*kind).or_default() += n;
                evicted += u64::from(*n);
                self.bins[node].release_present(model, *kind, *n);
                if let Some(zone) = self.bins[node].zone {
                    self.zones.shift(*kind, zone, -i64::from(*n));
                    undo.shifts.push((*kind, zone, -i64::from(*n)));
                }
            }
            self.gone[node] = true;
            moved += base.items.get(node).copied().unwrap_or(0);
            saved += self.price(base, node);
        }
        let mut kinds: Vec<(usize, u32)> = leave.into_iter().collect();
        kinds.sort_by_key(|(k, _)| base.rank[*k]);
        if let Some(quota) = quota {
            let wanted = self.wanted(base, quota, &kinds);
            for ((kind, count), wanted) in kinds.iter_mut().zip(wanted) {
                for (look, n) in wanted {
                    let within = quota.nodes.get(look).map(Vec::as_slice);
                    *count -= self.place(base, *kind, n.min(*count), fit, within, &mut undo);
                }
            }
        }
        let mut left: BTreeMap<usize, u32> = BTreeMap::new();
        for (kind, count) in kinds {
            let placed = self.place(base, kind, count, fit, None, &mut undo);
            if placed < count {
                left.insert(kind, count - placed);
            }
        }
        let new = rest(self, &left, &mut undo)
            .filter(|_| self.zones.total() <= excess || !left.is_empty());
        let Some(new) = new else {
            for (node, bin) in undo.bins.into_iter().rev() {
                self.bins[node] = bin;
            }
            for (node, arrived) in undo.arrived.into_iter().rev() {
                self.arrived[node] = arrived;
            }
            for (kind, zone, n) in undo.shifts {
                self.zones.shift(kind, zone, -n);
            }
            for node in nodes {
                if !self.removed.contains(node) {
                    self.gone[*node] = false;
                }
            }
            return false;
        };
        self.removed
            .extend(nodes.iter().filter(|n| self.gone[**n]).copied());
        self.cost += new.iter().map(|n| n.price.0).sum::<i64>() - saved;
        for node in new {
            self.stand(base, node);
        }
        self.moved += moved;
        self.evictions += evicted;
        true
    }

    /// Puts a node that was bought beside the others.
    fn stand(&mut self, base: &Base<'_>, node: NewNode) {
        let model = base.model;
        let mut arrived: BTreeMap<usize, u32> = BTreeMap::new();
        for item in &node.items {
            *arrived.entry(model.kind_of_class[item.class]).or_default() += item.count;
        }
        let arrived: Vec<(usize, u32)> = arrived.into_iter().collect();
        for (kind, n) in &arrived {
            if let Some(zone) = node.zone {
                self.zones.shift(*kind, zone, i64::from(*n));
            }
        }
        let bin = self.filled(base, &node, &arrived);
        let types = &base.fleet.problem.types;
        let capacity = types.get(node.node_type).map_or(&[][..], |t| &t.capacity);
        self.bought.push(Bought {
            capacity: capacity.iter().map(|c| (*c as f64).max(1.0)).collect(),
            open: bin.is_some(),
            node,
        });
        let bin = bin.or_else(|| self.bins.first().map(Bin::closed));
        self.bins.extend(bin);
        self.gone.push(false);
        self.arrived.push(arrived);
        // It may have room for what had none before.
        self.full.fill(false);
    }

    /// The bin of a node that was bought; `None` when it cannot be told what
    /// else would fit.
    fn filled(&self, base: &Base<'_>, node: &NewNode, items: &[(usize, u32)]) -> Option<Bin> {
        let model = base.model;
        let ty = model
            .types
            .iter()
            .position(|t| t.source == node.node_type)?;
        let mut offers = model.types[ty].offers.iter();
        let offer = offers.position(|o| o.offering == node.offering)?;
        let mut order = items.to_vec();
        order.sort_by_key(|(kind, _)| {
            let request = &model.shapes[model.kinds[*kind].shape].devices;
            let devices = request.as_ref().map_or((0, 0), |d| (d.count, d.milli));
            let company = !model.kinds[*kind].company.is_empty();
            (company, Reverse(devices), *kind)
        });
        let mut bin = Bin::new(model, ty, offer);
        for (kind, n) in order {
            if !bin.accepts(model, kind) || bin.room_alone(model, kind, n) < n {
                return None;
            }
            bin.add(model, kind, n);
        }
        Some(bin)
    }

    /// How many items of each kind should go to each look: what the quota has
    /// there above what stands there.
    fn wanted(
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
    fn place(
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
            let alone = !k.company.is_empty() && self.starts_group(base, kind);
            let mut candidates: Vec<(f64, usize)> = Vec::new();
            let scanned = within.map_or(self.bins.len(), <[usize]>::len);
            for at in 0..scanned {
                let i = within.map_or(at, |nodes| nodes[at]);
                let bin = &self.bins[i];
                // Most nodes are too full: the cheap test comes first.
                let fits = demand.iter().zip(&bin.free).all(|(d, f)| d <= f);
                if !fits || self.gone[i] || !self.open(base, i) || !bin.accepts(model, kind) {
                    continue;
                }
                let room = if alone {
                    bin.room_alone(model, kind, 1)
                } else {
                    bin.room(model, kind, 1)
                };
                if room > 0 {
                    candidates.push((base.score(self, i, demand, fit), i));
                }
            }
            self.work += scanned as u64;
            candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let before = placed;
            for (_, i) in candidates {
                let zone = self.bins[i].zone;
                if one_by_one
                    && let Some(zone) = zone
                    && !self.zones.admits(kind, zone)
                {
                    continue;
                }
                let want = if one_by_one { 1 } else { count - placed };
                let room = if alone {
                    1
                } else {
                    self.bins[i].room(model, kind, want)
                };
                if room == 0 {
                    continue;
                }
                undo.bins.push((i, self.bins[i].clone()));
                undo.arrived.push((i, self.arrived[i].clone()));
                self.bins[i].add(model, kind, room);
                self.arrive(i, kind, room);
                if let Some(zone) = zone {
                    self.zones.shift(kind, zone, i64::from(room));
                    undo.shifts.push((kind, zone, i64::from(room)));
                }
                placed += room;
                if placed == count || one_by_one {
                    break;
                }
            }
            if placed == before || !one_by_one {
                break;
            }
        }
        placed
    }

    /// Places every item that is left by moving one that came before it.
    fn eject_all(&mut self, base: &Base<'_>, left: &BTreeMap<usize, u32>, undo: &mut Undo) -> bool {
        left.iter()
            .all(|(kind, n)| (0..*n).all(|_| self.eject(base, *kind, undo)))
    }

    /// Puts an item where a smaller one that came there finds another place.
    fn eject(&mut self, base: &Base<'_>, kind: usize, undo: &mut Undo) -> bool {
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
            undo.bins.push((i, self.bins[i].clone()));
            undo.arrived.push((i, self.arrived[i].clone()));
        }
        let entry = self.bins[node]
            .items
            .iter()
            .position(|i| i.kind as usize == other);
        let Some(entry) = entry else { return false };
        self.bins[node].remove(model, entry, 1);
        self.leave(node, other);
        if self.bins[node].room(model, kind, 1) == 0 || self.bins[to].room(model, other, 1) == 0 {
            return false;
        }
        self.bins[node].add(model, kind, 1);
        self.arrive(node, kind, 1);
        self.bins[to].add(model, other, 1);
        self.arrive(to, other, 1);
        for (k, at, n) in [(other, node, -1), (kind, node, 1), (other, to, 1)] {
            if let Some(zone) = self.bins[at].zone {
                self.zones.shift(k, zone, n);
                undo.shifts.push((k, zone, n));
            }
        }
        true
    }

    /// The open node that an item fills best.
    fn tightest(&self, base: &Base<'_>, kind: usize) -> Option<(f64, usize)> {
        let model = base.model;
        let demand = &model.shapes[model.kinds[kind].shape].demand;
        (0..self.bins.len())
            .filter(|i| {
                let bin = &self.bins[*i];
                !self.gone[*i]
                    && self.open(base, *i)
                    && bin.accepts(model, kind)
                    && bin.room(model, kind, 1) > 0
            })
            .map(|i| (base.score(self, i, demand, Fit::Tight), i))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
    }

    fn leave(&mut self, node: usize, kind: usize) {
        for (k, n) in &mut self.arrived[node] {
            if *k == kind {
                *n -= 1;
            }
        }
        self.arrived[node].retain(|(_, n)| *n > 0);
    }

    fn arrive(&mut self, node: usize, kind: usize, count: u32) {
        match self.arrived[node].iter_mut().find(|(k, _)| *k == kind) {
            Some((_, n)) => *n += count,
            None => self.arrived[node].push((kind, count)),
        }
    }

    /// Whether an item is its own company and there is none anywhere.
    fn starts_group(&self, base: &Base<'_>, kind: usize) -> bool {
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

    /// The cheapest nodes found for what is left, if not above `budget`.
    fn buy(
        &mut self,
        base: &Base<'_>,
        left: &BTreeMap<usize, u32>,
        budget: i64,
        effort: &Effort,
    ) -> Option<Vec<NewNode>> {
        let (model, whole) = (base.model, &base.fleet.problem);
        if whole.types.is_empty() {
            return None;
        }
        let mut classes: Vec<Class> = whole.classes.clone();
        for class in &mut classes {
            class.count = 0;
            class.nodes = Mask::NONE;
        }
        for (kind, n) in left {
            let (class, _) = model.kinds[*kind].classes.first()?;
            classes[*class].count = *n;
        }
        // What stands matters to rules about zones only: a new node is empty.
        let nodes = if model.zoned {
            self.standing(base)
        } else {
            Vec::new()
        };
        let mut types = whole.types.clone();
        for (new, i) in self.bought.iter().zip(base.price.len()..) {
            let node = &new.node;
            let offers = types.get_mut(node.node_type).map(|t| &mut t.offerings);
            let offer = offers.and_then(|o| o.get_mut(node.offering));
            if let Some(available) = offer.and_then(|o| o.available.as_mut())
                && !self.gone[i]
            {
                *available = available.saturating_sub(1);
            }
        }
        let problem = Problem {
            dims: whole.dims.clone(),
            zones: whole.zones.clone(),
            models: whole.models.clone(),
            types,
            rules: whole.rules.clone(),
            nodes,
            classes,
        };
        let canonical = Canonical::new(&problem);
        let solution = search::run(&canonical.problem, effort, &mut |_| {
            ControlFlow::Continue(())
        });
        let solution = canonical.back(solution);
        self.work += solution.work.placements;
        let fits = solution.unplaced.is_empty() && solution.cost.0 <= budget;
        fits.then_some(solution.nodes)
    }

    /// The kept nodes with what stands on them, taking nothing more.
    fn standing(&self, base: &Base<'_>) -> Vec<ExistingNode> {
        let problem = &base.fleet.problem;
        let kept = problem.nodes.iter().enumerate();
        kept.map(|(i, node)| {
            let mut present = node.present.clone();
            if self.gone[i] {
                for (class, n) in &base.fleet.holdings[i].movable {
                    if let Some(entry) = present.iter_mut().find(|(c, _)| c == class) {
                        entry.1 = entry.1.saturating_sub(*n);
                    }
                }
            }
            for (kind, n) in &self.arrived[i] {
                if let Some((class, _)) = base.model.kinds[*kind].classes.first() {
                    present.push((*class, *n));
                }
            }
            ExistingNode {
                present,
                closed: true,
                ..node.clone()
            }
        })
        .chain(self.bought_standing(base))
        .collect()
    }

    /// The same of the nodes that were bought.
    fn bought_standing<'b>(
        &'b self,
        base: &'b Base<'_>,
    ) -> impl Iterator<Item = ExistingNode> + 'b {
        let numbered = self.bought.iter().zip(base.price.len()..);
        numbered.filter(|(_, i)| !self.gone[*i]).map(|(new, i)| {
            let present = self.arrived[i].iter().filter_map(|(kind, n)| {
                let (class, _) = base.model.kinds[*kind].classes.first()?;
                Some((*class, *n))
            });
            ExistingNode {
                id: format!("bought {i}"),
                zone: new.node.zone,
                free: vec![0; base.model.dims],
                devices: Vec::new(),
                present: present.collect(),
                closed: true,
            }
        })
    }

    /// Items on a node that may move.
    pub(super) fn standing_on(&self, base: &Base<'_>, node: usize) -> u64 {
        let arrived = self.arrived[node].iter().map(|(_, n)| u64::from(*n));
        base.items.get(node).copied().unwrap_or(0) + arrived.sum::<u64>()
    }

    /// The trial as a point, in canonical indices.
    pub(super) fn point(&self, base: &Base<'_>, found_by: &str) -> Point {
        let model = base.model;
        // Where items of each kind come to, in node order; then who goes there,
        // in the order in which nodes went.
        let mut places: Vec<Vec<(Place, u32, Vec<usize>)>> = vec![Vec::new(); model.kinds.len()];
        let own = base.price.len();
        for (node, arrived) in self.arrived.iter().enumerate().take(own) {
            for (kind, n) in arrived {
                places[*kind].push((Place::Node(node), *n, Vec::new()));
            }
        }
        let mut bought: Vec<NewNode> = Vec::new();
        for (new, node) in self.bought.iter().zip(own..) {
            if self.gone[node] {
                continue;
            }
            let place = Place::Bought(bought.len());
            if new.open {
                for item in &self.bins[node].items {
                    let devices = (0..64).filter(|i| (item.devices >> i) & 1 == 1).collect();
                    places[item.kind as usize].push((place, item.count, devices));
                }
            } else {
                for item in &new.node.items {
                    let kind = model.kind_of_class[item.class];
                    places[kind].push((place, item.count, item.devices.clone()));
                }
            }
            bought.push(NewNode {
                items: Vec::new(),
                ..new.node.clone()
            });
        }
        for list in &mut places {
            list.reverse();
        }
        let mut moves: BTreeMap<(usize, usize, Place), u32> = BTreeMap::new();
        for node in self.removed.iter().filter(|n| **n < own) {
            for (class, count) in &base.fleet.holdings[*node].movable {
                let list = &mut places[model.kind_of_class[*class]];
                let mut rest = *count;
                while rest > 0 {
                    let Some((place, room, devices)) = list.last_mut() else {
                        break;
                    };
                    let n = rest.min(*room);
                    *moves.entry((*node, *class, *place)).or_default() += n;
                    if let Place::Bought(index) = *place {
                        let items = &mut bought[index].items;
                        let same = |i: &&mut Placed| i.class == *class && i.devices == *devices;
                        match items.iter_mut().find(same) {
                            Some(item) => item.count += n,
                            None => items.push(Placed {
                                class: *class,
                                count: n,
                                devices: devices.clone(),
                            }),
                        }
                    }
                    rest -= n;
                    *room -= n;
                    if *room == 0 {
                        list.pop();
                    }
                }
            }
        }
        let moves: Vec<Relocation> = moves
            .into_iter()
            .map(|((from, class, to), count)| Relocation {
                class,
                count,
                from,
                to,
            })
            .collect();
        Point {
            cost: MicroUsdPerHour(self.cost),
            moved: self.moved,
            lower_bound: MicroUsdPerHour::ZERO,
            removed: self.removed.iter().copied().filter(|n| *n < own).collect(),
            bought,
            moves,
            found_by: found_by.to_owned(),
        }
    }
}
