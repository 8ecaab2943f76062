//! Many drains, some at once.

use super::hands::{ACTOR, Hands, READER, grant};
use super::rounds::{Rounds, crowded, let_go};
use super::{ClusterError, start};
use crate::process::Watch;
use cloudoptim_aws::testing::endings::{Endings, without_ends};
use cloudoptim_aws::testing::plane::PlaneConfig;
use cloudoptim_aws::testing::witness::{Line, Testimony, Witness};
use cloudoptim_aws::testing::world::World;
use std::time::Duration;

/// What many drains came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Drained {
    /// Drains that were done whole.
    pub drains: usize,
    /// Those that were not, and why.
    pub failed: Vec<String>,
    /// Wall-clock time of the drains and of giving the nodes back, without the
    /// time until the world was as before, in seconds.
    pub seconds: f64,
    /// What the audit log and a watch of the pods say.
    pub testimony: Testimony,
    /// Median time of a drain with its cordon, in seconds.
    pub p50_seconds: f64,
    /// Time that one drain in a hundred takes longer than, in seconds.
    pub p99_seconds: f64,
}

fn quantile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).map_or(0.0, Duration::as_secs_f64)
}

/// Drains `nodes` nodes, `at_once` at a time, on a plane with twice as many,
/// and gives each back.
///
/// # Errors
/// [`ClusterError`] when there is no plane, or it does not do as it is told.
///
/// # Panics
/// When the plane does not let its users be made, or answers what no plane does.
pub async fn drain(nodes: usize, at_once: usize) -> Result<Drained, ClusterError> {
    let plane = start(PlaneConfig::full().with_stages(without_ends())).await?;
    let _endings = Endings::start(&plane)?;
    let admin = plane.admin()?;
    grant(&admin).await;
    let spec = crowded(2 * at_once);
    let world = World::create(&plane, &spec).await?;
    world.wait_until_running().await?;
    let letting_go = let_go(admin);
    let kubeconfig =
        |user| Ok::<_, ClusterError>(plane.kubeconfig_for(&plane.token_for(user, &[])?));
    let hands = Hands::open(&kubeconfig(READER)?, &kubeconfig(ACTOR)?).await;
    let folder = tempfile::tempdir()?;
    let mut rounds = Rounds::new(hands, folder.path());
    let witness = Witness::start(&plane, Line::of_all(&spec.workloads)).await?;
    let mut seconds = 0.0;
    let mut left = nodes;
    while left > 0 {
        let now = left.min(at_once);
        let round = rounds.plan(now, |_| true).await;
        let watch = Watch::start();
        rounds.execute(round).await;
        seconds += watch.seconds();
        left -= now;
        world.wait_until_running().await?;
    }
    letting_go.abort();
    let testimony = witness.testify(&plane, ACTOR, &rounds.planned).await?;
    let mut times = rounds.drained;
    times.sort();
    Ok(Drained {
        drains: times.len(),
        failed: rounds.failed,
        seconds,
        testimony,
        p50_seconds: quantile(&times, 50),
        p99_seconds: quantile(&times, 99),
    })
}
