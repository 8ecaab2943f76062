//! Case tables: messages, answers of EC2 and what follows.
//!
//! The header says what the queue, the settings and the fleet are like; each
//! line is a message or an answer at a second after the start; each expected
//! line says the verdict, the reason and the acts.

use super::build::{
    ACCOUNT, REGION, TERMINATING, after, capacity, direct_hook, empty, health, hook, in_sns, nodes,
    rebalance, spot, start, state,
};
use super::{act, acts};
use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::cloud;
use chrono::TimeDelta;
use cloudoptim_core::interruption::drain::Shortfall;
use cloudoptim_core::interruption::{
    Config, Confirmation, Decision, Fleet, Interruptions, Message, Queue, Reason, RebalancePolicy,
    Scope, Stage, Step, confirmation,
};
use cloudoptim_core::knowledge::{Gap, Knowledge, Provenance};
use cloudoptim_core::model::{Instance, InstanceState, SpotRequest};
use serde_json::{Value, json};

fn number(line: &Line, key: &str, default: i64) -> i64 {
    line.get(key).map_or(default, |v| {
        v.parse().unwrap_or_else(|_| panic!("{}", line.text))
    })
}

fn config(header: &Line) -> Config {
    let mut config = Config::default();
    if header.has("exclusive") {
        config = config.with_queue(Queue::Exclusive);
    }
    let policy = |text: &str| match text {
        "mark" => RebalancePolicy::Mark,
        "cordon" => RebalancePolicy::Cordon,
        "drain" => RebalancePolicy::Drain,
        other => panic!("{other}"),
    };
    if let Some(text) = header.get("rebalance") {
        config = config.with_rebalance(policy(text));
    }
    if let Some(text) = header.get("rebalance_p") {
        config = config.with_rebalance_of("p", policy(text));
    }
    let percent = number(header, "percent", 20);
    config.with_unconfirmed_percent(u32::try_from(percent).unwrap())
}

fn fleet(header: &Line) -> Fleet {
    let count = usize::try_from(number(header, "nodes", 10)).unwrap();
    let zones = usize::try_from(number(header, "zones", 1)).unwrap();
    let age = TimeDelta::hours(number(header, "age_hours", 24));
    let mut cluster = nodes(count, zones, age, after(number(header, "read", 600)));
    if header.has("ageless") {
        cluster
            .nodes
            .value_mut()
            .unwrap()
            .iter_mut()
            .for_each(|n| n.meta.created_at = None);
    }
    if header.has("twice") {
        let nodes = cluster.nodes.value_mut().unwrap();
        let mut twin = nodes[0].clone();
        twin.meta.name = "twin".to_owned();
        nodes.push(twin);
    }
    if header.has("partial") {
        cluster.nodes = cluster.nodes.demoted(Gap::CompletenessNotStated);
    }
    let mut fleet = Fleet::default();
    fleet.add(&cluster, Some(&cloud()));
    fleet
}

