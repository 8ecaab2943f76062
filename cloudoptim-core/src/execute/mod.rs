//! Doing a plan: dull on purpose.
//!
//! For each step: read again, ask the guards, write the intent down, send one
//! request, write the outcome down, look whether it is so. A step that fails
//! stops those that depend on it, not the rest; a decision that was half done
//! is undone as far as it can be. It ends in one of three ways, see [`End`].
//!
//! It can be dropped or killed at any point. The next run with the same plan
//! reads the journal: an intent without an outcome is looked up, never blindly
//! repeated. Waits and attempts are bounded by [`Limits`].
//!
//! What it never does: act without a durable intent, act on a plan twice, or
//! go on when the journal, the kill switch or the identity of a scope cannot
//! be read.

mod apply;
mod effect;
mod read;
mod undo;

pub use undo::undo;

use crate::decision::{Action, Undo};
use crate::guard::{
    Approval, ApprovedPlan, Context, Fresh, Limits, Placement, Refusal, charge, check, in_time,
    step_key,
};
use crate::journal::{End, Entry, History, Journal, JournalError, Outcome, StepState, started};
use crate::model::Snapshot;
use crate::plan::{Fingerprint, Plan, Precondition, Step, StepId};
use crate::providers::{Actuators, Clock, KillSwitch, ProviderError, Sources};
use crate::version::Version;
use chrono::TimeDelta;
use effect::{Effect, effect};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a run works with.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// For fresh reads.
    pub sources: &'a Sources,
    /// For acts.
    pub actuators: &'a Actuators,
    /// What was and is done.
    pub journal: &'a dyn Journal,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Emergency brake.
    pub kill_switch: &'a dyn KillSwitch,
    /// The scheduler's rules.
    pub placement: &'a dyn Placement,
    /// How far one may go.
    pub limits: &'a Limits,
}

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

/// Why a plan was not executed at all, or had to be left as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The journal fails. Nothing more was done; the next run looks up the last step.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The plan was executed to its end before. Make a new one.
    #[error("plan {0} was executed before")]
    AlreadyDone(Fingerprint),
    /// That approval was used before.
    #[error("the approval of plan {} by {} was used before", .0.fingerprint, .0.by)]
    ApprovalUsed(Box<Approval>),
    /// A limit is out of range.
    #[error(transparent)]
    Limits(#[from] crate::guard::LimitsError),
}

/// Executes an approved plan, or takes up one that was interrupted.
///
/// # Errors
/// [`ExecuteError`]. What a provider or a guard says is in the [`Report`].
pub async fn execute(
    approved: ApprovedPlan,
    environment: &Environment<'_>,
) -> Result<Report, ExecuteError> {
    environment.limits.validate()?;
    let history = History::new(environment.journal.entries().await?);
    let fingerprint = &approved.plan().fingerprint;
    match history.end(fingerprint) {
        Some(End::NeedsHuman { .. }) if history.is_used(approved.approval()) => {
            return Err(ExecuteError::ApprovalUsed(Box::new(
                approved.approval().clone(),
            )));
        }
        None | Some(End::NeedsHuman { .. }) => {}
        Some(_) => return Err(ExecuteError::AlreadyDone(fingerprint.clone())),
    }
    let mut run = Run {
        plan: approved.plan(),
        approval: approved.approval(),
        env: environment,
        history,
        unclear: Vec::new(),
    };
    let end = run.all().await?;
    let at = environment.clock.now();
    run.write(Entry::Ended {
        version: Version::KNOWN,
        at,
        fingerprint: fingerprint.clone(),
        end: end.clone(),
    })
    .await?;
    Ok(run.report(end))
}

struct Run<'a> {
    plan: &'a Plan,
    approval: &'a Approval,
    env: &'a Environment<'a>,
    history: History,
    /// What a person has to look at.
    unclear: Vec<String>,
}

impl<'a> Run<'a> {
    async fn write(&mut self, entry: Entry) -> Result<(), JournalError> {
        self.env.journal.append(&entry).await?;
        self.history.push(entry);
        Ok(())
    }

