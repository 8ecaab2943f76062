//! What holds of the engines that look outwards (ghosts, zombies, spot,
//! network) on generated snapshots: the order of the input is forgotten,
//! knowing less never adds an act, a longer grace never deletes more.

use crate::cases::Line;
use crate::fixtures::*;
use crate::{ghost_probe as ghosts, network as net, spot as market, zombie_volumes as zombies};
use chrono::TimeDelta;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::Subject;
use cloudoptim_core::engines::{EngineOutput, Inputs, ghost_probe, network, spot, zombie_volumes};
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::ledger::{Ledgers, Observed};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Lines of a case, for people to read when it fails.
#[derive(Clone)]
struct Case(Vec<String>);

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}\n", self.0.join("\n"))
    }
}

/// The snapshot in another order, as some other reader may have built it.
fn shuffled(base: &Snapshot, seed: u64) -> Snapshot {
    let mut mixed = base.clone();
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (cluster, cloud) = (&mut mixed.clusters[0], &mut mixed.clouds[0]);
    macro_rules! mix {
        ($of:ident: $($name:ident),*) => {$(
            if let Some(items) = $of.$name.value_mut() {
                items.sort_by_cached_key(|_| next());
            }
        )*};
    }
    mix!(cluster: nodes, pods, workloads, disruption_budgets, persistent_volumes, claims,
        volume_attachments, volume_snapshots, services, endpoint_slices,
        horizontal_autoscalers, node_pools, node_claims, leases, traffic);
    mix!(cloud: instances, volumes, ebs_snapshots, auto_scaling_groups, node_groups, zones,
        spot_requests, commitments);
    mixed.normalize();
    mixed
}

/// The snapshot with less known: each part gone, and each part that may have
/// holes, with its name. The account's prices are not among them: without them
/// those of the catalogue hold, with their own dates. A quota of spot that is
/// not known stops nothing by design, and the generated one has room.
fn less(base: &Snapshot) -> Vec<(String, Snapshot)> {
    let mut all = Vec::new();
    for demote in [false, true] {
        macro_rules! forget {
            ($list:ident: $($name:ident),*) => {$(
                let mut less = base.clone();
                let part = &mut less.$list[0].$name;
                let old = std::mem::take(part);
                if demote {
                    *part = old.demoted(Gap::CompletenessNotStated);
                }
                all.push((format!("{} demote={demote}", stringify!($name)), less));
            )*};
        }
        forget!(clusters: nodes, pods, workloads, disruption_budgets, persistent_volumes,
            claims, storage_classes, csi_nodes, volume_attachments, volume_snapshots, services,
            endpoint_slices, horizontal_autoscalers, vertical_autoscalers, scaled_objects,
            limit_ranges, resource_quotas, priority_classes, runtime_classes, node_pools,
            node_claims, leases, events, namespaces, usage, traffic);
        forget!(clouds: instances, volumes, ebs_snapshots, auto_scaling_groups, node_groups,
            cluster_records, zones, subnets, quotas, spot_requests, commitments);
        let mut less = base.clone();
        let old = std::mem::take(&mut less.expected_clusters);
        if demote {
            less.expected_clusters = old.demoted(Gap::CompletenessNotStated);
        }
        all.push((format!("expected_clusters demote={demote}"), less));
    }
    for (list, name) in [(true, "no cluster"), (false, "no account")] {
        let mut less = base.clone();
        if list {
            less.clusters.clear();
        } else {
            less.clouds.clear();
        }
        all.push((name.to_owned(), less));
    }
    all
}

/// Every act, by its subject and what it does, whatever the numbers in it.
fn acts(output: &EngineOutput) -> BTreeSet<String> {
    let decisions = output.decisions.iter();
    decisions
        .flat_map(|d| d.actions.iter().map(move |a| (&d.subject, a)))
        .map(|(subject, action)| {
            let action = serde_json::to_value(action).unwrap();
            let kind = action["kind"].as_str().or(action["action"].as_str());
            format!("{subject} {}", kind.unwrap_or("?"))
        })
        .collect()
}

fn json(output: &EngineOutput) -> String {
    serde_json::to_string(output).unwrap()
}

fn inputs<'a>(
    snapshot: &'a Snapshot,
    catalog: &'a Catalog,
    ledgers: &'a Ledgers,
    rest: &'a (Overlay, Policy),
) -> Inputs<'a> {
    Inputs {
        snapshot,
        overlay: &rest.0,
        catalog,
        policy: &rest.1,
        ledgers,
        deadline: None,
    }
}

