//! A cluster that seems to be gone, in whole or in part, beside an account of a
//! thousand instances: nothing is done to any of them.

use super::*;
use cloudoptim_aws::k8s::Reader;
use cloudoptim_aws::testing::proxy::{Canned, Fault, Proxy, Rule};
use cloudoptim_aws::testing::world::NodeSpec;
use cloudoptim_core::catalog::{Architecture, Catalog, InstanceTypeInfo, Source, Table};
use cloudoptim_core::collect::collect;
use cloudoptim_core::engines::{Inputs, bin_packing};
use cloudoptim_core::execute::{Environment, Report, execute};
use cloudoptim_core::guard::{Approval, ApprovedPlan};
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::knowledge::{Knowledge, Provenance};
use cloudoptim_core::ledger::{Ledgers, Observed};
use cloudoptim_core::memory::InMemory;
use cloudoptim_core::model::{Bytes as Size, Cloud, ExpectedCluster, MicroUsdPerHour};
use cloudoptim_core::optimize::optimize;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::{NoKillSwitch, Sources};
use cloudoptim_core::version::Version;

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-central-1";
const CLUSTER: &str = "prod";
/// Instances of the account, all of the cluster.
const INSTANCES: usize = 1_000;
/// How many of them have no node. No more than a run may act on.
const GHOSTS: usize = 2;

fn zone(index: usize) -> String {
    format!("{REGION}{}", ["a", "b", "c"][index % 3])
}

fn instance_id(index: usize) -> String {
    format!("i-{index:017x}")
}

/// The nodes of all instances but the ghosts.
fn nodes() -> WorldSpec {
    let node = |index: usize| NodeSpec {
        name: format!("node-{index:04}"),
        instance_type: "m5.xlarge".to_owned(),
        zone: zone(index),
        capacity_type: "on-demand".to_owned(),
        milli_cpu: 3_920,
        memory_mib: 15_000,
        pods: 58,
        labels: BTreeMap::new(),
        provider_id: format!("aws:///{}/{}", zone(index), instance_id(index)),
    };
    WorldSpec {
        nodes: (GHOSTS..INSTANCES).map(node).collect(),
        ..WorldSpec::default()
    }
}

/// The type of all instances: no disks of its own, and a price.
fn catalog() -> Catalog {
    let mut table = Table::new(Source::new("test", "2026-11-24".parse().unwrap()));
    let (size, arch) = (Size(16 << 30), Architecture::Amd64);
    table.instance_type(InstanceTypeInfo::new("m5.xlarge", 4, size, arch));
    let price = MicroUsdPerHour(230_000);
    table.on_demand(REGION, "m5.xlarge", price).unwrap();
    let mut catalog = Catalog::empty();
    catalog.overlay(table);
    catalog
}

