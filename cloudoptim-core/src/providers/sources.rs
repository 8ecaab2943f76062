//! Traits that read.
//!
//! All lists keep one contract:
//!
//! - **All pages, in any order.** A part is never passed off as the whole: to
//!   an engine, what is not in the list does not exist. What could not be read
//!   makes the answer `Partial` or `Unknown`, with the [`Gap`](crate::knowledge::Gap).
//! - `Complete` names the scope that it is complete for, and every answer says
//!   when it was observed ([`Provenance::observed_at`](crate::knowledge::Provenance)),
//!   a cached one the time of the original read.
//! - A kind that the API does not serve (a CRD that is not installed) is
//!   `Complete` and empty; one that the caller may not read is `Unknown`.
//! - An error means that nothing at all can be said. [`collect`](crate::collect)
//!   turns it into `Unknown`.

use super::ProviderError;
use crate::knowledge::Knowledge;
use crate::model::{
    AccountId, AutoScalingGroup, ClusterRecord, ClusterUid, Commitment, CsiNode, EbsSnapshot,
    EndpointSlice, Event, HorizontalPodAutoscaler, Instance, InstanceId, Lease, LimitRange,
    Namespace, Node, NodeClaim, NodeGroup, NodePool, OfferingPrice, PersistentVolume,
    PersistentVolumeClaim, Pod, PodDisruptionBudget, PriorityClass, Region, ResourceQuota,
    RuntimeClass, ScaledObject, Service, ServiceQuota, SpotRequest, StorageClass, Subnet,
    TrafficEdge, UsageSummary, VerticalPodAutoscaler, Volume, VolumeAttachment, VolumeSnapshot,
    Workload, Zone,
};
use async_trait::async_trait;
use std::fmt;

/// Says which account and region a handle really talks to.
///
/// Guards compare it with the plan before every act.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait CloudIdentity: fmt::Debug + Send + Sync {
    /// Asks the provider who we are, and where.
    async fn cloud(&self) -> Result<(AccountId, Region), ProviderError>;
}

/// Says which cluster a handle really talks to.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ClusterIdentity: fmt::Debug + Send + Sync {
    /// Reads the uid of the `kube-system` namespace.
    async fn cluster_uid(&self) -> Result<ClusterUid, ProviderError>;
}

/// Reads instances.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait InstanceSource: fmt::Debug + Send + Sync {
    /// Lists every instance, those that are stopped too.
    async fn list_instances(&self) -> Result<Knowledge<Vec<Instance>>, ProviderError>;

    /// Reads one instance by id, with its two protection flags filled in.
    ///
    /// # Errors
    /// [`ProviderError::NotFound`] when the provider does not know the id.
    async fn describe_instance(&self, instance: &InstanceId) -> Result<Instance, ProviderError>;
}

/// Reads volumes and their snapshots.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait VolumeSource: fmt::Debug + Send + Sync {
    /// Lists every volume.
    async fn list_volumes(&self) -> Result<Knowledge<Vec<Volume>>, ProviderError>;

    /// Lists every snapshot that the account owns.
    async fn list_snapshots(&self) -> Result<Knowledge<Vec<EbsSnapshot>>, ProviderError>;
}

/// Reads what makes instances.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait GroupSource: fmt::Debug + Send + Sync {
    /// Lists auto scaling groups.
    async fn list_auto_scaling_groups(
        &self,
    ) -> Result<Knowledge<Vec<AutoScalingGroup>>, ProviderError>;

    /// Lists managed node groups of every cluster of the region.
    async fn list_node_groups(&self) -> Result<Knowledge<Vec<NodeGroup>>, ProviderError>;

    /// Lists the Kubernetes clusters that the account knows.
    async fn list_clusters(&self) -> Result<Knowledge<Vec<ClusterRecord>>, ProviderError>;
}

/// Reads what the account has in the region.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait AccountSource: fmt::Debug + Send + Sync {
    /// Lists zones.
    async fn list_zones(&self) -> Result<Knowledge<Vec<Zone>>, ProviderError>;

    /// Lists subnets.
    async fn list_subnets(&self) -> Result<Knowledge<Vec<Subnet>>, ProviderError>;

    /// Lists quotas.
    async fn list_quotas(&self) -> Result<Knowledge<Vec<ServiceQuota>>, ProviderError>;

    /// Lists spot requests.
    async fn list_spot_requests(&self) -> Result<Knowledge<Vec<SpotRequest>>, ProviderError>;

    /// Lists reservations and savings plans.
    async fn list_commitments(&self) -> Result<Knowledge<Vec<Commitment>>, ProviderError>;

    /// Lists prices of the account that differ from the listed ones.
    async fn list_prices(&self) -> Result<Knowledge<Vec<OfferingPrice>>, ProviderError>;
}

