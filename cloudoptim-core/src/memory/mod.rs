//! Every provider trait over a [`Snapshot`], without a network.
//!
//! For tests and for trying things: what acts do is visible in later reads,
//! what the snapshot does not know stays unknown, and [`Fault`]s can be put
//! between. It keeps the contract of [`providers`](crate::providers), checked
//! by the same suite as any other provider.
//!
//! ```
//! use chrono::DateTime;
//! use cloudoptim_core::{memory::{InMemory, ManualClock}, model::Snapshot};
//! use std::sync::Arc;
//!
//! let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
//! let world = InMemory::new(Snapshot::new(DateTime::UNIX_EPOCH), clock);
//! assert!(world.sources().clusters.is_empty());
//! assert!(world.acts().is_empty());
//! ```

mod act;
mod lease;
mod nodes;
mod sources;

pub use lease::InMemoryLease;

use crate::decision::Action;
use crate::guard::Permit;
use crate::knowledge::Knowledge;
use crate::model::{AccountId, Cloud, Cluster, ClusterUid, Region, Snapshot};
use crate::providers::{
    Actuators, Call, Clock, CloudActuators, CloudSources, ClusterActuators, ClusterSources,
    KillSwitch, ProviderError, Sources,
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// [`ProviderError::Throttled`]; nothing is done.
    Throttled,
    /// [`ProviderError::Conflict`]; nothing is done.
    Conflict,
    /// [`ProviderError::PermissionDenied`]; nothing is done.
    Denied,
    /// [`ProviderError::InsufficientCapacity`]; nothing is done.
    NoCapacity,
    /// [`ProviderError::Unavailable`] before the call has its effect.
    LostRequest,
    /// [`ProviderError::Unavailable`] after the call has had its effect.
    LostAnswer,
    /// The call never returns; its effect is had if it is an act.
    HangsAfter,
    /// The call never returns, and has no effect.
    HangsBefore,
}

/// What goes wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Operation, such as `list_nodes` or `delete_volume`; any when `None`.
    pub operation: Option<String>,
    /// At which call of the operation (of all, when it is any), from 0.
    pub nth: u64,
    /// How often in a row.
    pub times: u64,
    /// What goes wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// The `nth` call of the operation, from 0, goes wrong once.
    pub fn once(operation: &str, nth: u64, kind: FaultKind) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            nth,
            times: 1,
            kind,
        }
    }

    /// Every call of the operation goes wrong.
    pub fn always(operation: &str, kind: FaultKind) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            nth: 0,
            times: u64::MAX,
            kind,
        }
    }

    /// The `nth` of all calls, from 0, goes wrong once.
    pub const fn at_call(nth: u64, kind: FaultKind) -> Self {
        Self {
            operation: None,
            nth,
            times: 1,
            kind,
        }
    }
}

/// An act that had its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Idempotency key.
    pub key: String,
    /// What.
    pub action: Action,
}

#[derive(Debug)]
struct State {
    world: Snapshot,
    faults: Vec<Fault>,
    calls: Vec<String>,
    acts: Vec<Act>,
    keys: BTreeSet<String>,
    identities: BTreeMap<String, String>,
}

/// A world in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct InMemory {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

/// One account and region of an [`InMemory`] world.
#[derive(Debug, Clone)]
pub struct InMemoryCloud {
    memory: InMemory,
    account: AccountId,
    region: Region,
}

/// One cluster of an [`InMemory`] world.
#[derive(Debug, Clone)]
pub struct InMemoryCluster {
    memory: InMemory,
    uid: ClusterUid,
}

