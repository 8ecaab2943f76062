//! What another input would save.

use super::change::{Change, Direction, Question};
use super::commitments::Prices;
use super::constraint::holds;
use super::fleet::Launchable;
use super::limits::LaunchLimit;
use super::min_nodes::{MinNodes, node_prices};
use super::minima::Minima;
use super::repacking::{Offers, RepackingPoint, solve};
use super::solver::RepackEffort;
use super::{Config, cluster_of};
use crate::decision::MissingEvidence;
use crate::engines::{EngineError, Inputs};
use crate::model::{Cluster, ClusterUid, MicroUsdPerHour, MicroUsdPerMonth, NodeName};
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fmt;

/// One side of a what-if: a cluster, and the cheapest repacking of it found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Side {
    /// What its nodes cost as they are, those without a price left out, as in
    /// every figure.
    pub cost_now: MicroUsdPerHour,
    /// What they cost repacked.
    pub cost: MicroUsdPerHour,
    /// What it costs that pods stand where they would rather not then, at the
    /// [prices](Config::preferences) that are set.
    #[serde(default, skip_serializing_if = "MicroUsdPerHour::is_zero")]
    pub preferences: MicroUsdPerHour,
    /// No repacking costs less, `preferences` included.
    pub lower_bound: MicroUsdPerHour,
    /// Pods that move.
    pub moves: u64,
    /// Nodes that go.
    pub removed: Vec<NodeName>,
    /// Nodes that are launched.
    pub launched: u64,
    /// Nodes without a known price; they stay.
    pub unpriced: u64,
    /// Groups whose minimum is not known; their nodes stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_minima: Vec<String>,
    /// Whether the work limit ended the search.
    pub work_limit: bool,
    /// Whether the [deadline](Inputs::deadline) did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

impl Side {
    /// What the nodes cost repacked, and broken preferences.
    pub fn total(&self) -> MicroUsdPerHour {
        self.cost + self.preferences
    }
}

/// What changes of the input would save.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WhatIf {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Cluster.
    pub cluster: ClusterUid,
    /// What was changed.
    pub changes: Vec<Change>,
    /// The cheapest repacking found of the cluster as it is.
    pub before: Side,
    /// The cheapest repacking found with the changes made.
    pub after: Side,
    /// What the changes save a month between the two, preferences included; negative
    /// when they cost.
    /// `None` when it is not known, see `missing` and `left`.
    pub saves_per_month: Option<MicroUsdPerMonth>,
    /// Between the cheapest repackings that there are, found or not, they save
    /// no less.
    pub at_least_per_month: Option<MicroUsdPerMonth>,
    /// And no more.
    pub at_most_per_month: Option<MicroUsdPerMonth>,
    /// Nodes of forbidden zones that cannot be emptied.
    pub left: Vec<NodeName>,
    /// What is not known.
    pub missing: Vec<MissingEvidence>,
}

impl fmt::Display for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, change) in self.changes.iter().enumerate() {
            write!(f, "{}{change}", if i > 0 { ", " } else { "" })?;
        }
        if self.changes.is_empty() {
            f.write_str("without a change")?;
        }
        let (before, after) = (self.before.total(), self.after.total());
        write!(f, ": {after} instead of {before}, ")?;
        let (Some(saves), Some(least), Some(most)) = (
            self.saves_per_month,
            self.at_least_per_month,
            self.at_most_per_month,
        ) else {
            f.write_str("what that saves is not known")?;
            for missing in &self.missing {
                write!(f, "; missing: {missing}")?;
            }
            for node in &self.left {
                write!(f, "; node {node} cannot be emptied")?;
            }
            return Ok(());
        };
        if saves < MicroUsdPerMonth::ZERO {
            write!(f, "costs {}", -saves)?;
        } else {
            write!(f, "saves {saves}")?;
        }
        write!(f, " (proven: from {least} to {most})")?;
        for group in &self.after.unknown_minima {
            write!(f, "; the minimum of {group} is not known, its nodes stay")?;
        }
        if self.before.late || self.after.late {
            f.write_str("; the deadline ended the search")?;
        }
        Ok(())
    }
}

