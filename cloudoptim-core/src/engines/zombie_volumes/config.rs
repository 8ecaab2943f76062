//! Settings.

use crate::engines::{EngineError, EngineId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Settings of the zombie-volume engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Whole days that a volume must have been observed unattached. Default 7,
    /// at least 1.
    pub grace_days: u16,
    /// Observations that the grace must rest on. Default 7, at least 2.
    pub min_observations: u32,
    /// The longest hole between two observations, in minutes. Default 1500, at
    /// least 1.
    pub max_gap_minutes: u32,
    /// Most deletions of a run, and `max_share_percent` of the volumes.
    /// Default 20.
    pub max_acts: u32,
    /// Most deletions of a run in percent of the volumes, rounded down, but one
    /// of 3 or more. Default 5, at most 100.
    pub max_share_percent: u32,
    /// Share of suspects in percent above which the input is suspected instead.
    /// Default 20, at most 100.
    pub suspicion_percent: u32,
    /// Tags that protect a volume, whatever their value but `false`, `no` or
    /// `0`; compared without case.
    pub keep_tags: BTreeSet<String>,
    /// Beginnings of tag keys by which backup tools mark their volumes.
    pub backup_tag_prefixes: BTreeSet<String>,
    /// Beginnings of tag keys, and `key=value` pairs, by which tools that would
    /// miss the volume mark it.
    pub managing_tags: BTreeSet<String>,
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|s| (*s).to_owned()).collect()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // A week holds a weekend, a weekly job and a slow release.
            // (c7n's example policy waits 30 days and looks at nothing else.)
            grace_days: 7,
            // Once a day.
            min_observations: 7,
            // A daily run with an hour of slack.
            max_gap_minutes: 1500,
            // The blast radius of a run: 20 and 5 %.
            max_acts: 20,
            max_share_percent: 5,
            suspicion_percent: 20,
            keep_tags: set(&[
                "archive",
                "cloudoptim/protect",
                "do-not-delete",
                "donotdelete",
                "keep",
                "legal-hold",
                "retain",
            ]),
            backup_tag_prefixes: set(&[
                "aws:backup:",
                "aws:dlm:",
                "dlm:",
                "dlm.",
                "velero.io/",
                "velero-",
                "kasten.io/",
                "k10.kasten.io/",
            ]),
            managing_tags: set(&[
                "aws:cloudformation:",
                "managed-by=terraform",
                "managed_by=terraform",
                "managedby=terraform",
                "terraform=true",
                "pulumi:",
                "crossplane-",
            ]),
        }
    }
}

impl Config {
    /// With another grace.
    #[must_use]
    pub const fn with_grace_days(mut self, days: u16) -> Self {
        self.grace_days = days;
        self
    }

    /// With other caps on the deletions of a run.
    #[must_use]
    pub const fn with_caps(mut self, max_acts: u32, max_share_percent: u32) -> Self {
        self.max_acts = max_acts;
        self.max_share_percent = max_share_percent;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`EngineError::BadSetting`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| {
            Err(EngineError::BadSetting {
                engine: EngineId::ZombieVolumes,
                message,
            })
        };
        if self.grace_days < 1 {
            return bad(format!(
                "grace_days must be at least 1, got {}",
                self.grace_days
            ));
        }
        if self.min_observations < 2 {
            let got = self.min_observations;
            return bad(format!("min_observations must be at least 2, got {got}"));
        }
        if self.max_gap_minutes < 1 {
            return bad("max_gap_minutes must be at least 1, got 0".to_owned());
        }
        for (name, value) in [
            ("max_share_percent", self.max_share_percent),
            ("suspicion_percent", self.suspicion_percent),
        ] {
            if value > 100 {
                return bad(format!("{name} must be at most 100, got {value}"));
            }
        }
        Ok(())
    }
}
