//! Points of a frontier, carried out pod by pod.

use super::{Launched, Moved, RepackingPoint};
use crate::engines::bin_packing::fleet::{Launchable, Shares, Stand, Translated};
use crate::engines::bin_packing::share::Share;
use crate::engines::bin_packing::solver::{Place, Point};
use crate::engines::bin_packing::trial::leaves_again;
use crate::model::{
    HOSTNAME_LABEL, MicroUsdPerHour, NamespacedName, Node, NodeName, Pod, WorkloadRef,
};
use crate::scheduling::{NodeId, PodId, PreferencePrices, World};
use std::collections::{BTreeMap, BTreeSet};

/// What a point's moves are made in.
pub(super) struct Carrier<'c, 'a> {
    pub(super) world: &'c World<'a>,
    pub(super) stands: &'c [Stand],
    pub(super) launchables: &'c [Launchable],
    pub(super) translated: &'c Translated,
    pub(super) shut: &'c BTreeSet<NodeId>,
    pub(super) shares: Shares<'c>,
}

impl Carrier<'_, '_> {
    /// Makes a point's moves in a world, one after the other. A pod that its
    /// target refuses goes where it fits; a node that cannot be emptied stays.
    pub(super) fn carry_out(&self, point: &Point) -> RepackingPoint {
        let Self {
            stands,
            launchables,
            translated,
            shut,
            ..
        } = *self;
        let mut world = self.world.clone();
        let mut share = self.shares.share.clone();
        let mut launched: Vec<(Launched, Option<NodeId>, u64)> = Vec::new();
        for (number, new) in point.bought.iter().enumerate() {
            let kind = launchables.get(new.node_type);
            let zone = new.zone.and_then(|z| translated.zones.get(z));
            let found = kind.zip(zone).and_then(|(kind, zone)| {
                let (node, price) = kind.zones.get(zone)?;
                let mut node = node.clone();
                node.meta.name = format!("launch-{number:04}");
                let labels = &mut node.meta.labels;
                labels.insert(HOSTNAME_LABEL.to_owned(), node.meta.name.clone());
                let name = node.name();
                share.came(&node);
                let id = world.add_node(node, &kind.daemons, kind.ebs_limit);
                let launched = Launched {
                    name,
                    kind: kind.id.clone(),
                    zone: zone.clone(),
                    price: *price,
                };
                Some((launched, id, 0))
            });
            launched.extend(found);
        }
        let mut plan: BTreeMap<usize, Vec<(PodId, Option<NodeId>)>> = BTreeMap::new();
        let mut taken: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for relocation in &point.moves {
            let to = match relocation.to {
                Place::Node(node) => stands.get(node).map(|s| s.node),
                Place::Bought(number) => launched.get(number).and_then(|l| l.1),
            };
            let key = (relocation.from, relocation.class);
            let pods = translated.pods.get(&key).map_or(&[][..], Vec::as_slice);
            let at = taken.entry(key).or_default();
            for _ in 0..relocation.count {
                if let Some(pod) = pods.get(*at) {
                    plan.entry(relocation.from).or_default().push((*pod, to));
                }
                *at += 1;
            }
        }
        let mut going: BTreeSet<NodeId> = point
            .removed
            .iter()
            .filter_map(|n| Some(stands.get(*n)?.node))
            .collect();
        let mut out = RepackingPoint {
            found_by: point.found_by.clone(),
            ..RepackingPoint::default()
        };
        let mut saved = MicroUsdPerHour::ZERO;
        let mut came =
            |out: &mut RepackingPoint, done: Vec<(PodId, NodeId, NodeName)>, from: &NodeName| {
                for (pod, to, name) in done {
                    if let Some(new) = launched.iter_mut().find(|l| l.1 == Some(to)) {
                        new.2 += 1;
                    }
                    let Some(pod) = self.world.pod(pod) else {
                        continue;
                    };
                    // One that waits for a node is nobody's move.
                    if pod.node().is_some() {
                        out.moves.push(Moved {
                            pod: named(pod),
                            uid: pod.meta.uid.clone(),
                            from: from.clone(),
                            to: name,
                        });
                    }
                }
            };
        let mut waiting: Vec<usize> = point.removed.clone();
        let mut shifts = self.shifts(point, &mut plan);
        // Nodes go as soon as there is room; pods of nodes that stay make some, and
        // some of those have to wait for room themselves.
        loop {
            let before = (waiting.len(), shifts.len());
            shifts.retain(|(from, pod, to)| {
                let Some(done) = self.shift(&mut world, &mut share, *from, *pod, *to) else {
                    return true;
                };
                let name = world.node(*from).map(Node::name).unwrap_or_default();
                came(&mut out, vec![done], &name);
                false
            });
            waiting.retain(|index| {
                let Some(stand) = stands.get(*index) else {
                    return false;
                };
                let moves = plan.get(index).cloned().unwrap_or_default();
                let from = world.node(stand.node).map(Node::name).unwrap_or_default();
                let Some(done) = self.empty(&mut world, &mut share, stand.node, moves, &going)
                else {
                    return true;
                };
                came(&mut out, done, &from);
                out.removed.push(from);
                saved += stand.price.unwrap_or_default();
                false
            });
            if waiting.is_empty() {
                break;
            }
            if (waiting.len(), shifts.len()) == before {
                // The first stays, and may take what the others have.
                let stays = stands.get(waiting.remove(0)).map(|s| s.node);
                if let Some(node) = stays.filter(|node| going.remove(node) && shut.contains(node)) {
                    world.close_node(node);
                }
            }
        }
        let used = launched.into_iter().filter(|(_, _, pods)| *pods > 0);
        out.launched = used.map(|(l, ..)| l).collect();
        let before: MicroUsdPerHour = stands.iter().filter_map(|s| s.price).sum();
        let bought: MicroUsdPerHour = out.launched.iter().map(|l| l.price).sum();
        out.cost = before - saved + bought;
        out.preferences = world.preferences_cost(&self.shares.preferences);
        out.moved = u64::try_from(out.moves.len()).unwrap_or(u64::MAX);
        out
    }

