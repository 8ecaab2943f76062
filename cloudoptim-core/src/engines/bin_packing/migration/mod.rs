//! The way from a cluster to the cluster that decisions lead to, in waves.
//!
//! The kube-scheduler does not follow a plan: it puts an evicted pod on any
//! node that takes it. So a wave is one of two forms. It is *free* when every
//! pod of it finds a place whatever the scheduler chooses, and the pods of
//! later waves still find theirs; it is *forced* when all that the pod could
//! choose is cordoned for the time of the wave, but for one node. What has no
//! safe way in either form stays, with its node and a reason. Where forcing
//! would take too many cordons, waves are *checked* instead: proven for the
//! places that the decisions give, and looked at again before. So are, after all
//! others, those of nodes that can go in no other way.
//!
//! Where pods leave a node that stays, to make room for those of a node that goes,
//! that node is cordoned until they are ready again: nobody comes back. They leave
//! in waves of their own, one node at a time, right before the node that goes for
//! them is emptied.
//!
//! What is launched comes in rounds: a wave with launches begins with them, and
//! nothing is cordoned or emptied before they are ready. A round asks for as
//! many nodes as [`max_surge_percent`](super::Config::max_surge_percent) and the
//! limits leave room for, those first that are needed first; nodes that go make
//! room for the next. A decision with launches and those that count on its nodes
//! are taken together: when what is left of them does not pay for the launches,
//! none of them goes.
//!
//! Of a workload with a [share of spot](super::Config::spot_percent) no more pods
//! leave on demand than may, whatever the scheduler chooses: one beyond that goes
//! only where nothing on spot would take it, or is forced.
//!
//! All nodes that go are cordoned before the first eviction: pools count
//! disruptions, and a cordon is none. A wave begins when every pod of the wave
//! before is ready again and its nodes are gone. What others do meanwhile
//! (rollouts, autoscalers) is not in the proof: whoever carries a wave out
//! looks again before each, and makes the migration anew when the cluster has
//! moved on. A cordon for the time of a forced wave keeps such pods waiting,
//! too.

mod closing;
mod course;
mod ground;
mod obstacle;
mod on_demand;
mod open;
mod round;
mod simulate;

pub(crate) use closing::{Closing, closings};
pub use obstacle::Obstacle;
pub use simulate::{Broken, Chooser, Simulation, simulate};

use super::Config;
use crate::decision::{Decision, Launch};
use crate::engines::{EngineError, Inputs};
use crate::model::{ClusterUid, NamespacedName, NodeName, Uid};
use crate::version::Version;
use course::Mode;
use ground::Ground;
pub(super) use ground::left_out_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An ordered way to empty nodes and remove them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Cluster.
    pub cluster: ClusterUid,
    /// Waves, in order.
    pub waves: Vec<Wave>,
    /// How long all of them take, estimated, in seconds.
    pub seconds: u64,
    /// Nodes that the decisions empty and this does not, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// Pods that are evicted before anything is waited for, and what is around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// Counted from 1.
    pub number: u32,
    /// What has to be launched and ready before the first cordon and eviction:
    /// as much as the surge and the limits of pools, groups, quotas and subnets
    /// permit at that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub launch: Vec<Launch>,
    /// Nodes to cordon before the first eviction, for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cordon: Vec<NodeName>,
    /// Who decides where the pods go.
    pub placement: Placement,
    /// The node that stays and that pods leave, to make room: cordoned for the time
    /// of the wave, so that none of them comes back. With [`Placement::Forced`] it
    /// is among the nodes that are closed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<NodeName>,
    /// Evictions, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evictions: Vec<Eviction>,
    /// Nodes that are empty then and go, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<NodeName>,
    /// How long it takes, estimated, in seconds: graces in rounds of the
    /// budgets, and time to settle.
    pub seconds: u64,
    /// What undoes it.
    pub rollback: Rollback,
}