impl InMemory {
    /// A world that is as the snapshot says. Its reads are observed at the
    /// clock's time.
    pub fn new(world: Snapshot, clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                world,
                faults: Vec::new(),
                calls: Vec::new(),
                acts: Vec::new(),
                keys: BTreeSet::new(),
                identities: BTreeMap::new(),
            })),
            clock,
        }
    }

    /// Adds a fault. Calls are counted from the beginning of the world.
    #[must_use]
    pub fn with_fault(self, fault: Fault) -> Self {
        self.lock().faults.push(fault);
        self
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Makes a handle talk to something else: `scope` as `account/region` or a
    /// cluster's uid.
    pub fn answer_as(&self, scope: &str, as_scope: &str) {
        self.lock()
            .identities
            .insert(scope.to_owned(), as_scope.to_owned());
    }

    /// Changes the world behind everybody's back.
    pub fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.lock().world);
    }

    /// The world as it is.
    pub fn world(&self) -> Snapshot {
        self.lock().world.clone()
    }

    /// Every call so far, reads too.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// Every act that had its effect, in order.
    pub fn acts(&self) -> Vec<Act> {
        self.lock().acts.clone()
    }

    /// The account and region.
    pub fn cloud(&self, account: &AccountId, region: &Region) -> Arc<InMemoryCloud> {
        Arc::new(InMemoryCloud {
            memory: self.clone(),
            account: account.clone(),
            region: region.clone(),
        })
    }

    /// The cluster.
    pub fn cluster(&self, uid: &ClusterUid) -> Arc<InMemoryCluster> {
        Arc::new(InMemoryCluster {
            memory: self.clone(),
            uid: uid.clone(),
        })
    }

    /// Handles that read everything in the world.
    pub fn sources(&self) -> Sources {
        let world = self.world();
        Sources {
            clouds: world
                .clouds
                .iter()
                .map(|c| {
                    let handle = self.cloud(&c.account, &c.region);
                    (
                        (c.account.clone(), c.region.clone()),
                        CloudSources::of(handle),
                    )
                })
                .collect(),
            clusters: world
                .clusters
                .iter()
                .map(|c| (c.uid.clone(), ClusterSources::of(self.cluster(&c.uid))))
                .collect(),
        }
    }

    /// Handles that change everything in the world.
    pub fn actuators(&self) -> Actuators {
        let world = self.world();
        Actuators {
            clouds: world
                .clouds
                .iter()
                .map(|c| {
                    let handle = self.cloud(&c.account, &c.region);
                    (
                        (c.account.clone(), c.region.clone()),
                        CloudActuators::of(handle),
                    )
                })
                .collect(),
            clusters: world
                .clusters
                .iter()
                .map(|c| (c.uid.clone(), ClusterActuators::of(self.cluster(&c.uid))))
                .collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and says what goes wrong with it.
    fn enter(&self, operation: &str) -> Option<FaultKind> {
        let mut state = self.lock();
        let count = |calls: usize| u64::try_from(calls).unwrap_or(u64::MAX);
        let of_all = count(state.calls.len());
        let of_it = count(state.calls.iter().filter(|c| *c == operation).count());
        state.calls.push(operation.to_owned());
        let hit = state.faults.iter().find(|fault| {
            let nth = match &fault.operation {
                None => of_all,
                Some(name) if name == operation => of_it,
                Some(_) => return false,
            };
            nth >= fault.nth && nth - fault.nth < fault.times
        });
        hit.map(|fault| fault.kind)
    }

    async fn read<T>(
        &self,
        operation: &str,
        part: impl FnOnce(&Snapshot) -> Option<Knowledge<T>>,
    ) -> Result<Knowledge<T>, ProviderError> {
        if let Some(kind) = self.enter(operation) {
            fail(operation, "", kind).await?;
        }
        let part = part(&self.lock().world).unwrap_or_default();
        Ok(stamped(part, self.clock.now()))
    }

    async fn act(
        &self,
        operation: &str,
        permit: &Permit,
        allowed: bool,
        change: impl FnOnce(&mut Snapshot, DateTime<Utc>) -> Result<(), ProviderError> + Send,
    ) -> Result<(), ProviderError> {
        let resource = permit.action().resource();
        let fault = self.enter(operation);
        if let Some(kind) = fault
            && !matches!(kind, FaultKind::LostAnswer | FaultKind::HangsAfter)
        {
            fail(operation, &resource, kind).await?;
        }
        if !allowed {
            return Err(ProviderError::Conflict {
                call: Box::new(call(operation, &resource).because("the permit is for another act")),
            });
        }
        self.done_once(operation, permit, change)?;
        if let Some(kind) = fault {
            fail(operation, &resource, kind).await?;
        }
        Ok(())
    }

    fn done_once(
        &self,
        operation: &str,
        permit: &Permit,
        change: impl FnOnce(&mut Snapshot, DateTime<Utc>) -> Result<(), ProviderError>,
    ) -> Result<(), ProviderError> {
        let mut state = self.lock();
        if state.keys.contains(permit.key()) {
            return Ok(());
        }
        act::still_so(operation, permit, &state.world)?;
        change(&mut state.world, self.clock.now())?;
        state.keys.insert(permit.key().to_owned());
        state.acts.push(Act {
            key: permit.key().to_owned(),
            action: permit.action().clone(),
        });
        Ok(())
    }
}

fn call(operation: &str, resource: &str) -> Call {
    Call::new("memory", operation).on(resource)
}

async fn fail(operation: &str, resource: &str, kind: FaultKind) -> Result<(), ProviderError> {
    let call = Box::new(call(operation, resource).because("injected"));
    Err(match kind {
        FaultKind::Throttled => ProviderError::Throttled {
            retry_after: Some(TimeDelta::seconds(1)),
            call,
        },
        FaultKind::Conflict => ProviderError::Conflict { call },
        FaultKind::Denied => ProviderError::PermissionDenied {
            permission: operation.to_owned(),
            call,
        },
        FaultKind::NoCapacity => ProviderError::InsufficientCapacity { call },
        FaultKind::LostRequest | FaultKind::LostAnswer => ProviderError::Unavailable { call },
        FaultKind::HangsAfter | FaultKind::HangsBefore => {
            std::future::pending::<()>().await;
            ProviderError::Unavailable { call }
        }
    })
}

fn stamped<T>(mut part: Knowledge<T>, now: DateTime<Utc>) -> Knowledge<T> {
    match &mut part {
        Knowledge::Complete { provenance, .. } | Knowledge::Partial { provenance, .. } => {
            provenance.observed_at = Some(now);
        }
        Knowledge::Unknown { .. } => {}
    }
    part
}

fn cloud_in<'a>(world: &'a Snapshot, account: &AccountId, region: &Region) -> Option<&'a Cloud> {
    world
        .clouds
        .iter()
        .find(|c| c.account == *account && c.region == *region)
}

