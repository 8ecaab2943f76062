//! A slow checker of placements that shares no code with the scheduling module:
//! it knows the rules that the generated clusters use, and reads them off the
//! objects.

use cloudoptim_core::engines::bin_packing::Headroom;
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
        let hard = WhenUnsatisfiable::DoNotSchedule;
        let spreads = pod.spec.topology_spread.iter();
        for spread in spreads.filter(|s| s.when_unsatisfiable == hard) {
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

/// Whose pod it is: a controller's, or its own.
fn workload(pod: &Pod) -> (&str, &str) {
    match pod.meta.owners.first() {
        Some(owner) => (&owner.kind, &owner.name),
        None => ("Pod", &pod.meta.name),
    }
}

impl Board<'_> {
    /// How many pods of the pod's workload there are on the nodes that `near`
    /// names, and everywhere.
    fn alike(&self, uid: &str, near: impl Fn(&str) -> bool) -> (usize, usize) {
        let own = workload(self.pods[uid]);
        let all = self.pods.iter().filter(|(_, p)| workload(p) == own);
        let here = all
            .clone()
            .filter(|(uid, _)| self.places.get(*uid).is_some_and(|n| near(n)));
        (here.count(), all.count())
    }

    /// What speaks against one more pod of its workload on a node, the pod
    /// standing nowhere after it has left `from`: shares in percent.
    pub(super) fn crowded(&self, uid: &str, from: &str, to: &str, shares: [u32; 2]) -> Vec<String> {
        let most = |all: usize, percent: u32| (all * percent as usize).div_ceil(100).max(1);
        let mut found = Vec::new();
        let (here, all) = self.alike(uid, |n| n == to);
        if here + 1 > most(all, shares[0]) {
            found.push(format!("{} of {all} of {uid} on {to}", here + 1));
        }
        let zone_of = |n: &str| self.nodes.get(n).map_or("", |n| zone(n));
        let (here, all) = self.alike(uid, |n| zone_of(n) == zone_of(to));
        let moves = zone_of(from) != zone_of(to);
        if moves && here + 1 > most(all, shares[1]) {
            found.push(format!("{} of {all} of {uid} in {}", here + 1, zone_of(to)));
        }
        found
    }

    /// For how many pods of a size there is room at the same time, on the nodes
    /// of a pool without taints, in a zone.
    pub(super) fn places_for(&self, room: &Headroom) -> u64 {
        let mut places = 0;
        for (name, node) in &self.nodes {
            let ready = node
                .conditions
                .iter()
                .any(|c| c.name == "Ready" && c.status == ConditionStatus::True);
            let of_pool =
                |pool: &String| node.meta.labels.get("karpenter.sh/nodepool") == Some(pool);
            let there = room.pool.as_ref().is_none_or(of_pool)
                && room.zone.as_ref().is_none_or(|z| z == zone(node));
            if !ready || node.unschedulable || !node.taints.is_empty() || !there {
                continue;
            }
            let mut used = (0, 0, 0);
            for pod in self.on(name) {
                let more = request(pod);
                used = (used.0 + more.0, used.1 + more.1, used.2 + more.2);
            }
            let has = &node.allocatable;
            let fits = [
                has.cpu.0.saturating_sub(used.0) / room.cpu.0,
                has.memory.0.saturating_sub(used.1) / room.memory.0,
                has.pods.saturating_sub(used.2),
            ];
            places += fits.into_iter().min().unwrap();
        }
        places
    }
}
