//! Usage of one cluster: samples, and the workloads that they belong to.

use super::cluster::ClusterReader;
use super::listing::{self, Listing, POD_METRICS};
use super::pages::{Part, Parts, pages};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::knowledge::{Gap, Knowledge, Provenance};
use cloudoptim_core::model::UsageSummary;
use cloudoptim_core::providers::ProviderError;
use serde::Deserialize;

/// Reads usage, sums it up per container of each workload.
pub(super) async fn usage(
    cluster: &ClusterReader,
) -> Result<Knowledge<UsageSummary>, ProviderError> {
    let at = cluster.clock.now();
    let mut gap = None;
    let (source, documents) = match &cluster.options.prometheus {
        Some(prometheus) => {
            let answers = prometheus.answers(at, &cluster.options.namespaces).await?;
            ("prometheus", answers)
        }
        None => match raw(cluster, &POD_METRICS).await? {
            None => return Ok(Knowledge::default()),
            Some(parts) => {
                gap = gap.or(parts.gap);
                ("metrics.k8s.io", named(&POD_METRICS, parts.parts))
            }
        },
    };
    // Whose pods they are: without their owners, samples say nothing.
    let mut owners = Vec::new();
    for what in std::iter::once(&listing::PODS).chain(listing::WORKLOADS) {
        match raw(cluster, what).await {
            Ok(Some(parts)) => {
                gap = gap.or(parts.gap);
                owners.extend(named(what, parts.parts));
            }
            Ok(None) => {}
            Err(ProviderError::PermissionDenied { permission, .. }) => {
                gap = gap.or(Some(Gap::Denied { permission }));
            }
            Err(error) => {
                gap = gap.or(Some(Gap::Unavailable {
                    error: error.to_string(),
                }));
            }
        }
    }
    gap = gap.or(cluster.limited(&listing::PODS));
    let uid = cluster.uid.to_string();
    let summed = tokio::task::spawn_blocking(move || summed(at, &uid, &documents, &owners)).await;
    let found = summed.unwrap_or_default();
    let provenance = Provenance {
        source: source.to_owned(),
        ..cluster.provenance(at)
    };
    Ok(match (found, gap) {
        (Knowledge::Complete { value, .. }, None) => Knowledge::complete(value, provenance),
        (Knowledge::Complete { value, .. }, Some(gap)) => {
            Knowledge::partial(value, gap, provenance)
        }
        (Knowledge::Partial { value, gap, .. }, _) => Knowledge::partial(value, gap, provenance),
        (Knowledge::Unknown { gap }, _) => Knowledge::unknown(gap),
    })
}

/// The same as from files: one reader and one sum for both.
fn summed(
    at: DateTime<Utc>,
    uid: &str,
    documents: &[(String, Bytes)],
    owners: &[(String, Bytes)],
) -> Knowledge<UsageSummary> {
    let mut options = InputOptions::default();
    options.taken_at = Some(at);
    options.cluster = Some(uid.to_owned());
    options.complete = true;
    let mut loader = Loader::new(options);
    for (name, bytes) in documents.iter().chain(owners) {
        loader.add(name, bytes);
    }
    match loader.finish() {
        Ok(mut loaded) => {
            let clusters = &mut loaded.snapshot.clusters;
            clusters.pop().map(|found| found.usage).unwrap_or_default()
        }
        Err(error) => Knowledge::unknown(Gap::Unavailable {
            error: error.to_string(),
        }),
    }
}

fn named(what: &Listing, pages: Vec<RawPage>) -> Vec<(String, Bytes)> {
    let name = format!("{}.{}", what.resource, what.group);
    pages
        .into_iter()
        .map(|page| (name.clone(), page.body))
        .collect()
}

/// Every page of a list as it came; `None` when the server has no such list.
async fn raw(
    cluster: &ClusterReader,
    what: &Listing,
) -> Result<Option<Parts<RawPage>>, ProviderError> {
    let Ok(version) = cluster.version(what).await? else {
        return Ok(None);
    };
    let mut all = Parts {
        parts: Vec::new(),
        gap: None,
    };
    for place in cluster.places(what) {
        let path = what.path(&version, place.as_deref());
        let paging = cluster.paging();
        let found = pages(cluster.reader.as_ref(), &paging, &path, RawPage::read).await?;
        all.parts.extend(found.parts);
        all.gap = all.gap.or(found.gap);
    }
    Ok(Some(all))
}

#[derive(Debug)]
struct RawPage {
    body: Bytes,
    next: Option<String>,
    objects: u64,
}

#[derive(Deserialize)]
struct Head {
    kind: String,
    metadata: HeadMeta,
    items: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
struct HeadMeta {
    #[serde(rename = "continue", default)]
    token: Option<String>,
}

impl RawPage {
    fn read(path: &str, body: &[u8]) -> Result<Self, String> {
        let head: Head = serde_json::from_slice(body).map_err(|_| format!("{path}: no list"))?;
        if !head.kind.ends_with("List") {
            return Err(format!("{path}: no list"));
        }
        let objects = head.items.map_or(0, |items| items.len());
        Ok(Self {
            body: Bytes::copy_from_slice(body),
            next: head.metadata.token.filter(|token| !token.is_empty()),
            objects: u64::try_from(objects).unwrap_or(u64::MAX),
        })
    }
}

impl Part for RawPage {
    fn next(&mut self) -> Option<String> {
        self.next.take()
    }

    fn objects(&self) -> u64 {
        self.objects
    }

    fn remaining(&self) -> Option<u64> {
        None
    }
}
