//! Whether an act has had its effect, by reading.

use crate::decision::{Action, Launch};
use crate::guard::Unmet;
use crate::guard::lookup::{
    ends_with_its_node, find_container, find_group_size, find_instance, find_launched, find_node,
    find_object, find_tag, find_volume, find_workload,
};
use crate::model::{Cluster, InstanceState, Node, Snapshot, VolumeState, ZONE_ID_LABEL};
use crate::providers::{SPOT_REPLICAS_KEY, STEP_KEY};

/// What reading shows of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// What it wants is so.
    Done,
    /// It is as it was before.
    NotDone,
    /// Neither, or nobody can tell.
    Unclear(String),
}

fn either<T: PartialEq>(have: &T, after: &T, before: &T) -> Effect {
    if have == after {
        Effect::Done
    } else if have == before {
        Effect::NotDone
    } else {
        Effect::Unclear("it is neither as before nor as after".to_owned())
    }
}

fn done(done: bool) -> Effect {
    if done { Effect::Done } else { Effect::NotDone }
}

fn unclear(unmet: &Unmet) -> Effect {
    Effect::Unclear(unmet.to_string())
}

/// Removed: nothing of it, or on its way out.
fn gone<T>(found: Result<T, Unmet>, going: impl Fn(&T) -> bool) -> Effect {
    match found {
        Err(Unmet::Gone) => Effect::Done,
        Err(unmet) => unclear(&unmet),
        Ok(found) => done(going(&found)),
    }
}

/// Whether `action`, done under `key`, has had its effect.
pub(super) fn effect(action: &Action, key: &str, fresh: &Snapshot) -> Effect {
    match read(action, key, fresh) {
        Ok(effect) => effect,
        Err(unmet) => unclear(&unmet),
    }
}

