//! Failures and the order of calls, on mocks: a call that nobody expects fails
//! the test at once.

use super::{Fits, Host, block_on};
use chrono::TimeDelta;
use cloudoptim_core::decision::Action;
use cloudoptim_core::execute::{ExecuteError, Report, StepResult};
use cloudoptim_core::guard::{Permit, Refusal};
use cloudoptim_core::journal::{End, Entry, Journal, JournalError, MockJournal, Outcome};
use cloudoptim_core::memory::InMemory;
use cloudoptim_core::plan::Step;
use cloudoptim_core::providers::{
    Actuators, Call, Clock, CloudActuators, ClusterActuators, KillSwitch, MockInstanceActuator,
    MockKillSwitch, MockNodeActuator, MockObjectActuator, MockTagActuator, MockVolumeActuator,
    MockWorkloadActuator, NoKillSwitch, ProviderError, VolumeActuator,
};
use mockall::Sequence;
use std::sync::{Arc, Mutex};

/// Actuators of the host's scopes of which none expects a call.
fn none() -> (CloudActuators, ClusterActuators) {
    let cloud = CloudActuators {
        instances: Arc::new(MockInstanceActuator::new()),
        volumes: Arc::new(MockVolumeActuator::new()),
        tags: Arc::new(MockTagActuator::new()),
    };
    let cluster = ClusterActuators {
        nodes: Arc::new(MockNodeActuator::new()),
        workloads: Arc::new(MockWorkloadActuator::new()),
        objects: Arc::new(MockObjectActuator::new()),
    };
    (cloud, cluster)
}

/// A host whose plan is to take a snapshot of a volume and delete it.
fn host() -> Host {
    let mut host = Host::new();
    let of_volumes = |s: &Step| {
        matches!(
            s.action,
            Action::SnapshotVolume { .. } | Action::DeleteVolume { .. }
        )
    };
    host.plan.steps.retain(of_volumes);
    host.plan.fingerprint = host.plan.computed_fingerprint();
    assert_eq!(host.plan.steps.len(), 2);
    host
}

fn run(
    host: &Host,
    volumes: MockVolumeActuator,
    journal: &dyn Journal,
    brake: &dyn KillSwitch,
) -> Result<Report, ExecuteError> {
    let (mut cloud, cluster) = none();
    cloud.volumes = Arc::new(volumes);
    let scope = ("111122223333".into(), "us-east-1".into());
    let actuators = Actuators {
        clouds: [(scope, cloud)].into(),
        clusters: [("c1".into(), cluster)].into(),
    };
    let sources = host.memory.sources();
    host.run_on(&sources, &actuators, journal, brake, &Fits)
        .expect("nothing hangs")
}

fn call() -> Box<Call> {
    Box::new(Call::new("mock", "DeleteVolume"))
}

fn delete(memory: &InMemory, permit: &Permit) -> Result<(), ProviderError> {
    let cloud = memory.cloud(&"111122223333".into(), &"us-east-1".into());
    block_on(cloud.delete_volume(permit, &"vol-1".into())).unwrap()
}

fn snapshot(memory: &InMemory, permit: &Permit) -> Result<(), ProviderError> {
    let cloud = memory.cloud(&"111122223333".into(), &"us-east-1".into());
    block_on(cloud.snapshot_volume(permit, &"vol-1".into())).unwrap()
}

