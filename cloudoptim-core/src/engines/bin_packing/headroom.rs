//! Room for pods that are not there yet: so many of a size must find a place in
//! a pool and a zone, as if they waited for a node.

use crate::model::{
    Bytes, Cluster, Container, MilliCpu, NODE_GROUP_LABEL, NODE_POOL_LABEL, ObjectMeta, OwnerRef,
    Pod, PodPhase, Toleration, Uid, ZONE_LABEL,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Room that a plan leaves for pods that are not there yet: `pods` of them, each
/// of that size, find a place at the same time.
///
/// They are placed in thought, after the pods that wait: as placeholder pods of
/// a low priority would be. A plan leaves no fewer places than it finds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Headroom {
    /// Karpenter's node pool, or else the node group, on whose nodes, taints of
    /// the pool tolerated; nodes without taints of any when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Name of the zone; any when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How many, 1 to 1,000.
    pub pods: u32,
    /// CPU of each, in thousandths.
    pub cpu: MilliCpu,
    /// Memory of each, in bytes.
    pub memory: Bytes,
}

impl fmt::Display for Headroom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pods, cpu, memory, ..
        } = self;
        write!(f, "room for {pods} pods of {cpu} and {memory}")?;
        if let Some(pool) = &self.pool {
            write!(f, " in pool {pool}")?;
        }
        if let Some(zone) = &self.zone {
            write!(f, " in {zone}")?;
        }
        Ok(())
    }
}

/// No namespace can have this name, and it comes after those that can.
const NAMESPACE: &str = "~headroom";

/// The cluster with the pods that the room is for, waiting for a node.
pub(super) fn lay<'a>(rules: &[Headroom], cluster: &'a Cluster) -> Cow<'a, Cluster> {
    if rules.is_empty() {
        return Cow::Borrowed(cluster);
    }
    let mut laid = cluster.clone();
    let new = rules
        .iter()
        .enumerate()
        .flat_map(|(index, rule)| (0..rule.pods).map(move |n| placeholder(rule, index, n, cluster)))
        .collect::<Vec<_>>();
    if let Some(pods) = laid.pods.value_mut() {
        pods.extend(new);
    }
    Cow::Owned(laid)
}

/// The rule that a pod stands for.
pub(super) fn rule_of<'r>(rules: &'r [Headroom], pod: &Pod) -> Option<&'r Headroom> {
    let name = pod.meta.name.split_once('-')?.0;
    let ours = pod.meta.namespace == NAMESPACE;
    ours.then(|| rules.get(name.parse::<usize>().ok()?))?
}

/// Whether a pod is none that is there.
pub(super) fn is_placeholder(pod: &Pod) -> bool {
    pod.meta.namespace == NAMESPACE
}

fn placeholder(rule: &Headroom, index: usize, number: u32, cluster: &Cluster) -> Pod {
    let name = format!("{index:06}-{number:06}");
    let owner = OwnerRef {
        api_version: "apps/v1".to_owned(),
        kind: "ReplicaSet".to_owned(),
        name: format!("{index:06}"),
        uid: Uid::new(format!("{NAMESPACE}/{index:06}")),
        controller: true,
    };
    let mut pod = Pod {
        meta: ObjectMeta {
            namespace: NAMESPACE.to_owned(),
            uid: Uid::new(format!("{NAMESPACE}/{name}")),
            name,
            owners: vec![owner],
            ..ObjectMeta::default()
        },
        ..Pod::default()
    };
    let mut container = Container {
        name: "room".to_owned(),
        ..Container::default()
    };
    container.resources.requests.cpu = Some(rule.cpu);
    container.resources.requests.memory = Some(rule.memory);
    pod.spec.containers.push(container);
    pod.status.phase = PodPhase::Pending;
    pod.status.ready = Some(false);
    if let Some(zone) = &rule.zone {
        let selector = &mut pod.spec.node_selector;
        selector.insert(ZONE_LABEL.to_owned(), zone.clone());
    }
    if let Some(name) = &rule.pool {
        let pools = cluster.node_pools.items();
        let pool = pools.iter().find(|p| p.meta.name == *name);
        let nodes = cluster.nodes.items();
        let label = if pool.is_some()
            || nodes
                .iter()
                .any(|n| n.meta.label(NODE_POOL_LABEL) == Some(name))
        {
            NODE_POOL_LABEL
        } else {
            NODE_GROUP_LABEL
        };
        let selector = &mut pod.spec.node_selector;
        selector.insert(label.to_owned(), name.clone());
        let taints = pool.map(|p| p.taints.as_slice()).unwrap_or_default();
        pod.spec
            .tolerations
            .extend(taints.iter().map(|t| Toleration {
                key: t.key.clone(),
                exists: true,
                effect: Some(t.effect),
                ..Toleration::default()
            }));
    }
    pod
}
