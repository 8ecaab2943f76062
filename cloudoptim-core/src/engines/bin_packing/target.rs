//! Which nodes should go, as the numeric repacking of the whole cluster says.

use super::Config;
use super::candidate::Candidate;
use super::fleet::{Shares, Stand, translate};
use super::limits::Limits;
use super::minima::Minima;
use super::shift::{Shift, may_shift};
use super::shop::{Planned, Shop};
use super::solver::{Place, RepackEffort, repack_until};
use super::trial::Waiting;
use crate::decision::{planned_name, planned_number};
use crate::model::NodeName;
use crate::providers::Deadline;
use crate::scheduling::{PodId, World};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes to be removed, in an order, and where their pods should go.
pub(super) struct Target {
    place_of: BTreeMap<NodeName, usize>,
    /// Node by uid of a pod.
    pub(super) to: BTreeMap<String, NodeName>,
    /// Pods of nodes that stay, which have to leave for that, by their nodes.
    pub(super) shifts: BTreeMap<NodeName, Vec<Shift>>,
    /// Nodes that are launched before.
    pub(super) bought: Vec<Planned>,
    /// Whether the deadline ended the search.
    pub(super) late: bool,
}

/// What a target may be made of.
#[derive(Clone, Copy)]
pub(super) struct Means<'m, 'l> {
    shop: &'m Shop,
    limits: &'m Limits<'l>,
    minima: &'m Minima,
    /// Pods of nodes that stay may move.
    from_kept: bool,
    deadline: Option<&'m Deadline>,
}

