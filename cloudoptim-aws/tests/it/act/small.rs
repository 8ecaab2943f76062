//! A bare plane whose objects change only when somebody changes them, with users
//! that hold the generated roles.

use super::policy::apply;
use super::*;
use cloudoptim_aws::k8s::act::{ActRole, act_manifests};
use cloudoptim_aws::k8s::{ClusterLease, LeaseConfig, ReadRole, Subject as Who, read_manifests};
use cloudoptim_aws::testing::world::{bound_pod, running};
use cloudoptim_core::decision::ObjectRef;
use cloudoptim_core::engines::office_hours::MARK;
use cloudoptim_core::model::{Bytes, Cluster, ContainerResources, MilliCpu, Uid, WorkloadRef};
use std::time::Duration;

pub(super) const SHOP: &str = "shop";
const APPS: &str = "/apis/apps/v1/namespaces/shop";
const BATCH: &str = "/apis/batch/v1/namespaces/shop";

/// Any place will do: these worlds have no scheduler.
#[derive(Debug)]
pub(super) struct Anywhere;

impl Placement for Anywhere {
    fn fits_elsewhere(&self, _: &Cluster, _: &NodeName, _: &[Uid]) -> Result<(), String> {
        Ok(())
    }
}

pub(super) fn role() -> ActRole {
    ActRole::new(ACTOR, Who::User(ACTOR.to_owned()))
        .in_namespaces(&[SHOP.to_owned()])
        .with_lease(SHOP, "cloudoptim")
        .with_kill_switch(SHOP, "brake")
}

pub(super) struct Small {
    pub(super) plane: Plane,
    pub(super) read: String,
    pub(super) act: String,
}

impl Small {
    /// A plane, the namespace `shop`, and the two users.
    pub(super) async fn start() -> Option<Self> {
        Self::start_on(PlaneConfig::bare()).await
    }

    pub(super) async fn start_on(config: PlaneConfig) -> Option<Self> {
        let plane = start_or_skip(config).await?;
        let admin = plane.admin().unwrap();
        let shop = json!({"metadata": {"name": SHOP}});
        admin
            .post("/api/v1/namespaces", &shop)
            .await
            .unwrap()
            .ok()
            .unwrap();
        let reader = ReadRole::new(READER, Who::User(READER.to_owned()));
        apply(&admin, &read_manifests(&reader)).await;
        apply(&admin, &act_manifests(&role())).await;
        let kubeconfig = |user| plane.kubeconfig_for(&plane.token_for(user, &[]).unwrap());
        let (read, act) = (kubeconfig(READER), kubeconfig(ACTOR));
        let small = Self { plane, read, act };
        // Roles hold a moment after they are made.
        for user in [READER, ACTOR] {
            small.until_allowed(user).await;
        }
        Some(small)
    }

