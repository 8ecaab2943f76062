//! What pods say about how their containers ended.

use super::config::Config;
use super::reason::Reason;
use crate::engines::sizing::SizedResource;
use crate::model::{
    Bytes, Cluster, ConditionStatus, Container, ContainerStatus, NodeName, Pod, Termination,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// A `SystemOOM` event this near to a kill is about the same shortage.
const SYSTEM_OOM_WITHIN_MINUTES: i64 = 10;

/// A kill for memory.
#[derive(Debug, Clone)]
pub(super) struct Kill<'a> {
    pub(super) pod: &'a Pod,
    /// `uid/container/restarts before the kill`: the same kill has the same id
    /// whether the container waits to be restarted or runs again.
    pub(super) id: String,
    pub(super) restarts: u32,
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) exit_code: i32,
    /// Limit of the container in that pod, where it has one.
    pub(super) limit: Option<u64>,
}

/// How a container of a pod ended.
#[derive(Debug, Clone)]
pub(super) enum End<'a> {
    /// For memory, as the runtime says.
    Memory(Kill<'a>),
    /// By SIGKILL for another reason.
    Other(Reason),
}

/// Ends of a pod's containers by container name; nothing for those that end
/// as they should.
pub(super) fn ends(pod: &Pod) -> Vec<(&str, End<'_>)> {
    let mut found = Vec::new();
    // What the kubelet ends in an eviction ends by SIGKILL as well.
    let evicted = pod.status.reason.as_deref() == Some("Evicted");
    let all = pod.status.containers.iter();
    for status in all.chain(&pod.status.init_containers) {
        let now = status.terminated.iter().map(|t| (t, status.restart_count));
        let last = status
            .last_terminated
            .iter()
            .map(|t| (t, status.restart_count.saturating_sub(1)));
        for (end, restarts) in last.chain(now) {
            if end.reason == "OOMKilled" {
                let kill = kill(pod, status, end, restarts);
                found.push((status.name.as_str(), End::Memory(kill)));
            } else if end.exit_code == 137 && !evicted {
                let reason = Reason::NotForMemory {
                    pod: pod.meta.name.clone(),
                    reason: end.reason.clone(),
                    exit_code: end.exit_code,
                };
                found.push((status.name.as_str(), End::Other(reason)));
            }
        }
    }
    found
}

fn kill<'a>(pod: &'a Pod, status: &ContainerStatus, end: &Termination, restarts: u32) -> Kill<'a> {
    let spec = container(pod, &status.name);
    // The limit in force, which a resize in place may have changed.
    let limit = status
        .resources
        .as_ref()
        .and_then(|r| SizedResource::Memory.of(&r.limits))
        .or_else(|| SizedResource::Memory.of(&spec?.resources.limits));
    Kill {
        pod,
        id: format!("{}/{}/{restarts}", pod.meta.uid, status.name),
        restarts,
        at: end.finished_at,
        exit_code: end.exit_code,
        limit,
    }
}

/// A container of a pod, init containers included.
pub(super) fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a Container> {
    let all = pod.spec.containers.iter();
    all.chain(&pod.spec.init_containers)
        .find(|c| c.name == name)
}

/// Why the kubelet evicted a pod, by its message.
pub(super) fn eviction(pod: &Pod) -> Option<Reason> {
    if pod.status.reason.as_deref() != Some("Evicted") {
        return None;
    }
    let message = pod.status.message.as_deref().unwrap_or_default();
    let lower = message.to_ascii_lowercase();
    Some(if lower.contains("low on resource: memory") {
        Reason::EvictedForMemory {
            node: pod.node().cloned(),
        }
    } else if lower.contains("ephemeral-storage")
        || lower.contains("ephemeral local storage")
        || lower.contains("emptydir volume")
        || lower.contains("inodes")
    {
        Reason::EvictedForStorage
    } else {
        Reason::EvictedOtherwise {
            message: message.to_owned(),
        }
    })
}

