//! Why a node has no safe way to be emptied.

use crate::model::{MicroUsdPerMonth, NamespacedName, NodeName, WorkloadRef};
use crate::scheduling::{EvictionRefusal, Refusals};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a node stays although a decision empties it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Obstacle {
    /// The node where a pod should go does not take it when its turn comes,
    /// and no other is safe.
    TargetRefuses {
        /// Pod.
        pod: NamespacedName,
        /// Where it should go.
        to: NodeName,
        /// What that node says.
        refusals: Refusals,
    },
    /// Pods whose place is not known could take a pod's room, or change what
    /// its rules say.
    Unsettled {
        /// Pod.
        pod: NamespacedName,
    },
    /// A pod should go to a node that is not there yet, and no other is safe.
    NoTarget {
        /// Pod.
        pod: NamespacedName,
    },
    /// A cordon does not keep a pod away: it could come (back) to the node.
    ToleratesCordon {
        /// Pod.
        pod: NamespacedName,
    },
    /// The scheduler could bring a pod from on demand to spot, of whose workload
    /// no more may come there.
    CouldComeToSpot {
        /// Pod.
        pod: NamespacedName,
        /// Its workload.
        of: Box<WorkloadRef>,
        /// The most of its pods that may be on spot.
        max: u32,
    },
    /// A disruption budget keeps a pod.
    BudgetBlocks {
        /// Pod.
        pod: NamespacedName,
        /// Why.
        why: EvictionRefusal,
    },
    /// Its pool lets no node go at the time when its turn comes.
    PoolForbids {
        /// Pool.
        pool: String,
        /// Setting, as written.
        setting: String,
    },
    /// A part of the cluster is not known whole, so that nothing can be proven.
    PartMissing {
        /// Part.
        part: String,
        /// What is known of it.
        state: String,
    },
    /// An earlier node stays, on which its own removal builds: of its group, or
    /// one with which the nodes are launched that its pods need.
    BuildsOn {
        /// That node.
        node: NodeName,
    },
    /// The nodes that have to be launched before are more than may be there at
    /// once.
    SurgeLimit {
        /// Nodes to be launched.
        nodes: u32,
        /// What allows fewer.
        limit: String,
        /// How much of it is free then.
        free: u64,
    },
    /// Of those that count on the same launches so many stay that the rest does
    /// not pay for them.
    NotWorthLaunching {
        /// What the rest would save together, launches paid.
        saves: MicroUsdPerMonth,
    },
}

impl Obstacle {
    /// All codes.
    pub const CODES: &'static [&'static str] = &[
        "target_refuses",
        "unsettled",
        "no_target",
        "tolerates_cordon",
        "could_come_to_spot",
        "budget_blocks",
        "pool_forbids",
        "part_missing",
        "builds_on",
        "surge_limit",
        "not_worth_launching",
    ];

    /// Its code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TargetRefuses { .. } => "target_refuses",
            Self::Unsettled { .. } => "unsettled",
            Self::NoTarget { .. } => "no_target",
            Self::ToleratesCordon { .. } => "tolerates_cordon",
            Self::CouldComeToSpot { .. } => "could_come_to_spot",
            Self::BudgetBlocks { .. } => "budget_blocks",
            Self::PoolForbids { .. } => "pool_forbids",
            Self::PartMissing { .. } => "part_missing",
            Self::BuildsOn { .. } => "builds_on",
            Self::SurgeLimit { .. } => "surge_limit",
            Self::NotWorthLaunching { .. } => "not_worth_launching",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TargetRefuses { pod, to, refusals } => {
                write!(
                    f,
                    "{to} does not take pod {pod} when its turn comes: {refusals}"
                )
            }
            Self::Unsettled { pod } => write!(
                f,
                "pods whose place is not known could take the room of pod {pod} or change what its rules say"
            ),
            Self::NoTarget { pod } => {
                write!(f, "pod {pod} needs a node that is not there yet")
            }
            Self::ToleratesCordon { pod } => {
                write!(f, "a cordon does not keep pod {pod} away")
            }
            Self::CouldComeToSpot { pod, of, max } => write!(
                f,
                "pod {pod} could come to spot, and of {of} at most {max} may: a taint there or a selector of its own would keep it away"
            ),
            Self::BudgetBlocks { pod, why } => write!(f, "pod {pod} may not be evicted: {why}"),
            Self::PoolForbids { pool, setting } => {
                write!(f, "pool {pool} says {setting} at that time")
            }
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::BuildsOn { node } => {
                write!(f, "it builds on the removal of {node}, which stays")
            }
            Self::SurgeLimit { nodes, limit, free } => write!(
                f,
                "{nodes} nodes would have to be launched before, and {limit} has {free} free then"
            ),
            Self::NotWorthLaunching { saves } => write!(
                f,
                "others that count on the same launches stay; without them it would save {saves}"
            ),
        }
    }
}
