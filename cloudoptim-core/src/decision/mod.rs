//! What an engine decides, about what, why, and what that is worth.

mod action;
mod launch;
mod owner;
mod reason;
mod subject;
mod undo;

pub use action::{Action, ObjectRef, PodMove, SpotPoolShare};
pub(crate) use launch::planned_number;
pub use launch::{Launch, LaunchThrough, NodeShape, is_planned, planned_name};
pub use owner::Owner;
pub use reason::Reason;
pub use subject::{Offering, Subject};
pub use undo::Undo;

use crate::engines::EngineId;
use crate::model::MicroUsdPerMonth;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What stands between a finding and an act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "evidence", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MissingEvidence {
    /// A ledger of earlier runs: the state must have been observed for a while.
    Ledger {
        /// Which ledger.
        ledger: String,
        /// From when an act is possible, if the state holds and is observed
        /// from this snapshot on.
        possible_from: DateTime<Utc>,
    },
    /// A part of the snapshot is missing or may have holes.
    Part {
        /// Which part.
        part: String,
        /// What it is instead of complete.
        state: String,
    },
    /// A price that nobody lists.
    Price {
        /// Of what.
        of: String,
    },
    /// A figure that is too old to be used, or of unknown age.
    Newer {
        /// What has to be newer.
        of: String,
        /// When what there is held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        as_of: Option<DateTime<Utc>>,
        /// How old it may be, in hours.
        max_age_hours: u32,
    },
    /// Somebody has to say so.
    Confirmation {
        /// What.
        of: String,
    },
}

impl fmt::Display for MissingEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger {
                ledger,
                possible_from,
            } => {
                write!(
                    f,
                    "the ledger of {ledger}; an act is possible from {possible_from}"
                )
            }
            Self::Part { part, state } => write!(f, "{part} ({state})"),
            Self::Price { of } => write!(f, "the price of {of}"),
            Self::Newer {
                of,
                as_of: Some(as_of),
                max_age_hours,
            } => write!(
                f,
                "newer {of}: they are of {as_of}, and at most {max_age_hours} h old ones are used"
            ),
            Self::Newer {
                of, as_of: None, ..
            } => {
                write!(f, "newer {of}: nobody says when they held")
            }
            Self::Confirmation { of } => write!(f, "a confirmation of {of}"),
        }
    }
}

/// One decision about one subject: to act, or to leave it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Engine.
    pub engine: EngineId,
    /// Subject.
    pub subject: Subject,
    /// What to do, in order and taken whole; nothing means: leave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// What the actions save, counted in sums. Negative when they cost (an OOM
    /// fix). `None` when a price is unknown, and for a keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saves_per_month: Option<MicroUsdPerMonth>,
    /// What could be saved once the missing evidence is there: shown, never summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_stake_per_month: Option<MicroUsdPerMonth>,
    /// What is missing before an act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_evidence: Vec<MissingEvidence>,
    /// Why; at least one.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// To leave `subject` as it is.
    pub fn keep(engine: EngineId, subject: Subject, reasons: Vec<Reason>) -> Self {
        Self {
            engine,
            subject,
            actions: Vec::new(),
            saves_per_month: None,
            at_stake_per_month: None,
            missing_evidence: Vec::new(),
            reasons,
        }
    }

    /// To act on `subject`.
    pub fn act(
        engine: EngineId,
        subject: Subject,
        actions: Vec<Action>,
        saves_per_month: Option<MicroUsdPerMonth>,
        reasons: Vec<Reason>,
    ) -> Self {
        Self {
            engine,
            subject,
            actions,
            saves_per_month,
            at_stake_per_month: None,
            missing_evidence: Vec::new(),
            reasons,
        }
    }

    /// Adds what is at stake, and what is missing before an act.
    #[must_use]
    pub fn with_stake(
        mut self,
        at_stake_per_month: Option<MicroUsdPerMonth>,
        missing_evidence: Vec<MissingEvidence>,
    ) -> Self {
        self.at_stake_per_month = at_stake_per_month;
        self.missing_evidence = missing_evidence;
        self
    }

    /// Whether it leaves its subject as it is.
    pub const fn is_keep(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether it has an action that no later one brings back.
    pub fn is_destructive(&self) -> bool {
        self.actions.iter().any(Action::is_destructive)
    }
}
