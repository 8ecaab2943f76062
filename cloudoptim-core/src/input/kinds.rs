//! Kubernetes objects by kind.

use super::broken;
use super::document::{Document, head};
use super::log::Log;
use super::meta::{Nothing, Obj, RawListMeta};
use super::pod::RawTemplate;
use super::raw::N;
use super::slot::{HasMeta, Place, Slot, nameless};
use super::{network, node, pod, storage, workload};
use crate::model::{
    CsiNode, EndpointSlice, Event, HorizontalPodAutoscaler, Lease, LimitRange, Namespace, Node,
    NodeClaim, NodePool, PersistentVolume, PersistentVolumeClaim, Pod, PodDisruptionBudget,
    PriorityClass, ResourceQuota, RuntimeClass, ScaledObject, Service, StorageClass,
    VerticalPodAutoscaler, VolumeAttachment, VolumeSnapshot, Workload, WorkloadKind,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// Kinds of workload that every cluster has.
const WORKLOAD_KINDS: [&str; 6] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "StatefulSet",
];

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) nodes: Slot<Node>,
    pub(super) pods: Slot<Pod>,
    pub(super) workloads: Slot<Workload>,
    /// Uids of every `kube-system`, those of duplicates too.
    pub(super) kube_system: Vec<crate::model::Uid>,
    pub(super) disruption_budgets: Slot<PodDisruptionBudget>,
    pub(super) persistent_volumes: Slot<PersistentVolume>,
    pub(super) claims: Slot<PersistentVolumeClaim>,
    pub(super) storage_classes: Slot<StorageClass>,
    pub(super) csi_nodes: Slot<CsiNode>,
    pub(super) volume_attachments: Slot<VolumeAttachment>,
    pub(super) volume_snapshots: Slot<VolumeSnapshot>,
    pub(super) services: Slot<Service>,
    pub(super) endpoint_slices: Slot<EndpointSlice>,
    pub(super) horizontal_autoscalers: Slot<HorizontalPodAutoscaler>,
    pub(super) vertical_autoscalers: Slot<VerticalPodAutoscaler>,
    pub(super) scaled_objects: Slot<ScaledObject>,
    pub(super) limit_ranges: Slot<LimitRange>,
    pub(super) resource_quotas: Slot<ResourceQuota>,
    pub(super) priority_classes: Slot<PriorityClass>,
    pub(super) runtime_classes: Slot<RuntimeClass>,
    pub(super) node_pools: Slot<NodePool>,
    pub(super) node_claims: Slot<NodeClaim>,
    pub(super) leases: Slot<Lease>,
    pub(super) events: Slot<Event>,
    pub(super) namespaces: Slot<Namespace>,
}

/// How an object came in.
#[derive(Debug, Clone, Copy)]
enum Came {
    Listed,
    Paged,
    Single,
}

