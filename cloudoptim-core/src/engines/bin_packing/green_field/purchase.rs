//! What a green field may be made of, and what there is to buy.

use crate::catalog::{InstanceTypeInfo, NodeOverheads};
use crate::decision::MissingEvidence;
use crate::engines::bin_packing::Config;
use crate::engines::bin_packing::fleet::Launchable;
use crate::engines::bin_packing::on_spot::{MAX_SPOT_PRICE_AGE_HOURS, Spot, SpotPercent};
use crate::engines::{EngineError, Inputs};
use crate::model::{
    CapacityType, Cluster, HOSTNAME_LABEL, InstanceType, Node, NodePool, OfferingPrice, Resources,
    WorkloadRef, ZoneId, ZoneName,
};
use crate::scheduling::capacity::{daemon_overhead, hypothetical_node, pool_allows};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a green field may be made of.
///
/// ```
/// use cloudoptim_core::engines::bin_packing::Purchase;
///
/// let on_demand = Purchase::default();
/// assert_eq!(on_demand.spot_percent, 0);
/// let half_on_spot = Purchase::default().with_spot_percent(50);
/// # assert_eq!(half_on_spot.spot_percent, 50);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Purchase {
    /// Types to choose from. Empty: all with a price, of the architectures that
    /// the cluster's nodes have, burstable ones only where it has some, none
    /// larger than [`max_node_vcpus`](Config::max_node_vcpus).
    pub instance_types: BTreeSet<InstanceType>,
    /// How much of a workload may stand on spot, in percent of its pods, rounded
    /// down. Default 0: all on demand. With 100 each pod takes what is cheaper.
    pub spot_percent: u32,
    /// The same for single workloads.
    pub spot_percent_of: Vec<SpotPercent>,
    /// What an hour on spot costs with the risk of each pool in it. Nothing else
    /// is bought on spot: a price alone says nothing of interruptions.
    pub spot_prices: Vec<OfferingPrice>,
    /// When `spot_prices` held. Prices of unknown age are not used.
    pub spot_prices_as_of: Option<DateTime<Utc>>,
    /// Hours that they may be old, at least 1; older ones are not used, and asked
    /// for anew. Default 24, what the spot engine asks of a price.
    pub max_spot_price_age_hours: u32,
}

impl Default for Purchase {
    fn default() -> Self {
        Self {
            instance_types: BTreeSet::new(),
            spot_percent: 0,
            spot_percent_of: Vec::new(),
            spot_prices: Vec::new(),
            spot_prices_as_of: None,
            max_spot_price_age_hours: MAX_SPOT_PRICE_AGE_HOURS,
        }
    }
}

impl Purchase {
    /// Sets [`Self::instance_types`].
    #[must_use]
    pub fn with_instance_types(mut self, types: impl IntoIterator<Item = InstanceType>) -> Self {
        self.instance_types = types.into_iter().collect();
        self
    }

    /// Sets [`Self::spot_percent`].
    #[must_use]
    pub const fn with_spot_percent(mut self, percent: u32) -> Self {
        self.spot_percent = percent;
        self
    }

    /// Sets [`Self::spot_percent_of`] one workload.
    #[must_use]
    pub fn with_spot_percent_of(mut self, workload: WorkloadRef, percent: u32) -> Self {
        self.spot_percent_of.push(SpotPercent { workload, percent });
        self
    }

    /// Sets [`Self::spot_prices`], and when they held.
    #[must_use]
    pub fn with_spot_prices(mut self, prices: Vec<OfferingPrice>, as_of: DateTime<Utc>) -> Self {
        self.spot_prices = prices;
        self.spot_prices_as_of = Some(as_of);
        self
    }

    /// Sets [`Self::max_spot_price_age_hours`].
    #[must_use]
    pub const fn with_max_spot_price_age_hours(mut self, hours: u32) -> Self {
        self.max_spot_price_age_hours = hours;
        self
    }

    pub(super) fn validate(&self) -> Result<(), EngineError> {
        self.spot().validate()
    }

    pub(super) fn spot(&self) -> Spot<'_> {
        Spot {
            percent: self.spot_percent,
            percent_of: &self.spot_percent_of,
            prices: &self.spot_prices,
            as_of: self.spot_prices_as_of,
            max_age_hours: self.max_spot_price_age_hours,
        }
    }
}

/// A kind of node that can be bought, and what it is called.
pub(super) struct NewKind {
    pub(super) launchable: Launchable,
    pub(super) instance_type: InstanceType,
    pub(super) capacity_type: CapacityType,
    pub(super) pool: Option<String>,
}

