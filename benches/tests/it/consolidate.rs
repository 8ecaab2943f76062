//! `consolidate`, on the sample cluster and on made-up ones.

use crate::agreement::{cluster, known};
use cloudoptim_benches::anew;
use cloudoptim_benches::documents;
use cloudoptim_benches::launches::below_minima;
use cloudoptim_benches::load::TypeRow;
use cloudoptim_benches::placement::{Board, judge};
use cloudoptim_benches::policy::{End, broken};
use cloudoptim_benches::scene::{Plan, Sizes};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::solver::{Effort, Place, RepackEffort, repack};
use cloudoptim_core::engines::bin_packing::{
    Config, Headroom, Launchable, NewNode, Purchase, Repacking, green_field, launchable_copies,
    purchasable, repacking, repacking_with_minima,
};
use cloudoptim_core::input::InputOptions;
use cloudoptim_core::knowledge::{Gap, Knowledge, Provenance};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{
    Bytes, CapacityType, Cloud, Cluster, ConditionStatus, INSTANCE_TYPE_LABEL, MicroUsdPerHour,
    MilliCpu, NODE_GROUP_LABEL, Node, NodeCondition, NodeGroup, OfferingPrice, OwnerRef, Pod,
    PodPhase, Snapshot, Zone, ZoneName,
};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::embedded().unwrap());

fn harness(args: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_cloudoptim-benches"))
        .args(args)
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn number(value: &Value, field: &str) -> f64 {
    value[field]
        .as_f64()
        .unwrap_or_else(|| panic!("{field} in {value}"))
}

#[test]
fn a_scene_in_which_pods_prefer_some_nodes_is_weighed_and_certified() {
    for (price, keep) in [("0.001", ".7"), ("0.01", ".5")] {
        let wish = format!("m7i={price}:50");
        let scene = [
            "consolidate",
            "--scene",
            "mixed",
            "--nodes",
            "60",
            "--keep",
            keep,
        ];
        let lines = harness(&[&scene[..], &["--prefer", &wish, "--json"]].concat());
        let line = &lines[0];
        assert_eq!(line["violations"], 0);
        // Our own pricing knows whole items, and may prove more.
        assert!(number(line, "claimed_bound") <= number(line, "lower_bound"));
        let (before, after) = (
            number(line, "preferences_before"),
            number(line, "preferences"),
        );
        assert!(before > 0.0 && after >= 0.0);
        let all = number(line, "cost") + after;
        assert!(number(line, "lower_bound") <= all);
        let frontier = line["frontier"].as_array().unwrap();
        for point in frontier {
            assert_eq!(point["violations"], 0);
            let cost = number(point, "cost") + number(point, "preferences");
            assert!(number(point, "lower_bound") <= cost + 1e-9, "{point}");
        }
        let names = line["unweighed"].as_array().unwrap().iter();
        let names: Vec<&str> = names.map(|of| of["search"].as_str().unwrap()).collect();
        assert_eq!(names, ["preferences as rules", "preferences ignored"]);
        let worth = |of: &Value| {
            let moves = of["moves"].as_f64().unwrap();
            number(of, "cost") + number(of, "preferences") + moves * 119e-6
        };
        for other in line["unweighed"].as_array().unwrap() {
            assert!(worth(line) <= worth(other) + 1e-9, "{other}");
        }
    }
}

#[test]
fn the_sample_cluster_has_a_frontier_without_violations() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/shop");
    let lines = harness(&["consolidate", "--launch", "nothing", "--json", shop]);
    let [line] = lines.as_slice() else {
        panic!("one cluster: {lines:?}");
    };
    assert_eq!(number(line, "violations"), 0.0);
    let (before, cost) = (number(line, "cost_before"), number(line, "cost"));
    let bound = number(line, "lower_bound");
    assert!(bound <= cost && cost < before, "{bound} {cost} {before}");
    let frontier = line["frontier"].as_array().unwrap();
    assert!(frontier.len() > 2);
    for pair in frontier.windows(2) {
        assert!(number(&pair[0], "moves") < number(&pair[1], "moves"));
        assert!(number(&pair[0], "cost") > number(&pair[1], "cost"));
    }
    for point in frontier {
        let (cost, bound) = (number(point, "cost"), number(point, "lower_bound"));
        assert!(bound <= cost + 1e-9, "{point}");
        assert_eq!(number(point, "launched"), 0.0);
        assert!(number(point, "claimed_bound") <= cost + 1e-9, "{point}");
        // Gaps are over what was confirmed.
        let gap = cost / bound - 1.0;
        assert!((number(point, "gap") - gap).abs() < 1e-9, "{point}");
    }
    // A move that costs more than any node saves is never made.
    let still = harness(&[
        "consolidate",
        "--launch",
        "nothing",
        "--move-price",
        "1000",
        "--json",
        shop,
    ]);
    assert_eq!(number(&still[0], "moves"), 0.0);
}