/// What the changes would save: the cluster is repacked as it is and with the
/// changes made, and the cheapest of each found are compared. What may be
/// launched is, both times, what owners [can be asked](Config::launch_through)
/// for within their limits, or copies of the cluster's nodes when nobody can.
///
/// A rule that is dropped never makes it dearer and one that is added never
/// cheaper: a plan that is good before the one, or after the other, is good on
/// both sides. The bounds are the difference between one side's proven lower
/// bound and the other's plan.
///
/// ```
/// use cloudoptim_core::catalog::Catalog;
/// use cloudoptim_core::engines::Inputs;
/// use cloudoptim_core::engines::bin_packing::{Change, Config, what_if};
/// use cloudoptim_core::knowledge::{Knowledge, Provenance};
/// use cloudoptim_core::ledger::Ledgers;
/// use cloudoptim_core::model::*;
/// use cloudoptim_core::overlay::Overlay;
/// use cloudoptim_core::policy::Policy;
///
/// # let part = |name: &str| {
/// #     let mut node = Node::default();
/// #     node.meta.name = name.into();
/// #     node.allocatable.cpu = MilliCpu(4_000);
/// #     node.allocatable.pods = 110;
/// #     let ready = NodeCondition { name: "Ready".into(), status: ConditionStatus::True, ..Default::default() };
/// #     node.conditions = vec![ready];
/// #     let labels = &mut node.meta.labels;
/// #     labels.insert(INSTANCE_TYPE_LABEL.into(), "m6i.xlarge".into());
/// #     labels.insert("karpenter.sh/capacity-type".into(), "on-demand".into());
/// #     let mut pod = Pod::default();
/// #     pod.meta.namespace = "shop".into();
/// #     pod.meta.name = format!("web-{name}");
/// #     pod.meta.uid = pod.meta.name.as_str().into();
/// #     let (kind, controller) = ("StatefulSet".into(), true);
/// #     let owner = OwnerRef { kind, name: "web".into(), uid: "w".into(), controller, ..Default::default() };
/// #     pod.meta.owners = vec![owner];
/// #     pod.meta.annotations.insert("karpenter.sh/do-not-disrupt".into(), "true".into());
/// #     pod.spec.node_name = Some(name.into());
/// #     let mut main = Container { name: "main".into(), ..Default::default() };
/// #     main.resources.requests.cpu = Some(MilliCpu(1_000));
/// #     pod.spec.containers = vec![main];
/// #     pod.status.phase = PodPhase::Running;
/// #     pod.status.ready = Some(true);
/// #     (node, pod)
/// # };
/// # let (nodes, pods) = [part("a"), part("b")].into_iter().unzip();
/// # let all = Provenance::default;
/// // Two nodes of 4 CPU with a pod of 1 CPU each, both marked; each node costs
/// // $0.192 an hour.
/// let cluster = Cluster {
///     uid: "c".into(),
///     nodes: Knowledge::complete(nodes, all()),
///     pods: Knowledge::complete(pods, all()),
///     // …
/// #   workloads: Knowledge::complete(Vec::new(), all()),
/// #   disruption_budgets: Knowledge::complete(Vec::new(), all()),
/// #   ..Cluster::default()
/// };
/// # let mut snapshot = Snapshot::new(chrono::DateTime::UNIX_EPOCH);
/// # snapshot.clusters.push(cluster);
/// # let price = OfferingPrice {
/// #     instance_type: "m6i.xlarge".into(),
/// #     zone_id: None,
/// #     capacity_type: CapacityType::OnDemand,
/// #     per_hour: MicroUsdPerHour(192_000),
/// # };
/// # let overlay = Overlay { prices: vec![price], ..Overlay::default() };
/// # let (catalog, policy, ledgers) = (Catalog::empty(), Policy::default(), Ledgers::default());
/// # let inputs = Inputs {
/// #     snapshot: &snapshot, overlay: &overlay, catalog: &catalog,
/// #     policy: &policy, ledgers: &ledgers,
/// #     deadline: None,
/// # };
/// let workload = WorkloadRef::new("shop", "StatefulSet", "web");
/// let change = Change::IgnoreMarks { workload };
/// // Both may come to one node.
/// let config = Config::default().with_max_workload_share_percent(100);
/// let answer = what_if(&config, &inputs, &"c".into(), &[change])?;
/// assert_eq!(
///     answer.to_string(),
///     "without the do-not-disrupt mark of shop/StatefulSet/web: $0.19/h instead of \
///      $0.38/h, saves $140.16/mo (proven: from $140.16/mo to $140.16/mo)",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`EngineError::NotFound`] when the cluster, or what a change names, is not
/// there; else as [`repacking`](super::repacking).
pub fn what_if(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    changes: &[Change],
) -> Result<WhatIf, EngineError> {
    let laid = inputs.laid();
    let laid = cluster_of(&laid, cluster)?;
    let effort = RepackEffort::default();
    let base = Base::new(config, inputs, laid, &effort)?;
    base.with(changes)
}

