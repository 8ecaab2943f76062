//! Kubernetes objects as `kubectl get … -o json` prints them.

mod cluster;
mod common;
mod pod;
mod wire;
mod workload;

use super::report::Broken;
use super::scan::Head;
use super::wire::Problem;
use crate::knowledge::Gap;
use crate::model::{Cluster, ObjectMeta};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The parts of a cluster as they are read, and what went wrong by part.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) lists: Lists,
    /// By part: how many objects are broken, and the first failure.
    pub(super) broken: BTreeMap<&'static str, (u64, String)>,
    /// Parts of which a file held a list: a single object is never all there is.
    pub(super) listed: BTreeMap<&'static str, bool>,
    /// Parts of which only some pages are here.
    pub(super) paged: BTreeMap<&'static str, String>,
}

macro_rules! parts {
    ($($part:ident: $model:ident),* $(,)?) => {
        /// One list per part.
        #[derive(Debug, Default)]
        pub(super) struct Lists { $(pub(super) $part: Vec<crate::model::$model>,)* }

        impl Objects {
            /// Moves everything into a cluster, as `state` says.
            pub(super) fn fill(
                mut self,
                cluster: &mut Cluster,
                state: &dyn Fn(&'static str, Option<Gap>, bool) -> Option<Option<Gap>>,
                provenance: &crate::knowledge::Provenance,
            ) -> u64 {
                let mut duplicates = 0;
                $(
                    let name = stringify!($part);
                    duplicates += dedupe(&mut self.lists.$part);
                    let seen = self.listed.get(name).copied();
                    let gap = self.gap(name);
                    if seen.is_some() || gap.is_some() {
                        let items = std::mem::take(&mut self.lists.$part);
                        if let Some(gap) = state(name, gap, seen == Some(true)) {
                            cluster.$part = match gap {
                                None => crate::knowledge::Knowledge::complete(items, provenance.clone()),
                                Some(gap) => crate::knowledge::Knowledge::partial(items, gap, provenance.clone()),
                            };
                        }
                    }
                )*
                duplicates
            }
        }

    };
}

/// What tells two objects of one part apart.
trait Identity {
    fn meta(&self) -> &ObjectMeta;
    fn kind(&self) -> &str;
}

macro_rules! one_kind {
    ($($model:ident)*) => {
        $(impl Identity for crate::model::$model {
            fn meta(&self) -> &ObjectMeta {
                &self.meta
            }
            fn kind(&self) -> &str {
                ""
            }
        })*
    };
}

one_kind! {
    Node Pod PodDisruptionBudget PersistentVolume PersistentVolumeClaim StorageClass CsiNode
    VolumeAttachment VolumeSnapshot Service EndpointSlice HorizontalPodAutoscaler
    VerticalPodAutoscaler ScaledObject LimitRange ResourceQuota PriorityClass RuntimeClass
    NodePool NodeClaim Lease Event Namespace
}

impl Identity for crate::model::Workload {
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn kind(&self) -> &str {
        self.kind.as_str()
    }
}

parts! {
    nodes: Node,
    pods: Pod,
    disruption_budgets: PodDisruptionBudget,
    persistent_volumes: PersistentVolume,
    claims: PersistentVolumeClaim,
    storage_classes: StorageClass,
    csi_nodes: CsiNode,
    volume_attachments: VolumeAttachment,
    volume_snapshots: VolumeSnapshot,
    services: Service,
    endpoint_slices: EndpointSlice,
    horizontal_autoscalers: HorizontalPodAutoscaler,
    vertical_autoscalers: VerticalPodAutoscaler,
    scaled_objects: ScaledObject,
    limit_ranges: LimitRange,
    resource_quotas: ResourceQuota,
    priority_classes: PriorityClass,
    runtime_classes: RuntimeClass,
    node_pools: NodePool,
    node_claims: NodeClaim,
    leases: Lease,
    events: Event,
    namespaces: Namespace,
    workloads: Workload,
}

/// Keeps one of each namespace, name and kind: the highest resource version,
/// else the later one. Gives the number that went.
fn dedupe<T: Identity>(items: &mut Vec<T>) -> u64 {
    let before = items.len();
    let mut best: BTreeMap<(String, String, String), (u64, usize)> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let meta = item.meta();
        let version = meta
            .resource_version
            .as_deref()
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        let key = (
            meta.namespace.clone(),
            meta.name.clone(),
            item.kind().to_owned(),
        );
        let entry = best.entry(key).or_insert((version, index));
        if version >= entry.0 {
            *entry = (version, index);
        }
    }
    if best.len() < before {
        let keep: std::collections::BTreeSet<usize> = best.into_values().map(|(_, i)| i).collect();
        let mut index = 0;
        items.retain(|_| {
            index += 1;
            keep.contains(&(index - 1))
        });
    }
    u64::try_from(before - items.len()).unwrap_or(0)
}

impl Objects {
    fn gap(&self, part: &'static str) -> Option<Gap> {
        if let Some((count, first)) = self.broken.get(part) {
            return Some(Gap::Broken {
                count: *count,
                first: first.clone(),
            });
        }
        self.paged
            .get(part)
            .map(|what| Gap::OutOfScope { what: what.clone() })
    }

    /// Notes that a file lists a kind, whole (`true`) or as single objects.
    pub(super) fn note_list(&mut self, kind: &str, whole: bool) {
        if let Some(part) = part_of(kind) {
            let listed = self.listed.entry(part).or_default();
            // Workloads come kind by kind: each list is one.
            *listed = *listed || whole;
        }
    }

