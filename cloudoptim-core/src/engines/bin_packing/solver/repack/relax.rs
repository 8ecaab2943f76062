//! The linear programme of a fleet at a price per move, and its bound.
//!
//! Nodes that may go stand in looks: same capacity once their items are gone,
//! same classes accepted. Items may be cut and may stand on any node that takes
//! them, at what they dislike of it; a node that is kept costs its price, one that
//! goes costs the price of its items' moves. Items that move between kept nodes are free here, so the
//! optimum is never above what a repacking costs.

use super::super::bound::{IDLE, SCALE, amounts};
use super::super::lp::{Column, Master};
use super::super::model::Model;
use super::super::parallel;
use super::super::problem::Problem;
use super::super::room::{Group, Pricer, Room, Taker};
use super::super::solution::Certificate;
use super::Fleet;
use crate::model::MicroUsdPerHour;
use std::collections::BTreeMap;

/// Above this many looks, nodes of different capacity share one.
const MAX_LOOKS: usize = 48;

/// Above this many shapes, those of similar demand are one group, or the
/// programme is solved over the prices of resources.
const MAX_GROUPS: usize = 120;

/// By how much right sides are made uneven.
pub(super) const UNEVEN: f64 = 1e-6;

/// Nodes of a look that the programme tells apart by their price.
const STEPS: usize = 12;

/// Nodes that are alike but for price and items.
pub(super) struct Look {
    pub(super) pricer: Pricer,
    pub(super) nodes: Vec<usize>,
}

/// The programme, with what all prices per move share.
pub(super) struct Relaxation<'a> {
    pub(super) model: &'a Model,
    pub(super) groups: Vec<Group>,
    pub(super) looks: Vec<Look>,
    pub(super) types: Vec<Pricer>,
    pub(super) dominated: Vec<Pricer>,
    /// Nodes that stay whatever happens, poured into one.
    pub(super) pool: Option<Pricer>,
    /// Price and movable items of each node that may go.
    pub(super) nodes: Vec<Option<(i64, i64)>>,
    /// What the nodes cost that stay whatever happens.
    pub(super) fixed: i64,
    /// Fillings found at earlier prices: room (looks, types, pool) and content.
    pub(super) fills: Vec<(usize, Vec<(usize, f64)>)>,
    pub(super) pivots: u64,
    /// Few rooms, no devices, no limits: solved over the prices of resources.
    pub(super) compact: bool,
}

/// What a node offers once its items are gone.
struct Standing {
    node: usize,
    capacity: Vec<u64>,
    devices: u64,
    /// By shape; what an item costs there beside, too.
    accepts: Vec<bool>,
    extra: Vec<i64>,
}

impl Standing {
    /// Accepts what another does, where that costs least beside.
    fn accept(&mut self, other: &Self) {
        let extra = self.extra.iter_mut().zip(&other.extra).enumerate();
        for (s, (extra, theirs)) in extra {
            *extra = match (self.accepts[s], other.accepts[s]) {
                (true, true) => (*extra).min(*theirs),
                (false, true) => *theirs,
                _ => *extra,
            };
        }
        for (any, theirs) in self.accepts.iter_mut().zip(&other.accepts) {
            *any |= theirs;
        }
    }
}

/// What a column of the programme is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Nothing,
    /// Nodes that are kept.
    Kept,
    /// A filling, by its number.
    Fill(usize),
}

/// The optimum at one price per move.
pub(super) struct Level {
    pub(super) per_move: i64,
    /// Cost plus price of the moves is never below this.
    pub(super) lower: i64,
    /// Certified value of one item of each shape.
    pub(super) certified: Vec<u64>,
    /// Items of each shape that the optimum has on each look; the nodes that
    /// stay whatever happens come last.
    pub(super) flow: Vec<Vec<f64>>,
    /// By node: what it costs above what it can hold, its moves' price taken
    /// off. Negative: it pays for itself.
    pub(super) dear: Vec<f64>,
    /// How many of the nodes that may go are kept.
    pub(super) kept: f64,
    /// How many new nodes are bought.
    pub(super) bought: f64,
}