#[test]
fn throttled_twice_it_waits_as_long_as_it_is_told_and_tries_a_third_time() {
    let host = host();
    let (mut volumes, mut order) = (MockVolumeActuator::new(), Sequence::new());
    let memory = host.memory.clone();
    volumes
        .expect_snapshot_volume()
        .once()
        .in_sequence(&mut order)
        .returning(move |permit, _| snapshot(&memory, permit));
    let keys = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&keys);
    volumes
        .expect_delete_volume()
        .times(2)
        .in_sequence(&mut order)
        .returning(move |permit, _| {
            asked.lock().unwrap().push(permit.key().to_owned());
            Err(ProviderError::Throttled {
                retry_after: Some(TimeDelta::seconds(7)),
                call: call(),
            })
        });
    let (memory, asked) = (host.memory.clone(), Arc::clone(&keys));
    volumes
        .expect_delete_volume()
        .once()
        .in_sequence(&mut order)
        .returning(move |permit, _| {
            asked.lock().unwrap().push(permit.key().to_owned());
            delete(&memory, permit)
        });
    let before = host.clock.monotonic();
    let report = run(&host, volumes, &host.journal, &NoKillSwitch).unwrap();
    assert_eq!((report.end.clone(), report.done()), (End::Done, 2));
    assert_eq!(host.clock.monotonic() - before, TimeDelta::seconds(14));
    // One act, asked for three times: one key.
    let keys = keys.lock().unwrap();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn throttled_for_good_it_gives_up_after_the_attempts_that_the_limits_allow() {
    let host = host();
    let mut volumes = MockVolumeActuator::new();
    volumes.expect_snapshot_volume().times(3).returning(|_, _| {
        Err(ProviderError::Throttled {
            retry_after: None,
            call: call(),
        })
    });
    let report = run(&host, volumes, &host.journal, &NoKillSwitch).unwrap();
    assert!(
        matches!(
            report.steps[..],
            [
                (
                    _,
                    StepResult::Finished {
                        outcome: Outcome::Failed { .. }
                    }
                ),
                (_, StepResult::Skipped { .. })
            ]
        ),
        "{report:#?}"
    );
}

/// A write that has nothing to do with the step changes the resource version.
#[test]
fn after_a_conflict_the_guards_judge_again_and_the_step_is_tried_a_few_times() {
    for conflicts in 0..4_usize {
        let host = host();
        let memory = host.memory.clone();
        let mut volumes = MockVolumeActuator::new();
        volumes
            .expect_snapshot_volume()
            .once()
            .returning(move |permit, _| snapshot(&memory, permit));
        let (memory, asked) = (host.memory.clone(), Mutex::new(0));
        volumes
            .expect_delete_volume()
            .times((conflicts + 1).min(3))
            .returning(move |permit, _| {
                let mut asked = asked.lock().unwrap();
                *asked += 1;
                if *asked > conflicts {
                    return delete(&memory, permit);
                }
                let call = Call::new("mock", "DeleteVolume").because("somebody wrote to it");
                Err(ProviderError::Conflict {
                    call: Box::new(call),
                })
            });
        let report = run(&host, volumes, &host.journal, &NoKillSwitch).unwrap();
        let done = if conflicts < 3 { 2 } else { 1 };
        assert_eq!(report.done(), done, "{report:#?}");
        if conflicts == 3 {
            let StepResult::Finished {
                outcome: Outcome::Stale { error },
            } = &report.steps[1].1
            else {
                panic!("{report:#?}")
            };
            // What the provider says is told with its cause.
            assert!(error.ends_with(": somebody wrote to it"), "{error}");
        }
    }
}

#[test]
fn when_the_intent_cannot_be_written_nothing_is_asked_for() {
    let host = host();
    let (mut journal, mut order) = (MockJournal::new(), Sequence::new());
    journal
        .expect_entries()
        .once()
        .in_sequence(&mut order)
        .returning(|| Ok(Vec::new()));
    journal
        .expect_append()
        .withf(|entry| matches!(entry, Entry::Begun { .. }))
        .once()
        .in_sequence(&mut order)
        .returning(|_| Ok(()));
    journal
        .expect_append()
        .withf(|entry| matches!(entry, Entry::Started { .. }))
        .once()
        .in_sequence(&mut order)
        .returning(|_| Err(JournalError::Write("no space left on device".to_owned())));
    // No actuator expects a call.
    let result = run(&host, MockVolumeActuator::new(), &journal, &NoKillSwitch);
    assert!(matches!(
        result,
        Err(ExecuteError::Journal(JournalError::Write(_)))
    ));
    assert_eq!(host.memory.acts(), []);
}

