//! A migration carried out on a model of the cluster.

use super::ground::{self, leaving, left_out_of, unsure};
use super::{Eviction, Migration, Placement, Wave};
use crate::engines::bin_packing::Config;
use crate::engines::bin_packing::trial::named;
use crate::engines::{EngineError, Inputs};
use crate::model::{NamespacedName, NodeName, Pod, Uid};
use crate::scheduling::movability::Movers;
use crate::scheduling::{Budgets, EvictionRefusal, Movability, NodeId, PodId, World};
use std::collections::{BTreeMap, BTreeSet};

/// Who chooses among the nodes that take a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Chooser {
    /// The default scores of the kube-scheduler that tell nodes apart by what
    /// is free on them: `LeastAllocated` (CPU and memory alike) and
    /// `BalancedAllocation`, the first by name of equal ones. Soft spreads, soft
    /// affinities, taints that only deter, and local images are not in it.
    Scores,
    /// Any of them, and evictions and placements in any order.
    Random {
        /// Equal seeds choose alike.
        seed: u64,
    },
    /// An adversary: the node with least room, for the smallest pod first,
    /// after all that may be evicted at once is.
    Tightest,
}

/// An eviction that a budget does not allow when it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// Number of the wave.
    pub wave: u32,
    /// Pod.
    pub pod: NamespacedName,
    /// What the budget says.
    pub why: EvictionRefusal,
}

/// What a migration led to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Simulation {
    /// Evicted pods that found no place. The wave that left them ends it.
    pub pending: Vec<NamespacedName>,
    /// Evictions against a budget.
    pub broken: Vec<Broken>,
    /// Nodes that were to be removed and held a pod. The first ends it.
    pub occupied: Vec<NodeName>,
    /// Nodes that were removed, empty.
    pub removed: Vec<NodeName>,
    /// Nodes that stay, because a pod of theirs might have been left out as things
    /// stood when their wave was looked at again.
    pub left_out: BTreeSet<NodeName>,
    /// Where each evicted pod came to stand.
    pub places: BTreeMap<Uid, NodeName>,
}

/// Carries a migration out, wave after wave, with somebody who chooses where
/// each pod goes among the nodes that take it by every hard rule.
///
/// # Errors
/// [`EngineError`] for a migration of a cluster that the inputs do not have.
pub fn simulate(
    config: &Config,
    inputs: &Inputs<'_>,
    migration: &Migration,
    chooser: Chooser,
) -> Result<Simulation, EngineError> {
    let laid = inputs.laid();
    let uid = &migration.cluster;
    let cluster = laid.cluster(uid);
    let cluster = cluster.ok_or_else(|| ground::unknown(format!("cluster {uid}")))?;
    let movers = Movers::new(cluster, inputs.now(), config.moves.clone());
    // The scheduler knows nothing of the operator's limits.
    let world = World::with_infeasible_resize(cluster, &[], config.moves.infeasible_resize);
    let mut run = Run {
        late: unsure(&world, &movers),
        ending: leaving(&world, &movers),
        world,
        movers,
        budgets: Budgets::new(cluster, inputs.now()),
        chooser,
        dice: match chooser {
            Chooser::Random { seed } => seed,
            _ => 0,
        },
        queue: Vec::new(),
        flight: Vec::new(),
        closed: BTreeSet::new(),
        out: Simulation::default(),
    };
    for wave in &migration.waves {
        if !run.wave(wave) {
            break;
        }
    }
    Ok(run.out)
}

struct Run<'a> {
    world: World<'a>,
    movers: Movers<'a>,
    budgets: Budgets<'a>,
    chooser: Chooser,
    dice: u64,
    /// Pods that the scheduler has to place.
    queue: Vec<PodId>,
    /// Evicted pods that are not ready yet.
    flight: Vec<&'a Pod>,
    /// Pods that join the queue some time.
    late: Vec<PodId>,
    /// Pods that end some time.
    ending: Vec<PodId>,
    closed: BTreeSet<NodeId>,
    out: Simulation,
}

