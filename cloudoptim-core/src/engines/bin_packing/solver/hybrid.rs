//! The configuration bound: whole fillings where they can be priced exactly,
//! fluid ones where not.
//!
//! The fluid programme lets a node hold half an item, which costs a few percent
//! of the bound where nodes hold few items. This one covers the items with
//! fillings that are whole, of all types whose most valuable filling
//! [`Search::labelled`] can find or bound; a type that is too large for that
//! stays fluid, which is still a bound. Its duals are values of the items. As
//! no node holds more value than it costs, all items together cost at least
//! the sum of their values, whatever rules there are besides.

use super::bound::{Bound, lowest_cost};
use super::bundles::{Bundler, Bundling, FEW_BUNDLES, MANY_BUNDLES};
use super::columns::Config;
use super::family::Family;
use super::joined::Bundled;
use super::labels::Priced;
use super::lp::{Column, Filling, Master};
use super::model::Model;
use super::pricing::Search;
use super::room::{Group, Pricer, Room};
use super::solution::Certificate;
use crate::model::MicroUsdPerHour;
use std::collections::{BTreeMap, BTreeSet};

/// Labels kept per type while there is something to find, and at the end, when
/// it is to be proven that there is nothing.
const FEW_LABELS: usize = 60;
const LABELS: usize = 300;
const LABELS_TO_PROVE: usize = 20_000;

/// Entries of a table that tells the same, and how many take as long as a label.
const CELLS: usize = 600_000;
const ENTRIES_PER_LABEL: u64 = 128;

/// Labels kept for a type with equal devices where tables find nothing.
const LABELS_OF_BUNDLES: usize = 250;

/// How often tables for devices price the other amounts anew.
const PRICINGS: usize = 6;

/// How much of what a node may lose against the fractional filling is looked at,
/// one after the other until something is found.
const QUICK: [f64; 2] = [0.0625, 0.125];
const CLOSE: [f64; 3] = [0.125, 0.25, 0.5];
const HARD: [f64; 3] = [0.25, 0.5, 1.0];

/// Work on lists to be joined, in labels.
const LISTS: u64 = 4_000;
const CLOSE_LISTS: u64 = 40_000;
const HARD_LISTS: u64 = 800_000;

/// How often it is tried; more often where devices make looking exact.
const PROOFS: usize = 3;
const DEVICE_PROOFS: usize = 40;

/// How many types are looked at before all are.
const PROMISING: usize = 24;

/// A programme that falls by no more than this, relative, has stalled; after so
/// many times in a row it is time to prove, where looking is exact in the end.
const STALLED: f64 = 1e-5;
const STALLS: u32 = 4;

/// Types with devices that are looked at before all are, where a closer look is
/// due, and how often in a row.
const HOT: usize = 8;
const HOT_PROOFS: usize = 12;

/// A quick look passes over types that promise less than their price by this, as
/// far as their last look tells.
const DOUBT: f64 = 1e-3;

/// Types with a new filling after which a round ends.
const FOUND_PER_ROUND: usize = 3;

/// The same where looking takes long.
const FOUND_PER_PROOF: usize = 1;

/// The same where one table tells of all of them.
const FOUND_PER_TABLE: usize = 24;

/// A type that holds more items than this at the fluid optimum is fluid from the
/// start: half an item matters little there, and fillings are many.
const MANY_ITEMS: f64 = 32.0;

/// The bound is good enough within this of the programme's optimum.
const TOLERANCE: f64 = 1e-4;

/// By how much right sides are made uneven, relative.
const UNEVEN: f64 = 1e-6;

/// Pivots that one solution of the programme may take, by row.
const PIVOTS_PER_ROW: u64 = 50;

/// How far prices lean to those of late, and how hard to look at them, until a
/// filling is found.
const LOOKS: [(f64, Look); 3] = [(0.5, Look::Quick), (0.0, Look::Quick), (0.0, Look::Close)];

/// A type whose most valuable filling stays this uncertain becomes fluid.
const UNCERTAIN: f64 = 5e-4;

