//! A naive judge of where the pods of a cluster end up.
//!
//! It shares no code with the core's scheduling module: it reads requests,
//! labels, selectors and volumes off the objects and asks of every pod whether
//! it may stand where it stands. Two questions, counted apart: is the end
//! *robust* (each pod would be accepted again where it is), and was the way
//! there *sequential* (each pod was accepted when its turn came). What was
//! broken before counts only when it is not broken in the same way.

use cloudoptim_core::model::{
    Cluster, LabelSelector, Labels, Node, NodeSelectorTerm, Operator, PersistentVolume, Pod,
    PodAffinityTerm, PodVolumeSource, PvSource, Requirement, Taint, TaintEffect, TopologySpread,
    WhenUnsatisfiable,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod judge;
pub use judge::{judge, judge_decisions};

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Namespace and name of the pod, or the name of the node.
    pub of: String,
    /// Node.
    pub node: String,
    /// What does not hold.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}: {}", self.of, self.node, self.rule)
    }
}

/// Pods and nodes, and who stands where.
#[derive(Debug, Clone)]
pub struct Board<'a> {
    cluster: &'a Cluster,
    nodes: BTreeMap<String, Node>,
    pods: BTreeMap<&'a str, &'a Pod>,
    place: BTreeMap<&'a str, String>,
    on: BTreeMap<String, BTreeSet<&'a str>>,
    volumes: BTreeMap<&'a str, &'a PersistentVolume>,
    /// Volume's name by namespace and claim.
    claims: BTreeMap<(&'a str, &'a str), &'a str>,
    /// Pods with required anti-affinity.
    carriers: Vec<&'a str>,
    /// What DaemonSets would take of a node that is not there yet.
    daemons: BTreeMap<String, [u64; 3]>,
}

/// CPU in millicores, memory in bytes, pods; then the others by name.
type Amounts = BTreeMap<String, u64>;

const CPU: &str = "cpu";
const MEMORY: &str = "memory";
const STORAGE: &str = "ephemeral-storage";
const PODS: &str = "pods";

impl<'a> Board<'a> {
    /// The cluster as it is.
    #[must_use]
    pub fn new(cluster: &'a Cluster) -> Self {
        let mut board = Self {
            cluster,
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            place: BTreeMap::new(),
            on: BTreeMap::new(),
            volumes: BTreeMap::new(),
            claims: BTreeMap::new(),
            carriers: Vec::new(),
            daemons: BTreeMap::new(),
        };
        for node in cluster.nodes.items() {
            board.nodes.insert(node.meta.name.clone(), node.clone());
        }
        for volume in cluster.persistent_volumes.items() {
            board.volumes.insert(&volume.meta.name, volume);
        }
        for claim in cluster.claims.items() {
            if let Some(volume) = &claim.volume_name {
                let name = (claim.meta.namespace.as_str(), claim.meta.name.as_str());
                board.claims.insert(name, volume);
            }
        }
        for pod in cluster.pods.items().iter().filter(|p| !p.is_finished()) {
            let uid = pod.meta.uid.as_str();
            board.pods.insert(uid, pod);
            if !pod.spec.required_pod_anti_affinity.is_empty() {
                board.carriers.push(uid);
            }
            if let Some(node) = pod.node() {
                board.put(uid, node.as_str());
            }
        }
        board
    }

    /// Adds an empty node, of which DaemonSets will take so much CPU (m),
    /// memory (bytes) and pods.
    pub fn launch(&mut self, node: Node, daemons: [u64; 3]) {
        self.daemons.insert(node.meta.name.clone(), daemons);
        self.nodes.insert(node.meta.name.clone(), node);
    }

