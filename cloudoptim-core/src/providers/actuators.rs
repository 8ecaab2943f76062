//! Traits that act.
//!
//! All methods keep one contract:
//!
//! - The permit is for exactly this act: a provider refuses, with
//!   [`ProviderError::Conflict`], when [`Permit::action`] is another.
//! - Its [preconditions](Permit::preconditions) go along with the request, as
//!   uid and resource version on Kubernetes, or are read again right before it.
//!   When one does not hold: [`ProviderError::Conflict`], and nothing is changed.
//! - One request, no retry. Its idempotency token is [`Permit::key`], so the
//!   same act asked for twice happens once.
//! - [`ProviderError::NotFound`] when the resource is gone already.
//! - Every object that is made or marked carries the key, under [`STEP_KEY`].

use super::ProviderError;
use crate::decision::{Launch, ObjectRef, Offering, Owner, PodMove, SpotPoolShare};
use crate::guard::Permit;
use crate::model::{
    ContainerResources, InstanceId, NamespacedName, NodeName, VolumeId, WorkloadRef, ZoneId,
};
use async_trait::async_trait;
use std::fmt;

/// Label and tag of what a step made: its value is [`Permit::key`].
pub const STEP_KEY: &str = "cloudoptim/step";

/// Annotation with the replicas of a workload that may run on spot.
pub const SPOT_REPLICAS_KEY: &str = "cloudoptim/spot-replicas";

/// Changes instances.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait InstanceActuator: fmt::Debug + Send + Sync {
    /// Asks for the instance to be stopped.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if a node runs on it, or if it is protected.
    async fn stop_instance(
        &self,
        permit: &Permit,
        instance: &InstanceId,
    ) -> Result<(), ProviderError>;

    /// Asks for the instance to be started.
    ///
    /// # Errors
    /// [`ProviderError::InsufficientCapacity`] if there is no room for its type.
    async fn start_instance(
        &self,
        permit: &Permit,
        instance: &InstanceId,
    ) -> Result<(), ProviderError>;

    /// Asks for the instance to be terminated, through its owner: from a group by
    /// id and with the wanted size lowered, never by lowering the size alone.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if a node runs on it, or if it is protected.
    async fn terminate_instance(
        &self,
        permit: &Permit,
        instance: &InstanceId,
        via: &Owner,
    ) -> Result<(), ProviderError>;
}

/// Changes volumes.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait VolumeActuator: fmt::Debug + Send + Sync {
    /// Takes a snapshot and returns once it is complete, or with
    /// [`ProviderError::Unavailable`] when that takes too long. A snapshot that
    /// carries the permit's key is taken up, not made again.
    async fn snapshot_volume(
        &self,
        permit: &Permit,
        volume: &VolumeId,
    ) -> Result<(), ProviderError>;

    /// Deletes the volume.
    ///
    /// # Errors
    /// [`ProviderError::NotFound`] if it is already gone, and
    /// [`ProviderError::Conflict`] if it has been attached since.
    async fn delete_volume(&self, permit: &Permit, volume: &VolumeId) -> Result<(), ProviderError>;
}

/// Changes tags of instances and volumes.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait TagActuator: fmt::Debug + Send + Sync {
    /// Sets the tag, or removes it when `value` is `None`.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if it has another value than the plan saw.
    async fn tag(
        &self,
        permit: &Permit,
        resource: &str,
        key: &str,
        value: Option<String>,
    ) -> Result<(), ProviderError>;
}

