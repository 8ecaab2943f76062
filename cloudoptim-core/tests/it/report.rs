//! The report: what it shows, and that nothing in it can be markup.

use crate::fixtures::*;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{
    Action, Decision, MissingEvidence, Owner, PodMove, Reason, Subject,
};
use cloudoptim_core::engines::{
    Alternative, EngineId, EngineOutput, Figures, Inputs, NotJudged, network,
};
use cloudoptim_core::input::{Broken, FileReport, LoadReport};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::report::{self, Report, Spend};

pub(crate) const HOSTILE: &str = "<script>alert('x')</script>&\"\u{1b}[2J\u{202e}";

pub(crate) fn dollars(usd: i64) -> MicroUsdPerMonth {
    MicroUsdPerMonth(usd * 1_000_000)
}

/// Six m6i.xlarge of two pools, one spot; a ghost; volumes; traffic.
pub(crate) fn snapshot(name: &str) -> Snapshot {
    let mut cluster = cluster();
    cluster.name = name.to_owned();
    let mut nodes = Vec::new();
    for i in 0..6 {
        let mut n = node(&format!("node-{i}"), "3920m", "14Gi");
        let pool = if i < 4 { "default" } else { "batch" };
        let paid = if i < 5 { "on-demand" } else { "spot" };
        for (key, value) in [
            (INSTANCE_TYPE_LABEL, "m6i.xlarge"),
            ("karpenter.sh/nodepool", pool),
            ("karpenter.sh/capacity-type", paid),
        ] {
            n.meta.labels.insert(key.to_owned(), value.to_owned());
        }
        nodes.push(n);
    }
    cluster.nodes = complete(nodes);
    cluster.pods = complete(vec![
        pod(
            "shop",
            "web",
            "web-1-a",
            "node-0",
            container("web", "1", "2Gi"),
        ),
        pod(
            "shop",
            name,
            name,
            "node-1",
            container("web", "500m", "1Gi"),
        ),
    ]);
    cluster.traffic = complete(vec![TrafficEdge {
        from_namespace: "shop".into(),
        from_workload: "web".into(),
        from_zone: "use1-az1".into(),
        to_namespace: "shop".into(),
        to_workload: "api".into(),
        to_zone: "use1-az2".into(),
        bytes_per_day: 1_000_000_000,
        ..Default::default()
    }]);
    cluster.events = Knowledge::unknown(Gap::Broken {
        count: 3,
        first: name.to_owned(),
    });
    let instance = |id: &str, state| Instance {
        id: id.into(),
        instance_type: "m6i.xlarge".into(),
        state,
        ..Default::default()
    };
    let volume = |id: &str, state| Volume {
        id: id.into(),
        state,
        volume_type: "gp3".into(),
        size: bytes("100Gi"),
        ..Default::default()
    };
    let cloud = Cloud {
        account: "111122223333".into(),
        region: "us-east-1".into(),
        instances: complete(vec![
            instance("i-node-0", InstanceState::Running),
            instance("i-ghost", InstanceState::Running),
            instance("i-stopped", InstanceState::Stopped),
        ]),
        volumes: complete(vec![
            volume("vol-1", VolumeState::InUse),
            volume("vol-2", VolumeState::Available),
        ]),
        ..Default::default()
    };
    let mut snapshot = Snapshot::new(at("2026-11-22T02:30Z"));
    snapshot.clusters.push(cluster);
    snapshot.clouds.push(cloud);
    snapshot.normalize();
    snapshot
}

/// A reason with free text in it; which engine gives it does not matter here.
pub(crate) fn part_missing(of: &str) -> Reason {
    network::Reason::PartMissing {
        part: of.to_owned(),
        state: "partial".to_owned(),
    }
    .into()
}

