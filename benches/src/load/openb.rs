//! Alibaba's GPU cluster of 2023, in CSV.

use super::csv::Table;
use super::{LoadError, TypeRow};
use crate::instance::{Instance, Machine, Pod};
use crate::stock::MOST_GPUS;
use std::path::Path;

/// How a pod's models are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Models {
    /// As in the files.
    Own,
    /// As in AWS's catalogue.
    Aws,
}

/// The models of a pod in the names of AWS's catalogue. A list with a model
/// that AWS does not have (G2, G3, P100) accepts any GPU.
fn models(spec: &str) -> Vec<String> {
    let mut out = Vec::new();
    for model in spec.split('|').filter(|m| !m.is_empty()) {
        out.push(match model {
            "V100M16" | "V100M32" => "V100".to_owned(),
            "A10" => "A10G".to_owned(),
            "T4" => "T4".to_owned(),
            _ => return Vec::new(),
        });
    }
    out.sort();
    out.dedup();
    out
}

/// The models of a pod as the files name them.
fn own(spec: &str) -> Vec<String> {
    let mut out: Vec<String> = spec.split('|').map(str::to_owned).collect();
    out.retain(|model| !model.is_empty());
    out.sort();
    out.dedup();
    out
}

/// The nodes of a list in the form of `nodes.csv`
/// (`name,cpu_milli,memory_mib,gpu,gpu_model,pods`).
pub(super) fn nodes(file: &Path, text: &str) -> Result<Vec<Machine>, LoadError> {
    let table = Table::parse(file, text)?;
    let needed = [
        "name",
        "cpu_milli",
        "memory_mib",
        "gpu",
        "gpu_model",
        "pods",
    ];
    if let Some(missing) = needed.iter().find(|column| !table.has(column)) {
        return Err(LoadError::Form {
            file: file.to_owned(),
            line: 1,
            problem: format!("is not a list of nodes: it has no column {missing}"),
        });
    }
    let node = |row: super::Row<'_>| {
        let gpus: u32 = row.need("gpu")?;
        if gpus > MOST_GPUS {
            return Err(row.wrong(format!("gpu must be at most {MOST_GPUS}, got {gpus}")));
        }
        Ok(Machine {
            name: row.text("name").to_owned(),
            amounts: vec![
                row.need("cpu_milli")?,
                row.need("memory_mib")?,
                row.need("pods")?,
            ],
            gpus: vec![(row.text("gpu_model").to_owned(), 1000); gpus as usize],
            ..Machine::default()
        })
    };
    table.rows().map(node).collect()
}

pub(super) fn machine(t: &TypeRow) -> Machine {
    Machine {
        name: t.name.clone(),
        amounts: vec![t.cpu_milli, t.memory_mib, t.pods],
        gpus: t.gpus.clone(),
        price: t.price,
        zones: t.zones.clone(),
    }
}

pub(super) fn dims() -> Vec<String> {
    ["cpu_milli", "memory_mib", "pods"]
        .map(str::to_owned)
        .to_vec()
}

pub(super) fn load(
    file: &Path,
    text: &str,
    name: String,
    types: &[TypeRow],
    named: Models,
) -> Result<Instance, LoadError> {
    let table = Table::parse(file, text)?;
    let mut pods = Vec::new();
    for row in table.rows() {
        let gpus: u32 = row.number("gpu")?.unwrap_or(0);
        let gpu_milli: u32 = row.number("gpu_milli")?.unwrap_or(0);
        if gpus > 0 && !(1..=1000).contains(&gpu_milli) {
            return Err(row.wrong(format!("gpu_milli must be 1 to 1000, got {gpu_milli}")));
        }
        pods.push(Pod {
            name: row.text("name").to_owned(),
            amounts: vec![row.need("cpu_milli")?, row.need("memory_mib")?, 1],
            gpus,
            gpu_milli: if gpus > 0 { gpu_milli } else { 0 },
            gpu_models: match named {
                _ if gpus == 0 => Vec::new(),
                Models::Own => own(row.text("gpu_spec")),
                Models::Aws => models(row.text("gpu_spec")),
            },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_aws_lacks_opens_the_list_to_any_gpu() {
        assert_eq!(models("V100M16|V100M32"), ["V100"]);
        assert_eq!(models("A10|T4"), ["A10G", "T4"]);
        assert!(models("G2|T4").is_empty());
        assert!(models("").is_empty());
    }
}
