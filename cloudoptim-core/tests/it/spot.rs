//! The spot engine: case tables and properties.

use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::*;
use chrono::NaiveDate;
use cloudoptim_core::catalog::{
    Architecture, Catalog, InstanceTypeInfo, InterruptionBand, OperatingSystem, Source, SpotAdvice,
    Table,
};
use cloudoptim_core::decision::{Action, Decision, Offering, Reason as AnyReason, Subject};
use cloudoptim_core::engines::spot::{AdvisorPrior, Config, Reason, decide};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::{Ledgers, PoolEvent, PoolEventKind};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: &str = "2026-11-22T02:30Z";
const ZONES: [(&str, &str, &str); 3] = [
    ("a", "us-east-1a", "use1-az4"),
    ("b", "us-east-1b", "use1-az6"),
    ("c", "us-east-1c", "use1-az1"),
];

fn zone(letter: &str) -> (ZoneName, ZoneId) {
    let found = ZONES.iter().find(|(l, _, _)| *l == letter).unwrap();
    (found.1.into(), found.2.into())
}

fn letter(id: Option<&ZoneId>) -> String {
    let found = id.and_then(|id| ZONES.iter().find(|(_, _, z)| *z == id.as_str()));
    found.map_or_else(|| "*".to_owned(), |(l, _, _)| (*l).to_owned())
}

fn usd(text: &str) -> MicroUsdPerHour {
    MicroUsdPerHour::from_usd(text.parse().unwrap()).unwrap()
}

/// Everything that a case is made of.
struct World {
    cluster: Cluster,
    cloud: Cloud,
    table: Table,
    ledgers: Ledgers,
    config: Config,
}

fn new_world(priced: NaiveDate) -> World {
    let mut table = Table::new(Source::new("test", priced));
    table.region(cloudoptim_core::catalog::RegionInfo {
        name: "us-east-1".into(),
        partition: "aws".to_owned(),
        description: String::new(),
        kind: cloudoptim_core::catalog::RegionKind::Region,
        zones: ZONES.iter().map(|(_, _, id)| (*id).into()).collect(),
    });
    let mut cloud = cloud();
    cloud.quotas = complete(vec![ServiceQuota {
        code: "L-34B43A08".to_owned(),
        name: "spot".to_owned(),
        value: 10_000,
        used: Some(0),
    }]);
    World {
        cluster: cluster(),
        cloud,
        table,
        ledgers: Ledgers {
            pool_events: Some(Vec::new()),
            ..Default::default()
        },
        config: Config::default(),
    }
}

fn add_type(world: &mut World, line: &Line) {
    let name = line.word(1);
    let arch = Architecture::from_label(line.get("arch").unwrap_or("amd64")).unwrap();
    let vcpu: u32 = line.get("cpu").unwrap_or("4").parse().unwrap();
    let memory = bytes(line.get("mem").unwrap_or("16Gi"));
    let mut info = InstanceTypeInfo::new(name, vcpu, memory, arch);
    info.burstable = line.has("burstable");
    info.bare_metal = line.has("metal");
    info.current_generation = !line.has("old");
    info.gpu_count = u32::from(line.has("gpu"));
    info.eni_default_card = Some(4);
    info.ipv4_per_eni = Some(15);
    info.recompute_limits();
    world.table.instance_type(info);
    let zones = line.get("zones").unwrap_or("a,b,c").split(',');
    let zones: Vec<ZoneId> = zones.map(|z| zone(z).1).collect();
    world.table.offering("us-east-1", name, zones);
    if let Some(price) = line.get("od") {
        world
            .table
            .on_demand("us-east-1", name, usd(price))
            .unwrap();
    }
    if let Some(price) = line.get("spot") {
        world
            .table
            .spot("us-east-1", name, None, OperatingSystem::Linux, usd(price))
            .unwrap();
    }
    if let Some(band) = line.get("band") {
        let advice = SpotAdvice {
            band: InterruptionBand::from_index(band.parse().unwrap()).unwrap(),
            savings_percent: 60,
        };
        world
            .table
            .advice("us-east-1", name, OperatingSystem::Linux, advice);
    }
}