#[test]
fn new_nodes_make_the_sample_cheaper_and_break_nothing() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/shop");
    let less = harness(&["consolidate", "--launch", "nothing", "--json", shop]);
    let more = harness(&["consolidate", "--launch", "copies", "--json", shop]);
    assert_eq!(number(&more[0], "violations"), 0.0);
    assert!(number(&more[0], "cost") < number(&less[0], "cost"));
    let frontier = more[0]["frontier"].as_array().unwrap();
    assert!(frontier.iter().any(|p| number(p, "launched") > 0.0));
    for point in frontier {
        assert!(
            number(point, "lower_bound") <= number(point, "cost") + 1e-9,
            "{point}"
        );
    }
}

#[test]
fn without_the_budgets_every_node_stays() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/shop");
    let mut options = InputOptions::default();
    options.complete = true;
    let mut snapshot = documents::load(Path::new(shop), options).unwrap().snapshot;
    snapshot.clusters[0].disruption_budgets = Knowledge::unknown(Gap::NotCollected);
    let answer = repacked(&snapshot, &Overlay::default(), &Config::default()).1;
    let points: Vec<u64> = answer.points.iter().map(|p| p.moved).collect();
    assert_eq!(points, [0]);
    assert_eq!(answer.points[0].cost, answer.cost_before);
    assert!(
        answer
            .missing
            .unwrap()
            .to_string()
            .contains("disruption budgets")
    );
}

fn repacked(
    snapshot: &Snapshot,
    overlay: &Overlay,
    config: &Config,
) -> (Vec<Launchable>, Repacking) {
    let inputs = Inputs {
        snapshot,
        overlay,
        catalog: &CATALOG,
        policy: &Policy::default(),
        ledgers: &Ledgers::default(),
        deadline: None,
    };
    let cluster = &snapshot.clusters[0];
    let launchables = launchable_copies(&inputs, cluster);
    let effort = RepackEffort::default();
    let answer = repacking(config, &inputs, cluster, &launchables, &effort).unwrap();
    (launchables, answer)
}

/// A cluster of the agreement test whose nodes have types and prices.
fn priced(seed: u64) -> (Snapshot, Overlay) {
    let mut cluster = cluster(seed);
    cluster.workloads = known(Vec::new());
    cluster.disruption_budgets = known(Vec::new());
    let mut prices = Vec::new();
    for (number, node) in cluster.nodes.value_mut().unwrap().iter_mut().enumerate() {
        let kind = format!("kind-{number}");
        let labels = &mut node.meta.labels;
        labels.insert(INSTANCE_TYPE_LABEL.to_owned(), kind.clone());
        labels.insert(
            "karpenter.sh/capacity-type".to_owned(),
            "on-demand".to_owned(),
        );
        prices.push(OfferingPrice {
            instance_type: kind.as_str().into(),
            zone_id: None,
            capacity_type: CapacityType::OnDemand,
            per_hour: MicroUsdPerHour(100_000 + 37_000 * i64::try_from(number).unwrap()),
        });
    }
    let mut snapshot = Snapshot::new("2026-11-24T12:00:00Z".parse().unwrap());
    snapshot.clusters.push(cluster);
    let overlay = Overlay {
        prices,
        ..Overlay::default()
    };
    (snapshot, overlay)
}

