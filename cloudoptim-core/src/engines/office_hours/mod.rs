//! Office hours: workloads that nobody needs at night sleep.
//!
//! [`Schedule`] says from the moment alone whether a workload is wanted. What
//! is opted in and awake outside its windows is scaled to zero (Deployments,
//! StatefulSets, bare ReplicaSets), suspended (CronJobs) or paused (KEDA). What
//! it had is written on the object itself ([`MARK`]) before, so that any later
//! run brings it back, and what wakes goes before every cap of a plan.
//!
//! It never touches production, protected namespaces, what the cluster's work
//! depends on, what another controller or deployer would set back, DaemonSets,
//! running jobs, or sets whose claims would go with their replicas. What
//! somebody scaled by hand stays as it is. A schedule or an exception that
//! cannot be read means awake.
//!
//! Sleeping pods free room, and only nodes that go free money: a sleep shows
//! what its requests hold as at stake, and the joint run counts the nodes that
//! the packer can remove ([`overlay_when_asleep`], [`asleep_fraction_milli`]).
//!
//! Namespaces that nobody opted in are listed too, with what is at stake in
//! those that look like candidates.

mod acts;
mod config;
mod namespaces;
mod reason;
pub mod schedule;
mod sleeper;
mod wish;
mod worth;

pub use config::{Config, Override};
pub use reason::Reason;
pub use schedule::{Desired, Schedule};
pub(super) use sleeper::{Sleeper, Span};

use self::wish::Wish;
use self::worth::Held;
use super::observed::{cluster_name, part};
use super::{Engine, EngineError, EngineId, EngineOutput, Figures, Inputs, NotJudged};
use crate::decision::{Action, Decision, MissingEvidence, Subject};
use crate::ledger::Asleep;
use crate::model::{
    Cluster, MicroUsdPerMonth, ObjectMeta, ScaledObject, Workload, WorkloadKind, WorkloadRef,
};
use crate::overlay::{Overlay, ReplicaChange};
use std::collections::BTreeMap;

/// Label or annotation that opts a namespace or a workload in: `true` for the
/// default schedule, the name of one of the settings, a schedule in full
/// (annotation only), or `false` to opt out.
pub const OPT_IN: &str = "cloudoptim/office-hours";
/// Annotation: awake until this moment (RFC 3339), whatever the schedule says.
pub const AWAKE_UNTIL: &str = "cloudoptim/awake-until";
/// Annotation: asleep until this moment (RFC 3339), whatever the schedule says.
pub const ASLEEP_UNTIL: &str = "cloudoptim/asleep-until";
/// Annotation that a sleeping workload carries: the replicas that it had.
pub const MARK: &str = "cloudoptim/replicas-before-sleep";

/// KEDA's own annotation: it holds what it scales at so many replicas.
pub const KEDA_PAUSED: &str = "autoscaling.keda.sh/paused-replicas";

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct OfficeHours {
    config: Config,
}

