//! Lists: all of them or a part that says so.

use super::fake::{Say, Script, Shop, StoppedClock, UID, body, list, now, shop_files};
use chrono::TimeDelta;
use cloudoptim_aws::k8s::{ClusterReader, OnProgress, Patience, Prometheus, ReadOptions, Reader, Retrying};
use cloudoptim_core::collect::collect;
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::model::{Cluster, ClusterUid, Snapshot};
use cloudoptim_core::providers::{
    ClusterIdentity, ClusterSources, NodeSource, ObservationSource, PodSource, ProviderError,
    Sources, WorkloadSource,
};
use serde_json::json;
use std::sync::{Arc, Mutex};

async fn open(script: Script, options: ReadOptions) -> (Arc<Script>, ClusterReader) {
    let script = Arc::new(script);
    let clock = Arc::new(StoppedClock::default());
    let reader = ClusterReader::open(script.clone(), clock, options).await.unwrap();
    (script, reader)
}

fn small_pages() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.page_size = 2;
    options
}

const PODS: &str = "/api/v1/pods";

#[tokio::test]
async fn all_pages_are_one_list_of_the_most_recent_state() {
    let script = Script::cluster(&[]).on(
        PODS,
        [
            list("Pod", "v1", &["a", "b"], Some("t1")),
            list("Pod", "v1", &["c", "d"], Some("t2")),
            list("Pod", "v1", &["e"], None),
        ],
    );
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut options = small_pages();
    let tell = told.clone();
    options.progress = Some(OnProgress::new(move |progress| {
        tell.lock().unwrap().push((progress.what.clone(), progress.objects));
    }));
    let (script, reader) = open(script, options).await;
    let pods = reader.list_pods().await.unwrap();
    assert_eq!(pods.items().len(), 5);
    assert!(pods.is_complete());
    let provenance = pods.provenance().unwrap();
    assert_eq!(provenance.scope, format!("cluster:{UID}"));
    assert_eq!(provenance.observed_at, Some(now()));
    assert_eq!(
        script.asked()[1..],
        [
            "/api/v1/pods?limit=2",
            "/api/v1/pods?limit=2&continue=t1",
            "/api/v1/pods?limit=2&continue=t2",
        ]
    );
    let told = told.lock().unwrap().clone();
    let pods = |n| ("pods".to_owned(), n);
    assert_eq!(told, [pods(2), pods(4), pods(5)]);
}

