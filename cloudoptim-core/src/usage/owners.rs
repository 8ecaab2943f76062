//! From a pod's name to its workload, for pods that are gone.

use crate::model::{Cluster, OwnerIndex, Pod, Workload, WorkloadKind, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};

/// The letters of generated names: no vowels, and nothing that looks like one
/// (`k8s.io/apimachinery/pkg/util/rand`).
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Letters of a generated suffix.
const SUFFIX: usize = 5;
/// Letters of a pod template's hash at most: a 32-bit number in decimal.
const HASH: usize = 10;

/// Pods by name, and workloads that may have made a pod that is gone.
pub(super) struct PodOwners<'a> {
    known: BTreeMap<(&'a str, &'a str), (WorkloadRef, bool)>,
    makers: BTreeMap<(&'a str, &'a str), Vec<(&'a WorkloadKind, WorkloadRef)>>,
}

fn is_safe(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|b| SAFE.contains(&b))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl<'a> PodOwners<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let index = OwnerIndex::new(cluster);
        let mut known = BTreeMap::new();
        for pod in cluster.pods.items() {
            let key = (pod.meta.namespace.as_str(), pod.meta.name.as_str());
            known.insert(key, (index.top(pod), is_live(pod)));
        }
        let mut makers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for workload in cluster.workloads.items() {
            let Workload { meta, kind, .. } = workload;
            makers
                .entry((meta.namespace.as_str(), meta.name.as_str()))
                .or_default()
                .push((kind, index.top_of(workload)));
        }
        Self { known, makers }
    }

    /// The workload of a pod, and whether the pod lives. `None` for the
    /// workload when no known one, or more than one, may have made the pod.
    pub(super) fn of(&self, namespace: &str, pod: &str) -> (Option<WorkloadRef>, bool) {
        match self.known.get(&(namespace, pod)) {
            Some((workload, live)) => (Some(workload.clone()), *live),
            None => (self.maker(namespace, pod), false),
        }
    }

    fn maker(&self, namespace: &str, pod: &str) -> Option<WorkloadRef> {
        let mut found: BTreeSet<WorkloadRef> = BTreeSet::new();
        let mut add = |name: &str, fits: &dyn Fn(&WorkloadKind) -> bool| {
            for (kind, top) in self.makers.get(&(namespace, name)).into_iter().flatten() {
                if fits(kind) {
                    found.insert(top.clone());
                }
            }
        };
        let (head, tail) = pod.rsplit_once('-')?;
        if is_number(tail) {
            add(head, &|k| *k == WorkloadKind::StatefulSet);
        }
        if tail.len() == SUFFIX && is_safe(tail, SUFFIX) {
            add(head, &|k| {
                matches!(
                    k,
                    WorkloadKind::ReplicaSet | WorkloadKind::DaemonSet | WorkloadKind::Job
                )
            });
            if let Some((name, middle)) = head.rsplit_once('-') {
                // The set, or the job, may be gone as well.
                if is_safe(middle, HASH) {
                    add(name, &|k| *k == WorkloadKind::Deployment);
                }
                if is_number(middle) {
                    add(name, &|k| {
                        matches!(k, WorkloadKind::CronJob | WorkloadKind::Job)
                    });
                }
            }
        }
        let only = found.pop_first()?;
        found.is_empty().then_some(only)
    }
}

fn is_live(pod: &Pod) -> bool {
    !pod.is_finished()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::{Knowledge, Provenance};
    use crate::model::{ObjectMeta, OwnerRef};

    fn workload(kind: &str, name: &str, owner: Option<(&str, &str)>) -> Workload {
        Workload {
            kind: kind.into(),
            meta: ObjectMeta {
                namespace: "n".into(),
                name: name.into(),
                uid: format!("{kind}-{name}").into(),
                owners: owner
                    .map(|(kind, name)| OwnerRef {
                        kind: kind.into(),
                        name: name.into(),
                        uid: format!("{kind}-{name}").into(),
                        controller: true,
                        ..Default::default()
                    })
                    .into_iter()
                    .collect(),
                ..Default::default()
            },
            ..Default::default()
        }
    }

    #[test]
    fn a_pod_that_is_gone_is_told_by_its_name_when_only_one_workload_fits() {
        let cluster = Cluster {
            workloads: Knowledge::complete(
                vec![
                    workload("Deployment", "web", None),
                    workload("ReplicaSet", "web-7c9f4", Some(("Deployment", "web"))),
                    workload("StatefulSet", "kafka", None),
                    workload("DaemonSet", "agent", None),
                    workload("CronJob", "report", None),
                    workload("DaemonSet", "both", None),
                    workload("Job", "both", None),
                ],
                Provenance::default(),
            ),
            ..Default::default()
        };
        let owners = PodOwners::new(&cluster);
        let of = |pod: &str| owners.of("n", pod).0.map(|w| w.to_string());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("web-7c9f4-x2zkp"), some("n/Deployment/web"));
        // Its ReplicaSet is gone as well.
        assert_eq!(of("web-5d8c7-x2zkp"), some("n/Deployment/web"));
        assert_eq!(of("kafka-12"), some("n/StatefulSet/kafka"));
        assert_eq!(of("agent-x2zkp"), some("n/DaemonSet/agent"));
        assert_eq!(of("report-29385120-x2zkp"), some("n/CronJob/report"));
        // Two workloads may have made it, a vowel is never generated, and
        // another namespace is another workload.
        assert_eq!(of("both-x2zkp"), None);
        assert_eq!(of("agent-x2akp"), None);
        assert_eq!(owners.of("m", "kafka-0").0, None);
    }
}
