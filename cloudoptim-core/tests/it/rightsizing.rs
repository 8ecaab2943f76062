//! Rightsizing: case tables and properties.

use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::*;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::catalog::{Catalog, InstanceTypeInfo, Source, Table};
use cloudoptim_core::decision::{Action, Decision};
use cloudoptim_core::engines::office_hours;
use cloudoptim_core::engines::rightsizing::{Config, LimitRule, Reason, Rule, decide};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::{Asleep, Ledgers};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;

const NOW: &str = "2026-11-22T00:00Z";

/// Three types of one family at $0.05 a core and hour, and one for ARM.
fn catalog() -> Catalog {
    let mut table = Table::new(Source::new(
        "test",
        chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap(),
    ));
    for (name, vcpu, gib, arch, price) in [
        ("m.large", 2, 8, "amd64", 0.1),
        ("m.xlarge", 4, 16, "amd64", 0.2),
        ("m.2xlarge", 8, 32, "amd64", 0.4),
        ("g.xlarge", 4, 16, "arm64", 0.15),
    ] {
        let arch = cloudoptim_core::catalog::Architecture::from_label(arch).unwrap();
        table.instance_type(InstanceTypeInfo::new(
            name,
            vcpu,
            Bytes::from_gib(gib),
            arch,
        ));
        let price = MicroUsdPerHour::from_usd(price).unwrap();
        table.on_demand("us-east-1", name, price).unwrap();
    }
    let mut catalog = Catalog::empty();
    catalog.overlay(table);
    catalog
}

fn run(config: &Config, snapshot: &Snapshot) -> EngineOutput {
    run_with(config, snapshot, &Ledgers::default())
}

fn run_with(config: &Config, snapshot: &Snapshot, ledgers: &Ledgers) -> EngineOutput {
    let inputs = Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog: &catalog(),
        policy: &Policy::default(),
        ledgers,
        deadline: None,
    };
    decide(config, &inputs).unwrap()
}

fn now() -> DateTime<Utc> {
    at(NOW)
}