/// Group of an API version: empty for `v1`.
fn group(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

/// Whether this group's kind is the one that Kubernetes means. Knative, for
/// one, has a `Service` too.
fn is_group(kind: &str, group: &str) -> bool {
    let groups: &[&str] = match kind {
        "Node"
        | "Pod"
        | "Namespace"
        | "PersistentVolume"
        | "PersistentVolumeClaim"
        | "Service"
        | "LimitRange"
        | "ResourceQuota" => &[""],
        "Event" => &["", "events.k8s.io"],
        "Deployment" | "DaemonSet" | "ReplicaSet" => &["apps", "extensions"],
        "StatefulSet" => &["apps"],
        "Job" | "CronJob" => &["batch"],
        "PodDisruptionBudget" => &["policy"],
        "StorageClass" | "CSINode" | "VolumeAttachment" => &["storage.k8s.io"],
        "VolumeSnapshot" => &["snapshot.storage.k8s.io"],
        "EndpointSlice" => &["discovery.k8s.io"],
        "HorizontalPodAutoscaler" => &["autoscaling"],
        "VerticalPodAutoscaler" => &["autoscaling.k8s.io"],
        "ScaledObject" => &["keda.sh"],
        "PriorityClass" => &["scheduling.k8s.io"],
        "RuntimeClass" => &["node.k8s.io"],
        "NodePool" | "NodeClaim" => &["karpenter.sh"],
        "Lease" => &["coordination.k8s.io"],
        _ => return false,
    };
    groups.contains(&group)
}

/// Names of resources as people write them into file names, with their kinds.
const RESOURCES: &[(&str, &str)] = &[
    ("nodes", "Node"),
    ("pods", "Pod"),
    ("namespaces", "Namespace"),
    ("deployments", "Deployment"),
    ("statefulsets", "StatefulSet"),
    ("daemonsets", "DaemonSet"),
    ("replicasets", "ReplicaSet"),
    ("jobs", "Job"),
    ("cronjobs", "CronJob"),
    ("poddisruptionbudgets", "PodDisruptionBudget"),
    ("pdb", "PodDisruptionBudget"),
    ("pdbs", "PodDisruptionBudget"),
    ("persistentvolumes", "PersistentVolume"),
    ("pv", "PersistentVolume"),
    ("pvs", "PersistentVolume"),
    ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ("pvc", "PersistentVolumeClaim"),
    ("pvcs", "PersistentVolumeClaim"),
    ("storageclasses", "StorageClass"),
    ("csinodes", "CSINode"),
    ("volumeattachments", "VolumeAttachment"),
    ("volumesnapshots", "VolumeSnapshot"),
    ("services", "Service"),
    ("endpointslices", "EndpointSlice"),
    ("horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    ("hpa", "HorizontalPodAutoscaler"),
    ("verticalpodautoscalers", "VerticalPodAutoscaler"),
    ("vpa", "VerticalPodAutoscaler"),
    ("scaledobjects", "ScaledObject"),
    ("limitranges", "LimitRange"),
    ("resourcequotas", "ResourceQuota"),
    ("priorityclasses", "PriorityClass"),
    ("runtimeclasses", "RuntimeClass"),
    ("nodepools", "NodePool"),
    ("nodeclaims", "NodeClaim"),
    ("leases", "Lease"),
    ("events", "Event"),
];

/// The kinds that a file's name speaks of.
fn kinds_of_name(file: &str) -> BTreeSet<&'static str> {
    let lower = file.to_ascii_lowercase();
    let base = lower.rsplit(['/', '\\']).next().unwrap_or_default();
    base.split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| RESOURCES.iter().find(|(name, _)| *name == word))
        .map(|(_, kind)| *kind)
        .collect()
}

/// A resource that holds a pod template, of a kind that Kubernetes lacks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawOtherSpec {
    template: Option<RawTemplate>,
    replicas: N<serde_json::Value>,
}

impl Objects {
    /// Reads a document if it is one of Kubernetes.
    pub(super) fn read(&mut self, file: &str, document: &Document<'_>, report: &mut Log) -> bool {
        let top = &document.top;
        let kind = top.string("kind").unwrap_or_default();
        let Some(items) = top.list("items") else {
            if kind.is_empty() || top.member("metadata").is_none() {
                return false;
            }
            let version = top.string("apiVersion").unwrap_or_default();
            self.object(file, Came::Single, &version, &kind, document.text, report);
            return true;
        };
        let page: Option<N<RawListMeta>> = top
            .member("metadata")
            .and_then(|m| serde_json::from_str(m.get()).ok());
        let paged = page.is_some_and(|m| !m.0.token.0.is_empty() || m.0.remaining.0 > 0);
        let came = if paged { Came::Paged } else { Came::Listed };
        // `PodList` says the kind of its items, `List` does not.
        let item_kind = kind.strip_suffix("List").unwrap_or_default();
        let version = top.string("apiVersion").unwrap_or_default();
        if is_group(item_kind, group(&version)) {
            self.mark(item_kind, came);
        }
        if items.is_empty() && item_kind.is_empty() {
            for kind in kinds_of_name(file) {
                self.mark(kind, came);
            }
        }
        for item in items {
            let (mut own_version, mut own_kind) = if item_kind.is_empty() {
                head(item.get())
            } else {
                (String::new(), String::new())
            };
            if own_kind.is_empty() {
                item_kind.clone_into(&mut own_kind);
                version.clone_into(&mut own_version);
            }
            self.object(file, came, &own_version, &own_kind, item.get(), report);
        }
        true
    }

