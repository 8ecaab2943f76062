//! What the report shows of bin packing: cost against its bound, nodes as
//! boxes, saving against moves, and what constraints cost.

use crate::fixtures::*;
use crate::report::{HOSTILE, assert_well_formed, dollars, part_missing, snapshot};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{
    Action, Decision, Launch, LaunchThrough, MissingEvidence, Offering, Owner, PodMove, Subject,
};
use cloudoptim_core::engines::bin_packing::solver::PrefixEnd;
use cloudoptim_core::engines::bin_packing::{Repacking, RepackingPoint};
use cloudoptim_core::engines::{EngineId, EngineOutput, Figures, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::report::{self, Report};

/// What a report is made of in these tests.
struct Given<'a> {
    snapshot: &'a Snapshot,
    outputs: Vec<EngineOutput>,
    repackings: Vec<(ClusterUid, Repacking)>,
    constraints: Vec<(String, MicroUsdPerMonth)>,
}

impl<'a> Given<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            outputs: Vec::new(),
            repackings: Vec::new(),
            constraints: Vec::new(),
        }
    }

    fn packing(mut self, decisions: Vec<Decision>, figures: Vec<Figures>) -> Self {
        let mut output = EngineOutput::new(EngineId::BinPacking, decisions);
        output.figures = figures;
        self.outputs.push(output);
        self
    }

    /// The page and the table.
    fn shown(self) -> (String, String) {
        let catalog = Catalog::embedded().unwrap();
        let (overlay, ledgers) = (Overlay::default(), Ledgers::default());
        let mut policy = Policy::default();
        policy.bin_packing.launch_through = [LaunchThrough::NodePools].into();
        // A hundred drains do not fit into the default's four hours.
        policy.plan = policy.plan.with_valid_minutes(10_080);
        let inputs = Inputs {
            snapshot: self.snapshot,
            overlay: &overlay,
            catalog: &catalog,
            policy: &policy,
            ledgers: &ledgers,
            deadline: None,
        };
        let input = PlanInput {
            outputs: self.outputs,
            ..Default::default()
        };
        let plan = plan(&inputs, input);
        let report = Report::new(&plan)
            .with_inputs(&inputs)
            .with_repackings(&self.repackings)
            .with_constraints(&self.constraints);
        let page = report::html(&report);
        assert_well_formed(&page);
        (page, report::text(&report, 100))
    }
}

/// The part of a page from a heading to the next.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("<h2 id=\"{id}\">"))
        .unwrap_or_else(|| panic!("no section {id}"));
    rest.split("<h2 ").next().unwrap_or(rest)
}

/// A node goes, with its one pod to another node.
fn remove(node: &str, pod: &Pod, to: &str, saves: i64) -> Decision {
    let cluster = ClusterUid::new("c1");
    let node = NodeName::new(node);
    let moved = PodMove {
        pod: NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone()),
        uid: pod.meta.uid.clone(),
        to: Some(to.into()),
    };
    let subject = Subject::Node {
        cluster: cluster.clone(),
        node: node.clone(),
    };
    let actions = vec![
        Action::DrainNode {
            cluster: cluster.clone(),
            node: node.clone(),
            moves: vec![moved],
        },
        Action::RemoveNode {
            cluster,
            node,
            instance: None,
            via: Owner::NodeClaim {
                name: "claim".to_owned(),
            },
        },
    ];
    let saves = Some(dollars(saves));
    Decision::act(
        EngineId::BinPacking,
        subject,
        actions,
        saves,
        vec![part_missing("x")],
    )
}

fn point(cost: i64, moved: u64, lower_bound: i64) -> RepackingPoint {
    let mut point = RepackingPoint::default();
    point.cost = MicroUsdPerHour(cost);
    point.moved = moved;
    point.lower_bound = MicroUsdPerHour(lower_bound);
    point.removed = vec![NodeName::new(HOSTILE)];
    point
}

/// From 10 dollars an hour: 2 are saved by 4 moves, 5 by 40,000.
fn repacking() -> Repacking {
    let mut repacking = Repacking::default();
    repacking.cost_before = MicroUsdPerHour(10_000_000);
    repacking.lower_bound = MicroUsdPerHour(4_000_000);
    repacking.points = vec![
        point(10_000_000, 0, 10_000_000),
        point(8_000_000, 4, 7_500_000),
        point(5_000_000, 40_000, 4_000_000),
    ];
    repacking.prefix = Some(PrefixEnd {
        cost: MicroUsdPerHour(9_000_000),
        evictions: 6,
    });
    repacking
}

