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
use super::bundles::Bundler;
use super::columns::Config;
use super::family::{Family, Table};
use super::joined::Bundled;
use super::knapsack::Filling;
use super::labels::Priced;
use super::looks::{Look, Type, UNCERTAIN};
use super::lp::{Column, Master};
use super::model::Model;
use super::parallel;
use super::pricing::Search;
use super::room::{Group, Pricer, Room};
use super::solution::Certificate;
use crate::model::MicroUsdPerHour;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

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

/// Types that share what work is left: what one may take does not hang on what
/// those beside it took.
const WINDOW: usize = 8;

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

struct Programme<'a> {
    model: &'a Model,
    /// Shapes with something to place, by row, and how many.
    shapes: Vec<usize>,
    right: Vec<f64>,
    left: Vec<u32>,
    types: Vec<Type>,
    /// Types that differ in size only, the smaller ones first.
    families: Vec<Family>,
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
                let parts = pricer.knapsack.columns();
                (!own.is_empty()).then(|| {
                    let search = Search::new(model, ty, own, parts);
                    Type {
                        ty,
                        price: (offer.raised as f64).max(1e-3),
                        bundler: Bundler::new(&search, &pricer.rows)
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
        let families = Family::all(model, &searches);
        let right: Vec<f64> = shapes.iter().map(|s| f64::from(left[*s])).collect();
        let start = shapes
            .iter()
            .zip(0..)
            .map(|(s, row)| {
                let alone = types.iter().filter_map(|t| {
                    let fit = model.types[t.ty].fits[*s];
                    let price = t.price + model.types[t.ty].extra(*s) as f64 * f64::from(fit);
                    (fit > 0).then(|| (price / f64::from(fit), price, fit))
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
            master: Master::new(uneven, start).until(&model.stop),
            shapes,
            right,
            left: left.to_vec(),
            types,
            families,
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
        let cost = t.price + t.pricer.beside_of(&config.counts);
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
            let served = self.families.iter().any(|f| f.serves(i));
            let too_large = !self.families.is_empty() && !served;
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
        cut_short |= self.late();
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
                let spent = self.work >= budget || self.master.pivots >= pivot_limit;
                if spent || self.late() {
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

    fn late(&self) -> bool {
        self.model.stop.is_due()
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
            if self.settled() || self.late() {
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
        let mut looked = parallel::chosen(&mut self.types, types);
        let fillings = parallel::each(&mut looked, |_, (_, t)| t.relaxed(values));
        for ((i, t), (worth, filling, bundled)) in looked.into_iter().zip(fillings) {
            self.work += t.search.shapes.len() as u64;
            if worth > 1.0 + 1e-9 {
                order.push((worth, i));
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
        let looked = order.iter().map(|(_, i)| *i);
        let looked: Vec<usize> = looked.filter(|i| !self.types[*i].fluid).collect();
        let long = self.families.iter().map(|f| f.work(&looked)).sum();
        let tabled = look != Look::Quick || self.labelling > long;
        let families = self.families.iter().enumerate().filter(|_| tabled);
        let tables: Vec<(usize, Table)> = families
            .filter(|_| !self.late())
            .filter_map(|(at, family)| Some((at, family.table(&by_shape, &looked)?)))
            .collect();
        let tabled = !tables.is_empty();
        self.work += tables.iter().map(|(_, table)| table.work).sum::<u64>();
        if look == Look::Quick && !tabled {
            self.labelling = 0;
        }
        let enough = match look {
            Look::Hard if self.devices => FOUND_PER_PROOF,
            Look::Hard => usize::MAX,
            _ if tabled => FOUND_PER_TABLE,
            _ => FOUND_PER_ROUND,
        };
        let at = At {
            values,
            duals,
            by_shape: &by_shape,
            look,
            tables: &tables,
        };
        for some in order.chunks(WINDOW) {
            let spare = budget.saturating_sub(self.work) / WINDOW as u64;
            let mut seen = Vec::new();
            let programme: &Self = self;
            parallel::in_order(
                some,
                enough - found,
                |(worth, i)| programme.look(*i, *worth, relaxed.get(i), &at, spare),
                |(worth, i), sight| {
                    found += usize::from(sight.found());
                    seen.push((*worth, *i, sight));
                    if found >= enough || programme.late() {
                        return ControlFlow::Break(());
                    }
                    ControlFlow::Continue(enough - found)
                },
            );
            for (worth, i, sight) in seen {
                scale = scale.min(self.learn(i, worth, sight, &at, &mut round));
            }
            if found >= enough || self.late() {
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

    /// Looks for fillings of one type, which promises `worth` by its price.
    fn look(
        &self,
        i: usize,
        worth: f64,
        relaxed: Option<&(Filling, Option<Bundled>)>,
        at: &At<'_>,
        spare: u64,
    ) -> Sight {
        let t = &self.types[i];
        let Some((root, bundled)) = relaxed else {
            return Sight::Passed;
        };
        if t.fluid {
            let amounts = bundled.as_ref().map_or(&root.amounts, |b| &b.all.amounts);
            let entries: Vec<(u32, f64)> = amounts
                .iter()
                .map(|(c, z)| (t.pricer.groups[*c] as u32, *z))
                .collect();
            let worth: f64 = entries.iter().map(|(r, z)| at.duals[*r as usize] * z).sum();
            let cost = t.price + t.pricer.beside(amounts);
            let good = worth > cost * (1.0 + 1e-7);
            return Sight::Fluid(good.then_some(Column { cost, entries }));
        }
        if at.look == Look::Quick && worth * t.ratio <= 1.0 - DOUBT {
            // Hardly worth a look before others have nothing.
            return Sight::Passed;
        }
        let own: Vec<f64> = t.pricer.own(at.values);
        let left: Vec<u32> = t.search.shapes.iter().map(|s| self.left[*s]).collect();
        let target = t.price * (1.0 + TOLERANCE / 4.0);
        let look_at = (own.as_slice(), left.as_slice(), target);
        let mut tabled = at.tables.iter();
        let tabled = tabled.find_map(|(f, table)| {
            self.families[*f].priced(table, i, &t.search, at.by_shape, target)
        });
        let known = t.known(at.look, &own).filter(|_| at.tables.is_empty());
        let anew = known.is_none();
        let known = known.or(tabled);
        let priced =
            known.unwrap_or_else(|| t.look(root, bundled.as_ref(), look_at, at.look, spare));
        let all = std::iter::once(&priced.counts).chain(&priced.others);
        let good = all.filter(|counts| {
            let rows = counts.iter().filter_map(|(s, n)| {
                let row = self.row_of[*s]?;
                Some(at.duals[row as usize] * f64::from(*n))
            });
            rows.sum::<f64>() > (t.price + t.pricer.beside_of(counts)) * (1.0 + 1e-7)
        });
        let fresh = good.cloned().map(|counts| Config { ty: t.ty, counts });
        Sight::Whole {
            fresh: fresh.filter(|c| !self.known.contains(c)).collect(),
            upper: priced.upper.min(root.value),
            own: anew.then_some(own),
            priced,
        }
    }

    /// Keeps what was seen of one type. Returns what its bound leaves of the
    /// values.
    fn learn(&mut self, i: usize, worth: f64, sight: Sight, at: &At<'_>, round: &mut Round) -> f64 {
        round.added |= sight.found();
        match sight {
            Sight::Passed => 1.0 / worth,
            Sight::Fluid(column) => {
                if let Some(column) = column {
                    self.master.add(column);
                }
                1.0 / worth
            }
            Sight::Whole {
                own,
                priced,
                upper,
                fresh,
            } => {
                self.work += priced.work;
                if at.look == Look::Quick && at.tables.is_empty() {
                    self.labelling += priced.work;
                }
                let t = &mut self.types[i];
                let price = t.price;
                t.ratio = upper / price / worth;
                if let Some(own) = own {
                    t.learn(at.look, own, &priced);
                }
                if upper > price * (1.0 + UNCERTAIN) {
                    round.uncertain.push(i);
                }
                if !fresh.is_empty() && self.devices && at.look != Look::Quick {
                    self.hot.retain(|hot| *hot != i);
                    self.hot.insert(0, i);
                    self.hot.truncate(HOT);
                }
                for config in fresh {
                    self.offer(config);
                }
                price / upper
            }
        }
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

/// Where and how hard types are looked at.
struct At<'a> {
    /// By row; fillings that are worth their price here are looked for,
    values: &'a [f64],
    /// and added where they are worth it here.
    duals: &'a [f64],
    /// Values by shape.
    by_shape: &'a [f64],
    look: Look,
    /// With the family that each is of.
    tables: &'a [(usize, Table)],
}

/// What a look at one type gave.
enum Sight {
    /// Not looked at: the fractional filling says enough.
    Passed,
    /// A fluid filling that is worth its price.
    Fluid(Option<Column>),
    Whole {
        /// The values, unless the answer was known.
        own: Option<Vec<f64>>,
        priced: Priced,
        /// No filling is worth more.
        upper: f64,
        /// Fillings that are new and worth their price.
        fresh: Vec<Config>,
    },
}

impl Sight {
    fn found(&self) -> bool {
        match self {
            Self::Passed => false,
            Self::Fluid(column) => column.is_some(),
            Self::Whole { fresh, .. } => !fresh.is_empty(),
        }
    }
}

/// What one look at all types gave.
#[derive(Debug, Default)]
struct Round {
    added: bool,
    /// Types whose most valuable filling is not known well enough.
    uncertain: Vec<usize>,
}
