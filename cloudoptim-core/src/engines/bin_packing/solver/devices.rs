//! The most valuable filling of a type with equal devices, by tables.
//!
//! One table says what a device is worth that gives so many thousandths to
//! shares and so much of the scarcest amount to those that share it; another
//! adds device to device, items with whole devices and items without. Amounts
//! other than the scarcest are paid for instead of limited, and what their whole
//! capacity costs is added back: an upper bound at any prices (Fisher 1981).
//! Requests are rounded down to the grid, so the bound holds; where that lets
//! too much on a node, they are rounded up instead to find what fits.

use super::bundles::{Bundler, Relaxed};
use super::grid::gcd;
use super::labels::Priced;
use super::pricing::Search;
use std::collections::{BTreeMap, BTreeSet};

/// Cells of the scarcest amount: at most, and fewer if requests are as close to
/// multiples of fewer.
const CELLS: u64 = 1_600;
const FEW_CELLS: u64 = 300;

/// How many grids are compared.
const GRIDS: u64 = 600;

/// Most cells of a device.
const DEVICE_CELLS: usize = 250;

/// Entries that take as long as a label.
const ENTRIES_PER_LABEL: u64 = 256;

/// How many fillings are told beside the best.
const OTHERS: usize = 60;

/// Floating point may be wrong by less than this, relative.
const SLACK: f64 = 1e-9;

/// An item at present prices.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// Index in [`Search::shapes`].
    index: usize,
    gain: f64,
    cells: usize,
    /// Cells of a device, or whole devices, or zero.
    takes: usize,
}

struct Tables {
    width: usize,
    devices: usize,
    device_cells: usize,
    plain: Vec<Item>,
    shared: Vec<Item>,
    whole: Vec<Item>,
    /// Other items that share a device, in whose place one of `shared` is better.
    beaten: Vec<Item>,
    /// What one device gives by its cells and the main amount.
    device: Vec<f64>,
    /// Where more of the main amount is worth more on a whole device.
    steps: Vec<(usize, f64)>,
    /// What so many devices and so much of the main amount give.
    node: Vec<f64>,
    work: u64,
}

impl Bundler {
    /// Good fillings at `values`, and a bound of the best; prices are set anew
    /// `rounds` times. `None` where tables would not be small.
    pub(super) fn tabled(
        &self,
        search: &Search,
        relaxed: &Relaxed,
        values: &[f64],
        target: f64,
        rounds: usize,
    ) -> Option<Priced> {
        if self.cells > DEVICE_CELLS || search.dims == 0 {
            return None;
        }
        let duals = self.by_dim(search.dims, relaxed);
        let main =
            (0..search.dims).max_by(|a, b| duals[*a].total_cmp(&duals[*b]).then(b.cmp(a)))?;
        let step = step(search, values, main)?;
        let mut prices = duals;
        prices[main] = 0.0;
        let mut leaned: Vec<i8> = vec![0; search.dims];
        let mut factor = 2.0_f64;
        let mut priced = Priced {
            upper: relaxed.value,
            ..Priced::default()
        };
        let mut seen: BTreeSet<Vec<(usize, u32)>> = BTreeSet::new();
        let mut fillings: Vec<(f64, Vec<(usize, u32)>)> = Vec::new();
        for round in 0..rounds.max(1) {
            let tables = self.tables(search, values, &prices, (main, step), false)?;
            priced.work += tables.work / ENTRIES_PER_LABEL;
            let back: f64 = prices.iter().sum();
            let top = tables.top() + back;
            priced.upper = priced.upper.min(top * (1.0 + SLACK));
            if priced.upper <= target {
                break;
            }
            let best = tables.filling(tables.devices, tables.width - 1, &[]);
            let mut keep = |tables: &Tables, fillings: &mut Vec<(f64, Vec<(usize, u32)>)>| {
                for filling in tables.all() {
                    let worth: f64 = filling
                        .iter()
                        .map(|(i, n)| values[*i] * f64::from(*n))
                        .sum();
                    let new = worth > target && search.fits(&filling);
                    if new && seen.insert(filling.clone()) {
                        fillings.push((worth, filling));
                    }
                }
            };
            keep(&tables, &mut fillings);
            if fillings.is_empty() && round + 1 == rounds.max(1) {
                // Perhaps only for what was rounded down.
                if let Some(up) = self.tables(search, values, &prices, (main, step), true) {
                    priced.work += up.work / ENTRIES_PER_LABEL;
                    keep(&up, &mut fillings);
                }
            }
            // What was taken too much of becomes dearer.
            let mut changed = false;
            for dim in (0..search.dims).filter(|dim| *dim != main) {
                let used = best.iter().fold(0u64, |sum, (i, n)| {
                    let demand = search.demand[i * search.dims + dim];
                    sum.saturating_add(demand.saturating_mul(u64::from(*n)))
                });
                let over = used > search.capacity[dim];
                if !over && prices[dim] == 0.0 {
                    continue;
                }
                let way = if over { 1 } else { -1 };
                if leaned[dim] != 0 && leaned[dim] != way {
                    factor = factor.sqrt();
                }
                leaned[dim] = way;
                if over {
                    prices[dim] = (prices[dim] * factor).max(target / 1e2);
                } else {
                    prices[dim] /= factor;
                    if prices[dim] < target / 1e4 {
                        prices[dim] = 0.0;
                    }
                }
                changed = true;
            }
            if !changed {
                break;
            }
        }
        fillings.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let by_shapes = |filling: Vec<(usize, u32)>| -> Vec<(usize, u32)> {
            let mut out: Vec<(usize, u32)> = filling
                .into_iter()
                .map(|(i, n)| (search.shapes[i], n))
                .collect();
            out.sort_unstable();
            out
        };
        let mut fillings = fillings.into_iter();
        if let Some((value, filling)) = fillings.next() {
            priced.value = value;
            priced.counts = by_shapes(filling);
        }
        priced.others = fillings.take(OTHERS).map(|(_, f)| by_shapes(f)).collect();
        priced.upper = priced.upper.max(target);
        Some(priced)
    }

