//! From files to a snapshot: what `kubectl`, the AWS CLI and Prometheus print.
//!
//! Bytes go in, [`Knowledge`](crate::knowledge::Knowledge) comes out; nothing
//! here opens a file. A [`Loader`] takes any number of documents in any order,
//! plain or gzipped, and tells them apart by what they hold:
//!
//! - Kubernetes objects as `kubectl get … -o json` prints them: a `List`, a
//!   typed list, single objects, several documents in a row;
//! - `aws ec2 describe-instances`, `-volumes`, `-snapshots`,
//!   `-availability-zones`, `-subnets`, `-spot-instance-requests`,
//!   `aws autoscaling describe-auto-scaling-groups`, `describe-warm-pool`,
//!   `aws eks describe-cluster`, `describe-nodegroup`, `aws kms describe-key`;
//! - `aws savingsplans describe-savings-plans`, `aws ec2
//!   describe-reserved-instances` and `-capacity-reservations`: what is in force
//!   and for EC2. All three lists together are the commitments of an account, and
//!   fewer are a part; how much is in use, and at what rates, they do not say;
//! - answers of Prometheus to `query` and `query_range` for CPU in cores,
//!   working set in bytes and throttling, and lists of `metrics.k8s.io`;
//! - traffic as CSV with the columns `from_namespace`, `from_workload`,
//!   `from_zone_id`, `to_namespace`, `to_workload`, `to_zone_id`,
//!   `bytes_per_day`. The last line must have an end too: without one it may be
//!   cut in the middle of a number, so it is left out and traffic is partial.
//!
//! # What a series measures
//!
//! The name of a series tells, and where a query left none, the file's:
//!
//! | series | name of the series | else name of the file |
//! | --- | --- | --- |
//! | CPU in cores | has `cpu` and `rate` | has `cpu` |
//! | working set | has `memory_working_set` | has `mem` |
//! | throttling, two counters | ends with `cfs_periods_total` or `cfs_throttled_periods_total` | |
//! | throttling, their rates divided | | has `throttl`, and `ratio` or `share`, but not `second` |
//!
//! The two counters are paired by their times: ask for both with the same
//! start and step. Where no name tells CPU from memory, the size of the values
//! does; everything else is left out and counted.
//!
//! # What files prove
//!
//! A file proves neither when it was made nor that it holds everything. So a
//! part is `Complete` only when [`InputOptions::complete`] says so, the kind
//! came as a list, and nothing of it was broken or paged. A kind that no file
//! holds stays `Unknown`: an empty list tells its kind by its own name
//! (`PodList`) or by the file's (`poddisruptionbudgets.json`).
//!
//! One broken object is reported with its field, the rest of its kind still
//! loads, and the kind is `Partial`. A file that is no JSON is refused whole;
//! since it may have held more of anything, no part is complete then.
//!
//! # What never enters a snapshot
//!
//! Of environments, commands and arguments only runtime-memory settings are
//! kept, and only when their value has the documented form; annotations by an
//! allow-list; messages of events only where Kubernetes itself writes them,
//! without what looks like a credential. Control characters are written out as
//! escapes. Errors name fields, never values.
//!
//! ```
//! use cloudoptim_core::input::{InputOptions, Loader};
//!
//! let mut loader = Loader::new(InputOptions::default());
//! loader.add("nodes.json", br#"{"kind":"NodeList","apiVersion":"v1","items":[
//!     {"metadata":{"name":"a","creationTimestamp":"2026-11-22T02:30:00Z"}},
//!     {"metadata":{"name":"b"},"status":{"allocatable":{"cpu":"lots"}}}]}"#);
//! let loaded = loader.finish()?;
//! let cluster = &loaded.snapshot.clusters[0];
//! assert_eq!(cluster.nodes.items().len(), 1);
//! assert!(!cluster.nodes.is_complete());
//! let broken = &loaded.report.broken[0];
//! assert_eq!(broken.name, "b");
//! assert_eq!(broken.field, "status.allocatable.cpu");
//! # Ok::<(), cloudoptim_core::input::InputError>(())
//! ```

mod assemble;
mod aws;
mod broken;
mod clouds;
mod commitments;
mod document;
mod homes;
mod identity;
mod kinds;
mod log;
mod meta;
mod network;
mod node;
mod page;
mod pod;
mod raw;
mod redact;
mod redacted;
mod report;
mod runtime;
mod scan;
mod slot;
mod storage;
mod traffic;
mod usage;
mod workload;

use crate::model::{AccountId, Region, Snapshot, UsageColumns};
use chrono::{DateTime, Utc};
use log::Log;
use std::collections::BTreeSet;