    /// Notes that a list has further pages.
    pub(super) fn note_paged(&mut self, kind: &str, what: &str) {
        if let Some(part) = part_of(kind) {
            self.paged.insert(part, what.to_owned());
        }
    }

    /// Reads one object of a known kind; `Ok(false)` for kinds that are skipped.
    pub(super) fn add(&mut self, file: &str, head: &Head, text: &str) -> Result<bool, Box<Broken>> {
        let kind = head.kind.as_str();
        let Some(part) = part_of(kind) else {
            return Ok(false);
        };
        self.convert(kind, text).map(|()| true).map_err(|problem| {
            let broken = Broken {
                file: file.to_owned(),
                kind: kind.to_owned(),
                namespace: head.namespace.clone(),
                name: head.name.clone(),
                field: problem.field,
                message: problem.message,
            };
            let entry = self
                .broken
                .entry(part)
                .or_insert_with(|| (0, broken.to_string()));
            entry.0 += 1;
            Box::new(broken)
        })
    }

    fn convert(&mut self, kind: &str, text: &str) -> Result<(), Problem> {
        let lists = &mut self.lists;
        match kind {
            "Pod" => lists.pods.push(pod::pod(parse(text)?)?),
            "Node" => lists.nodes.push(cluster::node(parse(text)?)?),
            "PodDisruptionBudget" => lists
                .disruption_budgets
                .push(workload::budget(parse(text)?)?),
            "PersistentVolume" => {
                lists
                    .persistent_volumes
                    .push(cluster::persistent_volume(parse(text)?)?);
            }
            "PersistentVolumeClaim" => lists.claims.push(cluster::claim(parse(text)?)?),
            "StorageClass" => lists
                .storage_classes
                .push(cluster::storage_class(parse(text)?)?),
            "CSINode" => lists.csi_nodes.push(cluster::csi_node(parse(text)?)?),
            "VolumeAttachment" => lists
                .volume_attachments
                .push(cluster::attachment(parse(text)?)?),
            "VolumeSnapshot" => lists
                .volume_snapshots
                .push(cluster::snapshot(parse(text)?)?),
            "Service" => lists.services.push(cluster::service(parse(text)?)?),
            "EndpointSlice" => lists
                .endpoint_slices
                .push(cluster::endpoint_slice(parse(text)?)?),
            "HorizontalPodAutoscaler" => {
                lists
                    .horizontal_autoscalers
                    .push(workload::horizontal(parse(text)?)?);
            }
            "VerticalPodAutoscaler" => {
                lists
                    .vertical_autoscalers
                    .push(workload::vertical(parse(text)?)?);
            }
            "ScaledObject" => lists
                .scaled_objects
                .push(workload::scaled_object(parse(text)?)?),
            "LimitRange" => lists
                .limit_ranges
                .push(workload::limit_range(parse(text)?)?),
            "ResourceQuota" => lists.resource_quotas.push(workload::quota(parse(text)?)?),
            "PriorityClass" => lists
                .priority_classes
                .push(workload::priority_class(parse(text)?)?),
            "RuntimeClass" => lists
                .runtime_classes
                .push(workload::runtime_class(parse(text)?)?),
            "NodePool" => lists.node_pools.push(cluster::node_pool(parse(text)?)?),
            "NodeClaim" => lists.node_claims.push(cluster::node_claim(parse(text)?)?),
            "Lease" => lists.leases.push(cluster::lease(parse(text)?)?),
            "Event" => lists.events.push(workload::event(parse(text)?)?),
            "Namespace" => {
                let bare: wire::Bare = parse(text)?;
                let meta = common::meta(bare.metadata)?;
                lists.namespaces.push(crate::model::Namespace { meta });
            }
            _ => lists
                .workloads
                .push(workload::workload(kind, parse(text)?)?),
        }
        Ok(())
    }
}

/// The part of a cluster that a kind belongs to.
fn part_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Pod" => "pods",
        "Node" => "nodes",
        "PodDisruptionBudget" => "disruption_budgets",
        "PersistentVolume" => "persistent_volumes",
        "PersistentVolumeClaim" => "claims",
        "StorageClass" => "storage_classes",
        "CSINode" => "csi_nodes",
        "VolumeAttachment" => "volume_attachments",
        "VolumeSnapshot" => "volume_snapshots",
        "Service" => "services",
        "EndpointSlice" => "endpoint_slices",
        "HorizontalPodAutoscaler" => "horizontal_autoscalers",
        "VerticalPodAutoscaler" => "vertical_autoscalers",
        "ScaledObject" => "scaled_objects",
        "LimitRange" => "limit_ranges",
        "ResourceQuota" => "resource_quotas",
        "PriorityClass" => "priority_classes",
        "RuntimeClass" => "runtime_classes",
        "NodePool" => "node_pools",
        "NodeClaim" => "node_claims",
        "Lease" => "leases",
        "Event" => "events",
        "Namespace" => "namespaces",
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "Job"
        | "CronJob"
        | "ReplicationController"
        | "Rollout" => "workloads",
        _ => return None,
    })
}

/// Reads a wire object. On failure the object is read again, leniently, to
/// find the field; a key that stands twice is then the later one, as the
/// API server's parser reads it.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let error = match serde_json::from_str::<T>(text) {
        Ok(object) => return Ok(object),
        Err(error) => error,
    };
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| Problem::new("", e.to_string()))?;
    match serde_path_to_error::deserialize::<_, T>(value) {
        Ok(object) => Ok(object),
        Err(inner) => {
            let field = inner.path().to_string();
            let message = inner.into_inner().to_string();
            let message = if message.is_empty() {
                error.to_string()
            } else {
                message
            };
            Err(Problem::new(field, message))
        }
    }
}
