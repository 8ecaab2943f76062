//! What a node really costs, where a commitment pays for it anyway.
//!
//! A Savings Plan or a reservation that is not needed for one node pays for
//! another, in the account or in the cluster. So of all on-demand use in its
//! scope only what is beyond it can be saved: it is taken to pay for nodes of
//! other clusters first, then for the fullest ones of this, which go last. What
//! nodes save by these prices together is never more than what is really saved.
//! A commitment that is not used whole, or of which it is not known how much it
//! pays for, pays for everything in its scope.

use crate::engines::Inputs;
use crate::model::{
    CapacityType, Cloud, Cluster, Commitment, CommitmentKind, Instance, InstanceState,
    MicroUsdPerHour, Node, ZoneId,
};
use crate::scheduling::{InfeasibleResize, effective_request};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What each node of a cluster costs beyond what is paid for anyway.
#[derive(Debug, Default)]
pub(super) struct Prices {
    of: BTreeMap<String, Option<MicroUsdPerHour>>,
    covered: BTreeMap<String, String>,
    /// What is known of the commitments, where that is not all.
    pub(super) unknown: Option<String>,
}

impl Prices {
    pub(super) fn new(inputs: &Inputs<'_>, cluster: &Cluster) -> Self {
        let cloud = inputs.snapshot.cloud_of(cluster);
        let nodes = cluster.nodes.items().iter();
        let price = |node: &Node| inputs.marginal_price(cluster, node);
        let mut prices = Self {
            of: nodes.map(|n| (n.meta.name.clone(), price(n))).collect(),
            covered: BTreeMap::new(),
            unknown: None,
        };
        let Some(cloud) = cloud else {
            prices.unknown = Some("not known".to_owned());
            return prices;
        };
        let listed = &cloud.commitments;
        let stated = inputs.policy.bin_packing.assume_no_commitments && listed.items().is_empty();
        if !stated && !listed.is_complete() {
            prices.unknown = Some(listed.to_string());
        }
        let lasts = |c: &&Commitment| c.ends_at.is_none_or(|end| end > inputs.now());
        let mut all: Vec<&Commitment> = listed.items().iter().filter(lasts).collect();
        if all.is_empty() {
            return prices;
        }
        // What is for the fewest first, so that the others pay for the rest.
        all.sort_by_key(|c| {
            let wide = (c.instance_type.is_none(), c.zone_id.is_none());
            (Reverse(c.kind), wide, c.id.clone())
        });
        let mut uses = uses(inputs, cluster, cloud);
        for commitment in all {
            cover(inputs, cloud, commitment, &mut uses);
        }
        for used in uses {
            let (Some(node), Some(by)) = (used.node, used.by) else {
                continue;
            };
            if let Some(Some(price)) = prices.of.get_mut(node) {
                *price = (*price - used.covered).max(MicroUsdPerHour::ZERO);
            }
            prices.covered.insert(node.to_owned(), by.to_owned());
        }
        prices
    }

    /// What is saved when the node goes; `None` when its price is not known.
    pub(super) fn of(&self, node: &Node) -> Option<MicroUsdPerHour> {
        self.of.get(&node.meta.name).copied().flatten()
    }

    /// The last commitment that pays for a part of the node.
    pub(super) fn covered_by(&self, node: &Node) -> Option<&str> {
        self.covered.get(&node.meta.name).map(String::as_str)
    }
}

/// On-demand use of the account.
struct Use<'u> {
    /// The node of the cluster that it is.
    node: Option<&'u str>,
    instance_type: String,
    zone: Option<ZoneId>,
    reservation: Option<&'u str>,
    /// List price; `None` when nobody lists one.
    price: Option<MicroUsdPerHour>,
    /// What of it commitments pay for.
    covered: MicroUsdPerHour,
    by: Option<&'u str>,
}

impl Use<'_> {
    fn left(&self) -> MicroUsdPerHour {
        self.price.unwrap_or_default() - self.covered
    }
}

