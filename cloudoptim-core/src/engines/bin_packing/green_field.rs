//! The cheapest set of nodes for a cluster's pods, were there none yet.

use super::fleet::{Buys, Fresh, Launchable, Shares, fresh};
use super::headroom::lay;
use super::share::Share;
use super::solver::{Effort, Problem, Solution, UnplacedReason, solve};
use super::trial::{leaves_again, named};
use super::{Config, cluster_of, missing};
use crate::catalog::{InstanceTypeInfo, NodeOverheads};
use crate::decision::{MissingEvidence, Offering};
use crate::engines::{EngineError, EngineId, Inputs};
use crate::model::{
    CapacityType, Cluster, ClusterUid, HOSTNAME_LABEL, InstanceType, MicroUsdPerHour,
    MicroUsdPerMonth, NamespacedName, Node, NodeName, NodePool, OfferingPrice, OwnerIndex, Pod,
    Resources, WorkloadRef, ZONE_ID_LABEL, ZoneId, ZoneName,
};
use crate::scheduling::capacity::{daemon_overhead, hypothetical_node, pool_allows};
use crate::scheduling::movability::Movers;
use crate::scheduling::{Movability, NodeId, PodId, World};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a green field may be made of.
///
/// ```
/// use cloudoptim_core::engines::bin_packing::Purchase;
///
/// let on_demand = Purchase::default();
/// assert_eq!(on_demand.spot_percent, 0);
/// let half_on_spot = Purchase::default().with_spot_percent(50);
/// # assert_eq!(half_on_spot.spot_percent, 50);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Purchase {
    /// Types to choose from. Empty: all with a price, of the architectures that
    /// the cluster's nodes have, burstable ones only where it has some, none
    /// larger than [`max_node_vcpus`](Config::max_node_vcpus).
    pub instance_types: BTreeSet<InstanceType>,
    /// How much of a workload may stand on spot, in percent of its pods, rounded
    /// down. Default 0: all on demand. With 100 each pod takes what is cheaper.
    pub spot_percent: u32,
    /// The same for single workloads.
    pub spot_percent_of: Vec<SpotPercent>,
    /// What an hour on spot costs with the risk of each pool in it. Nothing else
    /// is bought on spot: a price alone says nothing of interruptions.
    pub spot_prices: Vec<OfferingPrice>,
}

/// How much of one workload may stand on spot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpotPercent {
    /// Workload.
    pub workload: WorkloadRef,
    /// Percent of its pods, 0 to 100.
    pub percent: u32,
}

impl Purchase {
    /// Sets [`Self::instance_types`].
    #[must_use]
    pub fn with_instance_types(mut self, types: impl IntoIterator<Item = InstanceType>) -> Self {
        self.instance_types = types.into_iter().collect();
        self
    }

    /// Sets [`Self::spot_percent`].
    #[must_use]
    pub const fn with_spot_percent(mut self, percent: u32) -> Self {
        self.spot_percent = percent;
        self
    }

    /// Sets [`Self::spot_percent_of`] one workload.
    #[must_use]
    pub fn with_spot_percent_of(mut self, workload: WorkloadRef, percent: u32) -> Self {
        self.spot_percent_of.push(SpotPercent { workload, percent });
        self
    }

    /// Sets [`Self::spot_prices`].
    #[must_use]
    pub fn with_spot_prices(mut self, prices: Vec<OfferingPrice>) -> Self {
        self.spot_prices = prices;
        self
    }

    fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| {
            Err(EngineError::BadSetting {
                engine: EngineId::BinPacking,
                message,
            })
        };
        if self.spot_percent > 100 {
            let got = self.spot_percent;
            return bad(format!("spot_percent must be from 0 to 100, got {got}"));
        }
        if let Some(of) = self.spot_percent_of.iter().find(|of| of.percent > 100) {
            return bad(format!(
                "spot_percent_of {} must be from 0 to 100, got {}",
                of.workload, of.percent
            ));
        }
        for price in &self.spot_prices {
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
        Ok(())
    }

    fn percent_of(&self, workload: &WorkloadRef) -> u32 {
        let mut own = self.spot_percent_of.iter();
        let own = own.find(|of| of.workload == *workload);
        own.map_or(self.spot_percent, |of| of.percent)
    }

