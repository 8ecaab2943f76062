//! What is read again right before an act.

use crate::collect::Part;
use crate::decision::{Action, Owner};
use crate::knowledge::{Knowledge, Provenance};
use crate::model::{AccountId, Cloud, Cluster, ClusterUid, Region, Snapshot};
use crate::plan::{Precondition, Scope, Step};
use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// An account in a region, or a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ScopeRef {
    /// An account in a region. Read before clusters.
    Cloud {
        /// Account.
        account: AccountId,
        /// Region.
        region: Region,
    },
    /// A cluster.
    Cluster {
        /// Cluster.
        cluster: ClusterUid,
    },
}

impl fmt::Display for ScopeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cloud { account, region } => write!(f, "{account}/{region}"),
            Self::Cluster { cluster } => write!(f, "cluster {cluster}"),
        }
    }
}

/// A part of a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartRef {
    /// Scope.
    pub scope: ScopeRef,
    /// Part.
    pub part: Part,
}

impl fmt::Display for PartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.part, self.scope)
    }
}

/// What was read right before an act: a snapshot with only the parts that the
/// step needs, and how long ago each was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The parts.
    pub snapshot: Snapshot,
    /// Time since the read began, on a clock that does not jump.
    pub read_ago: BTreeMap<PartRef, TimeDelta>,
}

impl Default for Fresh {
    fn default() -> Self {
        Self {
            snapshot: Snapshot::new(chrono::DateTime::<Utc>::UNIX_EPOCH),
            read_ago: BTreeMap::new(),
        }
    }
}

/// What the guards ask of a part, whatever is in it.
struct About<'a> {
    provenance: Option<&'a Provenance>,
    not_complete: Option<String>,
    empty: bool,
}

fn about<T>(part: &Knowledge<Vec<T>>) -> About<'_> {
    About {
        provenance: part.provenance(),
        not_complete: (!part.is_complete()).then(|| part.to_string()),
        empty: part.items().is_empty(),
    }
}

impl Fresh {
    pub(crate) fn cloud_mut(&mut self, account: &AccountId, region: &Region) -> &mut Cloud {
        let clouds = &mut self.snapshot.clouds;
        let place = clouds
            .iter()
            .position(|c| c.account == *account && c.region == *region);
        match place {
            Some(place) => &mut clouds[place],
            None => {
                clouds.push(Cloud {
                    account: account.clone(),
                    region: region.clone(),
                    ..Cloud::default()
                });
                let last = clouds.len() - 1;
                &mut clouds[last]
            }
        }
    }

    pub(crate) fn cluster_mut(&mut self, uid: &ClusterUid) -> &mut Cluster {
        let clusters = &mut self.snapshot.clusters;
        match clusters.iter().position(|c| c.uid == *uid) {
            Some(place) => &mut clusters[place],
            None => {
                clusters.push(Cluster {
                    uid: uid.clone(),
                    ..Cluster::default()
                });
                let last = clusters.len() - 1;
                &mut clusters[last]
            }
        }
    }

    fn about(&self, part: &PartRef) -> Option<About<'_>> {
        match &part.scope {
            ScopeRef::Cloud { account, region } => {
                let cloud = self
                    .snapshot
                    .clouds
                    .iter()
                    .find(|c| c.account == *account && c.region == *region)?;
                match part.part {
                    Part::Instances => Some(about(&cloud.instances)),
                    Part::Volumes => Some(about(&cloud.volumes)),
                    Part::EbsSnapshots => Some(about(&cloud.ebs_snapshots)),
                    Part::AutoScalingGroups => Some(about(&cloud.auto_scaling_groups)),
                    Part::NodeGroups => Some(about(&cloud.node_groups)),
                    _ => None,
                }
            }
            ScopeRef::Cluster { cluster } => {
                let cluster = self.snapshot.cluster(cluster)?;
                match part.part {
                    Part::Nodes => Some(about(&cluster.nodes)),
                    Part::NodeClaims => Some(about(&cluster.node_claims)),
                    Part::NodePools => Some(about(&cluster.node_pools)),
                    Part::Pods => Some(about(&cluster.pods)),
                    Part::Workloads => Some(about(&cluster.workloads)),
                    Part::Services => Some(about(&cluster.services)),
                    Part::Namespaces => Some(about(&cluster.namespaces)),
                    Part::DisruptionBudgets => Some(about(&cluster.disruption_budgets)),
                    Part::PersistentVolumes => Some(about(&cluster.persistent_volumes)),
                    Part::Claims => Some(about(&cluster.claims)),
                    Part::StorageClasses => Some(about(&cluster.storage_classes)),
                    Part::CsiNodes => Some(about(&cluster.csi_nodes)),
                    Part::VolumeAttachments => Some(about(&cluster.volume_attachments)),
                    _ => None,
                }
            }
        }
    }

    pub(super) fn provenance(&self, part: &PartRef) -> Option<&Provenance> {
        self.about(part)?.provenance
    }

    /// How far the history of a cluster has come, of all parts that say so.
    pub(crate) fn revision(&self, uid: &ClusterUid, of: fn(u64, u64) -> u64) -> Option<u64> {
        let parts = self.read_ago.keys();
        let own = parts
            .filter(|part| matches!(&part.scope, ScopeRef::Cluster { cluster } if cluster == uid));
        own.filter_map(|part| self.provenance(part)?.revision)
            .reduce(of)
    }

    /// What a part is instead of complete.
    pub(super) fn not_complete(&self, part: &PartRef) -> Option<String> {
        match self.about(part) {
            Some(about) => about.not_complete,
            None => Some("not read".to_owned()),
        }
    }

    pub(super) fn is_empty(&self, part: &PartRef) -> bool {
        self.about(part).is_none_or(|about| about.empty)
    }
}

