//! Guards, journal and execution, on the world in memory.

mod crash;
pub(crate) mod guards;
mod health;
mod lease;
#[cfg(feature = "mocks")]
mod mocks;
mod pace;
mod undo;

pub(crate) use guards::demote;

use crate::fixtures::{
    at, bytes, cloud, cluster, container, deployment, meta, node, pod, snapshot,
};
use chrono::TimeDelta;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::collect::{Part, collect};
use cloudoptim_core::decision::{Action, Decision, Owner, PodMove, Subject};
use cloudoptim_core::engines::{EngineId, EngineOutput, Inputs, ghost_probe};
use cloudoptim_core::execute::{Environment, ExecuteError, Report, StepResult, execute};
use cloudoptim_core::guard::{Approval, ApprovedPlan, Limits, Placement};
use cloudoptim_core::journal::{End, Entry, InMemoryJournal, Journal, Outcome};
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::memory::{Act, Fault, FaultKind, InMemory, InMemoryLease, ManualClock};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::{Actuators, HealthGate, KillSwitch, Lease, NoKillSwitch, Sources};
use cloudoptim_core::version::Version;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Runs a future that never waits for anything. `None`: it hangs, and is
/// dropped, as when its process is killed.
pub(crate) fn block_on<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

pub(crate) const NOW: &str = "2026-11-23T10:00Z";

#[derive(Debug)]
struct Fits;

impl Placement for Fits {
    fn fits_elsewhere(&self, _: &Cluster, _: &NodeName, _: &[Uid]) -> Result<(), String> {
        Ok(())
    }
}

/// Three nodes, of which one is to go; a ghost; a volume nobody uses; two
/// deployments and a service.
pub(crate) fn world() -> Snapshot {
    let mut c = cluster();
    let nodes = ["n1", "n2", "n3"].map(|name| node(name, "4", "16Gi"));
    *c.nodes.value_mut().unwrap() = nodes.to_vec();
    *c.pods.value_mut().unwrap() = vec![
        pod(
            "shop",
            "web",
            "web-1",
            "n1",
            container("main", "500m", "1Gi"),
        ),
        pod(
            "shop",
            "web",
            "web-2",
            "n2",
            container("main", "500m", "1Gi"),
        ),
    ];
    let mut workloads = deployment("shop", "web", 2, container("main", "500m", "1Gi")).to_vec();
    workloads.extend(deployment(
        "dev",
        "api",
        3,
        container("main", "500m", "1Gi"),
    ));
    *c.workloads.value_mut().unwrap() = workloads;
    *c.services.value_mut().unwrap() = vec![Service {
        meta: meta("shop", "web"),
        kind: "ClusterIP".to_owned(),
        ..Default::default()
    }];
    let mut a = cloud();
    let instance = |id: &str| Instance {
        id: id.into(),
        state: InstanceState::Running,
        launched_at: Some(at("2026-11-01T00:00Z")),
        termination_protected: Some(false),
        stop_protected: Some(false),
        ..Default::default()
    };
    *a.instances.value_mut().unwrap() = ["i-n1", "i-n2", "i-n3", "i-ghost"].map(instance).to_vec();
    *a.volumes.value_mut().unwrap() = vec![Volume {
        id: "vol-1".into(),
        state: VolumeState::Available,
        size: bytes("100Gi"),
        created_at: Some(at("2026-01-01T00:00Z")),
        ..Default::default()
    }];
    snapshot(NOW, c, a)
}

fn workload(namespace: &str, name: &str) -> WorkloadRef {
    WorkloadRef::new(namespace, "Deployment", name)
}

