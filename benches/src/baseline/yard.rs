//! Clusters in which the baselines of consolidation move pods about: a made-up
//! fleet in numbers, and a real cluster by the scheduler's rules.

use crate::load::TypeRow;
use crate::placement::{Board, Violation};
use crate::scene::{Scene, room};
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::Launchable;
use cloudoptim_core::engines::bin_packing::solver::{Fleet, NewNode, Place, Point, Relocation};
use cloudoptim_core::model::{Cluster, HOSTNAME_LABEL, MicroUsdPerHour, Resources};
use cloudoptim_core::scheduling::movability::{
    LocalData, MovePolicy, Movers, eviction_cost_milli, node_protections,
};
use cloudoptim_core::scheduling::{Budgets, Movability, NodeId, PodId, World};
use std::collections::{BTreeMap, BTreeSet};

/// A node that could be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Instance type.
    pub name: String,
    /// Price per hour.
    pub price: i64,
}

/// A step on the way, so that a judge can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A node of a kind was bought.
    Bought {
        /// The node.
        node: usize,
        /// Its kind.
        kind: usize,
    },
    /// A node takes no more pods.
    Closed(usize),
    /// A pod was evicted.
    Lifted(usize),
    /// A pod came to a node.
    Arrived {
        /// The pod.
        pod: usize,
        /// The node.
        node: usize,
    },
    /// A node went.
    Removed(usize),
}

/// A cluster whose pods can be moved, nodes removed and bought. Nodes and pods
/// are numbers.
pub trait Yard {
    /// Nodes that are there.
    fn nodes(&self) -> Vec<usize>;
    /// What a node costs; `None` = not known.
    fn price(&self, node: usize) -> Option<i64>;
    /// Its instance type.
    fn type_of(&self, node: usize) -> &str;
    /// Whether it may go once what has to move is gone.
    fn removable(&self, node: usize) -> bool;
    /// Pods that have to be placed anew when it goes.
    fn movers(&self, node: usize) -> Vec<usize>;
    /// CPU and memory that a pod asks for.
    fn size(&self, pod: usize) -> (u64, u64);
    /// What the eviction of a pod counts for, 1 for an ordinary one.
    fn eviction_cost(&self, pod: usize) -> f64;
    /// The parts of CPU, memory and pods that are asked for, DaemonSets' too.
    fn utilisation(&self, node: usize) -> [f64; 3];
    /// The same if a pod came.
    fn utilisation_with(&self, node: usize, pod: usize) -> [f64; 3];
    /// Whether a pod that stands nowhere may go to a node.
    fn fits(&self, pod: usize, node: usize) -> bool;
    /// What can be bought.
    fn kinds(&self) -> &[Kind];
    /// Whether an empty node of a kind has room for pods, by their sizes.
    fn could_hold(&self, kind: usize, pods: &[usize]) -> bool;
    /// Buys a node.
    fn buy(&mut self, kind: usize) -> Option<usize>;
    /// Takes no more pods to a node.
    fn close(&mut self, node: usize);
    /// Takes them again.
    fn open(&mut self, node: usize);
    /// Takes a pod from its node.
    fn lift(&mut self, pod: usize);
    /// Puts a pod on a node.
    fn place(&mut self, pod: usize, node: usize);
    /// Takes an empty node away.
    fn remove(&mut self, node: usize);
    /// Gives the empty node back that was bought last.
    fn give_back(&mut self, node: usize);
    /// Steps so far.
    fn steps(&self) -> &[Step];
    /// Forgets all steps but the first so many, which were undone by hand.
    fn forget(&mut self, keep: usize);
    /// What the way and the end break, by the naive judge.
    fn violations(&self) -> usize;

    /// What the priced nodes cost.
    fn cost(&self) -> i64 {
        self.nodes().into_iter().filter_map(|n| self.price(n)).sum()
    }

