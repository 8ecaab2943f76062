//! From decisions to steps.

use super::duration::Durations;
use super::{
    Controller, DeclineReason, Declined, EngineSummary, Fingerprint, Plan, Precondition, Scope,
    Step, StepId, Totals,
};
use crate::decision::{Action, Decision, Owner, Subject};
use crate::engines::office_hours::KEDA_PAUSED;
use crate::engines::{EngineId, EngineOutput, Inputs};
use crate::model::{Cluster, ClusterUid, MicroUsdPerHour, MicroUsdPerMonth, WorkloadRef};
use crate::overlay::Overlay;
use crate::version::Version;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The answers of the engines, and what builds on what.
#[derive(Debug, Clone, Default)]
pub struct PlanInput {
    /// Answers.
    pub outputs: Vec<EngineOutput>,
    /// Nodes that can go only once containers ask for less.
    pub waits_for_requests: BTreeSet<Subject>,
    /// Nodes that can go only once workloads sleep.
    pub waits_for_sleep: BTreeSet<Subject>,
    /// What the packer's answers were given on: 0 those that wait for nothing,
    /// 1 for requests, 2 for sleep. Without one: the overlay of the inputs.
    pub packed_on: BTreeMap<u8, Overlay>,
    /// The packer's decisions become steps as they stand, node after node and
    /// without waves: for drains that a person asks for. Then nothing is proven
    /// beforehand, and what the guards find right before each act is all.
    pub as_given: bool,
    /// Decisions that were set aside before, with the reason.
    pub declined: Vec<Declined>,
}

/// The phases of a plan: what brings something back or adds room comes first,
/// and what takes away comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Restore,
    Raise,
    Resize,
    Sleep,
    Route,
    Pack { builds_on: u8 },
    Clean,
}

struct Candidate {
    decision: Decision,
    phase: Phase,
    /// Place in the engine's own order, which the packer's steps must keep.
    place: usize,
}

/// Merges the answers into one plan.
///
/// What the packer decided becomes a [migration](crate::engines::bin_packing::migration):
/// steps in waves, none of which leaves a pod without a place.
pub fn plan(inputs: &Inputs<'_>, input: PlanInput) -> Plan {
    let snapshot = inputs.snapshot;
    let config = &inputs.policy.plan;
    let base = digest(&(
        env!("CARGO_PKG_VERSION"),
        snapshot,
        inputs.overlay,
        inputs.policy,
        inputs.ledgers,
    ));
    let (candidates, maker) = Maker::sorted(inputs, input, &base);
    let (mut steps, mut declined, mut engines) = maker.all(candidates);
    declined.sort_by(|a, b| {
        (a.decision.engine, &a.decision.subject, &a.because).cmp(&(
            b.decision.engine,
            &b.decision.subject,
            &b.because,
        ))
    });
    for summary in &mut engines {
        let keeps = declined
            .iter()
            .filter(|d| d.decision.engine == summary.engine);
        summary.keeps = u64::try_from(keeps.count()).unwrap_or(u64::MAX);
    }
    engines.sort_by_key(|s| s.engine);
    steps.shrink_to_fit();

    let totals = totals(inputs, &steps, &engines);
    let mut plan = Plan {
        version: Version::KNOWN,
        fingerprint: Fingerprint(String::new()),
        inputs: base,
        made_at: inputs.now(),
        expires_at: inputs.now() + config.valid_for(),
        scope: Scope {
            clouds: snapshot
                .clouds
                .iter()
                .map(|c| (c.account.clone(), c.region.clone()))
                .collect(),
            clusters: snapshot.clusters.iter().map(|c| c.uid.clone()).collect(),
        },
        totals,
        engines,
        steps,
        declined,
    };
    plan.fingerprint = plan.computed_fingerprint();
    plan
}

/// Makes steps of decisions, in their order.
pub(super) struct Maker<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) packed_on: BTreeMap<u8, Overlay>,
    as_given: bool,
    base: &'a str,
    steps: Vec<Step>,
    declined: Vec<Declined>,
    engines: Vec<EngineSummary>,
    changed: BTreeMap<String, EngineId>,
    pub(super) chains: Chains,
    pub(super) durations: Durations<'a>,
    pub(super) valid_seconds: u64,
    pub(super) spent_seconds: u64,
    group: u32,
}

