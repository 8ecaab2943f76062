//! What stays on demand: the scheduler knows no share of spot, so no wave lets
//! more of a workload's pods choose a node on spot than may come there.

use super::Obstacle;
use super::course::Course;
use super::ground::Mover;
use crate::engines::bin_packing::trial::named;
use crate::model::{CapacityType, Node, WorkloadRef};
use crate::scheduling::NodeId;

impl Course<'_, '_> {
    /// The pod's workload, when it could leave on demand for spot: for `target`,
    /// or for any node that it may choose.
    fn could_leave(&mut self, mover: &Mover, target: Option<NodeId>) -> Option<WorkloadRef> {
        let ground = self.ground;
        let pod = self.world.pod(mover.id)?;
        if !ground.on_spot.counts(pod) {
            return None;
        }
        let nodes = match target {
            Some(target) => vec![target],
            None => self.crowd.range(&self.world, mover.id),
        };
        let spot = |node: &Node| node.capacity_type() == Some(CapacityType::Spot);
        let mut nodes = nodes.into_iter().filter_map(|id| self.world.node(id));
        nodes.any(spot).then(|| ground.owners.top(pod))
    }

    /// Whether the pod may be evicted with this choice, whatever is chosen for it
    /// and was chosen for those before.
    pub(super) fn keeps_on_demand(&mut self, mover: &Mover, target: Option<NodeId>) -> bool {
        let Some(workload) = self.could_leave(mover, target) else {
            return true;
        };
        let left = self.left_on_demand.get(&workload).copied().unwrap_or(0);
        left < self.ground.on_spot.room(&workload)
    }

    /// Counts a pod that is evicted with this choice.
    pub(super) fn leaves_on_demand(&mut self, mover: &Mover, target: Option<NodeId>) {
        if let Some(workload) = self.could_leave(mover, target) {
            *self.left_on_demand.entry(workload).or_default() += 1;
        }
    }

    /// What stands in the way of a pod that has to stay on demand.
    pub(super) fn on_demand_obstacle(&mut self, mover: &Mover) -> Option<Obstacle> {
        if self.keeps_on_demand(mover, None) {
            return None;
        }
        let of = self.could_leave(mover, None)?;
        let max = self.ground.on_spot.most(&of);
        let pod = self.world.pod(mover.id).map(named)?;
        let of = Box::new(of);
        Some(Obstacle::CouldComeToSpot { pod, of, max })
    }
}