    fn spot_price(&self, instance_type: &str, zone: &ZoneId) -> Option<MicroUsdPerHour> {
        let of_type = |p: &&OfferingPrice| p.instance_type.as_str() == instance_type;
        let of_zone = |at: Option<&ZoneId>| {
            let mut prices = self.spot_prices.iter().filter(of_type);
            prices.find(|p| p.zone_id.as_ref() == at)
        };
        let found = of_zone(Some(zone)).or_else(|| of_zone(None));
        found.map(|price| price.per_hour)
    }
}

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
    /// No set of nodes of these kinds holds the pods that fit some of them for
    /// less.
    pub lower_bound: MicroUsdPerHour,
    /// Where the bound comes from.
    pub proof: String,
    /// The nodes.
    pub nodes: Vec<NewNode>,
    /// Pods that are on none, by reason.
    pub left: BTreeMap<Unhoused, Vec<NamespacedName>>,
    /// What they save against now; negative when they cost more. `None` when pods
    /// are left or prices are not known: then the two are not about the same.
    pub saves_per_month: Option<MicroUsdPerMonth>,
    /// What is not known, and could change the answer.
    pub missing: BTreeSet<MissingEvidence>,
    /// Whether the work limit ended the search.
    pub work_limit: bool,
}

/// A node to buy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewNode {
    /// Its name in this answer.
    pub name: NodeName,
    /// Type, zone and capacity type.
    pub offering: Offering,
    /// Karpenter's pool whose labels and taints it has, where there are pools.
    pub pool: Option<String>,
    /// Price, with [`extra_per_node`](Config::extra_per_node).
    pub price: MicroUsdPerHour,
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
    /// The work limit came first.
    NoneFound,
}

impl fmt::Display for Unhoused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RuleWithoutNumber => "have rules that are no numbers here",
            Self::FitsNothing => "fit no kind of node",
            Self::Rules => "have no place by rules about others",
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
/// now. Limits of pools, groups, quotas and subnets are left out. Each pod is put
/// on its node once more by the scheduler's rules before the answer is given.
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
    for node in cluster.nodes.items() {
        match inputs.node_price(cluster, node) {
            Some(price) => out.cost_now += price,
            None => out.unpriced += 1,
        }
    }
    if let Some((part, state)) = missing(cluster) {
        out.missing.insert(MissingEvidence::Part { part, state });
    }
    let kinds = kinds(config, inputs, cluster, purchase, &mut out.missing);
    let world = World::new(cluster, &inputs.overlay.count_limits);
    let owners = OwnerIndex::new(cluster);
    let share = Share::new(cluster, &owners, config);
    let shares = Shares {
        share: &share,
        owners: &owners,
    };
    let wanted = wanted(inputs, config, cluster, &world, &owners, purchase);
    let launchables: Vec<Launchable> = kinds.iter().map(|k| k.launchable.clone()).collect();
    let fresh = fresh(&world, &wanted, &launchables, shares);
    let contradiction = |err: super::solver::ProblemError| EngineError::Contradiction {
        engine: EngineId::BinPacking,
        message: err.to_string(),
    };
    let solution = solve(&fresh.problem, effort).map_err(contradiction)?;
    (out.lower_bound, out.proof) = bound(&fresh, &solution, effort).map_err(contradiction)?;
    out.work_limit = solution.proof.stopped == super::solver::Stopped::WorkLimit;
    for pod in &fresh.left {
        out.leave(&world, *pod, Unhoused::RuleWithoutNumber);
    }
    settle(world, &fresh, &solution, &kinds, &mut out);
    let known = out.unpriced == 0 && out.left.is_empty() && out.missing.is_empty();
    out.saves_per_month = known.then(|| (out.cost_now - out.cost).per_month());
    Ok(out)
}

impl GreenField {
    /// Pods that are on one of the nodes.
    pub fn placed(&self) -> u64 {
        let pods: usize = self.nodes.iter().map(|node| node.pods.len()).sum();
        u64::try_from(pods).unwrap_or(u64::MAX)
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
        write!(f, " (proven: at least {})", self.lower_bound)?;
        for (why, pods) in &self.left {
            let first = pods.first().map(ToString::to_string).unwrap_or_default();
            write!(f, "; {} pods {why}, such as {first}", pods.len())?;
        }
        if self.unpriced > 0 {
            write!(f, "; {} nodes of now have no known price", self.unpriced)?;
        }
        for missing in &self.missing {
            write!(f, "; missing: {missing}")?;
        }
        match self.saves_per_month {
            Some(saves) if saves < MicroUsdPerMonth::ZERO => write!(f, "; costs {}", -saves),
            Some(saves) => write!(f, "; saves {saves}"),
            None => f.write_str("; what that saves is not known"),
        }
    }
}

/// A kind of node that can be bought, and what it is called.
struct NewKind {
    launchable: Launchable,
    instance_type: InstanceType,
    capacity_type: CapacityType,
    pool: Option<String>,
}

