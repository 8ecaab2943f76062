//! Rows of the fault table, each on a real API server.

use super::meddling::{Hook, Meddling, When};
use super::small::{Anywhere, SHOP, Small, drained, every_kind, planned, resize, scale};
use super::*;
use cloudoptim_aws::k8s::act::release;
use cloudoptim_aws::testing::plane::AuditEvent;
use cloudoptim_aws::testing::proxy::{Canned, Fault, Proxy, Rule};
use cloudoptim_core::execute::StepResult;
use cloudoptim_core::guard::Refusal;
use cloudoptim_core::health::ClusterHealth;
use cloudoptim_core::journal::{End, History, InMemoryJournal, Outcome};
use futures_util::FutureExt;
use std::process::Command;
use std::time::Duration;
use tokio::sync::OnceCell;

/// One plane for all, each with objects of its own.
async fn shared() -> Option<&'static Small> {
    static SMALL: OnceCell<Option<Small>> = OnceCell::const_new();
    SMALL.get_or_init(Small::start).await.as_ref()
}

async fn meddled(hands: &Hands, plan: &Plan, hook: Hook) -> Report {
    let (client, limits) = (hands.act_client(plan).await, quick());
    let changer = Meddling::new(client, hook);
    run_through(hands, Arc::new(changer), plan, &limits).await
}

async fn run_through(
    hands: &Hands,
    changer: Arc<dyn Changer>,
    plan: &Plan,
    limits: &Limits,
) -> Report {
    let care = Care {
        placement: &Anywhere,
        ..Care::of(limits)
    };
    let journal = InMemoryJournal::default();
    hands
        .run(changer, plan, plan, &journal, care)
        .await
        .unwrap()
}

/// A second between looks, and few of them.
fn quick() -> Limits {
    limits().with_patience(3, 1, 2)
}

async fn hands(small: &Small) -> Hands {
    let mut hands = small.hands().await.silent();
    hands.drain = hands.drain.with_deadline(TimeDelta::seconds(4));
    hands
}

fn result(report: &Report, step: usize) -> &StepResult {
    &report.steps[step].1
}

fn failed(result: &StepResult, with: &str) -> bool {
    let StepResult::Finished {
        outcome: Outcome::Failed { error } | Outcome::Stale { error },
    } = result
    else {
        return false;
    };
    error.contains(with)
}

async fn is_open(small: &Small, node: &str) -> bool {
    let node = small.get(&format!("/api/v1/nodes/{node}")).await;
    let clean = !node["metadata"].to_string().contains("cloudoptim/");
    clean && node["spec"]["unschedulable"] != true
}

fn evictions(small: &Small, plan: &Plan) -> Vec<String> {
    let changes = small.changes_of(plan).into_iter();
    changes
        .filter(|(_, target, _)| target == "pods/eviction")
        .map(|(_, _, name)| name)
        .collect()
}

