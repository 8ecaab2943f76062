//! Changes laid over a snapshot: what one engine decides reaches the next as
//! one, and a what-if is one that a person wrote.

use crate::model::{
    ClusterUid, ContainerResources, Node, NodeName, OfferingPrice, Snapshot, WorkloadRef,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// New requests and limits of a container of a workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RequestChange {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Workload.
    pub workload: WorkloadRef,
    /// Container.
    pub container: String,
    /// What it asks for from now on.
    pub resources: ContainerResources,
}

/// Another number of replicas.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReplicaChange {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Workload.
    pub workload: WorkloadRef,
    /// Replicas.
    pub replicas: u32,
}

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodeRef {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Node.
    pub node: NodeName,
}

/// A node that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodeAddition {
    /// Cluster.
    pub cluster: ClusterUid,
    /// The node, as it would be.
    pub node: Node,
}

/// A rule that Kubernetes lacks: on a node with one of `with`, at most `max`
/// of `of`.
///
/// With both the same, it limits a workload's pods on one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CountLimit {
    /// Cluster.
    pub cluster: ClusterUid,
    /// The rule binds nodes that hold a pod of this workload; every node when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<WorkloadRef>,
    /// Whose pods it counts.
    pub of: WorkloadRef,
    /// The most.
    pub max: u32,
}

/// A disruption budget that is taken away in thought.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DroppedBudget {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Changes laid over a snapshot. An empty one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Overlay {
    /// Requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestChange>,
    /// Replicas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaChange>,
    /// Nodes that are gone, with the pods that no one makes anew (DaemonSet pods).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed_nodes: Vec<NodeRef>,
    /// Nodes that are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added_nodes: Vec<NodeAddition>,
    /// Prices that win over those of the snapshot and the catalogue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<OfferingPrice>,
    /// Rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub count_limits: Vec<CountLimit>,
    /// Disruption budgets that do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped_budgets: Vec<DroppedBudget>,
}

impl Overlay {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `self`, then `other`: where both speak, `other` wins.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.requests.retain(|have| {
            !other.requests.iter().any(|new| {
                (&new.cluster, &new.workload, &new.container)
                    == (&have.cluster, &have.workload, &have.container)
            })
        });
        self.replicas.retain(|have| {
            !other
                .replicas
                .iter()
                .any(|new| (&new.cluster, &new.workload) == (&have.cluster, &have.workload))
        });
        self.prices.retain(|have| {
            !other.prices.iter().any(|new| {
                (&new.instance_type, &new.zone_id, &new.capacity_type)
                    == (&have.instance_type, &have.zone_id, &have.capacity_type)
            })
        });
        self.requests.extend(other.requests);
        self.replicas.extend(other.replicas);
        self.prices.extend(other.prices);
        self.removed_nodes.extend(other.removed_nodes);
        self.added_nodes.extend(other.added_nodes);
        self.count_limits.extend(other.count_limits);
        self.dropped_budgets.extend(other.dropped_budgets);
        self
    }

    /// The snapshot with the changes made. Prices and count limits are not
    /// part of a snapshot's objects: engines read them from the overlay.
    ///
    /// A replica change removes the pods that the controller would remove
    /// first (not ready, then youngest, then by name). More replicas than
    /// there are change the workload only: where new pods would go is the
    /// packer's question.
    #[must_use]
    pub fn apply(&self, snapshot: &Snapshot) -> Snapshot {
        let mut laid = snapshot.clone();
        for cluster in &mut laid.clusters {
            let uid = cluster.uid.clone();
            let removed: BTreeSet<&NodeName> = self
                .removed_nodes
                .iter()
                .filter(|r| r.cluster == uid)
                .map(|r| &r.node)
                .collect();
            if let Some(nodes) = cluster.nodes.value_mut() {
                nodes.retain(|n| !removed.contains(&n.name()));
                let added = self.added_nodes.iter().filter(|a| a.cluster == uid);
                nodes.extend(added.map(|a| a.node.clone()));
            }
            for change in self.requests.iter().filter(|c| c.cluster == uid) {
                change_requests(cluster, change);
            }
            for change in self.replicas.iter().filter(|c| c.cluster == uid) {
                change_replicas(cluster, change);
            }
            if let Some(pods) = cluster.pods.value_mut() {
                pods.retain(|pod| {
                    !(pod.node().is_some_and(|node| removed.contains(node))
                        && pod
                            .meta
                            .owners
                            .iter()
                            .any(|o| o.kind == "DaemonSet" || o.kind == "Node"))
                });
                for pod in pods.iter_mut() {
                    if pod.node().is_some_and(|node| removed.contains(node)) {
                        pod.spec.node_name = None;
                        pod.status.phase = crate::model::PodPhase::Pending;
                    }
                }
            }
            if let Some(budgets) = cluster.disruption_budgets.value_mut() {
                budgets.retain(|budget| {
                    !self.dropped_budgets.iter().any(|d| {
                        d.cluster == uid
                            && d.namespace == budget.meta.namespace
                            && d.name == budget.meta.name
                    })
                });
            }
        }
        laid.normalize();
        laid
    }
}

fn change_requests(cluster: &mut crate::model::Cluster, change: &RequestChange) {
    let owners = crate::model::OwnerIndex::new(cluster);
    let set = |spec: &mut crate::model::PodSpec| {
        let all = spec
            .containers
            .iter_mut()
            .chain(spec.init_containers.iter_mut());
        for container in all.filter(|c| c.name == change.container) {
            container.resources = change.resources.clone();
        }
    };
    if let Some(workloads) = cluster.workloads.value_mut() {
        for workload in workloads
            .iter_mut()
            .filter(|w| w.reference() == change.workload)
        {
            if let Some(template) = &mut workload.template {
                set(&mut template.spec);
            }
        }
    }
    if let Some(pods) = cluster.pods.value_mut() {
        for pod in pods.iter_mut() {
            if owners.top(pod) != change.workload {
                continue;
            }
            set(&mut pod.spec);
            let all = pod
                .status
                .containers
                .iter_mut()
                .chain(pod.status.init_containers.iter_mut());
            for status in all.filter(|s| s.name == change.container) {
                status.resources = None;
                status.allocated = None;
            }
        }
    }
}

fn change_replicas(cluster: &mut crate::model::Cluster, change: &ReplicaChange) {
    let owners = crate::model::OwnerIndex::new(cluster);
    if let Some(workloads) = cluster.workloads.value_mut() {
        for workload in workloads
            .iter_mut()
            .filter(|w| w.reference() == change.workload)
        {
            workload.replicas = Some(change.replicas);
        }
    }
    if let Some(pods) = cluster.pods.value_mut() {
        let mut mine: Vec<_> = pods
            .iter()
            .filter(|pod| !pod.is_finished() && owners.top(pod) == change.workload)
            .map(|pod| {
                let ready = pod.status.ready == Some(true);
                (
                    !ready,
                    pod.meta.created_at,
                    pod.meta.name.clone(),
                    pod.meta.uid.clone(),
                )
            })
            .collect();
        // Ready pods first, then the oldest: what is at the end goes.
        mine.sort();
        let keep = usize::try_from(change.replicas).unwrap_or(usize::MAX);
        let gone: BTreeSet<_> = mine
            .into_iter()
            .skip(keep)
            .map(|(_, _, _, uid)| uid)
            .collect();
        pods.retain(|pod| !gone.contains(&pod.meta.uid));
    }
}
