//! What a plan would meet if it were done now.

use super::attempt::said;
use super::{apply, read};
use crate::guard::{Approval, Context, Limits, Permit, Placement, Refusal, check};
use crate::journal::History;
use crate::plan::{Plan, Step, StepId};
use crate::providers::{Actuators, Clock, Sources};
use crate::version::Version;
use serde::{Deserialize, Serialize};

/// Actuators that change nothing: whoever is asked checks what is wanted and
/// stores none of it.
#[derive(Debug, Clone)]
pub struct Rehearsing(Actuators);

impl Rehearsing {
    /// Takes the word of whoever made them that they change nothing. An adapter
    /// that knows makes them itself.
    pub const fn that_change_nothing(actuators: Actuators) -> Self {
        Self(actuators)
    }
}

/// What a provider says to a change that it is not to store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "answer", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// It would take it.
    Taken,
    /// It would not.
    Failed {
        /// What it says.
        error: String,
    },
    /// It was not asked, for a guard says no.
    NotAsked,
}

/// What one step would meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rehearsed {
    /// Step.
    pub step: StepId,
    /// The first guard that says no. Of a step that depends on others none is
    /// asked: what they say changes with those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What the provider says.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What a rehearsal works with.
#[derive(Debug, Clone, Copy)]
pub struct Stage<'a> {
    /// For fresh reads.
    pub sources: &'a Sources,
    /// Asked for every act.
    pub actuators: &'a Rehearsing,
    /// Time.
    pub clock: &'a dyn Clock,
    /// The scheduler's rules.
    pub placement: &'a dyn Placement,
    /// How far one may go.
    pub limits: &'a Limits,
}

/// Asks, for each step in order, every guard with fresh reads, and then the
/// provider, and changes nothing: no approval, journal or lease is needed, and
/// none is used up. Of a step that depends on others only the provider is asked.
pub async fn rehearse(plan: &Plan, stage: &Stage<'_>) -> Vec<Rehearsed> {
    let now = stage.clock.now();
    let approval = Approval {
        version: Version::KNOWN,
        fingerprint: plan.fingerprint.clone(),
        by: "rehearsal".to_owned(),
        at: now,
        until: plan.expires_at,
    };
    let history = History::new(Vec::new());
    let mut out = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        // What guards say of a step changes with those that it depends on.
        let permit = if step.depends_on.is_empty() && step.after.is_empty() {
            judge(plan, step, &approval, &history, stage).await
        } else {
            Ok(Permit::for_step(&plan.fingerprint, step))
        };
        let (permit, refusal) = match permit {
            Ok(permit) => (Some(permit), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let answer = match permit {
            None => Answer::NotAsked,
            Some(permit) => match apply::apply(&permit, &stage.actuators.0).await {
                Ok(()) => Answer::Taken,
                Err(error) => Answer::Failed {
                    error: said(&error),
                },
            },
        };
        out.push(Rehearsed {
            step: step.id.clone(),
            refusal,
            answer,
        });
    }
    out
}

async fn judge(
    plan: &Plan,
    step: &Step,
    approval: &Approval,
    history: &History,
    stage: &Stage<'_>,
) -> Result<Permit, Refusal> {
    let fresh = read::read(step, &plan.scope, stage.sources, stage.clock).await?;
    let context = Context {
        plan,
        approval,
        now: stage.clock.now(),
        fresh: &fresh,
        history,
        limits: stage.limits,
        placement: stage.placement,
        undoing: false,
    };
    check(step, &context)
}
