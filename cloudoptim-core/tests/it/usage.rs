//! Usage: figures worked by hand, and properties.

use crate::fixtures::*;
use cloudoptim_core::model::*;
use cloudoptim_core::usage::summarise;
use proptest::prelude::*;

const STEP: u32 = 3600;

fn series(pod: &str, metric: UsageMetric, start: &str, values: &[Option<u64>]) -> UsageSeries {
    UsageSeries {
        metric,
        namespace: "shop".to_owned(),
        pod: pod.to_owned(),
        container: "main".to_owned(),
        node: None,
        start_seconds: at(start).timestamp(),
        step_seconds: STEP,
        values: values.to_vec(),
    }
}

fn shop() -> Cluster {
    let mut cluster = cluster();
    let c = container("main", "100m", "64Mi");
    cluster
        .workloads
        .value_mut()
        .unwrap()
        .extend(deployment("shop", "web", 1, c.clone()));
    let live = pod("shop", "web", "web-1-bbbbb", "n1", c);
    cluster.pods.value_mut().unwrap().push(live);
    cluster
}

fn summary(series: Vec<UsageSeries>) -> UsageSummary {
    let columns = UsageColumns {
        series,
        ..Default::default()
    };
    summarise(&columns, &shop(), at("2026-11-22T02:30Z"))
}

#[test]
fn a_workloads_history_is_that_of_its_pods_with_those_that_are_gone() {
    let cpu = |pod: &str, start: &str, values: &[u64]| {
        let values: Vec<_> = values.iter().map(|v| Some(*v)).collect();
        series(pod, UsageMetric::CpuMilli, start, &values)
    };
    let s = summary(vec![
        cpu("web-1-bbbbb", "2026-11-21T00:00Z", &[10, 20, 30, 40]),
        cpu("web-1-ccccc", "2026-11-20T20:00Z", &[50, 60, 70, 800]),
        cpu("who-knows", "2026-11-20T20:00Z", &[5000]),
    ]);
    let [unknown, web] = s.containers.as_slice() else {
        panic!("{s:?}");
    };
    assert_eq!(unknown.workload, None);
    assert_eq!((&unknown.cpu, unknown.pods.len()), (&None, 1));
    assert_eq!(
        web.workload,
        Some(WorkloadRef::new("shop", "Deployment", "web"))
    );
    let stats = web.cpu.clone().unwrap();
    // Nearest rank of 10, 20, 30, 40, 50, 60, 70, 800: the 4th, and thrice the 8th.
    assert_eq!((stats.p50, stats.p90, stats.p95), (40, 800, 800));
    assert_eq!((stats.samples, stats.mean, stats.max), (8, 135, 800));
    assert_eq!((stats.missing, stats.longest_gap_seconds), (0, 0));
    let peaks: Vec<_> = stats
        .daily_peaks
        .iter()
        .map(|p| (p.day.to_string(), p.peak))
        .collect();
    assert_eq!(
        peaks,
        [
            ("2026-11-20".to_owned(), 800),
            ("2026-11-21".to_owned(), 40)
        ]
    );
    let live: Vec<_> = web.pods.iter().map(|p| (p.pod.as_str(), p.live)).collect();
    assert_eq!(live, [("web-1-bbbbb", true), ("web-1-ccccc", false)]);
}

#[test]
fn a_hole_is_counted_and_never_read_as_zero() {
    let values = [Some(100), None, None, Some(100), None];
    let s = summary(vec![series(
        "web-1-bbbbb",
        UsageMetric::MemoryBytes,
        "2026-11-21T00:00Z",
        &values,
    )]);
    let stats = s.containers[0].memory.clone().unwrap();
    assert_eq!((stats.samples, stats.mean), (2, 100));
    assert_eq!((stats.missing, stats.longest_gap_seconds), (2, 3 * 3600));
    assert_eq!(stats.last_at, Some(at("2026-11-21T03:00Z")));
}

