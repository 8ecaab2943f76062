//! Metadata: what is kept of names, annotations, owners and selectors.

use super::raw::{Map, N, One, Text, Time, Word, at, clean, strings};
use crate::model::{
    LabelSelector, Labels, NodeSelectorTerm, ObjectMeta, Operator, OwnerRef, Requirement, Uid,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// Annotations whose value is kept.
const KEPT: &[&str] = &[
    "karpenter.sh/do-not-disrupt",
    "karpenter.sh/do-not-evict",
    "karpenter.sh/do-not-consolidate",
    "karpenter.sh/nodepool-hash",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
    "cluster-autoscaler.kubernetes.io/scale-down-disabled",
    "autoscaling.cast.ai/removal-disabled",
    "autoscaling.cast.ai/disposable",
    "beta.evictor.cast.ai/disposable",
    "beta.evictor.cast.ai/eviction-disabled",
    "descheduler.alpha.kubernetes.io/evict",
    "descheduler.alpha.kubernetes.io/prefer-no-eviction",
    "controller.kubernetes.io/pod-deletion-cost",
    "kubernetes.io/config.mirror",
    "kubernetes.io/config.source",
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
    "autoscaling.keda.sh/paused",
    "autoscaling.keda.sh/paused-replicas",
    "batch.kubernetes.io/job-completion-index",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/desired-replicas",
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
    "pv.kubernetes.io/provisioned-by",
    "pv.kubernetes.io/bound-by-controller",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/migrated-to",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-class",
    "volume.beta.kubernetes.io/storage-provisioner",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
];

/// Annotations of which only the presence is kept.
const PRESENCE: &[&str] = &[
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/instance",
    "kustomize.toolkit.fluxcd.io/reconcile",
    "helm.toolkit.fluxcd.io/driftDetection",
];

/// Prefixes whose annotations are kept: the words of this product and of the
/// schedulers that people come from.
const KEPT_PREFIXES: &[&str] = &["cloudoptim/", "cloudoptim.io/", "downscaler/"];

/// Longer values are no setting that anybody reads.
const LONGEST_ANNOTATION: usize = 256;

/// Whether only the presence of that annotation counts.
pub(super) fn is_presence(key: &str) -> bool {
    PRESENCE.contains(&key)
}

/// Annotations on the allow-list, read without keeping the others.
#[derive(Debug, Clone, Default)]
pub(super) struct Annotations(pub(super) Labels);

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnnotationsVisitor;
        impl<'de> Visitor<'de> for AnnotationsVisitor {
            type Value = Annotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_unit<E>(self) -> Result<Annotations, E> {
                Ok(Annotations::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let mut out = Labels::new();
                while let Some(key) = map.next_key::<String>()? {
                    let kept = KEPT.contains(&key.as_str())
                        || KEPT_PREFIXES.iter().any(|p| key.starts_with(p));
                    if kept {
                        let Text(value) = map.next_value()?;
                        if value.len() <= LONGEST_ANNOTATION {
                            out.insert(clean(&key).into_owned(), value);
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        if PRESENCE.contains(&key.as_str()) {
                            out.insert(key, String::new());
                        }
                    }
                }
                Ok(Annotations(out))
            }
        }
        deserializer.deserialize_any(AnnotationsVisitor)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawMeta {
    pub(super) name: Text,
    pub(super) namespace: Text,
    uid: Text,
    labels: Map,
    annotations: Annotations,
    #[serde(rename = "ownerReferences")]
    owners: N<Vec<RawOwner>>,
    #[serde(rename = "creationTimestamp")]
    created: Option<Time>,
    #[serde(rename = "deletionTimestamp")]
    deleted: Option<Time>,
    generation: Option<i64>,
    #[serde(rename = "resourceVersion")]
    resource_version: Text,
    #[serde(rename = "managedFields")]
    managed: N<Vec<RawManager>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawOwner {
    api_version: Text,
    kind: Text,
    name: Text,
    uid: Text,
    controller: N<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawManager {
    manager: Text,
}

impl From<RawMeta> for ObjectMeta {
    fn from(raw: RawMeta) -> Self {
        let mut field_managers: Vec<String> =
            raw.managed.0.into_iter().map(|m| m.manager.0).collect();
        field_managers.sort();
        field_managers.dedup();
        Self {
            namespace: raw.namespace.0,
            name: raw.name.0,
            uid: Uid::new(raw.uid.0),
            labels: raw.labels.0,
            annotations: raw.annotations.0,
            owners: raw
                .owners
                .0
                .into_iter()
                .map(|owner| OwnerRef {
                    api_version: owner.api_version.0,
                    kind: owner.kind.0,
                    name: owner.name.0,
                    uid: Uid::new(owner.uid.0),
                    controller: owner.controller.0,
                })
                .collect(),
            created_at: at(raw.created),
            deleted_at: at(raw.deleted),
            generation: raw.generation,
            resource_version: raw.resource_version.some(),
            field_managers,
        }
    }
}

/// What a list says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawListMeta {
    #[serde(rename = "continue")]
    pub(super) token: Text,
    #[serde(rename = "remainingItemCount")]
    pub(super) remaining: N<i64>,
    #[serde(rename = "resourceVersion")]
    pub(super) version: Text,
}

/// The shape that most objects have.
#[derive(Debug, Default, Deserialize)]
#[serde(
    default,
    bound(deserialize = "S: Deserialize<'de> + Default, T: Deserialize<'de> + Default")
)]
pub(super) struct Obj<S, T> {
    pub(super) metadata: N<RawMeta>,
    pub(super) spec: N<S>,
    pub(super) status: N<T>,
}

/// A part of an object of which nothing is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Nothing {}

impl Word for Operator {
    const WORDS: &'static str = "In, NotIn, Exists, DoesNotExist, Gt, Lt";

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "In" => Self::In,
            "NotIn" => Self::NotIn,
            "Exists" => Self::Exists,
            "DoesNotExist" => Self::DoesNotExist,
            "Gt" => Self::Gt,
            "Lt" => Self::Lt,
            _ => return None,
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RawRequirement {
    #[serde(default)]
    key: Text,
    operator: One<Operator>,
    #[serde(default)]
    values: N<Vec<Text>>,
}

impl From<RawRequirement> for Requirement {
    fn from(raw: RawRequirement) -> Self {
        Self {
            key: raw.key.0,
            operator: raw.operator.0,
            values: strings(raw.values),
        }
    }
}

pub(super) fn requirements(raw: N<Vec<RawRequirement>>) -> Vec<Requirement> {
    raw.0.into_iter().map(Into::into).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawSelector {
    match_labels: Map,
    match_expressions: N<Vec<RawRequirement>>,
}

impl From<RawSelector> for LabelSelector {
    fn from(raw: RawSelector) -> Self {
        Self {
            match_labels: raw.match_labels.0,
            match_expressions: requirements(raw.match_expressions),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawTerm {
    match_expressions: N<Vec<RawRequirement>>,
    match_fields: N<Vec<RawRequirement>>,
}

impl From<RawTerm> for NodeSelectorTerm {
    fn from(raw: RawTerm) -> Self {
        Self {
            match_expressions: requirements(raw.match_expressions),
            match_fields: requirements(raw.match_fields),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawNodeSelector {
    node_selector_terms: N<Vec<RawTerm>>,
}

impl RawNodeSelector {
    pub(super) fn terms(self) -> Vec<NodeSelectorTerm> {
        self.node_selector_terms
            .0
            .into_iter()
            .map(Into::into)
            .collect()
    }
}
