//! `drain` and `collect`: on a control plane of this machine.

use super::{Usage, complain, json, number};
use crate::cluster::{self, ClusterError};
use crate::process::load_average;
use serde::Serialize;
use std::future::Future;

/// Numbers after options, with their defaults.
fn options<const N: usize>(
    args: Vec<String>,
    mut known: [(&str, usize); N],
) -> Result<[usize; N], Usage> {
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--json" {
            continue;
        }
        let Some((_, into)) = known.iter_mut().find(|(name, _)| *name == arg) else {
            return Err(Usage(format!("unknown option {arg}")));
        };
        *into = number(&arg, &mut args)?;
        if *into == 0 {
            return Err(Usage(format!("{arg} must be at least 1, got 0")));
        }
    }
    Ok(known.map(|(_, value)| value))
}

fn wait<T>(work: impl Future<Output = Result<T, ClusterError>>) -> Result<T, ClusterError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// One line of `drain`.
#[derive(Debug, Serialize)]
struct DrainLine {
    drains: usize,
    at_once: usize,
    failed: Vec<String>,
    evictions: usize,
    refused_by_budget: usize,
    seconds: f64,
    evictions_per_second: f64,
    p50_drain_seconds: f64,
    p99_drain_seconds: f64,
    wrong_uid: usize,
    deletes_by_us: usize,
    unplanned: usize,
    evicted_twice: usize,
    below_desired_healthy: usize,
    below_by_others: usize,
    side_by_side_under_one_budget: usize,
    load_average: Option<f64>,
    version: &'static str,
}

pub(super) fn drain(args: Vec<String>) -> Result<bool, Usage> {
    let [nodes, at_once] = options(args, [("--nodes", 1_000), ("--at-once", 20)])?;
    let done = match wait(cluster::drain(nodes, at_once)) {
        Ok(done) => done,
        Err(error) => return Ok(complain(&error)),
    };
    let said = &done.testimony;
    let line = DrainLine {
        drains: done.drains,
        at_once,
        failed: done.failed.iter().take(10).cloned().collect(),
        evictions: said.evictions,
        refused_by_budget: said.refused.get(&429).copied().unwrap_or(0),
        seconds: done.seconds,
        evictions_per_second: said.evictions as f64 / done.seconds.max(f64::MIN_POSITIVE),
        p50_drain_seconds: done.p50_seconds,
        p99_drain_seconds: done.p99_seconds,
        wrong_uid: said.wrong_uid,
        deletes_by_us: said.deletes,
        unplanned: said.unplanned.len(),
        evicted_twice: said.twice.len(),
        below_desired_healthy: said.below.len(),
        below_by_others: said.below_by_others,
        side_by_side_under_one_budget: said.side_by_side.len(),
        load_average: load_average(),
        version: env!("CARGO_PKG_VERSION"),
    };
    for fault in said.faults().iter().take(10) {
        complain(fault);
    }
    if let Err(error) = json(&line) {
        return Ok(complain(&error));
    }
    Ok(done.failed.is_empty() && said.faults().is_empty())
}

/// One line of `collect`.
#[derive(Debug, Serialize)]
struct CollectLine {
    nodes: usize,
    pods: usize,
    objects: usize,
    gaps: Vec<String>,
    seconds: f64,
    requests: u64,
    megabytes: f64,
    peak_rss_mb: Option<f64>,
    rss_before_mb: Option<f64>,
    made_in_seconds: f64,
    load_average: Option<f64>,
    version: &'static str,
}

pub(super) fn collect(args: Vec<String>) -> Result<bool, Usage> {
    let [nodes, pods] = options(args, [("--nodes", 1_000), ("--pods", 20_000)])?;
    let done = match wait(cluster::collect(nodes, pods)) {
        Ok(done) => done,
        Err(error) => return Ok(complain(&error)),
    };
    let whole = (done.nodes, done.pods) == (nodes, pods);
    let line = CollectLine {
        nodes: done.nodes,
        pods: done.pods,
        objects: done.objects,
        gaps: done.gaps,
        seconds: done.seconds,
        requests: done.requests,
        megabytes: done.megabytes,
        peak_rss_mb: done.peak_rss_mb,
        rss_before_mb: done.rss_before_mb,
        made_in_seconds: done.made_in_seconds,
        load_average: load_average(),
        version: env!("CARGO_PKG_VERSION"),
    };
    match json(&line) {
        Ok(()) => Ok(whole),
        Err(error) => Ok(complain(&error)),
    }
}
