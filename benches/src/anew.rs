//! A cluster whose nodes are all bought anew, judged by the second set of rules.

use crate::placement::{Board, Violation};
use cloudoptim_core::engines::bin_packing::{GreenField, Launchable};
use cloudoptim_core::model::{Cluster, HOSTNAME_LABEL};
use std::collections::BTreeMap;

/// What a green field breaks: at its end, and on the way, as its pods arrive one
/// after the other, each as soon as nothing stands against it.
#[must_use]
pub fn judge(
    cluster: &Cluster,
    kinds: &[Launchable],
    answer: &GreenField,
) -> (Vec<Violation>, Vec<Violation>) {
    let mut board = Board::new(cluster);
    let mut way: Vec<Violation> = Vec::new();
    let pods = cluster.pods.items().iter().filter(|p| !p.is_finished());
    let uids: BTreeMap<(&str, &str), &str> = pods
        .map(|p| {
            let name = (p.meta.namespace.as_str(), p.meta.name.as_str());
            (name, p.meta.uid.as_str())
        })
        .collect();
    let mut queue: Vec<(&str, &str)> = Vec::new();
    for new in &answer.nodes {
        let kind = kinds.iter().find(|l| l.id == new.kind);
        let Some((kind, (node, price))) =
            kind.and_then(|k| Some((k, k.zones.get(new.zone.as_str())?)))
        else {
            way.push(said(new.name.as_str(), format!("there is no {}", new.kind)));
            continue;
        };
        if *price != new.price {
            way.push(said(new.name.as_str(), format!("costs {price}")));
        }
        let mut node = node.clone();
        node.meta.name = new.name.to_string();
        let name = node.meta.name.clone();
        node.meta.labels.insert(HOSTNAME_LABEL.to_owned(), name);
        let d = &kind.daemons;
        board.launch(node, [d.cpu.0, d.memory.0, d.pods]);
        for pod in &new.pods {
            match uids.get(&(pod.namespace.as_str(), pod.name.as_str())) {
                Some(uid) => queue.push((uid, new.name.as_str())),
                None => way.push(said(new.name.as_str(), format!("there is no pod {pod}"))),
            }
        }
    }
    for uid in uids.values() {
        board.lift(uid);
    }
    for node in cluster.nodes.items() {
        way.extend(board.remove(&node.meta.name));
    }
    loop {
        let before = queue.len();
        queue.retain(|(uid, node)| {
            let waits = !board.arrive(uid, node).is_empty();
            if waits {
                board.lift(uid);
            }
            waits
        });
        if queue.is_empty() || queue.len() == before {
            break;
        }
    }
    for (uid, node) in queue {
        way.extend(board.arrive(uid, node));
    }
    (board.robust().into_iter().collect(), way)
}

fn said(node: &str, rule: String) -> Violation {
    Violation {
        of: node.to_owned(),
        node: node.to_owned(),
        rule,
    }
}
