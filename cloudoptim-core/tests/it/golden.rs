//! One file per type that crosses the API: what was written once is read for
//! ever, and nothing in it is lost or renamed.
//!
//! `UPDATE_GOLDEN=1 cargo test -p cloudoptim-core golden` writes the files anew.

use crate::execute::{Host, approval, decisions, planned, world};
use cloudoptim_core::engines::EngineOutput;
use cloudoptim_core::execute::Report;
use cloudoptim_core::guard::{Approval, Limits};
use cloudoptim_core::journal::Entry;
use cloudoptim_core::ledger::{Asleep, Ledgers, Observed};
use cloudoptim_core::model::{Snapshot, WorkloadRef};
use cloudoptim_core::overlay::{NodeRef, Overlay, ReplicaChange};
use cloudoptim_core::plan::Plan;
use cloudoptim_core::policy::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;
use std::path::PathBuf;

/// Everything in `old` is in `new`, which may have more fields.
fn kept(path: &str, old: &Value, new: &Value) {
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

fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/testdata/golden")
        .join(format!("{name}.json"));
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

#[test]
fn what_was_written_once_is_still_read() {
    let world = world();
    golden::<Snapshot>("snapshot", &world);
    golden::<Policy>("policy", &Policy::default());
    golden::<Limits>("limits", &Limits::default());
    golden::<Vec<EngineOutput>>("engine_outputs", &decisions());
    let plan = planned(&world);
    golden::<Plan>("plan", &plan);
    golden::<Approval>("approval", &approval(&plan));
    let host = Host::new();
    golden::<Report>("execution_report", &host.report());
    golden::<Vec<Entry>>("journal", &host.entries());
    let api = WorkloadRef::new("dev", "Deployment", "api");
    golden::<Overlay>(
        "overlay",
        &Overlay {
            replicas: vec![ReplicaChange {
                cluster: "c1".into(),
                workload: api.clone(),
                replicas: 0,
            }],
            removed_nodes: vec![NodeRef {
                cluster: "c1".into(),
                node: "n1".into(),
            }],
            ..Default::default()
        },
    );
    let observed = Observed {
        first_at: world.taken_at - chrono::TimeDelta::days(8),
        last_at: world.taken_at,
        count: 200,
        longest_gap_seconds: 3_600,
    };
    golden::<Ledgers>(
        "ledgers",
        &Ledgers {
            volumes_unattached: Some([("vol-1".into(), observed)].into()),
            asleep: Some(vec![Asleep {
                cluster: "c1".into(),
                workload: api,
                replicas: 3,
                since: world.taken_at,
                generation: Some(2),
            }]),
            ..Default::default()
        },
    );
}

#[test]
fn a_document_of_another_version_is_refused_by_its_number() {
    let refused = |error: serde_json::Error| error.to_string();
    let mut snapshot = serde_json::to_value(world()).unwrap();
    snapshot["version"] = 7.into();
    let error = refused(serde_json::from_value::<Snapshot>(snapshot).unwrap_err());
    assert_eq!(error, "snapshot version 7 is not known here, only 1 is");
    let error = refused(serde_json::from_str::<Policy>(r#"{"version": 2}"#).unwrap_err());
    assert!(
        error.starts_with("policy version 2 is not known here, only 1 is"),
        "{error}"
    );
    // Without a version it is of this one: files are written by hand.
    serde_json::from_str::<Policy>("{}").unwrap();
}
