//! Settings.

use super::headroom::Headroom;
use super::limits::StatedRoom;
use super::on_spot::{MAX_SPOT_PRICE_AGE_HOURS, Spot, SpotPercent};
use crate::decision::LaunchThrough;
use crate::engines::{EngineError, EngineId};
use crate::model::{MicroUsdPerHour, MicroUsdPerMonth, OfferingPrice, WorkloadRef};
use crate::scheduling::PreferencePrices;
use crate::scheduling::movability::MovePolicy;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// A node younger than this stays and takes no pods that we move, in
    /// minutes. Default 30: the pods that it was started for are still coming,
    /// and launch and removal would chase each other.
    pub min_node_age_minutes: u32,
    /// After one of our plans disrupted a node, the others of its cluster stay
    /// for this long, in minutes. Default 30: three runs of a ten-minute rhythm.
    pub cooldown_minutes: u32,
    /// A node that saves less stays. Default 5 dollars a month: below that the
    /// evictions cost more than they bring.
    pub min_saving_per_month: MicroUsdPerMonth,
    /// CPU and memory that stay free on the nodes that remain, in percent of
    /// what they have. Default 5: room for a rollout's surge. 0 to 90.
    pub headroom_percent: u32,
    /// Most of a workload's pods that may end on one node by our moves, in
    /// percent, rounded up. Default 50: one node's loss leaves the other half.
    /// 1 to 100.
    pub max_workload_share_percent: u32,
    /// Most of a workload's pods that may end in one zone by our moves, in
    /// percent, rounded up. Default 100, any number: zones are what spreads over
    /// topology are for; 50 keeps half of each workload when a zone fails. 1 to
    /// 100.
    pub max_workload_zone_share_percent: u32,
    /// Room that stays for pods that are not there yet, by pool and zone, beside
    /// `headroom_percent`. Default none.
    pub headroom: Vec<Headroom>,
    /// Most nodes of a cluster that one plan removes. Default 100.
    pub max_nodes: u32,
    /// What one moved pod costs, for as long as its saving lasts: of two plans
    /// the one goes ahead that saves more above this. Default 119 micro-dollars
    /// an hour: two cents for an eviction, over a week.
    pub price_per_move: MicroUsdPerHour,
    /// Most pods that a wave of a migration evicts before it waits for all of
    /// them to be ready again. Default 10: as many as the cluster autoscaler
    /// takes nodes down side by side (`--max-scale-down-parallelism`). 1 or more.
    pub max_evictions_in_flight: u32,
    /// Most of a pool's nodes, in percent and rounded up, that a wave empties
    /// side by side, with those that are out of service for any other reason.
    /// Default 10: Karpenter's default budget, and what the guards
    /// permit ([`pool_percent`](crate::guard::Limits::pool_percent)). 1 to 100.
    pub max_disrupted_percent: u32,
    /// Most cordons for the time of a wave that a migration of one cluster may
    /// take to leave the scheduler one node to choose. When it would take more,
    /// the waves are looked at before instead, and some may not go. Default 20:
    /// our choice, for every one is two calls.
    pub max_temporary_cordons: u32,
    /// Whether pods of nodes that stay may be moved, too, where that makes room for
    /// nodes to go. Such a node is closed while they leave, and opened again; of
    /// both ways the one goes ahead that is worth more, carried out. Default true.
    pub moves_from_kept: bool,
    /// Who can be asked to launch nodes: only the host knows for which owners it
    /// has an actuator that can. Default nobody: then pods move onto nodes that
    /// are there, and nothing is launched.
    pub launch_through: BTreeSet<LaunchThrough>,
    /// Most nodes beyond those of before that may be there at once while a
    /// migration launches and empties nodes, in percent of the cluster's nodes
    /// and rounded up. Default 10: the surge of AKS's node upgrades. 1 to 100.
    pub max_surge_percent: u32,
    /// Room for launches that the account does not tell.
    pub stated_room: StatedRoom,
    /// What a node costs beside its list price: its root volume, its public
    /// address, licences. Counted for each priced node, those that are there and
    /// those that are launched. Default 0: list prices alone; a root volume of
    /// 20 GiB (gp3) and a public IPv4 address are about 7,200 micro-dollars.
    pub extra_per_node: MicroUsdPerHour,
    /// What one node more or less of an offering really costs, where that is not
    /// its price: 0 for what a Savings Plan or a reservation pays for anyway,
    /// until that is used elsewhere. It is used for what a plan saves and costs,
    /// and for the bound. Default none: the price, less what the account's
    /// commitments pay for beyond its other use.
    pub marginal_prices: Vec<OfferingPrice>,
    /// States that no Savings Plan or reservation pays for nodes, where the
    /// account does not list any. Default false: decisions say that it is not
    /// known.
    pub assume_no_commitments: bool,
    /// Most vCPUs of a node that is launched: with few giant nodes the loss of
    /// one is a large part of a cluster. Default 64: kubelets take 110 pods by
    /// default, which at half a CPU each are 55.
    pub max_node_vcpus: u32,
    /// Fewest nodes in service that a plan with launches leaves, if there are as
    /// many before. Default 3: one in each of three zones, as EKS's guide to
    /// reliability has it.
    pub min_nodes: u32,
    /// How much of a workload may stand on spot by our moves, in percent of its
    /// pods, rounded down; never more than can be lost at once, nor pods of
    /// workloads that are [not suitable](crate::engines::spot). Default 0: nothing
    /// is launched on spot, and nodes on spot that are there take what the
    /// scheduler lets them take. With more, no pod comes to any node on spot beyond
    /// it, and none leaves its node that the scheduler could bring there.
    pub spot_percent: u32,
    /// The same for single workloads.
    pub spot_percent_of: Vec<SpotPercent>,
    /// What an hour on spot costs with the risk of each pool in it, as the spot
    /// engine's reasons tell (`risk_adjusted`). Nothing else is launched on spot:
    /// a price alone says nothing of interruptions. What is above the price is
    /// the risk, and no risk is one that is not known. Default none.
    pub spot_prices: Vec<OfferingPrice>,
    /// When `spot_prices` held. Prices of unknown age are not used.
    pub spot_prices_as_of: Option<DateTime<Utc>>,
    /// Hours that they may be old, at least 1; older ones are not used, and asked
    /// for anew. Default 24, what the spot engine asks of a price.
    pub max_spot_price_age_hours: u32,
    /// What it costs that a pod stands where it would rather not: preferred
    /// affinities, `PreferNoSchedule` taints and `ScheduleAnyway` spreads. None of
    /// them forbids a place; of two plans the one goes ahead that saves more above
    /// this, and a node that saves less than its pods' moves add to it stays.
    /// Default 0: they are ignored. 0 to 10 dollars an hour each.
    pub preferences: PreferencePrices,
    /// What a move may lose.
    pub moves: MovePolicy,
}

