//! Which zone every item goes to, decided before nodes are.
//!
//! Rules about zones are settled here, so that packing a zone needs to know
//! nothing of the others. Groups that must stay together go first, then items
//! whose zone counts for a spread or a limit, evenly; what is free follows the
//! load, so that every zone keeps about the same mix.

use super::balance;
use super::greedy::area_values;
use super::model::Model;
use super::pack::Pack;
use super::problem::{Per, Problem, Rule};

/// The rules about zones, with what each counts where.
#[derive(Debug, Clone)]
pub(super) struct ZoneRules {
    zones: usize,
    rules: Vec<Counted>,
    /// Rules that name a kind.
    rules_of: Vec<Vec<usize>>,
}

/// Items that come to a zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) zone: usize,
    pub(super) kind: usize,
    pub(super) count: u32,
}

#[derive(Debug, Clone)]
struct Counted {
    asks: Asks,
    with_kinds: Vec<bool>,
    of_kinds: Vec<bool>,
    with: Vec<i64>,
    of: Vec<i64>,
}

#[derive(Debug, Clone)]
enum Asks {
    Limit {
        max: i64,
    },
    Spread {
        skew: i64,
        domains: Vec<usize>,
        from_zero: bool,
    },
    Affinity,
}

impl ZoneRules {
    /// The rules of a canonical problem, counting what its nodes hold.
    pub(super) fn new(problem: &Problem, model: &Model) -> Self {
        let zones = problem.zones.len();
        let kinds_of = |classes: &[usize]| {
            let mut out = vec![false; model.kinds.len()];
            for class in classes {
                out[model.kind_of_class[*class]] = true;
            }
            out
        };
        let mut rules = Vec::new();
        for rule in &problem.rules {
            let (asks, with, of) = match rule {
                Rule::CountLimit(r) if r.per == Per::Zone => {
                    let max = i64::from(r.max);
                    (Asks::Limit { max }, &r.with, &r.of)
                }
                Rule::ZoneSpread(r) => {
                    let domains: Vec<usize> = (0..zones).filter(|z| r.zones.contains(*z)).collect();
                    let asks = Asks::Spread {
                        skew: i64::from(r.max_skew),
                        from_zero: domains.len() < r.min_zones as usize,
                        domains,
                    };
                    (asks, &r.with, &r.of)
                }
                // Company on a node is company in a zone.
                Rule::Affinity(r) => (Asks::Affinity, &r.with, &r.of),
                Rule::CountLimit(_) => continue,
            };
            let mut counted = Counted {
                asks,
                with_kinds: kinds_of(with),
                of_kinds: kinds_of(of),
                with: vec![0; zones],
                of: vec![0; zones],
            };
            for node in &problem.nodes {
                let Some(zone) = node.zone else { continue };
                for (class, n) in &node.present {
                    counted.shift(model.kind_of_class[*class], zone, i64::from(*n));
                }
            }
            rules.push(counted);
        }
        let rules_of = (0..model.kinds.len())
            .map(|k| {
                (0..rules.len())
                    .filter(|r| rules[*r].with_kinds[k] || rules[*r].of_kinds[k])
                    .collect()
            })
            .collect();
        Self {
            zones,
            rules,
            rules_of,
        }
    }

    pub(super) fn shift(&mut self, kind: usize, zone: usize, count: i64) {
        for r in &self.rules_of[kind] {
            self.rules[*r].shift(kind, zone, count);
        }
    }

    /// How far a rule is from holding, in items.
    fn excess(&self, rule: usize) -> i64 {
        let r = &self.rules[rule];
        (0..self.zones).map(|z| r.excess_in(z)).sum()
    }

    fn excess_of(&self, kind: usize) -> i64 {
        self.rules_of[kind].iter().map(|r| self.excess(*r)).sum()
    }

    /// How far all rules are from holding, in items.
    pub(super) fn total(&self) -> i64 {
        (0..self.rules.len()).map(|r| self.excess(r)).sum()
    }

