//! A fleet in which nodes are emptied in thought.

mod bins;
mod buy;
mod concentrate;
mod deal;
mod fill;
mod floors;
mod home;
mod place;
mod regroup;

use super::super::bin::Bin;
use super::super::grid::gcd;
use super::super::limited;
use super::super::model::Model;
use super::super::solution::{Effort, NewNode, Placed};
use super::super::zones::ZoneRules;
use super::relax::emptied;
use super::{Fleet, Place, Point, Relocation};
use crate::model::MicroUsdPerHour;
use bins::Bins;
use floors::Floor;
pub(super) use regroup::Loose;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a node is chosen for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Where the least room stays behind.
    Tight,
    /// Where what stays free is most alike in all resources.
    Even,
    /// The first in the order of ids, as a scheduler without a view of the whole.
    First,
}

/// Whether a trial that fails is used again, as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Back,
    Once,
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

/// What guides items to nodes before they go where they fit best.
#[derive(Clone, Copy)]
enum Guide<'a> {
    Quota(&'a Quota<'a>),
    /// By shape, what an item is worth.
    Values(&'a [f64]),
}

/// What all trials share.
pub(super) struct Base<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) model: &'a Model,
    bins: Bins,
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
    /// What a new node takes, by purchase limit, type and offering.
    takes: Vec<Vec<Vec<u64>>>,
    /// Purchase limits with a minimum.
    floors: Vec<Floor>,
    pub(super) cost_before: i64,
    /// Of what all prices are multiples.
    step: i64,
    /// What one fleet costs less than another, at the least: a step of the prices;
    /// where nothing can be bought, what the cheapest node costs that may go.
    pub(super) least: i64,
}

/// Nodes emptied, items moved, nodes bought.
#[derive(Clone)]
pub(super) struct Trial {
    bins: Bins,
    zones: ZoneRules,
    pub(super) gone: Vec<bool>,
    /// Nodes in the order in which they went.
    pub(super) removed: Vec<usize>,
    /// Kinds and counts that came to each node.
    arrived: Vec<Vec<(usize, u32)>>,
    /// Kinds and counts that left a node of the fleet that stays. After that nodes
    /// are taken away, and none is bought but in place of one
    /// ([`Trial::regroup`]).
    departed: Vec<Vec<(usize, u32)>>,
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
    bins: Vec<(usize, Arc<Bin>)>,
    shifts: Vec<(usize, usize, i64)>,
    arrived: Vec<(usize, Vec<(usize, u32)>)>,
    /// Nobody will: what fails is thrown away.
    never: bool,
}

impl Undo {
    /// Remembers a node as it is.
    fn keep(&mut self, trial: &Trial, node: usize) {
        if !self.never {
            self.bins.push((node, trial.bins.share(node)));
            self.arrived.push((node, trial.arrived[node].clone()));
        }
    }

    /// Remembers that so many of a kind came to a zone.
    fn shifted(&mut self, kind: usize, zone: usize, items: i64) {
        if !self.never {
            self.shifts.push((kind, zone, items));
        }
    }
}

impl<'a> Base<'a> {
    pub(super) fn new(fleet: &'a Fleet, model: &'a Model) -> Self {
        let problem = &fleet.problem;
        let nodes = problem.nodes.iter().enumerate();
        let bins = nodes.map(|(i, n)| Bin::existing(model, i, n));
        let bins = Bins::new(model.dims, bins);
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
        let offered = problem.types.iter().flat_map(|t| &t.offerings);
        let offered = offered.filter_map(|o| o.price.map(|p| p.0));
        let counted = problem.classes.iter().filter(|c| c.count > 0);
        let disliked = counted.flat_map(|c| &c.dislikes).map(|d| d.cost.0);
        let prices = price.iter().copied().chain(offered).chain(disliked);
        let step = prices.fold(0, |step, p| gcd(step, p.unsigned_abs()));
        let step = i64::try_from(step).unwrap_or(1);
        let may_go = price.iter().zip(&removable).filter(|(p, r)| **r && **p > 0);
        let least = match problem.types.is_empty() && !model.prefers {
            true => may_go.map(|(p, _)| *p).min().unwrap_or(0),
            false => step,
        };
        Self {
            step,
            least,
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
            floors: Floor::all(fleet),
            takes: {
                let limits = problem.purchase_limits.iter();
                limits.map(|limit| limited::table(problem, limit)).collect()
            },
        }
    }

