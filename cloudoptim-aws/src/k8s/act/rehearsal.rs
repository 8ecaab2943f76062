//! Acts in the server's dry run, before one is meant.

use super::super::permission::Permission;
use super::super::preflight::{Check, Grant, told};
use super::object::Object;
use super::rights::{ActRole, needed};
use super::{Changer, JSON, MERGE_PATCH};
use crate::k8s::client::{ActMode, Reader};
use crate::k8s::status::ApiFailure;
use cloudoptim_core::providers::ProviderError;
use http::Method;
use serde_json::{Value, json};

/// Annotation that a rehearsed change would set. Nothing stores it.
const REHEARSED: &str = "cloudoptim/rehearsal";

/// Tries every change that acting in that role takes in the server's dry run, in
/// order, each on the first object of its kind: beside the caller's rights this
/// shows what admission says to it. To be asked as the user that acts, with a
/// `reader` that may list those kinds and a changer of
/// [`ActMode::ServerDryRun`]; nothing is stored.
///
/// | answer | then |
/// | --- | --- |
/// | it would be done; a budget or a conflict is in the way | granted |
/// | 403, or admission refuses it | denied |
/// | there is no such object, no answer, any other mode | unverified |
///
/// What only reads is not here: [`preflight_act`](super::preflight_act) asks for it.
pub async fn rehearse_act(reader: &dyn Reader, act: &dyn Changer, role: &ActRole) -> Vec<Check> {
    let mut checks = Vec::new();
    for (permission, engines) in needed(role) {
        if matches!(permission.verb.as_str(), "get" | "list") {
            continue;
        }
        let grant = match act.mode() {
            ActMode::ServerDryRun => rehearsed(reader, act, role, &permission).await,
            mode => Grant::Unverified {
                why: format!("{mode:?} is not the server's dry run"),
            },
        };
        checks.push(Check {
            permission,
            engines: engines.into_iter().collect(),
            grant,
        });
    }
    checks
}

fn unverified(why: impl Into<String>) -> Grant {
    Grant::Unverified { why: why.into() }
}

/// Where all objects of the permission's kind are, and of which part of one it is.
fn places(permission: &Permission) -> (String, Option<&str>) {
    let (resource, part) = match permission.resource.split_once('/') {
        Some((resource, part)) => (resource, Some(part)),
        None => (permission.resource.as_str(), None),
    };
    let version = match permission.group.as_str() {
        "keda.sh" => "v1alpha1",
        _ => "v1",
    };
    let root = match permission.group.as_str() {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    let path = match &permission.namespace {
        None => format!("{root}/{resource}"),
        Some(namespace) => format!("{root}/namespaces/{namespace}/{resource}"),
    };
    (path, part)
}

async fn rehearsed(
    reader: &dyn Reader,
    act: &dyn Changer,
    role: &ActRole,
    permission: &Permission,
) -> Grant {
    let (all, part) = places(permission);
    if permission.verb == "create" && part.is_none() {
        let body = match permission.resource.as_str() {
            "events" => event(permission.namespace.as_deref().unwrap_or("default")),
            _ => match &role.lease {
                Some(lease) => {
                    json!({"metadata": {"name": lease.name, "namespace": lease.namespace}})
                }
                None => return unverified("the role has no lease"),
            },
        };
        return send(act, Method::POST, &all, JSON, &body).await;
    }
    let found = match first(reader, &all, permission.name.as_deref()).await {
        Ok(Some(found)) => found,
        Ok(None) => return unverified(format!("there is nothing at {all} to try it on")),
        Err(error) => return unverified(told(&error)),
    };
    let own = match found.text("/metadata/namespace") {
        namespace if permission.namespace.is_none() && !namespace.is_empty() => {
            all.replace("/pods", &format!("/namespaces/{namespace}/pods"))
        }
        _ => all,
    };
    let path = format!("{own}/{}", found.name());
    match (permission.verb.as_str(), part) {
        ("create", Some("eviction")) => {
            let body = json!({"kind": "Eviction", "apiVersion": "policy/v1",
                "metadata": {"name": found.name(), "namespace": found.text("/metadata/namespace")},
                "deleteOptions": {"dryRun": ["All"], "preconditions": {"uid": found.uid()}}});
            send(act, Method::POST, &format!("{path}/eviction"), JSON, &body).await
        }
        ("delete", _) => {
            let mut body = found.delete_options();
            body["dryRun"] = json!(["All"]);
            send(act, Method::DELETE, &path, JSON, &body).await
        }
        ("update", _) => send(act, Method::PUT, &path, JSON, &found.0).await,
        (_, Some("scale")) => {
            let body = json!({"spec": {"replicas": found.0.pointer("/spec/replicas")}});
            send(
                act,
                Method::PATCH,
                &format!("{path}/scale"),
                MERGE_PATCH,
                &body,
            )
            .await
        }
        _ => {
            let body = json!({"metadata": {"annotations": {REHEARSED: "true"}}});
            send(act, Method::PATCH, &path, MERGE_PATCH, &body).await
        }
    }
}

/// An event that tells nothing.
fn event(namespace: &str) -> Value {
    json!({"metadata": {"name": "cloudoptim-rehearsal", "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": super::events::REPORTER,
        "reportingInstance": super::events::REPORTER,
        "action": "Rehearse", "reason": "Rehearsed", "type": "Normal", "note": "nothing was done",
        "regarding": {"apiVersion": "v1", "kind": "Namespace", "name": namespace,
            "namespace": namespace}})
}

/// The object of that name, or the first of the list.
async fn first(
    reader: &dyn Reader,
    all: &str,
    name: Option<&str>,
) -> Result<Option<Object>, ProviderError> {
    if let Some(name) = name {
        return match Object::read(reader, &format!("{all}/{name}")).await {
            Ok(found) => Ok(Some(found)),
            Err(ProviderError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        };
    }
    let body = match reader.get(all, &[("limit", "100")]).await {
        Ok(body) => body,
        Err(ProviderError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let list: Value = serde_json::from_slice(&body).unwrap_or_default();
    let items = list.get("items").and_then(Value::as_array);
    // Nothing of the system is ever changed, so nothing is tried there.
    let of_system = |o: &Object| o.text("/metadata/namespace").starts_with("kube-");
    let objects = items.into_iter().flatten().cloned().map(Object);
    Ok(objects.into_iter().find(|o| !of_system(o)))
}

async fn send(act: &dyn Changer, method: Method, path: &str, kind: &str, body: &Value) -> Grant {
    let sent = act.change(method, path, kind, body.to_string().into_bytes());
    let error = match sent.await {
        Ok(_) => return Grant::Granted,
        Err(error) => error,
    };
    let code = ApiFailure::of(&error).map(|failure| failure.code);
    match (&error, code) {
        (ProviderError::PermissionDenied { .. }, _) => Grant::Denied,
        // Admission that refuses says so with its own code, 422 or 400 or 403.
        (_, Some(422)) => Grant::Denied,
        // It got as far as to the state of the object.
        (ProviderError::Conflict { .. } | ProviderError::Throttled { .. }, Some(409 | 429)) => {
            Grant::Granted
        }
        _ => unverified(told(&error)),
    }
}