/// What `aws ec2 describe-instances` and `describe-volumes` print, read as any
/// other documents.
fn cloud(clock: &dyn Clock) -> Cloud {
    let long_ago = (clock.now() - TimeDelta::days(60)).to_rfc3339();
    let tags = json!([{"Key": format!("kubernetes.io/cluster/{CLUSTER}"), "Value": "owned"}]);
    let instances: Vec<Value> = (0..INSTANCES)
        .map(|index| {
            json!({"InstanceId": instance_id(index), "InstanceType": "m5.xlarge",
                "State": {"Code": 16, "Name": "running"}, "LaunchTime": long_ago,
                "Placement": {"AvailabilityZone": zone(index), "Tenancy": "default"},
                "PrivateDnsName": format!("ip-10-0-{}-{}.internal", index / 250, index % 250),
                "BlockDeviceMappings": [], "Tags": tags})
        })
        .collect();
    let volumes: Vec<Value> = (0..VOLUMES)
        .map(|index| {
            json!({"VolumeId": volume_id(index), "State": "available", "Size": 10,
                "VolumeType": "gp3", "AvailabilityZone": zone(index), "CreateTime": long_ago,
                "Attachments": [], "Tags": tags})
        })
        .collect();
    let mut options = InputOptions::default();
    options.taken_at = Some(clock.now());
    options.account = Some(ACCOUNT.into());
    options.region = Some(REGION.into());
    options.complete = true;
    let mut loader = Loader::new(options);
    for (name, document) in [
        (
            "describe-instances.json",
            json!({"Reservations": [{"Instances": instances}]}),
        ),
        ("describe-volumes.json", json!({"Volumes": volumes})),
        ("describe-snapshots.json", json!({"Snapshots": []})),
    ] {
        loader.add(name, document.to_string().as_bytes());
    }
    let mut cloud = loader.finish().unwrap().snapshot.clouds.remove(0);
    let none = || Provenance::new("aws", ACCOUNT).observed_at(clock.now());
    cloud.auto_scaling_groups = Knowledge::complete(Vec::new(), none());
    cloud.node_groups = Knowledge::complete(Vec::new(), none());
    cloud.spot_requests = Knowledge::complete(Vec::new(), none());
    for instance in cloud.instances.value_mut().unwrap() {
        (instance.termination_protected, instance.stop_protected) = (Some(false), Some(false));
    }
    assert_eq!(cloud.instances.items().len(), INSTANCES);
    cloud
}

/// Volumes of persistent volumes that no pod uses at the moment, as those of
/// StatefulSets that were scaled to none.
const VOLUMES: usize = 30;

fn volume_id(index: usize) -> String {
    format!("vol-{index:017x}")
}

async fn make_volumes(scene: &Scene) {
    let objects = (0..VOLUMES).map(|index| {
        let volume = json!({"metadata": {"name": format!("pv-{index}")}, "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": volume_id(index)}}});
        ("/api/v1/persistentvolumes".to_owned(), volume)
    });
    scene.world.create_all(objects.collect()).await.unwrap();
}

/// A ledger in which everything was seen as gone for a month.
fn all_long_gone(clock: &dyn Clock) -> Ledgers {
    let seen = Observed {
        first_at: clock.now() - TimeDelta::days(30),
        last_at: clock.now() - TimeDelta::hours(1),
        count: 720,
        longest_gap_seconds: 3_600,
    };
    let instances = (0..INSTANCES).map(|i| (instance_id(i).as_str().into(), seen.clone()));
    let volumes = (0..VOLUMES).map(|i| (volume_id(i).as_str().into(), seen.clone()));
    Ledgers {
        instances_without_node: Some(instances.collect()),
        nodes_without_instance: Some(BTreeMap::new()),
        volumes_unattached: Some(volumes.collect()),
        ..Ledgers::default()
    }
}

/// Changes what the server answers on a path.
#[derive(Debug)]
struct Edited {
    inner: Arc<dyn Reader>,
    edit: fn(&str, &mut Value),
}

#[async_trait]
impl Reader for Edited {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let body = self.inner.get(path, query).await?;
        let Ok(mut value) = serde_json::from_slice::<Value>(&body) else {
            return Ok(body);
        };
        (self.edit)(path, &mut value);
        Ok(value.to_string().into_bytes().into())
    }
}

/// How the cluster comes to be seen wrongly.
enum How {
    /// Requests go wrong on their way.
    Rules(Vec<Rule>),
    /// Answers say something else.
    Edit(fn(&str, &mut Value)),
    /// The reader may not read everything.
    Denied(&'static str),
}

fn answered(status: u16, body: &Value) -> Fault {
    let mut canned = Canned::status(status, "", "");
    canned.body = body.to_string().into();
    Fault::AnswerInstead(canned)
}

fn empty(kind: &str) -> Fault {
    let version = if kind == "VolumeAttachmentList" {
        "storage.k8s.io/v1"
    } else {
        "v1"
    };
    answered(
        200,
        &json!({"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": "1"}, "items": []}),
    )
}

