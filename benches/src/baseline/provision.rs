//! Karpenter's provisioning rule, told anew (kubernetes-sigs/karpenter of August
//! 2026, its scheduler's `Solve`).
//!
//! Pods come by CPU, then memory, descending. Each goes to the claim with the
//! fewest pods that takes it; a claim keeps every type that still fits all its
//! pods by all their rules, and no price is looked at before the end, when each
//! claim becomes the cheapest offering that is left to it: the *first purchase*,
//! before any consolidation.
//!
//! As there, a spread over zones pins a claim to one zone, the emptiest that is
//! allowed, and pods on claims whose zone is still open are not counted: an
//! answer can break a spread that it meant to keep, and the judge says so.
//! Claims with equally many pods are tried in the order of their opening; there
//! the order is left to an unstable sort, and the reverse moves the cost of its
//! benchmark's mix by 1 to 2 %.
//! Pods without a GPU stay off types with one, as two node pools would have it.
//! Shares of a GPU, which Karpenter does not know, go to the fullest that fits.

use super::bin::{Bin, Limits, Zones, devices, offered, take};
use crate::instance::{Assignment, Instance, Node, Pod};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

struct Claim<'a> {
    bin: Bin<'a>,
    /// Zones that are still possible, as bits.
    zones: u64,
    gpu: bool,
    /// Machines that still fit, with what is free of their devices.
    types: Vec<(usize, Vec<u32>)>,
    /// The most of each resource that one of them has.
    most: Vec<u64>,
}

struct Pools {
    /// Offered zones by machine.
    offered: Vec<u64>,
    /// Whether some machine has no GPU.
    split: bool,
}

/// Buys nodes for all pods.
#[must_use]
pub fn provision(instance: &Instance) -> Assignment {
    let pods = &instance.pods;
    let pools = Pools {
        offered: instance
            .machines
            .iter()
            .map(|m| offered(instance, m))
            .collect(),
        split: instance.machines.iter().any(|m| m.gpus.is_empty()),
    };
    let limits = Limits::of(instance);
    let mut zones = Zones::new(instance.zones.len());
    let mut order: Vec<usize> = (0..pods.len()).collect();
    let amount = |pod: usize, dim: usize| pods[pod].amounts.get(dim).copied().unwrap_or(0);
    order.sort_by_key(|p| (Reverse((amount(*p, 0), amount(*p, 1))), *p));
    let mut claims: Vec<Claim<'_>> = Vec::new();
    let mut by_count: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut unplaced = Vec::new();
    for index in order {
        let pod = &pods[index];
        let found = by_count.iter().find_map(|(count, at)| {
            let claim = &claims[*at];
            let open = claim.takes(pod, instance, &pools, &limits, &zones)?;
            Some((*count, *at, open))
        });
        let (at, open) = if let Some((count, at, open)) = found {
            by_count.remove(&(count, at));
            (at, open)
        } else {
            let new = Claim::new(instance, &pools, pod.gpus > 0);
            let Some(open) = new.takes(pod, instance, &pools, &limits, &zones) else {
                unplaced.push(index);
                continue;
            };
            claims.push(new);
            (claims.len() - 1, open)
        };
        let claim = &mut claims[at];
        claim.join(index, pod, open, instance, &pools);
        zones.join(pod, claim.zones);
        by_count.insert((claim.bin.pods.len(), at));
    }
    unplaced.sort_unstable();
    Assignment {
        nodes: claims
            .iter()
            .filter_map(|c| c.node(instance, &pools))
            .collect(),
        unplaced,
    }
}

impl<'a> Claim<'a> {
    fn new(instance: &Instance, pools: &Pools, gpu: bool) -> Self {
        let machines = instance.machines.iter().enumerate();
        let types: Vec<(usize, Vec<u32>)> = machines
            .filter(|(_, m)| !pools.split || m.gpus.is_empty() != gpu)
            .map(|(t, m)| (t, m.gpus.iter().map(|g| g.1).collect()))
            .collect();
        let mut claim = Self {
            bin: Bin::new(instance.dims.len()),
            zones: types
                .iter()
                .fold(0, |mask, (t, _)| mask | pools.offered[*t]),
            gpu,
            types,
            most: Vec::new(),
        };
        claim.measure(instance);
        claim
    }

