//! Whether the pods of a node find other places, now.

use super::world::{NodeId, PodId, World};
use crate::guard::Placement;
use crate::guard::lookup::ends_with_its_node;
use crate::model::{Cluster, NodeName};

/// Places the pods of a node one after the other on the other nodes, by the
/// scheduler's rules: the largest first, each where the least is left.
///
/// The scheduler itself does not plan ahead either, so this errs on the side of
/// saying no: a drain is refused although some cleverer order would do.
///
/// ```
/// use cloudoptim_core::guard::Placement;
/// use cloudoptim_core::model::Cluster;
/// use cloudoptim_core::scheduling::Elsewhere;
///
/// let nothing_known = Cluster::default();
/// assert!(Elsewhere.fits_elsewhere(&nothing_known, &"n1".into()).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Elsewhere;

impl Placement for Elsewhere {
    fn fits_elsewhere(&self, cluster: &Cluster, node: &NodeName) -> Result<(), String> {
        for (name, part) in [
            ("nodes", cluster.nodes.is_complete()),
            ("pods", cluster.pods.is_complete()),
        ] {
            if !part {
                return Err(format!("the {name} are not known whole"));
            }
        }
        let mut world = World::new(cluster, &[]);
        let here = world
            .node_id(node)
            .ok_or_else(|| format!("node {node} is not there"))?;
        world.close_node(here);
        let others: Vec<NodeId> = world.nodes().filter(|id| *id != here).collect();
        for pod in leaving(&world, here) {
            let place = others
                .iter()
                .filter(|node| world.fits(pod, **node))
                .min_by_key(|node| {
                    let free = world.free(**node);
                    (free.cpu, free.memory)
                })
                .copied();
            let name = || {
                let pod = world.pod(pod).map(|p| p.meta.path());
                pod.unwrap_or_default()
            };
            let Some(place) = place else {
                return Err(format!("pod {} fits on no other node", name()));
            };
            world.remove_pod(pod);
            world.place_pod(pod, place);
        }
        Ok(())
    }
}

/// Pods that need another node, the largest first.
fn leaving(world: &World<'_>, node: NodeId) -> Vec<PodId> {
    let mut pods: Vec<PodId> = world
        .pods_on(node)
        .into_iter()
        .filter(|pod| world.pod(*pod).is_some_and(|p| !ends_with_its_node(p)))
        .collect();
    pods.sort_by_key(|pod| {
        let asks = world.request(*pod).map(|r| (r.cpu, r.memory));
        (std::cmp::Reverse(asks), *pod)
    });
    pods
}
