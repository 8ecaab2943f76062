//! Documents that people have, as a snapshot: bytes in, `Knowledge` out.
//!
//! Reads what `kubectl get … -o json`, the AWS CLI and Prometheus print, in any
//! order, in one or many files, plain or gzipped; what a document is follows
//! from what it holds. Nothing here opens a file.
//!
//! - Unknown kinds and fields are skipped and counted.
//! - A broken object is reported with file, kind, name and field; the rest
//!   still loads, and the part is `Partial`.
//! - A file that is not JSON is refused whole. It could have held anything, so
//!   no part of the snapshot is `Complete` after it.
//! - A key that stands twice in an object: the later one counts, as for the
//!   API server, and it is counted.
//! - Files prove neither when they were taken nor that they are complete:
//!   [`InputOptions`] states it.
//! - Of environment, arguments and annotations only what decisions need is
//!   kept, by an allow-list.
//!
//! ```
//! use cloudoptim_core::input::{InputOptions, Loader};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut options = InputOptions::default();
//! options.taken_at = Some("2026-11-22T02:30:00Z".parse()?);
//! options.complete = true;
//! let mut loader = Loader::new(options);
//! loader.add("pods.json", br#"{"kind":"List","items":[
//!   {"kind":"Pod","metadata":{"namespace":"n","name":"p"},"spec":{"containers":[]}}]}"#);
//! let loaded = loader.finish()?;
//! assert_eq!(loaded.report.kinds["Pod"], 1);
//! assert!(loaded.snapshot.clusters[0].pods.is_complete());
//! assert_eq!(loaded.snapshot.clusters[0].nodes.to_string(), "unknown: not collected");
//! # Ok(())
//! # }
//! ```

mod aws;
mod document;
mod kubernetes;
mod prometheus;
mod report;
mod runtime_memory;
mod scan;
mod traffic;
mod wire;

pub use report::{Broken, FileReport, LoadReport};

use crate::knowledge::{Gap, Knowledge, Provenance};
use crate::model::{
    AccountId, Cloud, Cluster, ExpectedCluster, LeftOut, Node, Region, Snapshot, TakenAtBasis,
    TrafficEdge, UsageColumns, UsageSeries,
};
use chrono::{DateTime, Utc};
use document::Document;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

/// What files do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputOptions {
    /// When the documents were taken. Without it, the latest time that they name.
    pub taken_at: Option<DateTime<Utc>>,
    /// Account. Without it, the one that the documents name.
    pub account: Option<AccountId>,
    /// Region. Without it, the one that the documents name.
    pub region: Option<Region>,
    /// Name of the cluster. Without it, the one that `eks describe-cluster` names.
    pub cluster: Option<String>,
    /// Every list in the documents is whole: nothing of its kinds exists in the
    /// cluster, or in the account and region, that is not in it. For workloads
    /// this speaks for all kinds of workloads together.
    pub complete: bool,
    /// Most bytes of one file after decompression. Default 4 GiB.
    pub max_bytes: u64,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            taken_at: None,
            account: None,
            region: None,
            cluster: None,
            complete: false,
            max_bytes: 4 << 30,
        }
    }
}

/// What documents hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The snapshot, with a summary of the usage.
    pub snapshot: Snapshot,
    /// What was read, skipped and broken.
    pub report: LoadReport,
    /// The usage itself.
    pub usage: UsageColumns,
}

/// Why documents make no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// No document could be read.
    #[error("nothing to read: {0}")]
    Nothing(String),
    /// No document names a time, and none was stated.
    #[error("no document names a time: state when they were taken")]
    NoTime,
    /// The documents are of several accounts, and none was stated.
    #[error("the documents name several accounts ({0}): state one, or load them apart")]
    SeveralAccounts(String),
}

