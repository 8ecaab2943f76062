//! Many drains of one cluster, some at once: each node a plan of its own,
//! approved, executed and taken back.

use super::hands::{Hands, drain_plan, fullest, moves};
use chrono::TimeDelta;
use cloudoptim_aws::journal::FileJournal;
use cloudoptim_aws::testing::api::{Api, PatchKind};
use cloudoptim_aws::testing::world::{Budget, WorkloadSpec, WorldSpec};
use cloudoptim_core::decision::Action;
use cloudoptim_core::execute::{Report, undo};
use cloudoptim_core::guard::{Cap, Kind};
use cloudoptim_core::journal::{End, History, Journal};
use cloudoptim_core::model::Snapshot;
use cloudoptim_core::plan::Plan;
use cloudoptim_core::plan::Scope;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// What rounds of drains have done so far.
pub(crate) struct Rounds {
    pub(crate) hands: Arc<Hands>,
    journal: Arc<FileJournal>,
    /// Uids of the pods that were planned to leave, with their nodes.
    pub(crate) planned: BTreeMap<String, String>,
    /// Drains done, with how long each took.
    pub(crate) drained: Vec<Duration>,
    /// Drains that did not come to their end, and why.
    pub(crate) failed: Vec<String>,
}

/// Plans of one round, not executed yet.
pub(crate) struct Round {
    pub(crate) plans: Vec<Plan>,
}

impl Rounds {
    /// Opens a journal in `folder`; as many drains are allowed as are asked for.
    pub(crate) fn new(mut hands: Hands, folder: &Path) -> Self {
        let cap = Cap {
            per_run: 1,
            per_hour: u32::MAX,
            per_day: u32::MAX,
        };
        hands.limits = hands.limits.clone().with_cap(Kind::Drains, cap);
        let scope = Scope {
            clusters: vec![hands.uid.clone()],
            ..Scope::default()
        };
        let journal = FileJournal::open(&folder.join("journal"), &scope).unwrap();
        Self {
            hands: Arc::new(hands),
            journal: Arc::new(journal),
            planned: BTreeMap::new(),
            drained: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Plans to drain so many nodes, those with the most pods, each by itself.
    pub(crate) async fn plan(&mut self, nodes: usize, only: impl Fn(&str) -> bool) -> Round {
        let snapshot = self.hands.snapshot().await;
        let full = fullest(&snapshot).into_iter().filter(|n| only(n));
        let names: Vec<String> = full.take(nodes).collect();
        assert_eq!(names.len(), nodes, "nodes to drain");
        for name in &names {
            let leaving = moves(&snapshot, name);
            self.planned.extend(
                leaving
                    .into_iter()
                    .map(|m| (m.uid.to_string(), name.clone())),
            );
        }
        let plans = names.iter().map(|n| drain_plan(&snapshot, &[n])).collect();
        Round { plans }
    }

    /// Executes all plans at once, and then takes back all that were done.
    pub(crate) async fn execute(&mut self, round: Round) -> Snapshot {
        let mut running = JoinSet::new();
        for plan in &round.plans {
            let (hands, journal) = (self.hands.clone(), self.journal.clone());
            let plan = plan.clone();
            running.spawn(async move {
                let start = Instant::now();
                let report = hands.execute(&plan, &plan, &*journal).await;
                (plan, report, start.elapsed())
            });
        }
        while let Some(done) = running.join_next().await {
            let (plan, report, took) = done.unwrap();
            if report.end == End::Done && report.done() == plan.steps.len() {
                self.drained.push(took);
            } else {
                self.failed.push(format!(
                    "{:?} {}",
                    plan.steps[0].action.resource(),
                    brief(&report)
                ));
            }
        }
        let after = self.hands.snapshot().await;
        let history = Arc::new(self.journal.entries().await.unwrap());
        for plan in round.plans {
            let (hands, journal) = (self.hands.clone(), self.journal.clone());
            let back = undo(
                &plan,
                &History::new(history.to_vec()),
                &after,
                TimeDelta::hours(1),
            );
            if back.steps.is_empty() {
                continue;
            }
            running.spawn(async move {
                let start = Instant::now();
                let report = hands.execute(&back, &plan, &*journal).await;
                (back, report, start.elapsed())
            });
        }
        while let Some(done) = running.join_next().await {
            let (back, report, _) = done.unwrap();
            if report.done() != back.steps.len() {
                self.failed.push(format!("undo: {}", brief(&report)));
            }
        }
        after
    }
}

/// A report in a line.
fn brief(report: &Report) -> String {
    let steps = report.steps.iter().map(|(_, result)| format!("{result:?}"));
    format!("{:?}: {}", report.end, steps.collect::<Vec<_>>().join("; "))
}

/// Pods that were to leave and are still on their node.
pub(crate) fn left_behind(after: &Snapshot, plans: &[Plan]) -> Vec<String> {
    let mut left = Vec::new();
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        let Action::DrainNode { node, moves, .. } = &step.action else {
            continue;
        };
        let pods = after.clusters[0].pods.items().iter();
        let own = pods.filter(|p| p.node() == Some(node) && !p.is_finished());
        let planned = own.filter(|p| moves.iter().any(|m| m.uid == p.meta.uid));
        left.extend(planned.map(|p| format!("{} on {node}", p.meta.path())));
    }
    left
}

/// What a pod has whose end somebody else decides.
const HELD: &str = "example.test/held";
/// Lets pods go that are being deleted and held, a moment later.
pub(crate) fn let_go(api: Api) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        loop {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let pods = api.get("/api/v1/pods?labelSelector=held%3Dtrue").await;
            let Some(pods) = pods.ok().and_then(|answer| answer.ok().ok()) else {
                continue;
            };
            for pod in pods["items"].as_array().into_iter().flatten() {
                let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
                let going = pod["metadata"]["deletionTimestamp"].is_string();
                if !going || seen.insert(text("uid").to_owned()) {
                    continue;
                }
                let (namespace, name) = (text("namespace"), text("name"));
                let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
                let freed = json!({"metadata": {"uid": text("uid"), "finalizers": null}});
                let _ = api.patch(&path, PatchKind::Merge, &freed).await;
            }
        }
    })
}

