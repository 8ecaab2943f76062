//! The plan: what to do, in order, until when, and what was left out and why.
//!
//! A plan is data. It can be read, compared, stored, approved, and run later or
//! never: making one is the dry run. [`plan`] merges the answers of the engines:
//! one decision changes a resource, a decision's steps are taken whole, and only
//! what can be done before the plan expires is in it.

mod config;
mod duration;
mod make;
mod precondition;
mod text;
mod waves;

pub use config::Config;
pub(crate) use duration::{LAUNCH_SECONDS, REMOVE_SECONDS, grace_seconds, leaving_seconds, rounds};
pub(crate) use make::digest;
pub use make::{PlanInput, plan};
pub use precondition::{Controller, LaunchedNodes, Precondition};
pub use text::Row;

use crate::decision::{Action, Decision, Owner, Reason, Subject, Undo};
use crate::engines::bin_packing::Obstacle;
use crate::engines::{Alternative, EngineId, Figures, NotJudged};
use crate::model::{AccountId, ClusterUid, MicroUsdPerHour, MicroUsdPerMonth, Region};
use crate::version::Version;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the plan's JSON.
pub const PLAN_VERSION: u32 = 1;

/// The digest that names a plan: of its inputs, its settings, the engines'
/// version and its steps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest that names a step: of the plan's inputs, the subject and the action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For what a plan holds: each part is compared again before each act.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// Accounts and their regions.
    pub clouds: Vec<(AccountId, Region)>,
    /// Clusters by uid.
    pub clusters: Vec<ClusterUid>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this JSON: [`PLAN_VERSION`]; another one is refused.
    pub version: Version<Self>,
    /// Digest that names it: of the inputs, the validity, the scope and the steps.
    pub fingerprint: Fingerprint,
    /// Digest of everything that it was made from.
    pub inputs: String,
    /// Moment of the snapshot that it was made from.
    pub made_at: DateTime<Utc>,
    /// From here on no step of it may be done.
    pub expires_at: DateTime<Utc>,
    /// For what it holds.
    pub scope: Scope,
    /// Sums.
    pub totals: Totals,
    /// Per engine: counts, sums, figures, what was not judged.
    pub engines: Vec<EngineSummary>,
    /// Steps, in order.
    pub steps: Vec<Step>,
    /// Decisions that are not in the steps, and why.
    pub declined: Vec<Declined>,
}

impl Plan {
    /// The fingerprint that a plan of these inputs, validity, scope and steps has.
    pub fn computed_fingerprint(&self) -> Fingerprint {
        Fingerprint(digest(&(
            self.version,
            &self.inputs,
            self.made_at,
            self.expires_at,
            &self.scope,
            &self.steps,
        )))
    }

    /// The step of that name.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }
}

/// Sums over a plan. Every dollar counts once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Nodes in the snapshot.
    pub nodes: u64,
    /// Nodes whose price nobody lists; they are in no sum.
    pub unpriced_nodes: u64,
    /// Priced nodes, now.
    pub nodes_per_hour: MicroUsdPerHour,
    /// Priced nodes, after the steps.
    pub nodes_per_hour_after: MicroUsdPerHour,
    /// Proven lower bound for the pods of the plan on any allowed nodes.
    pub lower_bound_per_hour: Option<MicroUsdPerHour>,
    /// Sum of what the steps save, net of what they cost.
    pub saves_per_month: MicroUsdPerMonth,
    /// Pods that move.
    pub moves: u64,
}

impl Totals {
    /// Nodes' cost after the plan ÷ the lower bound − 1; `None` without a bound.
    pub fn gap(&self) -> Option<f64> {
        let bound = self.lower_bound_per_hour.filter(|b| b.0 > 0)?;
        Some(self.nodes_per_hour_after.0 as f64 / bound.0 as f64 - 1.0)
    }
}

