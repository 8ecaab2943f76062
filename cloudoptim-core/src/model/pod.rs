//! Pods, and the specification that they share with pod templates.

use super::{Bytes, LabelSelector, Labels, MilliCpu, NodeName, ObjectMeta, Requirement, Resources};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Pod {
    /// Metadata.
    pub meta: ObjectMeta,
    /// Specification.
    pub spec: PodSpec,
    /// Status.
    pub status: PodStatus,
}

impl Pod {
    /// The node that it runs on or is bound to.
    pub const fn node(&self) -> Option<&NodeName> {
        self.spec.node_name.as_ref()
    }

    /// Whether it has ended and holds nothing any more.
    pub const fn is_finished(&self) -> bool {
        matches!(self.status.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// Whether it is being deleted.
    pub const fn is_terminating(&self) -> bool {
        self.meta.deleted_at.is_some()
    }

    /// Whether it is a static pod's mirror.
    pub fn is_mirror(&self) -> bool {
        self.meta
            .annotations
            .contains_key("kubernetes.io/config.mirror")
            || self.meta.owners.iter().any(|owner| owner.kind == "Node")
    }
}

/// Where a pod is in its life.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PodPhase {
    /// Accepted, not yet running.
    Pending,
    /// Bound, with at least one container started.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Not known, as when its node does not answer.
    #[default]
    Unknown,
}

/// What a pod asks for. Templates of workloads hold one too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PodSpec {
    /// Node it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<NodeName>,
    /// Labels that its node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: Labels,
    /// Required node affinity: the terms are alternatives. `None` when there is none;
    /// an empty list matches no node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_node_affinity: Option<Vec<NodeSelectorTerm>>,
    /// Preferred node affinity, with weights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preferred_node_affinity: Vec<PreferredNodeTerm>,
    /// Required pod affinity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_pod_affinity: Vec<PodAffinityTerm>,
    /// Preferred pod affinity, with weights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preferred_pod_affinity: Vec<PreferredPodTerm>,
    /// Required pod anti-affinity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_pod_anti_affinity: Vec<PodAffinityTerm>,
    /// Preferred pod anti-affinity, with weights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preferred_pod_anti_affinity: Vec<PreferredPodTerm>,
    /// Spread over domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topology_spread: Vec<TopologySpread>,
    /// Taints that it tolerates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Containers.
    pub containers: Vec<Container>,
    /// Init containers, in order; those that restart always are sidecars.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// Pod-level resources, where set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ContainerResources>,
    /// Overhead of the runtime class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overhead: Option<ResourceList>,
    /// Shares of devices, for schedulers that have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<DeviceRequest>,
    /// Volumes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<PodVolume>,
    /// Uses the node's network.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_network: bool,
    /// Resolved priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Priority class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class: Option<String>,
    /// Runtime class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<String>,
    /// Seconds between the end signal and the kill; 30 when not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_seconds: Option<i64>,
    /// Scheduler, when it is not `default-scheduler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,
    /// Names of scheduling gates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scheduling_gates: Vec<String>,
    /// Names of dynamic resource claims, of the pod or of a container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_claims: Vec<String>,
    /// Operating system, where stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// `Always`, `OnFailure` or `Never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
}

/// Amounts by resource, where "not set" is not zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ResourceList {
    /// CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<MilliCpu>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Local ephemeral storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<Bytes>,
    /// Extended resources and huge pages (in bytes) by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<String, u64>,
}

impl ResourceList {
    /// The amounts with "not set" read as none asked for.
    pub fn to_resources(&self) -> Resources {
        Resources {
            cpu: self.cpu.unwrap_or_default(),
            memory: self.memory.unwrap_or_default(),
            ephemeral_storage: self.ephemeral_storage.unwrap_or_default(),
            pods: 0,
            extended: self.extended.clone(),
        }
    }

    /// `self`, with what it does not set taken from `other`.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut extended = other.extended.clone();
        extended.extend(self.extended.iter().map(|(k, v)| (k.clone(), *v)));
        Self {
            cpu: self.cpu.or(other.cpu),
            memory: self.memory.or(other.memory),
            ephemeral_storage: self.ephemeral_storage.or(other.ephemeral_storage),
            extended,
        }
    }
}

/// Requests and limits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ContainerResources {
    /// Guaranteed.
    pub requests: ResourceList,
    /// Upper bounds.
    pub limits: ResourceList,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Image.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Requests and limits.
    pub resources: ContainerResources,
    /// For an init container: it restarts always, and so is a sidecar.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restarts_always: bool,
    /// Host ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_ports: Vec<HostPort>,
    /// Settings of a runtime's memory, from environment and arguments: the
    /// only part of either that is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runtime_memory: Vec<RuntimeMemorySetting>,
    /// What a change of CPU or memory in place does to the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resize_policy: Vec<ResizePolicy>,
}

/// A port taken on the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HostPort {
    /// Port on the node.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Address on the node; empty or `0.0.0.0` for all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
}

/// A setting such as `-Xmx2g` or `GOMEMLIMIT=1GiB`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeMemorySetting {
    /// Name: `-Xmx`, `-XX:MaxRAMPercentage`, `GOMEMLIMIT`, `--max-old-space-size`, …
    pub name: String,
    /// Value as written.
    pub value: String,
}

