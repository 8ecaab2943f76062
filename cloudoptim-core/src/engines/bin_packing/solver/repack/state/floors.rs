//! How many nodes of a kind have to be left: minima of what nodes take.

use super::super::super::solution::NewNode;
use super::{Base, Trial};
use std::collections::BTreeMap;

/// A purchase limit with a minimum.
pub(super) struct Floor {
    /// Index of the limit.
    limit: usize,
    min: u64,
    /// What each node of the fleet takes of it.
    held: Vec<u64>,
}

impl Floor {
    /// The minima of a fleet; none that its nodes have no part in.
    pub(super) fn all(fleet: &super::Fleet) -> Vec<Self> {
        let limits = fleet.problem.purchase_limits.iter().enumerate();
        let floors = limits
            .filter(|(_, limit)| limit.min > 0)
            .map(|(limit, of)| Self {
                limit,
                min: of.min,
                held: fleet
                    .holdings
                    .iter()
                    .map(|h| {
                        let own = h.takes.iter().filter(|(l, _)| *l == limit);
                        own.fold(0, |sum, (_, amount)| amount.saturating_add(sum))
                    })
                    .collect(),
            });
        floors
            .filter(|floor| floor.held.iter().any(|held| *held > 0))
            .collect()
    }

    /// What a new node takes.
    fn of_new(&self, base: &Base<'_>, (ty, offering): (usize, usize)) -> u64 {
        base.takes[self.limit][ty][offering]
    }
}

impl Trial {
    /// What is taken of a minimum, with `going` gone, and whether any node of the
    /// fleet that took of it is gone.
    fn taken_of(&self, base: &Base<'_>, floor: &Floor, going: Option<usize>) -> (u64, bool) {
        let gone = |node: usize| self.gone[node] || going == Some(node);
        let (mut taken, mut went) = (0u64, false);
        for (node, held) in floor.held.iter().enumerate().filter(|(_, held)| **held > 0) {
            if gone(node) {
                went = true;
            } else {
                taken = taken.saturating_add(*held);
            }
        }
        let bought = self.bought.iter().zip(base.price.len()..);
        for (new, _) in bought.filter(|(_, node)| !gone(*node)) {
            let of = (new.node.node_type, new.node.offering);
            taken = taken.saturating_add(floor.of_new(base, of));
        }
        (taken, went)
    }

    /// Whether minima are kept when a node goes and others come: new ones by type
    /// and offering, and one that had gone.
    pub(super) fn keeps_minima(
        &self,
        base: &Base<'_>,
        going: Option<usize>,
        new: &[(usize, usize)],
        back: Option<usize>,
    ) -> bool {
        base.floors.iter().all(|floor| {
            let (mut taken, went) = self.taken_of(base, floor, going);
            for of in new {
                taken = taken.saturating_add(floor.of_new(base, *of));
            }
            let back = back.and_then(|node| floor.held.get(node));
            taken = taken.saturating_add(back.copied().unwrap_or(0));
            !went || taken >= floor.min
        })
    }

    /// [`Trial::keeps_minima`] for nodes that were bought for what they hold.
    pub(super) fn keeps_minima_with(&self, base: &Base<'_>, new: &[NewNode]) -> bool {
        let new: Vec<(usize, usize)> = new.iter().map(|n| (n.node_type, n.offering)).collect();
        self.keeps_minima(base, None, &new, None)
    }

    /// The offers that count for a minimum which is not kept: `None` when all are.
    pub(super) fn wanted_offers(&self, base: &Base<'_>) -> Option<Vec<Vec<bool>>> {
        let short: Vec<&Floor> = base
            .floors
            .iter()
            .filter(|floor| {
                let (taken, went) = self.taken_of(base, floor, None);
                went && taken < floor.min
            })
            .collect();
        let types = base.fleet.problem.types.iter().enumerate();
        let offers = types.map(|(ty, t)| {
            let counts = |at: usize| short.iter().any(|floor| floor.of_new(base, (ty, at)) > 0);
            (0..t.offerings.len()).map(counts).collect()
        });
        (!short.is_empty()).then(|| offers.collect())
    }

    /// Those of `order` that minima let go one after the other, with nothing bought.
    pub(in super::super) fn spared(&self, base: &Base<'_>, order: &[usize]) -> Vec<usize> {
        if base.floors.is_empty() {
            return order.to_vec();
        }
        let mut spare: Vec<u64> = base
            .floors
            .iter()
            .map(|floor| {
                let (taken, _) = self.taken_of(base, floor, None);
                taken.saturating_sub(floor.min)
            })
            .collect();
        let own = base.price.len();
        let part = |floor: &Floor, node: usize| match node.checked_sub(own) {
            None => floor.held[node],
            Some(at) => self.bought.get(at).map_or(0, |new| {
                floor.of_new(base, (new.node.node_type, new.node.offering))
            }),
        };
        let mut out = Vec::with_capacity(order.len());
        for node in order {
            let gone = self.gone[*node];
            let parts = base.floors.iter();
            let parts: Vec<u64> = parts
                .map(|f| if gone { 0 } else { part(f, *node) })
                .collect();
            if parts.iter().zip(&spare).all(|(part, left)| part <= left) {
                for (left, part) in spare.iter_mut().zip(parts) {
                    *left -= part;
                }
                out.push(*node);
            }
        }
        out
    }

    /// Puts a cheaper new node in the place of one that a minimum holds, with all
    /// that is on it, if that costs at most `budget`.
    pub(in super::super) fn swap(&mut self, base: &Base<'_>, node: usize, budget: i64) -> bool {
        let held = node < base.price.len() && !self.gone[node];
        if base.floors.is_empty() || !held || self.keeps_minima(base, Some(node), &[], None) {
            return false;
        }
        let items: BTreeMap<usize, u32> = self.items_on(base, node).into_iter().collect();
        // What nothing stands on is not launched.
        if items.is_empty() || self.bins[node].bound_together(base.model) {
            return false;
        }
        let mut next = self.clone();
        let excess = next.zones.total();
        let (model, zone) = (base.model, next.bins[node].zone);
        next.arrived[node].clear();
        for (kind, n) in &items {
            next.bins
                .change(node, |bin| bin.release_present(model, *kind, *n));
            if let Some(zone) = zone {
                next.zones.shift(*kind, zone, -i64::from(*n));
            }
        }
        next.mark(node, true);
        let new = next.one_for(base, &items, budget);
        self.work += next.work - self.work;
        let Some(new) = new else { return false };
        next.removed.push(node);
        next.cost += new.price.0 - next.price(base, node);
        next.evictions += items.values().map(|n| u64::from(*n)).sum::<u64>();
        next.stand(base, new);
        next.moved = next.moved_now(base);
        if next.zones.total() > excess {
            return false;
        }
        *self = next;
        true
    }
}