fn requirement(key: &str, values: &str) -> Requirement {
    Requirement {
        key: key.to_owned(),
        operator: Operator::In,
        values: values.split(',').map(str::to_owned).collect(),
    }
}

fn add_pool(world: &mut World, line: &Line) {
    let mut pool = NodePool {
        meta: meta("", line.word(1)),
        ..Default::default()
    };
    let capacity = line.get("capacity").unwrap_or("spot,on-demand");
    if capacity != "unset" {
        let key = "karpenter.sh/capacity-type";
        pool.requirements.push(requirement(key, capacity));
    }
    if let Some(families) = line.get("families") {
        let key = "karpenter.k8s.aws/instance-family";
        pool.requirements.push(requirement(key, families));
    }
    if let Some(key) = line.get("taint") {
        pool.taints.push(Taint {
            key: key.to_owned(),
            value: "true".to_owned(),
            effect: TaintEffect::NoSchedule,
        });
    }
    world.cluster.node_pools.value_mut().unwrap().push(pool);
}

fn add_node(world: &mut World, line: &Line) {
    let name = line.word(1);
    let mut n = node(name, "4", "16Gi");
    let kind = line.get("type").unwrap_or("m6i.xlarge");
    let (zone_name, id) = zone(line.get("zone").unwrap_or("a"));
    let labels = &mut n.meta.labels;
    labels.insert(INSTANCE_TYPE_LABEL.into(), kind.into());
    labels.insert(ZONE_LABEL.into(), zone_name.to_string());
    labels.insert(ZONE_ID_LABEL.into(), id.to_string());
    labels.insert(
        ARCH_LABEL.into(),
        line.get("arch").unwrap_or("amd64").into(),
    );
    let capacity = line.get("capacity").unwrap_or("on-demand");
    if capacity == "none" {
        labels.remove("karpenter.sh/capacity-type");
    } else {
        labels.insert("karpenter.sh/capacity-type".into(), capacity.into());
    }
    if capacity != "none" && !line.has("no-instance") {
        world.cloud.instances.value_mut().unwrap().push(Instance {
            id: format!("i-{name}").as_str().into(),
            instance_type: kind.into(),
            state: InstanceState::Running,
            zone_id: Some(id),
            launched_at: Some(at("2026-11-15T00:00Z")),
            capacity_type: capacity.parse().unwrap(),
            tenancy: match line.get("tenancy").unwrap_or("default") {
                "none" => None,
                tenancy => Some(tenancy.to_owned()),
            },
            platform: line.get("platform").map(str::to_owned),
            ..Default::default()
        });
        if let Some(request) = line.get("request") {
            let (kind, behaviour) = request.split_once('/').unwrap();
            world
                .cloud
                .spot_requests
                .value_mut()
                .unwrap()
                .push(SpotRequest {
                    id: format!("sir-{name}"),
                    instance: Some(format!("i-{name}").as_str().into()),
                    persistent: kind == "persistent",
                    state: line.get("request-state").unwrap_or("active").to_owned(),
                    interruption_behaviour: behaviour.to_owned(),
                    ..Default::default()
                });
        }
    }
    world.cluster.nodes.value_mut().unwrap().push(n);
}

