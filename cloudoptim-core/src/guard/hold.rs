//! Whether a precondition holds on what was read just now.

use crate::decision::{NodeShape, ObjectRef, Owner};
use crate::knowledge::Knowledge;
use crate::model::{
    Cluster, ClusterUid, Instance, InstanceId, InstanceState, NODE_GROUP_LABEL, Node, NodeName,
    ObjectMeta, Pod, Snapshot, TaintEffect, Uid, VolumeId, VolumeState, Workload, WorkloadRef,
};
use crate::plan::{Controller, Fingerprint, Precondition};
use crate::providers::STEP_KEY;
use crate::scheduling::capacity::not_target;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Tells whether pods that leave a node fit elsewhere, now.
///
/// The scheduler's rules live in one place, and a guard does not know them:
/// [`Elsewhere`](crate::engines::bin_packing::Elsewhere) does.
pub trait Placement: fmt::Debug + Send + Sync {
    /// Places `pods` of `node` on the other nodes of `cluster`.
    ///
    /// # Errors
    /// A sentence about the first pod that finds no place, or about what is
    /// not known.
    fn fits_elsewhere(
        &self,
        cluster: &Cluster,
        node: &NodeName,
        pods: &[Uid],
    ) -> Result<(), String>;
}

/// How a precondition fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "unmet", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unmet {
    /// Nobody can tell.
    Unknown {
        /// What is missing.
        what: String,
    },
    /// The resource is not there.
    Gone,
    /// It is otherwise.
    Found {
        /// What was found.
        found: String,
    },
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { what } => write!(f, "unknown: {what}"),
            Self::Gone => f.write_str("it is gone"),
            Self::Found { found } => write!(f, "found {found}"),
        }
    }
}

fn unknown(what: impl Into<String>) -> Unmet {
    Unmet::Unknown { what: what.into() }
}

fn equal<T: PartialEq>(want: &T, have: &T, show: impl Fn(&T) -> String) -> Result<(), Unmet> {
    if want == have {
        Ok(())
    } else {
        Err(Unmet::Found { found: show(have) })
    }
}

/// The item, or why there is none: a hole in the list is no absence.
fn find<'a, T>(
    part: &'a Knowledge<Vec<T>>,
    name: &str,
    is: impl Fn(&T) -> bool,
) -> Result<&'a T, Unmet> {
    match part.items().iter().find(|item| is(item)) {
        Some(item) => Ok(item),
        None if part.is_complete() => Err(Unmet::Gone),
        None => Err(unknown(format!("{name}: {part}"))),
    }
}

fn cluster<'a>(snapshot: &'a Snapshot, uid: &ClusterUid) -> Result<&'a Cluster, Unmet> {
    snapshot
        .cluster(uid)
        .ok_or_else(|| unknown(format!("cluster {uid}")))
}

fn complete<'a, T>(part: &'a Knowledge<Vec<T>>, name: &str) -> Result<&'a [T], Unmet> {
    match part {
        Knowledge::Complete { value, .. } => Ok(value),
        part => Err(unknown(format!("{name}: {part}"))),
    }
}

pub(crate) fn find_node<'a>(
    snapshot: &'a Snapshot,
    uid: &ClusterUid,
    node: &NodeName,
) -> Result<&'a Node, Unmet> {
    find(&cluster(snapshot, uid)?.nodes, "nodes", |n| {
        n.meta.name == node.as_str()
    })
}

pub(crate) fn find_workload<'a>(
    snapshot: &'a Snapshot,
    uid: &ClusterUid,
    workload: &WorkloadRef,
) -> Result<&'a Workload, Unmet> {
    find(&cluster(snapshot, uid)?.workloads, "workloads", |w| {
        w.reference() == *workload
    })
}

pub(crate) fn find_instance<'a>(
    snapshot: &'a Snapshot,
    id: &InstanceId,
) -> Result<&'a Instance, Unmet> {
    let mut last = unknown("instances");
    for cloud in &snapshot.clouds {
        match find(&cloud.instances, "instances", |i| i.id == *id) {
            Ok(instance) => return Ok(instance),
            Err(unmet @ Unmet::Unknown { .. }) => return Err(unmet),
            Err(unmet) => last = unmet,
        }
    }
    Err(last)
}

pub(crate) fn find_volume<'a>(
    snapshot: &'a Snapshot,
    id: &VolumeId,
) -> Result<&'a crate::model::Volume, Unmet> {
    let mut last = unknown("volumes");
    for cloud in &snapshot.clouds {
        match find(&cloud.volumes, "volumes", |v| v.id == *id) {
            Ok(volume) => return Ok(volume),
            Err(unmet) => last = unmet,
        }
    }
    Err(last)
}