/// Instances that are no nodes of the cluster first, then its nodes, the fullest
/// first. Nodes whose marginal price is stated are not among them.
fn uses<'u>(inputs: &Inputs<'_>, cluster: &'u Cluster, cloud: &'u Cloud) -> Vec<Use<'u>> {
    let nodes = cluster.nodes.items();
    let own: BTreeSet<_> = nodes.iter().filter_map(Node::instance_id).collect();
    let on_demand = CapacityType::OnDemand;
    let list = |instance_type: &str, zone: Option<&ZoneId>| {
        inputs.price(Some(cloud), instance_type, zone, on_demand)
    };
    let runs = |i: &&Instance| {
        matches!(i.state, InstanceState::Running | InstanceState::Pending)
            && i.capacity_type != CapacityType::Spot
            && !own.contains(&i.id)
    };
    let others = cloud.instances.items().iter().filter(runs).map(|i| Use {
        node: None,
        instance_type: i.instance_type.to_string(),
        zone: i.zone_id.clone(),
        reservation: i.capacity_reservation.as_deref(),
        price: list(i.instance_type.as_str(), i.zone_id.as_ref()),
        covered: MicroUsdPerHour::ZERO,
        by: None,
    });
    let mut asked: BTreeMap<&str, u64> = BTreeMap::new();
    for pod in cluster.pods.items().iter().filter(|p| !p.is_finished()) {
        if let Some(node) = pod.node() {
            let cpu = effective_request(pod, InfeasibleResize::default()).cpu.0;
            let sum = asked.entry(node.as_str()).or_default();
            *sum = sum.saturating_add(cpu);
        }
    }
    let full = |node: &Node| {
        let cpu = asked.get(node.meta.name.as_str()).copied().unwrap_or(0);
        let all = node.allocatable.cpu.0;
        cpu.saturating_mul(1_000).checked_div(all).unwrap_or(0)
    };
    let mut fullest: Vec<&Node> = nodes.iter().collect();
    fullest.sort_by_key(|n| (Reverse(full(n)), n.meta.name.clone()));
    let own = fullest.into_iter().filter_map(|node| {
        let (instance_type, zone, capacity) = inputs.offering_of(cluster, node)?;
        let stated = inputs.marginal(&instance_type, zone.as_ref(), capacity);
        if capacity == CapacityType::Spot || stated.is_some() {
            return None;
        }
        let id = node.instance_id();
        let mut instances = cloud.instances.items().iter();
        let instance = instances.find(|i| id.as_ref() == Some(&i.id));
        Some(Use {
            node: Some(node.meta.name.as_str()),
            price: inputs.price(Some(cloud), &instance_type, zone.as_ref(), capacity),
            instance_type,
            zone,
            reservation: instance.and_then(|i| i.capacity_reservation.as_deref()),
            covered: MicroUsdPerHour::ZERO,
            by: None,
        })
    });
    others.chain(own).collect()
}

fn family(instance_type: &str) -> &str {
    instance_type.split('.').next().unwrap_or(instance_type)
}

/// Whether a commitment pays for such use. One whose scope is not stated could
/// be for any.
fn is_for(commitment: &Commitment, used: &Use<'_>) -> bool {
    let own = commitment.instance_type.as_deref();
    match commitment.kind {
        CommitmentKind::ComputeSavingsPlan => true,
        CommitmentKind::CapacityReservation => used.reservation == Some(commitment.id.as_str()),
        // Reserved instances of a region are flexible in size.
        _ => {
            own.is_none_or(|t| family(t) == family(&used.instance_type))
                && (commitment.zone_id.is_none() || commitment.zone_id == used.zone)
        }
    }
}

/// List price of what a commitment pays for; `None` when that could be all.
fn worth(inputs: &Inputs<'_>, cloud: &Cloud, commitment: &Commitment) -> Option<MicroUsdPerHour> {
    match commitment.kind {
        // Each instance in it is paid for whether it runs or not.
        CommitmentKind::CapacityReservation => None,
        _ if commitment.used_milli? < 1_000 => None,
        CommitmentKind::ReservedInstance => {
            let (kind, zone) = (commitment.instance_type.as_deref()?, &commitment.zone_id);
            let on_demand = CapacityType::OnDemand;
            let price = inputs.price(Some(cloud), kind, zone.as_ref(), on_demand)?;
            Some(price.times(i64::from(commitment.count?)))
        }
        _ => {
            let rate = commitment.rate_milli.filter(|rate| *rate > 0)?;
            // Rounded up: what is covered saves nothing.
            let worth = commitment.per_hour?.ratio(1_000, u64::from(rate));
            Some(worth + MicroUsdPerHour(1))
        }
    }
}

fn cover<'u>(inputs: &Inputs<'_>, cloud: &Cloud, commitment: &'u Commitment, uses: &mut [Use<'u>]) {
    let mut left = worth(inputs, cloud, commitment);
    for used in uses.iter_mut().filter(|u| is_for(commitment, u)) {
        if left.is_some_and(|left| left <= MicroUsdPerHour::ZERO) {
            return;
        }
        let part = left.map_or(used.left(), |left| left.min(used.left()));
        if part > MicroUsdPerHour::ZERO {
            used.covered += part;
            used.by = Some(&commitment.id);
            left = left.map(|left| left - part);
        }
    }
}
