//! The fluid lower bound and its certificate.
//!
//! Items and nodes may be cut into pieces, but a piece of a node is filled by
//! pieces that share *its* resources: unlike total demand against total
//! capacity, this knows that spare memory on one type does not help another.
//! The linear programme is solved by generating fillings of single types; its
//! duals are then rewritten as integers that anyone can check
//! ([`Certificate`]), and only what those prove is reported.

use super::grid::gcd;
use super::lp::{Column, Filling, Master};
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
            index
                .entry((
                    demand,
                    shape.devices.as_ref().map(|d| (d.count, d.milli)),
                    shape.limits.clone(),
                    accepts,
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

    let outcome = generate(&groups, &mut pricers, existing.as_mut(), pivot_limit);
    bound.pivots = outcome.pivots;
    if outcome.failed {
        bound.notes.push(Note::BoundFallback);
    } else if outcome.cut_short {
        bound.notes.push(Note::BoundPivotLimit {
            pivots: outcome.pivots,
        });
    }
    for (t, amount, filling) in &outcome.primal {
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
    certify(
        problem,
        model,
        &groups,
        &outcome.values,
        pricers,
        existing,
        &mut bound,
    );
    bound
}

/// A room (index), how many of it, and its filling by group.
type Used = (usize, f64, Vec<(usize, f64)>);

struct Outcome {
    /// Value of each group whose bound is the best seen.
    values: Vec<f64>,
    /// The fillings in use; one past the last type are the existing nodes.
    primal: Vec<Used>,
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
) -> Outcome {
    let rows = groups.len() + usize::from(existing.is_some());
    // Each group alone on the type where it is cheapest.
    let mut sources: Vec<(usize, Vec<(usize, f64)>)> = Vec::new();
    let mut start: Vec<Option<Column>> = Vec::new();
    for g in 0..groups.len() {
        let mut best: Option<(f64, usize, f64)> = None;
        for (t, pricer) in pricers.iter_mut().enumerate() {
            let Some(own) = pricer.groups.iter().position(|x| *x == g) else {
                continue;
            };
            let most = pricer.knapsack.most_of(own);
            let price = (pricer.room.price as f64).max(1e-3);
            if most > 0.0 && best.is_none_or(|b| price / most < b.0) {
                best = Some((price / most, t, most));
            }
        }
        let (_, t, most) = best.unwrap_or((0.0, 0, 1.0));
        sources.push((t, vec![(g, most)]));
        start.push(Some(Column {
            cost: (pricers[t].room.price as f64).max(1e-3),
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
    debug_assert_eq!(right.len(), rows);
    let mut master = Master::new(right, start);
    let mut best = (f64::NEG_INFINITY, vec![0.0; groups.len()]);
    let mut failed = false;
    let mut cut_short = false;
    let mut promising: Vec<usize> = Vec::new();
    loop {
        if master
            .solve(pivot_limit.saturating_sub(master.pivots))
            .is_err()
        {
            failed = true;
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
            let mut scale: f64 = 1.0;
            let all: Vec<usize> = (0..pricers.len()).collect();
            let mut worths: Vec<(f64, usize)> = Vec::new();
            let mut columns: Vec<(f64, usize, Entries)> = Vec::new();
            let which = if some { &promising } else { &all };
            let mut looked = parallel::chosen(pricers, which);
            let fillings = parallel::each(&mut looked, |_, (_, pricer)| {
                let filling = pricer.knapsack.solve(&pricer.own(&values));
                let entries = filling.amounts.iter();
                let entries: Entries = entries.map(|(c, z)| (pricer.groups[*c], *z)).collect();
                (pricer.room.price as f64, filling.value, entries)
            });
            for (t, (price, value, entries)) in which.iter().zip(fillings) {
                if value > price {
                    scale = scale.min(price / value);
                }
                worths.push((value / price.max(1e-3), *t));
                let worth: f64 = entries.iter().map(|(g, z)| duals[*g] * z).sum();
                if worth > price.max(1e-3) * (1.0 + 1e-9) {
                    columns.push((worth / price.max(1e-3), *t, entries));
                }
            }
            columns.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for (_, t, entries) in columns.into_iter().take(COLUMNS_PER_ROUND) {
                master.add(Column {
                    cost: (pricers[t].room.price as f64).max(1e-3),
                    entries: entries.iter().map(|(g, z)| (*g as u32, *z)).collect(),
                });
                sources.push((t, entries));
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
                let worth: f64 =
                    entries.iter().map(|(g, z)| duals[*g] * z).sum::<f64>() - duals[row];
                if worth > 1e-9 * objective.max(1.0) {
                    let mut column: Vec<(u32, f64)> =
                        entries.iter().map(|(g, z)| (*g as u32, *z)).collect();
                    column.push((row as u32, -1.0));
                    master.add(Column {
                        cost: 0.0,
                        entries: column,
                    });
                    sources.push((pricers.len(), entries));
                    added = true;
                }
            }
            let total: f64 = groups.iter().zip(&values).map(|(g, v)| g.count * v).sum();
            let proven = scale * (total - free);
            if proven > best.0 {
                best = (proven, values.iter().map(|v| v * scale).collect());
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
        if master.pivots >= pivot_limit {
            cut_short = true;
            break;
        }
    }
    let primal = master
        .solution()
        .into_iter()
        .map(|(column, x)| (sources[column].0, x, sources[column].1.clone()))
        .collect();
    Outcome {
        values: best.1,
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
            let worth = u64::try_from(worth).unwrap_or(u64::MAX);
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
    bound.price_step = price_step(problem);
    bound.lower = lowest_cost(proven, bound.price_step);
    bound.method = BoundMethod::Fluid;
    bound.certificate = Some(Certificate {
        class_values,
        splits,
        price_step: bound.price_step,
    });
}

/// The greatest divisor of all prices on sale.
fn price_step(problem: &Problem) -> MicroUsdPerHour {
    let offerings = problem.types.iter().flat_map(|t| &t.offerings);
    let on_sale = offerings.filter(|o| o.available != Some(0));
    let prices = on_sale.filter_map(|o| u64::try_from(o.price?.0).ok());
    let step = prices.fold(0, gcd);
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
