//! The answer, and how far it is from the best one.

use crate::model::MicroUsdPerHour;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much work [`solve`](super::solve) may do, in counts, never in seconds:
/// the same effort gives the same answer on any machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Effort {
    /// Attempts to put an item on a node, over all strategies. Default 200
    /// million: some seconds. The first strategy always runs to its end.
    pub placements: u64,
    /// Simplex pivots spent on the lower bound. Default 20,000.
    pub bound_pivots: u64,
    /// Labels that the exact pricing of the bound may make, and other steps that
    /// take as long. Default 20 million: up to some 15 s where no table helps.
    /// Zero leaves the fluid bound.
    pub bound_labels: u64,
    /// Strategies of the portfolio to try, in their fixed order. Default: all.
    pub strategies: u32,
    /// Rounds of the removal, merging and right-sizing pass. Default 8.
    pub improvement_rounds: u32,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            placements: 200_000_000,
            bound_pivots: 20_000,
            bound_labels: 20_000_000,
            strategies: u32::MAX,
            improvement_rounds: 8,
        }
    }
}

impl Effort {
    /// The least that gives a full answer: one strategy, a quick bound.
    pub fn quick() -> Self {
        Self {
            placements: 0,
            bound_pivots: 500,
            bound_labels: 0,
            strategies: 1,
            improvement_rounds: 1,
        }
    }

    /// Sets [`Effort::placements`].
    #[must_use]
    pub fn with_placements(mut self, placements: u64) -> Self {
        self.placements = placements;
        self
    }

    /// Sets [`Effort::bound_pivots`].
    #[must_use]
    pub fn with_bound_pivots(mut self, bound_pivots: u64) -> Self {
        self.bound_pivots = bound_pivots;
        self
    }

    /// Sets [`Effort::bound_labels`].
    #[must_use]
    pub fn with_bound_labels(mut self, bound_labels: u64) -> Self {
        self.bound_labels = bound_labels;
        self
    }

    /// Sets [`Effort::strategies`].
    #[must_use]
    pub fn with_strategies(mut self, strategies: u32) -> Self {
        self.strategies = strategies;
        self
    }

    /// Sets [`Effort::improvement_rounds`].
    #[must_use]
    pub fn with_improvement_rounds(mut self, improvement_rounds: u32) -> Self {
        self.improvement_rounds = improvement_rounds;
        self
    }
}

/// A better packing was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// What its new nodes cost, and its items [dislike](super::Class::dislikes).
    pub cost: MicroUsdPerHour,
    /// Items it leaves out, those that fit nothing not counted.
    pub unplaced: u64,
    /// The strategy that found it.
    pub strategy: &'a str,
}

/// Nodes to buy, nodes to reuse, and what each holds.
///
/// Indices are those of the [`Problem`](super::Problem); lists are sorted by
/// ids, so equal problems give equal answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Solution {
    /// Nodes to buy.
    pub nodes: Vec<NewNode>,
    /// Existing nodes that take something.
    pub reused: Vec<Reused>,
    /// What could not be placed.
    pub unplaced: Vec<Unplaced>,
    /// Sum of the prices of `nodes`.
    pub cost: MicroUsdPerHour,
    /// What items [dislike](super::Class::dislikes) of the places they are put to.
    #[serde(default, skip_serializing_if = "MicroUsdPerHour::is_zero")]
    pub preferences: MicroUsdPerHour,
    /// No packing of all items that fit somewhere costs less, `preferences`
    /// included. Zero when nothing could be proven.
    pub lower_bound: MicroUsdPerHour,
    /// How the bound was found and why the search stopped.
    pub proof: Proof,
    /// What was done, in counts.
    pub work: Work,
    /// What the new nodes take of each purchase limit, in the order of ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purchase_limits: Vec<LimitUse>,
}

/// How much of a [`PurchaseLimit`](super::PurchaseLimit) is taken, and what it
/// costs that there is no more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LimitUse {
    /// Index of the limit.
    pub limit: usize,
    /// What the new nodes take of it.
    pub used: u64,
    /// How much there is.
    pub max: u64,
    /// Its price: what the whole of it is worth, in micro-dollars per hour ×
    /// 2^[`Certificate::SCALE_BITS`], as in [`Certificate::limit_values`]. Zero
    /// where it does not bind, as far as the bound tells, and where the limits leave
    /// no room for all items: no price would do.
    pub value: u64,
}

impl LimitUse {
    /// What one unit more would save, in USD per hour, as long as the limit goes on
    /// to bind; zero where there is none.
    ///
    /// ```
    /// use cloudoptim_core::engines::bin_packing::solver::{Certificate, LimitUse};
    ///
    /// // 64 vCPUs that are worth 32 cents an hour together.
    /// let value = 320_000 << Certificate::SCALE_BITS;
    /// let quota = LimitUse { limit: 0, used: 64, max: 64, value };
    /// assert_eq!(quota.usd_per_hour_per_unit(), 0.005);
    /// ```
    pub fn usd_per_hour_per_unit(&self) -> f64 {
        if self.max == 0 {
            return 0.0;
        }
        let scale = (1u64 << Certificate::SCALE_BITS) as f64 * 1e6;
        self.value as f64 / scale / self.max as f64
    }
}