impl Run<'_> {
    /// False when it did not come to its end.
    fn wave(&mut self, wave: &Wave) -> bool {
        let (forced, shut) = match &wave.placement {
            Placement::Free | Placement::Checked => (false, wave.closed.as_slice()),
            Placement::Forced { closed, .. } => (true, closed.as_slice()),
        };
        let ids = |run: &Self, names: &[NodeName]| -> Vec<NodeId> {
            names.iter().filter_map(|n| run.world.node_id(n)).collect()
        };
        for launch in &wave.launch {
            let shape = launch.shape.as_deref();
            for (name, shape) in launch.nodes.iter().filter_map(|n| Some((n, shape?))) {
                let node = shape.node(name);
                let _ = self.world.add_node(node, &shape.daemons, shape.ebs_limit);
            }
        }
        let cordon = ids(self, &wave.cordon);
        let shut = ids(self, shut);
        for node in cordon.into_iter().chain(shut.iter().copied()) {
            self.world.cordon_node(node);
            self.closed.insert(node);
        }
        self.arrive();
        self.schedule();
        let stays = |run: &Self, node: &NodeName| run.out.left_out.contains(node);
        let mut evictions: Vec<&Eviction> = wave.evictions.iter().collect();
        evictions.retain(|eviction| !stays(self, eviction.goes()));
        if wave.placement == Placement::Checked && !self.is_safe(&evictions) {
            let nodes = evictions.iter().map(|eviction| eviction.goes());
            self.out.left_out.extend(nodes.cloned());
            evictions.clear();
        }
        let mut evicted = Vec::new();
        for eviction in evictions {
            evicted.extend(self.evict(wave, eviction));
            if forced {
                self.schedule();
                self.flight.clear();
            } else if self.at_once() {
                self.arrive();
                self.schedule();
            }
        }
        self.schedule();
        self.flight.clear();
        for id in evicted {
            let Some(pod) = self.world.pod(id) else {
                continue;
            };
            let place = self.world.place(id).and_then(|node| self.world.node(node));
            match place.map(|n| n.name()) {
                Some(node) => {
                    self.out.places.insert(pod.meta.uid.clone(), node);
                }
                None => self.out.pending.push(named(pod)),
            }
        }
        for node in shut {
            self.world.uncordon_node(node);
            self.closed.remove(&node);
        }
        self.out.pending.is_empty() && self.remove(wave)
    }

    /// Whether every pod of these finds a place, as things stand.
    fn is_safe(&self, evictions: &[&Eviction]) -> bool {
        let leaves = evictions.iter().filter_map(|eviction| {
            let id = self.world.pod_by_uid(&eviction.uid)?;
            let stands = self.world.place(id)?;
            (Some(stands) == self.world.node_id(&eviction.from)).then_some(id)
        });
        let pods: Vec<PodId> = leaves.collect();
        left_out_of(&self.world, &self.movers, &pods).is_none()
    }

    /// Asks for an eviction; gives the pod that then needs a place.
    fn evict(&mut self, wave: &Wave, eviction: &Eviction) -> Option<PodId> {
        let id = self.world.pod_by_uid(&eviction.uid)?;
        let from = self.world.node_id(&eviction.from);
        // It ended by itself before, and came again.
        if from.is_none() || self.world.place(id) != from {
            return Some(id);
        }
        let pod = self.world.pod(id)?;
        let mut budgets = self.budgets.clone();
        let flight = self.flight.iter();
        // Those were asked for already, and are told of if they broke one.
        flight.for_each(|other| drop(budgets.take(other)));
        if let Err(why) = budgets.can_evict(pod) {
            self.out.broken.push(Broken {
                wave: wave.number,
                pod: named(pod),
                why,
            });
        }
        self.flight.push(pod);
        self.late.retain(|late| *late != id);
        self.world.remove_pod(id);
        self.queue.push(id);
        Some(id)
    }

    fn remove(&mut self, wave: &Wave) -> bool {
        for name in &wave.removed {
            if self.out.left_out.contains(name) {
                continue;
            }
            let Some(node) = self.world.node_id(name) else {
                continue;
            };
            let needed = |pod: &PodId| {
                self.world.pod(*pod).is_some_and(|p| {
                    matches!(
                        self.movers.judge(p),
                        Movability::Moves | Movability::NeverMoves { .. }
                    )
                })
            };
            if self.world.pods_on(node).iter().any(needed) {
                self.out.occupied.push(name.clone());
                return false;
            }
            self.world.remove_node(node);
            self.out.removed.push(name.clone());
        }
        true
    }

    /// Lets pods come that were waiting, and end that were on their way out,
    /// all or some; with an adversary those hold their room to the last.
    fn arrive(&mut self) {
        for id in std::mem::take(&mut self.ending) {
            let stays = match self.chooser {
                Chooser::Scores => false,
                Chooser::Random { .. } => self.throw(4) != 0,
                Chooser::Tightest => true,
            };
            if stays {
                self.ending.push(id);
            } else {
                self.world.remove_pod(id);
            }
        }
        for id in std::mem::take(&mut self.late) {
            if matches!(self.chooser, Chooser::Random { .. }) && self.throw(4) != 0 {
                self.late.push(id);
            } else {
                self.world.remove_pod(id);
                self.queue.push(id);
            }
        }
    }

    /// Whether pods are placed before the next is evicted.
    fn at_once(&mut self) -> bool {
        match self.chooser {
            Chooser::Scores => true,
            Chooser::Random { .. } => self.throw(2) == 0,
            Chooser::Tightest => false,
        }
    }

    /// Places what can be placed, until nothing more can.
    fn schedule(&mut self) {
        loop {
            let mut queue = std::mem::take(&mut self.queue);
            match self.chooser {
                Chooser::Scores => {}
                Chooser::Random { .. } => queue.sort_by_cached_key(|_| self.throw(u64::MAX)),
                Chooser::Tightest => queue.sort_by_key(|id| {
                    let request = self.world.request(*id);
                    request.map(|r| (r.memory.0 >> 20) + r.cpu.0 * 4)
                }),
            }
            let before = queue.len();
            for id in queue {
                match self.choose(id) {
                    Some(node) => {
                        self.world.place_pod(id, node);
                    }
                    None => self.queue.push(id),
                }
            }
            if self.queue.len() == before {
                return;
            }
        }
    }

    fn choose(&mut self, pod: PodId) -> Option<NodeId> {
        // A cordon is a taint, and some tolerate it.
        let opened: Vec<NodeId> = if self.world.heeds_cordon(pod) {
            Vec::new()
        } else {
            self.closed.iter().copied().collect()
        };
        opened.iter().for_each(|node| self.world.open_node(*node));
        let fitting: Vec<NodeId> = self
            .world
            .nodes()
            .filter(|n| self.world.fits(pod, *n))
            .collect();
        opened.iter().for_each(|node| self.world.close_node(*node));
        match self.chooser {
            Chooser::Scores => {
                let score = |node: &NodeId| score(&self.world, pod, *node);
                let best = fitting.iter().map(score).max()?;
                fitting.iter().find(|node| score(node) == best).copied()
            }
            Chooser::Random { .. } => {
                let count = u64::try_from(fitting.len()).ok().filter(|n| *n > 0)?;
                let index = usize::try_from(self.throw(count)).ok()?;
                fitting.get(index).copied()
            }
            Chooser::Tightest => {
                let free = |node: &NodeId| {
                    let free = self.world.free(*node);
                    (free.memory.0 >> 20) + free.cpu.0 * 4
                };
                fitting.into_iter().min_by_key(free)
            }
        }
    }

    /// A number below `sides` (SplitMix64).
    fn throw(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides.max(1)
    }
}

