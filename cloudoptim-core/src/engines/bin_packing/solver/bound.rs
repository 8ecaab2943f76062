//! The fluid lower bound and its certificate.
//!
//! Items and nodes may be cut into pieces, but a piece of a node is filled by
//! pieces that share *its* resources: unlike total demand against total
//! capacity, this knows that spare memory on one type does not help another.
//! The linear programme is solved by generating fillings of single types; its
//! duals are then rewritten as integers that anyone can check
//! ([`Certificate`]), and only what those prove is reported.

use super::grid::gcd;
use super::knapsack::Filling;
use super::lp::{Column, Master};
use super::model::Model;
use super::parallel;
use super::problem::Problem;
use super::room::{Group, Pricer, Room, Taker};
use super::solution::{BoundMethod, Certificate, Note, Share, ShareOf, Split, SplitOn};
use crate::model::MicroUsdPerHour;
use std::collections::BTreeMap;

/// A column's groups and how many of each.
type Entries = Vec<(usize, f64)>;

/// Above this many shapes the programme is solved on groups of similar ones.
const MAX_GROUPS: usize = 300;

/// By how much right sides are made uneven, relative.
const UNEVEN: f64 = 1e-8;

/// After so many pivots this much, relative, is close enough to the optimum.
const MANY_PIVOTS: u64 = 2_000;
const TOLERANCE: f64 = 1e-5;

/// How many types are looked at before all are, and how many fillings are added
/// at a time.
const PROMISING: usize = 24;
const COLUMNS_PER_ROUND: usize = 24;

/// What is known about how little a full packing can cost.
#[derive(Debug, Clone, Default)]
pub(super) struct Bound {
    pub(super) lower: MicroUsdPerHour,
    /// What all prices are multiples of.
    pub(super) price_step: MicroUsdPerHour,
    pub(super) method: BoundMethod,
    pub(super) certificate: Option<Certificate>,
    pub(super) notes: Vec<Note>,
    pub(super) pivots: u64,
    /// Certified value of one item of each shape, in micro-dollars per hour.
    pub(super) values: Vec<f64>,
    /// Of each type, the part of its price that each resource carries; the
    /// devices come last.
    pub(super) weights: Vec<Vec<f64>>,
    /// What the best fractional filling of each type is worth, by its price.
    pub(super) worth: Vec<f64>,
    /// What each self-limit carries of the cost of the fluid optimum.
    pub(super) limits: Vec<f64>,
    /// How many nodes of each type the fluid optimum uses.
    pub(super) usage: Vec<f64>,
    /// How many items of each shape the fluid optimum puts on each type.
    pub(super) flow: BTreeMap<(usize, usize), f64>,
    /// What each purchase limit is worth, where some are worth anything; offers at
    /// the prices that these make are what the rest is about.
    pub(super) limit_values: Vec<u64>,
    /// Whether limits leave no room for all items, as far as could be told: what
    /// limits are worth then only guides the search.
    pub(super) too_tight: bool,
}

impl Bound {
    /// Nothing known yet.
    pub(super) fn none(model: &Model) -> Self {
        Self {
            values: vec![0.0; model.shapes.len()],
            usage: vec![0.0; model.types.len()],
            worth: vec![1.0; model.types.len()],
            limits: vec![0.0; model.self_limits.len()],
            weights: vec![vec![0.0; model.dims + 1]; model.types.len()],
            ..Self::default()
        }
    }
}

