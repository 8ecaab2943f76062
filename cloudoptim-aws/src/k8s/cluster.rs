//! One cluster behind the core's source traits.

use super::client::{KUBE_SYSTEM, Reader, check_pin, uid_of};
use super::discovery::{Discovery, Served};
use super::listing::{self, Listing, is_namespace};
use super::pages::{Objects, OnProgress, Paging, Parts, pages};
use super::prometheus::Prometheus;
use super::status::PROVIDER;
use super::usage;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use cloudoptim_core::input::Listed;
use cloudoptim_core::knowledge::{Gap, Knowledge, Provenance};
use cloudoptim_core::model::{
    ClusterUid, CsiNode, EndpointSlice, Event, HorizontalPodAutoscaler, Lease, LimitRange,
    Namespace, Node, NodeClaim, NodePool, PersistentVolume, PersistentVolumeClaim, Pod,
    PodDisruptionBudget, PriorityClass, ResourceQuota, RuntimeClass, ScaledObject, Service,
    StorageClass, TrafficEdge, UsageSummary, VerticalPodAutoscaler, VolumeAttachment,
    VolumeSnapshot, Workload,
};
use cloudoptim_core::providers::{
    Call, Clock, ClusterIdentity, NodeSource, ObservationSource, PodSource, ProviderError,
    RuleSource, ServiceSource, StorageSource, WorkloadSource,
};
use futures_util::StreamExt;
use std::sync::Arc;

/// How a cluster is read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Namespaces to read, where the caller may not read all of them: what is
    /// in namespaces is then partial. Empty: all.
    pub namespaces: Vec<String>,
    /// Objects per page. Default 500, as `kubectl` asks for.
    pub page_size: u32,
    /// How often a list that expires between two pages is begun anew. Default 3.
    pub restarts: u32,
    /// Most objects of one kind. Default two million; what is more is left out,
    /// and the part says so.
    pub most_objects: u64,
    /// Lists that are read at once, where one answer takes several. Default 4.
    pub concurrency: usize,
    /// Where usage comes from. Without it, from `metrics.k8s.io`, if the cluster
    /// has that: one sample per container, which proves little.
    pub prometheus: Option<Prometheus>,
    /// Is told about every page.
    pub progress: Option<OnProgress>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            page_size: 500,
            restarts: 3,
            most_objects: 2_000_000,
            concurrency: 4,
            prometheus: None,
            progress: None,
        }
    }
}

/// Reads one cluster: every source trait of the core, and nothing that changes.
///
/// Lists ask for the most recent state, page by page; all pages of one list are
/// of one state, and one that expires is begun anew. What the caller may not
/// read is `Unknown` and names the permission. A kind that others define, such
/// as Karpenter's, is `Complete` and empty only when a server that says it is
/// ready does not serve it.
#[derive(Debug)]
pub struct ClusterReader {
    pub(super) reader: Arc<dyn Reader>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: ReadOptions,
    pub(super) uid: ClusterUid,
    discovery: Discovery,
}

impl ClusterReader {
    /// Finds out which cluster it is, and reads it from then on.
    ///
    /// # Errors
    /// Any [`ProviderError`] of reading the `kube-system` namespace,
    /// [`ProviderError::Conflict`] when another cluster is pinned, and
    /// [`ProviderError::NotSupported`] for a namespace that cannot be one.
    pub async fn open(
        reader: Arc<dyn Reader>,
        clock: Arc<dyn Clock>,
        options: ReadOptions,
    ) -> Result<Self, ProviderError> {
        if let Some(bad) = options.namespaces.iter().find(|name| !is_namespace(name)) {
            let why = format!("{bad:?} is no name of a namespace");
            return Err(ProviderError::NotSupported {
                call: Box::new(Call::new(PROVIDER, "open").because(why)),
            });
        }
        let uid = read_uid(reader.as_ref()).await?;
        Ok(Self {
            reader,
            clock,
            options,
            uid,
            discovery: Discovery::default(),
        })
    }

    /// Uid of the cluster, as read when it was opened.
    pub const fn uid(&self) -> &ClusterUid {
        &self.uid
    }

    pub(super) fn provenance(&self, at: DateTime<Utc>) -> Provenance {
        Provenance::new("kube-apiserver", format!("cluster:{}", self.uid)).observed_at(at)
    }

    pub(super) fn paging(&self) -> Paging {
        Paging {
            size: self.options.page_size,
            restarts: self.options.restarts,
            most_objects: self.options.most_objects,
            progress: self.options.progress.clone(),
        }
    }

