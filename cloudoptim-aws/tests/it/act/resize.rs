//! Resizing a running pod in place. There is no kubelet: its answers are set
//! through `/status` by the test.

use super::*;
use cloudoptim_aws::testing::api::Api;
use cloudoptim_aws::testing::api::PatchKind;
use cloudoptim_aws::testing::world::{bound_pod, running};
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{Decision, Subject};
use cloudoptim_core::engines::rightsizing;
use cloudoptim_core::engines::{EngineId, EngineOutput, Inputs};
use cloudoptim_core::execute::{StepResult, undo};
use cloudoptim_core::journal::{End, History, Outcome};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::{ContainerResources, MilliCpu};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{PlanInput, plan};
use cloudoptim_core::policy::Policy;

const POD: &str = "/api/v1/namespaces/shop/pods/web-0";

fn asks(cpu: u64) -> ContainerResources {
    let mut resources = ContainerResources::default();
    resources.requests.cpu = Some(MilliCpu(cpu));
    resources.requests.memory = Some(cloudoptim_core::model::Bytes(128 << 20));
    resources
}

/// Answers as a kubelet that has it done, or says why not.
async fn answer(admin: &Api, cpu: u64, pending: Option<&str>) {
    let mut status = running(true);
    status["containerStatuses"] = json!([{"name": "main", "ready": true, "restartCount": 0,
        "image": "example.test/main:1", "imageID": "", "state": {"running": {}},
        "resources": {"requests": {"cpu": format!("{cpu}m"), "memory": "128Mi"}}}]);
    if let Some(reason) = pending {
        let all = status["conditions"].as_array_mut().unwrap();
        all.push(json!({"type": "PodResizePending", "status": "True", "reason": reason}));
    }
    let body = json!({ "status": status });
    let path = format!("{POD}/status");
    let kind = PatchKind::Merge;
    admin.patch(&path, kind, &body).await.unwrap().ok().unwrap();
}

