//! Test parts: a real Kubernetes control plane on the loopback, worlds in it,
//! faults before it, and processes that are killed at a chosen point.
//!
//! Published for those who test their own providers or a program that embeds
//! CloudOptim. Needs a Unix with `/bin/sh`, and either Go or the programs of a
//! control plane in the folder that `KUBEBUILDER_ASSETS` names ([`assets`]).
//!
//! ```no_run
//! use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let plane = Plane::start(PlaneConfig::bare()).await?;
//! let token = plane.token_for("reader", &["auditors"])?;
//! let refused = plane.api(&token)?.get("/api/v1/nodes").await?;
//! assert_eq!(refused.status, 403);
//! assert_eq!(plane.audit_of("reader")?.len(), 1);
//! # Ok(())
//! # }
//! ```

pub mod api;
pub mod assets;
pub mod endings;
pub mod kill;
pub mod plane;
mod process;
pub mod proxy;
mod server;
pub mod witness;
pub mod world;

use assets::{ASSETS_VARIABLE, AssetsError};
use plane::{Plane, PlaneConfig, PlaneError};

/// Starts a plane for a test. On a machine that has neither the programs nor
/// Go it prints `SKIPPED` with what would change that and returns nothing,
/// except in CI (`CI` is set), where a test that did not run must not pass.
///
/// # Panics
/// When the plane does not start for another reason, or in CI for any.
pub async fn start_or_skip(config: PlaneConfig) -> Option<Plane> {
    match Plane::start(config).await {
        Ok(plane) => Some(plane),
        Err(PlaneError::Assets(error @ AssetsError::Nothing { .. }))
            if assets::set("CI").is_none() =>
        {
            eprintln!(
                "SKIPPED: NO CONTROL PLANE TO TEST WITH. {error}. Install Go 1.26.5 or newer (https://go.dev/dl), \
                 or: export {ASSETS_VARIABLE}=<folder with etcd, kube-apiserver, kube-controller-manager, \
                 kube-scheduler, kubectl, kwok, stage/ and crds/>"
            );
            None
        }
        Err(error) => panic!("no control plane: {error}"),
    }
}
