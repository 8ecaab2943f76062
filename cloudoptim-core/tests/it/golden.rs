//! One file per type that crosses the API: what was written once is read for
//! ever, and nothing in it is lost or renamed.
//!
//! `UPDATE_GOLDEN=1 cargo test -p cloudoptim-core golden` writes the files anew.

use crate::execute::{Host, approval, decisions, planned_of, world};
use crate::fixtures::{at, container, node};
use cloudoptim_core::catalog::{Basis, Figure};
use cloudoptim_core::decision::{Decision, MissingEvidence, Offering, Reason, Subject};
use cloudoptim_core::engines::{
    Alternative, EngineId, EngineOutput, Figures, NotJudged, bin_packing, ghost_probe, network,
    office_hours, oom, rightsizing, spot, zombie_volumes,
};
use cloudoptim_core::execute::Report;
use cloudoptim_core::guard::{Approval, Limits};
use cloudoptim_core::input::{InputOptions, LoadReport, Loader};
use cloudoptim_core::journal::Entry;
use cloudoptim_core::ledger::{
    Asleep, Disrupted, Ledgers, MemoryRaise, Observed, PoolEvent, PoolEventKind,
};
use cloudoptim_core::model::{
    Bytes, CapacityType, ClusterUid, MicroUsdPerHour, MicroUsdPerMonth, OfferingPrice, Snapshot,
    UsageColumns, WorkloadRef,
};
use cloudoptim_core::overlay::{
    CountLimit, DroppedBudget, MovedPod, NodeAddition, NodeRef, Overlay, ReplicaChange,
    RequestChange,
};
use cloudoptim_core::plan::Plan;
use cloudoptim_core::policy::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
#[cfg(feature = "schema")]
use serde_json::json;
use std::fmt::Debug;
use std::path::PathBuf;

/// Everything in `old` is in `new`, which may have more fields.
pub(crate) fn kept(path: &str, old: &Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let found = new.get(key);
                let found = found.unwrap_or_else(|| panic!("{path}.{key} is lost"));
                kept(&format!("{path}.{key}"), value, found);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            assert_eq!(old.len(), new.len(), "{path}");
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                kept(&format!("{path}[{index}]"), old, new);
            }
        }
        _ => assert_eq!(old, new, "{path}"),
    }
}

/// Where the files are.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/testdata/golden")
}

