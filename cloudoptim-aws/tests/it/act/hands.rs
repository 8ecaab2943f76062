//! What a program has that reads a cluster and drains its nodes.

use chrono::TimeDelta;
use cloudoptim_aws::clock::SystemClock;
use cloudoptim_aws::k8s::act::{Changer, ClusterActuator, DrainConfig, Marks};
use cloudoptim_aws::k8s::{
    ActClient, ActMode, Acting, ClusterReader, ConnectOptions, Connection, ReadOptions, Reader,
    Reading,
};
use cloudoptim_aws::testing::api::Api;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::collect::collect;
use cloudoptim_core::decision::{Action, Decision, PodMove, Subject};
use cloudoptim_core::engines::{EngineId, EngineOutput, Inputs, bin_packing};
use cloudoptim_core::execute::{Environment, ExecuteError, Report, execute};
use cloudoptim_core::guard::{Approval, ApprovedPlan, Limits, Placement};
use cloudoptim_core::journal::Journal;
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{ClusterUid, NamespacedName, NodeName, Snapshot};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{Plan, PlanInput, plan};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::{
    Actuators, Clock, ClusterActuators, ClusterSources, HealthGate, KillSwitch, Lease,
    NoKillSwitch, Sources,
};
use cloudoptim_core::version::Version;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

pub(crate) const ACTOR: &str = "cloudoptim-act";
pub(crate) const READER: &str = "cloudoptim-read";

/// What each of the two users may do: no more than it needs for drains.
pub(crate) async fn grant(admin: &Api) {
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]},
                     {"nonResourceURLs": ["*"], "verbs": ["get"]}]);
    let act = json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]},
                     {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]}]);
    for (user, rules) in [(READER, all), (ACTOR, act)] {
        bind(admin, user, user, &rules).await;
    }
}

/// Grants a user these rules in the whole cluster, as a role of that name.
pub(crate) async fn bind(admin: &Api, name: &str, user: &str, rules: &Value) {
    let group = "rbac.authorization.k8s.io";
    let role = json!({"metadata": {"name": name}, "rules": rules});
    let binding = json!({"metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}]});
    for (resource, body) in [("clusterroles", role), ("clusterrolebindings", binding)] {
        let path = format!("/apis/{group}/v1/{resource}");
        admin.post(&path, &body).await.unwrap().ok().unwrap();
    }
}

/// What a program has that reads and acts.
pub(crate) struct Hands {
    pub(crate) uid: ClusterUid,
    pub(crate) reader: Arc<dyn Reader>,
    /// Reads what is about to be changed.
    pub(crate) looker: Arc<dyn Reader>,
    pub(crate) sources: Sources,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) acting: Connection<Acting>,
    pub(crate) limits: Limits,
    pub(crate) drain: DrainConfig,
    /// Whether acts are told as Events.
    tells: bool,
    /// Keeps the pace for the plans that are executed side by side.
    pace: OnceLock<ClusterActuator>,
}

impl Hands {
    pub(crate) async fn open(read: &str, act: &str) -> Self {
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
            limits: limits(),
            // The scheduler of a plane sees a cordon within the second.
            drain: DrainConfig::default()
                .with_settle(TimeDelta::milliseconds(500))
                .with_deadline(TimeDelta::minutes(5)),
            tells: true,
            pace: OnceLock::new(),
        }
    }

    /// The same, with only what the roles of the two users give each.
    pub(crate) fn apart(self, act: &str) -> Self {
        let options = ConnectOptions::default();
        let looks = Connection::<Reading>::from_bytes("act", act.as_bytes(), options);
        Self {
            looker: Arc::new(looks.unwrap().client().unwrap()),
            ..self
        }
    }

    /// The same, and acts are not told.
    pub(crate) fn silent(self) -> Self {
        Self {
            tells: false,
            ..self
        }
    }

    /// Reads through another reader from here on.
    pub(crate) async fn read_through(&mut self, reader: Arc<dyn Reader>) {
        let (read, clock) = (reader.clone(), self.clock.clone());
        let cluster = ClusterReader::open(read, clock, ReadOptions::default());
        let cluster = Arc::new(cluster.await.unwrap());
        let sources = ClusterSources::of(cluster);
        self.sources.clusters.insert(self.uid.clone(), sources);
        self.looker = reader.clone();
        self.reader = reader;
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        collect(&self.sources, self.clock.now(), Knowledge::default()).await
    }

    pub(crate) async fn act_client(&self, plan: &Plan) -> ActClient {
        let id = plan.fingerprint.to_string();
        self.acting.client(&id, ActMode::Act).await.unwrap()
    }

    pub(crate) fn actuators(&self, changer: Arc<dyn Changer>, marks: Marks) -> Actuators {
        let pace = self.pace.get_or_init(|| {
            let clock: Arc<dyn Clock> = self.clock.clone();
            let (look, act) = (self.looker.clone(), changer.clone());
            let actuator = ClusterActuator::new(look, act, clock, marks.clone());
            let actuator = actuator.with_drain(self.drain);
            if self.tells {
                actuator
            } else {
                actuator.without_events()
            }
        });
        let actuator = pace.for_plan(changer, marks);
        Actuators {
            clouds: BTreeMap::new(),
            clusters: [(self.uid.clone(), ClusterActuators::of(Arc::new(actuator)))].into(),
        }
    }

    /// Approves the plan and executes it. Marks are those of `marks`: of the
    /// plan itself, or of the one that it takes back.
    pub(crate) async fn execute(&self, plan: &Plan, marks: &Plan, journal: &dyn Journal) -> Report {
        let client = Arc::new(self.act_client(plan).await);
        self.execute_through(client, plan, marks, journal).await
    }

    pub(crate) async fn execute_through(
        &self,
        changer: Arc<dyn Changer>,
        plan: &Plan,
        marks: &Plan,
        journal: &dyn Journal,
    ) -> Report {
        let care = Care::of(&self.limits);
        self.run(changer, plan, marks, journal, care).await.unwrap()
    }

    pub(crate) async fn run(
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
pub(crate) struct Care<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) gate: Option<&'a dyn HealthGate>,
    pub(crate) lease: Option<&'a dyn Lease>,
    pub(crate) kill_switch: &'a dyn KillSwitch,
    pub(crate) placement: &'a dyn Placement,
}

impl<'a> Care<'a> {
    pub(crate) fn of(limits: &'a Limits) -> Self {
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

pub(crate) fn limits() -> Limits {
    Limits::default()
        .with_patience(3, 1, 60)
        .with_pool_percent(100)
        .with_bake_seconds(0)
}

/// Pods that leave when the node is drained.
pub(crate) fn moves(snapshot: &Snapshot, node: &str) -> Vec<PodMove> {
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
pub(crate) fn drain_plan(snapshot: &Snapshot, nodes: &[&str]) -> Plan {
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
        deadline: None,
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
pub(crate) fn fullest(snapshot: &Snapshot) -> Vec<String> {
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