/// Similar shapes in one group each, at most [`MAX_GROUPS`] of them, at what
/// their items take on average. The values are judged shape by shape later on.
fn groups(model: &Model, shapes: &[usize]) -> Vec<Group> {
    let mut step: f64 = 1.0;
    loop {
        let mut index: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for s in shapes {
            let shape = &model.shapes[*s];
            let demand: Vec<u64> = shape
                .demand
                .iter()
                .map(|d| {
                    if step > 1.0 && *d > 0 {
                        ((*d as f64).ln() / step.ln()) as u64 + 1
                    } else {
                        *d
                    }
                })
                .collect();
            let accepts: Vec<bool> = model.types.iter().map(|t| t.fits[*s] > 0).collect();
            let extra = model.types.iter().filter(|_| model.prefers);
            let extra: Vec<i64> = extra.map(|t| t.extra(*s)).collect();
            index
                .entry((
                    demand,
                    shape.devices.as_ref().map(|d| (d.count, d.milli)),
                    shape.limits.clone(),
                    accepts,
                    extra,
                ))
                .or_default()
                .push(*s);
        }
        if index.len() <= MAX_GROUPS || step > 100.0 {
            return index
                .into_values()
                .map(|shapes| {
                    let count_of = |s: usize| -> u128 {
                        let kinds = model.shapes[s].kinds.iter();
                        kinds.map(|k| u128::from(model.kinds[*k].count)).sum()
                    };
                    let items: u128 = shapes.iter().map(|s| count_of(*s)).sum();
                    let demand = (0..model.dims)
                        .map(|r| {
                            let taken = shapes
                                .iter()
                                .map(|s| u128::from(model.shapes[*s].demand[r]) * count_of(*s));
                            u64::try_from(taken.sum::<u128>() / items.max(1)).unwrap_or(u64::MAX)
                        })
                        .collect();
                    let count = items as f64;
                    Group {
                        demand,
                        shapes,
                        count,
                    }
                })
                .collect();
        }
        step = if step == 1.0 { 1.01 } else { step * step };
    }
}

/// Bounds the cost of packing everything that fits some priced type.
pub(super) fn fluid(problem: &Problem, model: &Model, pivot_limit: u64) -> Bound {
    let shapes: Vec<usize> = (0..model.shapes.len())
        .filter(|s| model.wanted[*s] && model.types.iter().any(|t| t.fits[*s] > 0))
        .collect();
    let mut bound = Bound::none(model);
    if model.unpriced > 0 {
        bound.notes.push(Note::UnpricedTypes {
            types: model.unpriced,
        });
    }
    if shapes.is_empty() {
        return bound;
    }
    let groups = groups(model, &shapes);
    let mut pricers = parallel::map(&model.types, |t| Pricer::new(model, &groups, Room::of(t)));
    let mut existing = Room::existing(problem, model).map(|room| Pricer::new(model, &groups, room));

    let mut charges = Charges::new(model);
    let free = generate(
        &groups,
        &mut pricers,
        existing.as_mut(),
        pivot_limit,
        &charges,
    );
    bound.pivots = free.pivots;
    let mut within: Option<Outcome> = None;
    loop {
        // Limits that it breaks get a row, until it breaks none.
        let more = charges.broken(&within.as_ref().unwrap_or(&free).primal);
        if more.is_empty() || bound.pivots >= pivot_limit || model.stop.is_due() {
            break;
        }
        charges.rows.extend(more);
        let left = pivot_limit - bound.pivots;
        let found = generate(&groups, &mut pricers, existing.as_mut(), left, &charges);
        bound.pivots += found.pivots;
        if found.failed {
            bound.notes.push(Note::BoundFallback);
            break;
        }
        within = Some(found);
    }
    let unlimited = free.proven;
    let limited = within.is_some();
    let outcome = within.unwrap_or(free);
    if outcome.failed {
        bound.notes.push(Note::BoundFallback);
    } else if outcome.cut_short {
        bound.notes.push(Note::BoundPivotLimit {
            pivots: outcome.pivots,
        });
    }
    for Used {
        room: t,
        amount,
        filling,
        ..
    } in &outcome.primal
    {
        let Some(usage) = bound.usage.get_mut(*t) else {
            continue; // the existing nodes
        };
        *usage += amount;
        for (g, z) in filling {
            let group = &groups[*g];
            // A group's flow goes to its shapes in proportion to their counts.
            for s in &group.shapes {
                let count: u32 = model.shapes[*s]
                    .kinds
                    .iter()
                    .map(|k| model.kinds[*k].count)
                    .sum();
                if model.types[*t].fits[*s] > 0 && group.count > 0.0 {
                    *bound.flow.entry((*t, *s)).or_default() +=
                        amount * z * f64::from(count) / group.count;
                }
            }
        }
    }
    if !limited {
        certify(
            problem,
            model,
            &groups,
            &outcome.values,
            pricers,
            existing,
            &mut bound,
        );
        return bound;
    }
    let certified = |values: &[u64], bound: &mut Bound| {
        let valued = model.valued(values);
        let own = valued.types.iter();
        let own = own.map(|t| Pricer::new(&valued, &groups, Room::of(t)));
        let existing = Room::existing(problem, model);
        let existing = existing.map(|room| Pricer::new(&valued, &groups, room));
        certify(
            problem,
            &valued,
            &groups,
            &outcome.values,
            own.collect(),
            existing,
            bound,
        );
    };
    let values = charges.values(&outcome.limits);
    certified(&values, &mut bound);
    bound.limit_values = values;
    bound.too_tight = outcome.left_out;
    if outcome.left_out || (bound.lower.0 as f64) < unlimited {
        // Nothing holds all items, or it was stopped early: prices of zero say more.
        let mut plain = bound.clone();
        certified(&[], &mut plain);
        if outcome.left_out || plain.lower > bound.lower {
            (bound.lower, bound.certificate) = (plain.lower, plain.certificate);
        }
    }
    bound
}