/// What the programme proves, and the fillings it made on the way.
#[derive(Debug, Clone, Default)]
pub(super) struct Hybrid {
    pub(super) lower: MicroUsdPerHour,
    /// By shape, in micro-dollars × 2^[`Certificate::SCALE_BITS`].
    pub(super) values: Vec<u64>,
    /// Types that stayed fluid.
    pub(super) fluid_types: u32,
    pub(super) configs: Vec<Config>,
    pub(super) pivots: u64,
    pub(super) work: u64,
    /// Whether it ended for lack of work or pivots.
    pub(super) cut_short: bool,
}

struct Type {
    ty: usize,
    price: f64,
    pricer: Pricer,
    search: Search,
    /// Where devices are equal: they need not be told apart.
    bundler: Option<Bundler>,
    fluid: bool,
    /// What was last known of its best filling, by the fractional one.
    ratio: f64,
    /// Whether a table can tell its best filling.
    tables: bool,
    /// The last look that found nothing, the values that it was at, and its bound.
    vain: Option<(Look, Vec<f64>, f64)>,
    /// What the last hard look cost.
    hard: u64,
}

impl Type {
    /// What a look at these values would say, if it is known to find nothing.
    fn known(&self, look: Look, own: &[f64]) -> Option<Priced> {
        let (before, values, upper) = self.vain.as_ref()?;
        (*before == look && values == own).then(|| Priced {
            upper: *upper,
            ..Priced::default()
        })
    }

    /// Remembers what a look cost, and that it found nothing if so.
    fn learn(&mut self, look: Look, own: Vec<f64>, priced: &Priced) {
        if look == Look::Hard {
            self.hard = priced.work;
        }
        let nothing = priced.counts.is_empty() && priced.others.is_empty();
        self.vain = nothing.then_some((look, own, priced.upper));
    }
}

struct Programme<'a> {
    model: &'a Model,
    /// Shapes with something to place, by row, and how many.
    shapes: Vec<usize>,
    right: Vec<f64>,
    left: Vec<u32>,
    types: Vec<Type>,
    /// Types that differ in size only.
    family: Option<Family>,
    /// Types that promised most when all were looked at.
    promising: Vec<usize>,
    /// Types with devices of which a closer look found a filling, the last first.
    hot: Vec<usize>,
    master: Master,
    known: BTreeSet<Config>,
    configs: Vec<Config>,
    row_of: Vec<Option<u32>>,
    work: u64,
    /// What labels cost in the last quick look.
    labelling: u64,
    /// Values with the best bound so far, by row, and that bound.
    centre: Vec<f64>,
    proven: f64,
    price_step: MicroUsdPerHour,
    /// A cost that was reached: no bound is above it.
    reached: f64,
    /// What purchase limits are worth: nodes pay for them, and the bound is what
    /// is left.
    limits: f64,
    /// Whether some type has devices.
    devices: bool,
}

/// Bounds the cost of packing `left` (by shape) on new nodes. `model` must be
/// without rules between classes; `known` are fillings to start from, `reached`
/// what the best packing known costs.
pub(super) fn bound(
    model: &Model,
    left: &[u32],
    fluid: &Bound,
    known: &[Config],
    reached: Option<MicroUsdPerHour>,
    pivot_limit: u64,
    budget: u64,
) -> Option<Hybrid> {
    let mut programme = Programme::new(model, left)?;
    programme.reached = reached.map_or(f64::INFINITY, |cost| cost.0 as f64);
    for config in known {
        programme.offer(config.clone());
    }
    programme.run(fluid, pivot_limit, budget)
}

