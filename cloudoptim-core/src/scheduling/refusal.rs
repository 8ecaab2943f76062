//! Why a pod cannot run on a node.

use super::NotTarget;
use crate::model::{Taint, WorkloadRef, ZoneName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is wrong with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClaimProblem {
    /// It does not exist.
    Missing,
    /// It, its size or its volume was not collected, or may not have been.
    Unknown,
    /// It is being deleted.
    Deleting,
    /// Its volume is gone.
    Lost,
    /// It waits for a volume of a class that does not wait for pods.
    UnboundImmediate,
    /// The volume that it names does not exist.
    VolumeMissing,
    /// Its storage class does not exist or was not collected.
    ClassUnknown,
    /// Nobody makes volumes of its class, and none is free.
    NoFreeVolume,
}

impl fmt::Display for ClaimProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "does not exist",
            Self::Unknown => "was not collected, or not in full",
            Self::Deleting => "is being deleted",
            Self::Lost => "has lost its volume",
            Self::UnboundImmediate => "waits for a volume that is made at once",
            Self::VolumeMissing => "names a volume that does not exist",
            Self::ClassUnknown => "has a storage class that is not known",
            Self::NoFreeVolume => "waits for a volume that nobody makes",
        })
    }
}

/// One rule that keeps a pod from a node, with its facts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "rule", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The node takes no pods.
    NotTarget {
        /// Why.
        because: NotTarget,
    },
    /// A label of the node selector.
    NodeSelector {
        /// Key.
        key: String,
        /// Value that it must have.
        want: String,
        /// Value that it has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        have: Option<String>,
    },
    /// None of the required terms of the node affinity holds.
    NodeAffinity {
        /// The alternatives, as text.
        terms: Vec<String>,
    },
    /// A taint that is not tolerated.
    Taint {
        /// The taint.
        taint: Taint,
    },
    /// Too little of a resource is free.
    Resource {
        /// Resource.
        resource: String,
        /// Asked for, in thousandths for CPU, else bytes or units.
        need: u64,
        /// Free.
        free: u64,
    },
    /// Too few devices with that share free.
    Devices {
        /// Devices asked for.
        count: u32,
        /// Thousandths of each.
        milli: u32,
        /// Devices that would do.
        fitting: u32,
    },
    /// A port of the node is taken.
    HostPort {
        /// Port.
        port: u16,
        /// Protocol.
        protocol: String,
    },
    /// The node lacks the label that a placement rule counts by.
    TopologyKeyMissing {
        /// Key.
        key: String,
    },
    /// No pod that the pod wants to be near is in the node's domain.
    PodAffinity {
        /// Key of the domain.
        key: String,
        /// Domain.
        domain: String,
    },
    /// A pod that it avoids is in the node's domain.
    PodAntiAffinity {
        /// Key of the domain.
        key: String,
        /// Domain.
        domain: String,
        /// Pods there that it avoids.
        pods: u32,
    },
    /// A pod in the node's domain avoids it.
    AvoidedByOthers {
        /// Key of the domain.
        key: String,
        /// Domain.
        domain: String,
        /// Pods there that avoid it.
        pods: u32,
    },
    /// The domain would be too far ahead of the emptiest.
    TopologySpread {
        /// Key of the domain.
        key: String,
        /// Domain.
        domain: String,
        /// Pods there, with this one.
        count: u32,
        /// Pods in the emptiest domain, or 0 below `minDomains`.
        least: u32,
        /// Largest difference.
        max_skew: u32,
    },
    /// A claim that no node can serve.
    Claim {
        /// Claim.
        claim: String,
        /// What is wrong with it.
        problem: ClaimProblem,
    },
    /// The node cannot reach a volume.
    VolumeAffinity {
        /// Claim.
        claim: String,
        /// Volume.
        volume: String,
    },
    /// The storage class makes no volumes in the node's domain.
    VolumeTopology {
        /// Claim.
        claim: String,
        /// Storage class.
        class: String,
    },
    /// A volume for one pod is in use by another, or one for one node on another.
    ClaimInUse {
        /// Claim.
        claim: String,
        /// Access mode.
        mode: String,
    },
    /// No more volumes can be attached.
    AttachLimit {
        /// Driver.
        driver: String,
        /// Volumes on the node after the move.
        would_be: u32,
        /// Most.
        limit: u32,
    },
    /// How many volumes can be attached is not known.
    AttachLimitUnknown {
        /// Driver.
        driver: String,
    },
    /// The pod is for another operating system.
    OperatingSystem {
        /// The pod's.
        want: String,
        /// The node's.
        have: String,
    },
    /// A rule of the operator about what shares a node.
    CountLimit {
        /// The rule binds nodes with a pod of this workload; all when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        with: Option<WorkloadRef>,
        /// Whose pods it counts.
        of: WorkloadRef,
        /// Pods that there would be.
        would_be: u32,
        /// The most.
        max: u32,
    },
    /// A rule of the operator about how much of a workload is in one zone.
    ZoneShare {
        /// Whose pods it counts.
        of: WorkloadRef,
        /// Zone.
        zone: ZoneName,
        /// Pods that there would be.
        would_be: u32,
        /// The most.
        max: u32,
    },
    /// A rule of the operator about how much of a workload is on spot.
    OnDemandShare {
        /// Whose pods it counts.
        of: WorkloadRef,
        /// The most of them that may stand on spot.
        max: u32,
    },
    /// A gate holds the pod back.
    Gated {
        /// Gate.
        gate: String,
    },
    /// Devices are allocated to the pod by a driver that is not simulated.
    ResourceClaims {
        /// Claims.
        claims: Vec<String>,
    },
}

