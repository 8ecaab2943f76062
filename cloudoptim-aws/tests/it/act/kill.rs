//! A process that is killed at every entry of the journal and at every change.

use super::*;
use cloudoptim_aws::testing::kill::{End as Ending, Victim};
use cloudoptim_core::journal::{End, History, StepState};
use std::fs;

/// Names the folder with what the victim needs.
const FOLDER: &str = "CLOUDOPTIM_TEST_FOLDER";

/// Executes the plan of the folder; another test kills it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "killed by killed_anywhere_it_ends_the_same_and_does_nothing_twice"]
async fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let file = |name: &str| fs::read_to_string(Path::new(&folder).join(name)).unwrap();
    let hands = Hands::open(&file("read"), &file("act")).await;
    let plan: Plan = serde_json::from_str(&file("plan")).unwrap();
    let journal = Mortal(open_journal(&hands, &Path::new(&folder).join("journal")));
    let client = Arc::new(Mortal(hands.act_client(&plan).await));
    let report = hands.execute_through(client, &plan, &plan, &journal).await;
    assert_eq!(report.end, End::Done, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_it_ends_the_same_and_does_nothing_twice() {
    let Some(scene) = Scene::start(PlaneConfig::full(), &super::drain::spec()).await else {
        return;
    };
    let hands = scene.hands().await;
    let mut plans: Vec<Plan> = Vec::new();
    let mut index = 0;
    loop {
        // A node that no earlier round has cordoned, with enough to do.
        scene.world.wait_until_running().await.unwrap();
        let snapshot = hands.snapshot().await;
        let node = fullest(&snapshot)
            .into_iter()
            .rfind(|n| moves(&snapshot, n).len() >= 3)
            .unwrap();
        let plan = drain_plan(&snapshot, &[&node]);
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("read", &scene.read);
        write("act", &scene.act);
        write("plan", &serde_json::to_string(&plan).unwrap());
        let victim = Victim::of_test("act::kill::victim").with_variable(FOLDER, folder.path());
        index += 1;
        let run = victim.killed_at(index).unwrap();
        let journal = open_journal(&hands, &folder.path().join("journal"));
        if run.end == Ending::Killed {
            let where_ = format!("point {index}, {}", run.points.last().unwrap());
            let ended = History::new(journal.entries().await.unwrap())
                .end(&plan.fingerprint)
                .is_some();
            if !ended {
                let report = hands.execute(&plan, &plan, &journal).await;
                assert_eq!(report.end, End::Done, "{where_}: {report:#?}");
                assert_eq!(report.done(), 2, "{where_}: {report:#?}");
            }
        } else {
            assert_eq!(run.end, Ending::Finished, "{}", run.output);
        }
        // The same end, however it came about.
        let history = History::new(journal.entries().await.unwrap());
        for step in &plan.steps {
            let state = history.state(&plan.fingerprint, &step.id);
            assert!(
                matches!(&state, StepState::Finished(outcome) if outcome.is_done()),
                "point {index}: {} is {state:?}",
                step.action
            );
        }
        assert!(is_drained(&hands.snapshot().await, &plan), "point {index}");
        let cordons = scene.changes().into_iter().filter(|e| {
            e.target() == "nodes" && e.object_ref.as_ref().is_some_and(|o| o.name == node)
        });
        assert_eq!(cordons.count(), 1 + earlier(&plans, &node), "point {index}");
        plans.push(plan);
        let all: Vec<&Plan> = plans.iter().collect();
        scene.assert_only_planned(&all);
        if run.end == Ending::Finished {
            break;
        }
        give_back(&scene, &node).await;
    }
    // Before and after: begun, two intents, two outcomes, the end, the cordon,
    // and at least three evictions.
    assert!(index > 2 * (6 + 1 + 3), "only {} points", index - 1);
}

fn earlier(plans: &[Plan], node: &str) -> usize {
    let of_node = |plan: &&Plan| {
        plan.steps
            .iter()
            .any(|s| matches!(&s.action, Action::CordonNode { node: n, .. } if n.as_str() == node))
    };
    plans.iter().filter(of_node).count()
}

/// As a person would, so that our changes stay countable.
async fn give_back(scene: &Scene, node: &str) {
    let admin = scene.plane.admin().unwrap();
    let body = json!({"spec": {"unschedulable": null}, "metadata": {"annotations": {
        "cloudoptim/plan": null, "cloudoptim/until": null, "cloudoptim/step": null,
        "cloudoptim/fence": null}}});
    let kind = cloudoptim_aws::testing::api::PatchKind::Merge;
    let path = format!("/api/v1/nodes/{node}");
    admin.patch(&path, kind, &body).await.unwrap().ok().unwrap();
}
