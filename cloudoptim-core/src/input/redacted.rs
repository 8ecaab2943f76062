//! Documents of the API server that may be kept as they are: only what the
//! readers read, and of that nothing that a snapshot would not keep.

use super::broken::Step;
use super::document;
use super::kinds::Objects;
use super::log::Log;
use super::meta::is_presence;
use super::network::SPOKEN;
use super::redact::redact_message;
use super::runtime::{kept_value, kept_words};
use super::storage::KEPT_PARAMETERS;
use serde_json::{Map, Value, json};

/// Labels of a series that are read.
const LABELS: &[&str] = &[
    "__name__",
    "namespace",
    "pod",
    "pod_name",
    "container",
    "container_name",
    "node",
];

/// An answer of the API server or of Prometheus without what a snapshot would
/// not keep, as JSON; `None` for what is of no form that is read.
///
/// Read again it gives the same objects. Of fields that nothing reads only the
/// names stay; of environments, commands and arguments only settings of a
/// runtime's memory; annotations by the allow-list of snapshots; messages
/// without what looks like a credential. An object that cannot be read is
/// replaced by one that cannot be read either.
///
/// ```
/// use cloudoptim_core::input::redacted;
///
/// let body = br#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{
///     "metadata":{"name":"a","annotations":{"mine":"hunter2"}},
///     "spec":{"containers":[{"name":"c","env":[{"name":"PASSWORD","value":"hunter2"}]}]}}]}"#;
/// let kept = redacted(body).unwrap_or_default();
/// assert!(kept.contains(r#""name":"a""#) && !kept.contains("hunter2"));
/// ```
pub fn redacted(bytes: &[u8]) -> Option<String> {
    let text = document::text(bytes, u64::MAX).ok()?;
    let documents = document::documents(&text).ok()?;
    let [document] = documents.as_slice() else {
        return None;
    };
    let top = &document.top;
    let kind = top.string("kind").unwrap_or_default();
    let version = top.string("apiVersion").unwrap_or_default();
    let out = if super::usage::is_prometheus(top) {
        series(serde_json::from_str(document.text).ok()?)
    } else if super::usage::is_pod_metrics(top) {
        let items = top.list("items")?;
        let items = items.iter().filter_map(|item| metrics(item.get()));
        json!({"kind": kind, "apiVersion": version, "metadata": list_meta(document),
            "items": items.collect::<Vec<_>>()})
    } else if let ("APIGroupList" | "APIResourceList", whole) = (kind.as_str(), document.text) {
        served(serde_json::from_str(whole).ok()?)
    } else if let Some(items) = top.list("items") {
        let of = kind.strip_suffix("List")?;
        let items: Vec<Value> = items
            .iter()
            .map(|item| match document::head(item.get()) {
                // A mixed list of `kubectl`: each item says what it is.
                (own_version, own_kind) if of.is_empty() => {
                    object(&own_kind, &own_version, item.get())
                }
                _ => object(of, &version, item.get()),
            })
            .collect();
        json!({"kind": kind, "apiVersion": version, "metadata": list_meta(document),
            "items": items})
    } else if top.member("metadata").is_some() && !kind.is_empty() {
        object(&kind, &version, document.text)
    } else {
        return None;
    };
    Some(out.to_string())
}

fn list_meta(document: &document::Document<'_>) -> Value {
    let meta = document.top.member("metadata").map_or("{}", |m| m.get());
    let meta: Value = serde_json::from_str(meta).unwrap_or_default();
    only(
        &meta,
        &["continue", "remainingItemCount", "resourceVersion"],
    )
}

/// The members of an object that have one of those names.
fn only(value: &Value, names: &[&str]) -> Value {
    let kept = names.iter().filter_map(|name| {
        let found = value.get(*name)?;
        Some(((*name).to_owned(), found.clone()))
    });
    Value::Object(kept.collect())
}

fn each(value: Option<&Value>, keep: impl Fn(&Value) -> Value) -> Value {
    let items = value.and_then(Value::as_array);
    Value::Array(items.into_iter().flatten().map(keep).collect())
}

/// Groups, or the resources of one, by their names.
fn served(whole: Value) -> Value {
    let mut out = only(&whole, &["kind", "apiVersion", "groupVersion"]);
    if let Value::Object(out) = &mut out {
        if let Some(groups) = whole.get("groups") {
            let groups = each(Some(groups), |group| {
                json!({"name": group.get("name"), "versions":
                    each(group.get("versions"), |v| only(v, &["groupVersion", "version"]))})
            });
            out.insert("groups".to_owned(), groups);
        }
        if let Some(resources) = whole.get("resources") {
            let resources = each(Some(resources), |r| {
                only(r, &["name", "kind", "namespaced"])
            });
            out.insert("resources".to_owned(), resources);
        }
    }
    out
}

fn metrics(item: &str) -> Option<Value> {
    let item: Value = serde_json::from_str(item).ok()?;
    let mut out = only(&item, &["timestamp", "window"]);
    let meta = only(item.get("metadata")?, &["namespace", "name"]);
    let containers = each(item.get("containers"), |container| {
        let mut kept = only(container, &["name"]);
        if let (Value::Object(kept), Some(usage)) = (&mut kept, container.get("usage")) {
            kept.insert("usage".to_owned(), only(usage, &["cpu", "memory"]));
        }
        kept
    });
    if let Value::Object(out) = &mut out {
        out.insert("metadata".to_owned(), meta);
        out.insert("containers".to_owned(), containers);
    }
    Some(out)
}

