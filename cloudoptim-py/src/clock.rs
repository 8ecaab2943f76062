//! The time, for deadlines: the core reads no clock.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::providers::Clock;
use std::time::Instant;

/// A stopwatch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch(Instant);

impl Watch {
    /// Starts now.
    #[allow(clippy::disallowed_methods)] // the core reads no clock: this one is what a deadline is told by
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for Watch {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> TimeDelta {
        TimeDelta::from_std(self.0.elapsed()).unwrap_or(TimeDelta::MAX)
    }

    async fn sleep(&self, span: TimeDelta) {
        std::thread::sleep(span.to_std().unwrap_or_default());
    }
}
