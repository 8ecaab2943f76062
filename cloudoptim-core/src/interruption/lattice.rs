//! What is known of one instance: it only ever becomes worse.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far an instance is on its way out, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// EC2 recommends to rebalance.
    AtRisk,
    /// Work on the machine is announced.
    Scheduled,
    /// Its scaling group lets it go.
    Released,
    /// It is taken back.
    Interrupted,
    /// It is stopping.
    Stopping,
    /// It is stopped or terminated.
    Gone,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtRisk => "at risk",
            Self::Scheduled => "due for maintenance",
            Self::Released => "released by its scaling group",
            Self::Interrupted => "taken back",
            Self::Stopping => "stopping",
            Self::Gone => "gone",
        })
    }
}

/// A stage with its deadline: the later stage wins, and within a stage the
/// earlier deadline. The result does not depend on the order of notices.
///
/// ```
/// use cloudoptim_core::interruption::{Change, Standing, Stage};
/// use chrono::{DateTime, TimeDelta};
///
/// let at = |seconds| Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds));
/// let mut standing = Standing::new(Stage::Interrupted, at(120));
/// assert_eq!(standing.raise(Stage::AtRisk, None), Change::Lower);
/// assert_eq!(standing.raise(Stage::Interrupted, at(90)), Change::Sooner);
/// assert_eq!(standing.raise(Stage::Interrupted, at(150)), Change::Same);
/// assert_eq!(standing.raise(Stage::Gone, None), Change::Up);
/// assert_eq!(standing.raise(Stage::Interrupted, at(1)), Change::Lower);
/// assert_eq!(standing, Standing::new(Stage::Gone, None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Stage.
    pub stage: Stage,
    /// When its time is over; `None` when there is no such moment.
    pub deadline: Option<DateTime<Utc>>,
}

/// What a notice changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// The stage is a later one.
    Up,
    /// The stage is the same, and its deadline earlier.
    Sooner,
    /// Nothing: the same was known.
    Same,
    /// Nothing: more was known.
    Lower,
}

impl Standing {
    /// A stage and its deadline.
    pub const fn new(stage: Stage, deadline: Option<DateTime<Utc>>) -> Self {
        Self { stage, deadline }
    }

    /// Takes a notice in.
    pub fn raise(&mut self, stage: Stage, deadline: Option<DateTime<Utc>>) -> Change {
        if stage < self.stage {
            return Change::Lower;
        }
        if stage > self.stage {
            *self = Self::new(stage, deadline);
            return Change::Up;
        }
        match (self.deadline, deadline) {
            (Some(have), Some(new)) if new < have => {}
            (None, Some(_)) => {}
            _ => return Change::Same,
        }
        self.deadline = deadline;
        Change::Sooner
    }
}
