//! `load`: how long documents take to read, and what was in them.

use super::{Usage, complain, json, value};
use crate::documents;
use crate::process::{Watch, cpu_seconds, load_average, peak_rss_mb, reset_peak};
use cloudoptim_core::input::{InputOptions, Loaded};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

#[derive(Default)]
struct Options {
    paths: Vec<PathBuf>,
    input: InputOptions,
    json: bool,
}

impl Options {
    fn parse(args: Vec<String>) -> Result<Self, Usage> {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--taken-at" => {
                    let text = value(&arg, &mut args)?;
                    let time = text.parse().map_err(|_| {
                        Usage(format!(
                            "--taken-at must be a time such as 2026-11-22T02:30:00Z, got {text:?}"
                        ))
                    })?;
                    options.input.taken_at = Some(time);
                }
                "--account" => options.input.account = Some(value(&arg, &mut args)?.into()),
                "--region" => options.input.region = Some(value(&arg, &mut args)?.into()),
                "--cluster" => options.input.cluster = Some(value(&arg, &mut args)?),
                "--complete" => options.input.complete = true,
                "--json" => options.json = true,
                _ if arg.starts_with("--") => {
                    return Err(Usage(format!("unknown option {arg}")));
                }
                _ => options.paths.push(arg.into()),
            }
        }
        if options.paths.is_empty() {
            return Err(Usage("load needs a path".to_owned()));
        }
        Ok(options)
    }
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Line {
    instance: String,
    files: usize,
    /// Bytes of text, decompressed.
    bytes: u64,
    kinds: BTreeMap<String, u64>,
    skipped: BTreeMap<String, u64>,
    broken: u64,
    refused_files: usize,
    duplicate_keys: u64,
    duplicate_objects: u64,
    usage_series: usize,
    usage_samples: usize,
    traffic_edges: usize,
    seconds: f64,
    cpu_seconds: Option<f64>,
    peak_rss_mb: Option<f64>,
    load_average: Option<f64>,
    version: &'static str,
}

pub(super) fn run(args: Vec<String>) -> Result<bool, Usage> {
    let options = Options::parse(args)?;
    let table = io::stdout().is_terminal() && !options.json;
    let mut ok = true;
    let mut first = true;
    for path in &options.paths {
        reset_peak();
        let before = cpu_seconds();
        let watch = Watch::start();
        let loaded = documents::load(path, options.input.clone());
        let seconds = watch.seconds();
        let cost = Cost {
            seconds,
            // The kernel counts in ticks of some milliseconds.
            cpu_seconds: cpu_seconds()
                .zip(before)
                .map(|(now, then)| now - then)
                .filter(|_| seconds >= 0.1),
            peak_rss_mb: peak_rss_mb(),
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(err) => {
                ok = complain(&err);
                continue;
            }
        };
        name_faults(&loaded);
        let line = line(path, &loaded, &cost);
        let written = if table {
            print_row(&line, std::mem::take(&mut first))
        } else {
            json(&line)
        };
        if let Err(err) = written {
            return Ok(complain(&err));
        }
    }
    Ok(ok)
}

/// The first files and objects that could not be read.
fn name_faults(loaded: &Loaded) {
    let mut err = io::stderr().lock();
    let refused = loaded
        .report
        .files
        .iter()
        .filter_map(|f| Some((f, f.refused.as_ref()?)));
    for (file, why) in refused.take(5) {
        let _ = writeln!(err, "refused: {}: {why}", file.name);
    }
    for broken in loaded.report.broken.iter().take(5) {
        let _ = writeln!(err, "broken: {broken}");
    }
}

/// What a load took.
struct Cost {
    seconds: f64,
    cpu_seconds: Option<f64>,
    peak_rss_mb: Option<f64>,
}

fn line(path: &Path, loaded: &Loaded, cost: &Cost) -> Line {
    let report = &loaded.report;
    let series = &loaded.usage.series;
    let clusters = &loaded.snapshot.clusters;
    Line {
        instance: path.file_name().map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into(),
        ),
        files: report.files.len(),
        bytes: report.files.iter().map(|f| f.bytes).sum(),
        kinds: report.kinds.clone(),
        skipped: report.skipped.clone(),
        broken: report.broken_count,
        refused_files: report.files.iter().filter(|f| f.refused.is_some()).count(),
        duplicate_keys: report.duplicate_keys,
        duplicate_objects: report.duplicate_objects,
        usage_series: series.len(),
        usage_samples: series
            .iter()
            .map(|s| s.values.iter().flatten().count())
            .sum(),
        traffic_edges: clusters.iter().map(|c| c.traffic.items().len()).sum(),
        seconds: cost.seconds,
        cpu_seconds: cost.cpu_seconds,
        peak_rss_mb: cost.peak_rss_mb,
        load_average: load_average(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

fn print_row(line: &Line, header: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if header {
        writeln!(
            out,
            "{:<28} {:>6} {:>8} {:>8} {:>8} {:>7} {:>8} {:>8} {:>7}  kinds",
            "instance", "files", "MB", "objects", "skipped", "broken", "refused", "s", "peak MB"
        )?;
    }
    let kinds: Vec<String> = line
        .kinds
        .iter()
        .map(|(kind, n)| format!("{kind} {n}"))
        .collect();
    writeln!(
        out,
        "{:<28} {:>6} {:>8.1} {:>8} {:>8} {:>7} {:>8} {:>8.3} {:>7}  {}",
        line.instance,
        line.files,
        line.bytes as f64 / 1e6,
        line.kinds.values().sum::<u64>(),
        line.skipped.values().sum::<u64>(),
        line.broken,
        line.refused_files,
        line.seconds,
        line.peak_rss_mb
            .map_or_else(|| "-".to_owned(), |mb| format!("{mb:.0}")),
        kinds.join(", ")
    )
}
