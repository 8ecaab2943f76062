//! A plan that is rehearsed: the server is asked about every change and stores
//! none, or is asked about none.

use super::*;
use cloudoptim_aws::testing::api::PatchKind;
use cloudoptim_aws::testing::world::{bound_pod, running};
use cloudoptim_core::engines::bin_packing::Elsewhere;
use cloudoptim_core::execute::{Answer, Rehearsed, Stage, rehearse};
use cloudoptim_core::guard::Limits;

async fn rehearsed(hands: &Hands, plan: &Plan, mode: ActMode) -> Vec<Rehearsed> {
    let id = plan.fingerprint.to_string();
    let client = hands.acting.client(&id, mode).await.unwrap();
    let actuator = ClusterActuator::new(
        hands.reader.clone(),
        Arc::new(client),
        hands.clock.clone(),
        Marks::of(plan),
    );
    let actuators = actuator.rehearsing(&hands.uid).unwrap();
    let stage = Stage {
        sources: &hands.sources,
        actuators: &actuators,
        clock: &*hands.clock,
        placement: &Elsewhere::default(),
        limits: &Limits::default().with_pool_percent(100),
    };
    rehearse(plan, &stage).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_asked_about_and_none_is_stored() {
    let Some(plane) = start_or_skip(PlaneConfig::bare()).await else {
        return;
    };
    let admin = plane.admin().unwrap();
    let post = async |path: &str, body: Value| admin.post(path, &body).await.unwrap().ok().unwrap();
    post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    let room = json!({"cpu": "4", "memory": "16Gi", "pods": "110"});
    for node in ["n1", "n2"] {
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let body = json!({"metadata": {"name": node},
            "status": {"allocatable": room, "capacity": room, "conditions": ready}});
        post("/api/v1/nodes", body).await;
        // Without its controllers nobody takes the taint of a new node away.
        let path = format!("/api/v1/nodes/{node}");
        let bare = json!({"spec": {"taints": null}});
        let kind = PatchKind::Merge;
        admin.patch(&path, kind, &bare).await.unwrap().ok().unwrap();
    }
    let set = post(
        "/apis/apps/v1/namespaces/shop/replicasets",
        json!({"metadata": {"name": "web"}, "spec": {"replicas": 2,
            "selector": {"matchLabels": {"set": "web"}},
            "template": {"metadata": {"labels": {"set": "web"}},
                "spec": {"containers": [{"name": "main", "image": "example.test/main:1"}]}}}}),
    )
    .await;
    for pod in ["web-0", "web-1"] {
        let mut body = bound_pod("shop", pod, "n1");
        body["metadata"]["labels"] = json!({"set": "web"});
        body["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "name": "web", "uid": set["metadata"]["uid"], "controller": true}]);
        post("/api/v1/namespaces/shop/pods", body).await;
        let path = format!("/api/v1/namespaces/shop/pods/{pod}/status");
        let status = json!({"status": running(true)});
        let kind = PatchKind::Merge;
        admin
            .patch(&path, kind, &status)
            .await
            .unwrap()
            .ok()
            .unwrap();
    }
    let token = plane.token_for(ACTOR, &["system:masters"]).unwrap();
    let kubeconfig = plane.kubeconfig_for(&token);
    let hands = Hands::open(&kubeconfig, &kubeconfig).await;
    let plan = drain_plan(&hands.snapshot().await, &["n1"]);
    let everything = async || {
        let pods = admin.get("/api/v1/pods").await.unwrap().ok().unwrap();
        let nodes = admin.get("/api/v1/nodes").await.unwrap().ok().unwrap();
        (pods, nodes)
    };
    let before = everything().await;

    let taken = rehearsed(&hands, &plan, ActMode::ServerDryRun).await;
    let all = [Answer::Taken, Answer::Taken];
    assert!(taken.iter().map(|r| &r.answer).eq(&all), "{taken:#?}");
    assert!(taken.iter().all(|r| r.refusal.is_none()), "{taken:#?}");

    // A budget that lets nobody go is heard, and not waited for.
    let budget = json!({"metadata": {"name": "web"}, "spec": {"minAvailable": 2,
        "selector": {"matchLabels": {"set": "web"}}}});
    post(
        "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
        budget,
    )
    .await;
    let heard = rehearsed(&hands, &plan, ActMode::ServerDryRun).await;
    assert_eq!(heard[0].answer, Answer::Taken);
    let said = format!("{:?}", heard[1].answer);
    assert!(said.contains("disruption budget"), "{said}");

    // What a guard refuses, the server is not asked about.
    let kind = PatchKind::Merge;
    let mark = |value: Value| json!({"metadata": {"annotations": {"cloudoptim/protect": value}}});
    let path = "/api/v1/nodes/n1";
    let protect = mark("true".into());
    admin
        .patch(path, kind, &protect)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let kept = rehearsed(&hands, &plan, ActMode::ServerDryRun).await;
    assert_eq!(kept[0].answer, Answer::NotAsked);
    assert!(kept[0].refusal.is_some(), "{kept:#?}");
    let free = mark(Value::Null);
    admin.patch(path, kind, &free).await.unwrap().ok().unwrap();

    let events = plane.audit_of(ACTOR).unwrap();
    let asked = |events: &[AuditEvent]| {
        let changes = events.iter().filter(|e| e.is_change() && !e.is_review());
        changes.map(AuditEvent::is_dry_run).collect::<Vec<_>>()
    };
    // Cordon and two evictions, cordon and one that is refused; of the rest the
    // drain's evictions, which depend on a step.
    let dry = asked(&events);
    assert!(dry.len() >= 5 && dry.iter().all(|dry| *dry), "{dry:?}");

    // Report mode asks about nothing.
    let silent = rehearsed(&hands, &plan, ActMode::Report).await;
    let said = format!("{:?}", silent[0].answer);
    assert!(said.contains("report mode sends no change"), "{said}");
    assert_eq!(asked(&plane.audit_of(ACTOR).unwrap()).len(), dry.len());

    let (pods, nodes) = everything().await;
    assert_eq!(pods["items"], before.0["items"]);
    let cordoned = |list: &Value| {
        let items = list["items"].as_array().unwrap();
        items.iter().any(|n| n["spec"]["unschedulable"] == true)
    };
    assert!(!cordoned(&nodes) && !cordoned(&before.1));

    // A client that sends is no rehearsal.
    let client = hands.acting.client("p", ActMode::Act).await.unwrap();
    let clock = hands.clock.clone();
    let acts = ClusterActuator::new(
        hands.reader.clone(),
        Arc::new(client),
        clock,
        Marks::of(&plan),
    );
    assert!(acts.rehearsing(&hands.uid).is_err());
}
