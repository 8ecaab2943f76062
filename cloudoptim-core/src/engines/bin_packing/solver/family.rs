//! One table for all node types that differ in size only.
//!
//! What the best filling of a node is worth depends on how much the node holds,
//! so a table over two amounts tells it for every type that is no larger, at
//! once. Amounts are multiples of something, such as 50 milli-cores and 4 MiB.
//! Items may be repeated, except those under a limit of one on a node, of which
//! one is added at the end. What is not an axis is left out, and looked at only
//! when a filling is read.
//!
//! Larger types have a table of their own on a coarser grid, to which requests are
//! rounded down as far as that takes little off each. What it says is a bound, and
//! of the fillings it reads only those count that fit.

use super::grid::gcd;
use super::labels::Priced;
use super::model::Model;
use super::pricing::Search;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Most entries of a table on the grid of all requests.
const MAX_CELLS: usize = 1 << 18;

/// The same of a coarse table, and what rounding may take off a request, as a part
/// of it.
const MAX_COARSE: usize = 1 << 21;
const ROUNDED: f64 = 1.0 / 16.0;

/// Entries that take as long as a label.
const CELLS_PER_LABEL: u64 = 512;

/// How many fillings of a type are told beside the best.
const OTHERS: usize = 16;

/// Ways in which types are disliked that get tables of their own.
const MAX_WAYS: usize = 8;

/// Single precision may be wrong by less than this, relative.
const SLACK: f64 = 1e-5;

/// An item on the grid.
#[derive(Debug, Clone, Copy)]
struct Item {
    shape: usize,
    rows: usize,
    columns: usize,
}

/// Types that one table serves.
#[derive(Debug, Clone)]
pub(super) struct Family {
    /// Rows and columns of each type, by its place in the list of all types.
    sizes: Vec<Option<(usize, usize)>>,
    /// Items that may be repeated, and those of which a node holds one.
    free: Vec<Item>,
    single: Vec<Item>,
    /// Most entries of a table.
    most: usize,
    /// What an item of each shape costs beside on these types; empty where nothing
    /// does.
    extra: Vec<i64>,
}

/// What a node of any size holds at most.
pub(super) struct Table {
    width: usize,
    best: Vec<f32>,
    /// Items with their values.
    free: Vec<(Item, f32)>,
    single: Vec<(Item, f32)>,
    pub(super) work: u64,
}

impl Family {
    /// Tables that serve the more types the larger they are: the first on the grid
    /// of all requests, where what it says is exact; then one where requests are
    /// rounded down to a coarser grid, as long as that takes little off each, which
    /// serves larger types and may promise a little too much. None when no table
    /// is small enough, or several limits bind. `searches` are those of all types.
    pub(super) fn all(model: &Model, searches: &[&Search]) -> Vec<Self> {
        // A table for each way in which types are disliked.
        let mut ways: Vec<&[i64]> = Vec::new();
        for search in searches {
            let extra = model.types[search.ty].extra.as_slice();
            if !ways.contains(&extra) && ways.len() < MAX_WAYS {
                ways.push(extra);
            }
        }
        let mut all = Vec::new();
        for extra in ways {
            let Some(exact) = Self::new(model, searches, extra, None) else {
                continue;
            };
            let coarse = Self::new(model, searches, extra, Some(&exact));
            all.push(exact);
            all.extend(coarse);
        }
        all
    }

