//! `packing`: what a packing costs, how far from the bound, how fast.

use super::{Usage, complain, json, number, stock, value};
use crate::baseline::{first_fit, provision};
use crate::certificate::certify;
use crate::check::{self, Violation};
use crate::instance::{Assignment, Instance};
use crate::load::{self, LoadError};
use crate::machine_limits::MachineLimit;
use crate::process::{Watch, deadline_in, load_average, peak_rss_mb, reset_peak};
use crate::wishes::Wish;
use crate::{sample, seeded};
use cloudoptim_core::engines::bin_packing::solver::{Effort, solve, solve_until, threads};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

#[derive(Default)]
struct Options {
    paths: Vec<PathBuf>,
    types: Option<PathBuf>,
    nodes: Option<PathBuf>,
    plain: bool,
    pods: Option<usize>,
    seed: u64,
    seeds: Option<u64>,
    generate: bool,
    classes: usize,
    baselines: bool,
    assignment: Option<PathBuf>,
    quick: bool,
    json: bool,
    deadline_ms: Option<u32>,
    limits: Vec<MachineLimit>,
    wish: Option<Wish>,
}

/// Pods that are generated when nobody says how many.
const GENERATED_PODS: usize = 100_000;

/// Families of general use, for generated pods.
const FAMILIES: [&str; 6] = ["c6i", "c7i", "m6i", "m7i", "r6i", "r7i"];

impl Options {
    fn parse(args: Vec<String>) -> Result<Self, Usage> {
        let mut options = Self {
            seed: 1,
            classes: 900,
            ..Self::default()
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--types" => options.types = Some(value(&arg, &mut args)?.into()),
                "--nodes" => options.nodes = Some(value(&arg, &mut args)?.into()),
                "--plain" => options.plain = true,
                "--pods" => {
                    let pods = number(&arg, &mut args)?;
                    if pods == 0 {
                        return Err(Usage("--pods must be at least 1, got 0".to_owned()));
                    }
                    options.pods = Some(pods);
                }
                "--seed" => options.seed = number(&arg, &mut args)?,
                "--seeds" => {
                    let seeds = number(&arg, &mut args)?;
                    if seeds == 0 {
                        return Err(Usage("--seeds must be at least 1, got 0".to_owned()));
                    }
                    options.seeds = Some(seeds);
                }
                "--generate" => match value(&arg, &mut args)?.as_str() {
                    "rightsized" => options.generate = true,
                    other => {
                        return Err(Usage(format!(
                            "--generate must be rightsized, got {other:?}"
                        )));
                    }
                },
                "--classes" => options.classes = number(&arg, &mut args)?,
                "--baselines" => options.baselines = true,
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
                "--deadline-ms" => options.deadline_ms = Some(number(&arg, &mut args)?),
                "--json" => options.json = true,
                "--prefer" => {
                    let wish = value(&arg, &mut args)?.parse();
                    options.wish = Some(wish.map_err(Usage)?);
                }
                "--limit" => {
                    let limit = value(&arg, &mut args)?.parse();
                    options.limits.push(limit.map_err(Usage)?);
                }
                _ if arg.starts_with("--") => {
                    return Err(Usage(format!("unknown option {arg}")));
                }
                _ => options.paths.push(arg.into()),
            }
        }
        if options.paths.is_empty() && !options.generate {
            return Err(Usage("packing needs a path".to_owned()));
        }
        if options.seeds.is_some() && options.pods.is_none() && !options.generate {
            return Err(Usage("--seeds needs --pods or --generate".to_owned()));
        }
        let buys = [
            (options.types.is_some(), "--types"),
            (options.generate, "--generate"),
            (options.baselines, "--baselines"),
            (options.wish.is_some(), "--prefer"),
            (!options.limits.is_empty(), "--limit"),
            (options.seeds.is_some(), "--seeds"),
            (options.deadline_ms.is_some(), "--deadline-ms"),
        ];
        if options.nodes.is_some()
            && let Some((_, other)) = buys.iter().find(|(given, _)| *given)
        {
            return Err(Usage(format!("--nodes and {other} do not go together")));
        }
        Ok(options)
    }

    fn effort(&self) -> Effort {
        if self.quick {
            Effort::quick()
        } else {
            Effort::default()
        }
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
    /// What pods cost beside where they would rather not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    preferences: Option<f64>,
    lower_bound: f64,
    /// What the certificate proves by the harness's own pricing.
    certified_bound: f64,
    /// Of `cost` and `preferences` over `certified_bound`.
    gap: Option<f64>,
    violations: usize,
    unplaced: usize,
    first_feasible_seconds: Option<f64>,
    seconds: f64,
    peak_rss_mb: Option<f64>,
    /// That it was solved on.
    threads: usize,
    version: &'static str,
    /// What is taken of limits, and what one unit more would save.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limits: Vec<LimitLine>,
    /// Not in the table: how the plan and the bound came about.
    strategy: String,
    /// How the types were priced.
    certified: String,
    best_known: Option<f64>,
    load_average: Option<f64>,
}

