//! The ghost probe: scenarios, one line each, and properties.
//!
//! Each line of the table is one scenario: one instance (or node) beside a
//! healthy cluster of twenty nodes in three zones.

use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::*;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::catalog::{
    Architecture, Basis, Catalog, EbsPrice, Figure, InstanceTypeInfo, LocalStorage, ServicePrice,
    ServiceUnit, Source, Table, service,
};
use cloudoptim_core::decision::{Action, Decision, MissingEvidence, Subject};
use cloudoptim_core::engines::ghost_probe::{Config, MARK, Reason, decide};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::{Ledgers, Observed};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;
use std::collections::BTreeMap;

const FILE: &str = "ghost_probe.txt";
pub(crate) const NOW: &str = "2026-11-22T02:30Z";
const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

pub(crate) fn catalog() -> Catalog {
    let date = chrono::NaiveDate::from_ymd_opt(2026, 1, 19).unwrap();
    let mut table = Table::new(Source::new("test", date));
    for name in ["m6i.xlarge", "x9.big", "i4i.xlarge"] {
        let mut info = InstanceTypeInfo::new(name, 4, bytes("16Gi"), Architecture::Amd64);
        if name == "i4i.xlarge" {
            info.local_storage = Some(LocalStorage::nvme(bytes("937G"), 1));
        }
        table.instance_type(info);
    }
    for (name, price) in [("m6i.xlarge", 192_000), ("i4i.xlarge", 343_000)] {
        table
            .on_demand("us-east-1", name, MicroUsdPerHour(price))
            .unwrap();
    }
    table.ebs(
        "us-east-1",
        "gp3",
        EbsPrice::new(Figure::new(MicroUsdPerMonth(80_000), date, Basis::Listed)),
    );
    let address = ServicePrice {
        price: MicroUsd(5_000),
        per: ServiceUnit::Hour,
    };
    table
        .service(Some("us-east-1".into()), service::PUBLIC_IPV4, address)
        .unwrap();
    let mut catalog = Catalog::empty();
    catalog.overlay(table);
    catalog
}

fn hours(text: &str) -> TimeDelta {
    let minutes = match text.strip_suffix('m') {
        Some(m) => m.parse().unwrap(),
        None => text.parse::<i64>().unwrap() * 60,
    };
    TimeDelta::minutes(minutes)
}

/// A cluster of `n` ready nodes with their instances.
pub(crate) fn healthy(n: usize) -> (Cluster, Cloud) {
    let (mut cluster, mut cloud) = (cluster(), cloud());
    let mut nodes = Vec::new();
    let mut instances = Vec::new();
    for i in 0..n {
        let zone = ZONES[i % 3];
        let mut node = node(&format!("n{i:02}"), "4", "16Gi");
        node.provider_id = Some(format!("aws:///{zone}/i-ok{i:02}"));
        nodes.push(node);
        instances.push(Instance {
            id: format!("i-ok{i:02}").into(),
            instance_type: "m6i.xlarge".into(),
            state: InstanceState::Running,
            zone: Some(zone.into()),
            launched_at: Some(at("2026-10-01T00:00Z")),
            tags: Labels::from([("kubernetes.io/cluster/test".into(), "owned".into())]),
            ..Default::default()
        });
    }
    cluster.nodes = complete(nodes);
    cloud.instances = complete(instances);
    (cluster, cloud)
}

