//! Which pods count, which may be moved, and what moving one costs.
//!
//! Every word that the autoscalers of this world use to say "leave it" is
//! honoured, whoever manages the node now: Karpenter's, the cluster
//! autoscaler's, CAST AI's, the descheduler's and our own.

use super::request::InfeasibleResize;
use crate::guard::PROTECT_KEY;
use crate::model::{
    Cluster, Node, ObjectMeta, PersistentVolume, PersistentVolumeClaim, Pod, PodVolumeSource,
    PvSource,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Karpenter's annotation of pods and nodes: `true`, or a Go duration.
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
/// The cluster autoscaler's annotation of pods.
pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
/// The cluster autoscaler's list of volumes whose data may be lost.
pub const SAFE_LOCAL_VOLUMES: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
/// The cluster autoscaler's annotation of nodes.
pub const SCALE_DOWN_DISABLED: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// CAST AI's label or annotation of pods and nodes.
pub const REMOVAL_DISABLED: &str = "autoscaling.cast.ai/removal-disabled";
/// CAST AI's label or annotation of pods that may go at any time.
pub const DISPOSABLE: &str = "beta.evictor.cast.ai/disposable";
/// The descheduler's annotation of pods that should stay.
pub const PREFER_NO_EVICTION: &str = "descheduler.alpha.kubernetes.io/prefer-no-eviction";
/// The descheduler's annotation of pods that may go.
pub const EVICT: &str = "descheduler.alpha.kubernetes.io/evict";
/// The ReplicaSet controller's annotation: who goes first.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// What happens to pods whose local data an eviction would lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LocalData {
    /// They move, and the data is lost.
    Disposable,
    /// They stay.
    Keeps,
}

/// What may be lost by a move, and what a pod counts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MovePolicy {
    /// `emptyDir` on disk. Default `disposable`, as Karpenter: Kubernetes gives
    /// no promise on them. The cluster autoscaler keeps such pods.
    pub empty_dir: LocalData,
    /// `hostPath`. Default `keeps`, as the cluster autoscaler: the path may
    /// hold data that only this node has.
    pub host_path: LocalData,
    /// Local and `hostPath` persistent volumes. Default `keeps`: Karpenter
    /// drops the host's name from such a volume and so abandons the data.
    pub local_volumes: LocalData,
    /// Pods without a controller. Default false: nobody makes them anew.
    pub move_bare_pods: bool,
    /// What a resize that a node refused for good counts for. Default `keep`,
    /// Karpenter's rule: a pod that moves is made anew and asks for it. `drop`
    /// is the kube-scheduler's rule for the pod where it stands.
    pub infeasible_resize: InfeasibleResize,
}

impl Default for MovePolicy {
    fn default() -> Self {
        // Each number's source is in the field's documentation.
        Self {
            empty_dir: LocalData::Disposable,
            host_path: LocalData::Keeps,
            local_volumes: LocalData::Keeps,
            move_bare_pods: false,
            infeasible_resize: InfeasibleResize::Keep,
        }
    }
}

