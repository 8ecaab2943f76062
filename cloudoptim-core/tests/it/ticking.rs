//! Deadlines by a clock that counts how often it is looked at: the same moment in
//! every run.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::providers::{Clock, Deadline};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that goes on a millisecond with each look.
#[derive(Debug, Default)]
pub(crate) struct Ticking(AtomicI64);

impl Ticking {
    /// How often it was looked at.
    pub(crate) fn looks(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.0.fetch_add(1, Ordering::SeqCst))
    }

    async fn sleep(&self, _: TimeDelta) {}
}

/// A deadline that has passed at the `look`-th look, counted from 1.
pub(crate) fn passed_at(look: i64) -> (Arc<Ticking>, Deadline) {
    let clock = Arc::new(Ticking::default());
    let deadline = Deadline::after(clock.clone(), TimeDelta::milliseconds(look));
    (clock, deadline)
}

/// What `work` gives on one thread, where looks come in one order.
#[cfg(feature = "parallel")]
pub(crate) fn alone<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    static POOL: std::sync::LazyLock<rayon::ThreadPool> = std::sync::LazyLock::new(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
        pool.build().unwrap()
    });
    POOL.install(work)
}

/// What `work` gives.
#[cfg(not(feature = "parallel"))]
pub(crate) fn alone<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[test]
fn a_deadline_passes_once_and_for_all() {
    let (clock, deadline) = passed_at(3);
    let seen: Vec<bool> = (0..5).map(|_| deadline.has_passed()).collect();
    assert_eq!(seen, [false, false, true, true, true]);
    assert_eq!(clock.looks(), 6);
    for (span, passed) in [
        (TimeDelta::MIN, true),
        (TimeDelta::zero(), true),
        (TimeDelta::MAX, false),
    ] {
        let late = Deadline::after(Arc::new(Ticking::default()), span);
        assert_eq!(late.has_passed(), passed, "{span}");
        // Neither end of time is passed by adding to it.
        let clock = Arc::new(Ticking(AtomicI64::new(1_000_000)));
        assert_eq!(Deadline::after(clock, span).has_passed(), passed, "{span}");
    }
}
