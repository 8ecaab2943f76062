//! The last step of the search: the programme over whole fillings, solved in
//! whole numbers.
//!
//! Over the fillings that are known, how many of each cover all items at least
//! cost? What the linear programme over the same fillings costs leaves out all
//! that no better packing can use: a filling whose reduced cost is no less than
//! what is still open. Surplus is left out when the nodes are filled. Only small
//! programmes are asked; what none of the fillings can do stays undone.

use super::columns::{Config, Near};
use super::integer::{Answer, Holds, Programme, Row, Solver};

/// Above so many rows or columns nothing is asked.
const MAX_ROWS: usize = 120;
const MAX_COLUMNS: usize = 400;

/// Nodes of the tree for programmes of any size, and entries of all their
/// programmes together: larger ones get fewer.
const MAX_NODES: u64 = 400;
const ENTRIES: u64 = 1_500_000;

/// What the integer programme says.
#[derive(Debug, Clone, Default)]
pub(super) struct Cover {
    /// Fillings and how many nodes of each; empty when none are better.
    pub(super) plan: Vec<(Config, u32)>,
    /// The solver failed, or what it said was of no use.
    pub(super) failed: bool,
}

/// The cheapest cover of `near.left` that costs less than `cost`, which a packing
/// is known to cost, in steps of `step`, by the first of `solvers` that does not
/// fail.
pub(super) fn cover(near: &Near, cost: u64, step: u64, solvers: &[Solver]) -> Cover {
    let (rows, columns) = (near.rows.len(), near.configs.len());
    if rows > MAX_ROWS || columns > MAX_COLUMNS || columns == 0 {
        return Cover::default();
    }
    let step = step.max(1);
    let better = cost.saturating_sub(1) / step;
    let mut programme = Programme::default();
    for (config, price, available) in &near.configs {
        // No more than cover everything by themselves.
        let counts = config.counts.iter();
        let enough = counts
            .map(|(s, n)| near.left(*s).div_ceil((*n).max(1)))
            .max();
        let most = enough.unwrap_or(0).min(*available);
        programme.columns.push((price / step, most));
    }
    for (shape, left) in &near.rows {
        let parts = near
            .configs
            .iter()
            .enumerate()
            .filter_map(|(i, (config, ..))| {
                let mut counts = config.counts.iter();
                let (_, n) = counts.find(|(s, _)| s == shape)?;
                Some((i, u64::from(*n)))
            });
        programme.rows.push(Row {
            parts: parts.collect(),
            holds: Holds::AtLeast,
            bound: u64::from(*left),
        });
    }
    let mut scarce: Vec<(usize, u32)> = Vec::new();
    for (config, _, available) in &near.configs {
        if *available < u32::MAX && !scarce.iter().any(|(ty, _)| *ty == config.ty) {
            scarce.push((config.ty, *available));
        }
    }
    for (ty, available) in scarce {
        let of = |(_, (config, ..)): &(usize, &(Config, u64, u32))| config.ty == ty;
        let parts = near.configs.iter().enumerate().filter(of);
        programme.rows.push(Row {
            parts: parts.map(|(i, _)| (i, 1)).collect(),
            holds: Holds::AtMost,
            bound: u64::from(available),
        });
    }
    programme.rows.push(Row {
        parts: programme
            .columns
            .iter()
            .enumerate()
            .map(|(i, (price, _))| (i, *price))
            .collect(),
        holds: Holds::AtMost,
        bound: better,
    });
    let nodes = (ENTRIES / (rows * columns) as u64).clamp(1, MAX_NODES);
    match programme.solve(solvers, nodes) {
        Answer::Found(counts) => {
            let plan = near.configs.iter().zip(counts);
            let plan = plan.filter(|(_, n)| *n > 0);
            Cover {
                plan: plan.map(|((config, ..), n)| (config.clone(), n)).collect(),
                failed: false,
            }
        }
        Answer::Nothing | Answer::Open => Cover::default(),
        Answer::Failed => Cover {
            failed: true,
            ..Cover::default()
        },
    }
}
