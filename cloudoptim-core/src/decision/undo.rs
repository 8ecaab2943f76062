//! The way back from a change.

use super::Action;
use serde::{Deserialize, Serialize};

/// The way back from an action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undo {
    /// Another action brings it back.
    Action {
        /// Which.
        action: Box<Action>,
    },
    /// Nothing to undo: what was there is made anew elsewhere by its owner.
    ReplacedByOwner,
    /// It is gone, and this is how to get it back.
    Manual {
        /// What to do, in words.
        how: String,
    },
}

impl Action {
    /// The way back.
    pub fn undo(&self) -> Undo {
        let action = match self.clone() {
            Self::CordonNode { cluster, node } => Self::UncordonNode { cluster, node },
            Self::UncordonNode { cluster, node } => Self::CordonNode { cluster, node },
            Self::DrainNode { cluster, node, .. } => Self::UncordonNode { cluster, node },
            Self::ResizeContainer {
                cluster,
                workload,
                container,
                init,
                from,
                to,
                restarts,
            } => Self::ResizeContainer {
                cluster,
                workload,
                container,
                init,
                from: to,
                to: from,
                restarts,
            },
            Self::TaintNode {
                cluster,
                node,
                key,
                effect,
                from,
                to,
            } => Self::TaintNode {
                cluster,
                node,
                key,
                effect,
                from: to,
                to: from,
            },
            Self::ResizePod {
                cluster,
                pod,
                uid,
                container,
                from,
                to,
            } => Self::ResizePod {
                cluster,
                pod,
                uid,
                container,
                from: to,
                to: from,
            },
            Self::ScaleWorkload {
                cluster,
                workload,
                from,
                to,
            } => Self::ScaleWorkload {
                cluster,
                workload,
                from: to,
                to: from,
            },
            Self::SuspendWorkload {
                cluster,
                workload,
                suspend,
            } => Self::SuspendWorkload {
                cluster,
                workload,
                suspend: !suspend,
            },
            Self::Annotate {
                cluster,
                object,
                key,
                from,
                to,
            } => Self::Annotate {
                cluster,
                object,
                key,
                from: to,
                to: from,
            },
            Self::RouteService {
                cluster,
                service,
                from,
                to,
            } => Self::RouteService {
                cluster,
                service,
                from: to,
                to: from,
            },
            Self::PreferZone {
                cluster,
                workload,
                from,
                to,
            } => Self::PreferZone {
                cluster,
                workload,
                from: to,
                to: from,
            },
            Self::SetSpotShare {
                cluster,
                workload,
                from,
                to,
                pools,
                fallback,
            } => Self::SetSpotShare {
                cluster,
                workload,
                from: to,
                to: from,
                pools,
                fallback,
            },
            Self::Tag {
                account,
                region,
                resource,
                key,
                from,
                to,
            } => Self::Tag {
                account,
                region,
                resource,
                key,
                from: to,
                to: from,
            },
            Self::StopInstance {
                account,
                region,
                instance,
            } => Self::StartInstance {
                account,
                region,
                instance,
            },
            Self::StartInstance {
                account,
                region,
                instance,
            } => Self::StopInstance {
                account,
                region,
                instance,
            },
            Self::LaunchNodes { cluster, launch } => Self::ReleaseNodes {
                cluster,
                launch,
                key: String::new(),
            },
            Self::RemoveNode { .. } | Self::DeleteNodeObject { .. } => {
                return Undo::ReplacedByOwner;
            }
            Self::ReleaseNodes { launch, .. } => {
                return Undo::Manual {
                    how: format!("launch {} again", launch.offering),
                };
            }
            Self::TerminateInstance { instance, .. } => {
                return Undo::Manual {
                    how: format!("launch a new instance from the template of {instance}"),
                };
            }
            Self::SnapshotVolume { volume, .. } => {
                return Undo::Manual {
                    how: format!("delete the snapshot of {volume}"),
                };
            }
            Self::DeleteVolume { volume, .. } => {
                return Undo::Manual {
                    how: format!("create a volume from the snapshot of {volume} taken before"),
                };
            }
        };
        Undo::Action {
            action: Box::new(action),
        }
    }
}
