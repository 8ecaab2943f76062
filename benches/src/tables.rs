//! The embedded catalogue against the tables it was made from.
//!
//! A naive reading of the CSV files: every row is looked up the way a caller
//! looks it up, and every figure must be the same to the last micro-dollar. A
//! field that is empty must be unknown to the catalogue too. Tables are
//! recognised by their header line, as traces are.

use crate::load::{LoadError, Row, Table, text};
use cloudoptim_core::catalog::{
    Basis, Catalog, Figure, Hypervisor, OperatingSystem, RegionKind, ServiceUnit, TableKind,
};
use cloudoptim_core::model::{Bytes, MicroUsd, MicroUsdPerMonth};
use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// What one table's comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The table, by its file's name.
    pub table: String,
    /// Rows of the file.
    pub rows: usize,
    /// Figures that were compared, empty ones included.
    pub figures: usize,
    /// Rows that the catalogue does not have.
    pub missing: usize,
    /// Figures that differ.
    pub different: usize,
    /// Rows that the catalogue has beyond those of the file: some when the
    /// file is a part of a table.
    pub beyond: usize,
}

/// A figure or a row that is not as in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The file's name.
    pub table: String,
    /// The row's key.
    pub row: String,
    /// The column; empty when the whole row is missing.
    pub column: String,
    /// What the file says.
    pub file: String,
    /// What the catalogue says.
    pub catalogue: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            row,
            column,
            file,
            catalogue,
        } = self;
        if column.is_empty() {
            return write!(f, "{table}: {row}: not in the catalogue");
        }
        write!(
            f,
            "{table}: {row}: {column} is {file}, in the catalogue {catalogue}"
        )
    }
}

/// What the comparison of a path found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// One entry per table.
    pub tables: Vec<Compared>,
    /// Everything that is not as in the files.
    pub differences: Vec<Difference>,
    /// CSV files of other forms.
    pub unread: Vec<String>,
}

