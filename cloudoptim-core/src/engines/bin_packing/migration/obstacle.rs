//! Why a node has no safe way to be emptied.

use crate::model::{NamespacedName, NodeName};
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
    /// An earlier node of its group stays, on which its own removal builds.
    BuildsOn {
        /// That node.
        node: NodeName,
    },
}

impl Obstacle {
    /// All codes.
    pub const CODES: &'static [&'static str] = &[
        "target_refuses",
        "unsettled",
        "no_target",
        "tolerates_cordon",
        "budget_blocks",
        "pool_forbids",
        "builds_on",
    ];

    /// Its code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TargetRefuses { .. } => "target_refuses",
            Self::Unsettled { .. } => "unsettled",
            Self::NoTarget { .. } => "no_target",
            Self::ToleratesCordon { .. } => "tolerates_cordon",
            Self::BudgetBlocks { .. } => "budget_blocks",
            Self::PoolForbids { .. } => "pool_forbids",
            Self::BuildsOn { .. } => "builds_on",
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
            Self::BudgetBlocks { pod, why } => write!(f, "pod {pod} may not be evicted: {why}"),
            Self::PoolForbids { pool, setting } => {
                write!(f, "pool {pool} says {setting} at that time")
            }
            Self::BuildsOn { node } => {
                write!(f, "it builds on the removal of {node}, which stays")
            }
        }
    }
}
