//! The rules of others, on cases small enough to do by hand.

use cloudoptim_benches::baseline::consolidate::{Approval, consolidate};
use cloudoptim_benches::baseline::scale_down::{UNNEEDED, autoscaler, high_node_utilization};
use cloudoptim_benches::baseline::yard::{SceneYard, Yard};
use cloudoptim_benches::baseline::{first_fit, provision};
use cloudoptim_benches::check::violations;
use cloudoptim_benches::instance::{Assignment, Instance, Machine, Pod, PodRule, Topology};
use cloudoptim_benches::load::TypeRow;
use cloudoptim_benches::scene::{self, Plan, Scene, Sizes};
use cloudoptim_core::engines::bin_packing::solver::{RepackEffort, repack};
use cloudoptim_core::model::MicroUsdPerHour;

fn machine(name: &str, cpu: u64, memory: u64, price: i64) -> Machine {
    Machine {
        name: name.to_owned(),
        amounts: vec![cpu, memory, 20],
        price: MicroUsdPerHour(price),
        zones: ["a", "b"].map(str::to_owned).to_vec(),
        ..Machine::default()
    }
}

fn pod(name: &str, cpu: u64, memory: u64, rule: PodRule) -> Pod {
    Pod {
        name: name.to_owned(),
        amounts: vec![cpu, memory, 1],
        label: "l".to_owned(),
        rule,
        ..Pod::default()
    }
}

fn instance(pods: Vec<Pod>, machines: Vec<Machine>, zones: &[&str]) -> Instance {
    Instance {
        name: "by-hand".to_owned(),
        dims: ["cpu_milli", "memory_mib", "pods"]
            .map(str::to_owned)
            .to_vec(),
        pods,
        machines,
        zones: zones.iter().map(|z| (*z).to_owned()).collect(),
        ..Instance::default()
    }
}

/// Machine and pods of each node.
fn nodes(instance: &Instance, assignment: &Assignment) -> Vec<(String, Vec<usize>)> {
    let nodes = assignment.nodes.iter();
    nodes
        .map(|n| {
            let pods = n.pods.iter().map(|(p, _)| *p).collect();
            (instance.machines[n.machine].name.clone(), pods)
        })
        .collect()
}

fn judged(instance: &Instance, assignment: &Assignment) -> usize {
    violations(instance, assignment, provision::cost(instance, assignment)).len()
}

#[test]
fn a_claim_grows_while_any_type_holds_it_whatever_that_costs() {
    // Four small nodes would cost 400; the one large costs 900, and is bought.
    let pods = (0..4)
        .map(|i| pod(&i.to_string(), 900, 900, PodRule::None))
        .collect();
    let machines = vec![
        machine("small", 1_000, 1_000, 100),
        machine("large", 4_000, 4_000, 900),
    ];
    let instance = instance(pods, machines, &[]);
    let bought = provision::provision(&instance);
    assert_eq!(
        nodes(&instance, &bought),
        [("large".to_owned(), vec![0, 1, 2, 3])]
    );
    let fitted = first_fit::best(&instance);
    assert_eq!(provision::cost(&instance, &fitted), 400);
    assert_eq!(judged(&instance, &bought) + judged(&instance, &fitted), 0);
}

#[test]
fn the_claim_with_the_fewest_pods_is_tried_first() {
    // Shunning pods open two claims; the next goes to neither's end but to the
    // emptier one, so that they stay even.
    let shun = || PodRule::AntiAffinity {
        over: Topology::Node,
        selector: "l".to_owned(),
    };
    let mut pods = vec![pod("a", 500, 10, shun()), pod("b", 500, 10, shun())];
    for i in 0..4 {
        let mut free = pod(&i.to_string(), 100, 10, PodRule::None);
        free.label = "other".to_owned();
        pods.push(free);
    }
    let instance = instance(pods, vec![machine("m", 2_000, 2_000, 100)], &[]);
    let bought = provision::provision(&instance);
    let held: Vec<Vec<usize>> = nodes(&instance, &bought).into_iter().map(|n| n.1).collect();
    assert_eq!(held, [vec![0, 2, 4], vec![1, 3, 5]]);
    assert_eq!(judged(&instance, &bought), 0);
}

