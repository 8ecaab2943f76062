//! Two hundred drains, twenty at once, and the cases in which kubectl's way
//! fails.

use super::kubectl::{self, Ended};
use super::rounds::{Rounds, crowded, held, left_behind, let_go, small};
use super::*;
use cloudoptim_aws::testing::api::{Api, PatchKind};
use cloudoptim_aws::testing::assets::Assets;
use cloudoptim_aws::testing::endings::without_ends;
use cloudoptim_aws::testing::witness::{Line, PodSeen, Witness};
use cloudoptim_aws::testing::world::{Budget, NodeSpec, WorkloadSpec, bound_pod, running};
use cloudoptim_core::journal::End;
use std::time::Duration;

/// What a pod has that never runs, though it is bound to a node.
const NEVER: &str = "example.test/never";

/// Pods stay until they are ended, and those with the annotation never run. The
/// files are in `folder`.
fn some_never_run(folder: &Path) -> PlaneConfig {
    let fast = "pod/fast/pod-ready";
    let text = std::fs::read_to_string(Assets::find().unwrap().stage(fast)).unwrap();
    let list = "matchExpressions:\n";
    let unless = format!(
        "{list}    - key: '.metadata.annotations[\"{NEVER}\"]'\n      operator: 'DoesNotExist'\n"
    );
    assert!(text.contains(list));
    std::fs::write(folder.join("ready.yaml"), text.replacen(list, &unless, 1)).unwrap();
    let stages = without_ends().into_iter().map(|stage| {
        let own = folder.join("ready").to_string_lossy().into_owned();
        if stage == fast { own } else { stage.to_owned() }
    });
    PlaneConfig::full().with_stages(stages)
}

/// Makes what cannot be waited for: pods that are bound and never run, under a
/// budget that would let none go, and pods for which there is no node.
async fn make_pending(world: &World) {
    let mut never = small(WorkloadSpec::deployment("slow", "never", 6), 1)
        .with_budget(Budget::MinAvailable("100%".to_owned()));
    never.pod_annotations = BTreeMap::from([(NEVER.to_owned(), "true".to_owned())]);
    let mut nowhere = small(WorkloadSpec::deployment("slow", "nowhere", 2), 1);
    nowhere.milli_cpu = 1_000_000;
    world.ensure_namespace("slow").await.unwrap();
    let budgets = "/apis/policy/v1/namespaces/slow/poddisruptionbudgets".to_owned();
    let objects = vec![
        (budgets, never.budget_document().unwrap()),
        (never.path(), never.document()),
        (nowhere.path(), nowhere.document()),
    ];
    world.create_all(objects).await.unwrap();
}

