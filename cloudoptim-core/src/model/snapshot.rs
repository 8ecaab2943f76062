//! Everything that is known at one moment.

use super::{
    AccountId, AutoScalingGroup, CapacityType, ClusterRecord, ClusterUid, Commitment, CsiNode,
    EbsSnapshot, EndpointSlice, Event, HorizontalPodAutoscaler, Instance, Lease, LimitRange,
    Namespace, Node, NodeClaim, NodeGroup, NodePool, OfferingPrice, PersistentVolume,
    PersistentVolumeClaim, Pod, PodDisruptionBudget, PriorityClass, Region, ResourceQuota,
    RuntimeClass, ScaledObject, Service, ServiceQuota, SpotRequest, StorageClass, Subnet,
    TrafficEdge, UsageSummary, VerticalPodAutoscaler, Volume, VolumeAttachment, VolumeSnapshot,
    Workload, Zone, ZoneId, ZoneName,
};
use crate::knowledge::Knowledge;
use crate::version::Version;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Version of the snapshot's JSON.
pub const SNAPSHOT_VERSION: u32 = 1;

/// How `taken_at` is known.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TakenAtBasis {
    /// Somebody stated it.
    #[default]
    Stated,
    /// It is the latest time that the documents name. The true moment is no
    /// earlier, so ages come out no larger than they are.
    LatestTimestamp,
}

/// Everything that is known at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Version of this JSON: [`SNAPSHOT_VERSION`]; another one is refused.
    pub version: Version<Self>,
    /// The moment; every decision takes it for now.
    pub taken_at: DateTime<Utc>,
    /// How that is known.
    #[serde(default)]
    pub taken_at_basis: TakenAtBasis,
    /// One part per account and region, sorted.
    #[serde(default)]
    pub clouds: Vec<Cloud>,
    /// One part per cluster, sorted by uid.
    #[serde(default)]
    pub clusters: Vec<Cluster>,
    /// Clusters that exist as far as the operator knows. An engine that acts
    /// on "no cluster knows this" needs all of them here and complete.
    #[serde(default)]
    pub expected_clusters: Knowledge<Vec<ExpectedCluster>>,
}

/// A cluster that must be in a snapshot before absence proves anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedCluster {
    /// Name, as in tags.
    pub name: String,
    /// Uid, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<ClusterUid>,
}

/// What one account holds in one region.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Cloud {
    /// Account.
    pub account: AccountId,
    /// Region.
    pub region: Region,
    /// Instances, those that are stopped too.
    pub instances: Knowledge<Vec<Instance>>,
    /// Volumes.
    pub volumes: Knowledge<Vec<Volume>>,
    /// Snapshots of volumes, of this owner.
    pub ebs_snapshots: Knowledge<Vec<EbsSnapshot>>,
    /// Auto scaling groups.
    pub auto_scaling_groups: Knowledge<Vec<AutoScalingGroup>>,
    /// Managed node groups.
    pub node_groups: Knowledge<Vec<NodeGroup>>,
    /// Kubernetes clusters that the account lists.
    pub cluster_records: Knowledge<Vec<ClusterRecord>>,
    /// Zones.
    pub zones: Knowledge<Vec<Zone>>,
    /// Subnets.
    pub subnets: Knowledge<Vec<Subnet>>,
    /// Quotas.
    pub quotas: Knowledge<Vec<ServiceQuota>>,
    /// Spot requests.
    pub spot_requests: Knowledge<Vec<SpotRequest>>,
    /// Commitments.
    pub commitments: Knowledge<Vec<Commitment>>,
    /// Prices of this account, which win over the catalogue's.
    pub prices: Knowledge<Vec<OfferingPrice>>,
}

impl Cloud {
    /// `account/region`.
    pub fn scope(&self) -> String {
        format!("{}/{}", self.account, self.region)
    }

    /// The id of a zone of this account.
    pub fn zone_id(&self, name: &ZoneName) -> Option<&ZoneId> {
        self.zones
            .items()
            .iter()
            .find(|zone| zone.name == *name)
            .map(|zone| &zone.id)
    }

    /// Requests behind a spot instance that are not closed, cancelled or failed.
    pub fn live_spot_requests<'a>(
        &'a self,
        instance: &'a Instance,
    ) -> impl Iterator<Item = &'a SpotRequest> {
        let is_spot = instance.capacity_type == CapacityType::Spot;
        self.spot_requests.items().iter().filter(move |request| {
            let fills = request.instance.as_ref() == Some(&instance.id)
                || instance.spot_request.as_ref() == Some(&request.id);
            is_spot && request.is_live() && fills
        })
    }
}

