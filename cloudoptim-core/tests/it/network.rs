//! The network engine: case tables, an independent simulator, properties.

use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::*;
use cloudoptim_core::catalog::{Catalog, Source, Table, TransferPrice};
use cloudoptim_core::decision::{Action, Decision, Reason as AnyReason, Subject};
use cloudoptim_core::engines::network::{Config, Reason, decide};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;

const ZONES: [(&str, &str, &str); 3] = [
    ("a", "us-east-1a", "use1-az4"),
    ("b", "us-east-1b", "use1-az6"),
    ("c", "us-east-1c", "use1-az1"),
];

fn zone_id(letter: &str) -> ZoneId {
    let found = ZONES.iter().find(|(l, _, _)| *l == letter);
    found.map_or_else(ZoneId::default, |(_, _, id)| (*id).into())
}

fn letter(id: &ZoneId) -> String {
    let found = ZONES.iter().find(|(_, _, z)| *z == id.as_str());
    found.map_or_else(|| "?".to_owned(), |(l, _, _)| (*l).to_owned())
}

/// A cent each way between the zones of us-east-1, as AWS lists it.
pub(crate) fn priced() -> Catalog {
    let mut table = Table::new(Source::new(
        "AWS list",
        chrono::NaiveDate::from_ymd_opt(2024, 9, 25).unwrap(),
    ));
    table.transfer("us-east-1", TransferPrice::new(MicroUsd(10_000)));
    let mut catalog = Catalog::empty();
    catalog.overlay(table);
    catalog
}

fn run(config: &Config, snapshot: &Snapshot, catalog: &Catalog) -> EngineOutput {
    let inputs = Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog,
        policy: &Policy::default(),
        ledgers: &Ledgers::default(),
        deadline: None,
    };
    decide(config, &inputs).unwrap()
}

/// `a:4,b:4` as counts by zone letter.
fn counts(text: &str) -> Vec<(String, u32)> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (zone, n) = part.split_once(':').unwrap();
            (zone.to_owned(), n.parse().unwrap())
        })
        .collect()
}

fn name_of(line: &Line, index: usize) -> (String, String) {
    let word = line.word(index);
    let (namespace, name) = word.split_once('/').unwrap_or(("shop", word));
    (namespace.to_owned(), name.to_owned())
}

fn add_app(cluster: &mut Cluster, line: &Line) {
    let (namespace, name) = name_of(line, 1);
    let zones = counts(line.get("zones").unwrap_or("a:1"));
    let replicas: u32 = zones.iter().map(|(_, n)| n).sum();
    let mut c = container("main", "100m", "64Mi");
    c.image = line.get("image").unwrap_or("registry/app:1").to_owned();
    let [mut top, set] = deployment(&namespace, &name, replicas, c.clone());
    let template = top.template.as_mut().unwrap();
    if let Some(volume) = line.get("claim") {
        template.spec.volumes.push(PodVolume {
            name: "data".into(),
            source: PodVolumeSource::Claim {
                name: volume.into(),
            },
        });
    }
    template.spec.host_network = line.has("host-network");
    if let Some(value) = line.get("opt-out") {
        let key = "cloudoptim/opt-out".to_owned();
        top.meta.annotations.insert(key, value.into());
    }
    if line.has("rolling") {
        top.updated_replicas = Some(0);
    }
    if let Some(kind) = line.get("kind") {
        top.kind = kind.into();
    }
    let kind = top.kind.clone();
    let workloads = cluster.workloads.value_mut().unwrap();
    workloads.push(top);
    let direct = kind != WorkloadKind::Deployment;
    if !direct {
        workloads.push(set);
    }
    let mut index = 0;
    for (zone, n) in zones {
        for _ in 0..n {
            index += 1;
            let on = format!("n-{zone}");
            let mut p = pod(
                &namespace,
                &name,
                &format!("{name}-{index}"),
                &on,
                c.clone(),
            );
            if direct {
                let uid = format!("uid-{namespace}-{name}");
                p.meta.owners = vec![owner(kind.as_str(), &name, &uid)];
            }
            if let Some(sidecar) = line.get("sidecar") {
                p.spec.containers.push(container(sidecar, "10m", "16Mi"));
            }
            cluster.pods.value_mut().unwrap().push(p);
        }
    }
}

