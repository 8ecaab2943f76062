//! The suite of providers, on the world in memory.

use crate::execute::{Host, block_on};
use cloudoptim_core::conformance::*;
use cloudoptim_core::memory::{InMemoryCloud, InMemoryCluster};
use cloudoptim_core::model::WorkloadRef;
use cloudoptim_core::providers::{CloudSources, ClusterSources};
use std::sync::Arc;

fn handles() -> (Arc<InMemoryCloud>, Arc<InMemoryCluster>) {
    let host = Host::new();
    let cloud = host
        .memory
        .cloud(&"111122223333".into(), &"us-east-1".into());
    (cloud, host.memory.cluster(&"c1".into()))
}

#[test]
fn the_world_in_memory_keeps_the_contract_of_sources() {
    let (cloud, cluster) = handles();
    block_on(a_cluster_knows_itself(&*cluster, &"c1".into())).unwrap();
    let scope = ("111122223333".into(), "us-east-1".into());
    block_on(lists_are_complete_or_say_so(
        Some((scope, CloudSources::of(cloud))),
        Some(("c1".into(), ClusterSources::of(cluster))),
    ))
    .unwrap();
}

#[test]
fn the_world_in_memory_keeps_the_contract_of_actuators() {
    let (cloud, cluster) = handles();
    let volume = "vol-1".into();
    block_on(act_needs_matching_permit(&*cloud, &volume)).unwrap();
    block_on(act_needs_matching_precondition(&*cloud, &volume)).unwrap();
    block_on(snapshots_once(&*cloud, &volume)).unwrap();
    block_on(deletes_once(&*cloud, &volume)).unwrap();
    block_on(cordons_and_uncordons(&*cluster, &"n1".into())).unwrap();
    let api = WorkloadRef::new("dev", "Deployment", "api");
    block_on(scales_only_from_what_was_seen(&*cluster, &api)).unwrap();
}
