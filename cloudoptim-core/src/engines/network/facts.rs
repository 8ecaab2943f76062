//! What the engine reads of a cluster, indexed once.

use crate::knowledge::Knowledge;
use crate::model::{
    Cloud, Cluster, Endpoint, NamespacedName, Node, NodeName, OwnerIndex, Pod, Service, Workload,
    WorkloadKind, WorkloadRef, ZONE_ID_LABEL, ZoneId, ZoneName,
};
use std::collections::{BTreeMap, BTreeSet};

/// A part that is not complete: its name and its state.
pub(super) type Hole = (String, String);

/// A workload with its pods.
#[derive(Debug, Default)]
pub(super) struct Backend<'a> {
    pub(super) workload: Option<&'a Workload>,
    pub(super) pods: Vec<&'a Pod>,
    /// Running pods by zone.
    pub(super) zones: BTreeMap<ZoneId, u32>,
    /// Running pods whose zone is not known.
    pub(super) without_zone: u32,
}

/// An autoscaler of a workload.
#[derive(Debug, Clone)]
pub(super) struct Autoscaler {
    pub(super) name: String,
    pub(super) min: u32,
}

/// A service with its ready endpoints.
#[derive(Debug)]
pub(super) struct ServiceFacts<'a> {
    pub(super) service: &'a Service,
    pub(super) endpoints: BTreeMap<ZoneId, u32>,
    /// Ready endpoints whose zone is not known, and the name it has.
    pub(super) without_zone: (u32, Option<ZoneName>),
    /// Workloads behind it.
    pub(super) backends: BTreeSet<WorkloadRef>,
    /// Ready endpoints that are no pod of the snapshot.
    pub(super) strangers: u32,
}

/// Everything, by name.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) holes: Vec<Hole>,
    pub(super) workloads: BTreeMap<WorkloadRef, Backend<'a>>,
    pub(super) services: BTreeMap<NamespacedName, ServiceFacts<'a>>,
    pub(super) autoscalers: BTreeMap<WorkloadRef, Autoscaler>,
    pub(super) nodes_without_zone: Vec<NodeName>,
    /// Allocatable CPU of ready worker nodes by zone, in thousandths; empty
    /// when a node's is not known, as topology mode Auto then gives no hints.
    pub(super) cpu: BTreeMap<ZoneId, u64>,
    /// Cilium's agent, which may route services in place of kube-proxy.
    pub(super) cilium: Option<WorkloadRef>,
    /// Zones of which every node is cordoned or not ready.
    pub(super) zones_out: BTreeSet<ZoneId>,
    /// Oldest kubelet's minor version, or the first node whose cannot be read.
    pub(super) oldest_minor: Result<u32, Option<NodeName>>,
}

/// Name of the workload as traffic has it.
pub(super) fn traffic_name(workload: &WorkloadRef) -> NamespacedName {
    NamespacedName::new(workload.namespace.clone(), workload.name.clone())
}

/// Has an address of its own that kube-proxy routes.
pub(super) fn is_routed(service: &Service) -> bool {
    !service.headless && service.kind != "ExternalName"
}

/// Takes traffic from outside the cluster.
pub(super) fn is_entry(service: &Service) -> bool {
    matches!(service.kind.as_str(), "LoadBalancer" | "NodePort")
}

/// Cilium's agent. A kube-proxy beside it does not tell which of the two
/// handles services: that is Cilium's `kubeProxyReplacement`.
fn cilium(cluster: &Cluster) -> Option<WorkloadRef> {
    let workloads = cluster.workloads.items().iter();
    let sets = workloads.filter(|w| w.kind == WorkloadKind::DaemonSet);
    let is_agent = |w: &&Workload| {
        let images = w.template.iter().flat_map(|t| &t.spec.containers);
        w.meta.name == "cilium"
            || images
                .map(|c| &c.image)
                .any(|i| i.contains("cilium/cilium"))
    };
    // The first by name, whatever the order of the input.
    let agents = sets.filter(is_agent);
    agents.map(Workload::reference).min()
}

/// Counts for topology mode Auto.
fn is_worker(node: &Node) -> bool {
    ["control-plane", "master"].iter().all(|role| {
        let key = format!("node-role.kubernetes.io/{role}");
        node.meta.label(&key).is_none()
    })
}

fn hole<T>(holes: &mut Vec<Hole>, name: &str, part: &Knowledge<T>) {
    if !part.is_complete() {
        holes.push((name.to_owned(), part.to_string()));
    }
}

