//! Kubernetes objects as the API prints them: the fields that we read.
//!
//! Every field is optional and unknown ones are skipped; lists may be `null`,
//! as Go prints an empty one.

use super::super::wire::QuantityMap;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) type Map = BTreeMap<String, String>;

macro_rules! wire {
    ($($name:ident { $($(#[$meta:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            #[derive(Debug, Clone, Default, Deserialize)]
            #[serde(default, rename_all = "camelCase")]
            pub(super) struct $name { $($(#[$meta])* pub(super) $field: Option<$type>),* }
        )*
    };
}

/// A number, or a text such as `10%`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum IntOrText {
    Int(i64),
    Text(String),
}

wire! {
    Meta {
        name: String, namespace: String, uid: String, labels: Map, annotations: Map,
        owner_references: Vec<Owner>, creation_timestamp: DateTime<Utc>,
        deletion_timestamp: DateTime<Utc>, generation: i64, resource_version: String,
        managed_fields: Vec<ManagedField>,
    }
    ManagedField { manager: String }
    Owner { api_version: String, kind: String, name: String, uid: String, controller: bool }
    Selector { match_labels: Map, match_expressions: Vec<Expression> }
    Expression { key: String, operator: String, values: Vec<String> }
    Bare { metadata: Meta }

    PodObject { metadata: Meta, spec: Spec, status: PodStatus }
    Template { metadata: Meta, spec: Spec }
    Spec {
        node_name: String, node_selector: Map, affinity: Affinity, tolerations: Vec<Toleration>,
        topology_spread_constraints: Vec<Spread>, containers: Vec<Container>,
        init_containers: Vec<Container>, resources: Resources, overhead: QuantityMap,
        volumes: Vec<PodVolume>, host_network: bool, priority: i32, priority_class_name: String,
        runtime_class_name: String, termination_grace_period_seconds: i64, scheduler_name: String,
        scheduling_gates: Vec<Named>, resource_claims: Vec<Named>, os: Named,
        restart_policy: String,
    }
    Named { name: String }
    Resources { requests: QuantityMap, limits: QuantityMap, claims: Vec<Named> }
    Container {
        name: String, image: String, resources: Resources, restart_policy: String,
        ports: Vec<Port>, env: Vec<EnvVar>, command: Vec<String>, args: Vec<String>,
        resize_policy: Vec<Resize>,
    }
    Port { host_port: u16, #[serde(rename = "hostIP")] host_ip: String, protocol: String,
        container_port: u16 }
    EnvVar { name: String, value: String }
    Resize { resource_name: String, restart_policy: String }
    Affinity { node_affinity: NodeAffinity, pod_affinity: PodAffinity,
        pod_anti_affinity: PodAffinity }
    NodeAffinity {
        required_during_scheduling_ignored_during_execution: NodeSelector,
        preferred_during_scheduling_ignored_during_execution: Vec<PreferredNode>,
    }
    NodeSelector { node_selector_terms: Vec<NodeTerm> }
    NodeTerm { match_expressions: Vec<Expression>, match_fields: Vec<Expression> }
    PreferredNode { weight: i32, preference: NodeTerm }
    PodAffinity {
        required_during_scheduling_ignored_during_execution: Vec<PodTerm>,
        preferred_during_scheduling_ignored_during_execution: Vec<PreferredPod>,
    }
    PodTerm {
        label_selector: Selector, topology_key: String, namespaces: Vec<String>,
        namespace_selector: Selector, match_label_keys: Vec<String>,
        mismatch_label_keys: Vec<String>,
    }
    PreferredPod { weight: i32, pod_affinity_term: PodTerm }
    Toleration { key: String, operator: String, value: String, effect: String,
        toleration_seconds: i64 }
    Spread {
        max_skew: u32, topology_key: String, when_unsatisfiable: String, label_selector: Selector,
        min_domains: u32, node_affinity_policy: String, node_taints_policy: String,
        match_label_keys: Vec<String>,
    }
    PodStatus {
        phase: String, reason: String, message: String, start_time: DateTime<Utc>,
        conditions: Vec<Condition>, nominated_node_name: String, qos_class: String,
        container_statuses: Vec<ContainerStatus>, init_container_statuses: Vec<ContainerStatus>,
        resize: String, resources: Resources, allocated_resources: QuantityMap,
        #[serde(rename = "podIP")] pod_ip: String,
    }
    Condition {
        #[serde(rename = "type")] kind: String, status: String, reason: String, message: String,
        last_transition_time: DateTime<Utc>, last_heartbeat_time: DateTime<Utc>,
    }
    ContainerStatus {
        name: String, #[serde(rename = "containerID")] container_id: String, ready: bool,
        restart_count: u32, state: State, last_state: State, resources: Resources,
        allocated_resources: QuantityMap,
    }
    State { running: Running, waiting: Waiting, terminated: Terminated }
    Running { started_at: DateTime<Utc> }
    Waiting { reason: String }
    Terminated {
        reason: String, exit_code: i32, started_at: DateTime<Utc>, finished_at: DateTime<Utc>,
        #[serde(rename = "containerID")] container_id: String,
    }

    NodeObject { metadata: Meta, spec: NodeSpec, status: NodeStatus }
    NodeSpec { #[serde(rename = "providerID")] provider_id: String, unschedulable: bool,
        taints: Vec<Taint> }
    Taint { key: String, value: String, effect: String }
    NodeStatus { allocatable: QuantityMap, capacity: QuantityMap, conditions: Vec<Condition>,
        node_info: NodeInfo, addresses: Vec<Address> }
    NodeInfo { kubelet_version: String, operating_system: String }
    Address { #[serde(rename = "type")] kind: String, address: String }

    WorkloadObject { metadata: Meta, spec: WorkloadSpec, status: WorkloadStatus }
    WorkloadSpec {
        replicas: u32, selector: serde_json::Value, template: Template, paused: bool,
        suspend: bool, strategy: Strategy, update_strategy: Strategy,
        volume_claim_templates: Vec<ClaimObject>,
        persistent_volume_claim_retention_policy: Retention, parallelism: u32,
        schedule: String, time_zone: String, concurrency_policy: String,
        starting_deadline_seconds: i64, job_template: JobTemplate,
    }
    Strategy { #[serde(rename = "type")] kind: String }
    Retention { when_deleted: String, when_scaled: String }
    JobTemplate { spec: JobSpec }
    JobSpec { template: Template }
    WorkloadStatus {
        replicas: u32, ready_replicas: u32, updated_replicas: u32, observed_generation: i64,
        desired_number_scheduled: u32, current_number_scheduled: u32, number_ready: u32,
        updated_number_scheduled: u32, active: serde_json::Value,
        last_schedule_time: DateTime<Utc>, completion_time: DateTime<Utc>,
        conditions: Vec<Condition>,
    }

    HpaObject { metadata: Meta, spec: HpaSpec, status: HpaStatus }
    HpaSpec { scale_target_ref: Owner, min_replicas: u32, max_replicas: u32,
        metrics: Vec<Metric>, #[serde(rename = "targetCPUUtilizationPercentage")]
        target_cpu: u32 }
    HpaStatus { current_replicas: u32, desired_replicas: u32, current_metrics: Vec<Metric> }
    Metric {
        #[serde(rename = "type")] kind: String, resource: MetricResource,
        container_resource: MetricResource, pods: MetricPods, object: MetricPods,
        external: MetricPods,
    }
    MetricResource { name: String, target: MetricTarget, current: MetricTarget }
    MetricTarget { average_utilization: u32 }
    MetricPods { metric: Named }

    VpaObject { metadata: Meta, spec: VpaSpec, status: VpaStatus }
    VpaSpec { target_ref: Owner, update_policy: VpaPolicy }
    VpaPolicy { update_mode: String }
    VpaStatus { recommendation: VpaRecommendation }
    VpaRecommendation { container_recommendations: Vec<VpaContainer> }
    VpaContainer { container_name: String, target: QuantityMap }
    ScaledObjectWire { metadata: Meta, spec: ScaledSpec }
    ScaledSpec { scale_target_ref: Owner, min_replica_count: u32, max_replica_count: u32,
        triggers: Vec<Trigger> }
    Trigger { #[serde(rename = "type")] kind: String }

    PdbObject { metadata: Meta, spec: PdbSpec, status: PdbStatus }
    PdbSpec { selector: Selector, min_available: IntOrText, max_unavailable: IntOrText,
        unhealthy_pod_eviction_policy: String }
    PdbStatus {
        disruptions_allowed: i64, current_healthy: i64, desired_healthy: i64, expected_pods: i64,
        observed_generation: i64, disrupted_pods: BTreeMap<String, DateTime<Utc>>,
    }
    LimitRangeObject { metadata: Meta, spec: LimitRangeSpec }
    LimitRangeSpec { limits: Vec<LimitItem> }
    LimitItem {
        #[serde(rename = "type")] kind: String, min: QuantityMap, max: QuantityMap,
        default: QuantityMap, default_request: QuantityMap, max_limit_request_ratio: QuantityMap,
    }
    QuotaObject { metadata: Meta, spec: QuotaSpec, status: QuotaStatus }
    QuotaSpec { hard: QuantityMap, scopes: Vec<String> }
    QuotaStatus { hard: QuantityMap, used: QuantityMap }
    PriorityObject { metadata: Meta, value: i32, global_default: bool, preemption_policy: String }
    RuntimeObject { metadata: Meta, overhead: RuntimeOverhead, scheduling: RuntimeScheduling }
    RuntimeOverhead { pod_fixed: QuantityMap }
    RuntimeScheduling { node_selector: Map, tolerations: Vec<Toleration> }

    PvObject { metadata: Meta, spec: PvSpec, status: PvStatus }
    PvSpec {
        csi: Csi, aws_elastic_block_store: InTree, local: Present, host_path: Present,
        nfs: Present, capacity: QuantityMap, persistent_volume_reclaim_policy: String,
        storage_class_name: String, claim_ref: ClaimRef, node_affinity: PvAffinity,
        access_modes: Vec<String>,
    }
    Csi { driver: String, volume_handle: String }
    InTree { #[serde(rename = "volumeID")] volume_id: String }
    Present { path: String }
    ClaimRef { namespace: String, name: String, uid: String }
    PvAffinity { required: NodeSelector }
    PvStatus { phase: String, last_phase_transition_time: DateTime<Utc> }
    ClaimObject { metadata: Meta, spec: ClaimSpec, status: PvStatus }
    ClaimSpec { volume_name: String, storage_class_name: String, resources: Resources,
        data_source: Owner, access_modes: Vec<String> }
    ClassObject { metadata: Meta, provisioner: String, volume_binding_mode: String,
        reclaim_policy: String, allowed_topologies: Vec<TopologyTerm>, parameters: Map }
    TopologyTerm { match_label_expressions: Vec<Expression> }
    CsiNodeObject { metadata: Meta, spec: CsiNodeSpec }
    CsiNodeSpec { drivers: Vec<CsiDriver> }
    CsiDriver { name: String, allocatable: CsiCount }
    CsiCount { count: u32 }
    AttachmentObject { metadata: Meta, spec: AttachmentSpec, status: AttachmentStatus }
    AttachmentSpec { attacher: String, node_name: String, source: AttachmentSource }
    AttachmentSource { persistent_volume_name: String }
    AttachmentStatus { attached: bool }
    SnapshotObject { metadata: Meta, spec: SnapshotSpec, status: SnapshotStatus }
    SnapshotSpec { source: SnapshotSource }
    SnapshotSource { persistent_volume_claim_name: String }
    SnapshotStatus { ready_to_use: bool }

    ServiceObject { metadata: Meta, spec: ServiceSpec }
    ServiceSpec {
        #[serde(rename = "type")] kind: String, #[serde(rename = "clusterIP")] cluster_ip: String,
        selector: Map, traffic_distribution: String, internal_traffic_policy: String,
        external_traffic_policy: String, session_affinity: String, load_balancer_class: String,
    }
    SliceObject { metadata: Meta, endpoints: Vec<EndpointWire> }
    EndpointWire { target_ref: Owner, node_name: String, zone: String,
        conditions: EndpointConditions, hints: Hints }
    EndpointConditions { ready: bool }
    Hints { for_zones: Vec<Named> }

    LeaseObject { metadata: Meta, spec: LeaseSpec }
    LeaseSpec { holder_identity: String, renew_time: DateTime<Utc>, lease_duration_seconds: i64 }
    PoolObject { metadata: Meta, spec: PoolSpec }
    PoolSpec { template: PoolTemplate, limits: QuantityMap, disruption: Disruption, weight: i32 }
    PoolTemplate { metadata: Meta, spec: PoolNodeSpec }
    PoolNodeSpec { requirements: Vec<Expression>, taints: Vec<Taint>, startup_taints: Vec<Taint>,
        expire_after: String }
    Disruption { consolidation_policy: String, consolidate_after: String, budgets: Vec<Budget> }
    Budget { nodes: String, schedule: String, duration: String, reasons: Vec<String> }
    NodeClaimObject { metadata: Meta, spec: PoolNodeSpec, status: NodeClaimStatus }
    NodeClaimStatus { node_name: String, #[serde(rename = "providerID")] provider_id: String,
        conditions: Vec<Condition> }
    EventObject {
        metadata: Meta, reason: String, #[serde(rename = "type")] kind: String,
        involved_object: EventTarget, regarding: EventTarget, message: String, note: String,
        count: u32, deprecated_count: u32, first_timestamp: DateTime<Utc>,
        last_timestamp: DateTime<Utc>, event_time: DateTime<Utc>, series: EventSeries,
        reporting_component: String, source: EventSource,
    }
    EventTarget { kind: String, namespace: String, name: String, uid: String }
    EventSeries { count: u32, last_observed_time: DateTime<Utc> }
    EventSource { component: String }
}

/// A pod's volume: the name, and the field that says what it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodVolume {
    pub(super) name: String,
    pub(super) persistent_volume_claim: Option<ClaimSource>,
    pub(super) ephemeral: Option<serde::de::IgnoredAny>,
    pub(super) empty_dir: Option<EmptyDir>,
    pub(super) host_path: Option<serde::de::IgnoredAny>,
    pub(super) config_map: Option<serde::de::IgnoredAny>,
    pub(super) secret: Option<serde::de::IgnoredAny>,
    pub(super) projected: Option<serde::de::IgnoredAny>,
    #[serde(rename = "downwardAPI")]
    pub(super) downward_api: Option<serde::de::IgnoredAny>,
    pub(super) csi: Option<serde::de::IgnoredAny>,
    pub(super) nfs: Option<serde::de::IgnoredAny>,
    pub(super) aws_elastic_block_store: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ClaimSource {
    pub(super) claim_name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct EmptyDir {
    pub(super) medium: String,
}
