//! From what was read to one snapshot.

use super::aws::region_of_zone;
use super::homes::{CloudStanding, make_clouds};
use super::kinds::Objects;
use super::log::Log;
use super::slot::{HasMeta, Seen, Slot, Standing, without_duplicates};
use super::{InputError, InputOptions, Loaded, Loader, usage};
use crate::knowledge::{Gap, Knowledge, Provenance};
use crate::model::{
    AccountId, Cloud, Cluster, ClusterUid, ExpectedCluster, GroupInstance, Instance, Labels,
    LeftOut, Region, Snapshot, TakenAtBasis, Uid,
};
use crate::usage::summarise;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn assemble(loader: Loader) -> Result<Loaded, InputError> {
    let Loader {
        options,
        mut report,
        mut objects,
        mut clouds,
        mut columns,
        traffic,
        unreadable,
        unreadable_count,
    } = loader;
    let read = &report.report;
    let nothing = read.kinds.is_empty() && read.broken_count == 0 && read.skipped.is_empty();
    if nothing && !clouds.any && objects.is_untouched() {
        let first = unreadable.or_else(|| {
            let refused = read.files.iter().find(|f| f.refused.is_some())?;
            Some(format!("{}: {}", refused.name, refused.refused.as_ref()?))
        });
        return Err(InputError::Nothing(
            first.unwrap_or_else(|| "no document".to_owned()),
        ));
    }
    for kind in &options.collected {
        objects.mark_collected(kind);
    }
    usage::tidy(&mut columns);
    objects.drop_duplicates(&mut report);

    let account = account(&options, &clouds)?;
    let region = region(&options, &clouds, &objects);
    let uid = cluster_uid(&options, &objects)?;
    let name = cluster_name(&options, &clouds, &objects, uid.as_ref());
    let (taken_at, basis) = taken_at(&options, &objects, &clouds, &columns)?;

    let observed = |provenance: Provenance| match options.taken_at {
        Some(at) => provenance.observed_at(at),
        None => provenance,
    };
    let unreadable = unreadable.map(|first| (unreadable_count, first));
    // Without its uid, a cluster is told by its name.
    let uid = uid.unwrap_or_else(|| ClusterUid::new(name.clone()));
    let scope = format!("cluster:{uid}");
    let standing = Standing {
        complete: options.complete,
        unreadable: unreadable.clone(),
        obstacle: None,
        provenance: observed(Provenance::new("kubectl", scope)),
    };

    let mut snapshot = Snapshot::new(taken_at);
    snapshot.taken_at_basis = basis;
    clouds.settle_warm_pools();
    let cloud_standing = CloudStanding {
        complete: options.complete,
        unreadable,
        observed_at: options.taken_at,
        account: account.clone(),
        region: region.clone(),
    };
    snapshot.expected_clusters = expected_clusters(&clouds, &cloud_standing, &name, &uid);
    let any_cloud = clouds.any;
    snapshot.clouds = make_clouds(clouds, &cloud_standing, &mut report);
    if any_cloud || !region.as_str().is_empty() {
        ensure_home(&mut snapshot.clouds, &account, &region);
    }
    let any_cluster = report.usage_gap.is_some()
        || !objects.is_untouched()
        || !columns.series.is_empty()
        || traffic.seen.listed;
    if any_cluster {
        let mut cluster = objects.into_cluster(&standing);
        cluster.uid = uid;
        cluster.name = name;
        cluster.account = Some(account).filter(|a| !a.as_str().is_empty());
        cluster.region = Some(region).filter(|r| !r.as_str().is_empty());
        cluster.traffic = with_source(traffic.seen.knowledge(traffic.items, &standing), "csv");
        if !columns.series.is_empty() {
            let mut summary = summarise(&columns, &cluster, taken_at);
            summary.left_out.extend(left_out(&report));
            summary.left_out.sort();
            let mut seen = Seen {
                listed: true,
                ..Seen::default()
            };
            if let Some((count, first)) = &report.usage_gap {
                seen.broken = *count;
                seen.first = Some(first.clone());
            }
            cluster.usage = with_source(seen.knowledge(summary, &standing), "prometheus");
        } else if let Some((_, error)) = report.usage_gap.take() {
            cluster.usage = Knowledge::unknown(Gap::Unavailable { error });
        }
        snapshot.clusters.push(cluster);
    }
    snapshot.normalize();
    Ok(Loaded {
        snapshot,
        report: report.report,
        usage: columns,
    })
}

