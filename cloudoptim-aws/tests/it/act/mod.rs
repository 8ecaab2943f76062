//! Acting on a real control plane: collect, plan, approve, execute, undo. What
//! was done is what its audit log says.

mod apply;
mod conformance;
mod drain;
mod kill;
mod kinds;
mod lease;
mod policy;
mod roles;
mod rows;
mod small;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use cloudoptim_aws::clock::SystemClock;
use cloudoptim_aws::journal::FileJournal;
use cloudoptim_aws::k8s::act::{Changer, ClusterActuator, DrainConfig, Marks};
use cloudoptim_aws::k8s::{
    ActClient, ActMode, Acting, ClusterReader, ConnectOptions, Connection, ReadOptions, Reader,
    Reading,
};
use cloudoptim_aws::testing::api::Api;
use cloudoptim_aws::testing::plane::AuditEvent;
use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};
use cloudoptim_aws::testing::world::{World, WorldSpec};
use cloudoptim_aws::testing::{kill as points, start_or_skip};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::collect::collect;
use cloudoptim_core::decision::{Action, Decision, PodMove, Subject};
use cloudoptim_core::engines::{EngineId, EngineOutput, Inputs, bin_packing};
use cloudoptim_core::execute::{Environment, ExecuteError, Report, execute};
use cloudoptim_core::guard::{Approval, ApprovedPlan, Limits, Placement};
use cloudoptim_core::journal::{Entry, Journal, JournalError};
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{ClusterUid, NamespacedName, NodeName, Snapshot};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::{
    Actuators, Clock, ClusterActuators, ClusterSources, HealthGate, KillSwitch, Lease,
    NoKillSwitch, ProviderError, Sources,
};
use cloudoptim_core::version::Version;
use http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

const ACTOR: &str = "cloudoptim-act";
const READER: &str = "cloudoptim-read";

/// What each of the two users may do: no more than it needs for drains.
async fn grant(admin: &Api) {
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]},
                     {"nonResourceURLs": ["*"], "verbs": ["get"]}]);
    let act = json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]},
                     {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]}]);
    for (user, rules) in [(READER, all), (ACTOR, act)] {
        let group = "rbac.authorization.k8s.io";
        let role = json!({"metadata": {"name": user}, "rules": rules});
        let binding = json!({"metadata": {"name": user},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}]});
        for (resource, body) in [("clusterroles", role), ("clusterrolebindings", binding)] {
            let path = format!("/apis/{group}/v1/{resource}");
            admin.post(&path, &body).await.unwrap().ok().unwrap();
        }
    }
}

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
        grant(&plane.admin().unwrap()).await;
        let world = World::create(&plane, spec).await.unwrap();
        world.wait_until_running().await.unwrap();
        let kubeconfig = |user| {
            let token = plane.token_for(user, &[]).unwrap();
            plane.kubeconfig_for(&token)
        };
        let (read, act) = (kubeconfig(READER), kubeconfig(ACTOR));
        Some(Self {
            plane,
            world,
            read,
            act,
        })
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

/// What a program has that reads and acts.
struct Hands {
    uid: ClusterUid,
    reader: Arc<dyn Reader>,
    /// Reads what is about to be changed.
    looker: Arc<dyn Reader>,
    sources: Sources,
    clock: Arc<SystemClock>,
    acting: Connection<Acting>,
    /// Whether acts are told as Events.
    tells: bool,
    /// How long a drain may take.
    deadline: TimeDelta,
}

impl Hands {
    async fn open(read: &str, act: &str) -> Self {
        let options = ConnectOptions::default;
        let reading = Connection::<Reading>::from_bytes("read", read.as_bytes(), options());
        let acting = Connection::<Acting>::from_bytes("act", act.as_bytes(), options()).unwrap();
        let reader: Arc<dyn Reader> = Arc::new(reading.unwrap().client().unwrap());
        let clock = Arc::new(SystemClock::default());
        let cluster = ClusterReader::open(reader.clone(), clock.clone(), ReadOptions::default())
            .await
            .unwrap();
        let uid = cluster.uid().clone();
        let sources = Sources {
            clouds: BTreeMap::new(),
            clusters: [(uid.clone(), ClusterSources::of(Arc::new(cluster)))].into(),
        };
        Self {
            uid,
            looker: reader.clone(),
            reader,
            sources,
            clock,
            acting,
            tells: true,
            deadline: TimeDelta::minutes(5),
        }
    }

    /// The same, with only what the roles of the two users give each.
    fn apart(self, act: &str) -> Self {
        let options = ConnectOptions::default();
        let looks = Connection::<Reading>::from_bytes("act", act.as_bytes(), options);
        Self {
            looker: Arc::new(looks.unwrap().client().unwrap()),
            ..self
        }
    }

    /// The same, and acts are not told.
    fn silent(self) -> Self {
        Self {
            tells: false,
            ..self
        }
    }

    async fn snapshot(&self) -> Snapshot {
        collect(&self.sources, self.clock.now(), Knowledge::default()).await
    }

    async fn act_client(&self, plan: &Plan) -> ActClient {
        let id = plan.fingerprint.to_string();
        self.acting.client(&id, ActMode::Act).await.unwrap()
    }