/// A budget that covers the pod of that name and lets nobody go.
async fn block(small: &Small, pod: &str) {
    let path = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets";
    let body = json!({"metadata": {"name": pod}, "spec": {"minAvailable": 1,
        "selector": {"matchLabels": {"app": pod}}}});
    small.post(path, body).await;
    let status = json!({"status": {"currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1,
        "disruptionsAllowed": 0, "observedGeneration": 1}});
    small.patch(&format!("{path}/{pod}/status"), status).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c04_a_budget_that_never_lets_go_ends_the_drain_and_the_node_is_open_again() {
    let Some(small) = shared().await else { return };
    small.node("c04", 2).await;
    block(small, "c04-1").await;
    let hands = hands(small).await;
    let plan = planned(
        &hands.snapshot().await,
        vec![drained(&hands.snapshot().await, "c04")],
    );
    let client = Arc::new(hands.act_client(&plan).await);
    let report = run_through(&hands, client, &plan, &quick()).await;
    assert!(
        failed(result(&report, 1), "the time for it is over"),
        "{report:#?}"
    );
    assert_eq!(*result(&report, 0), StepResult::Undone);
    assert!(is_open(small, "c04").await);
    assert_eq!(evictions(small, &plan), ["c04-0"]);
}

/// Within the tries that the limits allow it is done, and beyond them left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c06_a_conflict_is_read_and_judged_again_three_times_at_most() {
    let Some(small) = shared().await else { return };
    for conflicts in [1, 2, 3_usize] {
        let name = format!("c06{conflicts}");
        small.make(&name).await;
        let hands = hands(small).await;
        let plan = planned(
            &hands.snapshot().await,
            vec![scale(&hands.snapshot().await, "api", &name, 3, 0)],
        );
        let path = format!("/apis/apps/v1/namespaces/shop/deployments/api-{name}");
        let kept = path.clone();
        let hook: Hook = Box::new(move |when, nth| {
            let path = path.clone();
            async move {
                if when == When::Before && nth <= conflicts {
                    let note = json!({"metadata": {"labels": {"note": nth.to_string()}}});
                    small.patch(&path, note).await;
                }
            }
            .boxed()
        });
        let report = meddled(&hands, &plan, hook).await;
        let replicas = small.get(&kept).await["spec"]["replicas"].clone();
        if conflicts < 3 {
            assert_eq!((report.done(), replicas), (1, json!(0)), "{report:#?}");
        } else {
            assert_eq!((report.done(), replicas), (0, json!(3)), "{report:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c08_a_pod_that_does_not_end_ends_the_drain_and_its_grace_is_not_shortened() {
    let Some(small) = shared().await else { return };
    small.node("c08", 1).await;
    let hold = json!({"metadata": {"finalizers": ["example.test/hold"]}});
    small
        .patch("/api/v1/namespaces/shop/pods/c08-0", hold)
        .await;
    let hands = hands(small).await;
    let plan = planned(
        &hands.snapshot().await,
        vec![drained(&hands.snapshot().await, "c08")],
    );
    let client = Arc::new(hands.act_client(&plan).await);
    let report = run_through(&hands, client, &plan, &quick()).await;
    assert!(
        failed(result(&report, 1), "pod shop/c08-0, which does not end"),
        "{report:#?}"
    );
    assert!(is_open(small, "c08").await);
    for event in small.plane.audit_of(ACTOR).unwrap() {
        let body = event.request_object.unwrap_or_default().to_string();
        assert!(!body.contains("gracePeriodSeconds"), "{body}");
        assert!(event.verb != "delete", "{}", event.uri);
    }
    let free = json!({"metadata": {"finalizers": null}});
    small
        .patch("/api/v1/namespaces/shop/pods/c08-0", free)
        .await;
}

/// How often the actor has listed the pods of that node, before its first eviction.
fn looks(small: &Small, node: &str) -> usize {
    let events = small.plane.audit_of(ACTOR).unwrap();
    let asks = |part: &str| part.starts_with("fieldSelector") && part.ends_with(node);
    let own = |e: &&AuditEvent| e.uri.split(['?', '&']).any(asks);
    let evicts = |e: &&AuditEvent| e.uri.ends_with(&format!("{node}-0/eviction"));
    let before = events.iter().take_while(|e| !evicts(e));
    before.filter(own).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_a_node_is_looked_at_until_it_has_settled_and_what_landed_stays() {
    let Some(small) = shared().await else { return };
    small.node("c10", 1).await;
    let hands = hands(small).await;
    let plan = planned(
        &hands.snapshot().await,
        vec![drained(&hands.snapshot().await, "c10")],
    );
    let hook: Hook = Box::new(move |when, nth| {
        async move {
            if (when, nth) == (When::After, 1) {
                tokio::spawn(async move {
                    while looks(small, "c10") == 0 {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    let late = cloudoptim_aws::testing::world::bound_pod(SHOP, "c10-late", "c10");
                    small.post("/api/v1/namespaces/shop/pods", late).await;
                });
            }
        }
        .boxed()
    });
    let mut slow = hands;
    slow.drain = slow
        .drain
        .with_settle(TimeDelta::seconds(4))
        .with_deadline(TimeDelta::seconds(20));
    let report = meddled(&slow, &plan, hook).await;
    // Something had landed between two looks, and nothing between two more.
    assert_eq!(report.done(), 2, "{report:#?}");
    assert!(looks(small, "c10") >= 4, "{} looks", looks(small, "c10"));
    assert_eq!(evictions(small, &plan), ["c10-0"]);
    let stayed = small.get("/api/v1/namespaces/shop/pods/c10-late").await;
    assert_eq!(stayed["spec"]["nodeName"], "c10");
    assert_eq!(stayed["metadata"]["deletionTimestamp"], Value::Null);
}

/// A budget over the pods of that node, so that they leave one after the other.
async fn in_a_row(small: &Small, node: &str, pods: usize) {
    for pod in 0..pods {
        let label = json!({"metadata": {"labels": {"app": node}}});
        let path = format!("/api/v1/namespaces/shop/pods/{node}-{pod}");
        small.patch(&path, label).await;
    }
    let budget = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets";
    let body = json!({"metadata": {"name": node}, "spec": {"maxUnavailable": pods,
        "selector": {"matchLabels": {"app": node}}}});
    small.post(budget, body).await;
    let status = json!({"status": {"currentHealthy": pods, "desiredHealthy": 0,
        "expectedPods": pods, "disruptionsAllowed": pods, "observedGeneration": 1}});
    small
        .patch(&format!("{budget}/{node}/status"), status)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c11_a_node_that_somebody_uncordons_is_left_to_them() {
    let Some(small) = shared().await else { return };
    small.node("c11", 3).await;
    let hands = hands(small).await;
    let plan = planned(
        &hands.snapshot().await,
        vec![drained(&hands.snapshot().await, "c11")],
    );
    in_a_row(small, "c11", 3).await;
    let hook: Hook = Box::new(move |when, nth| {
        async move {
            if (when, nth) == (When::After, 2) {
                let open = json!({"spec": {"unschedulable": null}});
                small.patch("/api/v1/nodes/c11", open).await;
            }
        }
        .boxed()
    });
    let report = meddled(&hands, &plan, hook).await;
    assert_eq!(evictions(small, &plan).len(), 1, "{report:#?}");
    assert!(
        failed(result(&report, 1), "somebody uncordoned it")
            || failed(result(&report, 1), "it is not cordoned"),
        "{report:#?}"
    );
    let node = small.get("/api/v1/nodes/c11").await;
    assert_ne!(node["spec"]["unschedulable"], true, "cordoned again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c12_a_node_that_is_replaced_in_the_middle_of_a_drain_is_another_one() {
    let Some(small) = shared().await else { return };
    small.node("c12", 3).await;
    in_a_row(small, "c12", 3).await;
    let hands = hands(small).await;
    let plan = planned(
        &hands.snapshot().await,
        vec![drained(&hands.snapshot().await, "c12")],
    );
    let hook: Hook = Box::new(move |when, nth| {
        async move {
            if (when, nth) == (When::After, 2) {
                let admin = small.plane.admin().unwrap();
                admin
                    .delete("/api/v1/nodes/c12")
                    .await
                    .unwrap()
                    .ok()
                    .unwrap();
                small.node("c12", 0).await;
            }
        }
        .boxed()
    });
    let report = meddled(&hands, &plan, hook).await;
    assert_eq!(evictions(small, &plan).len(), 1, "{report:#?}");
    assert!(
        matches!(
            result(&report, 1),
            StepResult::Refused {
                refusal: Refusal::Precondition { .. }
            }
        ),
        "{report:#?}"
    );
    assert!(is_open(small, "c12").await, "the new one was never ours");
}

/// A webhook or policy that denies: the mark that went before is taken back.
/// One that changes what we wrote: it is not taken for done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c14_what_admission_denies_or_alters_is_not_done() {
    let Some(small) = shared().await else { return };
    small.make("c14").await;
    let admin = small.plane.admin().unwrap();
    let group = "/apis/admissionregistration.k8s.io/v1";
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "c14"}, "spec": {"failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"],
            "operations": ["UPDATE"], "resources": ["deployments/scale"]}]},
        "matchConditions": [{"name": "c14", "expression": "object.metadata.name == 'api-c14'"}],
        "validations": [{"expression": "false", "message": "not this one"}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "c14"}, "spec": {"policyName": "c14", "validationActions": ["Deny"]}});
    for (kind, body) in [
        ("validatingadmissionpolicies", policy),
        ("validatingadmissionpolicybindings", binding),
    ] {
        small.post(&format!("{group}/{kind}"), body).await;
    }
    let path = "/apis/apps/v1/namespaces/shop/deployments/api-c14";
    for _ in 0..200 {
        let kind = cloudoptim_aws::testing::api::PatchKind::Merge;
        let body = json!({"spec": {"replicas": 4}});
        let scale = format!("{path}/scale?dryRun=All");
        if admin.patch(&scale, kind, &body).await.unwrap().status == 422 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let hands = hands(small).await;
    let snapshot = hands.snapshot().await;
    let (kinds, _) = every_kind(&snapshot, "c14");
    let plan = planned(&snapshot, kinds[..1].to_vec());
    let client = Arc::new(hands.act_client(&plan).await);
    let report = run_through(&hands, client, &plan, &quick()).await;
    assert!(failed(result(&report, 1), "not this one"), "{report:#?}");
    assert_eq!(*result(&report, 0), StepResult::Undone);
    let found = small.get(path).await;
    assert_eq!(found["spec"]["replicas"], 3);
    assert!(!found["metadata"].to_string().contains("cloudoptim/"));

    let plan = planned(&snapshot, vec![scale(&snapshot, "web", "c14", 2, 0)]);
    let hook: Hook = Box::new(move |when, nth| {
        async move {
            if (when, nth) == (When::After, 1) {
                // As a mutating webhook would have it.
                let path = "/apis/apps/v1/namespaces/shop/deployments/web-c14";
                small.patch(path, json!({"spec": {"replicas": 1}})).await;
            }
        }
        .boxed()
    });
    let report = meddled(&hands, &plan, hook).await;
    assert!(
        matches!(&report.end, End::NeedsHuman { why } if why.contains("neither as before nor as after")),
        "{report:#?}"
    );
}

/// The store does not answer for a while, in the middle of a change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c19_etcd_stopped() {
    let Some(small) = Small::start().await else {
        return;
    };
    small.make("c19").await;
    let mut options = ConnectOptions::default();
    options.timeouts.head = Duration::from_secs(2);
    let mut hands = small.hands().await.silent();
    hands.acting = Connection::<Acting>::from_bytes("act", small.act.as_bytes(), options).unwrap();
    let snapshot = hands.snapshot().await;
    let plan = planned(
        &snapshot,
        vec![
            scale(&snapshot, "api", "c19", 3, 0),
            resize(&snapshot, EngineId::Rightsizing, "web", "c19", 512),
        ],
    );
    let etcd = small
        .plane
        .pids()
        .into_iter()
        .find(|(name, _)| *name == "etcd");
    let (_, etcd) = etcd.unwrap();
    let hook: Hook = Box::new(move |when, nth| {
        async move {
            if (when, nth) == (When::Before, 1) {
                signal("STOP", etcd);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    signal("CONT", etcd);
                });
            }
        }
        .boxed()
    });
    let client = hands.act_client(&plan).await;
    let changer = Meddling::new(client, hook);
    let limits = limits().with_patience(3, 1, 30);
    let report = run_through(&hands, Arc::new(changer), &plan, &limits).await;
    assert_eq!((&report.end, report.done()), (&End::Done, 2), "{report:#?}");
    let path = "/apis/apps/v1/namespaces/shop/deployments/";
    assert_eq!(
        small.get(&format!("{path}api-c19")).await["spec"]["replicas"],
        0
    );
    let changes = small.changes_of(&plan);
    let distinct: BTreeSet<_> = changes.iter().collect();
    assert_eq!(
        distinct.len(),
        changes.len(),
        "something was done twice: {changes:?}"
    );
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Somebody owns the field by server-side apply, and applied something else
/// since: it stays theirs, and nothing is forced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c23_a_field_that_another_manager_has_applied_is_not_taken_by_force() {
    let Some(small) = shared().await else { return };
    small.make("c23").await;
    let hands = hands(small).await;
    let snapshot = hands.snapshot().await;
    let plan = planned(&snapshot, vec![scale(&snapshot, "api", "c23", 3, 0)]);
    let path = "/apis/apps/v1/namespaces/shop/deployments/api-c23";
    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "api-c23"}, "spec": {"replicas": 5}});
    let admin = small.plane.admin().unwrap();
    let query = format!("{path}?fieldManager=gitops&force=true");
    let kind = "application/apply-patch+yaml";
    let answer = admin
        .send(Method::PATCH, &query, kind, applied.to_string().into())
        .await;
    answer.unwrap().ok().unwrap();
    let client = Arc::new(hands.act_client(&plan).await);
    let report = run_through(&hands, client, &plan, &quick()).await;
    assert!(
        matches!(
            result(&report, 0),
            StepResult::Refused {
                refusal: Refusal::Precondition { .. }
            }
        ),
        "{report:#?}"
    );
    let found = small.get(path).await;
    assert_eq!(found["spec"]["replicas"], 5);
    let managers = found["metadata"]["managedFields"].to_string();
    assert!(managers.contains("gitops") && !managers.contains("\"cloudoptim\""));
    for event in small.plane.audit_of(ACTOR).unwrap() {
        assert!(!event.uri.contains("force"), "{}", event.uri);
    }
}

