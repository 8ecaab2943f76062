//! Node types, from a CSV file or from the embedded catalogue.

use super::csv::Table;
use super::{LoadError, text};
use cloudoptim_core::catalog::{Architecture, Catalog, CatalogError};
use cloudoptim_core::model::MicroUsdPerHour;
use std::path::Path;

/// A node type that a pod-based instance can buy.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeRow {
    /// Name.
    pub name: String,
    /// Allocatable CPU.
    pub cpu_milli: u64,
    /// Allocatable memory.
    pub memory_mib: u64,
    /// Pod slots.
    pub pods: u64,
    /// Model and thousandths of each GPU.
    pub gpus: Vec<(String, u32)>,
    /// Price per hour, on demand.
    pub price: MicroUsdPerHour,
    /// Zones that offer it.
    pub zones: Vec<String>,
}

/// Zones of types that come from a file without any.
const ZONES: [&str; 3] = ["zone-1", "zone-2", "zone-3"];

/// Reads a file in the form of `ec2_types.csv`
/// (`type,alloc_cpu_milli,alloc_memory_mib,alloc_pods,od_usd_per_h`) or of
/// `instance_types_400.csv` (`…,pods,alloc_cpu_milli,alloc_memory_mib,price`).
/// Columns `gpu` and `gpu_model` may be added; every type is offered in three
/// zones.
///
/// # Errors
/// When a line has no name, size or price.
pub fn read_types(path: &Path) -> Result<Vec<TypeRow>, LoadError> {
    let table = Table::parse(path, &text(path)?)?;
    let first = |names: &[&'static str]| names.iter().copied().find(|n| table.has(n));
    let columns = (
        first(&["alloc_cpu_milli", "cpu_milli"]),
        first(&["alloc_memory_mib", "memory_mib"]),
        first(&["alloc_pods", "pods"]),
        first(&["od_usd_per_h", "price"]),
    );
    let (Some(cpu), Some(memory), Some(pods), Some(price)) = columns else {
        return Err(LoadError::Form {
            file: path.to_owned(),
            line: 1,
            problem: "is not a list of node types: it needs type, alloc_cpu_milli, \
                      alloc_memory_mib, pods and a price"
                .to_owned(),
        });
    };
    let mut out = Vec::new();
    for row in table.rows() {
        let usd: f64 = row.need(price)?;
        let price = MicroUsdPerHour::from_usd(usd)
            .filter(|p| *p > MicroUsdPerHour::ZERO)
            .ok_or_else(|| row.wrong(format!("the price must be above zero, got {usd}")))?;
        let gpus: u32 = row.number("gpu")?.unwrap_or(0);
        out.push(TypeRow {
            name: row.text("type").to_owned(),
            cpu_milli: row.need(cpu)?,
            memory_mib: row.need(memory)?,
            pods: row.need(pods)?,
            gpus: vec![(row.text("gpu_model").to_owned(), 1000); gpus as usize],
            price,
            zones: ZONES.map(str::to_owned).to_vec(),
        });
    }
    Ok(out)
}

/// The region whose offers and prices the embedded catalogue gives.
const REGION: &str = "us-east-1";

/// What the embedded catalogue sells on demand for Linux on amd64 in
/// us-east-1, bare metal left out. Slices of a GPU are devices of fewer
/// thousandths.
///
/// # Errors
/// When the embedded catalogue cannot be read.
pub fn catalogue() -> Result<Vec<TypeRow>, CatalogError> {
    let catalog = Catalog::embedded()?;
    let mut out = Vec::new();
    for info in catalog.instance_types() {
        if info.architecture != Architecture::Amd64 || info.bare_metal || info.mac {
            continue;
        }
        let zones = catalog.offered_in(&REGION.into(), &info.name);
        let price = catalog.on_demand(REGION, info.name.as_str());
        let (Some(price), false) = (price, zones.is_empty()) else {
            continue;
        };
        let gpus = match (&info.gpu_model, info.gpu_vendor.as_deref()) {
            (Some(model), Some("NVIDIA" | "AMD")) if info.gpu_count > 0 => {
                let milli = (info.gpu_milli / info.gpu_count).min(1000);
                vec![(model.clone(), milli); info.gpu_count as usize]
            }
            _ => Vec::new(),
        };
        out.push(TypeRow {
            name: info.name.to_string(),
            cpu_milli: info.allocatable.cpu.0,
            memory_mib: info.allocatable.memory.mib(),
            pods: info.allocatable.pods,
            gpus,
            price: price.value,
            zones: zones.into_iter().map(ToString::to_string).collect(),
        });
    }
    Ok(out)
}
