//! Column generation over whole fillings of nodes, and the dive to integers.
//!
//! The configuration linear programme (Gilmore and Gomory 1961) chooses how
//! many nodes get which filling so that every item is covered. Fillings are
//! found on demand: the fractional knapsack says how much a filling of a type
//! could be worth at the present duals, a bounded search looks for one. Rules
//! between classes are left to the placing of the plan; limits that bind a
//! class by itself are in the fillings.
//!
//! The dive (Sadykov et al. 2019) fixes what the programme uses whole times,
//! then the largest fractions, and solves again for what is left.

mod covering;
mod looking;

use super::bin::Bin;
use super::knapsack::Filling;
use super::lp::Master;
use super::merged::Merged;
use super::pack::{Lens, Pack, Scope};
use super::parallel;
use super::pricing::Search;
use super::room::{Group, Pricer, Room};
use covering::Solved;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Above this many shapes the programme takes longer than it is worth.
pub(super) const MAX_SHAPES: usize = 320;

/// How far towards the best known duals to look for fillings; the next is tried
/// when one finds nothing.
const SEARCHES: [f64; 3] = [0.6, 0.3, 0.0];

/// The same while diving.
const DIVE_SEARCHES: [f64; 1] = [0.0];

/// Nodes of the search for a filling, without devices and with them.
const NODES: u64 = 200;
const DEVICE_NODES: u64 = 500;

/// Rounds of fillings after each step of a dive. A zone is one of several, and
/// quick: fewer then, and few before the dive if it knows the fillings of all
/// zones together.
const DIVE_ROUNDS: u32 = 4;
const ZONE_ROUNDS: u32 = 2;
const TAUGHT_ROUNDS: u32 = 3;

/// Fillings that are dearer than they are worth by no more than this serve the
/// dive.
const NEARLY: f64 = 0.05;

/// Types searched in one round, those that promise the most first; more where
/// devices are shared, and searches find less.
const TYPES_PER_ROUND: usize = 6;
const DEVICE_TYPES_PER_ROUND: usize = 12;

/// A filling of a type: how many items of which shapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Config {
    pub(super) ty: usize,
    pub(super) counts: Vec<(usize, u32)>,
}

/// A type ready for pricing.
struct TypePricer {
    ty: usize,
    price: f64,
    /// The price with what limits are worth at present.
    raised: f64,
    /// Purchase limits and what a node takes of them.
    takes: Vec<(usize, u64)>,
    pricer: Pricer,
    lens: Lens,
    search: Search,
    /// What it promised, by its price, when it was last searched in vain.
    vain: f64,
}

/// What a packing that costs less than a given one can be made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Near {
    /// Shapes with something to place, and how many.
    pub(super) rows: Vec<(usize, u32)>,
    /// Fillings, the price of a node, and how many nodes of its type there are.
    pub(super) configs: Vec<(Config, u64, u32)>,
}

impl Near {
    /// How many of a shape there are to place.
    pub(super) fn left(&self, shape: usize) -> u32 {
        let row = self.rows.iter().find(|(s, _)| *s == shape);
        row.map_or(0, |(_, left)| *left)
    }
}

/// The programme for one part of the problem.
pub(super) struct Programme<'a> {
    scope: Scope<'a>,
    /// Shapes with something to place, by row.
    shapes: Vec<usize>,
    row_of: Vec<Option<usize>>,
    pricers: Vec<TypePricer>,
    configs: Vec<Config>,
    known: BTreeSet<Config>,
    /// What there is of each purchase limit, and what is left of it. Their rows come
    /// after those of the shapes.
    limits: Vec<f64>,
    limits_left: Vec<u64>,
    /// Duals with the best bound so far, by row.
    centre: Vec<f64>,
    centre_bound: f64,
    /// The programme as last solved.
    solved: Option<Solved>,
    types_per_round: usize,
    /// Nodes of a search for a filling.
    nodes: u64,
    /// Whether it knows the fillings of another programme.
    taught: bool,
    pub(super) pivots: u64,
    pub(super) work: u64,
    /// What the dive costs at least, as far as its first programme tells.
    pub(super) least: f64,
    pivot_limit: u64,
    /// Work up to which fillings are generated.
    budget: u64,
}