#[test]
fn spread_pods_alternate_between_zones_and_company_stays_in_one() {
    let spread = || PodRule::Spread {
        over: Topology::Zone,
        selector: "l".to_owned(),
        skew: 1,
    };
    let near = || PodRule::Affinity {
        over: Topology::Zone,
        selector: "friends".to_owned(),
    };
    let mut pods: Vec<Pod> = (0..4)
        .map(|i| pod(&i.to_string(), 400, 10, spread()))
        .collect();
    for i in 0..3 {
        let mut friend = pod(&format!("f{i}"), 300, 10, near());
        friend.label = "friends".to_owned();
        pods.push(friend);
    }
    let instance = instance(pods, vec![machine("m", 1_000, 1_000, 100)], &["a", "b"]);
    for found in [provision::provision(&instance), first_fit::best(&instance)] {
        assert!(found.unplaced.is_empty());
        assert_eq!(judged(&instance, &found), 0);
    }
}

#[test]
fn limits_of_applications_and_gpus_are_kept() {
    let mut pods: Vec<Pod> = (0..6)
        .map(|i| pod(&i.to_string(), 100, 10, PodRule::None))
        .collect();
    for (i, pod) in pods.iter_mut().enumerate() {
        pod.app = ["x", "y", "z"][i % 3].to_owned();
        pod.max_per_node = (i % 3 == 2).then_some(1);
    }
    let mut gpu = pod("gpu", 100, 10, PodRule::None);
    (gpu.gpus, gpu.gpu_milli) = (1, 600);
    pods.extend([gpu.clone(), gpu]);
    let mut with_gpu = machine("gpu", 2_000, 2_000, 500);
    with_gpu.gpus = vec![("T4".to_owned(), 1_000)];
    let mut instance = instance(pods, vec![machine("m", 2_000, 2_000, 100), with_gpu], &[]);
    instance.app_limits = vec![("x".to_owned(), "y".to_owned(), 0)];
    let bought = provision::provision(&instance);
    assert!(bought.unplaced.is_empty());
    assert_eq!(judged(&instance, &bought), 0);
    // x apart from y, z one by one; two GPUs of which each pod takes over half.
    assert_eq!(provision::mix(&instance, &bought)["gpu"], 2);
    assert_eq!(provision::mix(&instance, &bought)["m"], 2);
    let fitted = first_fit::best(&instance);
    assert_eq!(judged(&instance, &fitted), 0);
}

fn row(name: &str, cpu_milli: u64, price: i64) -> TypeRow {
    TypeRow {
        name: name.to_owned(),
        cpu_milli: cpu_milli + 200,
        memory_mib: 100_320,
        pods: 104,
        gpus: Vec::new(),
        price: MicroUsdPerHour(price),
        zones: Vec::new(),
    }
}

/// Nodes of types by number, and the CPU of the pods on each.
fn by_hand(types: &[TypeRow], nodes: &[(usize, &[u64])]) -> Scene {
    let mut pods = Vec::new();
    for (node, (_, held)) in nodes.iter().enumerate() {
        for cpu_milli in *held {
            pods.push(scene::Pod {
                workload: pods.len(),
                cpu_milli: *cpu_milli,
                memory_mib: 10,
                node,
                spread: false,
            });
        }
    }
    Scene {
        types: types.to_vec(),
        nodes: nodes.iter().map(|(t, _)| (*t, 0)).collect(),
        pods,
    }
}

