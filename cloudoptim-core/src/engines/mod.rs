//! The eight decision engines, and what they have in common.

pub mod bin_packing;
pub mod ghost_probe;
pub mod network;
mod observed;
pub mod office_hours;
pub mod oom;
pub mod rightsizing;
mod room;
mod sizing;
pub mod spot;
pub mod zombie_volumes;

pub(crate) use sizing::running_workloads;

use crate::catalog::Catalog;
use crate::decision::{Decision, MissingEvidence, Subject};
use crate::ledger::Ledgers;
use crate::model::{
    CapacityType, Cloud, Cluster, ClusterUid, MicroUsdPerHour, MicroUsdPerMonth, Node, Snapshot,
};
use crate::overlay::Overlay;
use crate::policy::Policy;
use crate::providers::Deadline;
use crate::version::Version;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EngineId {
    /// Out-of-memory remediation.
    Oom,
    /// Rightsizing.
    Rightsizing,
    /// Office hours.
    OfficeHours,
    /// Spot.
    Spot,
    /// Bin packing.
    BinPacking,
    /// Ghost probe.
    GhostProbe,
    /// Zombie volumes.
    ZombieVolumes,
    /// Network.
    Network,
}

impl EngineId {
    /// All eight, in the order in which a joint run asks them.
    pub const ALL: [Self; 8] = [
        Self::Oom,
        Self::Rightsizing,
        Self::OfficeHours,
        Self::Spot,
        Self::BinPacking,
        Self::GhostProbe,
        Self::ZombieVolumes,
        Self::Network,
    ];

    /// The name in JSON and in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oom => "oom",
            Self::Rightsizing => "rightsizing",
            Self::OfficeHours => "office_hours",
            Self::Spot => "spot",
            Self::BinPacking => "bin_packing",
            Self::GhostProbe => "ghost_probe",
            Self::ZombieVolumes => "zombie_volumes",
            Self::Network => "network",
        }
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything that an answer may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What is known.
    pub snapshot: &'a Snapshot,
    /// What is laid over it.
    pub overlay: &'a Overlay,
    /// Public prices and shapes.
    pub catalog: &'a Catalog,
    /// What is wanted.
    pub policy: &'a Policy,
    /// What earlier runs saw.
    pub ledgers: &'a Ledgers,
    /// When searches have to end with what they have found. What that is depends on
    /// the machine; without a deadline the same inputs give the same answer.
    pub deadline: Option<&'a Deadline>,
}

