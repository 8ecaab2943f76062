//! What became of a plan, step by step.

use super::Run;
use super::undo::undo_step;
use crate::guard::{Refusal, waits_for};
use crate::journal::{End, Outcome, StepState};
use crate::plan::{Fingerprint, StepId};
use crate::version::Version;
use serde::{Deserialize, Serialize};

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "result", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepResult {
    /// It was tried.
    Finished {
        /// What came of it.
        outcome: Outcome,
    },
    /// A guard said no.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// It depends on a step that is not done.
    Skipped {
        /// On which.
        because: StepId,
    },
    /// It was done, and taken back, since its decision could not be done whole.
    Undone,
    /// The run ended before.
    NotReached,
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Plan.
    pub fingerprint: Fingerprint,
    /// How it ended.
    pub end: End,
    /// Each step, in the plan's order.
    pub steps: Vec<(StepId, StepResult)>,
}

impl Report {
    /// Steps of which what they want is so.
    pub fn done(&self) -> usize {
        self.steps
            .iter()
            .filter(|(_, r)| matches!(r, StepResult::Finished { outcome } if outcome.is_done()))
            .count()
    }
}

impl Run<'_> {
    pub(super) fn report(&self, end: End) -> Report {
        let steps = self.plan.steps.iter().map(|step| {
            let undone = undo_step(&self.plan.fingerprint, step, None)
                .is_some_and(|undo| self.is_done(&undo.id));
            let result = match self.state(step) {
                StepState::Finished(outcome) if outcome.is_done() && undone => StepResult::Undone,
                StepState::Finished(outcome) => StepResult::Finished { outcome },
                StepState::Open => StepResult::Finished {
                    outcome: Outcome::Unclear {
                        what: "an intent without outcome".to_owned(),
                    },
                },
                StepState::Refused(refusal) => StepResult::Refused { refusal },
                StepState::NotStarted => {
                    let plan = &self.plan.fingerprint;
                    let missing = waits_for(step, self.plan, &self.history);
                    let begun = |id: &StepId| {
                        !matches!(self.history.state(plan, id), StepState::NotStarted)
                    };
                    match missing {
                        Some(because) if end == End::Done || begun(because) => {
                            StepResult::Skipped {
                                because: because.clone(),
                            }
                        }
                        _ => StepResult::NotReached,
                    }
                }
            };
            (step.id.clone(), result)
        });
        Report {
            version: Version::KNOWN,
            fingerprint: self.plan.fingerprint.clone(),
            end: end.clone(),
            steps: steps.collect(),
        }
    }
}
