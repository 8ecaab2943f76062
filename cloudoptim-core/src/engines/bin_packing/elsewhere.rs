//! Whether pods fit elsewhere, for the guards.

use super::trial::{fullest, named, place_waiting};
use super::{Config, missing};
use crate::guard::Placement;
use crate::model::{Cluster, NodeName, Uid};
use crate::overlay::CountLimit;
use crate::scheduling::movability::Movers;
use crate::scheduling::{PodId, World};
use chrono::{DateTime, Utc};

/// Places pods by the scheduler's rules, on the cluster as it was read last:
/// the [`Placement`] of whoever carries plans out.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    config: Config,
    limits: Vec<CountLimit>,
}

impl Elsewhere {
    /// With the settings, and the limits beside Kubernetes' own rules, that the
    /// plan was made with.
    pub const fn new(config: Config, limits: Vec<CountLimit>) -> Self {
        Self { config, limits }
    }
}

/// When a part was read, which is what the rules take for now.
fn read_at(cluster: &Cluster) -> DateTime<Utc> {
    let at = cluster.pods.provenance().and_then(|p| p.observed_at);
    at.unwrap_or_default()
}

impl Placement for Elsewhere {
    fn fits_elsewhere(
        &self,
        cluster: &Cluster,
        node: &NodeName,
        pods: &[Uid],
    ) -> Result<(), String> {
        if let Some((part, state)) = missing(cluster) {
            return Err(format!("{part} is {state}"));
        }
        let infeasible = self.config.moves.infeasible_resize;
        let mut world = World::with_infeasible_resize(cluster, &self.limits, infeasible);
        let from = world.node_id(node);
        let movers = Movers::new(cluster, read_at(cluster), self.config.moves.clone());
        let mut leaving: Vec<PodId> = pods
            .iter()
            .filter_map(|uid| world.pod_by_uid(uid))
            .filter(|pod| from.is_some() && world.place(*pod) == from)
            .collect();
        // Those that wait already take their room first.
        place_waiting(&mut world, cluster, &movers);
        let size = |pod: &PodId| {
            let request = world.request(*pod);
            request.map_or((0, 0), |r| (r.memory.0, r.cpu.0))
        };
        leaving.sort_by_key(|pod| std::cmp::Reverse(size(pod)));
        for id in leaving {
            world.remove_pod(id);
            let Some(pod) = world.pod(id) else { continue };
            let found = fullest(&world, cluster, id, from, |_| None);
            let (to, _) = found.map_err(|why| why.reason(named(pod)).to_string())?;
            world.place_pod(id, to);
        }
        Ok(())
    }
}
