//! Usage and traffic.

use super::{cluster, load, load_with, stored, text};
use cloudoptim_core::input::InputOptions;
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::model::UsageMetric;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn series_keep_their_holes_and_counters_are_no_usage() {
    let loaded = load_with(
        InputOptions::default(),
        &[
            ("range_cpu.json", &stored("range_cpu")),
            ("range_memory.json", &stored("range_memory")),
            (
                "c.json",
                &stored("query_container_cpu_usage_seconds_total_1_31"),
            ),
            (
                "m.json",
                &stored("query_container_memory_working_set_bytes_1_31"),
            ),
        ],
    )
    .unwrap();
    let series = &loaded.usage.series;
    let demo: Vec<_> = series.iter().filter(|s| s.namespace == "demo").collect();
    assert_eq!(demo.len(), 6);
    assert!(
        demo.iter()
            .all(|s| s.step_seconds == 60 && s.values.len() >= 200)
    );
    // 0.001762 cores use some of two thousandths.
    let first = demo
        .iter()
        .find(|s| s.metric == UsageMetric::CpuMilli)
        .unwrap();
    assert_eq!(first.values[0], Some(2));
    // 58 each: 53 of a pod, 17 of them of a container; 5 of whole nodes.
    let usage = cluster(&loaded).usage.value().unwrap();
    assert_eq!(
        usage.left_out.iter().map(|l| l.count).sum::<u64>(),
        36 + 53 + 10
    );
    assert!(!cluster(&loaded).usage.is_complete());
}

#[test]
fn nan_and_absent_samples_are_holes_and_files_of_one_series_are_joined() {
    let matrix = |values: Value| {
        json!({"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": {"namespace": "n", "pod": "p", "container": "c"}, "values": values}]}})
        .to_string()
    };
    let one = matrix(json!([[0, "0.1"], [60, "NaN"], [180, "0"]]));
    let two = matrix(json!([[240, "0.2"], [300, "+Inf"]]));
    let loaded = load(&[("cpu1.json", one.as_bytes()), ("cpu2.json", two.as_bytes())]);
    let [series] = loaded.usage.series.as_slice() else {
        panic!("one series expected");
    };
    assert_eq!(
        series.values,
        [Some(100), None, None, Some(0), Some(200), None]
    );
    let failed = br#"{"status":"error","errorType":"timeout","error":"query timed out"}"#;
    let loaded = load(&[("a.json", one.as_bytes()), ("b.json", failed)]);
    assert_eq!(loaded.report.broken[0].message, "the query failed: timeout");
}

/// A list as the metrics server's documentation shows it.
#[test]
fn the_metrics_server_gives_one_sample_per_container() {
    let text = json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {}, "items": [{"metadata": {"name": "web-1", "namespace": "n",
        "creationTimestamp": "2026-11-22T02:29:50Z"}, "timestamp": "2026-11-22T02:29:33Z",
        "window": "14.5s", "containers": [{"name": "web",
        "usage": {"cpu": "12345678n", "memory": "21472Ki"}}]}]})
    .to_string();
    let loaded = load(&[("top.json", text.as_bytes())]);
    let values: Vec<_> = loaded.usage.series.iter().map(|s| s.values[0]).collect();
    assert_eq!(values, [Some(13), Some(21_472 << 10)]);
}

#[test]
fn traffic_is_read_by_its_column_names() {
    let csv = "bytes_per_day,from_namespace,from_workload,from_zone_id,to_namespace,to_workload,to_zone_id\n\
               10,a,w,use1-az1,b,x,use1-az2\nmany,a,w,use1-az1,b,x,use1-az2\n";
    let loaded = load(&[("t.csv", csv.as_bytes())]);
    assert_eq!(cluster(&loaded).traffic.items()[0].bytes_per_day, 10);
    assert_eq!(loaded.report.broken[0].name, "line 3");
    assert!(matches!(
        cluster(&loaded).traffic.gap(),
        Some(Gap::Broken { count: 1, .. })
    ));
}

/// By name: series, what is broken, what is skipped, what is said of the usage.
const TOLD: [&str; 7] = [
    "bad_data_error: 0 series, broken [the query failed: bad_data], skipped [], \
     usage unavailable: cpu.json: UsageSeries: status: the query failed: bad_data",
    "empty_matrix: 0 series, broken [], skipped [], usage not collected",
    "empty_vector: 0 series, broken [], skipped [], usage not collected",
    "nan_and_inf: 0 series, broken [], skipped [], usage not collected",
    "scalar: 0 series, broken [], skipped [answer that is neither matrix nor vector], \
     usage not collected",
    "timeout_error: 0 series, broken [the query failed: timeout], skipped [], \
     usage unavailable: cpu.json: UsageSeries: status: the query failed: timeout",
    "warnings: 1 series, broken [], skipped [], \
     usage 1 unreadable, first: cpu.json: an answer with a warning, which may be partial",
];

/// Each envelope alone: what it gives, skips, and leaves unknown.
#[test]
fn every_envelope_of_an_answer_is_told_apart() {
    let all: BTreeMap<String, Value> = serde_json::from_str(&text("envelopes")).unwrap();
    let pod = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"}}"#;
    let mut told = Vec::new();
    for (name, envelope) in &all {
        let envelope = envelope.to_string();
        let loaded = load(&[("pod.json", pod), ("cpu.json", envelope.as_bytes())]);
        let report = &loaded.report;
        let usage = &cluster(&loaded).usage;
        assert!(!usage.is_complete(), "{name}");
        let broken: Vec<&str> = report.broken.iter().map(|b| b.message.as_str()).collect();
        let skipped: Vec<&str> = report.skipped.keys().map(String::as_str).collect();
        told.push(format!(
            "{name}: {} series, broken [{}], skipped [{}], usage {}",
            loaded.usage.series.len(),
            broken.join(", "),
            skipped.join(", "),
            match usage.gap() {
                Some(gap) => gap.to_string(),
                None => "whole".to_owned(),
            }
        ));
    }
    assert_eq!(told, TOLD, "{told:#?}");
}