/// The minor version of `v1.36.2-eks-3cfe0ce`: 36. `None` unless it is 1.x.
pub(super) fn minor_version(version: &str) -> Option<u32> {
    let rest = version.trim_start_matches('v').strip_prefix("1.")?;
    let digits: &str = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

impl<'a> Facts<'a> {
    /// Reads a cluster.
    pub(super) fn new(cluster: &'a Cluster, cloud: Option<&'a Cloud>) -> Self {
        let mut holes = Vec::new();
        hole(&mut holes, "traffic", &cluster.traffic);
        hole(&mut holes, "services", &cluster.services);
        hole(&mut holes, "endpoint_slices", &cluster.endpoint_slices);
        hole(&mut holes, "pods", &cluster.pods);
        hole(&mut holes, "nodes", &cluster.nodes);
        hole(&mut holes, "workloads", &cluster.workloads);
        hole(
            &mut holes,
            "horizontal_autoscalers",
            &cluster.horizontal_autoscalers,
        );
        // Not the scaled objects of KEDA: each makes a horizontal autoscaler,
        // and a cluster without KEDA cannot list them.

        let nodes: BTreeMap<&str, &Node> = cluster
            .nodes
            .items()
            .iter()
            .map(|n| (n.meta.name.as_str(), n))
            .collect();
        let mut ids: BTreeMap<ZoneName, ZoneId> = cloud
            .iter()
            .flat_map(|c| c.zones.items())
            .map(|z| (z.name.clone(), z.id.clone()))
            .collect();
        for node in nodes.values() {
            if let (Some(name), Some(id)) = (node.zone_name(), node.meta.label(ZONE_ID_LABEL)) {
                ids.insert(name, id.into());
            }
        }
        let zone_of_node = |name: &NodeName| {
            let node = nodes.get(name.as_str())?;
            match node.meta.label(ZONE_ID_LABEL) {
                Some(id) => Some(ZoneId::from(id)),
                None => ids.get(&node.zone_name()?).cloned(),
            }
        };

        let workloads = workloads(cluster, &zone_of_node);
        let services = services(cluster, &workloads, &ids, &zone_of_node);
        let nodes_without_zone = nodes
            .values()
            .filter(|n| n.zone_name().is_none())
            .map(|n| n.name())
            .collect();
        let mut cpu: BTreeMap<ZoneId, u64> = BTreeMap::new();
        for node in nodes.values().filter(|n| n.is_ready() && is_worker(n)) {
            match zone_of_node(&node.name()) {
                Some(zone) if node.allocatable.cpu.0 > 0 => {
                    let sum = cpu.entry(zone).or_default();
                    *sum = sum.saturating_add(node.allocatable.cpu.0);
                }
                _ => {
                    cpu.clear();
                    break;
                }
            }
        }
        let mut zones_out = BTreeMap::<ZoneId, bool>::new();
        for node in nodes.values() {
            if let Some(zone) = zone_of_node(&node.name()) {
                let out = node.unschedulable || !node.is_ready();
                *zones_out.entry(zone).or_insert(true) &= out;
            }
        }
        let zones_out = zones_out.into_iter().filter(|(_, out)| *out);
        let zones_out: BTreeSet<ZoneId> = zones_out.map(|(zone, _)| zone).collect();
        let mut oldest_minor = Err(None);
        for node in nodes.values() {
            let minor = node.kubelet_version.as_deref().and_then(minor_version);
            oldest_minor = match (minor, oldest_minor) {
                (None, _) => {
                    oldest_minor = Err(Some(node.name()));
                    break;
                }
                (Some(minor), Ok(oldest)) => Ok(minor.min(oldest)),
                (Some(minor), Err(_)) => Ok(minor),
            };
        }
        Self {
            holes,
            workloads,
            services,
            autoscalers: autoscalers(cluster),
            nodes_without_zone,
            cpu,
            cilium: cilium(cluster),
            zones_out,
            oldest_minor,
        }
    }

    /// Whether a workload of this name has the addresses of its nodes.
    pub(super) fn on_host_network(&self, name: &NamespacedName) -> bool {
        let mut references = self.named(name).into_iter();
        references.any(|reference| {
            let backend = self.workloads.get(reference);
            let template = backend
                .and_then(|b| b.workload)
                .and_then(|w| w.template.as_ref())
                .map(|t| &t.spec);
            let pods = backend.into_iter().flat_map(|b| &b.pods);
            let mut specs = template.into_iter().chain(pods.map(|p| &p.spec));
            specs.any(|spec| spec.host_network)
        })
    }

    /// Workloads that traffic calls by this name.
    pub(super) fn named(&self, name: &NamespacedName) -> Vec<&WorkloadRef> {
        let kinds = [
            WorkloadKind::Deployment,
            WorkloadKind::StatefulSet,
            WorkloadKind::DaemonSet,
            WorkloadKind::ReplicaSet,
            WorkloadKind::Job,
            WorkloadKind::CronJob,
            WorkloadKind::Pod,
        ];
        kinds
            .into_iter()
            .filter_map(|kind| {
                let wanted = WorkloadRef::new(name.namespace.clone(), kind, name.name.clone());
                self.workloads.get_key_value(&wanted).map(|(k, _)| k)
            })
            .collect()
    }
}

fn workloads<'a>(
    cluster: &'a Cluster,
    zone_of_node: &impl Fn(&NodeName) -> Option<ZoneId>,
) -> BTreeMap<WorkloadRef, Backend<'a>> {
    let owners = OwnerIndex::new(cluster);
    let mut found: BTreeMap<WorkloadRef, Backend<'a>> = BTreeMap::new();
    for workload in cluster.workloads.items() {
        let reference = workload.reference();
        if owners.top_of(workload) == reference {
            found.entry(reference).or_default().workload = Some(workload);
        }
    }
    for pod in cluster.pods.items() {
        if pod.is_finished() || pod.is_terminating() {
            continue;
        }
        let entry = found.entry(owners.top(pod)).or_default();
        match pod.node().map(zone_of_node) {
            Some(Some(zone)) => *entry.zones.entry(zone).or_default() += 1,
            _ => entry.without_zone += 1,
        }
        entry.pods.push(pod);
    }
    found
}

