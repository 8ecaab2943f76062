//! `interruptions`: whether queue messages are read as they should be, and how
//! fast they are decided.

use super::{Usage, complain, json, number};
use crate::messages::{self, Stream};
use crate::process::{Watch, cpu_seconds, load_average, peak_rss_mb, reset_peak, rss_mb};
use cloudoptim_core::interruption::{Error, Interruptions, Message};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Events between two looks at the memory.
const LOOK: u64 = 100_000;

struct Options {
    paths: Vec<PathBuf>,
    events: u64,
    soak: Option<u64>,
    json: bool,
}

impl Options {
    fn parse(args: Vec<String>) -> Result<Self, Usage> {
        let mut options = Self {
            paths: Vec::new(),
            events: 200_000,
            soak: None,
            json: false,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--events" => options.events = number(&arg, &mut args)?,
                "--soak" => options.soak = Some(number(&arg, &mut args)?),
                "--json" => options.json = true,
                _ if arg.starts_with("--") => {
                    return Err(Usage(format!("unknown option {arg}")));
                }
                _ => options.paths.push(arg.into()),
            }
        }
        if options.paths.is_empty() {
            return Err(Usage("interruptions needs a path".to_owned()));
        }
        for (name, value) in [("--events", Some(options.events)), ("--soak", options.soak)] {
            if value == Some(0) {
                return Err(Usage(format!("{name} must be at least 1, got 0")));
            }
        }
        Ok(options)
    }
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Line {
    instance: String,
    messages: usize,
    agree: usize,
    /// Cases that are read otherwise than expected.
    disagree: Vec<String>,
    /// Events that were decided for the figures below.
    events: u64,
    seconds: f64,
    cpu_seconds: Option<f64>,
    events_per_second: f64,
    events_per_cpu_second: Option<f64>,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
    peak_rss_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    soak: Option<Soak>,
    load_average: Option<f64>,
    version: &'static str,
}

/// A long run.
#[derive(Debug, Serialize)]
struct Soak {
    events: u64,
    seconds: f64,
    /// What is remembered at the end.
    remembered_events: usize,
    remembered_instances: usize,
    /// Resident size once the memory of the core is full, and its largest
    /// after that.
    full_rss_mb: Option<f64>,
    peak_rss_mb: Option<f64>,
    drift_percent: Option<f64>,
}

pub(super) fn run(args: Vec<String>) -> Result<bool, Usage> {
    let options = Options::parse(args)?;
    let table = io::stdout().is_terminal() && !options.json;
    let mut ok = true;
    for path in &options.paths {
        let line = match measure(path, &options) {
            Ok(line) => line,
            Err(err) => {
                ok = complain(&err);
                continue;
            }
        };
        ok &= line.disagree.is_empty();
        let written = if table { print(&line) } else { json(&line) };
        if let Err(err) = written {
            return Ok(complain(&err));
        }
    }
    Ok(ok)
}

