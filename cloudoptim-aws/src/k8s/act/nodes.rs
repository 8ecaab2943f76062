//! Nodes.

use super::object::{Object, node_path, path_of};
use super::{ClusterActuator, JSON, PLAN_KEY, UNTIL_KEY, can_do, changed, check, is_for};
use async_trait::async_trait;
use cloudoptim_core::decision::{Action, Launch, Owner, PodMove};
use cloudoptim_core::guard::Permit;
use cloudoptim_core::model::NodeName;
use cloudoptim_core::providers::{NodeActuator, ProviderError, STEP_KEY};
use http::Method;

const UNSCHEDULABLE: &str = "/spec/unschedulable";

/// Whether nothing new is placed on the node.
pub(super) fn is_cordoned(node: &Object) -> bool {
    node.is_true(UNSCHEDULABLE)
}

/// Makes it schedulable and takes the marks away.
pub(super) fn uncordon(node: &mut Object) {
    node.map(&["spec"]).remove("unschedulable");
    for key in [PLAN_KEY, UNTIL_KEY, STEP_KEY] {
        node.annotate(key, None);
    }
}

impl ClusterActuator {
    async fn delete(&self, path: &str, object: &Object) -> Result<(), ProviderError> {
        let options = object.delete_options().to_string().into_bytes();
        self.act.change(Method::DELETE, path, JSON, options).await?;
        Ok(())
    }
}

#[async_trait]
impl NodeActuator for ClusterActuator {
    async fn launch_nodes(&self, permit: &Permit, what: &Launch) -> Result<(), ProviderError> {
        let op = "launch_nodes";
        let allowed = matches!(permit.action(), Action::LaunchNodes { launch, .. }
            if **launch == *what);
        can_do(op, permit, allowed)
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
        can_do(op, permit, allowed)
    }

    async fn cordon_node(&self, permit: &Permit, name: &NodeName) -> Result<(), ProviderError> {
        let op = "cordon_node";
        let allowed = matches!(permit.action(), Action::CordonNode { node, .. } if node == name);
        is_for(op, permit, allowed)?;
        let path = node_path(name.as_str())?;
        let before = self.object(&path).await?;
        check::still_so(op, permit, &before)?;
        if is_cordoned(&before) {
            // Without marks of ours it is somebody else's, and stays so.
            return Ok(());
        }
        let mut after = before.clone();
        after
            .map(&["spec"])
            .insert("unschedulable".to_owned(), true.into());
        after.annotate(PLAN_KEY, Some(&self.marks.plan));
        after.annotate(UNTIL_KEY, Some(&self.marks.until.to_rfc3339()));
        after.annotate(STEP_KEY, Some(permit.key()));
        self.patch(&path, &before, &after).await
    }

    async fn uncordon_node(&self, permit: &Permit, name: &NodeName) -> Result<(), ProviderError> {
        let op = "uncordon_node";
        let allowed = matches!(permit.action(), Action::UncordonNode { node, .. } if node == name);
        is_for(op, permit, allowed)?;
        let path = node_path(name.as_str())?;
        let before = self.object(&path).await?;
        check::still_so(op, permit, &before)?;
        let owner = before.annotation(PLAN_KEY);
        if owner != Some(self.marks.plan.as_str()) {
            if !is_cordoned(&before) {
                return Ok(());
            }
            let why = match owner {
                Some(other) => format!("plan {other} cordoned it"),
                None => "somebody else cordoned it".to_owned(),
            };
            return Err(changed(op, name.as_str(), why));
        }
        let mut after = before.clone();
        uncordon(&mut after);
        self.patch(&path, &before, &after).await
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
        is_for(op, permit, allowed)?;
        self.drain_pods(permit, name, leaving).await
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
        is_for(op, permit, allowed)?;
        let node = self.object(&node_path(name.as_str())?).await?;
        check::still_so(op, permit, &node)?;
        can_do(op, permit, allowed)?;
        match owner {
            Owner::NodeClaim { name: claim } => self.remove_claim(op, name, claim).await,
            _ => can_do(op, permit, false),
        }
    }

    async fn delete_node_object(
        &self,
        permit: &Permit,
        name: &NodeName,
    ) -> Result<(), ProviderError> {
        let op = "delete_node_object";
        let Action::DeleteNodeObject { node, uid, .. } = permit.action() else {
            return is_for(op, permit, false);
        };
        is_for(op, permit, node == name)?;
        let path = node_path(name.as_str())?;
        let found = self.object(&path).await?;
        if found.uid() != uid.as_str() {
            let why = format!("it has uid {}, and {uid} was to go", found.uid());
            return Err(changed(op, name.as_str(), why));
        }
        check::still_so(op, permit, &found)?;
        self.delete(&path, &found).await
    }
}

impl ClusterActuator {
    async fn remove_claim(
        &self,
        op: &str,
        node: &NodeName,
        claim: &str,
    ) -> Result<(), ProviderError> {
        let path = path_of("karpenter.sh/v1", "NodeClaim", "", claim)?;
        let found = self.object(&path).await?;
        let of = found.text("/status/nodeName");
        if of != node.as_str() {
            let why = format!("node claim {claim} is of node {of:?}");
            return Err(changed(op, node.as_str(), why));
        }
        if found.is_going() {
            return Ok(());
        }
        // Read last: what runs on it now is what counts.
        let stays = self.pods_on(node).await?;
        if let Some(pod) = stays.iter().find(|pod| !ends_with_its_node(pod)) {
            let why = format!("pod {} runs on it", pod.meta.path());
            return Err(changed(op, node.as_str(), why));
        }
        self.delete(&path, &found).await
    }
}

/// Whether a pod ends with its node and needs no other.
pub(super) fn ends_with_its_node(pod: &cloudoptim_core::model::Pod) -> bool {
    let owner = pod.meta.controller();
    pod.is_finished() || pod.is_mirror() || owner.is_some_and(|owner| owner.kind == "DaemonSet")
}
