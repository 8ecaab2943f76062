//! Which nodes can go, and where each pod would move.

use super::owner::{Groups, group_of, owner_of};
use super::pool::Pools;
use super::{Config, Reason};
use crate::decision::{Action, Decision, MissingEvidence, Owner, PodMove, Subject};
use crate::engines::{EngineError, EngineId, Inputs, NotJudged};
use crate::model::{
    Bytes, Cloud, Cluster, MicroUsdPerHour, MilliCpu, NamespacedName, Node, NodeName, OwnerIndex,
    Pod, Resources, WorkloadRef,
};
use crate::scheduling::movability::{Movers, move_cost_milli, node_protections};
use crate::scheduling::{
    Budgets, InfeasibleResize, Movability, NodeId, NotTarget, PodId, Refusal, Refusals, World,
    capacity, effective_request,
};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

/// The answer for one cluster.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) decisions: Vec<Decision>,
    pub(super) removed: BTreeSet<String>,
    pub(super) moves: u64,
    pub(super) not_judged: Vec<NotJudged>,
}

/// What is known of a node before anything moves.
struct Candidate<'a> {
    node: &'a Node,
    id: NodeId,
    owner: Option<Owner>,
    group: String,
    price: Option<MicroUsdPerHour>,
    /// Pods that must be placed again, largest first.
    movers: Vec<&'a Pod>,
    /// Pods that end with the node.
    node_pods: u64,
    /// What they ask for, and pods that are going.
    ends: Resources,
    /// Why it stays, whatever happens elsewhere.
    stays: Vec<Reason>,
}

