//! How far one may go.

use super::{Context, Refusal};
use crate::collect::Part;
use crate::decision::Action;
use crate::engines::office_hours::{KEDA_PAUSED, Schedule};
use crate::journal::StepState;
use crate::model::{ClusterUid, Node, NodeName};
use crate::plan::{Plan, Step};
use crate::version::Version;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Nodes drained.
    Drains,
    /// Instances stopped or terminated without a node, and node objects
    /// deleted without an instance.
    Ghosts,
    /// Volumes deleted.
    Volumes,
    /// Workloads resized, put to sleep or moved.
    Patches,
    /// Nodes launched.
    Launches,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drains => "drains",
            Self::Ghosts => "ghosts",
            Self::Volumes => "volumes",
            Self::Patches => "workload patches",
            Self::Launches => "launches",
        })
    }
}

/// What a step counts against.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// What is counted.
    pub kind: Kind,
    /// Where: an account in a region, or a cluster.
    pub scope: String,
}

impl Charge {
    /// What `action` counts against. Nothing for what only restores: waking up
    /// has priority over every limit.
    pub fn of(action: &Action) -> Option<Self> {
        let in_cluster = |kind, cluster: &ClusterUid| {
            Some(Self {
                kind,
                scope: cluster.to_string(),
            })
        };
        match action {
            Action::DrainNode { cluster, .. } => in_cluster(Kind::Drains, cluster),
            Action::LaunchNodes { cluster, .. } => in_cluster(Kind::Launches, cluster),
            Action::DeleteNodeObject { cluster, .. } => in_cluster(Kind::Ghosts, cluster),
            Action::StopInstance {
                account, region, ..
            }
            | Action::TerminateInstance {
                account, region, ..
            } => Some(Self {
                kind: Kind::Ghosts,
                scope: format!("{account}/{region}"),
            }),
            Action::DeleteVolume {
                account, region, ..
            } => Some(Self {
                kind: Kind::Volumes,
                scope: format!("{account}/{region}"),
            }),
            Action::ScaleWorkload {
                cluster, from, to, ..
            } if to < from => in_cluster(Kind::Patches, cluster),
            Action::SuspendWorkload {
                cluster,
                suspend: true,
                ..
            }
            | Action::ResizeContainer { cluster, .. }
            | Action::ResizePod { cluster, .. }
            | Action::SetSpotShare { cluster, .. }
            | Action::PreferZone { cluster, .. }
            | Action::RouteService { cluster, .. } => in_cluster(Kind::Patches, cluster),
            // KEDA's way to sleep.
            Action::Annotate {
                cluster,
                key,
                to: Some(_),
                ..
            } if key == KEDA_PAUSED => in_cluster(Kind::Patches, cluster),
            _ => None,
        }
    }
}

/// Whether the action only brings something back.
pub(crate) fn restores(action: &Action) -> bool {
    match action {
        Action::UncordonNode { .. }
        | Action::StartInstance { .. }
        | Action::LaunchNodes { .. }
        | Action::SuspendWorkload { suspend: false, .. } => true,
        Action::ScaleWorkload { from, to, .. } => to > from,
        // Marks of ours that go, and the end of KEDA's way to sleep.
        Action::Annotate { key, to: None, .. } => key.starts_with(OURS) || key == KEDA_PAUSED,
        _ => false,
    }
}

/// Whether the action may disturb what runs.
pub(crate) fn disturbs(action: &Action) -> bool {
    match action {
        Action::CordonNode { .. } | Action::Tag { .. } | Action::SnapshotVolume { .. } => false,
        Action::Annotate { key, .. } if key.starts_with(OURS) => false,
        action => !restores(action),
    }
}

/// What annotations of ours begin with.
const OURS: &str = "cloudoptim/";

