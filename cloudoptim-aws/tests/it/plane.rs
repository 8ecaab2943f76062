//! The control plane of the tests: it starts, refuses, tells and ends.

use std::time::Duration;

use cloudoptim_aws::testing::plane::{PlaneConfig, PlaneError};
use cloudoptim_aws::testing::start_or_skip;
use serde_json::json;

use crate::bare_plane;

#[tokio::test]
async fn a_token_without_a_binding_is_refused_and_the_audit_log_says_so() {
    let Some(plane) = bare_plane().await else { return };
    let reader = plane.token_for("reader", &["auditors"]).unwrap();
    let api = plane.api(&reader).unwrap().with_user_agent("a-reader/1");

    let refused = api.get("/api/v1/nodes").await.unwrap();
    assert_eq!(refused.status, 403);

    // Not `admin`, which other tests are too.
    let granter = plane.token_for("granter", &["system:masters"]).unwrap();
    let admin = plane.api(&granter).unwrap();
    let role = json!({"metadata": {"name": "reads-nodes"},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]});
    let binding = json!({"metadata": {"name": "reads-nodes"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reads-nodes"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "auditors"}]});
    for (resource, body) in [("clusterroles", role), ("clusterrolebindings", binding)] {
        admin.post(&format!("/apis/rbac.authorization.k8s.io/v1/{resource}"), &body).await.unwrap().ok().unwrap();
    }
    // The authoriser learns of the binding through a watch.
    let mut granted = api.get("/api/v1/nodes").await.unwrap();
    for _ in 0..100 {
        if granted.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        granted = api.get("/api/v1/nodes").await.unwrap();
    }
    granted.ok().unwrap();
    assert_eq!(api.get("/api/v1/pods").await.unwrap().status, 403);

    let unknown = plane.api("not-a-token").unwrap().get("/api/v1/nodes").await.unwrap();
    assert_eq!(unknown.status, 401);

    let events = plane.audit_of("reader").unwrap();
    let first = &events[0];
    assert_eq!((first.verb.as_str(), first.target().as_str(), first.code()), ("list", "nodes", Some(403)));
    assert_eq!(first.user_agent, "a-reader/1");
    assert!(first.user.groups.contains(&"auditors".to_owned()));
    assert!(events.iter().all(|event| !event.changed_something()));
    let changes: Vec<_> = plane.audit_of("granter").unwrap().into_iter().filter(|event| event.changed_something()).collect();
    assert_eq!(changes.iter().map(|event| event.target()).collect::<Vec<_>>(), ["clusterroles", "clusterrolebindings"]);
    assert_eq!(changes[0].request_object.as_ref().unwrap().pointer("/metadata/name").unwrap(), "reads-nodes");
}

#[tokio::test]
async fn a_revoked_token_is_soon_unknown() {
    let Some(plane) = bare_plane().await else { return };
    let token = plane.token_for("leaver", &[]).unwrap();
    let api = plane.api(&token).unwrap();
    assert_eq!(api.get("/api/v1/nodes").await.unwrap().status, 403);
    plane.revoke(&token);
    for _ in 0..200 {
        if api.get("/api/v1/nodes").await.unwrap().status == 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still known");
}

#[tokio::test]
async fn the_api_server_freezes_dies_and_comes_back_with_what_it_knew() {
    let Some(plane) = start_or_skip(PlaneConfig::bare()).await else { return };
    let admin = plane.admin().unwrap();
    let made = json!({"metadata": {"name": "kept"}});
    admin.post("/api/v1/namespaces", &made).await.unwrap().ok().unwrap();

    plane.pause().unwrap();
    let asking = {
        let admin = admin.clone();
        tokio::spawn(async move { admin.get("/api/v1/namespaces/kept").await.unwrap().status })
    };
    // An answer takes milliseconds when it is not frozen.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!asking.is_finished());
    plane.resume().unwrap();
    assert_eq!(asking.await.unwrap(), 200);

    plane.kill().unwrap();
    admin.get("/api/v1/namespaces/kept").await.unwrap_err();
    assert!(matches!(plane.pause(), Err(PlaneError::NotRunning("kube-apiserver"))));
    plane.restart().await.unwrap();
    admin.get("/api/v1/namespaces/kept").await.unwrap().ok().unwrap();
    plane.restart().await.unwrap();
    admin.get("/api/v1/namespaces/kept").await.unwrap().ok().unwrap();
}

#[tokio::test]
async fn nothing_that_can_be_printed_has_a_token() {
    let Some(plane) = bare_plane().await else { return };
    let token = plane.token_for("printed", &[]).unwrap();
    let printed = format!("{plane:?} {:?}", plane.api(&token).unwrap());
    assert!(!printed.contains(&token) && !printed.contains(plane.admin_token()));
    let error = plane.api(&token).unwrap().get("/api/v1/nodes").await.unwrap().ok().unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&token));
}
