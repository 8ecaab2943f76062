//! The policy for the identity that acts, on a real API server: it holds even
//! for one that may do everything.

use cloudoptim_aws::k8s::Subject;
use cloudoptim_aws::k8s::act::{ActRole, act_manifests, act_policy};
use cloudoptim_aws::testing::api::Api;
use cloudoptim_aws::testing::plane::PlaneConfig;
use cloudoptim_aws::testing::start_or_skip;
use cloudoptim_aws::testing::world::bound_pod;
use cloudoptim_core::engines::EngineId;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

fn role() -> ActRole {
    let subject = Subject::User("cloudoptim-act".to_owned());
    ActRole::new("cloudoptim-act", subject)
        .in_namespaces(&["shop".to_owned()])
        .with_lease("shop", "cloudoptim")
}

/// Applies the documents of a manifest.
pub(super) async fn apply(admin: &Api, yaml: &str) {
    for document in yaml.split("---\n").filter(|d| !d.trim().is_empty()) {
        let of = |key: &str| {
            let line = document
                .lines()
                .find_map(|line| line.trim().strip_prefix(key));
            line.unwrap_or_default().trim().to_owned()
        };
        let kind = of("kind: ");
        let (group, plural) = match kind.as_str() {
            "ValidatingAdmissionPolicy" => (
                "admissionregistration.k8s.io",
                "validatingadmissionpolicies".to_owned(),
            ),
            kind if kind.contains("Role") => (
                "rbac.authorization.k8s.io",
                format!("{}s", kind.to_lowercase()),
            ),
            kind => (
                "admissionregistration.k8s.io",
                format!("{}s", kind.to_lowercase()),
            ),
        };
        let namespace = match of("namespace: ") {
            name if name.is_empty() => String::new(),
            name => format!("namespaces/{name}/"),
        };
        let path = format!("/apis/{group}/v1/{namespace}{plural}");
        let answer = admin
            .send(
                Method::POST,
                &path,
                "application/yaml",
                document.to_owned().into(),
            )
            .await
            .unwrap();
        answer.ok().unwrap();
    }
}

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/shop/leases";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/shop/events";

fn event(name: &str, reporter: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"}, "eventTime": "2026-11-23T10:00:00.000000Z",
        "reportingController": reporter, "reportingInstance": "x", "action": "a", "reason": "R",
        "type": "Normal", "note": "n",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-0"}})
}

fn deployment(namespace: &str) -> Value {
    json!({"metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
                {"name": "main", "image": "example.test/main:1"},
                {"name": "side", "image": "example.test/side:1"}]}}}})
}

