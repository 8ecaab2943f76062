//! Which pods a term selects, and how many of them are where.

use crate::model::{
    LabelSelector, Labels, Namespace, NodeSelectorTerm, ObjectMeta, Operator, PodAffinityTerm,
    Requirement, Toleration, TopologySpread,
};
use std::collections::{BTreeMap, BTreeSet};

/// Labels of namespaces, where they are known.
#[derive(Debug)]
pub(super) struct Namespaces<'a> {
    labels: BTreeMap<&'a str, &'a Labels>,
    known: bool,
}

impl<'a> Namespaces<'a> {
    pub(super) fn new(namespaces: &'a [Namespace], known: bool) -> Self {
        Self {
            labels: namespaces
                .iter()
                .map(|n| (n.meta.name.as_str(), &n.meta.labels))
                .collect(),
            known,
        }
    }

    /// `None`: nobody knows.
    fn selected(&self, selector: &LabelSelector, namespace: &str) -> Option<bool> {
        if *selector == LabelSelector::default() {
            return Some(true);
        }
        let mut labels = match self.labels.get(namespace) {
            Some(labels) => (*labels).clone(),
            None if self.known => Labels::new(),
            None => return None,
        };
        // The API server puts it on every namespace.
        labels.insert(
            "kubernetes.io/metadata.name".to_owned(),
            namespace.to_owned(),
        );
        Some(selector.matches(&labels))
    }
}

/// Selects pods by namespace and labels. Equal ones are counted once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Matcher {
    namespaces: Vec<String>,
    namespace_selector: Option<LabelSelector>,
    /// `None` selects nothing.
    selector: Option<LabelSelector>,
}

impl Matcher {
    pub(super) fn of_term(term: &PodAffinityTerm, owner: &ObjectMeta) -> Self {
        let mut namespaces = term.namespaces.clone();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.push(owner.namespace.clone());
        }
        namespaces.sort();
        namespaces.dedup();
        let mut selector = term.selector.clone();
        add_keys(&mut selector, &term.match_label_keys, Operator::In, owner);
        add_keys(
            &mut selector,
            &term.mismatch_label_keys,
            Operator::NotIn,
            owner,
        );
        Self {
            namespaces,
            namespace_selector: term.namespace_selector.clone(),
            selector,
        }
    }

    pub(super) fn of_spread(spread: &TopologySpread, owner: &ObjectMeta) -> Self {
        let mut selector = spread.selector.clone();
        add_keys(&mut selector, &spread.match_label_keys, Operator::In, owner);
        Self {
            namespaces: vec![owner.namespace.clone()],
            namespace_selector: None,
            selector,
        }
    }

    /// By labels; none selects nothing.
    pub(super) const fn selector(&self) -> Option<&LabelSelector> {
        self.selector.as_ref()
    }

    /// Whether it selects a pod. `unknown` is the answer where the labels of
    /// the namespace are not known.
    pub(super) fn matches(&self, of: &Namespaces<'_>, meta: &ObjectMeta, unknown: bool) -> bool {
        let Some(selector) = &self.selector else {
            return false;
        };
        let listed = self.namespaces.contains(&meta.namespace);
        let by_label = || match &self.namespace_selector {
            Some(namespaces) => of.selected(namespaces, &meta.namespace).unwrap_or(unknown),
            None => false,
        };
        (listed || by_label()) && selector.matches(&meta.labels)
    }
}

/// Adds `key in (the owner's value)`. From Kubernetes 1.34 the API server has
/// done it before; saying it twice selects the same pods.
fn add_keys(
    selector: &mut Option<LabelSelector>,
    keys: &[String],
    operator: Operator,
    owner: &ObjectMeta,
) {
    let Some(selector) = selector else { return };
    for key in keys {
        if let Some(value) = owner.labels.get(key) {
            let requirement = Requirement {
                key: key.clone(),
                operator,
                values: vec![value.clone()],
            };
            if !selector.match_expressions.contains(&requirement) {
                selector.match_expressions.push(requirement);
            }
        }
    }
}

/// The domains of one topology key.
#[derive(Debug, Clone, Default)]
pub(super) struct Topology {
    pub(super) key: String,
    pub(super) names: Vec<String>,
    index: BTreeMap<String, usize>,
    /// Domain of each node; `None` without the label.
    pub(super) of_node: Vec<Option<usize>>,
}

impl Topology {
    pub(super) fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn add_node(&mut self, value: Option<&str>) {
        let domain = value.map(|value| match self.index.get(value) {
            Some(domain) => *domain,
            None => {
                let domain = self.names.len();
                self.names.push(value.to_owned());
                self.index.insert(value.to_owned(), domain);
                domain
            }
        });
        self.of_node.push(domain);
    }

    pub(super) fn domain(&self, node: usize) -> Option<usize> {
        self.of_node.get(node).copied().flatten()
    }

