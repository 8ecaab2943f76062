//! Answers of a server that a test writes down, in the words of a real one.

use super::*;
use crate::k8s::act::{Changer, DrainConfig, Marks};
use crate::k8s::client::Reader;
use crate::k8s::target::Target;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use cloudoptim_core::memory::ManualClock;
use cloudoptim_core::model::{NamespacedName, NodeName};
use cloudoptim_core::providers::ProviderError;
use serde_json::Value;
use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Poll, Waker};

const POD: &str = "/api/v1/namespaces/shop/pods/web-0";
const NODE: &str = "/api/v1/nodes/n1";

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for nothing but the clock"),
    }
}

/// A pod and a node; evictions are answered as the script says, and when it is
/// at its end, granted.
#[derive(Debug, Default)]
struct Server {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Value>,
    script: VecDeque<(u16, Value)>,
    evictions: Vec<Value>,
    /// What becomes of the pod once an eviction was asked for.
    after: Option<Value>,
}

impl Server {
    fn new(script: impl IntoIterator<Item = (u16, Value)>) -> Arc<Self> {
        let server = Self::default();
        {
            let mut state = server.state.lock().unwrap();
            state.script.extend(script);
            state.objects.insert(
                NODE.to_owned(),
                json!({"metadata": {"name": "n1", "uid": "node-1", "resourceVersion": "1"},
                       "spec": {"unschedulable": true}}),
            );
            state.objects.insert(POD.to_owned(), pod("u1", "n1"));
        }
        Arc::new(server)
    }

    fn set(&self, path: &str, object: Value) {
        let mut state = self.state.lock().unwrap();
        state.objects.insert(path.to_owned(), object);
    }

    fn after(&self, object: Value) {
        self.state.lock().unwrap().after = Some(object);
    }

    fn evictions(&self) -> Vec<Value> {
        self.state.lock().unwrap().evictions.clone()
    }
}

fn pod(uid: &str, node: &str) -> Value {
    json!({"metadata": {"name": "web-0", "namespace": "shop", "uid": uid, "resourceVersion": "1"},
           "spec": {"nodeName": node}, "status": {"phase": "Running"}})
}

fn refused(code: u16, body: &Value, method: &Method, path: &str) -> ProviderError {
    ApiFailure::read(code, None, body.to_string().as_bytes()).into_error(&Target::of(method, path))
}

#[async_trait]
impl Reader for Server {
    async fn get(&self, path: &str, _: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        match self.state.lock().unwrap().objects.get(path) {
            Some(object) => Ok(object.to_string().into_bytes().into()),
            None => Err(refused(404, &Value::Null, &Method::GET, path)),
        }
    }
}

#[async_trait]
impl Changer for Server {
    async fn change(
        &self,
        method: Method,
        path: &str,
        _: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, ProviderError> {
        assert_eq!(
            (&method, path),
            (&Method::POST, &*format!("{POD}/eviction"))
        );
        let mut state = self.state.lock().unwrap();
        state.evictions.push(serde_json::from_slice(&body).unwrap());
        let (code, answer) = state.script.pop_front().unwrap_or((201, Value::Null));
        if let Some(after) = state.after.take() {
            state.objects.insert(POD.to_owned(), after);
        }
        if code == 201 {
            state.objects.remove(POD);
            return Ok(Bytes::new());
        }
        Err(refused(code, &answer, &method, path))
    }

    fn mode(&self) -> ActMode {
        ActMode::Act
    }
}

struct Evicted {
    result: Result<(), ProviderError>,
    seconds: i64,
}

fn evict(server: &Arc<Server>) -> Evicted {
    let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
    let marks = Marks {
        plan: "p".to_owned(),
        until: DateTime::UNIX_EPOCH,
    };
    let actuator = ClusterActuator::new(server.clone(), server.clone(), clock.clone(), marks)
        .with_drain(DrainConfig::default());
    let node = NodeName::new("n1");
    let drain = Drain::new(&node, "node-1", "key", TimeDelta::minutes(10));
    let moved = PodMove {
        pod: NamespacedName::new("shop", "web-0"),
        uid: "u1".into(),
        to: None,
    };
    let result = block_on(actuator.evict(&drain, &moved, "budget shop/web"));
    Evicted {
        result,
        seconds: clock.monotonic().num_seconds(),
    }
}

fn budget() -> (u16, Value) {
    let body = json!({"kind": "Status", "reason": "TooManyRequests", "details": {
        "causes": [{"reason": "DisruptionBudget", "message": "needs 2 healthy pods"}]}});
    (429, body)
}

fn status(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "reason": reason, "code": code}),
    )
}

#[test]
fn an_eviction_carries_the_uid_and_no_grace_of_its_own() {
    let server = Server::new([]);
    assert!(evict(&server).result.is_ok());
    assert_eq!(
        server.evictions(),
        [json!({
            "kind": "Eviction", "apiVersion": "policy/v1",
            "metadata": {"namespace": "shop", "name": "web-0"},
            "deleteOptions": {"preconditions": {"uid": "u1"}},
        })]
    );
}

#[test]
fn what_has_left_is_going_or_has_ended_is_not_evicted() {
    let mut going = pod("u1", "n1");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-28T00:00:00Z");
    let mut ended = pod("u1", "n1");
    ended["status"]["phase"] = json!("Succeeded");
    for left in [
        pod("u2", "n1"),
        pod("u2", "n2"),
        pod("u1", "n2"),
        going,
        ended,
    ] {
        let server = Server::new([]);
        server.set(POD, left.clone());
        assert!(evict(&server).result.is_ok(), "{left}");
        assert!(server.evictions().is_empty(), "{left}");
    }
    let server = Server::new([]);
    server.state.lock().unwrap().objects.remove(POD);
    assert!(evict(&server).result.is_ok() && server.evictions().is_empty());
}

