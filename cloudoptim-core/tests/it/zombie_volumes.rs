//! Zombie volumes: scenarios, one line each, fixtures of reported losses, and
//! properties.

use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::*;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::catalog::{Basis, Catalog, EbsPrice, Figure, Source, Table};
use cloudoptim_core::decision::{Action, Decision, MissingEvidence, Subject};
use cloudoptim_core::engines::zombie_volumes::{Config, Reason, decide};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::ledger::{Asleep, Ledgers, Observed};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;
use std::collections::BTreeMap;

const FILE: &str = "zombie_volumes.txt";
pub(crate) const NOW: &str = "2026-11-22T02:30Z";

/// us-east-1's list prices of January 2026, in millionths of a dollar.
pub(crate) fn catalog() -> Catalog {
    let date = chrono::NaiveDate::from_ymd_opt(2026, 1, 19).unwrap();
    let figure = |micro| Figure::new(MicroUsdPerMonth(micro), date, Basis::Listed);
    let price = |per_gib| {
        let mut price = EbsPrice::new(figure(per_gib));
        price.snapshot_per_gib_month = Some(figure(50_000));
        price
    };
    let mut table = Table::new(Source::new("test", date));
    let mut gp3 = price(80_000);
    gp3.per_iops_month = Some(figure(5_000));
    gp3.iops_included = 3000;
    gp3.per_mibps_month = Some(figure(40_000));
    gp3.mibps_included = 125;
    table.ebs("us-east-1", "gp3", gp3);
    table.ebs("us-east-1", "gp2", price(100_000));
    table.ebs("us-east-1", "st1", price(45_000));
    let mut catalog = Catalog::empty();
    catalog.overlay(table);
    catalog
}

fn push<T>(part: &mut Knowledge<Vec<T>>, item: T) {
    part.value_mut().unwrap().push(item);
}

