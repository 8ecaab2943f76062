//! Readers that answer from memory, and a clock that only moves when told.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_aws::k8s::Reader;
use cloudoptim_core::providers::{Call, Clock, ProviderError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

/// When every test takes place.
pub(super) fn now() -> DateTime<Utc> {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

/// Stands still; sleeping moves it and is written down.
#[derive(Debug, Default)]
pub(super) struct StoppedClock {
    pub(super) slept: Mutex<Vec<TimeDelta>>,
}

#[async_trait]
impl Clock for StoppedClock {
    fn now(&self) -> DateTime<Utc> {
        now() + self.monotonic()
    }

    fn monotonic(&self) -> TimeDelta {
        self.slept.lock().unwrap().iter().sum()
    }

    async fn sleep(&self, span: TimeDelta) {
        self.slept.lock().unwrap().push(span);
    }
}

/// What a scripted reader says.
#[derive(Debug, Clone)]
pub(super) enum Say {
    Body(String),
    Forbidden(&'static str),
    NotFound,
    Throttled(Option<TimeDelta>),
    Down,
    /// Gone, as the server says when a page token is too old: only a recording
    /// can make one, for the failure is private.
    Replayed(u16),
}

/// Answers by path, each once and the last one for ever; writes down what it
/// was asked.
#[derive(Debug, Default)]
pub(super) struct Script {
    says: Mutex<BTreeMap<String, VecDeque<Say>>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    pub(super) fn on(self, path: &str, says: impl IntoIterator<Item = Say>) -> Self {
        let says = says.into_iter().collect();
        self.says.lock().unwrap().insert(path.to_owned(), says);
        self
    }

    /// With `kube-system`, ready, and those groups, each with its resources.
    pub(super) fn cluster(groups: &[(&str, &str, &[&str])]) -> Self {
        let mut script = Self::default()
            .on(
                "/api/v1/namespaces/kube-system",
                [body(json!({"kind": "Namespace", "metadata": {"uid": UID}}))],
            )
            .on("/readyz", [Say::Body("ok".to_owned())]);
        let mut listed = BTreeMap::<&str, Vec<Value>>::new();
        for (group, version, resources) in groups {
            listed.entry(group).or_default().push(json!({"version": version}));
            let resources: Vec<Value> = resources.iter().map(|name| json!({"name": name})).collect();
            script = script.on(
                &format!("/apis/{group}/{version}"),
                [body(json!({"kind": "APIResourceList", "resources": resources}))],
            );
        }
        let groups: Vec<Value> = listed
            .into_iter()
            .map(|(name, versions)| json!({"name": name, "versions": versions}))
            .collect();
        script.on(
            "/apis",
            [body(json!({"kind": "APIGroupList", "groups": groups}))],
        )
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(super) const UID: &str = "5c1de2c4-0a4e-4f57-8d4b-6a1f0a3f7b10";

pub(super) fn body(value: Value) -> Say {
    Say::Body(value.to_string())
}

/// A page of a list with objects of those names, and a token for more.
pub(super) fn list(kind: &str, version: &str, names: &[&str], token: Option<&str>) -> Say {
    let items: Vec<Value> = names
        .iter()
        .map(|name| json!({"metadata": {"name": name, "namespace": "shop"}}))
        .collect();
    body(json!({"kind": format!("{kind}List"), "apiVersion": version,
        "metadata": {"continue": token}, "items": items}))
}

#[async_trait]
impl Reader for Script {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let pairs: Vec<String> = query.iter().map(|(k, v)| format!("{k}={v}")).collect();
        self.asked
            .lock()
            .unwrap()
            .push(format!("{path}?{}", pairs.join("&")));
        let say = {
            let mut says = self.says.lock().unwrap();
            match says.get_mut(path) {
                None => Say::NotFound,
                Some(left) if left.len() > 1 => left.pop_front().unwrap(),
                Some(left) => left.front().cloned().unwrap_or(Say::Down),
            }
        };
        let call = || Box::new(Call::new("kubernetes", format!("get {path}")));
        match say {
            Say::Body(text) => Ok(Bytes::from(text)),
            Say::Forbidden(permission) => Err(ProviderError::PermissionDenied {
                permission: permission.to_owned(),
                call: call(),
            }),
            Say::NotFound => Err(ProviderError::NotFound { call: call() }),
            Say::Throttled(retry_after) => Err(ProviderError::Throttled {
                retry_after,
                call: call(),
            }),
            Say::Down => Err(ProviderError::Unavailable { call: call() }),
            Say::Replayed(code) => {
                let file = json!({"version": 1, "exchanges": [
                    {"path": path, "answer": {"status": {"code": code}}}]});
                let replaying =
                    cloudoptim_aws::k8s::Replaying::from_bytes(file.to_string().as_bytes()).unwrap();
                replaying.get(path, &[]).await
            }
        }
    }
}

/// A cluster that holds the documents of the example shop, page by page, as an
/// API server would list them.
#[derive(Debug)]
pub(super) struct Shop {
    /// Kind, API version and items by path.
    lists: BTreeMap<String, (String, String, Vec<Value>)>,
    groups: Value,
}

const SHOP: &[(&str, &str)] = &[
    ("cronjobs", "/apis/batch/v1/cronjobs"),
    ("csinodes", "/apis/storage.k8s.io/v1/csinodes"),
    ("daemonsets", "/apis/apps/v1/daemonsets"),
    ("deployments", "/apis/apps/v1/deployments"),
    ("endpointslices", "/apis/discovery.k8s.io/v1/endpointslices"),
    ("events", "/api/v1/events"),
    ("horizontalpodautoscalers", "/apis/autoscaling/v2/horizontalpodautoscalers"),
    ("jobs", "/apis/batch/v1/jobs"),
    ("leases", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"),
    ("limitranges", "/api/v1/limitranges"),
    ("namespaces", "/api/v1/namespaces"),
    ("nodeclaims", "/apis/karpenter.sh/v1/nodeclaims"),
    ("nodepools", "/apis/karpenter.sh/v1/nodepools"),
    ("nodes", "/api/v1/nodes"),
    ("persistentvolumeclaims", "/api/v1/persistentvolumeclaims"),
    ("persistentvolumes", "/api/v1/persistentvolumes"),
    ("poddisruptionbudgets", "/apis/policy/v1/poddisruptionbudgets"),
    ("pods", "/api/v1/pods"),
    ("priorityclasses", "/apis/scheduling.k8s.io/v1/priorityclasses"),
    ("replicasets", "/apis/apps/v1/replicasets"),
    ("resourcequotas", "/api/v1/resourcequotas"),
    ("services", "/api/v1/services"),
    ("statefulsets", "/apis/apps/v1/statefulsets"),
    ("storageclasses", "/apis/storage.k8s.io/v1/storageclasses"),
    ("volumeattachments", "/apis/storage.k8s.io/v1/volumeattachments"),
    ("volumesnapshots", "/apis/snapshot.storage.k8s.io/v1/volumesnapshots"),
];

/// The documents as they are stored.
pub(super) fn shop_files() -> Vec<(String, Vec<u8>)> {
    let root = format!("{}/../examples/data/shop/k8s", env!("CARGO_MANIFEST_DIR"));
    let read = |(name, _): &(&str, &str)| {
        let name = format!("{name}.json.gz");
        let bytes = std::fs::read(format!("{root}/{name}")).unwrap();
        (name, bytes)
    };
    SHOP.iter().map(read).collect()
}

impl Shop {
    pub(super) fn open() -> Arc<Self> {
        let mut lists = BTreeMap::new();
        for ((name, bytes), (_, path)) in shop_files().iter().zip(SHOP) {
            let whole: Value =
                serde_json::from_reader(flate2::read::GzDecoder::new(bytes.as_slice())).unwrap();
            let mut items = whole["items"].as_array().unwrap().clone();
            let first = items.first().cloned().unwrap_or_default();
            let own = |key: &str| first[key].as_str().map(str::to_owned);
            let kind = own("kind").unwrap_or_else(|| {
                whole["kind"].as_str().unwrap().trim_end_matches("List").to_owned()
            });
            assert!(!kind.is_empty(), "{name} is empty: its kind cannot be told");
            let version =
                own("apiVersion").unwrap_or_else(|| whole["apiVersion"].as_str().unwrap().to_owned());
            for item in &mut items {
                let members = item.as_object_mut().unwrap();
                members.remove("kind");
                members.remove("apiVersion");
            }
            lists.insert((*path).to_owned(), (kind, version, items));
        }
        // Resources that the shop has none of.
        let empty = [("RuntimeClass", "node.k8s.io/v1", "/apis/node.k8s.io/v1/runtimeclasses")];
        for (kind, version, path) in empty {
            lists.insert(path.to_owned(), (kind.to_owned(), version.to_owned(), Vec::new()));
        }
        let groups = json!({"kind": "APIGroupList", "groups": [
            {"name": "karpenter.sh", "versions": [{"version": "v1"}]},
            {"name": "snapshot.storage.k8s.io", "versions": [{"version": "v1"}]}]});
        Arc::new(Self { lists, groups })
    }

    pub(super) fn uid(&self) -> String {
        let (_, _, namespaces) = &self.lists["/api/v1/namespaces"];
        let system = namespaces.iter().find(|n| n["metadata"]["name"] == "kube-system");
        system.unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()
    }
}

#[async_trait]
impl Reader for Shop {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let value = |name: &str| query.iter().find(|(key, _)| *key == name).map(|(_, v)| *v);
        let answer = match path {
            "/readyz" => return Ok(Bytes::from_static(b"ok")),
            "/apis" => self.groups.clone(),
            "/apis/karpenter.sh/v1" => json!({"kind": "APIResourceList", "resources":
                [{"name": "nodepools"}, {"name": "nodeclaims"}]}),
            "/apis/snapshot.storage.k8s.io/v1" => json!({"kind": "APIResourceList", "resources":
                [{"name": "volumesnapshots"}]}),
            "/api/v1/namespaces/kube-system" => {
                json!({"kind": "Namespace", "apiVersion": "v1",
                    "metadata": {"name": "kube-system", "uid": self.uid()}})
            }
            path => {
                let Some((kind, version, items)) = self.lists.get(path) else {
                    return Err(ProviderError::NotFound {
                        call: Box::new(Call::new("kubernetes", path)),
                    });
                };
                let limit: usize = value("limit").unwrap().parse().unwrap();
                let from: usize = value("continue").map_or(0, |token| token.parse().unwrap());
                let to = (from + limit).min(items.len());
                let token = (to < items.len()).then(|| to.to_string());
                json!({"kind": format!("{kind}List"), "apiVersion": version,
                    "metadata": {"continue": token, "remainingItemCount": items.len() - to},
                    "items": items[from..to]})
            }
        };
        Ok(Bytes::from(answer.to_string()))
    }
}
