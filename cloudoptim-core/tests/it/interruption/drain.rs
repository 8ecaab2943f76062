//! Drains against a deadline.

use super::build::{after, start};
use crate::cases::{Line, run_cases};
use crate::fixtures::{cluster, complete, container, deployment, meta, node, owner, pod};
use cloudoptim_core::interruption::drain::{self, Config, DrainPlan, LaneKind, View};
use cloudoptim_core::model::*;
use std::collections::{BTreeMap, BTreeSet};

fn number(line: &Line, key: &str) -> Option<i64> {
    line.get(key)
        .map(|v| v.parse().unwrap_or_else(|_| panic!("{}", line.text)))
}

/// The cluster of some lines: `node n1 cpu=4 spot`, `pod web-1 on=n1 cpu=1
/// grace=60 priority=5 of=web`, `budget web allowed=1`.
fn build(lines: &[Line]) -> Cluster {
    let mut c = cluster();
    let (mut nodes, mut pods, mut budgets) = (Vec::new(), Vec::new(), Vec::new());
    let mut workloads: BTreeMap<String, Workload> = BTreeMap::new();
    for line in lines {
        let name = line.word(1);
        match line.word(0) {
            "node" => {
                let mut n = node(name, line.get("cpu").unwrap_or("4"), "32Gi");
                let labels = &mut n.meta.labels;
                if line.has("spot") {
                    labels.insert("karpenter.sh/capacity-type".into(), "spot".into());
                }
                let kind = line.get("type").unwrap_or("m6i.xlarge");
                labels.insert(INSTANCE_TYPE_LABEL.into(), kind.into());
                labels.insert(NODE_POOL_LABEL.into(), "p".into());
                n.unschedulable = line.has("cordoned");
                nodes.push(n);
            }
            "pod" => {
                let app = line.get("of").unwrap_or("web");
                let size = container("c", line.get("cpu").unwrap_or("1"), "1Gi");
                let mut p = pod("d", app, name, line.get("on").unwrap(), size.clone());
                p.spec.termination_grace_seconds = number(line, "grace");
                p.spec.priority = number(line, "priority").map(|n| i32::try_from(n).unwrap());
                if line.has("bare") {
                    p.meta.owners.clear();
                }
                if line.has("daemon") {
                    p.meta.owners = vec![owner("DaemonSet", "agent", "uid-agent")];
                }
                if line.has("leaving") {
                    p.meta.deleted_at = Some(start());
                }
                if line.has("protected") {
                    let key = "karpenter.sh/do-not-disrupt".to_owned();
                    p.meta.annotations.insert(key, "true".to_owned());
                }
                for w in deployment("d", app, 3, size) {
                    workloads.insert(format!("{}/{}", w.kind, w.meta.name), w);
                }
                pods.push(p);
            }
            "budget" => {
                let mut b = PodDisruptionBudget {
                    meta: meta("d", name),
                    ..Default::default()
                };
                let app = line.get("of").unwrap_or("web").to_owned();
                b.selector = Some(LabelSelector {
                    match_labels: Labels::from([("app".to_owned(), app)]),
                    ..Default::default()
                });
                let count = |key| number(line, key).map(|n| u32::try_from(n).unwrap());
                let allowed = count("allowed").unwrap_or(0);
                b.disruptions_allowed = Some(allowed);
                b.current_healthy = Some(3);
                b.desired_healthy = Some(3 - allowed.min(3));
                b.expected_pods = count("expected").or(Some(4));
                b.meta.generation = Some(1);
                b.observed_generation = Some(1);
                budgets.push(b);
            }
            other => panic!("{other}"),
        }
    }
    c.nodes = complete(nodes);
    c.pods = complete(pods);
    c.workloads = complete(workloads.into_values().collect());
    c.disruption_budgets = complete(budgets);
    c
}

fn plan(header: &Line, c: &Cluster) -> DrainPlan {
    let left = number(header, "left").unwrap_or(120);
    let names = header.get("going").unwrap_or("n1").split(',');
    let going: BTreeMap<NodeName, _> = names.map(|n| (n.into(), after(left))).collect();
    let risky = header
        .get("at_risk")
        .into_iter()
        .flat_map(|names| names.split(','));
    let at_risk: BTreeSet<NodeName> = risky.map(NodeName::from).collect();
    let view = View {
        now: start(),
        cluster: c,
        going: &going,
        at_risk: &at_risk,
        limits: &[],
    };
    drain::plan(&Config::default(), view).unwrap()
}