/// Prices of what is limited, in the programme.
struct Charges<'a> {
    model: &'a Model,
    /// Limits that have a row.
    rows: Vec<usize>,
}

/// By how much a limit may seem to be broken.
const BROKEN: f64 = 1e-7;

/// Least price in the programme, in micro-dollars: next to those of other nodes what
/// costs less is rounding. Certificates are made of true prices.
const LEAST: f64 = 1.0;

/// Rounds whose fillings the simplex method does not take, in a row, after which none
/// are looked for: next to prices of zero rounding looks like a gain without end.
pub(super) const IDLE: u32 = 8;

/// Nodes that items would need which have none, as an error of the simplex method.
const LEFT_OUT: f64 = 1e-6;

/// How much dearer than the dearest node it is, in a programme with limits, to leave
/// items without one.
const DEAR: f64 = 20.0;

impl<'a> Charges<'a> {
    fn new(model: &'a Model) -> Self {
        Self {
            model,
            rows: Vec::new(),
        }
    }

    /// Rows and parts of limits that a node takes.
    fn parts(&self, ty: usize, offer: usize) -> impl Iterator<Item = (usize, f64)> {
        let limited = &self.model.limited;
        let takes = limited.takes(self.model.types[ty].offers[offer].takes);
        takes.iter().filter_map(|(limit, amount)| {
            let row = self.rows.iter().position(|l| l == limit)?;
            Some((row, *amount as f64 / limited.limits[*limit].max as f64))
        })
    }

    /// The cheapest offer of a type when limits are worth so much.
    fn cheapest(&self, ty: usize, worth: &[f64]) -> (f64, usize) {
        let offers = &self.model.types[ty].offers;
        let price = |o: usize| (offers[o].price.0 as f64).max(LEAST);
        if self.rows.is_empty() {
            return (price(0), 0);
        }
        let raised = |o: usize| {
            self.parts(ty, o)
                .fold(price(o), |sum, (r, p)| sum + p * worth[r])
        };
        let all = (0..offers.len()).map(|o| (raised(o), o));
        all.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0))
    }

    /// Limits without a row that a solution breaks.
    fn broken(&self, primal: &[Used]) -> Vec<usize> {
        let limited = &self.model.limited;
        let mut taken = vec![0.0; limited.limits.len()];
        for used in primal {
            let Some(t) = self.model.types.get(used.room) else {
                continue; // the existing nodes
            };
            for (limit, amount) in limited.takes(t.offers[used.offer].takes) {
                taken[*limit] += used.amount * *amount as f64;
            }
        }
        let limits = limited.limits.iter().zip(taken).enumerate();
        let broken = limits.filter(|(_, (l, taken))| *taken > l.max as f64 * (1.0 + BROKEN));
        broken
            .map(|(i, _)| i)
            .filter(|i| !self.rows.contains(i))
            .collect()
    }

    /// Values of all limits as in a certificate, by those of the rows.
    fn values(&self, worth: &[f64]) -> Vec<u64> {
        let mut values = vec![0; self.model.limited.limits.len()];
        for (limit, worth) in self.rows.iter().zip(worth) {
            values[*limit] = (worth * SCALE).floor().max(0.0) as u64;
        }
        values
    }
}

