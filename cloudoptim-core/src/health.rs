//! The health of clusters while a plan is under way.

use crate::knowledge::Knowledge;
use crate::model::{ClusterUid, OwnerIndex, Pod, Workload, WorkloadKind, WorkloadRef};
use crate::plan::Plan;
use crate::providers::{
    Baseline, ClusterBaseline, HealthGate, ProviderError, Sources, Underway, Verdict,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most findings that a verdict names.
const NAMED: usize = 3;

/// Compares the clusters of a plan with what they were before its first act.
///
/// | unhealthy when | except |
/// | --- | --- |
/// | a pod waits for a node that did not then | it is being deleted |
/// | a workload has fewer ready pods than then | it wants fewer now: the plan, an autoscaler or a person lowered it, or deleted it; pods of jobs end by themselves |
///
/// Unknown when a list is not complete, or older than the plan's last act.
#[derive(Debug, Clone, Default)]
pub struct ClusterHealth {
    also: Vec<Arc<dyn HealthGate>>,
}

impl ClusterHealth {
    /// The same, and `gate` must say so too.
    #[must_use]
    pub fn and(mut self, gate: Arc<dyn HealthGate>) -> Self {
        self.also.push(gate);
        self
    }
}

#[async_trait]
impl HealthGate for ClusterHealth {
    async fn before(&self, plan: &Plan, sources: &Sources) -> Result<Baseline, String> {
        let mut baseline = Baseline::default();
        for uid in &plan.scope.clusters {
            let seen = Seen::read(uid, sources, None).await?;
            baseline.clusters.insert(uid.clone(), seen.baseline());
        }
        for gate in &self.also {
            let own = gate.before(plan, sources).await?;
            for (uid, more) in own.clusters {
                let known = baseline.clusters.entry(uid).or_default();
                known.waiting.extend(more.waiting);
                for (workload, ready) in more.ready {
                    known.ready.entry(workload).or_insert(ready);
                }
            }
        }
        Ok(baseline)
    }

    async fn judge<'a>(&self, underway: Underway<'a>) -> Verdict {
        let mut worse = Vec::new();
        for uid in &underway.plan.scope.clusters {
            let seen = match Seen::read(uid, underway.sources, Some(underway.since)).await {
                Ok(seen) => seen,
                Err(why) => return Verdict::Unknown { why },
            };
            let Some(before) = underway.before.clusters.get(uid) else {
                let why = format!("nobody noted how cluster {uid} was before");
                return Verdict::Unknown { why };
            };
            worse.extend(seen.worse_than(before));
        }
        if !worse.is_empty() {
            return Verdict::Unhealthy { why: told(&worse) };
        }
        for gate in &self.also {
            let verdict = gate.judge(underway).await;
            if verdict != Verdict::Healthy {
                return verdict;
            }
        }
        Verdict::Healthy
    }
}

fn told(findings: &[String]) -> String {
    let named: Vec<&str> = findings.iter().take(NAMED).map(String::as_str).collect();
    let more = findings.len().saturating_sub(NAMED);
    match more {
        0 => named.join(", "),
        more => format!("{}, and {more} more", named.join(", ")),
    }
}

/// Pods and workloads of a cluster, whole and of late.
struct Seen {
    pods: Vec<Pod>,
    workloads: Vec<Workload>,
}

impl Seen {
    async fn read(
        uid: &ClusterUid,
        sources: &Sources,
        since: Option<DateTime<Utc>>,
    ) -> Result<Self, String> {
        let handles = sources
            .clusters
            .get(uid)
            .ok_or_else(|| format!("no handle for cluster {uid}"))?;
        // Workloads first: one that wants fewer pods by then has not lost any.
        let workloads = whole("workloads", handles.workloads.list_workloads().await, since)?;
        let pods = whole("pods", handles.pods.list_pods().await, since)?;
        Ok(Self { pods, workloads })
    }

    /// Ready pods by the workload that a person would name.
    fn ready(&self) -> BTreeMap<WorkloadRef, u32> {
        let owners = OwnerIndex::of(&self.workloads);
        let mut ready = BTreeMap::new();
        for pod in &self.pods {
            if pod.status.ready == Some(true) && !pod.is_terminating() && !pod.is_finished() {
                let count: &mut u32 = ready.entry(owners.top(pod)).or_default();
                *count = count.saturating_add(1);
            }
        }
        ready.retain(|of, _| !matches!(of.kind, WorkloadKind::Job | WorkloadKind::CronJob));
        ready
    }

    /// Pods that each workload wants: its own replicas, else those of what it
    /// controls. `None` for one of which nothing is left.
    fn wanted(&self) -> BTreeMap<WorkloadRef, Option<u32>> {
        let owners = OwnerIndex::of(&self.workloads);
        let listed: BTreeSet<WorkloadRef> =
            self.workloads.iter().map(Workload::reference).collect();
        let mut wanted: BTreeMap<WorkloadRef, Option<u32>> = BTreeMap::new();
        for workload in &self.workloads {
            let top = owners.top_of(workload);
            if top != workload.reference() && listed.contains(&top) {
                continue;
            }
            let sum = wanted.entry(top).or_insert(Some(0));
            *sum = match (*sum, workload.replicas) {
                (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
                _ => None,
            };
        }
        wanted
    }

    fn waiting(&self) -> impl Iterator<Item = &Pod> {
        self.pods
            .iter()
            .filter(|pod| pod.node().is_none() && !pod.is_finished() && !pod.is_terminating())
    }

    fn baseline(&self) -> ClusterBaseline {
        ClusterBaseline {
            waiting: self.waiting().map(|pod| pod.meta.uid.clone()).collect(),
            ready: self
                .ready()
                .into_iter()
                .map(|(of, ready)| (of.to_string(), ready))
                .collect(),
        }
    }

    /// What is worse than before, in order.
    fn worse_than(&self, before: &ClusterBaseline) -> Vec<String> {
        let mut worse: Vec<String> = self
            .waiting()
            .filter(|pod| !before.waiting.contains(&pod.meta.uid))
            .map(|pod| format!("pod {} waits for a node", pod.meta.path()))
            .collect();
        worse.sort();
        let ready: BTreeMap<String, u32> = self
            .ready()
            .into_iter()
            .map(|(of, ready)| (of.to_string(), ready))
            .collect();
        let wanted: BTreeMap<String, Option<u32>> = self
            .wanted()
            .into_iter()
            .map(|(of, wanted)| (of.to_string(), wanted))
            .collect();
        for (workload, then) in &before.ready {
            let Some(wanted) = wanted.get(workload) else {
                continue; // deleted, or a pod without a workload
            };
            let enough = wanted.map_or(*then, |wanted| wanted.min(*then));
            let now = ready.get(workload).copied().unwrap_or(0);
            if now < enough {
                worse.push(format!("{workload} has {now} ready pods of {enough}"));
            }
        }
        worse
    }
}

fn whole<T>(
    name: &str,
    answer: Result<Knowledge<Vec<T>>, ProviderError>,
    since: Option<DateTime<Utc>>,
) -> Result<Vec<T>, String> {
    match answer {
        Ok(Knowledge::Complete { value, provenance }) => match (since, provenance.observed_at) {
            (None, _) => Ok(value),
            (Some(since), Some(at)) if at >= since => Ok(value),
            (Some(_), Some(at)) => Err(format!("{name} are of {at}, before the last act")),
            (Some(_), None) => Err(format!("{name} do not say how old they are")),
        },
        Ok(part) => Err(format!("{name}: {part}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