/// What can be bought.
fn kinds(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    purchase: &Purchase,
    missing: &mut BTreeSet<MissingEvidence>,
) -> Vec<NewKind> {
    let nodes = cluster.nodes.items();
    let info_of = |node: &Node| inputs.catalog.instance_type(node.instance_type()?);
    let now: Vec<&InstanceTypeInfo> = nodes.iter().filter_map(info_of).collect();
    let runs = |info: &InstanceTypeInfo| {
        let alike = now.iter().any(|n| n.architecture == info.architecture);
        alike && (!info.burstable || now.iter().any(|n| n.burstable))
    };
    let named = &purchase.instance_types;
    let wanted = |info: &&InstanceTypeInfo| {
        let chosen = match named.is_empty() {
            true => runs(info),
            false => named.contains(&info.name),
        };
        chosen && !info.mac && info.vcpu <= config.max_node_vcpus
    };
    let zones = zones(inputs, cluster);
    if zones.is_empty() {
        missing.insert(MissingEvidence::Part {
            part: "zones".to_owned(),
            state: "no node and no zone of the region is known".to_owned(),
        });
    }
    let pools = cluster.node_pools.items().iter();
    let pools: Vec<&NodePool> = pools.filter(|p| p.meta.deleted_at.is_none()).collect();
    let templates: Vec<Option<&NodePool>> = match pools.as_slice() {
        [] => vec![None],
        pools => pools.iter().map(|pool| Some(*pool)).collect(),
    };
    let mut kinds = Vec::new();
    for info in inputs.catalog.instance_types().filter(wanted) {
        for pool in &templates {
            for capacity_type in [CapacityType::OnDemand, CapacityType::Spot] {
                let asked = (inputs, cluster, purchase);
                let kind = kind(asked, info, *pool, capacity_type, &zones);
                kinds.extend(kind);
            }
        }
    }
    kinds
}

/// Zones in which the cluster has nodes, or all of its region when it has none.
fn zones(inputs: &Inputs<'_>, cluster: &Cluster) -> Vec<(ZoneName, ZoneId)> {
    let Some(cloud) = inputs.snapshot.cloud_of(cluster) else {
        return Vec::new();
    };
    let nodes = cluster.nodes.items();
    let mut names: BTreeSet<ZoneName> = nodes.iter().filter_map(Node::zone_name).collect();
    if names.is_empty() {
        names.extend(cloud.zones.items().iter().map(|zone| zone.name.clone()));
    }
    let with_id = |name: ZoneName| {
        let id = cloud.zone_id(&name)?.clone();
        Some((name, id))
    };
    names.into_iter().filter_map(with_id).collect()
}

