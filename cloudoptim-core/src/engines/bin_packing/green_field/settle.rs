//! A solution in numbers as nodes with pods, by the scheduler's rules.

use super::kinds::NewKind;
use super::search::Found;
use super::{BoughtFor, GreenField, NewNode, Unhoused};
use crate::decision::Offering;
use crate::engines::bin_packing::Config;
use crate::engines::bin_packing::consolidate::labels_of_namespaces;
use crate::engines::bin_packing::fleet::{Buys, Fresh};
use crate::engines::bin_packing::solver::UnplacedReason;
use crate::engines::bin_packing::trial::{leaves_again, named};
use crate::model::{CapacityType, HOSTNAME_LABEL, MicroUsdPerHour};
use crate::scheduling::{NodeId, PodId, World};
use std::collections::{BTreeMap, BTreeSet};

/// Puts the pods on the new nodes by the scheduler's rules, one after the other.
pub(super) fn settle(
    config: &Config,
    mut world: World<'_>,
    fresh: &Fresh,
    found: &Found,
    kinds: &[NewKind],
    wanted: &[(PodId, Buys)],
    out: &mut GreenField,
) {
    let on_demand = wanted.iter().filter(|(_, buys)| *buys == Buys::OnDemand);
    let mut apart = Apart {
        on_demand: on_demand.map(|(pod, _)| *pod).collect(),
        spot: BTreeSet::new(),
    };
    let old: Vec<NodeId> = world.nodes().collect();
    let everybody: Vec<PodId> = fresh.pods.values().flatten().copied().collect();
    for pod in everybody.iter().chain(&fresh.left) {
        world.remove_pod(*pod);
    }
    for node in old {
        world.remove_node(node);
    }
    let mut pods: BTreeMap<usize, std::slice::Iter<'_, PodId>> = BTreeMap::new();
    pods.extend(fresh.pods.iter().map(|(class, pods)| (*class, pods.iter())));
    let mut bought: Vec<(NodeId, NewNode)> = Vec::new();
    let mut queue: Vec<(PodId, Option<NodeId>)> = Vec::new();
    for (number, new) in found.to_buy.iter().enumerate() {
        let Some(kind) = kinds.get(new.kind) else {
            continue;
        };
        let Some((node, _)) = kind.launchable.zones.get(&new.zone) else {
            continue;
        };
        let mut node = node.clone();
        node.meta.name = format!("new-{number:06}");
        let labels = &mut node.meta.labels;
        labels.insert(HOSTNAME_LABEL.to_owned(), node.meta.name.clone());
        let name = node.name();
        let launchable = &kind.launchable;
        let Some(id) = world.add_node(node, &launchable.daemons, launchable.ebs_limit) else {
            continue;
        };
        if kind.capacity_type == CapacityType::Spot {
            apart.spot.insert(id);
        }
        bought.push((
            id,
            NewNode {
                name,
                kind: launchable.id.clone(),
                zone: new.zone.as_str().into(),
                offering: Offering {
                    instance_type: kind.instance_type.clone(),
                    zone: kind.zone_ids.get(&new.zone).cloned(),
                    capacity_type: kind.capacity_type,
                },
                pool: kind.pool.clone(),
                group: kind.group.clone(),
                price: new.price,
                bought_for: new.bought_for,
                pods: Vec::new(),
            },
        ));
        for item in &new.items {
            let own = pods.entry(item.class).or_default();
            let count = usize::try_from(item.count).unwrap_or(usize::MAX);
            queue.extend(own.take(count).map(|pod| (*pod, Some(id))));
        }
    }
    queue.extend(pods.into_values().flatten().map(|pod| (*pod, None)));
    let bought_ids: Vec<NodeId> = bought.iter().map(|(id, _)| *id).collect();
    let mut left = place(&mut world, queue, &bought_ids, &apart);
    resettle(&mut world, &everybody, &bought_ids, &apart, &mut left);
    let why: BTreeMap<usize, UnplacedReason> = {
        let unplaced = found.solution.unplaced.iter();
        unplaced.map(|u| (u.class, u.reason)).collect()
    };
    for (class, pods) in &fresh.pods {
        for pod in pods.iter().filter(|pod| left.contains(pod)) {
            let why = match why.get(class) {
                Some(UnplacedReason::FitsNothing) => Unhoused::FitsNothing,
                Some(UnplacedReason::Rules) | None => Unhoused::Rules,
                Some(UnplacedReason::PurchaseLimit) => Unhoused::Limit,
                Some(_) => Unhoused::NoneFound,
            };
            out.leave(&world, *pod, why);
        }
    }
    if !config.preferences.are_zero() {
        world = world.with_preferences();
        out.preferences = world.preferences_cost(&config.preferences);
        let weighs = config.preferences.per_weight > MicroUsdPerHour::ZERO;
        if weighs && world.pods_with_unclear_preferences() > 0 {
            out.missing.insert(labels_of_namespaces(&world));
        }
    }
    for (id, mut new) in bought {
        let here = world.pods_on(id).into_iter();
        new.pods = here.filter_map(|pod| world.pod(pod).map(named)).collect();
        new.pods.sort();
        // Who was to stand there may stand elsewhere.
        if !new.pods.is_empty() || new.bought_for != BoughtFor::Pods {
            out.cost += new.price;
            out.nodes.push(new);
        }
    }
}

/// How often pods that would not come back to where they stand are moved.
const ROUNDS: usize = 4;

/// Moves pods that would not come back to where they stand, now that all others
/// are there, or takes them off.
fn resettle(
    world: &mut World<'_>,
    pods: &[PodId],
    nodes: &[NodeId],
    apart: &Apart,
    left: &mut BTreeSet<PodId>,
) {
    // Every round after the first few takes somebody off for good.
    for round in 0..pods.len().saturating_add(ROUNDS) {
        let unsettled = world.unsettled(pods);
        if unsettled.is_empty() {
            return;
        }
        for pod in unsettled {
            world.remove_pod(pod);
            let mut others = nodes.iter().filter(|_| round < ROUNDS);
            match others.find(|node| apart.takes(world, pod, **node)) {
                Some(node) => {
                    world.place_pod(pod, *node);
                }
                None => {
                    left.insert(pod);
                }
            }
        }
    }
}

/// Pods that may not stand on spot, and the nodes that are.
struct Apart {
    on_demand: BTreeSet<PodId>,
    spot: BTreeSet<NodeId>,
}

impl Apart {
    fn takes(&self, world: &World<'_>, pod: PodId, node: NodeId) -> bool {
        let kept = self.spot.contains(&node) && self.on_demand.contains(&pod);
        !kept && world.fits(pod, node) && leaves_again(world, pod, node).is_none()
    }
}

/// Places pods where they should go, or else where they fit; gives those that
/// fit nowhere. One that needs company may have to wait for it.
fn place(
    world: &mut World<'_>,
    mut queue: Vec<(PodId, Option<NodeId>)>,
    nodes: &[NodeId],
    apart: &Apart,
) -> BTreeSet<PodId> {
    for planned_only in [true, false] {
        loop {
            let before = queue.len();
            queue.retain(|(pod, to)| {
                let to = to.filter(|to| apart.takes(world, *pod, *to));
                let or_any = || {
                    let mut nodes = nodes.iter().copied();
                    nodes.find(|node| !planned_only && apart.takes(world, *pod, *node))
                };
                match to.or_else(or_any) {
                    Some(node) => !world.place_pod(*pod, node),
                    None => true,
                }
            });
            if queue.is_empty() || queue.len() == before {
                break;
            }
        }
    }
    queue.into_iter().map(|(pod, _)| pod).collect()
}
