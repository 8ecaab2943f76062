//! Ends pods as kubelets do: each after its grace, and by its uid.
//!
//! kwok's own stages delete by name, so that a StatefulSet's next pod of that
//! name may be deleted in place of the one before, and the next of it again.
//! Start the plane with the stages of [`without_ends`] for this.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::api::{Api, ApiError};
use super::plane::{Plane, PlaneError, stages};

/// Pods run at once, and one that is deleted stays until somebody ends it.
#[must_use]
pub fn without_ends() -> Vec<&'static str> {
    let mut stages = stages::fast();
    stages.retain(|stage| !stage.ends_with("pod-delete"));
    stages
}

/// Ends every pod of a plane that is being deleted, is on a node and is held by
/// no finalizer, until it is dropped.
#[derive(Debug)]
pub struct Endings {
    watching: JoinHandle<()>,
}

impl Drop for Endings {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Endings {
    /// Begins.
    ///
    /// # Errors
    /// [`PlaneError::Api`] if the certificate authority cannot be used.
    pub fn start(plane: &Plane) -> Result<Self, PlaneError> {
        let api = plane.world_api()?;
        let watching = tokio::spawn(async move {
            loop {
                // A watch that has ended is begun anew.
                let _ = follow(&api).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Ok(Self { watching })
    }
}

async fn follow(api: &Api) -> Result<(), ApiError> {
    let list = api.get("/api/v1/pods").await?.ok()?;
    let mut begun = BTreeSet::new();
    for pod in list["items"].as_array().into_iter().flatten() {
        end(api, pod, &mut begun);
    }
    let version = list["metadata"]["resourceVersion"].as_str();
    let version = version.unwrap_or_default();
    let path = format!("/api/v1/pods?watch=1&resourceVersion={version}&timeoutSeconds=14400");
    let mut watch = api.watch(&path).await?;
    while let Some(event) = watch.next().await? {
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => end(api, &event["object"], &mut begun),
            Some("DELETED") => {}
            _ => break,
        }
    }
    Ok(())
}

/// Ends the pod when its grace is over, if its end has begun.
fn end(api: &Api, pod: &Value, begun: &mut BTreeSet<String>) {
    let meta = &pod["metadata"];
    let text = |field: &str| meta[field].as_str().unwrap_or_default().to_owned();
    let held = meta["finalizers"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    let on_node = pod["spec"]["nodeName"].is_string();
    if !meta["deletionTimestamp"].is_string() || held || !on_node || !begun.insert(text("uid")) {
        return;
    }
    let grace = meta["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}",
        text("namespace"),
        text("name")
    );
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
        "preconditions": {"uid": text("uid")}});
    let api = api.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(grace)).await;
        let body = Bytes::from(options.to_string());
        // What is gone already, or another pod by now, needs no end.
        let _ = api
            .send(Method::DELETE, &path, "application/json", body)
            .await;
    });
}