impl<'a> Relaxation<'a> {
    /// `fleet` in canonical order, its classes counting what may move.
    pub(super) fn new(fleet: &Fleet, model: &'a Model, removable: &[bool]) -> Self {
        let problem = &fleet.problem;
        let shapes: Vec<usize> = (0..model.shapes.len())
            .filter(|s| model.wanted[*s])
            .collect();
        // Prices of resources tell neither devices nor limits per node.
        let plain = shapes.iter().all(|s| {
            let shape = &model.shapes[*s];
            shape.devices.is_none() && shape.limits.is_empty()
        });
        let compact = plain && model.types.len() <= 4 && !model.prefers;
        let most = if compact { shapes.len() } else { MAX_GROUPS };
        let groups = groups(model, &shapes, most);
        let mut standing: Vec<Standing> = Vec::new();
        let mut staying: Vec<Standing> = Vec::new();
        let mut fixed = 0;
        for (i, node) in problem.nodes.iter().enumerate() {
            let (capacity, devices) = emptied(fleet, problem, i);
            let mut accepts: Vec<bool> = model
                .shapes
                .iter()
                .map(|s| {
                    !node.closed
                        && s.nodes.contains(i)
                        && node.zone.is_none_or(|z| s.zones.contains(z))
                        && s.demand.iter().zip(&capacity).all(|(d, c)| d <= c)
                })
                .collect();
            // What stands there may stay, whether it would be let in again or not.
            for (class, _) in &fleet.holdings[i].movable {
                accepts[model.kinds[model.kind_of_class[*class]].shape] = true;
            }
            let extra = model.shapes.iter().filter(|_| model.prefers);
            let standing_there = Standing {
                node: i,
                capacity,
                devices,
                accepts,
                extra: extra.map(|s| s.extra_on(i)).collect(),
            };
            if removable[i] {
                standing.push(standing_there);
            } else {
                fixed += fleet.holdings[i].price.map_or(0, |p| p.0);
                staying.push(standing_there);
            }
        }
        let looks = looks(model, &groups, standing);
        let pool = staying
            .into_iter()
            .reduce(|mut a, b| {
                a.accept(&b);
                for (sum, c) in a.capacity.iter_mut().zip(&b.capacity) {
                    *sum = sum.saturating_add(*c);
                }
                a.devices += b.devices;
                a
            })
            .map(|all| {
                let room = Room::pooled(all.capacity, all.devices, all.accepts);
                Pricer::new(model, &groups, room.disliked(all.extra))
            });
        let types = |list: &[super::super::model::Type]| {
            list.iter()
                .map(|t| Pricer::new(model, &groups, Room::of(t)))
                .collect()
        };
        let nodes = fleet
            .holdings
            .iter()
            .zip(removable)
            .map(|(h, removable)| {
                let items: i64 = h.movable.iter().map(|(_, n)| i64::from(*n)).sum();
                h.price.filter(|_| *removable).map(|p| (p.0, items))
            })
            .collect();
        Self {
            types: types(&model.types),
            dominated: types(&model.dominated),
            model,
            groups,
            looks,
            pool,
            nodes,
            fixed,
            fills: Vec::new(),
            pivots: 0,
            compact,
        }
    }

    /// Nodes of each look; those that stay whatever happens come last.
    pub(super) fn nodes_by_look(&self) -> Vec<Vec<usize>> {
        let mut out: Vec<Vec<usize>> = self.looks.iter().map(|l| l.nodes.clone()).collect();
        let stay = self.nodes.iter().enumerate().filter(|(_, n)| n.is_none());
        out.push(stay.map(|(node, _)| node).collect());
        out
    }

    /// What keeping a node costs at a price per move.
    pub(super) fn keeping(&self, node: usize, per_move: i64) -> i64 {
        self.nodes[node].map_or(0, |(price, items)| price - per_move.saturating_mul(items))
    }

    /// All rooms: looks, types, pool.
    fn rooms(&mut self) -> Vec<&mut Pricer> {
        let looks = self.looks.iter_mut().map(|look| &mut look.pricer);
        looks.chain(&mut self.types).chain(&mut self.pool).collect()
    }

    /// What the items of a filling, by groups, cost in a room beside.
    fn beside(&self, room: usize, entries: &[(usize, f64)]) -> f64 {
        if !self.model.prefers {
            return 0.0;
        }
        let (looks, types) = (self.looks.len(), self.types.len());
        let pricer = if room < looks {
            Some(&self.looks[room].pricer)
        } else if room < looks + types {
            Some(&self.types[room - looks])
        } else {
            self.pool.as_ref()
        };
        let Some(pricer) = pricer else { return 0.0 };
        let items = entries.iter().filter_map(|(group, z)| {
            let column = pricer.groups.iter().position(|g| g == group)?;
            Some(pricer.extra(column) * z)
        });
        items.sum()
    }