/// A cluster repacked as it is, to compare changes with.
pub(super) struct Base<'b> {
    config: &'b Config,
    inputs: &'b Inputs<'b>,
    laid: &'b Cluster,
    effort: &'b RepackEffort,
    pub(super) side: Side,
    pub(super) missing: Vec<MissingEvidence>,
    /// Limits that may hold launches back, the shortest first.
    pub(super) binding: Vec<LaunchLimit>,
    /// Minima of groups.
    pub(super) minima: Minima,
}

impl<'b> Base<'b> {
    pub(super) fn new(
        config: &'b Config,
        inputs: &'b Inputs<'b>,
        laid: &'b Cluster,
        effort: &'b RepackEffort,
    ) -> Result<Self, EngineError> {
        let question = Question::new(config, inputs, laid, &[])?;
        let (side, _, missing) = answer(&question, inputs, effort)?;
        Ok(Self {
            config,
            inputs,
            laid,
            effort,
            side,
            missing,
            binding: question.binding,
            minima: question.minima,
        })
    }

    /// The cluster with changes, against the cluster without them.
    pub(super) fn with(&self, changes: &[Change]) -> Result<WhatIf, EngineError> {
        let question = Question::new(self.config, self.inputs, self.laid, changes)?;
        let (mut after, left, missing) = answer(&question, self.inputs, self.effort)?;
        let mut before = self.side.clone();
        let mut all = self.missing.clone();
        all.extend(missing);
        all.extend(question.missing.iter().cloned());
        all.extend(self.freed_unpriced(&question));
        all.sort();
        all.dedup();
        let direction = self.direction_of(changes);
        if left.is_empty() {
            meet(&mut before, &mut after, direction);
            if question.config.preferences.are_zero() {
                after.preferences = MicroUsdPerHour::ZERO;
            }
        }
        let known = all.is_empty() && left.is_empty();
        let saves =
            |from: MicroUsdPerHour, to: MicroUsdPerHour| known.then(|| (from - to).per_month());
        let least = saves(before.lower_bound, after.total());
        let most = saves(before.total(), after.lower_bound);
        let zero = MicroUsdPerMonth::ZERO;
        let (at_least_per_month, at_most_per_month) = match direction {
            Direction::Loosens => (least.map(|l| l.max(zero)), most),
            Direction::Tightens => (least, most.map(|m| m.min(zero))),
            Direction::Either => (least, most),
        };
        Ok(WhatIf {
            version: Version::KNOWN,
            cluster: self.laid.uid.clone(),
            changes: changes.to_vec(),
            saves_per_month: saves(before.total(), after.total()),
            at_least_per_month,
            at_most_per_month,
            before,
            after,
            left,
            missing: all,
        })
    }

    /// What changes can do to the cheapest repacking. Without node rules of pods other
    /// nodes count for their soft spreads, which may then be broken where they were not.
    fn direction_of(&self, changes: &[Change]) -> Direction {
        let frees = |change: &Change| matches!(change, Change::DropNodeRules { .. });
        let counts = self.config.preferences.per_spread > MicroUsdPerHour::ZERO;
        if counts && changes.iter().any(frees) {
            return Direction::Either;
        }
        Change::direction_of(changes)
    }

