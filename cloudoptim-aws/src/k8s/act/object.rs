//! An object as the server has it, and what a change of it looks like.

use super::{ProviderError, call};
use crate::k8s::client::Reader;
use crate::k8s::target::is_plain_path;
use cloudoptim_core::model::{WorkloadKind, WorkloadRef};
use serde_json::{Map, Value, json};

/// An object, as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::k8s) struct Object(pub(in crate::k8s) Value);

impl Object {
    pub(in crate::k8s) async fn read(read: &dyn Reader, path: &str) -> Result<Self, ProviderError> {
        Self::parse(path, &read.get(path, &[]).await?)
    }

    pub(in crate::k8s) fn parse(path: &str, body: &[u8]) -> Result<Self, ProviderError> {
        let value: Value = serde_json::from_slice(body).map_err(|_| ProviderError::Other {
            call: call("get", path, "the answer is no JSON"),
        })?;
        let object = Self(value);
        if object.uid().is_empty() || object.resource_version().is_empty() {
            return Err(ProviderError::Other {
                call: call(
                    "get",
                    path,
                    "the answer is no object: it has no uid or version",
                ),
            });
        }
        Ok(object)
    }

    pub(in crate::k8s) fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(in crate::k8s) fn is_true(&self, pointer: &str) -> bool {
        self.0.pointer(pointer) == Some(&Value::Bool(true))
    }

    pub(in crate::k8s) fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    pub(in crate::k8s) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(in crate::k8s) fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    pub(in crate::k8s) fn is_going(&self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }

    pub(in crate::k8s) fn annotation(&self, key: &str) -> Option<&str> {
        self.0.pointer("/metadata/annotations")?.get(key)?.as_str()
    }

    pub(in crate::k8s) fn annotate(&mut self, key: &str, value: Option<&str>) {
        let annotations = self.map(&["metadata", "annotations"]);
        match value {
            Some(value) => annotations.insert(key.to_owned(), value.into()),
            None => annotations.remove(key),
        };
    }

    /// The map at that place, made where there is none.
    pub(in crate::k8s) fn map(&mut self, path: &[&str]) -> &mut Map<String, Value> {
        let mut at = as_map(&mut self.0);
        for part in path {
            at = as_map(at.entry(*part).or_insert(Value::Null));
        }
        at
    }

    /// A merge patch that makes `after` of it, if it is still the same object
    /// in the same version. `None` when there is nothing to change.
    pub(in crate::k8s) fn patch_to(&self, after: &Self) -> Option<Value> {
        let mut patch = difference(&self.0, &after.0)?;
        let meta = as_map(as_map(&mut patch).entry("metadata").or_insert(Value::Null));
        meta.insert("uid".to_owned(), self.uid().into());
        meta.insert("resourceVersion".to_owned(), self.resource_version().into());
        Some(patch)
    }

    /// Options of a deletion of this very object in this version.
    pub(in crate::k8s) fn delete_options(&self) -> Value {
        json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {
                "uid": self.uid(),
                "resourceVersion": self.resource_version(),
            },
        })
    }
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // It was made an object above; the borrow checker wants a value.
        _ => unreachable!("an object"),
    }
}

/// The merge patch from one value to another; `None` when they are equal.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (before, after) else {
        return Some(after.clone());
    };
    let mut patch = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in to {
        let change = match from.get(key) {
            Some(old) => difference(old, value),
            None => Some(value.clone()),
        };
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    Some(Value::Object(patch))
}

/// Path of a node.
pub(in crate::k8s) fn node_path(name: &str) -> Result<String, ProviderError> {
    path_of("v1", "Node", "", name)
}

/// Path of a workload that the API server itself knows.
pub(in crate::k8s) fn workload_path(workload: &WorkloadRef) -> Result<String, ProviderError> {
    let version = match &workload.kind {
        WorkloadKind::Job | WorkloadKind::CronJob => "batch/v1",
        WorkloadKind::Pod => "v1",
        _ => "apps/v1",
    };
    path_of(
        version,
        workload.kind.as_str(),
        &workload.namespace,
        &workload.name,
    )
}

