//! The cheapest set of nodes for a cluster's pods, were there none yet.

mod kinds;
mod minimum;
mod paid;
mod price;
mod purchase;
mod room;
mod search;
mod settle;

pub use minimum::{BoughtFor, GroupMinimum};
pub use price::{LimitPrice, LimitPrices, MinimumPrice, limit_prices};
pub use purchase::Purchase;

use super::fleet::{Buys, Launchable, Shares, fresh};
use super::headroom::lay;
use super::limits::{LaunchLimit, Limits, Uses};
use super::share::Share;
use super::solver::{Effort, ProblemError, Stopped};
use super::trial::named;
use super::{Config, cluster_of, missing};
use crate::decision::{MissingEvidence, Offering, Owner};
use crate::engines::{EngineError, EngineId, Inputs};
use crate::model::{
    Cloud, Cluster, ClusterUid, MicroUsdPerHour, MicroUsdPerMonth, NamespacedName, NodeName,
    OwnerIndex, Pod, WorkloadRef, ZoneName,
};
use crate::scheduling::movability::Movers;
use crate::scheduling::{Movability, PodId, World};
use kinds::{Market, kinds};
use minimum::Minima;
use paid::Dearer;
use room::Rooms;
use search::Search;
use serde::{Deserialize, Serialize};
use settle::settle;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The cheapest nodes found for a cluster's pods, were there none yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GreenField {
    /// Cluster.
    pub cluster: ClusterUid,
    /// What its nodes cost now, those without a price left out.
    pub cost_now: MicroUsdPerHour,
    /// Nodes without a known price.
    pub unpriced: u64,
    /// What the new nodes cost.
    pub cost: MicroUsdPerHour,
    /// What it costs that pods stand on them where they would rather not, at the
    /// [prices](Config::preferences) that are set.
    #[serde(default, skip_serializing_if = "MicroUsdPerHour::is_zero")]
    pub preferences: MicroUsdPerHour,
    /// No set of nodes of these kinds holds the pods that fit some of them for
    /// less, `preferences` included.
    pub lower_bound: MicroUsdPerHour,
    /// Where the bound comes from.
    pub proof: String,
    /// The nodes.
    pub nodes: Vec<NewNode>,
    /// Pods that are on none, by reason.
    pub left: BTreeMap<Unhoused, Vec<NamespacedName>>,
    /// What they save against now; negative when they cost more. `None` when pods
    /// are left, groups have fewer nodes than they have to, or prices are not known:
    /// then the two are not about the same.
    pub saves_per_month: Option<MicroUsdPerMonth>,
    /// What is not known, and could change the answer.
    pub missing: BTreeSet<MissingEvidence>,
    /// Whether the work limit ended the search.
    pub work_limit: bool,
    /// Whether the [deadline](Inputs::deadline) did: how far it came by then depends
    /// on the machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// What the nodes take of each limit, and what a limit costs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitUse>,
    /// Limits of which the nodes take, and nobody knows how much there is: what is
    /// known instead. They hold nothing back here, unlike in plans, which launch
    /// nothing that needs them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "pairs")]
    pub limits_not_known: BTreeMap<LaunchLimit, String>,
    /// Groups that keep nodes whether pods need them or not, where nodes are bought
    /// [through them](Purchase::through).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minima: Vec<GroupMinimum>,
    /// What is known instead of all that the account has bought ahead. There may be
    /// capacity reservations then that cost as much now as they would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitments_not_known: Option<String>,
}

/// What new nodes take of a limit, and what it costs that there is no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LimitUse {
    /// The limit.
    pub limit: LaunchLimit,
    /// What they take: thousandths of a core, bytes, nodes, vCPUs or addresses.
    pub used: u64,
    /// How much there is for new nodes, with what the nodes of now hold.
    pub room: u64,
    /// The most that a node takes of it, of those that there are to buy.
    #[serde(default)]
    pub node_takes: u64,
    /// Whether it holds something back by the bound: cheaper nodes, or nodes at all.
    pub binds: bool,
    /// What all of it is worth at the price of its last unit: `worth / room` is
    /// what one unit more would save in an hour, were there parts of nodes.
    ///
    /// Zero where limits leave pods without a node, and where the bound, which buys
    /// parts of nodes, leaves some of it. Then it may hold a whole node back all the
    /// same, if less than [`Self::node_takes`] is left of it: what that costs is told
    /// by [`limit_prices`].
    pub worth: MicroUsdPerHour,
}

/// A map whose keys are no text, as a list of pairs.
mod pairs {
    use super::{BTreeMap, LaunchLimit};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<LaunchLimit, String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<LaunchLimit, String>, D::Error> {
        let pairs: Vec<(LaunchLimit, String)> = Vec::deserialize(from)?;
        Ok(pairs.into_iter().collect())
    }
}

