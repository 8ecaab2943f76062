//! Draining nodes that are about to go, against their deadlines.
//!
//! What it looks at: the pods of the nodes that go, the budgets, the room on
//! the nodes that stay and are not at risk themselves. What it plans: first
//! the room that is missing, then evictions in lanes, important pods first,
//! each with the grace that is left to it. What it never does: delete a pod, go
//! around a budget, give a grace of 0 (that is a kill), or move what is pinned.

mod config;
mod reason;

pub use config::Config;
pub use reason::Shortfall;

use super::Error;
use crate::decision::Offering;
use crate::model::{
    CapacityType, Cluster, InstanceType, NODE_GROUP_LABEL, NODE_POOL_LABEL, NamespacedName, Node,
    NodeName, Pod, Resources, Uid, ZONE_ID_LABEL, ZoneId,
};
use crate::overlay::CountLimit;
use crate::scheduling::movability::Movers;
use crate::scheduling::{Budgets, EvictionRefusal, Movability, NodeId, PodId, TakenOff, World};
use crate::version::Version;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Grace of a pod that states none, in seconds.
const DEFAULT_GRACE: i64 = 30;
/// Priority from which pods serve others (`system-cluster-critical`).
const CRITICAL: i32 = 2_000_000_000;

/// What a drain plan reads.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Now.
    pub now: DateTime<Utc>,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Nodes that go, with the moment at which their instances end.
    pub going: &'a BTreeMap<NodeName, DateTime<Utc>>,
    /// Nodes that no pod is moved onto, beside those.
    pub at_risk: &'a BTreeSet<NodeName>,
    /// The operator's rules on pods of a node.
    pub limits: &'a [CountLimit],
}

/// How nodes are drained in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DrainPlan {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// When it was made; seconds count from here.
    pub made_at: DateTime<Utc>,
    /// Nodes that go, in name order.
    pub nodes: Vec<Going>,
    /// Room to ask for before the first eviction, by pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replacements: Vec<Replacement>,
    /// Evictions. Lanes run side by side; within one, the next eviction is
    /// asked for when the last one was answered, but in the lane of no budget
    /// all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lanes: Vec<Lane>,
    /// Pods that cannot finish, have nowhere to go or stay, by node, namespace
    /// and name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished: Vec<Unfinished>,
    /// Parts of the snapshot that are not complete: what is not in them is not
    /// in the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

/// A node that goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Going {
    /// Node.
    pub node: NodeName,
    /// Uid of the node object; `None` when the node is not in the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
    /// When its instance ends.
    pub deadline: DateTime<Utc>,
    /// When evictions end, and what is left is made known.
    pub stop_at: DateTime<Utc>,
}

/// Room that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Replacement {
    /// Node pool or node group whose pods need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Pods without room.
    pub pods: u32,
    /// What they ask for together.
    pub requests: Resources,
    /// What is being taken back, and so hard to get now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub avoid: Vec<Offering>,
}

/// Which evictions wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "lane", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LaneKind {
    /// No budget is asked: all at once.
    Free,
    /// One budget: parallel evictions under it only wait for each other at the
    /// API server.
    Budget {
        /// Budget.
        budget: NamespacedName,
        /// Evictions that it allows now.
        allowed: u32,
    },
    /// The budgets are not known: the API server decides, one after the other.
    Unknown,
}

/// Evictions that wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Lane {
    /// What they wait for.
    pub kind: LaneKind,
    /// In this order.
    pub evictions: Vec<Eviction>,
}

/// An eviction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Eviction {
    /// Pod.
    pub pod: NamespacedName,
    /// Its uid: the precondition.
    pub uid: Uid,
    /// Its node: where it has to be still.
    pub node: NodeName,
    /// Seconds from the making of the plan before which it is not asked for.
    pub not_before_seconds: i64,
    /// Seconds to end, at least 1; to be cut once more by what is left then.
    pub grace_seconds: i64,
    /// A node with room for it; the scheduler may choose another one. `None`:
    /// it waits for a replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_on: Option<NodeName>,
}

/// A pod that does not end well, or stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Unfinished {
    /// Its node.
    pub node: NodeName,
    /// Pod.
    pub pod: NamespacedName,
    /// Its uid.
    pub uid: Uid,
    /// Why.
    pub reason: Shortfall,
}

