//! A lease of the cluster itself, so that one process acts on it at a time.
//!
//! It is an object `Lease` of `coordination.k8s.io/v1`, as controllers use for
//! the election of a leader. Every change of it carries the resource version
//! that was read. Its `leaseTransitions` are the fence, and two annotations
//! hold what it knows of the journal:
//!
//! | annotation | value |
//! | --- | --- |
//! | [`JOURNAL_KEY`] `cloudoptim/journal` | name of the journal |
//! | [`JOURNAL_ENTRIES_KEY`] `cloudoptim/journal-entries` | entries that it holds |
//!
//! Who begins with another journal on purpose, and knows that nothing of the
//! old one is left open, takes them away first:
//!
//! ```text
//! kubectl -n <namespace> annotate lease cloudoptim cloudoptim/journal- cloudoptim/journal-entries-
//! ```

use super::act::{Changer, JSON, object::Object, object::path_of};
use super::client::Reader;
use super::status::PROVIDER;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::providers::{
    Call, Clock, Held, JournalMark, Lease, LeaseError, ProviderError,
};
use http::Method;
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Annotation of the lease: name of the journal.
pub const JOURNAL_KEY: &str = "cloudoptim/journal";

/// Annotation of the lease: entries of the journal.
pub const JOURNAL_ENTRIES_KEY: &str = "cloudoptim/journal-entries";

/// Name of the lease, unless another is chosen.
pub const LEASE_NAME: &str = "cloudoptim";

/// Longest that a holder of a lease is waited for, whatever it claims.
const MOST_SECONDS: i64 = 600;

/// How a lease is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseConfig {
    /// Namespace, which must be there. Not one of the system's: nobody who acts
    /// changes anything there.
    pub namespace: String,
    /// Name. Default [`LEASE_NAME`].
    pub name: String,
    /// Who holds it, as people see it. What makes it differ from every other
    /// process is added.
    pub holder: String,
    /// How long it lasts without being renewed, in seconds. Default 15, as in
    /// Kubernetes' own controllers. 3 to 600.
    pub seconds: u32,
}

impl LeaseConfig {
    /// A lease in that namespace, for that holder.
    pub fn new(namespace: impl Into<String>, holder: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: LEASE_NAME.to_owned(),
            holder: holder.into(),
            seconds: 15,
        }
    }

    /// Sets the name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how long it lasts without being renewed; out of range it is the
    /// nearest that is within.
    #[must_use]
    pub fn with_seconds(mut self, seconds: u32) -> Self {
        self.seconds = seconds.clamp(3, 600);
        self
    }
}

/// A lease in a cluster. The reader must be able to get it, the changer to
/// create and update it: [`ActRole::with_lease`](super::act::ActRole::with_lease).
#[derive(Debug)]
pub struct ClusterLease {
    read: Arc<dyn Reader>,
    act: Arc<dyn Changer>,
    clock: Arc<dyn Clock>,
    config: LeaseConfig,
    holder: String,
    /// As it was last stored by us. One change at a time.
    ours: Mutex<Option<Object>>,
}

impl ClusterLease {
    /// For this process.
    pub fn new(
        read: Arc<dyn Reader>,
        act: Arc<dyn Changer>,
        clock: Arc<dyn Clock>,
        config: LeaseConfig,
    ) -> Self {
        // Seeded by the system, so no two processes are called the same, not
        // even one after the other.
        let part = RandomState::new().hash_one(&config.holder);
        let holder = format!("{}-{part:016x}", config.holder);
        Self {
            read,
            act,
            clock,
            config,
            holder,
            ours: Mutex::new(None),
        }
    }

