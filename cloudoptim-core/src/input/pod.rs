//! Pods and pod templates.

use super::meta::{Annotations, Obj, RawNodeSelector, RawSelector, RawTerm};
use super::raw::{Amounts, Key, Map, N, One, Present, Text, Time, Word, at, strings};
use super::redact::redact;
use super::runtime::{Loose, RawEnv, settings};
use crate::model::{
    Container, ContainerResources, ContainerStatus, HostPort, NodeName, Pod, PodAffinityTerm,
    PodPhase, PodSpec, PodStatus, PodTemplate, PodVolume, PodVolumeSource, PreferredNodeTerm,
    PreferredPodTerm, ResizePolicy, TaintEffect, Termination, Toleration, TopologySpread,
    WhenUnsatisfiable,
};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::fmt;

pub(super) fn pod(raw: Obj<RawPodSpec, RawPodStatus>) -> Pod {
    Pod {
        meta: raw.metadata.0.into(),
        spec: raw.spec.0.into(),
        status: raw.status.0.into(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawTemplate {
    metadata: N<RawTemplateMeta>,
    spec: N<RawPodSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTemplateMeta {
    labels: Map,
    annotations: Annotations,
}

impl From<RawTemplate> for PodTemplate {
    fn from(raw: RawTemplate) -> Self {
        Self {
            labels: raw.metadata.0.labels.0,
            annotations: raw.metadata.0.annotations.0,
            spec: raw.spec.0.into(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPodSpec {
    node_name: Text,
    node_selector: Map,
    affinity: N<RawAffinity>,
    topology_spread_constraints: N<Vec<RawSpread>>,
    tolerations: N<Vec<RawToleration>>,
    containers: N<Vec<RawContainer>>,
    init_containers: N<Vec<RawContainer>>,
    resources: Option<RawResources>,
    overhead: Option<Amounts>,
    volumes: N<Vec<RawVolume>>,
    host_network: N<bool>,
    priority: Option<i32>,
    priority_class_name: Text,
    runtime_class_name: Text,
    termination_grace_period_seconds: Option<i64>,
    scheduler_name: Text,
    scheduling_gates: N<Vec<Named>>,
    resource_claims: N<Vec<Named>>,
    os: N<Named>,
    restart_policy: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: Text,
}

fn names(list: N<Vec<Named>>) -> Vec<String> {
    list.0.into_iter().map(|n| n.name.0).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawAffinity {
    node_affinity: N<RawNodeAffinity>,
    pod_affinity: N<RawPodAffinity>,
    pod_anti_affinity: N<RawPodAffinity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawNodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<RawNodeSelector>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: N<Vec<RawPreferredNode>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawPreferredNode {
    weight: N<i32>,
    preference: N<RawTerm>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawPodAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: N<Vec<RawPodTerm>>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: N<Vec<RawPreferredPod>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPreferredPod {
    weight: N<i32>,
    pod_affinity_term: N<RawPodTerm>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPodTerm {
    label_selector: Option<RawSelector>,
    topology_key: Text,
    namespaces: N<Vec<Text>>,
    namespace_selector: Option<RawSelector>,
    match_label_keys: N<Vec<Text>>,
    mismatch_label_keys: N<Vec<Text>>,
}

impl From<RawPodTerm> for PodAffinityTerm {
    fn from(raw: RawPodTerm) -> Self {
        Self {
            selector: raw.label_selector.map(Into::into),
            topology_key: raw.topology_key.0,
            namespaces: strings(raw.namespaces),
            namespace_selector: raw.namespace_selector.map(Into::into),
            match_label_keys: strings(raw.match_label_keys),
            mismatch_label_keys: strings(raw.mismatch_label_keys),
        }
    }
}

fn pod_terms(raw: RawPodAffinity) -> (Vec<PodAffinityTerm>, Vec<PreferredPodTerm>) {
    let preferred = raw.preferred.0.into_iter().map(|p| PreferredPodTerm {
        weight: p.weight.0,
        term: p.pod_affinity_term.0.into(),
    });
    (
        raw.required.0.into_iter().map(Into::into).collect(),
        preferred.collect(),
    )
}

impl Word for WhenUnsatisfiable {
    const WORDS: &'static str = "DoNotSchedule, ScheduleAnyway";

    fn of(word: &str) -> Option<Self> {
        match word {
            "DoNotSchedule" => Some(Self::DoNotSchedule),
            "ScheduleAnyway" => Some(Self::ScheduleAnyway),
            _ => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpread {
    max_skew: N<u32>,
    topology_key: Text,
    when_unsatisfiable: Option<One<WhenUnsatisfiable>>,
    label_selector: Option<RawSelector>,
    min_domains: Option<u32>,
    node_affinity_policy: Text,
    node_taints_policy: Text,
    match_label_keys: N<Vec<Text>>,
}

impl From<RawSpread> for TopologySpread {
    fn from(raw: RawSpread) -> Self {
        let honour = |policy: Text| match policy.0.as_str() {
            "Honor" => Some(true),
            "Ignore" => Some(false),
            _ => None,
        };
        Self {
            max_skew: raw.max_skew.0.max(1),
            topology_key: raw.topology_key.0,
            when_unsatisfiable: raw
                .when_unsatisfiable
                .map_or_else(Default::default, |w| w.0),
            selector: raw.label_selector.map(Into::into),
            min_domains: raw.min_domains,
            honour_node_affinity: honour(raw.node_affinity_policy),
            honour_node_taints: honour(raw.node_taints_policy),
            match_label_keys: strings(raw.match_label_keys),
        }
    }
}

impl Word for TaintEffect {
    const WORDS: &'static str = "NoSchedule, PreferNoSchedule, NoExecute";

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            // EKS writes the effects of a node group's taints in its own way.
            "NoSchedule" | "NO_SCHEDULE" => Self::NoSchedule,
            "PreferNoSchedule" | "PREFER_NO_SCHEDULE" => Self::PreferNoSchedule,
            "NoExecute" | "NO_EXECUTE" => Self::NoExecute,
            _ => return None,
        })
    }
}

/// An effect where the empty string means all of them.
#[derive(Debug, Clone, Copy)]
struct Effect(Option<TaintEffect>);

impl Word for Effect {
    const WORDS: &'static str = TaintEffect::WORDS;

    fn of(word: &str) -> Option<Self> {
        if word.is_empty() {
            return Some(Self(None));
        }
        TaintEffect::of(word).map(|e| Self(Some(e)))
    }
}

/// Whether a toleration takes any value of its key.
#[derive(Debug, Clone, Copy)]
struct TolerationOperator(bool);

impl Word for TolerationOperator {
    const WORDS: &'static str = "Exists, Equal";

    fn of(word: &str) -> Option<Self> {
        match word {
            "Exists" => Some(Self(true)),
            "Equal" | "" => Some(Self(false)),
            _ => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawToleration {
    key: Text,
    operator: Option<One<TolerationOperator>>,
    value: Text,
    effect: Option<One<Effect>>,
    toleration_seconds: Option<i64>,
}

impl From<RawToleration> for Toleration {
    fn from(raw: RawToleration) -> Self {
        Self {
            key: raw.key.0,
            exists: raw.operator.is_some_and(|o| o.0.0),
            value: raw.value.0,
            effect: raw.effect.and_then(|e| e.0.0),
            seconds: raw.toleration_seconds,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawResources {
    requests: N<Amounts>,
    limits: N<Amounts>,
    claims: N<Vec<Named>>,
}

impl From<RawResources> for ContainerResources {
    fn from(raw: RawResources) -> Self {
        Self {
            requests: raw.requests.0.list,
            limits: raw.limits.0.list,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawContainer {
    name: Text,
    image: Text,
    resources: N<RawResources>,
    restart_policy: Text,
    ports: N<Vec<RawPort>>,
    env: N<Vec<RawEnv>>,
    command: N<Vec<Loose>>,
    args: N<Vec<Loose>>,
    resize_policy: N<Vec<RawResize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPort {
    container_port: N<u16>,
    host_port: N<u16>,
    #[serde(rename = "hostIP")]
    host_ip: Text,
    protocol: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawResize {
    resource_name: Text,
    restart_policy: Text,
}

fn container(raw: RawContainer, host_network: bool) -> Container {
    let host_ports = raw.ports.0.into_iter().filter_map(|p| {
        // On the host network every port is the node's; the API server writes
        // it so, a template may leave it out.
        let port = if p.host_port.0 == 0 && host_network {
            p.container_port.0
        } else {
            p.host_port.0
        };
        (port != 0).then(|| HostPort {
            port,
            protocol: p.protocol.some().unwrap_or_else(|| "TCP".to_owned()),
            ip: p.host_ip.0,
        })
    });
    Container {
        host_ports: host_ports.collect(),
        runtime_memory: settings(&raw.env.0, &raw.command.0, &raw.args.0),
        name: raw.name.0,
        image: raw.image.0,
        resources: raw.resources.0.into(),
        restarts_always: raw.restart_policy.0 == "Always",
        resize_policy: raw
            .resize_policy
            .0
            .into_iter()
            .map(|r| ResizePolicy {
                resource: r.resource_name.0,
                restarts_container: r.restart_policy.0 == "RestartContainer",
            })
            .collect(),
    }
}

#[derive(Debug)]
struct RawVolume(PodVolume);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawClaimSource {
    claim_name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawEmptyDir {
    medium: Text,
}

impl<'de> Deserialize<'de> for RawVolume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VolumeVisitor;
        impl<'de> Visitor<'de> for VolumeVisitor {
            type Value = RawVolume;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a volume")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawVolume, A::Error> {
                let mut volume = PodVolume::default();
                while let Some(Key(key)) = map.next_key::<Key>()? {
                    volume.source = match key.as_str() {
                        "name" => {
                            volume.name = map.next_value::<Text>()?.0;
                            continue;
                        }
                        "persistentVolumeClaim" => PodVolumeSource::Claim {
                            name: map.next_value::<N<RawClaimSource>>()?.0.claim_name.0,
                        },
                        "emptyDir" => PodVolumeSource::EmptyDir {
                            in_memory: map.next_value::<N<RawEmptyDir>>()?.0.medium.0 == "Memory",
                        },
                        _ => {
                            if !map.next_value::<Present>()?.0 {
                                continue;
                            }
                            match key.as_str() {
                                "ephemeral" => PodVolumeSource::Ephemeral,
                                "hostPath" => PodVolumeSource::HostPath,
                                "configMap" | "secret" | "projected" | "downwardAPI" | "image" => {
                                    PodVolumeSource::Stateless
                                }
                                _ => PodVolumeSource::Other { driver: key },
                            }
                        }
                    };
                }
                Ok(RawVolume(volume))
            }
        }
        deserializer.deserialize_map(VolumeVisitor)
    }
}

impl From<RawPodSpec> for PodSpec {
    fn from(raw: RawPodSpec) -> Self {
        let host_network = raw.host_network.0;
        let affinity = raw.affinity.0;
        let (required_pod_affinity, preferred_pod_affinity) = pod_terms(affinity.pod_affinity.0);
        let (required_pod_anti_affinity, preferred_pod_anti_affinity) =
            pod_terms(affinity.pod_anti_affinity.0);
        let node_affinity = affinity.node_affinity.0;
        let mut resource_claims = names(raw.resource_claims);
        for c in raw.containers.0.iter().chain(&raw.init_containers.0) {
            resource_claims.extend(c.resources.0.claims.0.iter().map(|n| n.name.0.clone()));
        }
        resource_claims.sort();
        resource_claims.dedup();
        let containers = |list: N<Vec<RawContainer>>| -> Vec<Container> {
            list.0
                .into_iter()
                .map(|c| container(c, host_network))
                .collect()
        };
        Self {
            node_name: raw.node_name.some().map(NodeName::new),
            node_selector: raw.node_selector.0,
            required_node_affinity: node_affinity.required.map(RawNodeSelector::terms),
            preferred_node_affinity: node_affinity
                .preferred
                .0
                .into_iter()
                .map(|p| PreferredNodeTerm {
                    weight: p.weight.0,
                    term: p.preference.0.into(),
                })
                .collect(),
            required_pod_affinity,
            preferred_pod_affinity,
            required_pod_anti_affinity,
            preferred_pod_anti_affinity,
            topology_spread: raw
                .topology_spread_constraints
                .0
                .into_iter()
                .map(Into::into)
                .collect(),
            tolerations: raw.tolerations.0.into_iter().map(Into::into).collect(),
            containers: containers(raw.containers),
            init_containers: containers(raw.init_containers),
            resources: raw.resources.map(Into::into),
            overhead: raw.overhead.map(|a| a.list),
            devices: None,
            volumes: raw.volumes.0.into_iter().map(|v| v.0).collect(),
            host_network,
            priority: raw.priority,
            priority_class: raw.priority_class_name.some(),
            runtime_class: raw.runtime_class_name.some(),
            termination_grace_seconds: raw.termination_grace_period_seconds,
            scheduler_name: raw
                .scheduler_name
                .some()
                .filter(|name| name != "default-scheduler"),
            scheduling_gates: names(raw.scheduling_gates),
            resource_claims,
            os: raw.os.0.name.some(),
            restart_policy: raw.restart_policy.some(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPodStatus {
    phase: Text,
    reason: Text,
    message: Text,
    start_time: Option<Time>,
    conditions: N<Vec<RawCondition>>,
    nominated_node_name: Text,
    qos_class: Text,
    resize: Text,
    resources: Option<RawResources>,
    allocated_resources: Option<Amounts>,
    #[serde(rename = "podIP")]
    pod_ip: Text,
    container_statuses: N<Vec<RawContainerStatus>>,
    init_container_statuses: N<Vec<RawContainerStatus>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCondition {
    #[serde(rename = "type")]
    kind: Text,
    status: Text,
    reason: Text,
    message: Text,
    last_transition_time: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawContainerStatus {
    name: Text,
    #[serde(rename = "containerID")]
    container_id: Text,
    ready: N<bool>,
    restart_count: N<u32>,
    state: N<RawState>,
    last_state: N<RawState>,
    resources: Option<RawResources>,
    allocated_resources: Option<Amounts>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawState {
    running: Option<RawRunning>,
    waiting: Option<RawWaiting>,
    terminated: Option<RawTerminated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawRunning {
    started_at: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawWaiting {
    reason: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawTerminated {
    reason: Text,
    exit_code: N<i32>,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    #[serde(rename = "containerID")]
    container_id: Text,
}

impl From<RawTerminated> for Termination {
    fn from(raw: RawTerminated) -> Self {
        Self {
            reason: raw.reason.0,
            exit_code: raw.exit_code.0,
            started_at: at(raw.started_at),
            finished_at: at(raw.finished_at),
            container_id: raw.container_id.some(),
        }
    }
}

impl From<RawContainerStatus> for ContainerStatus {
    fn from(raw: RawContainerStatus) -> Self {
        let state = raw.state.0;
        Self {
            name: raw.name.0,
            container_id: raw.container_id.some(),
            ready: raw.ready.0,
            restart_count: raw.restart_count.0,
            running_since: state.running.and_then(|r| at(r.started_at)),
            waiting: state.waiting.map(|w| w.reason.0),
            terminated: state.terminated.map(Into::into),
            last_terminated: raw.last_state.0.terminated.map(Into::into),
            resources: raw.resources.map(Into::into),
            allocated: raw.allocated_resources.map(|a| a.list),
        }
    }
}

impl From<RawPodStatus> for PodStatus {
    fn from(raw: RawPodStatus) -> Self {
        let mut status = Self {
            phase: match raw.phase.0.as_str() {
                "Pending" => PodPhase::Pending,
                "Running" => PodPhase::Running,
                "Succeeded" => PodPhase::Succeeded,
                "Failed" => PodPhase::Failed,
                _ => PodPhase::Unknown,
            },
            reason: raw.reason.some(),
            message: raw.message.some().map(|m| redact(&m)),
            started_at: at(raw.start_time),
            nominated_node: raw.nominated_node_name.some().map(NodeName::new),
            qos_class: raw.qos_class.some(),
            // Before 1.33 the field, since then a condition.
            resize_pending: raw
                .resize
                .some()
                .filter(|r| r == "Deferred" || r == "Infeasible"),
            resources: raw.resources.map(Into::into),
            allocated: raw.allocated_resources.map(|a| a.list),
            ip: raw.pod_ip.some(),
            containers: raw
                .container_statuses
                .0
                .into_iter()
                .map(Into::into)
                .collect(),
            init_containers: raw
                .init_container_statuses
                .0
                .into_iter()
                .map(Into::into)
                .collect(),
            ..Self::default()
        };
        for condition in raw.conditions.0 {
            let value = match condition.status.0.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            };
            match condition.kind.0.as_str() {
                "Ready" => {
                    status.ready = value;
                    status.ready_since = at(condition.last_transition_time);
                }
                "PodScheduled" if value == Some(false) => {
                    status.unschedulable = Some(redact(&condition.message.0));
                }
                "PodResizePending" if value == Some(true) => {
                    status.resize_pending = condition.reason.some();
                }
                _ => {}
            }
        }
        status
    }
}