/// Whether the act rests on something not being there, and so needs lists
/// without holes from both sides.
pub(super) const fn rests_on_absence(action: &Action) -> bool {
    action.is_destructive()
        || matches!(
            action,
            Action::StopInstance { .. } | Action::DrainNode { .. }
        )
}

/// The parts that a step must be judged by, in the order in which they are to
/// be read: what proves that something has an owner comes last.
pub fn needs(step: &Step, scope: &Scope) -> Vec<PartRef> {
    let of_cluster = |cluster: &ClusterUid, parts: &[Part]| -> Vec<PartRef> {
        let scope = ScopeRef::Cluster {
            cluster: cluster.clone(),
        };
        parts
            .iter()
            .map(|part| PartRef {
                scope: scope.clone(),
                part: *part,
            })
            .collect()
    };
    let of_cloud = |account: &AccountId, region: &Region, parts: &[Part]| -> Vec<PartRef> {
        let scope = ScopeRef::Cloud {
            account: account.clone(),
            region: region.clone(),
        };
        parts
            .iter()
            .map(|part| PartRef {
                scope: scope.clone(),
                part: *part,
            })
            .collect()
    };
    let all_clouds = |parts: &[Part]| -> Vec<PartRef> {
        scope
            .clouds
            .iter()
            .flat_map(|(account, region)| of_cloud(account, region, parts))
            .collect()
    };
    let all_clusters = |parts: &[Part]| -> Vec<PartRef> {
        scope
            .clusters
            .iter()
            .flat_map(|cluster| of_cluster(cluster, parts))
            .collect()
    };
    // What tells which nodes were launched, beside the nodes themselves.
    let about_launch = |cluster: &ClusterUid, via: &Owner| -> Vec<PartRef> {
        match via {
            Owner::NodePool { .. } | Owner::NodeClaim { .. } => {
                of_cluster(cluster, &[Part::NodePools, Part::NodeClaims])
            }
            Owner::NodeGroup { .. } => {
                all_clouds(&[Part::AutoScalingGroups, Part::NodeGroups, Part::Instances])
            }
            Owner::AutoScalingGroup { .. } => {
                all_clouds(&[Part::AutoScalingGroups, Part::Instances])
            }
            _ => all_clouds(&[Part::Instances]),
        }
    };
    let waited_for = |parts: Vec<PartRef>| -> Vec<PartRef> {
        let launched = step.preconditions.iter().filter_map(|p| match p {
            Precondition::NodesAreReady(launched) => Some(launched),
            _ => None,
        });
        let mut all: Vec<PartRef> = Vec::new();
        let more = launched.flat_map(|l| about_launch(&l.cluster, &l.via));
        for part in more.chain(parts) {
            if !all.contains(&part) {
                all.push(part);
            }
        }
        all
    };
    let waits_for_pods = || {
        let waits = |p: &Precondition| matches!(p, Precondition::PodsAreReady { .. });
        step.preconditions.iter().any(waits)
    };
    match &step.action {
        Action::LaunchNodes { cluster, launch } => {
            let mut parts = about_launch(cluster, &launch.via);
            if waits_for_pods() {
                parts.extend(of_cluster(cluster, &[Part::Workloads, Part::Pods]));
            }
            parts.extend(of_cluster(cluster, &[Part::Nodes]));
            waited_for(parts)
        }
        Action::ReleaseNodes {
            cluster, launch, ..
        } => {
            let mut parts = about_launch(cluster, &launch.via);
            parts.extend(of_cluster(cluster, &[Part::Pods, Part::Nodes]));
            parts
        }
        Action::CordonNode { cluster, .. }
        | Action::UncordonNode { cluster, .. }
        | Action::TaintNode { cluster, .. } => {
            let parts: &[Part] = if waits_for_pods() {
                &[Part::Workloads, Part::Pods, Part::Nodes]
            } else {
                &[Part::Nodes]
            };
            waited_for(of_cluster(cluster, parts))
        }
        Action::DrainNode { cluster, .. } => waited_for(of_cluster(
            cluster,
            &[
                Part::Namespaces,
                Part::StorageClasses,
                Part::CsiNodes,
                Part::PersistentVolumes,
                Part::Claims,
                Part::DisruptionBudgets,
                Part::Workloads,
                Part::Pods,
                Part::Nodes,
            ],
        )),
        Action::RemoveNode { cluster, .. } => {
            let mut parts = all_clouds(&[Part::Instances]);
            parts.extend(of_cluster(cluster, &[Part::Pods, Part::Nodes]));
            parts
        }
        Action::DeleteNodeObject { cluster, .. } => {
            // The instance would be the owner here, so it is read last.
            let mut parts = of_cluster(cluster, &[Part::Nodes]);
            parts.extend(all_clouds(&[Part::Instances]));
            parts
        }
        Action::ResizePod { cluster, .. } => of_cluster(cluster, &[Part::Pods]),
        Action::ResizeContainer { cluster, .. }
        | Action::ScaleWorkload { cluster, .. }
        | Action::SuspendWorkload { cluster, .. }
        | Action::PreferZone { cluster, .. }
        | Action::SetSpotShare { cluster, .. } => of_cluster(cluster, &[Part::Workloads]),
        Action::Annotate {
            cluster, object, ..
        } => {
            let part = match object.kind.as_str() {
                "Node" => Part::Nodes,
                "Pod" => Part::Pods,
                "Service" => Part::Services,
                "Namespace" => Part::Namespaces,
                _ => Part::Workloads,
            };
            of_cluster(cluster, &[part])
        }
        Action::RouteService { cluster, .. } => of_cluster(cluster, &[Part::Services]),
        Action::Tag {
            account,
            region,
            resource,
            ..
        } => {
            let part = if resource.starts_with("vol-") {
                Part::Volumes
            } else if resource.starts_with("snap-") {
                Part::EbsSnapshots
            } else {
                Part::Instances
            };
            let mut parts = of_cloud(account, region, &[part]);
            let asks = |p: &Precondition| matches!(p, Precondition::NoNodeRunsOn { .. });
            if step.preconditions.iter().any(asks) {
                parts.extend(all_clusters(&[Part::Nodes]));
            }
            parts
        }
        Action::StopInstance {
            account, region, ..
        }
        | Action::TerminateInstance {
            account, region, ..
        } => {
            let mut parts = of_cloud(account, region, &[Part::Instances]);
            parts.extend(all_clusters(&[Part::Nodes]));
            parts
        }
        Action::StartInstance {
            account, region, ..
        } => of_cloud(account, region, &[Part::Instances]),
        Action::SnapshotVolume {
            account, region, ..
        } => of_cloud(account, region, &[Part::EbsSnapshots, Part::Volumes]),
        Action::DeleteVolume {
            account, region, ..
        } => {
            let mut parts = of_cloud(account, region, &[Part::EbsSnapshots, Part::Volumes]);
            parts.extend(all_clusters(&[
                Part::VolumeAttachments,
                Part::PersistentVolumes,
                Part::Nodes,
            ]));
            parts
        }
    }
}

/// The parts that show whether a step has had its effect: some of those that it
/// is judged by.
pub(crate) fn shows(step: &Step, scope: &Scope) -> Vec<PartRef> {
    let shown: &[Part] = match &step.action {
        Action::CordonNode { .. }
        | Action::UncordonNode { .. }
        | Action::TaintNode { .. }
        | Action::DeleteNodeObject { .. }
        | Action::RemoveNode { instance: None, .. } => &[Part::Nodes],
        Action::RemoveNode { .. } => &[Part::Instances, Part::Nodes],
        Action::DrainNode { .. } => &[Part::Pods],
        Action::StopInstance { .. } | Action::TerminateInstance { .. } => &[Part::Instances],
        Action::Tag { .. } => &[Part::Instances, Part::Volumes, Part::EbsSnapshots],
        Action::SnapshotVolume { .. } => &[Part::EbsSnapshots],
        Action::DeleteVolume { .. } => &[Part::Volumes],
        _ => return needs(step, scope),
    };
    let mut parts = needs(step, scope);
    parts.retain(|part| shown.contains(&part.part));
    parts
}
