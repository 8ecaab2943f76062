//! Changes that a what-if makes to a cluster in thought.

use super::binding::Appetite;
use super::commitments::Prices;
use super::fleet::Launchable;
use super::headroom::Headroom;
use super::limits::{LaunchLimit, Limits};
use super::minima::{Minima, Stated};
use super::owner::owner_of;
use super::repacking::{launchable_copies, launchable_type, minima_of};
use super::rows::Rows;
use super::shop::Shop;
use super::{Config, not_found};
use crate::decision::MissingEvidence;
use crate::engines::{EngineError, Inputs};
use crate::guard::PROTECT_KEY;
use crate::model::{
    Cluster, NamespacedName, Node, NodeName, ObjectMeta, OwnerIndex, Pod, PodVolumeSource, Uid,
    WhenUnsatisfiable, WorkloadRef, ZoneId, ZoneName,
};
use crate::overlay::Overlay;
use crate::scheduling::movability::{
    DO_NOT_DISRUPT, Movers, PREFER_NO_EVICTION, REMOVAL_DISABLED, SAFE_TO_EVICT,
    SCALE_DOWN_DISABLED,
};
use crate::scheduling::{Movability, Pin, PreferencePrices};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One change of a what-if.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Change {
    /// A disruption budget does not count.
    DropBudget {
        /// Budget.
        budget: NamespacedName,
    },
    /// The hard spreads of a workload's pods do not count.
    DropSpread {
        /// Workload, at the top of the pods' chain of owners.
        workload: WorkloadRef,
    },
    /// The required anti-affinity of a workload's pods does not count; what
    /// others have against them does.
    DropAntiAffinity {
        /// Workload.
        workload: WorkloadRef,
    },
    /// The required pod affinity of a workload's pods does not count.
    DropPodAffinity {
        /// Workload.
        workload: WorkloadRef,
    },
    /// Node selector and required node affinity of a workload's pods do not
    /// count.
    DropNodeRules {
        /// Workload.
        workload: WorkloadRef,
    },
    /// Marks against disruption on a workload's pods do not count.
    IgnoreMarks {
        /// Workload.
        workload: WorkloadRef,
    },
    /// Marks against disruption on a node do not count.
    IgnoreNodeMarks {
        /// Node.
        node: NodeName,
    },
    /// A workload's pods move without the local data that keeps them: their
    /// paths and disks of the node are not theirs any more.
    LoseLocalData {
        /// Workload.
        workload: WorkloadRef,
    },
    /// Pods without a controller move.
    MoveBarePods,
    /// Nothing is launched in a zone, nothing moves there, and its nodes go.
    ForbidZone {
        /// Zone.
        zone: ZoneName,
    },
    /// No node of this type is launched.
    ForbidType {
        /// Instance type.
        instance_type: String,
    },
    /// No node of this family is launched.
    ForbidFamily {
        /// What stands before the point: `m6i` of `m6i.2xlarge`.
        family: String,
    },
    /// Nodes of this type may be launched, on demand, in the cluster's zones.
    AllowType {
        /// Instance type.
        instance_type: String,
    },
    /// Nodes of any type of this family that has a price may be launched.
    AllowFamily {
        /// What stands before the point.
        family: String,
    },
    /// A limit of launches does not count: what is not known of it neither.
    LiftLimit {
        /// Limit.
        limit: LaunchLimit,
    },
    /// A group may lose all of its nodes: what is not known of its minimum does not
    /// count neither.
    LiftMinimum {
        /// `node group web`, or `auto scaling group web`.
        group: String,
    },
    /// A group's minimum is another one, and that of the auto scaling group behind a
    /// managed one. Of a group whose size is not known so many nodes are wanted as
    /// are there.
    SetMinimum {
        /// `node group web`, or `auto scaling group web`.
        group: String,
        /// Fewest nodes.
        min_size: u32,
    },
    /// Nodes of any size may be launched.
    LiftNodeSize,
    /// A plan with launches may leave any number of nodes.
    LiftMinNodes,
    /// Any part of a workload may come to one node.
    LiftNodeShare,
    /// Any part of a workload may come to one zone.
    LiftZoneShare,
    /// Where pods would rather stand counts for nothing.
    IgnorePreferences,
    /// No room need stay for pods that are not there yet.
    LiftHeadroom {
        /// Of which the room is.
        headroom: Headroom,
    },
    /// An overlay: other requests, replicas, nodes, prices or rules.
    Overlay {
        /// Overlay.
        overlay: Box<Overlay>,
    },
}