/// A limit that was stated.
#[derive(Debug, Serialize)]
struct LimitLine {
    limit: String,
    used: u64,
    usd_per_hour_per_unit: f64,
}

/// What a baseline makes of the same pods.
#[derive(Debug, Serialize)]
struct Baseline {
    instance: String,
    baseline: &'static str,
    pods: usize,
    nodes: usize,
    cost: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferences: Option<f64>,
    /// Over the certified bound; `None` when pods are left out.
    gap: Option<f64>,
    violations: usize,
    unplaced: usize,
    pods_per_second: f64,
    seconds: f64,
    load_average: Option<f64>,
    version: &'static str,
}

/// Medians over the seeds of one input.
#[derive(Debug, Serialize)]
struct Summary {
    instance: String,
    seeds: usize,
    median_cost: Option<f64>,
    median_lower_bound: Option<f64>,
    median_certified_bound: Option<f64>,
    median_gap: Option<f64>,
    worst_gap: Option<f64>,
    median_first_feasible_seconds: Option<f64>,
    median_seconds: Option<f64>,
    worst_seconds: Option<f64>,
    violations: usize,
    load_average: Option<f64>,
    version: &'static str,
}

impl Summary {
    fn of(instance: String, lines: &[Line]) -> Self {
        let gaps: Vec<f64> = lines.iter().filter_map(|l| l.gap).collect();
        // A gap that is not known is not a small one.
        let known = gaps.len() == lines.len();
        let first: Vec<f64> = lines
            .iter()
            .filter_map(|l| l.first_feasible_seconds)
            .collect();
        let of = |f: &dyn Fn(&Line) -> f64| lines.iter().map(f).collect::<Vec<f64>>();
        let seconds = of(&|l| l.seconds);
        let worst = |values: &[f64]| values.iter().copied().reduce(f64::max);
        Self {
            instance,
            seeds: lines.len(),
            median_cost: median(of(&|l| l.cost)),
            median_lower_bound: median(of(&|l| l.lower_bound)),
            median_certified_bound: median(of(&|l| l.certified_bound)),
            worst_gap: worst(&gaps).filter(|_| known),
            median_gap: median(gaps).filter(|_| known),
            median_first_feasible_seconds: median(first),
            worst_seconds: worst(&seconds),
            median_seconds: median(seconds),
            violations: lines.iter().map(|l| l.violations).sum(),
            load_average: load_average(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The middle value; of an even number the mean of the two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*values.get(middle - 1)?, upper))
}

/// What a run writes to.
struct Report {
    assignments: Option<BufWriter<File>>,
    table: bool,
    first: bool,
    ok: bool,
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
        return Ok(complain(&err));
    }
    let mut report = Report {
        assignments,
        table: io::stdout().is_terminal() && !options.json,
        first: true,
        ok: true,
    };
    if options.generate {
        let types = match generated_types(types.as_deref()) {
            Ok(types) => types,
            Err(err) => return Ok(complain(&err)),
        };
        let pods = options.pods.unwrap_or(GENERATED_PODS);
        let base = format!("rightsized-{}-{pods}", options.classes);
        let make = |seed| seeded::rightsized(options.classes, pods, seed, &types);
        if let Err(err) = report.series(base, &options, &make) {
            return Ok(complain(&err));
        }
    }
    if let Some(file) = &options.nodes {
        if let Err(err) = report.on_nodes(file, &options) {
            return Ok(complain(&err));
        }
        return Ok(report.ok);
    }
    for path in &options.paths {
        let instances = match load::packing(path, types.as_deref()) {
            Ok(instances) => instances,
            Err(err) => {
                report.ok = complain(&err);
                continue;
            }
        };
        for instance in instances {
            let base = match options.pods {
                Some(pods) => format!("{}-{pods}", instance.name),
                None => instance.name.clone(),
            };
            let make = |seed| {
                let instance = instance.clone();
                Ok(match options.pods {
                    Some(pods) => sample::draw(instance, pods, seed),
                    None => instance,
                })
            };
            if let Err(err) = report.series(base, &options, &make) {
                return Ok(complain(&err));
            }
        }
    }
    if let Some(out) = &mut report.assignments
        && let Err(err) = out.flush()
    {
        return Ok(complain(&err));
    }
    Ok(report.ok)
}

