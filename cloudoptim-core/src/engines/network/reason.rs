//! Reasons.

use super::simulate::RoutingMode;
use crate::catalog::Basis;
use crate::model::{
    MicroUsd, MicroUsdPerMonth, NamespacedName, NodeName, WorkloadRef, ZoneId, ZoneName,
};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How it is known which side of a pair opens the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientBasis {
    /// The source of the traffic says so.
    Observed,
    /// Only the other side is behind a service.
    OnlyService,
    /// It is nearer to where traffic enters the cluster. An inference: a
    /// monitor that calls everything would be taken for a server.
    NearerToEntry,
}

/// Why the engine decided as it did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A part of the snapshot is missing or may have holes.
    PartMissing {
        /// Which part.
        part: String,
        /// What it is instead of complete.
        state: String,
    },
    /// The namespace is protected.
    ProtectedNamespace {
        /// Namespace.
        namespace: String,
    },
    /// An annotation keeps the engine off.
    OptedOut {
        /// Annotation.
        annotation: String,
        /// Its value.
        value: String,
    },
    /// The service has no selector: others make its endpoints.
    NoSelector,
    /// The service is headless: its clients see the pods.
    Headless,
    /// The service is a name for something outside.
    ExternalName,
    /// The service pins a client to an endpoint.
    SessionAffinity {
        /// Such as `ClientIP`.
        affinity: String,
    },
    /// `internalTrafficPolicy: Local` comes first.
    InternalLocal,
    /// `trafficDistribution` is set.
    AlreadyRouted {
        /// Its value.
        value: String,
    },
    /// Topology-aware routing is asked for by an annotation, which wins over
    /// the field.
    TopologyModeSet {
        /// Annotation.
        annotation: String,
        /// Its value.
        value: String,
    },
    /// The service takes traffic from outside the cluster, which the traffic
    /// data do not show.
    TakesExternalTraffic {
        /// Type of the service.
        kind: String,
        /// Class of the load balancer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<String>,
    },
    /// No endpoint is ready.
    NoReadyEndpoints,
    /// A zone with endpoints has too few of them.
    TooFewEndpoints {
        /// Zone.
        zone: ZoneId,
        /// Ready endpoints in it.
        endpoints: u32,
        /// The least.
        min: u32,
    },
    /// The service is in too few zones.
    TooFewZones {
        /// Zones with ready endpoints.
        zones: u32,
        /// The least.
        min: u32,
    },
    /// A stateful set stands behind the service: its clients want a certain
    /// replica.
    StatefulBackend {
        /// Workload.
        workload: WorkloadRef,
    },
    /// Clients of this software hold their connections or choose the replica
    /// themselves.
    OwnRouting {
        /// Workload.
        workload: WorkloadRef,
        /// Image that gives it away.
        image: String,
    },
    /// The endpoints belong to no Deployment, ReplicaSet or DaemonSet.
    UnknownBackend {
        /// Workload or pod.
        workload: WorkloadRef,
    },
    /// The zone of ready endpoints is not known.
    EndpointZoneUnknown {
        /// How many endpoints.
        endpoints: u32,
        /// The zone's name, where it has one that has no id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<ZoneName>,
    },
    /// A node without a zone label makes kube-proxy ignore hints.
    NodeWithoutZone {
        /// First such node.
        node: NodeName,
        /// How many.
        nodes: u32,
    },
    /// The version of a node's kubelet cannot be read.
    VersionUnknown {
        /// First such node; none when there are no nodes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeName>,
    },
    /// `trafficDistribution` works from Kubernetes 1.31 on.
    VersionTooOld {
        /// Oldest node's minor version: 30 for 1.30.
        minor: u32,
    },
    /// A mesh routes for the pods.
    MeshSidecar {
        /// Workload.
        workload: NamespacedName,
        /// Container.
        container: String,
    },
    /// Cilium runs: whether it routes services in place of kube-proxy, and
    /// whether it heeds the field, are settings of its own that are not seen.
    CiliumRoutes {
        /// Its agent.
        agent: WorkloadRef,
    },
    /// Every node of the zone is cordoned or not ready, as after a zonal shift
    /// or in an outage: what is measured now is not the rule.
    ZoneOutOfService {
        /// Zone.
        zone: ZoneId,
    },
    /// A workload on either side of the traffic has the addresses of its nodes,
    /// so its traffic cannot be told from other traffic of the nodes.
    HostNetwork {
        /// Workload.
        workload: NamespacedName,
    },
    /// A rollout is under way: the endpoints are about to change.
    RolloutInProgress {
        /// Workload.
        workload: WorkloadRef,
    },
    /// An autoscaler steers the replicas, and at its least the zones would
    /// have too few endpoints.
    AutoscaledTooLow {
        /// Fewest replicas.
        min_replicas: u32,
        /// Needed for the zones of today.
        needed: u32,
    },
    /// An autoscaler steers the replicas by their mean, so the bound is tighter.
    Autoscaled {
        /// Name of the autoscaler.
        autoscaler: String,
        /// Bound in percent.
        max_overload_percent: u32,
    },
    /// More than one service leads to the same pods, and the traffic does not
    /// say which one was used.
    SeveralServices {
        /// The others.
        services: Vec<String>,
    },
    /// No traffic to the service was seen.
    NoTraffic,
    /// Nobody lists the price of traffic between zones.
    PriceUnknown {
        /// Region, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
    },
    /// Part of the traffic has no zone, so the load cannot be foreseen.
    TrafficZoneUnknown {
        /// Bytes a day without a zone.
        bytes_per_day: u64,
    },
    /// The busiest endpoint would get too much.
    Overload {
        /// Under which mode.
        mode: RoutingMode,
        /// Zone of that endpoint.
        zone: ZoneId,
        /// Above the mean, in thousandths.
        overload_milli: u64,
        /// The most, in percent.
        max_percent: u32,
    },
    /// Topology mode Auto would give no hints: too few endpoints for the
    /// zones' shares of CPU.
    HintsWithheld {
        /// Ready endpoints.
        endpoints: u32,
        /// Zones with nodes.
        zones: u32,
    },
    /// The change saves too little.
    BelowMinimum {
        /// It would save.
        saves_per_month: MicroUsdPerMonth,
        /// The least.
        min_per_month: MicroUsdPerMonth,
    },
    /// What the change is predicted to do.
    Predicted {
        /// Under which mode.
        mode: RoutingMode,
        /// Bytes a day to and from the service.
        bytes_per_day: u64,
        /// Bytes a day that cross zones now.
        cross_zone_before: u64,
        /// Bytes a day that cross zones after.
        cross_zone_after: u64,
        /// Cost of it now.
        cost_before: MicroUsdPerMonth,
        /// Cost of it after.
        cost_after: MicroUsdPerMonth,
        /// The busiest endpoint after, above the mean, in thousandths.
        worst_overload_milli: u64,
        /// Ready endpoints by zone.
        endpoints: BTreeMap<ZoneId, u32>,
    },
    /// The price of a GB (10^9 bytes) between zones, both sides together.
    Priced {
        /// Price.
        per_gb: MicroUsd,
        /// Day for which it held.
        as_of: NaiveDate,
        /// How it is known.
        basis: Basis,
    },
    /// Which side of the pair opens the connections, and how that is known.
    Client {
        /// Client.
        client: NamespacedName,
        /// How it is known.
        basis: ClientBasis,
    },
    /// Which side opens the connections is not known, so nothing is counted
    /// for it; its load is.
    DirectionUnknown {
        /// One side.
        one: NamespacedName,
        /// The other.
        other: NamespacedName,
        /// Bytes a day across zones.
        cross_zone_bytes: u64,
    },
    /// The same edge was given more than once, as when both ends report it:
    /// the largest counts.
    ReportedTwice {
        /// Edges left out.
        edges: u32,
    },
    /// What a pair's traffic across zones comes to.
    PairTraffic {
        /// Bytes a day in both directions.
        bytes_per_day: u64,
        /// Of these across zones.
        cross_zone_bytes: u64,
        /// Cost, where the price is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_per_month: Option<MicroUsdPerMonth>,
    },
    /// The pair's traffic goes through a service that is routed by zone, by
    /// this run or before it.
    RoutedBy {
        /// Service.
        service: NamespacedName,
    },
    /// No routing field steers the pair: it goes through no service with an
    /// address of its own.
    NotThroughService,
    /// The workload runs in more than one zone, and a preference would empty
    /// the others.
    WouldLeaveZones {
        /// Workload.
        workload: NamespacedName,
        /// Zones that it runs in.
        zones: u32,
    },
    /// The workload cannot be moved.
    Pinned {
        /// Workload.
        workload: NamespacedName,
        /// By what.
        by: String,
    },
    /// The workload is better off in another zone.
    ZoneMove {
        /// Workload.
        workload: NamespacedName,
        /// Zone that it runs in.
        from: ZoneId,
        /// Zone where most of its traffic is.
        to: ZoneId,
        /// Its bytes a day across zones before, over all its pairs.
        cross_zone_before: u64,
        /// And after.
        cross_zone_after: u64,
        /// The change of the template restarts its replicas.
        restarts: u32,
    },
    /// The pair's workload is moved by the decision about another pair.
    MovesWith {
        /// Workload that moves.
        workload: NamespacedName,
        /// Zone that it moves to.
        to: ZoneId,
    },
    /// The pair's traffic stays in its zones.
    NoCrossZone,
    /// No zone is better for either side.
    NoBetterZone,
}

