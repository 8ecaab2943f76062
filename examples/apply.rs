//! Drains nodes of the cluster of the current kubeconfig: plans, shows, asks,
//! does, and takes back.
//!
//! ```text
//! alias apply='cargo run --release -p cloudoptim-examples --features kubernetes --example apply --'
//! apply plan plan.json node-a node-b   # writes the plan; changes nothing
//! apply run plan.json                  # shows it, asks, does it; takes up what was interrupted
//! apply undo plan.json                 # lets pods onto the nodes again
//! apply release                        # the same for all nodes, without plan or journal
//! ```
//!
//! Any plan does that only needs Kubernetes; what another actuator would have to
//! do is named, and nothing is begun. `--yes FINGERPRINT` approves without asking.

#[path = "apply/args.rs"]
mod args;
#[path = "apply/cluster.rs"]
mod cluster;

use args::{Args, Job};
use chrono::TimeDelta;
use cloudoptim_aws::journal::FileJournal;
use cloudoptim_aws::k8s::act::{release, steps_without_way};
use cloudoptim_core::execute::undo;
use cloudoptim_core::guard::{Approval, ApprovedPlan};
use cloudoptim_core::journal::{Entry, History, Journal, StepState};
use cloudoptim_core::plan::Plan;
use cloudoptim_core::version::Version;
use cluster::Cluster;
use std::error::Error;
use std::io::{BufRead, Write};
use std::process::ExitCode;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let result = args::parse().and_then(|args| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            tokio::select! {
                result = run(&args) => result,
                signal = tokio::signal::ctrl_c() => Err(interrupted(&args, signal)),
            }
        })
    });
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("apply: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

fn interrupted(args: &Args, signal: std::io::Result<()>) -> Box<dyn Error> {
    if let Err(error) = signal {
        return error.into();
    }
    match &args.job {
        Job::Run(plan) => format!(
            "stopped. What was begun is in {0}.journal. The same command takes it up; `apply undo {0}` lets pods onto the nodes again; evicted pods stay where they are now",
            plan.display()
        ).into(),
        _ => "stopped".into(),
    }
}

async fn run(args: &Args) -> Outcome {
    match &args.job {
        Job::Plan(path, nodes) => {
            let plan = Cluster::open(args).await?.drain_plan(nodes).await?;
            std::fs::write(path, serde_json::to_string_pretty(&plan)?)?;
            print(&format!("{}\nwrote {}\n", plan.explain(), path.display()))
        }
        Job::Run(path) => {
            let plan = args::plan(path)?;
            let cluster = Cluster::open(args).await?;
            execute(args, &cluster, &plan, &plan).await
        }
        Job::Undo(path) => {
            let plan = args::plan(path)?;
            let cluster = Cluster::open(args).await?;
            let entries = FileJournal::open(&args.journal(path), &plan.scope)?
                .entries()
                .await?;
            let now = cluster.snapshot().await;
            let back = undo(&plan, &History::new(entries), &now, TimeDelta::hours(1));
            if back.steps.is_empty() {
                return print("nothing of it is left to take back\n");
            }
            execute(args, &cluster, &back, &plan).await
        }
        Job::Release => {
            let cluster = Cluster::open(args).await?;
            let act = cluster.act_client("release").await?;
            for node in release(cluster.reader(), &act, None).await? {
                match node.result {
                    Ok(()) => print(&format!("{}: released\n", node.node))?,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        }
    }
}

/// Shows the plan, has it approved, does it, and tells what became of it.
async fn execute(args: &Args, cluster: &Cluster, plan: &Plan, marks: &Plan) -> Outcome {
    print(&plan.explain())?;
    if let Some((step, why)) = steps_without_way(plan).first() {
        return Err(format!("{} needs another actuator: {why}", step.action).into());
    }
    let journal = FileJournal::open(&args.journal_of_run(), &marks.scope)?;
    if let Some(cut) = journal.opening().cut {
        eprintln!(
            "the journal's last entry was torn, and is cut: {} bytes",
            cut.bytes
        );
    }
    let approval = match begun(plan, journal.entries().await?) {
        Some(approval) => approval,
        None => approve(args, plan, cluster)?,
    };
    let approved = ApprovedPlan::new(plan.clone(), approval)?;
    let report = cluster.execute(approved, marks, &journal).await?;
    let history = History::new(journal.entries().await?);
    for step in &plan.steps {
        let state = match history.state(&plan.fingerprint, &step.id) {
            StepState::Finished(outcome) => outcome.to_string(),
            StepState::Refused(refusal) => format!("refused: {refusal}"),
            StepState::Open => "unclear".to_owned(),
            _ => "not begun".to_owned(),
        };
        print(&format!("{}: {state}\n", step.action))?;
    }
    if report.done() == plan.steps.len() {
        return Ok(());
    }
    Err(format!("{} of {} steps are done", report.done(), plan.steps.len()).into())
}

/// The approval of a run that was interrupted holds for the rest of it.
fn begun(plan: &Plan, entries: Vec<Entry>) -> Option<Approval> {
    let last = entries.iter().rev().find_map(|entry| match entry {
        Entry::Begun { approval, .. } if approval.fingerprint == plan.fingerprint => {
            Some(approval.clone())
        }
        _ => None,
    });
    match History::new(entries).end(&plan.fingerprint) {
        None => last,
        Some(_) => None,
    }
}

fn approve(args: &Args, plan: &Plan, cluster: &Cluster) -> Result<Approval, Box<dyn Error>> {
    let fingerprint = plan.fingerprint.to_string();
    let short = fingerprint.get(..8).unwrap_or(&fingerprint);
    let answer = match &args.yes {
        Some(given) => given.clone(),
        None => {
            print(&format!("Approve plan {fingerprint}? Type {short}: "))?;
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            line.trim().to_owned()
        }
    };
    if answer.len() < 8 || !fingerprint.starts_with(&answer) {
        return Err(format!("not approved: this is plan {fingerprint}").into());
    }
    let at = cluster.now();
    Ok(Approval {
        version: Version::KNOWN,
        fingerprint: plan.fingerprint.clone(),
        by: std::env::var("USER").unwrap_or_else(|_| "apply".to_owned()),
        at,
        until: plan.expires_at,
    })
}

fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
