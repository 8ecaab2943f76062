//! Where the money goes: what the snapshot shows, priced as it stands.

use crate::engines::Inputs;
use crate::model::{
    CapacityType, Cloud, Cluster, HOURS_PER_MONTH, Instance, InstanceId, InstanceState, MicroUsd,
    MicroUsdPerHour, MicroUsdPerMonth, Node, NodeName, Pod, PodPhase, Resources, TrafficEdge,
    Volume, VolumeState,
};
use crate::scheduling::{InfeasibleResize, effective_request};
use std::collections::{BTreeMap, BTreeSet};

/// Labels that name the group a node was made for, the most specific first.
const POOL_LABELS: [&str; 4] = [
    "karpenter.sh/nodepool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "kops.k8s.io/instancegroup",
];

/// What a snapshot costs as it stands. Only what has a price is in a sum;
/// what has none is counted beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Spend {
    /// Nodes by pool and capacity type, dearest first.
    pub pools: Vec<PoolSpend>,
    /// Running instances that are no node of the snapshot's clusters.
    pub other_instances: Line,
    /// Volumes that are attached.
    pub attached_volumes: Line,
    /// Volumes that are attached to nothing.
    pub unattached_volumes: Line,
    /// Traffic between zones, by pairs of workloads.
    pub cross_zone_traffic: Line,
}

/// A number of things and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Line {
    /// How many.
    pub count: u64,
    /// How many of them have no known price; they are in no sum.
    pub unpriced: u64,
    /// What those with a price cost.
    pub per_month: MicroUsdPerMonth,
}

impl Line {
    fn add(&mut self, price: Option<MicroUsdPerMonth>) {
        self.count += 1;
        match price {
            Some(price) => self.per_month += price,
            None => self.unpriced += 1,
        }
    }
}

/// Nodes of one pool that are paid for in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSpend {
    /// Cluster, by its name where it has one.
    pub cluster: String,
    /// Pool or node group; `None` for nodes that name none.
    pub pool: Option<String>,
    /// Capacity type; `None` where neither node nor instance says.
    pub capacity_type: Option<CapacityType>,
    /// Nodes and their cost.
    pub nodes: Line,
    /// What pods may use.
    pub allocatable: Resources,
    /// What the pods on the nodes ask for.
    pub requested: Resources,
}

impl Spend {
    /// Prices what the inputs show, the overlay's changes made.
    pub fn of(inputs: &Inputs<'_>) -> Self {
        let snapshot = inputs.laid();
        let mut spend = Self::default();
        let mut pools = BTreeMap::new();
        let mut instances_of_nodes: BTreeSet<InstanceId> = BTreeSet::new();
        for cluster in &snapshot.clusters {
            let cloud = snapshot.cloud_of(cluster);
            let nodes = cluster.nodes.items();
            instances_of_nodes.extend(nodes.iter().filter_map(Node::instance_id));
            pools_of(inputs, cluster, cloud, &mut pools);
            spend.add_traffic(inputs, cluster, cloud);
        }
        spend.pools = pools.into_values().collect();
        // Stable: pools that cost the same stay in the order of their names.
        spend
            .pools
            .sort_by_key(|pool| std::cmp::Reverse(pool.nodes.per_month));
        for cloud in &snapshot.clouds {
            for instance in cloud.instances.items() {
                if is_paid(instance) && !instances_of_nodes.contains(&instance.id) {
                    spend
                        .other_instances
                        .add(instance_price(inputs, cloud, instance));
                }
            }
            for volume in cloud.volumes.items() {
                let line = match volume.state {
                    VolumeState::Available => &mut spend.unattached_volumes,
                    VolumeState::Deleting | VolumeState::Deleted => continue,
                    _ => &mut spend.attached_volumes,
                };
                line.add(volume_price(inputs, cloud, volume));
            }
        }
        spend
    }

    fn add_traffic(&mut self, inputs: &Inputs<'_>, cluster: &Cluster, cloud: Option<&Cloud>) {
        let region = cluster.region.as_ref().or_else(|| cloud.map(|c| &c.region));
        let per_gb = region
            .and_then(|region| inputs.catalog.transfer(region.as_str()))
            .map(|figure| figure.value.cross_zone_per_gb());
        // An edge that is given twice counts once, with its larger figure.
        let mut edges: BTreeMap<_, u64> = BTreeMap::new();
        let crossing = |edge: &&TrafficEdge| edge.from_zone != edge.to_zone;
        for edge in cluster.traffic.items().iter().filter(crossing) {
            let from = (&edge.from_namespace, &edge.from_workload, &edge.from_zone);
            let to = (&edge.to_namespace, &edge.to_workload, &edge.to_zone);
            let bytes = edges.entry((from, to)).or_default();
            *bytes = (*bytes).max(edge.bytes_per_day);
        }
        let mut pairs: BTreeMap<_, u64> = BTreeMap::new();
        for ((from, to), bytes) in edges {
            let (a, b) = ((from.0, from.1), (to.0, to.1));
            let pair = pairs.entry((a.min(b), a.max(b))).or_default();
            *pair = pair.saturating_add(bytes);
        }
        for bytes in pairs.into_values() {
            self.cross_zone_traffic
                .add(per_gb.map(|price| traffic_price(bytes, price)));
        }
    }

