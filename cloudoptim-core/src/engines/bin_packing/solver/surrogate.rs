//! The most valuable filling by a table over one amount and the devices.
//!
//! All other amounts are paid for at a price each instead of being limited, and
//! what their whole capacity costs is added back: an upper bound at any prices,
//! by a table that is small (surrogate or Lagrangian relaxation; Fisher 1981).
//! On a grid coarser than the requests these are rounded up, so that what is
//! found fits, and nothing is bounded. Prices follow what the filling takes too
//! much of. Along the way every item gets the best filling that contains it,
//! which is what a programme needs: many good fillings that differ.

use super::labels::Priced;
use super::pricing::Search;
use std::collections::BTreeSet;

/// How many fillings are told beside the best.
const OTHERS: usize = 60;

/// Entries of a table for each number of devices.
const CELLS: u64 = 2_000;

/// Entries that take as long as a label.
const ENTRIES_PER_LABEL: u64 = 256;

/// How often prices are set anew.
const ROUNDS: usize = 2;

/// Floating point may be wrong by less than this, relative.
const SLACK: f64 = 1e-9;

struct Table<'a> {
    search: &'a Search,
    /// Worth of each item less what it pays.
    gains: Vec<f64>,
    /// Cells of the main amount, and devices, that each item takes.
    takes: Vec<(usize, usize)>,
    cells: usize,
    devices: usize,
    best: Vec<f64>,
    /// The last item of the best filling, one more than its index.
    chosen: Vec<u16>,
}

