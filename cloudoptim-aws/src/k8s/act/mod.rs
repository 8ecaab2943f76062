//! Changing a cluster.
//!
//! [`ClusterActuator`] is made for one plan and has all actuator traits of the
//! core. Every act reads its object right before, checks the permit's
//! preconditions on it, and sends one change that carries the uid and the
//! resource version of what was read: if anybody changed the object in
//! between, the server refuses. A drain sends one eviction for each pod, and
//! repeats only those that were refused, see [`DrainConfig`]. No pod is ever
//! deleted.
//!
//! # Marks
//!
//! A node that the plan cordons carries these annotations; nothing else is
//! marked, for the fields that were changed show who did it
//! (`metadata.managedFields`, manager `cloudoptim`).
//!
//! | annotation | value |
//! | --- | --- |
//! | [`PLAN_KEY`] `cloudoptim/plan` | fingerprint of the plan |
//! | [`UNTIL_KEY`] `cloudoptim/until` | when the plan expires |
//! | [`STEP_KEY`](cloudoptim_core::providers::STEP_KEY) `cloudoptim/step` | key of the step |
//! | [`FENCE_KEY`] `cloudoptim/fence` | fence of the lease, where one is held |
//!
//! A node with the mark of a higher fence belongs to a later holder of the lease,
//! and is left alone. A node that somebody else cordoned gets no marks, and only the plan that
//! marked a node uncordons it. [`release`] takes back all of ours. Without this
//! crate the same is done by
//!
//! ```text
//! kubectl get nodes -o go-template='{{range $n := .items}}{{with $n.metadata.annotations}}{{if index . "cloudoptim/plan"}}{{$n.metadata.name}}{{"\n"}}{{end}}{{end}}{{end}}' |
//!   while read -r node; do
//!     kubectl uncordon "$node" &&
//!     kubectl annotate node "$node" cloudoptim/plan- cloudoptim/until- cloudoptim/step- cloudoptim/fence-
//!   done
//! ```
//!
//! # Events
//!
//! Each change of a node, a workload or a service is followed by an Event about
//! it (`kubectl events`), with the act and the plan's fingerprint in its note
//! and `cloudoptim` as its controller. They are for people: one that fails is
//! traced and counted ([`ClusterActuator::untold`]), and nothing else comes of
//! it. Report mode and the server's dry run send none.
//!
//! Undoing a drain is uncordoning: pods that were evicted run elsewhere, and
//! nothing brings them back.
//!
//! # What Kubernetes has no way for
//!
//! [`ProviderError::NotSupported`] with the reason, which [`no_way`] and
//! [`steps_without_way`] tell beforehand: launching nodes, removing those of an
//! auto scaling group (its owner is asked through EC2), changing templates that
//! cannot be changed; and letting only a part of a workload's replicas run on
//! spot.

mod check;
mod drain;
mod events;
mod evict;
mod nodes;
pub(super) mod object;
mod objects;
mod rehearsal;
mod release;
mod rights;
mod taint;
mod way;
mod workloads;

pub use drain::DrainConfig;
pub use rehearsal::rehearse_act;
pub use release::{Released, release};
pub use rights::{ActRole, act_manifests, act_policy, preflight_act};
pub use way::{no_way, steps_without_way};

use super::client::{ActClient, ActMode, Reader};
use super::status::PROVIDER;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use cloudoptim_core::execute::Rehearsing;
use cloudoptim_core::guard::Permit;
use cloudoptim_core::model::ClusterUid;
use cloudoptim_core::plan::Plan;
use cloudoptim_core::providers::{Actuators, Call, Clock, ClusterActuators, ProviderError};
use evict::Pace;
use http::Method;
use object::Object;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Annotation of a node that a plan of ours cordoned: the plan's fingerprint.
pub const PLAN_KEY: &str = "cloudoptim/plan";

/// Annotation of a node that a plan of ours cordoned: when the plan expires.
pub const UNTIL_KEY: &str = "cloudoptim/until";

/// Annotation of a node that a plan of ours cordoned: the fence of the lease.
pub const FENCE_KEY: &str = "cloudoptim/fence";

const MERGE_PATCH: &str = "application/merge-patch+json";
pub(super) const JSON: &str = "application/json";