/// Reads documents one by one, then makes the snapshot.
#[derive(Debug)]
pub struct Loader {
    options: InputOptions,
    report: LoadReport,
    objects: kubernetes::Objects,
    cloud: Vec<aws::Item>,
    cloud_lists: BTreeSet<&'static str>,
    cloud_broken: BTreeMap<&'static str, (u64, String)>,
    cloud_paged: BTreeSet<&'static str>,
    usage: Vec<UsageSeries>,
    left_out: BTreeMap<&'static str, u64>,
    usage_broken: Option<String>,
    traffic: Option<Vec<TrafficEdge>>,
    traffic_broken: Option<(u64, String)>,
    latest: Option<DateTime<Utc>>,
    refused: Option<String>,
}

/// Most broken objects that a report lists one by one.
const LISTED_BROKEN: usize = 1000;

impl Loader {
    /// A loader that knows what the files do not say.
    pub fn new(options: InputOptions) -> Self {
        Self {
            options,
            report: LoadReport::default(),
            objects: kubernetes::Objects::default(),
            cloud: Vec::new(),
            cloud_lists: BTreeSet::new(),
            cloud_broken: BTreeMap::new(),
            cloud_paged: BTreeSet::new(),
            usage: Vec::new(),
            left_out: BTreeMap::new(),
            usage_broken: None,
            traffic: None,
            traffic_broken: None,
            latest: None,
            refused: None,
        }
    }

