//! A cluster of any size, collected.

use super::{ClusterError, start};
use crate::process::{Watch, peak_rss_mb, reset_peak, rss_mb};
use async_trait::async_trait;
use bytes::Bytes;
use cloudoptim_aws::clock::SystemClock;
use cloudoptim_aws::k8s::{
    ClusterReader, ConnectOptions, Connection, ReadClient, ReadOptions, Reader, Reading,
};
use cloudoptim_aws::testing::plane::PlaneConfig;
use cloudoptim_aws::testing::world::{World, WorldSpec, running};
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::model::Cluster;
use cloudoptim_core::providers::{Clock, ClusterSources, ProviderError, Sources};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

/// What one collection cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// Objects that were read.
    pub objects: usize,
    /// Of them, pods.
    pub pods: usize,
    /// Of them, nodes.
    pub nodes: usize,
    /// Parts that are not complete and not unknown by nature, with the reason.
    pub gaps: Vec<String>,
    /// Wall-clock time of the collection.
    pub seconds: f64,
    /// Requests.
    pub requests: u64,
    /// Bytes of the answers, in 10⁶.
    pub megabytes: f64,
    /// Largest resident size of this process while it collected, in MB.
    pub peak_rss_mb: Option<f64>,
    /// Its resident size right before, in MB.
    pub rss_before_mb: Option<f64>,
    /// How long the objects took to make, in seconds.
    pub made_in_seconds: f64,
}

#[derive(Debug)]
struct Counting {
    inner: ReadClient,
    requests: AtomicU64,
    bytes: AtomicU64,
}

#[async_trait]
impl Reader for Counting {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let answer = self.inner.get(path, query).await;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let bytes = answer.as_ref().map_or(0, Bytes::len);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        answer
    }
}

/// Pods of one owner.
const REPLICAS: usize = 25;
/// Pods that are made side by side.
const AT_ONCE: usize = 500;

fn owner(index: usize) -> (String, String) {
    let app = index / REPLICAS;
    (format!("team-{}", app % 8), format!("app-{app:04}"))
}

/// A pod as a cluster has it, with its owner, probes, environment and volumes.
fn pod(index: usize, nodes: usize) -> (String, Value) {
    let (namespace, app) = owner(index);
    let name = format!("{app}-{:05}", index % REPLICAS);
    let variable = |n: usize| json!({"name": format!("SETTING_{n}"), "value": format!("value of {app} number {n}")});
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10});
    let body = json!({
        "metadata": {"name": name, "labels": {"app": app, "pod-template-hash": "5d8c7f9b6"},
            "annotations": {"checksum/config": format!("{index:064x}")},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
                "blockOwnerDeletion": true, "name": app, "uid": format!("00000000-0000-0000-0000-{:012x}", index / REPLICAS)}]},
        "spec": {
            "nodeName": format!("node-{:04}", index % nodes),
            "terminationGracePeriodSeconds": 30,
            "containers": [{"name": "main", "image": format!("registry.example.test/{app}:1.2.3"),
                "args": ["--config=/etc/app/config.yaml", "--port=8080"],
                "env": (0..8).map(variable).collect::<Vec<_>>(),
                "livenessProbe": probe, "readinessProbe": probe,
                "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}}],
            "volumes": [{"name": "config", "configMap": {"name": app}}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        },
    });
    (format!("/api/v1/namespaces/{namespace}/pods"), body)
}

fn workload(number: usize) -> (String, Value) {
    let (namespace, app) = owner(number * REPLICAS);
    let template = json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": [
        {"name": "main", "image": format!("registry.example.test/{app}:1.2.3"),
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}]}});
    let body = json!({"metadata": {"name": app}, "spec": {"replicas": REPLICAS,
        "selector": {"matchLabels": {"app": app}}, "template": template}});
    (
        format!("/apis/apps/v1/namespaces/{namespace}/replicasets"),
        body,
    )
}