#[test]
fn a_journal_that_cannot_be_read_stops_everything_before_the_first_read() {
    let host = host();
    let mut journal = MockJournal::new();
    journal
        .expect_entries()
        .once()
        .returning(|| Err(JournalError::Read("line 3 is damaged".to_owned())));
    let result = run(&host, MockVolumeActuator::new(), &journal, &NoKillSwitch);
    assert!(matches!(
        result,
        Err(ExecuteError::Journal(JournalError::Read(_)))
    ));
    assert_eq!(host.memory.calls(), Vec::<String>::new());
}

#[test]
fn intent_act_and_outcome_come_in_that_order_for_each_step() {
    let host = host();
    let (mut journal, mut volumes) = (MockJournal::new(), MockVolumeActuator::new());
    let order = &mut Sequence::new();
    journal
        .expect_entries()
        .once()
        .in_sequence(order)
        .returning(|| Ok(Vec::new()));
    let written = |journal: &mut MockJournal, order: &mut Sequence, is: fn(&Entry) -> bool| {
        journal
            .expect_append()
            .withf(is)
            .once()
            .in_sequence(order)
            .returning(|_| Ok(()));
    };
    written(&mut journal, order, |e| matches!(e, Entry::Begun { .. }));
    written(&mut journal, order, |e| matches!(e, Entry::Started { .. }));
    let memory = host.memory.clone();
    volumes
        .expect_snapshot_volume()
        .once()
        .in_sequence(order)
        .returning(move |permit, _| snapshot(&memory, permit));
    written(&mut journal, order, |e| matches!(e, Entry::Finished { .. }));
    written(&mut journal, order, |e| matches!(e, Entry::Started { .. }));
    let memory = host.memory.clone();
    volumes
        .expect_delete_volume()
        .once()
        .in_sequence(order)
        .returning(move |permit, _| delete(&memory, permit));
    written(&mut journal, order, |e| matches!(e, Entry::Finished { .. }));
    written(&mut journal, order, |e| matches!(e, Entry::Ended { .. }));
    let report = run(&host, volumes, &journal, &NoKillSwitch).unwrap();
    assert_eq!(report.done(), 2, "{report:#?}");
}

#[test]
fn a_lost_answer_is_looked_up_and_the_act_is_not_asked_for_again() {
    let host = host();
    let mut volumes = MockVolumeActuator::new();
    let memory = host.memory.clone();
    volumes
        .expect_snapshot_volume()
        .once()
        .returning(move |permit, _| snapshot(&memory, permit));
    let memory = host.memory.clone();
    // A second call would fail the test: `once` is exact.
    volumes
        .expect_delete_volume()
        .once()
        .returning(move |permit, _| {
            delete(&memory, permit)?;
            Err(ProviderError::Unavailable { call: call() })
        });
    let report = run(&host, volumes, &host.journal, &NoKillSwitch).unwrap();
    assert!(matches!(
        report.steps[1].1,
        StepResult::Finished {
            outcome: Outcome::FoundApplied
        }
    ));
}

#[test]
fn a_denied_act_is_asked_for_once() {
    let host = host();
    let mut volumes = MockVolumeActuator::new();
    volumes.expect_snapshot_volume().once().returning(|_, _| {
        Err(ProviderError::PermissionDenied {
            permission: "ec2:CreateSnapshot".to_owned(),
            call: call(),
        })
    });
    let report = run(&host, volumes, &host.journal, &NoKillSwitch).unwrap();
    assert_eq!(report.done(), 0, "{report:#?}");
}

#[test]
fn a_brake_that_cannot_be_read_counts_as_pulled() {
    let host = host();
    let mut brake = MockKillSwitch::new();
    brake
        .expect_is_on()
        .once()
        .returning(|| Err(ProviderError::Unavailable { call: call() }));
    let report = run(&host, MockVolumeActuator::new(), &host.journal, &brake).unwrap();
    assert!(
        matches!(
            report.end,
            End::Aborted {
                because: Refusal::KillSwitchUnreadable { .. }
            }
        ),
        "{report:#?}"
    );
}
