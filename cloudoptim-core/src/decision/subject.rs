//! What a decision is about.

use crate::model::{
    AccountId, CapacityType, ClusterUid, InstanceId, InstanceType, NamespacedName, NodeName,
    Region, VolumeId, WorkloadRef, ZoneId,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a decision is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// A whole cluster.
    Cluster {
        /// Cluster.
        cluster: ClusterUid,
    },
    /// A node.
    Node {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
    },
    /// A workload.
    Workload {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
    },
    /// A container of a workload.
    Container {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// Container.
        container: String,
    },
    /// A pod.
    Pod {
        /// Cluster.
        cluster: ClusterUid,
        /// Pod.
        pod: NamespacedName,
    },
    /// A service.
    Service {
        /// Cluster.
        cluster: ClusterUid,
        /// Service.
        service: NamespacedName,
    },
    /// Traffic from one workload to another.
    TrafficPair {
        /// Cluster.
        cluster: ClusterUid,
        /// Sender.
        from: NamespacedName,
        /// Receiver.
        to: NamespacedName,
    },
    /// An instance.
    Instance {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
        /// Instance.
        instance: InstanceId,
    },
    /// A volume.
    Volume {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
        /// Volume.
        volume: VolumeId,
    },
    /// An offering.
    Offering {
        /// Region.
        region: Region,
        /// Offering.
        offering: Offering,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { cluster } => write!(f, "cluster {cluster}"),
            Self::Node { node, .. } => write!(f, "node {node}"),
            Self::Workload { workload, .. } => write!(f, "{workload}"),
            Self::Container {
                workload,
                container,
                ..
            } => write!(f, "{workload}:{container}"),
            Self::Pod { pod, .. } => write!(f, "pod {pod}"),
            Self::Service { service, .. } => write!(f, "service {service}"),
            Self::TrafficPair { from, to, .. } => write!(f, "traffic {from} to {to}"),
            Self::Instance { instance, .. } => write!(f, "instance {instance}"),
            Self::Volume { volume, .. } => write!(f, "volume {volume}"),
            Self::Offering { offering, .. } => write!(f, "offering {offering}"),
        }
    }
}

/// An instance type in a zone, paid for in one way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Offering {
    /// Instance type.
    pub instance_type: InstanceType,
    /// Zone; any of the region when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneId>,
    /// Capacity type.
    pub capacity_type: CapacityType,
}

impl fmt::Display for Offering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.as_ref().map_or("any zone", ZoneId::as_str);
        write!(f, "{} {} {zone}", self.instance_type, self.capacity_type)
    }
}
