//! One writer at a time, and one that remembers everything.
//!
//! A journal keeps two runs on one machine apart. A [`Lease`] keeps them apart
//! wherever they run, and it knows how far the journal had come: whoever comes
//! back with a journal that was lost or restored from a backup does not act.

use super::ProviderError;
use async_trait::async_trait;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a journal has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalMark {
    /// Name of the journal.
    pub journal: String,
    /// Entries that it holds.
    pub entries: u64,
}

impl JournalMark {
    /// Whether a journal that is here may go on where one was `known` to be.
    ///
    /// # Errors
    /// [`LeaseError::AnotherJournal`] and [`LeaseError::JournalBehind`].
    pub fn follows(&self, known: &Self) -> Result<(), LeaseError> {
        if self.journal != known.journal {
            return Err(LeaseError::AnotherJournal {
                known: known.clone(),
                found: self.clone(),
            });
        }
        if self.entries < known.entries {
            return Err(LeaseError::JournalBehind {
                known: known.clone(),
                found: self.clone(),
            });
        }
        Ok(())
    }
}

impl fmt::Display for JournalMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal {} with {} entries", self.journal, self.entries)
    }
}

/// A lease that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who has it.
    pub holder: String,
    /// Higher than that of every holder before: what carries a higher one was
    /// written by a later holder.
    pub fence: u64,
    /// How long it lasts without being renewed.
    pub lasts: TimeDelta,
}

/// Why a lease is not held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("the lease is held by {holder}")]
    Taken {
        /// Who.
        holder: String,
    },
    /// It was held, and somebody else has it.
    #[error("the lease of {holder} was taken by {by}")]
    Lost {
        /// Who had it.
        holder: String,
        /// Who has it.
        by: String,
    },
    /// It was not renewed in time, so somebody else may have it.
    #[error("the lease was not renewed for {seconds} s: {why}")]
    Lapsed {
        /// Since when.
        seconds: i64,
        /// What kept it from being renewed.
        why: String,
    },
    /// The lease knows another journal. What was done may not be in this one.
    #[error("the lease knows {known}, and this is {found}")]
    AnotherJournal {
        /// What the lease knows.
        known: JournalMark,
        /// What is here.
        found: JournalMark,
    },
    /// The journal has lost entries.
    #[error("the lease knows {known}, and here are {}: entries are lost", .found.entries)]
    JournalBehind {
        /// What the lease knows.
        known: JournalMark,
        /// What is here.
        found: JournalMark,
    },
    /// Nobody answers.
    #[error("the lease cannot be asked for")]
    Unavailable(#[source] ProviderError),
}

/// Lets one holder act at a time.
///
/// [`execute`](crate::execute::execute) takes it before anything, renews it
/// while it works and right before each act, and stops when two thirds of it
/// have passed since it was renewed.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Lease: fmt::Debug + Send + Sync {
    /// Takes the lease, which nobody holds, or whose holder has not renewed it
    /// for as long as it lasts. That is measured here, not read off a clock of
    /// the holder's, so it may take as long.
    ///
    /// # Errors
    /// [`LeaseError::Taken`] while somebody holds it; when `mark` does not
    /// [follow](JournalMark::follows) what the lease knows; or
    /// [`LeaseError::Unavailable`]. Nothing has changed then.
    async fn acquire(&self, mark: &JournalMark) -> Result<Held, LeaseError>;

    /// Renews what is held, and notes how far the journal has come. Another call
    /// of the same holder may be under way.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when somebody else has it, and
    /// [`LeaseError::Unavailable`] when nobody answers: it may be asked again.
    async fn renew(&self, held: &Held, mark: &JournalMark) -> Result<(), LeaseError>;

    /// Gives back what is held, if it still is. What it knows of the journal stays.
    ///
    /// # Errors
    /// [`LeaseError::Unavailable`]: it lapses by itself then.
    async fn release(&self, held: &Held) -> Result<(), LeaseError>;
}