/// A step to be, before it has a name.
pub(super) struct Draft {
    pub(super) action: Action,
    pub(super) seconds: u64,
    pub(super) wave: Option<u32>,
    /// What must be so beyond what the action itself needs.
    pub(super) also: Vec<Precondition>,
}

impl<'a> Maker<'a> {
    /// The decisions that act, in the order of their phases.
    fn sorted(inputs: &'a Inputs<'a>, input: PlanInput, base: &'a str) -> (Vec<Candidate>, Self) {
        let config = &inputs.policy.plan;
        let mut declined = input.declined;
        // What was set aside before is at stake as well.
        let mut aside: BTreeMap<EngineId, MicroUsdPerMonth> = BTreeMap::new();
        for decision in declined.iter().map(|d| &d.decision) {
            *aside.entry(decision.engine).or_default() +=
                decision.at_stake_per_month.unwrap_or_default();
        }
        let mut candidates = Vec::new();
        let mut engines = Vec::new();
        for output in input.outputs {
            engines.push(EngineSummary {
                engine: output.engine,
                acts: 0,
                keeps: 0,
                saves_per_month: MicroUsdPerMonth::ZERO,
                at_stake_per_month: output
                    .decisions
                    .iter()
                    .filter_map(|d| d.at_stake_per_month)
                    .chain(aside.remove(&output.engine))
                    .sum(),
                figures: output.figures,
                alternatives: output.alternatives,
                not_judged: output.not_judged,
            });
            for (place, decision) in output.decisions.into_iter().enumerate() {
                if decision.is_keep() {
                    declined.push(Declined {
                        decision,
                        because: DeclineReason::EngineKeeps,
                    });
                    continue;
                }
                let builds_on = if input.waits_for_sleep.contains(&decision.subject) {
                    2
                } else {
                    u8::from(input.waits_for_requests.contains(&decision.subject))
                };
                let phase = phase(&decision, builds_on);
                candidates.push(Candidate {
                    decision,
                    phase,
                    place,
                });
            }
        }
        candidates.sort_by(|a, b| {
            (a.phase, a.decision.engine, a.place).cmp(&(b.phase, b.decision.engine, b.place))
        });
        let settle_seconds = u64::from(config.settle_seconds);
        let maker = Self {
            inputs,
            packed_on: input.packed_on,
            as_given: input.as_given,
            base,
            steps: Vec::new(),
            declined,
            engines,
            changed: BTreeMap::new(),
            chains: Chains::default(),
            durations: Durations::new(inputs.snapshot, inputs.now(), settle_seconds),
            valid_seconds: u64::try_from(config.valid_for().num_seconds()).unwrap_or(0),
            spent_seconds: 0,
            group: 0,
        };
        (candidates, maker)
    }

    /// The moment of the snapshot.
    pub(super) fn made_at(&self) -> chrono::DateTime<chrono::Utc> {
        self.inputs.now()
    }

    fn all(mut self, candidates: Vec<Candidate>) -> (Vec<Step>, Vec<Declined>, Vec<EngineSummary>) {
        // The packer's decisions about a cluster are ordered together.
        let mut batch: BTreeMap<ClusterUid, Vec<Decision>> = BTreeMap::new();
        let mut candidates = candidates.into_iter().peekable();
        while let Some(candidate) = candidates.next() {
            let phase = candidate.phase;
            match (phase, &candidate.decision.subject) {
                (Phase::Pack { .. }, Subject::Node { cluster, .. }) if !self.as_given => {
                    let of_cluster = batch.entry(cluster.clone()).or_default();
                    of_cluster.push(candidate.decision);
                }
                _ => self.plain(candidate.decision, phase),
            }
            if let Phase::Pack { builds_on } = phase
                && candidates.peek().is_none_or(|next| next.phase != phase)
            {
                for (cluster, decisions) in std::mem::take(&mut batch) {
                    self.pack(&cluster, decisions, builds_on);
                }
            }
        }
        (self.steps, self.declined, self.engines)
    }

    pub(super) fn decline(&mut self, decision: Decision, because: DeclineReason) {
        self.declined.push(Declined { decision, because });
    }

