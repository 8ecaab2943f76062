//! What each rule of a cluster costs.

use super::change::Change;
use super::commitments::Prices;
use super::headroom::Headroom;
use super::limits::LaunchLimit;
use super::minima::Minima;
use super::share::Share;
use super::solver::RepackEffort;
use super::what_if::{Base, Side};
use super::{Config, cluster_of};
use crate::decision::MissingEvidence;
use crate::engines::{EngineError, Inputs};
use crate::model::{
    Cluster, ClusterUid, MicroUsdPerHour, MicroUsdPerMonth, NamespacedName, NodeName, OwnerIndex,
    Pod, WhenUnsatisfiable, WorkloadRef,
};
use crate::scheduling::movability::{Movers, node_protections};
use crate::scheduling::{Budgets, EvictionRefusal, Movability, Pin, capacity};
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How much work [`constraint_prices`] may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Pricing {
    /// Rules to be tried, those that hold the dearest nodes first. Default 20.
    /// The cluster as it is and all of them together are solved beside them.
    pub most: u32,
    /// Work of each solution.
    pub effort: RepackEffort,
}

impl Default for Pricing {
    fn default() -> Self {
        Self {
            most: 20,
            effort: RepackEffort::default(),
        }
    }
}

impl Pricing {
    /// Sets how many rules are tried.
    #[must_use]
    pub const fn with_most(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    /// Sets the work of each solution.
    #[must_use]
    pub const fn with_effort(mut self, effort: RepackEffort) -> Self {
        self.effort = effort;
        self
    }
}

/// What a rule costs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "price", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Price {
    /// Without it alone the cheapest repacking found costs this much less.
    Known {
        /// The difference, never negative.
        per_month: MicroUsdPerMonth,
        /// Between the cheapest repackings that there are it is no less.
        at_least: MicroUsdPerMonth,
        /// And no more.
        at_most: MicroUsdPerMonth,
    },
    /// Something is missing without which it cannot be told.
    Unknown {
        /// What.
        missing: Vec<MissingEvidence>,
    },
    /// The limit was reached before its turn, or the
    /// [deadline](Inputs::deadline) before its end.
    NotTried,
}

/// A rule and its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConstraintPrice {
    /// The change that takes it away.
    pub change: Change,
    /// Nodes that it keeps, or whose pods have it.
    pub nodes: Vec<NodeName>,
    /// Its price.
    pub price: Price,
}

impl ConstraintPrice {
    /// The price where it is known.
    pub const fn per_month(&self) -> Option<MicroUsdPerMonth> {
        match &self.price {
            Price::Known { per_month, .. } => Some(*per_month),
            _ => None,
        }
    }
}

impl fmt::Display for ConstraintPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = self.change.noun();
        match &self.price {
            Price::Known { per_month, .. } => write!(f, "{noun} costs {per_month}"),
            Price::Unknown { missing } => {
                write!(f, "what {noun} costs is not known")?;
                for missing in missing {
                    write!(f, "; missing: {missing}")?;
                }
                Ok(())
            }
            Price::NotTried => write!(f, "what {noun} costs was not tried"),
        }
    }
}

/// The rules of a cluster and their prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConstraintPrices {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Cluster.
    pub cluster: ClusterUid,
    /// The cheapest repacking found with every rule.
    pub before: Side,
    /// Dearest first, then those whose price is unknown, then those not tried.
    /// Each is priced alone: two rules that keep the same node cost nothing
    /// alone, and two that free room for each other are not worth their sum.
    pub prices: Vec<ConstraintPrice>,
    /// What all rules with a known price cost together. `None` when that is not
    /// known.
    pub together_per_month: Option<MicroUsdPerMonth>,
}

/// What keeps a node, whatever it costs and whatever else there is.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold {
    /// Rules that could be taken away.
    rules: BTreeSet<Key>,
    /// Something else keeps it too.
    firmly: bool,
}

impl Hold {
    pub(super) fn is_held(&self) -> bool {
        self.firmly || !self.rules.is_empty()
    }
}

/// A rule, in the order of names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Budget(NamespacedName),
    Marks(WorkloadRef),
    NodeMarks(NodeName),
    LocalData(WorkloadRef),
    Bare,
    Spread(WorkloadRef),
    AntiAffinity(WorkloadRef),
    PodAffinity(WorkloadRef),
    NodeRules(WorkloadRef),
    Minimum(String),
    Limit(LaunchLimit),
    NodeSize,
    MinNodes,
    NodeShare,
    ZoneShare,
    Preferences,
    Headroom(Headroom),
}