/// What a change can do to the cheapest repacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Whatever was possible still is.
    Loosens,
    /// What is possible was so before.
    Tightens,
    Either,
}

impl Change {
    const fn direction(&self) -> Direction {
        match self {
            Self::ForbidZone { .. } | Self::ForbidType { .. } | Self::ForbidFamily { .. } => {
                Direction::Tightens
            }
            Self::Overlay { .. } | Self::SetMinimum { .. } => Direction::Either,
            _ => Direction::Loosens,
        }
    }

    /// All of them together.
    pub(super) fn direction_of(changes: &[Self]) -> Direction {
        let mut all = changes.iter().map(Self::direction);
        let Some(first) = all.next() else {
            return Direction::Loosens;
        };
        if all.all(|d| d == first) {
            first
        } else {
            Direction::Either
        }
    }

    /// What it takes away or adds, as a noun.
    pub(super) fn noun(&self) -> String {
        match self {
            Self::DropBudget { budget } => format!("the disruption budget {budget}"),
            Self::DropSpread { workload } => format!("the hard spread of {workload}"),
            Self::DropAntiAffinity { workload } => format!("the anti-affinity of {workload}"),
            Self::DropPodAffinity { workload } => format!("the pod affinity of {workload}"),
            Self::DropNodeRules { workload } => {
                format!("the node selector or affinity of {workload}")
            }
            Self::IgnoreMarks { workload } => {
                format!("the do-not-disrupt mark of {workload}")
            }
            Self::IgnoreNodeMarks { node } => format!("the do-not-disrupt mark of node {node}"),
            Self::LoseLocalData { workload } => format!("the local data of {workload}"),
            Self::MoveBarePods => "keeping pods without a controller".to_owned(),
            Self::ForbidZone { zone } => format!("zone {zone}"),
            Self::ForbidType { instance_type } | Self::AllowType { instance_type } => {
                format!("new nodes of type {instance_type}")
            }
            Self::ForbidFamily { family } | Self::AllowFamily { family } => {
                format!("new nodes of family {family}")
            }
            Self::LiftLimit { limit } => limit.to_string(),
            Self::LiftMinimum { group } => format!("the minimum of {group}"),
            Self::SetMinimum { group, min_size } => {
                format!("a minimum of {min_size} of {group}")
            }
            Self::LiftNodeSize => "the most vCPUs of a launched node".to_owned(),
            Self::LiftMinNodes => "the fewest nodes after launches".to_owned(),
            Self::LiftNodeShare => "the most of a workload on one node".to_owned(),
            Self::LiftZoneShare => "the most of a workload in one zone".to_owned(),
            Self::IgnorePreferences => "what pods prefer".to_owned(),
            Self::LiftHeadroom { headroom } => headroom.to_string(),
            Self::Overlay { .. } => "an overlay".to_owned(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::AllowType { .. }
            | Self::AllowFamily { .. }
            | Self::SetMinimum { .. }
            | Self::Overlay { .. } => "with",
            _ => "without",
        };
        write!(f, "{word} {}", self.noun())
    }
}

/// A cluster with changes made, ready to be repacked.
pub(super) struct Question {
    pub(super) config: Config,
    pub(super) overlay: Overlay,
    pub(super) cluster: Cluster,
    pub(super) launchables: Vec<Launchable>,
    /// Limits that these share.
    pub(super) rows: Rows,
    /// Minima of groups.
    pub(super) minima: Minima,
    /// Zones that are to be left.
    pub(super) leave: BTreeSet<String>,
    pub(super) missing: Vec<MissingEvidence>,
    /// Limits that may hold launches back, the shortest first.
    pub(super) binding: Vec<LaunchLimit>,
}

impl Question {
    /// `laid` is the cluster as `inputs` have it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when a change names what is not there.
    pub(super) fn new(
        config: &Config,
        inputs: &Inputs<'_>,
        laid: &Cluster,
        changes: &[Change],
    ) -> Result<Self, EngineError> {
        let mut overlay = inputs.overlay.clone();
        for change in changes {
            if let Change::Overlay { overlay: more } = change {
                overlay = overlay.then((**more).clone());
            }
        }
        let cluster = if overlay == *inputs.overlay {
            laid.clone()
        } else {
            let all = overlay.apply(inputs.snapshot).clusters;
            let found = all.into_iter().find(|c| c.uid == laid.uid);
            found.unwrap_or_else(|| laid.clone()) // no overlay removes a cluster
        };
        let mut question = Self {
            config: config.clone(),
            overlay,
            cluster,
            launchables: Vec::new(),
            rows: Rows::default(),
            minima: Minima::default(),
            leave: BTreeSet::new(),
            missing: Vec::new(),
            binding: Vec::new(),
        };
        let stated = stated(changes);
        let minima = minima_of(&question.inputs(inputs), &question.cluster, &stated);
        question.minima = minima;
        for change in changes {
            question.loosen(inputs, change)?;
        }
        if question.config.launch_through.is_empty() {
            let copies = launchable_copies(&question.inputs(inputs), &question.cluster);
            question.launchables = copies;
        } else {
            question.offers(inputs, changes);
        }
        for change in changes {
            question.allow(inputs, change)?;
        }
        // What is forbidden is so whatever else is allowed.
        for change in changes {
            question.forbid(change)?;
        }
        Ok(question)
    }

