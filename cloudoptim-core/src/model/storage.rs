//! Storage as Kubernetes sees it.

use super::{Bytes, Labels, NamespacedName, NodeName, NodeSelectorTerm, ObjectMeta, Uid, VolumeId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Phase of a persistent volume.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PvPhase {
    /// Not yet claimable.
    Pending,
    /// Free to be claimed.
    Available,
    /// Claimed.
    Bound,
    /// Its claim is gone.
    Released,
    /// Its reclamation failed.
    Failed,
    /// Not stated.
    #[default]
    Unknown,
}

/// What happens to a persistent volume when its claim goes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReclaimPolicy {
    /// It stays.
    #[default]
    Retain,
    /// It is deleted.
    Delete,
    /// It is scrubbed and used again (deprecated).
    Recycle,
}

/// What a persistent volume is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PvSource {
    /// An EBS volume, by CSI or in-tree.
    Ebs {
        /// The volume.
        volume: VolumeId,
    },
    /// A disk of one node.
    Local,
    /// A path of a node.
    HostPath,
    /// Any other driver.
    Other {
        /// Name of the driver or field.
        driver: String,
        /// Its handle.
        handle: String,
    },
    /// Not stated.
    #[default]
    Unknown,
}

/// A PersistentVolume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PersistentVolume {
    /// Metadata.
    pub meta: ObjectMeta,
    /// What it is.
    pub source: PvSource,
    /// Size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Bytes>,
    /// Phase.
    pub phase: PvPhase,
    /// Reclaim policy.
    pub reclaim_policy: ReclaimPolicy,
    /// Storage class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Claim that it is or was bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<NamespacedName>,
    /// Uid of that claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_uid: Option<Uid>,
    /// Nodes that can reach it: the terms are alternatives. `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<Vec<NodeSelectorTerm>>,
    /// Since when it is in its phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_since: Option<DateTime<Utc>>,
    /// Access modes, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
}

/// Phase of a claim.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClaimPhase {
    /// Waiting for a volume.
    Pending,
    /// Bound.
    Bound,
    /// Its volume is gone.
    Lost,
    /// Not stated.
    #[default]
    Unknown,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PersistentVolumeClaim {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Phase.
    pub phase: ClaimPhase,
    /// Volume that it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_name: Option<String>,
    /// Storage class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Size asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Bytes>,
    /// Snapshot or claim that it is made from, as `kind/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_source: Option<String>,
    /// Access modes, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
}

/// When a storage class makes volumes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BindingMode {
    /// At once.
    #[default]
    Immediate,
    /// Once a pod is placed, in the pod's zone.
    WaitForFirstConsumer,
}

/// A StorageClass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct StorageClass {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Provisioner.
    pub provisioner: String,
    /// When volumes are made.
    pub binding_mode: BindingMode,
    /// Reclaim policy of its volumes.
    #[serde(default = "delete")]
    pub reclaim_policy: ReclaimPolicy,
    /// Where volumes may be; anywhere when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_topologies: Vec<NodeSelectorTerm>,
    /// Parameters, such as `type: gp3`.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub parameters: Labels,
    /// Used where no class is named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_default: bool,
}

fn delete() -> ReclaimPolicy {
    ReclaimPolicy::Delete
}

/// A driver of a CSINode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CsiDriver {
    /// Driver, such as `ebs.csi.aws.com`.
    pub name: String,
    /// Most volumes on the node; no limit known when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach_limit: Option<u32>,
}

/// A CSINode: which volume drivers a node has, and how many volumes it takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CsiNode {
    /// Metadata; the name is the node's.
    pub meta: ObjectMeta,
    /// Drivers.
    pub drivers: Vec<CsiDriver>,
}

/// A VolumeAttachment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct VolumeAttachment {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Driver.
    pub driver: String,
    /// Node.
    pub node: NodeName,
    /// Persistent volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_name: Option<String>,
    /// It is attached.
    pub attached: bool,
}

/// A VolumeSnapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct VolumeSnapshot {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Claim that it is taken of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_name: Option<String>,
    /// It can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
}
