//! What kubectl does to drain a node, told anew and in short, for comparison:
//! it lists the pods once, evicts each by its name, asks again every five
//! seconds for what a budget refuses, and waits until each pod is gone or
//! another one has its name.

use cloudoptim_aws::testing::api::{Api, PatchKind};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long it waits before it asks again for what a budget refused.
const RETRY: Duration = Duration::from_secs(5);
/// How often it looks whether a pod is gone.
const LOOK: Duration = Duration::from_secs(1);

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every pod that it listed is gone.
    Drained,
    /// It evicted nothing: a pod on the node is none to be evicted.
    Refused(String),
    /// An eviction failed. What else it evicted is gone.
    Failed(String),
    /// It would have gone on asking and waiting.
    Waits,
}

/// Drains a node as kubectl would with `--ignore-daemonsets`, and without
/// `--force`. It waits for ever by itself; here for `patience`.
pub(super) async fn drain(api: &Api, node: &str, patience: Duration) -> Ended {
    let path = format!("/api/v1/nodes/{node}");
    let cordon = json!({"spec": {"unschedulable": true}});
    let cordoned = api.patch(&path, PatchKind::Merge, &cordon).await;
    cordoned.unwrap().ok().unwrap();
    let list = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
    let list = api.get(&list).await.unwrap().ok().unwrap();
    let mut leaving = Vec::new();
    for pod in list["items"].as_array().unwrap() {
        let owners = pod.pointer("/metadata/ownerReferences");
        let owners = owners.and_then(Value::as_array).into_iter().flatten();
        let owner = owners.into_iter().find(|owner| owner["controller"] == true);
        let finished = ["Succeeded", "Failed"]
            .iter()
            .any(|phase| pod["status"]["phase"] == *phase);
        match owner {
            None if !finished => {
                return Ended::Refused(format!("{} has no controller", pod["metadata"]["name"]));
            }
            Some(owner) if owner["kind"] == "DaemonSet" => {}
            _ => leaving.push(pod.clone()),
        }
    }
    let mut evicting = JoinSet::new();
    for pod in leaving {
        let api = api.clone();
        evicting.spawn(async move { evict(&api, &pod).await });
    }
    let all = async {
        let mut failed = None;
        while let Some(one) = evicting.join_next().await {
            failed = failed.or(one.unwrap().err());
        }
        failed
    };
    match tokio::time::timeout(patience, all).await {
        Err(_) => Ended::Waits,
        Ok(Some(why)) => Ended::Failed(why),
        Ok(None) => Ended::Drained,
    }
}

async fn evict(api: &Api, pod: &Value) -> Result<(), String> {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace}});
    let mut uid = text("uid");
    loop {
        let answer = api.post(&format!("{path}/eviction"), &eviction).await;
        let answer = answer.unwrap();
        match answer.status {
            201 => break,
            404 => return Ok(()),
            429 => tokio::time::sleep(RETRY).await,
            _ => return Err(String::from_utf8_lossy(&answer.body).into_owned()),
        }
        // Whatever has the name now.
        let found = api.get(&path).await.unwrap();
        if found.status == 404 {
            return Ok(());
        }
        let found = found.ok().unwrap();
        found["metadata"]["uid"]
            .as_str()
            .unwrap()
            .clone_into(&mut uid);
    }
    loop {
        let found = api.get(&path).await.unwrap();
        if found.status == 404 || found.json().unwrap()["metadata"]["uid"] != uid.as_str() {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}
