//! The first step is watched, all is well between steps, and windows are open.

use super::{Fits, Host, planned_of, undisturbed, workload, world};
use crate::fixtures::at;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::decision::{Action, Decision, Subject};
use cloudoptim_core::engines::office_hours::Schedule;
use cloudoptim_core::engines::{EngineId, EngineOutput, ghost_probe};
use cloudoptim_core::execute::{Report, StepResult};
use cloudoptim_core::guard::{Limits, Refusal};
use cloudoptim_core::health::ClusterHealth;
use cloudoptim_core::journal::{End, Entry, InMemoryJournal, Journal, Outcome};
use cloudoptim_core::memory::{Fault, FaultKind};
use cloudoptim_core::model::*;
use cloudoptim_core::plan::{Fingerprint, Plan, StepId};
use cloudoptim_core::providers::{
    Baseline, ClusterBaseline, HealthGate, NoKillSwitch, Sources, Underway, Verdict,
};
use cloudoptim_core::version::Version;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Says what it is told, the last for good, and counts.
#[derive(Debug, Default)]
struct Says {
    verdicts: Vec<Verdict>,
    asked: Mutex<usize>,
    compared: Mutex<Vec<Baseline>>,
}

impl Says {
    fn always(verdicts: &[Verdict]) -> Arc<Self> {
        Arc::new(Self {
            verdicts: verdicts.to_vec(),
            ..Self::default()
        })
    }
}

fn noted(name: &str) -> Baseline {
    let ready = [(name.to_owned(), 1)].into();
    let cluster = ClusterBaseline {
        ready,
        ..Default::default()
    };
    Baseline {
        clusters: [("c1".into(), cluster)].into(),
    }
}

#[async_trait::async_trait]
impl HealthGate for Says {
    async fn before(&self, _: &Plan, _: &Sources) -> Result<Baseline, String> {
        Ok(noted("before"))
    }

    async fn judge<'a>(&self, underway: Underway<'a>) -> Verdict {
        self.compared.lock().unwrap().push(underway.before.clone());
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        let last = self.verdicts.len() - 1;
        self.verdicts[last.min(*asked - 1)].clone()
    }
}

fn ill() -> Verdict {
    Verdict::Unhealthy {
        why: "it burns".to_owned(),
    }
}

fn unknown() -> Verdict {
    Verdict::Unknown {
        why: "smoke".to_owned(),
    }
}

fn with(gate: Arc<dyn HealthGate>) -> Host {
    let mut host = Host::new();
    host.gate = Some(gate);
    host
}

/// Steps of the plan that may disturb: not the cordon, the tag, the snapshot.
const DISTURBING: usize = 7;

#[test]
fn the_gate_is_asked_before_each_further_step_that_may_disturb() {
    let gate = Says::always(&[Verdict::Healthy]);
    let host = with(gate.clone());
    let report = host.report();
    assert_eq!((report.end, host.outcome()), (End::Done, undisturbed().0));
    assert_eq!(*gate.asked.lock().unwrap(), DISTURBING - 1);
    // What it compares with is kept in the journal.
    assert!(
        host.entries()
            .iter()
            .any(|e| matches!(e, Entry::Before { baseline, .. } if **baseline == noted("before")))
    );
}

#[test]
fn unhealthy_or_unknown_is_waited_for_and_then_stops_the_plan() {
    let unhealthy = Refusal::Unhealthy {
        why: "it burns".to_owned(),
    };
    let smoke = Refusal::HealthUnknown {
        why: "smoke".to_owned(),
    };
    for (verdict, because) in [(ill(), unhealthy), (unknown(), smoke)] {
        let gate = Says::always(std::slice::from_ref(&verdict));
        let host = with(gate.clone());
        let report = host.report();
        assert_eq!(report.end, End::Aborted { because });
        // The limit's number of waits, and no more than one disturbing act.
        assert_eq!(*gate.asked.lock().unwrap(), 31);
        let disturbing = |s: &&cloudoptim_core::memory::Act| {
            !matches!(
                s.action,
                Action::CordonNode { .. }
                    | Action::UncordonNode { .. }
                    | Action::Tag { .. }
                    | Action::SnapshotVolume { .. }
            )
        };
        assert_eq!(host.memory.acts().iter().filter(disturbing).count(), 1);
        // It passes: the plan goes on.
        let gate = Says::always(&[verdict.clone(), verdict, Verdict::Healthy]);
        let host = with(gate);
        assert_eq!(host.report().end, End::Done);
    }
}

