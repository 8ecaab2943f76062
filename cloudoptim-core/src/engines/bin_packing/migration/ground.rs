//! What a migration starts from: the cluster, and the drains that are decided.

use super::course::{Course, Mode};
use super::{LeftOut, Obstacle, Way};
use crate::decision::{Action, Decision, Launch, Owner, PodMove, Subject, is_planned};
use crate::engines::bin_packing::limits::Limits;
use crate::engines::bin_packing::on_spot::OnSpot;
use crate::engines::bin_packing::pool::Pools;
use crate::engines::bin_packing::trial::{leaves_again, named};
use crate::engines::bin_packing::{Config, missing};
use crate::engines::{EngineError, EngineId, Inputs};
use crate::model::{Cluster, MicroUsdPerMonth, Node, NodeName, OwnerIndex};
use crate::scheduling::crowd::{Crowd, Total};
use crate::scheduling::movability::Movers;
use crate::scheduling::{Budgets, Movability, NodeId, PodId, World};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A node that goes.
pub(super) struct Drain<'a> {
    pub(super) node: &'a Node,
    pub(super) id: NodeId,
    pub(super) pods: Vec<Mover>,
    /// What has to be launched before its pods leave.
    pub(super) launch: Vec<Launch>,
    /// Who removes it.
    pub(super) via: Option<Owner>,
    saves: MicroUsdPerMonth,
}

/// A pod that leaves.
pub(super) struct Mover {
    pub(super) id: PodId,
    pub(super) from: NodeId,
    /// It makes room: the node that it leaves stays.
    pub(super) shifts: bool,
    pub(super) to: Option<NodeId>,
    /// The node that is launched for it.
    pub(super) launched: Option<NodeName>,
    pub(super) planned: PodMove,
}

impl Drain<'_> {
    /// Nodes that are launched with it or for its pods.
    fn uses(&self) -> impl Iterator<Item = &NodeName> {
        let own = self.launch.iter().flat_map(|l| &l.nodes);
        own.chain(self.pods.iter().filter_map(|m| m.launched.as_ref()))
    }
}

pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) world: World<'a>,
    pub(super) budgets: Budgets<'a>,
    pub(super) drains: Vec<Drain<'a>>,
    pub(super) nodes: &'a [Node],
    /// Pods whose place is not known from the start: those that wait for a
    /// node, and those that are being deleted and come again.
    pub(super) unsure: Vec<PodId>,
    /// Pods that are being deleted and do not come again.
    pub(super) leaving: Vec<PodId>,
    pub(super) pools: Pools<'a>,
    pub(super) limits: Limits<'a>,
    pub(super) owners: OwnerIndex,
    pub(super) on_spot: OnSpot,
    /// The first part without which nothing can be proven, and its state.
    missing: Option<(String, String)>,
    pub(super) settle_seconds: u64,
    now: DateTime<Utc>,
}

pub(super) fn unknown(what: String) -> EngineError {
    EngineError::Contradiction {
        engine: EngineId::BinPacking,
        message: format!("the decisions speak of {what}, which is not in the snapshot"),
    }
}

impl<'a> Ground<'a> {
    pub(super) fn new(
        config: &'a Config,
        inputs: &Inputs<'a>,
        cluster: &'a Cluster,
        decisions: &[Decision],
    ) -> Result<Self, EngineError> {
        let now = inputs.now();
        let infeasible = config.moves.infeasible_resize;
        let limits = &inputs.overlay.count_limits;
        let world = World::with_infeasible_resize(cluster, limits, infeasible);
        let movers = Movers::new(cluster, now, config.moves.clone());
        let mut drains = Vec::new();
        let actions = decisions.iter().flat_map(|d| &d.actions);
        let names = actions.filter_map(|a| match a {
            Action::LaunchNodes { launch, .. } => Some(&launch.nodes),
            _ => None,
        });
        let comes: BTreeSet<&NodeName> = names.flatten().collect();
        for decision in decisions {
            let Subject::Node { cluster: of, node } = &decision.subject else {
                continue;
            };
            let ours = decision.engine == EngineId::BinPacking && *of == cluster.uid;
            if ours && !decision.is_keep() {
                let mut found = drain(cluster, &world, &movers, node, &decision.actions, &comes)?;
                found.saves = decision.saves_per_month.unwrap_or_default();
                drains.push(found);
            }
        }
        let unsure = unsure(&world, &movers);
        let owners = OwnerIndex::new(cluster);
        let leaving = leaving(&world, &movers);
        Ok(Self {
            config,
            budgets: Budgets::new(cluster, now),
            drains,
            nodes: cluster.nodes.items(),
            unsure,
            leaving,
            pools: Pools::new(cluster, now),
            limits: Limits::new(config, inputs, cluster, inputs.snapshot.cloud_of(cluster)),
            on_spot: OnSpot::new(config, inputs, cluster, &owners),
            owners,
            missing: missing(cluster),
            settle_seconds: u64::from(inputs.policy.plan.settle_seconds),
            world,
            now,
        })
    }

