//! A cluster as a numeric fleet: classes of pods that are equal by every rule,
//! nodes by what is free on them, and the way back.

mod dims;
mod rules;
mod shares;

pub(super) use shares::Shares;

use super::solver::{Dislike, ExistingNode, Fleet, Holding, Mask, Problem};
use super::trial::leaves_again;
use crate::model::{CapacityType, MicroUsdPerHour, Node, Resources};
use crate::scheduling::traits::{Domain, Traits};
use crate::scheduling::{NodeId, PodId, PreferencePrices, World};
use dims::Dims;
use rules::rules;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A kind of node that could be launched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Launchable {
    /// Unique name, such as the instance type.
    pub id: String,
    /// What a new one looks like and costs, by zone name.
    pub zones: BTreeMap<String, (Node, MicroUsdPerHour)>,
    /// What DaemonSets take of it.
    pub daemons: Resources,
    /// How many EBS volumes can be attached; `None` = not known.
    pub ebs_limit: Option<u32>,
    /// How many can be launched, by zone name; as many as needed where nothing
    /// is said.
    pub available: BTreeMap<String, u32>,
}

impl Launchable {
    /// A kind without any zone yet.
    pub const fn new(id: String, daemons: Resources, ebs_limit: Option<u32>) -> Self {
        Self {
            id,
            zones: BTreeMap::new(),
            daemons,
            ebs_limit,
            available: BTreeMap::new(),
        }
    }
}

/// What a node contributes.
pub(super) struct Stand {
    pub(super) node: NodeId,
    pub(super) price: Option<MicroUsdPerHour>,
    /// Whether it may go once `movers` are gone.
    pub(super) removable: bool,
    /// Whether it takes pods.
    pub(super) open: bool,
    pub(super) movers: Vec<PodId>,
}

/// A fleet, and whom its numbers stand for.
pub(super) struct Translated {
    pub(super) fleet: Fleet,
    /// Pods that may move, by node and class.
    pub(super) pods: BTreeMap<(usize, usize), Vec<PodId>>,
    pub(super) zones: Vec<String>,
}

/// Zone of nodes without one.
const NO_ZONE: &str = "";