impl<'a> Programme<'a> {
    /// `scope.model` must be [`Merged`]; only `types` are looked at.
    pub(super) fn new(
        scope: Scope<'a>,
        pack: &Pack,
        types: &[usize],
        pivot_limit: u64,
        budget: u64,
    ) -> Self {
        let model = scope.model;
        let shapes: Vec<usize> = (0..model.shapes.len())
            .filter(|s| pack.left.shapes[*s] > 0)
            .collect();
        let mut row_of = vec![None; model.shapes.len()];
        for (row, s) in shapes.iter().enumerate() {
            row_of[*s] = Some(row);
        }
        let groups: Vec<Group> = shapes
            .iter()
            .map(|s| Group {
                demand: model.shapes[*s].demand.clone(),
                shapes: vec![*s],
                count: f64::from(pack.left.shapes[*s]),
            })
            .collect();
        let pricers = parallel::map(types, |t| {
            let t = *t;
            let (offer, _) = pack.stock.cheapest(scope, t)?;
            let offer = model.types[t].offers[offer];
            let price = offer.price.0 as f64;
            let pricer = Pricer::new(model, &groups, Room::of(&model.types[t]));
            let own: Vec<usize> = pricer.groups.iter().map(|g| shapes[*g]).collect();
            (!own.is_empty()).then(|| TypePricer {
                ty: t,
                price,
                raised: price,
                takes: model.limited.takes(offer.takes).to_vec(),
                lens: Lens::new(scope, t),
                search: Search::new(model, t, own, pricer.knapsack.columns()),
                pricer,
                vain: 0.0,
            })
        });
        let pricers = pricers.into_iter().flatten().collect();
        let centre = shapes.iter().map(|s| scope.bound.values[*s]).collect();
        let devices = model.types.iter().any(|t| !t.devices.is_empty());
        Self {
            scope,
            shapes,
            row_of,
            pricers,
            configs: Vec::new(),
            known: BTreeSet::new(),
            limits: model.limited.room().iter().map(|max| *max as f64).collect(),
            limits_left: pack.stock.limits().to_vec(),
            centre,
            centre_bound: f64::NEG_INFINITY,
            solved: None,
            nodes: if devices { DEVICE_NODES } else { NODES },
            types_per_round: if devices {
                DEVICE_TYPES_PER_ROUND
            } else {
                TYPES_PER_ROUND
            },
            taught: false,
            pivots: 0,
            work: 0,
            least: 0.0,
            pivot_limit,
            budget,
        }
    }

    /// Offers the fillings of a packing of the true model.
    pub(super) fn learn(&mut self, merged: &Merged, pack: &Pack) {
        for bin in &pack.bins {
            let super::bin::On::New { ty, .. } = bin.on else {
                continue;
            };
            let mut counts: Vec<(usize, u32)> = Vec::new();
            for (kind, n) in bin.contents() {
                let shape = merged.of_kind[kind];
                match counts.iter_mut().find(|(s, _)| *s == shape) {
                    Some((_, m)) => *m += n,
                    None => counts.push((shape, n)),
                }
            }
            counts.sort_unstable();
            self.add(Config {
                ty: ty as usize,
                counts,
            });
        }
    }

    /// Offers fillings from elsewhere.
    pub(super) fn learn_configs(&mut self, configs: &[Config]) {
        self.taught |= !configs.is_empty();
        for config in configs {
            self.add(config.clone());
        }
    }

    /// Generates fillings for `left` (by shape), and hands over all it knows.
    pub(super) fn explored(mut self, left: &[u32]) -> Vec<Config> {
        self.solve(left, 1_000, &SEARCHES);
        self.configs
    }