fn add_app(world: &mut World, line: &Line) {
    let word = line.word(1);
    let (namespace, name) = word.split_once('/').unwrap_or(("shop", word));
    let on: Vec<&str> = line.get("on").unwrap_or("n1").split(',').collect();
    let replicas = line
        .get("replicas")
        .map_or_else(|| u32::try_from(on.len()).unwrap(), |n| n.parse().unwrap());
    let mut c = container(
        "main",
        line.get("cpu").unwrap_or("500m"),
        line.get("mem").unwrap_or("1Gi"),
    );
    if line.has("no-requests") {
        c.resources = ContainerResources::default();
    }
    if line.has("gpu") {
        let gpu = ("nvidia.com/gpu".to_owned(), 1);
        c.resources.requests.extended = [gpu].into();
    }
    let [mut top, set] = deployment(namespace, name, replicas, c.clone());
    let kind: WorkloadKind = line.get("kind").unwrap_or("Deployment").into();
    let spec = &mut top.template.as_mut().unwrap().spec;
    spec.termination_grace_seconds = line.get("grace").map(|s| s.parse().unwrap());
    spec.priority_class = line.get("priority").map(str::to_owned);
    spec.os = line.get("os").map(str::to_owned);
    if line.has("claim") {
        spec.volumes.push(PodVolume {
            name: "data".into(),
            source: PodVolumeSource::Claim {
                name: "data".into(),
            },
        });
    }
    if line.has("host-path") {
        spec.volumes.push(PodVolume {
            name: "logs".into(),
            source: PodVolumeSource::HostPath,
        });
    }
    if let Some(pair) = line.get("selector") {
        let (key, value) = pair.split_once(':').unwrap();
        spec.node_selector.insert(key.into(), value.into());
    }
    if let Some(terms) = line.get("terms") {
        let term = |pair: &str| {
            let (key, value) = pair.split_once(':').unwrap();
            NodeSelectorTerm {
                match_expressions: vec![requirement(key, value)],
                ..Default::default()
            }
        };
        spec.required_node_affinity = Some(terms.split('|').map(term).collect());
    }
    if let Some(key) = line.get("tolerates") {
        spec.tolerations.push(Toleration {
            key: key.into(),
            exists: true,
            ..Default::default()
        });
    }
    if let Some(key) = line.get("annotation") {
        let (key, value) = key.split_once(':').unwrap();
        let annotations = &mut top.template.as_mut().unwrap().annotations;
        annotations.insert(key.into(), value.into());
    }
    if line.has("rolling") {
        top.updated_replicas = Some(0);
    }
    if line.has("unknown-replicas") {
        top.replicas = None;
    }
    if line.has("owned") {
        top.meta.owners.push(owner("WebApp", name, "uid-op"));
    }
    if line.has("no-template") {
        top.template = None;
    }
    top.kind = kind.clone();
    let bare = kind == WorkloadKind::Pod;
    let direct = kind != WorkloadKind::Deployment;
    let owned = line.has("owned");
    let workloads = world.cluster.workloads.value_mut().unwrap();
    if !bare {
        workloads.push(top);
    }
    if !direct {
        workloads.push(set);
    }
    if line.has("no-pods") {
        return;
    }
    for (index, on) in on.iter().enumerate() {
        let mut p = pod(namespace, name, &format!("{name}-{index}"), on, c.clone());
        if bare {
            p.meta.owners.clear();
        } else if direct || owned {
            let uid = format!("uid-{namespace}-{name}");
            p.meta.owners = vec![owner(kind.as_str(), name, &uid)];
        }
        world.cluster.pods.value_mut().unwrap().push(p);
    }
    let budgets = line.get("budget").unwrap_or("max:34%");
    for (index, text) in budgets.split('+').filter(|b| *b != "none").enumerate() {
        let (bound, value) = text.split_once(':').unwrap();
        let value = match value.strip_suffix('%') {
            Some(percent) => IntOrPercent::Percent(percent.parse().unwrap()),
            None => IntOrPercent::Count(value.parse().unwrap()),
        };
        let allowed = line.get("allowed").map_or(Some(1), |a| a.parse().ok());
        let mut budget = PodDisruptionBudget {
            meta: meta(namespace, &format!("{name}-{index}")),
            selector: Some(LabelSelector {
                match_labels: Labels::from([("app".to_owned(), name.to_owned())]),
                ..Default::default()
            }),
            disruptions_allowed: allowed,
            ..Default::default()
        };
        match bound {
            "max" => budget.max_unavailable = Some(value),
            _ => budget.min_available = Some(value),
        }
        world
            .cluster
            .disruption_budgets
            .value_mut()
            .unwrap()
            .push(budget);
    }
}

