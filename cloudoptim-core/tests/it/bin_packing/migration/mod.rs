//! Migrations: the waves of small cases, and what holds of every migration
//! whatever the scheduler chooses.

mod drawn;
mod followed;
mod thousands;

use super::build::build;
use super::generated::{open, scenario, tight_case};
use super::settings::config;
use super::{Scenario, naive_limits, run};
use crate::cases::{Line, assert_every_code_occurs, run_cases};
use cloudoptim_core::decision::{Action, Decision};
use cloudoptim_core::engines::EngineOutput;
use cloudoptim_core::engines::bin_packing::{
    Chooser, Config, Migration, Obstacle, Placement, Simulation, Wave, migration, simulate,
};
use cloudoptim_core::model::*;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::scheduling::{NodeId, World};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

const FILE: &str = "migration.txt";

pub(super) fn way(config: &Config, scenario: &Scenario, decisions: &[Decision]) -> Migration {
    scenario.ask(|inputs, uid| migration(config, inputs, uid, decisions).unwrap())
}

fn carried_out(
    config: &Config,
    scenario: &Scenario,
    way: &Migration,
    chooser: Chooser,
) -> Simulation {
    scenario.ask(|inputs, _| simulate(config, inputs, way, chooser).unwrap())
}

fn choosers() -> impl Iterator<Item = Chooser> {
    let random = (0..6).map(|seed| Chooser::Random { seed });
    [Chooser::Scores, Chooser::Tightest]
        .into_iter()
        .chain(random)
}

/// Nodes of a migration that go.
fn going(way: &Migration) -> Vec<NodeName> {
    let removed = way.waves.iter().flat_map(|w| &w.removed);
    removed.cloned().collect()
}

fn is_checked(way: &Migration) -> bool {
    way.waves.iter().any(|w| w.placement == Placement::Checked)
}

/// Every chooser finds a place for everybody, breaks no budget and leaves the
/// nodes that go empty; all go, but where waves are looked at before. Gives how
/// many choosers leave nodes that stay then.
fn assert_safe(config: &Config, scenario: &Scenario, way: &Migration) -> usize {
    let mut fewer = 0;
    for chooser in choosers() {
        let end = carried_out(config, scenario, way, chooser);
        assert_eq!(end.pending, [], "{chooser:?}\n{way:#?}");
        assert_eq!(end.broken, [], "{chooser:?}\n{way:#?}");
        assert_eq!(end.occupied, [] as [NodeName; 0], "{chooser:?}\n{way:#?}");
        assert!(
            is_checked(way) || end.left_out.is_empty(),
            "{chooser:?}\n{way:#?}"
        );
        let mut going = going(way);
        going.retain(|node| !end.left_out.contains(node));
        assert_eq!(end.removed, going, "{chooser:?}\n{way:#?}");
        fewer += usize::from(!end.left_out.is_empty());
    }
    fewer
}

fn names(nodes: &[NodeName]) -> String {
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    names.join(",")
}

fn show(wave: &Wave) -> String {
    let mut words = vec![format!("wave {}", wave.number)];
    for launch in &wave.launch {
        words.push(format!("launch {} × {}", launch.count, launch.offering));
        words.push(format!("as {}", names(&launch.nodes)));
    }
    if !wave.cordon.is_empty() {
        words.push(format!("cordon {}", names(&wave.cordon)));
    }
    words.push(match &wave.placement {
        Placement::Free => "free:".to_owned(),
        Placement::Checked => "checked:".to_owned(),
        Placement::Forced { target, closed } => {
            format!("forced to {target} without {}:", names(closed))
        }
        other => panic!("{other:?}"),
    });
    words.extend(wave.closed.iter().map(|node| format!("without {node}")));
    words.extend(wave.evictions.iter().map(|e| {
        let to = e.to.as_ref().map_or("?", NodeName::as_str);
        let room = e.room_on.as_ref().map_or("any", NodeName::as_str);
        let serves = e
            .serves
            .as_ref()
            .map_or_else(String::new, |n| format!(" for {n}"));
        format!("{}@{}>{to}({room}){serves}", e.pod.name, e.from)
    }));
    if !wave.removed.is_empty() {
        words.push(format!("remove {}", names(&wave.removed)));
    }
    words.push(format!("{}s", wave.seconds));
    words.push(format!("undo {}", names(&wave.rollback.uncordon)));
    if !wave.rollback.gone.is_empty() {
        words.push(format!("gone {}", names(&wave.rollback.gone)));
    }
    words.join(" ")
}

