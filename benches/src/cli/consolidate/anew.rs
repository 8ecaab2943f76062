//! What a cluster's pods would need were there no node yet, judged.

use super::gap;
use crate::anew::judge;
use crate::process::Watch;
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::solver::Effort;
use cloudoptim_core::engines::bin_packing::{Config, Purchase, green_field, purchasable};
use cloudoptim_core::model::Cluster;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// A green field on demand.
#[derive(Debug, Serialize)]
pub(super) struct Anew {
    cost: f64,
    /// As the engine says.
    lower_bound: f64,
    /// Over that; none when a pod is left that some kind takes.
    gap: Option<f64>,
    nodes: usize,
    placed: u64,
    /// Pods that are on no node, by reason.
    left: BTreeMap<String, usize>,
    purchasable: usize,
    pub(super) violations: usize,
    seconds: f64,
}

pub(super) fn anew(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
) -> Result<Anew, String> {
    let say = |err: cloudoptim_core::engines::EngineError| err.to_string();
    let purchase = Purchase::default();
    let kinds = purchasable(config, inputs, &cluster.uid, &purchase).map_err(say)?;
    let watch = Watch::start();
    let effort = Effort::default();
    let answer = green_field(config, inputs, &cluster.uid, &purchase, &effort).map_err(say)?;
    let seconds = watch.seconds();
    let (end, way) = judge(cluster, &kinds, &answer);
    for violation in way.iter().chain(&end).take(5) {
        let _ = writeln!(io::stderr(), "violation of the green field: {violation}");
    }
    let left = answer.left.iter();
    Ok(Anew {
        cost: answer.cost.usd(),
        lower_bound: answer.lower_bound.usd(),
        gap: gap(answer.cost, answer.lower_bound).filter(|_| answer.is_whole()),
        nodes: answer.nodes.len(),
        placed: answer.placed(),
        left: left
            .map(|(why, pods)| (why.to_string(), pods.len()))
            .collect(),
        purchasable: kinds.len(),
        violations: end.len() + way.len(),
        seconds,
    })
}
