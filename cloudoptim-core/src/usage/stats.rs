//! Statistics of one container's series.

use super::vpa::{
    CPU_SAMPLE_WEIGHT, Histogram, MEMORY_INTERVAL_SECONDS, MEMORY_SAMPLE_WEIGHT, history_milli_days,
};
use crate::model::{
    DailyPeak, PodUsage, UsageGap, UsageMetric, UsageSeries, UsageStats, VpaPercentiles,
};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Holes from this length on are kept one by one.
const LONG_GAP_SECONDS: i64 = UsageGap::LEAST_SECONDS as i64;

/// Holes by their ends: how many values series lack, and whether no pod has one.
type Gaps = BTreeMap<(i64, i64), (u64, bool)>;

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
        cpu_throttled_milli: throttled(series),
        memory_peak_bytes: memory.iter().map(|(_, v)| *v).max(),
        memory_last_bytes: memory.last().map(|(_, v)| *v),
        samples: cpu.len().min(memory.len()) as u64,
        memory_rising_milli,
        memory_rise_per_hour,
    }
}

/// The share of throttled periods in thousandths: of the counters where both
/// tell of the same time, else the mean of the shares. `None` without a period.
fn throttled(series: &[&UsageSeries]) -> Option<u64> {
    let of = |metric: UsageMetric| {
        let all = series.iter().filter(move |s| s.metric == metric);
        all.flat_map(|s| samples(s))
    };
    let (periods, held) = grown(
        &latest(of(UsageMetric::CpuPeriods)),
        &latest(of(UsageMetric::CpuThrottledPeriods)),
    );
    if periods > 0 {
        let share = held.min(periods).saturating_mul(1000).div_ceil(periods);
        return u64::try_from(share).ok();
    }
    let shares: Vec<u64> = of(UsageMetric::CpuThrottledMilli).map(|(_, v)| v).collect();
    let sum: u128 = shares.iter().map(|s| u128::from(*s)).sum();
    let count = u128::try_from(shares.len()).ok().filter(|n| *n > 0)?;
    u64::try_from(sum.div_ceil(count)).ok()
}

/// A counter's value at each time, the larger of two.
fn latest(samples: impl Iterator<Item = (i64, u64)>) -> BTreeMap<i64, u64> {
    let mut counter = BTreeMap::new();
    for (at, value) in samples {
        let seen = counter.entry(at).or_insert(value);
        *seen = value.max(*seen);
    }
    counter
}

/// By how much two counters of one container grew in the steps at whose ends
/// both have a value. They begin anew together: when either falls, what both
/// show then is what they grew by.
fn grown(a: &BTreeMap<i64, u64>, b: &BTreeMap<i64, u64>) -> (u128, u128) {
    let times: BTreeSet<i64> = a.keys().chain(b.keys()).copied().collect();
    let both = |at: &i64| Some((*a.get(at)?, *b.get(at)?));
    let mut sum = (0_u128, 0_u128);
    for (from, to) in times.iter().zip(times.iter().skip(1)) {
        let (Some(from), Some(to)) = (both(from), both(to)) else {
            continue;
        };
        let grew = match (to.0.checked_sub(from.0), to.1.checked_sub(from.1)) {
            (Some(a), Some(b)) => (a, b),
            _ => to,
        };
        sum.0 = sum.0.saturating_add(u128::from(grew.0));
        sum.1 = sum.1.saturating_add(u128::from(grew.1));
    }
    sum
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
    gaps: Vec<UsageGap>,
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
        let mut gaps = Gaps::new();
        for pod in pods {
            for s in pod {
                let (holes, longest) = holes(s);
                missing += holes;
                longest_gap = longest_gap.max(longest);
                for (from, until, lacks) in long_holes(s) {
                    let gap = gaps.entry((from, until)).or_default();
                    gap.0 = gap.0.saturating_add(lacks);
                }
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
        for (from, until) in times.iter().zip(times.iter().skip(1)) {
            let span = until.saturating_sub(*from);
            if span >= LONG_GAP_SECONDS && span > i64::from(step) {
                gaps.entry((*from, *until)).or_default().1 = true;
            }
        }
        values.sort_unstable();
        Some(Self {
            values,
            first,
            last,
            step,
            missing,
            longest_gap,
            gaps: longest_of(gaps),
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
            gaps: self.gaps.clone(),
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

/// The longest of them, in order of time.
fn longest_of(gaps: Gaps) -> Vec<UsageGap> {
    let mut all: Vec<((i64, i64), (u64, bool))> = gaps.into_iter().collect();
    all.sort_by_key(|((from, until), _)| (std::cmp::Reverse(until - from), *from));
    all.truncate(UsageGap::MOST);
    all.sort_unstable();
    let gap = |((from, until), (missing, of_all))| {
        Some(UsageGap {
            from: instant(from)?,
            until: instant(until)?,
            missing,
            of_all,
        })
    };
    all.into_iter().filter_map(gap).collect()
}

/// Long holes of a series: the values around each, and how many it lacks.
fn long_holes(s: &UsageSeries) -> Vec<(i64, i64, u64)> {
    let step = i64::from(s.step_seconds);
    let times: Vec<i64> = samples(s).map(|(at, _)| at).collect();
    let pairs = times.iter().zip(times.iter().skip(1));
    pairs
        .map(|(from, until)| (*from, *until, until.saturating_sub(*from)))
        .filter(|(_, _, span)| *span >= LONG_GAP_SECONDS && *span > step)
        .map(|(from, until, span)| {
            let steps = span.checked_div(step).unwrap_or(0);
            let lacks = u64::try_from(steps.saturating_sub(1)).unwrap_or(0);
            (from, until, lacks)
        })
        .collect()
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
