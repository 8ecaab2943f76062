//! The kinds of acts that take a kubelet, an owner of nodes or a spot engine,
//! killed at every point. The test is the first two.

use super::kinds::{Kinds, killed_everywhere};
use super::packing::karpenter;
use super::small::{SHOP, Small, about};
use super::*;
use cloudoptim_aws::testing::api::Api;
use cloudoptim_aws::testing::assets::Assets;
use cloudoptim_aws::testing::world::{bound_pod, running};
use cloudoptim_core::decision::{Offering, Owner, SpotPoolShare};
use cloudoptim_core::model::{
    CapacityType, ContainerResources, MicroUsdPerHour, MilliCpu, TaintEffect, Uid, WorkloadRef,
};
use cloudoptim_core::providers::SPOT_REPLICAS_KEY;
use futures_util::FutureExt;
use std::time::Duration;
use tokio::task::JoinHandle;

const CLAIMS: &str = "/apis/karpenter.sh/v1/nodeclaims";
const PODS: &str = "/api/v1/namespaces/shop/pods";
const TAINT: &str = "cloudoptim/rest";

fn asks(cpu: u64) -> ContainerResources {
    let mut resources = ContainerResources::default();
    resources.requests.cpu = Some(MilliCpu(cpu));
    resources.requests.memory = Some(cloudoptim_core::model::Bytes(128 << 20));
    resources
}

/// Says of each pod that has a size that its container has what it asks for.
fn kubelet(api: Api) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Ok(list) = api.get(PODS).await else {
                continue;
            };
            let list = list.ok().unwrap();
            for pod in list["items"].as_array().unwrap() {
                let name = pod["metadata"]["name"].as_str().unwrap();
                let asked = &pod["spec"]["containers"][0]["resources"]["requests"];
                let has = &pod["status"]["containerStatuses"][0]["resources"]["requests"];
                if !name.starts_with("sized-") || asked == has {
                    continue;
                }
                let mut status = running(true);
                status["containerStatuses"] = json!([{"name": "main", "ready": true,
                    "restartCount": 0, "image": "example.test/main:1", "imageID": "",
                    "state": {"running": {}}, "resources": {"requests": asked}}]);
                let path = format!("{PODS}/{name}/status");
                let kind = cloudoptim_aws::testing::api::PatchKind::Merge;
                let _ = api.patch(&path, kind, &json!({ "status": status })).await;
            }
        }
    })
}

/// A node with a sized pod, an empty node of Karpenter's, and a deployment.
async fn make(small: &Small, name: &str) {
    small.node(&format!("t-{name}"), 0).await;
    let mut pod = bound_pod(SHOP, &format!("sized-{name}"), &format!("t-{name}"));
    pod["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "100m", "memory": "128Mi"}});
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1",
        "kind": "ReplicaSet", "name": "set", "uid": "set", "controller": true}]);
    small.post(PODS, pod).await;
    let node = format!("c-{name}");
    small.node(&node, 0).await;
    let label = json!({"metadata": {"labels": {"karpenter.sh/nodepool": "main"}}});
    let path = format!("/api/v1/nodes/{node}");
    let class = json!({"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "main"});
    let claim = json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
        "metadata": {"name": node, "labels": {"karpenter.sh/nodepool": "main"}},
        "spec": {"nodeClassRef": class, "requirements": []}});
    small.post(CLAIMS, claim).await;
    let status = json!({"status": {"nodeName": node}});
    small
        .patch(&format!("{CLAIMS}/{node}/status"), status)
        .await;
    small.patch(&path, label).await;
    let app = format!("spot-{name}");
    let body = json!({"metadata": {"name": app}, "spec": {"replicas": 2,
        "selector": {"matchLabels": {"app": app}},
        "template": {"metadata": {"labels": {"app": app}},
            "spec": {"containers": [{"name": "main", "image": "example.test/main:1"}]}}}});
    small
        .post("/apis/apps/v1/namespaces/shop/deployments", body)
        .await;
    // The kubelet has seen the pod.
    let path = format!("{PODS}/sized-{name}");
    while small.get(&path).await["status"]["phase"] != "Running" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn state(small: &Small, name: &str) -> Value {
    let node = small.get(&format!("/api/v1/nodes/t-{name}")).await;
    let pod = small.get(&format!("{PODS}/sized-{name}")).await;
    let path = format!("/apis/apps/v1/namespaces/shop/deployments/spot-{name}");
    let deployment = small.get(&path).await;
    let spot = &deployment["metadata"]["annotations"][SPOT_REPLICAS_KEY];
    json!({"taints": node["spec"]["taints"],
        "resources": pod["spec"]["containers"][0]["resources"],
        "affinity": deployment["spec"]["template"]["spec"]["affinity"],
        // Nothing is said before the first act.
        "spot": spot.as_str().unwrap_or("0")})
}