fn tags(text: &str) -> Labels {
    text.split(';')
        .filter(|t| !t.is_empty())
        .map(|t| t.split_once('=').unwrap_or_else(|| panic!("{t}")))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

fn push<T>(part: &mut Knowledge<Vec<T>>, item: T) {
    part.value_mut().unwrap().push(item);
}

fn observed(line: &Line, now: DateTime<Utc>) -> Observed {
    let last_at = now - hours(line.get("last").unwrap_or("1"));
    Observed {
        first_at: now - hours(line.get("seen").unwrap_or("48")),
        last_at,
        count: line.get("count").unwrap_or("20").parse().unwrap(),
        longest_gap_seconds: hours(line.get("gap").unwrap_or("3")).num_seconds() as u64,
    }
}

fn lose(line: &Line, cluster: &mut Cluster, cloud: &mut Cloud) {
    fn away<T>(part: &mut Knowledge<T>) {
        *part = Knowledge::unknown(Gap::NotCollected);
    }
    match line.get("lost") {
        None => {}
        Some("nodes") => {
            cluster.nodes = std::mem::take(&mut cluster.nodes).demoted(Gap::CompletenessNotStated);
        }
        Some("instances") => {
            cloud.instances =
                std::mem::take(&mut cloud.instances).demoted(Gap::CompletenessNotStated);
        }
        Some("groups") => away(&mut cloud.auto_scaling_groups),
        Some("node_groups") => away(&mut cloud.node_groups),
        Some("spot_requests") => away(&mut cloud.spot_requests),
        Some("leases") => away(&mut cluster.leases),
        Some("claims") => away(&mut cluster.node_claims),
        Some(other) => panic!("{other}"),
    }
}

pub(crate) fn instance(line: &Line, now: DateTime<Utc>) -> Instance {
    let mut i = Instance {
        id: line.get("id").unwrap_or("i-x").into(),
        instance_type: line.get("type").unwrap_or("m6i.xlarge").into(),
        state: match line.get("state").unwrap_or("running") {
            "running" => InstanceState::Running,
            "pending" => InstanceState::Pending,
            "stopping" => InstanceState::Stopping,
            "stopped" => InstanceState::Stopped,
            "shutting-down" => InstanceState::ShuttingDown,
            "terminated" => InstanceState::Terminated,
            _ => InstanceState::Unknown,
        },
        zone: Some("us-east-1a".into()),
        launched_at: Some(now - hours(line.get("age").unwrap_or("200"))),
        tags: tags(
            line.get("tags")
                .unwrap_or("kubernetes.io/cluster/test=owned"),
        ),
        managed_by: line.get("managed").map(str::to_owned),
        capacity_reservation: line.get("reservation").map(str::to_owned),
        tenancy: line.get("tenancy").map(str::to_owned),
        platform: line.get("platform").map(str::to_owned),
        private_dns: line.get("dns").map(str::to_owned),
        has_public_ip: line.has("public"),
        termination_protected: line.get("protected").map(|p| p == "yes"),
        stop_protected: line.get("stop_protected").map(|p| p == "yes"),
        ..Default::default()
    };
    if line.has("age-unknown") {
        i.launched_at = None;
    }
    if line.has("spot") {
        i.capacity_type = CapacityType::Spot;
    }
    if line.has("block") {
        i.capacity_type = CapacityType::Reserved;
    }
    if let Some(template) = line.get("template") {
        let key = "aws:ec2launchtemplate:id".to_owned();
        i.tags.insert(key, template.to_owned());
    }
    i.instance_profile = line.get("profile").map(str::to_owned);
    i.elastic_ips = line.get("elastic").map(str::to_owned).into_iter().collect();
    i.has_public_ip |= !i.elastic_ips.is_empty();
    i.lasting_interfaces = line.get("eni").map(str::to_owned).into_iter().collect();
    if let Some(marked) = line.get("marked") {
        let value = match marked {
            "nonsense" => marked.to_owned(),
            _ => (now - hours(marked)).to_rfc3339(),
        };
        i.tags.insert(MARK.to_owned(), value);
    }
    for device in line.get("disks").unwrap_or_default().split(';') {
        if let Some((volume, fate)) = device.split_once(':') {
            i.block_devices.push(BlockDevice {
                device: "/dev/xvda".to_owned(),
                volume: volume.into(),
                delete_on_termination: Some(fate == "go"),
            });
        }
    }
    i
}

/// Builds the scenario of a line and gives the decision about its subject.
fn scenario(line: &Line) -> Decision {
    let now = at(NOW);
    let (mut cluster, mut cloud) = healthy(20);
    let mut ledgers = Ledgers {
        instances_without_node: Some(BTreeMap::new()),
        nodes_without_instance: Some(BTreeMap::new()),
        ..Default::default()
    };
    // What the nodes of "test" were launched with, and one node of "side".
    for i in cloud.instances.value_mut().unwrap() {
        let key = "aws:ec2launchtemplate:id".to_owned();
        i.tags.insert(key, "lt-test".to_owned());
        i.instance_profile = Some("ip-test".to_owned());
    }
    let mut side = crate::fixtures::cluster();
    side.uid = "c2".into();
    side.name = "side".to_owned();
    let mut other = node("side-1", "4", "16Gi");
    other.provider_id = Some("aws:///us-east-1a/i-side".to_owned());
    side.nodes = complete(vec![other]);
    push(
        &mut cloud.instances,
        Instance {
            id: "i-side".into(),
            state: InstanceState::Running,
            tags: Labels::from([("aws:ec2launchtemplate:id".into(), "lt-side".into())]),
            ..Default::default()
        },
    );
    let subject;
    if line.has("node") {
        let mut n = node("ghost", "4", "16Gi");
        n.meta.created_at = Some(now - hours(line.get("age").unwrap_or("200")));
        n.provider_id = match line.get("provider").unwrap_or("aws:///us-east-1a/i-gone") {
            "none" => None,
            id => Some(id.to_owned()),
        };
        if !line.has("ready") {
            n.conditions.clear();
        }
        if let Some(kind) = line.get("compute") {
            n.meta
                .labels
                .insert("eks.amazonaws.com/compute-type".into(), kind.into());
        }
        if let Some(state) = line.get("state") {
            let text = format!("i id=i-gone state={state}");
            push(&mut cloud.instances, instance(&Line::parse(&text), now));
        }
        subject = Subject::Node {
            cluster: cluster.uid.clone(),
            node: n.name(),
        };
        push(&mut cluster.nodes, n);
        let key = "c1/ghost".to_owned();
        let rows = ledgers.nodes_without_instance.as_mut().unwrap();
        rows.insert(key, observed(line, now));
    } else {
        let i = instance(line, now);
        subject = Subject::Instance {
            account: cloud.account.clone(),
            region: cloud.region.clone(),
            instance: i.id.clone(),
        };
        if line.get("ledger") != Some("first") {
            let rows = ledgers.instances_without_node.as_mut().unwrap();
            rows.insert(i.id.clone(), observed(line, now));
        }
        if let Some(group) = line.get("group") {
            let mut tag = Labels::from([("aws:autoscaling:groupName".into(), "asg".into())]);
            tag.extend(i.tags.clone());
            let lists = group != "absent" && group != "unlisted";
            let listed = lists.then(|| GroupInstance {
                instance: i.id.clone(),
                lifecycle: group.to_owned(),
                protected_from_scale_in: line.has("scale-in-protected"),
                zone: None,
            });
            if group != "absent" {
                push(
                    &mut cloud.auto_scaling_groups,
                    AutoScalingGroup {
                        name: "asg".into(),
                        min_size: line.get("min").unwrap_or("1").parse().unwrap(),
                        desired: 3,
                        max_size: 9,
                        instances: listed.into_iter().collect(),
                        has_warm_pool: line.has("warm-pool"),
                        target_groups: line.get("targets").map(str::to_owned).into_iter().collect(),
                        ..Default::default()
                    },
                );
            }
            if let Some(name) = line.get("node_group") {
                push(
                    &mut cloud.node_groups,
                    NodeGroup {
                        name: name.into(),
                        cluster: "test".into(),
                        auto_scaling_groups: vec!["asg".into()],
                        ..Default::default()
                    },
                );
            }
            push(
                &mut cloud.instances,
                Instance {
                    tags: tag,
                    ..i.clone()
                },
            );
        } else {
            push(&mut cloud.instances, i.clone());
        }
        if let Some(kind) = line.get("request") {
            push(
                &mut cloud.spot_requests,
                SpotRequest {
                    id: "sir-1".into(),
                    instance: Some(i.id.clone()),
                    persistent: kind == "persistent",
                    state: "active".into(),
                    ..Default::default()
                },
            );
        }
        if let Some(name) = line.get("claim") {
            push(
                &mut cluster.node_claims,
                NodeClaim {
                    meta: meta("", name),
                    provider_id: Some(format!("aws:///us-east-1a/{}", i.id)),
                    ..Default::default()
                },
            );
        }
        for device in &i.block_devices {
            push(
                &mut cloud.volumes,
                Volume {
                    id: device.volume.clone(),
                    volume_type: "gp3".into(),
                    size: bytes("100Gi"),
                    state: VolumeState::InUse,
                    ..Default::default()
                },
            );
        }
        if let Some(provider) = line.get("known_as") {
            let mut n = node("its-node", "4", "16Gi");
            n.provider_id = Some(provider.to_owned());
            push(&mut cluster.nodes, n);
        }
    }
    if let Some(age) = line.get("lease") {
        let name = line.get("lease_name").unwrap_or("ghost");
        push(
            &mut cluster.leases,
            Lease {
                meta: meta("kube-node-lease", name),
                renewed_at: Some(now - hours(age)),
                ..Default::default()
            },
        );
    }
    if line.has("joining-node") {
        let mut n = node("joining", "4", "16Gi");
        n.provider_id = None;
        push(&mut cluster.nodes, n);
    }
    if line.has("no-nodes") {
        let nodes = cluster.nodes.value_mut().unwrap();
        nodes.retain(|n| n.meta.name == "ghost");
        let instances = cloud.instances.value_mut().unwrap();
        instances.retain(|i| i.id.as_str() == "i-x");
    }
    for extra in 0..line.get("others").unwrap_or("0").parse().unwrap() {
        let zone = ZONES[extra % 3];
        let id = InstanceId::new(format!("i-other{extra}"));
        let mut other = instance(&Line::parse("i"), now);
        other.id = id.clone();
        other.zone = Some(zone.into());
        push(&mut cloud.instances, other);
        let rows = ledgers.instances_without_node.as_mut().unwrap();
        rows.insert(id, observed(line, now));
    }
    lose(line, &mut cluster, &mut cloud);
    if line.get("ledger") == Some("none") {
        ledgers = Ledgers::default();
    }
    let mut snapshot = snapshot(NOW, cluster, cloud);
    if line.has("side") {
        snapshot.clusters.push(side);
        snapshot.normalize();
    }
    match line.get("expected") {
        None => {}
        Some("unknown") => snapshot.expected_clusters = Knowledge::default(),
        Some("empty") => snapshot.expected_clusters = complete(vec![]),
        Some(name) => push(
            &mut snapshot.expected_clusters,
            ExpectedCluster {
                name: name.to_owned(),
                uid: None,
            },
        ),
    }
    let config = Config::default().with_local_disks_may_go(line.has("disks-may-go"));
    let output = run(&config, &snapshot, &ledgers);
    let mine = output.decisions.into_iter().find(|d| d.subject == subject);
    mine.unwrap_or_else(|| panic!("no decision: {}", line.text))
}

fn run(config: &Config, snapshot: &Snapshot, ledgers: &Ledgers) -> EngineOutput {
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

fn show(name: &str, decision: &Decision) -> String {
    let acts: Vec<String> = decision
        .actions
        .iter()
        .map(|a| match a {
            Action::Tag { .. } => "mark".to_owned(),
            Action::StopInstance { .. } => "stop".to_owned(),
            Action::DeleteNodeObject { .. } => "delete-object".to_owned(),
            Action::TerminateInstance { via, .. } => format!("terminate via {via}"),
            other => panic!("{other}"),
        })
        .collect();
    let mut text = format!(
        "{name}: {}",
        if acts.is_empty() {
            "keep".into()
        } else {
            acts.join("+")
        }
    );
    if let Some(saves) = decision.saves_per_month {
        text += &format!(" saves={saves}");
    }
    if let Some(stake) = decision.at_stake_per_month {
        text += &format!(" stake={stake}");
    }
    for evidence in &decision.missing_evidence {
        text += &match evidence {
            MissingEvidence::Ledger { possible_from, .. } => {
                format!(" from={}", possible_from.format("%m-%dT%H:%M"))
            }
            MissingEvidence::Part { part, .. } => format!(" needs=\"{part}\""),
            MissingEvidence::Confirmation { .. } => " confirm".to_owned(),
            other => format!(" {other}"),
        };
    }
    let codes: Vec<String> = decision.reasons.iter().map(|r| r.code().1).collect();
    format!("{text} {}", codes.join(","))
}

#[test]
fn scenarios_of_ghosts_and_of_what_only_looks_like_one() {
    run_cases(FILE, |_, lines| {
        lines
            .iter()
            .map(|line| show(line.word(0), &scenario(line)))
            .collect()
    });
}

#[test]
fn every_reason_occurs_and_every_code_is_listed() {
    assert_every_code_occurs(Reason::CODES, &[FILE]);
}

/// The rule of aws/karpenter-provider-aws#2734: a new instance has the address
/// and so the node name of an old one.
#[test]
fn a_reused_name_neither_condemns_nor_acquits() {
    let (mut cluster, mut cloud) = healthy(20);
    let mut node = node("ip-10-0-0-1.ec2.internal", "4", "16Gi");
    node.provider_id = Some("aws:///us-east-1a/i-new".into());
    push(&mut cluster.nodes, node);
    for id in ["i-new", "i-old"] {
        let mut i = instance(&Line::parse("i dns=ip-10-0-0-1.ec2.internal"), at(NOW));
        i.id = id.into();
        push(&mut cloud.instances, i);
    }
    let row = observed(&Line::parse("i"), at(NOW));
    let ledgers = Ledgers {
        instances_without_node: Some(["i-new", "i-old"].map(|i| (i.into(), row.clone())).into()),
        ..Default::default()
    };
    let output = run(&Config::default(), &snapshot(NOW, cluster, cloud), &ledgers);
    let acts: Vec<_> = output.decisions.iter().filter(|d| !d.is_keep()).collect();
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].subject.to_string(), "instance i-old");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let mut config = Config::default();
    config.quarantine_hours = 1;
    let error = config.validate().unwrap_err().to_string();
    assert_eq!(
        error,
        "ghost_probe: quarantine_hours must be at least 24, got 1"
    );
}