#[test]
fn when_it_stops_halves_are_undone_and_cordons_taken_back() {
    // The drain of the node comes after a patch: its cordon is done by then.
    let mut host = with(Says::always(&[Verdict::Healthy, ill()]));
    let cordon_first = |plan: &mut Plan| {
        let place = |plan: &Plan, is: fn(&Action) -> bool| {
            plan.steps.iter().position(|s| is(&s.action)).unwrap()
        };
        let drain = place(plan, |a| matches!(a, Action::DrainNode { .. }));
        let mut tail = plan.steps.split_off(drain);
        let patches: Vec<usize> = (0..tail.len())
            .filter(|i| tail[*i].engine == EngineId::OfficeHours)
            .collect();
        for (moved, index) in patches.into_iter().enumerate() {
            plan.steps.push(tail.remove(index - moved));
        }
        plan.steps.extend(tail);
        plan.fingerprint = plan.computed_fingerprint();
    };
    cordon_first(&mut host.plan);
    let report = host.report();
    assert!(
        matches!(
            report.end,
            End::Aborted {
                because: Refusal::Unhealthy { .. }
            }
        ),
        "{report:#?}"
    );
    let (plan, steps) = (&host.plan, &report.steps);
    let cordon = steps
        .iter()
        .find(|(id, _)| matches!(plan.step(id).unwrap().action, Action::CordonNode { .. }));
    let n1 = host.outcome().clusters[0].nodes.items()[0].clone();
    assert!(!n1.unschedulable, "{cordon:#?}");
}

#[test]
fn a_run_that_takes_up_another_compares_with_what_was_before_the_first() {
    let gate = Says::always(&[Verdict::Healthy]);
    let host =
        with(gate.clone()).with_fault(Fault::once("delete_volume", 0, FaultKind::HangsBefore));
    assert!(host.run().is_none());
    host.memory.heal();
    #[derive(Debug)]
    struct Later(Arc<Says>);
    #[async_trait::async_trait]
    impl HealthGate for Later {
        async fn before(&self, _: &Plan, _: &Sources) -> Result<Baseline, String> {
            Ok(noted("later"))
        }

        async fn judge<'a>(&self, underway: Underway<'a>) -> Verdict {
            self.0.judge(underway).await
        }
    }
    let host = Host {
        gate: Some(Arc::new(Later(gate.clone()))),
        ..host
    };
    assert_eq!(host.report().end, End::Done);
    let compared = gate.compared.lock().unwrap();
    assert!(compared.iter().all(|before| *before == noted("before")));
}

#[test]
fn e10_a_gate_that_panics_is_no_yes() {
    #[derive(Debug)]
    struct Panics;
    #[async_trait::async_trait]
    impl HealthGate for Panics {
        async fn judge<'a>(&self, _: Underway<'a>) -> Verdict {
            panic!("out of ideas")
        }
    }
    let report = with(Arc::new(Panics)).report();
    let End::Aborted {
        because: Refusal::HealthUnknown { why },
    } = report.end
    else {
        panic!("{report:#?}")
    };
    assert_eq!(why, "the gate panicked: out of ideas");
}

/// With the clusters as the gate: pods that a drain leaves without a place end it.
#[test]
fn h03_pending_pods_after_a_drain_stop_the_plan() {
    let mut host = with(Arc::new(ClusterHealth::default()));
    let drains = |plan: &mut Plan| {
        for step in &mut plan.steps {
            if let Action::DrainNode { moves, .. } = &mut step.action {
                moves.iter_mut().for_each(|m| m.to = None);
            }
        }
        plan.fingerprint = plan.computed_fingerprint();
    };
    drains(&mut host.plan);
    let report = host.report();
    let End::Aborted {
        because: Refusal::Unhealthy { why },
    } = &report.end
    else {
        panic!("{report:#?}")
    };
    assert!(why.contains("web"), "{why}");
}