/// A rival changes the pool in the middle of the plan: it is waited for, and
/// when that does not pass the plan ends and our cordons are taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c24_a_rival_that_changes_the_pool_pauses_and_then_ends_the_plan() {
    let Some(small) = Small::start().await else {
        return;
    };
    let small: &'static Small = Box::leak(Box::new(small));
    for (round, passes) in [("a", true), ("b", false)] {
        let (one, two) = (format!("c24{round}1"), format!("c24{round}2"));
        small.node(&one, 1).await;
        small.node(&two, 1).await;
        let hands = hands(small).await;
        let snapshot = hands.snapshot().await;
        let decisions = vec![drained(&snapshot, &one), drained(&snapshot, &two)];
        let plan = planned(&snapshot, decisions);
        let waits = format!("c24{round}-waits");
        let name = waits.clone();
        // After the first drain a pod has no node: the rival took one away.
        let hook: Hook = Box::new(move |when, nth| {
            let name = name.clone();
            async move {
                if (when, nth) != (When::After, 2) {
                    return;
                }
                let mut pod = cloudoptim_aws::testing::world::bound_pod(SHOP, &name, "x");
                pod["spec"].as_object_mut().unwrap().remove("nodeName");
                small.post("/api/v1/namespaces/shop/pods", pod).await;
                if passes {
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(1_500)).await;
                        let path = format!("/api/v1/namespaces/shop/pods/{name}");
                        let admin = small.plane.admin().unwrap();
                        admin.delete(&path).await.unwrap().ok().unwrap();
                    });
                }
            }
            .boxed()
        });
        let changer = Meddling::new(hands.act_client(&plan).await, hook);
        let limits = limits().with_patience(3, 1, 4);
        let gate = ClusterHealth::default();
        let care = Care {
            placement: &Anywhere,
            gate: Some(&gate),
            ..Care::of(&limits)
        };
        let journal = InMemoryJournal::default();
        let report = hands
            .run(Arc::new(changer), &plan, &plan, &journal, care)
            .await;
        let report = report.unwrap();
        if passes {
            assert_eq!((&report.end, report.done()), (&End::Done, 4), "{report:#?}");
        } else {
            let End::Aborted {
                because: Refusal::Unhealthy { why },
            } = &report.end
            else {
                panic!("{report:#?}")
            };
            assert_eq!(*why, format!("pod shop/{waits} waits for a node"));
            assert!(is_open(small, &two).await, "{report:#?}");
            assert_eq!(evictions(small, &plan), [format!("{one}-0")]);
        }
    }
}