fn add_service(cluster: &mut Cluster, line: &Line) {
    let (namespace, name) = name_of(line, 1);
    let text = |key: &str| line.get(key).map(str::to_owned);
    let app = text("app");
    let mut service = Service {
        meta: meta(&namespace, &name),
        kind: text("kind").unwrap_or_else(|| "ClusterIP".to_owned()),
        headless: line.has("headless"),
        selector: app
            .as_ref()
            .map(|app| Labels::from([("app".to_owned(), app.clone())])),
        traffic_distribution: text("distribution"),
        internal_traffic_policy: text("internal"),
        external_traffic_policy: None,
        session_affinity: text("affinity"),
        load_balancer_class: text("class"),
    };
    if let Some(value) = text("topology-mode") {
        let key = "service.kubernetes.io/topology-mode".to_owned();
        service.meta.annotations.insert(key, value);
    }
    if let Some(value) = text("opt-out") {
        let key = "cloudoptim/opt-out".to_owned();
        service.meta.annotations.insert(key, value);
    }
    let mut slice = EndpointSlice {
        meta: meta(&namespace, &format!("{name}-slice")),
        service: name,
        endpoints: Vec::new(),
    };
    for p in cluster.pods.items() {
        if p.meta.namespace == namespace && p.meta.labels.get("app") == app.as_ref() {
            let zone = p.spec.node_name.as_ref().and_then(|n| {
                let found = ZONES.iter().find(|(l, _, _)| n.as_str().ends_with(l));
                found.map(|(_, z, _)| ZoneName::new(*z))
            });
            slice.endpoints.push(Endpoint {
                pod: Some(p.meta.name.clone()),
                node: p.spec.node_name.clone(),
                zone: if line.has("odd-zone") {
                    Some("us-east-1x".into())
                } else {
                    zone
                },
                ready: !line.has("down"),
                hints: Vec::new(),
            });
        }
    }
    if line.has("stranger") {
        slice.endpoints.push(Endpoint {
            zone: Some("us-east-1a".into()),
            ready: true,
            ..Default::default()
        });
    }
    cluster.services.value_mut().unwrap().push(service);
    cluster.endpoint_slices.value_mut().unwrap().push(slice);
}

fn gigabytes(text: &str) -> u64 {
    (text.parse::<f64>().unwrap() * 1e9).round() as u64
}

fn edge(line: &Line) -> TrafficEdge {
    let (from_namespace, from_workload) = name_of(line, 1);
    let (to_namespace, to_workload) = name_of(line, 3);
    TrafficEdge {
        from_namespace,
        from_workload,
        from_zone: zone_id(line.word(2)),
        to_namespace,
        to_workload,
        to_zone: zone_id(line.word(4)),
        bytes_per_day: gigabytes(line.get("gb").unwrap()),
        opened_by_sender: line.get("opened").map(|v| v == "true"),
    }
}