fn read(action: &Action, key: &str, fresh: &Snapshot) -> Result<Effect, Unmet> {
    let cluster = |uid| {
        fresh.cluster(uid).ok_or_else(|| Unmet::Unknown {
            what: format!("cluster {uid}"),
        })
    };
    Ok(match action {
        Action::LaunchNodes {
            cluster: uid,
            launch,
        } => launched(fresh, cluster(uid)?, key, launch),
        Action::ReleaseNodes {
            cluster: uid, key, ..
        } => released(fresh, cluster(uid)?, key),
        Action::CordonNode { cluster, node } => {
            done(find_node(fresh, cluster, node)?.unschedulable)
        }
        Action::UncordonNode { cluster, node } => {
            done(!find_node(fresh, cluster, node)?.unschedulable)
        }
        Action::DrainNode {
            cluster: uid,
            node,
            moves,
        } => {
            let pods = &cluster(uid)?.pods;
            if !pods.is_complete() {
                return Ok(Effect::Unclear(format!("pods: {pods}")));
            }
            let stays = pods.items().iter().any(|pod| {
                pod.node() == Some(node)
                    && !pod.is_finished()
                    && moves.iter().any(|m| m.uid == pod.meta.uid)
            });
            done(!stays)
        }
        Action::RemoveNode {
            cluster,
            node,
            instance,
            ..
        } => {
            let by_node = gone(find_node(fresh, cluster, node), |n| {
                n.meta.deleted_at.is_some()
            });
            match (by_node, instance) {
                // The node object goes last: its instance may still be paid for.
                (Effect::Done, Some(instance)) => {
                    match gone(find_instance(fresh, instance), |i| going(i.state)) {
                        Effect::NotDone => {
                            Effect::Unclear(format!("the node is gone, and {instance} still runs"))
                        }
                        effect => effect,
                    }
                }
                (effect, _) => effect,
            }
        }
        Action::DeleteNodeObject {
            cluster, node, uid, ..
        } => gone(find_node(fresh, cluster, node), |n| {
            n.meta.uid != *uid || n.meta.deleted_at.is_some()
        }),
        Action::ResizeContainer {
            cluster,
            workload,
            container,
            from,
            to,
            ..
        } => {
            let found = find_workload(fresh, cluster, workload)?;
            either(&find_container(found, container)?.resources, to, from)
        }
        Action::ScaleWorkload {
            cluster,
            workload,
            from,
            to,
        } => {
            let found = find_workload(fresh, cluster, workload)?.replicas;
            either(&found, &Some(*to), &Some(*from))
        }
        Action::SuspendWorkload {
            cluster,
            workload,
            suspend,
        } => done(find_workload(fresh, cluster, workload)?.paused == *suspend),
        Action::Annotate {
            cluster,
            object,
            key,
            from,
            to,
        } => {
            let found = find_object(fresh, cluster, object)?
                .annotation(key)
                .map(str::to_owned);
            either(&found, to, from)
        }
        Action::RouteService {
            cluster: uid,
            service,
            from,
            to,
        } => {
            let services = &cluster(uid)?.services;
            let found = services
                .items()
                .iter()
                .find(|s| s.meta.namespace == service.namespace && s.meta.name == service.name);
            match found {
                Some(found) => either(&found.traffic_distribution, to, from),
                None => Effect::Unclear(format!("services: {services}")),
            }
        }
        Action::PreferZone {
            cluster,
            workload,
            to,
            ..
        } => {
            let found = find_workload(fresh, cluster, workload)?;
            let preferred = found
                .template
                .iter()
                .flat_map(|t| &t.spec.preferred_node_affinity)
                .flat_map(|p| &p.term.match_expressions)
                .find(|r| r.key == ZONE_ID_LABEL);
            done(match to {
                None => preferred.is_none(),
                Some(zone) => preferred.is_some_and(|r| r.values == [zone.as_str().to_owned()]),
            })
        }
        Action::SetSpotShare {
            cluster,
            workload,
            to,
            ..
        } => {
            let found = find_workload(fresh, cluster, workload)?;
            done(found.meta.annotation(SPOT_REPLICAS_KEY) == Some(to.to_string().as_str()))
        }
        Action::Tag {
            resource,
            key,
            from,
            to,
            ..
        } => either(&find_tag(fresh, resource, key)?, to, from),
        Action::StopInstance { instance, .. } => match find_instance(fresh, instance)?.state {
            InstanceState::Stopping | InstanceState::Stopped => Effect::Done,
            InstanceState::Running | InstanceState::Pending => Effect::NotDone,
            state => Effect::Unclear(format!("{instance} is {state:?}")),
        },
        Action::StartInstance { instance, .. } => match find_instance(fresh, instance)?.state {
            InstanceState::Pending | InstanceState::Running => Effect::Done,
            InstanceState::Stopping | InstanceState::Stopped => Effect::NotDone,
            state => Effect::Unclear(format!("{instance} is {state:?}")),
        },
        Action::TerminateInstance { instance, .. } => {
            gone(find_instance(fresh, instance), |i| going(i.state))
        }
        Action::SnapshotVolume { volume, .. } => done(
            fresh
                .clouds
                .iter()
                .flat_map(|c| c.ebs_snapshots.items())
                .any(|s| {
                    s.volume.as_ref() == Some(volume)
                        && s.state == "completed"
                        && s.tags.get(STEP_KEY).is_some_and(|k| k == key)
                }),
        ),
        Action::DeleteVolume { volume, .. } => gone(find_volume(fresh, volume), |v| {
            matches!(v.state, VolumeState::Deleting | VolumeState::Deleted)
        }),
    })
}

const fn going(state: InstanceState) -> bool {
    matches!(
        state,
        InstanceState::ShuttingDown | InstanceState::Terminated
    )
}

/// What carries the key, as a node, a claim or an instance; of a group, what it
/// wants. Asking again under the same key makes no more.
fn launched(fresh: &Snapshot, cluster: &Cluster, key: &str, launch: &Launch) -> Effect {
    let found = find_launched(fresh, cluster, key);
    let have = found.nodes.len().saturating_add(found.coming);
    if u32::try_from(have).is_ok_and(|have| have >= launch.count) {
        return Effect::Done;
    }
    let Some(before) = launch.group_size else {
        return done(false);
    };
    match find_group_size(fresh, &launch.via) {
        Ok(size) => either(&size, &before.saturating_add(launch.count), &before),
        Err(unmet) => unclear(&unmet),
    }
}

/// Nothing under the key is left but nodes with pods.
fn released(fresh: &Snapshot, cluster: &Cluster, key: &str) -> Effect {
    let (nodes, pods) = (&cluster.nodes, &cluster.pods);
    if !nodes.is_complete() || !pods.is_complete() {
        return Effect::Unclear(format!("nodes: {nodes}, pods: {pods}"));
    }
    let found = find_launched(fresh, cluster, key);
    let idle = |node: &&&Node| {
        let name = node.name();
        let mut pods = cluster.pods.items().iter();
        node.meta.deleted_at.is_none()
            && !pods.any(|p| p.node() == Some(&name) && !ends_with_its_node(p))
    };
    done(found.coming == 0 && found.nodes.iter().filter(idle).count() == 0)
}