impl<'a> Programme<'a> {
    fn new(model: &'a Model, left: &[u32]) -> Option<Self> {
        let shapes: Vec<usize> = (0..model.shapes.len()).filter(|s| left[*s] > 0).collect();
        let mut row_of = vec![None; model.shapes.len()];
        for (row, s) in (0..).zip(&shapes) {
            row_of[*s] = Some(row);
        }
        let groups: Vec<Group> = shapes
            .iter()
            .map(|s| Group {
                demand: model.shapes[*s].demand.clone(),
                shapes: vec![*s],
                count: f64::from(left[*s]),
            })
            .collect();
        let devices = model.types.iter().any(|t| !t.devices.is_empty());
        let types: Vec<Type> = (0..model.types.len())
            .filter_map(|ty| {
                let offer = model.types[ty].offers.first()?;
                let pricer = Pricer::new(model, &groups, Room::of(&model.types[ty]));
                let own: Vec<usize> = pricer.groups.iter().map(|g| shapes[*g]).collect();
                let parts = pricer.knapsack.columns().to_vec();
                (!own.is_empty()).then(|| {
                    let search = Search::new(model, ty, own, parts);
                    Type {
                        ty,
                        price: (offer.raised as f64).max(1e-3),
                        bundler: Bundler::new(&search, &pricer)
                            .filter(|b| b.devices > 0 || devices),
                        search,
                        pricer,
                        fluid: false,
                        ratio: 1.0,
                        tables: model.types[ty].devices.is_empty(),
                        vain: None,
                        hard: 0,
                    }
                })
            })
            .collect();
        let searches: Vec<&Search> = types.iter().map(|t| &t.search).collect();
        let family = Family::new(model, &searches);
        let right: Vec<f64> = shapes.iter().map(|s| f64::from(left[*s])).collect();
        let start = shapes
            .iter()
            .zip(0..)
            .map(|(s, row)| {
                let alone = types.iter().filter_map(|t| {
                    let fit = model.types[t.ty].fits[*s];
                    (fit > 0).then(|| (t.price / f64::from(fit), t.price, fit))
                });
                let (_, price, fit) = alone.min_by(|a, b| a.0.total_cmp(&b.0))?;
                Some(Some(Column {
                    // Dearer than any real filling, so that it leaves.
                    cost: price * 1.5,
                    entries: vec![(row, f64::from(fit))],
                }))
            })
            .collect::<Option<Vec<_>>>()?;
        // Many equal right sides make the simplex method step in place; values
        // are judged by the true ones, so this costs a little accuracy at most.
        let uneven = right
            .iter()
            .zip(1u32..)
            .map(|(n, row)| n * (1.0 + UNEVEN * f64::from(row % 97 + 1) / 97.0))
            .collect();
        Some(Self {
            model,
            master: Master::new(uneven, start),
            shapes,
            right,
            left: left.to_vec(),
            types,
            family,
            promising: Vec::new(),
            hot: Vec::new(),
            known: BTreeSet::new(),
            configs: Vec::new(),
            row_of,
            work: 0,
            labelling: 0,
            centre: Vec::new(),
            proven: 0.0,
            price_step: MicroUsdPerHour(1),
            reached: f64::INFINITY,
            limits: model.limited.worth() as f64 / (1u64 << Certificate::SCALE_BITS) as f64,
            devices,
        })
    }

    /// Adds a whole filling, if it is new.
    fn offer(&mut self, config: Config) -> bool {
        let Some(t) = self.types.iter().find(|t| t.ty == config.ty) else {
            return false;
        };
        let cost = t.price;
        let entries: Vec<(u32, f64)> = config
            .counts
            .iter()
            .filter_map(|(s, n)| Some((self.row_of[*s]?, f64::from(*n))))
            .collect();
        if entries.is_empty() || !self.known.insert(config.clone()) {
            return false;
        }
        self.master.add(Column { cost, entries });
        self.configs.push(config);
        true
    }

