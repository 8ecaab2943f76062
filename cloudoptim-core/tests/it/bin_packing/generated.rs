//! Clusters made up at random, as the lines of cases.

use super::Scenario;
use super::build::build;
use super::naive::Board;
use crate::cases::Line;
use cloudoptim_core::engines::bin_packing::Config;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt;

/// A node of the generator.
#[derive(Debug, Clone)]
pub(super) struct ANode {
    zone: usize,
    kind: usize,
    /// The owner of most nodes of the cluster when `None`.
    owner: Option<usize>,
    extra: usize,
}

/// A pod of the generator, to be put on the first node from `start` on that
/// takes it.
#[derive(Debug, Clone)]
pub(super) struct APod {
    app: usize,
    cpu: u64,
    memory: u64,
    start: usize,
}

/// The lines of a case, for people to read when it fails.
#[derive(Clone)]
pub(super) struct Case(pub(super) Vec<String>);

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}\n", self.0.join("\n"))
    }
}

const TYPES: [(&str, u64, u64); 3] = [
    ("m6i.large", 2, 8),
    ("m6i.xlarge", 4, 16),
    ("m6i.2xlarge", 8, 32),
];
const OWNERS: [&str; 4] = [
    "pool=main",
    "pool=side",
    "asg=own",
    "group=workers asg=back",
];
const NODE_EXTRAS: [&str; 10] = [
    "",
    "",
    "",
    "",
    "label=disk:ssd",
    "taint=team",
    "cordoned",
    "not-ready",
    "pods=3",
    "age=5",
];
pub(super) const POD_EXTRAS: [&str; 17] = [
    "",
    "",
    "",
    "",
    "",
    "selector=disk:ssd",
    "tolerates=team",
    "avoids=APP",
    "spread=zone",
    "spread=zone skew=2",
    "port=9100",
    "not-ready",
    "claim=CLAIM kind=StatefulSet",
    "kind=DaemonSet",
    "leaving",
    "leaving kind=StatefulSet",
    "kind=Bare",
];

/// Extras of the apps of fragmented clusters, by their places: most without a rule,
/// the others with one that many pods of an app can keep.
const RULES: [usize; 8] = [0, 0, 0, 0, 7, 8, 9, 12];

pub(super) fn any_node() -> impl Strategy<Value = ANode> {
    let max = NODE_EXTRAS.len();
    let owner = prop_oneof![2 => Just(None), 1 => (0..OWNERS.len()).prop_map(Some)];
    (0..4_usize, 0..3_usize, owner, 0..max).prop_map(|(zone, kind, owner, extra)| ANode {
        zone: zone / 3,
        kind,
        owner,
        extra,
    })
}

pub(super) fn any_pod() -> impl Strategy<Value = APod> {
    (0..6_usize, 1..14_u64, 1..14_u64, 0..12_usize).prop_map(|(app, cpu, memory, start)| APod {
        app,
        cpu: cpu * 100,
        memory: memory * 256,
        start,
    })
}