fn series(whole: Value) -> Value {
    let mut out = only(&whole, &["status", "errorType"]);
    let Value::Object(members) = &mut out else {
        return out;
    };
    if let Some(data) = whole.get("data") {
        let result = each(data.get("result"), |series| {
            let mut kept = only(series, &["value", "values"]);
            if let (Value::Object(kept), Some(metric)) = (&mut kept, series.get("metric")) {
                kept.insert("metric".to_owned(), only(metric, LABELS));
            }
            kept
        });
        let data = json!({"resultType": data.get("resultType"), "result": result});
        members.insert("data".to_owned(), data);
    }
    if whole.get("warnings").is_some() {
        members.insert("warnings".to_owned(), json!(["one"]));
    }
    out
}

/// One object without what nothing keeps.
fn object(kind: &str, version: &str, text: &str) -> Value {
    let mut log = Log {
        unread: Some(Vec::new()),
        ..Log::default()
    };
    let whole: Value = serde_json::from_str(text).unwrap_or_default();
    let mut wrapped = Objects::default();
    wrapped.read_one(version, kind, text, &mut log);
    let read = log.report.broken_count == 0 && log.report.skipped.is_empty();
    if !read {
        let meta = whole.get("metadata").cloned().unwrap_or_default();
        let mut marker = only(&whole, &["kind", "apiVersion"]);
        if let Value::Object(members) = &mut marker {
            members.insert("metadata".to_owned(), only(&meta, &["namespace", "name"]));
            members.insert("spec".to_owned(), Value::from(0));
            members.insert("status".to_owned(), Value::from(0));
        }
        return marker;
    }
    let mut kept = whole;
    // Later ones first: taking one out of an array would shift the others.
    for path in log.unread.unwrap_or_default().iter().rev() {
        forget(&mut kept, path);
    }
    settle(&mut kept, kind);
    let reason = kept
        .get("reason")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if kind == "Event" && !SPOKEN.contains(&reason) {
        // It may repeat what an application printed.
        for name in ["message", "note"] {
            if let Some(text) = kept.get_mut(name) {
                *text = Value::from("");
            }
        }
    }
    kept
}

/// Empties the field at that path. That it is there may be what is read of it.
fn forget(value: &mut Value, path: &[Step]) {
    let Some((last, way)) = path.split_last() else {
        return;
    };
    let mut at = value;
    for step in way {
        let next = match step {
            Step::Key(key) => at.get_mut(key.as_str()),
            Step::Index(index) => at.get_mut(*index),
        };
        let Some(next) = next else {
            return;
        };
        at = next;
    }
    let annotation = matches!(way.last(), Some(Step::Key(key)) if key == "annotations");
    match (last, at) {
        (Step::Key(key), Value::Object(members)) => {
            if annotation && !is_presence(key) {
                members.remove(key);
            } else if let Some(field) = members.get_mut(key) {
                *field = emptied(field);
            }
        }
        (Step::Index(index), Value::Array(items)) => {
            if let Some(field) = items.get_mut(*index) {
                *field = emptied(field);
            }
        }
        _ => {}
    }
}

fn emptied(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => Value::Bool(false),
        Value::Number(_) => Value::from(0),
        Value::String(_) => Value::from(""),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
    }
}

/// Of what is read, the parts that are not kept.
fn settle(value: &mut Value, kind: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| settle(item, kind)),
        Value::Object(members) => {
            for (key, field) in members.iter_mut() {
                match (key.as_str(), &mut *field) {
                    ("env", Value::Array(entries)) => environment(entries),
                    ("args" | "command", Value::Array(words)) => {
                        for word in words {
                            *word = Value::from(kept_words(word.as_str().unwrap_or_default()));
                        }
                    }
                    ("message" | "note", Value::String(text)) => {
                        *text = redact_message(text);
                    }
                    // Labels and annotations have any keys.
                    ("labels" | "annotations", _) => {}
                    ("parameters", Value::Object(parameters)) if kind == "StorageClass" => {
                        parameters.retain(|name, _| KEPT_PARAMETERS.contains(&name.as_str()));
                    }
                    (_, field) => settle(field, kind),
                }
            }
        }
        _ => {}
    }
}

/// Keeps the variables that set the memory of a runtime.
fn environment(entries: &mut Vec<Value>) {
    let kept = entries.iter().filter_map(|entry| {
        let name = entry.get("name")?.as_str()?;
        let field = entry
            .pointer("/valueFrom/resourceFieldRef/resource")
            .and_then(Value::as_str);
        if let Some(field) = field {
            return Some(json!({"name": name,
                "valueFrom": {"resourceFieldRef": {"resource": field}}}));
        }
        let value = match entry.get("value")? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let value = kept_value(name, &value);
        (!value.is_empty()).then(|| json!({"name": name, "value": value}))
    });
    *entries = kept.collect();
}
