//! Reads the cluster of the current kubeconfig and writes its snapshot as JSON.
//!
//! ```text
//! cargo run --release -p cloudoptim-examples --features kubernetes --example collect > snapshot.json
//! cargo run ... --example collect -- --context prod --out snapshot.json
//! cargo run ... --example collect -- --roles        # what it needs, to review and apply
//! ```
//!
//! It only reads. Environment variables, arguments and secrets do not enter a
//! snapshot; what may not be read is said, and is unknown in it.

use chrono::{DateTime, Utc};
use cloudoptim_aws::clock::SystemClock;
use cloudoptim_aws::k8s::{
    ClusterReader, ConnectOptions, Connection, Patience, ReadOptions, ReadRole, Reading, Retrying,
    Subject, read_manifests,
};
use cloudoptim_core::collect::collect;
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::model::{Cluster, ClusterUid};
use cloudoptim_core::providers::{Clock, ClusterSources, Sources};
use lexopt::prelude::*;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const HELP: &str = "\
Reads a cluster and writes its snapshot as JSON. Changes nothing.

  --kubeconfig FILE  instead of KUBECONFIG, ~/.kube/config or the pod's account
  --context NAME     instead of the current context
  --namespace NAME   only this one (may be given again): parts are then partial
  --allow-exec       let the kubeconfig run a program for its credentials
  --out FILE         instead of standard output
  --roles            print the roles that reading needs, and end
";

#[derive(Default)]
struct Args {
    kubeconfig: Option<PathBuf>,
    connect: ConnectOptions,
    read: ReadOptions,
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let result = parse().and_then(|args| match args {
        Some(args) => tokio::runtime::Runtime::new()?.block_on(run(args)),
        None => Ok(()),
    });
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("collect: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

/// What to do; nothing when it was only to print something.
fn parse() -> Result<Option<Args>, Box<dyn Error>> {
    let mut args = Args::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("kubeconfig") => args.kubeconfig = Some(parser.value()?.into()),
            Long("context") => args.connect.context = Some(parser.value()?.string()?),
            Long("namespace") => args.read.namespaces.push(parser.value()?.string()?),
            Long("allow-exec") => args.connect.allow_exec = true,
            Long("out") => args.out = Some(parser.value()?.into()),
            Long("roles") => {
                let subject = Subject::User("cloudoptim-read".to_owned());
                print!("{}", read_manifests(&ReadRole::new("cloudoptim-read", subject)));
                return Ok(None);
            }
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(None);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(args))
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let connection: Connection<Reading> = match &args.kubeconfig {
        Some(path) => Connection::from_path(path, args.connect)?,
        None => Connection::from_environment(args.connect)?,
    };
    eprintln!("reading {}", connection.server());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let reader = Retrying::new(connection.client()?, clock.clone(), Patience::default());
    let cluster = ClusterReader::open(Arc::new(reader), clock.clone(), args.read).await?;
    let uid: ClusterUid = cluster.uid().clone();
    let taken_at: DateTime<Utc> = clock.now();
    let mut sources = Sources::default();
    sources.clusters.insert(uid, ClusterSources::of(Arc::new(cluster)));
    let snapshot = collect(&sources, taken_at, Knowledge::default()).await;
    snapshot.clusters.iter().for_each(tell);
    let json = serde_json::to_string(&snapshot)?;
    match args.out {
        Some(path) => std::fs::write(&path, json).map_err(|e| format!("{}: {e}", path.display()))?,
        None => println!("{json}"),
    }
    Ok(())
}

/// Says what was read, and what was not, and why.
fn tell(cluster: &Cluster) {
    eprintln!("cluster {}:", cluster.uid);
    eprintln!("  {} nodes, {} pods, {} workloads", cluster.nodes.items().len(),
        cluster.pods.items().len(), cluster.workloads.items().len());
    for (part, gap) in cluster.gaps() {
        eprintln!("  {part}: {gap}");
    }
}
