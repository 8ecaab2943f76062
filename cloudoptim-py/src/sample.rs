//! Settings of every kind, for the tests in `tests/test_settings.py` only.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sample {
    /// Whole days a volume must have been unattached. Default 7, at least 1.
    grace_days: u16,
    /// Share of the recommendation kept free, 0 to 1.
    safety_margin_fraction: f64,
    /// Whether to act at all.
    enabled: bool,
    /// What to do with the rest.
    mode: Mode,
    /// The zone the windows are in.
    zone: Option<String>,
    /// Ends the settings.
    until: Option<DateTime<Utc>>,
    /// When to be awake.
    windows: Vec<Window>,
    /// Overrides by namespace.
    by_namespace: BTreeMap<String, u16>,
    /// A limit that the default leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_steps: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Leave it.
    Keep,
    /// Remove it.
    Delete,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Window {
    from: String,
    to: String,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            grace_days: 7,
            safety_margin_fraction: 0.15,
            enabled: true,
            mode: Mode::Keep,
            zone: None,
            until: None,
            windows: vec![Window {
                from: "09:00".to_owned(),
                to: "18:00".to_owned(),
            }],
            by_namespace: BTreeMap::new(),
            max_steps: None,
        }
    }
}

impl Sample {
    fn validate(&self) -> Result<(), Refused> {
        if self.grace_days == 0 {
            Err(Refused(NoDays))
        } else {
            Ok(())
        }
    }
}

#[derive(Debug)]
struct Refused(NoDays);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("grace_days must be at least 1, got 0")
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[derive(Debug)]
struct NoDays;

impl fmt::Display for NoDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no volume would be spared")
    }
}

impl std::error::Error for NoDays {}

crate::settings::settings! {
    /// Settings of every kind.
    _Sample = Sample
}