    /// All fillings that it knows.
    pub(super) fn known(self) -> Vec<Config> {
        self.configs
    }

    /// The fillings that some cover of `left` (by shape) below `cost` may use, as
    /// far as the linear programme over them tells; `None` when it fails.
    pub(super) fn near(&mut self, left: &[u32], pack: &Pack, cost: u64) -> Option<Near> {
        self.solve(left, 0, &[])?;
        let solved = self.solved.as_ref()?;
        let open = cost as f64 - solved.master.objective();
        let configs = solved
            .from
            .iter()
            .enumerate()
            .filter_map(|(column, config)| {
                let config = self.configs.get((*config)?)?;
                // A little more, for floating point.
                if solved.master.over(column) > open + 1e-6 * cost as f64 {
                    return None;
                }
                let (offer, available) = pack.stock.cheapest(self.scope, config.ty)?;
                let price = self.scope.model.types[config.ty].offers[offer].price.0;
                let pricer = self.pricers.iter().find(|p| p.ty == config.ty);
                let beside = pricer.map_or(0.0, |p| p.pricer.beside_of(&config.counts)) as i64;
                let price = price.saturating_add(beside);
                Some((config.clone(), u64::try_from(price).ok()?, available))
            });
        Some(Near {
            configs: configs.collect(),
            rows: self.shapes.iter().map(|s| (*s, left[*s])).collect(),
        })
    }

    /// Whether no more fillings are to be generated.
    fn over(&self) -> bool {
        self.work >= self.budget || self.late()
    }

    fn late(&self) -> bool {
        self.scope.model.stop.is_due()
    }

    fn add(&mut self, config: Config) -> bool {
        if self.known.contains(&config) {
            return false;
        }
        self.known.insert(config.clone());
        self.configs.push(config);
        true
    }

    /// Solves the programme for `left` (by shape), from where it was solved
    /// last, generating at most `rounds` rounds of fillings. Returns
    /// configurations with how often they are used.
    pub(super) fn solve(
        &mut self,
        left: &[u32],
        rounds: u32,
        searches: &[f64],
    ) -> Option<Vec<(usize, f64)>> {
        let limit = self.pivot_limit.saturating_sub(self.pivots);
        let (mut solved, rounds) = match self.again(left, limit) {
            // With the same duals there is nothing new to find.
            Some((solved, others)) => (solved, if others { rounds } else { 0 }),
            None => (self.master(left, None)?, rounds),
        };
        let before = self.pivots - solved.master.pivots.min(self.pivots);
        let spent_by = |master: &Master| before + master.pivots;
        self.centre_bound = f64::NEG_INFINITY;
        for pricer in &mut self.pricers {
            pricer.vain = 0.0;
        }
        for round in 0..=rounds {
            let spent = spent_by(&solved.master);
            let ok = solved.master.solve(self.pivot_limit.saturating_sub(spent));
            self.pivots = spent_by(&solved.master);
            if ok.is_err() {
                return None;
            }
            let spent = self.pivots >= self.pivot_limit || self.over();
            if round == rounds || spent {
                break;
            }
            let duals = solved.duals();
            let objective = solved.master.objective();
            let mut fresh = Vec::new();
            for (at, smoothing) in searches.iter().enumerate() {
                let last = at + 1 == searches.len();
                let values: Vec<f64> = duals
                    .iter()
                    .zip(&self.centre)
                    .map(|(d, c)| (1.0 - smoothing) * d.max(0.0) + smoothing * c)
                    .collect();
                fresh = self.generate(left, &values, &duals, last);
                if !fresh.is_empty() {
                    break;
                }
            }
            if fresh.is_empty() || self.centre_bound >= objective * (1.0 - 1e-6) {
                break;
            }
            for i in fresh {
                if let Some(column) = self.column(&self.configs[i], &solved.at) {
                    solved.master.add(column);
                    solved.from.push(Some(i));
                }
            }
        }
        let solution = solved.master.solution().into_iter();
        let used = solution.filter_map(|(c, x)| Some((solved.from[c]?, x)));
        let used = used.collect();
        self.solved = Some(solved);
        Some(used)
    }