pub use page::{Listed, Page, page};
pub use redact::redact_message;
pub use redacted::redacted;
pub use report::{Broken, FileReport, LoadReport};

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
    /// Name or uid of the cluster. Without it, the one that the documents name;
    /// the uid is that of its `kube-system` namespace.
    pub cluster: Option<String>,
    /// Every list in the documents is whole: nothing of its kinds exists in the
    /// cluster, or in the account and region, that is not in it. For workloads
    /// this speaks for all kinds of workloads together.
    pub complete: bool,
    /// Kinds that were asked for, such as `PodDisruptionBudget`: when the files
    /// hold none of one, there is none. Without it such a kind is unknown.
    pub collected: Vec<String>,
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
            collected: Vec::new(),
            max_bytes: 4 << 30,
        }
    }
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
    /// The documents are of several clusters.
    #[error(
        "the documents are of several clusters: load each apart (kube-system has the uids {0})"
    )]
    SeveralClusters(String),
    /// What is stated is not what the documents say.
    #[error("{what} is stated as {stated}, the documents say {found}")]
    Contradiction {
        /// `account` or `cluster`.
        what: String,
        /// As stated.
        stated: String,
        /// As found.
        found: String,
    },
}

/// Takes files and makes a snapshot of them.
#[derive(Debug, Default)]
pub struct Loader {
    options: InputOptions,
    report: Log,
    objects: kinds::Objects,
    clouds: clouds::CloudObjects,
    columns: UsageColumns,
    traffic: slot::Slot<crate::model::TrafficEdge>,
    /// The first file that was refused although it may have held objects.
    unreadable: Option<String>,
    unreadable_count: u64,
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

impl Loader {
    /// A loader without files.
    pub fn new(options: InputOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Reads one file. `name` stands in reports, and tells the kind of an
    /// empty list and the metric of a nameless series.
    ///
    /// What cannot be read is in the report of [`finish`](Self::finish).
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let name = raw::clean(name).into_owned();
        let mut file = FileReport {
            name: name.clone(),
            bytes: length(bytes),
            ..FileReport::default()
        };
        let result = document::text(bytes, self.options.max_bytes).and_then(|text| {
            file.bytes = length(text.as_bytes());
            self.read_text(&name, &text)
        });
        match result {
            Ok(holds) => file.holds = holds,
            Err(why) => {
                if may_hold_objects(&name, bytes) {
                    self.unreadable_count = self.unreadable_count.saturating_add(1);
                    self.unreadable
                        .get_or_insert_with(|| format!("{name}: {why}"));
                }
                file.refused = Some(why);
            }
        }
        self.report.report.files.push(file);
    }

    /// Reads a file's documents and says what it holds.
    fn read_text(&mut self, name: &str, text: &str) -> Result<String, String> {
        if !text.trim_start().starts_with(['{', '[']) {
            if traffic::is_traffic(text) {
                traffic::read(name, text, &mut self.traffic, &mut self.report);
                return Ok("traffic".to_owned());
            }
            return Err(if text.trim_start().is_empty() {
                "empty".to_owned()
            } else if text.contains("apiVersion:") {
                "YAML: ask kubectl for -o json".to_owned()
            } else {
                "not JSON, and not the CSV of traffic".to_owned()
            });
        }
        let documents = document::documents(text)?;
        let twice = scan::duplicate_keys(text);
        let all = &mut self.report.report.duplicate_keys;
        *all = all.saturating_add(twice);
        let before = self.report.report.kinds.clone();
        let mut other = BTreeSet::new();
        for document in &documents {
            other.extend(self.read_document(name, document));
        }
        let now = &self.report.report.kinds;
        let grown = now
            .iter()
            .filter(|(kind, n)| before.get(*kind) != Some(*n))
            .map(|(kind, _)| kind.as_str());
        let mut holds: Vec<&str> = grown.chain(other).collect();
        holds.sort_unstable();
        Ok(holds.join(", "))
    }

    /// Reads a document; what it holds, when that is nothing that counts.
    fn read_document(
        &mut self,
        name: &str,
        document: &document::Document<'_>,
    ) -> Option<&'static str> {
        let top = &document.top;
        let log = &mut self.report;
        if usage::is_prometheus(top) {
            usage::prometheus(name, document, &mut self.columns, log);
        } else if usage::is_pod_metrics(top) {
            usage::pod_metrics(name, document, &mut self.columns, log);
        } else if !self.clouds.read(name, document, log) && !self.objects.read(name, document, log)
        {
            log.skip("document of an unknown form");
            return Some("nothing that is read");
        }
        None
    }

    /// Makes the snapshot.
    ///
    /// # Errors
    /// [`InputError`] when nothing was read, when no document names a time and
    /// none is stated, or when documents contradict each other or the options
    /// about which cluster or account they are of.
    pub fn finish(self) -> Result<Loaded, InputError> {
        assemble::assemble(self)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Whether a refused file may have held objects: a note or a log beside the
/// dump is no hole in it.
fn may_hold_objects(name: &str, bytes: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    let stem = lower.strip_suffix(".gz").unwrap_or(&lower);
    let prose = [
        ".md", ".txt", ".log", ".html", ".csv", ".sh", ".py", ".png", ".svg",
    ];
    let json = bytes
        .iter()
        .find(|b| !b.is_ascii_whitespace())
        .is_some_and(|b| matches!(b, b'{' | b'['));
    json || !prose.iter().any(|end| stem.ends_with(end))
}
