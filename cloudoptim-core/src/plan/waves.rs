//! What the packer decided about a cluster, as waves of steps.

use super::make::{Draft, Group, Maker, Phase};
use super::{Controller, DeclineReason, LaunchedNodes, Precondition, StepId};
use crate::decision::{Action, Decision, Owner, PodMove, Subject};
use crate::engines::Inputs;
use crate::engines::bin_packing::{
    Closing, Eviction, Migration, Placement, Wave, closings, migration,
};
use crate::model::{Cluster, ClusterUid, NamespacedName, NodeName, Uid};
use std::collections::{BTreeMap, BTreeSet};

impl Maker<'_> {
    /// Orders decisions about the nodes of one cluster, leaves out those
    /// without a safe way and those that would end too late, and makes the
    /// steps of the rest.
    pub(super) fn pack(&mut self, cluster: &ClusterUid, decisions: Vec<Decision>, builds_on: u8) {
        let phase = Phase::Pack { builds_on };
        // What was asked later was asked about the cluster without them.
        let later = Phase::Pack {
            builds_on: builds_on.saturating_add(1),
        };
        let mut going: Vec<Decision> = Vec::new();
        for decision in decisions {
            let free = self.free(decision, phase);
            going.extend(free.and_then(|d| self.launchable(d, later)));
        }
        while !going.is_empty() {
            let inputs = Inputs {
                overlay: self
                    .packed_on
                    .get(&builds_on)
                    .unwrap_or(self.inputs.overlay),
                ..*self.inputs
            };
            let found = migration(&inputs.policy.bin_packing, &inputs, cluster, &going);
            let way = match found {
                Ok(way) => way,
                Err(error) => {
                    let error = error.to_string();
                    for decision in going {
                        self.chains.break_at(&decision, phase);
                        let error = error.clone();
                        self.decline(decision, DeclineReason::WayNotFound { error });
                    }
                    return;
                }
            };
            for left_out in way.left_out.iter() {
                if let Some(decision) = take(&mut going, &left_out.node) {
                    self.chains.break_at(&decision, later);
                    let obstacle = Box::new(left_out.because.clone());
                    self.decline(decision, DeclineReason::NoSafeWay { obstacle });
                }
            }
            let Some(found) = self.inputs.snapshot.cluster(cluster) else {
                return;
            };
            let mut open: BTreeMap<NodeName, Open> = BTreeMap::new();
            for decision in &going {
                if let Subject::Node { node, .. } = &decision.subject {
                    open.insert(node.clone(), Open::new(node, decision));
                }
            }
            let order: Vec<NodeName> = going.iter().filter_map(node_of).cloned().collect();
            let closings = closings(&way.waves);
            let steps = |(wave, closing): (&Wave, &Closing)| {
                steps_of(found, wave, closing, &order, &mut open)
            };
            let waves = way.waves.iter().zip(&closings).map(steps);
            let mut waves: Vec<Vec<Planned>> = waves.collect();
            let mut ends = self.spent_seconds;
            // Of each wave that ends too late: its nodes, and when it ends.
            let mut late: Vec<(&[NodeName], u64)> = Vec::new();
            for (wave, steps) in way.waves.iter().zip(&mut waves) {
                let mut launches = 0;
                for step in steps {
                    step.seconds = self.durations.of(&step.action);
                    // Launches of a wave are waited for together.
                    if matches!(step.action, Action::LaunchNodes { .. }) {
                        step.seconds = if launches == 0 { step.seconds } else { 5 };
                        launches += 1;
                    }
                    ends = ends.saturating_add(step.seconds);
                }
                if ends > self.valid_seconds {
                    late.push((&wave.removed, ends));
                }
            }
            if ends <= self.valid_seconds {
                self.spent_seconds = ends;
                return self.waves(found, &way, waves, going, phase);
            }
            // The first of them may do without the later ones, or else without
            // its last node.
            let few = match late.as_slice() {
                [(nodes, ends)] => vec![(nodes.get(nodes.len().saturating_sub(1)..), *ends)],
                several => several
                    .iter()
                    .skip(1)
                    .map(|(n, e)| (Some(*n), *e))
                    .collect(),
            };
            let before = going.len();
            for (nodes, needs_seconds) in few {
                for node in nodes.into_iter().flatten() {
                    if let Some(decision) = take(&mut going, node) {
                        self.decline_late(decision, phase, needs_seconds);
                    }
                }
            }
            // Every last wave removes a node; else none of them goes.
            if going.len() == before {
                for decision in std::mem::take(&mut going) {
                    self.decline_late(decision, phase, ends);
                }
            }
        }
    }

    fn waves(
        &mut self,
        cluster: &Cluster,
        way: &Migration,
        waves: Vec<Vec<Planned>>,
        going: Vec<Decision>,
        phase: Phase,
    ) {
        // What counts on launches, and scaling groups, whose nodes go in the order
        // that keeps their zones balanced, go on only when all before is done.
        let launches = way.waves.iter().any(|wave| !wave.launch.is_empty());
        let bound = |action: &Action| match action {
            Action::RemoveNode { via, .. } => !matches!(via, Owner::NodeClaim { .. }),
            _ => false,
        };
        let mut bound_nodes: BTreeSet<NodeName> = BTreeSet::new();
        let mut groups: BTreeMap<NodeName, Group> = BTreeMap::new();
        for mut decision in going {
            let actions = std::mem::take(&mut decision.actions);
            let Subject::Node { node, .. } = &decision.subject else {
                continue;
            };
            let node = node.clone();
            if launches || actions.iter().any(bound) {
                bound_nodes.insert(node.clone());
            }
            groups.insert(node, self.open(decision, actions.iter()));
        }
        let mut last: BTreeMap<NodeName, (usize, usize)> = BTreeMap::new();
        for (number, wave) in waves.iter().enumerate() {
            for (place, step) in wave.iter().enumerate() {
                last.insert(step.of.clone(), (number, place));
            }
        }
        let since = self.made_at();
        // What was launched, by the names in the plan.
        let mut launched: BTreeMap<NodeName, LaunchedNodes> = BTreeMap::new();
        for (place, (wave, steps)) in way.waves.iter().zip(waves).enumerate() {
            let number = self.chains.next_wave(&cluster.uid);
            let back = self.chains.await_pods(&cluster.uid, Vec::new());
            let mut first = are_ready(cluster, back);
            let mut coming: Vec<LaunchedNodes> = Vec::new();
            for (index, planned) in steps.into_iter().enumerate() {
                let Some(group) = groups.get_mut(&planned.of) else {
                    continue;
                };
                let is_last = last.get(&planned.of) == Some(&(place, index));
                let looked_at =
                    wave.placement == Placement::Checked && !bound_nodes.contains(&planned.of);
                let drains = matches!(planned.action, Action::DrainNode { .. });
                let pods = if looked_at {
                    first.clone().filter(|_| drains)
                } else {
                    first.take()
                };
                let pods = pods.or_else(|| are_ready(cluster, planned.after));
                let mut also: Vec<Precondition> = pods.into_iter().collect();
                // Nothing is closed or emptied before what it counts on is there.
                let mut there = match &planned.action {
                    Action::LaunchNodes { .. } => Vec::new(),
                    _ => std::mem::take(&mut coming),
                };
                if let Action::DrainNode { moves, .. } = &planned.action {
                    let onto = moves.iter().filter_map(|m| launched.get(m.to.as_ref()?));
                    there.extend(onto.cloned());
                }
                there.sort();
                there.dedup();
                also.extend(there.into_iter().map(Precondition::NodesAreReady));
                let draft = Draft {
                    action: self.chains.sized(planned.action),
                    seconds: planned.seconds,
                    wave: Some(number),
                    also,
                };
                let waits = if looked_at {
                    self.chains.before_looked_at(group, phase)
                } else {
                    self.chains.before(&group.decision, phase)
                };
                let action = draft.action.clone();
                let id = self.step(group, draft, waits, is_last);
                if let Action::LaunchNodes { cluster, launch } = &action {
                    let new = LaunchedNodes::of(cluster, launch, StepId(id.0.clone()), since);
                    let names = launch.nodes.iter().cloned();
                    launched.extend(names.map(|name| (name, new.clone())));
                    coming.push(new);
                }
                let subject = &group.decision.subject;
                self.chains.done(&id, subject, phase);
            }
            let awaited = controllers(cluster, &wave.evictions);
            self.chains.await_pods(&cluster.uid, awaited);
        }
    }
}

