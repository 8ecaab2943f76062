//! The most valuable filling of a type whose devices are all equal.
//!
//! What shares one device is a bundle; to the node a bundle is one thing that
//! takes a device, and which device does not matter. So devices become an
//! amount like any other, and both the fractional filling and the labels know
//! exactly what fits on one: shares of .81 and .47 do not, whatever their sum
//! over all devices. Bundles are many, but at given values few matter: what the
//! fractional filling is worth more than the target is all that a bundle may
//! lose against it (Dantzig and Wolfe 1960; the same argument as in
//! [`Search::keep_possible`]).

use super::branches::Rests;
use super::knapsack::{Filling, Knapsack};
use super::labels::Priced;
use super::pricing::Search;
use super::solution::ShareOf;

/// Bundles and shapes that a search looks at, and when it is to prove something.
pub(super) const FEW_BUNDLES: usize = 400;
pub(super) const MANY_BUNDLES: usize = 2_000;

/// Most bundles to look at before those that others beat are dropped.
const WALKED: usize = 3_000;

/// How often the bundles that may matter are counted again with less slack.
const HALVINGS: u32 = 24;

/// Rounds in which bundles are made for the fractional filling.
const ROUNDS: usize = 60;

/// Floating point may be wrong by less than this, relative.
const SLACK: f64 = 1e-9;

/// How hard to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bundling {
    /// Bundles and single shapes to choose from.
    pub(super) bundles: usize,
    /// Labels to keep; none: tables only, which are quick.
    pub(super) labels: usize,
    /// Work after which labels stop.
    pub(super) budget: u64,
}

/// Shapes on one device, or a single shape without or with whole devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bundle {
    /// Index in [`Search::shapes`] and how many, sorted.
    pub(super) items: Vec<(usize, u32)>,
    pub(super) devices: u32,
}

impl Relaxed {
    /// What the rows of the knapsack carry, the devices last.
    pub(super) fn duals(&self) -> &[f64] {
        &self.duals
    }

    /// What one of so many devices carries.
    pub(super) fn device(&self, devices: u32) -> f64 {
        self.duals.last().copied().unwrap_or(0.0) / f64::from(devices.max(1))
    }
}

/// A type with equal devices.
#[derive(Debug, Clone)]
pub(super) struct Bundler {
    pub(super) devices: u32,
    /// Shapes that may share a device, and how much of it they take, in cells.
    pub(super) shared: Vec<(usize, usize)>,
    /// Cells of a device.
    pub(super) cells: usize,
    /// Shapes without a device, or with whole ones.
    pub(super) single: Vec<Bundle>,
    /// Rows of the type's knapsack that are not about devices.
    rows: Vec<usize>,
    /// What all rows are about.
    kinds: Vec<(ShareOf, u32)>,
    /// Bundles that were made so far, in the order of the columns.
    known: Vec<Bundle>,
    knapsack: Knapsack,
    /// What is left beside items that take several devices.
    pub(super) rests: Rests,
}

/// The fractional filling, by shapes.
#[derive(Debug, Clone, Default)]
pub(super) struct Relaxed {
    pub(super) value: f64,
    /// Index in [`Search::shapes`] and how many.
    pub(super) amounts: Vec<(usize, f64)>,
    duals: Vec<f64>,
}

impl Bundler {
    /// `None` when the type has no devices or unequal ones, or when some item
    /// shares several.
    pub(super) fn new(search: &Search, kinds: &[(ShareOf, u32)]) -> Option<Self> {
        let first = search.devices.first().copied().unwrap_or((0, 1));
        if search.devices.iter().any(|d| *d != first) || first.1 == 0 {
            return None;
        }
        let mut shares: Vec<(usize, u32)> = Vec::new();
        let mut single = Vec::new();
        for (i, request) in search.requests.iter().enumerate() {
            match request {
                Some(r) if r.milli == first.1 => single.push(Bundle {
                    items: vec![(i, 1)],
                    devices: r.count,
                }),
                Some(r) if r.count == 1 && r.milli > 0 && r.milli < first.1 => {
                    shares.push((i, r.milli));
                }
                Some(_) => return None,
                None => single.push(Bundle {
                    items: vec![(i, 1)],
                    devices: 0,
                }),
            }
        }
        let step = shares.iter().fold(u64::from(first.1), |step, (_, milli)| {
            super::grid::gcd(step, u64::from(*milli))
        });
        let cells = |milli: u32| (u64::from(milli) / step.max(1)) as usize;
        let rows: Vec<usize> = (0..kinds.len())
            .filter(|r| kinds[*r].0 != ShareOf::Devices)
            .collect();
        let mut bundler = Self {
            devices: u32::try_from(search.devices.len()).ok()?,
            shared: shares
                .iter()
                .map(|(i, milli)| (*i, cells(*milli)))
                .collect(),
            cells: cells(first.1),
            knapsack: Knapsack::new(rows.len() + 1, Vec::new()),
            single: Vec::new(),
            rows,
            kinds: kinds.to_vec(),
            rests: Rests::default(),
            known: Vec::new(),
        };
        for bundle in &single {
            bundler.learn(search, bundle.clone());
        }
        for (i, _) in &shares {
            let items = vec![(*i, 1)];
            bundler.learn(search, Bundle { items, devices: 1 });
        }
        bundler.single = single;
        Some(bundler)
    }

