//! Settings.

use crate::engines::{EngineError, EngineId};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Settings of the ghost probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Minutes since launch before an instance without a node is looked at.
    /// Default 30, at least 15.
    pub min_age_minutes: u32,
    /// Hours of observed absence before the first act. Default 24, at least 1.
    pub grace_hours: u32,
    /// Observations that the grace must rest on. Default 3, at least 2.
    pub min_observations: u32,
    /// The longest hole between two observations, in minutes. Default 360, at
    /// least 1.
    pub max_gap_minutes: u32,
    /// Hours between the mark and the termination. Default 24, at least 24.
    pub quarantine_hours: u32,
    /// Minutes in which a lease must have been renewed to show that a kubelet
    /// lives. Default 60, at least 1.
    pub lease_minutes: u32,
    /// Most acts of a run, and 5 % of the population with `max_share_percent`.
    /// Default 5.
    pub max_acts: u32,
    /// Most acts of a run in percent of the population, rounded down, but one
    /// where the population is 3 or more. Default 5, at most 100.
    pub max_share_percent: u32,
    /// Share of suspects in percent above which the input is suspected instead.
    /// Default 20, at most 100.
    pub suspicion_percent: u32,
    /// Whether an instance may be stopped and terminated whose type has local
    /// disks, the data of which are lost with the stop. Default false: a person
    /// is asked.
    pub local_disks_may_go: bool,
    /// Tags that protect an instance, whatever their value but `false`, `no`
    /// or `0`; compared without case.
    pub keep_tags: BTreeSet<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // Cluster Autoscaler gives up on a node after 15 min
            // (max-node-provision-time), Karpenter too (registration); slow
            // images and approvals take longer.
            min_age_minutes: 30,
            // A day holds a nightly maintenance of any cluster.
            grace_hours: 24,
            // Two are a start and an end; the third shows that it held.
            min_observations: 3,
            // Four looks a day. A longer hole may hide a node that came and went.
            max_gap_minutes: 360,
            // A day for somebody to say that it was theirs.
            quarantine_hours: 24,
            // Kubelets renew every 10 s; an hour covers an outage of the API.
            lease_minutes: 60,
            // The blast radius of a run: 5 and 5 %.
            max_acts: 5,
            max_share_percent: 5,
            // Karpenter's node repair stops at 20 % of a pool for the same reason.
            suspicion_percent: 20,
            // A stop that loses data is no way back.
            local_disks_may_go: false,
            keep_tags: [
                "cloudoptim/protect",
                "do-not-delete",
                "do-not-terminate",
                "keep",
                "legal-hold",
            ]
            .into_iter()
            .map(str::to_owned)
            .collect(),
        }
    }
}

impl Config {
    /// With another minimum age.
    #[must_use]
    pub const fn with_min_age_minutes(mut self, minutes: u32) -> Self {
        self.min_age_minutes = minutes;
        self
    }

    /// With another grace.
    #[must_use]
    pub const fn with_grace_hours(mut self, hours: u32) -> Self {
        self.grace_hours = hours;
        self
    }

    /// With or without local disks that may be lost.
    #[must_use]
    pub const fn with_local_disks_may_go(mut self, may_go: bool) -> Self {
        self.local_disks_may_go = may_go;
        self
    }

    /// With other caps on the acts of a run.
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
        let at_least = |name: &str, value: u32, least: u32| {
            if value < least {
                return Err(bad(format!("{name} must be at least {least}, got {value}")));
            }
            Ok(())
        };
        let percent = |name: &str, value: u32| {
            if value > 100 {
                return Err(bad(format!("{name} must be at most 100, got {value}")));
            }
            Ok(())
        };
        at_least("min_age_minutes", self.min_age_minutes, 15)?;
        at_least("grace_hours", self.grace_hours, 1)?;
        at_least("min_observations", self.min_observations, 2)?;
        at_least("max_gap_minutes", self.max_gap_minutes, 1)?;
        at_least("quarantine_hours", self.quarantine_hours, 24)?;
        at_least("lease_minutes", self.lease_minutes, 1)?;
        percent("max_share_percent", self.max_share_percent)?;
        percent("suspicion_percent", self.suspicion_percent)
    }

    pub(super) fn min_age(&self) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.min_age_minutes))
    }

    pub(super) fn grace(&self) -> TimeDelta {
        TimeDelta::hours(i64::from(self.grace_hours))
    }

    pub(super) fn quarantine(&self) -> TimeDelta {
        TimeDelta::hours(i64::from(self.quarantine_hours))
    }

    pub(super) fn lease(&self) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.lease_minutes))
    }
}

const fn bad(message: String) -> EngineError {
    EngineError::BadSetting {
        engine: EngineId::GhostProbe,
        message,
    }
}
