//! How much of a workload may come to one place: concentration.

use super::Config;
use super::fleet::Buys;
use super::headroom::is_placeholder;
use super::on_spot::OnSpot;
use crate::engines::Inputs;
use crate::model::{Cluster, Node, NodeName, OwnerIndex, Pod, WorkloadRef, ZoneName};
use crate::scheduling::Refusal;
use std::collections::BTreeMap;

/// How many pods of each workload stand on each node and in each zone, and how
/// many our moves may bring there, and who of them may come to spot. What is there
/// already may be more.
#[derive(Debug, Clone)]
pub(super) struct Share {
    total: BTreeMap<WorkloadRef, u32>,
    /// Pods that have no node yet.
    waiting: BTreeMap<WorkloadRef, u32>,
    on: BTreeMap<(WorkloadRef, NodeName), u32>,
    in_zone: BTreeMap<(WorkloadRef, ZoneName), u32>,
    zones: BTreeMap<NodeName, ZoneName>,
    node_percent: u32,
    zone_percent: u32,
    on_spot: OnSpot,
}

impl Share {
    pub(super) fn new(
        cluster: &Cluster,
        owners: &OwnerIndex,
        config: &Config,
        inputs: &Inputs<'_>,
    ) -> Self {
        let mut share = Self {
            total: BTreeMap::new(),
            waiting: BTreeMap::new(),
            on: BTreeMap::new(),
            in_zone: BTreeMap::new(),
            zones: BTreeMap::new(),
            node_percent: config.max_workload_share_percent,
            zone_percent: config.max_workload_zone_share_percent,
            on_spot: OnSpot::new(config, inputs, cluster, owners),
        };
        for node in cluster.nodes.items() {
            share.came(node);
        }
        let pods = cluster.pods.items().iter();
        for pod in pods.filter(|p| !p.is_finished() && !is_placeholder(p)) {
            let workload = owners.top(pod);
            *share.total.entry(workload.clone()).or_default() += 1;
            let Some(node) = pod.node() else {
                *share.waiting.entry(workload).or_default() += 1;
                continue;
            };
            if let Some(zone) = share.zones.get(node) {
                let here = (workload.clone(), zone.clone());
                *share.in_zone.entry(here).or_default() += 1;
            }
            *share.on.entry((workload, node.clone())).or_default() += 1;
        }
        share
    }

    /// Takes note of a node.
    pub(super) fn came(&mut self, node: &Node) {
        self.on_spot.came(node);
        if let Some(zone) = node.zone_name() {
            self.zones.insert(node.name(), zone);
        }
    }

    /// What may be bought for a pod.
    pub(super) fn buys(&self, pod: &Pod) -> Buys {
        self.on_spot.buys(pod)
    }

    /// Whether a workload has one pod only.
    pub(super) fn is_alone(&self, workload: &WorkloadRef) -> bool {
        self.total.get(workload) == Some(&1)
    }

    /// Whether a pod of it has no node yet: where those go is not ours to say.
    pub(super) fn waits(&self, workload: &WorkloadRef) -> bool {
        self.waiting.contains_key(workload)
    }

    /// Most pods of a workload on a node, where that is not all of them.
    pub(super) fn node_max(&self, workload: &WorkloadRef) -> Option<u32> {
        self.max(workload, self.node_percent)
    }

    /// Most pods of a workload in a zone, where that is not all of them.
    pub(super) fn zone_max(&self, workload: &WorkloadRef) -> Option<u32> {
        self.max(workload, self.zone_percent)
    }

    fn max(&self, workload: &WorkloadRef, percent: u32) -> Option<u32> {
        let total = self.total.get(workload).copied().unwrap_or(0);
        let max = total.saturating_mul(percent).div_ceil(100).max(1);
        (max < total).then_some(max)
    }

    /// Whether some workload may not stand on one node, or in one zone, whole.
    pub(super) fn limits(&self) -> (bool, bool) {
        let mut workloads = self.total.keys();
        let on_nodes = workloads.clone().any(|w| self.node_max(w).is_some());
        (on_nodes, workloads.any(|w| self.zone_max(w).is_some()))
    }

    /// Why one more pod of the workload may not come to the node.
    pub(super) fn refuses(
        &self,
        pod: &Pod,
        workload: &WorkloadRef,
        from: &NodeName,
        to: &NodeName,
    ) -> Option<Refusal> {
        if let Some(refusal) = self.on_spot.refuses(pod, workload, to) {
            return Some(refusal);
        }
        if let Some(max) = self.node_max(workload) {
            let there = self.on.get(&(workload.clone(), to.clone()));
            let would_be = there.copied().unwrap_or(0).saturating_add(1);
            if would_be > max {
                return Some(Refusal::CountLimit {
                    with: None,
                    of: workload.clone(),
                    would_be,
                    max,
                });
            }
        }
        let max = self.zone_max(workload)?;
        let zone = self.zones.get(to)?;
        if self.zones.get(from) == Some(zone) {
            return None;
        }
        let there = self.in_zone.get(&(workload.clone(), zone.clone()));
        let would_be = there.copied().unwrap_or(0).saturating_add(1);
        (would_be > max).then(|| Refusal::ZoneShare {
            of: workload.clone(),
            zone: zone.clone(),
            would_be,
            max,
        })
    }

    /// Counts a pod on another node.
    pub(super) fn moved(&mut self, workload: &WorkloadRef, from: &NodeName, to: &NodeName) {
        if let Some(count) = self.on.get_mut(&(workload.clone(), from.clone())) {
            *count = count.saturating_sub(1);
        }
        *self.on.entry((workload.clone(), to.clone())).or_default() += 1;
        if let Some(zone) = self.zones.get(from)
            && let Some(count) = self.in_zone.get_mut(&(workload.clone(), zone.clone()))
        {
            *count = count.saturating_sub(1);
        }
        if let Some(zone) = self.zones.get(to) {
            let there = (workload.clone(), zone.clone());
            *self.in_zone.entry(there).or_default() += 1;
        }
    }
}
