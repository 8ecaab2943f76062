//! From series of usage to what a snapshot carries of them.
//!
//! A replica's series ends with its pod, so a workload's history is the union
//! of its pods' series, those of pods that are gone included.

mod owners;
mod stats;
mod vpa;

use crate::model::{
    Cluster, ContainerUsage, LeftOut, UsageColumns, UsageMetric, UsageSeries, UsageSummary,
    WorkloadRef,
};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A series that begins this long after the snapshot has a wrong clock.
const MAX_AHEAD_SECONDS: i64 = 86_400;

/// Why series are left out, as [`LeftOut::why`] says it.
const NO_CONTAINER: &str = "no container label: the sum of a pod, counted twice if added";
const PAUSE: &str = "the pause container";
const NO_SAMPLE: &str = "no sample";
const BAD_TIME: &str = "times out of range or after the snapshot";

/// Sums up usage per container of a workload.
///
/// Pods of the snapshot are told by their owners, pods that are gone by their
/// names (`<replica set>-<suffix>`, `<stateful set>-<ordinal>`, …). Where no
/// workload or more than one may have made a pod, `workload` is `None` and
/// only the pods' own figures are given: statistics over pods that do not
/// belong together say nothing.
///
/// Percentiles are by nearest rank over all samples of all pods. `missing`
/// counts the holes inside each series; `longest_gap_seconds` is the longest
/// time in which one pod, or all of them together, show nothing; holes of six
/// hours and more stand in `gaps`, since a workload's own sleep explains some.
/// A hole is never read as zero.
///
/// Throttling is the increase of one counter divided by that of the other, over
/// the steps at whose ends both have a value; when one falls, both began anew.
///
/// The VPA's percentiles come from its decaying histograms with their default
/// settings: CPU samples of equal weight, and of memory the peak of each pod
/// in each 24 h from its first sample.
///
/// The digest is SHA-256 over the columns in canonical order, so that equal
/// columns in any order have an equal digest.
pub fn summarise(columns: &UsageColumns, cluster: &Cluster, now: DateTime<Utc>) -> UsageSummary {
    let mut series: Vec<&UsageSeries> = columns.series.iter().collect();
    series.sort_by(|a, b| key(a).cmp(&key(b)));
    let digest = digest(&series);
    let owners = owners::PodOwners::new(cluster);
    let mut left_out: BTreeMap<&str, u64> = BTreeMap::new();
    let mut groups: BTreeMap<(&str, Option<WorkloadRef>, &str), Group<'_>> = BTreeMap::new();
    let latest = now.timestamp().saturating_add(MAX_AHEAD_SECONDS);
    for s in series {
        if let Some(why) = unusable(s, latest) {
            *left_out.entry(why).or_default() += 1;
            continue;
        }
        let (workload, live) = owners.of(&s.namespace, &s.pod);
        let group = groups
            .entry((&s.namespace, workload, &s.container))
            .or_default();
        group.entry((&s.pod, live)).or_default().push(s);
    }
    let containers = groups
        .into_iter()
        .map(|((namespace, workload, container), pods)| {
            let (cpu, memory) = match workload {
                Some(_) => stats::both(pods.values().map(Vec::as_slice)),
                None => (None, None),
            };
            ContainerUsage {
                workload,
                namespace: namespace.to_owned(),
                container: container.to_owned(),
                cpu,
                memory,
                pods: pods
                    .iter()
                    .map(|((pod, live), series)| stats::pod(pod, *live, series))
                    .collect(),
            }
        })
        .collect();
    UsageSummary {
        digest,
        containers,
        left_out: left_out
            .into_iter()
            .map(|(why, count)| LeftOut {
                why: why.to_owned(),
                count,
            })
            .collect(),
    }
}

/// Series by pod, and whether the pod lives.
type Group<'a> = BTreeMap<(&'a str, bool), Vec<&'a UsageSeries>>;

type Key<'a> = (
    &'a str,
    &'a str,
    &'a str,
    UsageMetric,
    i64,
    u32,
    &'a [Option<u64>],
    Option<&'a str>,
);

fn key(s: &UsageSeries) -> Key<'_> {
    (
        &s.namespace,
        &s.pod,
        &s.container,
        s.metric,
        s.start_seconds,
        s.step_seconds,
        &s.values,
        s.node.as_ref().map(crate::model::NodeName::as_str),
    )
}

fn unusable(s: &UsageSeries, latest: i64) -> Option<&'static str> {
    if s.container.is_empty() {
        return Some(NO_CONTAINER);
    }
    if s.container == "POD" {
        return Some(PAUSE);
    }
    if s.values.iter().all(Option::is_none) {
        return Some(NO_SAMPLE);
    }
    let length = i64::try_from(s.values.len()).ok()?;
    let end = length
        .checked_mul(i64::from(s.step_seconds))
        .and_then(|span| s.start_seconds.checked_add(span));
    let start_ok = DateTime::<Utc>::from_timestamp(s.start_seconds, 0).is_some();
    match end {
        Some(end) if start_ok && s.step_seconds > 0 && s.start_seconds <= latest => {
            DateTime::<Utc>::from_timestamp(end, 0)
                .is_none()
                .then_some(BAD_TIME)
        }
        _ => Some(BAD_TIME),
    }
}

fn digest(series: &[&UsageSeries]) -> String {
    let mut hash = Sha256::new();
    let mut text = |t: &str| {
        hash.update((t.len() as u64).to_le_bytes());
        hash.update(t.as_bytes());
    };
    // Names first, then the numbers of the same series in the same order.
    for s in series {
        text(&s.namespace);
        text(&s.pod);
        text(&s.container);
        text(s.node.as_ref().map_or("", crate::model::NodeName::as_str));
        text(match s.metric {
            UsageMetric::CpuMilli => "cpu_milli",
            UsageMetric::MemoryBytes => "memory_bytes",
            UsageMetric::CpuPeriods => "cpu_periods",
            UsageMetric::CpuThrottledPeriods => "cpu_throttled_periods",
            UsageMetric::CpuThrottledMilli => "cpu_throttled_milli",
        });
    }
    for s in series {
        hash.update(s.start_seconds.to_le_bytes());
        hash.update(s.step_seconds.to_le_bytes());
        hash.update((s.values.len() as u64).to_le_bytes());
        for value in &s.values {
            match value {
                Some(v) => {
                    hash.update([1]);
                    hash.update(v.to_le_bytes());
                }
                None => hash.update([0]),
            }
        }
    }
    let mut out = String::from("sha256:");
    for byte in hash.finalize() {
        let _ = write!(out, "{byte:02x}"); // a String takes everything
    }
    out
}
