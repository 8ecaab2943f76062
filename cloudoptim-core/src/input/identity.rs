//! Of which account, region and cluster documents are, and of when.

use super::aws::region_of_zone;
use super::clouds::CloudObjects;
use super::kinds::Objects;
use super::{InputError, InputOptions, usage};
use crate::model::{AccountId, ClusterUid, Labels, Region, TakenAtBasis, Uid, UsageColumns};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

fn join(texts: impl IntoIterator<Item = String>) -> String {
    texts.into_iter().collect::<Vec<_>>().join(", ")
}

/// What everybody of one value agrees on: the value, when there is one only.
fn sole(values: &BTreeSet<String>) -> Option<&String> {
    match values.len() {
        1 => values.first(),
        _ => None,
    }
}

macro_rules! each_placed {
    ($clouds:expr, |$placed:ident| $body:expr) => {{
        let clouds = $clouds;
        for $placed in clouds
            .instances
            .items
            .iter()
            .map(|p| (&p.account, &p.region))
        {
            $body
        }
        for $placed in clouds.volumes.items.iter().map(|p| (&p.account, &p.region)) {
            $body
        }
        for $placed in clouds
            .auto_scaling_groups
            .items
            .iter()
            .map(|p| (&p.account, &p.region))
        {
            $body
        }
        for $placed in clouds
            .node_groups
            .items
            .iter()
            .map(|p| (&p.account, &p.region))
        {
            $body
        }
        for $placed in clouds
            .cluster_records
            .items
            .iter()
            .map(|p| (&p.account, &p.region))
        {
            $body
        }
        for $placed in clouds.zones.items.iter().map(|p| (&p.account, &p.region)) {
            $body
        }
        for $placed in clouds.subnets.items.iter().map(|p| (&p.account, &p.region)) {
            $body
        }
        for $placed in clouds
            .spot_requests
            .items
            .iter()
            .map(|p| (&p.account, &p.region))
        {
            $body
        }
    }};
}

pub(super) fn account(
    options: &InputOptions,
    clouds: &CloudObjects,
) -> Result<AccountId, InputError> {
    let mut found = BTreeSet::new();
    each_placed!(clouds, |p| if let (Some(account), _) = p {
        found.insert(account.clone());
    });
    match &options.account {
        Some(stated) => {
            if found.is_empty() || found.contains(stated.as_str()) {
                Ok(stated.clone())
            } else {
                Err(InputError::Contradiction {
                    what: "account".to_owned(),
                    stated: stated.to_string(),
                    found: join(found),
                })
            }
        }
        None if found.len() > 1 => Err(InputError::SeveralAccounts(join(found))),
        None => Ok(found
            .into_iter()
            .next()
            .map(AccountId::new)
            .unwrap_or_default()),
    }
}

/// The region stated, else the only one of the AWS documents, else the only
/// one of the nodes; empty when none of them tells.
pub(super) fn region(options: &InputOptions, clouds: &CloudObjects, objects: &Objects) -> Region {
    if let Some(region) = &options.region {
        return region.clone();
    }
    let mut found = BTreeSet::new();
    each_placed!(clouds, |p| if let (_, Some(region)) = p {
        found.insert(region.clone());
    });
    let mut of_nodes = BTreeSet::new();
    for node in &objects.nodes.items {
        let zone = node.provider_id.as_deref().and_then(|id| {
            id.strip_prefix("aws:///")
                .and_then(|rest| rest.split('/').next())
                .and_then(region_of_zone)
        });
        let label = node.meta.label("topology.kubernetes.io/region");
        // Of another provider's region no cloud document tells anything.
        of_nodes.extend(zone.or_else(|| label.and_then(region_of_zone)));
    }
    if found.is_empty() {
        found = of_nodes;
    } else if found.len() > 1 && of_nodes.len() == 1 {
        // Documents of several regions: the cluster's own is its nodes'.
        found = of_nodes;
    }
    sole(&found).cloned().map(Region::new).unwrap_or_default()
}

/// Whether it has the form of a uid: 8-4-4-4-12 hexadecimal digits.
fn is_uid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

pub(super) fn cluster_uid(
    options: &InputOptions,
    objects: &Objects,
) -> Result<Option<ClusterUid>, InputError> {
    let found: BTreeSet<&Uid> = objects
        .kube_system
        .iter()
        .filter(|uid| !uid.as_str().is_empty())
        .collect();
    if found.len() > 1 {
        return Err(InputError::SeveralClusters(join(
            found.into_iter().map(ToString::to_string),
        )));
    }
    let found = found.into_iter().next();
    let stated = options.cluster.as_deref().filter(|c| is_uid(c));
    match (stated, found) {
        (Some(stated), Some(found)) if stated != found.as_str() => Err(InputError::Contradiction {
            what: "cluster".to_owned(),
            stated: stated.to_owned(),
            found: found.to_string(),
        }),
        (_, Some(found)) => Ok(Some(ClusterUid::new(found.as_str()))),
        (Some(stated), None) => Ok(Some(ClusterUid::new(stated))),
        (None, None) => Ok(None),
    }
}

