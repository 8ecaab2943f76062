//! A node goes, or a cheaper one comes in its place, and what stands on it and on
//! others is dealt out anew: items of nodes that stay move too.

use super::super::super::bin::Bin;
use super::super::super::solution::{Certificate, NewNode, Placed};
use super::deal::{Deal, Item, Seat};
use super::{Base, Fit, Trial, Undo};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Exchanges in which dealing out has to succeed.
const EXCHANGES: u32 = 600;

/// What comes in place of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Instead {
    /// A node that had gone.
    Back(usize),
    /// A new one: type in the model, offer in the type.
    New(usize, usize),
}

/// Price, zone and capacity of a node: nodes that are alike in all are one to choose.
type Look = (i64, Option<usize>, Vec<u64>);

/// A node that is dealt to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Node(usize),
    Instead(Instead),
}

/// Which items of nodes that stay may change places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Loose {
    /// Those that moved anyway.
    Arrived,
    /// Those at home, too.
    All,
}

/// Who was dealt where.
struct Dealt {
    /// Kinds, by item of the deal; sorted.
    kinds: Vec<usize>,
    /// By seat of the deal.
    at: Vec<At>,
    deal: Deal,
}

impl Trial {
    /// Takes a node away, deals out what stands on it and on `others`, and on
    /// `instead`, which comes. Changes nothing, and says so, where that does not
    /// work or does not pay at `per_move` for each move.
    pub(in super::super) fn regroup(
        &mut self,
        base: &Base<'_>,
        going: usize,
        others: &[usize],
        instead: Option<Instead>,
        per_move: i64,
    ) -> bool {
        let (new, back) = match instead {
            Some(Instead::New(ty, offer)) => (self.offer_of(base, ty, offer), None),
            Some(Instead::Back(node)) => (Vec::new(), Some(node)),
            None => (Vec::new(), None),
        };
        if !self.keeps_minima(base, Some(going), &new, back) {
            return false;
        }
        let mut undo = Undo::default();
        let excess = self.zones.total();
        let departed = self.departed.clone();
        self.work += (self.bins.len() / 4 + 8 * others.len()) as u64;
        let Some(loose) = self.lift(base, going, others, &mut undo) else {
            self.undo(undo);
            return false;
        };
        let dealt = self.deal(base, going, others, instead, &loose);
        let pays = dealt.filter(|dealt| {
            let cost = instead.map_or(0, |i| self.price_of(base, i)) - self.price(base, going);
            let before = i128::from(self.moved);
            let moves = i128::from(self.moved_then(base, going, dealt)) - before;
            i128::from(cost) + moves * i128::from(per_move) < 0 && self.zones.total() <= excess
        });
        let done = pays.is_some_and(|dealt| self.seat(base, &dealt, going, &mut undo));
        if !done {
            self.undo(undo);
            self.departed = departed;
            return false;
        }
        let came = instead.map_or(0, |i| self.price_of(base, i));
        self.cost += came - self.price(base, going);
        self.mark(going, true);
        self.arrived[going].clear();
        self.removed.push(going);
        self.full.fill(false);
        self.moved = self.moved_now(base);
        true
    }

    /// Takes steps back.
    pub(super) fn undo(&mut self, undo: Undo) {
        for (node, bin) in undo.bins.into_iter().rev() {
            self.bins.put(node, bin);
        }
        for (node, arrived) in undo.arrived.into_iter().rev() {
            self.arrived[node] = arrived;
        }
        for (kind, zone, n) in undo.shifts {
            self.zones.shift(kind, zone, -n);
        }
    }

    /// Type and offering of what is bought.
    fn offer_of(&self, base: &Base<'_>, ty: usize, offer: usize) -> Vec<(usize, usize)> {
        let t = &base.model.types[ty];
        vec![(t.source, t.offers[offer].offering)]
    }

    fn price_of(&self, base: &Base<'_>, instead: Instead) -> i64 {
        match instead {
            Instead::Back(node) => self.price(base, node),
            Instead::New(ty, offer) => base.model.types[ty].offers[offer].price.0,
        }
    }