fn with_source<T>(part: Knowledge<T>, source: &str) -> Knowledge<T> {
    match part {
        Knowledge::Complete {
            value,
            mut provenance,
        } => {
            source.clone_into(&mut provenance.source);
            Knowledge::complete(value, provenance)
        }
        Knowledge::Partial {
            value,
            gap,
            mut provenance,
        } => {
            source.clone_into(&mut provenance.source);
            Knowledge::partial(value, gap, provenance)
        }
        other => other,
    }
}

fn left_out(log: &Log) -> impl Iterator<Item = LeftOut> + '_ {
    log.left_out.iter().map(|(why, count)| LeftOut {
        why: (*why).to_owned(),
        count: *count,
    })
}

macro_rules! each_slot {
    ($objects:expr, |$slot:ident| $body:expr) => {{
        let objects = $objects;
        {
            let $slot = &mut objects.nodes;
            $body
        }
        {
            let $slot = &mut objects.pods;
            $body
        }
        {
            let $slot = &mut objects.disruption_budgets;
            $body
        }
        {
            let $slot = &mut objects.persistent_volumes;
            $body
        }
        {
            let $slot = &mut objects.claims;
            $body
        }
        {
            let $slot = &mut objects.storage_classes;
            $body
        }
        {
            let $slot = &mut objects.csi_nodes;
            $body
        }
        {
            let $slot = &mut objects.volume_attachments;
            $body
        }
        {
            let $slot = &mut objects.volume_snapshots;
            $body
        }
        {
            let $slot = &mut objects.services;
            $body
        }
        {
            let $slot = &mut objects.endpoint_slices;
            $body
        }
        {
            let $slot = &mut objects.horizontal_autoscalers;
            $body
        }
        {
            let $slot = &mut objects.vertical_autoscalers;
            $body
        }
        {
            let $slot = &mut objects.scaled_objects;
            $body
        }
        {
            let $slot = &mut objects.limit_ranges;
            $body
        }
        {
            let $slot = &mut objects.resource_quotas;
            $body
        }
        {
            let $slot = &mut objects.priority_classes;
            $body
        }
        {
            let $slot = &mut objects.runtime_classes;
            $body
        }
        {
            let $slot = &mut objects.node_pools;
            $body
        }
        {
            let $slot = &mut objects.node_claims;
            $body
        }
        {
            let $slot = &mut objects.leases;
            $body
        }
        {
            let $slot = &mut objects.events;
            $body
        }
        {
            let $slot = &mut objects.namespaces;
            $body
        }
    }};
}

impl Objects {
    /// Whether no document spoke of a cluster.
    fn is_untouched(&self) -> bool {
        let mut untouched = self.workloads.seen.is_untouched();
        let seen = [
            &self.nodes.seen,
            &self.pods.seen,
            &self.disruption_budgets.seen,
            &self.persistent_volumes.seen,
            &self.claims.seen,
            &self.storage_classes.seen,
            &self.csi_nodes.seen,
            &self.volume_attachments.seen,
            &self.volume_snapshots.seen,
            &self.services.seen,
            &self.endpoint_slices.seen,
            &self.horizontal_autoscalers.seen,
            &self.vertical_autoscalers.seen,
            &self.scaled_objects.seen,
            &self.limit_ranges.seen,
            &self.resource_quotas.seen,
            &self.priority_classes.seen,
            &self.runtime_classes.seen,
            &self.node_pools.seen,
            &self.node_claims.seen,
            &self.leases.seen,
            &self.events.seen,
            &self.namespaces.seen,
        ];
        untouched &= seen.iter().all(|s| s.is_untouched());
        untouched
    }

    fn drop_duplicates(&mut self, report: &mut Log) {
        fn drop<T: HasMeta + PartialEq>(
            slot: &mut Slot<T>,
            kind: impl Fn(&T) -> String,
            report: &mut Log,
        ) {
            let items = std::mem::take(&mut slot.items);
            let (items, unclear) =
                without_duplicates(items, kind, &mut report.report.duplicate_objects);
            slot.items = items;
            if let Some(kind) = unclear {
                slot.seen.broken = slot.seen.broken.saturating_add(1);
                slot.seen.first.get_or_insert_with(|| {
                    format!("{kind}: two of one name differ, and nothing tells which is newer")
                });
            }
        }
        fn kind_of<T>() -> String {
            let name = std::any::type_name::<T>();
            name.rsplit("::").next().unwrap_or(name).to_owned()
        }
        fn of<T: HasMeta + PartialEq>(slot: &mut Slot<T>, report: &mut Log) {
            drop(slot, |_| kind_of::<T>(), report);
        }
        each_slot!(&mut *self, |slot| of(slot, report));
        drop(&mut self.workloads, |w| w.kind.to_string(), report);
    }