impl Reason {
    /// Every code, sorted.
    pub const CODES: &[&str] = &[
        "already_routed",
        "autoscaled",
        "autoscaled_too_low",
        "below_minimum",
        "cilium_routes",
        "client",
        "direction_unknown",
        "endpoint_zone_unknown",
        "external_name",
        "headless",
        "hints_withheld",
        "host_network",
        "internal_local",
        "mesh_sidecar",
        "moves_with",
        "no_better_zone",
        "no_cross_zone",
        "no_ready_endpoints",
        "no_selector",
        "no_traffic",
        "node_without_zone",
        "not_through_service",
        "opted_out",
        "overload",
        "own_routing",
        "pair_traffic",
        "part_missing",
        "pinned",
        "predicted",
        "price_unknown",
        "priced",
        "protected_namespace",
        "reported_twice",
        "rollout_in_progress",
        "routed_by",
        "session_affinity",
        "several_services",
        "stateful_backend",
        "takes_external_traffic",
        "too_few_endpoints",
        "too_few_zones",
        "topology_mode_set",
        "traffic_zone_unknown",
        "unknown_backend",
        "version_too_old",
        "version_unknown",
        "would_leave_zones",
        "zone_move",
        "zone_out_of_service",
    ];
}

/// Thousandths as percent: `22.3 %`.
fn percent(milli: u64) -> String {
    format!("{}.{} %", milli / 10, milli % 10)
}