#[test]
fn a_budget_is_asked_again_until_the_deadline_and_no_longer() {
    let server = Server::new([budget(), budget(), budget()]);
    let evicted = evict(&server);
    assert!(evicted.result.is_ok());
    assert_eq!(server.evictions().len(), 4);
    assert!((7..12).contains(&evicted.seconds), "{} s", evicted.seconds);

    let server = Server::new(vec![budget(); 1_000]);
    let evicted = evict(&server);
    let error = explained(&evicted.result.unwrap_err());
    assert!(error.contains("the time for it is over"), "{error}");
    assert_eq!(evicted.seconds, 600);
    assert!((40..70).contains(&server.evictions().len()));
}

#[test]
fn a_pod_of_that_name_that_came_meanwhile_is_left_alone() {
    // The first answer is "not now"; then the pod moves to another node.
    for moved in [pod("u2", "n2"), pod("u2", "n1")] {
        let server = Server::new([budget()]);
        server.after(moved);
        assert!(evict(&server).result.is_ok());
        assert_eq!(server.evictions().len(), 1);
    }
    // The precondition failed in the server: it costs a disruption, so the pod
    // is read before anything else.
    let server = Server::new([status(409, "Conflict")]);
    server.after(pod("u2", "n2"));
    assert!(evict(&server).result.is_ok());
    assert_eq!(server.evictions().len(), 1);
}

#[test]
fn conflicts_and_silence_end_after_a_few_tries() {
    let server = Server::new(vec![status(409, "Conflict"); 10]);
    assert!(matches!(
        evict(&server).result,
        Err(ProviderError::Conflict { .. })
    ));
    assert_eq!(server.evictions().len(), 3);
    for code in [500, 503, 504] {
        let server = Server::new(vec![status(code, "Timeout"); 10]);
        assert!(matches!(
            evict(&server).result,
            Err(ProviderError::Unavailable { .. })
        ));
        assert_eq!(server.evictions().len(), 5);
        // It was done all the same: reading shows it.
        let server = Server::new([status(code, "Timeout")]);
        let mut going = pod("u1", "n1");
        going["metadata"]["deletionTimestamp"] = json!("2026-11-28T00:00:00Z");
        server.after(going);
        assert!(evict(&server).result.is_ok());
        assert_eq!(server.evictions().len(), 1);
    }
}

#[test]
fn three_kinds_of_forbidden_have_three_outcomes() {
    let rights = status(403, "Forbidden");
    let server = Server::new(vec![rights; 3]);
    assert!(matches!(
        evict(&server).result,
        Err(ProviderError::PermissionDenied { .. })
    ));
    assert_eq!(server.evictions().len(), 1);

    let crowded = json!({"kind": "Status", "reason": "Forbidden",
        "message": "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        "details": {"kind": "poddisruptionbudgets"}});
    let server = Server::new([(403, crowded)]);
    assert!(evict(&server).result.is_ok());
    assert_eq!(server.evictions().len(), 2);

    let ending = json!({"kind": "Status", "reason": "Forbidden",
        "details": {"causes": [{"reason": "NamespaceTerminating"}]}});
    let server = Server::new([(403, ending)]);
    let mut going = pod("u1", "n1");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-28T00:00:00Z");
    server.after(going);
    assert!(evict(&server).result.is_ok());
    assert_eq!(server.evictions().len(), 1);
}

#[test]
fn two_budgets_end_it_at_once_and_a_404_is_success() {
    let two = json!({"kind": "Status", "code": 500,
        "message": "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."});
    let server = Server::new(vec![(500, two); 3]);
    assert!(matches!(
        evict(&server).result,
        Err(ProviderError::NotSupported { .. })
    ));
    assert_eq!(server.evictions().len(), 1);
    let server = Server::new([status(404, "NotFound")]);
    assert!(evict(&server).result.is_ok());
}

#[test]
fn a_busy_server_slows_everybody_down() {
    let busy = json!({"kind": "Status", "reason": "TooManyRequests",
        "details": {"retryAfterSeconds": 30}});
    let server = Server::new([(429, busy)]);
    let evicted = evict(&server);
    assert!(evicted.result.is_ok());
    assert!((30..32).contains(&evicted.seconds), "{} s", evicted.seconds);
}

#[test]
fn another_node_or_one_that_was_uncordoned_ends_it_before_any_eviction() {
    for node in [
        json!({"metadata": {"name": "n1", "uid": "node-2", "resourceVersion": "1"},
               "spec": {"unschedulable": true}}),
        json!({"metadata": {"name": "n1", "uid": "node-1", "resourceVersion": "2"}, "spec": {}}),
    ] {
        let server = Server::new([]);
        server.set(NODE, node);
        assert!(matches!(
            evict(&server).result,
            Err(ProviderError::Conflict { .. })
        ));
        assert!(server.evictions().is_empty());
    }
}

#[test]
fn waits_grow_to_a_bound_and_are_uneven() {
    let waits: Vec<i64> = (0..8)
        .map(|n| backoff(n, &"u1").num_milliseconds())
        .collect();
    for (wait, base) in waits.iter().zip([1, 2, 4, 8, 10, 10, 10, 10]) {
        assert!((base * 1_000..=base * 1_500).contains(wait), "{waits:?}");
    }
    let of = |uid: &str| backoff(0, &uid);
    assert!((0..20).any(|n| of(&n.to_string()) != of("u1")));
}
