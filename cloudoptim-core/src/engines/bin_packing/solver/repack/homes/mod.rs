//! The programme of a fleet in which what stays where it stands saves its move.
//!
//! [`Relaxation`] lets items move between kept nodes for nothing and cuts them as
//! it likes. Here each node that is kept is a knapsack of its own: whole items, an
//! item at home worth its value and its move, an item that comes its value. Their
//! contents are columns of a covering programme (Dantzig and Wolfe 1960) with one
//! row for the moves; nodes that are alike share a row, since the optimum of the
//! duals is the same and is found with far fewer rows. What any duals prove is
//! judged in integers.
//!
//! Knapsacks are solved on two resources, on a grid to which what items take is
//! rounded down: a table of the best that can come to so much room, shared by all
//! nodes that accept the same, and over it the items at home that may leave. All
//! that is left out lets a node hold more, never less.

mod content;

use super::super::bound::SCALE;
use super::super::grid::gcd;
use super::super::lp::{Column, Master};
use super::super::room::{Group, Room};
use super::super::solution::Certificate;
use super::super::stop::Stop;
use super::relax::{Level, Relaxation, UNEVEN, emptied, held};
use super::state::Base;
use super::{Place, Point};
use content::{Content, MOST, Node, Table};
use std::collections::{BTreeMap, BTreeSet};

/// With more groups of items the programme takes too long.
const MAX_GROUPS: usize = 64;

/// Cells of a table, and tables, at the most.
const CELLS: usize = 1 << 16;
const TABLES: usize = 6;

/// Cells of the second resource at the least: the first is told apart as finely as
/// can be, since what is left of a node depends on it most.
const ROWS: usize = 64;

/// Ways in which items at home may leave, over all, at the most.
const WAYS_IN_ALL: u64 = 1 << 26;

/// Rows for nodes.
const PARTS: usize = 50;

/// Rounds after which the search for duals ends, and how near to the programme's
/// own optimum it is over.
const ROUNDS: u32 = 90;
const NEAR: f64 = 1e-4;

/// Values are whole numbers here, of micro-dollars × 2^`BITS`, and so small that
/// sums of them are exact as 64-bit floats, of which a processor takes the greater
/// of several at once.
const BITS: u32 = 10;

/// From values here to certified ones.
const FINER: u32 = Certificate::SCALE_BITS - BITS;

/// How often values are scaled down until no new node holds more than its price.
const ATTEMPTS: u32 = 4;

const UNIT: f64 = (1u64 << BITS) as f64;

/// How far new duals keep to the best so far.
const SMOOTHING: [f64; 3] = [0.8, 0.5, 0.0];

/// What nodes hold together.
struct Amounts {
    /// Items of each group.
    groups: Vec<f64>,
    /// Items at home.
    stay: f64,
    cost: f64,
    /// By position.
    nodes: Vec<u32>,
}

impl Amounts {
    fn none(groups: usize) -> Self {
        Self {
            groups: vec![0.0; groups],
            stay: 0.0,
            cost: 0.0,
            nodes: Vec::new(),
        }
    }
}

/// What a column of the programme is.
enum Source {
    Nothing,
    /// Nodes that are kept, by position.
    Part(Vec<u32>),
    /// A new node.
    Bought,
}

/// The programme.
pub(super) struct Homes {
    /// What an item of each group takes, in cells.
    cells: Vec<(usize, usize)>,
    counts: Vec<f64>,
    group_of: Vec<Option<usize>>,
    nodes: Vec<Node>,
    tables: Vec<Table>,
    /// By type, those that others replace last: its table and its room, as far as
    /// tables go.
    types: Vec<Option<(usize, (usize, usize))>>,
    width: usize,
    height: usize,
    master: Master,
    /// By column of the master.
    sources: Vec<Source>,
    /// What nodes held at the values that were judged last.
    contents: Vec<Content>,
    /// Rows for nodes; none as long as nothing was solved.
    parts: usize,
    /// Items on nodes that may go.
    items: f64,
    /// Steps of the tables and of the ways to leave.
    pub(super) work: u64,
    /// Ways to leave that were looked at.
    ways: u64,
    /// Values of groups and of a move at the last optimum.
    last: Option<(Vec<f64>, f64)>,
    stop: Stop,
}

/// Duals of the programme and what its optimum keeps.
pub(super) struct Climb {
    /// Value of an item of each group, and of a move, in micro-dollars.
    values: Vec<f64>,
    pub(super) per_move: i64,
    /// By node of the fleet: how much of it is kept.
    pub(super) kept: Vec<f64>,
    bought: f64,
}

