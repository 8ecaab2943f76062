//! Workloads and what scales or limits them.

use super::meta::{Nothing, Obj, RawMeta, RawSelector};
use super::pod::{RawTemplate, RawToleration};
use super::raw::{Amounts, Key, Map, MilliRatios, N, NamedAmounts, Text, Time, at, strings};
use crate::model::{
    ClaimTemplate, HorizontalPodAutoscaler, IntOrPercent, LimitRange, LimitRangeItem,
    PodDisruptionBudget, PriorityClass, ResourceQuota, RuntimeClass, ScaledObject, ScalingMetric,
    UnhealthyPodEviction, VerticalPodAutoscaler, Workload, WorkloadKind, WorkloadRef,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawWorkloadSpec {
    replicas: Option<u32>,
    selector: Option<RawSelector>,
    template: Option<RawTemplate>,
    paused: N<bool>,
    suspend: N<bool>,
    strategy: N<RawStrategy>,
    update_strategy: N<RawStrategy>,
    volume_claim_templates: N<Vec<RawClaimTemplate>>,
    persistent_volume_claim_retention_policy: N<RawRetention>,
    schedule: Text,
    time_zone: Text,
    concurrency_policy: Text,
    starting_deadline_seconds: Option<i64>,
    job_template: N<RawJobTemplate>,
    parallelism: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawJobTemplate {
    spec: N<RawJobSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawJobSpec {
    template: Option<RawTemplate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawStrategy {
    #[serde(rename = "type")]
    kind: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawRetention {
    when_scaled: Text,
    when_deleted: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawClaimTemplate {
    metadata: N<RawMeta>,
    spec: N<RawClaimTemplateSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawClaimTemplateSpec {
    resources: N<RawClaimResources>,
    storage_class_name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawClaimResources {
    pub(super) requests: N<Amounts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawWorkloadStatus {
    replicas: Option<u32>,
    ready_replicas: Option<u32>,
    updated_replicas: Option<u32>,
    observed_generation: Option<i64>,
    desired_number_scheduled: Option<u32>,
    current_number_scheduled: Option<u32>,
    number_ready: Option<u32>,
    updated_number_scheduled: Option<u32>,
    last_schedule_time: Option<Time>,
    active: Option<Active>,
    completion_time: Option<Time>,
    conditions: N<Vec<RawCondition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCondition {
    #[serde(rename = "type")]
    kind: Text,
    status: Text,
    last_transition_time: Option<Time>,
}

/// A number of pods (Job) or a list of jobs (CronJob).
#[derive(Debug, Clone, Copy)]
struct Active(u32);

impl<'de> Deserialize<'de> for Active {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ActiveVisitor;
        impl<'de> Visitor<'de> for ActiveVisitor {
            type Value = Active;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a list of jobs")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Active, E> {
                u32::try_from(n)
                    .map(Active)
                    .map_err(|_| E::custom("a number beyond 32 bits"))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Active, A::Error> {
                let mut n: u32 = 0;
                while seq.next_element::<de::IgnoredAny>()?.is_some() {
                    n = n.saturating_add(1);
                }
                Ok(Active(n))
            }
        }
        deserializer.deserialize_any(ActiveVisitor)
    }
}

/// A workload of one of the kinds that Kubernetes has, or of another kind
/// that holds a pod template.
pub(super) fn workload(
    kind: WorkloadKind,
    raw: Obj<RawWorkloadSpec, RawWorkloadStatus>,
) -> Workload {
    let spec = raw.spec.0;
    let status = raw.status.0;
    let daemon = kind == WorkloadKind::DaemonSet;
    let job = kind == WorkloadKind::Job;
    let pick =
        |daemon_value: Option<u32>, value: Option<u32>| if daemon { daemon_value } else { value };
    // A finished count of zero is not written: `omitempty` drops it.
    let counted = |value: Option<u32>, known: bool| value.or(known.then_some(0));
    let known = status.observed_generation.is_some() || status.replicas.is_some();
    let finished_at = if job {
        at(status.completion_time).or_else(|| {
            status
                .conditions
                .0
                .iter()
                .find(|c| {
                    matches!(c.kind.0.as_str(), "Complete" | "Failed") && c.status.0 == "True"
                })
                .and_then(|c| at(c.last_transition_time))
        })
    } else {
        None
    };
    // The API server writes 1 where nothing is set; a file by hand does not.
    let replicas = match kind {
        WorkloadKind::DaemonSet => status.desired_number_scheduled,
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::ReplicaSet => {
            spec.replicas.or(Some(1))
        }
        WorkloadKind::Job => spec.parallelism.or(Some(1)),
        WorkloadKind::CronJob => None,
        _ => spec.replicas,
    };
    let scaled = matches!(
        kind,
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::ReplicaSet
    );
    let retention = spec.persistent_volume_claim_retention_policy.0;
    let strategy = spec.strategy.0.kind.some();
    Workload {
        meta: raw.metadata.0.into(),
        template: spec
            .template
            .or(spec.job_template.0.spec.0.template)
            .map(Into::into),
        selector: spec.selector.map(Into::into),
        replicas,
        current_replicas: pick(
            status.current_number_scheduled,
            counted(status.replicas, scaled && known),
        ),
        ready_replicas: pick(
            status.number_ready,
            counted(status.ready_replicas, scaled && known),
        ),
        updated_replicas: pick(
            counted(status.updated_number_scheduled, daemon && known),
            match kind {
                WorkloadKind::Deployment | WorkloadKind::StatefulSet => {
                    counted(status.updated_replicas, known)
                }
                // Every replica of a ReplicaSet is of its only template.
                WorkloadKind::ReplicaSet => counted(status.replicas, known),
                _ => status.updated_replicas,
            },
        ),
        observed_generation: status.observed_generation,
        paused: spec.paused.0 || spec.suspend.0,
        update_strategy: strategy.or(spec.update_strategy.0.kind.some()),
        claim_templates: spec
            .volume_claim_templates
            .0
            .into_iter()
            .map(|t| ClaimTemplate {
                name: t.metadata.0.name.0,
                storage: t.spec.0.resources.0.requests.0.bytes("storage"),
                storage_class: t.spec.0.storage_class_name.some(),
            })
            .collect(),
        deletes_claims_when_scaled: retention.when_scaled.0 == "Delete",
        deletes_claims_when_deleted: retention.when_deleted.0 == "Delete",
        schedule: spec.schedule.some(),
        time_zone: spec.time_zone.some(),
        concurrency_policy: spec.concurrency_policy.some(),
        starting_deadline_seconds: spec.starting_deadline_seconds,
        last_scheduled_at: at(status.last_schedule_time),
        active: status.active.map(|a| a.0),
        finished_at,
        kind,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTarget {
    kind: Text,
    name: Text,
}

fn target(namespace: &str, raw: RawTarget) -> WorkloadRef {
    WorkloadRef::new(namespace, WorkloadKind::from(raw.kind.0), raw.name.0)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawHpaSpec {
    scale_target_ref: N<RawTarget>,
    min_replicas: Option<u32>,
    max_replicas: N<u32>,
    metrics: N<Vec<RawMetric>>,
    // autoscaling/v1
    #[serde(rename = "targetCPUUtilizationPercentage")]
    target_cpu: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawHpaStatus {
    current_replicas: Option<u32>,
    desired_replicas: Option<u32>,
    current_metrics: N<Vec<RawMetric>>,
    #[serde(rename = "currentCPUUtilizationPercentage")]
    current_cpu: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMetric {
    #[serde(rename = "type")]
    kind: Text,
    resource: Option<RawMetricSource>,
    container_resource: Option<RawMetricSource>,
    pods: Option<RawMetricSource>,
    object: Option<RawMetricSource>,
    external: Option<RawMetricSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawMetricSource {
    name: Text,
    metric: N<RawMetricName>,
    target: N<RawMetricValue>,
    current: N<RawMetricValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawMetricName {
    name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMetricValue {
    average_utilization: Option<u32>,
}

fn metric(raw: RawMetric) -> ScalingMetric {
    let source = raw
        .resource
        .or(raw.container_resource)
        .or(raw.pods)
        .or(raw.object)
        .or(raw.external)
        .unwrap_or_default();
    ScalingMetric {
        kind: raw.kind.0,
        name: source
            .name
            .some()
            .or(source.metric.0.name.some())
            .unwrap_or_default(),
        target_utilization_percent: source.target.0.average_utilization,
        current_utilization_percent: source.current.0.average_utilization,
    }
}

pub(super) fn hpa(raw: Obj<RawHpaSpec, RawHpaStatus>) -> HorizontalPodAutoscaler {
    let spec = raw.spec.0;
    let status = raw.status.0;
    let namespace = raw.metadata.0.namespace.0.clone();
    let mut metrics: Vec<ScalingMetric> = spec.metrics.0.into_iter().map(metric).collect();
    if metrics.is_empty() && spec.target_cpu.is_some() {
        metrics.push(ScalingMetric {
            kind: "Resource".to_owned(),
            name: "cpu".to_owned(),
            target_utilization_percent: spec.target_cpu,
            current_utilization_percent: status.current_cpu,
        });
    }
    for now in status.current_metrics.0.into_iter().map(metric) {
        if let Some(same) = metrics
            .iter_mut()
            .find(|m| m.kind == now.kind && m.name == now.name)
        {
            same.current_utilization_percent = now.current_utilization_percent;
        }
    }
    HorizontalPodAutoscaler {
        meta: raw.metadata.0.into(),
        target: target(&namespace, spec.scale_target_ref.0),
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas.0,
        metrics,
        current_replicas: status.current_replicas,
        desired_replicas: status.desired_replicas,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawVpaSpec {
    target_ref: N<RawTarget>,
    update_policy: N<RawUpdatePolicy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawUpdatePolicy {
    update_mode: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawVpaStatus {
    recommendation: N<RawRecommendation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawRecommendation {
    container_recommendations: N<Vec<RawContainerRecommendation>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawContainerRecommendation {
    container_name: Text,
    target: N<Amounts>,
}

pub(super) fn vpa(raw: Obj<RawVpaSpec, RawVpaStatus>) -> VerticalPodAutoscaler {
    let spec = raw.spec.0;
    let namespace = raw.metadata.0.namespace.0.clone();
    VerticalPodAutoscaler {
        meta: raw.metadata.0.into(),
        target: target(&namespace, spec.target_ref.0),
        // The default of the API.
        update_mode: spec
            .update_policy
            .0
            .update_mode
            .some()
            .unwrap_or_else(|| "Auto".to_owned()),
        targets: raw
            .status
            .0
            .recommendation
            .0
            .container_recommendations
            .0
            .into_iter()
            .map(|r| (r.container_name.0, r.target.0.list))
            .collect(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawScaledSpec {
    scale_target_ref: N<RawTarget>,
    min_replica_count: Option<u32>,
    max_replica_count: Option<u32>,
    triggers: N<Vec<RawTrigger>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTrigger {
    #[serde(rename = "type")]
    kind: Text,
}

pub(super) fn scaled_object(raw: Obj<RawScaledSpec, Nothing>) -> ScaledObject {
    let spec = raw.spec.0;
    let namespace = raw.metadata.0.namespace.0.clone();
    let mut scaled = spec.scale_target_ref.0;
    if scaled.kind.0.is_empty() {
        // KEDA's default.
        scaled.kind.0 = "Deployment".to_owned();
    }
    ScaledObject {
        meta: raw.metadata.0.into(),
        target: target(&namespace, scaled),
        min_replicas: spec.min_replica_count,
        max_replicas: spec.max_replica_count,
        triggers: spec.triggers.0.into_iter().map(|t| t.kind.0).collect(),
    }
}

/// A count, or a percentage as a string.
#[derive(Debug, Clone, Copy)]
struct RawIntOrPercent(IntOrPercent);

impl<'de> Deserialize<'de> for RawIntOrPercent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntVisitor;
        impl Visitor<'_> for IntVisitor {
            type Value = RawIntOrPercent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count or a percentage such as \"50%\"")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<RawIntOrPercent, E> {
                u32::try_from(n)
                    .map(|n| RawIntOrPercent(IntOrPercent::Count(n)))
                    .map_err(|_| E::custom("a count beyond 32 bits"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawIntOrPercent, E> {
                text.strip_suffix('%')
                    .and_then(|n| n.parse().ok())
                    .map(|n| RawIntOrPercent(IntOrPercent::Percent(n)))
                    .ok_or_else(|| E::custom("neither a count nor a percentage"))
            }
        }
        deserializer.deserialize_any(IntVisitor)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPdbSpec {
    selector: Option<RawSelector>,
    min_available: Option<RawIntOrPercent>,
    max_unavailable: Option<RawIntOrPercent>,
    unhealthy_pod_eviction_policy: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPdbStatus {
    disruptions_allowed: Option<u32>,
    current_healthy: Option<u32>,
    desired_healthy: Option<u32>,
    expected_pods: Option<u32>,
    observed_generation: Option<i64>,
    disrupted_pods: N<BTreeMap<Key, Time>>,
}

pub(super) fn pdb(raw: Obj<RawPdbSpec, RawPdbStatus>) -> PodDisruptionBudget {
    let spec = raw.spec.0;
    let status = raw.status.0;
    PodDisruptionBudget {
        meta: raw.metadata.0.into(),
        selector: spec.selector.map(Into::into),
        min_available: spec.min_available.map(|v| v.0),
        max_unavailable: spec.max_unavailable.map(|v| v.0),
        unhealthy_policy: match spec.unhealthy_pod_eviction_policy.0.as_str() {
            "" | "IfHealthyBudget" => UnhealthyPodEviction::IfHealthyBudget,
            "AlwaysAllow" => UnhealthyPodEviction::AlwaysAllow,
            _ => UnhealthyPodEviction::Unrecognised,
        },
        disruptions_allowed: status.disruptions_allowed,
        current_healthy: status.current_healthy,
        desired_healthy: status.desired_healthy,
        expected_pods: status.expected_pods,
        observed_generation: status.observed_generation,
        disrupted_pods: status
            .disrupted_pods
            .0
            .into_iter()
            .map(|(name, time)| (name.0, time.0))
            .collect::<BTreeMap<String, DateTime<Utc>>>(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawLimitSpec {
    limits: N<Vec<RawLimit>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawLimit {
    #[serde(rename = "type")]
    kind: Text,
    min: N<Amounts>,
    max: N<Amounts>,
    default: N<Amounts>,
    default_request: N<Amounts>,
    max_limit_request_ratio: MilliRatios,
}

pub(super) fn limit_range(raw: Obj<RawLimitSpec, Nothing>) -> LimitRange {
    LimitRange {
        meta: raw.metadata.0.into(),
        items: raw
            .spec
            .0
            .limits
            .0
            .into_iter()
            .map(|l| LimitRangeItem {
                kind: l.kind.0,
                min: l.min.0.list,
                max: l.max.0.list,
                default_limit: l.default.0.list,
                default_request: l.default_request.0.list,
                max_limit_request_ratio_milli: l.max_limit_request_ratio.0,
            })
            .collect(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawQuotaSpec {
    hard: NamedAmounts,
    scopes: N<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawQuotaStatus {
    used: NamedAmounts,
}

pub(super) fn quota(raw: Obj<RawQuotaSpec, RawQuotaStatus>) -> ResourceQuota {
    ResourceQuota {
        meta: raw.metadata.0.into(),
        hard: raw.spec.0.hard.0,
        used: raw.status.0.used.0,
        scopes: strings(raw.spec.0.scopes),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPriorityClass {
    metadata: N<RawMeta>,
    value: N<i32>,
    global_default: N<bool>,
    preemption_policy: Text,
}

pub(super) fn priority_class(raw: RawPriorityClass) -> PriorityClass {
    PriorityClass {
        meta: raw.metadata.0.into(),
        value: raw.value.0,
        global_default: raw.global_default.0,
        never_preempts: raw.preemption_policy.0 == "Never",
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawRuntimeClass {
    metadata: N<RawMeta>,
    overhead: N<RawOverhead>,
    scheduling: N<RawScheduling>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawOverhead {
    pod_fixed: Option<Amounts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawScheduling {
    node_selector: Map,
    tolerations: N<Vec<RawToleration>>,
}

pub(super) fn runtime_class(raw: RawRuntimeClass) -> RuntimeClass {
    let scheduling = raw.scheduling.0;
    RuntimeClass {
        meta: raw.metadata.0.into(),
        overhead: raw.overhead.0.pod_fixed.map(|a| a.list),
        node_selector: scheduling.node_selector.0,
        tolerations: scheduling
            .tolerations
            .0
            .into_iter()
            .map(Into::into)
            .collect(),
    }
}