    /// One of them, for types that `finer` does not serve.
    fn new(
        model: &Model,
        searches: &[&Search],
        extra: &[i64],
        finer: Option<&Self>,
    ) -> Option<Self> {
        let plain = |s: &&&Search| s.devices.is_empty();
        let shapes: BTreeSet<usize> = searches
            .iter()
            .filter(plain)
            .flat_map(|s| s.shapes.iter().copied())
            .collect();
        let limits: BTreeSet<usize> = shapes
            .iter()
            .flat_map(|s| model.shapes[*s].limits.iter().copied())
            .collect();
        let rooms: Vec<u32> = limits.iter().map(|l| model.self_limits[*l].max).collect();
        if !rooms.is_empty() && rooms != [1] {
            return None;
        }
        let demand = |s: usize, dim: usize| model.shapes[s].demand[dim];
        let [first, second] = axes(model, &shapes, searches)?;
        let step = |dim: usize| shapes.iter().fold(0, |a, s| gcd(a, demand(*s, dim))).max(1);
        let (mut row, mut column) = (step(first), step(second));
        if finer.is_some() {
            let lost = |dim: usize, step: u64| -> f64 {
                let taken = shapes.iter().map(|s| demand(*s, dim)).filter(|d| *d > 0);
                let lost = taken.map(|d| (d % step) as f64 / d as f64);
                lost.fold(0.0, f64::max)
            };
            let coarser = |dim: usize, mut step: u64| {
                // Where nothing is asked for, nothing is lost.
                let most = shapes.iter().map(|s| demand(*s, dim)).max().unwrap_or(0);
                while step <= most / 2 && lost(dim, 2 * step) <= ROUNDED {
                    step *= 2;
                }
                step
            };
            let fine = (row, column);
            (row, column) = (coarser(first, row), coarser(second, column));
            if (row, column) == fine {
                return None;
            }
        }
        let most = if finer.is_some() {
            MAX_COARSE
        } else {
            MAX_CELLS
        };
        let mut free = Vec::new();
        let mut single = Vec::new();
        for s in shapes.iter().copied() {
            let item = Item {
                shape: s,
                rows: usize::try_from(demand(s, first) / row).ok()?,
                columns: usize::try_from(demand(s, second) / column).ok()?,
            };
            if item.rows == 0 {
                return None; // rows are filled from those above
            }
            let limited = !model.shapes[s].limits.is_empty();
            if limited { &mut single } else { &mut free }.push(item);
        }
        let sizes: Vec<Option<(usize, usize)>> = searches
            .iter()
            .enumerate()
            .map(|(ty, search)| {
                if finer.is_some_and(|finer| finer.serves(ty)) {
                    return None;
                }
                let rows = usize::try_from(search.capacity[first] / row).ok()?;
                let columns = usize::try_from(search.capacity[second] / column).ok()?;
                let cells = rows.checked_add(1)?.checked_mul(columns.checked_add(1)?)?;
                // It must take whatever there is room for.
                let fits = |s: &usize| {
                    let demand = model.shapes[*s].demand.iter();
                    demand.zip(&search.capacity).all(|(d, c)| d <= c)
                };
                let all = shapes.iter().filter(|s| fits(s)).eq(search.shapes.iter());
                let alike = model.types[search.ty].extra == extra;
                let plain = search.devices.is_empty() && alike;
                (plain && all && cells <= most).then_some((rows, columns))
            })
            .collect();
        sizes.iter().any(Option::is_some).then_some(Self {
            sizes,
            free,
            single,
            most,
            extra: extra.to_vec(),
        })
    }