impl Homes {
    /// The programme, unless it has too many groups, or items dislike some places.
    pub(super) fn new(base: &Base<'_>, relaxation: &mut Relaxation<'_>) -> Option<Self> {
        let groups = &relaxation.groups;
        let model = relaxation.model;
        // Its tables know what an item is worth anywhere, not what it dislikes.
        if groups.len() > MAX_GROUPS || relaxation.looks.is_empty() || model.prefers {
            return None;
        }
        let mut group_of: Vec<Option<usize>> = vec![None; model.shapes.len()];
        for (g, group) in groups.iter().enumerate() {
            for s in &group.shapes {
                if let Some(of) = group_of.get_mut(*s) {
                    *of = Some(g);
                }
            }
        }
        let counts: Vec<f64> = groups.iter().map(|g| g.count).collect();
        // The two resources of which the most is asked.
        let nodes: Vec<usize> = relaxation
            .looks
            .iter()
            .flat_map(|l| &l.nodes)
            .copied()
            .collect();
        let problem = &base.fleet.problem;
        let offered: BTreeMap<usize, Vec<u64>> = (nodes.iter())
            .map(|n| (*n, emptied(base.fleet, problem, *n).0))
            .collect();
        let most = |r: usize| offered.values().map(|o| o[r]).max().unwrap_or(0);
        let asked = |r: usize| {
            let all: f64 = groups.iter().map(|g| g.count * g.demand[r] as f64).sum();
            all / offered.values().map(|o| o[r] as f64).sum::<f64>().max(1.0)
        };
        let mut dims: Vec<usize> = (0..model.dims).collect();
        dims.sort_by(|a, b| asked(*b).total_cmp(&asked(*a)).then(a.cmp(b)));
        let (first, second) = (*dims.first()?, dims.get(1).copied());
        let unit = |r: usize, cells: usize| -> u64 {
            let common = groups.iter().fold(0, |all, g| gcd(all, g.demand[r])).max(1);
            let least = most(r).div_ceil(cells.max(2) as u64 - 1).max(1);
            // Whole multiples of what divides all, so that little is rounded.
            least.div_ceil(common) * common
        };
        let unit_first = unit(first, CELLS / ROWS);
        let width = (most(first) / unit_first) as usize + 1;
        let (unit_second, height) = match second {
            Some(second) => {
                let unit = unit(second, CELLS / width.max(1));
                (unit, (most(second) / unit) as usize + 1)
            }
            None => (1, 1),
        };
        let cells_of = |amounts: &dyn Fn(usize) -> u64| -> (usize, usize) {
            let second = second.map_or(0, |r| amounts(r) / unit_second);
            ((amounts(first) / unit_first) as usize, second as usize)
        };
        let cells = groups.iter().map(|g| cells_of(&|r| g.demand[r])).collect();
        // One table for all that accept the same groups.
        let accepted = |room: &Room| -> Vec<bool> {
            let accepts = |g: &Group| g.shapes.iter().any(|s| room.accepts(*s));
            groups.iter().map(accepts).collect()
        };
        let looks = relaxation.looks.iter();
        let distinct: BTreeSet<Vec<bool>> = looks.map(|l| accepted(&l.pricer.room)).collect();
        if distinct.len() > TABLES {
            return None;
        }
        let mut tables: Vec<Table> = Vec::new();
        for accepts in distinct {
            tables.push(Table {
                accepts,
                best: vec![0.0; width * height],
            });
        }
        let types = relaxation.types.iter().chain(&relaxation.dominated);
        let types = types
            .map(|pricer| {
                let room = cells_of(&|r| pricer.room.capacity(r));
                if room.0 >= width || room.1 >= height {
                    return None;
                }
                let accepts = accepted(&pricer.room);
                let known = tables.iter().position(|t| t.accepts == accepts);
                if known.is_none() && tables.len() < TABLES {
                    tables.push(Table {
                        accepts,
                        best: vec![0.0; width * height],
                    });
                    return Some((tables.len() - 1, room));
                }
                known.map(|table| (table, room))
            })
            .collect();
        let mut own: Vec<Node> = Vec::with_capacity(nodes.len());
        for (l, look) in relaxation.looks.iter().enumerate() {
            let accepts = accepted(&look.pricer.room);
            let table = tables.iter().position(|t| t.accepts == accepts)?;
            for index in &look.nodes {
                let mut home: BTreeMap<usize, u32> = BTreeMap::new();
                for (kind, n) in &base.movable[*index] {
                    *home.entry(group_of[model.kinds[*kind].shape]?).or_default() += n;
                }
                let (price, items) = relaxation.nodes[*index]?;
                own.push(Node {
                    index: *index,
                    look: l,
                    table,
                    room: offered.get(index).map(|o| cells_of(&|r| o[r]))?,
                    price: price as f64,
                    items: u32::try_from(items).ok()?,
                    home: home.into_iter().collect(),
                    part: 0,
                });
            }
        }
        let items = own.iter().map(|n| f64::from(n.items)).sum();
        Some(Self {
            cells,
            counts,
            group_of,
            nodes: own,
            tables,
            types,
            width,
            height,
            master: Master::new(Vec::new(), Vec::new()),
            sources: Vec::new(),
            contents: Vec::new(),
            parts: 0,
            items,
            work: 0,
            ways: 0,
            last: None,
            stop: model.stop.clone(),
        })
    }

