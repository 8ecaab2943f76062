//! Faults, as a client sees them, and what the server did all the same.

use std::time::Duration;

use cloudoptim_aws::testing::api::{Answer, Api, ApiError, PatchKind};
use cloudoptim_aws::testing::plane::Plane;
use cloudoptim_aws::testing::proxy::{Canned, Fault, Proxy, Rule};
use serde_json::{Value, json};

use crate::bare_plane;

async fn namespace(plane: &Plane, name: &str) -> String {
    let body = json!({"metadata": {"name": name}});
    plane.admin().unwrap().post("/api/v1/namespaces", &body).await.unwrap().ok().unwrap();
    format!("/api/v1/namespaces/{name}/configmaps")
}

fn through(proxy: &Proxy, plane: &Plane) -> Api {
    Api::new(proxy.url(), plane.authority_pem(), plane.admin_token()).unwrap()
}

/// What a client makes of an answer: its status, and whether it is whole.
fn heard(answer: Result<Answer, ApiError>) -> String {
    match answer {
        Ok(answer) if answer.json().is_ok() => answer.status.to_string(),
        Ok(answer) => format!("{} torn", answer.status),
        Err(error) if error.to_string().contains("reset by peer") => "reset".to_owned(),
        Err(_) => "nothing".to_owned(),
    }
}

#[tokio::test]
async fn each_fault_is_heard_as_named_and_reaches_the_server_as_often_as_it_says() {
    let Some(plane) = bare_plane().await else { return };
    let path = namespace(plane, "faults").await;
    let moment = Duration::from_millis(1);
    let unavailable = || Canned::status(503, "ServiceUnavailable", "down");
    for (fault, expected, forwarded) in [
        (None, "201", 1),
        (Some(Fault::DelayRequest(moment)), "201", 1),
        (Some(Fault::DelayAnswer(moment)), "201", 1),
        (Some(Fault::DropRequest), "nothing", 0),
        (Some(Fault::DropAnswer), "nothing", 1),
        (Some(Fault::ResetBefore), "reset", 0),
        (Some(Fault::ResetAfter), "reset", 1),
        (Some(Fault::AnswerInstead(unavailable())), "503", 0),
        (Some(Fault::AnswerInstead(Canned::page(502, "<html>"))), "502 torn", 0),
        (Some(Fault::AnswerOver(unavailable())), "503", 1),
        (Some(Fault::CutBody(10)), "nothing", 1),
        (Some(Fault::ShortBody(10)), "201 torn", 1),
        (Some(Fault::Dribble { bytes: 100, pause: moment }), "201", 1),
        (Some(Fault::Duplicate), "409", 2),
    ] {
        let proxy = Proxy::before(plane).unwrap();
        if let Some(fault) = &fault {
            proxy.add(Rule::on("POST", &path, fault.clone()));
        }
        let name = format!("of-{}", proxy.url().rsplit(':').next().unwrap());
        let answer = through(&proxy, plane).post(&path, &json!({"metadata": {"name": name}})).await;
        assert_eq!(heard(answer), expected, "{fault:?}");

        let seen = proxy.requests();
        assert_eq!(seen.len(), 1, "{fault:?}: {seen:?}");
        assert_eq!((seen[0].forwarded, &seen[0].fault), (forwarded, &fault));
        let stored = plane.admin().unwrap().get(&format!("{path}/{name}")).await.unwrap().status;
        assert_eq!(stored, if forwarded == 0 { 404 } else { 200 }, "{fault:?}");
        let audited = plane.audit_of("admin").unwrap();
        let created = audited.iter().filter(|event| event.verb == "create" && event.uri.starts_with(&path));
        let of_this = created.filter(|event| {
            event.request_object.as_ref().is_some_and(|object| object["metadata"]["name"] == name.as_str())
        });
        assert_eq!(of_this.count(), forwarded, "{fault:?}");
    }
}

