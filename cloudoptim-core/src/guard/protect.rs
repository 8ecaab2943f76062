//! Markers that say "leave it".

use super::{Fresh, Limits, Refusal};
use crate::decision::Action;
use crate::model::{ClusterUid, Labels, ObjectMeta, Snapshot, WorkloadRef};
use crate::plan::{Plan, Step};

/// Our own marker, as an annotation, a label or a tag; any value but `false`.
pub const PROTECT_KEY: &str = "cloudoptim/protect";

/// The marker among these, in words.
fn marker(labels: &Labels) -> Option<String> {
    let says = |key: &str, counts: fn(&str) -> bool| {
        labels
            .get(key)
            .filter(|value| counts(value))
            .map(|value| format!("{key}={value}"))
    };
    says(PROTECT_KEY, |v| v != "false")
        .or_else(|| says("karpenter.sh/do-not-disrupt", |v| v != "false"))
        .or_else(|| {
            says("cluster-autoscaler.kubernetes.io/safe-to-evict", |v| {
                v == "false"
            })
        })
        .or_else(|| {
            says(
                "cluster-autoscaler.kubernetes.io/scale-down-disabled",
                |v| v == "true",
            )
        })
}

fn free(what: &str, meta: &ObjectMeta, limits: &Limits) -> Result<(), Refusal> {
    if limits.protected_namespaces.contains(&meta.namespace) {
        return Err(Refusal::Protected {
            by: format!("namespace {} of {what}", meta.namespace),
        });
    }
    match marker(&meta.annotations).or_else(|| marker(&meta.labels)) {
        Some(marker) => Err(Refusal::Protected {
            by: format!("{marker} on {what} {}", meta.path()),
        }),
        None => Ok(()),
    }
}

/// Whether anything but our own marker matters: a cordon that a later step of
/// the plan ends disrupts nothing of the node, and keeps pods away for a while.
fn ends_again(step: &Step, plan: &Plan) -> bool {
    let Action::CordonNode { cluster, node } = &step.action else {
        return false;
    };
    let opens = Action::UncordonNode {
        cluster: cluster.clone(),
        node: node.clone(),
    };
    let later = plan.steps.iter().skip_while(|s| s.id != step.id);
    later.skip(1).any(|s| s.action == opens)
}

/// Whether the object says that nothing at all is to be done with it.
pub(crate) fn says_leave_it(meta: &ObjectMeta) -> bool {
    let says = |labels: &Labels| labels.get(PROTECT_KEY).is_some_and(|v| v != "false");
    says(&meta.annotations) || says(&meta.labels)
}

