//! Pods whose place is not known, and what can be said with them about.
//!
//! Who lets the kube-scheduler choose knows where a pod could be, not where it
//! is. So a member of a [`Crowd`] takes its room on **every** node that could
//! ever take it, and whatever it could change for a rule of another pod counts
//! as changed.

use super::refusal::Refusal;
use super::world::{NodeId, PodEntry, PodId, World};
use crate::model::{HOSTNAME_LABEL, Resources};
use std::collections::BTreeMap;

/// Places of members that are tried one by one; with more, what they could
/// change counts as changed.
const MOST_WAYS: usize = 256;

/// Something that a pod brings to the place where it stands, and that the rules
/// of another pod may ask about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// It is selected by an anti-affinity term.
    Avoided(usize),
    /// It carries an anti-affinity term.
    Avoids(usize),
    /// It is selected by an affinity.
    Near(usize),
    /// It is counted by a spread.
    Spread(usize),
    /// It counts for an operator's limit.
    Limit(usize),
    Port(u16, String),
    Claim(String, String),
    /// It takes shares of devices, nobody knows of which.
    Devices,
}

/// What pods take of a node.
#[derive(Debug, Clone, Default)]
struct Load {
    requests: Resources,
    /// Volumes by driver; one of two pods counts twice.
    attached: BTreeMap<String, u32>,
}

impl Load {
    fn of(pod: &PodEntry<'_>) -> Self {
        let mut load = Self {
            requests: pod.request.clone(),
            attached: BTreeMap::new(),
        };
        for (driver, _) in &pod.needs.attached {
            *load.attached.entry(driver.clone()).or_default() += 1;
        }
        load
    }

    fn add(&mut self, other: &Self) {
        self.requests.add(&other.requests);
        for (driver, count) in &other.attached {
            let mine = self.attached.entry(driver.clone()).or_default();
            *mine = mine.saturating_add(*count);
        }
    }

    fn subtract(&mut self, other: &Self) {
        self.requests.subtract(&other.requests);
        for (driver, count) in &other.attached {
            if let Some(mine) = self.attached.get_mut(driver) {
                *mine = mine.saturating_sub(*count);
            }
        }
    }

    /// Whether a node has room for it beside what stands there.
    fn fits(&self, world: &World<'_>, node: NodeId) -> bool {
        let none = std::collections::BTreeSet::new();
        let mut drivers = self.attached.iter().filter(|(_, count)| **count > 0);
        self.requests.fits_in(&world.free(node))
            && drivers.all(|(driver, count)| {
                let left = world.attachable(node, driver, &none);
                left.is_none_or(|left| *count <= left)
            })
    }
}

/// Pods that may stand on any node that could ever take them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crowd {
    /// Where each could come to stand.
    members: BTreeMap<PodId, Vec<NodeId>>,
    marks: BTreeMap<Mark, u32>,
    load: BTreeMap<NodeId, Load>,
    /// One pod of each kind that the same nodes take, with those nodes.
    kinds: Vec<(PodId, Vec<NodeId>)>,
}

impl Crowd {
    /// Nodes that take pods and could ever take this one, as far as labels,
    /// taints and volumes go. What is not known about its claims keeps it from
    /// none.
    pub(crate) fn range(&mut self, world: &World<'_>, pod: PodId) -> Vec<NodeId> {
        let known = self.kinds.iter().find(|(k, _)| world.alike(*k, pod));
        if let Some((_, nodes)) = known {
            return nodes.clone();
        }
        let nodes: Vec<NodeId> = world
            .nodes()
            .filter(|n| world.could_come(pod, *n))
            .collect();
        self.kinds.push((pod, nodes.clone()));
        nodes
    }

    /// Takes a pod in. One that has room nowhere now will have none later: it
    /// stays out.
    pub(crate) fn add(&mut self, world: &World<'_>, pod: PodId) {
        let nodes = self.range(world, pod);
        self.take_in(world, pod, nodes);
    }

    /// As [`Crowd::add`], while one node is closed for a time.
    pub(crate) fn add_but(&mut self, world: &World<'_>, pod: PodId, closed: Option<NodeId>) {
        let mut nodes = self.range(world, pod);
        nodes.retain(|node| Some(*node) != closed);
        self.take_in(world, pod, nodes);
    }

