//! JSON Schemas of everything that crosses the API.
//!
//! They are published in the crate's `schema` folder, one file per type, for
//! hosts in other languages; a test keeps the files current. Documents have a
//! version, and its schema allows only the known one; a decision, a price
//! figure and the rows of catalogue tables are parts, see
//! [`version`](crate::version).

use schemars::{Schema, schema_for};
use std::collections::BTreeMap;

/// The schema of each type by its file name, without `.json`.
///
/// ```
/// let schemas = cloudoptim_core::schema::schemas();
/// assert!(schemas["plan"].get("properties").is_some());
/// ```
pub fn schemas() -> BTreeMap<&'static str, Schema> {
    BTreeMap::from([
        ("approval", schema_for!(crate::guard::Approval)),
        ("benchmark", schema_for!(crate::catalog::Benchmark)),
        (
            "constraint_prices",
            schema_for!(crate::engines::bin_packing::ConstraintPrices),
        ),
        ("decision", schema_for!(crate::decision::Decision)),
        (
            "drain_plan",
            schema_for!(crate::interruption::drain::DrainPlan),
        ),
        ("ebs_price", schema_for!(crate::catalog::EbsPrice)),
        ("engine_output", schema_for!(crate::engines::EngineOutput)),
        ("execution_report", schema_for!(crate::execute::Report)),
        (
            "instance_type",
            schema_for!(crate::catalog::InstanceTypeInfo),
        ),
        (
            "interruption_decision",
            schema_for!(crate::interruption::Decision),
        ),
        ("journal_entry", schema_for!(crate::journal::Entry)),
        ("ledgers", schema_for!(crate::ledger::Ledgers)),
        ("limits", schema_for!(crate::guard::Limits)),
        ("load_report", schema_for!(crate::input::LoadReport)),
        (
            "migration",
            schema_for!(crate::engines::bin_packing::Migration),
        ),
        ("overlay", schema_for!(crate::overlay::Overlay)),
        ("plan", schema_for!(crate::plan::Plan)),
        ("policy", schema_for!(crate::policy::Policy)),
        (
            "price_figure",
            schema_for!(crate::catalog::Figure<crate::model::MicroUsdPerHour>),
        ),
        ("region", schema_for!(crate::catalog::RegionInfo)),
        ("service_price", schema_for!(crate::catalog::ServicePrice)),
        ("snapshot", schema_for!(crate::model::Snapshot)),
        ("spot_advice", schema_for!(crate::catalog::SpotAdvice)),
        ("transfer_price", schema_for!(crate::catalog::TransferPrice)),
        ("usage_columns", schema_for!(crate::model::UsageColumns)),
        ("what_if", schema_for!(crate::engines::bin_packing::WhatIf)),
    ])
}
