//! What pods would rather have: soft preferences, and what breaking them costs.
//!
//! None of them refuses a node. A pod breaks one on a node where it would not
//! get what it asked for if it could; the prices say what that counts for.

use super::capacity::terms_match;
use super::check::spread_over;
use super::soft::{soft_spreads, wishes};
use super::world::{NodeId, PodEntry, PodId, World};
use crate::model::{
    MicroUsdPerHour, Node, NodeSelectorTerm, PodAffinityTerm, PreferredNodeTerm, PreferredPodTerm,
    Requirement, Taint, TaintEffect, TopologySpread,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What breaking soft preferences costs. All zero by default: they are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PreferencePrices {
    /// Per pod, for each point of weight (1 to 100) of a preferred node
    /// affinity, pod affinity or pod anti-affinity term that it breaks.
    pub per_weight: MicroUsdPerHour,
    /// Per pod, for each `PreferNoSchedule` taint that it does not tolerate.
    pub per_taint: MicroUsdPerHour,
    /// Per pod that stands where a `ScheduleAnyway` spread of it is beyond its
    /// max skew, for each such spread.
    pub per_spread: MicroUsdPerHour,
}

impl PreferencePrices {
    /// Whether no preference costs anything.
    pub fn are_zero(&self) -> bool {
        *self == Self::default()
    }

    /// What one broken preference costs.
    ///
    /// A weight below 0 counts as 0 and one above 100 as 100. The product is
    /// held at the ends of the range.
    pub fn of(&self, broken: &BrokenPreference) -> MicroUsdPerHour {
        match broken {
            BrokenPreference::NodeAffinity { weight, .. }
            | BrokenPreference::PodAffinity { weight, .. }
            | BrokenPreference::PodAntiAffinity { weight, .. } => self.of_weight(*weight),
            BrokenPreference::Taint { .. } => self.per_taint,
            BrokenPreference::TopologySpread { .. } => self.per_spread,
        }
    }

    fn of_weight(&self, weight: i32) -> MicroUsdPerHour {
        self.per_weight.times(i64::from(weight.clamp(0, 100)))
    }
}

/// A soft preference that a pod breaks on a node, with its facts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "preference", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BrokenPreference {
    /// A preferred term of the node affinity does not hold.
    NodeAffinity {
        /// 1 to 100.
        weight: i32,
        /// The term.
        term: NodeSelectorTerm,
    },
    /// A `PreferNoSchedule` taint that is not tolerated.
    Taint {
        /// The taint.
        taint: Taint,
    },
    /// No other pod of the term is in the node's domain, or the node lacks the
    /// label of the domain.
    PodAffinity {
        /// 1 to 100.
        weight: i32,
        /// The term.
        term: PodAffinityTerm,
    },
    /// Another pod of the term is in the node's domain.
    PodAntiAffinity {
        /// 1 to 100.
        weight: i32,
        /// The term.
        term: PodAffinityTerm,
    },
    /// A `ScheduleAnyway` spread would be beyond its max skew in the node's
    /// domain.
    TopologySpread {
        /// Key of the domain.
        topology_key: String,
        /// Largest difference that is asked for.
        max_skew: u32,
        /// Pods in the domain, with this one, beyond those in the emptiest;
        /// `None` where the node lacks the label.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skew: Option<u32>,
    },
}

impl BrokenPreference {
    /// The kind of preference, as in JSON.
    pub const fn preference(&self) -> &'static str {
        match self {
            Self::NodeAffinity { .. } => "node_affinity",
            Self::Taint { .. } => "taint",
            Self::PodAffinity { .. } => "pod_affinity",
            Self::PodAntiAffinity { .. } => "pod_anti_affinity",
            Self::TopologySpread { .. } => "topology_spread",
        }
    }
}