/// Answers as engines give them, with `name` wherever a name can stand.
fn answers(name: &str) -> PlanInput {
    let cluster = ClusterUid::new("c1");
    let subject = |n: usize| Subject::Node {
        cluster: cluster.clone(),
        node: NodeName::new(format!("node-{n}")),
    };
    let remove = |n: usize, saves: Option<i64>| {
        let node = NodeName::new(format!("node-{n}"));
        let moved = PodMove {
            pod: NamespacedName::new("shop", name),
            uid: format!("uid-shop-{name}").into(),
            to: Some("node-0".into()),
        };
        // The others are empty.
        let moves = (n == 1).then_some(moved).into_iter().collect();
        let actions = vec![
            Action::CordonNode {
                cluster: cluster.clone(),
                node: node.clone(),
            },
            Action::DrainNode {
                cluster: cluster.clone(),
                node: node.clone(),
                moves,
            },
            Action::RemoveNode {
                cluster: cluster.clone(),
                node,
                instance: None,
                via: Owner::NodeClaim {
                    name: name.to_owned(),
                },
            },
        ];
        Decision::act(
            EngineId::BinPacking,
            subject(n),
            actions,
            saves.map(dollars),
            vec![part_missing(name)],
        )
    };
    let mut packing = EngineOutput::new(
        EngineId::BinPacking,
        vec![
            remove(1, Some(140)),
            remove(2, Some(90)),
            remove(3, None),
            Decision::keep(EngineId::BinPacking, subject(4), vec![part_missing("pods")]),
            Decision::keep(EngineId::BinPacking, subject(5), vec![part_missing("pods")]),
        ],
    );
    packing.figures.push(Figures {
        of: name.to_owned(),
        cluster: Some("c1".into()),
        cost_now: Some(MicroUsdPerHour(1_000_000)),
        cost_after: Some(MicroUsdPerHour(700_000)),
        lower_bound: Some(MicroUsdPerHour(500_000)),
        proof: name.to_owned(),
        moves: 3,
    });
    packing.alternatives.push(Alternative {
        what: name.to_owned(),
        saves_per_month: Some(dollars(300)),
        moves: 9,
    });
    packing.not_judged.push(NotJudged {
        subject: None,
        count: 7,
        missing: MissingEvidence::Part {
            part: name.to_owned(),
            state: name.to_owned(),
        },
    });
    let account = AccountId::new("111122223333");
    let region = Region::new("us-east-1");
    let ghost = Decision::keep(
        EngineId::GhostProbe,
        Subject::Instance {
            account: account.clone(),
            region: region.clone(),
            instance: InstanceId::new(name),
        },
        vec![part_missing(name)],
    )
    .with_stake(
        Some(dollars(5_000)),
        vec![MissingEvidence::Ledger {
            ledger: name.to_owned(),
            possible_from: at("2026-11-23T02:30Z"),
        }],
    );
    let volume = Decision::act(
        EngineId::ZombieVolumes,
        Subject::Volume {
            account: account.clone(),
            region: region.clone(),
            volume: "vol-2".into(),
        },
        vec![
            Action::SnapshotVolume {
                account: account.clone(),
                region: region.clone(),
                volume: "vol-2".into(),
            },
            Action::DeleteVolume {
                account,
                region,
                volume: "vol-2".into(),
                created_at: None,
            },
        ],
        Some(dollars(8)),
        vec![part_missing(name)],
    );
    let route = Decision::act(
        EngineId::Network,
        Subject::Service {
            cluster: cluster.clone(),
            service: NamespacedName::new(name, name),
        },
        vec![Action::RouteService {
            cluster,
            service: NamespacedName::new(name, name),
            from: None,
            to: Some("PreferSameZone".to_owned()),
        }],
        Some(dollars(12)),
        vec![network::Reason::Headless.into()],
    );
    PlanInput {
        outputs: vec![
            packing,
            EngineOutput::new(EngineId::GhostProbe, vec![ghost]),
            EngineOutput::new(EngineId::ZombieVolumes, vec![volume]),
            EngineOutput::new(EngineId::Network, vec![route]),
        ],
        ..Default::default()
    }
}

struct Case {
    html: String,
    text: String,
    plan: Plan,
    spend: Spend,
}

fn case(name: &str, width: usize) -> Case {
    let snapshot = snapshot(name);
    let catalog = Catalog::embedded().unwrap();
    let (overlay, policy, ledgers) = (Overlay::default(), Policy::default(), Ledgers::default());
    let inputs = Inputs {
        snapshot: &snapshot,
        overlay: &overlay,
        catalog: &catalog,
        policy: &policy,
        ledgers: &ledgers,
        deadline: None,
    };
    let plan = plan(&inputs, answers(name));
    let mut load = LoadReport::default();
    load.files.push(FileReport {
        name: name.to_owned(),
        holds: name.to_owned(),
        ..Default::default()
    });
    load.broken.push(Broken {
        file: name.to_owned(),
        name: name.to_owned(),
        field: name.to_owned(),
        message: name.to_owned(),
        ..Default::default()
    });
    load.broken_count = 1;
    load.skipped.insert(name.to_owned(), 1);
    let report = Report::new(&plan).with_inputs(&inputs).with_load(&load);
    Case {
        html: report::html(&report),
        text: report::text(&report, width),
        spend: Spend::of(&inputs),
        plan: plan.clone(),
    }
}

