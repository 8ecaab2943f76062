//! One process acts at a time, and with the journal that remembers everything.

use super::{Fits, Host, approval, undisturbed};
use crate::fixtures::at;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::decision::Action;
use cloudoptim_core::execute::{Environment, ExecuteError, Report, execute};
use cloudoptim_core::guard::ApprovedPlan;
use cloudoptim_core::journal::{End, Entry, InMemoryJournal, Journal, JournalError, Outcome};
use cloudoptim_core::memory::{Fault, FaultKind, InMemory, InMemoryLease};
use cloudoptim_core::providers::{Clock, Held, JournalMark, Lease, LeaseError, NoKillSwitch};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Time that goes on to the next sleeper when everybody sleeps.
#[derive(Debug)]
struct Simulated {
    start: DateTime<Utc>,
    gone: Mutex<TimeDelta>,
    sleepers: Mutex<Vec<TimeDelta>>,
}

impl Simulated {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            start: at(super::NOW),
            gone: Mutex::new(TimeDelta::zero()),
            sleepers: Mutex::default(),
        })
    }

    fn advance(&self, span: TimeDelta) {
        *self.gone.lock().unwrap() += span;
    }

    /// Runs until it is done, or until nobody sleeps or a day has gone.
    fn run<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        loop {
            self.sleepers.lock().unwrap().clear();
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(output) = polled {
                return Some(output);
            }
            if woken.0.swap(false, Ordering::Relaxed) {
                continue; // it only let others run
            }
            let next = self.sleepers.lock().unwrap().iter().min().copied();
            let mut gone = self.gone.lock().unwrap();
            match next {
                Some(next) if *gone < TimeDelta::days(1) => *gone = next.max(*gone),
                _ => return None,
            }
        }
    }
}

#[async_trait]
impl Clock for Simulated {
    fn now(&self) -> DateTime<Utc> {
        self.start + self.monotonic()
    }

    fn monotonic(&self) -> TimeDelta {
        *self.gone.lock().unwrap()
    }

    async fn sleep(&self, span: TimeDelta) {
        let until = self.monotonic() + span;
        std::future::poll_fn(|_| {
            if self.monotonic() >= until {
                return Poll::Ready(());
            }
            self.sleepers.lock().unwrap().push(until);
            Poll::Pending
        })
        .await;
    }
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A host whose time is simulated, so that a lease is renewed while it waits.
struct Leased {
    host: Host,
    clock: Arc<Simulated>,
    lease: InMemoryLease,
    journal: InMemoryJournal,
}

impl Leased {
    fn new() -> Self {
        let host = Host::new();
        let clock = Simulated::new();
        let memory = InMemory::new(host.memory.world(), clock.clone());
        let lease = InMemoryLease::new(clock.clone(), TimeDelta::seconds(15));
        Self {
            host: Host { memory, ..host },
            clock,
            lease,
            journal: InMemoryJournal::default(),
        }
    }

    fn with_fault(mut self, fault: Fault) -> Self {
        self.host = self.host.with_fault(fault);
        self
    }

    fn run_with(
        &self,
        lease: &dyn Lease,
        journal: &dyn Journal,
    ) -> Option<Result<Report, ExecuteError>> {
        let (sources, actuators) = (self.host.memory.sources(), self.host.memory.actuators());
        let environment = Environment {
            sources: &sources,
            actuators: &actuators,
            journal,
            clock: &*self.clock,
            kill_switch: &NoKillSwitch,
            placement: &Fits,
            limits: &self.host.limits,
            gate: None,
            lease: Some(lease),
        };
        let plan = self.host.plan.clone();
        let by = approval(&plan);
        let approved = ApprovedPlan::new(plan, by).unwrap();
        self.clock.run(execute(approved, &environment))
    }

    fn run(&self) -> Result<Report, ExecuteError> {
        self.run_with(&self.lease, &self.journal).expect("it ends")
    }

    fn entries(&self) -> Vec<Entry> {
        self.clock.run(self.journal.entries()).unwrap().unwrap()
    }
}

#[test]
fn it_is_held_through_waits_that_are_longer_and_given_back() {
    let leased = Leased::new();
    let report = leased.run().unwrap();
    assert_eq!((&report.end, report.done()), (&End::Done, 10));
    assert_eq!(leased.host.outcome(), undisturbed().0);
    assert!(
        leased.clock.monotonic() >= TimeDelta::seconds(300),
        "it baked"
    );
    assert_eq!(leased.lease.holder(), None);
}

/// Looks at what the lease knows whenever an act is sent.
#[derive(Debug)]
struct Watched {
    lease: InMemoryLease,
    memory: InMemory,
    journal: InMemoryJournal,
    checked: Mutex<usize>,
}

#[async_trait]
impl Lease for Watched {
    async fn acquire(&self, mark: &JournalMark) -> Result<Held, LeaseError> {
        self.lease.acquire(mark).await
    }

