//! The narrow gate before every act.
//!
//! A [`Permit`] is leave to do one step now. Only [`check`] makes one, from a
//! plan that somebody approved and from what was read just before: it is a pure
//! function of its arguments. The guards, in order:
//!
//! | guard | says no when |
//! | --- | --- |
//! | time | the approval or the plan is not valid now |
//! | windows | no change window is open |
//! | dependencies | a step that it depends on is not done |
//! | identity | a handle talks to another account, region or cluster |
//! | history | a cluster shows less of its history than the journal has seen of it |
//! | freshness | a read is older than its limit, of unknown age, or from the future |
//! | figures | more spot rests on prices or bands of which the same is so |
//! | completeness | the act rests on absence, and a list may have holes or is empty |
//! | protection | the resource, or a pod that leaves, carries a marker |
//! | preconditions | something is not what the plan saw |
//! | fight | somebody took the same change back twice within a week, the last a day ago or less |
//! | blast radius | too much was or is being changed |
//!
//! What only restores (waking, uncordoning, starting, undoing) passes the
//! windows and the last two. An undo passes time, dependencies and figures as
//! well: it must never be too late for it.

mod fight;
mod fresh;
mod hold;
mod limits;
mod protect;
mod refusal;

/// Finding things in what was read, where a hole is no absence.
pub(crate) mod lookup {
    pub(crate) use super::hold::{
        container_of, ends_with_its_node, find_container, find_group_size, find_instance,
        find_launched, find_node, find_object, find_pod, find_tag, find_volume, find_workload,
        holds, taint_of,
    };
    pub(crate) use super::limits::pool;
    pub(crate) use super::protect::says_leave_it;
}

pub(crate) use fresh::shows;
pub use fresh::{Fresh, PartRef, ScopeRef, needs};
pub use hold::{Placement, Unmet};
pub use limits::{Cap, Charge, Kind, Limits, LimitsError};
pub(crate) use limits::{charge, disturbs, weight};
pub use protect::PROTECT_KEY;
pub use refusal::Refusal;

use crate::collect::Part;
use crate::decision::Action;
use crate::journal::{History, StepState};
use crate::plan::{Fingerprint, Plan, Precondition, Step, StepId};
use crate::version::Version;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Who approved which plan, and for how long. A record of it; it lets nobody act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Plan.
    pub fingerprint: Fingerprint,
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// From here on nothing may be done because of it.
    pub until: DateTime<Utc>,
}

/// A plan with its approval. It cannot be read from a file, and
/// [`execute`](crate::execute::execute) takes it away: it is used once.
#[derive(Debug)]
pub struct ApprovedPlan {
    plan: Plan,
    approval: Approval,
}

impl ApprovedPlan {
    /// Approves `plan`, which must be the one that `approval` names.
    ///
    /// # Errors
    /// [`ApprovalError`] when the plan is another one, was altered since it was
    /// made, or the approval names nobody or no time.
    pub fn new(plan: Plan, approval: Approval) -> Result<Self, ApprovalError> {
        if plan.computed_fingerprint() != plan.fingerprint {
            return Err(ApprovalError::Altered {
                fingerprint: plan.fingerprint,
            });
        }
        if approval.fingerprint != plan.fingerprint {
            return Err(ApprovalError::AnotherPlan {
                approved: approval.fingerprint,
                given: plan.fingerprint,
            });
        }
        if approval.by.trim().is_empty() {
            return Err(ApprovalError::Nobody);
        }
        if approval.until <= approval.at {
            return Err(ApprovalError::NeverValid {
                at: approval.at,
                until: approval.until,
            });
        }
        Ok(Self { plan, approval })
    }

    /// The plan.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Who approved it, and for how long.
    pub const fn approval(&self) -> &Approval {
        &self.approval
    }
}

