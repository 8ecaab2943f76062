//! Bin packing: which nodes can go, and where each pod would move.
//!
//! It looks at nodes, pods, budgets, storage, owners and prices, and decides
//! about every node: cordon it, evict its pods, remove it through its owner,
//! or leave it, with the reason. Empty nodes go first. A node goes only when
//! every pod on it may move, fits on a node that stays by **every** hard rule
//! of the kube-scheduler, and is kept by no disruption budget; each next node
//! is judged on the cluster that the earlier ones leave.
//!
//! Where pods of nodes that stay have to leave first to make room, the decision
//! about the node that goes has these moves, too, and pays for them: each node
//! that stays is cordoned for the time, and opened again. No pod leaves a node
//! for this that asks to be left alone, is young, out of service or of an owner
//! that is not known.
//!
//! It never moves DaemonSet, static, bare or protected pods, never takes the
//! last node of a pool or group in a zone, never goes below a group's minimum, for
//! which nodes that the group launches for the same pods make up,
//! or out of its balance of zones, never removes a node whose price or owner is
//! unknown, and leaves a young node and a cluster that was just disrupted
//! alone, so that a run every ten minutes does not flap. Pods that wait for a
//! node keep the room that they would find.
//!
//! Why a pod cannot go to a node and why a node stays is told by
//! [`explain_pod`] and [`explain_node`]; what a rule costs and what another
//! input would save by [`constraint_prices`] and [`what_if`]; what the pods would
//! need were there no node yet, on demand and on spot, by [`green_field`].
//!
//! Where the host [can launch](Config::launch_through), nodes go for new ones as
//! well, any number for any number: within the limits of pools and groups, vCPU
//! quotas, subnets and reservations, of which what is not known leaves no room.
//! On spot only what is [let there](Config::spot_percent), at a price with its
//! risk.
//!
//! Searches are limited by counts of their work. With a
//! [deadline](Inputs::deadline) they end in time with what they have: plans, points
//! and bounds hold all the same, nodes that were not tried say so
//! ([`Reason::OutOfTime`]), and prices that were not found are not told. The way
//! there of a plan that was found ([`migration`]) is not cut short.
//!
//! The figures carry a proven lower bound: no set of nodes of the kinds that
//! the cluster runs now, and of those that could be launched, holds these pods
//! for less. Settings and their sources
//! are in [`Config`].

mod binding;
mod bound;
mod candidate;
mod change;
mod commitments;
mod config;
mod consolidate;
mod constraint;
mod elsewhere;
mod explain;
mod fleet;
mod green_field;
mod group;
mod headroom;
mod limits;
mod migration;
mod min_nodes;
mod minima;
mod on_spot;
mod owner;
mod pool;
mod reason;
mod repacking;
mod rows;
mod share;
mod shift;
mod shop;
pub mod solver;
mod target;
mod trial;
mod what_if;

pub use change::Change;
pub use config::Config;
pub use constraint::{ConstraintPrice, ConstraintPrices, Price, Pricing, constraint_prices};
pub use elsewhere::Elsewhere;
pub use explain::{
    NodeExplanation, PodExplanation, RefusedBy, Standing, explain_node, explain_pod,
};
pub use fleet::Launchable;
pub use green_field::{
    BoughtFor, GreenField, GroupMinimum, LimitPrice, LimitPrices, LimitUse, MinimumPrice, NewNode,
    Purchase, Unhoused, green_field, limit_prices, purchasable,
};
pub use headroom::Headroom;
pub use limits::{LaunchLimit, StatedRoom};
pub use migration::{
    Broken, Chooser, Eviction, LeftOut, Migration, Obstacle, Placement, Rollback, Simulation, Wave,
    migration, simulate,
};
pub(crate) use migration::{Closing, closings};
pub use on_spot::SpotPercent;
pub use reason::Reason;
pub use repacking::{
    Launched, Moved, Repacking, RepackingPoint, RepackingProof, launchable_copies, launchable_type,
    repacking, repacking_with_minima, repacking_with_proof, unknown_minima,
};
pub use what_if::{Side, WhatIf, what_if};

use super::{Engine, EngineError, EngineId, EngineOutput, Figures, Inputs, NotJudged};
use crate::decision::{Decision, MissingEvidence, Subject};
use crate::knowledge::Knowledge;
use crate::model::{Cluster, ClusterUid, MicroUsdPerHour, Snapshot};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct BinPacking {
    config: Config,
}

