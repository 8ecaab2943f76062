//! Which workload of one zone is better off in another.

use super::facts::{Backend, Facts};
use super::reason::Reason;
use super::services::{Scene, count, opted_out};
use super::traffic::{PairKey, cost};
use crate::model::{
    MicroUsd, MicroUsdPerMonth, NamespacedName, PodSpec, PodVolumeSource, WorkloadKind,
    WorkloadRef, ZONE_ID_LABEL, ZONE_LABEL, ZoneId,
};
use std::collections::{BTreeMap, BTreeSet};

/// A move that saves.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub(super) workload: WorkloadRef,
    pub(super) from: ZoneId,
    pub(super) to: ZoneId,
    pub(super) saves: MicroUsdPerMonth,
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) restarts: u32,
    /// The pair of the workload with the most bytes: its decision carries the move.
    pub(super) carried_by: PairKey,
}

/// What is known of a workload's freedom to move.
#[derive(Debug)]
pub(super) enum Freedom<'a> {
    /// It runs in this zone only and may leave it.
    Free(&'a WorkloadRef, ZoneId, u32),
    /// It may not.
    Bound(Reason),
}

/// Moves by the name of the workload, found greedily: the largest saving
/// first, then the fewer replicas, then the name; what has moved stays.
///
/// Only pairs outside `routed` count, and the endpoints of a service get no
/// other load by a move: a workload that calls a routed service stays.
pub(super) fn find(
    scene: &Scene<'_>,
    routed: &BTreeSet<PairKey>,
    freedom: &BTreeMap<&NamespacedName, Freedom<'_>>,
    per_gb: MicroUsd,
) -> BTreeMap<NamespacedName, Move> {
    let mut moved: BTreeMap<NamespacedName, Move> = BTreeMap::new();
    let mut open: BTreeMap<&NamespacedName, Option<Move>> = freedom
        .keys()
        .map(|name| (*name, best(scene, routed, freedom, &moved, name, per_gb)))
        .collect();
    loop {
        let pick = open
            .iter()
            .filter_map(|(name, best)| best.as_ref().map(|best| (*name, best)))
            .min_by(|(a, left), (b, right)| {
                (right.saves, left.restarts, *a).cmp(&(left.saves, right.restarts, *b))
            });
        let Some((name, best_move)) = pick else {
            return moved;
        };
        let name = name.clone();
        moved.insert(name.clone(), best_move.clone());
        open.remove(&name);
        let neighbours: Vec<&NamespacedName> = scene
            .pairs_of
            .get(&name)
            .into_iter()
            .flatten()
            .map(|(a, b)| if *a == name { b } else { a })
            .collect();
        for neighbour in neighbours {
            if let Some(slot) = open.get_mut(neighbour) {
                *slot = best(scene, routed, freedom, &moved, neighbour, per_gb);
            }
        }
    }
}

fn best(
    scene: &Scene<'_>,
    routed: &BTreeSet<PairKey>,
    freedom: &BTreeMap<&NamespacedName, Freedom<'_>>,
    moved: &BTreeMap<NamespacedName, Move>,
    name: &NamespacedName,
    per_gb: MicroUsd,
) -> Option<Move> {
    let Some(Freedom::Free(workload, from, replicas)) = freedom.get(name) else {
        return None;
    };
    let mut local: BTreeMap<ZoneId, u64> = BTreeMap::new();
    let mut total = 0_u64;
    let mut largest: Option<(u64, &PairKey)> = None;
    for key in scene.pairs_of.get(name).into_iter().flatten() {
        let pair = scene.pairs.get(*key)?;
        if key.0 == key.1 || pair.cells.is_empty() {
            continue;
        }
        if routed.contains(*key) {
            return None;
        }
        let first = key.0 == *name;
        let peer = if first { &key.1 } else { &key.0 };
        let peer_moved = moved.get(peer).map(|m| &m.to);
        for ((a, b), bytes) in &pair.cells {
            let (own, other) = if first { (a, b) } else { (b, a) };
            if own != from {
                return None; // the traffic was seen when it ran elsewhere
            }
            let sum = local
                .entry(peer_moved.unwrap_or(other).clone())
                .or_default();
            *sum = sum.saturating_add(*bytes);
            total = total.saturating_add(*bytes);
        }
        let bytes = pair.bytes();
        if largest.is_none_or(|(most, _)| bytes > most) {
            largest = Some((bytes, *key));
        }
    }
    let (_, carried_by) = largest?;
    let at = |zone: &ZoneId| local.get(zone).copied().unwrap_or(0);
    let to = local
        .keys()
        .filter(|zone| *zone != from)
        .max_by(|a, b| at(a).cmp(&at(b)).then_with(|| b.cmp(a)))?;
    let (before, after) = (total - at(from), total - at(to));
    let saves = cost(before, per_gb) - cost(after, per_gb);
    (saves >= scene.config.min_saves_per_month && saves > MicroUsdPerMonth::ZERO).then(|| Move {
        workload: (*workload).clone(),
        from: from.clone(),
        to: to.clone(),
        saves,
        before,
        after,
        restarts: *replicas,
        carried_by: carried_by.clone(),
    })
}