    /// Stops new pods from coming to a node.
    pub fn cordon(&mut self, node: &str) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.unschedulable = true;
            // The node controller says so with a taint too.
            node.taints.push(Taint {
                key: "node.kubernetes.io/unschedulable".to_owned(),
                value: String::new(),
                effect: TaintEffect::NoSchedule,
            });
        }
    }

    /// Takes a node away, with what ends with it.
    ///
    /// Pods that stand there and are not a DaemonSet's or the node's own are
    /// named: they would have been lost.
    pub fn remove(&mut self, node: &str) -> Vec<Violation> {
        let mut lost = Vec::new();
        for uid in self.on.remove(node).unwrap_or_default() {
            self.place.remove(uid);
            let Some(pod) = self.pods.remove(uid) else {
                continue;
            };
            let ends = pod
                .meta
                .owners
                .iter()
                .any(|o| o.kind == "DaemonSet" || o.kind == "Node")
                || pod.is_terminating();
            if !ends {
                lost.push(violation(pod, node, "was lost with its node"));
            }
        }
        self.nodes.remove(node);
        lost
    }

    /// Takes a pod from its node.
    pub fn lift(&mut self, uid: &str) {
        if let Some(node) = self.place.remove(uid)
            && let Some(pods) = self.on.get_mut(&node)
        {
            pods.retain(|p| *p != uid);
        }
    }

    fn put(&mut self, uid: &'a str, node: &str) {
        self.place.insert(uid, node.to_owned());
        self.on.entry(node.to_owned()).or_default().insert(uid);
    }

    /// Puts a pod on a node, and says what stands against it.
    pub fn arrive(&mut self, uid: &str, node: &str) -> Vec<Violation> {
        let Some((uid, pod)) = self.pods.get_key_value(uid).map(|(u, p)| (*u, *p)) else {
            return vec![Violation {
                of: uid.to_owned(),
                node: node.to_owned(),
                rule: "is not there".to_owned(),
            }];
        };
        let mut found = self.accepts(pod, node);
        self.put(uid, node);
        // A newcomer is refused for what it asks for, whatever else is short.
        let asked = request(pod);
        let asks = |key: &str| asked.get(key).is_some_and(|amount| *amount > 0);
        found.extend(self.overfull(node, asks));
        found
    }

    /// What stands against a pod on a node, wherever it stands now.
    #[must_use]
    pub fn against(&self, uid: &str, node: &str) -> Vec<Violation> {
        let mut board = self.clone();
        board.lift(uid);
        board.arrive(uid, node)
    }

    /// Every pod's own rules, with all others in place, and every node's room.
    #[must_use]
    pub fn robust(&self) -> BTreeSet<Violation> {
        let mut found: BTreeSet<Violation> = BTreeSet::new();
        for node in self.nodes.keys() {
            found.extend(self.overfull(node, |_| true));
        }
        // Counts for rules that many pods share, with every pod in place.
        let mut counts: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        for (uid, node) in &self.place {
            let Some(pod) = self.pods.get(uid) else {
                continue;
            };
            found.extend(self.own_rules(pod, node));
            for spread in hard(pod) {
                let key = format!(
                    "{spread:?} {} {:?}",
                    pod.meta.namespace,
                    domain_key(pod, spread)
                );
                let count = counts
                    .entry(key)
                    .or_insert_with(|| self.count(pod, spread, None));
                let own = u32::from(self.counts_itself(pod, spread, node));
                found.extend(self.spread_broken(pod, spread, node, count, own));
            }
            found.extend(self.company(pod, node));
        }
        found
    }

    /// What stands against a pod on a node, the pod not being anywhere.
    fn accepts(&self, pod: &Pod, node: &str) -> Vec<Violation> {
        let mut found = self.own_rules(pod, node);
        let cordoned = self.nodes.get(node).is_none_or(|n| n.unschedulable);
        if cordoned {
            found.push(violation(pod, node, "the node takes no pods"));
        }
        for spread in hard(pod) {
            let count = self.count(pod, spread, Some(pod.meta.uid.as_str()));
            found.extend(self.spread_broken(pod, spread, node, &count, 0));
        }
        found.extend(self.company(pod, node));
        found
    }

    /// Selectors, affinity, taints, volumes, ports.
    fn own_rules(&self, pod: &Pod, name: &str) -> Vec<Violation> {
        let Some(node) = self.nodes.get(name) else {
            return vec![violation(pod, name, "the node is not there")];
        };
        let labels = &node.meta.labels;
        let mut found = Vec::new();
        let mut says = |no: bool, rule: &str| {
            if no {
                found.push(violation(pod, name, rule));
            }
        };
        let wanted = pod.spec.node_selector.iter();
        says(
            !wanted.clone().all(|(k, v)| labels.get(k) == Some(v)),
            "node selector",
        );
        if let Some(terms) = &pod.spec.required_node_affinity {
            says(!any_term(terms, node), "node affinity");
        }
        for taint in &node.taints {
            if taint.key == "node.kubernetes.io/unschedulable" {
                // Keeps newcomers away, and is said as such.
                continue;
            }
            let hard = matches!(
                taint.effect,
                TaintEffect::NoSchedule | TaintEffect::NoExecute
            );
            let tolerated = pod.spec.tolerations.iter().any(|t| {
                (t.effect.is_none() || t.effect == Some(taint.effect))
                    && (t.key == taint.key || (t.key.is_empty() && t.exists))
                    && (t.exists || t.value == taint.value)
            });
            says(hard && !tolerated, "taint");
        }
        for volume in self.claimed(pod) {
            if let Some(terms) = &volume.node_affinity {
                says(!any_term(terms, node), "zone of a volume");
            }
        }
        let others = self.on.get(name).into_iter().flatten();
        let others: Vec<&Pod> = others
            .filter(|uid| **uid != pod.meta.uid.as_str())
            .filter_map(|uid| self.pods.get(uid).copied())
            .collect();
        let mine = ports(pod);
        if !mine.is_empty() {
            for other in &others {
                let clash = ports(other).iter().any(|(port, protocol, ip)| {
                    mine.iter().any(|(p, q, i)| {
                        p == port && q == protocol && (any(i) || any(ip) || i == ip)
                    })
                });
                says(clash, "host port");
            }
        }
        let mine: BTreeSet<(String, String)> = self.attached(pod);
        if !mine.is_empty() {
            let mut all = mine.clone();
            for other in &others {
                all.extend(self.attached(other));
            }
            let csi = self.cluster.csi_nodes.items().iter();
            let limits = csi.filter(|c| c.meta.name == name).flat_map(|c| &c.drivers);
            for driver in limits {
                let here = all.iter().filter(|(d, _)| *d == driver.name).count();
                let uses = mine.iter().any(|(d, _)| *d == driver.name);
                let over = driver.attach_limit.is_some_and(|l| here > l as usize);
                says(uses && over, "volumes attached");
            }
        }
        found
    }

    /// Affinity and anti-affinity, both ways.
    fn company(&self, pod: &Pod, name: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        let uid = pod.meta.uid.as_str();
        let domain = |node: &str, key: &str| {
            let labels = self.nodes.get(node).map(|n| &n.meta.labels);
            labels.and_then(|l| l.get(key).cloned())
        };
        let others = || {
            let placed = self.place.iter().filter(|(other, _)| **other != uid);
            placed.filter_map(|(other, node)| Some((*self.pods.get(other)?, node.as_str())))
        };
        for term in &pod.spec.required_pod_anti_affinity {
            let Some(own) = domain(name, &term.topology_key) else {
                continue;
            };
            let near = others().any(|(other, node)| {
                self.selects(term, pod, other)
                    && domain(node, &term.topology_key).as_deref() == Some(own.as_str())
            });
            if near {
                found.push(violation(pod, name, "anti-affinity"));
            }
        }
        let terms = &pod.spec.required_pod_affinity;
        if !terms.is_empty() {
            let all = |other: &Pod| terms.iter().all(|t| self.selects(t, pod, other));
            let anywhere = others().any(|(other, node)| {
                all(other)
                    && terms
                        .iter()
                        .any(|t| domain(node, &t.topology_key).is_some())
            });
            for term in terms {
                let own = domain(name, &term.topology_key);
                let near = own.is_some()
                    && others()
                        .any(|(other, node)| all(other) && domain(node, &term.topology_key) == own);
                let first = own.is_some() && !anywhere && all(pod);
                if !near && !first {
                    found.push(violation(pod, name, "affinity"));
                }
            }
        }
        // Others that do not want it near: only those that carry a term.
        let carriers = self.carriers.iter().filter(|other| **other != uid);
        for (other, node) in carriers.filter_map(|other| {
            let node = self.place.get(other)?.as_str();
            Some((*self.pods.get(other)?, node))
        }) {
            for term in &other.spec.required_pod_anti_affinity {
                let Some(own) = domain(node, &term.topology_key) else {
                    continue;
                };
                if self.selects(term, other, pod)
                    && domain(name, &term.topology_key).as_deref() == Some(own.as_str())
                {
                    found.push(violation(pod, name, "anti-affinity of another"));
                }
            }
        }
        found
    }

    fn selects(&self, term: &PodAffinityTerm, owner: &Pod, other: &Pod) -> bool {
        let Some(selector) = &term.selector else {
            return false;
        };
        let namespace = &other.meta.namespace;
        let mut near = term.namespaces.contains(namespace);
        match &term.namespace_selector {
            Some(wanted) => {
                let mut labels = Labels::new();
                let namespaces = self.cluster.namespaces.items().iter();
                for found in namespaces.filter(|n| n.meta.name == *namespace) {
                    labels = found.meta.labels.clone();
                }
                labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.clone());
                near |= select(wanted, &labels);
            }
            None if term.namespaces.is_empty() => near |= *namespace == owner.meta.namespace,
            None => {}
        }
        let same = |key: &String| match owner.meta.labels.get(key) {
            Some(value) => other.meta.labels.get(key) == Some(value),
            None => true,
        };
        let differs = |key: &String| match owner.meta.labels.get(key) {
            Some(value) => other.meta.labels.get(key) != Some(value),
            None => true,
        };
        near && select(selector, &other.meta.labels)
            && term.match_label_keys.iter().all(same)
            && term.mismatch_label_keys.iter().all(differs)
    }

    /// Pods that a spread counts, by domain; domains without any have 0.
    fn count(
        &self,
        pod: &Pod,
        spread: &TopologySpread,
        without: Option<&str>,
    ) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for (name, node) in &self.nodes {
            let Some(domain) = self.spread_domain(pod, spread, node) else {
                continue;
            };
            let here = self.on.get(name).into_iter().flatten();
            let here = here
                .filter(|uid| Some(**uid) != without)
                .filter_map(|uid| self.pods.get(uid))
                .filter(|other| spread_selects(spread, pod, other));
            let n = u32::try_from(here.count()).unwrap_or(u32::MAX);
            *counts.entry(domain).or_default() += n;
        }
        counts
    }

    /// The domain in which a node counts for a pod's spread.
    fn spread_domain(&self, pod: &Pod, spread: &TopologySpread, node: &Node) -> Option<String> {
        let labels = &node.meta.labels;
        if hard(pod).any(|s| !labels.contains_key(&s.topology_key)) {
            return None;
        }
        if spread.honour_node_affinity.unwrap_or(true) {
            let selected = pod.spec.node_selector.iter();
            let terms = pod.spec.required_node_affinity.as_ref();
            if !selected.clone().all(|(k, v)| labels.get(k) == Some(v))
                || terms.is_some_and(|terms| !any_term(terms, node))
            {
                return None;
            }
        }
        if spread.honour_node_taints == Some(true) {
            let untolerated = node.taints.iter().any(|taint| {
                taint.effect != TaintEffect::PreferNoSchedule
                    && !pod.spec.tolerations.iter().any(|t| {
                        (t.effect.is_none() || t.effect == Some(taint.effect))
                            && (t.key == taint.key || (t.key.is_empty() && t.exists))
                            && (t.exists || t.value == taint.value)
                    })
            });
            if untolerated {
                return None;
            }
        }
        labels.get(&spread.topology_key).cloned()
    }

    fn counts_itself(&self, pod: &Pod, spread: &TopologySpread, node: &str) -> bool {
        let node = self.nodes.get(node);
        spread_selects(spread, pod, pod)
            && node.is_some_and(|n| self.spread_domain(pod, spread, n).is_some())
    }

    /// `counts` hold `own` items that are the pod itself, in its domain.
    fn spread_broken(
        &self,
        pod: &Pod,
        spread: &TopologySpread,
        name: &str,
        counts: &BTreeMap<String, u32>,
        own: u32,
    ) -> Option<Violation> {
        let node = self.nodes.get(name)?;
        let Some(domain) = node.meta.labels.get(&spread.topology_key) else {
            return Some(violation(pod, name, "spread without its key"));
        };
        let here = counts.get(domain).copied().unwrap_or(0) - own;
        let least = counts
            .iter()
            .map(|(d, n)| if d == domain { n - own } else { *n })
            .min()
            .unwrap_or(0);
        let few = spread
            .min_domains
            .is_some_and(|min| counts.len() < min as usize);
        let least = if few { 0 } else { least };
        let matches = u32::from(spread_selects(spread, pod, pod));
        (here + matches > least + spread.max_skew)
            .then(|| violation(pod, name, &format!("spread over {}", spread.topology_key)))
    }

    /// More asked for than the node has.
    fn overfull(&self, name: &str, of: impl Fn(&str) -> bool) -> Vec<Violation> {
        let Some(node) = self.nodes.get(name) else {
            return Vec::new();
        };
        let mut used = Amounts::new();
        let pods = self.on.get(name).into_iter().flatten();
        for pod in pods.filter_map(|uid| self.pods.get(uid)) {
            for (key, amount) in request(pod) {
                *used.entry(key).or_default() += amount;
            }
        }
        if let Some([cpu, memory, pods]) = self.daemons.get(name) {
            for (key, amount) in [(CPU, cpu), (MEMORY, memory), (PODS, pods)] {
                *used.entry(key.to_owned()).or_default() += amount;
            }
        }
        let has = &node.allocatable;
        let mut found = Vec::new();
        for (key, used) in used.into_iter().filter(|(key, _)| of(key)) {
            let has = match key.as_str() {
                CPU => has.cpu.0,
                MEMORY => has.memory.0,
                STORAGE => has.ephemeral_storage.0,
                PODS => has.pods,
                other => has.extended.get(other).copied().unwrap_or(0),
            };
            if used > has {
                found.push(Violation {
                    of: name.to_owned(),
                    node: name.to_owned(),
                    rule: format!("has less {key} than its pods ask for"),
                });
            }
        }
        found
    }

    fn claimed(&self, pod: &Pod) -> Vec<&'a PersistentVolume> {
        let volumes = pod.spec.volumes.iter();
        let claims = volumes.filter_map(|v| match &v.source {
            PodVolumeSource::Claim { name } => Some(name.clone()),
            PodVolumeSource::Ephemeral => Some(format!("{}-{}", pod.meta.name, v.name)),
            _ => None,
        });
        claims
            .filter_map(|claim| {
                let key = (pod.meta.namespace.as_str(), claim.as_str());
                self.volumes.get(*self.claims.get(&key)?).copied()
            })
            .collect()
    }

    /// Driver and handle of what a pod's volumes attach.
    fn attached(&self, pod: &Pod) -> BTreeSet<(String, String)> {
        self.claimed(pod)
            .into_iter()
            .filter_map(|volume| match &volume.source {
                PvSource::Ebs { volume } => {
                    Some(("ebs.csi.aws.com".to_owned(), volume.to_string()))
                }
                PvSource::Other { driver, handle } => Some((driver.clone(), handle.clone())),
                _ => None,
            })
            .collect()
    }
}

