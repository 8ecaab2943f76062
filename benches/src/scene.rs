//! Made-up clusters with too many nodes, of any size.
//!
//! A cluster is filled as the kube-scheduler does it (least allocated first),
//! then a part of its pods ends: what a night, a rollback or a finished batch
//! leaves behind. Nothing in it is of a real cluster. Same arguments, same
//! cluster.

use crate::load::TypeRow;
use crate::sample::Random;
use cloudoptim_core::engines::bin_packing::solver::{
    Class, ExistingNode, Fleet, Holding, NodeType, Offering, Place, Point, Problem, Rule,
    ZoneSpread,
};
use std::collections::BTreeMap;

/// What a scene is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Nodes when full.
    pub nodes: usize,
    /// Their types, in turn.
    pub types: Vec<TypeRow>,
    /// Sizes of the pods.
    pub sizes: Sizes,
    /// The part of the pods that stays, 0 to 1.
    pub keep: f64,
    /// Pods of a workload, when full.
    pub replicas: usize,
    /// Every how many-th workload is spread over the zones (skew 1); 0 = none.
    pub spread_every: usize,
    /// Seed.
    pub seed: u64,
}

/// What pods ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// The thirty pairs of Karpenter's scheduling benchmark: 100 to 1,500 m of
    /// CPU, 100 MiB to 4 GiB of memory.
    Mix,
    /// A size of its own for each workload: 50 to 4,000 m in steps of 10 m,
    /// 1 to 8 GiB a core in steps of 16 MiB, small ones the common ones.
    Rightsized,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// What its nodes are of.
    pub types: Vec<TypeRow>,
    /// Type of each node (index into `types`) and zone (0 to 2).
    pub nodes: Vec<(usize, usize)>,
    /// What stands.
    pub pods: Vec<Pod>,
}

/// A pod of a scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Number of its workload.
    pub workload: usize,
    /// CPU in millicores.
    pub cpu_milli: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Number of its node.
    pub node: usize,
    /// Whether its workload is spread over the zones.
    pub spread: bool,
}

const CPU_MILLI: [u64; 5] = [100, 250, 500, 1_000, 1_500];
const MEMORY_MIB: [u64; 6] = [100, 256, 512, 1_024, 2_048, 4_096];

impl Sizes {
    /// CPU in millicores and memory in MiB.
    pub(crate) fn draw(self, random: &mut Random) -> (u64, u64) {
        match self {
            Self::Mix => (
                CPU_MILLI[random.below(CPU_MILLI.len())],
                MEMORY_MIB[random.below(MEMORY_MIB.len())],
            ),
            Self::Rightsized => {
                let unit = |random: &mut Random| random.below(1 << 20) as f64 / f64::from(1 << 20);
                let cpu = 50.0 * 80.0_f64.powf(unit(random) * unit(random).sqrt());
                let mib = cpu / 1_000.0 * 1_024.0 * 8.0_f64.powf(unit(random));
                ((cpu / 10.0) as u64 * 10, ((mib / 16.0) as u64 + 1) * 16)
            }
        }
    }
}

/// What DaemonSets take of every node: CPU, memory, pods.
pub(crate) const DAEMONS: (u64, u64, u64) = (200, 320, 4);

impl Plan {
    /// Fills the nodes until a pod fits none of them, then lets pods end.
    #[must_use]
    pub fn scene(&self) -> Scene {
        let mut random = Random::new(self.seed);
        let nodes: Vec<(usize, usize)> = (0..self.nodes)
            .map(|n| (n % self.types.len().max(1), n % 3))
            .collect();
        let mut free: Vec<(u64, u64, u64)> = nodes
            .iter()
            .map(|(t, _)| {
                let t = &self.types[*t];
                (
                    t.cpu_milli.saturating_sub(DAEMONS.0),
                    t.memory_mib.saturating_sub(DAEMONS.1),
                    t.pods.saturating_sub(DAEMONS.2),
                )
            })
            .collect();
        let mut pods: Vec<Pod> = Vec::new();
        let mut workload = 0;
        'fill: loop {
            let (cpu_milli, memory_mib) = self.sizes.draw(&mut random);
            let spread = self.spread_every > 0 && workload % self.spread_every == 0;
            let mut in_zone = [0usize; 3];
            for _ in 0..self.replicas.max(1) {
                let least = in_zone.iter().min().copied().unwrap_or(0);
                let best = (0..nodes.len())
                    .filter(|n| !spread || in_zone[nodes[*n].1] == least)
                    .filter(|n| {
                        free[*n].0 >= cpu_milli && free[*n].1 >= memory_mib && free[*n].2 > 0
                    })
                    .map(|n| {
                        // The kube-scheduler's score: the mean free part after.
                        let t = &self.types[nodes[n].0];
                        let cpu = (free[n].0 - cpu_milli) as f64 / t.cpu_milli as f64;
                        let memory = (free[n].1 - memory_mib) as f64 / t.memory_mib as f64;
                        (cpu + memory, n)
                    })
                    .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
                let Some((_, node)) = best else { break 'fill };
                free[node].0 -= cpu_milli;
                free[node].1 -= memory_mib;
                free[node].2 -= 1;
                in_zone[nodes[node].1] += 1;
                pods.push(Pod {
                    workload,
                    cpu_milli,
                    memory_mib,
                    node,
                    spread,
                });
            }
            workload += 1;
        }
        // Which pods stay: a shuffle's first part, so that the number is exact.
        let kept = (pods.len() as f64 * self.keep.clamp(0.0, 1.0)) as usize;
        let mut order: Vec<usize> = (0..pods.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i + 1));
        }
        order.truncate(kept);
        order.sort_unstable();
        Scene {
            types: self.types.clone(),
            nodes,
            pods: order.iter().map(|i| pods[*i].clone()).collect(),
        }
    }
}

