//! Which nodes of a fleet go, which stay, and what is bought in their place.
//!
//! A [`Fleet`] is a [`Problem`] whose nodes have prices and say which of their
//! items may move. [`repack`] answers with a [`Frontier`]: from nothing moved to
//! the cheapest fleet it can find, what each further move saves, and below what
//! no repacking with so few moves can go.
//!
//! For a price per move, a linear programme over node looks, new types and item
//! classes says which nodes pay for themselves; its duals prove the bound.
//! Nodes go in the order of what they cost above that, as many as the others can
//! take over, item by item and by every rule. Then what is free on those that stay
//! is brought together, two nodes at a time, and more nodes go. Last, one node
//! after the other goes, or a cheaper one comes in its place, while what stands on
//! it and on others is dealt out anew: items of nodes that stay move, too. Where
//! all of this ends furthest above what is proven, a second programme counts the
//! moves off nodes that stay, and whole items only; it proves more, and its nodes
//! are filled one after the other. A search over prefixes and single nodes, as
//! Karpenter does it, runs beside that; the frontier keeps the best of both.

mod floors;
mod homes;
mod homing;
mod planes;
mod preferences;
mod prefix;
mod refine;
mod relax;
mod state;
mod sweep;

use super::problem::{Problem, ProblemError};
use super::solution::NewNode;
use super::stop::Stop;
use crate::model::MicroUsdPerHour;
use crate::providers::Deadline;
use serde::{Deserialize, Serialize};

/// Nodes with prices and with items that may move.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fleet {
    /// Classes, rules, what can be bought (may be nothing) and the nodes as they
    /// are. [`Class::count`](super::Class::count) plays no part: what is placed
    /// is what stands on the nodes.
    pub problem: Problem,
    /// What each node costs and holds; one for each of [`Problem::nodes`].
    pub holdings: Vec<Holding>,
    /// Rules, by index in [`Problem::rules`], that are stricter than what really
    /// holds: plans keep them, bounds do not count on them.
    pub narrow_rules: Vec<usize>,
}

/// A node's price and the items on it that may move.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Holding {
    /// What the node costs. A node without a known price stays.
    pub price: Option<MicroUsdPerHour>,
    /// Whether it may go when nothing that must stay is on it.
    pub removable: bool,
    /// Items that may move: class and count, part of the node's
    /// [`present`](super::ExistingNode::present).
    pub movable: Vec<(usize, u32)>,
    /// What the node takes of purchase limits as long as it stays: limit and
    /// amount. [`PurchaseLimit::max`](super::PurchaseLimit::max) is then for such
    /// nodes and new ones together. Nodes that are there may take more than that;
    /// then nothing is bought that takes of it. Where a limit has a
    /// [minimum](super::PurchaseLimit::min), nodes that stay and new ones take no less
    /// than that once one is gone that took of it; where they take less as it is,
    /// none goes but for new ones that make up for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub takes: Vec<(usize, u64)>,
}

/// How much work [`repack`] may do, in counts, and what is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RepackEffort {
    /// Prices per move to try at the most, at least 2; fewer where some in a row
    /// bring nothing. Default 24.
    pub levels: u32,
    /// Simplex pivots of each level. Default 4,000.
    pub pivots: u64,
    /// Attempts to put a class on a node, over all. Default 200 million.
    pub placements: u64,
    /// Nodes that the search over prefixes looks at in one round. Default 100,
    /// as Karpenter.
    pub prefix_candidates: u32,
    /// Whether items of nodes that stay may move, too. Default true.
    pub from_kept: bool,
}

impl Default for RepackEffort {
    fn default() -> Self {
        Self {
            levels: 24,
            pivots: 4_000,
            placements: 200_000_000,
            prefix_candidates: 100,
            from_kept: true,
        }
    }
}

