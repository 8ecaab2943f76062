//! The suite of the core, on a real API server. No controllers run, so what
//! changes is what we change.

use super::*;
use cloudoptim_aws::testing::world::{bound_pod, running};
use cloudoptim_core::conformance::{
    annotates_and_removes, cordons_and_uncordons, deletes_node_object_once, drains_once,
    prefers_a_zone_and_forgets_it, resizes_once, routes_and_forgets,
    scales_only_from_what_was_seen, sets_the_spot_share_once, suspends_and_resumes,
};
use cloudoptim_core::decision::{Launch, ObjectRef, Offering, Owner, SpotPoolShare};
use cloudoptim_core::guard::Permit;
use cloudoptim_core::model::*;
use cloudoptim_core::providers::{
    ClusterIdentity, NodeActuator, NodeSource, ObjectActuator, PodSource, ServiceSource,
    WorkloadActuator, WorkloadSource,
};

/// What reads and what acts, as one provider.
#[derive(Debug)]
struct Both {
    read: ClusterReader,
    act: ClusterActuator,
}

macro_rules! both {
    ($($part:ident $bound:ident { $($name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)* })*) => {
        $(#[async_trait]
        impl $bound for Both {
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out, ProviderError> {
                self.$part.$name($($arg),*).await
            })*
        })*
    };
}

both! {
    read ClusterIdentity { cluster_uid() -> ClusterUid; }
    read NodeSource {
        list_nodes() -> Knowledge<Vec<Node>>;
        list_node_leases() -> Knowledge<Vec<Lease>>;
        list_node_pools() -> Knowledge<Vec<NodePool>>;
        list_node_claims() -> Knowledge<Vec<NodeClaim>>;
        list_csi_nodes() -> Knowledge<Vec<CsiNode>>;
    }
    read PodSource { list_pods() -> Knowledge<Vec<Pod>>; }
    read ServiceSource {
        list_services() -> Knowledge<Vec<Service>>;
        list_endpoint_slices() -> Knowledge<Vec<EndpointSlice>>;
    }
    read WorkloadSource {
        list_workloads() -> Knowledge<Vec<Workload>>;
        list_disruption_budgets() -> Knowledge<Vec<PodDisruptionBudget>>;
        list_horizontal_autoscalers() -> Knowledge<Vec<HorizontalPodAutoscaler>>;
        list_vertical_autoscalers() -> Knowledge<Vec<VerticalPodAutoscaler>>;
        list_scaled_objects() -> Knowledge<Vec<ScaledObject>>;
    }
    act NodeActuator {
        launch_nodes(permit: &Permit, what: &Launch) -> ();
        release_nodes(permit: &Permit, what: &Launch, key: &str) -> ();
        cordon_node(permit: &Permit, node: &NodeName) -> ();
        uncordon_node(permit: &Permit, node: &NodeName) -> ();
        drain_node(permit: &Permit, node: &NodeName, moves: &[PodMove]) -> ();
        remove_node(permit: &Permit, node: &NodeName, via: &Owner) -> ();
        delete_node_object(permit: &Permit, node: &NodeName) -> ();
    }
    act WorkloadActuator {
        resize_container(permit: &Permit, which: &WorkloadRef, name: &str, init: bool, to: &ContainerResources) -> ();
        scale_workload(permit: &Permit, which: &WorkloadRef, to: u32) -> ();
        suspend_workload(permit: &Permit, which: &WorkloadRef, suspend: bool) -> ();
        prefer_zone(permit: &Permit, which: &WorkloadRef, to: Option<ZoneId>) -> ();
        set_spot_share(permit: &Permit, which: &WorkloadRef, to: u32, pools: &[SpotPoolShare], fallback: &Offering) -> ();
    }
    act ObjectActuator {
        annotate(permit: &Permit, object: &ObjectRef, key: &str, value: Option<String>) -> ();
        route_service(permit: &Permit, service: &NamespacedName, to: Option<String>) -> ();
    }
}

fn pod_template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"restartPolicy": "Always", "containers": [
        {"name": "main", "image": "example.test/main:1",
         "resources": {"requests": {"cpu": "0.5", "memory": "1Gi"}}},
        {"name": "side", "image": "example.test/side:1"}]}})
}