    /// Kinds and counts that stand on a node and may move.
    pub(in super::super) fn items_on(&self, base: &Base<'_>, node: usize) -> Vec<(usize, u32)> {
        let mut out: BTreeMap<usize, u32> = BTreeMap::new();
        for (kind, n) in base.movable.get(node).into_iter().flatten() {
            *out.entry(*kind).or_default() += n;
        }
        for (kind, n) in &self.departed[node] {
            if let Some(here) = out.get_mut(kind) {
                *here = here.saturating_sub(*n);
            }
        }
        for (kind, n) in &self.arrived[node] {
            *out.entry(*kind).or_default() += n;
        }
        out.into_iter().filter(|(_, n)| *n > 0).collect()
    }

    /// Items that are away from home when `going` goes and others are as dealt.
    fn moved_then(&self, base: &Base<'_>, going: usize, dealt: &Dealt) -> u64 {
        let items = |node: usize| base.items.get(node).copied().unwrap_or(0);
        let departed = |node: usize, of: &dyn Fn(usize) -> bool| -> u64 {
            let departed = self.departed[node].iter().filter(|(kind, _)| of(*kind));
            departed.map(|(_, n)| u64::from(*n)).sum()
        };
        let (mut more, mut less) = (items(going), departed(going, &|_| true));
        for (at, seat) in dealt.at.iter().zip(dealt.deal.seats()) {
            let both = seat.count.iter().zip(&seat.home);
            let here: u64 = both.clone().map(|(n, home)| u64::from(*n.min(home))).sum();
            let home: u64 = both.map(|(_, home)| u64::from(*home)).sum();
            match at {
                At::Node(node) => {
                    more += home - here;
                    less += departed(*node, &|kind| dealt.kinds.binary_search(&kind).is_ok());
                }
                At::Instead(Instead::Back(_)) => less += here,
                At::Instead(Instead::New(..)) => {}
            }
        }
        (self.moved_now(base) + more).saturating_sub(less)
    }

    /// Items away from home as it is.
    pub(super) fn moved_now(&self, base: &Base<'_>) -> u64 {
        let nodes = base.items.iter().zip(&self.gone).zip(&self.departed);
        let away = nodes.map(|((items, gone), departed)| {
            if *gone {
                *items
            } else {
                departed.iter().map(|(_, n)| u64::from(*n)).sum()
            }
        });
        away.sum()
    }

    /// Takes off a node what stands on it: what is under rules about nodes goes to
    /// `others` at once, the rest is told.
    fn lift(
        &mut self,
        base: &Base<'_>,
        going: usize,
        others: &[usize],
        undo: &mut Undo,
    ) -> Option<Vec<(usize, u32)>> {
        let model = base.model;
        let (loose, bound): (Vec<_>, Vec<_>) = self
            .items_on(base, going)
            .into_iter()
            .partition(|(kind, _)| base.dealt(*kind));
        let together = |kind: usize| !model.kinds[kind].company.is_empty();
        if bound.iter().any(|(kind, _)| together(*kind)) || self.bins[going].bound_together(model) {
            return None;
        }
        for (kind, n) in bound {
            if let Some(zone) = self.bins[going].zone {
                self.zones.shift(kind, zone, -i64::from(n));
                undo.shifted(kind, zone, -i64::from(n));
            }
            if self.place(base, kind, n, Fit::Tight, Some(others), undo) < n {
                return None;
            }
        }
        Some(loose)
    }

    /// Deals out `loose` and what stands on the others; `None` when some node
    /// would hold too much.
    fn deal(
        &mut self,
        base: &Base<'_>,
        going: usize,
        others: &[usize],
        instead: Option<Instead>,
        loose: &[(usize, u32)],
    ) -> Option<Dealt> {
        let mut dealt = self.table(base, others, instead, loose)?;
        let Dealt { kinds, deal, .. } = &mut dealt;
        let mut order = loose.to_vec();
        order.sort_by_key(|(kind, _)| base.rank[*kind]);
        let zone = self.bins[going].zone;
        let put = order.into_iter().all(|(kind, n)| {
            let item = kinds.binary_search(&kind);
            item.is_ok_and(|item| (0..n).all(|_| deal.put(item, zone)))
        });
        let settled = put && deal.settle(EXCHANGES);
        if settled {
            deal.homeward();
        }
        self.work += deal.work / 4;
        settled.then_some(dealt)
    }

