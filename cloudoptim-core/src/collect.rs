//! Sources → [`Snapshot`].
//!
//! Clouds are read before clusters: what proves that something has an owner is
//! read last, so that a thing made in between is not taken for a stray. What
//! could not be read is `Unknown` with the reason; nothing stops the rest.

use crate::knowledge::{Gap, Knowledge};
use crate::model::{Cloud, Cluster, ExpectedCluster, Snapshot};
use crate::providers::{CloudSources, ClusterSources, ProviderError, Sources};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! parts {
    (
        $sources:ident -> $target:ident, $read_one:ident, $read_all:ident, $all:ident:
        $($(#[$doc:meta])* $kind:ident = $field:ident: $handle:ident.$method:ident()),* $(,)?
    ) => {
        /// Every part of the kind, in the order in which it is read.
        pub(crate) const $all: &[Part] = &[$(Part::$kind),*];

        /// Reads one part; `false` when the scope has no such part.
        pub(crate) async fn $read_one(
            sources: &$sources,
            part: Part,
            into: &mut $target,
        ) -> Result<bool, ProviderError> {
            match part {
                $(Part::$kind => into.$field = sources.$handle.$method().await?,)*
                _ => return Ok(false),
            }
            Ok(true)
        }

        async fn $read_all(sources: &$sources, into: &mut $target) {
            $(into.$field = known(sources.$handle.$method().await);)*
        }

        impl $target {
            /// Every part that is not complete, and why, in the order of reading.
            pub fn gaps(&self) -> Vec<(Part, &Gap)> {
                let all = [$((Part::$kind, self.$field.gap())),*];
                all.into_iter().filter_map(|(part, gap)| Some((part, gap?))).collect()
            }
        }
    };
}

/// A part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)] // each is named as the snapshot's field, which is documented
pub enum Part {
    Instances,
    Volumes,
    EbsSnapshots,
    AutoScalingGroups,
    NodeGroups,
    ClusterRecords,
    Zones,
    Subnets,
    Quotas,
    SpotRequests,
    Commitments,
    Prices,
    Nodes,
    Pods,
    Workloads,
    DisruptionBudgets,
    PersistentVolumes,
    Claims,
    StorageClasses,
    CsiNodes,
    VolumeAttachments,
    VolumeSnapshots,
    Services,
    EndpointSlices,
    HorizontalAutoscalers,
    VerticalAutoscalers,
    ScaledObjects,
    LimitRanges,
    ResourceQuotas,
    PriorityClasses,
    RuntimeClasses,
    NodePools,
    NodeClaims,
    Leases,
    Events,
    Namespaces,
    Usage,
    Traffic,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = serde_json::to_value(self).unwrap_or_default();
        f.write_str(value.as_str().unwrap_or_default())
    }
}

parts! {
    CloudSources -> Cloud, read_cloud_part, read_cloud, CLOUD_PARTS:
    Zones = zones: account.list_zones(),
    Subnets = subnets: account.list_subnets(),
    Quotas = quotas: account.list_quotas(),
    SpotRequests = spot_requests: account.list_spot_requests(),
    Commitments = commitments: account.list_commitments(),
    Prices = prices: account.list_prices(),
    AutoScalingGroups = auto_scaling_groups: groups.list_auto_scaling_groups(),
    NodeGroups = node_groups: groups.list_node_groups(),
    ClusterRecords = cluster_records: groups.list_clusters(),
    EbsSnapshots = ebs_snapshots: volumes.list_snapshots(),
    Volumes = volumes: volumes.list_volumes(),
    Instances = instances: instances.list_instances(),
}

parts! {
    ClusterSources -> Cluster, read_cluster_part, read_cluster, CLUSTER_PARTS:
    Namespaces = namespaces: rules.list_namespaces(),
    LimitRanges = limit_ranges: rules.list_limit_ranges(),
    ResourceQuotas = resource_quotas: rules.list_resource_quotas(),
    PriorityClasses = priority_classes: rules.list_priority_classes(),
    RuntimeClasses = runtime_classes: rules.list_runtime_classes(),
    NodePools = node_pools: nodes.list_node_pools(),
    NodeClaims = node_claims: nodes.list_node_claims(),
    Leases = leases: nodes.list_node_leases(),
    CsiNodes = csi_nodes: nodes.list_csi_nodes(),
    HorizontalAutoscalers = horizontal_autoscalers: workloads.list_horizontal_autoscalers(),
    VerticalAutoscalers = vertical_autoscalers: workloads.list_vertical_autoscalers(),
    ScaledObjects = scaled_objects: workloads.list_scaled_objects(),
    Services = services: services.list_services(),
    EndpointSlices = endpoint_slices: services.list_endpoint_slices(),
    Usage = usage: observations.usage(),
    Traffic = traffic: observations.list_traffic(),
    Events = events: observations.list_events(),
    DisruptionBudgets = disruption_budgets: workloads.list_disruption_budgets(),
    StorageClasses = storage_classes: storage.list_storage_classes(),
    Claims = claims: storage.list_claims(),
    PersistentVolumes = persistent_volumes: storage.list_persistent_volumes(),
    VolumeAttachments = volume_attachments: storage.list_volume_attachments(),
    VolumeSnapshots = volume_snapshots: storage.list_volume_snapshots(),
    Workloads = workloads: workloads.list_workloads(),
    Pods = pods: pods.list_pods(),
    Nodes = nodes: nodes.list_nodes(),
}

impl Part {
    /// Whether it belongs to an account, not to a cluster.
    pub fn is_of_cloud(self) -> bool {
        CLOUD_PARTS.contains(&self)
    }

    /// All parts, those of clouds first, in the order in which they are read.
    pub fn all() -> impl Iterator<Item = Self> {
        CLOUD_PARTS.iter().chain(CLUSTER_PARTS).copied()
    }
}

fn known<T>(answer: Result<Knowledge<T>, ProviderError>) -> Knowledge<T> {
    answer.unwrap_or_else(|error| Knowledge::unknown(gap(&error)))
}

/// What an error leaves open.
pub(crate) fn gap(error: &ProviderError) -> Gap {
    match error {
        ProviderError::PermissionDenied { permission, .. } => Gap::Denied {
            permission: permission.clone(),
        },
        error => Gap::Unavailable {
            error: error.to_string(),
        },
    }
}

/// Reads everything that the sources offer.
///
/// `taken_at` is now, as the host sees it, and `expected` the clusters that
/// exist as far as the operator knows. A part that fails is `Unknown`; a scope
/// whose identity cannot be read, or is another, has only unknown parts.
///
/// ```
/// use cloudoptim_core::{collect::collect, knowledge::Knowledge, providers::Sources};
/// use chrono::DateTime;
/// use std::future::Future;
///
/// let sources = Sources::default();
/// let reading = collect(&sources, DateTime::UNIX_EPOCH, Knowledge::default());
/// // A future, which the host's runtime runs; without sources it never waits.
/// let mut reading = std::pin::pin!(reading);
/// let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// let std::task::Poll::Ready(snapshot) = reading.as_mut().poll(&mut context) else {
///     panic!("it waits for nothing");
/// };
/// assert!(snapshot.clusters.is_empty());
/// ```
pub async fn collect(
    sources: &Sources,
    taken_at: DateTime<Utc>,
    expected: Knowledge<Vec<ExpectedCluster>>,
) -> Snapshot {
    let mut snapshot = Snapshot::new(taken_at);
    snapshot.expected_clusters = expected;
    for ((account, region), handles) in &sources.clouds {
        let mut cloud = Cloud {
            account: account.clone(),
            region: region.clone(),
            ..Cloud::default()
        };
        let found = handles.identity.cloud().await;
        if matches!(&found, Ok((a, r)) if a == account && r == region) {
            read_cloud(handles, &mut cloud).await;
        }
        snapshot.clouds.push(cloud);
    }
    for (uid, handles) in &sources.clusters {
        let mut cluster = Cluster {
            uid: uid.clone(),
            ..Cluster::default()
        };
        if matches!(&handles.identity.cluster_uid().await, Ok(found) if found == uid) {
            read_cluster(handles, &mut cluster).await;
        }
        snapshot.clusters.push(cluster);
    }
    snapshot.normalize();
    snapshot
}