/// Nodes in the order of trying: empty first, then least disruption per dollar.
pub(super) fn consolidate(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    cloud: Option<&Cloud>,
) -> Result<Answer, EngineError> {
    let now = inputs.now();
    let limits: Vec<_> = inputs
        .overlay
        .count_limits
        .iter()
        .filter(|l| l.cluster == cluster.uid)
        .cloned()
        .collect();
    let infeasible = config.moves.infeasible_resize;
    let mut world = World::with_infeasible_resize(cluster, &limits, infeasible);
    let budgets = Budgets::new(cluster, now);
    let movers = Movers::new(cluster, now, config.moves.clone());
    let owners = OwnerIndex::new(cluster);
    let mut on_node: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in cluster.pods.items() {
        // A pod that waits for room by preemption counts where it waits.
        let place = pod.node().or(pod.status.nominated_node.as_ref());
        if let Some(node) = place {
            on_node.entry(node.as_str()).or_default().push(pod);
        }
    }
    let pools = Pools::new(cluster, now);
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for node in cluster.nodes.items() {
        let Some(id) = world.node_id(&node.name()) else {
            continue;
        };
        let owner = owner_of(node, cluster, cloud);
        let mut candidate = Candidate {
            node,
            id,
            group: group_of(node, owner.as_ref()),
            price: inputs.node_price(cluster, node),
            owner,
            movers: Vec::new(),
            node_pods: 0,
            ends: Resources::default(),
            stays: Vec::new(),
        };
        let pods = on_node
            .get(node.meta.name.as_str())
            .map_or(&[][..], Vec::as_slice);
        sort_pods(&mut candidate, pods, &movers, &budgets, infeasible);
        static_reasons(config, inputs, cluster, &pools, &mut candidate);
        candidates.push(candidate);
    }
    let pairs: Vec<(&Node, String)> = candidates
        .iter()
        .filter(|c| c.in_service())
        .map(|c| (c.node, c.group.clone()))
        .collect();
    let mut groups = Groups::new(&pairs, cluster, cloud);
    for owner in removed_before(inputs, cluster, cloud) {
        groups.shrunk(&owner);
    }
    let mut waiting = place_waiting(&mut world, cluster, &movers);
    let young: BTreeSet<NodeName> = candidates
        .iter()
        .filter(|c| c.stays.iter().any(|r| matches!(r, Reason::Young { .. })))
        .map(|c| c.node.name())
        .collect();
    let mut share = Share::new(cluster, &owners, config);
    candidates.sort_by_cached_key(|c| order(c, |pod| share.is_alone(&owners.top(pod))));

    let mut answer = Answer::default();
    let mut acts = Vec::new();
    let mut keeps = Vec::new();
    let mut taken: BTreeMap<NodeName, u64> = BTreeMap::new();
    let mut missing: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut room = Room::new(&world, &candidates, config);
    for candidate in candidates {
        let name = candidate.node.name();
        let subject = Subject::Node {
            cluster: cluster.uid.clone(),
            node: name.clone(),
        };
        let reasons = match (candidate.owner.as_ref(), candidate.price) {
            (Some(owner), Some(price)) if candidate.stays.is_empty() => {
                let tried = Trial {
                    config,
                    cluster,
                    candidate: &candidate,
                    owner,
                    groups: &groups,
                    taken: &taken,
                    young: &young,
                    room: &room,
                    removed: answer.removed.len(),
                };
                match tried.run(&mut world, &mut share, &owners, &mut waiting) {
                    Ok(moves) => {
                        groups.removed(candidate.node, &candidate.group, owner);
                        room.removed(&candidate);
                        answer.removed.insert(candidate.node.meta.name.clone());
                        answer.moves += u64::try_from(moves.len()).unwrap_or(0);
                        for moved in moves.iter().filter_map(|m| m.to.clone()) {
                            *taken.entry(moved).or_default() += 1;
                        }
                        acts.push(act(cluster, &candidate, owner, moves, price, subject));
                        continue;
                    }
                    Err(reason) => vec![*reason],
                }
            }
            _ => candidate.stays.clone(),
        };
        for reason in &reasons {
            if let Reason::PartMissing { part, state } = reason {
                *missing.entry((part.clone(), state.clone())).or_default() += 1;
            }
        }
        let blocked = reasons
            .iter()
            .any(|r| matches!(r, Reason::BudgetBlocks { .. } | Reason::PodPinned { .. }));
        let reasons = reasons.into_iter().map(Into::into).collect();
        let mut keep = Decision::keep(EngineId::BinPacking, subject, reasons);
        if blocked {
            // What the pin or the budget holds in place, for the operator to see.
            let confirmation = MissingEvidence::Confirmation {
                of: "what keeps its pods in place".to_owned(),
            };
            keep = keep.with_stake(
                candidate.price.map(MicroUsdPerHour::per_month),
                vec![confirmation],
            );
        }
        if candidate.price.is_none() {
            let of = format!("node {name}");
            answer.not_judged.push(NotJudged {
                subject: Some(keep.subject.clone()),
                count: 1,
                missing: MissingEvidence::Price { of },
            });
        }
        keeps.push(keep);
    }
    for ((part, state), count) in missing {
        answer.not_judged.push(NotJudged {
            subject: Some(Subject::Cluster {
                cluster: cluster.uid.clone(),
            }),
            count,
            missing: MissingEvidence::Part { part, state },
        });
    }
    keeps.sort_by(|a, b| a.subject.cmp(&b.subject));
    answer.decisions = acts;
    answer.decisions.extend(keeps);
    Ok(answer)
}

/// Owners of nodes that an overlay has taken away: their groups are that much
/// smaller already.
fn removed_before(inputs: &Inputs<'_>, cluster: &Cluster, cloud: Option<&Cloud>) -> Vec<Owner> {
    let before = inputs.snapshot.cluster(&cluster.uid);
    let removed = inputs.overlay.removed_nodes.iter();
    let removed = removed.filter(|r| r.cluster == cluster.uid);
    let nodes = removed.filter_map(|r| {
        let nodes = before?.nodes.items();
        nodes.iter().find(|n| n.meta.name == r.node.as_str())
    });
    nodes
        .filter_map(|node| owner_of(node, cluster, cloud))
        .collect()
}

/// Pods without a node that have found room in thought, by the node.
type Waiting = BTreeMap<NodeId, Vec<PodId>>;

/// Puts the pods that wait for a node where they fit, so that nobody takes
/// their room away. Those that fit nowhere keep nothing from going.
fn place_waiting(world: &mut World<'_>, cluster: &Cluster, movers: &Movers<'_>) -> Waiting {
    let pending: Vec<PodId> = world.pending().collect();
    let mut waiting = Waiting::new();
    for id in pending {
        let Some(pod) = world.pod(id) else { continue };
        let movability = movers.judge(pod);
        if matches!(movability, Movability::Leaving { .. }) {
            continue;
        }
        if let Ok((node, _)) = fullest(world, cluster, id, None, |_| None) {
            world.place_pod(id, node);
            // A DaemonSet's pod goes with the node that it is for.
            if !matches!(movability, Movability::Stays { .. }) {
                waiting.entry(node).or_default().push(id);
            }
        }
    }
    waiting
}