/// A room in use.
struct Used {
    room: usize,
    /// Of a type.
    offer: usize,
    /// How many of it.
    amount: f64,
    /// Its filling by group.
    filling: Vec<(usize, f64)>,
}

struct Outcome {
    /// Value of each group whose bound is the best seen, and of each limit that
    /// has a row.
    values: Vec<f64>,
    limits: Vec<f64>,
    /// That bound.
    proven: f64,
    /// The fillings in use; one past the last type are the existing nodes.
    primal: Vec<Used>,
    /// Whether limits leave items without a node.
    left_out: bool,
    pivots: u64,
    cut_short: bool,
    failed: bool,
}

/// Column generation on the fluid programme.
fn generate(
    groups: &[Group],
    pricers: &mut [Pricer],
    mut existing: Option<&mut Pricer>,
    pivot_limit: u64,
    charges: &Charges<'_>,
) -> Outcome {
    let first_limit = groups.len() + usize::from(existing.is_some());
    let rows = first_limit + charges.rows.len();
    // Each group alone on the type where it is cheapest.
    let mut sources: Vec<(usize, usize, Entries)> = Vec::new();
    let mut start: Vec<Option<Column>> = Vec::new();
    for g in 0..groups.len() {
        let mut best: Option<(f64, usize, f64)> = None;
        let mut beside = 0.0;
        let mut dearest: f64 = 0.0;
        for (t, pricer) in pricers.iter_mut().enumerate() {
            let Some(own) = pricer.groups.iter().position(|x| *x == g) else {
                continue;
            };
            let most = pricer.knapsack.most_of(own);
            let price = (pricer.room.price as f64).max(LEAST);
            if most > 0.0 {
                let extra = pricer.extra(own);
                let each = price / most + extra;
                dearest = dearest.max(each);
                if best.is_none_or(|b| each < b.0) {
                    best = Some((each, t, most));
                    beside = extra * most;
                }
            }
        }
        let (_, t, most) = best.unwrap_or((0.0, 0, 1.0));
        // The cheapest may be what is limited: the others are no reason to leave
        // items out, however little it costs.
        let cost = match charges.rows.is_empty() {
            true => pricers[t].room.price as f64 + beside,
            false => dearest * most * DEAR,
        };
        sources.push((t, 0, vec![(g, most)]));
        start.push(Some(Column {
            cost: cost.max(LEAST),
            entries: vec![(g as u32, most)],
        }));
    }
    // A little uneven, or the simplex method steps in place; values are judged
    // by the true counts.
    let uneven = |row: usize| 1.0 + UNEVEN * (row % 97 + 1) as f64 / 97.0;
    let counts = groups.iter().enumerate();
    let mut right: Vec<f64> = counts
        .map(|(row, g)| g.count.max(1e-6) * uneven(row))
        .collect();
    if existing.is_some() {
        right.push(-1.0);
        start.push(None);
    }
    for _ in &charges.rows {
        right.push(-1.0);
        start.push(None);
    }
    debug_assert_eq!(right.len(), rows);
    let mut master = Master::new(right, start).until(&charges.model.stop);
    let mut best = (f64::NEG_INFINITY, vec![0.0; groups.len()]);
    let mut limits = vec![0.0; charges.rows.len()];
    let mut failed = false;
    let mut cut_short = false;
    let mut promising: Vec<usize> = Vec::new();
    let mut idle = 0;
    loop {
        let before = master.pivots;
        if master
            .solve(pivot_limit.saturating_sub(master.pivots))
            .is_err()
        {
            failed = true;
            break;
        }
        idle = if master.pivots > before { 0 } else { idle + 1 };
        if idle > IDLE {
            break;
        }
        let objective = master.objective();
        let duals = master.duals();
        let mut added = false;
        // Price half-way to the best duals known: fewer rounds. When that
        // finds nothing, price at the duals themselves. Types that promised
        // most come first, all others only when those have nothing.
        for (smoothing, some) in [(0.5, true), (0.5, false), (0.0, false)] {
            let known = best.0.is_finite();
            if (smoothing > 0.0 && !known) || (some && promising.is_empty()) {
                continue;
            }
            let values: Vec<f64> = duals
                .iter()
                .zip(&best.1)
                .map(|(d, b)| (1.0 - smoothing) * d.max(0.0) + smoothing * b)
                .collect();
            let taxes = &duals[first_limit..];
            let leaning: Vec<f64> = taxes
                .iter()
                .zip(&limits)
                .map(|(d, b)| (1.0 - smoothing) * d.max(0.0) + smoothing * b)
                .collect();
            let mut scale: f64 = 1.0;
            let all: Vec<usize> = (0..pricers.len()).collect();
            let mut worths: Vec<(f64, usize)> = Vec::new();
            let mut columns: Vec<(f64, usize, usize, (Entries, f64))> = Vec::new();
            let which = if some { &promising } else { &all };
            let mut looked = parallel::chosen(pricers, which);
            let fillings = parallel::each(&mut looked, |_, (_, pricer)| {
                let filling = pricer.knapsack.solve(&pricer.own(&values));
                let beside = pricer.beside(&filling.amounts);
                let entries = filling.amounts.iter();
                let entries: Entries = entries.map(|(c, z)| (pricer.groups[*c], *z)).collect();
                (filling.value, entries, beside)
            });
            for (t, (value, entries, beside)) in which.iter().zip(fillings) {
                let (price, _) = charges.cheapest(*t, &leaning);
                if value > price {
                    scale = scale.min(price / value);
                }
                worths.push((value / price, *t));
                let worth: f64 = entries.iter().map(|(g, z)| duals[*g] * z).sum();
                let worth = worth - beside;
                let (price, offer) = charges.cheapest(*t, taxes);
                if worth > price * (1.0 + 1e-9) {
                    columns.push((worth / price, *t, offer, (entries, beside)));
                }
            }
            columns.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for (_, t, offer, (entries, beside)) in columns.into_iter().take(COLUMNS_PER_ROUND) {
                let amounts = entries.iter().map(|(g, z)| (*g as u32, *z));
                let taken = charges.parts(t, offer);
                let taken = taken.map(|(row, part)| ((first_limit + row) as u32, -part));
                master.add(Column {
                    cost: (charges.model.types[t].offers[offer].price.0 as f64).max(LEAST) + beside,
                    entries: amounts.chain(taken).collect(),
                });
                sources.push((t, offer, entries));
                added = true;
            }
            if some {
                if added {
                    break;
                }
                continue;
            }
            worths.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            if worths.len() > 2 * PROMISING {
                promising = worths[..PROMISING].iter().map(|(_, t)| *t).collect();
            }
            let mut free = 0.0;
            if let Some(pricer) = existing.as_deref_mut() {
                let own = pricer.own(&values);
                let filling = pricer.knapsack.solve(&own);
                free = filling.value;
                let entries: Entries = filling
                    .amounts
                    .iter()
                    .map(|(c, z)| (pricer.groups[*c], *z))
                    .collect();
                let row = groups.len();
                let beside = pricer.beside(&filling.amounts);
                let worth: f64 =
                    entries.iter().map(|(g, z)| duals[*g] * z).sum::<f64>() - duals[row] - beside;
                if worth > 1e-9 * objective.max(1.0) {
                    let mut column: Vec<(u32, f64)> =
                        entries.iter().map(|(g, z)| (*g as u32, *z)).collect();
                    column.push((row as u32, -1.0));
                    master.add(Column {
                        cost: beside,
                        entries: column,
                    });
                    sources.push((pricers.len(), 0, entries));
                    added = true;
                }
            }
            let total: f64 = groups.iter().zip(&values).map(|(g, v)| g.count * v).sum();
            let proven = scale * (total - free) - leaning.iter().sum::<f64>();
            if proven > best.0 {
                best = (proven, values.iter().map(|v| v * scale).collect());
                limits = leaning;
            }
            if added {
                break;
            }
        }
        let enough = if master.pivots > MANY_PIVOTS {
            TOLERANCE
        } else {
            1e-9 + UNEVEN
        };
        if !added || best.0 >= objective * (1.0 - enough) {
            break;
        }
        if master.pivots >= pivot_limit || charges.model.stop.is_due() {
            cut_short = true;
            break;
        }
    }
    // Where there are limits, the columns of the start are no nodes.
    let no_node = |column: usize| !charges.rows.is_empty() && column < groups.len();
    let solution = master.solution();
    let primal = solution
        .iter()
        .filter(|(column, _)| !no_node(*column))
        .map(|(column, amount)| {
            let (column, amount) = (*column, *amount);
            let (room, offer, filling) = sources[column].clone();
            Used {
                room,
                offer,
                amount,
                filling,
            }
        })
        .collect();
    Outcome {
        values: best.1,
        limits,
        proven: best.0,
        left_out: solution
            .iter()
            .any(|(column, amount)| no_node(*column) && *amount > LEFT_OUT),
        primal,
        pivots: master.pivots,
        cut_short,
        failed,
    }
}