/// The node that the decisions put each pod on is not there yet.
fn untargeted(decisions: &mut [Decision]) {
    for action in decisions.iter_mut().flat_map(|d| &mut d.actions) {
        if let Action::DrainNode { moves, .. } = action {
            moves.iter_mut().for_each(|m| m.to = None);
        }
    }
}

/// Lines after `then` hold for the migration only; `forget-targets` in the
/// header has the pods go nobody knows where, and with `dear-launch` decisions
/// that launch save nothing.
#[test]
fn waves_of_small_cases() {
    run_cases(FILE, |header, lines| {
        let config = config(header);
        let late = |line: &&Line| line.word(0) == "then";
        let first: Vec<Line> = lines.iter().filter(|l| !late(l)).cloned().collect();
        let mut decisions = run(&config, &build(header, &first)).decisions;
        if header.has("forget-targets") {
            untargeted(&mut decisions);
        }
        if header.has("dear-launch") {
            let launches = |a: &Action| matches!(a, Action::LaunchNodes { .. });
            for decision in decisions
                .iter_mut()
                .filter(|d| d.actions.iter().any(launches))
            {
                decision.saves_per_month = Some(MicroUsdPerMonth(-1));
            }
        }
        let all = lines.iter().map(|l| match l.text.strip_prefix("then ") {
            Some(text) => Line::parse(text),
            None => l.clone(),
        });
        let scenario = build(header, &all.collect::<Vec<_>>());
        let way = way(&config, &scenario, &decisions);
        assert_safe(&config, &scenario, &way);
        let seconds: u64 = way.waves.iter().map(|w| w.seconds).sum();
        assert_eq!(way.seconds, seconds);
        let mut shown: Vec<String> = way.waves.iter().map(show).collect();
        let left = way.left_out.iter();
        shown.extend(left.map(|l| format!("stays {} {}: {}", l.node, l.because.code(), l.because)));
        shown
    });
}

#[test]
fn every_obstacle_occurs() {
    assert_every_code_occurs(Obstacle::CODES, &[FILE]);
}

fn parse(text: &str) -> Vec<Line> {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.map(Line::parse).collect()
}

/// Why forced waves are there: left to choose, the scheduler puts the first pod
/// where alone the second has room.
#[test]
fn a_free_choice_where_a_forced_wave_is_due_leaves_a_pod_out() {
    let header = Line::parse("migrate headroom=0");
    let (config, scenario) = (config(&header), build(&header, &parse(FORCED)));
    let decisions = run(&config, &scenario).decisions;
    let safe = way(&config, &scenario, &decisions);
    assert_safe(&config, &scenario, &safe);
    assert!(matches!(safe.waves[0].placement, Placement::Forced { .. }));
    // The same, left to the scheduler.
    let mut free = safe.clone();
    for wave in &mut free.waves {
        wave.placement = Placement::Free;
    }
    let end = carried_out(&config, &scenario, &free, Chooser::Scores);
    assert_eq!(end.pending, [NamespacedName::new("shop", "cpu-1")]);
    assert_eq!(end.removed, [] as [NodeName; 0]);
}

/// The simulation itself sees a broken budget, and a node that is not empty.
#[test]
fn evictions_against_a_budget_and_nodes_with_pods_are_seen() {
    let text = "node n1 4 16Gi
        node n2 4 16Gi ann=karpenter.sh/do-not-disrupt:true
        pods a n1 3 100m 1Gi
        pods b n2 3 100m 1Gi
        node n3 4 16Gi ann=karpenter.sh/do-not-disrupt:true
        pods c n3 3 1 1Gi
        pdb a allowed=1";
    let header = Line::parse("migrate share=100");
    let (config, scenario) = (config(&header), build(&header, &parse(text)));
    let decisions = run(&config, &scenario).decisions;
    let safe = way(&config, &scenario, &decisions);
    assert_eq!(safe.waves.len(), 3);
    let mut together = safe.clone();
    let later = together.waves.split_off(1);
    let all = later.iter().flat_map(|w| w.evictions.clone());
    together.waves[0].evictions.extend(all);
    for chooser in choosers() {
        let end = carried_out(&config, &scenario, &together, chooser);
        assert_eq!(end.broken.len(), 2, "{chooser:?}");
    }
    let mut hasty = safe;
    hasty.waves[0].removed.push("n1".into());
    let end = carried_out(&config, &scenario, &hasty, Chooser::Scores);
    assert_eq!(end.occupied, ["n1".into()]);
}

