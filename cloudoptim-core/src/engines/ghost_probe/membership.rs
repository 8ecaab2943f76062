//! To which cluster an instance says that it belongs.

use crate::model::{Cloud, Instance};
use std::collections::BTreeMap;

/// Tags whose value is a cluster's name: of EKS, of Karpenter, of older tools.
const NAMING_TAGS: [&str; 6] = [
    "aws:eks:cluster-name",
    "eks:cluster-name",
    "eks:eks-cluster-name",
    "alpha.eksctl.io/cluster-name",
    "karpenter.sh/managed-by",
    "KubernetesCluster",
];

/// Tags of nodes that name no cluster.
const NODE_TAGS: [&str; 5] = [
    "eks:nodegroup-name",
    "k8s.io/cluster-autoscaler/enabled",
    "karpenter.sh/nodeclaim",
    "karpenter.sh/nodepool",
    "karpenter.sh/provisioner-name",
];

const CLUSTER_PREFIX: &str = "kubernetes.io/cluster/";

/// What tags and groups say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Membership {
    /// Clusters by name, with the tag or group that says so.
    pub(super) named: BTreeMap<String, String>,
    /// Clusters of which it only shares something.
    pub(super) shared: BTreeMap<String, String>,
    /// A tag that nodes have and that names no cluster.
    pub(super) unnamed: Option<String>,
}

impl Membership {
    /// Reads tags, and node groups by their auto scaling groups.
    ///
    /// `aws:autoscaling:groupName` alone says nothing: most groups are no nodes.
    pub(super) fn of(instance: &Instance, cloud: &Cloud, group: Option<&str>) -> Self {
        let mut this = Self::default();
        for (key, value) in &instance.tags {
            if let Some(name) = key.strip_prefix(CLUSTER_PREFIX) {
                let list = match value.as_str() {
                    "owned" => &mut this.named,
                    _ => &mut this.shared,
                };
                list.insert(name.to_owned(), format!("tag {key}"));
            } else if NAMING_TAGS.contains(&key.as_str()) && !value.is_empty() {
                let by = this.named.entry(value.clone()).or_default();
                if by.is_empty() {
                    *by = format!("tag {key}");
                }
            } else if this.unnamed.is_none() && NODE_TAGS.contains(&key.as_str()) {
                this.unnamed = Some(format!("tag {key}"));
            }
        }
        if let Some(group) = group {
            let behind = cloud
                .node_groups
                .items()
                .iter()
                .filter(|g| !g.cluster.is_empty())
                .filter(|g| g.auto_scaling_groups.iter().any(|a| a == group));
            for node_group in behind {
                let by = this.named.entry(node_group.cluster.clone()).or_default();
                if by.is_empty() {
                    *by = format!("node group {}", node_group.name);
                }
            }
        }
        this
    }
}
