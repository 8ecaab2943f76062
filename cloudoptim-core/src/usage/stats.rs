//! Statistics of one container's series.

use super::vpa::{
    CPU_SAMPLE_WEIGHT, Histogram, MEMORY_INTERVAL_SECONDS, MEMORY_SAMPLE_WEIGHT, history_milli_days,
};
use crate::model::{DailyPeak, PodUsage, UsageMetric, UsageSeries, UsageStats, VpaPercentiles};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::BTreeMap;

fn samples(s: &UsageSeries) -> impl Iterator<Item = (i64, u64)> + '_ {
    let step = i64::from(s.step_seconds);
    let mut at = s.start_seconds;
    s.values.iter().filter_map(move |value| {
        let this = at;
        at = at.saturating_add(step);
        value.map(|v| (this, v))
    })
}

fn instant(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

/// What is known of one pod.
pub(super) fn pod(name: &str, live: bool, series: &[&UsageSeries]) -> PodUsage {
    let of = |metric: UsageMetric| {
        let mut all: Vec<(i64, u64)> = series
            .iter()
            .filter(|s| s.metric == metric)
            .flat_map(|s| samples(s))
            .collect();
        all.sort_unstable();
        all
    };
    let cpu = of(UsageMetric::CpuMilli);
    let memory = of(UsageMetric::MemoryBytes);
    let sum: u128 = cpu.iter().map(|(_, v)| u128::from(*v)).sum();
    let mean = (!cpu.is_empty()).then(|| mean(sum, cpu.len()));
    let (memory_rising_milli, memory_rise_per_hour) = rise(&memory).unzip();
    PodUsage {
        pod: name.to_owned(),
        live,
        cpu_peak_milli: cpu.iter().map(|(_, v)| *v).max(),
        cpu_mean_milli: mean,
        memory_peak_bytes: memory.iter().map(|(_, v)| *v).max(),
        memory_last_bytes: memory.last().map(|(_, v)| *v),
        samples: cpu.len().min(memory.len()) as u64,
        memory_rising_milli,
        memory_rise_per_hour,
    }
}

/// The share of steps that rise, in thousandths, and the median step in bytes
/// an hour. `None` with fewer than two samples.
fn rise(memory: &[(i64, u64)]) -> Option<(u64, u64)> {
    let mut steps: Vec<i128> = memory
        .iter()
        .zip(memory.iter().skip(1))
        .filter(|((a, _), (b, _))| b > a)
        .map(|((a, from), (b, to))| {
            (i128::from(*to) - i128::from(*from)) * 3600 / i128::from(b - a)
        })
        .collect();
    steps.sort_unstable();
    let median = *steps.get(steps.len() / 2)?;
    let rising = steps.iter().filter(|s| **s > 0).count();
    Some((
        (rising * 1000 / steps.len()) as u64,
        u64::try_from(median.max(0)).unwrap_or(u64::MAX),
    ))
}

fn mean(sum: u128, count: usize) -> u64 {
    u64::try_from(sum / (count.max(1) as u128)).unwrap_or(u64::MAX)
}

/// Statistics over pods, for CPU and for memory; `None` without a sample.
pub(super) fn both<'a>(
    pods: impl Iterator<Item = &'a [&'a UsageSeries]>,
) -> (Option<UsageStats>, Option<UsageStats>) {
    let mut by_metric: [Vec<Vec<&UsageSeries>>; 2] = [Vec::new(), Vec::new()];
    for series in pods {
        for (slot, metric) in by_metric
            .iter_mut()
            .zip([UsageMetric::CpuMilli, UsageMetric::MemoryBytes])
        {
            let mine: Vec<_> = series
                .iter()
                .copied()
                .filter(|s| s.metric == metric)
                .collect();
            if !mine.is_empty() {
                slot.push(mine);
            }
        }
    }
    let [cpu_pods, memory_pods] = by_metric;
    let cpu = Gathered::new(&cpu_pods);
    let memory = Gathered::new(&memory_pods);
    // The recommender counts its history by CPU samples alone.
    let history = cpu.as_ref().map_or(0, |g| {
        history_milli_days(g.first, g.last, g.values.len() as u64)
    });
    let cpu = cpu.map(|g| {
        let mut histogram = Histogram::cpu(g.first, g.last);
        for (at, milli) in cpu_pods.iter().flatten().flat_map(|s| samples(s)) {
            histogram.add(milli as f64 / 1000.0, CPU_SAMPLE_WEIGHT, at);
        }
        g.stats(histogram.percentiles(1000.0, history))
    });
    let memory = memory.map(|g| {
        let end = g.last.saturating_add(MEMORY_INTERVAL_SECONDS);
        let mut histogram = Histogram::memory(g.first, end);
        for pod in &memory_pods {
            for (at, peak) in interval_peaks(pod) {
                histogram.add(peak as f64, MEMORY_SAMPLE_WEIGHT, at);
            }
        }
        g.stats(histogram.percentiles(1.0, history))
    });
    (cpu, memory)
}

