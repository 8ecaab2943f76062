//! Recordings: they answer as the server did, and hold no more than a snapshot.

use super::fake::{Say, Script, Shop, StoppedClock, body, now};
use cloudoptim_aws::k8s::{ClusterReader, ReadOptions, Reader, Recording, Replaying};
use cloudoptim_core::collect::collect;
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::model::{ClusterUid, Snapshot};
use cloudoptim_core::providers::{ClusterSources, Sources};
use serde_json::json;
use std::sync::Arc;

async fn read(reader: Arc<dyn Reader>) -> Snapshot {
    let clock = Arc::new(StoppedClock::default());
    let mut options = ReadOptions::default();
    options.page_size = 50;
    let cluster = ClusterReader::open(reader, clock, options).await.unwrap();
    let uid: ClusterUid = cluster.uid().clone();
    let mut sources = Sources::default();
    sources.clusters.insert(uid, ClusterSources::of(Arc::new(cluster)));
    collect(&sources, now(), Knowledge::default()).await
}

#[derive(Debug)]
struct Whole(Arc<dyn Reader>);

#[async_trait::async_trait]
impl Reader for Whole {
    async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<bytes::Bytes, cloudoptim_core::providers::ProviderError> {
        self.0.get(path, query).await
    }
}

#[tokio::test]
async fn a_replayed_cluster_is_the_one_that_was_recorded() {
    let recording = Arc::new(Recording::new(Whole(Shop::open())));
    let first = read(recording.clone()).await;
    let file = recording.to_bytes().unwrap();
    let replayed = Arc::new(Replaying::from_bytes(&file).unwrap());
    assert_eq!(read(replayed.clone()).await, first);
    // And again: the last answer stays.
    assert_eq!(read(replayed).await, first);
}

#[tokio::test]
async fn refusals_are_recorded_and_secrets_are_not() {
    const CANARY: &str = "hunter2-canary";
    let pods = body(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [
        {"metadata": {"name": "a", "annotations": {"x": CANARY}},
         "spec": {"containers": [{"name": "c", "env": [{"name": "PASSWORD", "value": CANARY}],
            "args": [format!("--token={CANARY}")]}]}}]}));
    let script = Script::cluster(&[])
        .on("/api/v1/pods", [pods])
        .on("/api/v1/nodes", [Say::Replayed(403)])
        .on("/api/v1/secrets", [body(json!({"data": CANARY}))])
        .on("/api/v1/text", [Say::Body(CANARY.to_owned())]);
    let recording = Arc::new(Recording::new(Whole(Arc::new(script))));
    let first = read(recording.clone()).await;
    for path in ["/api/v1/secrets", "/api/v1/text"] {
        recording.get(path, &[]).await.unwrap();
    }
    let file = recording.to_bytes().unwrap();
    assert!(!String::from_utf8(file.clone()).unwrap().contains(CANARY));
    let replayed = read(Arc::new(Replaying::from_bytes(&file).unwrap())).await;
    let (a, b) = (&first.clusters[0], &replayed.clusters[0]);
    assert_eq!(a.pods, b.pods);
    assert_eq!(a.nodes, b.nodes);
    assert_eq!(b.nodes.to_string(), "unknown: not permitted: list nodes");
}

#[tokio::test]
async fn what_was_not_recorded_has_no_answer() {
    let empty = Replaying::from_bytes(br#"{"version":1,"exchanges":[]}"#).unwrap();
    assert!(empty.get("/api/v1/pods", &[]).await.unwrap_err().is_retryable());
    for bad in ["", "{}", r#"{"version":2,"exchanges":[]}"#, r#"{"version":1,"exchanges":[{}]}"#] {
        assert!(Replaying::from_bytes(bad.as_bytes()).is_err(), "{bad}");
    }
}