impl<'a> Inputs<'a> {
    /// Whether searches have to end.
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(Deadline::has_passed)
    }

    /// Now, to every engine: the moment of the snapshot.
    pub const fn now(&self) -> DateTime<Utc> {
        self.snapshot.taken_at
    }

    /// The snapshot with the overlay's changes made.
    pub fn laid(&self) -> Cow<'a, Snapshot> {
        if self.overlay.is_empty() {
            Cow::Borrowed(self.snapshot)
        } else {
            Cow::Owned(self.overlay.apply(self.snapshot))
        }
    }

    /// Price of an offering: the overlay's, else the account's, else the
    /// catalogue's (a spot price of the zone before that of the region).
    /// `None` when nobody lists one.
    pub fn price(
        &self,
        cloud: Option<&Cloud>,
        instance_type: &str,
        zone: Option<&crate::model::ZoneId>,
        capacity_type: CapacityType,
    ) -> Option<MicroUsdPerHour> {
        self.dated_price(cloud, instance_type, zone, capacity_type)
            .map(|(price, _)| price)
    }

    /// The same with the moment for which it held: for a price of the
    /// catalogue, the beginning of its day; for one of the account, when that
    /// was read. `None` for a supposed price, and where nobody says.
    pub fn dated_price(
        &self,
        cloud: Option<&Cloud>,
        instance_type: &str,
        zone: Option<&crate::model::ZoneId>,
        capacity_type: CapacityType,
    ) -> Option<(MicroUsdPerHour, Option<DateTime<Utc>>)> {
        let own = cloud.map(|c| c.prices.items()).unwrap_or_default();
        let read = cloud.and_then(|c| c.prices.provenance()?.observed_at);
        for (prices, as_of) in [(self.overlay.prices.as_slice(), None), (own, read)] {
            let fits = |exact: bool| {
                prices.iter().find(|p| {
                    p.instance_type.as_str() == instance_type
                        && p.capacity_type == capacity_type
                        && if exact {
                            p.zone_id.as_ref() == zone
                        } else {
                            p.zone_id.is_none()
                        }
                })
            };
            if let Some(price) = fits(true).or_else(|| fits(false)) {
                return Some((price.per_hour, as_of));
            }
        }
        let region = cloud?.region.as_str();
        let figure = match capacity_type {
            CapacityType::OnDemand => self.catalog.on_demand(region, instance_type),
            CapacityType::Spot => self
                .catalog
                .spot(region, instance_type, zone)
                .or_else(|| self.catalog.spot(region, instance_type, None)),
            CapacityType::Reserved => None,
        };
        figure.map(|f| (f.value, day_start(f.as_of)))
    }

    /// Price of a node as it runs, by its labels, else by its instance, with what
    /// a node [costs beside](crate::engines::bin_packing::Config::extra_per_node).
    /// `None` when its type, its capacity type or the price is unknown.
    pub fn node_price(&self, cluster: &Cluster, node: &Node) -> Option<MicroUsdPerHour> {
        let (instance_type, zone, capacity_type) = self.offering_of(cluster, node)?;
        let cloud = self.snapshot.cloud_of(cluster);
        let price = self.price(cloud, &instance_type, zone.as_ref(), capacity_type)?;
        Some(price + self.policy.bin_packing.extra_per_node)
    }

    /// What a node less, or one more like it, really costs: its price, but for
    /// what [is paid for anyway](crate::engines::bin_packing::Config::marginal_prices).
    pub(crate) fn marginal_price(&self, cluster: &Cluster, node: &Node) -> Option<MicroUsdPerHour> {
        let (instance_type, zone, capacity_type) = self.offering_of(cluster, node)?;
        let stated = self.marginal(&instance_type, zone.as_ref(), capacity_type);
        stated.or_else(|| self.node_price(cluster, node))
    }

    /// The stated marginal price of an offering, with what a node costs beside.
    pub(crate) fn marginal(
        &self,
        instance_type: &str,
        zone: Option<&crate::model::ZoneId>,
        capacity_type: CapacityType,
    ) -> Option<MicroUsdPerHour> {
        let settings = &self.policy.bin_packing;
        let own = settings.marginal_prices.iter().filter(|p| {
            p.instance_type.as_str() == instance_type && p.capacity_type == capacity_type
        });
        let exact = own
            .clone()
            .find(|p| p.zone_id.is_some() && p.zone_id.as_ref() == zone);
        let found = exact.or_else(|| own.clone().find(|p| p.zone_id.is_none()))?;
        Some(found.per_hour + settings.extra_per_node)
    }

    /// What a node in a capacity reservation costs: nothing, unless it is stated,
    /// but for what a node costs beside.
    pub(crate) fn reserved_price(&self, cluster: &Cluster, node: &Node) -> Option<MicroUsdPerHour> {
        let (instance_type, zone, _) = self.offering_of(cluster, node)?;
        let stated = self.marginal(&instance_type, zone.as_ref(), CapacityType::Reserved);
        Some(stated.unwrap_or(self.policy.bin_packing.extra_per_node))
    }

    /// Type, zone and capacity type of a node, by its labels, else by its
    /// instance.
    fn offering_of(
        &self,
        cluster: &Cluster,
        node: &Node,
    ) -> Option<(String, Option<crate::model::ZoneId>, CapacityType)> {
        let cloud = self.snapshot.cloud_of(cluster);
        let instance = node
            .instance_id()
            .and_then(|id| cloud.and_then(|c| c.instances.items().iter().find(|i| i.id == id)));
        let instance_type = node
            .instance_type()
            .or_else(|| instance.map(|i| i.instance_type.as_str()))?;
        let capacity_type = node
            .capacity_type()
            .or_else(|| instance.map(|i| i.capacity_type))?;
        let zone = node
            .meta
            .label(crate::model::ZONE_ID_LABEL)
            .map(crate::model::ZoneId::from)
            .or_else(|| instance.and_then(|i| i.zone_id.clone()))
            .or_else(|| {
                let name = node.zone_name()?;
                cloud.and_then(|c| c.zone_id(&name).cloned())
            });
        Some((instance_type.to_owned(), zone, capacity_type))
    }
}

