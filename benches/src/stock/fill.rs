//! More GPUs on nodes that are there, step by step.
//!
//! Whoever is left out is put where there is room. Then, node by node, a pod or all pods
//! are taken off in thought and the node is filled anew with those and whoever is left
//! out, in some orders: what places more GPUs is kept, or as many on less of the rest.

use super::Stocked;
use crate::instance::{Assignment, Machine, Node, Pod};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// How often all nodes are looked at, at the most.
const ROUNDS: usize = 60;

/// One node with what is free on it.
#[derive(Debug, Clone)]
struct Held {
    machine: usize,
    free: Machine,
    pods: Vec<(usize, Vec<usize>)>,
}

impl Held {
    /// Puts a pod on it, where it fits.
    fn take(&mut self, number: usize, pod: &Pod) -> bool {
        let amounts = || self.free.amounts.iter().zip(&pod.amounts);
        if amounts().any(|(free, takes)| free < takes) {
            return false;
        }
        let accepted = |model: &String| pod.gpu_models.is_empty() || pod.gpu_models.contains(model);
        let gpus = self.free.gpus.iter().enumerate();
        let fit = gpus.filter(|(_, (model, milli))| *milli >= pod.gpu_milli && accepted(model));
        let mut fit: Vec<(u32, usize)> = fit.map(|(at, (_, milli))| (*milli, at)).collect();
        // Those with the least free first, or shares take whole ones.
        fit.sort_unstable();
        fit.truncate(pod.gpus as usize);
        if fit.len() < pod.gpus as usize {
            return false;
        }
        let devices: Vec<usize> = fit.into_iter().map(|(_, at)| at).collect();
        for device in &devices {
            self.free.gpus[*device].1 -= pod.gpu_milli;
        }
        for (free, takes) in self.free.amounts.iter_mut().zip(&pod.amounts) {
            *free -= takes;
        }
        self.pods.push((number, devices));
        true
    }

    fn give(&mut self, at: usize, pods: &[Pod]) -> usize {
        let (number, devices) = self.pods.swap_remove(at);
        let pod = &pods[number];
        for device in devices {
            self.free.gpus[device].1 += pod.gpu_milli;
        }
        for (free, takes) in self.free.amounts.iter_mut().zip(&pod.amounts) {
            *free += takes;
        }
        number
    }

    /// Thousandths that are free.
    fn spare(&self) -> u64 {
        self.free
            .gpus
            .iter()
            .map(|(_, milli)| u64::from(*milli))
            .sum()
    }
}

/// Whoever is left out, by size: those of a size are alike.
type Out = BTreeMap<usize, Vec<usize>>;

/// Sizes of the pods, and what orders them.
struct Sizes<'a> {
    pods: &'a [Pod],
    /// Size of each pod.
    of: Vec<usize>,
    /// A pod of each size.
    sample: Vec<usize>,
    /// Sizes in the orders in which nodes are filled.
    orders: Vec<Vec<usize>>,
    /// What all nodes with GPUs have of each amount, and 1.
    whole: Vec<f64>,
}

impl<'a> Sizes<'a> {
    fn new(stocked: &'a Stocked) -> Self {
        let pods = stocked.instance.pods.as_slice();
        let mut known: BTreeMap<Pod, usize> = BTreeMap::new();
        let (mut of, mut sample) = (Vec::new(), Vec::new());
        for (number, pod) in pods.iter().enumerate() {
            let size = Pod {
                name: String::new(),
                ..pod.clone()
            };
            let next = sample.len();
            let size = *known.entry(size).or_insert(next);
            if size == next {
                sample.push(number);
            }
            of.push(size);
        }
        let there = stocked.instance.machines.iter().zip(&stocked.counts);
        let mut whole = vec![1.0; stocked.instance.dims.len()];
        for (machine, count) in there.filter(|(m, _)| !m.gpus.is_empty()) {
            for (whole, has) in whole.iter_mut().zip(&machine.amounts) {
                *whole += *has as f64 * *count as f64;
            }
        }
        let mut sizes = Self {
            pods,
            of,
            sample,
            orders: Vec::new(),
            whole,
        };
        let milli = |size: &usize| super::gpu_milli(&pods[sizes.sample[*size]]);
        let each = |size: &usize| sizes.rest(*size) / milli(size).max(1) as f64;
        let all: Vec<usize> = (0..sizes.sample.len()).collect();
        let mut large = all.clone();
        large.sort_by(|a, b| {
            let light = sizes.rest(*a).total_cmp(&sizes.rest(*b));
            Reverse(milli(a)).cmp(&Reverse(milli(b))).then(light)
        });
        let mut light = all;
        light.retain(|size| milli(size) > 0);
        light.sort_by(|a, b| each(a).total_cmp(&each(b)).then(a.cmp(b)));
        let heavy: Vec<usize> = light.iter().rev().copied().collect();
        sizes.orders = vec![large, light, heavy];
        sizes
    }

