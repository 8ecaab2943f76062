//! Changes laid over a snapshot: what one engine decides reaches the next as
//! one, and a what-if is one that a person wrote.

use crate::model::{
    ClusterUid, ContainerResources, Node, NodeName, OfferingPrice, Snapshot, Uid, WorkloadRef,
};
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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

/// A pod that is somewhere else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MovedPod {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Uid of the pod.
    pub pod: Uid,
    /// Node that it is on.
    pub node: NodeName,
}

/// Changes laid over a snapshot. An empty one changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Overlay {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<RequestChange>,
    /// Replicas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaChange>,
    /// Nodes that are gone, with the pods that no one makes anew (DaemonSet pods).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed_nodes: Vec<NodeRef>,
    /// Pods that are somewhere else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moved_pods: Vec<MovedPod>,
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
        self.moved_pods.extend(other.moved_pods);
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
                let moved: BTreeMap<&Uid, &NodeName> = self
                    .moved_pods
                    .iter()
                    .filter(|m| m.cluster == uid)
                    .map(|m| (&m.pod, &m.node))
                    .collect();
                for pod in pods.iter_mut() {
                    if let Some(node) = moved.get(&pod.meta.uid) {
                        pod.spec.node_name = Some((*node).clone());
                    }
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::{Knowledge, Provenance};
    use crate::model::{Bytes, Cluster, Container, MilliCpu, ObjectMeta, OwnerRef, Pod};
    use chrono::DateTime;

    fn pod(name: &str, owner: &str, node: &str) -> Pod {
        let meta = ObjectMeta {
            namespace: "n".into(),
            name: name.into(),
            uid: name.into(),
            owners: vec![OwnerRef {
                kind: owner.into(),
                name: "web".into(),
                uid: "w".into(),
                controller: true,
                ..Default::default()
            }],
            ..Default::default()
        };
        let mut pod = Pod {
            meta,
            ..Default::default()
        };
        pod.spec.node_name = Some(node.into());
        pod.spec.containers = vec![Container {
            name: "main".into(),
            ..Default::default()
        }];
        pod
    }

    fn snapshot(pods: Vec<Pod>) -> Snapshot {
        let node = |name: &str| Node {
            meta: ObjectMeta {
                name: name.into(),
                ..Default::default()
            },
            ..Default::default()
        };
        let mut snapshot = Snapshot::new(DateTime::UNIX_EPOCH);
        snapshot.clusters.push(Cluster {
            uid: "c".into(),
            nodes: Knowledge::complete(vec![node("a"), node("b")], Provenance::default()),
            pods: Knowledge::complete(pods, Provenance::default()),
            ..Default::default()
        });
        snapshot
    }

    #[test]
    fn a_removed_node_takes_its_daemon_pods_and_leaves_the_others_pending() {
        let before = snapshot(vec![
            pod("d", "DaemonSet", "a"),
            pod("moved", "StatefulSet", "a"),
            pod("left", "StatefulSet", "a"),
        ]);
        let overlay = Overlay {
            removed_nodes: vec![NodeRef {
                cluster: "c".into(),
                node: "a".into(),
            }],
            moved_pods: vec![MovedPod {
                cluster: "c".into(),
                pod: "moved".into(),
                node: "b".into(),
            }],
            ..Default::default()
        };
        let after = overlay.apply(&before);
        let places: Vec<_> = after.clusters[0]
            .pods
            .items()
            .iter()
            .map(|p| (p.meta.name.as_str(), p.node().map(NodeName::as_str)))
            .collect();
        assert_eq!(places, [("left", None), ("moved", Some("b"))]);
        assert_eq!(after.clusters[0].nodes.items().len(), 1);
    }

    #[test]
    fn new_requests_reach_the_pods_of_the_workload_and_the_last_change_wins() {
        let before = snapshot(vec![pod("p", "StatefulSet", "a")]);
        let change = |milli| {
            let mut resources = ContainerResources::default();
            resources.requests.cpu = Some(MilliCpu(milli));
            resources.requests.memory = Some(Bytes::GIB);
            Overlay {
                requests: vec![RequestChange {
                    cluster: "c".into(),
                    workload: WorkloadRef::new("n", "StatefulSet", "web"),
                    container: "main".into(),
                    resources,
                }],
                ..Default::default()
            }
        };
        let after = change(500).then(change(250)).apply(&before);
        let spec = &after.clusters[0].pods.items()[0].spec;
        assert_eq!(
            spec.containers[0].resources.requests.cpu,
            Some(MilliCpu(250))
        );
    }

    #[test]
    fn fewer_replicas_keep_the_ready_and_the_old() {
        let mut old = pod("old", "StatefulSet", "a");
        old.status.ready = Some(true);
        old.meta.created_at = Some(DateTime::UNIX_EPOCH);
        let mut young = pod("young", "StatefulSet", "a");
        young.status.ready = Some(true);
        young.meta.created_at = Some(DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1));
        let sick = pod("sick", "StatefulSet", "a");
        let overlay = Overlay {
            replicas: vec![ReplicaChange {
                cluster: "c".into(),
                workload: WorkloadRef::new("n", "StatefulSet", "web"),
                replicas: 1,
            }],
            ..Default::default()
        };
        let after = overlay.apply(&snapshot(vec![sick, young, old]));
        let names: Vec<_> = after.clusters[0]
            .pods
            .items()
            .iter()
            .map(|p| p.meta.name.as_str())
            .collect();
        assert_eq!(names, ["old"]);
    }
}
