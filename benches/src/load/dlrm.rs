//! Alibaba's inference services of 2025, in CSV.

use super::csv::Table;
use super::openb::{dims, machine};
use super::{LoadError, TypeRow};
use crate::instance::{Instance, Pod};
use std::path::Path;

/// RDMA shares and local disk are left out: AWS sells neither with a node.
pub(super) fn load(
    file: &Path,
    text: &str,
    name: String,
    types: &[TypeRow],
) -> Result<Instance, LoadError> {
    let table = Table::parse(file, text)?;
    let mut pods = Vec::new();
    for row in table.rows() {
        let gpus: u32 = row.number("gpu")?.unwrap_or(0);
        let density: i64 = row.number("max_instance_per_node")?.unwrap_or(-1);
        let max_per_node = match density {
            -1 => None,
            n => Some(u32::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
                row.wrong(format!(
                    "max_instance_per_node must be -1 or above 0, got {n}"
                ))
            })?),
        };
        pods.push(Pod {
            name: row.text("name").to_owned(),
            amounts: vec![row.need("cpu_milli")?, row.need("memory_mib")?, 1],
            gpus,
            gpu_milli: if gpus > 0 { 1000 } else { 0 },
            app: row.text("app").to_owned(),
            max_per_node,
            ..Pod::default()
        });
    }
    Ok(Instance {
        name,
        dims: dims(),
        pods,
        machines: types.iter().map(machine).collect(),
        ..Instance::default()
    })
}