    fn learn(&mut self, search: &Search, bundle: Bundle) {
        let parts = self.parts(search, &bundle);
        self.knapsack.push(&parts);
        self.known.push(bundle);
    }

    /// What a bundle takes of the rows, devices last.
    fn parts(&self, search: &Search, bundle: &Bundle) -> Vec<f64> {
        let rows = self.rows.iter().map(|row| {
            let items = bundle.items.iter();
            items
                .map(|(i, n)| search.parts[*i][*row] * f64::from(*n))
                .sum()
        });
        let devices = f64::from(bundle.devices) / f64::from(self.devices.max(1));
        rows.chain([devices]).collect()
    }

    fn value(bundle: &Bundle, values: &[f64]) -> f64 {
        let items = bundle.items.iter();
        items.map(|(i, n)| values[*i] * f64::from(*n)).sum()
    }

    /// What one item of a shape is worth beyond what it takes besides devices.
    pub(super) fn beyond(&self, search: &Search, values: &[f64], duals: &[f64], i: usize) -> f64 {
        let rows = self.rows.iter().zip(duals);
        values[i] - rows.map(|(row, y)| search.parts[i][*row] * y).sum::<f64>()
    }

    /// The best fractional filling with whole bundles, at `values` by
    /// [`Search::shapes`]. No filling is worth more.
    pub(super) fn relax(&mut self, search: &Search, values: &[f64]) -> Relaxed {
        let mut own: Vec<f64> = self.known.iter().map(|b| Self::value(b, values)).collect();
        let mut filling = Filling::default();
        let mut over = 0.0;
        for round in 0..=ROUNDS {
            filling = self.knapsack.solve(&own);
            let device =
                filling.duals.last().copied().unwrap_or(0.0) / f64::from(self.devices.max(1));
            let best = self.best(search, values, &filling.duals);
            let worth = Self::gain(&best, |i| self.beyond(search, values, &filling.duals, i));
            over = (worth - device).max(0.0);
            let little = over <= SLACK * filling.value.max(1e-300);
            if little || round == ROUNDS || self.known.contains(&best) {
                break;
            }
            own.push(Self::value(&best, values));
            self.learn(search, best);
        }
        let mut amounts = vec![0.0; search.shapes.len()];
        for (column, z) in &filling.amounts {
            for (i, n) in &self.known[*column].items {
                amounts[*i] += z * f64::from(*n);
            }
        }
        // What the best bundle is worth more than its device carries is had at
        // most once a device.
        let more = over * f64::from(self.devices);
        if let Some(last) = filling.duals.last_mut() {
            *last += more;
        }
        Relaxed {
            value: filling.value + more,
            amounts: (0..).zip(amounts).filter(|(_, z)| *z > 0.0).collect(),
            duals: filling.duals,
        }
    }

    /// What the rows of the parts are about.
    pub(super) fn kinds(&self) -> &[(ShareOf, u32)] {
        &self.kinds
    }

    /// What the whole capacity of each amount carries.
    pub(super) fn by_dim(&self, dims: usize, relaxed: &Relaxed) -> Vec<f64> {
        let mut duals = vec![0.0; dims];
        for (row, dual) in self.rows.iter().zip(&relaxed.duals) {
            if let Some((ShareOf::Dim(dim), _)) = self.kinds.get(*row) {
                duals[*dim] += dual;
            }
        }
        duals
    }

