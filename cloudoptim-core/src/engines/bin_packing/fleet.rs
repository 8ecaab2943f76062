//! A cluster as a numeric fleet: classes of pods that are equal by every rule,
//! nodes by what is free on them, and the way back.

use super::share::Share;
use super::solver::{
    Affinity, Class, CountLimit, ExistingNode, Fleet, Holding, Mask, NodeType, Offering, Per,
    Problem, Rule, ZoneSpread,
};
use super::trial::leaves_again;
use crate::model::{CapacityType, MicroUsdPerHour, Node, OwnerIndex, Resources, WorkloadRef};
use crate::scheduling::traits::{Domain, Traits};
use crate::scheduling::{NodeId, PodId, World};
use std::collections::{BTreeMap, BTreeSet};

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

/// How much of each workload may stand in one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares<'s> {
    pub(super) share: &'s Share,
    pub(super) owners: &'s OwnerIndex,
}

/// Workloads of which a node could hold, or a zone has to hold, more than it may.
#[derive(Default)]
struct Limited {
    /// Workload by pod.
    of: BTreeMap<PodId, usize>,
    /// Most on a node and in a zone, and whether some of it wait for a node.
    most: Vec<(Option<u32>, Option<u32>, bool)>,
}

impl Shares<'_> {
    fn limited<'n>(
        &self,
        world: &World<'_>,
        nodes: impl Iterator<Item = &'n Node>,
        all: impl Iterator<Item = PodId>,
        launchables: &[Launchable],
    ) -> Limited {
        if self.share.limits() == (false, false) {
            return Limited::default();
        }
        let mut largest = Resources::default();
        nodes.for_each(|node| largest.raise_to(&node.allocatable));
        for (node, _) in launchables.iter().flat_map(|l| l.zones.values()) {
            largest.raise_to(&node.allocatable);
        }
        // The smallest pod of each workload, and all of its pods.
        let mut found: BTreeMap<WorkloadRef, (Resources, Vec<PodId>)> = BTreeMap::new();
        for id in all {
            let (Some(pod), Some(request)) = (world.pod(id), world.request(id)) else {
                continue;
            };
            let all = found.entry(self.owners.top(pod));
            let (least, pods) = all.or_insert_with(|| (request.clone(), Vec::new()));
            least.cpu = least.cpu.min(request.cpu);
            least.memory = least.memory.min(request.memory);
            pods.push(id);
        }
        let mut limited = Limited::default();
        for (workload, (least, pods)) in found {
            let fits = |all: u64, each: u64| all.checked_div(each).unwrap_or(u64::MAX);
            let could = fits(largest.cpu.0, least.cpu.0)
                .min(fits(largest.memory.0, least.memory.0))
                .min(largest.pods);
            let on_node = self.share.node_max(&workload);
            let on_node = on_node.filter(|max| u64::from(*max) < could);
            let in_zone = self.share.zone_max(&workload);
            if on_node.is_some() || in_zone.is_some() {
                let group = limited.most.len();
                let waits = self.share.waits(&workload);
                limited.most.push((on_node, in_zone, waits));
                limited.of.extend(pods.into_iter().map(|pod| (pod, group)));
            }
        }
        limited
    }
}

impl Limited {
    /// Its rules. Where a pod that waits comes to is the scheduler's choice, who
    /// knows no such rule.
    fn rules(&self, classes: &Classes, rules: &mut Vec<Rule>, narrow: &mut Vec<usize>) {
        for (group, (on_node, in_zone, waits)) in self.most.iter().enumerate() {
            let list = classes.list.iter().enumerate();
            let own = list.filter(|(_, k)| k.group == Some(group));
            let own: Vec<usize> = own.map(|(class, _)| class).collect();
            for (per, max) in [(Per::Node, on_node), (Per::Zone, in_zone)] {
                let Some(max) = max else { continue };
                if *waits {
                    narrow.push(rules.len());
                }
                rules.push(Rule::CountLimit(CountLimit {
                    per,
                    with: own.clone(),
                    of: own.clone(),
                    max: *max,
                }));
            }
        }
    }
}

