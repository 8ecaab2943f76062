//! Workloads of which only a part may stand in one place.

use super::{Classes, Launchable};
use crate::engines::bin_packing::share::Share;
use crate::engines::bin_packing::solver::{CountLimit, Per, Rule};
use crate::model::{Node, OwnerIndex, Resources, WorkloadRef};
use crate::scheduling::{PodId, PreferencePrices, World};
use std::collections::BTreeMap;

/// How much of each workload may stand in one place, and what places are worth to pods.
#[derive(Debug, Clone, Copy)]
pub(in crate::engines::bin_packing) struct Shares<'s> {
    pub(in crate::engines::bin_packing) share: &'s Share,
    pub(in crate::engines::bin_packing) owners: &'s OwnerIndex,
    /// What it costs that pods stand where they would rather not.
    pub(in crate::engines::bin_packing) preferences: PreferencePrices,
}

/// Workloads of which a node could hold, or a zone has to hold, more than it may.
#[derive(Default)]
pub(super) struct Limited {
    /// Workload by pod.
    pub(super) of: BTreeMap<PodId, usize>,
    /// Most on a node and in a zone, and whether some of it wait for a node.
    most: Vec<(Option<u32>, Option<u32>, bool)>,
}

impl Shares<'_> {
    pub(super) fn limited<'n>(
        &self,
        world: &World<'_>,
        nodes: impl Iterator<Item = &'n Node>,
        all: impl Iterator<Item = PodId>,
        launchables: &[Launchable],
    ) -> Limited {
        if self.share.limits() == (false, false) {
            return Limited::default();
        }
        let mut largest = Resources::default();
        nodes.for_each(|node| largest.raise_to(&node.allocatable));
        for (node, _) in launchables.iter().flat_map(|l| l.zones.values()) {
            largest.raise_to(&node.allocatable);
        }
        // The smallest pod of each workload, and all of its pods.
        let mut found: BTreeMap<WorkloadRef, (Resources, Vec<PodId>)> = BTreeMap::new();
        for id in all {
            let (Some(pod), Some(request)) = (world.pod(id), world.request(id)) else {
                continue;
            };
            let all = found.entry(self.owners.top(pod));
            let (least, pods) = all.or_insert_with(|| (request.clone(), Vec::new()));
            least.cpu = least.cpu.min(request.cpu);
            least.memory = least.memory.min(request.memory);
            pods.push(id);
        }
        let mut limited = Limited::default();
        for (workload, (least, pods)) in found {
            let fits = |all: u64, each: u64| all.checked_div(each).unwrap_or(u64::MAX);
            let could = fits(largest.cpu.0, least.cpu.0)
                .min(fits(largest.memory.0, least.memory.0))
                .min(largest.pods);
            let on_node = self.share.node_max(&workload);
            let on_node = on_node.filter(|max| u64::from(*max) < could);
            let in_zone = self.share.zone_max(&workload);
            if on_node.is_some() || in_zone.is_some() {
                let group = limited.most.len();
                let waits = self.share.waits(&workload);
                limited.most.push((on_node, in_zone, waits));
                limited.of.extend(pods.into_iter().map(|pod| (pod, group)));
            }
        }
        limited
    }
}

impl Limited {
    /// Its rules. Where a pod that waits comes to is the scheduler's choice, who
    /// knows no such rule.
    pub(super) fn rules(&self, classes: &Classes, rules: &mut Vec<Rule>, narrow: &mut Vec<usize>) {
        for (group, (on_node, in_zone, waits)) in self.most.iter().enumerate() {
            let list = classes.list.iter().enumerate();
            let own = list.filter(|(_, k)| k.group == Some(group));
            let own: Vec<usize> = own.map(|(class, _)| class).collect();
            for (per, max) in [(Per::Node, on_node), (Per::Zone, in_zone)] {
                let Some(max) = max else { continue };
                if *waits {
                    narrow.push(rules.len());
                }
                rules.push(Rule::CountLimit(CountLimit {
                    per,
                    with: own.clone(),
                    of: own.clone(),
                    max: *max,
                }));
            }
        }
    }
}
