//! One node emptied in a world, by every rule and every limit of the engine.

use super::candidate::Candidate;
use super::headroom::{is_placeholder, rule_of};
use super::limits::group_name;
use super::owner::Groups;
use super::share::Share;
use super::target::Target;
use super::{Config, Reason};
use crate::decision::{Owner, PodMove};
use crate::model::{
    Bytes, Cluster, MicroUsdPerHour, MilliCpu, NamespacedName, NodeName, OwnerIndex, Pod,
    Resources, Taint, WorkloadRef,
};
use crate::scheduling::movability::Movers;
use crate::scheduling::{
    BrokenPreference, Movability, NodeId, NotTarget, PodId, PreferencePrices, Refusal, Refusals,
    World, capacity,
};
use std::collections::{BTreeMap, BTreeSet};

/// Pods without a node that have found room in thought, by the node.
pub(super) type Waiting = BTreeMap<NodeId, Vec<PodId>>;

/// Puts the pods that wait for a node where they fit, so that nobody takes
/// their room away. Those that fit nowhere keep nothing from going.
pub(super) fn place_waiting(
    world: &mut World<'_>,
    cluster: &Cluster,
    movers: &Movers<'_>,
    prices: &PreferencePrices,
) -> Waiting {
    let pending: Vec<PodId> = world.pending().collect();
    let mut waiting = Waiting::new();
    for id in pending {
        let Some(pod) = world.pod(id) else { continue };
        let movability = movers.judge(pod);
        if matches!(movability, Movability::Leaving { .. }) {
            continue;
        }
        if let Ok((node, _)) = fullest(world, cluster, prices, id, None, |_| None) {
            world.place_pod(id, node);
            // A DaemonSet's pod goes with the node that it is for.
            if !matches!(movability, Movability::Stays { .. }) {
                waiting.entry(node).or_default().push(id);
            }
        }
    }
    waiting
}

/// Room that must stay free, over all nodes in service that stay.
#[derive(Clone)]
pub(super) struct Room {
    allocatable: Resources,
    requested: Resources,
    percent: u64,
}

impl Room {
    /// What nodes out of service hold will come to the others; what they have
    /// will not. Room for pods that are not there yet is free.
    pub(super) fn new(world: &World<'_>, candidates: &[Candidate<'_>], config: &Config) -> Self {
        let mut room = Self {
            allocatable: Resources::default(),
            requested: Resources::default(),
            percent: u64::from(config.headroom_percent),
        };
        for candidate in candidates {
            let mut used = world.used(candidate.id);
            for pod in world.pods_on(candidate.id) {
                let placeholder = world.pod(pod).is_some_and(is_placeholder);
                if let Some(request) = world.request(pod).filter(|_| placeholder) {
                    used.subtract(request);
                }
            }
            if candidate.in_service() {
                room.allocatable.add(&candidate.node.allocatable);
            } else {
                used.subtract(&candidate.ends);
            }
            room.requested.add(&used);
        }
        room
    }

    fn allows(&self, candidate: &Candidate<'_>) -> bool {
        let (mut allocatable, mut requested) = (self.allocatable.clone(), self.requested.clone());
        allocatable.subtract(&candidate.node.allocatable);
        requested.subtract(&candidate.ends);
        let left = |all: u64| u128::from(all) * u128::from(100 - self.percent.min(100)) / 100;
        let (MilliCpu(cpu), Bytes(memory)) = (requested.cpu, requested.memory);
        u128::from(cpu) <= left(allocatable.cpu.0)
            && u128::from(memory) <= left(allocatable.memory.0)
    }

    /// Counts a node that is launched.
    pub(super) fn came(&mut self, allocatable: &Resources, daemons: &Resources) {
        self.allocatable.add(allocatable);
        self.requested.add(daemons);
    }

    pub(super) fn removed(&mut self, candidate: &Candidate<'_>) {
        self.allocatable.subtract(&candidate.node.allocatable);
        self.requested.subtract(&candidate.ends);
    }
}

/// Nodes that groups launch. Each makes up for one node of its group that goes, whose
/// pods come to it: nobody goes below a minimum because another's launch did not
/// happen.
#[derive(Default)]
pub(super) struct Comers {
    /// Those that make up for nobody yet, with their groups.
    free: BTreeMap<NodeName, String>,
}

impl Comers {
    pub(super) fn launched(&mut self, node: &NodeName, group: Option<String>) {
        let new = group.map(|group| (node.clone(), group));
        self.free.extend(new);
    }