    /// Who this process is in the lease.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    fn paths(&self) -> Result<(String, String), ProviderError> {
        let LeaseConfig {
            namespace, name, ..
        } = &self.config;
        let one = path_of("coordination.k8s.io/v1", "Lease", namespace, name)?;
        let all = one.rsplit_once('/').map_or("", |(all, _)| all).to_owned();
        Ok((one, all))
    }

    fn held(&self, lease: &Object) -> Held {
        Held {
            holder: self.holder.clone(),
            fence: fence(lease),
            lasts: TimeDelta::seconds(i64::from(self.config.seconds)),
        }
    }

    /// The lease as we want it.
    fn filled(&self, mut lease: Object, transitions: u64, mark: &JournalMark) -> Object {
        let now = stamp(self.clock.now());
        let is_ours = holder(&lease) == self.holder;
        lease.annotate(JOURNAL_KEY, Some(&mark.journal));
        lease.annotate(JOURNAL_ENTRIES_KEY, Some(&mark.entries.to_string()));
        let spec = lease.map(&["spec"]);
        spec.insert("holderIdentity".to_owned(), self.holder.as_str().into());
        spec.insert(
            "leaseDurationSeconds".to_owned(),
            self.config.seconds.into(),
        );
        spec.insert("leaseTransitions".to_owned(), transitions.into());
        spec.insert("renewTime".to_owned(), now.as_str().into());
        if !is_ours {
            spec.insert("acquireTime".to_owned(), now.into());
        }
        lease
    }

    async fn store(
        &self,
        method: Method,
        path: &str,
        lease: &Object,
    ) -> Result<Object, ProviderError> {
        let body = lease.0.to_string().into_bytes();
        let answer = self.act.change(method, path, JSON, body).await?;
        Object::parse(path, &answer)
    }

    /// The lease as it is when nobody has held it for long enough.
    async fn free(&self, path: &str, mark: &JournalMark) -> Result<Option<Object>, LeaseError> {
        let mut watched: Option<(String, TimeDelta)> = None;
        loop {
            let lease = match Object::read(&*self.read, path).await {
                Ok(lease) => lease,
                Err(ProviderError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(LeaseError::Unavailable(error)),
            };
            if let Some(known) = known(&lease, path)? {
                mark.follows(&known)?;
            }
            let by = holder(&lease);
            if by.is_empty() || by == self.holder {
                return Ok(Some(lease));
            }
            // Its clock may be wrong: what counts is how long we see nothing.
            let now = self.clock.monotonic();
            let version = lease.resource_version().to_owned();
            let since = match &watched {
                None => now,
                Some((before, since)) if *before == version => *since,
                Some(_) => {
                    return Err(LeaseError::Taken {
                        holder: by.to_owned(),
                    });
                }
            };
            let left = lasts(&lease) - (now - since);
            if left <= TimeDelta::zero() {
                return Ok(Some(lease));
            }
            watched = Some((version, since));
            let look = lasts(&lease) / 5;
            self.clock.sleep(look.min(left)).await;
        }
    }

    async fn who_has_it(&self, path: &str) -> Result<Object, LeaseError> {
        match Object::read(&*self.read, path).await {
            Ok(lease) => Ok(lease),
            Err(ProviderError::NotFound { .. }) => Err(LeaseError::Lost {
                holder: self.holder.clone(),
                by: "nobody: it was deleted".to_owned(),
            }),
            Err(error) => Err(LeaseError::Unavailable(error)),
        }
    }

    /// The lease as we have it, or who has it.
    fn still_ours(&self, lease: Object, held: &Held) -> Result<Object, LeaseError> {
        let by = holder(&lease);
        if by == self.holder && fence(&lease) == held.fence {
            return Ok(lease);
        }
        let by = match by {
            "" => "nobody: it was given back".to_owned(),
            by => by.to_owned(),
        };
        Err(LeaseError::Lost {
            holder: self.holder.clone(),
            by,
        })
    }
}