    /// The zone and the kind of an item that has to leave for a rule to hold,
    /// of those that `held` says can leave. What present items ask for and do
    /// not have was broken before.
    pub(super) fn offender(&self, held: impl Fn(usize, usize) -> bool) -> Option<(usize, usize)> {
        let mut worst: Option<(i64, usize, usize)> = None;
        for rule in &self.rules {
            for zone in 0..self.zones {
                let excess = rule.excess_in(zone);
                if excess == 0 || worst.is_some_and(|w| w.0 >= excess) {
                    continue;
                }
                let first = |kinds: &[bool]| (0..kinds.len()).find(|k| kinds[*k] && held(zone, *k));
                // Of a limit, what is counted may leave as well.
                let limit = rule.is_limit();
                let kind =
                    first(&rule.with_kinds).or_else(|| first(&rule.of_kinds).filter(|_| limit));
                if let Some(kind) = kind {
                    worst = Some((excess, zone, kind));
                }
            }
        }
        worst.map(|(_, zone, kind)| (zone, kind))
    }

    /// Counts items of kinds in `zone`, or with a `sign` of -1 no more.
    pub(super) fn give(&mut self, items: &[(usize, u32)], zone: usize, sign: i64) {
        for (kind, count) in items {
            self.shift(*kind, zone, sign * i64::from(*count));
        }
    }

    /// By how many items limits are broken in a zone.
    pub(super) fn over_limits(&self, zone: usize) -> i64 {
        let limits = self.rules.iter().filter(|r| r.is_limit());
        limits.map(|r| r.excess_in(zone)).sum()
    }

    /// Whether everyone finds the company that they ask for, if they come in some
    /// order: an affinity lets the first of its own in where there is none
    /// anywhere yet. Who will have no other company comes before those who do.
    pub(super) fn admits_in_some_order(mut self, arrivals: Vec<Arrival>) -> bool {
        let mut waiting: Vec<(Arrival, bool)> = arrivals
            .iter()
            .map(|a| (*a, self.starts(a, &arrivals)))
            .collect();
        while !waiting.is_empty() {
            let mut lonely = waiting.iter();
            let next = lonely
                .position(|(a, starts)| *starts && self.welcomes(a, true))
                .or_else(|| waiting.iter().position(|(a, _)| self.welcomes(a, false)))
                .or_else(|| waiting.iter().position(|(a, _)| self.welcomes(a, true)));
            let Some(next) = next else { return false };
            let (arrival, _) = waiting.remove(next);
            self.shift(arrival.kind, arrival.zone, i64::from(arrival.count));
        }
        true
    }

    /// Whether an arrival finds no company but its own, where all are there.
    fn starts(&self, arrival: &Arrival, all: &[Arrival]) -> bool {
        self.asked(arrival).any(|r| {
            let company =
                |a: &Arrival| a.zone == arrival.zone && r.of_kinds[a.kind] && !r.with_kinds[a.kind];
            r.of[arrival.zone] == 0 && !all.iter().any(company)
        })
    }

    /// Whether there is company for an arrival, or it may be the `first`.
    fn welcomes(&self, arrival: &Arrival, first: bool) -> bool {
        self.asked(arrival).all(|r| {
            let starts = first && r.of_kinds[arrival.kind] && r.of.iter().all(|n| *n == 0);
            r.of[arrival.zone] > 0 || starts
        })
    }

    /// The affinities of an arrival.
    fn asked(&self, arrival: &Arrival) -> impl Iterator<Item = &Counted> {
        let kind = arrival.kind;
        let rules = self.rules_of[kind].iter().map(|r| &self.rules[*r]);
        rules.filter(move |r| r.is_affinity() && r.with_kinds[kind])
    }

    /// Whether one more item of `kind` in `zone` keeps what it asks for
    /// itself, and every limit.
    pub(super) fn admits(&mut self, kind: usize, zone: usize) -> bool {
        if self.rules_of[kind].is_empty() {
            return true;
        }
        self.shift(kind, zone, 1);
        let ok = self.rules_of[kind].iter().all(|r| {
            let r = &self.rules[*r];
            !(r.with_kinds[kind] || r.is_limit()) || r.excess_in(zone) == 0
        });
        self.shift(kind, zone, -1);
        ok
    }
}

impl Counted {
    fn shift(&mut self, kind: usize, zone: usize, count: i64) {
        self.with[zone] += count * i64::from(self.with_kinds[kind]);
        self.of[zone] += count * i64::from(self.of_kinds[kind]);
    }

