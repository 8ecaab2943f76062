//! Why a pod cannot go to a node, and why a node goes or stays.

use super::commitments::Prices;
use super::consolidate::consolidate;
use super::headroom::lay;
use super::trial::{leaves_again, named};
use super::{Config, Reason, cluster_of, missing, not_found};
use crate::decision::{Action, Reason as AnyReason, Subject};
use crate::engines::{EngineError, Inputs};
use crate::model::{
    Cluster, ClusterUid, MicroUsdPerMonth, NamespacedName, Node, NodeName, Taint, Uid,
};
use crate::scheduling::movability::Movers;
use crate::scheduling::{
    BrokenPreference, Budgets, EvictionRefusal, Movability, PodId, Refusal, World,
};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

/// Everything that stands between a pod and a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PodExplanation {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Pod.
    pub pod: NamespacedName,
    /// Its uid.
    pub uid: Uid,
    /// Node that it was asked about.
    pub node: NodeName,
    /// Node that it stands on; `None` while it waits for one.
    pub stands_on: Option<NodeName>,
    /// Every hard rule of the scheduler that fails, sorted; none when it fits.
    pub refusals: Vec<Refusal>,
    /// A taint that it tolerates for a time only: it fits, and would be driven
    /// away again.
    pub leaves_again: Option<Taint>,
    /// Soft preferences that it breaks there, whatever [that costs](Config::preferences),
    /// sorted. None of them is a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferences: Vec<BrokenPreference>,
    /// Whether it may be moved at all, with every reason against it.
    pub movability: Movability,
    /// Why the eviction API would not let it go now.
    pub eviction: Option<EvictionRefusal>,
}

impl PodExplanation {
    /// Whether every hard rule of the scheduler holds.
    pub const fn fits(&self) -> bool {
        self.refusals.is_empty()
    }
}

impl fmt::Display for PodExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod {} ", self.pod)?;
        if self.fits() {
            write!(f, "fits on {}", self.node)?;
        } else {
            write!(f, "does not fit on {}: ", self.node)?;
            list(f, &self.refusals)?;
        }
        if let Some(taint) = &self.leaves_again {
            write!(f, "; it tolerates the taint {} for a time only", taint.key)?;
        }
        if !self.preferences.is_empty() {
            f.write_str("; it would rather be elsewhere: ")?;
            list(f, &self.preferences)?;
        }
        against(f, &self.movability, self.eviction.as_ref())
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i > 0 { "; " } else { "" })?;
    }
    Ok(())
}

/// What stands against moving a pod, after a semicolon.
fn against(
    f: &mut fmt::Formatter<'_>,
    movability: &Movability,
    eviction: Option<&EvictionRefusal>,
) -> fmt::Result {
    match movability {
        Movability::Moves => {}
        Movability::NotCounted => f.write_str("; it has ended")?,
        Movability::Leaving { .. } => f.write_str("; it is being deleted")?,
        Movability::Stays { why } => write!(f, "; it ends with its node: {why}")?,
        Movability::NeverMoves { why } => {
            f.write_str("; it may not move: ")?;
            list(f, why)?;
        }
    }
    match eviction {
        Some(why) => write!(f, "; {why}"),
        None => Ok(()),
    }
}