/// What fewer and more moves can reach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Frontier {
    /// What the nodes cost now, those without a price left out.
    pub cost_before: MicroUsdPerHour,
    /// No repacking costs less, however many items move, what they dislike included.
    /// Rules that are broken
    /// now, rules about zones, and [`Fleet::narrow_rules`] are left out of every
    /// bound, which can only lower it. What fleets cost are whole steps of the
    /// greatest amount that divides all prices, and so is this.
    pub lower_bound: MicroUsdPerHour,
    /// From fewest moves and dearest to most moves and cheapest, by
    /// [what each costs in all](Point::total); none is as good as another in both. The first moves nothing.
    pub points: Vec<Point>,
    /// Where the search over prefixes and single nodes came to rest.
    pub prefix: Option<PrefixEnd>,
    /// Why each bound holds.
    pub proofs: Vec<LevelProof>,
    /// Whether the work limit ended the search.
    pub work_limit: bool,
    /// Whether the [deadline](Deadline) passed before all was tried. How far the
    /// search came by then depends on the machine, and where the search over
    /// prefixes was is no place of rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// Where a search over prefixes came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixEnd {
    /// Cost of the fleet then.
    pub cost: MicroUsdPerHour,
    /// Evictions on the way; an item that moved twice counts twice.
    pub evictions: u64,
}

/// A repacked fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Point {
    /// What the fleet costs then.
    pub cost: MicroUsdPerHour,
    /// What items that may move [dislike](super::Class::dislikes) of the places where
    /// they stand then.
    #[serde(default, skip_serializing_if = "MicroUsdPerHour::is_zero")]
    pub preferences: MicroUsdPerHour,
    /// Items that end elsewhere.
    pub moved: u64,
    /// No repacking with at most so many moves costs less, `preferences` included.
    pub lower_bound: MicroUsdPerHour,
    /// Nodes that go, in the order in which they can once items of nodes that stay
    /// have moved.
    pub removed: Vec<usize>,
    /// Nodes that are bought, with what comes to them.
    pub bought: Vec<NewNode>,
    /// Who goes where.
    pub moves: Vec<Relocation>,
    /// How it was found.
    pub found_by: String,
}

impl Point {
    /// What the fleet costs then, and what its items dislike.
    pub fn total(&self) -> MicroUsdPerHour {
        self.cost + self.preferences
    }
}

/// Items that leave a node for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relocation {
    /// Index of the class.
    pub class: usize,
    /// How many.
    pub count: u32,
    /// Index of the node they leave.
    pub from: usize,
    /// Where they go.
    pub to: Place,
}

/// A node that is there or one that is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Index in [`Problem::nodes`].
    Node(usize),
    /// Index in [`Point::bought`].
    Bought(usize),
}

/// The bound at one price per move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelProof {
    /// The price of one move.
    pub per_move: MicroUsdPerHour,
    /// Cost plus price of the moves is never below this, nor is what items dislike
    /// beside.
    pub lower_bound: MicroUsdPerHour,
    /// What one item of each class is worth, in micro-dollars per hour ×
    /// 2^[`SCALE_BITS`](super::Certificate::SCALE_BITS): no new node holds more
    /// than its price, and what a node that stays holds above its price is
    /// taken off. An item that stays at home on such a node is worth its move
    /// beside that, at the most. A node's price is here less what it is paid for
    /// [minima](super::PurchaseLimit::min), and in a place that an item dislikes it is
    /// worth so much less.
    pub class_values: Vec<u64>,
}