pub(super) const SCALE: f64 = (1u64 << Certificate::SCALE_BITS) as f64;

/// A filling's values by row as integers. With a price, the whole of it is
/// shared out and not more: what pricing left over makes the values that a type
/// allows only larger.
pub(super) fn amounts(filling: &Filling, price: Option<i64>) -> Vec<u64> {
    let lift = match price {
        None => 1.0,
        Some(price) if filling.value > 0.0 => price as f64 / filling.value,
        Some(_) => 0.0,
    };
    let mut amounts: Vec<u64> = filling
        .duals
        .iter()
        .map(|dual| (dual * lift * SCALE).floor().max(0.0) as u64)
        .collect();
    if let Some(price) = price {
        let whole = u128::from(price.unsigned_abs()) << Certificate::SCALE_BITS;
        let sum: u128 = amounts.iter().map(|a| u128::from(*a)).sum();
        let mut over = sum.saturating_sub(whole);
        for amount in &mut amounts {
            let cut = over.min(u128::from(*amount)) as u64;
            *amount -= cut;
            over -= u128::from(cut);
        }
    }
    amounts
}

/// Rewrites values as integer splits and adds up what they prove.
fn certify(
    problem: &Problem,
    model: &Model,
    groups: &[Group],
    values: &[f64],
    pricers: Vec<Pricer>,
    existing: Option<Pricer>,
    bound: &mut Bound,
) {
    let dominated = model
        .dominated
        .iter()
        .map(|t| Pricer::new(model, groups, Room::of(t)));
    let mut value_of: Vec<Option<u64>> = vec![None; model.shapes.len()];
    let mut splits = Vec::new();
    let kept = pricers.len();
    let mut existing_value: u128 = 0;
    for (i, mut pricer) in pricers
        .into_iter()
        .chain(dominated)
        .chain(existing)
        .enumerate()
    {
        let own = pricer.own(values);
        let filling = pricer.knapsack.solve(&own);
        let is_type = pricer.room.on != SplitOn::Existing;
        let amounts = amounts(&filling, is_type.then_some(pricer.room.price));
        if !is_type {
            existing_value = amounts.iter().map(|a| u128::from(*a)).sum();
        }
        let mut shares: Vec<Share> = pricer
            .rows
            .iter()
            .zip(amounts)
            .map(|((of, rounding), amount)| Share {
                of: *of,
                rounding: *rounding,
                amount,
            })
            .collect();
        for (s, shape) in model.shapes.iter().enumerate() {
            if !model.wanted[s] || !pricer.room.accepts[s] {
                continue;
            }
            let taker = Taker::of(shape);
            let worth: u128 = shares
                .iter()
                .map(|share| {
                    let (num, den) = pricer.room.part(model, &taker, share.of, share.rounding);
                    u128::from(share.amount) * num / den
                })
                .sum();
            let extra = u128::from(pricer.room.extra(s).unsigned_abs()) << Certificate::SCALE_BITS;
            let worth = u64::try_from(worth + extra).unwrap_or(u64::MAX);
            // What fits existing nodes only has no price to be bounded by.
            let on_type = is_type || value_of[s].is_some();
            if on_type {
                value_of[s] = Some(value_of[s].map_or(worth, |v| v.min(worth)));
            }
        }
        if i < kept {
            let price = (pricer.room.price as f64 * SCALE).max(1.0);
            bound.worth[i] = filling.value * SCALE / price;
            for share in &shares {
                let at = match share.of {
                    ShareOf::Dim(r) => r,
                    ShareOf::Devices => model.dims,
                    ShareOf::Limit(rule) => {
                        let limits = model.self_limits.iter().zip(&mut bound.limits);
                        for (_, carried) in limits.filter(|(limit, _)| limit.rule == rule) {
                            *carried += bound.usage[i] * share.amount as f64 / SCALE;
                        }
                        continue;
                    }
                };
                bound.weights[i][at] += share.amount as f64 / price;
            }
        }
        shares.retain(|s| s.amount > 0);
        splits.push(Split {
            on: pricer.room.on,
            shares,
        });
    }
    let mut total: u128 = 0;
    let mut class_values = vec![0u64; problem.classes.len()];
    for kind in &model.kinds {
        let value = value_of[kind.shape].unwrap_or(0);
        bound.values[kind.shape] = value as f64 / SCALE;
        for (class, count) in &kind.classes {
            class_values[*class] = value;
            total += u128::from(value) * u128::from(*count);
        }
    }
    let proven = total.saturating_sub(existing_value);
    let proven = proven.saturating_sub(model.limited.worth());
    bound.price_step = price_step(problem);
    bound.lower = lowest_cost(proven, bound.price_step);
    bound.method = BoundMethod::Fluid;
    bound.certificate = Some(Certificate {
        class_values,
        splits,
        price_step: bound.price_step,
        limit_values: model.limited.values(problem),
    });
}