/// The most that one broken preference, or a point of its weight, may cost.
const MOST_PER_PREFERENCE: MicroUsdPerHour = MicroUsdPerHour(10_000_000);

impl Default for Config {
    fn default() -> Self {
        Self {
            min_node_age_minutes: 30,
            cooldown_minutes: 30,
            min_saving_per_month: MicroUsdPerMonth(5_000_000),
            headroom_percent: 5,
            max_workload_share_percent: 50,
            max_workload_zone_share_percent: 100,
            headroom: Vec::new(),
            max_nodes: 100,
            price_per_move: MicroUsdPerHour(119),
            max_evictions_in_flight: 10,
            max_disrupted_percent: 10,
            max_temporary_cordons: 20,
            moves_from_kept: true,
            launch_through: BTreeSet::new(),
            max_surge_percent: 10,
            stated_room: StatedRoom::default(),
            extra_per_node: MicroUsdPerHour::ZERO,
            marginal_prices: Vec::new(),
            assume_no_commitments: false,
            max_node_vcpus: 64,
            min_nodes: 3,
            spot_percent: 0,
            spot_percent_of: Vec::new(),
            spot_prices: Vec::new(),
            spot_prices_as_of: None,
            max_spot_price_age_hours: MAX_SPOT_PRICE_AGE_HOURS,
            preferences: PreferencePrices::default(),
            moves: MovePolicy::default(),
        }
    }
}

impl Config {
    /// Sets the headroom in percent.
    #[must_use]
    pub const fn with_headroom_percent(mut self, percent: u32) -> Self {
        self.headroom_percent = percent;
        self
    }

    /// Sets the least saving of a node.
    #[must_use]
    pub const fn with_min_saving_per_month(mut self, saving: MicroUsdPerMonth) -> Self {
        self.min_saving_per_month = saving;
        self
    }

