//! Volumes, claims, classes and attachments as Kubernetes has them.

use super::meta::{Nothing, Obj, RawMeta, RawNodeSelector};
use super::raw::{Amounts, Map, N, One, Text, Time, Word, at, strings};
use super::workload::RawClaimResources;
use crate::model::{
    BindingMode, ClaimPhase, CsiDriver, CsiNode, NamespacedName, NodeName, NodeSelectorTerm,
    Operator, PersistentVolume, PersistentVolumeClaim, PvPhase, PvSource, ReclaimPolicy,
    Requirement, StorageClass, Uid, VolumeAttachment, VolumeId, VolumeSnapshot,
};
use serde::Deserialize;

impl Word for ReclaimPolicy {
    const WORDS: &'static str = "Retain, Delete, Recycle";

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "Retain" => Self::Retain,
            "Delete" => Self::Delete,
            "Recycle" => Self::Recycle,
            _ => return None,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPvSpec {
    capacity: N<Amounts>,
    claim_ref: Option<RawClaimRef>,
    csi: Option<RawCsi>,
    aws_elastic_block_store: Option<RawAwsEbs>,
    local: Option<Nothing>,
    host_path: Option<Nothing>,
    nfs: Option<RawNfs>,
    node_affinity: N<RawVolumeAffinity>,
    persistent_volume_reclaim_policy: Option<One<ReclaimPolicy>>,
    storage_class_name: Text,
    access_modes: N<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawClaimRef {
    namespace: Text,
    name: Text,
    uid: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCsi {
    driver: Text,
    volume_handle: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawAwsEbs {
    #[serde(rename = "volumeID")]
    volume_id: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawNfs {
    server: Text,
    path: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawVolumeAffinity {
    required: Option<RawNodeSelector>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPvStatus {
    phase: Text,
    last_phase_transition_time: Option<Time>,
}

fn pv_source(spec: &mut RawPvSpec) -> PvSource {
    // `aws://us-east-1a/vol-0123` and `vol-0123` are both in use.
    let ebs = |id: &str| {
        let id = id.rsplit('/').next().unwrap_or_default();
        id.starts_with("vol-").then(|| PvSource::Ebs {
            volume: VolumeId::new(id),
        })
    };
    if let Some(csi) = spec.csi.take() {
        let driver = csi.driver.0;
        return if driver == "ebs.csi.aws.com" {
            ebs(&csi.volume_handle.0)
        } else {
            None
        }
        .unwrap_or(PvSource::Other {
            driver,
            handle: csi.volume_handle.0,
        });
    }
    if let Some(aws) = spec.aws_elastic_block_store.take() {
        return ebs(&aws.volume_id.0).unwrap_or(PvSource::Other {
            driver: "awsElasticBlockStore".to_owned(),
            handle: aws.volume_id.0,
        });
    }
    if spec.local.is_some() {
        return PvSource::Local;
    }
    if spec.host_path.is_some() {
        return PvSource::HostPath;
    }
    match spec.nfs.take() {
        Some(nfs) => PvSource::Other {
            driver: "nfs".to_owned(),
            handle: format!("{}:{}", nfs.server.0, nfs.path.0),
        },
        None => PvSource::Unknown,
    }
}

pub(super) fn persistent_volume(raw: Obj<RawPvSpec, RawPvStatus>) -> PersistentVolume {
    let mut spec = raw.spec.0;
    let source = pv_source(&mut spec);
    let claim_uid = spec
        .claim_ref
        .as_ref()
        .filter(|c| !c.uid.0.is_empty())
        .map(|c| Uid::new(c.uid.0.clone()));
    PersistentVolume {
        meta: raw.metadata.0.into(),
        source,
        capacity: spec.capacity.0.bytes("storage"),
        phase: match raw.status.0.phase.0.as_str() {
            "Pending" => PvPhase::Pending,
            "Available" => PvPhase::Available,
            "Bound" => PvPhase::Bound,
            "Released" => PvPhase::Released,
            "Failed" => PvPhase::Failed,
            _ => PvPhase::Unknown,
        },
        // What nobody states is kept.
        reclaim_policy: spec
            .persistent_volume_reclaim_policy
            .map_or(ReclaimPolicy::Retain, |p| p.0),
        storage_class: spec.storage_class_name.some(),
        claim: spec
            .claim_ref
            .map(|c| NamespacedName::new(c.namespace.0, c.name.0)),
        claim_uid,
        node_affinity: spec.node_affinity.0.required.map(RawNodeSelector::terms),
        phase_since: at(raw.status.0.last_phase_transition_time),
        access_modes: strings(spec.access_modes),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPvcSpec {
    volume_name: Text,
    storage_class_name: Text,
    resources: N<RawClaimResources>,
    data_source: Option<RawDataSource>,
    data_source_ref: Option<RawDataSource>,
    access_modes: N<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawDataSource {
    kind: Text,
    name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPhase {
    phase: Text,
}

pub(super) fn claim(raw: Obj<RawPvcSpec, RawPhase>) -> PersistentVolumeClaim {
    let spec = raw.spec.0;
    PersistentVolumeClaim {
        meta: raw.metadata.0.into(),
        phase: match raw.status.0.phase.0.as_str() {
            "Pending" => ClaimPhase::Pending,
            "Bound" => ClaimPhase::Bound,
            "Lost" => ClaimPhase::Lost,
            _ => ClaimPhase::Unknown,
        },
        volume_name: spec.volume_name.some(),
        storage_class: spec.storage_class_name.some(),
        storage: spec.resources.0.requests.0.bytes("storage"),
        data_source: spec
            .data_source
            .or(spec.data_source_ref)
            .map(|d| format!("{}/{}", d.kind.0, d.name.0)),
        access_modes: strings(spec.access_modes),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawStorageClass {
    metadata: N<RawMeta>,
    provisioner: Text,
    volume_binding_mode: Text,
    reclaim_policy: Option<One<ReclaimPolicy>>,
    allowed_topologies: N<Vec<RawTopology>>,
    parameters: Map,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawTopology {
    match_label_expressions: N<Vec<RawTopologyRule>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTopologyRule {
    key: Text,
    values: N<Vec<Text>>,
}

/// Parameters may name secrets; of drivers we know, these say what is made.
pub(super) const KEPT_PARAMETERS: &[&str] = &[
    "type",
    "iops",
    "iopsPerGB",
    "throughput",
    "encrypted",
    "fsType",
];

pub(super) fn storage_class(raw: RawStorageClass) -> StorageClass {
    let meta: crate::model::ObjectMeta = raw.metadata.0.into();
    let is_default = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ]
    .iter()
    .any(|key| meta.annotation(key) == Some("true"));
    let term = |topology: RawTopology| NodeSelectorTerm {
        match_expressions: topology
            .match_label_expressions
            .0
            .into_iter()
            .map(|rule| Requirement {
                key: rule.key.0,
                operator: Operator::In,
                values: strings(rule.values),
            })
            .collect(),
        match_fields: Vec::new(),
    };
    let mut parameters = raw.parameters.0;
    parameters.retain(|key, _| KEPT_PARAMETERS.contains(&key.as_str()));
    StorageClass {
        is_default,
        meta,
        provisioner: raw.provisioner.0,
        binding_mode: match raw.volume_binding_mode.0.as_str() {
            "WaitForFirstConsumer" => BindingMode::WaitForFirstConsumer,
            _ => BindingMode::Immediate,
        },
        reclaim_policy: raw.reclaim_policy.map_or(ReclaimPolicy::Delete, |p| p.0),
        allowed_topologies: raw.allowed_topologies.0.into_iter().map(term).collect(),
        parameters,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCsiNodeSpec {
    drivers: N<Vec<RawCsiDriver>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawCsiDriver {
    name: Text,
    allocatable: N<RawCount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawCount {
    count: Option<u32>,
}

pub(super) fn csi_node(raw: Obj<RawCsiNodeSpec, Nothing>) -> CsiNode {
    CsiNode {
        meta: raw.metadata.0.into(),
        drivers: raw
            .spec
            .0
            .drivers
            .0
            .into_iter()
            .map(|d| CsiDriver {
                name: d.name.0,
                attach_limit: d.allocatable.0.count,
            })
            .collect(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawAttachmentSpec {
    attacher: Text,
    node_name: Text,
    source: N<RawAttachmentSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawAttachmentSource {
    persistent_volume_name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawAttached {
    attached: N<bool>,
}

pub(super) fn volume_attachment(raw: Obj<RawAttachmentSpec, RawAttached>) -> VolumeAttachment {
    let spec = raw.spec.0;
    VolumeAttachment {
        meta: raw.metadata.0.into(),
        driver: spec.attacher.0,
        node: NodeName::new(spec.node_name.0),
        volume_name: spec.source.0.persistent_volume_name.some(),
        attached: raw.status.0.attached.0,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawSnapshotSpec {
    source: N<RawSnapshotSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSnapshotSource {
    persistent_volume_claim_name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawReady {
    ready_to_use: Option<bool>,
}

pub(super) fn volume_snapshot(raw: Obj<RawSnapshotSpec, RawReady>) -> VolumeSnapshot {
    VolumeSnapshot {
        meta: raw.metadata.0.into(),
        claim_name: raw.spec.0.source.0.persistent_volume_claim_name.some(),
        ready: raw.status.0.ready_to_use,
    }
}