/// The types that generated pods may go to: the caller's, or those of the
/// catalogue that are of general use.
fn generated_types(types: Option<&[load::TypeRow]>) -> Result<Vec<load::TypeRow>, LoadError> {
    if let Some(types) = types {
        return Ok(types.to_vec());
    }
    let mut types = load::catalogue().map_err(LoadError::Catalog)?;
    types.retain(|t| FAMILIES.contains(&t.name.split('.').next().unwrap_or_default()));
    Ok(types)
}

impl Report {
    /// The pods of each path on these nodes.
    fn on_nodes(&mut self, file: &Path, options: &Options) -> Result<(), LoadError> {
        let nodes = load::nodes(file)?;
        let io = |err| LoadError::Io(PathBuf::from("the output"), err);
        for path in &options.paths {
            let mut instance = match load::openb_alone(path) {
                Ok(instance) => instance,
                Err(err) => {
                    self.ok = complain(&err);
                    continue;
                }
            };
            if let Some(pods) = options.pods {
                instance = sample::draw(instance, pods, options.seed);
            }
            let measured = stock::measure(&instance, &nodes, &options.effort());
            let (line, placement) = match measured {
                Ok(measured) => measured,
                Err(err) => {
                    self.ok = complain(&format!("{}: {err}", instance.name));
                    continue;
                }
            };
            self.ok &= line.violations == 0;
            let shown = if self.table {
                stock::print(&line)
            } else {
                json(&line)
            };
            shown.map_err(io)?;
            if let Some(out) = &mut self.assignments {
                save(out, &placement.stocked.instance, &placement.assignment).map_err(io)?;
                out.flush().map_err(io)?;
            }
        }
        Ok(())
    }

    /// One input, with each of its seeds.
    fn series(
        &mut self,
        base: String,
        options: &Options,
        make: &dyn Fn(u64) -> Result<Instance, String>,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        let mut whole = true;
        for seed in (options.seed..).take(options.seeds.unwrap_or(1) as usize) {
            match make(seed) {
                Ok(instance) => match self.one(instance, options)? {
                    Some(line) => lines.push(line),
                    None => whole = false,
                },
                Err(err) => {
                    self.ok = complain(&format!("{base}: {err}"));
                    whole = false;
                }
            }
        }
        if options.seeds.is_none() || !whole {
            return Ok(());
        }
        let summary = Summary::of(base, &lines);
        if self.table {
            print_summary(&summary)
        } else {
            json(&summary)
        }
    }

    /// One instance: our line, and those of the baselines.
    fn one(&mut self, mut instance: Instance, options: &Options) -> io::Result<Option<Line>> {
        if options.plain {
            instance = instance.plain();
        }
        for limit in &options.limits {
            if limit.of != "nodes" && !instance.dims.contains(&limit.of) {
                let dims = instance.dims.join(", ");
                let wrong = format!(
                    "{}: a limit is of {}, not nodes, {dims}",
                    instance.name, limit.of
                );
                self.ok = complain(&wrong);
                return Ok(None);
            }
            instance.machine_limits.push(limit.clone());
        }
        let (line, assignment) = match measure(&instance, options) {
            Ok(measured) => measured,
            Err(err) => {
                self.ok = complain(&format!("{}: {err}", instance.name));
                return Ok(None);
            }
        };
        self.ok &= line.violations == 0;
        if self.table {
            print_row(&line, std::mem::take(&mut self.first))?;
            for limit in &line.limits {
                let (name, used) = (&limit.limit, limit.used);
                let price = limit.usd_per_hour_per_unit;
                writeln!(
                    io::stdout(),
                    "  limit {name}: {used} taken, {price:.3e} USD/h each"
                )?;
            }
        } else {
            json(&line)?;
        }
        if options.baselines {
            let bound = line.certified_bound;
            let mut others = baselines(&instance, options.wish.as_ref(), bound);
            others.extend(
                options
                    .wish
                    .iter()
                    .flat_map(|w| unweighed(&instance, w, bound)),
            );
            for baseline in others {
                if self.table {
                    print_baseline(&baseline)?;
                } else {
                    json(&baseline)?;
                }
            }
        }
        if let Some(out) = &mut self.assignments {
            save(out, &instance, &assignment)?;
        }
        Ok(Some(line))
    }
}

