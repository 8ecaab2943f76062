//! Reasons.

use crate::model::{Bytes, NodeName};
use crate::scheduling::EvictionRefusal;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($(#[$meta:meta])* $variant:ident = $code:literal $({ $($(#[$fmeta:meta])* $field:ident: $ty:ty),* $(,)? })?),* $(,)?) => {
        /// Why the engine decided as it did.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "code")]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$meta])* #[serde(rename = $code)] $variant $({ $($(#[$fmeta])* $field: $ty),* })?,)*
        }

        impl Reason {
            /// Every code, in the order of the variants.
            pub const CODES: &'static [&'static str] = &[$($code),*];
        }
    };
}

reasons! {
    /// A part of the snapshot is missing or may have holes.
    PartMissing = "part_missing" {
        /// Which part.
        part: String,
        /// What it is instead of complete.
        state: String,
    },
    /// No ledger says which raises were made before.
    LedgerMissing = "ledger_missing",
    /// The namespace is protected.
    ProtectedNamespace = "protected_namespace" {
        /// Namespace.
        namespace: String,
    },
    /// An annotation keeps the engine off.
    OptedOut = "opted_out" {
        /// Annotation.
        annotation: String,
    },
    /// An operator makes the workload and would undo a change.
    OwnedByOther = "owned_by_other" {
        /// Kind and name.
        owner: String,
    },
    /// Nothing makes the pod anew, so nothing can carry a new limit.
    NoController = "no_controller",
    /// A VerticalPodAutoscaler sizes it and answers kills itself.
    SizedByVpa = "sized_by_vpa" {
        /// Its name.
        vpa: String,
        /// Its update mode.
        mode: String,
    },
    /// It is applied from a repository, where the change has to be made.
    AppliedFromRepository = "applied_from_repository" {
        /// By what.
        by: String,
    },
    /// A Helm release holds it: change its values too.
    ManagedByHelm = "managed_by_helm" {
        /// Release.
        release: String,
    },
    /// The template of a Job cannot be changed: a new Job is needed.
    TemplateImmutable = "template_immutable",
    /// Pods get a new template only when somebody deletes them.
    OnDelete = "on_delete",
    /// The rollout is paused, or the job suspended.
    Paused = "paused",
    /// A rollout is under way.
    RolloutInProgress = "rollout_in_progress",
    /// The status does not say whether a rollout is under way.
    RolloutUnknown = "rollout_unknown",
    /// The kernel killed it at its limit.
    KilledAtLimit = "killed_at_limit" {
        /// Pod.
        pod: String,
        /// Restarts before the kill.
        restarts: u32,
        /// When.
        at: DateTime<Utc>,
        /// Exit code; not 137 when the kernel took a child of the main process.
        exit_code: i32,
    },
    /// The kernel killed a child process, and the container goes on: its status
    /// does not say which one, so nobody can say whose limit was too low.
    ChildKilled = "child_killed" {
        /// Pod.
        pod: String,
        /// Last time, where the event says it.
        at: Option<DateTime<Utc>>,
    },
    /// It ended by SIGKILL, and not for memory: a probe, a grace period, a node.
    NotForMemory = "not_for_memory" {
        /// Pod.
        pod: String,
        /// Reason in its status.
        reason: String,
        /// Exit code.
        exit_code: i32,
    },
    /// The node ran out of memory: a higher limit would make it worse.
    NodeOutOfMemory = "node_out_of_memory" {
        /// Node.
        node: NodeName,
        /// `SystemOOM` or `MemoryPressure`.
        evidence: String,
    },
    /// The kubelet evicted the pod because its node was short of memory.
    EvictedForMemory = "evicted_for_memory" {
        /// Node.
        node: Option<NodeName>,
    },
    /// The kubelet evicted the pod for its disk, not for memory.
    EvictedForStorage = "evicted_for_storage",
    /// The kubelet evicted the pod for another reason.
    EvictedOtherwise = "evicted_otherwise" {
        /// What it says.
        message: String,
    },
    /// No limit is set, so the node's memory was the limit: raise the request.
    NoLimit = "no_limit",
    /// The pod as a whole has a limit, and its containers share it.
    PodLevelLimit = "pod_level_limit" {
        /// The limit.
        limit: Bytes,
    },
    /// The template does not have it: raise it where the injector is set up.
    Injected = "injected",
    /// The pod is of an older template.
    OldTemplate = "old_template" {
        /// Pod.
        pod: String,
    },
    /// The template's limit is higher by now.
    AlreadyRaised = "already_raised" {
        /// Limit at the kill.
        was: Bytes,
        /// Limit of the template.
        now: Bytes,
    },
    /// The kill is history.
    TooOld = "too_old" {
        /// When.
        at: DateTime<Utc>,
        /// Days after which it is history.
        max_age_days: u16,
    },
    /// When it was killed is not known.
    TimeUnknown = "time_unknown" {
        /// Pod.
        pod: String,
    },
    /// An earlier raise answered every kill.
    AlreadyAnswered = "already_answered" {
        /// When.
        at: DateTime<Utc>,
    },
    /// A raise was made not long ago and gets time to show.
    CoolingDown = "cooling_down" {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// It was raised as often as is allowed: look for a leak.
    TooManySteps = "too_many_steps" {
        /// Raises.
        steps: u32,
    },
    /// It cannot be raised further.
    AtCeiling = "at_ceiling" {
        /// The limit now.
        limit: Bytes,
        /// The ceiling.
        ceiling: Bytes,
        /// What sets it: `original`, `largest_node` or `limit_range`.
        by: String,
    },
    /// No node takes a larger pod of it: its selector, its affinity or the
    /// nodes' taints keep it off, or they take no pods now.
    NoNodeTakesIt = "no_node_takes_it",
    /// A quota has no room for it.
    QuotaExceeded = "quota_exceeded" {
        /// Quota and the name in it.
        quota: String,
        /// Cap.
        hard: u64,
        /// Use, with what this run has given to others.
        used: u64,
        /// What would be added.
        more: u64,
    },
    /// Memory rises all the time: a higher limit only moves the kill.
    Leak = "leak" {
        /// Share of steps that rise, in thousandths.
        rising_milli: u64,
        /// Bytes an hour.
        per_hour: Bytes,
    },
    /// One pod of many was killed: look at what is special about it.
    SinglePod = "single_pod" {
        /// Pods that run.
        of: u32,
    },
    /// This many of its pods were killed.
    Killed = "killed" {
        /// Pods.
        pods: u32,
        /// Pods that there are.
        of: u32,
    },
    /// It was never seen near its limit: a spike, or the node.
    FarBelowLimit = "far_below_limit" {
        /// Most that was seen.
        seen: Bytes,
        /// The limit.
        limit: Bytes,
    },
    /// The heap has a fixed size: the kill is about what is beside it.
    FixedHeap = "fixed_heap" {
        /// Setting.
        setting: String,
        /// Heap with what the runtime needs beside it.
        needs: Bytes,
    },
    /// The heap is a share of the limit and would grow with it: lower the share.
    HeapFollowsLimit = "heap_follows_limit" {
        /// Setting.
        setting: String,
        /// Its value.
        value: String,
    },
    /// An autoscaler steers replicas by memory in percent of the request, so
    /// the request stays.
    HpaSteers = "hpa_steers" {
        /// Autoscaler.
        hpa: String,
        /// Target in percent of the request.
        target_percent: u32,
    },
    /// A volume in memory counts towards the limit.
    MemoryVolume = "memory_volume" {
        /// Volume.
        volume: String,
    },
    /// The limit is raised.
    Raise = "raise" {
        /// Before.
        from: Bytes,
        /// After.
        to: Bytes,
        /// Limit before the first raise.
        original: Bytes,
    },
    /// The request is raised with it, which may cost a node: a joint run counts it.
    RequestRaised = "request_raised" {
        /// More for each replica.
        bytes: Bytes,
        /// Replicas.
        replicas: u32,
    },
    /// The kills that the raise answers: what the ledger of raises has to keep.
    Answers = "answers" {
        /// `pod uid/container/restarts before the kill`.
        kills: Vec<String>,
    },
    /// The change restarts the pods.
    Restarts = "restarts" {
        /// Pods.
        pods: u32,
    },
    /// A rollout replaces pods without asking a disruption budget, and this one
    /// would let none of them be evicted now.
    BudgetNotAsked = "budget_not_asked" {
        /// Pods that it holds.
        pods: u32,
        /// Why the first of them could not be evicted.
        why: EvictionRefusal,
    },
    /// The new size comes only with an eviction, which a disruption budget
    /// refuses now.
    BudgetBlocksEviction = "budget_blocks_eviction" {
        /// Pods that it holds.
        pods: u32,
        /// Why the first of them could not be evicted.
        why: EvictionRefusal,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::LedgerMissing => f.write_str("no ledger says which raises were made before"),
            Self::ProtectedNamespace { namespace } => {
                write!(f, "the namespace {namespace} is protected")
            }
            Self::OptedOut { annotation } => write!(f, "the annotation {annotation} opts it out"),
            Self::OwnedByOther { owner } => write!(f, "{owner} makes it and would undo a change"),
            Self::NoController => f.write_str("nothing makes the pod anew with another limit"),
            Self::SizedByVpa { vpa, mode } => write!(
                f,
                "the vertical autoscaler {vpa} in mode {mode} answers kills itself"
            ),
            Self::AppliedFromRepository { by } => {
                write!(f, "{by} applies it from a repository: change it there")
            }
            Self::ManagedByHelm { release } => write!(
                f,
                "the Helm release {release} holds it: change its values too, or an upgrade brings the old limit back"
            ),
            Self::TemplateImmutable => {
                f.write_str("the template of a job cannot be changed: make a new job")
            }
            Self::OnDelete => f.write_str("pods take a new template only when they are deleted"),
            Self::Paused => f.write_str("it is paused or suspended"),
            Self::RolloutInProgress => f.write_str("a rollout is under way"),
            Self::RolloutUnknown => {
                f.write_str("its status does not say whether a rollout is under way")
            }
            Self::KilledAtLimit {
                pod,
                restarts,
                at,
                exit_code,
            } => write!(
                f,
                "{pod} was killed for memory at {at} (exit code {exit_code}, after {restarts} restarts)"
            ),
            Self::ChildKilled { pod, at } => {
                write!(f, "a child process in {pod} was killed for memory ")?;
                match at {
                    Some(at) => write!(f, "at {at}")?,
                    None => f.write_str("at an unknown time")?,
                }
                f.write_str(", and its containers go on")
            }
            Self::NotForMemory {
                pod,
                reason,
                exit_code,
            } => write!(f, "{pod} ended with {exit_code} ({reason}), not for memory"),
            Self::NodeOutOfMemory { node, evidence } => write!(
                f,
                "the node {node} was out of memory ({evidence}): a higher limit would make it worse"
            ),
            Self::EvictedForMemory { node } => write!(
                f,
                "evicted because {} was short of memory: raise the request, not the limit",
                node.as_ref().map_or("its node", NodeName::as_str)
            ),
            Self::EvictedForStorage => f.write_str("evicted for its disk, not for memory"),
            Self::EvictedOtherwise { message } => write!(f, "evicted: {message}"),
            Self::NoLimit => f.write_str("it has no limit, so its node ran out: raise the request"),
            Self::PodLevelLimit { limit } => {
                write!(f, "its containers share the pod's limit of {limit}")
            }
            Self::Injected => {
                f.write_str("the template does not have it: raise it where it is injected")
            }
            Self::OldTemplate { pod } => write!(f, "{pod} is of an older template"),
            Self::AlreadyRaised { was, now } => {
                write!(f, "the template has {now} by now, instead of {was}")
            }
            Self::TooOld { at, max_age_days } => {
                write!(f, "the kill at {at} is more than {max_age_days} days ago")
            }
            Self::TimeUnknown { pod } => write!(f, "it is not known when {pod} was killed"),
            Self::AlreadyAnswered { at } => write!(f, "the raise at {at} answered every kill"),
            Self::CoolingDown { until } => {
                write!(f, "a raise was made not long ago: wait until {until}")
            }
            Self::TooManySteps { steps } => {
                write!(
                    f,
                    "it was raised {steps} times and is killed still: look for a leak"
                )
            }
            Self::AtCeiling { limit, ceiling, by } => {
                write!(f, "{limit} cannot be raised above {ceiling} ({by})")
            }
            Self::NoNodeTakesIt => f.write_str("no node that was read takes a larger pod of it"),
            Self::QuotaExceeded {
                quota,
                hard,
                used,
                more,
            } => write!(
                f,
                "the quota {quota} is {hard}, used {used}, and lacks room for {more}"
            ),
            Self::Leak {
                rising_milli,
                per_hour,
            } => write!(
                f,
                "memory rises in {} % of steps, by {} MiB an hour: a leak, which a limit only delays",
                rising_milli / 10,
                per_hour.mib()
            ),
            Self::SinglePod { of } => {
                write!(
                    f,
                    "one of {of} pods was killed: look at what is special about it"
                )
            }
            Self::Killed { pods, of } => write!(f, "{pods} of {of} pods were killed"),
            Self::FarBelowLimit { seen, limit } => write!(
                f,
                "it was never seen above {} MiB of {} MiB: a spike, or the node",
                seen.mib(),
                limit.mib()
            ),
            Self::FixedHeap { setting, needs } => write!(
                f,
                "{setting} with what is beside it needs {} MiB",
                needs.mib()
            ),
            Self::HeapFollowsLimit { setting, value } => {
                write!(f, "{setting}={value} grows with the limit: lower the share")
            }
            Self::HpaSteers {
                hpa,
                target_percent,
            } => write!(
                f,
                "the autoscaler {hpa} holds memory at {target_percent} % of the request, which stays"
            ),
            Self::MemoryVolume { volume } => {
                write!(
                    f,
                    "the volume {volume} is in memory and counts towards the limit"
                )
            }
            Self::Raise { from, to, original } => {
                write!(
                    f,
                    "limit from {from} to {to}, which was {original} at first"
                )
            }
            Self::RequestRaised { bytes, replicas } => write!(
                f,
                "{replicas} replicas ask for {} MiB more each, which may cost a node",
                bytes.mib()
            ),
            Self::Answers { kills } => write!(f, "answers {} kills", kills.len()),
            Self::Restarts { pods } => write!(f, "restarts {pods} pods in a rollout"),
            Self::BudgetNotAsked { pods, why } => write!(
                f,
                "the rollout does not ask what would keep {pods} pods from eviction: {why}"
            ),
            Self::BudgetBlocksEviction { pods, why } => write!(
                f,
                "{pods} pods cannot be evicted to get another size: {why}"
            ),
        }
    }
}
