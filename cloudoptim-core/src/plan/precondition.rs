//! What must still be so at the moment of acting.

use super::StepId;
use crate::decision::{Action, Launch, NodeShape, ObjectRef, Owner};
use crate::model::{
    ClusterUid, ContainerResources, InstanceId, InstanceState, NamespacedName, NodeName, Snapshot,
    Uid, VolumeId, WorkloadRef,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What must still be so at the moment of acting: read again, from the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "check", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Precondition {
    /// The node has this uid and runs on this instance.
    NodeIs {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
        /// Uid.
        uid: Uid,
        /// Instance.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<InstanceId>,
    },
    /// The node runs only pods that end with it.
    NodeIsEmpty {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
    },
    /// These pods of the node fit elsewhere, simulated anew.
    PodsFitElsewhere {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
        /// Pods.
        pods: Vec<Uid>,
    },
    /// The pods of these controllers are back: none waits for a node, and as
    /// many are ready as the plan saw, or as are wanted now. Waited for.
    PodsAreReady {
        /// Cluster.
        cluster: ClusterUid,
        /// Controllers, by uid.
        controllers: Vec<Controller>,
    },
    /// What a step of the plan launched is ready, as many as it asked for, of
    /// the expected labels and room, and without start-up taints. Waited for.
    NodesAreReady(LaunchedNodes),
    /// The group wants so many nodes, and may have so many more.
    GroupWants {
        /// Group.
        group: Owner,
        /// Wanted.
        size: u32,
        /// How many more.
        more: u32,
    },
    /// The workload has this uid, and its specification this generation.
    WorkloadIs {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// Uid.
        uid: Uid,
        /// Generation; not compared when it changed by an earlier step of the plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<i64>,
    },
    /// The container has these requests and limits.
    ContainerAsks {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// Container.
        container: String,
        /// Requests and limits.
        resources: Box<ContainerResources>,
    },
    /// The workload has this many replicas.
    ReplicasAre {
        /// Cluster.
        cluster: ClusterUid,
        /// Workload.
        workload: WorkloadRef,
        /// Replicas.
        replicas: u32,
    },
    /// The object's annotation has this value.
    AnnotationIs {
        /// Cluster.
        cluster: ClusterUid,
        /// Object.
        object: ObjectRef,
        /// Key.
        key: String,
        /// Value; absent when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// The service's `trafficDistribution` has this value.
    RoutingIs {
        /// Cluster.
        cluster: ClusterUid,
        /// Service.
        service: NamespacedName,
        /// Value; not set when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// The instance was launched then, and is in this state.
    InstanceIs {
        /// Instance.
        instance: InstanceId,
        /// Launch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        launched_at: Option<DateTime<Utc>>,
        /// State.
        state: InstanceState,
    },
    /// No node of any cluster runs on the instance.
    NoNodeRunsOn {
        /// Instance.
        instance: InstanceId,
    },
    /// No instance stands behind the node.
    NoInstanceBehind {
        /// Cluster.
        cluster: ClusterUid,
        /// Node.
        node: NodeName,
    },
    /// The volume was made then, and is attached to nothing.
    VolumeIsUnattached {
        /// Volume.
        volume: VolumeId,
        /// When it was made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        created_at: Option<DateTime<Utc>>,
    },
    /// A complete snapshot of the volume exists, as large as the volume.
    SnapshotIsComplete {
        /// Volume.
        volume: VolumeId,
    },
    /// The figures on which the worth of more spot rests are of these moments,
    /// and not too old. Nothing is read for it.
    SpotFiguresAreOf {
        /// The oldest spot price; of unknown age when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priced_at: Option<DateTime<Utc>>,
        /// The oldest of the Spot Advisor's bands; none was used when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        banded_at: Option<DateTime<Utc>>,
    },
    /// The tag has this value.
    TagIs {
        /// Resource.
        resource: String,
        /// Key.
        key: String,
        /// Value; absent when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
}

/// Nodes that a step of the plan launched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LaunchedNodes {
    /// Cluster.
    pub cluster: ClusterUid,
    /// The step.
    pub launch: StepId,
    /// How many.
    pub count: u32,
    /// Who launched: of a group, nodes count that joined it after `since`.
    pub via: Owner,
    /// When the plan was made.
    pub since: DateTime<Utc>,
    /// What each has to be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Box<NodeShape>>,
}

impl LaunchedNodes {
    pub(crate) fn of(
        cluster: &ClusterUid,
        launch: &Launch,
        step: StepId,
        since: DateTime<Utc>,
    ) -> Self {
        Self {
            cluster: cluster.clone(),
            launch: step,
            count: launch.count,
            via: launch.via.clone(),
            since,
            shape: launch.shape.clone(),
        }
    }
}

/// A controller whose pods are watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// Uid.
    pub uid: Uid,
    /// Kind, such as `ReplicaSet`.
    pub kind: String,
    /// Namespace and name.
    pub name: NamespacedName,
    /// Ready pods when the plan was made.
    pub ready: u32,
}

impl Precondition {
    /// What must be so for `action`, from what the snapshot shows.
    pub fn of(action: &Action, snapshot: &Snapshot) -> Vec<Self> {
        let node_is = |cluster: &ClusterUid, name: &NodeName| {
            let node = snapshot.cluster(cluster).and_then(|c| {
                c.nodes
                    .items()
                    .iter()
                    .find(|n| n.meta.name == name.as_str())
            });
            Self::NodeIs {
                cluster: cluster.clone(),
                node: name.clone(),
                uid: node.map(|n| n.meta.uid.clone()).unwrap_or_default(),
                instance: node.and_then(crate::model::Node::instance_id),
            }
        };
        let workload_is = |cluster: &ClusterUid, workload: &WorkloadRef| {
            let found = snapshot.cluster(cluster).and_then(|c| {
                c.workloads
                    .items()
                    .iter()
                    .find(|w| w.reference() == *workload)
            });
            Self::WorkloadIs {
                cluster: cluster.clone(),
                workload: workload.clone(),
                uid: found.map(|w| w.meta.uid.clone()).unwrap_or_default(),
                generation: found.and_then(|w| w.meta.generation),
            }
        };
        let instance_is = |id: &InstanceId| {
            let instance = snapshot
                .clouds
                .iter()
                .flat_map(|c| c.instances.items())
                .find(|i| i.id == *id);
            Self::InstanceIs {
                instance: id.clone(),
                launched_at: instance.and_then(|i| i.launched_at),
                state: instance.map(|i| i.state).unwrap_or_default(),
            }
        };
        match action {
            Action::LaunchNodes { launch, .. } => {
                let size = launch.group_size.into_iter();
                let wants = |size| Self::GroupWants {
                    group: launch.via.clone(),
                    size,
                    more: launch.count,
                };
                size.map(wants).collect()
            }
            Action::ReleaseNodes { .. } => Vec::new(),
            Action::CordonNode { cluster, node } | Action::UncordonNode { cluster, node } => {
                vec![node_is(cluster, node)]
            }
            Action::DrainNode {
                cluster,
                node,
                moves,
            } => vec![
                node_is(cluster, node),
                Self::PodsFitElsewhere {
                    cluster: cluster.clone(),
                    node: node.clone(),
                    pods: moves.iter().map(|m| m.uid.clone()).collect(),
                },
            ],
            Action::RemoveNode { cluster, node, .. } => vec![
                node_is(cluster, node),
                Self::NodeIsEmpty {
                    cluster: cluster.clone(),
                    node: node.clone(),
                },
            ],
            Action::DeleteNodeObject { cluster, node, .. } => vec![
                node_is(cluster, node),
                Self::NoInstanceBehind {
                    cluster: cluster.clone(),
                    node: node.clone(),
                },
            ],
            Action::ResizeContainer {
                cluster,
                workload,
                container,
                from,
                ..
            } => vec![
                workload_is(cluster, workload),
                Self::ContainerAsks {
                    cluster: cluster.clone(),
                    workload: workload.clone(),
                    container: container.clone(),
                    resources: from.clone(),
                },
            ],
            Action::ScaleWorkload {
                cluster,
                workload,
                from,
                ..
            } => vec![
                workload_is(cluster, workload),
                Self::ReplicasAre {
                    cluster: cluster.clone(),
                    workload: workload.clone(),
                    replicas: *from,
                },
            ],
            Action::SuspendWorkload {
                cluster, workload, ..
            }
            | Action::PreferZone {
                cluster, workload, ..
            } => vec![workload_is(cluster, workload)],
            Action::SetSpotShare {
                cluster,
                workload,
                from,
                to,
                pools,
                ..
            } => {
                let mut all = vec![workload_is(cluster, workload)];
                // Less spot is the way back, which no figure may bar.
                if to > from {
                    let priced: Option<Vec<_>> = pools.iter().map(|p| p.price_as_of).collect();
                    all.push(Self::SpotFiguresAreOf {
                        priced_at: priced.and_then(|at| at.into_iter().min()),
                        banded_at: pools.iter().filter_map(|p| p.band_as_of).min(),
                    });
                }
                all
            }
            Action::Annotate {
                cluster,
                object,
                key,
                from,
                ..
            } => vec![Self::AnnotationIs {
                cluster: cluster.clone(),
                object: object.clone(),
                key: key.clone(),
                value: from.clone(),
            }],
            Action::RouteService {
                cluster,
                service,
                from,
                ..
            } => vec![Self::RoutingIs {
                cluster: cluster.clone(),
                service: service.clone(),
                value: from.clone(),
            }],
            Action::Tag {
                resource,
                key,
                from,
                ..
            } => vec![Self::TagIs {
                resource: resource.clone(),
                key: key.clone(),
                value: from.clone(),
            }],
            Action::StopInstance { instance, .. } | Action::TerminateInstance { instance, .. } => {
                vec![
                    instance_is(instance),
                    Self::NoNodeRunsOn {
                        instance: instance.clone(),
                    },
                ]
            }
            Action::StartInstance { instance, .. } => vec![instance_is(instance)],
            Action::SnapshotVolume { volume, .. } => {
                vec![Self::VolumeIsUnattached {
                    volume: volume.clone(),
                    created_at: None,
                }]
            }
            Action::DeleteVolume {
                volume, created_at, ..
            } => vec![
                Self::VolumeIsUnattached {
                    volume: volume.clone(),
                    created_at: *created_at,
                },
                Self::SnapshotIsComplete {
                    volume: volume.clone(),
                },
            ],
        }
    }
}

impl fmt::Display for Precondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |v: &Option<String>| v.clone().unwrap_or_else(|| "absent".to_owned());
        match self {
            Self::NodeIs { node, uid, .. } => write!(f, "node {node} still has uid {uid}"),
            Self::NodeIsEmpty { node, .. } => write!(f, "{node} runs only pods that end with it"),
            Self::PodsFitElsewhere { node, pods, .. } => write!(
                f,
                "{} pods of {node} fit elsewhere, simulated anew",
                pods.len()
            ),
            Self::PodsAreReady { controllers, .. } => {
                f.write_str("the pods of ")?;
                for (index, controller) in controllers.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{} {}", controller.kind, controller.name)?;
                }
                f.write_str(" are ready again")
            }
            Self::NodesAreReady(launched) => {
                let LaunchedNodes { count, via, .. } = launched;
                write!(f, "{count} nodes launched through {via} are ready")
            }
            Self::GroupWants { group, size, more } => {
                write!(f, "{group} wants {size} nodes, and may have {more} more")
            }
            Self::WorkloadIs {
                workload,
                uid,
                generation,
                ..
            } => match generation {
                Some(generation) => {
                    write!(
                        f,
                        "{workload} still has uid {uid} and generation {generation}"
                    )
                }
                None => write!(f, "{workload} still has uid {uid}"),
            },
            Self::ContainerAsks {
                workload,
                container,
                ..
            } => {
                write!(f, "{workload}:{container} asks for what it asked for")
            }
            Self::ReplicasAre {
                workload, replicas, ..
            } => {
                write!(f, "{workload} has {replicas} replicas")
            }
            Self::AnnotationIs {
                object, key, value, ..
            } => {
                write!(f, "{key} of {object} is {}", shown(value))
            }
            Self::RoutingIs { service, value, .. } => {
                write!(f, "trafficDistribution of {service} is {}", shown(value))
            }
            Self::InstanceIs {
                instance, state, ..
            } => {
                write!(f, "{instance} is the same instance, and {state:?}")
            }
            Self::NoNodeRunsOn { instance } => write!(f, "no node runs on {instance}"),
            Self::NoInstanceBehind { node, .. } => write!(f, "no instance is behind {node}"),
            Self::VolumeIsUnattached { volume, .. } => write!(f, "{volume} is unattached"),
            Self::SnapshotIsComplete { volume } => {
                write!(f, "a complete snapshot of {volume} exists")
            }
            Self::SpotFiguresAreOf {
                priced_at,
                banded_at,
            } => {
                match priced_at {
                    Some(at) => write!(f, "spot prices of {at}")?,
                    None => f.write_str("spot prices of unknown age")?,
                }
                if let Some(at) = banded_at {
                    write!(f, " and advisor bands of {at}")?;
                }
                f.write_str(" are not too old")
            }
            Self::TagIs {
                resource,
                key,
                value,
            } => {
                write!(f, "tag {key} of {resource} is {}", shown(value))
            }
        }
    }
}