#[test]
fn answers_without_usage_alone_say_why_nothing_was_read() {
    let all: BTreeMap<String, Value> = serde_json::from_str(&text("envelopes")).unwrap();
    let said = |bytes: &[u8]| {
        let error = load_with(InputOptions::default(), &[("x.json", bytes)]).unwrap_err();
        error.to_string()
    };
    let envelope = |name: &str| said(all[name].to_string().as_bytes());
    assert_eq!(
        envelope("empty_vector"),
        "nothing to read: the documents hold no object and no series"
    );
    assert_eq!(
        envelope("nan_and_inf"),
        "nothing to read: no series is of use (3: no namespace or pod label)"
    );
    assert_eq!(
        said(&stored("query_container_cpu_usage_seconds_total_1_31")),
        "nothing to read: no series is of use (53: a counter of CPU seconds, \
         not its rate; 5: no namespace or pod label)"
    );
}

/// A file that ends in the middle of a line may be cut: its last number may be
/// another one.
#[test]
fn traffic_without_a_last_line_end_may_be_cut() {
    let csv = "bytes_per_day,from_namespace,from_workload,from_zone_id,to_namespace,to_workload,\
               to_zone_id\n10,a,w,use1-az1,b,x,use1-az2\n20,a,w,use1-az1,b,x,use1-az";
    let loaded = load(&[("t.csv", csv.as_bytes())]);
    assert_eq!(cluster(&loaded).traffic.items().len(), 1);
    assert_eq!(
        loaded.report.broken[0].to_string(),
        "t.csv: TrafficEdge line 3: no line end: the file may be cut"
    );
    assert!(!cluster(&loaded).traffic.is_complete());
}

#[test]
fn throttling_is_read_as_counters_or_as_a_share_and_never_as_cpu() {
    let answer = |metric: Value, values: Value| {
        json!({"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": metric, "values": values}]}})
        .to_string()
    };
    let of = |name: &str| json!({"__name__": name, "namespace": "n", "pod": "p", "container": "c"});
    let values = json!([[0, "10"], [60, "20"]]);
    let periods = answer(of("container_cpu_cfs_periods_total"), values.clone());
    let held = answer(
        of("container_cpu_cfs_throttled_periods_total"),
        values.clone(),
    );
    let seconds = answer(
        of("container_cpu_cfs_throttled_seconds_total"),
        values.clone(),
    );
    let unnamed = json!({"namespace": "n", "pod": "p", "container": "c"});
    let share = answer(unnamed.clone(), json!([[0, "0.25"]]));
    let count = answer(unnamed, values);
    let loaded = load(&[
        ("a.json", periods.as_bytes()),
        ("b.json", held.as_bytes()),
        ("c.json", seconds.as_bytes()),
        ("cpu_throttled_share.json", share.as_bytes()),
        ("throttled_share_count.json", count.as_bytes()),
    ]);
    let series = loaded.usage.series.iter();
    let read: Vec<_> = series.map(|s| (s.metric, s.values.clone())).collect();
    let counted = vec![Some(10), Some(20)];
    assert_eq!(
        read,
        [
            (UsageMetric::CpuPeriods, counted.clone()),
            (UsageMetric::CpuThrottledPeriods, counted),
            (UsageMetric::CpuThrottledMilli, vec![Some(250)]),
        ]
    );
}

/// A rate is no counter, and small seconds or periods a second are no share.
#[test]
fn what_was_made_of_throttling_is_left_out_unless_its_name_says_what_it_is() {
    let labels = |name: Option<&str>| {
        let mut labels = json!({"namespace": "n", "pod": "p", "container": "c"});
        if let Some(name) = name {
            labels["__name__"] = json!(name);
        }
        labels
    };
    let read = |file: &str, name: Option<&str>| -> Vec<UsageMetric> {
        let cpu = json!({"metric": {"__name__": "cpu:rate", "namespace": "n", "pod": "q",
            "container": "c"}, "values": [[0, "0.5"]]});
        let this = json!({"metric": labels(name), "values": [[0, "0.25"], [60, "0.25"]]});
        let answer = json!({"status": "success", "data": {"resultType": "matrix",
            "result": [cpu, this]}})
        .to_string();
        let loaded = load(&[(file, answer.as_bytes())]);
        let of_p = loaded.usage.series.iter().filter(|s| s.pod == "p");
        of_p.map(|s| s.metric).collect()
    };
    for name in [
        "namespace:container_cpu_cfs_throttled_periods_total:rate5m",
        "namespace:container_cpu_cfs_periods_total:rate5m",
        "container_cpu_cfs_periods_total:sum_irate",
        "container_cpu_cfs_periods_total:increase1h",
        "rate:container_cpu_cfs_periods_total",
        "container_cpu_cfs_throttled_seconds_total:rate5m",
    ] {
        assert_eq!(read("cpu.json", Some(name)), [], "{name}");
    }
    for file in [
        "cpu_throttled.json",
        "throttled_seconds.json",
        "throttled_seconds_share.json",
        "throttled_periods_rate.json",
    ] {
        assert_eq!(read(file, None), [], "{file}");
    }
    for file in ["throttled_ratio.json", "dir/CPU-Throttling-Share.json"] {
        assert_eq!(read(file, None), [UsageMetric::CpuThrottledMilli], "{file}");
    }
    let sum = "namespace:container_cpu_cfs_periods_total";
    assert_eq!(read("x.json", Some(sum)), [UsageMetric::CpuPeriods]);
}
