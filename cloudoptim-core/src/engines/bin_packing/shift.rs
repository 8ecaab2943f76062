//! Pods that leave nodes that stay, so that others can go.

use super::candidate::Candidate;
use super::share::Share;
use super::target::Target;
use super::trial::{leaves_again, named};
use super::{Config, Reason};
use crate::decision::{Action, PodMove};
use crate::model::{ClusterUid, MicroUsdPerHour, Node, NodeName, OwnerIndex};
use crate::scheduling::{NodeId, PodId, World};
use std::collections::{BTreeMap, BTreeSet};

/// A pod that leaves a node that stays.
#[derive(Debug, Clone)]
pub(super) struct Shift {
    pub(super) pod: PodId,
    pub(super) from: NodeId,
    pub(super) to: NodeName,
}

/// Whether pods may leave a node for others: it is in service and known, nobody
/// asks to leave it alone, and it is not so young that its pods just came.
fn may_be_closed(candidate: &Candidate<'_>) -> bool {
    candidate.stays.iter().all(|reason| {
        matches!(
            reason,
            Reason::PodPinned { .. }
                | Reason::BudgetBlocks { .. }
                | Reason::PoolForbids { .. }
                | Reason::Unpriced { .. }
                | Reason::SavesTooLittle { .. }
                | Reason::CoveredByCommitment { .. }
        )
    })
}

/// Whether a pod may be evicted from a node that stays. Those that only wait for
/// it, or are on their way out, are nobody's move.
pub(super) fn may_shift(candidate: &Candidate<'_>, world: &World<'_>, pod: PodId) -> bool {
    let stands = world
        .pod(pod)
        .is_some_and(|p| p.node().is_some() && !p.is_terminating());
    let mut movers = candidate.movers.iter();
    let moves = movers.any(|p| world.pod_by_uid(&p.meta.uid) == Some(pod));
    stands && moves && may_be_closed(candidate)
}

/// Pods that could still make room, and those that do.
#[derive(Debug, Clone, Default)]
pub(super) struct Shifts {
    /// By the node that they leave.
    pending: BTreeMap<NodeName, Vec<Shift>>,
    /// Pods that leave, and the nodes that go for it.
    done: BTreeMap<NodeName, (u64, BTreeSet<NodeName>)>,
}

/// The rules by which pods leave nodes that stay.
#[derive(Clone, Copy)]
pub(super) struct Rules<'r> {
    pub(super) owners: &'r OwnerIndex,
    /// Nodes whose room is for the pods that they were started for.
    pub(super) young: &'r BTreeSet<NodeName>,
    /// Pods that wait for room and have found none, not even in thought.
    pub(super) waiting: &'r [PodId],
}

impl Rules<'_> {
    /// Moves the pod, if its target takes it now, nobody is left where a rule would
    /// not have it any more, and nobody waits who would take its room.
    fn shift(&self, world: &mut World<'_>, share: &mut Share, shift: &Shift) -> bool {
        let Shift { pod, from, to } = shift;
        let (Some(entry), Some(target)) = (world.pod(*pod), world.node_id(to)) else {
            return false;
        };
        let Some(left) = world.node(*from).map(Node::name) else {
            return false;
        };
        let of = self.owners.top(entry);
        if *from == target
            || self.young.contains(to)
            || share.refuses(entry, &of, &left, to).is_some()
        {
            return false;
        }
        let unsettled = world.unsettled(&[*pod]);
        world.remove_pod(*pod);
        if world.fits(*pod, target) && leaves_again(world, *pod, target).is_none() {
            world.place_pod(*pod, target);
            let taken = self.waiting.iter().any(|other| world.fits(*other, *from));
            if !taken && world.unsettled(&[*pod]).is_subset(&unsettled) {
                share.moved(&of, &left, to);
                return true;
            }
            world.remove_pod(*pod);
        }
        world.place_pod(*pod, *from);
        false
    }

    /// Puts pods back, the last one first.
    pub(super) fn back(&self, world: &mut World<'_>, share: &mut Share, done: &[Shift]) {
        for Shift { pod, from, to } in done.iter().rev() {
            if let (Some(entry), Some(left)) = (world.pod(*pod), world.node(*from)) {
                share.moved(&self.owners.top(entry), to, &left.name());
            }
            world.place_pod(*pod, *from);
        }
    }

    /// Moves all of these, or none.
    pub(super) fn make(&self, world: &mut World<'_>, share: &mut Share, all: &[Shift]) -> bool {
        for (count, shift) in all.iter().enumerate() {
            if !self.shift(world, share, shift) {
                self.back(world, share, all.get(..count).unwrap_or_default());
                return false;
            }
        }
        true
    }
}

impl Shifts {
    pub(super) fn new(target: Option<&Target>) -> Self {
        Self {
            pending: target.map(|t| t.shifts.clone()).unwrap_or_default(),
            done: BTreeMap::new(),
        }
    }

    /// Pods that leave the node.
    pub(super) fn done_at(&self, node: &NodeName) -> Option<Reason> {
        let (pods, nodes) = self.done.get(node)?;
        Some(Reason::MakesRoom {
            pods: *pods,
            nodes: nodes.iter().cloned().collect(),
        })
    }

