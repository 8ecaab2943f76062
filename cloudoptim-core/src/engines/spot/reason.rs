//! Reasons.

use super::risk::{Estimate, RiskFactors};
use crate::decision::Offering;
use crate::ledger::PoolEventKind;
use crate::model::{
    InstanceType, MicroUsd, MicroUsdPerHour, MicroUsdPerMonth, NodeName, WorkloadRef,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// No ledger of pool events was given: a pool may have been interrupted
    /// just now.
    PoolEventsUnknown,
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
    /// Too few replicas: an interruption would be an outage.
    TooFewReplicas {
        /// Wanted replicas.
        replicas: u32,
        /// The least.
        min: u32,
    },
    /// The number of wanted replicas is not known.
    ReplicasUnknown,
    /// A stateful set: its replicas differ and hold data.
    StatefulSet,
    /// It runs on every node, whatever that is.
    DaemonSet,
    /// A job, whose work an interruption throws away.
    BatchWork {
        /// `Job` or `CronJob`.
        kind: String,
    },
    /// A pod that nobody makes anew.
    BarePod,
    /// A kind of workload that is not known.
    UnknownController {
        /// Kind.
        kind: String,
    },
    /// Another object owns the workload and would undo a change.
    OperatorOwned {
        /// Owner.
        owner: WorkloadRef,
    },
    /// There is no template to judge.
    NoTemplate,
    /// A claim ties the pods to a volume.
    HoldsVolume {
        /// Volume of the pod.
        volume: String,
    },
    /// The pods use a path of their node.
    HostPath {
        /// Volume of the pod.
        volume: String,
    },
    /// The pods need longer to end than a notice gives.
    GraceTooLong {
        /// Their grace period in seconds.
        seconds: i64,
        /// The most.
        max: u32,
    },
    /// No disruption budget guards the pods.
    NoBudget,
    /// More than one disruption budget matches: evictions are refused.
    SeveralBudgets {
        /// How many.
        budgets: u32,
    },
    /// The status of the disruption budget is not that of its newest form.
    BudgetUnknown {
        /// Budget.
        budget: String,
    },
    /// The disruption budget lets no pod go.
    BudgetAllowsNone {
        /// Budget.
        budget: String,
    },
    /// An annotation forbids disruption.
    DoNotDisrupt {
        /// Annotation.
        annotation: String,
    },
    /// The cluster or the business depends on it by priority.
    CriticalPriority {
        /// Priority class.
        class: String,
    },
    /// The pods use GPUs or other devices.
    Accelerator {
        /// Resource.
        resource: String,
    },
    /// The pods run on Windows, whose prices are not used here.
    Windows,
    /// A rollout is under way.
    RolloutInProgress,
    /// The containers ask for nothing, so their part of a node is not known.
    NoRequests,
    /// The capacity type of nodes under its pods is not known.
    CapacityTypeUnknown {
        /// Pods.
        pods: u32,
    },
    /// Its rules allow on-demand nodes only.
    RequiresOnDemand,
    /// No pool may launch spot: no node pool or node group allows it.
    NobodyLaunchesSpot,
    /// No pool both allows the workload and is cheap enough.
    NoPool {
        /// Pools considered.
        considered: u32,
        /// Of these, its rules or its size forbid.
        forbidden: u32,
        /// Of the rest, rejected themselves (price, state, kind).
        rejected: u32,
        /// Of the rest, not cheaper than on demand by enough.
        too_dear: u32,
    },
    /// No on-demand offering could take the replicas when spot is gone.
    NoFallback,
    /// A commitment pays for its on-demand nodes: leaving them saves nothing.
    CoveredByCommitment {
        /// Commitment.
        commitment: String,
        /// What may still leave before it goes idle.
        headroom: MicroUsdPerHour,
    },
    /// The quota of spot vCPUs has no room.
    QuotaFull {
        /// Quota.
        quota: String,
        /// Free thousandths of a vCPU.
        free_milli_vcpu: u64,
    },
    /// The quota of spot vCPUs is not known: a launch may be refused, and goes
    /// on demand then.
    QuotaUnknown,
    /// Its budget or its base leaves no replica for spot.
    NoRoom {
        /// Wanted replicas.
        replicas: u32,
        /// Replicas that must stay.
        minimum: u32,
        /// Replicas that stay on demand.
        on_demand_base: u32,
    },
    /// As many replicas as allowed are on spot.
    AlreadyPlaced {
        /// Replicas on spot.
        on_spot: u32,
    },
    /// More replicas are on spot than the caps would allow.
    AboveShare {
        /// Replicas on spot.
        on_spot: u32,
        /// Allowed.
        allowed: u32,
    },
    /// A change would save too little.
    BelowMinimum {
        /// It could save.
        could_save: MicroUsdPerMonth,
        /// The least.
        min_per_month: MicroUsdPerMonth,
    },
    /// It can run on spot: what must stay, whatever single pool is lost.
    Suitable {
        /// Wanted replicas.
        replicas: u32,
        /// Replicas that must stay: by its budget, else a majority.
        minimum: u32,
        /// Replicas that stay on demand.
        on_demand_base: u32,
        /// Most replicas in one instance type, over all zones.
        per_type: u32,
    },
    /// What a replica costs by its part of a node.
    ReplicaPrice {
        /// On spot, risk-adjusted, the mean of the chosen pools.
        spot: MicroUsdPerHour,
        /// On the fallback.
        on_demand: MicroUsdPerHour,
    },
    /// Where replicas go when the pools are dearer, unknown or unsuitable.
    Fallback {
        /// Offering.
        offering: Offering,
        /// Its price.
        price: MicroUsdPerHour,
    },
    /// When replicas that fell back return to spot.
    ReturnWhen {
        /// Hours without an event of the pool.
        quiet_hours: u32,
        /// The replica's risk-adjusted price is at most this.
        replica_price_at_most: MicroUsdPerHour,
    },
    /// Spot under its pods is known to be no cheaper than on demand.
    ReturnToOnDemand {
        /// Replicas on such pools.
        replicas: u32,
    },
    /// Moving pods saves only when nodes go: the joint run counts those.
    RoomIsNoMoney,
    /// Replicas run on an instance that is about to be taken back.
    UnderNotice {
        /// Pool.
        pool: Offering,
        /// Replicas in the pool.
        replicas: u32,
    },
    /// What an hour of the pool is expected to cost, term by term.
    PoolPriced {
        /// Spot price.
        price: MicroUsdPerHour,
        /// On-demand price of the type.
        on_demand: MicroUsdPerHour,
        /// Interruptions an hour, in millionths.
        hazard_ppm: Estimate,
        /// What one interruption costs: drain, boot, churn.
        interruption_cost: MicroUsd,
        /// Hazard × cost.
        expected_interruptions: MicroUsdPerHour,
        /// On-demand price × the share of time without the node.
        unavailability: MicroUsdPerHour,
        /// The sum of price and terms.
        risk_adjusted: MicroUsdPerHour,
        /// Chance of an interruption in 1 h, in thousandths, rounded up; not
        /// calibrated. `None` where nobody wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        risk_1h_milli: Option<u32>,
        /// Chance of an interruption in 24 h, in thousandths, rounded up; not
        /// calibrated.
        risk_24h_milli: u32,
        /// What the hazard is made of, where the model says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        factors: Option<Box<RiskFactors>>,
        /// When the spot price held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price_as_of: Option<DateTime<Utc>>,
        /// When the oldest of the advisor's bands used held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        band_as_of: Option<DateTime<Utc>>,
        /// Who may launch it.
        launchers: Vec<String>,
    },
    /// A spot price in use is older than a setting, or of unknown age: it may
    /// have changed, so a newer one is asked for.
    PriceStale {
        /// When it held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of: Option<DateTime<Utc>>,
        /// The most, in hours.
        max_age_hours: u32,
    },
    /// What goes at once at worst: the replicas in one instance type.
    Concentration {
        /// Type with the most replicas.
        instance_type: InstanceType,
        /// Replicas in it, over all its zones.
        replicas: u32,
        /// Of all wanted replicas, in thousandths.
        share_milli: u32,
    },
    /// Its replicas run on hosts of their own, whose price spot does not beat
    /// like with like.
    DedicatedTenancy {
        /// First such node.
        node: NodeName,
        /// `dedicated` or `host`.
        tenancy: String,
    },
    /// Nobody says whether its replicas run on hosts of their own: the instance
    /// of a node is not among those that were read, or its tenancy is not stated.
    TenancyUnknown {
        /// First such node.
        node: NodeName,
    },
    /// Its replicas run on instances billed with a licence, whose spot prices
    /// are not used here.
    LicensedPlatform {
        /// First such node.
        node: NodeName,
        /// Platform.
        platform: String,
    },
    /// Its replicas run on spot instances that come back by themselves, or that
    /// an interruption does not terminate.
    LastingSpotRequest {
        /// First such node.
        node: NodeName,
        /// Request.
        request: String,
        /// It launches again when its instance is terminated.
        persistent: bool,
        /// What an interruption does.
        behaviour: String,
    },
    /// Its pods ask for nodes with local disks, whose data go with the node.
    NeedsLocalDisk {
        /// Label that asks for it.
        label: String,
    },
    /// Nobody lists a price for the pool.
    PriceUnknown,
    /// Nobody lists the on-demand price of its type.
    OnDemandPriceUnknown,
    /// Spot is not cheap enough against on demand.
    NotCheaper {
        /// Spot price.
        price: MicroUsdPerHour,
        /// On-demand price.
        on_demand: MicroUsdPerHour,
        /// The most, in percent of on demand.
        max_percent: u32,
    },
    /// With its risk it is not cheaper than on demand.
    RiskTooDear {
        /// Risk-adjusted price.
        risk_adjusted: MicroUsdPerHour,
        /// On-demand price.
        on_demand: MicroUsdPerHour,
    },
    /// The pool had an event of late.
    Quarantined {
        /// What happened.
        event: PoolEventKind,
        /// When.
        at: DateTime<Utc>,
        /// Until when it is not used.
        until: DateTime<Utc>,
    },
    /// A burstable type.
    Burstable,
    /// A type of an earlier generation.
    OldGeneration,
    /// A type larger than any node that the cluster has, or than is set.
    LargerThanNodes {
        /// Its vCPUs.
        vcpu: u32,
        /// The most.
        max: u32,
    },
    /// A bare-metal type.
    BareMetal,
    /// A type with GPUs or other accelerators.
    AcceleratedType,
}