/// Pods by what rules make of them.
#[derive(Default)]
struct Classes {
    /// Volumes of more than one pod: attached once, whoever comes.
    shared: BTreeSet<(String, String)>,
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
        let key = format!("{traits:?} {standing:?} {group:?} {buys:?}");
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

/// The resources of the problem.
struct Dims {
    names: Vec<String>,
    extended: Vec<String>,
    drivers: Vec<String>,
}

impl Dims {
    fn new(classes: &Classes) -> Self {
        let mut extended: BTreeSet<String> = BTreeSet::new();
        let mut drivers: BTreeSet<String> = BTreeSet::new();
        for class in &classes.list {
            extended.extend(class.traits.request.extended.keys().cloned());
            drivers.extend(class.traits.attached.keys().cloned());
        }
        let names = ["cpu_milli", "memory_bytes", "ephemeral_bytes", "pods"]
            .into_iter()
            .map(str::to_owned)
            .chain(extended.iter().map(|e| format!("extended {e}")))
            .chain(drivers.iter().map(|d| format!("volumes {d}")))
            .collect();
        Self {
            names,
            extended: extended.into_iter().collect(),
            drivers: drivers.into_iter().collect(),
        }
    }

    fn of(&self, r: &Resources) -> Vec<u64> {
        let extended = self.extended.iter();
        [r.cpu.0, r.memory.0, r.ephemeral_storage.0, r.pods]
            .into_iter()
            .chain(extended.map(|e| r.extended.get(e).copied().unwrap_or(0)))
            .map(|amount| amount.min(MOST))
            .collect()
    }

    fn demand(&self, traits: &Traits) -> Vec<u64> {
        let mut out = self.of(&traits.request);
        let attached = self.drivers.iter();
        out.extend(attached.map(|d| u64::from(traits.attached.get(d).copied().unwrap_or(0))));
        out
    }

    /// Shared volumes take no place here: they are counted when pods really move.
    fn free(
        &self,
        world: &World<'_>,
        node: NodeId,
        shared: &BTreeSet<(String, String)>,
    ) -> Vec<u64> {
        let mut out = self.of(&world.free(node));
        // A driver without a limit takes any number.
        let drivers = self.drivers.iter();
        out.extend(drivers.map(|d| world.attachable(node, d, shared).map_or(MOST, u64::from)));
        out
    }

    fn capacity(&self, node: &Node, daemons: &Resources, ebs_limit: Option<u32>) -> Vec<u64> {
        let mut free = node.allocatable.clone();
        free.subtract(daemons);
        let mut out = self.of(&free);
        let ebs = |d: &String| d == crate::scheduling::capacity::EBS_DRIVER;
        out.extend(self.drivers.iter().map(|d| match ebs_limit {
            Some(limit) if ebs(d) => u64::from(limit),
            None if ebs(d) => 0,
            _ => MOST,
        }));
        out
    }
}

impl Dims {
    fn types(&self, launchables: &[Launchable], zones: &[String]) -> Vec<NodeType> {
        let types = launchables.iter().map(|l| NodeType {
            id: l.id.clone(),
            // The most of any zone; who does not fit in the others goes elsewhere.
            capacity: l.zones.values().fold(
                vec![0; self.names.len()],
                |most: Vec<u64>, (node, _)| {
                    let here = self.capacity(node, &l.daemons, l.ebs_limit);
                    most.into_iter().zip(here).map(|(a, b)| a.max(b)).collect()
                },
            ),
            devices: Vec::new(),
            offerings: l
                .zones
                .iter()
                .map(|(zone, (_, price))| Offering {
                    zone: zones.iter().position(|z| z == zone),
                    price: Some(*price),
                    available: l.available.get(zone).copied(),
                })
                .collect(),
        });
        types.collect()
    }

    /// The classes, with nothing to place yet.
    fn classes(&self, classes: &Classes, accepted: Vec<Accepted>) -> Vec<Class> {
        let all = classes.list.iter().zip(accepted).enumerate();
        all.map(|(i, (class, mask))| Class {
            id: format!("{i:06}"),
            count: 0,
            demand: self.demand(&class.traits),
            devices: None,
            types: mask.types,
            nodes: mask.nodes,
            zones: mask.zones,
        })
        .collect()
    }
}

/// More than any node has, and little enough to add up.
const MOST: u64 = 1 << 50;

struct Accepted {
    nodes: Mask,
    types: Mask,
    zones: Mask,
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
            Accepted {
                nodes,
                types,
                zones,
            }
        })
        .collect()
}