impl Candidate<'_> {
    fn in_service(&self) -> bool {
        let mut stays = self.stays.iter();
        !stays.any(|r| matches!(r, Reason::NotInService { .. }))
    }
}

fn sort_pods<'a>(
    candidate: &mut Candidate<'a>,
    pods: &[&'a Pod],
    movers: &Movers<'_>,
    budgets: &Budgets<'_>,
    infeasible: InfeasibleResize,
) {
    let request = |pod: &Pod| effective_request(pod, infeasible);
    let mut pinned = Vec::new();
    let mut blocked = Vec::new();
    for pod in pods.iter().copied() {
        let name = NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone());
        match movers.judge(pod) {
            Movability::NotCounted => {}
            Movability::Leaving { placed_again: true } => candidate.movers.push(pod),
            Movability::Leaving {
                placed_again: false,
            } => candidate.ends.add(&request(pod)),
            Movability::Stays { .. } => {
                candidate.node_pods += 1;
                candidate.ends.add(&request(pod));
            }
            Movability::NeverMoves { why } => {
                pinned.extend(why.into_iter().next().map(|w| (name, w)))
            }
            Movability::Moves => match budgets.can_evict(pod) {
                Ok(()) => candidate.movers.push(pod),
                Err(why) => blocked.push((name, why)),
            },
        }
    }
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let (pins, blocks) = (count(pinned.len()), count(blocked.len()));
    pinned.sort();
    blocked.sort();
    candidate.stays.extend(
        pinned
            .into_iter()
            .next()
            .map(|(pod, pin)| Reason::PodPinned {
                pod,
                pin,
                pods: pins,
            }),
    );
    candidate.stays.extend(
        blocked
            .into_iter()
            .next()
            .map(|(pod, why)| Reason::BudgetBlocks {
                pod,
                why,
                pods: blocks,
            }),
    );
    candidate.movers.sort_by_cached_key(|pod| {
        let request = request(pod);
        let size = (request.memory.0 >> 20).saturating_add(request.cpu.0.saturating_mul(4));
        (
            std::cmp::Reverse(size),
            pod.meta.namespace.clone(),
            pod.meta.name.clone(),
        )
    });
}

/// Reasons that hold whatever happens elsewhere.
fn static_reasons(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    pools: &Pools<'_>,
    candidate: &mut Candidate<'_>,
) {
    let (node, now) = (candidate.node, inputs.now());
    let stays = &mut candidate.stays;
    let not_target = capacity::not_target(node, cluster.node_pools.items());
    stays.extend(
        not_target
            .into_iter()
            .map(|why| Reason::NotInService { why }),
    );
    stays.extend(
        node_protections(node, now)
            .into_iter()
            .map(|pin| Reason::Protected { pin }),
    );
    match &candidate.owner {
        None => stays.push(Reason::OwnerUnknown),
        Some(owner @ Owner::Provider { .. }) => {
            stays.push(Reason::ManagedByProvider {
                owner: owner.clone(),
            });
        }
        Some(_) => {}
    }
    stays.extend(pools.forbids(node, candidate.movers.is_empty()));
    match candidate.price {
        None => stays.push(Reason::Unpriced {
            instance_type: node.instance_type().map(str::to_owned),
        }),
        Some(price) if price.per_month() < config.min_saving_per_month => {
            stays.push(Reason::SavesTooLittle {
                saving: price.per_month(),
                least: config.min_saving_per_month,
            });
        }
        Some(_) => {}
    }
    let minutes = |m: u32| TimeDelta::minutes(i64::from(m));
    if let Some(since) = node.meta.created_at
        && now - since < minutes(config.min_node_age_minutes)
    {
        stays.push(Reason::Young {
            since,
            minutes: config.min_node_age_minutes,
        });
    }
    let disrupted = inputs.ledgers.disrupted.iter().flatten();
    let last = disrupted
        .filter(|d| d.cluster == cluster.uid)
        .map(|d| d.at)
        .max();
    if let Some(since) = last
        && now - since < minutes(config.cooldown_minutes)
    {
        stays.push(Reason::CoolingDown {
            since,
            minutes: config.cooldown_minutes,
        });
    }
    stays.sort();
}

