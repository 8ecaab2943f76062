//! Alibaba's long-running applications with anti-affinity, in CSV.

use super::csv::Table;
use super::openb::{dims, machine};
use super::{LoadError, TypeRow, text};
use crate::instance::{Instance, Machine, Pod};
use cloudoptim_core::model::MicroUsdPerHour;
use std::path::Path;

/// `apps.csv`, and `affinity.csv` when it lies beside it. Without other types,
/// nodes have 64 cores and 128 GiB and cost 1.
pub(super) fn load(
    file: &Path,
    apps: &str,
    types: Option<&[TypeRow]>,
) -> Result<Instance, LoadError> {
    let mut pods = Vec::new();
    for row in Table::parse(file, apps)?.rows() {
        let replicas: u32 = row.need("replicas")?;
        let app = row.text("app").to_owned();
        let amounts = vec![row.need("cpu_milli")?, row.need("memory_mib")?, 1];
        for i in 0..replicas {
            pods.push(Pod {
                name: format!("{app}-{i}"),
                amounts: amounts.clone(),
                app: app.clone(),
                ..Pod::default()
            });
        }
    }
    let mut app_limits = Vec::new();
    let beside = ["affinity.csv", "affinity.csv.gz"]
        .map(|name| file.with_file_name(name))
        .into_iter()
        .find(|f| f.is_file());
    if let Some(beside) = beside {
        for row in Table::parse(&beside, &text(&beside)?)?.rows() {
            app_limits.push((
                row.text("app").to_owned(),
                row.text("other_app").to_owned(),
                row.need("max_other_on_node")?,
            ));
        }
    }
    let standard = [Machine {
        name: "64x128".to_owned(),
        amounts: vec![64_000, 131_072, 1 << 32],
        price: MicroUsdPerHour(1_000_000),
        ..Machine::default()
    }];
    Ok(Instance {
        name: "tclab".to_owned(),
        dims: dims(),
        pods,
        machines: types.map_or(standard.to_vec(), |t| t.iter().map(machine).collect()),
        app_limits,
        ..Instance::default()
    })
}
