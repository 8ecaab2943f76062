//! The most that fits into each amount of two resources, any number of each item.
//!
//! Requests are rounded down to the grid and so is what a node has of it, which
//! can only let more items in: whole steps that items take never add up to more
//! than the whole steps of their sum.

use super::super::exact::gcd;
use super::Item;
use std::collections::BTreeMap;

/// Steps of one side at the most, so that no sum of values overflows.
const SIDE: u64 = 1 << 15;

/// Units that are tried one by one, and by what factor they grow then.
const EACH: u64 = 48;
const GROWTH: f64 = 1.08;

/// A grid over at most two resources.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// Resource and unit of each side; the second is the one without gaps.
    sides: [Option<(usize, u64)>; 2],
    /// Cells of each side.
    cells: [usize; 2],
    /// Items by the steps that they take.
    steps: Vec<([usize; 2], Vec<usize>)>,
    /// Items that take no step.
    loose: Vec<usize>,
}

/// What fits into each cell of a grid.
#[derive(Debug)]
pub(super) struct Table<'g> {
    grid: &'g Grid,
    best: Vec<u64>,
}

impl Grid {
    /// For what nodes up to a capacity accept; `home` are items that may also
    /// stand on them.
    pub(super) fn new(
        items: &[Item],
        accepts: &[usize],
        home: &[usize],
        capacity: &[u128],
        dims: &[usize],
        cells: u64,
    ) -> Self {
        let most: Vec<f64> = capacity.iter().map(|c| (*c as f64).max(1.0)).collect();
        // What rounding takes off an item, as a part of its larger side.
        let lost = |r: usize, unit: u64| -> f64 {
            let lost = accepts.iter().map(|c| {
                let demand = &items[*c].demand;
                let part = |r: &usize| demand[*r] as f64 / most[*r];
                let size = dims.iter().map(part).fold(1e-12, f64::max);
                (demand[r] % unit) as f64 / most[r] / size * items[*c].count as f64
            });
            lost.sum()
        };
        let units = |r: usize| -> Vec<(u64, u64, f64)> {
            let all = accepts.iter().chain(home);
            let step = all.fold(0, |g, c| gcd(g, items[*c].demand[r])).max(1);
            let mut out = Vec::new();
            let mut times = 1u64;
            loop {
                let unit = step.saturating_mul(times);
                let side = capacity[r] / u128::from(unit) + 1;
                if let Some(side) = u64::try_from(side).ok().filter(|s| *s <= SIDE) {
                    out.push((unit, side, lost(r, unit)));
                }
                if side <= 1 || unit == u64::MAX {
                    return out;
                }
                times = if times < EACH {
                    times + 1
                } else {
                    (times as f64 * GROWTH).ceil() as u64
                };
            }
        };
        let nothing = || vec![(0, 1, 0.0)];
        let [first, second] =
            [dims.first(), dims.get(1)].map(|r| r.map_or_else(nothing, |r| units(*r)));
        let mut best: Option<(f64, u64, [u64; 2], [u64; 2])> = None;
        for (a, along, lost_a) in &first {
            for (b, across, lost_b) in &second {
                let (size, lost) = (along.saturating_mul(*across), lost_a + lost_b);
                let better = best
                    .as_ref()
                    .is_none_or(|(l, s, ..)| (lost, size) < (*l, *s));
                if size <= cells.max(1) && better {
                    best = Some((lost, size, [*a, *b], [*along, *across]));
                }
            }
        }
        let (units, cells) = best.map_or(([0; 2], [1; 2]), |(_, _, u, c)| (u, c));
        let side = |n: usize| Some((*dims.get(n)?, units[n])).filter(|s| s.1 > 0);
        let mut grid = Self {
            sides: [side(0), side(1)],
            cells: cells.map(|c| usize::try_from(c).unwrap_or(1)),
            steps: Vec::new(),
            loose: Vec::new(),
        };
        let mut steps: BTreeMap<[usize; 2], Vec<usize>> = BTreeMap::new();
        for c in accepts {
            match grid.steps_of(&items[*c]) {
                [0, 0] => grid.loose.push(*c),
                by => steps.entry(by).or_default().push(*c),
            }
        }
        grid.steps = steps.into_iter().collect();
        grid
    }

    /// The steps that an item takes, or more than there are.
    pub(super) fn steps_of(&self, item: &Item) -> [usize; 2] {
        self.sides.map(|side| {
            let steps = side.map_or(0, |(r, unit)| item.demand[r] / unit);
            usize::try_from(steps).unwrap_or(usize::MAX)
        })
    }

    /// The cell of a capacity.
    fn cell_of(&self, capacity: &[u128]) -> [usize; 2] {
        let mut cell = [0; 2];
        for (n, side) in self.sides.iter().enumerate() {
            let steps = side.map_or(0, |(r, unit)| capacity[r] / u128::from(unit));
            cell[n] = usize::try_from(steps)
                .unwrap_or(usize::MAX)
                .min(self.cells[n] - 1);
        }
        cell
    }