    /// The decision, if nothing that is in the plan speaks against it.
    pub(super) fn free(&mut self, decision: Decision, phase: Phase) -> Option<Decision> {
        let mut resources = decision.actions.iter().filter_map(|action| {
            let lasts = !passes(&decision.subject, action);
            lasts.then(|| action.resource())
        });
        let conflict = resources.find_map(|r| self.changed.get(&r).map(|with| (r.clone(), *with)));
        if let Some((resource, with)) = conflict {
            self.decline(decision, DeclineReason::Conflict { resource, with });
            return None;
        }
        if let Some(subject) = self.chains.broken_for(&decision, phase) {
            let subject = Box::new(subject);
            self.decline(decision, DeclineReason::BuildsOnDeclined { subject });
            return None;
        }
        Some(decision)
    }

    pub(super) fn decline_late(&mut self, decision: Decision, phase: Phase, needs_seconds: u64) {
        self.chains.break_at(&decision, phase);
        let because = DeclineReason::TooLate {
            needs_seconds,
            valid_seconds: self.valid_seconds,
        };
        self.decline(decision, because);
    }

    /// The decision, if there is somebody to ask for the nodes that it needs.
    pub(super) fn launchable(&mut self, decision: Decision, phase: Phase) -> Option<Decision> {
        let through = &self.inputs.policy.bin_packing.launch_through;
        let nobody = decision.actions.iter().find_map(|action| match action {
            Action::LaunchNodes { launch, .. } => {
                let via = &launch.via;
                let known = via
                    .launches_as()
                    .is_some_and(|kind| through.contains(&kind));
                (!known).then(|| via.clone())
            }
            _ => None,
        });
        let Some(via) = nobody else {
            return Some(decision);
        };
        self.chains.break_at(&decision, phase);
        self.decline(decision, DeclineReason::NobodyLaunches { via });
        None
    }

    /// A decision whose steps follow each other.
    fn plain(&mut self, decision: Decision, phase: Phase) {
        let decision = self.free(decision, phase);
        let Some(mut decision) = decision.and_then(|d| self.launchable(d, phase)) else {
            return;
        };
        let seconds: Vec<u64> = decision
            .actions
            .iter()
            .map(|action| self.durations.of(action))
            .collect();
        let needs_seconds = self.spent_seconds.saturating_add(seconds.iter().sum());
        if needs_seconds > self.valid_seconds {
            return self.decline_late(decision, phase, needs_seconds);
        }
        self.spent_seconds = needs_seconds;
        let mut before = self.chains.before(&decision, phase);
        let actions = std::mem::take(&mut decision.actions);
        let mut group = self.open(decision, actions.iter());
        let last = actions.len().saturating_sub(1);
        for (index, (action, seconds)) in actions.into_iter().zip(seconds).enumerate() {
            let draft = Draft {
                action,
                seconds,
                wave: None,
                also: Vec::new(),
            };
            let id = self.step(&mut group, draft, before, index == last);
            before = Waits::on(id);
        }
        if let Some(step) = self.steps.last() {
            let id = step.id.clone();
            self.chains.done(&id, &group.decision.subject, phase);
        }
    }

    /// Counts a decision in, and opens the group of its steps.
    pub(super) fn open<'b>(
        &mut self,
        decision: Decision,
        actions: impl Iterator<Item = &'b Action>,
    ) -> Group {
        self.group = self.group.saturating_add(1);
        let engine = decision.engine;
        let lasting = actions.filter(|a| !passes(&decision.subject, a));
        self.changed.extend(lasting.map(|a| (a.resource(), engine)));
        if let Some(summary) = self.engines.iter_mut().find(|s| s.engine == engine) {
            summary.acts += 1;
            // What is counted is no longer at stake; of an act that counts
            // nothing itself, the stake is all there is to show.
            if let Some(saves) = decision.saves_per_month {
                summary.saves_per_month += saves;
                summary.at_stake_per_month -= decision.at_stake_per_month.unwrap_or_default();
            }
        }
        Group {
            decision,
            number: self.group,
            steps: 0,
            latest: None,
        }
    }

    /// Adds a step to the group of a decision; what it saves stands on the last.
    pub(super) fn step(
        &mut self,
        group: &mut Group,
        draft: Draft,
        waits: Waits,
        last: bool,
    ) -> StepId {
        let Draft {
            action,
            seconds: estimated_seconds,
            wave,
            also,
        } = draft;
        let decision = &group.decision;
        let id = StepId(digest(&(
            self.base,
            &decision.subject,
            group.steps,
            &action,
        )));
        group.steps += 1;
        group.latest = Some(id.clone());
        let mut preconditions = Precondition::of(&action, self.inputs.snapshot);
        self.chains.forget_generations(&mut preconditions);
        self.chains.touch(&action);
        preconditions.extend(also);
        self.steps.push(Step {
            id: id.clone(),
            group: group.number,
            wave,
            engine: decision.engine,
            subject: decision.subject.clone(),
            undo: action.undo(),
            action,
            depends_on: waits.depends_on,
            after: waits.after,
            preconditions,
            saves_per_month: decision.saves_per_month.filter(|_| last),
            estimated_seconds,
            reasons: decision.reasons.clone(),
        });
        id
    }
}

