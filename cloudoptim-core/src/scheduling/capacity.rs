//! Which nodes take pods, and what a node that does not exist yet would have.

use crate::catalog::{InstanceTypeInfo, NodeOverheads, allocatable_for};
use crate::model::{
    ARCH_LABEL, CapacityType, ConditionStatus, HOSTNAME_LABEL, INSTANCE_TYPE_LABEL, LimitRange,
    NODE_POOL_LABEL, Node, NodeCondition, NodePool, NodeSelectorTerm, Operator, PodSpec, Resources,
    RuntimeClass, Taint, TaintEffect, Toleration, Workload, WorkloadKind, ZONE_ID_LABEL,
    ZONE_LABEL, ZoneId, ZoneName,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Taint of a node that Karpenter is about to remove.
pub const KARPENTER_DISRUPTED: &str = "karpenter.sh/disrupted";
/// Taint of a node that the cluster autoscaler is about to remove.
pub const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";
/// Driver of EBS volumes.
pub const EBS_DRIVER: &str = "ebs.csi.aws.com";
/// Zone label that the EBS driver gives to nodes.
pub const EBS_ZONE_LABEL: &str = "topology.ebs.csi.aws.com/zone";

/// Taints that go away once a node is set up.
const STARTUP_TAINTS: [&str; 5] = [
    "node.cloudprovider.kubernetes.io/uninitialized",
    "karpenter.sh/unregistered",
    "ebs.csi.aws.com/agent-not-ready",
    "efs.csi.aws.com/agent-not-ready",
    "node.cilium.io/agent-not-ready",
];

/// Why a node takes no pods, whatever they ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotTarget {
    /// Cordoned.
    Cordoned,
    /// Its kubelet does not say that it is ready.
    NotReady,
    /// Not set up yet.
    StartupTaint {
        /// Key.
        key: String,
    },
    /// Karpenter is about to remove it.
    Disrupted,
    /// The cluster autoscaler is about to remove it.
    ToBeDeleted,
    /// The Node object is being deleted.
    Deleting,
    /// It joined a short time ago: the pods that it was started for are still
    /// coming. The scheduler knows no such rule; a packer may.
    Young,
}

impl fmt::Display for NotTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cordoned => f.write_str("the node is cordoned"),
            Self::NotReady => f.write_str("the node is not ready"),
            Self::StartupTaint { key } => write!(f, "the node is not set up yet ({key})"),
            Self::Disrupted => f.write_str("Karpenter is about to remove the node"),
            Self::ToBeDeleted => f.write_str("the cluster autoscaler is about to remove the node"),
            Self::Deleting => f.write_str("the node is being deleted"),
            Self::Young => f.write_str("the node is young, and its pods are still coming"),
        }
    }
}

/// Every reason why a node takes no pods; none for one that does.
pub fn not_target(node: &Node, pools: &[NodePool]) -> Vec<NotTarget> {
    let mut why = Vec::new();
    if node.unschedulable
        || node
            .taints
            .iter()
            .any(|t| t.key == "node.kubernetes.io/unschedulable")
    {
        why.push(NotTarget::Cordoned);
    }
    if !node.is_ready() {
        why.push(NotTarget::NotReady);
    }
    let pool = node
        .meta
        .label(NODE_POOL_LABEL)
        .and_then(|name| pools.iter().find(|p| p.meta.name == name));
    for taint in &node.taints {
        let starts = STARTUP_TAINTS.contains(&taint.key.as_str())
            || taint
                .key
                .starts_with("startup-taint.cluster-autoscaler.kubernetes.io/")
            || pool.is_some_and(|p| p.startup_taints.iter().any(|s| s.key == taint.key));
        if starts {
            why.push(NotTarget::StartupTaint {
                key: taint.key.clone(),
            });
        } else if taint.key == KARPENTER_DISRUPTED {
            why.push(NotTarget::Disrupted);
        } else if taint.key == TO_BE_DELETED {
            why.push(NotTarget::ToBeDeleted);
        }
    }
    if node.meta.deleted_at.is_some() {
        why.push(NotTarget::Deleting);
    }
    why
}

/// Whether one of the terms holds for a node. No term, or a term that asks for
/// nothing, matches no node.
pub(crate) fn terms_match(terms: &[NodeSelectorTerm], node: &Node) -> bool {
    terms.iter().any(|term| term_matches(term, node))
}

fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return false;
    }
    term.match_expressions
        .iter()
        .all(|r| r.matches(node.meta.label(&r.key)))
        && term.match_fields.iter().all(|r| {
            let name = (r.key == "metadata.name").then_some(node.meta.name.as_str());
            // The API allows only these two on fields.
            matches!(r.operator, Operator::In | Operator::NotIn) && r.matches(name)
        })
}

/// Whether node selector and required node affinity accept a node.
pub fn selects(spec: &PodSpec, node: &Node) -> bool {
    spec.node_selector
        .iter()
        .all(|(key, value)| node.meta.labels.get(key) == Some(value))
        && spec
            .required_node_affinity
            .as_ref()
            .is_none_or(|terms| terms_match(terms, node))
}

/// The taints of a node that keep a pod away. A cordon is not among them: see
/// [`not_target`].
pub fn untolerated<'n>(
    tolerations: &'n [Toleration],
    node: &'n Node,
) -> impl Iterator<Item = &'n Taint> {
    node.taints.iter().filter(move |taint| {
        taint.effect != TaintEffect::PreferNoSchedule
            && taint.key != "node.kubernetes.io/unschedulable"
            && !tolerations.iter().any(|t| taint.tolerated_by(t))
    })
}

