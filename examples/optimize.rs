//! The main job: reads a cluster, asks all eight engines, and writes one plan.
//!
//! ```text
//! cargo run --release --example optimize                # the sample cluster
//! kubectl get nodes,pods,deployments,… -A -o json > dump/objects.json
//! cargo run --release --example optimize -- dump/ --region eu-west-1 --complete
//! cargo run --release --example optimize -- --help
//! ```
//!
//! It prints a table, and writes `optimize.json` (the plan) and
//! `optimize.html` (the same for people, self-contained). It needs no account
//! and changes nothing. `optimize/` holds what any such tool needs: arguments
//! and files.

#[path = "optimize/args.rs"]
mod args;
#[path = "optimize/files.rs"]
mod files;
#[path = "optimize/progress.rs"]
mod progress;
#[path = "optimize/rules.rs"]
mod rules;

use args::{Args, Format, Parsed};
use cloudoptim_core::catalog::{Catalog, Table};
use cloudoptim_core::engines::bin_packing::solver::RepackEffort;
use cloudoptim_core::engines::bin_packing::{Repacking, launchable_copies, repacking};
use cloudoptim_core::engines::{EngineError, Inputs};
use cloudoptim_core::input::Loader;
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{Cluster, ClusterUid};
use cloudoptim_core::optimize::optimize_observed;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use cloudoptim_core::report::{self, Report};
use files::Failure;
use progress::Progress;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os().skip(1)) {
        Ok(Parsed::Run(args)) => *args,
        Ok(Parsed::Help) => return finish(print(args::HELP)),
        Err(usage) => {
            eprintln!("optimize: {usage}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    finish(run(&args))
}

fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("optimize: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    // Settings first: a mistake in them shows before anything long is done.
    let policy: Policy = files::settings(args.policy.as_deref())?;
    let ledgers: Ledgers = files::settings(args.ledgers.as_deref())?;
    let overlay: Overlay = files::settings(args.overlay.as_deref())?;
    let mut catalog = Catalog::embedded().map_err(|e| Failure::new("the embedded catalogue", e))?;
    if let Some(path) = &args.prices {
        let default_as_of = args.input.taken_at.map(|at| at.date_naive());
        let table = Table::prices(&files::read(path)?, default_as_of);
        catalog.overlay(table.map_err(|e| Failure::new(path.display(), e))?);
    }

    let mut progress = Progress::new();
    let mut loader = Loader::new(args.input.clone());
    files::each(&args.paths, &mut |name, bytes, (done, of)| {
        progress.show(done, of, &format!("read {name}"));
        loader.add(name, bytes);
    })?;
    let loaded = loader.finish().map_err(|e| Failure::new("input", e))?;
    progress.done();
    warn(&loaded.report);

    let inputs = Inputs {
        snapshot: &loaded.snapshot,
        overlay: &overlay,
        catalog: &catalog,
        policy: &policy,
        ledgers: &ledgers,
        deadline: None,
    };
    let plan = optimize_observed(&inputs, &mut |step| {
        progress.show(step.done, step.of, &format!("ask {}", step.engine));
    })
    .map_err(|e| Failure::new("engines", e))?;
    progress.done();

    let repackings = repackings(&inputs).map_err(|e| Failure::new("repacking", e))?;
    let report = Report::new(&plan)
        .with_inputs(&inputs)
        .with_load(&loaded.report)
        .with_repackings(&repackings)
        .with_title(&args.title);
    let mut json = serde_json::to_string_pretty(&plan).map_err(|e| Failure::new("plan", e))?;
    json.push('\n');
    let html = files::write(&args.out, "optimize.html", &report::html(&report))?;
    let plan_file = files::write(&args.out, "optimize.json", &json)?;
    match args.format {
        Format::Json => print(&json)?,
        Format::Table => print(&report::text(&report, progress::width()))?,
    }
    if args.rules > 0 {
        let text = rules::dearest(&inputs, args.rules).map_err(|e| Failure::new("rules", e))?;
        match args.format {
            Format::Json => eprint!("{text}"),
            Format::Table => print(&text)?,
        }
    }
    eprintln!("\nwrote {} and {}", plan_file.display(), html.display());
    Ok(())
}

/// What repacking alone could reach, with more of the nodes that are there.
fn repackings(inputs: &Inputs<'_>) -> Result<Vec<(ClusterUid, Repacking)>, EngineError> {
    let (laid, config) = (inputs.laid(), &inputs.policy.bin_packing);
    let one = |cluster: &Cluster| {
        let kinds = launchable_copies(inputs, cluster);
        let reached = repacking(config, inputs, cluster, &kinds, &RepackEffort::default())?;
        Ok((cluster.uid.clone(), reached))
    };
    laid.clusters.iter().map(one).collect()
}

/// Says what could not be read, the first few one by one; the report has all.
fn warn(report: &cloudoptim_core::input::LoadReport) {
    for file in &report.files {
        if let Some(why) = &file.refused {
            eprintln!("warning: {}: {why}; not read", file.name);
        }
    }
    for broken in report.broken.iter().take(5) {
        eprintln!("warning: {broken}");
    }
    if report.broken_count > 5 {
        eprintln!(
            "warning: {} objects in all could not be read",
            report.broken_count
        );
    }
}

/// Prints to standard output; a reader that has seen enough is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new("standard output", e)),
        _ => Ok(()),
    }
}
