//! Which nodes can go, and where each pod would move.

use super::owner::{Groups, group_of, owner_of};
use super::pool::Pools;
use super::target::Target;
use super::trial::{Room, Share, Trial, fullest};
use super::{Config, Reason};
use crate::decision::{Action, Decision, MissingEvidence, Owner, PodMove, Subject};
use crate::engines::{EngineError, EngineId, Inputs, NotJudged};
use crate::model::{
    Cloud, Cluster, MicroUsdPerHour, NamespacedName, Node, NodeName, OwnerIndex, Pod, Resources,
};
use crate::scheduling::movability::{Movers, move_cost_milli, node_protections};
use crate::scheduling::{
    Budgets, InfeasibleResize, Movability, NodeId, PodId, World, capacity, effective_request,
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
pub(super) struct Candidate<'a> {
    pub(super) node: &'a Node,
    pub(super) id: NodeId,
    pub(super) owner: Option<Owner>,
    pub(super) group: String,
    pub(super) price: Option<MicroUsdPerHour>,
    /// Pods that must be placed again, largest first.
    pub(super) movers: Vec<&'a Pod>,
    /// Pods that end with the node.
    pub(super) node_pods: u64,
    /// What they ask for, and pods that are going.
    pub(super) ends: Resources,
    /// Why it stays, whatever happens elsewhere.
    pub(super) stays: Vec<Reason>,
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
    let waiting = place_waiting(&mut world, cluster, &movers);
    let young: BTreeSet<NodeName> = candidates
        .iter()
        .filter(|c| c.stays.iter().any(|r| matches!(r, Reason::Young { .. })))
        .map(|c| c.node.name())
        .collect();
    let share = Share::new(cluster, &owners, config);
    candidates.sort_by_cached_key(|c| order(c, |pod| share.is_alone(&owners.top(pod))));
    let room = Room::new(&world, &candidates, config);
    let start = Start {
        config,
        cluster,
        owners: &owners,
        candidates: &candidates,
        world,
        groups,
        waiting,
        young,
        share,
        room,
    };
    let one_by_one = start.attempt(None);
    let target = Target::new(
        config,
        &start.world,
        &candidates,
        &start.waiting,
        &start.young,
    );
    let best = match target {
        Some(target) => {
            let aimed = start.attempt(Some(&target));
            if aimed.worth(config) > one_by_one.worth(config) {
                aimed
            } else {
                one_by_one
            }
        }
        None => one_by_one,
    };
    Ok(best.answer)
}

/// A cluster before anything moves.
struct Start<'s, 'a> {
    config: &'s Config,
    cluster: &'s Cluster,
    owners: &'s OwnerIndex,
    candidates: &'s [Candidate<'a>],
    world: World<'a>,
    groups: Groups<'a>,
    waiting: Waiting,
    young: BTreeSet<NodeName>,
    share: Share,
    room: Room,
}

/// What one order of trying led to.
struct Attempt {
    answer: Answer,
    saved: MicroUsdPerHour,
}

impl Attempt {
    /// What it saves, less what its moves cost, in micro-dollars per hour.
    fn worth(&self, config: &Config) -> i128 {
        let moves = i128::from(self.answer.moves) * i128::from(config.price_per_move.0);
        i128::from(self.saved.0) - moves
    }
}

impl Start<'_, '_> {
    /// Tries every node: those of the target first, in its order.
    fn attempt(&self, target: Option<&Target>) -> Attempt {
        let (config, cluster) = (self.config, self.cluster);
        let mut world = self.world.clone();
        let mut groups = self.groups.clone();
        let mut waiting = self.waiting.clone();
        let mut share = self.share.clone();
        let mut room = self.room.clone();
        let mut answer = Answer::default();
        let mut saved = MicroUsdPerHour::ZERO;
        let mut acts = Vec::new();
        let mut keeps = Vec::new();
        let mut taken: BTreeMap<NodeName, u64> = BTreeMap::new();
        let mut missing: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut order: Vec<&Candidate<'_>> = self.candidates.iter().collect();
        if let Some(target) = target {
            order.sort_by_key(|c| target.rank(&c.node.name(), c.movers.is_empty()));
        }
        for candidate in order {
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
                        candidate,
                        owner,
                        groups: &groups,
                        taken: &taken,
                        young: &self.young,
                        room: &room,
                        removed: answer.removed.len(),
                        target,
                    };
                    match tried.run(&mut world, &mut share, self.owners, &mut waiting) {
                        Ok(moves) => {
                            groups.removed(candidate.node, &candidate.group, owner);
                            room.removed(candidate);
                            answer.removed.insert(candidate.node.meta.name.clone());
                            answer.moves += u64::try_from(moves.len()).unwrap_or(0);
                            saved += price;
                            for moved in moves.iter().filter_map(|m| m.to.clone()) {
                                *taken.entry(moved).or_default() += 1;
                            }
                            acts.push(act(cluster, candidate, owner, moves, price, subject));
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
            if candidate.price.is_none() {
                answer.not_judged.push(NotJudged {
                    subject: Some(subject.clone()),
                    count: 1,
                    missing: MissingEvidence::Price {
                        of: format!("node {name}"),
                    },
                });
            }
            keeps.push(keep(candidate, subject, reasons));
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
        Attempt { answer, saved }
    }
}

/// The decision to leave a node, with what a pin or a budget holds in place for
/// the operator to see.
fn keep(candidate: &Candidate<'_>, subject: Subject, reasons: Vec<Reason>) -> Decision {
    let blocked = reasons
        .iter()
        .any(|r| matches!(r, Reason::BudgetBlocks { .. } | Reason::PodPinned { .. }));
    let reasons = reasons.into_iter().map(Into::into).collect();
    let keep = Decision::keep(EngineId::BinPacking, subject, reasons);
    if !blocked {
        return keep;
    }
    let confirmation = MissingEvidence::Confirmation {
        of: "what keeps its pods in place".to_owned(),
    };
    keep.with_stake(
        candidate.price.map(MicroUsdPerHour::per_month),
        vec![confirmation],
    )
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
pub(super) type Waiting = BTreeMap<NodeId, Vec<PodId>>;

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
    pub(super) fn in_service(&self) -> bool {
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
