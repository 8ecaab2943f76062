//! What may come to spot: how much of each workload, and at what price.

use super::Config;
use super::fleet::Buys;
use super::headroom::is_placeholder;
use crate::decision::MissingEvidence;
use crate::engines::{EngineError, EngineId, Inputs, spot};
use crate::model::{
    CapacityType, Cluster, MicroUsdPerHour, Node, NodeName, OfferingPrice, OwnerIndex, Pod, Uid,
    WorkloadRef, ZoneId,
};
use crate::scheduling::movability::{Movers, node_protections};
use crate::scheduling::{Movability, Refusal};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How much of one workload may stand on spot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SpotPercent {
    /// Workload.
    pub workload: WorkloadRef,
    /// Percent of its pods, 0 to 100.
    pub percent: u32,
}

/// What the spot engine's `max_price_age_hours` is by default.
pub(super) const MAX_SPOT_PRICE_AGE_HOURS: u32 = 24;

/// Shares and prices of spot, as settings have them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'s> {
    pub(super) percent: u32,
    pub(super) percent_of: &'s [SpotPercent],
    pub(super) prices: &'s [OfferingPrice],
    pub(super) as_of: Option<DateTime<Utc>>,
    pub(super) max_age_hours: u32,
}

impl Spot<'_> {
    pub(super) fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| {
            Err(EngineError::BadSetting {
                engine: EngineId::BinPacking,
                message,
            })
        };
        if self.percent > 100 {
            let got = self.percent;
            return bad(format!("spot_percent must be from 0 to 100, got {got}"));
        }
        if let Some(of) = self.percent_of.iter().find(|of| of.percent > 100) {
            return bad(format!(
                "spot_percent_of {} must be from 0 to 100, got {}",
                of.workload, of.percent
            ));
        }
        for price in self.prices {
            let of = &price.instance_type;
            if price.capacity_type != CapacityType::Spot {
                let got = price.capacity_type;
                return bad(format!("spot_prices of {of} must be of spot, got {got:?}"));
            }
            if price.per_hour <= MicroUsdPerHour::ZERO {
                let got = price.per_hour;
                return bad(format!("spot_prices of {of} must be above 0, got {got}"));
            }
        }
        if self.max_age_hours == 0 {
            return bad("max_spot_price_age_hours must be at least 1, got 0".to_owned());
        }
        Ok(())
    }

    /// What is missing where prices are stated that are too old to be used, or of
    /// unknown age, though something may come to spot.
    pub(super) fn stale(&self, now: DateTime<Utc>) -> Option<MissingEvidence> {
        let used = self.is_wanted() && !self.prices.is_empty();
        (used && self.is_old(now)).then(|| MissingEvidence::Newer {
            of: "spot prices with their risk".to_owned(),
            as_of: self.as_of,
            max_age_hours: self.max_age_hours,
        })
    }

    /// Whether prices are older than they may be, or of unknown age.
    fn is_old(&self, now: DateTime<Utc>) -> bool {
        let most = TimeDelta::hours(i64::from(self.max_age_hours));
        self.as_of.is_none_or(|at| now - at > most)
    }

    /// Whether anything may come to spot.
    pub(super) fn is_wanted(&self) -> bool {
        self.percent > 0 || self.percent_of.iter().any(|of| of.percent > 0)
    }

    pub(super) fn percent_of(&self, workload: &WorkloadRef) -> u32 {
        let mut own = self.percent_of.iter();
        let own = own.find(|of| of.workload == *workload);
        own.map_or(self.percent, |of| of.percent)
    }

    /// The price of a pool with its risk; that of the zone before that of all.
    /// `None` where none is stated, and where it is too old by `now`.
    pub(super) fn price(
        &self,
        instance_type: &str,
        zone: &ZoneId,
        now: DateTime<Utc>,
    ) -> Option<MicroUsdPerHour> {
        // A group may keep nodes on spot though nothing may come there.
        if self.is_old(now) {
            return None;
        }
        let of_type = |p: &&OfferingPrice| p.instance_type.as_str() == instance_type;
        let of_zone = |at: Option<&ZoneId>| {
            let mut prices = self.prices.iter().filter(of_type);
            prices.find(|p| p.zone_id.as_ref() == at)
        };
        let found = of_zone(Some(zone)).or_else(|| of_zone(None));
        found.map(|price| price.per_hour)
    }
}

/// Which pods may come to spot. Where nothing may, by the settings, nothing is
/// launched there, and what the scheduler's rules allow holds for the rest.
#[derive(Debug, Clone, Default)]
pub(super) struct OnSpot {
    is_counted: bool,
    nodes: BTreeSet<NodeName>,
    most: BTreeMap<WorkloadRef, u32>,
    /// How many more of a workload's pods may come.
    room: BTreeMap<WorkloadRef, u32>,
    /// Those of them that may.
    may: BTreeSet<Uid>,
}

