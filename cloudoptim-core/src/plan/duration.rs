//! How long steps take.

use crate::decision::{Action, PodMove};
use crate::model::{Cluster, ClusterUid, NamespacedName, Pod, Snapshot, Uid, WorkloadRef};
use crate::scheduling::{Budgets, TakenOff};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Grace of a pod that states none, in seconds.
const DEFAULT_GRACE: i64 = 30;
/// Boot, join, images: 2 to 3 minutes on EC2.
pub(crate) const LAUNCH_SECONDS: u64 = 180;
/// Asked for, not waited for.
pub(crate) const REMOVE_SECONDS: u64 = 30;

/// Estimates how long steps take, as the budgets stand now.
pub(super) struct Durations<'a> {
    snapshot: &'a Snapshot,
    now: DateTime<Utc>,
    settle_seconds: u64,
    /// Read when the first drain of a cluster is asked about.
    clusters: BTreeMap<&'a ClusterUid, Ground<'a>>,
}

/// Pods that leave in rounds of their own, beside those of others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Chain {
    /// No budget is asked.
    Free,
    /// Those of one budget.
    Of(NamespacedName),
    /// Of several budgets, or of none that is known.
    Refused,
}

struct Ground<'a> {
    budgets: Budgets<'a>,
    pods: BTreeMap<&'a Uid, &'a Pod>,
}

impl<'a> Durations<'a> {
    pub(super) const fn new(
        snapshot: &'a Snapshot,
        now: DateTime<Utc>,
        settle_seconds: u64,
    ) -> Self {
        Self {
            snapshot,
            now,
            settle_seconds,
            clusters: BTreeMap::new(),
        }
    }

    /// How long a step takes, in seconds.
    ///
    /// | step | seconds | why |
    /// | --- | --- | --- |
    /// | drain | longest chain of graces, and the settle time | see [`rounds`] |
    /// | launch | 180 | boot, join, images: 2 to 3 minutes on EC2 |
    /// | remove | 30 | asked for, not waited for |
    /// | resize, spot share, zone | 60 a replica | a rolling update, one by one |
    /// | snapshot | 600 | grows with what was written; most are done by then |
    /// | else | 5 | one call |
    pub(super) fn of(&mut self, action: &Action) -> u64 {
        match action {
            Action::DrainNode { cluster, moves, .. } => self
                .drain(cluster, moves)
                .saturating_add(self.settle_seconds),
            Action::LaunchNodes { .. } => LAUNCH_SECONDS,
            Action::RemoveNode { .. } => REMOVE_SECONDS,
            Action::ResizeContainer {
                cluster,
                workload,
                restarts: true,
                ..
            }
            | Action::SetSpotShare {
                cluster, workload, ..
            }
            | Action::PreferZone {
                cluster, workload, ..
            } => {
                // Rollouts of different workloads run side by side: one step's share.
                let replicas = self.replicas(cluster, workload);
                replicas.saturating_mul(60).min(600)
            }
            Action::SnapshotVolume { .. } => 600,
            _ => 5,
        }
    }

    fn drain(&mut self, cluster: &ClusterUid, moves: &[PodMove]) -> u64 {
        let Some(cluster) = self.snapshot.cluster(cluster) else {
            return 0;
        };
        let now = self.now;
        let ground = self
            .clusters
            .entry(&cluster.uid)
            .or_insert_with(|| Ground::new(cluster, now));
        let pods = moves
            .iter()
            .filter_map(|m| ground.pods.get(&m.uid).copied());
        leaving_seconds(&ground.budgets, pods)
    }

    fn replicas(&self, cluster: &ClusterUid, workload: &WorkloadRef) -> u64 {
        let cluster = self.snapshot.cluster(cluster);
        let mut workloads = cluster.into_iter().flat_map(|c| c.workloads.items());
        workloads
            .find(|w| w.reference() == *workload)
            .and_then(|w| w.replicas)
            .map_or(1, u64::from)
    }
}

impl<'a> Ground<'a> {
    fn new(cluster: &'a Cluster, now: DateTime<Utc>) -> Self {
        let pods = cluster.pods.items().iter();
        Self {
            budgets: Budgets::new(cluster, now),
            pods: pods.map(|p| (&p.meta.uid, p)).collect(),
        }
    }
}

/// The graces of pods that leave: those of one budget in rounds of what it
/// allows now, all budgets side by side. A pod that may not go now, or of which
/// that is not known, goes alone: that is the shortest there is.
pub(crate) fn leaving_seconds<'p>(
    budgets: &Budgets<'_>,
    pods: impl IntoIterator<Item = &'p Pod>,
) -> u64 {
    let mut graces: BTreeMap<Chain, (u32, Vec<u64>)> = BTreeMap::new();
    for pod in pods {
        let (chain, allowed) = match budgets.taken_off(pod) {
            TakenOff::Nothing => (Chain::Free, u32::MAX),
            TakenOff::Budget { budget, allowed } => (Chain::Of(budget), allowed),
            TakenOff::Refused(_) => {
                let budget = budgets.budget_of(pod);
                (budget.map_or(Chain::Refused, Chain::Of), 0)
            }
        };
        let of_chain = graces.entry(chain).or_insert((allowed, Vec::new()));
        of_chain.0 = of_chain.0.min(allowed);
        of_chain.1.push(grace_seconds(pod));
    }
    let chains = graces.values().map(|(allowed, g)| rounds(g, *allowed));
    chains.max().unwrap_or(0)
}

/// How long a pod may take to end.
pub(crate) fn grace_seconds(pod: &Pod) -> u64 {
    let grace = pod.spec.termination_grace_seconds.unwrap_or(DEFAULT_GRACE);
    u64::try_from(grace).unwrap_or(0)
}

/// Seconds until pods that leave `at_once` at a time, in this order, have
/// ended: the longest grace of each round, summed.
///
/// | graces | at once | seconds |
/// | --- | --- | --- |
/// | 30, 60, 90 | 3 or more | 90 |
/// | 30, 60, 90 | 2 | 60 + 90 |
/// | 30, 60, 90 | 1, or none now | 30 + 60 + 90 |
pub(crate) fn rounds(graces: &[u64], at_once: u32) -> u64 {
    let at_once = usize::try_from(at_once.max(1)).unwrap_or(usize::MAX);
    graces
        .chunks(at_once)
        .filter_map(|round| round.iter().copied().max())
        .fold(0, u64::saturating_add)
}
