//! Nodes, storage, services, leases, node pools.

use super::super::wire::{Problem, resource_list, resources};
use super::common::{conditions, meta, node_terms, requirement, requirements, some, taints};
use super::wire;
use super::workload::storage;
use crate::model::{
    BindingMode, ClaimPhase, CsiDriver, CsiNode, DisruptionBudget, Endpoint, EndpointSlice, Lease,
    NamespacedName, Node, NodeClaim, NodePool, NodeSelectorTerm, PersistentVolume,
    PersistentVolumeClaim, PvPhase, PvSource, ReclaimPolicy, Service, StorageClass,
    VolumeAttachment, VolumeId, VolumeSnapshot,
};

pub(super) fn node(wire: wire::NodeObject) -> Result<Node, Problem> {
    let spec = wire.spec.unwrap_or_default();
    let status = wire.status.unwrap_or_default();
    let info = status.node_info.unwrap_or_default();
    Ok(Node {
        meta: meta(wire.metadata)?,
        provider_id: some(spec.provider_id),
        unschedulable: spec.unschedulable.unwrap_or_default(),
        taints: taints(spec.taints).map_err(|p| p.within("spec.taints"))?,
        allocatable: resources(status.allocatable.as_ref())
            .map_err(|p| p.within("status.allocatable"))?,
        capacity: resources(status.capacity.as_ref()).map_err(|p| p.within("status.capacity"))?,
        devices: Vec::new(),
        conditions: conditions(status.conditions),
        kubelet_version: some(info.kubelet_version),
        os: some(info.operating_system),
        addresses: status
            .addresses
            .into_iter()
            .flatten()
            .filter(|a| a.kind.as_deref() == Some("InternalIP"))
            .filter_map(|a| a.address)
            .collect(),
    })
}

/// `vol-…` out of a handle: CSI's is the id itself, the in-tree form is
/// `aws://zone/vol-…`.
fn volume_id(handle: &str) -> Option<VolumeId> {
    let id = handle.rsplit('/').next()?;
    id.starts_with("vol-").then(|| VolumeId::new(id))
}

fn reclaim(text: Option<&str>, otherwise: ReclaimPolicy) -> ReclaimPolicy {
    match text {
        Some("Delete") => ReclaimPolicy::Delete,
        Some("Recycle") => ReclaimPolicy::Recycle,
        Some("Retain") => ReclaimPolicy::Retain,
        _ => otherwise,
    }
}

pub(super) fn persistent_volume(wire: wire::PvObject) -> Result<PersistentVolume, Problem> {
    let spec = wire.spec.unwrap_or_default();
    let status = wire.status.unwrap_or_default();
    let source = if let Some(csi) = spec.csi {
        let (driver, handle) = (
            csi.driver.unwrap_or_default(),
            csi.volume_handle.unwrap_or_default(),
        );
        match volume_id(&handle).filter(|_| driver == "ebs.csi.aws.com") {
            Some(volume) => PvSource::Ebs { volume },
            None => PvSource::Other { driver, handle },
        }
    } else if let Some(ebs) = spec.aws_elastic_block_store {
        let handle = ebs.volume_id.unwrap_or_default();
        match volume_id(&handle) {
            Some(volume) => PvSource::Ebs { volume },
            None => PvSource::Other {
                driver: "awsElasticBlockStore".to_owned(),
                handle,
            },
        }
    } else if spec.local.is_some() {
        PvSource::Local
    } else if spec.host_path.is_some() {
        PvSource::HostPath
    } else if let Some(nfs) = spec.nfs {
        PvSource::Other {
            driver: "nfs".to_owned(),
            handle: nfs.path.unwrap_or_default(),
        }
    } else {
        PvSource::Unknown
    };
    let claim = spec.claim_ref.unwrap_or_default();
    let name = some(claim.name);
    Ok(PersistentVolume {
        meta: meta(wire.metadata)?,
        source,
        capacity: storage(spec.capacity.as_ref()).map_err(|p| p.within("spec.capacity"))?,
        phase: match status.phase.as_deref() {
            Some("Pending") => PvPhase::Pending,
            Some("Available") => PvPhase::Available,
            Some("Bound") => PvPhase::Bound,
            Some("Released") => PvPhase::Released,
            Some("Failed") => PvPhase::Failed,
            _ => PvPhase::Unknown,
        },
        // Retain is the API's default for volumes made by hand.
        reclaim_policy: reclaim(
            spec.persistent_volume_reclaim_policy.as_deref(),
            ReclaimPolicy::Retain,
        ),
        storage_class: some(spec.storage_class_name),
        claim: name.map(|name| NamespacedName::new(claim.namespace.unwrap_or_default(), name)),
        claim_uid: some(claim.uid).map(Into::into),
        node_affinity: spec
            .node_affinity
            .and_then(|a| a.required)
            .map(node_terms)
            .transpose()
            .map_err(|p| p.within("spec.nodeAffinity"))?,
        phase_since: status.last_phase_transition_time,
        access_modes: spec.access_modes.unwrap_or_default(),
    })
}