fn one(options: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(options)
}

/// Nothing in most cases, else one of these.
fn mostly(options: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 1 => prop::sample::select(options)]
}

fn row(seen: i64, last: i64, gap: u64) -> Observed {
    let now = at(ghosts::NOW);
    Observed {
        first_at: now - TimeDelta::hours(seen),
        last_at: now - TimeDelta::hours(last),
        count: 20,
        longest_gap_seconds: gap * 3600,
    }
}

// Ghosts: a healthy cluster of 24 nodes, and up to five others.

fn any_ghosts() -> impl Strategy<Value = Case> {
    let line = (
        (
            mostly(&["state=stopped", "state=terminated", "age=20m"]),
            mostly(&["spot request=persistent", "spot request=one-time", "block"]),
            mostly(&["group=InService", "group=Standby", "group=InService min=3"]),
        ),
        mostly(&["type=i4i.xlarge", "type=z9.new", "elastic=52.0.0.1"]),
        mostly(&["marked=30 protected=no", "marked=2", "protected=yes"]),
        mostly(&[
            "tags=\"kubernetes.io/cluster/test=owned;karpenter.sh/nodepool=a\" claim=c",
            "tags=\"kubernetes.io/cluster/other=owned\"",
            "tags=\"\" template=lt-test",
            "template=lt-test",
        ]),
        mostly(&["dns=HOST lease=5m"]),
        prop_oneof![Just(0_i64), 20_i64..60],
    );
    prop::collection::vec(line, 1..6).prop_map(|lines| {
        let of = |(i, ((a, b, c), d, e, f, g, seen)): (usize, _)| {
            let text = format!("i id=i-x{i} {a} {b} {c} {d} {e} {f} {g} since={seen}");
            text.replace("HOST", &format!("host-{i}"))
        };
        Case(lines.into_iter().enumerate().map(of).collect())
    })
}

fn ghost_world(case: &Case) -> (Snapshot, Ledgers) {
    let now = at(ghosts::NOW);
    let (mut cluster, mut cloud) = ghosts::healthy(24);
    for i in cloud.instances.value_mut().unwrap() {
        let key = "aws:ec2launchtemplate:id".to_owned();
        i.tags.insert(key, "lt-test".to_owned());
    }
    let mut seen = BTreeMap::new();
    for (index, text) in case.0.iter().enumerate() {
        let line = Line::parse(text);
        let mut i = ghosts::instance(&line, now);
        let hours: i64 = line.get("since").unwrap().parse().unwrap();
        if hours > 0 {
            seen.insert(i.id.clone(), row(hours, 1, 3));
        }
        if let Some(lifecycle) = line.get("group") {
            let name = format!("asg-{index}");
            let key = "aws:autoscaling:groupName".to_owned();
            i.tags.insert(key, name.clone());
            let groups = cloud.auto_scaling_groups.value_mut().unwrap();
            groups.push(AutoScalingGroup {
                name,
                min_size: line.get("min").unwrap_or("1").parse().unwrap(),
                desired: 3,
                max_size: 9,
                instances: vec![GroupInstance {
                    instance: i.id.clone(),
                    lifecycle: lifecycle.to_owned(),
                    ..Default::default()
                }],
                ..Default::default()
            });
        }
        if let Some(kind) = line.get("request") {
            let requests = cloud.spot_requests.value_mut().unwrap();
            requests.push(SpotRequest {
                id: format!("sir-{index}"),
                instance: Some(i.id.clone()),
                persistent: kind == "persistent",
                state: "active".into(),
                ..Default::default()
            });
        }
        if let Some(name) = line.get("claim") {
            let claims = cluster.node_claims.value_mut().unwrap();
            claims.push(NodeClaim {
                meta: meta("", &format!("{name}-{index}")),
                provider_id: Some(format!("aws:///us-east-1a/{}", i.id)),
                ..Default::default()
            });
        }
        if line.get("lease").is_some() {
            let leases = cluster.leases.value_mut().unwrap();
            leases.push(Lease {
                meta: meta("kube-node-lease", &format!("host-{index}")),
                renewed_at: Some(now - TimeDelta::minutes(5)),
                ..Default::default()
            });
        }
        cloud.instances.value_mut().unwrap().push(i);
    }
    let ledgers = Ledgers {
        instances_without_node: Some(seen),
        nodes_without_instance: Some(BTreeMap::new()),
        ..Default::default()
    };
    (snapshot(ghosts::NOW, cluster, cloud), ledgers)
}

