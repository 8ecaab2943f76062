//! Whether pods fit elsewhere, for the guards.

use super::migration::left_out_of;
use super::trial::{fullest, named};
use super::{Config, missing};
use crate::guard::Placement;
use crate::model::{Cluster, NodeName, Uid};
use crate::overlay::CountLimit;
use crate::scheduling::movability::Movers;
use crate::scheduling::{Budgets, Movability, PodId, PreferencePrices, World};
use chrono::{DateTime, Utc};

/// Tells by the scheduler's rules, on the cluster as it was read last, whether
/// pods that leave a node together all find a place, whatever the scheduler
/// chooses for each: the [`Placement`] of whoever carries plans out.
///
/// A pod that nobody would make anew, that is protected or whose data stays
/// behind has no place elsewhere. Neither has one that its budgets never let go:
/// others would be evicted, and the node would still not be empty.
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

/// Why one of these pods does not leave, whatever room there is.
fn stays(
    cluster: &Cluster,
    world: &World<'_>,
    movers: &Movers<'_>,
    leaving: &[PodId],
) -> Option<String> {
    let budgets = Budgets::new(cluster, read_at(cluster));
    leaving.iter().find_map(|id| {
        let pod = world.pod(*id)?;
        if let Movability::NeverMoves { why } = movers.judge(pod) {
            let pin = why.first()?;
            return Some(format!("pod {} stays where it is: {pin}", named(pod)));
        }
        let refusal = budgets.can_evict(pod).err()?;
        refusal
            .is_permanent()
            .then(|| format!("pod {} is not let go: {refusal}", named(pod)))
    })
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
        let leaving: Vec<PodId> = pods
            .iter()
            .filter_map(|uid| world.pod_by_uid(uid))
            .filter(|pod| from.is_some() && world.place(*pod) == from)
            .collect();
        if let Some(why) = stays(cluster, &world, &movers, &leaving) {
            return Err(why);
        }
        if let Some(from) = from {
            world.cordon_node(from);
        }
        let Some(id) = left_out_of(&world, &movers, &leaving) else {
            return Ok(());
        };
        let Some(pod) = world.pod(id) else {
            return Ok(());
        };
        world.remove_pod(id);
        let ignored = PreferencePrices::default();
        match fullest(&world, cluster, &ignored, id, from, |_| None) {
            Err(nowhere) => Err(nowhere.reason(named(pod)).to_string()),
            Ok(_) => Err(format!(
                "pod {} could find no place, as the scheduler may choose for others",
                named(pod)
            )),
        }
    }
}