/// `calls CLIENT SERVER a:10,b:10` spreads the bytes over the server's pods
/// as kube-proxy does without hints.
fn calls(cluster: &Cluster, line: &Line) -> Vec<TrafficEdge> {
    let (from_namespace, from_workload) = name_of(line, 1);
    let (to_namespace, to_workload) = name_of(line, 2);
    let mut servers = std::collections::BTreeMap::<String, u64>::new();
    for p in cluster.pods.items() {
        if p.meta.namespace == to_namespace && p.meta.labels.get("app") == Some(&to_workload) {
            let node = p.spec.node_name.as_ref().unwrap().as_str();
            *servers.entry(node.replace("n-", "")).or_default() += 1;
        }
    }
    let all: u64 = servers.values().sum();
    let mut edges = Vec::new();
    for part in line.get("gb").unwrap().split(',') {
        let (zone, gb) = part.split_once(':').unwrap();
        for (to, n) in &servers {
            edges.push(TrafficEdge {
                from_namespace: from_namespace.clone(),
                from_workload: from_workload.clone(),
                from_zone: zone_id(zone),
                to_namespace: to_namespace.clone(),
                to_workload: to_workload.clone(),
                to_zone: zone_id(to),
                bytes_per_day: gigabytes(gb) * n / all,
                opened_by_sender: None,
            });
        }
    }
    edges
}

pub(crate) fn build(header: &Line, lines: &[Line]) -> (Snapshot, Config, Catalog) {
    let mut c = cluster();
    for (letter, zone, id) in ZONES {
        let mut n = node(&format!("n-{letter}"), "16", "64Gi");
        n.meta.labels.insert(ZONE_LABEL.into(), zone.into());
        n.meta.labels.insert(ZONE_ID_LABEL.into(), id.into());
        let version = header.get("version").unwrap_or("v1.35.1");
        n.kubelet_version = (version != "none").then(|| version.to_owned());
        n.unschedulable = header.get("out") == Some(letter);
        c.nodes.value_mut().unwrap().push(n);
    }
    if header.has("bare-node") {
        let mut n = node("n-d", "16", "64Gi");
        n.meta.labels.remove(ZONE_LABEL);
        n.kubelet_version = Some("v1.35.1".to_owned());
        c.nodes.value_mut().unwrap().push(n);
    }
    let mut edges = Vec::new();
    for line in lines {
        match line.word(0) {
            "app" => add_app(&mut c, line),
            "service" => add_service(&mut c, line),
            "edge" => edges.push(edge(line)),
            "calls" => edges.extend(calls(&c, line)),
            "hpa" => {
                let (namespace, name) = name_of(line, 1);
                c.horizontal_autoscalers
                    .value_mut()
                    .unwrap()
                    .push(HorizontalPodAutoscaler {
                        meta: meta(&namespace, &name),
                        target: WorkloadRef::new(&namespace, "Deployment", &name),
                        min_replicas: Some(line.get("min").unwrap().parse().unwrap()),
                        max_replicas: 100,
                        ..Default::default()
                    });
            }
            other => panic!("{other}: {}", line.text),
        }
    }
    c.traffic = complete(edges);
    if header.get("partial") == Some("traffic") {
        c.traffic = c.traffic.demoted(Gap::CompletenessNotStated);
    }
    let mut config = Config::default();
    if let Some(percent) = header.get("overload") {
        config = config.with_max_overload_percent(percent.parse().unwrap());
    }
    if header.has("no-moves") {
        config = config.with_zone_moves(false);
    }
    let catalog = if header.get("price") == Some("none") {
        Catalog::empty()
    } else {
        priced()
    };
    (snapshot("2026-11-22T02:30Z", c, cloud()), config, catalog)
}

fn reason(reason: &AnyReason) -> String {
    let code = reason.code().1;
    let AnyReason::Network(reason) = reason else {
        panic!("{reason:?}")
    };
    let g = |bytes: u64| format!("{:.1}", bytes as f64 / 1e9);
    match reason {
        Reason::Predicted {
            mode,
            cross_zone_before,
            cross_zone_after,
            worst_overload_milli,
            ..
        } => format!(
            "{code}({mode:?},{}->{}GB,{worst_overload_milli})",
            g(*cross_zone_before),
            g(*cross_zone_after)
        ),
        Reason::Overload {
            mode,
            zone,
            overload_milli,
            max_percent,
        } => {
            let zone = letter(zone);
            format!("{code}({mode:?},{zone},{overload_milli},{max_percent})")
        }
        Reason::PairTraffic {
            cross_zone_bytes,
            cost_per_month,
            ..
        } => {
            let cost = cost_per_month.map_or_else(|| "?".to_owned(), |c| c.to_string());
            format!("{code}({}GB,{cost})", g(*cross_zone_bytes))
        }
        Reason::TooFewEndpoints {
            zone, endpoints, ..
        } => format!("{code}({}:{endpoints})", letter(zone)),
        Reason::ZoneMove { from, to, .. } => {
            format!("{code}({}->{})", letter(from), letter(to))
        }
        Reason::Client { client, .. } => format!("{code}({})", client.name),
        _ => code,
    }
}