    /// Sets the age below which a node stays, and the pause after a disruption.
    #[must_use]
    pub const fn with_quiet_minutes(mut self, age: u32, cooldown: u32) -> Self {
        self.min_node_age_minutes = age;
        self.cooldown_minutes = cooldown;
        self
    }

    /// Sets the most of a workload's pods that may end on one node.
    #[must_use]
    pub const fn with_max_workload_share_percent(mut self, percent: u32) -> Self {
        self.max_workload_share_percent = percent;
        self
    }

    /// Sets the most of a workload's pods that may end in one zone.
    #[must_use]
    pub const fn with_max_workload_zone_share_percent(mut self, percent: u32) -> Self {
        self.max_workload_zone_share_percent = percent;
        self
    }

    /// Sets the room for pods that are not there yet.
    #[must_use]
    pub fn with_headroom(mut self, headroom: Vec<Headroom>) -> Self {
        self.headroom = headroom;
        self
    }

    /// Sets what one moved pod costs.
    #[must_use]
    pub const fn with_price_per_move(mut self, price: MicroUsdPerHour) -> Self {
        self.price_per_move = price;
        self
    }

    /// Sets the most pods that a wave evicts at once.
    #[must_use]
    pub const fn with_max_evictions_in_flight(mut self, pods: u32) -> Self {
        self.max_evictions_in_flight = pods;
        self
    }

    /// Sets the most of a pool, in percent, that a wave empties side by side.
    #[must_use]
    pub const fn with_max_disrupted_percent(mut self, percent: u32) -> Self {
        self.max_disrupted_percent = percent;
        self
    }

    /// Sets the most cordons for the time of a wave.
    #[must_use]
    pub const fn with_max_temporary_cordons(mut self, cordons: u32) -> Self {
        self.max_temporary_cordons = cordons;
        self
    }

    /// Sets whether pods of nodes that stay may be moved.
    #[must_use]
    pub const fn with_moves_from_kept(mut self, moves: bool) -> Self {
        self.moves_from_kept = moves;
        self
    }

    /// Sets who can be asked to launch nodes.
    #[must_use]
    pub fn with_launch_through(mut self, owners: impl IntoIterator<Item = LaunchThrough>) -> Self {
        self.launch_through = owners.into_iter().collect();
        self
    }

    /// Sets how many nodes beyond those of before may be there at once.
    #[must_use]
    pub const fn with_max_surge_percent(mut self, percent: u32) -> Self {
        self.max_surge_percent = percent;
        self
    }

    /// Sets what one node more or less of some offerings really costs.
    #[must_use]
    pub fn with_marginal_prices(mut self, prices: Vec<OfferingPrice>) -> Self {
        self.marginal_prices = prices;
        self
    }

    /// States whether no commitment pays for nodes where none is listed.
    #[must_use]
    pub const fn with_assume_no_commitments(mut self, none: bool) -> Self {
        self.assume_no_commitments = none;
        self
    }

    /// Sets the most vCPUs of a launched node, and the fewest nodes that a plan
    /// with launches leaves.
    #[must_use]
    pub const fn with_concentration(mut self, max_node_vcpus: u32, min_nodes: u32) -> Self {
        self.max_node_vcpus = max_node_vcpus;
        self.min_nodes = min_nodes;
        self
    }

    /// Sets what broken soft preferences cost.
    #[must_use]
    pub const fn with_preferences(mut self, preferences: PreferencePrices) -> Self {
        self.preferences = preferences;
        self
    }

    /// Sets how much of a workload may stand on spot.
    #[must_use]
    pub const fn with_spot_percent(mut self, percent: u32) -> Self {
        self.spot_percent = percent;
        self
    }

    /// Sets how much of one workload may stand on spot.
    #[must_use]
    pub fn with_spot_percent_of(mut self, workload: WorkloadRef, percent: u32) -> Self {
        self.spot_percent_of.push(SpotPercent { workload, percent });
        self
    }

    /// Sets what an hour on spot costs with its risk, and when that held.
    #[must_use]
    pub fn with_spot_prices(mut self, prices: Vec<OfferingPrice>, as_of: DateTime<Utc>) -> Self {
        self.spot_prices = prices;
        self.spot_prices_as_of = Some(as_of);
        self
    }

