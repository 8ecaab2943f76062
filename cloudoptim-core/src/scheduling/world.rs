//! An index of one cluster in which pods move in thought.

use super::asking::Asking;
use super::capacity::{EBS_DRIVER, NotTarget, not_target, selects, untolerated};
use super::request::InfeasibleResize;
use super::soft::{self, Soft};
use super::terms::{AffinityGroup, AntiTerm, SpreadGroup, SpreadKey, Tally, Topology};
use super::volumes::{Needs, Storage};
use crate::knowledge::Knowledge;
use crate::model::{
    Cluster, Labels, Namespace, Node, NodeName, Pod, Resources, Taint, TaintEffect, Toleration, Uid,
};
use crate::overlay::CountLimit;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A node of a [`World`]; good only in the world that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) usize);

/// A pod of a [`World`]; good only in the world that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub(super) usize);

/// Answers whether pods could run on nodes: a view of a [`World`] that cannot
/// change it. See [`World::check`].
#[derive(Debug, Clone, Copy)]
pub struct Feasibility<'w, 'a> {
    pub(super) world: &'w World<'a>,
}

/// One cluster, indexed for "could this pod run on that node", in which pods
/// can be moved and nodes added and removed.
///
/// Built in `O(pods × terms + nodes × terms)`. [`World::remove_pod`] and
/// [`World::place_pod`] cost the terms that the pod carries or that select it;
/// [`World::fits`] costs the pod's own rules, whatever the size of the cluster.
///
/// What pods would rather have is indexed only on demand: see
/// [`World::with_preferences`].
///
/// Finished pods are not in it. A pod that waits for a node by preemption
/// stands on that node. Nodes are in the order of their names, pods in that of
/// namespace and name.
#[derive(Debug, Clone)]
pub struct World<'a> {
    pub(super) nodes: Vec<NodeEntry<'a>>,
    pub(super) pods: Vec<PodEntry<'a>>,
    pub(super) topologies: Vec<Topology>,
    pub(super) affinities: Vec<AffinityGroup>,
    pub(super) antis: Vec<AntiTerm>,
    pub(super) spreads: Vec<SpreadGroup>,
    pub(super) limits: Vec<CountLimit>,
    /// Pods by exclusive claim (namespace, name).
    pub(super) users: BTreeMap<(String, String), BTreeSet<usize>>,
    /// An absent attach limit means none.
    pub(super) attach_known: bool,
    /// Every volume that is attached without a pod is known.
    pub(super) attachments_known: bool,
    node_index: BTreeMap<String, usize>,
    pub(super) pod_index: BTreeMap<(&'a str, &'a str), usize>,
    pub(super) uid_index: BTreeMap<&'a Uid, usize>,
    pub(super) asking: Arc<Asking>,
    pub(super) namespaces: &'a Knowledge<Vec<Namespace>>,
    /// Soft preferences, once they are indexed.
    pub(super) soft: Option<Box<Soft>>,
}

#[derive(Debug, Clone)]
pub(super) struct NodeEntry<'a> {
    pub(super) node: Cow<'a, Node>,
    pub(super) gone: bool,
    pub(super) closed: bool,
    /// Cordoned in thought: spreads that heed taints do not count it.
    pub(super) cordoned: bool,
    pub(super) not_target: Vec<NotTarget>,
    pub(super) used: Resources,
    pub(super) pods: BTreeSet<usize>,
    /// Addresses by port and protocol, with the pods that use them.
    pub(super) ports: BTreeMap<(u16, String), BTreeMap<String, u32>>,
    /// Pods by driver and volume.
    pub(super) attached: BTreeMap<String, BTreeMap<String, u32>>,
    /// `None`: the driver has a limit that is not known.
    pub(super) attach_limits: BTreeMap<String, Option<u32>>,
    /// Thousandths free of each device.
    pub(super) devices: Vec<u32>,
    /// Pods of `with` and of `of`, for each limit.
    pub(super) limits: Vec<(u32, u32)>,
}

