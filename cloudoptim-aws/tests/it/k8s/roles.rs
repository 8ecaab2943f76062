//! Roles for reading, and the question whether the caller has one.

use async_trait::async_trait;
use bytes::Bytes;
use cloudoptim_aws::k8s::{Grant, ReadRole, Reviewer, Subject, preflight_read, read_manifests};
use cloudoptim_core::engines::EngineId;
use cloudoptim_core::providers::{Call, ProviderError};
use serde_json::{Value, json};
use std::sync::Mutex;

fn golden(name: &str, found: &str) {
    let path = format!("{}/tests/it/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{name} differs: run with UPDATE_GOLDEN=1 and read the diff");
}

fn reader() -> ReadRole {
    ReadRole::new("cloudoptim-read", Subject::User("cloudoptim-read".to_owned()))
}

#[test]
fn the_manifests_are_the_reviewed_ones() {
    golden("read-all.yaml", &read_manifests(&reader()));
    let subject = Subject::ServiceAccount {
        namespace: "tools".to_owned(),
        name: "cloudoptim".to_owned(),
    };
    let role = ReadRole::new("cloudoptim-network", subject)
        .for_engines(&[EngineId::Network])
        .in_namespaces(&["shop".to_owned(), "true".to_owned()]);
    golden("read-network-in-namespaces.yaml", &read_manifests(&role));
}

#[test]
fn no_role_grants_more_than_reading_what_is_read() {
    let all = read_manifests(&reader());
    for engine in EngineId::ALL {
        let yaml = read_manifests(&reader().for_engines(&[engine]));
        let verbs = yaml.lines().filter_map(|line| line.trim().strip_prefix("verbs: "));
        for verb in verbs {
            assert!(["[get]", "[list]", "[create]"].contains(&verb), "{engine:?}: {verb}");
        }
        let forbidden = ["secrets", "configmaps", "log", "exec", "proxy", "\"*\""];
        for word in forbidden {
            assert!(!yaml.contains(word), "{engine:?}: {word}");
        }
        let resources = yaml.lines().filter_map(|line| line.strip_prefix("  - "));
        for resource in resources {
            assert!(all.contains(&format!("  - {resource}\n")), "{engine:?}: {resource}");
        }
    }
}

/// Says about each permission what a function says.
#[derive(Debug, Default)]
struct Judge {
    asked: Mutex<Vec<Value>>,
}

#[async_trait]
impl Reviewer for Judge {
    async fn review(&self, body: Vec<u8>) -> Result<Bytes, ProviderError> {
        let question: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(question["kind"], "SelfSubjectAccessReview");
        let of = question["spec"]["resourceAttributes"].clone();
        self.asked.lock().unwrap().push(of.clone());
        let answer = match of["resource"].as_str().unwrap() {
            "pods" if of["group"] == "" => json!({"status": {"allowed": false, "reason": "no"}}),
            "nodes" => json!({"status": {"allowed": false, "evaluationError": "webhook down"}}),
            "services" => json!({"kind": "Else"}),
            "jobs" => {
                return Err(ProviderError::Unavailable {
                    call: Box::new(Call::new("kubernetes", "create review").because("cut off")),
                });
            }
            _ => json!({"status": {"allowed": true}}),
        };
        Ok(Bytes::from(answer.to_string()))
    }
}

#[tokio::test]
async fn preflight_says_granted_only_when_the_server_does() {
    let judge = Judge::default();
    let checks = preflight_read(&judge, &[EngineId::Network, EngineId::Oom], &[]).await;
    let of = |permission: &str| {
        let check = checks.iter().find(|check| check.permission.to_string() == permission);
        check.unwrap_or_else(|| panic!("{permission} is not asked for"))
    };
    let unverified = |why: &str| Grant::Unverified { why: why.to_owned() };
    assert_eq!(of("list deployments.apps").grant, Grant::Granted);
    assert_eq!(of("get namespaces kube-system").grant, Grant::Granted);
    assert_eq!(of("list pods").grant, Grant::Denied);
    assert_eq!(of("list nodes").grant, unverified("webhook down"));
    assert_eq!(of("list services").grant, unverified("the answer is no access review"));
    assert_eq!(
        of("list jobs.batch").grant,
        unverified("kubernetes create review: unavailable: cut off")
    );
    assert_eq!(of("list services").engines, [EngineId::Network]);
    assert_eq!(of("list pods").engines, [EngineId::Oom, EngineId::Network]);
    // Kinds that need not exist are asked for all the same.
    assert_eq!(of("list verticalpodautoscalers.autoscaling.k8s.io").grant, Grant::Granted);
    let identity = json!({"verb": "get", "group": "", "resource": "namespaces",
        "namespace": "kube-system", "name": "kube-system"});
    assert!(judge.asked.lock().unwrap().contains(&identity));
}

#[tokio::test]
async fn with_namespaces_preflight_asks_for_each() {
    let namespaces = ["a".to_owned(), "b".to_owned()];
    let checks = preflight_read(&Judge::default(), &[EngineId::GhostProbe], &namespaces).await;
    let asked: Vec<String> = checks.iter().map(|c| c.permission.to_string()).collect();
    for wanted in ["list pods in a", "list pods in b", "list nodes", "list leases.coordination.k8s.io in kube-node-lease"] {
        assert!(asked.iter().any(|found| found == wanted), "{wanted}: {asked:?}");
    }
    assert!(!asked.iter().any(|found| found == "list pods"));
}
