//! Taking back a plan that is done.

use super::effect::{Effect, effect};
use super::{left_to_undo, undo_step};
use crate::guard::step_key;
use crate::journal::{History, StepState};
use crate::model::Snapshot;
use crate::plan::{Plan, Step, StepId, Totals, digest};
use crate::version::Version;
use chrono::TimeDelta;
use std::collections::BTreeSet;

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
