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
            // The pages so far are of an older state than the rest would be, or
            // do not make a whole.
            Err(error) if is_worth_a_restart(&error) && restarts < paging.restarts => {
                tracing::debug!(path, restarts, %error, "the list is begun anew");
                restarts = restarts.saturating_add(1);
            }
            Err(error) if parts.is_empty() => return Err(error),
            Err(error) => {
                let error = match &error.call().source {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
                tracing::warn!(path, %error, "a list ends in the middle");
                return Ok(Parts {
                    parts,
                    gap: Some(Gap::Unavailable { error }),
                });
            }
        }
    }
}

/// Pages that contradict what the server said of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short {
    objects: u64,
    promised: u64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, promised } = self;
        write!(
            f,
            "the pages hold {objects} objects of {promised} that the server has"
        )
    }
}

impl std::error::Error for Short {}

fn is_worth_a_restart(error: &ProviderError) -> bool {
    let source = error.call().source.as_deref();
    ApiFailure::of(error).is_some_and(ApiFailure::is_expired)
        || source.is_some_and(|source| source.is::<Short>())
}

/// What the server says that a list holds in all, as far as this page tells:
/// all pages are of one state, so they have to agree. One that is cut or lost on
/// the way shows here.
fn check_whole(
    promised: &mut Option<u64>,
    size: u32,
    page: u64,
    progress: &Progress,
    more: bool,
) -> Result<(), Short> {
    let remaining = progress.remaining.unwrap_or(0);
    let told = progress.objects.saturating_add(remaining);
    let short = Short {
        objects: progress.objects,
        promised: promised.unwrap_or(told).max(told),
    };
    let cut = more && remaining > 0 && page < u64::from(size);
    let lost = !more && remaining > 0;
    if cut || lost || promised.is_some_and(|promised| promised != told) {
        return Err(short);
    }
    if remaining > 0 {
        *promised = Some(told);
    }
    Ok(())
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
    let mut promised = None;
    let mut asked_for_one_more = false;
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
        let objects = part.objects();
        // A single page that is just full: whether more was lost on the way
        // shows when there is room for one more.
        if next.is_none() && progress.pages == 1 && objects == u64::from(size) {
            if asked_for_one_more {
                let short = Short {
                    objects: objects.saturating_sub(1),
                    promised: objects,
                };
                return Err(refused(path, short));
            }
            asked_for_one_more = true;
            size = size.saturating_add(1);
            (progress.pages, progress.objects) = (0, 0);
            continue;
        }
        parts.push(part);
        check_whole(&mut promised, size, objects, &progress, next.is_some())
            .map_err(|short| refused(path, short))?;
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

fn refused(path: &str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ProviderError {
    let target = super::target::Target::of(&http::Method::GET, path);
    let mut call = Call::new(PROVIDER, target.operation()).because(why);
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
    /// Resource version of the list.
    pub(super) revision: Option<u64>,
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
            revision: page.revision,
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