    pub(super) fn pricer(&mut self, room: usize) -> Option<&mut Pricer> {
        let (looks, types) = (self.looks.len(), self.types.len());
        if room < looks {
            Some(&mut self.looks[room].pricer)
        } else if room < looks + types {
            Some(&mut self.types[room - looks])
        } else {
            self.pool.as_mut()
        }
    }

    /// Solves the programme at `per_move` micro-dollars per hour for each move.
    pub(super) fn solve(&mut self, per_move: i64, pivot_limit: u64) -> Level {
        let (g, l, t) = (self.groups.len(), self.looks.len(), self.types.len());
        if self.compact && l + t <= 10 {
            let (level, closed) = self.over_prices(per_move, pivot_limit);
            if closed || g > MAX_GROUPS {
                return level;
            }
        }
        // Nodes of each look in steps of equal size, cheapest to keep first.
        let mut steps: Vec<(usize, f64, f64)> = Vec::new();
        for (look, of) in self.looks.iter().enumerate() {
            let mut costs: Vec<i64> = of
                .nodes
                .iter()
                .map(|n| self.keeping(*n, per_move))
                .collect();
            costs.sort_unstable();
            for part in costs.chunks(costs.len().div_ceil(STEPS).max(1)) {
                let mean = part.iter().map(|c| *c as f64).sum::<f64>() / part.len() as f64;
                steps.push((look, mean, part.len() as f64));
            }
        }
        // Equal right sides, and those of zero, make the simplex method step in
        // place; the bound is judged by the true ones.
        let uneven = |row: usize| UNEVEN * ((row % 97 + 1) as f64) / 97.0;
        let counts = self.groups.iter().map(|g| g.count.max(1e-6)).enumerate();
        let mut right: Vec<f64> = counts.map(|(row, n)| n * (1.0 + uneven(row))).collect();
        right.extend((g..g + l).map(|row| -uneven(row)));
        right.extend(steps.iter().map(|s| -s.2));
        right.push(-1.0);
        let pool_row = right.len() - 1;
        let dearest = self.nodes.iter().flatten().map(|n| n.0).max().unwrap_or(0);
        let mut start: Vec<Option<Column>> = Vec::with_capacity(right.len());
        for group in 0..g {
            let rooms = (0..l + t + usize::from(self.pool.is_some())).collect::<Vec<_>>();
            let most = rooms.into_iter().fold(0.0_f64, |most, room| {
                let Some(pricer) = self.pricer(room) else {
                    return most;
                };
                match pricer.groups.iter().position(|x| *x == group) {
                    Some(own) => most.max(pricer.knapsack.most_of(own)),
                    None => most,
                }
            });
            // Never used in the end: what stands fits where it stands.
            start.push(Some(Column {
                cost: 20.0 * dearest.max(1) as f64 / most.clamp(1e-3, 1e6),
                entries: vec![(group as u32, 1.0)],
            }));
        }
        start.extend(std::iter::repeat_n(None, right.len() - g));
        let mut master = Master::new(right, start).careful().until(&self.model.stop);
        let mut sources: Vec<Source> = vec![Source::Nothing; g];
        for (index, (look, cost, _)) in steps.iter().enumerate() {
            master.add(Column {
                cost: *cost,
                entries: vec![((g + look) as u32, 1.0), ((g + l + index) as u32, -1.0)],
            });
            sources.push(Source::Kept);
        }
        let column = |rooms: &Self, room: usize, entries: &[(usize, f64)]| -> Column {
            let mut list: Vec<(u32, f64)> = entries.iter().map(|(g, z)| (*g as u32, *z)).collect();
            let mut cost = rooms.beside(room, entries);
            if room < l {
                list.push(((g + room) as u32, -1.0));
            } else if room < l + t {
                cost += (rooms.types[room - l].room.price() as f64).max(1e-3);
            } else {
                list.push((pool_row as u32, -1.0));
            }
            Column {
                cost,
                entries: list,
            }
        };
        for (fill, (room, entries)) in self.fills.iter().enumerate() {
            master.add(column(self, *room, entries));
            sources.push(Source::Fill(fill));
        }
        let mut best = (f64::NEG_INFINITY, vec![0.0; g]);
        let mut idle = 0;
        loop {
            let before = master.pivots;
            let left = pivot_limit.saturating_sub(before);
            if left == 0 || master.solve(left).is_err() {
                break;
            }
            // What seems worth its price by a little may not be worth a pivot, and
            // would be found again and again.
            idle = if master.pivots > before { 0 } else { idle + 1 };
            if idle > IDLE {
                break;
            }
            let objective = master.objective();
            let duals = master.duals();
            let mut added = false;
            for smoothing in [0.5, 0.0] {
                if smoothing > 0.0 && !best.0.is_finite() {
                    continue;
                }
                let values: Vec<f64> = duals
                    .iter()
                    .zip(&best.1)
                    .map(|(d, b)| (1.0 - smoothing) * d.max(0.0) + smoothing * b)
                    .collect();
                let mut scale: f64 = 1.0;
                let mut held: Vec<f64> = vec![0.0; l];
                let mut pooled = 0.0;
                let fillings = parallel::each(&mut self.rooms(), |_, pricer| {
                    let filling = pricer.knapsack.solve(&pricer.own(&values));
                    let amounts = filling.amounts.iter();
                    let entries: Vec<(usize, f64)> =
                        amounts.map(|(c, z)| (pricer.groups[*c], *z)).collect();
                    (filling.value, entries)
                });
                for (room, (value, entries)) in fillings.into_iter().enumerate() {
                    let worth: f64 = entries.iter().map(|(g, z)| duals[*g] * z).sum();
                    let worth = worth - self.beside(room, &entries);
                    let price = if room < l {
                        held[room] = value;
                        duals[g + room]
                    } else if room < l + t {
                        let price = (self.types[room - l].room.price() as f64).max(1e-3);
                        if value > price {
                            scale = scale.min(price / value);
                        }
                        price
                    } else {
                        pooled = value;
                        duals[pool_row]
                    };
                    if worth > price + 1e-9 * objective.abs().max(1.0) && !entries.is_empty() {
                        master.add(column(self, room, &entries));
                        sources.push(Source::Fill(self.fills.len()));
                        self.fills.push((room, entries));
                        added = true;
                    }
                }
                let total: f64 = self
                    .groups
                    .iter()
                    .zip(&values)
                    .map(|(g, v)| g.count * v)
                    .sum();
                let surplus: f64 = steps
                    .iter()
                    .map(|(look, cost, n)| n * (held[*look] * scale - cost).max(0.0))
                    .sum();
                let proven = scale * (total - pooled) - surplus;
                if proven > best.0 {
                    best = (proven, values.iter().map(|v| v * scale).collect());
                }
                if added {
                    break;
                }
            }
            let slack = 1e-7 * objective.abs().max(1.0);
            let over = master.pivots >= pivot_limit || self.model.stop.is_due();
            if !added || best.0 >= objective - slack || over {
                break;
            }
        }
        self.pivots += master.pivots;
        let (mut kept, mut bought) = (0.0, 0.0);
        let mut flow = vec![vec![0.0; self.model.shapes.len()]; l + 1];
        for (index, amount) in master.solution() {
            match sources.get(index) {
                Some(Source::Kept) => kept += amount,
                Some(Source::Fill(fill)) => {
                    let Some((room, entries)) = self.fills.get(*fill) else {
                        continue;
                    };
                    if (l..l + t).contains(room) {
                        bought += amount;
                        continue;
                    }
                    for (group, z) in entries {
                        let group = &self.groups[*group];
                        for s in &group.shapes {
                            let part = shape_count(self.model, *s) / group.count.max(1e-9);
                            flow[(*room).min(l)][*s] += amount * z * part;
                        }
                    }
                }
                _ => {}
            }
        }
        let mut level = self.certify(per_move, &best.1);
        (level.kept, level.bought, level.flow) = (kept, bought, flow);
        level
    }