    /// Which pods have to leave nodes that stay so that those of the candidate
    /// find room where they should go: none where they do anyway, or where the
    /// node saves less than all these moves cost.
    pub(super) fn needed(
        &self,
        rules: Rules<'_>,
        config: &Config,
        world: &mut World<'_>,
        share: &mut Share,
        candidate: &Candidate<'_>,
        target: &Target,
    ) -> Vec<Shift> {
        if self.pending.is_empty() || !target.removes(&candidate.node.name()) {
            return Vec::new();
        }
        let name = candidate.node.name();
        let mut search = Search {
            shifts: self,
            rules,
            made: Vec::new(),
        };
        // What is done to find out, in order: pods of the candidate, and others.
        let mut moved: Vec<Shift> = Vec::new();
        for pod in &candidate.movers {
            let id = world.pod_by_uid(&pod.meta.uid);
            let wanted = target.to.get(pod.meta.uid.as_str());
            let (Some(id), Some(to)) = (id, wanted) else {
                continue;
            };
            let Some(node) = world.node_id(to) else {
                continue;
            };
            if !world.fits(id, node) {
                search.make_room(world, share, id, to, &mut BTreeSet::new());
            }
            let of = rules.owners.top(pod);
            if world.fits(id, node) && share.refuses(pod, &of, &name, to).is_none() {
                world.place_pod(id, node);
                share.moved(&of, &name, to);
                let from = candidate.id;
                let to = to.clone();
                moved.push(Shift { pod: id, from, to });
            }
        }
        let made = search.made;
        rules.back(world, share, &moved);
        rules.back(world, share, &made);
        let moves = candidate.movers.len().saturating_add(made.len());
        let moves = i64::try_from(moves).unwrap_or(i64::MAX);
        let cost = MicroUsdPerHour(config.price_per_move.0.saturating_mul(moves));
        match candidate.price {
            Some(price) if price > cost => made,
            _ => Vec::new(),
        }
    }

    /// Notes that these pods leave for the node.
    pub(super) fn did(&mut self, world: &World<'_>, all: &[Shift], serves: &NodeName) {
        for shift in all {
            let Some(from) = world.node(shift.from).map(Node::name) else {
                continue;
            };
            if let Some(pending) = self.pending.get_mut(&from) {
                pending.retain(|other| other.pod != shift.pod);
            }
            let (pods, nodes) = self.done.entry(from).or_default();
            *pods = pods.saturating_add(1);
            nodes.insert(serves.clone());
        }
    }
}

/// Looks for pods that have to make room.
struct Search<'s> {
    shifts: &'s Shifts,
    rules: Rules<'s>,
    made: Vec<Shift>,
}

impl Search<'_> {
    /// Lets pods leave the node until it takes this one; none if it never does.
    /// Where one of them needs room itself, that is made first.
    fn make_room(
        &mut self,
        world: &mut World<'_>,
        share: &mut Share,
        pod: PodId,
        at: &NodeName,
        seen: &mut BTreeSet<NodeName>,
    ) {
        let (Some(node), true) = (world.node_id(at), seen.insert(at.clone())) else {
            return;
        };
        let before = self.made.len();
        let pending = self.shifts.pending.get(at).map_or(&[][..], Vec::as_slice);
        for shift in pending {
            if world.fits(pod, node) {
                return;
            }
            if self.made.iter().any(|made| made.pod == shift.pod) {
                continue;
            }
            let mut done = self.rules.shift(world, share, shift);
            if !done {
                let first = self.made.len();
                self.make_room(world, share, shift.pod, &shift.to, seen);
                done = self.rules.shift(world, share, shift);
                if !done {
                    let vain = self.made.split_off(first);
                    self.rules.back(world, share, &vain);
                }
            }
            if done {
                self.made.push(shift.clone());
            }
        }
        if !world.fits(pod, node) {
            let vain = self.made.split_off(before);
            self.rules.back(world, share, &vain);
        }
    }
}

/// The actions that let these pods leave, and the moves by the node that they
/// leave: each node is closed for the time, and opened again.
pub(super) fn actions(
    cluster: &ClusterUid,
    world: &World<'_>,
    all: &[Shift],
) -> (Vec<Action>, Vec<(NodeName, Vec<PodMove>)>) {
    let mut moves: Vec<(NodeName, Vec<PodMove>)> = Vec::new();
    for shift in all {
        let node = world.node(shift.from).map(Node::name);
        let (Some(from), Some(pod)) = (node, world.pod(shift.pod)) else {
            continue;
        };
        let moved = PodMove {
            pod: named(pod),
            uid: pod.meta.uid.clone(),
            to: Some(shift.to.clone()),
        };
        match moves.last_mut() {
            Some((last, moves)) if *last == from => moves.push(moved),
            _ => moves.push((from, vec![moved])),
        }
    }
    let mut actions = Vec::new();
    for (node, moves) in &moves {
        let (cluster, node) = (cluster.clone(), node.clone());
        actions.push(Action::CordonNode {
            cluster: cluster.clone(),
            node: node.clone(),
        });
        actions.push(Action::DrainNode {
            cluster: cluster.clone(),
            node: node.clone(),
            moves: moves.clone(),
        });
        actions.push(Action::UncordonNode { cluster, node });
    }
    (actions, moves)
}
