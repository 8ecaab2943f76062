//! A slow judge of the limits of launches that shares no code with the engine: it
//! reads them off the lines of a case, and counts node by node.

use super::Scenario;
use crate::cases::Line;
use cloudoptim_core::engines::bin_packing::{Config, Migration};
use cloudoptim_core::model::{Bytes, Node};
use std::collections::{BTreeMap, BTreeSet};

/// vCPUs and GiB of a type, by its size: those of the generator are of one
/// family.
fn shape(instance_type: &str) -> (i64, i64) {
    match instance_type {
        "m6i.large" => (2, 8),
        "m6i.xlarge" => (4, 16),
        "m6i.2xlarge" => (8, 32),
        other => panic!("{other}"),
    }
}

/// A node's part of each limit: thousandths of a core, bytes and one node of its
/// pool, vCPUs, addresses of its zone.
fn parts(node: &Node, cpu: i64, memory: i64) -> BTreeMap<String, i64> {
    let label = |key: &str| node.meta.labels.get(key).cloned().unwrap_or_default();
    let zone = label("topology.kubernetes.io/zone");
    let (vcpus, _) = shape(&label("node.kubernetes.io/instance-type"));
    let mut parts = BTreeMap::from([
        ("vcpus".to_owned(), vcpus),
        (
            format!("addresses {zone}"),
            node.allocatable.pods as i64 + 1,
        ),
        ("surge".to_owned(), 1),
    ]);
    let pool = label("karpenter.sh/nodepool");
    if !pool.is_empty() {
        parts.insert(format!("pool {pool} cpu"), cpu);
        parts.insert(format!("pool {pool} memory"), memory);
        parts.insert(format!("pool {pool} nodes"), 1);
    }
    parts
}

/// How many nodes of each group may go without a new one.
pub(super) fn spare(case: &[String]) -> BTreeMap<String, i64> {
    let mut spare = BTreeMap::new();
    let lines = case.iter().map(|l| Line::parse(l));
    for line in lines.filter(|l| !l.words.is_empty()) {
        if ["group", "asg"].contains(&line.word(0)) {
            let number = |key: &str| line.get(key).unwrap().parse::<i64>().unwrap();
            let name = format!("{} {}", line.word(0), line.word(1));
            spare.insert(name, number("desired") - number("min"));
        }
    }
    spare
}

/// The groups of a node.
pub(super) fn groups(case: &[String], name: &str) -> Vec<String> {
    let own = |l: &Line| l.words.len() > 1 && l.word(0) == "node" && l.word(1) == name;
    let line = case.iter().map(|l| Line::parse(l)).find(own).unwrap();
    let of = |kind: &str| line.get(kind).map(|group| format!("{kind} {group}"));
    of("group").into_iter().chain(of("asg")).collect()
}

/// Every limit that a migration goes beyond at some moment.
pub(super) fn over(
    case: &[String],
    config: &Config,
    scenario: &Scenario,
    way: &Migration,
) -> Vec<String> {
    let nodes = scenario.snapshot.clusters[0].nodes.items();
    let mut free: BTreeMap<String, i64> = BTreeMap::new();
    let most = nodes.len() * config.max_surge_percent as usize;
    free.insert("surge".to_owned(), most.div_ceil(100) as i64);
    let vcpus = config.stated_room.free_vcpus.values().sum::<u64>();
    free.insert("vcpus".to_owned(), vcpus as i64);
    for (zone, addresses) in &config.stated_room.free_addresses {
        free.insert(format!("addresses {zone}"), *addresses as i64);
    }
    let own = |node: &Node| {
        parts(
            node,
            node.capacity.cpu.0 as i64,
            node.capacity.memory.0 as i64,
        )
    };
    for line in case.iter().map(|l| Line::parse(l)) {
        if line.words.first().is_none_or(|w| w != "pool") {
            continue;
        }
        let pool = line.word(1);
        let used = |what: &str| {
            let key = format!("pool {pool} {what}");
            nodes
                .iter()
                .filter_map(|n| own(n).get(&key).copied())
                .sum::<i64>()
        };
        for what in ["cpu", "memory", "nodes"] {
            let Some(text) = line.get(what) else { continue };
            let most = match what {
                "cpu" => text.parse::<i64>().unwrap() * 1_000,
                "memory" => text.strip_suffix("Gi").unwrap().parse::<i64>().unwrap() << 30,
                _ => text.parse().unwrap(),
            };
            free.insert(format!("pool {pool} {what}"), most - used(what));
        }
    }
    let mut over = Vec::new();
    // Spare nodes of groups, and what is launched in them.
    let lines: Vec<Line> = case.iter().map(|l| Line::parse(l)).collect();
    let mut spare = spare(case);
    let groups = |name: &str| groups(case, name);
    for wave in &way.waves {
        for launch in &wave.launch {
            let via = launch.via.to_string();
            let group = via.replace("node group", "group");
            let group = group.replace("auto scaling group", "asg");
            // And the scaling group behind a managed one.
            let nodes = lines
                .iter()
                .filter(|l| !l.words.is_empty() && l.word(0) == "node");
            let own = nodes.filter(|l| {
                l.get("group")
                    .is_some_and(|g| group == format!("group {g}"))
            });
            let behind = own.filter_map(|l| Some(format!("asg {}", l.get("asg")?)));
            for group in behind.chain([group.clone()]).collect::<BTreeSet<String>>() {
                if let Some(spare) = spare.get_mut(&group) {
                    *spare += launch.nodes.len() as i64;
                }
            }
        }
        for group in wave.removed.iter().flat_map(|name| groups(name.as_str())) {
            if let Some(spare) = spare.get_mut(&group) {
                *spare -= 1;
                if *spare < 0 {
                    over.push(format!("wave {}: the minimum of {group}", wave.number));
                }
            }
        }
        for launch in &wave.launch {
            for name in &launch.nodes {
                let node = launch.shape.as_ref().unwrap().node(name);
                let kind = launch.offering.instance_type.as_str();
                let (cores, gib) = shape(kind);
                assert_eq!(node.instance_type(), Some(kind));
                for (limit, part) in
                    parts(&node, cores * 1_000, Bytes::from_gib(gib as u64).0 as i64)
                {
                    if let Some(left) = free.get_mut(&limit) {
                        *left -= part;
                        if *left < 0 {
                            over.push(format!("wave {}: {limit} by {}", wave.number, -*left));
                        }
                    }
                }
            }
        }
        for name in &wave.removed {
            let node = nodes.iter().find(|n| n.name() == *name).unwrap();
            // Nobody says how many addresses come back: the account lists no
            // instance.
            let freed = own(node).into_iter();
            for (limit, part) in freed.filter(|(l, _)| !l.starts_with("addresses")) {
                if let Some(left) = free.get_mut(&limit) {
                    *left += part;
                }
            }
        }
    }
    over
}