/// What a step of the plan counts against: a node that is drained in several
/// steps counts with the first.
pub(crate) fn charge(step: &Step, plan: &Plan) -> Option<Charge> {
    let charge = Charge::of(&step.action)?;
    if !matches!(step.action, Action::DrainNode { .. }) {
        return Some(charge);
    }
    let node = step.action.resource();
    let drains = |s: &&Step| matches!(s.action, Action::DrainNode { .. });
    let mut of_node = plan.steps.iter().filter(drains);
    let first = of_node.find(|s| s.action.resource() == node);
    first.is_none_or(|s| s.id == step.id).then_some(charge)
}

/// How much an action counts for: a launch by its nodes.
pub(crate) fn weight(action: &Action) -> u64 {
    match action {
        Action::LaunchNodes { launch, .. } => u64::from(launch.count),
        _ => 1,
    }
}

/// The most of one kind in one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Of one plan.
    pub per_run: u32,
    /// Of any 60 minutes, over all plans in the journal.
    pub per_hour: u32,
    /// Of any 24 hours, over all plans in the journal.
    pub per_day: u32,
}

impl Cap {
    const fn new(per_run: u32, per_hour: u32, per_day: u32) -> Self {
        Self {
            per_run,
            per_hour,
            per_day,
        }
    }
}

/// How far one may go, and how old what one knows may be. Nothing is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Drains of a cluster.
    pub drains: Cap,
    /// Ghosts of an account and region, or of a cluster.
    pub ghosts: Cap,
    /// Volumes of an account and region.
    pub volumes: Cap,
    /// Workload patches of a cluster.
    pub patches: Cap,
    /// Nodes launched in a cluster.
    pub launches: Cap,
    /// Most of a pool's nodes that are disrupted at a time, in percent and
    /// rounded up, those that are not ready for any other reason too. A node
    /// that is only cordoned does not count.
    /// Default 10. 1 to 100.
    pub pool_percent: u32,
    /// Oldest nodes, pods, workloads and instances that are acted on, in
    /// seconds. Default 60. 1 to 600.
    pub max_age_seconds: u32,
    /// Oldest volumes, claims and everything else that is acted on, in
    /// seconds. Default 300. 1 to 3,600.
    pub max_age_storage_seconds: u32,
    /// Oldest spot prices on which more spot is permitted, in seconds; a figure
    /// of a day counts from its beginning. Default 86,400: a day. 1 to 604,800.
    pub max_age_prices_seconds: u32,
    /// The same for the Spot Advisor's bands. Default 604,800: a week. 1 to
    /// 2,592,000.
    pub max_age_advisor_seconds: u32,
    /// Most that a read may be ahead of our clock, in seconds. Default 60.
    pub clock_skew_seconds: u32,
    /// Namespaces whose objects are never touched, in addition to the policy's
    /// when the plan was made. Default `kube-system`, `kube-public`, `kube-node-lease`.
    pub protected_namespaces: BTreeSet<String>,
    /// Most attempts at one step. Default 3. 1 to 10.
    pub max_attempts: u32,
    /// Seconds between two attempts, two looks at an effect, or two looks at
    /// what is under way. Default 10. 1 to 600.
    pub wait_seconds: u32,
    /// Most such waits for one step. Default 30: five minutes.
    pub max_waits: u32,
    /// Seconds that pass after the first step that disturbs what runs, before
    /// the next such step. Default 300. 0 to 86,400.
    pub bake_seconds: u32,
    /// Windows in which steps may begin. What only restores may always, and a
    /// step that has begun is ended. Default empty: at any time.
    pub change_windows: Vec<Schedule>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            version: Version::KNOWN,
            // Beside the share of a pool that is disrupted at a time, a guard
            // against a plan that empties a cluster: our choice.
            drains: Cap::new(50, 50, 200),
            // Five of a run and twenty volumes and patches of a run are the
            // defaults that people of such tools settled on; the longer spans
            // let two runs an hour and five a day happen.
            ghosts: Cap::new(5, 10, 25),
            volumes: Cap::new(20, 40, 100),
            patches: Cap::new(20, 40, 100),
            // As many as may be drained: a plan launches fewer than it empties.
            launches: Cap::new(50, 50, 200),
            // Karpenter's default budget.
            pool_percent: 10,
            max_age_seconds: 60,
            max_age_storage_seconds: 300,
            max_age_prices_seconds: 86_400,
            max_age_advisor_seconds: 604_800,
            clock_skew_seconds: 60,
            protected_namespaces: ["kube-system", "kube-public", "kube-node-lease"]
                .into_iter()
                .map(str::to_owned)
                .collect(),
            max_attempts: 3,
            wait_seconds: 10,
            max_waits: 30,
            // What AWS CodeDeploy waits between the first share and the rest,
            // in its predefined `ECSCanary10Percent5Minutes`.
            bake_seconds: 300,
            change_windows: Vec::new(),
        }
    }
}

