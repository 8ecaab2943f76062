//! Guards, journal and execution, on the world in memory.

use crate::fixtures::{
    at, bytes, cloud, cluster, container, deployment, meta, node, pod, snapshot,
};
use chrono::TimeDelta;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::collect::{Part, collect};
use cloudoptim_core::decision::{Action, Decision, Owner, PodMove, Subject};
use cloudoptim_core::engines::{EngineId, EngineOutput, Inputs, ghost_probe};
use cloudoptim_core::execute::{Environment, ExecuteError, Report, StepResult, execute};
use cloudoptim_core::guard::{
    Approval, ApprovalError, ApprovedPlan, Cap, Kind, Limits, Placement, Refusal,
};
use cloudoptim_core::journal::{End, Entry, InMemoryJournal, Journal, JournalError, Outcome};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::memory::{Act, Fault, FaultKind, InMemory, ManualClock, ManualKillSwitch};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::{KillSwitch, NoKillSwitch};
use cloudoptim_core::version::Version;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
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
    fn fits_elsewhere(&self, _: &Cluster, _: &NodeName) -> Result<(), String> {
        Ok(())
    }
}

#[derive(Debug)]
struct FitsNowhere;

impl Placement for FitsNowhere {
    fn fits_elsewhere(&self, _: &Cluster, _: &NodeName) -> Result<(), String> {
        Err("pod shop/web-1 fits on no other node".to_owned())
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
        at: at(NOW),
        until: at("2026-11-23T14:00Z"),
    }
}

