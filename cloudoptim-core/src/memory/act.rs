//! Changing the world: what is no node.

use super::{InMemoryCloud, InMemoryCluster, call, cluster_in};
use crate::decision::{Action, ObjectRef, Offering, Owner, SpotPoolShare};
use crate::guard::lookup::holds;
use crate::guard::{Permit, Placement, Unmet};
use crate::knowledge::Knowledge;
use crate::model::*;
use crate::providers::{
    InstanceActuator, ObjectActuator, ProviderError, SPOT_REPLICAS_KEY, STEP_KEY, TagActuator,
    VolumeActuator, WorkloadActuator,
};
use async_trait::async_trait;

/// A provider does not simulate the scheduler: that is for the guards.
#[derive(Debug)]
struct NotAsked;

impl Placement for NotAsked {
    fn fits_elsewhere(&self, _: &Cluster, _: &NodeName, _: &[Uid]) -> Result<(), String> {
        Ok(())
    }
}

/// The preconditions that go along with the request.
pub(super) fn still_so(
    operation: &str,
    permit: &Permit,
    world: &Snapshot,
) -> Result<(), ProviderError> {
    for precondition in permit.preconditions() {
        if let Err(unmet) = holds(precondition, world, &NotAsked, permit.plan()) {
            let call = call(operation, &permit.action().resource());
            return Err(match unmet {
                Unmet::Gone => ProviderError::NotFound {
                    call: Box::new(call),
                },
                unmet => ProviderError::Conflict {
                    call: Box::new(call.because(format!("{precondition}: {unmet}"))),
                },
            });
        }
    }
    Ok(())
}

pub(super) fn missing(operation: &str, resource: &str) -> ProviderError {
    ProviderError::NotFound {
        call: Box::new(call(operation, resource)),
    }
}

fn one<'a, T>(
    part: Option<&'a mut Knowledge<Vec<T>>>,
    operation: &str,
    resource: &str,
    is: impl Fn(&T) -> bool,
) -> Result<&'a mut T, ProviderError> {
    part.and_then(Knowledge::value_mut)
        .and_then(|items| items.iter_mut().find(|item| is(item)))
        .ok_or_else(|| missing(operation, resource))
}

impl InMemoryCloud {
    fn part_mut<'a>(&self, world: &'a mut Snapshot) -> Option<&'a mut Cloud> {
        world
            .clouds
            .iter_mut()
            .find(|c| c.account == self.account && c.region == self.region)
    }

    fn instance<'a>(
        &self,
        world: &'a mut Snapshot,
        operation: &str,
        id: &InstanceId,
    ) -> Result<&'a mut Instance, ProviderError> {
        let part = self.part_mut(world).map(|c| &mut c.instances);
        one(part, operation, id.as_str(), |i| i.id == *id)
    }
}

impl InMemoryCluster {
    pub(super) fn node<'a>(
        &self,
        world: &'a mut Snapshot,
        operation: &str,
        name: &NodeName,
    ) -> Result<&'a mut Node, ProviderError> {
        let part = cluster_in(world, &self.uid).map(|c| &mut c.nodes);
        one(part, operation, name.as_str(), |n| {
            n.meta.name == name.as_str()
        })
    }

    fn workload<'a>(
        &self,
        world: &'a mut Snapshot,
        operation: &str,
        workload: &WorkloadRef,
    ) -> Result<&'a mut Workload, ProviderError> {
        let part = cluster_in(world, &self.uid).map(|c| &mut c.workloads);
        let found = one(part, operation, &workload.to_string(), |w| {
            w.reference() == *workload
        })?;
        // A change of the specification is a new generation.
        found.meta.generation = found.meta.generation.map(|g| g + 1);
        Ok(found)
    }
}

pub(super) fn conflict(operation: &str, resource: &str, why: &str) -> ProviderError {
    ProviderError::Conflict {
        call: Box::new(call(operation, resource).because(why)),
    }
}

