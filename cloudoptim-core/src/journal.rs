//! What was meant to be done, and what came of it, written down in that order.
//!
//! An intent is durable before its call, and the outcome after it. So a crash
//! leaves at most one intent without an outcome, and the next run asks the
//! provider about it instead of doing it again blindly.

use crate::decision::{Action, Undo};
use crate::guard::{Approval, Charge, Refusal};
use crate::model::ClusterUid;
use crate::plan::{Fingerprint, Step, StepId};
use crate::providers::Baseline;
use crate::version::Version;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Done.
    Applied,
    /// Nobody saw the answer, and a later read shows that it is done.
    FoundApplied,
    /// What it should take away is gone already.
    AlreadyGone,
    /// The resource has changed since; nothing was done.
    Stale {
        /// The provider's words.
        error: String,
    },
    /// The provider refused; nothing was done.
    Failed {
        /// The provider's words.
        error: String,
    },
    /// Nobody knows whether it was done, and reading does not tell.
    Unclear {
        /// What is known.
        what: String,
    },
}

impl Outcome {
    /// Whether what the step wants is so.
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Applied | Self::FoundApplied | Self::AlreadyGone)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => f.write_str("done"),
            Self::FoundApplied => f.write_str("found done"),
            Self::AlreadyGone => f.write_str("already gone"),
            Self::Stale { error } => write!(f, "changed since: {error}"),
            Self::Failed { error } => write!(f, "failed: {error}"),
            Self::Unclear { what } => write!(f, "unclear: {what}"),
        }
    }
}

/// How the execution of a plan ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "end", rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// Every step is done, or was refused or failed without effect, with the
    /// steps that depend on it.
    Done,
    /// The plan as a whole was stopped.
    Aborted {
        /// By which guard.
        because: Refusal,
    },
    /// A person has to look: something is unclear, or could not be undone. The
    /// plan can be taken up again with a new approval.
    NeedsHuman {
        /// What to look at.
        why: String,
    },
}

/// How far the history of each cluster had come:
/// [`Provenance::revision`](crate::knowledge::Provenance::revision).
pub type Revisions = BTreeMap<ClusterUid, u64>;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "entry", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Entry {
    /// A plan is executed from here on. Its approval is used.
    Begun {
        /// Version of this JSON; another one is refused.
        version: Version<Self>,
        /// When.
        at: DateTime<Utc>,
        /// Who approved what.
        approval: Approval,
    },
    /// How things were before the plan's first act.
    Before {
        /// Version of this JSON; another one is refused.
        version: Version<Self>,
        /// When.
        at: DateTime<Utc>,
        /// Plan.
        fingerprint: Fingerprint,
        /// How.
        baseline: Box<Baseline>,
    },
    /// The intent: the call comes next.
    Started {
        /// Version of this JSON; another one is refused.
        version: Version<Self>,
        /// When.
        at: DateTime<Utc>,
        /// Plan.
        fingerprint: Fingerprint,
        /// Step, or the undo of one.
        step: StepId,
        /// Idempotency key of the call.
        key: String,
        /// What.
        action: Box<Action>,
        /// The way back, written before the act.
        undo: Box<Undo>,
        /// What it counts against.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        charge: Option<Charge>,
        /// How far the history of each cluster had come, as far as anybody saw.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        revisions: Revisions,
    },
    /// The outcome.
    Finished {
        /// Version of this JSON; another one is refused.
        version: Version<Self>,
        /// When.
        at: DateTime<Utc>,
        /// Plan.
        fingerprint: Fingerprint,
        /// Step.
        step: StepId,
        /// What came of it.
        outcome: Outcome,
        /// How far the history of each cluster had come, as far as anybody saw.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        revisions: Revisions,
    },
    /// A guard said no.
    Refused {
        /// Version of this JSON; another one is refused.
        version: Version<Self>,
        /// When.
        at: DateTime<Utc>,
        /// Plan.
        fingerprint: Fingerprint,
        /// Step.
        step: StepId,
        /// Why.
        refusal: Refusal,
    },
    /// The execution is over.
    Ended {
        /// Version of this JSON; another one is refused.
        version: Version<Self>,
        /// When.
        at: DateTime<Utc>,
        /// Plan.
        fingerprint: Fingerprint,
        /// How.
        end: End,
    },
}