/// What one cluster holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// Uid of its `kube-system` namespace; empty when not known.
    pub uid: ClusterUid,
    /// Name, as in tags; empty when not known.
    pub name: String,
    /// Account that it runs in, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Region that it runs in, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Nodes.
    pub nodes: Knowledge<Vec<Node>>,
    /// Pods.
    pub pods: Knowledge<Vec<Pod>>,
    /// Workloads of every kind.
    pub workloads: Knowledge<Vec<Workload>>,
    /// Disruption budgets.
    pub disruption_budgets: Knowledge<Vec<PodDisruptionBudget>>,
    /// Persistent volumes.
    pub persistent_volumes: Knowledge<Vec<PersistentVolume>>,
    /// Claims.
    pub claims: Knowledge<Vec<PersistentVolumeClaim>>,
    /// Storage classes.
    pub storage_classes: Knowledge<Vec<StorageClass>>,
    /// CSINodes.
    pub csi_nodes: Knowledge<Vec<CsiNode>>,
    /// Volume attachments.
    pub volume_attachments: Knowledge<Vec<VolumeAttachment>>,
    /// Volume snapshots.
    pub volume_snapshots: Knowledge<Vec<VolumeSnapshot>>,
    /// Services.
    pub services: Knowledge<Vec<Service>>,
    /// Endpoint slices.
    pub endpoint_slices: Knowledge<Vec<EndpointSlice>>,
    /// Horizontal autoscalers.
    pub horizontal_autoscalers: Knowledge<Vec<HorizontalPodAutoscaler>>,
    /// Vertical autoscalers.
    pub vertical_autoscalers: Knowledge<Vec<VerticalPodAutoscaler>>,
    /// KEDA scaled objects.
    pub scaled_objects: Knowledge<Vec<ScaledObject>>,
    /// Limit ranges.
    pub limit_ranges: Knowledge<Vec<LimitRange>>,
    /// Resource quotas.
    pub resource_quotas: Knowledge<Vec<ResourceQuota>>,
    /// Priority classes.
    pub priority_classes: Knowledge<Vec<PriorityClass>>,
    /// Runtime classes.
    pub runtime_classes: Knowledge<Vec<RuntimeClass>>,
    /// Karpenter node pools.
    pub node_pools: Knowledge<Vec<NodePool>>,
    /// Karpenter node claims.
    pub node_claims: Knowledge<Vec<NodeClaim>>,
    /// Leases of kubelets.
    pub leases: Knowledge<Vec<Lease>>,
    /// Events.
    pub events: Knowledge<Vec<Event>>,
    /// Namespaces.
    pub namespaces: Knowledge<Vec<Namespace>>,
    /// Usage.
    pub usage: Knowledge<UsageSummary>,
    /// Traffic between workloads.
    pub traffic: Knowledge<Vec<TrafficEdge>>,
}

impl Snapshot {
    /// An empty snapshot of that moment: everything is unknown.
    pub fn new(taken_at: DateTime<Utc>) -> Self {
        Self {
            version: Version::KNOWN,
            taken_at,
            taken_at_basis: TakenAtBasis::Stated,
            clouds: Vec::new(),
            clusters: Vec::new(),
            expected_clusters: Knowledge::default(),
        }
    }

    /// Sorts every list by identity, so that the order of input is forgotten.
    /// Whatever builds a snapshot ends with it.
    pub fn normalize(&mut self) {
        self.clouds
            .sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
        self.clusters
            .sort_by(|a, b| (&a.uid, &a.name).cmp(&(&b.uid, &b.name)));
        sort(&mut self.expected_clusters, |c| {
            (c.name.clone(), c.uid.clone())
        });
        for cloud in &mut self.clouds {
            cloud.normalize();
        }
        for cluster in &mut self.clusters {
            cluster.normalize();
        }
    }

    /// The cloud part that a cluster runs in: the one it names, else the only one.
    pub fn cloud_of(&self, cluster: &Cluster) -> Option<&Cloud> {
        match (&cluster.account, &cluster.region) {
            (Some(account), Some(region)) => self
                .clouds
                .iter()
                .find(|c| c.account == *account && c.region == *region),
            _ => match self.clouds.as_slice() {
                [only] => Some(only),
                _ => None,
            },
        }
    }

    /// The cluster of that uid.
    pub fn cluster(&self, uid: &ClusterUid) -> Option<&Cluster> {
        self.clusters.iter().find(|c| c.uid == *uid)
    }
}

fn sort<T, K: Ord>(part: &mut Knowledge<Vec<T>>, key: impl Fn(&T) -> K) {
    if let Some(items) = part.value_mut() {
        items.sort_by_cached_key(key);
    }
}

