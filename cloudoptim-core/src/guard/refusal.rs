//! Why a step may not be done now.

use super::{Kind, PartRef, Unmet};
use crate::engines::office_hours::Schedule;
use crate::model::ClusterUid;
use crate::plan::{Precondition, StepId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a step may not be done now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The approval begins later.
    NotYet {
        /// When.
        from: DateTime<Utc>,
    },
    /// The approval has ended.
    ApprovalEnded {
        /// When.
        at: DateTime<Utc>,
    },
    /// The plan has expired.
    PlanExpired {
        /// When.
        at: DateTime<Utc>,
    },
    /// The emergency brake is on.
    Killed,
    /// Nobody can tell whether the emergency brake is on.
    KillSwitchUnreadable {
        /// Why.
        error: String,
    },
    /// A handle talks to something else than the plan is for.
    WrongIdentity {
        /// What the plan is for.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A cluster shows less of its history than was seen before: it was restored
    /// from an older copy, or the answer is an old one. What was done since is
    /// not in it.
    WentBack {
        /// Which.
        cluster: ClusterUid,
        /// How far it had come when something was last done.
        known: u64,
        /// How far it says it is; `None` when it does not say.
        found: Option<u64>,
    },
    /// There is no handle for the scope.
    NoHandle {
        /// Which scope.
        scope: String,
    },
    /// A part could not be read.
    Unreadable {
        /// Which.
        part: PartRef,
        /// Why.
        error: String,
    },
    /// A part was not read for this check.
    NotRead {
        /// Which.
        part: PartRef,
    },
    /// A read is too old to act on.
    Stale {
        /// Which.
        part: PartRef,
        /// Its age.
        age_seconds: i64,
        /// The most.
        max_age_seconds: i64,
    },
    /// A read does not say how old it is.
    UnknownAge {
        /// Which.
        part: PartRef,
    },
    /// A figure on which the worth of the step rests is too old to act on.
    OldFigure {
        /// Which.
        figure: String,
        /// When it held.
        as_of: DateTime<Utc>,
        /// The most.
        max_age_seconds: i64,
    },
    /// A figure on which the worth of the step rests does not say how old it is.
    FigureOfUnknownAge {
        /// Which.
        figure: String,
    },
    /// A figure on which the worth of the step rests is from the future, so its
    /// age cannot be told.
    FigureFromTheFuture {
        /// Which.
        figure: String,
        /// By how much.
        by_seconds: i64,
    },
    /// A read is from the future: clocks differ too much to tell ages.
    FromTheFuture {
        /// Which.
        part: PartRef,
        /// By how much.
        by_seconds: i64,
    },
    /// The act rests on absence, and the list may have holes.
    Incomplete {
        /// Which.
        part: PartRef,
        /// What it is instead of complete.
        state: String,
    },
    /// The act rests on absence, and the list shows nothing at all: more likely
    /// the wrong or a broken list than an empty world.
    Empty {
        /// Which.
        part: PartRef,
    },
    /// Somebody marked it as not to be touched.
    Protected {
        /// What is marked, and how.
        by: String,
    },
    /// Something is not what the plan saw.
    Precondition {
        /// What should be.
        precondition: Box<Precondition>,
        /// What is.
        unmet: Unmet,
    },
    /// Too much was changed already, or would be.
    OverCap {
        /// Of what.
        kind: Kind,
        /// Where.
        scope: String,
        /// `run`, `hour` or `day`, or `population` for a share of what there is.
        per: String,
        /// The most.
        limit: u64,
        /// What it would be.
        would_be: u64,
    },
    /// As much as may be is being changed right now.
    InFlight {
        /// Where.
        scope: String,
        /// The most at a time.
        limit: u64,
        /// Now.
        now: u64,
    },
    /// A step that it depends on is not done.
    DependencyNotDone {
        /// Which.
        step: StepId,
    },
    /// No change window is open.
    OutsideWindows {
        /// The windows.
        windows: Vec<Schedule>,
        /// When one opens next.
        opens: Option<DateTime<Utc>>,
    },
    /// What runs is worse than before the plan.
    Unhealthy {
        /// Why.
        why: String,
    },
    /// Nobody can tell whether what runs is worse than before the plan.
    HealthUnknown {
        /// Why.
        why: String,
    },
    /// Somebody takes the same change back, again and again.
    Reverted {
        /// How often it was made and was not so any more.
        times: u64,
        /// Until when it is left.
        until: DateTime<Utc>,
    },
    /// Code of the host or of a provider panicked. Nothing more is asked of it.
    Panicked {
        /// What it said.
        what: String,
    },
}

impl Refusal {
    /// Whether the whole plan stops, not only this step and its dependents.
    pub const fn stops_the_plan(&self) -> bool {
        matches!(
            self,
            Self::NotYet { .. }
                | Self::ApprovalEnded { .. }
                | Self::PlanExpired { .. }
                | Self::Killed
                | Self::KillSwitchUnreadable { .. }
                | Self::WrongIdentity { .. }
                | Self::WentBack { .. }
                | Self::FromTheFuture { .. }
                | Self::OverCap { .. }
                | Self::OutsideWindows { .. }
                | Self::Unhealthy { .. }
                | Self::HealthUnknown { .. }
                | Self::Panicked { .. }
        )
    }

    /// Whether it may pass by waiting.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::InFlight { .. }
            | Self::Unreadable { .. }
            | Self::WentBack { .. }
            | Self::OutsideWindows { .. }
            | Self::Unhealthy { .. }
            | Self::HealthUnknown { .. } => true,
            Self::Precondition {
                precondition,
                unmet,
            } => {
                let comes = matches!(
                    **precondition,
                    Precondition::PodsAreReady { .. } | Precondition::NodesAreReady(_)
                );
                comes && matches!(unmet, Unmet::Found { .. })
            }
            _ => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet { from } => write!(f, "the approval begins at {from}"),
            Self::ApprovalEnded { at } => write!(f, "the approval ended at {at}"),
            Self::PlanExpired { at } => write!(f, "the plan expired at {at}"),
            Self::Killed => f.write_str("the kill switch is on"),
            Self::KillSwitchUnreadable { error } => {
                write!(f, "the kill switch cannot be read: {error}")
            }
            Self::WrongIdentity { expected, found } => {
                write!(f, "the plan is for {expected}, and this is {found}")
            }
            Self::WentBack {
                cluster,
                known,
                found,
            } => {
                write!(f, "cluster {cluster} had come to revision {known}, and ")?;
                match found {
                    Some(found) => write!(f, "shows {found}: an older copy"),
                    None => f.write_str("does not say where it is now"),
                }
            }
            Self::NoHandle { scope } => write!(f, "no handle for {scope}"),
            Self::Unreadable { part, error } => write!(f, "{part} cannot be read: {error}"),
            Self::NotRead { part } => write!(f, "{part} was not read"),
            Self::Stale {
                part,
                age_seconds,
                max_age_seconds,
            } => write!(
                f,
                "{part} is {age_seconds} s old, and at most {max_age_seconds} s are allowed"
            ),
            Self::UnknownAge { part } => write!(f, "{part} does not say how old it is"),
            Self::OldFigure {
                figure,
                as_of,
                max_age_seconds,
            } => write!(
                f,
                "{figure} are of {as_of}, and at most {max_age_seconds} s are allowed"
            ),
            Self::FigureOfUnknownAge { figure } => {
                write!(f, "{figure} do not say how old they are")
            }
            Self::FigureFromTheFuture { figure, by_seconds } => {
                write!(f, "{figure} are {by_seconds} s from the future")
            }
            Self::FromTheFuture { part, by_seconds } => {
                write!(f, "{part} is {by_seconds} s from the future")
            }
            Self::Incomplete { part, state } => write!(f, "{part} is not complete ({state})"),
            Self::Empty { part } => write!(f, "{part} is empty, which proves nothing"),
            Self::Protected { by } => write!(f, "protected: {by}"),
            Self::Precondition {
                precondition,
                unmet,
            } => write!(f, "not so: {precondition} ({unmet})"),
            Self::OverCap {
                kind,
                scope,
                per,
                limit,
                would_be,
            } => write!(
                f,
                "{would_be} {kind} of {scope} per {per}, and at most {limit} are allowed"
            ),
            Self::InFlight { scope, limit, now } => write!(
                f,
                "{now} nodes of {scope} are being disrupted, and at most {limit} may be"
            ),
            Self::DependencyNotDone { step } => write!(f, "step {step} is not done"),
            Self::OutsideWindows { windows, opens } => {
                let windows: Vec<String> = windows.iter().map(ToString::to_string).collect();
                write!(f, "outside of the change windows {}", windows.join(", "))?;
                match opens {
                    Some(at) => write!(f, "; one opens at {at}"),
                    None => Ok(()),
                }
            }
            Self::Unhealthy { why } => write!(f, "not well since the plan began: {why}"),
            Self::HealthUnknown { why } => {
                write!(f, "nobody can tell whether all is well: {why}")
            }
            Self::Reverted { times, until } => write!(
                f,
                "the same change was made {times} times and somebody took it back; left until {until}"
            ),
            Self::Panicked { what } => write!(f, "code that was called panicked: {what}"),
        }
    }
}