    /// What limits carry.
    pub(super) fn by_limits(&self, relaxed: &Relaxed) -> f64 {
        let rows = self.rows.iter().zip(&relaxed.duals);
        let of = |row: usize| self.kinds.get(row).map(|(of, _)| *of);
        let limits = rows.filter(|(row, _)| matches!(of(**row), Some(ShareOf::Limit(_))));
        limits.map(|(_, dual)| dual).sum()
    }

    fn gain(bundle: &Bundle, beyond: impl Fn(usize) -> f64) -> f64 {
        let items = bundle.items.iter();
        items.map(|(i, n)| beyond(*i) * f64::from(*n)).sum()
    }

    /// The bundle worth most beyond what it takes of the other rows: a table
    /// over the cells of a device.
    fn best(&self, search: &Search, values: &[f64], duals: &[f64]) -> Bundle {
        let mut table = vec![(0.0f64, usize::MAX); self.cells + 1];
        let items: Vec<(usize, usize, f64)> = self
            .shared
            .iter()
            .map(|(i, cells)| (*i, *cells, self.beyond(search, values, duals, *i)))
            .filter(|(.., gain)| *gain > 0.0)
            .collect();
        for free in 1..=self.cells {
            table[free] = table[free - 1];
            if table[free].1 != usize::MAX {
                // One cell stays empty.
                table[free].1 = usize::MAX - 1;
            }
            for (at, (_, cells, gain)) in items.iter().enumerate() {
                if *cells <= free && table[free - cells].0 + gain > table[free].0 {
                    table[free] = (table[free - cells].0 + gain, at);
                }
            }
        }
        let mut counts = std::collections::BTreeMap::new();
        let mut free = self.cells;
        loop {
            match table[free].1 {
                usize::MAX => break,
                at if at == usize::MAX - 1 => free -= 1,
                at => {
                    *counts.entry(items[at].0).or_insert(0u32) += 1;
                    free -= items[at].1;
                }
            }
        }
        Bundle {
            items: counts.into_iter().collect(),
            devices: 1,
        }
    }

    /// Like [`Search::labelled`], over bundles.
    pub(super) fn priced(
        &self,
        search: &Search,
        relaxed: &Relaxed,
        values: &[f64],
        left: &[u32],
        target: f64,
        effort: Bundling,
    ) -> Priced {
        let Bundling {
            bundles,
            labels,
            budget,
        } = effort;
        let mut slack = (relaxed.value - target).max(0.0) + SLACK * relaxed.value;
        let mut found = self.within(search, relaxed, values, slack, WALKED);
        let mut work = found.len() as u64 / 8;
        let mut upper = target;
        for _ in 0..HALVINGS {
            if found.len() <= WALKED {
                break;
            }
            // Fillings with what goes now are not worth more than this.
            slack /= 2.0;
            upper = upper.max(relaxed.value - slack);
            found = self.within(search, relaxed, values, slack, WALKED);
            work += found.len() as u64 / 8;
        }
        if found.len() > WALKED {
            return Priced {
                upper: relaxed.value,
                work,
                ..Priced::default()
            };
        }
        let mut found = self.undominated(search, found, values, left);
        if found.len() > bundles {
            found.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
            upper = upper.max(relaxed.value - found[bundles].1);
            found.truncate(bundles);
        }
        let mut found: Vec<Bundle> = found.into_iter().map(|(b, _)| b).collect();
        found.sort_unstable();
        let inner = self.search(search, &found);
        let knapsack = Knapsack::new(self.rows.len() + 1, inner.parts.clone());
        let own: Vec<f64> = found.iter().map(|b| Self::value(b, values)).collect();
        let most_of: Vec<u32> = found.iter().map(|b| Self::most(b, left)).collect();
        let mut priced = if labels > 0 {
            inner.labelled(&knapsack, &own, &most_of, target, labels, budget)
        } else {
            let mut duals = self.by_dim(search.dims, relaxed);
            duals.push(0.0);
            inner
                .tables(&own, &duals, target)
                .unwrap_or_else(|| Priced {
                    upper: relaxed.value,
                    ..Priced::default()
                })
        };
        work += priced.work;
        let by_shapes = |counts: &[(usize, u32)]| -> Vec<(usize, u32)> {
            let mut out = std::collections::BTreeMap::new();
            for (b, n) in counts {
                for (i, m) in &found[*b].items {
                    *out.entry(search.shapes[*i]).or_insert(0u32) += n * m;
                }
            }
            out.into_iter().collect()
        };
        priced.counts = by_shapes(&priced.counts);
        priced.others = priced.others.iter().map(|c| by_shapes(c)).collect();
        priced.upper = priced.upper.max(upper).min(relaxed.value);
        priced.work = work;
        priced
    }

