//! Nodes, leases, node pools, node claims.

use super::meta::{Nothing, Obj, RawRequirement, requirements};
use super::raw::{Amounts, Map, N, One, Text, Time, Word, at, strings};
use crate::model::{
    ConditionStatus, DisruptionBudget, Lease, Node, NodeClaim, NodeCondition, NodeName, NodePool,
    Taint, TaintEffect,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct RawTaint {
    #[serde(default)]
    key: Text,
    #[serde(default)]
    value: Text,
    effect: One<TaintEffect>,
}

impl From<RawTaint> for Taint {
    fn from(raw: RawTaint) -> Self {
        Self {
            key: raw.key.0,
            value: raw.value.0,
            effect: raw.effect.0,
        }
    }
}

pub(super) fn taints(raw: N<Vec<RawTaint>>) -> Vec<Taint> {
    raw.0.into_iter().map(Into::into).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawNodeSpec {
    #[serde(rename = "providerID")]
    provider_id: Text,
    unschedulable: N<bool>,
    taints: N<Vec<RawTaint>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawNodeStatus {
    allocatable: N<Amounts>,
    capacity: N<Amounts>,
    conditions: N<Vec<RawCondition>>,
    node_info: N<RawNodeInfo>,
    addresses: N<Vec<RawAddress>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawNodeInfo {
    kubelet_version: Text,
    operating_system: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawAddress {
    #[serde(rename = "type")]
    kind: Text,
    address: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCondition {
    #[serde(rename = "type")]
    kind: Text,
    status: Text,
    last_transition_time: Option<Time>,
    last_heartbeat_time: Option<Time>,
}

impl Word for ConditionStatus {
    const WORDS: &'static str = "True, False, Unknown";

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "True" => Self::True,
            "False" => Self::False,
            "Unknown" => Self::Unknown,
            _ => return None,
        })
    }
}

fn conditions(raw: N<Vec<RawCondition>>) -> Vec<NodeCondition> {
    raw.0
        .into_iter()
        .map(|c| NodeCondition {
            name: c.kind.0,
            status: ConditionStatus::of(&c.status.0).unwrap_or_default(),
            since: at(c.last_transition_time),
            heartbeat_at: at(c.last_heartbeat_time),
        })
        .collect()
}

pub(super) fn node(raw: Obj<RawNodeSpec, RawNodeStatus>) -> Node {
    let spec = raw.spec.0;
    let status = raw.status.0;
    let info = status.node_info.0;
    Node {
        meta: raw.metadata.0.into(),
        provider_id: spec.provider_id.some(),
        unschedulable: spec.unschedulable.0,
        taints: taints(spec.taints),
        allocatable: status.allocatable.0.into_resources(),
        capacity: status.capacity.0.into_resources(),
        devices: Vec::new(),
        conditions: conditions(status.conditions),
        kubelet_version: info.kubelet_version.some(),
        os: info.operating_system.some(),
        addresses: status
            .addresses
            .0
            .into_iter()
            .filter(|a| a.kind.0 == "InternalIP")
            .map(|a| a.address.0)
            .collect(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawLeaseSpec {
    holder_identity: Text,
    renew_time: Option<Time>,
    lease_duration_seconds: Option<i64>,
}

pub(super) fn lease(raw: Obj<RawLeaseSpec, Nothing>) -> Lease {
    let spec = raw.spec.0;
    Lease {
        meta: raw.metadata.0.into(),
        holder: spec.holder_identity.some(),
        renewed_at: at(spec.renew_time),
        duration_seconds: spec.lease_duration_seconds,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPoolSpec {
    template: N<RawPoolTemplate>,
    limits: Option<Amounts>,
    disruption: N<RawDisruption>,
    weight: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawPoolTemplate {
    metadata: N<RawLabels>,
    spec: N<RawClaimSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawLabels {
    labels: Map,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawClaimSpec {
    requirements: N<Vec<RawRequirement>>,
    taints: N<Vec<RawTaint>>,
    startup_taints: N<Vec<RawTaint>>,
    expire_after: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawDisruption {
    consolidation_policy: Text,
    consolidate_after: Text,
    budgets: N<Vec<RawBudget>>,
    // Where it stood before v1.
    expire_after: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawBudget {
    nodes: Text,
    schedule: Text,
    duration: Text,
    reasons: N<Vec<Text>>,
}

pub(super) fn node_pool(raw: Obj<RawPoolSpec, Nothing>) -> NodePool {
    let spec = raw.spec.0;
    let template = spec.template.0;
    let claim = template.spec.0;
    let disruption = spec.disruption.0;
    NodePool {
        meta: raw.metadata.0.into(),
        requirements: requirements(claim.requirements),
        taints: taints(claim.taints),
        startup_taints: taints(claim.startup_taints),
        labels: template.metadata.0.labels.0,
        limits: spec.limits.map(|a| a.list),
        consolidation_policy: disruption.consolidation_policy.some(),
        consolidate_after: disruption.consolidate_after.some(),
        budgets: disruption
            .budgets
            .0
            .into_iter()
            .map(|b| DisruptionBudget {
                nodes: b.nodes.0,
                schedule: b.schedule.some(),
                duration: b.duration.some(),
                reasons: strings(b.reasons),
            })
            .collect(),
        weight: spec.weight,
        expire_after: claim.expire_after.some().or(disruption.expire_after.some()),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawClaimStatus {
    node_name: Text,
    #[serde(rename = "providerID")]
    provider_id: Text,
    conditions: N<Vec<RawCondition>>,
}

pub(super) fn node_claim(raw: Obj<RawClaimSpec, RawClaimStatus>) -> NodeClaim {
    let status = raw.status.0;
    NodeClaim {
        meta: raw.metadata.0.into(),
        node_name: status.node_name.some().map(NodeName::new),
        provider_id: status.provider_id.some(),
        requirements: requirements(raw.spec.0.requirements),
        conditions: conditions(status.conditions),
    }
}