pub(super) fn translate(
    world: &World<'_>,
    stands: &[Stand],
    launchables: &[Launchable],
    shares: Shares<'_>,
) -> Translated {
    let zone_of = |node: &Node| node.zone_name().map_or_else(String::new, |z| z.to_string());
    let mut zones: BTreeSet<String> = launchables
        .iter()
        .flat_map(|l| l.zones.keys().cloned())
        .collect();
    for stand in stands {
        zones.insert(world.node(stand.node).map_or_else(String::new, zone_of));
    }
    let zones: Vec<String> = zones.into_iter().collect();
    let zone_index = |name: &str| zones.iter().position(|z| z == name);

    let nodes = stands.iter().filter_map(|s| world.node(s.node));
    let standing = stands.iter().flat_map(|s| world.pods_on(s.node));
    let limited = shares.limited(world, nodes, standing, launchables);
    let mut classes = Classes {
        shared: world.shared_volumes(),
        preferences: shares.preferences,
        ..Classes::default()
    };
    // The search takes classes in this order where they are equal: those with
    // less to choose from come first.
    let buys = |id: PodId| world.pod(id).map_or(Buys::Any, |p| shares.share.buys(p));
    for pod in stands.iter().flat_map(|s| world.pods_on(s.node)) {
        if buys(pod) == Buys::OnDemand {
            let group = limited.of.get(&pod).copied();
            classes.class_of(world, pod, group, Buys::OnDemand);
        }
    }
    let mut present: Vec<BTreeMap<usize, u32>> = Vec::with_capacity(stands.len());
    let mut pods: BTreeMap<(usize, usize), Vec<PodId>> = BTreeMap::new();
    let may_go = stands.iter().enumerate().filter(|(_, s)| s.removable);
    let mut removable: BTreeSet<usize> = may_go.map(|(index, _)| index).collect();
    for (index, stand) in stands.iter().enumerate() {
        let movers: BTreeSet<PodId> = stand.movers.iter().copied().collect();
        let mut here: BTreeMap<usize, u32> = BTreeMap::new();
        for pod in world.pods_on(stand.node) {
            let group = limited.of.get(&pod).copied();
            let Some(class) = classes.class_of(world, pod, group, buys(pod)) else {
                continue;
            };
            *here.entry(class).or_default() += 1;
            if !movers.contains(&pod) {
                continue;
            }
            if classes.list.get(class).is_some_and(|k| k.stays) {
                removable.remove(&index);
            } else {
                pods.entry((index, class)).or_default().push(pod);
            }
        }
        present.push(here);
    }
    let dims = Dims::new(&classes);
    let accepted = accepted(world, &classes, stands, launchables, &zones);
    let (mut rules, mut narrow_rules) = rules(world, &classes, &zones);
    limited.rules(&classes, &mut rules, &mut narrow_rules);
    let nodes = stands
        .iter()
        .zip(&present)
        .enumerate()
        .map(|(index, (stand, present))| ExistingNode {
            id: format!("{index:06}"),
            zone: world
                .node(stand.node)
                .and_then(|n| zone_index(&zone_of(n)))
                .or_else(|| zone_index(NO_ZONE)),
            free: dims.free(world, stand.node, &classes.shared),
            devices: Vec::new(),
            present: present.iter().map(|(c, n)| (*c, *n)).collect(),
            closed: !stand.open,
        })
        .collect();
    let holdings = stands
        .iter()
        .enumerate()
        .map(|(index, stand)| Holding {
            price: stand.price,
            removable: removable.contains(&index),
            movable: pods
                .range((index, 0)..=(index, usize::MAX))
                .map(|((_, class), list)| (*class, u32::try_from(list.len()).unwrap_or(u32::MAX)))
                .collect(),
            takes: Vec::new(),
        })
        .collect();
    let types = dims.types(launchables, &zones);
    let list = dims.classes(&classes, accepted);
    Translated {
        fleet: Fleet {
            problem: Problem {
                dims: dims.names.clone(),
                zones: zones.clone(),
                models: Vec::new(),
                types,
                nodes,
                rules,
                classes: list,
                purchase_limits: Vec::new(),
            },
            holdings,
            narrow_rules,
        },
        pods,
        zones,
    }
}

/// Pods that need nodes which are all new, as a problem.
pub(super) struct Fresh {
    pub(super) problem: Problem,
    /// Rules that are stricter than what really holds.
    pub(super) narrow_rules: Vec<usize>,
    /// Pods by class.
    pub(super) pods: BTreeMap<usize, Vec<PodId>>,
    /// Pods with rules that the numbers cannot express.
    pub(super) left: Vec<PodId>,
    pub(super) zones: Vec<String>,
}

/// The pods, each with what may be bought for it, and what there is to buy.
pub(super) fn fresh(
    world: &World<'_>,
    wanted: &[(PodId, Buys)],
    launchables: &[Launchable],
    shares: Shares<'_>,
) -> Fresh {
    let zones: BTreeSet<String> = launchables
        .iter()
        .flat_map(|l| l.zones.keys().cloned())
        .collect();
    let zones: Vec<String> = zones.into_iter().collect();
    let all = wanted.iter().map(|(pod, _)| *pod);
    let limited = shares.limited(world, std::iter::empty(), all, launchables);
    let mut classes = Classes {
        shared: world.shared_volumes(),
        preferences: shares.preferences,
        ..Classes::default()
    };
    let mut pods: BTreeMap<usize, Vec<PodId>> = BTreeMap::new();
    let mut left = Vec::new();
    for (pod, buys) in wanted {
        let group = limited.of.get(pod).copied();
        let class = classes.class_of(world, *pod, group, *buys);
        let numbers = |c: &usize| classes.list.get(*c).is_some_and(|kind| !kind.stays);
        match class.filter(numbers) {
            Some(class) => pods.entry(class).or_default().push(*pod),
            None => left.push(*pod),
        }
    }
    let dims = Dims::new(&classes);
    let accepted = accepted(world, &classes, &[], launchables, &zones);
    let (mut rules, mut narrow_rules) = rules(world, &classes, &zones);
    limited.rules(&classes, &mut rules, &mut narrow_rules);
    let mut list = dims.classes(&classes, accepted);
    for (class, pods) in &pods {
        if let Some(class) = list.get_mut(*class) {
            class.count = u32::try_from(pods.len()).unwrap_or(u32::MAX);
        }
    }
    Fresh {
        problem: Problem {
            dims: dims.names.clone(),
            types: dims.types(launchables, &zones),
            zones: zones.clone(),
            classes: list,
            rules,
            ..Problem::default()
        },
        narrow_rules,
        pods,
        left,
        zones,
    }
}

