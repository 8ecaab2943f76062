//! The search itself: with the nodes that groups keep, and what is proven.

use super::BoughtFor;
use super::kinds::NewKind;
use super::minimum::Minima;
use super::paid::Dearer;
use crate::engines::bin_packing::fleet::Fresh;
use crate::engines::bin_packing::solver::{
    Effort, Placed, Problem, ProblemError, PurchaseLimit, Solution, solve_until,
};
use crate::model::MicroUsdPerHour;
use crate::providers::Deadline;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// A node to be bought, and what comes to it.
pub(super) struct ToBuy {
    pub(super) kind: usize,
    /// Name of its zone.
    pub(super) zone: String,
    pub(super) price: MicroUsdPerHour,
    pub(super) items: Vec<Placed>,
    pub(super) bought_for: BoughtFor,
}

/// What was found, and what is proven.
pub(super) struct Found {
    pub(super) solution: Solution,
    pub(super) to_buy: Vec<ToBuy>,
    pub(super) lower_bound: MicroUsdPerHour,
    pub(super) proof: String,
}

impl Found {
    /// The fewer items are left, and the less it costs, the better.
    fn rank(&self) -> (u64, MicroUsdPerHour) {
        let left = self.solution.unplaced.iter().map(|u| u64::from(u.count));
        let cost: MicroUsdPerHour = self.to_buy.iter().map(|new| new.price).sum();
        (left.sum(), cost + self.solution.preferences)
    }
}

/// What is searched, with every price as the search counts it.
#[derive(Clone, Copy)]
pub(super) struct Search<'s> {
    pub(super) fresh: &'s Fresh,
    pub(super) kinds: &'s [NewKind],
    pub(super) dearer: Dearer,
    pub(super) effort: &'s Effort,
    pub(super) deadline: Option<&'s Deadline>,
}