    /// The nodes of all pools.
    pub fn nodes(&self) -> Line {
        let mut all = Line::default();
        for pool in &self.pools {
            all.count += pool.nodes.count;
            all.unpriced += pool.nodes.unpriced;
            all.per_month += pool.nodes.per_month;
        }
        all
    }

    /// Everything that has a price.
    pub fn per_month(&self) -> MicroUsdPerMonth {
        self.nodes().per_month
            + self.other_instances.per_month
            + self.attached_volumes.per_month
            + self.unattached_volumes.per_month
            + self.cross_zone_traffic.per_month
    }
}

type Pools = BTreeMap<(String, Option<String>, Option<CapacityType>), PoolSpend>;

fn pools_of(inputs: &Inputs<'_>, cluster: &Cluster, cloud: Option<&Cloud>, pools: &mut Pools) {
    let name = if cluster.name.is_empty() {
        cluster.uid.as_str()
    } else {
        &cluster.name
    };
    let requested = requested(cluster);
    for node in cluster.nodes.items() {
        let pool = pool_of(node).map(str::to_owned);
        let capacity_type = node.capacity_type().or_else(|| {
            let id = node.instance_id()?;
            let instances = cloud?.instances.items();
            Some(instances.iter().find(|i| i.id == id)?.capacity_type)
        });
        let key = (name.to_owned(), pool.clone(), capacity_type);
        let entry = pools.entry(key).or_insert_with(|| PoolSpend {
            cluster: name.to_owned(),
            pool,
            capacity_type,
            nodes: Line::default(),
            allocatable: Resources::default(),
            requested: Resources::default(),
        });
        let price = inputs.node_price(cluster, node);
        entry.nodes.add(price.map(MicroUsdPerHour::per_month));
        entry.allocatable.add(&node.allocatable);
        if let Some(requested) = requested.get(&node.name()) {
            entry.requested.add(requested);
        }
    }
}

/// The group that a node was made for.
pub(super) fn pool_of(node: &Node) -> Option<&str> {
    POOL_LABELS.iter().find_map(|label| node.meta.label(label))
}

/// What the known pods ask for, by node.
pub(super) fn requested(cluster: &Cluster) -> BTreeMap<&NodeName, Resources> {
    let mut requested: BTreeMap<&NodeName, Resources> = BTreeMap::new();
    for pod in cluster.pods.items().iter().filter(|pod| holds_room(pod)) {
        if let Some(node) = &pod.spec.node_name {
            requested
                .entry(node)
                .or_default()
                .add(&effective_request(pod, InfeasibleResize::default()));
        }
    }
    requested
}

fn holds_room(pod: &Pod) -> bool {
    !matches!(pod.status.phase, PodPhase::Succeeded | PodPhase::Failed)
}

/// A stopped instance costs nothing beyond its volumes.
fn is_paid(instance: &Instance) -> bool {
    matches!(
        instance.state,
        InstanceState::Pending | InstanceState::Running
    )
}

fn instance_price(
    inputs: &Inputs<'_>,
    cloud: &Cloud,
    instance: &Instance,
) -> Option<MicroUsdPerMonth> {
    let zone = instance.zone_id.clone().or_else(|| {
        let name = instance.zone.as_ref()?;
        cloud.zone_id(name).cloned()
    });
    inputs
        .price(
            Some(cloud),
            instance.instance_type.as_str(),
            zone.as_ref(),
            instance.capacity_type,
        )
        .map(MicroUsdPerHour::per_month)
}

fn volume_price(inputs: &Inputs<'_>, cloud: &Cloud, volume: &Volume) -> Option<MicroUsdPerMonth> {
    let price = inputs
        .catalog
        .ebs_price(cloud.region.as_str(), &volume.volume_type)?;
    let gib = volume.size.0.div_ceil(1 << 30);
    Some(
        price
            .per_month(gib, volume.iops, volume.throughput_mibps)
            .value,
    )
}

/// What bytes a day cost in a month of 730 hours, rounded down.
fn traffic_price(bytes_per_day: u64, per_gb: MicroUsd) -> MicroUsdPerMonth {
    const GB: i128 = 1_000_000_000;
    let micro = i128::from(bytes_per_day) * i128::from(per_gb.0) * i128::from(HOURS_PER_MONTH);
    MicroUsdPerMonth(i64::try_from(micro / (24 * GB)).unwrap_or(i64::MAX))
}
