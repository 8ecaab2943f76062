//! What the engine decides for a cluster, and how it would be done, judged.

use crate::launches::{excesses, waves, whole};
use crate::policy::{End, broken};
use crate::process::Watch;
use cloudoptim_core::decision::LaunchThrough;
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::{Config, decide, migration};
use cloudoptim_core::model::Cluster;
use serde::Serialize;
use std::io::{self, Write};

/// A plan with launches, as far as the limits of the account are known.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    saves_usd_per_month: f64,
    moves: u64,
    removed: usize,
    launched: u64,
    waves: usize,
    /// Nodes that are decided to go and have no safe way.
    left_out: usize,
    pub(super) violations: usize,
    seconds: f64,
}

/// Decides, and judges the decisions and the way.
pub(super) fn plan(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
) -> Result<Plan, String> {
    use LaunchThrough::{AutoScalingGroups, NodeGroups, NodePools};
    let owners = [NodePools, NodeGroups, AutoScalingGroups];
    let config = config.clone().with_launch_through(owners);
    let say = |err: cloudoptim_core::engines::EngineError| err.to_string();
    let watch = Watch::start();
    let output = decide(&config, inputs).map_err(say)?;
    let way = migration(&config, inputs, &cluster.uid, &output.decisions).map_err(say)?;
    let seconds = watch.seconds();
    let end = whole(cluster, &output.decisions);
    let steps = waves(&way, &output.decisions);
    let mut over = excesses(inputs, &config, cluster, &end, false);
    over.extend(excesses(inputs, &config, cluster, &steps, true));
    let own = broken(&config, &End::of_decisions(cluster, &output.decisions));
    for excess in over.iter().take(5) {
        let _ = writeln!(io::stderr(), "violation of the plan: {excess}");
    }
    for violation in own.iter().take(5) {
        let _ = writeln!(io::stderr(), "violation of the plan: {violation}");
    }
    let mut decisions = output.decisions.iter().filter(|d| !d.is_keep());
    let saves = decisions.clone().filter_map(|d| d.saves_per_month);
    Ok(Plan {
        saves_usd_per_month: saves.map(|s| s.usd()).sum(),
        moves: output.figures.iter().map(|f| f.moves).sum(),
        removed: end.iter().map(|s| s.remove.len()).sum(),
        launched: end
            .iter()
            .flat_map(|s| &s.launch)
            .map(|l| u64::from(l.count))
            .sum(),
        waves: way.waves.len(),
        left_out: way.left_out.len(),
        violations: over.len() + own.len() + usize::from(decisions.any(|d| d.actions.is_empty())),
        seconds,
    })
}