    /// Moves of pods off nodes that stay: from, pod, to.
    fn shifts(
        &self,
        point: &Point,
        plan: &mut BTreeMap<usize, Vec<(PodId, Option<NodeId>)>>,
    ) -> Vec<(NodeId, PodId, NodeId)> {
        let stay = |from: &usize| !point.removed.contains(from);
        let from: Vec<usize> = plan.keys().copied().filter(stay).collect();
        let mut out = Vec::new();
        for index in from {
            let Some(stand) = self.stands.get(index) else {
                continue;
            };
            let moves = plan.remove(&index).unwrap_or_default().into_iter();
            out.extend(moves.filter_map(|(pod, to)| Some((stand.node, pod, to?))));
        }
        out
    }

    /// Moves a pod off a node that stays, if its target takes it now and nobody
    /// is left where a rule would not have it any more.
    fn shift(
        &self,
        world: &mut World<'_>,
        share: &mut Share,
        from: NodeId,
        pod: PodId,
        to: NodeId,
    ) -> Option<(PodId, NodeId, NodeName)> {
        let of = self.workload(pod);
        let (left, name) = (world.node(from)?.name(), world.node(to)?.name());
        let who = of.as_ref().zip(self.world.pod(pod));
        if who.is_some_and(|(of, pod)| share.refuses(pod, of, &left, &name).is_some()) {
            return None;
        }
        let unsettled = world.unsettled(&[pod]);
        world.remove_pod(pod);
        if world.fits(pod, to) && leaves_again(world, pod, to).is_none() {
            world.place_pod(pod, to);
            if world.unsettled(&[pod]).is_subset(&unsettled) {
                if let Some(of) = &of {
                    share.moved(of, &left, &name);
                }
                return Some((pod, to, name));
            }
            world.remove_pod(pod);
        }
        world.place_pod(pod, from);
        None
    }

    /// Whose pod it is. Where the scheduler puts one that waits is no move of ours.
    fn workload(&self, pod: PodId) -> Option<WorkloadRef> {
        let pod = self.world.pod(pod).filter(|p| p.node().is_some())?;
        Some(self.shares.owners.top(pod))
    }