fn show(decision: &Decision) -> String {
    let what = match decision.actions.first() {
        None => "keep".to_owned(),
        Some(Action::RouteService { to, .. }) => format!("route={}", to.clone().unwrap()),
        Some(Action::Annotate { to, .. }) => format!("annotate={}", to.clone().unwrap()),
        Some(Action::PreferZone { workload, to, .. }) => {
            format!("move={}:{}", workload.name, letter(to.as_ref().unwrap()))
        }
        Some(other) => panic!("{other:?}"),
    };
    let subject = match &decision.subject {
        Subject::Service { service, .. } => service.name.clone(),
        Subject::TrafficPair { from, to, .. } => format!("{}>{}", from.name, to.name),
        other => panic!("{other:?}"),
    };
    let mut line = format!("{what} {subject}");
    if let Some(saves) = decision.saves_per_month {
        line += &format!(" saves={saves}");
    }
    if let Some(stake) = decision.at_stake_per_month {
        line += &format!(" stake={stake}");
    }
    for r in &decision.reasons {
        line += &format!(" {}", reason(r));
    }
    line
}

#[test]
fn network_cases() {
    run_cases("network.txt", |header, lines| {
        let (snapshot, config, catalog) = build(header, lines);
        let output = run(&config, &snapshot, &catalog);
        for r in output.decisions.iter().flat_map(|d| &d.reasons) {
            let text = r.to_string();
            assert!(Reason::CODES.contains(&r.code().1.as_str()), "{r:?}");
            assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
        }
        let only = header.get("only");
        output
            .decisions
            .iter()
            .filter(|d| match only {
                Some("services") => matches!(d.subject, Subject::Service { .. }),
                Some("pairs") => matches!(d.subject, Subject::TrafficPair { .. }),
                _ => true,
            })
            .map(show)
            .collect()
    });
}

#[test]
fn every_network_reason_occurs_in_a_case() {
    assert_every_code_occurs(Reason::CODES, &["network.txt"]);
}

#[test]
fn the_list_of_network_codes_is_sorted() {
    assert!(Reason::CODES.is_sorted());
}

/// Routes every byte endpoint by endpoint, in floats, sharing no code with
/// the engine: bytes across zones, and the busiest endpoint over the mean.
fn simulate(clients: &[f64; 3], endpoints: &[u32; 3]) -> (f64, f64) {
    let mut load = Vec::new();
    for (zone, n) in endpoints.iter().enumerate() {
        load.extend(std::iter::repeat_n((zone, 0.0), *n as usize));
    }
    let mut cross = 0.0;
    for (zone, bytes) in clients.iter().enumerate() {
        let local = load.iter().filter(|(z, _)| *z == zone).count();
        let all = load.len();
        for (z, sum) in &mut load {
            if local == 0 {
                *sum += bytes / all as f64;
            } else if *z == zone {
                *sum += bytes / local as f64;
            }
        }
        if local == 0 {
            cross += bytes;
        }
    }
    let mean = load.iter().map(|(_, l)| l).sum::<f64>() / load.len() as f64;
    let worst = load.iter().map(|(_, l)| *l).fold(0.0, f64::max);
    (cross, worst / mean - 1.0)
}