/// Why a journal cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It cannot be written.
    #[error("the journal cannot be written: {0}")]
    Write(String),
    /// It cannot be read, or is damaged.
    #[error("the journal cannot be read: {0}")]
    Read(String),
    /// Another process has it open.
    #[error("the journal is in use by another process: {0}")]
    InUse(String),
}

/// Where entries are kept.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// Name of the journal, given when it was made and never to another.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    async fn id(&self) -> Result<String, JournalError>;

    /// Adds an entry and returns once it is durable.
    ///
    /// # Errors
    /// [`JournalError::Write`] when it may not be durable. The caller then does
    /// not act.
    async fn append(&self, entry: &Entry) -> Result<(), JournalError>;

    /// Every entry, in order. A torn last one is left out.
    ///
    /// # Errors
    /// [`JournalError::Read`] when one cannot be read. The caller then does not act.
    async fn entries(&self) -> Result<Vec<Entry>, JournalError>;
}

/// A journal in memory. Clones share it, so a clone outlives a crash in a test.
#[derive(Debug, Clone)]
pub struct InMemoryJournal {
    id: u64,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Default for InMemoryJournal {
    fn default() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        Self {
            id: MADE.fetch_add(1, Ordering::Relaxed),
            entries: Arc::default(),
        }
    }
}

#[async_trait]
impl Journal for InMemoryJournal {
    async fn id(&self) -> Result<String, JournalError> {
        Ok(format!("memory-{}", self.id))
    }

    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry.clone());
        Ok(())
    }

    async fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        Ok(self
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
    }
}

/// Where a step stands, by the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepState {
    /// No intent.
    NotStarted,
    /// An intent without outcome, or with one that is unclear.
    Open,
    /// An outcome.
    Finished(Outcome),
    /// A guard said no.
    Refused(Refusal),
}

/// A journal's entries, read.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Entry>,
}

impl History {
    /// Reads the entries.
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// Every entry, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry that was written.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Whether the plan was ever begun.
    pub fn begun(&self, plan: &Fingerprint) -> bool {
        self.entries
            .iter()
            .any(|e| matches!(e, Entry::Begun { approval, .. } if approval.fingerprint == *plan))
    }

    /// The last end of the plan that nothing was begun after.
    pub fn end(&self, plan: &Fingerprint) -> Option<&End> {
        self.entries.iter().rev().find_map(|e| match e {
            Entry::Begun { approval, .. } if approval.fingerprint == *plan => Some(None),
            Entry::Ended {
                fingerprint, end, ..
            } if fingerprint == plan => Some(Some(end)),
            _ => None,
        })?
    }

    /// How things were before the plan's first act.
    pub fn before(&self, plan: &Fingerprint) -> Option<&Baseline> {
        self.entries.iter().rev().find_map(|e| match e {
            Entry::Before {
                fingerprint,
                baseline,
                ..
            } if fingerprint == plan => Some(&**baseline),
            _ => None,
        })
    }

    /// The step of the plan that was the first to be done, of those that
    /// `counts`, and when.
    pub fn first_done(
        &self,
        plan: &Fingerprint,
        counts: impl Fn(&StepId) -> bool,
    ) -> Option<(&StepId, DateTime<Utc>)> {
        self.entries.iter().find_map(|e| match e {
            Entry::Finished {
                at,
                fingerprint,
                step,
                outcome,
                ..
            } if fingerprint == plan && outcome.is_done() && counts(step) => Some((step, *at)),
            _ => None,
        })
    }

    /// When the last act of the plan was over, whatever came of it.
    pub fn last_finished(&self, plan: &Fingerprint) -> Option<DateTime<Utc>> {
        self.entries.iter().rev().find_map(|e| match e {
            Entry::Finished {
                at, fingerprint, ..
            } if fingerprint == plan => Some(*at),
            _ => None,
        })
    }