    /// The best duals for at most so many moves, from those of the level that
    /// proves most there; `None` if the programme cannot be solved.
    pub(super) fn climb(
        &mut self,
        relaxation: &mut Relaxation<'_>,
        start: (&[f64], i64),
        (base, point): (&Base<'_>, &Point),
        pivot_limit: u64,
    ) -> Option<Climb> {
        let groups = self.counts.len();
        let stays = self.items - point.moved as f64;
        let first = self.parts == 0;
        let mut best = (f64::NEG_INFINITY, start.0.to_vec(), start.1 as f64);
        if first {
            best.0 = self.judge(relaxation, &mut best.1, best.2, stays);
            self.share_rows();
            self.begin(stays);
            self.add_parts(&best.1, None);
            self.add_point(base, point);
        } else {
            self.add_point(base, point);
            let right = self.right(stays);
            if self.master.ask(right, pivot_limit).is_err() {
                self.begin(stays);
                self.add_point(base, point);
            }
            let given = (start.0.to_vec(), start.1 as f64);
            for (mut values, per_move) in self.last.clone().into_iter().chain([given]) {
                let judged = self.judge(relaxation, &mut values, per_move, stays);
                if judged > best.0 {
                    best = (judged, values, per_move);
                }
            }
        }
        let before = self.master.pivots;
        for _ in 0..ROUNDS {
            let left = pivot_limit.saturating_sub(self.master.pivots - before);
            let over = left == 0 || self.ways > WAYS_IN_ALL || self.stop.is_due();
            if over || self.master.solve(left).is_err() {
                break;
            }
            let objective = self.master.objective();
            let duals: Vec<f64> = self.master.duals().iter().map(|d| d.max(0.0)).collect();
            let mut added = false;
            for smoothing in SMOOTHING {
                let mixed = |new: f64, old: f64| (1.0 - smoothing) * new + smoothing * old;
                let mut values: Vec<f64> = duals
                    .iter()
                    .zip(&best.1)
                    .map(|(d, b)| mixed(*d, *b))
                    .collect();
                let per_move = mixed(duals[groups], best.2);
                let judged = self.judge(relaxation, &mut values, per_move, stays);
                if judged > best.0 {
                    best = (judged, values.clone(), per_move);
                }
                added = self.add_parts(&values, Some(&duals));
                added |= self.add_rooms(relaxation, &values, &duals);
                if added {
                    break;
                }
            }
            if !added || objective - best.0 <= NEAR * objective.abs() {
                break;
            }
        }
        if !best.0.is_finite() {
            return None;
        }
        self.last = Some((best.1.clone(), best.2));
        let mut kept = vec![0.0; relaxation.nodes.len()];
        let mut bought = 0.0;
        for (column, amount) in self.master.solution() {
            match self.sources.get(column) {
                Some(Source::Part(nodes)) => {
                    for node in nodes {
                        kept[self.nodes[*node as usize].index] += amount;
                    }
                }
                Some(Source::Bought) => bought += amount,
                _ => {}
            }
        }
        Some(Climb {
            values: best.1,
            per_move: best.2.round() as i64,
            kept,
            bought,
        })
    }

    /// Nodes that are alike in look and in what they gain share rows.
    fn share_rows(&mut self) {
        let gains: Vec<f64> = (self.contents.iter().zip(&self.nodes))
            .map(|(content, node)| content.value / UNIT - node.price)
            .collect();
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.sort_by(|a, b| {
            let look = self.nodes[*a].look.cmp(&self.nodes[*b].look);
            look.then(gains[*a].total_cmp(&gains[*b])).then(a.cmp(b))
        });
        self.parts = self.nodes.len().clamp(1, PARTS);
        for (at, node) in order.into_iter().enumerate() {
            self.nodes[node].part = at * self.parts / self.nodes.len();
        }
    }

    /// Amounts to be covered. Equal ones would make the simplex method step in
    /// place; the bound is judged by the true ones.
    fn right(&self, stays: f64) -> Vec<f64> {
        let uneven = |row: usize| UNEVEN * ((row % 97 + 1) as f64) / 97.0;
        let counts = self.counts.iter().map(|n| n.max(1e-6)).enumerate();
        let mut right: Vec<f64> = counts.map(|(row, n)| n * (1.0 + uneven(row))).collect();
        right.push(stays.max(0.0));
        right.extend((0..=self.parts).map(|row| -1.0 - uneven(row)));
        right
    }

    /// Rows: groups, moves, parts of the nodes, the pool. Everything at home
    /// covers it all.
    fn begin(&mut self, stays: f64) {
        let groups = self.counts.len();
        let right = self.right(stays);
        let dearest = self
            .nodes
            .iter()
            .fold(1.0, |most: f64, n| most.max(n.price));
        let mut start: Vec<Option<Column>> = (0..=groups)
            .map(|row| {
                // Never used in the end.
                Some(Column {
                    cost: 20.0 * dearest,
                    entries: vec![(row as u32, 1.0)],
                })
            })
            .collect();
        if right[groups] <= 0.0 {
            start[groups] = None;
        }
        self.sources = start.iter().flatten().map(|_| Source::Nothing).collect();
        start.resize(right.len(), None);
        let master = Master::new(right, start).careful();
        self.master = master.until(&self.stop);
        let mut home: Vec<Amounts> = (0..self.parts).map(|_| Amounts::none(groups)).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            let part = &mut home[node.part];
            for (g, n) in &node.home {
                part.groups[*g] += f64::from(*n);
            }
            part.stay += f64::from(node.items);
            part.cost += node.price;
            part.nodes.push(at as u32);
        }
        for (at, amounts) in home.into_iter().enumerate() {
            self.add_part(at, amounts);
        }
    }

