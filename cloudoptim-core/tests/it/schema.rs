//! The published schemas are those of the code, and documents keep to them.
//!
//! `UPDATE_SCHEMA=1 cargo test -p cloudoptim-core --features schema schema`
//! writes the files anew, `UPDATE_GOLDEN=1` the fullest document of each.

use crate::golden::{folder, kept, written};
use crate::json_schema::{errors, fullest};
use cloudoptim_core::catalog::{
    Benchmark, EbsPrice, Figure, InstanceTypeInfo, RegionInfo, ServicePrice, SpotAdvice,
    TransferPrice,
};
use cloudoptim_core::decision::Decision;
use cloudoptim_core::engines::EngineOutput;
use cloudoptim_core::engines::bin_packing::{ConstraintPrices, Migration, WhatIf};
use cloudoptim_core::execute::Report;
use cloudoptim_core::guard::{Approval, Limits};
use cloudoptim_core::input::LoadReport;
use cloudoptim_core::interruption::Decision as Interruption;
use cloudoptim_core::interruption::drain::DrainPlan;
use cloudoptim_core::journal::Entry;
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{MicroUsdPerHour, Snapshot, UsageColumns};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::Plan;
use cloudoptim_core::policy::Policy;
use cloudoptim_core::version::Document;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn schemas() -> BTreeMap<&'static str, Value> {
    let all = cloudoptim_core::schema::schemas();
    all.into_iter().map(|(name, s)| (name, s.into())).collect()
}

#[test]
fn the_published_schemas_are_current() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema");
    let mut files: BTreeSet<String> = BTreeSet::new();
    for (name, schema) in cloudoptim_core::schema::schemas() {
        files.insert(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = folder.join(format!("{name}.json"));
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            published == text,
            "schema/{name}.json is out of date: run with UPDATE_SCHEMA=1"
        );
    }
    let there = std::fs::read_dir(&folder).unwrap();
    let there: BTreeSet<String> = there
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        there, files,
        "files without a type, or types without a file"
    );
}

/// Reads a document and writes it again.
type Again = fn(Value) -> Result<Value, String>;

fn again<T: Serialize + DeserializeOwned>(value: Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(value).map_err(|e| e.to_string())?;
    Ok(serde_json::to_value(&read).unwrap())
}

/// Every published type by the name of its schema.
fn types() -> BTreeMap<&'static str, Again> {
    BTreeMap::from([
        ("approval", again::<Approval> as Again),
        ("benchmark", again::<Benchmark>),
        ("constraint_prices", again::<ConstraintPrices>),
        ("decision", again::<Decision>),
        ("drain_plan", again::<DrainPlan>),
        ("ebs_price", again::<EbsPrice>),
        ("engine_output", again::<EngineOutput>),
        ("execution_report", again::<Report>),
        ("instance_type", again::<InstanceTypeInfo>),
        ("interruption_decision", again::<Interruption>),
        ("journal_entry", again::<Entry>),
        ("ledgers", again::<Ledgers>),
        ("limits", again::<Limits>),
        ("load_report", again::<LoadReport>),
        ("migration", again::<Migration>),
        ("overlay", again::<Overlay>),
        ("plan", again::<Plan>),
        ("policy", again::<Policy>),
        ("price_figure", again::<Figure<MicroUsdPerHour>>),
        ("region", again::<RegionInfo>),
        ("service_price", again::<ServicePrice>),
        ("snapshot", again::<Snapshot>),
        ("spot_advice", again::<SpotAdvice>),
        ("transfer_price", again::<TransferPrice>),
        ("usage_columns", again::<UsageColumns>),
        ("what_if", again::<WhatIf>),
    ])
}