impl Limits {
    /// Sets the cap of a kind.
    #[must_use]
    pub const fn with_cap(mut self, kind: Kind, cap: Cap) -> Self {
        match kind {
            Kind::Drains => self.drains = cap,
            Kind::Ghosts => self.ghosts = cap,
            Kind::Volumes => self.volumes = cap,
            Kind::Patches => self.patches = cap,
            Kind::Launches => self.launches = cap,
        }
        self
    }

    /// Sets the share of a pool that may be disrupted at a time.
    #[must_use]
    pub const fn with_pool_percent(mut self, percent: u32) -> Self {
        self.pool_percent = percent;
        self
    }

    /// Sets how often a step is tried and waited for.
    #[must_use]
    pub const fn with_patience(mut self, attempts: u32, wait_seconds: u32, waits: u32) -> Self {
        self.max_attempts = attempts;
        self.wait_seconds = wait_seconds;
        self.max_waits = waits;
        self
    }

    /// Sets how long the first disturbing step is watched.
    #[must_use]
    pub const fn with_bake_seconds(mut self, seconds: u32) -> Self {
        self.bake_seconds = seconds;
        self
    }

    /// Sets the windows in which steps may begin; none means at any time.
    #[must_use]
    pub fn with_change_windows(mut self, windows: Vec<Schedule>) -> Self {
        self.change_windows = windows;
        self
    }

    /// The same for a plan that takes another one back: at any time, and without
    /// waiting after its first step.
    #[must_use]
    pub fn for_undo(&self) -> Self {
        self.clone()
            .with_bake_seconds(0)
            .with_change_windows(Vec::new())
    }

    /// Whether a step may begin now.
    ///
    /// # Errors
    /// [`Refusal::OutsideWindows`].
    pub fn window_open(&self, action: &Action, now: DateTime<Utc>) -> Result<(), Refusal> {
        let windows = &self.change_windows;
        if windows.is_empty() || restores(action) || windows.iter().any(|w| w.contains(now)) {
            return Ok(());
        }
        let opens = windows
            .iter()
            .filter(|w| !w.contains(now))
            .filter_map(|w| w.next_change(now))
            .min();
        Err(Refusal::OutsideWindows {
            windows: windows.clone(),
            opens,
        })
    }

    /// Refuses values out of range.
    ///
    /// # Errors
    /// The setting, its range and its value.
    pub fn validate(&self) -> Result<(), LimitsError> {
        for (setting, value, low, high) in [
            ("pool_percent", self.pool_percent, 1, 100),
            ("max_age_seconds", self.max_age_seconds, 1, 600),
            (
                "max_age_storage_seconds",
                self.max_age_storage_seconds,
                1,
                3_600,
            ),
            (
                "max_age_prices_seconds",
                self.max_age_prices_seconds,
                1,
                604_800,
            ),
            (
                "max_age_advisor_seconds",
                self.max_age_advisor_seconds,
                1,
                2_592_000,
            ),
            ("clock_skew_seconds", self.clock_skew_seconds, 0, 300),
            ("max_attempts", self.max_attempts, 1, 10),
            ("wait_seconds", self.wait_seconds, 1, 600),
            ("max_waits", self.max_waits, 0, 1_000),
            ("bake_seconds", self.bake_seconds, 0, 86_400),
        ] {
            if !(low..=high).contains(&value) {
                return Err(LimitsError {
                    setting,
                    low,
                    high,
                    value,
                });
            }
        }
        Ok(())
    }

