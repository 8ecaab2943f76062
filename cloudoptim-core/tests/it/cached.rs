//! Answers that are remembered: as old as they say, and only whole ones.

use crate::execute::{Host, block_on, demote};
use chrono::TimeDelta;
use cloudoptim_core::collect::Part;
use cloudoptim_core::conformance::{
    a_cluster_knows_itself, lists_are_complete_or_say_so, lists_say_the_same_in_any_order,
};
use cloudoptim_core::memory::{
    Fault, FaultKind, InMemory, InMemoryCloud, InMemoryCluster, ManualClock,
};
use cloudoptim_core::providers::{
    Cached, Clock, CloudSources, ClusterIdentity, ClusterSources, InstanceSource, NodeSource,
};
use std::sync::Arc;

type Cluster = Arc<Cached<InMemoryCluster>>;
type Cloud = Arc<Cached<InMemoryCloud>>;

fn cached(memory: &InMemory) -> (Cloud, Cluster, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(chrono::DateTime::UNIX_EPOCH));
    let hour = TimeDelta::hours(1);
    let cloud = memory.cloud(&"111122223333".into(), &"us-east-1".into());
    let cluster = memory.cluster(&"c1".into());
    (
        Arc::new(Cached::new(cloud, clock.clone() as Arc<dyn Clock>, hour)),
        Arc::new(Cached::new(cluster, clock.clone() as Arc<dyn Clock>, hour)),
        clock,
    )
}

fn asked(memory: &InMemory, operation: &str) -> usize {
    memory
        .calls()
        .iter()
        .filter(|call| *call == operation)
        .count()
}

#[test]
fn an_answer_is_remembered_until_it_is_too_old() {
    let memory = Host::new().memory;
    let (_, cluster, clock) = cached(&memory);
    let first = block_on(cluster.list_nodes()).unwrap().unwrap();
    memory.change(|world| world.clusters[0].nodes.value_mut().unwrap().clear());
    clock.advance(TimeDelta::minutes(59));
    // With the time of the original read.
    assert_eq!(block_on(cluster.list_nodes()).unwrap().unwrap(), first);
    assert_eq!(asked(&memory, "list_nodes"), 1);
    // The wall clock has no say.
    clock.jump(TimeDelta::days(-2));
    clock.advance(TimeDelta::minutes(1));
    assert!(
        block_on(cluster.list_nodes())
            .unwrap()
            .unwrap()
            .items()
            .is_empty()
    );
    assert_eq!(asked(&memory, "list_nodes"), 2);
    cluster.forget();
    block_on(cluster.list_nodes()).unwrap().unwrap();
    assert_eq!(asked(&memory, "list_nodes"), 3);
}

#[test]
fn what_is_no_whole_answer_is_asked_for_again() {
    let memory = Host::new()
        .memory
        .with_fault(Fault::once("list_nodes", 0, FaultKind::Throttled));
    let (_, cluster, _) = cached(&memory);
    assert!(block_on(cluster.list_nodes()).unwrap().is_err());
    assert!(
        block_on(cluster.list_nodes())
            .unwrap()
            .unwrap()
            .is_complete()
    );
    memory.change(|world| demote(world, Part::Nodes, false));
    let (_, cluster, _) = cached(&memory);
    for _ in 0..2 {
        assert!(
            !block_on(cluster.list_nodes())
                .unwrap()
                .unwrap()
                .is_complete()
        );
    }
    assert_eq!(asked(&memory, "list_nodes"), 4);
}

#[test]
fn who_we_are_is_asked_for_every_time() {
    let memory = Host::new().memory;
    let (cloud, cluster, _) = cached(&memory);
    for _ in 0..2 {
        block_on(cluster.cluster_uid()).unwrap().unwrap();
        block_on(cloud.describe_instance(&"i-ghost".into()))
            .unwrap()
            .unwrap();
    }
    assert_eq!(asked(&memory, "cluster_uid"), 2);
    assert_eq!(asked(&memory, "describe_instance"), 2);
}

#[test]
fn a_cached_provider_passes_the_suite() {
    let memory = Host::new().memory;
    let (cloud, cluster, _) = cached(&memory);
    block_on(a_cluster_knows_itself(&*cluster, &"c1".into())).unwrap();
    let scope = ("111122223333".into(), "us-east-1".into());
    let (cloud, cluster) = (CloudSources::of(cloud), ClusterSources::of(cluster));
    block_on(lists_are_complete_or_say_so(
        Some((scope, cloud.clone())),
        Some(("c1".into(), cluster.clone())),
    ))
    .unwrap();
    block_on(lists_say_the_same_in_any_order(&cloud, &cluster, || ())).unwrap();
}
