//! `catalog`: what the embedded catalogue costs to load and to ask.

use super::{Usage, complain, json};
use crate::process::{Watch, load_average, peak_rss_mb, reset_peak, rss_mb};
use crate::sample::Random;
use crate::tables::{self, Compared};
use cloudoptim_core::catalog::{Catalog, CatalogError, TableKind};
use cloudoptim_core::model::{InstanceType, Region, ZoneId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// How often the catalogue is loaded again for the median.
const LOADS: usize = 21;
/// Keys that are looked up, in random order.
const KEYS: usize = 8_192;
/// Lookups between two looks at the clock, which itself takes some 25 ns.
const BATCH: usize = 256;
/// Batches whose median counts.
const BATCHES: usize = 2_048;

#[derive(Default)]
struct Options {
    paths: Vec<PathBuf>,
    json: bool,
}

impl Options {
    fn parse(args: Vec<String>) -> Result<Self, Usage> {
        let mut options = Self::default();
        for arg in args {
            match arg.as_str() {
                "--json" => options.json = true,
                _ if arg.starts_with("--") => {
                    return Err(Usage(format!("unknown option {arg}")));
                }
                _ => options.paths.push(arg.into()),
            }
        }
        Ok(options)
    }
}

/// The line of the embedded catalogue.
#[derive(Debug, Serialize)]
struct Embedded {
    instance: &'static str,
    /// Bytes in the binary, compressed.
    embedded_bytes: usize,
    rows: BTreeMap<&'static str, usize>,
    /// Pairs of instance type and zone.
    zone_offerings: usize,
    /// The first load of the process.
    load_seconds: f64,
    load_seconds_median: f64,
    /// What the first load takes at its height, and what stays of it.
    load_peak_mb: Option<f64>,
    load_resident_mb: Option<f64>,
    /// The slowest kind of lookup; medians of all kinds are in `lookups_ns`.
    lookup_ns: f64,
    lookups_ns: BTreeMap<&'static str, f64>,
    peak_rss_mb: Option<f64>,
    load_average: Option<f64>,
    version: &'static str,
}

/// The line of a path.
#[derive(Debug, Serialize)]
struct Compares {
    instance: String,
    tables: Vec<Compared>,
    /// CSV files that are no table of the catalogue.
    unread: Vec<String>,
    violations: usize,
    seconds: f64,
    version: &'static str,
}

pub(super) fn run(args: Vec<String>) -> Result<bool, Usage> {
    let options = Options::parse(args)?;
    let table = io::stdout().is_terminal() && !options.json;
    let (catalog, line) = match measure() {
        Ok(measured) => measured,
        Err(err) => return Ok(complain(&err)),
    };
    let written = if table { print(&line) } else { json(&line) };
    if let Err(err) = written {
        return Ok(complain(&err));
    }
    let mut ok = true;
    for path in &options.paths {
        let line = match compare(&catalog, path) {
            Ok(line) => line,
            Err(err) => {
                ok = complain(&err);
                continue;
            }
        };
        ok &= line.violations == 0;
        let written = if table {
            print_tables(&line)
        } else {
            json(&line)
        };
        if let Err(err) = written {
            return Ok(complain(&err));
        }
    }
    Ok(ok)
}

fn measure() -> Result<(Catalog, Embedded), CatalogError> {
    reset_peak();
    let before = rss_mb();
    let watch = Watch::start();
    let catalog = Catalog::embedded()?;
    let load_seconds = watch.seconds();
    let grown = |now: Option<f64>| Some(((now? - before?) * 10.0).round() / 10.0);
    let (load_peak_mb, load_resident_mb) = (grown(peak_rss_mb()), grown(rss_mb()));

    let mut loads = Vec::new();
    for _ in 0..LOADS {
        let watch = Watch::start();
        black_box(Catalog::embedded()?);
        loads.push(watch.seconds());
    }
    let lookups_ns = lookups(&catalog);
    let line = Embedded {
        instance: "embedded",
        // Equal catalogues give equal bytes, so this is the embedded file.
        embedded_bytes: catalog.to_bytes()?.len(),
        rows: rows(&catalog),
        zone_offerings: zone_offerings(&catalog),
        load_seconds,
        load_seconds_median: median(loads),
        load_peak_mb,
        load_resident_mb,
        lookup_ns: lookups_ns.values().copied().fold(0.0, f64::max),
        lookups_ns,
        peak_rss_mb: peak_rss_mb(),
        load_average: load_average(),
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok((catalog, line))
}

fn rows(catalog: &Catalog) -> BTreeMap<&'static str, usize> {
    let counts = catalog.counts();
    [
        ("types", TableKind::InstanceTypes),
        ("offerings", TableKind::Offerings),
        ("on_demand", TableKind::OnDemand),
        ("spot", TableKind::Spot),
        ("spot_advisor", TableKind::Interruption),
        ("ebs", TableKind::Ebs),
        ("transfer", TableKind::Transfer),
        ("services", TableKind::Services),
        ("coremark", TableKind::Benchmarks),
        ("regions", TableKind::Regions),
    ]
    .into_iter()
    .map(|(name, kind)| (name, counts.get(&kind).copied().unwrap_or(0)))
    .collect()
}

fn zone_offerings(catalog: &Catalog) -> usize {
    let mut total = 0;
    for region in catalog.regions() {
        for info in catalog.instance_types() {
            total += catalog.offered_in(&region.name, &info.name).len();
        }
    }
    total
}

/// What is looked up: a type that is sold on demand in a region, and one of
/// that region's zones.
struct Key {
    region: Region,
    name: InstanceType,
    zone: Option<ZoneId>,
}

/// Medians in nanoseconds, by kind of lookup.
fn lookups(catalog: &Catalog) -> BTreeMap<&'static str, f64> {
    let mut keys: Vec<Key> = Vec::new();
    for region in catalog.regions() {
        for info in catalog.instance_types() {
            if catalog
                .on_demand(region.name.as_str(), info.name.as_str())
                .is_some()
            {
                keys.push(Key {
                    region: region.name.clone(),
                    name: info.name.clone(),
                    zone: region.zones.first().cloned(),
                });
            }
        }
    }
    let mut random = Random::new(1);
    for i in (1..keys.len()).rev() {
        keys.swap(i, random.below(i + 1));
    }
    keys.truncate(KEYS);
    let time = |f: &dyn Fn(&Key)| nanoseconds(&keys, f);
    BTreeMap::from([
        (
            "instance_type",
            time(&|k| {
                black_box(catalog.instance_type(k.name.as_str()));
            }),
        ),
        (
            "on_demand",
            time(&|k| {
                black_box(catalog.on_demand(k.region.as_str(), k.name.as_str()));
            }),
        ),
        (
            "spot",
            time(&|k| {
                black_box(catalog.spot(k.region.as_str(), k.name.as_str(), None));
            }),
        ),
        (
            "spot_in_zone",
            time(&|k| {
                black_box(catalog.spot(k.region.as_str(), k.name.as_str(), k.zone.as_ref()));
            }),
        ),
        (
            "interruption_band",
            time(&|k| {
                black_box(catalog.interruption_band(k.region.as_str(), k.name.as_str()));
            }),
        ),
        (
            "offered_in",
            time(&|k| {
                black_box(catalog.offered_in(&k.region, &k.name));
            }),
        ),
        (
            "coremark",
            time(&|k| {
                black_box(catalog.coremark(k.name.as_str()));
            }),
        ),
        (
            "ebs_price",
            time(&|k| {
                black_box(catalog.ebs_price(k.region.as_str(), "gp3"));
            }),
        ),
        (
            "transfer",
            time(&|k| {
                black_box(catalog.transfer(k.region.as_str()));
            }),
        ),
    ])
}