/// What a generated instance may be.
fn any_line() -> impl Strategy<Value = String> {
    let one = |options: &'static [&'static str]| proptest::sample::select(options);
    (
        one(&["", "state=stopped", "state=pending", "state=terminated"]),
        one(&[
            "",
            "spot request=persistent",
            "spot",
            "spot request=one-time",
        ]),
        one(&[
            "",
            "group=InService",
            "group=Standby",
            "group=InService min=3",
            "group=absent",
        ]),
        one(&["", "marked=30 protected=no", "marked=2", "protected=yes"]),
        one(&["", "dns=ghost lease=5m", "ledger=first", "seen=3", "gap=9"]),
        one(&[
            "",
            "tags=\"kubernetes.io/cluster/test=owned;karpenter.sh/nodepool=a\" claim=c",
            "tags=\"kubernetes.io/cluster/other=owned\"",
            "tags=\"\"",
        ]),
    )
        .prop_map(|(a, b, c, d, e, f)| format!("i {a} {b} {c} {d} {e} {f}"))
}

fn losses() -> Vec<&'static str> {
    vec![
        "lost=nodes",
        "lost=instances",
        "lost=groups",
        "lost=node_groups",
        "lost=spot_requests",
        "lost=leases",
        "lost=claims",
        "expected=unknown",
        "expected=empty",
        "expected=another",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn knowing_less_never_adds_an_act(text in any_line(), others in 0u8..5) {
        let text = format!("{text} others={others}");
        let before = scenario(&Line::parse(&text));
        for loss in losses() {
            let after = scenario(&Line::parse(&format!("{text} {loss}")));
            prop_assert!(before.is_keep() <= after.is_keep(), "{text} {loss}: {after:?}");
            if loss.starts_with("expected") || matches!(loss, "lost=nodes" | "lost=instances") {
                prop_assert!(after.is_keep(), "{text} {loss}");
            }
        }
        // A line that names the ledger cannot name it twice.
        if !text.contains("ledger=") {
            let after = scenario(&Line::parse(&format!("{text} ledger=none")));
            prop_assert!(after.is_keep());
        }
    }

    #[test]
    fn the_order_of_input_is_forgotten(seed in any::<u64>()) {
        let (mut cluster, mut cloud) = healthy(9);
        push(&mut cloud.instances, instance(&Line::parse("i"), at(NOW)));
        let straight = snapshot(NOW, cluster.clone(), cloud.clone());
        let turn = |n: usize| (seed as usize) % n.max(1);
        let nodes = cluster.nodes.value_mut().unwrap();
        let by = turn(nodes.len());
        nodes.rotate_left(by);
        let instances = cloud.instances.value_mut().unwrap();
        instances.reverse();
        let by = turn(instances.len());
        instances.rotate_left(by);
        let turned = snapshot(NOW, cluster, cloud);
        let bytes = |s: &Snapshot| {
            serde_json::to_string(&run(&Config::default(), s, &Ledgers::default())).unwrap()
        };
        prop_assert_eq!(bytes(&straight), bytes(&turned));
    }
}