fn described(plan: &DrainPlan) -> Vec<String> {
    let mut out = Vec::new();
    for r in &plan.replacements {
        let pool = r.pool.as_deref().unwrap_or("-");
        let avoid: Vec<String> = r.avoid.iter().map(ToString::to_string).collect();
        let avoid = avoid.join(", ");
        out.push(format!(
            "replacement {pool} pods={} cpu={} avoid={avoid}",
            r.pods, r.requests.cpu.0
        ));
    }
    for lane in &plan.lanes {
        let name = match &lane.kind {
            LaneKind::Free => "free".to_owned(),
            LaneKind::Budget { budget, allowed } => format!("{} allowed={allowed}", budget.name),
            _ => "unknown".to_owned(),
        };
        for e in &lane.evictions {
            let room = e.room_on.as_ref().map_or("-", NodeName::as_str);
            let (at, grace) = (e.not_before_seconds, e.grace_seconds);
            out.push(format!(
                "evict {} lane={name} at={at} grace={grace} room={room}",
                e.pod.name
            ));
        }
    }
    for u in &plan.unfinished {
        assert!(!u.reason.to_string().is_empty());
        out.push(format!("{} {}", u.pod.name, u.reason.code()));
    }
    out
}

#[test]
fn case_tables_hold() {
    run_cases("interruption/drain.txt", |header, lines| {
        let mut c = build(lines);
        if header.has("budgets_unknown") {
            c.disruption_budgets = Default::default();
        }
        let plan = plan(header, &c);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<DrainPlan>(&text).unwrap(), plan);
        // The order of the input is forgotten.
        c.pods.value_mut().unwrap().reverse();
        c.nodes.value_mut().unwrap().reverse();
        assert_eq!(self::plan(header, &c), plan);
        described(&plan)
    });
}

/// On many clusters of one seed: no grace of 0, none beyond the deadline, no
/// pod twice, no pod without an entry, no target that goes.
#[test]
fn every_pod_is_evicted_once_or_named() {
    for seed in 0..60_u32 {
        let mut lines = Vec::new();
        let pick = |n: u32, salt: u32| {
            (seed.wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(40_503)) / 7 % n
        };
        for n in 1..=6 {
            lines.push(Line::parse(&format!("node n{n} cpu={}", 2 + pick(6, n))));
        }
        for n in 0..20 {
            let flag =
                ["", "", "", "bare", "daemon", "protected", "leaving"][pick(7, n + 100) as usize];
            lines.push(Line::parse(&format!(
                "pod p{n} on=n{} of=a{} grace={} priority={} {flag}",
                1 + pick(3, n + 200),
                n % 3,
                pick(200, n + 300),
                pick(3, n + 400),
            )));
        }
        lines.push(Line::parse(&format!(
            "budget b of=a0 allowed={}",
            pick(3, 500)
        )));
        let c = build(&lines);
        let left = i64::from(pick(180, 600));
        let header = Line::parse(&format!("drain going=n1,n2 at_risk=n3 left={left}"));
        let plan = plan(&header, &c);
        let mut seen = BTreeSet::new();
        for eviction in plan.lanes.iter().flat_map(|l| &l.evictions) {
            assert!(seen.insert(eviction.uid.clone()));
            assert!(eviction.grace_seconds >= 1);
            let ends = eviction.not_before_seconds + eviction.grace_seconds;
            assert!(ends <= (left - 10).max(0) + 1, "{eviction:?} of {left}");
            let room = eviction.room_on.as_ref().map(NodeName::as_str);
            assert!(!matches!(room, Some("n1" | "n2" | "n3")));
        }
        seen.extend(plan.unfinished.iter().map(|u| u.uid.clone()));
        let on = |p: &&Pod| matches!(p.node().map(NodeName::as_str), Some("n1" | "n2"));
        let there: BTreeSet<Uid> = c
            .pods
            .items()
            .iter()
            .filter(on)
            .map(|p| p.meta.uid.clone())
            .collect();
        assert_eq!(seen, there, "seed {seed}");
    }
}
