//! Reasons.

use super::headroom::Headroom;
use crate::decision::{Offering, Owner};
use crate::model::{MicroUsdPerHour, MicroUsdPerMonth, NamespacedName, NodeName};
use crate::scheduling::{BrokenPreference, EvictionRefusal, NotTarget, Pin, Refusals};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a node goes or stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It goes: it runs only pods that end with it.
    Empty {
        /// Those pods.
        node_pods: u64,
    },
    /// It goes: everything on it fits elsewhere.
    PodsFitElsewhere {
        /// Pods that move.
        pods: u64,
        /// Nodes that take them.
        onto: u64,
    },
    /// It goes: everything on it fits elsewhere, once nodes are launched.
    PodsFitWithLaunches {
        /// Pods that move.
        pods: u64,
        /// Nodes that take them.
        onto: u64,
        /// How many of these are launched.
        launched: u64,
    },
    /// Its pods find room once others leave nodes that stay.
    RoomIsMade {
        /// Pods that leave these nodes, before its own do.
        pods: u64,
        /// The nodes. Each is closed while they leave, and opened again.
        nodes: Vec<NodeName>,
    },
    /// It goes, and saves more than what pods that move for it would rather have is
    /// worth.
    BreaksPreferences {
        /// Pods that break more of what they prefer than before.
        pods: u64,
        /// What that costs at the [prices](super::Config::preferences) that are set.
        preferences: MicroUsdPerMonth,
    },
    /// It stays, and pods leave it to make room for those of nodes that go.
    MakesRoom {
        /// Pods that leave it.
        pods: u64,
        /// The nodes that go for it.
        nodes: Vec<NodeName>,
    },
    /// What is launched for it.
    Launches {
        /// Type, zone and capacity type.
        offering: Offering,
        /// How many.
        nodes: u32,
        /// What each costs.
        price: MicroUsdPerHour,
        /// What the risk of losing one adds to that, as it counts here; on spot
        /// only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        risk: Option<MicroUsdPerHour>,
    },
    /// A part of the snapshot is missing or may have holes.
    PartMissing {
        /// Which part.
        part: String,
        /// What it is instead of complete.
        state: String,
    },
    /// It takes no part: it is cordoned, not ready, or on its way out.
    NotInService {
        /// Why.
        why: NotTarget,
    },
    /// It asks to be left alone.
    Protected {
        /// How.
        pin: Pin,
    },
    /// A pod on it never moves.
    PodPinned {
        /// The first such pod.
        pod: NamespacedName,
        /// Why.
        pin: Pin,
        /// How many there are.
        pods: u64,
    },
    /// A disruption budget keeps a pod on it.
    BudgetBlocks {
        /// The first such pod.
        pod: NamespacedName,
        /// Why.
        why: EvictionRefusal,
        /// How many there are.
        pods: u64,
    },
    /// A pod on it fits nowhere else.
    NoRoom {
        /// The first such pod.
        pod: NamespacedName,
        /// How many nodes were tried.
        tried: u64,
        /// What the node that refuses for the fewest reasons says.
        nearest: Refusals,
    },
    /// Without it a pod that stays would stand where its affinity or spread does
    /// not allow it any more.
    Unsettles {
        /// The first such pod.
        pod: NamespacedName,
        /// What its rules say then.
        refusals: Refusals,
    },
    /// Nobody lists its price.
    Unpriced {
        /// Instance type, where it is known.
        instance_type: Option<String>,
    },
    /// It saves too little.
    SavesTooLittle {
        /// What it would save.
        saving: MicroUsdPerMonth,
        /// What it must save.
        least: MicroUsdPerMonth,
    },
    /// It saves too little above what its pods would break of what they prefer.
    PreferencesCostMore {
        /// What it would save.
        saving: MicroUsdPerMonth,
        /// What broken preferences would cost more than now, at the
        /// [prices](super::Config::preferences) that are set.
        preferences: MicroUsdPerMonth,
        /// What it must save above that.
        least: MicroUsdPerMonth,
        /// The pod with the dearest of them.
        pod: NamespacedName,
        /// That preference.
        broken: BrokenPreference,
    },
    /// A commitment pays for it, or for another node in its place: it saves too
    /// little until the commitment is used elsewhere.
    CoveredByCommitment {
        /// Commitment.
        commitment: String,
        /// What it would save beyond that.
        saving: MicroUsdPerMonth,
        /// What it must save.
        least: MicroUsdPerMonth,
    },
    /// It goes, and saves what it costs by list only if no commitment pays for
    /// it: which there are is not known.
    CommitmentsUnknown {
        /// What is known.
        state: String,
    },
    /// Who made it is not known, so nobody can be asked to remove it.
    OwnerUnknown,
    /// The provider manages it.
    ManagedByProvider {
        /// Which.
        owner: Owner,
    },
    /// Its group is at its minimum.
    GroupAtMinimum {
        /// Group.
        group: String,
        /// Minimum.
        min_size: u32,
    },
    /// Its pool does not allow it.
    PoolForbids {
        /// Pool.
        pool: String,
        /// Setting, as written.
        setting: String,
    },
    /// It is the last of its pool in its zone.
    LastInZone {
        /// Pool or group.
        pool: String,
        /// Zone.
        zone: String,
    },
    /// Its group would start another in its zone: the other zones have more.
    ZoneBalance {
        /// Group.
        group: String,
        /// Zone.
        zone: String,
        /// Nodes of the group in the zone.
        nodes: u32,
        /// Nodes of the group in the fullest zone.
        most: u32,
    },
    /// It is too young.
    Young {
        /// When it joined.
        since: DateTime<Utc>,
        /// How old it must be, in minutes.
        minutes: u32,
    },
    /// The cluster was disrupted a short time ago.
    CoolingDown {
        /// When.
        since: DateTime<Utc>,
        /// For how long, in minutes.
        minutes: u32,
    },
    /// It takes pods of nodes that go.
    TakesPods {
        /// How many.
        pods: u64,
    },
    /// Without it too little would be free.
    Headroom {
        /// Percent that must be free.
        percent: u32,
    },
    /// Without it pods that are not there yet would find too few places.
    PoolHeadroom {
        /// The room that has to stay.
        headroom: Headroom,
    },
    /// The plan removes enough nodes already.
    PlanIsFull {
        /// The most that a plan removes.
        max_nodes: u32,
    },
    /// The [deadline](crate::engines::Inputs::deadline) passed before the node was
    /// tried.
    OutOfTime,
}

