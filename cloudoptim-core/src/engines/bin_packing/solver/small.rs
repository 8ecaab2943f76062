//! The cheapest packing of a few items, by going through all of them.
//!
//! What a set of items costs in a zone is the least over its parts: one node with
//! the first of them, and the rest (dynamic programming over sets, which are
//! counts by kind, so that equal items make them few). The least over all zones,
//! rules about zones left out, bounds what the zones that have nothing yet will
//! cost; the ways to give every zone its set are then tried, those that promise
//! most first, until none promises less than the best that keeps the rules
//! (branch and bound).

use super::bin::Bin;
use super::improve::fill_new;
use super::model::Model;
use super::pack::{Pack, spent};
use super::problem::Problem;
use super::zones::{Arrival, ZoneRules};

/// Pairs of a set and a part of it, in all zones together: twelve items without
/// an equal make half a million in each.
const PAIRS: u64 = 6_000_000;

/// Sets and types that are looked at in one zone.
const NODES: u64 = 4_000_000;

/// Ways to give zones their sets that are tried at most.
const WAYS: u64 = 2_000_000;

/// What going through all packings gave.
pub(super) struct Small {
    /// The cheapest packing of all items, if it costs less than what was known.
    pub(super) pack: Option<Pack>,
    /// Whether none costs less.
    pub(super) complete: bool,
    /// Pairs and ways that were looked at.
    pub(super) work: u64,
}

/// Sets of items, numbered: counts by kind in mixed radix.
struct Sets {
    kinds: Vec<usize>,
    counts: Vec<u32>,
    strides: Vec<usize>,
    len: usize,
}

impl Sets {
    /// All parts of `counts` (by kind); `None` when they, or their pairs, are
    /// more than `pairs`.
    fn new(counts: &[u32], pairs: u64) -> Option<Self> {
        let mut sets = Self {
            kinds: Vec::new(),
            counts: Vec::new(),
            strides: Vec::new(),
            len: 1,
        };
        let mut all = 1u64;
        for (kind, count) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            let n = u64::from(*count) + 1;
            all = all.checked_mul(n * (n + 1) / 2).filter(|a| *a <= pairs)?;
            sets.kinds.push(kind);
            sets.counts.push(*count);
            sets.strides.push(sets.len);
            sets.len *= *count as usize + 1;
        }
        Some(sets)
    }

    /// How many of each of [`Sets::kinds`] a set holds.
    fn digits(&self, set: usize) -> impl Iterator<Item = u32> + '_ {
        let places = self.strides.iter().zip(&self.counts);
        places.map(move |(stride, count)| (set / stride % (*count as usize + 1)) as u32)
    }

    /// Kinds and counts of a set.
    fn items(&self, set: usize) -> Vec<(usize, u32)> {
        let items = self.kinds.iter().copied().zip(self.digits(set));
        items.filter(|(_, n)| *n > 0).collect()
    }

    /// The set without one of its first items; `None` of the empty one.
    fn without_first(&self, set: usize) -> Option<usize> {
        let first = self.digits(set).position(|n| n > 0)?;
        Some(set - self.strides[first])
    }

    /// All parts of a set; `with_first`: those that hold one of its first items.
    fn parts(&self, set: usize, with_first: bool) -> Vec<usize> {
        let mut parts: Vec<usize> = Vec::new();
        for (n, stride) in self.digits(set).zip(&self.strides) {
            if n == 0 {
                continue;
            }
            let before = parts.len();
            for more in 1..=n as usize {
                for at in 0..before {
                    parts.push(parts[at] + more * stride);
                }
            }
            if before == 0 {
                let from = usize::from(with_first);
                parts.extend((from..=n as usize).map(|more| more * stride));
            }
        }
        if parts.is_empty() {
            parts.push(0);
        }
        parts
    }
}

/// A node that may be bought.
#[derive(Debug, Clone, Copy)]
struct Node {
    price: i64,
    ty: usize,
    offer: usize,
}

/// What every set costs in one zone.
struct Zone {
    zone: Option<usize>,
    /// The cheapest node that holds all of it.
    node: Vec<Option<Node>>,
    /// The least, and the part that is the node of the first item.
    least: Vec<Option<(i64, usize)>>,
}

/// The ways to give every zone its set.
struct Tries<'a> {
    model: &'a Model,
    sets: &'a Sets,
    zones: Vec<Zone>,
    /// What a set costs in this zone and those after it, rules left out.
    from: Vec<Vec<Option<i64>>>,
    /// Rules about zones, counting what is given so far.
    rules: ZoneRules,
    /// The same before anything is given.
    before: ZoneRules,
    /// Sets of the zones that have theirs.
    given: Vec<usize>,
    /// Only what costs less counts.
    most: i64,
    best: Option<Vec<usize>>,
    ways: u64,
}

