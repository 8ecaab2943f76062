//! Taking back all marks of ours.

use super::nodes::{is_cordoned, uncordon};
use super::object::{Object, node_path};
use super::{Changer, PLAN_KEY, call, patch};
use crate::k8s::client::Reader;
use cloudoptim_core::model::NodeName;
use cloudoptim_core::providers::ProviderError;
use serde_json::Value;

/// A node whose marks were found.
#[derive(Debug)]
pub struct Released {
    /// Node.
    pub node: NodeName,
    /// Plan that had marked it.
    pub plan: String,
    /// Whether it was cordoned.
    pub was_cordoned: bool,
    /// Whether the marks are gone.
    pub result: Result<(), ProviderError>,
}

/// Uncordons every node that a plan of ours cordoned, and takes the marks away:
/// of `plan` only, or of all. A node that fails does not stop the others.
///
/// It asks for no plan and no journal, so it also helps when those are lost.
///
/// # Errors
/// When the nodes cannot be listed whole.
pub async fn release(
    read: &dyn Reader,
    act: &dyn Changer,
    plan: Option<&str>,
) -> Result<Vec<Released>, ProviderError> {
    let mut released = Vec::new();
    for (name, owner) in marked(read).await? {
        if plan.is_some_and(|plan| plan != owner) {
            continue;
        }
        let path = node_path(&name)?;
        let mut was_cordoned = false;
        let result = match Object::read(read, &path).await {
            // Somebody was faster.
            Ok(before) if before.annotation(PLAN_KEY) != Some(&owner) => Ok(()),
            Ok(before) => {
                was_cordoned = is_cordoned(&before);
                let mut after = before.clone();
                uncordon(&mut after);
                patch(act, &path, &before, &after).await.map(drop)
            }
            Err(ProviderError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        released.push(Released {
            node: NodeName::new(name),
            plan: owner,
            was_cordoned,
            result,
        });
    }
    Ok(released)
}

/// Names of the nodes that carry a mark, and the plan in it.
async fn marked(read: &dyn Reader) -> Result<Vec<(String, String)>, ProviderError> {
    let path = "/api/v1/nodes";
    let broken = |why: &str| ProviderError::Unavailable {
        call: call("list", path, why),
    };
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let mut query = vec![("limit", "500")];
        if !token.is_empty() {
            query.push(("continue", token.as_str()));
        }
        let body = read.get(path, &query).await?;
        let list: Value = serde_json::from_slice(&body).map_err(|_| broken("no JSON"))?;
        let items = list.get("items").and_then(Value::as_array);
        for item in items.ok_or_else(|| broken("no list"))? {
            let node = Object(item.clone());
            if let Some(plan) = node.annotation(PLAN_KEY) {
                found.push((node.name().to_owned(), plan.to_owned()));
            }
        }
        let next = list.pointer("/metadata/continue").and_then(Value::as_str);
        let next = next.unwrap_or_default().to_owned();
        if next.is_empty() {
            found.sort();
            return Ok(found);
        }
        if next == token {
            return Err(broken("the list does not end"));
        }
        token = next;
    }
}
