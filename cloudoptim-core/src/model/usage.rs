//! Usage: a columnar part for algorithms, and the summary that a snapshot carries.

use super::{NodeName, WorkloadRef};
use crate::version::Version;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// What a series measures.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UsageMetric {
    /// CPU in thousandths of a core.
    #[default]
    CpuMilli,
    /// Working set in bytes.
    MemoryBytes,
    /// Counter of the periods in which the container wanted CPU under a limit.
    CpuPeriods,
    /// Counter of those in which the limit held it back.
    CpuThrottledPeriods,
    /// The second counter's rate divided by the first's, in thousandths.
    CpuThrottledMilli,
}

/// One series: a container of one pod.
///
/// `values` is evenly spaced; a hole is `None`, never zero.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UsageSeries {
    /// What it measures.
    pub metric: UsageMetric,
    /// Namespace.
    pub namespace: String,
    /// Pod.
    pub pod: String,
    /// Container.
    pub container: String,
    /// Node, where stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// Time of the first value, in seconds since the epoch.
    pub start_seconds: i64,
    /// Distance of values in seconds, at least 1.
    pub step_seconds: u32,
    /// Values.
    pub values: Vec<Option<u64>>,
}

/// All series.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UsageColumns {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Series, sorted by namespace, pod, container and metric.
    pub series: Vec<UsageSeries>,
}

/// What is known of one container of one workload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ContainerUsage {
    /// Workload; `None` when the pod's owner cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadRef>,
    /// Namespace.
    pub namespace: String,
    /// Container.
    pub container: String,
    /// CPU in thousandths of a core, over all pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<UsageStats>,
    /// Memory in bytes, over all pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<UsageStats>,
    /// Each pod alone, those that are gone too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodUsage>,
}

/// One pod's part.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PodUsage {
    /// Pod.
    pub pod: String,
    /// The pod is in the snapshot and has not ended.
    pub live: bool,
    /// Largest CPU in thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_peak_milli: Option<u64>,
    /// Mean CPU in thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_mean_milli: Option<u64>,
    /// Share of the periods in which its CPU limit held it back, in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_throttled_milli: Option<u64>,
    /// Largest memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
    /// Last memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_last_bytes: Option<u64>,
    /// Samples (the fewer of both metrics).
    pub samples: u64,
    /// Of the steps from one memory sample to the next, those that rise, in
    /// thousandths: about half for a steady process, nearly all for a leak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_rising_milli: Option<u64>,
    /// Median of those steps in bytes an hour, at least 0: what a leak takes.
    /// A restart is one step of many and does not move it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_rise_per_hour: Option<u64>,
}

/// Statistics of one metric over the pods of a container; values in the
/// metric's unit, percentiles by nearest rank.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UsageStats {
    /// Samples.
    pub samples: u64,
    /// First sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_at: Option<DateTime<Utc>>,
    /// Last sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<DateTime<Utc>>,
    /// Distance of samples in seconds.
    pub step_seconds: u32,
    /// Values that are missing between first and last.
    pub missing: u64,
    /// Longest hole in seconds.
    pub longest_gap_seconds: u64,
    /// Holes of six hours and more, of one pod or of all together: the 200
    /// longest, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<UsageGap>,
    /// Mean.
    pub mean: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Maximum.
    pub max: u64,
    /// Largest value of each UTC day, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub daily_peaks: Vec<DailyPeak>,
    /// Percentiles of the VPA recommender's decaying histogram.
    pub vpa: VpaPercentiles,
}

/// A time without values between two that have one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UsageGap {
    /// Last value before.
    pub from: DateTime<Utc>,
    /// First value after.
    pub until: DateTime<Utc>,
    /// Values that series lack in it: none where one pod had ended and another
    /// not begun.
    pub missing: u64,
    /// No pod has a value in it. Else it is a hole of one, beside which others
    /// may have run.
    pub of_all: bool,
}

impl UsageGap {
    /// From this length on, in seconds, holes are kept one by one.
    pub const LEAST_SECONDS: u32 = 6 * 3600;
    /// Most of them that are kept: the nights of half a year.
    pub const MOST: usize = 200;

    /// How long it lasts.
    pub fn seconds(&self) -> u64 {
        u64::try_from((self.until - self.from).num_seconds()).unwrap_or(0)
    }
}

/// The largest value of a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DailyPeak {
    /// Day, in UTC.
    pub day: NaiveDate,
    /// Largest value.
    pub peak: u64,
}

/// Percentiles of a decaying histogram as the VPA recommender keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct VpaPercentiles {
    /// 50th percentile.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 95th percentile.
    pub p95: u64,
    /// Days of history that the VPA's confidence counts, in thousandths of a day.
    pub history_milli_days: u64,
}

/// The usage that a snapshot carries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct UsageSummary {
    /// Digest of the columns that it was made from.
    pub digest: String,
    /// Per container, sorted by namespace, workload and container.
    pub containers: Vec<ContainerUsage>,
    /// Series left out, with the reason (a pod sum without container label, …).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// Series that were not used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LeftOut {
    /// Why.
    pub why: String,
    /// How many.
    pub count: u64,
}
