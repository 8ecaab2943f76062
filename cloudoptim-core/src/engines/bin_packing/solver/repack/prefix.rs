//! The search that Karpenter's consolidation makes, told anew: nodes by what
//! they save for what they disturb, the longest prefix that can go together
//! with at most one new node, then single nodes, until nothing more goes.
//!
//! Idealised: no timeout, no pause, no disruption budget.

use super::state::{Base, Fit, Trial};

/// Runs to rest from `trial` on, telling `found` of every step.
pub(super) fn run(
    base: &Base<'_>,
    mut trial: Trial,
    candidates: usize,
    limit: u64,
    found: &mut dyn FnMut(&Trial),
) -> Trial {
    let all: Vec<usize> = (0..base.price.len()).collect();
    let empty: Vec<usize> = all
        .iter()
        .copied()
        .filter(|n| base.empty(*n) && !trial.gone[*n])
        .collect();
    let empty = trial.spared(base, &empty);
    let late = || base.model.stop.is_due();
    trial.remove(base, &empty, Fit::First);
    found(&trial);
    while !late() {
        let all: Vec<usize> = (0..trial.nodes()).collect();
        let order = ordered(base, &trial, &all);
        let mut first: Vec<usize> = order.iter().copied().take(candidates).collect();
        first = trial.spared(base, &first);
        if first.len() >= 2 && together(base, &mut trial, &first, limit) {
            found(&trial);
            continue;
        }
        let single = order
            .iter()
            .any(|n| trial.work < limit && !late() && goes(base, &mut trial, &[*n]));
        if !single {
            break;
        }
        found(&trial);
    }
    trial
}

/// Nodes that may go, the most saved for each pod first.
fn ordered(base: &Base<'_>, trial: &Trial, nodes: &[usize]) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> = nodes
        .iter()
        .filter(|n| trial.removable(base, **n) && !trial.gone[**n])
        .map(|n| {
            let items = trial.standing_on(base, *n);
            (trial.price(base, *n) as f64 / (1.0 + items as f64), *n)
        })
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    order.into_iter().map(|(_, n)| n).collect()
}

/// The longest prefix that goes, by bisection.
fn together(base: &Base<'_>, trial: &mut Trial, order: &[usize], limit: u64) -> bool {
    let (mut low, mut high) = (1, order.len());
    let mut best: Option<Trial> = None;
    while low <= high {
        let middle = usize::midpoint(low, high);
        let mut next = trial.clone();
        let late = base.model.stop.is_due();
        let went = next.work < limit && !late && goes(base, &mut next, &order[..middle]);
        trial.work = next.work;
        if went {
            best = Some(next);
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    // A prefix of one is what the scan of single nodes does.
    let Some(best) = best.filter(|b| b.removed.len() > trial.removed.len() + 1) else {
        return false;
    };
    *trial = best;
    true
}

/// Whether nodes can go with at most one new node, cheaper than all of them.
fn goes(base: &Base<'_>, trial: &mut Trial, nodes: &[usize]) -> bool {
    if trial.remove(base, nodes, Fit::First) {
        return true;
    }
    if base.fleet.problem.types.is_empty() {
        return false;
    }
    let saved: i64 = nodes.iter().map(|n| trial.price(base, *n)).sum();
    trial.replace_by_one(base, nodes, Fit::First, saved - 1)
}
