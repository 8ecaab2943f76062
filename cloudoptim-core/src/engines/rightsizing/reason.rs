//! Reasons.

use super::config::Rule;
use crate::engines::sizing::SizedResource;
use crate::model::{Bytes, InstanceType, MicroUsdPerHour, MilliCpu, NodeName};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the engine decided as it did. Amounts of a [`SizedResource`] are
/// thousandths of a core or bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A part of the snapshot is missing or may have holes.
    PartMissing {
        /// Which part.
        part: String,
        /// What it is instead of complete.
        state: String,
    },
    /// The namespace is protected.
    ProtectedNamespace {
        /// Namespace.
        namespace: String,
    },
    /// An annotation keeps the engine off.
    OptedOut {
        /// Annotation.
        annotation: String,
    },
    /// An operator makes the workload and would undo a change.
    OwnedByOther {
        /// Kind and name.
        owner: String,
    },
    /// Nothing makes the pod anew, so nothing can carry a new size.
    NoController,
    /// A VerticalPodAutoscaler sizes it.
    SizedByVpa {
        /// Its name.
        vpa: String,
        /// Its update mode.
        mode: String,
    },
    /// It is applied from a repository, where the change has to be made.
    AppliedFromRepository {
        /// By what.
        by: String,
    },
    /// A Helm release holds it: change its values too, or the next upgrade
    /// brings the old size back.
    ManagedByHelm {
        /// Release.
        release: String,
    },
    /// The template of a Job cannot be changed.
    TemplateImmutable,
    /// Pods get a new template only when somebody deletes them.
    OnDelete,
    /// The rollout is paused, or the job suspended.
    Paused,
    /// A rollout is under way.
    RolloutInProgress,
    /// The status does not say whether a rollout is under way.
    RolloutUnknown,
    /// No pod runs.
    NotRunning,
    /// The pod as a whole has requests or limits.
    PodLevelResources,
    /// It runs before the others: its request counts only where it is the larger.
    InitContainer,
    /// The template does not have it: an injector adds it.
    Injected,
    /// No usage is known.
    NoUsage {
        /// Of what.
        resource: SizedResource,
    },
    /// The history is too short.
    TooLittleHistory {
        /// Hours there are.
        hours: u64,
        /// Hours needed.
        needed: u64,
    },
    /// There are too few samples.
    TooFewSamples {
        /// Samples there are.
        samples: u64,
        /// Samples needed.
        needed: u64,
    },
    /// Too much of the history is missing.
    Holes {
        /// Values that are missing.
        missing: u64,
        /// Values that are there.
        samples: u64,
        /// Longest hole in seconds.
        longest_gap_seconds: u64,
    },
    /// Evidence: it slept while its usage has holes.
    AsleepMeanwhile {
        /// Holes that its sleep explains.
        gaps: u64,
        /// The longest of them in seconds.
        longest_gap_seconds: u64,
    },
    /// The usage ends too long before the snapshot.
    StaleUsage {
        /// Last sample.
        last_at: DateTime<Utc>,
    },
    /// The release is too new.
    NewRelease {
        /// Since when; not known when `None`.
        since: Option<DateTime<Utc>>,
        /// Hours that it must have been seen.
        needed_hours: u16,
    },
    /// Too few runs were seen.
    TooFewRuns {
        /// Runs.
        runs: u64,
        /// Runs needed.
        needed: u64,
    },
    /// An autoscaler steers replicas by use in percent of this request:
    /// another request would change the replicas.
    HpaSteers {
        /// Autoscaler.
        hpa: String,
        /// Resource.
        resource: SizedResource,
        /// Target in percent of the request.
        target_percent: u32,
    },
    /// A scaled object steers replicas by use of this resource.
    ScaledObjectSteers {
        /// Scaled object.
        scaled_object: String,
        /// Resource.
        resource: SizedResource,
    },
    /// Its CPU limit holds it back: what it uses is less than what it needs, so
    /// the CPU request is not lowered.
    Throttled {
        /// Share of the periods of the pod that is held back most, in thousandths.
        throttled_milli: u64,
        /// The most that counts as free, in percent.
        max_percent: u32,
    },
    /// Not judged: no counters say whether its CPU limit holds it back, or only
    /// those of some of its pods.
    ThrottlingUnknown,
    /// Evidence: a runtime that counts the processors of its limit starts fewer
    /// threads, those of its garbage collector too.
    FewerProcessors {
        /// Whole processors by the limit before.
        from: u64,
        /// After.
        to: u64,
    },
    /// Evidence: a setting fixes more processors than the limit leaves, so
    /// their threads hold each other back.
    ProcessorsFixed {
        /// Setting.
        setting: String,
        /// Its value.
        value: String,
    },
    /// Evidence: a volume in memory counts as memory of its container, whether
    /// or not it was full while it was seen.
    MemoryVolume {
        /// Volume.
        volume: String,
    },
    /// The runtime takes a share of the container's memory, or its setting
    /// cannot be read: what it needs does not show in what it uses.
    RuntimeHeap {
        /// Setting.
        setting: String,
        /// Its value.
        value: String,
    },
    /// The runtime's heap is fixed, and the request has to hold it.
    HeapFloor {
        /// Setting.
        setting: String,
        /// Heap with what the runtime needs beside it, in bytes.
        bytes: u64,
    },
    /// A container was killed for memory, or by an unknown hand, not long ago.
    RecentKill {
        /// Pod.
        pod: String,
        /// When; not known when `None`.
        at: Option<DateTime<Utc>>,
        /// Reason in the pod's status.
        reason: String,
    },
    /// The pod would get another QoS class.
    QosWouldChange {
        /// Class now.
        from: String,
        /// Class then.
        to: String,
    },
    /// A LimitRange does not allow it.
    OutsideLimitRange {
        /// Resource.
        resource: SizedResource,
        /// `min`, `max` or `maxLimitRequestRatio`.
        bound: String,
        /// The bound; the ratio in thousandths.
        value: u64,
    },
    /// A quota has no room for it.
    QuotaExceeded {
        /// Quota and the name in it.
        quota: String,
        /// Cap.
        hard: u64,
        /// Use, with what this run has given to others.
        used: u64,
        /// What would be added.
        more: u64,
    },
    /// No node could hold the pod.
    AboveLargestNode {
        /// Resource.
        resource: SizedResource,
        /// The most that a node has.
        largest: u64,
    },
    /// No node could hold the pod beside the DaemonSet pods and static pods
    /// that run on it.
    BesideDaemonSets {
        /// Resource.
        resource: SizedResource,
        /// The node that leaves the most; for a DaemonSet, the one of its
        /// nodes that leaves the least.
        node: NodeName,
        /// What DaemonSet pods and static pods take of it.
        daemons: u64,
        /// What it leaves for the pod.
        leaves: u64,
    },
    /// A larger pod needs a node, and none takes it: its selector, its affinity
    /// or the nodes' taints keep it off, or they take no pods now.
    NoNodeTakesIt,
    /// The change is too small to be worth a rollout.
    WithinDeadBand {
        /// Resource.
        resource: SizedResource,
        /// Request now.
        now: u64,
        /// Request wanted.
        wanted: u64,
        /// Least change in percent.
        min_percent: u32,
    },
    /// What the rule wants.
    Wanted {
        /// Rule.
        rule: Rule,
        /// Resource.
        resource: SizedResource,
        /// The figure that it comes from.
        basis: String,
        /// Its value.
        value: u64,
        /// The request that follows.
        target: u64,
        /// Bounds within which the rule would leave a request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bounds: Option<(u64, u64)>,
    },
    /// Held up by what a pod has used.
    HeldAtUse {
        /// Resource.
        resource: SizedResource,
        /// Memory: the largest peak of any pod. CPU: the mean of the busiest
        /// live one.
        used: u64,
    },
    /// Only part of the way in one step.
    ShrinkLimited {
        /// Resource.
        resource: SizedResource,
        /// Where it is to end.
        wanted: u64,
        /// This step.
        step: u64,
    },
    /// The request changes.
    Request {
        /// Resource.
        resource: SizedResource,
        /// Before; not set when `None`.
        from: Option<u64>,
        /// After.
        to: u64,
    },
    /// Requests are freed. That saves money only once a node goes: what is at
    /// stake is the share of the nodes' price.
    Frees {
        /// CPU over all replicas.
        cpu: MilliCpu,
        /// Memory over all replicas.
        memory: Bytes,
        /// Replicas.
        replicas: u32,
    },
    /// The change restarts the pods.
    Restarts {
        /// Pods.
        pods: u32,
    },
    /// Evidence: the kubelets could also change the running pods in place. The
    /// act changes the template, which new pods need, and so restarts them.
    ResizableInPlace {
        /// The container's resize policy restarts it.
        restarts_container: bool,
    },
    /// The node's type cannot be judged.
    NodeNotJudged {
        /// What is missing.
        missing: String,
    },
    /// No cheaper type holds what the node runs.
    NodeFits {
        /// Type.
        instance_type: InstanceType,
    },
    /// A cheaper type would hold what the node runs. Replacing nodes is the
    /// packer's business, which may find better.
    CheaperTypeHolds {
        /// Type now.
        now: InstanceType,
        /// The cheapest type that holds it.
        then: InstanceType,
        /// Price now.
        price_now: MicroUsdPerHour,
        /// Price then.
        price_then: MicroUsdPerHour,
        /// CPU that its pods ask for.
        cpu: MilliCpu,
        /// Memory that its pods ask for.
        memory: Bytes,
        /// Pods.
        pods: u64,
    },
}

