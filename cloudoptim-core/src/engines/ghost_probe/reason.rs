//! Reasons.

use crate::decision::Owner;
use crate::model::{Bytes, InstanceState, InstanceType, MicroUsdPerMonth, VolumeId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the ghost probe decided as it did.
///
/// The first reason of a decision settles it; those after it are evidence.
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
    /// A node has this instance in its provider id.
    HasNode {
        /// Cluster.
        cluster: String,
        /// Node.
        node: String,
    },
    /// It is on its way out or gone: nothing to save.
    Ending {
        /// State.
        state: InstanceState,
    },
    /// The state is not stated.
    StateUnknown,
    /// No tag or group says that it belongs to a cluster.
    NotOurs,
    /// It says that it belongs to a cluster that is not in the snapshot.
    ForeignCluster {
        /// Which.
        cluster: String,
        /// The tag or group that says so.
        by: String,
    },
    /// It belongs to a cluster, but nothing names it.
    ClusterNotNamed {
        /// The tag.
        by: String,
    },
    /// The only tag is `shared`, which networks and load balancers carry too.
    SharedOnly {
        /// Cluster.
        cluster: String,
    },
    /// Evidence: it belongs to a cluster of the snapshot.
    BelongsTo {
        /// Cluster.
        cluster: String,
        /// The tag or group that says so.
        by: String,
    },
    /// The cluster shows no node that has an instance here: the list of nodes
    /// or of instances is not what it seems.
    NoNodeMatched {
        /// Cluster.
        cluster: String,
    },
    /// A node names no instance, so any instance may be its own.
    NodeWithoutProviderId {
        /// Cluster.
        cluster: String,
        /// Node.
        node: String,
    },
    /// The provider manages it and refuses changes from outside.
    ManagedByProvider {
        /// By whom.
        by: String,
    },
    /// A tag protects it.
    ProtectedByTag {
        /// Tag.
        tag: String,
    },
    /// The API refuses to terminate it.
    TerminationProtected,
    /// The API refuses to stop it.
    StopProtected,
    /// Its age is not known.
    AgeUnknown,
    /// It may still join.
    Young {
        /// Launch.
        launched_at: DateTime<Utc>,
        /// Age from which it is looked at, in minutes.
        min_age_minutes: u32,
    },
    /// Somebody stopped it: only its volumes are paid for.
    Stopped,
    /// Its group holds it in a state of its own (warm pool, standby, a hook).
    GroupLifecycle {
        /// Group.
        group: String,
        /// State in the group.
        lifecycle: String,
    },
    /// Its group may not scale it in.
    ScaleInProtected {
        /// Group.
        group: String,
    },
    /// Its tag names a group that does not list it; the group's warm pool may.
    NotInItsGroup {
        /// Group.
        group: String,
        /// The group has a warm pool.
        warm_pool: bool,
    },
    /// The group is at its minimum and would replace it.
    GroupAtMinimum {
        /// Group.
        group: String,
        /// Its minimum.
        min_size: u32,
    },
    /// Its spot request would launch another: cancel that first.
    PersistentSpotRequest {
        /// Request.
        request: String,
    },
    /// It fills a reservation that is paid for all the same.
    FillsReservation {
        /// Reservation, host or block.
        reservation: String,
    },
    /// A kubelet on it renews its lease.
    LeaseRenewed {
        /// Lease.
        lease: String,
        /// When.
        renewed_at: DateTime<Utc>,
    },
    /// It has no node now, and no ledger says for how long.
    NeverObserved,
    /// It has been seen without a node, but not long or often enough.
    WithinGrace {
        /// Since when without a hole.
        since: DateTime<Utc>,
        /// Observations.
        observations: u32,
        /// Hours that it takes.
        grace_hours: u32,
    },
    /// The observations have a hole in which a node may have come and gone.
    ObservationGap {
        /// The longest hole, in minutes.
        minutes: u64,
        /// The longest that counts.
        max_minutes: u32,
    },
    /// It has been without a node for the whole grace.
    AbsentFor {
        /// Since when.
        since: DateTime<Utc>,
        /// Observations.
        observations: u32,
    },
    /// It is marked and waits for its termination.
    Quarantined {
        /// Since when.
        since: DateTime<Utc>,
        /// Hours that it takes.
        quarantine_hours: u32,
    },
    /// The quarantine is over and nobody asked for it.
    QuarantineOver {
        /// Since when it was marked.
        since: DateTime<Utc>,
    },
    /// Somebody started it after it was marked: it is wanted.
    Restarted {
        /// When it was marked.
        marked_at: DateTime<Utc>,
        /// When it was started.
        launched_at: DateTime<Utc>,
    },
    /// The mark is not a time that can be read.
    MarkUnreadable {
        /// Its value.
        value: String,
    },
    /// Evidence: whom an act has to go through.
    GoesThrough {
        /// Owner.
        owner: Owner,
    },
    /// Its owner would take a stopped one for broken and replace it.
    StopWouldReplace {
        /// Owner.
        owner: Owner,
    },
    /// It is a spot instance of a one-time request, which EC2 does not stop.
    StopNotPossible,
    /// For that reason it is marked and not stopped.
    OnlyMarked,
    /// A volume stays when the instance goes, and is paid for from then on.
    LeavesVolume {
        /// Volume.
        volume: VolumeId,
        /// What it costs, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per_month: Option<MicroUsdPerMonth>,
    },
    /// An elastic address stays when the instance stops or goes, and is paid for.
    LeavesAddress {
        /// Address.
        address: String,
        /// What it costs, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per_month: Option<MicroUsdPerMonth>,
    },
    /// A network interface stays when the instance goes.
    LeavesInterface {
        /// Interface.
        interface: String,
    },
    /// Its group has it behind load balancers, which lose a target.
    LeavesTargetGroups {
        /// Group.
        group: String,
        /// Target groups of the load balancers.
        target_groups: Vec<String>,
    },
    /// It is stopped, or goes, only when a person or a setting agrees: its type
    /// has disks whose data that loses.
    StopLosesLocalDisks {
        /// Type.
        instance_type: InstanceType,
        /// Size of these disks.
        size: Bytes,
    },
    /// It is neither stopped nor terminated: the catalogue does not list its
    /// type, which may have disks whose data that loses.
    LocalDisksUnknown {
        /// Type.
        instance_type: InstanceType,
    },
    /// It was launched as nodes of a cluster were. That supports a tag; alone,
    /// or against a tag, it condemns nothing.
    LikeNodesOf {
        /// Cluster.
        cluster: String,
        /// Launch template or instance profile.
        by: String,
    },
    /// Nobody lists its price.
    PriceUnknown {
        /// Of what.
        of: String,
    },
    /// So many suspects at once say more about the input than about them.
    Suspicious {
        /// Suspects.
        suspects: u64,
        /// Out of how many.
        population: u64,
        /// The most that is believed.
        limit: u64,
    },
    /// More acts than a run may do: none is done.
    CapExceeded {
        /// Acts that are due.
        due: u64,
        /// Acts that a run may do.
        cap: u64,
    },
    /// The instance of the node is there.
    HasInstance {
        /// Its state.
        state: InstanceState,
    },
    /// The node is not an EC2 instance.
    OtherProvider {
        /// Its provider id, or what tells it apart.
        provider: String,
    },
    /// The node names no instance.
    NoProviderId,
    /// The node is of a region that the snapshot does not hold.
    OtherRegion {
        /// Zone in its provider id.
        zone: String,
    },
    /// The kubelet says that it is ready, so something runs it.
    NodeReady,
    /// The instance is gone and the node object is left.
    InstanceGone,
}

