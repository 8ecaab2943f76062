//! Who makes and removes instances.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Who has to be asked to make or remove an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Owner {
    /// Karpenter, by its node claim: deleting the claim drains and terminates.
    NodeClaim {
        /// Claim.
        name: String,
    },
    /// Karpenter, by its pool: it launches when pods are pending.
    NodePool {
        /// Pool.
        name: String,
    },
    /// An auto scaling group: by instance, with the wanted size lowered.
    AutoScalingGroup {
        /// Group.
        name: String,
    },
    /// An EKS managed node group, through the auto scaling group behind it.
    NodeGroup {
        /// Group.
        name: String,
        /// Auto scaling group behind it, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auto_scaling_group: Option<String>,
    },
    /// An EC2 launch template, of which instances are made that are their own.
    LaunchTemplate {
        /// Id or name.
        name: String,
    },
    /// Managed by the provider: it cannot be asked from outside.
    Provider {
        /// Which.
        name: String,
    },
    /// Nobody: the instance is its own.
    Unowned,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeClaim { name } => write!(f, "node claim {name}"),
            Self::NodePool { name } => write!(f, "node pool {name}"),
            Self::AutoScalingGroup { name } => write!(f, "auto scaling group {name}"),
            Self::NodeGroup { name, .. } => write!(f, "node group {name}"),
            Self::LaunchTemplate { name } => write!(f, "launch template {name}"),
            Self::Provider { name } => write!(f, "{name}"),
            Self::Unowned => f.write_str("no owner"),
        }
    }
}
