//! Changing the world: nodes.

use super::act::{conflict, missing};
use super::{InMemoryCluster, call, cluster_in};
use crate::decision::{Action, Launch, Owner, PodMove, is_planned};
use crate::guard::Permit;
use crate::guard::lookup::{ends_with_its_node, find_launched};
use crate::model::*;
use crate::providers::{NodeActuator, ProviderError, STEP_KEY};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Label with the name under which a plan spoke of a launched node, with a point
/// for the slash.
const PLANNED_KEY: &str = "cloudoptim/planned";

/// How many nodes a group wants.
fn group_size<'a>(world: &'a mut Snapshot, group: &Owner) -> Option<&'a mut u32> {
    let mut clouds = world.clouds.iter_mut();
    match group {
        Owner::NodeGroup { name, .. } => clouds
            .flat_map(|c| c.node_groups.value_mut().into_iter().flatten())
            .find(|g| g.name == *name)
            .map(|g| &mut g.desired),
        Owner::AutoScalingGroup { name } => clouds
            .find_map(|c| {
                let groups = c.auto_scaling_groups.value_mut();
                groups.into_iter().flatten().find(|g| g.name == *name)
            })
            .map(|g| &mut g.desired),
        _ => None,
    }
}

/// Raises the size of a group, from what the plan saw.
fn grow(operation: &str, world: &mut Snapshot, launch: &Launch) -> Result<(), ProviderError> {
    let Some(before) = launch.group_size else {
        return Ok(());
    };
    let name = launch.via.to_string();
    let size = group_size(world, &launch.via).ok_or_else(|| missing(operation, &name))?;
    if *size != before {
        let why = format!("it wants {size} nodes, and the plan saw {before}");
        return Err(conflict(operation, &name, &why));
    }
    *size = size.saturating_add(launch.count);
    Ok(())
}

fn launched_node(launch: &Launch, key: &str, index: u32, now: DateTime<Utc>) -> Node {
    let name = NodeName::new(format!("launched-{key}-{index}"));
    let shape = launch.shape.as_deref().cloned().unwrap_or_default();
    let mut node = shape.node(&name);
    node.meta.uid = format!("uid-{name}").into();
    node.meta.created_at = Some(now);
    let mut set = |key: &str, value: String| {
        node.meta.labels.insert(key.to_owned(), value);
    };
    set(STEP_KEY, key.to_owned());
    let place = usize::try_from(index).unwrap_or(usize::MAX);
    if let Some(planned) = launch.nodes.get(place) {
        set(PLANNED_KEY, planned.as_str().replace('/', "."));
    }
    set(
        INSTANCE_TYPE_LABEL,
        launch.offering.instance_type.to_string(),
    );
    match &launch.via {
        Owner::NodePool { name } => set(NODE_POOL_LABEL, name.clone()),
        Owner::NodeGroup { name, .. } => set(NODE_GROUP_LABEL, name.clone()),
        _ => {}
    }
    node
}

/// Puts a node's instance where the owner would: on its way out.
fn remove_instance(world: &mut Snapshot, id: &InstanceId) {
    for cloud in &mut world.clouds {
        for instance in cloud.instances.value_mut().into_iter().flatten() {
            if instance.id == *id {
                instance.state = InstanceState::Terminated;
            }
        }
    }
}

#[async_trait]
impl NodeActuator for InMemoryCluster {
    async fn launch_nodes(&self, permit: &Permit, what: &Launch) -> Result<(), ProviderError> {
        let op = "launch_nodes";
        let allowed = matches!(permit.action(), Action::LaunchNodes { launch, .. }
            if **launch == *what);
        let key = permit.key();
        self.memory
            .act(op, permit, allowed, |world, now| {
                grow(op, world, what)?;
                let nodes = cluster_in(world, &self.uid)
                    .and_then(|c| c.nodes.value_mut())
                    .ok_or_else(|| missing(op, self.uid.as_str()))?;
                for index in 0..what.count {
                    nodes.push(launched_node(what, key, index, now));
                }
                Ok(())
            })
            .await
    }