    /// Evictions so far: a pod that moved twice counts twice.
    fn evictions(&self) -> u64 {
        let steps = self.steps().iter();
        steps.filter(|s| matches!(s, Step::Lifted(_))).count() as u64
    }
}

/// A made-up cluster.
#[derive(Debug, Clone)]
pub struct SceneYard<'a> {
    scene: &'a Scene,
    fleet: &'a Fleet,
    /// What can be bought: type and zone.
    offers: Vec<(usize, usize)>,
    kinds: Vec<Kind>,
    nodes: Vec<SceneNode>,
    /// Where each pod stands.
    place: Vec<Option<usize>>,
    /// Pods of each spread workload by zone.
    zones: BTreeMap<usize, [i64; 3]>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct SceneNode {
    name: String,
    price: i64,
    has: [u64; 3],
    used: [u64; 3],
    /// Everything, with what DaemonSets take.
    whole: [u64; 3],
    zone: usize,
    pods: BTreeSet<usize>,
    closed: bool,
    gone: bool,
    /// Index in the fleet's types, for one that was bought.
    bought: Option<usize>,
}

impl<'a> SceneYard<'a> {
    /// The scene as it is. `fleet` is what the scene gave for `buy`.
    #[must_use]
    pub fn new(scene: &'a Scene, fleet: &'a Fleet, buy: &[TypeRow]) -> Self {
        let node = |t: &TypeRow, zone: usize, bought: Option<usize>| SceneNode {
            name: t.name.clone(),
            price: t.price.0,
            has: room(t),
            used: [0; 3],
            whole: [t.cpu_milli, t.memory_mib, t.pods],
            zone,
            pods: BTreeSet::new(),
            closed: false,
            gone: false,
            bought,
        };
        let nodes = scene.nodes.iter();
        let mut yard = Self {
            scene,
            fleet,
            offers: (0..buy.len())
                .flat_map(|t| (0..3).map(move |z| (t, z)))
                .collect(),
            kinds: Vec::new(),
            nodes: nodes
                .map(|(t, zone)| node(&scene.types[*t], *zone, None))
                .collect(),
            place: vec![None; scene.pods.len()],
            zones: BTreeMap::new(),
            steps: Vec::new(),
        };
        yard.offers
            .sort_by_key(|(t, z)| (buy[*t].price, buy[*t].name.clone(), *z));
        let kinds = yard.offers.iter().map(|(t, _)| Kind {
            name: buy[*t].name.clone(),
            price: buy[*t].price.0,
        });
        yard.kinds = kinds.collect();
        for (pod, of) in scene.pods.iter().enumerate() {
            yard.put(pod, of.node);
        }
        yard
    }

    fn demand(&self, pod: usize) -> [u64; 3] {
        let pod = &self.scene.pods[pod];
        [pod.cpu_milli, pod.memory_mib, 1]
    }

    fn put(&mut self, pod: usize, node: usize) {
        let demand = self.demand(pod);
        let to = &mut self.nodes[node];
        for (used, d) in to.used.iter_mut().zip(demand) {
            *used += d;
        }
        to.pods.insert(pod);
        self.place[pod] = Some(node);
        let of = &self.scene.pods[pod];
        if of.spread {
            self.zones.entry(of.workload).or_default()[to.zone] += 1;
        }
    }