    /// Real offers of owners that can be asked, as many as their limits leave
    /// room for when all nodes may go.
    fn offers(&mut self, inputs: &Inputs<'_>, changes: &[Change]) {
        let inputs = self.inputs(inputs);
        let cloud = inputs.snapshot.cloud_of(&self.cluster);
        let nodes = self.cluster.nodes.items();
        let owners: Vec<_> = nodes
            .iter()
            .map(|n| owner_of(n, &self.cluster, cloud))
            .collect();
        let going = nodes.iter().zip(owners.iter().map(Option::as_ref));
        let limits = Limits::new(&self.config, &inputs, &self.cluster, cloud);
        let lifts = changes.iter().filter_map(|change| match change {
            Change::LiftLimit { limit } => Some(limit),
            _ => None,
        });
        let at_the_end = limits.clone().at_the_end(going.clone());
        let at_the_end = lifts.clone().fold(at_the_end, Limits::lifted);
        let shop = Shop::new(&self.config, &inputs, &self.cluster, cloud, &at_the_end);
        let limits = lifts.fold(limits, Limits::lifted);
        let minima = self.minima.clone().selling(&shop);
        let rows = shop.rows(&limits, going);
        let prices = Prices::new(&inputs, &self.cluster);
        let appetite = Appetite::new(&self.config, &self.cluster, &prices, &shop.asks);
        let binding = appetite.binding(&shop.asks, &limits);
        let launchables = shop.launchables();
        self.launchables = launchables;
        self.rows = rows;
        self.minima = minima;
        self.binding = binding;
    }

    /// Its inputs: those of the cluster as it is, with the changed overlay.
    pub(super) fn inputs<'q>(&'q self, inputs: &Inputs<'q>) -> Inputs<'q> {
        Inputs {
            overlay: &self.overlay,
            ..*inputs
        }
    }

