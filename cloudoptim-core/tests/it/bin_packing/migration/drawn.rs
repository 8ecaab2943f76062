//! Decisions made up at random: nodes that go, and pods of nodes that stay that move
//! before. Each move is possible when its turn comes, and most of them are no use.

use super::super::Scenario;
use super::super::generated::{Case, dice};
use super::super::naive::Board;
use super::super::naive_limits;
use cloudoptim_core::decision::{Action, Decision, Owner, PodMove, Subject};
use cloudoptim_core::engines::EngineId;
use cloudoptim_core::model::*;
use std::collections::BTreeSet;

/// Pods that leave a node before another goes: so many at the most.
const MOST: u64 = 12;

/// How often a way to empty a node is looked for.
const TRIES: usize = 4;

/// One decision for each node that can be emptied, down to the minima of groups;
/// about a third stays all the same.
pub(super) fn decisions(scenario: &Scenario, case: &Case, seed: u64) -> Vec<Decision> {
    let cluster = &scenario.snapshot.clusters[0];
    let mut throw = dice(seed);
    let mut board = Board::new(cluster);
    let own = |pod: &Pod| pod.meta.owners.iter().all(|o| o.kind != "DaemonSet");
    let free = |pod: &Pod| !pod.meta.owners.is_empty() && own(pod) && pod.meta.deleted_at.is_none();
    let (mut going, mut kept) = (Vec::new(), Vec::new());
    for name in board.nodes.keys().copied() {
        let goes = board.on(name).into_iter().all(free) && throw(3) > 0;
        if goes { &mut going } else { &mut kept }.push(name);
    }
    // What moved once stays where it is.
    let mut moved: BTreeSet<&str> = BTreeSet::new();
    let mut spare = naive_limits::spare(&case.0);
    let mut out = Vec::new();
    for node in going.into_iter().flat_map(|node| [node; TRIES]) {
        let groups = naive_limits::groups(&case.0, node);
        let at_minimum = groups.iter().any(|g| spare.get(g).is_some_and(|n| *n <= 0));
        if !board.nodes.contains_key(node) || at_minimum {
            continue;
        }
        let (mut then, mut done) = (board.clone(), moved.clone());
        let mut actions = Vec::new();
        for _ in 0..throw(MOST + 1) {
            if kept.is_empty() {
                break;
            }
            let from = kept[throw(kept.len() as u64) as usize];
            let mut pods = then.on(from);
            pods.retain(|p| free(p) && !done.contains(p.meta.uid.as_str()));
            if pods.is_empty() {
                continue;
            }
            let pod = pods[throw(pods.len() as u64) as usize];
            let others: Vec<&str> = kept.iter().copied().filter(|n| *n != from).collect();
            if let Some(to) = place(&mut then, pod, &others, &mut throw) {
                done.insert(pod.meta.uid.as_str());
                let (cluster, node) = (cluster.uid.clone(), NodeName::new(from));
                actions.push(Action::CordonNode {
                    cluster: cluster.clone(),
                    node: node.clone(),
                });
                actions.push(drain(cluster.clone(), from, vec![moves(pod, to)]));
                actions.push(Action::UncordonNode { cluster, node });
            }
        }
        let mut own = Vec::new();
        let all = then.on(node);
        for pod in &all {
            done.insert(pod.meta.uid.as_str());
            let to = place(&mut then, pod, &kept, &mut throw);
            own.extend(to.map(|to| moves(pod, to)));
        }
        if own.len() < all.len() {
            continue;
        }
        then.nodes.remove(node);
        (board, moved) = (then, done);
        for group in groups {
            spare.entry(group).and_modify(|n| *n -= 1);
        }
        let (uid, name) = (cluster.uid.clone(), NodeName::new(node));
        actions.push(Action::CordonNode {
            cluster: uid.clone(),
            node: name.clone(),
        });
        if !own.is_empty() {
            actions.push(drain(uid.clone(), node, own));
        }
        actions.push(Action::RemoveNode {
            cluster: uid.clone(),
            node: name.clone(),
            instance: None,
            via: Owner::NodeClaim {
                name: format!("main-{node}"),
            },
        });
        let subject = Subject::Node {
            cluster: uid,
            node: name,
        };
        let saves = Some(MicroUsdPerMonth(1_000_000));
        let decision = Decision::act(EngineId::BinPacking, subject, actions, saves, Vec::new());
        out.push(decision);
    }
    out
}

/// Puts the pod on any of these nodes that takes it; else it stays.
fn place<'a>(
    board: &mut Board<'a>,
    pod: &'a Pod,
    nodes: &[&'a str],
    throw: &mut impl FnMut(u64) -> u64,
) -> Option<&'a str> {
    let uid = pod.meta.uid.as_str();
    let from = board.places.remove(uid)?;
    let fits = |n: &&&str| board.broken(uid, n).is_empty();
    let fitting: Vec<&str> = nodes.iter().filter(fits).copied().collect();
    let to = match fitting.len() {
        0 => None,
        count => Some(fitting[throw(count as u64) as usize]),
    };
    board.places.insert(uid, to.unwrap_or(from));
    to
}

fn moves(pod: &Pod, to: &str) -> PodMove {
    PodMove {
        pod: NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone()),
        uid: pod.meta.uid.clone(),
        to: Some(NodeName::new(to)),
    }
}

fn drain(cluster: ClusterUid, node: &str, moves: Vec<PodMove>) -> Action {
    Action::DrainNode {
        cluster,
        node: NodeName::new(node),
        moves,
    }
}
