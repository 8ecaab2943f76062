//! `packing --nodes`: as many GPUs as go on nodes that are there.

use crate::instance::{Instance, Machine};
use crate::process::{load_average, peak_rss_mb, reset_peak};
use crate::stock::{self, LeftOut, Placement, Reason};
use cloudoptim_core::engines::bin_packing::solver::{Effort, threads};
use serde::Serialize;
use std::io::{self, Write};

/// One line of the report.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    instance: String,
    pods: usize,
    /// That are there.
    nodes: usize,
    nodes_used: usize,
    gpus_asked: f64,
    gpus_placed: f64,
    /// No placement has more, by the harness's own pricing of the certificate.
    gpus_bound: f64,
    /// Of `gpus_bound` over `gpus_placed`.
    gap: Option<f64>,
    unplaced: usize,
    pub(super) violations: usize,
    seconds: f64,
    peak_rss_mb: Option<f64>,
    threads: usize,
    version: &'static str,
    left_out: Vec<LeftOut>,
    strategy: String,
    certified: String,
    load_average: Option<f64>,
}

/// Places the pods and judges the answer.
pub(super) fn measure(
    instance: &Instance,
    nodes: &[Machine],
    effort: &Effort,
) -> Result<(Line, Placement), String> {
    reset_peak();
    let placement = stock::place(instance, nodes, effort)?;
    let peak_rss_mb = peak_rss_mb();
    let (stocked, placed) = (&placement.stocked, &placement.assignment);
    let name = &stocked.instance.name;
    for violation in placement.violations.iter().take(5) {
        let _ = writeln!(io::stderr(), "violation: {name}: {violation}");
    }
    let left_out = stocked.left_out(placed);
    let mut violations = placement.violations.len();
    for left in left_out.iter().filter(|l| l.reason == Reason::RoomLeft) {
        violations += left.pods.len();
        let pods = left.pods.join(", ");
        let _ = writeln!(io::stderr(), "violation: {name}: there is room for {pods}");
    }
    let has = stocked.placed_milli(placed) as f64;
    let most = placement.most_milli as f64;
    let line = Line {
        instance: stocked.instance.name.clone(),
        pods: stocked.instance.pods.len(),
        nodes: stocked.nodes(),
        nodes_used: placed.nodes.len(),
        gpus_asked: stocked.asked_milli() as f64 / 1e3,
        gpus_placed: has / 1e3,
        gpus_bound: most / 1e3,
        gap: (has > 0.0).then(|| most / has - 1.0),
        unplaced: placed.unplaced.len(),
        violations,
        seconds: placement.seconds,
        peak_rss_mb,
        threads: threads(),
        version: env!("CARGO_PKG_VERSION"),
        left_out,
        strategy: placement.strategy.clone(),
        certified: placement.certified.join("; "),
        load_average: load_average(),
    };
    Ok((line, placement))
}

pub(super) fn print(line: &Line) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let gap = line
        .gap
        .map_or_else(|| "-".to_owned(), |g| format!("{:.3}", g * 100.0));
    writeln!(
        out,
        "{}: {} of {} pods on {} of {} nodes, {:.3} of {:.3} GPUs, at most {:.3} ({gap} %), {} violations, {:.2} s",
        line.instance,
        line.pods - line.unplaced,
        line.pods,
        line.nodes_used,
        line.nodes,
        line.gpus_placed,
        line.gpus_asked,
        line.gpus_bound,
        line.violations,
        line.seconds,
    )?;
    for left in &line.left_out {
        let gpus = left.gpu_milli as f64 / 1e3;
        let (pods, reason) = (left.pods.len(), &left.reason);
        writeln!(out, "  left out: {pods} pods with {gpus:.3} GPUs: {reason}")?;
    }
    Ok(())
}
