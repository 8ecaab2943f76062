//! From decisions to steps.

use super::duration::Durations;
use super::{
    DeclineReason, Declined, EngineSummary, Fingerprint, Plan, Precondition, Scope, Step, StepId,
    Totals,
};
use crate::decision::{Action, Decision, Subject};
use crate::engines::office_hours::KEDA_PAUSED;
use crate::engines::{EngineId, EngineOutput, Inputs};
use crate::model::{Cluster, ClusterUid, MicroUsdPerHour, MicroUsdPerMonth, WorkloadRef};
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
    /// Decisions that were set aside before, with the reason.
    pub declined: Vec<Declined>,
}

/// The phases of a plan: what brings something back or adds room comes first,
/// and what takes away comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
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
pub fn plan(inputs: &Inputs<'_>, input: PlanInput) -> Plan {
    let snapshot = inputs.snapshot;
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

    let base = digest(&(
        env!("CARGO_PKG_VERSION"),
        snapshot,
        inputs.overlay,
        inputs.policy,
        inputs.ledgers,
    ));
    let mut steps: Vec<Step> = Vec::new();
    let mut changed: BTreeMap<String, EngineId> = BTreeMap::new();
    let mut chains = Chains::default();
    let valid_seconds = u64::try_from(config.valid_for().num_seconds()).unwrap_or(0);
    let settle_seconds = u64::from(config.settle_seconds);
    let mut durations = Durations::new(snapshot, inputs.now(), settle_seconds);
    let mut spent_seconds = 0_u64;
    let mut group = 0_u32;
    for candidate in candidates {
        let decision = candidate.decision;
        let resources: BTreeSet<String> = decision.actions.iter().map(Action::resource).collect();
        let conflict = resources
            .iter()
            .find_map(|r| changed.get(r).map(|with| (r.clone(), *with)));
        if let Some((resource, with)) = conflict {
            declined.push(Declined {
                decision,
                because: DeclineReason::Conflict { resource, with },
            });
            continue;
        }
        if let Some(subject) = chains.broken_for(&decision, candidate.phase) {
            let subject = Box::new(subject);
            declined.push(Declined {
                decision,
                because: DeclineReason::BuildsOnDeclined { subject },
            });
            continue;
        }
        let seconds: Vec<u64> = decision.actions.iter().map(|a| durations.of(a)).collect();
        let needs_seconds = spent_seconds.saturating_add(seconds.iter().sum());
        if needs_seconds > valid_seconds {
            chains.break_at(&decision, candidate.phase);
            let because = DeclineReason::TooLate {
                needs_seconds,
                valid_seconds,
            };
            declined.push(Declined { decision, because });
            continue;
        }
        spent_seconds = needs_seconds;
        group = group.saturating_add(1);
        changed.extend(resources.into_iter().map(|r| (r, decision.engine)));
        if let Some(summary) = engines.iter_mut().find(|s| s.engine == decision.engine) {
            summary.acts += 1;
            // What is counted is no longer at stake; of an act that counts
            // nothing itself, the stake is all there is to show.
            if let Some(saves) = decision.saves_per_month {
                summary.saves_per_month += saves;
                summary.at_stake_per_month -= decision.at_stake_per_month.unwrap_or_default();
            }
        }
        let mut before = chains.before(&decision, candidate.phase);
        let last = decision.actions.len().saturating_sub(1);
        let reasons = decision.reasons;
        for (index, (action, estimated_seconds)) in
            decision.actions.into_iter().zip(seconds).enumerate()
        {
            let id = StepId(digest(&(&base, &decision.subject, index, &action)));
            let mut preconditions = Precondition::of(&action, snapshot);
            chains.forget_generations(&mut preconditions);
            let undo = action.undo();
            steps.push(Step {
                id: id.clone(),
                group,
                engine: decision.engine,
                subject: decision.subject.clone(),
                action,
                depends_on: std::mem::replace(&mut before, vec![id]),
                preconditions,
                undo,
                saves_per_month: if index == last {
                    decision.saves_per_month
                } else {
                    None
                },
                estimated_seconds,
                reasons: reasons.clone(),
            });
        }
        if let Some(step) = steps.last() {
            chains.done(&step.id, &step.subject, &step.action, candidate.phase);
        }
    }
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

/// Which steps a step waits for beyond its own group.
///
/// The packer's answers build on each other: each node is emptied on the
/// cluster that the earlier ones leave. So they form one chain per cluster,
/// and a link that is missing takes the rest with it. A resize or a sleep that
/// is missing takes only what was found with it: the nodes before went by the
/// requests and replicas of today.
#[derive(Default)]
struct Chains {
    last_pack: BTreeMap<ClusterUid, StepId>,
    resizes: BTreeMap<ClusterUid, Vec<StepId>>,
    sleeps: BTreeMap<ClusterUid, Vec<StepId>>,
    /// From which answer of the packer on nothing holds, and because of what.
    broken: BTreeMap<ClusterUid, (u8, Subject)>,
    touched: BTreeSet<(ClusterUid, WorkloadRef)>,
}

impl Chains {
    fn broken_for(&self, decision: &Decision, phase: Phase) -> Option<Subject> {
        let Phase::Pack { builds_on } = phase else {
            return None;
        };
        let (from, subject) = self.broken.get(cluster_of(&decision.subject)?)?;
        (builds_on >= *from).then(|| subject.clone())
    }

    fn break_at(&mut self, decision: &Decision, phase: Phase) {
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

    fn before(&self, decision: &Decision, phase: Phase) -> Vec<StepId> {
        let Phase::Pack { builds_on } = phase else {
            return Vec::new();
        };
        let Some(cluster) = cluster_of(&decision.subject) else {
            return Vec::new();
        };
        let mut before: Vec<StepId> = self.last_pack.get(cluster).cloned().into_iter().collect();
        if builds_on >= 1 {
            before.extend(self.resizes.get(cluster).into_iter().flatten().cloned());
        }
        if builds_on >= 2 {
            before.extend(self.sleeps.get(cluster).into_iter().flatten().cloned());
        }
        before
    }

    fn done(&mut self, id: &StepId, subject: &Subject, action: &Action, phase: Phase) {
        if let Action::ResizeContainer {
            cluster, workload, ..
        }
        | Action::ScaleWorkload {
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
