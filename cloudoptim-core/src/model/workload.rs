//! Workloads, what scales them, and the rules of their namespaces.

use super::{
    Bytes, LabelSelector, Labels, NamespacedName, ObjectMeta, PodSpec, ResourceList, Toleration,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The kind of a workload. As text it is the Kubernetes kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum WorkloadKind {
    /// `Deployment`.
    Deployment,
    /// `StatefulSet`.
    StatefulSet,
    /// `DaemonSet`.
    DaemonSet,
    /// `ReplicaSet`.
    ReplicaSet,
    /// `Job`.
    Job,
    /// `CronJob`.
    CronJob,
    /// A pod without a controller.
    Pod,
    /// Any other, by its kind.
    Other(String),
}

impl Default for WorkloadKind {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl WorkloadKind {
    /// The Kubernetes kind.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Pod => "Pod",
            Self::Other(kind) => kind,
        }
    }
}

impl From<String> for WorkloadKind {
    fn from(kind: String) -> Self {
        match kind.as_str() {
            "Deployment" => Self::Deployment,
            "StatefulSet" => Self::StatefulSet,
            "DaemonSet" => Self::DaemonSet,
            "ReplicaSet" => Self::ReplicaSet,
            "Job" => Self::Job,
            "CronJob" => Self::CronJob,
            "Pod" => Self::Pod,
            _ => Self::Other(kind),
        }
    }
}

impl From<&str> for WorkloadKind {
    fn from(kind: &str) -> Self {
        Self::from(kind.to_owned())
    }
}

impl From<WorkloadKind> for String {
    fn from(kind: WorkloadKind) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which workload of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct WorkloadRef {
    /// Namespace.
    pub namespace: String,
    /// Kind.
    pub kind: WorkloadKind,
    /// Name.
    pub name: String,
}

impl WorkloadRef {
    /// Names a workload.
    pub fn new(
        namespace: impl Into<String>,
        kind: impl Into<WorkloadKind>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            kind: kind.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.kind, self.name)
    }
}

/// What a workload makes pods from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PodTemplate {
    /// Labels of the pods.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    /// Annotations of the pods, on the allow-list.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Labels,
    /// Specification of the pods.
    pub spec: PodSpec,
}

/// A workload of any kind. Fields that its kind lacks are `None` or empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// Metadata; the owners lead to what manages the workload.
    pub meta: ObjectMeta,
    /// Kind.
    pub kind: WorkloadKind,
    /// Template; `None` where the kind has none that we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
    /// Selects its pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Wanted replicas; for a DaemonSet the scheduled number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Status: replicas, as counted by the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<u32>,
    /// Status: ready replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<u32>,
    /// Status: replicas of the newest template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_replicas: Option<u32>,
    /// Status: generation that the controller has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Paused (Deployment) or suspended (Job, CronJob).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// `RollingUpdate`, `Recreate` or `OnDelete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_strategy: Option<String>,
    /// Names and sizes of volume claim templates (StatefulSet).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claim_templates: Vec<ClaimTemplate>,
    /// Claims go when the set is scaled down (`persistentVolumeClaimRetentionPolicy.whenScaled`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deletes_claims_when_scaled: bool,
    /// Claims go when the set is deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deletes_claims_when_deleted: bool,
    /// Cron schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Zone of the cron schedule; that of the controller when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// `Allow`, `Forbid` or `Replace` (CronJob).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<String>,
    /// Seconds within which a missed start is made up for (CronJob).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_deadline_seconds: Option<i64>,
    /// Last start (CronJob).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_scheduled_at: Option<DateTime<Utc>>,
    /// Pods now running (Job), or jobs (CronJob).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<u32>,
    /// When it finished (Job).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
}

/// A claim that a StatefulSet makes for each replica.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ClaimTemplate {
    /// Name; the claim is `<name>-<set>-<ordinal>`.
    pub name: String,
    /// Size asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Bytes>,
    /// Storage class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

impl Workload {
    /// How others name it.
    pub fn reference(&self) -> WorkloadRef {
        WorkloadRef::new(
            self.meta.namespace.clone(),
            self.kind.clone(),
            self.meta.name.clone(),
        )
    }

    /// Whether the controller has seen the newest specification and brought
    /// every replica to it. `None` when the status does not say.
    pub fn rollout_finished(&self) -> Option<bool> {
        let seen = self.observed_generation? >= self.meta.generation?;
        let wanted = self.replicas?;
        Some(seen && self.updated_replicas == Some(wanted) && self.current_replicas == Some(wanted))
    }
}

