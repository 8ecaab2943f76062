//! How large a pod may be: the room of the nodes that take it, beside what
//! runs on each of them anyway.

use super::sizing::{SizedResource, pod_request};
use crate::model::{
    Cluster, LimitRange, Node, NodeName, NodeSelectorTerm, Pod, PodSpec, Resources, Toleration,
    Workload, WorkloadKind, WorkloadRef,
};
use crate::scheduling::capacity::{daemon_runs_on, not_target, selects, untolerated};
use crate::scheduling::template_request;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Nodes that leave a pod the same room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    /// CPU and memory that are left for the pod.
    room: (u64, u64),
    /// CPU and memory that DaemonSet pods and static pods take.
    daemons: (u64, u64),
    /// One of the nodes.
    pub(super) node: NodeName,
}

impl Class {
    /// What is left for the pod.
    pub(super) const fn room(&self, resource: SizedResource) -> u64 {
        match resource {
            SizedResource::Cpu => self.room.0,
            SizedResource::Memory => self.room.1,
        }
    }

    /// What DaemonSet pods and static pods take.
    pub(super) const fn daemons(&self, resource: SizedResource) -> u64 {
        match resource {
            SizedResource::Cpu => self.daemons.0,
            SizedResource::Memory => self.daemons.1,
        }
    }
}

/// What decides on which nodes a pod may run.
type Placement = (
    BTreeMap<String, String>,
    Option<Vec<NodeSelectorTerm>>,
    Vec<Toleration>,
);

/// The nodes of a cluster with what runs on each of them anyway.
pub(super) struct Rooms<'a> {
    nodes: Vec<Place<'a>>,
    /// Nodes by where a pod may run: most pods may run anywhere.
    known: RefCell<BTreeMap<Placement, Rc<Vec<Class>>>>,
}

struct Place<'a> {
    node: &'a Node,
    /// New pods may come here.
    is_target: bool,
    /// By DaemonSet, and by static pod.
    daemons: BTreeMap<WorkloadRef, Resources>,
}

impl<'a> Rooms<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let sets: Vec<(WorkloadRef, &Workload, Resources)> = cluster
            .workloads
            .items()
            .iter()
            .filter(|w| w.kind == WorkloadKind::DaemonSet)
            .filter_map(|w| {
                let spec = &w.template.as_ref()?.spec;
                let ranges = cluster.limit_ranges.items().iter();
                let ranges: Vec<&LimitRange> = ranges
                    .filter(|r| r.meta.namespace == w.meta.namespace)
                    .collect();
                let mut classes = cluster.runtime_classes.items().iter();
                let class = spec
                    .runtime_class
                    .as_ref()
                    .and_then(|name| classes.find(|c| c.meta.name == *name));
                Some((w.reference(), w, template_request(spec, &ranges, class)))
            })
            .collect();
        // Pods that are there may be larger than the template says.
        let mut there: BTreeMap<&NodeName, Vec<(WorkloadRef, Resources)>> = BTreeMap::new();
        for pod in cluster.pods.items().iter().filter(|p| !p.is_finished()) {
            if let (Some(node), Some(by)) = (pod.node(), stays_with_node(pod)) {
                let request = pod_request(&pod.spec);
                there.entry(node).or_default().push((by, request));
            }
        }
        let pools = cluster.node_pools.items();
        let nodes = cluster.nodes.items().iter();
        let nodes = nodes
            .filter(|n| n.meta.deleted_at.is_none())
            .map(|node| {
                let mut daemons: BTreeMap<WorkloadRef, Resources> = sets
                    .iter()
                    .filter(|(_, set, _)| daemon_runs_on(set, node))
                    .map(|(reference, _, request)| (reference.clone(), request.clone()))
                    .collect();
                for (by, request) in there.get(&node.name()).into_iter().flatten() {
                    daemons.entry(by.clone()).or_default().raise_to(request);
                }
                Place {
                    node,
                    is_target: not_target(node, pools).is_empty(),
                    daemons,
                }
            })
            .collect();
        Self {
            nodes,
            known: RefCell::default(),
        }
    }

    /// The nodes that take pods of a workload; for a DaemonSet those that it
    /// runs on.
    pub(super) fn classes(&self, reference: &WorkloadRef, spec: &PodSpec) -> Rc<Vec<Class>> {
        if reference.kind == WorkloadKind::DaemonSet {
            let runs = self.nodes.iter();
            let runs = runs.filter(|p| p.daemons.contains_key(reference));
            let all: BTreeSet<Class> = runs.map(|p| p.class(Some(reference))).collect();
            return Rc::new(all.into_iter().collect());
        }
        let placement: Placement = (
            spec.node_selector.clone(),
            spec.required_node_affinity.clone(),
            spec.tolerations.clone(),
        );
        let mut known = self.known.borrow_mut();
        let classes = known.entry(placement).or_insert_with(|| {
            let takes = self.nodes.iter().filter(|p| {
                p.is_target
                    && selects(spec, p.node)
                    && untolerated(&spec.tolerations, p.node).next().is_none()
            });
            // One node of each class is enough.
            let mut seen = BTreeSet::new();
            let mut classes: Vec<Class> = takes.map(|p| p.class(None)).collect();
            classes.sort();
            classes.retain(|c| seen.insert((c.room, c.daemons)));
            Rc::new(classes)
        });
        Rc::clone(classes)
    }

    /// A DaemonSet asks for so much more from now on.
    pub(super) fn grow(&mut self, set: &WorkloadRef, more: &Resources) {
        for place in &mut self.nodes {
            if let Some(daemon) = place.daemons.get_mut(set) {
                daemon.add(more);
            }
        }
        self.known.borrow_mut().clear();
    }
}

