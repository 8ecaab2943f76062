//! A slow checker of placements that shares no code with the scheduling module:
//! it knows the rules that the generated clusters use, and reads them off the
//! objects.

use cloudoptim_core::model::*;
use std::collections::{BTreeMap, BTreeSet};

/// CPU in thousandths, memory in bytes, pod slots.
fn request(pod: &Pod) -> (u64, u64, u64) {
    let mut sum = (0, 0, 1);
    for container in &pod.spec.containers {
        let requests = &container.resources.requests;
        sum.0 += requests.cpu.map_or(0, |c| c.0);
        sum.1 += requests.memory.map_or(0, |m| m.0);
    }
    sum
}

fn is_there(pod: &Pod) -> bool {
    !matches!(pod.status.phase, PodPhase::Succeeded | PodPhase::Failed)
}

fn zone(node: &Node) -> &str {
    node.meta
        .labels
        .get("topology.kubernetes.io/zone")
        .map_or("", String::as_str)
}

/// Nodes by name, and where every pod stands, by uid.
#[derive(Debug, Clone)]
pub(super) struct Board<'a> {
    pub(super) nodes: BTreeMap<&'a str, &'a Node>,
    pub(super) pods: BTreeMap<&'a str, &'a Pod>,
    pub(super) places: BTreeMap<&'a str, &'a str>,
    /// Zone of the volume of each claim.
    claims: BTreeMap<&'a str, &'a str>,
    /// Volumes that a node takes.
    limits: BTreeMap<&'a str, u32>,
}

