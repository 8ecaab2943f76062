//! OOM remediation: case tables, recorded cases, properties.
//!
//! `testdata/oom_cases.jsonl` are nine pods made after the API documentation
//! (May 2026): what is a kill for memory and what is not.

use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::*;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{Action, Decision, Undo};
use cloudoptim_core::engines::oom::{Config, Reason, decide};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::ledger::{Ledgers, MemoryRaise};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::{Overlay, RequestChange};
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: &str = "2026-11-22T00:00Z";

fn run(config: &Config, snapshot: &Snapshot, ledgers: &Ledgers) -> EngineOutput {
    let inputs = Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog: &Catalog::empty(),
        policy: &Policy::default(),
        ledgers,
        deadline: None,
    };
    decide(config, &inputs).unwrap()
}

fn ago(line: &Line, key: &str) -> Option<DateTime<Utc>> {
    let minutes: i64 = line.get(key)?.parse().unwrap();
    Some(at(NOW) - TimeDelta::minutes(minutes))
}

fn named(line: &Line) -> (String, String) {
    let word = line.word(1);
    let (namespace, name) = word.split_once('/').unwrap_or(("shop", word));
    (namespace.to_owned(), name.to_owned())
}

fn sized(line: &Line, name: &str) -> Container {
    let mut c = Container {
        name: name.to_owned(),
        ..Default::default()
    };
    c.resources.requests.cpu = line.get("cpu").map(cpu);
    c.resources.requests.memory = line.get("memory").map(bytes);
    c.resources.limits.cpu = line.get("cpu-limit").map(cpu);
    c.resources.limits.memory = line.get("limit").map(bytes);
    if let Some((name, value)) = line.get("runtime").and_then(|r| r.rsplit_once(':')) {
        c.runtime_memory.push(RuntimeMemorySetting {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
    c
}

/// A workload whose pods end as the line says: `kills=2 of=3 kill-minutes=30`.
fn add_workload(cluster: &mut Cluster, line: &Line) {
    let (namespace, name) = named(line);
    let kind = line.get("kind").unwrap_or("Deployment");
    let replicas: u32 = line.get("replicas").map_or(1, |r| r.parse().unwrap());
    let c = sized(line, "main");
    let mut template = c.clone();
    if let Some(limit) = line.get("template-limit") {
        template.resources.limits.memory = Some(bytes(limit));
    }
    let [mut top, set] = deployment(&namespace, &name, replicas, template);
    top.kind = kind.into();
    if kind == "CronJob" {
        top.replicas = None;
    }
    top.paused = line.has("paused");
    if line.has("rolling") {
        top.updated_replicas = Some(0);
    }
    if line.has("no-status") {
        top.observed_generation = None;
    }
    if line.has("on-delete") {
        top.update_strategy = Some("OnDelete".to_owned());
    }
    if line.has("opted-out") {
        let key = "cloudoptim/opt-out".to_owned();
        top.meta.annotations.insert(key, "true".to_owned());
    }
    if line.has("argo") {
        let key = "argocd.argoproj.io/tracking-id".to_owned();
        top.meta.annotations.insert(key, "x".to_owned());
    }
    if let Some(release) = line.get("helm") {
        let key = "meta.helm.sh/release-name".to_owned();
        top.meta.annotations.insert(key, release.to_owned());
    }
    if let Some(operator) = line.get("operator") {
        top.meta.owners.push(owner(operator, "thing", "uid-thing"));
    }
    let spec = &mut top.template.as_mut().unwrap().spec;
    if let Some((key, value)) = line.get("selector").and_then(|pair| pair.split_once(':')) {
        spec.node_selector.insert(key.into(), value.into());
    }
    if line.has("tmpfs") {
        spec.volumes.push(PodVolume {
            name: "cache".to_owned(),
            source: PodVolumeSource::EmptyDir { in_memory: true },
        });
    }
    if line.has("sidecar") {
        let mut mesh = container("mesh", "10m", "64Mi");
        mesh.resources.limits.memory = Some(bytes("128Mi"));
        mesh.restarts_always = true;
        spec.init_containers.push(mesh);
    }
    if line.has("init") {
        let mut setup = container("setup", "10m", "64Mi");
        setup.resources.limits.memory = Some(bytes("128Mi"));
        spec.init_containers.push(setup);
    }
    let workloads = cluster.workloads.value_mut().unwrap();
    workloads.push(top.clone());
    if kind == "Deployment" {
        if line.has("old-template") {
            let mut newer = set.clone();
            newer.meta.name = format!("{name}-2");
            newer.meta.uid = "uid-newer".into();
            newer.meta.created_at = Some(at(NOW) - TimeDelta::minutes(60));
            workloads.push(newer);
        }
        workloads.push(set);
    }
    let kills: u32 = line.get("kills").map_or(0, |k| k.parse().unwrap());
    let in_container = line.get("in").unwrap_or("main");
    for i in 0..replicas {
        let mut p = pod(&namespace, &name, &format!("{name}-{i}"), "n1", c.clone());
        p.spec.init_containers = top.template.clone().unwrap().spec.init_containers;
        if kind != "Deployment" {
            let uid = format!("uid-{namespace}-{name}");
            p.meta.owners = vec![owner(kind, &name, &uid)];
        }
        if line.has("bare") {
            p.meta.owners.clear();
        }
        if line.has("pod-level") {
            let mut resources = ContainerResources::default();
            resources.limits.memory = Some(bytes("1Gi"));
            p.spec.resources = Some(resources);
        }
        if line.has("injected") {
            let mut proxy = container("proxy", "10m", "64Mi");
            proxy.resources.limits.memory = Some(bytes("64Mi"));
            p.spec.containers.push(proxy);
        }
        if i < kills {
            let end = Termination {
                reason: line.get("reason").unwrap_or("OOMKilled").to_owned(),
                exit_code: line.get("exit").map_or(137, |e| e.parse().unwrap()),
                finished_at: ago(line, "kill-minutes"),
                ..Default::default()
            };
            let statuses = if line.has("init") && in_container == "setup" {
                &mut p.status.init_containers
            } else {
                &mut p.status.containers
            };
            statuses.push(ContainerStatus {
                name: in_container.to_owned(),
                restart_count: line.get("restarts").map_or(1, |r| r.parse().unwrap()),
                last_terminated: Some(end),
                ..Default::default()
            });
        }
        if let Some(message) = line.get("evicted") {
            p.status.phase = PodPhase::Failed;
            p.status.reason = Some("Evicted".to_owned());
            p.status.message = Some(message.to_owned());
        }
        cluster.pods.value_mut().unwrap().push(p);
    }
    if line.has("bare") {
        cluster.workloads.value_mut().unwrap().clear();
    }
}

fn build(lines: &[Line]) -> (Snapshot, Ledgers) {
    let mut cluster = cluster();
    let mut ledgers = Ledgers {
        memory_raises: Some(Vec::new()),
        ..Default::default()
    };
    let mut usage = UsageSummary::default();
    let mut n1 = node("n1", "16", "64Gi");
    let mut gone = Vec::new();
    for line in lines {
        match line.word(0) {
            "workload" => add_workload(&mut cluster, line),
            "node" => {
                n1.allocatable.memory = bytes(line.word(1));
                if line.has("pressure") {
                    n1.conditions.push(NodeCondition {
                        name: "MemoryPressure".to_owned(),
                        status: ConditionStatus::True,
                        since: ago(line, "since-minutes"),
                        ..Default::default()
                    });
                }
            }
            "small-node" => {
                let n = node(line.word(1), "16", line.word(2));
                cluster.nodes.value_mut().unwrap().push(n);
            }
            "child-oom" => {
                let (namespace, pod) = named(line);
                cluster.events.value_mut().unwrap().push(Event {
                    meta: meta(&namespace, &format!("{pod}.oom")),
                    reason: "OOMKilling".to_owned(),
                    object_kind: "Pod".to_owned(),
                    object: NamespacedName::new(namespace, pod),
                    last_at: ago(line, "minutes"),
                    ..Default::default()
                });
            }
            "system-oom" => cluster.events.value_mut().unwrap().push(Event {
                meta: meta("default", "event"),
                reason: "SystemOOM".to_owned(),
                object_kind: "Node".to_owned(),
                object: NamespacedName::new("", "n1"),
                first_at: ago(line, "minutes"),
                last_at: ago(line, "minutes"),
                ..Default::default()
            }),
            "usage" => {
                let (namespace, name) = named(line);
                usage.containers.push(ContainerUsage {
                    workload: Some(WorkloadRef::new(&*namespace, "Deployment", &*name)),
                    namespace,
                    container: "main".to_owned(),
                    pods: vec![PodUsage {
                        pod: format!("{name}-0"),
                        live: true,
                        memory_peak_bytes: line.get("peak").map(|p| bytes(p).0),
                        memory_rising_milli: line.get("rising").map(|r| r.parse().unwrap()),
                        memory_rise_per_hour: Some(5 << 20),
                        samples: 100,
                        ..Default::default()
                    }],
                    ..Default::default()
                });
            }
            "raise" => {
                let (namespace, name) = named(line);
                ledgers.memory_raises.as_mut().unwrap().push(MemoryRaise {
                    cluster: "c1".into(),
                    workload: WorkloadRef::new(&*namespace, "Deployment", &*name),
                    container: "main".to_owned(),
                    at: ago(line, "minutes").unwrap(),
                    original_limit: bytes(line.get("original").unwrap()),
                    limit: bytes(line.get("limit").unwrap()),
                    answered: line
                        .get("answered")
                        .into_iter()
                        .map(str::to_owned)
                        .collect(),
                });
            }
            "hpa" | "vpa" => {
                let (namespace, name) = named(line);
                let target = WorkloadRef::new(&*namespace, "Deployment", &*name);
                let meta = meta(&namespace, &name);
                if line.word(0) == "vpa" {
                    let vpas = cluster.vertical_autoscalers.value_mut().unwrap();
                    vpas.push(VerticalPodAutoscaler {
                        meta,
                        target,
                        update_mode: line.get("mode").unwrap_or("Recreate").to_owned(),
                        ..Default::default()
                    });
                } else {
                    let hpas = cluster.horizontal_autoscalers.value_mut().unwrap();
                    hpas.push(HorizontalPodAutoscaler {
                        meta,
                        target,
                        max_replicas: 9,
                        metrics: vec![ScalingMetric {
                            kind: "Resource".to_owned(),
                            name: "memory".to_owned(),
                            target_utilization_percent: Some(80),
                            ..Default::default()
                        }],
                        ..Default::default()
                    });
                }
            }
            "limits" => {
                let max = ResourceList {
                    memory: line.get("max").map(bytes),
                    ..Default::default()
                };
                let ratio = line.get("ratio-milli").map(|r| r.parse().unwrap());
                cluster.limit_ranges.value_mut().unwrap().push(LimitRange {
                    meta: meta("shop", "limits"),
                    items: vec![LimitRangeItem {
                        kind: "Container".to_owned(),
                        max,
                        max_limit_request_ratio_milli: ratio
                            .map(|r| ("memory".to_owned(), r))
                            .into_iter()
                            .collect(),
                        ..Default::default()
                    }],
                });
            }
            "quota" => {
                let key = || "limits.memory".to_owned();
                cluster
                    .resource_quotas
                    .value_mut()
                    .unwrap()
                    .push(ResourceQuota {
                        meta: meta("shop", "team"),
                        hard: BTreeMap::from([(key(), bytes(line.get("hard").unwrap()).0)]),
                        used: BTreeMap::from([(key(), bytes(line.get("used").unwrap()).0)]),
                        ..Default::default()
                    });
            }
            "pdb" => {
                let (namespace, name) = named(line);
                let labels = Labels::from([("app".to_owned(), name.clone())]);
                let budgets = cluster.disruption_budgets.value_mut().unwrap();
                budgets.push(PodDisruptionBudget {
                    meta: meta(&namespace, &name),
                    selector: Some(LabelSelector {
                        match_labels: labels,
                        ..Default::default()
                    }),
                    max_unavailable: line
                        .get("max")
                        .map(|m| IntOrPercent::Count(m.parse().unwrap())),
                    ..Default::default()
                });
            }
            "unknown" => gone.push(line.word(1).to_owned()),
            other => panic!("{other}?"),
        }
    }
    cluster.nodes.value_mut().unwrap().push(n1);
    cluster.usage = complete(vec![()]).map(|_| usage);
    for part in gone {
        if part == "ledger" {
            ledgers.memory_raises = None;
        } else {
            forget(&mut cluster, &part, true);
        }
    }
    (snapshot(NOW, cluster, cloud()), ledgers)
}

fn forget(cluster: &mut Cluster, part: &str, demote: bool) {
    macro_rules! parts {
        ($($name:literal => $field:ident),* $(,)?) => {
            match part {
                $($name => {
                    let old = std::mem::take(&mut cluster.$field);
                    if demote {
                        cluster.$field = old.demoted(Gap::CompletenessNotStated);
                    }
                })*
                other => panic!("{other}?"),
            }
        };
    }
    parts!(
        "pods" => pods,
        "workloads" => workloads,
        "nodes" => nodes,
        "events" => events,
        "usage" => usage,
        "hpa" => horizontal_autoscalers,
        "vpa" => vertical_autoscalers,
        "limits" => limit_ranges,
        "quotas" => resource_quotas,
        "budgets" => disruption_budgets,
    );
}

const PARTS: [&str; 9] = [
    "pods",
    "workloads",
    "nodes",
    "events",
    "usage",
    "hpa",
    "vpa",
    "limits",
    "quotas",
];

fn show(list: &ResourceList) -> String {
    list.memory.map_or("-".to_owned(), |m| m.to_string())
}

fn describe(decision: &Decision) -> String {
    let verb = if decision.is_keep() { "keep" } else { "raise" };
    let mut words = vec![verb.to_owned(), decision.subject.to_string()];
    if let Some(Action::ResizeContainer { from, to, init, .. }) = decision.actions.first() {
        words.push(format!(
            "{}/{}->{}/{}",
            show(&from.requests),
            show(&from.limits),
            show(&to.requests),
            show(&to.limits)
        ));
        if *init {
            words.push("init".to_owned());
        }
    }
    words.extend(decision.reasons.iter().map(|r| r.code().1));
    words.join(" ")
}

#[test]
fn case_tables_hold() {
    run_cases("oom.txt", |header, lines| {
        let (snapshot, ledgers) = build(lines);
        let config = Config::default()
            .with_assume_no_earlier_raises(header.has("no-earlier-raises"))
            .with_without_usage(header.has("without-usage"));
        let output = run(&config, &snapshot, &ledgers);
        let mut out: Vec<String> = output.decisions.iter().map(describe).collect();
        out.extend(
            output
                .not_judged
                .iter()
                .map(|n| format!("not-judged {}", n.missing)),
        );
        out
    });
}

#[test]
fn every_reason_occurs_and_has_its_code() {
    assert_every_code_occurs(Reason::CODES, &["oom.txt"]);
}

#[test]
fn recorded_pods_fall_into_their_classes() {
    // Each case: (container, reasons) of every decision. None of these pods has
    // a workload, so a kill ends with `no_controller`.
    let expected: BTreeMap<&str, Vec<(&str, Vec<&str>)>> = BTreeMap::from([
        (
            "oom-last-137",
            vec![("app", vec!["killed_at_limit", "no_controller"])],
        ),
        (
            "oom-exit-1",
            vec![("app", vec!["killed_at_limit", "no_controller"])],
        ),
        (
            "oom-now-terminated",
            vec![("app", vec!["killed_at_limit", "no_controller"])],
        ),
        ("status-unknown", vec![("app", vec!["not_for_memory"])]),
        (
            "besteffort-oom",
            vec![("app", vec!["killed_at_limit", "no_limit"])],
        ),
        (
            "sidecar-oom-only",
            vec![("proxy", vec!["killed_at_limit", "no_controller"])],
        ),
        (
            "native-sidecar-oom",
            vec![("mesh", vec!["killed_at_limit", "no_controller"])],
        ),
        ("old-oom", vec![("app", vec!["killed_at_limit", "too_old"])]),
        ("null-laststate", vec![]),
    ]);
    let text = include_str!("testdata/oom_cases.jsonl");
    let mut seen = 0;
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = case["case"].as_str().unwrap();
        let mut options = InputOptions::default();
        options.taken_at = Some(at("2026-05-01T11:00Z"));
        options.complete = true;
        let mut loader = Loader::new(options);
        let list = serde_json::json!({"kind": "List", "items": [case["pod"]]});
        loader.add("pod.json", list.to_string().as_bytes());
        let loaded = loader.finish().unwrap();
        let output = run(&Config::default(), &loaded.snapshot, &Ledgers::default());
        let got: Vec<(String, Vec<String>)> = output
            .decisions
            .iter()
            .map(|d| {
                let subject = d.subject.to_string();
                let container = subject.rsplit(':').next().unwrap_or_default().to_owned();
                (container, d.reasons.iter().map(|r| r.code().1).collect())
            })
            .collect();
        let want: Vec<(String, Vec<String>)> = expected[name]
            .iter()
            .map(|(c, codes)| {
                let codes = codes.iter().map(|c| (*c).to_owned()).collect();
                ((*c).to_owned(), codes)
            })
            .collect();
        assert_eq!(got, want, "{name}: {}", case["why"]);
        seen += 1;
    }
    assert_eq!(seen, expected.len());
}

#[test]
fn the_undo_of_a_raise_is_the_limit_before() {
    let line = "workload web replicas=2 kills=2 kill-minutes=30 memory=256Mi limit=256Mi";
    let (snapshot, ledgers) = build(&[Line::parse(line)]);
    let output = run(&Config::default(), &snapshot, &ledgers);
    let action = output.decisions[0].actions[0].clone();
    let Undo::Action { action: undo } = action.undo() else {
        panic!("{action}");
    };
    let Action::ResizeContainer { to, .. } = *undo else {
        panic!("{undo}");
    };
    assert_eq!(to.limits.memory, Some(bytes("256Mi")));
}

fn any_lines() -> impl Strategy<Value = Vec<Line>> {
    let app = (
        1_u32..5,
        0_u32..5,
        16_u64..4096,
        any::<bool>(),
        prop::sample::select(vec![
            "", "", "", "vpa", "hpa", "rolling", "pressure", "system", "leak", "limits", "quota",
            "bare", "argo",
        ]),
    );
    prop::collection::vec(app, 1..4).prop_map(|apps| {
        let mut lines = Vec::new();
        for (i, (replicas, kills, limit, equal, extra)) in apps.into_iter().enumerate() {
            let request = if equal { limit } else { limit / 2 + 1 };
            let word = if ["rolling", "argo"].contains(&extra) { extra } else { "" };
            lines.push(format!(
                "workload app{i} {word} replicas={replicas} kills={kills} kill-minutes=30 memory={request}Mi limit={limit}Mi"
            ));
            match extra {
                "vpa" | "hpa" => lines.push(format!("{extra} app{i}")),
                "pressure" => lines.push("node 64Gi pressure".to_owned()),
                "system" => lines.push("system-oom minutes=30".to_owned()),
                "leak" => lines.push(format!("usage app{i} rising=900")),
                "limits" => lines.push("limits max=2Gi".to_owned()),
                "quota" => lines.push("quota hard=8Gi used=7Gi".to_owned()),
                _ => {}
            }
        }
        lines.iter().map(|l| Line::parse(l)).collect()
    })
}

fn acts(output: &EngineOutput) -> Vec<&Action> {
    output.decisions.iter().flat_map(|d| &d.actions).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shuffled_input_gives_equal_bytes(lines in any_lines()) {
        let (snapshot, ledgers) = build(&lines);
        let mut turned = snapshot.clone();
        for c in &mut turned.clusters {
            c.pods.value_mut().unwrap().reverse();
            c.workloads.value_mut().unwrap().reverse();
            c.events.value_mut().unwrap().reverse();
        }
        turned.normalize();
        let text = |s: &Snapshot| serde_json::to_string(&run(&Config::default(), s, &ledgers)).unwrap();
        prop_assert_eq!(text(&snapshot), text(&turned));
    }

    #[test]
    fn less_knowledge_never_adds_an_act(lines in any_lines(), demote: bool) {
        let (snapshot, ledgers) = build(&lines);
        for part in PARTS {
            let mut less = snapshot.clone();
            forget(&mut less.clusters[0], part, demote);
            prop_assert!(acts(&run(&Config::default(), &less, &ledgers)).is_empty(), "{}", part);
        }
        prop_assert!(acts(&run(&Config::default(), &snapshot, &Ledgers::default())).is_empty());
    }

    #[test]
    fn no_raise_for_a_node_and_none_above_its_ceilings(lines in any_lines()) {
        let (snapshot, ledgers) = build(&lines);
        let output = run(&Config::default(), &snapshot, &ledgers);
        let short = lines.iter().any(|l| l.has("pressure") || l.word(0) == "system-oom");
        if short {
            prop_assert!(acts(&output).is_empty());
        }
        let node = bytes("64Gi");
        for action in acts(&output) {
            let Action::ResizeContainer { from, to, .. } = action else {
                panic!("{action}");
            };
            let (was, is) = (from.limits.memory.unwrap(), to.limits.memory.unwrap());
            prop_assert!(is > was && is.0 <= 2 * was.0 && is <= node);
            prop_assert!(to.requests.memory <= to.limits.memory);
            prop_assert!(to.requests.memory >= from.requests.memory);
            prop_assert_eq!(&to.requests.cpu, &from.requests.cpu);
        }
    }

    #[test]
    fn raises_stop_whatever_is_killed_after_them(limit in 16_u64..4096) {
        // The loop of autoscaler#9521: every raise is followed by another kill.
        let text = format!(
            "workload web replicas=2 kills=2 kill-minutes=30 restarts=1 memory={limit}Mi limit={limit}Mi"
        );
        let (mut snapshot, mut ledgers) = build(&[Line::parse(&text)]);
        let mut raises = 0;
        for round in 2..20_u32 {
            let output = run(&Config::default(), &snapshot, &ledgers);
            let Some(Action::ResizeContainer { cluster, workload, container, to, .. }) =
                acts(&output).first().copied().cloned()
            else {
                break;
            };
            raises += 1;
            let after = to.limits.memory.unwrap();
            ledgers.memory_raises.as_mut().unwrap().push(MemoryRaise {
                cluster: cluster.clone(),
                workload: workload.clone(),
                container: container.clone(),
                at: at(NOW) - TimeDelta::hours(2),
                original_limit: Bytes::from_mib(limit),
                limit: after,
                answered: vec![],
            });
            let mut overlay = Overlay::default();
            overlay.requests.push(RequestChange { cluster, workload, container, resources: *to });
            snapshot = overlay.apply(&snapshot);
            for pod in snapshot.clusters[0].pods.value_mut().unwrap() {
                for status in &mut pod.status.containers {
                    status.restart_count = round;
                }
            }
        }
        prop_assert!((1..=3).contains(&raises), "{raises}");
    }
}

#[test]
fn a_replay_of_the_same_kills_is_answered_once() {
    let line =
        "workload web replicas=2 kills=2 kill-minutes=90 restarts=3 memory=256Mi limit=256Mi";
    let (snapshot, mut ledgers) = build(&[Line::parse(line)]);
    let first = run(&Config::default(), &snapshot, &ledgers);
    assert_eq!(acts(&first).len(), 1);
    let answered = first.decisions[0].reasons.iter().find_map(|r| {
        let value = serde_json::to_value(r).ok()?;
        serde_json::from_value::<Vec<String>>(value.get("kills")?.clone()).ok()
    });
    ledgers.memory_raises.as_mut().unwrap().push(MemoryRaise {
        cluster: "c1".into(),
        workload: WorkloadRef::new("shop", "Deployment", "web"),
        container: "main".to_owned(),
        at: at(NOW) - TimeDelta::hours(2),
        original_limit: bytes("256Mi"),
        limit: bytes("356Mi"),
        answered: answered.unwrap(),
    });
    let second = run(&Config::default(), &snapshot, &ledgers);
    assert!(acts(&second).is_empty());
    assert!(describe(&second.decisions[0]).ends_with("already_answered"));
}