/// One service with endpoints and clients by zone, spread as kube-proxy does.
fn one_service(endpoints: [u32; 3], clients: [u64; 3]) -> Snapshot {
    let by = |n: [u64; 3]| {
        let parts: Vec<_> = ["a", "b", "c"]
            .iter()
            .zip(n)
            .filter(|(_, n)| *n > 0)
            .map(|(z, n)| format!("{z}:{n}"))
            .collect();
        parts.join(",")
    };
    let lines = [
        format!("app api zones={}", by(endpoints.map(u64::from))),
        "app web zones=a:2,b:2,c:2".to_owned(),
        "service api app=api".to_owned(),
        format!("calls web api gb={}", by(clients)),
    ];
    let lines: Vec<_> = lines.iter().map(|l| Line::parse(l)).collect();
    build(&Line::parse("network"), &lines).0
}

fn routed(output: &EngineOutput) -> usize {
    output.decisions.iter().filter(|d| !d.is_keep()).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_routed_service_behaves_as_an_independent_simulator_says(
        endpoints in prop::array::uniform3(0_u32..9),
        clients in prop::array::uniform3(1_u64..500),
        bound in 0_u32..60,
    ) {
        prop_assume!(endpoints.iter().sum::<u32>() > 0);
        let snapshot = one_service(endpoints, clients);
        let config = Config::default()
            .with_max_overload_percent(bound)
            .with_topology_auto(false)
            .with_min_endpoints_per_zone(1)
            .with_min_zones(1);
        let output = run(&config, &snapshot, &priced());
        let (cross, overload) = simulate(&clients.map(|c| c as f64), &endpoints);
        let mut seen = false;
        for decision in &output.decisions {
            for reason in &decision.reasons {
                let AnyReason::Network(Reason::Predicted {
                    cross_zone_after, worst_overload_milli, cost_before, cost_after, ..
                }) = reason else { continue };
                seen = true;
                prop_assert!((*cross_zone_after as f64 / 1e9 - cross).abs() < 0.1);
                let milli = overload * 1000.0;
                let given = *worst_overload_milli as f64;
                prop_assert!(given >= milli - 1e-3 && given < milli + 1.5, "{given} {milli}");
                if !decision.is_keep() {
                    prop_assert!(overload <= f64::from(bound) / 100.0 + 1e-9);
                    prop_assert_eq!(decision.saves_per_month, Some(*cost_before - *cost_after));
                }
            }
        }
        prop_assert!(seen);
    }

    #[test]
    fn whatever_mode_is_chosen_stays_within_the_bound(
        endpoints in prop::array::uniform3(3_u32..9),
        clients in prop::array::uniform3(1_u64..500),
        bound in 0_u32..60,
    ) {
        let snapshot = one_service(endpoints, clients);
        let config = Config::default().with_max_overload_percent(bound);
        for decision in run(&config, &snapshot, &priced()).decisions {
            if decision.is_keep() { continue }
            for reason in &decision.reasons {
                if let AnyReason::Network(Reason::Predicted {
                    worst_overload_milli, cross_zone_before, cross_zone_after, ..
                }) = reason {
                    prop_assert!(*worst_overload_milli <= u64::from(bound) * 10);
                    prop_assert!(cross_zone_after < cross_zone_before);
                }
            }
        }
    }

    #[test]
    fn no_zone_of_a_routed_service_has_fewer_endpoints_than_the_least(
        endpoints in prop::array::uniform3(0_u32..9),
        clients in prop::array::uniform3(1_u64..500),
    ) {
        let snapshot = one_service(endpoints, clients);
        let output = run(&Config::default().with_max_overload_percent(100), &snapshot, &priced());
        if output.decisions.iter().any(|d| matches!(d.subject, Subject::Service { .. }) && !d.is_keep()) {
            prop_assert!(endpoints.iter().all(|n| *n == 0 || *n >= 3));
            prop_assert!(endpoints.iter().filter(|n| **n > 0).count() >= 2);
        }
    }

    #[test]
    fn a_wider_bound_never_routes_less(
        endpoints in prop::array::uniform3(3_u32..9),
        clients in prop::array::uniform3(1_u64..500),
        bound in 0_u32..50,
    ) {
        let snapshot = one_service(endpoints, clients);
        let at = |percent| routed(&run(&Config::default().with_max_overload_percent(percent), &snapshot, &priced()));
        prop_assert!(at(bound) <= at(bound + 20));
    }
}

