//! Changes.

use super::{Launch, Offering, Owner};
use crate::model::{
    AccountId, ClusterUid, ContainerResources, InstanceId, MicroUsdPerHour, NamespacedName,
    NodeName, Region, TaintEffect, Uid, VolumeId, WorkloadRef, ZoneId,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A pod that leaves its node, and where the plan expects it to go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PodMove {
    /// Pod.
    pub pod: NamespacedName,
    /// Its uid: the precondition of the eviction.
    pub uid: Uid,
    /// Where a node has room for it, by the simulation; not known when `None`.
    /// A node that is not there yet has a [planned name](super::planned_name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NodeName>,
}

/// An object of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ObjectRef {
    /// API version, such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.kind, self.name)
        } else {
            write!(f, "{}/{}/{}", self.namespace, self.kind, self.name)
        }
    }
}

/// One change. Its values before stand beside those after: that is its undo.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "act", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Launch nodes through their owner.
    LaunchNodes {
        /// Cluster.
        cluster: ClusterUid,
        /// What, how many, and who launches.
        launch: Box<Launch>,
    },
    /// Remove launched nodes that no pod uses, through their owner, and what was
    /// asked for and is no node yet. Nodes with pods stay.
    ReleaseNodes {
        /// Cluster.
        cluster: ClusterUid,
        /// What was launched.
        launch: Box<Launch>,
        /// Key of the step that launched them. Empty in the undo of a plan's
        /// step, and filled in when that is carried out.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        key: String,
    },
    /// Mark a node unschedulable.
    CordonNode {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
    },
    /// Mark a node schedulable.
    UncordonNode {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
    },
    /// Set or remove a taint of a node.
    TaintNode {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
        /// Key.
        key: String,
        /// Effect; a key may stand once with each.
        effect: TaintEffect,
        /// Value before; absent when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// Value after; absent when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Evict the pods of a cordoned node.
    DrainNode {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
        /// Pods that leave.
        moves: Vec<PodMove>,
    },
    /// Remove an empty node with its instance, through the owner.
    RemoveNode {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
        /// Instance behind it, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<InstanceId>,
        /// Who removes.
        via: Owner,
    },
    /// Delete the Node object of an instance that is gone.
    DeleteNodeObject {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
        /// Its uid: the precondition.
        uid: Uid,
    },
    /// Set a container's requests and limits in the workload's template.
    ResizeContainer {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// Container.
        container: String,
        /// It is an init container.
        init: bool,
        /// Before.
        from: Box<ContainerResources>,
        /// After.
        to: Box<ContainerResources>,
        /// The change restarts the pods (it is a rollout).
        restarts: bool,
    },
    /// Set the requests and limits of a container of a running pod, in place. Its
    /// workload's template stays, and so does the pod.
    ResizePod {
        /// Cluster.
        cluster: ClusterUid,
        /// Pod.
        pod: NamespacedName,
        /// Its uid: the precondition.
        uid: Uid,
        /// Container.
        container: String,
        /// Before.
        from: Box<ContainerResources>,
        /// After.
        to: Box<ContainerResources>,
    },
    /// Set a workload's replicas.
    ScaleWorkload {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// Suspend or resume a Job or CronJob.
    SuspendWorkload {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// After; before is the opposite.
        suspend: bool,
    },
    /// Set or remove an annotation.
    Annotate {
        /// Cluster.
        cluster: ClusterUid,
        /// Object.
        object: ObjectRef,
        /// Key.
        key: String,
        /// Before; absent when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// After; absent when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Set a service's `trafficDistribution`.
    RouteService {
        /// Cluster.
        cluster: ClusterUid,
        /// Service.
        service: NamespacedName,
        /// Before; not set when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// After; not set when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Prefer a zone for a workload's pods, by a preferred node affinity.
    PreferZone {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// Zone preferred before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<ZoneId>,
        /// Zone preferred after; no preference when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<ZoneId>,
    },
    /// Let part of a workload's replicas run on spot.
    SetSpotShare {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// Replicas on spot before.
        from: u32,
        /// Replicas on spot after.
        to: u32,
        /// Pools to draw from, with the most replicas that each may hold.
        pools: Vec<SpotPoolShare>,
        /// Where the replicas go when no pool has room.
        fallback: Offering,
    },
    /// Set or remove a tag of an instance or volume.
    Tag {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
        /// Id of the resource.
        resource: String,
        /// Key.
        key: String,
        /// Before; absent when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// After; absent when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Stop an instance.
    StopInstance {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
        /// Instance.
        instance: InstanceId,
    },
    /// Start a stopped instance.
    StartInstance {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
        /// Instance.
        instance: InstanceId,
    },
    /// Terminate an instance through its owner.
    TerminateInstance {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
        /// Instance.
        instance: InstanceId,
        /// Who terminates.
        via: Owner,
    },
    /// Take a snapshot of a volume and wait until it is complete.
    SnapshotVolume {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
        /// Volume.
        volume: VolumeId,
    },
    /// Delete a volume.
    DeleteVolume {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
        /// Volume.
        volume: VolumeId,
        /// When it was made: the precondition, beside its being unattached.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        created_at: Option<DateTime<Utc>>,
    },
}

/// The most that a workload may have in one pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SpotPoolShare {
    /// Pool.
    pub offering: Offering,
    /// Replicas at most.
    pub replicas: u32,
    /// Risk-adjusted price.
    pub risk_adjusted_price: MicroUsdPerHour,
    /// When the spot price in it held; `None` when nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_as_of: Option<DateTime<Utc>>,
    /// When the Spot Advisor's bands in it held; `None` where no band was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band_as_of: Option<DateTime<Utc>>,
}

impl Action {
    /// Whether no later action brings back what was there.
    pub const fn is_destructive(&self) -> bool {
        matches!(
            self,
            Self::RemoveNode { .. }
                | Self::ReleaseNodes { .. }
                | Self::DeleteNodeObject { .. }
                | Self::TerminateInstance { .. }
                | Self::DeleteVolume { .. }
        )
    }

    /// The resource that it changes: one plan changes each at most by one
    /// decision.
    pub fn resource(&self) -> String {
        match self {
            Self::LaunchNodes { cluster, launch }
            | Self::ReleaseNodes {
                cluster, launch, ..
            } => {
                let names: Vec<&str> = launch.nodes.iter().map(NodeName::as_str).collect();
                let (offering, via) = (&launch.offering, &launch.via);
                format!("{cluster}/launch/{offering}/{via}/{}", names.join(","))
            }
            Self::CordonNode { cluster, node }
            | Self::UncordonNode { cluster, node }
            | Self::TaintNode { cluster, node, .. }
            | Self::DrainNode { cluster, node, .. }
            | Self::RemoveNode { cluster, node, .. }
            | Self::DeleteNodeObject { cluster, node, .. } => format!("{cluster}/node/{node}"),
            Self::ResizeContainer {
                cluster,
                workload,
                container,
                ..
            } => {
                format!("{cluster}/workload/{workload}/container/{container}")
            }
            Self::ResizePod {
                cluster,
                pod,
                container,
                ..
            } => format!("{cluster}/pod/{pod}/container/{container}"),
            Self::ScaleWorkload {
                cluster, workload, ..
            }
            | Self::SuspendWorkload {
                cluster, workload, ..
            } => {
                format!("{cluster}/workload/{workload}/scale")
            }
            Self::SetSpotShare {
                cluster, workload, ..
            } => {
                format!("{cluster}/workload/{workload}/spot")
            }
            Self::PreferZone {
                cluster, workload, ..
            } => {
                format!("{cluster}/workload/{workload}/zone")
            }
            Self::Annotate {
                cluster,
                object,
                key,
                ..
            } => {
                format!("{cluster}/object/{object}/{key}")
            }
            Self::RouteService {
                cluster, service, ..
            } => format!("{cluster}/service/{service}"),
            Self::Tag {
                account,
                region,
                resource,
                key,
                ..
            } => {
                format!("{account}/{region}/{resource}/tag/{key}")
            }
            Self::StopInstance {
                account,
                region,
                instance,
            }
            | Self::StartInstance {
                account,
                region,
                instance,
            }
            | Self::TerminateInstance {
                account,
                region,
                instance,
                ..
            } => {
                format!("{account}/{region}/{instance}")
            }
            Self::SnapshotVolume {
                account,
                region,
                volume,
            }
            | Self::DeleteVolume {
                account,
                region,
                volume,
                ..
            } => {
                format!("{account}/{region}/{volume}")
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unset = |v: &Option<String>| v.clone().unwrap_or_else(|| "nothing".to_owned());
        match self {
            Self::LaunchNodes { launch, .. } => {
                let Launch {
                    offering,
                    count,
                    via,
                    ..
                } = &**launch;
                write!(f, "launch {count} × {offering} through {via}")
            }
            Self::ReleaseNodes { launch, .. } => {
                let Launch { offering, via, .. } = &**launch;
                write!(
                    f,
                    "remove launched nodes of {offering} that are not used through {via}"
                )
            }
            Self::CordonNode { node, .. } => write!(f, "cordon {node}"),
            Self::UncordonNode { node, .. } => write!(f, "uncordon {node}"),
            Self::TaintNode {
                node,
                key,
                effect,
                to,
                ..
            } => match to {
                Some(to) => write!(f, "taint {node} with {key}={to}:{effect:?}"),
                None => write!(f, "remove the taint {key}:{effect:?} of {node}"),
            },
            Self::DrainNode { node, moves, .. } => {
                write!(f, "evict {} pods from {node}", moves.len())
            }
            Self::RemoveNode { node, via, .. } => write!(f, "remove {node} through {via}"),
            Self::DeleteNodeObject { node, .. } => write!(f, "delete the node object {node}"),
            Self::ResizeContainer {
                workload,
                container,
                from,
                to,
                ..
            } => {
                write!(
                    f,
                    "resize {workload}:{container} from {} to {}",
                    brief(from),
                    brief(to)
                )
            }
            Self::ResizePod {
                pod,
                container,
                from,
                to,
                ..
            } => {
                write!(
                    f,
                    "resize pod {pod}:{container} in place from {} to {}",
                    brief(from),
                    brief(to)
                )
            }
            Self::ScaleWorkload {
                workload, from, to, ..
            } => {
                write!(f, "scale {workload} from {from} to {to}")
            }
            Self::SuspendWorkload {
                workload, suspend, ..
            } => {
                write!(
                    f,
                    "{} {workload}",
                    if *suspend { "suspend" } else { "resume" }
                )
            }
            Self::Annotate {
                object, key, to, ..
            } => {
                write!(f, "set {key} of {object} to {}", unset(to))
            }
            Self::RouteService { service, to, .. } => {
                write!(f, "set trafficDistribution of {service} to {}", unset(to))
            }
            Self::PreferZone { workload, to, .. } => {
                let to = to.as_ref().map(ToString::to_string);
                write!(f, "prefer zone {} for {workload}", unset(&to))
            }
            Self::SetSpotShare {
                workload, from, to, ..
            } => {
                write!(
                    f,
                    "run {to} instead of {from} replicas of {workload} on spot"
                )
            }
            Self::Tag {
                resource, key, to, ..
            } => {
                write!(f, "set tag {key} of {resource} to {}", unset(to))
            }
            Self::StopInstance { instance, .. } => write!(f, "stop {instance}"),
            Self::StartInstance { instance, .. } => write!(f, "start {instance}"),
            Self::TerminateInstance { instance, via, .. } => {
                write!(f, "terminate {instance} through {via}")
            }
            Self::SnapshotVolume { volume, .. } => write!(f, "take a snapshot of {volume}"),
            Self::DeleteVolume { volume, .. } => write!(f, "delete {volume}"),
        }
    }
}

fn brief(resources: &ContainerResources) -> String {
    let show = |cpu: Option<String>, memory: Option<String>| {
        format!(
            "{}/{}",
            cpu.as_deref().unwrap_or("-"),
            memory.as_deref().unwrap_or("-")
        )
    };
    let requests = show(
        resources.requests.cpu.map(|c| c.to_string()),
        resources.requests.memory.map(|m| m.to_string()),
    );
    let limits = show(
        resources.limits.cpu.map(|c| c.to_string()),
        resources.limits.memory.map(|m| m.to_string()),
    );
    format!("{requests} (limits {limits})")
}