/// Empty nodes first, the dearest of them first; then by what the moves cost
/// per dollar, in thousandths of both.
fn order(
    candidate: &Candidate<'_>,
    alone: impl Fn(&Pod) -> bool,
) -> (bool, u64, std::cmp::Reverse<MicroUsdPerHour>, String) {
    let cost: i64 = candidate
        .movers
        .iter()
        .map(|p| move_cost_milli(p, alone(p)).max(100))
        .sum();
    let price = candidate.price.unwrap_or_default();
    let per_dollar = u64::try_from(cost).unwrap_or(0).saturating_mul(1_000_000)
        / u64::try_from(price.0.max(1)).unwrap_or(1);
    (
        !candidate.movers.is_empty(),
        per_dollar,
        std::cmp::Reverse(price),
        candidate.node.meta.name.clone(),
    )
}

fn act(
    cluster: &Cluster,
    candidate: &Candidate<'_>,
    owner: &Owner,
    moves: Vec<PodMove>,
    price: MicroUsdPerHour,
    subject: Subject,
) -> Decision {
    let node = candidate.node.name();
    let onto: BTreeSet<_> = moves.iter().filter_map(|m| m.to.clone()).collect();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let reason = if moves.is_empty() {
        Reason::Empty {
            node_pods: candidate.node_pods,
        }
    } else {
        Reason::PodsFitElsewhere {
            pods: count(moves.len()),
            onto: count(onto.len()),
        }
    };
    let mut actions = vec![Action::CordonNode {
        cluster: cluster.uid.clone(),
        node: node.clone(),
    }];
    if !moves.is_empty() {
        actions.push(Action::DrainNode {
            cluster: cluster.uid.clone(),
            node: node.clone(),
            moves,
        });
    }
    actions.push(Action::RemoveNode {
        cluster: cluster.uid.clone(),
        node,
        instance: candidate.node.instance_id(),
        via: owner.clone(),
    });
    Decision::act(
        EngineId::BinPacking,
        subject,
        actions,
        Some(price.per_month()),
        vec![reason.into()],
    )
}

/// Room that must stay free, over all nodes in service that stay.
struct Room {
    allocatable: Resources,
    requested: Resources,
    percent: u64,
}