/// The steps of one decision.
pub(super) struct Group {
    pub(super) decision: Decision,
    number: u32,
    steps: usize,
    /// Its last step so far.
    latest: Option<StepId>,
}

fn phase(decision: &Decision, builds_on: u8) -> Phase {
    match decision.engine {
        EngineId::Oom => Phase::Raise,
        EngineId::Rightsizing => Phase::Resize,
        EngineId::OfficeHours => {
            let wakes = decision.actions.iter().any(|a| match a {
                Action::ScaleWorkload { from, to, .. } => to > from,
                Action::SuspendWorkload { suspend, .. } => !suspend,
                Action::Annotate { key, to, .. } => key == KEDA_PAUSED && to.is_none(),
                _ => false,
            });
            if wakes { Phase::Restore } else { Phase::Sleep }
        }
        EngineId::Spot | EngineId::Network => Phase::Route,
        EngineId::BinPacking => Phase::Pack { builds_on },
        EngineId::GhostProbe | EngineId::ZombieVolumes => Phase::Clean,
    }
}

/// Whether the action leaves its node as it was, once the decision is carried out:
/// one that stays is closed while pods leave it, and opened again.
fn passes(subject: &Subject, action: &Action) -> bool {
    match (subject, action) {
        (
            Subject::Node { node, .. },
            Action::CordonNode { node: other, .. }
            | Action::UncordonNode { node: other, .. }
            | Action::DrainNode { node: other, .. },
        ) => node != other,
        _ => false,
    }
}

/// What a step waits for.
#[derive(Default)]
pub(super) struct Waits {
    depends_on: Vec<StepId>,
    after: Vec<StepId>,
}

impl Waits {
    fn on(step: StepId) -> Self {
        Self {
            depends_on: vec![step],
            after: Vec::new(),
        }
    }
}

/// Which steps a step waits for beyond its own group.
///
/// The packer's answers build on each other: each node is emptied on the
/// cluster that the earlier ones leave. So they form one chain per cluster,
/// and a link that is missing takes the rest with it, unless the rest is looked
/// at again anyway. A resize or a sleep that
/// is missing takes only what was found with it: the nodes before went by the
/// requests and replicas of today.
#[derive(Default)]
pub(super) struct Chains {
    last_pack: BTreeMap<ClusterUid, StepId>,
    resizes: BTreeMap<ClusterUid, Vec<StepId>>,
    sleeps: BTreeMap<ClusterUid, Vec<StepId>>,
    /// From which answer of the packer on nothing holds, and because of what.
    broken: BTreeMap<ClusterUid, (u8, Subject)>,
    touched: BTreeSet<(ClusterUid, WorkloadRef)>,
    /// Waves so far, and the controllers whose pods the last of them moves.
    waves: BTreeMap<ClusterUid, (u32, Vec<Controller>)>,
    /// By how much earlier steps change what groups want.
    grown: BTreeMap<(ClusterUid, String), i64>,
}

impl Chains {
    pub(super) fn broken_for(&self, decision: &Decision, phase: Phase) -> Option<Subject> {
        let Phase::Pack { builds_on } = phase else {
            return None;
        };
        let (from, subject) = self.broken.get(cluster_of(&decision.subject)?)?;
        (builds_on >= *from).then(|| subject.clone())
    }

    pub(super) fn break_at(&mut self, decision: &Decision, phase: Phase) {
        let from = match phase {
            Phase::Pack { builds_on } => builds_on,
            Phase::Resize => 1,
            Phase::Sleep => 2,
            Phase::Restore | Phase::Raise | Phase::Route | Phase::Clean => return,
        };
        let Some(cluster) = cluster_of(&decision.subject) else {
            return;
        };
        let broken = self
            .broken
            .entry(cluster.clone())
            .or_insert_with(|| (from, decision.subject.clone()));
        if from < broken.0 {
            *broken = (from, decision.subject.clone());
        }
    }

