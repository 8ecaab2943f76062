//! A plan in sentences, and as flat rows.

use super::{Plan, Step};
use crate::decision::{Decision, MissingEvidence, Reason};
use crate::model::MicroUsdPerMonth;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One decision, flat: what a table or a data frame shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `step` or `declined`.
    pub status: &'static str,
    /// Engine.
    pub engine: String,
    /// Subject, in words.
    pub subject: String,
    /// Actions, in words, joined by "; ". Empty for a keep.
    pub action: String,
    /// Counted, in micro-dollars a month.
    pub saves_micro_usd_per_month: Option<i64>,
    /// Shown, in no sum, in micro-dollars a month.
    pub at_stake_micro_usd_per_month: Option<i64>,
    /// Codes of the reasons, joined by ", ".
    pub codes: String,
    /// Reasons in words, joined by "; ".
    pub reasons: String,
    /// Why it is not in the steps.
    pub because: Option<String>,
}

impl Plan {
    /// One row per decision: those in the steps first, in their order.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut groups: BTreeMap<u32, Vec<&Step>> = BTreeMap::new();
        for step in &self.steps {
            groups.entry(step.group).or_default().push(step);
        }
        for group in groups.values() {
            let Some(first) = group.first() else { continue };
            let actions: Vec<String> = group.iter().map(|s| s.action.to_string()).collect();
            rows.push(Row {
                status: "step",
                engine: first.engine.to_string(),
                subject: first.subject.to_string(),
                action: actions.join("; "),
                saves_micro_usd_per_month: saves(group).map(|s| s.0),
                at_stake_micro_usd_per_month: None,
                codes: codes(&first.reasons),
                reasons: sentences(&first.reasons),
                because: None,
            });
        }
        rows.extend(self.declined.iter().map(|declined| {
            let decision = &declined.decision;
            let actions: Vec<String> = decision.actions.iter().map(ToString::to_string).collect();
            Row {
                status: "declined",
                engine: decision.engine.to_string(),
                subject: decision.subject.to_string(),
                action: actions.join("; "),
                saves_micro_usd_per_month: decision.saves_per_month.map(|s| s.0),
                at_stake_micro_usd_per_month: decision.at_stake_per_month.map(|s| s.0),
                codes: codes(&decision.reasons),
                reasons: sentences(&decision.reasons),
                because: Some(declined.because.to_string()),
            }
        }));
        rows
    }

    /// The plan in sentences: the steps, then what is at stake and what is missing.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "plan {} of {}, valid until {}: {} steps, saves {}",
            self.fingerprint,
            self.made_at,
            self.expires_at,
            self.steps.len(),
            self.totals.saves_per_month
        );
        for (index, step) in self.steps.iter().enumerate() {
            let _ = write!(text, "{}. {}", index + 1, step.action);
            if let Some(saves) = step.saves_per_month {
                let _ = write!(text, " (saves {saves})");
            }
            let _ = writeln!(text, ": {}", sentences(&step.reasons));
        }
        for decision in self.declined.iter().map(|d| &d.decision) {
            if decision.at_stake_per_month.is_some() {
                let _ = writeln!(text, "- {}", at_stake(decision));
            }
        }
        text
    }
}

fn saves(group: &[&Step]) -> Option<MicroUsdPerMonth> {
    group.iter().find_map(|s| s.saves_per_month)
}

fn codes(reasons: &[Reason]) -> String {
    let codes: Vec<String> = reasons.iter().map(|r| r.code().1).collect();
    codes.join(", ")
}

fn sentences(reasons: &[Reason]) -> String {
    let sentences: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    sentences.join("; ")
}

fn at_stake(decision: &Decision) -> String {
    let missing: Vec<String> = decision
        .missing_evidence
        .iter()
        .map(MissingEvidence::to_string)
        .collect();
    let stake = decision.at_stake_per_month.unwrap_or_default();
    let mut text = format!(
        "{}: {}, {stake} at stake: {}",
        decision.engine,
        decision.subject,
        sentences(&decision.reasons)
    );
    if !missing.is_empty() {
        let _ = write!(text, "; missing: {}", missing.join(", "));
    }
    text
}