    /// Columns of what a point makes of the fleet, so that the search begins with
    /// about what it costs.
    fn add_point(&mut self, base: &Base<'_>, point: &Point) {
        let groups = self.counts.len();
        let mut at_of: BTreeMap<usize, usize> = BTreeMap::new();
        let mut parts: Vec<Amounts> = (0..self.parts).map(|_| Amounts::none(groups)).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            if point.removed.contains(&node.index) {
                continue;
            }
            at_of.insert(node.index, at);
            let part = &mut parts[node.part];
            for (g, n) in &node.home {
                part.groups[*g] += f64::from(*n);
            }
            part.stay += f64::from(node.items);
            part.cost += node.price;
            part.nodes.push(at as u32);
        }
        let model = base.model;
        for relocation in &point.moves {
            let shape = model.kinds[model.kind_of_class[relocation.class]].shape;
            let Some(g) = self.group_of.get(shape).copied().flatten() else {
                continue;
            };
            let n = f64::from(relocation.count);
            if let Some(at) = at_of.get(&relocation.from) {
                let part = &mut parts[self.nodes[*at].part];
                part.groups[g] -= n;
                part.stay -= n;
            }
            if let Place::Node(to) = relocation.to
                && let Some(at) = at_of.get(&to)
            {
                parts[self.nodes[*at].part].groups[g] += n;
            }
        }
        for (at, amounts) in parts.into_iter().enumerate() {
            self.add_part(at, amounts);
        }
    }

    fn add_part(&mut self, part: usize, amounts: Amounts) {
        let groups = self.counts.len();
        let Amounts {
            groups: of_group,
            stay,
            cost,
            nodes,
        } = amounts;
        let some = of_group.iter().enumerate().filter(|(_, n)| **n > 0.0);
        let mut entries: Vec<(u32, f64)> = some.map(|(g, n)| (g as u32, *n)).collect();
        if stay > 0.0 {
            entries.push((groups as u32, stay));
        }
        entries.push(((groups + 1 + part) as u32, -1.0));
        self.master.add(Column { cost, entries });
        self.sources.push(Source::Part(nodes));
    }

    /// Columns of nodes that are worth keeping at these values: all of a part
    /// together. With duals, only those that improve the programme.
    fn add_parts(&mut self, values: &[f64], duals: Option<&[f64]>) -> bool {
        let groups = self.counts.len();
        let whole = self.whole(values);
        let mut parts: Vec<Amounts> = (0..self.parts).map(|_| Amounts::none(groups)).collect();
        for (at, content) in self.contents.iter().enumerate() {
            let node = &self.nodes[at];
            if (content.value) <= node.price * UNIT {
                continue;
            }
            let part = &mut parts[node.part];
            part.stay += self.amounts(node, content, &whole, &mut part.groups);
            part.cost += node.price;
            part.nodes.push(at as u32);
        }
        let mut added = false;
        for (at, amounts) in parts.into_iter().enumerate() {
            if amounts.nodes.is_empty() {
                continue;
            }
            if let Some(duals) = duals {
                let worth: f64 = amounts.groups.iter().zip(duals).map(|(n, d)| n * d).sum();
                let worth = worth + amounts.stay * duals[groups];
                let over = amounts.cost + duals[groups + 1 + at] - worth;
                if over >= -1e-7 * amounts.cost.max(1.0) {
                    continue;
                }
            }
            self.add_part(at, amounts);
            added = true;
        }
        added
    }

    /// Fillings of new types and of the pool that improve the programme.
    fn add_rooms(
        &mut self,
        relaxation: &mut Relaxation<'_>,
        values: &[f64],
        duals: &[f64],
    ) -> bool {
        let groups = self.counts.len();
        let pool_row = (groups + 1 + self.parts) as u32;
        let mut added = false;
        let whole = self.whole(values);
        let types = relaxation
            .types
            .iter_mut()
            .enumerate()
            .map(|(at, t)| (t, Some(at)));
        let rooms = types.chain(relaxation.pool.iter_mut().map(|p| (p, None)));
        for (pricer, ty) in rooms {
            let pool = ty.is_none();
            let filling = pricer.knapsack.solve(&pricer.own(values));
            let amounts = filling.amounts.iter();
            let mut entries: Vec<(u32, f64)> = amounts
                .map(|(c, z)| (pricer.groups[*c] as u32, *z))
                .collect();
            let exact = ty.and_then(|ty| Some((self.of_type(ty)?, self.types[ty]?)));
            if let Some((value, (table, room))) = exact
                && value < filling.value
            {
                let mut came = vec![0.0; groups];
                self.came(table, room, &whole, &mut came);
                let came = came.iter().enumerate().filter(|(_, n)| **n > 0.0);
                entries = came.map(|(g, n)| (g as u32, *n)).collect();
            }
            let worth: f64 = entries.iter().map(|(g, z)| duals[*g as usize] * z).sum();
            let cost = if pool {
                0.0
            } else {
                (pricer.room.price() as f64).max(1e-3)
            };
            let price = if pool { duals[pool_row as usize] } else { cost };
            if entries.is_empty() || worth <= price + 1e-7 * price.max(1.0) {
                continue;
            }
            if pool {
                entries.push((pool_row, -1.0));
            }
            self.master.add(Column { cost, entries });
            self.sources.push(if pool {
                Source::Nothing
            } else {
                Source::Bought
            });
            added = true;
        }
        added
    }

    /// What values prove with so many items at home; keeps what nodes hold then.
    /// Values at which a new node would hold more than its price are scaled down.
    fn judge(
        &mut self,
        relaxation: &mut Relaxation<'_>,
        values: &mut [f64],
        per_move: f64,
        stays: f64,
    ) -> f64 {
        let mut whole = self.whole(values);
        self.fill(&whole);
        let mut scale: f64 = 1.0;
        for at in 0..relaxation.types.len() {
            let pricer = &mut relaxation.types[at];
            let price = (pricer.room.price() as f64).max(1e-3);
            let fluid = pricer.knapsack.solve(&pricer.own(values)).value;
            let value = self.of_type(at).map_or(fluid, |value| value.min(fluid));
            if value > price {
                scale = scale.min(price / value);
            }
        }
        if scale < 1.0 {
            for value in values.iter_mut() {
                *value *= scale;
            }
            whole = self.whole(values);
            self.fill(&whole);
        }
        let bonus = self.bonus(per_move);
        let nodes = self.nodes.iter();
        self.contents = nodes.map(|n| self.content(n, &whole, bonus)).collect();
        let ways: u64 = self.contents.iter().map(|c| c.ways).sum();
        self.ways += ways;
        self.work += ways / 16;
        let total: f64 = self.counts.iter().zip(&whole).map(|(n, v)| n * v).sum();
        let gains: f64 = (self.contents.iter().zip(&self.nodes))
            .map(|(c, n)| (c.value / UNIT - n.price).max(0.0))
            .sum();
        let pooled = relaxation.pool.as_mut();
        let pooled = pooled.map_or(0.0, |p| p.knapsack.solve(&p.own(values)).value);
        total / UNIT + per_move * stays - gains - pooled
    }

    /// What a new node of a type holds at the most, by its table.
    fn of_type(&self, ty: usize) -> Option<f64> {
        let (table, (a, b)) = (*self.types.get(ty)?)?;
        let best = self.tables.get(table)?.best.get(a * self.height + b)?;
        Some(best / UNIT)
    }

    fn bonus(&self, per_move: f64) -> f64 {
        let most = MOST / (self.width + self.height) as f64;
        (per_move * UNIT).round().clamp(0.0, most)
    }

    /// What duals prove, in integers, as a level at their price per move.
    pub(super) fn certify(
        &mut self,
        relaxation: &mut Relaxation<'_>,
        climb: &Climb,
    ) -> Option<Level> {
        let model = relaxation.model;
        let per_move = climb.per_move as f64 * UNIT;
        let most = MOST / (self.width + self.height) as f64;
        let mut factor = 1.0;
        let mut scaled = None;
        for _ in 0..ATTEMPTS {
            let values: Vec<f64> = climb.values.iter().map(|v| v * factor).collect();
            let whole = self.whole(&values);
            if whole.iter().chain([&per_move]).any(|v| *v >= most) {
                return None;
            }
            let mut certified = vec![0; model.shapes.len()];
            for (group, value) in relaxation.groups.iter().zip(&whole) {
                for s in &group.shapes {
                    certified[*s] = (*value as u64) << FINER;
                }
            }
            let by_group: Vec<f64> = whole.iter().map(|v| v / UNIT).collect();
            self.fill(&whole);
            let mut over: f64 = 1.0;
            let types = relaxation.types.iter_mut().chain(&mut relaxation.dominated);
            for (at, pricer) in types.enumerate() {
                let price = i128::from(pricer.room.price()) << Certificate::SCALE_BITS;
                let exact = self.of_type(at).map(|v| ((v * UNIT) as i128) << FINER);
                if exact.is_some_and(|value| value <= price) {
                    continue;
                }
                let fluid = held(model, pricer, &by_group, &certified);
                let value = exact.map_or(fluid, |exact| exact.min(fluid));
                if value > price {
                    over = over.min((price as f64 / value as f64).clamp(0.0, 1.0) * (1.0 - 1e-7));
                }
            }
            if over >= 1.0 {
                scaled = Some((whole, by_group, certified));
                break;
            }
            factor *= over;
        }
        let (whole, by_group, certified) = scaled?;
        let mut dear = vec![0.0; relaxation.nodes.len()];
        let mut total: i128 = 0;
        for kind in &model.kinds {
            total += i128::from(certified[kind.shape]) * i128::from(kind.count);
        }
        if let Some(pool) = &mut relaxation.pool {
            total -= held(model, pool, &by_group, &certified);
        }
        for node in &self.nodes {
            let holds = self.content(node, &whole, per_move).value;
            if !holds.is_finite() {
                return None;
            }
            let holds = (holds as i128) << FINER;
            let (price, items) = relaxation.nodes[node.index]?;
            let price = i128::from(price) << Certificate::SCALE_BITS;
            let moves = i128::from(climb.per_move) * i128::from(items);
            total += (moves << Certificate::SCALE_BITS) - (holds - price).max(0);
            dear[node.index] = (price - holds) as f64 / SCALE;
        }
        total += i128::from(relaxation.fixed) << Certificate::SCALE_BITS;
        let lower = -(-total).div_euclid(1 << Certificate::SCALE_BITS);
        Some(Level {
            per_move: climb.per_move,
            lower: i64::try_from(lower.max(i128::from(relaxation.fixed))).ok()?,
            certified,
            flow: Vec::new(),
            dear,
            kept: climb.kept.iter().sum(),
            bought: climb.bought,
        })
    }
}