/// A cordon changes what a spread that heeds taints counts, and is undone whole.
#[test]
fn a_cordon_is_undone_whole() {
    let spread = "500m 1Gi spread=host skew=2 domains=3 heeds-taints";
    let text = format!(
        "node n1 4 16Gi
        node n2 4 16Gi
        node n3 4 16Gi
        pods web n1 2 {spread}
        pods web n2 2 {spread}
        pods web n3 1 {spread}
        pods old n1 1 {spread} leaving"
    );
    let scenario = build(&Line::parse("migrate"), &parse(&text));
    let mut world = World::new(&scenario.snapshot.clusters[0], &[]);
    let answers = |world: &World<'_>| -> Vec<bool> {
        let nodes: Vec<NodeId> = world.nodes().collect();
        let pods = world.pods();
        pods.flat_map(|p| {
            nodes
                .iter()
                .map(move |n| world.fits(p, *n))
                .collect::<Vec<_>>()
        })
        .collect()
    };
    let pod = world.pod_id("shop", "web-n1-1").unwrap();
    let [n1, n2] = ["n1", "n2"].map(|n| world.node_id(&n.into()).unwrap());
    let before = answers(&world);
    assert!(world.fits(pod, n2));
    world.cordon_node(n1);
    assert!(!world.fits(pod, n2));
    world.cordon_node(n1);
    world.uncordon_node(n1);
    assert_eq!(answers(&world), before);
    world.uncordon_node(n1);
    assert_eq!(answers(&world), before);
}

/// A hundred nodes of three hundred go.
#[test]
fn a_hundred_nodes_go() {
    let mut text = String::new();
    for n in 0..300 {
        let name = format!("n{n:03}");
        text += &format!("node {name} 4 16Gi\n");
        text += &format!("pods a{} {name} 3 300m 1Gi\n", n % 40);
    }
    let config = open();
    let scenario = build(&Line::parse("migrate"), &parse(&text));
    let decisions = run(&config, &scenario).decisions;
    let way = way(&config, &scenario, &decisions);
    assert_eq!((going(&way).len(), way.left_out.len()), (100, 0));
    let evictions: usize = way.waves.iter().map(|w| w.evictions.len()).sum();
    assert_eq!(evictions, 300);
    // Ten at once, and where every pod is free no node needs one of its own.
    let free = |w: &Wave| w.placement == Placement::Free;
    assert!(way.waves.iter().all(free));
    assert_eq!(way.waves.len(), 30);
    let end = carried_out(&config, &scenario, &way, Chooser::Scores);
    assert_eq!((end.pending.len(), end.removed.len()), (0, 100));
}

/// Unknown clusters, nodes and pods, and pods that a decision forgets.
#[test]
fn decisions_of_another_cluster_are_refused() {
    let text = "node n1 4 16Gi
        node n2 4 16Gi
        node n3 4 16Gi
        pods a n1 2 100m 1Gi
        pods b n2 1 1 2Gi
        pods c n3 3 1 2Gi";
    let header = Line::parse("migrate");
    let scenario = build(&header, &parse(text));
    let decisions = run(&Config::default(), &scenario).decisions;
    let refused = |cluster: &str, decisions: &[Decision]| {
        scenario.ask(|inputs, _| {
            let answer = migration(&Config::default(), inputs, &cluster.into(), decisions);
            answer.map(|_| ()).unwrap_err().to_string()
        })
    };
    assert!(refused("c2", &decisions).contains("cluster c2"));
    let changed = |change: &dyn Fn(&mut Vec<cloudoptim_core::decision::PodMove>)| {
        let mut decisions = decisions.clone();
        for action in decisions.iter_mut().flat_map(|d| &mut d.actions) {
            if let Action::DrainNode { moves, .. } = action {
                change(moves);
            }
        }
        refused("c1", &decisions)
    };
    assert!(changed(&|m| m[0].to = Some("n9".into())).contains("node n9"));
    assert!(changed(&|m| m[0].uid = "other".into()).contains("pod shop/"));
    assert!(changed(&|m| drop(m.remove(0))).contains("leaves pod shop/"));
}