impl Reason {
    /// Every code, as in JSON.
    pub const CODES: &[&str] = &[
        "part_missing",
        "has_node",
        "ending",
        "state_unknown",
        "not_ours",
        "foreign_cluster",
        "cluster_not_named",
        "shared_only",
        "belongs_to",
        "no_node_matched",
        "node_without_provider_id",
        "managed_by_provider",
        "protected_by_tag",
        "termination_protected",
        "stop_protected",
        "age_unknown",
        "young",
        "stopped",
        "group_lifecycle",
        "scale_in_protected",
        "not_in_its_group",
        "group_at_minimum",
        "persistent_spot_request",
        "fills_reservation",
        "lease_renewed",
        "never_observed",
        "within_grace",
        "observation_gap",
        "absent_for",
        "quarantined",
        "quarantine_over",
        "restarted",
        "mark_unreadable",
        "goes_through",
        "stop_would_replace",
        "stop_not_possible",
        "only_marked",
        "leaves_volume",
        "leaves_address",
        "leaves_interface",
        "leaves_target_groups",
        "stop_loses_local_disks",
        "local_disks_unknown",
        "like_nodes_of",
        "price_unknown",
        "suspicious",
        "cap_exceeded",
        "has_instance",
        "other_provider",
        "no_provider_id",
        "other_region",
        "node_ready",
        "instance_gone",
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::HasNode { cluster, node } => write!(f, "it is node {node} of {cluster}"),
            Self::Ending { state } => write!(f, "it is {}", word(*state)),
            Self::StateUnknown => f.write_str("its state is not stated"),
            Self::NotOurs => f.write_str("nothing says that it belongs to a cluster"),
            Self::ForeignCluster { cluster, by } => {
                write!(
                    f,
                    "{by} says that it belongs to {cluster}, which the snapshot does not hold"
                )
            }
            Self::ClusterNotNamed { by } => {
                write!(
                    f,
                    "{by} says that it belongs to a cluster, and nothing says to which"
                )
            }
            Self::SharedOnly { cluster } => {
                write!(
                    f,
                    "its only sign of {cluster} is a shared tag, which proves little"
                )
            }
            Self::BelongsTo { cluster, by } => write!(f, "{by} says that it belongs to {cluster}"),
            Self::NoNodeMatched { cluster } => {
                write!(
                    f,
                    "no node of {cluster} has an instance here, so the lists are not believed"
                )
            }
            Self::NodeWithoutProviderId { cluster, node } => {
                write!(
                    f,
                    "node {node} of {cluster} names no instance and may be this one"
                )
            }
            Self::ManagedByProvider { by } => write!(f, "it is managed by {by}"),
            Self::ProtectedByTag { tag } => write!(f, "the tag {tag} protects it"),
            Self::TerminationProtected => f.write_str("it is protected from termination"),
            Self::StopProtected => f.write_str("it is protected from being stopped"),
            Self::AgeUnknown => f.write_str("its launch time is not known"),
            Self::Young {
                launched_at,
                min_age_minutes,
            } => write!(
                f,
                "launched at {launched_at}, it has {min_age_minutes} minutes to join"
            ),
            Self::Stopped => f.write_str("it is stopped, so only its volumes are paid for"),
            Self::GroupLifecycle { group, lifecycle } => {
                write!(f, "auto scaling group {group} holds it as {lifecycle}")
            }
            Self::ScaleInProtected { group } => {
                write!(f, "auto scaling group {group} protects it from scale-in")
            }
            Self::NotInItsGroup { group, warm_pool } => write!(
                f,
                "auto scaling group {group} does not list it{}",
                if *warm_pool {
                    "; its warm pool may"
                } else {
                    ""
                }
            ),
            Self::GroupAtMinimum { group, min_size } => write!(
                f,
                "auto scaling group {group} is at its minimum of {min_size} and would replace it"
            ),
            Self::PersistentSpotRequest { request } => write!(
                f,
                "spot request {request} is persistent and would launch another: cancel it first"
            ),
            Self::FillsReservation { reservation } => {
                write!(f, "it fills {reservation}, which is paid for all the same")
            }
            Self::LeaseRenewed { lease, renewed_at } => {
                write!(f, "a kubelet renewed the lease {lease} at {renewed_at}")
            }
            Self::NeverObserved => {
                f.write_str("it is missing now, and no ledger says for how long")
            }
            Self::WithinGrace {
                since,
                observations,
                grace_hours,
            } => write!(
                f,
                "missing since {since} in {observations} observations; it takes {grace_hours} hours"
            ),
            Self::ObservationGap {
                minutes,
                max_minutes,
            } => write!(
                f,
                "nobody looked for {minutes} minutes, and a hole of more than {max_minutes} starts the grace anew"
            ),
            Self::AbsentFor {
                since,
                observations,
            } => write!(f, "missing since {since} in {observations} observations"),
            Self::Quarantined {
                since,
                quarantine_hours,
            } => write!(
                f,
                "marked at {since}; it is terminated after {quarantine_hours} hours"
            ),
            Self::QuarantineOver { since } => {
                write!(f, "marked at {since}, and nobody asked for it")
            }
            Self::Restarted {
                marked_at,
                launched_at,
            } => write!(
                f,
                "marked at {marked_at}, it was started at {launched_at}, so somebody wants it"
            ),
            Self::MarkUnreadable { value } => {
                write!(f, "its mark {value:?} is not a time in the past")
            }
            Self::GoesThrough { owner } => write!(f, "an act goes through {owner}"),
            Self::StopWouldReplace { owner } => write!(
                f,
                "{owner} would take a stopped instance for broken and replace it"
            ),
            Self::StopNotPossible => {
                f.write_str("EC2 does not stop spot instances of one-time requests")
            }
            Self::OnlyMarked => f.write_str("so it is only marked"),
            Self::LeavesVolume { volume, per_month } => {
                write!(f, "{volume} stays when it goes")?;
                match per_month {
                    Some(price) => write!(f, ", at {price}"),
                    None => Ok(()),
                }
            }
            Self::LeavesAddress { address, per_month } => {
                write!(f, "the elastic address {address} stays when it goes")?;
                match per_month {
                    Some(price) => write!(f, ", at {price}"),
                    None => Ok(()),
                }
            }
            Self::LeavesInterface { interface } => {
                write!(f, "the network interface {interface} stays when it goes")
            }
            Self::LeavesTargetGroups {
                group,
                target_groups,
            } => write!(
                f,
                "auto scaling group {group} has it behind {}",
                target_groups.join(", ")
            ),
            Self::StopLosesLocalDisks {
                instance_type,
                size,
            } => write!(
                f,
                "a stop loses the {size} of local disks of {instance_type}"
            ),
            Self::LocalDisksUnknown { instance_type } => write!(
                f,
                "whether {instance_type} has disks that a stop loses is not known"
            ),
            Self::LikeNodesOf { cluster, by } => {
                write!(f, "it shares {by} with nodes of {cluster}")
            }
            Self::PriceUnknown { of } => write!(f, "nobody lists the price of {of}"),
            Self::Suspicious {
                suspects,
                population,
                limit,
            } => write!(
                f,
                "{suspects} of {population} are suspects, and more than {limit} is taken for a fault of the input"
            ),
            Self::CapExceeded { due, cap } => {
                write!(
                    f,
                    "{due} acts are due, and a run may do {cap}: none is done"
                )
            }
            Self::HasInstance { state } => write!(f, "its instance is {}", word(*state)),
            Self::OtherProvider { provider } => write!(f, "it is no EC2 instance: {provider}"),
            Self::NoProviderId => f.write_str("it names no instance"),
            Self::OtherRegion { zone } => {
                write!(f, "its zone {zone} is in no region of the snapshot")
            }
            Self::NodeReady => f.write_str("its kubelet says that it is ready"),
            Self::InstanceGone => f.write_str("its instance is gone"),
        }
    }
}

pub(super) const fn word(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "pending",
        InstanceState::Running => "running",
        InstanceState::ShuttingDown => "shutting down",
        InstanceState::Stopping => "stopping",
        InstanceState::Stopped => "stopped",
        InstanceState::Terminated => "terminated",
        InstanceState::Unknown => "in an unknown state",
    }
}