    /// Oldest read of a part that is acted on.
    pub fn max_age(&self, part: Part) -> TimeDelta {
        let seconds = match part {
            Part::Nodes | Part::Pods | Part::Workloads | Part::Instances => self.max_age_seconds,
            _ => self.max_age_storage_seconds,
        };
        TimeDelta::seconds(i64::from(seconds))
    }

    pub(super) fn clock_skew(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.clock_skew_seconds))
    }

    pub(crate) fn bake(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.bake_seconds))
    }

    pub(crate) fn wait(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.wait_seconds))
    }

    const fn cap(&self, kind: Kind) -> Cap {
        match kind {
            Kind::Drains => self.drains,
            Kind::Ghosts => self.ghosts,
            Kind::Volumes => self.volumes,
            Kind::Patches => self.patches,
            Kind::Launches => self.launches,
        }
    }

    /// Whether a whole plan stays within the caps of a run. Over one of them
    /// nothing at all is done: the first twenty of a thousand are as wrong as
    /// the rest.
    ///
    /// # Errors
    /// [`Refusal::OverCap`].
    pub fn plan_within(&self, plan: &Plan) -> Result<(), Refusal> {
        let mut counts: BTreeMap<Charge, u64> = BTreeMap::new();
        for step in &plan.steps {
            if let Some(charge) = charge(step, plan) {
                let count = counts.entry(charge).or_default();
                *count = count.saturating_add(weight(&step.action));
            }
        }
        for (charge, count) in counts {
            over(
                &charge,
                "run",
                u64::from(self.cap(charge.kind).per_run),
                count,
            )?;
        }
        Ok(())
    }
}

/// A setting out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be from {low} to {high}, got {value}")]
pub struct LimitsError {
    setting: &'static str,
    low: u32,
    high: u32,
    value: u32,
}

fn over(charge: &Charge, per: &str, limit: u64, would_be: u64) -> Result<(), Refusal> {
    if would_be <= limit {
        return Ok(());
    }
    Err(Refusal::OverCap {
        kind: charge.kind,
        scope: charge.scope.clone(),
        per: per.to_owned(),
        limit,
        would_be,
    })
}

/// The caps of an hour and a day, and the share of a pool.
pub(super) fn within(step: &Step, context: &Context<'_>) -> Result<(), Refusal> {
    if let Some(charge) = charge(step, context.plan) {
        let cap = context.limits.cap(charge.kind);
        for (per, span, limit) in [
            ("hour", TimeDelta::hours(1), cap.per_hour),
            ("day", TimeDelta::days(1), cap.per_day),
        ] {
            let spent = context
                .history
                .spent(charge.kind, &charge.scope, context.now, span);
            // A step that was begun before counts already.
            let attempts = context
                .history
                .attempts(&context.plan.fingerprint, &step.id);
            let more = if attempts == 0 {
                weight(&step.action)
            } else {
                0
            };
            over(&charge, per, u64::from(limit), spent.saturating_add(more))?;
        }
    }
    match &step.action {
        Action::CordonNode { cluster, node }
        | Action::DrainNode { cluster, node, .. }
        | Action::RemoveNode { cluster, node, .. } => pool_share(cluster, node, context),
        _ => Ok(()),
    }
}

/// The pool of a node: Karpenter's, else EKS's, else none.
pub(crate) fn pool(node: &Node) -> &str {
    node.meta
        .label(crate::model::NODE_POOL_LABEL)
        .or_else(|| node.meta.label(crate::model::NODE_GROUP_LABEL))
        .unwrap_or_default()
}

