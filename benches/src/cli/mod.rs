//! The command line of the harness.

mod catalog;
#[cfg(all(feature = "kubernetes", unix))]
mod cluster;
mod consolidate;
mod dump;
mod interruptions;
mod load;
mod packing;
mod stock;

use serde::Serialize;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

const HELP: &str = "\
Measures cloudoptim on your data or on published traces.

usage: cloudoptim-benches <what> [options] <path>…

what:
  packing   packs the pods of openb, tclab, dlrm, karpenter_mix or vbp files;
            a path is a folder of such files or one file, plain or .gz
  consolidate
            searches for cheaper nodes for the pods of a cluster: what kubectl
            prints (nodes, pods and what else there is), a file or a folder;
            the whole frontier of saving against moved pods, each point with
            its bound and judged pod by pod; bounds and gaps are what our own
            pricing of the proofs confirms, claimed_bound is what they say
  load      reads what kubectl, the AWS CLI and Prometheus print; a path is a
            file, plain or .gz, a folder with its subfolders, or - for standard
            input; each path is one instance
  catalog   loads the embedded catalogue and looks figures up; with paths, also
            compares it with CSV tables of instance types, offerings, regions,
            prices and measured speed, figure by figure
  dump      writes the documents of a made-up cluster for `load`: its pods are
            drawn from one openb file, with a quarter of the CPU and memory and
            no GPU, and placed first-fit
  interruptions
            reads messages of a queue (JSON lines with case, body and expect),
            compares what was read with what is expected, and decides many
            events made of them, on one core
  drain     drains nodes of a real control plane of this machine, some at once,
            and judges that by its audit log and a watch of the pods; needs the
            feature kubernetes, and Go or KUBEBUILDER_ASSETS
  collect   makes a cluster on such a control plane and collects it; the same
  help      this text

options of packing:
  --types FILE        node types from a CSV file instead of the catalogue
                      (type,alloc_cpu_milli,alloc_memory_mib,alloc_pods,od_usd_per_h)
  --nodes FILE        puts the pods of openb files on these nodes alone
                      (name,cpu_milli,memory_mib,gpu,gpu_model,pods): as many
                      GPUs as go on, against the most that could, and who is left
                      out for what
  --plain             drops the placement rules
  --limit OF:PREFIX=N all machines whose names begin with PREFIX have at most N
                      together of OF: nodes, or a resource such as cpu_milli;
                      may be given several times
  --prefer PREFIX=USD[:PERCENT]
                      so many percent of the classes of pods (default all) would
                      rather be on machines whose names begin with PREFIX: each
                      pod elsewhere costs USD an hour beside; with --baselines,
                      lines for that as a rule and ignored, too
  --pods N            draws N pods with replacement, rules in proportion
  --seed N            seed of the draw (default 1)
  --seeds N           draws with N seeds, from --seed on, and gives the medians
                      in a line after theirs
  --generate rightsized
                      makes pods up, instead of a path: a size for each workload
                      in no round numbers, 100,000 pods unless --pods says so,
                      on types of --types or c, m and r of the catalogue
  --classes N         how many sizes (default 900)
  --baselines         a line after ours for Karpenter's provisioning rule and for
                      first-fit decreasing, told anew
  --assignment FILE   writes who goes where as CSV: instance,pod,node,type,zone
  --effort quick|full how much work to do (default full)
  --deadline-ms N     ends the search N milliseconds after its start, with what
                      it has by then (default: when its work is done)