    /// Values by shape without what items cost beside on these types.
    fn own<'v>(&self, values: &'v [f64]) -> Cow<'v, [f64]> {
        if self.extra.iter().all(|extra| *extra == 0) {
            return Cow::Borrowed(values);
        }
        let own = values.iter().zip(&self.extra);
        let own = own.map(|(value, extra)| (value - *extra as f64).max(0.0));
        Cow::Owned(own.collect())
    }

    pub(super) fn serves(&self, ty: usize) -> bool {
        self.sizes.get(ty).is_some_and(Option::is_some)
    }

    /// What a table of `types` costs, in labels.
    pub(super) fn work(&self, types: &[usize]) -> u64 {
        let sizes = types.iter().filter_map(|t| self.sizes[*t]);
        let cells = sizes.map(|(r, c)| (r + 1) * (c + 1));
        let most = cells.max().unwrap_or(0) as u64;
        most * self.free.len() as u64 / CELLS_PER_LABEL
    }

    /// The table at `values` (by shape) for as many of `types`, in their order,
    /// as it may serve.
    pub(super) fn table(&self, values: &[f64], types: &[usize]) -> Option<Table> {
        let (mut height, mut width) = (0, 0);
        for (rows, columns) in types.iter().filter_map(|t| self.sizes[*t]) {
            let (h, w) = (height.max(rows + 1), width.max(columns + 1));
            if h * w <= self.most {
                (height, width) = (h, w);
            }
        }
        if height == 0 {
            return None;
        }
        let values = self.own(values);
        let free = undominated(&self.free, &values);
        let single = undominated(&self.single, &values);
        let mut best = vec![0.0f32; height * width];
        let mut work = 0;
        for row in 0..height {
            let (above, own) = best.split_at_mut(row * width);
            let own = &mut own[..width];
            for (item, value) in &free {
                if item.rows > row || item.columns >= width {
                    continue;
                }
                let from = &above[(row - item.rows) * width..][..width - item.columns];
                raise(&mut own[item.columns..], from, *value);
                work += from.len() as u64;
            }
        }
        Some(Table {
            width,
            best,
            free,
            single,
            work: work / CELLS_PER_LABEL,
        })
    }

    /// What the table says of a type, as far as its fillings are worth more than
    /// `target`; `None` when it does not serve it.
    pub(super) fn priced(
        &self,
        table: &Table,
        ty: usize,
        search: &Search,
        values: &[f64],
        target: f64,
    ) -> Option<Priced> {
        let (rows, columns) = self.sizes.get(ty).copied().flatten()?;
        let values = self.own(values);
        if columns >= table.width || (rows + 1) * table.width > table.best.len() {
            return None;
        }
        let at = |rows: usize, columns: usize| table.best[rows * table.width + columns];
        let rest = |item: &Item| {
            Some((
                rows.checked_sub(item.rows)?,
                columns.checked_sub(item.columns)?,
            ))
        };
        // With none of the limited items, or with one of them.
        let mut starts: Vec<(f32, Option<usize>, (usize, usize))> =
            vec![(at(rows, columns), None, (rows, columns))];
        for (item, value) in &table.single {
            if let Some(rest) = rest(item) {
                starts.push((value + at(rest.0, rest.1), Some(item.shape), rest));
            }
        }
        starts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (most, chosen, from) = starts[0];
        let mut priced = Priced {
            upper: (f64::from(most) * (1.0 + SLACK)).max(target),
            work: 1,
            ..Priced::default()
        };
        let least = (target * (1.0 - SLACK)) as f32;
        // The best with each of the limited ones, then with each of the others.
        let mut ways: Vec<(f32, Vec<usize>, (usize, usize))> = starts
            .iter()
            .filter(|(worth, ..)| *worth > least)
            .map(|(worth, one, rest)| (*worth, one.iter().copied().collect(), *rest))
            .collect();
        for (item, value) in &table.free {
            let rest = from
                .0
                .checked_sub(item.rows)
                .zip(from.1.checked_sub(item.columns));
            let Some(rest) = rest else { continue };
            let single = table.single.iter().find(|(i, _)| Some(i.shape) == chosen);
            let worth = value + at(rest.0, rest.1) + single.map_or(0.0, |(_, value)| *value);
            if worth > least {
                let items = chosen.iter().copied().chain([item.shape]).collect();
                ways.push((worth, items, rest));
            }
        }
        ways.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut seen: BTreeSet<Vec<(usize, u32)>> = BTreeSet::new();
        let mut fillings: Vec<(f64, Vec<(usize, u32)>)> = Vec::new();
        for (_, items, (rows, columns)) in ways {
            if fillings.len() > OTHERS {
                break;
            }
            let counts = table.filling(&items, rows, columns);
            if search.holds(&counts) && seen.insert(counts.clone()) {
                let worth: f64 = counts.iter().map(|(s, n)| values[*s] * f64::from(*n)).sum();
                if worth > target {
                    fillings.push((worth, counts));
                }
            }
        }
        fillings.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let mut fillings = fillings.into_iter();
        (priced.value, priced.counts) = fillings.next().unwrap_or_default();
        priced.others = fillings.map(|(_, counts)| counts).collect();
        Some(priced)
    }
}

impl Table {
    /// Shapes and counts, sorted: `items` and the best filling of the rest.
    fn filling(&self, items: &[usize], rows: usize, columns: usize) -> Vec<(usize, u32)> {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        for shape in items {
            *counts.entry(*shape).or_default() += 1;
        }
        let (mut rows, mut columns) = (rows, columns);
        loop {
            let here = self.best[rows * self.width + columns];
            let last = self.free.iter().find(|(item, value)| {
                item.rows <= rows
                    && item.columns <= columns
                    && self.best[(rows - item.rows) * self.width + columns - item.columns] + value
                        == here
            });
            let Some((item, _)) = last.filter(|_| here > 0.0) else {
                break;
            };
            *counts.entry(item.shape).or_default() += 1;
            rows -= item.rows;
            columns -= item.columns;
        }
        counts.into_iter().collect()
    }
}

