//! The most valuable filling of one node type by dynamic programming on a grid.
//!
//! Where requests are multiples of something, such as 50 milli-cores and 4 MiB,
//! few different amounts can be free, and a table of what each is worth is
//! small. On a coarser grid, with requests rounded down, the table still gives
//! an upper bound.

use super::pricing::Search;

/// Most bytes that remember what was chosen.
const MAX_BYTES: usize = 48 << 20;

/// Most tables: beyond that labels are faster.
const MAX_TABLES: usize = 400;

/// What the table says.
#[derive(Debug, Clone, Default)]
pub(super) struct Tabled {
    /// No filling is worth more.
    pub(super) upper: f64,
    /// The filling that the table holds to be best: shapes and counts, sorted.
    /// It fits when nothing was rounded or left out; else only perhaps.
    pub(super) counts: Vec<(usize, u32)>,
    /// Entries computed.
    pub(super) work: u64,
}

/// Amounts that bind, and their steps.
struct Axis {
    dim: usize,
    step: u64,
    cells: usize,
}

impl Search {
    /// Bounds the best filling at `values` (by [`Search::shapes`]; zero for
    /// those that are out of the question), with at most `cells` entries a
    /// table. `None` when more than two amounts bind, or devices matter.
    pub(super) fn tabled(&self, values: &[f64], cells: usize) -> Option<Tabled> {
        let wanted: Vec<usize> = (0..self.shapes.len())
            .filter(|i| values[*i] > 0.0)
            .collect();
        if wanted.iter().any(|i| self.requests[*i].is_some()) {
            return None;
        }
        // What was chosen for each group and entry: 0 = nothing.
        let mut groups: Vec<(Vec<usize>, u32)> = Vec::new();
        for i in &wanted {
            match self.limits[*i].first() {
                Some(limit) => {
                    let key = Some(*limit);
                    match groups
                        .iter_mut()
                        .find(|(members, _)| self.limits[members[0]].first().copied() == key)
                    {
                        Some((members, _)) => members.push(*i),
                        None => groups.push((vec![*i], self.room[*limit])),
                    }
                }
                None => groups.push((vec![*i], u32::MAX)),
            }
        }
        // One of what may be repeated, else one for each that there is room for.
        let tables = groups.iter().map(|(_, room)| match *room {
            u32::MAX => 1,
            room => room as usize,
        });
        let tables: usize = tables.fold(0, usize::saturating_add);
        if tables > MAX_TABLES {
            return None;
        }
        let [first, second] = self.axes(&wanted, cells.min(MAX_BYTES / tables.max(1)))?;
        let (width, height) = (second.cells, first.cells);
        let mut table = vec![0.0f64; width * height];
        let mut work = 0u64;
        let mut choices: Vec<(usize, Vec<u8>)> = Vec::new();
        for (at, (members, room)) in groups.iter().enumerate() {
            if members.len() > 254 {
                return None;
            }
            let cost = |i: usize| {
                let demand = &self.demand[i * self.dims..(i + 1) * self.dims];
                let down = |axis: &Axis| (demand[axis.dim] / axis.step) as usize;
                (down(&first), down(&second))
            };
            if *room == u32::MAX {
                // As many as fit: in place, from the little to the much.
                let (rows, columns) = cost(members[0]);
                let value = values[members[0]];
                if rows == 0 && columns == 0 {
                    return None; // it costs nothing on this grid
                }
                let mut chosen = vec![0u8; width * height];
                for row in rows..height {
                    for column in columns..width {
                        let from = (row - rows) * width + column - columns;
                        let to = row * width + column;
                        let better = table[from] + value;
                        if better > table[to] {
                            table[to] = better;
                            chosen[to] = 1;
                        }
                    }
                }
                work += table.len() as u64;
                choices.push((at, chosen));
                continue;
            }
            for _ in 0..*room {
                let before = table.clone();
                let mut chosen = vec![0u8; width * height];
                for (member, i) in (1u8..).zip(members) {
                    let (rows, columns) = cost(*i);
                    let value = values[*i];
                    for row in rows..height {
                        let from = &before[(row - rows) * width..][..width - columns.min(width)];
                        let line = row * width + columns.min(width);
                        let to = &mut table[line..(row + 1) * width];
                        let picks = &mut chosen[line..(row + 1) * width];
                        for ((to, pick), from) in to.iter_mut().zip(picks).zip(from) {
                            if from + value > *to {
                                *to = from + value;
                                *pick = member;
                            }
                        }
                    }
                    work += table.len() as u64;
                }
                choices.push((at, chosen));
            }
        }
        let mut counts: std::collections::BTreeMap<usize, u32> = Default::default();
        let (mut row, mut column) = (height - 1, width - 1);
        for (at, chosen) in choices.iter().rev() {
            let (members, room) = &groups[*at];
            loop {
                let pick = chosen[row * width + column];
                if pick == 0 {
                    break;
                }
                let i = members[usize::from(pick) - 1];
                let demand = &self.demand[i * self.dims..(i + 1) * self.dims];
                row -= (demand[first.dim] / first.step) as usize;
                column -= (demand[second.dim] / second.step) as usize;
                *counts.entry(self.shapes[i]).or_default() += 1;
                if *room != u32::MAX {
                    break;
                }
            }
        }
        Some(Tabled {
            upper: table.last().copied().unwrap_or(0.0),
            counts: counts.into_iter().collect(),
            work,
        })
    }