#[tokio::test]
async fn whatever_its_role_allows_the_actor_changes_nothing_but_what_acting_is_made_of() {
    let Some(plane) = start_or_skip(PlaneConfig::bare()).await else {
        return;
    };
    let admin = plane.admin().unwrap();
    let post = async |path: &str, body: Value| admin.post(path, &body).await.unwrap().ok().unwrap();
    post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    let room = json!({"cpu": "4", "memory": "16Gi", "pods": "110"});
    let node = json!({"metadata": {"name": "n1"}, "spec": {"providerID": "aws:///a/i-1"},
        "status": {"allocatable": room, "capacity": room}});
    post("/api/v1/nodes", node).await;
    let kept = json!({"metadata": {"name": "n2"},
        "spec": {"taints": [{"key": "team", "effect": "NoSchedule"}]}});
    post("/api/v1/nodes", kept).await;
    for pod in ["web-0", "web-1"] {
        post("/api/v1/namespaces/shop/pods", bound_pod("shop", pod, "n1")).await;
    }
    post(
        "/api/v1/namespaces/kube-system/pods",
        bound_pod("kube-system", "dns", "n1"),
    )
    .await;
    for namespace in ["shop", "kube-system"] {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
        post(&path, deployment(namespace)).await;
    }
    let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
    post("/api/v1/namespaces/shop/services", service).await;
    let everything = json!({"metadata": {"name": "everything"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "cloudoptim-act"}]});
    post(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        everything,
    )
    .await;
    apply(&admin, &act_policy(&role())).await;

    let token = plane.token_for("cloudoptim-act", &[]).unwrap();
    let actor = plane.api(&token).unwrap();
    let web = "/apis/apps/v1/namespaces/shop/deployments/web";
    let pod = "/api/v1/namespaces/shop/pods/web-0";
    let ask = async |method: &Method, path: &str, kind: &str, body: &Value| {
        let body = body.to_string().into();
        actor.send(method.clone(), path, kind, body).await.unwrap()
    };
    // A policy holds a moment after it is made.
    for _ in 0..200 {
        let labels = json!({"metadata": {"labels": {"a": "b"}}});
        let answer = ask(
            &Method::PATCH,
            "/api/v1/nodes/n1?dryRun=All",
            MERGE,
            &labels,
        )
        .await;
        if answer.status == 422 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let image = json!([{"name": "main", "image": "example.test/evil:1"},
        {"name": "side", "image": "example.test/side:1"}]);
    let one = json!([{"name": "main", "image": "example.test/main:1"}]);
    let containers = |list: &Value| json!({"spec": {"template": {"spec": {"containers": list}}}});
    let eviction = |name: &str| json!({"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}});
    let forbidden: Vec<(Method, &str, &str, Value)> = vec![
        (Method::DELETE, pod, JSON, json!({})),
        (Method::DELETE, "/api/v1/nodes/n1", JSON, json!({})),
        (Method::DELETE, web, JSON, json!({})),
        (
            Method::PATCH,
            "/api/v1/nodes/n1",
            MERGE,
            json!({"metadata": {"labels": {"a": "b"}}}),
        ),
        (
            Method::PATCH,
            "/api/v1/nodes/n1",
            MERGE,
            json!({"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}),
        ),
        (
            Method::PATCH,
            "/api/v1/nodes/n1",
            MERGE,
            json!({"spec": {"taints": [{"key": "cloudoptim/out", "effect": "NoExecute"}]}}),
        ),
        (
            Method::PATCH,
            "/api/v1/nodes/n2",
            MERGE,
            json!({"spec": {"taints": null}}),
        ),
        (
            Method::PATCH,
            "/api/v1/nodes/n1",
            MERGE,
            json!({"metadata": {"annotations": {"other/key": "1"}}}),
        ),
        (Method::PATCH, web, MERGE, containers(&image)),
        (Method::PATCH, web, MERGE, containers(&one)),
        (
            Method::PATCH,
            web,
            MERGE,
            json!({"spec": {"template": {"spec": {"hostNetwork": true}}}}),
        ),
        (
            Method::PATCH,
            web,
            MERGE,
            json!({"spec": {"template": {"spec": {"serviceAccountName": "admin"}}}}),
        ),
        (Method::PATCH, web, MERGE, json!({"spec": {"paused": true}})),
        (
            Method::PATCH,
            "/apis/apps/v1/namespaces/kube-system/deployments/web",
            MERGE,
            json!({"spec": {"replicas": 0}}),
        ),
        (
            Method::POST,
            "/api/v1/namespaces/kube-system/pods/dns/eviction",
            JSON,
            eviction("dns"),
        ),
        (
            Method::PATCH,
            "/api/v1/namespaces/shop/services/web",
            MERGE,
            json!({"spec": {"externalIPs": ["192.0.2.1"]}}),
        ),
        (
            Method::POST,
            "/api/v1/namespaces/shop/configmaps",
            JSON,
            json!({"metadata": {"name": "c"}}),
        ),
        (
            Method::POST,
            "/api/v1/namespaces/shop/secrets",
            JSON,
            json!({"metadata": {"name": "s"}}),
        ),
        (Method::DELETE, "/api/v1/namespaces/shop", JSON, json!({})),
        (
            Method::POST,
            LEASES,
            JSON,
            json!({"metadata": {"name": "other"}}),
        ),
        (Method::POST, EVENTS, JSON, event("other", "someone-else")),
        (
            Method::DELETE,
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/everything",
            JSON,
            json!({}),
        ),
    ];
    for (method, path, kind, body) in &forbidden {
        let answer = ask(method, path, kind, body).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            answer.status == 422
                && text.contains("ValidatingAdmissionPolicy 'cloudoptim-act'")
                && !text.contains("resulted in error"),
            "{method} {path} {body}: {} {text}",
            answer.status
        );
    }

    let resized = json!([{"name": "main", "image": "example.test/main:1",
            "resources": {"requests": {"cpu": "100m"}}, "imagePullPolicy": "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
        {"name": "side", "image": "example.test/side:1"}]);
    let affinity = json!({"spec": {"template": {"spec": {"affinity": {"nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": {
            "matchExpressions": [{"key": "topology.k8s.aws/zone-id", "operator": "In", "values": ["a"]}]}}]}}}}}});
    // The server taints a node that is not ready.
    let node = admin.get("/api/v1/nodes/n1").await.unwrap().ok().unwrap();
    let mut with_ours = node["spec"]["taints"].as_array().unwrap().clone();
    with_ours.push(json!({"key": "cloudoptim/full", "effect": "NoSchedule"}));
    let allowed: Vec<(Method, &str, &str, Value)> = vec![
        (
            Method::PATCH,
            "/api/v1/nodes/n1",
            MERGE,
            json!({"spec": {"unschedulable": true},
            "metadata": {"annotations": {"cloudoptim/plan": "p"}}}),
        ),
        (
            Method::PATCH,
            "/api/v1/nodes/n1",
            MERGE,
            json!({"spec": {"unschedulable": null},
            "metadata": {"annotations": {"cloudoptim/plan": null}}}),
        ),
        (
            Method::PATCH,
            "/api/v1/nodes/n1",
            MERGE,
            json!({"spec": {"taints": with_ours}}),
        ),
        (
            Method::PATCH,
            "/api/v1/namespaces/shop/pods/web-0/resize",
            "application/strategic-merge-patch+json",
            json!({"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "200m"}}}]}}),
        ),
        (
            Method::PATCH,
            "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            MERGE,
            json!({"spec": {"replicas": 3}}),
        ),
        (Method::PATCH, web, MERGE, containers(&resized)),
        (Method::PATCH, web, MERGE, affinity),
        (
            Method::PATCH,
            "/api/v1/namespaces/shop/services/web",
            MERGE,
            json!({"spec": {"trafficDistribution": "PreferClose"}}),
        ),
        (
            Method::POST,
            "/api/v1/namespaces/shop/pods/web-0/eviction",
            JSON,
            eviction("web-0"),
        ),
        (
            Method::POST,
            LEASES,
            JSON,
            json!({"metadata": {"name": "cloudoptim", "annotations": {"cloudoptim/journal": "j"}},
                "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 1}}),
        ),
        (
            Method::PATCH,
            "/apis/coordination.k8s.io/v1/namespaces/shop/leases/cloudoptim",
            MERGE,
            json!({"metadata": {"annotations": {"cloudoptim/journal": "k"}},
                "spec": {"holderIdentity": "b", "leaseTransitions": 2}}),
        ),
        (Method::POST, EVENTS, JSON, event("ours", "cloudoptim")),
    ];
    for (method, path, kind, body) in &allowed {
        let answer = ask(method, path, kind, body).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            answer.status < 300,
            "{method} {path} {body}: {} {text}",
            answer.status
        );
    }
    // Others are not held by it.
    admin
        .delete(&format!("{pod}?gracePeriodSeconds=0"))
        .await
        .unwrap();
    admin
        .delete("/api/v1/namespaces/shop/pods/web-1")
        .await
        .unwrap()
        .ok()
        .unwrap();
}

#[tokio::test]
async fn the_manifests_of_a_role_are_taken_and_allow_what_is_asked_for() {
    let Some(plane) = start_or_skip(PlaneConfig::bare()).await else {
        return;
    };
    let admin = plane.admin().unwrap();
    let shop = json!({"metadata": {"name": "shop"}});
    admin
        .post("/api/v1/namespaces", &shop)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let role = role().for_engines(&[EngineId::BinPacking, EngineId::Rightsizing]);
    apply(&admin, &act_manifests(&role)).await;
    let token = plane.token_for("cloudoptim-act", &[]).unwrap();
    let may = async |verb: &str, group: &str, resource: &str, namespace: &str| {
        let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": verb, "group": group, "resource": resource,
                "subresource": sub, "namespace": namespace}}});
        let api = plane.api(&token).unwrap();
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = api.post(path, &review).await.unwrap().ok().unwrap();
        answer["status"]["allowed"] == true
    };
    for _ in 0..200 {
        if may("patch", "apps", "deployments", "shop").await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(may("patch", "", "nodes", "").await);
    assert!(may("create", "", "pods/eviction", "anywhere").await);
    assert!(may("patch", "apps", "deployments", "shop").await);
    for (verb, group, resource, namespace) in [
        ("delete", "", "pods", "shop"),
        ("delete", "", "nodes", ""),
        ("patch", "apps", "deployments", "other"),
        ("patch", "", "services", "shop"),
        ("get", "", "secrets", "shop"),
        ("update", "", "nodes", ""),
    ] {
        assert!(
            !may(verb, group, resource, namespace).await,
            "{verb} {resource}"
        );
    }
}
