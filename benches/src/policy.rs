//! A naive judge of the operator's own rules: how much of a workload may come to
//! one place, and room that stays for pods that are not there yet.
//!
//! It shares no code with the engine: it counts pods by the objects that own
//! them, and fills every node with the pods that the room is for.

use crate::placement::{Violation, spare, tolerates};
use cloudoptim_core::decision::{Action, Decision, Subject};
use cloudoptim_core::engines::bin_packing::{Config, Headroom, Launchable, RepackingPoint};
use cloudoptim_core::model::{Cluster, ConditionStatus, Node, Pod};
use std::collections::{BTreeMap, BTreeSet};

/// A cluster after a plan.
#[derive(Debug, Clone)]
pub struct End<'a> {
    cluster: &'a Cluster,
    /// Nodes that are there then, and what DaemonSets will take of new ones:
    /// CPU (m), memory (bytes) and pods.
    nodes: Vec<(Node, [u64; 3])>,
    /// Node by uid of a pod that moved.
    moved: BTreeMap<&'a str, &'a str>,
}

impl<'a> End<'a> {
    /// What a point of a frontier leaves.
    #[must_use]
    pub fn of_point(
        cluster: &'a Cluster,
        launchables: &[Launchable],
        point: &'a RepackingPoint,
    ) -> Self {
        let mut end = Self::kept(cluster, |name| {
            !point.removed.iter().any(|n| n.as_str() == name)
        });
        for new in &point.launched {
            let kind = launchables.iter().find(|l| l.id == new.kind);
            if let Some((kind, (node, _))) = kind.and_then(|k| Some((k, k.zones.get(&new.zone)?))) {
                let mut node = node.clone();
                node.meta.name = new.name.to_string();
                let d = &kind.daemons;
                end.nodes.push((node, [d.cpu.0, d.memory.0, d.pods]));
            }
        }
        let moves = point.moves.iter();
        end.moved
            .extend(moves.map(|m| (m.uid.as_str(), m.to.as_str())));
        end
    }