    /// Looks for fillings that are worth more than their price at `values`
    /// (or at the true `duals`). Returns those that are new. Types that promise
    /// no more than when they were last searched in vain wait until the others
    /// have nothing, and until the `last` look.
    fn generate(&mut self, left: &[u32], values: &[f64], duals: &[f64], last: bool) -> Vec<usize> {
        let mut promising: Vec<(f64, usize, Filling)> = Vec::new();
        let mut scale: f64 = 1.0;
        self.work += self.pricers.len() as u64;
        let taxes: Vec<f64> = duals[self.shapes.len()..]
            .iter()
            .map(|dual| dual.max(0.0))
            .collect();
        for p in &mut self.pricers {
            let taken = p.takes.iter();
            let taken = taken.map(|(l, amount)| taxes[*l] * *amount as f64 / self.limits[*l]);
            p.raised = p.price + taken.sum::<f64>();
        }
        let fillings = parallel::each(&mut self.pricers, |_, p| {
            let filling = p.pricer.knapsack.solve(&p.pricer.own(values));
            (filling.value / p.raised.max(1e-3), filling)
        });
        for (i, (worth, filling)) in fillings.into_iter().enumerate() {
            scale = scale.min(1.0 / worth.max(1e-12));
            if worth > 1.0 + 1e-7 {
                promising.push((worth, i, filling));
            }
        }
        let total: f64 = self
            .shapes
            .iter()
            .zip(values)
            .map(|(s, v)| f64::from(left[*s]) * v)
            .sum();
        let limits = self.limits.iter().zip(&self.limits_left).zip(&taxes);
        let limits: f64 = limits
            .map(|((max, left), tax)| tax * *left as f64 / max)
            .sum();
        if scale.min(1.0) * total - limits > self.centre_bound {
            self.centre_bound = scale.min(1.0) * total - limits;
            self.centre = values.iter().map(|v| v * scale.min(1.0)).collect();
        }
        promising.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut by_shape = vec![0.0; self.scope.model.shapes.len()];
        for (row, s) in self.shapes.iter().enumerate() {
            by_shape[*s] = values[row];
        }
        let (promising, doubtful): (Vec<_>, Vec<_>) = promising
            .into_iter()
            .partition(|(worth, i, _)| *worth > self.pricers[*i].vain);
        let mut fresh = Vec::new();
        let mut hits = 0;
        let rest: Vec<_> = doubtful.into_iter().filter(|_| last).collect();
        for (some, doubted) in [(promising, false), (rest, true)] {
            let over = hits == self.types_per_round || self.over();
            if over || (doubted && !fresh.is_empty()) {
                break;
            }
            let programme: &Self = self;
            let (most, budget) = (self.types_per_round, self.budget);
            let mut work = self.work;
            let mut looked = Vec::new();
            parallel::in_order(
                &some,
                1,
                |(_, i, filling)| programme.look(*i, filling, left, (&by_shape, duals)),
                |(worth, i, _), (found, cost)| {
                    work += cost;
                    hits += usize::from(!found.is_empty());
                    looked.push((*worth, *i, found));
                    if hits == most || work >= budget || programme.late() {
                        return ControlFlow::Break(());
                    }
                    ControlFlow::Continue(most - hits)
                },
            );
            self.work = work;
            for (worth, i, found) in looked {
                if found.is_empty() {
                    self.pricers[i].vain = worth;
                }
                for config in found {
                    if self.add(config) {
                        fresh.push(self.configs.len() - 1);
                    }
                }
            }
        }
        fresh
    }

    /// Later programmes need only what was nearly good enough for the whole.
    fn prune(&mut self) {
        if let Some(Solved {
            master, from, rows, ..
        }) = &mut self.solved
        {
            let own = rows.iter().filter(|row| **row < self.shapes.len()).count();
            let kept = master.prune(own, NEARLY);
            *from = kept.iter().map(|j| from[*j]).collect();
        }
    }