/// Kinds and how the API calls them.
const PLURALS: &[(&str, &str, &str)] = &[
    ("", "Namespace", "namespaces"),
    ("", "Node", "nodes"),
    ("", "PersistentVolume", "persistentvolumes"),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("", "Pod", "pods"),
    ("", "Service", "services"),
    ("apps", "DaemonSet", "daemonsets"),
    ("apps", "Deployment", "deployments"),
    ("apps", "ReplicaSet", "replicasets"),
    ("apps", "StatefulSet", "statefulsets"),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    ),
    ("batch", "CronJob", "cronjobs"),
    ("batch", "Job", "jobs"),
    ("coordination.k8s.io", "Lease", "leases"),
    ("karpenter.sh", "NodeClaim", "nodeclaims"),
    ("karpenter.sh", "NodePool", "nodepools"),
    ("keda.sh", "ScaledObject", "scaledobjects"),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
];

/// Path of an object.
pub(in crate::k8s) fn path_of(
    api_version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<String, ProviderError> {
    let refused = |why: String| ProviderError::NotSupported {
        call: call("change", &format!("{kind} {namespace}/{name}"), why),
    };
    let (group, root) = match api_version.split_once('/') {
        None => ("", format!("/api/{api_version}")),
        Some((group, _)) => (group, format!("/apis/{api_version}")),
    };
    let plural = PLURALS
        .iter()
        .find(|(g, k, _)| *g == group && *k == kind)
        .map(|(_, _, plural)| *plural)
        .ok_or_else(|| refused(format!("kind {kind} of {api_version} is not known here")))?;
    let path = if namespace.is_empty() {
        format!("{root}/{plural}/{name}")
    } else {
        format!("{root}/namespaces/{namespace}/{plural}/{name}")
    };
    let one_part = |part: &str| !part.contains('/');
    if name.is_empty() || !one_part(name) || !one_part(namespace) || !is_plain_path(&path) {
        return Err(refused("a name of it is none".to_owned()));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(spec: Value) -> Object {
        Object(json!({
            "metadata": {"uid": "u", "resourceVersion": "7", "annotations": {"a": "1", "b": "2"}},
            "spec": spec,
        }))
    }

    #[test]
    fn a_patch_holds_what_differs_and_what_it_is_for() {
        let before = object(json!({"replicas": 3, "list": [1, 2], "gone": {"x": 1}}));
        assert_eq!(before.patch_to(&before), None);
        let mut after = object(json!({"replicas": 3, "list": [1], "new": {"y": null}}));
        after.annotate("a", None);
        after.annotate("c", Some("3"));
        assert_eq!(
            before.patch_to(&after),
            Some(json!({
                "metadata": {
                    "uid": "u", "resourceVersion": "7",
                    "annotations": {"a": null, "c": "3"},
                },
                "spec": {"list": [1], "gone": null, "new": {"y": null}},
            }))
        );
    }

    #[test]
    fn a_path_is_of_a_known_kind_and_of_one_object() {
        let path = |version, kind, namespace, name| path_of(version, kind, namespace, name).ok();
        assert_eq!(
            path("apps/v1", "Deployment", "shop", "web").as_deref(),
            Some("/apis/apps/v1/namespaces/shop/deployments/web")
        );
        assert_eq!(
            path("v1", "Node", "", "n1").as_deref(),
            Some("/api/v1/nodes/n1")
        );
        for (version, kind, namespace, name) in [
            ("v1", "Secret", "shop", "web"),
            ("v1", "Pod", "shop", "web/eviction"),
            ("v1", "Pod", "shop", ".."),
            ("v1", "Node", "", ""),
            ("../v1", "Node", "", "n1"),
            ("v1", "Pod", "a/b", "c"),
        ] {
            assert_eq!(path(version, kind, namespace, name), None, "{kind} {name}");
        }
    }
}
