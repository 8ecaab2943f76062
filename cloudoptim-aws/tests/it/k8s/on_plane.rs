//! Reading and refusing on a real API server.

use super::fake::StoppedClock;
use cloudoptim_aws::clock::SystemClock;
use cloudoptim_aws::k8s::{
    ActMode, Acting, ApiFailure, ClusterReader, ConnectError, ConnectOptions, Connection, Grant,
    Patience, ReadClient, ReadOptions, ReadRole, Reader, Reading, Retrying, Reviewer, Subject,
    preflight_read, read_manifests,
};
use cloudoptim_aws::testing::assets::Assets;
use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};
use cloudoptim_aws::testing::start_or_skip;
use cloudoptim_core::collect::collect;
use cloudoptim_core::conformance;
use cloudoptim_core::engines::EngineId;
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::model::{Cluster, ClusterUid};
use cloudoptim_core::providers::{ClusterSources, PodSource, ProviderError, Sources};
use http::Method;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const CANARY: &str = "hunter2-canary";

fn connection<R: cloudoptim_aws::k8s::Role>(
    kubeconfig: &str,
    options: ConnectOptions,
) -> Result<Connection<R>, ConnectError> {
    Connection::from_bytes("plane", kubeconfig.as_bytes(), options)
}

/// With patience: a server that has just started asks for some.
fn client(plane: &Plane, token: &str) -> Arc<Retrying<ReadClient>> {
    let text = plane.kubeconfig_for(token);
    let connection = connection::<Reading>(&text, ConnectOptions::default()).unwrap();
    let clock = Arc::new(SystemClock::default());
    Arc::new(Retrying::new(
        connection.client().unwrap(),
        clock,
        Patience::default(),
    ))
}

async fn open(client: Arc<dyn Reader>, page_size: u32) -> ClusterReader {
    let mut options = ReadOptions::default();
    options.page_size = page_size;
    ClusterReader::open(client, Arc::new(StoppedClock::default()), options)
        .await
        .unwrap()
}

async fn read(cluster: ClusterReader) -> Cluster {
    let uid: ClusterUid = cluster.uid().clone();
    let mut sources = Sources::default();
    sources
        .clusters
        .insert(uid, ClusterSources::of(Arc::new(cluster)));
    let mut snapshot = collect(&sources, super::fake::now(), Knowledge::default()).await;
    snapshot.clusters.remove(0)
}

