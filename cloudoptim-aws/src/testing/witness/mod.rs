//! A witness of drains: what happened to pods, by a watch of its own, beside
//! what the audit log says that somebody did.
//!
//! ```no_run
//! use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};
//! use cloudoptim_aws::testing::witness::{Line, Witness};
//! use cloudoptim_aws::testing::world::{Budget, WorkloadSpec, World, WorldSpec};
//! use std::collections::BTreeMap;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let plane = Plane::start(PlaneConfig::full()).await?;
//! let mut spec = WorldSpec::generate(1, 20, 0);
//! let web = WorkloadSpec::deployment("shop", "web", 20);
//! spec.workloads.push(web.with_budget(Budget::MaxUnavailable("10%".to_owned())));
//! let world = World::create(&plane, &spec).await?;
//! world.wait_until_running().await?;
//! let witness = Witness::start(&plane, Line::of_all(&spec.workloads)).await?;
//! // … let the code under test drain nodes as the user `drainer`, then:
//! let planned = BTreeMap::from([("uid of the pod".to_owned(), "its node".to_owned())]);
//! let testimony = witness.testify(&plane, "drainer", &planned).await?;
//! assert!(testimony.faults().is_empty());
//! # Ok(())
//! # }
//! ```

mod judge;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;

use super::api::{Api, ApiError, Watch};
use super::plane::Plane;
use super::world::{WorkloadSpec, WorldError};

pub use judge::Testimony;

/// How long the watch may be behind the server when it is asked.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const STEP: Duration = Duration::from_millis(100);
/// How often a watch that the server ended is begun anew.
const MOST_WATCHES: u32 = 100;

/// How many pods with some labels have to stay healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Namespace of the pods.
    pub namespace: String,
    /// What to call it: the name of the budget.
    pub name: String,
    /// Labels that the pods have.
    pub labels: BTreeMap<String, String>,
    /// How many of them have to stay ready, and not be leaving.
    pub desired: u64,
}

impl Line {
    /// The line of a workload with a budget.
    #[must_use]
    pub fn of(workload: &WorkloadSpec) -> Option<Self> {
        Some(Self {
            namespace: workload.namespace.clone(),
            name: workload.name.clone(),
            labels: BTreeMap::from([("app".to_owned(), workload.name.clone())]),
            desired: workload.desired_healthy()?,
        })
    }

    /// The lines of those workloads that have a budget.
    #[must_use]
    pub fn of_all(workloads: &[WorkloadSpec]) -> Vec<Self> {
        workloads.iter().filter_map(Self::of).collect()
    }

    fn covers(&self, pod: &PodSeen) -> bool {
        self.namespace == pod.namespace
            && self
                .labels
                .iter()
                .all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}

/// A pod as it was from one version on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodSeen {
    /// The resource version, by which everything is in order.
    pub version: u64,
    /// Uid.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The node that it is bound to; empty without one.
    pub node: String,
    /// The phase.
    pub phase: String,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Whether it is being deleted.
    pub going: bool,
    /// Whether it is not there any more.
    pub gone: bool,
}

impl PodSeen {
    /// Reads a pod's document; `None` for one without uid or version.
    fn read(pod: &Value, gone: bool) -> Option<Self> {
        let text = |pointer: &str| {
            let value = pod.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        let uid = text("/metadata/uid");
        Some(Self {
            version: text("/metadata/resourceVersion").parse().ok()?,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            labels: labels
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            node: text("/spec/nodeName"),
            phase: text("/status/phase"),
            ready: conditions.any(|c| c["type"] == "Ready" && c["status"] == "True"),
            going: pod.pointer("/metadata/deletionTimestamp").is_some(),
            gone,
            uid: Some(uid).filter(|uid| !uid.is_empty())?,
        })
    }

    /// Whether a budget counts it.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.ready && !self.going && !self.gone
    }