/// Why a pod stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "pin", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pin {
    /// The kubelet made it from a file.
    Mirror,
    /// A DaemonSet's pod belongs to its node.
    DaemonSet,
    /// Nobody would make it anew.
    Bare,
    /// It waits for a node by preemption; it is not there yet.
    Nominated,
    /// An annotation or label asks for it.
    Annotation {
        /// Key.
        key: String,
        /// Value.
        value: String,
        /// Until when; without end when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// A scratch directory's data would be lost.
    EmptyDir {
        /// Volume.
        volume: String,
    },
    /// A path of the node would be left behind.
    HostPath {
        /// Volume.
        volume: String,
    },
    /// A disk of the node would be left behind.
    LocalVolume {
        /// Claim.
        claim: String,
    },
    /// What its claim is bound to is not known.
    UnknownVolume {
        /// Claim.
        claim: String,
    },
    /// Devices are bound to it by dynamic allocation.
    ResourceClaims {
        /// Claims.
        claims: Vec<String>,
    },
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mirror => f.write_str("it is a static pod of the node"),
            Self::DaemonSet => f.write_str("it is a DaemonSet's pod"),
            Self::Bare => f.write_str("it has no controller that would make it anew"),
            Self::Nominated => f.write_str("it waits for room by preemption"),
            Self::Annotation { key, value, until } => {
                write!(f, "{key} is {value:?}")?;
                match until {
                    Some(until) => write!(f, " and holds until {until}"),
                    None => Ok(()),
                }
            }
            Self::EmptyDir { volume } => write!(f, "the data of emptyDir {volume} would be lost"),
            Self::HostPath { volume } => {
                write!(f, "hostPath {volume} would be left behind")
            }
            Self::LocalVolume { claim } => {
                write!(f, "claim {claim} is bound to a disk of the node")
            }
            Self::UnknownVolume { claim } => {
                write!(f, "what claim {claim} is bound to is not known")
            }
            Self::ResourceClaims { claims } => {
                write!(f, "devices are allocated to it by {}", claims.join(", "))
            }
        }
    }
}

/// What a simulation may do with a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "movability", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Movability {
    /// It may be evicted and placed elsewhere.
    Moves,
    /// It has ended: it takes nothing and need not be placed.
    NotCounted,
    /// It is being deleted: it takes its place until it is gone. A StatefulSet
    /// makes the same pod anew, so that one has to be placed again.
    Leaving {
        /// Its controller makes it anew by the same name.
        placed_again: bool,
    },
    /// It goes with its node (DaemonSet and static pods).
    Stays {
        /// Why: [`Pin::DaemonSet`] or [`Pin::Mirror`].
        why: Pin,
    },
    /// Its node cannot be emptied.
    NeverMoves {
        /// Every reason.
        why: Vec<Pin>,
    },
}

/// Tells which pods of one cluster may be moved.
#[derive(Debug)]
pub struct Movers<'a> {
    policy: MovePolicy,
    now: DateTime<Utc>,
    claims: BTreeMap<(&'a str, &'a str), &'a PersistentVolumeClaim>,
    volumes: BTreeMap<&'a str, &'a PersistentVolume>,
    known: bool,
}

impl<'a> Movers<'a> {
    /// Reads the claims and volumes of a cluster.
    pub fn new(cluster: &'a Cluster, now: DateTime<Utc>, policy: MovePolicy) -> Self {
        let claims = cluster.claims.items().iter();
        let volumes = cluster.persistent_volumes.items().iter();
        Self {
            policy,
            now,
            claims: claims
                .map(|c| ((c.meta.namespace.as_str(), c.meta.name.as_str()), c))
                .collect(),
            volumes: volumes.map(|v| (v.meta.name.as_str(), v)).collect(),
            known: cluster.claims.is_complete() && cluster.persistent_volumes.is_complete(),
        }
    }

