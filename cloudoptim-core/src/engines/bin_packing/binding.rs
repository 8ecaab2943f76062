//! Limits that may hold launches back.

use super::Config;
use super::commitments::Prices;
use super::limits::{LaunchLimit, Limits, Uses};
use crate::model::{Cluster, MicroUsdPerHour};
use std::collections::BTreeMap;

/// What one node that somebody offers takes of limits, and costs.
pub(super) type Ask = (Uses, MicroUsdPerHour);

/// How much a repacking could take of limits that do not count.
pub(super) struct Appetite {
    /// New nodes: each holds a pod.
    nodes: i128,
    /// What they cost together: no more than what is there now, and a node of the
    /// dearest kind for each pod that waits. That a node without a price goes saves
    /// nothing that is known, and pays for none.
    budget: i128,
}

impl Appetite {
    pub(super) fn new(config: &Config, cluster: &Cluster, prices: &Prices, asks: &[Ask]) -> Self {
        let pods = cluster.pods.items();
        let rooms: i128 = config.headroom.iter().map(|h| i128::from(h.pods)).sum();
        let count = |n: usize| i128::try_from(n).unwrap_or(i128::MAX);
        let waiting = count(pods.iter().filter(|pod| pod.node().is_none()).count());
        let dearest = asks.iter().map(|(_, price)| price.0.max(0)).max();
        let nodes = cluster.nodes.items().iter();
        let now = nodes.filter_map(|node| Some(i128::from(prices.of(node)?.0.max(0))));
        let for_waiting = waiting.saturating_add(rooms);
        let for_waiting = for_waiting.saturating_mul(i128::from(dearest.unwrap_or(0)));
        Self {
            nodes: count(pods.len()).saturating_add(rooms),
            budget: now.fold(for_waiting, i128::saturating_add),
        }
    }

    /// No repacking that is worth it takes more of a limit than this, by what its
    /// nodes take and cost.
    fn most<'a>(&self, asks: impl Iterator<Item = (u64, &'a MicroUsdPerHour)>) -> i128 {
        let (mut by_nodes, mut by_cost) = (0_i128, 0_i128);
        for (amount, price) in asks {
            let amount = i128::from(amount);
            by_nodes = by_nodes.max(self.nodes.saturating_mul(amount));
            let all = self.budget.saturating_mul(amount);
            by_cost = by_cost.max(all.checked_div(i128::from(price.0)).unwrap_or(i128::MAX));
        }
        by_nodes.min(by_cost)
    }

    /// The limits that may hold something back, those first of which there is least:
    /// all that are not known, and all that have less room before a node goes than
    /// could be taken of them.
    pub(super) fn binding(&self, asks: &[Ask], limits: &Limits<'_>) -> Vec<LaunchLimit> {
        let mut by_limit: BTreeMap<&LaunchLimit, Vec<(u64, &MicroUsdPerHour)>> = BTreeMap::new();
        for (uses, price) in asks {
            for (limit, amount) in uses.iter().filter(|(_, amount)| **amount > 0) {
                by_limit.entry(limit).or_default().push((*amount, price));
            }
        }
        // What is there at once says nothing of the end.
        by_limit.remove(&LaunchLimit::Surge);
        let mut binding: Vec<(i128, &LaunchLimit)> = Vec::new();
        for (limit, asks) in by_limit {
            let most = self.most(asks.into_iter());
            match limits.known(limit) {
                Ok(None) => {}
                Ok(Some(free)) if free >= most => {}
                Ok(Some(free)) => {
                    let part = free.max(0).saturating_mul(1_000_000).checked_div(most);
                    binding.push((part.unwrap_or(0), limit));
                }
                Err(_) => binding.push((0, limit)),
            }
        }
        binding.sort();
        binding
            .into_iter()
            .map(|(_, limit)| limit.clone())
            .collect()
    }
}