    /// A whole number of fillings that cover `left` (by shape), cheapest
    /// first tries; what a fraction of a node would hold is left out.
    pub(super) fn dive(&mut self, left: &[u32]) -> Vec<(Config, u32)> {
        let zone = self.scope.zone.is_some();
        let mut left = left.to_vec();
        let mut plan: Vec<(Config, u32)> = Vec::new();
        let mut first = true;
        while left.iter().any(|n| *n > 0) && !self.late() {
            let solved = if first {
                let hurried = zone && self.taught;
                let rounds = if hurried { TAUGHT_ROUNDS } else { 1_000 };
                self.solve(&left, rounds, &SEARCHES)
            } else {
                let rounds = if zone { ZONE_ROUNDS } else { DIVE_ROUNDS };
                self.solve(&left, rounds, &DIVE_SEARCHES)
            };
            let Some(solution) = solved else { break };
            if solution.is_empty() {
                break;
            }
            if first {
                first = false;
                let solved = self.solved.as_ref();
                self.least = solved.map_or(0.0, |solved| solved.master.objective());
                self.prune();
            }
            let mut fixed = false;
            let pricers = &self.pricers;
            let limits_left = &mut self.limits_left;
            let mut commit = |config: &Config, copies: u32, left: &mut Vec<u32>| {
                let mut copies = copies;
                let takes = pricers.iter().find(|p| p.ty == config.ty);
                let takes = takes.map_or(&[][..], |p| &p.takes);
                for (limit, amount) in takes {
                    let room = limits_left[*limit] / amount;
                    copies = copies.min(u32::try_from(room).unwrap_or(u32::MAX));
                }
                // Never more copies than there is something for.
                let useful = config
                    .counts
                    .iter()
                    .map(|(s, n)| left[*s].div_ceil(*n))
                    .max();
                copies = copies.min(useful.unwrap_or(0));
                if copies == 0 {
                    return false;
                }
                for (s, n) in &config.counts {
                    left[*s] = left[*s].saturating_sub(n * copies);
                }
                for (limit, amount) in takes {
                    limits_left[*limit] -= amount * u64::from(copies);
                }
                plan.push((config.clone(), copies));
                true
            };
            for (i, x) in &solution {
                let whole = (x + 1e-6).floor();
                if whole >= 1.0 {
                    fixed |= commit(&self.configs[*i], whole as u32, &mut left);
                }
            }
            if fixed {
                continue;
            }
            // Nothing whole: round the largest fractions up.
            let mut order: Vec<(f64, usize)> = solution.iter().map(|(i, x)| (*x, *i)).collect();
            order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let several = (order.len() / 16).max(1);
            for (x, i) in order.into_iter().take(several) {
                if x < 0.5 && fixed {
                    break;
                }
                // Rounding up what is mostly not wanted any more wastes room.
                let config = &self.configs[i];
                let served = config.counts.iter().all(|(s, n)| left[*s] >= *n);
                if fixed && !served {
                    continue;
                }
                fixed |= commit(config, 1, &mut left);
            }
            if !fixed || self.pivots >= self.pivot_limit {
                break;
            }
        }
        plan
    }
}