/// What an engine answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EngineOutput {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Engine.
    pub engine: EngineId,
    /// Decisions, acts and keeps, sorted by subject.
    pub decisions: Vec<Decision>,
    /// Figures that prove them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figures>,
    /// Other plans with their worth, such as a frontier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// What could not be judged, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_judged: Vec<NotJudged>,
}

impl EngineOutput {
    /// An answer with decisions only, put in order.
    pub fn new(engine: EngineId, mut decisions: Vec<Decision>) -> Self {
        decisions.sort_by(|a, b| a.subject.cmp(&b.subject));
        Self {
            version: Version::KNOWN,
            engine,
            decisions,
            figures: Vec::new(),
            alternatives: Vec::new(),
            not_judged: Vec::new(),
        }
    }
}

/// Cost before and after, and the bound below which no plan can go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// What they are about, such as `cluster 2f1c…: these nodes` or `green field`.
    pub of: String,
    /// The cluster that they are about, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterUid>,
    /// Now; `None` when a price is unknown.
    pub cost_now: Option<MicroUsdPerHour>,
    /// After the decisions.
    pub cost_after: Option<MicroUsdPerHour>,
    /// Proven lower bound for the question that was asked.
    pub lower_bound: Option<MicroUsdPerHour>,
    /// How the bound was obtained and why the search ended.
    pub proof: String,
    /// Pods that move.
    pub moves: u64,
}

impl Figures {
    /// `cost_after ÷ lower_bound − 1`, for display.
    pub fn gap(&self) -> Option<f64> {
        match (self.cost_after, self.lower_bound) {
            (Some(cost), Some(bound)) if bound.0 > 0 => Some(cost.0 as f64 / bound.0 as f64 - 1.0),
            _ => None,
        }
    }
}

/// Another plan that was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// What it is, in words.
    pub what: String,
    /// What it saves.
    pub saves_per_month: Option<MicroUsdPerMonth>,
    /// Pods that move.
    pub moves: u64,
}

/// Something that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NotJudged {
    /// What; the whole scope of the engine when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// How many objects it stands for.
    pub count: u64,
    /// What is missing.
    pub missing: MissingEvidence,
}

/// Why an engine gave no answer at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A setting is out of range.
    #[error("{engine}: {message}")]
    BadSetting {
        /// Engine.
        engine: EngineId,
        /// Which setting, what it must be and what it is.
        message: String,
    },
    /// The input contradicts itself.
    #[error("{engine}: contradictory input: {message}")]
    Contradiction {
        /// Engine.
        engine: EngineId,
        /// What contradicts what.
        message: String,
    },
    /// A question names something that is not there.
    #[error("{engine}: {what} is not there")]
    NotFound {
        /// Engine.
        engine: EngineId,
        /// What, and where it was looked for.
        what: String,
    },
}

/// An engine. Pure: the same inputs give the same answer.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Which engine it is.
    fn id(&self) -> EngineId;

    /// Decides about everything in its scope.
    ///
    /// # Errors
    /// [`EngineError`] for settings out of range or contradictory input.
    /// "Nothing to do" is `Ok`.
    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError>;
}

/// The beginning of a day: a figure of that day is at most so old.
pub(crate) fn day_start(day: chrono::NaiveDate) -> Option<DateTime<Utc>> {
    day.and_hms_opt(0, 0, 0).map(|at| at.and_utc())
}
