//! The command line.

use cloudoptim_core::input::InputOptions;
use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(crate) const HELP: &str = "\
Reads a cluster, asks eight engines what it wastes, and writes one plan.

Usage: optimize [OPTIONS] [PATH...]

A PATH is a file as `kubectl get ... -o json`, the AWS CLI or Prometheus print
it (plain or gzipped), a directory of such files with its subfolders, or - for
standard input. Without a PATH it reads the sample cluster.

What files do not say:
  --taken-at TIME    when the documents were taken, such as
                     2026-11-22T02:30:00Z; else the latest time in them
  --account ID       AWS account
  --region REGION    AWS region
  --cluster NAME     name of the cluster
  --complete         every list is whole: nothing of its kinds exists beside it
  --collected KINDS  kinds that were asked for and of which there are none, such
                     as VerticalPodAutoscaler,ScaledObject

Settings (JSON):
  --policy FILE      what is wanted and forbidden
  --ledgers FILE     what earlier runs saw
  --overlay FILE     changes to lay over the cluster: a what-if
  --prices FILE      prices that win over the embedded ones (CSV or JSON)

Output:
  --out DIR          where optimize.json and optimize.html go; default: here
  --format FORMAT    what is printed: table (default) or json
  --title TEXT       heading of the report
  --rules N          price N scheduling rules and budgets, print the dearest
  -h, --help         this text

Exit codes: 0 done, 1 failed, 2 wrong usage.
";

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
}

/// What to do.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) input: InputOptions,
    pub(crate) policy: Option<PathBuf>,
    pub(crate) ledgers: Option<PathBuf>,
    pub(crate) overlay: Option<PathBuf>,
    pub(crate) prices: Option<PathBuf>,
    pub(crate) out: PathBuf,
    pub(crate) format: Format,
    pub(crate) title: String,
    pub(crate) rules: u32,
}

pub(crate) enum Parsed {
    Run(Box<Args>),
    Help,
}

/// Reads the arguments.
///
/// # Errors
/// What is wrong with which argument.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut args = Args {
        paths: Vec::new(),
        input: InputOptions::default(),
        policy: None,
        ledgers: None,
        overlay: None,
        prices: None,
        out: PathBuf::from("."),
        format: Format::Table,
        title: String::new(),
        rules: 0,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Parsed::Help),
            Long("taken-at") => {
                let text = parser.value()?.string()?;
                let time = text.parse().map_err(|e| {
                    format!("--taken-at: {text}: {e}; a time is written as 2026-11-22T02:30:00Z")
                })?;
                args.input.taken_at = Some(time);
            }
            Long("account") => {
                let id = parser.value()?.string()?;
                if id.len() != 12 || !id.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(format!("--account: {id}: an account has twelve digits").into());
                }
                args.input.account = Some(id.into());
            }
            Long("region") => args.input.region = Some(parser.value()?.string()?.into()),
            Long("cluster") => args.input.cluster = Some(parser.value()?.string()?),
            Long("complete") => args.input.complete = true,
            Long("collected") => {
                let kinds = parser.value()?.string()?;
                args.input
                    .collected
                    .extend(kinds.split(',').map(str::to_owned));
            }
            Long("policy") => args.policy = Some(parser.value()?.into()),
            Long("ledgers") => args.ledgers = Some(parser.value()?.into()),
            Long("overlay") => args.overlay = Some(parser.value()?.into()),
            Long("prices") => args.prices = Some(parser.value()?.into()),
            Long("out") => args.out = parser.value()?.into(),
            Long("title") => args.title = parser.value()?.string()?,
            Long("rules") => args.rules = parser.value()?.parse()?,
            Long("format") => {
                args.format = match parser.value()?.string()?.as_str() {
                    "table" => Format::Table,
                    "json" => Format::Json,
                    other => return Err(format!("--format: {other}: it is table or json").into()),
                };
            }
            Value(path) => args.paths.push(path.into()),
            other => return Err(other.unexpected()),
        }
    }
    if args.paths.is_empty() {
        sample(&mut args)?;
    }
    Ok(Parsed::Run(Box::new(args)))
}

/// The sample cluster, with what its README states about it.
fn sample(args: &mut Args) -> Result<(), lexopt::Error> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/shop");
    let places = [built_in, "examples/data/shop".into(), "data/shop".into()];
    let found = places.into_iter().find(|place| place.is_dir());
    let found = found.ok_or("no PATH given, and the sample in examples/data/shop is not there")?;
    args.paths.push(found);
    let input = &mut args.input;
    if input.taken_at.is_none() {
        let stated = "2026-11-22T02:30:00Z".parse();
        input.taken_at = Some(stated.map_err(|e| format!("sample: {e}"))?);
    }
    input.account.get_or_insert_with(|| "111122223333".into());
    input.region.get_or_insert_with(|| "us-east-1".into());
    input.complete = true;
    // Its control plane has neither of these kinds: there is nothing to list.
    let absent = ["VerticalPodAutoscaler", "ScaledObject"];
    input.collected.extend(absent.map(str::to_owned));
    Ok(())
}