/// The metadata of an object of a kind that is read.
pub(crate) fn find_object<'a>(
    snapshot: &'a Snapshot,
    uid: &ClusterUid,
    object: &ObjectRef,
) -> Result<&'a ObjectMeta, Unmet> {
    let cluster = cluster(snapshot, uid)?;
    let is = |meta: &ObjectMeta| meta.name == object.name && meta.namespace == object.namespace;
    match object.kind.as_str() {
        "Node" => find(&cluster.nodes, "nodes", |o| is(&o.meta)).map(|o| &o.meta),
        "Pod" => find(&cluster.pods, "pods", |o| is(&o.meta)).map(|o| &o.meta),
        "Service" => find(&cluster.services, "services", |o| is(&o.meta)).map(|o| &o.meta),
        "Namespace" => find(&cluster.namespaces, "namespaces", |o| is(&o.meta)).map(|o| &o.meta),
        kind => find(&cluster.workloads, "workloads", |o| {
            o.kind.as_str() == kind && is(&o.meta)
        })
        .map(|o| &o.meta),
    }
}

/// The value of a tag of an instance, a volume or a snapshot.
pub(crate) fn find_tag(
    snapshot: &Snapshot,
    resource: &str,
    key: &str,
) -> Result<Option<String>, Unmet> {
    let tags = if resource.starts_with("vol-") {
        &find_volume(snapshot, &VolumeId::new(resource))?.tags
    } else if resource.starts_with("snap-") {
        let cloud = snapshot
            .clouds
            .first()
            .ok_or_else(|| unknown("snapshots"))?;
        &find(&cloud.ebs_snapshots, "snapshots", |s| {
            s.id.as_str() == resource
        })?
        .tags
    } else {
        &find_instance(snapshot, &InstanceId::new(resource))?.tags
    };
    Ok(tags.get(key).cloned())
}

/// The container of a workload's template.
pub(crate) fn find_container<'a>(
    workload: &'a Workload,
    name: &str,
) -> Result<&'a crate::model::Container, Unmet> {
    let spec = workload
        .template
        .as_ref()
        .map(|t| &t.spec)
        .ok_or_else(|| unknown("the template"))?;
    spec.containers
        .iter()
        .chain(&spec.init_containers)
        .find(|c| c.name == name)
        .ok_or(Unmet::Gone)
}

/// Whether a pod ends with its node and needs no other.
pub(crate) fn ends_with_its_node(pod: &Pod) -> bool {
    pod.is_finished()
        || pod.is_mirror()
        || pod
            .meta
            .controller()
            .is_some_and(|owner| owner.kind == "DaemonSet")
}

/// No pod of the controller waits for a node, and enough are ready.
fn are_back(cluster: &Cluster, controller: &Controller) -> Result<(), Unmet> {
    let own = |pod: &&Pod| {
        let by = pod.meta.controller();
        by.is_some_and(|owner| owner.uid == controller.uid) && !pod.is_terminating()
    };
    let mut ready: u32 = 0;
    for pod in cluster.pods.items().iter().filter(own) {
        if pod.node().is_none() && !pod.is_finished() {
            return Err(Unmet::Found {
                found: format!("pod {} without a node", pod.meta.path()),
            });
        }
        ready = ready.saturating_add(u32::from(pod.status.ready == Some(true)));
    }
    // Who wants fewer pods by now waits for no more than these.
    let workloads = cluster.workloads.items().iter();
    let wanted = workloads
        .filter(|w| w.meta.uid == controller.uid)
        .filter_map(|w| w.replicas);
    let enough = wanted.fold(controller.ready, u32::min);
    if ready >= enough {
        return Ok(());
    }
    let Controller { kind, name, .. } = controller;
    Err(Unmet::Found {
        found: format!("{ready} of {enough} pods of {kind} {name} ready"),
    })
}

/// What was launched under a key.
pub(crate) struct Found<'a> {
    /// Nodes that are there.
    pub(crate) nodes: Vec<&'a Node>,
    /// Claims and instances without a node.
    pub(crate) coming: usize,
}

