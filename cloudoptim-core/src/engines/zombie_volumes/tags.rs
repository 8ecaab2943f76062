//! What a volume's tags say.

use super::{Config, Reason};
use crate::engines::observed::protecting_tag;
use crate::model::{Labels, NamespacedName};
use std::collections::BTreeMap;

const CLUSTER_PREFIX: &str = "kubernetes.io/cluster/";

/// Tags whose value is a cluster's name.
const NAMING_TAGS: [&str; 5] = [
    "KubernetesCluster",
    "aws:eks:cluster-name",
    "ebs.csi.aws.com/cluster-name",
    "eks:cluster-name",
    "eks:eks-cluster-name",
];

/// Tags of volumes that a cluster made, without its name.
const MADE_TAGS: [&str; 5] = [
    "CSIVolumeName",
    "ebs.csi.aws.com/cluster",
    "kubernetes.io/created-for/pv/name",
    "kubernetes.io/created-for/pvc/name",
    "kubernetes.io/created-for/pvc/namespace",
];

/// Beginnings of tags of control planes (kOps and its like).
const CONTROL_PLANE: [&str; 3] = [
    "k8s.io/etcd/",
    "k8s.io/role/control-plane",
    "k8s.io/role/master",
];

/// What the tags say about clusters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Origin {
    /// Clusters by name, with the tag.
    pub(super) clusters: BTreeMap<String, String>,
    /// A tag that says that a cluster made it.
    pub(super) made: Option<String>,
    /// The claim that it was made for.
    pub(super) claim: Option<NamespacedName>,
    /// The persistent volume that it was made for.
    pub(super) persistent_volume: Option<String>,
}

impl Origin {
    pub(super) fn of(tags: &Labels) -> Self {
        let mut this = Self::default();
        for (key, value) in tags {
            if let Some(name) = key.strip_prefix(CLUSTER_PREFIX) {
                this.clusters.insert(name.to_owned(), key.clone());
            } else if NAMING_TAGS.contains(&key.as_str()) && !value.is_empty() {
                this.clusters
                    .entry(value.clone())
                    .or_insert_with(|| key.clone());
            } else if this.made.is_none() && MADE_TAGS.contains(&key.as_str()) {
                this.made = Some(key.clone());
            }
        }
        let get = |key: &str| tags.get(key).filter(|v| !v.is_empty());
        if let (Some(namespace), Some(name)) = (
            get("kubernetes.io/created-for/pvc/namespace"),
            get("kubernetes.io/created-for/pvc/name"),
        ) {
            this.claim = Some(NamespacedName::new(namespace, name));
        }
        this.persistent_volume = get("kubernetes.io/created-for/pv/name")
            .or_else(|| get("CSIVolumeName"))
            .cloned();
        this
    }

    pub(super) fn is_of_a_cluster(&self) -> bool {
        !self.clusters.is_empty() || self.made.is_some()
    }
}

/// A tag that keeps the volume, whoever made it.
pub(super) fn protection(config: &Config, tags: &Labels) -> Option<Reason> {
    let key_with = |prefix: &str| tags.keys().find(|k| k.starts_with(prefix)).cloned();
    if let Some(tag) = protecting_tag(tags, &config.keep_tags) {
        return Some(Reason::ProtectedByTag {
            tag: tag.to_owned(),
        });
    }
    if let Some(tag) = CONTROL_PLANE.into_iter().find_map(key_with) {
        return Some(Reason::ControlPlane { tag });
    }
    if let Some(tag) = config.backup_tag_prefixes.iter().find_map(|p| key_with(p)) {
        return Some(Reason::Backup { tag });
    }
    for mark in &config.managing_tags {
        let tag = match mark.split_once('=') {
            Some((key, value)) => tags
                .iter()
                .find(|(k, v)| k.eq_ignore_ascii_case(key) && v.eq_ignore_ascii_case(value))
                .map(|(k, _)| k.clone()),
            None => key_with(mark),
        };
        if let Some(tag) = tag {
            return Some(Reason::ManagedByTool { tag });
        }
    }
    None
}