impl OfficeHours {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for OfficeHours {
    fn id(&self) -> EngineId {
        EngineId::OfficeHours
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        decide(&self.config, inputs)
    }
}

/// Decides about every workload that is opted in or asleep, and about every
/// namespace that is not opted in (as a workload of kind `Namespace`).
///
/// # Errors
/// [`EngineError::BadSetting`] for a schedule of the settings that cannot be read.
pub fn decide(config: &Config, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
    config.validate()?;
    let mut decisions = Vec::new();
    let mut not_judged = Vec::new();
    let mut figures = Vec::new();
    for cluster in &inputs.snapshot.clusters {
        let name = cluster_name(cluster);
        let subject = Subject::Cluster {
            cluster: cluster.uid.clone(),
        };
        let parts = [
            part(format!("namespaces of {name}"), &cluster.namespaces),
            part(format!("workloads of {name}"), &cluster.workloads),
        ];
        not_judged.extend(parts.into_iter().flatten().map(|missing| NotJudged {
            subject: Some(subject.clone()),
            count: 0,
            missing,
        }));
        let ground = Ground::new(config, inputs, cluster);
        decisions.extend(ground.workloads());
        figures.extend(ground.zone_data(name));
        decisions.extend(ground.namespaces());
    }
    let mut output = EngineOutput::new(EngineId::OfficeHours, decisions);
    not_judged.sort();
    output.not_judged = not_judged;
    output.figures = figures;
    Ok(output)
}

/// The snapshot while everything sleeps that is opted in and may: what the
/// packer needs to find the nodes that go. With `candidates`, also the
/// namespaces that only look as if they could sleep, by the default schedule.
pub fn overlay_when_asleep(config: &Config, inputs: &Inputs<'_>, candidates: bool) -> Overlay {
    let mut overlay = Overlay::default();
    for cluster in &inputs.snapshot.clusters {
        let ground = Ground::new(config, inputs, cluster);
        let sleepers = ground.sleepers(candidates).into_iter();
        overlay
            .replicas
            .extend(sleepers.map(|(workload, _)| ReplicaChange {
                cluster: cluster.uid.clone(),
                workload: workload.reference(),
                replicas: 0,
            }));
    }
    overlay
}

/// A cluster's workloads that are opted in and may sleep.
pub(super) fn sleepers<'a>(
    config: &'a Config,
    inputs: &'a Inputs<'a>,
    cluster: &'a Cluster,
) -> BTreeMap<WorkloadRef, Sleeper<'a>> {
    let ground = Ground::new(config, inputs, cluster);
    let opted_in = ground.sleepers(false).into_iter();
    opted_in
        .map(|(workload, schedule)| {
            let sleeper = Sleeper {
                config,
                workload,
                namespace: ground.namespace(&workload.meta.namespace),
                schedule,
            };
            (workload.reference(), sleeper)
        })
        .collect()
}

/// The smallest share of the week, in thousandths, that what
/// [`overlay_when_asleep`] puts to sleep sleeps: while all of it does, its
/// nodes can be gone. 0 when nothing sleeps.
pub fn asleep_fraction_milli(config: &Config, inputs: &Inputs<'_>, candidates: bool) -> u32 {
    let clusters = inputs.snapshot.clusters.iter();
    clusters
        .flat_map(|cluster| Ground::new(config, inputs, cluster).sleepers(candidates))
        .map(|(_, schedule)| schedule.asleep_fraction_milli())
        .min()
        .unwrap_or(0)
}

struct Ground<'a> {
    config: &'a Config,
    inputs: &'a Inputs<'a>,
    cluster: &'a Cluster,
    namespaces: BTreeMap<&'a str, &'a ObjectMeta>,
    held: BTreeMap<WorkloadRef, Held>,
    /// KEDA runs here, as far as names tell.
    keda: bool,
}

/// What stands in a decision, before it is one.
struct Draft {
    reasons: Vec<Reason>,
    actions: Vec<Action>,
    at_stake: Option<MicroUsdPerMonth>,
    missing: Vec<MissingEvidence>,
}

impl Draft {
    fn keep(reason: Reason) -> Self {
        Self {
            reasons: vec![reason],
            actions: Vec::new(),
            at_stake: None,
            missing: Vec::new(),
        }
    }
}

impl<'a> Ground<'a> {
    fn new(config: &'a Config, inputs: &'a Inputs<'a>, cluster: &'a Cluster) -> Self {
        let namespaces = cluster
            .namespaces
            .items()
            .iter()
            .map(|n| (n.meta.name.as_str(), &n.meta))
            .collect();
        let autoscalers = cluster.horizontal_autoscalers.items();
        let keda = autoscalers.iter().any(is_kedas)
            || cluster
                .workloads
                .items()
                .iter()
                .any(|w| w.meta.name.starts_with("keda-operator"));
        Self {
            config,
            inputs,
            cluster,
            namespaces,
            held: worth::held(inputs, cluster),
            keda,
        }
    }