#[test]
fn repackings_of_generated_clusters_break_no_rule_at_their_end_or_on_the_way() {
    let mut config = Config::default();
    config.moves.move_bare_pods = true;
    let (mut moved, mut launched) = (0, 0);
    for seed in 0..1_500 {
        let (snapshot, overlay) = priced(seed);
        let cluster = &snapshot.clusters[0];
        let (launchables, answer) = repacked(&snapshot, &overlay, &config);
        let before = Board::new(cluster).robust();
        for point in &answer.points {
            let (end, way) = judge(cluster, &launchables, &before, point);
            assert!(
                way.is_empty(),
                "seed {seed}: {way:?} on the way of {point:#?}"
            );
            assert!(
                end.is_empty(),
                "seed {seed}: {end:?} at the end of {point:#?}"
            );
            assert!(point.lower_bound <= point.cost, "seed {seed}: {point:#?}");
            moved += point.moved;
            launched += point.launched.len();
        }
    }
    assert!(
        moved > 200 && launched > 15,
        "{moved} moves, {launched} launched"
    );
}

#[test]
fn groups_keep_as_many_nodes_as_they_have_to_have() {
    let config = Config::default().with_max_workload_share_percent(100);
    let (mut saved, mut below) = (0, 0);
    for seed in 0..400 {
        let (mut snapshot, overlay) = priced(seed);
        cloud(&mut snapshot);
        let nodes = snapshot.clusters[0].nodes.value_mut().unwrap();
        let names = ["even", "odd"];
        for (number, node) in nodes.iter_mut().enumerate() {
            let name = names[number % 2].to_owned();
            node.meta.labels.insert(NODE_GROUP_LABEL.to_owned(), name);
        }
        let count = nodes.len();
        let groups = names.iter().enumerate().map(|(odd, name)| {
            let desired = ((count + 1 - odd) / 2) as u32;
            NodeGroup {
                name: (*name).to_owned(),
                cluster: snapshot.clusters[0].name.clone(),
                min_size: (seed as u32 / 2).wrapping_add(odd as u32) % 4,
                desired,
                max_size: 99,
                ..NodeGroup::default()
            }
        });
        snapshot.clouds[0].node_groups = known(groups.collect());
        snapshot.clouds[0].auto_scaling_groups = known(Vec::new());
        let inputs = Inputs {
            snapshot: &snapshot,
            overlay: &overlay,
            catalog: &CATALOG,
            policy: &Policy::default(),
            ledgers: &Ledgers::default(),
            deadline: None,
        };
        let cluster = &snapshot.clusters[0];
        let (launchables, answer) = repacked(&snapshot, &overlay, &config);
        for point in &answer.points {
            let few = below_minima(&inputs, cluster, &launchables, point);
            assert!(few.is_empty(), "seed {seed}: {few:?} in {point:#?}");
            assert!(point.lower_bound <= point.cost, "seed {seed}: {point:#?}");
            saved += u32::from(point.cost < answer.cost_before);
        }
        let effort = RepackEffort::default();
        let lifted = names.map(|name| (format!("node group {name}"), None));
        let lifted = BTreeMap::from(lifted);
        let free = repacking_with_minima(&config, &inputs, cluster, &launchables, &effort, &lifted);
        let free = free.unwrap();
        assert!(free.lower_bound <= answer.points.last().unwrap().cost);
        for point in &free.points {
            let few = below_minima(&inputs, cluster, &launchables, point);
            below += u32::from(!few.is_empty());
        }
        // What nobody says is no minimum of none.
        snapshot.clouds.clear();
        let (_, unknown) = repacked(&snapshot, &overlay, &config);
        assert!(unknown.points.iter().all(|p| p.removed.is_empty()));
        let all = names.map(|name| format!("node group {name}"));
        assert_eq!(unknown.unknown_minima, all[..count.min(2)]);
    }
    assert!(saved > 30 && below > 30, "{saved} save, {below} below");
}