    async fn renew(&self, held: &Held, mark: &JournalMark) -> Result<(), LeaseError> {
        self.lease.renew(held, mark).await?;
        let entries = self.journal.entries().await.unwrap();
        let open = matches!(entries.last(), Some(Entry::Started { .. }));
        if open {
            // An intent without its act: the lease knows it before the act.
            assert_eq!(mark.entries, entries.len() as u64);
            let mut checked = self.checked.lock().unwrap();
            assert!(self.memory.acts().len() <= *checked, "acted before");
            *checked += 1;
        }
        Ok(())
    }

    async fn release(&self, held: &Held) -> Result<(), LeaseError> {
        self.lease.release(held).await
    }
}

#[test]
fn i11_the_lease_knows_of_each_intent_before_its_act() {
    let leased = Leased::new();
    let watched = Watched {
        lease: leased.lease.clone(),
        memory: leased.host.memory.clone(),
        journal: leased.journal.clone(),
        checked: Mutex::new(0),
    };
    let report = leased.run_with(&watched, &leased.journal).unwrap().unwrap();
    assert_eq!(report.done(), 10);
    assert!(*watched.checked.lock().unwrap() >= 10);
}

#[test]
fn e06_while_another_process_holds_it_nothing_is_read_or_done() {
    let leased = Leased::new();
    let other = leased.lease.for_holder("other");
    let mark = JournalMark {
        journal: "j".to_owned(),
        entries: 0,
    };
    // Its journal is the same one, so only the holder differs.
    let id = leased.clock.run(leased.journal.id()).unwrap().unwrap();
    let mark = JournalMark {
        journal: id,
        ..mark
    };
    leased.clock.run(other.acquire(&mark)).unwrap().unwrap();
    let error = leased.run().unwrap_err();
    assert_eq!(error.to_string(), "the lease is held by other");
    assert_eq!(
        (leased.host.memory.calls().len(), leased.entries().len()),
        (0, 0)
    );
    // It lapses.
    leased.clock.advance(TimeDelta::seconds(15));
    assert_eq!(leased.run().unwrap().done(), 10);
}

/// Somebody takes the lease while a call is under way that never returns.
#[test]
fn e08_a_stolen_lease_ends_what_is_under_way_and_the_next_run_takes_it_up() {
    let leased = Leased::new().with_fault(Fault::once("drain_node", 0, FaultKind::HangsAfter));
    #[derive(Debug)]
    struct Stolen(InMemoryLease, Arc<Simulated>);
    #[async_trait]
    impl Lease for Stolen {
        async fn acquire(&self, mark: &JournalMark) -> Result<Held, LeaseError> {
            self.0.acquire(mark).await
        }

        async fn renew(&self, held: &Held, mark: &JournalMark) -> Result<(), LeaseError> {
            if self.1.monotonic() > TimeDelta::seconds(400) {
                let holder = held.holder.clone();
                return Err(LeaseError::Lost {
                    holder,
                    by: "thief".to_owned(),
                });
            }
            self.0.renew(held, mark).await
        }

        async fn release(&self, _: &Held) -> Result<(), LeaseError> {
            panic!("what is lost is not given back")
        }
    }
    let stolen = Stolen(leased.lease.clone(), leased.clock.clone());
    let run = leased.run_with(&stolen, &leased.journal);
    let error = run.unwrap().unwrap_err();
    assert!(
        matches!(&error, ExecuteError::Lease(LeaseError::Lost { by, .. }) if by == "thief"),
        "{error}"
    );
    assert!(
        !leased
            .entries()
            .iter()
            .any(|e| matches!(e, Entry::Ended { .. })),
        "it can be taken up"
    );
    leased.clock.advance(TimeDelta::seconds(15));
    leased.host.memory.heal();
    assert_eq!(leased.run().unwrap().end, End::Done);
    assert_eq!(leased.host.outcome(), undisturbed().0);
    leased.host.memory.acts().iter().for_each(|act| {
        let same = leased.host.memory.acts();
        let times = same.iter().filter(|a| a.key == act.key).count();
        assert_eq!(times, 1, "{}", act.action);
    });
}

/// E08 and E17: nobody answers for the lease while a call is under way.
#[test]
fn e17_a_call_that_outlives_two_thirds_of_the_lease_is_dropped() {
    #[derive(Debug)]
    struct Down {
        lease: InMemoryLease,
        clock: Arc<Simulated>,
        memory: InMemory,
        last: Mutex<TimeDelta>,
        hangs: bool,
    }
    #[async_trait]
    impl Lease for Down {
        async fn acquire(&self, mark: &JournalMark) -> Result<Held, LeaseError> {
            self.lease.acquire(mark).await
        }

        async fn renew(&self, held: &Held, mark: &JournalMark) -> Result<(), LeaseError> {
            // Down as soon as the drain hangs.
            if self.memory.calls().iter().any(|c| c == "drain_node") {
                if self.hangs {
                    std::future::pending::<()>().await;
                }
                self.lease.is_down(true);
            } else {
                *self.last.lock().unwrap() = self.clock.monotonic();
            }
            self.lease.renew(held, mark).await
        }

        async fn release(&self, held: &Held) -> Result<(), LeaseError> {
            self.lease.release(held).await
        }
    }
    for hangs in [false, true] {
        let fault = Fault::once("drain_node", 0, FaultKind::HangsBefore);
        let leased = Leased::new().with_fault(fault);
        let down = Down {
            lease: leased.lease.clone(),
            clock: leased.clock.clone(),
            memory: leased.host.memory.clone(),
            last: Mutex::default(),
            hangs,
        };
        let error = leased
            .run_with(&down, &leased.journal)
            .unwrap()
            .unwrap_err();
        let ExecuteError::Lease(LeaseError::Lapsed { seconds, why }) = &error else {
            panic!("{error}")
        };
        assert_eq!(*seconds, 10, "two thirds of 15 s: {why}");
        let dropped = leased.clock.monotonic() - *down.last.lock().unwrap();
        assert_eq!(dropped, TimeDelta::seconds(10));
        let expected = if hangs {
            "nobody answers"
        } else {
            "it is down"
        };
        assert!(why.contains(expected), "{why}");
        leased.lease.is_down(false);
        leased.clock.advance(TimeDelta::seconds(15));
        leased.host.memory.heal();
        assert_eq!(leased.run().unwrap().end, End::Done);
        assert_eq!(leased.host.outcome(), undisturbed().0);
    }
}

/// E07: the process stands still between the intent and the act.
#[test]
fn e07_a_process_that_stood_still_acts_no_more() {
    #[derive(Debug)]
    struct Still(InMemoryJournal, Arc<Simulated>, bool);
    #[async_trait]
    impl Journal for Still {
        async fn id(&self) -> Result<String, JournalError> {
            self.0.id().await
        }

        async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
            self.0.append(entry).await?;
            let is_drain = matches!(entry, Entry::Started { action, .. }
                if matches!(**action, Action::DrainNode { .. }));
            if is_drain && self.2 {
                self.1.advance(TimeDelta::seconds(20));
            }
            Ok(())
        }

        async fn entries(&self) -> Result<Vec<Entry>, JournalError> {
            self.0.entries().await
        }
    }
    let leased = Leased::new();
    let still = Still(leased.journal.clone(), leased.clock.clone(), true);
    let error = leased.run_with(&leased.lease, &still).unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            ExecuteError::Lease(LeaseError::Lapsed { seconds: 20, .. })
        ),
        "{error}"
    );
    let calls = leased.host.memory.calls();
    assert!(!calls.iter().any(|c| c == "drain_node"), "nothing was sent");
    let said = leased.entries();
    assert!(
        matches!(said.last(), Some(Entry::Finished { outcome: Outcome::Failed { error }, .. })
            if error.starts_with("nothing was sent: the lease was not renewed for 20 s")),
        "{:#?}",
        said.last()
    );
    assert_eq!(leased.run().unwrap().end, End::Done);
    assert_eq!(leased.host.outcome(), undisturbed().0);
}

