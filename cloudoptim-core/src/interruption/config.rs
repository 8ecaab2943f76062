//! Settings.

use super::drain;
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A setting out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is out of range; the message names it.
    #[error("{message}")]
    BadSetting {
        /// What is wrong.
        message: String,
    },
    /// A scope without accounts or regions: nothing would be in it.
    #[error("the scope names no {what}")]
    EmptyScope {
        /// `account` or `region`.
        what: String,
    },
}

/// Whose messages a queue holds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Queue {
    /// Others read it too: what is not ours is left to them.
    #[default]
    Shared,
    /// Only ours: what is of no concern is deleted, what is foreign put aside.
    Exclusive,
}

/// What a rebalance recommendation leads to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RebalancePolicy {
    /// The node is at risk: no pod is moved onto it. Nothing else.
    #[default]
    Mark,
    /// The node takes no more pods.
    Cordon,
    /// The node takes no more pods, and a drain within the usual limits is
    /// asked for.
    Drain,
}

/// Settings of the interruption core.
///
/// ```
/// use cloudoptim_core::interruption::Config;
///
/// let config = Config::default().with_max_receives(6);
/// assert!(config.validate().is_ok());
/// assert!(Config::default().with_unconfirmed_percent(101).validate().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Version of this JSON; another one is refused.
    pub version: Version<Self>,
    /// Whose messages the queue holds. Default `shared`.
    pub queue: Queue,
    /// Largest body that is read, in bytes. Default 1,048,576.
    pub max_body_bytes: u32,
    /// Deepest nesting of a body, 4 to 100. Default 32.
    pub max_depth: u32,
    /// A message that was handed out this often, and still cannot be settled,
    /// is put aside. At least 2. Default 4.
    pub max_receives: u32,
    /// Seconds from the notice to the end of an instance. Default 120.
    pub notice_seconds: u32,
    /// An event whose time is this far from the queue's is flagged, in
    /// seconds. Default 30.
    pub max_skew_seconds: u32,
    /// How long an event is remembered as handled, in seconds. Default 900.
    pub remember_seconds: u32,
    /// Most events that are remembered. Default 200,000.
    pub max_remembered: u32,
    /// Most instances whose state is kept. Default 100,000.
    pub max_instances: u32,
    /// Share of a cluster's or a zone's nodes that may be cordoned on messages
    /// alone within the window, in percent, rounded down; above it EC2 is asked
    /// first. One node of a zone may always, and one of a cluster of three or
    /// more. Default 20.
    pub unconfirmed_percent: u32,
    /// The window, in seconds. Default 300.
    pub unconfirmed_window_seconds: u32,
    /// Within how many seconds a cordon that EC2 contradicts is taken back.
    /// Default 60.
    pub uncordon_within_seconds: u32,
    /// How old a notice must be before an answer of EC2 can contradict it, in
    /// seconds: before, the answer may be older than the notice. Default 15.
    pub doubt_seconds: u32,
    /// Work on a machine that begins later is waited for, in hours. Default 24.
    pub horizon_hours: u32,
    /// How long a lifecycle hook waits, in seconds, where nobody says. A
    /// heartbeat is due after half of it. Default 3600.
    pub hook_timeout_seconds: u32,
    /// What a rebalance recommendation leads to. Default `mark`.
    pub rebalance: RebalancePolicy,
    /// The same by node pool or node group, which wins.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rebalance_pools: BTreeMap<String, RebalancePolicy>,
    /// Age that a node must have to be acted on for a recommendation, in
    /// minutes. Default 60.
    pub rebalance_min_age_minutes: u32,
    /// Share of a pool's nodes acted on for recommendations within an hour, in
    /// percent, rounded down, but at least one. Default 10.
    pub rebalance_max_percent: u32,
    /// Settings of drains.
    pub drain: drain::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Version::KNOWN,
            queue: Queue::Shared,
            // The largest message of SQS; an event of EventBridge has 256 KiB.
            max_body_bytes: 1 << 20,
            // Events have five levels, in an envelope of SNS no more.
            max_depth: 32,
            // Below the five after which a queue of ours gives a message up.
            max_receives: 4,
            // AWS gives two minutes.
            notice_seconds: 120,
            // Proposal: servers' clocks differ by less.
            max_skew_seconds: 30,
            // Three times the retention that the queue should have.
            remember_seconds: 900,
            // 10,000 nodes, five kinds, four copies; about 20 MB.
            max_remembered: 200_000,
            // Ten times the largest clusters.
            max_instances: 100_000,
            // Invariant I-07: a cordon is undone in a second, a whole zone
            // cordoned by forged messages is an outage.
            unconfirmed_percent: 20,
            unconfirmed_window_seconds: 300,
            uncordon_within_seconds: 60,
            // Proposal: DescribeSpotInstanceRequests follows within seconds.
            doubt_seconds: 15,
            // Health announces work two weeks ahead; a day has a quiet hour.
            horizon_hours: 24,
            // The default timeout of a hook.
            hook_timeout_seconds: 3_600,
            // Those who drained for every recommendation drained in circles.
            rebalance: RebalancePolicy::Mark,
            rebalance_pools: BTreeMap::new(),
            // Longer than two circles of launch and recommendation.
            rebalance_min_age_minutes: 60,
            // The limit of voluntary drains.
            rebalance_max_percent: 10,
            drain: drain::Config::default(),
        }
    }
}