/// Nodes that this plan has begun to empty. One that is only cordoned runs its
/// pods, whoever cordoned it: Karpenter's budgets count no cordons either. Neither
/// does one that only some pods had to leave, and that is open again.
fn emptied<'a>(context: &'a Context<'a>) -> BTreeSet<&'a NodeName> {
    let fingerprint = &context.plan.fingerprint;
    let begun = |step: &&Step| context.history.attempts(fingerprint, &step.id) > 0;
    let mut nodes = BTreeSet::new();
    for step in context.plan.steps.iter().filter(begun) {
        match &step.action {
            Action::DrainNode { node, .. } => {
                nodes.insert(node);
            }
            Action::UncordonNode { node, .. } => {
                let state = context.history.state(fingerprint, &step.id);
                if matches!(state, StepState::Finished(outcome) if outcome.is_done()) {
                    nodes.remove(node);
                }
            }
            _ => {}
        }
    }
    nodes
}

/// Beside the node itself, fewer of its pool than the share are out of service.
fn pool_share(cluster: &ClusterUid, name: &NodeName, context: &Context<'_>) -> Result<(), Refusal> {
    let percent = context.limits.pool_percent;
    let emptied = emptied(context);
    let nodes = context
        .fresh
        .snapshot
        .cluster(cluster)
        .map(|c| c.nodes.items())
        .unwrap_or_default();
    let Some(node) = nodes.iter().find(|n| n.meta.name == name.as_str()) else {
        return Ok(()); // the precondition says so
    };
    let own: Vec<&Node> = nodes.iter().filter(|n| pool(n) == pool(node)).collect();
    let size = u64::try_from(own.len()).unwrap_or(u64::MAX);
    let limit = size.saturating_mul(u64::from(percent)).div_ceil(100).max(1);
    let out_of_service = own
        .iter()
        .filter(|n| n.meta.name != node.meta.name)
        .filter(|n| emptied.contains(&n.name()) || !n.is_ready() || n.meta.deleted_at.is_some());
    let now = u64::try_from(out_of_service.count()).unwrap_or(u64::MAX);
    if now < limit {
        return Ok(());
    }
    Err(Refusal::InFlight {
        scope: format!("pool {:?} of {cluster}", pool(node)),
        limit,
        now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waking_up_counts_against_nothing() {
        let scale = |from, to| Action::ScaleWorkload {
            cluster: "c".into(),
            workload: Default::default(),
            from,
            to,
        };
        assert_eq!(Charge::of(&scale(0, 3)), None);
        assert_eq!(
            Charge::of(&scale(3, 0)).map(|c| c.kind),
            Some(Kind::Patches)
        );
    }

    #[test]
    fn a_sleep_by_keda_counts_as_a_sleep_and_its_waking_does_not() {
        let annotate = |key: &str, to: Option<&str>| Action::Annotate {
            cluster: "c".into(),
            object: crate::decision::ObjectRef {
                api_version: String::new(),
                kind: "ScaledObject".to_owned(),
                namespace: "n".to_owned(),
                name: "web".to_owned(),
            },
            key: key.to_owned(),
            from: None,
            to: to.map(str::to_owned),
        };
        let kind = |action| Charge::of(&action).map(|c| c.kind);
        assert_eq!(kind(annotate(KEDA_PAUSED, Some("0"))), Some(Kind::Patches));
        assert_eq!(kind(annotate(KEDA_PAUSED, None)), None);
        assert_eq!(kind(annotate("other", Some("0"))), None);
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        let error = Limits::default().with_pool_percent(0).validate();
        assert_eq!(
            error.map_err(|e| e.to_string()),
            Err("pool_percent must be from 1 to 100, got 0".to_owned())
        );
        assert_eq!(Limits::default().validate(), Ok(()));
    }
}