/// E16: a journal that was lost, restored, or is another one.
#[test]
fn e16_with_a_journal_that_has_lost_entries_nothing_is_done() {
    let leased = Leased::new().with_fault(Fault::once("delete_volume", 0, FaultKind::HangsAfter));
    // It dies in the middle.
    assert!(leased.run_with(&leased.lease, &leased.journal).is_none());
    leased.host.memory.heal();
    leased.clock.advance(TimeDelta::days(1));
    let acts = leased.host.memory.acts().len();
    assert!(acts > 0);
    let lost = InMemoryJournal::default();
    let error = leased.run_with(&leased.lease, &lost).unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            ExecuteError::Lease(LeaseError::AnotherJournal { .. })
        ),
        "{error}"
    );
    assert_eq!(leased.clock.run(lost.entries()).unwrap().unwrap(), []);
    /// The same journal, of a while ago.
    #[derive(Debug)]
    struct Restored(InMemoryJournal, usize);
    #[async_trait]
    impl Journal for Restored {
        async fn id(&self) -> Result<String, JournalError> {
            self.0.id().await
        }

        async fn append(&self, _: &Entry) -> Result<(), JournalError> {
            panic!("nothing is written")
        }

        async fn entries(&self) -> Result<Vec<Entry>, JournalError> {
            let mut entries = self.0.entries().await?;
            entries.truncate(self.1);
            Ok(entries)
        }
    }
    // All but the intent of the act that was under way.
    let restored = Restored(leased.journal.clone(), leased.entries().len() - 1);
    let error = leased
        .run_with(&leased.lease, &restored)
        .unwrap()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, ExecuteError::Lease(LeaseError::JournalBehind { .. }))
            && text.ends_with("entries are lost"),
        "{text}"
    );
    assert_eq!(leased.host.memory.acts().len(), acts);
}
