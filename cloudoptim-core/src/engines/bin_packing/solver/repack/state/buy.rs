//! Nodes that are bought for what finds no place.

use super::super::super::bin::Bin;
use super::super::super::canon::Canonical;
use super::super::super::problem::{Class, ExistingNode, Mask, Problem, PurchaseLimit};
use super::super::super::search;
use super::super::super::solution::{Effort, NewNode, Placed};
use super::{Base, Bought, Trial};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

impl Trial {
    /// The cheapest single node for what is left.
    pub(super) fn one_for(
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
        let limits = self.limits_left(base, None);
        for (_, ty, at) in offers {
            self.work += 1;
            let t = &model.types[ty];
            let small = sums.iter().zip(&t.capacity).any(|(s, c)| s > c);
            let offer = t.offers[at];
            if small
                || !self.in_stock(base, (t.source, offer.offering), None, &limits)
                || !self.keeps_minima(base, None, &[(t.source, offer.offering)], None)
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
    pub(super) fn zone_takes(
        &mut self,
        base: &Base<'_>,
        zone: Option<usize>,
        items: &[(usize, u32)],
    ) -> bool {
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

    /// Whether one more node of an offering can be had, when another one goes and
    /// so much is left of purchase limits.
    pub(super) fn in_stock(
        &self,
        base: &Base<'_>,
        (ty, offering): (usize, usize),
        going: Option<usize>,
        left: &[u64],
    ) -> bool {
        let types = &base.fleet.problem.types;
        let offer = types.get(ty).and_then(|t| t.offerings.get(offering));
        let live = self.bought.iter().zip(base.price.len()..);
        let live = live.filter(|(b, i)| {
            let same = b.node.node_type == ty && b.node.offering == offering;
            same && !self.gone[*i] && going != Some(*i)
        });
        let stocked = offer
            .and_then(|o| o.available)
            .is_none_or(|most| (live.count() as u64) < u64::from(most));
        stocked && base.within(left, ty, offering)
    }

    /// What purchase limits leave beside the nodes that were bought and those that
    /// stay, but for one that is about to go.
    pub(super) fn limits_left(&self, base: &Base<'_>, going: Option<usize>) -> Vec<u64> {
        let problem = &base.fleet.problem;
        let mut left: Vec<u64> = problem.purchase_limits.iter().map(|l| l.max).collect();
        if left.is_empty() {
            return left;
        }
        let stays = |node: usize| !self.gone[node] && going != Some(node);
        for (node, holding) in base.fleet.holdings.iter().enumerate() {
            for (limit, amount) in holding.takes.iter().filter(|_| stays(node)) {
                left[*limit] = left[*limit].saturating_sub(*amount);
            }
        }
        let bought = self.bought.iter().zip(base.price.len()..);
        for (new, _) in bought.filter(|(_, i)| stays(*i)) {
            for (left, table) in left.iter_mut().zip(&base.takes) {
                let taken = table[new.node.node_type][new.node.offering];
                *left = left.saturating_sub(taken);
            }
        }
        left
    }

    /// Whether purchase limits, of which so much is left when another one goes, let
    /// a node come back.
    pub(super) fn comes_back(
        &self,
        base: &Base<'_>,
        node: usize,
        going: usize,
        left: &[u64],
    ) -> bool {
        let takes = base.fleet.holdings.get(node).map_or(&[][..], |h| &h.takes);
        takes.iter().all(|(limit, amount)| {
            // Nodes that were there before may be beyond a limit by themselves.
            let table = &base.takes[*limit];
            let mut bought = self.bought.iter().zip(base.price.len()..);
            let none = |(b, i): (&Bought, usize)| {
                let taken = table[b.node.node_type][b.node.offering];
                taken == 0 || self.gone[i] || i == going
            };
            *amount <= left[*limit] || bought.all(none)
        })
    }

    /// The cheapest nodes found for what is left, if not above `budget`; of some
    /// offers only where these are given.
    pub(super) fn buy(
        &mut self,
        base: &Base<'_>,
        left: &BTreeMap<usize, u32>,
        (budget, effort): (i64, &Effort),
        wanted: Option<&[Vec<bool>]>,
    ) -> Option<Vec<NewNode>> {
        let (model, whole) = (base.model, &base.fleet.problem);
        if whole.types.is_empty() || model.stop.is_due() {
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
        let offers = types.iter_mut().zip(wanted.into_iter().flatten());
        for (t, wanted) in offers {
            for (offer, _) in t.offerings.iter_mut().zip(wanted).filter(|(_, w)| !**w) {
                offer.available = Some(0);
            }
        }
        let left = self.limits_left(base, None);
        let limits = whole.purchase_limits.iter().zip(left);
        let limits = limits.map(|(limit, max)| PurchaseLimit {
            max,
            min: 0,
            ..limit.clone()
        });
        let problem = Problem {
            dims: whole.dims.clone(),
            zones: whole.zones.clone(),
            models: whole.models.clone(),
            types,
            rules: whole.rules.clone(),
            nodes,
            classes,
            purchase_limits: limits.collect(),
        };
        let canonical = Canonical::new(&problem).on_grid();
        let stop = &model.stop;
        let solution = search::run(&canonical.problem, effort, stop, &mut |_| {
            ControlFlow::Continue(())
        });
        let solution = canonical.back(solution);
        self.work += solution.work.placements;
        let fits = solution.unplaced.is_empty() && solution.cost.0 <= budget;
        fits.then_some(solution.nodes)
    }

    /// Puts a node that was bought beside the others.
    pub(super) fn stand(&mut self, base: &Base<'_>, node: NewNode) {
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
        let bin = bin.or_else(|| self.bins.get(0).map(Bin::closed));
        if let Some(bin) = bin {
            self.bins.push(bin);
        }
        self.gone.push(false);
        self.arrived.push(arrived);
        self.departed.push(Vec::new());
        // It may have room for what had none before.
        self.full.fill(false);
    }

    /// The bin of a node that was bought; `None` when it cannot be told what
    /// else would fit.
    pub(super) fn filled(
        &self,
        base: &Base<'_>,
        node: &NewNode,
        items: &[(usize, u32)],
    ) -> Option<Bin> {
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

    /// The kept nodes with what stands on them, taking nothing more.
    pub(super) fn standing(&self, base: &Base<'_>) -> Vec<ExistingNode> {
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
    pub(super) fn bought_standing<'b>(
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
}