/// Solves one instance and judges the answer.
fn measure(instance: &Instance, options: &Options) -> Result<(Line, Assignment), String> {
    reset_peak();
    let (mut problem, groups) = instance.problem();
    if let Some(wish) = &options.wish {
        wish.put_into(instance, &mut problem);
    }
    let effort = options.effort();
    let watch = Watch::start();
    let mut first_feasible = None;
    let deadline = options.deadline_ms.map(deadline_in);
    let solution = solve_until(&problem, &effort, deadline.as_ref(), &mut |progress| {
        if progress.unplaced == 0 && first_feasible.is_none() {
            first_feasible = Some(watch.seconds());
        }
        ControlFlow::Continue(())
    })
    .map_err(|err| err.to_string())?;
    let seconds = watch.seconds();
    let peak_rss_mb = peak_rss_mb();
    let assignment = instance.assignment(&solution, &groups);
    let mut violations = check::violations(instance, &assignment, solution.cost.0);
    let wish = options.wish.as_ref();
    let broken = wish.map_or(0, |wish| wish.broken(instance, &assignment, &groups));
    if broken != solution.preferences.0 {
        violations.push(Violation::Preferences {
            stated: solution.preferences.0,
            actual: broken,
        });
    }
    for violation in violations.iter().take(5) {
        let _ = writeln!(io::stderr(), "violation: {}: {violation}", instance.name);
    }
    let certified = certify(&problem, &solution);
    let certified_bound = certified.bound.usd();
    let line = Line {
        instance: instance.name.clone(),
        pods: instance.pods.len(),
        types: instance.machines.len(),
        nodes: assignment.nodes.len(),
        cost: solution.cost.usd(),
        preferences: wish.map(|_| solution.preferences.usd()),
        lower_bound: solution.lower_bound.usd(),
        certified_bound,
        gap: solution.gap().and_then(|_| {
            gap(
                (solution.cost + solution.preferences).usd(),
                certified_bound,
            )
        }),
        violations: violations.len(),
        unplaced: assignment.unplaced.len(),
        first_feasible_seconds: first_feasible,
        seconds,
        peak_rss_mb,
        threads: threads(),
        version: env!("CARGO_PKG_VERSION"),
        strategy: solution.proof.strategy.clone(),
        certified: certified.to_string(),
        best_known: instance.best_known,
        load_average: load_average(),
        limits: solution
            .purchase_limits
            .iter()
            .map(|u| LimitLine {
                limit: problem.purchase_limits[u.limit].id.clone(),
                used: u.used,
                usd_per_hour_per_unit: u.usd_per_hour_per_unit(),
            })
            .collect(),
    };
    Ok((line, assignment))
}

fn gap(cost: f64, bound: f64) -> Option<f64> {
    if cost <= bound {
        return Some(0.0);
    }
    (bound > 0.0).then(|| cost / bound - 1.0)
}

