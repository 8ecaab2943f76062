//! The master of a programme over fillings, for what is left.

use super::super::lp::{Column, Master};
use super::{Config, Programme};

/// How much dearer than real fillings it is to leave items out; more where limits
/// may leave no room for them.
const DEAR: f64 = 1.5;
const DEAR_WITHIN_LIMITS: f64 = 6.0;

/// Once this part of a master's rows has nothing left to cover, in eighths, one
/// without them is quicker.
const COVERED: usize = 2;

/// A master, which knows only the rows of which something was left when it was made.
pub(super) struct Solved {
    pub(super) master: Master,
    /// The configuration of each column.
    pub(super) from: Vec<Option<usize>>,
    /// Its rows, by row of the programme, and the other way round.
    pub(super) rows: Vec<usize>,
    pub(super) at: Vec<Option<usize>>,
}

impl Solved {
    /// What its rows are worth, by row of the programme: nothing where it has none.
    pub(super) fn duals(&self) -> Vec<f64> {
        let duals = self.master.duals();
        let of = |at: &Option<usize>| at.map_or(0.0, |at| duals[at]);
        self.at.iter().map(of).collect()
    }
}

impl Programme<'_> {
    /// A configuration in a master whose rows are `at`.
    pub(super) fn column(&self, config: &Config, at: &[Option<usize>]) -> Option<Column> {
        let pricer = self.pricers.iter().find(|p| p.ty == config.ty)?;
        let row = |row: usize| Some(at[row]? as u32);
        let counts = config.counts.iter();
        let mut entries: Vec<(u32, f64)> = counts
            .filter_map(|(s, n)| Some((row(self.row_of[*s]?)?, f64::from(*n))))
            .collect();
        if !entries.is_empty() {
            let first = self.shapes.len();
            let taken = pricer.takes.iter();
            entries.extend(taken.filter_map(|(limit, amount)| {
                let part = *amount as f64 / self.limits[*limit];
                Some((row(first + limit)?, -part))
            }));
        }
        Some(Column {
            cost: pricer.price.max(1e-3) + pricer.pricer.beside_of(&config.counts),
            entries,
        })
    }

    /// What is asked of each row.
    fn right(&self, left: &[u32]) -> Vec<f64> {
        let rows = self.shapes.iter();
        let rows = rows.map(|s| f64::from(left[*s]).max(1e-7));
        let limits = self.limits.iter().zip(&self.limits_left);
        let limits = limits.map(|(max, left)| -(*left as f64) / max);
        rows.chain(limits).collect()
    }

    /// A master for what is left, over all configurations or some; `None` when a
    /// shape with something left has no filling of its own.
    pub(super) fn master(&self, left: &[u32], some: Option<&[Option<usize>]>) -> Option<Solved> {
        let right = self.right(left);
        let open = |row: &usize| self.shapes.get(*row).is_none_or(|s| left[*s] > 0);
        let rows: Vec<usize> = (0..right.len()).filter(open).collect();
        let mut at = vec![None; right.len()];
        for (new, row) in rows.iter().enumerate() {
            at[*row] = Some(new);
        }
        let mut start = Vec::with_capacity(rows.len());
        let mut from: Vec<Option<usize>> = Vec::new();
        let dear = if self.limits.is_empty() {
            DEAR
        } else {
            DEAR_WITHIN_LIMITS
        };
        for (new, s) in rows
            .iter()
            .filter_map(|row| self.shapes.get(*row))
            .enumerate()
        {
            let best = self
                .pricers
                .iter()
                .filter(|p| self.scope.model.types[p.ty].fits[*s] > 0)
                .map(|p| {
                    let fit = self.scope.model.types[p.ty].fits[*s];
                    let price = p.price + p.pricer.beside_of(&[(*s, fit)]);
                    (price / f64::from(fit), price, fit)
                })
                .min_by(|a, b| a.0.total_cmp(&b.0))?;
            start.push(Some(Column {
                // Dearer than any real filling, so that it leaves.
                cost: best.1.max(1e-3) * dear,
                entries: vec![(new as u32, f64::from(best.2))],
            }));
            from.push(None);
        }
        start.extend(self.limits.iter().map(|_| None));
        let right = rows.iter().map(|row| right[*row]).collect();
        let mut master = Master::new(right, start).until(&self.scope.model.stop);
        let all = (0..self.configs.len()).filter(|_| some.is_none());
        for i in all.chain(some.into_iter().flatten().flatten().copied()) {
            if let Some(column) = self.column(&self.configs[i], &at)
                && !column.entries.is_empty()
            {
                master.add(column);
                from.push(Some(i));
            }
        }
        Some(Solved {
            master,
            from,
            rows,
            at,
        })
    }

    /// The master as last solved, asked for what is left; a smaller one if much is
    /// covered. Whether its duals are other ones now.
    pub(super) fn again(&mut self, left: &[u32], limit: u64) -> Option<(Solved, bool)> {
        let mut solved = self.solved.take()?;
        let open = |row: &usize| self.shapes.get(*row).is_some_and(|s| left[*s] > 0);
        let all = (0..self.shapes.len()).filter(open).count();
        let known = solved.rows.iter().copied().filter(|row| open(row)).count();
        if known < all {
            return None;
        }
        let rows = solved.rows.len() - self.limits.len();
        if (rows - known) * 8 > rows * COVERED {
            return Some((self.master(left, Some(&solved.from))?, true));
        }
        let right = self.right(left);
        let right = solved.rows.iter().map(|row| right[*row]).collect();
        let before = solved.master.pivots;
        let asked = solved.master.ask(right, limit);
        let pivots = solved.master.pivots - before;
        self.pivots += pivots;
        asked.is_ok().then_some((solved, pivots > 0))
    }
}