/// Says what stands between a pod and a node: every hard rule that fails, with
/// its facts, soft preferences that it would break, what keeps the pod where it is,
/// and what its budgets say.
///
/// `pod` is `namespace/name`, or a uid. The pod is judged with every other one
/// where it is; on its own node the answer says whether it would come back.
///
/// ```
/// # use cloudoptim_core::{catalog::Catalog, ledger::Ledgers, overlay::Overlay, policy::Policy};
/// # use cloudoptim_core::knowledge::{Knowledge, Provenance};
/// use cloudoptim_core::engines::Inputs;
/// use cloudoptim_core::engines::bin_packing::{Config, explain_pod};
/// use cloudoptim_core::model::*;
///
/// let mut node = Node::default();
/// node.meta.name = "n1".into();
/// node.unschedulable = true;
/// # node.conditions = vec![NodeCondition { name: "Ready".into(), status: ConditionStatus::True, ..Default::default() }];
/// node.allocatable.cpu = MilliCpu(2_000);
/// # node.allocatable.pods = 110;
/// let mut pod = Pod::default();
/// pod.meta.namespace = "shop".into();
/// pod.meta.name = "web-1".into();
/// pod.spec.node_selector.insert("disk".into(), "ssd".into());
/// # let snapshot = {
/// #     let mut snapshot = Snapshot::new(chrono::DateTime::UNIX_EPOCH);
/// #     let all = Provenance::default;
/// #     snapshot.clusters.push(Cluster {
/// #         uid: "c".into(),
/// #         nodes: Knowledge::complete(vec![node], all()),
/// #         pods: Knowledge::complete(vec![pod], all()),
/// #         workloads: Knowledge::complete(Vec::new(), all()),
/// #         disruption_budgets: Knowledge::complete(Vec::new(), all()),
/// #         ..Cluster::default()
/// #     });
/// #     snapshot
/// # };
/// # let (overlay, catalog) = (Overlay::default(), Catalog::empty());
/// # let (policy, ledgers) = (Policy::default(), Ledgers::default());
/// # let inputs = Inputs {
/// #     snapshot: &snapshot, overlay: &overlay, catalog: &catalog,
/// #     policy: &policy, ledgers: &ledgers,
/// #     deadline: None,
/// # };
/// let answer = explain_pod(&Config::default(), &inputs, &"c".into(), "shop/web-1", &"n1".into())?;
/// assert_eq!(
///     answer.to_string(),
///     "pod shop/web-1 does not fit on n1: the node is cordoned; \
///      the node selector wants disk=ssd, which is absent; \
///      it may not move: it has no controller that would make it anew",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`EngineError::NotFound`] when cluster, pod or node is not there (a pod that
/// has ended is not); [`EngineError::BadSetting`] for settings out of range.
pub fn explain_pod(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    pod: &str,
    node: &NodeName,
) -> Result<PodExplanation, EngineError> {
    config.validate()?;
    let laid = inputs.laid();
    let cluster = cluster_of(&laid, cluster)?;
    let world = world(config, inputs, cluster).with_preferences();
    let id = match pod.split_once('/') {
        Some((namespace, name)) => world.pod_id(namespace, name),
        None => world.pod_by_uid(&Uid::from(pod)),
    };
    let found = id.and_then(|id| Some((id, world.pod(id)?)));
    let (id, pod) =
        found.ok_or_else(|| not_found(format!("running pod {pod} in cluster {}", cluster.uid)))?;
    let target = world.node_id(node);
    let target =
        target.ok_or_else(|| not_found(format!("node {node} in cluster {}", cluster.uid)))?;
    let refusals = world.check(id, target).err().map_or(Vec::new(), |r| r.0);
    let movers = Movers::new(cluster, inputs.now(), config.moves.clone());
    let budgets = Budgets::new(cluster, inputs.now());
    Ok(PodExplanation {
        cluster: cluster.uid.clone(),
        pod: named(pod),
        uid: pod.meta.uid.clone(),
        node: node.clone(),
        stands_on: pod.node().cloned(),
        refusals,
        leaves_again: leaves_again(&world, id, target),
        preferences: world.broken_preferences(id, target),
        movability: movers.judge(pod),
        eviction: budgets.can_evict(pod).err(),
    })
}

fn world<'a>(config: &Config, inputs: &Inputs<'_>, cluster: &'a Cluster) -> World<'a> {
    let infeasible = config.moves.infeasible_resize;
    World::with_infeasible_resize(cluster, &inputs.overlay.count_limits, infeasible)
}

/// How many nodes refuse a pod by one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RefusedBy {
    /// [`Refusal::rule`].
    pub rule: String,
    /// Nodes.
    pub nodes: u64,
    /// What the first of them says, by name.
    pub example: Refusal,
}

impl fmt::Display for RefusedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, example, .. } = self;
        write!(f, "{nodes} × {example}")
    }
}

