//! Others that take a change of ours back.

use super::{Context, Refusal};
use crate::decision::Action;
use crate::journal::{Entry, StepState};
use crate::plan::Step;
use chrono::TimeDelta;

/// How often the same change is made before somebody is believed to want it
/// otherwise.
const TIMES: u64 = 2;

/// Over which the times are counted.
const SPAN: TimeDelta = TimeDelta::days(7);

/// How long it is left then.
const REST: TimeDelta = TimeDelta::hours(24);

/// Whether nobody takes this change of a workload or service back: an
/// autoscaler, a GitOps controller, a person. That the step is to be done once
/// more shows that it is not so any more. What we took back ourselves, such as
/// a sleep by its waking, does not count.
pub(super) fn not_fought(step: &Step, context: &Context<'_>) -> Result<(), Refusal> {
    if !may_be_fought(&step.action) {
        return Ok(());
    }
    let mut times = 0_u64;
    let mut last = None;
    for entry in context.history.entries() {
        let Entry::Started {
            at,
            fingerprint,
            step: id,
            action,
            ..
        } = entry
        else {
            continue;
        };
        let done = || {
            let state = context.history.state(fingerprint, id);
            matches!(state, StepState::Finished(outcome) if outcome.is_done())
        };
        let recent = context.now.signed_duration_since(*at) < SPAN;
        let own = *fingerprint == context.plan.fingerprint && *id == step.id;
        if recent && !own && same_change(action, &step.action) && done() {
            times += 1;
            last = Some(*at);
        } else if takes_back(action, &step.action) && done() {
            times = times.saturating_sub(1);
        }
    }
    match last {
        Some(last) if times >= TIMES && context.now < last + REST => Err(Refusal::Reverted {
            times,
            until: last + REST,
        }),
        _ => Ok(()),
    }
}

const fn may_be_fought(action: &Action) -> bool {
    match action {
        Action::ScaleWorkload { from, to, .. } => *to < *from,
        Action::SuspendWorkload { suspend, .. } => *suspend,
        Action::ResizeContainer { .. }
        | Action::RouteService { .. }
        | Action::PreferZone { .. }
        | Action::SetSpotShare { .. } => true,
        _ => false,
    }
}

/// Whether both want the same of the same thing, whatever it was before.
fn same_change(one: &Action, other: &Action) -> bool {
    match (one, other) {
        (
            Action::ScaleWorkload {
                cluster,
                workload,
                to,
                ..
            },
            Action::ScaleWorkload {
                cluster: c,
                workload: w,
                to: t,
                ..
            },
        ) => cluster == c && workload == w && to == t,
        (
            Action::ResizeContainer {
                cluster,
                workload,
                container,
                to,
                ..
            },
            Action::ResizeContainer {
                cluster: c,
                workload: w,
                container: n,
                to: t,
                ..
            },
        ) => cluster == c && workload == w && container == n && to == t,
        (one, other) => one == other,
    }
}

/// Whether the first leads away from what the second leads to.
fn takes_back(one: &Action, other: &Action) -> bool {
    match (one, other) {
        (
            Action::ScaleWorkload {
                cluster,
                workload,
                to,
                ..
            },
            Action::ScaleWorkload {
                cluster: c,
                workload: w,
                to: t,
                ..
            },
        ) => cluster == c && workload == w && to > t,
        (
            Action::SuspendWorkload {
                cluster,
                workload,
                suspend,
            },
            Action::SuspendWorkload {
                cluster: c,
                workload: w,
                suspend: s,
            },
        ) => cluster == c && workload == w && suspend != s,
        (one, other) => match other.undo() {
            crate::decision::Undo::Action { action } => same_change(one, &action),
            _ => false,
        },
    }
}
