//! The host's clock, behind the core's [`Clock`].

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::providers::Clock;
use std::time::{Instant, SystemTime};

/// The clock of the machine; it waits on tokio's timer.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    // The adapter is where time comes in.
    #[allow(clippy::disallowed_methods)]
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for SystemClock {
    // The adapter is where time comes in.
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> DateTime<Utc> {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> TimeDelta {
        TimeDelta::from_std(self.start.elapsed()).unwrap_or(TimeDelta::MAX)
    }

    async fn sleep(&self, span: TimeDelta) {
        tokio::time::sleep(span.to_std().unwrap_or_default()).await;
    }
}