/// Why a plan cannot be approved so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// Another plan was approved.
    #[error("plan {approved} was approved, this is {given}")]
    AnotherPlan {
        /// Approved.
        approved: Fingerprint,
        /// Given.
        given: Fingerprint,
    },
    /// The plan is not what its fingerprint names.
    #[error("plan {fingerprint} was altered after it was made")]
    Altered {
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// Nobody is named.
    #[error("an approval must say by whom")]
    Nobody,
    /// It ends before it begins.
    #[error("an approval of {at} cannot end at {until}")]
    NeverValid {
        /// Begin.
        at: DateTime<Utc>,
        /// End.
        until: DateTime<Utc>,
    },
}

/// Leave to do one step, now. Only [`check`] makes one; it cannot be copied,
/// written down or read back.
#[derive(Debug)]
pub struct Permit {
    plan: Fingerprint,
    step: StepId,
    key: String,
    action: Action,
    preconditions: Vec<Precondition>,
    fence: Option<u64>,
}

impl Permit {
    pub(crate) fn for_step(plan: &Fingerprint, step: &Step) -> Self {
        Self {
            plan: plan.clone(),
            step: step.id.clone(),
            key: step_key(plan, &step.id),
            action: step.action.clone(),
            preconditions: step.preconditions.clone(),
            fence: None,
        }
    }

    /// For the holder of a lease.
    pub(crate) fn fenced(mut self, fence: Option<u64>) -> Self {
        self.fence = fence;
        self
    }

    /// Without guards, for the suite that checks providers.
    #[cfg(feature = "conformance")]
    pub(crate) fn unguarded(
        plan: &Fingerprint,
        step: StepId,
        action: Action,
        preconditions: Vec<Precondition>,
    ) -> Self {
        Self {
            plan: plan.clone(),
            key: step_key(plan, &step),
            step,
            action,
            preconditions,
            fence: None,
        }
    }

    /// The plan of the step.
    pub(crate) const fn plan(&self) -> &Fingerprint {
        &self.plan
    }

    /// The step.
    pub const fn step(&self) -> &StepId {
        &self.step
    }

    /// Idempotency key of the call: the same for every attempt at the step. 32
    /// hexadecimal digits, so it fits a client token, a label and a tag.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The act that it is for.
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// Fence of the lease under which it was given. What is marked with a higher
    /// one belongs to a later holder, and is left alone.
    pub const fn fence(&self) -> Option<u64> {
        self.fence
    }

    /// What must still be so when the request arrives.
    pub fn preconditions(&self) -> &[Precondition] {
        &self.preconditions
    }
}

/// Idempotency key of a step.
pub(crate) fn step_key(plan: &Fingerprint, step: &StepId) -> String {
    let mut key = crate::plan::digest(&(plan, step));
    key.truncate(32);
    key
}

/// What the guards judge a step by.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Plan.
    pub plan: &'a Plan,
    /// Its approval.
    pub approval: &'a Approval,
    /// Wall clock.
    pub now: DateTime<Utc>,
    /// What was read just now.
    pub fresh: &'a Fresh,
    /// What was done.
    pub history: &'a History,
    /// How far one may go.
    pub limits: &'a Limits,
    /// Whether pods fit elsewhere.
    pub placement: &'a dyn Placement,
    /// The step undoes another one.
    pub undoing: bool,
}

/// Whether the approval and the plan are valid now.
///
/// # Errors
/// The first limit that is not met.
pub fn in_time(plan: &Plan, approval: &Approval, now: DateTime<Utc>) -> Result<(), Refusal> {
    if now < approval.at {
        return Err(Refusal::NotYet { from: approval.at });
    }
    if now >= approval.until {
        return Err(Refusal::ApprovalEnded { at: approval.until });
    }
    if now >= plan.expires_at {
        return Err(Refusal::PlanExpired {
            at: plan.expires_at,
        });
    }
    Ok(())
}