/// What can be bought.
pub(super) fn kinds(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    purchase: &Purchase,
    missing: &mut BTreeSet<MissingEvidence>,
) -> Vec<NewKind> {
    missing.extend(purchase.spot().stale(inputs.snapshot.taken_at));
    let nodes = cluster.nodes.items();
    let info_of = |node: &Node| inputs.catalog.instance_type(node.instance_type()?);
    let now: Vec<&InstanceTypeInfo> = nodes.iter().filter_map(info_of).collect();
    let runs = |info: &InstanceTypeInfo| {
        let alike = now.iter().any(|n| n.architecture == info.architecture);
        alike && (!info.burstable || now.iter().any(|n| n.burstable))
    };
    let named = &purchase.instance_types;
    let wanted = |info: &&InstanceTypeInfo| {
        let chosen = match named.is_empty() {
            true => runs(info),
            false => named.contains(&info.name),
        };
        chosen && !info.mac && info.vcpu <= config.max_node_vcpus
    };
    let zones = zones(inputs, cluster);
    if zones.is_empty() {
        missing.insert(MissingEvidence::Part {
            part: "zones".to_owned(),
            state: "no node and no zone of the region is known".to_owned(),
        });
    }
    if !cluster.node_pools.is_complete() {
        // Their labels and taints decide who fits.
        missing.insert(MissingEvidence::Part {
            part: "node pools".to_owned(),
            state: cluster.node_pools.to_string(),
        });
    }
    let pools = cluster.node_pools.items().iter();
    let pools: Vec<&NodePool> = pools.filter(|p| p.meta.deleted_at.is_none()).collect();
    let templates: Vec<Option<&NodePool>> = match pools.as_slice() {
        [] => vec![None],
        pools => pools.iter().map(|pool| Some(*pool)).collect(),
    };
    let mut kinds = Vec::new();
    for info in inputs.catalog.instance_types().filter(wanted) {
        for pool in &templates {
            for capacity_type in [CapacityType::OnDemand, CapacityType::Spot] {
                let asked = (inputs, cluster, purchase);
                let kind = kind(asked, info, *pool, capacity_type, &zones);
                kinds.extend(kind);
            }
        }
    }
    kinds
}

/// Zones in which the cluster has nodes, or all of its region when it has none.
fn zones(inputs: &Inputs<'_>, cluster: &Cluster) -> Vec<(ZoneName, ZoneId)> {
    let Some(cloud) = inputs.snapshot.cloud_of(cluster) else {
        return Vec::new();
    };
    let nodes = cluster.nodes.items();
    let mut names: BTreeSet<ZoneName> = nodes.iter().filter_map(Node::zone_name).collect();
    if names.is_empty() {
        names.extend(cloud.zones.items().iter().map(|zone| zone.name.clone()));
    }
    let with_id = |name: ZoneName| {
        let id = cloud.zone_id(&name)?.clone();
        Some((name, id))
    };
    names.into_iter().filter_map(with_id).collect()
}

fn kind(
    (inputs, cluster, purchase): (&Inputs<'_>, &Cluster, &Purchase),
    info: &InstanceTypeInfo,
    pool: Option<&NodePool>,
    capacity_type: CapacityType,
    zones: &[(ZoneName, ZoneId)],
) -> Option<NewKind> {
    let name = info.name.as_str();
    let cloud = inputs.snapshot.cloud_of(cluster);
    let of_pool = pool.map(|pool| format!("{} ", pool.meta.name));
    let id = format!("{}{name} {capacity_type:?}", of_pool.unwrap_or_default());
    let mut launchable = Launchable::new(id, Resources::default(), info.ebs_attach_limit);
    for (zone, zone_id) in zones {
        let price = match capacity_type {
            CapacityType::Spot => purchase
                .spot()
                .price(name, zone_id, inputs.snapshot.taken_at),
            _ => inputs.price(cloud, name, Some(zone_id), capacity_type),
        };
        let Some(price) = price else {
            continue;
        };
        let at = Some((zone, zone_id));
        let overheads = NodeOverheads::default();
        let mut node = hypothetical_node(name, info, at, capacity_type, pool, &overheads);
        if pool.is_some_and(|pool| !pool_allows(pool, &node)) {
            continue;
        }
        node.meta.labels.remove(HOSTNAME_LABEL);
        launchable.daemons.raise_to(&daemon_overhead(
            &node,
            cluster.workloads.items(),
            cluster.limit_ranges.items(),
            cluster.runtime_classes.items(),
        ));
        let price = price + inputs.policy.bin_packing.extra_per_node;
        launchable.zones.insert(zone.to_string(), (node, price));
    }
    (!launchable.zones.is_empty()).then(|| NewKind {
        launchable,
        instance_type: info.name.clone(),
        capacity_type,
        pool: pool.map(|pool| pool.meta.name.clone()),
    })
}