fn add_event(world: &mut World, line: &Line) {
    let (kind, zone_letter) = line.word(2).split_once('/').unwrap();
    let event = PoolEvent {
        offering: Offering {
            instance_type: kind.into(),
            zone: (zone_letter != "*").then(|| zone(zone_letter).1),
            capacity_type: CapacityType::Spot,
        },
        kind: match line.word(1) {
            "notice" => PoolEventKind::InterruptionNotice,
            "ice" => PoolEventKind::InsufficientCapacity,
            _ => PoolEventKind::RebalanceRecommendation,
        },
        at: at(line.get("at").unwrap()),
        instance: None,
    };
    world.ledgers.pool_events.as_mut().unwrap().push(event);
}

fn add_commitment(world: &mut World, line: &Line) {
    let commitment = Commitment {
        id: line.word(1).to_owned(),
        kind: match line.word(2) {
            "compute" => CommitmentKind::ComputeSavingsPlan,
            "instance" => CommitmentKind::InstanceSavingsPlan,
            _ => CommitmentKind::ReservedInstance,
        },
        per_hour: line.get("per-hour").map(usd),
        count: line.get("count").map(|n| n.parse().unwrap()),
        instance_type: line.get("type").map(str::to_owned),
        ends_at: line.get("ends").map(at),
        rate_milli: line.get("rate").map(|n| n.parse().unwrap()),
        used_milli: line.get("used").map(|n| n.parse().unwrap()),
        ..Default::default()
    };
    world
        .cloud
        .commitments
        .value_mut()
        .unwrap()
        .push(commitment);
}

pub(crate) fn build(header: &Line, lines: &[Line]) -> (Snapshot, Catalog, Ledgers, Config) {
    let now = header.get("now").unwrap_or(NOW);
    let priced = header.get("priced").unwrap_or("2026-11-22");
    let mut world = new_world(priced.parse().unwrap());
    for line in lines {
        match line.word(0) {
            "type" => add_type(&mut world, line),
            "pool" => add_pool(&mut world, line),
            "node" => add_node(&mut world, line),
            "app" => add_app(&mut world, line),
            "event" => add_event(&mut world, line),
            "commitment" => add_commitment(&mut world, line),
            other => panic!("{other}: {}", line.text),
        }
    }
    if header.has("no-ledger") {
        world.ledgers = Ledgers::default();
    }
    match header.get("commitments") {
        Some("unknown") => world.cloud.commitments = Knowledge::default(),
        Some("stated") => {
            world.cloud.commitments = Knowledge::default();
            world.config = world.config.with_assume_no_commitments(true);
        }
        _ => {}
    }
    if header.get("requests") == Some("unknown") {
        world.cloud.spot_requests = Knowledge::default();
    }
    match header.get("quota") {
        Some("unknown") => world.cloud.quotas = Knowledge::default(),
        Some(value) => world.cloud.quotas.value_mut().unwrap()[0].value = value.parse().unwrap(),
        None => {}
    }
    if let Some(percent) = header.get("base-percent") {
        let percent = percent.parse().unwrap();
        world.config = world.config.with_on_demand_base_percent(percent);
    }
    if header.has("no-old") {
        world.config = world.config.with_old_generations(false);
    }
    if let Some(churn) = header.get("churn") {
        let churn = MicroUsd::from_usd(churn.parse().unwrap()).unwrap();
        world.config = world.config.with_churn_cost(churn);
    }
    let mut catalog = Catalog::empty();
    catalog.overlay(world.table);
    let snapshot = snapshot(now, world.cluster, world.cloud);
    (snapshot, catalog, world.ledgers, world.config)
}

pub(crate) fn run(
    config: &Config,
    snapshot: &Snapshot,
    catalog: &Catalog,
    ledgers: &Ledgers,
) -> EngineOutput {
    let inputs = Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog,
        policy: &Policy::default(),
        ledgers,
        deadline: None,
    };
    decide(config, &inputs, &AdvisorPrior).unwrap()
}