fn measure(path: &Path, options: &Options) -> Result<Line, String> {
    let cases = messages::cases(path).map_err(|err| err.to_string())?;
    let mut disagree = Vec::new();
    for case in &cases {
        if let Some(difference) = messages::difference(case) {
            let _ = writeln!(io::stderr(), "disagrees: {difference}");
            disagree.push(case.case.clone());
        }
    }
    let name = || path.display().to_string();
    let stream = Stream::new(&cases).map_err(|err| format!("{}: {err}", name()))?;
    let failed = |err: Error| format!("{}: {err}", name());
    reset_peak();
    let bodies: Vec<_> = (0..options.events).map(|n| stream.event(n)).collect();

    let mut core = stream.core().map_err(failed)?;
    let (watch, cpu) = (Watch::start(), cpu_seconds());
    for (body, now) in &bodies {
        decide(&mut core, &stream, body, *now);
    }
    let seconds = watch.seconds();
    let cpu_seconds = cpu_seconds().zip(cpu).map(|(after, before)| after - before);

    // Once more, each on its own clock.
    let mut core = stream.core().map_err(failed)?;
    let mut times: Vec<f64> = Vec::with_capacity(bodies.len());
    for (body, now) in &bodies {
        let watch = Watch::start();
        decide(&mut core, &stream, body, *now);
        times.push(watch.seconds() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let quantile = |permille: usize| {
        let at = times.len().saturating_sub(1) * permille / 1_000;
        round(times.get(at).copied().unwrap_or(0.0), 100.0)
    };
    let peak_rss_mb = peak_rss_mb();
    drop(bodies);
    let soak = match options.soak {
        Some(events) => Some(soak(&stream, events).map_err(failed)?),
        None => None,
    };
    let count = options.events as f64;
    Ok(Line {
        instance: path
            .file_name()
            .map_or_else(name, |n| n.to_string_lossy().into()),
        messages: cases.len(),
        agree: cases.len() - disagree.len(),
        disagree,
        events: options.events,
        seconds,
        cpu_seconds,
        events_per_second: (count / seconds).round(),
        events_per_cpu_second: cpu_seconds
            .filter(|s| *s > 0.0)
            .map(|s| (count / s).round()),
        p50_us: quantile(500),
        p99_us: quantile(990),
        max_us: quantile(1_000),
        peak_rss_mb,
        soak,
        load_average: load_average(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Parses a message, decides, and settles the decision.
fn decide(
    core: &mut Interruptions,
    stream: &Stream,
    body: &str,
    now: chrono::DateTime<chrono::Utc>,
) {
    let message = Message {
        body: body.as_bytes(),
        sent_at: None,
        receives: 1,
    };
    let decision = core.receive(message, &stream.fleet, now);
    core.done(&decision.receipt);
    std::hint::black_box(decision);
}

/// Decides `events` events and watches the memory.
fn soak(stream: &Stream, events: u64) -> Result<Soak, Error> {
    let mut core = stream.core()?;
    let watch = Watch::start();
    let full_at = events / 10;
    let mut full_rss_mb = None;
    for n in 0..events {
        let (body, now) = stream.event(n);
        decide(&mut core, stream, &body, now);
        if n == full_at {
            full_rss_mb = rss_mb();
            reset_peak();
        }
        if n % LOOK == 0 && io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r{n} of {events} events");
        }
    }
    let peak_rss_mb = peak_rss_mb();
    let drift = full_rss_mb.zip(peak_rss_mb).filter(|(full, _)| *full > 0.0);
    let (remembered_events, remembered_instances) = core.size();
    Ok(Soak {
        events,
        seconds: watch.seconds(),
        remembered_events,
        remembered_instances,
        full_rss_mb,
        peak_rss_mb,
        drift_percent: drift.map(|(full, peak)| round((peak - full) / full * 100.0, 10.0)),
    })
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

fn print(line: &Line) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{:<24} {}", "messages", line.messages)?;
    writeln!(out, "{:<24} {}", "read as expected", line.agree)?;
    for case in &line.disagree {
        writeln!(out, "{:<24} {case}", "otherwise")?;
    }
    writeln!(
        out,
        "{:<24} {:.0}",
        "events per second", line.events_per_second
    )?;
    if let Some(rate) = line.events_per_cpu_second {
        writeln!(out, "{:<24} {rate:.0}", "events per CPU second")?;
    }
    writeln!(
        out,
        "{:<24} {:.2} us, p99 {:.2} us, most {:.2} us",
        "an event, median", line.p50_us, line.p99_us, line.max_us
    )?;
    let mb = |mb: Option<f64>| mb.map_or_else(|| "-".to_owned(), |mb| format!("{mb:.1} MB"));
    if let Some(soak) = &line.soak {
        writeln!(
            out,
            "{:<24} {} events in {:.0} s, {} when full, {} at most after",
            "long run",
            soak.events,
            soak.seconds,
            mb(soak.full_rss_mb),
            mb(soak.peak_rss_mb)
        )?;
    }
    Ok(())
}