pub(super) fn claim(wire: wire::ClaimObject) -> Result<PersistentVolumeClaim, Problem> {
    let spec = wire.spec.unwrap_or_default();
    let status = wire.status.unwrap_or_default();
    let requests = spec.resources.and_then(|r| r.requests);
    Ok(PersistentVolumeClaim {
        meta: meta(wire.metadata)?,
        phase: match status.phase.as_deref() {
            Some("Pending") => ClaimPhase::Pending,
            Some("Bound") => ClaimPhase::Bound,
            Some("Lost") => ClaimPhase::Lost,
            _ => ClaimPhase::Unknown,
        },
        volume_name: some(spec.volume_name),
        storage_class: some(spec.storage_class_name),
        storage: storage(requests.as_ref()).map_err(|p| p.within("spec.resources.requests"))?,
        data_source: spec.data_source.map(|d| {
            format!(
                "{}/{}",
                d.kind.unwrap_or_default(),
                d.name.unwrap_or_default()
            )
        }),
        access_modes: spec.access_modes.unwrap_or_default(),
    })
}

pub(super) fn storage_class(wire: wire::ClassObject) -> Result<StorageClass, Problem> {
    let meta = meta(wire.metadata)?;
    let is_default = meta.annotation("storageclass.kubernetes.io/is-default-class") == Some("true");
    let mut allowed_topologies = Vec::new();
    for term in wire.allowed_topologies.into_iter().flatten() {
        // The operator is always "in" here, and left out.
        let expressions = term
            .match_label_expressions
            .into_iter()
            .flatten()
            .map(|mut e| {
                e.operator.get_or_insert_with(|| "In".to_owned());
                requirement(e)
            });
        allowed_topologies.push(NodeSelectorTerm {
            match_expressions: expressions.collect::<Result<_, _>>()?,
            match_fields: Vec::new(),
        });
    }
    Ok(StorageClass {
        meta,
        provisioner: wire.provisioner.unwrap_or_default(),
        binding_mode: match wire.volume_binding_mode.as_deref() {
            Some("WaitForFirstConsumer") => BindingMode::WaitForFirstConsumer,
            _ => BindingMode::Immediate,
        },
        reclaim_policy: reclaim(wire.reclaim_policy.as_deref(), ReclaimPolicy::Delete),
        allowed_topologies,
        parameters: wire.parameters.unwrap_or_default(),
        is_default,
    })
}

pub(super) fn csi_node(wire: wire::CsiNodeObject) -> Result<CsiNode, Problem> {
    let drivers = wire.spec.and_then(|s| s.drivers).unwrap_or_default();
    Ok(CsiNode {
        meta: meta(wire.metadata)?,
        drivers: drivers
            .into_iter()
            .map(|d| CsiDriver {
                name: d.name.unwrap_or_default(),
                attach_limit: d.allocatable.and_then(|a| a.count),
            })
            .collect(),
    })
}

pub(super) fn attachment(wire: wire::AttachmentObject) -> Result<VolumeAttachment, Problem> {
    let spec = wire.spec.unwrap_or_default();
    Ok(VolumeAttachment {
        meta: meta(wire.metadata)?,
        driver: spec.attacher.unwrap_or_default(),
        node: spec.node_name.unwrap_or_default().into(),
        volume_name: spec.source.and_then(|s| some(s.persistent_volume_name)),
        attached: wire.status.and_then(|s| s.attached).unwrap_or_default(),
    })
}

