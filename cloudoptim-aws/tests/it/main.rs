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