impl Cloud {
    fn normalize(&mut self) {
        sort(&mut self.instances, |i| i.id.clone());
        sort(&mut self.volumes, |v| v.id.clone());
        sort(&mut self.ebs_snapshots, |s| s.id.clone());
        sort(&mut self.auto_scaling_groups, |g| g.name.clone());
        sort(&mut self.node_groups, |g| {
            (g.cluster.clone(), g.name.clone())
        });
        sort(&mut self.cluster_records, |c| c.name.clone());
        sort(&mut self.zones, |z| z.id.clone());
        sort(&mut self.subnets, |s| s.id.clone());
        sort(&mut self.quotas, |q| q.code.clone());
        sort(&mut self.spot_requests, |r| r.id.clone());
        sort(&mut self.commitments, |c| c.id.clone());
        sort(&mut self.prices, |p| p.clone());
    }
}

impl Cluster {
    fn normalize(&mut self) {
        macro_rules! by_meta {
            ($($part:ident),* $(,)?) => {
                $(sort(&mut self.$part, |o| {
                    (o.meta.namespace.clone(), o.meta.name.clone(), o.meta.uid.clone())
                });)*
            };
        }
        by_meta!(
            nodes,
            pods,
            disruption_budgets,
            persistent_volumes,
            claims,
            storage_classes,
            csi_nodes,
            volume_attachments,
            volume_snapshots,
            services,
            endpoint_slices,
            horizontal_autoscalers,
            vertical_autoscalers,
            scaled_objects,
            limit_ranges,
            resource_quotas,
            priority_classes,
            runtime_classes,
            node_pools,
            node_claims,
            leases,
            events,
            namespaces,
        );
        sort(&mut self.workloads, |w| (w.reference(), w.meta.uid.clone()));
        sort(&mut self.traffic, Clone::clone);
        if let Some(usage) = self.usage.value_mut() {
            usage.containers.sort_by_cached_key(|c| {
                (c.namespace.clone(), c.workload.clone(), c.container.clone())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::Provenance;
    use crate::model::{ObjectMeta, OwnerIndex, OwnerRef, WorkloadKind, WorkloadRef};

    #[test]
    fn a_snapshot_survives_json_and_forgets_the_order_of_its_input() -> Result<(), serde_json::Error>
    {
        let named = |name: &str| Node {
            meta: ObjectMeta {
                name: name.into(),
                ..Default::default()
            },
            ..Default::default()
        };
        let mut snapshot = Snapshot::new(DateTime::UNIX_EPOCH);
        snapshot.clusters.push(Cluster {
            uid: "u".into(),
            nodes: Knowledge::complete(vec![named("b"), named("a")], Provenance::new("t", "u")),
            ..Default::default()
        });
        snapshot.normalize();
        let names: Vec<_> = snapshot.clusters[0]
            .nodes
            .items()
            .iter()
            .map(Node::name)
            .collect();
        assert_eq!(names, ["a".into(), "b".into()]);
        let text = serde_json::to_string(&snapshot)?;
        assert_eq!(serde_json::from_str::<Snapshot>(&text)?, snapshot);
        Ok(())
    }

    #[test]
    fn an_absent_part_reads_as_not_collected() -> Result<(), serde_json::Error> {
        let cluster: Cluster = serde_json::from_str(r#"{"uid":"u"}"#)?;
        assert_eq!(cluster.pods.to_string(), "unknown: not collected");
        Ok(())
    }

    #[test]
    fn a_pod_belongs_to_the_deployment_above_its_replica_set() {
        let owner = |kind: &str, name: &str, uid: &str| OwnerRef {
            kind: kind.into(),
            name: name.into(),
            uid: uid.into(),
            controller: true,
            ..Default::default()
        };
        let set = Workload {
            kind: WorkloadKind::ReplicaSet,
            meta: ObjectMeta {
                namespace: "n".into(),
                name: "web-1".into(),
                uid: "rs".into(),
                owners: vec![owner("Deployment", "web", "d")],
                ..Default::default()
            },
            ..Default::default()
        };
        let pod = Pod {
            meta: ObjectMeta {
                namespace: "n".into(),
                name: "web-1-x".into(),
                owners: vec![owner("ReplicaSet", "web-1", "rs")],
                ..Default::default()
            },
            ..Default::default()
        };
        let web = WorkloadRef::new("n", "Deployment", "web");
        assert_eq!(OwnerIndex::of(&[set]).top(&pod), web);
        let alone = OwnerIndex::default();
        assert_eq!(
            alone.top(&pod),
            WorkloadRef::new("n", "ReplicaSet", "web-1")
        );
    }
}
