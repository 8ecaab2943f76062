//! What may be launched in a what-if.

use crate::catalog::NodeOverheads;
use crate::engines::Inputs;
use crate::engines::bin_packing::fleet::Launchable;
use crate::model::{CapacityType, Cluster, HOSTNAME_LABEL, Resources, ZoneId, ZoneName};
use crate::scheduling::movability::Movers;
use crate::scheduling::{InfeasibleResize, Movability, capacity, effective_request};
use std::collections::BTreeMap;

/// Copies of the nodes that the cluster runs, on demand, in every zone where
/// one of the kind stands.
pub fn launchable_copies(inputs: &Inputs<'_>, cluster: &Cluster) -> Vec<Launchable> {
    let movers = Movers::new(cluster, inputs.now(), Default::default());
    let mut daemons: BTreeMap<&str, Resources> = BTreeMap::new();
    for pod in cluster.pods.items().iter().filter(|p| !p.is_finished()) {
        if let (Some(node), Movability::Stays { .. }) = (pod.node(), movers.judge(pod)) {
            let request = effective_request(pod, InfeasibleResize::default());
            daemons.entry(node.as_str()).or_default().add(&request);
        }
    }
    let mut kinds: BTreeMap<String, Launchable> = BTreeMap::new();
    for node in cluster.nodes.items() {
        let (Some(price), Some(zone)) = (inputs.marginal_price(cluster, node), node.zone_name())
        else {
            continue;
        };
        if !capacity::not_target(node, cluster.node_pools.items()).is_empty() {
            continue;
        }
        let mut copy = node.clone();
        for own in [HOSTNAME_LABEL, "karpenter.sh/initialized"] {
            copy.meta.labels.remove(own);
        }
        copy.meta.annotations.clear();
        copy.meta.owners.clear();
        copy.provider_id = None;
        let mut look = copy.meta.labels.clone();
        look.retain(|key, _| !key.contains("zone"));
        let key = serde_json::to_string(&(&look, &copy.taints)).unwrap_or_default();
        let taken = daemons.get(node.meta.name.as_str()).cloned();
        let number = kinds.len();
        let kind = kinds.entry(key).or_insert_with(|| {
            let name = node.instance_type().unwrap_or("?");
            let limit = node
                .instance_type()
                .and_then(|t| inputs.catalog.instance_type(t)?.ebs_attach_limit);
            Launchable::new(
                format!("{name} {number:03}"),
                taken.clone().unwrap_or_default(),
                limit,
            )
        });
        if let Some(taken) = taken {
            kind.daemons.raise_to(&taken);
        }
        kind.zones.entry(zone.to_string()).or_insert((copy, price));
    }
    kinds.into_values().collect()
}

/// A type of the caller's or the catalogue's, in zones by name and id.
pub fn launchable_type(
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    instance_type: &str,
    zones: &[(ZoneName, ZoneId)],
) -> Option<Launchable> {
    let info = inputs.catalog.instance_type(instance_type)?;
    let cloud = inputs.snapshot.cloud_of(cluster);
    let mut out = Launchable::new(
        instance_type.to_owned(),
        Resources::default(),
        info.ebs_attach_limit,
    );
    for (zone, id) in zones {
        let price = inputs.price(cloud, instance_type, Some(id), CapacityType::OnDemand)?;
        let price = price + inputs.policy.bin_packing.extra_per_node;
        let node = capacity::hypothetical_node(
            instance_type,
            info,
            Some((zone, id)),
            CapacityType::OnDemand,
            None,
            &NodeOverheads::default(),
        );
        out.daemons.raise_to(&capacity::daemon_overhead(
            &node,
            cluster.workloads.items(),
            cluster.limit_ranges.items(),
            cluster.runtime_classes.items(),
        ));
        out.zones.insert(zone.to_string(), (node, price));
    }
    Some(out)
}
