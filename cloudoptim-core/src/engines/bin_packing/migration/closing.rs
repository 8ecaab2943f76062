//! Which nodes are closed for the time of waves, and for how many of them.

use super::{Eviction, Placement, Wave};
use crate::model::NodeName;
use std::collections::{BTreeMap, BTreeSet};

/// What a wave closes before its first eviction, and opens after its last: each
/// with the node whose decision does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Closing {
    pub(crate) close: Vec<(NodeName, NodeName)>,
    pub(crate) open: Vec<(NodeName, NodeName)>,
}

fn closed(wave: &Wave) -> &[NodeName] {
    match &wave.placement {
        Placement::Forced { closed, .. } => closed,
        Placement::Free | Placement::Checked => wave.closed.as_slice(),
    }
}

/// For each wave. What the next one needs closed, too, stays closed, as long as
/// the decision that closed it has something left to do: should that end early,
/// what it has closed is opened again.
pub(crate) fn closings(waves: &[Wave]) -> Vec<Closing> {
    let mut last: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for (number, wave) in waves.iter().enumerate() {
        let from = wave.evictions.iter().map(Eviction::goes);
        last.extend(from.chain(&wave.removed).map(|node| (node, number)));
    }
    let mut held: BTreeMap<&NodeName, &NodeName> = BTreeMap::new();
    let mut out = Vec::with_capacity(waves.len());
    for (number, wave) in waves.iter().enumerate() {
        let mut closing = Closing::default();
        let from = wave.evictions.iter().map(Eviction::goes);
        if let Some(owner) = from.chain(&wave.removed).next() {
            for node in closed(wave) {
                if !held.contains_key(node) {
                    held.insert(node, owner);
                    closing.close.push((owner.clone(), node.clone()));
                }
            }
        }
        // Nothing is closed before what is launched is there.
        let next = waves.get(number.saturating_add(1));
        let next: BTreeSet<&NodeName> = next
            .filter(|next| next.launch.is_empty())
            .map(|next| closed(next).iter().collect())
            .unwrap_or_default();
        for node in closed(wave) {
            let Some(owner) = held.get(node).copied() else {
                continue;
            };
            let goes_on = last.get(owner).is_some_and(|last| *last > number);
            if !goes_on || !next.contains(node) {
                held.remove(node);
                closing.open.push((owner.clone(), node.clone()));
            }
        }
        out.push(closing);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::bin_packing::Rollback;

    fn wave(from: &str, closed: &[&str]) -> Wave {
        Wave {
            number: 1,
            launch: Vec::new(),
            cordon: Vec::new(),
            placement: Placement::Forced {
                target: "t".into(),
                closed: closed.iter().map(|node| (*node).into()).collect(),
            },
            closed: None,
            evictions: vec![Eviction {
                pod: crate::model::NamespacedName::new("shop", "web"),
                uid: "u".into(),
                from: from.into(),
                serves: None,
                to: None,
                room_on: None,
            }],
            removed: Vec::new(),
            seconds: 0,
            rollback: Rollback::default(),
        }
    }

    fn told(waves: &[Wave]) -> Vec<(Vec<String>, Vec<String>)> {
        let text = |pairs: &[(NodeName, NodeName)]| -> Vec<String> {
            let all = pairs.iter().map(|(of, node)| format!("{of} {node}"));
            all.collect()
        };
        let all = closings(waves).into_iter();
        all.map(|c| (text(&c.close), text(&c.open))).collect()
    }

    fn strings(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_the_next_wave_needs_closed_stays_closed() {
        let waves = [
            wave("a", &["x", "y"]),
            wave("a", &["y", "z"]),
            wave("a", &["z"]),
        ];
        let expected = [
            (strings(&["a x", "a y"]), strings(&["a x"])),
            (strings(&["a z"]), strings(&["a y"])),
            (strings(&[]), strings(&["a z"])),
        ];
        assert_eq!(told(&waves), expected);
    }

    #[test]
    fn what_a_decision_closed_is_open_when_it_is_over() {
        // Of `a` nothing is left to do after the first wave, of `b` after the last.
        let waves = [
            wave("a", &["x"]),
            wave("b", &["x"]),
            wave("c", &["x"]),
            wave("b", &["x"]),
        ];
        let expected = [
            (strings(&["a x"]), strings(&["a x"])),
            (strings(&["b x"]), strings(&[])),
            (strings(&[]), strings(&[])),
            (strings(&[]), strings(&["b x"])),
        ];
        assert_eq!(told(&waves), expected);
    }

    #[test]
    fn between_waves_that_close_nothing_or_launch_all_is_open() {
        let mut free = wave("a", &[]);
        free.placement = Placement::Free;
        let open = [
            (strings(&["a x"]), strings(&["a x"])),
            (strings(&[]), strings(&[])),
            (strings(&["a x"]), strings(&["a x"])),
        ];
        assert_eq!(told(&[wave("a", &["x"]), free, wave("a", &["x"])]), open);
    }
}