    /// The two amounts that bind, on a grid of at most `cells`.
    fn axes(&self, wanted: &[usize], cells: usize) -> Option<[Axis; 2]> {
        let demands = |dim: usize| wanted.iter().map(move |i| self.demand[i * self.dims + dim]);
        let most = |dim: usize| {
            let least = demands(dim).min().unwrap_or(0);
            self.capacity[dim].checked_div(least).unwrap_or(u64::MAX)
        };
        // No more items fit than the scarcest amount has room for.
        let items = (0..self.dims).map(most).min().unwrap_or(u64::MAX);
        let binds = |dim: &usize| {
            let largest = demands(*dim).max().unwrap_or(0);
            items.saturating_mul(largest) > self.capacity[*dim]
        };
        let mut binding: Vec<usize> = (0..self.dims).filter(binds).collect();
        // The table needs two; one that does not bind has one cell or few.
        for dim in 0..self.dims {
            if binding.len() < 2 && !binding.contains(&dim) {
                binding.push(dim);
            }
        }
        let [first, second] = <[usize; 2]>::try_from(binding).ok()?;
        let grid = |dim: usize| {
            let gcd = demands(dim).fold(0, gcd).max(1);
            (gcd, self.capacity[dim] / gcd)
        };
        let ((mut step, rows), (mut other, columns)) = (grid(first), grid(second));
        let (mut rows, mut columns) = (rows.checked_add(1)?, columns.checked_add(1)?);
        while rows.saturating_mul(columns) > cells as u64 {
            // The finer axis becomes coarser.
            if rows >= columns {
                step = step.checked_mul(2)?;
                rows = self.capacity[first] / step + 1;
            } else {
                other = other.checked_mul(2)?;
                columns = self.capacity[second] / other + 1;
            }
        }
        Some([
            Axis {
                dim: first,
                step,
                cells: usize::try_from(rows).ok()?,
            },
            Axis {
                dim: second,
                step: other,
                cells: usize::try_from(columns).ok()?,
            },
        ])
    }

    /// Whether such a filling fits a node of the type, devices aside.
    pub(super) fn holds(&self, counts: &[(usize, u32)]) -> bool {
        let mut words: Vec<u64> = self.capacity.clone();
        let mut room = self.room.clone();
        counts.iter().all(|(shape, n)| {
            let Some(i) = self.shapes.iter().position(|s| s == shape) else {
                return false;
            };
            let demand = &self.demand[i * self.dims..(i + 1) * self.dims];
            let amounts = words.iter_mut().zip(demand).all(|(free, demand)| {
                let taken = demand.checked_mul(u64::from(*n));
                match taken.and_then(|taken| free.checked_sub(taken)) {
                    Some(rest) => {
                        *free = rest;
                        true
                    }
                    None => false,
                }
            });
            amounts
                && self.requests[i].is_none()
                && self.limits[i]
                    .iter()
                    .all(|limit| match room[*limit].checked_sub(*n) {
                        Some(rest) => {
                            room[*limit] = rest;
                            true
                        }
                        None => false,
                    })
        })
    }
}

/// The greatest common divisor; 0 divides nothing, and is of no account.
pub(in super::super) fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