fn node_of(decision: &Decision) -> Option<&NodeName> {
    match &decision.subject {
        Subject::Node { node, .. } => Some(node),
        _ => None,
    }
}

/// Takes the decision about the node out of the list.
fn take(decisions: &mut Vec<Decision>, node: &NodeName) -> Option<Decision> {
    let is = |d: &Decision| node_of(d) == Some(node);
    let place = decisions.iter().position(is)?;
    Some(decisions.remove(place))
}

/// A decision whose steps are being made.
struct Open {
    /// Its actions that are not in the steps yet, but for the drains.
    actions: Vec<Action>,
}

impl Open {
    /// The waves say which pods leave when, and when a node that stays is closed.
    fn new(of: &NodeName, decision: &Decision) -> Self {
        let actions = decision.actions.iter();
        let waves_say = |action: &&Action| match action {
            Action::DrainNode { .. } => true,
            Action::CordonNode { node, .. } | Action::UncordonNode { node, .. } => node != of,
            _ => false,
        };
        Self {
            actions: actions.filter(|a| !waves_say(a)).cloned().collect(),
        }
    }

    /// The actions of that kind, which are then in the steps.
    fn take(&mut self, is: impl Fn(&Action) -> bool) -> Vec<Action> {
        let (taken, left) = std::mem::take(&mut self.actions).into_iter().partition(is);
        self.actions = left;
        taken
    }
}

/// A step of a wave, of the decision about that node.
struct Planned {
    of: NodeName,
    action: Action,
    seconds: u64,
    /// Controllers whose pods have to be back before.
    after: Vec<Controller>,
}