fn decisions(snapshot: &Snapshot, name: &str) -> (Vec<Decision>, usize) {
    let cluster = snapshot.clusters[0].uid.clone();
    let of_node = |node: String, action| {
        let reasons = vec![bin_packing::Reason::PodsFitElsewhere { pods: 1, onto: 1 }.into()];
        let subject = Subject::Node {
            cluster: cluster.clone(),
            node: node.as_str().into(),
        };
        Decision::act(EngineId::BinPacking, subject, vec![action], None, reasons)
    };
    let taint = Action::TaintNode {
        cluster: cluster.clone(),
        node: format!("t-{name}").as_str().into(),
        key: TAINT.to_owned(),
        effect: TaintEffect::PreferNoSchedule,
        from: None,
        to: Some("plan".to_owned()),
    };
    let pod = NamespacedName::new(SHOP, format!("sized-{name}"));
    let found = snapshot.clusters[0].pods.items().iter();
    let mut found = found.filter(|p| p.meta.name == pod.name);
    let uid: Uid = found.next().unwrap().meta.uid.clone();
    let resize = Action::ResizePod {
        cluster: cluster.clone(),
        pod: pod.clone(),
        uid,
        container: "main".to_owned(),
        from: Box::new(asks(100)),
        to: Box::new(asks(50)),
    };
    let reasons = vec![bin_packing::Reason::PodsFitElsewhere { pods: 1, onto: 1 }.into()];
    let subject = Subject::Pod {
        cluster: cluster.clone(),
        pod,
    };
    let resize = Decision::act(EngineId::Rightsizing, subject, vec![resize], None, reasons);
    let workload = WorkloadRef::new(SHOP, "Deployment", format!("spot-{name}"));
    let offering = |capacity_type| Offering {
        instance_type: "m6i.large".into(),
        zone: None,
        capacity_type,
    };
    let now = snapshot.taken_at;
    let share = Action::SetSpotShare {
        cluster: cluster.clone(),
        workload: workload.clone(),
        from: 0,
        to: 2,
        pools: vec![SpotPoolShare {
            offering: offering(CapacityType::Spot),
            replicas: 2,
            risk_adjusted_price: MicroUsdPerHour(1),
            price_as_of: Some(now),
            band_as_of: Some(now),
        }],
        fallback: offering(CapacityType::OnDemand),
    };
    let node = format!("c-{name}");
    let remove = Action::RemoveNode {
        cluster: cluster.clone(),
        node: node.as_str().into(),
        instance: None,
        via: Owner::NodeClaim { name: node.clone() },
    };
    let decisions = vec![
        of_node(format!("t-{name}"), taint),
        resize,
        about(snapshot, EngineId::Spot, &workload, vec![share]),
        of_node(node, remove),
    ];
    (decisions, 4)
}

/// Rights beyond those of the generated roles, which no engine asks for.
async fn grant_more(admin: &Api) {
    let rules = json!([{"apiGroups": [""], "resources": ["pods/resize"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    bind(admin, "more", ACTOR, &rules).await;
}

/// E01 for taints, pods resized in place, shares of spot, and nodes that their
/// owner takes away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e01_taints_sizes_of_pods_spot_and_removals_killed_at_every_point() {
    let Some(small) = Small::start().await else {
        return;
    };
    let world = World::create(&small.plane, &WorldSpec::default())
        .await
        .unwrap();
    let assets = Assets::find().unwrap();
    world.install_karpenter_crds(&assets).await.unwrap();
    let admin = small.plane.admin().unwrap();
    grant_more(&admin).await;
    let helpers = [kubelet(admin.clone()), karpenter(admin)];
    let kinds = Kinds {
        make: |small, name| make(small, name).boxed(),
        state: |small, name| state(small, name).boxed(),
        decisions,
        // A node that is gone stays gone.
        kept: 1,
    };
    let (ended, points) = killed_everywhere(Arc::new(small), kinds).await;
    let counts = (ended.changes.len(), ended.changes_back.len());
    assert_eq!(counts, (4, 3), "{ended:#?}");
    assert!(points >= 2 + 3 * 4, "only {points} points");
    let taints = ended.done["taints"].to_string();
    assert!(taints.contains(TAINT), "{ended:#?}");
    helpers.iter().for_each(JoinHandle::abort);
}
