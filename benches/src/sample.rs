//! Seeded samples of an instance's pods.

use crate::instance::{Instance, Pod, PodRule};
use std::collections::BTreeMap;

/// SplitMix64 (Steele, Lea and Flood 2014): small, seeded, good enough.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which must not be zero.
    pub fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.next_u64()) * n as u128;
        (wide >> 64) as usize
    }
}

/// Draws `pods` pods with replacement, every kind of rule in its proportion.
#[must_use]
pub fn draw(mut instance: Instance, pods: usize, seed: u64) -> Instance {
    let mut strata: BTreeMap<u8, Vec<&Pod>> = BTreeMap::new();
    for pod in &instance.pods {
        strata.entry(stratum(&pod.rule)).or_default().push(pod);
    }
    let mut random = Random::new(seed);
    let mut drawn = Vec::with_capacity(pods);
    let total = instance.pods.len().max(1);
    let mut seen = 0;
    for list in strata.values() {
        // Cumulative shares, so that the parts add up to the whole.
        let before = pods * seen / total;
        seen += list.len();
        for i in before..pods * seen / total {
            let mut pod = list[random.below(list.len())].clone();
            pod.name = format!("{}-{i}", pod.name);
            drawn.push(pod);
        }
    }
    instance.name = format!("{}-{pods}-seed{seed}", instance.name);
    instance.pods = drawn;
    instance.best_known = None;
    instance
}

fn stratum(rule: &PodRule) -> u8 {
    use crate::instance::Topology::{Node, Zone};
    match rule {
        PodRule::None => 0,
        PodRule::Spread { over: Zone, .. } => 1,
        PodRule::Spread { over: Node, .. } => 2,
        PodRule::Affinity { .. } => 3,
        PodRule::AntiAffinity { .. } => 4,
    }
}
