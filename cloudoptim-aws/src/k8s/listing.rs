//! What is listed: every resource that an engine reads, in one table, from
//! which requests, access checks and role manifests are made.

use super::target::is_plain_path;

/// One resource of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listing {
    /// API group; empty for the core group.
    pub(super) group: &'static str,
    /// Versions that can be read, the best first.
    pub(super) versions: &'static [&'static str],
    /// Plural name.
    pub(super) resource: &'static str,
    /// Whether its objects live in namespaces.
    pub(super) namespaced: bool,
    /// The only namespace that is read.
    pub(super) only: Option<&'static str>,
    /// Whether a cluster may lack it: then it is looked for before it is read.
    pub(super) optional: bool,
}

const fn of(
    group: &'static str,
    version: &'static [&'static str],
    resource: &'static str,
) -> Listing {
    Listing {
        group,
        versions: version,
        resource,
        namespaced: false,
        only: None,
        optional: false,
    }
}

impl Listing {
    const fn namespaced(mut self) -> Self {
        self.namespaced = true;
        self
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    const fn only(mut self, namespace: &'static str) -> Self {
        self.only = Some(namespace);
        self
    }

    /// Path of the list, in one namespace or in all.
    pub(super) fn path(&self, version: &str, namespace: Option<&str>) -> String {
        let root = match self.group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        match self.only.or(namespace).filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.resource),
            None => format!("{root}/{}", self.resource),
        }
    }
}

const V1: &[&str] = &["v1"];

pub(super) const NODES: Listing = of("", V1, "nodes");
pub(super) const PODS: Listing = of("", V1, "pods").namespaced();
pub(super) const NAMESPACES: Listing = of("", V1, "namespaces");
pub(super) const PERSISTENT_VOLUMES: Listing = of("", V1, "persistentvolumes");
pub(super) const CLAIMS: Listing = of("", V1, "persistentvolumeclaims").namespaced();
pub(super) const SERVICES: Listing = of("", V1, "services").namespaced();
pub(super) const EVENTS: Listing = of("", V1, "events").namespaced();
pub(super) const LIMIT_RANGES: Listing = of("", V1, "limitranges").namespaced();
pub(super) const QUOTAS: Listing = of("", V1, "resourcequotas").namespaced();
pub(super) const DEPLOYMENTS: Listing = of("apps", V1, "deployments").namespaced();
pub(super) const STATEFUL_SETS: Listing = of("apps", V1, "statefulsets").namespaced();
pub(super) const DAEMON_SETS: Listing = of("apps", V1, "daemonsets").namespaced();
pub(super) const REPLICA_SETS: Listing = of("apps", V1, "replicasets").namespaced();
pub(super) const JOBS: Listing = of("batch", V1, "jobs").namespaced();
pub(super) const CRON_JOBS: Listing = of("batch", V1, "cronjobs").namespaced();
pub(super) const BUDGETS: Listing = of("policy", V1, "poddisruptionbudgets").namespaced();
pub(super) const HORIZONTAL: Listing =
    of("autoscaling", &["v2"], "horizontalpodautoscalers").namespaced();
pub(super) const STORAGE_CLASSES: Listing = of("storage.k8s.io", V1, "storageclasses");
pub(super) const CSI_NODES: Listing = of("storage.k8s.io", V1, "csinodes");
pub(super) const ATTACHMENTS: Listing = of("storage.k8s.io", V1, "volumeattachments");
pub(super) const SLICES: Listing = of("discovery.k8s.io", V1, "endpointslices").namespaced();
pub(super) const PRIORITIES: Listing = of("scheduling.k8s.io", V1, "priorityclasses");
pub(super) const RUNTIMES: Listing = of("node.k8s.io", V1, "runtimeclasses");
pub(super) const LEASES: Listing = of("coordination.k8s.io", V1, "leases")
    .namespaced()
    .only("kube-node-lease");
pub(super) const SNAPSHOTS: Listing = of(
    "snapshot.storage.k8s.io",
    &["v1", "v1beta1"],
    "volumesnapshots",
)
.namespaced()
.optional();
pub(super) const VERTICAL: Listing = of(
    "autoscaling.k8s.io",
    &["v1", "v1beta2"],
    "verticalpodautoscalers",
)
.namespaced()
.optional();
pub(super) const SCALED: Listing = of("keda.sh", &["v1alpha1"], "scaledobjects")
    .namespaced()
    .optional();
pub(super) const NODE_POOLS: Listing =
    of("karpenter.sh", &["v1", "v1beta1"], "nodepools").optional();
pub(super) const NODE_CLAIMS: Listing =
    of("karpenter.sh", &["v1", "v1beta1"], "nodeclaims").optional();
pub(super) const POD_METRICS: Listing = of("metrics.k8s.io", &["v1beta1"], "pods")
    .namespaced()
    .optional();

/// All kinds of workload that own pods.
pub(super) const WORKLOADS: &[Listing] = &[
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    REPLICA_SETS,
    STATEFUL_SETS,
];

/// Whether a name can stand for a namespace in a path.
pub(super) fn is_namespace(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && is_plain_path(&format!("/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_one_path_per_namespace() {
        assert_eq!(PODS.path("v1", None), "/api/v1/pods");
        assert_eq!(
            PODS.path("v1", Some("shop")),
            "/api/v1/namespaces/shop/pods"
        );
        assert_eq!(NODES.path("v1", Some("shop")), "/api/v1/nodes");
        assert_eq!(
            LEASES.path("v1", None),
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        );
        assert_eq!(
            NODE_POOLS.path("v1beta1", None),
            "/apis/karpenter.sh/v1beta1/nodepools"
        );
        assert!(is_namespace("kube-system"));
        assert!(!is_namespace("..") && !is_namespace("a/b") && !is_namespace(""));
    }
}
