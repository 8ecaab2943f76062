//! What the rules of a world make of its pods, as numbers: what a numeric
//! packing needs to know of them.

use super::refusal::Refusal;
use super::world::{NodeId, PodId, World};
use crate::model::{HOSTNAME_LABEL, NodeSelectorTerm, Resources, Toleration, ZONE_LABEL};
use std::collections::{BTreeMap, BTreeSet};

/// Where a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Domain {
    Node,
    Zone,
    /// Another topology key, or several of one rule.
    Other,
}

/// What tells pods apart that ask for the same. Lists hold numbers of the
/// world's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) request: Resources,
    /// Volumes by driver.
    pub(crate) attached: BTreeMap<String, u32>,
    /// Port, protocol, address.
    pub(crate) ports: Vec<(u16, String, String)>,
    /// Affinity that it carries, and whether it matches its own.
    pub(crate) affinity: Option<(usize, bool)>,
    /// Anti-affinities that it carries, and whether they select itself.
    pub(crate) antis: Vec<(usize, bool)>,
    /// Spreads that it carries: rule, skew, least number of domains.
    pub(crate) spreads: Vec<(usize, u32, u32)>,
    pub(crate) in_affinities: Vec<usize>,
    pub(crate) in_antis: Vec<usize>,
    pub(crate) in_spreads: Vec<usize>,
    /// Operator's limits that it brings, and that count it.
    pub(crate) brings: Vec<usize>,
    pub(crate) counted: Vec<usize>,
    /// Shares of devices are not numbers here.
    pub(crate) devices: bool,
    /// It shares a claim for one node with others.
    pub(crate) shares_claim: bool,
}

/// What decides alone, whatever runs where, which nodes a pod may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing<'w> {
    selector: &'w BTreeMap<String, String>,
    affinity: &'w Option<Vec<NodeSelectorTerm>>,
    tolerations: &'w [Toleration],
    volumes: Vec<&'w [NodeSelectorTerm]>,
    never: bool,
}

