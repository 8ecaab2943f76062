//! The linear programme of the solver: a covering master to which columns are added,
//! as a primal simplex method that keeps its basis.
//!
//! It works in floating point. Nothing it says is believed: plans are checked in
//! integers and bounds are certified in integers.

use super::stop::Stop;
use super::sums;

const EPS: f64 = 1e-9;

/// Rows `Σ a x ≥ b`, columns with costs, to be minimised.
#[derive(Debug, Clone)]
pub(super) struct Master {
    rows: usize,
    right: Vec<f64>,
    costs: Vec<f64>,
    /// Where the entries of each column start, and the end of the last.
    starts: Vec<usize>,
    entries: Vec<(u32, f64)>,
    /// The same by row: a look at all columns goes along few long lists.
    lines: Vec<Line>,
    /// Column in each basic position; `>= SURPLUS` is the surplus of a row.
    basis: Vec<usize>,
    basic: Vec<bool>,
    surplus_basic: Vec<bool>,
    /// Inverse of the basis, row by row.
    inverse: Vec<f64>,
    x: Vec<f64>,
    /// Duals, kept up with every pivot.
    y: Vec<f64>,
    pub(super) pivots: u64,
    since_refactor: u32,
    /// Whether every pivot looks at all columns, at exact duals.
    careful: bool,
    stop: Stop,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) cost: f64,
    pub(super) entries: Vec<(u32, f64)>,
}

/// Where a row is not zero: columns in the order in which they were added.
#[derive(Debug, Clone, Default)]
struct Line {
    columns: Vec<u32>,
    amounts: Vec<f64>,
}

const SURPLUS: usize = usize::MAX / 2;

/// Columns that improve most, which are looked at again before all are.
const CANDIDATES: usize = 24;

/// Why a programme was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

impl Master {
    /// Starts from one column per row that covers this row alone; a row with
    /// a right side of zero or less starts from its surplus.
    pub(super) fn new(right: Vec<f64>, start: Vec<Option<Column>>) -> Self {
        let rows = right.len();
        let mut master = Self {
            rows,
            right,
            costs: Vec::new(),
            starts: vec![0],
            entries: Vec::new(),
            lines: vec![Line::default(); rows],
            basis: Vec::with_capacity(rows),
            basic: Vec::new(),
            surplus_basic: vec![false; rows],
            inverse: vec![0.0; rows * rows],
            x: vec![0.0; rows],
            y: vec![0.0; rows],
            pivots: 0,
            since_refactor: 0,
            careful: false,
            stop: Stop::default(),
        };
        for (row, column) in start.into_iter().enumerate() {
            let pivot = match column {
                Some(column) => {
                    let pivot = column.entries.first().map_or(1.0, |e| e.1);
                    master.basis.push(master.costs.len());
                    master.add(column);
                    if let Some(last) = master.basic.last_mut() {
                        *last = true;
                    }
                    pivot
                }
                None => {
                    master.basis.push(SURPLUS + row);
                    master.surplus_basic[row] = true;
                    -1.0
                }
            };
            master.inverse[row * rows + row] = 1.0 / pivot;
            master.x[row] = master.right[row] / pivot;
        }
        master.y = master.duals();
        master
    }

    /// The same, looking at all columns before every pivot: slower, and steadier
    /// where many right sides are zero.
    pub(super) fn careful(mut self) -> Self {
        self.careful = true;
        self
    }