#[tokio::test]
async fn a_list_that_expires_is_begun_anew() {
    let script = Script::cluster(&[]).on(
        PODS,
        [
            list("Pod", "v1", &["old-a", "old-b"], Some("t1")),
            Say::Replayed(410),
            list("Pod", "v1", &["a", "b"], Some("t3")),
            list("Pod", "v1", &["c"], None),
        ],
    );
    let (_, reader) = open(script, small_pages()).await;
    let pods = reader.list_pods().await.unwrap();
    assert!(pods.is_complete());
    let found: Vec<&str> = pods.items().iter().map(|pod| pod.meta.name.as_str()).collect();
    assert_eq!(found, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_list_that_always_expires_is_a_part() {
    let mut says = Vec::new();
    for _ in 0..10 {
        says.push(list("Pod", "v1", &["a", "b"], Some("t")));
        says.push(Say::Replayed(410));
    }
    let (script, reader) = open(Script::cluster(&[]).on(PODS, says), small_pages()).await;
    let pods = reader.list_pods().await.unwrap();
    assert!(matches!(&pods, Knowledge::Partial { gap: Gap::Unavailable { .. }, .. }), "{pods}");
    // The first try and three more, of two requests each.
    assert_eq!(script.asked().len(), 1 + 8);
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_a_part() {
    for failure in [
        Say::Down,
        Say::NotFound,
        Say::Forbidden("list pods"),
        Say::Body("<html>".to_owned()),
        body(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}})),
        // A token that was given already: for ever the same page.
        list("Pod", "v1", &["a"], Some("t1")),
    ] {
        let script = Script::cluster(&[]).on(
            PODS,
            [list("Pod", "v1", &["a", "b"], Some("t1")), failure.clone()],
        );
        let (_, reader) = open(script, small_pages()).await;
        let pods = reader.list_pods().await.unwrap();
        assert!(
            matches!(&pods, Knowledge::Partial { gap: Gap::Unavailable { .. }, .. }),
            "{failure:?}: {pods}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_never_an_empty_one() {
    for answer in [
        Say::Body(String::new()),
        Say::Body("ok".to_owned()),
        body(json!({})),
        body(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})),
        list("Node", "v1", &[], None),
        body(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}})),
    ] {
        let (_, reader) = open(Script::cluster(&[]).on(PODS, [answer.clone()]), small_pages()).await;
        let error = reader.list_pods().await.unwrap_err();
        assert!(error.is_retryable(), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_unknown_and_names_the_permission() {
    let script = Script::cluster(&[])
        .on(PODS, [Say::Forbidden("list pods")])
        .on("/apis", [Say::Forbidden("get /apis")]);
    let (_, reader) = open(script, ReadOptions::default()).await;
    let denied = |permission: &str| Gap::Denied {
        permission: permission.to_owned(),
    };
    let pods = reader.list_pods().await.unwrap();
    assert_eq!(pods, Knowledge::unknown(denied("list pods")));
    let claims = reader.list_node_claims().await.unwrap();
    assert_eq!(claims, Knowledge::unknown(denied("get /apis")));
}

fn workloads(denied: &[&str]) -> Script {
    let mut script = Script::cluster(&[]);
    for (group, kind, resource) in [
        ("batch", "CronJob", "cronjobs"),
        ("batch", "Job", "jobs"),
        ("apps", "DaemonSet", "daemonsets"),
        ("apps", "Deployment", "deployments"),
        ("apps", "ReplicaSet", "replicasets"),
        ("apps", "StatefulSet", "statefulsets"),
    ] {
        let say = if denied.contains(&resource) {
            Say::Forbidden("list jobs.batch")
        } else {
            list(kind, &format!("{group}/v1"), &[resource], None)
        };
        script = script.on(&format!("/apis/{group}/v1/{resource}"), [say]);
    }
    script
}

#[tokio::test]
async fn workloads_are_complete_only_with_every_kind_of_them() {
    let (_, reader) = open(workloads(&[]), ReadOptions::default()).await;
    let all = reader.list_workloads().await.unwrap();
    assert!(all.is_complete() && all.items().len() == 6);
    let (_, reader) = open(workloads(&["jobs"]), ReadOptions::default()).await;
    let part = reader.list_workloads().await.unwrap();
    assert_eq!(part.items().len(), 5);
    assert_eq!(
        part.gap(),
        Some(&Gap::Denied {
            permission: "list jobs.batch".to_owned()
        })
    );
}

#[tokio::test]
async fn a_kind_that_a_ready_server_does_not_have_is_empty() {
    let (script, reader) = open(Script::cluster(&[]), ReadOptions::default()).await;
    let claims = reader.list_node_claims().await.unwrap();
    assert!(claims.is_complete() && claims.items().is_empty());
    // Both of Karpenter's kinds, and one look at the groups.
    assert!(reader.list_node_pools().await.unwrap().is_complete());
    let groups = script.asked().iter().filter(|path| path.starts_with("/apis?")).count();
    assert_eq!(groups, 1);
    let other: &[(&str, &str, &[&str])] = &[("karpenter.sh", "v1", &["nodepools"])];
    let (_, reader) = open(Script::cluster(other), ReadOptions::default()).await;
    assert!(reader.list_node_claims().await.unwrap().is_complete());
}

#[tokio::test]
async fn a_kind_that_is_missing_without_proof_is_not_empty() {
    // Just started: others' resources are not known yet.
    let young = Script::cluster(&[]).on("/readyz", [Say::Down]);
    // Only a version that we do not read.
    let other: &[(&str, &str, &[&str])] = &[("karpenter.sh", "v2", &["nodeclaims"])];
    // The group is there, what is in it cannot be told.
    let broken: &[(&str, &str, &[&str])] = &[("karpenter.sh", "v1", &[])];
    let broken = Script::cluster(broken).on("/apis/karpenter.sh/v1", [Say::Down]);
    // Something in between answers for the server.
    let stranger = Script::cluster(&[]).on("/apis", [body(json!({"kind": "Status"}))]);
    // Served, and gone when it is listed.
    let gone: &[(&str, &str, &[&str])] = &[("karpenter.sh", "v1", &["nodeclaims"])];
    for (name, script) in [
        ("young", young),
        ("other", Script::cluster(other)),
        ("broken", broken),
        ("stranger", stranger),
        ("gone", Script::cluster(gone)),
    ] {
        let (_, reader) = open(script, ReadOptions::default()).await;
        assert!(reader.list_node_claims().await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_version_that_the_server_lacks_is_a_clear_error() {
    let (_, reader) = open(Script::cluster(&[]), ReadOptions::default()).await;
    let error = reader.list_disruption_budgets().await.unwrap_err();
    assert!(matches!(error, ProviderError::NotSupported { .. }));
    let source = error.call().source.as_ref().unwrap().to_string();
    assert_eq!(source, "the server does not serve poddisruptionbudgets in policy/v1");
}

#[tokio::test]
async fn only_some_namespaces_are_a_part() {
    let script = Script::cluster(&[])
        .on("/api/v1/namespaces/a/pods", [list("Pod", "v1", &["x"], None)])
        .on("/api/v1/namespaces/b/pods", [list("Pod", "v1", &["y"], None)])
        .on("/api/v1/nodes", [list("Node", "v1", &["n"], None)]);
    let mut options = ReadOptions::default();
    options.namespaces = vec!["a".to_owned(), "b".to_owned()];
    let (_, reader) = open(script, options).await;
    let pods = reader.list_pods().await.unwrap();
    assert_eq!(pods.items().len(), 2);
    assert_eq!(
        pods.gap(),
        Some(&Gap::OutOfScope {
            what: "namespaces other than a, b".to_owned()
        })
    );
    assert!(reader.list_nodes().await.unwrap().is_complete());
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_no_namespace() {
    for name in ["..", "a/b", "", "a?b"] {
        let mut options = ReadOptions::default();
        options.namespaces = vec![name.to_owned()];
        let clock = Arc::new(StoppedClock::default());
        let script = Arc::new(Script::cluster(&[]));
        let error = ClusterReader::open(script.clone(), clock, options).await.unwrap_err();
        assert!(matches!(error, ProviderError::NotSupported { .. }), "{name}");
        assert!(script.asked().is_empty());
    }
}

#[tokio::test]
async fn broken_objects_leave_a_part() {
    let page = body(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [
        {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}, "spec": 7}]}));
    let (_, reader) = open(Script::cluster(&[]).on(PODS, [page]), ReadOptions::default()).await;
    let pods = reader.list_pods().await.unwrap();
    assert_eq!(pods.items().len(), 1);
    assert!(matches!(pods.gap(), Some(Gap::Broken { count: 1, .. })));
}

async fn collected(reader: Arc<dyn Reader>, uid: &str, page_size: u32) -> Snapshot {
    let mut options = ReadOptions::default();
    options.page_size = page_size;
    let clock = Arc::new(StoppedClock::default());
    let cluster = ClusterReader::open(reader, clock, options).await.unwrap();
    assert_eq!(cluster.cluster_uid().await.unwrap().as_str(), uid);
    let mut sources = Sources::default();
    let handles = ClusterSources::of(Arc::new(cluster));
    sources.clusters.insert(ClusterUid::new(uid), handles);
    collect(&sources, now(), Knowledge::default()).await
}

/// What a person who dumped the same cluster with `kubectl` would load.
fn loaded() -> Cluster {
    let mut options = InputOptions::default();
    options.taken_at = Some(now());
    options.complete = true;
    let empty = ["RuntimeClass", "ScaledObject", "VerticalPodAutoscaler"];
    options.collected = empty.map(str::to_owned).to_vec();
    let mut loader = Loader::new(options);
    for (name, bytes) in shop_files() {
        loader.add(&name, &bytes);
    }
    loader.finish().unwrap().snapshot.clusters.remove(0)
}

#[tokio::test]
async fn a_cluster_that_is_read_is_the_one_that_is_loaded() {
    let shop = Shop::open();
    let uid = shop.uid();
    let mut loaded = loaded();
    // What only documents of the cloud tell.
    (loaded.name, loaded.account, loaded.region) = <_>::default();
    let loaded = serde_json::to_string(&loaded).unwrap();
    let loaded = loaded.replace("\"kubectl\"", "\"kube-apiserver\"");
    for page_size in [7, 500] {
        let mut found = collected(shop.clone(), &uid, page_size).await;
        let cluster = found.clusters.remove(0);
        let cluster = serde_json::to_string(&cluster).unwrap();
        if cluster != loaded {
            let at = cluster.bytes().zip(loaded.bytes()).position(|(a, b)| a != b).unwrap_or(0);
            let around = |text: &str| text[at.saturating_sub(200)..text.len().min(at + 100)].to_owned();
            panic!("read:   {}\nloaded: {}", around(&cluster), around(&loaded));
        }
    }
}

#[tokio::test]
async fn usage_of_a_cluster_without_metrics_is_unknown() {
    let (_, reader) = open(workloads(&[]), ReadOptions::default()).await;
    assert_eq!(reader.usage().await.unwrap(), Knowledge::default());
}

fn pod_of(job: &str) -> Say {
    body(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [
        {"metadata": {"name": "p", "namespace": "shop", "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": "u", "controller": true}]}}]}))
}

