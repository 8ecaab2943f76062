//! Worlds: nodes, workloads and budgets made in a [`Plane`], quickly.
//!
//! With controllers, scheduler and kwok they come to life by themselves; in a
//! bare plane a test makes single pods ([`bound_pod`]) and says itself what
//! their status is ([`World::set_status`]).
//!
//! ```no_run
//! use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};
//! use cloudoptim_aws::testing::world::{World, WorldSpec};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let plane = Plane::start(PlaneConfig::full()).await?;
//! let world = World::create(&plane, &WorldSpec::generate(1, 20, 100)).await?;
//! world.wait_until_running().await?;
//! # Ok(())
//! # }
//! ```

mod spec;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::api::{Api, ApiError, PatchKind};
use super::assets::Assets;
use super::plane::{Plane, PlaneError};

pub use spec::{Budget, NodeSpec, REGION, WorkloadKind, WorkloadSpec, WorldSpec};

/// How many requests are on their way at once while a world is made.
const AT_ONCE: usize = 16;
/// How long a world may take to come to rest on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often it is looked at.
const STEP: Duration = Duration::from_millis(250);

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The API server refused something, or did not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The plane does not do as it was told.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// It did not come to rest.
    #[error("not at rest after {seconds} s: {what}")]
    Restless {
        /// How long it was waited for, in seconds.
        seconds: u64,
        /// What still differed.
        what: String,
    },
}

/// A world in a plane. Its requests are those of the user `world`, whose reads
/// the audit log leaves out.
#[derive(Debug, Clone)]
pub struct World {
    api: Api,
    workloads: Vec<WorkloadSpec>,
}

impl World {
    /// Makes everything in `spec`; what is there already is an error.
    ///
    /// # Errors
    /// [`WorldError::Api`] with the first request that failed.
    pub async fn create(plane: &Plane, spec: &WorldSpec) -> Result<Self, WorldError> {
        let mut world = Self {
            api: plane.world_api()?,
            workloads: Vec::new(),
        };
        let classes = spec.priority_classes.iter().map(|(name, value)| {
            let class = json!({"metadata": {"name": name}, "value": value, "globalDefault": false});
            (
                "/apis/scheduling.k8s.io/v1/priorityclasses".to_owned(),
                class,
            )
        });
        let nodes = spec
            .nodes
            .iter()
            .map(|node| ("/api/v1/nodes".to_owned(), node.document()));
        world.create_all(classes.chain(nodes).collect()).await?;
        world.add(&spec.workloads).await?;
        Ok(world)
    }

    /// Makes more workloads, with their budgets and missing namespaces.
    ///
    /// # Errors
    /// [`WorldError::Api`] with the first request that failed.
    pub async fn add(&mut self, workloads: &[WorkloadSpec]) -> Result<(), WorldError> {
        let namespaces: BTreeSet<&str> = workloads
            .iter()
            .map(|workload| workload.namespace.as_str())
            .collect();
        for namespace in namespaces {
            self.ensure_namespace(namespace).await?;
        }
        let budgets = workloads.iter().filter_map(|workload| {
            let path = format!(
                "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
                workload.namespace
            );
            Some((path, workload.budget_document()?))
        });
        let makers = workloads
            .iter()
            .map(|workload| (workload.path(), workload.document()));
        self.create_all(budgets.chain(makers).collect()).await?;
        self.workloads.extend_from_slice(workloads);
        Ok(())
    }

    /// Makes a namespace unless there is one.
    ///
    /// # Errors
    /// [`WorldError::Api`] if the request failed.
    pub async fn ensure_namespace(&self, name: &str) -> Result<(), WorldError> {
        let made = self
            .api
            .post("/api/v1/namespaces", &json!({"metadata": {"name": name}}))
            .await?;
        if made.status != 409 {
            made.ok()?;
        }
        Ok(())
    }