    fn actuators(&self, changer: Arc<dyn Changer>, marks: Marks) -> Actuators {
        // The scheduler of a plane sees a cordon within the second.
        let drain = DrainConfig::default()
            .with_settle(TimeDelta::milliseconds(500))
            .with_deadline(self.deadline);
        let clock: Arc<dyn Clock> = self.clock.clone();
        let actuator = ClusterActuator::new(self.looker.clone(), changer, clock, marks);
        let mut actuator = actuator.with_drain(drain);
        if !self.tells {
            actuator = actuator.without_events();
        }
        Actuators {
            clouds: BTreeMap::new(),
            clusters: [(self.uid.clone(), ClusterActuators::of(Arc::new(actuator)))].into(),
        }
    }

    /// Approves the plan and executes it. Marks are those of `marks`: of the
    /// plan itself, or of the one that it takes back.
    async fn execute(&self, plan: &Plan, marks: &Plan, journal: &dyn Journal) -> Report {
        let client = Arc::new(self.act_client(plan).await);
        self.execute_through(client, plan, marks, journal).await
    }

    async fn execute_through(
        &self,
        changer: Arc<dyn Changer>,
        plan: &Plan,
        marks: &Plan,
        journal: &dyn Journal,
    ) -> Report {
        let limits = limits();
        let care = Care::of(&limits);
        self.run(changer, plan, marks, journal, care).await.unwrap()
    }

    async fn run(
        &self,
        changer: Arc<dyn Changer>,
        plan: &Plan,
        marks: &Plan,
        journal: &dyn Journal,
        care: Care<'_>,
    ) -> Result<Report, ExecuteError> {
        let now = self.clock.now();
        let approval = Approval {
            version: Version::KNOWN,
            fingerprint: plan.fingerprint.clone(),
            by: "ada".to_owned(),
            at: now,
            until: now + TimeDelta::hours(1),
        };
        let approved = ApprovedPlan::new(plan.clone(), approval).unwrap();
        let actuators = self.actuators(changer, Marks::of(marks));
        let environment = Environment {
            sources: &self.sources,
            actuators: &actuators,
            journal,
            clock: &*self.clock,
            kill_switch: care.kill_switch,
            placement: care.placement,
            limits: care.limits,
            gate: care.gate,
            lease: care.lease,
        };
        execute(approved, &environment).await
    }
}

/// What a run is given beside its plan.
#[derive(Clone, Copy)]
struct Care<'a> {
    limits: &'a Limits,
    gate: Option<&'a dyn HealthGate>,
    lease: Option<&'a dyn Lease>,
    kill_switch: &'a dyn KillSwitch,
    placement: &'a dyn Placement,
}

impl<'a> Care<'a> {
    fn of(limits: &'a Limits) -> Self {
        Self {
            limits,
            gate: None,
            lease: None,
            kill_switch: &NoKillSwitch,
            placement: &*ELSEWHERE,
        }
    }
}

static ELSEWHERE: LazyLock<bin_packing::Elsewhere> = LazyLock::new(Default::default);

fn limits() -> Limits {
    Limits::default()
        .with_patience(3, 1, 60)
        .with_pool_percent(100)
        .with_bake_seconds(0)
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

/// Pods that leave when the node is drained.
fn moves(snapshot: &Snapshot, node: &str) -> Vec<PodMove> {
    snapshot.clusters[0]
        .pods
        .items()
        .iter()
        .filter(|p| p.node().is_some_and(|n| n.as_str() == node) && !p.is_finished())
        .map(|p| PodMove {
            pod: NamespacedName::new(p.meta.namespace.as_str(), p.meta.name.as_str()),
            uid: p.meta.uid.clone(),
            to: None,
        })
        .collect()
}

/// A plan that cordons and drains these nodes, each as one decision.
fn drain_plan(snapshot: &Snapshot, nodes: &[&str]) -> Plan {
    let cluster = snapshot.clusters[0].uid.clone();
    let decisions = nodes.iter().map(|name| {
        let node = NodeName::new(*name);
        let actions = vec![
            Action::CordonNode {
                cluster: cluster.clone(),
                node: node.clone(),
            },
            Action::DrainNode {
                cluster: cluster.clone(),
                node: node.clone(),
                moves: moves(snapshot, name),
            },
        ];
        let subject = Subject::Node {
            cluster: cluster.clone(),
            node,
        };
        let reasons = vec![bin_packing::Reason::PodsFitElsewhere { pods: 1, onto: 1 }.into()];
        Decision::act(EngineId::BinPacking, subject, actions, None, reasons)
    });
    let outputs = vec![EngineOutput::new(EngineId::BinPacking, decisions.collect())];
    let inputs = Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog: &Catalog::default(),
        policy: &Policy::default(),
        ledgers: &Ledgers::default(),
    };
    let plan = plan(
        &inputs,
        PlanInput {
            outputs,
            as_given: true,
            ..Default::default()
        },
    );
    assert_eq!(plan.steps.len(), 2 * nodes.len(), "{}", plan.explain());
    plan
}

/// Names of the nodes with the most pods, the fullest first.
fn fullest(snapshot: &Snapshot) -> Vec<String> {
    let cluster = &snapshot.clusters[0];
    let mut nodes: Vec<(usize, String)> = cluster
        .nodes
        .items()
        .iter()
        .filter(|n| !n.unschedulable)
        .map(|n| (moves(snapshot, &n.meta.name).len(), n.meta.name.clone()))
        .collect();
    nodes.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    nodes.into_iter().map(|(_, name)| name).collect()
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
