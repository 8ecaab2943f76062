//! What earlier runs saw and did: the host keeps it and passes it in.
//!
//! An absent ledger is `None`: nothing was observed, so nothing is old.

use crate::decision::Offering;
use crate::model::{ClusterUid, InstanceId, NodeName, VolumeId, WorkloadRef};
use crate::version::Version;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A state that was seen in every observation from `first_at` to `last_at`.
///
/// Between two observations the state is taken to have held; the longest such
/// span is kept, because a hole may hide a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Observed {
    /// First observation of the unbroken row.
    pub first_at: DateTime<Utc>,
    /// Last observation.
    pub last_at: DateTime<Utc>,
    /// Observations.
    pub count: u32,
    /// Longest span between two of them, in seconds.
    pub longest_gap_seconds: u64,
}

/// A workload that was put to sleep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Asleep {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Workload.
    pub workload: WorkloadRef,
    /// Replicas that it had.
    pub replicas: u32,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Generation of the workload after it was put to sleep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// A node that one of our plans disrupted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Disrupted {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Node or, for launches, the pool.
    pub node: NodeName,
    /// When.
    pub at: DateTime<Utc>,
}

/// A shortage or an interruption of a pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PoolEvent {
    /// Pool.
    pub offering: Offering,
    /// `insufficient_capacity`, `interruption_notice` or `rebalance_recommendation`.
    pub kind: PoolEventKind,
    /// When.
    pub at: DateTime<Utc>,
    /// Instance, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
}

/// What happened to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PoolEventKind {
    /// A launch was refused.
    InsufficientCapacity,
    /// An instance is taken back in two minutes.
    InterruptionNotice,
    /// An instance is likely to be taken back.
    RebalanceRecommendation,
}

/// A memory raise that one of our plans made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MemoryRaise {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Workload.
    pub workload: WorkloadRef,
    /// Container.
    pub container: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Limit before the first raise, in bytes.
    pub original_limit: crate::model::Bytes,
    /// Limit after this raise.
    pub limit: crate::model::Bytes,
    /// Kills that it answers: (pod uid, container, restart count).
    pub answered: Vec<String>,
}

/// What earlier runs saw and did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Ledgers {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Instances seen without a node, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances_without_node: Option<BTreeMap<InstanceId, Observed>>,
    /// Nodes seen without an instance, by cluster and name (`uid/name`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes_without_instance: Option<BTreeMap<String, Observed>>,
    /// Volumes seen unattached, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes_unattached: Option<BTreeMap<VolumeId, Observed>>,
    /// Workloads asleep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asleep: Option<Vec<Asleep>>,
    /// Nodes disrupted of late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disrupted: Option<Vec<Disrupted>>,
    /// Events of spot pools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_events: Option<Vec<PoolEvent>>,
    /// Memory raises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_raises: Option<Vec<MemoryRaise>>,
}