    /// As [`Crowd::add`], for a pod that waits already: where a pod that stays
    /// holds its port or avoids it, it will not come either.
    pub(crate) fn add_waiting(&mut self, world: &World<'_>, pod: PodId) {
        let mut nodes = self.range(world, pod);
        nodes.retain(|node| !world.shut_out(pod, *node));
        self.take_in(world, pod, nodes);
    }

    /// A pod that is on its way out: affinity to it holds no longer than it.
    pub(crate) fn add_leaving(&mut self, world: &World<'_>, pod: PodId) {
        let selected = world.pods.get(pod.0).map(|p| &p.selected_by.affinities);
        for group in selected.into_iter().flatten() {
            *self.marks.entry(Mark::Near(*group)).or_default() += 1;
        }
    }

    fn take_in(&mut self, world: &World<'_>, pod: PodId, mut nodes: Vec<NodeId>) {
        let Some(entry) = world.pods.get(pod.0) else {
            return;
        };
        if self.members.contains_key(&pod) {
            return;
        }
        // Where it stands its room is taken already.
        let here = entry.place.map(NodeId);
        nodes.retain(|node| Some(*node) != here && entry.request.fits_in(&world.free_later(*node)));
        if nodes.is_empty() && here.is_none() {
            return;
        }
        let load = Load::of(entry);
        for node in &nodes {
            self.load.entry(*node).or_default().add(&load);
        }
        for mark in world.brings(entry) {
            *self.marks.entry(mark).or_default() += 1;
        }
        self.members.insert(pod, nodes);
    }

    /// A node that was not there before: members may come to it as well.
    pub(crate) fn node_came(&mut self, world: &World<'_>, node: NodeId) {
        for (pod, nodes) in &mut self.kinds {
            if world.could_come(*pod, node) {
                nodes.push(node);
            }
        }
        for (pod, nodes) in &mut self.members {
            let Some(entry) = world.pods.get(pod.0) else {
                continue;
            };
            if world.could_come(*pod, node) && entry.request.fits_in(&world.free_later(node)) {
                nodes.push(node);
                self.load.entry(node).or_default().add(&Load::of(entry));
            }
        }
    }

    /// A node from which pods went away: others that wait may come there now.
    pub(crate) fn room_came(&mut self, world: &World<'_>, node: NodeId, waiting: &[PodId]) {
        for pod in waiting {
            let Some(entry) = world.pods.get(pod.0) else {
                continue;
            };
            let comes = self.range(world, *pod).contains(&node)
                && entry.place.map(NodeId) != Some(node)
                && !world.shut_out(*pod, node)
                && entry.request.fits_in(&world.free_later(node));
            match self.members.get_mut(pod) {
                None => self.add_waiting(world, *pod),
                Some(nodes) if comes && !nodes.contains(&node) => {
                    nodes.push(node);
                    self.load.entry(node).or_default().add(&Load::of(entry));
                }
                Some(_) => {}
            }
        }
    }

    pub(crate) fn remove(&mut self, world: &World<'_>, pod: PodId) {
        let (Some(nodes), Some(entry)) = (self.members.remove(&pod), world.pods.get(pod.0)) else {
            return;
        };
        let load = Load::of(entry);
        for node in &nodes {
            if let Some(mine) = self.load.get_mut(node) {
                mine.subtract(&load);
            }
        }
        for mark in world.brings(entry) {
            if let Some(count) = self.marks.get_mut(&mark) {
                *count = count.saturating_sub(1);
            }
        }
    }

    pub(crate) fn contains(&self, pod: PodId) -> bool {
        self.members.contains_key(&pod)
    }

    /// Where a member could come to stand.
    pub(crate) fn nodes_of(&self, pod: PodId) -> &[NodeId] {
        self.members.get(&pod).map_or(&[], Vec::as_slice)
    }

    /// Members, other than the pod itself, that could change what the pod's
    /// rules say; `None` when somebody could who is no member.
    pub(crate) fn touching(&self, world: &World<'_>, pod: PodId) -> Option<Vec<PodId>> {
        if !self.touches(world, pod) {
            return Some(Vec::new());
        }
        let asks = world.asks(world.pods.get(pod.0)?);
        let brings = |id: &PodId| {
            let entry = world.pods.get(id.0);
            entry.is_some_and(|p| world.brings(p).iter().any(|m| asks.contains(m)))
        };
        let others = self.members.keys().filter(|id| **id != pod);
        let found: Vec<PodId> = others.copied().filter(brings).collect();
        let mut marks: BTreeMap<Mark, u32> = BTreeMap::new();
        let known = found.iter().chain(self.contains(pod).then_some(&pod));
        for entry in known.filter_map(|id| world.pods.get(id.0)) {
            for mark in world.brings(entry) {
                *marks.entry(mark).or_default() += 1;
            }
        }
        let all = |mark: &Mark| self.marks.get(mark).copied().unwrap_or(0);
        let count = |mark: &Mark| marks.get(mark).copied().unwrap_or(0);
        asks.iter().all(|m| all(m) <= count(m)).then_some(found)
    }