fn kind(
    (inputs, cluster, purchase): (&Inputs<'_>, &Cluster, &Purchase),
    info: &InstanceTypeInfo,
    pool: Option<&NodePool>,
    capacity_type: CapacityType,
    zones: &[(ZoneName, ZoneId)],
) -> Option<NewKind> {
    let name = info.name.as_str();
    let cloud = inputs.snapshot.cloud_of(cluster);
    let of_pool = pool.map(|pool| format!("{} ", pool.meta.name));
    let id = format!("{}{name} {capacity_type:?}", of_pool.unwrap_or_default());
    let mut launchable = Launchable::new(id, Resources::default(), info.ebs_attach_limit);
    for (zone, zone_id) in zones {
        let price = match capacity_type {
            CapacityType::Spot => purchase.spot_price(name, zone_id),
            _ => inputs.price(cloud, name, Some(zone_id), capacity_type),
        };
        let Some(price) = price else {
            continue;
        };
        let at = Some((zone, zone_id));
        let overheads = NodeOverheads::default();
        let mut node = hypothetical_node(name, info, at, capacity_type, pool, &overheads);
        if pool.is_some_and(|pool| !pool_allows(pool, &node)) {
            continue;
        }
        node.meta.labels.remove(HOSTNAME_LABEL);
        launchable.daemons.raise_to(&daemon_overhead(
            &node,
            cluster.workloads.items(),
            cluster.limit_ranges.items(),
            cluster.runtime_classes.items(),
        ));
        let price = price + inputs.policy.bin_packing.extra_per_node;
        launchable.zones.insert(zone.to_string(), (node, price));
    }
    (!launchable.zones.is_empty()).then(|| NewKind {
        launchable,
        instance_type: info.name.clone(),
        capacity_type,
        pool: pool.map(|pool| pool.meta.name.clone()),
    })
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
        let percent = u64::from(purchase.percent_of(&workload));
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

/// The bound, without the rules that are stricter here than for the scheduler.
fn bound(
    fresh: &Fresh,
    solution: &Solution,
    effort: &Effort,
) -> Result<(MicroUsdPerHour, String), super::solver::ProblemError> {
    let method = |solution: &Solution| format!("{:?} bound", solution.proof.method);
    if fresh.narrow_rules.is_empty() {
        return Ok((solution.lower_bound, method(solution)));
    }
    let rules = fresh.problem.rules.iter().enumerate();
    let real = rules.filter(|(i, _)| !fresh.narrow_rules.contains(i));
    let wider = Problem {
        rules: real.map(|(_, rule)| rule.clone()).collect(),
        ..fresh.problem.clone()
    };
    let wider = solve(&wider, &effort.clone().with_strategies(1))?;
    let proof = format!(
        "{}, spreads over nodes and host ports left out",
        method(&wider)
    );
    Ok((wider.lower_bound, proof))
}

/// Puts the pods on the new nodes by the scheduler's rules, one after the other.
fn settle(
    mut world: World<'_>,
    fresh: &Fresh,
    solution: &Solution,
    kinds: &[NewKind],
    out: &mut GreenField,
) {
    let old: Vec<NodeId> = world.nodes().collect();
    let everybody: Vec<PodId> = fresh.pods.values().flatten().copied().collect();
    for pod in everybody.iter().chain(&fresh.left) {
        world.remove_pod(*pod);
    }
    for node in old {
        world.remove_node(node);
    }
    let mut pods: BTreeMap<usize, std::slice::Iter<'_, PodId>> = BTreeMap::new();
    pods.extend(fresh.pods.iter().map(|(class, pods)| (*class, pods.iter())));
    let mut bought: Vec<(NodeId, NewNode)> = Vec::new();
    let mut queue: Vec<(PodId, Option<NodeId>)> = Vec::new();
    for (number, new) in solution.nodes.iter().enumerate() {
        let kind = kinds.get(new.node_type);
        let zone = new.zone.and_then(|zone| fresh.zones.get(zone));
        let Some((kind, zone)) = kind.zip(zone) else {
            continue;
        };
        let Some((node, price)) = kind.launchable.zones.get(zone) else {
            continue;
        };
        let mut node = node.clone();
        node.meta.name = format!("new-{number:06}");
        let labels = &mut node.meta.labels;
        labels.insert(HOSTNAME_LABEL.to_owned(), node.meta.name.clone());
        let zone = node.meta.label(ZONE_ID_LABEL).map(ZoneId::from);
        let name = node.name();
        let launchable = &kind.launchable;
        let Some(id) = world.add_node(node, &launchable.daemons, launchable.ebs_limit) else {
            continue;
        };
        out.cost += *price;
        bought.push((
            id,
            NewNode {
                name,
                offering: Offering {
                    instance_type: kind.instance_type.clone(),
                    zone,
                    capacity_type: kind.capacity_type,
                },
                pool: kind.pool.clone(),
                price: *price,
                pods: Vec::new(),
            },
        ));
        for item in &new.items {
            let own = pods.entry(item.class).or_default();
            let count = usize::try_from(item.count).unwrap_or(usize::MAX);
            queue.extend(own.take(count).map(|pod| (*pod, Some(id))));
        }
    }
    queue.extend(pods.into_values().flatten().map(|pod| (*pod, None)));
    let bought_ids: Vec<NodeId> = bought.iter().map(|(id, _)| *id).collect();
    let left = place(&mut world, queue, &bought_ids);
    let why: BTreeMap<usize, UnplacedReason> = {
        let unplaced = solution.unplaced.iter();
        unplaced.map(|u| (u.class, u.reason)).collect()
    };
    for (class, pods) in &fresh.pods {
        for pod in pods.iter().filter(|pod| left.contains(pod)) {
            let why = match why.get(class) {
                Some(UnplacedReason::FitsNothing) => Unhoused::FitsNothing,
                Some(UnplacedReason::Rules) | None => Unhoused::Rules,
                Some(_) => Unhoused::NoneFound,
            };
            out.leave(&world, *pod, why);
        }
    }
    for (id, mut new) in bought {
        let here = world.pods_on(id).into_iter();
        new.pods = here.filter_map(|pod| world.pod(pod).map(named)).collect();
        new.pods.sort();
        out.nodes.push(new);
    }
}

/// Places pods where they should go, or else where they fit; gives those that
/// fit nowhere. One that needs company may have to wait for it.
fn place(
    world: &mut World<'_>,
    mut queue: Vec<(PodId, Option<NodeId>)>,
    nodes: &[NodeId],
) -> BTreeSet<PodId> {
    let takes = |world: &World<'_>, pod: PodId, node: NodeId| {
        world.fits(pod, node) && leaves_again(world, pod, node).is_none()
    };
    for planned_only in [true, false] {
        loop {
            let before = queue.len();
            queue.retain(|(pod, to)| {
                let to = to.filter(|to| takes(world, *pod, *to));
                let or_any = || {
                    let mut nodes = nodes.iter().copied();
                    nodes.find(|node| !planned_only && takes(world, *pod, *node))
                };
                match to.or_else(or_any) {
                    Some(node) => !world.place_pod(*pod, node),
                    None => true,
                }
            });
            if queue.is_empty() || queue.len() == before {
                break;
            }
        }
    }
    queue.into_iter().map(|(pod, _)| pod).collect()
}