impl Frontier {
    /// The point where a further move would cost more than it saves.
    ///
    /// ```
    /// use cloudoptim_core::engines::bin_packing::solver::{
    ///     Class, ExistingNode, Fleet, Holding, Problem, RepackEffort, repack,
    /// };
    /// use cloudoptim_core::model::MicroUsdPerHour;
    ///
    /// let node = |id: &str, free, present| ExistingNode {
    ///     id: id.into(),
    ///     free: vec![free],
    ///     present: vec![(0, present)],
    ///     ..ExistingNode::default()
    /// };
    /// let holding = |movable| Holding {
    ///     price: Some(MicroUsdPerHour(100_000)),
    ///     removable: true,
    ///     movable: vec![(0, movable)],
    ///     ..Holding::default()
    /// };
    /// let fleet = Fleet {
    ///     problem: Problem {
    ///         dims: vec!["cpu_milli".into()],
    ///         classes: vec![Class { id: "web".into(), demand: vec![500], ..Class::default() }],
    ///         nodes: vec![node("a", 3_000, 2), node("b", 1_000, 6)],
    ///         ..Problem::default()
    ///     },
    ///     holdings: vec![holding(2), holding(6)],
    ///     ..Fleet::default()
    /// };
    /// let frontier = repack(&fleet, &RepackEffort::default())?;
    /// let best = frontier.chosen(MicroUsdPerHour(1_000)).ok_or("no point")?;
    /// assert_eq!((best.moved, best.cost), (2, MicroUsdPerHour(100_000)));
    /// assert_eq!(best.lower_bound, best.cost);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chosen(&self, per_move: MicroUsdPerHour) -> Option<&Point> {
        let total = |p: &&Point| {
            let moves = i128::from(p.moved) * i128::from(per_move.0);
            (i128::from(p.total().0) + moves, p.moved)
        };
        self.points.iter().min_by_key(total)
    }
}

/// Searches for cheaper fleets that hold the same items.
///
/// Same fleet, same answer, in whatever order its parts are given.
///
/// # Errors
/// Those of [`Problem::validate`], and [`ProblemError::Holdings`] when the
/// holdings do not match the nodes.
pub fn repack(fleet: &Fleet, effort: &RepackEffort) -> Result<Frontier, ProblemError> {
    repack_until(fleet, effort, None)
}

/// [`repack`] with a deadline, if there is one.
///
/// The deadline is looked at wherever work is measured. When it has passed, the
/// search ends with the points and the bounds so far, and says so
/// ([`Frontier::late`]). The fleet as it is is always among them: what is chosen is
/// never dearer.
///
/// # Errors
/// Those of [`repack`].
pub fn repack_until(
    fleet: &Fleet,
    effort: &RepackEffort,
    deadline: Option<&Deadline>,
) -> Result<Frontier, ProblemError> {
    fleet.validate()?;
    Ok(preferences::run(fleet, effort, &Stop::at(deadline)))
}

impl Fleet {
    /// Checks that the parts agree.
    ///
    /// # Errors
    /// The first [`ProblemError`] found.
    pub fn validate(&self) -> Result<(), ProblemError> {
        self.problem.validate()?;
        let (nodes, found) = (self.problem.nodes.len(), self.holdings.len());
        if nodes != found {
            return Err(ProblemError::Holdings(format!(
                "{found} holdings for {nodes} nodes"
            )));
        }
        for (node, holding) in self.problem.nodes.iter().zip(&self.holdings) {
            if let Some(price) = holding.price
                && !(0..1 << 44).contains(&price.0)
            {
                return Err(ProblemError::Holdings(format!(
                    "node {:?} has the price {price}",
                    node.id
                )));
            }
            let of = |list: &[(usize, u32)], class: usize| -> u64 {
                let items = list.iter().filter(|(c, _)| *c == class);
                items.map(|(_, n)| u64::from(*n)).sum()
            };
            for (class, _) in &holding.movable {
                let classes = self.problem.classes.len();
                let (movable, present) = (of(&holding.movable, *class), of(&node.present, *class));
                if *class >= classes || movable > present {
                    return Err(ProblemError::Holdings(format!(
                        "{movable} items of class {class} may leave node {:?}, which holds {present}",
                        node.id
                    )));
                }
            }
            let limits = self.problem.purchase_limits.len();
            if let Some((limit, _)) = holding.takes.iter().find(|(l, _)| *l >= limits) {
                return Err(ProblemError::Holdings(format!(
                    "node {:?} takes of limit {limit}, of which there are {limits}",
                    node.id
                )));
            }
        }
        let rules = self.problem.rules.len();
        match self.narrow_rules.iter().find(|rule| **rule >= rules) {
            Some(rule) => Err(ProblemError::Holdings(format!(
                "narrow_rules refers to rule {rule}, of which there are {rules}"
            ))),
            None => Ok(()),
        }
    }
}
