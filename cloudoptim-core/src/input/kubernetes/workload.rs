//! Workloads, what scales them, and the rules of their namespaces.

use super::super::wire::{
    Problem, QuantityMap, QuantityText, bytes, clean, milli_cpu, resource_list,
};
use super::common::{meta, selector, some, target, tolerations};
use super::{pod, wire};
use crate::model::{
    ClaimTemplate, Event, HorizontalPodAutoscaler, IntOrPercent, LabelSelector, LimitRange,
    LimitRangeItem, NamespacedName, PodDisruptionBudget, PriorityClass, ResourceQuota,
    RuntimeClass, ScaledObject, ScalingMetric, UnhealthyPodEviction, VerticalPodAutoscaler,
    Workload, WorkloadKind,
};
use std::collections::BTreeMap;

pub(super) fn workload(kind: &str, wire: wire::WorkloadObject) -> Result<Workload, Problem> {
    let spec = wire.spec.unwrap_or_default();
    let status = wire.status.unwrap_or_default();
    let kind = WorkloadKind::from(kind);
    let template = spec.template.or_else(|| {
        spec.job_template
            .and_then(|t| t.spec)
            .and_then(|s| s.template)
    });
    let retention = spec
        .persistent_volume_claim_retention_policy
        .unwrap_or_default();
    let deletes = |text: Option<String>| text.as_deref() == Some("Delete");
    let daemon = kind == WorkloadKind::DaemonSet;
    let replicas = match kind {
        WorkloadKind::DaemonSet => status.desired_number_scheduled,
        WorkloadKind::Job => spec.parallelism,
        // The API server fills 1 in; a manifest may leave it out.
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::ReplicaSet => {
            Some(spec.replicas.unwrap_or(1))
        }
        _ => spec.replicas,
    };
    Ok(Workload {
        meta: meta(wire.metadata)?,
        template: template
            .map(pod::template)
            .transpose()
            .map_err(|p| p.within("spec.template"))?,
        selector: spec.selector.map(label_selector).transpose()?,
        replicas,
        current_replicas: if daemon {
            status.current_number_scheduled
        } else {
            status
                .replicas
                .or((kind == WorkloadKind::Deployment).then_some(0))
        },
        ready_replicas: if daemon {
            status.number_ready
        } else {
            Some(status.ready_replicas.unwrap_or(0))
        },
        updated_replicas: if daemon {
            status.updated_number_scheduled
        } else {
            status.updated_replicas
        },
        observed_generation: status.observed_generation,
        paused: spec.paused.unwrap_or_default() || spec.suspend.unwrap_or_default(),
        update_strategy: spec.strategy.or(spec.update_strategy).and_then(|s| s.kind),
        claim_templates: spec
            .volume_claim_templates
            .into_iter()
            .flatten()
            .map(|t| {
                let spec = t.spec.unwrap_or_default();
                Ok(ClaimTemplate {
                    name: t.metadata.and_then(|m| m.name).unwrap_or_default(),
                    storage: storage(spec.resources.and_then(|r| r.requests).as_ref())?,
                    storage_class: some(spec.storage_class_name),
                })
            })
            .collect::<Result<_, Problem>>()?,
        deletes_claims_when_scaled: deletes(retention.when_scaled),
        deletes_claims_when_deleted: deletes(retention.when_deleted),
        schedule: some(spec.schedule),
        time_zone: some(spec.time_zone),
        concurrency_policy: some(spec.concurrency_policy),
        starting_deadline_seconds: spec.starting_deadline_seconds,
        last_scheduled_at: status.last_schedule_time,
        // A Job has a number here, a CronJob a list.
        active: status.active.and_then(|a| match a {
            serde_json::Value::Number(n) => n.as_u64().and_then(|n| u32::try_from(n).ok()),
            serde_json::Value::Array(list) => u32::try_from(list.len()).ok(),
            _ => None,
        }),
        finished_at: status.completion_time.or_else(|| {
            let conditions = status.conditions.unwrap_or_default();
            conditions
                .iter()
                .find(|c| {
                    matches!(c.kind.as_deref(), Some("Failed" | "Complete"))
                        && c.status.as_deref() == Some("True")
                })
                .and_then(|c| c.last_transition_time)
        }),
        kind,
    })
}

/// A selector with the two known parts, or the plain map of old kinds.
fn label_selector(value: serde_json::Value) -> Result<LabelSelector, Problem> {
    let plain = value.as_object().is_some_and(|map| {
        !map.is_empty() && !map.contains_key("matchLabels") && !map.contains_key("matchExpressions")
    });
    let bad = |e: serde_json::Error| Problem::new("spec.selector", e.to_string());
    if plain {
        let match_labels = serde_json::from_value(value).map_err(bad)?;
        return Ok(LabelSelector {
            match_labels,
            ..LabelSelector::default()
        });
    }
    selector(serde_json::from_value(value).map_err(bad)?).map_err(|p| p.within("spec.selector"))
}