/// What carries the key: nodes themselves, or their claims or instances.
pub(crate) fn find_launched<'a>(
    snapshot: &'a Snapshot,
    cluster: &'a Cluster,
    key: &str,
) -> Found<'a> {
    let nodes = cluster.nodes.items();
    let has = |meta: &ObjectMeta| meta.label(STEP_KEY) == Some(key);
    let claims = cluster.node_claims.items().iter();
    let claims: Vec<_> = claims
        .filter(|c| has(&c.meta) && c.meta.deleted_at.is_none())
        .collect();
    let instances: Vec<&Instance> = snapshot
        .clouds
        .iter()
        .flat_map(|c| c.instances.items())
        .filter(|i| i.tags.get(STEP_KEY).is_some_and(|k| k == key))
        .filter(|i| matches!(i.state, InstanceState::Pending | InstanceState::Running))
        .collect();
    let of_claim = |node: &Node, claim: &crate::model::NodeClaim| {
        let by_name = claim.node_name.as_ref() == Some(&node.name());
        by_name || (claim.provider_id.is_some() && claim.provider_id == node.provider_id)
    };
    let of_instance = |node: &Node, i: &Instance| node.instance_id().as_ref() == Some(&i.id);
    let ours = |node: &&Node| {
        has(&node.meta)
            || claims.iter().any(|c| of_claim(node, c))
            || instances.iter().any(|i| of_instance(node, i))
    };
    let claimed = claims
        .iter()
        .filter(|c| !nodes.iter().any(|n| of_claim(n, c)));
    // An instance of a claim is that claim's.
    let bare = instances.iter().filter(|i| {
        let claimed = claims.iter().any(|c| {
            let id = c.provider_id.as_deref();
            id.is_some_and(|id| id.ends_with(i.id.as_str()))
        });
        !claimed && !nodes.iter().any(|n| of_instance(n, i))
    });
    Found {
        coming: claimed.count() + bare.count(),
        nodes: nodes.iter().filter(ours).collect(),
    }
}

/// How many nodes a group wants and may have.
fn group_sizes(snapshot: &Snapshot, group: &Owner) -> Result<(u32, u32), Unmet> {
    let missing = || unknown(format!("the size of {group}"));
    let only = |mut found: Vec<(u32, u32)>| match (found.pop(), found.is_empty()) {
        (Some(sizes), true) => Ok(sizes),
        _ => Err(missing()),
    };
    let clouds = snapshot.clouds.iter();
    match group {
        Owner::NodeGroup { name, .. } => only(
            clouds
                .flat_map(|c| c.node_groups.items())
                .filter(|g| g.name == *name)
                .map(|g| (g.desired, g.max_size))
                .collect(),
        ),
        Owner::AutoScalingGroup { name } => only(
            clouds
                .flat_map(|c| c.auto_scaling_groups.items())
                .filter(|g| g.name == *name)
                .map(|g| (g.desired, g.max_size))
                .collect(),
        ),
        _ => Err(missing()),
    }
}

/// How many nodes a group wants.
pub(crate) fn find_group_size(snapshot: &Snapshot, group: &Owner) -> Result<u32, Unmet> {
    group_sizes(snapshot, group).map(|(size, _)| size)
}

/// Nodes of a group that joined after that moment.
fn joined<'a>(
    snapshot: &'a Snapshot,
    cluster: &'a Cluster,
    group: &'a Owner,
    since: DateTime<Utc>,
) -> impl Iterator<Item = &'a Node> {
    let groups = snapshot
        .clouds
        .iter()
        .flat_map(|c| c.auto_scaling_groups.items());
    let members = groups.flat_map(|g| g.instances.iter().map(move |i| (&g.name, &i.instance)));
    let members: Vec<_> = members.collect();
    let of_group = move |node: &&Node| match group {
        Owner::NodeGroup { name, .. } => node.meta.label(NODE_GROUP_LABEL) == Some(name),
        Owner::AutoScalingGroup { name } => {
            let id = node.instance_id();
            members
                .iter()
                .any(|(group, i)| *group == name && Some(*i) == id.as_ref())
        }
        _ => false,
    };
    let nodes = cluster.nodes.items().iter();
    nodes.filter(move |n| n.meta.created_at.is_some_and(|at| at > since) && of_group(n))
}

/// Why nothing may count on a launched node yet; `None` when it is ready.
fn not_ready(cluster: &Cluster, node: &Node, shape: Option<&NodeShape>) -> Option<String> {
    let name = &node.meta.name;
    if let Some(why) = not_target(node, cluster.node_pools.items()).first() {
        return Some(format!("{name}: {why}"));
    }
    let shape = shape?;
    let labels = &node.meta.labels;
    if let Some((key, value)) = shape.labels.iter().find(|(k, v)| labels.get(*k) != Some(v)) {
        let have = labels.get(key).map_or("nothing", String::as_str);
        return Some(format!("{name} with label {key}={have} instead of {value}"));
    }
    let mut taints = node.taints.iter();
    let keeps_away = |t: &&crate::model::Taint| {
        t.effect != TaintEffect::PreferNoSchedule && !shape.taints.contains(t)
    };
    if let Some(taint) = taints.find(keeps_away) {
        return Some(format!("{name} with taint {}", taint.key));
    }
    let short = shape.least.excess_over(&node.allocatable);
    short
        .first()
        .map(|(what, need, have)| format!("{name} with {have} {what}, and {need} are counted on"))
}

