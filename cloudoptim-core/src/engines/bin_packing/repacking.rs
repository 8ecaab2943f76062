//! Repackings of a cluster: the frontier of saving against moves, each point
//! carried out pod by pod by the kube-scheduler's rules.
//!
//! This is a what-if: it asks what the rules of Kubernetes, marks against
//! disruption, budgets that allow nothing now and the operator's own rules about
//! shares of workloads and room for more pods leave possible, with as many nodes of
//! groups as these have to have; a group whose minimum is not known keeps all. Ages
//! and headroom in percent, which the engine's decisions respect too, are not in it.
//! Pods with rules that are no numbers here stay, with their nodes: shares of
//! devices, a claim shared with others, rules about other topologies than nodes
//! and zones, a resize that was refused. Bounds are for what may move.

mod carry;
mod copies;

pub use copies::{launchable_copies, launchable_type};

use self::carry::{Carrier, tightest};
use super::commitments::Prices;
use super::consolidate::removed_before;
use super::fleet::{Launchable, Shares, Stand, translate};
use super::headroom::lay;
use super::minima::{Minima, Stated};
use super::owner::{Groups, owner_of};
use super::rows::Rows;
use super::share::Share;
use super::solver::{Fleet, Frontier, LevelProof, Point, PrefixEnd, RepackEffort, repack_until};
use super::{Config, missing};
use crate::decision::MissingEvidence;
use crate::engines::{EngineError, EngineId, Inputs};
use crate::model::{
    Cluster, MicroUsdPerHour, NamespacedName, Node, NodeName, OwnerIndex, Pod, TaintEffect, Uid,
};
use crate::scheduling::movability::{Movers, node_protections};
use crate::scheduling::{
    Budgets, InfeasibleResize, Movability, NodeId, PodId, PreferencePrices, World,
    effective_request,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What repacking a cluster can reach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Repacking {
    /// What the priced nodes cost now.
    pub cost_before: MicroUsdPerHour,
    /// Nodes without a known price: they stay, and are in no figure.
    pub unpriced: u64,
    /// Nodes that stay whatever happens: pinned pods, marks, budgets, no price.
    pub kept: u64,
    /// The part without which every node stays.
    pub missing: Option<MissingEvidence>,
    /// Groups whose minimum is not known: their nodes stay.
    pub unknown_minima: Vec<String>,
    /// No repacking of these pods costs less, however many move, preferences that it
    /// breaks included.
    pub lower_bound: MicroUsdPerHour,
    /// From fewest moves and dearest to most moves and cheapest, by
    /// [what each costs in all](RepackingPoint::total).
    pub points: Vec<RepackingPoint>,
    /// Where a search over prefixes and single nodes, as Karpenter's, came to
    /// rest, in numbers only.
    pub prefix: Option<PrefixEnd>,
    /// Whether the work limit ended the search.
    pub work_limit: bool,
    /// Whether the [deadline](Inputs::deadline) did: how far it came by then depends
    /// on the machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// The numbers behind the bounds of a [`Repacking`], for who wants to check them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RepackingProof {
    /// Nodes and pods as the search saw them.
    pub fleet: Fleet,
    /// What each price per move proves about it.
    pub levels: Vec<LevelProof>,
    /// Pods that wait: a point's moves in the numbers are at most so many more than
    /// [`RepackingPoint::moved`].
    pub waiting: u64,
}

/// One repacked cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepackingPoint {
    /// What the priced nodes cost then.
    pub cost: MicroUsdPerHour,
    /// What it costs that pods stand where they would rather not then, at the
    /// [prices](Config::preferences) that are set.
    #[serde(default, skip_serializing_if = "MicroUsdPerHour::is_zero")]
    pub preferences: MicroUsdPerHour,
    /// Pods that move.
    pub moved: u64,
    /// No repacking with at most so many moves costs less, `preferences` included.
    pub lower_bound: MicroUsdPerHour,
    /// Nodes that go, in this order.
    pub removed: Vec<NodeName>,
    /// Nodes that are launched before.
    pub launched: Vec<Launched>,
    /// Who goes where, in this order; each is feasible when its turn comes.
    pub moves: Vec<Moved>,
    /// How it was found.
    pub found_by: String,
}

impl RepackingPoint {
    /// What the priced nodes cost then, and broken preferences.
    pub fn total(&self) -> MicroUsdPerHour {
        self.cost + self.preferences
    }
}