/// What of a node's CPU (m), memory (bytes) and places for pods is free beside
/// these pods, and beside what DaemonSets will take.
pub(crate) fn spare(node: &Node, pods: &[&Pod], daemons: [u64; 3]) -> [u64; 3] {
    let has = &node.allocatable;
    let mut free = [has.cpu.0, has.memory.0, has.pods];
    for (free, taken) in free.iter_mut().zip(daemons) {
        *free = free.saturating_sub(taken);
    }
    for asked in pods.iter().map(|p| request(p)) {
        for (free, key) in free.iter_mut().zip([CPU, MEMORY, PODS]) {
            *free = free.saturating_sub(asked.get(key).copied().unwrap_or(0));
        }
    }
    free
}

/// Whether who tolerates these taints, whatever their values, tolerates another.
pub(crate) fn tolerates(taints: &[Taint], taint: &Taint) -> bool {
    taint.effect == TaintEffect::PreferNoSchedule
        || taints
            .iter()
            .any(|t| t.key == taint.key && t.effect == taint.effect)
}

fn violation(pod: &Pod, node: &str, rule: &str) -> Violation {
    Violation {
        of: format!("{}/{}", pod.meta.namespace, pod.meta.name),
        node: node.to_owned(),
        rule: rule.to_owned(),
    }
}