    /// What a simulation may do with a pod.
    pub fn judge(&self, pod: &Pod) -> Movability {
        if pod.is_finished() {
            return Movability::NotCounted;
        }
        if pod.is_mirror() {
            return Movability::Stays { why: Pin::Mirror };
        }
        let controller = pod.meta.controller();
        if controller.is_some_and(|c| c.kind == "DaemonSet") {
            return Movability::Stays {
                why: Pin::DaemonSet,
            };
        }
        if pod.is_terminating() {
            return Movability::Leaving {
                placed_again: controller.is_some_and(|c| c.kind == "StatefulSet"),
            };
        }
        let mut why = protections(&pod.meta, pod.status.started_at, self.now);
        let says_go = allowed(&pod.meta);
        if controller.is_none() && !says_go && !self.policy.move_bare_pods {
            why.push(Pin::Bare);
        }
        if pod.node().is_none() && pod.status.nominated_node.is_some() {
            why.push(Pin::Nominated);
        }
        if !pod.spec.resource_claims.is_empty() {
            why.push(Pin::ResourceClaims {
                claims: pod.spec.resource_claims.clone(),
            });
        }
        let listed = pod.meta.annotation(SAFE_LOCAL_VOLUMES).unwrap_or_default();
        let safe = |name: &str| says_go || listed.split(',').any(|v| v.trim() == name);
        for volume in &pod.spec.volumes {
            let name = volume.name.as_str();
            match &volume.source {
                PodVolumeSource::EmptyDir { in_memory: false }
                    if self.policy.empty_dir == LocalData::Keeps && !safe(name) =>
                {
                    why.push(Pin::EmptyDir {
                        volume: name.to_owned(),
                    });
                }
                PodVolumeSource::HostPath
                    if self.policy.host_path == LocalData::Keeps && !safe(name) =>
                {
                    why.push(Pin::HostPath {
                        volume: name.to_owned(),
                    });
                }
                PodVolumeSource::Claim { name } => {
                    why.extend(self.claim_pin(&pod.meta.namespace, name));
                }
                _ => {}
            }
        }
        if why.is_empty() {
            Movability::Moves
        } else {
            Movability::NeverMoves { why }
        }
    }

    fn claim_pin(&self, namespace: &str, claim: &str) -> Option<Pin> {
        let unknown = || Pin::UnknownVolume {
            claim: claim.to_owned(),
        };
        let Some(found) = self.claims.get(&(namespace, claim)) else {
            // A claim that does not exist pins nothing: the pod is refused elsewhere.
            return (!self.known).then(unknown);
        };
        let volume = found.volume_name.as_deref()?;
        match self.volumes.get(volume).map(|v| &v.source) {
            Some(PvSource::Local | PvSource::HostPath)
                if self.policy.local_volumes == LocalData::Keeps =>
            {
                Some(Pin::LocalVolume {
                    claim: claim.to_owned(),
                })
            }
            Some(PvSource::Unknown) => Some(unknown()),
            Some(_) => None,
            None => (!self.known).then(unknown),
        }
    }
}

/// What the annotations and labels of a node say against removing it.
pub fn node_protections(node: &Node, now: DateTime<Utc>) -> Vec<Pin> {
    let mut pins = protections(&node.meta, node.meta.created_at, now);
    pins.extend(flag(&node.meta, SCALE_DOWN_DISABLED, "true"));
    pins
}