/// One world with its journal and clock, which outlive runs.
pub(crate) struct Host {
    pub(crate) memory: InMemory,
    clock: Arc<ManualClock>,
    journal: InMemoryJournal,
    limits: Limits,
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
            plan,
        }
    }

    fn with_fault(self, fault: Fault) -> Self {
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
        let environment = Environment {
            sources: &sources,
            actuators: &actuators,
            journal,
            clock: &*self.clock,
            kill_switch,
            placement,
            limits: &self.limits,
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
fn a_crash_at_any_call_ends_in_the_same_world() {
    let (expected, calls, _) = undisturbed();
    for kind in [FaultKind::HangsBefore, FaultKind::HangsAfter] {
        for nth in 0..u64::try_from(calls).unwrap() {
            let host = Host::new().with_fault(Fault::at_call(nth, kind));
            assert!(host.run().is_none(), "call {nth} did not hang");
            host.assert_each_act_once_and_intended();
            host.memory.heal();
            let report = host.report();
            assert_eq!(
                report.end,
                End::Done,
                "after a crash at call {nth}: {report:#?}"
            );
            assert_eq!(host.outcome(), expected, "after a crash at call {nth}");
            host.assert_each_act_once_and_intended();
        }
    }
}

/// Hangs before or after the n-th entry is written.
#[derive(Debug)]
struct Crashing {
    inner: InMemoryJournal,
    appended: Mutex<usize>,
    at: usize,
    after: bool,
}

#[async_trait::async_trait]
impl Journal for Crashing {
    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        let nth = {
            let mut appended = self.appended.lock().unwrap();
            *appended += 1;
            *appended - 1
        };
        if nth == self.at && !self.after {
            std::future::pending::<()>().await;
        }
        self.inner.append(entry).await?;
        if nth == self.at {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.inner.entries().await
    }
}

#[test]
fn a_crash_at_any_entry_of_the_journal_ends_in_the_same_world() {
    let (expected, _, entries) = undisturbed();
    for after in [false, true] {
        for nth in 0..entries {
            let host = Host::new();
            let crashing = Crashing {
                inner: host.journal.clone(),
                appended: Mutex::new(0),
                at: nth,
                after,
            };
            assert!(host.run_with(&crashing, &NoKillSwitch, &Fits).is_none());
            host.assert_each_act_once_and_intended();
            if after && nth == entries - 1 {
                // The end was written: there is nothing to take up.
                assert!(matches!(
                    host.run(),
                    Some(Err(ExecuteError::AlreadyDone(_)))
                ));
            } else {
                let report = host.report();
                assert_eq!(report.end, End::Done, "entry {nth}: {report:#?}");
            }
            assert_eq!(host.outcome(), expected, "after a crash at entry {nth}");
            host.assert_each_act_once_and_intended();
        }
    }
}

#[test]
fn a_call_that_fails_once_changes_nothing_in_the_end() {
    let (expected, calls, _) = undisturbed();
    for kind in [
        FaultKind::Throttled,
        FaultKind::LostRequest,
        FaultKind::LostAnswer,
    ] {
        for nth in 0..u64::try_from(calls).unwrap() {
            let host = Host::new().with_fault(Fault::at_call(nth, kind));
            let report = host.report();
            assert_eq!(report.end, End::Done, "{kind:?} at call {nth}: {report:#?}");
            assert_eq!(host.outcome(), expected, "{kind:?} at call {nth}");
            host.assert_each_act_once_and_intended();
        }
    }
}

#[derive(Debug)]
struct Full;

#[async_trait::async_trait]
impl Journal for Full {
    async fn append(&self, _: &Entry) -> Result<(), JournalError> {
        Err(JournalError::Write("no space left on device".to_owned()))
    }

    async fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        Ok(Vec::new())
    }
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let host = Host::new();
    let result = host.run_with(&Full, &NoKillSwitch, &Fits).unwrap();
    assert!(matches!(
        result,
        Err(ExecuteError::Journal(JournalError::Write(_)))
    ));
    assert_eq!(host.memory.acts(), []);
}

#[test]
fn the_kill_switch_takes_effect_within_one_step() {
    for looks in 0..10_u64 {
        let host = Host::new();
        let switch = ManualKillSwitch::on_from(looks);
        let report = host
            .run_with(&host.journal, &switch, &Fits)
            .unwrap()
            .unwrap();
        assert_eq!(host.memory.acts().len(), usize::try_from(looks).unwrap());
        match report.end {
            End::Aborted { because } => assert_eq!(because, Refusal::Killed),
            // A decision was half done, and whoever pulled the brake wants no undo.
            End::NeedsHuman { why } => assert!(why.contains("left half done"), "{why}"),
            End::Done => panic!("the switch was on"),
            _ => unreachable!(),
        }
    }
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
fn a_drain_is_simulated_again_and_refused_when_a_pod_fits_nowhere() {
    let host = Host::new();
    let report = host
        .run_with(&host.journal, &NoKillSwitch, &FitsNowhere)
        .unwrap()
        .unwrap();
    assert!(report.steps.iter().any(|(_, r)| matches!(
        r,
        StepResult::Refused {
            refusal: Refusal::Precondition { .. }
        }
    )));
    assert!(!host.outcome().clusters[0].nodes.items()[0].unschedulable);
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
fn an_approval_is_for_one_unaltered_plan_by_somebody_for_a_time() {
    let plan = Host::new().plan;
    let mut altered = plan.clone();
    altered.steps.pop();
    assert!(matches!(
        ApprovedPlan::new(altered, approval(&plan)),
        Err(ApprovalError::Altered { .. })
    ));
    let mut other = approval(&plan);
    other.fingerprint.0.push('0');
    assert!(matches!(
        ApprovedPlan::new(plan.clone(), other),
        Err(ApprovalError::AnotherPlan { .. })
    ));
    let mut nobody = approval(&plan);
    nobody.by = " ".to_owned();
    assert!(matches!(
        ApprovedPlan::new(plan.clone(), nobody),
        Err(ApprovalError::Nobody)
    ));
    let mut never = approval(&plan);
    never.until = never.at;
    assert!(matches!(
        ApprovedPlan::new(plan, never),
        Err(ApprovalError::NeverValid { .. })
    ));
}

#[test]
fn nothing_is_done_before_or_after_its_time() {
    for (minutes, code) in [(-1, "begins"), (240, "ended")] {
        let host = Host::new();
        host.clock.jump(TimeDelta::minutes(minutes));
        let report = host.report();
        let End::Aborted { because } = report.end else {
            panic!("{report:#?}")
        };
        assert!(because.to_string().contains(code), "{because}");
        assert_eq!(host.memory.acts(), []);
    }
}

#[test]
fn another_cluster_or_account_behind_the_handle_stops_the_plan() {
    for (scope, other) in [("c1", "c2"), ("111122223333/us-east-1", "999/us-east-1")] {
        let host = Host::new();
        host.memory.answer_as(scope, other);
        let report = host.report();
        assert!(
            matches!(
                &report.end,
                End::Aborted {
                    because: Refusal::WrongIdentity { .. }
                } | End::NeedsHuman { .. }
            ),
            "{report:#?}"
        );
        let touched = host.memory.acts().into_iter().any(|act| {
            act.action
                .resource()
                .starts_with(scope.split('/').next().unwrap())
        });
        assert!(!touched);
    }
}

#[test]
fn protected_things_are_left_alone() {
    let host = Host::new();
    host.memory.change(|world| {
        let (c, a) = (&mut world.clusters[0], &mut world.clouds[0]);
        for pod in c.pods.value_mut().unwrap() {
            let mark = ("karpenter.sh/do-not-disrupt".to_owned(), "true".to_owned());
            pod.meta.annotations.extend([mark]);
        }
        for instance in a.instances.value_mut().unwrap() {
            instance.stop_protected = Some(true);
        }
        for volume in a.volumes.value_mut().unwrap() {
            volume
                .tags
                .insert("cloudoptim/protect".to_owned(), "true".to_owned());
        }
    });
    let report = host.report();
    let refused = report.steps.iter().filter(|(_, r)| {
        matches!(
            r,
            StepResult::Refused {
                refusal: Refusal::Protected { .. }
            }
        )
    });
    assert_eq!(refused.count(), 3, "{report:#?}");
    assert!(
        host.memory
            .acts()
            .iter()
            .all(|a| !a.action.is_destructive())
    );
}

#[test]
fn a_plan_over_a_cap_is_not_begun() {
    let mut host = Host::new();
    host.limits = Limits::default().with_cap(
        Kind::Patches,
        Cap {
            per_run: 2,
            per_hour: 10,
            per_day: 10,
        },
    );
    let report = host.report();
    assert!(
        matches!(
            &report.end,
            End::Aborted {
                because: Refusal::OverCap {
                    would_be: 3,
                    limit: 2,
                    ..
                }
            }
        ),
        "{report:#?}"
    );
    assert_eq!(host.memory.acts(), []);
}

#[test]
fn an_hour_is_counted_over_all_plans_of_the_journal() {
    let mut host = Host::new();
    host.report();
    // The same world again, and another plan of it, with the same journal.
    let again = Host::new();
    host.memory = again.memory.clone();
    host.limits = Limits::default().with_cap(
        Kind::Volumes,
        Cap {
            per_run: 1,
            per_hour: 1,
            per_day: 1,
        },
    );
    host.plan.made_at += TimeDelta::minutes(1);
    host.plan.fingerprint = host.plan.computed_fingerprint();
    host.memory = InMemory::new(world(), host.clock.clone());
    let report = host.report();
    assert!(
        matches!(
            &report.end,
            End::Aborted {
                because: Refusal::OverCap {
                    kind: Kind::Volumes,
                    ..
                }
            }
        ),
        "{report:#?}"
    );
    let deleted = host.memory.acts().into_iter();
    assert!(
        !deleted
            .map(|a| a.action)
            .any(|a| matches!(a, Action::DeleteVolume { .. }))
    );
}

fn destructive(host: &Host) -> BTreeSet<String> {
    let acts = host.memory.acts().into_iter().map(|a| a.action);
    acts.filter(|a| a.is_destructive() || matches!(a, Action::StopInstance { .. }))
        .map(|a| a.to_string())
        .collect()
}

fn demote(world: &mut Snapshot, part: Part, unknown: bool) {
    macro_rules! demote {
        ($($owner:expr => $field:ident: $kind:ident),* $(,)?) => {
            match part {
                $(Part::$kind => {
                    let old = std::mem::take(&mut $owner.$field);
                    let why = Gap::OutOfScope { what: "a page".to_owned() };
                    $owner.$field = if unknown { Knowledge::unknown(why) } else { old.demoted(why) };
                })*
                _ => {}
            }
        };
    }
    demote!(
        world.clouds[0] => instances: Instances,
        world.clouds[0] => volumes: Volumes,
        world.clouds[0] => ebs_snapshots: EbsSnapshots,
        world.clusters[0] => nodes: Nodes,
        world.clusters[0] => pods: Pods,
        world.clusters[0] => workloads: Workloads,
        world.clusters[0] => services: Services,
        world.clusters[0] => disruption_budgets: DisruptionBudgets,
        world.clusters[0] => persistent_volumes: PersistentVolumes,
        world.clusters[0] => claims: Claims,
        world.clusters[0] => storage_classes: StorageClasses,
        world.clusters[0] => csi_nodes: CsiNodes,
        world.clusters[0] => volume_attachments: VolumeAttachments,
        world.clusters[0] => namespaces: Namespaces,
    );
}

#[test]
fn less_knowledge_never_means_more_destruction() {
    let host = Host::new();
    host.report();
    let all = destructive(&host);
    assert_eq!(all.len(), 3, "{all:?}");
    for part in Part::all() {
        for unknown in [false, true] {
            let host = Host::new();
            host.memory.change(|world| demote(world, part, unknown));
            let _ = host.report();
            let some = destructive(&host);
            assert!(some.is_subset(&all), "{part}: {some:?}");
            match part {
                Part::Nodes => assert_eq!(some.len(), 0, "{part}: {some:?}"),
                Part::Instances | Part::Volumes | Part::Pods => {
                    assert!(some.len() < all.len(), "{part}: {some:?}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn an_empty_list_of_nodes_makes_no_ghost() {
    let host = Host::new();
    host.memory
        .change(|world| world.clusters[0].nodes.value_mut().unwrap().clear());
    let report = host.report();
    assert_eq!(destructive(&host), BTreeSet::new());
    assert!(report.steps.iter().any(|(_, r)| matches!(
        r,
        StepResult::Refused {
            refusal: Refusal::Empty { .. }
        }
    )));
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

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever fails, and however often the process dies: no act twice, none
    /// without intent, an end in bounded time, and never more than undisturbed.
    #[test]
    fn any_mix_of_failures_and_crashes_stays_within_the_plan(
        faults in proptest::collection::vec((0_u64..120, 1_u64..4, 0_usize..8), 0..8)
    ) {
        let kinds = [
            FaultKind::Throttled,
            FaultKind::Conflict,
            FaultKind::Denied,
            FaultKind::NoCapacity,
            FaultKind::LostRequest,
            FaultKind::LostAnswer,
            FaultKind::HangsAfter,
            FaultKind::HangsBefore,
        ];
        let mut host = Host::new();
        for (nth, times, kind) in faults {
            host = host.with_fault(Fault { operation: None, nth, times, kind: kinds[kind] });
        }
        let mut ended = false;
        for _ in 0..40 {
            let result = host.run();
            host.assert_each_act_once_and_intended();
            if result.is_some() {
                ended = true;
                break;
            }
        }
        proptest::prop_assert!(ended, "it never ended");
        let planned: BTreeSet<String> =
            host.plan.steps.iter().map(|s| s.action.to_string()).collect();
        for act in host.memory.acts() {
            let within = planned.contains(&act.action.to_string())
                || matches!(act.action, Action::UncordonNode { .. } | Action::Tag { .. });
            proptest::prop_assert!(within, "{}", act.action);
        }
        // A volume is never gone without its snapshot.
        let cloud = &host.outcome().clouds[0];
        let gone = cloud.volumes.items().is_empty();
        proptest::prop_assert!(!gone || !cloud.ebs_snapshots.items().is_empty());
        // A node is never gone with a pod still on it.
        let cluster = &host.outcome().clusters[0];
        let names: BTreeSet<&str> =
            cluster.nodes.items().iter().map(|n| n.meta.name.as_str()).collect();
        for pod in cluster.pods.items() {
            proptest::prop_assert!(pod.node().is_some_and(|n| names.contains(n.as_str())));
        }
    }
}
