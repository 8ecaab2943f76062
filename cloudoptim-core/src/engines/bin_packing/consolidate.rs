//! Which nodes can go, and where each pod would move.

use super::candidate::{Candidate, order, sort_pods, static_reasons};
use super::owner::{Groups, group_of, owner_of};
use super::pool::Pools;
use super::target::Target;
use super::trial::{Room, Share, Trial, Waiting, place_waiting};
use super::{Config, Reason};
use crate::decision::{Action, Decision, MissingEvidence, Owner, PodMove, Subject};
use crate::engines::{EngineError, EngineId, Inputs, NotJudged};
use crate::model::{Cloud, Cluster, MicroUsdPerHour, Node, NodeName, OwnerIndex, Pod, Resources};
use crate::scheduling::movability::Movers;
use crate::scheduling::{Budgets, World};
use std::collections::{BTreeMap, BTreeSet};

/// The answer for one cluster.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) decisions: Vec<Decision>,
    pub(super) removed: BTreeSet<String>,
    pub(super) moves: u64,
    pub(super) not_judged: Vec<NotJudged>,
}

/// Nodes in the order of trying: empty first, then least disruption per dollar.
pub(super) fn consolidate(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    cloud: Option<&Cloud>,
) -> Result<Answer, EngineError> {
    let now = inputs.now();
    let infeasible = config.moves.infeasible_resize;
    let mut world =
        World::with_infeasible_resize(cluster, &inputs.overlay.count_limits, infeasible);
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
