//! What the rules of others make of the same cluster.

use crate::baseline::consolidate::{Approval, consolidate};
use crate::baseline::scale_down::{UNNEEDED, autoscaler, high_node_utilization};
use crate::baseline::yard::{Step, Yard};
use crate::process::{Watch, load_average};
use serde::Serialize;
use std::io::{self, Write};

/// One line of the report.
#[derive(Debug, Serialize)]
pub(super) struct Baseline {
    instance: String,
    cluster: String,
    baseline: &'static str,
    cost_before: f64,
    cost: f64,
    /// Over the bound of our line.
    gap: Option<f64>,
    nodes: usize,
    /// Evictions: a pod that moved twice counts twice.
    moves: u64,
    launched: usize,
    violations: usize,
    seconds: f64,
    load_average: Option<f64>,
    version: &'static str,
}

/// Of whom it is.
pub(super) struct Of {
    pub(super) instance: String,
    pub(super) cluster: String,
    pub(super) bound: f64,
}

/// The threshold of descheduler's own example, and one as the autoscaler's.
const LOW: f64 = 0.2;

/// Runs every baseline from the same start; the autoscaler keeps more pods where
/// they are than Karpenter does.
pub(super) fn run<Y: Yard + Clone>(of: &Of, karpenter: &Y, scaler: &Y) -> Vec<Baseline> {
    type Rule<Y> = fn(&mut Y);
    let rules: [(&'static str, &Y, Rule<Y>); 5] = [
        ("karpenter", karpenter, |y| {
            consolidate(y, Approval::Cheaper)
        }),
        ("karpenter-balanced", karpenter, |y| {
            consolidate(y, Approval::Balanced);
        }),
        ("cluster-autoscaler-50", scaler, |y| autoscaler(y, UNNEEDED)),
        ("descheduler-high-20", scaler, |y| {
            high_node_utilization(y, LOW)
        }),
        ("descheduler-high-50", scaler, |y| {
            high_node_utilization(y, UNNEEDED)
        }),
    ];
    rules
        .into_iter()
        .map(|(baseline, start, rule)| {
            let mut yard = start.clone();
            let watch = Watch::start();
            rule(&mut yard);
            let seconds = watch.seconds();
            let cost = yard.cost() as f64 / 1e6;
            let bought = yard.steps().iter();
            let bought = bought.filter(|s| matches!(s, Step::Bought { .. }));
            Baseline {
                instance: of.instance.clone(),
                cluster: of.cluster.clone(),
                baseline,
                cost_before: start.cost() as f64 / 1e6,
                cost,
                gap: (of.bound > 0.0).then(|| cost / of.bound - 1.0),
                nodes: yard.nodes().len(),
                moves: yard.evictions(),
                launched: bought.count(),
                violations: yard.violations(),
                seconds,
                load_average: load_average(),
                version: env!("CARGO_PKG_VERSION"),
            }
        })
        .collect()
}

pub(super) fn print(line: &Baseline) -> io::Result<()> {
    let gap = line
        .gap
        .map_or_else(|| "-".to_owned(), |g| format!("{:.2}", g * 100.0));
    writeln!(
        io::stdout(),
        "{:>7} {:>11.3} {:>11} {:>7} {:>6} {:>8} {:>5}  {}, {:.2} s",
        line.moves,
        line.cost,
        "",
        gap,
        line.nodes,
        line.launched,
        line.violations,
        line.baseline,
        line.seconds
    )
}