/// A pod on a node, and who else would take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Standing {
    /// Pod.
    pub pod: NamespacedName,
    /// Whether it may be moved, with every reason against it.
    pub movability: Movability,
    /// Why the eviction API would not let it go now.
    pub eviction: Option<EvictionRefusal>,
    /// Other nodes that would take it, with every pod where it is.
    pub takers: u64,
    /// Other nodes.
    pub others: u64,
    /// Why the rest would not, the rule that most name first. A node that
    /// refuses by several rules counts for each.
    pub refused_by: Vec<RefusedBy>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (takers, others) = (self.takers, self.others);
        write!(
            f,
            "pod {}: {takers} of {others} other nodes take it",
            self.pod
        )?;
        if !self.refused_by.is_empty() {
            f.write_str(" (")?;
            list(f, &self.refused_by)?;
            f.write_str(")")?;
        }
        against(f, &self.movability, self.eviction.as_ref())
    }
}

/// Why a node goes or stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NodeExplanation {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Node.
    pub node: NodeName,
    /// Its type, where it is known.
    pub instance_type: Option<String>,
    /// What it costs; `None` when nobody lists its price.
    pub price_per_month: Option<MicroUsdPerMonth>,
    /// Whether the engine removes it.
    pub goes: bool,
    /// Why it does or does not.
    pub reasons: Vec<Reason>,
    /// What its reasons to stay stand in the way of: its price. `None` for a
    /// node that goes, and when nobody lists it.
    pub in_the_way_per_month: Option<MicroUsdPerMonth>,
    /// The pods on it that count, in the order of namespace and name.
    pub pods: Vec<Standing>,
}

impl fmt::Display for NodeExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.goes { "goes" } else { "stays" };
        write!(f, "node {} {verb}", self.node)?;
        match (self.goes, self.price_per_month) {
            (true, Some(price)) => write!(f, " and saves {price}")?,
            (false, Some(price)) => write!(f, " and costs {price}")?,
            (_, None) => f.write_str(", at a price that nobody lists")?,
        }
        if !self.reasons.is_empty() {
            f.write_str(": ")?;
            list(f, &self.reasons)?;
        }
        Ok(())
    }
}

