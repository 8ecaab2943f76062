//! A real API server behind a proxy that does what a healthy one never does.

use super::fake::StoppedClock;
use super::on_plane::{shared, started};
use cloudoptim_aws::k8s::{
    ActMode, Acting, ClusterReader, ConnectOptions, Connection, Patience, ReadOptions, Reader,
    Reading, Retrying,
};
use cloudoptim_aws::testing::plane::Plane;
use cloudoptim_aws::testing::proxy::{Canned, Fault, Proxy, Rule};
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::model::Pod;
use cloudoptim_core::providers::{PodSource, ProviderError};
use http::Method;
use std::sync::Arc;
use std::time::Duration;

const PODS: &str = "/api/v1/pods";

fn quick() -> ConnectOptions {
    let mut options = ConnectOptions::default();
    options.timeouts.head = Duration::from_secs(2);
    options.timeouts.idle = Duration::from_millis(500);
    options
}

fn through(plane: &Plane, proxy: &Proxy) -> impl Reader + use<> {
    let text = plane.kubeconfig_through(proxy.url(), plane.admin_token());
    let connection: Connection<Reading> =
        Connection::from_bytes("proxy", text.as_bytes(), quick()).unwrap();
    connection.client().unwrap()
}

async fn pods(plane: &Plane, proxy: &Proxy) -> Result<Knowledge<Vec<Pod>>, ProviderError> {
    let mut options = ReadOptions::default();
    options.page_size = 10;
    let clock = Arc::new(StoppedClock::default());
    let cluster = ClusterReader::open(Arc::new(through(plane, proxy)), clock, options).await?;
    cluster.list_pods().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_expires_between_pages_is_begun_anew() {
    let Some(plane) = shared().await else { return };
    let proxy = Proxy::before(plane).unwrap();
    let gone = || Fault::AnswerInstead(Canned::gone());
    proxy.add(Rule::on("GET", PODS, gone()).with_query("continue=").nth(2));
    let found = pods(plane, &proxy).await.unwrap();
    assert!(found.is_complete());
    assert_eq!(found.items().len(), 24);
    // Two pages and the refusal, then all three pages.
    let lists = |proxy: &Proxy| {
        proxy
            .requests()
            .iter()
            .filter(|seen| seen.path == PODS)
            .count()
    };
    assert_eq!(lists(&proxy), 6);

    proxy.calm();
    proxy.forget();
    proxy.add(Rule::on("GET", PODS, gone()).with_query("continue="));
    let found = pods(plane, &proxy).await.unwrap();
    assert!(!found.is_complete() && found.items().len() == 10, "{found}");
    assert_eq!(lists(&proxy), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_on_the_way_makes_a_part_look_whole() {
    let Some(plane) = shared().await else { return };
    let proxy = Proxy::before(plane).unwrap();
    let html = Canned::page(200, "<html>maintenance</html>");
    let faults = [
        Fault::LoseContinue,
        Fault::KeepItems(3),
        Fault::KeepItems(0),
        Fault::CutBody(500),
        Fault::ShortBody(500),
        Fault::DropRequest,
        Fault::DropAnswer,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::AnswerInstead(html),
        Fault::AnswerInstead(Canned::status(200, "", "")),
        Fault::AnswerInstead(Canned::status(
            500,
            "InternalError",
            "etcdserver: request timed out",
        )),
        Fault::AnswerInstead(Canned::status(403, "Forbidden", "no")),
        Fault::AnswerInstead(Canned::status(404, "NotFound", "no")),
        Fault::AnswerInstead(Canned::too_many_requests(1)),
        Fault::Dribble {
            bytes: 1,
            pause: Duration::from_millis(700),
        },
    ];
    for fault in faults {
        // On every page in turn, whenever it is asked for.
        for page in 1..=3 {
            proxy.calm();
            let rule = Rule::on("GET", PODS, fault.clone());
            let rule = match page {
                1 => rule.nth(1),
                2 => rule.with_query("continue=").from_nth(1),
                _ => rule.with_query("continue=").nth(2),
            };
            proxy.add(rule);
            let found = pods(plane, &proxy).await;
            if let Ok(Knowledge::Complete { value, .. }) = &found {
                assert_eq!(value.len(), 24, "{fault:?} on page {page}");
            }
        }
    }
    proxy.calm();
    assert!(pods(plane, &proxy).await.unwrap().is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_repeated_and_changes_are_not() {
    let Some(plane) = started().await else { return };
    let proxy = Proxy::before(&plane).unwrap();
    let busy = || Fault::AnswerInstead(Canned::too_many_requests(1));
    proxy.add(Rule::on("GET", "/readyz", busy()).nth(1));
    proxy.add(Rule::on("GET", "/readyz", Fault::ResetBefore).nth(2));
    let clock = Arc::new(StoppedClock::default());
    let reader = Retrying::new(through(&plane, &proxy), clock.clone(), Patience::default());
    assert_eq!(reader.get("/readyz", &[]).await.unwrap(), "ok");
    assert_eq!(proxy.requests().len(), 3);
    assert_eq!(clock.slept.lock().unwrap()[0].num_seconds(), 1);

    let text = plane.kubeconfig_through(proxy.url(), plane.admin_token());
    let acting: Connection<Acting> =
        Connection::from_bytes("proxy", text.as_bytes(), quick()).unwrap();
    let client = acting.client("plan", ActMode::Act).await.unwrap();
    let node = "/api/v1/nodes/n-0";
    let send = || {
        let body = br#"{"metadata":{"labels":{"a":"b"}}}"#.to_vec();
        client.send(Method::PATCH, node, "application/merge-patch+json", body)
    };
    for fault in [
        Fault::DropRequest,
        Fault::DropAnswer,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::CutBody(10),
        busy(),
        Fault::AnswerOver(Canned::status(503, "ServiceUnavailable", "")),
        Fault::AnswerOver(Canned::status(504, "Timeout", "")),
    ] {
        // A good one first, so that there is an idle connection to reuse.
        proxy.calm();
        assert_eq!(send().await.unwrap().status, 200);
        proxy.forget();
        proxy.add(Rule::on("PATCH", node, fault.clone()));
        match send().await {
            Ok(reply) => assert!(reply.into_result().is_err(), "{fault:?}"),
            Err(lost) => assert!(lost.sent, "{fault:?}"),
        }
        assert_eq!(proxy.changes().len(), 1, "{fault:?}");
    }
}