impl Room {
    /// What nodes out of service hold will come to the others; what they have
    /// will not.
    fn new(world: &World<'_>, candidates: &[Candidate<'_>], config: &Config) -> Self {
        let mut room = Self {
            allocatable: Resources::default(),
            requested: Resources::default(),
            percent: u64::from(config.headroom_percent),
        };
        for candidate in candidates {
            let mut used = world.used(candidate.id);
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

    fn removed(&mut self, candidate: &Candidate<'_>) {
        self.allocatable.subtract(&candidate.node.allocatable);
        self.requested.subtract(&candidate.ends);
    }
}

/// How many pods of each workload stand on each node.
struct Share {
    total: BTreeMap<WorkloadRef, u32>,
    on: BTreeMap<(WorkloadRef, NodeName), u32>,
    percent: u32,
}

impl Share {
    fn new(cluster: &Cluster, owners: &OwnerIndex, config: &Config) -> Self {
        let mut share = Self {
            total: BTreeMap::new(),
            on: BTreeMap::new(),
            percent: config.max_workload_share_percent,
        };
        for pod in cluster.pods.items().iter().filter(|p| !p.is_finished()) {
            let workload = owners.top(pod);
            *share.total.entry(workload.clone()).or_default() += 1;
            if let Some(node) = pod.node() {
                *share.on.entry((workload, node.clone())).or_default() += 1;
            }
        }
        share
    }

    /// Whether a workload has one pod only.
    fn is_alone(&self, workload: &WorkloadRef) -> bool {
        self.total.get(workload) == Some(&1)
    }

    /// Why one more pod of the workload may not come to the node.
    fn refuses(&self, workload: &WorkloadRef, node: &NodeName) -> Option<Refusal> {
        let total = self.total.get(workload).copied().unwrap_or(0);
        let max = total.saturating_mul(self.percent).div_ceil(100).max(1);
        let there = self.on.get(&(workload.clone(), node.clone()));
        let would_be = there.copied().unwrap_or(0).saturating_add(1);
        (would_be > max).then(|| Refusal::CountLimit {
            with: None,
            of: workload.clone(),
            would_be,
            max,
        })
    }

    fn moved(&mut self, workload: &WorkloadRef, from: &NodeName, to: &NodeName) {
        if let Some(count) = self.on.get_mut(&(workload.clone(), from.clone())) {
            *count = count.saturating_sub(1);
        }
        *self.on.entry((workload.clone(), to.clone())).or_default() += 1;
    }
}

/// An attempt to empty one node.
struct Trial<'t, 'a> {
    config: &'t Config,
    cluster: &'t Cluster,
    candidate: &'t Candidate<'a>,
    owner: &'t Owner,
    groups: &'t Groups<'a>,
    taken: &'t BTreeMap<NodeName, u64>,
    /// Nodes whose room is for the pods that they were started for.
    young: &'t BTreeSet<NodeName>,
    room: &'t Room,
    removed: usize,
}

impl Trial<'_, '_> {
    /// Moves every pod in the world and takes the node out of it, or leaves
    /// the world as it was and says why the node stays.
    fn run(
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
        if let Some(reason) = self.groups.refuses(node, &self.candidate.group, self.owner) {
            return Err(Box::new(reason));
        }
        if !self.room.allows(self.candidate) {
            return Err(Box::new(Reason::Headroom {
                percent: self.config.headroom_percent,
            }));
        }
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
                young.or_else(|| share.refuses(&workload, node))
            };
            match fullest(world, self.cluster, id, from, refuses) {
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
        // Pods that wait for a node and counted on this one.
        let counting = waiting.get(&self.candidate.id).cloned().unwrap_or_default();
        let mut found: Vec<(PodId, NodeId)> = Vec::new();
        for id in counting {
            let from = Some(self.candidate.id);
            match fullest(world, self.cluster, id, from, |_| None) {
                Ok((target, _)) => {
                    world.place_pod(id, target);
                    found.push((id, target));
                }
                Err(nowhere) => {
                    let pod = world.pod(id).map(named).unwrap_or_default();
                    for (id, _) in found {
                        world.place_pod(id, self.candidate.id);
                    }
                    self.undo(world, share, done);
                    return Err(Box::new(nowhere.reason(pod)));
                }
            }
        }
        waiting.remove(&self.candidate.id);
        for (id, target) in found {
            waiting.entry(target).or_default().push(id);
        }
        world.remove_node(self.candidate.id);
        Ok(moves)
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

fn named(pod: &Pod) -> NamespacedName {
    NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone())
}

/// No node takes a pod.
struct Nowhere {
    tried: u64,
    /// What the node that refuses for the fewest reasons says.
    nearest: Refusals,
}

impl Nowhere {
    fn reason(self, pod: NamespacedName) -> Reason {
        Reason::NoRoom {
            pod,
            tried: self.tried,
            nearest: self.nearest,
        }
    }
}

/// The fullest node, other than `from`, that takes the pod by every rule and
/// that `refuses` has nothing against: what is left free stays in large pieces.
fn fullest(
    world: &World<'_>,
    cluster: &Cluster,
    pod: PodId,
    from: Option<NodeId>,
    refuses: impl Fn(&NodeName) -> Option<Refusal>,
) -> Result<(NodeId, NodeName), Nowhere> {
    let mut best: Option<((u64, NodeName), NodeId)> = None;
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
        // A second eviction is worth no move.
        let leaves_again = || {
            let tolerations = &world.pod(pod)?.spec.tolerations;
            let taint = capacity::tolerated_for_a_time(tolerations, node)?.clone();
            Some(Refusal::Taint { taint })
        };
        let refused = || refuses(&name).or_else(leaves_again);
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
                let key = (left, name);
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
        Some(((_, name), id)) => Ok((id, name)),
        None => Err(Nowhere {
            tried,
            nearest: nearest.unwrap_or(Refusals(Vec::new())),
        }),
    }
}