/// Who decides where the pods of a wave go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "how", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Placement {
    /// The scheduler: whatever it chooses, every pod finds a place. The
    /// evictions may be asked for all at once.
    Free,
    /// The scheduler, looked at before: whatever it chooses for the others of
    /// the wave, every pod finds a place, if those of earlier waves are where
    /// the decisions put them. Whoever carries this out asks again, about the
    /// cluster as it is then; when the answer is no, that node stays and is
    /// opened again. No pod is left out; some nodes may not go.
    Checked,
    /// The cordons: one node is left to choose. One eviction after the other,
    /// each when the pod before is ready again.
    Forced {
        /// Where the pods go.
        target: NodeName,
        /// Nodes to cordon for the time of the wave. What the next wave closes,
        /// too, may stay so in between.
        closed: Vec<NodeName>,
    },
}

/// One eviction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Eviction {
    /// Pod.
    pub pod: NamespacedName,
    /// Its uid: the precondition.
    pub uid: Uid,
    /// Where it stands.
    pub from: NodeName,
    /// The node that goes and that it makes room for. `None` where it stands on that
    /// node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves: Option<NodeName>,
    /// Where the decision puts it; not known when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NodeName>,
    /// The proof that it finds a place: this node takes it by every rule, and
    /// has room for it even when every pod of this wave and the waves before
    /// that could come there is there. `None`: its only rule is room, and all
    /// pods of the migration together cannot fill every node that takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_on: Option<NodeName>,
}

impl Eviction {
    /// The node that goes: the decision about it has this eviction.
    pub const fn goes(&self) -> &NodeName {
        match &self.serves {
            Some(node) => node,
            None => &self.from,
        }
    }
}

/// What undoes a wave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Rollback {
    /// Nodes to open again, as long as they are there; the pods stay where
    /// they are.
    pub uncordon: Vec<NodeName>,
    /// Nodes that only their owner can bring back, once this wave and those
    /// before are done. Without any nothing is lost yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<NodeName>,
}

/// A node that stays although a decision empties it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Node.
    pub node: NodeName,
    /// Why.
    pub because: Obstacle,
}