    /// Where everything stands now, as an answer of the solver would say it.
    #[must_use]
    pub fn point(&self) -> Point {
        let classes = self.scene.classes();
        let before = self.scene.nodes.len();
        let mut bought = BTreeMap::new();
        let mut new = Vec::new();
        for (n, node) in self.nodes.iter().enumerate().filter(|(_, n)| !n.gone) {
            if let Some(node_type) = node.bought {
                bought.insert(n, new.len());
                new.push(NewNode {
                    node_type,
                    offering: node.zone,
                    zone: Some(node.zone),
                    price: MicroUsdPerHour(node.price),
                    items: Vec::new(),
                });
            }
        }
        let mut moves: BTreeMap<(usize, usize, Place), u32> = BTreeMap::new();
        for (pod, of) in self.scene.pods.iter().enumerate() {
            let to = match self.place[pod] {
                Some(node) if node == of.node => continue,
                Some(node) => bought
                    .get(&node)
                    .map_or(Place::Node(node), |b| Place::Bought(*b)),
                // Nowhere: the judge finds it on a node that is gone.
                None => Place::Node(of.node),
            };
            *moves
                .entry((classes[&of.class()], of.node, to))
                .or_default() += 1;
        }
        let moves: Vec<Relocation> = moves
            .into_iter()
            .map(|((class, from, to), count)| Relocation {
                class,
                count,
                from,
                to,
            })
            .collect();
        Point {
            cost: MicroUsdPerHour(self.cost()),
            moved: moves.iter().map(|m| u64::from(m.count)).sum(),
            removed: (0..before).filter(|n| self.nodes[*n].gone).collect(),
            bought: new,
            moves,
            ..Point::default()
        }
    }
}

fn parts(used: [u64; 3], has: [u64; 3], whole: [u64; 3]) -> [f64; 3] {
    let mut parts = [0.0; 3];
    for r in 0..3 {
        let daemons = whole[r] - has[r].min(whole[r]);
        parts[r] = (used[r] + daemons) as f64 / (whole[r].max(1)) as f64;
    }
    parts
}

impl Yard for SceneYard<'_> {
    fn nodes(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|n| !self.nodes[*n].gone)
            .collect()
    }

    fn price(&self, node: usize) -> Option<i64> {
        Some(self.nodes[node].price)
    }

    fn type_of(&self, node: usize) -> &str {
        &self.nodes[node].name
    }

    fn removable(&self, _: usize) -> bool {
        true
    }

    fn movers(&self, node: usize) -> Vec<usize> {
        self.nodes[node].pods.iter().copied().collect()
    }

    fn size(&self, pod: usize) -> (u64, u64) {
        let [cpu, memory, _] = self.demand(pod);
        (cpu, memory)
    }

    fn eviction_cost(&self, _: usize) -> f64 {
        1.0
    }

    fn utilisation(&self, node: usize) -> [f64; 3] {
        let of = &self.nodes[node];
        parts(of.used, of.has, of.whole)
    }

    fn utilisation_with(&self, node: usize, pod: usize) -> [f64; 3] {
        let of = &self.nodes[node];
        let mut used = of.used;
        for (used, d) in used.iter_mut().zip(self.demand(pod)) {
            *used += d;
        }
        parts(used, of.has, of.whole)
    }

    fn fits(&self, pod: usize, node: usize) -> bool {
        let to = &self.nodes[node];
        let demand = self.demand(pod);
        let room = (0..3).all(|r| to.used[r] + demand[r] <= to.has[r]);
        let of = &self.scene.pods[pod];
        if to.closed || to.gone || !room {
            return false;
        }
        if !of.spread {
            return true;
        }
        let counts = self.zones.get(&of.workload).copied().unwrap_or_default();
        counts[to.zone] + 1 - counts.into_iter().min().unwrap_or(0) <= 1
    }

    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn could_hold(&self, kind: usize, pods: &[usize]) -> bool {
        let capacity = &self.fleet.problem.types[self.offers[kind].0].capacity;
        (0..3).all(|r| pods.iter().map(|p| self.demand(*p)[r]).sum::<u64>() <= capacity[r])
    }

    fn buy(&mut self, kind: usize) -> Option<usize> {
        let (t, zone) = self.offers[kind];
        let capacity = &self.fleet.problem.types[t].capacity;
        let has = [capacity[0], capacity[1], capacity[2]];
        let daemons = crate::scene::DAEMONS;
        let node = self.nodes.len();
        self.nodes.push(SceneNode {
            name: self.kinds[kind].name.clone(),
            price: self.kinds[kind].price,
            has,
            used: [0; 3],
            whole: [has[0] + daemons.0, has[1] + daemons.1, has[2] + daemons.2],
            zone,
            pods: BTreeSet::new(),
            closed: false,
            gone: false,
            bought: Some(t),
        });
        self.steps.push(Step::Bought { node, kind });
        Some(node)
    }

    fn close(&mut self, node: usize) {
        self.nodes[node].closed = true;
        self.steps.push(Step::Closed(node));
    }

    fn open(&mut self, node: usize) {
        self.nodes[node].closed = false;
    }

    fn lift(&mut self, pod: usize) {
        let Some(node) = self.place[pod].take() else {
            return;
        };
        let demand = self.demand(pod);
        let from = &mut self.nodes[node];
        for (used, d) in from.used.iter_mut().zip(demand) {
            *used -= d;
        }
        from.pods.remove(&pod);
        let of = &self.scene.pods[pod];
        if of.spread {
            self.zones.entry(of.workload).or_default()[from.zone] -= 1;
        }
        self.steps.push(Step::Lifted(pod));
    }

    fn place(&mut self, pod: usize, node: usize) {
        self.put(pod, node);
        self.steps.push(Step::Arrived { pod, node });
    }

    fn remove(&mut self, node: usize) {
        self.nodes[node].gone = true;
        self.steps.push(Step::Removed(node));
    }

    fn give_back(&mut self, node: usize) {
        self.nodes.truncate(node);
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn forget(&mut self, keep: usize) {
        self.steps.truncate(keep);
    }

    fn violations(&self) -> usize {
        let lost = self.place.iter().filter(|p| p.is_none()).count();
        self.scene.faults(self.fleet, &self.point()) + lost
    }
}