    /// Whether what is left of purchase limits is enough for a new node.
    fn within(&self, left: &[u64], ty: usize, offering: usize) -> bool {
        let mut tables = left.iter().zip(&self.takes);
        tables.all(|(left, table)| table[ty][offering] <= *left)
    }

    pub(super) fn start(&self) -> Trial {
        Trial {
            bins: self.bins.clone(),
            zones: self.zones.clone(),
            gone: vec![false; self.bins.len()],
            removed: Vec::new(),
            arrived: vec![Vec::new(); self.bins.len()],
            departed: vec![Vec::new(); self.bins.len()],
            bought: Vec::new(),
            cost: self.cost_before,
            moved: 0,
            evictions: 0,
            work: 0,
            full: vec![false; self.model.kinds.len()],
        }
    }

    /// No fleet costs less than this if none costs less than `lower`: what fleets
    /// cost are whole steps of the prices.
    pub(super) fn priced(&self, lower: i64) -> i64 {
        let over = lower.checked_rem(self.step).unwrap_or(0);
        match over {
            0 => lower,
            over => lower.saturating_add(self.step - over),
        }
    }

    /// Nodes without anything that may move, and that may go.
    pub(super) fn empty(&self, node: usize) -> bool {
        self.removable[node] && self.items[node] == 0
    }

    fn score(&self, trial: &Trial, node: usize, demand: &[u64], fit: Fit) -> f64 {
        let free = trial.bins.free(node).iter();
        let rest = free
            .zip(demand)
            .zip(trial.capacity(self, node))
            .map(|((f, d), c)| f.saturating_sub(*d) as f64 / c);
        match fit {
            Fit::First => 0.0,
            Fit::Tight => rest.map(|r| r * r).sum(),
            Fit::Even => {
                let mean = rest.clone().sum::<f64>() / (demand.len() as f64).max(1.0);
                let unlike: f64 = rest.map(|r| (r - mean) * (r - mean)).sum();
                unlike + 0.1 * mean * mean
            }
        }
    }
}

impl Trial {
    fn new_node(&self, base: &Base<'_>, node: usize) -> Option<&Bought> {
        self.bought.get(node.checked_sub(base.price.len())?)
    }

    /// What items that may move cost beside, by what they dislike of where they stand.
    fn beside(&self, base: &Base<'_>) -> i64 {
        let model = base.model;
        if !model.prefers {
            return 0;
        }
        let shape = |kind: usize| &model.shapes[model.kinds[kind].shape];
        let own = base.price.len();
        let mut sum: i64 = 0;
        for node in (0..own).filter(|n| !self.gone[*n]) {
            let on = |(kind, n): &(usize, u32)| shape(*kind).extra_on(node) * i64::from(*n);
            sum += base.movable[node].iter().map(on).sum::<i64>();
            sum += self.arrived[node].iter().map(on).sum::<i64>();
            sum -= self.departed[node].iter().map(on).sum::<i64>();
        }
        for (new, node) in self.bought.iter().zip(own..) {
            if self.gone[node] {
                continue;
            }
            let zone = new.node.zone;
            let on =
                |kind: usize, n: u32| shape(kind).extra(new.node.node_type, zone) * i64::from(n);
            sum += if new.open {
                let items = self.bins[node].items.iter();
                items.map(|i| on(i.kind as usize, i.count)).sum::<i64>()
            } else {
                let items = new.node.items.iter();
                items
                    .map(|i| on(model.kind_of_class[i.class], i.count))
                    .sum()
            };
        }
        sum
    }