/// `kubectl` of the same version as the server, as admin.
fn kubectl(plane: &Plane, args: &[&str], input: &str) -> String {
    use std::io::Write;
    let mut child = Command::new(Assets::find().unwrap().program("kubectl"))
        .arg("--kubeconfig")
        .arg(plane.admin_kubeconfig())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "kubectl {args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Some of every kind, with secrets wherever people put them.
fn world() -> String {
    let meta = |name: &str| {
        json!({"name": name, "namespace": "shop",
        "annotations": {"vault": CANARY}, "labels": {"app": name}})
    };
    let container = json!({"name": "c", "image": "shop/web:1", "args": [format!("--token={CANARY}")],
        "env": [{"name": "PASSWORD", "value": CANARY}, {"name": "GOMEMLIMIT", "value": "90MiB"}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}});
    let template =
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}});
    let selector = json!({"matchLabels": {"app": "web"}});
    let mut items: Vec<Value> = ["shop", "other"]
        .iter()
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        .collect();
    for n in 0..3 {
        items.push(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("n-{n}"),
            "labels": {"topology.kubernetes.io/zone": "eu-west-1a"}},
            "spec": {"providerID": format!("aws:///eu-west-1a/i-{n}")}}),
        );
    }
    for n in 0..23 {
        items.push(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta(&format!("p-{n}")),
            "spec": {"containers": [container], "nodeName": format!("n-{}", n % 3)}}),
        );
    }
    let mut other = meta("alone");
    other["namespace"] = json!("other");
    items.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": other,
        "spec": {"containers": [container]}}));
    let apps = |kind: &str, spec: Value| json!({"apiVersion": "apps/v1", "kind": kind, "metadata": meta("web"), "spec": spec});
    let job = json!({"template": {"spec": {"containers": [container], "restartPolicy": "Never"}}});
    let claim = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "gp3",
        "volumeName": "pv-1", "resources": {"requests": {"storage": "1Gi"}}});
    items.extend([
        apps("Deployment", json!({"replicas": 2, "selector": selector, "template": template})),
        apps("StatefulSet", json!({"serviceName": "web", "selector": selector, "template": template})),
        apps("DaemonSet", json!({"selector": selector, "template": template})),
        apps("ReplicaSet", json!({"selector": selector, "template": template})),
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta("job"), "spec": job}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta("cron"),
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}}}),
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta("web"),
            "spec": {"minAvailable": 1, "selector": selector}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta("web"),
            "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"),
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n-1", "zone": "eu-west-1a"}]}),
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": meta("range"),
            "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}),
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta("quota"),
            "spec": {"hard": {"requests.cpu": "100"}}}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gp3"},
            "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3", "secret": CANARY}}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "n-1"},
            "spec": {"drivers": [{"name": "ebs.csi.aws.com", "nodeID": "i-1", "allocatable": {"count": 25}}]}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1"},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "storageClassName": "gp3", "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta("data"), "spec": claim}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "va-1"},
            "spec": {"attacher": "ebs.csi.aws.com", "nodeName": "n-1", "source": {"persistentVolumeName": "pv-1"}}}),
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 1000}),
        json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "runsc"}),
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "n-1", "namespace": "kube-node-lease"},
            "spec": {"renewTime": "2026-11-28T11:59:50.000000Z", "leaseDurationSeconds": 40}}),
        json!({"apiVersion": "v1", "kind": "Event", "metadata": meta("e"), "reason": "Evicted",
            "message": format!("password={CANARY}"),
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "p-1"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("s"), "stringData": {"a": CANARY}}),
    ]);
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// All that an engine reads and every server has.
const DUMPED: &str = "nodes,pods,namespaces,deployments,statefulsets,daemonsets,replicasets,jobs,\
cronjobs,poddisruptionbudgets,persistentvolumes,persistentvolumeclaims,storageclasses,csinodes,\
volumeattachments,services,endpointslices,horizontalpodautoscalers,limitranges,resourcequotas,\
priorityclasses,runtimeclasses,events";

/// A plane with that world, which the tests share that do not change it.
pub(super) async fn shared() -> Option<&'static Plane> {
    static PLANE: tokio::sync::OnceCell<Option<Plane>> = tokio::sync::OnceCell::const_new();
    PLANE.get_or_init(started).await.as_ref()
}

pub(super) async fn started() -> Option<Plane> {
    let plane = start_or_skip(PlaneConfig::bare()).await?;
    for namespace in ["kube-node-lease"] {
        let body = json!({"metadata": {"name": namespace}});
        // The API server may have made it already.
        let _ = plane
            .admin()
            .unwrap()
            .post("/api/v1/namespaces", &body)
            .await;
    }
    kubectl(&plane, &["create", "-f", "-"], &world());
    Some(plane)
}

/// A cluster without what differs between reading and loading: lists that kubectl
/// joins have no revision.
fn bare(mut cluster: Cluster) -> String {
    fn without_revisions(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if fields.contains_key("observed_at") {
                    fields.remove("revision");
                }
                fields.values_mut().for_each(without_revisions);
            }
            Value::Array(items) => items.iter_mut().for_each(without_revisions),
            _ => {}
        }
    }
    (cluster.name, cluster.account, cluster.region) = <_>::default();
    let mut value = serde_json::to_value(&cluster).unwrap();
    without_revisions(&mut value);
    let text = serde_json::to_string_pretty(&value).unwrap();
    text.replace("\"kubectl\"", "\"kube-apiserver\"")
}

fn revision(cluster: &Cluster) -> Option<u64> {
    cluster.pods.provenance().and_then(|p| p.revision)
}