/// Reads nodes and what stands behind them.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait NodeSource: fmt::Debug + Send + Sync {
    /// Lists nodes.
    async fn list_nodes(&self) -> Result<Knowledge<Vec<Node>>, ProviderError>;

    /// Lists the leases of kubelets.
    async fn list_node_leases(&self) -> Result<Knowledge<Vec<Lease>>, ProviderError>;

    /// Lists Karpenter's node pools.
    async fn list_node_pools(&self) -> Result<Knowledge<Vec<NodePool>>, ProviderError>;

    /// Lists Karpenter's node claims.
    async fn list_node_claims(&self) -> Result<Knowledge<Vec<NodeClaim>>, ProviderError>;

    /// Lists CSINodes.
    async fn list_csi_nodes(&self) -> Result<Knowledge<Vec<CsiNode>>, ProviderError>;
}

/// Reads pods.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait PodSource: fmt::Debug + Send + Sync {
    /// Lists the pods of all namespaces, those that have ended too.
    async fn list_pods(&self) -> Result<Knowledge<Vec<Pod>>, ProviderError>;
}

/// Reads workloads and what scales them.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WorkloadSource: fmt::Debug + Send + Sync {
    /// Lists workloads of every kind that owns pods.
    async fn list_workloads(&self) -> Result<Knowledge<Vec<Workload>>, ProviderError>;

    /// Lists disruption budgets.
    async fn list_disruption_budgets(
        &self,
    ) -> Result<Knowledge<Vec<PodDisruptionBudget>>, ProviderError>;

    /// Lists horizontal autoscalers.
    async fn list_horizontal_autoscalers(
        &self,
    ) -> Result<Knowledge<Vec<HorizontalPodAutoscaler>>, ProviderError>;

    /// Lists vertical autoscalers.
    async fn list_vertical_autoscalers(
        &self,
    ) -> Result<Knowledge<Vec<VerticalPodAutoscaler>>, ProviderError>;

    /// Lists KEDA's scaled objects.
    async fn list_scaled_objects(&self) -> Result<Knowledge<Vec<ScaledObject>>, ProviderError>;
}

/// Reads the rules of namespaces and of the cluster.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait RuleSource: fmt::Debug + Send + Sync {
    /// Lists namespaces.
    async fn list_namespaces(&self) -> Result<Knowledge<Vec<Namespace>>, ProviderError>;

    /// Lists limit ranges.
    async fn list_limit_ranges(&self) -> Result<Knowledge<Vec<LimitRange>>, ProviderError>;

    /// Lists resource quotas.
    async fn list_resource_quotas(&self) -> Result<Knowledge<Vec<ResourceQuota>>, ProviderError>;

    /// Lists priority classes.
    async fn list_priority_classes(&self) -> Result<Knowledge<Vec<PriorityClass>>, ProviderError>;

    /// Lists runtime classes.
    async fn list_runtime_classes(&self) -> Result<Knowledge<Vec<RuntimeClass>>, ProviderError>;
}

/// Reads storage as Kubernetes sees it.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait StorageSource: fmt::Debug + Send + Sync {
    /// Lists persistent volumes.
    async fn list_persistent_volumes(
        &self,
    ) -> Result<Knowledge<Vec<PersistentVolume>>, ProviderError>;

    /// Lists claims.
    async fn list_claims(&self) -> Result<Knowledge<Vec<PersistentVolumeClaim>>, ProviderError>;

    /// Lists storage classes.
    async fn list_storage_classes(&self) -> Result<Knowledge<Vec<StorageClass>>, ProviderError>;

    /// Lists volume attachments.
    async fn list_volume_attachments(
        &self,
    ) -> Result<Knowledge<Vec<VolumeAttachment>>, ProviderError>;

    /// Lists volume snapshots.
    async fn list_volume_snapshots(&self) -> Result<Knowledge<Vec<VolumeSnapshot>>, ProviderError>;
}

/// Reads services and their endpoints.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ServiceSource: fmt::Debug + Send + Sync {
    /// Lists services.
    async fn list_services(&self) -> Result<Knowledge<Vec<Service>>, ProviderError>;

    /// Lists endpoint slices.
    async fn list_endpoint_slices(&self) -> Result<Knowledge<Vec<EndpointSlice>>, ProviderError>;
}

/// Reads what was measured.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ObservationSource: fmt::Debug + Send + Sync {
    /// Reads usage, summed up per container.
    async fn usage(&self) -> Result<Knowledge<UsageSummary>, ProviderError>;

    /// Lists traffic between workloads.
    async fn list_traffic(&self) -> Result<Knowledge<Vec<TrafficEdge>>, ProviderError>;

    /// Lists events.
    async fn list_events(&self) -> Result<Knowledge<Vec<Event>>, ProviderError>;
}