/// A node to be launched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Launched {
    /// Its name in this answer.
    pub name: NodeName,
    /// The [`Launchable`].
    pub kind: String,
    /// Zone.
    pub zone: String,
    /// Price.
    pub price: MicroUsdPerHour,
}

/// A pod that moves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moved {
    /// Pod.
    pub pod: NamespacedName,
    /// Its uid.
    pub uid: Uid,
    /// Where it stands.
    pub from: NodeName,
    /// Where it goes.
    pub to: NodeName,
}

impl Repacking {
    /// The point where a further move would cost more than it saves.
    pub fn chosen(&self, per_move: MicroUsdPerHour) -> Option<&RepackingPoint> {
        self.points.iter().min_by_key(|p| {
            let moves = i128::from(p.moved) * i128::from(per_move.0);
            (i128::from(p.total().0) + moves, p.moved)
        })
    }
}

/// Searches for cheaper sets of nodes that hold the same pods.
///
/// `launchables` may be bought; none means that nodes only go.
///
/// # Errors
/// [`EngineError`] for settings out of range or objects that contradict each
/// other.
pub fn repacking(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    launchables: &[Launchable],
    effort: &RepackEffort,
) -> Result<Repacking, EngineError> {
    repacking_with_minima(config, inputs, cluster, launchables, effort, &Stated::new())
}

/// [`repacking`] with other minima of groups, by name (`node group web`, or `auto
/// scaling group web`): another number, or none. Of a group whose size is not known so
/// many nodes are wanted as are there.
///
/// # Errors
/// As [`repacking`].
pub fn repacking_with_minima(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    launchables: &[Launchable],
    effort: &RepackEffort,
    minima: &BTreeMap<String, Option<u32>>,
) -> Result<Repacking, EngineError> {
    let proven = repacking_with_proof(config, inputs, cluster, launchables, effort, minima);
    proven.map(|(repacking, _)| repacking)
}

/// As [`repacking_with_minima`], with what its bounds are proven by.
///
/// # Errors
/// As [`repacking`].
pub fn repacking_with_proof(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    launchables: &[Launchable],
    effort: &RepackEffort,
    minima: &BTreeMap<String, Option<u32>>,
) -> Result<(Repacking, RepackingProof), EngineError> {
    let (rows, leave) = (Rows::default(), BTreeSet::new());
    let minima = minima_of(inputs, cluster, minima);
    let offers = Offers {
        launchables,
        rows: &rows,
        minima: &minima,
    };
    let solved = solve(config, inputs, cluster, offers, effort, &leave)?;
    Ok((solved.repacking, solved.proof))
}

/// What [`solve`] found.
pub(super) struct Solved {
    pub(super) repacking: Repacking,
    /// Nodes in zones that are to be left which the cheapest point still has.
    pub(super) left: Vec<NodeName>,
    /// With the price of leaving in the prices of such nodes.
    proof: RepackingProof,
}

/// Names of the groups whose minimum is not known: their nodes stay in a
/// [`repacking`].
pub fn unknown_minima(inputs: &Inputs<'_>, cluster: &Cluster) -> BTreeSet<String> {
    minima_of(inputs, cluster, &Stated::new()).unknown().clone()
}

/// What may be launched, and the limits that it shares.
#[derive(Clone, Copy)]
pub(super) struct Offers<'o> {
    pub(super) launchables: &'o [Launchable],
    pub(super) rows: &'o Rows,
    pub(super) minima: &'o Minima,
}

/// Minima of a cluster's groups, where nothing else is stated.
pub(super) fn minima_of(inputs: &Inputs<'_>, cluster: &Cluster, stated: &Stated) -> Minima {
    let cloud = inputs.snapshot.cloud_of(cluster);
    let mut groups = Groups::new(&[], cluster, cloud);
    for owner in removed_before(inputs, cluster, cloud) {
        groups.shrunk(&owner);
    }
    let nodes = cluster.nodes.items().iter();
    let owned: Vec<_> = nodes.map(|n| (n, owner_of(n, cluster, cloud))).collect();
    let owned = owned.iter().map(|(node, owner)| (*node, owner.as_ref()));
    Minima::new(&groups, owned, stated)
}