/// A real cluster: the core's scheduling rules say what fits, the naive board
/// judges afterwards.
#[derive(Debug, Clone)]
pub struct ClusterYard<'a> {
    cluster: &'a Cluster,
    before: &'a BTreeSet<Violation>,
    launchables: &'a [Launchable],
    world: World<'a>,
    /// What can be bought: launchable and zone.
    offers: Vec<(usize, String)>,
    kinds: Vec<Kind>,
    nodes: Vec<Held>,
    pods: Vec<PodId>,
    number: BTreeMap<PodId, usize>,
    movable: BTreeSet<PodId>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Held {
    id: NodeId,
    name: String,
    kind: String,
    price: Option<i64>,
    removable: bool,
    open: bool,
}

/// Whose marks and habits decide which pods may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Karpenter: scratch directories are lost.
    Karpenter,
    /// The cluster autoscaler: nodes with scratch directories, or with pods of
    /// `kube-system` without a budget, stay.
    Autoscaler,
}

impl<'a> ClusterYard<'a> {
    /// The cluster as it is. `before` is what is broken now.
    #[must_use]
    pub fn new(
        inputs: &Inputs<'_>,
        cluster: &'a Cluster,
        launchables: &'a [Launchable],
        before: &'a BTreeSet<Violation>,
        habit: Habit,
    ) -> Self {
        let world = World::new(cluster, &inputs.overlay.count_limits);
        let now = inputs.now();
        let mut policy = MovePolicy::default();
        if habit == Habit::Autoscaler {
            policy.empty_dir = LocalData::Keeps;
        }
        let movers = Movers::new(cluster, now, policy);
        let budgets = Budgets::new(cluster, now);
        let mut movable = BTreeSet::new();
        let mut nodes = Vec::new();
        for id in world.nodes() {
            let Some(node) = world.node(id) else { continue };
            let price = inputs.node_price(cluster, node);
            let open = world.not_target(id).is_empty();
            let mut removable = open && price.is_some() && node_protections(node, now).is_empty();
            for pod_id in world.pods_on(id) {
                let Some(pod) = world.pod(pod_id) else {
                    continue;
                };
                let system = habit == Habit::Autoscaler
                    && pod.meta.namespace == "kube-system"
                    && budgets.budget_of(pod).is_none();
                match movers.judge(pod) {
                    Movability::Moves if budgets.can_evict(pod).is_ok() && !system => {
                        movable.insert(pod_id);
                    }
                    Movability::Leaving { placed_again: true } => {
                        movable.insert(pod_id);
                    }
                    Movability::Moves | Movability::NeverMoves { .. } => removable = false,
                    _ => {}
                }
            }
            nodes.push(Held {
                id,
                name: node.meta.name.clone(),
                kind: node.instance_type().unwrap_or_default().to_owned(),
                price: price.map(|p| p.0),
                removable,
                open,
            });
        }
        let pods: Vec<PodId> = world.pods().collect();
        let mut offers: Vec<(i64, usize, String)> = Vec::new();
        for (k, launchable) in launchables.iter().enumerate() {
            for (zone, (_, price)) in &launchable.zones {
                offers.push((price.0, k, zone.clone()));
            }
        }
        offers.sort();
        Self {
            cluster,
            before,
            launchables,
            kinds: offers
                .iter()
                .map(|(price, k, _)| Kind {
                    name: launchables[*k].id.clone(),
                    price: *price,
                })
                .collect(),
            offers: offers.into_iter().map(|(_, k, zone)| (k, zone)).collect(),
            nodes,
            number: pods.iter().enumerate().map(|(i, p)| (*p, i)).collect(),
            pods,
            movable,
            world,
            steps: Vec::new(),
        }
    }