    /// Makes objects, given with the paths of their collections, some at once
    /// and in no order.
    ///
    /// # Errors
    /// [`WorldError::Api`] with the first request that failed.
    pub async fn create_all(&self, objects: Vec<(String, Value)>) -> Result<(), WorldError> {
        let mut left = objects.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && let Some((path, object)) = left.next()
            {
                let api = self.api.clone();
                running.spawn(async move { api.post(&path, &object).await?.ok() });
            }
            match running.join_next().await {
                None => return Ok(()),
                Some(Ok(done)) => drop(done?),
                Some(Err(error)) => {
                    return Err(PlaneError::Io(std::io::Error::other(error)).into());
                }
            }
        }
    }

    /// Puts a status on an object, as its controller or kubelet would.
    ///
    /// # Errors
    /// [`WorldError::Api`] if the request failed.
    pub async fn set_status(&self, path: &str, status: &Value) -> Result<Value, WorldError> {
        let patched = self
            .api
            .patch(
                &format!("{path}/status"),
                PatchKind::Merge,
                &json!({"status": status}),
            )
            .await?;
        Ok(patched.ok()?)
    }

    /// Makes Karpenter's custom resource definitions known, and waits until
    /// they are served.
    ///
    /// # Errors
    /// [`WorldError`] if they are not found, refused or not served.
    pub async fn install_karpenter_crds(&self, assets: &Assets) -> Result<(), WorldError> {
        const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let mut served = Vec::new();
        for text in assets
            .karpenter_crds()
            .map_err(PlaneError::from)?
            .into_values()
        {
            let made = self
                .api
                .send(hyper::Method::POST, CRDS, "application/yaml", text.into())
                .await?
                .ok()?;
            let text = |pointer: &str| {
                made.pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
            let versions = made
                .pointer("/spec/versions")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            for version in versions.filter(|version| version["served"] == true) {
                let version = version["name"].as_str().unwrap_or_default();
                served.push(format!("/apis/{group}/{version}/{plural}"));
            }
        }
        self.until(async || {
            for path in &served {
                // Not by the condition `Established`: for a moment after it comes 404, then 429.
                if self.api.get(path).await?.status != 200 {
                    return Ok(Some(format!("{path} is not served")));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Waits until every pod of every workload runs and is ready, and every
    /// budget's status has been counted from that.
    ///
    /// # Errors
    /// [`WorldError::Restless`] if that does not come about in ten minutes; it names
    /// pods that are not ready, and why.
    pub async fn wait_until_running(&self) -> Result<(), WorldError> {
        match self.until_running().await {
            Err(WorldError::Restless { seconds, what }) => Err(WorldError::Restless {
                seconds,
                // What is known stays known where the pods cannot be read.
                what: what + &self.unready().await.unwrap_or_default(),
            }),
            done => done,
        }
    }

    /// Some pods that are not ready, with what their status says.
    async fn unready(&self) -> Result<String, WorldError> {
        let pods = self.api.get("/api/v1/pods").await?.ok()?;
        let text = |of: &Value, at: &str| match of.pointer(at) {
            Some(Value::String(text)) => text.clone(),
            _ => "none".to_owned(),
        };
        let mut out = String::new();
        let mut told = 0;
        for pod in pods["items"].as_array().into_iter().flatten() {
            let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
            let conditions = || conditions.into_iter().flatten();
            let ready = conditions().any(|c| c["type"] == "Ready" && c["status"] == "True");
            if (ready && pod.pointer("/metadata/deletionTimestamp").is_none()) || told == 5 {
                continue;
            }
            told += 1;
            out.push_str(&format!(
                "; pod {}: phase {}, node {}, deleted at {}",
                text(pod, "/metadata/name"),
                text(pod, "/status/phase"),
                text(pod, "/spec/nodeName"),
                text(pod, "/metadata/deletionTimestamp"),
            ));
            for condition in conditions().filter(|c| c["status"] != "True") {
                let (kind, reason) = (text(condition, "/type"), text(condition, "/reason"));
                let message = text(condition, "/message");
                out.push_str(&format!(", not {kind} ({reason}: {message})"));
            }
        }
        Ok(out)
    }

    async fn until_running(&self) -> Result<(), WorldError> {
        self.until(async || {
            for workload in &self.workloads {
                let path = format!("{}/{}", workload.path(), workload.name);
                let made = self.api.get(&path).await?.ok()?;
                let ready = made
                    .pointer("/status/readyReplicas")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                let replicas = made
                    .pointer("/spec/replicas")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                if ready != replicas {
                    return Ok(Some(format!(
                        "{}: {ready} of {replicas} pods are ready",
                        workload.name
                    )));
                }
                if workload.budget.is_none() {
                    continue;
                }
                let path = format!(
                    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/{}",
                    workload.namespace, workload.name
                );
                let budget = self.api.get(&path).await?.ok()?;
                let counted = |field: &str| {
                    budget
                        .pointer(&format!("/status/{field}"))
                        .and_then(Value::as_u64)
                };
                let settled = counted("currentHealthy") == Some(replicas)
                    && counted("expectedPods") == Some(replicas)
                    && counted("observedGeneration")
                        == budget
                            .pointer("/metadata/generation")
                            .and_then(Value::as_u64);
                if !settled {
                    return Ok(Some(format!("the budget {} is not counted", workload.name)));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Waits until `check` finds nothing more to wait for, which it names.
    ///
    /// # Errors
    /// [`WorldError::Restless`] with the last of it after ten minutes.
    pub async fn until(
        &self,
        mut check: impl AsyncFnMut() -> Result<Option<String>, WorldError>,
    ) -> Result<(), WorldError> {
        let mut what = String::new();
        let checking = async {
            while let Some(missing) = check().await? {
                what = missing;
                tokio::time::sleep(STEP).await;
            }
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, checking).await {
            Ok(done) => done,
            Err(_) => Err(WorldError::Restless {
                seconds: PATIENCE.as_secs(),
                what,
            }),
        }
    }
}

/// A pod without an owner that is on `node` already, for a plane without a
/// scheduler.
#[must_use]
pub fn bound_pod(namespace: &str, name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": "example.test/main:1",
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}],
        },
    })
}

/// The status of a pod that runs and is ready, or runs and is not.
#[must_use]
pub fn running(ready: bool) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]})
}