/// Between plan and act, others delete pods of StatefulSets: they come again
/// with the same names and other uids, wherever they are put.
async fn replace_some(scene: &Scene, plans: &[Plan], most: usize) -> usize {
    let admin = scene.plane.admin().unwrap();
    let actions = plans.iter().flat_map(|plan| &plan.steps).map(|s| &s.action);
    let leaving = actions.filter_map(|action| match action {
        Action::DrainNode { moves, .. } => Some(moves),
        _ => None,
    });
    let of_sets = leaving.flatten().filter(|m| m.pod.namespace == "data");
    let mut replaced = 0;
    for one in of_sets.take(most) {
        let path = format!("/api/v1/namespaces/data/pods/{}", one.pod.name);
        admin.delete(&path).await.unwrap().ok().unwrap();
        replaced += 1;
    }
    scene.world.wait_until_running().await.unwrap();
    replaced
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_drains_break_no_budget_and_evict_only_what_was_planned() {
    const ROUNDS: usize = 10;
    const AT_ONCE: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let spec = crowded(2 * AT_ONCE);
    let Some((scene, _endings)) =
        Scene::start_with_endings(some_never_run(folder.path()), &spec).await
    else {
        return;
    };
    make_pending(&scene.world).await;
    let janitor = let_go(scene.plane.admin().unwrap());
    let mut rounds = Rounds::new(scene.hands().await, folder.path());
    let lines = Line::of_all(&spec.workloads);
    let witness = Witness::start(&scene.plane, lines).await.unwrap();
    let start = tokio::time::Instant::now();
    let mut replaced = 0;
    for number in 0..ROUNDS {
        let round = rounds.plan(AT_ONCE, |_| true).await;
        replaced += replace_some(&scene, &round.plans, 2).await;
        let plans = round.plans.clone();
        let begun = tokio::time::Instant::now();
        let after = rounds.execute(round).await;
        let took = begun.elapsed();
        assert_eq!(rounds.failed, Vec::<String>::new(), "round {number}");
        let left = left_behind(&after, &plans);
        assert_eq!(left, Vec::<String>::new(), "round {number}");
        scene.world.wait_until_running().await.unwrap();
        eprintln!("round {number}: {took:?}, after {:?}", start.elapsed());
    }
    janitor.abort();
    let mut times = rounds.drained.clone();
    times.sort();
    eprintln!(
        "of a drain: median {:?}, longest {:?}",
        times[times.len() / 2],
        times.last()
    );
    assert_eq!(rounds.drained.len(), ROUNDS * AT_ONCE);
    assert!(replaced >= ROUNDS, "{replaced} pods were replaced");

    let testimony = witness.testify(&scene.plane, ACTOR, &rounds.planned);
    let testimony = testimony.await.unwrap();
    eprintln!("{testimony:#?}");
    assert_eq!(testimony.faults(), Vec::<String>::new());
    // It was close, or nothing was shown.
    assert_eq!(testimony.tightest, Some(0));
    assert!(testimony.refused.contains_key(&429));
    assert!(testimony.evictions >= 8 * ROUNDS * AT_ONCE / 2);
    let events = witness.events().await.unwrap();
    let pending_left = events.iter().filter(|pod| {
        pod.namespace == "slow" && pod.going && pod.phase == "Pending" && !pod.node.is_empty()
    });
    assert!(pending_left.count() > 0, "no pending pod was evicted");
}

/// A case that two drain, each on a node of its own; the pods of either can go
/// to the second of its nodes.
struct Case {
    name: &'static str,
    /// Documents beside the nodes, in the namespace of that name.
    objects: fn(&str) -> Vec<(String, Value)>,
    ours: Outcome,
    kubectl: Outcome,
}

/// What became of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Every pod has left, and no other was touched.
    Drained,
    /// A pod was evicted that stood on the other node.
    EvictedElsewhere,
    /// Nothing was evicted, and the node takes pods again.
    LeftAlone,
    /// Nothing was evicted, and the node is cordoned.
    LeftCordoned,
    /// Some pods were evicted for nothing, and the node is cordoned.
    HalfEmpty,
    /// The same, and it does not end.
    HalfEmptyForEver,
    /// Something else.
    Other,
}

fn on(namespace: &str, spec: &WorkloadSpec) -> Vec<(String, Value)> {
    let mut spec = spec.clone();
    namespace.clone_into(&mut spec.namespace);
    let mut document = spec.document();
    document["spec"]["template"]["spec"]["nodeSelector"] = json!({"case": namespace});
    let budgets = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
    let budget = spec.budget_document().map(|budget| (budgets, budget));
    budget
        .into_iter()
        .chain([(spec.path(), document)])
        .collect()
}

fn free(replicas: u32) -> WorkloadSpec {
    small(WorkloadSpec::deployment("", "free", replicas), 1)
}

fn only() -> Budget {
    Budget::MinAvailable("1".to_owned())
}