#[async_trait]
impl Lease for ClusterLease {
    async fn acquire(&self, mark: &JournalMark) -> Result<Held, LeaseError> {
        let (one, all) = self.paths().map_err(LeaseError::Unavailable)?;
        let mut ours = self.ours.lock().await;
        let stored = match self.free(&one, mark).await? {
            None => {
                let new = Object(json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                    "metadata": {"name": self.config.name, "namespace": self.config.namespace},
                }));
                let new = self.filled(new, 1, mark);
                self.store(Method::POST, &all, &new).await
            }
            Some(lease) => {
                let transitions = fence(&lease).saturating_add(1);
                let next = self.filled(lease, transitions, mark);
                self.store(Method::PUT, &one, &next).await
            }
        };
        match stored {
            Ok(lease) => {
                let held = self.held(&lease);
                *ours = Some(lease);
                Ok(held)
            }
            // Somebody was faster.
            Err(ProviderError::Conflict { .. }) => {
                let lease = self.who_has_it(&one).await?;
                Err(LeaseError::Taken {
                    holder: holder(&lease).to_owned(),
                })
            }
            Err(error) => Err(LeaseError::Unavailable(error)),
        }
    }

    async fn renew(&self, held: &Held, mark: &JournalMark) -> Result<(), LeaseError> {
        let (one, _) = self.paths().map_err(LeaseError::Unavailable)?;
        let mut ours = self.ours.lock().await;
        // Twice: an answer to the last renewal may have been lost.
        for may_be_behind in [true, false] {
            let lease = match ours.take() {
                Some(lease) => lease,
                None => self.who_has_it(&one).await?,
            };
            let lease = self.still_ours(lease, held)?;
            let next = self.filled(lease.clone(), held.fence, mark);
            match self.store(Method::PUT, &one, &next).await {
                Ok(lease) => {
                    *ours = Some(lease);
                    return Ok(());
                }
                Err(ProviderError::Conflict { .. }) if may_be_behind => {}
                Err(ProviderError::NotFound { .. }) => {
                    return Err(LeaseError::Lost {
                        holder: self.holder.clone(),
                        by: "nobody: it was deleted".to_owned(),
                    });
                }
                Err(error) => return Err(LeaseError::Unavailable(error)),
            }
        }
        Err(LeaseError::Unavailable(ProviderError::Conflict {
            call: Box::new(Call::new(PROVIDER, "renew").on(one)),
        }))
    }

    async fn release(&self, held: &Held) -> Result<(), LeaseError> {
        let (one, _) = self.paths().map_err(LeaseError::Unavailable)?;
        let mut ours = self.ours.lock().await;
        *ours = None;
        let lease = match self.who_has_it(&one).await {
            Err(LeaseError::Lost { .. }) => return Ok(()),
            lease => lease?,
        };
        let Ok(mut lease) = self.still_ours(lease, held) else {
            return Ok(());
        };
        lease
            .map(&["spec"])
            .insert("holderIdentity".to_owned(), "".into());
        match self.store(Method::PUT, &one, &lease).await {
            Ok(_) | Err(ProviderError::NotFound { .. } | ProviderError::Conflict { .. }) => Ok(()),
            Err(error) => Err(LeaseError::Unavailable(error)),
        }
    }
}

fn holder(lease: &Object) -> &str {
    lease.text("/spec/holderIdentity")
}

fn fence(lease: &Object) -> u64 {
    let transitions = lease.0.pointer("/spec/leaseTransitions");
    transitions.and_then(Value::as_u64).unwrap_or(0)
}

fn lasts(lease: &Object) -> TimeDelta {
    let seconds = lease.0.pointer("/spec/leaseDurationSeconds");
    // One that does not say is waited for as long as any may last.
    let seconds = seconds.and_then(Value::as_i64).unwrap_or(MOST_SECONDS);
    TimeDelta::seconds(seconds.clamp(1, MOST_SECONDS))
}

/// What the lease knows of a journal.
fn known(lease: &Object, path: &str) -> Result<Option<JournalMark>, LeaseError> {
    let (journal, entries) = (
        lease.annotation(JOURNAL_KEY),
        lease.annotation(JOURNAL_ENTRIES_KEY),
    );
    match (journal, entries.map(str::parse)) {
        (None, None) => Ok(None),
        (Some(journal), Some(Ok(entries))) => Ok(Some(JournalMark {
            journal: journal.to_owned(),
            entries,
        })),
        _ => {
            let why =
                format!("{JOURNAL_KEY} and {JOURNAL_ENTRIES_KEY} are {journal:?}, {entries:?}");
            Err(LeaseError::Unavailable(ProviderError::Other {
                call: Box::new(Call::new(PROVIDER, "get").on(path).because(why)),
            }))
        }
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