fn each_node(path: &str, list: &mut Value, edit: impl Fn(usize, &mut Value)) {
    if path != "/api/v1/nodes" {
        return;
    }
    let nodes = list["items"].as_array_mut().into_iter().flatten();
    nodes
        .enumerate()
        .for_each(|(index, node)| edit(index, node));
}

fn ways() -> Vec<(&'static str, How)> {
    const NODES: &str = "/api/v1/nodes";
    let on = |path: &str, fault| Rule::on("GET", path, fault);
    let second = |fault| How::Rules(vec![on(NODES, fault).with_query("continue=")]);
    vec![
        (
            "unreachable",
            How::Rules(vec![on("**", Fault::DropRequest)]),
        ),
        ("resets", How::Rules(vec![on("**", Fault::ResetAfter)])),
        (
            "unavailable",
            How::Rules(vec![on(
                "**",
                Fault::AnswerInstead(Canned::status(503, "ServiceUnavailable", "")),
            )]),
        ),
        (
            "a page of a balancer",
            How::Rules(vec![on(
                "**",
                Fault::AnswerInstead(Canned::page(200, "<html>")),
            )]),
        ),
        ("no nodes", How::Rules(vec![on(NODES, empty("NodeList"))])),
        (
            "nothing at all",
            How::Rules(vec![
                on(NODES, empty("NodeList")),
                on("/api/v1/pods", empty("PodList")),
                on("/api/v1/persistentvolumes", empty("PersistentVolumeList")),
                on(
                    "/apis/storage.k8s.io/v1/volumeattachments",
                    empty("VolumeAttachmentList"),
                ),
            ]),
        ),
        (
            "the second page has expired",
            second(Fault::AnswerInstead(Canned::gone())),
        ),
        ("the second page is cut", second(Fault::CutBody(100_000))),
        (
            "the second page is short",
            second(Fault::ShortBody(100_000)),
        ),
        ("the second page is lost", second(Fault::DropAnswer)),
        (
            "the second page is refused",
            second(Fault::AnswerInstead(Canned::too_many_requests(1))),
        ),
        (
            "the same page again and again",
            How::Rules(vec![on(NODES, Fault::Stale).from_nth(2)]),
        ),
        (
            "the first page is said to be all",
            How::Rules(vec![on(NODES, Fault::LoseContinue)]),
        ),
        (
            "pages have half of their nodes",
            How::Rules(vec![on(NODES, Fault::KeepItems(250))]),
        ),
        ("nodes are not to be read", How::Denied("nodes")),
        (
            "no provider ids",
            How::Edit(|path, list| {
                each_node(path, list, |_, node| {
                    node["spec"].as_object_mut().unwrap().remove("providerID");
                });
            }),
        ),
        (
            "one provider id is missing",
            How::Edit(|path, list| {
                each_node(path, list, |index, node| {
                    if index == 7 {
                        node["spec"].as_object_mut().unwrap().remove("providerID");
                    }
                });
            }),
        ),
        (
            "provider ids of another cloud",
            How::Edit(|path, list| {
                each_node(path, list, |index, node| {
                    node["spec"]["providerID"] = json!(format!("gce://project/zone/vm-{index}"));
                });
            }),
        ),
        (
            "provider ids of another account",
            How::Edit(|path, list| {
                each_node(path, list, |index, node| {
                    let id = format!("aws:///{}/i-{:017x}", zone(index), 0xabcd_0000 + index);
                    node["spec"]["providerID"] = json!(id);
                });
            }),
        ),
        (
            "another cluster answers",
            How::Edit(|path, object| {
                if path == "/api/v1/namespaces/kube-system" {
                    object["metadata"]["uid"] = json!("another");
                }
            }),
        ),
        (
            "nodes without a name",
            How::Edit(|path, list| {
                each_node(path, list, |_, node| node["metadata"]["name"] = json!(7))
            }),
        ),
        (
            "half of the nodes are no nodes",
            How::Edit(|path, list| {
                each_node(path, list, |index, node| {
                    if index % 2 == 0 {
                        *node = json!("node");
                    }
                });
            }),
        ),
    ]
}