impl<'m, 'l> Means<'m, 'l> {
    /// Launches from the shop, within limits as they are before a node goes, and
    /// minima of groups.
    pub(super) const fn new(
        shop: &'m Shop,
        (limits, minima): (&'m Limits<'l>, &'m Minima),
        from_kept: bool,
        deadline: Option<&'m Deadline>,
    ) -> Self {
        Self {
            shop,
            limits,
            minima,
            from_kept,
            deadline,
        }
    }
}

/// A search for one decision among many: less than the frontier's default.
fn effort(from_kept: bool) -> RepackEffort {
    RepackEffort {
        levels: 8,
        pivots: 2_000,
        placements: 20_000_000,
        prefix_candidates: 100,
        from_kept,
    }
}

impl Target {
    /// `None` when fewer than two nodes could be emptied, nothing launched and no
    /// other pod moved: then there is nothing to choose. Nor is there when it is too
    /// late.
    pub(super) fn new(
        config: &Config,
        world: &World<'_>,
        candidates: &[Candidate<'_>],
        waiting: &Waiting,
        young: &BTreeSet<NodeName>,
        means: Means<'_, '_>,
        shares: Shares<'_>,
    ) -> Option<Self> {
        let Means {
            shop,
            limits,
            minima,
            from_kept,
            deadline,
        } = means;
        if deadline.is_some_and(Deadline::has_passed) {
            return None;
        }
        let may_go = |c: &Candidate<'_>| {
            c.stays.is_empty() && c.owner.is_some() && !minima.keeps(&c.node.name())
        };
        let mut stands: Vec<(NodeName, Stand)> = Vec::new();
        for candidate in candidates {
            let name = candidate.node.name();
            let mut movers: Vec<_> = candidate
                .movers
                .iter()
                .filter_map(|p| world.pod_by_uid(&p.meta.uid))
                .collect();
            movers.extend(waiting.get(&candidate.id).into_iter().flatten());
            if from_kept && !may_go(candidate) {
                let moves = |pod: &PodId| may_shift(candidate, world, *pod);
                movers.retain(moves);
            }
            let stand = Stand {
                node: candidate.id,
                price: candidate.price,
                removable: may_go(candidate) && candidate.price.is_some(),
                open: world.not_target(candidate.id).is_empty() && !young.contains(&name),
                movers,
            };
            stands.push((name, stand));
        }
        // By name: the numbers must not depend on the order of trying.
        stands.sort_by(|a, b| a.0.cmp(&b.0));
        let (names, stands): (Vec<NodeName>, Vec<Stand>) = stands.into_iter().unzip();
        let choices = stands
            .iter()
            .filter(|s| s.removable && !s.movers.is_empty());
        let alone = shop.wares.is_empty() && !from_kept;
        if choices.count() < if alone { 2 } else { 1 } {
            return None;
        }
        let kinds = shop.launchables();
        let mut translated = translate(world, &stands, &kinds, shares);
        let nodes = candidates.iter().map(|c| (c.node, c.owner.as_ref()));
        let rows = shop.rows(limits, nodes);
        rows.put_into(&mut translated.fleet, &names, &kinds);
        minima.put_into(&mut translated.fleet, &names, &kinds);
        // What contradicts itself has no target; trying one by one says why.
        // Half of the time is for trying what it says.
        let share = deadline.map(|deadline| deadline.share(1, 2));
        let frontier = repack_until(&translated.fleet, &effort(from_kept), share.as_ref()).ok()?;
        let point = frontier.chosen(config.price_per_move)?;
        let place_of = point
            .removed
            .iter()
            .enumerate()
            .filter_map(|(at, node)| Some((names.get(*node)?.clone(), at)))
            .collect();
        // Names of earlier answers are taken.
        let nodes = world.nodes().filter_map(|id| world.node(id));
        let taken = nodes
            .filter_map(|n| planned_number(&n.name()))
            .max()
            .unwrap_or(0);
        let bought = point.bought.iter().enumerate().filter_map(|(at, new)| {
            Some(Planned {
                name: planned_name(taken + at + 1),
                ware: new.node_type,
                zone: translated.zones.get(new.zone?)?.clone(),
                price: new.price,
            })
        });
        let bought: Vec<Planned> = bought.collect();
        let new_name = |at: usize| {
            let name = planned_name(taken + at + 1);
            bought.iter().any(|b| b.name == name).then_some(name)
        };
        let mut pods = translated.pods;
        let mut to = BTreeMap::new();
        let mut shifts: BTreeMap<NodeName, Vec<Shift>> = BTreeMap::new();
        let by_name: BTreeMap<NodeName, &Candidate<'_>> =
            candidates.iter().map(|c| (c.node.name(), c)).collect();
        for relocation in &point.moves {
            let stays = !point.removed.contains(&relocation.from);
            let from = names.get(relocation.from).filter(|_| stays);
            let leaves = from.and_then(|name| by_name.get(name));
            let target = match relocation.to {
                Place::Node(target) => names.get(target).cloned(),
                Place::Bought(at) => new_name(at),
            };
            let here = pods.entry((relocation.from, relocation.class)).or_default();
            let count = usize::try_from(relocation.count).unwrap_or(usize::MAX);
            if let Some(candidate) = leaves {
                // Of equal pods those that may.
                here.sort_by_key(|pod| !may_shift(candidate, world, *pod));
            }
            for pod in here.drain(..count.min(here.len())) {
                let (Some(found), Some(to_node)) = (world.pod(pod), &target) else {
                    continue;
                };
                match leaves {
                    None => {
                        to.insert(found.meta.uid.to_string(), to_node.clone());
                    }
                    Some(candidate) if may_shift(candidate, world, pod) => {
                        let shift = Shift {
                            pod,
                            from: candidate.id,
                            to: to_node.clone(),
                        };
                        let name = candidate.node.name();
                        shifts.entry(name).or_default().push(shift);
                    }
                    Some(_) => {}
                }
            }
        }
        Some(Self {
            place_of,
            to,
            shifts,
            bought,
            late: frontier.late,
        })
    }

    /// Whether the node is to go.
    pub(super) fn removes(&self, node: &NodeName) -> bool {
        self.place_of.contains_key(node)
    }

    /// Where a node comes in the order of trying: empty ones first, then those
    /// of the target, then the others as they were.
    pub(super) fn rank(&self, node: &NodeName, empty: bool) -> usize {
        if empty {
            return 0;
        }
        self.place_of.get(node).map_or(usize::MAX, |at| at + 1)
    }
}
