//! The suite that every provider must pass.
//!
//! It runs on [`memory`](crate::memory), on wrappers, on replayed answers and
//! on emulators. Each check is a claim about a provider whose state the caller
//! has prepared; it changes that state, and panics when the claim is false.

use crate::collect::collect;
use crate::decision::Action;
use crate::guard::Permit;
use crate::knowledge::{Knowledge, Provenance};
use crate::model::{
    AccountId, ClusterUid, NodeName, Region, Snapshot, VolumeId, VolumeState, WorkloadRef,
};
use crate::plan::{Fingerprint, Precondition, StepId};
use crate::providers::{
    CloudIdentity, CloudSources, ClusterIdentity, ClusterSources, NodeActuator, NodeSource,
    ProviderError, STEP_KEY, Sources, VolumeActuator, VolumeSource, WorkloadActuator,
    WorkloadSource,
};
use chrono::{DateTime, TimeDelta};
use std::collections::BTreeMap;

/// A permit outside the guard chain, for checks of this module only.
fn permit(name: &str, action: Action, preconditions: Vec<Precondition>) -> Permit {
    let plan = Fingerprint("conformance".to_owned());
    Permit::unguarded(&plan, StepId(name.to_owned()), action, preconditions)
}

fn says_its_source<T>(part: &Knowledge<T>, name: &str) {
    if let Some(Provenance {
        source,
        scope,
        observed_at,
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

/// A cluster says twice who it is, and it is the same.
///
/// # Panics
/// When it is not, or cannot be read.
pub async fn a_cluster_knows_itself(provider: &impl ClusterIdentity, uid: &ClusterUid) {
    for _ in 0..2 {
        match provider.cluster_uid().await {
            Ok(found) => assert_eq!(found, *uid),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn exists(provider: &impl VolumeSource, volume: &VolumeId) -> bool {
    match provider.list_volumes().await {
        Ok(part) => part.items().iter().any(|v| {
            v.id == *volume && !matches!(v.state, VolumeState::Deleting | VolumeState::Deleted)
        }),
        Err(error) => panic!("{error}"),
    }
}

async fn scope(provider: &impl CloudIdentity) -> (AccountId, Region) {
    match provider.cloud().await {
        Ok(scope) => scope,
        Err(error) => panic!("{error}"),
    }
}

/// A volume is deleted once: asked again under the same key nothing happens,
/// and under another key it is not found.
///
/// # Panics
/// When that is not so.
pub async fn deletes_once<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let delete = || Action::DeleteVolume {
        account: account.clone(),
        region: region.clone(),
        volume: volume.clone(),
        created_at: None,
    };
    assert!(exists(provider, volume).await, "{volume} must be prepared");
    let first = permit("delete", delete(), Vec::new());
    let result = provider.delete_volume(&first, volume).await;
    assert!(result.is_ok(), "{result:?}");
    assert!(!exists(provider, volume).await);
    let again = provider.delete_volume(&first, volume).await;
    assert!(
        matches!(again, Ok(()) | Err(ProviderError::NotFound { .. })),
        "{again:?}"
    );
    let other = permit("delete again", delete(), Vec::new());
    let other = provider.delete_volume(&other, volume).await;
    assert!(
        matches!(other, Err(ProviderError::NotFound { .. })),
        "{other:?}"
    );
}

/// A permit for one volume does not delete another, nor one for another act.
///
/// # Panics
/// When it does.
pub async fn act_needs_matching_permit<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let for_another = Action::DeleteVolume {
        account: account.clone(),
        region: region.clone(),
        volume: "vol-another".into(),
        created_at: None,
    };
    let for_a_snapshot = Action::SnapshotVolume {
        account,
        region,
        volume: volume.clone(),
    };
    for (name, action) in [("another", for_another), ("snapshot", for_a_snapshot)] {
        let permit = permit(name, action, Vec::new());
        let result = provider.delete_volume(&permit, volume).await;
        assert!(
            matches!(result, Err(ProviderError::Conflict { .. })),
            "{name}: {result:?}"
        );
        assert!(exists(provider, volume).await, "{name}");
    }
}

/// A volume that is not the one that the plan saw is not deleted.
///
/// # Panics
/// When it is.
pub async fn act_needs_matching_precondition<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let created_at = Some(DateTime::UNIX_EPOCH - TimeDelta::days(1));
    let delete = Action::DeleteVolume {
        account,
        region,
        volume: volume.clone(),
        created_at,
    };
    let precondition = Precondition::VolumeIsUnattached {
        volume: volume.clone(),
        created_at,
    };
    let permit = permit("stale", delete, vec![precondition]);
    let result = provider.delete_volume(&permit, volume).await;
    assert!(
        matches!(result, Err(ProviderError::Conflict { .. })),
        "{result:?}"
    );
    assert!(exists(provider, volume).await);
}

/// A snapshot asked for twice under one key is made once, and it is complete.
///
/// # Panics
/// When that is not so.
pub async fn snapshots_once<P: CloudIdentity + VolumeSource + VolumeActuator>(
    provider: &P,
    volume: &VolumeId,
) {
    let (account, region) = scope(provider).await;
    let action = Action::SnapshotVolume {
        account,
        region,
        volume: volume.clone(),
    };
    let permit = permit("snapshot once", action, Vec::new());
    for _ in 0..2 {
        let result = provider.snapshot_volume(&permit, volume).await;
        assert!(result.is_ok(), "{result:?}");
    }
    let snapshots = match provider.list_snapshots().await {
        Ok(snapshots) => snapshots,
        Err(error) => panic!("{error}"),
    };
    let ours: Vec<_> = snapshots
        .items()
        .iter()
        .filter(|s| s.tags.get(STEP_KEY).is_some_and(|k| k == permit.key()))
        .collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert!(ours.iter().all(|s| s.state == "completed"), "{ours:?}");
}

/// A node is cordoned and uncordoned; a node that is not there is not found.
///
/// # Panics
/// When that is not so.
pub async fn cordons_and_uncordons<P: ClusterIdentity + NodeSource + NodeActuator>(
    provider: &P,
    node: &NodeName,
) {
    let cluster = match provider.cluster_uid().await {
        Ok(uid) => uid,
        Err(error) => panic!("{error}"),
    };
    let cordon = |node: &NodeName| Action::CordonNode {
        cluster: cluster.clone(),
        node: node.clone(),
    };
    for (name, unschedulable) in [
        ("cordon", true),
        ("cordon again", true),
        ("uncordon", false),
    ] {
        let result = if unschedulable {
            let permit = permit(name, cordon(node), Vec::new());
            provider.cordon_node(&permit, node).await
        } else {
            let action = Action::UncordonNode {
                cluster: cluster.clone(),
                node: node.clone(),
            };
            let permit = permit(name, action, Vec::new());
            provider.uncordon_node(&permit, node).await
        };
        assert!(result.is_ok(), "{name}: {result:?}");
        let nodes = match provider.list_nodes().await {
            Ok(nodes) => nodes,
            Err(error) => panic!("{error}"),
        };
        let found = nodes.items().iter().find(|n| n.meta.name == node.as_str());
        assert_eq!(
            found.map(|n| n.unschedulable),
            Some(unschedulable),
            "{name}"
        );
    }
    let nowhere = NodeName::new("no-such-node");
    let permit = permit("nowhere", cordon(&nowhere), Vec::new());
    let result = provider.cordon_node(&permit, &nowhere).await;
    assert!(
        matches!(result, Err(ProviderError::NotFound { .. })),
        "{result:?}"
    );
}

/// A workload is scaled only from the replicas that the plan saw.
///
/// # Panics
/// When that is not so.
pub async fn scales_only_from_what_was_seen<
    P: ClusterIdentity + WorkloadSource + WorkloadActuator,
>(
    provider: &P,
    workload: &WorkloadRef,
) {
    let cluster = match provider.cluster_uid().await {
        Ok(uid) => uid,
        Err(error) => panic!("{error}"),
    };
    let replicas = || async {
        match provider.list_workloads().await {
            Ok(part) => {
                let found = part.items().iter().find(|w| w.reference() == *workload);
                found.and_then(|w| w.replicas)
            }
            Err(error) => panic!("{error}"),
        }
    };
    let Some(before) = replicas().await else {
        panic!("{workload} must be prepared")
    };
    let after = before.saturating_add(1);
    let step = |name: &str, from: u32| {
        let action = Action::ScaleWorkload {
            cluster: cluster.clone(),
            workload: workload.clone(),
            from,
            to: after,
        };
        let precondition = Precondition::ReplicasAre {
            cluster: cluster.clone(),
            workload: workload.clone(),
            replicas: from,
        };
        permit(name, action, vec![precondition])
    };
    let stale = provider
        .scale_workload(&step("stale", before.saturating_add(7)), workload, after)
        .await;
    assert!(
        matches!(stale, Err(ProviderError::Conflict { .. })),
        "{stale:?}"
    );
    assert_eq!(replicas().await, Some(before));
    let result = provider
        .scale_workload(&step("seen", before), workload, after)
        .await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(replicas().await, Some(after));
}