/// Changes nodes.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait NodeActuator: fmt::Debug + Send + Sync {
    /// Asks the owner for nodes, and returns once it has taken that on: they
    /// come later, and are waited for by who counts on them. All or none.
    ///
    /// Each is found by the permit's key under [`STEP_KEY`]: as a label of the
    /// node or of its claim, or as a tag of its instance. So a launch whose
    /// answer was lost is looked up, and asked for again under the same key it
    /// makes no more.
    ///
    /// | owner | how |
    /// | --- | --- |
    /// | Karpenter's pool | node claims of the offering, or pods that only such nodes take; with the shape's labels and taints |
    /// | managed node group, scaling group | the wanted size, from [`Launch::group_size`] and no other, within the maximum; the provider tags what the group starts |
    /// | launch template | instances of the offering, the key as client token |
    ///
    /// # Errors
    /// [`ProviderError::InsufficientCapacity`] if the offering has no room,
    /// [`ProviderError::Conflict`] if the group has another size than the plan
    /// saw, [`ProviderError::NotSupported`] for an owner that cannot be asked.
    async fn launch_nodes(&self, permit: &Permit, launch: &Launch) -> Result<(), ProviderError>;

    /// Removes what was launched under `key` and runs no pod that does not end
    /// with it, through the owner and by instance, with the wanted size of a
    /// group lowered; takes back what was asked for and is no node yet. Nodes
    /// with pods stay.
    ///
    /// # Errors
    /// [`ProviderError::NotSupported`] for an owner that cannot be asked.
    async fn release_nodes(
        &self,
        permit: &Permit,
        launch: &Launch,
        key: &str,
    ) -> Result<(), ProviderError>;

    /// Marks the node unschedulable. One that is so already stays so.
    async fn cordon_node(&self, permit: &Permit, node: &NodeName) -> Result<(), ProviderError>;

    /// Marks the node schedulable.
    async fn uncordon_node(&self, permit: &Permit, node: &NodeName) -> Result<(), ProviderError>;

    /// Evicts the pods by uid, through the eviction API, and returns once they
    /// are gone from the node. Pods of one budget go one after the other. It
    /// never deletes a pod.
    ///
    /// # Errors
    /// [`ProviderError::Throttled`] when a budget lets none go for now; some pods
    /// may have left. [`ProviderError::Conflict`] if the node is another.
    async fn drain_node(
        &self,
        permit: &Permit,
        node: &NodeName,
        moves: &[PodMove],
    ) -> Result<(), ProviderError>;

    /// Asks the owner to remove the node and its instance.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if pods run on it that do not end with it.
    async fn remove_node(
        &self,
        permit: &Permit,
        node: &NodeName,
        via: &Owner,
    ) -> Result<(), ProviderError>;

    /// Deletes the node object, by uid.
    async fn delete_node_object(
        &self,
        permit: &Permit,
        node: &NodeName,
    ) -> Result<(), ProviderError>;
}

/// Changes workloads.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WorkloadActuator: fmt::Debug + Send + Sync {
    /// Sets requests and limits of a container in the template.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if it asks for something else than the plan saw.
    async fn resize_container(
        &self,
        permit: &Permit,
        workload: &WorkloadRef,
        container: &str,
        init: bool,
        to: &ContainerResources,
    ) -> Result<(), ProviderError>;

    /// Sets the replicas.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if they are not what the plan saw.
    async fn scale_workload(
        &self,
        permit: &Permit,
        workload: &WorkloadRef,
        to: u32,
    ) -> Result<(), ProviderError>;

    /// Suspends or resumes a Job or CronJob.
    async fn suspend_workload(
        &self,
        permit: &Permit,
        workload: &WorkloadRef,
        suspend: bool,
    ) -> Result<(), ProviderError>;

    /// Prefers a zone by a preferred node affinity of weight 100 on
    /// [`ZONE_ID_LABEL`](crate::model::ZONE_ID_LABEL); takes that term away when `None`.
    async fn prefer_zone(
        &self,
        permit: &Permit,
        workload: &WorkloadRef,
        to: Option<ZoneId>,
    ) -> Result<(), ProviderError>;

    /// Lets that many replicas run on spot, and notes it under [`SPOT_REPLICAS_KEY`].
    async fn set_spot_share(
        &self,
        permit: &Permit,
        workload: &WorkloadRef,
        to: u32,
        pools: &[SpotPoolShare],
        fallback: &Offering,
    ) -> Result<(), ProviderError>;
}

/// Changes annotations of any object, and services.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ObjectActuator: fmt::Debug + Send + Sync {
    /// Sets an annotation, or removes it when `value` is `None`.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if it has another value than the plan saw.
    async fn annotate(
        &self,
        permit: &Permit,
        object: &ObjectRef,
        key: &str,
        value: Option<String>,
    ) -> Result<(), ProviderError>;

    /// Sets a service's `trafficDistribution`, or removes it when `None`.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] if it has another value than the plan saw.
    async fn route_service(
        &self,
        permit: &Permit,
        service: &NamespacedName,
        to: Option<String>,
    ) -> Result<(), ProviderError>;
}