impl Key {
    fn change(&self) -> Change {
        match self.clone() {
            Self::Budget(budget) => Change::DropBudget { budget },
            Self::Marks(workload) => Change::IgnoreMarks { workload },
            Self::NodeMarks(node) => Change::IgnoreNodeMarks { node },
            Self::LocalData(workload) => Change::LoseLocalData { workload },
            Self::Bare => Change::MoveBarePods,
            Self::Spread(workload) => Change::DropSpread { workload },
            Self::AntiAffinity(workload) => Change::DropAntiAffinity { workload },
            Self::PodAffinity(workload) => Change::DropPodAffinity { workload },
            Self::NodeRules(workload) => Change::DropNodeRules { workload },
            Self::Minimum(group) => Change::LiftMinimum { group },
            Self::Limit(limit) => Change::LiftLimit { limit },
            Self::NodeSize => Change::LiftNodeSize,
            Self::MinNodes => Change::LiftMinNodes,
            Self::NodeShare => Change::LiftNodeShare,
            Self::ZoneShare => Change::LiftZoneShare,
            Self::Preferences => Change::IgnorePreferences,
            Self::Headroom(headroom) => Change::LiftHeadroom { headroom },
        }
    }

    /// Rules of a pod about where it may stand.
    fn of_place(pod: &Pod, workload: &WorkloadRef) -> Vec<Self> {
        let spec = &pod.spec;
        let mut spreads = spec.topology_spread.iter();
        let hard = WhenUnsatisfiable::DoNotSchedule;
        let own = || workload.clone();
        let mut out = Vec::new();
        if spreads.any(|s| s.when_unsatisfiable == hard) {
            out.push(Self::Spread(own()));
        }
        if !spec.required_pod_anti_affinity.is_empty() {
            out.push(Self::AntiAffinity(own()));
        }
        if !spec.required_pod_affinity.is_empty() {
            out.push(Self::PodAffinity(own()));
        }
        if !spec.node_selector.is_empty() || spec.required_node_affinity.is_some() {
            out.push(Self::NodeRules(own()));
        }
        out
    }
}

/// What keeps each node of a cluster.
pub(super) fn holds(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
) -> BTreeMap<NodeName, Hold> {
    let now = inputs.now();
    let mut out: BTreeMap<NodeName, Hold> = BTreeMap::new();
    for node in cluster.nodes.items() {
        let name = node.name();
        let hold = out.entry(name.clone()).or_default();
        hold.firmly = !capacity::not_target(node, cluster.node_pools.items()).is_empty();
        if !node_protections(node, now).is_empty() {
            hold.rules.insert(Key::NodeMarks(name));
        }
    }
    let movers = Movers::new(cluster, now, config.moves.clone());
    let budgets = Budgets::new(cluster, now);
    let owners = OwnerIndex::new(cluster);
    for pod in cluster.pods.items() {
        let Some(hold) = pod.node().and_then(|node| out.get_mut(node)) else {
            continue;
        };
        match movers.judge(pod) {
            Movability::NeverMoves { why } => {
                for pin in why {
                    match pin {
                        Pin::Annotation { .. } => hold.rules.insert(Key::Marks(owners.top(pod))),
                        Pin::EmptyDir { .. } | Pin::HostPath { .. } | Pin::LocalVolume { .. } => {
                            hold.rules.insert(Key::LocalData(owners.top(pod)))
                        }
                        Pin::Bare => hold.rules.insert(Key::Bare),
                        _ => std::mem::replace(&mut hold.firmly, true),
                    };
                }
                // A budget may stand behind the pin.
                hold.budget(budgets.can_evict(pod));
            }
            Movability::Moves => hold.budget(budgets.can_evict(pod)),
            _ => {}
        }
    }
    out
}

impl Hold {
    fn budget(&mut self, answer: Result<(), EvictionRefusal>) {
        match answer {
            Ok(()) => {}
            Err(
                EvictionRefusal::NotNow { budget, .. }
                | EvictionRefusal::Never { budget, .. }
                | EvictionRefusal::UnknownPolicy { budget }
                | EvictionRefusal::Unknown {
                    budget: Some(budget),
                    ..
                },
            ) => {
                self.rules.insert(Key::Budget(budget));
            }
            Err(EvictionRefusal::SeveralBudgets { budgets }) => {
                self.rules.extend(budgets.into_iter().map(Key::Budget));
            }
            Err(_) => self.firmly = true,
        }
    }
}