/// Goes through all packings of `counts` (by kind) on new nodes, where they are
/// few; those that cost `below` or more do not count. `None` where they are too
/// many for `budget`, where rules or short supplies make a node more than what it
/// holds, and where rules about zones are broken already.
pub(super) fn cheapest(
    problem: &Problem,
    model: &Model,
    counts: &[u32],
    below: Option<i64>,
    budget: u64,
) -> Option<Small> {
    let items: u32 = counts.iter().sum();
    let short = |left: Option<u32>| left.is_some_and(|left| left < items);
    let mut offers = model.types.iter().flat_map(|t| &t.offers);
    let alone = |k: usize| counts[k] == 0 || model.kinds[k].company.is_empty();
    let limited = !model.limited.is_empty();
    if limited || offers.any(|o| short(o.available)) || !(0..counts.len()).all(alone) {
        return None;
    }
    let places: Vec<Option<usize>> = if model.zoned {
        (0..problem.zones.len()).map(Some).collect()
    } else {
        vec![None]
    };
    let sets = Sets::new(counts, PAIRS.min(budget) / places.len().max(1) as u64)?;
    if (sets.len * model.types.len()) as u64 > NODES {
        return None;
    }
    let before = ZoneRules::new(problem, model);
    // Beside a rule that is broken by what is there, whether another holds is
    // more than a sum.
    if before.total() > 0 {
        return None;
    }
    let mut rules = before.clone();
    let zones = places
        .iter()
        .map(|zone| Zone::new(model, &sets, *zone, &mut rules))
        .collect();
    let mut tries = Tries {
        model,
        sets: &sets,
        zones,
        from: Vec::new(),
        rules,
        before,
        given: Vec::new(),
        most: below.unwrap_or(i64::MAX),
        best: None,
        ways: 0,
    };
    let pairs = tries.bounds();
    tries.give(sets.len - 1, 0);
    let pack = tries.best.as_ref().and_then(|given| tries.packed(given));
    Some(Small {
        pack,
        complete: tries.ways < WAYS,
        work: pairs + tries.ways,
    })
}

impl Zone {
    fn new(model: &Model, sets: &Sets, zone: Option<usize>, rules: &mut ZoneRules) -> Self {
        let mut out = Self {
            zone,
            node: vec![None; sets.len],
            least: vec![None; sets.len],
        };
        let offers = out.offers(model);
        let taken = |shape: usize| zone.is_none_or(|z| model.shapes[shape].zones.contains(z));
        let possible: Vec<bool> = sets
            .kinds
            .iter()
            .map(|k| taken(model.kinds[*k].shape))
            .collect();
        out.least[0] = Some((0, 0));
        for set in 1..sets.len {
            let mut digits = sets.digits(set).zip(&possible);
            if !digits.all(|(n, possible)| n == 0 || *possible) {
                continue;
            }
            // What does not fit does not fit with more.
            let smaller = sets.without_first(set);
            if smaller.is_none_or(|s| s == 0 || out.node[s].is_some()) {
                out.node[set] = node(model, &offers, &sets.items(set));
            }
            let Some(z) = zone else {
                out.least[set] = out.cheapest(sets, set);
                continue;
            };
            rules.give(&sets.items(set), z, 1);
            if rules.over_limits(z) == 0 {
                out.least[set] = out.cheapest(sets, set);
            }
            rules.give(&sets.items(set), z, -1);
        }
        out
    }

    /// What may be bought here, the cheapest first.
    fn offers(&self, model: &Model) -> Vec<Node> {
        let mut offers: Vec<Node> = Vec::new();
        for (ty, t) in model.types.iter().enumerate() {
            let mut here = t.offers.iter().enumerate();
            let found = here.find(|(_, o)| self.zone.is_none() || o.zone == self.zone);
            if let Some((offer, o)) = found {
                let price = o.price.0;
                offers.push(Node { price, ty, offer });
            }
        }
        offers.sort_by_key(|node| (node.price, node.ty));
        offers
    }

    fn cheapest(&self, sets: &Sets, set: usize) -> Option<(i64, usize)> {
        let parts = sets.parts(set, true).into_iter();
        let costs = parts.filter_map(|part| {
            let rest = self.least[set - part]?.0;
            Some((self.node[part]?.price + rest, part))
        });
        costs.min()
    }
}