/// The line of one packing by other rules.
fn baseline(
    baseline: &'static str,
    instance: &Instance,
    assignment: &Assignment,
    cost: i64,
    broken: Option<i64>,
    bound: f64,
    seconds: f64,
) -> Baseline {
    let violations = check::violations(instance, assignment, cost);
    let (cost, broken) = (cost as f64 / 1e6, broken.map(|b| b as f64 / 1e6));
    let gap = gap(cost + broken.unwrap_or(0.0), bound);
    Baseline {
        instance: instance.name.clone(),
        baseline,
        pods: instance.pods.len(),
        nodes: assignment.nodes.len(),
        cost,
        preferences: broken,
        gap: gap.filter(|_| assignment.unplaced.is_empty()),
        violations: violations.len(),
        unplaced: assignment.unplaced.len(),
        pods_per_second: instance.pods.len() as f64 / seconds.max(1e-9),
        seconds,
        load_average: load_average(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// The same pods by the rules of others.
fn baselines(instance: &Instance, wish: Option<&Wish>, bound: f64) -> Vec<Baseline> {
    type Rule = fn(&Instance) -> Assignment;
    let rules: [(&str, Rule); 2] = [
        ("karpenter-provisioning", provision::provision),
        ("first-fit-decreasing", first_fit::best),
    ];
    rules
        .into_iter()
        .map(|(name, rule)| {
            let watch = Watch::start();
            let assignment = rule(instance);
            let seconds = watch.seconds();
            let cost = provision::cost(instance, &assignment);
            let broken = wish.map(|wish| {
                let (_, groups) = instance.problem();
                wish.broken(instance, &assignment, &groups)
            });
            baseline(name, instance, &assignment, cost, broken, bound, seconds)
        })
        .collect()
}

/// Our own packing with the wish as a rule, and without it: what who weighs nothing
/// gets.
fn unweighed(instance: &Instance, wish: &Wish, bound: f64) -> Vec<Baseline> {
    let both = [
        ("preferences as rules", true),
        ("preferences ignored", false),
    ];
    let lines = both.into_iter().filter_map(|(name, rule)| {
        let (mut problem, groups) = instance.problem();
        if rule {
            wish.as_rule(instance, &mut problem);
        }
        let watch = Watch::start();
        let solution = solve(&problem, &Effort::default()).ok()?;
        let seconds = watch.seconds();
        let assignment = instance.assignment(&solution, &groups);
        let broken = wish.broken(instance, &assignment, &groups);
        Some(baseline(
            name,
            instance,
            &assignment,
            solution.cost.0,
            Some(broken),
            bound,
            seconds,
        ))
    });
    lines.collect()
}

fn print_baseline(line: &Baseline) -> io::Result<()> {
    let gap = line
        .gap
        .map_or_else(|| "-".to_owned(), |g| format!("{:.3}", g * 100.0));
    writeln!(
        io::stdout(),
        "  {:<26} {:>7} {:>6} {:>6} {:>11.3} {:>23} {:>8} {:>5} {:>8} {:>7} {:>7.2}  {:.0} pods/s{}",
        line.baseline,
        line.pods,
        "",
        line.nodes,
        line.cost,
        "",
        gap,
        line.violations,
        line.unplaced,
        "",
        line.seconds,
        line.pods_per_second,
        beside(line.preferences)
    )
}

/// What is told of broken preferences, at the end of a line.
fn beside(preferences: Option<f64>) -> String {
    preferences.map_or_else(String::new, |usd| format!(", preferences {usd:.3}"))
}

fn print_summary(line: &Summary) -> io::Result<()> {
    let optional = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"))
    };
    let percent = |value: Option<f64>| optional(value.map(|v| v * 100.0), 3);
    writeln!(
        io::stdout(),
        "{}: median of {} seeds: cost {}, bound {}, certified {}, gap {} % (worst {} %), {} s (worst {} s), {} violations",
        line.instance,
        line.seeds,
        optional(line.median_cost, 3),
        optional(line.median_lower_bound, 3),
        optional(line.median_certified_bound, 3),
        percent(line.median_gap),
        percent(line.worst_gap),
        optional(line.median_seconds, 2),
        optional(line.worst_seconds, 2),
        line.violations
    )
}

fn print_row(line: &Line, header: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if header {
        writeln!(
            out,
            "{:<28} {:>7} {:>6} {:>6} {:>11} {:>11} {:>11} {:>8} {:>5} {:>8} {:>7} {:>7} {:>7}",
            "instance",
            "pods",
            "types",
            "nodes",
            "cost",
            "bound",
            "certified",
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
        "{:<28} {:>7} {:>6} {:>6} {:>11.3} {:>11.3} {:>11.3} {:>8} {:>5} {:>8} {:>7} {:>7.2} {:>7}{}",
        line.instance,
        line.pods,
        line.types,
        line.nodes,
        line.cost,
        line.lower_bound,
        line.certified_bound,
        optional(line.gap.map(|g| g * 100.0), 3),
        line.violations,
        line.unplaced,
        optional(line.first_feasible_seconds, 3),
        line.seconds,
        optional(line.peak_rss_mb, 0),
        beside(line.preferences),
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