impl Place<'_> {
    fn class(&self, without: Option<&WorkloadRef>) -> Class {
        let mut daemons = Resources::default();
        for (_, request) in self.daemons.iter().filter(|(by, _)| Some(*by) != without) {
            daemons.add(request);
        }
        let all = &self.node.allocatable;
        Class {
            room: (
                all.cpu.0.saturating_sub(daemons.cpu.0),
                all.memory.0.saturating_sub(daemons.memory.0),
            ),
            daemons: (daemons.cpu.0, daemons.memory.0),
            node: self.node.name(),
        }
    }
}

/// The DaemonSet of a pod, or the static pod itself.
fn stays_with_node(pod: &Pod) -> Option<WorkloadRef> {
    let owner = pod.meta.controller()?;
    let namespace = pod.meta.namespace.clone();
    match owner.kind.as_str() {
        "DaemonSet" => Some(WorkloadRef::new(namespace, "DaemonSet", owner.name.clone())),
        "Node" => Some(WorkloadRef::new(namespace, "Pod", pod.meta.name.clone())),
        _ => None,
    }
}

/// The nodes that leave a pod the most of a resource, among those that have
/// room for `needs` of the other one; among all where none has, since the pod
/// does not fit for another reason then. A DaemonSet has to fit on each of its
/// nodes, so for it those that leave the least.
pub(super) fn roomiest<'c>(
    classes: &'c [Class],
    kind: &WorkloadKind,
    resource: SizedResource,
    needs: u64,
) -> Option<&'c Class> {
    let order = |c: &&Class| (c.room(resource), std::cmp::Reverse(c.node.clone()));
    if *kind == WorkloadKind::DaemonSet {
        return classes.iter().min_by_key(order);
    }
    let other = match resource {
        SizedResource::Cpu => SizedResource::Memory,
        SizedResource::Memory => SizedResource::Cpu,
    };
    let fitting = classes.iter().filter(|c| c.room(other) >= needs);
    let best = fitting.max_by_key(order);
    best.or_else(|| classes.iter().max_by_key(order))
}
