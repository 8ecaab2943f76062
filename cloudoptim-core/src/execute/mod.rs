//! Doing a plan: dull on purpose.
//!
//! For each step: ask whether all is well, read again, ask the guards, write the
//! intent down, send one request, write the outcome down, look whether it is
//! so. A step that fails stops those that depend on it, not the rest; a decision
//! that was half done is undone as far as it can be. It ends in one of three
//! ways, see [`End`].
//!
//! After the first step that disturbs what runs, [`Limits::bake_seconds`] pass
//! before the next. With a [gate](Environment::gate) each further one begins
//! only while all is well: it is waited for, and then the plan is stopped. With
//! a [lease](Environment::lease) one process acts at a time: it is renewed
//! right before each act, knows the act's intent by then, and two thirds after
//! the last renewal whatever is under way is dropped.
//!
//! It can be dropped or killed at any point. The next run with the same plan
//! reads the journal: an intent without an outcome is looked up, never blindly
//! repeated. Waits and attempts are bounded by [`Limits`].
//!
//! What it never does: act without a durable intent, act on a plan twice, or
//! go on when the journal, the kill switch or the identity of a scope cannot
//! be read.

mod apply;
mod attempt;
mod caught;
mod effect;
mod lease;
mod pace;
pub(crate) mod race;
mod read;
mod rehearse;
mod report;
mod undo;

pub use rehearse::{Answer, Rehearsed, Rehearsing, Stage, rehearse};
pub use report::{Report, StepResult};
pub use undo::undo;

use crate::guard::{
    Approval, ApprovedPlan, Limits, Placement, Refusal, in_time, step_key, waits_for,
};
use crate::journal::{End, Entry, History, Journal, JournalError, Outcome, Revisions, StepState};
use crate::plan::{Fingerprint, Plan, Step, StepId};
use crate::providers::{Actuators, Clock, HealthGate, KillSwitch, Lease, LeaseError, Sources};
use crate::version::Version;
use attempt::Attempt;
use lease::Keeper;
use std::collections::BTreeSet;
use undo::{forbids_undoing, undo_step};

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
    /// Says between steps whether what runs is well:
    /// [`ClusterHealth`](crate::health::ClusterHealth). Without one nobody looks.
    pub gate: Option<&'a dyn HealthGate>,
    /// Keeps other processes, and those with an older journal, from acting.
    /// Without one only the journal's own lock does.
    pub lease: Option<&'a dyn Lease>,
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
    /// The lease is not held, or not any more. Nothing more was done; a run that
    /// holds it takes the plan up.
    #[error(transparent)]
    Lease(#[from] LeaseError),
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
    let Some(lease) = environment.lease else {
        return run(&approved, environment, history, None).await;
    };
    may_be_run(&approved, &history)?;
    let mark = lease::mark(environment.journal, &history).await?;
    let keeper = Keeper::take(lease, environment.clock, mark).await?;
    // Whoever had it before may have written to the journal until then.
    let history = History::new(environment.journal.entries().await?);
    keeper.written(history.len());
    let done = keeper.while_held(run(&approved, environment, history, Some(&keeper)));
    let done = done.await;
    if !matches!(done, Err(_) | Ok(Err(ExecuteError::Lease(_)))) {
        keeper.release().await;
    }
    done?
}

fn may_be_run(approved: &ApprovedPlan, history: &History) -> Result<(), ExecuteError> {
    let fingerprint = &approved.plan().fingerprint;
    match history.end(fingerprint) {
        Some(End::NeedsHuman { .. }) if history.is_used(approved.approval()) => Err(
            ExecuteError::ApprovalUsed(Box::new(approved.approval().clone())),
        ),
        None | Some(End::NeedsHuman { .. }) => Ok(()),
        Some(_) => Err(ExecuteError::AlreadyDone(fingerprint.clone())),
    }
}

async fn run(
    approved: &ApprovedPlan,
    environment: &Environment<'_>,
    history: History,
    keeper: Option<&Keeper<'_>>,
) -> Result<Report, ExecuteError> {
    may_be_run(approved, &history)?;
    let mut run = Run {
        plan: approved.plan(),
        approval: approved.approval(),
        env: environment,
        keeper,
        history,
        unclear: Vec::new(),
        baked: false,
        seen: Revisions::new(),
    };
    let end = run.all().await?;
    let at = environment.clock.now();
    run.write(Entry::Ended {
        version: Version::KNOWN,
        at,
        fingerprint: run.plan.fingerprint.clone(),
        end: end.clone(),
    })
    .await?;
    Ok(run.report(end))
}

struct Run<'a> {
    plan: &'a Plan,
    approval: &'a Approval,
    env: &'a Environment<'a>,
    keeper: Option<&'a Keeper<'a>>,
    history: History,
    /// What a person has to look at.
    unclear: Vec<String>,
    /// The first step has been watched long enough.
    baked: bool,
    /// How far the histories of the clusters have come, as far as this run saw.
    seen: Revisions,
}

impl<'a> Run<'a> {
    async fn write(&mut self, entry: Entry) -> Result<(), JournalError> {
        self.env.journal.append(&entry).await?;
        self.history.push(entry);
        if let Some(keeper) = self.keeper {
            keeper.written(self.history.len());
        }
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
        let mut aborted = self.note_before().await?;
        let plan = self.plan;
        for step in &plan.steps {
            if aborted.is_some() {
                break;
            }
            aborted = self.one(step).await?;
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
        if waits_for(step, self.plan, &self.history).is_some() {
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
}

/// Keys of everything that a plan may have made: what `release` looks for.
pub fn keys(plan: &Plan) -> BTreeSet<String> {
    plan.steps
        .iter()
        .map(|step| step_key(&plan.fingerprint, &step.id))
        .collect()
}
