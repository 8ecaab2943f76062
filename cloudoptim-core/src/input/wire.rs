//! Pieces shared by the wire formats.

use crate::model::{Bytes, MilliCpu, Quantity, ResourceList, Resources};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An object that cannot be used: the field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) field: String,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    pub(super) fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}

/// A map of quantities as written; a number stands for its digits.
pub(super) type QuantityMap = BTreeMap<String, QuantityText>;

/// A quantity as text or as a number.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum QuantityText {
    Text(String),
    Number(serde_json::Number),
}

impl QuantityText {
    pub(super) fn parse(&self) -> Result<Quantity, String> {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        };
        Quantity::parse(&text).map_err(|e| e.to_string())
    }
}

pub(super) fn milli_cpu(text: &QuantityText) -> Result<MilliCpu, String> {
    text.parse()?.as_milli_cpu().map_err(|e| e.to_string())
}

pub(super) fn bytes(text: &QuantityText) -> Result<Bytes, String> {
    text.parse()?.as_bytes().map_err(|e| e.to_string())
}

fn integer(text: &QuantityText) -> Result<u64, String> {
    text.parse()?.as_integer().map_err(|e| e.to_string())
}

/// Requests or limits.
pub(super) fn resource_list(map: Option<&QuantityMap>) -> Result<ResourceList, Problem> {
    let mut list = ResourceList::default();
    for (name, text) in map.into_iter().flatten() {
        let problem = |message| Problem::new(name.clone(), message);
        match name.as_str() {
            "cpu" => list.cpu = Some(milli_cpu(text).map_err(problem)?),
            "memory" => list.memory = Some(bytes(text).map_err(problem)?),
            "ephemeral-storage" => list.ephemeral_storage = Some(bytes(text).map_err(problem)?),
            "pods" | "storage" => {}
            _ => {
                list.extended
                    .insert(name.clone(), integer(text).map_err(problem)?);
            }
        }
    }
    Ok(list)
}

/// What a node has.
pub(super) fn resources(map: Option<&QuantityMap>) -> Result<Resources, Problem> {
    let mut all = resource_list(map)?.to_resources();
    if let Some(text) = map.and_then(|m| m.get("pods")) {
        all.pods = integer(text).map_err(|m| Problem::new("pods", m))?;
    }
    all.extended
        .retain(|name, amount| *amount > 0 || !name.starts_with("hugepages-"));
    Ok(all)
}

/// Text for people: control characters out, and no longer than a screen.
pub(super) fn clean(text: &str) -> String {
    const LONGEST: usize = 512;
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect()
}
