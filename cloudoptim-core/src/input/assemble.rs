//! From what was read to one snapshot.

use super::homes::{CloudStanding, ensure_home, expected_clusters, make_clouds};
use super::identity::{account, cluster_name, cluster_uid, region, taken_at};
use super::kinds::Objects;
use super::log::Log;
use super::slot::{HasMeta, Seen, Slot, Standing, without_duplicates};
use super::{InputError, Loaded, Loader, usage};
use crate::knowledge::{Gap, Knowledge, Provenance};
use crate::model::{Cluster, ClusterUid, LeftOut, Snapshot};
use crate::usage::summarise;

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
            first.unwrap_or_else(|| why_nothing(&report)),
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

/// Why documents that were read hold nothing.
fn why_nothing(log: &Log) -> String {
    if log.report.files.is_empty() {
        return "no document".to_owned();
    }
    if log.left_out.is_empty() {
        return "the documents hold no object and no series".to_owned();
    }
    let why = log.left_out.iter().map(|(why, n)| format!("{n}: {why}"));
    let why: Vec<String> = why.collect();
    format!("no series is of use ({})", why.join("; "))
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