    fn run(mut self, fluid: &Bound, pivot_limit: u64, budget: u64) -> Option<Hybrid> {
        self.centre = self.shapes.iter().map(|s| fluid.values[*s]).collect();
        self.proven = fluid.lower.0 as f64 + self.limits;
        self.price_step = fluid.price_step;
        for (i, t) in self.types.iter_mut().enumerate() {
            if let Some(bundler) = &mut t.bundler {
                let relaxed = bundler.relax(&t.search, &t.pricer.own(&self.centre));
                let items: f64 = relaxed.amounts.iter().map(|(_, z)| z).sum();
                t.fluid = items > MANY_ITEMS;
                continue;
            }
            let filling = t.pricer.knapsack.solve(&t.pricer.own(&self.centre));
            let items: f64 = filling.amounts.iter().map(|(_, z)| z).sum();
            // Who checks the bound has tables too, and they are no larger.
            let too_large = self.family.as_ref().is_some_and(|f| !f.serves(i));
            t.fluid = items > MANY_ITEMS || too_large;
        }
        let mut cut_short = !self.converge(pivot_limit, budget / 4 * 3)?;
        // Prove it; what stays uncertain is fluid, and the rest adapts.
        let uncertain = self.prove(pivot_limit, budget)?;
        if self.devices {
            // Fluid fillings of types with devices are worth much more than whole
            // ones: hardly any bound is left.
            cut_short |= !uncertain.is_empty();
        } else if !uncertain.is_empty() {
            for t in uncertain {
                self.types[t].fluid = true;
            }
            cut_short |= !self.converge(pivot_limit, budget)?;
            self.prove(pivot_limit, budget + budget / 4)?;
        }
        Some(self.result(cut_short))
    }

    /// Generates fillings until none is found, or the work is done. Whether it
    /// came to its end; `None` when the programme failed.
    fn converge(&mut self, pivot_limit: u64, budget: u64) -> Option<bool> {
        // Duals of late, to which prices lean: they jump less.
        let mut calm = self.centre.clone();
        let all: Vec<usize> = (0..self.types.len()).collect();
        let mut last = f64::INFINITY;
        let mut stalls = 0;
        let patience = if self.devices { 0 } else { STALLS };
        loop {
            let duals = self.duals(pivot_limit)?;
            let optimum = self.master.objective();
            let stalled = optimum > last * (1.0 - STALLED);
            stalls = if stalled { stalls + 1 } else { 0 };
            last = optimum;
            if self.devices && stalls > STALLS {
                return Some(true);
            }
            let mut added = false;
            for (lean, look) in LOOKS {
                // What a quick look finds leads nowhere any more.
                if stalls > patience && look == Look::Quick {
                    continue;
                }
                if self.work >= budget || self.master.pivots >= pivot_limit {
                    return Some(false);
                }
                let values: Vec<f64> = duals
                    .iter()
                    .zip(&calm)
                    .map(|(dual, calm)| (1.0 - lean) * dual + lean * calm)
                    .collect();
                let some = match look {
                    Look::Quick => self.promising.clone(),
                    Look::Close | Look::Hard => self.hot.clone(),
                };
                if !some.is_empty() {
                    added = self.price(&values, &duals, look, budget, &some).added;
                }
                if !added {
                    added = self.price(&values, &duals, look, budget, &all).added;
                }
                if self.settled() {
                    return Some(true);
                }
                if added {
                    for (calm, value) in calm.iter_mut().zip(&values) {
                        *calm = 0.7 * *calm + 0.3 * value;
                    }
                    break;
                }
            }
            if !added {
                return Some(true);
            }
        }
    }

    /// Duals of the programme as it stands.
    fn duals(&mut self, pivot_limit: u64) -> Option<Vec<f64>> {
        let enough = 1_000 + PIVOTS_PER_ROW * self.shapes.len() as u64;
        let left = pivot_limit
            .saturating_sub(self.master.pivots)
            .clamp(1_000, enough);
        self.master.solve(left).ok()?;
        Some(self.master.duals().iter().map(|d| d.max(0.0)).collect())
    }

    /// Whether more work could not raise the bound, or not by much.
    fn settled(&self) -> bool {
        let optimum = self.master.objective();
        let rounded = |cost: f64| {
            let step = self.price_step.0.max(1) as f64;
            ((cost * (1.0 - 2.0 * UNEVEN) - self.limits) / step).ceil() * step
        };
        self.proven >= optimum * (1.0 - TOLERANCE)
            || rounded(self.proven) >= rounded(optimum)
            || rounded(self.proven) >= self.reached
    }