/// A rule before it is priced.
#[derive(Default)]
struct Found {
    nodes: BTreeSet<NodeName>,
    unpriced: BTreeSet<NodeName>,
    /// Price of the nodes that nothing else keeps.
    alone: MicroUsdPerHour,
    /// Price of all its nodes.
    all: MicroUsdPerHour,
}

fn found(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    before: &Side,
    minima: &Minima,
) -> Vec<(Key, Found)> {
    let holds = holds(config, inputs, cluster);
    let costs = Prices::new(inputs, cluster);
    let prices: BTreeMap<NodeName, Option<MicroUsdPerHour>> = cluster
        .nodes
        .items()
        .iter()
        .map(|n| (n.name(), costs.of(n)))
        .collect();
    let mut out: BTreeMap<Key, Found> = BTreeMap::new();
    let mut add = |key: Key, node: &NodeName, alone: bool| {
        let found = out.entry(key).or_default();
        if !found.nodes.insert(node.clone()) {
            return;
        }
        match prices.get(node).copied().flatten() {
            Some(price) => {
                found.all += price;
                if alone {
                    found.alone += price;
                }
            }
            None => {
                found.unpriced.insert(node.clone());
            }
        }
    };
    for (node, hold) in holds.iter().filter(|(_, h)| !h.firmly) {
        for key in &hold.rules {
            add(key.clone(), node, hold.rules.len() == 1);
        }
    }
    let owners = OwnerIndex::new(cluster);
    let movers = Movers::new(cluster, inputs.now(), config.moves.clone());
    for pod in cluster.pods.items() {
        let Some(node) = pod.node() else { continue };
        let stays = !before.removed.contains(node);
        // A node without a price stays; rules of its pods cost nothing there.
        let priced = prices.get(node).is_some_and(Option::is_some);
        let free = holds.get(node).is_some_and(|h| !h.is_held());
        if !priced || !matches!(movers.judge(pod), Movability::Moves) {
            continue;
        }
        for key in Key::of_place(pod, &owners.top(pod)) {
            add(key, node, stays && free);
        }
    }
    // Of a group nodes stay that nothing else holds, and that have a price.
    for (group, nodes) in minima.binding() {
        for node in nodes {
            let free = holds.get(node).is_some_and(|h| !h.is_held());
            if free && prices.get(node).is_some_and(Option::is_some) {
                let stays = !before.removed.contains(node);
                add(Key::Minimum(group.clone()), node, stays);
            }
        }
    }
    let mut out: Vec<(Key, Found)> = out.into_iter().collect();
    out.sort_by(|a, b| {
        let rank =
            |(key, found): &(Key, Found)| (Reverse(found.alone), Reverse(found.all), key.clone());
        rank(a).cmp(&rank(b))
    });
    out
}

/// The operator's own rules about where pods may come to, which are about no
/// node more than another.
fn of_operator(config: &Config, inputs: &Inputs<'_>, cluster: &Cluster) -> Vec<(Key, Found)> {
    let owners = OwnerIndex::new(cluster);
    let (on_nodes, in_zones) = Share::new(cluster, &owners, config, inputs).limits();
    let rooms: BTreeSet<&Headroom> = config.headroom.iter().collect();
    let shares = [
        (on_nodes, Key::NodeShare),
        (in_zones, Key::ZoneShare),
        (!config.preferences.are_zero(), Key::Preferences),
    ];
    let shares = shares.into_iter().filter(|(limits, _)| *limits);
    let keys = shares
        .map(|(_, key)| key)
        .chain(rooms.into_iter().map(|h| Key::Headroom(h.clone())));
    keys.map(|key| (key, Found::default())).collect()
}