#[tokio::test]
async fn usage_comes_from_the_metrics_api_with_its_owner() {
    let groups: &[(&str, &str, &[&str])] = &[("metrics.k8s.io", "v1beta1", &["pods"])];
    let apis = Script::cluster(groups).get("/apis", &[]).await.unwrap();
    let apis = String::from_utf8(apis.to_vec()).unwrap();
    let script = workloads(&[])
        .on("/apis", [Say::Body(apis)])
        .on(
            "/apis/metrics.k8s.io/v1beta1",
            [body(json!({"kind": "APIResourceList", "resources": [{"name": "pods"}]}))],
        )
        .on(PODS, [pod_of("jobs")])
        .on(
            "/apis/metrics.k8s.io/v1beta1/pods",
            [body(json!({"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1",
                "metadata": {}, "items": [{"metadata": {"name": "p", "namespace": "shop"},
                    "timestamp": "2026-11-28T11:59:30Z", "window": "30s",
                    "containers": [{"name": "c", "usage": {"cpu": "250m", "memory": "64Mi"}}]}]}))],
        );
    let (_, reader) = open(script, ReadOptions::default()).await;
    let usage = reader.usage().await.unwrap();
    assert!(usage.is_complete(), "{usage}");
    assert_eq!(usage.provenance().unwrap().source, "metrics.k8s.io");
    let container = &usage.value().unwrap().containers[0];
    assert_eq!(container.workload.as_ref().unwrap().name, "jobs");
}