fn cases() -> Vec<Case> {
    use Outcome::*;
    let case = |name, objects, ours, kubectl| Case {
        name,
        objects,
        ours,
        kubectl,
    };
    vec![
        case("plain", |n| on(n, &free(3)), Drained, Drained),
        case(
            "grace",
            |n| on(n, &small(WorkloadSpec::stateful_set("", "db", 2), 4)),
            Drained,
            Drained,
        ),
        case("finalizer", |n| on(n, &held(free(2))), Drained, Drained),
        case(
            "pending",
            |n| {
                let mut never = free(1).with_budget(only());
                never.pod_annotations = BTreeMap::from([(NEVER.to_owned(), "true".to_owned())]);
                on(n, &never)
            },
            Drained,
            Drained,
        ),
        case("came-back", came_back, Drained, EvictedElsewhere),
        case(
            "two-budgets",
            |n| {
                let both = small(WorkloadSpec::deployment("", "both", 1), 1);
                let mut objects = [on(n, &free(2)), on(n, &both)].concat();
                for name in ["first", "second"] {
                    objects.push(budget(n, name, 0, &json!({"app": "both"})));
                }
                objects
            },
            LeftAlone,
            HalfEmpty,
        ),
        case(
            "deadlock",
            |n| {
                let alone = small(WorkloadSpec::deployment("", "alone", 1), 1);
                [on(n, &free(2)), on(n, &alone.with_budget(only()))].concat()
            },
            LeftAlone,
            HalfEmptyForEver,
        ),
        case(
            "unmanaged",
            |n| {
                let bare = bound_pod(n, "bare", &format!("{n}-a"));
                let path = format!("/api/v1/namespaces/{n}/pods");
                [on(n, &free(2)), vec![(path, bare)]].concat()
            },
            LeftAlone,
            LeftCordoned,
        ),
    ]
}

fn budget(namespace: &str, name: &str, least: u32, labels: &Value) -> (String, Value) {
    let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
    let body = json!({"metadata": {"name": name},
        "spec": {"minAvailable": least, "selector": {"matchLabels": labels}}});
    (path, body)
}

/// A pod of a StatefulSet that a budget keeps for a while, since its peer, on
/// a node of its own, is not ready.
fn came_back(namespace: &str) -> Vec<(String, Value)> {
    let part = BTreeMap::from([("part".to_owned(), "db".to_owned())]);
    let mut db = small(WorkloadSpec::stateful_set("", "db", 1), 1);
    let mut peer = small(WorkloadSpec::deployment("", "peer", 1), 1);
    (db.pod_labels, peer.pod_labels) = (part.clone(), part);
    let mut peer = on(namespace, &peer);
    for (_, document) in &mut peer {
        document["spec"]["template"]["spec"]["nodeSelector"] = json!({"case": "peers"});
    }
    let budget = budget(namespace, "db", 1, &json!({"part": "db"}));
    [on(namespace, &db), peer, vec![budget]].concat()
}

struct Arena {
    scene: Scene,
    admin: Api,
}

impl Arena {
    async fn cordon(&self, node: &str, cordoned: bool) {
        let path = format!("/api/v1/nodes/{node}");
        let body = json!({"spec": {"unschedulable": cordoned}});
        let done = self.admin.patch(&path, PatchKind::Merge, &body).await;
        done.unwrap().ok().unwrap();
    }

    /// Pods of a namespace.
    async fn pods(&self, namespace: &str) -> Vec<Value> {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let list = self.scene.object(&path).await;
        list["items"].as_array().unwrap().clone()
    }

