//! The most that a node with equal devices can hold, from lists of what one
//! device and then ever more of them can hold.
//!
//! Prices of the two amounts that may run out, and of a device, bound what a node
//! is worth (a linear programme over what may share a device, by simplex). What a
//! device holds loses something against its price; together a node that is worth
//! more than it costs loses less than the bound is above the cost. A list is kept
//! of what the devices that lose least can hold, up to their share of that; what
//! takes more and is worth less than another goes.

use super::exact::{Budget, Most, gcd};
use super::relax::duals;
use super::{Item, Room};

/// Rounds of the programme, and cells of a device at most.
const ROUNDS: usize = 200;
const CELLS: usize = 1_000;

/// Floating point may be wrong by less than this, relative.
const SLACK: f64 = 1e-7;

/// What some devices can hold.
#[derive(Debug, Clone, Copy)]
struct Part {
    takes: [u64; 2],
    value: u64,
    loss: f64,
}

const EMPTY: Part = Part {
    takes: [0, 0],
    value: 0,
    loss: 0.0,
};

/// An item, with the cells of one device, or the number of whole devices.
struct Piece<'a> {
    item: &'a Item,
    cells: usize,
    whole: u64,
}

struct Lists<'a> {
    room: &'a Room,
    pieces: Vec<Piece<'a>>,
    devices: u64,
    cells: usize,
    /// The amounts that may run out, with what all of each costs.
    dims: Vec<usize>,
    prices: Vec<f64>,
    /// What a device costs.
    device: f64,
    steps: u64,
}

/// `None` where devices are unequal or shared by halves, where there are limits,
/// and where it would take too long.
pub(super) fn most(room: &Room, budget: &mut Budget) -> Option<Most> {
    let mut lists = Lists::new(room)?;
    lists.set_prices()?;
    let bound: f64 = lists.prices.iter().sum::<f64>() + lists.device * lists.devices as f64;
    let slack = bound * (1.0 + SLACK) - room.price as f64;
    lists.steps = budget.left();
    let best = if slack > 0.0 { lists.best(slack)? } else { 0 };
    budget.spend_to(lists.steps);
    let unlimited = lists.pieces.iter().all(|p| p.item.count >= lists.fit(p));
    Some(Most {
        value: u128::from(best).max(room.price),
        exact: unlimited && lists.dims.len() == lists.binding().len(),
    })
}

impl<'a> Lists<'a> {
    fn new(room: &'a Room) -> Option<Self> {
        let devices = &room.of.devices;
        let milli = devices.first().map_or(0, |d| u64::from(d.milli));
        if devices.iter().any(|d| u64::from(d.milli) != milli) {
            return None;
        }
        let items = || room.items.iter().filter(|i| i.value > 0);
        if items().any(|i| !i.limits.is_empty()) {
            return None;
        }
        let shares = items().filter_map(|i| i.devices);
        let step = shares.fold(milli, |g, (_, m)| gcd(g, u64::from(m))).max(1);
        let cells = usize::try_from(milli / step).ok().filter(|c| *c <= CELLS)?;
        let pieces = items().map(|item| {
            let (count, asked) = item.devices.unwrap_or((0, 0));
            let (count, asked) = (u64::from(count), u64::from(asked));
            if count > 1 && asked != milli {
                return None;
            }
            let whole = if asked == milli { count } else { 0 };
            let shared = if whole == 0 && count == 1 {
                asked / step
            } else {
                0
            };
            Some(Piece {
                item,
                cells: shared as usize,
                whole,
            })
        });
        let mut lists = Self {
            room,
            pieces: pieces.collect::<Option<_>>()?,
            devices: devices.len() as u64,
            cells,
            dims: Vec::new(),
            prices: Vec::new(),
            device: 0.0,
            steps: 0,
        };
        lists.dims = lists.binding();
        Some(lists)
    }

    /// Amounts that may run out before another one does.
    fn binding(&self) -> Vec<usize> {
        let capacity = &self.room.of.capacity;
        let ask = |dim: usize| self.pieces.iter().map(move |p| p.item.demand[dim]);
        let at_most = |dim: usize| {
            ask(dim)
                .min()
                .and_then(|least| capacity[dim].checked_div(least))
        };
        let items = (0..capacity.len()).filter_map(at_most).min();
        let free = |dim: &usize| {
            let largest = ask(*dim).max().unwrap_or(0);
            items.is_some_and(|n| n.saturating_mul(largest) <= capacity[*dim])
        };
        let dims = (0..capacity.len()).filter(|dim| ask(*dim).any(|d| d > 0));
        dims.filter(|dim| !free(dim)).collect()
    }