/// What one engine contributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EngineSummary {
    /// Engine.
    pub engine: EngineId,
    /// Decisions to act that are in the steps.
    pub acts: u64,
    /// Decisions to leave something as it is.
    pub keeps: u64,
    /// Counted.
    pub saves_per_month: MicroUsdPerMonth,
    /// Shown, in no sum.
    pub at_stake_per_month: MicroUsdPerMonth,
    /// Figures that prove the decisions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figures>,
    /// Other plans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// What could not be judged, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_judged: Vec<NotJudged>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Digest that names it.
    pub id: StepId,
    /// Steps of one decision have one group, counted from 1.
    pub group: u32,
    /// Wave of the cluster's migration, counted from 1: a wave begins when the
    /// pods of the one before are ready again. `None` for what moves no pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// Engine.
    pub engine: EngineId,
    /// What the decision is about.
    pub subject: Subject,
    /// What to do.
    pub action: Action,
    /// Steps that must have been done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<StepId>,
    /// Steps that must be over: done, or left out because pods of their decision
    /// fitted nowhere else when it was looked at again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepId>,
    /// What must still be so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preconditions: Vec<Precondition>,
    /// The way back.
    pub undo: Undo,
    /// What the decision saves: on the last step of its group, where it takes effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saves_per_month: Option<MicroUsdPerMonth>,
    /// How long it takes, estimated, in seconds.
    pub estimated_seconds: u64,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// A decision that is not in the steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Declined {
    /// The decision.
    pub decision: Decision,
    /// Why it is not in the steps.
    pub because: DeclineReason,
}

/// Why a decision is not in the steps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeclineReason {
    /// The engine itself leaves the subject as it is.
    EngineKeeps,
    /// Another decision of this plan changes the same resource.
    Conflict {
        /// Resource.
        resource: String,
        /// Engine of the decision that is in the plan.
        with: EngineId,
    },
    /// A plan may change only so many.
    OverLimit {
        /// The most.
        limit: u64,
        /// How many were proposed.
        candidates: u64,
        /// How many there are.
        population: u64,
    },
    /// It could not be finished before the plan expires.
    TooLate {
        /// Seconds that the steps before it take, and its own.
        needs_seconds: u64,
        /// Seconds until the plan expires.
        valid_seconds: u64,
    },
    /// A decision that it builds on is not in the plan.
    BuildsOnDeclined {
        /// Subject of that decision.
        subject: Box<Subject>,
    },
    /// No order of evictions leaves every pod a place.
    NoSafeWay {
        /// What is in the way.
        obstacle: Box<Obstacle>,
    },
    /// It needs nodes, and nobody is there who asks that owner for them: see
    /// [`launch_through`](crate::engines::bin_packing::Config::launch_through).
    NobodyLaunches {
        /// Who would launch.
        via: Owner,
    },
    /// The way could not be looked for.
    WayNotFound {
        /// Why.
        error: String,
    },
}

impl fmt::Display for DeclineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EngineKeeps => f.write_str("the engine leaves it as it is"),
            Self::Conflict { resource, with } => {
                write!(f, "{with} already changes {resource}")
            }
            Self::OverLimit {
                limit,
                candidates,
                population,
            } => write!(
                f,
                "a plan changes at most {limit} of {population}; {candidates} were proposed"
            ),
            Self::TooLate {
                needs_seconds,
                valid_seconds,
            } => write!(
                f,
                "done after {needs_seconds} s, and the plan is valid for {valid_seconds} s"
            ),
            Self::BuildsOnDeclined { subject } => {
                write!(
                    f,
                    "it builds on the decision about {subject}, which is not in the plan"
                )
            }
            Self::NoSafeWay { obstacle } => write!(f, "no safe way there: {obstacle}"),
            Self::NobodyLaunches { via } => {
                write!(f, "nobody is there to launch nodes through {via}")
            }
            Self::WayNotFound { error } => write!(f, "no way was found: {error}"),
        }
    }
}