    fn namespace(&self, name: &str) -> Option<&'a ObjectMeta> {
        self.namespaces.get(name).copied()
    }

    /// Workloads that a person would scale: what another one of the list
    /// controls belongs to that one.
    fn tops(&self) -> impl Iterator<Item = &'a Workload> {
        self.cluster.workloads.items().iter().filter(|w| {
            let by = w.meta.controller().map(|o| o.kind.as_str());
            !matches!(
                (&w.kind, by),
                (WorkloadKind::ReplicaSet, Some("Deployment"))
                    | (WorkloadKind::Job, Some("CronJob"))
            )
        })
    }

    fn workloads(&self) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for workload in self.tops() {
            let namespace = self.namespace(&workload.meta.namespace);
            let (wish, _) = wish::of(self.config, workload, namespace);
            let slept = self.slept(workload);
            if wish == Wish::None && slept.is_none() {
                continue; // its namespace stands for it
            }
            let draft = self.judge(workload, wish, slept);
            decisions.push(self.settle(workload.reference(), draft));
        }
        decisions
    }

    /// By which zone data schedules were read, where one was: the rules of a
    /// zone change, and an answer with them.
    fn zone_data(&self, cluster: &str) -> Option<Figures> {
        let wishes = self.tops().map(|w| {
            let namespace = self.namespace(&w.meta.namespace);
            wish::of(self.config, w, namespace).0
        });
        let any = wishes.into_iter().any(|wish| matches!(wish, Wish::On(_)));
        any.then(|| Figures {
            of: format!("schedules of {cluster}"),
            cluster: Some(self.cluster.uid.clone()),
            cost_now: None,
            cost_after: None,
            lower_bound: None,
            proof: format!("read by the IANA zone data {}", schedule::tz_version()),
            moves: 0,
        })
    }

    fn settle(&self, workload: WorkloadRef, draft: Draft) -> Decision {
        let subject = Subject::Workload {
            cluster: self.cluster.uid.clone(),
            workload,
        };
        let reasons = draft.reasons.into_iter().map(Into::into).collect();
        let engine = EngineId::OfficeHours;
        let decision = if draft.actions.is_empty() {
            Decision::keep(engine, subject, reasons)
        } else {
            // Nodes save, not pods: the joint run counts those that go.
            Decision::act(engine, subject, draft.actions, None, reasons)
        };
        decision.with_stake(draft.at_stake, draft.missing)
    }

    /// What it had before it slept, by the ledger or by its mark: the larger,
    /// so that losing either never raises it.
    fn slept(&self, workload: &Workload) -> Option<u32> {
        let entry = self.entry(workload).map(|e| e.replicas);
        entry.max(self.mark(workload))
    }

    fn entry(&self, workload: &Workload) -> Option<&'a Asleep> {
        let asleep = self.inputs.ledgers.asleep.as_deref().unwrap_or_default();
        let reference = workload.reference();
        asleep
            .iter()
            .find(|a| a.cluster == self.cluster.uid && a.workload == reference)
    }

    fn mark(&self, workload: &Workload) -> Option<u32> {
        let own = workload.meta.annotation(MARK);
        let kedas = || self.scaled_object(workload)?.meta.annotation(MARK);
        own.or_else(kedas)?.parse().ok()
    }

    fn scaled_object(&self, workload: &Workload) -> Option<&'a ScaledObject> {
        if !self.keda {
            return None; // without KEDA its objects do nothing
        }
        let reference = workload.reference();
        let objects = self.cluster.scaled_objects.items();
        objects.iter().find(|o| o.target == reference)
    }

    /// Why a workload may not sleep, whatever is wanted.
    fn obstacle(&self, workload: &Workload) -> Option<Reason> {
        let space = &workload.meta.namespace;
        if let Some(reason) = self.forbidden(space) {
            return Some(reason);
        }
        if let Some(by) = wish::production(self.config, "", &[&workload.meta.labels]) {
            return Some(Reason::Production { by });
        }
        match &workload.kind {
            WorkloadKind::Deployment
            | WorkloadKind::StatefulSet
            | WorkloadKind::ReplicaSet
            | WorkloadKind::CronJob => {}
            WorkloadKind::DaemonSet => return Some(Reason::DaemonSet),
            WorkloadKind::Job => return Some(Reason::JobLeft),
            kind => {
                return Some(Reason::KindNotScaled {
                    kind: kind.to_string(),
                });
            }
        }
        if let Some(reason) = wish::system(self.config, &workload.meta.name) {
            return Some(reason);
        }
        if let Some(owner) = workload.meta.controller() {
            return Some(Reason::OwnedBy {
                owner: format!("{}/{}", owner.kind, owner.name),
            });
        }
        if workload.kind == WorkloadKind::StatefulSet && workload.deletes_claims_when_scaled {
            return Some(Reason::ClaimsWouldGo);
        }
        if !self.config.deployer_ignores_replicas
            && let Some(by) = wish::deployer(&workload.meta)
        {
            return Some(Reason::DeployerReverts { by });
        }
        None
    }

    /// Why nothing of a namespace may sleep.
    fn forbidden(&self, namespace: &str) -> Option<Reason> {
        if self.inputs.policy.protects(namespace) {
            return Some(Reason::NamespaceProtected {
                namespace: namespace.to_owned(),
            });
        }
        let none = BTreeMap::new();
        let labels = self.namespace(namespace).map_or(&none, |m| &m.labels);
        if let Some(by) = wish::production(self.config, namespace, &[labels]) {
            return Some(Reason::Production { by });
        }
        wish::system(self.config, namespace)
    }

    fn judge(&self, workload: &Workload, wish: Wish, slept: Option<u32>) -> Draft {
        let now = self.inputs.now();
        let namespace = self.namespace(&workload.meta.namespace);
        let (schedule, state) = match wish {
            Wish::On(schedule) => {
                let state = wish::at(self.config, &schedule, workload, namespace, now);
                (Some(schedule), state)
            }
            // Whatever cannot be read, or is wanted no more, is awake.
            Wish::Unreadable(reason) => (None, awake(reason)),
            Wish::Out(by) => (None, awake(Reason::OptedOut { by })),
            Wish::None => (None, awake(Reason::NotOptedIn)),
        };
        let can_sleep = matches!(
            workload.kind,
            WorkloadKind::Deployment
                | WorkloadKind::StatefulSet
                | WorkloadKind::ReplicaSet
                | WorkloadKind::CronJob
        );
        if !can_sleep && let Some(reason) = self.obstacle(workload) {
            return Draft::keep(reason);
        }
        let down = match workload.kind {
            WorkloadKind::CronJob => workload.paused,
            _ => workload.replicas == Some(0),
        };
        match (slept, down, state.desired) {
            (Some(replicas), true, Desired::Awake) => self.wake(workload, replicas, state),
            (_, true, Desired::Asleep) if slept.is_some() => self.stays(
                &schedule,
                state,
                Reason::AsleepUntil {
                    until: None,
                    schedule: String::new(),
                },
            ),
            (None, true, _) => self
                .obstacle(workload)
                .map_or_else(|| Draft::keep(Reason::AlreadyDown), Draft::keep),
            (_, false, Desired::Awake) => self.keep_awake(workload, schedule, state),
            (_, _, Desired::Asleep) => self.sleep(workload, schedule, state),
        }
    }

    /// A keep that names the schedule and when it changes.
    fn stays(&self, schedule: &Option<Schedule>, state: wish::Now, like: Reason) -> Draft {
        let text = schedule.as_ref().map(ToString::to_string);
        let text = text.unwrap_or_default();
        let first = match (&state.because, like) {
            (Some(reason), _) if schedule.is_none() => reason.clone(),
            (_, Reason::AsleepUntil { .. }) => Reason::AsleepUntil {
                until: state.until,
                schedule: text,
            },
            _ => Reason::AwakeUntil {
                until: state.until,
                schedule: text,
            },
        };
        let mut draft = Draft::keep(first);
        if schedule.is_some() {
            draft.reasons.extend(state.because);
        }
        draft
    }

    fn keep_awake(
        &self,
        workload: &Workload,
        schedule: Option<Schedule>,
        state: wish::Now,
    ) -> Draft {
        if let Some(mark) = workload.meta.annotation(MARK)
            && !self.inputs.policy.protects(&workload.meta.namespace)
        {
            let mut draft = Draft::keep(Reason::MarkLeft);
            draft.missing = self.missing_to_wake();
            if draft.missing.is_empty() {
                draft.actions = vec![self.annotate(workload, MARK, Some(mark), None)];
            } else {
                push_parts(&mut draft);
            }
            return draft;
        }
        if schedule.is_some()
            && let Some(reason) = self.obstacle(workload)
        {
            return Draft::keep(reason);
        }
        let stake = schedule.as_ref().map(|s| self.stake(&[workload], s));
        let mut draft = self.stays(
            &schedule,
            state,
            Reason::AwakeUntil {
                until: None,
                schedule: String::new(),
            },
        );
        if let Some((at_stake, reason)) = stake {
            draft.at_stake = at_stake;
            draft.reasons.extend(reason);
        }
        draft
    }

    /// What workloads hold of their nodes' price while they would sleep.
    fn stake(
        &self,
        workloads: &[&Workload],
        schedule: &Schedule,
    ) -> (Option<MicroUsdPerMonth>, Option<Reason>) {
        let asleep_milli = schedule.asleep_fraction_milli();
        let mut sum = MicroUsdPerMonth::ZERO;
        for workload in workloads {
            match self.held.get(&workload.reference()) {
                Some(Ok(held)) => sum += held.per_month(),
                Some(Err(node)) => {
                    let node = node.to_string();
                    return (None, Some(Reason::PriceUnknown { node }));
                }
                None => {}
            }
        }
        if sum == MicroUsdPerMonth::ZERO || asleep_milli == 0 {
            return (None, None);
        }
        let share = sum.ratio(u64::from(asleep_milli), 1000);
        (Some(share), Some(Reason::HoldsNodes { asleep_milli }))
    }

    /// Workloads that sleep when their schedules say so, with the schedules.
    fn sleepers(&self, candidates: bool) -> Vec<(&'a Workload, Schedule)> {
        self.tops()
            .filter(|w| w.kind != WorkloadKind::CronJob && w.replicas.is_some_and(|r| r > 0))
            .filter(|w| self.obstacle(w).is_none())
            .filter_map(|w| {
                let namespace = self.namespace(&w.meta.namespace);
                match wish::of(self.config, w, namespace).0 {
                    Wish::On(schedule) => Some((w, schedule)),
                    Wish::None if candidates => {
                        let none = BTreeMap::new();
                        let labels = namespace.map_or(&none, |m| &m.labels);
                        wish::candidate(self.config, &w.meta.namespace, labels)?;
                        Some((w, self.config.schedule.parse().ok()?))
                    }
                    _ => None,
                }
            })
            .collect()
    }
}

const fn awake(because: Reason) -> wish::Now {
    wish::Now {
        desired: Desired::Awake,
        until: None,
        because: Some(because),
    }
}

/// KEDA's own autoscalers are named so.
fn is_kedas(autoscaler: &crate::model::HorizontalPodAutoscaler) -> bool {
    autoscaler.meta.name.starts_with("keda-hpa-")
}

/// Names the parts that are missing among the reasons too.
fn push_parts(draft: &mut Draft) {
    for evidence in &draft.missing {
        if let MissingEvidence::Part { part, state } = evidence {
            draft.reasons.push(Reason::PartMissing {
                part: part.clone(),
                state: state.clone(),
            });
        }
    }
}