    pub(super) fn before(&self, decision: &Decision, phase: Phase) -> Waits {
        let mut waits = Waits::default();
        if let Some(cluster) = cluster_of(&decision.subject) {
            waits.depends_on.extend(self.link(cluster, phase));
            waits.depends_on.extend(self.asked_about(cluster, phase));
        }
        waits
    }

    /// The same for a step of a group that is looked at again before it begins:
    /// without those before, the cluster is as good a ground as any.
    pub(super) fn before_looked_at(&self, group: &Group, phase: Phase) -> Waits {
        let mut waits = Waits::default();
        waits.depends_on.extend(group.latest.clone());
        if let Some(cluster) = cluster_of(&group.decision.subject) {
            let link = self.link(cluster, phase);
            waits
                .after
                .extend(link.filter(|id| group.latest.as_ref() != Some(id)));
            waits.depends_on.extend(self.asked_about(cluster, phase));
        }
        waits
    }

    /// The last step of the packer so far.
    fn link(&self, cluster: &ClusterUid, phase: Phase) -> Option<StepId> {
        let packs = matches!(phase, Phase::Pack { .. });
        self.last_pack.get(cluster).filter(|_| packs).cloned()
    }

    /// What was counted on when the packer was asked.
    fn asked_about(&self, cluster: &ClusterUid, phase: Phase) -> Vec<StepId> {
        let Phase::Pack { builds_on } = phase else {
            return Vec::new();
        };
        let of = |steps: &BTreeMap<ClusterUid, Vec<StepId>>, from: u8| {
            let steps = steps.get(cluster).filter(|_| builds_on >= from);
            steps.cloned().unwrap_or_default()
        };
        [of(&self.resizes, 1), of(&self.sleeps, 2)].concat()
    }

    pub(super) fn done(&mut self, id: &StepId, subject: &Subject, phase: Phase) {
        let Some(cluster) = cluster_of(subject).cloned() else {
            return;
        };
        match phase {
            Phase::Pack { .. } => {
                self.last_pack.insert(cluster, id.clone());
            }
            Phase::Raise | Phase::Resize => {
                self.resizes.entry(cluster).or_default().push(id.clone())
            }
            Phase::Sleep => self.sleeps.entry(cluster).or_default().push(id.clone()),
            Phase::Restore | Phase::Route | Phase::Clean => {}
        }
    }

    /// A launch with the size that its group has by then, and a note of what the
    /// action changes.
    pub(super) fn sized(&mut self, mut action: Action) -> Action {
        let (cluster, group, more) = match &action {
            Action::LaunchNodes { cluster, launch } => {
                (cluster, &launch.via, i64::from(launch.count))
            }
            Action::RemoveNode { cluster, via, .. } => (cluster, via, -1),
            _ => return action,
        };
        // By its name: the group behind a node group may be known or not.
        let name = match group {
            Owner::NodeGroup { name, .. } => format!("node group {name}"),
            other => other.to_string(),
        };
        let grown = self.grown.entry((cluster.clone(), name)).or_default();
        let before = *grown;
        *grown = grown.saturating_add(more);
        if let Action::LaunchNodes { launch, .. } = &mut action
            && let Some(size) = &mut launch.group_size
        {
            let now = i64::from(*size).saturating_add(before).max(0);
            *size = u32::try_from(now).unwrap_or(u32::MAX);
        }
        action
    }

    /// The number of the cluster's next wave.
    pub(super) fn next_wave(&mut self, cluster: &ClusterUid) -> u32 {
        let (number, _) = self.waves.entry(cluster.clone()).or_default();
        *number = number.saturating_add(1);
        *number
    }

    /// Notes whose pods have to be back before the next wave, and gives those
    /// of the wave before.
    pub(super) fn await_pods(
        &mut self,
        cluster: &ClusterUid,
        controllers: Vec<Controller>,
    ) -> Vec<Controller> {
        let (_, waited_for) = self.waves.entry(cluster.clone()).or_default();
        std::mem::replace(waited_for, controllers)
    }