impl Reason {
    /// All codes.
    pub const CODES: &'static [&'static str] = &[
        "empty",
        "pods_fit_elsewhere",
        "pods_fit_with_launches",
        "room_is_made",
        "breaks_preferences",
        "makes_room",
        "launches",
        "part_missing",
        "not_in_service",
        "protected",
        "pod_pinned",
        "budget_blocks",
        "no_room",
        "unsettles",
        "unpriced",
        "saves_too_little",
        "preferences_cost_more",
        "covered_by_commitment",
        "commitments_unknown",
        "owner_unknown",
        "managed_by_provider",
        "group_at_minimum",
        "pool_forbids",
        "last_in_zone",
        "zone_balance",
        "young",
        "cooling_down",
        "takes_pods",
        "headroom",
        "pool_headroom",
        "plan_is_full",
        "out_of_time",
    ];
}

fn names(nodes: &[NodeName]) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    names.join(", ")
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = |f: &mut fmt::Formatter<'_>, pods: u64| match pods {
            0 | 1 => Ok(()),
            n => write!(f, " (and {} more like it)", n - 1),
        };
        match self {
            Self::Empty { node_pods } => {
                write!(f, "it runs only {node_pods} pods that end with it")
            }
            Self::PodsFitElsewhere { pods, onto } => {
                write!(f, "its {pods} pods fit on {onto} other nodes")
            }
            Self::PodsFitWithLaunches {
                pods,
                onto,
                launched,
            } => write!(
                f,
                "its {pods} pods fit on {onto} other nodes, of which {launched} are launched"
            ),
            Self::RoomIsMade { pods, nodes } => {
                let nodes = names(nodes);
                write!(f, "before, {pods} pods leave {nodes} to make room there")
            }
            Self::BreaksPreferences { pods, preferences } => write!(
                f,
                "{pods} pods stand where they would rather not then, which counts as {preferences}"
            ),
            Self::MakesRoom { pods, nodes } => {
                let nodes = names(nodes);
                write!(f, "{pods} of its pods leave, so that {nodes} can go")
            }
            Self::Launches {
                offering,
                nodes,
                price,
                risk,
            } => {
                write!(f, "it launches {nodes} × {offering} at {price} each")?;
                match risk {
                    Some(risk) => write!(f, ", and {risk} for the risk of losing it"),
                    None => Ok(()),
                }
            }
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::NotInService { why } => why.fmt(f),
            Self::Protected { pin } => write!(f, "the node asks to be left alone: {pin}"),
            Self::PodPinned { pod, pin, pods } => {
                write!(f, "pod {pod} stays: {pin}")?;
                more(f, *pods)
            }
            Self::BudgetBlocks { pod, why, pods } => {
                write!(f, "pod {pod} may not be evicted: {why}")?;
                more(f, *pods)
            }
            Self::NoRoom {
                pod,
                tried,
                nearest,
            } => {
                write!(
                    f,
                    "pod {pod} fits on none of {tried} other nodes; the nearest says: {nearest}"
                )
            }
            Self::Unsettles { pod, refusals } => {
                write!(
                    f,
                    "without it pod {pod} would not come back to where it stays: {refusals}"
                )
            }
            Self::Unpriced { instance_type } => match instance_type {
                Some(name) => write!(f, "nobody lists the price of {name} as it is paid for here"),
                None => f.write_str("its instance type is not known, and so its price"),
            },
            Self::SavesTooLittle { saving, least } => {
                write!(f, "it would save {saving}, and {least} is the least")
            }
            Self::PreferencesCostMore {
                saving,
                preferences,
                least,
                pod,
                broken,
            } => write!(
                f,
                "it would save {saving}, and its pods would break preferences worth {preferences}, as {pod}: {broken}; {least} above that is the least"
            ),
            Self::CoveredByCommitment {
                commitment,
                saving,
                least,
            } => write!(
                f,
                "commitment {commitment} pays for it until it is used elsewhere: it would save {saving}, and {least} is the least"
            ),
            Self::CommitmentsUnknown { state } => write!(
                f,
                "commitments are {state}: if one pays for it anyway, it saves less than its price"
            ),
            Self::OwnerUnknown => f.write_str("who made it is not known"),
            Self::ManagedByProvider { owner } => write!(f, "it is managed by {owner}"),
            Self::GroupAtMinimum { group, min_size } => {
                write!(f, "group {group} is at its minimum of {min_size}")
            }
            Self::PoolForbids { pool, setting } => write!(f, "pool {pool} says {setting}"),
            Self::LastInZone { pool, zone } => write!(f, "it is the last of {pool} in {zone}"),
            Self::ZoneBalance {
                group,
                zone,
                nodes,
                most,
            } => write!(
                f,
                "group {group} has {nodes} nodes in {zone} and {most} in another zone, and would start one anew to balance them"
            ),
            Self::Young { since, minutes } => {
                write!(f, "it joined at {since}, less than {minutes} minutes ago")
            }
            Self::CoolingDown { since, minutes } => {
                write!(
                    f,
                    "a node was disrupted at {since}, less than {minutes} minutes ago"
                )
            }
            Self::TakesPods { pods } => write!(f, "it takes {pods} pods of nodes that go"),
            Self::Headroom { percent: 0 } => {
                f.write_str("without it the others have too little CPU or memory for all pods")
            }
            Self::Headroom { percent } => {
                write!(
                    f,
                    "without it less than {percent} % of CPU or memory would be free"
                )
            }
            Self::PoolHeadroom { headroom } => {
                write!(f, "without it there would be less than {headroom}")
            }
            Self::PlanIsFull { max_nodes } => {
                write!(f, "the plan removes {max_nodes} nodes already")
            }
            Self::OutOfTime => f.write_str("it was not tried before the deadline"),
        }
    }
}