    async fn release_nodes(
        &self,
        permit: &Permit,
        what: &Launch,
        of: &str,
    ) -> Result<(), ProviderError> {
        let op = "release_nodes";
        let allowed = matches!(permit.action(), Action::ReleaseNodes { launch, key, .. }
            if **launch == *what && key == of);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let gone = || missing(op, self.uid.as_str());
                let cluster = world.cluster(&self.uid).ok_or_else(gone)?;
                let pods = cluster.pods.items();
                let idle = |node: &&&Node| {
                    let name = node.name();
                    let uses = |p: &Pod| p.node() == Some(&name) && !ends_with_its_node(p);
                    !pods.iter().any(uses)
                };
                let found = find_launched(world, cluster, of).nodes;
                let idle: Vec<NodeName> = found.iter().filter(idle).map(|n| n.name()).collect();
                if let Some(cluster) = cluster_in(world, &self.uid) {
                    if let Some(nodes) = cluster.nodes.value_mut() {
                        nodes.retain(|n| !idle.contains(&n.name()));
                    }
                    if let Some(pods) = cluster.pods.value_mut() {
                        pods.retain(|p| !p.node().is_some_and(|n| idle.contains(n)));
                    }
                }
                if let Some(size) = group_size(world, &what.via) {
                    *size = size.saturating_sub(u32::try_from(idle.len()).unwrap_or(u32::MAX));
                }
                Ok(())
            })
            .await
    }

    async fn cordon_node(&self, permit: &Permit, name: &NodeName) -> Result<(), ProviderError> {
        let op = "cordon_node";
        let allowed = matches!(permit.action(), Action::CordonNode { node, .. } if node == name);
        self.memory
            .act(op, permit, allowed, |world, _| {
                self.node(world, op, name)?.unschedulable = true;
                Ok(())
            })
            .await
    }

    async fn uncordon_node(&self, permit: &Permit, name: &NodeName) -> Result<(), ProviderError> {
        let op = "uncordon_node";
        let allowed = matches!(permit.action(), Action::UncordonNode { node, .. } if node == name);
        self.memory
            .act(op, permit, allowed, |world, _| {
                self.node(world, op, name)?.unschedulable = false;
                Ok(())
            })
            .await
    }

    async fn taint_node(
        &self,
        permit: &Permit,
        name: &NodeName,
        of: &str,
        with: TaintEffect,
        value: Option<String>,
    ) -> Result<(), ProviderError> {
        let op = "taint_node";
        let allowed = matches!(permit.action(), Action::TaintNode { node, key, effect, to, .. }
            if node == name && key == of && *effect == with && *to == value);
        if value.is_some() && with == TaintEffect::NoExecute {
            return Err(ProviderError::NotSupported {
                call: Box::new(call(op, name.as_str())),
            });
        }
        self.memory
            .act(op, permit, allowed, |world, _| {
                let taints = &mut self.node(world, op, name)?.taints;
                taints.retain(|taint| taint.key != of || taint.effect != with);
                taints.extend(value.map(|value| Taint {
                    key: of.to_owned(),
                    value,
                    effect: with,
                }));
                Ok(())
            })
            .await
    }

    async fn drain_node(
        &self,
        permit: &Permit,
        name: &NodeName,
        leaving: &[PodMove],
    ) -> Result<(), ProviderError> {
        let op = "drain_node";
        let allowed = matches!(permit.action(), Action::DrainNode { node, moves, .. }
            if node == name && moves == leaving);
        self.memory
            .act(op, permit, allowed, |world, _| {
                self.node(world, op, name)?;
                let nodes = cluster_in(world, &self.uid).map(|c| c.nodes.items());
                let named = |n: &Node| {
                    let planned = n.meta.label(PLANNED_KEY)?;
                    Some((NodeName::new(planned.replace('.', "/")), n.name()))
                };
                let planned: BTreeMap<NodeName, NodeName> =
                    nodes.unwrap_or_default().iter().filter_map(named).collect();
                let pods = cluster_in(world, &self.uid).and_then(|c| c.pods.value_mut());
                for pod in pods.into_iter().flatten() {
                    let Some(moved) = leaving.iter().find(|m| m.uid == pod.meta.uid) else {
                        continue;
                    };
                    if pod.node() != Some(name) || ends_with_its_node(pod) {
                        continue;
                    }
                    // Its owner makes another, which the scheduler places.
                    pod.meta.uid = format!("{}-again", pod.meta.uid).into();
                    let to = moved.to.as_ref();
                    pod.spec.node_name = to.and_then(|to| match is_planned(to) {
                        true => planned.get(to).cloned(),
                        false => Some(to.clone()),
                    });
                    if pod.spec.node_name.is_none() {
                        pod.status.phase = PodPhase::Pending;
                    }
                }
                Ok(())
            })
            .await
    }

    async fn remove_node(
        &self,
        permit: &Permit,
        name: &NodeName,
        owner: &Owner,
    ) -> Result<(), ProviderError> {
        let op = "remove_node";
        let allowed = matches!(permit.action(), Action::RemoveNode { node, via, .. }
            if node == name && via == owner);
        self.memory
            .act(op, permit, allowed, |world, _| {
                let instance = self.node(world, op, name)?.instance_id();
                let pods = cluster_in(world, &self.uid).map(|c| c.pods.items());
                let stays = |p: &Pod| p.node() == Some(name) && !ends_with_its_node(p);
                if pods.unwrap_or_default().iter().any(stays) {
                    return Err(conflict(op, name.as_str(), "pods run on it"));
                }
                if let Some(cluster) = cluster_in(world, &self.uid) {
                    if let Some(nodes) = cluster.nodes.value_mut() {
                        nodes.retain(|n| n.meta.name != name.as_str());
                    }
                    if let Some(pods) = cluster.pods.value_mut() {
                        pods.retain(|p| p.node() != Some(name));
                    }
                }
                if let Some(instance) = instance {
                    remove_instance(world, &instance);
                }
                Ok(())
            })
            .await
    }

    async fn delete_node_object(
        &self,
        permit: &Permit,
        name: &NodeName,
    ) -> Result<(), ProviderError> {
        let op = "delete_node_object";
        let allowed =
            matches!(permit.action(), Action::DeleteNodeObject { node, .. } if node == name);
        self.memory
            .act(op, permit, allowed, |world, _| {
                self.node(world, op, name)?;
                if let Some(nodes) = cluster_in(world, &self.uid).and_then(|c| c.nodes.value_mut())
                {
                    nodes.retain(|n| n.meta.name != name.as_str());
                }
                Ok(())
            })
            .await
    }
}