#[derive(Debug, Clone)]
pub(super) struct PodEntry<'a> {
    pub(super) pod: &'a Pod,
    pub(super) request: Resources,
    pub(super) place: Option<usize>,
    /// It is bound to a node that is not in the world, or went with its node.
    pub(super) away: bool,
    pub(super) needs: Needs,
    /// Port, protocol, address.
    pub(super) ports: Vec<(u16, String, String)>,
    /// Affinity group, and whether the pod matches its own terms.
    pub(super) affinity: Option<(usize, bool)>,
    /// Anti-affinity terms that it carries, and whether they select itself.
    pub(super) antis: Vec<(usize, bool)>,
    pub(super) spreads: Vec<Spread>,
    pub(super) selected_by: Arc<SelectedBy>,
    pub(super) devices: Vec<usize>,
    pub(super) in_with: Vec<usize>,
    pub(super) in_of: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Spread {
    pub(super) group: usize,
    pub(super) max_skew: u32,
    pub(super) min_domains: u32,
    pub(super) selects_itself: bool,
}

/// Groups and terms that select a pod.
#[derive(Debug, Default)]
pub(super) struct SelectedBy {
    pub(super) affinities: Vec<usize>,
    pub(super) antis: Vec<usize>,
    pub(super) spreads: Vec<usize>,
}

impl<'a> World<'a> {
    /// Indexes a cluster as it is, with the kube-scheduler's rule for resizes
    /// that a node refused.
    ///
    /// `limits` are the operator's rules; those of other clusters are ignored.
    pub fn new(cluster: &'a Cluster, limits: &[CountLimit]) -> Self {
        Self::with_infeasible_resize(cluster, limits, InfeasibleResize::default())
    }

    /// As [`World::new`], with another rule for resizes that a node refused.
    pub fn with_infeasible_resize(
        cluster: &'a Cluster,
        limits: &[CountLimit],
        infeasible: InfeasibleResize,
    ) -> Self {
        let pools = cluster.node_pools.items();
        let mut nodes: Vec<&Node> = cluster.nodes.items().iter().collect();
        nodes.sort_by(|a, b| (&a.meta.name, &a.meta.uid).cmp(&(&b.meta.name, &b.meta.uid)));
        let mut pods: Vec<&Pod> = cluster
            .pods
            .items()
            .iter()
            .filter(|p| !p.is_finished())
            .collect();
        let id = |p: &Pod| {
            let meta = &p.meta;
            (meta.namespace.clone(), meta.name.clone(), meta.uid.clone())
        };
        pods.sort_by_cached_key(|p| id(p));
        let limits: Vec<CountLimit> = {
            let mut own: Vec<_> = limits
                .iter()
                .filter(|l| l.cluster == cluster.uid)
                .cloned()
                .collect();
            own.sort();
            own
        };

        let mut world = Self {
            nodes: Vec::with_capacity(nodes.len()),
            pods: Vec::with_capacity(pods.len()),
            topologies: Vec::new(),
            affinities: Vec::new(),
            antis: Vec::new(),
            spreads: Vec::new(),
            limits,
            users: BTreeMap::new(),
            attach_known: cluster.csi_nodes.is_complete(),
            attachments_known: cluster.volume_attachments.is_complete(),
            node_index: BTreeMap::new(),
            pod_index: BTreeMap::new(),
            uid_index: BTreeMap::new(),
            asking: Arc::default(),
            namespaces: &cluster.namespaces,
            soft: None,
        };
        let storage = Storage::new(cluster);
        world.read_pods(cluster, &pods, &storage, infeasible);
        world.asking = Arc::new(Asking::new(&world.pods));
        let csi: BTreeMap<&str, BTreeMap<String, Option<u32>>> = cluster
            .csi_nodes
            .items()
            .iter()
            .map(|c| {
                let limits = c.drivers.iter();
                let limits = limits.filter_map(|d| Some((d.name.clone(), Some(d.attach_limit?))));
                (c.meta.name.as_str(), limits.collect())
            })
            .collect();
        for node in nodes {
            let limits = csi.get(node.meta.name.as_str()).cloned();
            let why = not_target(node, pools);
            world.push_node(Cow::Borrowed(node), why, limits.unwrap_or_default());
        }
        for index in 0..world.pods.len() {
            let Some(entry) = world.pods.get_mut(index) else {
                continue;
            };
            let spot = entry
                .pod
                .node()
                .or(entry.pod.status.nominated_node.as_ref());
            let place = spot.and_then(|name| world.node_index.get(name.as_str()).copied());
            entry.away = entry.pod.node().is_some() && place.is_none();
            if let Some(place) = place {
                world.put(index, place);
            }
        }
        // What is attached without a pod of the node takes its place too.
        for attachment in cluster.volume_attachments.items() {
            let handle = attachment.volume_name.as_ref();
            let handle = handle.and_then(|volume| storage.handle(volume));
            let node = world.node_index.get(attachment.node.as_str()).copied();
            if let (Some((driver, handle)), Some(node)) = (handle, node)
                && let Some(node) = world.nodes.get_mut(node)
            {
                let volumes = node.attached.entry(driver).or_default();
                volumes.entry(handle).or_insert(1);
            }
        }
        world
    }