impl Search {
    /// Good fillings at `values`, and a bound of the best where the grid is as
    /// fine as the requests. The last amount counts devices; `duals` says what
    /// the whole capacity of each amount carries.
    pub(super) fn tables(&self, values: &[f64], duals: &[f64], target: f64) -> Option<Priced> {
        let last = self.dims.checked_sub(1)?;
        let devices = usize::try_from(self.capacity[last]).ok()?;
        let main = (0..last).max_by(|a, b| duals[*a].total_cmp(&duals[*b]).then(b.cmp(a)))?;
        if values.is_empty() || values.len() >= usize::from(u16::MAX) {
            return None;
        }
        let demand = |i: usize, dim: usize| self.demand[i * self.dims + dim];
        let capacity = self.capacity[main];
        let common = (0..values.len()).fold(0, |step, i| super::grid::gcd(step, demand(i, main)));
        let mut step = common.max(1);
        if capacity / step > CELLS {
            step = capacity / CELLS;
        }
        let width = usize::try_from(capacity / step).ok()?;
        let takes: Vec<(usize, usize)> = (0..values.len())
            .map(|i| {
                let cells = demand(i, main).div_ceil(step);
                (cells as usize, demand(i, last) as usize)
            })
            .collect();
        if takes.contains(&(0, 0)) {
            return None; // it costs nothing on this grid
        }
        let mut prices: Vec<f64> = duals[..last].to_vec();
        prices[main] = 0.0;
        let (mut upper, mut work) = (f64::INFINITY, 0);
        let mut fillings: Vec<(f64, Vec<(usize, u32)>)> = Vec::new();
        let mut seen: BTreeSet<Vec<(usize, u32)>> = BTreeSet::new();
        let mut factor = 2.0_f64;
        let mut leaned: Vec<i8> = vec![0; last];
        for _ in 0..ROUNDS {
            let gains: Vec<f64> = (0..values.len())
                .map(|i| {
                    let paid = (0..last).filter(|dim| self.capacity[*dim] > 0);
                    let paid = paid
                        .map(|dim| prices[dim] * demand(i, dim) as f64 / self.capacity[dim] as f64);
                    values[i] - paid.sum::<f64>()
                })
                .collect();
            let mut table = Table {
                search: self,
                gains,
                takes: takes.clone(),
                cells: width,
                devices,
                best: vec![0.0; (width + 1) * (devices + 1)],
                chosen: vec![0; (width + 1) * (devices + 1)],
            };
            work += table.fill();
            let back: f64 = prices.iter().sum();
            if step == common {
                upper = upper.min((table.top() + back) * (1.0 + SLACK));
            }
            let best = table.filling(width, devices, None);
            for (worth, filling) in table.all(values, target) {
                if self.fits(&filling) && seen.insert(filling.clone()) {
                    fillings.push((worth, filling));
                }
            }
            // What was taken too much of becomes dearer.
            let mut changed = false;
            for dim in (0..last).filter(|dim| *dim != main) {
                let used: u64 = best
                    .iter()
                    .map(|(i, n)| demand(*i, dim).saturating_mul(u64::from(*n)))
                    .fold(0, u64::saturating_add);
                let over = used > self.capacity[dim];
                if !over && prices[dim] == 0.0 {
                    continue;
                }
                let way = if over { 1 } else { -1 };
                if leaned[dim] != 0 && leaned[dim] != way {
                    factor = factor.sqrt();
                }
                leaned[dim] = way;
                if over {
                    let least = target / 1e3;
                    prices[dim] = (prices[dim] * factor).max(least);
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
        let mut fillings = fillings.into_iter();
        let (value, counts) = fillings.next().unwrap_or_default();
        Some(Priced {
            upper: upper.max(target),
            value,
            counts,
            others: fillings.take(OTHERS).map(|(_, counts)| counts).collect(),
            work: work / ENTRIES_PER_LABEL,
        })
    }

    /// Whether a filling fits a node, limits and all.
    pub(super) fn fits(&self, filling: &[(usize, u32)]) -> bool {
        let amounts = (0..self.dims).all(|dim| {
            let used = filling
                .iter()
                .map(|(i, n)| self.demand[i * self.dims + dim].saturating_mul(u64::from(*n)));
            used.fold(0, u64::saturating_add) <= self.capacity[dim]
        });
        let mut room: Vec<i64> = self.room.iter().map(|r| i64::from(*r)).collect();
        for (i, n) in filling {
            for limit in &self.limits[*i] {
                room[*limit] -= i64::from(*n);
            }
        }
        amounts && room.iter().all(|r| *r >= 0)
    }
}

impl Table<'_> {
    const fn at(&self, cells: usize, devices: usize) -> usize {
        devices * (self.cells + 1) + cells
    }

    /// Any number of each item.
    fn fill(&mut self) -> u64 {
        let width = self.cells + 1;
        let mut work = 0;
        for devices in 0..=self.devices {
            let line = devices * width;
            for (item, (cells, needs)) in (1u16..).zip(&self.takes) {
                let gain = self.gains[usize::from(item) - 1];
                if *needs > devices || *cells > self.cells || gain <= 0.0 {
                    continue;
                }
                work += (width - cells) as u64;
                let from = (devices - needs) * width;
                if *needs > 0 {
                    // Lines below are ready: no entry depends on its own line.
                    let (below, own) = self.best.split_at_mut(line);
                    let from = &below[from..from + width - cells];
                    let to = &mut own[*cells..width];
                    let chosen = &mut self.chosen[line + cells..line + width];
                    for ((to, chosen), from) in to.iter_mut().zip(chosen).zip(from) {
                        if from + gain > *to {
                            *to = from + gain;
                            *chosen = item;
                        }
                    }
                } else {
                    for column in *cells..width {
                        let better = self.best[line + column - cells] + gain;
                        if better > self.best[line + column] {
                            self.best[line + column] = better;
                            self.chosen[line + column] = item;
                        }
                    }
                }
            }
        }
        work
    }

    fn top(&self) -> f64 {
        (0..=self.devices)
            .map(|d| self.best[self.at(self.cells, d)])
            .fold(0.0, f64::max)
    }

    /// The best filling of so much, and one item more.
    fn filling(&self, cells: usize, devices: usize, more: Option<usize>) -> Vec<(usize, u32)> {
        let mut counts = std::collections::BTreeMap::new();
        if let Some(item) = more {
            counts.insert(item, 1u32);
        }
        let by = |a: &usize, b: &usize| {
            let of = |d: &usize| self.best[self.at(cells, *d)];
            of(a).total_cmp(&of(b)).then(b.cmp(a))
        };
        let (mut cells, mut devices) = (cells, (0..=devices).max_by(by).unwrap_or(0));
        loop {
            let item = usize::from(self.chosen[self.at(cells, devices)]);
            let Some(item) = item.checked_sub(1) else {
                break;
            };
            *counts.entry(item).or_default() += 1;
            cells -= self.takes[item].0;
            devices -= self.takes[item].1;
        }
        counts.into_iter().collect()
    }

    /// For each item the best filling that contains it, if worth more than
    /// `target`.
    fn all(&self, values: &[f64], target: f64) -> Vec<(f64, Vec<(usize, u32)>)> {
        let mut out = Vec::new();
        for (item, (cells, needs)) in self.takes.iter().enumerate() {
            let (Some(cells), Some(devices)) = (
                self.cells.checked_sub(*cells),
                self.devices.checked_sub(*needs),
            ) else {
                continue;
            };
            let filling = self.filling(cells, devices, Some(item));
            let worth: f64 = filling
                .iter()
                .map(|(i, n)| values[*i] * f64::from(*n))
                .sum();
            if worth > target {
                out.push((worth, filling));
            }
        }
        debug_assert_eq!(self.search.shapes.len(), values.len());
        out
    }
}