/// The plan of an answer and nothing else, with all the time that it needs.
fn plan_of(config: &Config, scenario: &Scenario, output: EngineOutput) -> Plan {
    let mut policy = Policy::default();
    policy.bin_packing = config.clone();
    policy.plan = policy.plan.with_valid_minutes(10_080);
    let input = PlanInput {
        outputs: vec![output],
        ..PlanInput::default()
    };
    scenario.ask_by(&policy, |inputs, _| plan(inputs, input))
}

/// Tight generated clusters with the migration and the plan of what is decided.
pub(crate) fn with_generated_ways(count: usize, mut look: impl FnMut(&Cluster, &Migration, &Plan)) {
    let (mut runner, cases) = (TestRunner::deterministic(), tight_case());
    for number in 0..count {
        let case = cases.new_tree(&mut runner).unwrap().current();
        let scenario = scenario(&case);
        let config = open().with_max_evictions_in_flight([1, 3, 10][number % 3]);
        let output = run(&config, &scenario);
        let way = way(&config, &scenario, &output.decisions);
        let plan = plan_of(&config, &scenario, output);
        look(&scenario.snapshot.clusters[0], &way, &plan);
    }
}

/// The plan of a small case in the words of the tables, and its snapshot.
pub(crate) fn plan_of_case(header: &str, text: &str) -> (Snapshot, Plan) {
    plan_of_case_by(header, text, |_| {})
}

/// The same, planned with other settings than it was decided with.
pub(crate) fn plan_of_case_by(
    header: &str,
    text: &str,
    edit: impl FnOnce(&mut Config),
) -> (Snapshot, Plan) {
    let header = Line::parse(header);
    let (config, mut scenario) = (config(&header), build(&header, &parse(text)));
    for pod in scenario.snapshot.clusters[0].pods.value_mut().unwrap() {
        pod.status.ready = pod.status.ready.or(Some(true));
    }
    let output = run(&config, &scenario);
    let mut by = config;
    edit(&mut by);
    let plan = plan_of(&by, &scenario, output);
    (scenario.snapshot, plan)
}

/// Left to choose, the scheduler puts the first pod where alone the second has
/// room.
pub(crate) const FORCED: &str = "node n1 4 16Gi
        node n2 4 16Gi ann=karpenter.sh/do-not-disrupt:true
        node n3 4 16Gi ann=karpenter.sh/do-not-disrupt:true
        pod memory-1 n1 1 10Gi
        pod cpu-1 n1 3 1Gi
        pod a-1 n2 2700m 3Gi
        pod b-1 n3 700m 3Gi";

/// The naive judge sees what goes beyond a limit.
#[test]
fn launches_beyond_a_limit_are_seen() {
    let text = "pool main cpu=20 nodes=3
        node n1 8 32Gi type=m6i.2xlarge
        node n2 8 32Gi type=m6i.2xlarge ann=karpenter.sh/do-not-disrupt:true
        pods a n1 3 1 1Gi
        pods b n2 7 1 4Gi";
    let case: Vec<String> = text.lines().map(|l| l.trim().to_owned()).collect();
    let header = Line::parse("migrate launch headroom=0 surge=100 vcpus=6");
    let (config, scenario) = (config(&header), build(&header, &parse(text)));
    let decisions = run(&config, &scenario).decisions;
    let way = way(&config, &scenario, &decisions);
    let over = |way: &Migration| naive_limits::over(&case, &config, &scenario, way);
    assert_eq!(over(&way), [] as [String; 0], "{way:#?}");
    let mut twice = way.clone();
    let launch = twice.waves[0].launch[0].clone();
    twice.waves[0].launch.push(launch);
    assert_eq!(
        over(&twice),
        [
            "wave 1: pool main cpu by 4000",
            "wave 1: pool main nodes by 1",
            "wave 1: vcpus by 2"
        ]
    );
}