    fn measure(&mut self, instance: &Instance) {
        let has = |dim: usize| {
            let types = self.types.iter();
            types.map(move |(t, _)| instance.machines[*t].amounts[dim])
        };
        self.most = (0..instance.dims.len())
            .map(|dim| has(dim).max().unwrap_or(0))
            .collect();
    }

    /// The zones that stay possible with a pod, if it may join.
    fn takes(
        &self,
        pod: &Pod,
        instance: &Instance,
        pools: &Pools,
        limits: &Limits<'_>,
        zones: &Zones<'_>,
    ) -> Option<u64> {
        if pools.split && self.gpu != (pod.gpus > 0) {
            return None;
        }
        let mut room = self.bin.used.iter().zip(&pod.amounts).zip(&self.most);
        if !room.all(|((used, amount), most)| used + amount <= *most)
            || !self.bin.admits(pod, limits)
        {
            return None;
        }
        let open = zones.admits(pod, &self.bin, self.zones)?;
        let mut types = self.types.iter();
        types
            .any(|(t, free)| self.fits(pod, *t, free, open, instance, pools))
            .then_some(open)
    }

    fn fits(
        &self,
        pod: &Pod,
        machine: usize,
        free: &[u32],
        open: u64,
        instance: &Instance,
        pools: &Pools,
    ) -> bool {
        let of = &instance.machines[machine];
        pools.offered[machine] & open != 0
            && self.bin.holds(pod, of)
            && devices(pod, of, free).is_some()
    }

    fn join(&mut self, index: usize, pod: &'a Pod, open: u64, instance: &Instance, pools: &Pools) {
        let mut types = std::mem::take(&mut self.types);
        types.retain(|(t, free)| self.fits(pod, *t, free, open, instance, pools));
        for (t, free) in &mut types {
            let taken = devices(pod, &instance.machines[*t], free);
            take(pod, &taken.unwrap_or_default(), free);
        }
        let shrunk = types.len();
        self.types = types;
        self.zones = open;
        self.bin.join(index, pod);
        debug_assert!(shrunk > 0);
        self.measure(instance);
    }

    /// The cheapest offering that is left; of equal ones the first by name.
    fn node(&self, instance: &Instance, pools: &Pools) -> Option<Node> {
        let machines = self.types.iter().map(|(t, _)| *t);
        let machine = machines.min_by_key(|t| {
            let machine = &instance.machines[*t];
            (machine.price, machine.name.as_str(), *t)
        })?;
        let possible = self.zones & pools.offered[machine];
        let of = &instance.machines[machine];
        let mut free: Vec<u32> = of.gpus.iter().map(|g| g.1).collect();
        let mut pods = Vec::new();
        for index in &self.bin.pods {
            let pod = &instance.pods[*index];
            let taken = devices(pod, of, &free)?;
            take(pod, &taken, &mut free);
            pods.push((*index, taken));
        }
        Some(Node {
            machine,
            zone: (!instance.zones.is_empty()).then(|| possible.trailing_zeros() as usize),
            pods,
        })
    }
}

/// What the nodes of an answer cost.
#[must_use]
pub fn cost(instance: &Instance, assignment: &Assignment) -> i64 {
    let nodes = assignment.nodes.iter();
    nodes.map(|n| instance.machines[n.machine].price.0).sum()
}

/// How many nodes of each machine, by name.
#[must_use]
pub fn mix(instance: &Instance, assignment: &Assignment) -> BTreeMap<String, usize> {
    let mut mix = BTreeMap::new();
    for node in &assignment.nodes {
        let name = instance.machines[node.machine].name.clone();
        *mix.entry(name).or_default() += 1;
    }
    mix
}