/// Asks every guard about `step`.
///
/// # Errors
/// The first [`Refusal`].
pub fn check(step: &Step, context: &Context<'_>) -> Result<Permit, Refusal> {
    if !context.undoing {
        in_time(context.plan, context.approval, context.now)?;
        context.limits.window_open(&step.action, context.now)?;
        dependencies(step, context)?;
    }
    identity(context)?;
    not_gone_back(context)?;
    freshness(step, context)?;
    figures(step, context)?;
    completeness(step, context)?;
    protect::unprotected(step, context.plan, context.fresh, context.limits)?;
    // What is waited for comes first: the rest is judged on what it leads to.
    let comes = |p: &&Precondition| {
        matches!(
            p,
            Precondition::PodsAreReady { .. } | Precondition::NodesAreReady(_)
        )
    };
    let (first, then): (Vec<_>, Vec<_>) = step.preconditions.iter().partition(comes);
    for precondition in first.into_iter().chain(then) {
        let fresh = &context.fresh.snapshot;
        let plan = &context.plan.fingerprint;
        hold::holds(precondition, fresh, context.placement, plan).map_err(|unmet| {
            Refusal::Precondition {
                precondition: Box::new(precondition.clone()),
                unmet,
            }
        })?;
    }
    if !context.undoing {
        fight::not_fought(step, context)?;
        limits::within(step, context)?;
    }
    Ok(Permit::for_step(&context.plan.fingerprint, step))
}

fn dependencies(step: &Step, context: &Context<'_>) -> Result<(), Refusal> {
    match waits_for(step, context.plan, context.history) {
        None => Ok(()),
        Some(id) => Err(Refusal::DependencyNotDone { step: id.clone() }),
    }
}

/// The first step that has to be over before this one, and is not.
pub(crate) fn waits_for<'s>(step: &'s Step, plan: &Plan, history: &History) -> Option<&'s StepId> {
    let is_done = |id: &StepId| {
        let state = history.state(&plan.fingerprint, id);
        matches!(state, StepState::Finished(outcome) if outcome.is_done())
    };
    let missing = step.depends_on.iter().find(|id| !is_done(id));
    missing.or_else(|| {
        let mut after = step.after.iter();
        after.find(|id| !is_done(id) && !is_left_out(id, plan, history))
    })
}

/// Whether the decision of that step was left out, as its pods fit nowhere else.
fn is_left_out(id: &StepId, plan: &Plan, history: &History) -> bool {
    let Some(step) = plan.steps.iter().find(|step| step.id == *id) else {
        return false;
    };
    let mut group = plan.steps.iter().filter(|s| s.group == step.group);
    group.any(|step| match history.state(&plan.fingerprint, &step.id) {
        StepState::Refused(Refusal::Precondition { precondition, .. }) => {
            matches!(*precondition, Precondition::PodsFitElsewhere { .. })
        }
        _ => false,
    })
}

/// The scopes that were read are those of the plan.
fn identity(context: &Context<'_>) -> Result<(), Refusal> {
    let scope = &context.plan.scope;
    for cloud in &context.fresh.snapshot.clouds {
        let pair = (cloud.account.clone(), cloud.region.clone());
        if !scope.clouds.contains(&pair) {
            return Err(wrong(&scope_text(context.plan), &cloud.scope()));
        }
    }
    for cluster in &context.fresh.snapshot.clusters {
        if !scope.clusters.contains(&cluster.uid) {
            return Err(wrong(
                &scope_text(context.plan),
                &format!("cluster {}", cluster.uid),
            ));
        }
    }
    Ok(())
}

/// No cluster shows less of its history than the journal has seen of it.
fn not_gone_back(context: &Context<'_>) -> Result<(), Refusal> {
    let known = context.history.revisions();
    for cluster in &context.fresh.snapshot.clusters {
        let Some(known) = known.get(&cluster.uid) else {
            continue;
        };
        let found = context.fresh.revision(&cluster.uid, u64::min);
        if found.is_none_or(|found| found < *known) {
            return Err(Refusal::WentBack {
                cluster: cluster.uid.clone(),
                known: *known,
                found,
            });
        }
    }
    Ok(())
}

