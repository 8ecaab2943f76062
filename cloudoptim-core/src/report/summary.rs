//! What a plan comes to: the figures and lists that page and table share.

use super::format::counted;
use super::optimum::{Standing, standings};
use super::{Report, Spend};
use crate::decision::{Action, Decision, MissingEvidence, Reason, Undo};
use crate::engines::EngineId;
use crate::model::{MicroUsdPerHour, MicroUsdPerMonth};
use crate::plan::{DeclineReason, Declined, Plan, Step};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The name of an engine as people say it.
pub(super) const fn engine_name(engine: EngineId) -> &'static str {
    match engine {
        EngineId::Oom => "Out-of-memory kills",
        EngineId::Rightsizing => "Rightsizing",
        EngineId::OfficeHours => "Office hours",
        EngineId::Spot => "Spot",
        EngineId::BinPacking => "Bin packing",
        EngineId::GhostProbe => "Ghost instances",
        EngineId::ZombieVolumes => "Zombie volumes",
        EngineId::Network => "Network",
    }
}

/// A decision whose actions are in the plan: the steps of one group.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) engine: EngineId,
    pub(super) steps: Vec<(usize, &'a Step)>,
    pub(super) saves: Option<MicroUsdPerMonth>,
    pub(super) reasons: &'a [Reason],
}

/// Decisions that leave things as they are for one and the same kind of reason.
#[derive(Debug)]
pub(super) struct Keeps<'a> {
    pub(super) engine: EngineId,
    pub(super) count: u64,
    /// The first of them, by subject.
    pub(super) example: &'a Decision,
    /// The sentence of the reason that they share, when it is one sentence.
    pub(super) shared: Option<String>,
}

/// What could be saved once evidence is there.
#[derive(Debug)]
pub(super) struct Stake<'a> {
    pub(super) decision: &'a Decision,
    pub(super) amount: MicroUsdPerMonth,
}

/// See the [module's documentation](self).
#[derive(Debug)]
pub(super) struct Summary<'a> {
    pub(super) plan: &'a Plan,
    pub(super) spend: Option<Spend>,
    /// The nodes of each cluster.
    pub(super) standings: Vec<Standing>,
    /// In the order in which they first have a step.
    pub(super) groups: Vec<Group<'a>>,
    /// Largest first.
    pub(super) stakes: Vec<Stake<'a>>,
    /// Decisions to act that are not in the plan.
    pub(super) left_out: Vec<&'a Declined>,
    /// Most frequent first within an engine.
    pub(super) keeps: Vec<Keeps<'a>>,
    /// Steps that take something away and that no action brings back.
    pub(super) deletions: u64,
    pub(super) seconds: u64,
}

impl<'a> Summary<'a> {
    pub(super) fn of(report: &Report<'a>) -> Self {
        let plan = report.plan;
        let mut declined: Vec<&Declined> = plan.declined.iter().collect();
        declined.sort_by(|a, b| {
            let key = |d: &'a Declined| (d.decision.engine, &d.decision.subject);
            key(a).cmp(&key(b))
        });
        Self {
            plan,
            spend: report.inputs.map(Spend::of),
            standings: standings(report),
            groups: groups(plan),
            stakes: stakes(&declined),
            left_out: declined
                .iter()
                .copied()
                .filter(|d| !d.decision.is_keep() && d.because != DeclineReason::EngineKeeps)
                .collect(),
            keeps: keeps(&declined),
            deletions: plan.steps.iter().filter(|s| is_deletion(s)).count() as u64,
            seconds: plan
                .steps
                .iter()
                .fold(0, |sum: u64, s| sum.saturating_add(s.estimated_seconds)),
        }
    }

    /// What everything in view costs now: of the whole snapshot where it was
    /// given, else of the nodes.
    pub(super) fn now(&self) -> MicroUsdPerMonth {
        self.spend.as_ref().map_or_else(
            || self.plan.totals.nodes_per_hour.per_month(),
            Spend::per_month,
        )
    }

    /// What it costs after the plan.
    pub(super) fn after(&self) -> MicroUsdPerMonth {
        self.now() - self.plan.totals.saves_per_month
    }