    fn excess_in(&self, zone: usize) -> i64 {
        if self.with[zone] == 0 {
            return 0;
        }
        match &self.asks {
            Asks::Limit { max } => (self.of[zone] - max).max(0),
            Asks::Spread {
                skew,
                domains,
                from_zero,
            } => {
                let least = if *from_zero {
                    0
                } else {
                    domains.iter().map(|z| self.of[*z]).min().unwrap_or(0)
                };
                (self.of[zone] - least - skew).max(0)
            }
            Asks::Affinity => i64::from(self.of[zone] == 0),
        }
    }

    fn is_affinity(&self) -> bool {
        matches!(self.asks, Asks::Affinity)
    }

    fn is_limit(&self) -> bool {
        matches!(self.asks, Asks::Limit { .. })
    }
}

struct Splitter<'a> {
    model: &'a Model,
    zones: usize,
    /// Where everything goes that may.
    home: Option<usize>,
    rules: ZoneRules,
    /// Zones that may take a kind.
    allowed: Vec<u64>,
    size: Vec<f64>,
    load: Vec<f64>,
    /// `counts[zone][kind]`.
    counts: Vec<Vec<u32>>,
}

/// Distributes `counts` (by kind) over the zones of a problem with zones: by
/// zone and kind, those that no zone may take left out. What may choose its zone
/// goes `home`, if there is one, else it is spread evenly.
pub(super) fn split(
    problem: &Problem,
    model: &Model,
    counts: &[u32],
    home: Option<usize>,
) -> Vec<Vec<u32>> {
    let zones = problem.zones.len();
    let mut splitter = Splitter::new(problem, model, zones);
    splitter.home = home;
    let mut todo = counts.to_vec();
    let groups = splitter.groups(&todo);
    splitter.place_groups(&groups, &mut todo);
    splitter.place_counted(&mut todo);
    splitter.place_free(problem, &mut todo);
    splitter.repair(&groups);
    if home.is_none() {
        splitter.balance(problem, &groups);
    }
    splitter.counts
}

impl<'a> Splitter<'a> {
    fn new(problem: &Problem, model: &'a Model, zones: usize) -> Self {
        let allowed = model
            .kinds
            .iter()
            .map(|k| {
                let shape = &model.shapes[k.shape];
                let mut mask = 0u64;
                for t in model.types.iter().filter(|t| t.fits[k.shape] > 0) {
                    for zone in t.offers.iter().filter_map(|o| o.zone) {
                        mask |= 1 << zone;
                    }
                }
                for (i, node) in problem.nodes.iter().enumerate() {
                    let fits = !node.closed
                        && shape.nodes.contains(i)
                        && shape.demand.iter().zip(&node.free).all(|(d, f)| d <= f);
                    if fits && let Some(zone) = node.zone {
                        mask |= 1 << zone;
                    }
                }
                (0..zones)
                    .filter(|z| !shape.zones.contains(*z))
                    .fold(mask, |mask, z| mask & !(1 << z))
            })
            .collect();
        let values = area_values(model);
        Self {
            model,
            zones,
            home: None,
            rules: ZoneRules::new(problem, model),
            allowed,
            size: model.kinds.iter().map(|k| values[k.shape]).collect(),
            load: vec![0.0; zones],
            counts: vec![vec![0; model.kinds.len()]; zones],
        }
    }

    fn shift(&mut self, kind: usize, zone: usize, count: i64) {
        self.load[zone] += self.size[kind] * count as f64;
        let slot = &mut self.counts[zone][kind];
        *slot = (i64::from(*slot) + count) as u32;
        self.rules.shift(kind, zone, count);
    }

    fn away(&self, zone: usize) -> bool {
        self.home.is_some_and(|home| home != zone)
    }

    fn allows(&self, kind: usize, zone: usize) -> bool {
        (self.allowed[kind] >> zone) & 1 == 1
    }