    fn loosen(&mut self, inputs: &Inputs<'_>, change: &Change) -> Result<(), EngineError> {
        let there = match change {
            Change::DropBudget { budget } => {
                let mut found = false;
                if let Some(budgets) = self.cluster.disruption_budgets.value_mut() {
                    budgets.retain(|b| {
                        let own = named(&b.meta) == *budget;
                        found |= own;
                        !own
                    });
                }
                found
            }
            Change::DropSpread { workload } => self.each_pod(workload, |pod| {
                let hard = WhenUnsatisfiable::DoNotSchedule;
                pod.spec
                    .topology_spread
                    .retain(|s| s.when_unsatisfiable != hard);
            }),
            Change::DropAntiAffinity { workload } => {
                self.each_pod(workload, |pod| pod.spec.required_pod_anti_affinity.clear())
            }
            Change::DropPodAffinity { workload } => {
                self.each_pod(workload, |pod| pod.spec.required_pod_affinity.clear())
            }
            Change::DropNodeRules { workload } => self.each_pod(workload, |pod| {
                pod.spec.node_selector.clear();
                pod.spec.required_node_affinity = None;
            }),
            Change::IgnoreMarks { workload } => {
                self.each_pod(workload, |pod| unmark(&mut pod.meta))
            }
            Change::IgnoreNodeMarks { node } => {
                let nodes = self.cluster.nodes.value_mut();
                let mut nodes = nodes.into_iter().flatten();
                let found = nodes.find(|n| n.meta.name == node.as_str());
                let there = found.is_some();
                if let Some(node) = found {
                    unmark(&mut node.meta);
                    node.meta.annotations.remove(SCALE_DOWN_DISABLED);
                    node.meta.labels.remove(SCALE_DOWN_DISABLED);
                }
                there
            }
            Change::LoseLocalData { workload } => self.lose_local_data(inputs, workload),
            Change::MoveBarePods => {
                self.config.moves.move_bare_pods = true;
                true
            }
            Change::LiftMinimum { group } | Change::SetMinimum { group, .. } => {
                self.minima.has(group)
            }
            Change::LiftNodeSize => {
                self.config.max_node_vcpus = u32::MAX;
                true
            }
            Change::LiftMinNodes => {
                self.config.min_nodes = 0;
                true
            }
            Change::LiftNodeShare => {
                self.config.max_workload_share_percent = 100;
                true
            }
            Change::LiftZoneShare => {
                self.config.max_workload_zone_share_percent = 100;
                true
            }
            Change::IgnorePreferences => {
                self.config.preferences = PreferencePrices::default();
                true
            }
            Change::LiftHeadroom { headroom } => {
                let before = self.config.headroom.len();
                self.config.headroom.retain(|h| h != headroom);
                self.config.headroom.len() < before
            }
            _ => true,
        };
        if there {
            return Ok(());
        }
        let what = match change {
            Change::DropSpread { workload }
            | Change::DropAntiAffinity { workload }
            | Change::DropPodAffinity { workload }
            | Change::DropNodeRules { workload }
            | Change::IgnoreMarks { workload }
            | Change::LoseLocalData { workload } => format!("a pod of {workload}"),
            Change::IgnoreNodeMarks { node } => format!("node {node}"),
            Change::SetMinimum { group, .. } | Change::LiftMinimum { group } => {
                format!("a node of {group}")
            }
            other => other.noun(),
        };
        let uid = &self.cluster.uid;
        Err(not_found(format!("{what} in cluster {uid}")))
    }

    /// Whether there is such a pod.
    fn each_pod(&mut self, workload: &WorkloadRef, edit: impl Fn(&mut Pod)) -> bool {
        let owners = OwnerIndex::new(&self.cluster);
        let mut found = false;
        let pods = self.cluster.pods.value_mut().into_iter().flatten();
        for pod in pods.filter(|pod| owners.top(pod) == *workload) {
            edit(pod);
            found = true;
        }
        found
    }

    fn lose_local_data(&mut self, inputs: &Inputs<'_>, workload: &WorkloadRef) -> bool {
        let mut local: BTreeMap<Uid, Vec<Pin>> = BTreeMap::new();
        let movers = Movers::new(&self.cluster, inputs.now(), self.config.moves.clone());
        for pod in self.cluster.pods.items() {
            if let Movability::NeverMoves { why } = movers.judge(pod) {
                local.insert(pod.meta.uid.clone(), why);
            }
        }
        self.each_pod(workload, |pod| {
            let pins = local.get(&pod.meta.uid).map_or(&[][..], Vec::as_slice);
            pod.spec.volumes.retain(|volume| {
                !pins.iter().any(|pin| match (pin, &volume.source) {
                    (Pin::EmptyDir { volume: name }, PodVolumeSource::EmptyDir { .. })
                    | (Pin::HostPath { volume: name }, PodVolumeSource::HostPath) => {
                        volume.name == *name
                    }
                    (Pin::LocalVolume { claim }, PodVolumeSource::Claim { name }) => claim == name,
                    _ => false,
                })
            });
        })
    }

