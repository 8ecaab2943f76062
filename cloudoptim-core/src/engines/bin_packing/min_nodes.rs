//! The fewest nodes that a plan with launches leaves, in a repacking.

use super::commitments::Prices;
use super::repacking::{Launched, Moved, Repacking, RepackingPoint};
use crate::model::{Cluster, MicroUsdPerHour, NodeName};
use crate::scheduling::capacity;
use std::collections::{BTreeMap, BTreeSet};

/// How many nodes have to be in service after launches.
pub(super) struct MinNodes {
    before: usize,
    least: usize,
}

impl MinNodes {
    pub(super) fn new(cluster: &Cluster, min_nodes: u32) -> Self {
        let (nodes, pools) = (cluster.nodes.items(), cluster.node_pools.items());
        let in_service = nodes
            .iter()
            .filter(|node| capacity::not_target(node, pools).is_empty());
        let before = in_service.count();
        let least = usize::try_from(min_nodes).unwrap_or(usize::MAX);
        Self {
            before,
            least: least.min(before),
        }
    }

    fn allow(&self, removed: usize, launched: usize) -> bool {
        let stay = self.before.saturating_sub(removed);
        launched == 0 || stay.saturating_add(launched) >= self.least
    }

    /// Whether a repacking leaves enough.
    pub(super) fn are_left(&self, point: &RepackingPoint) -> bool {
        self.allow(point.removed.len(), point.launched.len())
    }

    /// The cheapest repacking that leaves enough, of those found and of those
    /// that stop earlier: nodes are emptied one after the other, so each is
    /// possible.
    pub(super) fn cheapest(&self, found: &Repacking, prices: &Nodes) -> Option<RepackingPoint> {
        let points = found.points.iter();
        let all = points.filter_map(|point| self.stopped(point, found.cost_before, prices));
        all.min_by_key(|point| (point.cost, point.moved))
    }

    fn stopped(
        &self,
        point: &RepackingPoint,
        cost_before: MicroUsdPerHour,
        prices: &Nodes,
    ) -> Option<RepackingPoint> {
        let mut from: BTreeMap<&NodeName, Vec<&Moved>> = BTreeMap::new();
        for moved in &point.moves {
            from.entry(&moved.from).or_default().push(moved);
        }
        let launched: BTreeMap<&NodeName, &Launched> =
            point.launched.iter().map(|l| (&l.name, l)).collect();
        let moved_to: BTreeSet<&NodeName> = point.moves.iter().map(|m| &m.to).collect();
        // What only pods that wait come to is there from the beginning.
        let others = launched
            .iter()
            .filter(|(name, _)| !moved_to.contains(*name));
        let mut used: BTreeMap<&NodeName, &Launched> = others.map(|(n, l)| (*n, *l)).collect();
        let mut saved = MicroUsdPerHour::ZERO;
        let mut best: Option<(MicroUsdPerHour, usize)> = None;
        for (at, node) in point.removed.iter().enumerate() {
            saved += prices.get(node).copied().unwrap_or_default();
            for moved in from.get(node).into_iter().flatten() {
                let new = launched.get_key_value(&moved.to);
                used.extend(new.map(|(name, launched)| (*name, *launched)));
            }
            let bought: MicroUsdPerHour = used.values().map(|l| l.price).sum();
            let cost = cost_before - saved + bought;
            let cheaper = best.is_none_or(|(least, _)| cost < least);
            if cheaper && self.allow(at + 1, used.len()) {
                best = Some((cost, at + 1));
            }
        }
        let (cost, count) = best?;
        let removed: Vec<NodeName> = point.removed.iter().take(count).cloned().collect();
        let moves = point.moves.iter().filter(|m| removed.contains(&m.from));
        let moves: Vec<Moved> = moves.cloned().collect();
        let comes = |new: &&Launched| {
            !moved_to.contains(&new.name) || moves.iter().any(|m| m.to == new.name)
        };
        let launched = point.launched.iter().filter(comes).cloned().collect();
        Some(RepackingPoint {
            cost,
            moved: u64::try_from(moves.len()).unwrap_or(u64::MAX),
            removed,
            launched,
            moves,
            ..point.clone()
        })
    }
}

/// What nodes cost.
pub(super) type Nodes = BTreeMap<NodeName, MicroUsdPerHour>;

pub(super) fn node_prices(cluster: &Cluster, prices: &Prices) -> Nodes {
    let nodes = cluster.nodes.items().iter();
    let priced = nodes.filter_map(|node| Some((node.name(), prices.of(node)?)));
    priced.collect()
}