/// The cheapest node that holds all of `items`.
fn node(model: &Model, offers: &[Node], items: &[(usize, u32)]) -> Option<Node> {
    let mut sums = vec![0u64; model.dims];
    for (kind, count) in items {
        let demand = &model.shapes[model.kinds[*kind].shape].demand;
        for (sum, d) in sums.iter_mut().zip(demand) {
            *sum = sum.saturating_add(d.saturating_mul(u64::from(*count)));
        }
    }
    let mut best: Option<Node> = None;
    for offer in offers {
        if best.is_some_and(|best| best.price <= offer.price) {
            break;
        }
        let t = &model.types[offer.ty];
        let takes = |(kind, _): &(usize, u32)| t.fits[model.kinds[*kind].shape] > 0;
        let room = sums.iter().zip(&t.capacity).all(|(sum, has)| sum <= has);
        if !room || !items.iter().all(takes) {
            continue;
        }
        if let Some(bin) = fill_new(model, offer.ty, offer.offer, items) {
            if !model.prefers {
                return Some(*offer);
            }
            let price = spent(model, &bin);
            if best.is_none_or(|best| price < best.price) {
                best = Some(Node { price, ..*offer });
            }
            continue;
        }
        if t.devices.is_empty() {
            return best; // rules forbid it, and they do on every type
        }
    }
    best
}

impl Tries<'_> {
    /// Fills [`Tries::from`]; says how many pairs that took.
    fn bounds(&mut self) -> u64 {
        let mut pairs = 0;
        let mut from: Vec<Vec<Option<i64>>> = Vec::new();
        for zone in self.zones.iter().rev() {
            let own = |set: usize| zone.least[set].map(|(cost, _)| cost);
            let here = match from.last() {
                None => (0..self.sets.len).map(own).collect(),
                Some(later) => (0..self.sets.len)
                    .map(|set| {
                        let parts = self.sets.parts(set, false).into_iter();
                        let costs = parts.filter_map(|part| {
                            pairs += 1;
                            Some(own(part)? + later[set - part]?)
                        });
                        costs.min()
                    })
                    .collect(),
            };
            from.push(here);
        }
        from.reverse();
        self.from = from;
        pairs
    }

    /// Gives the next zone its part of `set`, and the others the rest.
    fn give(&mut self, set: usize, cost: i64) {
        let at = self.given.len();
        let mut choices: Vec<(i64, i64, usize)> = Vec::new();
        let parts = match self.from.get(at + 1) {
            None => vec![set],
            Some(_) => self.sets.parts(set, false),
        };
        for part in parts {
            let Some((own, _)) = self.zones[at].least[part] else {
                continue;
            };
            let later = match self.from.get(at + 1) {
                None => Some(0),
                Some(later) => later[set - part],
            };
            if let Some(later) = later
                && cost + own + later < self.most
            {
                choices.push((cost + own + later, cost + own, part));
            }
        }
        choices.sort_unstable();
        for (promise, cost, part) in choices {
            if promise >= self.most || self.ways >= WAYS {
                return;
            }
            self.ways += 1;
            self.given.push(part);
            self.shift(at, part, 1);
            if at + 1 < self.zones.len() {
                self.give(set - part, cost);
            } else if self.rules.total() == 0 && self.creatable() {
                self.most = cost;
                self.best = Some(self.given.clone());
            }
            self.shift(at, part, -1);
            self.given.pop();
        }
    }

    fn shift(&mut self, at: usize, set: usize, sign: i64) {
        if let Some(zone) = self.zones[at].zone {
            self.rules.give(&self.sets.items(set), zone, sign);
        }
    }

    /// Whether what is given can be created in some order.
    fn creatable(&self) -> bool {
        let mut arrivals = Vec::new();
        for (zone, set) in self.zones.iter().zip(&self.given) {
            let Some(zone) = zone.zone else { return true };
            for (kind, count) in self.sets.items(*set) {
                arrivals.push(Arrival { zone, kind, count });
            }
        }
        self.before.clone().admits_in_some_order(arrivals)
    }

    /// The nodes of the best way.
    fn packed(&self, given: &[usize]) -> Option<Pack> {
        let mut bins: Vec<Bin> = Vec::new();
        for (zone, set) in self.zones.iter().zip(given) {
            let mut left = *set;
            while left != 0 {
                let (_, part) = zone.least[left]?;
                let node = zone.node[part]?;
                let items = self.sets.items(part);
                bins.push(fill_new(self.model, node.ty, node.offer, &items)?);
                left -= part;
            }
        }
        let nothing = vec![0; self.model.kinds.len()];
        Some(Pack::new(self.model, nothing, bins))
    }
}
