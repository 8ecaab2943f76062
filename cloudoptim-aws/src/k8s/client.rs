//! The two clients: one that can only read, one that can only change.

use super::connection::ConnectError;
use super::status::{ApiFailure, PROVIDER};
use super::target::{Target, is_plain_path, query};
use super::wire::{Lost, Raw, Why, Wire};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use cloudoptim_core::model::ClusterUid;
use cloudoptim_core::providers::{Call, ProviderError};
use http::Method;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;

/// Where the uid of a cluster is.
pub(super) const KUBE_SYSTEM: &str = "/api/v1/namespaces/kube-system";

/// Where a caller may ask what it may do.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Sends reads. [`ReadClient`] does; wrappers repeat, record and replay.
#[async_trait]
pub trait Reader: fmt::Debug + Send + Sync {
    /// The body of a GET, such as `/api/v1/pods` with `limit` as a parameter.
    ///
    /// # Errors
    /// [`ProviderError`], with an [`ApiFailure`] as the source where the server
    /// answered.
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError>;

    /// Uid that the cluster must have, where one is pinned.
    fn pinned_cluster(&self) -> Option<&ClusterUid> {
        None
    }
}

/// Asks what the caller may do. Such a question is sent as a POST, and nothing
/// is stored.
#[async_trait]
pub trait Reviewer: fmt::Debug + Send + Sync {
    /// The answer to a `SelfSubjectAccessReview`.
    ///
    /// # Errors
    /// As of [`Reader::get`].
    async fn review(&self, body: Vec<u8>) -> Result<Bytes, ProviderError>;
}

/// A client that can only read: GETs and access reviews, each sent once.
#[derive(Clone)]
pub struct ReadClient {
    wire: Arc<Wire>,
    pinned: Option<ClusterUid>,
}

impl fmt::Debug for ReadClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadClient").field(&self.wire).finish()
    }
}

impl ReadClient {
    pub(super) fn new(wire: Arc<Wire>, pinned: Option<ClusterUid>) -> Self {
        Self { wire, pinned }
    }
}

#[async_trait]
impl Reader for ReadClient {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        get(&self.wire, path, query).await
    }

    fn pinned_cluster(&self) -> Option<&ClusterUid> {
        self.pinned.as_ref()
    }
}

#[async_trait]
impl Reviewer for ReadClient {
    async fn review(&self, body: Vec<u8>) -> Result<Bytes, ProviderError> {
        review(&self.wire, body).await
    }
}

#[async_trait]
impl Reviewer for ActClient {
    async fn review(&self, body: Vec<u8>) -> Result<Bytes, ProviderError> {
        review(&self.wire, body).await
    }
}

async fn review(wire: &Wire, body: Vec<u8>) -> Result<Bytes, ProviderError> {
    let target = Target::of(&Method::POST, REVIEWS);
    let content = Some(("application/json", body));
    answered(wire.call(Method::POST, REVIEWS, content).await, &target)
}

async fn get(wire: &Wire, path: &str, parameters: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
    let target = Target::of(&Method::GET, path);
    if !is_plain_path(path) {
        return Err(refused(&target, "is not a path of the API"));
    }
    let full = format!("{path}{}", query(parameters));
    answered(wire.call(Method::GET, &full, None).await, &target)
}

pub(super) fn answered(raw: Result<Raw, Lost>, target: &Target) -> Result<Bytes, ProviderError> {
    let raw = raw.map_err(|lost| unanswered(lost, target).error)?;
    if (200..300).contains(&raw.status) {
        return Ok(raw.body);
    }
    Err(ApiFailure::read(raw.status, raw.retry_after, &raw.body).into_error(target))
}

fn call(target: &Target) -> Call {
    let mut call = Call::new(target.provider, target.operation());
    call.resource = target.resource();
    call
}

fn refused(target: &Target, why: &'static str) -> ProviderError {
    ProviderError::NotSupported {
        call: Box::new(call(target).because(why)),
    }
}

fn unanswered(lost: Lost, target: &Target) -> NoReply {
    let call = |why: Why| Box::new(call(target).because(why));
    let error = match lost.why {
        why @ Why::Credentials(_) => ProviderError::Unauthenticated { call: call(why) },
        why @ Why::TooLarge(_) => ProviderError::Other { call: call(why) },
        why @ Why::Transport(_) => ProviderError::Unavailable { call: call(why) },
    };
    NoReply {
        sent: lost.sent,
        error,
    }
}

/// Whether an answer was larger than the client takes.
pub(super) fn is_too_large(error: &ProviderError) -> bool {
    let source = error.call().source.as_deref();
    source
        .and_then(|source| source.downcast_ref::<Why>())
        .is_some_and(|why| matches!(why, Why::TooLarge(_)))
}