pub(super) fn storage(map: Option<&QuantityMap>) -> Result<Option<crate::model::Bytes>, Problem> {
    let text = map.and_then(|m| m.get("storage"));
    text.map(|t| bytes(t).map_err(|m| Problem::new("storage", m)))
        .transpose()
}

pub(super) fn horizontal(wire: wire::HpaObject) -> Result<HorizontalPodAutoscaler, Problem> {
    let meta = meta(wire.metadata)?;
    let spec = wire.spec.unwrap_or_default();
    let status = wire.status.unwrap_or_default();
    let current = status.current_metrics.unwrap_or_default();
    let mut metrics = Vec::new();
    for metric in spec.metrics.into_iter().flatten() {
        let kind = metric.kind.unwrap_or_default();
        let resource = metric.resource.or(metric.container_resource);
        let other = metric.pods.or(metric.object).or(metric.external);
        let name = resource
            .as_ref()
            .and_then(|r| r.name.clone())
            .or_else(|| other.and_then(|o| o.metric).and_then(|m| m.name))
            .unwrap_or_default();
        let now = current
            .iter()
            .filter_map(|c| c.resource.as_ref().or(c.container_resource.as_ref()))
            .find(|r| r.name.as_deref() == Some(name.as_str()))
            .and_then(|r| r.current.as_ref()?.average_utilization);
        metrics.push(ScalingMetric {
            kind,
            target_utilization_percent: resource
                .and_then(|r| r.target)
                .and_then(|t| t.average_utilization),
            current_utilization_percent: now,
            name,
        });
    }
    if let Some(percent) = spec.target_cpu {
        metrics.push(ScalingMetric {
            kind: "Resource".to_owned(),
            name: "cpu".to_owned(),
            target_utilization_percent: Some(percent),
            current_utilization_percent: None,
        });
    }
    Ok(HorizontalPodAutoscaler {
        target: target(&meta.namespace, spec.scale_target_ref),
        meta,
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas.unwrap_or_default(),
        metrics,
        current_replicas: status.current_replicas,
        desired_replicas: status.desired_replicas,
    })
}

pub(super) fn vertical(wire: wire::VpaObject) -> Result<VerticalPodAutoscaler, Problem> {
    let meta = meta(wire.metadata)?;
    let spec = wire.spec.unwrap_or_default();
    let recommended = wire
        .status
        .and_then(|s| s.recommendation)
        .and_then(|r| r.container_recommendations)
        .unwrap_or_default();
    let mut targets = BTreeMap::new();
    for one in recommended {
        let list = resource_list(one.target.as_ref()).map_err(|p| p.within("status"))?;
        targets.insert(one.container_name.unwrap_or_default(), list);
    }
    Ok(VerticalPodAutoscaler {
        target: target(&meta.namespace, spec.target_ref),
        meta,
        update_mode: spec
            .update_policy
            .and_then(|p| p.update_mode)
            .unwrap_or_else(|| "Auto".to_owned()),
        targets,
    })
}

pub(super) fn scaled_object(wire: wire::ScaledObjectWire) -> Result<ScaledObject, Problem> {
    let meta = meta(wire.metadata)?;
    let spec = wire.spec.unwrap_or_default();
    Ok(ScaledObject {
        target: target(&meta.namespace, spec.scale_target_ref),
        meta,
        min_replicas: spec.min_replica_count,
        max_replicas: spec.max_replica_count,
        triggers: spec
            .triggers
            .into_iter()
            .flatten()
            .filter_map(|t| t.kind)
            .collect(),
    })
}

fn int_or_percent(wire: wire::IntOrText, field: &str) -> Result<IntOrPercent, Problem> {
    let bad = |value: &dyn std::fmt::Display| {
        Problem::new(
            field,
            format!("must be a count or a percentage, got {value}"),
        )
    };
    match wire {
        wire::IntOrText::Int(n) => u32::try_from(n)
            .map(IntOrPercent::Count)
            .map_err(|_| bad(&n)),
        wire::IntOrText::Text(text) => text
            .strip_suffix('%')
            .and_then(|digits| digits.parse().ok())
            .map(IntOrPercent::Percent)
            .ok_or_else(|| bad(&text)),
    }
}

pub(super) fn budget(wire: wire::PdbObject) -> Result<PodDisruptionBudget, Problem> {
    let spec = wire.spec.unwrap_or_default();
    let status = wire.status.unwrap_or_default();
    let count = |n: Option<i64>| n.and_then(|n| u32::try_from(n.max(0)).ok());
    Ok(PodDisruptionBudget {
        meta: meta(wire.metadata)?,
        selector: spec.selector.map(selector).transpose()?,
        min_available: spec
            .min_available
            .map(|v| int_or_percent(v, "spec.minAvailable"))
            .transpose()?,
        max_unavailable: spec
            .max_unavailable
            .map(|v| int_or_percent(v, "spec.maxUnavailable"))
            .transpose()?,
        unhealthy_policy: match spec.unhealthy_pod_eviction_policy.as_deref() {
            None | Some("" | "IfHealthyBudget") => UnhealthyPodEviction::IfHealthyBudget,
            Some("AlwaysAllow") => UnhealthyPodEviction::AlwaysAllow,
            Some(_) => UnhealthyPodEviction::Unrecognised,
        },
        disruptions_allowed: count(status.disruptions_allowed),
        current_healthy: count(status.current_healthy),
        desired_healthy: count(status.desired_healthy),
        expected_pods: count(status.expected_pods),
        observed_generation: status.observed_generation,
        disrupted_pods: status.disrupted_pods.unwrap_or_default(),
    })
}