/// Cost, nodes and evictions once a rule has come to rest.
fn rest(scene: &Scene, buy: &[TypeRow], rule: fn(&mut SceneYard<'_>)) -> (i64, usize, u64) {
    let fleet = scene.fleet(buy);
    let mut yard = SceneYard::new(scene, &fleet, buy);
    rule(&mut yard);
    assert_eq!(yard.violations(), 0);
    (yard.cost(), yard.nodes().len(), yard.evictions())
}

fn cheaper(yard: &mut SceneYard<'_>) {
    consolidate(yard, Approval::Cheaper);
}

fn balanced(yard: &mut SceneYard<'_>) {
    consolidate(yard, Approval::Balanced);
}

#[test]
fn two_nodes_become_one_cheaper_one_and_never_two() {
    let types = [row("big", 4_000, 400), row("half", 2_000, 200)];
    // Two half-empty big nodes: one goes, and the other need not move.
    let scene = by_hand(&types, &[(0, &[1_500]), (0, &[1_500])]);
    assert_eq!(rest(&scene, &[], cheaper), (400, 1, 1));
    // With something to buy: alone on a big node is replaced by a half one.
    let scene = by_hand(&types, &[(0, &[1_500])]);
    assert_eq!(rest(&scene, &types, cheaper), (200, 1, 1));
    // One node to two cheaper ones is what the search cannot do: a big node
    // that costs more than two halves stays (one to many).
    let dear = [row("dear", 4_000, 900), row("half", 2_000, 200)];
    let scene = by_hand(&dear, &[(0, &[1_900, 1_900])]);
    assert_eq!(rest(&scene, &dear[1..], cheaper), (900, 1, 0));
    let fleet = scene.fleet(&dear[1..]);
    let ours = repack(&fleet, &RepackEffort::default()).unwrap();
    assert_eq!(ours.points.last().unwrap().cost.0, 400);
}

#[test]
fn balanced_leaves_what_disturbs_more_than_twice_what_it_saves() {
    // The small node costs a fiftieth and holds most of the pods.
    let types = [row("big", 40_000, 5_000), row("small", 4_000, 100)];
    let scene = by_hand(&types, &[(0, &[2_000]), (1, &[100; 30])]);
    assert_eq!(rest(&scene, &[], cheaper), (5_000, 1, 30));
    assert_eq!(rest(&scene, &[], balanced), (5_100, 2, 0));
}

#[test]
fn the_autoscaler_looks_at_use_only() {
    let types = [row("big", 4_000, 400)];
    let scale: fn(&mut SceneYard<'_>) = |yard| autoscaler(yard, UNNEEDED);
    // Below one half goes; above it stays, though it would fit as well.
    let scene = by_hand(&types, &[(0, &[1_500]), (0, &[2_400])]);
    assert_eq!(rest(&scene, &[], scale), (400, 1, 1));
    let scene = by_hand(
        &types,
        &[(0, &[1_000, 1_000]), (0, &[1_000, 900]), (0, &[])],
    );
    assert_eq!(rest(&scene, &[], scale), (800, 2, 0));
}

#[test]
fn descheduler_packs_onto_the_fullest_and_does_nothing_when_all_are_low() {
    let types = [row("big", 4_000, 400)];
    let high: fn(&mut SceneYard<'_>) = |yard| high_node_utilization(yard, 0.3);
    let scene = by_hand(&types, &[(0, &[500]), (0, &[2_000]), (0, &[3_000])]);
    assert_eq!(rest(&scene, &[], high), (800, 2, 1));
    let scene = by_hand(&types, &[(0, &[500]), (0, &[400])]);
    assert_eq!(rest(&scene, &[], high), (800, 2, 0));
}

#[test]
fn made_up_fleets_lose_no_pod_and_break_no_spread() {
    let types = vec![row("a", 8_000, 384_000), row("b", 4_000, 170_000)];
    for seed in 1..4 {
        let plan = Plan {
            nodes: 24,
            types: types.clone(),
            sizes: Sizes::Mix,
            keep: 0.5,
            replicas: 10,
            spread_every: 3,
            seed,
        };
        let scene = plan.scene();
        for buy in [&[][..], &types] {
            let before = scene.fleet(buy);
            let before = SceneYard::new(&scene, &before, buy).cost();
            let plain = rest(&scene, buy, cheaper);
            let careful = rest(&scene, buy, balanced);
            assert!(plain.0 < before && careful.0 <= before);
            assert!(careful.2 <= plain.2, "{careful:?} {plain:?}");
            rest(&scene, buy, |yard| autoscaler(yard, UNNEEDED));
            rest(&scene, buy, |yard| high_node_utilization(yard, UNNEEDED));
        }
    }
}