/// The steps of a wave, in order: launches, cordons, those for the time of the
/// wave, evictions, those cordons undone, removals.
fn steps_of(
    cluster: &Cluster,
    wave: &Wave,
    closing: &Closing,
    order: &[NodeName],
    open: &mut BTreeMap<NodeName, Open>,
) -> Vec<Planned> {
    let mut steps = Vec::new();
    let step = |of: &NodeName, action: Action, after: Vec<Controller>| Planned {
        of: of.clone(),
        action,
        seconds: 0,
        after,
    };
    let launches = |action: &Action| match action {
        Action::LaunchNodes { launch, .. } => wave.launch.contains(&**launch),
        _ => false,
    };
    let cordons = |action: &Action| matches!(action, Action::CordonNode { .. });
    for node in order {
        let taken = open.get_mut(node).map(|open| open.take(launches));
        let taken = taken.into_iter().flatten();
        steps.extend(taken.map(|action| step(node, action, Vec::new())));
    }
    for node in &wave.cordon {
        let taken = open.get_mut(node).map(|open| open.take(cordons));
        let taken = taken.into_iter().flatten();
        steps.extend(taken.map(|action| step(node, action, Vec::new())));
    }
    let uid = &cluster.uid;
    let close = |node: &NodeName| Action::CordonNode {
        cluster: uid.clone(),
        node: node.clone(),
    };
    let all = closing.close.iter();
    steps.extend(all.map(|(of, node)| step(of, close(node), Vec::new())));
    let mut back = Vec::new();
    match &wave.placement {
        Placement::Free | Placement::Checked => {
            for (of, from, moves) in by_node(&wave.evictions) {
                steps.push(step(&of, drain(uid, &from, moves), Vec::new()));
            }
            back.extend(controllers(cluster, &wave.evictions));
        }
        Placement::Forced { .. } => {
            // One after the other, each when the one before is back.
            for eviction in &wave.evictions {
                let action = drain(uid, &eviction.from, vec![moved(eviction)]);
                steps.push(step(eviction.goes(), action, back));
                back = controllers(cluster, std::slice::from_ref(eviction));
            }
        }
    }
    // Where nothing is opened, the next wave waits for them.
    for (of, node) in &closing.open {
        let action = Action::UncordonNode {
            cluster: uid.clone(),
            node: node.clone(),
        };
        steps.push(step(of, action, std::mem::take(&mut back)));
    }
    for node in &wave.removed {
        let rest = open.get_mut(node).map(|open| open.take(|_| true));
        let rest = rest.into_iter().flatten();
        steps.extend(rest.map(|action| step(node, action, Vec::new())));
    }
    steps
}

fn drain(cluster: &ClusterUid, node: &NodeName, moves: Vec<PodMove>) -> Action {
    Action::DrainNode {
        cluster: cluster.clone(),
        node: node.clone(),
        moves,
    }
}

fn moved(eviction: &Eviction) -> PodMove {
    PodMove {
        pod: eviction.pod.clone(),
        uid: eviction.uid.clone(),
        to: eviction.to.clone(),
    }
}

/// Evictions by the node that goes and the one that they leave, in the order in
/// which these come first.
fn by_node(evictions: &[Eviction]) -> Vec<(NodeName, NodeName, Vec<PodMove>)> {
    let mut nodes: Vec<(NodeName, NodeName, Vec<PodMove>)> = Vec::new();
    for eviction in evictions {
        let (goes, from) = (eviction.goes(), &eviction.from);
        match nodes.iter_mut().find(|(g, f, _)| g == goes && f == from) {
            Some((.., moves)) => moves.push(moved(eviction)),
            None => nodes.push((goes.clone(), from.clone(), vec![moved(eviction)])),
        }
    }
    nodes
}

/// The controllers of these pods, with how many of their pods are ready.
fn controllers(cluster: &Cluster, evictions: &[Eviction]) -> Vec<Controller> {
    let uids: BTreeSet<&Uid> = evictions.iter().map(|e| &e.uid).collect();
    let pods = cluster.pods.items();
    let mut found: BTreeMap<Uid, Controller> = BTreeMap::new();
    for pod in pods.iter().filter(|p| uids.contains(&p.meta.uid)) {
        if let Some(owner) = pod.meta.controller() {
            found
                .entry(owner.uid.clone())
                .or_insert_with(|| Controller {
                    uid: owner.uid.clone(),
                    kind: owner.kind.clone(),
                    name: NamespacedName::new(pod.meta.namespace.clone(), owner.name.clone()),
                    ready: 0,
                });
        }
    }
    for pod in pods
        .iter()
        .filter(|p| p.status.ready == Some(true) && !p.is_terminating())
    {
        let controller = pod.meta.controller().and_then(|o| found.get_mut(&o.uid));
        if let Some(controller) = controller {
            controller.ready = controller.ready.saturating_add(1);
        }
    }
    found.into_values().collect()
}

fn are_ready(cluster: &Cluster, controllers: Vec<Controller>) -> Option<Precondition> {
    (!controllers.is_empty()).then(|| Precondition::PodsAreReady {
        cluster: cluster.uid.clone(),
        controllers,
    })
}