/// Nodes as an autoscaler buys them that takes the pods largest first, lets a
/// claim grow as long as some type holds it, and picks the cheapest in the end;
/// then all workloads are scaled down to a part.
///
/// Workloads and zones are as in [`Plan`]; the fill order is CPU, then memory,
/// descending, and a pod goes to the claim with the fewest pods that takes it.
#[must_use]
pub fn scaled_down(
    types: &[TypeRow],
    workloads: usize,
    replicas: usize,
    keep: f64,
    spread_every: usize,
    seed: u64,
) -> Scene {
    struct Claim {
        used: (u64, u64, u64),
        zone: usize,
        pods: Vec<usize>,
    }
    let mut random = Random::new(seed);
    let mut pods: Vec<Pod> = Vec::new();
    for workload in 0..workloads {
        let (cpu_milli, memory_mib) = Sizes::Mix.draw(&mut random);
        let spread = spread_every > 0 && workload % spread_every == 0;
        for _ in 0..replicas {
            pods.push(Pod {
                workload,
                cpu_milli,
                memory_mib,
                node: 0,
                spread,
            });
        }
    }
    pods.sort_by_key(|p| {
        let size = (p.cpu_milli, p.memory_mib);
        (std::cmp::Reverse(size), p.workload)
    });
    let holds = |t: &TypeRow, used: (u64, u64, u64)| {
        t.cpu_milli >= used.0 + DAEMONS.0
            && t.memory_mib >= used.1 + DAEMONS.1
            && t.pods >= used.2 + DAEMONS.2
    };
    let mut claims: Vec<Claim> = Vec::new();
    let mut in_zone: BTreeMap<usize, [usize; 3]> = BTreeMap::new();
    for (i, pod) in pods.iter().enumerate() {
        let zones = in_zone.entry(pod.workload).or_default();
        let least = zones.iter().min().copied().unwrap_or(0);
        let may = |zone: usize| !pod.spread || zones[zone] == least;
        let after = |c: &Claim| {
            let (cpu, memory, count) = c.used;
            (cpu + pod.cpu_milli, memory + pod.memory_mib, count + 1)
        };
        let found = (0..claims.len())
            .filter(|c| may(claims[*c].zone))
            .filter(|c| types.iter().any(|t| holds(t, after(&claims[*c]))))
            .min_by_key(|c| (claims[*c].pods.len(), *c));
        let at = found.unwrap_or_else(|| {
            let zone = (0..3).find(|z| may(*z)).unwrap_or(0);
            // Claims without a rule about zones take turns.
            let zone = if pod.spread { zone } else { claims.len() % 3 };
            claims.push(Claim {
                used: (0, 0, 0),
                zone,
                pods: Vec::new(),
            });
            claims.len() - 1
        });
        claims[at].used = after(&claims[at]);
        claims[at].pods.push(i);
        zones[claims[at].zone] += 1;
    }
    let mut nodes = Vec::new();
    for claim in &claims {
        let cheapest = (0..types.len())
            .filter(|t| holds(&types[*t], claim.used))
            .min_by_key(|t| (types[*t].price, types[*t].name.clone()));
        for pod in &claim.pods {
            pods[*pod].node = nodes.len();
        }
        nodes.push((cheapest.unwrap_or(0), claim.zone));
    }
    // Every workload keeps its part; which pods is chance.
    let mut order: Vec<usize> = (0..pods.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, random.below(i + 1));
    }
    let most = (replicas as f64 * keep.clamp(0.0, 1.0)).round() as usize;
    let mut left: BTreeMap<usize, usize> = BTreeMap::new();
    let mut kept: Vec<Pod> = order
        .into_iter()
        .filter(|i| {
            let n = left.entry(pods[*i].workload).or_default();
            *n += 1;
            *n <= most
        })
        .map(|i| pods[i].clone())
        .collect();
    kept.sort_by_key(|p| (p.node, p.workload));
    Scene {
        types: types.to_vec(),
        nodes,
        pods: kept,
    }
}