    /// Bundles and single shapes that lose at most `slack` against the
    /// fractional filling, with what they lose; more than `most` of them, when
    /// there are more.
    fn within(
        &self,
        search: &Search,
        relaxed: &Relaxed,
        values: &[f64],
        slack: f64,
        most: usize,
    ) -> Vec<(Bundle, f64)> {
        let device = relaxed.device(self.devices);
        let beyond = |i: usize| self.beyond(search, values, &relaxed.duals, i);
        let mut found: Vec<(Bundle, f64)> = Vec::new();
        for bundle in &self.single {
            let loss = device * f64::from(bundle.devices) - Self::gain(bundle, beyond);
            if loss <= slack && bundle.items.iter().any(|(i, _)| values[*i] > 0.0) {
                found.push((bundle.clone(), loss));
            }
        }
        // Which gain could still be had from this shape on with so many cells.
        let items: Vec<(usize, usize, f64)> = self
            .shared
            .iter()
            .filter(|(i, _)| values[*i] > 0.0)
            .map(|(i, cells)| (*i, *cells, beyond(*i)))
            .collect();
        let width = self.cells + 1;
        let mut still = vec![0.0f64; (items.len() + 1) * width];
        for (at, (_, cells, gain)) in items.iter().enumerate().rev() {
            for free in 0..width {
                let mut best = still[(at + 1) * width + free];
                if *cells <= free {
                    best = best.max(still[at * width + free - cells] + gain);
                }
                still[at * width + free] = best;
            }
        }
        let mut walk = Walk {
            items: &items,
            still: &still,
            width,
            least: device - slack,
            most,
            chosen: Vec::new(),
            found: Vec::new(),
        };
        walk.from(0, self.cells, 0.0);
        for (items, gain) in walk.found {
            let mut bundle = Bundle { items, devices: 1 };
            bundle.items.sort_unstable();
            found.push((bundle, device - gain));
        }
        found
    }

    /// How many of a bundle there is something for.
    fn most(bundle: &Bundle, left: &[u32]) -> u32 {
        let times = bundle.items.iter().map(|(i, n)| left[*i] / n);
        times.min().unwrap_or(0)
    }

    /// Drops bundles in whose place another one is never worse: it takes as many
    /// devices, no more of anything, is worth as much, and there are enough of it
    /// for a whole node.
    fn undominated(
        &self,
        search: &Search,
        found: Vec<(Bundle, f64)>,
        values: &[f64],
        left: &[u32],
    ) -> Vec<(Bundle, f64)> {
        let dims = search.dims;
        let mut known: Vec<(f64, Vec<u64>, Bundle, f64)> = found
            .into_iter()
            .map(|(bundle, loss)| {
                let demand = (0..dims).map(|dim| {
                    let items = bundle.items.iter();
                    let of = items
                        .map(|(i, n)| search.demand[i * dims + dim].saturating_mul(u64::from(*n)));
                    of.fold(0, u64::saturating_add)
                });
                (Self::value(&bundle, values), demand.collect(), bundle, loss)
            })
            .collect();
        known.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then_with(|| a.1.cmp(&b.1))
                .then_with(|| a.2.cmp(&b.2))
        });
        let free = |b: &Bundle| b.items.iter().all(|(i, _)| search.limits[*i].is_empty());
        let mut kept: Vec<(Bundle, f64)> = Vec::new();
        // Devices and demand of those that may stand for others.
        let mut strong: Vec<(u32, Vec<u64>)> = Vec::new();
        for (_, demand, bundle, loss) in known {
            let beaten = strong.iter().any(|(devices, less)| {
                *devices == bundle.devices && less.iter().zip(&demand).all(|(a, b)| a <= b)
            });
            if beaten {
                continue;
            }
            if bundle.devices > 0 && free(&bundle) && Self::most(&bundle, left) >= self.devices {
                strong.push((bundle.devices, demand));
            }
            kept.push((bundle, loss));
        }
        kept
    }

    /// A search over bundles in place of shapes, with devices as an amount.
    fn search(&self, search: &Search, bundles: &[Bundle]) -> Search {
        let dims = search.dims;
        let mut inner = Search {
            ty: search.ty,
            stop: search.stop.clone(),
            shapes: Vec::new(),
            dims: dims + 1,
            capacity: search.capacity.clone(),
            demand: Vec::new(),
            requests: Vec::new(),
            devices: Vec::new(),
            limits: Vec::new(),
            room: search.room.clone(),
            parts: Vec::new(),
        };
        inner.capacity.push(u64::from(self.devices));
        for (at, bundle) in bundles.iter().enumerate() {
            inner.shapes.push(at);
            for dim in 0..dims {
                let items = bundle.items.iter();
                let demand =
                    items.map(|(i, n)| search.demand[i * dims + dim].saturating_mul(u64::from(*n)));
                inner.demand.push(demand.fold(0, u64::saturating_add));
            }
            inner.demand.push(u64::from(bundle.devices));
            inner.requests.push(None);
            let limits = bundle
                .items
                .iter()
                .flat_map(|(i, n)| (0..*n).flat_map(|_| search.limits[*i].iter().copied()));
            inner.limits.push(limits.collect());
            inner.parts.push(self.parts(search, bundle));
        }
        inner
    }
}