    /// Kinds that must all go to one zone, by group; and the zones that an
    /// affinity to what is present leaves.
    fn groups(&mut self, todo: &[u32]) -> Vec<Vec<usize>> {
        let n = self.model.kinds.len();
        let mut parent: Vec<usize> = (0..n).collect();
        let mut grouped = vec![false; n];
        fn root(parent: &mut [usize], mut i: usize) -> usize {
            while parent[i] != i {
                parent[i] = parent[parent[i]];
                i = parent[i];
            }
            i
        }
        for rule in self.rules.rules.iter().filter(|r| r.is_affinity()) {
            let present: u64 = (0..self.zones)
                .filter(|z| rule.of[*z] > 0)
                .fold(0, |mask, z| mask | 1 << z);
            let with: Vec<usize> = (0..n)
                .filter(|k| rule.with_kinds[*k] && todo[*k] > 0)
                .collect();
            for k in &with {
                if present != 0 {
                    self.allowed[*k] &= present;
                } else {
                    grouped[*k] = true;
                    let (a, b) = (root(&mut parent, with[0]), root(&mut parent, *k));
                    parent[a.max(b)] = a.min(b);
                }
            }
        }
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); n];
        for k in 0..n {
            if grouped[k] {
                groups[root(&mut parent, k)].push(k);
            }
        }
        groups.retain(|g| !g.is_empty());
        groups
    }

    /// Puts each group, largest first, where the load is least.
    fn place_groups(&mut self, groups: &[Vec<usize>], todo: &mut [u32]) {
        let weight = |s: &Self, g: &[usize]| -> f64 {
            g.iter().map(|k| s.size[*k] * f64::from(todo[*k])).sum()
        };
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by(|a, b| {
            weight(self, &groups[*b])
                .total_cmp(&weight(self, &groups[*a]))
                .then(a.cmp(b))
        });
        for g in order {
            let group = &groups[g];
            let mut best: Option<((i64, bool, f64), usize)> = None;
            for zone in 0..self.zones {
                // Some may have come as the company of another group.
                let others = (0..self.zones).filter(|z| *z != zone);
                let mut elsewhere = others.flat_map(|z| group.iter().map(move |k| (z, *k)));
                if !group.iter().all(|k| self.allows(*k, zone))
                    || elsewhere.any(|(z, k)| self.counts[z][k] > 0)
                {
                    continue;
                }
                let before = self.load[zone];
                for k in group {
                    self.shift(*k, zone, i64::from(todo[*k]));
                }
                let excess: i64 = group.iter().map(|k| self.rules.excess_of(*k)).sum();
                for k in group {
                    self.shift(*k, zone, -i64::from(todo[*k]));
                }
                let key = (excess, self.away(zone), before);
                if best.is_none_or(|(least, _)| key < least) {
                    best = Some((key, zone));
                }
            }
            for k in group {
                let count = std::mem::take(&mut todo[*k]);
                if let Some((_, zone)) = best {
                    self.shift(*k, zone, i64::from(count));
                }
            }
            // Company from outside the group: bring one item of it along.
            let Some((_, zone)) = best else { continue };
            for r in 0..self.rules.rules.len() {
                let rule = &self.rules.rules[r];
                if !rule.is_affinity() || rule.excess_in(zone) == 0 {
                    continue;
                }
                let company = (0..self.model.kinds.len())
                    .find(|k| rule.of_kinds[*k] && todo[*k] > 0 && self.allows(*k, zone));
                if let Some(k) = company {
                    todo[k] -= 1;
                    self.shift(k, zone, 1);
                }
            }
        }
    }

    /// Spreads items that a rule counts: those with the fewest zones first,
    /// each where the rules that count it hold the least.
    fn place_counted(&mut self, todo: &mut [u32]) {
        let mut order: Vec<usize> = (0..self.model.kinds.len())
            .filter(|k| todo[*k] > 0 && !self.rules.rules_of[*k].is_empty())
            .collect();
        let counted = |s: &Self, k: usize| {
            let mut rules = s.rules.rules_of[k].iter();
            rules.any(|r| s.rules.rules[*r].of_kinds[k])
        };
        order.sort_by_key(|k| (!counted(self, *k), self.allowed[*k].count_ones(), *k));
        for kind in order {
            for _ in 0..std::mem::take(&mut todo[kind]) {
                let mut best: Option<(i64, i64, bool, f64, usize)> = None;
                for zone in 0..self.zones {
                    if !self.allows(kind, zone) {
                        continue;
                    }
                    let rules = self.rules.rules_of[kind].iter();
                    let held: i64 = rules
                        .map(|r| &self.rules.rules[*r])
                        .filter(|r| r.of_kinds[kind] && !r.is_affinity())
                        .map(|r| r.of[zone])
                        .sum();
                    // Spreads need not hold in between, only in the end.
                    let blocked = self.limits_break(kind, zone);
                    let key = (blocked, held, self.away(zone), self.load[zone], zone);
                    if best.is_none_or(|b| key < b) {
                        best = Some(key);
                    }
                }
                if let Some((0, .., zone)) = best {
                    self.shift(kind, zone, 1);
                }
            }
        }
    }

    /// How many limits and affinities one more item would break.
    fn limits_break(&mut self, kind: usize, zone: usize) -> i64 {
        let hard: Vec<usize> = self.rules.rules_of[kind]
            .iter()
            .copied()
            .filter(|r| !matches!(self.rules.rules[*r].asks, Asks::Spread { .. }))
            .collect();
        if hard.is_empty() {
            return 0;
        }
        let before: i64 = hard.iter().map(|r| self.rules.excess(*r)).sum();
        self.shift(kind, zone, 1);
        let after: i64 = hard.iter().map(|r| self.rules.excess(*r)).sum();
        self.shift(kind, zone, -1);
        (after - before).max(0)
    }

    /// Free items go home, or follow the load, or go to the cheapest zone when
    /// zones differ in price.
    fn place_free(&mut self, problem: &Problem, todo: &mut [u32]) {
        let price = zone_prices(self.model, problem.zones.len());
        for (kind, todo) in todo.iter_mut().enumerate() {
            let count = std::mem::take(todo);
            if count == 0 {
                continue;
            }
            if let Some(home) = self.home.filter(|home| self.allows(kind, *home)) {
                self.shift(kind, home, i64::from(count));
                continue;
            }
            let open: Vec<usize> = (0..self.zones).filter(|z| self.allows(kind, *z)).collect();
            let Some(cheapest) = open.iter().map(|z| price[*z]).min_by(f64::total_cmp) else {
                continue;
            };
            let cheap: Vec<usize> = open
                .into_iter()
                .filter(|z| price[*z] <= cheapest * 1.001)
                .collect();
            let fixed: Vec<f64> = cheap.iter().map(|z| self.load[*z]).collect();
            let total: f64 = fixed.iter().sum();
            // Cumulative shares, so that the parts add up to the whole.
            let mut given = 0u32;
            let mut share = 0.0;
            for (i, zone) in cheap.iter().enumerate() {
                share += if total > 0.0 {
                    fixed[i] / total
                } else {
                    f64::from(u8::from(i == 0))
                };
                let upto = if i + 1 == cheap.len() {
                    count
                } else {
                    ((f64::from(count) * share).round() as u32).min(count)
                };
                let n = upto.saturating_sub(given);
                given += n;
                // The load that is followed is that of the counted items:
                // following its own would only add noise.
                let load = self.load[*zone];
                self.shift(kind, *zone, i64::from(n));
                self.load[*zone] = load;
            }
        }
    }

    /// Moves items until every rule holds, or takes those away that cannot.
    fn repair(&mut self, groups: &[Vec<usize>]) {
        let mut fixed = vec![false; self.model.kinds.len()];
        for k in groups.iter().flatten() {
            fixed[*k] = true;
        }
        let mut excess = self.rules.total();
        for _ in 0..100_000 {
            if excess == 0 {
                return;
            }
            let mut best: Option<(i64, usize, usize, usize)> = None;
            for (kind, fixed) in fixed.iter().enumerate() {
                if *fixed || self.rules.rules_of[kind].is_empty() {
                    continue;
                }
                for from in 0..self.zones {
                    if self.counts[from][kind] == 0 {
                        continue;
                    }
                    for to in (0..self.zones).filter(|z| *z != from) {
                        if !self.allows(kind, to) || self.limits_break(kind, to) > 0 {
                            continue;
                        }
                        let before = self.rules.excess_of(kind);
                        self.shift(kind, from, -1);
                        self.shift(kind, to, 1);
                        let gain = before - self.rules.excess_of(kind);
                        self.shift(kind, to, -1);
                        self.shift(kind, from, 1);
                        if gain > 0 && best.is_none_or(|b| gain > b.0) {
                            best = Some((gain, kind, from, to));
                        }
                    }
                }
            }
            let Some((gain, kind, from, to)) = best else {
                break;
            };
            self.shift(kind, from, -1);
            self.shift(kind, to, 1);
            excess -= gain;
        }
        // What asks for a rule that cannot hold is not placed; taking an item
        // away may leave another without company or balance.
        loop {
            let offender = self.rules.offender(|zone, k| self.counts[zone][k] > 0);
            let Some((zone, kind)) = offender else { break };
            self.shift(kind, zone, -1);
        }
    }
}