    /// What values by group prove, in integers.
    pub(super) fn certify(&mut self, per_move: i64, values: &[f64]) -> Level {
        let model = self.model;
        let mut certified: Vec<u64> = vec![0; model.shapes.len()];
        for (group, value) in self.groups.iter().zip(values) {
            for s in &group.shapes {
                certified[*s] = (value * SCALE).floor().max(0.0) as u64;
            }
        }
        for pricer in self.types.iter_mut().chain(&mut self.dominated) {
            let own = pricer.own(values);
            let filling = pricer.knapsack.solve(&own);
            let shares = amounts(&filling, Some(pricer.room.price()));
            for (s, value) in certified.iter_mut().enumerate() {
                if pricer.room.accepts(s) && model.wanted[s] {
                    let worth = worth(model, pricer, s, &shares) + beside(pricer, s);
                    *value = (*value).min(u64::try_from(worth).unwrap_or(u64::MAX));
                }
            }
        }
        let float: Vec<f64> = certified.iter().map(|v| *v as f64 / SCALE).collect();
        let by_group: Vec<f64> = self
            .groups
            .iter()
            .map(|g| g.shapes.iter().map(|s| float[*s]).fold(0.0, f64::max))
            .collect();
        let mut total: i128 = 0;
        for kind in &model.kinds {
            total += i128::from(certified[kind.shape]) * i128::from(kind.count);
        }
        if let Some(pool) = &mut self.pool {
            total -= held(model, pool, &by_group, &certified);
        }
        let mut dear = vec![0.0; self.nodes.len()];
        let mut moves: i128 = 0;
        for index in 0..self.looks.len() {
            let holds = held(model, &mut self.looks[index].pricer, &by_group, &certified);
            for node in self.looks[index].nodes.clone() {
                let keeping = i128::from(self.keeping(node, per_move)) << Certificate::SCALE_BITS;
                total -= (holds - keeping).max(0);
                dear[node] = (keeping - holds) as f64 / SCALE;
                let items = self.nodes[node].map_or(0, |n| n.1);
                moves += i128::from(per_move) * i128::from(items);
            }
        }
        let lower = total.div_euclid(1 << Certificate::SCALE_BITS)
            + moves
            + i128::from(self.fixed)
            + i128::from(total.rem_euclid(1 << Certificate::SCALE_BITS) > 0);
        Level {
            per_move,
            lower: i64::try_from(lower.max(i128::from(self.fixed))).unwrap_or(i64::MAX),
            certified,
            dear,
            flow: Vec::new(),
            kept: 0.0,
            bought: 0.0,
        }
    }
}

