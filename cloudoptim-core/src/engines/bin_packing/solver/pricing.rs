//! The most valuable filling of one node type: a bounded depth-first search.

use super::model::Model;
use super::problem::DeviceRequest;
use super::stop::Stop;
use super::sums;
use std::ops::Range;

/// Fillings of one type by shapes.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) ty: usize,
    /// Shapes that may be chosen.
    pub(super) shapes: Vec<usize>,
    pub(super) dims: usize,
    pub(super) capacity: Vec<u64>,
    /// Demands of `shapes`, one after the other.
    pub(super) demand: Vec<u64>,
    pub(super) requests: Vec<Option<DeviceRequest>>,
    /// Model and thousandths of each device.
    pub(super) devices: Vec<(usize, u32)>,
    /// Self-limits each of `shapes` is under.
    pub(super) limits: Vec<Vec<usize>>,
    pub(super) room: Vec<u32>,
    /// Parts that one item of each of `shapes` takes of the rows of a
    /// fractional knapsack; they add up to at most 1 in any filling.
    pub(super) parts: Vec<Vec<f64>>,
    pub(super) stop: Stop,
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) value: f64,
    /// Shape and count, in the order in which devices were given out.
    pub(super) counts: Vec<(usize, u32)>,
    /// Nothing is worth more (as far as floating point tells).
    pub(super) complete: bool,
    pub(super) nodes: u64,
}

impl Search {
    /// `parts` are those of the type's fractional knapsack, by `shapes`.
    pub(super) fn new(model: &Model, ty: usize, shapes: Vec<usize>, parts: Vec<Vec<f64>>) -> Self {
        let t = &model.types[ty];
        Self {
            ty,
            dims: model.dims,
            capacity: t.capacity.clone(),
            demand: shapes
                .iter()
                .flat_map(|s| model.shapes[*s].demand.iter().copied())
                .collect(),
            requests: shapes
                .iter()
                .map(|s| model.shapes[*s].devices.clone())
                .collect(),
            devices: t.devices.clone(),
            limits: shapes
                .iter()
                .map(|s| model.shapes[*s].limits.clone())
                .collect(),
            room: model.self_limits.iter().map(|l| l.max).collect(),
            shapes,
            parts,
            stop: model.stop.clone(),
        }
    }

    /// The best filling worth more than `floor`, with at most `left` items of
    /// each shape (by `shapes`), at `values` (likewise). `duals` carry the
    /// values: those of the fractional knapsack.
    pub(super) fn best(
        &self,
        values: &[f64],
        left: &[u32],
        duals: &[f64],
        floor: f64,
        node_limit: u64,
    ) -> Found {
        // Density: value by what the duals carry. At the optimum it is at
        // most 1, and those that matter have 1.
        let mut order: Vec<(f64, f64, usize)> = (0..self.shapes.len())
            .filter(|i| values[*i] > 0.0 && left[*i] > 0)
            .map(|i| {
                let carried = sums::dot(&self.parts[i], duals);
                (values[i] / carried.max(1e-300), carried, i)
            })
            .collect();
        order.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then(b.1.total_cmp(&a.1))
                .then(a.2.cmp(&b.2))
        });
        let mut state = State {
            search: self,
            values,
            left,
            free: self.capacity.clone(),
            rows: vec![1.0; duals.len()],
            devices: self.devices.clone(),
            room: self.room.clone(),
            chosen: Vec::new(),
            best: Found {
                value: floor,
                ..Found::default()
            },
            nodes: node_limit,
            open: Vec::with_capacity(8 * order.len()),
            usable: vec![0.0; duals.len()],
        };
        let candidates = order.into_iter().map(|(_, carried, index)| Candidate {
            index,
            carried,
            most: 0,
        });
        state.open.extend(candidates);
        state.descend(0..state.open.len(), 0.0, duals);
        let mut best = state.best;
        best.complete = state.nodes > 0;
        best.nodes = node_limit - state.nodes;
        for (i, _) in &mut best.counts {
            *i = self.shapes[*i];
        }
        best
    }
}

/// A shape that may still be added, densest first.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    index: usize,
    /// What the duals carry of one item.
    carried: f64,
    /// How many more fit.
    most: u32,
}

struct State<'a> {
    search: &'a Search,
    values: &'a [f64],
    left: &'a [u32],
    free: Vec<u64>,
    /// What is free of each row of the knapsack.
    rows: Vec<f64>,
    devices: Vec<(usize, u32)>,
    room: Vec<u32>,
    chosen: Vec<(usize, u32)>,
    best: Found,
    nodes: u64,
    /// Candidates of each level of the descent, one level after the other.
    open: Vec<Candidate>,
    /// What all that may be added could take of each row.
    usable: Vec<f64>,
}