#[test]
fn the_frontier_shows_each_point_with_its_bound_the_choice_and_the_baseline() {
    let snapshot = snapshot(HOSTILE);
    let mut given = Given::of(&snapshot);
    // Two clusters, one of them not in the snapshot: both have a heading.
    given.repackings = vec![
        ("c1".into(), repacking()),
        (ClusterUid::new(HOSTILE), repacking()),
    ];
    let (page, text) = given.shown();
    assert!(!page.contains("<script"));
    let frontier = section(&page, "frontier");
    assert_eq!(frontier.matches("<h3>").count(), 2);
    assert!(frontier.contains("Saved, USD a month") && frontier.contains("Pods moved"));
    let half = frontier.split("<h3>").nth(1).unwrap();
    // 2 of 10 dollars an hour are 1,460 a month; of a bound of 7.50 they are 2.50 or 1,825.
    let chosen = "4 pods move, saves $1,460 a month; at most $1,825 for so few moves";
    assert_eq!(
        half.matches(chosen).count(),
        2,
        "on the chart and in its key"
    );
    assert_eq!(half.matches("<circle class=\"chosen\"").count(), 1);
    assert_eq!(half.matches("<circle class=\"reach\"").count(), 2);
    assert_eq!(half.matches("<svg class=\"prefix\"").count(), 1);
    assert!(half.contains("6 evictions, saves $730 a month"));
    assert!(half.contains("however many move, $4,380 a month"));
    // The table has every point and the baseline.
    for row in [
        "<td class=\"n\">0</td><td class=\"n\">$0</td><td class=\"n\">$0</td>",
        "<td class=\"n\">4</td><td class=\"n\">$1,460</td><td class=\"n\">$1,825</td><td class=\"n\">6.7 %</td>",
        "<td class=\"n\">40,000</td><td class=\"n\">$3,650</td><td class=\"n\">$4,380</td>",
        "<td class=\"n\">6</td><td class=\"n\">$730</td><td class=\"n\">\u{2013}</td>",
    ] {
        assert!(half.contains(row), "{row}");
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("chosen: 4 pods move; at most $1,825 for so few"),
        "{text}"
    );
    assert!(text.contains("6 evictions, saves $730 a month"));
}

#[test]
fn a_frontier_without_a_saving_says_so_and_why() {
    let snapshot = snapshot("shop");
    let shown = |change: fn(&mut Repacking)| {
        let mut still = Repacking::default();
        still.cost_before = MicroUsdPerHour(10_000_000);
        still.lower_bound = MicroUsdPerHour(9_000_000);
        still.points = vec![point(10_000_000, 0, 10_000_000)];
        change(&mut still);
        let mut given = Given::of(&snapshot);
        given.repackings = vec![("c1".into(), still)];
        given.shown()
    };
    let (page, _) = shown(|_| {});
    assert!(section(&page, "frontier").contains("none saves more than $730 a month, proven"));
    assert!(!section(&page, "frontier").contains("<figure"));
    let (page, _) = shown(|r| r.lower_bound = r.cost_before);
    assert!(section(&page, "frontier").contains("the least that repacking can reach, proven"));
    let (page, text) = shown(|r| {
        r.missing = Some(MissingEvidence::Part {
            part: "budgets".to_owned(),
            state: HOSTILE.to_owned(),
        });
    });
    assert!(section(&page, "frontier").contains("Every node stays: "));
    assert!(text.contains("Every node stays: "));
    // Without a repacking there is neither section nor link.
    let (page, text) = Given::of(&snapshot).shown();
    assert!(!page.contains("id=\"frontier\"") && !page.contains("#frontier"));
    assert!(!text.contains("Repacking alone"));
}