/// A node to buy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewNode {
    /// Its name in this answer.
    pub name: NodeName,
    /// The kind, of those that are [`purchasable`].
    pub kind: String,
    /// Name of its zone.
    pub zone: ZoneName,
    /// Type, zone and capacity type.
    pub offering: Offering,
    /// Karpenter's pool whose labels and taints it has, where there are pools.
    pub pool: Option<String>,
    /// The group that gives it, where nodes are bought
    /// [through groups](Purchase::through).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Owner>,
    /// Price, with the policy's [`extra_per_node`](Config::extra_per_node), as in
    /// `cost_now`.
    pub price: MicroUsdPerHour,
    /// What it is bought for.
    #[serde(default)]
    pub bought_for: BoughtFor,
    /// Pods on it, DaemonSets' left out.
    pub pods: Vec<NamespacedName>,
}

/// Why a pod is on none of the new nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unhoused {
    /// A rule of it is no number here: a share of a device, a claim that others
    /// use, company or distance over another topology than nodes and zones.
    RuleWithoutNumber,
    /// No kind takes it, even empty: too large, other labels, taints, or zones.
    FitsNothing,
    /// Rules about who shares a node or a zone leave no place for it.
    Rules,
    /// A limit of a pool, a group, a quota, a subnet or a capacity reservation allows
    /// no more nodes that take it.
    Limit,
    /// The work limit came first.
    NoneFound,
}

impl fmt::Display for Unhoused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RuleWithoutNumber => "have rules that are no numbers here",
            Self::FitsNothing => "fit no kind of node",
            Self::Rules => "have no place by rules about others",
            Self::Limit => "are left without a node by limits",
            Self::NoneFound => "are left by the work limit",
        })
    }
}

/// Searches for the cheapest nodes that hold the pods of a cluster by every hard
/// rule of the scheduler, as if it had none yet: what a day zero would buy.
///
/// Pods that wait for a node count, those that end with theirs do not.
/// [`Headroom`](super::Headroom) and the largest share of a workload on a node
/// and in a zone are kept. Spreads count the zones in which the cluster has nodes
/// now. Limits of pools, vCPU quotas and the addresses of subnets hold, with all
/// that the cluster's nodes hold now; a limit that nobody knows holds nothing back
/// and is named ([`GreenField::limits_not_known`]).
///
/// A node in a capacity reservation costs nothing, for the reservation is paid
/// whether it is filled or not, unless
/// [its price is stated](Config::marginal_prices); there are as many as the
/// reservations of its type and zone have instances beside those of others, and more
/// of them cost their full price. Pools buy them that name `reserved` among their
/// capacity types. Where it is not known how many there are, or whether nodes on
/// demand fill them by themselves, none is bought so, and what is not known is
/// [named](GreenField::missing). The cluster's nodes of now that are in such
/// reservations cost as little.
///
/// Where nodes are bought [through groups](Purchase::through), each gives at most as
/// many as its maximum and at least as many as its minimum. Those of the minimum are
/// in the cost and in its bound, with or without pods, and say so
/// ([`NewNode::bought_for`], [`GreenField::minima`]); they are bought first, in the
/// order of the groups' names as far as limits leave room. Groups that are not asked,
/// or whose type is none of those to choose from, keep nothing here.
///
/// Each pod is put on its node once more by the scheduler's rules before the answer is
/// given.
///
/// # Errors
/// [`EngineError`] for settings out of range, a cluster that is not there, or
/// objects that contradict each other.
pub fn green_field(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    purchase: &Purchase,
    effort: &Effort,
) -> Result<GreenField, EngineError> {
    changed(config, inputs, cluster, purchase, effort, Change::None)
}