#[test]
fn long_holes_are_kept_one_by_one_with_what_they_lack() {
    // One pod that sleeps from the second to the eleventh hour, one by night
    // only in that the next comes at noon.
    let mut slept = vec![Some(1); 12];
    slept[2..11].fill(None);
    let memory = UsageMetric::MemoryBytes;
    let gaps = |series| {
        let stats = summary(series).containers[0].memory.clone().unwrap();
        let gaps = stats.gaps.iter();
        let gaps = gaps.map(|g| (g.from, g.until, g.missing, g.of_all));
        (gaps.collect::<Vec<_>>(), stats.longest_gap_seconds)
    };
    let one = series("web-1-bbbbb", memory, "2026-11-21T00:00Z", &slept);
    let (from, until) = (at("2026-11-21T01:00Z"), at("2026-11-21T11:00Z"));
    assert_eq!(
        gaps(vec![one.clone()]),
        (vec![(from, until, 9, true)], 36_000)
    );
    // The same hole of two pods is one, and both lack its values.
    let mut two = one.clone();
    two.pod = "web-1-ccccc".to_owned();
    assert_eq!(
        gaps(vec![one.clone(), two]),
        (vec![(from, until, 18, true)], 36_000)
    );
    // Beside one that goes on it is of one alone.
    let mut on = series("web-1-ddddd", memory, "2026-11-21T00:00Z", &[Some(1); 12]);
    assert_eq!(
        gaps(vec![one.clone(), on.clone()]),
        (vec![(from, until, 9, false)], 36_000)
    );
    on.values.truncate(5);
    let of_all = (at("2026-11-21T04:00Z"), until, 0, true);
    assert_eq!(
        gaps(vec![one, on]),
        (vec![(from, until, 9, false), of_all], 36_000)
    );
    // Between pods that follow each other nothing is lacking.
    let first = series("web-1-bbbbb", memory, "2026-11-20T00:00Z", &[Some(1); 2]);
    let next = series("web-1-ccccc", memory, "2026-11-20T07:00Z", &[Some(1)]);
    let (from, until) = (at("2026-11-20T01:00Z"), at("2026-11-20T07:00Z"));
    assert_eq!(
        gaps(vec![first.clone(), next]),
        (vec![(from, until, 0, true)], 21_600)
    );
    // Below six hours a hole is only counted.
    let soon = series("web-1-ccccc", memory, "2026-11-20T06:00Z", &[Some(1)]);
    assert_eq!(gaps(vec![first, soon]), (vec![], 18_000));
}

#[test]
fn throttling_is_one_counter_by_the_other_over_restarts() {
    let counter = |metric, values: &[u64]| {
        let values: Vec<_> = values.iter().map(|v| Some(*v)).collect();
        series("web-1-bbbbb", metric, "2026-11-21T00:00Z", &values)
    };
    let throttled = |series| summary(series).containers[0].pods[0].cpu_throttled_milli;
    // 100 + 100 periods and, after a restart, 50; 10 + 0 + 15 of them throttled.
    let periods = counter(UsageMetric::CpuPeriods, &[1000, 1100, 1200, 50]);
    let held = counter(UsageMetric::CpuThrottledPeriods, &[500, 510, 510, 15]);
    assert_eq!(throttled(vec![periods.clone(), held.clone()]), Some(100));
    // One counter alone says nothing, nor does one that stands still.
    assert_eq!(throttled(vec![periods]), None);
    let still = counter(UsageMetric::CpuPeriods, &[7, 7]);
    assert_eq!(throttled(vec![still, held]), None);
    // Nor does one value beside a row, nor two rows that never meet.
    let row = counter(UsageMetric::CpuPeriods, &[0, 100, 200, 300]);
    let one = counter(UsageMetric::CpuThrottledPeriods, &[50]);
    assert_eq!(throttled(vec![row.clone(), one]), None);
    let mut off = counter(UsageMetric::CpuThrottledPeriods, &[0, 50, 100]);
    off.start_seconds += 7;
    assert_eq!(throttled(vec![row.clone(), off]), None);
    // A shorter row counts for its own time: 50 of the last 100.
    let mut short = counter(UsageMetric::CpuThrottledPeriods, &[0, 50]);
    short.start_seconds += 2 * i64::from(STEP);
    assert_eq!(throttled(vec![row.clone(), short]), Some(500));
    // Where one has a hole neither counts: 10 of the last 100, and not 80 of 300.
    let mut holed = counter(UsageMetric::CpuThrottledPeriods, &[0, 0, 70, 80]);
    holed.values[1] = None;
    assert_eq!(throttled(vec![row, holed]), Some(100));
    // Periods that outgrew what they fell from in one step began anew all the same.
    let periods = counter(UsageMetric::CpuPeriods, &[100, 200]);
    let held = counter(UsageMetric::CpuThrottledPeriods, &[90, 80]);
    assert_eq!(throttled(vec![periods, held]), Some(400));
    // A share that was divided before is averaged.
    let share = counter(UsageMetric::CpuThrottledMilli, &[0, 100, 201]);
    assert_eq!(throttled(vec![share]), Some(101));
}

