//! Many messages, most of them broken or forged.

use super::build::{
    after, capacity, direct_hook, fleet, health, in_sns, interruptions, message, rebalance, spot,
    start, state,
};
use cloudoptim_core::interruption::{Act, Config, Message, Reason, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % u64::try_from(n).unwrap()).unwrap()
    }
}

/// Breaks a body in one of many ways.
fn broken(random: &mut Random, body: &Value) -> Vec<u8> {
    let text = body.to_string();
    let mut bytes = text.clone().into_bytes();
    let at = random.below(bytes.len());
    match random.below(12) {
        0 => bytes.truncate(at),
        1 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
        2 => bytes.insert(at, 0),
        3 => bytes.splice(0..0, [0xef, 0xbb, 0xbf]).for_each(drop),
        4 => bytes = vec![b'['; 100_000],
        5 => {
            let deep = format!("{}{}", "{\"a\":".repeat(200), "}".repeat(200));
            bytes = text
                .replacen("{", &format!("{{\"x\":{deep},"), 1)
                .into_bytes();
        }
        6 => bytes = vec![b' '; 1 << 21],
        7 => bytes = text.replacen("{", "{\"id\":\"a\",", 1).into_bytes(),
        8 => {
            let mut body = body.clone();
            let keys: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
            let wrong = [
                json!(null),
                json!(7),
                json!([]),
                json!({"a": [1e9]}),
                json!(""),
            ];
            body[&keys[random.below(keys.len())]] = wrong[random.below(wrong.len())].clone();
            bytes = body.to_string().into_bytes();
        }
        9 => {
            let mut body = body.clone();
            body["account"] = json!(format!("{:012}", random.below(1_000_000)));
            bytes = body.to_string().into_bytes();
        }
        10 => {
            bytes = (0..random.below(400))
                .map(|_| u8::try_from(random.below(256)).unwrap())
                .collect()
        }
        _ => {
            bytes = in_sns(&in_sns(body)).to_string().into_bytes();
        }
    }
    bytes
}

#[test]
fn a_hundred_real_messages_are_handled_among_ten_thousand_broken_ones() {
    let fleet = fleet(100);
    let mut interruptions = interruptions(Config::default().with_unconfirmed_percent(100));
    let mut random = Random(7);
    let real: Vec<Value> = (1..=100)
        .map(|n| {
            let (instance, id) = (format!("i-{n}"), format!("e{n}"));
            match n % 5 {
                0 => spot(&instance, &id, start(), "terminate"),
                1 => in_sns(&spot(&instance, &id, start(), "stop")),
                2 => direct_hook(&instance, &id, start()),
                3 => capacity(&instance, &id, start(), None),
                _ => state(&instance, &id, start(), "stopping"),
            }
        })
        .collect();
    let mut drained = BTreeSet::new();
    for n in 0..10_000 {
        // What is broken comes from messages about nodes of ours, but one
        // byte changed may leave a message that is whole: of another event.
        let about = &real[random.below(real.len())];
        let bytes = broken(&mut random, about);
        let message_of_it = Message {
            body: &bytes,
            sent_at: Some(after(1)),
            receives: 1,
        };
        let decision = interruptions.receive(message_of_it, &fleet, after(2));
        assert!(!decision.reason.to_string().is_empty());
        let acted = decision
            .steps
            .iter()
            .filter(|s| matches!(s.act, Act::Drain { .. }));
        let acted: Vec<_> = acted.map(|s| s.instance.clone()).collect();
        if decision.verdict == Verdict::Quarantine {
            assert!(acted.is_empty());
        }
        drained.extend(acted);
        interruptions.done(&decision.receipt);
        if n % 100 == 99 {
            let body = real[n / 100].to_string();
            let decision = interruptions.receive(message(&body), &fleet, after(2));
            assert_eq!(decision.verdict, Verdict::Ack, "{decision:?}");
            drained.extend(decision.steps.iter().map(|s| s.instance.clone()));
            assert!(matches!(
                decision.steps[0].act,
                Act::Drain { .. } | Act::Nothing | Act::Hasten { .. }
            ));
            interruptions.done(&decision.receipt);
        }
    }
    assert_eq!(drained.len(), 100);
}

/// Every cut and every changed byte of every kind of body.
#[test]
fn no_byte_makes_it_panic() {
    let fleet = fleet(10);
    let mut interruptions = interruptions(Config::default());
    let bodies = [
        spot("i-1", "e", start(), "terminate"),
        rebalance("i-2", "e", start()),
        health(&["i-3", "vol-1"], "h", start(), Some(after(9)), "upcoming"),
        direct_hook("i-4", "t", start()),
        in_sns(&state("i-5", "e", start(), "stopped")),
    ];
    for body in bodies {
        let bytes = body.to_string().into_bytes();
        for at in 0..bytes.len() {
            let mut bodies = vec![bytes[..at].to_vec()];
            for byte in [0, b'"', b'{', b'}', b'[', b'\\', b'9', 0xff] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                bodies.push(changed);
            }
            for body in bodies {
                let message = Message {
                    body: &body,
                    sent_at: None,
                    receives: 1,
                };
                let decision = interruptions.receive(message, &fleet, after(1));
                assert!(!decision.reason.code().is_empty());
            }
        }
    }
}

#[test]
fn memory_is_bounded_by_the_settings_and_forged_strangers_take_none() {
    let config = Config::default()
        .with_max_remembered(1_000)
        .with_max_instances(50)
        .with_unconfirmed_percent(100);
    let mut interruptions = interruptions(config);
    let fleet = fleet(200);
    for n in 0..20_000_i64 {
        let instance = format!("i-{}", n % 200 + 1);
        let time = after(n / 100);
        let body = spot(&instance, &format!("e{n}"), time, "terminate").to_string();
        interruptions.receive(message(&body), &fleet, time);
        let (events, instances) = interruptions.size();
        assert!(events <= 1_000 && instances <= 50, "{events} {instances}");
    }
    let before = interruptions.size();
    for n in 0..1_000 {
        let body = spot(&format!("i-9{n:05}"), "x", after(200), "terminate").to_string();
        let decision = interruptions.receive(message(&body), &fleet, after(200));
        assert_eq!(decision.reason, Reason::NotOurs);
    }
    assert_eq!(interruptions.size(), before);
    // A day later nothing is left.
    interruptions.due(after(86_400));
    assert_eq!(interruptions.size(), (0, 0));
}