    /// Reads a file of that name. What is wrong with it is in the report.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let unzipped;
        let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
            match unzip(bytes, self.options.max_bytes) {
                Ok(plain) => {
                    unzipped = plain;
                    unzipped.as_slice()
                }
                Err(why) => return self.refuse(name, 0, why),
            }
        } else {
            bytes
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                return self.refuse(
                    name,
                    length,
                    format!("not UTF-8 at byte {}", e.valid_up_to()),
                );
            }
        };
        if text.starts_with(traffic::HEADER) {
            return self.add_traffic(name, length, text);
        }
        let documents = match document::split(text) {
            Ok(documents) if documents.is_empty() => {
                return self.refuse(name, length, "empty".to_owned());
            }
            Ok(documents) => documents,
            Err(why) => return self.refuse(name, length, why),
        };
        let mut holds: BTreeSet<String> = BTreeSet::new();
        for document in &documents {
            holds.insert(self.add_document(name, document));
        }
        let holds: Vec<String> = holds.into_iter().collect();
        self.report.files.push(FileReport {
            name: name.to_owned(),
            bytes: length,
            holds: holds.join(", "),
            refused: None,
        });
    }

    fn refuse(&mut self, name: &str, bytes: u64, why: String) {
        let why = wire::clean(&why);
        self.refused.get_or_insert_with(|| format!("{name}: {why}"));
        self.report.files.push(FileReport {
            name: name.to_owned(),
            bytes,
            holds: String::new(),
            refused: Some(why),
        });
    }

    fn broken(&mut self, broken: Broken) {
        self.report.broken_count += 1;
        if self.report.broken.len() < LISTED_BROKEN {
            self.report.broken.push(broken);
        }
    }

    fn count(&mut self, kind: &str) {
        *self.report.kinds.entry(kind.to_owned()).or_default() += 1;
    }

    fn add_traffic(&mut self, name: &str, bytes: u64, text: &str) {
        let (edges, problems) = traffic::edges(text);
        *self
            .report
            .kinds
            .entry("TrafficEdge".to_owned())
            .or_default() += u64::try_from(edges.len()).unwrap_or(u64::MAX);
        self.traffic.get_or_insert_default().extend(edges);
        for (line, message) in problems {
            let broken = Broken {
                file: name.to_owned(),
                kind: "TrafficEdge".to_owned(),
                name: format!("line {line}"),
                message: wire::clean(&message),
                ..Broken::default()
            };
            let entry = self
                .traffic_broken
                .get_or_insert_with(|| (0, broken.to_string()));
            entry.0 += 1;
            self.broken(broken);
        }
        self.report.files.push(FileReport {
            name: name.to_owned(),
            bytes,
            holds: "traffic".to_owned(),
            refused: None,
        });
    }

    fn add_document(&mut self, file: &str, document: &Document<'_>) -> String {
        if let Some((key, part, kind)) = aws::LISTS
            .iter()
            .find(|(key, _, _)| document.has(key))
            .copied()
        {
            self.add_cloud_list(file, document, key, part, kind);
            return kind.to_owned();
        }
        for (key, part, kind) in [
            ("cluster", "cluster_records", "Cluster"),
            ("nodegroup", "node_groups", "NodeGroup"),
        ] {
            if let Some(text) = document.get(key) {
                self.cloud_lists.insert(part);
                self.add_cloud_item(file, key, part, kind, text);
                return kind.to_owned();
            }
        }
        if document.has("WarmPoolConfiguration") {
            self.add_cloud_item(
                file,
                "WarmPool",
                "auto_scaling_groups",
                "WarmPool",
                document.text,
            );
            return "WarmPool".to_owned();
        }
        if document.has("resultType") || (document.has("status") && document.has("data")) {
            self.add_query(file, document.text);
            return "usage".to_owned();
        }
        match &document.items {
            Some(items) => self.add_list(file, document, items),
            None => {
                let single = self.add_object(file, None, document.text);
                if let Some(kind) = &single {
                    self.objects.note_list(kind, false);
                }
                single.unwrap_or_else(|| "nothing that is read".to_owned())
            }
        }
    }

    fn add_list(&mut self, file: &str, document: &Document<'_>, items: &[&str]) -> String {
        let list_kind = document.kind.strip_suffix("List").unwrap_or_default();
        let mut kinds: BTreeSet<String> = BTreeSet::new();
        if !list_kind.is_empty() {
            kinds.insert(list_kind.to_owned());
        } else if items.is_empty() {
            // An empty `List` says nothing about its kind; its file's name may.
            kinds.extend(kind_of_file(file));
        }
        for item in items {
            kinds.extend(self.add_object(file, Some(list_kind), item));
        }
        for kind in &kinds {
            self.objects.note_list(kind, true);
            if document.continues {
                self.objects
                    .note_paged(kind, &format!("further pages after {file}"));
            }
        }
        let kinds: Vec<String> = kinds.into_iter().collect();
        kinds.join(", ")
    }

    /// Reads one Kubernetes object and gives its kind.
    fn add_object(&mut self, file: &str, list_kind: Option<&str>, text: &str) -> Option<String> {
        let mut head = match scan::scan(text) {
            Ok(head) => head,
            Err(e) => {
                self.broken(Broken {
                    file: file.to_owned(),
                    kind: list_kind.unwrap_or_default().to_owned(),
                    message: e.to_string(),
                    ..Broken::default()
                });
                self.refused.get_or_insert_with(|| format!("{file}: {e}"));
                return None;
            }
        };
        self.latest = self.latest.max(head.latest);
        self.report.duplicate_keys += head.duplicate_keys;
        if head.kind.is_empty() {
            list_kind.unwrap_or_default().clone_into(&mut head.kind);
        }
        head.kind = wire::clean(&head.kind);
        head.name = wire::clean(&head.name);
        head.namespace = wire::clean(&head.namespace);
        if head.kind == "PodMetrics" {
            match prometheus::pod_metrics(text) {
                Ok(series) => {
                    self.usage.extend(series);
                    self.count("PodMetrics");
                }
                Err(message) => {
                    self.usage_broken
                        .get_or_insert_with(|| format!("{file}: {message}"));
                    let (kind, namespace, name) = (head.kind, head.namespace, head.name);
                    self.broken(Broken {
                        file: file.to_owned(),
                        kind,
                        namespace,
                        name,
                        message,
                        ..Broken::default()
                    });
                }
            }
            return Some("PodMetrics".to_owned());
        }
        match self.objects.add(file, &head, text) {
            Ok(true) => self.count(&head.kind),
            Ok(false) => {
                let kind = if head.kind.is_empty() {
                    "(no kind)"
                } else {
                    &head.kind
                };
                *self.report.skipped.entry(kind.to_owned()).or_default() += 1;
            }
            Err(broken) => self.broken(*broken),
        }
        Some(head.kind)
    }

    fn add_cloud_list(
        &mut self,
        file: &str,
        document: &Document<'_>,
        key: &'static str,
        part: &'static str,
        kind: &'static str,
    ) {
        self.cloud_lists.insert(part);
        if document.has("NextToken") || document.has("nextToken") {
            self.cloud_paged.insert(part);
        }
        let text = document.get(key).unwrap_or("[]");
        match document::items(text) {
            Ok(items) => {
                for item in items {
                    self.add_cloud_item(file, key, part, kind, item);
                }
            }
            Err(why) => self.cloud_problem(file, part, kind, wire::Problem::new(key, why)),
        }
    }

    fn add_cloud_item(
        &mut self,
        file: &str,
        key: &str,
        part: &'static str,
        kind: &str,
        text: &str,
    ) {
        if let Ok(head) = scan::scan(text) {
            self.latest = self.latest.max(head.latest);
            self.report.duplicate_keys += head.duplicate_keys;
        }
        match aws::item(key, text) {
            Ok(item) => {
                let count = match &item {
                    aws::Item::Instances(all) => u64::try_from(all.len()).unwrap_or(u64::MAX),
                    _ => 1,
                };
                *self.report.kinds.entry(kind.to_owned()).or_default() += count;
                self.cloud.push(item);
            }
            Err(problem) => self.cloud_problem(file, part, kind, problem),
        }
    }

    fn cloud_problem(
        &mut self,
        file: &str,
        part: &'static str,
        kind: &str,
        problem: wire::Problem,
    ) {
        let broken = Broken {
            file: file.to_owned(),
            kind: kind.to_owned(),
            field: problem.field,
            message: problem.message,
            ..Broken::default()
        };
        let entry = self
            .cloud_broken
            .entry(part)
            .or_insert_with(|| (0, broken.to_string()));
        entry.0 += 1;
        self.broken(broken);
    }

    fn add_query(&mut self, file: &str, text: &str) {
        match prometheus::query(file, text) {
            Ok(read) => {
                *self
                    .report
                    .kinds
                    .entry("UsageSeries".to_owned())
                    .or_default() += u64::try_from(read.series.len()).unwrap_or(u64::MAX);
                self.usage.extend(read.series);
                for (why, count) in read.left_out {
                    *self.left_out.entry(why).or_default() += count;
                }
            }
            Err(message) => {
                let message = wire::clean(&message);
                self.usage_broken
                    .get_or_insert_with(|| format!("{file}: {message}"));
                self.broken(Broken {
                    file: file.to_owned(),
                    kind: "UsageSeries".to_owned(),
                    message,
                    ..Broken::default()
                });
            }
        }
    }

    /// Makes the snapshot of everything that was read.
    ///
    /// # Errors
    /// [`InputError`] when nothing was read, when no time is known, or when the
    /// documents are of several accounts.
    pub fn finish(mut self) -> Result<Loaded, InputError> {
        if self.report.kinds.is_empty() && self.report.skipped.is_empty() {
            let why = self
                .refused
                .clone()
                .or_else(|| self.report.broken.first().map(ToString::to_string));
            return Err(InputError::Nothing(
                why.unwrap_or_else(|| "no document".to_owned()),
            ));
        }
        let (taken_at, basis) = match (self.options.taken_at, self.latest) {
            (Some(stated), _) => (stated, TakenAtBasis::Stated),
            (None, Some(latest)) => (latest, TakenAtBasis::LatestTimestamp),
            (None, None) => return Err(InputError::NoTime),
        };
        let mut snapshot = Snapshot::new(taken_at);
        snapshot.taken_at_basis = basis;
        let columns = self.columns();

        let clouds = self.clouds()?;
        snapshot.clouds = clouds;
        let mut cluster = Cluster {
            name: self.options.cluster.clone().unwrap_or_default(),
            ..Cluster::default()
        };
        if cluster.name.is_empty() {
            let names: BTreeSet<&str> = snapshot
                .clouds
                .iter()
                .flat_map(|c| c.cluster_records.items())
                .map(|c| c.name.as_str())
                .collect();
            if let (Some(name), 1) = (names.first(), names.len()) {
                cluster.name = (*name).to_owned();
            }
        }
        let system = self
            .objects
            .lists
            .namespaces
            .iter()
            .find(|n| n.meta.name == "kube-system");
        cluster.uid = match system {
            Some(namespace) => namespace.meta.uid.as_str().into(),
            None => cluster.name.as_str().into(),
        };
        let has_cluster = !self.objects.listed.is_empty() || !self.objects.broken.is_empty();
        if has_cluster || self.traffic.is_some() || !columns.series.is_empty() {
            self.fill_cluster(&mut cluster, &snapshot, &columns, taken_at);
            snapshot.clusters.push(cluster);
        }
        snapshot.expected_clusters = self.expected(&snapshot);
        if snapshot.clouds.is_empty() {
            self.cloud_from_nodes(&mut snapshot);
        }
        for cluster in &mut snapshot.clusters {
            if let [only] = snapshot.clouds.as_slice() {
                cluster.account = Some(only.account.clone());
                cluster.region = Some(only.region.clone());
            }
        }
        snapshot.normalize();
        Ok(Loaded {
            snapshot,
            report: self.report,
            usage: columns,
        })
    }

    fn columns(&mut self) -> UsageColumns {
        let mut series = std::mem::take(&mut self.usage);
        series.sort_by(|a, b| {
            (
                &a.namespace,
                &a.pod,
                &a.container,
                a.metric,
                a.start_seconds,
            )
                .cmp(&(
                    &b.namespace,
                    &b.pod,
                    &b.container,
                    b.metric,
                    b.start_seconds,
                ))
        });
        series.dedup();
        UsageColumns { series }
    }

    fn provenance(&self, source: &str, scope: String) -> Provenance {
        Provenance {
            source: source.to_owned(),
            scope,
            observed_at: self.options.taken_at,
        }
    }

    /// The gap of a part: a failure, else what nobody stated; `None` when complete.
    fn state(&self, gap: Option<Gap>, whole: bool) -> Option<Gap> {
        if gap.is_some() {
            gap
        } else if let Some(first) = &self.refused {
            Some(Gap::Broken {
                count: 1,
                first: first.clone(),
            })
        } else if !whole {
            Some(Gap::OutOfScope {
                what: "single objects, not a list".to_owned(),
            })
        } else if self.options.complete {
            None
        } else {
            Some(Gap::CompletenessNotStated)
        }
    }

    fn fill_cluster(
        &mut self,
        cluster: &mut Cluster,
        snapshot: &Snapshot,
        columns: &UsageColumns,
        taken_at: DateTime<Utc>,
    ) {
        let scope = format!("cluster:{}", cluster.uid);
        let provenance = self.provenance("kubectl", scope.clone());
        let objects = std::mem::take(&mut self.objects);
        let this: &Self = self;
        let duplicates = objects.fill(
            cluster,
            &|_, gap, whole| Some(this.state(gap, whole)),
            &provenance,
        );
        self.report.duplicate_objects += duplicates;
        if let Some(edges) = self.traffic.take() {
            let gap = self
                .traffic_broken
                .take()
                .map(|(count, first)| Gap::Broken { count, first });
            let provenance = self.provenance("traffic", scope.clone());
            cluster.traffic = match self.state(gap, true) {
                None => Knowledge::complete(edges, provenance),
                Some(gap) => Knowledge::partial(edges, gap, provenance),
            };
        }
        if !columns.series.is_empty() {
            let mut summary = crate::usage::summarise(columns, cluster, taken_at);
            summary.left_out = std::mem::take(&mut self.left_out)
                .into_iter()
                .map(|(why, count)| LeftOut {
                    why: why.to_owned(),
                    count,
                })
                .collect();
            let gap = self
                .usage_broken
                .take()
                .map(|first| Gap::Broken { count: 1, first });
            let provenance = self.provenance("prometheus", scope);
            cluster.usage = match self.state(gap, true) {
                None => Knowledge::complete(summary, provenance),
                Some(gap) => Knowledge::partial(summary, gap, provenance),
            };
        } else if let Some(error) = self.usage_broken.take() {
            cluster.usage = Knowledge::unknown(Gap::Unavailable { error });
        }
        let _ = snapshot;
    }

    /// Clusters that the account lists are expected in the snapshot; without
    /// such a list nobody knows which there are.
    fn expected(&self, snapshot: &Snapshot) -> Knowledge<Vec<ExpectedCluster>> {
        let mut all = Vec::new();
        let mut provenance = None;
        for cloud in &snapshot.clouds {
            provenance = provenance.or_else(|| cloud.cluster_records.provenance().cloned());
            for record in cloud.cluster_records.items() {
                let uid = snapshot
                    .clusters
                    .iter()
                    .find(|c| c.name == record.name)
                    .map(|c| c.uid.clone());
                all.push(ExpectedCluster {
                    name: record.name.clone(),
                    uid,
                });
            }
        }
        match provenance {
            None => Knowledge::default(),
            Some(provenance) => match self.state(None, true) {
                None => Knowledge::complete(all, provenance),
                Some(gap) => Knowledge::partial(all, gap, provenance),
            },
        }
    }

    /// Without documents of the cloud, its region still follows from the nodes.
    fn cloud_from_nodes(&self, snapshot: &mut Snapshot) {
        let zones = snapshot.clusters.iter().flat_map(|c| c.nodes.items());
        let regions: BTreeSet<String> = zones
            .filter_map(|node: &Node| {
                node.meta
                    .label("topology.kubernetes.io/region")
                    .map(str::to_owned)
                    .or_else(|| aws::region_of_zone(node.zone_name()?.as_str()))
            })
            .collect();
        let region = self
            .options
            .region
            .clone()
            .or_else(|| match regions.first() {
                Some(only) if regions.len() == 1 => Some(Region::new(only.clone())),
                _ => None,
            });
        if let Some(region) = region {
            let account = self.options.account.clone().unwrap_or_default();
            snapshot.clouds.push(Cloud {
                account,
                region,
                ..Cloud::default()
            });
        }
    }

    fn clouds(&mut self) -> Result<Vec<Cloud>, InputError> {
        let items = std::mem::take(&mut self.cloud);
        if items.is_empty() && self.cloud_lists.is_empty() {
            return Ok(Vec::new());
        }
        document::assemble(self, items)
    }
}