    /// What a pod of a size takes of all else than GPUs, by what there is.
    fn rest(&self, size: usize) -> f64 {
        let amounts = self.pods[self.sample[size]].amounts.iter();
        amounts
            .zip(&self.whole)
            .map(|(a, whole)| *a as f64 / whole)
            .sum()
    }

    /// Thousandths placed on a node, and what else its pods take.
    fn worth(&self, held: &Held) -> (u64, f64) {
        let pods = || held.pods.iter().map(|(pod, _)| *pod);
        let milli = pods().map(|pod| super::gpu_milli(&self.pods[pod])).sum();
        (milli, pods().map(|pod| self.rest(self.of[pod])).sum())
    }

    /// Fills a node with whoever is left out, in one order.
    fn fill(&self, held: &mut Held, out: &mut Out, order: &[usize]) {
        for size in order {
            let Some(left) = out.get_mut(size) else {
                continue;
            };
            while let Some(number) = left.last().copied() {
                if !held.take(number, &self.pods[number]) {
                    break;
                }
                left.pop();
            }
        }
    }
}

/// The placement with more GPUs on the same nodes, if some are found.
pub fn improved(stocked: &Stocked, placed: Assignment) -> Assignment {
    let sizes = Sizes::new(stocked);
    let mut nodes: Vec<Held> = stocked
        .frees(&placed)
        .into_iter()
        .map(|(machine, free)| Held {
            machine,
            free,
            pods: Vec::new(),
        })
        .collect();
    for (held, node) in nodes.iter_mut().zip(placed.nodes) {
        held.pods = node.pods;
    }
    let mut out: Out = BTreeMap::new();
    for pod in placed.unplaced {
        out.entry(sizes.of[pod]).or_default().push(pod);
    }
    insert(&sizes, &mut nodes, &mut out);
    for _ in 0..ROUNDS {
        let mut better = false;
        for held in &mut nodes {
            better |= step(&sizes, held, &mut out);
        }
        insert(&sizes, &mut nodes, &mut out);
        if !better {
            break;
        }
    }
    let used = nodes.into_iter().filter(|held| !held.pods.is_empty());
    let nodes = used.map(|held| Node {
        machine: held.machine,
        zone: None,
        pods: held.pods,
    });
    let mut unplaced: Vec<usize> = out.into_values().flatten().collect();
    unplaced.sort_unstable();
    Assignment {
        nodes: nodes.collect(),
        unplaced,
    }
}

/// Everybody who is left out on the node that has the least to spare of those where
/// there is room, the largest first.
fn insert(sizes: &Sizes<'_>, nodes: &mut [Held], out: &mut Out) {
    for size in &sizes.orders[0] {
        let Some(left) = out.get_mut(size) else {
            continue;
        };
        let mut by_spare: Vec<(u64, usize)> = nodes
            .iter()
            .enumerate()
            .map(|(at, held)| (held.spare(), at))
            .collect();
        by_spare.sort_unstable();
        for (_, at) in by_spare {
            while let Some(number) = left.last().copied() {
                if !nodes[at].take(number, &sizes.pods[number]) {
                    break;
                }
                left.pop();
            }
        }
    }
}

/// Takes one pod off a node, or all of them, where what comes instead is worth more.
fn step(sizes: &Sizes<'_>, held: &mut Held, out: &mut Out) -> bool {
    if held.spare() == 0 {
        return false;
    }
    let now = sizes.worth(held);
    let mut best: Option<((u64, f64), Held, Out)> = None;
    let mut seen: Vec<usize> = Vec::new();
    for at in 0..=held.pods.len() {
        let mut bare = held.clone();
        let mut left = out.clone();
        let mut off: Vec<usize> = Vec::new();
        if at < held.pods.len() {
            let size = sizes.of[held.pods[at].0];
            if seen.contains(&size) {
                continue;
            }
            seen.push(size);
            off.push(bare.give(at, sizes.pods));
        } else {
            while !bare.pods.is_empty() {
                off.push(bare.give(bare.pods.len() - 1, sizes.pods));
            }
        }
        for pod in off {
            left.entry(sizes.of[pod]).or_default().push(pod);
        }
        for order in &sizes.orders {
            let (mut tried, mut rest) = (bare.clone(), left.clone());
            sizes.fill(&mut tried, &mut rest, order);
            let worth = sizes.worth(&tried);
            let than = best.as_ref().map_or(now, |(worth, ..)| *worth);
            if worth.0 > than.0 || (worth.0 == than.0 && worth.1 < than.1 - 1e-12) {
                best = Some((worth, tried, rest));
            }
        }
    }
    let Some((_, tried, rest)) = best else {
        return false;
    };
    *held = tried;
    *out = rest;
    true
}