impl Solution {
    /// `(cost + preferences) / lower_bound − 1`. `None` when the bound is zero and the
    /// cost is not, or when something that fits somewhere was left out, since the two
    /// numbers are then about different things.
    pub fn gap(&self) -> Option<f64> {
        let left_out = self
            .unplaced
            .iter()
            .any(|u| u.reason != UnplacedReason::FitsNothing);
        if left_out {
            return None;
        }
        let cost = self.cost + self.preferences;
        if cost <= self.lower_bound {
            return Some(0.0);
        }
        (self.lower_bound > MicroUsdPerHour::ZERO)
            .then(|| cost.0 as f64 / self.lower_bound.0 as f64 - 1.0)
    }
}

/// A node to buy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NewNode {
    /// Index of the type.
    pub node_type: usize,
    /// Index of the offering in its type.
    pub offering: usize,
    /// Index of the zone, that of the offering.
    pub zone: Option<usize>,
    /// Price of the offering.
    pub price: MicroUsdPerHour,
    /// What stands on it.
    pub items: Vec<Placed>,
}

/// Items placed on an existing node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reused {
    /// Index of the node.
    pub node: usize,
    /// What is added to it.
    pub items: Vec<Placed>,
}

/// `count` items of a class on one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placed {
    /// Index of the class.
    pub class: usize,
    /// How many.
    pub count: u32,
    /// Indices of the node's devices that **each** of them uses its share of;
    /// empty without devices. Items on other devices are another entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<usize>,
}

/// Items that were not placed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unplaced {
    /// Index of the class.
    pub class: usize,
    /// How many.
    pub count: u32,
    /// Why.
    pub reason: UnplacedReason,
}

/// Why items were not placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnplacedReason {
    /// Larger than, or not allowed on, every priced type and every open node,
    /// even when empty.
    FitsNothing,
    /// It fits some type or node, but none is left: counts of offerings are
    /// used up, or there is nothing to buy.
    NoneLeft,
    /// Rules about nodes or zones left no place for it.
    Rules,
    /// It fits some type, but purchase limits allow no more nodes of any that
    /// takes it; [`Note::LimitReached`] says which limits.
    PurchaseLimit,
}

impl fmt::Display for UnplacedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FitsNothing => "fits no priced node type and no existing node, even empty",
            Self::NoneLeft => "every node that could take it is used up",
            Self::Rules => "rules about sharing a node or a zone leave no place for it",
            Self::PurchaseLimit => "purchase limits allow no more nodes that take it",
        })
    }
}

/// Where the bound comes from and why the search stopped.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Proof {
    /// How the bound was found.
    pub method: BoundMethod,
    /// The integers that prove it; `None` when there is no bound.
    pub certificate: Option<Certificate>,
    /// Why the search stopped.
    pub stopped: Stopped,
    /// The strategy that gave the plan, by name.
    pub strategy: String,
    /// What limits the claim.
    pub notes: Vec<Note>,
}

/// How a lower bound was found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BoundMethod {
    /// Nothing could be proven; the bound is zero.
    #[default]
    None,
    /// Nodes and items may be cut into pieces, types and classes kept apart.
    Fluid,
    /// Nodes are filled with whole items, where the most valuable filling of
    /// their type could be found or bounded; else as in `Fluid`.
    Configurations,
}

/// Why the search stopped.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stopped {
    /// Everything planned was tried.
    #[default]
    Finished,
    /// The cost equals the bound.
    Optimal,
    /// A limit of [`Effort`] was reached.
    WorkLimit,
    /// The observer broke off.
    Observer,
    /// The [deadline](crate::providers::Deadline) passed before all was tried. How
    /// far the search came by then depends on the machine.
    Deadline,
}

/// What limits the claim of a [`Proof`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// The bound covers priced types only.
    UnpricedTypes {
        /// Types that fit some item and have no price in any zone.
        types: u32,
    },
    /// The linear programme stopped early; the bound is valid but weaker than
    /// it could be.
    BoundPivotLimit {
        /// Pivots done.
        pivots: u64,
    },
    /// The linear programme failed; the bound comes from a simpler one.
    BoundFallback,
    /// Exact pricing stopped early; the bound is valid but weaker than it could
    /// be.
    BoundLabelLimit {
        /// Labels made.
        labels: u64,
    },
    /// Types that are too large for exact pricing are bounded as fluid.
    FluidTypes {
        /// How many.
        types: u32,
    },
    /// An integer programme over the fillings found failed, or its answer was of
    /// no use; the packing is the one that was there.
    CoverFailed,
    /// Items that fit nothing are outside both cost and bound.
    ItemsFitNothing {
        /// How many.
        items: u32,
    },
    /// A purchase limit leaves items without a node.
    LimitReached {
        /// Index of the limit.
        limit: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnpricedTypes { types } => {
                write!(f, "the bound leaves out {types} types without a price")
            }
            Self::BoundPivotLimit { pivots } => {
                write!(
                    f,
                    "the bound stopped improving at its limit of {pivots} pivots"
                )
            }
            Self::BoundFallback => {
                f.write_str("the linear programme failed, the bound is a simpler one")
            }
            Self::BoundLabelLimit { labels } => {
                write!(
                    f,
                    "the bound stopped improving at its limit of {labels} labels"
                )
            }
            Self::FluidTypes { types } => {
                write!(
                    f,
                    "{types} large types are bounded as if items could be cut"
                )
            }
            Self::CoverFailed => f.write_str(
                "the integer programme over fillings failed, the packing is the one before it",
            ),
            Self::ItemsFitNothing { items } => {
                write!(
                    f,
                    "{items} items fit nothing and are outside cost and bound"
                )
            }
            Self::LimitReached { limit } => {
                write!(f, "purchase limit {limit} leaves items without a node")
            }
        }
    }
}