/// Without caps, which do nothing at all when one act too many is due.
fn open_ghosts(grace_hours: u32) -> ghost_probe::Config {
    let mut config = ghost_probe::Config::default()
        .with_caps(100, 100)
        .with_grace_hours(grace_hours);
    config.suspicion_percent = 100;
    config
}

fn find_ghosts(
    config: &ghost_probe::Config,
    snapshot: &Snapshot,
    catalog: &Catalog,
    ledgers: &Ledgers,
) -> EngineOutput {
    let rest = Default::default();
    ghost_probe::decide(config, &inputs(snapshot, catalog, ledgers, &rest)).unwrap()
}

// Zombies: twenty busy volumes, and up to five free ones.

fn any_zombies() -> impl Strategy<Value = Case> {
    let line = (
        mostly(&["csi", "csi", "tags=CSIVolumeName=x", "tags=keep=yes"]),
        mostly(&[
            "pv=bound",
            "pv=released",
            "pv=available",
            "va=done",
            "vs=no",
            "vs=yes",
        ]),
        mostly(&["snapshot=completed", "snapshot=pending", "snapshot=error"]),
        mostly(&[
            "key=alias/aws/ebs",
            "key=k1",
            "key=k1 key_state=Enabled",
            "key=k2 key_state=Disabled",
        ]),
        mostly(&[
            "multi-attach",
            "type=gp2",
            "type=st1",
            "type=x",
            "creation-unknown",
        ]),
        prop_oneof![Just(0_i64), 100_i64..400],
    );
    prop::collection::vec(line, 1..6).prop_map(|lines| {
        let of = |(i, (a, b, c, d, e, seen)): (usize, _)| {
            let names = format!("handle=vol-x{i} pv_name=pv-{i} claim=data-{i}-0 va_of=pv-{i}");
            format!("v id={i} {names} {a} {b} {c} {d} {e} since={seen}")
        };
        Case(lines.into_iter().enumerate().map(of).collect())
    })
}

fn zombie_world(case: &Case) -> (Snapshot, Ledgers) {
    let (mut cluster, mut cloud) = zombies::busy();
    let mut seen = BTreeMap::new();
    for text in &case.0 {
        let line = Line::parse(text);
        let id = line.get("id").unwrap();
        let name = VolumeId::new(format!("vol-x{id}"));
        let mut v = zombies::free_volume(&line, name.as_str());
        if line.has("csi") {
            for (key, tag) in [
                ("CSIVolumeName", "pv_name"),
                ("kubernetes.io/created-for/pv/name", "pv_name"),
                ("kubernetes.io/created-for/pvc/name", "claim"),
            ] {
                v.tags.insert(key.into(), line.get(tag).unwrap().into());
            }
        }
        cloud.volumes.value_mut().unwrap().push(v);
        zombies::copies(&line, name.as_str(), &mut cloud);
        zombies::kubernetes(&line, &mut cluster);
        let hours: i64 = line.get("since").unwrap().parse().unwrap();
        if hours > 0 {
            seen.insert(name, row(hours, 12, 24));
        }
    }
    let ledgers = Ledgers {
        volumes_unattached: Some(seen),
        asleep: Some(Vec::new()),
        ..Default::default()
    };
    (snapshot(zombies::NOW, cluster, cloud), ledgers)
}

fn open_zombies(grace_days: u16) -> zombie_volumes::Config {
    let mut config = zombie_volumes::Config::default()
        .with_caps(100, 100)
        .with_grace_days(grace_days);
    config.suspicion_percent = 100;
    config
}

fn find_zombies(
    config: &zombie_volumes::Config,
    snapshot: &Snapshot,
    catalog: &Catalog,
    ledgers: &Ledgers,
) -> EngineOutput {
    let rest = Default::default();
    zombie_volumes::decide(config, &inputs(snapshot, catalog, ledgers, &rest)).unwrap()
}

// Spot: up to four types, nodes of either kind, and up to five apps.