#[test]
fn no_name_of_a_cluster_becomes_markup_or_steers_a_terminal() {
    let case = case(HOSTILE, 100);
    assert!(!case.html.contains("<script"), "a name became markup");
    assert!(!case.html.contains("alert('x')"), "a quote was not escaped");
    assert!(case.html.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    let steers = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    assert_eq!(case.html.chars().find(steers), None);
    assert_eq!(case.text.chars().find(steers), None);
    // Every element that is opened is closed, in order.
    assert_well_formed(&case.html);
}

#[test]
fn the_page_needs_no_network_and_no_script() {
    let html = case("shop", 100).html;
    let outside = [
        "http:",
        "https:",
        "<script",
        "<link",
        "<img",
        "@import",
        "url(",
        "javascript:",
    ];
    for needle in outside
        .into_iter()
        .chain([" onclick", " onload", " onerror"])
    {
        assert!(!html.contains(needle), "{needle}");
    }
    assert!(html.contains("prefers-color-scheme: dark"));
    assert!(html.contains("<svg"));
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let (a, b) = (case("shop", 100), case("shop", 100));
    assert_eq!(a.html, b.html);
    assert_eq!(a.text, b.text);
}

#[test]
fn what_is_at_stake_is_in_no_sum() {
    let case = case("shop", 100);
    // 140 + 90 + 8 + 12; the ghost's 5,000 are shown apart.
    assert_eq!(case.plan.totals.saves_per_month, dollars(250));
    for shown in [&case.html, &case.text] {
        assert!(shown.contains("$250"), "the sum");
        assert!(shown.contains("$5,000.00"), "what is at stake");
        assert!(!shown.contains("$5,250"), "a sum of both");
    }
}

#[test]
fn spend_counts_everything_in_view_once() {
    let spend = case("shop", 100).spend;
    let nodes: Vec<(Option<&str>, u64)> = spend
        .pools
        .iter()
        .map(|p| (p.pool.as_deref(), p.nodes.count))
        .collect();
    assert_eq!(
        nodes,
        [(Some("default"), 4), (Some("batch"), 1), (Some("batch"), 1)]
    );
    assert_eq!(spend.nodes().count, 6);
    assert_eq!(
        spend.other_instances.count, 1,
        "the stopped one is not paid for"
    );
    assert_eq!(
        (spend.attached_volumes.count, spend.unattached_volumes.count),
        (1, 1)
    );
    // 100 GiB of gp3 at $0.08; 1 GB a day at $0.02 for 730 h, as network counts it.
    assert_eq!(spend.unattached_volumes.per_month, dollars(8));
    assert_eq!(
        spend.cross_zone_traffic.per_month,
        MicroUsdPerMonth(608_333)
    );
    let parts = spend.nodes().per_month
        + spend.other_instances.per_month
        + spend.attached_volumes.per_month
        + spend.unattached_volumes.per_month
        + spend.cross_zone_traffic.per_month;
    assert_eq!(spend.per_month(), parts);
    let default = &spend.pools[0];
    assert_eq!(default.requested.cpu, cpu("1500m"));
    assert_eq!(default.allocatable.cpu, cpu("15680m"));
}

#[test]
fn a_node_without_a_price_is_counted_beside_the_sum() {
    let mut snapshot = snapshot("shop");
    for node in snapshot.clusters[0].nodes.value_mut().unwrap() {
        node.meta
            .labels
            .insert(INSTANCE_TYPE_LABEL.to_owned(), "x9.huge".to_owned());
    }
    let catalog = Catalog::embedded().unwrap();
    let (overlay, policy, ledgers) = (Overlay::default(), Policy::default(), Ledgers::default());
    let inputs = Inputs {
        snapshot: &snapshot,
        overlay: &overlay,
        catalog: &catalog,
        policy: &policy,
        ledgers: &ledgers,
        deadline: None,
    };
    let plan = plan(&inputs, PlanInput::default());
    let html = report::html(&Report::new(&plan).with_inputs(&inputs));
    assert_eq!(Spend::of(&inputs).nodes().unpriced, 6);
    assert!(html.contains("no price"));
    assert!(html.contains("x9.huge (6)"));
    assert!(html.contains("The plan changes nothing."));
}

#[test]
fn every_decision_of_the_plan_is_on_the_page() {
    let case = case("shop", 100);
    for step in &case.plan.steps {
        assert!(case.html.contains(&format!("<span class=\"no\">{}</span>",
            case.plan.steps.iter().position(|s| s.id == step.id).unwrap() + 1)));
    }
    let keeps = case
        .plan
        .declined
        .iter()
        .filter(|d| d.decision.is_keep())
        .count();
    assert_eq!(keeps, 3, "two nodes and the ghost");
    assert!(case.html.contains("Undo: uncordon node-1"));
    // Three nodes go, of which one has a pod; each is alone in its pool's share.
    let (_, waves) = case.html.split_once("id=\"waves\"").unwrap();
    let waves = waves.split("<h2").next().unwrap();
    assert!(waves.contains("3 waves, 1 pod moves, about "), "{waves}");
    assert!(
        waves.contains("cordon 3 nodes") && waves.contains("1 from node-1"),
        "{waves}"
    );
    assert!(waves.contains("<td class=\"n\">$230</td>"), "{waves}");
    assert!(case.html.contains("the ledger of shop"));
    assert!(case.html.contains("unknown: 3 unreadable, first: shop"));
}

#[test]
fn the_table_keeps_to_the_width_of_the_terminal() {
    for width in [60, 80, 120] {
        for line in case("shop", width).text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

/// Panics unless every element is closed in the order it was opened.
pub(crate) fn assert_well_formed(html: &str) {
    const VOID: [&str; 4] = ["meta", "rect", "path", "line"];
    let body = html.split_once("</style>").map(|(_, rest)| rest).unwrap();
    let mut open: Vec<String> = vec!["html".to_owned(), "head".to_owned()];
    for piece in body.split('<').skip(1) {
        let tag = piece.split_once('>').map(|(tag, _)| tag).unwrap();
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "<{tag}>");
        } else if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}
