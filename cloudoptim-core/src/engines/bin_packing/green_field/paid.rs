//! Nodes that are paid for whether they are bought or not.

use super::kinds::NewKind;
use super::room::Rooms;
use crate::engines::bin_packing::solver::{Problem, gcd};
use crate::model::{CapacityType, MicroUsdPerHour};

/// A node counts at least a thousandth of the cheapest that costs more.
const PARTS: i64 = 1_000;

/// What nodes that cost next to nothing are dearer for the search.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dearer {
    /// The most that all of them are together.
    most: i64,
    /// What all true prices are a multiple of.
    step: u64,
}

impl Dearer {
    /// Prices nodes that cost next to nothing a little higher: the search counts in
    /// prices, and could not tell few nodes without one from many.
    pub(super) fn new(problem: &mut Problem, kinds: &[NewKind], rooms: &Rooms) -> Self {
        let offers = problem.types.iter().flat_map(|t| &t.offerings);
        let prices: Vec<i64> = offers.filter_map(|o| Some(o.price?.0)).collect();
        let dear = prices.iter().filter(|price| **price > 0);
        // The cheapest that is no such node itself.
        let highest = prices.iter().max().copied().unwrap_or(0);
        let cheapest = dear
            .filter(|price| **price > highest / (PARTS * PARTS))
            .min();
        let least = cheapest.map_or(0, |cheapest| (cheapest / PARTS).max(1));
        let (mut each, mut only_reserved) = (0, true);
        for (of, kind) in problem.types.iter_mut().zip(kinds) {
            for price in of.offerings.iter_mut().filter_map(|o| o.price.as_mut()) {
                if price.0 < least {
                    each = each.max(least - price.0);
                    price.0 = least;
                    only_reserved &= kind.capacity_type == CapacityType::Reserved;
                }
            }
        }
        // No node is empty.
        let items = problem.classes.iter().map(|class| u64::from(class.count));
        let items = items.fold(0, u64::saturating_add);
        let nodes = match only_reserved {
            true => items.min(rooms.reserved()),
            false => items,
        };
        let nodes = i64::try_from(nodes).unwrap_or(i64::MAX);
        Self {
            most: each.saturating_mul(nodes),
            step: prices.iter().fold(0, |step, p| gcd(step, p.unsigned_abs())),
        }
    }

    /// The bound of the true costs from one of those of the search.
    pub(super) fn without(self, bound: MicroUsdPerHour) -> MicroUsdPerHour {
        if self.most == 0 {
            return bound;
        }
        let bound = bound.0.saturating_sub(self.most).max(0);
        let step = i64::try_from(self.step).unwrap_or(1);
        let over = bound.checked_rem(step).unwrap_or(0);
        let up = if over > 0 { step - over } else { 0 };
        MicroUsdPerHour(bound.saturating_add(up))
    }
}