    async fn until_allowed(&self, user: &str) {
        let (verb, resource) = match user {
            READER => ("list", "pods"),
            _ => ("patch", "nodes"),
        };
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": verb, "resource": resource}}});
        let token = self.plane.token_for(user, &[]).unwrap();
        let api = self.plane.api(&token).unwrap();
        for _ in 0..200 {
            let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
            let answer = api.post(path, &review).await.unwrap().ok().unwrap();
            if answer["status"]["allowed"] == true {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{user} may not {verb} {resource}");
    }

    pub(super) async fn hands(&self) -> Hands {
        Hands::open(&self.read, &self.act).await.apart(&self.act)
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        let admin = self.plane.admin().unwrap();
        admin.post(path, &body).await.unwrap().ok().unwrap()
    }

    pub(super) async fn patch(&self, path: &str, body: Value) -> Value {
        let admin = self.plane.admin().unwrap();
        let kind = cloudoptim_aws::testing::api::PatchKind::Merge;
        admin.patch(path, kind, &body).await.unwrap().ok().unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let admin = self.plane.admin().unwrap();
        admin.get(path).await.unwrap().ok().unwrap()
    }

    /// Changes that we made for a plan, as verb, resource and name.
    pub(super) fn changes_of(&self, plan: &Plan) -> Vec<(String, String, String)> {
        let events = self.plane.audit_of(ACTOR).unwrap();
        events
            .into_iter()
            .filter(|e| e.changed_something() && e.user_agent.contains(&plan.fingerprint.0))
            .filter(|e| !matches!(e.target().as_str(), "events" | "leases"))
            .map(|e| {
                let name = e.object_ref.as_ref().map(|o| o.name.clone());
                (e.verb.clone(), e.target(), name.unwrap_or_default())
            })
            .collect()
    }

    /// A lease of the act user, who may read it, too.
    pub(super) fn lease(
        &self,
        hands: &Hands,
        changer: Arc<dyn Changer>,
        seconds: u32,
    ) -> ClusterLease {
        self.lease_through(hands, changer, &self.act, seconds)
    }

    pub(super) fn lease_through(
        &self,
        hands: &Hands,
        changer: Arc<dyn Changer>,
        kubeconfig: &str,
        seconds: u32,
    ) -> ClusterLease {
        lease_of(hands, changer, kubeconfig, seconds)
    }

    /// One of each kind of object, called after `name`.
    pub(super) async fn make(&self, name: &str) {
        let template = |app: &str| {
            json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": [
                {"name": "main", "image": "example.test/main:1", "resources": {
                    "requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}},
                {"name": "side", "image": "example.test/side:1"}]}})
        };
        for (app, replicas) in [("api", 3), ("job", 0), ("web", 2), ("db", 2), ("zone", 2)] {
            let app = format!("{app}-{name}");
            let body = json!({"metadata": {"name": app}, "spec": {"replicas": replicas,
                "selector": {"matchLabels": {"app": app}}, "template": template(&app)}});
            self.post(&format!("{APPS}/deployments"), body).await;
        }
        let mut job = template("night");
        job["spec"]["restartPolicy"] = json!("Never");
        let cron = json!({"metadata": {"name": format!("night-{name}")}, "spec": {
            "schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": job}}}});
        self.post(&format!("{BATCH}/cronjobs"), cron).await;
        for service in ["svc", "top"] {
            let body = json!({"metadata": {"name": format!("{service}-{name}")},
                "spec": {"ports": [{"port": 80}]}});
            self.post("/api/v1/namespaces/shop/services", body).await;
        }
        self.node(&format!("n-{name}"), 3).await;
    }

    /// A ready node with that many pods, which end at once when evicted.
    pub(super) async fn node(&self, node: &str, pods: usize) {
        let amounts = json!({"cpu": "8", "memory": "32Gi", "pods": "110"});
        let body = json!({"metadata": {"name": node, "labels": {"kubernetes.io/hostname": node}},
            "status": {"capacity": amounts, "allocatable": amounts,
                "conditions": [{"type": "Ready", "status": "True", "reason": "Test"}]}});
        self.post("/api/v1/nodes", body).await;
        for pod in 0..pods {
            let pod = format!("{node}-{pod}");
            let mut body = bound_pod(SHOP, &pod, node);
            body["spec"]["terminationGracePeriodSeconds"] = json!(0);
            body["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1",
                "kind": "ReplicaSet", "name": "set", "uid": "set", "controller": true}]);
            self.post("/api/v1/namespaces/shop/pods", body).await;
            let path = format!("/api/v1/namespaces/shop/pods/{pod}/status");
            self.patch(&path, json!({"status": running(true)})).await;
        }
    }

    /// What may differ of those objects, with what is of one plan left out.
    pub(super) async fn state_of(&self, name: &str) -> Value {
        let mut out = serde_json::Map::new();
        let paths = [
            format!("{APPS}/deployments/api-{name}"),
            format!("{APPS}/deployments/job-{name}"),
            format!("{APPS}/deployments/web-{name}"),
            format!("{APPS}/deployments/db-{name}"),
            format!("{APPS}/deployments/zone-{name}"),
            format!("{BATCH}/cronjobs/night-{name}"),
            format!("/api/v1/namespaces/shop/services/svc-{name}"),
            format!("/api/v1/namespaces/shop/services/top-{name}"),
            format!("/api/v1/nodes/n-{name}"),
        ];
        for path in paths {
            let found = self.get(&path).await;
            let spec = &found["spec"];
            let pod = &spec["template"]["spec"];
            let annotations = found["metadata"]["annotations"].as_object();
            let annotations: BTreeMap<&str, &str> = annotations
                .into_iter()
                .flatten()
                .map(|(key, value)| match key.as_str() {
                    "cloudoptim/plan" | "cloudoptim/until" | "cloudoptim/step"
                    | "cloudoptim/fence" => (key.as_str(), "of the plan"),
                    key => (key, value.as_str().unwrap_or_default()),
                })
                .collect();
            let resources = &pod["containers"][0]["resources"];
            let kept = json!({"replicas": spec["replicas"], "suspend": spec["suspend"] == true,
                "unschedulable": spec["unschedulable"] == true, "annotations": annotations,
                "routing": spec["trafficDistribution"], "affinity": pod["affinity"],
                "resources": resources});
            out.insert(path.replace(&format!("-{name}"), ""), kept);
        }
        Value::Object(out)
    }
}