    /// Nodes as seats, and kinds as items: `loose` ones and those that stand there.
    fn table(
        &self,
        base: &Base<'_>,
        others: &[usize],
        instead: Option<Instead>,
        loose: &[(usize, u32)],
    ) -> Option<Dealt> {
        let model = base.model;
        let mut kinds: Vec<usize> = loose.iter().map(|(kind, _)| *kind).collect();
        for node in others {
            let here = self.items_on(base, *node);
            kinds.extend(here.iter().map(|(k, _)| *k).filter(|k| base.dealt(*k)));
        }
        kinds.sort_unstable();
        kinds.dedup();
        let mut seats: Vec<Seat> = Vec::with_capacity(others.len() + 1);
        let mut at: Vec<At> = Vec::with_capacity(others.len() + 1);
        for node in others {
            seats.push(self.seat_of(base, *node, &kinds, Loose::All));
            at.push(At::Node(*node));
        }
        match instead {
            Some(Instead::Back(node)) => {
                let bin = self.brought_back(base, node)?;
                seats.push(Seat {
                    capacity: bin.free.clone(),
                    zone: bin.zone,
                    count: vec![0; kinds.len()],
                    home: kinds.iter().map(|k| base.home(node, *k)).collect(),
                    takes: kinds.iter().map(|k| bin.accepts(model, *k)).collect(),
                });
            }
            Some(Instead::New(ty, offer)) => {
                let bin = Bin::new(model, ty, offer);
                seats.push(Seat {
                    capacity: bin.free.clone(),
                    zone: bin.zone,
                    count: vec![0; kinds.len()],
                    home: vec![0; kinds.len()],
                    takes: kinds.iter().map(|k| bin.accepts(model, *k)).collect(),
                });
            }
            None => {}
        }
        at.extend(instead.map(At::Instead));
        let items = kinds.iter().map(|kind| Item {
            demand: model.shapes[model.kinds[*kind].shape].demand.clone(),
            zoned: model.kinds[*kind].zoned,
        });
        let deal = Deal::new(items.collect(), seats);
        Some(Dealt { kinds, at, deal })
    }

    /// A node that stays, with what stands on it.
    pub(super) fn seat_of(
        &self,
        base: &Base<'_>,
        node: usize,
        kinds: &[usize],
        loose: Loose,
    ) -> Seat {
        let model = base.model;
        let bin = &self.bins[node];
        let here = self.loose_on(base, node, loose);
        let here: BTreeMap<usize, u32> = here.into_iter().collect();
        let home = |kind: &usize| match loose {
            Loose::Arrived => 0,
            Loose::All => base.home(node, *kind),
        };
        let mut capacity = bin.free.clone();
        for (kind, n) in here.iter().filter(|(kind, _)| base.dealt(**kind)) {
            let demand = &model.shapes[model.kinds[*kind].shape].demand;
            for (sum, d) in capacity.iter_mut().zip(demand) {
                *sum = sum.saturating_add(d.saturating_mul(u64::from(*n)));
            }
        }
        Seat {
            capacity,
            zone: bin.zone,
            count: kinds
                .iter()
                .map(|k| here.get(k).copied().unwrap_or(0))
                .collect(),
            home: kinds.iter().map(home).collect(),
            takes: kinds.iter().map(|k| bin.accepts(model, *k)).collect(),
        }
    }

    /// Kinds and counts on a node that may change places.
    pub(super) fn loose_on(&self, base: &Base<'_>, node: usize, loose: Loose) -> Vec<(usize, u32)> {
        match loose {
            Loose::Arrived => self.arrived[node].clone(),
            Loose::All => self.items_on(base, node),
        }
    }

    /// How many items of a kind on a node may not.
    pub(super) fn fixed(&self, base: &Base<'_>, node: usize, kind: usize, loose: Loose) -> u32 {
        match loose {
            Loose::Arrived => self.whence(base, node, kind).2,
            Loose::All => 0,
        }
    }