/// When each step that may disturb had its intent, in order.
fn intents(host: &Host) -> Vec<DateTime<Utc>> {
    let disturbing = |action: &Action| {
        !matches!(
            action,
            Action::CordonNode { .. } | Action::Tag { .. } | Action::SnapshotVolume { .. }
        )
    };
    host.entries()
        .iter()
        .filter_map(|e| match e {
            Entry::Started { at, action, .. } if disturbing(action) => Some(*at),
            _ => None,
        })
        .collect()
}

#[test]
fn after_the_first_disturbing_step_the_bake_time_passes() {
    for bake in [0, 300, 3_600] {
        let mut host = Host::new();
        host.limits = Limits::default().with_bake_seconds(bake);
        assert_eq!(host.report().end, End::Done);
        let at = intents(&host);
        assert_eq!(at.len(), DISTURBING);
        assert_eq!(at[1] - at[0], TimeDelta::seconds(i64::from(bake)));
        assert_eq!(at[DISTURBING - 1] - at[1], TimeDelta::zero());
    }
    assert_eq!(Limits::default().bake_seconds, 300);
}

#[test]
fn a_run_that_takes_up_another_bakes_for_what_is_left() {
    let host = Host::new();
    // The first disturbing step is done, and the process dies in the bake.
    let clock = host.clock.clone();
    let fault = Fault::once("drain_node", 0, FaultKind::HangsBefore);
    let host = host.with_fault(fault);
    assert!(host.run().is_none());
    host.memory.heal();
    let done_before = intents(&host).len();
    clock.advance(TimeDelta::seconds(100));
    assert_eq!(host.report().end, End::Done);
    let at = intents(&host);
    assert!(done_before > 0 && at.len() > done_before);
    assert!(at[1] - at[0] >= TimeDelta::seconds(300), "{at:?}");
    assert!(at[1] - at[0] <= TimeDelta::seconds(460), "{at:?}");
}

fn schedule(text: &str) -> Schedule {
    text.parse().unwrap()
}

/// The host's now is 2026-11-23T10:00Z, a Monday.
fn within(windows: &[&str]) -> Host {
    let mut host = Host::new();
    let windows = windows.iter().map(|w| schedule(w)).collect();
    host.limits = Limits::default()
        .with_bake_seconds(0)
        .with_change_windows(windows);
    host
}

#[test]
fn outside_of_the_change_windows_nothing_begins() {
    let host = within(&["Mon 12:00-14:00 UTC", "Sat 00:00-24:00 Asia/Tokyo"]);
    let report = host.report();
    let End::Aborted {
        because: Refusal::OutsideWindows { windows, opens },
    } = report.end
    else {
        panic!("{report:#?}")
    };
    assert_eq!((windows.len(), opens), (2, Some(at("2026-11-23T12:00Z"))));
    assert_eq!(host.memory.acts(), []);
    let inside = within(&["Sat 00:00-24:00 Asia/Tokyo", "Mon 19:00-23:00 Asia/Tokyo"]);
    assert_eq!(inside.report().end, End::Done);
    // One that opens while it waits.
    let soon = within(&["Mon 10:04-14:00 UTC"]);
    assert_eq!(soon.report().end, End::Done);
}

#[test]
fn a_window_that_closes_stops_the_plan_and_halves_are_undone() {
    let mut host = within(&["Mon 09:00-10:05 UTC"]);
    // The first disturbing step is watched until after the window.
    host.limits = host.limits.clone().with_bake_seconds(600);
    let report = host.report();
    assert!(
        matches!(
            &report.end,
            End::Aborted {
                because: Refusal::OutsideWindows { .. }
            }
        ),
        "{report:#?}"
    );
    assert!(!host.outcome().clusters[0].nodes.items()[0].unschedulable);
}

#[test]
fn waking_up_needs_no_window_and_no_health() {
    let mut asleep = world();
    for workload in asleep.clusters[0].workloads.value_mut().unwrap() {
        workload.replicas = Some(0);
    }
    let wake = |namespace: &str, name: &str| {
        let workload = workload(namespace, name);
        let subject = Subject::Workload {
            cluster: "c1".into(),
            workload: workload.clone(),
        };
        let action = Action::ScaleWorkload {
            cluster: "c1".into(),
            workload,
            from: 0,
            to: 3,
        };
        let reasons = vec![ghost_probe::Reason::StateUnknown.into()];
        Decision::act(EngineId::OfficeHours, subject, vec![action], None, reasons)
    };
    let decisions = vec![wake("dev", "api"), wake("shop", "web")];
    let outputs = vec![EngineOutput::new(EngineId::OfficeHours, decisions)];
    let mut host = Host::of(asleep.clone(), planned_of(&asleep, outputs));
    assert_eq!(host.plan.steps.len(), 2);
    host.limits = within(&["Sat 00:00-01:00 UTC"]).limits;
    host.gate = Some(Says::always(&[ill()]));
    let report = host.report();
    assert_eq!((&report.end, report.done()), (&End::Done, 2), "{report:#?}");
}