    /// Nodes without a price that could go, or would have to, only with the
    /// changes: what they cost is what the answer lacks.
    fn freed_unpriced(&self, question: &Question) -> Vec<MissingEvidence> {
        let inputs = question.inputs(self.inputs);
        let prices = Prices::new(&inputs, &question.cluster);
        let nodes = question.cluster.nodes.items().iter();
        let mut unpriced = nodes.filter(|node| prices.of(node).is_none());
        if unpriced.clone().next().is_none() {
            return Vec::new();
        }
        let before = holds(self.config, self.inputs, self.laid);
        let after = holds(&question.config, &inputs, &question.cluster);
        let mut missing = Vec::new();
        for node in &mut unpriced {
            let name = node.name();
            let held = before.get(&name).is_some_and(|h| h.is_held());
            let free = !after.get(&name).is_some_and(|h| h.is_held());
            let zone = node.zone_name();
            let leaves = zone.is_some_and(|z| question.leave.contains(z.as_str()));
            if leaves || (held && free) {
                missing.push(MissingEvidence::Price {
                    of: format!("node {name}"),
                });
            }
        }
        missing
    }
}

/// A plan that both sides allow is on both.
fn meet(before: &mut Side, after: &mut Side, direction: Direction) {
    let (free, bound) = match direction {
        Direction::Loosens => (after, before),
        Direction::Tightens => (before, after),
        Direction::Either => return,
    };
    if bound.total() < free.total() {
        *free = Side {
            lower_bound: free.lower_bound,
            cost_now: free.cost_now,
            unpriced: free.unpriced,
            unknown_minima: free.unknown_minima.clone(),
            ..bound.clone()
        };
    }
    bound.lower_bound = bound.lower_bound.max(free.lower_bound);
}

fn answer(
    question: &Question,
    inputs: &Inputs<'_>,
    effort: &RepackEffort,
) -> Result<(Side, Vec<NodeName>, Vec<MissingEvidence>), EngineError> {
    let inputs = question.inputs(inputs);
    let with = |launchables: &[Launchable]| {
        let (config, cluster) = (&question.config, &question.cluster);
        let (rows, minima) = (&question.rows, &question.minima);
        let offers = Offers {
            launchables,
            rows,
            minima,
        };
        let solved = solve(config, &inputs, cluster, offers, effort, &question.leave)?;
        Ok((solved.repacking, solved.left))
    };
    let (mut repacking, mut left) = with(&question.launchables)?;
    let config = &question.config;
    let min_nodes = MinNodes::new(&question.cluster, config.min_nodes);
    let last = repacking.points.last();
    // Where nobody can be asked for nodes, nothing is launched.
    if !config.launch_through.is_empty() && !last.is_none_or(|p| min_nodes.are_left(p)) {
        let (without, left_without) = with(&[])?;
        let prices = node_prices(&question.cluster, &Prices::new(&inputs, &question.cluster));
        // Zones that are to be left have other prices, and all nodes go or none.
        let stays = question.leave.is_empty();
        let fewer = stays.then(|| min_nodes.cheapest(&repacking, &prices));
        // One that stops earlier may lack what groups launch later.
        let enough = |p: &RepackingPoint| question.minima.keep(p, &question.launchables);
        let fewer = fewer.map(|fewer| fewer.filter(enough));
        repacking.points = without.points;
        repacking.points.extend(fewer.flatten());
        repacking
            .points
            .sort_by_key(|p| Reverse((p.total(), p.moved)));
        left = left_without;
    }
    let mut side = Side {
        cost_now: repacking.cost_before,
        cost: repacking.cost_before,
        lower_bound: repacking.lower_bound,
        unpriced: repacking.unpriced,
        unknown_minima: repacking.unknown_minima,
        work_limit: repacking.work_limit,
        late: repacking.late,
        ..Side::default()
    };
    if let Some(point) = repacking.points.last() {
        side.cost = point.cost;
        side.preferences = point.preferences;
        side.moves = point.moved;
        side.removed = point.removed.clone();
        side.launched = u64::try_from(point.launched.len()).unwrap_or(u64::MAX);
    }
    Ok((side, left, repacking.missing.into_iter().collect()))
}