    /// Namespaces to ask for one by one; one `None` for all at once.
    pub(super) fn places(&self, what: &Listing) -> Vec<Option<String>> {
        if self.options.namespaces.is_empty() || !what.namespaced || what.only.is_some() {
            return vec![None];
        }
        self.options.namespaces.iter().cloned().map(Some).collect()
    }

    pub(super) fn limited(&self, what: &Listing) -> Option<Gap> {
        let limited = !self.options.namespaces.is_empty() && what.namespaced && what.only.is_none();
        limited.then(|| Gap::OutOfScope {
            what: format!(
                "namespaces other than {}",
                self.options.namespaces.join(", ")
            ),
        })
    }

    /// The version to ask for; `None` when the server has no such resource, as
    /// of then.
    pub(super) async fn version(
        &self,
        what: &Listing,
    ) -> Result<Result<String, DateTime<Utc>>, ProviderError> {
        if !what.optional {
            return Ok(Ok(what
                .versions
                .first()
                .copied()
                .unwrap_or("v1")
                .to_owned()));
        }
        let found = self
            .discovery
            .served(self.reader.as_ref(), self.clock.as_ref(), what)
            .await?;
        Ok(match found {
            Served::Yes(version) => Ok(version),
            Served::No(at) => Err(at),
        })
    }

    async fn list<T>(&self, what: &[Listing]) -> Result<Knowledge<Vec<T>>, ProviderError>
    where
        T: Listed + Send + 'static,
    {
        let mut at = self.clock.now();
        let mut asks = Vec::new();
        for one in what {
            match self.version(one).await {
                Ok(Ok(version)) => {
                    let places = self.places(one);
                    asks.extend(
                        places
                            .into_iter()
                            .map(|place| (*one, version.clone(), place)),
                    );
                }
                Ok(Err(absent)) => at = at.min(absent),
                Err(ProviderError::PermissionDenied { permission, .. }) => {
                    return Ok(Knowledge::unknown(Gap::Denied { permission }));
                }
                Err(error) => return Err(error),
            }
        }
        let reading: Vec<_> = asks
            .into_iter()
            .map(|(one, version, place)| self.ask::<T>(one, version, place))
            .collect();
        let answers: Vec<_> = futures_util::stream::iter(reading)
            .buffered(self.options.concurrency.max(1))
            .collect()
            .await;
        let mut gathered = Gathered::default();
        let asked = answers.len();
        for answer in answers {
            gathered.add(answer);
        }
        let limit = what.iter().find_map(|one| self.limited(one));
        gathered.knowledge(asked, limit, self.provenance(at))
    }

    async fn ask<T>(
        &self,
        what: Listing,
        version: String,
        place: Option<String>,
    ) -> Result<Parts<Objects<T>>, ProviderError>
    where
        T: Listed + Send + 'static,
    {
        let path = what.path(&version, place.as_deref());
        pages(
            self.reader.as_ref(),
            &self.paging(),
            &path,
            Objects::<T>::read,
        )
        .await
        .map_err(|error| not_served(error, &what, &version))
    }
}

/// A list that is not found is one that this server does not have.
fn not_served(error: ProviderError, what: &Listing, version: &str) -> ProviderError {
    let ProviderError::NotFound { call } = error else {
        return error;
    };
    let group = match what.group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    let mut call = *call;
    call.source = Some(format!("the server does not serve {} in {group}", what.resource).into());
    ProviderError::NotSupported {
        call: Box::new(call),
    }
}

/// Objects of one kind from several lists.
struct Gathered<T> {
    items: Vec<T>,
    broken: u64,
    first_broken: Option<String>,
    gap: Option<Gap>,
    denied: Option<String>,
    failed: Vec<ProviderError>,
    /// The lowest of the lists' resource versions.
    revision: Option<u64>,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            broken: 0,
            first_broken: None,
            gap: None,
            denied: None,
            failed: Vec::new(),
            revision: None,
        }
    }
}

impl<T> Gathered<T> {
    fn add(&mut self, answer: Result<Parts<Objects<T>>, ProviderError>) {
        let Parts { parts, gap } = match answer {
            Ok(parts) => parts,
            Err(error) => {
                if let ProviderError::PermissionDenied { permission, .. } = &error {
                    self.denied.get_or_insert_with(|| permission.clone());
                }
                self.failed.push(error);
                return;
            }
        };
        if self.gap.is_none() {
            self.gap = gap;
        }
        for part in parts {
            self.broken = self.broken.saturating_add(part.broken);
            if self.first_broken.is_none() {
                self.first_broken = part.first_broken;
            }
            self.revision = match (self.revision, part.revision) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            self.items.extend(part.items);
        }
    }