/// As [`repacking`], with zones that are to be left: nothing comes to them, and
/// a node there costs more than all others together, which the figures leave
/// out again. Bounds are for repackings that have none of these but those that must
/// stay.
pub(super) fn solve(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    offers: Offers<'_>,
    effort: &RepackEffort,
    leave: &BTreeSet<String>,
) -> Result<Solved, EngineError> {
    let Offers {
        launchables,
        rows,
        minima,
    } = offers;
    config.validate()?;
    let laid = lay(&config.headroom, cluster);
    let cluster = laid.as_ref();
    let mut world = World::new(cluster, &inputs.overlay.count_limits);
    if !config.preferences.are_zero() {
        world = world.with_preferences();
    }
    let owners = OwnerIndex::new(cluster);
    let share = Share::new(cluster, &owners, config, inputs);
    let shares = Shares {
        share: &share,
        owners: &owners,
        preferences: config.preferences,
    };
    let shut = shut(&mut world, leave);
    let mut stands = stands(config, inputs, cluster, &mut world);
    let most_broken = most_broken(&world, &config.preferences, launchables);
    let fine = leaving_fine(&mut stands, &shut, launchables, most_broken);
    let missing = missing(cluster);
    if missing.is_some() {
        // What is not known keeps every node.
        stands.iter_mut().for_each(|s| s.removable = false);
    }
    let name = |stand: &Stand| world.node(stand.node).map(Node::name).unwrap_or_default();
    let names: Vec<NodeName> = stands.iter().map(name).collect();
    for (stand, name) in stands.iter_mut().zip(&names) {
        stand.removable &= !minima.keeps(name);
    }
    let mut translated = translate(&world, &stands, launchables, shares);
    rows.put_into(&mut translated.fleet, &names, launchables);
    minima.put_into(&mut translated.fleet, &names, launchables);
    let contradiction = |err: super::solver::ProblemError| EngineError::Contradiction {
        engine: EngineId::BinPacking,
        message: err.to_string(),
    };
    // A quarter of the time is for carrying points out.
    let deadline = inputs.deadline.map(|deadline| deadline.share(3, 4));
    let frontier =
        repack_until(&translated.fleet, effort, deadline.as_ref()).map_err(contradiction)?;
    let mut points: Vec<RepackingPoint> = Vec::new();
    let rest = frontier.prefix.map_or(0, |p| p.evictions);
    let mut late = false;
    for (at, point) in in_order_of_need(thinned(&frontier.points, rest)) {
        // The fleet as it is and the cheapest are worth being late.
        late |= at > 1 && inputs.is_late();
        if late {
            break;
        }
        let real = Carrier {
            world: &world,
            stands: &stands,
            launchables,
            translated: &translated,
            shut: &shut,
            shares,
        }
        .carry_out(point);
        // Nodes that stay by rules which the numbers do not know free nothing.
        let bought = real
            .launched
            .iter()
            .map(|l| (l.kind.as_str(), l.zone.as_str()));
        if !rows.allow(&real.removed, bought) || !minima.keep(&real, launchables) {
            continue;
        }
        let beats =
            |a: &RepackingPoint, b: &RepackingPoint| a.total() <= b.total() && a.moved <= b.moved;
        if !points.iter().any(|p| beats(p, &real)) {
            points.retain(|p| !beats(&real, p));
            points.push(real);
        }
    }
    points.sort_by_key(|p| (p.moved, p.total()));
    // A pod that waits moves in the numbers and is no move here.
    let movers = stands.iter().flat_map(|s| &s.movers);
    let waits = movers.filter(|pod| world.pod(**pod).is_some_and(|p| p.node().is_none()));
    let waiting = u64::try_from(waits.count()).unwrap_or(u64::MAX);
    bounds(&frontier, waiting, &mut points);
    let count = |f: &dyn Fn(&Stand) -> bool| {
        u64::try_from(stands.iter().filter(|s| f(s)).count()).unwrap_or(u64::MAX)
    };
    let mut repacking = Repacking {
        cost_before: frontier.cost_before,
        unpriced: count(&|s| s.price.is_none()),
        kept: count(&|s| !s.removable),
        missing: missing.map(|(part, state)| MissingEvidence::Part { part, state }),
        unknown_minima: minima.unknown().iter().cloned().collect(),
        lower_bound: frontier.lower_bound,
        points,
        prefix: frontier.prefix,
        work_limit: frontier.work_limit,
        late: frontier.late || late,
    };
    let names: BTreeSet<NodeName> = shut
        .iter()
        .filter_map(|id| world.node(*id).map(Node::name))
        .collect();
    let last = repacking.points.last();
    let gone = |name: &NodeName| last.is_some_and(|p| p.removed.contains(name));
    let left = names.iter().filter(|n| !gone(n)).cloned().collect();
    if !shut.is_empty() {
        let holdings = translated.fleet.holdings.iter().zip(&stands);
        let fined = holdings.filter(|(h, s)| h.price.is_some() && shut.contains(&s.node));
        let (may, must): (Vec<_>, Vec<_>) = fined.partition(|(h, _)| h.removable);
        let fines = |nodes: usize| {
            let nodes = i64::try_from(nodes).unwrap_or(i64::MAX);
            MicroUsdPerHour(fine.0.saturating_mul(nodes))
        };
        let all = may.len() + must.len();
        let must = fines(must.len());
        let bound = |bound: MicroUsdPerHour| (bound - must).max(MicroUsdPerHour::ZERO);
        repacking.cost_before -= fines(all);
        repacking.lower_bound = bound(repacking.lower_bound);
        repacking.prefix = None;
        for point in &mut repacking.points {
            let went = point.removed.iter().filter(|n| names.contains(*n)).count();
            point.cost -= fines(all.saturating_sub(went));
            point.lower_bound = bound(point.lower_bound);
        }
    }
    Ok(Solved {
        repacking,
        left,
        proof: RepackingProof {
            fleet: translated.fleet,
            levels: frontier.proofs,
            waiting,
        },
    })
}