fn hard(pod: &Pod) -> impl Iterator<Item = &TopologySpread> {
    let spreads = pod.spec.topology_spread.iter();
    spreads.filter(|s| s.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule)
}

/// What beside the constraint itself decides which nodes and pods it counts.
fn domain_key(pod: &Pod, spread: &TopologySpread) -> String {
    let keys: Vec<&str> = hard(pod).map(|s| s.topology_key.as_str()).collect();
    let values: Vec<Option<&String>> = spread
        .match_label_keys
        .iter()
        .map(|k| pod.meta.labels.get(k))
        .collect();
    format!(
        "{keys:?} {values:?} {:?} {:?} {:?}",
        pod.spec.node_selector, pod.spec.required_node_affinity, pod.spec.tolerations
    )
}

fn spread_selects(spread: &TopologySpread, owner: &Pod, other: &Pod) -> bool {
    let same = |key: &String| match owner.meta.labels.get(key) {
        Some(value) => other.meta.labels.get(key) == Some(value),
        None => true,
    };
    owner.meta.namespace == other.meta.namespace
        && !other.is_terminating()
        && spread
            .selector
            .as_ref()
            .is_some_and(|s| select(s, &other.meta.labels))
        && spread.match_label_keys.iter().all(same)
}

fn select(selector: &LabelSelector, labels: &Labels) -> bool {
    let equal = selector.match_labels.iter();
    let met = selector.match_expressions.iter();
    equal.clone().all(|(k, v)| labels.get(k) == Some(v))
        && met.clone().all(|r| meets(r, labels.get(&r.key)))
}