    /// Complete only when every list was read to its end, and each object.
    fn knowledge(
        mut self,
        asked: usize,
        limit: Option<Gap>,
        provenance: Provenance,
    ) -> Result<Knowledge<Vec<T>>, ProviderError> {
        if asked > 0 && self.failed.len() == asked {
            return match (self.denied, self.failed.pop()) {
                (Some(permission), _) => Ok(Knowledge::unknown(Gap::Denied { permission })),
                (None, Some(error)) => Err(error),
                (None, None) => Ok(Knowledge::default()),
            };
        }
        let broken = (self.broken > 0).then(|| Gap::Broken {
            count: self.broken,
            first: self.first_broken.take().unwrap_or_default(),
        });
        let denied = self.denied.map(|permission| Gap::Denied { permission });
        let failed = self.failed.first().map(|error| Gap::Unavailable {
            error: error.to_string(),
        });
        let gap = denied.or(failed).or(self.gap).or(broken).or(limit);
        let provenance = match self.revision {
            Some(revision) => provenance.at_revision(revision),
            None => provenance,
        };
        Ok(match gap {
            None => Knowledge::complete(self.items, provenance),
            Some(gap) => Knowledge::partial(self.items, gap, provenance),
        })
    }
}

async fn read_uid(reader: &dyn Reader) -> Result<ClusterUid, ProviderError> {
    let uid = uid_of(&reader.get(KUBE_SYSTEM, &[]).await?)?;
    if let Some(pinned) = reader.pinned_cluster() {
        check_pin(pinned, &uid)?;
    }
    Ok(uid)
}

#[async_trait]
impl ClusterIdentity for ClusterReader {
    async fn cluster_uid(&self) -> Result<ClusterUid, ProviderError> {
        read_uid(self.reader.as_ref()).await
    }
}

macro_rules! sources {
    ($($role:ident { $($method:ident -> $kind:ty: $what:expr;)* })*) => {
        $(
            #[async_trait]
            impl $role for ClusterReader {
                $(
                    async fn $method(&self) -> Result<Knowledge<Vec<$kind>>, ProviderError> {
                        self.list::<$kind>($what).await
                    }
                )*
            }
        )*
    };
}

sources! {
    NodeSource {
        list_nodes -> Node: &[listing::NODES];
        list_node_leases -> Lease: &[listing::LEASES];
        list_node_pools -> NodePool: &[listing::NODE_POOLS];
        list_node_claims -> NodeClaim: &[listing::NODE_CLAIMS];
        list_csi_nodes -> CsiNode: &[listing::CSI_NODES];
    }
    PodSource {
        list_pods -> Pod: &[listing::PODS];
    }
    WorkloadSource {
        list_workloads -> Workload: listing::WORKLOADS;
        list_disruption_budgets -> PodDisruptionBudget: &[listing::BUDGETS];
        list_horizontal_autoscalers -> HorizontalPodAutoscaler: &[listing::HORIZONTAL];
        list_vertical_autoscalers -> VerticalPodAutoscaler: &[listing::VERTICAL];
        list_scaled_objects -> ScaledObject: &[listing::SCALED];
    }
    RuleSource {
        list_namespaces -> Namespace: &[listing::NAMESPACES];
        list_limit_ranges -> LimitRange: &[listing::LIMIT_RANGES];
        list_resource_quotas -> ResourceQuota: &[listing::QUOTAS];
        list_priority_classes -> PriorityClass: &[listing::PRIORITIES];
        list_runtime_classes -> RuntimeClass: &[listing::RUNTIMES];
    }
    StorageSource {
        list_persistent_volumes -> PersistentVolume: &[listing::PERSISTENT_VOLUMES];
        list_claims -> PersistentVolumeClaim: &[listing::CLAIMS];
        list_storage_classes -> StorageClass: &[listing::STORAGE_CLASSES];
        list_volume_attachments -> VolumeAttachment: &[listing::ATTACHMENTS];
        list_volume_snapshots -> VolumeSnapshot: &[listing::SNAPSHOTS];
    }
    ServiceSource {
        list_services -> Service: &[listing::SERVICES];
        list_endpoint_slices -> EndpointSlice: &[listing::SLICES];
    }
}

#[async_trait]
impl ObservationSource for ClusterReader {
    async fn usage(&self) -> Result<Knowledge<UsageSummary>, ProviderError> {
        usage::usage(self).await
    }

    /// Unknown: no source of the API tells traffic.
    async fn list_traffic(&self) -> Result<Knowledge<Vec<TrafficEdge>>, ProviderError> {
        Ok(Knowledge::default())
    }

    async fn list_events(&self) -> Result<Knowledge<Vec<Event>>, ProviderError> {
        self.list::<Event>(&[listing::EVENTS]).await
    }
}