options of consolidate:
  --types FILE        prices and sizes from a CSV file, as of packing
  --launch WHAT       what may be launched: types (more of what is there, and
                      those of FILE, else of the families that are there; the
                      default), copies (more of what is there) or nothing
  --move-price USD    what a moved pod costs, per hour that the saving lasts
                      (default 0.000119: two cents over a week)
  --region REGION     AWS region, for the catalogue's prices
  --node-share N      most of a workload that moves may bring to one node, in
                      percent (default 100)
  --zone-share N      the same for a zone (default 100)
  --plan              what the engine decides beside, launches through whoever
                      made the nodes, and its waves; both judged
  --keep-unknown-minima
                      nodes of groups stay whose minimum is in no document; else
                      these are named, and asked about without one
  --keep-others       no plan moves pods off nodes that stay
  --anew              what the pods would need were there no node yet, bought on
                      demand; judged, too
  --prefer PREFIX=USD[:PERCENT]
                      of a scene: so many percent of the classes of pods would
                      rather be on nodes whose type begins with PREFIX, as in
                      packing; searches that weigh no preferences come beside
  --deadline-ms N     ends each search N milliseconds after its start, with what
                      it has by then (default: when its work is done)
  --baselines         a line after ours for Karpenter's consolidation, with its
                      Balanced policy too, the cluster autoscaler's threshold and
                      descheduler's HighNodeUtilization, told anew
  --scene NAME        a made-up cluster instead of a path: uniform (one type),
                      mixed (four types), rightsized (four types, a size for
                      each workload) or scaled-down (as an autoscaler left it)
  --nodes N           how many nodes it has (default 1000); of scaled-down, how
                      many pods before the scaling down (default 2000)
  --keep PART         the part of its pods that is left (default 0.7)
  --seed N            seed of the scene (default 1)

options of load, for what files do not say:
  --taken-at TIME     when the documents were taken, such as
                      2026-11-22T02:30:00Z; else the latest time in them
  --account ID        AWS account
  --region REGION     AWS region
  --cluster NAME      name of the cluster
  --complete          every list is whole

options of dump:
  --out FILE          where the documents go, gzipped when it ends in .gz; needed
  --pods N            how many pods (default 20000)
  --nodes N           how many nodes (default 1000)
  --node-type TYPE    their instance type, of the catalogue (default m6i.16xlarge)
  --seed N            seed of the draw (default 1)
  --managed-fields    with managedFields, as `--show-managed-fields` prints them
  --compact           without white space, as the API server answers

options of interruptions:
  --events N          how many events are decided for the figures (default
                      200000)
  --soak N            decides N events more and watches the memory, which has to
                      stay as it is after a tenth of them

options of drain:
  --nodes N           how many drains (default 1000)
  --at-once K         how many at a time, on a plane of twice as many nodes
                      (default 20)

options of collect:
  --nodes N           how many nodes (default 1000)
  --pods N            how many pods (default 20000)

option of all:
  --json              JSON lines even on a terminal

One JSON line per instance on standard output, a table on a terminal. Seconds
are wall-clock time; peak_rss_mb is the largest resident size while the instance
ran, in 10^6 bytes (of the whole process, so that later instances of one run
may carry what earlier ones left). cpu_seconds leaves out waiting for a core.
certified_bound is what the harness's own pricing of the proof confirms of
lower_bound; gap is over it. Violations are what the checker finds wrong
with a packing, and for `catalog` figures that differ from the tables. For
`interruptions`, disagree lists the cases that were read otherwise.

Exit code 0: every instance ran, none has a violation, those of baselines
apart, and no case disagrees; 1: not so; 2: bad usage.
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
    if cfg!(debug_assertions) {
        let _ = writeln!(io::stderr(), "note: a debug build; its times mean nothing");
    }
    let mut args = args.into_iter();
    let outcome = match args.next().as_deref() {
        Some("packing") => packing::run(args.collect()),
        Some("consolidate") => consolidate::run(args.collect()),
        Some("load") => load::run(args.collect()),
        Some("catalog") => catalog::run(args.collect()),
        Some("dump") => dump::run(args.collect()),
        Some("interruptions") => interruptions::run(args.collect()),
        #[cfg(all(feature = "kubernetes", unix))]
        Some("drain") => cluster::drain(args.collect()),
        #[cfg(all(feature = "kubernetes", unix))]
        Some("collect") => cluster::collect(args.collect()),
        #[cfg(not(all(feature = "kubernetes", unix)))]
        Some(what @ ("drain" | "collect")) => Err(Usage(format!(
            "{what} needs a build with the feature kubernetes, on a Unix"
        ))),
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

/// Reports what failed; the run goes on and ends in failure.
fn complain(err: &impl fmt::Display) -> bool {
    let _ = writeln!(io::stderr(), "error: {err}");
    false
}

/// Prints a line of the report.
fn json(line: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(line)?;
    writeln!(io::stdout(), "{text}")
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