struct Battery {
    hands: Hands,
    memory: InMemory,
    sources: Sources,
    ledgers: Ledgers,
}

impl Battery {
    async fn snapshot(&self) -> Snapshot {
        let expected = ExpectedCluster {
            name: CLUSTER.to_owned(),
            uid: Some(self.hands.uid.clone()),
        };
        let clock = &*self.hands.clock;
        let told = Provenance::new("operator", "all").observed_at(clock.now());
        let expected = Knowledge::complete(vec![expected], told);
        let mut snapshot = collect(&self.sources, clock.now(), expected).await;
        // As whoever has configured the cluster knows.
        for cluster in &mut snapshot.clusters {
            CLUSTER.clone_into(&mut cluster.name);
            (cluster.account, cluster.region) = (Some(ACCOUNT.into()), Some(REGION.into()));
        }
        snapshot
    }

    async fn plan(&self) -> Plan {
        let snapshot = self.snapshot().await;
        let inputs = Inputs {
            snapshot: &snapshot,
            overlay: &Overlay::default(),
            catalog: &catalog(),
            policy: &Policy::default(),
            ledgers: &self.ledgers,
            deadline: None,
        };
        optimize(&inputs).unwrap()
    }

    async fn execute(&self, plan: &Plan) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = FileJournal::open(&path, &plan.scope).unwrap();
        let clock = &*self.hands.clock;
        let approval = Approval {
            version: Version::KNOWN,
            fingerprint: plan.fingerprint.clone(),
            by: "ada".to_owned(),
            at: clock.now(),
            until: clock.now() + TimeDelta::hours(1),
        };
        let client = Arc::new(self.hands.act_client(plan).await);
        let mut actuators = self.hands.actuators(client, Marks::of(plan));
        actuators.clouds = self.memory.actuators().clouds;
        let environment = Environment {
            sources: &self.sources,
            actuators: &actuators,
            journal: &journal,
            clock,
            kill_switch: &NoKillSwitch,
            placement: &bin_packing::Elsewhere::default(),
            limits: &self.hands.limits.clone().with_patience(1, 1, 0),
            gate: None,
            lease: None,
        };
        let approved = ApprovedPlan::new(plan.clone(), approval).unwrap();
        execute(approved, &environment).await.unwrap()
    }

    /// Reads the cluster through another reader from here on.
    async fn read_through(&mut self, reader: Arc<dyn Reader>) {
        self.hands.read_through(reader).await;
        self.sources.clusters = self.hands.sources.clusters.clone();
    }
}