/// A mark on a Deployment is a new generation, as on a real API server, and what
/// it is for is done all the same.
#[test]
fn a_sleep_with_its_mark_is_done() {
    let world = world();
    let api = workload("dev", "api");
    let mark = Action::Annotate {
        cluster: "c1".into(),
        object: cloudoptim_core::decision::ObjectRef {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: "dev".to_owned(),
            name: "api".to_owned(),
        },
        key: cloudoptim_core::engines::office_hours::MARK.to_owned(),
        from: None,
        to: Some("3".to_owned()),
    };
    let sleep = Action::ScaleWorkload {
        cluster: "c1".into(),
        workload: api.clone(),
        from: 3,
        to: 0,
    };
    let subject = Subject::Workload {
        cluster: "c1".into(),
        workload: api.clone(),
    };
    let reasons = vec![ghost_probe::Reason::StateUnknown.into()];
    let actions = vec![mark, sleep];
    let decision = Decision::act(EngineId::OfficeHours, subject, actions, None, reasons);
    let outputs = vec![EngineOutput::new(EngineId::OfficeHours, vec![decision])];
    let host = Host::of(world.clone(), planned_of(&world, outputs));
    let report = host.report();
    assert_eq!((&report.end, report.done()), (&End::Done, 2), "{report:#?}");
    let found = host.outcome().clusters[0].workloads.items().to_vec();
    let found = found.iter().find(|w| w.reference() == api).unwrap();
    assert_eq!((found.replicas, found.meta.generation), (Some(0), Some(3)));
}

/// The same sleep of a workload as step of an earlier plan, done.
async fn done_before(journal: &InMemoryJournal, action: &Action, days_ago: f64, n: usize) {
    let at = at(super::NOW) - TimeDelta::minutes((days_ago * 1_440.0) as i64);
    let (version, fingerprint) = (Version::KNOWN, Fingerprint(format!("earlier-{n}")));
    let step = StepId("s".to_owned());
    let intent = Entry::Started {
        version,
        at,
        fingerprint: fingerprint.clone(),
        step: step.clone(),
        key: "k".to_owned(),
        action: Box::new(action.clone()),
        undo: Box::new(action.undo()),
        charge: None,
        revisions: BTreeMap::new(),
    };
    journal.append(&intent).await.unwrap();
    let outcome = Entry::Finished {
        version,
        at,
        fingerprint,
        step,
        outcome: Outcome::Applied,
        revisions: BTreeMap::new(),
    };
    journal.append(&outcome).await.unwrap();
}

/// C21: somebody takes the same change back twice.
#[test]
fn c21_after_two_reverts_a_change_is_left_for_a_day() {
    let plan = Host::new().plan;
    for is in [
        (|a: &Action| matches!(a, Action::ScaleWorkload { .. })) as fn(&Action) -> bool,
        |a: &Action| matches!(a, Action::ResizeContainer { .. }),
    ] {
        let step = plan.steps.iter().find(|s| is(&s.action)).unwrap();
        let cloudoptim_core::decision::Undo::Action { action: back } = &step.undo else {
            panic!("no way back")
        };
        let change = &step.action;
        for (name, earlier, left) in [
            ("once", vec![(change, 0.1)], false),
            ("twice", vec![(change, 2.0), (change, 0.5)], true),
            ("a day ago", vec![(change, 2.0), (change, 1.1)], false),
            ("long ago", vec![(change, 9.0), (change, 0.5)], false),
            (
                "taken back by us",
                vec![(change, 2.0), (&**back, 1.5), (change, 0.5)],
                false,
            ),
            (
                "once by us, twice by another",
                vec![(change, 3.0), (&**back, 2.5), (change, 2.0), (change, 0.5)],
                true,
            ),
        ] {
            let host = Host::new();
            for (n, (action, days)) in earlier.into_iter().enumerate() {
                super::block_on(done_before(&host.journal, action, days, n)).unwrap();
            }
            let report = host.report();
            let result = &report
                .steps
                .iter()
                .find(|(id, _)| *id == step.id)
                .unwrap()
                .1;
            let refused = matches!(
                result,
                StepResult::Refused {
                    refusal: Refusal::Reverted { times: 2, .. }
                }
            );
            assert_eq!(refused, left, "{name}: {change}: {result:#?}");
        }
    }
}