/// Orders what [`decide`](super::decide) decided about one cluster into waves,
/// in the form that empties most nodes: as free as that allows.
///
/// The inputs are those that the decisions were made from. Decisions of other
/// engines, of other clusters and to keep a node are passed over.
///
/// ```
/// use cloudoptim_core::engines::bin_packing::{
///     Chooser, Config, Placement, decide, migration, simulate,
/// };
/// # use cloudoptim_core::catalog::Catalog;
/// # use cloudoptim_core::engines::Inputs;
/// # use cloudoptim_core::knowledge::{Knowledge, Provenance};
/// # use serde_json::{Value, json};
/// # let known = |items: Vec<Value>| Knowledge::complete(items, Provenance::new("example", "c1"));
/// # let node = |name: &str| json!({
/// #     "meta": {"name": name, "labels": {
/// #         "node.kubernetes.io/instance-type": "m6i.xlarge",
/// #         "karpenter.sh/capacity-type": "on-demand", "karpenter.sh/nodepool": "main"}},
/// #     "allocatable": {"cpu": 4000, "memory": 16_000_000_000_u64, "pods": 58},
/// #     "conditions": [{"name": "Ready", "status": "true"}]});
/// # let pod = |name: &str, on: &str| json!({
/// #     "meta": {"name": name, "namespace": "shop", "uid": name, "owners": [
/// #         {"kind": "ReplicaSet", "name": "web", "uid": "web", "controller": true}]},
/// #     "spec": {"node_name": on, "containers": [{"name": "main", "resources":
/// #         {"requests": {"cpu": 500, "memory": 1_000_000_000}}}]},
/// #     "status": {"phase": "running", "ready": true}});
/// # let claim = |name: &str| json!({"meta": {"name": name}, "node_name": name});
/// # let names = ["a", "b", "c"];
/// # let snapshot = serde_json::from_value(json!({
/// #     "version": 1, "taken_at": "2026-11-24T12:00:00Z",
/// #     "clouds": [{"account": "123456789012", "region": "us-east-1"}],
/// #     "clusters": [{
/// #         "uid": "c1", "account": "123456789012", "region": "us-east-1",
/// #         "nodes": known(names.map(node).to_vec()),
/// #         "pods": known(names.map(|n| pod(&format!("web-{n}"), n)).to_vec()),
/// #         "node_claims": known(names.map(claim).to_vec()),
/// #         "workloads": known(vec![]), "disruption_budgets": known(vec![]),
/// #         "node_pools": known(vec![]), "claims": known(vec![]),
/// #         "persistent_volumes": known(vec![])}],
/// # }))?;
/// # let (overlay, policy, ledgers) = Default::default();
/// # let mut catalog = Catalog::empty();
/// # let mut table = cloudoptim_core::catalog::Table::new(
/// #     cloudoptim_core::catalog::Source::new("example", "2026-11-24".parse()?));
/// # let price = cloudoptim_core::model::MicroUsdPerHour(192_000);
/// # table.on_demand("us-east-1", "m6i.xlarge", price)?;
/// # catalog.overlay(table);
/// # let inputs = Inputs {
/// #     snapshot: &snapshot, overlay: &overlay, catalog: &catalog, policy: &policy,
/// #     ledgers: &ledgers,
/// #     deadline: None,
/// # };
///
/// // Three nodes with one small pod each.
/// let config = Config::default();
/// let decisions = decide(&config, &inputs)?.decisions;
/// let way = migration(&config, &inputs, &"c1".into(), &decisions)?;
/// assert_eq!(way.waves[0].cordon.len(), 1);
/// assert_eq!(way.waves[0].placement, Placement::Free);
///
/// // Even somebody who looks for the worst node leaves no pod out.
/// let end = simulate(&config, &inputs, &way, Chooser::Tightest)?;
/// assert!(end.pending.is_empty() && end.broken.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`EngineError`] for settings out of range, and for decisions that speak of
/// nodes or pods that the cluster does not have.
pub fn migration(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    decisions: &[Decision],
) -> Result<Migration, EngineError> {
    config.validate()?;
    let laid = inputs.laid();
    let found = laid.cluster(cluster);
    let found = found.ok_or_else(|| ground::unknown(format!("cluster {cluster}")))?;
    let ground = Ground::new(config, inputs, found, decisions)?;
    let (mut way, mut mode) = (ground.way(Mode::FreeFirst), Mode::FreeFirst);
    // A free wave leaves pods nobody knows where: without any, more may go.
    if !way.left_out.is_empty() {
        let forced = ground.way(Mode::ForcedFirst);
        if forced.left_out.len() < way.left_out.len() {
            (way, mode) = (forced, Mode::ForcedFirst);
        }
    }
    // What goes for sure goes first, and then what may go.
    let more = ground.and_checked(mode, &way);
    if let Some(more) = more.filter(|more| more.left_out.len() < way.left_out.len()) {
        way = more;
    }
    // To be looked at again before each wave is what is left when more may go
    // that way, or when forcing takes too many cordons.
    let cordons = way.temporary_cordons() > config.max_temporary_cordons;
    if cordons || !way.left_out.is_empty() {
        let checked = ground.way(Mode::Checked);
        let (fewer, as_many) = (
            checked.left_out.len() < way.left_out.len(),
            checked.left_out.len() == way.left_out.len(),
        );
        if fewer || (cordons && as_many) {
            way = checked;
        }
    }
    Ok(Migration {
        version: Version::KNOWN,
        cluster: cluster.clone(),
        seconds: way.waves.iter().map(|w| w.seconds).sum(),
        left_out: ground.left_out(way.left_out),
        waves: way.waves,
    })
}

/// Waves, and the drains that are not in them, by their place.
struct Way {
    waves: Vec<Wave>,
    left_out: BTreeMap<usize, Obstacle>,
}

impl Way {
    /// Cordons for the time of a wave.
    fn temporary_cordons(&self) -> u32 {
        let closings = closings(&self.waves).into_iter();
        let cordons: usize = closings.map(|closing| closing.close.len()).sum();
        u32::try_from(cordons).unwrap_or(u32::MAX)
    }
}
