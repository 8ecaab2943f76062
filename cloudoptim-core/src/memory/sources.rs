//! Reading the world.

use super::{InMemoryCloud, InMemoryCluster, cloud_in, fail};
use crate::knowledge::Knowledge;
use crate::model::*;
use crate::providers::{
    AccountSource, CloudIdentity, ClusterIdentity, GroupSource, InstanceSource, NodeSource,
    ObservationSource, PodSource, ProviderError, RuleSource, ServiceSource, StorageSource,
    VolumeSource, WorkloadSource,
};
use async_trait::async_trait;

macro_rules! sources {
    ($handle:ident: $($role:ident { $($method:ident: $field:ident => $value:ty,)* })*) => {
        $(
            #[async_trait]
            impl $role for $handle {
                $(
                    async fn $method(&self) -> Result<Knowledge<$value>, ProviderError> {
                        self.memory
                            .read(stringify!($method), |world| Some(self.part(world)?.$field.clone()))
                            .await
                    }
                )*
            }
        )*
    };
}

impl InMemoryCloud {
    fn part<'a>(&self, world: &'a Snapshot) -> Option<&'a Cloud> {
        cloud_in(world, &self.account, &self.region)
    }
}

impl InMemoryCluster {
    fn part<'a>(&self, world: &'a Snapshot) -> Option<&'a Cluster> {
        world.cluster(&self.uid)
    }
}

#[async_trait]
impl CloudIdentity for InMemoryCloud {
    async fn cloud(&self) -> Result<(AccountId, Region), ProviderError> {
        if let Some(kind) = self.memory.enter("cloud") {
            fail("cloud", "", kind).await?;
        }
        let scope = format!("{}/{}", self.account, self.region);
        let state = self.memory.lock();
        let answer = state.identities.get(&scope).unwrap_or(&scope);
        let (account, region) = answer.split_once('/').unwrap_or((answer, ""));
        Ok((account.into(), region.into()))
    }
}

#[async_trait]
impl ClusterIdentity for InMemoryCluster {
    async fn cluster_uid(&self) -> Result<ClusterUid, ProviderError> {
        if let Some(kind) = self.memory.enter("cluster_uid") {
            fail("cluster_uid", "", kind).await?;
        }
        let state = self.memory.lock();
        let answer = state.identities.get(self.uid.as_str());
        Ok(answer.map_or_else(|| self.uid.clone(), |uid| uid.as_str().into()))
    }
}

#[async_trait]
impl InstanceSource for InMemoryCloud {
    async fn list_instances(&self) -> Result<Knowledge<Vec<Instance>>, ProviderError> {
        let listed = self
            .memory
            .read("list_instances", |world| {
                Some(self.part(world)?.instances.clone())
            })
            .await?;
        // As with EC2, a list does not tell the protection flags.
        Ok(listed.map(|instances| {
            let blank = |instance| Instance {
                termination_protected: None,
                stop_protected: None,
                ..instance
            };
            instances.into_iter().map(blank).collect()
        }))
    }

    async fn describe_instance(&self, id: &InstanceId) -> Result<Instance, ProviderError> {
        let operation = "describe_instance";
        if let Some(kind) = self.memory.enter(operation) {
            fail(operation, id.as_str(), kind).await?;
        }
        let state = self.memory.lock();
        let found = self
            .part(&state.world)
            .and_then(|c| c.instances.items().iter().find(|i| i.id == *id));
        found.cloned().ok_or_else(|| ProviderError::NotFound {
            call: Box::new(super::call(operation, id.as_str())),
        })
    }
}

sources! {
    InMemoryCloud:
    AccountSource {
        list_zones: zones => Vec<Zone>,
        list_subnets: subnets => Vec<Subnet>,
        list_quotas: quotas => Vec<ServiceQuota>,
        list_spot_requests: spot_requests => Vec<SpotRequest>,
        list_commitments: commitments => Vec<Commitment>,
        list_prices: prices => Vec<OfferingPrice>,
    }
    GroupSource {
        list_auto_scaling_groups: auto_scaling_groups => Vec<AutoScalingGroup>,
        list_node_groups: node_groups => Vec<NodeGroup>,
        list_clusters: cluster_records => Vec<ClusterRecord>,
    }
    VolumeSource {
        list_snapshots: ebs_snapshots => Vec<EbsSnapshot>,
        list_volumes: volumes => Vec<Volume>,
    }
}

sources! {
    InMemoryCluster:
    RuleSource {
        list_namespaces: namespaces => Vec<Namespace>,
        list_limit_ranges: limit_ranges => Vec<LimitRange>,
        list_resource_quotas: resource_quotas => Vec<ResourceQuota>,
        list_priority_classes: priority_classes => Vec<PriorityClass>,
        list_runtime_classes: runtime_classes => Vec<RuntimeClass>,
    }
    NodeSource {
        list_node_pools: node_pools => Vec<NodePool>,
        list_node_claims: node_claims => Vec<NodeClaim>,
        list_node_leases: leases => Vec<Lease>,
        list_csi_nodes: csi_nodes => Vec<CsiNode>,
        list_nodes: nodes => Vec<Node>,
    }
    WorkloadSource {
        list_horizontal_autoscalers: horizontal_autoscalers => Vec<HorizontalPodAutoscaler>,
        list_vertical_autoscalers: vertical_autoscalers => Vec<VerticalPodAutoscaler>,
        list_scaled_objects: scaled_objects => Vec<ScaledObject>,
        list_disruption_budgets: disruption_budgets => Vec<PodDisruptionBudget>,
        list_workloads: workloads => Vec<Workload>,
    }
    ServiceSource {
        list_services: services => Vec<Service>,
        list_endpoint_slices: endpoint_slices => Vec<EndpointSlice>,
    }
    ObservationSource {
        usage: usage => UsageSummary,
        list_traffic: traffic => Vec<TrafficEdge>,
        list_events: events => Vec<Event>,
    }
    StorageSource {
        list_storage_classes: storage_classes => Vec<StorageClass>,
        list_claims: claims => Vec<PersistentVolumeClaim>,
        list_persistent_volumes: persistent_volumes => Vec<PersistentVolume>,
        list_volume_attachments: volume_attachments => Vec<VolumeAttachment>,
        list_volume_snapshots: volume_snapshots => Vec<VolumeSnapshot>,
    }
    PodSource {
        list_pods: pods => Vec<Pod>,
    }
}