/// What may be bought for a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Buys {
    /// Whatever takes it.
    Any,
    /// Nothing on spot.
    OnDemand,
}

struct Kind {
    traits: Traits,
    buys: Buys,
    /// A pod of it, to ask the world about.
    sample: PodId,
    /// A rule that the numbers cannot express: it stays where it is.
    stays: bool,
    /// Its workload, where only a part of that may stand in one place.
    group: Option<usize>,
}

/// Pods by what rules make of them.
#[derive(Default)]
struct Classes {
    /// Volumes of more than one pod: attached once, whoever comes.
    shared: BTreeSet<(String, String)>,
    /// What it costs that they stand where they would rather not.
    preferences: PreferencePrices,
    list: Vec<Kind>,
    index: BTreeMap<String, usize>,
}

impl Classes {
    fn class_of(
        &mut self,
        world: &World<'_>,
        pod: PodId,
        group: Option<usize>,
        buys: Buys,
    ) -> Option<usize> {
        let traits = world.traits(pod, &self.shared)?;
        let standing = world.standing(pod)?;
        let mut key = format!("{traits:?} {standing:?} {group:?} {buys:?}");
        if self.preferences.per_weight > MicroUsdPerHour::ZERO {
            let wishes = world.pod(pod).map(|p| &p.spec.preferred_node_affinity);
            let _ = write!(key, " {wishes:?}");
        }
        if let Some(class) = self.index.get(&key) {
            return Some(*class);
        }
        let other = |d: Domain| d == Domain::Other;
        let affinities = traits.affinity.iter().map(|a| a.0);
        let stays = traits.devices
            || traits.shares_claim
            || affinities
                .chain(traits.in_affinities.iter().copied())
                .any(|a| other(world.affinity_domain(a)))
            || traits
                .antis
                .iter()
                .map(|a| a.0)
                .chain(traits.in_antis.iter().copied())
                .any(|a| other(world.anti_domain(a)))
            || traits
                .spreads
                .iter()
                .map(|s| s.0)
                .chain(traits.in_spreads.iter().copied())
                .any(|s| other(world.spread_domain(s)));
        self.index.insert(key, self.list.len());
        self.list.push(Kind {
            traits,
            buys,
            sample: pod,
            stays,
            group,
        });
        Some(self.list.len() - 1)
    }
}

struct Accepted {
    nodes: Mask,
    types: Mask,
    zones: Mask,
    /// What it costs that they stand where they would rather not.
    dislikes: Vec<Dislike>,
}