/// The process that cordoned never comes back, and nor does its journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c25_marks_say_whose_and_until_when_and_release_takes_them_back() {
    let Some(small) = shared().await else { return };
    small.node("c25", 1).await;
    let hands = hands(small).await;
    let snapshot = hands.snapshot().await;
    let plan = planned(&snapshot, vec![drained(&snapshot, "c25")]);
    // It ends right after the cordon.
    let hook: Hook = Box::new(|when, _| {
        async move {
            if when == When::After {
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    });
    let run = meddled(&hands, &plan, hook);
    let gone = tokio::time::timeout(Duration::from_secs(3), run).await;
    assert!(gone.is_err(), "it never comes back");
    let node = small.get("/api/v1/nodes/c25").await;
    assert_eq!(node["spec"]["unschedulable"], true);
    let marks = &node["metadata"]["annotations"];
    assert_eq!(marks["cloudoptim/plan"], plan.fingerprint.0);
    assert_eq!(marks["cloudoptim/until"], plan.expires_at.to_rfc3339());
    let client = hands.act_client(&plan).await;
    let id = plan.fingerprint.0.as_str();
    let other = release(&*hands.looker, &client, Some("another")).await;
    assert!(other.unwrap().is_empty());
    let released = release(&*hands.looker, &client, Some(id)).await.unwrap();
    assert_eq!(released.len(), 1);
    assert!(is_open(small, "c25").await);
}

/// A replacement that is there and not ready to take pods is no target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c27_a_replacement_with_a_startup_taint_is_no_target() {
    let Some(small) = Small::start().await else {
        return;
    };
    small.node("c27", 2).await;
    small.node("c27-new", 0).await;
    let path = "/api/v1/nodes/c27-new";
    let taint = json!([{"key": "example.test/starting", "effect": "NoSchedule"}]);
    small.patch(path, json!({"spec": {"taints": taint}})).await;
    let hands = hands(&small).await;
    let snapshot = hands.snapshot().await;
    let plan = planned(&snapshot, vec![drained(&snapshot, "c27")]);
    let limits = quick();
    let drain = async |plan: &Plan| {
        let client = Arc::new(hands.act_client(plan).await);
        let (journal, care) = (InMemoryJournal::default(), Care::of(&limits));
        let run = hands.run(client, plan, plan, &journal, care).await;
        run.unwrap()
    };
    let report = drain(&plan).await;
    assert!(
        matches!(
            result(&report, 1),
            StepResult::Refused {
                refusal: Refusal::Precondition { .. }
            }
        ),
        "{report:#?}"
    );
    assert!(format!("{report:?}").contains("taint"), "{report:#?}");
    assert!(is_open(&small, "c27").await);
    assert_eq!(evictions(&small, &plan), Vec::<String>::new());
    small.patch(path, json!({"spec": {"taints": null}})).await;
    let snapshot = hands.snapshot().await;
    let plan = planned(&snapshot, vec![drained(&snapshot, "c27")]);
    assert_eq!(drain(&plan).await.done(), 2);
}

