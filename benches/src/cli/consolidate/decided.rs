//! What the engine decides for a cluster, and how it would be done, judged.

use crate::launches::{excesses, waves, whole};
use crate::placement::{Board, judge_decisions};
use crate::policy::{End, broken};
use crate::process::Watch;
use cloudoptim_core::decision::{Decision, Launch, LaunchThrough, Subject};
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::{Config, Placement, Wave, decide, migration};
use cloudoptim_core::model::{CapacityType, Cluster, MicroUsdPerMonth, NodeName};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// A plan with launches, as far as the limits of the account are known: what has
/// a safe way.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    saves_usd_per_month: f64,
    moves: usize,
    /// Of these, off nodes that stay.
    off_kept: usize,
    removed: usize,
    launched: u64,
    /// Of these, on spot.
    on_spot: u64,
    waves: usize,
    /// Cordons for the time of a wave.
    closed: usize,
    /// Nodes that are decided to go and have no safe way.
    left_out: usize,
    /// What is not known and keeps nodes or launches out, with how often.
    missing: BTreeMap<String, u64>,
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
    let before = Board::new(cluster).robust();
    let (ends, moves) = judge_decisions(cluster, &before, &output.decisions);
    for violation in ends.iter().chain(&moves).take(5) {
        let _ = writeln!(io::stderr(), "violation of the plan: {violation}");
    }
    for excess in over.iter().take(5) {
        let _ = writeln!(io::stderr(), "violation of the plan: {excess}");
    }
    for violation in own.iter().take(5) {
        let _ = writeln!(io::stderr(), "violation of the plan: {violation}");
    }
    let acts = || output.decisions.iter().filter(|d| !d.is_keep());
    let left_out: BTreeSet<&NodeName> = way.left_out.iter().map(|l| &l.node).collect();
    let goes = |d: &&Decision| match &d.subject {
        Subject::Node { node, .. } => !left_out.contains(node),
        _ => true,
    };
    let saves: MicroUsdPerMonth = acts().filter(goes).filter_map(|d| d.saves_per_month).sum();
    let launches = || steps.iter().flat_map(|s| &s.launch);
    let count = |launches: &mut dyn Iterator<Item = &&Launch>| -> u64 {
        launches.map(|l| u64::from(l.count)).sum()
    };
    let spot = |l: &&&Launch| l.offering.capacity_type == CapacityType::Spot;
    let mut missing: BTreeMap<String, u64> = BTreeMap::new();
    for not_judged in &output.not_judged {
        let count = missing.entry(not_judged.missing.to_string()).or_default();
        *count = count.saturating_add(not_judged.count);
    }
    let evictions = way.waves.iter().flat_map(|wave| &wave.evictions);
    let closed = |wave: &Wave| match &wave.placement {
        Placement::Forced { closed, .. } => closed.len(),
        _ => wave.closed.iter().count(),
    };
    Ok(Plan {
        saves_usd_per_month: saves.usd(),
        moves: way.waves.iter().map(|wave| wave.evictions.len()).sum(),
        off_kept: evictions.filter(|e| e.serves.is_some()).count(),
        removed: steps.iter().map(|s| s.remove.len()).sum(),
        launched: count(&mut launches()),
        on_spot: count(&mut launches().filter(spot)),
        waves: way.waves.len(),
        closed: way.waves.iter().map(closed).sum(),
        left_out: way.left_out.len(),
        missing,
        violations: over.len()
            + own.len()
            + ends.len()
            + moves.len()
            + acts().filter(|d| d.actions.is_empty()).count(),
        seconds,
    })
}

/// A line for people, and one for each thing that is missing.
pub(super) fn print(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "the engine: {} nodes go for {} launched ({} on spot) and {} moves, {} of them off nodes that stay, in {} waves with {} nodes closed for one, saves {:.2} USD a month; {} more have no safe way; {} violations",
        plan.removed,
        plan.launched,
        plan.on_spot,
        plan.moves,
        plan.off_kept,
        plan.waves,
        plan.closed,
        plan.saves_usd_per_month,
        plan.left_out,
        plan.violations
    )?;
    for (missing, count) in &plan.missing {
        writeln!(out, "  not known: {missing} ({count})")?;
    }
    Ok(())
}