    fn tables(
        &self,
        search: &Search,
        values: &[f64],
        prices: &[f64],
        (main, step): (usize, u64),
        up: bool,
    ) -> Option<Tables> {
        let width = usize::try_from(search.capacity[main] / step).ok()? + 1;
        let item = |index: usize, takes: usize| -> Item {
            let demand = &search.demand[index * search.dims..(index + 1) * search.dims];
            let paid = demand.iter().zip(&search.capacity).zip(prices);
            let paid = paid.filter(|((_, capacity), _)| **capacity > 0);
            let paid: f64 = paid
                .map(|((d, c), price)| price * *d as f64 / *c as f64)
                .sum();
            let cells = if up {
                demand[main].div_ceil(step)
            } else {
                demand[main] / step
            };
            Item {
                index,
                gain: values[index] - paid,
                cells: usize::try_from(cells).unwrap_or(usize::MAX),
                takes,
            }
        };
        let useful = |i: &Item| i.gain > 0.0 && i.cells < width;
        let shared = self.shared.iter().map(|(i, cells)| item(*i, *cells));
        let single = self.single.iter().filter_map(|bundle| {
            let (i, _) = bundle.items.first()?;
            Some(item(*i, bundle.devices as usize))
        });
        let (plain, whole): (Vec<Item>, Vec<Item>) =
            single.filter(useful).partition(|i| i.takes == 0);
        if plain.iter().any(|i| i.cells == 0) {
            return None; // it costs nothing on this grid
        }
        let (shared, beaten) = undominated(shared.filter(useful).collect());
        let mut tables = Tables {
            width,
            devices: self.devices as usize,
            device_cells: self.cells,
            plain,
            shared,
            beaten,
            whole,
            device: vec![0.0; (self.cells + 1) * width],
            steps: vec![(0, 0.0)],
            node: vec![0.0; (self.devices as usize + 1) * width],
            work: 0,
        };
        tables.fill();
        Some(tables)
    }
}

/// `to[shift..] = max(to[shift..], from + gain)`.
fn raise(to: &mut [f64], from: &[f64], shift: usize, gain: f64) {
    for (to, from) in to[shift..].iter_mut().zip(from) {
        let with = from + gain;
        if with > *to {
            *to = with;
        }
    }
}

impl Tables {
    fn fill(&mut self) {
        let width = self.width;
        for cells in 1..=self.device_cells {
            let (below, own) = self.device.split_at_mut(cells * width);
            let own = &mut own[..width];
            for item in self.shared.iter().filter(|i| i.takes <= cells) {
                let from = &below[(cells - item.takes) * width..][..width];
                raise(own, from, item.cells, item.gain);
                self.work += width as u64;
            }
        }
        let whole = &self.device[self.device_cells * width..];
        for (cells, value) in whole.iter().enumerate() {
            if self.steps.last().is_some_and(|(_, last)| value > last) {
                self.steps.push((cells, *value));
            }
        }
        for column in 0..width {
            for item in self.plain.iter().filter(|i| i.cells <= column) {
                let with = self.node[column - item.cells] + item.gain;
                if with > self.node[column] {
                    self.node[column] = with;
                }
            }
        }
        self.work += (width * self.plain.len()) as u64;
        for devices in 1..=self.devices {
            let (below, own) = self.node.split_at_mut(devices * width);
            let own = &mut own[..width];
            let last = &below[(devices - 1) * width..][..width];
            for (cells, value) in &self.steps {
                raise(own, last, *cells, *value);
            }
            for item in self.whole.iter().filter(|i| i.takes <= devices) {
                let from = &below[(devices - item.takes) * width..][..width];
                raise(own, from, item.cells, item.gain);
            }
            self.work += (width * (self.steps.len() / 2 + self.whole.len())) as u64;
        }
    }

    fn top(&self) -> f64 {
        self.node.last().copied().unwrap_or(0.0)
    }