/// Whether a workload may be moved, and why not.
pub(super) fn freedom<'a>(
    scene: &Scene<'a>,
    facts: &'a Facts<'a>,
    name: &NamespacedName,
) -> Freedom<'a> {
    let pinned = |by: &str| {
        Freedom::Bound(Reason::Pinned {
            workload: name.clone(),
            by: by.to_owned(),
        })
    };
    if !scene.config.zone_moves {
        return pinned("zone moves are switched off");
    }
    if scene.policy.protects(&name.namespace) {
        return pinned("its namespace is protected");
    }
    if let Some(zone) = facts.zones_out.first() {
        return Freedom::Bound(Reason::ZoneOutOfService { zone: zone.clone() });
    }
    if let Some(workload) = host_network(scene, facts, name) {
        return Freedom::Bound(Reason::HostNetwork { workload });
    }
    let found = facts.named(name);
    let &[reference] = found.as_slice() else {
        return pinned("no workload, or more than one, has this name");
    };
    let Some(backend) = facts.workloads.get(reference) else {
        return pinned("no workload has this name");
    };
    if reference.kind != WorkloadKind::Deployment {
        return pinned("it is no Deployment");
    }
    let zones = count(backend.zones.len());
    if zones > 1 {
        return Freedom::Bound(Reason::WouldLeaveZones {
            workload: name.clone(),
            zones,
        });
    }
    if let Some(by) = bound_by(scene, backend) {
        return pinned(by);
    }
    match backend.zones.first_key_value() {
        Some((zone, pods)) if backend.without_zone == 0 => {
            Freedom::Free(reference, zone.clone(), *pods)
        }
        _ => pinned("the zone of its pods is not known"),
    }
}

/// The workload itself, or the first that it has traffic with, where that has
/// the addresses of its nodes.
fn host_network(
    scene: &Scene<'_>,
    facts: &Facts<'_>,
    name: &NamespacedName,
) -> Option<NamespacedName> {
    let pairs = scene.pairs_of.get(name).into_iter().flatten();
    let peers = pairs.map(|(a, b)| if a == name { b } else { a });
    let mut sides = std::iter::once(name).chain(peers);
    sides.find(|side| facts.on_host_network(side)).cloned()
}

fn bound_by(scene: &Scene<'_>, backend: &Backend<'_>) -> Option<&'static str> {
    let Some(workload) = backend.workload else {
        return Some("it is not in the snapshot");
    };
    let Some(template) = &workload.template else {
        return Some("it has no template");
    };
    if opted_out(scene.config, &workload.meta.annotations).is_some() {
        return Some("an annotation keeps it as it is");
    }
    if workload.paused {
        return Some("it is paused");
    }
    if workload.update_strategy.as_deref() == Some("Recreate") {
        return Some("a change of its template stops all replicas first");
    }
    if workload.rollout_finished() != Some(true) {
        return Some("a rollout is under way");
    }
    let kept = template
        .annotations
        .iter()
        .chain(backend.pods.iter().flat_map(|p| &p.meta.annotations))
        .any(|(key, value)| match key.as_str() {
            "karpenter.sh/do-not-disrupt" => value != "false",
            "cluster-autoscaler.kubernetes.io/safe-to-evict" => value == "false",
            _ => false,
        });
    if kept {
        return Some("an annotation forbids disruption");
    }
    let spec = &template.spec;
    let on_a_node = spec.volumes.iter().any(|v| {
        matches!(
            v.source,
            PodVolumeSource::Claim { .. } | PodVolumeSource::Ephemeral | PodVolumeSource::HostPath
        )
    });
    if on_a_node {
        return Some("a volume ties it to a zone or a node");
    }
    names_zone(spec).then_some("it has a rule about zones")
}

fn names_zone(spec: &PodSpec) -> bool {
    let zonal = |key: &str| {
        matches!(
            key,
            ZONE_LABEL | ZONE_ID_LABEL | "failure-domain.beta.kubernetes.io/zone"
        )
    };
    let required = spec.required_node_affinity.iter().flatten();
    let preferred = spec.preferred_node_affinity.iter().map(|p| &p.term);
    let terms = [
        spec.required_pod_affinity.as_slice(),
        spec.required_pod_anti_affinity.as_slice(),
    ];
    let soft = [
        spec.preferred_pod_affinity.as_slice(),
        spec.preferred_pod_anti_affinity.as_slice(),
    ];
    spec.node_selector.keys().any(|key| zonal(key))
        || required
            .chain(preferred)
            .flat_map(|t| &t.match_expressions)
            .any(|r| zonal(&r.key))
        || terms.into_iter().flatten().any(|t| zonal(&t.topology_key))
        || soft
            .into_iter()
            .flatten()
            .any(|t| zonal(&t.term.topology_key))
        || spec.topology_spread.iter().any(|t| zonal(&t.topology_key))
}
