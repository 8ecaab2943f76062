//! `dump`: documents for `load`, at any size.

use super::{Usage, complain, json, number, value};
use crate::dump::{self, Cluster, NodeType, Pod};
use crate::load::{self, LoadError};
use crate::process::Watch;
use crate::sample::Random;
use cloudoptim_core::catalog::Catalog;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Replicas of a deployment.
const REPLICAS: usize = 10;

struct Options {
    path: PathBuf,
    out: PathBuf,
    pods: usize,
    nodes: usize,
    node_type: String,
    seed: u64,
    managed_fields: bool,
    compact: bool,
    json: bool,
}

impl Options {
    fn parse(args: Vec<String>) -> Result<Self, Usage> {
        let mut path = None;
        let mut out = None;
        let mut options = Self {
            path: PathBuf::new(),
            out: PathBuf::new(),
            pods: 20_000,
            nodes: 1_000,
            node_type: "m6i.16xlarge".to_owned(),
            seed: 1,
            managed_fields: false,
            compact: false,
            json: false,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--out" => out = Some(value(&arg, &mut args)?),
                "--pods" => options.pods = number(&arg, &mut args)?,
                "--nodes" => options.nodes = number(&arg, &mut args)?,
                "--node-type" => options.node_type = value(&arg, &mut args)?,
                "--seed" => options.seed = number(&arg, &mut args)?,
                "--managed-fields" => options.managed_fields = true,
                "--compact" => options.compact = true,
                "--json" => options.json = true,
                _ if arg.starts_with("--") => {
                    return Err(Usage(format!("unknown option {arg}")));
                }
                _ if path.is_some() => {
                    return Err(Usage(format!("dump takes one path, got {arg:?} too")));
                }
                _ => path = Some(arg),
            }
        }
        // Addresses are 10.40.0.4 to 10.40.255.253.
        if options.nodes > 64_000 {
            return Err(Usage(format!(
                "--nodes must be at most 64000, got {}",
                options.nodes
            )));
        }
        options.path = path
            .ok_or_else(|| Usage("dump needs the path of an openb file".to_owned()))?
            .into();
        options.out = out
            .ok_or_else(|| Usage("dump needs --out FILE".to_owned()))?
            .into();
        Ok(options)
    }
}

/// The line of the report.
#[derive(Debug, Serialize)]
struct Line {
    instance: String,
    pods: usize,
    nodes: usize,
    placed: usize,
    pending: usize,
    workloads: usize,
    node_type: String,
    seed: u64,
    /// Of the smallest pod, without white space.
    pod_bytes_min: usize,
    /// Mean, as printed.
    pod_bytes_printed: usize,
    seconds: f64,
    version: &'static str,
}

pub(super) fn run(args: Vec<String>) -> Result<bool, Usage> {
    let options = Options::parse(args)?;
    let table = io::stdout().is_terminal() && !options.json;
    let written = cluster(&options).and_then(|cluster| {
        let watch = Watch::start();
        let io = |err| LoadError::Io(options.out.clone(), err);
        let mut out = BufWriter::new(File::create(&options.out).map_err(io)?);
        let written = if options.out.extension().is_some_and(|e| e == "gz") {
            let mut packed = GzEncoder::new(&mut out, Compression::default());
            dump::write(&cluster, &mut packed)
                .and_then(|written| packed.try_finish().map(|()| written))
        } else {
            dump::write(&cluster, &mut out)
        };
        let written = written.and_then(|w| out.flush().map(|()| w)).map_err(io)?;
        Ok((written, watch.seconds()))
    });
    let (written, seconds) = match written {
        Ok(written) => written,
        Err(err) => return Ok(complain(&err)),
    };
    let line = Line {
        instance: options.out.file_name().map_or_else(
            || options.out.display().to_string(),
            |n| n.to_string_lossy().into(),
        ),
        pods: options.pods,
        nodes: options.nodes,
        placed: written.placed,
        pending: written.pending,
        workloads: written.workloads,
        node_type: options.node_type,
        seed: options.seed,
        pod_bytes_min: written.pod_bytes_min,
        pod_bytes_printed: written.pod_bytes_printed / options.pods.max(1),
        seconds,
        version: env!("CARGO_PKG_VERSION"),
    };
    let shown = if table {
        writeln!(
            io::stdout(),
            "{}: {} pods of {} workloads, {} pending, on {} nodes of {}; {} bytes a pod as printed",
            line.instance,
            line.pods,
            line.workloads,
            line.pending,
            line.nodes,
            line.node_type,
            line.pod_bytes_printed
        )
    } else {
        json(&line)
    };
    if let Err(err) = shown {
        return Ok(complain(&err));
    }
    Ok(true)
}

fn cluster(options: &Options) -> Result<Cluster, LoadError> {
    let wrong = |path: &Path, problem: String| LoadError::Form {
        file: path.to_owned(),
        line: 0,
        problem,
    };
    let trace = load::openb_pods(&options.path)?;
    if trace.is_empty() {
        return Err(wrong(&options.path, "has no pods".to_owned()));
    }
    let catalog = Catalog::embedded().map_err(LoadError::Catalog)?;
    let info = catalog.instance_type(&options.node_type).ok_or_else(|| {
        wrong(
            Path::new("--node-type"),
            format!("{} is not in the catalogue", options.node_type),
        )
    })?;
    let node_type = NodeType {
        name: options.node_type.clone(),
        vcpu: info.vcpu.into(),
        memory_mib: info.memory.mib(),
        alloc_cpu_milli: info.allocatable.cpu.0,
        alloc_memory_mib: info.allocatable.memory.mib(),
        alloc_pods: info.allocatable.pods,
    };
    let mut random = Random::new(options.seed);
    // Pods of one size share workloads, each of at most so many replicas.
    let mut open: BTreeMap<(u64, u64), (usize, usize)> = BTreeMap::new();
    let mut workloads = 0;
    let pods = (0..options.pods)
        .map(|_| {
            let size = trace[random.below(trace.len())];
            let (workload, room) = open.entry(size).or_insert((0, 0));
            if *room == 0 {
                (*workload, *room) = (workloads, REPLICAS);
                workloads += 1;
            }
            *room -= 1;
            Pod {
                workload: *workload,
                cpu_milli: size.0.div_ceil(4),
                memory_mib: size.1.div_ceil(4),
            }
        })
        .collect();
    Ok(Cluster {
        pods,
        nodes: options.nodes,
        node_type,
        // Names of zones differ between accounts; these are of nobody's.
        zones: [("a", "4"), ("b", "6"), ("c", "1")]
            .map(|(name, id)| (format!("us-east-1{name}"), format!("use1-az{id}")))
            .to_vec(),
        seed: options.seed.wrapping_add(1),
        managed_fields: options.managed_fields,
        compact: options.compact,
    })
}