/// A cloud with the zones in which the nodes are.
fn cloud(snapshot: &mut Snapshot) {
    let cluster = &snapshot.clusters[0];
    let nodes = cluster.nodes.items().iter();
    let names: BTreeSet<ZoneName> = nodes.filter_map(Node::zone_name).collect();
    let zone = |(number, name)| Zone {
        name,
        id: format!("use1-az{number}").as_str().into(),
        kind: String::new(),
    };
    let cloud = Cloud {
        account: "111122223333".into(),
        region: "us-east-1".into(),
        zones: known(names.into_iter().enumerate().map(zone).collect()),
        ..Cloud::default()
    };
    snapshot.clusters[0].account = Some(cloud.account.clone());
    snapshot.clusters[0].region = Some(cloud.region.clone());
    snapshot.clouds.push(cloud);
}

#[test]
fn green_fields_of_generated_clusters_break_no_rule_at_their_end_or_on_the_way() {
    let (mut placed, mut spot, mut left) = (0, 0, 0);
    for seed in 0..300 {
        let (mut snapshot, overlay) = priced(seed);
        cloud(&mut snapshot);
        let inputs = Inputs {
            snapshot: &snapshot,
            overlay: &overlay,
            catalog: &CATALOG,
            policy: &Policy::default(),
            ledgers: &Ledgers::default(),
            deadline: None,
        };
        let cluster = &snapshot.clusters[0];
        let types = ["m6i.large", "c6i.xlarge", "r6i.2xlarge", "m7g.4xlarge"];
        let risky = types.map(|name| OfferingPrice {
            instance_type: name.into(),
            zone_id: None,
            capacity_type: CapacityType::Spot,
            per_hour: MicroUsdPerHour(40_000),
        });
        let purchase = Purchase::default()
            .with_instance_types(types.map(Into::into))
            .with_spot_percent(u32::try_from(seed % 3).unwrap() * 50)
            .with_spot_prices(risky.to_vec(), snapshot.taken_at);
        let (config, effort) = (Config::default(), Effort::quick());
        let uid = &cluster.uid;
        let kinds = purchasable(&config, &inputs, uid, &purchase).unwrap();
        let answer = green_field(&config, &inputs, uid, &purchase, &effort).unwrap();
        let (end, way) = anew::judge(cluster, &kinds, &answer);
        assert!(way.is_empty(), "seed {seed}: {way:?} of {answer:#?}");
        assert!(end.is_empty(), "seed {seed}: {end:?} of {answer:#?}");
        let whole = answer.is_whole();
        assert!(
            !whole || answer.lower_bound <= answer.cost,
            "seed {seed}: {answer:#?}"
        );
        placed += answer.placed();
        let on_spot = |new: &&NewNode| new.offering.capacity_type == CapacityType::Spot;
        spot += answer.nodes.iter().filter(on_spot).count();
        left += answer.left.values().map(Vec::len).sum::<usize>();
    }
    assert!(
        placed > 300 && spot > 30,
        "{placed} placed, {spot} nodes on spot, {left} left"
    );
}

#[test]
fn the_sample_bought_anew_is_cheaper_than_it_is_and_breaks_no_rule() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/shop");
    let lines = harness(&[
        "consolidate",
        "--launch",
        "nothing",
        "--anew",
        "--json",
        shop,
    ]);
    let anew = &lines[0]["anew"];
    assert_eq!(number(anew, "violations"), 0.0, "{anew}");
    assert!(number(anew, "cost") < number(&lines[0], "cost"), "{anew}");
    assert!(
        number(anew, "lower_bound") <= number(anew, "cost"),
        "{anew}"
    );
    assert!(number(anew, "placed") > 100.0, "{anew}");
}

/// The same with workloads of some pods each.
fn owned(seed: u64) -> (Snapshot, Overlay) {
    let (mut snapshot, overlay) = priced(seed);
    let pods = snapshot.clusters[0].pods.value_mut().unwrap();
    // What waits for a node takes room first, which the judge does not count.
    pods.retain(|p| p.spec.node_name.is_some());
    for pod in pods.iter_mut() {
        let app = pod.meta.labels["app"].clone();
        pod.meta.owners.push(OwnerRef {
            api_version: "apps/v1".to_owned(),
            kind: "StatefulSet".to_owned(),
            uid: format!("{}-{app}", pod.meta.namespace).as_str().into(),
            name: app,
            controller: true,
        });
        // Fewer rules of other kinds, so that more moves.
        pod.spec.topology_spread.clear();
        pod.spec.required_pod_affinity.clear();
        // Who avoids everybody avoids those that are not there yet, too.
        pod.spec.required_pod_anti_affinity.clear();
    }
    (snapshot, overlay)
}

