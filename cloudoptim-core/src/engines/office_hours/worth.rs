//! What workloads hold of the price of their nodes.

use crate::engines::Inputs;
use crate::model::{
    Cluster, MicroUsdPerHour, Node, NodeName, OwnerIndex, PodSpec, ResourceList, WorkloadRef,
};
use std::collections::BTreeMap;

/// What a workload holds, or the node whose price is unknown.
pub(super) type Held = Result<MicroUsdPerHour, NodeName>;

/// The share of the nodes' price that each workload's requests hold: of CPU or
/// memory, whichever is larger.
///
/// This is what it *could* free, not what is saved: a node goes whole or not
/// at all, and what else runs on it decides that. The joint run lets the packer
/// find the nodes.
pub(super) fn held(inputs: &Inputs<'_>, cluster: &Cluster) -> BTreeMap<WorkloadRef, Held> {
    let owners = OwnerIndex::new(cluster);
    let nodes: BTreeMap<NodeName, &Node> = cluster
        .nodes
        .items()
        .iter()
        .map(|n| (n.name(), n))
        .collect();
    let mut prices: BTreeMap<&NodeName, Option<MicroUsdPerHour>> = BTreeMap::new();
    let mut all: BTreeMap<WorkloadRef, Held> = BTreeMap::new();
    for pod in cluster.pods.items().iter().filter(|p| !p.is_finished()) {
        let Some((name, node)) = pod.node().and_then(|n| nodes.get_key_value(n)) else {
            continue;
        };
        let price = prices
            .entry(name)
            .or_insert_with(|| inputs.node_price(cluster, node));
        let entry = all
            .entry(owners.top(pod))
            .or_insert(Ok(MicroUsdPerHour::ZERO));
        match (entry.as_mut(), *price) {
            (Ok(sum), Some(price)) => *sum += price.ratio(share_ppm(&pod.spec, node), 1_000_000),
            (Ok(_), None) => *entry = Err(name.clone()),
            (Err(_), _) => {}
        }
    }
    all
}

/// The larger share of CPU and memory, in millionths, at most all of it.
fn share_ppm(spec: &PodSpec, node: &Node) -> u64 {
    let (cpu, memory) = requests(spec);
    let ppm = |part: u64, whole: u64| {
        let part = u128::from(part) * 1_000_000;
        let share = part.checked_div(u128::from(whole)).unwrap_or(0);
        u64::try_from(share).unwrap_or(u64::MAX).min(1_000_000)
    };
    ppm(cpu, node.allocatable.cpu.0).max(ppm(memory, node.allocatable.memory.0))
}

/// CPU and memory that a running pod asks for: its containers and sidecars.
/// What init containers ask for beyond that is over once it runs.
fn requests(spec: &PodSpec) -> (u64, u64) {
    let sum = |f: fn(&ResourceList) -> u64| {
        let sidecars = spec.init_containers.iter().filter(|c| c.restarts_always);
        let of_containers = spec
            .containers
            .iter()
            .chain(sidecars)
            .fold(0u64, |sum, c| sum.saturating_add(f(&c.resources.requests)));
        let of_pod = spec.resources.as_ref().map_or(0, |r| f(&r.requests));
        of_containers.max(of_pod)
    };
    (
        sum(|r| r.cpu.map_or(0, |c| c.0)),
        sum(|r| r.memory.map_or(0, |m| m.0)),
    )
}
