//! A lease in memory.

use crate::providers::{Call, Clock, Held, JournalMark, Lease, LeaseError, ProviderError};
use async_trait::async_trait;
use chrono::TimeDelta;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A lease in memory, as one process sees it. [`for_holder`](Self::for_holder)
/// gives it to another. The clock is the same for all, so nobody waits to see
/// whether a holder renews.
#[derive(Debug, Clone)]
pub struct InMemoryLease {
    shared: Arc<Mutex<Shared>>,
    clock: Arc<dyn Clock>,
    holder: String,
    lasts: TimeDelta,
}

#[derive(Debug, Default)]
struct Shared {
    holder: Option<String>,
    fence: u64,
    renewed: TimeDelta,
    known: Option<JournalMark>,
    is_down: bool,
}

impl InMemoryLease {
    /// A lease that nobody holds.
    pub fn new(clock: Arc<dyn Clock>, lasts: TimeDelta) -> Self {
        Self {
            shared: Arc::default(),
            clock,
            holder: "first".to_owned(),
            lasts,
        }
    }

    /// The same lease, for another process.
    #[must_use]
    pub fn for_holder(&self, holder: &str) -> Self {
        Self {
            holder: holder.to_owned(),
            ..self.clone()
        }
    }

    /// Makes it answer nobody, or everybody again.
    pub fn is_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// What it knows of the journal.
    pub fn known(&self) -> Option<JournalMark> {
        self.lock().known.clone()
    }

    /// Who holds it.
    pub fn holder(&self) -> Option<String> {
        self.lock().holder.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self, operation: &str) -> Result<MutexGuard<'_, Shared>, LeaseError> {
        let shared = self.lock();
        if shared.is_down {
            let call = Call::new("memory", operation).because("it is down");
            return Err(LeaseError::Unavailable(ProviderError::Unavailable {
                call: Box::new(call),
            }));
        }
        Ok(shared)
    }
}

#[async_trait]
impl Lease for InMemoryLease {
    async fn acquire(&self, mark: &JournalMark) -> Result<Held, LeaseError> {
        let now = self.clock.monotonic();
        let mut shared = self.asked("acquire")?;
        if let Some(known) = &shared.known {
            mark.follows(known)?;
        }
        if let Some(holder) = &shared.holder
            && now - shared.renewed < self.lasts
        {
            return Err(LeaseError::Taken {
                holder: holder.clone(),
            });
        }
        shared.holder = Some(self.holder.clone());
        shared.fence += 1;
        shared.renewed = now;
        shared.known = Some(mark.clone());
        Ok(Held {
            holder: self.holder.clone(),
            fence: shared.fence,
            lasts: self.lasts,
        })
    }

    async fn renew(&self, held: &Held, mark: &JournalMark) -> Result<(), LeaseError> {
        let now = self.clock.monotonic();
        let mut shared = self.asked("renew")?;
        if shared.fence != held.fence || shared.holder.as_ref() != Some(&held.holder) {
            return Err(LeaseError::Lost {
                holder: held.holder.clone(),
                by: shared.holder.clone().unwrap_or_else(|| "nobody".to_owned()),
            });
        }
        shared.renewed = now;
        shared.known = Some(mark.clone());
        Ok(())
    }

    async fn release(&self, held: &Held) -> Result<(), LeaseError> {
        let mut shared = self.asked("release")?;
        if shared.fence == held.fence {
            shared.holder = None;
        }
        Ok(())
    }
}