#[tokio::test]
async fn usage_comes_from_prometheus_in_spans_that_join() {
    let series = json!({"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"namespace": "shop", "pod": "p", "container": "c"},
         "values": [[now().timestamp() - 900, "0.5"], [now().timestamp(), "0.25"]]}]}});
    let path = "/prom/api/v1/query_range";
    let script = workloads(&[]).on(PODS, [pod_of("jobs")]).on(path, [body(series)]);
    let script = Arc::new(script);
    let mut options = ReadOptions::default();
    options.prometheus = Some(
        Prometheus::through(script.clone(), "/prom")
            .over(TimeDelta::days(2), TimeDelta::minutes(15))
            .with_selector("cluster=\"prod\""),
    );
    let clock = Arc::new(StoppedClock::default());
    let reader = ClusterReader::open(script.clone(), clock, options).await.unwrap();
    let usage = reader.usage().await.unwrap();
    assert_eq!(usage.provenance().unwrap().source, "prometheus");
    assert!(!usage.value().unwrap().containers.is_empty());
    let asked: Vec<String> = script
        .asked()
        .into_iter()
        .filter(|asked| asked.starts_with(path) && asked.contains("rate("))
        .collect();
    let end = now().timestamp();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].contains(&format!("start={}&end={end}&step=900", end - 86_400 + 900)));
    assert!(asked[1].contains(&format!("&end={}&", end - 86_400)));
    assert!(asked.iter().all(|asked| asked.contains("cluster=\"prod\"")));
}

#[tokio::test]
async fn reads_are_repeated_as_long_as_that_may_help() {
    let script = Script::default().on(
        "/x",
        [
            Say::Down,
            Say::Throttled(Some(TimeDelta::seconds(7))),
            Say::Body("yes".to_owned()),
        ],
    );
    let clock = Arc::new(StoppedClock::default());
    let retrying = Retrying::new(script, clock.clone(), Patience::default());
    assert_eq!(retrying.get("/x", &[]).await.unwrap(), "yes");
    let slept = clock.slept.lock().unwrap().clone();
    assert_eq!(slept.len(), 2);
    // Between half and all of the first span, then as long as the server says.
    assert!(slept[0] >= TimeDelta::milliseconds(125) && slept[0] <= TimeDelta::milliseconds(250));
    assert_eq!(slept[1], TimeDelta::seconds(7));
}

#[tokio::test]
async fn patience_has_an_end() {
    let cases = [
        (Say::Down, 5),
        (Say::Throttled(None), 5),
        // Longer than anybody waits.
        (Say::Throttled(Some(TimeDelta::hours(1))), 1),
        (Say::Forbidden("list x"), 1),
        (Say::NotFound, 1),
    ];
    for (say, requests) in cases {
        let script = Arc::new(Script::default().on("/x", [say.clone()]));
        let clock = Arc::new(StoppedClock::default());
        let retrying = Retrying::new(Shared(script.clone()), clock, Patience::default());
        assert!(retrying.get("/x", &[]).await.is_err());
        assert_eq!(script.asked().len(), requests, "{say:?}");
    }
}

#[derive(Debug)]
struct Shared(Arc<Script>);

#[async_trait::async_trait]
impl Reader for Shared {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<bytes::Bytes, ProviderError> {
        self.0.get(path, query).await
    }
}