/// A proof of a lower bound that anyone can check with integer arithmetic.
///
/// Amounts are in micro-dollars per hour × 2^[`Certificate::SCALE_BITS`].
/// Each type's price is split into [`Share`]s of what a node of it has. An item
/// is worth `Σ ⌊amount × part⌋` on that type, `part` being how much of the
/// share's resource it takes, and what it
/// [dislikes](super::Class::dislikes) of the type in the zone where that is least;
/// `class_values` is never above that on any type or existing node that takes the
/// class. What stands on a node never takes more
/// than all of a resource, so no node holds more value than its shares add up
/// to, and those are at most its price. All items together therefore cost at
/// least the sum of their values, less what existing nodes hold for free.
///
/// Of [`BoundMethod::Configurations`] there are no splits: there the claim is
/// that no filling of a type that respects its amounts, its devices and the
/// limits that bind a class by itself is worth more than the type's lowest price, an
/// item being worth its class value less what it dislikes of the type.
/// Who checks it prices every type with `class_values` in their own way.
///
/// Where purchase limits have values, every node first pays for what it takes of
/// them: the price of an offering is raised by `⌊value × amount / max /
/// 2^SCALE_BITS⌋` micro-dollars for each limit, all that is said of a type's lowest
/// price is about the raised ones, and the values of the limits, which no packing
/// can pay more than once, are taken off at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Certificate {
    /// Value of one item, per class of the problem; zero for classes outside
    /// the bound.
    pub class_values: Vec<u64>,
    /// The split of every priced type that some item fits, and of all open
    /// existing nodes taken together; empty for [`BoundMethod::Configurations`].
    pub splits: Vec<Split>,
    /// Every price on sale and every cost of a dislike is a multiple of this, so every
    /// cost is, and the
    /// bound is rounded up to one. Zero, as in older certificates, says nothing.
    #[serde(default)]
    pub price_step: MicroUsdPerHour,
    /// What the whole of each purchase limit is worth; empty where none is worth
    /// anything. A limit of 0 has no value: what takes of it cannot be bought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limit_values: Vec<u64>,
}

impl Certificate {
    /// Amounts are multiples of 2⁻²⁰ micro-dollars per hour.
    pub const SCALE_BITS: u32 = 20;
}

/// How the price of a node is shared out among what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The node type, or the existing node.
    pub on: SplitOn,
    /// The shares. For a type they add up to its lowest price at most; for the
    /// existing nodes their sum is what those hold for free.
    pub shares: Vec<Share>,
}

/// What a [`Split`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitOn {
    /// Index of a node type.
    Type(usize),
    /// Everything that is free on open existing nodes, poured into one; only
    /// classes that fit one of them are held to it.
    Existing,
}

/// A part of a node's price, carried by one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The resource.
    pub of: ShareOf,
    /// 0: an item takes `demand / capacity`. `k` of 1 or more: it takes that
    /// rounded by the dual feasible function `u⁽ᵏ⁾` of Fekete and Schepers
    /// (2001): `x` itself when `(k + 1) x` is whole, else `⌊(k + 1) x⌋ / k`.
    /// Numbers that sum to at most 1 still do after the rounding.
    pub rounding: u32,
    /// The amount.
    pub amount: u64,
}

/// What a [`Share`] is carried by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareOf {
    /// A resource, by index in the problem's `dims`.
    Dim(usize),
    /// The node's devices: an item takes its thousandths of each, divided by
    /// the number of devices (by the sum of their thousandths when one of them
    /// has fewer than 1000, and then without rounding).
    Devices,
    /// The room under a per-node limit, by index in the problem's `rules`: an
    /// item that is both in `with` and in `of` takes `1 / max`.
    Limit(usize),
}

impl ShareOf {
    pub(super) fn map(self, dim: impl Fn(usize) -> usize, rule: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Dim(i) => Self::Dim(dim(i)),
            Self::Devices => Self::Devices,
            Self::Limit(i) => Self::Limit(rule(i)),
        }
    }
}

/// What was done, in counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Work {
    /// Strategies run.
    pub strategies: u32,
    /// Attempts to put an item on a node.
    pub placements: u64,
    /// Simplex pivots.
    pub pivots: u64,
    /// Labels made by exact pricing.
    #[serde(default)]
    pub labels: u64,
    /// Accepted steps of the improvement pass.
    pub improvements: u64,
}
