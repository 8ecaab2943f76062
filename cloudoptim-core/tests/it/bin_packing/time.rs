//! Runs every ten minutes on the cluster that the last plan left.

use super::build::build;
use super::properties::after;
use super::{Scenario, node_of, run};
use crate::cases::Line;
use chrono::TimeDelta;
use cloudoptim_core::engines::bin_packing::Config;
use cloudoptim_core::ledger::Disrupted;
use cloudoptim_core::model::*;

const EVERY: TimeDelta = TimeDelta::minutes(10);

/// The ticks at which nodes went, with how many.
type Log = Vec<(u32, usize)>;

/// Decides, applies, notes the disruption in the ledger, and waits.
fn tick(config: &Config, now: &mut Scenario, number: u32, log: &mut Log) {
    let output = run(config, now);
    let gone: Vec<NodeName> = output
        .decisions
        .iter()
        .filter(|d| !d.is_keep())
        .map(|d| node_of(d).clone())
        .collect();
    let at = now.snapshot.taken_at;
    *now = after(now, &output);
    if !gone.is_empty() {
        log.push((number, gone.len()));
        let disrupted = now.ledgers.disrupted.get_or_insert_default();
        disrupted.extend(gone.into_iter().map(|node| Disrupted {
            cluster: "c1".into(),
            node,
            at,
        }));
    }
    now.snapshot.taken_at = at + EVERY;
}

fn nodes(scenario: &Scenario) -> usize {
    scenario.snapshot.clusters[0].nodes.items().len()
}

fn parse(text: &str) -> Vec<Line> {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.map(Line::parse).collect()
}

fn six_nodes() -> Scenario {
    let lines = parse(
        "pool main
        node n1 4 16Gi
        node n2 4 16Gi
        node n3 4 16Gi
        node n4 4 16Gi
        node n5 4 16Gi
        node n6 4 16Gi
        pods a n1 2 500m 1Gi
        pods b n2 2 500m 1Gi
        pods c n3 2 500m 1Gi
        pods d n4 2 500m 1Gi
        pods e n5 1 500m 1Gi",
    );
    build(&Line::parse("decide"), &lines)
}

fn load(scenario: &mut Scenario, milli: impl Fn(usize) -> u64) {
    let pods = scenario.snapshot.clusters[0].pods.value_mut().unwrap();
    for (i, pod) in pods.iter_mut().enumerate() {
        pod.spec.containers[0].resources.requests.cpu = Some(MilliCpu(milli(i)));
    }
}

fn emptiest(scenario: &Scenario) -> String {
    let cluster = &scenario.snapshot.clusters[0];
    let pods_on = |n: &&Node| {
        let pods = cluster.pods.items().iter();
        pods.filter(|p| p.node() == Some(&n.name())).count()
    };
    let nodes = cluster.nodes.items().iter();
    nodes.min_by_key(pods_on).unwrap().meta.name.clone()
}

/// A surge of five replicas, on a node that the autoscaler starts for them
/// unless there are three. Gives how many were started.
fn surge(scenario: &mut Scenario, number: u32) -> usize {
    let born = scenario.snapshot.taken_at;
    let name = format!("s{number:03}");
    let start = nodes(scenario) < 3;
    let host = if start {
        name.clone()
    } else {
        emptiest(scenario)
    };
    let extra = build(
        &Line::parse("decide"),
        &parse(&format!("node {name} 4 16Gi\npods surge {host} 5 700m 1Gi")),
    );
    let other = &extra.snapshot.clusters[0];
    let cluster = &mut scenario.snapshot.clusters[0];
    if start {
        let mut node = other.nodes.items()[0].clone();
        node.meta.created_at = Some(born);
        cluster.nodes.value_mut().unwrap().push(node);
        let claims = other.node_claims.items().to_vec();
        cluster.node_claims.value_mut().unwrap().extend(claims);
    }
    let pods = other.pods.items().to_vec();
    cluster.pods.value_mut().unwrap().extend(pods);
    scenario.snapshot.normalize();
    usize::from(start)
}

fn end_surge(scenario: &mut Scenario) {
    let pods = scenario.snapshot.clusters[0].pods.value_mut().unwrap();
    pods.retain(|p| !p.meta.name.starts_with("surge"));
}