    fn into_cluster(mut self, standing: &Standing) -> Cluster {
        macro_rules! part {
            ($slot:ident) => {
                self.$slot
                    .seen
                    .knowledge(std::mem::take(&mut self.$slot.items), standing)
            };
        }
        Cluster {
            nodes: part!(nodes),
            pods: part!(pods),
            workloads: part!(workloads),
            disruption_budgets: part!(disruption_budgets),
            persistent_volumes: part!(persistent_volumes),
            claims: part!(claims),
            storage_classes: part!(storage_classes),
            csi_nodes: part!(csi_nodes),
            volume_attachments: part!(volume_attachments),
            volume_snapshots: part!(volume_snapshots),
            services: part!(services),
            endpoint_slices: part!(endpoint_slices),
            horizontal_autoscalers: part!(horizontal_autoscalers),
            vertical_autoscalers: part!(vertical_autoscalers),
            scaled_objects: part!(scaled_objects),
            limit_ranges: part!(limit_ranges),
            resource_quotas: part!(resource_quotas),
            priority_classes: part!(priority_classes),
            runtime_classes: part!(runtime_classes),
            node_pools: part!(node_pools),
            node_claims: part!(node_claims),
            leases: part!(leases),
            events: part!(events),
            namespaces: part!(namespaces),
            ..Cluster::default()
        }
    }
}

impl super::slot::Seen {
    fn is_untouched(&self) -> bool {
        !self.listed && !self.single && self.broken == 0
    }
}

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

fn account(
    options: &InputOptions,
    clouds: &super::clouds::CloudObjects,
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
fn region(
    options: &InputOptions,
    clouds: &super::clouds::CloudObjects,
    objects: &Objects,
) -> Region {
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

fn cluster_uid(
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
fn cluster_name(
    options: &InputOptions,
    clouds: &super::clouds::CloudObjects,
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

fn taken_at(
    options: &InputOptions,
    objects: &Objects,
    clouds: &super::clouds::CloudObjects,
    columns: &crate::model::UsageColumns,
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
    clouds: &super::clouds::CloudObjects,
    columns: &crate::model::UsageColumns,
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

fn expected_clusters(
    clouds: &super::clouds::CloudObjects,
    standing: &CloudStanding,
    name: &str,
    uid: &ClusterUid,
) -> Knowledge<Vec<ExpectedCluster>> {
    let mut expected: Vec<ExpectedCluster> = clouds
        .cluster_records
        .items
        .iter()
        .map(|p| ExpectedCluster {
            name: p.item.name.clone(),
            uid: (p.item.name == name).then(|| uid.clone()),
        })
        .collect();
    expected.sort();
    expected.dedup();
    let standing = standing.standing(&standing.account, &standing.region, None);
    clouds.cluster_records.seen.knowledge(expected, &standing)
}

/// Adds the cloud that the cluster runs in, of which nothing was collected.
fn ensure_home(clouds: &mut Vec<Cloud>, account: &AccountId, region: &Region) {
    if clouds
        .iter()
        .any(|c| c.account == *account && c.region == *region)
        || (region.as_str().is_empty() && !clouds.is_empty())
    {
        return;
    }
    clouds.push(Cloud {
        account: account.clone(),
        region: region.clone(),
        ..Cloud::default()
    });
}

impl super::clouds::CloudObjects {
    /// Puts the instances of warm pools into their groups. The document does
    /// not name the group; the instance's tag does.
    fn settle_warm_pools(&mut self) {
        let tag = |instance: &Instance| instance.tags.get("aws:autoscaling:groupName").cloned();
        for warm in std::mem::take(&mut self.warm) {
            let group = self
                .instances
                .items
                .iter()
                .find(|p| p.item.id == warm.instance)
                .and_then(|p| tag(&p.item));
            let group = group.and_then(|name| {
                self.auto_scaling_groups
                    .items
                    .iter_mut()
                    .find(|g| g.item.name == name)
            });
            match group {
                Some(group) => {
                    group.item.has_warm_pool = true;
                    add_instance(&mut group.item.instances, warm);
                }
                None => {
                    let seen = &mut self.auto_scaling_groups.seen;
                    seen.broken = seen.broken.saturating_add(1);
                    seen.first.get_or_insert_with(|| {
                        format!("the group of warm instance {} is not known", warm.instance)
                    });
                }
            }
        }
    }
}

fn add_instance(instances: &mut Vec<GroupInstance>, warm: GroupInstance) {
    if !instances.iter().any(|i| i.instance == warm.instance) {
        instances.push(warm);
    }
}