impl Reason {
    /// Every code, in the order of the variants.
    pub const CODES: &'static [&'static str] = &[
        "part_missing",
        "protected_namespace",
        "opted_out",
        "owned_by_other",
        "no_controller",
        "sized_by_vpa",
        "applied_from_repository",
        "managed_by_helm",
        "template_immutable",
        "on_delete",
        "paused",
        "rollout_in_progress",
        "rollout_unknown",
        "not_running",
        "pod_level_resources",
        "init_container",
        "injected",
        "no_usage",
        "too_little_history",
        "too_few_samples",
        "holes",
        "asleep_meanwhile",
        "stale_usage",
        "new_release",
        "too_few_runs",
        "hpa_steers",
        "scaled_object_steers",
        "throttled",
        "throttling_unknown",
        "fewer_processors",
        "processors_fixed",
        "memory_volume",
        "runtime_heap",
        "heap_floor",
        "recent_kill",
        "qos_would_change",
        "outside_limit_range",
        "quota_exceeded",
        "above_largest_node",
        "beside_daemon_sets",
        "no_node_takes_it",
        "within_dead_band",
        "wanted",
        "held_at_use",
        "shrink_limited",
        "request",
        "frees",
        "restarts",
        "resizable_in_place",
        "node_not_judged",
        "node_fits",
        "cheaper_type_holds",
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::ProtectedNamespace { namespace } => {
                write!(f, "the namespace {namespace} is protected")
            }
            Self::OptedOut { annotation } => write!(f, "the annotation {annotation} opts it out"),
            Self::OwnedByOther { owner } => write!(f, "{owner} makes it and would undo a change"),
            Self::NoController => f.write_str("nothing makes the pod anew with another size"),
            Self::SizedByVpa { vpa, mode } => {
                write!(f, "the vertical autoscaler {vpa} sizes it in mode {mode}")
            }
            Self::AppliedFromRepository { by } => {
                write!(f, "{by} applies it from a repository: change it there")
            }
            Self::ManagedByHelm { release } => write!(
                f,
                "the Helm release {release} holds it: change its values too, or an upgrade brings the old size back"
            ),
            Self::TemplateImmutable => f.write_str("the template of a job cannot be changed"),
            Self::OnDelete => f.write_str("pods take a new template only when they are deleted"),
            Self::Paused => f.write_str("it is paused or suspended"),
            Self::RolloutInProgress => f.write_str("a rollout is under way"),
            Self::RolloutUnknown => {
                f.write_str("its status does not say whether a rollout is under way")
            }
            Self::NotRunning => f.write_str("no pod of it runs"),
            Self::PodLevelResources => f.write_str("the pod as a whole has requests or limits"),
            Self::InitContainer => f.write_str("it runs before the others, not beside them"),
            Self::Injected => f.write_str("an injector adds it: the template does not have it"),
            Self::NoUsage { resource } => write!(f, "no {resource} usage is known"),
            Self::TooLittleHistory { hours, needed } => {
                write!(f, "{hours} h of history are less than {needed} h")
            }
            Self::TooFewSamples { samples, needed } => {
                write!(f, "{samples} samples are less than {needed}")
            }
            Self::Holes {
                missing,
                samples,
                longest_gap_seconds,
            } => write!(
                f,
                "{missing} values are missing beside {samples}, the longest hole is {} h",
                longest_gap_seconds / 3600
            ),
            Self::AsleepMeanwhile {
                gaps,
                longest_gap_seconds,
            } => write!(
                f,
                "it slept in {gaps} holes of its usage, the longest of {} h",
                longest_gap_seconds / 3600
            ),
            Self::StaleUsage { last_at } => write!(f, "usage ends at {last_at}"),
            Self::NewRelease {
                since,
                needed_hours,
            } => match since {
                Some(since) => {
                    write!(
                        f,
                        "the release is of {since}, less than {needed_hours} h ago"
                    )
                }
                None => f.write_str("it is not known since when the release runs"),
            },
            Self::TooFewRuns { runs, needed } => {
                write!(f, "{runs} runs were seen, less than {needed}")
            }
            Self::HpaSteers {
                hpa,
                resource,
                target_percent,
            } => write!(
                f,
                "the autoscaler {hpa} holds {resource} at {target_percent} % of the request: another request would change the replicas"
            ),
            Self::ScaledObjectSteers {
                scaled_object,
                resource,
            } => write!(
                f,
                "the scaled object {scaled_object} steers replicas by {resource}"
            ),
            Self::Throttled {
                throttled_milli,
                max_percent,
            } => write!(
                f,
                "its cpu limit holds it back in {}.{} % of the periods, more than {max_percent} %",
                throttled_milli / 10,
                throttled_milli % 10
            ),
            Self::ThrottlingUnknown => {
                f.write_str("counters do not say of every pod whether its cpu limit holds it back")
            }
            Self::FewerProcessors { from, to } => write!(
                f,
                "a runtime that counts processors by the limit sees {to} instead of {from}, and starts fewer threads"
            ),
            Self::ProcessorsFixed { setting, value } => write!(
                f,
                "{setting}={value} is more than the processors that its limit leaves"
            ),
            Self::MemoryVolume { volume } => {
                write!(f, "the volume {volume} lies in memory and counts as such")
            }
            Self::RuntimeHeap { setting, value } => write!(
                f,
                "{setting}={value} lets the heap follow the memory that is there"
            ),
            Self::HeapFloor { setting, bytes } => {
                write!(f, "{setting} needs {}", Bytes(*bytes))
            }
            Self::RecentKill { pod, at, reason } => match at {
                Some(at) => write!(f, "{pod} was killed at {at} ({reason})"),
                None => write!(f, "{pod} was killed at an unknown time ({reason})"),
            },
            Self::QosWouldChange { from, to } => {
                write!(f, "the pod would become {to} instead of {from}")
            }
            Self::OutsideLimitRange {
                resource,
                bound,
                value,
            } => {
                if bound == "maxLimitRequestRatio" {
                    write!(
                        f,
                        "a limit range holds limit ÷ request of {resource} at {value} ‰"
                    )
                } else {
                    let value = resource.show(*value);
                    write!(f, "a limit range has {bound} {value} for {resource}")
                }
            }
            Self::QuotaExceeded {
                quota,
                hard,
                used,
                more,
            } => write!(
                f,
                "the quota {quota} is {hard}, used {used}, and lacks room for {more}"
            ),
            Self::AboveLargestNode { resource, largest } => write!(
                f,
                "no node with room for the pod has more {resource} than {}",
                resource.show(*largest)
            ),
            Self::BesideDaemonSets {
                resource,
                node,
                daemons,
                leaves,
            } => write!(
                f,
                "beside DaemonSets that take {} of {resource}, {node} leaves {} for the pod",
                resource.show(*daemons),
                resource.show(*leaves)
            ),
            Self::NoNodeTakesIt => f.write_str("no node takes a larger pod of it"),
            Self::WithinDeadBand {
                resource,
                now,
                wanted,
                min_percent,
            } => write!(
                f,
                "{resource} {} is within {min_percent} % of {}",
                resource.show(*now),
                resource.show(*wanted)
            ),
            Self::Wanted {
                rule,
                resource,
                basis,
                value,
                target,
                ..
            } => write!(
                f,
                "{resource}: {basis} is {}, so {} asks for {}",
                resource.show(*value),
                rule.as_str(),
                resource.show(*target)
            ),
            Self::HeldAtUse { resource, used } => match resource {
                SizedResource::Cpu => write!(
                    f,
                    "the busiest pod uses {} of cpu on average",
                    resource.show(*used)
                ),
                _ => write!(f, "a pod has used {} of memory", resource.show(*used)),
            },
            Self::ShrinkLimited {
                resource,
                wanted,
                step,
            } => write!(
                f,
                "{resource} goes to {} first, on the way to {}",
                resource.show(*step),
                resource.show(*wanted)
            ),
            Self::Request { resource, from, to } => write!(
                f,
                "{resource} request from {} to {}",
                from.map_or_else(|| "nothing".to_owned(), |from| resource.show(from)),
                resource.show(*to)
            ),
            Self::Frees {
                cpu,
                memory,
                replicas,
            } => write!(
                f,
                "frees {cpu} of cpu and {} MiB of memory over {replicas} replicas, which saves money once a node goes",
                memory.mib()
            ),
            Self::Restarts { pods } => write!(f, "restarts {pods} pods in a rollout"),
            Self::ResizableInPlace { restarts_container } => write!(
                f,
                "running pods could change in place, {} their container",
                if *restarts_container {
                    "restarting"
                } else {
                    "without a restart of"
                }
            ),
            Self::NodeNotJudged { missing } => {
                write!(f, "its type cannot be judged without {missing}")
            }
            Self::NodeFits { instance_type } => write!(
                f,
                "no type cheaper than {instance_type} holds what the node runs"
            ),
            Self::CheaperTypeHolds {
                now,
                then,
                price_now,
                price_then,
                cpu,
                memory,
                pods,
            } => write!(
                f,
                "{then} at {price_then} would hold its {pods} pods ({cpu} of cpu, {} MiB) instead of {now} at {price_now}",
                memory.mib()
            ),
        }
    }
}
