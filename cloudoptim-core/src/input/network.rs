//! Services, endpoint slices, events and namespaces.

use super::meta::{Nothing, Obj, RawMeta};
use super::raw::{Map, N, Text, Time, at};
use super::redact::redact;
use crate::model::{
    Endpoint, EndpointSlice, Event, Namespace, NamespacedName, NodeName, Service, Uid, ZoneName,
};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawServiceSpec {
    #[serde(rename = "type")]
    kind: Text,
    #[serde(rename = "clusterIP")]
    cluster_ip: Text,
    selector: Option<Map>,
    traffic_distribution: Text,
    internal_traffic_policy: Text,
    external_traffic_policy: Text,
    session_affinity: Text,
    load_balancer_class: Text,
}

pub(super) fn service(raw: Obj<RawServiceSpec, Nothing>) -> Service {
    let spec = raw.spec.0;
    Service {
        meta: raw.metadata.0.into(),
        // The default of the API.
        kind: spec.kind.some().unwrap_or_else(|| "ClusterIP".to_owned()),
        headless: spec.cluster_ip.0 == "None",
        // An empty selector selects nothing, as an absent one.
        selector: spec.selector.map(|m| m.0).filter(|m| !m.is_empty()),
        traffic_distribution: spec.traffic_distribution.some(),
        internal_traffic_policy: spec.internal_traffic_policy.some(),
        external_traffic_policy: spec.external_traffic_policy.some(),
        session_affinity: spec.session_affinity.some(),
        load_balancer_class: spec.load_balancer_class.some(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawSlice {
    metadata: N<RawMeta>,
    endpoints: N<Vec<RawEndpoint>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawEndpoint {
    conditions: N<RawEndpointConditions>,
    target_ref: Option<RawRef>,
    node_name: Text,
    zone: Text,
    hints: N<RawHints>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawEndpointConditions {
    ready: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawRef {
    kind: Text,
    namespace: Text,
    name: Text,
    uid: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawHints {
    for_zones: N<Vec<RawForZone>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawForZone {
    name: Text,
}

pub(super) fn endpoint_slice(raw: RawSlice) -> EndpointSlice {
    let meta: crate::model::ObjectMeta = raw.metadata.0.into();
    EndpointSlice {
        service: meta
            .label("kubernetes.io/service-name")
            .unwrap_or_default()
            .to_owned(),
        meta,
        endpoints: raw
            .endpoints
            .0
            .into_iter()
            .map(|e| Endpoint {
                pod: e.target_ref.filter(|r| r.kind.0 == "Pod").map(|r| r.name.0),
                node: e.node_name.some().map(NodeName::new),
                zone: e.zone.some().map(ZoneName::new),
                // The API reads an unknown readiness as ready.
                ready: e.conditions.0.ready.unwrap_or(true),
                hints: e
                    .hints
                    .0
                    .for_zones
                    .0
                    .into_iter()
                    .map(|z| ZoneName::new(z.name.0))
                    .collect(),
            })
            .collect(),
    }
}

pub(super) fn namespace(raw: Obj<Nothing, Nothing>) -> Namespace {
    Namespace {
        meta: raw.metadata.0.into(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawEvent {
    metadata: N<RawMeta>,
    reason: Text,
    #[serde(rename = "type")]
    severity: Text,
    involved_object: Option<RawRef>,
    regarding: Option<RawRef>,
    message: Text,
    note: Text,
    count: Option<u32>,
    deprecated_count: Option<u32>,
    series: N<RawSeries>,
    first_timestamp: Option<Time>,
    last_timestamp: Option<Time>,
    deprecated_first_timestamp: Option<Time>,
    deprecated_last_timestamp: Option<Time>,
    event_time: Option<Time>,
    source: N<RawSource>,
    deprecated_source: N<RawSource>,
    reporting_component: Text,
    reporting_controller: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSeries {
    count: Option<u32>,
    last_observed_time: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawSource {
    component: Text,
}

/// Events whose message is written by the control plane or the kubelet. Of
/// others it may repeat what an application printed, so it is not kept.
pub(super) const SPOKEN: &[&str] = &[
    "Evicted",
    "EvictionThresholdMet",
    "FailedAttachVolume",
    "FailedScheduling",
    "NodeHasInsufficientMemory",
    "NodeNotReady",
    "NotTriggerScaleUp",
    "OOMKilling",
    "Preempted",
    "Rebooted",
    "SystemOOM",
    "TaintManagerEviction",
];

pub(super) fn event(raw: RawEvent) -> Event {
    let object = raw.involved_object.or(raw.regarding).unwrap_or_default();
    let series = raw.series.0;
    let event_time = at(raw.event_time);
    let message = if SPOKEN.contains(&raw.reason.0.as_str()) {
        redact(&raw.message.some().or(raw.note.some()).unwrap_or_default())
    } else {
        String::new()
    };
    Event {
        meta: raw.metadata.0.into(),
        reason: raw.reason.0,
        severity: raw.severity.0,
        object_kind: object.kind.0,
        object: NamespacedName::new(object.namespace.0, object.name.0),
        object_uid: object.uid.some().map(Uid::new),
        message,
        count: series
            .count
            .or(raw.count)
            .or(raw.deprecated_count)
            .unwrap_or(1)
            .max(1),
        first_at: at(raw.first_timestamp)
            .or(at(raw.deprecated_first_timestamp))
            .or(event_time),
        last_at: at(series.last_observed_time)
            .or(at(raw.last_timestamp))
            .or(at(raw.deprecated_last_timestamp))
            .or(event_time),
        component: raw
            .reporting_component
            .some()
            .or(raw.reporting_controller.some())
            .or(raw.source.0.component.some())
            .or(raw.deprecated_source.0.component.some())
            .unwrap_or_default(),
    }
}
