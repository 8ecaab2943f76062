//! The command line of the harness.

mod packing;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

const HELP: &str = "\
Measures cloudoptim on your data or on published traces.

usage: cloudoptim-benches <what> [options] <path>…

what:
  packing   packs the pods of openb, tclab, dlrm, karpenter_mix or vbp files;
            a path is a folder of such files or one file, plain or .gz

options of packing:
  --types FILE        node types from a CSV file instead of the catalogue
                      (type,alloc_cpu_milli,alloc_memory_mib,alloc_pods,od_usd_per_h)
  --plain             drops the placement rules
  --pods N            draws N pods with replacement, rules in proportion
  --seed N            seed of the draw (default 1)
  --assignment FILE   writes who goes where as CSV: instance,pod,node,type,zone
  --effort quick|full how much work to do (default full)
  --json              JSON lines even on a terminal

One JSON line per instance on standard output, a table on a terminal. Exit
code 0: every instance ran and none has a violation; 1: not so; 2: bad usage.
";

/// A mistake on the command line.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs the harness with the arguments after the programme's name.
pub fn main(args: Vec<String>) -> ExitCode {
    let mut args = args.into_iter();
    let outcome = match args.next().as_deref() {
        Some("packing") => packing::run(args.collect()),
        Some("help" | "--help" | "-h") => {
            let _ = io::stdout().write_all(HELP.as_bytes());
            Ok(true)
        }
        Some(other) => Err(Usage(format!("unknown command {other:?}"))),
        None => Err(Usage("a command is needed".to_owned())),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(usage) => {
            let _ = writeln!(io::stderr(), "error: {usage}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

/// The value after an option.
fn value(option: &str, args: &mut impl Iterator<Item = String>) -> Result<String, Usage> {
    args.next()
        .ok_or_else(|| Usage(format!("{option} needs a value")))
}

/// The number after an option.
fn number<T: std::str::FromStr>(
    option: &str,
    args: &mut impl Iterator<Item = String>,
) -> Result<T, Usage> {
    let text = value(option, args)?;
    text.parse()
        .map_err(|_| Usage(format!("{option} must be a number, got {text:?}")))
}