    /// The moment so many seconds after the beginning.
    pub(super) fn after(&self, seconds: u64) -> DateTime<Utc> {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let later = TimeDelta::try_seconds(seconds).and_then(|d| self.now.checked_add_signed(d));
        later.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Leaves out what has no safe way, one node after the other, until the
    /// rest has one.
    pub(super) fn way(&self, mode: Mode) -> Way {
        let mut left_out = self.without_hope();
        loop {
            let going = self.all_but(&left_out);
            match Course::run(self, mode, &going, &[]) {
                Ok(waves) if !self.leave_out_unpaid(&going, &mut left_out) => {
                    return Way { waves, left_out };
                }
                Ok(_) => {}
                Err((index, obstacle)) => self.leave_out(index, *obstacle, &mut left_out),
            }
        }
    }

    /// A way, and after its last wave more of what it leaves out: looked at
    /// again, as nobody knows where pods are then.
    pub(super) fn and_checked(&self, mode: Mode, way: &Way) -> Option<Way> {
        let first = self.all_but(&way.left_out);
        let mut left_out = self.without_hope();
        loop {
            let mut rest = self.all_but(&left_out);
            rest.retain(|index| way.left_out.contains_key(index));
            let last = *rest.last()?;
            match Course::run(self, mode, &first, &rest) {
                Ok(waves) => {
                    let going = [first.as_slice(), &rest].concat();
                    if !self.leave_out_unpaid(&going, &mut left_out) {
                        return Some(Way { waves, left_out });
                    }
                }
                // Closed from the beginning, the rest is in the way of the first.
                Err((index, obstacle)) if first.contains(&index) => {
                    self.leave_out(last, *obstacle, &mut left_out);
                }
                Err((index, obstacle)) => self.leave_out(index, *obstacle, &mut left_out),
            }
            if first.iter().any(|index| left_out.contains_key(index)) {
                return None;
            }
        }
    }

    /// Drains, in order, without these.
    fn all_but(&self, left_out: &BTreeMap<usize, Obstacle>) -> Vec<usize> {
        let all = 0..self.drains.len();
        all.filter(|index| !left_out.contains_key(index)).collect()
    }

    /// Leaves out the first that do not pay for what is launched for them.
    fn leave_out_unpaid(&self, going: &[usize], out: &mut BTreeMap<usize, Obstacle>) -> bool {
        let Some((group, saves)) = self.unpaid(going) else {
            return false;
        };
        for index in group {
            self.leave_out(index, Obstacle::NotWorthLaunching { saves }, out);
        }
        true
    }

    fn without_hope(&self) -> BTreeMap<usize, Obstacle> {
        let mut left_out = BTreeMap::new();
        for (index, obstacle) in self.hopeless() {
            self.leave_out(index, obstacle, &mut left_out);
        }
        left_out
    }

    /// All nodes when a part of the cluster is missing, else those that a pod
    /// could come to whatever is cordoned.
    fn hopeless(&self) -> Vec<(usize, Obstacle)> {
        if let Some((part, state)) = &self.missing {
            let because = || Obstacle::PartMissing {
                part: part.clone(),
                state: state.clone(),
            };
            return (0..self.drains.len()).map(|i| (i, because())).collect();
        }
        let mut crowd = Crowd::default();
        let mut found = BTreeMap::new();
        for pod in &self.unsure {
            if self.world.heeds_cordon(*pod) {
                continue;
            }
            let range = crowd.range(&self.world, *pod);
            for (index, drain) in self.drains.iter().enumerate() {
                if let Some(p) = self.world.pod(*pod).filter(|_| range.contains(&drain.id)) {
                    let pod = named(p);
                    found
                        .entry(index)
                        .or_insert(Obstacle::ToleratesCordon { pod });
                }
            }
        }
        found.into_iter().collect()
    }

    /// Of these, the first that count on the same launches and do not pay for
    /// them, with what they save together.
    fn unpaid(&self, going: &[usize]) -> Option<(Vec<usize>, MicroUsdPerMonth)> {
        let drains = || {
            going
                .iter()
                .filter_map(|i| Some((*i, self.drains.get(*i)?)))
        };
        let mut group_of: BTreeMap<usize, usize> = BTreeMap::new();
        let mut user_of: BTreeMap<&NodeName, usize> = BTreeMap::new();
        for (index, drain) in drains() {
            group_of.insert(index, index);
            for name in drain.uses() {
                let Some(other) = user_of.insert(name, index) else {
                    continue;
                };
                let (mine, theirs) = (group_of.get(&index), group_of.get(&other));
                let (Some(mine), Some(theirs)) = (mine.copied(), theirs.copied()) else {
                    continue;
                };
                let joined = group_of.values_mut().filter(|g| **g == theirs);
                joined.for_each(|g| *g = mine);
            }
        }
        let mut groups: BTreeMap<usize, (Vec<usize>, MicroUsdPerMonth, bool)> = BTreeMap::new();
        for (index, drain) in drains() {
            let group = group_of.get(&index).copied().unwrap_or(index);
            let (members, saves, launches) = groups.entry(group).or_default();
            members.push(index);
            *saves += drain.saves;
            *launches |= !drain.launch.is_empty();
        }
        let mut groups = groups.into_values();
        let unpaid =
            groups.find(|(_, saves, launches)| *launches && *saves <= MicroUsdPerMonth::ZERO);
        unpaid.map(|(members, saves, _)| (members, saves))
    }

    /// Nodes of a scaling group go in the order that keeps its zones balanced:
    /// without one of them the later ones stay, too.
    fn leave_out(&self, index: usize, obstacle: Obstacle, out: &mut BTreeMap<usize, Obstacle>) {
        let Some(drain) = self.drains.get(index) else {
            return;
        };
        if out.contains_key(&index) {
            return;
        }
        out.insert(index, obstacle);
        // What is launched with it, others cannot count on.
        let launched: BTreeSet<&NodeName> = drain.launch.iter().flat_map(|l| &l.nodes).collect();
        if !launched.is_empty() {
            for (other, found) in self.drains.iter().enumerate() {
                let mut names = found.pods.iter().filter_map(|m| m.launched.as_ref());
                if names.any(|name| launched.contains(name)) {
                    let node = drain.node.name();
                    self.leave_out(other, Obstacle::BuildsOn { node }, out);
                }
            }
        }
        let balanced = matches!(
            drain.via,
            Some(Owner::AutoScalingGroup { .. } | Owner::NodeGroup { .. })
        );
        for (later, other) in self.drains.iter().enumerate().skip(index + 1) {
            if balanced && other.via == drain.via {
                let node = drain.node.name();
                self.leave_out(later, Obstacle::BuildsOn { node }, out);
            }
        }
    }

    pub(super) fn left_out(&self, left_out: BTreeMap<usize, Obstacle>) -> Vec<LeftOut> {
        let named = |(index, because): (usize, Obstacle)| {
            let node = self.drains.get(index)?.node.name();
            Some(LeftOut { node, because })
        };
        left_out.into_iter().filter_map(named).collect()
    }
}

/// The first of these pods, which leave together, that might be left without a
/// place: whatever the scheduler chooses for the others, for those that wait
/// and for those that come again.
pub(in crate::engines::bin_packing) fn left_out_of(
    world: &World<'_>,
    movers: &Movers<'_>,
    pods: &[PodId],
) -> Option<PodId> {
    let mut world = world.clone();
    let mut crowd = Crowd::default();
    let mut total = Total::default();
    for pod in unsure(&world, movers) {
        crowd.add_waiting(&world, pod);
        total.add(&world, pod);
    }
    for pod in leaving(&world, movers) {
        crowd.add_leaving(&world, pod);
    }
    for pod in pods {
        crowd.add(&world, *pod);
        total.add(&world, *pod);
        world.remove_pod(*pod);
    }
    let mut room = |pod: PodId| {
        let mut nodes = crowd.nodes_of(pod).to_vec();
        nodes.retain(|node| leaves_again(&world, pod, *node).is_none());
        let counts = world.wants_room_only(pod) && world.may_be_chosen_for(pod);
        (counts && total.leaves_room(&world, pod, &nodes))
            || nodes
                .iter()
                .any(|n| crowd.holds_always(&mut world, pod, *n))
    };
    pods.iter().copied().find(|pod| !room(*pod))
}

/// Pods that wait for a node or come again, but for those that belong to one.
pub(super) fn unsure(world: &World<'_>, movers: &Movers<'_>) -> Vec<PodId> {
    let is_unsure = |id: &PodId| {
        world.pod(*id).is_some_and(|pod| match movers.judge(pod) {
            Movability::NotCounted | Movability::Stays { .. } => false,
            Movability::Leaving { placed_again } => placed_again,
            Movability::Moves | Movability::NeverMoves { .. } => pod.node().is_none(),
        })
    };
    world.pods().filter(is_unsure).collect()
}

/// Pods that are being deleted and do not come again.
pub(super) fn leaving(world: &World<'_>, movers: &Movers<'_>) -> Vec<PodId> {
    let leaves = |id: &PodId| {
        let pod = world.pod(*id);
        pod.is_some_and(|pod| match movers.judge(pod) {
            Movability::Leaving { placed_again } => !placed_again,
            Movability::Stays { .. } => pod.is_terminating(),
            _ => false,
        })
    };
    world.pods().filter(leaves).collect()
}

fn drain<'a>(
    cluster: &'a Cluster,
    world: &World<'a>,
    movers: &Movers<'_>,
    name: &NodeName,
    actions: &[Action],
    comes: &BTreeSet<&NodeName>,
) -> Result<Drain<'a>, EngineError> {
    let node_id = |name: &NodeName| {
        let id = world.node_id(name);
        id.ok_or_else(|| unknown(format!("node {name}")))
    };
    // A node that was to be launched with a decision that is none of these: then
    // there is no such node.
    let target = |name: &NodeName| match world.node_id(name) {
        None if is_planned(name) => Ok(None),
        None => Err(unknown(format!("node {name}"))),
        found => Ok(found),
    };
    let id = node_id(name)?;
    let node = cluster.nodes.items().iter().find(|n| n.name() == *name);
    let mut drain = Drain {
        node: node.ok_or_else(|| unknown(format!("node {name}")))?,
        id,
        pods: Vec::new(),
        launch: Vec::new(),
        via: None,
        saves: MicroUsdPerMonth::ZERO,
    };
    for action in actions {
        match action {
            Action::DrainNode {
                node: from, moves, ..
            } => {
                let leaves = node_id(from)?;
                for planned in moves {
                    let pod = world.pod_by_uid(&planned.uid);
                    let pod = pod.filter(|pod| world.place(*pod) == Some(leaves));
                    let on = || unknown(format!("pod {} on node {from}", planned.pod));
                    drain.pods.push(Mover {
                        id: pod.ok_or_else(on)?,
                        from: leaves,
                        shifts: leaves != id,
                        to: planned.to.as_ref().map(target).transpose()?.flatten(),
                        launched: planned.to.clone().filter(|to| comes.contains(to)),
                        planned: planned.clone(),
                    });
                }
            }
            Action::LaunchNodes { launch, .. } => drain.launch.push((**launch).clone()),
            Action::RemoveNode { via, .. } => drain.via = Some(via.clone()),
            _ => {}
        }
    }
    let planned: BTreeSet<PodId> = drain.pods.iter().map(|m| m.id).collect();
    for pod in world.pods_on(id) {
        let stays = |pod| {
            matches!(
                movers.judge(pod),
                Movability::Moves | Movability::NeverMoves { .. }
            )
        };
        if let Some(pod) = world
            .pod(pod)
            .filter(|p| !planned.contains(&pod) && stays(p))
        {
            return Err(EngineError::Contradiction {
                engine: EngineId::BinPacking,
                message: format!(
                    "the decision to empty {name} leaves pod {} there",
                    named(pod)
                ),
            });
        }
    }
    Ok(drain)
}
