//! Time and the emergency brake: inputs like the others.

use super::ProviderError;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::fmt;

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
