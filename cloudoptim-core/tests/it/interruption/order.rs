//! Any order, any number of copies, late and forged ones among them.

use super::build::{
    TERMINATING, after, capacity, fleet, health, hook, interruptions, rebalance, spot, start, state,
};
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::interruption::{
    Act, Change, Config, Fleet, Interruptions, Message, RebalancePolicy, Stage, Standing, Verdict,
};
use proptest::prelude::*;
use serde_json::Value;

/// All orders of `items`.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for at in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(at);
        for mut tail in orders(&rest) {
            tail.insert(0, first.clone());
            all.push(tail);
        }
    }
    all
}

/// Five kinds of notices after each of which the pods have to go.
fn five_that_drain() -> Vec<(&'static str, Value)> {
    vec![
        ("rebalance", rebalance("i-1", "r", start())),
        (
            "health",
            health(&["i-1"], "h", start(), Some(after(7_200)), "upcoming"),
        ),
        ("hook", hook("i-1", "t", start(), TERMINATING)),
        ("spot", spot("i-1", "s", start(), "terminate")),
        ("capacity", capacity("i-1", "c", start(), Some(after(100)))),
    ]
}

/// The five stages of an instance that is taken back.
fn five_stages() -> Vec<(&'static str, Value)> {
    vec![
        ("rebalance", rebalance("i-1", "r", start())),
        (
            "health",
            health(&["i-1"], "h", start(), Some(after(7_200)), "upcoming"),
        ),
        ("spot", spot("i-1", "s", start(), "terminate")),
        ("stopping", state("i-1", "p", start(), "shutting-down")),
        ("gone", state("i-1", "g", start(), "terminated")),
    ]
}

/// Messages that must change nothing, between the others.
fn noise() -> Vec<String> {
    let mut wrong_resource = spot("i-1", "x", start(), "terminate");
    wrong_resource["resources"] = serde_json::json!(["arn:aws:ec2:us-east-1a:instance/i-2"]);
    let mut wrong_account = spot("i-1", "y", start(), "terminate");
    wrong_account["account"] = serde_json::json!("999999999999");
    let mut wrong_source = spot("i-1", "z", start(), "terminate");
    wrong_source["source"] = serde_json::json!("custom.app");
    let late = spot("i-1", "old", start() - TimeDelta::hours(1), "terminate");
    let stranger = spot("i-99", "w", start(), "terminate");
    [wrong_resource, wrong_account, wrong_source, late, stranger]
        .iter()
        .map(Value::to_string)
        .collect()
}

#[derive(Debug, Default, PartialEq)]
struct Tally {
    drains: u32,
    hastened: u32,
    deadline: Option<DateTime<Utc>>,
    cleaned: u32,
    evidence: u32,
}

/// Hands the bodies out and counts the acts; every message ends with an ack.
fn run(
    (interruptions, fleet): (&mut Interruptions, &Fleet),
    bodies: &[String],
    tally: &mut Tally,
    is_noise: bool,
) {
    for body in bodies {
        let message = Message {
            body: body.as_bytes(),
            sent_at: Some(after(1)),
            receives: 1,
        };
        let decision = interruptions.receive(message, fleet, after(5));
        assert!(is_noise || decision.verdict == Verdict::Ack, "{decision:?}");
        for step in &decision.steps {
            tally.evidence += u32::from(!is_noise && step.evidence.is_some());
            match step.act {
                Act::Drain { deadline, .. } => {
                    tally.drains += 1;
                    tally.deadline = Some(deadline);
                }
                Act::PlanDrain { .. } => tally.drains += 1,
                Act::Hasten { deadline, .. } => {
                    tally.hastened += 1;
                    tally.deadline = Some(deadline);
                }
                Act::CleanUp => tally.cleaned += 1,
                Act::Nothing | Act::Verify | Act::Mark | Act::Limit { .. } => {}
                other => panic!("{other:?} of {body}"),
            }
        }
        interruptions.done(&decision.receipt);
    }
}

#[test]
fn whatever_comes_how_often_in_which_order_there_is_one_drain() {
    let config = Config::default()
        .with_rebalance(RebalancePolicy::Drain)
        .with_unconfirmed_percent(100);
    let (noise, fleet) = (noise(), fleet(10));
    for order in orders(&five_that_drain()) {
        for copies in 1..=5 {
            let mut interruptions = interruptions(config.clone());
            let mut tally = Tally::default();
            for (_, body) in &order {
                run((&mut interruptions, &fleet), &noise, &mut tally, true);
                let bodies = vec![body.to_string(); copies];
                run((&mut interruptions, &fleet), &bodies, &mut tally, false);
            }
            // All copies of all kinds once more, as after a lost delete.
            let again: Vec<String> = order.iter().map(|(_, b)| b.to_string()).collect();
            run((&mut interruptions, &fleet), &again, &mut tally, false);
            let names: Vec<_> = order.iter().map(|(n, _)| *n).collect();
            assert_eq!(tally.drains, 1, "{names:?} × {copies}");
            assert_eq!(tally.deadline, Some(after(100)), "{names:?} × {copies}");
        }
    }
}