pub(super) fn not_connected(error: ConnectError) -> ProviderError {
    ProviderError::Unauthenticated {
        call: Box::new(Call::new(PROVIDER, "connect").because(error)),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedObject {
    metadata: NamedMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedMeta {
    uid: String,
}

/// The uid in an answer about `kube-system`.
pub(super) fn uid_of(body: &[u8]) -> Result<ClusterUid, ProviderError> {
    let uid = serde_json::from_slice::<NamedObject>(body)
        .map(|object| object.metadata.uid)
        .unwrap_or_default();
    if uid.is_empty() {
        let target = Target::of(&Method::GET, KUBE_SYSTEM);
        return Err(ProviderError::Other {
            call: Box::new(call(&target).because("the answer holds no uid")),
        });
    }
    Ok(ClusterUid::new(uid))
}

/// Fails unless the cluster is the pinned one.
pub(super) fn check_pin(pinned: &ClusterUid, found: &ClusterUid) -> Result<(), ProviderError> {
    if pinned == found {
        return Ok(());
    }
    let why = format!("the cluster is {found}, pinned is {pinned}");
    let target = Target::of(&Method::GET, KUBE_SYSTEM);
    Err(ProviderError::Conflict {
        call: Box::new(call(&target).because(why)),
    })
}

/// What an [`ActClient`] does with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActMode {
    /// Sends nothing at all: every change comes back as not sent.
    #[default]
    Report,
    /// Sends it with `dryRun=All`: the server checks and admits it, and stores
    /// nothing. For an eviction the options in the body must ask for the same.
    ServerDryRun,
    /// Sends it.
    Act,
}

/// A client that can only change things. Every call is one request at most:
/// nothing is repeated, not even on an idle connection that turns out closed.
#[derive(Clone)]
pub struct ActClient {
    wire: Arc<Wire>,
    mode: ActMode,
}

impl fmt::Debug for ActClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActClient")
            .field("wire", &self.wire)
            .field("mode", &self.mode)
            .finish()
    }
}

/// What the server answered to a change, whatever it was.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// When to ask again, where the server says so.
    pub retry_after: Option<TimeDelta>,
    /// The object, or a `Status`.
    pub body: Bytes,
    target: Target,
}

impl Reply {
    /// The body of a success, else the error that the answer stands for.
    ///
    /// # Errors
    /// [`ProviderError`], with an [`ApiFailure`] as the source.
    pub fn into_result(self) -> Result<Bytes, ProviderError> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let failure = ApiFailure::read(self.status, self.retry_after, &self.body);
        Err(failure.into_error(&self.target))
    }
}

/// Why there is no answer to a change.
#[derive(Debug)]
pub struct NoReply {
    /// Whether the request may have reached the server. When it may, nobody
    /// knows whether the change was made.
    pub sent: bool,
    /// What happened.
    pub error: ProviderError,
}

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = if self.sent {
            "may have been"
        } else {
            "was not"
        };
        write!(f, "{} (it {sent} sent)", self.error)
    }
}

impl std::error::Error for NoReply {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl From<NoReply> for ProviderError {
    fn from(lost: NoReply) -> Self {
        lost.error
    }
}

impl ActClient {
    pub(super) fn new(wire: Arc<Wire>, mode: ActMode) -> Self {
        Self { wire, mode }
    }

    /// What it does with a change.
    pub const fn mode(&self) -> ActMode {
        self.mode
    }

    /// Sends one change, once, as its mode has it.
    ///
    /// # Errors
    /// [`NoReply`] when there is no answer at all. An answer that refuses is a
    /// [`Reply`].
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Reply, NoReply> {
        let target = Target::of(&method, path);
        let unsent = |error| NoReply { sent: false, error };
        if !is_plain_path(path) {
            return Err(unsent(refused(&target, "is not a path of the API")));
        }
        if !matches!(
            method,
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE
        ) {
            return Err(unsent(refused(&target, "is no change")));
        }
        let dry_run = match self.mode {
            ActMode::Report => return Err(unsent(refused(&target, "report mode sends no change"))),
            ActMode::ServerDryRun => true,
            ActMode::Act => false,
        };
        let mut parameters = Vec::new();
        if method != Method::DELETE {
            parameters.push(("fieldManager", "cloudoptim"));
        }
        if dry_run {
            parameters.push(("dryRun", "All"));
        }
        let full = format!("{path}{}", query(&parameters));
        tracing::debug!(target = %target, dry_run, "sending a change");
        match self
            .wire
            .call(method, &full, Some((content_type, body)))
            .await
        {
            Ok(Raw {
                status,
                retry_after,
                body,
            }) => Ok(Reply {
                status,
                retry_after,
                body,
                target,
            }),
            Err(lost) => Err(unanswered(lost, &target)),
        }
    }

    /// Reads which cluster this is.
    pub(super) async fn check_cluster(&self, pinned: &ClusterUid) -> Result<(), ProviderError> {
        let body = get(&self.wire, KUBE_SYSTEM, &[]).await?;
        check_pin(pinned, &uid_of(&body)?)
    }
}