pub(super) fn snapshot(wire: wire::SnapshotObject) -> Result<VolumeSnapshot, Problem> {
    Ok(VolumeSnapshot {
        meta: meta(wire.metadata)?,
        claim_name: wire
            .spec
            .and_then(|s| s.source)
            .and_then(|s| some(s.persistent_volume_claim_name)),
        ready: wire.status.and_then(|s| s.ready_to_use),
    })
}

pub(super) fn service(wire: wire::ServiceObject) -> Result<Service, Problem> {
    let spec = wire.spec.unwrap_or_default();
    Ok(Service {
        meta: meta(wire.metadata)?,
        kind: some(spec.kind).unwrap_or_else(|| "ClusterIP".to_owned()),
        headless: spec.cluster_ip.as_deref() == Some("None"),
        selector: spec.selector.filter(|s| !s.is_empty()),
        traffic_distribution: some(spec.traffic_distribution),
        internal_traffic_policy: some(spec.internal_traffic_policy),
        external_traffic_policy: some(spec.external_traffic_policy),
        session_affinity: some(spec.session_affinity),
        load_balancer_class: some(spec.load_balancer_class),
    })
}

pub(super) fn endpoint_slice(wire: wire::SliceObject) -> Result<EndpointSlice, Problem> {
    let meta = meta(wire.metadata)?;
    let service = meta
        .label("kubernetes.io/service-name")
        .unwrap_or_default()
        .to_owned();
    Ok(EndpointSlice {
        meta,
        service,
        endpoints: wire
            .endpoints
            .into_iter()
            .flatten()
            .map(|e| Endpoint {
                pod: e
                    .target_ref
                    .filter(|t| t.kind.as_deref() == Some("Pod"))
                    .and_then(|t| some(t.name)),
                node: some(e.node_name).map(Into::into),
                zone: some(e.zone).map(Into::into),
                // "Not stated" means ready, says the API.
                ready: e.conditions.and_then(|c| c.ready).unwrap_or(true),
                hints: e
                    .hints
                    .and_then(|h| h.for_zones)
                    .into_iter()
                    .flatten()
                    .filter_map(|z| z.name)
                    .map(Into::into)
                    .collect(),
            })
            .collect(),
    })
}

pub(super) fn lease(wire: wire::LeaseObject) -> Result<Lease, Problem> {
    let spec = wire.spec.unwrap_or_default();
    Ok(Lease {
        meta: meta(wire.metadata)?,
        holder: some(spec.holder_identity),
        renewed_at: spec.renew_time,
        duration_seconds: spec.lease_duration_seconds,
    })
}

pub(super) fn node_pool(wire: wire::PoolObject) -> Result<NodePool, Problem> {
    let spec = wire.spec.unwrap_or_default();
    let template = spec.template.unwrap_or_default();
    let node = template.spec.unwrap_or_default();
    let disruption = spec.disruption.unwrap_or_default();
    Ok(NodePool {
        meta: meta(wire.metadata)?,
        requirements: requirements(node.requirements)
            .map_err(|p| p.within("spec.template.spec.requirements"))?,
        taints: taints(node.taints)?,
        startup_taints: taints(node.startup_taints)?,
        labels: template.metadata.and_then(|m| m.labels).unwrap_or_default(),
        limits: match spec.limits {
            Some(map) => Some(resource_list(Some(&map)).map_err(|p| p.within("spec.limits"))?),
            None => None,
        },
        consolidation_policy: some(disruption.consolidation_policy),
        consolidate_after: some(disruption.consolidate_after),
        budgets: disruption
            .budgets
            .into_iter()
            .flatten()
            .map(|b| DisruptionBudget {
                nodes: b.nodes.unwrap_or_default(),
                schedule: some(b.schedule),
                duration: some(b.duration),
                reasons: b.reasons.unwrap_or_default(),
            })
            .collect(),
        weight: spec.weight,
        expire_after: some(node.expire_after),
    })
}

pub(super) fn node_claim(wire: wire::NodeClaimObject) -> Result<NodeClaim, Problem> {
    let status = wire.status.unwrap_or_default();
    Ok(NodeClaim {
        meta: meta(wire.metadata)?,
        node_name: some(status.node_name).map(Into::into),
        provider_id: some(status.provider_id),
        requirements: requirements(wire.spec.and_then(|s| s.requirements))?,
        conditions: conditions(status.conditions),
    })
}