/// Where the pods of each class may stand, whatever else stands there.
fn accepted(
    world: &World<'_>,
    classes: &Classes,
    stands: &[Stand],
    launchables: &[Launchable],
    zones: &[String],
) -> Vec<Accepted> {
    // New nodes of every kind and zone, in a world of their own.
    let mut wide = world.clone();
    let mut new: Vec<(usize, usize, NodeId)> = Vec::new();
    for (kind, l) in launchables.iter().enumerate() {
        for (zone, (node, _)) in &l.zones {
            let mut node = node.clone();
            node.meta.name = format!("launch/{}/{zone}", l.id);
            if let Some(id) = wide.add_node(node, &l.daemons, l.ebs_limit)
                && let Some(zone) = zones.iter().position(|z| z == zone)
            {
                new.push((kind, zone, id));
            }
        }
    }
    let mut known: BTreeMap<String, (Mask, Mask, Mask)> = BTreeMap::new();
    classes
        .list
        .iter()
        .map(|class| {
            if class.stays {
                return Accepted {
                    nodes: Mask::NONE,
                    types: Mask::NONE,
                    zones: Mask::NONE,
                    dislikes: Vec::new(),
                };
            }
            let key = format!("{:?} {:?}", class.buys, world.standing(class.sample));
            let (nodes, types, zones) = known
                .entry(key)
                .or_insert_with(|| {
                    let stand = |node| {
                        wide.could_stand(class.sample, node)
                            && leaves_again(&wide, class.sample, node).is_none()
                    };
                    let mut at: BTreeSet<usize> = BTreeSet::new();
                    let buys = |node: NodeId| {
                        let spot = |n: &Node| n.capacity_type() == Some(CapacityType::Spot);
                        class.buys == Buys::Any || !wide.node(node).is_some_and(spot)
                    };
                    let takes = |node: NodeId| buys(node) && stand(node);
                    let nodes: Vec<usize> = (0..stands.len())
                        .filter(|i| stands[*i].open && takes(stands[*i].node))
                        .collect();
                    for i in &nodes {
                        let node = world.node(stands[*i].node);
                        let name = node.and_then(Node::zone_name);
                        let name = name.map_or_else(String::new, |z| z.to_string());
                        at.extend(zones.iter().position(|z| *z == name));
                    }
                    let taken = new.iter().filter(|(_, _, node)| takes(*node));
                    let taken: Vec<_> = taken.collect();
                    at.extend(taken.iter().map(|(_, zone, _)| *zone));
                    (
                        Mask::only(nodes),
                        Mask::only(taken.iter().map(|(kind, ..)| *kind)),
                        if at.len() == zones.len() {
                            Mask::All
                        } else {
                            Mask::only(at)
                        },
                    )
                })
                .clone();
            let dislikes = if classes.preferences.are_zero() {
                Vec::new()
            } else {
                let cost = |node| {
                    let broken = wide.node_preferences(class.sample, node);
                    let costs = broken.iter().map(|b| classes.preferences.of(b).0);
                    costs.fold(0, i64::saturating_add).min(MOST_DISLIKED)
                };
                let nodes = stands.iter().map(|stand| cost(stand.node));
                let new = new
                    .iter()
                    .map(|(kind, zone, node)| (*kind, *zone, cost(*node)));
                disliked(nodes, new)
            };
            Accepted {
                nodes,
                types,
                zones,
                dislikes,
            }
        })
        .collect()
}

/// More than any place costs a pod, and little enough to add up.
const MOST_DISLIKED: i64 = 1 << 38;

/// Places that cost something, by what they cost: nodes that are there, then kinds of
/// new nodes by zone.
fn disliked(
    nodes: impl Iterator<Item = i64>,
    new: impl Iterator<Item = (usize, usize, i64)>,
) -> Vec<Dislike> {
    let mut by_cost: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (node, cost) in nodes.enumerate().filter(|(_, cost)| *cost > 0) {
        by_cost.entry(cost).or_default().push(node);
    }
    let here = by_cost.into_iter().map(|(cost, nodes)| Dislike {
        types: Mask::NONE,
        zones: Mask::All,
        nodes: Mask::only(nodes),
        cost: MicroUsdPerHour(cost),
    });
    // Zones of each kind by cost, then kinds that have the same.
    let mut zones_of: BTreeMap<usize, BTreeMap<i64, Vec<usize>>> = BTreeMap::new();
    for (kind, zone, cost) in new {
        let costs = zones_of.entry(kind).or_default();
        costs.entry(cost).or_default().push(zone);
    }
    let mut kinds: BTreeMap<(i64, Option<Vec<usize>>), Vec<usize>> = BTreeMap::new();
    for (kind, costs) in zones_of {
        let alike = costs.len() == 1;
        for (cost, zones) in costs.into_iter().filter(|(cost, _)| *cost > 0) {
            let zones = (!alike).then_some(zones);
            kinds.entry((cost, zones)).or_default().push(kind);
        }
    }
    let there = kinds.into_iter().map(|((cost, zones), kinds)| Dislike {
        types: Mask::only(kinds),
        zones: zones.map_or(Mask::All, Mask::only),
        nodes: Mask::NONE,
        cost: MicroUsdPerHour(cost),
    });
    here.chain(there).collect()
}