    /// Reads one object of a kind that the caller knows.
    pub(super) fn read_one(&mut self, version: &str, kind: &str, text: &str, report: &mut Log) {
        self.object("", Came::Single, version, kind, text, report);
    }

    /// Marks a kind that the caller states was asked for.
    pub(super) fn mark_collected(&mut self, kind: &str) {
        self.mark(kind, Came::Listed);
    }

    fn mark(&mut self, kind: &str, came: Came) {
        if WORKLOAD_KINDS.contains(&kind) {
            self.workloads.seen.mark(came);
            return;
        }
        let seen = match kind {
            "Node" => &mut self.nodes.seen,
            "Pod" => &mut self.pods.seen,
            "PodDisruptionBudget" => &mut self.disruption_budgets.seen,
            "PersistentVolume" => &mut self.persistent_volumes.seen,
            "PersistentVolumeClaim" => &mut self.claims.seen,
            "StorageClass" => &mut self.storage_classes.seen,
            "CSINode" => &mut self.csi_nodes.seen,
            "VolumeAttachment" => &mut self.volume_attachments.seen,
            "VolumeSnapshot" => &mut self.volume_snapshots.seen,
            "Service" => &mut self.services.seen,
            "EndpointSlice" => &mut self.endpoint_slices.seen,
            "HorizontalPodAutoscaler" => &mut self.horizontal_autoscalers.seen,
            "VerticalPodAutoscaler" => &mut self.vertical_autoscalers.seen,
            "ScaledObject" => &mut self.scaled_objects.seen,
            "LimitRange" => &mut self.limit_ranges.seen,
            "ResourceQuota" => &mut self.resource_quotas.seen,
            "PriorityClass" => &mut self.priority_classes.seen,
            "RuntimeClass" => &mut self.runtime_classes.seen,
            "NodePool" => &mut self.node_pools.seen,
            "NodeClaim" => &mut self.node_claims.seen,
            "Lease" => &mut self.leases.seen,
            "Event" => &mut self.events.seen,
            "Namespace" => &mut self.namespaces.seen,
            _ => return,
        };
        seen.mark(came);
    }

    fn object(
        &mut self,
        file: &str,
        came: Came,
        version: &str,
        kind: &str,
        text: &str,
        report: &mut Log,
    ) {
        let known = is_group(kind, group(version)) || (version.is_empty() && !kind.is_empty());
        if !known {
            if !self.other_workload(came, kind, text, report) {
                report.skip(&label(version, kind));
            }
            return;
        }
        self.mark(kind, came);
        let place = Place {
            file,
            kind,
            id_field: None,
        };
        fn take<R: DeserializeOwned, T: HasMeta>(
            slot: &mut Slot<T>,
            place: Place<'_>,
            text: &str,
            report: &mut Log,
            convert: impl FnOnce(R) -> T,
        ) {
            slot.read(place, text, report, convert, nameless);
        }
        let t = text;
        let r = report;
        match kind {
            "Node" => take(&mut self.nodes, place, t, r, node::node),
            "Pod" => take(&mut self.pods, place, t, r, pod::pod),
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "CronJob" => {
                let kind = WorkloadKind::from(kind);
                take(&mut self.workloads, place, t, r, |raw| {
                    workload::workload(kind, raw)
                });
            }
            "PodDisruptionBudget" => take(&mut self.disruption_budgets, place, t, r, workload::pdb),
            "PersistentVolume" => {
                take(
                    &mut self.persistent_volumes,
                    place,
                    t,
                    r,
                    storage::persistent_volume,
                );
            }
            "PersistentVolumeClaim" => take(&mut self.claims, place, t, r, storage::claim),
            "StorageClass" => take(
                &mut self.storage_classes,
                place,
                t,
                r,
                storage::storage_class,
            ),
            "CSINode" => take(&mut self.csi_nodes, place, t, r, storage::csi_node),
            "VolumeAttachment" => {
                take(
                    &mut self.volume_attachments,
                    place,
                    t,
                    r,
                    storage::volume_attachment,
                );
            }
            "VolumeSnapshot" => {
                take(
                    &mut self.volume_snapshots,
                    place,
                    t,
                    r,
                    storage::volume_snapshot,
                );
            }
            "Service" => take(&mut self.services, place, t, r, network::service),
            "EndpointSlice" => take(
                &mut self.endpoint_slices,
                place,
                t,
                r,
                network::endpoint_slice,
            ),
            "HorizontalPodAutoscaler" => {
                take(&mut self.horizontal_autoscalers, place, t, r, workload::hpa);
            }
            "VerticalPodAutoscaler" => {
                take(&mut self.vertical_autoscalers, place, t, r, workload::vpa);
            }
            "ScaledObject" => take(
                &mut self.scaled_objects,
                place,
                t,
                r,
                workload::scaled_object,
            ),
            "LimitRange" => take(&mut self.limit_ranges, place, t, r, workload::limit_range),
            "ResourceQuota" => take(&mut self.resource_quotas, place, t, r, workload::quota),
            "PriorityClass" => {
                take(
                    &mut self.priority_classes,
                    place,
                    t,
                    r,
                    workload::priority_class,
                );
            }
            "RuntimeClass" => take(
                &mut self.runtime_classes,
                place,
                t,
                r,
                workload::runtime_class,
            ),
            "NodePool" => take(&mut self.node_pools, place, t, r, node::node_pool),
            "NodeClaim" => take(&mut self.node_claims, place, t, r, node::node_claim),
            "Lease" => take(&mut self.leases, place, t, r, node::lease),
            "Event" => take(&mut self.events, place, t, r, network::event),
            "Namespace" => {
                let before = self.namespaces.items.len();
                take(&mut self.namespaces, place, t, r, network::namespace);
                let new = self.namespaces.items.get(before);
                if let Some(namespace) = new.filter(|n| n.meta.name == "kube-system") {
                    self.kube_system.push(namespace.meta.uid.clone());
                }
            }
            _ => {
                if !self.other_workload(came, kind, text, r) {
                    r.skip(&label(version, kind));
                }
            }
        }
    }