impl BinPacking {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for BinPacking {
    fn id(&self) -> EngineId {
        EngineId::BinPacking
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        decide(&self.config, inputs)
    }
}

/// Decides about every node of every cluster.
///
/// Decisions to act come in the order in which they must be done: each one
/// builds on those before it. Keeps follow, in node order.
///
/// # Errors
/// [`EngineError`] for settings out of range, or objects that contradict each
/// other.
pub fn decide(config: &Config, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
    config.validate()?;
    let laid = inputs.laid();
    let mut output = EngineOutput::new(EngineId::BinPacking, Vec::new());
    for cluster in &laid.clusters {
        let cloud = inputs.snapshot.cloud_of(cluster);
        if let Some((part, state)) = missing(cluster) {
            keep_all(cluster, &part, &state, &mut output);
            continue;
        }
        let with_room = headroom::lay(&config.headroom, cluster);
        let answer = consolidate::consolidate(config, inputs, &with_room, cloud)?;
        let prices = &answer.prices;
        let priced = |removed: bool| -> MicroUsdPerHour {
            cluster
                .nodes
                .items()
                .iter()
                .filter(|n| !(removed && answer.removed.contains(&n.meta.name)))
                .filter_map(|n| prices.of(n))
                .sum()
        };
        let unpriced = cluster
            .nodes
            .items()
            .iter()
            .filter(|n| prices.of(n).is_none())
            .count();
        let mut bound = bound::bound(inputs, cluster, unpriced, &answer.shop, prices);
        if answer.late || bound.late || inputs.is_late() {
            bound.proof.push_str("; the deadline ended the search");
        }
        let name = if cluster.name.is_empty() {
            cluster.uid.as_str()
        } else {
            &cluster.name
        };
        output.figures.push(Figures {
            of: match unpriced {
                0 => format!("nodes of {name}"),
                n => format!("nodes of {name}, but for {n} without a price"),
            },
            cluster: Some(cluster.uid.clone()),
            cost_now: Some(priced(false)),
            cost_after: Some(priced(true) + answer.launched),
            lower_bound: bound.lower_bound,
            proof: bound.proof,
            moves: answer.moves,
        });
        output.alternatives.extend(bound.alternatives);
        output.not_judged.extend(answer.not_judged);
        output.decisions.extend(answer.decisions);
    }
    Ok(output)
}

fn not_found(what: String) -> EngineError {
    EngineError::NotFound {
        engine: EngineId::BinPacking,
        what,
    }
}

/// The cluster of that uid.
fn cluster_of<'s>(snapshot: &'s Snapshot, uid: &ClusterUid) -> Result<&'s Cluster, EngineError> {
    let found = snapshot.cluster(uid);
    found.ok_or_else(|| not_found(format!("cluster {uid}")))
}

/// The first part without which no node may go.
fn missing(cluster: &Cluster) -> Option<(String, String)> {
    fn check<T>(part: &Knowledge<T>, name: &str) -> Option<(String, String)> {
        (!part.is_complete()).then(|| (name.to_owned(), part.to_string()))
    }
    check(&cluster.nodes, "nodes")
        .or_else(|| check(&cluster.pods, "pods"))
        .or_else(|| check(&cluster.workloads, "workloads"))
        .or_else(|| check(&cluster.disruption_budgets, "disruption budgets"))
}

fn keep_all(cluster: &Cluster, part: &str, state: &str, output: &mut EngineOutput) {
    let nodes = cluster.nodes.items();
    for node in nodes {
        let subject = Subject::Node {
            cluster: cluster.uid.clone(),
            node: node.name(),
        };
        let reason = Reason::PartMissing {
            part: part.to_owned(),
            state: state.to_owned(),
        };
        output.decisions.push(Decision::keep(
            EngineId::BinPacking,
            subject,
            vec![reason.into()],
        ));
    }
    output.not_judged.push(NotJudged {
        subject: Some(Subject::Cluster {
            cluster: cluster.uid.clone(),
        }),
        count: u64::try_from(nodes.len()).unwrap_or(u64::MAX),
        missing: MissingEvidence::Part {
            part: part.to_owned(),
            state: state.to_owned(),
        },
    });
}
