//! Time and the emergency brake: inputs like the others.

use super::ProviderError;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::fmt;
use std::sync::Arc;

/// Tells the time and waits.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// Wall clock. It may jump; only for what is compared across processes.
    fn now(&self) -> DateTime<Utc>;

    /// Time since an arbitrary start. It never goes back, and it goes on while
    /// the process is stopped. Ages of reads are measured with it.
    fn monotonic(&self) -> TimeDelta;

    /// Waits. May be cancelled at any time.
    async fn sleep(&self, span: TimeDelta);
}

/// A moment at which work that could go on has to end with what it has.
///
/// What is found in time depends on the machine. Without a deadline the same input
/// gives the same bytes: work is limited by counts.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use cloudoptim_core::memory::ManualClock;
/// use cloudoptim_core::providers::Deadline;
/// use std::sync::Arc;
///
/// let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
/// let deadline = Deadline::after(clock.clone(), TimeDelta::seconds(2));
/// assert!(!deadline.has_passed());
/// clock.advance(TimeDelta::seconds(2));
/// assert!(deadline.has_passed());
/// ```
#[derive(Debug, Clone)]
pub struct Deadline {
    clock: Arc<dyn Clock>,
    /// By the clock's [`monotonic`](Clock::monotonic) time.
    at: TimeDelta,
}

impl Deadline {
    /// So long after now. A span of zero or less has passed already.
    pub fn after(clock: Arc<dyn Clock>, span: TimeDelta) -> Self {
        let now = clock.monotonic();
        let at = now
            .checked_add(&span)
            .unwrap_or(if span < TimeDelta::zero() {
                TimeDelta::MIN
            } else {
                TimeDelta::MAX
            });
        Self { clock, at }
    }

    /// When a part of the work has to end that may take `some` of `parts` equal parts
    /// of what is left of the time.
    pub(crate) fn share(&self, some: i32, parts: i32) -> Self {
        let now = self.clock.monotonic();
        let Some(left) = self.at.checked_sub(&now) else {
            // So far away, on either side, that a part of it is, too.
            return self.clone();
        };
        let part = left.checked_div(parts.max(1)).unwrap_or(left);
        let part = part.checked_mul(some).unwrap_or(left);
        Self {
            clock: self.clock.clone(),
            at: now.checked_add(&part).unwrap_or(TimeDelta::MAX),
        }
    }

    /// Whether it is over.
    pub fn has_passed(&self) -> bool {
        self.clock.monotonic() >= self.at
    }
}

/// The emergency brake: a flag that an operator can set anywhere.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait KillSwitch: fmt::Debug + Send + Sync {
    /// Whether to stop. Read before every step, so it takes effect within one.
    ///
    /// # Errors
    /// Any error counts as "stop".
    async fn is_on(&self) -> Result<bool, ProviderError>;
}

/// No brake beside those that the host has.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKillSwitch;

#[async_trait]
impl KillSwitch for NoKillSwitch {
    async fn is_on(&self) -> Result<bool, ProviderError> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ManualClock;

    #[test]
    fn shares_of_what_is_long_past_or_far_away_are_so_too() {
        let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
        let after = |span| Deadline::after(clock.clone(), span);
        clock.advance(TimeDelta::days(30_000));
        for (span, passed) in [
            (TimeDelta::MIN, true),
            (TimeDelta::seconds(-1), true),
            (TimeDelta::zero(), true),
            (TimeDelta::seconds(9), false),
            (TimeDelta::MAX, false),
        ] {
            let whole = after(span);
            assert_eq!(whole.has_passed(), passed, "{span}");
            for (some, parts) in [(1, 2), (3, 4), (1, 1), (1, 1_000)] {
                let share = whole.share(some, parts);
                assert_eq!(share.has_passed(), passed, "{span} {some}/{parts}");
            }
        }
    }
}
