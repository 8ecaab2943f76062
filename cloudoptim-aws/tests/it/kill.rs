//! Killed processes: where they end, and what they leave behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudoptim_aws::testing::kill::{self, End, Victim};
use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};

use crate::bare_plane;

/// The file that a victim writes to.
const FILE: &str = "CLOUDOPTIM_TEST_FILE";

fn file() -> PathBuf {
    std::env::var_os(FILE).expect("run by another test").into()
}

#[test]
#[ignore = "killed by a_process_ends_at_each_of_its_points"]
fn writes_three_steps() {
    let mut written = String::new();
    for step in ["one", "two", "three"] {
        kill::point(&format!("before {step}"));
        written.push_str(step);
        fs::write(file(), &written).unwrap();
    }
    kill::point("after all");
}

#[test]
fn a_process_ends_at_each_of_its_points() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("steps");
    let victim = Victim::of_test("kill::writes_three_steps").with_variable(FILE, &path);

    let whole = victim.run().unwrap();
    assert_eq!(whole.end, End::Finished, "{}", whole.output);
    assert_eq!(whole.points, ["before one", "before two", "before three", "after all"]);

    for (index, left) in [(1, ""), (2, "one"), (3, "onetwo"), (4, "onetwothree")] {
        fs::write(&path, "").unwrap();
        let run = victim.killed_at(index).unwrap();
        assert_eq!((run.end, run.points.len()), (End::Killed, index));
        assert_eq!(fs::read_to_string(&path).unwrap(), left);
    }
    assert_eq!(victim.killed_at(5).unwrap().end, End::Finished);
}

#[test]
fn a_process_that_fails_by_itself_was_not_killed() {
    let victim = Victim::of_program("/bin/sh", ["-c", "echo why >&2; exit 3"]);
    let run = victim.killed_at(1).unwrap();
    assert!(matches!(run.end, End::Failed { .. }), "{run:?}");
    assert_eq!(run.output, "why\n");
}

#[tokio::test]
#[ignore = "killed by a_killed_process_leaves_no_programs_and_no_folder"]
async fn starts_a_plane() {
    let plane = Plane::start(PlaneConfig::full()).await.unwrap();
    let mut lines: Vec<String> = plane.pids().iter().map(|(_, pid)| format!("/proc/{pid}")).collect();
    lines.push(plane.admin_kubeconfig().display().to_string());
    fs::write(file(), lines.join("\n")).unwrap();
    kill::point("all run");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_killed_process_leaves_no_programs_and_no_folder() {
    // Skips, or builds the programs, where that has not been done.
    if bare_plane().await.is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("left");
    let victim = Victim::of_test("kill::starts_a_plane").with_variable(FILE, &path);
    let run = victim.killed_at(1).unwrap();
    assert_eq!(run.end, End::Killed, "{}", run.output);

    let left = fs::read_to_string(&path).unwrap();
    let left: Vec<&Path> = left.lines().map(Path::new).collect();
    assert_eq!(left.len(), 6, "five programs and a kubeconfig: {left:?}");
    for _ in 0..600 {
        if !left.iter().any(|path| path.exists()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let there: Vec<_> = left.iter().filter(|path| path.exists()).collect();
    panic!("a minute after the kill there are still {there:?}");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_dropped_plane_has_ended_its_programs_and_removed_its_folder() {
    if bare_plane().await.is_none() {
        return;
    }
    let plane = Plane::start(PlaneConfig::bare().with_controllers()).await.unwrap();
    let kubeconfig = plane.admin_kubeconfig();
    let pids = plane.pids();
    assert!(kubeconfig.exists() && pids.len() == 3);
    drop(plane);
    assert!(!kubeconfig.exists());
    for (name, pid) in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{name} runs");
    }
}
