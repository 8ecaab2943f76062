//! What is to be done about a message.

use super::judge::Before;
use super::memory::Key;
use super::message::{Hook, Kind};
use super::reason::Reason;
use crate::ledger::PoolEvent;
use crate::model::{ClusterUid, InstanceId, NodeName, Uid};
use crate::version::Version;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What happens to the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Delete it, once every act of the decision is under way: the cordon
    /// acknowledged, the drain written down.
    Ack,
    /// Hand it out again soon.
    Retry,
    /// Leave it: others may want it, or it is being handled.
    Leave,
    /// Put a copy aside with the reason, then delete it.
    Quarantine,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ack => "ack",
            Self::Retry => "retry",
            Self::Leave => "leave",
            Self::Quarantine => "quarantine",
        })
    }
}

/// Whether EC2 is asked before an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Consent {
    /// No; it is asked at the same time.
    AtOnce,
    /// Yes: only its answer makes the act due, see
    /// [`Interruptions::answer`](super::Interruptions::answer).
    ConfirmFirst,
}

/// What happens to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "act", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Act {
    /// Nothing.
    Nothing,
    /// No pod is moved onto it; nothing is changed.
    Mark,
    /// It takes no more pods.
    Cordon {
        /// Whether EC2 is asked first.
        consent: Consent,
    },
    /// It takes no more pods, and its pods go until the deadline.
    Drain {
        /// When the instance ends.
        deadline: DateTime<Utc>,
        /// Whether EC2 is asked first.
        consent: Consent,
    },
    /// The drain that was asked for before has until this deadline, and no
    /// longer waits for the limits of voluntary ones.
    Hasten {
        /// When the instance ends.
        deadline: DateTime<Utc>,
        /// Whether EC2 is asked first.
        consent: Consent,
    },
    /// A voluntary drain, within the limits of such, at a good time.
    PlanDrain {
        /// By when; any time when `None`.
        before: Option<DateTime<Utc>>,
    },
    /// The voluntary drain that was asked for before has to be over by then.
    Limit {
        /// By when.
        before: DateTime<Utc>,
    },
    /// Nothing yet: [`Interruptions::due`](super::Interruptions::due) tells when.
    Wait {
        /// When the work begins.
        start: DateTime<Utc>,
    },
    /// Read its state; the message is too old to act on.
    Verify,
    /// The instance is gone: end the drain, and let the node's owner remove it.
    CleanUp,
    /// The drain that was asked for is off; the cordon too, if it is ours.
    Cancel,
    /// Our cordon is taken back, and a drain is ended.
    Uncordon {
        /// By when.
        by: DateTime<Utc>,
    },
}

/// What happens to one instance's node, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Step {
    /// Instance.
    pub instance: InstanceId,
    /// Node on it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeRef>,
    /// The act.
    pub act: Act,
    /// Why.
    pub reason: Reason,
    /// A lifecycle hook to be answered after the drain, or at once without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    /// What the spot engine should know of the pool: goes into the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<PoolEvent>,
    /// Evidence that turned out to be false: goes out of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<PoolEvent>,
}

/// A node with what identifies it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NodeRef {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Name.
    pub name: NodeName,
    /// Uid of the node object.
    pub uid: Uid,
}

/// What is to be done about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Decision {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// What happens to the message.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What kind of event it is, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// How far the event's time is from the queue's, in seconds, where that is
    /// more than it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_seconds: Option<i64>,
    /// One step for each instance, in the order of the event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What to settle the decision with.
    #[serde(skip)]
    pub receipt: Receipt,
}

impl Decision {
    pub(super) const fn of_message(verdict: Verdict, reason: Reason) -> Self {
        Self {
            version: Version::KNOWN,
            verdict,
            reason,
            kind: None,
            skew_seconds: None,
            steps: Vec::new(),
            receipt: Receipt(Vec::new()),
        }
    }
}

/// What a decision changed, to be made final or taken back: see
/// [`Interruptions::done`](super::Interruptions::done).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt(pub(super) Vec<Entry>);

/// The change of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) instance: InstanceId,
    pub(super) key: Key,
    pub(super) before: Before,
}
