//! `packing`: what a packing costs, how far from the bound, how fast.

use super::{Usage, complain, json, number, value};
use crate::check;
use crate::instance::{Assignment, Instance};
use crate::load::{self, LoadError};
use crate::process::{Watch, load_average, peak_rss_mb, reset_peak};
use crate::sample;
use cloudoptim_core::engines::bin_packing::solver::{Effort, solve_observed};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

#[derive(Default)]
struct Options {
    paths: Vec<PathBuf>,
    types: Option<PathBuf>,
    plain: bool,
    pods: Option<usize>,
    seed: u64,
    assignment: Option<PathBuf>,
    quick: bool,
    json: bool,
}

impl Options {
    fn parse(args: Vec<String>) -> Result<Self, Usage> {
        let mut options = Self {
            seed: 1,
            ..Self::default()
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--types" => options.types = Some(value(&arg, &mut args)?.into()),
                "--plain" => options.plain = true,
                "--pods" => {
                    let pods = number(&arg, &mut args)?;
                    if pods == 0 {
                        return Err(Usage("--pods must be at least 1, got 0".to_owned()));
                    }
                    options.pods = Some(pods);
                }
                "--seed" => options.seed = number(&arg, &mut args)?,
                "--assignment" => options.assignment = Some(value(&arg, &mut args)?.into()),
                "--effort" => {
                    options.quick = match value(&arg, &mut args)?.as_str() {
                        "quick" => true,
                        "full" => false,
                        other => {
                            return Err(Usage(format!(
                                "--effort must be quick or full, got {other:?}"
                            )));
                        }
                    }
                }
                "--json" => options.json = true,
                _ if arg.starts_with("--") => {
                    return Err(Usage(format!("unknown option {arg}")));
                }
                _ => options.paths.push(arg.into()),
            }
        }
        if options.paths.is_empty() {
            return Err(Usage("packing needs a path".to_owned()));
        }
        Ok(options)
    }
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Line {
    instance: String,
    pods: usize,
    types: usize,
    nodes: usize,
    cost: f64,
    lower_bound: f64,
    gap: Option<f64>,
    violations: usize,
    unplaced: usize,
    first_feasible_seconds: Option<f64>,
    seconds: f64,
    peak_rss_mb: Option<f64>,
    version: &'static str,
    /// Not in the table: how the plan and the bound came about.
    strategy: String,
    best_known: Option<f64>,
    load_average: Option<f64>,
}

pub(super) fn run(args: Vec<String>) -> Result<bool, Usage> {
    let options = Options::parse(args)?;
    let types = match &options.types {
        Some(file) => match load::read_types(file) {
            Ok(types) => Some(types),
            Err(err) => return Ok(complain(&err)),
        },
        None => None,
    };
    let mut assignments = match &options.assignment {
        Some(file) => match File::create(file) {
            Ok(out) => Some(BufWriter::new(out)),
            Err(err) => return Ok(complain(&LoadError::Io(file.clone(), err))),
        },
        None => None,
    };
    if let Some(out) = &mut assignments
        && let Err(err) = writeln!(out, "instance,pod,node,type,zone")
    {
        let _ = writeln!(io::stderr(), "error: {err}");
        return Ok(false);
    }
    let table = io::stdout().is_terminal() && !options.json;
    let mut ok = true;
    let mut first = true;
    for path in &options.paths {
        let instances = match load::packing(path, types.as_deref()) {
            Ok(instances) => instances,
            Err(err) => {
                ok = complain(&err);
                continue;
            }
        };
        for mut instance in instances {
            if let Some(pods) = options.pods {
                instance = sample::draw(instance, pods, options.seed);
            }
            if options.plain {
                instance = instance.plain();
            }
            let (line, assignment) = match measure(&instance, options.quick) {
                Ok(measured) => measured,
                Err(err) => {
                    let _ = writeln!(io::stderr(), "error: {}: {err}", instance.name);
                    ok = false;
                    continue;
                }
            };
            ok &= line.violations == 0;
            let written = if table {
                print_row(&line, std::mem::take(&mut first))
            } else {
                json(&line)
            };
            let saved = match &mut assignments {
                Some(out) => save(out, &instance, &assignment),
                None => Ok(()),
            };
            if let Err(err) = written.and(saved) {
                let _ = writeln!(io::stderr(), "error: {err}");
                return Ok(false);
            }
        }
    }
    if let Some(out) = &mut assignments
        && let Err(err) = out.flush()
    {
        let _ = writeln!(io::stderr(), "error: {err}");
        return Ok(false);
    }
    Ok(ok)
}

