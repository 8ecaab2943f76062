//! One eviction, and what the server says to it.

use super::drain::Drain;
use super::nodes::is_cordoned;
use super::object::{Object, node_path, path_of};
use super::{ClusterActuator, JSON, changed};
use crate::k8s::client::ActMode;
use crate::k8s::status::ApiFailure;
use chrono::TimeDelta;
use cloudoptim_core::decision::PodMove;
use cloudoptim_core::providers::{Clock, ProviderError};
use http::Method;
use serde_json::json;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// Most times that one pod is tried again although nobody knows why it failed.
const MOST_UNKNOWN: u32 = 5;

/// Most conflicts on one pod: each costs its budget a disruption.
const MOST_CONFLICTS: u32 = 3;

/// What all drains of one cluster keep to.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Evictions under one budget go one after the other: side by side they
    /// wait for each other in the server, half a second at a time.
    budgets: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// The server is busy until then.
    resume_at: Mutex<TimeDelta>,
    /// When each drain began, by the key of its step.
    begun: Mutex<BTreeMap<String, TimeDelta>>,
    /// What those waited for whose time was over.
    late: Mutex<BTreeMap<String, String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pace {
    /// When a drain began: a second attempt has no more time than the first.
    pub(super) fn begun(&self, key: &str, now: TimeDelta) -> TimeDelta {
        *locked(&self.begun).entry(key.to_owned()).or_insert(now)
    }

    /// What a drain waited for when its time was over.
    pub(super) fn late(&self, key: &str) -> String {
        locked(&self.late).get(key).cloned().unwrap_or_default()
    }

    pub(super) fn is_late(&self, key: &str, what: &str) {
        locked(&self.late).insert(key.to_owned(), what.to_owned());
    }

    fn budget(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        locked(&self.budgets)
            .entry(key.to_owned())
            .or_default()
            .clone()
    }

    fn slow_down(&self, until: TimeDelta) {
        let mut resume_at = locked(&self.resume_at);
        *resume_at = until.max(*resume_at);
    }

    async fn wait(&self, clock: &dyn Clock) {
        let until = *locked(&self.resume_at);
        let span = until - clock.monotonic();
        if span > TimeDelta::zero() {
            clock.sleep(span).await;
        }
    }
}

/// What an answer to an eviction means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The pod is not there any more.
    Gone,
    /// The server has too much to do: everybody slows down.
    Busy(Option<TimeDelta>),
    /// A budget, or what keeps the pods that it let go, says not now.
    NotNow(Option<TimeDelta>),
    /// The pod is another one, or was changed: look again.
    Changed,
    /// Nobody knows whether it was evicted: look again.
    Unknown,
    /// No repetition will do.
    Never,
}

fn verdict(error: &ProviderError) -> Verdict {
    let failure = ApiFailure::of(error);
    let has_cause = |reason| failure.is_some_and(|f| f.has_cause(reason));
    match error {
        ProviderError::NotFound { .. } => Verdict::Gone,
        ProviderError::Throttled { retry_after, .. } => {
            let by_budget = has_cause("DisruptionBudget") || failure.is_some_and(|f| f.code == 403);
            if by_budget {
                Verdict::NotNow(*retry_after)
            } else {
                Verdict::Busy(*retry_after)
            }
        }
        // The pod is about to be deleted with its namespace.
        ProviderError::Conflict { .. } if has_cause("NamespaceTerminating") => {
            Verdict::NotNow(None)
        }
        ProviderError::Conflict { .. } => Verdict::Changed,
        ProviderError::Unavailable { .. } | ProviderError::Other { .. } => Verdict::Unknown,
        _ => Verdict::Never,
    }
}

/// What is known of a pod that is to leave.
enum Look {
    /// It has left, or is on its way, or has ended.
    Leaves,
    /// It has to be evicted.
    Stays,
}