/// What is supposed to be otherwise.
#[derive(Debug, Clone, Copy)]
enum Change<'c> {
    None,
    /// There is more of a limit.
    More(&'c LaunchLimit, u64),
    /// A group keeps nothing.
    NoMinimum(&'c Owner),
}

/// The same with something changed.
fn changed(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    purchase: &Purchase,
    effort: &Effort,
    change: Change<'_>,
) -> Result<GreenField, EngineError> {
    config.validate()?;
    purchase.validate()?;
    let laid = inputs.laid();
    let found = cluster_of(&laid, cluster)?;
    let laid = lay(&config.headroom, found);
    let cluster = laid.as_ref();
    let mut out = GreenField {
        cluster: cluster.uid.clone(),
        ..GreenField::default()
    };
    let cloud = inputs.snapshot.cloud_of(cluster);
    let now = inputs.now();
    let mut limits = Limits::new(config, inputs, cluster, cloud).at_day_zero(cluster, now);
    if let Change::More(limit, amount) = change {
        limits.free(&Uses::from([(limit.clone(), amount)]));
    }
    out.commitments_not_known = commitments_not_known(config, cloud);
    for node in cluster.nodes.items() {
        let paid = limits.reservation_of(node, now);
        let price = match paid {
            Some(_) => inputs.reserved_price(cluster, node),
            None => inputs.node_price(cluster, node),
        };
        match price {
            Some(price) => out.cost_now += price,
            None => out.unpriced += 1,
        }
    }
    if let Some((part, state)) = missing(cluster) {
        out.missing.insert(MissingEvidence::Part { part, state });
    }
    let market = Market {
        config,
        inputs,
        cluster,
        purchase,
        limits: &limits,
    };
    let kinds = kinds(market, &mut out.missing);
    let world = World::new(cluster, &inputs.overlay.count_limits);
    let owners = OwnerIndex::new(cluster);
    let share = Share::new(cluster, &owners, config, inputs);
    let shares = Shares {
        share: &share,
        owners: &owners,
        preferences: config.preferences,
    };
    let wanted = wanted(inputs, config, cluster, &world, &owners, purchase);
    let launchables: Vec<Launchable> = kinds.iter().map(|k| k.launchable.clone()).collect();
    let mut fresh = fresh(&world, &wanted, &launchables, shares);
    let mut rooms = Rooms::new(&kinds, &limits);
    let lifted = match change {
        Change::NoMinimum(group) => Some(group),
        _ => None,
    };
    fresh.problem.purchase_limits = rooms.rows.clone();
    let minima = Minima::new(&kinds, lifted, &mut rooms);
    let search = Search {
        dearer: Dearer::new(&mut fresh.problem, &kinds, &rooms),
        fresh: &fresh,
        kinds: &kinds,
        effort,
        deadline: inputs.deadline,
    };
    let rest = std::mem::take(&mut rooms.rows);
    let found =
        search
            .run(&minima, rest)
            .map_err(|err: ProblemError| EngineError::Contradiction {
                engine: EngineId::BinPacking,
                message: err.to_string(),
            })?;
    let solution = &found.solution;
    (out.lower_bound, out.proof) = (found.lower_bound, found.proof.clone());
    out.work_limit = solution.proof.stopped == Stopped::WorkLimit;
    out.late = solution.proof.stopped == Stopped::Deadline;
    for pod in &fresh.left {
        out.leave(&world, *pod, Unhoused::RuleWithoutNumber);
    }
    settle(config, world, &fresh, &found, &kinds, &wanted, &mut out);
    minima.tell(&mut out);
    rooms.tell(solution, &mut out);
    let all_there = out.left.is_empty() && out.keeps_minima();
    let known = out.unpriced == 0 && all_there && out.missing.is_empty();
    out.saves_per_month = known.then(|| (out.cost_now - out.cost).per_month());
    Ok(out)
}

impl GreenField {
    /// What the new nodes cost, and broken preferences.
    pub fn total(&self) -> MicroUsdPerHour {
        self.cost + self.preferences
    }

    /// Pods that are on one of the nodes.
    pub fn placed(&self) -> u64 {
        let pods: usize = self.nodes.iter().map(|node| node.pods.len()).sum();
        u64::try_from(pods).unwrap_or(u64::MAX)
    }

    /// Whether every pod that some kind takes is on a node, and every group that is
    /// asked has as many nodes as it has to: only then the cost and its bound are
    /// about the same.
    pub fn is_whole(&self) -> bool {
        let beside = [Unhoused::RuleWithoutNumber, Unhoused::FitsNothing];
        self.left.keys().all(|why| beside.contains(why)) && self.keeps_minima()
    }

    /// Whether every group that is asked has as many nodes as it has to.
    pub fn keeps_minima(&self) -> bool {
        self.minima.iter().all(GroupMinimum::is_reached)
    }

    /// How many nodes there are of each kind, and what all of these cost.
    pub fn kinds(&self) -> BTreeMap<&Offering, (u64, MicroUsdPerHour)> {
        let mut kinds: BTreeMap<&Offering, (u64, MicroUsdPerHour)> = BTreeMap::new();
        for node in &self.nodes {
            let (count, cost) = kinds.entry(&node.offering).or_default();
            *count += 1;
            *cost += node.price;
        }
        kinds
    }

    fn leave(&mut self, world: &World<'_>, pod: PodId, why: Unhoused) {
        let name = world.pod(pod).map(named);
        self.left.entry(why).or_default().extend(name);
    }
}

impl fmt::Display for GreenField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.kinds();
        for (place, (offering, (count, _))) in kinds.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{count} × {offering}")?;
        }
        if kinds.is_empty() {
            f.write_str("no node")?;
        }
        let (pods, cost, now) = (self.placed(), self.cost, self.cost_now);
        write!(f, " for {pods} pods: {cost} instead of {now}")?;
        if self.preferences > MicroUsdPerHour::ZERO {
            write!(f, ", and {} for preferences broken", self.preferences)?;
        }
        write!(f, " (proven: at least {})", self.lower_bound)?;
        for (why, pods) in &self.left {
            let first = pods.first().map(ToString::to_string).unwrap_or_default();
            write!(f, "; {} pods {why}, such as {first}", pods.len())?;
        }
        if self.unpriced > 0 {
            write!(f, "; {} nodes of now have no known price", self.unpriced)?;
        }
        for of in self
            .limits
            .iter()
            .filter(|l| l.worth > MicroUsdPerHour::ZERO)
        {
            let (limit, used, room) = (&of.limit, of.used, of.room);
            write!(f, "; {limit} binds: {used} of {room} taken")?;
            write!(f, ", all of it worth {}", of.worth)?;
        }
        let told = |minimum: &&GroupMinimum| minimum.empty > 0 || !minimum.is_reached();
        for minimum in self.minima.iter().filter(told) {
            write!(f, "; {minimum}")?;
        }
        for missing in &self.missing {
            write!(f, "; missing: {missing}")?;
        }
        for (limit, state) in &self.limits_not_known {
            write!(f, "; room not known: {limit} ({state})")?;
        }
        if let Some(state) = &self.commitments_not_known {
            write!(f, "; commitments not known: {state}")?;
        }
        if self.late {
            f.write_str("; the deadline ended the search")?;
        }
        match self.saves_per_month {
            Some(saves) if saves < MicroUsdPerMonth::ZERO => write!(f, "; costs {}", -saves),
            Some(saves) => write!(f, "; saves {saves}"),
            None => f.write_str("; what that saves is not known"),
        }
    }
}

