//! Whether what runs is well, asked between steps.

use super::Sources;
use crate::model::{ClusterUid, Uid};
use crate::plan::Plan;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Well. The plan goes on.
    Healthy,
    /// Not well, and why.
    Unhealthy {
        /// Why.
        why: String,
    },
    /// Nobody can tell, and why. It is not a yes.
    Unknown {
        /// Why.
        why: String,
    },
}

/// How a cluster was before a plan's first act.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClusterBaseline {
    /// Pods that waited for a node.
    pub waiting: BTreeSet<Uid>,
    /// Ready pods of each workload, `namespace/Kind/name`, that had any.
    pub ready: BTreeMap<String, u32>,
}

/// How things were before a plan's first act. It is kept in the journal, so
/// that a run that takes up another compares with the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Each cluster of the plan.
    pub clusters: BTreeMap<ClusterUid, ClusterBaseline>,
}

/// A plan that is under way.
#[derive(Debug, Clone, Copy)]
pub struct Underway<'a> {
    /// Plan.
    pub plan: &'a Plan,
    /// For reads.
    pub sources: &'a Sources,
    /// How things were before its first act.
    pub before: &'a Baseline,
    /// When its last act was over: what was read before says nothing.
    pub since: DateTime<Utc>,
}

/// Says between steps whether a plan may go on.
///
/// [`ClusterHealth`](crate::health::ClusterHealth) looks at the clusters. A host
/// has its own signs, such as alerts or error rates: it implements this trait
/// and joins the two with [`ClusterHealth::and`](crate::health::ClusterHealth::and).
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait HealthGate: fmt::Debug + Send + Sync {
    /// Notes how things are before the first act of `plan`. Default: nothing.
    ///
    /// # Errors
    /// Why it cannot be told; the plan is not begun then.
    async fn before(&self, _plan: &Plan, _sources: &Sources) -> Result<Baseline, String> {
        Ok(Baseline::default())
    }

    /// How things are now. Asked before each step that may disturb what runs,
    /// except the first.
    async fn judge<'a>(&self, underway: Underway<'a>) -> Verdict;
}