fn meets(requirement: &Requirement, value: Option<&String>) -> bool {
    let listed = value.is_some_and(|v| requirement.values.contains(v));
    let number = || -> Option<(i64, i64)> {
        let [want] = requirement.values.as_slice() else {
            return None;
        };
        Some((value?.parse().ok()?, want.parse().ok()?))
    };
    match requirement.operator {
        Operator::In => listed,
        Operator::NotIn => !listed,
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
        Operator::Gt => number().is_some_and(|(have, want)| have > want),
        Operator::Lt => number().is_some_and(|(have, want)| have < want),
        _ => false,
    }
}

/// Terms are alternatives; one without any requirement matches nothing.
fn any_term(terms: &[NodeSelectorTerm], node: &Node) -> bool {
    terms.iter().any(|term| {
        let labels = term.match_expressions.iter();
        let fields = term.match_fields.iter();
        !(term.match_expressions.is_empty() && term.match_fields.is_empty())
            && labels
                .clone()
                .all(|r| meets(r, node.meta.labels.get(&r.key)))
            && fields.clone().all(|r| meets(r, Some(&node.meta.name)))
    })
}

fn any(ip: &str) -> bool {
    ip.is_empty() || ip == "0.0.0.0" || ip == "::"
}

fn ports(pod: &Pod) -> Vec<(u16, String, String)> {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let ports = containers.flat_map(|c| &c.host_ports);
    ports
        .map(|p| (p.port, p.protocol.clone(), p.ip.clone()))
        .collect()
}