    /// Looks hard at every type, a few times while that finds anything. Returns
    /// the types that stay uncertain.
    fn prove(&mut self, pivot_limit: u64, budget: u64) -> Option<Vec<usize>> {
        let mut uncertain = Vec::new();
        let times = if self.devices { DEVICE_PROOFS } else { PROOFS };
        for _ in 0..times {
            if self.settled() {
                return Some(Vec::new());
            }
            let all: Vec<usize> = (0..self.types.len()).collect();
            let mut duals = self.duals(pivot_limit)?;
            for _ in 0..HOT_PROOFS {
                // Those that take long wait until the others have nothing.
                let mut hot = self.hot.clone();
                hot.sort_by_key(|i| self.types[*i].hard);
                let round = self.price(&duals, &duals, Look::Hard, budget, &hot);
                if !round.added {
                    break;
                }
                duals = self.duals(pivot_limit)?;
            }
            let round = self.price(&duals, &duals, Look::Hard, budget, &all);
            uncertain = round.uncertain;
            if !round.added {
                break;
            }
        }
        Some(uncertain)
    }

    /// Looks for fillings of `types` worth more than their price at `values`,
    /// and at `duals`, where they are added.
    fn price(
        &mut self,
        values: &[f64],
        duals: &[f64],
        look: Look,
        budget: u64,
        types: &[usize],
    ) -> Round {
        let mut round = Round::default();
        let mut order: Vec<(f64, usize)> = Vec::new();
        let mut scale: f64 = 1.0;
        let mut relaxed = BTreeMap::new();
        for i in types.iter().copied() {
            let t = &mut self.types[i];
            self.work += t.search.shapes.len() as u64;
            let own = t.pricer.own(values);
            let filling = t.pricer.knapsack.solve(&own);
            let mut worth = filling.value / t.price;
            let mut bundled = None;
            if worth > 1.0 + 1e-9
                && let Some(bundler) = &mut t.bundler
            {
                let tighter = Bundled::new(bundler, &t.search, &own);
                worth = worth.min(tighter.all.value / t.price);
                bundled = Some(tighter);
            }
            if worth > 1.0 + 1e-9 {
                order.push((worth, i));
            }
            if worth > 1.0 + 1e-9 {
                relaxed.insert(i, (filling, bundled));
            }
        }
        let whole = types.len() == self.types.len();
        if whole || look == Look::Quick {
            order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        }
        if whole && types.len() > 2 * PROMISING {
            let some = order.iter().take(PROMISING);
            self.promising = some.map(|(_, i)| *i).collect();
        }
        let mut found = 0;
        let mut by_shape = vec![0.0; self.model.shapes.len()];
        for (s, value) in self.shapes.iter().zip(values) {
            by_shape[*s] = *value;
        }
        let table = match &self.family {
            Some(family) if look != Look::Quick || self.labelling > family.work() => {
                let looked = order.iter().map(|(_, i)| *i);
                let looked: Vec<usize> = looked.filter(|i| !self.types[*i].fluid).collect();
                family.table(&by_shape, &looked)
            }
            _ => None,
        };
        self.work += table.as_ref().map_or(0, |t| t.work);
        if look == Look::Quick && table.is_none() {
            self.labelling = 0;
        }
        for (worth, i) in order {
            let t = &self.types[i];
            if t.fluid {
                scale = scale.min(1.0 / worth);
                let Some((filling, bundled)) = relaxed.get(&i) else {
                    continue;
                };
                let amounts = bundled
                    .as_ref()
                    .map_or(&filling.amounts, |b| &b.all.amounts);
                let entries: Vec<(u32, f64)> = amounts
                    .iter()
                    .map(|(c, z)| (t.pricer.groups[*c] as u32, *z))
                    .collect();
                let at_duals: f64 = entries.iter().map(|(r, z)| duals[*r as usize] * z).sum();
                if at_duals > t.price * (1.0 + 1e-7) {
                    let cost = t.price;
                    self.master.add(Column { cost, entries });
                    round.added = true;
                    found += 1;
                }
            } else if look == Look::Quick && worth * t.ratio <= 1.0 - DOUBT {
                // Hardly worth a look before others have nothing.
                scale = scale.min(1.0 / worth);
            } else {
                let own: Vec<f64> = t.pricer.own(values);
                let left: Vec<u32> = t.search.shapes.iter().map(|s| self.left[*s]).collect();
                let target = t.price * (1.0 + TOLERANCE / 4.0);
                let spare = budget.saturating_sub(self.work) / 4;
                let Some((root, bundled)) = relaxed.get(&i) else {
                    continue;
                };
                let look_at = (own.as_slice(), left.as_slice(), target);
                let tabled = self.family.as_ref().zip(table.as_ref());
                let tabled = tabled.and_then(|(family, table)| {
                    family.priced(table, i, &t.search, &by_shape, target)
                });
                let known = t.known(look, &own).filter(|_| table.is_none());
                let anew = known.is_none();
                let priced = match (known.or(tabled), bundled, &t.bundler) {
                    (Some(priced), ..) => priced,
                    (_, Some(bundled), Some(bundler)) => {
                        bundled_price(t, bundler, bundled, look_at, look, spare)
                    }
                    _ => labelled_price(t, root, look_at, look, spare),
                };
                self.work += priced.work;
                if look == Look::Quick && table.is_none() {
                    self.labelling += priced.work;
                }
                let upper = priced.upper.min(root.value);
                scale = scale.min(t.price / upper);
                let (ty, price) = (t.ty, t.price);
                self.types[i].ratio = upper / price / worth;
                if anew {
                    self.types[i].learn(look, own, &priced);
                }
                if upper > price * (1.0 + UNCERTAIN) {
                    round.uncertain.push(i);
                }
                let mut some = false;
                for counts in std::iter::once(priced.counts).chain(priced.others) {
                    let rows = counts.iter().filter_map(|(s, n)| {
                        let row = self.row_of[*s]?;
                        Some(duals[row as usize] * f64::from(*n))
                    });
                    let good = rows.sum::<f64>() > price * (1.0 + 1e-7);
                    some |= good && self.offer(Config { ty, counts });
                }
                round.added |= some;
                found += usize::from(some);
                if some && self.devices && look != Look::Quick {
                    self.hot.retain(|hot| *hot != i);
                    self.hot.insert(0, i);
                    self.hot.truncate(HOT);
                }
            }
            let enough = match look {
                Look::Hard if self.devices => FOUND_PER_PROOF,
                Look::Hard => usize::MAX,
                _ if table.is_some() => FOUND_PER_TABLE,
                _ => FOUND_PER_ROUND,
            };
            if found >= enough {
                return round;
            }
        }
        let total: f64 = self.right.iter().zip(values).map(|(n, v)| n * v).sum();
        if whole && scale * total > self.proven {
            self.proven = scale * total;
            self.centre = values.iter().map(|v| v * scale).collect();
        }
        round
    }