    /// Counts pods on the node again from which they were moved.
    fn back(&self, share: &mut Share, from: &NodeName, done: &[(PodId, NodeId, NodeName)]) {
        for (pod, _, to) in done {
            if let Some(of) = self.workload(*pod) {
                share.moved(&of, to, from);
            }
        }
    }

    /// Moves all of a node's pods and takes it away, or leaves the world as it was.
    fn empty(
        &self,
        world: &mut World<'_>,
        share: &mut Share,
        node: NodeId,
        moves: Vec<(PodId, Option<NodeId>)>,
        going: &BTreeSet<NodeId>,
    ) -> Option<Vec<(PodId, NodeId, NodeName)>> {
        let all: Vec<PodId> = moves.iter().map(|(pod, _)| *pod).collect();
        let from = world.node(node).map(Node::name).unwrap_or_default();
        let unsettled = world.unsettled(&all);
        world.close_node(node);
        for pod in &all {
            world.remove_pod(*pod);
        }
        let mut done: Vec<(PodId, NodeId, NodeName)> = Vec::new();
        let mut rest = moves;
        // Pods that need company may have to wait for it.
        while !rest.is_empty() {
            let mut later = Vec::new();
            let count = done.len();
            for (pod, to) in rest {
                let of = self.workload(pod);
                let who = of.as_ref().zip(world.pod(pod));
                let refuses = |to: NodeId| {
                    let name = world.node(to).map(Node::name).unwrap_or_default();
                    who.is_some_and(|(of, pod)| share.refuses(pod, of, &from, &name).is_some())
                };
                let to = to.filter(|to| {
                    world.fits(pod, *to) && leaves_again(world, pod, *to).is_none() && !refuses(*to)
                });
                let prices = &self.shares.preferences;
                let any = || tightest(world, prices, pod, |to| going.contains(&to) || refuses(to));
                match to.or_else(any) {
                    Some(to) => {
                        let name = world.node(to).map(Node::name).unwrap_or_default();
                        if let Some(of) = &of {
                            share.moved(of, &from, &name);
                        }
                        world.place_pod(pod, to);
                        done.push((pod, to, name));
                    }
                    None => later.push((pod, None)),
                }
            }
            if done.len() == count {
                self.back(share, &from, &done);
                for pod in all {
                    world.place_pod(pod, node);
                }
                world.open_node(node);
                return None;
            }
            rest = later;
        }
        let stood = world.pods_on(node);
        world.remove_node(node);
        // Nobody who stays may be left where a rule would not have it any more.
        if !world.unsettled(&all).is_subset(&unsettled) {
            world.bring_back(node, &stood);
            self.back(share, &from, &done);
            for pod in all {
                world.place_pod(pod, node);
            }
            world.open_node(node);
            return None;
        }
        Some(done)
    }
}

fn named(pod: &Pod) -> NamespacedName {
    NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone())
}

/// The node where the pod breaks least of what it prefers, and of those the one that
/// is fullest with it, except for some.
pub(super) fn tightest(
    world: &World<'_>,
    prices: &PreferencePrices,
    pod: PodId,
    except: impl Fn(NodeId) -> bool,
) -> Option<NodeId> {
    let mut best: Option<((MicroUsdPerHour, u64), NodeId)> = None;
    for node in world.nodes() {
        let fits = world.fits(pod, node) && leaves_again(world, pod, node).is_none();
        if !fits || except(node) {
            continue;
        }
        let (free, all) = (world.free(node), &world.node(node)?.allocatable);
        let permille = |free: u64, of: u64| free.saturating_mul(1_000).checked_div(of).unwrap_or(0);
        let left =
            permille(free.cpu.0, all.cpu.0) + permille(free.memory.0 >> 20, all.memory.0 >> 20);
        let key = (world.preference_cost(prices, pod, node), left);
        if best.is_none_or(|(have, _)| key < have) {
            best = Some((key, node));
        }
    }
    best.map(|(_, node)| node)
}
