//! Nodes and what stands behind them in Kubernetes: leases, pools, claims.

use super::{
    Device, InstanceId, Labels, NodeName, ObjectMeta, Requirement, ResourceList, Resources,
    TaintEffect, Toleration, ZoneName,
};
use crate::model::CapacityType;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Label of a node's zone name.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// Label of a node's zone id.
pub const ZONE_ID_LABEL: &str = "topology.k8s.aws/zone-id";
/// Label of a node's host name.
pub const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";
/// Label of a node's instance type.
pub const INSTANCE_TYPE_LABEL: &str = "node.kubernetes.io/instance-type";
/// Label of a node's architecture.
pub const ARCH_LABEL: &str = "kubernetes.io/arch";
/// Label of the node pool that Karpenter made a node for.
pub const NODE_POOL_LABEL: &str = "karpenter.sh/nodepool";
/// Label of the EKS managed node group.
pub const NODE_GROUP_LABEL: &str = "eks.amazonaws.com/nodegroup";

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Effect.
    pub effect: TaintEffect,
}

impl Taint {
    /// Whether `toleration` tolerates it.
    ///
    /// An empty key with `exists` tolerates everything, and no effect means
    /// every effect.
    pub fn tolerated_by(&self, toleration: &Toleration) -> bool {
        let key = if toleration.key.is_empty() {
            toleration.exists
        } else {
            toleration.key == self.key
        };
        key && toleration.effect.is_none_or(|effect| effect == self.effect)
            && (toleration.exists || toleration.value == self.value)
    }
}

/// A condition's status.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// A condition of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodeCondition {
    /// Type, such as `Ready` or `MemoryPressure`.
    pub name: String,
    /// Status.
    pub status: ConditionStatus,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Last time the kubelet said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_at: Option<DateTime<Utc>>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Provider id as the node states it, such as `aws:///us-east-1a/i-0123…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Cordoned.
    pub unschedulable: bool,
    /// Taints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// What pods may use, as the kubelet says.
    pub allocatable: Resources,
    /// What the machine has.
    pub capacity: Resources,
    /// Devices with their shares, for schedulers that have them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<NodeCondition>,
    /// Kubelet version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubelet_version: Option<String>,
    /// Operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Internal addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
}

impl Node {
    /// Its name.
    pub fn name(&self) -> NodeName {
        NodeName::new(self.meta.name.clone())
    }

    /// The instance behind it, read from the provider id and from nothing
    /// else: names and addresses are reused. `None` for other providers.
    ///
    /// ```
    /// use cloudoptim_core::model::Node;
    ///
    /// let node = Node { provider_id: Some("aws:///us-east-1a/i-0abc".into()), ..Node::default() };
    /// assert_eq!(node.instance_id().map(|id| id.to_string()).as_deref(), Some("i-0abc"));
    /// ```
    pub fn instance_id(&self) -> Option<InstanceId> {
        let path = self.provider_id.as_deref()?.strip_prefix("aws://")?;
        let id = path.rsplit('/').next()?;
        id.starts_with("i-").then(|| InstanceId::new(id))
    }

    /// Zone name, from its label.
    pub fn zone_name(&self) -> Option<ZoneName> {
        self.meta.label(ZONE_LABEL).map(ZoneName::from)
    }

    /// Instance type, from its label.
    pub fn instance_type(&self) -> Option<&str> {
        self.meta
            .label(INSTANCE_TYPE_LABEL)
            .or_else(|| self.meta.label("beta.kubernetes.io/instance-type"))
    }

    /// Capacity type, from the labels of Karpenter, EKS or kOps-like tools;
    /// `None` when none of them says so.
    pub fn capacity_type(&self) -> Option<CapacityType> {
        let label = self
            .meta
            .label("karpenter.sh/capacity-type")
            .or_else(|| self.meta.label("eks.amazonaws.com/capacityType"))?;
        match label.to_ascii_lowercase().replace('_', "-").as_str() {
            "spot" => Some(CapacityType::Spot),
            "on-demand" => Some(CapacityType::OnDemand),
            "reserved" | "capacity-block" => Some(CapacityType::Reserved),
            _ => None,
        }
    }

    /// Status of a condition; unknown when absent.
    pub fn condition(&self, name: &str) -> ConditionStatus {
        self.conditions
            .iter()
            .find(|c| c.name == name)
            .map_or_else(Default::default, |c| c.status)
    }

    /// Whether the kubelet says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready") == ConditionStatus::True
    }
}

/// The lease that a kubelet renews.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Lease {
    /// Metadata; the name is the node's.
    pub meta: ObjectMeta,
    /// Who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Last renewal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<DateTime<Utc>>,
    /// How long it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
}

/// A Karpenter node pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodePool {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Requirements on nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// Taints of its nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// Startup taints, removed once a node is set up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub startup_taints: Vec<Taint>,
    /// Labels of its nodes.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Most that its nodes may have in sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ResourceList>,
    /// `WhenEmpty`, `WhenEmptyOrUnderutilized` or another policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consolidation_policy: Option<String>,
    /// How long a node must be quiet before consolidation, as written (`30s`, `Never`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consolidate_after: Option<String>,
    /// Disruption budgets, as written (`10%`, `2`), with cron schedule and duration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<DisruptionBudget>,
    /// Preference among pools; higher first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
    /// Age at which its nodes are replaced, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<String>,
}

/// A disruption budget of a node pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DisruptionBudget {
    /// Nodes at once, a count or a percentage.
    pub nodes: String,
    /// Cron schedule (UTC) from which it holds; always when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// How long from there, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Causes it is for; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// A Karpenter node claim.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodeClaim {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Node it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<NodeName>,
    /// Provider id of its instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Requirements it was made with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<NodeCondition>,
}