/// Lines of a case. Each app has one extra. Pods that fit nowhere by the naive
/// rules wait for a node.
pub(super) fn lines(
    most: usize,
    nodes: &[ANode],
    apps: &[usize],
    pods: &[APod],
    budgets: &BTreeMap<usize, Vec<usize>>,
) -> Case {
    let of = |owner: &str| {
        let mine = nodes
            .iter()
            .filter(|n| OWNERS[n.owner.unwrap_or(most)].contains(owner));
        mine.count()
    };
    let mut text = vec![
        format!("asg own min=1 desired={} zones=a,b", of("asg=own")),
        format!(
            "asg back min=1 desired={} zones=a,b suspended=AZRebalance",
            of("asg=back")
        ),
        format!("group workers min=1 desired={}", of("asg=back")),
        "pool main".to_owned(),
        "pool side policy=WhenEmpty budget=10%".to_owned(),
    ];
    for (i, n) in nodes.iter().enumerate() {
        let (name, cpu, gib) = TYPES[n.kind];
        let (zone, owner) = (["a", "b"][n.zone], OWNERS[n.owner.unwrap_or(most)]);
        let extra = NODE_EXTRAS[n.extra];
        text.push(format!(
            "node n{i:02} {cpu} {gib}Gi type={name} zone={zone} {owner} ebs=3 {extra}"
        ));
    }
    let pod_line = |i: usize, p: &APod, on: &str| {
        let extra = POD_EXTRAS[apps[p.app]]
            .replace("APP", &format!("app{}", p.app))
            .replace("CLAIM", &format!("claim{i:02}"));
        let (cpu, memory) = (p.cpu, p.memory);
        format!("pod app{}-{i:02} {on} {cpu}m {memory}Mi {extra}", p.app)
    };
    // What is out of service may hold pods from before.
    let plain = text
        .iter()
        .map(|l| l.replace(" cordoned", "").replace(" not-ready", ""));
    let waiting = pods.iter().enumerate().map(|(i, p)| pod_line(i, p, "-"));
    let trial: Vec<Line> = plain.chain(waiting).map(|l| Line::parse(&l)).collect();
    let trial = build(&Line::parse("decide"), &trial);
    let mut board = Board::new(&trial.snapshot.clusters[0]);
    let names: Vec<&str> = board.nodes.keys().copied().collect();
    for (i, p) in pods.iter().enumerate() {
        let uid = format!("uid-shop-app{}-{i:02}", p.app);
        let uid = *board.pods.get_key_value(uid.as_str()).unwrap().0;
        let turned = (0..names.len()).map(|step| (p.start + step) % names.len());
        let found = turned
            .into_iter()
            .find(|index| board.broken(uid, names[*index]).is_empty());
        if let Some(index) = found {
            board.places.insert(uid, names[index]);
        }
        text.push(pod_line(i, p, found.map_or("-", |index| names[index])));
        if POD_EXTRAS[apps[p.app]].contains("claim=") {
            let zone = found.map_or("a", |index| ["a", "b"][nodes[index].zone]);
            text.push(format!("claim claim{i:02} zone={zone}"));
        }
    }
    for (app, rules) in budgets {
        for (i, rule) in rules.iter().enumerate() {
            let rule = ["min=1", "max=1", "min=50%", "max=34%"][*rule];
            text.push(format!("pdb b{app}-{i} app=app{app} {rule}"));
        }
    }
    Case(text)
}

pub(super) fn any_case() -> impl Strategy<Value = Case> {
    let nodes = prop::collection::vec(any_node(), 2..9);
    let apps = prop::collection::vec(0..POD_EXTRAS.len(), 6);
    let pods = prop::collection::vec(any_pod(), 0..20);
    let rules = prop::collection::vec(0..4_usize, 1..=2);
    let rules = prop_oneof![4 => (0..4_usize).prop_map(|r| vec![r]), 1 => rules];
    let budgets = prop::collection::btree_map(0..6_usize, rules, 0..4);
    // Mostly one pool, now and then a scaling group.
    let most = prop_oneof![3 => Just(0), 1 => 0..OWNERS.len()];
    (most, nodes, apps, pods, budgets)
        .prop_map(|(most, nodes, apps, pods, budgets)| lines(most, &nodes, &apps, &pods, &budgets))
}

/// Nodes full of pods, of which two in six apps never move: much is to be gained
/// by moves off nodes that stay.
pub(super) fn pinned_case() -> impl Strategy<Value = Case> {
    let node = (0..4_usize, 0..3_usize).prop_map(|(zone, kind)| ANode {
        zone: zone / 3,
        kind,
        owner: None,
        extra: 0,
    });
    let pod = (0..6_usize, 2..26_u64, 2..30_u64, 0..12_usize);
    let pod = pod.prop_map(|(app, cpu, memory, start)| APod {
        app,
        cpu: cpu * 100,
        memory: memory * 256,
        start,
    });
    let bare = POD_EXTRAS.len() - 1;
    let rules = (0..POD_EXTRAS.len(), 0..POD_EXTRAS.len());
    let apps = rules.prop_map(move |(one, other)| vec![bare, 0, one, 0, other, bare]);
    let nodes = prop::collection::vec(node, 3..8);
    let pods = prop::collection::vec(pod, 6..30);
    let rules = (0..4_usize).prop_map(|r| vec![r]);
    let budgets = prop::collection::btree_map(0..6_usize, rules, 0..3);
    (nodes, apps, pods, budgets)
        .prop_map(|(nodes, apps, pods, budgets)| lines(0, &nodes, &apps, &pods, &budgets))
}

