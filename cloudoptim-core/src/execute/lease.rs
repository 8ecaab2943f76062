//! Holding the lease while a plan is executed.

use super::race::{First, first};
use crate::journal::{History, Journal, JournalError};
use crate::providers::{Clock, Held, JournalMark, Lease, LeaseError};
use chrono::{DateTime, TimeDelta, Utc};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// The parts of its span after which a lease is renewed, asked for again when
/// nobody answers, and no longer acted under: a quarter, a twelfth, two thirds.
const RENEW: i32 = 4;
const ASK_AGAIN: i32 = 12;

fn stop_at(lasts: TimeDelta) -> TimeDelta {
    lasts * 2 / 3
}

/// How far the journal has come.
pub(super) async fn mark(
    journal: &dyn Journal,
    history: &History,
) -> Result<JournalMark, JournalError> {
    Ok(JournalMark {
        journal: journal.id().await?,
        entries: history.len(),
    })
}

/// A lease that is held and renewed.
#[derive(Debug)]
pub(super) struct Keeper<'a> {
    lease: &'a dyn Lease,
    clock: &'a dyn Clock,
    held: Held,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mark: JournalMark,
    /// When the last renewal that was answered was sent.
    renewed: Moment,
    /// Why it was not renewed since.
    why: String,
}

/// Nothing was asked for, although it was time to.
const STOOD_STILL: &str = "this process stood still";

#[derive(Debug, Clone, Copy)]
struct Moment {
    monotonic: TimeDelta,
    wall: DateTime<Utc>,
}

impl Moment {
    fn now(clock: &dyn Clock) -> Self {
        Self {
            monotonic: clock.monotonic(),
            wall: clock.now(),
        }
    }

    /// By the clock that says more: a monotonic one may stand still while the
    /// machine sleeps.
    fn age(self, clock: &dyn Clock) -> TimeDelta {
        let by_wall = clock.now().signed_duration_since(self.wall);
        by_wall.max(clock.monotonic() - self.monotonic)
    }
}

impl<'a> Keeper<'a> {
    pub(super) async fn take(
        lease: &'a dyn Lease,
        clock: &'a dyn Clock,
        mark: JournalMark,
    ) -> Result<Self, LeaseError> {
        let held = lease.acquire(&mark).await?;
        // It may have been a long wait: what is held counts from a renewal.
        let renewed = Moment::now(clock);
        lease.renew(&held, &mark).await?;
        Ok(Self {
            lease,
            clock,
            held,
            state: Mutex::new(State {
                mark,
                renewed,
                why: STOOD_STILL.to_owned(),
            }),
        })
    }

    pub(super) const fn fence(&self) -> u64 {
        self.held.fence
    }

    /// The journal has come so far.
    pub(super) fn written(&self, entries: u64) {
        self.state().mark.entries = entries;
    }

    /// Renews it right before an act, so that it knows of the act's intent.
    pub(super) async fn confirm(&self) -> Result<(), LeaseError> {
        self.renew_in_time().await
    }

    /// Does `work` as long as the lease is held. It is dropped when it is not.
    pub(super) async fn while_held<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, LeaseError> {
        let (mut work, mut keeping) = (pin!(work), pin!(self.keep()));
        poll_fn(|context| {
            // First of all: this process may have stood still.
            if let Err(lapsed) = self.in_time() {
                return Poll::Ready(Err(lapsed));
            }
            if let Poll::Ready(lost) = keeping.as_mut().poll(context) {
                return Poll::Ready(Err(lost));
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }

    /// Gives it back. It lapses by itself where nobody answers.
    pub(super) async fn release(&self) {
        let _ = self.lease.release(&self.held).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> TimeDelta {
        let renewed = self.state().renewed;
        stop_at(self.held.lasts) - renewed.age(self.clock)
    }

    fn in_time(&self) -> Result<TimeDelta, LeaseError> {
        let left = self.left();
        if left > TimeDelta::zero() {
            return Ok(left);
        }
        Err(LeaseError::Lapsed {
            seconds: (stop_at(self.held.lasts) - left).num_seconds(),
            why: self.state().why.clone(),
        })
    }

    async fn renew_in_time(&self) -> Result<(), LeaseError> {
        loop {
            let left = self.in_time()?;
            self.state().why = "nobody answers".to_owned();
            let (sent, mark) = (Moment::now(self.clock), self.state().mark.clone());
            let asked = self.lease.renew(&self.held, &mark);
            match first(asked, self.clock.sleep(left)).await {
                First::One(Ok(())) => {
                    let mut state = self.state();
                    state.renewed = sent;
                    state.why = STOOD_STILL.to_owned();
                    return Ok(());
                }
                First::One(Err(LeaseError::Unavailable(error))) => {
                    self.state().why = super::attempt::said(&error);
                    let pause = self.held.lasts / ASK_AGAIN;
                    self.clock.sleep(pause.min(self.in_time()?)).await;
                }
                First::One(Err(lost)) => return Err(lost),
                First::Other(()) => {}
            }
        }
    }

    /// Renews it over and over; ends when it is lost.
    async fn keep(&self) -> LeaseError {
        loop {
            self.clock.sleep(self.held.lasts / RENEW).await;
            if let Err(lost) = self.renew_in_time().await {
                return lost;
            }
            // Whatever the clock is like, the work has its turn.
            pause().await;
        }
    }
}

/// Lets others run.
async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
