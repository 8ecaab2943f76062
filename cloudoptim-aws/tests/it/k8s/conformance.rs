//! The core's suite on a cluster that is read, with answers from memory.

use super::fake::{Shop, StoppedClock, now};
use async_trait::async_trait;
use bytes::Bytes;
use cloudoptim_aws::k8s::{ClusterReader, ReadOptions, Reader};
use cloudoptim_core::conformance;
use cloudoptim_core::memory::{InMemory, InMemoryCloud};
use cloudoptim_core::model::{AccountId, ClusterUid, Region, Snapshot};
use cloudoptim_core::providers::{Call, CloudSources, ClusterSources, ProviderError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The shop, of which some can be taken away.
#[derive(Debug)]
struct Shaky {
    shop: Arc<Shop>,
    down: AtomicBool,
    denied: &'static [&'static str],
}

#[async_trait]
impl Reader for Shaky {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let call = || Box::new(Call::new("kubernetes", path));
        if self.down.load(Ordering::Relaxed) {
            return Err(ProviderError::Unavailable { call: call() });
        }
        if self.denied.iter().any(|denied| path.ends_with(denied)) {
            let permission = format!("list {path}");
            return Err(ProviderError::PermissionDenied {
                permission,
                call: call(),
            });
        }
        self.shop.get(path, query).await
    }
}

async fn sources(denied: &'static [&'static str], page_size: u32) -> (Arc<Shaky>, ClusterSources) {
    let shaky = Arc::new(Shaky {
        shop: Shop::small(),
        down: AtomicBool::new(false),
        denied,
    });
    let mut options = ReadOptions::default();
    options.page_size = page_size;
    let clock = Arc::new(StoppedClock::default());
    let cluster = ClusterReader::open(shaky.clone(), clock, options)
        .await
        .unwrap();
    (shaky, ClusterSources::of(Arc::new(cluster)))
}

/// The suite reads a cloud beside the cluster: one without anything.
fn cloud() -> CloudSources {
    let memory = InMemory::new(Snapshot::new(now()), Arc::new(StoppedClock::default()));
    let nothing: Arc<InMemoryCloud> = memory.cloud(&AccountId::new("1"), &Region::new("r"));
    CloudSources::of(nothing)
}

#[tokio::test]
async fn a_cluster_knows_itself_and_its_lists_say_what_they_are() {
    let (shaky, sources) = sources(&[], 7).await;
    let uid = ClusterUid::new(shaky.shop.uid());
    let clock = Arc::new(StoppedClock::default());
    let reader = ClusterReader::open(shaky, clock, ReadOptions::default())
        .await
        .unwrap();
    conformance::a_cluster_knows_itself(&reader, &uid).await;
    conformance::lists_are_complete_or_say_so(None, Some((uid, sources))).await;
}

#[tokio::test]
async fn a_failed_list_is_never_a_whole() {
    let (shaky, sources) = sources(&[], 7).await;
    let fail = |_: &str| shaky.down.store(true, Ordering::Relaxed);
    // The cloud would have to fail as well: an unknown part does not.
    conformance::a_failed_list_is_never_a_whole(&cloud(), &sources, fail).await;
}

#[tokio::test]
async fn what_may_not_be_read_whole_is_not_complete() {
    let (_, whole) = sources(&[], 7).await;
    let (_, limited) = sources(&["/pods", "/jobs", "/nodeclaims", "/leases"], 7).await;
    let names = [
        "list_pods",
        "list_workloads",
        "list_node_claims",
        "list_node_leases",
    ];
    conformance::what_may_not_be_read_whole_is_not_complete(
        &cloud(),
        &limited,
        (&cloud(), &whole),
        &names,
    )
    .await;
}

#[tokio::test]
async fn lists_say_the_same_whatever_the_pages() {
    let (_, sources) = sources(&[], 7).await;
    conformance::lists_say_the_same_in_any_order(&cloud(), &sources, || ()).await;
}