impl ClusterActuator {
    /// Evicts one pod, by uid. It returns once the server has agreed, or the pod
    /// is gone or going.
    pub(super) async fn evict(
        &self,
        drain: &Drain<'_>,
        pod: &PodMove,
        budget: &str,
    ) -> Result<(), ProviderError> {
        let clock = &*self.clock;
        let path = path_of("v1", "Pod", &pod.pod.namespace, &pod.pod.name)?;
        let (mut refused, mut conflicts, mut unknown) = (0_u32, 0_u32, 0_u32);
        let mut last = String::from("not tried yet");
        loop {
            if drain.is_stopped() {
                return Ok(());
            }
            self.pace.wait(clock).await;
            if clock.monotonic() >= drain.deadline {
                let what = format!("pod {}: {last}", pod.pod);
                self.pace.is_late(&drain.key, &what);
                return Err(drain.late(&what));
            }
            let answer = {
                let lock = self.pace.budget(budget);
                let _alone = lock.lock().await;
                // As late as can be: a wrong uid costs the budget a disruption.
                match self.look(drain, pod, &path).await {
                    Ok(Look::Leaves) => return Ok(()),
                    Ok(Look::Stays) => self.send_eviction(pod, &path).await,
                    Err(error) if error.is_retryable() => Err(error),
                    Err(error) => return Err(error),
                }
            };
            let Err(error) = answer else { return Ok(()) };
            if self.act.mode() != ActMode::Act && verdict(&error) != Verdict::Gone {
                // It would have to be waited for: that is the answer.
                return Err(error);
            }
            last = explained(&error);
            let at_least = match verdict(&error) {
                Verdict::Gone => return Ok(()),
                Verdict::Never => return Err(error),
                Verdict::Busy(after) => {
                    let after = after.unwrap_or_else(|| backoff(refused, &pod.uid));
                    self.pace.slow_down(clock.monotonic() + after);
                    after
                }
                Verdict::NotNow(after) => after.unwrap_or_default(),
                Verdict::Changed => {
                    conflicts += 1;
                    if conflicts >= MOST_CONFLICTS {
                        return Err(error);
                    }
                    TimeDelta::zero()
                }
                Verdict::Unknown => {
                    unknown += 1;
                    if unknown >= MOST_UNKNOWN {
                        return Err(error);
                    }
                    TimeDelta::zero()
                }
            };
            let wait = at_least.max(backoff(refused, &pod.uid));
            refused = refused.saturating_add(1);
            let left = drain.deadline - clock.monotonic();
            clock.sleep(wait.min(left).max(TimeDelta::zero())).await;
        }
    }

    /// Whether the node is still ours to drain, and the pod still on it.
    async fn look(
        &self,
        drain: &Drain<'_>,
        pod: &PodMove,
        path: &str,
    ) -> Result<Look, ProviderError> {
        let node = self.object(&node_path(drain.node.as_str())?).await?;
        if node.uid() != drain.node_uid {
            return Err(changed(
                "drain_node",
                drain.node.as_str(),
                "it is another node",
            ));
        }
        if self.act.mode() == ActMode::Act && !is_cordoned(&node) {
            return Err(changed(
                "drain_node",
                drain.node.as_str(),
                "somebody uncordoned it",
            ));
        }
        let found = match self.object(path).await {
            Ok(found) => found,
            Err(ProviderError::NotFound { .. }) => return Ok(Look::Leaves),
            Err(error) => return Err(error),
        };
        Ok(if leaves(&found, drain, pod) {
            Look::Leaves
        } else {
            Look::Stays
        })
    }

    async fn send_eviction(&self, pod: &PodMove, path: &str) -> Result<(), ProviderError> {
        let mut options = json!({"preconditions": {"uid": pod.uid.as_str()}});
        if self.act.mode() == ActMode::ServerDryRun {
            options["dryRun"] = json!(["All"]);
        }
        let eviction = json!({
            "kind": "Eviction",
            "apiVersion": "policy/v1",
            "metadata": {"namespace": pod.pod.namespace, "name": pod.pod.name},
            "deleteOptions": options,
        });
        let body = eviction.to_string().into_bytes();
        self.act
            .change(Method::POST, &format!("{path}/eviction"), JSON, body)
            .await?;
        Ok(())
    }
}

fn leaves(found: &Object, drain: &Drain<'_>, pod: &PodMove) -> bool {
    // Another pod of that name is somebody else's, wherever it runs.
    found.uid() != pod.uid.as_str()
        || found.text("/spec/nodeName") != drain.node.as_str()
        || found.is_going()
        || matches!(found.text("/status/phase"), "Succeeded" | "Failed")
}

fn explained(error: &ProviderError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// One second, two, four, up to ten, and up to half as much again, so that pods
/// that wait for one budget do not ask in step.
fn backoff(refused: u32, uid: &impl Hash) -> TimeDelta {
    let base = 1_000_i64 << refused.min(4);
    let mut hasher = DefaultHasher::new();
    (uid, refused).hash(&mut hasher);
    let base = base.min(10_000);
    let spread = i64::try_from(hasher.finish() % 501).unwrap_or(0);
    TimeDelta::milliseconds(base + base * spread / 1_000)
}

#[cfg(test)]
mod tests;
