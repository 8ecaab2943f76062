//! A migration followed step by step with the naive rules.

use super::super::Scenario;
use super::super::generated::open;
use super::super::naive::Board;
use crate::cases::Line;
use cloudoptim_core::decision::is_planned;
use cloudoptim_core::engines::bin_packing::{Elsewhere, Eviction, Migration, Placement};
use cloudoptim_core::guard::Placement as _;
use cloudoptim_core::model::*;
use std::collections::BTreeSet;

/// Pods that a budget must keep, by the letter of its rule, and those that are
/// healthy, for each budget of a generated case.
fn budgets(case: &[String], cluster: &Cluster) -> Vec<(String, u32, u32)> {
    let pdbs = case.iter().map(|l| Line::parse(l));
    let pdbs = pdbs.filter(|l| l.words.first().is_some_and(|w| w == "pdb"));
    pdbs.map(|line| {
        let app = line.get("app").unwrap().to_owned();
        let of_app = |p: &&Pod| p.meta.labels.get("app") == Some(&app);
        let pods: Vec<&Pod> = cluster.pods.items().iter().filter(of_app).collect();
        let healthy = pods
            .iter()
            .filter(|p| p.status.ready == Some(true) && p.meta.deleted_at.is_none())
            .count() as u32;
        let all = pods.len() as u32;
        let share = |text: &str| match text.strip_suffix('%') {
            Some(percent) => (all * percent.parse::<u32>().unwrap()).div_ceil(100),
            None => text.parse().unwrap(),
        };
        let must_stay = match (line.get("min"), line.get("max")) {
            (Some(min), _) => share(min),
            (None, max) => all.saturating_sub(share(max.unwrap())),
        };
        (app, must_stay, healthy)
    })
    .collect()
}

/// What the guards say about pods that leave a node together, with the pods
/// where the board has them.
fn fit_elsewhere(
    cluster: &Cluster,
    board: &Board<'_>,
    cordoned: &BTreeSet<&str>,
    evictions: &[Eviction],
) -> bool {
    let mut now = cluster.clone();
    let nodes = now.nodes.value_mut().unwrap();
    nodes.retain(|n| board.nodes.contains_key(n.meta.name.as_str()));
    let new = board.nodes.values().filter(|n| is_planned(&n.name()));
    nodes.extend(new.map(|n| Node::clone(n)));
    for node in nodes.iter_mut() {
        node.unschedulable |= cordoned.contains(node.meta.name.as_str());
    }
    let pods = now.pods.value_mut().unwrap();
    pods.retain(|p| board.pods.contains_key(p.meta.uid.as_str()));
    for pod in pods.iter_mut() {
        let place = board.places.get(pod.meta.uid.as_str());
        pod.spec.node_name = place.map(|node| NodeName::new(*node));
    }
    let uids: Vec<Uid> = evictions.iter().map(|e| e.uid.clone()).collect();
    let from = &evictions[0].from;
    let rules = Elsewhere::new(open(), Vec::new());
    rules.fits_elsewhere(&now, from, &uids).is_ok()
}

/// Follows a migration with the naive rules; gives the pods that find no place.
pub(super) fn followed(
    case: &[String],
    scenario: &Scenario,
    way: &Migration,
    choose: &mut dyn FnMut(&Board<'_>, &[&str]) -> usize,
) -> Vec<String> {
    let cluster = &scenario.snapshot.clusters[0];
    // What is launched, with the room that DaemonSets leave.
    let launches = way.waves.iter().flat_map(|w| &w.launch);
    let comes: Vec<Node> = launches
        .flat_map(|l| l.nodes.iter().map(|name| (name, l.shape.as_ref().unwrap())))
        .map(|(name, shape)| {
            let mut node = shape.node(name);
            node.allocatable.subtract(&shape.daemons);
            node
        })
        .collect();
    let mut board = Board::new(cluster);
    let budgets = budgets(case, cluster);
    let mut cordoned: BTreeSet<&str> = BTreeSet::new();
    let mut lost = Vec::new();
    for wave in &way.waves {
        let names = wave.launch.iter().flat_map(|l| &l.nodes);
        for name in names {
            let node = comes.iter().find(|n| n.name() == *name).unwrap();
            board.nodes.insert(node.meta.name.as_str(), node);
        }
        cordoned.extend(wave.cordon.iter().map(NodeName::as_str));
        let (closed, at_once) = match &wave.placement {
            Placement::Free | Placement::Checked => {
                let closed = wave.closed.iter().cloned().collect();
                (closed, wave.evictions.len())
            }
            Placement::Forced { closed, .. } => (closed.clone(), 1),
            other => panic!("{other:?}"),
        };
        let closed: BTreeSet<&str> = closed.iter().map(NodeName::as_str).collect();
        // Steps of a checked wave go node by node, each looked at right before.
        let checked = wave.placement == Placement::Checked;
        let steps: Vec<&[Eviction]> = if checked {
            wave.evictions.chunk_by(|a, b| a.from == b.from).collect()
        } else {
            wave.evictions.chunks(at_once.max(1)).collect()
        };
        for round in steps {
            if checked && !fit_elsewhere(cluster, &board, &cordoned, round) {
                return lost;
            }
            for (app, must_stay, healthy) in &budgets {
                let leaves = |e: &&Eviction| {
                    let pod = board.pods[e.uid.as_str()];
                    let of_app = pod.meta.labels.get("app") == Some(app);
                    of_app && pod.status.ready == Some(true) && pod.meta.deleted_at.is_none()
                };
                let leaving = round.iter().filter(leaves).count() as u32;
                assert!(
                    leaving == 0 || *healthy >= must_stay + leaving,
                    "{app}: {leaving} of {healthy} leave, {must_stay} must stay"
                );
            }
            for eviction in round {
                let uid = eviction.uid.as_str();
                assert_eq!(board.places.remove(uid), Some(eviction.from.as_str()));
            }
            for eviction in round {
                let uid = *board.pods.get_key_value(eviction.uid.as_str()).unwrap().0;
                let fits = |n: &&&str| {
                    !cordoned.contains(**n)
                        && !closed.contains(**n)
                        && board.broken(uid, n).is_empty()
                };
                let fitting: Vec<&str> = board.nodes.keys().filter(fits).copied().collect();
                if fitting.is_empty() {
                    lost.push(uid.to_owned());
                    continue;
                }
                let index = choose(&board, &fitting);
                board.places.insert(uid, fitting[index]);
            }
        }
        for node in &wave.removed {
            for pod in board.on(node.as_str()) {
                let daemon = pod.meta.owners.iter().any(|o| o.kind == "DaemonSet");
                assert!(daemon || pod.meta.deleted_at.is_some(), "{}", pod.meta.name);
                board.places.remove(pod.meta.uid.as_str());
            }
            board.nodes.remove(node.as_str());
        }
    }
    lost
}