#[test]
fn a_day_of_small_changes_settles_in_one_plan_and_stays() {
    let mut now = six_nodes();
    let mut log = Log::new();
    for number in 0..144 {
        // Requests swing by 5 % around half a CPU.
        load(&mut now, |i| {
            475 + (u64::from(number) * 7 + i as u64 * 13) % 51
        });
        tick(&Config::default(), &mut now, number, &mut log);
    }
    let ticks: Vec<u32> = log.iter().map(|(tick, _)| *tick).collect();
    let gone: usize = log.iter().map(|(_, gone)| gone).sum();
    assert_eq!(gone, 4, "{log:?}");
    assert_eq!(nodes(&now), 2);
    assert!(ticks.len() <= 2 && ticks[0] == 0, "{log:?}");
}

#[test]
fn plans_are_at_least_the_cooldown_apart() {
    // One node a plan, so that there is always more to do.
    let mut config = Config::default();
    config.max_nodes = 1;
    let mut now = six_nodes();
    let mut log = Log::new();
    for number in 0..60 {
        tick(&config, &mut now, number, &mut log);
    }
    // 30 minutes are three ticks.
    assert_eq!(log, [(0, 1), (3, 1), (6, 1), (9, 1)]);
    let mut eager = six_nodes();
    let mut log = Log::new();
    for number in 0..60 {
        tick(
            &config.clone().with_quiet_minutes(0, 0),
            &mut eager,
            number,
            &mut log,
        );
    }
    assert_eq!(log, [(0, 1), (1, 1), (2, 1), (3, 1)]);
}

/// A surge of twenty minutes in every hour: nodes started and removed in a day.
fn day_of_surges(config: &Config) -> (usize, usize) {
    let mut now = six_nodes();
    let mut log = Log::new();
    let mut started = 0;
    for number in 0..144 {
        match number % 6 {
            0 if number > 0 => started += surge(&mut now, number),
            2 => end_surge(&mut now),
            _ => {}
        }
        tick(config, &mut now, number, &mut log);
    }
    // The six nodes settle in the first hour.
    let later = log.iter().filter(|(tick, _)| *tick >= 6);
    (started, later.map(|(_, gone)| gone).sum())
}

#[test]
fn quiet_times_slow_a_chase_and_headroom_ends_it() {
    // Without either a node is started and removed in every hour.
    let eager = Config::default().with_quiet_minutes(0, 0);
    assert_eq!(day_of_surges(&eager), (23, 23));
    // A node that is young when the surge ends stays until it is old enough.
    let (started, removed) = day_of_surges(&Config::default().with_quiet_minutes(60, 60));
    assert!(
        started <= 12 && removed <= 12,
        "{started} started, {removed} removed"
    );
    // Room for the surge is kept: nothing is started, and nothing removed.
    let roomy = Config::default().with_headroom_percent(45);
    assert_eq!(day_of_surges(&roomy), (0, 0));
}

/// karpenter#3305, #1733, #1970, aws#7129, aws#9531: searches that run out of
/// time leave the nodes at the end of the list for ever. Here every node of
/// three hundred is judged, the last as the first, and none is left out.
#[test]
fn every_node_of_a_large_cluster_is_judged() {
    let mut text = String::new();
    for i in 0..300 {
        let pool = i % 20;
        text += &format!("node n{i:03} 4 16Gi pool=p{pool:02}\n");
        // Full ones first, by name and by order; the idle stand at the end.
        let (count, memory) = if i < 260 { (4, "3600Mi") } else { (1, "1Gi") };
        text += &format!("pods app{i} n{i:03} {count} 900m {memory}\n");
    }
    let scenario = build(&Line::parse("decide"), &parse(&text));
    let output = run(&Config::default().with_headroom_percent(0), &scenario);
    assert_eq!(output.decisions.len(), 300);
    let gone: Vec<&str> = output
        .decisions
        .iter()
        .filter(|d| !d.is_keep())
        .map(|d| node_of(d).as_str())
        .collect();
    // Forty pods of 0.9 CPU fit four to a node: ten nodes for them do.
    assert_eq!(gone.len(), 30, "{gone:?}");
    assert!(gone.contains(&"n299") || gone.contains(&"n298"));
}
