//! The cheapest type for what a node runs: a table, not a plan. The packer
//! replaces nodes, and may find better by moving pods.

use super::reason::Reason;
use crate::catalog::InstanceTypeInfo;
use crate::decision::{Decision, Subject};
use crate::engines::sizing::pod_request;
use crate::engines::{EngineId, Inputs};
use crate::model::{
    Cluster, InstanceType, MicroUsdPerHour, Node, NodeName, PodVolumeSource, Resources, ZoneId,
};
use std::collections::BTreeMap;

/// Judges every node: the cheapest type of the same architecture, vendor class
/// and capacity type whose allocatable capacity holds the requests of all its
/// pods, their number, their devices and their volumes.
pub(super) fn judge(inputs: &Inputs<'_>, cluster: &Cluster, decisions: &mut Vec<Decision>) {
    let mut load: BTreeMap<&NodeName, (Resources, u32)> = BTreeMap::new();
    for pod in cluster.pods.items().iter().filter(|p| !p.is_finished()) {
        let Some(node) = pod.node() else { continue };
        let (sum, volumes) = load.entry(node).or_default();
        sum.add(&pod_request(&pod.spec));
        let claims = pod.spec.volumes.iter().filter(|v| {
            matches!(
                v.source,
                PodVolumeSource::Claim { .. } | PodVolumeSource::Ephemeral
            )
        });
        *volumes = volumes.saturating_add(u32::try_from(claims.count()).unwrap_or(u32::MAX));
    }
    for node in cluster.nodes.items() {
        let subject = Subject::Node {
            cluster: cluster.uid.clone(),
            node: node.name(),
        };
        let (sum, volumes) = load.get(&node.name()).cloned().unwrap_or_default();
        let (reason, stake) = match cheapest(inputs, cluster, node, &sum, volumes) {
            Err(missing) => (Reason::NodeNotJudged { missing }, None),
            Ok((now, price_now, Some((then, price_then)))) => (
                Reason::CheaperTypeHolds {
                    now,
                    then,
                    price_now,
                    price_then,
                    cpu: sum.cpu,
                    memory: sum.memory,
                    pods: sum.pods,
                },
                Some(MicroUsdPerHour(price_now.0.saturating_sub(price_then.0)).per_month()),
            ),
            Ok((now, _, None)) => (Reason::NodeFits { instance_type: now }, None),
        };
        let decision = Decision::keep(EngineId::Rightsizing, subject, vec![reason.into()]);
        decisions.push(decision.with_stake(stake, Vec::new()));
    }
}

type Found = (
    InstanceType,
    MicroUsdPerHour,
    Option<(InstanceType, MicroUsdPerHour)>,
);

fn cheapest(
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    node: &Node,
    sum: &Resources,
    volumes: u32,
) -> Result<Found, String> {
    if !cluster.pods.is_complete() {
        return Err(format!("pods ({})", cluster.pods));
    }
    let name = node
        .instance_type()
        .ok_or_else(|| "its instance type".to_owned())?;
    let info = inputs
        .catalog
        .instance_type(name)
        .ok_or_else(|| format!("{name} in the catalogue"))?;
    let capacity_type = node
        .capacity_type()
        .ok_or_else(|| "its capacity type".to_owned())?;
    let price_now = inputs
        .node_price(cluster, node)
        .ok_or_else(|| format!("the price of {name}"))?;
    let cloud = inputs.snapshot.cloud_of(cluster);
    let zone = zone(inputs, cluster, node);
    let offered = |info: &InstanceTypeInfo| match (cloud, &zone) {
        (Some(cloud), Some(zone)) if inputs.catalog.offerings_known(cloud.region.as_str()) => {
            inputs
                .catalog
                .offered_in(&cloud.region, &info.name)
                .contains(&zone)
        }
        _ => true,
    };
    // A type with another share of its vCPUs for pods (system daemons, huge
    // pages) shows in the node: what the kubelet keeps is kept there, too.
    let kept_cpu = info
        .allocatable
        .cpu
        .0
        .saturating_sub(node.allocatable.cpu.0);
    let kept_memory = info
        .allocatable
        .memory
        .0
        .saturating_sub(node.allocatable.memory.0);
    let mut needs = sum.clone();
    needs.cpu.0 = needs.cpu.0.saturating_add(kept_cpu);
    needs.memory.0 = needs.memory.0.saturating_add(kept_memory);
    // Local disk is a matter of the launch template, not of the type.
    needs.ephemeral_storage.0 = 0;
    let mut best: Option<(MicroUsdPerHour, InstanceType)> = None;
    for other in inputs.catalog.instance_types() {
        let comparable = other.architecture == info.architecture
            && !other.mac
            && !other.bare_metal
            && (other.burstable == info.burstable || info.burstable)
            && other.current_generation
            && other.gpu_model == info.gpu_model
            && other.accelerator_model == info.accelerator_model
            && (info.local_storage.is_none() || other.local_storage.is_some());
        if !comparable || other.name == info.name || !needs.fits_in(&other.allocatable) {
            continue;
        }
        if other.ebs_attach_limit.is_some_and(|limit| volumes > limit) || !offered(other) {
            continue;
        }
        let price = inputs.price(cloud, other.name.as_str(), zone.as_ref(), capacity_type);
        if let Some(price) = price.filter(|p| *p < price_now) {
            let candidate = (price, other.name.clone());
            if best.as_ref().is_none_or(|b| candidate < *b) {
                best = Some(candidate);
            }
        }
    }
    Ok((
        info.name.clone(),
        price_now,
        best.map(|(price, name)| (name, price)),
    ))
}

fn zone(inputs: &Inputs<'_>, cluster: &Cluster, node: &Node) -> Option<ZoneId> {
    node.meta
        .label(crate::model::ZONE_ID_LABEL)
        .map(ZoneId::from)
        .or_else(|| {
            let name = node.zone_name()?;
            inputs.snapshot.cloud_of(cluster)?.zone_id(&name).cloned()
        })
}
