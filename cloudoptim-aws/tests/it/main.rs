//! Tests of the adapters, on a real control plane where they need one.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

#[cfg(all(feature = "kubernetes", feature = "journal-file"))]
mod act;
mod assets;
#[cfg(feature = "journal-file")]
mod journal;
#[cfg(feature = "kubernetes")]
mod k8s;
mod kill;
mod matrix;
mod plane;
mod proxy;
mod world;

use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};
use cloudoptim_aws::testing::start_or_skip;
use tokio::sync::OnceCell;

/// A bare plane that the tests share, each in a namespace of its own.
async fn bare_plane() -> Option<&'static Plane> {
    static PLANE: OnceCell<Option<Plane>> = OnceCell::const_new();
    PLANE
        .get_or_init(|| start_or_skip(PlaneConfig::bare()))
        .await
        .as_ref()
}

/// Builds an example that talks to a cluster, beside the tests, and says where
/// it is. The core is not optimised in it: that compiles in a fraction of the
/// time.
#[cfg(feature = "kubernetes")]
fn example(name: &str) -> std::path::PathBuf {
    let unoptimised = "profile.dev.package.cloudoptim-core.opt-level=0";
    let build = std::process::Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "-p", "cloudoptim-examples"])
        .args(["--features", "kubernetes", "--examples"])
        .args(["--config", unoptimised])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(build.unwrap().success());
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    profile.join("examples").join(file)
}