impl Reason {
    /// Every code, sorted.
    pub const CODES: &[&str] = &[
        "above_share",
        "accelerated_type",
        "accelerator",
        "already_placed",
        "bare_metal",
        "bare_pod",
        "batch_work",
        "below_minimum",
        "budget_allows_none",
        "budget_unknown",
        "burstable",
        "capacity_type_unknown",
        "concentration",
        "covered_by_commitment",
        "critical_priority",
        "daemon_set",
        "dedicated_tenancy",
        "do_not_disrupt",
        "fallback",
        "grace_too_long",
        "holds_volume",
        "host_path",
        "larger_than_nodes",
        "lasting_spot_request",
        "licensed_platform",
        "needs_local_disk",
        "no_budget",
        "no_fallback",
        "no_pool",
        "no_requests",
        "no_room",
        "no_template",
        "nobody_launches_spot",
        "not_cheaper",
        "old_generation",
        "on_demand_price_unknown",
        "operator_owned",
        "opted_out",
        "part_missing",
        "pool_events_unknown",
        "pool_priced",
        "price_stale",
        "price_unknown",
        "protected_namespace",
        "quarantined",
        "quota_full",
        "quota_unknown",
        "replica_price",
        "replicas_unknown",
        "requires_on_demand",
        "return_to_on_demand",
        "return_when",
        "risk_too_dear",
        "rollout_in_progress",
        "room_is_no_money",
        "several_budgets",
        "stateful_set",
        "suitable",
        "tenancy_unknown",
        "too_few_replicas",
        "under_notice",
        "unknown_controller",
        "windows",
    ];
}