/// Plans the drain of nodes that go.
///
/// | order | why |
/// | --- | --- |
/// | pods of the system (priority from 2,000,000,000) last | others need them to end |
/// | then higher priority first | they get the room and the time |
/// | then the longer grace first | it needs the time |
/// | then namespace and name | the same plan for the same cluster |
///
/// A pod with room elsewhere is evicted at once, as far as its budget lets it.
/// One without waits for its replacement, but not longer than leaves it its
/// grace. Grace is cut to `deadline − margin − start`, never below 1 s.
///
/// # Errors
/// [`Error::BadSetting`] for a setting out of range.
///
/// # Examples
/// ```
/// use cloudoptim_core::interruption::drain::{self, View};
/// use cloudoptim_core::model::{Cluster, NodeName};
/// use chrono::{DateTime, TimeDelta};
/// use std::collections::{BTreeMap, BTreeSet};
///
/// let now = DateTime::UNIX_EPOCH;
/// let going = BTreeMap::from([(NodeName::new("node-1"), now + TimeDelta::seconds(120))]);
/// let (cluster, at_risk) = (Cluster::default(), BTreeSet::new());
/// let view = View { now, cluster: &cluster, going: &going, at_risk: &at_risk, limits: &[] };
/// let plan = drain::plan(&drain::Config::default(), view)?;
/// assert_eq!(plan.nodes[0].stop_at, now + TimeDelta::seconds(110));
/// assert_eq!(plan.gaps[0], "nodes (not collected)");
/// # Ok::<(), cloudoptim_core::interruption::Error>(())
/// ```
pub fn plan(config: &Config, view: View<'_>) -> Result<DrainPlan, Error> {
    config.validate()?;
    let mut planner = Planner::new(config, view);
    let mut pods = planner.sort_out();
    pods.sort_by(|a, b| a.order().cmp(&b.order()));
    planner.find_room(&mut pods);
    Ok(planner.finish(&pods))
}

/// A pod that goes.
struct Mover<'a> {
    id: PodId,
    pod: &'a Pod,
    node: NodeName,
    deadline: DateTime<Utc>,
    pool: Option<String>,
    room_on: Option<NodeName>,
}

impl Mover<'_> {
    fn order(&self) -> (bool, Reverse<i32>, Reverse<i64>, &str, &str) {
        let priority = self.pod.spec.priority.unwrap_or(0);
        let meta = &self.pod.meta;
        (
            priority >= CRITICAL,
            Reverse(priority),
            Reverse(grace(self.pod)),
            &meta.namespace,
            &meta.name,
        )
    }
}

struct Planner<'a> {
    config: &'a Config,
    view: View<'a>,
    world: World<'a>,
    unfinished: Vec<Unfinished>,
}

impl<'a> Planner<'a> {
    fn new(config: &'a Config, view: View<'a>) -> Self {
        let resize = config.moves.infeasible_resize;
        let mut world = World::with_infeasible_resize(view.cluster, view.limits, resize);
        for name in view.going.keys().chain(view.at_risk) {
            if let Some(id) = world.node_id(name) {
                if view.going.contains_key(name) {
                    world.cordon_node(id);
                } else {
                    world.close_node(id);
                }
            }
        }
        Self {
            config,
            view,
            world,
            unfinished: Vec::new(),
        }
    }

