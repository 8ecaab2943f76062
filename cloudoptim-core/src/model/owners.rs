//! From a pod to the workload that a person would name.

use super::{Cluster, ObjectMeta, Pod, Uid, Workload, WorkloadKind, WorkloadRef};
use std::collections::BTreeMap;

/// Owner chains of one cluster: pod → ReplicaSet → Deployment, pod → Job → CronJob.
///
/// Links are by uid, with the name as the answer when a link is not in the
/// snapshot: a ReplicaSet that was not collected gives the ReplicaSet.
#[derive(Debug, Clone, Default)]
pub struct OwnerIndex {
    by_uid: BTreeMap<Uid, (WorkloadRef, Option<(Uid, WorkloadRef)>)>,
}

/// No chain of controllers is longer than this; a longer one is a loop.
const MAX_DEPTH: usize = 8;

impl OwnerIndex {
    /// Reads the chains of a cluster's workloads.
    pub fn new(cluster: &Cluster) -> Self {
        Self::of(cluster.workloads.items())
    }

    /// Reads the chains of some workloads.
    pub fn of(workloads: &[Workload]) -> Self {
        let by_uid = workloads
            .iter()
            .filter(|w| !w.meta.uid.as_str().is_empty())
            .map(|w| (w.meta.uid.clone(), (w.reference(), controller(&w.meta))))
            .collect();
        Self { by_uid }
    }

    /// The direct controller of a pod, or the pod itself when it has none.
    pub fn direct(&self, pod: &Pod) -> WorkloadRef {
        controller(&pod.meta).map_or_else(|| bare(pod), |(_, owner)| owner)
    }

    /// The workload at the top of a pod's chain, or the pod itself when it has none.
    pub fn top(&self, pod: &Pod) -> WorkloadRef {
        let Some((mut uid, mut owner)) = controller(&pod.meta) else {
            return bare(pod);
        };
        for _ in 0..MAX_DEPTH {
            match self.by_uid.get(&uid) {
                Some((known, next)) => {
                    owner = known.clone();
                    match next {
                        Some((next_uid, next_owner)) => {
                            uid = next_uid.clone();
                            owner = next_owner.clone();
                        }
                        None => break,
                    }
                }
                None => break,
            }
        }
        owner
    }

    /// The workload at the top of another workload's chain: itself when
    /// nothing controls it.
    pub fn top_of(&self, workload: &Workload) -> WorkloadRef {
        let Some((mut uid, mut owner)) = controller(&workload.meta) else {
            return workload.reference();
        };
        for _ in 0..MAX_DEPTH {
            let Some((known, next)) = self.by_uid.get(&uid) else {
                break;
            };
            owner = known.clone();
            let Some((next_uid, next_owner)) = next else {
                break;
            };
            uid = next_uid.clone();
            owner = next_owner.clone();
        }
        owner
    }
}

fn controller(meta: &ObjectMeta) -> Option<(Uid, WorkloadRef)> {
    meta.controller().map(|owner| {
        (
            owner.uid.clone(),
            WorkloadRef::new(
                meta.namespace.clone(),
                owner.kind.as_str(),
                owner.name.clone(),
            ),
        )
    })
}

fn bare(pod: &Pod) -> WorkloadRef {
    WorkloadRef::new(
        pod.meta.namespace.clone(),
        WorkloadKind::Pod,
        pod.meta.name.clone(),
    )
}