    /// Whether a member, other than the pod itself, could change what the
    /// pod's rules say.
    fn touches(&self, world: &World<'_>, pod: PodId) -> bool {
        let Some(entry) = world.pods.get(pod.0) else {
            return true;
        };
        let own = if self.contains(pod) {
            world.brings(entry)
        } else {
            Vec::new()
        };
        world.asks(entry).into_iter().any(|mark| {
            let mine = own.iter().filter(|m| **m == mark).count();
            let mine = u32::try_from(mine).unwrap_or(u32::MAX);
            self.marks.get(&mark).is_some_and(|count| *count > mine)
        })
    }

    /// Whether a node has room for a pod even when every other member that
    /// could come there is there, and takes it by every rule as things stand.
    pub(crate) fn leaves_room(&self, world: &World<'_>, pod: PodId, node: NodeId) -> bool {
        let Some(entry) = world.pods.get(pod.0) else {
            return false;
        };
        let own = Load::of(entry);
        let mut load = self.load.get(&node).cloned().unwrap_or_default();
        if !self.nodes_of(pod).contains(&node) {
            load.add(&own);
        }
        // Of what the pod does not want, no matter how little is left.
        load.requests = wanted(&load.requests, &own.requests);
        load.attached.retain(|d, _| own.attached.contains_key(d));
        load.fits(world, node) && world.fits(pod, node)
    }
}

impl Crowd {
    /// Whether the node takes the pod by every rule wherever the members are.
    /// The world is as it was afterwards.
    pub(crate) fn holds_always(&self, world: &mut World<'_>, pod: PodId, node: NodeId) -> bool {
        if !self.leaves_room(world, pod, node) {
            return false;
        }
        let Some(touching) = self.touching(world, pod) else {
            return false;
        };
        let ways = touching.iter().map(|id| self.nodes_of(*id).len() + 2);
        let ways = ways.fold(1, usize::saturating_mul);
        ways <= MOST_WAYS && self.fits_always(world, pod, node, &touching)
    }

    /// Whether the node takes the pod wherever these others stand, and when
    /// they stand nowhere.
    pub(crate) fn fits_always(
        &self,
        world: &mut World<'_>,
        pod: PodId,
        node: NodeId,
        others: &[PodId],
    ) -> bool {
        let Some((other, rest)) = others.split_first() else {
            return world.fits(pod, node);
        };
        let stood = world.place(*other);
        let mut fits = self.fits_always(world, pod, node, rest);
        world.remove_pod(*other);
        fits = fits && self.fits_always(world, pod, node, rest);
        for place in self.nodes_of(*other) {
            if fits {
                world.place_pod(*other, *place);
                fits = self.fits_always(world, pod, node, rest);
            }
        }
        match stood {
            Some(stood) => {
                world.place_pod(*other, stood);
            }
            None => {
                world.remove_pod(*other);
            }
        }
        fits
    }
}

/// What pods ask for together, for proofs by counting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Total(Resources);

impl Total {
    pub(crate) fn add(&mut self, world: &World<'_>, pod: PodId) {
        if let Some(entry) = world.pods.get(pod.0) {
            self.0.add(&entry.request);
        }
    }

