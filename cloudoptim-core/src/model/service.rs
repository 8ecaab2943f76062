//! Services, their endpoints, and traffic between workloads.

use super::{Labels, NodeName, ObjectMeta, ZoneId, ZoneName};
use serde::{Deserialize, Serialize};

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// Metadata.
    pub meta: ObjectMeta,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: String,
    /// `clusterIP: None`: clients see the pods.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub headless: bool,
    /// Selects the pods by equality; `None` when endpoints are made by others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Labels>,
    /// `spec.trafficDistribution`, such as `PreferSameZone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_distribution: Option<String>,
    /// `Local` or `Cluster`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_traffic_policy: Option<String>,
    /// `Local` or `Cluster`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<String>,
    /// `ClientIP` or `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_affinity: Option<String>,
    /// Load balancer class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<String>,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// Its pod, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// Its zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneName>,
    /// Ready to take traffic.
    pub ready: bool,
    /// Zones that it is hinted for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<ZoneName>,
}

/// An EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct EndpointSlice {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Service that it belongs to.
    pub service: String,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// Bytes from one workload in one zone to another in another, in a day.
///
/// One direction: a reply is another edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TrafficEdge {
    /// Namespace of the sender.
    pub from_namespace: String,
    /// Name of the sender's workload.
    pub from_workload: String,
    /// Zone of the sender.
    pub from_zone: ZoneId,
    /// Namespace of the receiver.
    pub to_namespace: String,
    /// Name of the receiver's workload.
    pub to_workload: String,
    /// Zone of the receiver.
    pub to_zone: ZoneId,
    /// Bytes in a day.
    pub bytes_per_day: u64,
    /// The sender opened the connections (`true`: these are requests) or
    /// answers on them (`false`); `None` when the source does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_by_sender: Option<bool>,
}