    pub(super) fn name(&self, domain: usize) -> String {
        self.names.get(domain).cloned().unwrap_or_default()
    }
}

/// A number for each domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally(Vec<u32>);

impl Tally {
    pub(super) fn get(&self, domain: usize) -> u32 {
        self.0.get(domain).copied().unwrap_or(0)
    }

    fn cell(&mut self, domain: usize) -> Option<&mut u32> {
        if self.0.len() <= domain {
            self.0.resize(domain + 1, 0);
        }
        self.0.get_mut(domain)
    }

    pub(super) fn add(&mut self, domain: usize) {
        if let Some(cell) = self.cell(domain) {
            *cell = cell.saturating_add(1);
        }
    }

    pub(super) fn take(&mut self, domain: usize) {
        if let Some(cell) = self.cell(domain) {
            *cell = cell.saturating_sub(1);
        }
    }
}

/// All required affinity terms of a pod together: another pod counts only when
/// it matches every one of them, as in the kube-scheduler.
#[derive(Debug, Clone)]
pub(super) struct AffinityGroup {
    pub(super) matchers: Vec<Matcher>,
    /// Topology of each term.
    pub(super) topologies: Vec<usize>,
    pub(super) counts: Vec<Tally>,
    /// Matching pods on nodes that have at least one of the keys.
    pub(super) total: u32,
}

/// One required anti-affinity term.
#[derive(Debug, Clone)]
pub(super) struct AntiTerm {
    pub(super) matcher: Matcher,
    pub(super) topology: usize,
    /// Pods that it selects.
    pub(super) selected: Tally,
    /// Pods that carry it.
    pub(super) carriers: Tally,
}

/// What makes two spread constraints count the same pods on the same nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SpreadKey {
    pub(super) matcher: Matcher,
    pub(super) topology: usize,
    /// Every key of the pod's spreads that are hard (or soft) as this one is: a
    /// node without one of them does not count.
    pub(super) all_keys: BTreeSet<String>,
    /// Node selector and node affinity, where they narrow the nodes.
    pub(super) affinity: Option<(Labels, Option<Vec<NodeSelectorTerm>>)>,
    /// Tolerations, where taints narrow the nodes.
    pub(super) tolerations: Option<Vec<Toleration>>,
}

/// Counts for one [`SpreadKey`].
#[derive(Debug, Clone)]
pub(super) struct SpreadGroup {
    pub(super) key: SpreadKey,
    /// Which nodes count.
    pub(super) eligible: Vec<bool>,
    pub(super) counts: Tally,
    /// Eligible nodes by domain.
    pub(super) nodes: Tally,
    /// Domains that have eligible nodes.
    pub(super) domains: u32,
    /// How many such domains hold how many pods.
    histogram: BTreeMap<u32, u32>,
}

impl SpreadGroup {
    pub(super) fn new(key: SpreadKey) -> Self {
        Self {
            key,
            eligible: Vec::new(),
            counts: Tally::default(),
            nodes: Tally::default(),
            domains: 0,
            histogram: BTreeMap::new(),
        }
    }

    pub(super) fn is_eligible(&self, node: usize) -> bool {
        self.eligible.get(node).copied().unwrap_or(false)
    }

    /// Takes up the next node of the world.
    pub(super) fn push_node(&mut self, eligible: bool, topologies: &[Topology]) {
        let node = self.eligible.len();
        self.eligible.push(eligible);
        let topology = topologies.get(self.key.topology);
        if let Some(domain) = topology.and_then(|t| t.domain(node))
            && eligible
        {
            self.add_node(domain);
        }
    }

    pub(super) fn add_node(&mut self, domain: usize) {
        if self.nodes.get(domain) == 0 {
            self.domains += 1;
            self.note(self.counts.get(domain), true);
        }
        self.nodes.add(domain);
    }

    pub(super) fn remove_node(&mut self, domain: usize) {
        self.nodes.take(domain);
        if self.nodes.get(domain) == 0 {
            self.domains = self.domains.saturating_sub(1);
            self.note(self.counts.get(domain), false);
        }
    }

    pub(super) fn add_pod(&mut self, domain: usize) {
        self.note(self.counts.get(domain), false);
        self.counts.add(domain);
        self.note(self.counts.get(domain), true);
    }

    pub(super) fn remove_pod(&mut self, domain: usize) {
        self.note(self.counts.get(domain), false);
        self.counts.take(domain);
        self.note(self.counts.get(domain), true);
    }

    fn note(&mut self, count: u32, more: bool) {
        let cell = self.histogram.entry(count).or_default();
        *cell = if more {
            cell.saturating_add(1)
        } else {
            cell.saturating_sub(1)
        };
        if *cell == 0 {
            self.histogram.remove(&count);
        }
    }

    /// Pods in the emptiest domain; 0 when there is none.
    pub(super) fn least(&self) -> u32 {
        self.histogram.keys().next().copied().unwrap_or(0)
    }
}