/// Walks over all bundles that gain enough.
struct Walk<'a> {
    /// Index of the shape, cells, gain.
    items: &'a [(usize, usize, f64)],
    still: &'a [f64],
    width: usize,
    /// What a bundle must gain.
    least: f64,
    most: usize,
    chosen: Vec<(usize, u32)>,
    found: Vec<(Vec<(usize, u32)>, f64)>,
}

impl Walk<'_> {
    fn from(&mut self, at: usize, free: usize, gain: f64) {
        if self.found.len() > self.most || gain + self.still[at * self.width + free] < self.least {
            return;
        }
        let Some((shape, cells, own)) = self.items.get(at).copied() else {
            if !self.chosen.is_empty() {
                self.found.push((self.chosen.clone(), gain));
            }
            return;
        };
        self.from(at + 1, free, gain);
        let (mut free, mut gain) = (free, gain);
        self.chosen.push((shape, 0));
        while cells <= free {
            free -= cells;
            gain += own;
            if let Some(last) = self.chosen.last_mut() {
                last.1 += 1;
            }
            self.from(at + 1, free, gain);
        }
        self.chosen.pop();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::model::Model;
    use super::super::problem::{Class, Device, DeviceRequest, Mask, NodeType, Offering, Problem};
    use super::super::room::{Group, Pricer, Room};
    use super::*;
    use crate::model::MicroUsdPerHour;

    /// A type with so many whole devices, and pods of shares, whole ones and none.
    pub(in super::super) fn problem(seed: u64, devices: usize) -> (Problem, Vec<f64>) {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let mut classes = Vec::new();
        let mut values = Vec::new();
        for at in 0..6u32 {
            let (count, milli) = match at {
                0 => (0, 0),
                1 => (1 + below(2) as u32, 1000),
                _ => (1, 100 * (1 + below(9)) as u32),
            };
            values.push(1.0 + below(90) as f64 / 10.0);
            classes.push(Class {
                id: format!("c{at}"),
                count: 3,
                demand: vec![1 + below(6), 1 + below(6)],
                devices: (count > 0).then_some(DeviceRequest {
                    count,
                    milli,
                    models: Mask::All,
                }),
                types: Mask::All,
                nodes: Mask::All,
                zones: Mask::All,
                dislikes: Vec::new(),
            });
        }
        let problem = Problem {
            dims: vec!["cpu".to_owned(), "memory".to_owned()],
            zones: Vec::new(),
            models: vec!["gpu".to_owned()],
            types: vec![NodeType {
                id: "t".to_owned(),
                capacity: vec![10, 12],
                devices: vec![
                    Device {
                        model: 0,
                        milli: 1000
                    };
                    devices
                ],
                offerings: vec![Offering {
                    zone: None,
                    price: Some(MicroUsdPerHour(10)),
                    available: None,
                }],
            }],
            nodes: Vec::new(),
            rules: Vec::new(),
            classes,
            purchase_limits: Vec::new(),
        };
        (problem, values)
    }

    /// What a type holds of a problem's classes, with their values by shape.
    pub(in super::super) fn search(
        problem: &Problem,
        by_class: &[f64],
    ) -> (Search, Pricer, Vec<f64>) {
        let model = Model::new(problem);
        let shapes: Vec<usize> = (0..model.shapes.len())
            .filter(|s| model.types[0].fits[*s] > 0)
            .collect();
        let values: Vec<f64> = shapes
            .iter()
            .map(|s| by_class[model.kinds[model.shapes[*s].kinds[0]].classes[0].0])
            .collect();
        let groups: Vec<Group> = shapes
            .iter()
            .map(|s| Group {
                demand: model.shapes[*s].demand.clone(),
                shapes: vec![*s],
                count: 9.0,
            })
            .collect();
        let pricer = Pricer::new(&model, &groups, Room::of(&model.types[0]));
        let parts = pricer.knapsack.columns();
        (Search::new(&model, 0, shapes, parts), pricer, values)
    }

    /// The most valuable filling, by trying where each item goes; two amounts,
    /// then each device.
    pub(in super::super) fn brute(
        search: &Search,
        values: &[f64],
        from: usize,
        free: &mut Vec<u64>,
    ) -> f64 {
        let mut best: f64 = 0.0;
        for i in from..search.shapes.len() {
            let demand = &search.demand[i * 2..i * 2 + 2];
            if demand.iter().zip(free.iter()).any(|(d, f)| d > f) {
                continue;
            }
            let (count, milli) = search.requests[i]
                .as_ref()
                .map_or((0, 0), |r| (r.count as usize, u64::from(r.milli)));
            // Of equal devices it does not matter which.
            let mut tried: Vec<u64> = Vec::new();
            for start in 2..free.len().max(3) {
                let good = (start..free.len()).filter(|d| free[*d] >= milli);
                let choice: Vec<usize> = good.take(count).collect();
                let first = choice.first().map_or(0, |d| free[*d]);
                if choice.len() < count || tried.contains(&first) {
                    continue;
                }
                tried.push(first);
                free[0] -= demand[0];
                free[1] -= demand[1];
                choice.iter().for_each(|d| free[*d] -= milli);
                best = best.max(values[i] + brute(search, values, i, free));
                choice.iter().for_each(|d| free[*d] += milli);
                free[0] += demand[0];
                free[1] += demand[1];
            }
        }
        best
    }

    #[test]
    fn bundles_bound_and_find_what_trying_everything_finds() {
        let mut found = 0;
        let mut in_tables = 0;
        for seed in 1..=300 {
            // None at all on some: other types of the problem may have devices.
            let devices = seed as usize % 3;
            let (problem, by_class) = problem(seed, devices);
            let (search, pricer, values) = search(&problem, &by_class);
            let mut bundler = Bundler::new(&search, &pricer.rows).unwrap();
            let mut free = vec![10, 12];
            free.resize(2 + devices, 1000);
            let best = brute(&search, &values, 0, &mut free);
            let relaxed = bundler.relax(&search, &values);
            assert!(relaxed.value >= best - 1e-6, "seed {seed}");
            let tabled = bundler.tabled(&search, &relaxed, &values, best * 0.5, 6);
            let tabled = tabled.unwrap();
            assert!(tabled.upper >= best - 1e-6, "seed {seed}: {tabled:?}");
            assert!(tabled.value <= best + 1e-6, "seed {seed}: {tabled:?}");
            in_tables += usize::from((tabled.value - best).abs() < 1e-6);
            let left = vec![20; values.len()];
            for labels in [0, 2_000] {
                let effort = Bundling {
                    bundles: 1_000,
                    labels,
                    budget: u64::MAX,
                };
                let target = best * 0.5;
                let priced = bundler.priced(&search, &relaxed, &values, &left, target, effort);
                assert!(priced.upper >= best - 1e-6, "seed {seed}: {priced:?}");
                assert!(priced.value <= best + 1e-6, "seed {seed}: {priced:?}");
                if labels > 0 {
                    assert!(
                        priced.upper <= best * (1.0 + 1e-6),
                        "seed {seed}: {priced:?}"
                    );
                }
                found += usize::from((priced.value - best).abs() < 1e-6);
            }
        }
        // All by labels, and most by tables.
        assert!(found >= 500, "{found}");
        assert!(in_tables >= 200, "{in_tables}");
    }
}
