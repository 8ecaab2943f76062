//! Settings.

use crate::engines::{EngineError, EngineId};
use crate::model::Bytes;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Settings of the engine.
///
/// | limit at the kill | after one raise, by default |
/// | --- | --- |
/// | 64 MiB | 128 MiB: +100 MiB, held at twice the first limit |
/// | 256 MiB | 356 MiB: +100 MiB |
/// | 1024 MiB | 1229 MiB: +20 % |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// What a raise adds to the limit, in percent. Default 20.
    pub increase_percent: u32,
    /// What a raise adds at least. Default 100 MiB.
    pub min_increase: Bytes,
    /// Most of the limit before the first raise, in percent. Default 200.
    pub max_percent_of_original: u32,
    /// Most raises of a container within [`steps_window_days`](Self::steps_window_days).
    /// Default 3.
    pub max_steps: u32,
    /// Days for which a raise counts as a step. Default 30.
    pub steps_window_days: u16,
    /// Minutes after a raise in which no other follows. Default 60.
    pub cooldown_minutes: u32,
    /// Days after which a kill is history. Default 7.
    pub max_age_days: u16,
    /// A kill of a pod whose use was never seen above this share of the limit,
    /// in percent, is not put down to the limit. Default 50.
    pub min_seen_percent: u32,
    /// Memory that rises in this share of steps, in thousandths, leaks.
    /// Default 800.
    pub leak_rising_milli: u64,
    /// Samples that a leak needs to be seen. Default 24.
    pub leak_min_samples: u64,
    /// What a runtime needs beside a heap of fixed size, in percent of it.
    /// Default 25.
    pub heap_overhead_percent: u32,
    /// Act without a ledger of earlier raises: the host states that there were
    /// none. Default false, since without a ledger three steps never end.
    pub assume_no_earlier_raises: bool,
    /// Act without usage, which is where a leak shows. Default false.
    pub without_usage: bool,
    /// The operator states that no VerticalPodAutoscaler exists, so a list that
    /// was not collected counts as empty. Default false.
    pub without_vpa: bool,
    /// An object with this annotation `true` is left alone. Default
    /// `cloudoptim/opt-out`.
    pub opt_out_annotation: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            increase_percent: 20,               // the VPA's oom-bump-up-ratio
            min_increase: Bytes::from_mib(100), // the VPA's oom-min-bump-up-bytes
            max_percent_of_original: 200,       // beyond, it is a leak or another program
            max_steps: 3,                       // a leak stops within three raises
            steps_window_days: 30,              // a release cycle
            cooldown_minutes: 60,               // a rollout, and a few crash loops of 5 min
            max_age_days: 7,                    // as long as a week's peak is away
            min_seen_percent: 50,               // below half, a spike or the node is likelier
            leak_rising_milli: 800,             // a steady process has about 500
            leak_min_samples: 24,               // six hours of quarters of an hour
            heap_overhead_percent: 25,          // metaspace, stacks, buffers
            assume_no_earlier_raises: false,
            without_usage: false,
            without_vpa: false,
            opt_out_annotation: "cloudoptim/opt-out".to_owned(),
        }
    }
}

impl Config {
    /// Sets [`increase_percent`](Self::increase_percent).
    #[must_use]
    pub const fn with_increase_percent(mut self, percent: u32) -> Self {
        self.increase_percent = percent;
        self
    }

    /// Sets [`min_increase`](Self::min_increase).
    #[must_use]
    pub const fn with_min_increase(mut self, bytes: Bytes) -> Self {
        self.min_increase = bytes;
        self
    }

    /// Sets [`max_steps`](Self::max_steps).
    #[must_use]
    pub const fn with_max_steps(mut self, steps: u32) -> Self {
        self.max_steps = steps;
        self
    }

    /// Sets [`assume_no_earlier_raises`](Self::assume_no_earlier_raises).
    #[must_use]
    pub const fn with_assume_no_earlier_raises(mut self, stated: bool) -> Self {
        self.assume_no_earlier_raises = stated;
        self
    }

    /// Sets [`without_usage`](Self::without_usage).
    #[must_use]
    pub const fn with_without_usage(mut self, stated: bool) -> Self {
        self.without_usage = stated;
        self
    }

    /// Sets [`without_vpa`](Self::without_vpa).
    #[must_use]
    pub const fn with_without_vpa(mut self, stated: bool) -> Self {
        self.without_vpa = stated;
        self
    }

    pub(super) fn max_age(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.max_age_days))
    }

    pub(super) fn cooldown(&self) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.cooldown_minutes))
    }

    pub(super) fn steps_window(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.steps_window_days))
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`EngineError::BadSetting`] for the first value out of range.
    pub fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| {
            Err(EngineError::BadSetting {
                engine: EngineId::Oom,
                message,
            })
        };
        for (name, value, least, most) in [
            ("increase_percent", self.increase_percent, 1, 100),
            (
                "max_percent_of_original",
                self.max_percent_of_original,
                101,
                1000,
            ),
            ("max_steps", self.max_steps, 1, 20),
            ("min_seen_percent", self.min_seen_percent, 0, 100),
            ("heap_overhead_percent", self.heap_overhead_percent, 0, 400),
        ] {
            if value < least || value > most {
                return bad(format!("{name} must be {least} to {most}, got {value}"));
            }
        }
        if self.opt_out_annotation.is_empty() {
            return bad("opt_out_annotation must not be empty".to_owned());
        }
        Ok(())
    }
}