    async fn all(&mut self) -> Result<End, ExecuteError> {
        let now = self.env.clock.now();
        let resumed = self.history.begun(&self.plan.fingerprint)
            && self.history.end(&self.plan.fingerprint).is_none();
        if !resumed {
            let first = in_time(self.plan, self.approval, now)
                .and_then(|()| self.env.limits.plan_within(self.plan));
            if let Err(because) = first {
                return Ok(End::Aborted { because });
            }
            self.write(Entry::Begun {
                version: Version::KNOWN,
                at: now,
                approval: self.approval.clone(),
            })
            .await?;
        }
        // What was begun is looked up first, even when the time is over.
        self.look_up_open_steps().await?;
        let mut aborted = None;
        for step in &self.plan.steps {
            if let Some(because) = self.one(step).await? {
                aborted = Some(because);
                break;
            }
        }
        if aborted.as_ref().is_some_and(forbids_undoing) {
            // Whoever pulled the brake wants nothing more to be done.
            let halves = self.halves();
            let left = halves
                .into_iter()
                .map(|s| format!("left half done: {}", s.action));
            self.unclear.extend(left);
        } else {
            self.undo_halves().await?;
        }
        if !self.unclear.is_empty() {
            return Ok(End::NeedsHuman {
                why: self.unclear.join("; "),
            });
        }
        Ok(match aborted {
            Some(because) => End::Aborted { because },
            None => End::Done,
        })
    }

    fn state(&self, step: &Step) -> StepState {
        self.history.state(&self.plan.fingerprint, &step.id)
    }

    fn is_done(&self, id: &StepId) -> bool {
        matches!(
            self.history.state(&self.plan.fingerprint, id),
            StepState::Finished(outcome) if outcome.is_done()
        )
    }

    async fn look_up_open_steps(&mut self) -> Result<(), ExecuteError> {
        let plan = self.plan;
        for step in &plan.steps {
            if self.state(step) == StepState::Open {
                self.look_up(step, "interrupted").await?;
            }
            let undo = undo_step(&self.plan.fingerprint, step, None);
            if let Some(undo) = undo
                && self.state(&undo) == StepState::Open
            {
                self.look_up(&undo, "interrupted").await?;
            }
        }
        Ok(())
    }

    /// Finds out by reading whether a step that was begun has had its effect.
    async fn look_up(&mut self, step: &Step, error: &str) -> Result<(), ExecuteError> {
        let mut waits = 0;
        let found = loop {
            let read = read::read(step, &self.plan.scope, self.env.sources, self.env.clock).await;
            let found = match read {
                Ok(fresh) => effect(
                    &step.action,
                    &step_key(&self.plan.fingerprint, &step.id),
                    &fresh.snapshot,
                ),
                Err(refusal) => Effect::Unclear(refusal.to_string()),
            };
            if found == Effect::Done || waits >= self.env.limits.max_waits.min(3) {
                break found;
            }
            // A change may be on its way: nothing is said before it had time.
            waits += 1;
            self.env.clock.sleep(self.env.limits.wait()).await;
        };
        let outcome = match found {
            Effect::Done => Outcome::FoundApplied,
            Effect::NotDone => Outcome::Failed {
                error: format!("{error}, and reading shows no effect"),
            },
            Effect::Unclear(what) => {
                self.unclear.push(format!("{}: {what}", step.action));
                Outcome::Unclear { what }
            }
        };
        self.finish(step, outcome).await
    }

    async fn finish(&mut self, step: &Step, outcome: Outcome) -> Result<(), ExecuteError> {
        let at = self.env.clock.now();
        self.write(Entry::Finished {
            version: Version::KNOWN,
            at,
            fingerprint: self.plan.fingerprint.clone(),
            step: step.id.clone(),
            outcome,
        })
        .await?;
        Ok(())
    }