/// Says why a node goes or stays, what it costs, and for each pod on it how
/// many other nodes would take it and why the rest would not.
///
/// The decision is the engine's own for the whole cluster, so this costs as
/// much as one, and the pods of the node times the nodes.
///
/// ```
/// # use cloudoptim_core::{catalog::Catalog, ledger::Ledgers, overlay::Overlay, policy::Policy};
/// # use cloudoptim_core::knowledge::{Knowledge, Provenance};
/// use cloudoptim_core::engines::Inputs;
/// use cloudoptim_core::engines::bin_packing::{Config, explain_node};
/// use cloudoptim_core::model::*;
///
/// let mut node = Node::default();
/// node.meta.name = "n1".into();
/// node.unschedulable = true;
/// # node.conditions = vec![NodeCondition { name: "Ready".into(), status: ConditionStatus::True, ..Default::default() }];
/// # let snapshot = {
/// #     let mut snapshot = Snapshot::new(chrono::DateTime::UNIX_EPOCH);
/// #     let all = Provenance::default;
/// #     snapshot.clusters.push(Cluster {
/// #         uid: "c".into(),
/// #         nodes: Knowledge::complete(vec![node], all()),
/// #         pods: Knowledge::complete(Vec::new(), all()),
/// #         workloads: Knowledge::complete(Vec::new(), all()),
/// #         disruption_budgets: Knowledge::complete(Vec::new(), all()),
/// #         ..Cluster::default()
/// #     });
/// #     snapshot
/// # };
/// # let (overlay, catalog) = (Overlay::default(), Catalog::empty());
/// # let (policy, ledgers) = (Policy::default(), Ledgers::default());
/// # let inputs = Inputs {
/// #     snapshot: &snapshot, overlay: &overlay, catalog: &catalog,
/// #     policy: &policy, ledgers: &ledgers,
/// #     deadline: None,
/// # };
/// let answer = explain_node(&Config::default(), &inputs, &"c".into(), &"n1".into())?;
/// assert!(!answer.goes);
/// assert_eq!(
///     answer.to_string(),
///     "node n1 stays, at a price that nobody lists: the node is cordoned; \
///      its instance type is not known, and so its price; who made it is not known",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`EngineError::NotFound`] when cluster or node is not there; else as
/// [`decide`](super::decide).
pub fn explain_node(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    node: &NodeName,
) -> Result<NodeExplanation, EngineError> {
    config.validate()?;
    let laid = inputs.laid();
    let cluster = cluster_of(&laid, cluster)?;
    let uid = &cluster.uid;
    let nodes = cluster.nodes.items();
    let found: Option<&Node> = nodes.iter().find(|n| n.meta.name == node.as_str());
    let found = found.ok_or_else(|| not_found(format!("node {node} in cluster {uid}")))?;
    let (goes, reasons) = verdict(config, inputs, cluster, node)?;
    let price_per_month = Prices::new(inputs, cluster)
        .of(found)
        .map(|p| p.per_month());
    let world = world(config, inputs, cluster);
    let movers = Movers::new(cluster, inputs.now(), config.moves.clone());
    let budgets = Budgets::new(cluster, inputs.now());
    let here = world.node_id(node);
    let pods = here.map(|id| world.pods_on(id)).unwrap_or_default();
    let standing = |id: PodId| {
        let pod = world.pod(id)?;
        let mut takers = 0;
        let mut others = 0;
        let mut rules: BTreeMap<&str, RefusedBy> = BTreeMap::new();
        for other in world.nodes().filter(|other| Some(*other) != here) {
            others += 1;
            let again = leaves_again(&world, id, other).map(|taint| Refusal::Taint { taint });
            let refusals = match (world.check(id, other), again) {
                (Err(refusals), _) => refusals.0,
                (Ok(()), Some(again)) => vec![again],
                (Ok(()), None) => {
                    takers += 1;
                    continue;
                }
            };
            let mut last = None;
            for refusal in refusals {
                let rule = refusal.rule();
                let entry = rules.entry(rule).or_insert_with(|| RefusedBy {
                    rule: rule.to_owned(),
                    nodes: 0,
                    example: refusal,
                });
                // Sorted: those of one rule stand together.
                entry.nodes += u64::from(last != Some(rule));
                last = Some(rule);
            }
        }
        let mut refused_by: Vec<RefusedBy> = rules.into_values().collect();
        refused_by.sort_by_key(|r| Reverse(r.nodes));
        Some(Standing {
            pod: named(pod),
            movability: movers.judge(pod),
            eviction: budgets.can_evict(pod).err(),
            takers,
            others,
            refused_by,
        })
    };
    Ok(NodeExplanation {
        cluster: uid.clone(),
        node: node.clone(),
        instance_type: found.instance_type().map(str::to_owned),
        price_per_month,
        goes,
        reasons,
        in_the_way_per_month: price_per_month.filter(|_| !goes),
        pods: pods.into_iter().filter_map(standing).collect(),
    })
}

/// What the engine decides about a node, and why.
fn verdict(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    node: &NodeName,
) -> Result<(bool, Vec<Reason>), EngineError> {
    if let Some((part, state)) = missing(cluster) {
        return Ok((false, vec![Reason::PartMissing { part, state }]));
    }
    let cloud = inputs.snapshot.cloud_of(cluster);
    let with_room = lay(&config.headroom, cluster);
    let decisions = consolidate(config, inputs, &with_room, cloud)?.decisions;
    let about = |subject: &Subject| matches!(subject, Subject::Node { node: n, .. } if n == node);
    let Some(decision) = decisions.into_iter().find(|d| about(&d.subject)) else {
        return Ok((false, Vec::new()));
    };
    let removes = |action: &Action| matches!(action, Action::RemoveNode { .. });
    let goes = decision.actions.iter().any(removes);
    let reasons = decision
        .reasons
        .into_iter()
        .filter_map(|reason| match reason {
            AnyReason::BinPacking(reason) => Some(reason),
            _ => None,
        });
    Ok((goes, reasons.collect()))
}
