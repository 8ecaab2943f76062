//! The 26 bodies of `sqs_bodies.jsonl`, as they are and under other names.

use super::build::{fleet, message};
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::interruption::{
    Class, Config, Fleet, Interruptions, Notice, Scope, Verdict, read,
};
use cloudoptim_core::knowledge::{Knowledge, Provenance};
use cloudoptim_core::model::{Cluster, Node};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) fn lines() -> Vec<Value> {
    let text = include_str!("../testdata/interruption/sqs_bodies.jsonl");
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// What was read, in the words of the expectations.
fn told(body: &str) -> Value {
    let event = match read(&Config::default(), body.as_bytes()) {
        Ok(event) => event,
        Err(reason) => {
            let kind = match reason.class() {
                Class::Unreadable => "error",
                _ => "ignore",
            };
            return json!({"kind": kind});
        }
    };
    let mut told = json!({"kind": event.kind().name(), "instance_ids": event.instances});
    match &event.notice {
        Notice::SpotInterruption { action } => told["action"] = json!(action.word()),
        Notice::StateChange { state } => told["state"] = json!(state.word()),
        Notice::ScheduledChange { start, .. } => {
            let start = start.map(|s| s.format("%Y-%m-%dT%H:%M:%SZ").to_string());
            told["start"] = json!(start);
        }
        _ => {}
    }
    told
}

/// What the expectation says and the reading does not.
fn differences(expect: &Value, told: &Value) -> Vec<String> {
    let expect = expect.as_object().unwrap().iter();
    expect
        .filter(|(key, value)| *key != "note" && told[*key] != **value)
        .map(|(key, value)| format!("{key}: {value}, not {}", told[key]))
        .collect()
}

#[test]
fn every_body_is_read_as_expected() {
    let lines = lines();
    assert_eq!(lines.len(), 26);
    for line in lines {
        let told = told(line["body"].as_str().unwrap());
        assert_eq!(
            differences(&line["expect"], &told),
            Vec::<String>::new(),
            "{line}"
        );
    }
}

/// Every instance, account and region under another name, in other places of
/// other lengths too.
#[test]
fn other_names_change_nothing_but_the_names() {
    for (account, region, zone, salt) in [
        ("444455556666", "eu-central-1", "b", "0"),
        ("000000000001", "us-gov-west-1", "c", "f"),
        ("999999999999", "us-west-2", "-lax-1a", "7"),
    ] {
        for line in lines() {
            let renamed = |text: &str| {
                let mut text = text.replace("123456789012", account);
                text = text.replace("us-east-1a:", &format!("{region}{zone}:"));
                text = text.replace("us-east-1b:", &format!("{region}{zone}:"));
                text = text.replace("us-east-1", region);
                // Only ids of instances: every other digit of one is changed.
                let mut out = String::new();
                let mut rest = text.as_str();
                while let Some(found) = rest.find("i-") {
                    let (before, id) = rest.split_at(found);
                    let end = found + 2 + id[2..].len().min(17);
                    let is_id = id[2..].len() >= 17
                        && id[2..19].bytes().all(|b| b.is_ascii_hexdigit())
                        && !before.ends_with(|c: char| c.is_ascii_alphanumeric());
                    if is_id {
                        out.push_str(before);
                        out.push_str("i-");
                        out.push_str(salt);
                        out.push_str(&rest[found + 3..end]);
                        rest = &rest[end..];
                    } else {
                        out.push_str(before);
                        out.push_str("i-");
                        rest = &rest[found + 2..];
                    }
                }
                out + rest
            };
            let body = renamed(line["body"].as_str().unwrap());
            let expect: Value =
                serde_json::from_str(&renamed(&line["expect"].to_string())).unwrap();
            assert_eq!(
                differences(&expect, &told(&body)),
                Vec::<String>::new(),
                "{body}"
            );
        }
    }
}

/// A fleet with a node for each instance of the bodies.
fn fleet_of_the_bodies() -> Fleet {
    let mut ids = BTreeSet::new();
    for line in lines() {
        let named = line["expect"]["instance_ids"].as_array().cloned();
        ids.extend(
            named
                .unwrap_or_default()
                .iter()
                .map(|id| id.as_str().unwrap().to_owned()),
        );
    }
    let nodes = ids.iter().map(|id| {
        let mut node = Node {
            provider_id: Some(format!("aws:///us-east-1a/{id}")),
            ..Node::default()
        };
        node.meta.name = format!("node-{id}");
        node
    });
    let mut fleet = Fleet::default();
    let nodes = Knowledge::complete(nodes.collect(), Provenance::new("test", "c"));
    fleet.add(
        &Cluster {
            nodes,
            ..Cluster::default()
        },
        None,
    );
    fleet
}

#[test]
fn every_body_is_decided_at_its_time_and_is_late_months_after() {
    let fleet = fleet_of_the_bodies();
    let scope = Scope::new(["123456789012".into()], ["us-east-1".into()]).unwrap();
    let mut fresh = Vec::new();
    let mut months_later = Vec::new();
    for line in lines() {
        let body = line["body"].as_str().unwrap();
        let case = line["case"].as_str().unwrap();
        let plain = body.replace('\\', "");
        let time = plain
            .split("\"time\": \"")
            .nth(1)
            .and_then(|t| t.split('"').next());
        let time = time.and_then(|t| t.parse::<DateTime<Utc>>().ok());
        // Without a time, that of receipt stands in.
        let (given, now) = match time {
            Some(time) => (time, time + TimeDelta::seconds(3)),
            None => (super::build::start(), super::build::start()),
        };
        for (now, told) in [
            (now, &mut fresh),
            (now + TimeDelta::days(90), &mut months_later),
        ] {
            let mut interruptions = Interruptions::new(Config::default(), scope.clone()).unwrap();
            let decision = interruptions.receive(message(body), &fleet, now);
            told.push(format!(
                "{case}: {} {}",
                decision.verdict,
                super::acts(&decision, time.map_or(now, |_| given))
            ));
        }
    }
    let fresh = fresh.join("\n");
    assert_eq!(
        fresh,
        "\
spot_terminate: ack drain@120
spot_stop: ack drain@120
spot_hibernate: ack drain@0
rebalance: ack mark
state_pending: ack nothing
state_running: ack nothing
state_stopping: ack drain@0
state_stopped: ack clean_up
state_shutting-down: ack drain@0
state_terminated: ack clean_up
health_scheduled_two_instances: ack wait, wait
health_issue_no_entities: leave 
health_other_service: leave 
capacity_block_interruption: ack drain@120
asg_terminate_hook: ack drain@3600
asg_test_notification: leave 
sns_wrapped_spot: ack drain@120
unknown_fields: ack drain@120
empty_time: ack drain@120
no_instance_id: quarantine 
unknown_detail_type: leave 
empty_body: quarantine 
not_json: quarantine 
json_array: quarantine 
truncated: quarantine 
duplicate_delivery: ack drain@120"
    );
    // What has no time of its own is as young as its message; what is
    // announced for a day is not late before that day.
    let acts: Vec<_> = months_later
        .iter()
        .filter(|l| l.contains("drain"))
        .collect();
    assert_eq!(acts, ["empty_time: ack drain@120"]);
    assert!(months_later[10].contains("wait, wait"));
    assert!(months_later[0].contains("ack verify"));
}

#[test]
fn a_body_for_nobody_is_left_on_a_shared_queue() {
    let mut interruptions = super::build::interruptions(Config::default());
    for line in lines() {
        let body = line["body"].as_str().unwrap();
        let now = super::build::after(0);
        let decision = interruptions.receive(message(body), &fleet(3), now);
        let want = match line["expect"]["kind"].as_str() {
            Some("error") => Verdict::Quarantine,
            _ => Verdict::Leave,
        };
        assert_eq!(decision.verdict, want, "{line}");
        assert!(decision.steps.is_empty(), "{line}");
    }
    assert_eq!(interruptions.size(), (0, 0));
}
