//! Reads pods into the index: what they ask for, and which terms select whom.

use super::labelled::ByLabel;
use super::request::{InfeasibleResize, effective_request};
use super::terms::{
    AffinityGroup, AntiTerm, Matcher, Namespaces, SpreadGroup, SpreadKey, Tally, Topology,
};
use super::volumes::Storage;
use super::world::{PodEntry, SelectedBy, Spread, World};
use crate::model::{Cluster, Labels, OwnerIndex, Pod, TopologySpread, WhenUnsatisfiable};
use crate::overlay::CountLimit;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl<'a> World<'a> {
    pub(super) fn read_pods(
        &mut self,
        cluster: &'a Cluster,
        pods: &[&'a Pod],
        storage: &Storage<'_>,
        infeasible: InfeasibleResize,
    ) {
        let namespaces =
            Namespaces::new(cluster.namespaces.items(), cluster.namespaces.is_complete());
        let owners = (!self.limits.is_empty()).then(|| OwnerIndex::new(cluster));
        let mut interned = Interned::default();
        for (index, pod) in pods.iter().enumerate() {
            let spec = &pod.spec;
            let affinity = (!spec.required_pod_affinity.is_empty()).then(|| {
                let matchers: Vec<Matcher> = spec
                    .required_pod_affinity
                    .iter()
                    .map(|t| Matcher::of_term(t, &pod.meta))
                    .collect();
                let own = matchers
                    .iter()
                    .all(|m| m.matches(&namespaces, &pod.meta, false));
                let topologies: Vec<usize> = spec
                    .required_pod_affinity
                    .iter()
                    .map(|t| interned.topology(&mut self.topologies, &t.topology_key))
                    .collect();
                let key = (matchers, topologies);
                let group = match interned.affinities.get(&key) {
                    Some(group) => *group,
                    None => {
                        let group = self.affinities.len();
                        self.affinities.push(AffinityGroup {
                            matchers: key.0.clone(),
                            counts: vec![Tally::default(); key.1.len()],
                            topologies: key.1.clone(),
                            total: 0,
                        });
                        interned.affinities.insert(key, group);
                        group
                    }
                };
                (group, own)
            });
            let mut antis = Vec::new();
            for term in &spec.required_pod_anti_affinity {
                let matcher = Matcher::of_term(term, &pod.meta);
                let own = matcher.matches(&namespaces, &pod.meta, true);
                let topology = interned.topology(&mut self.topologies, &term.topology_key);
                let key = (matcher, topology);
                let term = match interned.antis.get(&key) {
                    Some(term) => *term,
                    None => {
                        let term = self.antis.len();
                        self.antis.push(AntiTerm {
                            matcher: key.0.clone(),
                            topology,
                            selected: Tally::default(),
                            carriers: Tally::default(),
                        });
                        interned.antis.insert(key, term);
                        term
                    }
                };
                if !antis.contains(&(term, own)) {
                    antis.push((term, own));
                }
            }
            let hard = || {
                spec.topology_spread
                    .iter()
                    .filter(|s| s.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule)
            };
            let all_keys: BTreeSet<String> = hard().map(|s| s.topology_key.clone()).collect();
            let mut spreads = Vec::new();
            for spread in hard() {
                let topology = interned.topology(&mut self.topologies, &spread.topology_key);
                let key = spread_key(spread, pod, &all_keys, topology);
                let selects_itself = key.matcher.matches(&namespaces, &pod.meta, false);
                spreads.push(Spread {
                    group: interned.spread(&mut self.spreads, key),
                    max_skew: spread.max_skew,
                    min_domains: spread.min_domains.unwrap_or(1),
                    selects_itself,
                });
            }
            let needs = storage.needs(pod);
            for (claim, _) in &needs.exclusive {
                let key = (pod.meta.namespace.clone(), claim.clone());
                self.users.entry(key).or_default().insert(index);
            }
            let owner = owners.as_ref().map(|o| o.top(pod));
            let member = |of: &dyn Fn(&CountLimit) -> bool| -> Vec<usize> {
                let limits = self.limits.iter().enumerate();
                limits.filter(|(_, l)| of(l)).map(|(i, _)| i).collect()
            };
            let key = (pod.meta.namespace.as_str(), pod.meta.name.as_str());
            self.pod_index.insert(key, index);
            self.uid_index.insert(&pod.meta.uid, index);
            self.pods.push(PodEntry {
                pod,
                request: effective_request(pod, infeasible),
                place: None,
                away: false,
                needs,
                ports: host_ports(pod),
                affinity,
                antis,
                spreads,
                selected_by: Arc::default(),
                devices: Vec::new(),
                in_with: member(&|l| l.with.is_some() && l.with.as_ref() == owner.as_ref()),
                in_of: member(&|l| Some(&l.of) == owner.as_ref()),
            });
        }
        // Pods of equal namespace and labels are selected by the same terms.
        let mut known: BTreeMap<(&str, &Labels), Arc<SelectedBy>> = BTreeMap::new();
        // All matchers of an affinity have to select a pod, the first one too.
        let firsts = self.affinities.iter().map(|g| g.matchers.first());
        let affinities = ByLabel::new(firsts.map(|m| m?.selector()));
        let antis = ByLabel::new(self.antis.iter().map(|t| t.matcher.selector()));
        let spreads = ByLabel::new(self.spreads.iter().map(|g| g.key.matcher.selector()));
        for entry in &mut self.pods {
            let meta = &entry.pod.meta;
            let key = (meta.namespace.as_str(), &meta.labels);
            let selected = known.entry(key).or_insert_with(|| {
                Arc::new(SelectedBy {
                    affinities: affinities.selecting(&meta.labels, |i| {
                        self.affinities.get(i).is_some_and(|g| {
                            g.matchers
                                .iter()
                                .all(|m| m.matches(&namespaces, meta, false))
                        })
                    }),
                    antis: antis.selecting(&meta.labels, |i| {
                        // What may be avoided is avoided.
                        self.antis
                            .get(i)
                            .is_some_and(|t| t.matcher.matches(&namespaces, meta, true))
                    }),
                    spreads: spreads.selecting(&meta.labels, |i| {
                        self.spreads
                            .get(i)
                            .is_some_and(|g| g.key.matcher.matches(&namespaces, meta, false))
                    }),
                })
            });
            entry.selected_by = Arc::clone(selected);
        }
    }
}

/// What a spread of a pod counts, and where.
pub(super) fn spread_key(
    spread: &TopologySpread,
    pod: &Pod,
    all_keys: &BTreeSet<String>,
    topology: usize,
) -> SpreadKey {
    let spec = &pod.spec;
    let affinity = spread.honour_node_affinity.unwrap_or(true).then(|| {
        (
            spec.node_selector.clone(),
            spec.required_node_affinity.clone(),
        )
    });
    let tolerations = spread
        .honour_node_taints
        .unwrap_or(false)
        .then(|| spec.tolerations.clone());
    SpreadKey {
        matcher: Matcher::of_spread(spread, &pod.meta),
        topology,
        all_keys: all_keys.clone(),
        affinity,
        tolerations,
    }
}

/// Numbers of what has been seen before.
#[derive(Default)]
pub(super) struct Interned {
    topologies: BTreeMap<String, usize>,
    affinities: BTreeMap<(Vec<Matcher>, Vec<usize>), usize>,
    antis: BTreeMap<(Matcher, usize), usize>,
    spreads: BTreeMap<SpreadKey, usize>,
}

impl Interned {
    /// Goes on from topologies that have their numbers.
    pub(super) fn of(topologies: &[Topology]) -> Self {
        let keys = topologies.iter().enumerate();
        Self {
            topologies: keys.map(|(index, t)| (t.key.clone(), index)).collect(),
            ..Self::default()
        }
    }

    pub(super) fn spread(&mut self, all: &mut Vec<SpreadGroup>, key: SpreadKey) -> usize {
        if let Some(group) = self.spreads.get(&key) {
            return *group;
        }
        let group = all.len();
        all.push(SpreadGroup::new(key.clone()));
        self.spreads.insert(key, group);
        group
    }

    pub(super) fn topology(&mut self, all: &mut Vec<Topology>, key: &str) -> usize {
        if let Some(index) = self.topologies.get(key) {
            return *index;
        }
        let index = all.len();
        all.push(Topology::new(key));
        self.topologies.insert(key.to_owned(), index);
        index
    }
}

/// Ports of containers and sidecars: those of init containers that end are
/// free by the time others come.
fn host_ports(pod: &Pod) -> Vec<(u16, String, String)> {
    let sidecars = pod
        .spec
        .init_containers
        .iter()
        .filter(|c| c.restarts_always);
    let mut ports: Vec<_> = pod
        .spec
        .containers
        .iter()
        .chain(sidecars)
        .flat_map(|c| &c.host_ports)
        .filter(|p| p.port > 0)
        .map(|p| {
            let protocol = if p.protocol.is_empty() {
                "TCP"
            } else {
                &p.protocol
            };
            let ip = if p.ip.is_empty() { "0.0.0.0" } else { &p.ip };
            (p.port, protocol.to_owned(), ip.to_owned())
        })
        .collect();
    ports.sort();
    ports.dedup();
    ports
}