impl World<'_> {
    /// Volumes (driver and handle) that more than one pod uses.
    pub(crate) fn shared_volumes(&self) -> BTreeSet<(String, String)> {
        let mut seen = BTreeSet::new();
        let volumes = self.pods.iter().flat_map(|p| &p.needs.attached);
        volumes
            .filter(|volume| !seen.insert((*volume).clone()))
            .cloned()
            .collect()
    }

    /// `shared` volumes are not counted as attached.
    pub(crate) fn traits(&self, pod: PodId, shared: &BTreeSet<(String, String)>) -> Option<Traits> {
        let p = self.pods.get(pod.0)?;
        let mut attached: BTreeMap<String, u32> = BTreeMap::new();
        for (driver, _) in p.needs.attached.iter().filter(|v| !shared.contains(*v)) {
            *attached.entry(driver.clone()).or_default() += 1;
        }
        let namespace = &p.pod.meta.namespace;
        let shares_claim = p.needs.exclusive.iter().any(|(claim, _)| {
            let users = self.users.get(&(namespace.clone(), claim.clone()));
            users.is_some_and(|u| u.len() > 1)
        });
        Some(Traits {
            request: p.request.clone(),
            attached,
            ports: p.ports.clone(),
            affinity: p.affinity,
            antis: p.antis.clone(),
            spreads: p
                .spreads
                .iter()
                .map(|s| (s.group, s.max_skew, s.min_domains))
                .collect(),
            in_affinities: p.selected_by.affinities.clone(),
            in_antis: p.selected_by.antis.clone(),
            in_spreads: p.selected_by.spreads.clone(),
            brings: p.in_with.clone(),
            counted: p.in_of.clone(),
            devices: p.pod.spec.devices.is_some(),
            shares_claim,
        })
    }

    /// What two pods must share to be accepted by the same nodes.
    pub(crate) fn standing(&self, pod: PodId) -> Option<Standing<'_>> {
        let p = self.pods.get(pod.0)?;
        let needs = &p.needs;
        let reach = needs.reach.iter().map(|(_, _, terms)| terms.as_slice());
        let topologies = needs
            .topologies
            .iter()
            .map(|(_, _, terms)| terms.as_slice());
        Some(Standing {
            selector: &p.pod.spec.node_selector,
            affinity: &p.pod.spec.required_node_affinity,
            tolerations: &p.pod.spec.tolerations,
            volumes: reach.chain(topologies).collect(),
            never: !needs.problems.is_empty(),
        })
    }

    /// Whether the node takes the pod as far as labels, taints and volumes go,
    /// whatever else runs there.
    pub(crate) fn could_stand(&self, pod: PodId, node: NodeId) -> bool {
        match self.check(pod, node) {
            Ok(()) => true,
            Err(refusals) => refusals.0.iter().all(|r| {
                matches!(
                    r,
                    Refusal::Resource { .. }
                        | Refusal::Devices { .. }
                        | Refusal::HostPort { .. }
                        | Refusal::PodAffinity { .. }
                        | Refusal::PodAntiAffinity { .. }
                        | Refusal::AvoidedByOthers { .. }
                        | Refusal::TopologySpread { .. }
                        | Refusal::ClaimInUse { .. }
                        | Refusal::AttachLimit { .. }
                        | Refusal::CountLimit { .. }
                )
            }),
        }
    }

    fn domain_of(&self, topology: usize) -> Domain {
        match self.topologies.get(topology).map(|t| t.key.as_str()) {
            Some(HOSTNAME_LABEL) => Domain::Node,
            Some(ZONE_LABEL) => Domain::Zone,
            _ => Domain::Other,
        }
    }

    pub(crate) fn anti_domain(&self, anti: usize) -> Domain {
        let anti = self.antis.get(anti);
        anti.map_or(Domain::Other, |a| self.domain_of(a.topology))
    }

    pub(crate) fn spread_domain(&self, spread: usize) -> Domain {
        let spread = self.spreads.get(spread);
        spread.map_or(Domain::Other, |s| self.domain_of(s.key.topology))
    }

    /// Zones (or nodes) that count for a spread, by the label's value.
    pub(crate) fn spread_domains(&self, spread: usize) -> Vec<String> {
        let Some(group) = self.spreads.get(spread) else {
            return Vec::new();
        };
        let Some(topology) = self.topologies.get(group.key.topology) else {
            return Vec::new();
        };
        (0..topology.names.len())
            .filter(|d| group.nodes.get(*d) > 0)
            .map(|d| topology.name(d))
            .collect()
    }

    pub(crate) fn affinity_domain(&self, affinity: usize) -> Domain {
        let Some(group) = self.affinities.get(affinity) else {
            return Domain::Other;
        };
        match group.topologies.as_slice() {
            [one] => self.domain_of(*one),
            _ => Domain::Other,
        }
    }

    /// Most of what an operator's limit counts on a node.
    pub(crate) fn limit_max(&self, limit: usize) -> u32 {
        self.limits.get(limit).map_or(u32::MAX, |l| l.max)
    }

    /// Volumes of a driver that can still be attached to a node; `None`
    /// without a limit. `shared` ones take no place.
    pub(crate) fn attachable(
        &self,
        node: NodeId,
        driver: &str,
        shared: &BTreeSet<(String, String)>,
    ) -> Option<u32> {
        let entry = self.nodes.get(node.0)?;
        // A limit that nobody knows lets none come.
        let limit = entry.attach_limits.get(driver)?.unwrap_or(0);
        let handles = entry
            .attached
            .get(driver)
            .into_iter()
            .flat_map(BTreeMap::keys);
        let own = |handle: &&String| !shared.contains(&(driver.to_owned(), (*handle).clone()));
        let used = handles.filter(own).count();
        Some(limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX)))
    }
}