/// Raises each number to that beside it and `by`, where that is more. Every one
/// is written, so that several are done at once.
fn raise(to: &mut [f32], from: &[f32], by: f32) {
    let n = to.len().min(from.len());
    let from = &from[..n];
    for (i, to) in to[..n].iter_mut().enumerate() {
        let with = from[i] + by;
        *to = if with > *to { with } else { *to };
    }
}

/// Items of some value in whose place no other is better.
fn undominated(items: &[Item], values: &[f64]) -> Vec<(Item, f32)> {
    let mut order: Vec<&Item> = items.iter().filter(|i| values[i.shape] > 0.0).collect();
    order.sort_by(|a, b| {
        let by_value = values[b.shape].total_cmp(&values[a.shape]);
        by_value.then((a.rows, a.columns, a.shape).cmp(&(b.rows, b.columns, b.shape)))
    });
    let mut kept: Vec<(Item, f32)> = Vec::new();
    for item in order {
        let beaten = kept
            .iter()
            .any(|(other, _)| other.rows <= item.rows && other.columns <= item.columns);
        if !beaten {
            kept.push((*item, values[item.shape] as f32));
        }
    }
    kept
}

/// The two amounts that bind most types.
fn axes(model: &Model, shapes: &BTreeSet<usize>, searches: &[&Search]) -> Option<[usize; 2]> {
    let demands = |dim: usize| shapes.iter().map(move |s| model.shapes[*s].demand[dim]);
    let least: Vec<u64> = (0..model.dims)
        .map(|dim| demands(dim).min().unwrap_or(0))
        .collect();
    let largest: Vec<u64> = (0..model.dims)
        .map(|dim| demands(dim).max().unwrap_or(0))
        .collect();
    let mut binding: Vec<(usize, usize)> = (0..model.dims)
        .map(|dim| {
            let binds = |search: &&&Search| {
                let others = (0..model.dims).filter(|d| *d != dim);
                let most = others.map(|d| {
                    let most = search.capacity[d].checked_div(least[d]);
                    most.unwrap_or(u64::MAX)
                });
                let items = most.min().unwrap_or(u64::MAX);
                items.saturating_mul(largest[dim]) > search.capacity[dim]
            };
            (searches.iter().filter(binds).count(), dim)
        })
        .collect();
    binding.sort_by_key(|(types, dim)| (std::cmp::Reverse(*types), *dim));
    match binding.as_slice() {
        [(_, first), (_, second), ..] => Some([*first.min(second), *first.max(second)]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::{Class, CountLimit, NodeType, Offering, Per, Problem, Rule};
    use super::*;
    use crate::model::MicroUsdPerHour;

    /// Four sizes of node; of two classes a node holds one item.
    fn problem(seed: u64) -> (Problem, Vec<f64>) {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let mut values = Vec::new();
        let classes = (0..6)
            .map(|at| {
                values.push(1.0 + below(90) as f64 / 10.0);
                Class {
                    id: format!("c{at}"),
                    count: 3,
                    demand: vec![2 * (1 + below(5)), 1 + below(6)],
                    ..Class::default()
                }
            })
            .collect();
        let types = (1..5u64)
            .map(|size| NodeType {
                id: format!("t{size}"),
                capacity: vec![6 * size, 4 * size],
                offerings: vec![Offering {
                    price: Some(MicroUsdPerHour(10 * size as i64)),
                    ..Offering::default()
                }],
                ..NodeType::default()
            })
            .collect();
        let problem = Problem {
            dims: vec!["cpu".to_owned(), "memory".to_owned()],
            classes,
            types,
            rules: vec![Rule::CountLimit(CountLimit {
                per: Per::Node,
                with: vec![0, 1],
                of: vec![0, 1],
                max: 1,
            })],
            ..Problem::default()
        };
        (problem, values)
    }

    /// The most valuable filling, by trying everything.
    fn brute(search: &Search, values: &[f64], from: usize, free: [u64; 2], limited: bool) -> f64 {
        let mut best: f64 = 0.0;
        for i in from..search.shapes.len() {
            let demand = &search.demand[i * 2..i * 2 + 2];
            let bound = !search.limits[i].is_empty();
            if demand[0] > free[0] || demand[1] > free[1] || (bound && limited) {
                continue;
            }
            let free = [free[0] - demand[0], free[1] - demand[1]];
            let value = values[search.shapes[i]];
            best = best.max(value + brute(search, values, i, free, limited || bound));
        }
        best
    }

    /// What types can hold, and values by shape.
    fn searches_of(model: &Model, by_class: &[f64]) -> (Vec<Search>, Vec<f64>) {
        let mut values = vec![0.0; model.shapes.len()];
        for kind in &model.kinds {
            let of = kind.classes.iter().map(|(class, _)| by_class[*class]);
            values[kind.shape] = of.fold(0.0, f64::max);
        }
        let types = 0..model.types.len();
        let searches = types.map(|t| {
            let shapes = (0..model.shapes.len()).filter(|s| model.types[t].fits[*s] > 0);
            Search::new(model, t, shapes.collect(), Vec::new())
        });
        (searches.collect(), values)
    }

    #[test]
    fn one_table_tells_what_trying_everything_tells_of_every_size() {
        for seed in 1..=200 {
            let (problem, by_class) = problem(seed);
            let model = Model::new(&problem);
            let (searches, values) = searches_of(&model, &by_class);
            let family =
                Family::new(&model, &searches.iter().collect::<Vec<_>>(), &[], None).unwrap();
            let all: Vec<usize> = (0..searches.len()).collect();
            let table = family.table(&values, &all).unwrap();
            for (t, search) in searches.iter().enumerate() {
                let free = [search.capacity[0], search.capacity[1]];
                let best = brute(search, &values, 0, free, false);
                let priced = family
                    .priced(&table, t, search, &values, best * 0.5)
                    .unwrap();
                assert!(priced.upper >= best, "seed {seed}: {priced:?} {best}");
                assert!(
                    priced.upper <= best * (1.0 + 2.0 * SLACK),
                    "seed {seed}: {priced:?} {best}"
                );
                assert!(
                    (priced.value - best).abs() < 1e-9,
                    "seed {seed}: {priced:?} {best}"
                );
                assert!(priced.others.iter().all(|counts| search.holds(counts)));
            }
        }
    }

    #[test]
    fn a_coarse_table_promises_no_less_than_fits_and_tells_only_what_fits() {
        let (mut met, mut all) = (0, 0);
        for seed in 1..=200u64 {
            let (mut problem, by_class) = problem(seed);
            for (at, class) in (0..).zip(&mut problem.classes) {
                // On a grid of 32 but for a little.
                class.demand[1] = 32 * class.demand[1] + (seed + at) % 3;
            }
            for t in &mut problem.types {
                t.capacity[1] = 32 * t.capacity[1] + 1;
            }
            let model = Model::new(&problem);
            let (searches, values) = searches_of(&model, &by_class);
            // As if another served none.
            let none = Family {
                sizes: vec![None; searches.len()],
                free: Vec::new(),
                single: Vec::new(),
                most: 0,
                extra: Vec::new(),
            };
            let each: Vec<&Search> = searches.iter().collect();
            let family = Family::new(&model, &each, &[], Some(&none)).unwrap();
            let types: Vec<usize> = (0..searches.len()).collect();
            let table = family.table(&values, &types).unwrap();
            for (t, search) in searches.iter().enumerate() {
                let free = [search.capacity[0], search.capacity[1]];
                let best = brute(search, &values, 0, free, false);
                let target = best * 0.5;
                let priced = family.priced(&table, t, search, &values, target);
                let priced = priced.unwrap();
                assert!(priced.upper >= best, "seed {seed}: {priced:?} {best}");
                assert!(priced.value <= best + 1e-9, "seed {seed}: {priced:?}");
                let mut told = priced.others.iter().chain([&priced.counts]);
                assert!(told.all(|counts| search.holds(counts)), "seed {seed}");
                all += 1;
                met += usize::from((priced.value - best).abs() < 1e-9);
            }
            // Of one amount nothing is asked for.
            for class in &mut problem.classes {
                class.demand[1] = 0;
            }
            let idle = Model::new(&problem);
            let (without, _) = searches_of(&idle, &by_class);
            let without: Vec<&Search> = without.iter().collect();
            assert!(Family::new(&idle, &without, &[], Some(&none)).is_none());
            // The finer one serves them all already.
            assert_eq!(Family::all(&model, &each).len(), 1);
        }
        assert!(met * 2 > all, "{met} of {all}");
    }
}