/// A `NoExecute` taint that is tolerated for a time only: the scheduler places
/// such a pod, and it is evicted again when the time is up. As there, the first
/// toleration that fits a taint counts.
pub fn tolerated_for_a_time<'n>(tolerations: &[Toleration], node: &'n Node) -> Option<&'n Taint> {
    node.taints.iter().find(|taint| {
        let first = tolerations.iter().find(|t| taint.tolerated_by(t));
        taint.effect == TaintEffect::NoExecute && first.is_some_and(|t| t.seconds.is_some())
    })
}

/// What a node of a type would look like.
///
/// Labels are those that EKS nodes and Karpenter's carry; a pool adds its
/// labels, its single-valued requirements and its taints, not its startup
/// taints, which are gone by the time pods arrive.
pub fn hypothetical_node(
    name: &str,
    info: &InstanceTypeInfo,
    zone: Option<(&ZoneName, &ZoneId)>,
    capacity_type: CapacityType,
    pool: Option<&NodePool>,
    overheads: &NodeOverheads,
) -> Node {
    let mut node = Node::default();
    node.meta.name = name.to_owned();
    let labels = &mut node.meta.labels;
    for (key, value) in [
        (HOSTNAME_LABEL, name.to_owned()),
        (INSTANCE_TYPE_LABEL, info.name.to_string()),
        (ARCH_LABEL, info.architecture.label().to_owned()),
        ("kubernetes.io/os", "linux".to_owned()),
        (
            "karpenter.sh/capacity-type",
            capacity_type.label().to_owned(),
        ),
        (
            "karpenter.k8s.aws/instance-family",
            info.family().to_owned(),
        ),
        (
            "karpenter.k8s.aws/instance-category",
            info.category().to_owned(),
        ),
        ("karpenter.k8s.aws/instance-size", info.size().to_owned()),
        ("karpenter.k8s.aws/instance-cpu", info.vcpu.to_string()),
        (
            "karpenter.k8s.aws/instance-memory",
            info.memory.mib().to_string(),
        ),
    ] {
        labels.insert(key.to_owned(), value);
    }
    if let Some(generation) = info.generation() {
        labels.insert(
            "karpenter.k8s.aws/instance-generation".to_owned(),
            generation.to_string(),
        );
    }
    if let Some((name, id)) = zone {
        labels.insert(ZONE_LABEL.to_owned(), name.to_string());
        labels.insert(EBS_ZONE_LABEL.to_owned(), name.to_string());
        labels.insert(ZONE_ID_LABEL.to_owned(), id.to_string());
    }
    if let Some(pool) = pool {
        labels.insert(NODE_POOL_LABEL.to_owned(), pool.meta.name.clone());
        labels.extend(pool.labels.clone());
        for requirement in &pool.requirements {
            if let (Operator::In, [only]) = (requirement.operator, requirement.values.as_slice()) {
                labels
                    .entry(requirement.key.clone())
                    .or_insert_with(|| only.clone());
            }
        }
        node.taints = pool.taints.clone();
    }
    node.allocatable = if *overheads == NodeOverheads::default() {
        info.allocatable.clone()
    } else {
        allocatable_for(info, overheads)
    };
    node.capacity = node.allocatable.clone();
    node.os = Some("linux".to_owned());
    node.conditions = vec![NodeCondition {
        name: "Ready".to_owned(),
        status: ConditionStatus::True,
        ..Default::default()
    }];
    node
}

/// Whether a pool may launch such a node.
pub fn pool_allows(pool: &NodePool, node: &Node) -> bool {
    pool.requirements
        .iter()
        .all(|r| r.matches(node.meta.label(&r.key)))
}

/// What every DaemonSet pod tolerates beside its own tolerations.
const DAEMON_TOLERATES: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/network-unavailable",
];

/// Whether a DaemonSet puts a pod on a node of such labels and taints.
pub fn daemon_runs_on(set: &Workload, node: &Node) -> bool {
    let Some(template) = set.template.as_ref() else {
        return false;
    };
    set.kind == WorkloadKind::DaemonSet
        && selects(&template.spec, node)
        && untolerated(&template.spec.tolerations, node)
            .all(|taint| DAEMON_TOLERATES.contains(&taint.key.as_str()))
}

/// What the DaemonSets would take of a node: only those whose selector,
/// affinity and tolerations match its labels and taints.
pub fn daemon_overhead(
    node: &Node,
    workloads: &[Workload],
    limit_ranges: &[LimitRange],
    runtime_classes: &[RuntimeClass],
) -> Resources {
    let mut total = Resources::default();
    for set in workloads.iter().filter(|w| daemon_runs_on(w, node)) {
        let Some(template) = &set.template else {
            continue;
        };
        let ranges: Vec<&LimitRange> = limit_ranges
            .iter()
            .filter(|r| r.meta.namespace == set.meta.namespace)
            .collect();
        let class = template
            .spec
            .runtime_class
            .as_ref()
            .and_then(|name| runtime_classes.iter().find(|c| c.meta.name == *name));
        total.add(&super::template_request(&template.spec, &ranges, class));
    }
    total
}
