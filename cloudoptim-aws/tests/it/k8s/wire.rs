//! What goes over the wire, seen by a server that does as it is told.

use super::fake::{StoppedClock, UID};
use super::logged::Logged;
use cloudoptim_aws::k8s::{
    ActMode, Acting, ApiFailure, ClusterReader, ConnectOptions, Connection, ReadOptions, Reader,
    Reading,
};
use cloudoptim_core::model::ClusterUid;
use cloudoptim_core::providers::{PodSource, ProviderError};
use http::Method;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CANARY: &str = "hunter2-canary";

/// The answer to the n-th request, from its text; none to close the connection.
type Answers = dyn Fn(usize, &str) -> Option<Vec<u8>> + Send + Sync;

/// A server that answers every request with the bytes of a function, or closes
/// the connection.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(
        answer: impl Fn(usize, &str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), log.clone()));
            }
        });
        Self { url, seen }
    }

    fn kubeconfig(&self) -> String {
        format!(
            "current-context: x
contexts: [{{name: x, context: {{cluster: x, user: x}}}}]
clusters: [{{name: x, cluster: {{server: \"{}\"}}}}]
users: [{{name: x, user: {{token: {CANARY}}}}}]",
            self.url
        )
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Answers>, log: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let Ok(n @ 1..) = stream.read(&mut part).await else {
            return;
        };
        bytes.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if body.len() < length {
            continue;
        }
        bytes.clear();
        let nth = {
            let mut log = log.lock().unwrap();
            log.push(text.clone());
            log.len()
        };
        let Some(reply) = answer(nth, &text) else {
            return;
        };
        if stream.write_all(&reply).await.is_err() {
            return;
        }
        if reply.ends_with(HANG) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }
}

/// An answer that ends with it goes on never.
const HANG: &[u8] = b"...";

fn answer(status: &str, headers: &str, body: &str) -> Option<Vec<u8>> {
    let length = body.len();
    Some(
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
            .into_bytes(),
    )
}

fn options() -> ConnectOptions {
    let mut options = ConnectOptions::default();
    options.allow_plain_http = true;
    options.timeouts.head = Duration::from_millis(300);
    options.timeouts.idle = Duration::from_millis(300);
    options
}

fn reading(server: &Server, options: ConnectOptions) -> cloudoptim_aws::k8s::ReadClient {
    let text = server.kubeconfig();
    Connection::<Reading>::from_bytes("test", text.as_bytes(), options)
        .unwrap()
        .client()
        .unwrap()
}

fn acting(server: &Server) -> Connection<Acting> {
    let text = server.kubeconfig();
    Connection::from_bytes("test", text.as_bytes(), options()).unwrap()
}

const NODE: &str = "/api/v1/nodes/n-1";
const MERGE: &str = "application/merge-patch+json";

#[tokio::test]
async fn a_change_is_one_request_whatever_the_answer() {
    for status in [
        "200 OK",
        "429 Too Many Requests",
        "500 Oh",
        "503 Down",
        "504 Late",
        "302 Found",
    ] {
        let server = Server::start(move |_, _| {
            answer(status, "Retry-After: 1\r\nLocation: /elsewhere\r\n", "{}")
        })
        .await;
        let client = acting(&server)
            .client("plan-7", ActMode::Act)
            .await
            .unwrap();
        let reply = client
            .send(Method::PATCH, NODE, MERGE, b"{}".to_vec())
            .await
            .unwrap();
        assert_eq!(status.split(' ').next().unwrap(), reply.status.to_string());
        assert_eq!(reply.retry_after, chrono::TimeDelta::try_seconds(1));
        assert_eq!(reply.into_result().is_ok(), status.starts_with("200"));
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{status}");
        let request = requests[0].to_lowercase();
        assert!(request.starts_with("patch /api/v1/nodes/n-1?fieldmanager=cloudoptim http/1.1"));
        assert!(request.contains(&format!(
            "user-agent: cloudoptim/{} (plan plan-7)",
            env!("CARGO_PKG_VERSION")
        )));
        assert!(request.contains("content-type: application/merge-patch+json"));
    }
}

#[tokio::test]
async fn a_change_on_a_connection_that_dies_is_not_sent_again() {
    // The first is answered, and its connection kept; the second is read, and
    // then the connection closes.
    let server =
        Server::start(|nth, _| (nth == 1).then(|| answer("200 OK", "", "{}").unwrap())).await;
    let client = acting(&server).client("p", ActMode::Act).await.unwrap();
    let send = || client.send(Method::PATCH, NODE, MERGE, b"{}".to_vec());
    send().await.unwrap();
    let lost = send().await.unwrap_err();
    assert!(lost.sent);
    assert!(matches!(lost.error, ProviderError::Unavailable { .. }));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_was_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server {
        url,
        seen: Arc::default(),
    };
    let client = acting(&server).client("p", ActMode::Act).await.unwrap();
    let lost = client
        .send(Method::DELETE, NODE, "application/json", Vec::new())
        .await
        .unwrap_err();
    assert!(!lost.sent);
    assert!(
        lost.error
            .call()
            .source
            .as_ref()
            .unwrap()
            .to_string()
            .contains("refused")
    );
}

#[tokio::test]
async fn report_mode_sends_nothing_and_dry_run_says_so() {
    let server = Server::start(|_, _| answer("200 OK", "", "{}")).await;
    let connection = acting(&server);
    let report = connection.client("p", ActMode::Report).await.unwrap();
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let lost = report
            .send(method, NODE, MERGE, b"{}".to_vec())
            .await
            .unwrap_err();
        assert!(!lost.sent);
    }
    assert!(server.requests().is_empty());
    let dry = connection.client("p", ActMode::ServerDryRun).await.unwrap();
    dry.send(Method::PATCH, NODE, MERGE, b"{}".to_vec())
        .await
        .unwrap();
    dry.send(Method::DELETE, NODE, MERGE, b"{}".to_vec())
        .await
        .unwrap();
    // What is no change, and what is no path, is not sent in any mode.
    let act = connection.client("p", ActMode::Act).await.unwrap();
    assert!(
        act.send(Method::GET, NODE, MERGE, Vec::new())
            .await
            .is_err()
    );
    assert!(
        act.send(Method::PATCH, "/api/../x", MERGE, Vec::new())
            .await
            .is_err()
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].starts_with("PATCH /api/v1/nodes/n-1?fieldManager=cloudoptim&dryRun=All "));
    assert!(requests[1].starts_with("DELETE /api/v1/nodes/n-1?dryRun=All "));
}

#[tokio::test]
async fn another_cluster_than_pinned_is_refused() {
    let server = Server::start(|_, _| {
        answer(
            "200 OK",
            "",
            &format!("{{\"kind\":\"Namespace\",\"metadata\":{{\"uid\":\"{UID}\"}}}}"),
        )
    })
    .await;
    let pinned = |uid: &str| {
        let mut options = options();
        options.cluster_uid = Some(ClusterUid::new(uid));
        options
    };
    let text = server.kubeconfig();
    let act =
        |uid: &str| Connection::<Acting>::from_bytes("test", text.as_bytes(), pinned(uid)).unwrap();
    act(UID).client("p", ActMode::Act).await.unwrap();
    let error = act("other").client("p", ActMode::Act).await.unwrap_err();
    assert!(matches!(error, ProviderError::Conflict { .. }));
    for (uid, same) in [(UID, true), ("other", false)] {
        let reader = Arc::new(reading(&server, pinned(uid)));
        let opened = ClusterReader::open(
            reader,
            Arc::new(StoppedClock::default()),
            ReadOptions::default(),
        );
        assert_eq!(opened.await.is_ok(), same);
    }
}

#[tokio::test]
async fn every_wait_has_an_end() {
    for (name, reply) in [
        ("no head", "...".to_owned()),
        ("half a head", "HTTP/1.1 200 OK\r\nConte...".to_owned()),
        (
            "half a body",
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{...".to_owned(),
        ),
    ] {
        let server = Server::start(move |_, _| Some(reply.clone().into_bytes())).await;
        let client = reading(&server, options());
        let error = client.get("/api/v1/pods", &[]).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Unavailable { .. }),
            "{name}: {error}"
        );
        assert_eq!(server.requests().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_no_answer() {
    let server = Server::start(|nth, _| {
        (nth == 1).then(|| {
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{}".to_vec()
        })
    })
    .await;
    // The connection stays open, so the length is what tells.
    let client = reading(&server, options());
    let error = client.get("/api/v1/pods", &[]).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Unavailable { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_asked_for_in_smaller_pages() {
    let server = Server::start(|_, request| {
        let path = request.split(' ').nth(1).unwrap();
        if path.starts_with("/api/v1/namespaces/kube-system") {
            return answer(
                "200 OK",
                "",
                &format!("{{\"metadata\":{{\"uid\":\"{UID}\"}}}}"),
            );
        }
        let number = |name: &str| -> Option<usize> {
            path.split(['?', '&'])
                .find_map(|part| part.strip_prefix(name)?.parse().ok())
        };
        // Thirty objects in all.
        let from = number("continue=").unwrap_or(0);
        let to = (from + number("limit=").unwrap()).min(30);
        let items = vec![r#"{"metadata":{"name":"a-rather-long-name"}}"#; to - from].join(",");
        let token = if to < 30 { to.to_string() } else { String::new() };
        let body = format!(
            r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"continue":"{token}"}},"items":[{items}]}}"#
        );
        answer("200 OK", "", &body)
    })
    .await;
    let mut options = options();
    options.max_answer_bytes = 1000;
    let open = |options: ConnectOptions| {
        let reader = Arc::new(reading(&server, options));
        ClusterReader::open(
            reader,
            Arc::new(StoppedClock::default()),
            ReadOptions::default(),
        )
    };
    let cluster = open(options.clone()).await.unwrap();
    let pods = cluster.list_pods().await.unwrap();
    assert!(pods.is_complete());
    assert_eq!(pods.items().len(), 30);
    // One object that is too large alone: there is no smaller page.
    options.max_answer_bytes = 60;
    let cluster = open(options).await.unwrap();
    let error = cluster.list_pods().await.unwrap_err();
    assert!(matches!(error, ProviderError::Other { .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_names_what_is_missing() {
    let server = Server::start(|_, _| {
        answer("403 Forbidden", "", r#"{"kind":"Status","reason":"Forbidden","message":"pods is forbidden: User \"x\" cannot list resource","code":403}"#)
    })
    .await;
    let client = reading(&server, options());
    let error = client
        .get("/api/v1/namespaces/shop/pods", &[])
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "kubernetes list pods shop: permission list pods in shop is missing"
    );
    assert_eq!(ApiFailure::of(&error).unwrap().reason, "Forbidden");
}

#[tokio::test]
async fn no_log_at_any_level_holds_a_credential_or_a_body() {
    let heard = Logged::hear();
    let server = Server::start(|nth, _| match nth {
        1 => answer("200 OK", "", r#"{"data":{"password":"hunter2-canary"}}"#),
        2 => answer(
            "500 Oh",
            "Set-Cookie: hunter2-canary\r\n",
            r#"{"kind":"Status","message":"token=hunter2-canary"}"#,
        ),
        _ => None,
    })
    .await;
    let client = reading(&server, options());
    let mut shown = format!("{client:?}");
    for _ in 0..3 {
        match client.get("/api/v1/secrets", &[]).await {
            Ok(_) => {}
            Err(error) => shown.push_str(&format!("{error} {error:?}")),
        }
    }
    let act = acting(&server).client("p", ActMode::Act).await.unwrap();
    let lost = act
        .send(Method::PATCH, NODE, MERGE, CANARY.into())
        .await
        .unwrap_err();
    shown.push_str(&format!("{act:?} {lost} {lost:?}"));
    assert!(server.requests()[0].contains(CANARY), "it was sent");
    let logged = heard.text();
    assert!(logged.contains("sending a change"), "the log is on");
    for text in [shown, logged] {
        assert!(!text.contains(CANARY), "{text}");
    }
}