    /// Cells of a table.
    pub(super) fn size(&self) -> u64 {
        self.cells.iter().map(|n| *n as u64).product()
    }

    /// Items that a table needs: in the room of another there may be room for
    /// several that are worth as much.
    pub(super) fn needed(&self, values: &[u64]) -> Vec<([usize; 2], u64)> {
        let worth = |of: &[usize]| of.iter().map(|c| values[*c]).max().unwrap_or(0);
        let all: Vec<([usize; 2], u64)> = self
            .steps
            .iter()
            .map(|(by, of)| (*by, worth(of)))
            .filter(|(by, value)| *value > 0 && (0..2).all(|n| by[n] < self.cells[n]))
            .collect();
        let needed = |(at, value): &&([usize; 2], u64)| {
            !all.iter().any(|(by, other)| {
                let times = |n: usize| at[n].checked_div(by[n]).unwrap_or(usize::MAX);
                let times = times(0).min(times(1)) as u64;
                by != at && times > 0 && other.saturating_mul(times) >= *value
            })
        };
        all.iter().filter(needed).copied().collect()
    }

    /// The most that fits, by what one item is worth (below 2^47).
    pub(super) fn fill(&self, values: &[u64]) -> Table<'_> {
        let width = self.cells[1];
        let mut best = vec![0u64; self.cells[0] * width];
        for (by, value) in self.needed(values) {
            if by[0] == 0 {
                for row in best.chunks_mut(width) {
                    for cell in by[1]..width {
                        row[cell] = row[cell].max(row[cell - by[1]] + value);
                    }
                }
                continue;
            }
            for row in by[0]..self.cells[0] {
                let (before, rows) = best.split_at_mut(row * width);
                let from = &before[(row - by[0]) * width..][..width - by[1]];
                for (cell, from) in rows[by[1]..width].iter_mut().zip(from) {
                    *cell = (*cell).max(from + value);
                }
            }
        }
        Table { grid: self, best }
    }
}

/// A choice of some of a node's own items.
#[derive(Debug, Clone, Copy)]
struct Choice {
    left: [usize; 2],
    value: u128,
    /// No way to go on is worth more.
    most: u128,
}