impl Refusal {
    /// The rule that refuses, as in JSON.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::NotTarget { .. } => "not_target",
            Self::NodeSelector { .. } => "node_selector",
            Self::NodeAffinity { .. } => "node_affinity",
            Self::Taint { .. } => "taint",
            Self::Resource { .. } => "resource",
            Self::Devices { .. } => "devices",
            Self::HostPort { .. } => "host_port",
            Self::TopologyKeyMissing { .. } => "topology_key_missing",
            Self::PodAffinity { .. } => "pod_affinity",
            Self::PodAntiAffinity { .. } => "pod_anti_affinity",
            Self::AvoidedByOthers { .. } => "avoided_by_others",
            Self::TopologySpread { .. } => "topology_spread",
            Self::Claim { .. } => "claim",
            Self::VolumeAffinity { .. } => "volume_affinity",
            Self::VolumeTopology { .. } => "volume_topology",
            Self::ClaimInUse { .. } => "claim_in_use",
            Self::AttachLimit { .. } => "attach_limit",
            Self::AttachLimitUnknown { .. } => "attach_limit_unknown",
            Self::OperatingSystem { .. } => "operating_system",
            Self::CountLimit { .. } => "count_limit",
            Self::ZoneShare { .. } => "zone_share",
            Self::OnDemandShare { .. } => "on_demand_share",
            Self::Gated { .. } => "gated",
            Self::ResourceClaims { .. } => "resource_claims",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTarget { because } => because.fmt(f),
            Self::NodeSelector { key, want, have } => match have {
                Some(have) => write!(f, "the node selector wants {key}={want}, not {have}"),
                None => write!(f, "the node selector wants {key}={want}, which is absent"),
            },
            Self::NodeAffinity { terms } => {
                write!(
                    f,
                    "no term of the node affinity holds: {}",
                    terms.join(" or ")
                )
            }
            Self::Taint { taint } => {
                write!(
                    f,
                    "the taint {}={} is not tolerated",
                    taint.key, taint.value
                )
            }
            Self::Resource {
                resource,
                need,
                free,
            } => write!(f, "{need} of {resource} needed, {free} free"),
            Self::Devices {
                count,
                milli,
                fitting,
            } => write!(
                f,
                "{count} devices with {milli} thousandths free needed, {fitting} there"
            ),
            Self::HostPort { port, protocol } => {
                write!(f, "host port {port}/{protocol} is taken")
            }
            Self::TopologyKeyMissing { key } => {
                write!(
                    f,
                    "the node lacks the label {key}, which a placement rule needs"
                )
            }
            Self::PodAffinity { key, domain } => {
                write!(f, "no pod that it wants to be near is in {key}={domain}")
            }
            Self::PodAntiAffinity { key, domain, pods } => {
                write!(f, "{pods} pods that it avoids are in {key}={domain}")
            }
            Self::AvoidedByOthers { key, domain, pods } => {
                write!(f, "{pods} pods in {key}={domain} avoid it")
            }
            Self::TopologySpread {
                key,
                domain,
                count,
                least,
                max_skew,
            } => write!(
                f,
                "{key}={domain} would hold {count}, the emptiest domain {least}: more than {max_skew} apart"
            ),
            Self::Claim { claim, problem } => write!(f, "claim {claim} {problem}"),
            Self::VolumeAffinity { claim, volume } => {
                write!(f, "the node cannot reach volume {volume} of claim {claim}")
            }
            Self::VolumeTopology { claim, class } => write!(
                f,
                "storage class {class} of claim {claim} makes no volumes there"
            ),
            Self::ClaimInUse { claim, mode } => {
                write!(f, "claim {claim} ({mode}) is in use by another pod")
            }
            Self::AttachLimit {
                driver,
                would_be,
                limit,
            } => write!(
                f,
                "{would_be} volumes of {driver} would be attached, {limit} can be"
            ),
            Self::AttachLimitUnknown { driver } => {
                write!(
                    f,
                    "how many volumes of {driver} can be attached is not known"
                )
            }
            Self::OperatingSystem { want, have } => {
                write!(f, "the pod is for {want}, the node runs {have}")
            }
            Self::CountLimit {
                with,
                of,
                would_be,
                max,
            } => {
                write!(f, "{would_be} pods of {of} would share the node")?;
                if let Some(with) = with {
                    write!(f, " with {with}")?;
                }
                write!(f, ", {max} may")
            }
            Self::ZoneShare {
                of,
                zone,
                would_be,
                max,
            } => write!(f, "{would_be} pods of {of} would be in {zone}, {max} may"),
            Self::OnDemandShare { of, max } => {
                write!(
                    f,
                    "of {of} at most {max} pods may be on spot, and not this one"
                )
            }
            Self::Gated { gate } => write!(f, "the scheduling gate {gate} holds it back"),
            Self::ResourceClaims { claims } => write!(
                f,
                "devices are allocated by {}, which is not simulated",
                claims.join(", ")
            ),
        }
    }
}

/// Every rule that keeps a pod from a node, sorted; at least one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Refusals(pub Vec<Refusal>);

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, refusal) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            refusal.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusals {}