/// What an item of a shape is worth by integer shares.
fn worth(model: &Model, pricer: &Pricer, shape: usize, shares: &[u64]) -> u128 {
    let taker = Taker::of(&model.shapes[shape]);
    pricer
        .rows
        .iter()
        .zip(shares)
        .map(|((of, rounding), share)| {
            let (num, den) = pricer.room.part(model, &taker, *of, *rounding);
            u128::from(*share) * num / den
        })
        .sum()
}

/// What an item of a shape costs in a room beside, as certified values are.
fn beside(pricer: &Pricer, shape: usize) -> u128 {
    u128::from(pricer.room.extra(shape).unsigned_abs()) << Certificate::SCALE_BITS
}

/// No filling of the room holds more than this: the sum of integer shares that
/// are enough for every item.
pub(super) fn held(
    model: &Model,
    pricer: &mut Pricer,
    by_group: &[f64],
    certified: &[u64],
) -> i128 {
    let own = pricer.own(by_group);
    let filling = pricer.knapsack.solve(&own);
    let mut shares: Vec<u64> = filling
        .duals
        .iter()
        .map(|d| (d * SCALE).ceil().max(0.0) as u64)
        .collect();
    for _ in 0..4 {
        // The most that an item lacks, as a factor on all shares.
        let mut factor: f64 = 1.0;
        let mut lacking = None;
        for (s, value) in certified.iter().enumerate() {
            if !pricer.room.accepts(s) || !model.wanted[s] {
                continue;
            }
            let worth = worth(model, pricer, s, &shares);
            let value = u128::from(*value).saturating_sub(beside(pricer, s));
            if worth < value {
                if worth == 0 {
                    lacking = Some(s);
                } else {
                    factor = factor.max(value as f64 / worth as f64);
                }
            }
        }
        if factor <= 1.0 && lacking.is_none() {
            return shares.iter().map(|s| i128::from(*s)).sum();
        }
        for share in &mut shares {
            *share = (*share as f64 * factor * (1.0 + 1e-12)).ceil() as u64 + 1;
        }
    }
    // Every item for itself; far too much, and never reached in practice.
    certified
        .iter()
        .zip(&model.shapes)
        .enumerate()
        .filter(|(s, _)| pricer.room.accepts(*s))
        .map(|(s, (value, _))| {
            let count: i128 = model.shapes[s]
                .kinds
                .iter()
                .map(|k| i128::from(model.kinds[*k].count))
                .sum();
            i128::from(*value) * count
        })
        .sum()
}