pub(super) fn lease_of(
    hands: &Hands,
    changer: Arc<dyn Changer>,
    kubeconfig: &str,
    seconds: u32,
) -> ClusterLease {
    let options = ConnectOptions::default();
    let reading = Connection::<Reading>::from_bytes("act", kubeconfig.as_bytes(), options);
    let reader: Arc<dyn Reader> = Arc::new(reading.unwrap().client().unwrap());
    let config = LeaseConfig::new(SHOP, "test").with_seconds(seconds);
    ClusterLease::new(reader, changer, hands.clock.clone(), config)
}

fn resources(cpu: u64, memory_mib: u64) -> Box<ContainerResources> {
    let mut to = ContainerResources::default();
    to.requests.cpu = Some(MilliCpu(cpu));
    to.requests.memory = Some(Bytes(memory_mib << 20));
    to.limits.memory = Some(Bytes(memory_mib << 20));
    Box::new(to)
}

fn deployment(app: &str, name: &str) -> WorkloadRef {
    WorkloadRef::new(SHOP, "Deployment", format!("{app}-{name}"))
}

/// A decision about a workload.
pub(super) fn about(
    snapshot: &Snapshot,
    engine: EngineId,
    workload: &WorkloadRef,
    actions: Vec<Action>,
) -> Decision {
    let subject = Subject::Workload {
        cluster: snapshot.clusters[0].uid.clone(),
        workload: workload.clone(),
    };
    let reasons = vec![bin_packing::Reason::PodsFitElsewhere { pods: 1, onto: 1 }.into()];
    Decision::act(engine, subject, actions, None, reasons)
}

pub(super) fn scale(snapshot: &Snapshot, app: &str, name: &str, from: u32, to: u32) -> Decision {
    let workload = deployment(app, name);
    let action = Action::ScaleWorkload {
        cluster: snapshot.clusters[0].uid.clone(),
        workload: workload.clone(),
        from,
        to,
    };
    about(snapshot, EngineId::OfficeHours, &workload, vec![action])
}

pub(super) fn resize(
    snapshot: &Snapshot,
    engine: EngineId,
    app: &str,
    name: &str,
    memory: u64,
) -> Decision {
    let workload = deployment(app, name);
    let action = Action::ResizeContainer {
        cluster: snapshot.clusters[0].uid.clone(),
        workload: workload.clone(),
        container: "main".to_owned(),
        init: false,
        from: resources(500, 1_024),
        to: resources(500, memory),
        restarts: true,
    };
    about(snapshot, engine, &workload, vec![action])
}