/// What a change in place does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ResizePolicy {
    /// `cpu` or `memory`.
    pub resource: String,
    /// The container is restarted.
    pub restarts_container: bool,
}

/// A share of one or more devices, as in GPU sharing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DeviceRequest {
    /// How many devices.
    pub count: u32,
    /// Thousandths of each.
    pub milli_share: u32,
    /// Allowed models; any when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

/// A device of a node with the share that is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// Model.
    pub model: String,
    /// Thousandths.
    pub milli: u32,
}

/// One alternative of a required node affinity: all must hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodeSelectorTerm {
    /// On labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
    /// On fields; `metadata.name` is the only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_fields: Vec<Requirement>,
}

/// A preferred node term.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PreferredNodeTerm {
    /// 1 to 100.
    pub weight: i32,
    /// The term.
    pub term: NodeSelectorTerm,
}

/// A pod affinity or anti-affinity term.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PodAffinityTerm {
    /// Selects the other pods; `None` selects none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Domain.
    pub topology_key: String,
    /// Namespaces by name; with no selector either, the pod's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Namespaces by label; an empty selector means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Keys whose values are taken from the pod and must be equal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_label_keys: Vec<String>,
    /// Keys whose values are taken from the pod and must differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mismatch_label_keys: Vec<String>,
}

/// A preferred pod term.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PreferredPodTerm {
    /// 1 to 100.
    pub weight: i32,
    /// The term.
    pub term: PodAffinityTerm,
}

/// What a spread does when it cannot be met.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenUnsatisfiable {
    /// The pod stays pending.
    #[default]
    DoNotSchedule,
    /// The pod goes where it is least bad.
    ScheduleAnyway,
}

/// A topology spread constraint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TopologySpread {
    /// Largest difference between a domain and the least filled one, at least 1.
    pub max_skew: u32,
    /// Domain.
    pub topology_key: String,
    /// Hard or soft.
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Selects the pods that count; `None` selects none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Fewer eligible domains than this make the least filled one count 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_domains: Option<u32>,
    /// Count only nodes that the pod's affinity allows; the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub honour_node_affinity: Option<bool>,
    /// Count only nodes whose taints the pod tolerates; not the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub honour_node_taints: Option<bool>,
    /// Keys whose values are taken from the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_label_keys: Vec<String>,
}

/// What a taint does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaintEffect {
    /// New pods stay away.
    #[default]
    NoSchedule,
    /// New pods rather stay away.
    PreferNoSchedule,
    /// New pods stay away, and running ones leave.
    NoExecute,
}

/// A toleration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Toleration {
    /// Key; empty with `exists` tolerates everything.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Any value of the key, instead of one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exists: bool,
    /// The value, unless any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// One effect; all when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// How long a `NoExecute` taint is tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
}

/// A volume of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PodVolume {
    /// Name.
    pub name: String,
    /// What it is.
    pub source: PodVolumeSource,
}

/// What a pod's volume is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PodVolumeSource {
    /// A claim.
    Claim {
        /// Name of the claim, in the pod's namespace.
        name: String,
    },
    /// A claim made for the pod, named `<pod>-<volume>`.
    Ephemeral,
    /// A scratch directory on the node.
    EmptyDir {
        /// It lives in memory.
        in_memory: bool,
    },
    /// A path of the node.
    HostPath,
    /// Configuration, secrets, projections and the like: nothing to lose.
    #[default]
    Stateless,
    /// Any other driver, by its field name.
    Other {
        /// Field name, such as `nfs`.
        driver: String,
    },
}

/// A pod's status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PodStatus {
    /// Phase.
    pub phase: PodPhase,
    /// Reason of the phase, such as `Evicted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Message beside the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the kubelet took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// Condition `Ready`; `None` when it is absent or unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Since when `Ready` has its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_since: Option<DateTime<Utc>>,
    /// Node it is to get by preemption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nominated_node: Option<NodeName>,
    /// `Guaranteed`, `Burstable` or `BestEffort`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos_class: Option<String>,
    /// Why the scheduler could not place it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unschedulable: Option<String>,
    /// A pending resize: its reason, `Deferred` or `Infeasible`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize_pending: Option<String>,
    /// Pod-level resources in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ContainerResources>,
    /// Pod-level allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated: Option<ResourceList>,
    /// Address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerStatus>,
    /// Init containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<ContainerStatus>,
}

/// A container's status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ContainerStatus {
    /// Name of the container.
    pub name: String,
    /// Runtime's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// Passes its readiness probe.
    pub ready: bool,
    /// Restarts so far.
    pub restart_count: u32,
    /// Running since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_since: Option<DateTime<Utc>>,
    /// Waiting, and why, such as `CrashLoopBackOff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Its present end, when it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated: Option<Termination>,
    /// The end before the present run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_terminated: Option<Termination>,
    /// Requests and limits in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ContainerResources>,
    /// Requests that the node has set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated: Option<ResourceList>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Termination {
    /// Such as `OOMKilled`, `Error` or `Completed`.
    pub reason: String,
    /// Exit code.
    pub exit_code: i32,
    /// Start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// End.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Id of the container that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
}
