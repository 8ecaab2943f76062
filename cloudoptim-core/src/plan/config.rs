//! Settings of a plan.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Settings of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Minutes for which a plan is valid. Default 240: a working session, after
    /// which pods and prices have moved on. 1 to 10,080.
    pub valid_minutes: u32,
    /// Most containers that a plan resizes downwards. Default 20.
    pub max_resizes: u32,
    /// Most of the workloads that a plan resizes downwards, in percent, rounded
    /// down; from three workloads on one is always allowed, unless this is 0.
    /// Default 10.
    pub max_resizes_percent: u32,
    /// Seconds to wait after a drain before the next. Default 60: endpoints,
    /// load balancers and autoscalers need about as long to follow.
    pub settle_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            valid_minutes: 240,
            max_resizes: 20,
            max_resizes_percent: 10,
            settle_seconds: 60,
        }
    }
}

impl Config {
    /// Sets the minutes for which a plan is valid.
    #[must_use]
    pub const fn with_valid_minutes(mut self, minutes: u32) -> Self {
        self.valid_minutes = minutes;
        self
    }

    /// Sets the most containers that a plan resizes downwards.
    #[must_use]
    pub const fn with_max_resizes(mut self, count: u32, percent: u32) -> Self {
        self.max_resizes = count;
        self.max_resizes_percent = percent;
        self
    }

    /// Refuses values out of range.
    ///
    /// # Errors
    /// The setting, what it must be and what it is.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let within = |setting, value: u32, low, high| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(ConfigError {
                    setting,
                    low,
                    high,
                    value,
                })
            }
        };
        within("valid_minutes", self.valid_minutes, 1, 10_080)?;
        within("max_resizes_percent", self.max_resizes_percent, 0, 100)?;
        within("settle_seconds", self.settle_seconds, 0, 3_600)
    }

    pub(super) fn valid_for(&self) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.valid_minutes.min(10_080)))
    }

    /// Most containers of `population` workloads that one plan resizes downwards.
    pub fn resize_limit(&self, population: u64) -> u64 {
        let share = population.saturating_mul(u64::from(self.max_resizes_percent)) / 100;
        let share = match (self.max_resizes_percent, population) {
            (0, _) | (_, 0..=2) => share,
            _ => share.max(1),
        };
        share.min(u64::from(self.max_resizes))
    }
}

/// A setting out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be from {low} to {high}, got {value}")]
pub struct ConfigError {
    setting: &'static str,
    low: u32,
    high: u32,
    value: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_percent_allows_no_resize_and_a_small_one_allows_one_from_three_workloads_on() {
        let limit = |percent, population| {
            Config::default()
                .with_max_resizes(20, percent)
                .resize_limit(population)
        };
        assert_eq!((limit(0, 3), limit(0, 1_000)), (0, 0));
        assert_eq!((limit(1, 2), limit(1, 3)), (0, 1));
        assert_eq!((limit(10, 50), limit(10, 1_000)), (5, 20));
    }
}