impl Splitter<'_> {
    /// Exchanges items that rules about zones do not tell apart, so that zones of
    /// one price have the same mix. Where nodes stand already, room differs.
    fn balance(&mut self, problem: &Problem, groups: &[Vec<usize>]) {
        if problem.nodes.iter().any(|n| !n.closed) {
            return;
        }
        let price = zone_prices(self.model, self.zones);
        let Some(lowest) = price.iter().copied().min_by(f64::total_cmp) else {
            return;
        };
        let cheap: Vec<usize> = (0..self.zones)
            .filter(|z| price[*z] <= lowest * 1.001)
            .collect();
        let together: std::collections::BTreeSet<usize> =
            groups.iter().flatten().copied().collect();
        let keys = (0..self.model.kinds.len()).map(|k| {
            let everywhere = cheap.iter().all(|z| self.allows(k, *z));
            let alone = self.model.kinds[k].company.is_empty() && !together.contains(&k);
            let parts = self.rules.rules_of[k].iter().map(|r| {
                let rule = &self.rules.rules[*r];
                (*r, rule.with_kinds[k], rule.of_kinds[k])
            });
            let parts: Vec<(usize, bool, bool)> = parts.collect();
            let free = parts.is_empty();
            (k, (everywhere && alone).then_some((parts, free)))
        });
        let groups = balance::grouped(keys);
        if cheap.len() > 1 {
            balance::balance(self.model, &cheap, &groups, &mut self.counts);
        }
    }
}