fn wrong(expected: &str, found: &str) -> Refusal {
    Refusal::WrongIdentity {
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

fn scope_text(plan: &Plan) -> String {
    let clouds = plan.scope.clouds.iter().map(|(a, r)| format!("{a}/{r}"));
    let clusters = plan.scope.clusters.iter().map(|c| format!("cluster {c}"));
    clouds.chain(clusters).collect::<Vec<_>>().join(", ")
}

fn freshness(step: &Step, context: &Context<'_>) -> Result<(), Refusal> {
    for part in needs(step, &context.plan.scope) {
        let max = context.limits.max_age(part.part);
        let Some(read_ago) = context.fresh.read_ago.get(&part) else {
            return Err(Refusal::NotRead { part });
        };
        let observed_at = match context.fresh.provenance(&part) {
            Some(provenance) => provenance.observed_at,
            // Unknown: the guards of content say so where it matters.
            None => continue,
        };
        let Some(observed_at) = observed_at else {
            return Err(Refusal::UnknownAge { part });
        };
        let by_wall = context.now.signed_duration_since(observed_at);
        if by_wall < -context.limits.clock_skew() {
            return Err(Refusal::FromTheFuture {
                part,
                by_seconds: -by_wall.num_seconds(),
            });
        }
        let age = by_wall.max(*read_ago);
        if age > max {
            return Err(Refusal::Stale {
                part,
                age_seconds: age.num_seconds(),
                max_age_seconds: max.num_seconds(),
            });
        }
    }
    Ok(())
}

/// The figures that make a step worth doing are of late. Going back asks for none.
fn figures(step: &Step, context: &Context<'_>) -> Result<(), Refusal> {
    if context.undoing {
        return Ok(());
    }
    let limits = context.limits;
    let young = |figure: &str, as_of: DateTime<Utc>, max: u32| {
        let figure = figure.to_owned();
        let age = context.now.signed_duration_since(as_of);
        if age < -limits.clock_skew() {
            return Err(Refusal::FigureFromTheFuture {
                figure,
                by_seconds: -age.num_seconds(),
            });
        }
        if age > TimeDelta::seconds(i64::from(max)) {
            return Err(Refusal::OldFigure {
                figure,
                as_of,
                max_age_seconds: i64::from(max),
            });
        }
        Ok(())
    };
    let unknown = || Refusal::FigureOfUnknownAge {
        figure: "spot prices".to_owned(),
    };
    let mut stated = false;
    for precondition in &step.preconditions {
        let Precondition::SpotFiguresAreOf {
            priced_at,
            banded_at,
        } = precondition
        else {
            continue;
        };
        stated = true;
        let priced_at = priced_at.ok_or_else(unknown)?;
        young("spot prices", priced_at, limits.max_age_prices_seconds)?;
        if let Some(banded_at) = banded_at {
            let max = limits.max_age_advisor_seconds;
            young("the spot advisor's bands", *banded_at, max)?;
        }
    }
    // A plan of an earlier build does not say of when its figures are.
    if !stated && matches!(step.action, Action::SetSpotShare { from, to, .. } if to > from) {
        return Err(unknown());
    }
    Ok(())
}

/// An act that cannot be taken back rests on two complete sides, and on lists
/// that show that they can show something.
fn completeness(step: &Step, context: &Context<'_>) -> Result<(), Refusal> {
    if !fresh::rests_on_absence(&step.action) {
        return Ok(());
    }
    for part in needs(step, &context.plan.scope) {
        if let Some(state) = context.fresh.not_complete(&part) {
            return Err(Refusal::Incomplete { part, state });
        }
        let must_show_something = matches!(part.part, Part::Nodes | Part::Pods);
        if must_show_something && context.fresh.is_empty(&part) {
            return Err(Refusal::Empty { part });
        }
    }
    Ok(())
}