    /// The pods that go; the others are named with the reason.
    fn sort_out(&mut self) -> Vec<Mover<'a>> {
        let view = self.view;
        let movers = Movers::new(view.cluster, view.now, self.config.moves.clone());
        let mut pods = Vec::new();
        for (name, deadline) in view.going {
            let Some(node) = self.world.node_id(name) else {
                continue;
            };
            let pool = self.world.node(node).and_then(pool_of);
            for id in self.world.pods_on(node) {
                let Some(pod) = self.world.pod(id) else {
                    continue;
                };
                // It is not there yet: it only waits for room.
                if pod.node().is_none() {
                    continue;
                }
                let reason = match movers.judge(pod) {
                    Movability::Moves => {
                        pods.push(Mover {
                            id,
                            pod,
                            node: name.clone(),
                            deadline: *deadline,
                            pool: pool.clone(),
                            room_on: None,
                        });
                        continue;
                    }
                    Movability::NotCounted => continue,
                    Movability::Leaving { .. } => Shortfall::Leaving,
                    Movability::Stays { why } => Shortfall::GoesWithNode { why },
                    Movability::NeverMoves { why } => Shortfall::Pinned { why },
                };
                self.name(name, pod, reason);
            }
        }
        pods
    }

    fn name(&mut self, node: &NodeName, pod: &Pod, reason: Shortfall) {
        self.unfinished.push(Unfinished {
            node: node.clone(),
            pod: named(pod),
            uid: pod.meta.uid.clone(),
            reason,
        });
    }

    /// Finds room on nodes that stay: those that are not of the pools that are
    /// being taken back come first.
    fn find_room(&mut self, pods: &mut [Mover<'a>]) {
        let lost: BTreeSet<Offering> = self.lost().into_iter().collect();
        let mut nodes: Vec<(bool, NodeId)> = self
            .world
            .nodes()
            .filter(|id| self.world.not_target(*id).is_empty())
            .map(|id| {
                let offering = self.world.node(id).and_then(offering_of);
                (offering.is_some_and(|o| lost.contains(&o)), id)
            })
            .collect();
        nodes.sort_unstable();
        for mover in pods {
            let found = nodes.iter().find(|(_, id)| self.world.fits(mover.id, *id));
            if let Some((_, id)) = found {
                self.world.place_pod(mover.id, *id);
                mover.room_on = self.world.node(*id).map(Node::name);
            }
        }
    }

    /// Spot pools of the nodes that go.
    fn lost(&self) -> Vec<Offering> {
        let names = self.view.going.keys();
        let nodes = names.filter_map(|name| self.world.node(self.world.node_id(name)?));
        let mut lost: Vec<Offering> = nodes
            .filter_map(offering_of)
            .filter(|o| o.capacity_type == CapacityType::Spot)
            .collect();
        lost.sort();
        lost.dedup();
        lost
    }

    fn finish(mut self, pods: &[Mover<'a>]) -> DrainPlan {
        let view = self.view;
        let replacements = self.replacements(pods);
        let budgets = Budgets::new(view.cluster, view.now);
        let mut lanes: BTreeMap<LaneKind, Vec<Eviction>> = BTreeMap::new();
        for mover in pods {
            match lane_of(&budgets, mover.pod) {
                Ok(kind) => {
                    let lane = lanes.entry(kind.clone()).or_default();
                    let (eviction, short) = self.eviction(mover, &kind, lane.len());
                    lane.push(eviction);
                    for reason in short {
                        self.name(&mover.node, mover.pod, reason);
                    }
                }
                Err(why) => self.name(&mover.node, mover.pod, Shortfall::BudgetBlocks { why }),
            }
        }
        self.unfinished.sort();
        let margin = TimeDelta::seconds(i64::from(self.config.margin_seconds));
        let nodes = view.going.iter().map(|(name, deadline)| {
            let node = self.world.node_id(name).and_then(|id| self.world.node(id));
            Going {
                node: name.clone(),
                uid: node.map(|n| n.meta.uid.clone()),
                deadline: *deadline,
                stop_at: deadline.checked_sub_signed(margin).unwrap_or(*deadline),
            }
        });
        DrainPlan {
            version: Version::KNOWN,
            made_at: view.now,
            nodes: nodes.collect(),
            replacements,
            lanes: lanes
                .into_iter()
                .map(|(kind, evictions)| Lane { kind, evictions })
                .collect(),
            unfinished: std::mem::take(&mut self.unfinished),
            gaps: gaps(view.cluster),
        }
    }

    /// When a pod is evicted, with which grace, and what falls short.
    fn eviction(
        &self,
        mover: &Mover<'_>,
        kind: &LaneKind,
        before: usize,
    ) -> (Eviction, Vec<Shortfall>) {
        let mut short = Vec::new();
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let (round, at_once) = match kind {
            LaneKind::Free => (0, u32::MAX),
            LaneKind::Budget { allowed, .. } => (before / (*allowed).max(1), *allowed),
            LaneKind::Unknown => (before, 1),
        };
        let left = (mover.deadline - self.view.now).num_seconds();
        let left = left.saturating_sub(i64::from(self.config.margin_seconds));
        let asks = grace(mover.pod);
        let turn = i64::from(round).saturating_mul(i64::from(self.config.ready_seconds));
        let hold = if mover.room_on.is_none() {
            short.push(Shortfall::NoRoom);
            let launch = i64::from(self.config.launch_seconds);
            launch.min(left.saturating_sub(asks)).max(0)
        } else {
            0
        };
        let start = turn.max(hold);
        let gets = asks.min(left.saturating_sub(start)).max(1);
        if left < 1 {
            short.push(Shortfall::NoTime);
        } else if turn > 0 && left.saturating_sub(turn) < asks && left >= asks {
            short.push(Shortfall::BudgetTooSlow { before, at_once });
        } else if gets < asks {
            short.push(Shortfall::GraceTooLong {
                asks_seconds: asks,
                gets_seconds: gets,
            });
        }
        let eviction = Eviction {
            pod: named(mover.pod),
            uid: mover.pod.meta.uid.clone(),
            node: mover.node.clone(),
            not_before_seconds: start.min(left.max(0)),
            grace_seconds: gets,
            room_on: mover.room_on.clone(),
        };
        (eviction, short)
    }

    fn replacements(&self, pods: &[Mover<'_>]) -> Vec<Replacement> {
        let avoid = self.lost();
        let mut by_pool: BTreeMap<Option<String>, (u32, Resources)> = BTreeMap::new();
        for mover in pods.iter().filter(|m| m.room_on.is_none()) {
            let (count, sum) = by_pool.entry(mover.pool.clone()).or_default();
            *count = count.saturating_add(1);
            if let Some(request) = self.world.request(mover.id) {
                sum.add(request);
            }
        }
        by_pool
            .into_iter()
            .map(|(pool, (pods, requests))| Replacement {
                pool,
                pods,
                requests,
                avoid: avoid.clone(),
            })
            .collect()
    }
}

/// The lane of a pod, or why there is none.
fn lane_of(budgets: &Budgets<'_>, pod: &Pod) -> Result<LaneKind, EvictionRefusal> {
    match budgets.taken_off(pod) {
        TakenOff::Nothing => Ok(LaneKind::Free),
        TakenOff::Budget { budget, allowed } => Ok(LaneKind::Budget { budget, allowed }),
        // It may later: it is asked for until the end.
        TakenOff::Refused(EvictionRefusal::NotNow { budget, .. }) => {
            Ok(LaneKind::Budget { budget, allowed: 0 })
        }
        TakenOff::Refused(EvictionRefusal::Unknown { .. }) => Ok(LaneKind::Unknown),
        TakenOff::Refused(why) => Err(why),
    }
}

fn named(pod: &Pod) -> NamespacedName {
    NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone())
}

/// Seconds that a pod asks for, at least 1.
fn grace(pod: &Pod) -> i64 {
    let grace = pod.spec.termination_grace_seconds;
    grace.unwrap_or(DEFAULT_GRACE).max(1)
}

fn pool_of(node: &Node) -> Option<String> {
    let pool = node.meta.label(NODE_POOL_LABEL);
    let pool = pool.or_else(|| node.meta.label(NODE_GROUP_LABEL));
    pool.map(str::to_owned)
}

fn offering_of(node: &Node) -> Option<Offering> {
    Some(Offering {
        instance_type: InstanceType::from(node.instance_type()?),
        zone: node.meta.label(ZONE_ID_LABEL).map(ZoneId::from),
        capacity_type: node.capacity_type()?,
    })
}

fn gaps(cluster: &Cluster) -> Vec<String> {
    [
        ("nodes", cluster.nodes.gap()),
        ("pods", cluster.pods.gap()),
        ("workloads", cluster.workloads.gap()),
        ("budgets", cluster.disruption_budgets.gap()),
        ("claims", cluster.claims.gap()),
        ("persistent volumes", cluster.persistent_volumes.gap()),
    ]
    .into_iter()
    .filter_map(|(part, gap)| gap.map(|gap| format!("{part} ({gap})")))
    .collect()
}