/// What a node offers once its movable items are gone.
pub(super) fn emptied(fleet: &Fleet, problem: &Problem, node: usize) -> (Vec<u64>, u64) {
    let standing = &problem.nodes[node];
    let mut capacity = standing.free.clone();
    let mut devices: u64 = standing.devices.iter().map(|d| u64::from(d.milli)).sum();
    for (class, count) in &fleet.holdings[node].movable {
        let of = &problem.classes[*class];
        for (sum, d) in capacity.iter_mut().zip(&of.demand) {
            *sum = sum.saturating_add(d.saturating_mul(u64::from(*count)));
        }
        if let Some(request) = &of.devices {
            devices += u64::from(request.count) * u64::from(request.milli) * u64::from(*count);
        }
    }
    (capacity, devices)
}

fn looks(model: &Model, groups: &[Group], standing: Vec<Standing>) -> Vec<Look> {
    // Exactly alike; else by what they accept and about how large they are;
    // else by what they accept; else all in one.
    for level in 0..4 {
        let mut index: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (i, of) in standing.iter().enumerate() {
            let rough = |c: &u64| match level {
                0 => *c,
                1 => (((*c as f64) + 1.0).log2() * 8.0) as u64,
                _ => 0,
            };
            let (accepts, extra) = if level < 3 {
                (of.accepts.clone(), of.extra.clone())
            } else {
                (Vec::new(), Vec::new())
            };
            let key: (Vec<u64>, u64, Vec<bool>, Vec<i64>) = (
                of.capacity.iter().map(rough).collect(),
                rough(&of.devices),
                accepts,
                extra,
            );
            index.entry(key).or_default().push(i);
        }
        if index.len() > MAX_LOOKS && level < 3 {
            continue;
        }
        return index
            .into_values()
            .map(|members| {
                let mut all = Standing {
                    node: 0,
                    capacity: vec![0; model.dims],
                    devices: 0,
                    accepts: vec![false; model.shapes.len()],
                    extra: vec![0; if model.prefers { model.shapes.len() } else { 0 }],
                };
                for own in members.iter().map(|i| &standing[*i]) {
                    for (most, c) in all.capacity.iter_mut().zip(&own.capacity) {
                        *most = (*most).max(*c);
                    }
                    all.devices = all.devices.max(own.devices);
                    all.accept(own);
                }
                let nodes: Vec<usize> = members.iter().map(|i| standing[*i].node).collect();
                let room = Room::standing(all.capacity, all.devices, all.accepts);
                let room = room.disliked(all.extra);
                Look {
                    pricer: Pricer::new(model, groups, room),
                    nodes,
                }
            })
            .collect();
    }
    Vec::new()
}

/// One group for each shape, as long as there are not too many; else shapes of
/// similar demand together, at the least that any of them takes.
fn groups(model: &Model, shapes: &[usize], most: usize) -> Vec<Group> {
    let mut step: f64 = 1.0;
    loop {
        let mut index: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for s in shapes {
            let shape = &model.shapes[*s];
            let rough = |d: &u64| {
                if step > 1.0 && *d > 0 {
                    ((*d as f64).ln() / step.ln()) as u64 + 1
                } else {
                    *d
                }
            };
            let rest = (step == 1.0).then_some(*s);
            let key = (
                rest,
                shape.demand.iter().map(rough).collect::<Vec<_>>(),
                shape.devices.as_ref().map(|d| (d.count, d.milli)),
                shape.limits.clone(),
            );
            index.entry(key).or_default().push(*s);
        }
        if index.len() <= most || step > 100.0 {
            return index
                .into_values()
                .map(|shapes| Group {
                    demand: (0..model.dims)
                        .map(|r| {
                            let least = shapes.iter().map(|s| model.shapes[*s].demand[r]).min();
                            least.unwrap_or(0)
                        })
                        .collect(),
                    count: shapes.iter().map(|s| shape_count(model, *s)).sum(),
                    shapes,
                })
                .collect();
        }
        step = if step == 1.0 { 1.01 } else { step * step };
    }
}

pub(super) fn shape_count(model: &Model, shape: usize) -> f64 {
    let kinds = model.shapes[shape].kinds.iter();
    kinds.map(|k| f64::from(model.kinds[*k].count)).sum()
}

impl Level {
    /// As an amount of money.
    pub(super) fn lower(&self) -> MicroUsdPerHour {
        MicroUsdPerHour(self.lower)
    }
}
