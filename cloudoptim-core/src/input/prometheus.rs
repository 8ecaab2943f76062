//! Usage from Prometheus query results and from `metrics.k8s.io`.

use super::wire::{QuantityMap, bytes, milli_cpu};
use crate::model::{UsageMetric, UsageSeries};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    value: Option<(f64, String)>,
}

/// What a document of usage gives.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) series: Vec<UsageSeries>,
    /// Series that are not used, by reason.
    pub(super) left_out: BTreeMap<&'static str, u64>,
}

/// The widest hole that a step may be guessed across: without a hint the step
/// is the shortest distance of two samples.
const LONGEST_SERIES: usize = 200_000;

/// Reads the answer of `query` or `query_range`.
///
/// What it measures is said by `__name__` or, where a function dropped that,
/// by the file's name: it must hold `cpu` or `mem`.
pub(super) fn query(file: &str, text: &str) -> Result<Read, String> {
    let envelope: Envelope = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if envelope.status != "success" {
        let error = envelope.error.unwrap_or_else(|| envelope.status.clone());
        return Err(format!("the query failed: {}", super::wire::clean(&error)));
    }
    let data = envelope.data.ok_or("the answer has no data")?;
    if data.result_type != "matrix" && data.result_type != "vector" {
        return Err(format!("a {} holds no series", data.result_type));
    }
    let all: Vec<Series> =
        serde_json::from_value(data.result).map_err(|e| format!("data.result: {e}"))?;
    let mut read = Read::default();
    for series in all {
        let label = |name: &str| series.metric.get(name).map_or("", String::as_str);
        let (container, pod) = (label("container"), label("pod"));
        if container.is_empty() || container == "POD" {
            // The sum of a pod's containers, or its sandbox: counting it would double.
            *read
                .left_out
                .entry("no container label: a sum of containers")
                .or_default() += 1;
            continue;
        }
        if pod.is_empty() || label("namespace").is_empty() {
            *read
                .left_out
                .entry("no pod or namespace label")
                .or_default() += 1;
            continue;
        }
        let metric = metric_of(label("__name__"))
            .or_else(|| metric_of(file.rsplit('/').next().unwrap_or(file)))
            .ok_or("neither __name__ nor the file's name says whether it is cpu or memory")?;
        if metric == UsageMetric::CpuMilli && label("__name__").ends_with("_total") {
            *read
                .left_out
                .entry("a counter: query its rate")
                .or_default() += 1;
            continue;
        }
        let points: Vec<(f64, String)> = series
            .value
            .iter()
            .cloned()
            .chain(series.values.iter().cloned())
            .collect();
        let mut values: BTreeMap<i64, u64> = BTreeMap::new();
        for (at, value) in &points {
            if let Some(value) = amount(metric, value)
                && at.is_finite()
                && at.abs() < 1e12
            {
                values.insert(at.round() as i64, value);
            }
        }
        let Some((start, step, values)) = even(&values) else {
            *read.left_out.entry("no usable sample").or_default() += 1;
            continue;
        };
        read.series.push(UsageSeries {
            metric,
            namespace: label("namespace").to_owned(),
            pod: pod.to_owned(),
            container: container.to_owned(),
            node: Some(label("node"))
                .filter(|n| !n.is_empty())
                .map(Into::into),
            start_seconds: start,
            step_seconds: step,
            values,
        });
    }
    Ok(read)
}

fn metric_of(name: &str) -> Option<UsageMetric> {
    if name.contains("cpu") {
        Some(UsageMetric::CpuMilli)
    } else if name.contains("mem") {
        Some(UsageMetric::MemoryBytes)
    } else {
        None
    }
}

/// A sample as an integer: CPU rounded up to a thousandth, memory to a byte.
/// `NaN`, infinities and negative values are holes.
fn amount(metric: UsageMetric, text: &str) -> Option<u64> {
    let value: f64 = text.parse().ok()?;
    let scaled = match metric {
        UsageMetric::CpuMilli => value * 1000.0,
        UsageMetric::MemoryBytes => value,
    };
    // Rates carry rounding noise in the last digits; a ceiling would add one.
    let whole = (scaled - 1e-6).ceil();
    (whole.is_finite() && whole > -1.0 && whole < 1.8e19).then(|| whole.max(0.0) as u64)
}

/// Lays samples on an even grid: holes are `None`.
fn even(values: &BTreeMap<i64, u64>) -> Option<(i64, u32, Vec<Option<u64>>)> {
    let (&first, _) = values.first_key_value()?;
    let (&last, _) = values.last_key_value()?;
    let times: Vec<i64> = values.keys().copied().collect();
    let step = times
        .windows(2)
        .filter_map(|w| Some(w.get(1)? - w.first()?))
        .min()
        .unwrap_or(60);
    let step = step.max(1);
    let count = usize::try_from((last - first) / step)
        .ok()?
        .checked_add(1)?;
    if count > LONGEST_SERIES {
        return None;
    }
    let mut grid = vec![None; count];
    for (at, value) in values {
        let place = usize::try_from((at - first) / step).ok()?;
        if let Some(slot) = grid.get_mut(place) {
            *slot = Some(*value);
        }
    }
    Some((first, u32::try_from(step).ok()?, grid))
}

#[derive(Debug, Deserialize)]
struct PodMetrics {
    metadata: PodMeta,
    #[serde(default)]
    timestamp: Option<DateTime<Utc>>,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Debug, Deserialize)]
struct PodMeta {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Debug, Deserialize)]
struct ContainerMetrics {
    name: String,
    #[serde(default)]
    usage: QuantityMap,
}

/// Reads one `PodMetrics` of `metrics.k8s.io`: one sample of each container.
pub(super) fn pod_metrics(text: &str) -> Result<Vec<UsageSeries>, String> {
    let pod: PodMetrics = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let at = pod.timestamp.ok_or("timestamp is missing")?.timestamp();
    let mut series = Vec::new();
    for container in pod.containers {
        for (name, metric) in [
            ("cpu", UsageMetric::CpuMilli),
            ("memory", UsageMetric::MemoryBytes),
        ] {
            let Some(text) = container.usage.get(name) else {
                continue;
            };
            let value = match metric {
                UsageMetric::CpuMilli => milli_cpu(text)?.0,
                UsageMetric::MemoryBytes => bytes(text)?.0,
            };
            series.push(UsageSeries {
                metric,
                namespace: pod.metadata.namespace.clone(),
                pod: pod.metadata.name.clone(),
                container: container.name.clone(),
                node: None,
                start_seconds: at,
                step_seconds: 60,
                values: vec![Some(value)],
            });
        }
    }
    Ok(series)
}
