//! Checks of what reads.

use super::act::answer;
use crate::collect::collect;
use crate::knowledge::{Knowledge, Provenance};
use crate::model::{AccountId, ClusterUid, Region, Snapshot};
use crate::providers::{
    CloudIdentity, CloudSources, ClusterIdentity, ClusterSources, ProviderError, Sources,
};
use chrono::DateTime;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

fn says_its_source<T>(part: &Knowledge<T>, name: &str) {
    if let Some(Provenance {
        source,
        scope,
        observed_at,
        ..
    }) = part.provenance()
    {
        assert!(!source.is_empty(), "{name} does not say where it is from");
        assert!(!scope.is_empty(), "{name} does not say what it speaks for");
        assert!(
            observed_at.is_some(),
            "{name} does not say when it was observed"
        );
    }
}

/// Every list names its source, its scope and when it was observed, and what
/// is not complete says why.
///
/// # Panics
/// When one does not.
pub async fn lists_are_complete_or_say_so(
    cloud: Option<((AccountId, Region), CloudSources)>,
    cluster: Option<(ClusterUid, ClusterSources)>,
) {
    let sources = Sources {
        clouds: cloud.into_iter().collect(),
        clusters: cluster.into_iter().collect::<BTreeMap<_, _>>(),
    };
    let found: Snapshot = collect(&sources, DateTime::UNIX_EPOCH, Knowledge::default()).await;
    macro_rules! each {
        ($of:expr; $($part:ident),*) => { $(says_its_source(&$of.$part, stringify!($part));)* };
    }
    for cloud in &found.clouds {
        each!(cloud; instances, volumes, ebs_snapshots, auto_scaling_groups, node_groups,
            cluster_records, zones, subnets, quotas, spot_requests, commitments, prices);
    }
    for cluster in &found.clusters {
        each!(cluster; nodes, pods, workloads, disruption_budgets, persistent_volumes, claims,
            storage_classes, csi_nodes, volume_attachments, volume_snapshots, services,
            endpoint_slices, horizontal_autoscalers, vertical_autoscalers, scaled_objects,
            limit_ranges, resource_quotas, priority_classes, runtime_classes, node_pools,
            node_claims, leases, events, namespaces, usage, traffic);
    }
}

/// An account says twice who it is and where, and it is the same.
///
/// # Panics
/// When it is not, or cannot be read.
pub async fn an_account_knows_itself(
    provider: &impl CloudIdentity,
    account: &AccountId,
    region: &Region,
) {
    for _ in 0..2 {
        let found = answer(provider.cloud().await);
        assert_eq!((&found.0, &found.1), (account, region));
    }
}

/// A cluster says twice who it is, and it is the same.
///
/// # Panics
/// When it is not, or cannot be read.
pub async fn a_cluster_knows_itself(provider: &impl ClusterIdentity, uid: &ClusterUid) {
    for _ in 0..2 {
        assert_eq!(answer(provider.cluster_uid().await), *uid);
    }
}

/// An answer without the order of its items, which keep theirs, and without the
/// time of reading.
type Answer = Result<Knowledge<Vec<String>>, ProviderError>;

fn without_order<T: Serialize>(answer: Result<Knowledge<T>, ProviderError>) -> Answer {
    answer.map(|part| {
        part.map(|value| {
            let mut items = match serde_json::to_value(&value) {
                Ok(Value::Array(items)) => items,
                Ok(whole) => vec![whole],
                Err(error) => panic!("an answer that is no JSON: {error}"),
            };
            items.sort_by_key(ToString::to_string);
            items.iter().map(ToString::to_string).collect()
        })
    })
}

macro_rules! lists {
    ($ask:ident, $names:ident, $sources:ident: $($handle:ident.$method:ident),* $(,)?) => {
        const $names: &[&str] = &[$(stringify!($method)),*];

        async fn $ask(sources: &$sources, name: &str) -> Answer {
            match name {
                $(stringify!($method) => without_order(sources.$handle.$method().await),)*
                other => panic!("no list {other}"),
            }
        }
    };
}

lists!(
    of_cloud, CLOUD_LISTS, CloudSources:
    instances.list_instances,
    volumes.list_volumes,
    volumes.list_snapshots,
    groups.list_auto_scaling_groups,
    groups.list_node_groups,
    groups.list_clusters,
    account.list_zones,
    account.list_subnets,
    account.list_quotas,
    account.list_spot_requests,
    account.list_commitments,
    account.list_prices,
);