/// Closes the nodes of zones that are to be left.
fn shut(world: &mut World<'_>, leave: &BTreeSet<String>) -> BTreeSet<NodeId> {
    let there = |world: &World<'_>, id: NodeId| {
        let zone = world.node(id).and_then(Node::zone_name);
        zone.is_some_and(|zone| leave.contains(zone.as_str()))
    };
    let shut: BTreeSet<NodeId> = world.nodes().filter(|id| there(world, *id)).collect();
    shut.iter().for_each(|id| world.close_node(*id));
    shut
}

/// Preferences about nodes cost no more than this, wherever pods stand.
fn most_broken(
    world: &World<'_>,
    prices: &PreferencePrices,
    launchables: &[Launchable],
) -> MicroUsdPerHour {
    if prices.are_zero() {
        return MicroUsdPerHour::ZERO;
    }
    let new = launchables.iter().flat_map(|l| l.zones.values());
    let nodes = world.nodes().filter_map(|id| world.node(id));
    let soft = |node: &Node| {
        let taints = node.taints.iter();
        let soft = taints.filter(|t| t.effect == TaintEffect::PreferNoSchedule);
        i64::try_from(soft.count()).unwrap_or(i64::MAX)
    };
    let taints = nodes.chain(new.map(|(node, _)| node)).map(soft).max();
    let taints = prices.per_taint.0.saturating_mul(taints.unwrap_or(0));
    let pods = world.pods().filter_map(|pod| world.pod(pod));
    let each = pods.map(|pod| {
        let wishes = pod.spec.preferred_node_affinity.iter();
        let weights = wishes.map(|w| i64::from(w.weight.clamp(0, 100)));
        let weights: i64 = weights.sum();
        taints.saturating_add(prices.per_weight.0.saturating_mul(weights))
    });
    // Little enough to be a price.
    MicroUsdPerHour(each.fold(0, i64::saturating_add).min(1 << 42))
}

/// What a node in a zone that is to be left costs beside its price: so much
/// that any nodes that could be launched in its place are cheaper.
fn leaving_fine(
    stands: &mut [Stand],
    shut: &BTreeSet<NodeId>,
    launchables: &[Launchable],
    most_broken: MicroUsdPerHour,
) -> MicroUsdPerHour {
    let prices = stands.iter().filter_map(|s| s.price);
    let all: MicroUsdPerHour = prices.sum();
    let launched = launchables.iter().flat_map(|l| l.zones.values());
    let dearest = launched.map(|(_, price)| *price).max().unwrap_or_default();
    // A pod on a node of its own, for each pod of the node.
    let pods = stands.iter().map(|s| s.movers.len()).max().unwrap_or(0);
    let pods = i64::try_from(pods).unwrap_or(i64::MAX);
    let fine = all + most_broken + MicroUsdPerHour(dearest.0.saturating_mul(pods));
    for stand in stands.iter_mut().filter(|s| shut.contains(&s.node)) {
        stand.open = false;
        stand.price = stand.price.map(|price| price + fine);
    }
    fine
}

