//! Bin packing and vector packing instances, in JSON lines.

use super::LoadError;
use crate::instance::{Instance, Machine, Pod};
use cloudoptim_core::model::MicroUsdPerHour;
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Line {
    name: String,
    dims: usize,
    capacity: Vec<u64>,
    items: Vec<Item>,
    #[serde(default)]
    best_known: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    One(u64),
    Many(Vec<u64>),
}

/// One instance per line; every bin costs 1.
pub(super) fn load(file: &Path, text: &str) -> Result<Vec<Instance>, LoadError> {
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |problem: String| LoadError::Form {
            file: file.to_owned(),
            line: number + 1,
            problem,
        };
        let line: Line = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        if line.capacity.len() != line.dims {
            return Err(wrong(format!(
                "capacity has {} amounts, dims is {}",
                line.capacity.len(),
                line.dims
            )));
        }
        let mut pods = Vec::new();
        for (i, item) in line.items.into_iter().enumerate() {
            let amounts = match item {
                Item::One(amount) => vec![amount],
                Item::Many(amounts) => amounts,
            };
            if amounts.len() != line.dims {
                return Err(wrong(format!("item {i} has {} amounts", amounts.len())));
            }
            pods.push(Pod {
                name: i.to_string(),
                amounts,
                ..Pod::default()
            });
        }
        out.push(Instance {
            name: line.name,
            dims: (0..line.dims).map(|r| format!("r{r}")).collect(),
            pods,
            machines: vec![Machine {
                name: "bin".to_owned(),
                amounts: line.capacity,
                price: MicroUsdPerHour(1_000_000),
                ..Machine::default()
            }],
            best_known: line.best_known,
            ..Instance::default()
        });
    }
    Ok(out)
}