/// A pod's peak in each 24 h from its first sample, at the end of the interval.
fn interval_peaks(series: &[&UsageSeries]) -> BTreeMap<i64, u64> {
    let first = series
        .iter()
        .filter_map(|s| samples(s).next())
        .map(|(at, _)| at)
        .min()
        .unwrap_or(0);
    let mut peaks: BTreeMap<i64, u64> = BTreeMap::new();
    for (at, value) in series.iter().flat_map(|s| samples(s)) {
        let index = at.saturating_sub(first) / MEMORY_INTERVAL_SECONDS;
        let end = first.saturating_add((index + 1).saturating_mul(MEMORY_INTERVAL_SECONDS));
        let peak = peaks.entry(end).or_default();
        *peak = (*peak).max(value);
    }
    peaks
}

/// All samples of one metric over the pods.
struct Gathered {
    values: Vec<u64>,
    first: i64,
    last: i64,
    step: u32,
    missing: u64,
    longest_gap: u64,
    peaks: BTreeMap<NaiveDate, u64>,
    sum: u128,
}

impl Gathered {
    fn new(pods: &[Vec<&UsageSeries>]) -> Option<Self> {
        let step = pods.iter().flatten().map(|s| s.step_seconds).max()?;
        let mut values = Vec::new();
        let mut times = Vec::new();
        let mut peaks: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        let (mut missing, mut longest_gap, mut sum) = (0, 0, 0_u128);
        for pod in pods {
            for s in pod {
                let (holes, longest) = holes(s);
                missing += holes;
                longest_gap = longest_gap.max(longest);
                for (at, value) in samples(s) {
                    values.push(value);
                    times.push(at);
                    sum += u128::from(value);
                    if let Some(at) = instant(at) {
                        let peak = peaks.entry(at.date_naive()).or_default();
                        *peak = (*peak).max(value);
                    }
                }
            }
        }
        times.sort_unstable();
        let (first, last) = (*times.first()?, *times.last()?);
        let unseen = times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(a, b)| u64::try_from(b - a).unwrap_or(0))
            .max()
            .unwrap_or(0);
        if unseen > u64::from(step) {
            longest_gap = longest_gap.max(unseen);
        }
        values.sort_unstable();
        Some(Self {
            values,
            first,
            last,
            step,
            missing,
            longest_gap,
            peaks,
            sum,
        })
    }

    /// Nearest rank: the smallest value that `percent` % of all do not exceed.
    fn percentile(&self, percent: usize) -> u64 {
        let rank = (self.values.len() * percent).div_ceil(100).max(1);
        self.values.get(rank - 1).copied().unwrap_or(0)
    }

    fn stats(&self, vpa: VpaPercentiles) -> UsageStats {
        UsageStats {
            samples: self.values.len() as u64,
            first_at: instant(self.first),
            last_at: instant(self.last),
            step_seconds: self.step,
            missing: self.missing,
            longest_gap_seconds: self.longest_gap,
            mean: mean(self.sum, self.values.len()),
            p50: self.percentile(50),
            p90: self.percentile(90),
            p95: self.percentile(95),
            p99: self.percentile(99),
            max: self.values.last().copied().unwrap_or(0),
            daily_peaks: self
                .peaks
                .iter()
                .map(|(day, peak)| DailyPeak {
                    day: *day,
                    peak: *peak,
                })
                .collect(),
            vpa,
        }
    }
}

/// Values that a series lacks between its first and last, and the longest
/// time between two that it has, in seconds, where one is lacking.
fn holes(s: &UsageSeries) -> (u64, u64) {
    let step = u64::from(s.step_seconds);
    let (mut missing, mut longest, mut run, mut begun) = (0_u64, 0_u64, 0_u64, false);
    for value in &s.values {
        if value.is_none() {
            run += 1;
            continue;
        }
        if begun && run > 0 {
            missing += run;
            longest = longest.max((run + 1).saturating_mul(step));
        }
        begun = true;
        run = 0;
    }
    (missing, longest)
}