    fn counts(&self, owner: &Owner, node: &NodeName) -> bool {
        let group = self.free.get(node);
        group.is_some() && group == group_name(owner).as_ref()
    }

    /// Whether one of an owner's group comes for a node whose pods make these moves.
    /// It makes up for no other one then.
    pub(super) fn replace(&mut self, owner: &Owner, moves: &[PodMove]) -> bool {
        let mut to = moves.iter().filter_map(|m| m.to.as_ref());
        let found = to.find(|to| self.counts(owner, to));
        found.is_some_and(|to| self.free.remove(to).is_some())
    }
}

/// An attempt to empty one node.
pub(super) struct Trial<'t, 'a> {
    pub(super) config: &'t Config,
    pub(super) cluster: &'t Cluster,
    pub(super) candidate: &'t Candidate<'a>,
    pub(super) owner: &'t Owner,
    pub(super) groups: &'t Groups<'a>,
    pub(super) comers: &'t Comers,
    pub(super) taken: &'t BTreeMap<NodeName, u64>,
    /// Nodes whose room is for the pods that they were started for.
    pub(super) young: &'t BTreeSet<NodeName>,
    pub(super) room: &'t Room,
    pub(super) removed: usize,
    /// Where each pod should go, by uid; else where it fits.
    pub(super) target: Option<&'t Target>,
}