/// The kind that the name of a file speaks of, as in `pods.json.gz`.
fn kind_of_file(file: &str) -> Option<String> {
    let name = file
        .rsplit('/')
        .next()?
        .split('.')
        .next()?
        .to_ascii_lowercase();
    let kinds = [
        ("nodes", "Node"),
        ("pods", "Pod"),
        ("deployments", "Deployment"),
        ("replicasets", "ReplicaSet"),
        ("statefulsets", "StatefulSet"),
        ("daemonsets", "DaemonSet"),
        ("jobs", "Job"),
        ("cronjobs", "CronJob"),
        ("poddisruptionbudgets", "PodDisruptionBudget"),
        ("persistentvolumes", "PersistentVolume"),
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
        ("storageclasses", "StorageClass"),
        ("csinodes", "CSINode"),
        ("volumeattachments", "VolumeAttachment"),
        ("volumesnapshots", "VolumeSnapshot"),
        ("services", "Service"),
        ("endpointslices", "EndpointSlice"),
        ("horizontalpodautoscalers", "HorizontalPodAutoscaler"),
        ("verticalpodautoscalers", "VerticalPodAutoscaler"),
        ("scaledobjects", "ScaledObject"),
        ("limitranges", "LimitRange"),
        ("resourcequotas", "ResourceQuota"),
        ("priorityclasses", "PriorityClass"),
        ("runtimeclasses", "RuntimeClass"),
        ("nodepools", "NodePool"),
        ("nodeclaims", "NodeClaim"),
        ("leases", "Lease"),
        ("events", "Event"),
        ("namespaces", "Namespace"),
    ];
    kinds
        .iter()
        .find(|(plural, _)| *plural == name)
        .map(|(_, kind)| (*kind).to_owned())
}

fn unzip(bytes: &[u8], max: u64) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(max.saturating_add(1));
    reader
        .read_to_end(&mut plain)
        .map_err(|e| format!("not a whole gzip file: {e}"))?;
    if u64::try_from(plain.len()).unwrap_or(u64::MAX) > max {
        return Err(format!("more than {max} bytes after decompression"));
    }
    Ok(plain)
}