#[test]
fn an_instance_is_drained_once_before_it_is_gone_and_not_after() {
    let config = Config::default()
        .with_rebalance(RebalancePolicy::Drain)
        .with_unconfirmed_percent(100);
    let (noise, fleet) = (noise(), fleet(10));
    for order in orders(&five_stages()) {
        for copies in 1..=5 {
            let mut interruptions = interruptions(config.clone());
            let mut tally = Tally::default();
            for (_, body) in &order {
                run((&mut interruptions, &fleet), &noise, &mut tally, true);
                let bodies = vec![body.to_string(); copies];
                run((&mut interruptions, &fleet), &bodies, &mut tally, false);
            }
            let names: Vec<_> = order.iter().map(|(n, _)| *n).collect();
            let drains = u32::from(names[0] != "gone");
            assert_eq!(tally.drains, drains, "{names:?} × {copies}");
            assert_eq!(tally.cleaned, 1, "{names:?} × {copies}");
        }
    }
}

#[test]
fn the_earliest_deadline_of_a_stage_holds_in_any_order() {
    let notices = [110, 40, 75].map(|ends| {
        let id = ends.to_string();
        (ends, capacity("i-1", &id, start(), Some(after(ends))))
    });
    let fleet = fleet(10);
    for order in orders(&notices) {
        let mut interruptions = interruptions(Config::default());
        let mut tally = Tally::default();
        for (_, body) in &order {
            run(
                (&mut interruptions, &fleet),
                &[body.to_string()],
                &mut tally,
                false,
            );
        }
        assert_eq!((tally.drains, tally.deadline), (1, Some(after(40))));
    }
}

#[test]
fn a_copy_of_what_is_in_hand_is_neither_deleted_nor_acted_on() {
    let fleet = fleet(10);
    let mut interruptions = interruptions(Config::default());
    let body = spot("i-1", "s", start(), "terminate").to_string();
    let message = super::build::message(&body);
    let first = interruptions.receive(message, &fleet, after(1));
    let copy = interruptions.receive(message, &fleet, after(2));
    assert_eq!(copy.verdict, Verdict::Leave);
    assert_eq!(copy.steps[0].act, Act::Nothing);

    // The cordon failed: the same message has to act once more.
    interruptions.failed(&first.receipt);
    let again = interruptions.receive(message, &fleet, after(3));
    assert_eq!(again.steps[0].act, first.steps[0].act);
    interruptions.done(&again.receipt);
    let copy = interruptions.receive(message, &fleet, after(4));
    assert_eq!(copy.verdict, Verdict::Ack);
}

#[test]
fn what_failed_leaves_what_came_after_it() {
    let fleet = fleet(10);
    let mut interruptions = interruptions(Config::default());
    let first = spot("i-1", "s", start(), "terminate").to_string();
    let first = interruptions.receive(super::build::message(&first), &fleet, after(1));
    let gone = state("i-1", "g", start(), "terminated").to_string();
    let gone = interruptions.receive(super::build::message(&gone), &fleet, after(2));
    assert_eq!(gone.steps[0].act, Act::CleanUp);
    interruptions.failed(&first.receipt);
    let again = spot("i-1", "s", start(), "terminate").to_string();
    let again = interruptions.receive(super::build::message(&again), &fleet, after(3));
    assert_eq!(again.steps[0].act, Act::Nothing);
}

fn stages() -> impl Strategy<Value = (Stage, Option<DateTime<Utc>>)> {
    let stage = prop::sample::select(vec![
        Stage::AtRisk,
        Stage::Scheduled,
        Stage::Released,
        Stage::Interrupted,
        Stage::Stopping,
        Stage::Gone,
    ]);
    let deadline = prop::option::of((0_i64..300).prop_map(after));
    (stage, deadline)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The end is the latest stage with its earliest deadline, and a change is
    /// told exactly when there is one.
    #[test]
    fn a_standing_only_gets_worse_and_forgets_the_order(
        notices in prop::collection::vec(stages(), 1..12),
        turn in 0_usize..12,
    ) {
        let end = |notices: &[(Stage, Option<DateTime<Utc>>)]| {
            let (stage, deadline) = notices[0];
            let mut standing = Standing::new(stage, deadline);
            for (stage, deadline) in &notices[1..] {
                let before = standing;
                let change = standing.raise(*stage, *deadline);
                assert!(standing.stage >= before.stage);
                let changed = matches!(change, Change::Up | Change::Sooner);
                assert_eq!(changed, standing != before);
                assert_eq!(change == Change::Up, standing.stage > before.stage);
            }
            standing
        };
        let last = notices.iter().map(|(s, _)| *s).max().unwrap();
        let first = notices.iter().filter(|(s, _)| *s == last).filter_map(|(_, d)| *d).min();
        prop_assert_eq!(end(&notices), Standing::new(last, first));
        let mut turned = notices.clone();
        turned.rotate_left(turn % notices.len());
        turned.extend(notices.clone());
        prop_assert_eq!(end(&turned), end(&notices));
    }
}
