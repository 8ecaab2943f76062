//! Usage: answers of Prometheus, and lists of `metrics.k8s.io`.

use super::broken;
use super::document::{Document, Top};
use super::log::Log;
use super::meta::RawMeta;
use super::raw::{Amounts, Map, N, Text, Time};
use super::report::Broken;
use crate::model::{Labels, NodeName, UsageColumns, UsageMetric, UsageSeries};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Most values of one series, holes included: a year of minutes.
const MAX_VALUES: u32 = 525_600;

/// Whether a document is an answer of Prometheus.
pub(super) fn is_prometheus(top: &Top<'_>) -> bool {
    let status = top.string("status");
    let data = top.member("data").map_or("", |data| data.get());
    (data.contains("\"resultType\"") && status.as_deref() == Some("success"))
        || (top.member("errorType").is_some() && status.as_deref() == Some("error"))
}

/// Whether a document holds usage as the metrics server has it.
pub(super) fn is_pod_metrics(top: &Top<'_>) -> bool {
    top.string("apiVersion")
        .is_some_and(|version| version.starts_with("metrics.k8s.io/"))
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType")]
    kind: Text,
    #[serde(borrow)]
    result: &'a RawValue,
}

/// Series are most of what is read: they count their other fields themselves.
#[derive(Default)]
struct RawSeries {
    metric: Map,
    values: N<Samples>,
    value: Option<Sample>,
    skipped: u64,
}

impl<'de> Deserialize<'de> for RawSeries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SeriesVisitor;
        impl<'de> Visitor<'de> for SeriesVisitor {
            type Value = RawSeries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a series")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawSeries, A::Error> {
                let mut series = RawSeries::default();
                while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                    match key.as_ref() {
                        "metric" => series.metric = map.next_value()?,
                        "values" => series.values = map.next_value()?,
                        "value" => series.value = map.next_value()?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            series.skipped = series.skipped.saturating_add(1);
                        }
                    }
                }
                Ok(series)
            }
        }
        deserializer.deserialize_map(SeriesVisitor)
    }
}

/// Time and value; `None` for NaN and what is no amount.
#[derive(Debug, Clone, Copy)]
struct Sample(f64, Option<f64>);

#[derive(Debug, Default)]
struct Samples(Vec<Sample>);

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SampleVisitor;
        impl<'de> Visitor<'de> for SampleVisitor {
            type Value = Sample;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pair of time and value such as [1692608400.5, \"0.25\"]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Sample, A::Error> {
                let short = || de::Error::custom("a sample needs a time and a value");
                let time: f64 = seq.next_element()?.ok_or_else(short)?;
                let text: Cow<'_, str> = seq.next_element()?.ok_or_else(short)?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                // Rust reads "+Inf" and "NaN" as Prometheus writes them.
                let value: f64 = text
                    .parse()
                    .map_err(|_| de::Error::custom("a value that is no number"))?;
                if !time.is_finite() || time.abs() > 1e12 {
                    return Err(de::Error::custom("a time that is no time"));
                }
                Ok(Sample(
                    time,
                    (value.is_finite() && value >= 0.0).then_some(value),
                ))
            }
        }
        deserializer.deserialize_seq(SampleVisitor)
    }
}