    fn allow(&mut self, inputs: &Inputs<'_>, change: &Change) -> Result<(), EngineError> {
        let (what, types): (String, Vec<&str>) = match change {
            Change::AllowType { instance_type } => {
                let known = inputs.catalog.instance_type(instance_type);
                let names = known.into_iter().map(|info| info.name.as_str());
                (format!("type {instance_type}"), names.collect())
            }
            Change::AllowFamily { family } => {
                let all = inputs.catalog.instance_types();
                let own = all.filter(|info| info.family() == family);
                let names = own.map(|info| info.name.as_str());
                (format!("family {family}"), names.collect())
            }
            _ => return Ok(()),
        };
        if types.is_empty() {
            return Err(not_found(format!("{what} in the catalogue")));
        }
        let zones = self.zones(inputs);
        let mut new = {
            let inputs = self.inputs(inputs);
            let types = types.iter();
            let new = types.filter_map(|t| launchable_type(&inputs, &self.cluster, t, &zones));
            new.filter(|l| !l.zones.is_empty()).collect::<Vec<_>>()
        };
        if new.is_empty() {
            self.missing.push(MissingEvidence::Price {
                of: format!("{what}, on demand"),
            });
        }
        new.sort_by(|a, b| a.id.cmp(&b.id));
        new.retain(|l| !self.launchables.iter().any(|have| have.id == l.id));
        self.launchables.extend(new);
        Ok(())
    }

    /// Zones with nodes. One whose id nobody states has its name for one, which
    /// no price is listed by: prices of the region hold there.
    fn zones(&self, inputs: &Inputs<'_>) -> Vec<(ZoneName, ZoneId)> {
        let cloud = inputs.snapshot.cloud_of(&self.cluster);
        let names: BTreeSet<ZoneName> = self
            .cluster
            .nodes
            .items()
            .iter()
            .filter_map(Node::zone_name)
            .collect();
        let id = |name: &ZoneName| cloud.and_then(|c| c.zone_id(name).cloned());
        names
            .into_iter()
            .map(|name| {
                let id = id(&name).unwrap_or_else(|| ZoneId::from(name.as_str()));
                (name, id)
            })
            .collect()
    }

    fn forbid(&mut self, change: &Change) -> Result<(), EngineError> {
        let forbidden = |instance_type: &str| match change {
            Change::ForbidType { instance_type: no } => instance_type == no,
            Change::ForbidFamily { family } => instance_type.split('.').next() == Some(family),
            _ => false,
        };
        if let Change::ForbidZone { zone } = change {
            let mut zones = self
                .cluster
                .nodes
                .items()
                .iter()
                .filter_map(Node::zone_name);
            if !zones.any(|z| z == *zone) {
                let uid = &self.cluster.uid;
                return Err(not_found(format!("zone {zone} in cluster {uid}")));
            }
            self.leave.insert(zone.to_string());
        }
        for launchable in &mut self.launchables {
            launchable.zones.retain(|zone, (node, _)| {
                !self.leave.contains(zone) && !node.instance_type().is_some_and(forbidden)
            });
        }
        self.launchables.retain(|l| !l.zones.is_empty());
        Ok(())
    }
}

/// What changes say of minima; the last word counts.
fn stated(changes: &[Change]) -> Stated {
    let stated = changes.iter().filter_map(|change| match change {
        Change::LiftMinimum { group } => Some((group.clone(), None)),
        Change::SetMinimum { group, min_size } => Some((group.clone(), Some(*min_size))),
        _ => None,
    });
    stated.collect()
}

fn named(meta: &ObjectMeta) -> NamespacedName {
    NamespacedName::new(meta.namespace.clone(), meta.name.clone())
}

/// Takes every word that asks to be left alone off, and leaves those that
/// allow something.
fn unmark(meta: &mut ObjectMeta) {
    for key in [
        DO_NOT_DISRUPT,
        REMOVAL_DISABLED,
        PROTECT_KEY,
        PREFER_NO_EVICTION,
    ] {
        meta.annotations.remove(key);
        meta.labels.remove(key);
    }
    for words in [&mut meta.annotations, &mut meta.labels] {
        if words.get(SAFE_TO_EVICT).is_some_and(|v| v == "false") {
            words.remove(SAFE_TO_EVICT);
        }
    }
}
