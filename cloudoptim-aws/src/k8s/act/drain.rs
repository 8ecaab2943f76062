//! Draining a node.

use super::nodes::{ends_with_its_node, is_cordoned};
use super::object::{Object, node_path};
use super::{ClusterActuator, call, changed, check};
use crate::k8s::client::ActMode;
use chrono::TimeDelta;
use cloudoptim_core::decision::PodMove;
use cloudoptim_core::guard::Permit;
use cloudoptim_core::input::{Listed, page};
use cloudoptim_core::model::{NodeName, Pod, PodDisruptionBudget, Uid};
use cloudoptim_core::providers::ProviderError;
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// Objects of one page.
const PAGE: &str = "500";

/// Most pages of one list.
const MOST_PAGES: usize = 1_000;

/// How nodes are drained.
///
/// Right before each eviction the node and the pod are read again, and the
/// eviction carries the pod's uid: a pod of the same name that runs elsewhere
/// by now is left alone. What is refused is asked again as the answer demands:
///
/// | answer | then |
/// | --- | --- |
/// | 429, cause `DisruptionBudget`; 403 of the budget | again after a growing, uneven wait, until the deadline |
/// | 429 without it (the server is busy) | all evictions wait |
/// | 409; no answer, 5xx | the pod is read again, then at most a few times |
/// | 404 | the pod is gone |
/// | 500 "more than one PodDisruptionBudget", 403 of the caller's rights | the drain ends |
///
/// Pods that a budget covers leave one after the other, those of different
/// budgets side by side. Pods that end by themselves are waited for, with their
/// own grace, which is never shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainConfig {
    /// How long one drain may take, all attempts together. Default 15 minutes:
    /// longer than the ten that pods with a long grace commonly have.
    pub deadline: TimeDelta,
    /// How long nothing may land on the node before the first pod leaves.
    /// Default 5 s: a scheduler may not have seen the cordon yet.
    pub settle: TimeDelta,
    /// Between two looks at what is left on the node. Default 1 s.
    pub poll: TimeDelta,
    /// Most budgets that are worked on side by side. Default 8.
    pub side_by_side: usize,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            deadline: TimeDelta::minutes(15),
            settle: TimeDelta::seconds(5),
            poll: TimeDelta::seconds(1),
            side_by_side: 8,
        }
    }
}

impl DrainConfig {
    /// Sets how long one drain may take.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: TimeDelta) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how long nothing may land on the node before the first pod leaves.
    #[must_use]
    pub const fn with_settle(mut self, settle: TimeDelta) -> Self {
        self.settle = settle;
        self
    }
}

/// One drain.
#[derive(Debug)]
pub(super) struct Drain<'a> {
    pub(super) node: &'a NodeName,
    pub(super) node_uid: String,
    /// Of its step.
    pub(super) key: String,
    /// On the monotonic clock.
    pub(super) deadline: TimeDelta,
    stopped: AtomicBool,
}

impl<'a> Drain<'a> {
    pub(super) fn new(node: &'a NodeName, node_uid: &str, key: &str, deadline: TimeDelta) -> Self {
        Self {
            node,
            node_uid: node_uid.to_owned(),
            key: key.to_owned(),
            deadline,
            stopped: AtomicBool::new(false),
        }
    }

    /// Whether another pod of the drain met something that ends it.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The time is over, and nothing that is asked again changes it.
    pub(super) fn late(&self, what: &str) -> ProviderError {
        let why = format!("the time for it is over, and it waits for {what}");
        ProviderError::Throttled {
            retry_after: None,
            call: call("drain_node", self.node.as_str(), why),
        }
    }
}

impl ClusterActuator {
    /// Gives the node if pods left it.
    pub(super) async fn drain_pods(
        &self,
        permit: &Permit,
        name: &NodeName,
        moves: &[PodMove],
    ) -> Result<Option<Object>, ProviderError> {
        let op = "drain_node";
        let node = self.object(&node_path(name.as_str())?).await?;
        check::still_so(op, permit, &node)?;
        let now = self.clock.monotonic();
        let deadline = self.pace.begun(permit.key(), now) + self.drain.deadline;
        let drain = Drain::new(name, node.uid(), permit.key(), deadline);
        let leaving: BTreeSet<&Uid> = moves.iter().map(|m| &m.uid).collect();
        let mut pods = self.pods_on(name).await?;
        if !remain(&pods, &leaving) {
            return Ok(None);
        }
        if now >= deadline {
            return Err(drain.late(&self.pace.late(permit.key())));
        }
        if self.act.mode() == ActMode::Act && !is_cordoned(&node) {
            return Err(changed(op, name.as_str(), "it is not cordoned"));
        }
        if self.act.mode() == ActMode::Act && self.drain.settle > TimeDelta::zero() {
            self.clock.sleep(self.drain.settle).await;
            let before: BTreeSet<Uid> = pods.into_iter().map(|p| p.meta.uid).collect();
            pods = self.pods_on(name).await?;
            let landed = pods.iter().find(|pod| {
                !before.contains(&pod.meta.uid)
                    && !leaving.contains(&pod.meta.uid)
                    && !ends_with_its_node(pod)
            });
            if let Some(pod) = landed {
                let why = format!("pod {} has landed on it since", pod.meta.path());
                return Err(changed(op, name.as_str(), why));
            }
        }
        self.evict_all(&drain, moves, &pods).await?;
        if self.act.mode() != ActMode::Act {
            return Ok(None);
        }
        loop {
            let pods = self.pods_on(name).await?;
            let Some(left) = left(&pods, &leaving) else {
                return Ok(Some(node));
            };
            if self.clock.monotonic() >= drain.deadline {
                let what = format!("pod {}, which does not end", left.meta.path());
                self.pace.is_late(&drain.key, &what);
                return Err(drain.late(&what));
            }
            self.clock.sleep(self.drain.poll).await;
        }
    }

