//! Migrations: the waves of small cases, and what holds of every migration
//! whatever the scheduler chooses.

use super::build::build;
use super::naive::Board;
use super::properties::{
    Case, POD_EXTRAS, any_case, any_node, any_pod, lines, open, pinned_case, scenario,
};
use super::settings::config;
use super::{Scenario, catalog, naive_limits, node_of, run};
use crate::cases::{Line, assert_every_code_occurs, run_cases};
use cloudoptim_core::decision::{Action, Decision, LaunchThrough, is_planned};
use cloudoptim_core::engines::bin_packing::{
    Chooser, Config, Elsewhere, Eviction, Migration, Obstacle, Placement, Simulation, StatedRoom,
    Wave, migration, simulate,
};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::guard::Placement as _;
use cloudoptim_core::model::*;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::scheduling::{NodeId, World};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

const FILE: &str = "migration.txt";

fn with_inputs<T>(scenario: &Scenario, then: impl FnOnce(&Inputs<'_>) -> T) -> T {
    then(&Inputs {
        snapshot: &scenario.snapshot,
        overlay: &scenario.overlay,
        catalog: &catalog(),
        policy: &Policy::default(),
        ledgers: &scenario.ledgers,
    })
}

pub(super) fn way(config: &Config, scenario: &Scenario, decisions: &[Decision]) -> Migration {
    with_inputs(scenario, |inputs| {
        migration(config, inputs, &"c1".into(), decisions).unwrap()
    })
}

fn carried_out(
    config: &Config,
    scenario: &Scenario,
    way: &Migration,
    chooser: Chooser,
) -> Simulation {
    with_inputs(scenario, |inputs| {
        simulate(config, inputs, way, chooser).unwrap()
    })
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
        with_inputs(&scenario, |inputs| {
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

/// Pods that a budget must keep, by the letter of its rule, and those that are
/// healthy, for each budget of a generated case.
fn budgets(case: &[String], cluster: &Cluster) -> Vec<(String, u32, u32)> {
    let pdbs = case.iter().map(|l| Line::parse(l));
    let pdbs = pdbs.filter(|l| l.words.first().is_some_and(|w| w == "pdb"));
    pdbs.map(|line| {
        let app = line.get("app").unwrap().to_owned();
        let of_app = |p: &&Pod| p.meta.labels.get("app") == Some(&app);
        let pods: Vec<&Pod> = cluster.pods.items().iter().filter(of_app).collect();
        let healthy = pods
            .iter()
            .filter(|p| p.status.ready == Some(true) && p.meta.deleted_at.is_none())
            .count() as u32;
        let all = pods.len() as u32;
        let share = |text: &str| match text.strip_suffix('%') {
            Some(percent) => (all * percent.parse::<u32>().unwrap()).div_ceil(100),
            None => text.parse().unwrap(),
        };
        let must_stay = match (line.get("min"), line.get("max")) {
            (Some(min), _) => share(min),
            (None, max) => all.saturating_sub(share(max.unwrap())),
        };
        (app, must_stay, healthy)
    })
    .collect()
}

/// What the guards say about pods that leave a node together, with the pods
/// where the board has them.
fn fit_elsewhere(
    cluster: &Cluster,
    board: &Board<'_>,
    cordoned: &BTreeSet<&str>,
    evictions: &[Eviction],
) -> bool {
    let mut now = cluster.clone();
    let nodes = now.nodes.value_mut().unwrap();
    nodes.retain(|n| board.nodes.contains_key(n.meta.name.as_str()));
    let new = board.nodes.values().filter(|n| is_planned(&n.name()));
    nodes.extend(new.map(|n| Node::clone(n)));
    for node in nodes.iter_mut() {
        node.unschedulable |= cordoned.contains(node.meta.name.as_str());
    }
    let pods = now.pods.value_mut().unwrap();
    pods.retain(|p| board.pods.contains_key(p.meta.uid.as_str()));
    for pod in pods.iter_mut() {
        let place = board.places.get(pod.meta.uid.as_str());
        pod.spec.node_name = place.map(|node| NodeName::new(*node));
    }
    let uids: Vec<Uid> = evictions.iter().map(|e| e.uid.clone()).collect();
    let from = &evictions[0].from;
    let rules = Elsewhere::new(open(), Vec::new());
    rules.fits_elsewhere(&now, from, &uids).is_ok()
}

/// Follows a migration with the naive rules; gives the pods that find no place.
fn followed(
    case: &[String],
    scenario: &Scenario,
    way: &Migration,
    choose: &mut dyn FnMut(&Board<'_>, &[&str]) -> usize,
) -> Vec<String> {
    let cluster = &scenario.snapshot.clusters[0];
    // What is launched, with the room that DaemonSets leave.
    let launches = way.waves.iter().flat_map(|w| &w.launch);
    let comes: Vec<Node> = launches
        .flat_map(|l| l.nodes.iter().map(|name| (name, l.shape.as_ref().unwrap())))
        .map(|(name, shape)| {
            let mut node = shape.node(name);
            node.allocatable.subtract(&shape.daemons);
            node
        })
        .collect();
    let mut board = Board::new(cluster);
    let budgets = budgets(case, cluster);
    let mut cordoned: BTreeSet<&str> = BTreeSet::new();
    let mut lost = Vec::new();
    for wave in &way.waves {
        let names = wave.launch.iter().flat_map(|l| &l.nodes);
        for name in names {
            let node = comes.iter().find(|n| n.name() == *name).unwrap();
            board.nodes.insert(node.meta.name.as_str(), node);
        }
        cordoned.extend(wave.cordon.iter().map(NodeName::as_str));
        let (closed, at_once) = match &wave.placement {
            Placement::Free | Placement::Checked => {
                let closed = wave.closed.iter().cloned().collect();
                (closed, wave.evictions.len())
            }
            Placement::Forced { closed, .. } => (closed.clone(), 1),
            other => panic!("{other:?}"),
        };
        let closed: BTreeSet<&str> = closed.iter().map(NodeName::as_str).collect();
        // Steps of a checked wave go node by node, each looked at right before.
        let checked = wave.placement == Placement::Checked;
        let steps: Vec<&[Eviction]> = if checked {
            wave.evictions.chunk_by(|a, b| a.from == b.from).collect()
        } else {
            wave.evictions.chunks(at_once.max(1)).collect()
        };
        for round in steps {
            if checked && !fit_elsewhere(cluster, &board, &cordoned, round) {
                return lost;
            }
            for (app, must_stay, healthy) in &budgets {
                let leaves = |e: &&Eviction| {
                    let pod = board.pods[e.uid.as_str()];
                    let of_app = pod.meta.labels.get("app") == Some(app);
                    of_app && pod.status.ready == Some(true) && pod.meta.deleted_at.is_none()
                };
                let leaving = round.iter().filter(leaves).count() as u32;
                assert!(
                    leaving == 0 || *healthy >= must_stay + leaving,
                    "{app}: {leaving} of {healthy} leave, {must_stay} must stay"
                );
            }
            for eviction in round {
                let uid = eviction.uid.as_str();
                assert_eq!(board.places.remove(uid), Some(eviction.from.as_str()));
            }
            for eviction in round {
                let uid = *board.pods.get_key_value(eviction.uid.as_str()).unwrap().0;
                let fits = |n: &&&str| {
                    !cordoned.contains(**n)
                        && !closed.contains(**n)
                        && board.broken(uid, n).is_empty()
                };
                let fitting: Vec<&str> = board.nodes.keys().filter(fits).copied().collect();
                if fitting.is_empty() {
                    lost.push(uid.to_owned());
                    continue;
                }
                let index = choose(&board, &fitting);
                board.places.insert(uid, fitting[index]);
            }
        }
        for node in &wave.removed {
            for pod in board.on(node.as_str()) {
                let daemon = pod.meta.owners.iter().any(|o| o.kind == "DaemonSet");
                assert!(daemon || pod.meta.deleted_at.is_some(), "{}", pod.meta.name);
                board.places.remove(pod.meta.uid.as_str());
            }
            board.nodes.remove(node.as_str());
        }
    }
    lost
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

/// The plan of an answer and nothing else, with all the time that it needs.
fn plan_of(config: &Config, scenario: &Scenario, output: EngineOutput) -> Plan {
    let mut policy = Policy::default();
    policy.bin_packing = config.clone();
    policy.plan = policy.plan.with_valid_minutes(10_080);
    let inputs = Inputs {
        snapshot: &scenario.snapshot,
        overlay: &scenario.overlay,
        catalog: &catalog(),
        policy: &policy,
        ledgers: &scenario.ledgers,
    };
    let input = PlanInput {
        outputs: vec![output],
        ..PlanInput::default()
    };
    plan(&inputs, input)
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

/// What happened over many clusters.
#[derive(Debug, Default)]
struct Tally {
    clusters: usize,
    planned: usize,
    gone: usize,
    moved: usize,
    free: usize,
    checked: usize,
    /// Choosers that leave nodes that stay then, of eight for each cluster.
    fewer: usize,
    forced: usize,
    launched: usize,
    /// Waves that begin with launches.
    rounds: usize,
    /// Pods that leave nodes that stay, by the way they do.
    shifted: BTreeMap<&'static str, usize>,
    obstacles: BTreeMap<&'static str, usize>,
}

/// Migrates `count` generated clusters under every chooser, and with the naive
/// rules under a few.
fn tally(cases: impl Strategy<Value = Case>, cordons: u32, count: usize) -> Tally {
    tally_of(cases, &open().with_max_temporary_cordons(cordons), count)
}

fn tally_of(cases: impl Strategy<Value = Case>, settings: &Config, count: usize) -> Tally {
    let mut runner = TestRunner::deterministic();
    let mut tally = Tally::default();
    for number in 0..count {
        let case = cases.new_tree(&mut runner).unwrap().current();
        let scenario = scenario(&case);
        let config = settings
            .clone()
            .with_max_evictions_in_flight([1, 3, 10][number % 3]);
        let decisions = run(&config, &scenario).decisions;
        let planned: BTreeSet<&NodeName> = decisions
            .iter()
            .filter(|d| !d.is_keep())
            .map(node_of)
            .collect();
        tally.clusters += 1;
        if planned.is_empty() {
            continue;
        }
        let way = way(&config, &scenario, &decisions);
        let gone = going(&way);
        let left = way.left_out.iter().map(|l| &l.node);
        assert_eq!(planned, gone.iter().chain(left).collect(), "{case:?}");
        let check = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let fewer = assert_safe(&config, &scenario, &way);
            let over = naive_limits::over(&case.0, &config, &scenario, &way);
            assert_eq!(over, [] as [String; 0], "{way:#?}");
            let naive = |choose: &mut dyn FnMut(&Board<'_>, &[&str]) -> usize| {
                let lost = followed(&case.0, &scenario, &way, choose);
                assert_eq!(lost, [] as [String; 0], "{way:#?}");
            };
            let by = |board: &Board<'_>, fitting: &[&str], sign: i64| {
                let indices = 0..fitting.len();
                let free = |i: &usize| sign * board.free(fitting[*i]) as i64;
                indices.max_by_key(free).unwrap()
            };
            naive(&mut |board, fitting| by(board, fitting, 1));
            naive(&mut |board, fitting| by(board, fitting, -1));
            for turn in 0..4 {
                let mut step = turn;
                naive(&mut |_, fitting| {
                    step = step * 31 + 7;
                    step % fitting.len()
                });
            }
            fewer
        }));
        tally.fewer += check.unwrap_or_else(|_| panic!("{case:?}"));
        tally.planned += planned.len();
        tally.gone += gone.len();
        for wave in &way.waves {
            tally.launched += wave.launch.iter().map(|l| l.nodes.len()).sum::<usize>();
            tally.rounds += usize::from(!wave.launch.is_empty());
            tally.moved += wave.evictions.len();
            let how = match wave.placement {
                Placement::Free => "free",
                Placement::Checked => "checked",
                _ => "forced",
            };
            let shifted = wave.evictions.iter().filter(|e| e.serves.is_some());
            *tally.shifted.entry(how).or_default() += shifted.count();
            match wave.placement {
                Placement::Free => tally.free += 1,
                Placement::Checked => tally.checked += 1,
                _ => tally.forced += 1,
            }
        }
        for left in &way.left_out {
            *tally.obstacles.entry(left.because.code()).or_default() += 1;
        }
    }
    tally
}

#[test]
fn nobody_is_left_out_on_a_thousand_clusters_whatever_the_scheduler_chooses() {
    let mixed = tally(any_case(), u32::MAX, 500);
    let tight = tally(tight_case(), u32::MAX, 250);
    let checked = tally(tight_case(), 0, 250);
    for tally in [&mixed, &tight, &checked] {
        println!("{tally:?}");
    }
    // Looked at before each wave, most go all the same.
    assert!(checked.checked > 50 && checked.fewer > 0, "{checked:?}");
    assert!(checked.gone >= tight.gone, "{checked:?} {tight:?}");
    assert_eq!(checked.forced, 0);
    // Most of what is decided has a safe way, and both forms occur.
    assert!(mixed.planned > 500 && tight.moved > 150);
    assert!(mixed.gone * 100 >= mixed.planned * 95, "{mixed:?}");
    assert!(tight.gone * 100 >= tight.planned * 85, "{tight:?}");
    assert!(mixed.forced > 10 && tight.forced > 10);
}

/// Where pods leave nodes that stay, too.
#[test]
fn nobody_is_left_out_on_a_thousand_clusters_where_room_is_made() {
    let free = tally(pinned_case(), u32::MAX, 500);
    let checked = tally(pinned_case(), 0, 400);
    let tight = tally(tight_case(), 0, 100);
    for tally in [&free, &checked, &tight] {
        println!("{tally:?}");
    }
    let count = |tally: &Tally, how| tally.shifted.get(how).copied().unwrap_or(0);
    assert!(
        count(&free, "free") > 5 && count(&free, "forced") > 5,
        "{free:?}"
    );
    assert!(count(&checked, "checked") > 20, "{checked:?}");
}

/// Settings with which Karpenter's pools can be asked for nodes.
fn launching() -> Config {
    let mut room = StatedRoom::default();
    room.free_vcpus.insert("L-1216C47A".to_owned(), 6);
    for zone in ["us-east-1a", "us-east-1b"] {
        room.free_addresses.insert(zone.to_owned(), 250);
    }
    open()
        .with_launch_through([LaunchThrough::NodePools])
        .with_max_surge_percent(20)
        .with_stated_room(room)
}

/// Cases in which the pools have limits, some of them tight.
fn limited(cases: impl Strategy<Value = Case>) -> impl Strategy<Value = Case> {
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

#[test]
fn nobody_is_left_out_on_a_thousand_clusters_with_launches() {
    let forced = launching().with_max_temporary_cordons(u32::MAX);
    let mixed = tally_of(any_case(), &forced, 400);
    let tight = tally_of(limited(tight_case()), &forced, 400);
    let checked = launching().with_max_temporary_cordons(0);
    let checked = tally_of(limited(tight_case()), &checked, 200);
    for tally in [&mixed, &tight, &checked] {
        println!("{tally:?}");
    }
    for tally in [&mixed, &tight, &checked] {
        assert!(tally.launched > 20 && tally.rounds > 10, "{tally:?}");
        assert!(tally.gone * 100 >= tally.planned * 70, "{tally:?}");
    }
}