    /// Does one step of the plan. What stops the plan is given back.
    async fn one(&mut self, step: &Step) -> Result<Option<Refusal>, ExecuteError> {
        match self.state(step) {
            StepState::Finished(outcome) if outcome.is_done() => return Ok(None),
            // Found without effect after a crash: it may be tried again. What
            // failed in an earlier run of this process's kin is not.
            StepState::Finished(Outcome::Failed { .. }) if self.may_try_again(step) => {}
            StepState::Finished(_) | StepState::Open => return Ok(None),
            StepState::Refused(refusal) if !refusal.stops_the_plan() => return Ok(None),
            StepState::Refused(_) | StepState::NotStarted => {}
        }
        if step.depends_on.iter().any(|id| !self.is_done(id)) {
            return Ok(None);
        }
        // A decision is taken whole: after a failure its other steps are not.
        loop {
            match self.attempt(step, false).await? {
                Attempt::Over => return Ok(None),
                Attempt::Refused(refusal) => {
                    return Ok(refusal.stops_the_plan().then_some(refusal));
                }
                Attempt::Again(after) => self.env.clock.sleep(after).await,
            }
        }
    }

    fn may_try_again(&self, step: &Step) -> bool {
        self.history.attempts(&self.plan.fingerprint, &step.id) < self.env.limits.max_attempts
    }

    /// The emergency brake, then fresh reads and all guards, waiting for what
    /// passes by itself.
    async fn permit(
        &mut self,
        step: &Step,
        undoing: bool,
    ) -> Result<(crate::guard::Permit, Fresh), Refusal> {
        let mut waits = 0;
        loop {
            if !undoing {
                match self.env.kill_switch.is_on().await {
                    Ok(false) => {}
                    Ok(true) => return Err(Refusal::Killed),
                    Err(error) => {
                        return Err(Refusal::KillSwitchUnreadable {
                            error: error.to_string(),
                        });
                    }
                }
            }
            let judged =
                match read::read(step, &self.plan.scope, self.env.sources, self.env.clock).await {
                    Ok(fresh) => {
                        let context = Context {
                            plan: self.plan,
                            approval: self.approval,
                            now: self.env.clock.now(),
                            fresh: &fresh,
                            history: &self.history,
                            limits: self.env.limits,
                            placement: self.env.placement,
                            undoing,
                        };
                        check(step, &context).map(|permit| (permit, fresh))
                    }
                    Err(refusal) => Err(refusal),
                };
            match judged {
                Err(refusal) if refusal.is_temporary() && waits < self.env.limits.max_waits => {
                    waits += 1;
                    self.env.clock.sleep(self.env.limits.wait()).await;
                }
                judged => return judged,
            }
        }
    }

    async fn attempt(&mut self, step: &Step, undoing: bool) -> Result<Attempt, ExecuteError> {
        let (permit, _) = match self.permit(step, undoing).await {
            Ok(permit) => permit,
            Err(refusal) => {
                let at = self.env.clock.now();
                self.write(Entry::Refused {
                    version: Version::KNOWN,
                    at,
                    fingerprint: self.plan.fingerprint.clone(),
                    step: step.id.clone(),
                    refusal: refusal.clone(),
                })
                .await?;
                return Ok(Attempt::Refused(refusal));
            }
        };
        let charge = if undoing {
            None
        } else {
            charge(step, self.plan)
        };
        let intent = started(
            self.env.clock.now(),
            &self.plan.fingerprint,
            step,
            permit.key(),
            charge,
        );
        self.write(intent).await?;
        let again = match apply::apply(&permit, self.env.actuators).await {
            Ok(()) => {
                self.verify(step).await?;
                None
            }
            Err(error @ ProviderError::NotFound { .. }) => {
                // Gone is done for what takes away, and the end for the rest.
                let outcome = if step.action.is_destructive() {
                    Outcome::AlreadyGone
                } else {
                    Outcome::Stale {
                        error: said(&error),
                    }
                };
                self.finish(step, outcome).await?;
                None
            }
            Err(error @ ProviderError::Conflict { .. }) => {
                let error = said(&error);
                self.finish(step, Outcome::Stale { error }).await?;
                // Nothing was changed. What was written in between may have
                // nothing to do with the step: the guards read and judge again.
                Some(TimeDelta::zero())
            }
            Err(error) if error.is_ambiguous() => {
                self.look_up(step, &said(&error)).await?;
                matches!(
                    self.state(step),
                    StepState::Finished(Outcome::Failed { .. })
                )
                .then(|| self.env.limits.wait())
            }
            Err(error) => {
                let after = match &error {
                    ProviderError::Throttled { retry_after, .. } => {
                        let wait = retry_after.unwrap_or_else(|| self.env.limits.wait());
                        Some(wait.clamp(TimeDelta::seconds(1), TimeDelta::minutes(5)))
                    }
                    _ => None,
                };
                let error = said(&error);
                self.finish(step, Outcome::Failed { error }).await?;
                after
            }
        };
        Ok(match again {
            Some(after) if self.may_try_again(step) => Attempt::Again(after),
            _ => Attempt::Over,
        })
    }

