//! Taints of a node.

use super::object::Object;
use cloudoptim_core::model::TaintEffect;
use serde_json::{Value, json};

/// The taints of a node, as the API has them.
const TAINTS: &str = "/spec/taints";

/// The value of a taint; nothing where the node does not have it.
pub(super) fn taint_of<'a>(node: &'a Object, key: &str, effect: TaintEffect) -> Option<&'a str> {
    let taints = node.0.pointer(TAINTS).and_then(Value::as_array);
    let mut of = taints.into_iter().flatten();
    let found = of.find(|taint| is_taint(taint, key, effect))?;
    Some(
        found
            .get("value")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    )
}

fn is_taint(taint: &Value, key: &str, effect: TaintEffect) -> bool {
    let text = |field: &str| taint.get(field).and_then(Value::as_str);
    text("key") == Some(key) && text("effect") == Some(&format!("{effect:?}"))
}

/// Gives the taint that value, or takes it away; the others stay in their order.
pub(super) fn set_taint(node: &mut Object, key: &str, effect: TaintEffect, value: Option<&str>) {
    let spec = node.map(&["spec"]);
    let mut taints = match spec.remove("taints") {
        Some(Value::Array(taints)) => taints,
        _ => Vec::new(),
    };
    taints.retain(|taint| !is_taint(taint, key, effect));
    if let Some(value) = value {
        taints.push(json!({"key": key, "value": value, "effect": format!("{effect:?}")}));
    }
    if !taints.is_empty() {
        spec.insert("taints".to_owned(), taints.into());
    }
}