#[test]
fn cost_stands_against_its_bound_cluster_by_cluster() {
    let snapshot = snapshot("shop");
    let figures = |bound: Option<i64>| Figures {
        of: "nodes of shop".to_owned(),
        cluster: Some("c1".into()),
        cost_now: None,
        cost_after: None,
        lower_bound: bound.map(MicroUsdPerHour),
        proof: String::new(),
        moves: 0,
    };
    let pod = &snapshot.clusters[0].pods.items()[0];
    let shown = |figures: Vec<Figures>| {
        let decisions = vec![remove("node-1", pod, "node-0", 73)];
        let given = Given::of(&snapshot).packing(decisions, figures);
        given.shown().0
    };
    // Of two questions about the same pods the lower bound counts: 0.5 USD/h.
    let page = shown(vec![figures(Some(600_000)), figures(Some(500_000))]);
    let optimum = section(&page, "optimum");
    assert!(optimum.contains("<b>$73</b>"), "the saving: {optimum}");
    assert!(optimum.contains("<b>$365</b>"), "the bound: {optimum}");
    assert!(optimum.contains("above the bound"));
    // Priced one by one, with the saving of 0.1 USD/h taken off.
    let nodes = nodes_per_hour(&snapshot);
    let gap = (nodes - 100_000 - 500_000) * 730;
    let gap = format!("<b>${}</b>", (gap + 500_000) / 1_000_000);
    assert!(optimum.contains(&gap), "{gap}: {optimum}");
    // A question without an answer leaves the cluster without a bound.
    let page = shown(vec![figures(Some(600_000)), figures(None)]);
    let optimum = section(&page, "optimum");
    assert!(optimum.contains("none was proven") && !optimum.contains("above the bound"));
}

/// What the priced nodes cost, in micro-dollars an hour.
fn nodes_per_hour(snapshot: &Snapshot) -> i64 {
    let catalog = Catalog::embedded().unwrap();
    let (overlay, policy, ledgers) = (Overlay::default(), Policy::default(), Ledgers::default());
    let inputs = Inputs {
        snapshot,
        overlay: &overlay,
        catalog: &catalog,
        policy: &policy,
        ledgers: &ledgers,
        deadline: None,
    };
    let cluster = &snapshot.clusters[0];
    let prices = cluster.nodes.items().iter();
    prices
        .filter_map(|n| inputs.node_price(cluster, n))
        .map(|p| p.0)
        .sum()
}

#[test]
fn boxes_show_what_is_asked_for_before_and_after() {
    let snapshot = snapshot("shop");
    let pods = snapshot.clusters[0].pods.items();
    let web = pods.iter().find(|p| p.meta.name == "shop").unwrap();
    let launch = Decision::act(
        EngineId::BinPacking,
        Subject::Cluster {
            cluster: "c1".into(),
        },
        vec![Action::LaunchNodes {
            cluster: "c1".into(),
            launch: Box::new(Launch::new(
                Offering {
                    instance_type: "m6i.large".into(),
                    zone: None,
                    capacity_type: CapacityType::Spot,
                },
                2,
                Owner::NodePool {
                    name: HOSTILE.to_owned(),
                },
            )),
        }],
        None,
        vec![part_missing("x")],
    );
    let decisions = vec![remove("node-1", web, "node-0", 100), launch];
    let (page, _) = Given::of(&snapshot).packing(decisions, Vec::new()).shown();
    let nodes = section(&page, "nodes");
    assert!(nodes.contains("6 nodes, then 7."), "{nodes}");
    // node-0 has 3,920 m: 1,000 m are asked for, then 500 m more; of 14 GiB 2, then 3.
    let before = "node-0 \u{b7} m6i.xlarge \u{b7} CPU 25.5 %, memory 14.3 %</title>\
                  <rect y=\"75%\" height=\"25%\"/><rect y=\"86%\" height=\"14%\"/>";
    let after = "node-0 \u{b7} m6i.xlarge \u{b7} CPU 38.3 %, memory 21.4 %</title>";
    assert_eq!(nodes.matches(before).count(), 1, "{nodes}");
    assert_eq!(nodes.matches(after).count(), 1, "{nodes}");
    let goes = "<svg class=\"goes\"><title>node-1 ";
    assert_eq!(nodes.matches(goes).count(), 1, "before, and not after");
    assert_eq!(nodes.matches("<title>node-1 ").count(), 1);
    assert_eq!(
        nodes
            .matches("<svg class=\"comes\"><title>a new node \u{b7} m6i.large, spot</title>")
            .count(),
        2
    );
    assert!(nodes.contains("nodes 4 \u{2192} 3"), "{nodes}");
    assert!(!nodes.contains("<script"));
}