/// A cluster with a bit of everything.
fn zoo() -> Snapshot {
    let lines = [
        "app ingress zones=a:3,b:3,c:3",
        "app web zones=a:4,b:4,c:4",
        "app api zones=a:4,b:4,c:3",
        "app cache kind=StatefulSet zones=a:1,b:1",
        "app report zones=a:1",
        "app store zones=b:1",
        "service ingress app=ingress kind=LoadBalancer",
        "service web app=web",
        "service api app=api",
        "service cache app=cache headless",
        "service store app=store",
        "calls ingress web gb=a:100,b:100,c:100",
        "calls web api gb=a:40,b:40,c:30",
        "calls report store gb=a:50",
        "edge api a cache b gb=7",
        "hpa web min=12",
    ];
    let lines: Vec<_> = lines.iter().map(|l| Line::parse(l)).collect();
    build(&Line::parse("network"), &lines).0
}

fn json(output: &EngineOutput) -> String {
    serde_json::to_string(output).unwrap()
}

#[test]
fn the_zoo_has_routes_and_a_move() {
    let output = run(&Config::default(), &zoo(), &priced());
    assert_eq!(routed(&output), 3, "{output:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn network_answers_do_not_depend_on_the_order_of_the_input(seed in any::<u64>()) {
        let base = zoo();
        let mut shuffled = base.clone();
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let c = &mut shuffled.clusters[0];
        macro_rules! mix {
            ($($part:ident),*) => {$(
                c.$part.value_mut().unwrap().sort_by_cached_key(|_| next());
            )*};
        }
        mix!(traffic, services, endpoint_slices, pods, nodes, workloads);
        // The engine sorts what it reads, so the order is gone even before `normalize`.
        let wild = json(&run(&Config::default(), &shuffled, &priced()));
        shuffled.normalize();
        let tame = json(&run(&Config::default(), &shuffled, &priced()));
        prop_assert_eq!(&wild, &tame);
        prop_assert_eq!(tame, json(&run(&Config::default(), &base, &priced())));
    }
}

#[test]
fn less_knowledge_never_adds_an_act_of_the_network_engine() {
    let base = zoo();
    let before = routed(&run(&Config::default(), &base, &priced()));
    macro_rules! each {
        ($($part:ident),* $(,)?) => {$(
            for unknown in [false, true] {
                let mut less = base.clone();
                let part = &mut less.clusters[0].$part;
                *part = if unknown {
                    Knowledge::default()
                } else {
                    std::mem::take(part).demoted(Gap::CompletenessNotStated)
                };
                let acts = routed(&run(&Config::default(), &less, &priced()));
                assert_eq!(acts, 0, "{} unknown={unknown}", stringify!($part));
            }
        )*};
    }
    each!(
        traffic,
        services,
        endpoint_slices,
        pods,
        nodes,
        workloads,
        horizontal_autoscalers,
    );
    assert!(before > 0);
    let mut cloudless = base.clone();
    cloudless.clouds.clear();
    assert!(routed(&run(&Config::default(), &cloudless, &priced())) <= before);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let bad = Config::default().with_max_overload_percent(101);
    let error = bad.validate().unwrap_err().to_string();
    assert_eq!(
        error,
        "network: max_overload_percent must be at most 100, got 101"
    );
    assert!(Config::default().with_min_zones(0).validate().is_err());
    assert!(serde_json::from_str::<Config>(r#"{"max_overlod_percent":5}"#).is_err());
}