    async fn evict_all(
        &self,
        drain: &Drain<'_>,
        moves: &[PodMove],
        pods: &[Pod],
    ) -> Result<(), ProviderError> {
        let lanes = self.lanes(moves, pods).await?;
        let running: Vec<_> = lanes
            .iter()
            .map(|(budget, lane)| self.evict_in_turn(drain, budget, lane).boxed())
            .collect();
        let results: Vec<Result<(), ProviderError>> = stream::iter(running)
            .buffer_unordered(self.drain.side_by_side.max(1))
            .collect()
            .await;
        results.into_iter().collect()
    }

    async fn evict_in_turn(
        &self,
        drain: &Drain<'_>,
        budget: &str,
        lane: &[&PodMove],
    ) -> Result<(), ProviderError> {
        for pod in lane {
            let result = self.evict(drain, pod, budget).await;
            if result.is_err() {
                drain.stopped.store(true, Ordering::Relaxed);
                return result;
            }
        }
        Ok(())
    }

    /// Pods that leave, by the budget that covers them, or each by itself.
    async fn lanes<'m>(
        &self,
        moves: &'m [PodMove],
        pods: &[Pod],
    ) -> Result<BTreeMap<String, Vec<&'m PodMove>>, ProviderError> {
        let namespaces: BTreeSet<&str> = moves.iter().map(|m| m.pod.namespace.as_str()).collect();
        let mut budgets = Vec::new();
        for namespace in namespaces {
            // A namespace is a part of a path, and a name of ours.
            let path = super::object::path_of("policy/v1", "PodDisruptionBudget", namespace, "x")?;
            let path = path.trim_end_matches("/x");
            budgets.extend(self.list::<PodDisruptionBudget>(path, &[]).await?);
        }
        let mut lanes: BTreeMap<String, Vec<&PodMove>> = BTreeMap::new();
        for leaving in moves {
            let Some(pod) = pods.iter().find(|p| p.meta.uid == leaving.uid) else {
                continue;
            };
            let covering = budgets
                .iter()
                .filter(|b| b.meta.namespace == pod.meta.namespace)
                .filter(|b| {
                    b.selector
                        .as_ref()
                        .is_some_and(|s| s.matches(&pod.meta.labels))
                })
                .map(|b| format!("budget {}", b.meta.path()))
                .min();
            let lane = covering.unwrap_or_else(|| format!("pod {}", leaving.uid));
            lanes.entry(lane).or_default().push(leaving);
        }
        Ok(lanes)
    }

    /// Pods on a node.
    pub(super) async fn pods_on(&self, node: &NodeName) -> Result<Vec<Pod>, ProviderError> {
        let selector = format!("spec.nodeName={node}");
        self.list::<Pod>("/api/v1/pods", &[("fieldSelector", &selector)])
            .await
    }

    /// A whole list, or an error.
    async fn list<T: Listed>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<T>, ProviderError> {
        let broken = |why: String| ProviderError::Unavailable {
            call: call("list", path, why),
        };
        let mut items = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = parameters.to_vec();
            query.push(("limit", PAGE));
            if let Some(token) = &token {
                query.push(("continue", token));
            }
            let body = self.read.get(path, &query).await?;
            let page = page::<T>(path, &body).map_err(|e| broken(e.to_string()))?;
            if let Some(first) = page.first_broken {
                return Err(broken(first));
            }
            items.extend(page.items);
            match page.next {
                None => return Ok(items),
                next if next == token => break,
                next => token = next,
            }
        }
        Err(broken("the list does not end".to_owned()))
    }
}

fn left<'p>(pods: &'p [Pod], leaving: &BTreeSet<&Uid>) -> Option<&'p Pod> {
    pods.iter()
        .find(|pod| leaving.contains(&pod.meta.uid) && !pod.is_finished())
}

fn remain(pods: &[Pod], leaving: &BTreeSet<&Uid>) -> bool {
    left(pods, leaving).is_some()
}
