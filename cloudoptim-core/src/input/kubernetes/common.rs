//! Conversions that several kinds share.

use super::super::wire::{Problem, clean};
use super::wire;
use crate::model::{
    ConditionStatus, LabelSelector, Labels, NodeCondition, NodeSelectorTerm, ObjectMeta, Operator,
    OwnerRef, Requirement, Taint, TaintEffect, Toleration, WorkloadRef,
};

/// Annotations that decisions read, by prefix or in full. Everything else is
/// dropped: people put secrets and whole manifests into annotations.
const ANNOTATIONS: [&str; 22] = [
    "karpenter.sh/do-not-disrupt",
    "karpenter.sh/do-not-evict",
    "karpenter.sh/do-not-consolidate",
    "cluster-autoscaler.kubernetes.io/",
    "autoscaling.cast.ai/",
    "beta.evictor.cast.ai/",
    "descheduler.alpha.kubernetes.io/",
    "controller.kubernetes.io/pod-deletion-cost",
    "kubernetes.io/config.mirror",
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
    "autoscaling.keda.sh/paused",
    "storageclass.kubernetes.io/is-default-class",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "scheduler.alpha.kubernetes.io/",
    "batch.kubernetes.io/",
    "downscaler/",
    "cloudoptim/",
    "argocd.argoproj.io/tracking-id",
    "meta.helm.sh/release-name",
    "kustomize.toolkit.fluxcd.io/name",
];

pub(super) fn meta(wire: Option<wire::Meta>) -> Result<ObjectMeta, Problem> {
    let wire = wire.unwrap_or_default();
    let name = wire.name.unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::new("metadata.name", "is missing"));
    }
    let mut field_managers: Vec<String> = wire
        .managed_fields
        .into_iter()
        .flatten()
        .filter_map(|m| m.manager)
        .collect();
    field_managers.sort();
    field_managers.dedup();
    Ok(ObjectMeta {
        namespace: wire.namespace.unwrap_or_default(),
        name,
        uid: wire.uid.unwrap_or_default().into(),
        labels: wire.labels.unwrap_or_default(),
        annotations: annotations(wire.annotations),
        owners: wire
            .owner_references
            .into_iter()
            .flatten()
            .map(owner)
            .collect(),
        created_at: wire.creation_timestamp,
        deleted_at: wire.deletion_timestamp,
        generation: wire.generation,
        resource_version: wire.resource_version,
        field_managers,
    })
}

pub(super) fn annotations(map: Option<wire::Map>) -> Labels {
    map.unwrap_or_default()
        .into_iter()
        .filter(|(key, _)| ANNOTATIONS.iter().any(|known| key.starts_with(known)))
        .map(|(key, value)| (key, clean(&value)))
        .collect()
}

pub(super) fn owner(wire: wire::Owner) -> OwnerRef {
    OwnerRef {
        api_version: wire.api_version.unwrap_or_default(),
        kind: wire.kind.unwrap_or_default(),
        name: wire.name.unwrap_or_default(),
        uid: wire.uid.unwrap_or_default().into(),
        controller: wire.controller.unwrap_or_default(),
    }
}

pub(super) fn target(namespace: &str, wire: Option<wire::Owner>) -> WorkloadRef {
    let wire = wire.unwrap_or_default();
    // KEDA leaves the kind out for Deployments.
    let kind = wire.kind.unwrap_or_else(|| "Deployment".to_owned());
    WorkloadRef::new(namespace, kind, wire.name.unwrap_or_default())
}

pub(super) fn requirement(wire: wire::Expression) -> Result<Requirement, Problem> {
    let text = wire.operator.unwrap_or_default();
    let operator = match text.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        _ => {
            return Err(Problem::new(
                "operator",
                format!("unknown operator {text:?}"),
            ));
        }
    };
    Ok(Requirement {
        key: wire.key.unwrap_or_default(),
        operator,
        values: wire.values.unwrap_or_default(),
    })
}

pub(super) fn requirements(
    list: Option<Vec<wire::Expression>>,
) -> Result<Vec<Requirement>, Problem> {
    list.into_iter().flatten().map(requirement).collect()
}

pub(super) fn selector(wire: wire::Selector) -> Result<LabelSelector, Problem> {
    Ok(LabelSelector {
        match_labels: wire.match_labels.unwrap_or_default(),
        match_expressions: requirements(wire.match_expressions)?,
    })
}

pub(super) fn node_term(wire: wire::NodeTerm) -> Result<NodeSelectorTerm, Problem> {
    Ok(NodeSelectorTerm {
        match_expressions: requirements(wire.match_expressions)?,
        match_fields: requirements(wire.match_fields)?,
    })
}

pub(super) fn node_terms(wire: wire::NodeSelector) -> Result<Vec<NodeSelectorTerm>, Problem> {
    wire.node_selector_terms
        .into_iter()
        .flatten()
        .map(node_term)
        .collect()
}

pub(super) fn effect(text: &str) -> Result<TaintEffect, Problem> {
    match text {
        "NoSchedule" => Ok(TaintEffect::NoSchedule),
        "PreferNoSchedule" => Ok(TaintEffect::PreferNoSchedule),
        "NoExecute" => Ok(TaintEffect::NoExecute),
        _ => Err(Problem::new("effect", format!("unknown effect {text:?}"))),
    }
}

pub(super) fn taints(list: Option<Vec<wire::Taint>>) -> Result<Vec<Taint>, Problem> {
    list.into_iter()
        .flatten()
        .map(|t| {
            Ok(Taint {
                key: t.key.unwrap_or_default(),
                value: t.value.unwrap_or_default(),
                effect: effect(&t.effect.unwrap_or_default())?,
            })
        })
        .collect()
}

pub(super) fn tolerations(list: Option<Vec<wire::Toleration>>) -> Result<Vec<Toleration>, Problem> {
    list.into_iter()
        .flatten()
        .map(|t| {
            let operator = t.operator.unwrap_or_default();
            let exists = match operator.as_str() {
                "Exists" => true,
                "" | "Equal" => false,
                _ => {
                    let message = format!("unknown operator {operator:?}");
                    return Err(Problem::new("tolerations.operator", message));
                }
            };
            let effect = match t.effect.as_deref() {
                None | Some("") => None,
                Some(text) => Some(effect(text)?),
            };
            Ok(Toleration {
                key: t.key.unwrap_or_default(),
                exists,
                value: t.value.unwrap_or_default(),
                effect,
                seconds: t.toleration_seconds,
            })
        })
        .collect()
}

pub(super) fn conditions(list: Option<Vec<wire::Condition>>) -> Vec<NodeCondition> {
    let mut conditions: Vec<NodeCondition> = list
        .into_iter()
        .flatten()
        .map(|c| NodeCondition {
            name: c.kind.unwrap_or_default(),
            status: match c.status.as_deref() {
                Some("True") => ConditionStatus::True,
                Some("False") => ConditionStatus::False,
                _ => ConditionStatus::Unknown,
            },
            since: c.last_transition_time,
            heartbeat_at: c.last_heartbeat_time,
        })
        .collect();
    conditions.sort();
    conditions
}

/// A name of one kind, or `None` when it is empty.
pub(super) fn some(text: Option<String>) -> Option<String> {
    text.filter(|t| !t.is_empty())
}