    /// What the engine's decisions leave.
    #[must_use]
    pub fn of_decisions(cluster: &'a Cluster, decisions: &'a [Decision]) -> Self {
        let mut gone: BTreeSet<&str> = BTreeSet::new();
        let mut new = Vec::new();
        let mut moved = BTreeMap::new();
        for decision in decisions {
            let Subject::Node { cluster: of, .. } = &decision.subject else {
                continue;
            };
            for action in decision.actions.iter().filter(|_| *of == cluster.uid) {
                match action {
                    Action::RemoveNode { node, .. } => {
                        gone.insert(node.as_str());
                    }
                    Action::DrainNode { moves, .. } => moved.extend(
                        moves
                            .iter()
                            .filter_map(|m| Some((m.uid.as_str(), m.to.as_ref()?.as_str()))),
                    ),
                    Action::LaunchNodes { launch, .. } => {
                        let shape = launch.shape.as_ref();
                        for name in &launch.nodes {
                            let Some(shape) = shape else { continue };
                            let d = &shape.daemons;
                            let node = shape.node(name);
                            new.push((node, [d.cpu.0, d.memory.0, d.pods]));
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut end = Self::kept(cluster, |name| !gone.contains(name));
        end.nodes.extend(new);
        end.moved = moved;
        end
    }

    fn kept(cluster: &'a Cluster, stays: impl Fn(&str) -> bool) -> Self {
        let nodes = cluster.nodes.items().iter();
        Self {
            cluster,
            nodes: nodes
                .filter(|n| stays(&n.meta.name))
                .map(|n| (n.clone(), [0; 3]))
                .collect(),
            moved: BTreeMap::new(),
        }
    }

    fn place<'p>(&'p self, pod: &'p Pod) -> Option<&'p str> {
        let moved = self.moved.get(pod.meta.uid.as_str()).copied();
        moved.or_else(|| pod.spec.node_name.as_ref().map(|n| n.as_str()))
    }

    /// The cluster as it was.
    fn before(&self) -> Self {
        Self::kept(self.cluster, |_| true)
    }
}

/// Every rule of the operator that a plan breaks, or breaks further.
#[must_use]
pub fn broken(config: &Config, end: &End<'_>) -> Vec<Violation> {
    let before = end.before();
    let mut found = Vec::new();
    let total = count(end.cluster, |_| Some(String::new()));
    for (place, percent) in [
        ("node", config.max_workload_share_percent),
        ("zone", config.max_workload_zone_share_percent),
    ] {
        let of = |board: &End<'_>| {
            count(board.cluster, |pod| {
                let node = board.place(pod)?;
                if place == "node" {
                    return Some(node.to_owned());
                }
                let mut nodes = board.nodes.iter();
                let (node, _) = nodes.find(|(n, _)| n.meta.name == node)?;
                node.meta.labels.get("topology.kubernetes.io/zone").cloned()
            })
        };
        let (was, is) = (of(&before), of(end));
        for ((workload, here), pods) in is {
            let all = total
                .get(&(workload.clone(), String::new()))
                .copied()
                .unwrap_or(0);
            let most = (all * u64::from(percent)).div_ceil(100).max(1);
            let had = was.get(&(workload.clone(), here.clone())).copied();
            if pods > most && pods > had.unwrap_or(0) {
                found.push(Violation {
                    of: workload,
                    node: here,
                    rule: format!("{pods} of {all} pods in one {place}, {most} may be"),
                });
            }
        }
    }
    for rule in &config.headroom {
        let (was, is) = (places(&before, rule), places(end, rule));
        let must = was.min(u64::from(rule.pods));
        if is < must {
            found.push(Violation {
                of: rule.pool.clone().unwrap_or_default(),
                node: rule.zone.clone().unwrap_or_default(),
                rule: format!("places for {is} pods of the {must} there were"),
            });
        }
    }
    found
}

/// Pods that count, by workload and place.
fn count(
    cluster: &Cluster,
    place: impl Fn(&Pod) -> Option<String>,
) -> BTreeMap<(String, String), u64> {
    let mut out = BTreeMap::new();
    for pod in cluster.pods.items().iter().filter(|p| !p.is_finished()) {
        if let Some(place) = place(pod) {
            *out.entry((workload(cluster, pod), place)).or_default() += 1;
        }
    }
    out
}

/// The object at the end of a pod's chain of controllers.
fn workload(cluster: &Cluster, pod: &Pod) -> String {
    let mut meta = &pod.meta;
    let mut name = format!("Pod {}", meta.name);
    for _ in 0..8 {
        let Some(owner) = meta.owners.iter().find(|o| o.controller) else {
            break;
        };
        name = format!("{} {}", owner.kind, owner.name);
        let mut all = cluster.workloads.items().iter();
        let Some(next) = all.find(|w| w.meta.uid == owner.uid) else {
            break;
        };
        meta = &next.meta;
    }
    format!("{}/{name}", pod.meta.namespace)
}

/// How many pods of the size find a place on the nodes that the room is for.
fn places(end: &End<'_>, rule: &Headroom) -> u64 {
    let mut found = 0;
    for (node, daemons) in &end.nodes {
        let label = |key: &str| node.meta.labels.get(key).map(String::as_str);
        let ready = node.conditions.iter().find(|c| c.name == "Ready");
        let ready = ready.is_some_and(|c| c.status == ConditionStatus::True);
        let zone = rule.zone.as_deref();
        let pool = rule.pool.as_deref();
        let pools = end.cluster.node_pools.items();
        let own = pools.iter().find(|p| Some(p.meta.name.as_str()) == pool);
        let group = label("eks.amazonaws.com/nodegroup");
        let of_pool = pool.is_none()
            || label("karpenter.sh/nodepool") == pool
            || (own.is_none() && group == pool);
        let taints = own.map(|p| p.taints.as_slice()).unwrap_or_default();
        let welcome = node.taints.iter().all(|t| tolerates(taints, t));
        if !ready
            || node.unschedulable
            || node.meta.deleted_at.is_some()
            || !of_pool
            || !welcome
            || (zone.is_some() && label("topology.kubernetes.io/zone") != zone)
        {
            continue;
        }
        let pods = end.cluster.pods.items().iter();
        let here = pods
            .filter(|p| !p.is_finished() && end.place(p) == Some(node.meta.name.as_str()))
            .collect::<Vec<_>>();
        let [cpu, memory, slots] = spare(node, &here, *daemons);
        let fits = |free: u64, each: u64| free.checked_div(each).unwrap_or(u64::MAX);
        found += fits(cpu, rule.cpu.0)
            .min(fits(memory, rule.memory.0))
            .min(slots);
    }
    found
}