/// What was launched is ready, as many as were asked for.
fn are_there(
    snapshot: &Snapshot,
    cluster: &Cluster,
    key: &str,
    launched: &crate::plan::LaunchedNodes,
) -> Result<(), Unmet> {
    let mut nodes = find_launched(snapshot, cluster, key).nodes;
    let more = joined(snapshot, cluster, &launched.via, launched.since);
    let new: Vec<&Node> = more
        .filter(|n| !nodes.iter().any(|have| have.meta.name == n.meta.name))
        .collect();
    nodes.extend(new);
    let why: Vec<Option<String>> = nodes
        .iter()
        .map(|n| not_ready(cluster, n, launched.shape.as_deref()))
        .collect();
    let ready = why.iter().filter(|w| w.is_none()).count();
    if u32::try_from(ready).unwrap_or(u32::MAX) >= launched.count {
        return Ok(());
    }
    let first = why.into_iter().flatten().next();
    let first = first.map_or_else(String::new, |why| format!("; {why}"));
    Err(Unmet::Found {
        found: format!("{ready} of {} nodes ready{first}", launched.count),
    })
}

fn absent(value: &Option<String>) -> String {
    value.clone().unwrap_or_else(|| "nothing".to_owned())
}

/// Whether `precondition` holds.
pub(crate) fn holds(
    precondition: &Precondition,
    fresh: &Snapshot,
    placement: &dyn Placement,
    plan: &Fingerprint,
) -> Result<(), Unmet> {
    match precondition {
        Precondition::NodesAreReady(launched) => {
            let cluster = cluster(fresh, &launched.cluster)?;
            complete(&cluster.nodes, "nodes")?;
            let key = super::step_key(plan, &launched.launch);
            are_there(fresh, cluster, &key, launched)
        }
        Precondition::GroupWants { group, size, more } => {
            let (found, most) = group_sizes(fresh, group)?;
            equal(size, &found, |s| format!("{s} nodes wanted"))?;
            if size.saturating_add(*more) <= most {
                return Ok(());
            }
            Err(Unmet::Found {
                found: format!("a maximum of {most}"),
            })
        }
        // Of ages, not of what was read: the guard of freshness asks for it.
        Precondition::SpotFiguresAreOf { .. } => Ok(()),
        Precondition::NodeIs {
            cluster,
            node,
            uid,
            instance,
        } => {
            if uid.as_str().is_empty() {
                return Err(unknown("the plan does not know its uid"));
            }
            let found = find_node(fresh, cluster, node)?;
            equal(uid, &found.meta.uid, |uid| format!("uid {uid}"))?;
            match instance {
                None => Ok(()),
                Some(_) => equal(instance, &found.instance_id(), |id| match id {
                    Some(id) => format!("instance {id}"),
                    None => "no instance".to_owned(),
                }),
            }
        }
        Precondition::NodeIsEmpty { cluster: uid, node } => {
            let pods = complete(&cluster(fresh, uid)?.pods, "pods")?;
            let left = pods
                .iter()
                .find(|p| p.node() == Some(node) && !ends_with_its_node(p));
            match left {
                None => Ok(()),
                Some(pod) => Err(Unmet::Found {
                    found: format!("pod {}", pod.meta.path()),
                }),
            }
        }
        Precondition::PodsFitElsewhere {
            cluster: uid,
            node,
            pods,
        } => placement
            .fits_elsewhere(cluster(fresh, uid)?, node, pods)
            .map_err(|found| Unmet::Found { found }),
        Precondition::PodsAreReady {
            cluster: uid,
            controllers,
        } => {
            let cluster = cluster(fresh, uid)?;
            complete(&cluster.pods, "pods")?;
            controllers.iter().try_for_each(|c| are_back(cluster, c))
        }
        Precondition::WorkloadIs {
            cluster,
            workload,
            uid,
            generation,
        } => {
            if uid.as_str().is_empty() {
                return Err(unknown("the plan does not know its uid"));
            }
            let found = find_workload(fresh, cluster, workload)?;
            equal(uid, &found.meta.uid, |uid| format!("uid {uid}"))?;
            match generation {
                None => Ok(()),
                Some(_) => equal(generation, &found.meta.generation, |g| match g {
                    Some(g) => format!("generation {g}"),
                    None => "no generation".to_owned(),
                }),
            }
        }
        Precondition::ContainerAsks {
            cluster,
            workload,
            container,
            resources,
        } => {
            let found = find_workload(fresh, cluster, workload)?;
            let found = find_container(found, container)?;
            equal(&**resources, &found.resources, |r| {
                serde_json::to_string(r).unwrap_or_default()
            })
        }
        Precondition::ReplicasAre {
            cluster,
            workload,
            replicas,
        } => {
            let found = find_workload(fresh, cluster, workload)?.replicas;
            let found = found.ok_or_else(|| unknown("its replicas"))?;
            equal(replicas, &found, |r| format!("{r} replicas"))
        }
        Precondition::AnnotationIs {
            cluster,
            object,
            key,
            value,
        } => {
            let found = find_object(fresh, cluster, object)?;
            equal(value, &found.annotation(key).map(str::to_owned), absent)
        }
        Precondition::RoutingIs {
            cluster: uid,
            service,
            value,
        } => {
            let found = find(&cluster(fresh, uid)?.services, "services", |s| {
                s.meta.namespace == service.namespace && s.meta.name == service.name
            })?;
            equal(value, &found.traffic_distribution, absent)
        }
        Precondition::InstanceIs {
            instance,
            launched_at,
            state,
        } => {
            let found = find_instance(fresh, instance)?;
            if *state == InstanceState::Unknown {
                return Err(unknown("the plan does not know its state"));
            }
            equal(state, &found.state, |s| format!("{s:?}").to_lowercase())?;
            match launched_at {
                None => Ok(()),
                Some(_) => equal(launched_at, &found.launched_at, |at| match at {
                    Some(at) => format!("launch at {at}"),
                    None => "no launch time".to_owned(),
                }),
            }
        }
        Precondition::NoNodeRunsOn { instance } => {
            if fresh.clusters.is_empty() {
                return Err(unknown("no cluster was read"));
            }
            for cluster in &fresh.clusters {
                for node in complete(&cluster.nodes, "nodes")? {
                    match node.instance_id() {
                        Some(id) if id == *instance => {
                            return Err(Unmet::Found {
                                found: format!("node {}", node.meta.name),
                            });
                        }
                        Some(_) => {}
                        // A node of another provider names itself (Fargate,
                        // hybrid); one without a provider id might be the one.
                        None if node.provider_id.is_some() => {}
                        None => {
                            return Err(unknown(format!(
                                "the instance of node {}",
                                node.meta.name
                            )));
                        }
                    }
                }
            }
            Ok(())
        }
        Precondition::NoInstanceBehind { cluster, node } => {
            let node = find_node(fresh, cluster, node)?;
            let id = node
                .instance_id()
                .ok_or_else(|| unknown("the instance of the node"))?;
            match find_instance(fresh, &id) {
                Err(Unmet::Gone) => Ok(()),
                Err(unmet) => Err(unmet),
                Ok(found) if found.state == InstanceState::Terminated => Ok(()),
                Ok(_) => Err(Unmet::Found {
                    found: format!("instance {id}"),
                }),
            }
        }
        Precondition::VolumeIsUnattached { volume, created_at } => {
            let found = find_volume(fresh, volume)?;
            equal(&VolumeState::Available, &found.state, |s| {
                format!("{s:?}").to_lowercase()
            })?;
            if let Some(attachment) = found.attachments.first() {
                return Err(Unmet::Found {
                    found: format!("attachment to {}", attachment.instance),
                });
            }
            match created_at {
                None => Ok(()),
                Some(_) => equal(created_at, &found.created_at, |at| match at {
                    Some(at) => format!("creation at {at}"),
                    None => "no creation time".to_owned(),
                }),
            }
        }
        Precondition::SnapshotIsComplete { volume } => {
            let size = find_volume(fresh, volume)?.size;
            let good = fresh
                .clouds
                .iter()
                .flat_map(|c| c.ebs_snapshots.items())
                .any(|s| {
                    s.volume.as_ref() == Some(volume)
                        && s.state == "completed"
                        && s.volume_size == size
                });
            if good {
                Ok(())
            } else {
                Err(Unmet::Found {
                    found: "no complete snapshot of its size".to_owned(),
                })
            }
        }
        Precondition::TagIs {
            resource,
            key,
            value,
        } => equal(value, &find_tag(fresh, resource, key)?, absent),
    }
}
