//! Worlds come to life, and stay as a cluster would.

use cloudoptim_aws::testing::assets::Assets;
use cloudoptim_aws::testing::plane::{PlaneConfig, stages};
use cloudoptim_aws::testing::start_or_skip;
use cloudoptim_aws::testing::world::{Budget, World, WorkloadSpec, WorldSpec, bound_pod, running};
use serde_json::{Value, json};

use crate::bare_plane;

#[tokio::test]
async fn twenty_nodes_run_their_pods_and_an_evicted_one_keeps_its_grace() {
    let config = PlaneConfig::full().with_stages(stages::graceful());
    let Some(plane) = start_or_skip(config).await else { return };
    let mut spec = WorldSpec::generate(1, 20, 100);
    let mut evicted = WorkloadSpec::stateful_set("shop", "cart", 3).with_budget(Budget::MaxUnavailable("1".to_owned()));
    evicted.grace_seconds = 5;
    spec.workloads.push(evicted);
    let world = World::create(&plane, &spec).await.unwrap();
    world.wait_until_running().await.unwrap();

    let admin = plane.admin().unwrap();
    let nodes = admin.get("/api/v1/nodes").await.unwrap().ok().unwrap();
    let zones: std::collections::BTreeSet<&str> = nodes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str().unwrap())
        .collect();
    assert_eq!((nodes["items"].as_array().unwrap().len(), zones.len()), (20, 3));
    let pods = admin.get("/api/v1/pods").await.unwrap().ok().unwrap();
    let pods = pods["items"].as_array().unwrap();
    assert_eq!(pods.len(), 103);
    assert!(pods.iter().all(|pod| pod["status"]["phase"] == "Running" && pod["spec"]["nodeName"].is_string()));

    let pod = "/api/v1/namespaces/shop/pods/cart-1";
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap().to_owned();
    let before = admin.get(pod).await.unwrap().ok().unwrap();
    let eviction = |name: &str| {
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "shop"}})
    };
    admin.post(&format!("{pod}/eviction"), &eviction("cart-1")).await.unwrap().ok().unwrap();
    // It is there for its grace, and its budget is spent meanwhile.
    let after = admin.get(pod).await.unwrap().ok().unwrap();
    assert_eq!(uid(&before), uid(&after));
    assert!(after["metadata"]["deletionTimestamp"].is_string());
    let other = admin.post("/api/v1/namespaces/shop/pods/cart-2/eviction", &eviction("cart-2")).await.unwrap();
    assert_eq!(other.status, 429);
    // Then another takes its name.
    world
        .until(async || {
            let now = admin.get(pod).await?;
            let replaced = now.status == 200 && uid(&now.json()?) != uid(&before);
            Ok((!replaced).then(|| "the pod is still there".to_owned()))
        })
        .await
        .unwrap();
    world.wait_until_running().await.unwrap();

    let by_us: Vec<_> =
        plane.audit_of("admin").unwrap().into_iter().filter(|event| event.is_change()).map(|e| (e.target(), e.code())).collect();
    let evictions = [("pods/eviction".to_owned(), Some(201)), ("pods/eviction".to_owned(), Some(429))];
    assert_eq!(by_us, evictions);
    let removed = plane.audit_of("kwok").unwrap();
    assert!(removed.iter().any(|e| e.verb == "delete" && e.object_ref.as_ref().is_some_and(|o| o.name == "cart-1")));
}

#[tokio::test]
async fn a_bare_plane_takes_karpenters_definitions_and_pods_by_hand() {
    let Some(plane) = bare_plane().await else { return };
    let world = World::create(plane, &WorldSpec::default()).await.unwrap();
    world.install_karpenter_crds(&Assets::find().unwrap()).await.unwrap();
    let admin = plane.admin().unwrap();
    for kind in ["nodepools", "nodeclaims"] {
        admin.get(&format!("/apis/karpenter.sh/v1/{kind}")).await.unwrap().ok().unwrap();
    }

    world.ensure_namespace("by-hand").await.unwrap();
    let pods = "/api/v1/namespaces/by-hand/pods";
    world.create_all(vec![(pods.to_owned(), bound_pod("by-hand", "one", "node-1"))]).await.unwrap();
    world.set_status(&format!("{pods}/one"), &running(true)).await.unwrap();
    let one = admin.get(&format!("{pods}/one")).await.unwrap().ok().unwrap();
    assert_eq!((one["spec"]["nodeName"].as_str(), one["status"]["phase"].as_str()), (Some("node-1"), Some("Running")));
}

/// `cargo test -p cloudoptim-aws --test it -- --ignored --nocapture two_hundred`
#[tokio::test]
#[ignore = "measures: minutes, and a gigabyte of memory"]
async fn two_hundred_nodes_run_three_thousand_pods() {
    let plane = start_or_skip(PlaneConfig::full()).await.expect("a control plane");
    let ready = tokio::time::Instant::now();
    let world = World::create(&plane, &WorldSpec::generate(1, 200, 3_000)).await.unwrap();
    let made = ready.elapsed();
    world.wait_until_running().await.unwrap();
    let run = ready.elapsed();
    eprintln!("made after {made:?}, running after {run:?}");
    for (name, pid) in plane.pids() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        eprintln!("{name}: {peak}");
    }
    let pods = plane.admin().unwrap().get("/api/v1/pods").await.unwrap().ok().unwrap();
    assert_eq!(pods["items"].as_array().unwrap().len(), 3_000);
}
