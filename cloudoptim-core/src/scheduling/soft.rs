//! The index of what pods prefer about other pods: the counts behind
//! [`World::broken_preferences`].

use super::labelled::ByLabel;
use super::pods::{Interned, spread_key};
use super::terms::{Matcher, Namespaces, SpreadGroup, Tally};
use super::world::{PodEntry, World, is_eligible, tolerates_cordon};
use crate::model::{Labels, Pod, PreferredPodTerm, TopologySpread, WhenUnsatisfiable};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Counts of a world whose preferences are indexed.
#[derive(Debug, Clone)]
pub(super) struct Soft {
    pub(super) terms: Vec<SoftTerm>,
    pub(super) spreads: Vec<SpreadGroup>,
    /// In the order of the world's pods; moves do not change them.
    pub(super) pods: Arc<Vec<SoftPod>>,
}

/// One preferred term about other pods. Equal ones are counted once.
#[derive(Debug, Clone)]
pub(super) struct SoftTerm {
    pub(super) topology: usize,
    /// Pods that it selects.
    pub(super) selected: Tally,
    /// Of some pod it is not known whether it selects that.
    pub(super) unclear: bool,
}

/// What one pod prefers, and which preferences mean it. Of each: its number,
/// and whether it selects the pod itself.
#[derive(Debug, Clone)]
pub(super) struct SoftPod {
    /// One for each of [`wishes`] in the preferred affinity.
    pub(super) near: Vec<(usize, bool)>,
    /// One for each of [`wishes`] in the preferred anti-affinity.
    pub(super) away: Vec<(usize, bool)>,
    /// One for each of [`soft_spreads`].
    pub(super) spreads: Vec<(usize, bool)>,
    selected_by: Arc<SelectedBy>,
}

#[derive(Debug, Default)]
struct SelectedBy {
    terms: Vec<usize>,
    spreads: Vec<usize>,
}

/// Terms that can be broken: one of weight 0 wants nothing.
pub(super) fn wishes(terms: &[PreferredPodTerm]) -> impl Iterator<Item = &PreferredPodTerm> {
    terms.iter().filter(|t| t.weight > 0)
}

/// Spreads that refuse nothing.
pub(super) fn soft_spreads(pod: &Pod) -> impl Iterator<Item = &TopologySpread> {
    let all = pod.spec.topology_spread.iter();
    all.filter(|s| s.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway)
}

impl Soft {
    /// Takes a pod into the counts of a node, or out of them.
    pub(super) fn count(
        &mut self,
        pod: usize,
        entry: &PodEntry<'_>,
        place: usize,
        domain: impl Fn(usize) -> Option<usize>,
        tally: fn(&mut Tally, usize),
        spread: fn(&mut SpreadGroup, usize),
    ) {
        let Some(by) = self.pods.get(pod).map(|p| &p.selected_by) else {
            return;
        };
        for term in &by.terms {
            if let Some(term) = self.terms.get_mut(*term)
                && let Some(domain) = domain(term.topology)
            {
                tally(&mut term.selected, domain);
            }
        }
        if !entry.pod.is_terminating() {
            for group in &by.spreads {
                if let Some(group) = self.spreads.get_mut(*group)
                    && group.is_eligible(place)
                    && let Some(domain) = domain(group.key.topology)
                {
                    spread(group, domain);
                }
            }
        }
    }

    /// Whether a spread counts a pod.
    pub(super) fn spread_counts(pods: &[SoftPod], spread: usize, pod: usize) -> bool {
        let pod = pods.get(pod);
        pod.is_some_and(|p| p.selected_by.spreads.contains(&spread))
    }
}

/// The groups of an index that may not be there.
pub(super) fn groups(soft: &mut Option<Box<Soft>>) -> &mut [SpreadGroup] {
    soft.as_mut().map_or(&mut [], |s| &mut s.spreads)
}

/// A term: whom it selects, by which topology, and whether it is for company.
///
/// Whose namespace is not known may be company, and may be no neighbour to
/// avoid: only what is known to be broken is. So the same words count other
/// pods for an affinity than for an anti-affinity.
type TermKey = (Matcher, usize, bool);