    /// How far the histories of the clusters had come when something was last
    /// done, or further.
    pub fn revisions(&self) -> Revisions {
        let mut furthest = Revisions::new();
        for entry in &self.entries {
            let (Entry::Started { revisions, .. } | Entry::Finished { revisions, .. }) = entry
            else {
                continue;
            };
            for (cluster, revision) in revisions {
                let known = furthest.entry(cluster.clone()).or_default();
                *known = (*known).max(*revision);
            }
        }
        furthest
    }

    /// Entries.
    pub fn len(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether that very approval was used for a run that has ended.
    pub fn is_used(&self, approval: &Approval) -> bool {
        let begun = self
            .entries
            .iter()
            .position(|e| matches!(e, Entry::Begun { approval: a, .. } if a == approval));
        let Some(begun) = begun else { return false };
        self.entries.iter().skip(begun).any(
            |e| matches!(e, Entry::Ended { fingerprint, .. } if *fingerprint == approval.fingerprint),
        )
    }

    /// Where a step of the plan stands.
    pub fn state(&self, plan: &Fingerprint, id: &StepId) -> StepState {
        self.entries
            .iter()
            .rev()
            .find_map(|e| match e {
                Entry::Started {
                    fingerprint, step, ..
                } if fingerprint == plan && step == id => Some(StepState::Open),
                Entry::Finished {
                    fingerprint,
                    step,
                    outcome,
                    ..
                } if fingerprint == plan && step == id => Some(match outcome {
                    Outcome::Unclear { .. } => StepState::Open,
                    outcome => StepState::Finished(outcome.clone()),
                }),
                Entry::Refused {
                    fingerprint,
                    step,
                    refusal,
                    ..
                } if fingerprint == plan && step == id => Some(StepState::Refused(refusal.clone())),
                _ => None,
            })
            .unwrap_or(StepState::NotStarted)
    }

    /// How many intents of a step there are.
    pub fn attempts(&self, plan: &Fingerprint, id: &StepId) -> u32 {
        let started = self.entries.iter().filter(|e| {
            matches!(e, Entry::Started { fingerprint, step, .. } if fingerprint == plan && step == id)
        });
        u32::try_from(started.count()).unwrap_or(u32::MAX)
    }

    /// Steps of that kind (launches by their nodes), begun in the last `span`, that are not known to have
    /// had no effect. Entries that claim to come from the future count too.
    pub fn spent(
        &self,
        kind: crate::guard::Kind,
        scope: &str,
        now: DateTime<Utc>,
        span: TimeDelta,
    ) -> u64 {
        let mut steps: BTreeMap<(&Fingerprint, &StepId), u64> = BTreeMap::new();
        for entry in &self.entries {
            if let Entry::Started {
                at,
                fingerprint,
                step,
                action,
                charge: Some(charge),
                ..
            } = entry
                && charge.kind == kind
                && charge.scope == scope
                && now.signed_duration_since(*at) < span
            {
                let without_effect = matches!(
                    self.state(fingerprint, step),
                    StepState::Finished(Outcome::Failed { .. } | Outcome::Stale { .. })
                );
                if !without_effect {
                    steps.insert((fingerprint, step), crate::guard::weight(action));
                }
            }
        }
        steps.into_values().fold(0, u64::saturating_add)
    }
}

/// The intent to do a step.
pub(crate) fn started(
    at: DateTime<Utc>,
    plan: &Fingerprint,
    step: &Step,
    key: &str,
    charge: Option<Charge>,
    revisions: Revisions,
) -> Entry {
    Entry::Started {
        version: Version::KNOWN,
        at,
        fingerprint: plan.clone(),
        step: step.id.clone(),
        key: key.to_owned(),
        action: Box::new(step.action.clone()),
        undo: Box::new(step.undo.clone()),
        charge,
        revisions,
    }
}
