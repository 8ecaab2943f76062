//! The small fractional knapsack of each node type, as a primal simplex method that
//! keeps its basis.
//!
//! Like [the master](super::lp) it works in floating point, and is not believed.

use super::sums;

const EPS: f64 = 1e-9;

/// `max v·z` under `Σ parts z ≤ 1` in every row, `z ≥ 0`: what the best
/// fractional filling of a node is worth.
#[derive(Debug, Clone)]
pub(super) struct Knapsack {
    rows: usize,
    /// Parts of each row that one item of each column takes: few rows and many
    /// columns, which are looked at side by side.
    parts: Vec<Vec<f64>>,
    columns: usize,
    basis: Vec<usize>,
    inverse: Vec<f64>,
    x: Vec<f64>,
    /// What the rows carry for an item of each column.
    carried: Vec<f64>,
}

/// The optimum of a [`Knapsack`].
#[derive(Debug, Clone, Default)]
pub(super) struct Filling {
    pub(super) value: f64,
    /// Value carried by each row; they add up to `value`.
    pub(super) duals: Vec<f64>,
    /// Column and amount.
    pub(super) amounts: Vec<(usize, f64)>,
}

impl Knapsack {
    pub(super) fn new(rows: usize, columns: Vec<Vec<f64>>) -> Self {
        let mut inverse = vec![0.0; rows * rows];
        for i in 0..rows {
            inverse[i * rows + i] = 1.0;
        }
        let mut knapsack = Self {
            rows,
            parts: vec![Vec::with_capacity(columns.len()); rows],
            columns: 0,
            basis: (0..rows).collect(),
            inverse,
            x: vec![1.0; rows],
            carried: Vec::new(),
        };
        for column in columns {
            knapsack.push(&column);
        }
        knapsack
    }

    /// Adds a column; the optimum that was found stays a start.
    pub(super) fn push(&mut self, column: &[f64]) {
        let slack = self.columns;
        self.columns += 1;
        for (row, part) in self.parts.iter_mut().zip(column) {
            row.push(*part);
        }
        for basic in self.basis.iter_mut().filter(|b| **b >= slack) {
            *basic += 1;
        }
    }

    /// The most of one column that fits alone.
    pub(super) fn most_of(&self, column: usize) -> f64 {
        let parts = self.parts.iter().map(|row| row[column]);
        let largest = parts.fold(0.0_f64, f64::max);
        if largest > 0.0 { 1.0 / largest } else { 1e6 }
    }

    /// Parts that one item of each column takes of the rows.
    pub(super) fn columns(&self) -> Vec<Vec<f64>> {
        let column = |at| self.parts.iter().map(|row| row[at]).collect();
        (0..self.columns).map(column).collect()
    }

    /// What rows that are worth `y` carry for an item of each column.
    fn carry(&mut self, y: &[f64]) {
        self.carried.clear();
        self.carried.resize(self.columns, 0.0);
        for (row, y) in self.parts.iter().zip(y) {
            sums::take_times(&mut self.carried, -y, row);
        }
    }

    /// Solves for the values `v`, starting from the last optimum.
    pub(super) fn solve(&mut self, v: &[f64]) -> Filling {
        let (n, slack) = (self.rows, self.columns);
        let scale = v.iter().fold(0.0_f64, |a, b| a.max(*b)).max(1e-300);
        let mut y = vec![0.0; n];
        for _ in 0..50 * (n + 4) {
            y.fill(0.0);
            for (i, column) in self.basis.iter().enumerate() {
                if *column < slack && v[*column] != 0.0 {
                    let line = &self.inverse[i * n..(i + 1) * n];
                    sums::take_times(&mut y, -v[*column], line);
                }
            }
            let mut best = (1e-10 * scale, usize::MAX);
            self.carry(&y);
            for (j, (carried, value)) in self.carried.iter().zip(v).enumerate() {
                let over = value - carried;
                if over > best.0 {
                    best = (over, j);
                }
            }
            for (row, dual) in y.iter().enumerate() {
                if -dual > best.0 {
                    best = (-dual, slack + row);
                }
            }
            if best.1 == usize::MAX || !self.pivot(best.1) {
                break;
            }
        }
        for dual in &mut y {
            *dual = dual.max(0.0);
        }
        // A dual that stopped short is repaired: no column may be worth more
        // than the rows carry.
        let mut lift: f64 = 1.0;
        self.carry(&y);
        for (carried, value) in self.carried.iter().zip(v) {
            if *value > *carried && *carried > 0.0 {
                lift = lift.max(value / carried);
            }
        }
        if lift > 1.0 {
            for dual in &mut y {
                *dual *= lift;
            }
        }
        Filling {
            value: y.iter().sum(),
            amounts: self
                .basis
                .iter()
                .zip(&self.x)
                .filter(|(c, x)| **c < slack && **x > EPS)
                .map(|(c, x)| (*c, *x))
                .collect(),
            duals: y,
        }
    }

    fn pivot(&mut self, entering: usize) -> bool {
        let (n, slack) = (self.rows, self.columns);
        let column: Vec<f64> = match entering < slack {
            true => self.parts.iter().map(|row| row[entering]).collect(),
            false => Vec::new(),
        };
        let direction: Vec<f64> = (0..n)
            .map(|i| {
                let line = &self.inverse[i * n..(i + 1) * n];
                if entering >= slack {
                    line[entering - slack]
                } else {
                    sums::dot(&column, line)
                }
            })
            .collect();
        let mut leaving: Option<usize> = None;
        let mut step = f64::INFINITY;
        for (i, (d, x)) in direction.iter().zip(&self.x).enumerate() {
            if *d > EPS {
                let ratio = x.max(0.0) / d;
                let better = match leaving {
                    None => true,
                    Some(l) => {
                        ratio < step - 1e-12
                            || (ratio <= step + 1e-12 && self.basis[i] < self.basis[l])
                    }
                };
                if better {
                    step = ratio;
                    leaving = Some(i);
                }
            }
        }
        let Some(leaving) = leaving else {
            return false;
        };
        let pivot = direction[leaving];
        for j in 0..n {
            self.inverse[leaving * n + j] /= pivot;
        }
        let line: Vec<f64> = self.inverse[leaving * n..(leaving + 1) * n].to_vec();
        for (i, factor) in direction.iter().enumerate() {
            if i != leaving && *factor != 0.0 {
                let own = &mut self.inverse[i * n..(i + 1) * n];
                sums::take_times(own, *factor, &line);
            }
        }
        for (i, x) in self.x.iter_mut().enumerate() {
            if i == leaving {
                *x = step;
            } else {
                *x = (*x - step * direction[i]).max(0.0);
            }
        }
        self.basis[leaving] = entering;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knapsack_agrees_with_a_worked_case() {
        // Rows cpu and memory; a: 1/4, 1/8; b: 1/8, 1/4. Worth 3 and 2.
        let mut k = Knapsack::new(2, vec![vec![0.25, 0.125], vec![0.125, 0.25]]);
        let f = k.solve(&[3.0, 2.0]);
        // 8/3 of each: 8/3 × 5.
        assert!((f.value - 40.0 / 3.0).abs() < 1e-9, "{f:?}");
        let g = k.solve(&[5.0, 0.1]);
        assert!((g.value - 20.0).abs() < 1e-9, "{g:?}");
    }
}
