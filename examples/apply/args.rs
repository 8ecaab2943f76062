//! Arguments and files.

use cloudoptim_aws::k8s::ConnectOptions;
use cloudoptim_core::plan::Plan;
use lexopt::prelude::*;
use std::error::Error;
use std::path::{Path, PathBuf};

const HELP: &str = "\
Drains nodes: plans, shows, asks, does, and takes back.

  apply plan FILE NODE...  write a plan that drains these nodes; changes nothing
  apply run FILE           show it, ask, do it; take up what was interrupted
  apply undo FILE          let pods onto its nodes again
  apply release            let pods onto every node that a plan of ours cordoned

  --yes FINGERPRINT  approve that plan without asking (at least 8 digits)
  --journal FILE     instead of FILE.journal beside the plan
  --kubeconfig FILE  instead of KUBECONFIG, ~/.kube/config or the pod's account
  --context NAME     instead of the current context
  --allow-exec       let the kubeconfig run a program for its credentials
";

pub(crate) enum Job {
    Plan(PathBuf, Vec<String>),
    Run(PathBuf),
    Undo(PathBuf),
    Release,
}

pub(crate) struct Args {
    pub(crate) job: Job,
    pub(crate) yes: Option<String>,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) connect: ConnectOptions,
    journal: Option<PathBuf>,
}

impl Args {
    /// The journal of the plan in that file.
    pub(crate) fn journal(&self, plan: &Path) -> PathBuf {
        let beside = || {
            let mut name = plan.as_os_str().to_owned();
            name.push(".journal");
            name.into()
        };
        self.journal.clone().unwrap_or_else(beside)
    }

    /// The journal of this run.
    pub(crate) fn journal_of_run(&self) -> PathBuf {
        match &self.job {
            Job::Plan(path, _) | Job::Run(path) | Job::Undo(path) => self.journal(path),
            Job::Release => PathBuf::new(),
        }
    }
}

pub(crate) fn parse() -> Result<Args, Box<dyn Error>> {
    let (mut yes, mut kubeconfig, mut journal) = (None, None, None);
    let mut connect = ConnectOptions::default();
    let mut words: Vec<String> = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("yes") => yes = Some(parser.value()?.string()?),
            Long("journal") => journal = Some(parser.value()?.into()),
            Long("kubeconfig") => kubeconfig = Some(parser.value()?.into()),
            Long("context") => connect.context = Some(parser.value()?.string()?),
            Long("allow-exec") => connect.allow_exec = true,
            Long("help") | Short('h') => return Err(HELP.into()),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let job = match words.as_slice() {
        ["plan", file, nodes @ ..] if !nodes.is_empty() => {
            let nodes = nodes.iter().map(|node| (*node).to_owned());
            Job::Plan(file.into(), nodes.collect())
        }
        ["run", file] => Job::Run(file.into()),
        ["undo", file] => Job::Undo(file.into()),
        ["release"] => Job::Release,
        _ => return Err(HELP.into()),
    };
    Ok(Args {
        job,
        yes,
        kubeconfig,
        connect,
        journal,
    })
}

pub(crate) fn plan(path: &Path) -> Result<Plan, Box<dyn Error>> {
    let failed = |error: &dyn Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    Ok(serde_json::from_str(&text).map_err(|error| failed(&error))?)
}