    /// Reads an object of an unknown kind if it holds a pod template.
    fn other_workload(&mut self, came: Came, kind: &str, text: &str, report: &mut Log) -> bool {
        if kind.is_empty() || !text.contains("\"template\"") || !text.contains("\"containers\"") {
            return false;
        }
        // A kind that we do not know may mean something else by its fields: a
        // failure is no hole in what we know.
        let Ok((raw, skipped)) = broken::read::<Obj<RawOtherSpec, Nothing>>(text) else {
            return false;
        };
        let spec = raw.spec.0;
        let Some(template) = spec.template else {
            return false;
        };
        let workload = Workload {
            meta: raw.metadata.0.into(),
            kind: WorkloadKind::Other(kind.to_owned()),
            template: Some(template.into()),
            replicas: spec.replicas.0.as_u64().and_then(|n| u32::try_from(n).ok()),
            ..Workload::default()
        };
        if nameless(&workload).is_some() {
            return false;
        }
        self.workloads.seen.mark(came);
        self.workloads.items.push(workload);
        report.count(kind);
        report.skip_fields(kind, skipped);
        true
    }
}

impl super::slot::Seen {
    fn mark(&mut self, came: Came) {
        match came {
            Came::Listed => self.listed = true,
            Came::Paged => {
                self.listed = true;
                self.paged = true;
            }
            Came::Single => self.single = true,
        }
    }
}

/// How a skipped kind is counted: with its group, where it has one.
fn label(version: &str, kind: &str) -> String {
    match (group(version), kind) {
        (_, "") => "object without a kind".to_owned(),
        ("", kind) => kind.to_owned(),
        (group, kind) => format!("{kind}.{group}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_the_kinds_of_an_empty_list() {
        let kinds = |name| kinds_of_name(name).into_iter().collect::<Vec<_>>();
        assert_eq!(
            kinds("k8s/poddisruptionbudgets.json.gz"),
            ["PodDisruptionBudget"]
        );
        assert_eq!(kinds("kubectl-get-pods_nodes.json"), ["Node", "Pod"]);
        assert!(kinds("dump.json").is_empty());
    }

    #[test]
    fn a_service_of_another_group_is_no_service() {
        assert!(is_group("Service", ""));
        assert!(!is_group("Service", group("serving.knative.dev/v1")));
    }
}