pub(crate) fn decisions() -> Vec<EngineOutput> {
    let c: ClusterUid = "c1".into();
    let (account, region): (AccountId, Region) = ("111122223333".into(), "us-east-1".into());
    let act = |engine, subject, actions| {
        let reasons = vec![ghost_probe::Reason::StateUnknown.into()];
        let decision = Decision::act(engine, subject, actions, None, reasons);
        EngineOutput::new(engine, vec![decision])
    };
    let of = |w: &WorkloadRef| Subject::Workload {
        cluster: c.clone(),
        workload: w.clone(),
    };
    let (web, api) = (workload("shop", "web"), workload("dev", "api"));
    let node: NodeName = "n1".into();
    let resources = |cpu, memory| Box::new(container("main", cpu, memory).resources);
    vec![
        act(
            EngineId::Rightsizing,
            of(&web),
            vec![Action::ResizeContainer {
                cluster: c.clone(),
                workload: web.clone(),
                container: "main".to_owned(),
                init: false,
                from: resources("500m", "1Gi"),
                to: resources("250m", "512Mi"),
                restarts: true,
            }],
        ),
        act(
            EngineId::OfficeHours,
            of(&api),
            vec![Action::ScaleWorkload {
                cluster: c.clone(),
                workload: api.clone(),
                from: 3,
                to: 0,
            }],
        ),
        act(
            EngineId::BinPacking,
            Subject::Node {
                cluster: c.clone(),
                node: node.clone(),
            },
            vec![
                Action::CordonNode {
                    cluster: c.clone(),
                    node: node.clone(),
                },
                Action::DrainNode {
                    cluster: c.clone(),
                    node: node.clone(),
                    moves: vec![PodMove {
                        pod: NamespacedName::new("shop", "web-1"),
                        uid: "uid-shop-web-1".into(),
                        to: Some("n3".into()),
                    }],
                },
                Action::RemoveNode {
                    cluster: c.clone(),
                    node,
                    instance: Some("i-n1".into()),
                    via: Owner::NodeClaim {
                        name: "claim-1".to_owned(),
                    },
                },
            ],
        ),
        act(
            EngineId::GhostProbe,
            Subject::Instance {
                account: account.clone(),
                region: region.clone(),
                instance: "i-ghost".into(),
            },
            vec![
                Action::Tag {
                    account: account.clone(),
                    region: region.clone(),
                    resource: "i-ghost".to_owned(),
                    key: "cloudoptim/ghost-since".to_owned(),
                    from: None,
                    to: Some("2026-11-22".to_owned()),
                },
                Action::StopInstance {
                    account: account.clone(),
                    region: region.clone(),
                    instance: "i-ghost".into(),
                },
            ],
        ),
        act(
            EngineId::ZombieVolumes,
            Subject::Volume {
                account: account.clone(),
                region: region.clone(),
                volume: "vol-1".into(),
            },
            vec![
                Action::SnapshotVolume {
                    account: account.clone(),
                    region: region.clone(),
                    volume: "vol-1".into(),
                },
                Action::DeleteVolume {
                    account,
                    region,
                    volume: "vol-1".into(),
                    created_at: Some(at("2026-01-01T00:00Z")),
                },
            ],
        ),
        act(
            EngineId::Network,
            Subject::Service {
                cluster: c.clone(),
                service: NamespacedName::new("shop", "web"),
            },
            vec![Action::RouteService {
                cluster: c,
                service: NamespacedName::new("shop", "web"),
                from: None,
                to: Some("PreferSameZone".to_owned()),
            }],
        ),
    ]
}

pub(crate) fn planned(world: &Snapshot) -> Plan {
    planned_of(world, decisions())
}

pub(crate) fn planned_of(world: &Snapshot, outputs: Vec<EngineOutput>) -> Plan {
    let (catalog, policy) = (Catalog::default(), Policy::default());
    let inputs = Inputs {
        snapshot: world,
        overlay: &Overlay::default(),
        catalog: &catalog,
        policy: &policy,
        ledgers: &Ledgers::default(),
        deadline: None,
    };
    plan(
        &inputs,
        PlanInput {
            outputs,
            ..Default::default()
        },
    )
}

pub(crate) fn approval(plan: &Plan) -> Approval {
    Approval {
        version: Version::KNOWN,
        fingerprint: plan.fingerprint.clone(),
        by: "ada".to_owned(),
        at: plan.made_at.min(at(NOW)),
        until: plan.made_at + TimeDelta::hours(4),
    }
}