/// Points beyond this many are not carried out.
const MAX_POINTS: usize = 24;

/// At most [`MAX_POINTS`] points, evenly by their place on the frontier, the
/// first and the last among them, and the best within `moves`.
fn thinned(points: &[Point], moves: u64) -> Vec<&Point> {
    let count = points.len().min(MAX_POINTS - 1);
    let last = points.len().saturating_sub(1);
    let at = |i: usize| (i * last).checked_div(count.saturating_sub(1)).unwrap_or(0);
    let mut kept: BTreeSet<usize> = (0..count).map(at).collect();
    kept.extend(points.iter().rposition(|p| p.moved <= moves));
    kept.into_iter().filter_map(|i| points.get(i)).collect()
}

/// The first, the last, and then the others in their order, numbered.
fn in_order_of_need(points: Vec<&Point>) -> impl Iterator<Item = (usize, &Point)> {
    let last = points.len().saturating_sub(1);
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|at| (*at != 0, *at != last, *at));
    let points = order
        .into_iter()
        .filter_map(move |at| points.get(at).copied());
    points.enumerate()
}

/// Bounds at the moves that the carried-out points really make, and at those of
/// `waiting` pods, which only the numbers count.
fn bounds(frontier: &Frontier, waiting: u64, points: &mut [RepackingPoint]) {
    for point in points {
        let moved = point.moved.saturating_add(waiting);
        let best = frontier.proofs.iter().map(|proof| {
            let moves = i128::from(moved) * i128::from(proof.per_move.0);
            i128::from(proof.lower_bound.0) - moves
        });
        let best = best.max().unwrap_or(0).max(0);
        point.lower_bound = MicroUsdPerHour(i64::try_from(best).unwrap_or(i64::MAX));
    }
}

/// Every node with what may move; pods that wait are put where they fit first,
/// so that nobody takes their room.
fn stands(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    world: &mut World<'_>,
) -> Vec<Stand> {
    let now = inputs.now();
    let movers = Movers::new(cluster, now, config.moves.clone());
    let budgets = Budgets::new(cluster, now);
    let prices = Prices::new(inputs, cluster);
    let waiting: Vec<PodId> = world.pending().collect();
    for pod in waiting {
        let leaving = world.pod(pod).is_some_and(|p| {
            matches!(
                movers.judge(p),
                Movability::Leaving { .. } | Movability::Stays { .. }
            )
        });
        let prices = &config.preferences;
        if !leaving && let Some(node) = tightest(world, prices, pod, |_| false) {
            world.place_pod(pod, node);
        }
    }
    let ids: Vec<NodeId> = world.nodes().collect();
    ids.into_iter()
        .filter_map(|id| {
            let node = world.node(id)?;
            let price = prices.of(node);
            let open = world.not_target(id).is_empty();
            let mut removable = open && price.is_some() && node_protections(node, now).is_empty();
            let mut moving = Vec::new();
            for pod_id in world.pods_on(id) {
                let Some(pod) = world.pod(pod_id) else {
                    removable = false;
                    continue;
                };
                match movers.judge(pod) {
                    // It holds one amount and would ask for another elsewhere.
                    Movability::Moves if resize_refused(pod) => removable = false,
                    Movability::Moves if pod.node().is_none() => moving.push(pod_id),
                    Movability::Moves if budgets.can_evict(pod).is_ok() => moving.push(pod_id),
                    Movability::Leaving { placed_again: true } => moving.push(pod_id),
                    Movability::Moves | Movability::NeverMoves { .. } => removable = false,
                    Movability::NotCounted
                    | Movability::Stays { .. }
                    | Movability::Leaving {
                        placed_again: false,
                    } => {}
                }
            }
            Some(Stand {
                node: id,
                price,
                removable,
                open,
                movers: moving,
            })
        })
        .collect()
}

/// Whether a pod made anew would ask for more than this one holds.
fn resize_refused(pod: &Pod) -> bool {
    let of = |rule| effective_request(pod, rule);
    of(InfeasibleResize::Keep) != of(InfeasibleResize::Drop)
}