/// The body of a line, with what the line changes of it.
fn body(line: &Line) -> Vec<u8> {
    if let Some(bytes) = line.get("bytes") {
        return vec![b' '; bytes.parse().unwrap()];
    }
    if let Some(depth) = line.get("depth") {
        let depth: usize = depth.parse().unwrap();
        return format!("{}{}", "{\"a\":".repeat(depth), "}".repeat(depth)).into_bytes();
    }
    if line.has("latin1") {
        return vec![b'{', 0xe9, b'}'];
    }
    if let Some(text) = line.get("body") {
        return text.replace('\'', "\"").into_bytes();
    }
    let instance = line.get("i").unwrap_or("i-1");
    let time = after(number(line, "time", 0));
    let id = line.get("id").unwrap_or("e1");
    let mut body = match line.word(1) {
        "spot" => spot(
            instance,
            id,
            time,
            line.get("action").unwrap_or("terminate"),
        ),
        "rebalance" => rebalance(instance, id, time),
        "state" => state(instance, id, time, line.get("state").unwrap_or_default()),
        "capacity" => {
            let ends = line.get("ends").map(|s| after(s.parse().unwrap()));
            capacity(instance, id, time, ends)
        }
        "health" => {
            let begins = line.get("begins").map(|s| after(s.parse().unwrap()));
            let instances: Vec<&str> = instance.split(',').collect();
            health(
                &instances,
                id,
                time,
                begins,
                line.get("status").unwrap_or("upcoming"),
            )
        }
        "hook" => hook(
            instance,
            id,
            time,
            line.get("transition").unwrap_or(TERMINATING),
        ),
        "direct_hook" => direct_hook(instance, id, time),
        other => panic!("{other}"),
    };
    for (key, value) in &line.pairs {
        // `set:detail.x=…` changes a field, to JSON where it is JSON.
        let Some(path) = key.strip_prefix("set:") else {
            continue;
        };
        let value = value.replace('\'', "\"");
        let value: Value = serde_json::from_str(&value).unwrap_or(json!(value));
        let pointer = format!("/{}", path.replace('.', "/"));
        match body.pointer_mut(&pointer) {
            Some(place) => *place = value,
            None => {
                let (parent, last) = pointer.rsplit_once('/').unwrap();
                body.pointer_mut(parent).unwrap()[last] = value;
            }
        }
    }
    let wraps = number(line, "sns", 0);
    for _ in 0..wraps {
        body = in_sns(&body);
    }
    body.to_string().into_bytes()
}

/// What EC2 answers, read from what it lists.
fn answer(interruptions: &Interruptions, line: &Line) -> Confirmation {
    let id = line.get("i").unwrap_or("i-1");
    let instance_id = id.into();
    let now = after(line.word(0).parse().unwrap());
    let state = match line.get("instance") {
        Some("running") => InstanceState::Running,
        Some("stopping") => InstanceState::Stopping,
        _ => InstanceState::Unknown,
    };
    let instance = Instance {
        id: id.into(),
        state,
        ..Instance::default()
    };
    let request = SpotRequest {
        id: "sir-1".to_owned(),
        instance: Some(id.into()),
        state: "active".to_owned(),
        status: line.get("request").unwrap_or_default().to_owned(),
        ..SpotRequest::default()
    };
    let read = Provenance::new("test", "a/r").observed_at(now);
    let requests = if line.get("request").is_some() {
        Knowledge::complete(vec![request], read.clone())
    } else {
        empty()
    };
    let instances = Knowledge::complete(vec![instance], read);
    let found = interruptions.unconfirmed().find(|(i, ..)| i.as_str() == id);
    let (_, stage, noticed_at) = found.unwrap_or((&instance_id, Stage::Interrupted, start()));
    confirmation(id, stage, noticed_at, 15, &requests, &instances)
}

fn told(step: &Step) -> String {
    let mut text = format!("{} {}", act(step.act, start()), step.reason.code());
    if step.hook.is_some() {
        text += " hook";
    }
    if step.evidence.is_some() {
        text += " evidence";
    }
    if step.withdrawn.is_some() {
        text += " withdrawn";
    }
    text
}

fn decided(decision: &Decision) -> String {
    let mut text = decision.verdict.to_string();
    if decision.steps.len() != 1 {
        text += &format!(" {}", decision.reason.code());
    }
    for step in &decision.steps {
        text += &format!(" {} {}", step.instance, told(step));
    }
    if let Some(skew) = decision.skew_seconds {
        text += &format!(" skew={skew}");
    }
    // Every sentence and every form of JSON is made once.
    assert!(!decision.reason.to_string().ends_with('.'));
    let again: Decision = serde_json::from_value(serde_json::to_value(decision).unwrap()).unwrap();
    assert_eq!(acts(&again, start()), acts(decision, start()));
    assert_eq!(
        serde_json::to_value(&decision.reason).unwrap()["code"],
        json!(decision.reason.code())
    );
    text
}