const fn event(kind: PoolEventKind) -> &'static str {
    match kind {
        PoolEventKind::InsufficientCapacity => "a refused launch",
        PoolEventKind::InterruptionNotice => "an interruption notice",
        PoolEventKind::RebalanceRecommendation => "a rebalance recommendation",
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::PoolEventsUnknown => f.write_str("no ledger says whether pools were interrupted"),
            Self::ProtectedNamespace { namespace } => {
                write!(f, "namespace {namespace} is protected")
            }
            Self::OptedOut { annotation, value } => {
                write!(f, "annotation {annotation}={value} keeps it as it is")
            }
            Self::TooFewReplicas { replicas, min } => {
                write!(f, "{replicas} replicas are fewer than {min}")
            }
            Self::ReplicasUnknown => f.write_str("the number of replicas is not known"),
            Self::StatefulSet => f.write_str("a stateful set holds data"),
            Self::DaemonSet => f.write_str("a daemon set runs on every node"),
            Self::BatchWork { kind } => {
                write!(f, "an interruption would throw away the work of a {kind}")
            }
            Self::BarePod => f.write_str("nobody makes the pod anew"),
            Self::UnknownController { kind } => write!(f, "a {kind} is not a kind that is known"),
            Self::OperatorOwned { owner } => write!(f, "{owner} owns it and would undo a change"),
            Self::NoTemplate => f.write_str("it has no template to judge"),
            Self::HoldsVolume { volume } => write!(f, "volume {volume} ties its pods to a zone"),
            Self::HostPath { volume } => write!(f, "volume {volume} is a path of the node"),
            Self::GraceTooLong { seconds, max } => write!(
                f,
                "its pods may take {seconds} s to end, the notice leaves {max} s"
            ),
            Self::NoBudget => f.write_str("no disruption budget guards its pods"),
            Self::SeveralBudgets { budgets } => write!(
                f,
                "{budgets} disruption budgets match, so evictions are refused"
            ),
            Self::BudgetUnknown { budget } => {
                write!(
                    f,
                    "the status of disruption budget {budget} is not up to date"
                )
            }
            Self::BudgetAllowsNone { budget } => {
                write!(f, "disruption budget {budget} lets no pod go")
            }
            Self::DoNotDisrupt { annotation } => {
                write!(f, "annotation {annotation} forbids disruption")
            }
            Self::CriticalPriority { class } => write!(f, "priority class {class} is critical"),
            Self::Accelerator { resource } => write!(f, "its pods use {resource}"),
            Self::Windows => f.write_str("its pods run on Windows"),
            Self::RolloutInProgress => f.write_str("a rollout is under way"),
            Self::NoRequests => f.write_str("its containers ask for nothing"),
            Self::CapacityTypeUnknown { pods } => write!(
                f,
                "{pods} of its pods are on nodes whose capacity type is not known"
            ),
            Self::RequiresOnDemand => f.write_str("its rules allow on-demand nodes only"),
            Self::NobodyLaunchesSpot => {
                f.write_str("no node pool and no node group may launch spot")
            }
            Self::NoPool {
                considered,
                forbidden,
                rejected,
                too_dear,
            } => write!(
                f,
                "of {considered} pools its rules forbid {forbidden}, {rejected} are rejected and {too_dear} are too dear"
            ),
            Self::NoFallback => f.write_str("no on-demand offering could take it over"),
            Self::CoveredByCommitment {
                commitment,
                headroom,
            } => write!(
                f,
                "commitment {commitment} pays for its nodes; {headroom} may leave before it goes idle"
            ),
            Self::QuotaFull {
                quota,
                free_milli_vcpu,
            } => write!(
                f,
                "quota {quota} has {free_milli_vcpu} thousandths of a spot vCPU left"
            ),
            Self::QuotaUnknown => {
                f.write_str("the quota of spot vCPUs is not known; a refused launch goes on demand")
            }
            Self::NoRoom {
                replicas,
                minimum,
                on_demand_base,
            } => write!(
                f,
                "of {replicas} replicas {minimum} must stay and {on_demand_base} stay on demand"
            ),
            Self::AlreadyPlaced { on_spot } => write!(f, "{on_spot} replicas are on spot already"),
            Self::AboveShare { on_spot, allowed } => write!(
                f,
                "{on_spot} replicas are on spot, the caps allow {allowed}"
            ),
            Self::BelowMinimum {
                could_save,
                min_per_month,
            } => write!(f, "it could save {could_save}, less than {min_per_month}"),
            Self::Suitable {
                replicas,
                minimum,
                on_demand_base,
                per_type,
            } => write!(
                f,
                "of {replicas} replicas {minimum} must stay, so at most {per_type} share an instance type, and {on_demand_base} stay on demand"
            ),
            Self::ReplicaPrice { spot, on_demand } => write!(
                f,
                "a replica costs {spot} on spot with its risk and {on_demand} on demand"
            ),
            Self::Fallback { offering, price } => {
                write!(f, "without spot it goes to {offering} at {price}")
            }
            Self::ReturnWhen {
                quiet_hours,
                replica_price_at_most,
            } => write!(
                f,
                "it returns to a pool after {quiet_hours} h without an event, at {replica_price_at_most} a replica or less"
            ),
            Self::ReturnToOnDemand { replicas } => write!(
                f,
                "{replicas} replicas are on spot that is no cheaper than on demand"
            ),
            Self::RoomIsNoMoney => f.write_str("it saves when on-demand nodes go because of it"),
            Self::UnderNotice { pool, replicas } => {
                write!(
                    f,
                    "{replicas} replicas are in {pool}, which is under notice"
                )
            }
            Self::PoolPriced {
                price,
                expected_interruptions,
                unavailability,
                risk_adjusted,
                on_demand,
                hazard_ppm,
                risk_1h_milli,
                risk_24h_milli,
                factors,
                price_as_of,
                band_as_of,
                ..
            } => {
                write!(
                    f,
                    "{price} + {expected_interruptions} for interruptions + {unavailability} for gaps = {risk_adjusted}, on demand {on_demand}; {} interruptions in a million hours by {} ({} to {})",
                    hazard_ppm.value, hazard_ppm.basis, hazard_ppm.low, hazard_ppm.high,
                )?;
                if let Some(risk) = risk_1h_milli {
                    write!(f, ", {}.{} % in 1 h", risk / 10, risk % 10)?;
                }
                write!(
                    f,
                    ", {}.{} % in 24 h",
                    risk_24h_milli / 10,
                    risk_24h_milli % 10
                )?;
                if let Some(factors) = factors {
                    write!(
                        f,
                        "; {} by bands, {} with {} events in {} h up",
                        factors.prior_ppm, factors.observed_ppm, factors.events, factors.up_hours
                    )?;
                    if let (Some(state), Some(hours)) =
                        (factors.state_ppm, factors.last_event_hours)
                    {
                        write!(f, ", {state} by the {hours} h since the last")?;
                    }
                }
                if let Some(as_of) = price_as_of {
                    write!(f, "; price of {}", as_of.date_naive())?;
                }
                if let Some(as_of) = band_as_of {
                    write!(f, "; bands of {}", as_of.date_naive())?;
                }
                Ok(())
            }
            Self::PriceStale {
                as_of: Some(as_of),
                max_age_hours,
            } => write!(
                f,
                "its spot price is of {as_of}, older than {max_age_hours} h, and may have changed"
            ),
            Self::PriceStale { as_of: None, .. } => {
                f.write_str("nobody says of when its spot price is, so it may have changed")
            }
            Self::Concentration {
                instance_type,
                replicas,
                share_milli,
            } => write!(
                f,
                "{replicas} replicas, {}.{} % of all, are in {instance_type} and may go at once",
                share_milli / 10,
                share_milli % 10
            ),
            Self::DedicatedTenancy { node, tenancy } => {
                write!(
                    f,
                    "its node {node} has tenancy {tenancy}, which spot prices leave out"
                )
            }
            Self::TenancyUnknown { node } => write!(
                f,
                "nobody says whether its node {node} is on a host of its own"
            ),
            Self::LicensedPlatform { node, platform } => {
                write!(
                    f,
                    "its node {node} is billed as {platform}, not as plain Linux"
                )
            }
            Self::LastingSpotRequest {
                node,
                request,
                persistent: true,
                ..
            } => write!(
                f,
                "spot request {request} of its node {node} is persistent and launches anew"
            ),
            Self::LastingSpotRequest {
                node,
                request,
                behaviour,
                ..
            } => write!(
                f,
                "an interruption would {behaviour} its node {node} of spot request {request}"
            ),
            Self::NeedsLocalDisk { label } => {
                write!(
                    f,
                    "{label} asks for local disks, whose data go with the node"
                )
            }
            Self::PriceUnknown => f.write_str("nobody lists its spot price"),
            Self::OnDemandPriceUnknown => {
                f.write_str("nobody lists the on-demand price of its type")
            }
            Self::NotCheaper {
                price,
                on_demand,
                max_percent,
            } => write!(
                f,
                "spot costs {price}, more than {max_percent} % of {on_demand} on demand"
            ),
            Self::RiskTooDear {
                risk_adjusted,
                on_demand,
            } => write!(
                f,
                "with its risk it costs {risk_adjusted}, no less than {on_demand} on demand"
            ),
            Self::Quarantined {
                event: kind,
                at,
                until,
            } => write!(f, "{} at {at} rules it out until {until}", event(*kind)),
            Self::Burstable => f.write_str("a burstable type"),
            Self::OldGeneration => f.write_str("a type of an earlier generation"),
            Self::LargerThanNodes { vcpu, max } => {
                write!(
                    f,
                    "{vcpu} vCPUs are more than the {max} of the largest node"
                )
            }
            Self::BareMetal => f.write_str("a bare-metal type"),
            Self::AcceleratedType => f.write_str("a type with accelerators"),
        }
    }
}