    fn result(self, cut_short: bool) -> Hybrid {
        let scale = (1u64 << Certificate::SCALE_BITS) as f64;
        let mut values = vec![0u64; self.model.shapes.len()];
        let mut total: u128 = 0;
        for (s, v) in self.shapes.iter().zip(&self.centre) {
            // Less than floating point could be wrong by.
            values[*s] = (v * scale * (1.0 - 1e-8)).floor().max(0.0) as u64;
            total += u128::from(values[*s]) * u128::from(self.left[*s]);
        }
        Hybrid {
            lower: lowest_cost(
                total.saturating_sub(self.model.limited.worth()),
                self.price_step,
            ),
            values,
            fluid_types: self.types.iter().filter(|t| t.fluid).count() as u32,
            configs: self.configs,
            pivots: self.master.pivots,
            work: self.work,
            cut_short,
        }
    }
}

/// Values and what is left, by shapes of a type's search, and the least worth
/// that matters.
type LookAt<'a> = (&'a [f64], &'a [u32], f64);

/// Looks for the best filling of a type with equal devices.
fn bundled_price(
    t: &Type,
    bundler: &Bundler,
    bundled: &Bundled,
    (own, left, target): LookAt<'_>,
    look: Look,
    spare: u64,
) -> Priced {
    let (bundles, labels) = match look {
        Look::Quick => (FEW_BUNDLES, 0),
        Look::Close => (FEW_BUNDLES, LABELS_OF_BUNDLES),
        Look::Hard => (MANY_BUNDLES, LABELS_TO_PROVE),
    };
    if let Some(priced) = joined_price(t, bundler, bundled, (own, target), look, spare) {
        return priced;
    }
    let relaxed = &bundled.all;
    let tabled = match look {
        Look::Hard => bundler.tabled(&t.search, relaxed, own, target, PRICINGS),
        _ => None,
    };
    let sure = |p: &Priced| p.upper <= t.price * (1.0 + UNCERTAIN) || p.value > target;
    let tabled = match tabled {
        Some(priced) if sure(&priced) => return priced,
        tabled => tabled,
    };
    let effort = Bundling {
        bundles,
        labels,
        budget: spare,
    };
    let mut priced = bundler.priced(&t.search, relaxed, own, left, target, effort);
    if let Some(tabled) = tabled {
        priced.work += tabled.work;
        priced.upper = priced.upper.min(tabled.upper).max(priced.value);
    }
    priced
}