    /// The bin of a node that had gone, without what may move.
    fn brought_back(&self, base: &Base<'_>, node: usize) -> Option<Bin> {
        let mut bin = base.bins.get(node)?.clone();
        for (kind, n) in &base.movable[node] {
            bin.lift_present(base.model, *kind, *n);
        }
        base.open[node].then_some(bin)
    }

    /// Puts everything where it was dealt; whether every rule allows it.
    fn seat(&mut self, base: &Base<'_>, dealt: &Dealt, going: usize, undo: &mut Undo) -> bool {
        let model = base.model;
        let Dealt { kinds, at, deal } = dealt;
        let nodes = at.iter().zip(deal.seats());
        let stay = nodes.filter_map(|(at, seat)| match at {
            At::Node(node) => Some((*node, seat)),
            At::Instead(_) => None,
        });
        let stay: Vec<(usize, &Seat)> = stay.collect();
        // What leaves first, then what comes.
        for (node, seat) in &stay {
            undo.keep(self, *node);
            for (kind, n) in kinds.iter().zip(&seat.count) {
                self.lower(base, *node, *kind, *n);
            }
        }
        for (node, seat) in &stay {
            for (kind, n) in kinds.iter().zip(&seat.count) {
                if !self.raise(base, *node, *kind, *n) {
                    return false;
                }
            }
        }
        let Some((At::Instead(instead), seat)) = at.iter().zip(deal.seats()).next_back() else {
            return true;
        };
        let here = kinds.iter().copied().zip(seat.count.iter().copied());
        let here: Vec<(usize, u32)> = here.filter(|(_, n)| *n > 0).collect();
        match instead {
            Instead::New(ty, offer) => {
                let offer = model.types[*ty].offers[*offer];
                let items = here.iter().filter_map(|(kind, n)| {
                    let (class, _) = model.kinds[*kind].classes.first()?;
                    Some(Placed {
                        class: *class,
                        count: *n,
                        devices: Vec::new(),
                    })
                });
                let node = NewNode {
                    node_type: model.types[*ty].source,
                    offering: offer.offering,
                    zone: offer.zone,
                    price: offer.price,
                    items: items.collect(),
                };
                let offer = (node.node_type, node.offering);
                let left = self.limits_left(base, Some(going));
                let stocked = self.in_stock(base, offer, Some(going), &left);
                // What holds nothing is launched for nobody, and counts for no minimum.
                let idle = here.is_empty() && !base.floors.is_empty();
                if !stocked || idle || self.filled(base, &node, &here).is_none() {
                    return false;
                }
                // Zones hold what they held.
                let zones = self.zones.clone();
                self.stand(base, node);
                self.zones = zones;
            }
            Instead::Back(node) => {
                let left = self.limits_left(base, Some(going));
                if !self.comes_back(base, *node, going, &left) {
                    return false;
                }
                let Some(bin) = self.brought_back(base, *node) else {
                    return false;
                };
                let before = self.bins.share(*node);
                self.bins.put(*node, Arc::new(bin));
                let arrived = std::mem::take(&mut self.arrived[*node]);
                self.departed[*node].clone_from(&base.movable[*node]);
                self.mark(*node, false);
                if !here.iter().all(|(k, n)| self.raise(base, *node, *k, *n)) {
                    self.bins.put(*node, before);
                    self.arrived[*node] = arrived;
                    self.mark(*node, true);
                    return false;
                }
                self.removed.retain(|gone| gone != node);
            }
        }
        true
    }

    /// How many items of a kind came to a node, have left it, and are at home there
    /// still.
    fn whence(&self, base: &Base<'_>, node: usize, kind: usize) -> (u32, u32, u32) {
        let of = |list: &[(usize, u32)]| {
            let found = list.iter().find(|(k, _)| *k == kind);
            found.map_or(0, |(_, n)| *n)
        };
        let (came, left) = (of(&self.arrived[node]), of(&self.departed[node]));
        let home = base.home(node, kind).saturating_sub(left);
        (came, left, home)
    }