pub(crate) fn small(mut workload: WorkloadSpec, grace_seconds: u32) -> WorkloadSpec {
    workload.milli_cpu = 50;
    workload.memory_mib = 64;
    workload.grace_seconds = grace_seconds;
    workload
}

pub(crate) fn held(mut workload: WorkloadSpec) -> WorkloadSpec {
    workload.pod_finalizers = vec![HELD.to_owned()];
    workload.pod_labels = BTreeMap::from([("held".to_owned(), "true".to_owned())]);
    workload
}

/// So many nodes, and budgets of every form over some two hundred pods.
pub(crate) fn crowded(nodes: usize) -> WorldSpec {
    let mut spec = WorldSpec::generate(11, nodes, 0);
    let at_least = |amount: &str| Budget::MinAvailable(amount.to_owned());
    let at_most = |amount: &str| Budget::MaxUnavailable(amount.to_owned());
    let deployment = |name, replicas| WorkloadSpec::deployment("shop", name, replicas);
    let stateful = |name, replicas| WorkloadSpec::stateful_set("data", name, replicas);
    spec.workloads = vec![
        small(deployment("web", 60), 1).with_budget(at_most("25%")),
        small(deployment("api", 16), 2).with_budget(at_least("75%")),
        small(deployment("cart", 20), 1).with_budget(at_least("15")),
        small(deployment("free", 40), 1),
        held(small(deployment("held", 10), 1)).with_budget(at_most("50%")),
        small(stateful("db", 4), 1).with_budget(at_most("1")),
        small(stateful("queue", 20), 2).with_budget(at_most("30%")),
        small(stateful("scratch", 12), 1),
    ];
    spec
}