async fn make(world: &World, nodes: usize, pods: usize) -> Result<(), ClusterError> {
    for number in 0..8 {
        world.ensure_namespace(&format!("team-{number}")).await?;
    }
    let workloads = (0..pods.div_ceil(REPLICAS)).map(workload).collect();
    world.create_all(workloads).await?;
    let mut made = 0;
    while made < pods {
        let until = pods.min(made + AT_ONCE);
        let batch: Vec<(String, Value)> = (made..until).map(|index| pod(index, nodes)).collect();
        let name = |object: &Value| {
            object["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let paths: Vec<String> = batch
            .iter()
            .map(|(p, o)| format!("{p}/{}", name(o)))
            .collect();
        world.create_all(batch).await?;
        let mut setting = JoinSet::new();
        let mut left = paths.into_iter();
        loop {
            while setting.len() < 16
                && let Some(path) = left.next()
            {
                let world = world.clone();
                setting.spawn(async move { world.set_status(&path, &running(true)).await });
            }
            match setting.join_next().await {
                None => break,
                Some(Ok(done)) => drop(done?),
                Some(Err(error)) => return Err(std::io::Error::other(error).into()),
            }
        }
        made = until;
    }
    Ok(())
}

/// Objects of each kind in a cluster, by what its JSON has.
fn objects(cluster: &Cluster) -> BTreeMap<&'static str, usize> {
    BTreeMap::from([
        ("nodes", cluster.nodes.items().len()),
        ("pods", cluster.pods.items().len()),
        ("workloads", cluster.workloads.items().len()),
        ("namespaces", cluster.namespaces.items().len()),
        ("services", cluster.services.items().len()),
        ("leases", cluster.leases.items().len()),
        ("events", cluster.events.items().len()),
        ("priority classes", cluster.priority_classes.items().len()),
    ])
}

/// Makes a cluster of that size on a plane of its own, in which nothing runs,
/// and collects it once.
///
/// # Errors
/// [`ClusterError`] when there is no plane, or it cannot be read.
pub async fn collect(nodes: usize, pods: usize) -> Result<Collected, ClusterError> {
    let plane = start(PlaneConfig::bare()).await?;
    let making = Watch::start();
    let world = World::create(&plane, &WorldSpec::generate(1, nodes, 0)).await?;
    make(&world, nodes, pods).await?;
    let made_in_seconds = making.seconds();

    let kubeconfig = plane.kubeconfig_for(plane.admin_token());
    let options = ConnectOptions::default();
    let connection = Connection::<Reading>::from_bytes("plane", kubeconfig.as_bytes(), options)?;
    let counting = Arc::new(Counting {
        inner: connection.client()?,
        requests: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    let clock = Arc::new(SystemClock::default());
    reset_peak();
    let rss_before_mb = rss_mb();
    let watch = Watch::start();
    let reader = ClusterReader::open(counting.clone(), clock.clone(), ReadOptions::default());
    let reader = Arc::new(reader.await?);
    let mut sources = Sources::default();
    let uid = reader.uid().clone();
    sources.clusters.insert(uid, ClusterSources::of(reader));
    let collecting = cloudoptim_core::collect::collect(&sources, clock.now(), Knowledge::default());
    let snapshot = collecting.await;
    let seconds = watch.seconds();
    let peak_rss_mb = peak_rss_mb();
    let mut collected = Collected {
        objects: 0,
        pods: 0,
        nodes: 0,
        gaps: Vec::new(),
        seconds,
        requests: counting.requests.load(Ordering::Relaxed),
        megabytes: counting.bytes.load(Ordering::Relaxed) as f64 / 1e6,
        peak_rss_mb,
        rss_before_mb,
        made_in_seconds,
    };
    for cluster in &snapshot.clusters {
        let objects = objects(cluster);
        collected.objects += objects.values().sum::<usize>();
        collected.pods += cluster.pods.items().len();
        collected.nodes += cluster.nodes.items().len();
        let gaps = cluster.gaps();
        collected
            .gaps
            .extend(gaps.iter().map(|(part, gap)| format!("{part}: {gap}")));
    }
    Ok(collected)
}