#[tokio::test]
async fn actuators_keep_the_contract_on_a_real_api_server() {
    let Some(plane) = start_or_skip(PlaneConfig::bare()).await else {
        return;
    };
    let admin = plane.admin().unwrap();
    let post = async |path: &str, body: Value| admin.post(path, &body).await.unwrap().ok().unwrap();
    post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    for node in ["n1", "n2", "n3"] {
        post("/api/v1/nodes", json!({"metadata": {"name": node}})).await;
    }
    let mut uids = Vec::new();
    for pod in ["web-0", "web-1", "stays"] {
        let mut body = bound_pod("shop", pod, "n2");
        // No kubelet is there to end it.
        body["spec"]["terminationGracePeriodSeconds"] = json!(0);
        let made = post("/api/v1/namespaces/shop/pods", body).await;
        uids.push(made["metadata"]["uid"].as_str().unwrap().to_owned());
        let path = format!("/api/v1/namespaces/shop/pods/{pod}/status");
        let kind = cloudoptim_aws::testing::api::PatchKind::Merge;
        let status = json!({"status": running(true)});
        admin
            .patch(&path, kind, &status)
            .await
            .unwrap()
            .ok()
            .unwrap();
    }
    let (apps, batch) = (
        "/apis/apps/v1/namespaces/shop",
        "/apis/batch/v1/namespaces/shop",
    );
    for name in ["web", "one"] {
        let replicas = if name == "one" { 1 } else { 3 };
        let body = json!({"metadata": {"name": name}, "spec": {"replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}}, "template": pod_template()}});
        post(&format!("{apps}/deployments"), body).await;
    }
    let mut job = pod_template();
    job["spec"]["restartPolicy"] = json!("Never");
    let cron = json!({"metadata": {"name": "night"}, "spec": {"schedule": "0 3 * * *",
        "jobTemplate": {"spec": {"template": job}}}});
    post(&format!("{batch}/cronjobs"), cron).await;
    let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
    post("/api/v1/namespaces/shop/services", service).await;

    let token = plane.admin_token().to_owned();
    let kubeconfig = plane.kubeconfig_for(&token);
    let hands = Hands::open(&kubeconfig, &kubeconfig).await;
    let read = ClusterReader::open(
        hands.reader.clone(),
        hands.clock.clone(),
        ReadOptions::default(),
    );
    let client = hands
        .acting
        .client("conformance", ActMode::Act)
        .await
        .unwrap();
    let marks = Marks {
        plan: "conformance".to_owned(),
        until: hands.clock.now(),
    };
    let act = ClusterActuator::new(
        hands.reader.clone(),
        Arc::new(client),
        hands.clock.clone(),
        marks,
    )
    .with_drain(DrainConfig::default().with_settle(TimeDelta::zero()));
    let both = Both {
        read: read.await.unwrap(),
        act,
    };

    cordons_and_uncordons(&both, &"n1".into()).await;
    annotates_and_removes(&both, "n1").await;
    let kind = cloudoptim_aws::testing::api::PatchKind::Merge;
    let cordon = json!({"spec": {"unschedulable": true}});
    admin
        .patch("/api/v1/nodes/n2", kind, &cordon)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let leaving: Vec<PodMove> = ["web-0", "web-1"]
        .iter()
        .zip(&uids)
        .map(|(name, uid)| PodMove {
            pod: NamespacedName::new("shop", *name),
            uid: uid.as_str().into(),
            to: None,
        })
        .collect();
    drains_once(&both, &"n2".into(), &leaving).await;
    deletes_node_object_once(&both, &"n3".into()).await;

    let web = WorkloadRef::new("shop", "Deployment", "web");
    let mut to = ContainerResources::default();
    to.requests.cpu = Some(MilliCpu(250));
    to.requests.memory = Some(Bytes(512 << 20));
    to.limits.memory = Some(Bytes(512 << 20));
    resizes_once(&both, &web, "main", &to).await;
    scales_only_from_what_was_seen(&both, &web).await;
    prefers_a_zone_and_forgets_it(&both, &web, &"use1-az1".into()).await;
    suspends_and_resumes(&both, &WorkloadRef::new("shop", "CronJob", "night")).await;
    let fallback = Offering {
        instance_type: "m5.large".into(),
        zone: None,
        capacity_type: CapacityType::OnDemand,
    };
    let one = WorkloadRef::new("shop", "Deployment", "one");
    sets_the_spot_share_once(&both, &one, &[], &fallback).await;
    routes_and_forgets(&both, &NamespacedName::new("shop", "web")).await;
    let kept = admin
        .get(&format!("{apps}/deployments/web"))
        .await
        .unwrap()
        .ok()
        .unwrap();
    let spec = &kept["spec"]["template"]["spec"];
    assert_eq!(spec["affinity"], Value::Null, "the way back leaves nothing");
    assert_eq!(spec["containers"][1]["image"], "example.test/side:1");
}