/// One world with its journal and clock, which outlive runs.
pub(crate) struct Host {
    pub(crate) memory: InMemory,
    pub(crate) clock: Arc<ManualClock>,
    journal: InMemoryJournal,
    limits: Limits,
    gate: Option<Arc<dyn HealthGate>>,
    lease: Option<InMemoryLease>,
    pub(crate) plan: Plan,
}

impl Host {
    pub(crate) fn new() -> Self {
        let world = world();
        let plan = planned(&world);
        assert_eq!(plan.steps.len(), 10, "{}", plan.explain());
        let clock = Arc::new(ManualClock::at(at(NOW)));
        Self {
            memory: InMemory::new(world, clock.clone()),
            clock,
            journal: InMemoryJournal::default(),
            limits: Limits::default(),
            gate: None,
            lease: None,
            plan,
        }
    }

    /// A world of one's own, and a plan for it.
    pub(crate) fn of(world: Snapshot, plan: Plan) -> Self {
        let clock = Arc::new(ManualClock::at(plan.made_at));
        Self {
            memory: InMemory::new(world, clock.clone()),
            clock,
            journal: InMemoryJournal::default(),
            limits: Limits::default(),
            gate: None,
            lease: None,
            plan,
        }
    }

    pub(crate) fn with_fault(self, fault: Fault) -> Self {
        let memory = self.memory.clone().with_fault(fault);
        Self { memory, ..self }
    }

    fn run_with(
        &self,
        journal: &dyn Journal,
        kill_switch: &dyn KillSwitch,
        placement: &dyn Placement,
    ) -> Option<Result<Report, ExecuteError>> {
        let (sources, actuators) = (self.memory.sources(), self.memory.actuators());
        self.run_on(&sources, &actuators, journal, kill_switch, placement)
    }

    fn run_on(
        &self,
        sources: &Sources,
        actuators: &Actuators,
        journal: &dyn Journal,
        kill_switch: &dyn KillSwitch,
        placement: &dyn Placement,
    ) -> Option<Result<Report, ExecuteError>> {
        let environment = Environment {
            sources,
            actuators,
            journal,
            clock: &*self.clock,
            kill_switch,
            placement,
            limits: &self.limits,
            gate: self.gate.as_deref(),
            lease: self.lease.as_ref().map(|lease| lease as &dyn Lease),
        };
        let approved = ApprovedPlan::new(self.plan.clone(), approval(&self.plan)).unwrap();
        block_on(execute(approved, &environment))
    }

    fn run(&self) -> Option<Result<Report, ExecuteError>> {
        self.run_with(&self.journal, &NoKillSwitch, &Fits)
    }

    pub(crate) fn report(&self) -> Report {
        self.run().expect("nothing hangs").expect("it runs")
    }

    /// Carries the plan out by the scheduler's rules; `None` when it hangs.
    pub(crate) fn report_by(&self, placement: &dyn Placement) -> Option<Report> {
        let run = self.run_with(&self.journal, &NoKillSwitch, placement);
        run.map(|report| report.expect("it runs"))
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        block_on(self.journal.entries()).unwrap().unwrap()
    }

    /// The world without the times at which things were made.
    fn outcome(&self) -> Snapshot {
        let mut world = self.memory.world();
        for snapshot in world.clouds[0].ebs_snapshots.value_mut().unwrap() {
            snapshot.started_at = None;
        }
        world.normalize();
        world
    }

    /// Every act happened once, and after its intent was written.
    fn assert_each_act_once_and_intended(&self) {
        let acts = self.memory.acts();
        let keys: BTreeSet<&String> = acts.iter().map(|a| &a.key).collect();
        assert_eq!(keys.len(), acts.len(), "an act was done twice: {acts:#?}");
        let entries = self.entries();
        for Act { key, action } in &acts {
            assert!(
                entries
                    .iter()
                    .any(|e| matches!(e, Entry::Started { key: k, action: a, .. }
                    if k == key && **a == *action)),
                "no intent for {action}"
            );
        }
    }
}

