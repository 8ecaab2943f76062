//! Nodes that groups keep whether pods need them or not.

use super::GreenField;
use super::kinds::NewKind;
use super::room::Rooms;
use crate::decision::Owner;
use crate::engines::bin_packing::limits::LaunchLimit;
use crate::engines::bin_packing::solver::{ExistingNode, Mask, Problem, PurchaseLimit, Solution};
use crate::model::MicroUsdPerHour;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a node is bought for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(tag = "because", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BoughtFor {
    /// Pods that are on it.
    #[default]
    Pods,
    /// Its group never has fewer nodes: there may be no pod on it.
    GroupMinimum {
        /// Minimum of the group.
        min_size: u32,
    },
}

impl fmt::Display for BoughtFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods => f.write_str("pods need it"),
            Self::GroupMinimum { min_size } => {
                write!(f, "its group has a minimum of {min_size}")
            }
        }
    }
}

/// A group that keeps nodes whether pods need them or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupMinimum {
    /// The group.
    pub group: Owner,
    /// Fewest nodes that it has; for a managed node group no fewer than the auto
    /// scaling group behind it has.
    pub min_size: u32,
    /// Nodes that are bought for that. Fewer than [`Self::min_size`] where limits
    /// leave room for no more of them.
    pub nodes: u32,
    /// How many of these have no pods.
    pub empty: u32,
    /// What the empty ones cost: the minimum costs no less.
    pub empty_cost: MicroUsdPerHour,
    /// Limits that leave no room for one more of them; none where all are bought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short: Vec<LaunchLimit>,
}

impl GroupMinimum {
    /// Whether the group has as many nodes as it has to.
    pub const fn is_reached(&self) -> bool {
        self.nodes >= self.min_size
    }
}

impl fmt::Display for GroupMinimum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (group, min_size, empty) = (&self.group, self.min_size, self.empty);
        write!(f, "{group} has a minimum of {min_size}")?;
        if empty > 0 {
            write!(f, ": {empty} nodes without pods, {}", self.empty_cost)?;
        }
        if !self.is_reached() {
            write!(f, ", and no room for more than {} nodes", self.nodes)?;
            for limit in &self.short {
                write!(f, " by {limit}")?;
            }
        }
        Ok(())
    }
}

/// No minimum of more nodes than this is bought.
const MOST: u32 = 100_000;

/// Nodes that are bought first: the search fills them at no further cost.
pub(super) struct Minima {
    /// By kind, in the order of their names.
    of: Vec<(usize, GroupMinimum)>,
    /// Kind of each node.
    nodes: Vec<usize>,
    /// What they cost.
    pub(super) cost: MicroUsdPerHour,
}

impl Minima {
    /// Takes room for the nodes, group by group in the order of names.
    pub(super) fn new(kinds: &[NewKind], lifted: Option<&Owner>, rooms: &mut Rooms) -> Self {
        let mut minima = Self {
            of: Vec::new(),
            nodes: Vec::new(),
            cost: MicroUsdPerHour::ZERO,
        };
        let mut left = MOST;
        for (kind, of) in kinds.iter().enumerate() {
            let Some(group) = of.group.as_ref().filter(|group| Some(*group) != lifted) else {
                continue;
            };
            let price = of.launchable.zones.values().next().map(|(_, price)| *price);
            let (Some(price), true) = (price, of.min_size > 0) else {
                continue;
            };
            let (nodes, short) = rooms.take(kind, of.min_size.min(left));
            left -= nodes;
            let minimum = GroupMinimum {
                group: group.clone(),
                min_size: of.min_size,
                nodes,
                empty: 0,
                empty_cost: MicroUsdPerHour::ZERO,
                short,
            };
            minima.of.push((kind, minimum));
            for _ in 0..nodes {
                minima.nodes.push(kind);
                minima.cost += price;
            }
        }
        minima
    }

    /// The nodes as if they were there already.
    pub(super) fn put_into(&self, problem: &mut Problem) {
        for class in &mut problem.classes {
            let nodes = self.nodes.iter().enumerate();
            let own = nodes.filter(|(_, kind)| class.types.contains(**kind));
            class.nodes = Mask::only(own.map(|(node, _)| node));
        }
        let types = &problem.types;
        let nodes = self.nodes.iter().enumerate().filter_map(|(node, kind)| {
            let of = types.get(*kind)?;
            Some(ExistingNode {
                id: format!("{node:06}"),
                zone: of.offerings.first().and_then(|offering| offering.zone),
                free: of.capacity.clone(),
                devices: of.devices.clone(),
                present: Vec::new(),
                closed: false,
            })
        });
        problem.nodes = nodes.collect();
    }

    /// By kind, how many nodes are bought, and its minimum.
    pub(super) fn bought(&self) -> impl Iterator<Item = (usize, (u32, u32))> {
        let all = self.of.iter();
        all.map(|(kind, minimum)| (*kind, (minimum.nodes, minimum.min_size)))
    }

    /// How many nodes a solution that knows no minimum has too few of each kind;
    /// `None` where limits leave no room for them beside its own.
    pub(super) fn topped(
        &self,
        solution: &Solution,
        limits: &[PurchaseLimit],
    ) -> Option<BTreeMap<usize, u32>> {
        let mut more: BTreeMap<usize, u32> = BTreeMap::new();
        for (kind, (nodes, _)) in self.bought() {
            let own = solution.nodes.iter().filter(|new| new.node_type == kind);
            let own = u32::try_from(own.count()).unwrap_or(u32::MAX);
            more.insert(kind, nodes.saturating_sub(own));
        }
        let fits = solution.purchase_limits.iter().all(|used| {
            let takes = limits.get(used.limit).map_or(&[][..], |of| &of.takes);
            let more = takes.iter().map(|take| {
                let count = more.get(&take.node_type).copied().unwrap_or(0);
                take.amount.saturating_mul(u64::from(count))
            });
            more.fold(used.used, u64::saturating_add) <= used.max
        });
        fits.then_some(more)
    }

    /// Kind and minimum of each node, in the order of the problem.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (usize, u32)> {
        self.nodes.iter().map(|kind| {
            let mut of = self.of.iter().filter(|(own, _)| own == kind);
            (*kind, of.next().map_or(0, |(_, m)| m.min_size))
        })
    }

    /// What came of each minimum.
    pub(super) fn tell(self, out: &mut GreenField) {
        for (_, mut minimum) in self.of {
            let own = out.nodes.iter().filter(|new| {
                new.group.as_ref() == Some(&minimum.group)
                    && matches!(new.bought_for, BoughtFor::GroupMinimum { .. })
            });
            for new in own.filter(|new| new.pods.is_empty()) {
                minimum.empty += 1;
                minimum.empty_cost += new.price;
            }
            out.minima.push(minimum);
        }
    }
}