/// Sends changes. [`ActClient`] does.
#[async_trait]
pub trait Changer: fmt::Debug + Send + Sync {
    /// Sends one change, once, and gives the body of the answer.
    ///
    /// # Errors
    /// [`ProviderError`], with an [`ApiFailure`](super::ApiFailure) as the source
    /// where the server answered.
    async fn change(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, ProviderError>;

    /// What becomes of a change.
    fn mode(&self) -> ActMode;
}

#[async_trait]
impl Changer for ActClient {
    async fn change(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, ProviderError> {
        self.send(method, path, content_type, body)
            .await?
            .into_result()
    }

    fn mode(&self) -> ActMode {
        Self::mode(self)
    }
}

/// What marks say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Fingerprint of the plan.
    pub plan: String,
    /// When it expires.
    pub until: DateTime<Utc>,
}

impl Marks {
    /// Marks of `plan`.
    pub fn of(plan: &Plan) -> Self {
        Self {
            plan: plan.fingerprint.to_string(),
            until: plan.expires_at,
        }
    }
}

/// Changes one cluster, for one plan. Clones, and those of
/// [`for_plan`](Self::for_plan), share what they know of the server's pace.
#[derive(Debug, Clone)]
pub struct ClusterActuator {
    read: Arc<dyn Reader>,
    act: Arc<dyn Changer>,
    clock: Arc<dyn Clock>,
    marks: Marks,
    drain: DrainConfig,
    pace: Arc<Pace>,
    tells: bool,
    untold: Arc<AtomicU64>,
}

impl ClusterActuator {
    /// Reads through `read`, changes through `act`, and marks with `marks`. What
    /// it reads is what it is about to change, object by object: the role of the
    /// user that acts ([`act_manifests`]) has that, one for reading only lists.
    pub fn new(
        read: Arc<dyn Reader>,
        act: Arc<dyn Changer>,
        clock: Arc<dyn Clock>,
        marks: Marks,
    ) -> Self {
        Self {
            read,
            act,
            clock,
            marks,
            drain: DrainConfig::default(),
            pace: Arc::default(),
            tells: true,
            untold: Arc::default(),
        }
    }

    /// The same cluster for another plan: changes through `act`, and marks with
    /// `marks`. Drains of both keep to one pace, so that what several plans evict
    /// under one budget goes one after the other.
    #[must_use]
    pub fn for_plan(&self, act: Arc<dyn Changer>, marks: Marks) -> Self {
        Self {
            act,
            marks,
            ..self.clone()
        }
    }

    /// Sends no Events.
    #[must_use]
    pub const fn without_events(mut self) -> Self {
        self.tells = false;
        self
    }

    /// Events that could not be sent.
    pub fn untold(&self) -> u64 {
        self.untold.load(Ordering::Relaxed)
    }

    /// Sets how nodes are drained.
    #[must_use]
    pub const fn with_drain(mut self, drain: DrainConfig) -> Self {
        self.drain = drain;
        self
    }

    /// The same for a rehearsal.
    ///
    /// # Errors
    /// [`ProviderError::NotSupported`] where its client sends changes that are
    /// stored.
    pub fn rehearsing(self, cluster: &ClusterUid) -> Result<Rehearsing, ProviderError> {
        if self.act.mode() == ActMode::Act {
            let why = "a client of the mode that acts changes something";
            return Err(unsupported("rehearse", cluster.as_str(), why));
        }
        let actuators = ClusterActuators::of(Arc::new(self));
        Ok(Rehearsing::that_change_nothing(Actuators {
            clusters: [(cluster.clone(), actuators)].into(),
            ..Actuators::default()
        }))
    }

    async fn object(&self, path: &str) -> Result<Object, ProviderError> {
        Object::read(&*self.read, path).await
    }

    /// Sends what differs between `before` and `after`, if the object is still
    /// as it was read, and tells it.
    async fn patch(
        &self,
        permit: &Permit,
        path: &str,
        before: &Object,
        after: &Object,
    ) -> Result<(), ProviderError> {
        if patch(&*self.act, path, before, after).await? {
            self.tell(permit, before).await;
        }
        Ok(())
    }
}

/// Whether there was anything to change.
async fn patch(
    act: &dyn Changer,
    path: &str,
    before: &Object,
    after: &Object,
) -> Result<bool, ProviderError> {
    let Some(body) = before.patch_to(after) else {
        return Ok(false);
    };
    act.change(
        Method::PATCH,
        path,
        MERGE_PATCH,
        body.to_string().into_bytes(),
    )
    .await?;
    Ok(true)
}

/// A permit is for exactly one act.
fn is_for(operation: &str, permit: &Permit, is: bool) -> Result<(), ProviderError> {
    if is {
        Ok(())
    } else {
        Err(changed(
            operation,
            &permit.action().resource(),
            format!("the permit is for another act: {}", permit.action()),
        ))
    }
}

/// A permit is for exactly one act, for which there is a way.
fn can_do(operation: &str, permit: &Permit, is: bool) -> Result<(), ProviderError> {
    is_for(operation, permit, is)?;
    match no_way(permit.action()) {
        None => Ok(()),
        Some(why) => Err(unsupported(operation, &permit.action().resource(), why)),
    }
}

fn changed(operation: &str, resource: &str, why: impl Into<String>) -> ProviderError {
    ProviderError::Conflict {
        call: call(operation, resource, why),
    }
}

fn unsupported(operation: &str, resource: &str, why: impl Into<String>) -> ProviderError {
    ProviderError::NotSupported {
        call: call(operation, resource, why),
    }
}

fn call(operation: &str, resource: &str, why: impl Into<String>) -> Box<Call> {
    Box::new(
        Call::new(PROVIDER, operation)
            .on(resource)
            .because(why.into()),
    )
}