impl Search<'_> {
    /// The cheapest nodes found with those that groups keep. `rest` is what these
    /// leave of the limits in the problem.
    ///
    /// Nodes are bought as if no group kept any, which needs no more than that where
    /// pods take so many of each group anyway; else what is missing of them is bought
    /// without pods, or all of them are bought first, whichever is cheaper. Both
    /// bounds hold: whoever keeps the minima has bought what anybody may buy.
    pub(super) fn run(
        self,
        minima: &Minima,
        rest: Vec<PurchaseLimit>,
    ) -> Result<Found, ProblemError> {
        let (solution, lower_bound, proof) = self.solved(&self.fresh.problem)?;
        let topped = minima.topped(&solution, &self.fresh.problem.purchase_limits);
        let all_there = topped
            .as_ref()
            .is_some_and(|more| more.values().all(|n| *n == 0));
        let alone = topped.map(|more| {
            let to_buy = self.topped(&solution, minima, &more);
            Found {
                solution,
                to_buy,
                lower_bound,
                proof: proof.clone(),
            }
        });
        let alone = match alone {
            Some(alone) if all_there => return Ok(alone),
            other => other,
        };
        let mut problem = self.fresh.problem.clone();
        problem.purchase_limits = rest;
        minima.put_into(&mut problem);
        let (solution, lower, own_proof) = self.solved(&problem)?;
        let first = Found {
            to_buy: self.kept_first(&solution, minima),
            solution,
            lower_bound: lower + minima.cost,
            proof: own_proof,
        };
        let (lower_bound, proof) = match first.lower_bound >= lower_bound {
            true => (first.lower_bound, first.proof.clone()),
            false => (lower_bound, proof),
        };
        let best = match alone {
            Some(alone) if alone.rank() <= first.rank() => alone,
            _ => first,
        };
        Ok(Found {
            lower_bound,
            proof,
            ..best
        })
    }

    fn in_time(self, problem: &Problem, effort: &Effort) -> Result<Solution, ProblemError> {
        solve_until(problem, effort, self.deadline, &mut |_| {
            ControlFlow::Continue(())
        })
    }

    /// A solution, what it proves of true prices, and how.
    fn solved(
        self,
        problem: &Problem,
    ) -> Result<(Solution, MicroUsdPerHour, String), ProblemError> {
        let solution = self.in_time(problem, self.effort)?;
        let (lower, proof) = self.bound(problem, &solution)?;
        Ok((solution, self.dearer.without(lower), proof))
    }

    /// The bound, without the rules that are stricter here than for the scheduler.
    fn bound(
        self,
        problem: &Problem,
        solution: &Solution,
    ) -> Result<(MicroUsdPerHour, String), ProblemError> {
        let method = |solution: &Solution| format!("{:?} bound", solution.proof.method);
        let narrow = &self.fresh.narrow_rules;
        if narrow.is_empty() {
            return Ok((solution.lower_bound, method(solution)));
        }
        let rules = problem.rules.iter().enumerate();
        let real = rules.filter(|(i, _)| !narrow.contains(i));
        let wider = Problem {
            rules: real.map(|(_, rule)| rule.clone()).collect(),
            ..problem.clone()
        };
        let wider = self.in_time(&wider, &self.effort.clone().with_strategies(1))?;
        let proof = format!(
            "{}, spreads over nodes and host ports left out",
            method(&wider)
        );
        Ok((wider.lower_bound, proof))
    }

    /// The new nodes of a solution. The first of a group are those that it keeps, and
    /// with `more` of each kind, which have no pods, they are enough.
    fn topped(
        self,
        solution: &Solution,
        minima: &Minima,
        more: &BTreeMap<usize, u32>,
    ) -> Vec<ToBuy> {
        let mut kept: BTreeMap<usize, (u32, u32)> = minima.bought().collect();
        let mut to_buy: Vec<ToBuy> = self.bought(solution).collect();
        for new in &mut to_buy {
            if let Some((left @ 1.., min_size)) = kept.get_mut(&new.kind) {
                *left -= 1;
                let min_size = *min_size;
                new.bought_for = BoughtFor::GroupMinimum { min_size };
            }
        }
        for (kind, count) in more {
            let min_size = kept.get(kind).map_or(0, |(_, min_size)| *min_size);
            for _ in 0..*count {
                to_buy.extend(self.kept(*kind, min_size, Vec::new()));
            }
        }
        to_buy
    }

    /// The nodes of a solution of which those that groups keep were there before.
    fn kept_first(self, solution: &Solution, minima: &Minima) -> Vec<ToBuy> {
        let reused = solution.reused.iter();
        let mut reused: BTreeMap<usize, Vec<Placed>> =
            reused.map(|of| (of.node, of.items.clone())).collect();
        let nodes = minima.nodes().enumerate();
        let kept = nodes.filter_map(|(node, (kind, min_size))| {
            self.kept(kind, min_size, reused.remove(&node).unwrap_or_default())
        });
        let kept: Vec<ToBuy> = kept.collect();
        kept.into_iter().chain(self.bought(solution)).collect()
    }

    fn kept(self, kind: usize, min_size: u32, items: Vec<Placed>) -> Option<ToBuy> {
        let mut zones = self.kinds.get(kind)?.launchable.zones.iter();
        let (zone, (_, price)) = zones.next()?;
        Some(ToBuy {
            kind,
            zone: zone.clone(),
            price: *price,
            items,
            bought_for: BoughtFor::GroupMinimum { min_size },
        })
    }

    fn bought(self, solution: &Solution) -> impl Iterator<Item = ToBuy> {
        solution.nodes.iter().filter_map(move |new| {
            let zone = self.fresh.zones.get(new.zone?)?;
            let kind = self.kinds.get(new.node_type)?;
            let (_, price) = kind.launchable.zones.get(zone)?;
            Some(ToBuy {
                kind: new.node_type,
                zone: zone.clone(),
                price: *price,
                items: new.items.clone(),
                bought_for: BoughtFor::Pods,
            })
        })
    }
}