/// The token of the act user is taken away in the middle, and a new one comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g06_a_token_that_is_revoked_in_the_middle_leaves_a_plan_to_take_up() {
    let Some(small) = Small::start().await else {
        return;
    };
    let small: &'static Small = Box::leak(Box::new(small));
    small.make("g06").await;
    let token = small.plane.token_for(ACTOR, &[]).unwrap();
    let kubeconfig = small.plane.kubeconfig_for(&token);
    let hands = Hands::open(&small.read, &kubeconfig)
        .await
        .apart(&small.act)
        .silent();
    let snapshot = hands.snapshot().await;
    let (decisions, steps) = every_kind(&snapshot, "g06");
    let plan = planned(&snapshot, decisions);
    let revoked = token.clone();
    let hook: Hook = Box::new(move |when, nth| {
        let revoked = revoked.clone();
        async move {
            if (when, nth) == (When::After, 3) {
                small.plane.revoke(&revoked);
                let api = small.plane.api(&revoked).unwrap();
                while api.get("/version").await.unwrap().status != 401 {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        .boxed()
    });
    let (journal, limits) = (InMemoryJournal::default(), quick());
    let care = Care {
        placement: &Anywhere,
        ..Care::of(&limits)
    };
    let changer = Meddling::new(hands.act_client(&plan).await, hook);
    let report = hands
        .run(Arc::new(changer), &plan, &plan, &journal, care)
        .await;
    let report = report.unwrap();
    assert!(report.done() < steps, "{report:#?}");
    let before = small.changes_of(&plan).len();
    assert_eq!(before, 3, "{report:#?}");
    let entries = journal.entries().await.unwrap();
    let text = serde_json::to_string(&entries).unwrap();
    assert!(!text.contains(&token), "a token in the journal");
    assert!(History::new(entries).end(&plan.fingerprint).is_some());
}

/// Report mode sends nothing, and the server's dry run of every kind of act is
/// granted and stores nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g07_neither_report_mode_nor_a_dry_run_leaks_an_act() {
    let Some(small) = shared().await else { return };
    small.make("g07").await;
    let before = small.state_of("g07").await;
    let hands = small.hands().await;
    let snapshot = hands.snapshot().await;
    for mode in [ActMode::Report, ActMode::ServerDryRun] {
        let (decisions, _) = every_kind(&snapshot, "g07");
        let mut plan = planned(&snapshot, decisions);
        // Another name for each mode, for the audit log.
        plan.inputs = format!("{mode:?}");
        plan.fingerprint = plan.computed_fingerprint();
        let id = plan.fingerprint.to_string();
        let client = hands.acting.client(&id, mode).await.unwrap();
        let limits = limits().with_patience(1, 1, 0);
        let report = run_through(&hands, Arc::new(client), &plan, &limits).await;
        assert_eq!(report.done(), 0, "{mode:?}: {report:#?}");
        assert_eq!(small.changes_of(&plan), []);
        assert_eq!(small.state_of("g07").await, before, "{mode:?}");
        let sent = small.plane.audit_of(ACTOR).unwrap();
        let of_plan: Vec<_> = sent
            .iter()
            .filter(|e| e.user_agent.contains(&id) && e.is_change())
            .collect();
        match mode {
            ActMode::Report => assert_eq!(of_plan.len(), 0),
            _ => {
                assert!(of_plan.len() >= 9, "{} dry runs", of_plan.len());
                for event in of_plan {
                    let code = event.code();
                    assert!(
                        event.is_dry_run() && code.is_some_and(|c| c < 300),
                        "{}",
                        event.uri
                    );
                }
            }
        }
    }
}

/// C01, C02 and C03 as the server itself words them, on the way to a drain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c01_c02_c03_three_refusals_of_an_eviction_have_three_outcomes() {
    let Some(small) = shared().await else { return };
    for (row, fault, done) in [
        ("c01", Canned::budget_exhausted(), true),
        ("c02", Canned::too_many_requests(1), true),
        (
            "c03",
            Canned::status(
                500,
                "",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ),
            false,
        ),
    ] {
        small.node(row, 1).await;
        let proxy = Proxy::before(&small.plane).unwrap();
        let rule = Rule::on("POST", "**/eviction", Fault::AnswerInstead(fault));
        proxy.add(if done { rule.nth(1) } else { rule });
        let token = small.plane.token_for(ACTOR, &[]).unwrap();
        let through = small.plane.kubeconfig_through(proxy.url(), &token);
        let mut hands = Hands::open(&small.read, &through)
            .await
            .apart(&small.act)
            .silent();
        hands.drain = hands.drain.with_deadline(TimeDelta::seconds(15));
        let snapshot = hands.snapshot().await;
        let plan = planned(&snapshot, vec![drained(&snapshot, row)]);
        let client = Arc::new(hands.act_client(&plan).await);
        let report = run_through(&hands, client, &plan, &quick()).await;
        assert_eq!(report.done() == 2, done, "{row}: {report:#?}");
        if !done {
            assert!(is_open(small, row).await, "{row}");
            let asked = proxy
                .requests()
                .iter()
                .filter(|r| r.path.ends_with("/eviction"))
                .count();
            assert_eq!(asked, 1, "a permanent refusal is asked once");
        }
    }
}