    /// The proven lower bound of the nodes; one of nothing proves nothing.
    pub(super) fn bound(&self) -> Option<MicroUsdPerHour> {
        self.plan.totals.lower_bound_per_hour.filter(|b| b.0 > 0)
    }

    /// Groups by what they save, most first; those that cost come last.
    pub(super) fn largest(&self) -> Vec<&Group<'a>> {
        let mut largest: Vec<&Group<'a>> = self.groups.iter().collect();
        largest.sort_by_key(|group| Reverse(group.saves));
        largest
    }

    /// Engines whose saving is not zero, most first.
    pub(super) fn savings(&self) -> Vec<(EngineId, MicroUsdPerMonth)> {
        let all = self.plan.engines.iter();
        let mut savings: Vec<_> = all
            .map(|e| (e.engine, e.saves_per_month))
            .filter(|(_, saves)| saves.0 != 0)
            .collect();
        savings.sort_by_key(|(engine, saves)| (Reverse(*saves), *engine));
        savings
    }
}

fn is_deletion(step: &Step) -> bool {
    step.action.is_destructive() && matches!(step.undo, Undo::Manual { .. })
}

fn groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut index = BTreeMap::new();
    for (i, step) in plan.steps.iter().enumerate() {
        let at = *index.entry(step.group).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group {
                engine: step.engine,
                steps: Vec::new(),
                saves: None,
                reasons: &step.reasons,
            });
        }
        if let Some(group) = groups.get_mut(at) {
            group.steps.push((i + 1, step));
            if let Some(saves) = step.saves_per_month {
                group.saves = Some(group.saves.unwrap_or_default() + saves);
            }
        }
    }
    groups
}

fn stakes<'a>(declined: &[&'a Declined]) -> Vec<Stake<'a>> {
    let mut stakes: Vec<Stake<'a>> = declined
        .iter()
        .filter_map(|d| {
            let amount = d.decision.at_stake_per_month.filter(|a| a.0 > 0)?;
            Some(Stake {
                decision: &d.decision,
                amount,
            })
        })
        .collect();
    stakes.sort_by_key(|stake| Reverse(stake.amount));
    stakes
}

fn keeps<'a>(declined: &[&'a Declined]) -> Vec<Keeps<'a>> {
    let mut kinds: BTreeMap<(EngineId, String), Keeps<'a>> = BTreeMap::new();
    for decision in declined.iter().map(|d| &d.decision).filter(|d| d.is_keep()) {
        let first = decision.reasons.first();
        let code = first.map(|r| r.code().1).unwrap_or_default();
        let sentence = first.map(ToString::to_string);
        kinds
            .entry((decision.engine, code))
            .and_modify(|keeps| {
                keeps.count += 1;
                if keeps.shared != sentence {
                    keeps.shared = None;
                }
            })
            .or_insert(Keeps {
                engine: decision.engine,
                count: 1,
                example: decision,
                shared: sentence,
            });
    }
    let mut keeps: Vec<Keeps<'a>> = kinds.into_values().collect();
    keeps.sort_by_key(|k| (k.engine, Reverse(k.count)));
    keeps
}

/// Sentences in one line.
pub(super) fn sentences(reasons: &[Reason]) -> String {
    let all: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// What is missing, in one line.
pub(super) fn missing(evidence: &[MissingEvidence]) -> String {
    let all: Vec<String> = evidence.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// What a group does, in one line: an action per kind, with the number of it.
pub(super) fn doing(group: &Group<'_>) -> String {
    match group.steps.as_slice() {
        [] => String::new(),
        [(_, step)] => step.action.to_string(),
        [(_, first), .., (_, last)] => {
            let moved: usize = group
                .steps
                .iter()
                .map(|(_, step)| match &step.action {
                    Action::DrainNode { moves, .. } => moves.len(),
                    _ => 0,
                })
                .sum();
            let via = match &last.action {
                Action::RemoveNode { .. } if moved > 0 => {
                    let pods = counted(moved as u64, "pod has", "pods have");
                    return format!("{}, after {pods} moved", last.action);
                }
                Action::RemoveNode { .. } | Action::DeleteVolume { .. } => &last.action,
                _ => &first.action,
            };
            format!("{via} ({} steps)", group.steps.len())
        }
    }
}
