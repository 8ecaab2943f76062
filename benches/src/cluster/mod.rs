//! Measurements on a real control plane of this machine: what collecting a
//! cluster costs, and what many drains at once do to it.

mod collect;
mod drain;

// The same drains as the tests run, so that they are judged alike.
#[path = "../../../cloudoptim-aws/tests/it/act/hands.rs"]
#[allow(dead_code, clippy::unwrap_used)] // parts of tests: these use more, and may panic
mod hands;
#[path = "../../../cloudoptim-aws/tests/it/act/rounds.rs"]
#[allow(dead_code, clippy::unwrap_used)] // likewise
mod rounds;

pub use collect::{Collected, collect};
pub use drain::{Drained, drain};

use cloudoptim_aws::testing::plane::{Plane, PlaneConfig, PlaneError};
use cloudoptim_aws::testing::world::WorldError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// There is no control plane.
    #[error("control plane: {0}")]
    Plane(#[from] PlaneError),
    /// It does not do as it is told.
    #[error("control plane: {0}")]
    World(#[from] WorldError),
    /// The cluster cannot be read.
    #[error("cluster: {0}")]
    Provider(#[from] cloudoptim_core::providers::ProviderError),
    /// Its kubeconfig cannot be used.
    #[error("cluster: {0}")]
    Connect(#[from] cloudoptim_aws::k8s::ConnectError),
    /// No runtime, no folder, no file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

async fn start(config: PlaneConfig) -> Result<Plane, ClusterError> {
    Ok(Plane::start(config).await?)
}
