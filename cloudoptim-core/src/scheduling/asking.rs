//! Who asks for something that others decide about.

use super::world::{PodEntry, PodId, World};
use std::collections::{BTreeMap, BTreeSet};

/// Pods by what they ask of others: by affinity group, and by spread group.
#[derive(Debug, Default)]
pub(super) struct Asking {
    affinities: BTreeMap<usize, Vec<usize>>,
    spreads: BTreeMap<usize, Vec<usize>>,
}

impl Asking {
    pub(super) fn new(pods: &[PodEntry<'_>]) -> Self {
        let mut out = Self::default();
        for (at, pod) in pods.iter().enumerate() {
            if let Some((group, _)) = pod.affinity {
                out.affinities.entry(group).or_default().push(at);
            }
            for spread in &pod.spreads {
                out.spreads.entry(spread.group).or_default().push(at);
            }
        }
        out
    }
}

impl World<'_> {
    /// Pods that stand somewhere and would not come back there for their
    /// affinity or spread, of those for which some of `counted` count.
    pub(crate) fn unsettled(&self, counted: &[PodId]) -> BTreeSet<PodId> {
        let mut affinities: BTreeSet<usize> = BTreeSet::new();
        let mut spreads: BTreeSet<usize> = BTreeSet::new();
        for pod in counted.iter().filter_map(|p| self.pods.get(p.0)) {
            affinities.extend(&pod.selected_by.affinities);
            spreads.extend(&pod.selected_by.spreads);
        }
        let all = &self.asking;
        let affinities = affinities.iter().filter_map(|a| all.affinities.get(a));
        let spreads = spreads.iter().filter_map(|s| all.spreads.get(s));
        let asking: BTreeSet<usize> = affinities.chain(spreads).flatten().copied().collect();
        let leaves = |at: &usize| self.pods.get(*at).is_some_and(|p| self.would_leave(p));
        asking.into_iter().filter(leaves).map(PodId).collect()
    }
}