impl State<'_> {
    /// `candidates` are a range of [`State::open`], which is left as it was.
    fn descend(&mut self, candidates: Range<usize>, value: f64, duals: &[f64]) {
        if value > self.best.value * (1.0 + 1e-12) {
            self.best.value = value;
            self.best.counts.clone_from(&self.chosen);
        }
        if self.nodes == 0 {
            return;
        }
        self.nodes -= 1;
        let start = self.open.len();
        for at in candidates {
            let candidate = self.open[at];
            let most = self.fit(candidate.index);
            if most > 0 {
                self.open.push(Candidate { most, ..candidate });
            }
        }
        let own = start..self.open.len();
        let enough = self.best.value * (1.0 + 1e-9) - value;
        if !own.is_empty() && self.at_most(own.clone(), duals) > enough {
            self.choose(own, value, duals);
        }
        self.open.truncate(start);
    }

    /// Any number of the first of `open`, then the others.
    fn choose(&mut self, open: Range<usize>, value: f64, duals: &[f64]) {
        let first = self.open[open.start];
        let rest = open.start + 1..open.end;
        let i = first.index;
        for count in (0..=first.most).rev() {
            if self.nodes == 0 {
                return;
            }
            if count == 0 {
                self.descend(rest.clone(), value, duals);
                continue;
            }
            let Some(devices) = self.take(i, count) else {
                continue;
            };
            self.chosen.push((i, count));
            let inner = value + self.values[i] * f64::from(count);
            self.descend(rest.clone(), inner, duals);
            self.chosen.pop();
            self.give(i, count, devices);
        }
    }

    /// No choice of `open` is worth more: what the duals carry of the room
    /// that is free and of use, filled with the densest, at most as many of
    /// each as fit. `open` must be in the order of density.
    fn at_most(&mut self, open: Range<usize>, duals: &[f64]) -> f64 {
        let open = &self.open[open];
        let usable = &mut self.usable;
        usable.fill(0.0);
        for c in open {
            let parts = &self.search.parts[c.index];
            sums::take_times(usable, -f64::from(c.most), parts);
        }
        let mut rest = 0.0;
        for (row, y) in duals.iter().enumerate() {
            rest += y * self.rows[row].min(usable[row]).max(0.0);
        }
        let mut bound = 0.0;
        for c in open {
            let n = f64::from(c.most);
            let taken = (c.carried * n).min(rest);
            bound += self.values[c.index]
                * if c.carried > 0.0 {
                    taken / c.carried
                } else {
                    n
                };
            rest -= taken;
            if rest <= 0.0 {
                break;
            }
        }
        bound
    }

    fn fit(&self, i: usize) -> u32 {
        let d = self.search.dims;
        let mut most = u64::from(self.left[i]);
        let demand = &self.search.demand[i * d..(i + 1) * d];
        most = sums::room(demand, &self.free, most);
        if most == 0 {
            return 0;
        }
        for limit in &self.search.limits[i] {
            most = most.min(u64::from(self.room[*limit]));
        }
        if let Some(request) = &self.search.requests[i] {
            let slots: u64 = self
                .devices
                .iter()
                .filter(|(model, _)| request.models.contains(*model))
                .map(|(_, free)| u64::from(free / request.milli))
                .sum();
            most = most.min(slots / u64::from(request.count));
        }
        most as u32
    }

    /// Takes room for `count` items; returns the devices as they were before,
    /// or nothing (and changes nothing) when devices do not suffice.
    fn take(&mut self, i: usize, count: u32) -> Option<Option<Vec<(usize, u32)>>> {
        let mut before = None;
        if let Some(request) = &self.search.requests[i] {
            let kept = self.devices.clone();
            for _ in 0..count {
                if !serve(&mut self.devices, request) {
                    self.devices = kept;
                    return None;
                }
            }
            before = Some(kept);
        }
        let d = self.search.dims;
        let demand = &self.search.demand[i * d..(i + 1) * d];
        sums::take(&mut self.free, demand, u64::from(count));
        sums::take_times(&mut self.rows, f64::from(count), &self.search.parts[i]);
        for limit in &self.search.limits[i] {
            self.room[*limit] -= count;
        }
        Some(before)
    }

    fn give(&mut self, i: usize, count: u32, devices: Option<Vec<(usize, u32)>>) {
        let d = self.search.dims;
        let demand = &self.search.demand[i * d..(i + 1) * d];
        sums::give(&mut self.free, demand, u64::from(count));
        sums::take_times(&mut self.rows, -f64::from(count), &self.search.parts[i]);
        for limit in &self.search.limits[i] {
            self.room[*limit] += count;
        }
        if let Some(devices) = devices {
            self.devices = devices;
        }
    }
}

/// Takes one item's devices, the fullest that still serve it first.
fn serve(devices: &mut [(usize, u32)], request: &DeviceRequest) -> bool {
    let mut chosen = 0u64;
    for _ in 0..request.count {
        let best = devices
            .iter()
            .enumerate()
            .filter(|(i, (model, free))| {
                (chosen >> i) & 1 == 0 && *free >= request.milli && request.models.contains(*model)
            })
            .min_by_key(|(i, (_, free))| (*free, *i));
        let Some((i, _)) = best else { return false };
        chosen |= 1 << i;
    }
    for (i, device) in devices.iter_mut().enumerate() {
        if (chosen >> i) & 1 == 1 {
            device.1 -= request.milli;
        }
    }
    true
}