impl Trial<'_, '_> {
    /// Moves every pod in the world and takes the node out of it, or leaves
    /// the world as it was and says why the node stays.
    pub(super) fn run(
        &self,
        world: &mut World<'_>,
        share: &mut Share,
        owners: &OwnerIndex,
        waiting: &mut Waiting,
    ) -> Result<Vec<PodMove>, Box<Reason>> {
        let node = self.candidate.node;
        let name = node.name();
        if let Some(pods) = self.taken.get(&name) {
            return Err(Box::new(Reason::TakesPods { pods: *pods }));
        }
        if self.removed >= usize::try_from(self.config.max_nodes).unwrap_or(usize::MAX) {
            return Err(Box::new(Reason::PlanIsFull {
                max_nodes: self.config.max_nodes,
            }));
        }
        let group = &self.candidate.group;
        let mut refused = self.groups.refuses(node, group, self.owner);
        let mut at_minimum = None;
        // One of its group may come in its place.
        if self.groups.at_minimum(self.owner) && self.is_replaced() {
            at_minimum = refused;
            refused = self.groups.zones_refuse(node, group, self.owner);
        }
        if let Some(reason) = refused {
            return Err(Box::new(reason));
        }
        if !self.room.allows(self.candidate) {
            return Err(Box::new(Reason::Headroom {
                percent: self.config.headroom_percent,
            }));
        }
        let movers = self.candidate.movers.iter();
        let all: Vec<PodId> = movers
            .filter_map(|pod| world.pod_by_uid(&pod.meta.uid))
            .collect();
        let prices = &self.config.preferences;
        let before = broken(world, prices, &all);
        let unsettled = world.unsettled(&all);
        let mut moves: Vec<PodMove> = Vec::new();
        let mut done: Vec<(PodId, WorkloadRef, NodeName)> = Vec::new();
        for pod in &self.candidate.movers {
            let Some(id) = world.pod_by_uid(&pod.meta.uid) else {
                continue;
            };
            let workload = owners.top(pod);
            let from = Some(self.candidate.id);
            let refuses = |node: &NodeName| {
                let because = NotTarget::Young;
                let young = self.young.contains(node);
                let young = young.then_some(Refusal::NotTarget { because });
                young.or_else(|| share.refuses(pod, &workload, &name, node))
            };
            let wanted = self.target.and_then(|t| t.to.get(pod.meta.uid.as_str()));
            let wanted = wanted.and_then(|to| Some((world.node_id(to)?, to.clone())));
            let wanted = wanted.filter(|(target, to)| {
                from != Some(*target)
                    && refuses(to).is_none()
                    && world.fits(id, *target)
                    && leaves_again(world, id, *target).is_none()
            });
            let found = match wanted {
                Some(wanted) => Ok(wanted),
                None => fullest(world, self.cluster, prices, id, from, refuses),
            };
            match found {
                Ok((target, to)) => {
                    world.place_pod(id, target);
                    share.moved(&workload, &name, &to);
                    done.push((id, workload, to.clone()));
                    moves.push(PodMove {
                        pod: named(pod),
                        uid: pod.meta.uid.clone(),
                        to: Some(to),
                    });
                }
                Err(nowhere) => {
                    self.undo(world, share, done);
                    return Err(Box::new(nowhere.reason(named(pod))));
                }
            }
        }
        // What it saves has to be worth what its pods would rather have.
        let costs = broken(world, prices, &all) - before;
        let saves = self.candidate.price.unwrap_or_default();
        let least = self.config.min_saving_per_month;
        if costs > MicroUsdPerHour::ZERO && (saves - costs).per_month() < least {
            let all = done.iter().map(|(id, ..)| *id);
            if let Some((pod, broken)) = dearest(world, prices, all) {
                self.undo(world, share, done);
                return Err(Box::new(Reason::PreferencesCostMore {
                    saving: saves.per_month(),
                    preferences: costs.per_month(),
                    least,
                    pod,
                    broken,
                }));
            }
        }
        // Pods that wait for a node and counted on this one.
        let counting = waiting.get(&self.candidate.id).cloned().unwrap_or_default();
        let mut found: Vec<(PodId, NodeId)> = Vec::new();
        for id in counting {
            let from = Some(self.candidate.id);
            let there = fullest(world, self.cluster, prices, id, from, |_| None);
            match there.map(|(node, _)| node) {
                Ok(target) => {
                    world.place_pod(id, target);
                    found.push((id, target));
                }
                Err(nowhere) => {
                    if let Some(target) = self.launched_for(world, id, &moves) {
                        world.place_pod(id, target);
                        found.push((id, target));
                        continue;
                    }
                    let pod = world.pod(id);
                    let room = pod.and_then(|p| rule_of(&self.config.headroom, p));
                    let reason = match room {
                        Some(room) => Reason::PoolHeadroom {
                            headroom: room.clone(),
                        },
                        None => nowhere.reason(pod.map(named).unwrap_or_default()),
                    };
                    for (id, _) in found {
                        world.place_pod(id, self.candidate.id);
                    }
                    self.undo(world, share, done);
                    return Err(Box::new(reason));
                }
            }
        }
        let mut to = moves.iter().filter_map(|m| m.to.as_ref());
        let made_up = to.any(|to| self.comers.counts(self.owner, to));
        if let Some(reason) = at_minimum.filter(|_| !made_up) {
            for (id, _) in found {
                world.place_pod(id, self.candidate.id);
            }
            self.undo(world, share, done);
            return Err(Box::new(reason));
        }
        let stood = world.pods_on(self.candidate.id);
        world.remove_node(self.candidate.id);
        // Nobody who stays may be left where a rule would not have it any more.
        let worse = world.unsettled(&all);
        if let Some(id) = worse.difference(&unsettled).next() {
            let place = world.place(*id);
            let refusals = place.and_then(|place| world.check(*id, place).err());
            let reason = Reason::Unsettles {
                pod: world.pod(*id).map(named).unwrap_or_default(),
                refusals: refusals.unwrap_or(Refusals(Vec::new())),
            };
            world.bring_back(self.candidate.id, &stood);
            for (id, _) in found {
                world.place_pod(id, self.candidate.id);
            }
            self.undo(world, share, done);
            return Err(Box::new(reason));
        }
        waiting.remove(&self.candidate.id);
        for (id, target) in found {
            waiting.entry(target).or_default().push(id);
        }
        Ok(moves)
    }

    /// Whether pods should come to a new node of its group.
    fn is_replaced(&self) -> bool {
        let movers = self.candidate.movers.iter();
        let mut to = movers.filter_map(|pod| self.target?.to.get(pod.meta.uid.as_str()));
        to.any(|to| self.comers.counts(self.owner, to))
    }

    /// A node that is launched for other pods, and takes this one too.
    fn launched_for(&self, world: &World<'_>, pod: PodId, moves: &[PodMove]) -> Option<NodeId> {
        let bought = self.target.map_or(&[][..], |t| t.bought.as_slice());
        let used = |name: &NodeName| {
            let mut now = moves.iter().filter_map(|m| m.to.as_ref());
            self.taken.contains_key(name) || now.any(|to| to == name)
        };
        let mut nodes = bought
            .iter()
            .filter(|new| used(&new.name))
            .filter_map(|new| world.node_id(&new.name));
        nodes.find(|node| world.fits(pod, *node) && leaves_again(world, pod, *node).is_none())
    }