/// Words that ask to be left alone, on pods and nodes alike.
fn protections(meta: &ObjectMeta, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<Pin> {
    let mut pins = Vec::new();
    if let Some(value) = meta.annotation(DO_NOT_DISRUPT) {
        pins.extend(do_not_disrupt(value, since, now));
    }
    pins.extend(flag(meta, SAFE_TO_EVICT, "false"));
    pins.extend(flag(meta, REMOVAL_DISABLED, "true"));
    if let Some(value) = meta.annotation(PROTECT_KEY).or(meta.label(PROTECT_KEY))
        && value != "false"
    {
        pins.push(annotation(PROTECT_KEY, value, None));
    }
    if let Some(value) = meta.annotation(PREFER_NO_EVICTION) {
        // The descheduler takes the key, whatever its value.
        pins.push(annotation(PREFER_NO_EVICTION, value, None));
    }
    pins
}

fn do_not_disrupt(value: &str, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<Pin> {
    if value == "true" {
        return Some(annotation(DO_NOT_DISRUPT, value, None));
    }
    // What is neither is ignored, as Karpenter does.
    let span = go_duration(value)?;
    let Some(since) = since else {
        return Some(annotation(DO_NOT_DISRUPT, value, None));
    };
    let until = since.checked_add_signed(span);
    until
        .is_none_or(|until| now < until)
        .then(|| annotation(DO_NOT_DISRUPT, value, until))
}

fn annotation(key: &str, value: &str, until: Option<DateTime<Utc>>) -> Pin {
    Pin::Annotation {
        key: key.to_owned(),
        value: value.to_owned(),
        until,
    }
}

fn flag(meta: &ObjectMeta, key: &str, bad: &str) -> Option<Pin> {
    let value = meta.annotation(key).or_else(|| meta.label(key))?;
    (value == bad).then(|| annotation(key, value, None))
}

/// Whether somebody wrote that the pod may be evicted although it has no
/// controller or local data.
fn allowed(meta: &ObjectMeta) -> bool {
    let is_true = |key: &str| meta.annotation(key).or_else(|| meta.label(key)) == Some("true");
    is_true(SAFE_TO_EVICT) || is_true(DISPOSABLE) || meta.annotation(EVICT).is_some()
}

/// A Go duration such as `1h30m`, `90s` or `1.5h`; `None` when it is not one.
pub fn go_duration(text: &str) -> Option<TimeDelta> {
    if text == "0" {
        return Some(TimeDelta::zero());
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || whole.len() > 18 || fraction.len() > 15 {
            return None;
        }
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let fraction: i128 = if fraction.is_empty() {
            0
        } else {
            fraction.parse().ok()?
        };
        nanos = nanos
            .checked_add(whole.checked_mul(unit)?)?
            .checked_add(fraction.checked_mul(unit)? / scale)?;
        rest = next;
    }
    Some(TimeDelta::nanoseconds(i64::try_from(nanos).ok()?))
}

/// What evicting a pod costs, in thousandths of an ordinary one:
/// 1 + deletion cost ÷ 2²⁷ + priority ÷ 2²⁵, held between −10 and 10.
///
/// The formula is Karpenter's (`pkg/utils/disruption`).
///
/// | deletion cost | priority | cost |
/// | --- | --- | --- |
/// | 0 | 0 | 1000 |
/// | 2147483647 | 0 | 10000 (16 × and held) |
/// | 0 | −33554432 | 0 |
pub fn eviction_cost_milli(pod: &Pod) -> i64 {
    let cost: i64 = pod
        .meta
        .annotation(DELETION_COST)
        .and_then(|v| v.parse::<i32>().ok())
        .map_or(0, i64::from);
    let priority = i64::from(pod.spec.priority.unwrap_or(0));
    let milli = 1000 + cost * 1000 / (1 << 27) + priority * 1000 / (1 << 25);
    milli.clamp(-10_000, 10_000)
}

/// Seconds of waiting that weigh as much as one eviction: the cluster
/// autoscaler's `max-graceful-termination-sec`.
const WAIT_PER_EVICTION: i64 = 600;
/// Grace of a pod that states none.
const DEFAULT_GRACE: i64 = 30;

/// What moving a pod costs, in thousandths of an ordinary eviction:
/// [`eviction_cost_milli`], and what that formula does not see.
///
/// | more | for |
/// | --- | --- |
/// | 500 | `alone`: the only pod of its workload, which is away while it moves; still less than two pods that have company |
/// | 0 to 1000 | grace above the usual 30 s, 1000 at 600 s |
/// | 0 to 1000 | time from start to ready, 1000 at 600 s |
///
/// Restarts add nothing: they do not tell whether the pod fares better or
/// worse elsewhere. But a pod that restarted tells no warm-up, as it became
/// ready more than once.
pub fn move_cost_milli(pod: &Pod, alone: bool) -> i64 {
    let waits = |seconds: i64| seconds.clamp(0, WAIT_PER_EVICTION) * 1000 / WAIT_PER_EVICTION;
    let grace = pod.spec.termination_grace_seconds.unwrap_or(DEFAULT_GRACE);
    let grace = if grace <= DEFAULT_GRACE { 0 } else { grace };
    let restarted = pod.status.containers.iter().any(|c| c.restart_count > 0);
    let warm_up = match (pod.status.started_at, pod.status.ready_since) {
        (Some(start), Some(ready)) if pod.status.ready == Some(true) && !restarted => {
            (ready - start).num_seconds()
        }
        _ => 0,
    };
    eviction_cost_milli(pod) + i64::from(alone) * 500 + waits(grace) + waits(warm_up)
}