/// A metric that an autoscaler steers by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ScalingMetric {
    /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.
    pub kind: String,
    /// Name: `cpu`, `memory` or that of the metric.
    pub name: String,
    /// Target in percent of the request, where it is a utilisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_utilization_percent: Option<u32>,
    /// Present value in percent of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_utilization_percent: Option<u32>,
}

/// A HorizontalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HorizontalPodAutoscaler {
    /// Metadata.
    pub meta: ObjectMeta,
    /// What it scales.
    pub target: WorkloadRef,
    /// Fewest replicas; 1 when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<u32>,
    /// Most replicas.
    pub max_replicas: u32,
    /// Metrics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<ScalingMetric>,
    /// Status: replicas now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<u32>,
    /// Status: replicas wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<u32>,
}

/// A VerticalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct VerticalPodAutoscaler {
    /// Metadata.
    pub meta: ObjectMeta,
    /// What it sizes.
    pub target: WorkloadRef,
    /// `Off`, `Initial`, `Recreate`, `InPlaceOrRecreate` or `Auto`.
    pub update_mode: String,
    /// Its targets by container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, ResourceList>,
}

/// A KEDA ScaledObject.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ScaledObject {
    /// Metadata.
    pub meta: ObjectMeta,
    /// What it scales.
    pub target: WorkloadRef,
    /// Fewest replicas; 0 when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<u32>,
    /// Most replicas; 100 when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<u32>,
    /// Kinds of its triggers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
}

/// A number of pods or a share of them, as a budget states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum IntOrPercent {
    /// A number.
    Count(u32),
    /// A percentage, rounded up.
    Percent(u32),
}

/// When a budget lets pods that are not ready go.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnhealthyPodEviction {
    /// While enough pods are healthy; the default.
    #[default]
    IfHealthyBudget,
    /// Always.
    AlwaysAllow,
    /// A value that we do not know: never.
    Unrecognised,
}

/// A PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PodDisruptionBudget {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Selects the pods; `None` selects none, an empty one every pod of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Fewest available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrPercent>,
    /// Most unavailable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrPercent>,
    /// Policy for pods that are not ready.
    pub unhealthy_policy: UnhealthyPodEviction,
    /// Status: disruptions allowed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disruptions_allowed: Option<u32>,
    /// Status: healthy pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_healthy: Option<u32>,
    /// Status: healthy pods that must stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_healthy: Option<u32>,
    /// Status: pods that the controllers want.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_pods: Option<u32>,
    /// Status: generation that the controller has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Status: pods whose eviction was granted but not yet seen, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub disrupted_pods: BTreeMap<String, DateTime<Utc>>,
}

/// One entry of a LimitRange.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LimitRangeItem {
    /// `Container`, `Pod` or `PersistentVolumeClaim`.
    pub kind: String,
    /// Least.
    pub min: ResourceList,
    /// Most.
    pub max: ResourceList,
    /// Limit where none is set.
    pub default_limit: ResourceList,
    /// Request where none is set.
    pub default_request: ResourceList,
    /// Most of limit ÷ request in thousandths, by resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub max_limit_request_ratio_milli: BTreeMap<String, u64>,
}

/// A LimitRange.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LimitRange {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Its entries.
    pub items: Vec<LimitRangeItem>,
}

/// A ResourceQuota.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ResourceQuota {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Caps by name as written (`requests.cpu`, `limits.memory`, `pods`):
    /// thousandths for CPU, bytes for memory and storage, else counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hard: BTreeMap<String, u64>,
    /// Use by name, in the same units.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub used: BTreeMap<String, u64>,
    /// Scopes that narrow it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// A PriorityClass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PriorityClass {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Priority.
    pub value: i32,
    /// Used where no class is named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub global_default: bool,
    /// May not displace others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub never_preempts: bool,
}

/// A RuntimeClass.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeClass {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Added to each pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overhead: Option<ResourceList>,
    /// Added to each pod's node selector.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: Labels,
    /// Added to each pod's tolerations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Namespace {
    /// Metadata.
    pub meta: ObjectMeta,
}

/// An event of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Event {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Reason, such as `OOMKilling` or `Evicted`.
    pub reason: String,
    /// `Normal` or `Warning`.
    pub severity: String,
    /// Kind of the object it is about.
    pub object_kind: String,
    /// The object it is about.
    pub object: NamespacedName,
    /// Uid of the object it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_uid: Option<super::Uid>,
    /// Message; control characters are taken out.
    pub message: String,
    /// How often.
    pub count: u32,
    /// First time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at: Option<DateTime<Utc>>,
    /// Last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<DateTime<Utc>>,
    /// Component that reports it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub component: String,
}