/// A kill inside a pod whose containers went on, by an event about the pod:
/// with `singleProcessOOMKill`, or on cgroup v1, the kernel takes one process
/// and the status shows nothing.
pub(super) fn child_kill(cluster: &Cluster, pod: &Pod) -> Option<Reason> {
    let mine = cluster.events.items().iter().filter(|event| {
        event.reason == "OOMKilling"
            && event.object_kind == "Pod"
            && event.object.namespace == pod.meta.namespace
            && event.object.name == pod.meta.name
            && event
                .object_uid
                .as_ref()
                .is_none_or(|uid| *uid == pod.meta.uid)
    });
    let near = TimeDelta::minutes(SYSTEM_OOM_WITHIN_MINUTES);
    let ended = |at: Option<DateTime<Utc>>| {
        ends(pod).iter().any(|(_, end)| match (end, at) {
            (End::Memory(kill), Some(at)) => {
                kill.at.is_none_or(|killed| (killed - at).abs() <= near)
            }
            (End::Memory(_), None) => true,
            (End::Other(_), _) => false,
        })
    };
    let alone = mine.map(|event| event.last_at.or(event.first_at));
    let at = alone.filter(|at| !ended(*at)).max()?;
    Some(Reason::ChildKilled {
        pod: pod.meta.name.clone(),
        at,
    })
}

/// When an event was seen first and last, where it says.
type Span = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// What nodes and events say about the nodes' own memory.
pub(super) struct NodeMemory<'a> {
    pressure: BTreeMap<NodeName, Option<DateTime<Utc>>>,
    system: BTreeMap<&'a str, Vec<Span>>,
}

impl<'a> NodeMemory<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let mut pressure = BTreeMap::new();
        for node in cluster.nodes.items() {
            let all = node.conditions.iter();
            for c in all.filter(|c| c.name == "MemoryPressure") {
                if c.status == ConditionStatus::True {
                    pressure.insert(node.name(), c.since);
                }
            }
        }
        let mut system: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for event in cluster.events.items() {
            if event.reason == "SystemOOM" && event.object_kind == "Node" {
                system
                    .entry(event.object.name.as_str())
                    .or_default()
                    .push((event.first_at, event.last_at));
            }
        }
        Self { pressure, system }
    }

    /// The node's own shortage at the time of a kill, where something shows it.
    /// A time that is not known is taken to be that of the kill.
    pub(super) fn at(&self, kill: &Kill<'_>) -> Option<Reason> {
        let node = kill.pod.node()?;
        let out = |evidence: &str| {
            Some(Reason::NodeOutOfMemory {
                node: node.clone(),
                evidence: evidence.to_owned(),
            })
        };
        let near = TimeDelta::minutes(SYSTEM_OOM_WITHIN_MINUTES);
        let events = self.system.get(node.as_str()).into_iter().flatten();
        for (first, last) in events {
            let after = match (kill.at, first) {
                (Some(at), Some(first)) => at >= *first - near,
                _ => true,
            };
            let before = match (kill.at, last.or(*first)) {
                (Some(at), Some(last)) => at <= last + near,
                _ => true,
            };
            if after && before {
                return out("SystemOOM");
            }
        }
        match self.pressure.get(node)? {
            Some(since) if kill.at.is_some_and(|at| at < *since) => None,
            _ => out("MemoryPressure"),
        }
    }
}

/// The first kill that is fit for an answer, or why none is.
pub(super) fn recent<'a>(
    config: &Config,
    now: DateTime<Utc>,
    kills: &[Kill<'a>],
) -> Result<Vec<(Kill<'a>, DateTime<Utc>)>, Reason> {
    let mut fresh = Vec::new();
    let mut why = None;
    for kill in kills {
        match kill.at {
            None => {
                why = Some(Reason::TimeUnknown {
                    pod: kill.pod.meta.name.clone(),
                });
            }
            Some(at) if now - at > config.max_age() => {
                why.get_or_insert(Reason::TooOld {
                    at,
                    max_age_days: config.max_age_days,
                });
            }
            Some(at) => fresh.push((kill.clone(), at)),
        }
    }
    match why {
        Some(why) if fresh.is_empty() => Err(why),
        _ => Ok(fresh),
    }
}

/// An amount in bytes, for reasons.
pub(super) const fn bytes(amount: u64) -> Bytes {
    Bytes(amount)
}