/// What each rule of a cluster costs a month: the cluster is repacked without
/// it, with copies of its nodes to be launched, and compared with the cluster
/// as it is.
///
/// Where nodes [can be launched](Config::launch_through), so are all limits that may
/// hold one back, known or not, those of which there is least first, their greatest
/// size, and the fewest nodes that they leave. Other rules are: budgets that let a pod not go now, marks against disruption on
/// pods and nodes, local data, keeping bare pods, minima of groups, known or not, and
/// each workload's hard
/// spreads, pod affinities and node rules; and the operator's own: the most of a
/// workload on one node and in one zone, room for pods that are not there yet, and
/// what pods prefer, where that has a price. A rule that keeps a node without a
/// price has no known price. At most [`Pricing::most`] are tried, those that
/// alone keep the dearest nodes first; the others are named.
///
/// ```
/// use cloudoptim_core::engines::Inputs;
/// use cloudoptim_core::engines::bin_packing::{Config, Pricing, constraint_prices};
/// use cloudoptim_core::model::ClusterUid;
///
/// # fn show(inputs: &Inputs<'_>) -> Result<(), cloudoptim_core::engines::EngineError> {
/// let pricing = Pricing::default().with_most(50);
/// let cluster = ClusterUid::from("2f1c");
/// let answer = constraint_prices(&Config::default(), inputs, &cluster, &pricing)?;
/// for dear in answer.prices.iter().take(5) {
///     println!("{dear}"); // the disruption budget shop/web costs $310.25/mo
/// }
/// # Ok(())
/// # }
/// # use cloudoptim_core::{catalog::Catalog, ledger::Ledgers, overlay::Overlay, policy::Policy};
/// # use cloudoptim_core::model::{Cluster, Snapshot};
/// # let mut snapshot = Snapshot::new(chrono::DateTime::UNIX_EPOCH);
/// # snapshot.clusters.push(Cluster { uid: "2f1c".into(), ..Cluster::default() });
/// # show(&Inputs {
/// #     snapshot: &snapshot, overlay: &Overlay::default(), catalog: &Catalog::empty(),
/// #     policy: &Policy::default(), ledgers: &Ledgers::default(),
/// #     deadline: None,
/// # })?;
/// # Ok::<(), cloudoptim_core::engines::EngineError>(())
/// ```
///
/// # Errors
/// [`EngineError::NotFound`] when the cluster is not there; else as
/// [`repacking`](super::repacking).
pub fn constraint_prices(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    pricing: &Pricing,
) -> Result<ConstraintPrices, EngineError> {
    let laid = inputs.laid();
    let laid = cluster_of(&laid, cluster)?;
    let base = Base::new(config, inputs, laid, &pricing.effort)?;
    let mut prices = Vec::new();
    let mut known = Vec::new();
    let mut tried = 0;
    let mut rules = self::found(config, inputs, laid, &base.side, &base.minima);
    // What is about launches is about no node that is there.
    if !config.launch_through.is_empty() {
        rules.push((Key::NodeSize, Found::default()));
        rules.push((Key::MinNodes, Found::default()));
    }
    rules.extend(of_operator(config, inputs, laid));
    let limits = base.binding.iter().cloned();
    rules.extend(limits.map(|limit| (Key::Limit(limit), Found::default())));
    for (key, found) in rules {
        let change = key.change();
        let price = if !found.unpriced.is_empty() || !base.missing.is_empty() {
            let nodes = found.unpriced.iter();
            let nodes = nodes.map(|node| MissingEvidence::Price {
                of: format!("node {node}"),
            });
            Price::Unknown {
                missing: base.missing.iter().cloned().chain(nodes).collect(),
            }
        } else if tried >= pricing.most || inputs.is_late() {
            Price::NotTried
        } else {
            tried += 1;
            let answer = base.with(std::slice::from_ref(&change))?;
            match (
                answer.saves_per_month,
                answer.at_least_per_month,
                answer.at_most_per_month,
            ) {
                _ if answer.before.late || answer.after.late => Price::NotTried,
                (Some(per_month), Some(at_least), Some(at_most)) => {
                    known.push(change.clone());
                    Price::Known {
                        per_month,
                        at_least,
                        at_most,
                    }
                }
                _ => Price::Unknown {
                    missing: answer.missing,
                },
            }
        };
        prices.push(ConstraintPrice {
            change,
            nodes: found.nodes.into_iter().collect(),
            price,
        });
    }
    // Stable: those that cost the same stay in the order of trying.
    prices.sort_by_key(|p| match &p.price {
        Price::Known { per_month, .. } => (0, Reverse(*per_month)),
        Price::Unknown { .. } => (1, Reverse(MicroUsdPerMonth::ZERO)),
        Price::NotTried => (2, Reverse(MicroUsdPerMonth::ZERO)),
    });
    let together_per_month = match known.as_slice() {
        [] if base.side.late || inputs.is_late() => None,
        [] => base.missing.is_empty().then_some(MicroUsdPerMonth::ZERO),
        all => {
            // Without all of them each one's repacking is still possible.
            let best = prices.iter().filter_map(ConstraintPrice::per_month).max();
            let answer = base.with(all)?;
            let together = answer.saves_per_month.filter(|_| !answer.after.late);
            together.map(|t| best.map_or(t, |best| t.max(best)))
        }
    };
    Ok(ConstraintPrices {
        version: Version::KNOWN,
        cluster: laid.uid.clone(),
        before: base.side,
        prices,
        together_per_month,
    })
}