/// The world's rules over classes, and which of them are stricter than it:
/// hostname spreads count as if an empty node were always there, and host ports
/// as if all were of one address.
fn rules(world: &World<'_>, classes: &Classes, zones: &[String]) -> (Vec<Rule>, Vec<usize>) {
    let with = |f: &dyn Fn(&Traits) -> bool| -> Vec<usize> {
        (0..classes.list.len())
            .filter(|c| f(&classes.list[*c].traits))
            .collect()
    };
    let per = |d: Domain| match d {
        Domain::Node => Some(Per::Node),
        Domain::Zone => Some(Per::Zone),
        Domain::Other => None,
    };
    let mut out = Vec::new();
    let mut narrow = Vec::new();
    let antis: BTreeSet<(usize, bool)> = traits(classes).flat_map(|t| t.antis.clone()).collect();
    for (anti, itself) in antis {
        let Some(per) = per(world.anti_domain(anti)) else {
            continue;
        };
        out.push(Rule::CountLimit(CountLimit {
            per,
            with: with(&|t| t.antis.contains(&(anti, itself))),
            of: with(&|t| t.in_antis.contains(&anti)),
            max: u32::from(itself),
        }));
    }
    let affinities: BTreeSet<usize> = traits(classes)
        .filter_map(|t| Some(t.affinity?.0))
        .collect();
    for affinity in affinities {
        let Some(per) = per(world.affinity_domain(affinity)) else {
            continue;
        };
        out.push(Rule::Affinity(Affinity {
            per,
            with: with(&|t| t.affinity.is_some_and(|a| a.0 == affinity)),
            of: with(&|t| t.in_affinities.contains(&affinity)),
        }));
    }
    let spreads: BTreeSet<(usize, u32, u32)> =
        traits(classes).flat_map(|t| t.spreads.clone()).collect();
    for spread in spreads {
        let (group, max_skew, min_zones) = spread;
        let carriers = with(&|t| t.spreads.contains(&spread));
        let of = with(&|t| t.in_spreads.contains(&group));
        match world.spread_domain(group) {
            Domain::Node => {
                narrow.push(out.len());
                out.push(Rule::CountLimit(CountLimit {
                    per: Per::Node,
                    with: carriers,
                    of,
                    max: max_skew,
                }));
            }
            Domain::Zone => {
                let domains = world.spread_domains(group);
                out.push(Rule::ZoneSpread(ZoneSpread {
                    with: carriers,
                    of,
                    max_skew: max_skew.max(1),
                    zones: Mask::only((0..zones.len()).filter(|z| domains.contains(&zones[*z]))),
                    min_zones,
                }));
            }
            Domain::Other => {}
        }
    }
    let limits: BTreeSet<usize> = traits(classes).flat_map(|t| t.brings.clone()).collect();
    for limit in limits {
        out.push(Rule::CountLimit(CountLimit {
            per: Per::Node,
            with: with(&|t| t.brings.contains(&limit)),
            of: with(&|t| t.counted.contains(&limit)),
            max: world.limit_max(limit),
        }));
    }
    let ports: BTreeSet<(u16, String)> = traits(classes)
        .flat_map(|t| t.ports.iter().map(|p| (p.0, p.1.clone())))
        .collect();
    for (port, protocol) in ports {
        // Addresses are not told apart: one user of a port on a node.
        let users = with(&|t| t.ports.iter().any(|p| p.0 == port && p.1 == protocol));
        narrow.push(out.len());
        out.push(Rule::CountLimit(CountLimit {
            per: Per::Node,
            with: users.clone(),
            of: users,
            max: 1,
        }));
    }
    (out, narrow)
}

fn traits(classes: &Classes) -> impl Iterator<Item = &Traits> {
    classes.list.iter().map(|c| &c.traits)
}