/// The cluster's name: stated, else of the only cluster document, else as the
/// tags of the instances behind the nodes say it.
pub(super) fn cluster_name(
    options: &InputOptions,
    clouds: &CloudObjects,
    objects: &Objects,
    uid: Option<&ClusterUid>,
) -> String {
    let stated = options.cluster.as_deref();
    if let Some(stated) = stated.filter(|s| uid.is_none_or(|u| u.as_str() != *s)) {
        return super::raw::clean(stated).into_owned();
    }
    if objects.nodes.items.is_empty() && objects.pods.items.is_empty() {
        return String::new();
    }
    let instances: BTreeMap<&str, &Labels> = clouds
        .instances
        .items
        .iter()
        .map(|p| (p.item.id.as_str(), &p.item.tags))
        .collect();
    let mut named = BTreeSet::new();
    for node in &objects.nodes.items {
        let Some(tags) = node
            .instance_id()
            .and_then(|id| instances.get(id.as_str()).copied())
        else {
            continue;
        };
        named.extend(cluster_of_tags(tags));
    }
    if let Some(name) = sole(&named) {
        return name.clone();
    }
    match clouds.cluster_records.items.as_slice() {
        [only] if named.is_empty() => only.item.name.clone(),
        _ => String::new(),
    }
}

fn cluster_of_tags(tags: &Labels) -> Option<String> {
    tags.get("eks:cluster-name")
        .or_else(|| tags.get("aws:eks:cluster-name"))
        .cloned()
        .or_else(|| {
            tags.keys()
                .find_map(|key| key.strip_prefix("kubernetes.io/cluster/"))
                .map(str::to_owned)
        })
}

pub(super) fn taken_at(
    options: &InputOptions,
    objects: &Objects,
    clouds: &CloudObjects,
    columns: &UsageColumns,
) -> Result<(DateTime<Utc>, TakenAtBasis), InputError> {
    let latest = latest_time(objects, clouds, columns);
    match (options.taken_at, latest) {
        (Some(stated), _) => Ok((stated, TakenAtBasis::Stated)),
        (None, Some(found)) => Ok((found, TakenAtBasis::LatestTimestamp)),
        (None, None) => Err(InputError::NoTime),
    }
}

fn latest_time(
    objects: &Objects,
    clouds: &CloudObjects,
    columns: &UsageColumns,
) -> Option<DateTime<Utc>> {
    let mut latest: Option<DateTime<Utc>> = None;
    let mut see = |time: Option<DateTime<Utc>>| latest = latest.max(time);
    macro_rules! created {
        ($($slot:ident),*) => { $(for o in &objects.$slot.items { see(o.meta.created_at); })* };
    }
    created!(
        nodes,
        pods,
        workloads,
        disruption_budgets,
        persistent_volumes,
        claims,
        services,
        endpoint_slices,
        volume_attachments,
        node_claims,
        leases,
        events,
        namespaces
    );
    for node in &objects.nodes.items {
        for c in &node.conditions {
            see(c.since);
            see(c.heartbeat_at);
        }
    }
    for pod in &objects.pods.items {
        let status = &pod.status;
        see(status.started_at);
        see(status.ready_since);
        for c in status.containers.iter().chain(&status.init_containers) {
            see(c.running_since);
            for end in [&c.terminated, &c.last_terminated].into_iter().flatten() {
                see(end.finished_at);
            }
        }
    }
    for w in &objects.workloads.items {
        see(w.last_scheduled_at);
        see(w.finished_at);
    }
    for lease in &objects.leases.items {
        see(lease.renewed_at);
    }
    for event in &objects.events.items {
        see(event.first_at);
        see(event.last_at);
    }
    for i in &clouds.instances.items {
        see(i.item.launched_at);
    }
    for v in &clouds.volumes.items {
        see(v.item.created_at);
        for a in &v.item.attachments {
            see(a.attached_at);
        }
    }
    for s in &clouds.ebs_snapshots.items {
        see(s.item.started_at);
    }
    see(usage::latest(columns).and_then(|s| DateTime::from_timestamp(s, 0)));
    latest
}