pub(super) fn limit_range(wire: wire::LimitRangeObject) -> Result<LimitRange, Problem> {
    let items = wire.spec.and_then(|s| s.limits).unwrap_or_default();
    Ok(LimitRange {
        meta: meta(wire.metadata)?,
        items: items
            .into_iter()
            .map(|item| {
                let mut ratios = BTreeMap::new();
                for (name, ratio) in item.max_limit_request_ratio.into_iter().flatten() {
                    let milli = milli_cpu(&ratio)
                        .map_err(|m| Problem::new("spec.limits.maxLimitRequestRatio", m))?;
                    ratios.insert(name, milli.0);
                }
                Ok(LimitRangeItem {
                    kind: item.kind.unwrap_or_default(),
                    min: resource_list(item.min.as_ref())?,
                    max: resource_list(item.max.as_ref())?,
                    default_limit: resource_list(item.default.as_ref())?,
                    default_request: resource_list(item.default_request.as_ref())?,
                    max_limit_request_ratio_milli: ratios,
                })
            })
            .collect::<Result<_, Problem>>()
            .map_err(|p| p.within("spec.limits"))?,
    })
}

pub(super) fn quota(wire: wire::QuotaObject) -> Result<ResourceQuota, Problem> {
    let spec = wire.spec.unwrap_or_default();
    let status = wire.status.unwrap_or_default();
    let amounts = |map: Option<QuantityMap>| -> Result<BTreeMap<String, u64>, Problem> {
        map.into_iter()
            .flatten()
            .map(|(name, text)| {
                let amount = quota_amount(&name, &text).map_err(|m| Problem::new(&*name, m))?;
                Ok((name, amount))
            })
            .collect()
    };
    Ok(ResourceQuota {
        meta: meta(wire.metadata)?,
        hard: amounts(status.hard.or(spec.hard)).map_err(|p| p.within("hard"))?,
        used: amounts(status.used).map_err(|p| p.within("status.used"))?,
        scopes: spec.scopes.unwrap_or_default(),
    })
}

fn quota_amount(name: &str, text: &QuantityText) -> Result<u64, String> {
    let resource = name.rsplit('.').next().unwrap_or(name);
    if resource == "cpu" {
        Ok(milli_cpu(text)?.0)
    } else {
        Ok(bytes(text)?.0)
    }
}

pub(super) fn priority_class(wire: wire::PriorityObject) -> Result<PriorityClass, Problem> {
    Ok(PriorityClass {
        meta: meta(wire.metadata)?,
        value: wire.value.unwrap_or_default(),
        global_default: wire.global_default.unwrap_or_default(),
        never_preempts: wire.preemption_policy.as_deref() == Some("Never"),
    })
}

pub(super) fn runtime_class(wire: wire::RuntimeObject) -> Result<RuntimeClass, Problem> {
    let scheduling = wire.scheduling.unwrap_or_default();
    Ok(RuntimeClass {
        meta: meta(wire.metadata)?,
        overhead: match wire.overhead.and_then(|o| o.pod_fixed) {
            Some(map) => Some(resource_list(Some(&map)).map_err(|p| p.within("overhead"))?),
            None => None,
        },
        node_selector: scheduling.node_selector.unwrap_or_default(),
        tolerations: tolerations(scheduling.tolerations)?,
    })
}

pub(super) fn event(wire: wire::EventObject) -> Result<Event, Problem> {
    let object = wire.involved_object.or(wire.regarding).unwrap_or_default();
    let series = wire.series.unwrap_or_default();
    Ok(Event {
        meta: meta(wire.metadata)?,
        reason: wire.reason.unwrap_or_default(),
        severity: wire.kind.unwrap_or_default(),
        object_kind: object.kind.unwrap_or_default(),
        object: NamespacedName::new(
            object.namespace.unwrap_or_default(),
            object.name.unwrap_or_default(),
        ),
        object_uid: some(object.uid).map(Into::into),
        message: clean(&wire.message.or(wire.note).unwrap_or_default()),
        count: series
            .count
            .or(wire.count)
            .or(wire.deprecated_count)
            .unwrap_or(1)
            .max(1),
        first_at: wire.first_timestamp.or(wire.event_time),
        last_at: series
            .last_observed_time
            .or(wire.last_timestamp)
            .or(wire.event_time),
        component: some(wire.reporting_component)
            .or_else(|| wire.source.and_then(|s| s.component))
            .unwrap_or_default(),
    })
}