fn undisturbed() -> (Snapshot, usize, usize) {
    let host = Host::new();
    let report = host.report();
    assert_eq!(report.end, End::Done, "{report:#?}");
    assert_eq!(report.done(), 10, "{report:#?}");
    (
        host.outcome(),
        host.memory.calls().len(),
        host.entries().len(),
    )
}

#[test]
fn a_plan_is_done_step_by_step_and_leaves_what_it_promised() {
    let (world, _, entries) = undisturbed();
    let (c, a) = (&world.clusters[0], &world.clouds[0]);
    let nodes: Vec<_> = c
        .nodes
        .items()
        .iter()
        .map(|n| n.meta.name.as_str())
        .collect();
    assert_eq!(nodes, ["n2", "n3"]);
    let web = c
        .pods
        .items()
        .iter()
        .find(|p| p.meta.name == "web-1")
        .unwrap();
    assert_eq!(web.node(), Some(&"n3".into()));
    let state = |id: &str| {
        let all = a.instances.items();
        all.iter().find(|i| i.id.as_str() == id).map(|i| i.state)
    };
    assert_eq!(state("i-n1"), Some(InstanceState::Terminated));
    assert_eq!(state("i-ghost"), Some(InstanceState::Stopped));
    assert_eq!(a.volumes.items().len(), 0);
    assert_eq!(a.ebs_snapshots.items().len(), 1);
    let replicas = |ns: &str, name: &str| {
        let all = c.workloads.items();
        all.iter()
            .find(|w| w.reference() == workload(ns, name))
            .unwrap()
            .replicas
    };
    assert_eq!(replicas("dev", "api"), Some(0));
    assert_eq!(replicas("shop", "web"), Some(2));
    // Begun, ten intents with ten outcomes, ended.
    assert_eq!(entries, 22);
}

#[test]
fn a_failed_step_stops_its_dependents_and_its_decision_is_undone() {
    let host = Host::new().with_fault(Fault::always("drain_node", FaultKind::Denied));
    let report = host.report();
    assert_eq!(report.end, End::Done);
    let n1 = host.outcome().clusters[0].nodes.items()[0].clone();
    assert_eq!((n1.meta.name.as_str(), n1.unschedulable), ("n1", false));
    let results: Vec<&StepResult> = report
        .steps
        .iter()
        .filter(|(id, _)| host.plan.step(id).unwrap().engine == EngineId::BinPacking)
        .map(|(_, result)| result)
        .collect();
    assert!(
        matches!(
            results[..],
            [
                StepResult::Undone,
                StepResult::Finished {
                    outcome: Outcome::Failed { .. }
                },
                StepResult::Skipped { .. }
            ]
        ),
        "{results:#?}"
    );
    // The rest is done all the same.
    assert_eq!(report.done(), 7);
}

#[test]
fn a_plan_is_executed_once() {
    let host = Host::new();
    host.report();
    assert!(matches!(
        host.run(),
        Some(Err(ExecuteError::AlreadyDone(_)))
    ));
    assert_eq!(host.memory.acts().len(), 10);
}

#[test]
fn collecting_gives_back_the_world_with_its_gaps() {
    let host = Host::new().with_fault(Fault::always("list_claims", FaultKind::Denied));
    host.memory
        .change(|world| demote(world, Part::Volumes, false));
    let sources = host.memory.sources();
    let found = block_on(collect(&sources, at(NOW), Knowledge::default())).unwrap();
    let cluster = &found.clusters[0];
    assert_eq!(cluster.nodes.items().len(), 3);
    assert!(cluster.nodes.is_complete());
    assert_eq!(
        cluster.claims.to_string(),
        "unknown: not permitted: list_claims"
    );
    assert!(matches!(found.clouds[0].volumes, Knowledge::Partial { .. }));
    let observed = cluster.nodes.provenance().unwrap().observed_at;
    assert_eq!(observed, Some(at(NOW)));
}

#[test]
fn a_journal_survives_json() {
    let host = Host::new();
    let report = host.report();
    let text = serde_json::to_string(&host.entries()).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<Entry>>(&text).unwrap(),
        host.entries()
    );
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}