/// Compares the catalogue with a CSV file, or with those of a folder (without
/// its subfolders); plain or gzipped.
///
/// # Errors
/// When a file cannot be read, a field is not of its column, or no table is
/// recognised.
pub fn compare(catalog: &Catalog, path: &Path) -> Result<Comparison, LoadError> {
    let mut found = Comparison::default();
    for file in files(path)? {
        let name = file
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let table = Table::parse(&file, &text(&file)?)?;
        let Some((check, kind)) = recognise(&table) else {
            found.unread.push(name);
            continue;
        };
        let mut judge = Judge {
            catalog,
            compared: Compared {
                table: name,
                rows: 0,
                figures: 0,
                missing: 0,
                different: 0,
                beyond: 0,
            },
            rows_found: 0,
            row: String::new(),
            differences: &mut found.differences,
        };
        for row in table.rows() {
            judge.compared.rows += 1;
            check(&mut judge, row)?;
        }
        let has = catalog.counts().get(&kind).copied().unwrap_or(0);
        judge.compared.beyond = has.saturating_sub(judge.rows_found);
        found.tables.push(judge.compared);
    }
    if found.tables.is_empty() {
        return Err(LoadError::Form {
            file: path.to_owned(),
            line: 0,
            problem: "no table of the catalogue found".to_owned(),
        });
    }
    Ok(found)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let io = |err| LoadError::Io(path.to_owned(), err);
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let file = entry.map_err(io)?.path();
        let name = file.to_string_lossy();
        if file.is_file() && (name.ends_with(".csv") || name.ends_with(".csv.gz")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

type Check = fn(&mut Judge<'_>, Row<'_>) -> Result<(), LoadError>;

fn recognise(table: &Table) -> Option<(Check, TableKind)> {
    let forms: [(&[&str], Check, TableKind); 10] = [
        (
            &["instance_type", "vcpu", "memory_mib", "arch"],
            instance_type,
            TableKind::InstanceTypes,
        ),
        (
            &["instance_type", "coremark_iter_per_s"],
            benchmark,
            TableKind::Benchmarks,
        ),
        (
            &["region", "instance_type", "az_numbers"],
            offering,
            TableKind::Offerings,
        ),
        (
            &["region", "instance_type", "usd_per_hour"],
            on_demand,
            TableKind::OnDemand,
        ),
        (
            &["region", "instance_type", "linux_usd_per_hour"],
            spot,
            TableKind::Spot,
        ),
        (
            &["region", "os", "instance_type", "interruption_band"],
            advice,
            TableKind::Interruption,
        ),
        (
            &["region", "volume_type", "usd_per_gb_month"],
            ebs,
            TableKind::Ebs,
        ),
        (
            &["region", "inter_az_usd_per_gb_each_way"],
            transfer,
            TableKind::Transfer,
        ),
        (
            &["item", "region", "unit", "usd"],
            service,
            TableKind::Services,
        ),
        (
            &["region", "partition", "az_id_prefix", "az_numbers"],
            region,
            TableKind::Regions,
        ),
    ];
    forms
        .into_iter()
        .find(|(columns, _, _)| columns.iter().all(|c| table.has(c)))
        .map(|(_, check, kind)| (check, kind))
}

/// The comparison of one table, at one of its rows.
struct Judge<'a> {
    catalog: &'a Catalog,
    compared: Compared,
    rows_found: usize,
    row: String,
    differences: &'a mut Vec<Difference>,
}

impl Judge<'_> {
    /// Starts a row; gives its counterpart back, or notes that there is none.
    fn find<T>(&mut self, key: &[&str], counterpart: Option<T>) -> Option<T> {
        self.row = key.join(" ");
        match counterpart {
            Some(_) => self.rows_found += 1,
            None => {
                self.compared.missing += 1;
                self.note("", String::new(), String::new());
            }
        }
        counterpart
    }

    fn same<T: PartialEq + fmt::Debug>(&mut self, column: &str, file: &T, catalogue: &T) {
        self.compared.figures += 1;
        if file != catalogue {
            self.compared.different += 1;
            self.note(column, format!("{file:?}"), format!("{catalogue:?}"));
        }
    }

    fn note(&mut self, column: &str, file: String, catalogue: String) {
        self.differences.push(Difference {
            table: self.compared.table.clone(),
            row: self.row.clone(),
            column: column.to_owned(),
            file,
            catalogue,
        });
    }
}

/// A decimal number in units of 10^-`digits`, rounded half up; `None` when the
/// field is empty.
fn scaled(row: Row<'_>, column: &str, digits: u32) -> Result<Option<i64>, LoadError> {
    let field = row.text(column).trim();
    if field.is_empty() {
        return Ok(None);
    }
    let wrong = || row.wrong(format!("{column} must be a number, got {field:?}"));
    let (whole, fraction) = field.split_once('.').unwrap_or((field, ""));
    let mut value: i64 = whole.parse().map_err(|_| wrong())?;
    if whole.starts_with('-') || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let mut decimals = fraction.bytes().map(|b| i64::from(b - b'0'));
    for _ in 0..digits {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(decimals.next().unwrap_or(0)))
            .ok_or_else(wrong)?;
    }
    Ok(Some(value + i64::from(decimals.next().unwrap_or(0) >= 5)))
}

fn micro(row: Row<'_>, column: &str) -> Result<Option<i64>, LoadError> {
    scaled(row, column, 6)
}

fn basis(letter: &str) -> Option<Basis> {
    match letter {
        "L" => Some(Basis::Listed),
        "D" => Some(Basis::Derived),
        "E" => Some(Basis::Estimated),
        _ => None,
    }
}

