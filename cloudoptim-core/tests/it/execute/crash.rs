//! Dying and failing at every place: the end is the same.

use super::{Fits, Host, undisturbed};
use cloudoptim_core::decision::Action;
use cloudoptim_core::execute::ExecuteError;
use cloudoptim_core::journal::{End, Entry, InMemoryJournal, Journal, JournalError};
use cloudoptim_core::memory::{Fault, FaultKind};
use cloudoptim_core::providers::NoKillSwitch;
use std::collections::BTreeSet;
use std::sync::Mutex;

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
    async fn id(&self) -> Result<String, JournalError> {
        self.inner.id().await
    }

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