impl OnSpot {
    /// Pods on spot count, and those that wait or are made anew: where these come
    /// to is the scheduler's choice. Of the others, those that can leave their
    /// node first, the first by node and name may come, so that they leave few.
    pub(super) fn new(
        config: &Config,
        inputs: &Inputs<'_>,
        cluster: &Cluster,
        owners: &OwnerIndex,
    ) -> Self {
        let settings = config.spot();
        if !settings.is_wanted() {
            return Self::default();
        }
        let mut on_spot = Self {
            is_counted: true,
            ..Self::default()
        };
        for node in cluster.nodes.items() {
            on_spot.came(node);
        }
        let mut pods: BTreeMap<WorkloadRef, Vec<&Pod>> = BTreeMap::new();
        let all = cluster.pods.items().iter();
        for pod in all.filter(|p| !p.is_finished() && !is_placeholder(p)) {
            pods.entry(owners.top(pod)).or_default().push(pod);
        }
        let stays = stays(config, inputs, cluster);
        let spot = &inputs.policy.spot;
        for (workload, suitable) in spot::most_on_spot(spot, inputs.policy, cluster) {
            let Some(pods) = pods.remove(&workload) else {
                continue;
            };
            let percent = u64::from(settings.percent_of(&workload));
            let count = u64::try_from(pods.len()).unwrap_or(u64::MAX);
            let share = u32::try_from(count.saturating_mul(percent) / 100);
            let most = share.unwrap_or(u32::MAX).min(suitable);
            on_spot.let_come(workload, pods, most, &stays);
        }
        on_spot
    }

    fn let_come(
        &mut self,
        workload: WorkloadRef,
        mut pods: Vec<&Pod>,
        most: u32,
        stays: impl Fn(&Pod) -> bool,
    ) {
        let all = pods.len();
        pods.retain(|pod| self.counts(pod));
        let there = u32::try_from(all - pods.len()).unwrap_or(u32::MAX);
        let room = most.saturating_sub(there);
        pods.sort_by_cached_key(|pod| {
            let (node, name) = (pod.node().cloned(), pod.meta.name.clone());
            (stays(pod), node, name)
        });
        let first = usize::try_from(room).unwrap_or(usize::MAX);
        let may = pods.iter().take(first).map(|pod| pod.meta.uid.clone());
        self.may.extend(may);
        self.most.insert(workload.clone(), most);
        self.room.insert(workload, room);
    }

    /// Takes note of a node.
    pub(super) fn came(&mut self, node: &Node) {
        if self.is_counted && node.capacity_type() == Some(CapacityType::Spot) {
            self.nodes.insert(node.name());
        }
    }

    /// What may be bought for a pod. One that is on spot stays there, and where
    /// one goes that waits is not ours to say.
    pub(super) fn buys(&self, pod: &Pod) -> Buys {
        if self.counts(pod) && !self.may.contains(&pod.meta.uid) {
            Buys::OnDemand
        } else {
            Buys::Any
        }
    }

    /// Whether a pod stands where it would leave on demand for spot.
    pub(super) fn counts(&self, pod: &Pod) -> bool {
        let elsewhere = |node: &NodeName| !self.nodes.contains(node);
        self.is_counted && !pod.is_terminating() && pod.node().is_some_and(elsewhere)
    }

    /// How many of a workload's pods that are not on spot may come to it.
    pub(super) fn room(&self, workload: &WorkloadRef) -> u32 {
        self.room.get(workload).copied().unwrap_or(0)
    }

    /// The most of a workload's pods on spot.
    pub(super) fn most(&self, workload: &WorkloadRef) -> u32 {
        self.most.get(workload).copied().unwrap_or(0)
    }

    /// Why a pod may not come to a node.
    pub(super) fn refuses(
        &self,
        pod: &Pod,
        workload: &WorkloadRef,
        to: &NodeName,
    ) -> Option<Refusal> {
        let refused = self.nodes.contains(to) && self.buys(pod) == Buys::OnDemand;
        refused.then(|| Refusal::OnDemandShare {
            of: workload.clone(),
            max: self.most(workload),
        })
    }
}

/// Whether a pod or its node is kept where it is, whatever else moves.
fn stays<'s>(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &'s Cluster,
) -> impl Fn(&Pod) -> bool + 's {
    let now = inputs.now();
    let movers = Movers::new(cluster, now, config.moves.clone());
    let nodes = cluster.nodes.items().iter();
    let kept = nodes.filter(|node| !node_protections(node, now).is_empty());
    let kept: BTreeSet<NodeName> = kept.map(Node::name).collect();
    move |pod| {
        let kept = pod.node().is_some_and(|node| kept.contains(node));
        kept || !matches!(movers.judge(pod), Movability::Moves)
    }
}
