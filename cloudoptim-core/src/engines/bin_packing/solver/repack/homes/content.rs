//! What a kept node holds best, on two resources.

use super::{Homes, UNIT};

/// Ways in which items at home may leave that are looked at for each node; nodes
/// with more are judged as if all left and each saved its move.
const WAYS: u64 = 1 << 12;

/// Such ways over all nodes at once, at the most.
const WAYS_AT_ONCE: u64 = 1 << 22;

/// The most that all items of a node may be worth.
pub(super) const MOST: f64 = (1u64 << 51) as f64;

/// A node that may go.
pub(super) struct Node {
    /// Its index in the fleet.
    pub(super) index: usize,
    pub(super) look: usize,
    pub(super) table: usize,
    pub(super) room: (usize, usize),
    pub(super) price: f64,
    pub(super) items: u32,
    /// Groups and counts at home.
    pub(super) home: Vec<(usize, u32)>,
    /// The row it shares.
    pub(super) part: usize,
}

/// What can come to so much room at the most, for those that accept the same.
pub(super) struct Table {
    pub(super) accepts: Vec<bool>,
    pub(super) best: Vec<f64>,
}

/// What a node holds best.
#[derive(Default)]
pub(super) struct Content {
    pub(super) value: f64,
    /// By home entry, how many stay.
    pub(super) stay: Vec<u32>,
    /// The room for what comes.
    pub(super) rest: (usize, usize),
    /// All at home leave and save their moves all the same.
    pub(super) crude: bool,
    /// Ways looked at.
    pub(super) ways: u64,
}

impl Homes {
    /// Whole numbers of values in micro-dollars; those of items that take nothing
    /// are left out, since there is no end to how many of them a node holds.
    pub(super) fn whole(&self, values: &[f64]) -> Vec<f64> {
        let most = MOST / (self.width + self.height) as f64;
        let of = |(v, cells): (&f64, &(usize, usize))| {
            if *cells == (0, 0) {
                return 0.0;
            }
            (v * UNIT).round().clamp(0.0, most)
        };
        values.iter().zip(&self.cells).map(of).collect()
    }

    /// The best that can come to so much room, for all rooms.
    pub(super) fn fill(&mut self, values: &[f64]) {
        let (width, height) = (self.width, self.height);
        for table in &mut self.tables {
            let groups: Vec<((usize, usize), f64)> = (self.cells.iter().zip(values))
                .zip(&table.accepts)
                .filter(|((_, v), accepts)| **accepts && **v > 0.0)
                .map(|((cells, v), _)| (*cells, *v))
                .collect();
            let flat: Vec<(usize, f64)> = (groups.iter())
                .filter(|((x, _), _)| *x == 0)
                .map(|((_, y), v)| (*y, *v))
                .collect();
            self.work += (width * height * (groups.len() + 1)) as u64 / 64;
            for a in 0..width {
                let (before, rest) = table.best.split_at_mut(a * height);
                let Some(row) = rest.get_mut(..height) else {
                    return;
                };
                match before.len().checked_sub(height) {
                    Some(last) => row.copy_from_slice(&before[last..]),
                    None => row.fill(0.0),
                }
                for ((x, y), value) in groups.iter().filter(|((x, _), _)| 0 < *x && *x <= a) {
                    let Some(from) = before.get((a - x) * height..(a - x + 1) * height) else {
                        continue;
                    };
                    for (best, from) in row.iter_mut().skip(*y).zip(from) {
                        let value = from + value;
                        *best = if value > *best { value } else { *best };
                    }
                }
                // What takes nothing of the first comes more than once to a row.
                for b in 1..height {
                    let mut best = row[b].max(row[b - 1]);
                    for (y, value) in flat.iter().filter(|(y, _)| *y <= b) {
                        best = best.max(row[b - y] + value);
                    }
                    row[b] = best;
                }
            }
        }
    }