    /// Puts the pods back, the last one first.
    fn undo(
        &self,
        world: &mut World<'_>,
        share: &mut Share,
        done: Vec<(PodId, WorkloadRef, NodeName)>,
    ) {
        for (id, workload, to) in done.into_iter().rev() {
            world.place_pod(id, self.candidate.id);
            share.moved(&workload, &to, &self.candidate.node.name());
        }
    }
}

/// What pods break of what they prefer where they stand, in all.
fn broken(world: &World<'_>, prices: &PreferencePrices, pods: &[PodId]) -> MicroUsdPerHour {
    let placed = pods
        .iter()
        .filter_map(|pod| Some((*pod, world.place(*pod)?)));
    placed
        .map(|(pod, place)| world.preference_cost(prices, pod, place))
        .sum()
}

/// The dearest preference that one of these pods breaks where it stands.
fn dearest(
    world: &World<'_>,
    prices: &PreferencePrices,
    pods: impl Iterator<Item = PodId>,
) -> Option<(NamespacedName, BrokenPreference)> {
    let all = pods.filter_map(|pod| {
        let place = world.place(pod)?;
        let broken = world.broken_preferences(pod, place).into_iter();
        let dearest = broken.max_by_key(|b| prices.of(b))?;
        Some((prices.of(&dearest), named(world.pod(pod)?), dearest))
    });
    let first = all.max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)));
    first.map(|(_, pod, broken)| (pod, broken))
}

pub(super) fn named(pod: &Pod) -> NamespacedName {
    NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone())
}

/// No node takes a pod.
pub(super) struct Nowhere {
    tried: u64,
    /// What the node that refuses for the fewest reasons says.
    nearest: Refusals,
}

impl Nowhere {
    pub(super) fn reason(self, pod: NamespacedName) -> Reason {
        Reason::NoRoom {
            pod,
            tried: self.tried,
            nearest: self.nearest,
        }
    }
}

/// The taint that would drive a pod away again after a time: a second eviction
/// is worth no move.
pub(super) fn leaves_again(world: &World<'_>, pod: PodId, node: NodeId) -> Option<Taint> {
    let tolerations = &world.pod(pod)?.spec.tolerations;
    capacity::tolerated_for_a_time(tolerations, world.node(node)?).cloned()
}

/// The node, other than `from`, that takes the pod by every rule, that `refuses` has
/// nothing against, and where it breaks least of what it prefers; of those the
/// fullest: what is left free stays in large pieces.
pub(super) fn fullest(
    world: &World<'_>,
    cluster: &Cluster,
    prices: &PreferencePrices,
    pod: PodId,
    from: Option<NodeId>,
    refuses: impl Fn(&NodeName) -> Option<Refusal>,
) -> Result<(NodeId, NodeName), Nowhere> {
    let mut best: Option<((MicroUsdPerHour, u64, NodeName), NodeId)> = None;
    let mut nearest: Option<Refusals> = None;
    let mut tried = 0;
    for node in cluster.nodes.items() {
        let name = node.name();
        let Some(id) = world.node_id(&name) else {
            continue;
        };
        if Some(id) == from {
            continue;
        }
        tried += 1;
        let again = || leaves_again(world, pod, id).map(|taint| Refusal::Taint { taint });
        let refused = || refuses(&name).or_else(again);
        let answer = world
            .check(pod, id)
            .and_then(|()| refused().map_or(Ok(()), |r| Err(Refusals(vec![r]))));
        match answer {
            Ok(()) => {
                let free = world.free(id);
                let permille =
                    |free: u64, of: u64| free.saturating_mul(1000).checked_div(of).unwrap_or(0);
                let left = permille(free.cpu.0, node.allocatable.cpu.0)
                    + permille(free.memory.0 >> 20, node.allocatable.memory.0 >> 20);
                let key = (world.preference_cost(prices, pod, id), left, name);
                if best.as_ref().is_none_or(|(have, _)| key < *have) {
                    best = Some((key, id));
                }
            }
            Err(refusals) => {
                let shorter = |have: &Refusals| refusals.0.len() < have.0.len();
                if nearest.as_ref().is_none_or(shorter) {
                    nearest = Some(refusals);
                }
            }
        }
    }
    match best {
        Some(((.., name), id)) => Ok((id, name)),
        None => Err(Nowhere {
            tried,
            nearest: nearest.unwrap_or(Refusals(Vec::new())),
        }),
    }
}