#[tokio::test]
async fn only_the_request_whose_turn_it_is_has_the_fault() {
    let Some(plane) = bare_plane().await else { return };
    let path = namespace(plane, "turns").await;
    let proxy = Proxy::plain_before(plane).unwrap();
    let api = through(&proxy, plane);
    proxy.add(Rule::on("GET", &path, Fault::AnswerInstead(Canned::too_many_requests(7))).nth(2));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = api.get(&path).await.unwrap();
        if answer.status == 429 {
            assert_eq!(answer.headers["retry-after"], "7");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 429, 200]);
    proxy.forget();
    proxy.calm();
    api.get(&path).await.unwrap().ok().unwrap();
    assert_eq!(proxy.requests().len(), 1);
    assert_eq!(proxy.changes(), []);
}

#[tokio::test]
async fn pages_expire_lose_their_successor_or_their_items() {
    let Some(plane) = bare_plane().await else { return };
    let path = namespace(plane, "pages").await;
    let admin = plane.admin().unwrap();
    for index in 0..7 {
        let body = json!({"metadata": {"name": format!("item-{index}")}});
        admin.post(&path, &body).await.unwrap().ok().unwrap();
    }
    let proxy = Proxy::before(plane).unwrap();
    let api = through(&proxy, plane);
    let first = format!("{path}?limit=3");
    let next = |page: &Value| page.pointer("/metadata/continue").and_then(Value::as_str).map(str::to_owned);
    let items = |page: &Value| page["items"].as_array().unwrap().len();

    let page = api.get(&first).await.unwrap().ok().unwrap();
    let second = format!("{first}&continue={}", next(&page).unwrap());
    proxy.add(Rule::on("GET", &path, Fault::AnswerInstead(Canned::gone())).with_query("continue="));
    let expired = api.get(&second).await.unwrap();
    assert_eq!((expired.status, expired.json().unwrap()["reason"].as_str()), (410, Some("Expired")));

    proxy.calm();
    proxy.add(Rule::on("GET", &path, Fault::LoseContinue));
    let page = api.get(&first).await.unwrap().ok().unwrap();
    assert_eq!((items(&page), next(&page)), (3, None));

    proxy.calm();
    proxy.add(Rule::on("GET", &path, Fault::KeepItems(1)));
    let page = api.get(&first).await.unwrap().ok().unwrap();
    assert_eq!(items(&page), 1);
    assert!(next(&page).is_some());
}

#[tokio::test]
async fn a_stale_answer_is_older_than_what_the_client_wrote() {
    let Some(plane) = bare_plane().await else { return };
    let path = namespace(plane, "stale").await;
    let proxy = Proxy::before(plane).unwrap();
    let api = through(&proxy, plane);
    let one = format!("{path}/one");
    api.post(&path, &json!({"metadata": {"name": "one"}, "data": {"turn": "1"}})).await.unwrap().ok().unwrap();
    proxy.add(Rule::on("GET", &one, Fault::Stale).nth(2));
    let turn = async || api.get(&one).await.unwrap().ok().unwrap()["data"]["turn"].as_str().unwrap().to_owned();

    assert_eq!(turn().await, "1");
    api.patch(&one, PatchKind::Merge, &json!({"data": {"turn": "2"}})).await.unwrap().ok().unwrap();
    assert_eq!(turn().await, "1");
    assert_eq!(turn().await, "2");
}

#[tokio::test]
async fn a_watch_goes_through_as_it_comes() {
    let Some(plane) = bare_plane().await else { return };
    let path = namespace(plane, "watched").await;
    let admin = plane.admin().unwrap();
    admin.post(&path, &json!({"metadata": {"name": "seen-by-the-watch"}})).await.unwrap().ok().unwrap();
    let proxy = Proxy::before(plane).unwrap();
    let api = through(&proxy, plane);
    proxy.add(Rule::on("GET", &path, Fault::CutBody(40)).with_query("watch=").nth(2));
    // The server ends it after the second that it was asked for.
    let watch = format!("{path}?watch=true&timeoutSeconds=1&resourceVersion=0");
    let whole = api.get(&watch).await.unwrap();
    assert_eq!(whole.status, 200);
    let event: Value = serde_json::from_slice(&whole.body).unwrap();
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("seen-by-the-watch")));
    assert_eq!(heard(api.get(&watch).await), "nothing");
}