/// As text, short values on one line.
#[cfg(feature = "schema")]
pub(crate) fn written(value: &Value) -> String {
    fn write(value: &Value, indent: usize, out: &mut String) {
        let short = value.to_string();
        let pad = " ".repeat(indent);
        match value {
            _ if short.len() + indent <= 100 => out.push_str(&short),
            Value::Object(map) => {
                out.push_str("{\n");
                for (n, (key, value)) in map.iter().enumerate() {
                    let comma = if n == 0 { "" } else { ",\n" };
                    out.push_str(&format!("{comma}{pad} {}: ", json!(key)));
                    write(value, indent + 1, out);
                }
                out.push_str(&format!("\n{pad}}}"));
            }
            Value::Array(items) => {
                out.push_str("[\n");
                for (n, value) in items.iter().enumerate() {
                    let comma = if n == 0 { "" } else { ",\n" };
                    out.push_str(&format!("{comma}{pad} "));
                    write(value, indent + 1, out);
                }
                out.push_str(&format!("\n{pad}]"));
            }
            _ => out.push_str(&short),
        }
    }
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let path = folder().join(format!("{name}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = serde_json::to_string_pretty(value).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let read: T = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    let again = serde_json::to_value(&read).unwrap();
    kept(name, &serde_json::from_str(&text).unwrap(), &again);
    assert_eq!(serde_json::from_value::<T>(again).unwrap(), read, "{name}");
    // The value of today survives as well.
    let today = serde_json::to_value(value).unwrap();
    assert_eq!(
        &serde_json::from_value::<T>(today).unwrap(),
        value,
        "{name}"
    );
}

fn ledgers(asleep: &WorkloadRef, world: &Snapshot) -> Ledgers {
    let observed = Observed {
        first_at: world.taken_at - chrono::TimeDelta::days(8),
        last_at: world.taken_at,
        count: 200,
        longest_gap_seconds: 3_600,
    };
    Ledgers {
        instances_without_node: Some([("i-ghost".into(), observed.clone())].into()),
        nodes_without_instance: Some([("c1/n9".to_owned(), observed.clone())].into()),
        volumes_unattached: Some([("vol-1".into(), observed)].into()),
        asleep: Some(vec![Asleep {
            cluster: "c1".into(),
            workload: asleep.clone(),
            replicas: 3,
            since: world.taken_at,
            generation: Some(2),
        }]),
        disrupted: Some(vec![Disrupted {
            cluster: "c1".into(),
            node: "n1".into(),
            at: world.taken_at,
        }]),
        pool_events: Some(vec![PoolEvent {
            offering: offering(),
            kind: PoolEventKind::InterruptionNotice,
            at: world.taken_at,
            instance: Some("i-n1".into()),
        }]),
        memory_raises: Some(vec![MemoryRaise {
            cluster: "c1".into(),
            workload: asleep.clone(),
            container: "main".to_owned(),
            at: world.taken_at,
            original_limit: Bytes(1 << 30),
            limit: Bytes(3 << 29),
            answered: vec!["uid-dev-api-1/main/3".to_owned()],
        }]),
        ..Default::default()
    }
}

fn offering() -> Offering {
    Offering {
        instance_type: "m6i.large".into(),
        zone: Some("use1-az4".into()),
        capacity_type: CapacityType::Spot,
    }
}

fn overlay(api: &WorkloadRef) -> Overlay {
    let cluster: ClusterUid = "c1".into();
    Overlay {
        requests: vec![RequestChange {
            cluster: cluster.clone(),
            workload: api.clone(),
            container: "main".to_owned(),
            resources: container("main", "250m", "512Mi").resources,
        }],
        replicas: vec![ReplicaChange {
            cluster: cluster.clone(),
            workload: api.clone(),
            replicas: 0,
        }],
        removed_nodes: vec![NodeRef {
            cluster: cluster.clone(),
            node: "n1".into(),
        }],
        moved_pods: vec![MovedPod {
            cluster: cluster.clone(),
            pod: "uid-shop-web-1".into(),
            node: "n3".into(),
        }],
        added_nodes: vec![NodeAddition {
            cluster: cluster.clone(),
            node: node("n4", "2", "8Gi"),
        }],
        prices: vec![OfferingPrice {
            instance_type: "m6i.large".into(),
            zone_id: Some("use1-az4".into()),
            capacity_type: CapacityType::Spot,
            per_hour: MicroUsdPerHour(31_000),
        }],
        count_limits: vec![CountLimit {
            cluster: cluster.clone(),
            with: Some(api.clone()),
            of: api.clone(),
            max: 1,
        }],
        dropped_budgets: vec![DroppedBudget {
            cluster,
            namespace: "dev".to_owned(),
            name: "api".to_owned(),
        }],
        ..Default::default()
    }
}

/// What each of the eight engines says, a keep of each among it.
fn outputs() -> Vec<EngineOutput> {
    let mut outputs = decisions();
    for engine in EngineId::ALL {
        if !outputs.iter().any(|o| o.engine == engine) {
            outputs.push(EngineOutput::new(engine, Vec::new()));
        }
    }
    outputs.sort_by_key(|o| o.engine);
    let part = || ("usage".to_owned(), "unknown: not collected".to_owned());
    for output in &mut outputs {
        let (part, state) = part();
        let missing = MissingEvidence::Part {
            part: part.clone(),
            state: state.clone(),
        };
        let reason: Reason = match output.engine {
            EngineId::Spot => spot::Reason::PartMissing { part, state }.into(),
            EngineId::BinPacking => bin_packing::Reason::PartMissing { part, state }.into(),
            EngineId::Rightsizing => rightsizing::Reason::PartMissing { part, state }.into(),
            EngineId::OfficeHours => office_hours::Reason::PartMissing { part, state }.into(),
            EngineId::GhostProbe => ghost_probe::Reason::PartMissing { part, state }.into(),
            EngineId::ZombieVolumes => zombie_volumes::Reason::PartMissing { part, state }.into(),
            EngineId::Network => network::Reason::PartMissing { part, state }.into(),
            EngineId::Oom => oom::Reason::PartMissing { part, state }.into(),
            other => panic!("{other}: say what it says when a part is missing"),
        };
        let subject = Subject::Cluster {
            cluster: "c1".into(),
        };
        let stake = Some(MicroUsdPerMonth(1_500_000));
        let keep = Decision::keep(output.engine, subject.clone(), vec![reason])
            .with_stake(stake, vec![missing.clone()]);
        output.decisions.push(keep);
        output.figures.push(Figures {
            of: "cluster c1: these nodes".to_owned(),
            cluster: Some("c1".into()),
            cost_now: Some(MicroUsdPerHour(300_000)),
            cost_after: Some(MicroUsdPerHour(200_000)),
            lower_bound: Some(MicroUsdPerHour(190_000)),
            proof: "columns; closed".to_owned(),
            moves: 1,
        });
        output.alternatives.push(Alternative {
            what: "half of it".to_owned(),
            saves_per_month: stake,
            moves: 0,
        });
        output.not_judged.push(NotJudged {
            subject: Some(subject),
            count: 1,
            missing,
        });
    }
    outputs
}

/// What is read of a pod, a broken pod, a secret, a note and half a file.
fn load_report() -> (LoadReport, UsageColumns) {
    let mut options = InputOptions::default();
    options.taken_at = Some(at(crate::execute::NOW));
    let mut loader = Loader::new(options);
    let pods = r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n"},
         "spec":{"dnsPolicy":"Default","containers":[{"name":"c","name":"c"}]}},
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n"}},
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","namespace":"n"},
         "spec":{"priority":"high"}},
        {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"n"}}]}"#;
    let cpu = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":
        {"namespace":"n","pod":"a","container":"c","node":"n1"},
        "values":[[1795428000,"0.1"],[1795428060,"NaN"],[1795428120,"0.2"]]}]}}"#;
    loader.add("pods.json", pods.as_bytes());
    loader.add("cpu.json", cpu.as_bytes());
    loader.add("half.json", br#"{"kind":"#);
    let loaded = loader.finish().unwrap();
    let report = &loaded.report;
    assert!(!report.broken.is_empty() && !report.skipped.is_empty());
    assert_eq!((report.duplicate_keys, report.duplicate_objects), (1, 1));
    (loaded.report, loaded.usage)
}