    /// Adds what one device holds at most.
    fn device_into(&self, cells: usize, column: usize, counts: &mut BTreeMap<usize, u32>) {
        let (mut cells, mut column) = (cells, column);
        loop {
            let here = self.device[cells * self.width + column];
            let last = self.shared.iter().find(|i| {
                i.takes <= cells
                    && i.cells <= column
                    && self.device[(cells - i.takes) * self.width + column - i.cells] + i.gain
                        == here
            });
            let Some(item) = last.filter(|_| here > 0.0) else {
                return;
            };
            *counts.entry(item.index).or_default() += 1;
            cells -= item.takes;
            column -= item.cells;
        }
    }

    /// Indices of shapes and counts, sorted: `items` and the best filling of so
    /// many devices and so much of the main amount.
    fn filling(&self, devices: usize, column: usize, items: &[usize]) -> Vec<(usize, u32)> {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        for index in items {
            *counts.entry(*index).or_default() += 1;
        }
        self.node_into(devices, column, &mut counts);
        counts.into_iter().collect()
    }

    fn node_into(&self, devices: usize, column: usize, counts: &mut BTreeMap<usize, u32>) {
        let at = |devices: usize, column: usize| self.node[devices * self.width + column];
        let (mut devices, mut column) = (devices, column);
        while devices > 0 {
            let here = at(devices, column);
            let whole = self.whole.iter().find(|i| {
                i.takes <= devices
                    && i.cells <= column
                    && at(devices - i.takes, column - i.cells) + i.gain == here
            });
            if let Some(item) = whole {
                *counts.entry(item.index).or_default() += 1;
                devices -= item.takes;
                column -= item.cells;
                continue;
            }
            let step = self.steps.iter().find(|(cells, value)| {
                *cells <= column && at(devices - 1, column - cells) + value == here
            });
            let Some((cells, _)) = step else { return };
            self.device_into(self.device_cells, *cells, counts);
            devices -= 1;
            column -= cells;
        }
        loop {
            let here = at(0, column);
            let last = self
                .plain
                .iter()
                .find(|i| i.cells <= column && at(0, column - i.cells) + i.gain == here);
            let Some(item) = last.filter(|_| here > 0.0) else {
                return;
            };
            *counts.entry(item.index).or_default() += 1;
            column -= item.cells;
        }
    }

    /// The best filling, and for each item the best that contains it.
    fn all(&self) -> Vec<Vec<(usize, u32)>> {
        let (devices, last) = (self.devices, self.width - 1);
        let mut out = vec![self.filling(devices, last, &[])];
        for item in self.plain.iter().chain(&self.whole) {
            if item.takes <= devices {
                out.push(self.filling(devices - item.takes, last - item.cells, &[item.index]));
            }
        }
        let Some(others) = devices.checked_sub(1) else {
            return out;
        };
        let rest = &self.node[others * self.width..][..self.width];
        for item in self.shared.iter().chain(&self.beaten) {
            let cells = self.device_cells - item.takes;
            let beside = &self.device[cells * self.width..][..self.width];
            let most = (item.cells..self.width)
                .map(|column| (beside[column - item.cells] + rest[last - column], column))
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            if let Some((_, column)) = most {
                let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
                *counts.entry(item.index).or_default() += 1;
                self.device_into(cells, column - item.cells, &mut counts);
                self.node_into(others, last - column, &mut counts);
                out.push(counts.into_iter().collect());
            }
        }
        out
    }
}

/// Items in whose place no other is better, and the others.
fn undominated(mut items: Vec<Item>) -> (Vec<Item>, Vec<Item>) {
    items.sort_by(|a, b| {
        let by_gain = b.gain.total_cmp(&a.gain);
        by_gain.then((a.takes, a.cells, a.index).cmp(&(b.takes, b.cells, b.index)))
    });
    let mut kept: Vec<Item> = Vec::new();
    let mut beaten = Vec::new();
    for item in items {
        let worse = |k: &Item| k.takes <= item.takes && k.cells <= item.cells;
        if kept.iter().any(worse) {
            &mut beaten
        } else {
            &mut kept
        }
        .push(item);
    }
    (kept, beaten)
}

/// The grid on which the least of the requests is lost.
fn step(search: &Search, values: &[f64], main: usize) -> Option<u64> {
    let capacity = search.capacity[main];
    let demands: Vec<u64> = (0..values.len())
        .filter(|i| values[*i] > 0.0)
        .map(|i| search.demand[i * search.dims + main])
        .filter(|d| *d > 0)
        .collect();
    let common = demands.iter().fold(0, |a, b| gcd(a, *b));
    let finest = (capacity / CELLS).max(1);
    if common >= finest {
        return Some(common);
    }
    let coarsest = (capacity / FEW_CELLS).max(finest);
    let by = ((coarsest - finest) / GRIDS).max(1);
    let lost = |step: u64| -> f64 {
        let parts = demands.iter().map(|d| (d % step) as f64 / *d as f64);
        parts.sum()
    };
    let mut best: Option<(f64, u64)> = None;
    let mut step = finest;
    while step <= coarsest {
        // Of two that lose the same, the coarser is quicker.
        let lost = lost(step);
        if best.is_none_or(|(least, _)| lost <= least) {
            best = Some((lost, step));
        }
        step += by;
    }
    best.map(|(_, step)| step)
}