    /// Whether these pods, wherever each of them goes, leave room for the pod
    /// on one of the nodes. The pod has to be among them.
    ///
    /// To shut the pod out of a node they need there, of one resource that it
    /// wants, all that is free but for one unit less than it asks for. As each
    /// stands in one place, the shares of the total that all nodes need, each by
    /// its cheapest resource, would have to be no more than one per resource.
    pub(crate) fn leaves_room(&self, world: &World<'_>, pod: PodId, nodes: &[NodeId]) -> bool {
        const WHOLE: u128 = 1_000_000;
        let Some(own) = world.pods.get(pod.0).map(|p| &p.request) else {
            return false;
        };
        let of = |r: &Resources| {
            let mut all = vec![r.cpu.0, r.memory.0, r.ephemeral_storage.0, r.pods];
            let extended = own.extended.keys();
            all.extend(extended.map(|name| r.extended.get(name).copied().unwrap_or(0)));
            all
        };
        let (wants, total) = (of(own), of(&self.0));
        let resources = wants.iter().filter(|amount| **amount > 0).count();
        let mut sum = 0_u128;
        for node in nodes {
            let free = of(&world.free(*node));
            let shares = wants.iter().zip(&free).zip(&total);
            let cheapest = shares
                .filter(|((want, _), _)| **want > 0)
                .map(|((want, free), total)| {
                    let needed = (u128::from(*free) + 1).saturating_sub(u128::from(*want));
                    needed * WHOLE / u128::from((*total).max(1))
                })
                .min();
            match cheapest {
                Some(share) if share > WHOLE => return true,
                share => sum += share.unwrap_or(0),
            }
        }
        sum > WHOLE * u128::try_from(resources).unwrap_or(u128::MAX)
    }
}

/// The resources of `all` of which `own` wants some.
fn wanted(all: &Resources, own: &Resources) -> Resources {
    let mut wanted = all.clone();
    if own.cpu.0 == 0 {
        wanted.cpu.0 = 0;
    }
    if own.memory.0 == 0 {
        wanted.memory.0 = 0;
    }
    if own.ephemeral_storage.0 == 0 {
        wanted.ephemeral_storage.0 = 0;
    }
    let mut of_own = |name: &String, _: &mut u64| own.extended.get(name).is_some_and(|n| *n > 0);
    wanted.extended.retain(&mut of_own);
    wanted
}

/// What pods that come later count on: room on their targets, and rules that
/// say then what they say now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reserve {
    room: BTreeMap<NodeId, Load>,
    asks: BTreeMap<Mark, u32>,
}

