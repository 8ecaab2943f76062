//! Settings.

use crate::engines::{EngineError, EngineId};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// A rule that turns usage into a request.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// CPU p99 and memory maximum, each plus 15 %; limits stay. On 440 windows
    /// of 40 virtual machines of the Bitbrains trace, p99 costs as much as
    /// p90 × 1.15 and leaves a third of the windows in trouble.
    #[default]
    PeakMargin,
    /// The Vertical Pod Autoscaler: CPU p90 and p90 of daily memory peaks, of
    /// the decaying histograms, plus 15 %, at least 25m and 250Mi for a pod;
    /// limits keep their ratio to requests.
    Vpa,
    /// KRR's `simple`: CPU p95 without limit; memory maximum plus 15 %, for
    /// request and limit; at least 100 samples.
    Krr,
}

impl Rule {
    /// Its name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PeakMargin => "peak_margin",
            Self::Vpa => "vpa",
            Self::Krr => "krr",
        }
    }
}

/// What happens to limits when requests change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitRule {
    /// They stay; only a request above its limit lifts the limit.
    Keep,
    /// They keep their ratio to the request.
    Ratio,
    /// They are the request.
    EqualRequest,
    /// They are taken away.
    Remove,
}

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Rule. Default `peak_margin`.
    pub rule: Rule,
    /// CPU limits; the rule's own when `None`, the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limits: Option<LimitRule>,
    /// Memory limits; the rule's own when `None`, the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limits: Option<LimitRule>,
    /// Days of history that a change needs. Default 7, at least 1.
    pub min_history_days: u16,
    /// Samples that a change needs, over all pods. Default 100.
    pub min_samples: u64,
    /// Most of the values that may be missing, in percent. Default 20.
    pub max_missing_percent: u32,
    /// Longest time without a sample, in hours, the workload's own sleep not
    /// counted. Default 24.
    pub max_gap_hours: u16,
    /// Most of the periods in which a CPU limit may have held a pod back, in
    /// percent, before its CPU use counts as a lower bound. Default 5.
    pub max_throttled_percent: u32,
    /// Hours that a release must have been seen. Default 24.
    pub min_release_hours: u16,
    /// Runs that a Job or CronJob must have been seen. Default 3.
    pub min_runs: u32,
    /// Most that one step takes from a request, in percent. Default 30.
    pub max_shrink_percent: u32,
    /// Changes below this share of the request are left, in percent. Default 10.
    pub min_change_percent: u32,
    /// Days after a kill in which memory is not lowered. Default 14.
    pub hold_days_after_kill: u16,
    /// What a runtime needs beside a heap of fixed size, in percent of it.
    /// Default 25.
    pub heap_overhead_percent: u32,
    /// The operator states that no VerticalPodAutoscaler exists, so a list that
    /// was not collected counts as empty. Default false.
    pub without_vpa: bool,
    /// The same of KEDA's ScaledObjects. Default false.
    pub without_keda: bool,
    /// Also tell which cheaper instance type would hold what a node runs.
    /// Default true.
    pub node_types: bool,
    /// An object with this annotation `true` is left alone. Default
    /// `cloudoptim/opt-out`.
    pub opt_out_annotation: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rule: Rule::PeakMargin,
            cpu_limits: None,
            memory_limits: None,
            min_history_days: 7, // a week has its quiet days and its busy ones
            min_samples: 100,    // KRR's points_required
            max_missing_percent: 20, // a quarter of a day every day
            max_gap_hours: 24,   // a whole day unseen hides a daily peak
            max_throttled_percent: 5, // every twentieth period is seen in its p95
            min_release_hours: 24, // the VPA's memory interval
            min_runs: 3,         // one run is no sample, two have no outlier
            max_shrink_percent: 30, // a mistake is found before the next step
            min_change_percent: 10, // the VPA updater's threshold
            hold_days_after_kill: 14, // KRR's history; a kill outweighs averages
            heap_overhead_percent: 25, // metaspace, stacks, buffers; Boot guides say 25 %
            without_vpa: false,
            without_keda: false,
            node_types: true,
            opt_out_annotation: "cloudoptim/opt-out".to_owned(),
        }
    }
}