    /// The provider says that it is done; reading has to show it.
    async fn verify(&mut self, step: &Step) -> Result<(), ExecuteError> {
        let key = step_key(&self.plan.fingerprint, &step.id);
        let mut waits = 0;
        let outcome = loop {
            let read = read::read(step, &self.plan.scope, self.env.sources, self.env.clock).await;
            let found = match read {
                Ok(fresh) => effect(&step.action, &key, &fresh.snapshot),
                Err(refusal) => Effect::Unclear(refusal.to_string()),
            };
            let what = match found {
                Effect::Done => break Outcome::Applied,
                Effect::NotDone => {
                    "the provider says that it is done, and reading does not show it".to_owned()
                }
                Effect::Unclear(what) => what,
            };
            if waits >= self.env.limits.max_waits {
                self.unclear.push(format!("{}: {what}", step.action));
                break Outcome::Unclear { what };
            }
            waits += 1;
            self.env.clock.sleep(self.env.limits.wait()).await;
        };
        self.finish(step, outcome).await
    }

    /// Steps to take back, the last first: done, of a decision that is not done
    /// whole and of which nothing is unclear or beyond taking back.
    fn halves(&self) -> Vec<&'a Step> {
        let mut groups: BTreeMap<u32, Vec<&Step>> = BTreeMap::new();
        for step in &self.plan.steps {
            groups.entry(step.group).or_default().push(step);
        }
        let mut half: BTreeSet<&StepId> = BTreeSet::new();
        for group in groups.values() {
            let is_done = |s: &&Step| self.is_done(&s.id);
            let done: Vec<&Step> = group.iter().copied().filter(is_done).collect();
            let open = group.iter().any(|s| self.state(s) == StepState::Open);
            let final_step = done.iter().any(|s| s.action.is_destructive());
            if done.len() < group.len() && !open && !final_step {
                half.extend(left_to_undo(&done).into_iter().map(|s| &s.id));
            }
        }
        let all = self.plan.steps.iter().rev();
        let of_half = all.filter(|step| half.contains(&step.id));
        of_half
            .filter(|step| {
                undo_step(&self.plan.fingerprint, step, None)
                    .is_some_and(|undo| !self.is_done(&undo.id))
            })
            .collect()
    }

    /// Takes back what was done of decisions that could not be done whole, as
    /// long as nothing of them is beyond taking back.
    async fn undo_halves(&mut self) -> Result<(), ExecuteError> {
        for step in self.halves() {
            self.undo(step).await?;
        }
        Ok(())
    }

    async fn undo(&mut self, step: &Step) -> Result<(), ExecuteError> {
        let Some(blind) = undo_step(&self.plan.fingerprint, step, None) else {
            return Ok(());
        };
        let read = read::read(&blind, &self.plan.scope, self.env.sources, self.env.clock).await;
        let fresh = match read {
            Ok(fresh) => fresh,
            Err(refusal) => {
                self.unclear
                    .push(format!("cannot undo {}: {refusal}", step.action));
                return Ok(());
            }
        };
        let key = step_key(&self.plan.fingerprint, &blind.id);
        if effect(&blind.action, &key, &fresh.snapshot) == Effect::Done {
            // Another undo of the group, or somebody, has done it.
            return Ok(());
        }
        let Some(undo) = undo_step(&self.plan.fingerprint, step, Some(&fresh.snapshot)) else {
            return Ok(());
        };
        loop {
            match self.attempt(&undo, true).await? {
                Attempt::Over => break,
                Attempt::Refused(_) => break,
                Attempt::Again(after) => self.env.clock.sleep(after).await,
            }
        }
        if !self.is_done(&undo.id) {
            self.unclear.push(format!("could not undo {}", step.action));
        }
        Ok(())
    }

    fn report(&self, end: End) -> Report {
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
                    let missing = step.depends_on.iter().find(|id| {
                        !self.is_done(id)
                            && !matches!(
                                self.history.state(&self.plan.fingerprint, id),
                                StepState::NotStarted
                            )
                    });
                    match missing {
                        Some(because) => StepResult::Skipped {
                            because: because.clone(),
                        },
                        None => match step.depends_on.iter().find(|id| !self.is_done(id)) {
                            Some(because) if end == End::Done => StepResult::Skipped {
                                because: because.clone(),
                            },
                            _ => StepResult::NotReached,
                        },
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

const fn forbids_undoing(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Killed
            | Refusal::KillSwitchUnreadable { .. }
            | Refusal::WrongIdentity { .. }
            | Refusal::FromTheFuture { .. }
    )
}

/// What the provider says, with what made it say so.
fn said(error: &ProviderError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

enum Attempt {
    Over,
    Refused(Refusal),
    Again(TimeDelta),
}

/// Steps that no later one of these has taken back already: a cordon for the
/// time of a wave is.
fn left_to_undo<'s>(done: &[&'s Step]) -> Vec<&'s Step> {
    let mut left: Vec<&Step> = Vec::new();
    for step in done {
        let undoes =
            |s: &&Step| matches!(&s.undo, Undo::Action { action } if **action == step.action);
        match left.iter().rposition(undoes) {
            Some(place) => {
                left.remove(place);
            }
            None => left.push(step),
        }
    }
    left
}