/// The fullest document of each form of a type, as stored.
fn full(name: &str, schema: &Value) -> Vec<Value> {
    let path = folder().join("full").join(format!("{name}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let forms = json!(fullest(schema));
        std::fs::write(&path, written(&forms) + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn the_fullest_document_of_each_type_is_read_and_nothing_of_it_is_lost() {
    let (schemas, types) = (schemas(), types());
    assert!(schemas.keys().eq(types.keys()), "one type of each schema");
    for (name, schema) in &schemas {
        let forms = full(name, schema);
        // A field or a form that is new has to be in the file too.
        kept(name, &json!(fullest(schema)), &json!(forms));
        for full in forms {
            assert_eq!(errors(schema, &full), Vec::<String>::new(), "{name}");
            let again = types[name](full.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
            kept(name, &full, &again);
            assert_eq!(errors(schema, &again), Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn documents_as_they_occur_keep_to_their_schemas() {
    let schemas = schemas();
    for (file, name) in [
        ("approval", "approval"),
        ("engine_outputs", "engine_output"),
        ("execution_report", "execution_report"),
        ("journal", "journal_entry"),
        ("ledgers", "ledgers"),
        ("limits", "limits"),
        ("load_report", "load_report"),
        ("overlay", "overlay"),
        ("plan", "plan"),
        ("policy", "policy"),
        ("snapshot", "snapshot"),
        ("usage_columns", "usage_columns"),
    ] {
        let text = std::fs::read_to_string(folder().join(format!("{file}.json"))).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let one = |value: &Value| {
            assert_eq!(
                errors(&schemas[name], value),
                Vec::<String>::new(),
                "{file}"
            );
        };
        match &value {
            Value::Array(many) => many.iter().for_each(one),
            value => one(value),
        }
    }
}

/// Type and schema refuse a broken document alike.
#[test]
fn a_broken_document_is_refused_by_its_type_and_its_schema() {
    let types = types();
    for (name, schema) in &schemas() {
        let refused = |broken: Value, what: &str| {
            assert!(!errors(schema, &broken).is_empty(), "{name}: {what}");
            assert!(types[name](broken).is_err(), "{name}: {what}");
        };
        refused(json!("text"), "a text");
        for (n, full) in full(name, schema).iter().enumerate() {
            // The forms of a journal entry have their fields apart.
            let form = schema.get("oneOf").map_or(schema, |forms| &forms[n]);
            for field in form["required"].as_array().into_iter().flatten() {
                let mut broken = full.clone();
                broken
                    .as_object_mut()
                    .unwrap()
                    .remove(field.as_str().unwrap());
                refused(broken, &format!("without {field}"));
            }
            for (field, _) in form["properties"].as_object().unwrap() {
                let mut broken = full.clone();
                broken[field] = json!({"no": {"such": "thing"}});
                refused(broken, &format!("{field} of a wrong type"));
            }
            if form["additionalProperties"] == json!(false) {
                let mut broken = full.clone();
                broken["no_such_field"] = json!(1);
                refused(broken, "an unknown field");
            }
        }
    }
}

#[test]
fn every_document_refuses_another_version_by_name_and_number() {
    fn refuses<T: Document + Serialize + DeserializeOwned>(name: &str, all_default: bool) {
        let schema = &schemas()[name];
        let mut full = full(name, schema).remove(0);
        assert_eq!(full["version"], json!(T::VERSION), "{name}");
        let (called, known) = (T::NAME, T::VERSION);
        let text = known.to_string();
        for (other, wanted) in [
            (
                json!(known + 6),
                format!("{called} version {} is not", known + 6),
            ),
            (json!(0), format!("{called} version 0 is not")),
            (json!(-1), format!("{called} version -1 is not")),
            // The known one, if only 32 bits were looked at.
            (
                json!((1_u64 << 32) + u64::from(known)),
                format!(
                    "{called} version {} is not",
                    (1_u64 << 32) + u64::from(known)
                ),
            ),
            (
                json!(text),
                format!("invalid type: string \"{text}\", expected {called} version {known}"),
            ),
            (
                json!(1.5),
                format!("invalid type: floating point `1.5`, expected {called} version {known}"),
            ),
            (
                json!(null),
                format!("invalid type: null, expected {called} version {known}"),
            ),
        ] {
            full["version"] = other;
            let said = again::<T>(full.clone()).unwrap_err();
            assert!(said.starts_with(&wanted), "{said}");
            let number = format!(" known here, only {known} is");
            assert!(
                !wanted.ends_with(" is not") || said.contains(&number),
                "{said}"
            );
            assert!(!errors(schema, &full).is_empty(), "{name}");
        }
        full.as_object_mut().unwrap().remove("version");
        let result = again::<T>(full);
        if all_default {
            assert_eq!(result.unwrap()["version"], json!(T::VERSION), "{name}");
        } else {
            let said = result.unwrap_err();
            assert!(said.contains("missing field `version`"), "{said}");
        }
    }
    refuses::<Snapshot>("snapshot", false);
    refuses::<Migration>("migration", false);
    refuses::<WhatIf>("what_if", false);
    refuses::<ConstraintPrices>("constraint_prices", false);
    refuses::<Interruption>("interruption_decision", false);
    refuses::<DrainPlan>("drain_plan", false);
    refuses::<Plan>("plan", false);
    refuses::<Approval>("approval", false);
    refuses::<EngineOutput>("engine_output", false);
    refuses::<Report>("execution_report", false);
    refuses::<Entry>("journal_entry", false);
    refuses::<Policy>("policy", true);
    refuses::<Limits>("limits", true);
    refuses::<Overlay>("overlay", true);
    refuses::<Ledgers>("ledgers", true);
    refuses::<UsageColumns>("usage_columns", true);
    refuses::<LoadReport>("load_report", true);
    // The others are parts of documents.
    let parts: Vec<&str> = schemas()
        .iter()
        .filter(|(_, s)| s.get("oneOf").is_none() && s["properties"].get("version").is_none())
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(
        parts,
        [
            "benchmark",
            "decision",
            "ebs_price",
            "instance_type",
            "price_figure",
            "region",
            "service_price",
            "spot_advice",
            "transfer_price"
        ]
    );
}