impl Config {
    /// Sets [`rule`](Self::rule).
    #[must_use]
    pub const fn with_rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Sets [`cpu_limits`](Self::cpu_limits).
    #[must_use]
    pub const fn with_cpu_limits(mut self, limits: Option<LimitRule>) -> Self {
        self.cpu_limits = limits;
        self
    }

    /// Sets [`memory_limits`](Self::memory_limits).
    #[must_use]
    pub const fn with_memory_limits(mut self, limits: Option<LimitRule>) -> Self {
        self.memory_limits = limits;
        self
    }

    /// Sets [`min_history_days`](Self::min_history_days).
    #[must_use]
    pub const fn with_min_history_days(mut self, days: u16) -> Self {
        self.min_history_days = days;
        self
    }

    /// Sets [`min_samples`](Self::min_samples).
    #[must_use]
    pub const fn with_min_samples(mut self, samples: u64) -> Self {
        self.min_samples = samples;
        self
    }

    /// Sets [`max_shrink_percent`](Self::max_shrink_percent).
    #[must_use]
    pub const fn with_max_shrink_percent(mut self, percent: u32) -> Self {
        self.max_shrink_percent = percent;
        self
    }

    /// Sets [`min_change_percent`](Self::min_change_percent).
    #[must_use]
    pub const fn with_min_change_percent(mut self, percent: u32) -> Self {
        self.min_change_percent = percent;
        self
    }

    /// Sets [`without_vpa`](Self::without_vpa).
    #[must_use]
    pub const fn with_without_vpa(mut self, stated: bool) -> Self {
        self.without_vpa = stated;
        self
    }

    /// Sets [`without_keda`](Self::without_keda).
    #[must_use]
    pub const fn with_without_keda(mut self, stated: bool) -> Self {
        self.without_keda = stated;
        self
    }

    /// Sets [`node_types`](Self::node_types).
    #[must_use]
    pub const fn with_node_types(mut self, on: bool) -> Self {
        self.node_types = on;
        self
    }

    pub(super) fn min_history(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.min_history_days))
    }

    pub(super) fn hold(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.hold_days_after_kill))
    }

    pub(super) fn min_release(&self) -> TimeDelta {
        TimeDelta::hours(i64::from(self.min_release_hours))
    }

    pub(super) fn cpu_limit_rule(&self) -> LimitRule {
        self.cpu_limits.unwrap_or(match self.rule {
            Rule::PeakMargin => LimitRule::Keep,
            Rule::Vpa => LimitRule::Ratio,
            Rule::Krr => LimitRule::Remove,
        })
    }

    pub(super) fn memory_limit_rule(&self) -> LimitRule {
        self.memory_limits.unwrap_or(match self.rule {
            Rule::PeakMargin => LimitRule::Keep,
            Rule::Vpa => LimitRule::Ratio,
            Rule::Krr => LimitRule::EqualRequest,
        })
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`EngineError::BadSetting`] for the first value out of range.
    pub fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| {
            Err(EngineError::BadSetting {
                engine: EngineId::Rightsizing,
                message,
            })
        };
        if self.min_history_days == 0 {
            return bad("min_history_days must be at least 1, got 0".to_owned());
        }
        for (name, value, most) in [
            ("max_missing_percent", self.max_missing_percent, 100),
            ("max_throttled_percent", self.max_throttled_percent, 100),
            ("max_shrink_percent", self.max_shrink_percent, 90),
            ("min_change_percent", self.min_change_percent, 100),
            ("heap_overhead_percent", self.heap_overhead_percent, 400),
        ] {
            if value > most {
                return bad(format!("{name} must be at most {most}, got {value}"));
            }
        }
        if self.max_shrink_percent == 0 {
            return bad("max_shrink_percent must be at least 1, got 0".to_owned());
        }
        if self.opt_out_annotation.is_empty() {
            return bad("opt_out_annotation must not be empty".to_owned());
        }
        Ok(())
    }
}
