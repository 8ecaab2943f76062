//! The interruption core.

mod bodies;
mod build;
mod drain;
mod flood;
mod order;
mod table;

use chrono::{DateTime, Utc};
use cloudoptim_core::interruption::{Act, Consent, Decision};

/// The acts of a decision in short, moments in seconds after `from`.
fn acts(decision: &Decision, from: DateTime<Utc>) -> String {
    let acts: Vec<String> = decision.steps.iter().map(|s| act(s.act, from)).collect();
    acts.join(", ")
}

fn act(act: Act, from: DateTime<Utc>) -> String {
    let first = |consent| match consent {
        Consent::ConfirmFirst => " confirm_first",
        _ => "",
    };
    let seconds = |at: DateTime<Utc>| (at - from).num_seconds();
    match act {
        Act::Nothing => "nothing".to_owned(),
        Act::Mark => "mark".to_owned(),
        Act::Cordon { consent } => format!("cordon{}", first(consent)),
        Act::Drain { deadline, consent } => {
            format!("drain@{}{}", seconds(deadline), first(consent))
        }
        Act::Hasten { deadline, consent } => {
            format!("hasten@{}{}", seconds(deadline), first(consent))
        }
        Act::PlanDrain { before: None } => "plan_drain".to_owned(),
        Act::PlanDrain { before: Some(at) } => format!("plan_drain@{}", seconds(at)),
        Act::Limit { before } => format!("limit@{}", seconds(before)),
        Act::Wait { .. } => "wait".to_owned(),
        Act::Verify => "verify".to_owned(),
        Act::CleanUp => "clean_up".to_owned(),
        Act::Cancel => "cancel".to_owned(),
        Act::Uncordon { by } => format!("uncordon@{}", seconds(by)),
        other => format!("{other:?}"),
    }
}