fn any_market() -> impl Strategy<Value = Case> {
    let types = (
        100_u32..300,
        20_u32..110,
        mostly(&["band=0", "band=2", "band=4"]),
    );
    let nodes = (
        one(&["a", "b", "c"]),
        0_usize..4,
        mostly(&[
            "capacity=spot",
            "capacity=spot request=persistent/terminate",
            "capacity=spot request=one-time/stop",
            "tenancy=dedicated",
            "platform=\"suse linux\"",
        ]),
    );
    let apps = (
        1_u32..12,
        1_u32..60,
        any::<bool>(),
        0_usize..8,
        mostly(&[
            "claim",
            "grace=120",
            "kind=StatefulSet",
            "rolling",
            "selector=karpenter.k8s.aws/instance-local-nvme:100",
        ]),
    );
    let events = (
        one(&["notice", "ice", "rebalance"]),
        0_usize..4,
        one(&["a", "b", "*"]),
        0_u32..30,
    );
    (
        prop::collection::vec(types, 1..5),
        prop::collection::vec(nodes, 1..6),
        prop::collection::vec(apps, 1..6),
        prop::collection::vec(events, 0..3),
        mostly(&["commitment sp compute per-hour=0.2 rate=700 used=1000"]),
    )
        .prop_map(|(types, nodes, apps, events, plan)| {
            let mut lines = vec!["pool default".to_owned()];
            for (i, (od, percent, band)) in types.iter().enumerate() {
                let od = f64::from(*od) / 1000.0;
                let spot = od * f64::from(*percent) / 100.0;
                lines.push(format!("type f{i}i.xlarge od={od} spot={spot} {band}"));
            }
            for (i, (zone, kind, extra)) in nodes.iter().enumerate() {
                let kind = kind % types.len();
                lines.push(format!(
                    "node n{i} zone={zone} type=f{kind}i.xlarge {extra}"
                ));
            }
            for (i, (replicas, budget, percent, start, extra)) in apps.iter().enumerate() {
                let on: Vec<String> = (0..*replicas as usize)
                    .map(|r| format!("n{}", (start + r) % nodes.len()))
                    .collect();
                let unit = if *percent { "%" } else { "" };
                lines.push(format!(
                    "app app{i} on={} budget=max:{budget}{unit} {extra}",
                    on.join(",")
                ));
            }
            for (kind, of, zone, hours) in &events {
                let of = of % types.len();
                let when = at("2026-11-22T02:30Z") - TimeDelta::hours(i64::from(*hours));
                let when = when.format("%Y-%m-%dT%H:%MZ");
                lines.push(format!("event {kind} f{of}i.xlarge/{zone} at={when}"));
            }
            if !plan.is_empty() {
                lines.push(plan.to_owned());
            }
            Case(lines)
        })
}

fn trade(
    config: &spot::Config,
    snapshot: &Snapshot,
    catalog: &Catalog,
    ledgers: &Ledgers,
) -> EngineOutput {
    let rest = Default::default();
    let inputs = inputs(snapshot, catalog, ledgers, &rest);
    spot::decide(config, &inputs, &spot::AdvisorPrior).unwrap()
}

// Network: up to five apps with services, and who calls whom.

fn any_traffic() -> impl Strategy<Value = Case> {
    // Enough endpoints in every zone, or any number of them.
    let counts = prop_oneof![
        3 => (3_u32..6).prop_map(|n| [n; 3]),
        1 => prop::array::uniform3(0_u32..6),
    ];
    let apps = (
        counts,
        mostly(&[
            "host-network",
            "rolling",
            "kind=StatefulSet",
            "claim=data",
            "image=redis:7",
            "sidecar=istio-proxy",
        ]),
        mostly(&[
            "headless",
            "affinity=ClientIP",
            "kind=LoadBalancer",
            "distribution=PreferClose",
            "down",
            "odd-zone",
        ]),
        mostly(&["hpa", "no-service"]),
    );
    let bytes = prop_oneof![
        (10_u64..300).prop_map(|n| [n; 3]),
        prop::array::uniform3(0_u64..300),
    ];
    let calls = (0_usize..5, 0_usize..5, bytes);
    (
        prop::collection::vec(apps, 1..5),
        prop::collection::vec(calls, 0..6),
        mostly(&["cilium", "kube-proxy"]),
    )
        .prop_map(|(apps, calls, proxy)| {
            let mut lines = Vec::new();
            let by = |n: [u64; 3]| {
                let all = ["a", "b", "c"].into_iter().zip(n).filter(|(_, n)| *n > 0);
                let all: Vec<String> = all.map(|(zone, n)| format!("{zone}:{n}")).collect();
                all.join(",")
            };
            let mut zones = Vec::new();
            for (i, (counts, extra, _, _)) in apps.iter().enumerate() {
                let mut counts = counts.map(u64::from);
                counts[0] += u64::from(counts == [0; 3]);
                zones.push(counts);
                lines.push(format!("app a{i} zones={} {extra}", by(counts)));
            }
            if !proxy.is_empty() {
                lines.push(format!(
                    "app kube-system/{proxy} kind=DaemonSet zones=a:1,b:1,c:1"
                ));
            }
            for (i, (_, _, service, more)) in apps.iter().enumerate() {
                if *more != "no-service" {
                    lines.push(format!("service a{i} app=a{i} {service}"));
                }
                if *more == "hpa" {
                    lines.push(format!("hpa a{i} min=9"));
                }
            }
            for (from, to, bytes) in calls {
                let (from, to) = (from % apps.len(), to % apps.len());
                // Clients are where their app runs.
                let mut bytes = bytes;
                for (b, pods) in bytes.iter_mut().zip(zones[from]) {
                    *b *= u64::from(pods > 0);
                }
                if bytes != [0; 3] {
                    lines.push(format!("calls a{from} a{to} gb={}", by(bytes)));
                }
            }
            Case(lines)
        })
}