impl<'a> Board<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let nodes = cluster.nodes.items().iter();
        let mut board = Self {
            nodes: nodes.map(|n| (n.meta.name.as_str(), n)).collect(),
            pods: BTreeMap::new(),
            places: BTreeMap::new(),
            claims: BTreeMap::new(),
            limits: BTreeMap::new(),
        };
        for csi in cluster.csi_nodes.items() {
            let limit = csi.drivers[0].attach_limit.unwrap();
            board.limits.insert(csi.meta.name.as_str(), limit);
        }
        for volume in cluster.persistent_volumes.items() {
            let claim = volume.meta.name.strip_prefix("pv-").unwrap();
            let terms = volume.node_affinity.as_ref().unwrap();
            let zone = &terms[0].match_expressions[0].values[0];
            board.claims.insert(claim, zone);
        }
        for pod in cluster.pods.items().iter().filter(|p| is_there(p)) {
            board.pods.insert(pod.meta.uid.as_str(), pod);
            if let Some(node) = &pod.spec.node_name {
                board.places.insert(pod.meta.uid.as_str(), node.as_str());
            }
        }
        board
    }

    pub(super) fn on(&self, node: &str) -> Vec<&'a Pod> {
        let here = self.places.iter().filter(|(_, place)| **place == node);
        here.map(|(uid, _)| self.pods[uid]).collect()
    }

    /// What is free of CPU and memory together, in thousandths of each.
    pub(super) fn free(&self, node: &str) -> u64 {
        let allocatable = &self.nodes[node].allocatable;
        let (mut cpu, mut memory) = (0, 0);
        for pod in self.on(node) {
            let used = request(pod);
            cpu += used.0;
            memory += used.1;
        }
        let free = |of: u64, used: u64| of.saturating_sub(used) * 1000 / of;
        free(allocatable.cpu.0, cpu) + free(allocatable.memory.0, memory)
    }

    /// Every rule that `pod` would break on `node`, beside the pods that stand
    /// there, the pod itself not counted.
    pub(super) fn broken(&self, uid: &str, node: &str) -> Vec<String> {
        let (pod, node_name) = (self.pods[uid], node);
        let Some(node) = self.nodes.get(node_name) else {
            return vec![format!("{node_name} is not there")];
        };
        let mut broken = Vec::new();
        let mut says = |yes: bool, what: &str| {
            if yes {
                broken.push(format!("{} on {node_name}: {what}", pod.meta.name));
            }
        };
        let others: Vec<&Pod> = self
            .on(node_name)
            .into_iter()
            .filter(|p| p.meta.uid != pod.meta.uid)
            .collect();
        let mut used = request(pod);
        for other in &others {
            let more = request(other);
            used = (used.0 + more.0, used.1 + more.1, used.2 + more.2);
        }
        says(used.0 > node.allocatable.cpu.0, "cpu");
        says(used.1 > node.allocatable.memory.0, "memory");
        says(used.2 > node.allocatable.pods, "pod slots");
        says(node.unschedulable, "cordoned");
        let ready = node
            .conditions
            .iter()
            .any(|c| c.name == "Ready" && c.status == ConditionStatus::True);
        says(!ready, "not ready");
        for (key, value) in &pod.spec.node_selector {
            says(node.meta.labels.get(key) != Some(value), "node selector");
        }
        for taint in &node.taints {
            let mut tolerations = pod.spec.tolerations.iter();
            let tolerated = tolerations.any(|t| t.key == taint.key && t.exists);
            says(
                !tolerated && taint.effect != TaintEffect::PreferNoSchedule,
                "taint",
            );
        }
        let claims = |p: &Pod| -> BTreeSet<String> {
            let volumes = p.spec.volumes.iter();
            let claims = volumes.filter_map(|v| match &v.source {
                PodVolumeSource::Claim { name } => Some(name.clone()),
                _ => None,
            });
            claims.collect()
        };
        for claim in claims(pod) {
            let at = self.claims.get(claim.as_str());
            says(at.is_some_and(|at| *at != zone(node)), "zone of a volume");
            let mut attached: BTreeSet<String> = others.iter().flat_map(|p| claims(p)).collect();
            attached.extend(claims(pod));
            let limit = self.limits.get(node_name).copied().unwrap_or(u32::MAX);
            says(attached.len() as u32 > limit, "volumes attached");
        }
        let ports = |p: &Pod| -> BTreeSet<u16> {
            let containers = p.spec.containers.iter();
            let ports = containers.flat_map(|c| &c.host_ports);
            ports.map(|port| port.port).collect()
        };
        let avoids = |a: &Pod, b: &Pod| {
            let mut terms = a.spec.required_pod_anti_affinity.iter();
            terms.any(|term| {
                assert_eq!(term.topology_key, "kubernetes.io/hostname");
                let selector = term.selector.as_ref().unwrap();
                let mut labels = selector.match_labels.iter();
                labels.all(|(k, v)| b.meta.labels.get(k) == Some(v))
            })
        };
        for other in &others {
            says(!ports(pod).is_disjoint(&ports(other)), "host port");
            says(avoids(pod, other) || avoids(other, pod), "anti-affinity");
        }
        for spread in &pod.spec.topology_spread {
            assert_eq!(spread.topology_key, "topology.kubernetes.io/zone");
            let selects = |p: &Pod| {
                let selector = spread.selector.as_ref().unwrap();
                let mut labels = selector.match_labels.iter();
                labels.all(|(k, v)| p.meta.labels.get(k) == Some(v))
            };
            // Zones of the nodes that the selector of the pod allows.
            let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
            for n in self.nodes.values() {
                let mut wants = pod.spec.node_selector.iter();
                if wants.all(|(k, v)| n.meta.labels.get(k) == Some(v)) {
                    let count = counts.entry(zone(n)).or_default();
                    let here = self.on(&n.meta.name).into_iter();
                    *count += here
                        .filter(|p| p.meta.uid != pod.meta.uid && selects(p))
                        .count() as u32;
                }
            }
            let least = counts.values().min().copied().unwrap_or(0);
            let would_be = counts.get(zone(node)).copied().unwrap_or(0) + 1;
            says(would_be > least + spread.max_skew, "zone spread");
        }
        broken
    }
}