fn cluster_in<'a>(world: &'a mut Snapshot, uid: &ClusterUid) -> Option<&'a mut Cluster> {
    world.clusters.iter_mut().find(|c| c.uid == *uid)
}

/// A clock that goes only when it is told to, or slept on.
#[derive(Debug)]
pub struct ManualClock {
    start: DateTime<Utc>,
    gone: Mutex<TimeDelta>,
    jumped: Mutex<TimeDelta>,
}

impl ManualClock {
    /// Stands at `start`.
    pub const fn at(start: DateTime<Utc>) -> Self {
        Self {
            start,
            gone: Mutex::new(TimeDelta::zero()),
            jumped: Mutex::new(TimeDelta::zero()),
        }
    }

    /// Time goes by.
    pub fn advance(&self, span: TimeDelta) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        *gone += span;
    }

    /// The wall clock jumps; no time goes by.
    pub fn jump(&self, span: TimeDelta) {
        let mut jumped = self.jumped.lock().unwrap_or_else(PoisonError::into_inner);
        *jumped += span;
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        let jumped = *self.jumped.lock().unwrap_or_else(PoisonError::into_inner);
        self.start + self.monotonic() + jumped
    }

    fn monotonic(&self) -> TimeDelta {
        *self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, span: TimeDelta) {
        self.advance(span);
    }
}

/// A kill switch in memory, on from the `n`-th look on.
#[derive(Debug, Default)]
pub struct ManualKillSwitch {
    looks: Mutex<u64>,
    on_from: Option<u64>,
}

impl ManualKillSwitch {
    /// On from that look on, counted from 0.
    pub const fn on_from(look: u64) -> Self {
        Self {
            looks: Mutex::new(0),
            on_from: Some(look),
        }
    }
}

#[async_trait]
impl KillSwitch for ManualKillSwitch {
    async fn is_on(&self) -> Result<bool, ProviderError> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let on = self.on_from.is_some_and(|from| *looks >= from);
        *looks += 1;
        Ok(on)
    }
}