    /// Takes items off a node that stays until it holds `n` of a kind: those that
    /// came first, then those at home.
    pub(super) fn lower(&mut self, base: &Base<'_>, node: usize, kind: usize, n: u32) {
        let model = base.model;
        let (came, _, home) = self.whence(base, node, kind);
        let over = (came + home).saturating_sub(n);
        for _ in 0..over.min(came) {
            let mut items = self.bins[node].items.iter();
            if let Some(entry) = items.position(|i| i.kind as usize == kind) {
                self.bins.change(node, |bin| bin.remove(model, entry, 1));
            }
            self.leave(node, kind);
        }
        let lifted = over.saturating_sub(came);
        if lifted > 0 {
            self.bins
                .change(node, |bin| bin.lift_present(model, kind, lifted));
            match self.departed[node].iter_mut().find(|(k, _)| *k == kind) {
                Some((_, n)) => *n += lifted,
                None => self.departed[node].push((kind, lifted)),
            }
        }
    }

    /// Puts items on a node until it holds `n` of a kind: those at home first.
    pub(super) fn raise(&mut self, base: &Base<'_>, node: usize, kind: usize, n: u32) -> bool {
        let model = base.model;
        let (came, left, home) = self.whence(base, node, kind);
        let lacking = n.saturating_sub(came + home);
        let back = lacking.min(left);
        if back > 0 {
            let fits = |bin: &mut Bin| bin.return_present(model, kind, back);
            if !self.bins.change(node, fits) {
                return false;
            }
            for (k, n) in &mut self.departed[node] {
                *n -= if *k == kind { back } else { 0 };
            }
            self.departed[node].retain(|(_, n)| *n > 0);
        }
        let more = lacking - back;
        if more > 0 {
            if self.bins[node].room(model, kind, more) < more {
                return false;
            }
            self.bins.change(node, |bin| bin.add(model, kind, more));
            self.arrive(node, kind, more);
        }
        true
    }

    /// Nodes that stay and may go, those first that cost most above what the values
    /// of shapes say of what stands on them.
    pub(in super::super) fn by_waste(&self, base: &Base<'_>, values: &[u64]) -> Vec<usize> {
        let mut found: Vec<(Reverse<i128>, usize)> = (0..self.bins.len())
            .filter(|n| !self.gone[*n] && self.removable(base, *n))
            .map(|n| {
                let here = self.items_on(base, n);
                let worth = here.iter().map(|(kind, n)| {
                    i128::from(values[base.model.kinds[*kind].shape]) * i128::from(*n)
                });
                let price = i128::from(self.price(base, n)) << Certificate::SCALE_BITS;
                (Reverse(price - worth.sum::<i128>()), n)
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, n)| n).collect()
    }

    /// Nodes that stay and have most to spare: at least `least` of them, and as many
    /// as it takes to hold what is on a node with a little to spare, but no more
    /// than `most`; in order.
    pub(in super::super) fn roomy(
        &self,
        base: &Base<'_>,
        without: usize,
        least: usize,
        most: usize,
    ) -> Vec<usize> {
        let others = |n: &usize| *n != without && !self.gone[*n] && self.open(base, *n);
        let others: Vec<usize> = (0..self.bins.len()).filter(others).collect();
        // What is scarce counts: how much of all that is free the items take.
        let mut lacking = self.lacking(base, without, &[]);
        let weight: Vec<f64> = lacking
            .iter()
            .enumerate()
            .map(|(r, lack)| {
                let free = others.iter().map(|n| self.bins[*n].free[r] as f64);
                let free = free.sum::<f64>().max(1.0);
                *lack as f64 / (free * free)
            })
            .collect();
        let most_of_all = weight.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let mut found: Vec<(Reverse<u64>, usize)> = others
            .into_iter()
            .map(|n| {
                let free = self.bins[n].free.iter().zip(&weight);
                let part: f64 = free.map(|(f, w)| *f as f64 * (w / most_of_all)).sum();
                (Reverse((part * 1e3) as u64), n)
            })
            .collect();
        found.sort_unstable();
        for lack in &mut lacking {
            *lack = lack.saturating_add(*lack / 3);
        }
        let mut nodes: Vec<usize> = Vec::new();
        for (_, node) in found.into_iter().take(most) {
            if nodes.len() >= least && lacking.iter().all(|lack| *lack == 0) {
                break;
            }
            for (lack, free) in lacking.iter_mut().zip(&self.bins[node].free) {
                *lack = lack.saturating_sub(*free);
            }
            nodes.push(node);
        }
        nodes.sort_unstable();
        nodes
    }