#[test]
fn repackings_keep_shares_of_workloads_and_room_for_more_pods() {
    let room = |pods: u32, zone: Option<&str>| Headroom {
        pods,
        cpu: MilliCpu(300),
        memory: Bytes(256 << 20),
        zone: zone.map(str::to_owned),
        ..Headroom::default()
    };
    let open = || Config::default().with_max_workload_share_percent(100);
    let strict = [
        Config::default(),
        open().with_max_workload_zone_share_percent(50),
        open().with_headroom(vec![room(4, None)]),
        open().with_headroom(vec![room(2, Some("z1")), room(2, Some("z2"))]),
    ];
    // Plans without the rules break them, which the judge sees.
    let (mut moved, mut seen) = ([0; 4], [0; 4]);
    for seed in 0..200 {
        let (snapshot, overlay) = owned(seed);
        let cluster = &snapshot.clusters[0];
        let before = Board::new(cluster).robust();
        let (launchables, free) = repacked(&snapshot, &overlay, &open());
        for (n, config) in strict.iter().enumerate() {
            for point in &free.points {
                let end = End::of_point(cluster, &launchables, point);
                seen[n] += broken(config, &end).len();
            }
            let (launchables, answer) = repacked(&snapshot, &overlay, config);
            for point in &answer.points {
                let (end, way) = judge(cluster, &launchables, &before, point);
                assert!(
                    way.is_empty() && end.is_empty(),
                    "seed {seed}: {way:?} {end:?}"
                );
                let own = broken(config, &End::of_point(cluster, &launchables, point));
                assert!(own.is_empty(), "seed {seed} {n}: {own:?} {point:#?}");
                assert!(point.lower_bound <= point.cost, "seed {seed}: {point:#?}");
                moved[n] += point.moved;
            }
        }
    }
    println!("{moved:?} moved, {seen:?} seen without");
    assert!(moved.iter().all(|n| *n > 50), "{moved:?}");
    assert!(seen.iter().all(|n| *n > 10), "{seen:?}");
}

#[test]
fn baselines_follow_with_moves_and_no_violation() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/shop");
    for args in [
        &[
            "consolidate",
            "--baselines",
            "--launch",
            "copies",
            "--json",
            shop,
        ][..],
        &[
            "consolidate",
            "--baselines",
            "--json",
            "--scene",
            "mixed",
            "--nodes",
            "24",
            "--keep",
            "0.5",
        ],
    ] {
        let mut lines = harness(args);
        let ours = lines.remove(0);
        let names: Vec<&str> = lines
            .iter()
            .map(|l| l["baseline"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "karpenter",
                "karpenter-balanced",
                "cluster-autoscaler-50",
                "descheduler-high-20",
                "descheduler-high-50",
            ]
        );
        let best = ours["frontier"].as_array().unwrap().last().unwrap();
        for line in &lines {
            assert_eq!(line["violations"], 0, "{line}");
            assert_eq!(number(line, "cost_before"), number(&ours, "cost_before"));
            assert!(number(line, "cost") <= number(line, "cost_before"));
            assert!(
                number(line, "cost") >= number(&ours, "lower_bound"),
                "{line}"
            );
        }
        assert!(number(&lines[0], "moves") > 0.0);
        assert!(number(best, "cost") <= number(&lines[0], "cost") + 1e-9);
    }
}

fn type_row(name: &str, cpu_milli: u64, memory_mib: u64, usd: f64) -> TypeRow {
    TypeRow {
        name: name.to_owned(),
        cpu_milli,
        memory_mib,
        pods: 58,
        gpus: Vec::new(),
        price: MicroUsdPerHour::from_usd(usd).unwrap(),
        zones: Vec::new(),
    }
}