/// Carries a plan out on the true model: opens its nodes and fills them with
/// the items that rules allow.
pub(super) fn carry_out(
    scope: Scope<'_>,
    merged: &Merged,
    pack: &mut Pack,
    plan: &[(Config, u32)],
) {
    let model = scope.model;
    for (config, copies) in plan {
        // Large shares of devices first, so that small ones fill the gaps.
        let mut counts = config.counts.clone();
        counts.sort_by_key(|(s, _)| {
            let request = &merged.model.shapes[*s].devices;
            let devices = request.as_ref().map_or((0, 0), |d| (d.milli, d.count));
            (std::cmp::Reverse(devices), *s)
        });
        for _ in 0..*copies {
            let Some((offer, _)) = pack.stock.cheapest(scope, config.ty) else {
                break;
            };
            let mut bin = Bin::new(model, config.ty, offer);
            for (shape, count) in &counts {
                super::pack::add_kinds(
                    model,
                    &mut bin,
                    &mut pack.left,
                    &merged.kinds[*shape],
                    *count,
                    &mut pack.work,
                );
            }
            if bin.is_empty() {
                break;
            }
            pack.stock.take(model, config.ty, offer, 1);
            pack.bins.push(bin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bound;
    use super::super::model::Model;
    use super::super::problem::{Class, NodeType, Offering, Problem};
    use super::*;
    use crate::model::MicroUsdPerHour;

    /// Eight classes and two types.
    fn problem() -> Problem {
        let node_type = |id: &str, cpu, memory, price| NodeType {
            id: id.into(),
            capacity: vec![cpu, memory],
            offerings: vec![Offering {
                price: Some(MicroUsdPerHour(price)),
                ..Offering::default()
            }],
            ..NodeType::default()
        };
        let class = |at: u64| Class {
            id: format!("c{at}"),
            count: 40 + 7 * at as u32,
            demand: vec![300 + 170 * at, 2_900 - 310 * at],
            ..Class::default()
        };
        Problem {
            dims: vec!["cpu_milli".into(), "memory_mib".into()],
            classes: (0..8).map(class).collect(),
            types: vec![
                node_type("narrow", 3_900, 15_000, 170_000),
                node_type("wide", 7_900, 14_000, 250_000),
            ],
            ..Problem::default()
        }
    }

    #[test]
    fn a_master_without_covered_rows_costs_the_same() {
        let problem = problem();
        let model = Model::new(&problem);
        let bound = bound::fluid(&problem, &model, 10_000);
        let types = super::super::pack::promising(&model, &bound);
        let scope = Scope {
            model: &model,
            bound: &bound,
            zone: None,
            types: &types,
        };
        let all: Vec<u32> = model
            .shapes
            .iter()
            .map(|s| model.kinds[s.kinds[0]].count)
            .collect();
        let pack = Pack::new(&model, all.clone(), Vec::new());
        let new = || Programme::new(scope, &pack, &types, 100_000, 1_000_000);
        let mut programme = new();
        assert!(programme.solve(&all, 1_000, &SEARCHES).is_some());
        let rows = |p: &Programme<'_>| p.solved.as_ref().map(|s| s.rows.len());
        assert_eq!(rows(&programme), Some(8));
        // One class less is asked of the same master, four less of another.
        for (covered, known) in [(1, 8), (4, 4), (5, 4), (7, 1)] {
            let left: Vec<u32> = all
                .iter()
                .enumerate()
                .map(|(s, n)| if s < covered { 0 } else { n / 2 })
                .collect();
            assert!(programme.solve(&left, 0, &[]).is_some());
            assert_eq!(rows(&programme), Some(known), "{covered} covered");
            let mut fresh = new();
            fresh.learn_configs(&programme.configs);
            assert!(fresh.solve(&left, 0, &[]).is_some());
            assert_eq!(rows(&fresh), Some(8 - covered));
            let costs = [&programme, &fresh].map(|p| p.solved.as_ref().unwrap().master.objective());
            assert!((costs[0] - costs[1]).abs() < 1e-5 * costs[1], "{costs:?}");
            // What is covered is worth nothing.
            let duals = programme.solved.as_ref().unwrap().duals();
            let rest = &duals[covered..];
            assert!(rest.iter().any(|dual| *dual > 0.0));
            if known == 8 - covered {
                assert!(duals[..covered].iter().all(|dual| *dual == 0.0));
            }
        }
        // A row that is asked for again is there again.
        assert!(programme.solve(&all, 0, &[]).is_some());
        assert_eq!(rows(&programme), Some(8));
    }
}