    /// What the fleet costs, and its items cost beside.
    pub(super) fn spent(&self, base: &Base<'_>) -> i64 {
        self.cost + self.beside(base)
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

    /// A node is gone, or there again.
    fn mark(&mut self, node: usize, gone: bool) {
        self.gone[node] = gone;
        self.bins.counts(node, !gone);
    }

    /// How many nodes there are, with those that are gone.
    pub(super) fn nodes(&self) -> usize {
        self.bins.len()
    }

    /// Empties `nodes` and takes them away, as long as all of their items find
    /// a place on the others; else changes nothing.
    pub(super) fn remove(&mut self, base: &Base<'_>, nodes: &[usize], fit: Fit) -> bool {
        self.remove_by(base, nodes, (fit, Way::Back), None)
    }

    /// [`Trial::remove`], placing by quota first. One that is tried [`Way::Once`]
    /// and fails is of no more use.
    pub(super) fn remove_by(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        (fit, way): (Fit, Way),
        quota: Option<&Quota<'_>>,
    ) -> bool {
        let mut kinds = nodes.iter().flat_map(|n| base.movable.get(*n)).flatten();
        if kinds.any(|(k, _)| self.full[*k]) {
            return false;
        }
        let guide = quota.map(Guide::Quota);
        self.remove_guided(base, nodes, (fit, way), guide)
    }

    /// [`Trial::remove`], filling one node after the other with what is worth most
    /// by values of shapes. One that fails is of no more use.
    pub(super) fn remove_filling(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        values: &[f64],
    ) -> bool {
        let guide = Some(Guide::Values(values));
        self.remove_guided(base, nodes, (Fit::Tight, Way::Once), guide)
    }

    fn remove_guided(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        (fit, way): (Fit, Way),
        guide: Option<Guide<'_>>,
    ) -> bool {
        if self.spared(base, nodes).len() < nodes.len() {
            return false;
        }
        let mut stuck = None;
        let went = self.remove_or(base, nodes, (fit, way), guide, |trial, left, undo| {
            // A few that are left find a place when others make room.
            let rest: u32 = left.values().sum();
            let few = rest <= MAX_EJECTED && u64::from(rest) * 20 <= nodes.len() as u64 + 20;
            let done = few && trial.eject_all(base, left, undo);
            stuck = left.keys().next().copied();
            (left.is_empty() || done).then(Vec::new)
        });
        if let (false, Way::Back, Some(kind)) = (went, way, stuck) {
            let demand = &base.model.shapes[base.model.kinds[kind].shape].demand;
            self.full[kind] = (0..self.bins.len()).all(|i| {
                let bin = &self.bins[i];
                !self.bins.fits(i, demand)
                    || self.gone[i]
                    || nodes.contains(&i)
                    || !self.open(base, i)
                    || !bin.accepts(base.model, kind)
                    || bin.room_alone(base.model, kind, 1) == 0
            });
            self.work += self.bins.len() as u64;
        }
        went
    }

    /// [`Trial::remove_filling`], buying nodes for what finds no place.
    pub(super) fn replace_filling(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        values: &[f64],
        effort: &Effort,
    ) -> bool {
        let guide = Some(Guide::Values(values));
        self.replace_guided(
            base,
            nodes,
            (Fit::Tight, Way::Once),
            guide,
            (i64::MAX, effort),
        )
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
        let guide = quota.map(Guide::Quota);
        self.replace_guided(base, nodes, (fit, Way::Back), guide, (budget, effort))
    }

    fn replace_guided(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        how: (Fit, Way),
        guide: Option<Guide<'_>>,
        means: (i64, &Effort),
    ) -> bool {
        self.remove_or(base, nodes, how, guide, |trial, left, _| {
            if left.is_empty() {
                return Some(Vec::new());
            }
            let new = trial.buy(base, left, means, None)?;
            if trial.keeps_minima_with(base, &new) {
                return Some(new);
            }
            let wanted = trial.wanted_offers(base)?;
            trial.buy(base, left, means, Some(&wanted))
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
        self.remove_or(base, nodes, (fit, Way::Back), None, |trial, left, _| {
            if left.is_empty() {
                return Some(Vec::new());
            }
            Some(vec![trial.one_for(base, left, budget)?])
        })
    }

    fn remove_or(
        &mut self,
        base: &Base<'_>,
        nodes: &[usize],
        (fit, way): (Fit, Way),
        guide: Option<Guide<'_>>,
        rest: impl FnOnce(&mut Self, &BTreeMap<usize, u32>, &mut Undo) -> Option<Vec<NewNode>>,
    ) -> bool {
        let model = base.model;
        let mut undo = Undo {
            never: way == Way::Once,
            ..Undo::default()
        };
        let excess = self.zones.total();
        let mut leave: BTreeMap<usize, u32> = BTreeMap::new();
        let (mut moved, mut evicted, mut saved) = (0, 0, 0);
        for node in nodes {
            let node = *node;
            if self.gone[node] {
                continue;
            }
            undo.keep(self, node);
            let arrived = std::mem::take(&mut self.arrived[node]);
            let departed = self.departed[node].iter();
            let departed: BTreeMap<usize, u32> = departed.copied().collect();
            let own = base.movable.get(node).into_iter().flatten();
            let own = own.map(|(kind, n)| {
                let left = departed.get(kind).copied().unwrap_or(0);
                (*kind, n.saturating_sub(left))
            });
            for (kind, n) in own.chain(arrived.iter().copied()) {
                *leave.entry(kind).or_default() += n;
                evicted += u64::from(n);
                self.bins
                    .change(node, |bin| bin.release_present(model, kind, n));
                if let Some(zone) = self.bins[node].zone {
                    self.zones.shift(kind, zone, -i64::from(n));
                    undo.shifted(kind, zone, -i64::from(n));
                }
            }
            self.mark(node, true);
            let left: u64 = departed.values().map(|n| u64::from(*n)).sum();
            moved += base
                .items
                .get(node)
                .copied()
                .unwrap_or(0)
                .saturating_sub(left);
            saved += self.price(base, node);
        }
        let mut kinds: Vec<(usize, u32)> = leave.into_iter().collect();
        kinds.sort_by_key(|(k, _)| base.rank[*k]);
        match guide {
            Some(Guide::Quota(quota)) => {
                let wanted = self.wanted(base, quota, &kinds);
                for ((kind, count), wanted) in kinds.iter_mut().zip(wanted) {
                    for (look, n) in wanted {
                        let within = quota.nodes.get(look).map(Vec::as_slice);
                        *count -= self.place(base, *kind, n.min(*count), fit, within, &mut undo);
                    }
                }
            }
            Some(Guide::Values(values)) => {
                // Those in rules first: they find a place on fewer nodes.
                for (kind, count) in &mut kinds {
                    let of = &base.model.kinds[*kind];
                    if of.zoned || !of.company.is_empty() {
                        *count -= self.place(base, *kind, *count, fit, None, &mut undo);
                    }
                }
                self.fill(base, &mut kinds, values, &mut undo);
            }
            None => {}
        }
        let mut left: BTreeMap<usize, u32> = BTreeMap::new();
        for (kind, count) in kinds {
            let placed = self.place(base, kind, count, fit, None, &mut undo);
            if placed < count {
                left.insert(kind, count - placed);
            }
        }
        let new = rest(self, &left, &mut undo)
            .filter(|_| self.zones.total() <= excess || !left.is_empty())
            .filter(|new| self.keeps_minima_with(base, new));
        let Some(new) = new else {
            if undo.never {
                return false;
            }
            self.undo(undo);
            for node in nodes {
                if !self.removed.contains(node) {
                    self.mark(*node, false);
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

    /// Items on a node that may move.
    pub(super) fn standing_on(&self, base: &Base<'_>, node: usize) -> u64 {
        let arrived = self.arrived[node].iter().map(|(_, n)| u64::from(*n));
        base.items.get(node).copied().unwrap_or(0) + arrived.sum::<u64>()
    }

    /// Node, class and count of the items that leave: all of the nodes that go, in
    /// the order in which they do, then some of those that stay.
    fn leaving(&self, base: &Base<'_>) -> Vec<(usize, usize, u32)> {
        let own = base.price.len();
        let mut out = Vec::new();
        for node in self.removed.iter().filter(|n| **n < own) {
            let movable = base.fleet.holdings[*node].movable.iter();
            out.extend(movable.map(|(class, n)| (*node, *class, *n)));
        }
        for (node, departed) in self.departed.iter().enumerate().take(own) {
            if self.gone[node] {
                continue;
            }
            let mut rest: BTreeMap<usize, u32> = departed.iter().copied().collect();
            for (class, n) in &base.fleet.holdings[node].movable {
                let kind = base.model.kind_of_class[*class];
                if let Some(left) = rest.get_mut(&kind) {
                    let some = (*n).min(*left);
                    *left -= some;
                    out.push((node, *class, some));
                }
            }
        }
        out.retain(|(.., n)| *n > 0);
        out
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
        for (node, class, count) in self.leaving(base) {
            let list = &mut places[model.kind_of_class[class]];
            let mut rest = count;
            while rest > 0 {
                let Some((place, room, devices)) = list.last_mut() else {
                    break;
                };
                let n = rest.min(*room);
                *moves.entry((node, class, *place)).or_default() += n;
                if let Place::Bought(index) = *place {
                    let items = &mut bought[index].items;
                    let same = |i: &&mut Placed| i.class == class && i.devices == *devices;
                    match items.iter_mut().find(same) {
                        Some(item) => item.count += n,
                        None => items.push(Placed {
                            class,
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
            preferences: MicroUsdPerHour(self.beside(base)),
            moved: self.moved,
            lower_bound: MicroUsdPerHour::ZERO,
            removed: self.removed.iter().copied().filter(|n| *n < own).collect(),
            bought,
            moves,
            found_by: found_by.to_owned(),
        }
    }
}
