//! JSON Schemas of everything that crosses the API.
//!
//! They are published in the crate's `schema` folder, one file per type, for
//! hosts in other languages; a test keeps the files current.

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
        ("decision", schema_for!(crate::decision::Decision)),
        ("engine_output", schema_for!(crate::engines::EngineOutput)),
        ("execution_report", schema_for!(crate::execute::Report)),
        ("journal_entry", schema_for!(crate::journal::Entry)),
        ("ledgers", schema_for!(crate::ledger::Ledgers)),
        ("limits", schema_for!(crate::guard::Limits)),
        ("load_report", schema_for!(crate::input::LoadReport)),
        ("overlay", schema_for!(crate::overlay::Overlay)),
        ("plan", schema_for!(crate::plan::Plan)),
        ("policy", schema_for!(crate::policy::Policy)),
        (
            "price_figure",
            schema_for!(crate::catalog::Figure<crate::model::MicroUsdPerHour>),
        ),
        ("snapshot", schema_for!(crate::model::Snapshot)),
    ])
}