impl fmt::Display for BrokenPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeAffinity { weight, term } => {
                let all = term.match_expressions.iter().chain(&term.match_fields);
                let all: Vec<String> = all.map(Requirement::to_string).collect();
                write!(
                    f,
                    "a preferred term of the node affinity does not hold (weight {weight}): {}",
                    all.join(" and ")
                )
            }
            Self::Taint { taint } => write!(
                f,
                "the taint {}={}, which asks pods to stay away, is not tolerated",
                taint.key, taint.value
            ),
            Self::PodAffinity { weight, term } => write!(
                f,
                "no pod that it would rather be near shares its {} (weight {weight})",
                term.topology_key
            ),
            Self::PodAntiAffinity { weight, term } => write!(
                f,
                "a pod that it would rather avoid shares its {} (weight {weight})",
                term.topology_key
            ),
            Self::TopologySpread {
                topology_key,
                max_skew,
                skew: Some(skew),
            } => write!(
                f,
                "its {topology_key} would be {skew} ahead of the emptiest domain: rather no more than {max_skew}"
            ),
            Self::TopologySpread {
                topology_key,
                skew: None,
                ..
            } => write!(
                f,
                "the node lacks the label {topology_key}, by which it would rather be spread"
            ),
        }
    }
}

/// A [`BrokenPreference`] where it is written.
#[derive(Debug, Clone, Copy)]
enum Broken<'w> {
    Node(&'w PreferredNodeTerm),
    Taint(&'w Taint),
    Near(&'w PreferredPodTerm),
    Away(&'w PreferredPodTerm),
    Spread(&'w TopologySpread, Option<u32>),
}

impl Broken<'_> {
    fn price(self, prices: &PreferencePrices) -> MicroUsdPerHour {
        match self {
            Self::Node(wish) => prices.of_weight(wish.weight),
            Self::Near(wish) | Self::Away(wish) => prices.of_weight(wish.weight),
            Self::Taint(_) => prices.per_taint,
            Self::Spread(..) => prices.per_spread,
        }
    }

    fn told(self) -> BrokenPreference {
        match self {
            Self::Node(wish) => BrokenPreference::NodeAffinity {
                weight: wish.weight,
                term: wish.term.clone(),
            },
            Self::Taint(taint) => BrokenPreference::Taint {
                taint: taint.clone(),
            },
            Self::Near(wish) => BrokenPreference::PodAffinity {
                weight: wish.weight,
                term: wish.term.clone(),
            },
            Self::Away(wish) => BrokenPreference::PodAntiAffinity {
                weight: wish.weight,
                term: wish.term.clone(),
            },
            Self::Spread(spread, skew) => BrokenPreference::TopologySpread {
                topology_key: spread.topology_key.clone(),
                max_skew: spread.max_skew,
                skew,
            },
        }
    }
}

impl World<'_> {
    /// Indexes what the pods prefer about other pods, and their
    /// `ScheduleAnyway` spreads: from here on the counts follow every move.
    ///
    /// Answers about hard rules stay the same. Costs `O(pods × terms + nodes ×
    /// terms)` once; from then on a move costs the preferences that select the
    /// pod, beside what it costs anyway.
    #[must_use]
    pub fn with_preferences(mut self) -> Self {
        if self.soft.is_none() {
            self.soft = Some(Box::new(self.read_preferences()));
        }
        self
    }

    /// The soft preferences that the pod would break if it stood on the node,
    /// sorted, with every other pod where it is.
    ///
    /// The pod itself is no company and no neighbour to avoid, wherever it
    /// stands; a spread counts it once, on that node. Terms of weight 0 or less
    /// and node terms that ask for nothing cannot be broken. A pod that only
    /// might be meant, because the labels of its namespace are not known,
    /// breaks nothing: it is company to those who want to be near it, and no
    /// neighbour to those who avoid it. A node that was taken away is judged by
    /// its labels still. Of an id that the world does not know, none.
    ///
    /// Only node affinity and taints are told without
    /// [`World::with_preferences`].
    pub fn broken_preferences(&self, pod: PodId, node: NodeId) -> Vec<BrokenPreference> {
        let mut broken = Vec::new();
        self.walk_preferences(pod, node, &mut |b| broken.push(b.told()));
        broken.sort();
        broken
    }

    /// As [`World::broken_preferences`], of those about the node itself: its
    /// labels, its name and its taints.
    pub fn node_preferences(&self, pod: PodId, node: NodeId) -> Vec<BrokenPreference> {
        let mut broken = Vec::new();
        if let (Some(p), Some(n)) = (self.pods.get(pod.0), self.nodes.get(node.0)) {
            about_node(p, &n.node, &mut |b| broken.push(b.told()));
        }
        broken.sort();
        broken
    }

    /// What [`World::broken_preferences`] of a pod on a node cost together.
    pub fn preference_cost(
        &self,
        prices: &PreferencePrices,
        pod: PodId,
        node: NodeId,
    ) -> MicroUsdPerHour {
        let mut cost = MicroUsdPerHour::ZERO;
        if !prices.are_zero() {
            self.walk_preferences(pod, node, &mut |b| cost += b.price(prices));
        }
        cost
    }

    /// What the preferences cost that pods break where they stand.
    ///
    /// Pods that belong to their node (of a DaemonSet, or static) have no
    /// choice, and those that are being deleted are going: neither is counted.
    pub fn preferences_cost(&self, prices: &PreferencePrices) -> MicroUsdPerHour {
        if prices.are_zero() {
            return MicroUsdPerHour::ZERO;
        }
        let pods = self.pods.iter().enumerate();
        let choosing = pods.filter(|(_, p)| {
            let controller = p.pod.meta.controller();
            !p.pod.is_terminating()
                && !p.pod.is_mirror()
                && controller.is_none_or(|c| c.kind != "DaemonSet")
        });
        choosing
            .filter_map(|(index, p)| {
                Some(self.preference_cost(prices, PodId(index), NodeId(p.place?)))
            })
            .sum()
    }

    /// Pods with a preferred term of which it is not known whether it means some
    /// pod, because the labels of that one's namespace are not known: what they break
    /// by it is not counted, as [`World::broken_preferences`] says.
    ///
    /// None without [`World::with_preferences`].
    pub fn pods_with_unclear_preferences(&self) -> usize {
        let Some(soft) = &self.soft else { return 0 };
        let unclear = |(term, _): &(usize, bool)| soft.terms.get(*term).is_some_and(|t| t.unclear);
        let pods = soft.pods.iter();
        pods.filter(|p| p.near.iter().chain(&p.away).any(unclear))
            .count()
    }

    fn walk_preferences(&self, pod: PodId, node: NodeId, hear: &mut dyn FnMut(Broken<'_>)) {
        let (Some(p), Some(n)) = (self.pods.get(pod.0), self.nodes.get(node.0)) else {
            return;
        };
        about_node(p, &n.node, hear);
        let Some(soft) = &self.soft else { return };
        let Some(own) = soft.pods.get(pod.0) else {
            return;
        };
        let spec = &p.pod.spec;
        // Pods of a term beside this one; `None` where the node has no domain.
        let others = |(term, selects_itself): &(usize, bool)| {
            let term = soft.terms.get(*term)?;
            let domain = self.topologies.get(term.topology)?.domain(node.0)?;
            let mine = *selects_itself && self.stands_in(p, term.topology, domain);
            Some(term.selected.get(domain).saturating_sub(u32::from(mine)))
        };
        for (wish, term) in wishes(&spec.preferred_pod_affinity).zip(&own.near) {
            if others(term).is_none_or(|pods| pods == 0) {
                hear(Broken::Near(wish));
            }
        }
        for (wish, term) in wishes(&spec.preferred_pod_anti_affinity).zip(&own.away) {
            if others(term).is_some_and(|pods| pods > 0) {
                hear(Broken::Away(wish));
            }
        }
        for (spread, (group, selects_itself)) in soft_spreads(p.pod).zip(&own.spreads) {
            let Some(group) = soft.spreads.get(*group) else {
                continue;
            };
            let Some(topology) = self.topologies.get(group.key.topology) else {
                continue;
            };
            let skew = topology.domain(node.0).map(|domain| {
                let (count, least) = spread_over(p, group, topology, domain, *selects_itself);
                count.saturating_sub(least)
            });
            if skew.is_none_or(|skew| skew > spread.max_skew) {
                hear(Broken::Spread(spread, skew));
            }
        }
    }
}

fn about_node(p: &PodEntry<'_>, node: &Node, hear: &mut dyn FnMut(Broken<'_>)) {
    let spec = &p.pod.spec;
    for wish in &spec.preferred_node_affinity {
        // As in the kube-scheduler: neither raises or lowers a node's score.
        let nothing = wish.term.match_expressions.is_empty() && wish.term.match_fields.is_empty();
        if wish.weight > 0 && !nothing && !terms_match(std::slice::from_ref(&wish.term), node) {
            hear(Broken::Node(wish));
        }
    }
    for taint in &node.taints {
        if taint.effect == TaintEffect::PreferNoSchedule
            && !spec.tolerations.iter().any(|t| taint.tolerated_by(t))
        {
            hear(Broken::Taint(taint));
        }
    }
}