/// What a pod asks for: containers together, or the largest init container
/// beside the sidecars before it, and the overhead.
fn request(pod: &Pod) -> Amounts {
    let of = |c: &cloudoptim_core::model::Container| -> Amounts {
        let (requests, limits) = (&c.resources.requests, &c.resources.limits);
        let mut out = Amounts::new();
        let mut note = |key: &str, amount: Option<u64>| {
            if let Some(amount) = amount {
                out.insert(key.to_owned(), amount);
            }
        };
        note(CPU, requests.cpu.or(limits.cpu).map(|c| c.0));
        note(MEMORY, requests.memory.or(limits.memory).map(|m| m.0));
        let storage = requests.ephemeral_storage.or(limits.ephemeral_storage);
        note(STORAGE, storage.map(|s| s.0));
        for (key, amount) in limits.extended.iter().chain(&requests.extended) {
            out.insert(key.clone(), *amount);
        }
        out
    };
    let add = |sum: &mut Amounts, more: &Amounts| {
        for (key, amount) in more {
            *sum.entry(key.clone()).or_default() += amount;
        }
    };
    let raise = |most: &mut Amounts, other: &Amounts| {
        for (key, amount) in other {
            let have = most.entry(key.clone()).or_default();
            *have = (*have).max(*amount);
        }
    };
    let mut sidecars = Amounts::new();
    let mut start = Amounts::new();
    for init in &pod.spec.init_containers {
        if init.restarts_always {
            add(&mut sidecars, &of(init));
            raise(&mut start, &sidecars.clone());
        } else {
            let mut beside = sidecars.clone();
            add(&mut beside, &of(init));
            raise(&mut start, &beside);
        }
    }
    let mut total = sidecars;
    for container in &pod.spec.containers {
        add(&mut total, &of(container));
    }
    raise(&mut total, &start);
    if let Some(level) = &pod.spec.resources {
        for (key, amount) in [
            (CPU, level.requests.cpu.map(|c| c.0)),
            (MEMORY, level.requests.memory.map(|m| m.0)),
        ] {
            if let Some(amount) = amount {
                total.insert(key.to_owned(), amount);
            }
        }
    }
    if let Some(overhead) = &pod.spec.overhead {
        for (key, amount) in [
            (CPU, overhead.cpu.map(|c| c.0)),
            (MEMORY, overhead.memory.map(|m| m.0)),
        ] {
            *total.entry(key.to_owned()).or_default() += amount.unwrap_or(0);
        }
    }
    total.insert(PODS.to_owned(), 1);
    total
}