/// What [`green_field`] chooses from.
///
/// # Errors
/// As [`green_field`].
pub fn purchasable(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    purchase: &Purchase,
) -> Result<Vec<Launchable>, EngineError> {
    config.validate()?;
    purchase.validate()?;
    let laid = inputs.laid();
    let cluster = cluster_of(&laid, cluster)?;
    let cloud = inputs.snapshot.cloud_of(cluster);
    let limits = Limits::new(config, inputs, cluster, cloud);
    let market = Market {
        config,
        inputs,
        cluster,
        purchase,
        limits: &limits.at_day_zero(cluster, inputs.now()),
    };
    let kinds = kinds(market, &mut BTreeSet::new());
    Ok(kinds.into_iter().map(|kind| kind.launchable).collect())
}

/// What is known of what was bought ahead, where that is not all.
fn commitments_not_known(config: &Config, cloud: Option<&Cloud>) -> Option<String> {
    let listed = &cloud?.commitments;
    let stated = config.assume_no_commitments && listed.items().is_empty();
    (!stated && !listed.is_complete()).then(|| listed.to_string())
}

/// The pods that need a node, in order, each with what may be bought for it: the
/// first of each workload may stand on spot, as many as its share has room for.
fn wanted(
    inputs: &Inputs<'_>,
    config: &Config,
    cluster: &Cluster,
    world: &World<'_>,
    owners: &OwnerIndex,
    purchase: &Purchase,
) -> Vec<(PodId, Buys)> {
    let movers = Movers::new(cluster, inputs.now(), config.moves.clone());
    let needs_node = |pod: &Pod| {
        !matches!(
            movers.judge(pod),
            Movability::NotCounted
                | Movability::Stays { .. }
                | Movability::Leaving {
                    placed_again: false
                }
        )
    };
    let mut pods: BTreeMap<WorkloadRef, BTreeMap<NamespacedName, PodId>> = BTreeMap::new();
    for id in world.pods() {
        let Some(pod) = world.pod(id).filter(|pod| needs_node(pod)) else {
            continue;
        };
        pods.entry(owners.top(pod))
            .or_default()
            .insert(named(pod), id);
    }
    let mut wanted = Vec::new();
    for (workload, pods) in pods {
        let percent = u64::from(purchase.spot().percent_of(&workload));
        let count = u64::try_from(pods.len()).unwrap_or(u64::MAX);
        let on_spot = usize::try_from(count.saturating_mul(percent) / 100).unwrap_or(usize::MAX);
        let ids = pods.into_values().enumerate();
        wanted.extend(ids.map(|(place, id)| {
            let buys = if place < on_spot {
                Buys::Any
            } else {
                Buys::OnDemand
            };
            (id, buys)
        }));
    }
    wanted
}