/// Nothing that the step touches carries a marker.
pub(super) fn unprotected(
    step: &Step,
    plan: &Plan,
    fresh: &Fresh,
    limits: &Limits,
) -> Result<(), Refusal> {
    let snapshot = &fresh.snapshot;
    match &step.action {
        Action::CordonNode { cluster, node } if ends_again(step, plan) => {
            let nodes = snapshot.cluster(cluster).map(|c| c.nodes.items());
            let found = nodes.into_iter().flatten().find(|n| n.name() == *node);
            match found.filter(|n| says_leave_it(&n.meta)) {
                Some(_) => Err(Refusal::Protected {
                    by: format!("{PROTECT_KEY} on node {node}"),
                }),
                None => Ok(()),
            }
        }
        Action::CordonNode { cluster, node }
        | Action::TaintNode {
            cluster,
            node,
            to: Some(_),
            ..
        }
        | Action::RemoveNode { cluster, node, .. }
        | Action::DeleteNodeObject { cluster, node, .. } => {
            node_free(cluster, node.as_str(), snapshot, limits)
        }
        Action::DrainNode {
            cluster,
            node,
            moves,
        } => {
            node_free(cluster, node.as_str(), snapshot, limits)?;
            let pods = snapshot
                .cluster(cluster)
                .map(|c| c.pods.items())
                .unwrap_or_default();
            for pod in pods {
                if moves.iter().any(|m| m.uid == pod.meta.uid) {
                    // Pods of protected namespaces may move: what is protected
                    // is their specification. Markers hold for any of them.
                    if let Some(marker) = marker(&pod.meta.annotations) {
                        return Err(Refusal::Protected {
                            by: format!("{marker} on pod {}", pod.meta.path()),
                        });
                    }
                }
            }
            Ok(())
        }
        Action::ResizePod {
            cluster, pod, uid, ..
        } => {
            if limits.protected_namespaces.contains(&pod.namespace) {
                return Err(Refusal::Protected {
                    by: format!("namespace {}", pod.namespace),
                });
            }
            // The other markers are about evictions, and the pod stays.
            let pods = snapshot.cluster(cluster).map(|c| c.pods.items());
            let mut pods = pods.into_iter().flatten();
            match pods.find(|p| p.meta.uid == *uid && says_leave_it(&p.meta)) {
                Some(_) => Err(Refusal::Protected {
                    by: format!("{PROTECT_KEY} on pod {pod}"),
                }),
                None => Ok(()),
            }
        }
        Action::ResizeContainer {
            cluster, workload, ..
        }
        | Action::ScaleWorkload {
            cluster, workload, ..
        }
        | Action::SuspendWorkload {
            cluster, workload, ..
        }
        | Action::PreferZone {
            cluster, workload, ..
        }
        | Action::SetSpotShare {
            cluster, workload, ..
        } => workload_free(cluster, workload, snapshot, limits),
        Action::RouteService {
            cluster, service, ..
        } => {
            let found = snapshot.cluster(cluster).and_then(|c| {
                c.services
                    .items()
                    .iter()
                    .find(|s| s.meta.namespace == service.namespace && s.meta.name == service.name)
            });
            found.map_or(Ok(()), |s| free("service", &s.meta, limits))
        }
        Action::Annotate { object, .. }
            if limits.protected_namespaces.contains(&object.namespace) =>
        {
            Err(Refusal::Protected {
                by: format!("namespace {}", object.namespace),
            })
        }
        Action::StopInstance { instance, .. } | Action::TerminateInstance { instance, .. } => {
            let found = snapshot
                .clouds
                .iter()
                .flat_map(|c| c.instances.items())
                .find(|i| i.id == *instance);
            let Some(found) = found else { return Ok(()) };
            if let Some(marker) = marker(&found.tags) {
                return Err(Refusal::Protected {
                    by: format!("{marker} on {instance}"),
                });
            }
            let (flag, name) = match &step.action {
                Action::StopInstance { .. } => (found.stop_protected, "stop protection"),
                _ => (found.termination_protected, "termination protection"),
            };
            match flag {
                Some(false) => Ok(()),
                Some(true) => Err(Refusal::Protected {
                    by: format!("{name} of {instance}"),
                }),
                None => Err(Refusal::Protected {
                    by: format!("{name} of {instance} is unknown"),
                }),
            }
        }
        Action::DeleteVolume { volume, .. } => {
            let found = snapshot
                .clouds
                .iter()
                .flat_map(|c| c.volumes.items())
                .find(|v| v.id == *volume);
            if let Some(marker) = found.and_then(|v| marker(&v.tags)) {
                return Err(Refusal::Protected {
                    by: format!("{marker} on {volume}"),
                });
            }
            claimed(volume, snapshot)
        }
        _ => Ok(()),
    }
}

fn node_free(
    cluster: &ClusterUid,
    node: &str,
    snapshot: &Snapshot,
    limits: &Limits,
) -> Result<(), Refusal> {
    let found = snapshot
        .cluster(cluster)
        .and_then(|c| c.nodes.items().iter().find(|n| n.meta.name == node));
    found.map_or(Ok(()), |n| free("node", &n.meta, limits))
}

fn workload_free(
    cluster: &ClusterUid,
    workload: &WorkloadRef,
    snapshot: &Snapshot,
    limits: &Limits,
) -> Result<(), Refusal> {
    if limits.protected_namespaces.contains(&workload.namespace) {
        return Err(Refusal::Protected {
            by: format!("namespace {}", workload.namespace),
        });
    }
    let found = snapshot.cluster(cluster).and_then(|c| {
        c.workloads
            .items()
            .iter()
            .find(|w| w.reference() == *workload)
    });
    // `safe-to-evict` and the like are about evictions; ours is about everything.
    match found.and_then(|w| w.meta.annotation(PROTECT_KEY).or(w.meta.label(PROTECT_KEY))) {
        Some(value) if value != "false" => Err(Refusal::Protected {
            by: format!("{PROTECT_KEY}={value} on {workload}"),
        }),
        _ => Ok(()),
    }
}

/// The other side of a volume: no cluster holds on to it.
fn claimed(volume: &crate::model::VolumeId, snapshot: &Snapshot) -> Result<(), Refusal> {
    use crate::model::{PvPhase, PvSource};
    for cluster in &snapshot.clusters {
        for pv in cluster.persistent_volumes.items() {
            let same = matches!(&pv.source, PvSource::Ebs { volume: v } if v == volume);
            if same && !matches!(pv.phase, PvPhase::Released | PvPhase::Failed) {
                return Err(Refusal::Protected {
                    by: format!(
                        "persistent volume {} of cluster {} holds {volume}",
                        pv.meta.name, cluster.uid
                    ),
                });
            }
            let attached = same
                && cluster
                    .volume_attachments
                    .items()
                    .iter()
                    .any(|a| a.attached && a.volume_name.as_deref() == Some(pv.meta.name.as_str()));
            if attached {
                return Err(Refusal::Protected {
                    by: format!("{volume} is attached in cluster {}", cluster.uid),
                });
            }
        }
    }
    Ok(())
}