/// A decision of every kind of act on the objects called after `name`, and how
/// many steps they are.
pub(super) fn every_kind(snapshot: &Snapshot, name: &str) -> (Vec<Decision>, usize) {
    let cluster = snapshot.clusters[0].uid.clone();
    let annotate = |api: &str, kind: &str, of: String, key: &str, to: &str| Action::Annotate {
        cluster: cluster.clone(),
        object: ObjectRef {
            api_version: api.to_owned(),
            kind: kind.to_owned(),
            namespace: SHOP.to_owned(),
            name: of,
        },
        key: key.to_owned(),
        from: None,
        to: Some(to.to_owned()),
    };
    let mut sleep = scale(snapshot, "api", name, 3, 0);
    let mark = annotate("apps/v1", "Deployment", format!("api-{name}"), MARK, "3");
    sleep.actions.insert(0, mark);
    let night = WorkloadRef::new(SHOP, "CronJob", format!("night-{name}"));
    let suspend = Action::SuspendWorkload {
        cluster: cluster.clone(),
        workload: night.clone(),
        suspend: true,
    };
    let zone = deployment("zone", name);
    let prefer = Action::PreferZone {
        cluster: cluster.clone(),
        workload: zone.clone(),
        from: None,
        to: Some("use1-az1".into()),
    };
    let service = |of: &str| NamespacedName::new(SHOP, format!("{of}-{name}"));
    let route = Action::RouteService {
        cluster: cluster.clone(),
        service: service("svc"),
        from: None,
        to: Some("PreferClose".to_owned()),
    };
    let topology = annotate(
        "v1",
        "Service",
        format!("top-{name}"),
        "service.kubernetes.io/topology-mode",
        "Auto",
    );
    let of_service = |of: &str, action| {
        let subject = Subject::Service {
            cluster: cluster.clone(),
            service: service(of),
        };
        let reasons = vec![bin_packing::Reason::PodsFitElsewhere { pods: 1, onto: 1 }.into()];
        Decision::act(EngineId::Network, subject, vec![action], None, reasons)
    };
    let decisions = vec![
        sleep,
        scale(snapshot, "job", name, 0, 2),
        about(snapshot, EngineId::OfficeHours, &night, vec![suspend]),
        resize(snapshot, EngineId::Rightsizing, "web", name, 512),
        resize(snapshot, EngineId::Oom, "db", name, 1_536),
        about(snapshot, EngineId::Network, &zone, vec![prefer]),
        of_service("svc", route),
        of_service("top", topology),
        drained(snapshot, &format!("n-{name}")),
    ];
    let steps = decisions.iter().map(|d| d.actions.len()).sum();
    (decisions, steps)
}

/// A decision to cordon and drain a node.
pub(super) fn drained(snapshot: &Snapshot, name: &str) -> Decision {
    let cluster = snapshot.clusters[0].uid.clone();
    let node = NodeName::new(name);
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
    let reasons = vec![bin_packing::Reason::PodsFitElsewhere { pods: 1, onto: 1 }.into()];
    let subject = Subject::Node { cluster, node };
    Decision::act(EngineId::BinPacking, subject, actions, None, reasons)
}

/// A plan of these decisions, each taken as it is.
pub(super) fn planned(snapshot: &Snapshot, decisions: Vec<Decision>) -> Plan {
    let steps: usize = decisions.iter().map(|d| d.actions.len()).sum();
    let mut by_engine: BTreeMap<EngineId, Vec<Decision>> = BTreeMap::new();
    for decision in decisions {
        by_engine.entry(decision.engine).or_default().push(decision);
    }
    let outputs = by_engine
        .into_iter()
        .map(|(engine, decisions)| EngineOutput::new(engine, decisions));
    let inputs = Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog: &Catalog::default(),
        policy: &Policy::default(),
        ledgers: &Ledgers::default(),
        deadline: None,
    };
    let input = PlanInput {
        outputs: outputs.collect(),
        as_given: true,
        ..Default::default()
    };
    let plan = plan(&inputs, input);
    assert_eq!(plan.steps.len(), steps, "{}", plan.explain());
    plan
}