/// Whether a series is CPU in cores, a working set in bytes or throttling, or
/// why none of them.
fn metric_of(labels: &Labels, file: &str, samples: &[Sample]) -> Result<UsageMetric, &'static str> {
    let name = labels.get("__name__").map_or("", String::as_str);
    if !name.is_empty() {
        if name.contains("cfs_") || name.contains("throttl") {
            // A rule's name ends with what it made of the counter.
            let derived = ["rate", "increase", "ratio"].map(|word| name.contains(word));
            return if derived.contains(&true) {
                Err("throttling that is no count of periods")
            } else if name.ends_with("cfs_throttled_periods_total") {
                Ok(UsageMetric::CpuThrottledPeriods)
            } else if name.ends_with("cfs_periods_total") {
                Ok(UsageMetric::CpuPeriods)
            } else {
                Err("throttling that is no count of periods")
            };
        }
        if name.contains("cpu") {
            // The counter itself grows for ever; a rule's name has its rate.
            return if name.contains("rate") {
                Ok(UsageMetric::CpuMilli)
            } else {
                Err("a counter of CPU seconds, not its rate")
            };
        }
        return if name.contains("memory_working_set") {
            Ok(UsageMetric::MemoryBytes)
        } else {
            Err("neither CPU nor working set")
        };
    }
    let base = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let base = base.to_ascii_lowercase();
    // The largest value, for what no name tells.
    let largest = samples.iter().filter_map(|s| s.1).fold(0.0, f64::max);
    if base.contains("throttl") {
        // One counter's rate divided by the other's: only a name tells it from
        // seconds or periods a second, which may be as small.
        let says = |words: [&str; 2]| words.iter().any(|word| base.contains(word));
        return if says(["ratio", "share"]) && !base.contains("second") && largest <= 1.0 {
            Ok(UsageMetric::CpuThrottledMilli)
        } else {
            Err("throttling that is no share of periods, or whose file does not say so")
        };
    }
    match (base.contains("cpu"), base.contains("mem")) {
        (true, false) => return Ok(UsageMetric::CpuMilli),
        (false, true) => return Ok(UsageMetric::MemoryBytes),
        _ => {}
    }
    // No machine has 10,000 cores, and no container lives in 10,000 bytes.
    if largest >= 10_000.0 {
        Ok(UsageMetric::MemoryBytes)
    } else if largest > 0.0 {
        Ok(UsageMetric::CpuMilli)
    } else {
        Err("nothing tells CPU from memory")
    }
}

/// An amount in the metric's unit, rounded up: who uses some does not use none.
fn amount(metric: UsageMetric, value: f64) -> Option<u64> {
    let scaled = match metric {
        UsageMetric::CpuMilli | UsageMetric::CpuThrottledMilli => value * 1000.0,
        UsageMetric::MemoryBytes | UsageMetric::CpuPeriods | UsageMetric::CpuThrottledPeriods => {
            value
        }
    };
    // A millionth absorbs what the decimal text lost in binary.
    let rounded = (scaled - 1e-6).ceil().max(0.0);
    // 2^53: above it an f64 has no whole numbers any more.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bounded
    (rounded <= 9_007_199_254_740_992.0).then_some(rounded as u64)
}

/// Reads an answer of Prometheus.
pub(super) fn prometheus(
    file: &str,
    document: &Document<'_>,
    columns: &mut UsageColumns,
    report: &mut Log,
) {
    let top = &document.top;
    let broken = |report: &mut Log, name: String, field: String, message: String| {
        let object = Broken {
            file: file.to_owned(),
            kind: "UsageSeries".to_owned(),
            name,
            field,
            message,
            ..Broken::default()
        };
        report.usage_gap(|| object.to_string());
        report.break_off(object);
    };
    if top.string("status").as_deref() == Some("error") {
        let kind = top.string("errorType").unwrap_or_default();
        let kind: String = kind
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        broken(
            report,
            String::new(),
            "status".to_owned(),
            format!("the query failed: {kind}"),
        );
        return;
    }
    if top.member("warnings").is_some_and(|w| w.get().len() > 2) {
        report.usage_gap(|| format!("{file}: an answer with a warning, which may be partial"));
    }
    let Some(data) = top.member("data") else {
        return;
    };
    let data: Data<'_> = match serde_json::from_str(data.get()) {
        Ok(data) => data,
        Err(error) => {
            let message = broken::message(&error.to_string());
            broken(report, String::new(), "data".to_owned(), message);
            return;
        }
    };
    if !matches!(data.kind.0.as_str(), "matrix" | "vector") {
        report.skip("answer that is neither matrix nor vector");
        return;
    }
    let series: Vec<&RawValue> = match serde_json::from_str(data.result.get()) {
        Ok(series) => series,
        Err(error) => {
            let message = broken::message(&error.to_string());
            broken(report, String::new(), "data.result".to_owned(), message);
            return;
        }
    };
    for (index, raw) in series.into_iter().enumerate() {
        let raw: RawSeries = match broken::read_as_it_is(raw.get()) {
            Ok(raw) => raw,
            Err(failure) => {
                let name = format!("data.result[{index}]");
                broken(report, name, failure.field, failure.message);
                continue;
            }
        };
        let mut samples = raw.values.0.0;
        samples.extend(raw.value);
        match one_series(file, &raw.metric.0, samples) {
            Ok(series) => {
                columns.series.push(series);
                report.count("UsageSeries");
                report.skip_fields("UsageSeries", raw.skipped);
            }
            Err(why) => report.leave_out(why),
        }
    }
}