/// What a zone costs beside the cheapest one: the mean over types of its
/// price as a multiple of the type's lowest.
fn zone_prices(model: &Model, zones: usize) -> Vec<f64> {
    let mut sum = vec![0.0; zones];
    let mut n = vec![0u32; zones];
    for t in &model.types {
        let lowest = t.offers.first().map_or(0, |o| o.raised);
        for offer in &t.offers {
            if let Some(zone) = offer.zone
                && lowest > 0
            {
                sum[zone] += offer.raised as f64 / lowest as f64;
                n[zone] += 1;
            }
        }
    }
    sum.iter()
        .zip(&n)
        .map(|(s, n)| if *n > 0 { s / f64::from(*n) } else { 1.0 })
        .collect()
}

/// Takes items away until every rule about zones holds. Needed only when a
/// zone could not take all that the split gave it.
pub(super) fn settle(problem: &Problem, model: &Model, pack: &mut Pack) {
    let mut rules = ZoneRules::new(problem, model);
    let mut held = vec![vec![0u32; model.kinds.len()]; problem.zones.len()];
    for bin in &pack.bins {
        for item in &bin.items {
            if let Some(zone) = bin.zone {
                rules.shift(item.kind as usize, zone, i64::from(item.count));
                held[zone][item.kind as usize] += item.count;
            }
        }
    }
    while let Some((zone, kind)) = rules.offender(|zone, kind| held[zone][kind] > 0) {
        let found = pack.bins.iter_mut().find_map(|b| {
            let here = b.zone == Some(zone);
            let at = b.items.iter().position(|i| i.kind as usize == kind);
            at.filter(|_| here).map(|at| (b, at))
        });
        let Some((bin, at)) = found else { break };
        let first = model.limits.len() as u32;
        let mut next = Some((at, 1));
        let mut company: Vec<usize> = Vec::new();
        while let Some((at, count)) = next {
            let kind = bin.items[at].kind as usize;
            bin.remove(model, at, count);
            rules.shift(kind, zone, -i64::from(count));
            held[zone][kind] -= count;
            // Whoever stands here for its company leaves with it.
            let was = model.kinds[kind].touches.iter();
            company.extend(
                was.filter(|t| t.of && t.rule >= first)
                    .map(|t| (t.rule - first) as usize),
            );
            let lonely = bin.items.iter().position(|i| {
                let asks = &model.kinds[i.kind as usize].company;
                asks.iter().any(|a| company.contains(a))
            });
            next = lonely.map(|at| (at, bin.items[at].count));
        }
    }
    pack.bins.retain(|b| !b.is_empty());
}