/// `LeastAllocated` and `BalancedAllocation` together, in thousandths.
fn score(world: &World<'_>, pod: PodId, node: NodeId) -> u64 {
    /// What the scorer takes for a pod that asks for nothing.
    const LEAST_CPU: u64 = 100;
    const LEAST_MEMORY: u64 = 200 << 20;
    let (Some(request), Some(entry)) = (world.request(pod), world.node(node)) else {
        return 0;
    };
    let used = world.used(node);
    let permille = |used: u64, of: u64| {
        let exact = u128::from(used) * 1_000 / u128::from(of.max(1));
        u64::try_from(exact.min(1_000)).unwrap_or(1_000)
    };
    let or = |asked: u64, least: u64| if asked == 0 { least } else { asked };
    let cpu = used.cpu.0.saturating_add(or(request.cpu.0, LEAST_CPU));
    let memory = used
        .memory
        .0
        .saturating_add(or(request.memory.0, LEAST_MEMORY));
    let cpu = permille(cpu, entry.allocatable.cpu.0);
    let memory = permille(memory, entry.allocatable.memory.0);
    let least_allocated = (2_000 - cpu - memory) / 2;
    // Of two shares the standard deviation is half the difference.
    let balanced = 1_000 - cpu.abs_diff(memory) / 2;
    least_allocated + balanced
}