/// Answers once the pod asks for `asked`.
async fn kubelet(admin: &Api, asked: u64, has: u64, pending: Option<&str>) {
    loop {
        let pod = admin.get(POD).await.unwrap().ok().unwrap();
        let cpu = &pod["spec"]["containers"][0]["resources"]["requests"]["cpu"];
        if *cpu == format!("{asked}m") {
            return answer(admin, has, pending).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What `work` gives, with the kubelet beside it.
async fn beside<T>(kubelet: impl Future<Output = ()>, work: impl Future<Output = T>) -> T {
    let forever = async {
        kubelet.await;
        std::future::pending().await
    };
    tokio::select! {
        done = work => done,
        () = forever => unreachable!("it never ends"),
    }
}

fn resize(snapshot: &Snapshot, uid: &str, cpu: u64) -> (Subject, Action) {
    let cluster = snapshot.clusters[0].uid.clone();
    let pod = NamespacedName::new("shop", "web-0");
    let action = Action::ResizePod {
        cluster: cluster.clone(),
        pod: pod.clone(),
        uid: uid.into(),
        container: "main".to_owned(),
        from: Box::new(asks(100)),
        to: Box::new(asks(cpu)),
    };
    (Subject::Pod { cluster, pod }, action)
}

fn plan_of(snapshot: &Snapshot, subject: Subject, action: Action) -> Plan {
    let engine = EngineId::Rightsizing;
    let reasons = vec![rightsizing::Reason::OnDelete.into()];
    let decision = Decision::act(engine, subject, vec![action], None, reasons);
    let inputs = Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog: &Catalog::default(),
        policy: &Policy::default(),
        ledgers: &Ledgers::default(),
        deadline: None,
    };
    let input = PlanInput {
        outputs: vec![EngineOutput::new(engine, vec![decision])],
        as_given: true,
        ..PlanInput::default()
    };
    let plan = plan(&inputs, input);
    assert_eq!(plan.steps.len(), 1, "{}", plan.explain());
    plan
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_pod_is_resized_in_place_as_the_kubelet_that_the_test_plays_says() {
    let Some(plane) = start_or_skip(PlaneConfig::bare()).await else {
        return;
    };
    let admin = plane.admin().unwrap();
    let post = async |path: &str, body: Value| admin.post(path, &body).await.unwrap().ok().unwrap();
    post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    let room = json!({"cpu": "4", "memory": "16Gi", "pods": "110"});
    let node =
        json!({"metadata": {"name": "n1"}, "status": {"allocatable": room, "capacity": room}});
    post("/api/v1/nodes", node).await;
    let made = post(
        "/api/v1/namespaces/shop/pods",
        bound_pod("shop", "web-0", "n1"),
    )
    .await;
    let uid = made["metadata"]["uid"].as_str().unwrap();
    let token = plane.token_for(ACTOR, &["system:masters"]).unwrap();
    let kubeconfig = plane.kubeconfig_for(&token);
    let mut hands = Hands::open(&kubeconfig, &kubeconfig).await;
    // A kubelet that says no does not say yes a minute later.
    hands.limits = limits().with_patience(3, 1, 3);

    // Done, done elsewhere than asked, and never to be had.
    for (pending, has, end) in [
        (None, 200, Some(End::Done)),
        (Some("Deferred"), 100, None),
        (Some("Infeasible"), 100, None),
    ] {
        answer(&admin, 100, None).await;
        let (_folder, journal) = journal(&hands);
        let snapshot = hands.snapshot().await;
        let (subject, resize) = resize(&snapshot, uid, 200);
        let plan = plan_of(&snapshot, subject, resize);

        let answers = kubelet(&admin, 200, has, pending);
        let report = beside(answers, hands.execute(&plan, &plan, &journal)).await;
        assert_eq!(report.done(), usize::from(end.is_some()), "{report:#?}");
        let seen = &report.steps[0].1;
        match &end {
            Some(end) => assert_eq!(&report.end, end, "{report:#?}"),
            None => {
                let said = pending.unwrap();
                assert!(
                    matches!(&report.end, End::NeedsHuman { why } if why.contains(said)),
                    "{report:#?}"
                );
                assert!(
                    matches!(
                        seen,
                        StepResult::Finished {
                            outcome: Outcome::Unclear { .. }
                        }
                    ),
                    "{seen:?}"
                );
            }
        }
        let now = admin.get(POD).await.unwrap().ok().unwrap();
        assert_eq!(now["metadata"]["uid"], uid, "it is the same pod");

        // And back.
        if end.is_some() {
            let history = History::new(journal.entries().await.unwrap());
            let after = hands.snapshot().await;
            let back = undo(&plan, &history, &after, TimeDelta::hours(1));
            let answers = kubelet(&admin, 100, 100, None);
            let report = beside(answers, hands.execute(&back, &plan, &journal)).await;
            assert_eq!((&report.end, report.done()), (&End::Done, 1), "{report:#?}");
        } else {
            let body = json!({"spec": {"containers": [{"name": "main",
                "resources": {"requests": {"cpu": "100m"}}}]}});
            let path = format!("{POD}/resize");
            let kind = PatchKind::Strategic;
            admin.patch(&path, kind, &body).await.unwrap().ok().unwrap();
        }
    }
    // More than the node has: the server refuses it at once.
    let snapshot = hands.snapshot().await;
    let (_folder, journal) = journal(&hands);
    let (subject, resize) = resize(&snapshot, uid, 8_000);
    let plan = plan_of(&snapshot, subject, resize);
    let report = hands.execute(&plan, &plan, &journal).await;
    let failed = format!("{:?}", report.steps[0].1);
    assert!(failed.contains("insufficient capacity"), "{failed}");

    let events = plane.audit_of(ACTOR).unwrap();
    let changes = events
        .iter()
        .filter(|e| e.changed_something() && e.target() != "events");
    let changes: Vec<_> = changes.map(|e| (e.verb.as_str(), e.target())).collect();
    assert_eq!(changes, vec![("patch", "pods/resize".to_owned()); 4]);
}