impl Reserve {
    pub(crate) fn add(&mut self, world: &World<'_>, pod: PodId, target: Option<NodeId>) {
        let Some(entry) = world.pods.get(pod.0) else {
            return;
        };
        if let Some(target) = target {
            self.room.entry(target).or_default().add(&Load::of(entry));
        }
        for mark in world.asks(entry) {
            *self.asks.entry(mark).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, world: &World<'_>, pod: PodId, target: Option<NodeId>) {
        let Some(entry) = world.pods.get(pod.0) else {
            return;
        };
        if let Some(room) = target.and_then(|t| self.room.get_mut(&t)) {
            room.subtract(&Load::of(entry));
        }
        for mark in world.asks(entry) {
            if let Some(count) = self.asks.get_mut(&mark) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Whether what is reserved is still there with this member of the crowd,
    /// wherever it goes.
    pub(crate) fn stands(&self, world: &World<'_>, crowd: &Crowd, pod: PodId) -> bool {
        let Some(entry) = world.pods.get(pod.0) else {
            return false;
        };
        let asked = |mark: &Mark| self.asks.get(mark).is_some_and(|count| *count > 0);
        let room = |node: &NodeId| match self.room.get(node) {
            Some(room) if room.requests.pods > 0 => {
                let mut all = room.clone();
                if let Some(load) = crowd.load.get(node) {
                    all.add(load);
                }
                all.fits(world, *node)
            }
            _ => true,
        };
        !world.brings(entry).iter().any(asked) && crowd.nodes_of(pod).iter().all(room)
    }
}

impl World<'_> {
    /// Whether labels, taints and volumes send two pods to the same nodes.
    fn alike(&self, a: PodId, b: PodId) -> bool {
        let (Some(one), Some(other)) = (self.pods.get(a.0), self.pods.get(b.0)) else {
            return false;
        };
        let groups = |p: &PodEntry<'_>| -> (Option<usize>, Vec<usize>) {
            let spreads = p.spreads.iter().map(|s| s.group);
            (p.affinity.map(|(group, _)| group), spreads.collect())
        };
        one.pod.spec.os == other.pod.spec.os
            && one.pod.spec.scheduling_gates == other.pod.spec.scheduling_gates
            && groups(one) == groups(other)
            && self.standing(a) == self.standing(b)
    }

    /// Whether pods that stay on the node keep the pod away from it.
    fn shut_out(&self, pod: PodId, node: NodeId) -> bool {
        let Err(refusals) = self.check(pod, node) else {
            return false;
        };
        let mut on = self.pods_on(node).into_iter();
        let leaving = |id: PodId| self.pod(id).is_some_and(crate::model::Pod::is_terminating);
        !on.any(leaving)
            && refusals.0.iter().any(|r| match r {
                Refusal::HostPort { .. } => true,
                Refusal::PodAntiAffinity { key, .. } | Refusal::AvoidedByOthers { key, .. } => {
                    key == HOSTNAME_LABEL
                }
                _ => false,
            })
    }

    /// What is free on a node once the pods that are on their way out are gone.
    fn free_later(&self, node: NodeId) -> Resources {
        let mut free = self.free(node);
        for pod in self.pods_on(node) {
            if let Some(entry) = self.pods.get(pod.0).filter(|p| p.pod.is_terminating()) {
                free.add(&entry.request);
            }
        }
        free
    }

    /// Whether the pod could come to the node once other pods are elsewhere.
    fn could_come(&self, pod: PodId, node: NodeId) -> bool {
        let Err(refusals) = self.check(pod, node) else {
            return true;
        };
        !refusals.0.iter().any(|r| {
            matches!(
                r,
                Refusal::NotTarget { .. }
                    | Refusal::NodeSelector { .. }
                    | Refusal::NodeAffinity { .. }
                    | Refusal::Taint { .. }
                    | Refusal::OperatingSystem { .. }
                    | Refusal::TopologyKeyMissing { .. }
                    | Refusal::VolumeAffinity { .. }
                    | Refusal::VolumeTopology { .. }
                    | Refusal::Gated { .. }
            )
        })
    }

    /// Whether no rule of the operator counts the pod: the scheduler, which
    /// knows none of them, may choose its node.
    pub(crate) fn may_be_chosen_for(&self, pod: PodId) -> bool {
        let entry = self.pods.get(pod.0);
        entry.is_some_and(|p| p.in_with.is_empty() && p.in_of.is_empty())
    }

    /// Whether only room decides which of the nodes that could take the pod
    /// does, whatever stands where.
    pub(crate) fn wants_room_only(&self, pod: PodId) -> bool {
        let entry = self.pods.get(pod.0);
        entry.is_some_and(|p| {
            let needs = &p.needs;
            self.asks(p).is_empty()
                && needs.attached.is_empty()
                && needs.exclusive.is_empty()
                && needs.problems.is_empty()
                && p.pod.spec.resource_claims.is_empty()
                && p.pod.spec.scheduling_gates.is_empty()
        })
    }

    fn brings(&self, p: &PodEntry<'_>) -> Vec<Mark> {
        let mut marks = Self::shares(p);
        let by = &p.selected_by;
        marks.extend(by.antis.iter().map(|i| Mark::Avoided(*i)));
        marks.extend(p.antis.iter().map(|(i, _)| Mark::Avoids(*i)));
        marks.extend(by.affinities.iter().map(|i| Mark::Near(*i)));
        marks.extend(by.spreads.iter().map(|i| Mark::Spread(*i)));
        marks
    }

    fn asks(&self, p: &PodEntry<'_>) -> Vec<Mark> {
        let mut marks = Self::shares(p);
        marks.extend(p.antis.iter().map(|(i, _)| Mark::Avoided(*i)));
        let by = &p.selected_by;
        marks.extend(by.antis.iter().map(|i| Mark::Avoids(*i)));
        marks.extend(p.affinity.map(|(i, _)| Mark::Near(i)));
        marks.extend(p.spreads.iter().map(|s| Mark::Spread(s.group)));
        marks
    }

    /// What both sides have when it matters.
    fn shares(p: &PodEntry<'_>) -> Vec<Mark> {
        let mut marks = Vec::new();
        let ports = p.ports.iter();
        marks.extend(ports.map(|(port, protocol, _)| Mark::Port(*port, protocol.clone())));
        let namespace = &p.pod.meta.namespace;
        let claims = p.needs.exclusive.iter();
        marks.extend(claims.map(|(claim, _)| Mark::Claim(namespace.clone(), claim.clone())));
        let limits = p.in_with.iter().chain(&p.in_of);
        marks.extend(limits.map(|i| Mark::Limit(*i)));
        marks.extend(p.pod.spec.devices.is_some().then_some(Mark::Devices));
        marks.sort();
        marks.dedup();
        marks
    }
}