    /// A view that answers questions and changes nothing.
    pub const fn feasibility(&self) -> Feasibility<'_, 'a> {
        Feasibility { world: self }
    }

    /// Nodes that are there, in the order of their names; added ones last.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let there = self.nodes.iter().enumerate().filter(|(_, n)| !n.gone);
        there.map(|(index, _)| NodeId(index))
    }

    /// Namespaces, as far as they are known.
    pub const fn namespaces(&self) -> &Knowledge<Vec<Namespace>> {
        self.namespaces
    }

    /// Every pod that counts, in the order of namespace and name.
    pub fn pods(&self) -> impl Iterator<Item = PodId> + '_ {
        (0..self.pods.len()).map(PodId)
    }

    /// Pods without a node.
    pub fn pending(&self) -> impl Iterator<Item = PodId> + '_ {
        let pods = self.pods.iter().enumerate();
        pods.filter(|(_, p)| p.place.is_none() && !p.away)
            .map(|(index, _)| PodId(index))
    }

    /// The node of that name, if it is there.
    pub fn node_id(&self, name: &NodeName) -> Option<NodeId> {
        let index = *self.node_index.get(name.as_str())?;
        self.nodes
            .get(index)
            .filter(|n| !n.gone)
            .map(|_| NodeId(index))
    }

    /// The pod of that name.
    pub fn pod_id(&self, namespace: &str, name: &str) -> Option<PodId> {
        self.pod_index.get(&(namespace, name)).copied().map(PodId)
    }

    /// The pod of that uid.
    pub fn pod_by_uid(&self, uid: &Uid) -> Option<PodId> {
        self.uid_index.get(uid).copied().map(PodId)
    }

    /// The node.
    pub fn node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.get(node.0).map(|n| n.node.as_ref())
    }

    /// The pod.
    pub fn pod(&self, pod: PodId) -> Option<&'a Pod> {
        self.pods.get(pod.0).map(|p| p.pod)
    }

    /// What the pod takes of a node.
    pub fn request(&self, pod: PodId) -> Option<&Resources> {
        self.pods.get(pod.0).map(|p| &p.request)
    }

    /// Where the pod stands.
    pub fn place(&self, pod: PodId) -> Option<NodeId> {
        self.pods.get(pod.0)?.place.map(NodeId)
    }

    /// Pods of a node, in the order of namespace and name.
    pub fn pods_on(&self, node: NodeId) -> Vec<PodId> {
        let pods = self.nodes.get(node.0).map(|n| &n.pods);
        pods.into_iter().flatten().copied().map(PodId).collect()
    }

    /// Why the node takes no pods; none for one that does.
    pub fn not_target(&self, node: NodeId) -> &[NotTarget] {
        self.nodes
            .get(node.0)
            .map_or(&[], |n| n.not_target.as_slice())
    }

    /// What is free on a node: allocatable without the requests of the pods
    /// that count, those of DaemonSets and those that wait for it included.
    pub fn free(&self, node: NodeId) -> Resources {
        let Some(entry) = self.nodes.get(node.0) else {
            return Resources::default();
        };
        let mut free = entry.node.allocatable.clone();
        free.subtract(&entry.used);
        free
    }

    /// What the pods of a node ask for together.
    pub fn used(&self, node: NodeId) -> Resources {
        let entry = self.nodes.get(node.0);
        entry.map_or_else(Resources::default, |n| n.used.clone())
    }

    /// Takes a pod from its node: it stands nowhere then. `None` when it
    /// stood nowhere before.
    pub fn remove_pod(&mut self, pod: PodId) -> Option<NodeId> {
        let place = self.pods.get(pod.0)?.place?;
        self.take(pod.0, place);
        Some(NodeId(place))
    }

    /// Puts a pod on a node, from wherever it stands, without asking the
    /// rules: ask [`World::fits`] first. False when the node is not there.
    pub fn place_pod(&mut self, pod: PodId, node: NodeId) -> bool {
        if self.pods.get(pod.0).is_none() || self.nodes.get(node.0).is_none_or(|n| n.gone) {
            return false;
        }
        self.remove_pod(pod);
        self.put(pod.0, node.0);
        true
    }

    /// Takes no more pods onto a node; what stands there stays and counts.
    pub fn close_node(&mut self, node: NodeId) {
        if let Some(entry) = self.nodes.get_mut(node.0) {
            entry.closed = true;
        }
    }

    /// The opposite of [`World::close_node`].
    pub fn open_node(&mut self, node: NodeId) {
        if let Some(entry) = self.nodes.get_mut(node.0) {
            entry.closed = false;
        }
    }

    /// Closes a node as a cordon does: spreads that heed taints count it no
    /// longer, unless they tolerate a cordon.
    pub fn cordon_node(&mut self, node: NodeId) {
        self.close_node(node);
        self.heed_cordon(node.0, false);
    }

    /// The opposite of [`World::cordon_node`].
    pub fn uncordon_node(&mut self, node: NodeId) {
        self.open_node(node);
        self.heed_cordon(node.0, true);
    }

    /// Whether a cordon keeps the pod away.
    pub(crate) fn heeds_cordon(&self, pod: PodId) -> bool {
        let entry = self.pods.get(pod.0);
        entry.is_some_and(|p| !tolerates_cordon(&p.pod.spec.tolerations))
    }

    fn heed_cordon(&mut self, place: usize, counts: bool) {
        let Some(entry) = self.nodes.get_mut(place).filter(|n| !n.gone) else {
            return;
        };
        entry.cordoned = !counts;
        let (node, topologies) = (entry.node.as_ref(), &self.topologies);
        let staying = entry.pods.iter().filter_map(|pod| {
            let entry = self.pods.get(*pod)?;
            (!entry.pod.is_terminating()).then_some((*pod, entry))
        });
        for (index, group) in self.spreads.iter_mut().enumerate() {
            let by_it = |(_, p): &(usize, &PodEntry<'_>)| p.selected_by.spreads.contains(&index);
            let counted = || staying.clone().filter(by_it).count();
            group_heeds_cordon(group, topologies, node, place, counts, counted);
        }
        if let Some(Soft { spreads, pods, .. }) = self.soft.as_deref_mut() {
            for (index, group) in spreads.iter_mut().enumerate() {
                let by_it = |(pod, _): &(usize, _)| Soft::spread_counts(pods, index, *pod);
                let counted = || staying.clone().filter(by_it).count();
                group_heeds_cordon(group, topologies, node, place, counts, counted);
            }
        }
    }

    /// Takes a node away. Pods that stand on it are gone with it; they are not
    /// [pending](Self::pending). False when it is not there.
    pub fn remove_node(&mut self, node: NodeId) -> bool {
        for pod in self.pods_on(node) {
            self.remove_pod(pod);
            if let Some(entry) = self.pods.get_mut(pod.0) {
                entry.away = true;
            }
        }
        let Some(entry) = self.nodes.get_mut(node.0).filter(|n| !n.gone) else {
            return false;
        };
        entry.gone = true;
        let soft = soft::groups(&mut self.soft);
        for spread in self.spreads.iter_mut().chain(soft) {
            if let Some(eligible) = spread.eligible.get_mut(node.0)
                && std::mem::take(eligible)
                && let Some(domain) = self
                    .topologies
                    .get(spread.key.topology)
                    .and_then(|t| t.domain(node.0))
            {
                spread.remove_node(domain);
            }
        }
        true
    }

    /// The opposite of [`World::remove_node`], with the pods that stood there.
    pub(crate) fn bring_back(&mut self, node: NodeId, stood: &[PodId]) {
        let Some(entry) = self.nodes.get_mut(node.0).filter(|n| n.gone) else {
            return;
        };
        entry.gone = false;
        entry.cordoned = false;
        let soft = soft::groups(&mut self.soft);
        for spread in self.spreads.iter_mut().chain(soft) {
            let eligible = is_eligible(&spread.key, &entry.node);
            let topology = self.topologies.get(spread.key.topology);
            if let Some(counts) = spread.eligible.get_mut(node.0)
                && let Some(domain) = topology.and_then(|t| t.domain(node.0))
                && eligible
                && !std::mem::replace(counts, true)
            {
                spread.add_node(domain);
            }
        }
        for pod in stood {
            self.put(pod.0, node.0);
        }
    }

    /// Adds a node, empty but for `daemons`, what DaemonSets take of it.
    ///
    /// `ebs_limit` is how many EBS volumes can be attached; without it that is
    /// not known, and pods with such volumes are refused. A name that is taken
    /// gives `None`.
    pub fn add_node(
        &mut self,
        node: Node,
        daemons: &Resources,
        ebs_limit: Option<u32>,
    ) -> Option<NodeId> {
        let taken = self.node_index.get(&node.meta.name);
        if taken.is_some_and(|i| self.nodes.get(*i).is_some_and(|n| !n.gone)) {
            return None;
        }
        let why = not_target(&node, &[]);
        let limits = BTreeMap::from([(EBS_DRIVER.to_owned(), ebs_limit)]);
        let index = self.push_node(Cow::Owned(node), why, limits);
        if let Some(entry) = self.nodes.get_mut(index) {
            entry.used.add(daemons);
        }
        Some(NodeId(index))
    }

    fn push_node(
        &mut self,
        node: Cow<'a, Node>,
        not_target: Vec<NotTarget>,
        attach_limits: BTreeMap<String, Option<u32>>,
    ) -> usize {
        let index = self.nodes.len();
        for topology in &mut self.topologies {
            topology.add_node(node.meta.label(&topology.key));
        }
        let soft = soft::groups(&mut self.soft);
        for spread in self.spreads.iter_mut().chain(soft) {
            spread.push_node(is_eligible(&spread.key, &node), &self.topologies);
        }
        self.node_index.insert(node.meta.name.clone(), index);
        self.nodes.push(NodeEntry {
            devices: node.devices.iter().map(|d| d.milli).collect(),
            node,
            gone: false,
            closed: false,
            cordoned: false,
            not_target,
            used: Resources::default(),
            pods: BTreeSet::new(),
            ports: BTreeMap::new(),
            attached: BTreeMap::new(),
            attach_limits,
            limits: vec![(0, 0); self.limits.len()],
        });
        index
    }

    /// Adds a pod to every count of a node.
    fn put(&mut self, pod: usize, place: usize) {
        let (Some(entry), Some(node)) = (self.pods.get_mut(pod), self.nodes.get_mut(place)) else {
            return;
        };
        entry.place = Some(place);
        entry.away = false;
        node.pods.insert(pod);
        node.used.add(&entry.request);
        for (port, protocol, ip) in &entry.ports {
            let addresses = node.ports.entry((*port, protocol.clone())).or_default();
            *addresses.entry(ip.clone()).or_default() += 1;
        }
        for (driver, handle) in &entry.needs.attached {
            let volumes = node.attached.entry(driver.clone()).or_default();
            *volumes.entry(handle.clone()).or_default() += 1;
        }
        for limit in &entry.in_with {
            if let Some((with, _)) = node.limits.get_mut(*limit) {
                *with += 1;
            }
        }
        for limit in &entry.in_of {
            if let Some((_, of)) = node.limits.get_mut(*limit) {
                *of += 1;
            }
        }
        if let Some(request) = &entry.pod.spec.devices {
            entry.devices =
                super::check::choose_devices(request, &node.node.devices, &node.devices);
            for device in &entry.devices {
                if let Some(free) = node.devices.get_mut(*device) {
                    *free = free.saturating_sub(request.milli_share);
                }
            }
        }
        self.count(pod, place, Tally::add, SpreadGroup::add_pod, true);
    }

    /// Takes a pod out of every count of its node.
    fn take(&mut self, pod: usize, place: usize) {
        let (Some(entry), Some(node)) = (self.pods.get_mut(pod), self.nodes.get_mut(place)) else {
            return;
        };
        entry.place = None;
        node.pods.remove(&pod);
        node.used.subtract(&entry.request);
        for (port, protocol, ip) in &entry.ports {
            release(&mut node.ports, &(*port, protocol.clone()), ip);
        }
        for (driver, handle) in &entry.needs.attached {
            release(&mut node.attached, driver, handle);
        }
        for limit in &entry.in_with {
            if let Some((with, _)) = node.limits.get_mut(*limit) {
                *with -= 1;
            }
        }
        for limit in &entry.in_of {
            if let Some((_, of)) = node.limits.get_mut(*limit) {
                *of -= 1;
            }
        }
        if let Some(request) = &entry.pod.spec.devices {
            for device in std::mem::take(&mut entry.devices) {
                if let Some(free) = node.devices.get_mut(device) {
                    *free = free.saturating_add(request.milli_share);
                }
            }
        }
        self.count(pod, place, Tally::take, SpreadGroup::remove_pod, false);
    }

    fn count(
        &mut self,
        pod: usize,
        place: usize,
        tally: fn(&mut Tally, usize),
        spread: fn(&mut SpreadGroup, usize),
        more: bool,
    ) {
        let Some(entry) = self.pods.get(pod) else {
            return;
        };
        let topologies = &self.topologies;
        let domain = |topology: usize| topologies.get(topology).and_then(|t| t.domain(place));
        for group in &entry.selected_by.affinities {
            let Some(group) = self.affinities.get_mut(*group) else {
                continue;
            };
            let mut anywhere = false;
            for (topology, counts) in group.topologies.iter().zip(&mut group.counts) {
                if let Some(domain) = domain(*topology) {
                    tally(counts, domain);
                    anywhere = true;
                }
            }
            if anywhere {
                group.total = if more {
                    group.total.saturating_add(1)
                } else {
                    group.total.saturating_sub(1)
                };
            }
        }
        for term in &entry.selected_by.antis {
            if let Some(term) = self.antis.get_mut(*term)
                && let Some(domain) = domain(term.topology)
            {
                tally(&mut term.selected, domain);
            }
        }
        for (term, _) in &entry.antis {
            if let Some(term) = self.antis.get_mut(*term)
                && let Some(domain) = domain(term.topology)
            {
                tally(&mut term.carriers, domain);
            }
        }
        if !entry.pod.is_terminating() {
            for group in &entry.selected_by.spreads {
                if let Some(group) = self.spreads.get_mut(*group)
                    && group.is_eligible(place)
                    && let Some(domain) = domain(group.key.topology)
                {
                    spread(group, domain);
                }
            }
        }
        if let Some(soft) = &mut self.soft {
            soft.count(pod, entry, place, domain, tally, spread);
        }
    }
}

