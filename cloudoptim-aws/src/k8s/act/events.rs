//! Telling the cluster what was done, as Kubernetes Events.

use super::object::Object;
use super::{ClusterActuator, JSON};
use crate::k8s::client::ActMode;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::decision::Action;
use cloudoptim_core::guard::Permit;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use http::Method;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Who reports: also the field manager of every change.
pub(super) const REPORTER: &str = "cloudoptim";

/// How long an event may take. It is not worth more.
const PATIENCE: TimeDelta = TimeDelta::seconds(2);

/// Most characters of a note that the server takes.
const NOTE: usize = 1_024;

/// What was done, in one word, and what kind of act that is.
const fn words(action: &Action) -> (&'static str, &'static str) {
    match action {
        Action::CordonNode { .. } => ("Cordoned", "Cordon"),
        Action::UncordonNode { .. } => ("Uncordoned", "Uncordon"),
        Action::DrainNode { .. } => ("Drained", "Drain"),
        Action::RemoveNode { .. } => ("Removing", "Remove"),
        Action::ResizeContainer { .. } => ("Resized", "Resize"),
        Action::ScaleWorkload { .. } => ("Scaled", "Scale"),
        Action::SuspendWorkload { suspend: true, .. } => ("Suspended", "Suspend"),
        Action::SuspendWorkload { .. } => ("Resumed", "Resume"),
        Action::PreferZone { .. } => ("ZonePreferred", "PreferZone"),
        Action::SetSpotShare { .. } => ("SpotShareSet", "SetSpotShare"),
        Action::RouteService { .. } => ("Routed", "Route"),
        Action::Annotate { .. } => ("Annotated", "Annotate"),
        _ => ("Changed", "Change"),
    }
}

fn event(permit: &Permit, plan: &str, about: &Object, now: DateTime<Utc>) -> (String, Value) {
    let of = |field: &str| about.text(field);
    // What lives in no namespace is told about in this one.
    let namespace = match of("/metadata/namespace") {
        "" => "default",
        own => own,
    };
    let (reason, action) = words(permit.action());
    let note: String = format!("{} (plan {plan})", permit.action())
        .chars()
        .take(NOTE)
        .collect();
    let moment = now.timestamp_nanos_opt().unwrap_or_default();
    // As Kubernetes' own recorders name theirs.
    let name: String = of("/metadata/name").chars().take(200).collect();
    let body = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": format!("{name}.{moment:x}"), "namespace": namespace},
        "eventTime": now.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "reportingController": REPORTER,
        "reportingInstance": REPORTER,
        "action": action,
        "reason": reason,
        "type": "Normal",
        "note": note,
        "regarding": {
            "apiVersion": of("/apiVersion"),
            "kind": of("/kind"),
            "namespace": of("/metadata/namespace"),
            "name": of("/metadata/name"),
            "uid": about.uid(),
        },
    });
    let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
    (path, body)
}

impl ClusterActuator {
    /// Tells what was done to `about`. Nothing depends on it.
    pub(super) async fn tell(&self, permit: &Permit, about: &Object) {
        if !self.tells || self.act.mode() != ActMode::Act {
            return;
        }
        let (path, body) = event(permit, &self.marks.plan, about, self.clock.now());
        let body = body.to_string().into_bytes();
        let sent = self.act.change(Method::POST, &path, JSON, body).boxed();
        let told = match select(sent, self.clock.sleep(PATIENCE)).await {
            Either::Left((answer, _)) => answer.map(drop).map_err(|error| error.to_string()),
            Either::Right(_) => Err("no answer in time".to_owned()),
        };
        if let Err(error) = told {
            self.untold.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%path, %error, "an event was not told");
        }
    }
}
