//! First-fit decreasing on one node type, as the cluster autoscaler's estimator
//! has it (one template per node group); of all types the cheapest answer.
//!
//! Pods come by their largest share of the type, descending, and go to the first
//! node that takes them. A node is opened in the zone with the fewest nodes
//! among those where its first pod may stand. Rules are asked of the newcomer
//! only, as the kube-scheduler does.

use super::bin::{Bin, Limits, Zones, devices, offered, take};
use super::provision::cost;
use crate::instance::{Assignment, Instance, Node, Pod, PodRule, Topology};
use std::cmp::Reverse;
use std::collections::BTreeMap;

struct Open<'a> {
    bin: Bin<'a>,
    zone: usize,
    free: Vec<u32>,
    pods: Vec<(usize, Vec<usize>)>,
}

/// The best of [`on_type`] over all types: most pods placed, then cheapest.
#[must_use]
pub fn best(instance: &Instance) -> Assignment {
    // Largest types first: they are quick, and stop the slow ones early.
    let mut types: Vec<usize> = (0..instance.machines.len()).collect();
    types.sort_by_key(|t| Reverse(instance.machines[*t].price));
    let mut best: Option<((usize, i64), Assignment)> = None;
    for machine in types {
        let known = best.as_ref().map(|b| b.0);
        let Some(found) = on_type(instance, machine, known) else {
            continue;
        };
        let key = (found.unplaced.len(), cost(instance, &found));
        if known.is_none_or(|k| key < k) {
            best = Some((key, found));
        }
    }
    best.map_or_else(
        || Assignment {
            nodes: Vec::new(),
            unplaced: (0..instance.pods.len()).collect(),
        },
        |b| b.1,
    )
}

/// First-fit decreasing on nodes of one type; `None` once it is sure to be no
/// better than `known`, pods left out and cost.
#[must_use]
pub fn on_type(
    instance: &Instance,
    machine: usize,
    known: Option<(usize, i64)>,
) -> Option<Assignment> {
    let of = &instance.machines[machine];
    let share = |pod: &Pod| {
        let dims = pod.amounts.iter().zip(&of.amounts);
        let shares = dims.map(|(a, c)| u128::from(*a) * 1_000_000 / u128::from((*c).max(1)));
        let gpus: u128 = of.gpus.iter().map(|g| u128::from(g.1)).sum();
        let gpu = u128::from(pod.gpus) * u128::from(pod.gpu_milli) * 1_000_000 / gpus.max(1);
        shares.max().unwrap_or(0).max(gpu)
    };
    let mut order: Vec<usize> = (0..instance.pods.len()).collect();
    order.sort_by_cached_key(|p| (Reverse(share(&instance.pods[*p])), *p));
    let limits = Limits::of(instance);
    let mut zones = Zones::new(instance.zones.len());
    let offers = offered(instance, of);
    let empty = Bin::new(instance.dims.len());
    let mut nodes: Vec<Open<'_>> = Vec::new();
    let mut in_zone = vec![0usize; instance.zones.len().max(1)];
    let mut unplaced = Vec::new();
    // Nodes of each zone; those before the start have refused an equal pod for
    // good.
    let mut there: Vec<Vec<usize>> = vec![Vec::new(); in_zone.len()];
    let mut starts: BTreeMap<Pod, Vec<usize>> = BTreeMap::new();
    let here = |zone: usize| {
        if instance.zones.is_empty() {
            1
        } else {
            1u64 << zone
        }
    };
    for index in order {
        let pod = &instance.pods[index];
        let key = Pod {
            name: String::new(),
            ..pod.clone()
        };
        let starts = starts.entry(key).or_insert_with(|| vec![0; there.len()]);
        let local = |node: &Open<'_>| {
            node.bin.holds(pod, of)
                && node.bin.admits(pod, &limits)
                && devices(pod, of, &node.free).is_some()
        };
        // Beyond one node, what zones allow is the same for all nodes of one.
        let by_node = matches!(
            pod.rule,
            PodRule::Affinity {
                over: Topology::Node,
                ..
            }
        );
        let mut found: Option<usize> = None;
        for (zone, start) in starts.iter_mut().enumerate() {
            let here = here(zone);
            if !by_node && zones.admits(pod, &empty, here).is_none() {
                continue;
            }
            let list = &there[zone];
            while list.get(*start).is_some_and(|n| !local(&nodes[*n])) {
                *start += 1;
            }
            let mut rest = list.iter().skip(*start).copied();
            let fits = |n: &usize| {
                let node = &nodes[*n];
                local(node) && zones.admits(pod, &node.bin, here).is_some()
            };
            if let Some(n) = rest.find(fits) {
                found = Some(found.map_or(n, |known| known.min(n)));
            }
        }
        let at = if let Some(at) = found {
            at
        } else {
            let new = Open {
                bin: Bin::new(instance.dims.len()),
                zone: 0,
                free: of.gpus.iter().map(|g| g.1).collect(),
                pods: Vec::new(),
            };
            let possible = (0..in_zone.len())
                .filter(|z| offers >> z & 1 == 1)
                .filter(|z| zones.admits(pod, &new.bin, here(*z)).is_some());
            let zone = possible.min_by_key(|z| (in_zone[*z], *z));
            let (Some(zone), true) = (zone, local(&new)) else {
                unplaced.push(index);
                if known.is_some_and(|k| unplaced.len() > k.0) {
                    return None;
                }
                continue;
            };
            in_zone[zone] += 1;
            there[zone].push(nodes.len());
            nodes.push(Open { zone, ..new });
            let price = of.price.0.saturating_mul(nodes.len() as i64);
            if known.is_some_and(|k| unplaced.len() >= k.0 && price >= k.1) {
                return None;
            }
            nodes.len() - 1
        };
        let node = &mut nodes[at];
        let taken = devices(pod, of, &node.free).unwrap_or_default();
        take(pod, &taken, &mut node.free);
        node.bin.join(index, pod);
        node.pods.push((index, taken));
        zones.join(pod, here(node.zone));
    }
    unplaced.sort_unstable();
    Some(Assignment {
        nodes: nodes
            .into_iter()
            .map(|n| Node {
                machine,
                zone: (!instance.zones.is_empty()).then_some(n.zone),
                pods: n.pods,
            })
            .collect(),
        unplaced,
    })
}