fn reason(reason: &AnyReason) -> String {
    let code = reason.code().1;
    let AnyReason::Spot(reason) = reason else {
        panic!("{reason:?}")
    };
    match reason {
        Reason::PoolPriced {
            risk_adjusted,
            hazard_ppm,
            ..
        } => format!("{code}({risk_adjusted},{}ppm)", hazard_ppm.value),
        Reason::Concentration {
            instance_type,
            replicas,
            ..
        } => format!("{code}({instance_type}:{replicas})"),
        Reason::Suitable {
            minimum, per_type, ..
        } => format!("{code}(stay={minimum},per_type={per_type})"),
        Reason::ReplicaPrice { spot, on_demand } => format!("{code}({spot},{on_demand})"),
        Reason::NoPool {
            considered,
            forbidden,
            rejected,
            too_dear,
        } => format!("{code}({considered},{forbidden},{rejected},{too_dear})"),
        _ => code,
    }
}

pub(crate) fn show(decision: &Decision) -> String {
    let mut line = match (&decision.subject, decision.actions.first()) {
        (Subject::Offering { offering, .. }, None) => format!(
            "pool {}/{}",
            offering.instance_type,
            letter(offering.zone.as_ref())
        ),
        (Subject::Workload { workload, .. }, None) => format!("keep {}", workload.name),
        (
            Subject::Workload { workload, .. },
            Some(Action::SetSpotShare {
                from,
                to,
                pools,
                fallback,
                ..
            }),
        ) => {
            let pools: Vec<_> = pools
                .iter()
                .map(|p| {
                    let zone = letter(p.offering.zone.as_ref());
                    format!("{}/{zone}:{}", p.offering.instance_type, p.replicas)
                })
                .collect();
            format!(
                "spot {} {from}->{to} [{}] else {}",
                workload.name,
                pools.join(" "),
                fallback.instance_type
            )
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(decision.saves_per_month, None, "room is no money");
    if let Some(stake) = decision.at_stake_per_month {
        line += &format!(" stake={stake}");
    }
    for r in &decision.reasons {
        line += &format!(" {}", reason(r));
    }
    line
}

#[test]
fn spot_cases() {
    run_cases("spot.txt", |header, lines| {
        let (snapshot, catalog, ledgers, config) = build(header, lines);
        let output = run(&config, &snapshot, &catalog, &ledgers);
        for r in output.decisions.iter().flat_map(|d| &d.reasons) {
            let text = r.to_string();
            assert!(Reason::CODES.contains(&r.code().1.as_str()), "{r:?}");
            assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
        }
        let pools = header.has("pools");
        output
            .decisions
            .iter()
            .filter(|d| matches!(d.subject, Subject::Offering { .. }) == pools)
            .map(show)
            .collect()
    });
}

#[test]
fn every_spot_reason_occurs_in_a_case() {
    assert_every_code_occurs(Reason::CODES, &["spot.txt"]);
}

#[test]
fn the_list_of_spot_codes_is_sorted() {
    assert!(Reason::CODES.is_sorted());
}

#[test]
fn spot_settings_out_of_range_are_refused_by_name() {
    let error = Config::default()
        .with_min_replicas(1)
        .validate()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "spot: min_replicas must be at least 2, got 1"
    );
    assert!(
        Config::default()
            .with_max_pool_percent(0)
            .validate()
            .is_err()
    );
    assert!(Config::default().validate().is_ok());
}

/// Text of a cluster: types, nodes and apps by the numbers given.
fn generated(types: &[(u32, u32, Option<u8>)], apps: &[(u32, u32, bool)]) -> Vec<String> {
    let mut lines = vec!["pool default".to_owned()];
    for (index, (od, spot_percent, band)) in types.iter().enumerate() {
        let od = f64::from(*od) / 1000.0;
        let spot = od * f64::from(*spot_percent) / 100.0;
        let band = band.map_or_else(String::new, |b| format!(" band={b}"));
        lines.push(format!("type f{index}i.xlarge od={od} spot={spot}{band}"));
    }
    for zone in ["a", "b", "c"] {
        lines.push(format!("node n{zone} type=f0i.xlarge zone={zone}"));
    }
    for (index, (replicas, budget, percent)) in apps.iter().enumerate() {
        let on: Vec<_> = (0..*replicas)
            .map(|i| ["na", "nb", "nc"][i as usize % 3])
            .collect();
        let unit = if *percent { "%" } else { "" };
        lines.push(format!(
            "app app{index} on={} budget=max:{budget}{unit}",
            on.join(",")
        ));
    }
    lines
}

pub(crate) fn parsed(lines: &[String]) -> (Snapshot, Catalog, Ledgers, Config) {
    let lines: Vec<_> = lines.iter().map(|l| Line::parse(l)).collect();
    build(&Line::parse("spot"), &lines)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_loss_of_any_pool_or_type_leaves_what_the_budget_wants(
        types in prop::collection::vec((100_u32..300, 20_u32..100, prop::option::of(0_u8..5)), 1..6),
        apps in prop::collection::vec((1_u32..24, 1_u32..60, any::<bool>()), 1..5),
    ) {
        let (snapshot, catalog, ledgers, config) = parsed(&generated(&types, &apps));
        let output = run(&config, &snapshot, &catalog, &ledgers);
        for decision in &output.decisions {
            let Some(Action::SetSpotShare { workload, to, pools, .. }) = decision.actions.first() else {
                continue;
            };
            let index: usize = workload.name.trim_start_matches("app").parse().unwrap();
            let (replicas, budget, percent) = apps[index];
            let lose = if percent { (replicas * budget).div_ceil(100) } else { budget };
            let minimum = replicas.saturating_sub(lose);
            let mut by_type = BTreeMap::<&InstanceType, u32>::new();
            let mut by_zone = BTreeMap::<&ZoneId, u32>::new();
            for p in pools {
                prop_assert!(replicas - p.replicas >= minimum);
                *by_type.entry(&p.offering.instance_type).or_default() += p.replicas;
                *by_zone.entry(p.offering.zone.as_ref().unwrap()).or_default() += p.replicas;
            }
            for lost in by_type.values() {
                prop_assert!(replicas - lost >= minimum, "{decision:?}");
                prop_assert!(*lost <= (replicas / 2).max(1));
            }
            for in_zone in by_zone.values() {
                prop_assert!(*in_zone <= (replicas / 2).max(1));
            }
            // The pools hold what is to be on spot, and one stays on demand.
            prop_assert_eq!(pools.iter().map(|p| p.replicas).sum::<u32>(), *to);
            prop_assert!(*to < replicas);
        }
    }

    #[test]
    fn no_pool_without_reason_and_none_used_that_is_not_cheaper(
        types in prop::collection::vec((100_u32..300, 20_u32..130, prop::option::of(0_u8..5)), 1..6),
    ) {
        let (snapshot, catalog, ledgers, config) = parsed(&generated(&types, &[(9, 34, true)]));
        let output = run(&config, &snapshot, &catalog, &ledgers);
        let mut pools = 0;
        for decision in &output.decisions {
            prop_assert!(!decision.reasons.is_empty());
            if let Subject::Offering { .. } = decision.subject {
                pools += 1;
            }
            if let Some(Action::SetSpotShare { pools, .. }) = decision.actions.first() {
                for pool in pools {
                    let kind = pool.offering.instance_type.as_str();
                    let od = catalog.on_demand("us-east-1", kind).unwrap().value;
                    prop_assert!(pool.risk_adjusted_price < od);
                }
            }
        }
        prop_assert_eq!(pools, types.len() * 3);
    }

    #[test]
    fn spot_answers_do_not_depend_on_the_order_of_the_input(seed in any::<u64>()) {
        let base = zoo();
        let mut mixed = base.0.clone();
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        macro_rules! mix {
            ($of:expr, $($part:ident),*) => {$(
                $of.$part.value_mut().unwrap().sort_by_cached_key(|_| next());
            )*};
        }
        mix!(mixed.clusters[0], nodes, pods, workloads, disruption_budgets, node_pools);
        mix!(mixed.clouds[0], instances, node_groups, commitments);
        mixed.normalize();
        let json = |s: &Snapshot| serde_json::to_string(&run(&base.3, s, &base.1, &base.2)).unwrap();
        prop_assert_eq!(json(&mixed), json(&base.0));
    }
}

fn zoo() -> (Snapshot, Catalog, Ledgers, Config) {
    let mut lines = generated(
        &[
            (192, 40, Some(0)),
            (200, 35, Some(3)),
            (180, 70, None),
            (150, 95, Some(1)),
        ],
        &[(6, 34, true), (4, 1, false), (12, 25, true)],
    );
    lines.push("event ice f1i.xlarge/a at=2026-11-22T01:00Z".to_owned());
    lines.push("commitment sp compute per-hour=0.1 rate=700 used=1000".to_owned());
    parsed(&lines)
}

fn acts(output: &EngineOutput) -> usize {
    output.decisions.iter().filter(|d| !d.is_keep()).count()
}

#[test]
fn less_knowledge_never_adds_an_act_of_the_spot_engine() {
    let (base, catalog, ledgers, config) = zoo();
    let before = acts(&run(&config, &base, &catalog, &ledgers));
    assert!(before > 0);
    macro_rules! each {
        ($of:ident: $($part:ident),* $(,)?) => {$(
            for unknown in [false, true] {
                let mut less = base.clone();
                let part = &mut less.$of[0].$part;
                *part = if unknown {
                    Knowledge::default()
                } else {
                    std::mem::take(part).demoted(Gap::CompletenessNotStated)
                };
                let after = acts(&run(&config, &less, &catalog, &ledgers));
                assert_eq!(after, 0, "{} unknown={unknown}", stringify!($part));
            }
        )*};
    }
    each!(clusters: nodes, pods, workloads, disruption_budgets, node_pools);
    each!(clouds: node_groups, instances, commitments);
    assert_eq!(acts(&run(&config, &base, &catalog, &Ledgers::default())), 0);
    let mut cloudless = base.clone();
    cloudless.clouds.clear();
    assert_eq!(acts(&run(&config, &cloudless, &catalog, &ledgers)), 0);
}

#[test]
fn a_wider_commitment_never_moves_more() {
    let moved = |per_hour: &str| {
        let mut lines = generated(&[(192, 40, Some(0)), (200, 35, Some(1))], &[(6, 34, true)]);
        lines.push(format!(
            "commitment sp compute per-hour={per_hour} rate=700 used=1000"
        ));
        let (snapshot, catalog, ledgers, config) = parsed(&lines);
        let output = run(&config, &snapshot, &catalog, &ledgers);
        output
            .decisions
            .iter()
            .flat_map(|d| &d.actions)
            .map(|a| match a {
                Action::SetSpotShare { from, to, .. } => to - from,
                _ => 0,
            })
            .sum::<u32>()
    };
    let all: Vec<_> = ["0.01", "0.3", "0.35", "0.4", "2"].map(moved).to_vec();
    assert!(all.is_sorted_by(|a, b| a >= b), "{all:?}");
    assert!(all[0] > 0 && all[4] == 0, "{all:?}");
}

/// A plan that was written before the figure was shows none, and no 0 %.
#[test]
fn a_chance_that_nobody_wrote_is_not_shown_as_none() {
    let (snapshot, catalog, ledgers, config) = zoo();
    let output = run(&config, &snapshot, &catalog, &ledgers);
    let mut reasons = output.decisions.iter().flat_map(|d| &d.reasons);
    let priced = reasons
        .find(|r| matches!(r, AnyReason::Spot(Reason::PoolPriced { .. })))
        .unwrap();
    assert!(priced.to_string().contains("% in 1 h"), "{priced}");
    let mut old = serde_json::to_value(priced).unwrap();
    old.as_object_mut().unwrap().remove("risk_1h_milli");
    let read: AnyReason = serde_json::from_value(old.clone()).unwrap();
    assert!(!read.to_string().contains("in 1 h"), "{read}");
    assert_eq!(serde_json::to_value(&read).unwrap(), old);
}