fn assert_same(read: &str, loaded: &str) {
    for (n, (a, b)) in read.lines().zip(loaded.lines()).enumerate() {
        assert_eq!(a, b, "line {n}");
    }
    assert_eq!(read.len(), loaded.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_read_is_the_one_that_kubectl_dumps() {
    let Some(plane) = shared().await else { return };
    let admin = client(plane, plane.admin_token());
    let whole = read(open(admin.clone(), 500).await).await;
    assert_eq!(whole.pods.items().len(), 24);
    for (part, gap) in whole.gaps() {
        assert_eq!(gap, &Gap::NotCollected, "{part}");
    }
    let shown = serde_json::to_string(&whole).unwrap();
    assert!(!shown.contains(CANARY), "{shown}");

    let mut options = InputOptions::default();
    options.taken_at = Some(super::fake::now());
    options.complete = true;
    let none = [
        "VolumeSnapshot",
        "ScaledObject",
        "VerticalPodAutoscaler",
        "NodePool",
        "NodeClaim",
    ];
    options.collected = none.map(str::to_owned).to_vec();
    let mut loader = Loader::new(options);
    let dump = kubectl(
        plane,
        &["get", DUMPED, "-A", "-o", "json", "--show-managed-fields"],
        "",
    );
    loader.add("objects.json", dump.as_bytes());
    let leases = kubectl(
        plane,
        &[
            "get",
            "leases",
            "-n",
            "kube-node-lease",
            "-o",
            "json",
            "--show-managed-fields",
        ],
        "",
    );
    loader.add("leases.json", leases.as_bytes());
    let loaded = loader.finish().unwrap().snapshot.clusters.remove(0);
    assert_same(&bare(whole.clone()), &bare(loaded));

    let paged = read(open(admin.clone(), 7).await).await;
    assert_same(&bare(paged), &bare(whole));

    let cluster = open(admin.clone(), 10).await;
    let uid = cluster.uid().clone();
    conformance::a_cluster_knows_itself(&cluster, &uid).await;
    let sources = ClusterSources::of(Arc::new(cluster));
    conformance::lists_are_complete_or_say_so(None, Some((uid, sources))).await;

    // A token of another page, or of none, is no page of this list.
    let query = [("limit", "5"), ("continue", "garbage")];
    let error = admin.get("/api/v1/pods", &query).await.unwrap_err();
    assert_eq!(ApiFailure::of(&error).unwrap().code, 400, "{error}");
}

/// Waits until the authoriser, which learns of roles through a watch, says so.
async fn until(client: &dyn Reviewer, engines: &[EngineId], missing: &[String]) {
    let mut found = Vec::new();
    for _ in 0..200 {
        found = preflight_read(client, engines, &[])
            .await
            .into_iter()
            .filter(|check| check.grant != Grant::Granted)
            .map(|check| {
                assert_eq!(check.grant, Grant::Denied);
                check.permission.to_string()
            })
            .collect();
        if found == missing {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("missing are {found:?}, not {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_engine_reads_with_its_role_and_preflight_names_what_is_taken_away() {
    let Some(plane) = shared().await else { return };
    let whole = read(open(client(plane, plane.admin_token()), 500).await).await;
    let all: Vec<String> = whole
        .gaps()
        .iter()
        .map(|(part, _)| part.to_string())
        .collect();
    for engine in EngineId::ALL {
        let user = format!(
            "reader-{}",
            serde_json::to_value(engine).unwrap().as_str().unwrap()
        )
        .replace('_', "-");
        let role = ReadRole::new(&user, Subject::User(user.clone())).for_engines(&[engine]);
        kubectl(plane, &["apply", "-f", "-"], &read_manifests(&role));
        let reader = client(plane, &plane.token_for(&user, &[]).unwrap());
        until(reader.as_ref(), &[engine], &[]).await;
        let cluster = read(open(reader, 500).await).await;
        // What the role does not give is unknown and names the permission.
        for (part, gap) in cluster.gaps() {
            let denied =
                matches!(gap, Gap::Denied { permission } if permission.starts_with("list "));
            assert!(
                denied || all.contains(&part.to_string()),
                "{engine:?} {part}: {gap}"
            );
        }
        for part in [
            cluster.nodes.is_complete(),
            cluster.pods.is_complete(),
            cluster.workloads.is_complete(),
        ] {
            assert!(part, "{engine:?}");
        }
        assert_eq!(cluster.pods.items(), whole.pods.items());
        // Reading again, the server is where it was, or further.
        let (then, now) = (revision(&whole), revision(&cluster));
        assert!(now >= then && then > Some(0), "{then:?} {now:?}");
    }

    // One rule less at a time.
    let user = "reader-of-all";
    let manifests = read_manifests(&ReadRole::new(user, Subject::User(user.to_owned())));
    kubectl(plane, &["apply", "-f", "-"], &manifests);
    let reader = client(plane, &plane.token_for(user, &[]).unwrap());
    until(reader.as_ref(), &EngineId::ALL, &[]).await;
    let admin = plane.admin().unwrap();
    let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{user}");
    let role = admin.get(&path).await.unwrap().ok().unwrap();
    let rules = role["rules"].as_array().unwrap();
    let mut taken = 0;
    for (n, rule) in rules.iter().enumerate() {
        let (group, verb) = (
            rule["apiGroups"][0].as_str().unwrap(),
            rule["verbs"][0].as_str().unwrap(),
        );
        if group == "authorization.k8s.io" {
            continue;
        }
        for resource in rule["resources"].as_array().unwrap() {
            let mut less = role.clone();
            less["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("resourceVersion");
            let left = less["rules"][n]["resources"].as_array_mut().unwrap();
            left.retain(|one| one != resource);
            if left.is_empty() {
                less["rules"].as_array_mut().unwrap().remove(n);
            }
            admin.put(&path, &less).await.unwrap().ok().unwrap();
            let mut name = format!("{verb} {}", resource.as_str().unwrap());
            if !group.is_empty() {
                name = format!("{name}.{group}");
            }
            if verb == "get" {
                name = format!("{name} kube-system");
            }
            until(reader.as_ref(), &EngineId::ALL, &[name]).await;
            taken += 1;
        }
    }
    assert!(taken >= 28, "{taken}");
    // Not one write, and nothing that was not asked for.
    for event in plane.audit_of(user).unwrap() {
        assert!(!event.changed_something(), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn some_namespaces_are_a_part_and_nobody_is_nobody() {
    let Some(plane) = shared().await else { return };
    let user = "reader-of-shop";
    let role =
        ReadRole::new(user, Subject::User(user.to_owned())).in_namespaces(&["shop".to_owned()]);
    kubectl(plane, &["apply", "-f", "-"], &read_manifests(&role));
    let reader = client(plane, &plane.token_for(user, &[]).unwrap());
    let mut options = ReadOptions::default();
    options.namespaces = vec!["shop".to_owned()];
    let mut opened = None;
    for _ in 0..200 {
        let clock = Arc::new(StoppedClock::default());
        if let Ok(cluster) = ClusterReader::open(reader.clone(), clock, options.clone()).await {
            opened = Some(cluster);
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let cluster = read(opened.expect("its role lets it read which cluster it is")).await;
    assert_eq!(cluster.pods.items().len(), 23);
    assert!(matches!(cluster.pods.gap(), Some(Gap::OutOfScope { .. })));
    assert!(cluster.nodes.is_complete());
    let everywhere = open(reader, 500).await.list_pods().await.unwrap();
    let denied = Gap::Denied {
        permission: "list pods".to_owned(),
    };
    assert_eq!(everywhere, Knowledge::unknown(denied));

    let nobody = client(plane, "not-a-token");
    let error = nobody.get("/api/v1/nodes", &[]).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Unauthenticated { .. }),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_sent_only_in_the_mode_that_sends() {
    let Some(plane) = started().await else { return };
    let token = plane.token_for("actor", &["system:masters"]).unwrap();
    let text = plane.kubeconfig_for(&token);
    let found = connection::<Acting>(&text, ConnectOptions::default()).unwrap();
    let uid = open(client(&plane, plane.admin_token()), 500)
        .await
        .uid()
        .clone();
    let mut pinned = ConnectOptions::default();
    pinned.ca_sha256 = found.authorities().to_vec();
    pinned.cluster_uid = Some(uid);
    let connected = connection::<Acting>(&text, pinned.clone()).unwrap();
    let patch = br#"{"spec":{"unschedulable":true}}"#;
    let node = "/api/v1/nodes/n-0";
    for (mode, status) in [
        (ActMode::Report, None),
        (ActMode::ServerDryRun, Some(200)),
        (ActMode::Act, Some(200)),
    ] {
        let actor = connected.client("plan-1", mode).await.unwrap();
        let reply = actor
            .send(
                Method::PATCH,
                node,
                "application/merge-patch+json",
                patch.to_vec(),
            )
            .await;
        assert_eq!(reply.ok().map(|reply| reply.status), status);
        let now = plane
            .admin()
            .unwrap()
            .get(node)
            .await
            .unwrap()
            .ok()
            .unwrap();
        let cordoned = now["spec"]["unschedulable"] == true;
        assert_eq!(cordoned, mode == ActMode::Act, "{mode:?}");
    }
    let events = plane.audit_of("actor").unwrap();
    let patches: Vec<_> = events
        .iter()
        .filter(|event| event.verb == "patch")
        .collect();
    assert_eq!(patches.len(), 2);
    assert!(
        patches
            .iter()
            .all(|event| event.user_agent.ends_with("(plan plan-1)"))
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| event.changed_something())
            .count(),
        1
    );

    let mut other = pinned.clone();
    other.cluster_uid = Some(ClusterUid::new("another"));
    let error = connection::<Acting>(&text, other)
        .unwrap()
        .client("p", ActMode::Act)
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { .. }));
    let mut other = pinned;
    other.ca_sha256 = vec!["0".repeat(64)];
    let error = connection::<Acting>(&text, other).unwrap_err();
    assert!(matches!(error, ConnectError::OtherAuthority { .. }));
    let asked = plane.audit_of("actor").unwrap().len();
    // The right name and another authority: TLS refuses.
    let stranger = start_or_skip(PlaneConfig::bare()).await.unwrap();
    let text = stranger
        .kubeconfig_for(&token)
        .replace(stranger.url(), plane.url());
    let reader = connection::<Reading>(&text, ConnectOptions::default())
        .unwrap()
        .client()
        .unwrap();
    let error = reader.get("/readyz", &[]).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Unavailable { .. }),
        "{error}"
    );
    assert_eq!(plane.audit_of("actor").unwrap().len(), asked);
}

#[tokio::test]
async fn a_log_at_every_level_of_a_whole_collection_holds_no_secret() {
    let Some(plane) = shared().await else { return };
    let heard = super::logged::Logged::hear();
    let reader = client(plane, plane.admin_token());
    let cluster = ClusterReader::open(
        reader,
        Arc::new(SystemClock::default()),
        ReadOptions::default(),
    );
    read(cluster.await.unwrap()).await;
    let text = heard.text();
    assert!(text.contains("read a page"), "the log is on");
    assert!(!text.contains(CANARY) && !text.contains(plane.admin_token()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_collects_and_says_what_it_may_not_read() {
    let Some(plane) = shared().await else { return };
    let binary = crate::example("collect");
    let run = |kubeconfig: &std::path::Path| {
        let mut command = Command::new(&binary);
        command
            .env("KUBECONFIG", kubeconfig)
            .env_remove("KUBERNETES_SERVICE_HOST");
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, out, told) = run(&plane.admin_kubeconfig());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("3 nodes, 24 pods, 6 workloads"), "{told}");
    let snapshot: cloudoptim_core::model::Snapshot = serde_json::from_str(&out).unwrap();
    assert_eq!(snapshot.clusters[0].nodes.items().len(), 3);
    assert!(!out.contains(CANARY) && !told.contains(plane.admin_token()));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let (code, _, told) = run(&path);
    assert_eq!(code, Some(1));
    assert_eq!(
        told,
        format!("collect: {}: entity not found\n", path.display())
    );

    let token = plane.token_for("nobody", &[]).unwrap();
    std::fs::write(&path, plane.kubeconfig_for(&token)).unwrap();
    let (code, _, told) = run(&path);
    assert_eq!(code, Some(1));
    assert!(
        told.contains(
            "kubernetes get namespaces kube-system: permission get namespaces is missing"
        ),
        "{told}"
    );
}