#[test]
fn what_was_written_once_is_still_read() {
    let world = world();
    golden::<Snapshot>("snapshot", &world);
    golden::<Policy>("policy", &Policy::default());
    golden::<Limits>("limits", &Limits::default());
    let outputs = outputs();
    assert_eq!(outputs.len(), 8);
    golden::<Vec<EngineOutput>>("engine_outputs", &outputs);
    golden::<Decision>("decision", outputs[0].decisions.last().unwrap());
    let plan = planned_of(&world, outputs);
    assert!(!plan.declined.is_empty() && !plan.steps.is_empty());
    golden::<Plan>("plan", &plan);
    golden::<Approval>("approval", &approval(&plan));
    let host = Host::new();
    golden::<Report>("execution_report", &host.report());
    golden::<Vec<Entry>>("journal", &host.entries());
    let api = WorkloadRef::new("dev", "Deployment", "api");
    golden::<Overlay>("overlay", &overlay(&api));
    golden::<Ledgers>("ledgers", &ledgers(&api, &world));
    let (report, usage) = load_report();
    golden::<LoadReport>("load_report", &report);
    golden::<UsageColumns>("usage_columns", &usage);
    golden::<Figure<MicroUsdPerHour>>(
        "price_figure",
        &Figure::new(
            MicroUsdPerHour(96_000),
            world.taken_at.date_naive(),
            Basis::Listed,
        ),
    );
}