fn one(interruptions: &mut Interruptions, fleet: &mut Fleet, line: &Line) -> Vec<String> {
    let now = after(line.word(0).parse().unwrap());
    match line.word(1) {
        "answer" => {
            let id = line.get("i").unwrap_or("i-1").into();
            let answer = answer(interruptions, line);
            vec![told(&interruptions.answer(&id, answer, now))]
        }
        "fleet" => {
            *fleet = self::fleet(line);
            Vec::new()
        }
        "due" => interruptions.due(now).iter().map(told).collect(),
        "unconfirmed" => {
            let ids: Vec<String> = interruptions
                .unconfirmed()
                .map(|(i, ..)| i.to_string())
                .collect();
            vec![format!("unconfirmed {}", ids.join(" "))]
        }
        "at_risk" => {
            let names: Vec<String> = interruptions
                .at_risk()
                .iter()
                .map(|n| n.to_string())
                .collect();
            vec![format!("at_risk {}", names.join(" "))]
        }
        _ => {
            let body = body(line);
            let message = Message {
                body: &body,
                sent_at: line.get("sent").map(|s| after(s.parse().unwrap())),
                receives: u32::try_from(number(line, "receives", 1)).unwrap(),
            };
            let decision = interruptions.receive(message, fleet, now);
            if line.has("fails") {
                interruptions.failed(&decision.receipt);
            } else if !line.has("in_hand") {
                interruptions.done(&decision.receipt);
            }
            vec![decided(&decision)]
        }
    }
}

#[test]
fn case_tables_hold() {
    run_cases("interruption/cases.txt", |header, lines| {
        let scope = Scope::new([ACCOUNT.into()], [REGION.into()]).unwrap();
        let scope = scope.with_canary("test.canary");
        let mut interruptions = Interruptions::new(config(header), scope).unwrap();
        let mut fleet = fleet(header);
        lines
            .iter()
            .flat_map(|line| one(&mut interruptions, &mut fleet, line))
            .collect()
    });
}

#[test]
fn every_reason_occurs() {
    assert_every_code_occurs(Reason::CODES, &["interruption/cases.txt"]);
    assert_every_code_occurs(Shortfall::CODES, &["interruption/drain.txt"]);
}

#[test]
fn nothing_is_in_an_empty_scope_and_settings_have_ranges() {
    assert!(Scope::new([], [REGION.into()]).is_err());
    assert!(Scope::new([ACCOUNT.into()], []).is_err());
    let scope = || Scope::new([ACCOUNT.into()], [REGION.into()]).unwrap();
    let refused = Interruptions::new(Config::default().with_max_receives(1), scope());
    let refused = refused.map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "max_receives must be 2 to 1000, got 1");
    let unknown = serde_json::from_str::<Config>(r#"{"unconfirmed_percents": 5}"#);
    assert!(unknown.is_err());
}

#[test]
fn what_a_message_says_is_shown_short_and_without_control_characters() {
    let mut body = spot("i-1", "e", start(), "terminate");
    body["account"] = json!(format!("\u{1b}[31m\n{}", "x".repeat(10_000)));
    let body = body.to_string();
    let mut interruptions = super::build::interruptions(Config::default());
    let fleet = super::build::fleet(3);
    let decision = interruptions.receive(super::build::message(&body), &fleet, after(1));
    let sentence = decision.reason.to_string();
    assert!(sentence.len() < 200, "{sentence}");
    assert!(!sentence.chars().any(char::is_control), "{sentence}");
}

#[test]
fn evidence_names_the_pool_for_the_spot_engine() {
    let mut interruptions = super::build::interruptions(Config::default());
    let body = spot("i-1", "e", start(), "terminate").to_string();
    let fleet = super::build::fleet(9);
    let decision = interruptions.receive(super::build::message(&body), &fleet, after(1));
    let event = decision.steps[0].evidence.clone().unwrap();
    assert_eq!(
        serde_json::to_value(event).unwrap(),
        json!({
            "offering": {"instance_type": "m6i.xlarge", "zone": "use1-az4", "capacity_type": "spot"},
            "kind": "interruption_notice", "at": "2026-03-03T12:00:00Z", "instance": "i-1",
        })
    );
}