fn selects((matcher, _, near): &TermKey, namespaces: &Namespaces<'_>, pod: &Pod) -> bool {
    matcher.matches(namespaces, &pod.meta, *near)
}

impl World<'_> {
    /// Counts pods by what all pods prefer, as they stand now.
    pub(super) fn read_preferences(&mut self) -> Soft {
        let namespaces = Namespaces::new(self.namespaces.items(), self.namespaces.is_complete());
        let mut interned = Interned::of(&self.topologies);
        let mut terms: BTreeMap<TermKey, usize> = BTreeMap::new();
        let mut keys: Vec<TermKey> = Vec::new();
        let mut spreads: Vec<SpreadGroup> = Vec::new();
        let mut pods: Vec<SoftPod> = Vec::with_capacity(self.pods.len());
        for PodEntry { pod, .. } in &self.pods {
            let mut read = |of: &[PreferredPodTerm], near: bool, interned: &mut Interned| {
                let mut out = Vec::new();
                for wish in wishes(of) {
                    let topology = interned.topology(&mut self.topologies, &wish.term.topology_key);
                    let key = (Matcher::of_term(&wish.term, &pod.meta), topology, near);
                    let own = selects(&key, &namespaces, pod);
                    let term = *terms.entry(key).or_insert_with_key(|key| {
                        keys.push(key.clone());
                        keys.len() - 1
                    });
                    out.push((term, own));
                }
                out
            };
            let near = read(&pod.spec.preferred_pod_affinity, true, &mut interned);
            let away = read(&pod.spec.preferred_pod_anti_affinity, false, &mut interned);
            let all_keys: BTreeSet<String> =
                soft_spreads(pod).map(|s| s.topology_key.clone()).collect();
            let mut own_spreads = Vec::new();
            for spread in soft_spreads(pod) {
                let topology = interned.topology(&mut self.topologies, &spread.topology_key);
                let key = spread_key(spread, pod, &all_keys, topology);
                let own = key.matcher.matches(&namespaces, &pod.meta, false);
                own_spreads.push((interned.spread(&mut spreads, key), own));
            }
            pods.push(SoftPod {
                near,
                away,
                spreads: own_spreads,
                selected_by: Arc::default(),
            });
        }
        // Keys that no hard rule has asked for.
        for topology in &mut self.topologies {
            for entry in self.nodes.iter().skip(topology.of_node.len()) {
                topology.add_node(entry.node.meta.label(&topology.key));
            }
        }
        for group in &mut spreads {
            for entry in &self.nodes {
                let tolerations = group.key.tolerations.as_ref();
                let cordoned = entry.cordoned && tolerations.is_some_and(|t| !tolerates_cordon(t));
                let eligible = !entry.gone && !cordoned && is_eligible(&group.key, &entry.node);
                group.push_node(eligible, &self.topologies);
            }
        }
        // Pods of equal namespace and labels are selected by the same terms.
        let mut known: BTreeMap<(&str, &Labels), Arc<SelectedBy>> = BTreeMap::new();
        let by_terms = ByLabel::new(keys.iter().map(|(matcher, ..)| matcher.selector()));
        let unclear: Vec<Cell<bool>> = keys.iter().map(|_| Cell::default()).collect();
        let by_spreads = ByLabel::new(spreads.iter().map(|g| g.key.matcher.selector()));
        for (soft, PodEntry { pod, .. }) in pods.iter_mut().zip(&self.pods) {
            let meta = &pod.meta;
            let key = (meta.namespace.as_str(), &meta.labels);
            let selected = known.entry(key).or_insert_with(|| {
                Arc::new(SelectedBy {
                    terms: by_terms.selecting(&meta.labels, |i| {
                        let (Some(key), Some(unclear)) = (keys.get(i), unclear.get(i)) else {
                            return false;
                        };
                        let known = |yes: bool| key.0.matches(&namespaces, meta, yes);
                        unclear.set(unclear.get() || known(true) != known(false));
                        selects(key, &namespaces, pod)
                    }),
                    spreads: by_spreads.selecting(&meta.labels, |i| {
                        let matcher = spreads.get(i).map(|g| &g.key.matcher);
                        matcher.is_some_and(|m| m.matches(&namespaces, meta, false))
                    }),
                })
            });
            soft.selected_by = Arc::clone(selected);
        }
        let terms = keys.iter().zip(unclear);
        let terms = terms.map(|((_, topology, _), unclear)| SoftTerm {
            topology: *topology,
            selected: Tally::default(),
            unclear: unclear.get(),
        });
        let mut soft = Soft {
            terms: terms.collect(),
            spreads,
            pods: Arc::new(pods),
        };
        for (index, entry) in self.pods.iter().enumerate() {
            if let Some(place) = entry.place {
                let domain = |t: usize| self.topologies.get(t).and_then(|t| t.domain(place));
                let (tally, spread) = (Tally::add, SpreadGroup::add_pod);
                soft.count(index, entry, place, domain, tally, spread);
            }
        }
        soft
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::{Knowledge, Provenance};
    use crate::model::{Cluster, LabelSelector, Node, NodeName, PodAffinityTerm};
    use crate::scheduling::{BrokenPreference, NodeId, PodId};

    fn complete<T>(items: Vec<T>) -> Knowledge<Vec<T>> {
        Knowledge::complete(items, Provenance::new("test", "all"))
    }

    /// Two zones with a pod each; everybody would rather stand near, apart and
    /// spread.
    fn two_zones() -> Cluster {
        let nodes = ["a", "b"].map(|name| {
            let mut node = Node::default();
            node.meta.name = name.to_owned();
            node.meta.labels.insert("zone".to_owned(), name.to_owned());
            node
        });
        let pods = ["a", "b"].map(|name| {
            let mut pod = Pod::default();
            pod.meta.name = name.to_owned();
            pod.meta.uid = name.into();
            pod.spec.node_name = Some(NodeName::new(name));
            let wish = PreferredPodTerm {
                weight: 1,
                term: PodAffinityTerm {
                    selector: Some(LabelSelector::default()),
                    topology_key: "zone".to_owned(),
                    ..Default::default()
                },
            };
            pod.spec.preferred_pod_affinity.push(wish.clone());
            pod.spec.preferred_pod_anti_affinity.push(wish);
            pod.spec.topology_spread.push(TopologySpread {
                max_skew: 1,
                topology_key: "zone".to_owned(),
                when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
                selector: Some(LabelSelector::default()),
                honour_node_taints: Some(true),
                ..Default::default()
            });
            pod
        });
        Cluster {
            nodes: complete(nodes.to_vec()),
            pods: complete(pods.to_vec()),
            namespaces: complete(Vec::new()),
            ..Default::default()
        }
    }

    fn all(world: &World<'_>) -> Vec<Vec<BrokenPreference>> {
        let pairs = world.pods().flat_map(|pod| {
            let nodes: Vec<NodeId> = world.nodes().collect();
            nodes.into_iter().map(move |node| (pod, node))
        });
        pairs.map(|(p, n)| world.broken_preferences(p, n)).collect()
    }

    #[test]
    fn a_node_that_is_brought_back_counts_as_before() {
        let cluster = two_zones();
        let mut world = World::new(&cluster, &[]).with_preferences();
        let before = all(&world);
        assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 6);
        let (pod, node) = (PodId(1), NodeId(1));
        world.cordon_node(node);
        assert!(world.remove_node(node));
        // Alone in the only zone.
        let told = world.broken_preferences(PodId(0), NodeId(0));
        assert_eq!(told.len(), 1, "{told:?}");
        world.bring_back(node, &[pod]);
        assert_eq!(all(&world), before);
        // As if it had been read only now.
        world.soft = None;
        assert_eq!(all(&world.with_preferences()), before);
    }

    #[test]
    fn equal_terms_are_counted_once_and_none_without_being_asked_to() {
        let cluster = two_zones();
        let world = World::new(&cluster, &[]);
        assert!(world.soft.is_none());
        assert!(world.topologies.is_empty());
        let world = world.with_preferences();
        let soft = world.soft.as_deref();
        // One for company and one to avoid, of two pods.
        assert_eq!(soft.map(|s| (s.terms.len(), s.spreads.len())), Some((2, 1)));
        assert_eq!(world.topologies.len(), 1);
    }
}