fn one_series(
    file: &str,
    labels: &Labels,
    mut samples: Vec<Sample>,
) -> Result<UsageSeries, &'static str> {
    let label = |names: &[&str]| -> String {
        let value = names.iter().find_map(|n| labels.get(*n));
        value.cloned().unwrap_or_default()
    };
    let pod = label(&["pod", "pod_name"]);
    let namespace = label(&["namespace"]);
    if pod.is_empty() || namespace.is_empty() {
        return Err("no namespace or pod label");
    }
    let metric = metric_of(labels, file, &samples)?;
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (start, step, values) = spaced(metric, &samples)?;
    Ok(UsageSeries {
        metric,
        namespace,
        pod,
        container: label(&["container", "container_name"]),
        node: Some(label(&["node"]))
            .filter(|n| !n.is_empty())
            .map(NodeName::new),
        start_seconds: start,
        step_seconds: step,
        values,
    })
}

/// Evenly spaced values: start, step, and `None` where a sample is missing.
/// The step is the commonest distance of two samples; each is put into the
/// nearest place, since recorded times are off by a second here and there.
fn spaced(
    metric: UsageMetric,
    samples: &[Sample],
) -> Result<(i64, u32, Vec<Option<u64>>), &'static str> {
    let seconds = |s: &Sample| {
        #[allow(clippy::cast_possible_truncation)] // at most 10^12, checked when read
        let whole = s.0.floor() as i64;
        whole
    };
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Err("no sample");
    };
    let start = seconds(first);
    let mut distances: BTreeMap<i64, u64> = BTreeMap::new();
    for pair in samples.windows(2) {
        if let [a, b] = pair {
            let distance = seconds(b).saturating_sub(seconds(a));
            if distance > 0 {
                let count = distances.entry(distance).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
    // Of equally frequent distances the smaller.
    let step = distances
        .into_iter()
        .max_by_key(|(distance, count)| (*count, std::cmp::Reverse(*distance)))
        .map_or(1, |(distance, _)| distance);
    let slots = seconds(last)
        .saturating_sub(start)
        .checked_div(step)
        .unwrap_or(0)
        .saturating_add(1);
    let slots = u32::try_from(slots)
        .ok()
        .filter(|n| *n <= MAX_VALUES)
        .ok_or("more values than allowed, or uneven times")?;
    let mut values = vec![None; usize::try_from(slots).unwrap_or(0)];
    for sample in samples {
        let place = seconds(sample)
            .saturating_sub(start)
            .saturating_add(step / 2)
            .checked_div(step)
            .and_then(|p| usize::try_from(p).ok());
        let value = sample.1.and_then(|v| amount(metric, v));
        if let Some(slot) = place.and_then(|p| values.get_mut(p)) {
            // Two samples in one place: the larger is the safer.
            *slot = (*slot).max(value);
        }
    }
    let step = u32::try_from(step).map_err(|_| "times too far apart")?;
    Ok((start, step, values))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPodMetrics {
    metadata: N<RawMeta>,
    timestamp: Option<Time>,
    window: Text,
    containers: N<Vec<RawContainerMetrics>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContainerMetrics {
    name: Text,
    usage: N<Amounts>,
}

/// Seconds of a Go duration of whole units such as `30s` or `1m15s`.
fn window_seconds(text: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut number = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' => number.push(c),
            // Parts of a second do not matter for one sample.
            '.' => break,
            'h' | 'm' | 's' => {
                let n: u32 = number.parse().ok()?;
                number.clear();
                let unit = match c {
                    'h' => 3600,
                    'm' => 60,
                    _ => 1,
                };
                total = total.checked_add(n.checked_mul(unit)?)?;
            }
            _ => return None,
        }
    }
    (total > 0).then_some(total)
}

/// Reads a list of `metrics.k8s.io`: one sample per container.
pub(super) fn pod_metrics(
    file: &str,
    document: &Document<'_>,
    columns: &mut UsageColumns,
    report: &mut Log,
) {
    let top = &document.top;
    let kind = top.string("kind").unwrap_or_default();
    if !kind.starts_with("PodMetrics") {
        report.skip(&kind);
        return;
    }
    let single;
    let items: Vec<&str> = match top.list("items") {
        Some(items) => items.iter().map(|i| i.get()).collect(),
        None => {
            single = document.text;
            vec![single]
        }
    };
    for text in items {
        let (raw, skipped): (RawPodMetrics, u64) = match broken::read(text) {
            Ok(read) => read,
            Err(failure) => {
                let (namespace, name) = broken::identity(text, None);
                let object = Broken {
                    file: file.to_owned(),
                    kind: "PodMetrics".to_owned(),
                    namespace,
                    name,
                    field: failure.field,
                    message: failure.message,
                };
                report.usage_gap(|| object.to_string());
                report.break_off(object);
                continue;
            }
        };
        let meta = raw.metadata.0;
        let Some(Time(time)) = raw.timestamp else {
            report.leave_out("no timestamp");
            continue;
        };
        let step = window_seconds(&raw.window.0).unwrap_or(1);
        for container in raw.containers.0 {
            let usage = container.usage.0.list;
            let series = |metric, value| UsageSeries {
                metric,
                namespace: meta.namespace.0.clone(),
                pod: meta.name.0.clone(),
                container: container.name.0.clone(),
                node: None,
                start_seconds: time.timestamp(),
                step_seconds: step,
                values: vec![Some(value)],
            };
            let cpu = usage.cpu.map(|v| series(UsageMetric::CpuMilli, v.0));
            let memory = usage.memory.map(|v| series(UsageMetric::MemoryBytes, v.0));
            columns.series.extend(cpu.into_iter().chain(memory));
        }
        report.count("PodMetrics");
        report.skip_fields("PodMetrics", skipped);
    }
}

/// Sorts the series and joins those of one container and metric that lie on
/// one grid: several files of one period each, or replicas of one server. Of
/// two values at one time the larger stays.
pub(super) fn tidy(columns: &mut UsageColumns) {
    let key = |s: &UsageSeries| {
        (
            s.namespace.clone(),
            s.pod.clone(),
            s.container.clone(),
            s.metric,
            s.start_seconds,
        )
    };
    columns.series.sort_by_cached_key(key);
    let mut out: Vec<UsageSeries> = Vec::with_capacity(columns.series.len());
    for series in std::mem::take(&mut columns.series) {
        let joins = out.last_mut().is_some_and(|last| {
            let same = (&last.namespace, &last.pod, &last.container, last.metric)
                == (
                    &series.namespace,
                    &series.pod,
                    &series.container,
                    series.metric,
                );
            // A pod's sums without container label are left out later, each.
            same && !series.container.is_empty() && join(last, &series)
        });
        if !joins {
            out.push(series);
        }
    }
    columns.series = out;
}

fn join(into: &mut UsageSeries, other: &UsageSeries) -> bool {
    let step = i64::from(into.step_seconds);
    let offset = other.start_seconds.saturating_sub(into.start_seconds);
    // A single value fits every step.
    let alike = into.step_seconds == other.step_seconds || other.values.len() == 1;
    if !alike || step == 0 || offset < 0 || offset.checked_rem(step) != Some(0) {
        return false;
    }
    let Some(at) = offset
        .checked_div(step)
        .and_then(|o| usize::try_from(o).ok())
    else {
        return false;
    };
    let end = at.saturating_add(other.values.len());
    if u32::try_from(end).map_or(true, |end| end > MAX_VALUES) {
        return false;
    }
    if into.values.len() < end {
        into.values.resize(end, None);
    }
    for (slot, value) in into.values.iter_mut().skip(at).zip(&other.values) {
        *slot = (*slot).max(*value);
    }
    if into.node.is_none() {
        into.node.clone_from(&other.node);
    }
    true
}

/// The time of the latest value, in seconds since the epoch.
pub(super) fn latest(columns: &UsageColumns) -> Option<i64> {
    let last = |s: &UsageSeries| {
        let n = i64::try_from(s.values.len()).ok()?.checked_sub(1)?;
        n.checked_mul(i64::from(s.step_seconds))?
            .checked_add(s.start_seconds)
    };
    columns.series.iter().filter_map(last).max()
}