#[test]
fn the_fill_of_a_node_is_not_zero_while_its_pods_are_not_known() {
    let mut snapshot = snapshot("shop");
    snapshot.clusters[0].pods = Knowledge::unknown(Gap::NotCollected);
    let (page, _) = Given::of(&snapshot).shown();
    let nodes = section(&page, "nodes");
    assert_eq!(nodes.matches("fill not known").count(), 12);
    assert!(
        !nodes.contains("0.0 %") && !nodes.contains("<rect"),
        "{nodes}"
    );
    assert!(nodes.contains("Not all pods of shop are known"));
}

/// `count` nodes of two pools, one pod on each; every tenth node goes.
fn large(count: usize) -> (Snapshot, Vec<Decision>) {
    let mut snapshot = snapshot("large");
    let (mut nodes, mut pods) = (Vec::new(), Vec::new());
    for i in 0..count {
        let name = format!("ip-10-0-{}-{}.ec2.internal", i / 250, i % 250);
        let mut n = node(&name, "3920m", "14Gi");
        let pool = if i % 3 == 0 { "batch" } else { "default" };
        for (key, value) in [
            (INSTANCE_TYPE_LABEL, "m6i.xlarge"),
            ("karpenter.sh/nodepool", pool),
        ] {
            n.meta.labels.insert(key.to_owned(), value.to_owned());
        }
        let asks = format!("{}m", 100 + i * 37 % 1500);
        let c = container("web", &asks, "2Gi");
        pods.push(pod("shop", "web", &format!("web-{i}"), &name, c));
        nodes.push(n);
    }
    let decisions = (0..count / 10)
        .map(|i| {
            let name = |i: usize| nodes[i].meta.name.clone();
            remove(&name(i * 10), &pods[i * 10], &name(i * 10 + 1), 140)
        })
        .collect();
    snapshot.clusters[0].nodes = complete(nodes);
    snapshot.clusters[0].pods = complete(pods);
    snapshot.normalize();
    (snapshot, decisions)
}

fn large_page(count: usize) -> String {
    let (snapshot, decisions) = large(count);
    Given::of(&snapshot)
        .packing(decisions, Vec::new())
        .shown()
        .0
}

#[test]
fn the_page_stays_small_and_the_same_at_a_thousand_nodes() {
    let page = large_page(1_000);
    assert!(page == large_page(1_000), "the same bytes");
    let nodes = section(&page, "nodes");
    assert_eq!(nodes.matches("<svg").count(), 1_000 + 900);
    assert!(nodes.contains("<div class=\"fleet small\">"));
    // 157 bytes for a box of either side.
    assert!(nodes.len() < 320_000, "{} bytes", nodes.len());
    let small = large_page(20);
    assert!(section(&small, "nodes").contains("<div class=\"fleet large\">"));
    assert!(small.len() < 40_000, "{} bytes", small.len());
}

#[test]
fn beyond_some_thousand_nodes_several_share_a_box() {
    let page = large_page(4_000);
    let nodes = section(&page, "nodes");
    assert!(nodes.contains("a box stands for up to 3 nodes"));
    let drawn = nodes.matches("<svg").count();
    assert!((2_530..2_550).contains(&drawn), "{drawn}");
    assert!(nodes.contains(" and 2 others"));
}

#[test]
fn constraints_are_listed_dearest_first_and_only_when_there_are_some() {
    let snapshot = snapshot("shop");
    let mut given = Given::of(&snapshot);
    given.constraints = vec![
        (format!("budget {HOSTILE}"), dollars(120)),
        ("zone spread of shop/web".to_owned(), dollars(310)),
    ];
    let (page, text) = given.shown();
    let listed = section(&page, "constraints");
    let place = |needle: &str| listed.find(needle).unwrap_or_else(|| panic!("{needle}"));
    assert!(place("$310.00") < place("$120.00"));
    assert!(listed.contains("budget &lt;script&gt;"));
    assert!(page.contains("<a href=\"#constraints\">"));
    assert!(text.contains("The most expensive constraints"));
    let (page, text) = Given::of(&snapshot).shown();
    assert!(!page.contains("constraints\"") && !text.contains("expensive constraints"));
}
