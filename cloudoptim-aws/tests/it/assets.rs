//! Where the programs of the plane come from, and what is said without them.

use cloudoptim_aws::testing::assets::{ASSETS_VARIABLE, Assets};
use cloudoptim_aws::testing::kill::{End, Victim};
use cloudoptim_aws::testing::plane::PlaneConfig;
use cloudoptim_aws::testing::start_or_skip;

/// A test of this binary on a machine without Go.
fn without_go(test: &str) -> Victim {
    Victim::of_test(test)
        .with_variable("PATH", "/nonexistent")
        .with_variable(ASSETS_VARIABLE, "")
        .with_variable("CI", "")
}

#[tokio::test]
#[ignore = "run by without_go_and_programs_a_test_says_that_it_is_skipped"]
async fn needs_a_plane() {
    assert!(start_or_skip(PlaneConfig::bare()).await.is_none());
}

#[test]
fn without_go_and_programs_a_test_says_that_it_is_skipped_and_fails_in_ci() {
    let skipped = without_go("assets::needs_a_plane").run().unwrap();
    assert_eq!(skipped.end, End::Finished, "{}", skipped.output);
    let says = |text: &str| skipped.output.contains(text);
    assert!(says("SKIPPED: NO CONTROL PLANE"), "{}", skipped.output);
    assert!(says("KUBEBUILDER_ASSETS is not set") && says("export KUBEBUILDER_ASSETS="));

    let in_ci = without_go("assets::needs_a_plane").with_variable("CI", "true");
    let failed = in_ci.run().unwrap();
    assert!(
        matches!(failed.end, End::Failed { .. }),
        "{}",
        failed.output
    );
}

#[test]
fn a_folder_that_is_not_whole_is_named_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("etcd"), "").unwrap();
    let victim = without_go("assets::needs_a_plane").with_variable(ASSETS_VARIABLE, folder.path());
    let run = victim.run().unwrap();
    assert!(
        run.output.contains("names a folder without kube-apiserver"),
        "{}",
        run.output
    );
}

#[test]
#[ignore = "run by a_whole_folder_is_used_without_go"]
fn prints_its_folder() {
    eprintln!("found {}", Assets::find().unwrap().folder().display());
}

#[tokio::test]
async fn a_whole_folder_is_used_without_go() {
    // Skips, or builds the programs, where that has not been done.
    if crate::bare_plane().await.is_none() {
        return;
    }
    let whole = Assets::find().unwrap();
    let victim = without_go("assets::prints_its_folder");
    let run = victim
        .with_variable(ASSETS_VARIABLE, whole.folder())
        .run()
        .unwrap();
    let found = format!("found {}", whole.folder().display());
    assert!(run.output.contains(&found), "{}", run.output);
}