fn plan(nodes: usize, keep: f64, spread_every: usize, seed: u64) -> Plan {
    Plan {
        nodes,
        types: vec![
            type_row("general", 7_910, 30_000, 0.384),
            type_row("compute", 7_910, 14_800, 0.34),
            type_row("memory", 3_920, 30_100, 0.252),
        ],
        sizes: Sizes::Mix,
        keep,
        replicas: 20,
        spread_every,
        seed,
    }
}

#[test]
fn a_made_up_fleet_ends_near_its_bound_and_below_the_search_over_prefixes() {
    for (seed, keep, spread_every) in [(1, 0.7, 0), (2, 0.5, 0), (3, 0.3, 3)] {
        let scene = plan(90, keep, spread_every, seed).scene();
        let fleet = scene.fleet(&[]);
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let (best, prefix) = (frontier.points.last().unwrap(), frontier.prefix.unwrap());
        let bound = frontier.lower_bound.0 as f64;
        let gap = best.cost.0 as f64 / bound - 1.0;
        let prefix_gap = prefix.cost.0 as f64 / bound - 1.0;
        assert!(best.cost <= prefix.cost);
        assert!(
            gap <= prefix_gap * 0.75,
            "seed {seed}: {gap} and {prefix_gap}"
        );
        // Every item is counted once, on a node that stays.
        let moved: u64 = best.moves.iter().map(|m| u64::from(m.count)).sum();
        assert_eq!(moved, best.moved);
        assert!(best.moves.iter().all(|m| match m.to {
            Place::Node(node) => !best.removed.contains(&node),
            Place::Bought(_) => false,
        }));
    }
}

#[test]
fn scenes_are_the_same_for_the_same_seed_and_hold_the_part_that_was_asked_for() {
    let whole = plan(30, 1.0, 2, 7).scene();
    let half = plan(30, 0.5, 2, 7).scene();
    assert_eq!(half, plan(30, 0.5, 2, 7).scene());
    assert_ne!(half, plan(30, 0.5, 2, 8).scene());
    assert_eq!(half.pods.len(), whole.pods.len() / 2);
    assert!(whole.pods.iter().any(|p| p.spread));
}

#[test]
fn the_judge_names_a_pod_that_is_lost_and_one_that_comes_too_much() {
    let node = |name: &str| {
        let mut node = Node::default();
        node.meta.name = name.to_owned();
        node.allocatable.cpu = MilliCpu(1_000);
        node.allocatable.memory = Bytes(1 << 30);
        node.allocatable.pods = 10;
        node.conditions.push(NodeCondition {
            name: "Ready".to_owned(),
            status: ConditionStatus::True,
            ..NodeCondition::default()
        });
        node
    };
    let pod = |name: &str, on: &str| {
        let mut pod = Pod::default();
        pod.meta.name = name.to_owned();
        pod.meta.uid = name.into();
        pod.spec.node_name = Some(on.into());
        pod.status.phase = PodPhase::Running;
        let mut container = cloudoptim_core::model::Container::default();
        container.resources.requests.cpu = Some(MilliCpu(600));
        pod.spec.containers = vec![container];
        pod
    };
    let whole = |source| Provenance::new("test", source);
    let cluster = Cluster {
        nodes: Knowledge::complete(vec![node("n1"), node("n2")], whole("nodes")),
        pods: Knowledge::complete(vec![pod("a", "n1"), pod("b", "n2")], whole("pods")),
        ..Cluster::default()
    };
    let mut board = Board::new(&cluster);
    assert!(board.robust().is_empty());
    board.lift("a");
    let found: Vec<String> = board
        .arrive("a", "n2")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, ["n2 on n2: has less cpu than its pods ask for"]);
    assert_eq!(board.robust().len(), 1);
    assert!(board.remove("n1").is_empty());
    let lost: Vec<String> = board.remove("n2").iter().map(ToString::to_string).collect();
    assert_eq!(
        lost,
        [
            "/a on n2: was lost with its node",
            "/b on n2: was lost with its node"
        ]
    );
}