fn number(line: &Line, key: &str, or: u64) -> u64 {
    line.get(key)
        .map_or(or, |v| v.parse().unwrap_or_else(|e| panic!("{v}: {e}")))
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
    c.resources.limits.memory = line.get("memory-limit").map(bytes);
    if let Some(settings) = line.get("runtime") {
        for setting in settings.split(',') {
            let (name, value) = setting.split_once(':').unwrap();
            c.runtime_memory.push(RuntimeMemorySetting {
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
    }
    if let Some(policies) = line.get("resize") {
        for policy in policies.split(',') {
            let (resource, does) = policy.split_once(':').unwrap();
            c.resize_policy.push(ResizePolicy {
                resource: resource.to_owned(),
                restarts_container: does == "restart",
            });
        }
    }
    c
}

fn pair(text: &str) -> (String, String) {
    let (key, value) = text.split_once(':').unwrap();
    (key.to_owned(), value.to_owned())
}

fn add_workload(cluster: &mut Cluster, line: &Line) {
    let (namespace, name) = named(line);
    let kind = line.get("kind").unwrap_or("Deployment");
    let replicas = u32::try_from(number(line, "replicas", 1)).unwrap();
    let c = sized(line, "main");
    let [mut top, mut set] = deployment(&namespace, &name, replicas, c.clone());
    let template = top.template.as_mut().unwrap();
    if let Some(init) = line.get("init") {
        template
            .spec
            .init_containers
            .push(container(init, "100m", "64Mi"));
    }
    if let Some(sidecar) = line.get("sidecar") {
        let mut c = container(sidecar, "100m", "64Mi");
        c.restarts_always = true;
        template.spec.init_containers.push(c);
    }
    if line.has("pod-level") {
        template.spec.resources = Some(ContainerResources::default());
    }
    template
        .spec
        .node_selector
        .extend(line.get("selector").map(pair));
    if let Some(volume) = line.get("tmpfs") {
        template.spec.volumes.push(PodVolume {
            name: volume.to_owned(),
            source: PodVolumeSource::EmptyDir { in_memory: true },
        });
    }
    if let Some(second) = line.get("second") {
        template.spec.containers.push(sized(line, second));
    }
    top.kind = kind.into();
    if let Some(hours) = line.get("hours") {
        let key = office_hours::OPT_IN.to_owned();
        top.meta.annotations.insert(key, hours.to_owned());
    }
    for (word, key) in [
        ("awake-until", office_hours::AWAKE_UNTIL),
        ("asleep-until", office_hours::ASLEEP_UNTIL),
    ] {
        if let Some(until) = line.get(word) {
            top.meta
                .annotations
                .insert(key.to_owned(), until.to_owned());
        }
    }
    if kind == "CronJob" {
        top.replicas = None;
    }
    top.paused = line.has("paused");
    if line.has("on-delete") {
        top.update_strategy = Some("OnDelete".to_owned());
    }
    if line.has("rolling") {
        top.updated_replicas = Some(0);
    }
    if line.has("no-status") {
        top.observed_generation = None;
    }
    if line.has("opted-out") {
        let key = "cloudoptim/opt-out".to_owned();
        top.meta.annotations.insert(key, "true".to_owned());
    }
    if let Some(release) = line.get("helm") {
        let key = "meta.helm.sh/release-name".to_owned();
        top.meta.annotations.insert(key, release.to_owned());
    }
    if line.has("argo") {
        let key = "argocd.argoproj.io/tracking-id".to_owned();
        top.meta.annotations.insert(key, "x".to_owned());
    }
    if let Some(operator) = line.get("operator") {
        top.meta.owners.push(owner(operator, "thing", "uid-thing"));
    }
    let released = number(line, "released-hours", 24 * 30);
    set.meta.created_at = Some(now() - TimeDelta::hours(i64::try_from(released).unwrap()));
    let workloads = cluster.workloads.value_mut().unwrap();
    workloads.push(top);
    if kind == "Deployment" {
        workloads.push(set);
    }
    for i in 0..replicas {
        let mut p = pod(&namespace, &name, &format!("{name}-1-{i}"), "n1", c.clone());
        p.meta.created_at = Some(now() - TimeDelta::hours(i64::try_from(released).unwrap()));
        if let Some(live) = line.get("live-cpu") {
            p.spec.containers[0].resources.requests.cpu = Some(cpu(live));
        }
        if kind != "Deployment" {
            let uid = format!("uid-{namespace}-{name}");
            p.meta.owners = vec![owner(kind, &name, &uid)];
        }
        if let Some(injected) = line.get("injected") {
            p.spec.containers.push(container(injected, "10m", "16Mi"));
        }
        if let Some(days) = line.get("killed-days") {
            let days: i64 = days.parse().unwrap();
            p.status.containers[0].last_terminated = Some(Termination {
                reason: line.get("killed-reason").unwrap_or("OOMKilled").to_owned(),
                exit_code: 137,
                finished_at: Some(now() - TimeDelta::days(days)),
                ..Default::default()
            });
        }
        if line.has("evicted") {
            p.status.reason = Some("Evicted".to_owned());
        }
        cluster.pods.value_mut().unwrap().push(p);
    }
}

fn stats(line: &Line, memory: bool) -> Option<UsageStats> {
    let read = |key: &str| -> Option<u64> {
        let key = if memory {
            format!("m-{key}")
        } else {
            key.to_owned()
        };
        let text = line.get(&key)?;
        Some(if memory { bytes(text).0 } else { cpu(text).0 })
    };
    let max = read("max")?;
    let p99 = read("p99").unwrap_or(max);
    let p95 = read("p95").unwrap_or(p99);
    let p90 = read("p90").unwrap_or(p95);
    let days = number(line, "days", 7);
    let ended = TimeDelta::hours(i64::try_from(number(line, "ended-hours", 1)).unwrap());
    let last = now() - ended;
    Some(UsageStats {
        samples: number(line, "samples", 168),
        first_at: Some(last - TimeDelta::days(i64::try_from(days).unwrap())),
        last_at: Some(last),
        step_seconds: 3600,
        missing: number(line, "missing", 0),
        longest_gap_seconds: number(line, "gap-hours", 0) * 3600,
        gaps: line.get("gaps").map_or_else(Vec::new, gaps),
        p90,
        p95,
        p99,
        max,
        vpa: VpaPercentiles {
            p50: p90 / 2,
            p90,
            p95,
            history_milli_days: days * 1000,
        },
        ..Default::default()
    })
}

/// `from~until~missing`, with `~one` when it is of one pod and not of all,
/// separated by commas.
fn gaps(text: &str) -> Vec<UsageGap> {
    let gap = |text: &str| match text.split('~').collect::<Vec<_>>()[..] {
        [from, until, missing, ref whose @ ..] => UsageGap {
            from: at(from),
            until: at(until),
            missing: missing.parse().unwrap(),
            of_all: whose != ["one"],
        },
        _ => panic!("{text}"),
    };
    text.split(',').map(gap).collect()
}

/// What was put to sleep when.
fn ledgers(lines: &[Line]) -> Ledgers {
    let rows = lines.iter().filter(|l| l.word(0) == "slept");
    let row = |line: &Line| {
        let (namespace, name) = named(line);
        Asleep {
            cluster: "c1".into(),
            workload: WorkloadRef::new(namespace, "Deployment", name),
            replicas: 1,
            since: at(line.get("since").unwrap()),
            generation: None,
        }
    };
    Ledgers {
        asleep: Some(rows.map(row).collect()),
        ..Default::default()
    }
}

fn add_usage(summary: &mut UsageSummary, cluster: &Cluster, line: &Line) {
    let (namespace, name) = named(line);
    let workload = cluster
        .workloads
        .items()
        .iter()
        .find(|w| w.meta.name == name && w.meta.namespace == namespace)
        .unwrap()
        .reference();
    let runs = number(line, "runs", 1);
    // Beside it, pods of which no counter tells.
    let untold = (0..number(line, "untold", 0)).map(|i| PodUsage {
        pod: format!("{name}-2-{i}"),
        cpu_peak_milli: Some(1),
        ..Default::default()
    });
    summary.containers.push(ContainerUsage {
        workload: Some(workload),
        namespace,
        container: line.get("container").unwrap_or("main").to_owned(),
        cpu: stats(line, false),
        memory: stats(line, true),
        pods: (0..runs)
            .map(|i| PodUsage {
                pod: format!("{name}-1-{i}"),
                live: true,
                cpu_mean_milli: line.get("busiest").map(|b| cpu(b).0),
                cpu_throttled_milli: line.get("throttled").map(|t| t.parse().unwrap()),
                ..Default::default()
            })
            .chain(untold)
            .collect(),
    });
}

fn add_scaler(cluster: &mut Cluster, line: &Line) {
    let (namespace, name) = named(line);
    let target = WorkloadRef::new(namespace.clone(), "Deployment", name.clone());
    let metric = line.get("metric").unwrap_or("cpu");
    let meta = meta(&namespace, &name);
    match line.word(0) {
        "hpa" => {
            cluster
                .horizontal_autoscalers
                .value_mut()
                .unwrap()
                .push(HorizontalPodAutoscaler {
                    meta,
                    target,
                    max_replicas: 9,
                    metrics: vec![ScalingMetric {
                        kind: "Resource".to_owned(),
                        name: metric.to_owned(),
                        target_utilization_percent: Some(70),
                        current_utilization_percent: None,
                    }],
                    ..Default::default()
                })
        }
        "scaled" => cluster
            .scaled_objects
            .value_mut()
            .unwrap()
            .push(ScaledObject {
                meta,
                target,
                triggers: vec![metric.to_owned()],
                ..Default::default()
            }),
        _ => cluster
            .vertical_autoscalers
            .value_mut()
            .unwrap()
            .push(VerticalPodAutoscaler {
                meta,
                target,
                update_mode: line.get("mode").unwrap_or("Recreate").to_owned(),
                ..Default::default()
            }),
    }
}

fn list(line: &Line, prefix: &str) -> ResourceList {
    ResourceList {
        cpu: line.get(&format!("{prefix}cpu")).map(cpu),
        memory: line.get(&format!("{prefix}memory")).map(bytes),
        ..Default::default()
    }
}

fn build(lines: &[Line]) -> Snapshot {
    let mut cluster = cluster();
    let mut summary = UsageSummary::default();
    let mut gone = Vec::new();
    for line in lines {
        match line.word(0) {
            "workload" => add_workload(&mut cluster, line),
            "usage" => add_usage(&mut summary, &cluster, line),
            "hpa" | "vpa" | "scaled" => add_scaler(&mut cluster, line),
            "node" => {
                let mut n = node(line.word(1), line.word(2), line.word(3));
                if let Some(t) = line.get("type") {
                    n.meta.labels.insert(INSTANCE_TYPE_LABEL.into(), t.into());
                }
                n.meta.labels.extend(line.get("label").map(pair));
                n.unschedulable = line.has("cordoned");
                n.kubelet_version = line.get("kubelet").map(str::to_owned);
                n.taints.extend(line.get("taint").map(|key| Taint {
                    key: key.to_owned(),
                    effect: TaintEffect::NoSchedule,
                    ..Default::default()
                }));
                cluster.nodes.value_mut().unwrap().push(n);
            }
            "bare" => {
                let mut p = pod("shop", "bare", line.word(1), "n1", sized(line, "main"));
                p.meta.owners.clear();
                cluster.pods.value_mut().unwrap().push(p);
            }
            "limits" => cluster.limit_ranges.value_mut().unwrap().push(LimitRange {
                meta: meta("shop", "limits"),
                items: vec![LimitRangeItem {
                    kind: "Container".to_owned(),
                    min: list(line, "min-"),
                    max: list(line, "max-"),
                    max_limit_request_ratio_milli: line
                        .get("memory-ratio-milli")
                        .map(|r| ("memory".to_owned(), r.parse().unwrap()))
                        .into_iter()
                        .collect(),
                    ..Default::default()
                }],
            }),
            "quota" => {
                let mut quota = ResourceQuota {
                    meta: meta("shop", "team"),
                    ..Default::default()
                };
                let key = "requests.cpu".to_owned();
                quota
                    .hard
                    .insert(key.clone(), cpu(line.get("hard").unwrap()).0);
                quota.used.insert(key, cpu(line.get("used").unwrap()).0);
                cluster.resource_quotas.value_mut().unwrap().push(quota);
            }
            "slept" => {}
            "unknown" => gone.push(line.word(1).to_owned()),
            other => panic!("{other}?"),
        }
    }
    if cluster.nodes.items().is_empty() {
        cluster
            .nodes
            .value_mut()
            .unwrap()
            .push(node("n1", "64", "256Gi"));
    }
    cluster.usage = complete(vec![()]).map(|_| summary);
    for part in gone {
        forget(&mut cluster, &part, false);
    }
    snapshot(NOW, cluster, cloud())
}

/// Takes a part away, or its completeness.
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
        "workloads" => workloads,
        "pods" => pods,
        "nodes" => nodes,
        "usage" => usage,
        "hpa" => horizontal_autoscalers,
        "vpa" => vertical_autoscalers,
        "scaled" => scaled_objects,
        "limits" => limit_ranges,
        "quotas" => resource_quotas,
    );
}

const PARTS: [&str; 9] = [
    "workloads",
    "pods",
    "nodes",
    "usage",
    "hpa",
    "vpa",
    "scaled",
    "limits",
    "quotas",
];

fn config(line: &Line) -> Config {
    let mut config = Config::default().with_node_types(line.has("nodes"));
    config = match line.get("rule") {
        Some("vpa") => config.with_rule(Rule::Vpa),
        Some("krr") => config.with_rule(Rule::Krr),
        _ => config,
    };
    if line.get("memory-limits") == Some("ratio") {
        config = config.with_memory_limits(Some(LimitRule::Ratio));
    }
    if let Some(hours) = line.get("max-gap-hours") {
        config.max_gap_hours = hours.parse().unwrap();
    }
    config
}

fn show(list: &ResourceList) -> String {
    let cpu = list.cpu.map_or("-".to_owned(), |c| c.to_string());
    let memory = list.memory.map_or("-".to_owned(), |m| m.to_string());
    format!("{cpu}/{memory}")
}

fn describe(decision: &Decision) -> String {
    let mut words = vec![
        if decision.is_keep() { "keep" } else { "resize" }.to_owned(),
        decision.subject.to_string(),
    ];
    if let Some(Action::ResizeContainer { to, restarts, .. }) = decision.actions.first() {
        words.push(show(&to.requests));
        words.push(format!("limits={}", show(&to.limits)));
        if !restarts {
            words.push("no-restart".to_owned());
        }
    }
    if let Some(stake) = decision.at_stake_per_month {
        words.push(format!("stake={stake}"));
    }
    words.extend(decision.reasons.iter().map(|r| r.code().1));
    words.join(" ")
}

#[test]
fn case_tables_hold() {
    run_cases("rightsizing.txt", |header, lines| {
        let output = run_with(&config(header), &build(lines), &ledgers(lines));
        let mut out: Vec<String> = output.decisions.iter().map(describe).collect();
        if !header.has("nodes") {
            out.retain(|l| !l.contains(" node "));
        }
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
    assert_every_code_occurs(Reason::CODES, &["rightsizing.txt"]);
}

#[test]
fn settings_out_of_range_are_refused_with_the_value() {
    let bad = Config::default().with_max_shrink_percent(91);
    let message = bad.validate().map_err(|e| e.to_string());
    assert_eq!(
        message,
        Err("rightsizing: max_shrink_percent must be at most 90, got 91".to_owned())
    );
    assert!(
        Config::default()
            .with_min_history_days(0)
            .validate()
            .is_err()
    );
}

/// A cluster of some Deployments with usage.
fn any_lines() -> impl Strategy<Value = Vec<Line>> {
    let app = (
        1_u32..4,
        prop::option::of(10_u64..4000),
        prop::option::of(1_u64..4000),
        1_u64..4000,
        1_u64..4000,
        prop::sample::select(vec![
            "",
            "hpa",
            "vpa",
            "limits",
            "quota",
            "rolling",
            "killed-days=3",
            "runtime=-Xmx:1g",
        ]),
        prop::bool::ANY,
    );
    prop::collection::vec(app, 1..5).prop_map(|apps| {
        let mut lines = Vec::new();
        for (i, (replicas, cpu, memory, used, used_memory, extra, guaranteed)) in
            apps.into_iter().enumerate()
        {
            let mut text = format!("workload app{i} replicas={replicas}");
            let words = ["rolling", "killed-days=3", "runtime=-Xmx:1g"];
            if words.contains(&extra) {
                text += &format!(" {extra}");
            }
            if let Some(cpu) = cpu {
                text += &format!(" cpu={cpu}m");
            }
            if let Some(memory) = memory {
                text += &format!(" memory={memory}Mi");
                if guaranteed && cpu.is_some() {
                    text += &format!(" memory-limit={memory}Mi cpu-limit={}m", cpu.unwrap_or(1));
                }
            }
            lines.push(text);
            lines.push(format!("usage app{i} max={used}m m-max={used_memory}Mi"));
            match extra {
                "hpa" | "vpa" => lines.push(format!("{extra} app{i}")),
                "limits" => lines.push("limits min-cpu=100m max-memory=2Gi".to_owned()),
                "quota" => lines.push("quota hard=4 used=3".to_owned()),
                _ => {}
            }
        }
        lines.iter().map(|l| Line::parse(l)).collect()
    })
}

fn acts(output: &EngineOutput) -> Vec<&Action> {
    output.decisions.iter().flat_map(|d| &d.actions).collect()
}

fn qos(requests: &ResourceList, limits: &ResourceList) -> u8 {
    let r = requests.or(limits);
    match (r.cpu, r.memory) {
        (None, None) => 0,
        _ if limits.cpu.is_some()
            && limits.memory.is_some()
            && r.cpu == limits.cpu
            && r.memory == limits.memory =>
        {
            2
        }
        _ => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn shuffled_input_gives_equal_bytes(lines in any_lines()) {
        let snapshot = build(&lines);
        let mut turned = snapshot.clone();
        for c in &mut turned.clusters {
            c.pods.value_mut().unwrap().reverse();
            c.workloads.value_mut().unwrap().reverse();
            c.usage.value_mut().unwrap().containers.reverse();
            c.limit_ranges.value_mut().unwrap().reverse();
        }
        turned.normalize();
        let text = |s: &Snapshot| serde_json::to_string(&run(&Config::default(), s)).unwrap();
        prop_assert_eq!(text(&snapshot), text(&turned));
    }

    #[test]
    fn less_knowledge_never_adds_an_act(lines in any_lines(), demote: bool) {
        let snapshot = build(&lines);
        for part in PARTS {
            let mut less = snapshot.clone();
            forget(&mut less.clusters[0], part, demote);
            prop_assert!(acts(&run(&Config::default(), &less)).is_empty(), "{}", part);
        }
    }

    #[test]
    fn no_step_goes_below_use_or_too_far_or_to_another_class(
        lines in any_lines(),
        rule in prop::sample::select(vec![Rule::PeakMargin, Rule::Vpa, Rule::Krr]),
    ) {
        let snapshot = build(&lines);
        let usage = snapshot.clusters[0].usage.value().unwrap();
        let output = run(&Config::default().with_rule(rule), &snapshot);
        for action in acts(&output) {
            let Action::ResizeContainer { workload, from, to, .. } = action else {
                panic!("{action}");
            };
            let used = usage.containers.iter().find(|c| c.workload.as_ref() == Some(workload)).unwrap();
            let peak = used.memory.as_ref().unwrap().max;
            let before = from.requests.or(&from.limits);
            if let (Some(was), Some(is)) = (before.memory, to.requests.memory) && is < was {
                prop_assert!(is.0 >= peak);
                prop_assert!(is.0 * 100 >= was.0 * 70);
            }
            if let (Some(was), Some(is)) = (before.cpu, to.requests.cpu) && is < was {
                prop_assert!(is.0 * 100 >= was.0 * 70);
            }
            for resource in [(to.requests.cpu.map(|c| c.0), to.limits.cpu.map(|c| c.0)), (to.requests.memory.map(|m| m.0), to.limits.memory.map(|m| m.0))] {
                if let (Some(request), Some(limit)) = resource {
                    prop_assert!(request <= limit);
                }
            }
            prop_assert_eq!(qos(&from.requests, &from.limits), qos(&to.requests, &to.limits));
        }
    }

    #[test]
    fn a_second_look_at_the_new_size_never_swings_back(lines in any_lines()) {
        // Taking every step in turn ends, and never raises what it lowered.
        let mut snapshot = build(&lines);
        let mut last = None;
        for _ in 0..40 {
            let output = run(&Config::default(), &snapshot);
            let steps = acts(&output);
            if steps.is_empty() {
                last = Some(());
                break;
            }
            let mut overlay = Overlay::default();
            for action in steps {
                if let Action::ResizeContainer { cluster, workload, container, to, .. } = action {
                    overlay.requests.push(cloudoptim_core::overlay::RequestChange {
                        cluster: cluster.clone(),
                        workload: workload.clone(),
                        container: container.clone(),
                        resources: (**to).clone(),
                    });
                }
            }
            snapshot = overlay.apply(&snapshot);
        }
        prop_assert_eq!(last, Some(()));
    }
}

#[test]
fn an_absent_usage_is_not_judged() {
    let mut s = build(&[Line::parse("workload web cpu=1 memory=1Gi")]);
    s.clusters[0].usage = Knowledge::default();
    let output = run(&Config::default(), &s);
    assert!(acts(&output).is_empty());
    assert_eq!(output.not_judged.len(), 1);
}