fn words(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn instance_type(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let name = row.text("instance_type");
    let catalog = judge.catalog;
    let Some(info) = judge.find(&[name], catalog.instance_type(name)) else {
        return Ok(());
    };
    let arch = match info.architecture.label() {
        "amd64" => "x86_64",
        other => other,
    };
    let mac = if info.mac { "_mac" } else { "" };
    judge.same("arch", &row.text("arch"), &format!("{arch}{mac}").as_str());
    let numbers: [(&str, u32, Option<u64>); 21] = [
        ("vcpu", 0, Some(info.vcpu.into())),
        ("cores", 0, info.cores.map(Into::into)),
        ("threads_per_core", 0, info.threads_per_core.map(Into::into)),
        ("memory_mib", 0, Some(info.memory.mib())),
        ("clock_ghz", 3, info.clock_mhz.map(Into::into)),
        ("gpu_mem_mib", 0, info.gpu_memory.map(Bytes::mib)),
        (
            "gpu_mem_total_mib",
            0,
            info.gpu_memory_total.map(Bytes::mib),
        ),
        (
            "net_baseline_gbps",
            3,
            info.network_baseline_mbps.map(Into::into),
        ),
        ("net_peak_gbps", 3, info.network_peak_mbps.map(Into::into)),
        ("net_cards", 0, info.network_cards.map(Into::into)),
        ("eni_max", 0, info.eni_max.map(Into::into)),
        ("eni_default_card", 0, info.eni_default_card.map(Into::into)),
        ("ipv4_per_eni", 0, info.ipv4_per_eni.map(Into::into)),
        ("max_pods", 0, info.max_pods.map(Into::into)),
        ("branch_eni", 0, info.branch_eni.map(Into::into)),
        (
            "ebs_baseline_mbps",
            0,
            info.ebs_baseline_mbps.map(Into::into),
        ),
        ("ebs_max_mbps", 0, info.ebs_max_mbps.map(Into::into)),
        (
            "ebs_baseline_iops",
            0,
            info.ebs_baseline_iops.map(Into::into),
        ),
        ("ebs_max_iops", 0, info.ebs_max_iops.map(Into::into)),
        ("ebs_max_attach", 0, info.ebs_max_attach.map(Into::into)),
        (
            "local_storage_gb",
            0,
            info.local_storage
                .as_ref()
                .map(|l| l.total.0 / 1_000_000_000),
        ),
    ];
    for (column, digits, have) in numbers {
        let file = scaled(row, column, digits)?;
        judge.same(column, &file, &have.and_then(|n| i64::try_from(n).ok()));
    }
    // Counts of what most types do not have: an empty field is zero.
    for (column, digits, have) in [
        ("gpu_count", 3, info.gpu_milli),
        ("accel_count", 0, info.accelerator_count),
        ("fpga_count", 0, info.fpga_count),
    ] {
        let file = scaled(row, column, digits)?.unwrap_or(0);
        judge.same(column, &file, &i64::from(have));
    }
    // The allocatable columns are empty where their source has none; there the
    // catalogue computes them.
    for (column, have) in [
        ("alloc_cpu_m", info.allocatable.cpu.0),
        ("alloc_mem_mib", info.allocatable.memory.mib()),
        ("alloc_pods", info.allocatable.pods),
    ] {
        if let Some(file) = row.number::<u64>(column)? {
            judge.same(column, &file, &have);
        }
    }
    for (column, have) in [
        ("cpu_vendor", &info.cpu_vendor),
        ("gpu_vendor", &info.gpu_vendor),
        ("gpu_model", &info.gpu_model),
        ("accel_model", &info.accelerator_model),
    ] {
        judge.same(column, &words(row.text(column)), have);
    }
    for (column, have) in [
        ("efa", info.efa),
        ("current_gen", info.current_generation),
        ("burstable", info.burstable),
        ("bare_metal", info.bare_metal),
        ("spot", info.spot),
    ] {
        judge.same(column, &(row.text(column) == "1"), &have);
    }
    let local = info.local_storage.as_ref();
    let disks = row.number::<u32>("local_disks")?.filter(|n| *n > 0);
    judge.same("local_disks", &disks, &local.map(|l| l.disks));
    if let Some(local) = local {
        let ssd = row.text("local_disk_type") == "ssd";
        judge.same("local_disk_type", &ssd, &local.ssd);
        let nvme = row.text("local_nvme") == "1";
        judge.same("local_nvme", &nvme, &local.nvme);
    }
    let hypervisor = match row.text("hypervisor") {
        "nitro" => Some(Hypervisor::Nitro),
        "xen" => Some(Hypervisor::Xen),
        _ => None,
    };
    judge.same("hypervisor", &hypervisor, &info.hypervisor);
    let shared = match row.text("ebs_attach_kind") {
        "shared" => Some(true),
        "dedicated" => Some(false),
        _ => None,
    };
    judge.same("ebs_attach_kind", &shared, &info.ebs_attach_shared);
    Ok(())
}

fn benchmark(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let name = row.text("instance_type");
    let catalog = judge.catalog;
    let Some(figure) = judge.find(&[name], catalog.benchmark(name)) else {
        return Ok(());
    };
    let have = figure.value;
    let number = |n: u64| i64::try_from(n).ok();
    let coremark = scaled(row, "coremark_iter_per_s", 0)?;
    judge.same(
        "coremark_iter_per_s",
        &coremark,
        &number(have.coremark_per_second),
    );
    let fps = scaled(row, "ffmpeg_fps", 3)?;
    judge.same("ffmpeg_fps", &fps, &have.ffmpeg_milli_fps.map(i64::from));
    let memory = row.number::<u64>("os_visible_memory_mib")?;
    judge.same(
        "os_visible_memory_mib",
        &memory,
        &have.os_visible_memory_mib,
    );
    let threads = row.number::<u32>("threads")?;
    judge.same("threads", &threads, &Some(have.threads));
    let day = figure.as_of.to_string();
    judge.same("measured_on", &row.text("measured_on"), &day.as_str());
    Ok(())
}

fn offering(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let (region, name) = (row.text("region"), row.text("instance_type"));
    let catalog = judge.catalog;
    let zones = catalog.offered_in(&region.into(), &name.into());
    let found = (!zones.is_empty()).then_some(zones);
    let Some(zones) = judge.find(&[region, name], found) else {
        return Ok(());
    };
    let of_region = catalog.zones(region);
    let strangers = zones.iter().filter(|z| !of_region.contains(z)).count();
    judge.same("zones unknown to the region", &0, &strangers);
    let numbers: Vec<&str> = zones
        .iter()
        .map(|zone| {
            let id = zone.as_str();
            &id[id.trim_end_matches(|c: char| c.is_ascii_digit()).len()..]
        })
        .collect();
    let mut file: Vec<&str> = row.text("az_numbers").split('|').collect();
    file.sort_unstable();
    let mut have = numbers;
    have.sort_unstable();
    judge.same("az_numbers", &file, &have);
    Ok(())
}

fn on_demand(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let (region, name) = (row.text("region"), row.text("instance_type"));
    let catalog = judge.catalog;
    let Some(figure) = judge.find(&[region, name], catalog.on_demand(region, name)) else {
        return Ok(());
    };
    let price = micro(row, "usd_per_hour")?;
    judge.same("usd_per_hour", &price, &Some(figure.value.0));
    judge.same("basis", &basis(row.text("basis")), &Some(figure.basis));
    Ok(())
}

fn spot(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let (region, name) = (row.text("region"), row.text("instance_type"));
    let catalog = judge.catalog;
    for (os, column) in [
        (OperatingSystem::Linux, "linux_usd_per_hour"),
        (OperatingSystem::Windows, "windows_usd_per_hour"),
    ] {
        let file = micro(row, column)?;
        let have = catalog.spot_for(region, name, None, os);
        // Each price is a row of the catalogue; an empty one must be none.
        if file.is_some() {
            if judge.find(&[region, name, column], have).is_none() {
                continue;
            }
        } else {
            judge.row = format!("{region} {name}");
        }
        judge.same(column, &file, &have.map(|figure| figure.value.0));
    }
    Ok(())
}

fn advice(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let (region, name) = (row.text("region"), row.text("instance_type"));
    let os = match row.text("os") {
        "Linux" => OperatingSystem::Linux,
        "Windows" => OperatingSystem::Windows,
        other => return Err(row.wrong(format!("unknown os {other:?}"))),
    };
    let catalog = judge.catalog;
    let have = catalog.spot_advice(region, name, os);
    let Some(figure) = judge.find(&[region, row.text("os"), name], have) else {
        return Ok(());
    };
    let band = row.number::<u8>("interruption_band")?;
    judge.same("interruption_band", &band, &Some(figure.value.band.index));
    let savings = row.number::<i16>("savings_pct")?;
    judge.same("savings_pct", &savings, &Some(figure.value.savings_percent));
    Ok(())
}

fn ebs(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let (region, name) = (row.text("region"), row.text("volume_type"));
    let catalog = judge.catalog;
    let Some(price) = judge.find(&[region, name], catalog.ebs_price(region, name)) else {
        return Ok(());
    };
    let perf = "basis_perf";
    let prices: [(&str, &str, Option<Figure<MicroUsdPerMonth>>); 5] = [
        ("usd_per_gb_month", "basis", Some(price.per_gib_month)),
        ("usd_per_iops_month", "basis", price.per_iops_month),
        (
            "usd_per_iops_month_32k_64k",
            perf,
            price.per_iops_month_32k_64k,
        ),
        (
            "usd_per_iops_month_over_64k",
            perf,
            price.per_iops_month_over_64k,
        ),
        ("usd_per_mbps_month", perf, price.per_mibps_month),
    ];
    for (column, basis_column, have) in prices {
        let file = micro(row, column)?;
        judge.same(column, &file, &have.map(|figure| figure.value.0));
        if let (Some(_), Some(figure)) = (file, have) {
            let file = basis(row.text(basis_column));
            judge.same(basis_column, &file, &Some(figure.basis));
        }
    }
    for (column, have) in [
        ("iops_included", price.iops_included),
        ("mbps_included", price.mibps_included),
    ] {
        let file = row.number::<u32>(column)?.unwrap_or(0);
        judge.same(column, &file, &have);
    }
    Ok(())
}

fn transfer(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let region = row.text("region");
    let catalog = judge.catalog;
    let Some(figure) = judge.find(&[region], catalog.transfer(region)) else {
        return Ok(());
    };
    let price = figure.value;
    let prices: [(&str, Option<MicroUsd>); 7] = [
        (
            "inter_az_usd_per_gb_each_way",
            Some(price.cross_zone_each_way_per_gb),
        ),
        ("inter_region_usd_per_gb_out", price.inter_region_per_gb),
        ("us_east_pair_usd_per_gb_out", price.us_east_pair_per_gb),
        (
            "internet_usd_per_gb_first_10tb",
            price.internet_first_10tb_per_gb,
        ),
        (
            "internet_usd_per_gb_next_40tb",
            price.internet_next_40tb_per_gb,
        ),
        (
            "internet_usd_per_gb_next_100tb",
            price.internet_next_100tb_per_gb,
        ),
        (
            "internet_usd_per_gb_over_150tb",
            price.internet_over_150tb_per_gb,
        ),
    ];
    for (column, have) in prices {
        let file = micro(row, column)?;
        judge.same(column, &file, &have.map(|price| price.0));
    }
    Ok(())
}

fn service(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    // A price of all regions (`*`) is looked up in one without its own.
    let (item, region) = (row.text("item"), row.text("region"));
    let place = if region == "*" { "us-west-2" } else { region };
    let catalog = judge.catalog;
    let Some(figure) = judge.find(&[item, region], catalog.service_price(place, item)) else {
        return Ok(());
    };
    let price = micro(row, "usd")?;
    judge.same("usd", &price, &Some(figure.value.price.0));
    let unit = match figure.value.per {
        ServiceUnit::Hour => "hour",
        ServiceUnit::Gb => "GB",
        ServiceUnit::GibMonth => "GB-month",
        ServiceUnit::MillionRequests => "million-requests",
        _ => "unknown",
    };
    judge.same("unit", &row.text("unit"), &unit);
    let day = figure.as_of.to_string();
    judge.same("as_of", &row.text("as_of"), &day.as_str());
    Ok(())
}

fn region(judge: &mut Judge<'_>, row: Row<'_>) -> Result<(), LoadError> {
    let name = row.text("region");
    let catalog = judge.catalog;
    let Some(info) = judge.find(&[name], catalog.region(name)) else {
        return Ok(());
    };
    judge.same(
        "partition",
        &row.text("partition"),
        &info.partition.as_str(),
    );
    judge.same(
        "description",
        &row.text("description"),
        &info.description.as_str(),
    );
    let kind = match info.kind {
        RegionKind::Region => "region",
        RegionKind::LocalZoneGroup => "local-zone-group",
        _ => "unknown",
    };
    judge.same("kind", &row.text("kind"), &kind);
    let prefix = row.text("az_id_prefix");
    let mut file: Vec<String> = row
        .text("az_numbers")
        .split('|')
        .filter(|n| !n.is_empty())
        .map(|n| format!("{prefix}{n}"))
        .collect();
    file.sort_unstable();
    let have: Vec<String> = info.zones.iter().map(ToString::to_string).collect();
    judge.same("az_numbers", &file, &have);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare_text(test: &str, text: &str) -> Comparison {
        let catalog = Catalog::embedded().unwrap();
        let name = format!("cloudoptim-tables-{}-{test}.csv", std::process::id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, text).unwrap();
        let found = compare(&catalog, &file);
        fs::remove_file(&file).unwrap();
        found.unwrap()
    }

    #[test]
    fn a_table_that_agrees_has_no_difference() {
        let found = compare_text(
            "same",
            "region,instance_type,usd_per_hour,basis,source\nus-east-1,m6i.large,0.096,L,K\n",
        );
        assert_eq!(found.differences, []);
        let table = &found.tables[0];
        assert_eq!((table.rows, table.figures), (1, 2));
        assert!(table.beyond > 20_000, "the file is a part of the table");
    }

    #[test]
    fn a_price_off_by_a_micro_dollar_is_a_difference() {
        let found = compare_text(
            "price",
            "region,instance_type,usd_per_hour,basis,source\nus-east-1,m6i.large,0.096001,L,K\n",
        );
        assert_eq!(found.differences.len(), 1);
        assert!(
            found.differences[0].to_string().ends_with(
                "us-east-1 m6i.large: usd_per_hour is Some(96001), in the catalogue Some(96000)"
            ),
            "{}",
            found.differences[0]
        );
    }

    #[test]
    fn an_estimate_that_the_file_lists_is_a_difference() {
        let found = compare_text(
            "basis",
            "region,instance_type,usd_per_hour,basis,source\nus-east-1,m6i.large,0.096,E,F\n",
        );
        assert_eq!(found.differences[0].column, "basis");
    }

    #[test]
    fn a_row_that_the_catalogue_lacks_is_missing() {
        let found = compare_text(
            "missing",
            "region,instance_type,az_numbers\nus-east-1,m6i.large,1|2|4|5|6\nus-east-1,no.such,1\n",
        );
        assert_eq!(found.tables[0].missing, 1);
        let last = found.differences.last().unwrap();
        assert!(
            last.to_string()
                .ends_with("us-east-1 no.such: not in the catalogue")
        );
    }

    #[test]
    fn a_price_that_the_file_does_not_know_must_be_unknown() {
        // Linux is priced, so an empty field is a figure out of nowhere.
        let found = compare_text(
            "unknown",
            "region,instance_type,linux_usd_per_hour,windows_usd_per_hour\nus-east-1,m6i.large,,\n",
        );
        assert!(found.tables[0].different >= 1, "{:?}", found.tables);
    }
}