/// A reader that may not read one kind of objects.
async fn without(scene: &Scene, proxy: &Proxy, kind: &str) -> Arc<dyn Reader> {
    use cloudoptim_aws::k8s::{ConnectOptions, Connection, Reading};
    let admin = scene.plane.admin().unwrap();
    let user = format!("not-{kind}");
    let group = "rbac.authorization.k8s.io";
    let resources = [
        "nodes",
        "pods",
        "namespaces",
        "persistentvolumes",
        "persistentvolumeclaims",
    ];
    let allowed: Vec<&str> = resources.into_iter().filter(|r| *r != kind).collect();
    let rules = json!([{"apiGroups": [""], "resources": allowed, "verbs": ["get", "list"]},
        {"apiGroups": ["apps", "batch", "policy", "storage.k8s.io", "coordination.k8s.io"],
            "resources": ["*"], "verbs": ["get", "list"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]}]);
    let role = json!({"metadata": {"name": user}, "rules": rules});
    let binding = json!({"metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}]});
    for (resource, body) in [("clusterroles", role), ("clusterrolebindings", binding)] {
        let path = format!("/apis/{group}/v1/{resource}");
        admin.post(&path, &body).await.unwrap().ok().unwrap();
    }
    let token = scene.plane.token_for(&user, &[]).unwrap();
    let text = scene.plane.kubeconfig_through(proxy.url(), &token);
    let options = ConnectOptions::default();
    let connection = Connection::<Reading>::from_bytes("read", text.as_bytes(), options);
    Arc::new(connection.unwrap().client().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_of_the_cluster_is_not_seen_no_instance_and_no_volume_is_touched() {
    let Some(mut scene) = Scene::start(PlaneConfig::bare(), &nodes()).await else {
        return;
    };
    make_volumes(&scene).await;
    let proxy = Proxy::before(&scene.plane).unwrap();
    let token = scene.plane.token_for(READER, &[]).unwrap();
    scene.read = scene.plane.kubeconfig_through(proxy.url(), &token);
    let hands = scene.hands().await;
    let mut world = Snapshot::new(hands.clock.now());
    world.clouds = vec![cloud(&*hands.clock)];
    let memory = InMemory::new(world, hands.clock.clone());
    let mut sources = memory.sources();
    sources.clusters = hands.sources.clusters.clone();
    let ledgers = all_long_gone(&*hands.clock);
    let reader = hands.reader.clone();
    let mut battery = Battery {
        hands,
        memory,
        sources,
        ledgers,
    };

    // What acts on the account looks again at a cluster that is whole: nothing but
    // the guards stands before it.
    let whole = battery.snapshot().await.clusters;
    battery.memory.change(|world| world.clusters = whole);

    // With everything in sight, the two are found, marked and to be stopped.
    let healthy = battery.plan().await;
    assert_eq!(healthy.steps.len(), 2 * GHOSTS, "{}", healthy.explain());
    let mut wrong = Vec::new();
    for (name, how) in ways() {
        let start = tokio::time::Instant::now();
        match how {
            How::Rules(rules) => rules.into_iter().for_each(|rule| proxy.add(rule)),
            How::Edit(edit) => {
                let inner = reader.clone();
                battery.read_through(Arc::new(Edited { inner, edit })).await;
            }
            How::Denied(kind) => {
                let denied = without(&scene, &proxy, kind).await;
                battery.read_through(denied).await;
            }
        }
        let plan = battery.plan().await;
        let report = battery.execute(&plan).await;
        if !plan.steps.is_empty() {
            wrong.push(format!("{name}: planned {}", plan.explain()));
        }
        // The plan that was made and approved before is no better.
        let earlier = battery.execute(&healthy).await;
        if report.done() + earlier.done() > 0 {
            wrong.push(format!("{name}: done {:#?}", earlier.steps));
        }
        proxy.calm();
        battery.read_through(reader.clone()).await;
        eprintln!("{name}: {:?}, {:?}", start.elapsed(), earlier.end);
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(battery.memory.acts(), Vec::new());
    let changes = scene.plane.audit_of(ACTOR).unwrap();
    assert!(changes.iter().all(|event| !event.is_change()));

    // The claims on volumes are not seen: the two machines are ghosts as before,
    // and no volume is taken for one.
    for how in ["denied", "empty"] {
        if how == "denied" {
            let denied = without(&scene, &proxy, "persistentvolumes").await;
            battery.read_through(denied).await;
        } else {
            let list = empty("PersistentVolumeList");
            proxy.add(Rule::on("GET", "/api/v1/persistentvolumes", list));
        }
        let plan = battery.plan().await;
        let of_volume = |step: &&cloudoptim_core::plan::Step| {
            matches!(
                step.subject,
                cloudoptim_core::decision::Subject::Volume { .. }
            )
        };
        assert_eq!(plan.steps.iter().filter(of_volume).count(), 0, "{how}");
        assert_eq!(plan.steps.len(), 2 * GHOSTS, "{how}");
        proxy.calm();
        battery.read_through(reader.clone()).await;
    }

    // Nothing but the faults was in the way.
    let report = battery.execute(&healthy).await;
    assert_eq!(report.done(), 2 * GHOSTS, "{report:#?}");
    assert_eq!(battery.memory.acts().len(), 2 * GHOSTS);
}