/// Neither a node runs on it nor is it protected.
fn is_free(
    operation: &str,
    world: &Snapshot,
    id: &InstanceId,
    protected: Option<bool>,
) -> Result<(), ProviderError> {
    let nodes = world.clusters.iter().flat_map(|c| c.nodes.items());
    if nodes
        .into_iter()
        .any(|n| n.instance_id().as_ref() == Some(id))
    {
        return Err(conflict(operation, id.as_str(), "a node runs on it"));
    }
    if protected == Some(true) {
        return Err(conflict(operation, id.as_str(), "it is protected"));
    }
    Ok(())
}

#[async_trait]
impl InstanceActuator for InMemoryCloud {
    async fn stop_instance(&self, permit: &Permit, id: &InstanceId) -> Result<(), ProviderError> {
        let op = "stop_instance";
        let allowed =
            matches!(permit.action(), Action::StopInstance { instance, .. } if instance == id);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let protected = self.instance(world, op, id)?.stop_protected;
                is_free(op, world, id, protected)?;
                self.instance(world, op, id)?.state = InstanceState::Stopped;
                Ok(())
            })
            .await
    }

    async fn start_instance(&self, permit: &Permit, id: &InstanceId) -> Result<(), ProviderError> {
        let op = "start_instance";
        let allowed =
            matches!(permit.action(), Action::StartInstance { instance, .. } if instance == id);
        self.memory
            .act(op, permit, allowed, |world, _| {
                self.instance(world, op, id)?.state = InstanceState::Running;
                Ok(())
            })
            .await
    }

    async fn terminate_instance(
        &self,
        permit: &Permit,
        id: &InstanceId,
        owner: &Owner,
    ) -> Result<(), ProviderError> {
        let op = "terminate_instance";
        let allowed = matches!(permit.action(), Action::TerminateInstance { instance, via, .. }
            if instance == id && via == owner);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let protected = self.instance(world, op, id)?.termination_protected;
                is_free(op, world, id, protected)?;
                self.instance(world, op, id)?.state = InstanceState::Terminated;
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl VolumeActuator for InMemoryCloud {
    async fn snapshot_volume(&self, permit: &Permit, id: &VolumeId) -> Result<(), ProviderError> {
        let op = "snapshot_volume";
        let allowed =
            matches!(permit.action(), Action::SnapshotVolume { volume, .. } if volume == id);
        let key = permit.key();
        self.memory
            .act(op, permit, allowed, |world, now| {
                let cloud = self
                    .part_mut(world)
                    .ok_or_else(|| missing(op, id.as_str()))?;
                let part = Some(&mut cloud.volumes);
                let size = one(part, op, id.as_str(), |v| v.id == *id)?.size;
                let snapshot = EbsSnapshot {
                    id: format!("snap-{key}").into(),
                    volume: Some(id.clone()),
                    state: "completed".to_owned(),
                    volume_size: size,
                    started_at: Some(now),
                    tags: Labels::from([(STEP_KEY.to_owned(), key.to_owned())]),
                    ..EbsSnapshot::default()
                };
                match cloud.ebs_snapshots.value_mut() {
                    Some(snapshots) => snapshots.push(snapshot),
                    None => return Err(missing(op, id.as_str())),
                }
                Ok(())
            })
            .await
    }

    async fn delete_volume(&self, permit: &Permit, id: &VolumeId) -> Result<(), ProviderError> {
        let op = "delete_volume";
        let allowed =
            matches!(permit.action(), Action::DeleteVolume { volume, .. } if volume == id);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let volumes = self
                    .part_mut(world)
                    .and_then(|c| c.volumes.value_mut())
                    .ok_or_else(|| missing(op, id.as_str()))?;
                let attached = |v: &Volume| v.id == *id && !v.attachments.is_empty();
                if volumes.iter().any(attached) {
                    return Err(conflict(op, id.as_str(), "it is attached"));
                }
                let before = volumes.len();
                volumes.retain(|v| v.id != *id);
                if volumes.len() == before {
                    return Err(missing(op, id.as_str()));
                }
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl TagActuator for InMemoryCloud {
    async fn tag(
        &self,
        permit: &Permit,
        id: &str,
        name: &str,
        value: Option<String>,
    ) -> Result<(), ProviderError> {
        let op = "tag";
        let allowed = matches!(permit.action(), Action::Tag { resource, key, to, .. }
            if resource == id && key == name && *to == value);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let tags = if id.starts_with("vol-") {
                    let part = self.part_mut(world).map(|c| &mut c.volumes);
                    &mut one(part, op, id, |v| v.id.as_str() == id)?.tags
                } else if id.starts_with("snap-") {
                    let part = self.part_mut(world).map(|c| &mut c.ebs_snapshots);
                    &mut one(part, op, id, |s| s.id.as_str() == id)?.tags
                } else {
                    &mut self.instance(world, op, &InstanceId::new(id))?.tags
                };
                set(tags, name, value);
                Ok(())
            })
            .await
    }
}

fn set(labels: &mut Labels, key: &str, value: Option<String>) {
    match value {
        Some(value) => labels.insert(key.to_owned(), value),
        None => labels.remove(key),
    };
}

#[async_trait]
impl WorkloadActuator for InMemoryCluster {
    async fn resize_container(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        name: &str,
        is_init: bool,
        resources: &ContainerResources,
    ) -> Result<(), ProviderError> {
        let op = "resize_container";
        let allowed = matches!(permit.action(),
            Action::ResizeContainer { workload, container, init, to, .. }
            if workload == which && container == name && *init == is_init && **to == *resources);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let spec = self
                    .workload(world, op, which)?
                    .template
                    .as_mut()
                    .map(|t| &mut t.spec)
                    .ok_or_else(|| missing(op, &which.to_string()))?;
                let containers = if is_init {
                    &mut spec.init_containers
                } else {
                    &mut spec.containers
                };
                containers
                    .iter_mut()
                    .find(|c| c.name == name)
                    .ok_or_else(|| missing(op, name))?
                    .resources = resources.clone();
                Ok(())
            })
            .await
    }

    async fn resize_pod(
        &self,
        permit: &Permit,
        name: &NamespacedName,
        of: &Uid,
        of_container: &str,
        resources: &ContainerResources,
    ) -> Result<(), ProviderError> {
        let op = "resize_pod";
        let allowed = matches!(permit.action(), Action::ResizePod { pod, uid, container, to, .. }
            if pod == name && uid == of && container == of_container && **to == *resources);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let part = cluster_in(world, &self.uid).map(|c| &mut c.pods);
                let pod = one(part, op, &name.to_string(), |p| p.meta.uid == *of)?;
                let all = pod.spec.containers.iter_mut();
                all.chain(&mut pod.spec.init_containers)
                    .find(|c| c.name == of_container)
                    .ok_or_else(|| missing(op, of_container))?
                    .resources = resources.clone();
                let all = pod.status.containers.iter_mut();
                let all = all.chain(&mut pod.status.init_containers);
                // The kubelet does it at once.
                for status in all.filter(|c| c.name == of_container) {
                    status.resources = Some(resources.clone());
                    status.allocated = Some(resources.requests.clone());
                }
                Ok(())
            })
            .await
    }

    async fn scale_workload(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        replicas: u32,
    ) -> Result<(), ProviderError> {
        let op = "scale_workload";
        let allowed = matches!(permit.action(), Action::ScaleWorkload { workload, to, .. }
            if workload == which && *to == replicas);
        self.memory
            .act(op, permit, allowed, |world, _| {
                self.workload(world, op, which)?.replicas = Some(replicas);
                Ok(())
            })
            .await
    }

    async fn suspend_workload(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        suspended: bool,
    ) -> Result<(), ProviderError> {
        let op = "suspend_workload";
        let allowed = matches!(permit.action(), Action::SuspendWorkload { workload, suspend, .. }
            if workload == which && *suspend == suspended);
        self.memory
            .act(op, permit, allowed, |world, _| {
                self.workload(world, op, which)?.paused = suspended;
                Ok(())
            })
            .await
    }

    async fn prefer_zone(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        zone: Option<ZoneId>,
    ) -> Result<(), ProviderError> {
        let op = "prefer_zone";
        let allowed = matches!(permit.action(), Action::PreferZone { workload, to, .. }
            if workload == which && *to == zone);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let spec = self
                    .workload(world, op, which)?
                    .template
                    .as_mut()
                    .map(|t| &mut t.spec)
                    .ok_or_else(|| missing(op, &which.to_string()))?;
                spec.preferred_node_affinity.retain(|p| {
                    !p.term
                        .match_expressions
                        .iter()
                        .any(|r| r.key == ZONE_ID_LABEL)
                });
                if let Some(zone) = zone {
                    spec.preferred_node_affinity.push(PreferredNodeTerm {
                        weight: 100,
                        term: NodeSelectorTerm {
                            match_expressions: vec![Requirement {
                                key: ZONE_ID_LABEL.to_owned(),
                                operator: Operator::In,
                                values: vec![zone.to_string()],
                            }],
                            match_fields: Vec::new(),
                        },
                    });
                }
                Ok(())
            })
            .await
    }

    async fn set_spot_share(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        replicas: u32,
        shares: &[SpotPoolShare],
        otherwise: &Offering,
    ) -> Result<(), ProviderError> {
        let op = "set_spot_share";
        let allowed = matches!(permit.action(),
            Action::SetSpotShare { workload, to, pools, fallback, .. }
            if workload == which && *to == replicas && pools == shares && fallback == otherwise);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let annotations = &mut self.workload(world, op, which)?.meta.annotations;
                set(annotations, SPOT_REPLICAS_KEY, Some(replicas.to_string()));
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl ObjectActuator for InMemoryCluster {
    async fn annotate(
        &self,
        permit: &Permit,
        which: &ObjectRef,
        name: &str,
        value: Option<String>,
    ) -> Result<(), ProviderError> {
        let op = "annotate";
        let allowed = matches!(permit.action(), Action::Annotate { object, key, to, .. }
            if object == which && key == name && *to == value);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let gone = || missing(op, &which.to_string());
                let cluster = cluster_in(world, &self.uid).ok_or_else(gone)?;
                let is = |meta: &ObjectMeta| {
                    meta.name == which.name && meta.namespace == which.namespace
                };
                let meta = match which.kind.as_str() {
                    "Node" => cluster
                        .nodes
                        .value_mut()
                        .and_then(|v| v.iter_mut().map(|o| &mut o.meta).find(|m| is(m))),
                    "Pod" => cluster
                        .pods
                        .value_mut()
                        .and_then(|v| v.iter_mut().map(|o| &mut o.meta).find(|m| is(m))),
                    "Service" => cluster
                        .services
                        .value_mut()
                        .and_then(|v| v.iter_mut().map(|o| &mut o.meta).find(|m| is(m))),
                    "Namespace" => cluster
                        .namespaces
                        .value_mut()
                        .and_then(|v| v.iter_mut().map(|o| &mut o.meta).find(|m| is(m))),
                    kind => cluster.workloads.value_mut().and_then(|v| {
                        v.iter_mut()
                            .filter(|o| o.kind.as_str() == kind)
                            .map(|o| &mut o.meta)
                            .find(|m| is(m))
                    }),
                };
                let meta = meta.ok_or_else(gone)?;
                set(&mut meta.annotations, name, value);
                if which.kind == "Deployment" {
                    // As the API server does, and for no other kind.
                    meta.generation = meta.generation.map(|g| g + 1);
                }
                Ok(())
            })
            .await
    }

    async fn route_service(
        &self,
        permit: &Permit,
        which: &NamespacedName,
        value: Option<String>,
    ) -> Result<(), ProviderError> {
        let op = "route_service";
        let allowed = matches!(permit.action(), Action::RouteService { service, to, .. }
            if service == which && *to == value);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let part = cluster_in(world, &self.uid).map(|c| &mut c.services);
                one(part, op, &which.to_string(), |s| {
                    s.meta.namespace == which.namespace && s.meta.name == which.name
                })?
                .traffic_distribution = value;
                Ok(())
            })
            .await
    }
}