/// Looks for the best filling by lists that are joined, first among those that
/// lose least against the fractional one. `None` where the lists get too long.
fn joined_price(
    t: &Type,
    bundler: &Bundler,
    bundled: &Bundled,
    (own, target): (&[f64], f64),
    look: Look,
    spare: u64,
) -> Option<Priced> {
    let (parts, most) = match look {
        Look::Quick => (&QUICK[..], LISTS),
        Look::Close => (&CLOSE[..], CLOSE_LISTS),
        Look::Hard => (&HARD[..], HARD_LISTS),
    };
    let most = spare.min(most);
    let mut found: Option<Priced> = None;
    let mut work = 0;
    for part in parts {
        let priced = bundler.joined(&t.search, bundled, own, *part, target, most);
        let Some(mut priced) = priced else {
            work += most;
            break;
        };
        work += priced.work;
        priced.work = work;
        let done = priced.value > target;
        found = Some(priced);
        if done {
            return found;
        }
    }
    match (found, look) {
        (found, Look::Hard) => found.filter(|p| p.upper <= target),
        (Some(found), _) => Some(Priced { work, ..found }),
        (None, _) => Some(Priced {
            upper: bundled.all.value,
            work,
            ..Priced::default()
        }),
    }
}

/// Looks for the best filling of any other type.
fn labelled_price(
    t: &Type,
    root: &Filling,
    (own, left, target): LookAt<'_>,
    look: Look,
    spare: u64,
) -> Priced {
    let knapsack = &t.pricer.knapsack;
    let few = if t.tables || look == Look::Quick {
        FEW_LABELS
    } else {
        LABELS
    };
    let mut priced = t.search.labelled(knapsack, own, left, target, few, spare);
    if look == Look::Quick || priced.upper <= target * (1.0 + 1e-7) {
        return priced;
    }
    let mut possible = own.to_vec();
    t.search.keep_possible(&mut possible, root, target);
    if t.tables
        && spare > 0
        && let Some(tabled) = t.search.tabled(&possible, CELLS)
    {
        priced.work += tabled.work / ENTRIES_PER_LABEL;
        let upper = tabled.upper.max(target) * (1.0 + 1e-9);
        priced.upper = priced.upper.min(upper);
        if tabled.upper > priced.value && t.search.holds(&tabled.counts) {
            priced.value = tabled.upper;
            priced.counts = tabled.counts;
        }
    } else if look == Look::Hard {
        let before = priced.work;
        let more = LABELS_TO_PROVE;
        priced = t.search.labelled(knapsack, own, left, target, more, spare);
        priced.work += before;
    }
    priced
}

/// How hard to look for a filling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Until some types have one, with few labels.
    Quick,
    /// The same with more labels, and tables.
    Close,
    /// At all types, with many labels where there is no table.
    Hard,
}

/// What one look at all types gave.
#[derive(Debug, Default)]
struct Round {
    added: bool,
    /// Types whose most valuable filling is not known well enough.
    uncertain: Vec<usize>,
}