/// Solves one instance and judges the answer.
fn measure(instance: &Instance, quick: bool) -> Result<(Line, Assignment), String> {
    reset_peak();
    let (problem, groups) = instance.problem();
    let effort = if quick {
        Effort::quick()
    } else {
        Effort::default()
    };
    let watch = Watch::start();
    let mut first_feasible = None;
    let solution = solve_observed(&problem, &effort, &mut |progress| {
        if progress.unplaced == 0 && first_feasible.is_none() {
            first_feasible = Some(watch.seconds());
        }
        ControlFlow::Continue(())
    })
    .map_err(|err| err.to_string())?;
    let seconds = watch.seconds();
    let assignment = instance.assignment(&solution, &groups);
    let violations = check::violations(instance, &assignment, solution.cost.0);
    for violation in violations.iter().take(5) {
        let _ = writeln!(io::stderr(), "violation: {}: {violation}", instance.name);
    }
    let line = Line {
        instance: instance.name.clone(),
        pods: instance.pods.len(),
        types: instance.machines.len(),
        nodes: assignment.nodes.len(),
        cost: solution.cost.usd(),
        lower_bound: solution.lower_bound.usd(),
        gap: solution.gap(),
        violations: violations.len(),
        unplaced: assignment.unplaced.len(),
        first_feasible_seconds: first_feasible,
        seconds,
        peak_rss_mb: peak_rss_mb(),
        version: env!("CARGO_PKG_VERSION"),
        strategy: solution.proof.strategy.clone(),
        best_known: instance.best_known,
        load_average: load_average(),
    };
    Ok((line, assignment))
}

fn print_row(line: &Line, header: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if header {
        writeln!(
            out,
            "{:<28} {:>7} {:>6} {:>6} {:>11} {:>11} {:>8} {:>5} {:>8} {:>7} {:>7} {:>7}",
            "instance",
            "pods",
            "types",
            "nodes",
            "cost",
            "bound",
            "gap %",
            "viol.",
            "unplaced",
            "first s",
            "s",
            "MB"
        )?;
    }
    let optional = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"))
    };
    writeln!(
        out,
        "{:<28} {:>7} {:>6} {:>6} {:>11.3} {:>11.3} {:>8} {:>5} {:>8} {:>7} {:>7.2} {:>7}",
        line.instance,
        line.pods,
        line.types,
        line.nodes,
        line.cost,
        line.lower_bound,
        optional(line.gap.map(|g| g * 100.0), 3),
        line.violations,
        line.unplaced,
        optional(line.first_feasible_seconds, 3),
        line.seconds,
        optional(line.peak_rss_mb, 0),
    )
}

/// Writes who goes where.
fn save(out: &mut impl Write, instance: &Instance, assignment: &Assignment) -> io::Result<()> {
    for (number, node) in assignment.nodes.iter().enumerate() {
        let zone = node.zone.map_or("", |z| instance.zones[z].as_str());
        for (pod, _) in &node.pods {
            writeln!(
                out,
                "{},{},{number},{},{zone}",
                instance.name, instance.pods[*pod].name, instance.machines[node.machine].name
            )?;
        }
    }
    for pod in &assignment.unplaced {
        writeln!(out, "{},{},,,", instance.name, instance.pods[*pod].name)?;
    }
    Ok(())
}