    /// What the items on a node take beyond what is free on others.
    pub(in super::super) fn lacking(
        &self,
        base: &Base<'_>,
        node: usize,
        others: &[usize],
    ) -> Vec<u64> {
        let model = base.model;
        let mut lacks = vec![0u64; model.dims];
        for (kind, n) in self.items_on(base, node) {
            let demand = &model.shapes[model.kinds[kind].shape].demand;
            for (sum, d) in lacks.iter_mut().zip(demand) {
                *sum = sum.saturating_add(d.saturating_mul(u64::from(n)));
            }
        }
        for other in others {
            for (lack, free) in lacks.iter_mut().zip(&self.bins[*other].free) {
                *lack = lack.saturating_sub(*free);
            }
        }
        lacks
    }

    /// Nodes that could come in place of one that goes, for less and with at
    /// least as much as is `lacking`: the cheapest first.
    pub(in super::super) fn instead(
        &self,
        base: &Base<'_>,
        going: usize,
        lacking: &[u64],
    ) -> Vec<(i64, Instead)> {
        let budget = self.price(base, going);
        let left = self.limits_left(base, Some(going));
        let model = base.model;
        let enough = |has: &mut dyn Iterator<Item = f64>| {
            let mut both = has.zip(lacking);
            both.all(|(has, lacks)| has >= *lacks as f64)
        };
        let mut found: Vec<(i64, Instead)> = Vec::new();
        // Of nodes that are alike the one from which most went comes back.
        let mut alike: BTreeMap<Look, (u64, usize)> = BTreeMap::new();
        for node in (0..base.price.len()).filter(|n| self.gone[*n] && base.open[*n]) {
            let price = base.price[node];
            if price >= budget || !enough(&mut base.capacity[node].iter().copied()) {
                continue;
            }
            if !self.comes_back(base, node, going, &left)
                || !self.keeps_minima(base, Some(going), &[], Some(node))
            {
                continue;
            }
            let capacity = base.capacity[node].iter().map(|c| *c as u64).collect();
            let key = (price, base.bins[node].zone, capacity);
            let best = alike.entry(key).or_insert((base.items[node], node));
            if base.items[node] > best.0 {
                *best = (base.items[node], node);
            }
        }
        for ((price, ..), (_, node)) in alike {
            found.push((price, Instead::Back(node)));
        }
        for (ty, t) in model.types.iter().enumerate() {
            if !enough(&mut t.capacity.iter().map(|c| *c as f64)) {
                continue;
            }
            for (at, offer) in t.offers.iter().enumerate() {
                let of = (t.source, offer.offering);
                let stocked = self.in_stock(base, of, Some(going), &left);
                if offer.price.0 < budget
                    && stocked
                    && self.keeps_minima(base, Some(going), &[of], None)
                {
                    found.push((offer.price.0, Instead::New(ty, at)));
                }
            }
        }
        found.sort_by_key(|(price, instead)| (*price, matches!(instead, Instead::New(..))));
        found
    }
}

impl Base<'_> {
    /// Whether items of a kind may be dealt out over nodes: they need neither
    /// devices nor company, and no rule about nodes names them.
    pub(super) fn dealt(&self, kind: usize) -> bool {
        let k = &self.model.kinds[kind];
        let plain = self.model.shapes[k.shape].devices.is_none();
        plain && k.touches.is_empty() && k.company.is_empty()
    }

    /// How many items of a kind are at home on a node.
    fn home(&self, node: usize, kind: usize) -> u32 {
        let movable = self.movable.get(node).into_iter().flatten();
        let here = movable.filter(|(k, _)| *k == kind);
        here.map(|(_, n)| *n).sum()
    }
}