/// Clusters with much on them, so that what goes where matters.
pub(super) fn tight_case() -> impl Strategy<Value = Case> {
    let nodes = prop::collection::vec(any_node(), 4..9);
    let apps = prop::collection::vec(0..POD_EXTRAS.len(), 6);
    let pods = prop::collection::vec(any_pod(), 15..40);
    let rules = (0..4_usize).prop_map(|r| vec![r]);
    let budgets = prop::collection::btree_map(0..6_usize, rules, 0..4);
    (nodes, apps, pods, budgets)
        .prop_map(|(nodes, apps, pods, budgets)| lines(0, &nodes, &apps, &pods, &budgets))
}

/// Cases in which the pools have limits, some of them tight.
pub(super) fn limited(cases: impl Strategy<Value = Case>) -> impl Strategy<Value = Case> {
    (cases, 0..40_u32, 0..5_u32).prop_map(|(mut case, cpu, nodes)| {
        let have = case.0.iter().filter(|l| l.starts_with("node ")).count() as u32;
        for line in &mut case.0 {
            if line == "pool main" {
                let (cores, most) = (have * 4 + cpu, have + nodes);
                *line = format!("pool main cpu={cores} memory={}Gi nodes={most}", cores * 4);
            }
        }
        case
    })
}

/// Nodes of which most hold a pod that never moves, each with a little free, and
/// few with pods so large that no other node takes one as it is: small pods have to
/// move together first.
pub(super) fn fragmented_case() -> impl Strategy<Value = Case> {
    let node = (0..5_usize, 1..3_usize).prop_map(|(zone, kind)| ANode {
        zone: zone / 4,
        kind,
        owner: None,
        extra: 0,
    });
    // In percent of a node: what never moves, what is large, and each small pod.
    let filled = (
        node,
        0..100_u32,
        (25..55_u64, 25..55_u64),
        prop::collection::vec((20..48_u64, 20..48_u64), 1..3),
        prop::collection::vec((2..5_usize, 5..14_u64, 5..14_u64), 2..7),
    );
    let nodes = prop::collection::vec(filled, 5..10);
    // Two apps of large pods, three of small ones, and one that never moves.
    let rules = prop::collection::vec(0..RULES.len(), 4);
    let apps = rules.prop_map(|rules| {
        let of = |at: usize| RULES[rules[at]];
        vec![of(0), 0, of(1), of(2), of(3), POD_EXTRAS.len() - 1]
    });
    let budget = (0..4_usize).prop_map(|r| vec![r]);
    let budgets = prop::collection::btree_map(0..5_usize, budget, 0..3);
    // Who waits takes the room that is made: only now and then.
    let waits = prop::bool::weighted(0.1);
    (nodes, apps, budgets, waits).prop_map(|(filled, apps, budgets, waits)| {
        let nodes: Vec<ANode> = filled.iter().map(|f| f.0.clone()).collect();
        let mut pods = Vec::new();
        let part = |node: usize, app: usize, cpu: u64, memory: u64| {
            let (_, cores, gib) = TYPES[nodes[node].kind];
            APod {
                app,
                cpu: cores * cpu * 10,
                memory: gib * memory * 1024 / 100,
                start: node,
            }
        };
        for (node, (_, goes, (cpu, memory), large, _)) in filled.iter().enumerate() {
            if *goes < 30 {
                let large = large.iter().enumerate();
                pods.extend(large.map(|(i, (cpu, memory))| part(node, i, *cpu, *memory)));
            } else {
                pods.push(part(node, 5, *cpu, *memory));
            }
        }
        for (node, (_, goes, .., small)) in filled.iter().enumerate() {
            let small = small.iter().filter(|_| *goes >= 30);
            pods.extend(small.map(|(app, cpu, memory)| part(node, *app, *cpu, *memory)));
        }
        let mut case = lines(0, &nodes, &apps, &pods, &budgets);
        let placed = |line: &String| !line.starts_with("pod ") || !line.contains(" - ");
        case.0.retain(|line| waits || placed(line));
        case
    })
}

/// Numbers below a limit, the same each time.
pub(super) fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |sides| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    }
}

/// Settings that let much happen.
pub(super) fn open() -> Config {
    Config::default()
        .with_headroom_percent(0)
        .with_max_workload_share_percent(100)
        .with_max_disrupted_percent(100)
        .with_max_temporary_cordons(u32::MAX)
}

pub(super) fn scenario(case: &Case) -> Scenario {
    let lines: Vec<Line> = case.0.iter().map(|l| Line::parse(l)).collect();
    build(&Line::parse("decide"), &lines)
}