fn traffic_world(case: &Case) -> Snapshot {
    let lines: Vec<Line> = case.0.iter().map(|l| Line::parse(l)).collect();
    net::build(&Line::parse("network"), &lines).0
}

fn route(snapshot: &Snapshot, catalog: &Catalog) -> EngineOutput {
    let rest = Default::default();
    let ledgers = Ledgers::default();
    let config = network::Config::default();
    network::decide(&config, &inputs(snapshot, catalog, &ledgers, &rest)).unwrap()
}

/// Whether `after` has an act that `before` has not.
fn added(before: &EngineOutput, after: &EngineOutput) -> Option<String> {
    acts(after).difference(&acts(before)).next().cloned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ghosts_do_not_depend_on_the_order_and_less_knowledge_adds_none(
        case in any_ghosts(),
        seed in any::<u64>(),
        open in any::<bool>(),
    ) {
        let (snapshot, ledgers) = ghost_world(&case);
        let config = if open { open_ghosts(24) } else { ghost_probe::Config::default() };
        let catalog = ghosts::catalog();
        let base = find_ghosts(&config, &snapshot, &catalog, &ledgers);
        let mixed = find_ghosts(&config, &shuffled(&snapshot, seed), &catalog, &ledgers);
        prop_assert_eq!(json(&base), json(&mixed));
        for (what, less) in less(&snapshot) {
            let after = find_ghosts(&config, &less, &catalog, &ledgers);
            prop_assert_eq!(added(&base, &after), None, "{}", what);
        }
        let after = find_ghosts(&config, &snapshot, &Catalog::empty(), &ledgers);
        prop_assert_eq!(added(&base, &after), None, "no catalogue");
        let after = find_ghosts(&config, &snapshot, &catalog, &Ledgers::default());
        prop_assert!(acts(&after).is_empty(), "no ledger");
    }

    #[test]
    fn a_longer_grace_never_ends_more_ghosts(case in any_ghosts(), by in 0_u32..40) {
        let (snapshot, ledgers) = ghost_world(&case);
        let catalog = ghosts::catalog();
        let short = find_ghosts(&open_ghosts(24), &snapshot, &catalog, &ledgers);
        let long = find_ghosts(&open_ghosts(24 + by), &snapshot, &catalog, &ledgers);
        prop_assert_eq!(added(&short, &long), None);
    }

    #[test]
    fn zombies_do_not_depend_on_the_order_and_less_knowledge_adds_none(
        case in any_zombies(),
        seed in any::<u64>(),
        open in any::<bool>(),
    ) {
        let (snapshot, ledgers) = zombie_world(&case);
        let config = if open { open_zombies(7) } else { zombie_volumes::Config::default() };
        let catalog = zombies::catalog();
        let base = find_zombies(&config, &snapshot, &catalog, &ledgers);
        let mixed = find_zombies(&config, &shuffled(&snapshot, seed), &catalog, &ledgers);
        prop_assert_eq!(json(&base), json(&mixed));
        for (what, less) in less(&snapshot) {
            let after = find_zombies(&config, &less, &catalog, &ledgers);
            prop_assert_eq!(added(&base, &after), None, "{}", what);
        }
        for (catalog, ledgers) in [(&Catalog::empty(), &ledgers), (&catalog, &Ledgers::default())] {
            let after = find_zombies(&config, &snapshot, catalog, ledgers);
            prop_assert!(acts(&after).is_empty());
        }
    }

    #[test]
    fn a_longer_grace_never_deletes_more_volumes(case in any_zombies(), by in 0_u16..12) {
        let (snapshot, ledgers) = zombie_world(&case);
        let catalog = zombies::catalog();
        let short = find_zombies(&open_zombies(4), &snapshot, &catalog, &ledgers);
        let long = find_zombies(&open_zombies(4 + by), &snapshot, &catalog, &ledgers);
        prop_assert_eq!(added(&short, &long), None);
    }

    #[test]
    fn spot_does_not_depend_on_the_order_and_less_knowledge_adds_none(
        case in any_market(),
        seed in any::<u64>(),
    ) {
        let (snapshot, catalog, ledgers, config) = market::parsed(&case.0);
        let base = trade(&config, &snapshot, &catalog, &ledgers);
        let mut late = ledgers.clone();
        late.pool_events.as_mut().unwrap().reverse();
        let mixed = trade(&config, &shuffled(&snapshot, seed), &catalog, &late);
        prop_assert_eq!(json(&base), json(&mixed));
        for (what, less) in less(&snapshot) {
            let after = trade(&config, &less, &catalog, &ledgers);
            prop_assert_eq!(added(&base, &after), None, "{}", what);
        }
        let blind = trade(&config, &snapshot, &catalog, &Ledgers::default());
        prop_assert!(acts(&blind).is_empty());
        let unpriced = trade(&config, &snapshot, &Catalog::empty(), &ledgers);
        prop_assert!(acts(&unpriced).is_empty());
    }

    #[test]
    fn network_does_not_depend_on_the_order_and_less_knowledge_adds_none(
        case in any_traffic(),
        seed in any::<u64>(),
    ) {
        let snapshot = traffic_world(&case);
        let catalog = net::priced();
        let base = route(&snapshot, &catalog);
        prop_assert_eq!(json(&base), json(&route(&shuffled(&snapshot, seed), &catalog)));
        for (what, less) in less(&snapshot) {
            prop_assert_eq!(added(&base, &route(&less, &catalog)), None, "{}", what);
        }
        prop_assert!(acts(&route(&snapshot, &Catalog::empty())).is_empty());
        // Every service has its decision, and a kept one says why.
        let mut named = BTreeSet::new();
        for decision in &base.decisions {
            prop_assert!(!decision.reasons.is_empty());
            if let Subject::Service { service, .. } = &decision.subject {
                prop_assert!(named.insert(service.clone()), "{service} twice");
            }
        }
        let services = snapshot.clusters[0].services.items().iter();
        let services: BTreeSet<_> = services
            .map(|s| NamespacedName::new(s.meta.namespace.clone(), s.meta.name.clone()))
            .collect();
        prop_assert_eq!(named, services);
    }
}

/// The generators reach what they are for.
#[test]
fn generated_cases_have_acts_of_every_kind() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut found = [0_usize; 4];
    for _ in 0..40 {
        let case = any_ghosts().new_tree(&mut runner).unwrap().current();
        let (snapshot, ledgers) = ghost_world(&case);
        found[0] += acts(&find_ghosts(
            &open_ghosts(24),
            &snapshot,
            &ghosts::catalog(),
            &ledgers,
        ))
        .len();
        let case = any_zombies().new_tree(&mut runner).unwrap().current();
        let (snapshot, ledgers) = zombie_world(&case);
        found[1] += acts(&find_zombies(
            &open_zombies(7),
            &snapshot,
            &zombies::catalog(),
            &ledgers,
        ))
        .len();
        let case = any_market().new_tree(&mut runner).unwrap().current();
        let (snapshot, catalog, ledgers, config) = market::parsed(&case.0);
        found[2] += acts(&trade(&config, &snapshot, &catalog, &ledgers)).len();
        let case = any_traffic().new_tree(&mut runner).unwrap().current();
        found[3] += acts(&route(&traffic_world(&case), &net::priced())).len();
    }
    assert!(found.iter().all(|n| *n >= 5), "{found:?}");
}