    fn shares(&self, node: usize, more: Option<&Resources>) -> [f64; 3] {
        let id = self.nodes[node].id;
        let mut used = self.world.used(id);
        if let Some(more) = more {
            used.add(more);
        }
        let Some(of) = self.world.node(id) else {
            return [1.0; 3];
        };
        let has = &of.allocatable;
        let share = |used: u64, has: u64| used as f64 / has.max(1) as f64;
        [
            share(used.cpu.0, has.cpu.0),
            share(used.memory.0, has.memory.0),
            share(used.pods, has.pods),
        ]
    }
}

impl Yard for ClusterYard<'_> {
    fn nodes(&self) -> Vec<usize> {
        let there: BTreeSet<NodeId> = self.world.nodes().collect();
        (0..self.nodes.len())
            .filter(|n| there.contains(&self.nodes[*n].id))
            .collect()
    }

    fn price(&self, node: usize) -> Option<i64> {
        self.nodes[node].price
    }

    fn type_of(&self, node: usize) -> &str {
        &self.nodes[node].kind
    }

    fn removable(&self, node: usize) -> bool {
        self.nodes[node].removable
    }

    fn movers(&self, node: usize) -> Vec<usize> {
        let pods = self.world.pods_on(self.nodes[node].id);
        let movers = pods.iter().filter(|p| self.movable.contains(p));
        movers.filter_map(|p| self.number.get(p).copied()).collect()
    }

    fn size(&self, pod: usize) -> (u64, u64) {
        let request = self.world.request(self.pods[pod]);
        request.map_or((0, 0), |r| (r.cpu.0, r.memory.0))
    }

    fn eviction_cost(&self, pod: usize) -> f64 {
        let of = self.world.pod(self.pods[pod]);
        of.map_or(1.0, |p| eviction_cost_milli(p) as f64 / 1_000.0)
    }

    fn utilisation(&self, node: usize) -> [f64; 3] {
        self.shares(node, None)
    }

    fn utilisation_with(&self, node: usize, pod: usize) -> [f64; 3] {
        self.shares(node, self.world.request(self.pods[pod]))
    }

    fn fits(&self, pod: usize, node: usize) -> bool {
        let held = &self.nodes[node];
        held.open && self.world.fits(self.pods[pod], held.id)
    }

    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn could_hold(&self, kind: usize, pods: &[usize]) -> bool {
        let (k, zone) = &self.offers[kind];
        let launchable = &self.launchables[*k];
        let Some((node, _)) = launchable.zones.get(zone) else {
            return false;
        };
        let mut free = node.allocatable.clone();
        free.subtract(&launchable.daemons);
        let requests = || {
            pods.iter()
                .filter_map(|p| self.world.request(self.pods[*p]))
        };
        requests().map(|r| r.cpu.0).sum::<u64>() <= free.cpu.0
            && requests().map(|r| r.memory.0).sum::<u64>() <= free.memory.0
            && requests().map(|r| r.pods).sum::<u64>() <= free.pods
    }

    fn buy(&mut self, kind: usize) -> Option<usize> {
        let (k, zone) = self.offers.get(kind)?;
        let launchable = self.launchables.get(*k)?;
        let (node, price) = launchable.zones.get(zone)?;
        let number = self.nodes.len();
        let name = format!("baseline-{number:05}-{}", self.steps.len());
        let mut node = node.clone();
        node.meta.name.clone_from(&name);
        node.meta
            .labels
            .insert(HOSTNAME_LABEL.to_owned(), name.clone());
        let id = self
            .world
            .add_node(node, &launchable.daemons, launchable.ebs_limit)?;
        self.nodes.push(Held {
            id,
            name,
            kind: launchable.id.clone(),
            price: Some(price.0),
            removable: true,
            open: true,
        });
        self.steps.push(Step::Bought { node: number, kind });
        Some(number)
    }

    fn close(&mut self, node: usize) {
        self.world.close_node(self.nodes[node].id);
        self.steps.push(Step::Closed(node));
    }

    fn open(&mut self, node: usize) {
        self.world.open_node(self.nodes[node].id);
    }

    fn lift(&mut self, pod: usize) {
        self.world.remove_pod(self.pods[pod]);
        self.steps.push(Step::Lifted(pod));
    }

    fn place(&mut self, pod: usize, node: usize) {
        self.world.place_pod(self.pods[pod], self.nodes[node].id);
        self.steps.push(Step::Arrived { pod, node });
    }

    fn remove(&mut self, node: usize) {
        self.world.remove_node(self.nodes[node].id);
        self.steps.push(Step::Removed(node));
    }

    fn give_back(&mut self, node: usize) {
        self.world.remove_node(self.nodes[node].id);
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn forget(&mut self, keep: usize) {
        self.steps.truncate(keep);
    }

    fn violations(&self) -> usize {
        let mut board = Board::new(self.cluster);
        let mut way = 0;
        let uid = |pod: usize| {
            let of = self.world.pod(self.pods[pod]);
            of.map_or("", |p| p.meta.uid.as_str())
        };
        for step in &self.steps {
            match *step {
                Step::Bought { node, kind } => {
                    let (k, zone) = &self.offers[kind];
                    let launchable = &self.launchables[*k];
                    let Some((of, _)) = launchable.zones.get(zone) else {
                        way += 1;
                        continue;
                    };
                    let mut of = of.clone();
                    let name = self.nodes[node].name.clone();
                    of.meta
                        .labels
                        .insert(HOSTNAME_LABEL.to_owned(), name.clone());
                    of.meta.name = name;
                    let d = &launchable.daemons;
                    board.launch(of, [d.cpu.0, d.memory.0, d.pods]);
                }
                Step::Closed(node) => board.cordon(&self.nodes[node].name),
                Step::Lifted(pod) => board.lift(uid(pod)),
                Step::Arrived { pod, node } => {
                    way += board.arrive(uid(pod), &self.nodes[node].name).len();
                }
                Step::Removed(node) => way += board.remove(&self.nodes[node].name).len(),
            }
        }
        way + board.robust().difference(self.before).count()
    }
}
