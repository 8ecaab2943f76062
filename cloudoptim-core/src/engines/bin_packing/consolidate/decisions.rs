//! The decisions that an attempt comes to, and what they are worth.

use super::Answer;
use crate::decision::{
    Action, Decision, Launch, MissingEvidence, Owner, PodMove, Subject, is_planned,
};
use crate::engines::bin_packing::candidate::Candidate;
use crate::engines::bin_packing::shift::{Shift, actions};
use crate::engines::bin_packing::shop::{Planned, Shop};
use crate::engines::bin_packing::{Config, Reason, migration};
use crate::engines::{EngineId, Inputs};
use crate::model::{Cluster, MicroUsdPerHour, NodeName, Resources};
use crate::scheduling::World;
use std::collections::{BTreeMap, BTreeSet};

/// A node that goes, with its pods.
pub(super) struct Going<'g, 'a> {
    pub(super) candidate: &'g Candidate<'a>,
    pub(super) owner: &'g Owner,
    pub(super) moves: Vec<PodMove>,
    /// Pods that leave nodes that stay, before.
    pub(super) made: Vec<Shift>,
    pub(super) price: MicroUsdPerHour,
    pub(super) subject: Subject,
}

/// Nodes to be launched, each with the first decision whose pods come to it.
pub(super) struct Launches<'l> {
    shop: &'l Shop,
    left: BTreeMap<NodeName, (&'l Planned, Resources)>,
}

impl<'l> Launches<'l> {
    pub(super) fn new(world: &World<'_>, shop: &'l Shop, used: &[&'l Planned]) -> Self {
        let holds = |new: &'l Planned| {
            let id = world.node_id(&new.name);
            let used = id.map_or_else(Resources::default, |id| world.used(id));
            (new.name.clone(), (new, used))
        };
        Self {
            shop,
            left: used.iter().map(|new| holds(new)).collect(),
        }
    }

    /// What has to be launched for these moves and is not launched yet, and
    /// what that costs.
    fn take(&mut self, moves: &[PodMove]) -> (Vec<(Launch, Option<Reason>)>, MicroUsdPerHour) {
        let mut cost = MicroUsdPerHour::ZERO;
        let mut alike: BTreeMap<(usize, &str), (Vec<NodeName>, Resources)> = BTreeMap::new();
        for name in moves.iter().filter_map(|m| m.to.as_ref()) {
            let Some((new, holds)) = self.left.remove(name) else {
                continue;
            };
            cost += new.price;
            let group = alike.entry((new.ware, new.zone.as_str())).or_default();
            group.0.push(name.clone());
            group.1.raise_to(&holds);
        }
        let launches = alike
            .into_iter()
            .filter_map(|((ware, zone), (mut names, least))| {
                names.sort();
                let ware = self.shop.wares.get(ware)?;
                let launch = ware.launch(zone, names, least);
                let reason = ware.reason(zone, &launch);
                Some((launch, reason))
            });
        (launches.collect(), cost)
    }
}

/// The decision to leave a node, with what a pin or a budget holds in place for
/// the operator to see.
pub(super) fn keep(candidate: &Candidate<'_>, subject: Subject, reasons: Vec<Reason>) -> Decision {
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

pub(super) fn act(
    cluster: &Cluster,
    world: &World<'_>,
    going: Going<'_, '_>,
    launches: &mut Launches<'_>,
    broken: Option<Reason>,
) -> Decision {
    let Going {
        candidate,
        owner,
        moves,
        made,
        price,
        subject,
    } = going;
    let node = candidate.node.name();
    let onto: BTreeSet<_> = moves.iter().filter_map(|m| m.to.clone()).collect();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let (before, shifted) = actions(&cluster.uid, world, &made);
    let all: Vec<PodMove> = shifted.iter().flat_map(|(_, m)| m.clone()).collect();
    let (launched, cost) = launches.take(&[all, moves.clone()].concat());
    let planned = onto.iter().filter(|name| is_planned(name)).count();
    let reason = if moves.is_empty() {
        Reason::Empty {
            node_pods: candidate.node_pods,
        }
    } else if planned > 0 {
        Reason::PodsFitWithLaunches {
            pods: count(moves.len()),
            onto: count(onto.len()),
            launched: count(planned),
        }
    } else {
        Reason::PodsFitElsewhere {
            pods: count(moves.len()),
            onto: count(onto.len()),
        }
    };
    let mut reasons = vec![reason];
    if !made.is_empty() {
        let nodes: BTreeSet<NodeName> = shifted.into_iter().map(|(node, _)| node).collect();
        reasons.push(Reason::RoomIsMade {
            pods: count(made.len()),
            nodes: nodes.into_iter().collect(),
        });
    }
    reasons.extend(broken);
    let mut actions: Vec<Action> = Vec::new();
    for (launch, reason) in launched {
        reasons.extend(reason);
        actions.push(Action::LaunchNodes {
            cluster: cluster.uid.clone(),
            launch: Box::new(launch),
        });
    }
    actions.extend(before);
    actions.push(Action::CordonNode {
        cluster: cluster.uid.clone(),
        node: node.clone(),
    });
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
        Some(price.per_month() - cost.per_month()),
        reasons.into_iter().map(Into::into).collect(),
    )
}

/// What decisions save an hour, less what their moves cost, in micro-dollars: those
/// that have a safe way, in time. `None` when none could be looked for.
pub(super) fn carried_out(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    answer: &Answer,
) -> Option<i128> {
    let decisions = answer.decisions.as_slice();
    let way = migration(config, inputs, &cluster.uid, decisions).ok()?;
    let valid = u64::from(inputs.policy.plan.valid_minutes).saturating_mul(60);
    let mut seconds: u64 = 0;
    let mut gone: BTreeSet<&NodeName> = BTreeSet::new();
    for wave in &way.waves {
        seconds = seconds.saturating_add(wave.seconds);
        if seconds <= valid {
            gone.extend(&wave.removed);
        }
    }
    let going = decisions
        .iter()
        .filter(|d| matches!(&d.subject, Subject::Node { node, .. } if gone.contains(node)));
    let worth = going.map(|decision| {
        let moves = decision.actions.iter().map(|action| match action {
            Action::DrainNode { moves, .. } => i128::try_from(moves.len()).unwrap_or(i128::MAX),
            _ => 0,
        });
        let saves = decision.saves_per_month.unwrap_or_default();
        let moves: i128 = moves.sum();
        i128::from(saves.0) / 730 - moves * i128::from(config.price_per_move.0)
    });
    Some(worth.sum())
}