lists!(
    of_cluster, CLUSTER_LISTS, ClusterSources:
    nodes.list_nodes,
    nodes.list_node_leases,
    nodes.list_node_pools,
    nodes.list_node_claims,
    nodes.list_csi_nodes,
    pods.list_pods,
    workloads.list_workloads,
    workloads.list_disruption_budgets,
    workloads.list_horizontal_autoscalers,
    workloads.list_vertical_autoscalers,
    workloads.list_scaled_objects,
    rules.list_namespaces,
    rules.list_limit_ranges,
    rules.list_resource_quotas,
    rules.list_priority_classes,
    rules.list_runtime_classes,
    storage.list_persistent_volumes,
    storage.list_claims,
    storage.list_storage_classes,
    storage.list_volume_attachments,
    storage.list_volume_snapshots,
    services.list_services,
    services.list_endpoint_slices,
    observations.usage,
    observations.list_traffic,
    observations.list_events,
);

/// Every list of both scopes, under the name of its method.
async fn each(
    cloud: &CloudSources,
    cluster: &ClusterSources,
    before: impl Fn(&str),
    mut see: impl FnMut(&str, Answer),
) {
    for name in CLOUD_LISTS {
        before(name);
        see(name, of_cloud(cloud, name).await);
    }
    for name in CLUSTER_LISTS {
        before(name);
        see(name, of_cluster(cluster, name).await);
    }
}

/// Every list says twice the same items, in whatever order, and as completely.
/// What has an order within an item keeps it, and so does an answer that is no
/// list, as usage. The world does not change meanwhile, and `shuffle` may change
/// the order of every list.
///
/// # Panics
/// When one does not.
pub async fn lists_say_the_same_in_any_order(
    cloud: &CloudSources,
    cluster: &ClusterSources,
    shuffle: impl FnOnce(),
) {
    let mut first = BTreeMap::new();
    each(
        cloud,
        cluster,
        |_| (),
        |name, said| {
            first.insert(name.to_owned(), answer(said));
        },
    )
    .await;
    shuffle();
    each(
        cloud,
        cluster,
        |_| (),
        |name, said| {
            let said = answer(said);
            let before = first.remove(name);
            let before = before.unwrap_or_default();
            assert_eq!(said.value(), before.value(), "{name}");
            assert_eq!(said.is_complete(), before.is_complete(), "{name}");
            assert_eq!(said.gap(), before.gap(), "{name}");
        },
    )
    .await;
}

/// A list that fails is an error, or says what it lacks: it is never complete,
/// and never empty for want of an answer. `fail` makes every later call of the
/// method of that name fail.
///
/// # Panics
/// When one is.
pub async fn a_failed_list_is_never_a_whole(
    cloud: &CloudSources,
    cluster: &ClusterSources,
    fail: impl Fn(&str),
) {
    each(cloud, cluster, fail, |name, said| {
        if let Ok(part) = said {
            assert!(!part.is_complete(), "{name} fails and is complete");
            assert!(part.gap().is_some(), "{name} does not say what it lacks");
        }
    })
    .await;
}

/// What the caller may read only in part (some namespaces, some pages) or not
/// at all is not complete, and what is not named in `limited` is as complete as
/// `whole` says, which reads the same world without limits.
///
/// # Panics
/// When that is not so, `limited` is empty, or it names no list, or one that
/// `whole` does not read completely.
pub async fn what_may_not_be_read_whole_is_not_complete(
    cloud: &CloudSources,
    cluster: &ClusterSources,
    whole: (&CloudSources, &ClusterSources),
    limited: &[&str],
) {
    assert!(!limited.is_empty(), "something must be limited");
    let mut complete = BTreeMap::new();
    each(
        whole.0,
        whole.1,
        |_| (),
        |name, said| {
            complete.insert(name.to_owned(), answer(said).is_complete());
        },
    )
    .await;
    for name in limited {
        assert_eq!(
            complete.get(*name),
            Some(&true),
            "{name} must be a list that is complete without limits"
        );
    }
    each(
        cloud,
        cluster,
        |_| (),
        |name, said| {
            if limited.contains(&name) {
                assert!(
                    !said.is_ok_and(|part| part.is_complete()),
                    "{name} is limited and complete"
                );
            } else {
                let said = Some(answer(said).is_complete());
                assert_eq!(said, complete.get(name).copied(), "{name} is not limited");
            }
        },
    )
    .await;
}
