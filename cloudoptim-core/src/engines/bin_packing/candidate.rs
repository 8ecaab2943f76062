//! What is known of each node before anything moves: who may leave it, and why
//! it stays.

use super::pool::Pools;
use super::{Config, Reason};
use crate::decision::Owner;
use crate::engines::Inputs;
use crate::model::{Cluster, MicroUsdPerHour, NamespacedName, Node, Pod, Resources};
use crate::scheduling::movability::{Movers, move_cost_milli, node_protections};
use crate::scheduling::{
    Budgets, InfeasibleResize, Movability, NodeId, capacity, effective_request,
};
use chrono::TimeDelta;

/// What is known of a node before anything moves.
pub(super) struct Candidate<'a> {
    pub(super) node: &'a Node,
    pub(super) id: NodeId,
    pub(super) owner: Option<Owner>,
    pub(super) group: String,
    pub(super) price: Option<MicroUsdPerHour>,
    /// The commitment that pays for some of it.
    pub(super) covered_by: Option<String>,
    /// Pods that must be placed again, largest first.
    pub(super) movers: Vec<&'a Pod>,
    /// Pods that end with the node.
    pub(super) node_pods: u64,
    /// What they ask for, and pods that are going.
    pub(super) ends: Resources,
    /// Why it stays, whatever happens elsewhere.
    pub(super) stays: Vec<Reason>,
}

impl Candidate<'_> {
    pub(super) fn in_service(&self) -> bool {
        let mut stays = self.stays.iter();
        !stays.any(|r| matches!(r, Reason::NotInService { .. }))
    }
}

pub(super) fn sort_pods<'a>(
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
pub(super) fn static_reasons(
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
            let (saving, least) = (price.per_month(), config.min_saving_per_month);
            stays.push(match candidate.covered_by.clone() {
                Some(commitment) => Reason::CoveredByCommitment {
                    commitment,
                    saving,
                    least,
                },
                None => Reason::SavesTooLittle { saving, least },
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
pub(super) fn order(
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
