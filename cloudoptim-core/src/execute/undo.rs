//! Taking back a plan that is done, and decisions that are done in part.

use super::attempt::Attempt;
use super::effect::{Effect, effect};
use super::{ExecuteError, Run};
use crate::decision::{Action, Undo};
use crate::guard::{Refusal, step_key};
use crate::journal::{History, StepState};
use crate::model::Snapshot;
use crate::plan::{Fingerprint, Plan, Precondition, Step, StepId, Totals, digest};
use crate::version::Version;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

/// The plan that takes back what `plan` did, the last first, as `history` has
/// it and as far as `snapshot` shows that it is still so. It is approved and
/// executed as any other.
///
/// A step is left out that was not done, was taken back before, cannot be taken
/// back (a removed node, a deleted volume), whose way back is there already, or
/// that the plan itself took back (a cordon for the time of a wave).
/// Each step is a decision of its own: one that cannot be done leaves the
/// others as they are. Pods that were evicted stay where they are: the way back
/// from a drain is to let pods onto the node again.
///
/// What has changed since is not overwritten: an object must be the one that
/// the plan saw, and as the plan left it, or its step is refused.
pub fn undo(plan: &Plan, history: &History, snapshot: &Snapshot, valid_for: TimeDelta) -> Plan {
    let is_done = |id: &StepId| {
        let state = history.state(&plan.fingerprint, id);
        matches!(state, StepState::Finished(outcome) if outcome.is_done())
    };
    let mut ways: BTreeSet<_> = BTreeSet::new();
    let mut steps: Vec<Step> = Vec::new();
    let done: Vec<&Step> = plan.steps.iter().filter(|s| is_done(&s.id)).collect();
    for step in left_to_undo(&done).into_iter().rev() {
        let Some(mut back) = undo_step(&plan.fingerprint, step, Some(snapshot)) else {
            continue;
        };
        let key = step_key(&plan.fingerprint, &back.id);
        let is_so = effect(&back.action, &key, snapshot) == Effect::Done;
        if is_done(&back.id) || is_so || !ways.insert(back.action.clone()) {
            continue;
        }
        back.group = u32::try_from(steps.len() + 1).unwrap_or(u32::MAX);
        steps.push(back);
    }
    let mut undo = Plan {
        version: Version::KNOWN,
        fingerprint: plan.fingerprint.clone(),
        inputs: digest(&("undo", &plan.fingerprint, snapshot.taken_at)),
        made_at: snapshot.taken_at,
        expires_at: snapshot.taken_at + valid_for,
        scope: plan.scope.clone(),
        totals: Totals::default(),
        engines: Vec::new(),
        steps,
        declined: Vec::new(),
    };
    undo.fingerprint = undo.computed_fingerprint();
    undo
}

/// Whether what is half done stays so: nothing more is to be done, or nobody
/// knows to what.
pub(super) const fn forbids_undoing(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Killed
            | Refusal::KillSwitchUnreadable { .. }
            | Refusal::WrongIdentity { .. }
            | Refusal::WentBack { .. }
            | Refusal::FromTheFuture { .. }
            | Refusal::Panicked { .. }
    )
}

impl<'a> Run<'a> {
    /// Steps to take back, the last first: done, of a decision that is not done
    /// whole and of which nothing is unclear or beyond taking back.
    pub(super) fn halves(&self) -> Vec<&'a Step> {
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
    pub(super) async fn undo_halves(&mut self) -> Result<(), ExecuteError> {
        for step in self.halves() {
            self.undo(step).await?;
        }
        Ok(())
    }

    async fn undo(&mut self, step: &Step) -> Result<(), ExecuteError> {
        let Some(blind) = undo_step(&self.plan.fingerprint, step, None) else {
            return Ok(());
        };
        let fresh = match self.read(&blind).await {
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
}

/// Steps that no later one of these has taken back already: a cordon for the
/// time of a wave is.
fn left_to_undo<'s>(done: &[&'s Step]) -> Vec<&'s Step> {
    let mut left: Vec<&Step> = Vec::new();
    for step in done {
        let undoes =
            |s: &&Step| matches!(&s.undo, Undo::Action { action } if **action == step.action);
        if left.iter().any(undoes) {
            left.retain(|s| !undoes(s));
        } else {
            left.push(step);
        }
    }
    left
}

/// The step that takes `step` back, where an action can. With fresh reads it
/// carries preconditions: the object is still the one that the plan saw, and
/// as the step left it.
pub(super) fn undo_step(plan: &Fingerprint, step: &Step, fresh: Option<&Snapshot>) -> Option<Step> {
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
        after: Vec::new(),
        preconditions,
        undo,
        saves_per_month: None,
        estimated_seconds: 0,
        reasons: step.reasons.clone(),
    })
}