    /// The same, which pivots until then.
    pub(super) fn until(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    pub(super) fn add(&mut self, column: Column) {
        let at = self.costs.len() as u32;
        for (row, amount) in &column.entries {
            let line = &mut self.lines[*row as usize];
            line.columns.push(at);
            line.amounts.push(*amount);
        }
        self.costs.push(column.cost);
        self.entries.extend_from_slice(&column.entries);
        self.starts.push(self.entries.len());
        self.basic.push(false);
    }

    #[inline]
    fn column(&self, column: usize) -> &[(u32, f64)] {
        &self.entries[self.starts[column]..self.starts[column + 1]]
    }

    fn cost(&self, column: usize) -> f64 {
        if column >= SURPLUS {
            0.0
        } else {
            self.costs[column]
        }
    }

    /// Duals of the rows at the present basis.
    pub(super) fn duals(&self) -> Vec<f64> {
        let mut y = vec![0.0; self.rows];
        for (i, column) in self.basis.iter().enumerate() {
            let cost = self.cost(*column);
            if cost != 0.0 {
                let row = &self.inverse[i * self.rows..(i + 1) * self.rows];
                sums::take_times(&mut y, -cost, row);
            }
        }
        y
    }

    pub(super) fn objective(&self) -> f64 {
        self.basis
            .iter()
            .zip(&self.x)
            .map(|(c, x)| self.cost(*c) * x)
            .sum()
    }

    /// Values of the columns in the basis.
    pub(super) fn solution(&self) -> Vec<(usize, f64)> {
        let mut out: Vec<(usize, f64)> = self
            .basis
            .iter()
            .zip(&self.x)
            .filter(|(c, x)| **c < SURPLUS && **x > EPS)
            .map(|(c, x)| (*c, *x))
            .collect();
        out.sort_by_key(|(c, _)| *c);
        out
    }

    /// By how much a column costs more than it is worth.
    pub(super) fn over(&self, column: usize) -> f64 {
        self.reduced(column)
    }

    /// Reduced cost of a column or a surplus.
    #[inline]
    fn reduced(&self, column: usize) -> f64 {
        if column >= SURPLUS {
            return self.y[column - SURPLUS];
        }
        self.costs[column] - along(self.column(column), &self.y)
    }

    /// How much a column with a reduced cost promises, in comparable terms; the
    /// least is the best.
    #[inline]
    fn score(&self, column: usize, reduced: f64, scale: f64) -> f64 {
        if column >= SURPLUS {
            // The surplus of a row improves when its dual is negative.
            reduced * self.right[column - SURPLUS].abs().max(1.0) / scale
        } else {
            // What costs nothing is measured by what its rows give and take: by
            // itself rounding would look like a gain without end.
            let cost = self.costs[column].abs();
            let terms = || {
                let entries = self.column(column).iter();
                entries.map(|(r, a)| (a * self.y[*r as usize]).abs()).sum()
            };
            let measure: f64 = if cost > 0.0 { cost } else { terms() };
            reduced / measure.max(1e-6)
        }
    }

    fn is_basic(&self, column: usize) -> bool {
        if column >= SURPLUS {
            self.surplus_basic[column - SURPLUS]
        } else {
            self.basic[column]
        }
    }

    /// Columns that improve, the best first, as many as are worth keeping.
    fn candidates(&self, scale: f64) -> Vec<(f64, usize)> {
        let mut worth = vec![0.0; self.costs.len()];
        for (line, y) in self.lines.iter().zip(&self.y) {
            for (column, amount) in line.columns.iter().zip(&line.amounts) {
                worth[*column as usize] += amount * y;
            }
        }
        let columns = self.costs.iter().zip(&worth).enumerate();
        let columns = columns.map(|(j, (cost, worth))| (j, cost - worth));
        let surplus = self.y.iter().enumerate().map(|(r, y)| (SURPLUS + r, *y));
        let mut found: Vec<(f64, usize)> = Vec::new();
        for (j, reduced) in columns.chain(surplus) {
            if reduced < 0.0 && !self.is_basic(j) {
                let score = self.score(j, reduced, scale);
                if score < -1e-9 {
                    found.push((score, j));
                }
            }
        }
        let by = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if found.len() > CANDIDATES {
            found.select_nth_unstable_by(CANDIDATES, by);
            found.truncate(CANDIDATES);
        }
        found.sort_by(by);
        found
    }

    /// Pivots until no column of the master improves it, or `limit` pivots, or
    /// it is too late for more.
    pub(super) fn solve(&mut self, limit: u64) -> Result<(), Failed> {
        let mut left = limit;
        let mut candidates: Vec<(f64, usize)> = Vec::new();
        let mut fresh = false;
        loop {
            let scale = self.objective().abs().max(1.0);
            let mut best = (-1e-9, None);
            candidates.retain(|(_, j)| {
                let score = self.score(*j, self.reduced(*j), scale);
                let improves = score < -1e-9 && !self.is_basic(*j);
                if improves && score < best.0 {
                    best = (score, Some(*j));
                }
                improves
            });
            if best.1.is_none() {
                candidates = self.candidates(scale);
                // The best is taken as it is: summed in another order it might look
                // no better than nothing, again and again.
                best.1 = candidates.first().map(|(_, j)| *j);
            }
            let Some(entering) = best.1 else {
                if fresh {
                    return Ok(());
                }
                // Duals that were kept up may be a little off.
                self.y = self.duals();
                fresh = true;
                continue;
            };
            if left == 0 || self.stop.is_due() {
                return Ok(());
            }
            left -= 1;
            fresh = false;
            let step = self.enter(entering)?;
            if self.careful {
                self.y = self.duals();
            }
            if self.careful || step <= EPS {
                // A step in place: of all columns the best leads out soonest.
                candidates.clear();
            }
        }
    }

    /// Asks for other amounts, starting from the present optimum: pivots in the
    /// dual until they are covered, at most `limit` times.
    pub(super) fn ask(&mut self, right: Vec<f64>, limit: u64) -> Result<(), Failed> {
        self.right = right;
        self.refresh();
        let mut left = limit;
        let mut sums: Vec<[f64; 2]> = Vec::new();
        loop {
            let scale = self.x.iter().fold(1.0_f64, |a, b| a.max(b.abs()));
            let leaving = (0..self.rows).min_by(|a, b| self.x[*a].total_cmp(&self.x[*b]));
            let Some(leaving) = leaving.filter(|i| self.x[*i] < -1e-9 * scale) else {
                for x in &mut self.x {
                    *x = x.max(0.0);
                }
                return Ok(());
            };
            if left == 0 {
                return Err(Failed);
            }
            left -= 1;
            let line = &self.inverse[leaving * self.rows..(leaving + 1) * self.rows];
            // How each column changes what leaves, and what it is worth.
            sums.clear();
            sums.resize(self.costs.len(), [0.0; 2]);
            for ((row, alpha), y) in self.lines.iter().zip(line).zip(&self.y) {
                for (column, amount) in row.columns.iter().zip(&row.amounts) {
                    let [alphas, worth] = &mut sums[*column as usize];
                    *alphas += amount * alpha;
                    *worth += amount * y;
                }
            }
            let columns = sums.iter().zip(&self.costs).enumerate();
            let columns = columns.map(|(j, ([alpha, worth], cost))| (j, *alpha, cost - worth));
            let surplus = line.iter().zip(&self.y).enumerate();
            let surplus = surplus.map(|(row, (alpha, y))| (SURPLUS + row, -alpha, *y));
            let mut best: Option<(f64, f64, usize)> = None;
            for (j, alpha, reduced) in columns.chain(surplus) {
                if alpha < -EPS && !self.is_basic(j) {
                    let ratio = reduced.max(0.0) / -alpha;
                    let better = best.is_none_or(|(least, largest, _)| {
                        ratio < least - 1e-12 || (ratio <= least + 1e-12 && -alpha > largest)
                    });
                    if better {
                        best = Some((ratio, -alpha, j));
                    }
                }
            }
            let Some((_, _, entering)) = best else {
                return Err(Failed);
            };
            let direction = self.direction(entering);
            self.pivot(entering, leaving, &direction)?;
        }
    }

    /// Forgets columns that cost more than they are worth by more than `over` of
    /// their cost; the first `always` stay. Says which stayed.
    pub(super) fn prune(&mut self, always: usize, over: f64) -> Vec<usize> {
        let stays = |j: &usize| {
            *j < always || self.basic[*j] || self.reduced(*j) <= over * self.costs[*j].abs()
        };
        let kept: Vec<usize> = (0..self.costs.len()).filter(stays).collect();
        let mut new = vec![SURPLUS; self.costs.len()];
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for (at, j) in kept.iter().enumerate() {
            new[*j] = at;
            entries.extend_from_slice(self.column(*j));
            starts.push(entries.len());
        }
        for line in &mut self.lines {
            let columns = line.columns.iter().zip(&line.amounts);
            let stay = columns.map(|(j, a)| (new[*j as usize], *a));
            let stay = stay.filter(|(j, _)| *j < SURPLUS);
            (line.columns, line.amounts) = stay.map(|(j, a)| (j as u32, a)).unzip();
        }
        self.costs = kept.iter().map(|j| self.costs[*j]).collect();
        self.basic = kept.iter().map(|j| self.basic[*j]).collect();
        (self.starts, self.entries) = (starts, entries);
        for basic in self.basis.iter_mut().filter(|b| **b < SURPLUS) {
            *basic = new[*basic];
        }
        kept
    }

    /// How the basic amounts fall as a column enters.
    fn direction(&self, entering: usize) -> Vec<f64> {
        let n = self.rows;
        let lines = self.inverse.chunks_exact(n.max(1));
        if entering >= SURPLUS {
            let row = entering - SURPLUS;
            return lines.map(|line| -line[row]).collect();
        }
        let entries = self.column(entering);
        lines.map(|line| along(entries, line)).collect()
    }

    /// Brings a column in as far as it goes; says how far.
    fn enter(&mut self, entering: usize) -> Result<f64, Failed> {
        let direction = self.direction(entering);
        let mut step = f64::INFINITY;
        for (d, x) in direction.iter().zip(&self.x) {
            if *d > EPS {
                step = step.min(x.max(0.0) / d);
            }
        }
        if !step.is_finite() {
            return Err(Failed);
        }
        // Of the rows that tie, the one with the largest pivot is the safest.
        let mut leaving = None;
        let mut largest = 0.0;
        for (i, (d, x)) in direction.iter().zip(&self.x).enumerate() {
            if *d > EPS && x.max(0.0) / d <= step + 1e-9 * (1.0 + step) && *d > largest {
                largest = *d;
                leaving = Some(i);
            }
        }
        let Some(leaving) = leaving else {
            return Err(Failed);
        };
        self.x[leaving] = self.x[leaving].max(0.0);
        self.pivot(entering, leaving, &direction)?;
        for x in &mut self.x {
            *x = x.max(0.0);
        }
        Ok(step)
    }

    /// Exchanges a basic position for a column.
    fn pivot(&mut self, entering: usize, leaving: usize, direction: &[f64]) -> Result<(), Failed> {
        let n = self.rows;
        let pivot = direction[leaving];
        let step = self.x[leaving] / pivot;
        let change = self.reduced(entering) / pivot;
        let (before, rest) = self.inverse.split_at_mut(leaving * n);
        let (line, after) = rest.split_at_mut(n);
        sums::take_times(&mut self.y, -change, line);
        for a in line.iter_mut() {
            *a /= pivot;
        }
        // Most entries of the pivot row are zero early on.
        let filled: Vec<usize> = (0..n).filter(|i| line[*i] != 0.0).collect();
        let eliminate = |rows: &mut [f64], first: usize| {
            for (k, row) in rows.chunks_exact_mut(n).enumerate() {
                let factor = direction[first + k];
                if factor == 0.0 {
                    continue;
                }
                if filled.len() * 3 > n {
                    sums::take_times(row, factor, line);
                } else {
                    for j in &filled {
                        row[*j] -= factor * line[*j];
                    }
                }
            }
        };
        eliminate(before, 0);
        eliminate(after, leaving + 1);
        for (i, x) in self.x.iter_mut().enumerate() {
            if i == leaving {
                *x = step;
            } else {
                *x -= step * direction[i];
            }
        }
        let out = self.basis[leaving];
        self.mark(out, false);
        self.basis[leaving] = entering;
        self.mark(entering, true);
        self.pivots += 1;
        self.since_refactor += 1;
        if self.since_refactor >= 256 {
            self.refactor()?;
        }
        Ok(())
    }

    fn mark(&mut self, column: usize, basic: bool) {
        if column >= SURPLUS {
            self.surplus_basic[column - SURPLUS] = basic;
        } else {
            self.basic[column] = basic;
        }
    }

    /// Basic amounts for the present right sides.
    fn refresh(&mut self) {
        let lines = self.inverse.chunks_exact(self.rows.max(1));
        for (x, line) in self.x.iter_mut().zip(lines) {
            *x = sums::dot(line, &self.right);
        }
    }

    /// Computes the inverse anew from the basis, so that errors do not add up.
    fn refactor(&mut self) -> Result<(), Failed> {
        let n = self.rows;
        self.since_refactor = 0;
        // Gauss-Jordan on [basis | identity].
        let mut a = vec![0.0; n * n];
        for (position, column) in self.basis.iter().enumerate() {
            if *column >= SURPLUS {
                a[(*column - SURPLUS) * n + position] = -1.0;
            } else {
                for (row, value) in self.column(*column) {
                    a[*row as usize * n + position] = *value;
                }
            }
        }
        let mut inverse = vec![0.0; n * n];
        for i in 0..n {
            inverse[i * n + i] = 1.0;
        }
        for column in 0..n {
            let mut best = (0.0, column);
            for row in column..n {
                let value = a[row * n + column].abs();
                if value > best.0 {
                    best = (value, row);
                }
            }
            if best.0 < 1e-11 {
                return Err(Failed);
            }
            if best.1 != column {
                for j in 0..n {
                    a.swap(best.1 * n + j, column * n + j);
                    inverse.swap(best.1 * n + j, column * n + j);
                }
            }
            let pivot = a[column * n + column];
            for j in 0..n {
                a[column * n + j] /= pivot;
                inverse[column * n + j] /= pivot;
            }
            let pivot_a: Vec<f64> = a[column * n..(column + 1) * n].to_vec();
            let pivot_inverse: Vec<f64> = inverse[column * n..(column + 1) * n].to_vec();
            for row in 0..n {
                let factor = a[row * n + column];
                if row == column || factor == 0.0 {
                    continue;
                }
                let rest = &mut a[row * n + column..(row + 1) * n];
                sums::take_times(rest, factor, &pivot_a[column..]);
                let own = &mut inverse[row * n..(row + 1) * n];
                sums::take_times(own, factor, &pivot_inverse);
            }
        }
        self.inverse = inverse;
        self.refresh();
        self.y = self.duals();
        Ok(())
    }
}

/// What the entries of a column come to along a line of values by row.
#[inline]
fn along(entries: &[(u32, f64)], line: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (row, a) in entries {
        sum += a * line[*row as usize];
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_master_agrees_with_a_worked_case() {
        // Cover 10 and 6. Alone: 1 each at cost 1. Together: one of each at 1.5.
        let single = |r| {
            Some(Column {
                cost: 1.0,
                entries: vec![(r, 1.0)],
            })
        };
        let mut m = Master::new(vec![10.0, 6.0], vec![single(0), single(1)]);
        m.add(Column {
            cost: 1.5,
            entries: vec![(0, 1.0), (1, 1.0)],
        });
        m.solve(100).unwrap();
        assert!((m.objective() - 13.0).abs() < 1e-9);
        m.refactor().unwrap();
        assert!((m.objective() - 13.0).abs() < 1e-9);
        let y = m.duals();
        assert!(
            (y[0] - 1.0).abs() < 1e-9 && (y[1] - 0.5).abs() < 1e-9,
            "{y:?}"
        );
    }

    #[test]
    fn the_master_goes_on_from_its_optimum_when_asked_for_more() {
        let single = |r, cost| {
            Some(Column {
                cost,
                entries: vec![(r, 1.0)],
            })
        };
        let mut m = Master::new(vec![10.0, 6.0], vec![single(0, 1.0), single(1, 1.0)]);
        for (cost, both) in [(1.5, 1.0), (9.0, 2.0)] {
            m.add(Column {
                cost,
                entries: vec![(0, both), (1, both)],
            });
        }
        m.solve(100).unwrap();
        // Four together and five alone.
        m.ask(vec![4.0, 9.0], 100).unwrap();
        m.solve(100).unwrap();
        assert!((m.objective() - 11.0).abs() < 1e-9);
        // The dear column goes, and nothing changes.
        assert_eq!(m.prune(2, 0.5), vec![0, 1, 2]);
        m.ask(vec![10.0, 6.0], 100).unwrap();
        m.solve(100).unwrap();
        assert!((m.objective() - 13.0).abs() < 1e-9);
    }

    /// The same sum in two orders: by one a column is worth its cost, by the other
    /// more.
    #[test]
    fn rounding_that_differs_along_a_column_and_along_rows_ends_all_the_same() {
        let alone = |row, cost| {
            Some(Column {
                cost,
                entries: vec![(row, 1.0)],
            })
        };
        let mut some_differ = false;
        for n in 1..200 {
            let y = [0.1, 0.3, 0.7].map(|y: f64| y * f64::from(n).sqrt());
            let large = 1e9 * f64::from(n).ln_1p();
            let entries = vec![(2, -large), (0, large), (1, 2.0 * large)];
            let start = (0..3).map(|row| alone(row, y[row as usize]));
            let mut m = Master::new(vec![1.0; 3], start.collect());
            let by_row = (y[0] * large + y[1] * (2.0 * large)) - y[2] * large;
            let along = (y[0] * large - y[2] * large) + y[1] * (2.0 * large);
            // What costs nothing is measured by what its rows give and take.
            let worth_it = by_row > along && along != 0.0;
            some_differ |= worth_it;
            m.add(Column {
                cost: along,
                entries,
            });
            let solved = m.solve(1_000);
            // It is taken where the rows say that it is worth more, and only there.
            assert_eq!(m.pivots > 0, worth_it, "{n}: {solved:?}");
        }
        assert!(some_differ);
    }
}