/// The step that takes `step` back, where an action can. With fresh reads it
/// carries preconditions: the object is still the one that the plan saw, and
/// as the step left it.
fn undo_step(plan: &Fingerprint, step: &Step, fresh: Option<&Snapshot>) -> Option<Step> {
    let Undo::Action { action } = &step.undo else {
        return None;
    };
    let mut action = (**action).clone();
    // What a step launched carries its key, which is made of the whole plan.
    if let Action::ReleaseNodes { key, .. } = &mut action {
        *key = step_key(plan, &step.id);
    }
    let mut preconditions = Vec::new();
    if let Some(fresh) = fresh {
        preconditions = Precondition::of(&action, fresh);
        for precondition in &mut preconditions {
            match precondition {
                Precondition::WorkloadIs {
                    uid, generation, ..
                } => {
                    *generation = None;
                    if let Some(planned) = step.preconditions.iter().find_map(|p| match p {
                        Precondition::WorkloadIs { uid, .. } => Some(uid.clone()),
                        _ => None,
                    }) {
                        *uid = planned;
                    }
                }
                Precondition::NodeIs { uid, .. } => {
                    if let Some(planned) = step.preconditions.iter().find_map(|p| match p {
                        Precondition::NodeIs { uid, .. } => Some(uid.clone()),
                        _ => None,
                    }) {
                        *uid = planned;
                    }
                }
                _ => {}
            }
        }
    }
    let undo = action.undo();
    Some(Step {
        id: StepId(format!("{}-undo", step.id)),
        group: step.group,
        wave: step.wave,
        engine: step.engine,
        subject: step.subject.clone(),
        action,
        depends_on: Vec::new(),
        preconditions,
        undo,
        saves_per_month: None,
        estimated_seconds: 0,
        reasons: step.reasons.clone(),
    })
}

/// Keys of everything that a plan may have made: what `release` looks for.
pub fn keys(plan: &Plan) -> BTreeSet<String> {
    plan.steps
        .iter()
        .map(|step| step_key(&plan.fingerprint, &step.id))
        .collect()
}