    async fn until(&self, what: &str, mut check: impl AsyncFnMut() -> bool) {
        let checking = async {
            while !check().await {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let done = tokio::time::timeout(Duration::from_secs(120), checking).await;
        assert!(done.is_ok(), "not so: {what}");
    }

    /// Makes the objects of a case, with all pods on its first node.
    async fn make(&self, case: &Case, namespace: &str) {
        self.scene.world.ensure_namespace(namespace).await.unwrap();
        let objects = (case.objects)(namespace);
        let pods: u64 = objects
            .iter()
            .map(|(path, o)| match o["spec"]["replicas"].as_u64() {
                Some(replicas) => replicas,
                None => u64::from(path.ends_with("/pods")),
            })
            .sum();
        self.scene.world.create_all(objects).await.unwrap();
        self.until(&format!("{namespace} has its pods"), async || {
            let all = self.pods(namespace).await;
            let bound = |pod: &&Value| {
                let never = pod.pointer("/metadata/annotations/example.test~1never");
                let runs = pod["status"]["phase"] == "Running";
                pod["spec"]["nodeName"].is_string() && (runs || never.is_some())
            };
            u64::try_from(all.iter().filter(bound).count()).unwrap() == pods
        })
        .await;
        self.cordon(&format!("{namespace}-b"), false).await;
    }

    /// Sets the readiness of the pod that shares a budget, and waits until the
    /// budget has been counted anew.
    async fn peer_is(&self, namespace: &str, ready: bool) {
        let pods = self.pods(namespace).await;
        let is_peer = |pod: &&Value| pod["metadata"]["labels"]["app"] == "peer";
        let peer = pods.iter().find(is_peer).unwrap();
        let name = peer["metadata"]["name"].as_str().unwrap();
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        self.scene
            .world
            .set_status(&path, &running(ready))
            .await
            .unwrap();
        let budget = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/db");
        self.until("the budget is counted", async || {
            let status = self.scene.object(&budget).await["status"].take();
            status["disruptionsAllowed"] == i32::from(ready) && status["expectedPods"] == 2
        })
        .await;
    }

    /// While the drain waits for the budget, somebody deletes the pod; it comes
    /// again by the same name on the other node, and the budget opens.
    async fn bring_back(&self, namespace: &str, actor: &str) {
        self.until("the budget has refused", async || {
            let asked = self.scene.plane.audit_of(actor).unwrap();
            asked.iter().any(|e| {
                let own = e
                    .object_ref
                    .as_ref()
                    .is_some_and(|o| o.namespace == namespace);
                own && e.target() == "pods/eviction" && e.code() == Some(429)
            })
        })
        .await;
        let path = format!("/api/v1/namespaces/{namespace}/pods/db-0");
        self.admin.delete(&path).await.unwrap().ok().unwrap();
        let other = format!("{namespace}-b");
        self.until("the pod is back", async || {
            let pods = self.pods(namespace).await;
            let back = |pod: &Value| {
                pod["metadata"]["name"] == "db-0"
                    && pod["spec"]["nodeName"] == other.as_str()
                    && pod["status"]["phase"] == "Running"
            };
            pods.iter().any(back)
        })
        .await;
        self.peer_is(namespace, true).await;
    }
}

/// What the world shows of a drain that `ended`, or not.
async fn outcome(
    arena: &Arena,
    namespace: &str,
    actor: &str,
    seen: &[PodSeen],
    ended: bool,
) -> Outcome {
    let first = format!("{namespace}-a");
    let asked = arena.scene.plane.audit_of(actor).unwrap();
    let mut evicted: Vec<&str> = Vec::new();
    for event in asked
        .iter()
        .filter(|e| e.target() == "pods/eviction" && e.changed_something())
    {
        let pod = event.object_ref.as_ref().unwrap();
        if pod.namespace != namespace {
            continue;
        }
        // By what the server says it has evicted: the last of that name before.
        let named = seen
            .iter()
            .filter(|p| p.path() == format!("{namespace}/{}", pod.name));
        let going = named.filter(|p| p.going || p.gone);
        let uids: BTreeSet<&str> = going.clone().map(|p| p.uid.as_str()).collect();
        let nodes: BTreeSet<&str> = going.map(|p| p.node.as_str()).collect();
        assert!(uids.len() <= 2, "{uids:?}");
        evicted.push(if nodes.contains(format!("{namespace}-b").as_str()) {
            "b"
        } else {
            "a"
        });
    }
    let node = arena.scene.object(&format!("/api/v1/nodes/{first}")).await;
    let cordoned = node["spec"]["unschedulable"] == true;
    let left = arena.pods(namespace).await;
    let left = left
        .iter()
        .filter(|pod| pod["spec"]["nodeName"] == first.as_str())
        .count();
    match (evicted.len(), evicted.contains(&"b"), left, cordoned, ended) {
        (_, true, _, _, _) => Outcome::EvictedElsewhere,
        (_, _, 0, true, true) => Outcome::Drained,
        (0, _, _, false, true) => Outcome::LeftAlone,
        (0, _, _, true, true) => Outcome::LeftCordoned,
        (_, _, _, true, true) => Outcome::HalfEmpty,
        (_, _, _, true, false) => Outcome::HalfEmptyForEver,
        _ => Outcome::Other,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_kubectl_evicts_too_much_or_waits_for_ever_we_do_not() {
    const KUBECTL: &str = "kubectl";
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    let mut spec = WorldSpec::default();
    let node = |name: String, case: &str| NodeSpec {
        labels: BTreeMap::from([("case".to_owned(), case.to_owned())]),
        provider_id: format!("aws:///eu-central-1a/i-{name}"),
        name,
        instance_type: "m5.xlarge".to_owned(),
        zone: "eu-central-1a".to_owned(),
        capacity_type: "on-demand".to_owned(),
        milli_cpu: 3_920,
        memory_mib: 15_000,
        pods: 58,
    };
    let places: Vec<[String; 2]> = cases
        .iter()
        .map(|case| ["ours", "kubectl"].map(|who| format!("{}-{who}", case.name)))
        .collect();
    spec.nodes.push(node("peers".to_owned(), "peers"));
    for place in places.iter().flatten() {
        spec.nodes
            .extend(["a", "b"].map(|n| node(format!("{place}-{n}"), place)));
    }
    let Some((scene, _endings)) =
        Scene::start_with_endings(some_never_run(folder.path()), &spec).await
    else {
        return;
    };
    let admin = scene.plane.admin().unwrap();
    let token = scene.plane.token_for(KUBECTL, &["system:masters"]).unwrap();
    let kubectl = scene.plane.api(&token).unwrap();
    let janitor = let_go(admin.clone());
    let hands = scene.hands().await;
    let arena = Arena { scene, admin };
    for place in places.iter().flatten() {
        arena.cordon(&format!("{place}-b"), true).await;
    }
    for (case, places) in cases.iter().zip(&places) {
        for place in places {
            arena.make(case, place).await;
        }
    }
    let witness = Witness::start(&arena.scene.plane, Vec::new())
        .await
        .unwrap();
    let mut found = Vec::new();
    for (case, [ours, theirs]) in cases.iter().zip(&places) {
        let meddled = case.name == "came-back";
        let folder = tempfile::tempdir().unwrap();
        let journal = open_journal(&hands, &folder.path().join("journal"));
        let snapshot = hands.snapshot().await;
        let plan = drain_plan(&snapshot, &[&format!("{ours}-a")]);
        let meddle = async |place: &str, actor: &str| {
            if meddled {
                arena.bring_back(place, actor).await;
            }
        };
        if meddled {
            arena.peer_is(ours, false).await;
            arena.peer_is(theirs, false).await;
        }
        let (report, ()) = tokio::join!(hands.execute(&plan, &plan, &journal), meddle(ours, ACTOR));
        let node = format!("{theirs}-a");
        let patience = Duration::from_secs(20);
        let (ended, ()) = tokio::join!(
            kubectl::drain(&kubectl, &node, patience),
            meddle(theirs, KUBECTL)
        );
        eprintln!("{}: ours {:?} {:#?}", case.name, report.end, report.steps);
        eprintln!("{}: kubectl {ended:?}", case.name);
        let done = matches!(report.end, End::Done);
        let seen = witness.events().await.unwrap();
        let us = outcome(&arena, ours, ACTOR, &seen, done).await;
        let them = outcome(&arena, theirs, KUBECTL, &seen, ended != Ended::Waits).await;
        found.push((case.name, us, them));
    }
    janitor.abort();
    let expected: Vec<_> = cases.iter().map(|c| (c.name, c.ours, c.kubectl)).collect();
    assert_eq!(found, expected);
}