    /// Sets how old, in hours, the prices on spot may be.
    #[must_use]
    pub const fn with_max_spot_price_age_hours(mut self, hours: u32) -> Self {
        self.max_spot_price_age_hours = hours;
        self
    }

    pub(super) fn spot(&self) -> Spot<'_> {
        Spot {
            percent: self.spot_percent,
            percent_of: &self.spot_percent_of,
            prices: &self.spot_prices,
            as_of: self.spot_prices_as_of,
            max_age_hours: self.max_spot_price_age_hours,
        }
    }

    /// Sets what a node costs beside its list price.
    #[must_use]
    pub const fn with_extra_per_node(mut self, extra: MicroUsdPerHour) -> Self {
        self.extra_per_node = extra;
        self
    }

    /// Sets the room for launches that the account does not tell.
    #[must_use]
    pub fn with_stated_room(mut self, room: StatedRoom) -> Self {
        self.stated_room = room;
        self
    }

    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`EngineError::BadSetting`] with the setting, its range and its value.
    pub fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| EngineError::BadSetting {
            engine: EngineId::BinPacking,
            message,
        };
        if self.headroom_percent > 90 {
            let got = self.headroom_percent;
            return Err(bad(format!(
                "headroom_percent must be from 0 to 90, got {got}"
            )));
        }
        if !(1..=100).contains(&self.max_workload_share_percent) {
            let got = self.max_workload_share_percent;
            return Err(bad(format!(
                "max_workload_share_percent must be from 1 to 100, got {got}"
            )));
        }
        if !(1..=100).contains(&self.max_workload_zone_share_percent) {
            let got = self.max_workload_zone_share_percent;
            return Err(bad(format!(
                "max_workload_zone_share_percent must be from 1 to 100, got {got}"
            )));
        }
        let odd = |h: &&Headroom| !(1..=1_000).contains(&h.pods);
        if let Some(Headroom { pods, .. }) = self.headroom.iter().find(odd) {
            return Err(bad(format!(
                "headroom must be for 1 to 1000 pods each, got {pods}"
            )));
        }
        if self.min_saving_per_month < MicroUsdPerMonth::ZERO {
            let got = self.min_saving_per_month;
            return Err(bad(format!(
                "min_saving_per_month must not be negative, got {got}"
            )));
        }
        if self.max_evictions_in_flight == 0 {
            return Err(bad(
                "max_evictions_in_flight must be 1 or more, got 0".to_owned()
            ));
        }
        if !(1..=100).contains(&self.max_disrupted_percent) {
            let got = self.max_disrupted_percent;
            return Err(bad(format!(
                "max_disrupted_percent must be from 1 to 100, got {got}"
            )));
        }
        if !(1..=100).contains(&self.max_surge_percent) {
            let got = self.max_surge_percent;
            return Err(bad(format!(
                "max_surge_percent must be from 1 to 100, got {got}"
            )));
        }
        if self.max_node_vcpus == 0 {
            return Err(bad("max_node_vcpus must be 1 or more, got 0".to_owned()));
        }
        let negative = |p: &&OfferingPrice| p.per_hour < MicroUsdPerHour::ZERO;
        if let Some(price) = self.marginal_prices.iter().find(negative) {
            let (got, of) = (price.per_hour, &price.instance_type);
            return Err(bad(format!(
                "marginal_prices must not be negative, got {got} for {of}"
            )));
        }
        if self.extra_per_node < MicroUsdPerHour::ZERO {
            let got = self.extra_per_node;
            return Err(bad(format!(
                "extra_per_node must not be negative, got {got}"
            )));
        }
        if self.price_per_move < MicroUsdPerHour::ZERO {
            let got = self.price_per_move;
            return Err(bad(format!(
                "price_per_move must not be negative, got {got}"
            )));
        }
        let PreferencePrices {
            per_weight,
            per_taint,
            per_spread,
        } = self.preferences;
        let prices = [
            ("per_weight", per_weight),
            ("per_taint", per_taint),
            ("per_spread", per_spread),
        ];
        let most = MOST_PER_PREFERENCE;
        for (name, got) in prices {
            if !(MicroUsdPerHour::ZERO..=most).contains(&got) {
                return Err(bad(format!(
                    "preferences.{name} must be from 0 to {most}, got {got}"
                )));
            }
        }
        self.spot().validate()
    }
}