    /// How many of a piece an empty node holds.
    fn fit(&self, piece: &Piece<'_>) -> u64 {
        let dims = piece.item.demand.iter().zip(&self.room.of.capacity);
        let dims = dims.filter_map(|(d, has)| has.checked_div(*d)).min();
        let shared = self.cells.checked_div(piece.cells);
        let shared = shared.map(|n| self.devices.saturating_mul(n as u64));
        let whole = self.devices.checked_div(piece.whole);
        let all = [dims, shared, whole];
        all.into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    fn takes(&self, item: &Item) -> [u64; 2] {
        let mut takes = [0; 2];
        for (take, dim) in takes.iter_mut().zip(&self.dims) {
            *take = item.demand[*dim];
        }
        takes
    }

    fn fits(&self, takes: [u64; 2]) -> bool {
        let has = self.dims.iter().map(|dim| self.room.of.capacity[*dim]);
        takes.iter().zip(has).all(|(take, has)| *take <= has)
    }

    /// What an item is worth beyond what it takes of the amounts.
    fn gain(&self, item: &Item) -> f64 {
        let paid = self.dims.iter().zip(&self.prices).map(|(dim, price)| {
            price * item.demand[*dim] as f64 / self.room.of.capacity[*dim] as f64
        });
        item.value as f64 - paid.sum::<f64>()
    }

    /// Gains by cells of one device: the most that pieces from each one on can
    /// still bring.
    fn still(&self, shared: &[&Piece<'_>]) -> Vec<Vec<f64>> {
        let mut still = vec![vec![0.0f64; self.cells + 1]; shared.len() + 1];
        for (at, piece) in shared.iter().enumerate().rev() {
            let gain = self.gain(piece.item);
            for free in 0..=self.cells {
                let mut best = still[at + 1][free];
                if let Some(rest) = free.checked_sub(piece.cells) {
                    best = best.max(still[at][rest] + gain);
                }
                still[at][free] = best;
            }
        }
        still
    }

    /// Prices at which no device is worth more than it costs: a programme over
    /// what shares a device, of which more is added while something is.
    fn set_prices(&mut self) -> Option<()> {
        if self.dims.len() > 2 {
            // The two that carry most, as far as the plain relaxation tells.
            let shares = super::relax::shares(self.room);
            let carried = |dim: usize| -> u64 {
                let of = shares.iter().filter(|s| {
                    s.of == cloudoptim_core::engines::bin_packing::solver::ShareOf::Dim(dim)
                });
                of.map(|s| s.amount).sum()
            };
            self.dims
                .sort_by_key(|dim| std::cmp::Reverse(carried(*dim)));
            self.dims.truncate(2);
        }
        let whole = |n: u64| n as f64 / (self.devices as f64).max(1.0);
        let part = |item: &Item, dim: usize| {
            item.demand[dim] as f64 / self.room.of.capacity[dim].max(1) as f64
        };
        let shared: Vec<&Piece<'_>> = self.pieces.iter().filter(|p| p.cells > 0).collect();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut values: Vec<f64> = Vec::new();
        for piece in &self.pieces {
            let devices = if piece.cells > 0 { 1 } else { piece.whole };
            let dims = self.dims.iter().map(|dim| part(piece.item, *dim));
            columns.push(dims.chain([whole(devices)]).collect());
            values.push(piece.item.value as f64);
        }
        let rows = self.dims.len() + 1;
        let mut found = Vec::new();
        for _ in 0..ROUNDS {
            let parts: Vec<Vec<f64>> = (0..rows)
                .map(|row| columns.iter().map(|c| c[row]).collect())
                .collect();
            found = duals(&parts, &values);
            let device = found[rows - 1] / (self.devices as f64).max(1.0);
            let paid = |item: &Item| -> f64 {
                let dims = self.dims.iter().zip(&found);
                dims.map(|(dim, price)| price * part(item, *dim)).sum()
            };
            let gains: Vec<f64> = shared
                .iter()
                .map(|p| p.item.value as f64 - paid(p.item))
                .collect();
            let (best, counts) = self.best_device(&shared, &gains);
            if best <= device * (1.0 + SLACK / 10.0) + 1.0 {
                break;
            }
            let mut column = vec![0.0; rows];
            column[rows - 1] = whole(1);
            let mut value = 0.0;
            for (piece, n) in shared.iter().zip(&counts) {
                for (sum, dim) in column.iter_mut().zip(&self.dims) {
                    *sum += part(piece.item, *dim) * *n as f64;
                }
                value += piece.item.value as f64 * *n as f64;
            }
            columns.push(column);
            values.push(value);
        }
        let device = found.pop()? / (self.devices as f64).max(1.0);
        self.prices = found;
        // Whatever the programme left open is made up for.
        let gains: Vec<f64> = shared.iter().map(|p| self.gain(p.item)).collect();
        let (best, _) = self.best_device(&shared, &gains);
        let mut device = device.max(best);
        for piece in self.pieces.iter().filter(|p| p.whole > 0) {
            device = device.max(self.gain(piece.item) / piece.whole as f64);
        }
        self.device = device;
        let over = self.pieces.iter().filter(|p| p.whole == 0 && p.cells == 0);
        let over = over.map(|p| self.gain(p.item) / p.item.value.max(1) as f64);
        (over.fold(0.0, f64::max) <= SLACK / 10.0).then_some(())
    }

    /// The most that shares of one device gain, and how many of each.
    fn best_device(&self, shared: &[&Piece<'_>], gains: &[f64]) -> (f64, Vec<u64>) {
        let mut best = vec![(0.0f64, usize::MAX); self.cells + 1];
        for free in 1..=self.cells {
            best[free] = (best[free - 1].0, usize::MAX);
            for (at, (piece, gain)) in shared.iter().zip(gains).enumerate() {
                if let Some(rest) = free.checked_sub(piece.cells)
                    && best[rest].0 + gain > best[free].0
                {
                    best[free] = (best[rest].0 + gain, at);
                }
            }
        }
        let mut counts = vec![0; shared.len()];
        let mut free = self.cells;
        while free > 0 {
            match best[free].1 {
                usize::MAX => free -= 1,
                at => {
                    counts[at] += 1;
                    free -= shared[at].cells;
                }
            }
        }
        (best[self.cells].0, counts)
    }

    /// The most value of a node that loses no more than `slack`; less than the
    /// price when there is none.
    fn best(&mut self, slack: f64) -> Option<u64> {
        let one = self.one_device(slack)?;
        // Whole devices of items that take several, by how many.
        let mut several: Vec<Vec<Part>> = vec![Vec::new(); self.devices as usize + 1];
        several[0].push(EMPTY);
        let wholes: Vec<(usize, Part)> = self
            .pieces
            .iter()
            .filter(|p| p.whole > 1 && p.whole <= self.devices)
            .map(|p| (p.whole as usize, self.part(p)))
            .collect();
        for (devices, part) in wholes {
            for to in devices..several.len() {
                let more = self.add(&several[to - devices], &[part], slack)?;
                several[to].extend(more);
            }
        }
        for list in &mut several {
            *list = undominated(std::mem::take(list));
        }
        let mut plain = vec![EMPTY];
        let items: Vec<Part> = self
            .pieces
            .iter()
            .filter(|p| p.whole == 0 && p.cells == 0)
            .map(|p| self.part(p))
            .collect();
        if items.iter().any(|item| item.takes == [0, 0]) {
            return None; // there is no end to what takes nothing
        }
        for item in &items {
            let mut last = plain.clone();
            while !last.is_empty() {
                last = self.add(&last, std::slice::from_ref(item), slack)?;
                plain.extend_from_slice(&last);
            }
            plain = undominated(plain);
        }
        let mut best = 0;
        let mut some = vec![EMPTY];
        for devices in 0..=self.devices {
            if devices > 0 {
                // The devices that lose least, of all those beside some several.
                let share = |(left, list): (u64, &Vec<Part>)| {
                    let loss = list.iter().map(|p| p.loss).fold(f64::INFINITY, f64::min);
                    (left >= devices && !list.is_empty())
                        .then(|| (slack - loss) * devices as f64 / left as f64)
                };
                let left = (0..=self.devices).rev();
                let cap = left.zip(&several).filter_map(share).fold(0.0, f64::max);
                let more = self.add(&some, &one, cap)?;
                some = undominated(more);
            }
            let beside = &several[(self.devices - devices) as usize];
            let nodes = self.add(&some, beside, slack)?;
            let nodes = undominated(nodes);
            best = best.max(self.most(&nodes, &plain, slack)?);
        }
        Some(best)
    }

    fn part(&self, piece: &Piece<'_>) -> Part {
        let loss = self.device * piece.whole as f64 - self.gain(piece.item);
        Part {
            takes: self.takes(piece.item),
            value: piece.item.value,
            loss: loss.max(0.0),
        }
    }

    /// What a device can hold: nothing, a whole item, or shares.
    fn one_device(&mut self, slack: f64) -> Option<Vec<Part>> {
        let shared: Vec<&Piece<'_>> = self.pieces.iter().filter(|p| p.cells > 0).collect();
        let still = self.still(&shared);
        let least = self.device - slack;
        // By free cells, what is taken so far and its gain (in place of a loss).
        let mut by_free: Vec<Vec<Part>> = vec![Vec::new(); self.cells + 1];
        by_free[self.cells].push(EMPTY);
        for (at, piece) in shared.iter().enumerate() {
            let (takes, gain) = (self.takes(piece.item), self.gain(piece.item));
            for free in (piece.cells..=self.cells).rev() {
                let to = free - piece.cells;
                let mut more = Vec::new();
                for part in &by_free[free] {
                    let with = Part {
                        takes: [part.takes[0] + takes[0], part.takes[1] + takes[1]],
                        value: part.value + piece.item.value,
                        loss: part.loss + gain,
                    };
                    if with.loss + still[at][to] >= least && self.fits(with.takes) {
                        more.push(with);
                    }
                }
                self.steps = self.steps.checked_sub(by_free[free].len() as u64)?;
                by_free[to].extend(more);
            }
            for (free, list) in by_free.iter_mut().enumerate() {
                list.retain(|part| part.loss + still[at + 1][free] >= least);
                *list = undominated(std::mem::take(list));
            }
        }
        let device = self.device;
        let shares = by_free.into_iter().flatten().map(|part| Part {
            loss: (device - part.loss).max(0.0),
            ..part
        });
        let wholes = self.pieces.iter().filter(|p| p.whole == 1);
        let wholes = wholes.map(|p| self.part(p));
        let all: Vec<Part> = shares.chain(wholes).filter(|p| p.loss <= slack).collect();
        Some(undominated(all))
    }

    /// Pairs that fit and lose little enough.
    fn add(&mut self, first: &[Part], second: &[Part], slack: f64) -> Option<Vec<Part>> {
        let mut second = second.to_vec();
        second.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        let mut out = Vec::new();
        for a in first {
            for b in &second {
                if a.loss + b.loss > slack {
                    break;
                }
                self.steps = self.steps.checked_sub(1)?;
                let takes = [a.takes[0] + b.takes[0], a.takes[1] + b.takes[1]];
                if self.fits(takes) {
                    out.push(Part {
                        takes,
                        value: a.value + b.value,
                        loss: a.loss + b.loss,
                    });
                }
            }
        }
        Some(out)
    }

    /// The most that a pair is worth.
    fn most(&mut self, first: &[Part], second: &[Part], slack: f64) -> Option<u64> {
        let mut best = 0;
        for a in first {
            // By value: the first that fits is the best.
            for b in second {
                if a.value + b.value <= best {
                    break;
                }
                self.steps = self.steps.checked_sub(1)?;
                let takes = [a.takes[0] + b.takes[0], a.takes[1] + b.takes[1]];
                if self.fits(takes) && a.loss + b.loss <= slack {
                    best = a.value + b.value;
                }
            }
        }
        Some(best)
    }
}

/// Drops what takes no less than another and is worth no more; by value.
fn undominated(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by(|a, b| b.value.cmp(&a.value).then(a.takes.cmp(&b.takes)));
    // What was kept, by the first amount: of the second ever less.
    let mut kept: std::collections::BTreeMap<u64, u64> = std::collections::BTreeMap::new();
    parts.retain(|part| {
        let [x, y] = part.takes;
        if kept
            .range(..=x)
            .next_back()
            .is_some_and(|(_, least)| *least <= y)
        {
            return false;
        }
        let beaten: Vec<u64> = kept
            .range(x..)
            .take_while(|(_, least)| **least >= y)
            .map(|(at, _)| *at)
            .collect();
        for at in beaten {
            kept.remove(&at);
        }
        kept.insert(x, y);
        true
    });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Random;
    use cloudoptim_core::engines::bin_packing::solver::{
        Class, Device, DeviceRequest, Mask, NodeType, Offering, Problem,
    };
    use cloudoptim_core::model::MicroUsdPerHour;

    /// A type with so many whole devices, and six classes.
    fn drawn(seed: u64, devices: usize) -> (Problem, Vec<u64>) {
        let mut random = Random::new(seed);
        let mut below = |n: usize| random.below(n) as u64;
        let classes = (0..6).map(|c| {
            let (count, milli) = match c {
                0 => (0, 0),
                1 => (1 + below(3) as u32, 1000),
                _ => (1, 100 * (1 + below(9)) as u32),
            };
            Class {
                id: c.to_string(),
                count: 60,
                demand: vec![1 + below(6), below(6), 1],
                devices: (count > 0).then_some(DeviceRequest {
                    count,
                    milli,
                    models: Mask::All,
                }),
                ..Class::default()
            }
        });
        let classes = classes.collect();
        let values = (0..6).map(|_| (1 + below(40)) << 20).collect();
        let device = Device {
            model: 0,
            milli: 1000,
        };
        let problem = Problem {
            dims: ["a", "b", "c"].map(str::to_owned).to_vec(),
            models: vec!["gpu".to_owned()],
            types: vec![NodeType {
                id: "t".to_owned(),
                capacity: vec![8 + below(5), 8 + below(5), 30],
                devices: vec![device; devices],
                offerings: vec![Offering {
                    price: Some(MicroUsdPerHour(1)),
                    ..Offering::default()
                }],
            }],
            classes,
            ..Problem::default()
        };
        (problem, values)
    }

    /// The most that fits, by trying everything; amounts, then each device.
    fn brute(room: &Room, from: usize, free: &mut Vec<u64>) -> u64 {
        let mut best = 0;
        for (at, item) in room.items.iter().enumerate().skip(from) {
            if item.demand.iter().zip(free.iter()).any(|(d, f)| d > f) {
                continue;
            }
            let (count, milli) = item.devices.unwrap_or((0, 0));
            let devices: Vec<usize> = (item.demand.len()..free.len())
                .filter(|d| free[*d] >= u64::from(milli))
                .collect();
            // Any one that serves, or as many whole ones as are asked for.
            let choices: Vec<Vec<usize>> = match count {
                0 => vec![Vec::new()],
                1 => devices.iter().map(|d| vec![*d]).collect(),
                n => Vec::from_iter(devices.get(..n as usize).map(<[usize]>::to_vec)),
            };
            for choice in choices {
                let before = free.clone();
                for (f, d) in free.iter_mut().zip(&item.demand) {
                    *f -= d;
                }
                choice.iter().for_each(|d| free[*d] -= u64::from(milli));
                best = best.max(item.value + brute(room, at, free));
                *free = before;
            }
        }
        best
    }

    #[test]
    fn lists_hold_what_trying_everything_finds() {
        let mut exact = 0;
        for seed in 1..=240 {
            let devices = seed as usize % 4;
            let (problem, values) = drawn(seed, devices);
            let room = Room::new(&problem, 0, &values, &[]).unwrap();
            let mut free = room.of.capacity.clone();
            free.resize(3 + devices, 1000);
            let fits = u128::from(brute(&room, 0, &mut free)).max(room.price);
            // What takes too long is left to others.
            let Some(found) = most(&room, &mut Budget::default()) else {
                continue;
            };
            assert!(found.value >= fits, "seed {seed}: {found:?}, fits {fits}");
            if found.exact {
                exact += 1;
                assert_eq!(found.value, fits, "seed {seed}");
            }
        }
        assert!(exact > 120, "{exact} were exact");
    }
}