    /// The action changes a workload, and so its generation.
    fn touch(&mut self, action: &Action) {
        if let Action::ResizeContainer {
            cluster, workload, ..
        }
        | Action::ScaleWorkload {
            cluster, workload, ..
        }
        | Action::SuspendWorkload {
            cluster, workload, ..
        }
        | Action::PreferZone {
            cluster, workload, ..
        }
        | Action::SetSpotShare {
            cluster, workload, ..
        } = action
        {
            self.touched.insert((cluster.clone(), workload.clone()));
        }
        // To a Deployment an annotation is a new generation as well.
        if let Action::Annotate {
            cluster, object, ..
        } = action
        {
            let workload = WorkloadRef::new(
                object.namespace.as_str(),
                object.kind.as_str(),
                object.name.as_str(),
            );
            self.touched.insert((cluster.clone(), workload));
        }
    }

    /// An earlier step of the plan changes the workload, and so its generation.
    fn forget_generations(&self, preconditions: &mut [Precondition]) {
        for precondition in preconditions {
            if let Precondition::WorkloadIs {
                cluster,
                workload,
                generation,
                ..
            } = precondition
                && self.touched.contains(&(cluster.clone(), workload.clone()))
            {
                *generation = None;
            }
        }
    }
}

fn cluster_of(subject: &Subject) -> Option<&ClusterUid> {
    match subject {
        Subject::Cluster { cluster }
        | Subject::Node { cluster, .. }
        | Subject::Workload { cluster, .. }
        | Subject::Container { cluster, .. }
        | Subject::Pod { cluster, .. }
        | Subject::Service { cluster, .. }
        | Subject::TrafficPair { cluster, .. } => Some(cluster),
        Subject::Instance { .. } | Subject::Volume { .. } | Subject::Offering { .. } => None,
    }
}

fn totals(inputs: &Inputs<'_>, steps: &[Step], engines: &[EngineSummary]) -> Totals {
    let mut totals = Totals::default();
    for cluster in &inputs.snapshot.clusters {
        for node in cluster.nodes.items() {
            totals.nodes += 1;
            match inputs.node_price(cluster, node) {
                Some(price) => totals.nodes_per_hour += price,
                None => totals.unpriced_nodes += 1,
            }
        }
    }
    let saved = |engine: Option<EngineId>| -> MicroUsdPerMonth {
        steps
            .iter()
            .filter(|s| engine.is_none_or(|e| s.engine == e))
            .filter_map(|s| s.saves_per_month)
            .sum()
    };
    totals.saves_per_month = saved(None);
    totals.nodes_per_hour_after =
        totals.nodes_per_hour - MicroUsdPerHour(saved(Some(EngineId::BinPacking)).0 / 730);
    totals.lower_bound_per_hour = lower_bound(inputs, engines);
    totals.moves = steps
        .iter()
        .map(|s| match &s.action {
            Action::DrainNode { moves, .. } => u64::try_from(moves.len()).unwrap_or(u64::MAX),
            _ => 0,
        })
        .sum();
    totals
}

/// The bounds of all clusters together, of each the least that the packer gave
/// for the requests that it was asked about. `None` when one of them has none:
/// a cluster that was not judged may cost anything.
fn lower_bound(inputs: &Inputs<'_>, engines: &[EngineSummary]) -> Option<MicroUsdPerHour> {
    let packer = engines.iter().find(|e| e.engine == EngineId::BinPacking)?;
    let of_cluster = |cluster: &Cluster| {
        let figures = packer.figures.iter();
        let own = figures.filter(|f| f.cluster.as_ref() == Some(&cluster.uid));
        let bounds: Option<Vec<MicroUsdPerHour>> = own.map(|f| f.lower_bound).collect();
        bounds?.into_iter().min()
    };
    let clusters = inputs.snapshot.clusters.iter();
    let bounds: Option<Vec<MicroUsdPerHour>> = clusters.map(of_cluster).collect();
    bounds
        .filter(|all| !all.is_empty())
        .map(|all| all.into_iter().sum())
}

/// SHA-256 over the JSON of a value, as hexadecimal digits.
///
/// Maps are ordered and floats are not in it, so equal values give equal digits.
pub(crate) fn digest(value: &impl Serialize) -> String {
    use std::fmt::Write as _;
    let mut hasher = Sha256::new();
    // A value that cannot be written would be one of ours with a broken
    // `Serialize`; it then counts as empty, and the digest is still a digest.
    hasher.update(serde_json::to_vec(value).unwrap_or_default());
    hasher
        .finalize()
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