    /// Its namespace and name.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

#[derive(Debug, Default)]
struct Seen {
    events: Vec<PodSeen>,
    /// Why the watch has ended, if it has.
    ended: Option<String>,
}

/// Watches every pod of a plane from its start on.
#[derive(Debug)]
pub struct Witness {
    api: Api,
    lines: Vec<Line>,
    seen: Arc<Mutex<Seen>>,
    watching: JoinHandle<()>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All pods, and the version of the list.
async fn list(api: &Api) -> Result<(Vec<PodSeen>, String), ApiError> {
    let list = api.get("/api/v1/pods").await?.ok()?;
    let items = list["items"].as_array().into_iter().flatten();
    let pods = items.filter_map(|pod| PodSeen::read(pod, false)).collect();
    let version = list["metadata"]["resourceVersion"].as_str();
    Ok((pods, version.unwrap_or_default().to_owned()))
}

fn path_from(version: &str) -> String {
    format!("/api/v1/pods?watch=1&resourceVersion={version}&timeoutSeconds=14400")
}

/// Notes what the watch says, and goes on with another where it ends: a server
/// ends one that cannot keep up, and still knows what came after.
async fn follow(api: Api, mut watch: Watch, mut version: String, seen: Arc<Mutex<Seen>>) {
    let mut again = 0;
    let why = loop {
        let (kind, object) = match watch.next().await {
            Ok(Some(mut event)) => (event["type"].take(), event["object"].take()),
            ended => {
                let why = match ended {
                    Err(error) => error.to_string(),
                    Ok(_) => "the server ended it".to_owned(),
                };
                again += 1;
                match api.watch(&path_from(&version)).await {
                    Ok(another) if again <= MOST_WATCHES => watch = another,
                    Ok(_) => break format!("{again} times: {why}"),
                    Err(error) => break format!("{why}, and then {error}"),
                }
                continue;
            }
        };
        let pod = match kind.as_str() {
            Some("ADDED" | "MODIFIED") => PodSeen::read(&object, false),
            Some("DELETED") => PodSeen::read(&object, true),
            _ => None,
        };
        match pod {
            Some(pod) => {
                version = pod.version.to_string();
                locked(&seen).events.push(pod);
            }
            None => break format!("it says {kind} {object}"),
        }
    };
    locked(&seen).ended = Some(why);
}

impl Witness {
    /// Begins to watch. The pods of `lines` are counted later.
    ///
    /// # Errors
    /// [`WorldError::Api`] if the pods cannot be listed and watched.
    pub async fn start(plane: &Plane, lines: Vec<Line>) -> Result<Self, WorldError> {
        let api = plane.world_api()?;
        let (events, version) = list(&api).await?;
        let seen = Arc::new(Mutex::new(Seen {
            events,
            ended: None,
        }));
        let watch = api.watch(&path_from(&version)).await?;
        let following = follow(api.clone(), watch, version, Arc::clone(&seen));
        Ok(Self {
            watching: tokio::spawn(following),
            api,
            lines,
            seen,
        })
    }

    /// Everything that was seen, in order.
    ///
    /// # Errors
    /// [`WorldError::Restless`] if the watch has ended, or does not come to show
    /// what a list shows.
    pub async fn events(&self) -> Result<Vec<PodSeen>, WorldError> {
        let mut waited = Duration::ZERO;
        loop {
            let (listed, _) = list(&self.api).await?;
            let listed: BTreeMap<String, u64> = listed
                .into_iter()
                .map(|pod| (pod.uid, pod.version))
                .collect();
            let restless = |what: String| WorldError::Restless {
                seconds: waited.as_secs(),
                what: format!("the watch of the pods: {what}"),
            };
            let behind = {
                let seen = locked(&self.seen);
                if let Some(why) = &seen.ended {
                    return Err(restless(why.clone()));
                }
                let mut last: BTreeMap<&str, u64> = BTreeMap::new();
                for pod in &seen.events {
                    if pod.gone {
                        last.remove(pod.uid.as_str());
                    } else {
                        last.insert(&pod.uid, pod.version);
                    }
                }
                let is_behind = |(uid, version): (&String, &u64)| {
                    last.get(uid.as_str()).is_none_or(|seen| seen < version)
                };
                let first = listed.iter().find(|pod| is_behind(*pod));
                match first {
                    None => {
                        let mut events = seen.events.clone();
                        events.sort_by_key(|pod| pod.version);
                        return Ok(events);
                    }
                    Some((uid, _)) => format!("it has not shown pod {uid} as it is"),
                }
            };
            if waited >= PATIENCE {
                return Err(restless(behind));
            }
            waited += STEP;
            tokio::time::sleep(STEP).await;
        }
    }

    /// What `actor` did to pods, of which `planned` gives the uids of those that
    /// may be evicted, with the node that each has to stand on.
    ///
    /// # Errors
    /// As of [`Witness::events`], and [`WorldError::Plane`] if the audit log
    /// cannot be read.
    pub async fn testify(
        &self,
        plane: &Plane,
        actor: &str,
        planned: &BTreeMap<String, String>,
    ) -> Result<Testimony, WorldError> {
        let events = self.events().await?;
        let acts = plane.audit_of(actor)?;
        Ok(judge::judge(&self.lines, &events, &acts, planned))
    }
}