macro_rules! setters {
    ($($with:ident $field:ident: $type:ty),* $(,)?) => {
        impl Config {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub const fn $with(mut self, value: $type) -> Self {
                    self.$field = value;
                    self
                }
            )*
        }
    };
}

setters!(
    with_queue queue: Queue,
    with_max_body_bytes max_body_bytes: u32,
    with_max_depth max_depth: u32,
    with_max_receives max_receives: u32,
    with_remember_seconds remember_seconds: u32,
    with_max_remembered max_remembered: u32,
    with_max_instances max_instances: u32,
    with_unconfirmed_percent unconfirmed_percent: u32,
    with_horizon_hours horizon_hours: u32,
    with_rebalance rebalance: RebalancePolicy,
    with_rebalance_min_age_minutes rebalance_min_age_minutes: u32,
    with_rebalance_max_percent rebalance_max_percent: u32,
);

impl Config {
    /// Sets the policy of one pool.
    #[must_use]
    pub fn with_rebalance_of(mut self, pool: impl Into<String>, policy: RebalancePolicy) -> Self {
        self.rebalance_pools.insert(pool.into(), policy);
        self
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::BadSetting`] for the first value out of range.
    pub fn validate(&self) -> Result<(), Error> {
        for (name, value, least, most) in [
            ("max_body_bytes", self.max_body_bytes, 1_024, 1 << 24),
            ("max_depth", self.max_depth, 4, 100),
            ("max_receives", self.max_receives, 2, 1_000),
            ("notice_seconds", self.notice_seconds, 1, 3_600),
            ("max_skew_seconds", self.max_skew_seconds, 1, 3_600),
            ("remember_seconds", self.remember_seconds, 60, 86_400),
            ("max_remembered", self.max_remembered, 1, 10_000_000),
            ("max_instances", self.max_instances, 1, 10_000_000),
            ("unconfirmed_percent", self.unconfirmed_percent, 0, 100),
            (
                "unconfirmed_window_seconds",
                self.unconfirmed_window_seconds,
                1,
                86_400,
            ),
            (
                "uncordon_within_seconds",
                self.uncordon_within_seconds,
                1,
                3_600,
            ),
            ("doubt_seconds", self.doubt_seconds, 0, 60),
            ("horizon_hours", self.horizon_hours, 1, 8_760),
            (
                "hook_timeout_seconds",
                self.hook_timeout_seconds,
                30,
                172_800,
            ),
            (
                "rebalance_min_age_minutes",
                self.rebalance_min_age_minutes,
                1,
                525_600,
            ),
            ("rebalance_max_percent", self.rebalance_max_percent, 1, 100),
        ] {
            if value < least || value > most {
                return Err(Error::BadSetting {
                    message: format!("{name} must be {least} to {most}, got {value}"),
                });
            }
        }
        self.drain.validate()
    }
}
