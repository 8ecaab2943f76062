//! Acting on a real control plane: collect, plan, approve, execute, undo. What
//! was done is what its audit log says.

mod apply;
mod brake;
mod conformance;
mod drain;
mod drains;
mod ghosts;
mod hands;
mod kill;
mod kinds;
mod kubectl;
mod lease;
mod meddling;
mod more_kinds;
mod packing;
mod policy;
mod rehearsal;
mod resize;
mod restored;
mod roles;
mod rounds;
mod rows;
mod small;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use cloudoptim_aws::journal::FileJournal;
use cloudoptim_aws::k8s::act::{Changer, ClusterActuator, Marks};
use cloudoptim_aws::k8s::{
    ActClient, ActMode, Acting, ClusterReader, ConnectOptions, Connection, ReadOptions, Reader,
    Reading,
};
use cloudoptim_aws::testing::endings::Endings;
use cloudoptim_aws::testing::plane::AuditEvent;
use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};
use cloudoptim_aws::testing::world::{World, WorldSpec};
use cloudoptim_aws::testing::{kill as points, start_or_skip};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{Action, Decision, PodMove, Subject};
use cloudoptim_core::engines::{EngineId, EngineOutput, Inputs, bin_packing};
use cloudoptim_core::execute::{Environment, ExecuteError, Report, execute};
use cloudoptim_core::guard::{Approval, ApprovedPlan, Limits, Placement};
use cloudoptim_core::journal::{Entry, Journal, JournalError};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{NamespacedName, NodeName, Snapshot};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::{
    Actuators, Clock, ClusterActuators, Lease, NoKillSwitch, ProviderError,
};
use cloudoptim_core::version::Version;
use hands::{ACTOR, Care, Hands, READER, bind, drain_plan, fullest, grant, limits, moves};
use http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A plane with a world in it, and kubeconfigs of the two users.
struct Scene {
    plane: Plane,
    world: World,
    read: String,
    act: String,
}

impl Scene {
    async fn start(config: PlaneConfig, spec: &WorldSpec) -> Option<Self> {
        let plane = start_or_skip(config).await?;
        Some(Self::on(plane, spec).await)
    }

    /// On a plane whose pods nobody ends but the [`Endings`]. They are there from
    /// the start: a pod that has to go before all is at rest would stay for good.
    async fn start_with_endings(config: PlaneConfig, spec: &WorldSpec) -> Option<(Self, Endings)> {
        let plane = start_or_skip(config).await?;
        let endings = Endings::start(&plane).unwrap();
        Some((Self::on(plane, spec).await, endings))
    }

    async fn on(plane: Plane, spec: &WorldSpec) -> Self {
        grant(&plane.admin().unwrap()).await;
        let world = World::create(&plane, spec).await.unwrap();
        world.wait_until_running().await.unwrap();
        let kubeconfig = |user| {
            let token = plane.token_for(user, &[]).unwrap();
            plane.kubeconfig_for(&token)
        };
        let (read, act) = (kubeconfig(READER), kubeconfig(ACTOR));
        Self {
            plane,
            world,
            read,
            act,
        }
    }

    async fn hands(&self) -> Hands {
        Hands::open(&self.read, &self.act).await
    }

    async fn object(&self, path: &str) -> Value {
        let admin = self.plane.admin().unwrap();
        admin.get(path).await.unwrap().ok().unwrap()
    }

    /// Changes of ours that the server stored.
    fn changes(&self) -> Vec<AuditEvent> {
        let events = self.plane.audit_of(ACTOR).unwrap();
        events
            .into_iter()
            .filter(AuditEvent::changed_something)
            .filter(|e| e.target() != "events")
            .collect()
    }

    /// The whole of what we may have done, by the audit log: nodes patched, and
    /// of the pods of `plans` each evicted once at most, by its uid.
    fn assert_only_planned(&self, plans: &[&Plan]) -> BTreeSet<String> {
        let planned: BTreeMap<String, NamespacedName> = plans
            .iter()
            .flat_map(|plan| &plan.steps)
            .flat_map(|step| match &step.action {
                Action::DrainNode { moves, .. } => moves.as_slice(),
                _ => &[],
            })
            .map(|m| (m.uid.to_string(), m.pod.clone()))
            .collect();
        let mut evicted = BTreeSet::new();
        for event in self.changes() {
            match (event.verb.as_str(), event.target().as_str()) {
                ("patch", "nodes") => {}
                ("create", "pods/eviction") => {
                    let body = event.request_object.as_ref().unwrap();
                    let uid = body["deleteOptions"]["preconditions"]["uid"].as_str();
                    let uid = uid.expect("an eviction names the uid").to_owned();
                    let pod = event.object_ref.as_ref().unwrap();
                    let pod = NamespacedName::new(pod.namespace.as_str(), pod.name.as_str());
                    assert_eq!(planned.get(&uid), Some(&pod), "{uid} was not planned");
                    assert!(evicted.insert(uid), "{pod} was evicted twice");
                }
                (verb, target) => panic!("we did {verb} {target}: {}", event.uri),
            }
            let is_named = plans
                .iter()
                .any(|plan| event.user_agent.contains(&plan.fingerprint.0));
            assert!(is_named, "{} names no plan", event.user_agent);
        }
        evicted
    }
}

/// The journal of a test. The folder goes with the first of the two.
fn journal(hands: &Hands) -> (tempfile::TempDir, FileJournal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = open_journal(hands, &folder.path().join("journal"));
    (folder, journal)
}

fn open_journal(hands: &Hands, path: &Path) -> FileJournal {
    let scope = cloudoptim_core::plan::Scope {
        clusters: vec![hands.uid.clone()],
        ..Default::default()
    };
    FileJournal::open(path, &scope).unwrap()
}

/// Whether none of the pods that were to leave is on its node.
fn is_drained(snapshot: &Snapshot, plan: &Plan) -> bool {
    plan.steps.iter().all(|step| {
        let Action::DrainNode { node, moves, .. } = &step.action else {
            return true;
        };
        !snapshot.clusters[0]
            .pods
            .items()
            .iter()
            .any(|pod| pod.node() == Some(node) && moves.iter().any(|m| m.uid == pod.meta.uid))
    })
}

/// A journal and a client around which a process may be ended.
#[derive(Debug)]
struct Mortal<T>(T);

#[async_trait]
impl Journal for Mortal<FileJournal> {
    async fn id(&self) -> Result<String, JournalError> {
        self.0.id().await
    }

    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        points::point("before an entry");
        self.0.append(entry).await?;
        points::point("after an entry");
        Ok(())
    }

    async fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.0.entries().await
    }
}

#[async_trait]
impl Changer for Mortal<ActClient> {
    async fn change(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, ProviderError> {
        points::point("before a change");
        let answer = self.0.change(method, path, content_type, body).await;
        points::point("after a change");
        answer
    }

    fn mode(&self) -> ActMode {
        self.0.mode()
    }
}
