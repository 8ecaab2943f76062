//! Cordon, evict, undo.

use super::*;
use cloudoptim_aws::k8s::act::{PLAN_KEY, release};
use cloudoptim_aws::testing::api::Api;
use cloudoptim_aws::testing::world::{Budget, WorkloadSpec};
use cloudoptim_core::execute::undo;
use cloudoptim_core::journal::{End, History};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Twenty nodes, and what has to be moved with care.
pub(super) fn spec() -> WorldSpec {
    let mut spec = WorldSpec::generate(7, 20, 0);
    let one = || Budget::MaxUnavailable("1".to_owned());
    spec.workloads = vec![
        WorkloadSpec::deployment("shop", "web", 40).with_budget(one()),
        WorkloadSpec::deployment("shop", "api", 20)
            .with_budget(Budget::MinAvailable("90%".to_owned())),
        WorkloadSpec::deployment("shop", "free", 20),
        WorkloadSpec::stateful_set("data", "db", 20).with_budget(one()),
    ];
    spec
}

/// Watches every budget until it is told to stop, and says how far below its
/// line the worst ever was.
async fn worst_budget(api: Api, stop: Arc<AtomicBool>) -> i64 {
    let mut worst = i64::MAX;
    while !stop.load(Ordering::Relaxed) {
        let list = api.get("/apis/policy/v1/poddisruptionbudgets").await;
        let list = list.unwrap().ok().unwrap();
        for budget in list["items"].as_array().unwrap() {
            let of = |field: &str| budget["status"][field].as_i64().unwrap();
            worst = worst.min(of("currentHealthy") - of("desiredHealthy"));
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    worst
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_are_drained_and_given_back_and_the_audit_log_shows_nothing_else() {
    let Some(scene) = Scene::start(PlaneConfig::full(), &spec()).await else {
        return;
    };
    let hands = scene.hands().await;
    let (_folder, journal) = journal(&hands);
    let snapshot = hands.snapshot().await;
    let full = fullest(&snapshot);
    let plan = drain_plan(&snapshot, &[&full[0], &full[1]]);
    let planned: usize = full[..2].iter().map(|n| moves(&snapshot, n).len()).sum();
    assert!(planned >= 10, "{planned} pods are on the two");

    let stop = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn(worst_budget(scene.plane.admin().unwrap(), stop.clone()));
    let report = hands.execute(&plan, &plan, &journal).await;
    stop.store(true, Ordering::Relaxed);
    assert_eq!((&report.end, report.done()), (&End::Done, 4), "{report:#?}");
    assert!(watch.await.unwrap() >= 0, "a budget was broken");

    let after = hands.snapshot().await;
    assert!(is_drained(&after, &plan));
    for name in &full[..2] {
        let node = scene.object(&format!("/api/v1/nodes/{name}")).await;
        assert_eq!(node["spec"]["unschedulable"], true);
        assert_eq!(
            node["metadata"]["annotations"][PLAN_KEY],
            plan.fingerprint.0
        );
    }
    assert_eq!(scene.assert_only_planned(&[&plan]).len(), planned);

    // Undo: nodes take pods again, and nothing of ours is left on them.
    let history = History::new(journal.entries().await.unwrap());
    let back = undo(&plan, &history, &after, TimeDelta::hours(1));
    assert_eq!(back.steps.len(), 2, "one uncordon for each node");
    let report = hands.execute(&back, &plan, &journal).await;
    assert_eq!((&report.end, report.done()), (&End::Done, 2), "{report:#?}");
    for name in &full[..2] {
        let node = scene.object(&format!("/api/v1/nodes/{name}")).await;
        assert_eq!(node["spec"]["unschedulable"], Value::Null);
        let text = node["metadata"]["annotations"].to_string();
        assert!(!text.contains("cloudoptim/"), "{text}");
    }
    scene.assert_only_planned(&[&plan, &back]);
    assert!(scene.changes().len() == planned + 4);
    scene.world.wait_until_running().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_cordoned_or_replaced_is_left_alone() {
    let Some(scene) = Scene::start(PlaneConfig::full(), &spec()).await else {
        return;
    };
    let hands = scene.hands().await;
    let (_folder, journal) = journal(&hands);
    let snapshot = hands.snapshot().await;
    let full = fullest(&snapshot);
    let admin = scene.plane.admin().unwrap();

    // Every pod of the StatefulSet is replaced between plan and act: the same
    // names, other uids, on whichever node.
    let plan = drain_plan(&snapshot, &[&full[0]]);
    let of_set: Vec<PodMove> = moves(&snapshot, &full[0])
        .into_iter()
        .filter(|m| m.pod.namespace == "data")
        .collect();
    assert!(!of_set.is_empty(), "no pod of the StatefulSet is on it");
    for moved in &of_set {
        let path = format!("/api/v1/namespaces/data/pods/{}", moved.pod.name);
        admin.delete(&path).await.unwrap().ok().unwrap();
    }
    scene.world.wait_until_running().await.unwrap();
    let report = hands.execute(&plan, &plan, &journal).await;
    assert_eq!(report.done(), 2, "{report:#?}");
    let evicted = scene.assert_only_planned(&[&plan]);
    for moved in &of_set {
        assert!(!evicted.contains(moved.uid.as_str()));
        let name = &moved.pod.name;
        let asked = scene.plane.audit_of(ACTOR).unwrap().into_iter().any(|e| {
            e.target() == "pods/eviction" && e.object_ref.is_some_and(|o| o.name == *name)
        });
        assert!(!asked, "an eviction of {name}, which is another pod now");
    }

    // A node that a person cordoned stays so, also when all marks are released.
    let path = format!("/api/v1/nodes/{}", full[1]);
    let cordon = json!({"spec": {"unschedulable": true}});
    let kind = cloudoptim_aws::testing::api::PatchKind::Merge;
    admin
        .patch(&path, kind, &cordon)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let client = hands.act_client(&plan).await;
    let released = release(&*hands.reader, &client, None).await.unwrap();
    assert_eq!(released.len(), 1);
    assert_eq!(released[0].node.as_str(), full[0]);
    assert!(released[0].was_cordoned && released[0].result.is_ok());
    assert_eq!(scene.object(&path).await["spec"]["unschedulable"], true);
    let ours = scene.object(&format!("/api/v1/nodes/{}", full[0])).await;
    assert_eq!(ours["spec"]["unschedulable"], Value::Null);
    assert!(
        release(&*hands.reader, &client, None)
            .await
            .unwrap()
            .is_empty()
    );
}