#[test]
fn a_leak_shows_in_the_share_of_steps_that_rise_restarts_or_not() {
    // 10 bytes an hour, with a restart in the middle.
    let saw: Vec<_> = (0..20).map(|i| Some(100 + 10 * (i % 10))).collect();
    let flat: Vec<_> = (0..20).map(|i| Some(100 + i % 2)).collect();
    let of = |values: &[Option<u64>]| {
        let memory = UsageMetric::MemoryBytes;
        let s = summary(vec![series(
            "web-1-bbbbb",
            memory,
            "2026-11-21T00:00Z",
            values,
        )]);
        let pod = s.containers[0].pods[0].clone();
        (pod.memory_rising_milli, pod.memory_rise_per_hour)
    };
    assert_eq!(of(&saw), (Some(947), Some(10)));
    assert_eq!(of(&flat), (Some(526), Some(1)));
    assert_eq!(of(&[Some(1)]), (None, None));
}

#[test]
fn the_vpa_takes_of_memory_one_peak_a_day_and_gives_the_end_of_its_bucket() {
    // Two days of a pod: peaks of 5 MB and 25 MB. Buckets end at 10 MB, 20.5 MB,
    // 31.525 MB. The newer peak weighs twice the older one, so the median is its.
    let mut values = vec![Some(1_000_000); 48];
    values[3] = Some(5_000_000);
    values[30] = Some(25_000_000);
    let s = summary(vec![
        series(
            "web-1-bbbbb",
            UsageMetric::MemoryBytes,
            "2026-11-19T00:00Z",
            &values,
        ),
        series(
            "web-1-bbbbb",
            UsageMetric::CpuMilli,
            "2026-11-19T00:00Z",
            &vec![Some(5); 48],
        ),
    ]);
    let web = &s.containers[0];
    let vpa = &web.memory.as_ref().unwrap().vpa;
    assert_eq!((vpa.p50, vpa.p90), (31_525_000, 31_525_000));
    // 48 samples are 1/30 of a day at one a minute, less than the span.
    assert_eq!(vpa.history_milli_days, 33);
    // 5 milli are in the first bucket, which ends at 10.
    assert_eq!(web.cpu.as_ref().unwrap().vpa.p90, 10);
}

#[test]
fn series_that_would_count_twice_or_have_wrong_times_are_left_out_and_counted() {
    let good = series(
        "web-1-bbbbb",
        UsageMetric::CpuMilli,
        "2026-11-21T00:00Z",
        &[Some(1)],
    );
    let sum = UsageSeries {
        container: String::new(),
        ..good.clone()
    };
    let empty = UsageSeries {
        values: vec![None, None],
        ..good.clone()
    };
    let no_step = UsageSeries {
        step_seconds: 0,
        ..good.clone()
    };
    let far = UsageSeries {
        start_seconds: i64::MAX,
        ..good.clone()
    };
    let s = summary(vec![good, sum.clone(), sum, empty, no_step, far]);
    assert_eq!(s.containers.len(), 1);
    let counts: Vec<_> = s.left_out.iter().map(|l| l.count).collect();
    assert_eq!(counts, [2, 1, 2], "{:?}", s.left_out);
}

fn any_series() -> impl Strategy<Value = UsageSeries> {
    let pods = prop::sample::select(vec!["web-1-bbbbb", "web-1-ccccc", "x", ""]);
    let values = prop::collection::vec(prop::option::of(0..u64::MAX), 0..40);
    (
        pods,
        any::<bool>(),
        -10_i64..2_000_000_000,
        0_u32..7200,
        values,
    )
        .prop_map(|(pod, cpu, start, step, values)| UsageSeries {
            metric: if cpu {
                UsageMetric::CpuMilli
            } else {
                UsageMetric::MemoryBytes
            },
            namespace: "shop".to_owned(),
            pod: pod.to_owned(),
            container: if pod.is_empty() { "" } else { "main" }.to_owned(),
            node: None,
            start_seconds: start,
            step_seconds: step,
            values,
        })
}

proptest! {
    #[test]
    fn the_order_of_series_changes_no_byte(all in prop::collection::vec(any_series(), 0..12)) {
        let mut turned = all.clone();
        turned.reverse();
        prop_assert_eq!(summary(all), summary(turned));
    }

    #[test]
    fn percentiles_are_ordered_and_no_sample_is_lost(all in prop::collection::vec(any_series(), 0..12)) {
        let s = summary(all);
        for c in &s.containers {
            let peaks = c.pods.iter().filter_map(|p| p.memory_peak_bytes).max();
            if let Some(m) = &c.memory {
                prop_assert!(m.p50 <= m.p90 && m.p90 <= m.p95 && m.p95 <= m.p99 && m.p99 <= m.max);
                prop_assert_eq!(Some(m.max), peaks);
                prop_assert_eq!(m.daily_peaks.iter().map(|d| d.peak).max(), peaks);
            }
        }
    }
}