fn services<'a>(
    cluster: &'a Cluster,
    workloads: &BTreeMap<WorkloadRef, Backend<'a>>,
    ids: &BTreeMap<ZoneName, ZoneId>,
    zone_of_node: &impl Fn(&NodeName) -> Option<ZoneId>,
) -> BTreeMap<NamespacedName, ServiceFacts<'a>> {
    let mut owner_of: BTreeMap<(&str, &str), &WorkloadRef> = BTreeMap::new();
    for (reference, backend) in workloads {
        for pod in &backend.pods {
            owner_of.insert((&pod.meta.namespace, &pod.meta.name), reference);
        }
    }
    // An endpoint may be in two slices while the controller moves it; a
    // dual-stack service has one slice per address family.
    let mut endpoints: BTreeMap<(&str, &str), BTreeMap<String, &Endpoint>> = BTreeMap::new();
    for slice in cluster.endpoint_slices.items() {
        let of = endpoints
            .entry((&slice.meta.namespace, &slice.service))
            .or_default();
        for (index, endpoint) in slice.endpoints.iter().enumerate() {
            let key = endpoint
                .pod
                .clone()
                .unwrap_or_else(|| format!("{}#{index}", slice.meta.name));
            if endpoint.ready {
                of.insert(key, endpoint);
            }
        }
    }
    let mut found = BTreeMap::new();
    for service in cluster.services.items() {
        let namespace = service.meta.namespace.as_str();
        let mut facts = ServiceFacts {
            service,
            endpoints: BTreeMap::new(),
            without_zone: (0, None),
            backends: BTreeSet::new(),
            strangers: 0,
        };
        let ready = endpoints.get(&(namespace, service.meta.name.as_str()));
        for endpoint in ready.into_iter().flat_map(BTreeMap::values) {
            let zone = match &endpoint.zone {
                Some(name) => ids.get(name).cloned(),
                None => endpoint.node.as_ref().and_then(zone_of_node),
            };
            match zone {
                Some(zone) => *facts.endpoints.entry(zone).or_default() += 1,
                None => {
                    facts.without_zone.0 += 1;
                    facts.without_zone.1 = facts.without_zone.1.or_else(|| endpoint.zone.clone());
                }
            }
            let pod = endpoint.pod.as_deref();
            match pod.and_then(|pod| owner_of.get(&(namespace, pod))) {
                Some(owner) => {
                    facts.backends.insert((*owner).clone());
                }
                None => facts.strangers += 1,
            }
        }
        // A service whose endpoints are all down still has its workloads.
        if let Some(selector) = service.selector.as_ref().filter(|s| !s.is_empty()) {
            let in_namespace = WorkloadRef {
                namespace: namespace.to_owned(),
                kind: WorkloadKind::Deployment,
                name: String::new(),
            };
            for (reference, backend) in workloads.range(in_namespace..) {
                if reference.namespace != namespace {
                    break;
                }
                let labels = backend
                    .workload
                    .and_then(|w| w.template.as_ref())
                    .map(|t| &t.labels)
                    .or_else(|| backend.pods.first().map(|p| &p.meta.labels));
                if labels.is_some_and(|l| selector.iter().all(|(k, v)| l.get(k) == Some(v))) {
                    facts.backends.insert(reference.clone());
                }
            }
        }
        found.insert(
            NamespacedName::new(namespace, service.meta.name.clone()),
            facts,
        );
    }
    found
}

fn autoscalers(cluster: &Cluster) -> BTreeMap<WorkloadRef, Autoscaler> {
    let mut found: BTreeMap<WorkloadRef, Autoscaler> = BTreeMap::new();
    let horizontal = cluster
        .horizontal_autoscalers
        .items()
        .iter()
        .map(|a| (&a.target, &a.meta.name, a.min_replicas.unwrap_or(1)));
    let keda = cluster
        .scaled_objects
        .items()
        .iter()
        .map(|o| (&o.target, &o.meta.name, o.min_replicas.unwrap_or(0)));
    for (target, name, min) in horizontal.chain(keda) {
        let entry = found.entry(target.clone()).or_insert_with(|| Autoscaler {
            name: name.clone(),
            min,
        });
        entry.min = entry.min.min(min);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_versions_are_read_with_whatever_follows_them() {
        assert_eq!(minor_version("v1.36.2-eks-3cfe0ce"), Some(36));
        assert_eq!(minor_version("1.30+"), Some(30));
        assert_eq!(minor_version("v2.0.0"), None);
        assert_eq!(minor_version(""), None);
    }
}
