//! Whether a repacking breaks a rule, replayed move by move.

use super::{Board, Violation};
use cloudoptim_core::decision::{Action, Decision};
use cloudoptim_core::engines::bin_packing::{Launchable, RepackingPoint};
use cloudoptim_core::model::{Cluster, HOSTNAME_LABEL};
use std::collections::BTreeSet;

/// What a repacking breaks: at its end beyond what was broken `before`, and on
/// the way, move by move in its own order.
#[must_use]
pub fn judge(
    cluster: &Cluster,
    launchables: &[Launchable],
    before: &BTreeSet<Violation>,
    point: &RepackingPoint,
) -> (Vec<Violation>, Vec<Violation>) {
    let mut board = Board::new(cluster);
    let mut way: Vec<Violation> = Vec::new();
    for new in &point.launched {
        let kind = launchables.iter().find(|l| l.id == new.kind);
        let Some((kind, (node, _))) = kind.and_then(|k| Some((k, k.zones.get(&new.zone)?))) else {
            way.push(Violation {
                of: new.name.to_string(),
                node: new.name.to_string(),
                rule: format!("there is no {} in {}", new.kind, new.zone),
            });
            continue;
        };
        let mut node = node.clone();
        node.meta.name = new.name.to_string();
        let name = node.meta.name.clone();
        node.meta.labels.insert(HOSTNAME_LABEL.to_owned(), name);
        let d = &kind.daemons;
        board.launch(node, [d.cpu.0, d.memory.0, d.pods]);
    }
    let mut nodes = point.removed.iter();
    let mut moves = point.moves.iter().peekable();
    loop {
        match moves.peek() {
            Some(moved) if !point.removed.contains(&moved.from) => {
                // Off a node that stays.
                board.lift(moved.uid.as_str());
                way.extend(board.arrive(moved.uid.as_str(), moved.to.as_str()));
                moves.next();
            }
            _ => {
                // The next that goes, with its own moves or none.
                let Some(node) = nodes.next() else { break };
                board.cordon(node.as_str());
                let own = std::iter::from_fn(|| moves.next_if(|m| m.from == *node));
                let own: Vec<_> = own.collect();
                for moved in &own {
                    board.lift(moved.uid.as_str());
                }
                for moved in own {
                    way.extend(board.arrive(moved.uid.as_str(), moved.to.as_str()));
                }
                way.extend(board.remove(node.as_str()));
            }
        }
    }
    // Moves that no node's turn came for are in no order that can be followed.
    way.extend(moves.map(|m| Violation {
        of: m.uid.to_string(),
        node: m.from.to_string(),
        rule: "moves when its node has gone".to_owned(),
    }));
    let end = board.robust().difference(before).cloned().collect();
    (end, way)
}

/// What decisions break, as they stand: at their end beyond what was broken
/// `before`, and on the way, move by move in their own order.
#[must_use]
pub fn judge_decisions(
    cluster: &Cluster,
    before: &BTreeSet<Violation>,
    decisions: &[Decision],
) -> (Vec<Violation>, Vec<Violation>) {
    let mut board = Board::new(cluster);
    let mut way: Vec<Violation> = Vec::new();
    for action in decisions.iter().flat_map(|d| &d.actions) {
        match action {
            Action::LaunchNodes { launch, .. } => {
                for name in &launch.nodes {
                    if let Some(shape) = &launch.shape {
                        let d = &shape.daemons;
                        board.launch(shape.node(name), [d.cpu.0, d.memory.0, d.pods]);
                    }
                }
            }
            Action::DrainNode { moves, .. } => {
                for moved in moves {
                    board.lift(moved.uid.as_str());
                    let to = moved.to.as_ref().map_or("", |to| to.as_str());
                    way.extend(board.arrive(moved.uid.as_str(), to));
                }
            }
            Action::RemoveNode { node, .. } => {
                board.cordon(node.as_str());
                way.extend(board.remove(node.as_str()));
            }
            _ => {}
        }
    }
    let end = board.robust().difference(before).cloned().collect();
    (end, way)
}
