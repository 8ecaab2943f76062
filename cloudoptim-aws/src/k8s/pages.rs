//! All pages of one list, or the part that could be had, as such.

use super::client::{Reader, is_too_large};
use super::status::{ApiFailure, PROVIDER};
use bytes::Bytes;
use cloudoptim_core::input::{Listed, page};
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::providers::{Call, ProviderError};
use std::fmt;
use std::sync::Arc;

/// How far the reading of one kind is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Resource, such as `pods`, and its namespace where only one is read.
    pub what: String,
    /// Pages read.
    pub pages: u64,
    /// Objects read.
    pub objects: u64,
    /// Objects to come, where the server knows.
    pub remaining: Option<u64>,
}

/// Is told about every page, on the task that reads.
#[derive(Clone)]
pub struct OnProgress(Arc<dyn Fn(&Progress) + Send + Sync>);

impl OnProgress {
    /// Calls that function.
    pub fn new(tell: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnProgress")
    }
}

/// How a list is read.
#[derive(Debug, Clone)]
pub(super) struct Paging {
    pub(super) size: u32,
    pub(super) restarts: u32,
    pub(super) most_objects: u64,
    pub(super) progress: Option<OnProgress>,
}

/// One page, converted.
pub(super) trait Part: Send + 'static {
    fn next(&mut self) -> Option<String>;
    fn objects(&self) -> u64;
    fn remaining(&self) -> Option<u64>;
}

/// Objects of one kind with what could not be read.
#[derive(Debug)]
pub(super) struct Parts<P> {
    pub(super) parts: Vec<P>,
    /// Why it is not all.
    pub(super) gap: Option<Gap>,
}

/// Reads every page of the list at `path`. A failure of the first page is an
/// error; a later one leaves a gap.
pub(super) async fn pages<P: Part>(
    reader: &dyn Reader,
    paging: &Paging,
    path: &str,
    convert: fn(&str, &[u8]) -> Result<P, String>,
) -> Result<Parts<P>, ProviderError> {
    let mut restarts = 0;
    loop {
        let mut parts = Vec::new();
        match one_pass(reader, paging, path, convert, &mut parts).await {
            Ok(gap) => return Ok(Parts { parts, gap }),
            // The pages so far are of an older state than the rest would be.
            Err(error) if is_expired(&error) && restarts < paging.restarts => {
                tracing::debug!(path, restarts, "the list expired between pages");
                restarts = restarts.saturating_add(1);
            }
            Err(error) if parts.is_empty() => return Err(error),
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(path, %error, "a list ends in the middle");
                return Ok(Parts {
                    parts,
                    gap: Some(Gap::Unavailable { error }),
                });
            }
        }
    }
}

fn is_expired(error: &ProviderError) -> bool {
    ApiFailure::of(error).is_some_and(ApiFailure::is_expired)
}

async fn one_pass<P: Part>(
    reader: &dyn Reader,
    paging: &Paging,
    path: &str,
    convert: fn(&str, &[u8]) -> Result<P, String>,
    parts: &mut Vec<P>,
) -> Result<Option<Gap>, ProviderError> {
    let mut size = paging.size.max(1);
    let mut token: Option<String> = None;
    let what = path.rsplit("/namespaces/").next().unwrap_or(path);
    let mut progress = Progress {
        what: what.rsplit('/').next().unwrap_or(what).to_owned(),
        pages: 0,
        objects: 0,
        remaining: None,
    };
    if path.contains("/namespaces/") {
        what.clone_into(&mut progress.what);
    }
    loop {
        let limit = size.to_string();
        // No resource version: the most recent state, read with a quorum. The
        // pages that follow are of the same state.
        let mut query = vec![("limit", limit.as_str())];
        if let Some(token) = &token {
            query.push(("continue", token.as_str()));
        }
        let body = match reader.get(path, &query).await {
            Ok(body) => body,
            Err(error) if is_too_large(&error) && size > 1 => {
                size = size.div_euclid(2).max(1);
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut part = converted(path, convert, body).await?;
        progress.pages = progress.pages.saturating_add(1);
        progress.objects = progress.objects.saturating_add(part.objects());
        progress.remaining = part.remaining();
        tracing::debug!(
            what = progress.what,
            pages = progress.pages,
            objects = progress.objects,
            remaining = progress.remaining,
            "read a page"
        );
        if let Some(OnProgress(tell)) = &paging.progress {
            tell(&progress);
        }
        let next = part.next();
        parts.push(part);
        match next {
            None => return Ok(None),
            same if same == token => {
                return Err(refused(path, "the server goes round in a circle"));
            }
            Some(_) if progress.objects >= paging.most_objects => {
                return Ok(Some(Gap::OutOfScope {
                    what: format!("all after the first {} objects", progress.objects),
                }));
            }
            next => token = next,
        }
    }
}

fn refused(path: &str, why: impl Into<String>) -> ProviderError {
    let target = super::target::Target::of(&http::Method::GET, path);
    let mut call = Call::new(PROVIDER, target.operation()).because(why.into());
    call.resource = target.resource();
    ProviderError::Unavailable {
        call: Box::new(call),
    }
}

/// Reading the JSON of a page takes as long as fetching it.
async fn converted<P: Part>(
    path: &str,
    convert: fn(&str, &[u8]) -> Result<P, String>,
    body: Bytes,
) -> Result<P, ProviderError> {
    let name = path.to_owned();
    match tokio::task::spawn_blocking(move || convert(&name, &body)).await {
        Ok(Ok(part)) => Ok(part),
        Ok(Err(why)) => Err(refused(path, why)),
        Err(_) => Err(refused(path, "the conversion was cancelled")),
    }
}

/// A page of one kind of object.
pub(super) struct Objects<T> {
    pub(super) items: Vec<T>,
    pub(super) broken: u64,
    pub(super) first_broken: Option<String>,
    next: Option<String>,
    remaining: Option<u64>,
}

impl<T: Listed> Objects<T> {
    pub(super) fn read(path: &str, body: &[u8]) -> Result<Self, String> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let page = page::<T>(name, body).map_err(|error| error.to_string())?;
        Ok(Self {
            items: page.items,
            broken: page.broken,
            first_broken: page.first_broken,
            next: page.next,
            remaining: page.remaining,
        })
    }
}

impl<T: Send + 'static> Part for Objects<T> {
    fn next(&mut self) -> Option<String> {
        self.next.take()
    }

    fn objects(&self) -> u64 {
        u64::try_from(self.items.len())
            .unwrap_or(u64::MAX)
            .saturating_add(self.broken)
    }

    fn remaining(&self) -> Option<u64> {
        self.remaining
    }
}