/// What tells classes apart: CPU, memory and the workload that is spread.
pub(crate) type ClassKey = (u64, u64, Option<usize>);

impl Pod {
    /// The class of its equals.
    pub(crate) fn class(&self) -> ClassKey {
        let own = self.spread.then_some(self.workload);
        (self.cpu_milli, self.memory_mib, own)
    }
}

/// What a node of a type has for pods that are no DaemonSet's: CPU, memory,
/// pods.
pub(crate) fn room(t: &TypeRow) -> [u64; 3] {
    [
        t.cpu_milli.saturating_sub(DAEMONS.0),
        t.memory_mib.saturating_sub(DAEMONS.1),
        t.pods.saturating_sub(DAEMONS.2),
    ]
}

impl Scene {
    /// The classes of [`Scene::fleet`], by index.
    pub(crate) fn classes(&self) -> BTreeMap<ClassKey, usize> {
        let mut classes: BTreeMap<ClassKey, usize> =
            self.pods.iter().map(|pod| (pod.class(), 0)).collect();
        for (i, index) in classes.values_mut().enumerate() {
            *index = i;
        }
        classes
    }

    /// The cluster in numbers, with the types that could be bought.
    #[must_use]
    pub fn fleet(&self, buy: &[TypeRow]) -> Fleet {
        let classes = self.classes();
        let class_of = |pod: &Pod| classes[&pod.class()];
        let capacity = |t: &TypeRow| room(t).to_vec();
        let mut nodes: Vec<ExistingNode> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(n, (t, zone))| ExistingNode {
                id: format!("node-{n:05}"),
                zone: Some(*zone),
                free: capacity(&self.types[*t]),
                ..ExistingNode::default()
            })
            .collect();
        let mut holdings: Vec<Holding> = self
            .nodes
            .iter()
            .map(|(t, _)| Holding {
                price: Some(self.types[*t].price),
                removable: true,
                ..Holding::default()
            })
            .collect();
        for pod in &self.pods {
            let node = &mut nodes[pod.node];
            for (free, d) in node.free.iter_mut().zip([pod.cpu_milli, pod.memory_mib, 1]) {
                *free -= d;
            }
            let class = class_of(pod);
            match node.present.iter_mut().find(|(c, _)| *c == class) {
                Some((_, n)) => *n += 1,
                None => node.present.push((class, 1)),
            }
        }
        for (holding, node) in holdings.iter_mut().zip(&nodes) {
            holding.movable = node.present.clone();
        }
        let rules = classes
            .iter()
            .filter(|((_, _, own), _)| own.is_some())
            .map(|(_, class)| {
                Rule::ZoneSpread(ZoneSpread {
                    with: vec![*class],
                    of: vec![*class],
                    max_skew: 1,
                    zones: Default::default(),
                    min_zones: 0,
                })
            })
            .collect();
        Fleet {
            problem: Problem {
                dims: ["cpu_milli", "memory_mib", "pods"]
                    .map(str::to_owned)
                    .to_vec(),
                zones: ["zone-1", "zone-2", "zone-3"].map(str::to_owned).to_vec(),
                types: buy
                    .iter()
                    .map(|t| NodeType {
                        id: t.name.clone(),
                        capacity: capacity(t),
                        offerings: (0..3)
                            .map(|z| Offering {
                                zone: Some(z),
                                price: Some(t.price),
                                available: None,
                            })
                            .collect(),
                        ..NodeType::default()
                    })
                    .collect(),
                nodes,
                classes: classes
                    .keys()
                    .enumerate()
                    .map(|(i, (cpu, memory, _))| Class {
                        id: format!("{i:05}"),
                        demand: vec![*cpu, *memory, 1],
                        ..Class::default()
                    })
                    .collect(),
                rules,
                ..Problem::default()
            },
            holdings,
            narrow_rules: Vec::new(),
        }
    }

    /// What is wrong with a point: nodes overfull, zones too unequal, items
    /// lost, nodes that are gone and still hold something, a wrong sum.
    #[must_use]
    pub fn faults(&self, fleet: &Fleet, point: &Point) -> usize {
        let problem = &fleet.problem;
        let mut faults = 0;
        let mut held: Vec<BTreeMap<usize, i64>> = problem
            .nodes
            .iter()
            .map(|n| n.present.iter().map(|(c, k)| (*c, i64::from(*k))).collect())
            .collect();
        held.extend(point.bought.iter().map(|_| BTreeMap::new()));
        let mut moved = 0;
        for relocation in &point.moves {
            let to = match relocation.to {
                Place::Node(node) => node,
                Place::Bought(new) => problem.nodes.len() + new,
            };
            let n = i64::from(relocation.count);
            moved += u64::from(relocation.count);
            *held[relocation.from].entry(relocation.class).or_default() -= n;
            *held[to].entry(relocation.class).or_default() += n;
        }
        let gone = |node: usize| point.removed.contains(&node);
        let mut zones: BTreeMap<usize, [i64; 3]> = BTreeMap::new();
        for (node, held) in held.iter().enumerate() {
            let (capacity, zone) = match node.checked_sub(problem.nodes.len()) {
                Some(new) => {
                    let bought = &point.bought[new];
                    (&problem.types[bought.node_type].capacity, bought.zone)
                }
                None => {
                    let (t, zone) = self.nodes[node];
                    let of = &self.types[t];
                    let capacity = [of.cpu_milli, of.memory_mib, of.pods];
                    let daemons = [DAEMONS.0, DAEMONS.1, DAEMONS.2];
                    let taken = capacity.iter().zip(daemons);
                    faults += usize::from(over(problem, held, taken.map(|(c, d)| c - d)));
                    faults += usize::from(gone(node) && held.values().any(|n| *n != 0));
                    count(held, zone, &mut zones);
                    continue;
                }
            };
            faults += usize::from(over(problem, held, capacity.iter().copied()));
            count(held, zone.unwrap_or(0), &mut zones);
        }
        for rule in &problem.rules {
            if let Rule::ZoneSpread(spread) = rule {
                let counts = spread.with.first().and_then(|c| zones.get(c));
                let counts = counts.copied().unwrap_or_default();
                let most = counts.iter().max().copied().unwrap_or(0);
                let least = counts.iter().min().copied().unwrap_or(0);
                // What was too unequal before may stay so.
                let before = self.unequal(problem, spread.with.first().copied());
                let allowed = i64::from(spread.max_skew).max(before);
                faults += usize::from(most - least > allowed);
            }
        }
        // What pods dislike, read off where they are.
        let mut broken = 0;
        for (node, held) in held.iter().enumerate().filter(|(n, _)| !gone(*n)) {
            for (class, n) in held {
                for dislike in &problem.classes[*class].dislikes {
                    let there = match node.checked_sub(problem.nodes.len()) {
                        Some(new) => dislike.types.contains(point.bought[new].node_type),
                        None => dislike.nodes.contains(node),
                    };
                    broken += if there { dislike.cost.0 * n } else { 0 };
                }
            }
        }
        faults += usize::from(point.preferences.0 != broken);
        let kept = (0..problem.nodes.len()).filter(|n| !gone(*n));
        let prices = kept.filter_map(|n| fleet.holdings[n].price);
        let cost = prices.chain(point.bought.iter().map(|n| n.price)).sum();
        faults + usize::from(point.cost != cost) + usize::from(point.moved != moved)
    }

    /// Largest difference between zones of a class's pods as they stand.
    fn unequal(&self, problem: &Problem, class: Option<usize>) -> i64 {
        let mut counts = [0i64; 3];
        for (node, existing) in problem.nodes.iter().enumerate() {
            let present = existing.present.iter().filter(|(c, _)| Some(*c) == class);
            counts[self.nodes[node].1] += present.map(|(_, n)| i64::from(*n)).sum::<i64>();
        }
        let most = counts.iter().max().copied().unwrap_or(0);
        most - counts.iter().min().copied().unwrap_or(0)
    }
}

fn over(
    problem: &Problem,
    held: &BTreeMap<usize, i64>,
    capacity: impl Iterator<Item = u64>,
) -> bool {
    capacity.enumerate().any(|(r, capacity)| {
        let used = held
            .iter()
            .map(|(c, n)| problem.classes[*c].demand[r] as i64 * n);
        used.sum::<i64>() > capacity as i64
    })
}

fn count(held: &BTreeMap<usize, i64>, zone: usize, zones: &mut BTreeMap<usize, [i64; 3]>) {
    for (class, n) in held {
        zones.entry(*class).or_default()[zone] += n;
    }
}