/// Bytes a day in GB of 10^9 bytes.
fn gb(bytes: u64) -> String {
    format!(
        "{}.{:02} GB",
        bytes / 1_000_000_000,
        bytes / 10_000_000 % 100
    )
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::ProtectedNamespace { namespace } => {
                write!(f, "namespace {namespace} is protected")
            }
            Self::OptedOut { annotation, value } => {
                write!(f, "annotation {annotation}={value} keeps it as it is")
            }
            Self::CiliumRoutes { agent } => write!(
                f,
                "{agent} may route in place of kube-proxy, by settings that are not seen"
            ),
            Self::ZoneOutOfService { zone } => write!(
                f,
                "every node of {zone} is cordoned or not ready, so this is no usual traffic"
            ),
            Self::HostNetwork { workload } => write!(
                f,
                "{workload} has the addresses of its nodes, so its traffic cannot be told apart"
            ),
            Self::NoSelector => {
                f.write_str("the service has no selector: others make its endpoints")
            }
            Self::Headless => f.write_str("the service is headless: its clients choose the pod"),
            Self::ExternalName => f.write_str("the service is a name for something outside"),
            Self::SessionAffinity { affinity } => {
                write!(
                    f,
                    "session affinity {affinity} pins a client to an endpoint"
                )
            }
            Self::InternalLocal => f.write_str("internalTrafficPolicy Local comes first"),
            Self::AlreadyRouted { value } => write!(f, "trafficDistribution is {value} already"),
            Self::TopologyModeSet { annotation, value } => {
                write!(
                    f,
                    "annotation {annotation}={value} wins over trafficDistribution"
                )
            }
            Self::TakesExternalTraffic { kind, class } => {
                write!(f, "a {kind} service")?;
                if let Some(class) = class {
                    write!(f, " of class {class}")?;
                }
                f.write_str(" takes traffic from outside, which is not in the data")
            }
            Self::NoReadyEndpoints => f.write_str("no endpoint is ready"),
            Self::TooFewEndpoints {
                zone,
                endpoints,
                min,
            } => write!(
                f,
                "zone {zone} has {endpoints} ready endpoints, fewer than {min}"
            ),
            Self::TooFewZones { zones, min } => {
                write!(f, "ready endpoints are in {zones} zones, fewer than {min}")
            }
            Self::StatefulBackend { workload } => {
                write!(f, "behind it is {workload}, whose replicas differ")
            }
            Self::OwnRouting { workload, image } => {
                write!(
                    f,
                    "clients of {workload} ({image}) choose the replica themselves"
                )
            }
            Self::UnknownBackend { workload } => {
                write!(f, "behind it is {workload}, of a kind that is not known")
            }
            Self::EndpointZoneUnknown { endpoints, zone } => match zone {
                Some(zone) => write!(
                    f,
                    "{endpoints} endpoints are in {zone}, which has no zone id"
                ),
                None => write!(f, "the zone of {endpoints} endpoints is not known"),
            },
            Self::NodeWithoutZone { node, nodes } => write!(
                f,
                "{nodes} nodes have no zone label ({node}), so zone hints are ignored"
            ),
            Self::VersionUnknown { node } => match node {
                Some(node) => write!(f, "the kubelet version of {node} cannot be read"),
                None => f.write_str("no node states its kubelet version"),
            },
            Self::VersionTooOld { minor } => write!(
                f,
                "the oldest node runs Kubernetes 1.{minor}; trafficDistribution needs 1.31"
            ),
            Self::MeshSidecar {
                workload,
                container,
            } => write!(f, "{container} routes for {workload}, past the service"),
            Self::RolloutInProgress { workload } => {
                write!(f, "{workload} is being rolled out: its endpoints change")
            }
            Self::AutoscaledTooLow {
                min_replicas,
                needed,
            } => write!(
                f,
                "an autoscaler may go down to {min_replicas} replicas, {needed} are needed for the zones"
            ),
            Self::Autoscaled {
                autoscaler,
                max_overload_percent,
            } => write!(
                f,
                "autoscaler {autoscaler} sees the mean only, so at most {max_overload_percent} % overload is allowed"
            ),
            Self::SeveralServices { services } => write!(
                f,
                "the same pods are behind {} too, and the traffic does not say which was used",
                services.join(", ")
            ),
            Self::NoTraffic => f.write_str("no traffic to the service was seen"),
            Self::PriceUnknown { region } => write!(
                f,
                "the price of traffic between zones of {} is not known",
                region.as_deref().unwrap_or("an unknown region")
            ),
            Self::TrafficZoneUnknown { bytes_per_day } => {
                write!(f, "{} a day have no zone", gb(*bytes_per_day))
            }
            Self::HintsWithheld { endpoints, zones } => write!(
                f,
                "topology mode Auto would give no hints for {endpoints} endpoints in {zones} zones"
            ),
            Self::Overload {
                mode,
                zone,
                overload_milli,
                max_percent,
            } => write!(
                f,
                "with {mode} an endpoint for {zone} would get {} more than the mean, the most is {max_percent} %",
                percent(*overload_milli)
            ),
            Self::BelowMinimum {
                saves_per_month,
                min_per_month,
            } => write!(
                f,
                "it would save {saves_per_month}, less than {min_per_month}"
            ),
            Self::Predicted {
                mode,
                bytes_per_day,
                cross_zone_before,
                cross_zone_after,
                cost_before,
                cost_after,
                worst_overload_milli,
                ..
            } => write!(
                f,
                "with {mode}, of {} a day {} cross zones now and {} after, {cost_before} and {cost_after}; the busiest endpoint gets {} more than the mean",
                gb(*bytes_per_day),
                gb(*cross_zone_before),
                gb(*cross_zone_after),
                percent(*worst_overload_milli)
            ),
            Self::Priced {
                per_gb,
                as_of,
                basis,
            } => write!(
                f,
                "a GB between zones costs {per_gb} in all ({basis}, {as_of})"
            ),
            Self::Client { client, basis } => match basis {
                ClientBasis::Observed => write!(f, "{client} was seen to open the connections"),
                ClientBasis::OnlyService => {
                    write!(
                        f,
                        "{client} is the client: only the other side is behind a service"
                    )
                }
                ClientBasis::NearerToEntry => write!(
                    f,
                    "{client} is taken for the client: it is nearer to where traffic enters"
                ),
            },
            Self::DirectionUnknown {
                one,
                other,
                cross_zone_bytes,
            } => write!(
                f,
                "who of {one} and {other} calls is not known, so {} a day across zones are not counted",
                gb(*cross_zone_bytes)
            ),
            Self::ReportedTwice { edges } => write!(
                f,
                "{edges} edges were given more than once; the largest figure counts"
            ),
            Self::PairTraffic {
                bytes_per_day,
                cross_zone_bytes,
                cost_per_month,
            } => {
                write!(
                    f,
                    "{} of {} a day cross zones",
                    gb(*cross_zone_bytes),
                    gb(*bytes_per_day)
                )?;
                match cost_per_month {
                    Some(cost) => write!(f, " and cost {cost}"),
                    None => Ok(()),
                }
            }
            Self::RoutedBy { service } => write!(f, "service {service} steers it by zone"),
            Self::NotThroughService => {
                f.write_str("the traffic goes through no service with an address of its own")
            }
            Self::WouldLeaveZones { workload, zones } => write!(
                f,
                "{workload} runs in {zones} zones, and a preference would empty all but one"
            ),
            Self::Pinned { workload, by } => write!(f, "{workload} cannot move: {by}"),
            Self::ZoneMove {
                workload,
                from,
                to,
                cross_zone_before,
                cross_zone_after,
                restarts,
            } => write!(
                f,
                "moving {workload} from {from} to {to} takes its traffic across zones from {} to {} a day and restarts {restarts} replicas",
                gb(*cross_zone_before),
                gb(*cross_zone_after)
            ),
            Self::MovesWith { workload, to } => {
                write!(
                    f,
                    "{workload} moves to {to} by the decision about another pair"
                )
            }
            Self::NoCrossZone => f.write_str("the traffic stays in its zones"),
            Self::NoBetterZone => f.write_str("no zone is better for either side"),
        }
    }
}
