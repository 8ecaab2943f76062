//! Repeats reads. Nothing here can repeat a change.

use super::client::{Reader, Reviewer};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use cloudoptim_core::model::ClusterUid;
use cloudoptim_core::providers::{Clock, ProviderError};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often and how long to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// Requests in all. Default 5, at least 1.
    pub attempts: u32,
    /// First wait. Default 250 ms; every further one is twice as long.
    pub first: TimeDelta,
    /// Longest wait, also when the server asks for a longer one: then the error
    /// comes back at once. Default 30 s.
    pub longest: TimeDelta,
    /// Seed of the jitter. Two readers that start together should not have the
    /// same one.
    pub seed: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            first: TimeDelta::milliseconds(250),
            longest: TimeDelta::seconds(30),
            seed: u64::from(std::process::id()),
        }
    }
}

/// A reader that asks again where the same question may be answered later:
/// after "too many requests" and after no answer. It waits as long as the
/// server says, else between half and all of a span that doubles.
#[derive(Debug)]
pub struct Retrying<R> {
    inner: R,
    clock: Arc<dyn Clock>,
    patience: Patience,
    state: AtomicU64,
}

impl<R> Retrying<R> {
    /// Around that reader.
    pub fn new(inner: R, clock: Arc<dyn Clock>, patience: Patience) -> Self {
        Self {
            inner,
            clock,
            patience,
            state: AtomicU64::new(patience.seed),
        }
    }

    /// The next pseudo-random number (SplitMix64): only spreads waits.
    fn random(&self) -> u64 {
        let gamma = 0x9E37_79B9_7F4A_7C15;
        let mut z = self
            .state
            .fetch_add(gamma, Ordering::Relaxed)
            .wrapping_add(gamma);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// How long to wait after that many attempts; `None` to give up.
    fn wait(&self, attempts: u32, error: &ProviderError) -> Option<TimeDelta> {
        if !error.is_retryable() || attempts >= self.patience.attempts {
            return None;
        }
        let factor = 1_i32
            .checked_shl(attempts.saturating_sub(1).min(20))
            .unwrap_or(1);
        let span = self
            .patience
            .first
            .checked_mul(factor)?
            .min(self.patience.longest);
        let half = span.num_milliseconds().div_euclid(2).max(0);
        let extra = self
            .random()
            .checked_rem(half.unsigned_abs().saturating_add(1))?;
        let jittered = half.saturating_add(i64::try_from(extra).ok()?);
        let own = TimeDelta::try_milliseconds(jittered)?;
        match error {
            ProviderError::Throttled {
                retry_after: Some(after),
                ..
            } if *after > self.patience.longest => None,
            ProviderError::Throttled {
                retry_after: Some(after),
                ..
            } => Some((*after).max(own)),
            _ => Some(own),
        }
    }

    async fn persist<F>(&self, what: &str, ask: impl Fn() -> F) -> Result<Bytes, ProviderError>
    where
        F: Future<Output = Result<Bytes, ProviderError>>,
    {
        let mut attempts: u32 = 0;
        loop {
            let error = match ask().await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            attempts = attempts.saturating_add(1);
            let Some(wait) = self.wait(attempts, &error) else {
                return Err(error);
            };
            tracing::debug!(what, attempts, %error, wait_ms = wait.num_milliseconds(), "asking again");
            self.clock.sleep(wait).await;
        }
    }
}

#[async_trait]
impl<R: Reader> Reader for Retrying<R> {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        self.persist(path, || self.inner.get(path, query)).await
    }

    fn pinned_cluster(&self) -> Option<&ClusterUid> {
        self.inner.pinned_cluster()
    }
}

#[async_trait]
impl<R: Reviewer> Reviewer for Retrying<R> {
    async fn review(&self, body: Vec<u8>) -> Result<Bytes, ProviderError> {
        self.persist("access review", || self.inner.review(body.clone()))
            .await
    }
}