fn tags(text: &str) -> Labels {
    text.split(';')
        .filter(|t| !t.is_empty())
        .map(|t| t.split_once('=').unwrap_or_else(|| panic!("{t}")))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

fn hours(text: &str) -> TimeDelta {
    TimeDelta::hours(text.parse().unwrap())
}

pub(crate) fn volume(id: &str) -> Volume {
    Volume {
        id: id.into(),
        state: VolumeState::Available,
        volume_type: "gp3".into(),
        size: bytes("100Gi"),
        iops: Some(3000),
        throughput_mibps: Some(125),
        zone: Some("us-east-1a".into()),
        created_at: Some(at("2026-01-01T00:00Z")),
        encrypted: Some(false),
        ..Default::default()
    }
}

/// Twenty attached volumes of twenty instances.
pub(crate) fn busy() -> (Cluster, Cloud) {
    let (cluster, mut cloud) = (cluster(), cloud());
    for i in 0..20 {
        let instance = InstanceId::new(format!("i-{i:02}"));
        let mut v = volume(&format!("vol-busy{i:02}"));
        v.state = VolumeState::InUse;
        v.attachments.push(Attachment {
            instance: instance.clone(),
            state: "attached".into(),
            ..Default::default()
        });
        push(&mut cloud.volumes, v);
        push(
            &mut cloud.instances,
            Instance {
                id: instance,
                state: InstanceState::Running,
                ..Default::default()
            },
        );
    }
    (cluster, cloud)
}

fn observed(line: &Line, now: DateTime<Utc>) -> Observed {
    Observed {
        first_at: now - hours(line.get("seen").unwrap_or("240")),
        last_at: now - hours(line.get("last").unwrap_or("12")),
        count: line.get("count").unwrap_or("20").parse().unwrap(),
        longest_gap_seconds: hours(line.get("gap").unwrap_or("24")).num_seconds() as u64,
    }
}

pub(crate) fn stateful_set(name: &str, template: &str, replicas: u32) -> Workload {
    Workload {
        meta: meta("db", name),
        kind: WorkloadKind::StatefulSet,
        replicas: Some(replicas),
        claim_templates: vec![ClaimTemplate {
            name: template.to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn mounting(kind: WorkloadKind, name: &str, claim: &str) -> Workload {
    let mut template = PodTemplate::default();
    template.spec.volumes.push(PodVolume {
        name: "data".into(),
        source: PodVolumeSource::Claim {
            name: claim.to_owned(),
        },
    });
    Workload {
        meta: meta("db", name),
        kind,
        paused: true,
        template: Some(template),
        ..Default::default()
    }
}

/// Adds what a line says about Kubernetes: a persistent volume, its claim, and
/// who uses that.
pub(crate) fn kubernetes(line: &Line, cluster: &mut Cluster) {
    let claim_name = line.get("claim").unwrap_or("data-web-0");
    if let Some(phase) = line.get("pv") {
        let handle = line.get("handle").unwrap_or("vol-x");
        let source = match handle.strip_prefix("vol-") {
            Some(_) => PvSource::Ebs {
                volume: handle.into(),
            },
            None if handle == "unknown" => PvSource::Unknown,
            None => PvSource::Other {
                driver: "kubernetes.io/aws-ebs".into(),
                handle: handle.into(),
            },
        };
        push(
            &mut cluster.persistent_volumes,
            PersistentVolume {
                meta: meta("", line.get("pv_name").unwrap_or("pv-1")),
                source,
                phase: match phase {
                    "bound" => PvPhase::Bound,
                    "released" => PvPhase::Released,
                    "available" => PvPhase::Available,
                    "failed" => PvPhase::Failed,
                    _ => PvPhase::Unknown,
                },
                reclaim_policy: match line.get("policy") {
                    Some("delete") => ReclaimPolicy::Delete,
                    _ => ReclaimPolicy::Retain,
                },
                claim: Some(NamespacedName::new("db", claim_name)),
                ..Default::default()
            },
        );
    }
    if let Some(bound_to) = line.get("pvc") {
        push(
            &mut cluster.claims,
            PersistentVolumeClaim {
                meta: meta("db", claim_name),
                phase: if bound_to == "pending" {
                    ClaimPhase::Pending
                } else {
                    ClaimPhase::Bound
                },
                volume_name: (bound_to != "pending").then(|| bound_to.to_owned()),
                ..Default::default()
            },
        );
    }
    if let Some(replicas) = line.get("set") {
        let set = stateful_set("web", "data", replicas.parse().unwrap());
        push(&mut cluster.workloads, set);
    }
    if let Some(done) = line.get("va") {
        push(
            &mut cluster.volume_attachments,
            VolumeAttachment {
                meta: meta("", "csi-1"),
                node: "n1".into(),
                volume_name: Some(line.get("va_of").unwrap_or("pv-1").to_owned()),
                attached: done == "done",
                ..Default::default()
            },
        );
    }
    if let Some(ready) = line.get("vs") {
        push(
            &mut cluster.volume_snapshots,
            VolumeSnapshot {
                meta: meta(line.get("vs_in").unwrap_or("db"), "nightly"),
                claim_name: Some(claim_name.to_owned()),
                ready: match ready {
                    "yes" => Some(true),
                    "no" => Some(false),
                    _ => None,
                },
            },
        );
    }
    if line.has("cron-job") {
        let job = mounting(WorkloadKind::CronJob, "monthly", claim_name);
        push(&mut cluster.workloads, job);
    }
    if line.has("deployment") {
        let job = mounting(WorkloadKind::Deployment, "files", claim_name);
        push(&mut cluster.workloads, job);
    }
}

/// A volume as a line says.
pub(crate) fn free_volume(line: &Line, id: &str) -> Volume {
    let mut v = volume(id);
    v.state = match line.get("state").unwrap_or("available") {
        "available" => VolumeState::Available,
        "in-use" => VolumeState::InUse,
        "creating" => VolumeState::Creating,
        "deleting" => VolumeState::Deleting,
        "error" => VolumeState::Error,
        _ => VolumeState::Unknown,
    };
    v.tags = tags(line.get("tags").unwrap_or_default());
    if line.has("csi") {
        // What the CSI driver of a cluster with a name writes.
        for (key, value) in [
            ("CSIVolumeName", "pv-1"),
            ("KubernetesCluster", "test"),
            ("ebs.csi.aws.com/cluster", "true"),
            ("kubernetes.io/cluster/test", "owned"),
            ("kubernetes.io/created-for/pv/name", "pv-1"),
            ("kubernetes.io/created-for/pvc/name", "data-web-0"),
            ("kubernetes.io/created-for/pvc/namespace", "db"),
        ] {
            v.tags.insert(key.into(), value.into());
        }
    }
    if let Some(kind) = line.get("type") {
        v.volume_type = kind.into();
    }
    if let Some(size) = line.get("size") {
        v.size = bytes(size);
    }
    if let Some(iops) = line.get("iops") {
        v.iops = iops.parse().ok();
    }
    if let Some(zone) = line.get("zone") {
        v.zone = Some(zone.into());
    }
    if let Some(state) = line.get("attachment") {
        v.attachments.push(Attachment {
            instance: line.get("to").unwrap_or("i-00").into(),
            state: state.to_owned(),
            ..Default::default()
        });
    }
    v.multi_attach = line.has("multi-attach");
    v.modification = line.get("modification").map(str::to_owned);
    v.outpost = line.get("outpost").map(str::to_owned);
    v.managed_by = line.get("managed").map(str::to_owned);
    v.encrypted = Some(line.has("encrypted") || line.get("key").is_some());
    if line.has("encryption-unknown") {
        v.encrypted = None;
    }
    v.kms_key = line.get("key").map(str::to_owned);
    v.kms_key_state = line.get("key_state").map(str::to_owned);
    v.from_snapshot = line.get("from_snapshot").map(Into::into);
    if line.has("creation-unknown") {
        v.created_at = None;
    }
    v
}

/// Adds the snapshot of a volume that a line names.
pub(crate) fn copies(line: &Line, id: &str, cloud: &mut Cloud) {
    if let Some(state) = line.get("snapshot") {
        push(
            &mut cloud.ebs_snapshots,
            EbsSnapshot {
                id: format!("snap-{id}").as_str().into(),
                volume: Some(id.into()),
                state: state.to_owned(),
                started_at: line.get("snapshot_age").map(|h| at(NOW) - hours(h)),
                description: line.get("description").unwrap_or_default().to_owned(),
                tags: tags(line.get("snapshot_tags").unwrap_or_default()),
                ..Default::default()
            },
        );
    }
}

fn scenario(line: &Line) -> Decision {
    let now = at(NOW);
    let (mut cluster, mut cloud) = busy();
    let v = free_volume(line, "vol-x");
    if line.has("stopped-instance") {
        push(
            &mut cloud.instances,
            Instance {
                id: "i-stopped".into(),
                state: InstanceState::Stopped,
                ..Default::default()
            },
        );
    }
    if line.has("listed") {
        cloud.instances.value_mut().unwrap()[0].block_devices = vec![BlockDevice {
            volume: "vol-x".into(),
            ..Default::default()
        }];
    }
    copies(line, "vol-x", &mut cloud);
    kubernetes(line, &mut cluster);
    let mut ledgers = Ledgers {
        volumes_unattached: Some(BTreeMap::new()),
        asleep: Some(Vec::new()),
        ..Default::default()
    };
    if line.get("ledger") != Some("first") {
        let rows = ledgers.volumes_unattached.as_mut().unwrap();
        rows.insert(v.id.clone(), observed(line, now));
    }
    if let Some(workload) = line.get("asleep") {
        let (kind, name) = workload.split_once('/').unwrap();
        ledgers.asleep.as_mut().unwrap().push(Asleep {
            cluster: "c1".into(),
            workload: WorkloadRef::new("db", kind, name),
            replicas: 1,
            ..Default::default()
        });
    }
    push(&mut cloud.volumes, v);
    for i in 0..line.get("others").unwrap_or("0").parse().unwrap() {
        let other = volume(&format!("vol-y{i}"));
        let rows = ledgers.volumes_unattached.as_mut().unwrap();
        rows.insert(other.id.clone(), observed(line, now));
        push(&mut cloud.volumes, other);
    }
    fn away<T>(part: &mut Knowledge<T>) {
        *part = Knowledge::unknown(Gap::NotCollected);
    }
    match line.get("lost") {
        None => {}
        Some("volumes") => {
            cloud.volumes = std::mem::take(&mut cloud.volumes).demoted(Gap::CompletenessNotStated);
        }
        Some("instances") => away(&mut cloud.instances),
        Some("snapshots") => away(&mut cloud.ebs_snapshots),
        Some("persistent_volumes") => away(&mut cluster.persistent_volumes),
        Some("claims") => away(&mut cluster.claims),
        Some("workloads") => away(&mut cluster.workloads),
        Some("attachments") => away(&mut cluster.volume_attachments),
        Some("volume_snapshots") => away(&mut cluster.volume_snapshots),
        Some(other) => panic!("{other}"),
    }
    match line.get("ledger") {
        Some("none") => ledgers = Ledgers::default(),
        Some("no-sleepers") => ledgers.asleep = None,
        _ => {}
    }
    let mut snapshot = snapshot(NOW, cluster, cloud);
    match line.get("expected") {
        None => {}
        Some("unknown") => snapshot.expected_clusters = Knowledge::default(),
        Some(name) => push(
            &mut snapshot.expected_clusters,
            ExpectedCluster {
                name: name.to_owned(),
                uid: None,
            },
        ),
    }
    decision_of(&run(&snapshot, &ledgers), "vol-x")
}

fn run(snapshot: &Snapshot, ledgers: &Ledgers) -> EngineOutput {
    let inputs = Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog: &catalog(),
        policy: &Policy::default(),
        ledgers,
        deadline: None,
    };
    decide(&Config::default(), &inputs).unwrap()
}

fn decision_of(output: &EngineOutput, volume: &str) -> Decision {
    let is = |d: &&Decision| matches!(&d.subject, Subject::Volume { volume: v, .. } if v.as_str() == volume);
    output.decisions.iter().find(is).unwrap().clone()
}

fn show(name: &str, decision: &Decision) -> String {
    let acts: Vec<&str> = decision
        .actions
        .iter()
        .map(|a| match a {
            Action::SnapshotVolume { .. } => "snapshot",
            Action::DeleteVolume { .. } => "delete",
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
            MissingEvidence::Ledger {
                possible_from,
                ledger,
            } => format!(" {ledger} from={}", possible_from.format("%m-%dT%H:%M")),
            MissingEvidence::Part { part, .. } => format!(" needs=\"{part}\""),
            MissingEvidence::Confirmation { .. } => " confirm".to_owned(),
            MissingEvidence::Price { .. } => " needs-price".to_owned(),
            other => format!(" {other}"),
        };
    }
    let codes: Vec<String> = decision.reasons.iter().map(|r| r.code().1).collect();
    format!("{text} {}", codes.join(","))
}

#[test]
fn scenarios_of_zombies_and_of_what_only_looks_like_one() {
    run_cases(FILE, |_, lines| {
        lines
            .iter()
            .map(|line| show(line.word(0), &scenario(line)))
            .collect()
    });
}

#[test]
fn every_reason_occurs() {
    assert_every_code_occurs(Reason::CODES, &[FILE]);
}

/// k8s-cleaner#77: every active claim was reported as unused.
#[test]
fn k8s_cleaner_77_no_claim_of_a_running_pod_is_a_zombie() {
    let (mut cluster, mut cloud) = busy();
    let mut ledgers = Ledgers {
        asleep: Some(vec![]),
        ..Default::default()
    };
    let mut seen = BTreeMap::new();
    for (i, v) in cloud.volumes.value_mut().unwrap().iter_mut().enumerate() {
        // Each is claimed and mounted; for half of them AWS lags behind and
        // says `available`.
        if i % 2 == 0 {
            v.state = VolumeState::Available;
            v.attachments.clear();
        }
        let text = format!("v pv=bound handle={} pvc=pv claim=data-{i}", v.id);
        kubernetes(&Line::parse(&text), &mut cluster);
        seen.insert(v.id.clone(), observed(&Line::parse("v"), at(NOW)));
    }
    ledgers.volumes_unattached = Some(seen);
    let output = run(&snapshot(NOW, cluster, cloud), &ledgers);
    assert_eq!(output.decisions.len(), 20);
    assert!(output.decisions.iter().all(Decision::is_keep));
    let none = output
        .decisions
        .iter()
        .all(|d| d.at_stake_per_month.is_none());
    assert!(none, "nothing of them is at stake");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let error = Config::default().with_grace_days(0).validate().unwrap_err();
    assert_eq!(
        error.to_string(),
        "zombie_volumes: grace_days must be at least 1, got 0"
    );
}

fn any_line() -> impl Strategy<Value = String> {
    let one = |options: &'static [&'static str]| proptest::sample::select(options);
    (
        one(&[
            "",
            "csi",
            "tags=a=b",
            "tags=\"kubernetes.io/cluster/other=owned\"",
            "tags=CSIVolumeName=x",
        ]),
        one(&[
            "",
            "pv=bound pvc=pv-1",
            "pv=bound",
            "pv=released",
            "pv=available",
            "pvc=pending",
            "pvc=pv-2",
        ]),
        one(&["", "set=0", "cron-job", "deployment"]),
        one(&["", "asleep=StatefulSet/web", "asleep=Deployment/files"]),
        one(&[
            "",
            "snapshot=completed",
            "snapshot=pending",
            "snapshot=completed snapshot_tags=dlm:managed=true",
        ]),
        one(&["", "seen=3", "gap=30", "ledger=first"]),
        one(&["", "listed", "multi-attach", "type=st1", "type=x"]),
    )
        .prop_map(|(a, b, c, d, e, f, g)| format!("v {a} {b} {c} {d} {e} {f} {g}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn knowing_less_never_adds_an_act(text in any_line(), others in 0u8..4) {
        let text = format!("{text} others={others}");
        let before = scenario(&Line::parse(&text));
        if !before.is_keep() {
            let snapshot_first = matches!(before.actions[0], Action::SnapshotVolume { .. });
            prop_assert!(snapshot_first);
            prop_assert!(before.saves_per_month > Some(MicroUsdPerMonth::ZERO));
        }
        for loss in ["lost=volumes", "lost=instances", "lost=snapshots", "lost=persistent_volumes",
            "lost=claims", "lost=workloads", "expected=unknown", "expected=another"] {
            let after = scenario(&Line::parse(&format!("{text} {loss}")));
            prop_assert!(after.is_keep(), "{text} {loss}: {after:?}");
        }
        if !text.contains("ledger=") {
            for loss in ["ledger=none", "ledger=no-sleepers"] {
                let after = scenario(&Line::parse(&format!("{text} {loss}")));
                prop_assert!(before.is_keep() <= after.is_keep(), "{text} {loss}: {after:?}");
            }
        }
    }

    #[test]
    fn the_order_of_input_is_forgotten(by in 0usize..20) {
        let (cluster, mut cloud) = busy();
        for i in 0..3 {
            push(&mut cloud.volumes, volume(&format!("vol-free{i}")));
        }
        let straight = snapshot(NOW, cluster.clone(), cloud.clone());
        let volumes = cloud.volumes.value_mut().unwrap();
        volumes.reverse();
        volumes.rotate_left(by);
        let turned = snapshot(NOW, cluster, cloud);
        let bytes = |s: &Snapshot| {
            serde_json::to_string(&run(s, &Ledgers::default())).unwrap()
        };
        prop_assert_eq!(bytes(&straight), bytes(&turned));
    }
}