/// Median over batches of the mean time of one lookup.
fn nanoseconds(keys: &[Key], lookup: &dyn Fn(&Key)) -> f64 {
    let mut times = Vec::with_capacity(BATCHES);
    for batch in keys.chunks_exact(BATCH).cycle().take(BATCHES) {
        let watch = Watch::start();
        for key in batch {
            lookup(black_box(key));
        }
        times.push(watch.seconds() * 1e9 / BATCH as f64);
    }
    (median(times) * 10.0).round() / 10.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn compare(catalog: &Catalog, path: &Path) -> Result<Compares, crate::load::LoadError> {
    let watch = Watch::start();
    let found = tables::compare(catalog, path)?;
    for difference in found.differences.iter().take(5) {
        let _ = writeln!(io::stderr(), "violation: {difference}");
    }
    Ok(Compares {
        instance: path.file_name().map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into(),
        ),
        violations: found.differences.len(),
        tables: found.tables,
        unread: found.unread,
        seconds: watch.seconds(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn print(line: &Embedded) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mb = |mb: Option<f64>| mb.map_or_else(|| "-".to_owned(), |mb| format!("{mb:.1} MB"));
    writeln!(out, "{:<24} {} bytes", "embedded", line.embedded_bytes)?;
    for (table, rows) in &line.rows {
        writeln!(out, "{table:<24} {rows} rows")?;
    }
    writeln!(out, "{:<24} {}", "type-zone pairs", line.zone_offerings)?;
    writeln!(
        out,
        "{:<24} {:.1} ms, again {:.1} ms",
        "load",
        line.load_seconds * 1e3,
        line.load_seconds_median * 1e3
    )?;
    writeln!(
        out,
        "{:<24} {} at its height, {} stay",
        "memory of the load",
        mb(line.load_peak_mb),
        mb(line.load_resident_mb)
    )?;
    for (kind, ns) in &line.lookups_ns {
        writeln!(out, "{:<24} {ns:.1} ns", format!("lookup {kind}"))?;
    }
    Ok(())
}

fn print_tables(line: &Compares) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\n{:<32} {:>7} {:>8} {:>8} {:>10} {:>7}",
        line.instance, "rows", "figures", "missing", "different", "beyond"
    )?;
    for table in &line.tables {
        writeln!(
            out,
            "{:<32} {:>7} {:>8} {:>8} {:>10} {:>7}",
            table.table, table.rows, table.figures, table.missing, table.different, table.beyond
        )?;
    }
    for file in &line.unread {
        writeln!(out, "{file:<32} not a table of the catalogue")?;
    }
    Ok(())
}
