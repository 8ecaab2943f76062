//! The example `apply`, as a new user tries it.

use super::drain::spec;
use super::*;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

struct User {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl User {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.folder.path());
        command
            .env_remove("KUBECONFIG")
            .env("HOME", self.folder.path());
        command.stdin(Stdio::null());
        command
    }

    fn runs(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn plan(&self) -> Plan {
        let text = std::fs::read_to_string(self.folder.path().join("plan.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

fn good(output: &Output) -> String {
    let text = said(output);
    assert!(output.status.success(), "{text}");
    text
}

/// A pod on another node is not ready, so that the budget, which spares one pod,
/// lets nobody go for now.
async fn keep_all_of_web(scene: &Scene, node: &str) {
    let pods = scene.object("/api/v1/namespaces/shop/pods").await;
    let pods = pods["items"].as_array().unwrap();
    let elsewhere = |pod: &&Value| {
        let name = pod["metadata"]["name"].as_str().unwrap();
        name.starts_with("web") && pod["spec"]["nodeName"] != node
    };
    let pod = pods.iter().find(elsewhere).unwrap();
    let name = pod["metadata"]["name"].as_str().unwrap();
    let path = format!("/api/v1/namespaces/shop/pods/{name}");
    let sick = cloudoptim_aws::testing::world::running(false);
    scene.world.set_status(&path, &sick).await.unwrap();
    let budget = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/web";
    let counted = async || {
        let budget = scene.object(budget).await;
        Ok((budget["status"]["disruptionsAllowed"] != 0).then(|| "it is not counted".to_owned()))
    };
    scene.world.until(counted).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_user_plans_approves_interrupts_takes_up_and_takes_back() {
    let program = crate::example("apply");
    let spec = spec();
    let Some(scene) = Scene::start(PlaneConfig::full(), &spec).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let user = User { program, folder };

    let none = user.runs(&["release"]);
    assert!(!none.status.success());
    assert!(
        said(&none).contains("no kubeconfig: KUBECONFIG is not set"),
        "{}",
        said(&none)
    );

    let admin = scene.plane.kubeconfig_for(scene.plane.admin_token());
    for (name, text) in [("read", &scene.read), ("admin", &admin)] {
        std::fs::write(user.folder.path().join(name), text).unwrap();
    }
    let hands = scene.hands().await;
    let snapshot = hands.snapshot().await;
    let node = fullest(&snapshot)
        .into_iter()
        .find(|n| {
            moves(&snapshot, n)
                .iter()
                .any(|m| m.pod.name.starts_with("web"))
        })
        .unwrap();
    keep_all_of_web(&scene, &node).await;
    let plan = ["plan", "plan.json", &node, "--kubeconfig", "read"];
    let text = good(&user.runs(&plan));
    assert!(text.contains(&format!("cordon {node}")), "{text}");

    // Another plan's fingerprint, and no rights.
    let run = ["run", "plan.json", "--kubeconfig"];
    let refused = user.runs(&[&run[..], &["admin", "--yes", "0123456789"]].concat());
    assert!(
        said(&refused).contains("not approved: this is plan"),
        "{}",
        said(&refused)
    );
    let id = user.plan().fingerprint.0;
    let other = ["read", "--yes", &id, "--journal", "other.journal"];
    let refused = user.runs(&[&run[..], &other].concat());
    assert!(!refused.status.success());
    assert!(
        said(&refused).contains("permission patch nodes is missing"),
        "{}",
        said(&refused)
    );

    // Ctrl-C in the middle of the drain.
    let approved = [&run[..], &["admin", "--yes", &id]].concat();
    let mut running = user
        .command(&approved)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let path = format!("/api/v1/nodes/{node}");
    while scene.object(&path).await["spec"]["unschedulable"] != true {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(running.try_wait().unwrap().is_none(), "it ended by itself");
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    let pid = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let text = said(&running.wait_with_output().unwrap());
    assert!(
        text.contains("stopped. What was begun is in plan.json.journal"),
        "{text}"
    );

    // The same command takes it up, without asking.
    let api = scene.plane.admin().unwrap();
    let budget = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/web";
    api.delete(budget).await.unwrap().ok().unwrap();
    let text = good(&user.runs(&[&run[..], &["admin"]].concat()));
    assert!(text.contains(&format!("cordon {node}: done")), "{text}");
    assert!(is_drained(&hands.snapshot().await, &user.plan()));
    let again = user.runs(&approved);
    assert!(
        said(&again).contains("was executed before"),
        "{}",
        said(&again)
    );

    // Undo asks, and takes the answer that it asks for.
    let mut undo = user
        .command(&["undo", "plan.json", "--kubeconfig", "admin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut asked = String::new();
    let mut byte = [0];
    let out = undo.stdout.as_mut().unwrap();
    while !asked.ends_with(": ") || !asked.contains("Type ") {
        assert_eq!(out.read(&mut byte).unwrap(), 1, "{asked}");
        asked.push(char::from(byte[0]));
    }
    let answer = asked.rsplit("Type ").next().unwrap().trim_end_matches(": ");
    writeln!(undo.stdin.take().unwrap(), "{answer}").unwrap();
    good(&undo.wait_with_output().unwrap());
    let kept = scene.object(&path).await;
    assert_eq!(kept["spec"]["unschedulable"], Value::Null);
    assert!(!kept["metadata"].to_string().contains("cloudoptim/"));
}
