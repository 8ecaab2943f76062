//! Answers that are remembered for a while.

use super::{
    AccountSource, Clock, CloudIdentity, ClusterIdentity, GroupSource, InstanceSource, NodeSource,
    ObservationSource, PodSource, ProviderError, RuleSource, ServiceSource, StorageSource,
    VolumeSource, WorkloadSource,
};
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
use chrono::TimeDelta;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

/// A provider whose complete answers are remembered.
///
/// An answer that is taken from memory says when it was observed, so guards see
/// its age; who we are, single instances, and what is not complete are asked for
/// every time. Ages are measured on the clock that never goes back.
pub struct Cached<P> {
    inner: Arc<P>,
    clock: Arc<dyn Clock>,
    max_age: TimeDelta,
    kept: Mutex<BTreeMap<&'static str, Kept>>,
}

struct Kept {
    since: TimeDelta,
    answer: Box<dyn Any + Send + Sync>,
}

impl<P: fmt::Debug> fmt::Debug for Cached<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("inner", &self.inner)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

impl<P> Cached<P> {
    /// Remembers the answers of `inner` for less than `max_age`.
    pub fn new(inner: Arc<P>, clock: Arc<dyn Clock>, max_age: TimeDelta) -> Self {
        Self {
            inner,
            clock,
            max_age,
            kept: Mutex::default(),
        }
    }

    /// Forgets every answer.
    pub fn forget(&self) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    async fn part<T>(
        &self,
        name: &'static str,
        ask: impl Future<Output = Result<Knowledge<T>, ProviderError>>,
    ) -> Result<Knowledge<T>, ProviderError>
    where
        T: Clone + Send + Sync + 'static,
    {
        // Before the question: an answer is as old as its first page.
        let since = self.clock.monotonic();
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = kept
                .get(name)
                .filter(|kept| since - kept.since < self.max_age)
                .and_then(|kept| kept.answer.downcast_ref::<Knowledge<T>>());
            if let Some(answer) = fresh {
                return Ok(answer.clone());
            }
        }
        let answer = ask.await?;
        if answer.is_complete() {
            let kept = Kept {
                since,
                answer: Box::new(answer.clone()),
            };
            let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(name, kept);
        }
        Ok(answer)
    }
}

#[async_trait]
impl<P: CloudIdentity> CloudIdentity for Cached<P> {
    async fn cloud(&self) -> Result<(AccountId, Region), ProviderError> {
        self.inner.cloud().await
    }
}

#[async_trait]
impl<P: ClusterIdentity> ClusterIdentity for Cached<P> {
    async fn cluster_uid(&self) -> Result<ClusterUid, ProviderError> {
        self.inner.cluster_uid().await
    }
}

#[async_trait]
impl<P: InstanceSource> InstanceSource for Cached<P> {
    async fn list_instances(&self) -> Result<Knowledge<Vec<Instance>>, ProviderError> {
        self.part("list_instances", self.inner.list_instances())
            .await
    }

    async fn describe_instance(&self, instance: &InstanceId) -> Result<Instance, ProviderError> {
        self.inner.describe_instance(instance).await
    }
}

macro_rules! cached {
    ($($role:ident { $($method:ident: $value:ty;)* })*) => {
        $(
            #[async_trait]
            impl<P: $role> $role for Cached<P> {
                $(
                    async fn $method(&self) -> Result<Knowledge<$value>, ProviderError> {
                        self.part(stringify!($method), self.inner.$method()).await
                    }
                )*
            }
        )*
    };
}

cached! {
    VolumeSource {
        list_volumes: Vec<Volume>;
        list_snapshots: Vec<EbsSnapshot>;
    }
    GroupSource {
        list_auto_scaling_groups: Vec<AutoScalingGroup>;
        list_node_groups: Vec<NodeGroup>;
        list_clusters: Vec<ClusterRecord>;
    }
    AccountSource {
        list_zones: Vec<Zone>;
        list_subnets: Vec<Subnet>;
        list_quotas: Vec<ServiceQuota>;
        list_spot_requests: Vec<SpotRequest>;
        list_commitments: Vec<Commitment>;
        list_prices: Vec<OfferingPrice>;
    }
    NodeSource {
        list_nodes: Vec<Node>;
        list_node_leases: Vec<Lease>;
        list_node_pools: Vec<NodePool>;
        list_node_claims: Vec<NodeClaim>;
        list_csi_nodes: Vec<CsiNode>;
    }
    PodSource {
        list_pods: Vec<Pod>;
    }
    WorkloadSource {
        list_workloads: Vec<Workload>;
        list_disruption_budgets: Vec<PodDisruptionBudget>;
        list_horizontal_autoscalers: Vec<HorizontalPodAutoscaler>;
        list_vertical_autoscalers: Vec<VerticalPodAutoscaler>;
        list_scaled_objects: Vec<ScaledObject>;
    }
    RuleSource {
        list_namespaces: Vec<Namespace>;
        list_limit_ranges: Vec<LimitRange>;
        list_resource_quotas: Vec<ResourceQuota>;
        list_priority_classes: Vec<PriorityClass>;
        list_runtime_classes: Vec<RuntimeClass>;
    }
    StorageSource {
        list_persistent_volumes: Vec<PersistentVolume>;
        list_claims: Vec<PersistentVolumeClaim>;
        list_storage_classes: Vec<StorageClass>;
        list_volume_attachments: Vec<VolumeAttachment>;
        list_volume_snapshots: Vec<VolumeSnapshot>;
    }
    ServiceSource {
        list_services: Vec<Service>;
        list_endpoint_slices: Vec<EndpointSlice>;
    }
    ObservationSource {
        usage: UsageSummary;
        list_traffic: Vec<TrafficEdge>;
        list_events: Vec<Event>;
    }
}