/// A spread counts a node again, or no longer, for a cordon. `counted`: the
/// pods on the node that it counts.
fn group_heeds_cordon(
    group: &mut SpreadGroup,
    topologies: &[Topology],
    node: &Node,
    place: usize,
    counts: bool,
    counted: impl FnOnce() -> usize,
) {
    let key = &group.key;
    let heeds = key.tolerations.as_ref();
    let heeds = heeds.is_some_and(|tolerations| !tolerates_cordon(tolerations));
    if !heeds || group.is_eligible(place) == counts || !is_eligible(key, node) {
        return;
    }
    let topology = topologies.get(key.topology);
    let domain = topology.and_then(|t| t.domain(place));
    let (Some(domain), Some(eligible)) = (domain, group.eligible.get_mut(place)) else {
        return;
    };
    *eligible = counts;
    let counted = counted();
    if counts {
        group.add_node(domain);
        (0..counted).for_each(|_| group.add_pod(domain));
    } else {
        (0..counted).for_each(|_| group.remove_pod(domain));
        group.remove_node(domain);
    }
}

fn release<K: Ord, V: Ord>(of: &mut BTreeMap<K, BTreeMap<V, u32>>, key: &K, value: &V) {
    let Some(inner) = of.get_mut(key) else { return };
    if let Some(count) = inner.get_mut(value) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            inner.remove(value);
        }
    }
    if inner.is_empty() {
        of.remove(key);
    }
}

pub(super) fn is_eligible(key: &SpreadKey, node: &Node) -> bool {
    let by_affinity = |(selector, terms): &(Labels, _)| {
        let spec = crate::model::PodSpec {
            node_selector: selector.clone(),
            required_node_affinity: Clone::clone(terms),
            ..Default::default()
        };
        selects(&spec, node)
    };
    key.all_keys.iter().all(|k| node.meta.label(k).is_some())
        && key.affinity.as_ref().is_none_or(by_affinity)
        && key
            .tolerations
            .as_ref()
            .is_none_or(|tolerations| tolerates(tolerations, node))
}

/// Whether no taint keeps the pod away, the cordon's included.
fn tolerates(tolerations: &[Toleration], node: &Node) -> bool {
    untolerated(tolerations, node).next().is_none()
        && (!node.unschedulable || tolerates_cordon(tolerations))
}

pub(super) fn tolerates_cordon(tolerations: &[Toleration]) -> bool {
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    };
    tolerations.iter().any(|t| cordon.tolerated_by(t))
}