    /// What a node holds best if it is kept.
    pub(super) fn content(&self, node: &Node, values: &[f64], per_move: f64) -> Content {
        let best = &self.tables[node.table].best;
        let at = |(a, b): (usize, usize)| {
            let best = best.get(a * self.height + b).copied();
            best.unwrap_or(f64::INFINITY)
        };
        let leaves = |(g, n): &(usize, u32)| match self.cells[*g] {
            (0, 0) => 1,
            _ => u64::from(*n) + 1,
        };
        let ways = node
            .home
            .iter()
            .map(leaves)
            .try_fold(1u64, u64::checked_mul);
        let crude = || Content {
            value: at(node.room) + per_move * f64::from(node.items),
            stay: Vec::new(),
            rest: node.room,
            crude: true,
            ways: 1,
        };
        let limit = (WAYS_AT_ONCE / self.nodes.len().max(1) as u64).min(WAYS);
        if ways.is_none_or(|ways| ways > limit) {
            return crude();
        }
        let mut rest = vec![0.0; node.home.len() + 1];
        for (i, (g, n)) in node.home.iter().enumerate().rev() {
            rest[i] = rest[i + 1] + (values[*g] + per_move) * f64::from(*n);
        }
        let mut search = Ways {
            homes: self,
            home: &node.home,
            rest: &rest,
            values,
            per_move,
            best,
            stay: vec![0; node.home.len()],
            ways: 0,
            found: Content {
                value: -1.0,
                ..Content::default()
            },
        };
        search.from(0, node.room, 0.0);
        if search.found.value < 0.0 {
            return crude();
        }
        search.found.ways = search.ways;
        search.found
    }

    /// How many items of each group come, and stay, in a content.
    pub(super) fn amounts(
        &self,
        node: &Node,
        content: &Content,
        values: &[f64],
        into: &mut [f64],
    ) -> f64 {
        self.came(node.table, content.rest, values, into);
        if content.crude {
            return f64::from(node.items);
        }
        let mut stay = 0.0;
        for ((g, _), n) in node.home.iter().zip(&content.stay) {
            into[*g] += f64::from(*n);
            stay += f64::from(*n);
        }
        stay
    }

    /// How many items of each group come to so much room.
    pub(super) fn came(
        &self,
        table: usize,
        room: (usize, usize),
        values: &[f64],
        into: &mut [f64],
    ) {
        let table = &self.tables[table];
        let at = |a: usize, b: usize| table.best.get(a * self.height + b).copied().unwrap_or(0.0);
        let (mut a, mut b) = room;
        while at(a, b) > 0.0 {
            let here = at(a, b);
            if a > 0 && at(a - 1, b) == here {
                a -= 1;
                continue;
            }
            if b > 0 && at(a, b - 1) == here {
                b -= 1;
                continue;
            }
            let came = self
                .cells
                .iter()
                .zip(values)
                .enumerate()
                .find(|(g, ((x, y), v))| {
                    let fits = **v > 0.0 && table.accepts[*g] && *x <= a && *y <= b;
                    fits && at(a - x, b - y) + **v == here
                });
            let Some((g, ((x, y), _))) = came else {
                break;
            };
            into[g] += 1.0;
            (a, b) = (a - x, b - y);
        }
    }
}

/// The search for the items at home that stay.
struct Ways<'a> {
    homes: &'a Homes,
    home: &'a [(usize, u32)],
    /// What the entries from one on are worth if all stay.
    rest: &'a [f64],
    values: &'a [f64],
    per_move: f64,
    best: &'a [f64],
    stay: Vec<u32>,
    ways: u64,
    found: Content,
}

impl Ways<'_> {
    fn from(&mut self, at: usize, (a, b): (usize, usize), value: f64) {
        self.ways += 1;
        // What no table tells proves nothing; all rooms are in it.
        let comes = self.best.get(a * self.homes.height + b).copied();
        let comes = comes.unwrap_or(f64::INFINITY);
        let Some((g, n)) = self.home.get(at) else {
            if value + comes > self.found.value {
                self.found = Content {
                    value: value + comes,
                    stay: self.stay.clone(),
                    rest: (a, b),
                    crude: false,
                    ways: 0,
                };
            }
            return;
        };
        if value + self.rest[at] + comes <= self.found.value {
            return;
        }
        let (x, y) = self.homes.cells[*g];
        let least = if (x, y) == (0, 0) { *n } else { 0 };
        for stay in (least..=*n).rev() {
            let (Some(a), Some(b)) = (
                a.checked_sub(x.saturating_mul(stay as usize)),
                b.checked_sub(y.saturating_mul(stay as usize)),
            ) else {
                continue;
            };
            self.stay[at] = stay;
            let worth = (self.values[*g] + self.per_move) * f64::from(stay);
            self.from(at + 1, (a, b), value + worth);
        }
    }
}