/// E10: a provider that panics.
#[test]
fn e10_an_actuator_that_panics_stops_the_plan_and_its_step_is_looked_up() {
    use cloudoptim_core::providers::{ClusterActuators, NodeActuator};
    #[derive(Debug)]
    struct Panics(Arc<cloudoptim_core::memory::InMemoryCluster>, bool);
    macro_rules! nodes {
        ($($name:ident($($arg:ident: $kind:ty),*);)*) => {
            #[async_trait::async_trait]
            impl NodeActuator for Panics {
                $(async fn $name(&self, $($arg: $kind),*) -> Result<(), cloudoptim_core::providers::ProviderError> {
                    self.0.$name($($arg),*).await
                })*
                async fn cordon_node(&self, permit: &cloudoptim_core::guard::Permit, node: &NodeName) -> Result<(), cloudoptim_core::providers::ProviderError> {
                    if self.1 {
                        self.0.cordon_node(permit, node).await?;
                    }
                    panic!("no hands")
                }
            }
        };
    }
    nodes! {
        launch_nodes(permit: &cloudoptim_core::guard::Permit, launch: &cloudoptim_core::decision::Launch);
        release_nodes(permit: &cloudoptim_core::guard::Permit, launch: &cloudoptim_core::decision::Launch, key: &str);
        taint_node(permit: &cloudoptim_core::guard::Permit, node: &NodeName, key: &str, effect: TaintEffect, value: Option<String>);
        uncordon_node(permit: &cloudoptim_core::guard::Permit, node: &NodeName);
        drain_node(permit: &cloudoptim_core::guard::Permit, node: &NodeName, moves: &[cloudoptim_core::decision::PodMove]);
        remove_node(permit: &cloudoptim_core::guard::Permit, node: &NodeName, via: &cloudoptim_core::decision::Owner);
        delete_node_object(permit: &cloudoptim_core::guard::Permit, node: &NodeName);
    }
    for acts_before in [false, true] {
        let host = Host::new();
        let (sources, mut actuators) = (host.memory.sources(), host.memory.actuators());
        let cluster: ClusterUid = "c1".into();
        let all = host.memory.cluster(&cluster);
        let handles = ClusterActuators {
            nodes: Arc::new(Panics(all.clone(), acts_before)),
            ..ClusterActuators::of(all)
        };
        actuators.clusters.insert(cluster, handles);
        let run = host.run_on(&sources, &actuators, &host.journal, &NoKillSwitch, &Fits);
        let report: Report = run.unwrap().unwrap();
        let cordon = |id: &StepId| {
            matches!(
                host.plan.step(id).unwrap().action,
                Action::CordonNode { .. }
            )
        };
        let result = report.steps.iter().find(|(id, _)| cordon(id)).unwrap();
        if acts_before {
            assert!(
                matches!(&report.end, End::NeedsHuman { why } if why.contains("left half done: cordon n1")),
                "{report:#?}"
            );
            let found = StepResult::Finished {
                outcome: Outcome::FoundApplied,
            };
            assert_eq!(result.1, found);
        } else {
            assert!(
                matches!(&report.end, End::Aborted { because: Refusal::Panicked { what } } if what == "no hands"),
                "{report:#?}"
            );
        }
        // Nothing after it.
        let place = host.plan.steps.iter().position(|s| cordon(&s.id)).unwrap();
        let not_begun =
            |r: &StepResult| matches!(r, StepResult::NotReached | StepResult::Skipped { .. });
        let later = &report.steps[place + 1..];
        assert!(later.iter().all(|(_, r)| not_begun(r)), "{later:#?}");
    }
}