/// The greatest divisor of all prices on sale, and of what items dislike.
fn price_step(problem: &Problem) -> MicroUsdPerHour {
    let offerings = problem.types.iter().flat_map(|t| &t.offerings);
    let on_sale = offerings.filter(|o| o.available != Some(0));
    let prices = on_sale.filter_map(|o| u64::try_from(o.price?.0).ok());
    let wanted = problem.classes.iter().filter(|c| c.count > 0);
    let disliked = wanted.flat_map(|c| &c.dislikes);
    let disliked = disliked.filter_map(|d| u64::try_from(d.cost.0).ok());
    let step = prices.chain(disliked).fold(0, gcd);
    MicroUsdPerHour(i64::try_from(step.max(1)).unwrap_or(1))
}

/// The least multiple of `step` that is no less than a value in micro-dollars
/// × 2^[`Certificate::SCALE_BITS`].
pub(super) fn lowest_cost(value: u128, step: MicroUsdPerHour) -> MicroUsdPerHour {
    let step = u128::from(step.0.unsigned_abs().max(1));
    let whole = value.div_ceil(1 << Certificate::SCALE_BITS);
    let lowest = whole.div_ceil(step).saturating_mul(step);
    MicroUsdPerHour(i64::try_from(lowest).unwrap_or(i64::MAX))
}