impl Table<'_> {
    fn at(&self, cell: [usize; 2]) -> u128 {
        let index = cell[0] * self.grid.cells[1] + cell[1];
        // Outside of the table nothing is known, which never happens.
        self.best
            .get(index)
            .map_or(u128::MAX >> 8, |v| u128::from(*v))
    }

    /// No content of a node is worth more, its own items `bonus` above their
    /// value. Goes through the subsets of these, at most so many at a time: what
    /// could be the best of the others counts as if it could be had.
    pub(super) fn most(
        &self,
        items: &[Item],
        values: &[u64],
        capacity: &[u128],
        home: &[(usize, u64)],
        bonus: u64,
        width: usize,
    ) -> u128 {
        let cell = self.grid.cell_of(capacity);
        let mut sure: u128 = 0;
        for c in &self.grid.loose {
            let items = items[*c].most_in(capacity);
            sure = sure.saturating_add(u128::from(values[*c]).saturating_mul(items));
        }
        // Steps, count, value, and what staying is worth above the room it takes:
        // two rooms hold no more than both as one.
        let mut own: Vec<([usize; 2], u64, u128, u128)> = Vec::new();
        for (c, count) in home {
            let value = u128::from(values[*c]) + u128::from(bonus);
            let by = self.grid.steps_of(&items[*c]);
            if by == [0, 0] {
                sure = sure.saturating_add(value * u128::from(*count));
                continue;
            }
            let room = (0..2).all(|n| by[n] < self.grid.cells[n]);
            let above = if room {
                value.saturating_sub(self.at(by))
            } else {
                value
            };
            if above > 0 {
                own.push((by, *count, value, above));
            }
        }
        own.sort_by_key(|(by, count, _, above)| {
            (std::cmp::Reverse(*above * u128::from(*count)), *by)
        });
        let mut rest: u128 = own
            .iter()
            .map(|(_, n, _, above)| above * u128::from(*n))
            .sum();
        let empty = self.at(cell);
        let mut best = empty;
        // All of them stay.
        let taken = |n: usize| -> usize {
            let steps = own.iter().map(|o| o.0[n].saturating_mul(o.1 as usize));
            steps.fold(0, usize::saturating_add)
        };
        if let (Some(x), Some(y)) = (cell[0].checked_sub(taken(0)), cell[1].checked_sub(taken(1))) {
            let all: u128 = own
                .iter()
                .map(|(_, n, value, _)| value * u128::from(*n))
                .sum();
            best = best.max(all + self.at([x, y]));
        }
        let mut passed: u128 = 0;
        let mut choices = vec![Choice {
            left: cell,
            value: 0,
            most: empty + rest,
        }];
        for (by, count, value, above) in &own {
            rest -= above * u128::from(*count);
            let mut next: Vec<Choice> = Vec::with_capacity(choices.len() * 2);
            for choice in &choices {
                let (mut left, mut worth) = (choice.left, choice.value);
                for taken in 0..=*count {
                    if taken > 0 {
                        let (Some(x), Some(y)) =
                            (left[0].checked_sub(by[0]), left[1].checked_sub(by[1]))
                        else {
                            break;
                        };
                        left = [x, y];
                        worth += value;
                    }
                    let whole = worth + self.at(left);
                    best = best.max(whole);
                    if whole + rest > best {
                        next.push(Choice {
                            left,
                            value: worth,
                            most: whole + rest,
                        });
                    }
                }
            }
            next.retain(|c| c.most > best);
            next.sort_unstable_by(|a, b| a.left.cmp(&b.left).then(b.value.cmp(&a.value)));
            next.dedup_by_key(|c| c.left);
            if next.len() > width {
                next.sort_by(|a, b| b.most.cmp(&a.most).then(a.left.cmp(&b.left)));
                passed = next.get(width).map_or(passed, |c| passed.max(c.most));
                next.truncate(width);
            }
            choices = next;
        }
        best.max(passed).saturating_add(sure)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fluid;
    use super::*;
    use crate::sample::Random;

    /// The best content, by going through all.
    fn most(
        items: &[Item],
        values: &[u64],
        free: &[u64],
        home: &[(usize, u64)],
        bonus: u64,
    ) -> u128 {
        fn go(
            items: &[Item],
            values: &[u64],
            free: &[u64],
            home: &[u64],
            bonus: u64,
            at: usize,
        ) -> u128 {
            let Some(item) = items.get(at) else {
                return 0;
            };
            let mut free = free.to_vec();
            let (mut best, mut value) = (0, 0u128);
            for n in 0.. {
                best = best.max(value + go(items, values, &free, home, bonus, at + 1));
                let own = u64::from(n < home[at]) * bonus;
                value += u128::from(values[at] + own);
                for (f, d) in free.iter_mut().zip(&item.demand) {
                    let Some(left) = f.checked_sub(*d) else {
                        return best;
                    };
                    *f = left;
                }
            }
            best
        }
        let mut own = vec![0; items.len()];
        home.iter().for_each(|(c, n)| own[*c] += n);
        go(items, values, free, &own, bonus, 0)
    }

    #[test]
    fn what_tables_and_prices_say_is_never_below_the_best_content() {
        let (mut exact, mut cases) = (0, 0);
        for seed in 0..600 {
            let mut random = Random::new(seed);
            let mut draw = |from: u64, n: usize| from + random.below(n) as u64;
            let items: Vec<Item> = (0..4)
                .map(|class| Item {
                    class,
                    demand: vec![draw(7, 50), draw(5, 90), draw(0, 3)],
                    count: 100,
                })
                .collect();
            let values: Vec<u64> = (0..4).map(|_| draw(0, 1_000)).collect();
            let bonus = draw(0, 200) * draw(0, 3);
            let home: Vec<(usize, u64)> = (0..4).map(|c| (c, draw(0, 4))).collect();
            let mut free = vec![draw(20, 80), draw(20, 150), draw(4, 8)];
            for (c, n) in &home {
                for (f, d) in free.iter_mut().zip(&items[*c].demand) {
                    *f += n * d;
                }
            }
            let best = most(&items, &values, &free, &home, bonus);
            let two = most(
                &items
                    .iter()
                    .map(|i| Item {
                        class: i.class,
                        demand: i.demand[..2].to_vec(),
                        count: 100,
                    })
                    .collect::<Vec<_>>(),
                &values,
                &free[..2],
                &home,
                bonus,
            );
            let capacity: Vec<u128> = free.iter().map(|f| u128::from(*f)).collect();
            let all = [0, 1, 2, 3];
            for (cells, width) in [
                (1_000_000, 10_000),
                (1_000_000, 1),
                (1_000_000, 3),
                (400, 10_000),
                (30, 1),
                (1, 4),
            ] {
                let grid = Grid::new(&items, &all, &all, &capacity, &[0, 1], cells);
                assert!(grid.cells[0] as u64 * grid.cells[1] as u64 <= cells);
                let table = grid.fill(&values);
                let found = table.most(&items, &values, &capacity, &home, bonus, width);
                assert!(
                    found >= best && two >= best,
                    "seed {seed}: {found} {two} {best}"
                );
                if (cells, width) == (1_000_000, 10_000) {
                    assert_eq!(found, two, "seed {seed}");
                }
                cases += 1;
                exact += usize::from(found == best);
            }
            let (prices, _) = fluid::prices(&items, &all, &values, &capacity, true);
            for prices in prices {
                let found = prices.most(&items, &values, &capacity, &home, bonus);
                assert!(found.unwrap() >= best, "seed {seed}: {found:?} {best}");
            }
        }
        assert!(exact * 4 > cases, "{exact} of {cases}");
    }
}
