//! What every packing baseline needs to know of a node: its pods by label and
//! application, and whether one more may join them.

use crate::instance::{Instance, Machine, Pod, PodRule, Topology};
use std::collections::BTreeMap;

/// Limits between applications, by the one that brings them and the one they
/// count.
#[derive(Debug)]
pub(super) struct Limits<'a> {
    brought: BTreeMap<&'a str, Vec<(&'a str, u32)>>,
    counted: BTreeMap<&'a str, Vec<(&'a str, u32)>>,
}

impl<'a> Limits<'a> {
    pub(super) fn of(instance: &'a Instance) -> Self {
        let mut limits = Self {
            brought: BTreeMap::new(),
            counted: BTreeMap::new(),
        };
        for (app, other, max) in &instance.app_limits {
            let (app, other) = (app.as_str(), other.as_str());
            limits.brought.entry(app).or_default().push((other, *max));
            limits.counted.entry(other).or_default().push((app, *max));
        }
        limits
    }
}

/// The pods of a node, as rules see them.
#[derive(Debug, Clone, Default)]
pub(super) struct Bin<'a> {
    pub(super) used: Vec<u64>,
    pub(super) pods: Vec<usize>,
    labels: BTreeMap<&'a str, u32>,
    /// Labels that pods of this node shun on their node.
    shunned: BTreeMap<&'a str, u32>,
    apps: BTreeMap<&'a str, u32>,
    most: BTreeMap<&'a str, u32>,
}

impl<'a> Bin<'a> {
    pub(super) fn new(dims: usize) -> Self {
        Self {
            used: vec![0; dims],
            ..Self::default()
        }
    }

    pub(super) fn label(&self, label: &str) -> u32 {
        self.labels.get(label).copied().unwrap_or(0)
    }

    /// Whether the rules about one node let a pod join. Affinity is not asked:
    /// a node that refuses for the others refuses for ever.
    pub(super) fn admits(&self, pod: &Pod, limits: &Limits<'_>) -> bool {
        let rule = match &pod.rule {
            PodRule::Spread {
                over: Topology::Node,
                selector,
                skew,
            } => self.label(selector) + u32::from(pod.label == *selector) <= *skew,
            PodRule::AntiAffinity {
                over: Topology::Node,
                selector,
            } => self.label(selector) == 0,
            _ => true,
        };
        if !rule || self.shunned.contains_key(pod.label.as_str()) {
            return false;
        }
        let app = pod.app.as_str();
        let count = |app: &str| self.apps.get(app).copied().unwrap_or(0);
        let most = [pod.max_per_node, self.most.get(app).copied()];
        if most.into_iter().flatten().any(|max| count(app) + 1 > max) {
            return false;
        }
        let brought = limits.brought.get(app).into_iter().flatten();
        let mut brought =
            brought.map(|(other, max)| (count(other) + u32::from(*other == app), max));
        if brought.any(|(n, max)| n > *max) {
            return false;
        }
        let counted = limits.counted.get(app).into_iter().flatten();
        let mut counted = counted.filter(|(bringer, _)| count(bringer) > 0);
        !counted.any(|(_, max)| count(app) + 1 > *max)
    }

    pub(super) fn join(&mut self, index: usize, pod: &'a Pod) {
        for (used, amount) in self.used.iter_mut().zip(&pod.amounts) {
            *used += amount;
        }
        self.pods.push(index);
        *self.labels.entry(pod.label.as_str()).or_default() += 1;
        if let PodRule::AntiAffinity {
            over: Topology::Node,
            selector,
        } = &pod.rule
        {
            *self.shunned.entry(selector.as_str()).or_default() += 1;
        }
        *self.apps.entry(pod.app.as_str()).or_default() += 1;
        if let Some(max) = pod.max_per_node {
            let most = self.most.entry(pod.app.as_str()).or_insert(max);
            *most = (*most).min(max);
        }
    }

    /// Whether a machine has room for what is here and a pod.
    pub(super) fn holds(&self, pod: &Pod, machine: &Machine) -> bool {
        let needs = self.used.iter().zip(&pod.amounts);
        let mut needs = needs.zip(&machine.amounts);
        needs.all(|((used, amount), has)| used + amount <= *has)
    }
}

/// The devices that a pod takes of what is free, those with the least left
/// first; `None` when there are too few.
pub(super) fn devices(pod: &Pod, machine: &Machine, free: &[u32]) -> Option<Vec<usize>> {
    let fits = |device: &usize| {
        let model = machine.gpus.get(*device).map(|g| &g.0);
        let good = pod.gpu_models.is_empty() || model.is_some_and(|m| pod.gpu_models.contains(m));
        good && free.get(*device).is_some_and(|f| *f >= pod.gpu_milli)
    };
    let mut found: Vec<usize> = (0..free.len()).filter(fits).collect();
    found.sort_by_key(|device| (free.get(*device).copied(), *device));
    let wanted = pod.gpus as usize;
    found.truncate(wanted);
    (found.len() == wanted).then_some(found)
}

/// Takes a pod's share of its devices.
pub(super) fn take(pod: &Pod, devices: &[usize], free: &mut [u32]) {
    for device in devices {
        if let Some(free) = free.get_mut(*device) {
            *free -= pod.gpu_milli.min(*free);
        }
    }
}

/// How many pods of each label stand in each zone, and who shuns them there.
#[derive(Debug, Clone, Default)]
pub(super) struct Zones<'a> {
    pub(super) count: usize,
    /// Pods whose zone is settled.
    settled: BTreeMap<&'a str, Vec<u32>>,
    /// Pods that may come to stand there.
    possible: BTreeMap<&'a str, Vec<u32>>,
    /// Pods that shun a label in their zone and may come to stand there.
    shunning: BTreeMap<&'a str, Vec<u32>>,
    anywhere: BTreeMap<&'a str, u32>,
}

fn at(map: &BTreeMap<&str, Vec<u32>>, label: &str, zone: usize) -> u32 {
    let counts = map.get(label);
    counts.and_then(|c| c.get(zone)).copied().unwrap_or(0)
}

impl<'a> Zones<'a> {
    pub(super) fn new(count: usize) -> Self {
        Self {
            count,
            ..Self::default()
        }
    }

    /// Which of `open` a pod may go to. `node` is what stands on the node.
    pub(super) fn admits(&self, pod: &Pod, node: &Bin<'_>, open: u64) -> Option<u64> {
        let zones = || (0..self.count).filter(|z| open >> z & 1 == 1);
        let mask = |zones: &mut dyn Iterator<Item = usize>| zones.fold(0u64, |m, z| m | 1 << z);
        let own = |selector: &str| u32::from(pod.label == selector);
        let mut allowed = match &pod.rule {
            PodRule::Spread {
                over: Topology::Zone,
                selector,
                skew,
            } => {
                let count = |zone: usize| at(&self.settled, selector, zone);
                let least = (0..self.count).map(count).min().unwrap_or(0);
                let good = zones().filter(|z| count(*z) + own(selector) <= least + skew);
                let best = good.min_by_key(|z| (count(*z), *z));
                if self.count == 0 {
                    open
                } else {
                    best.map_or(0, |z| 1 << z)
                }
            }
            PodRule::Affinity {
                over: Topology::Zone,
                selector,
            } if self.count > 0 => {
                let held = mask(&mut zones().filter(|z| at(&self.settled, selector, *z) > 0));
                let none = (0..self.count).all(|z| at(&self.settled, selector, z) == 0);
                match (held, none && own(selector) == 1) {
                    (0, true) => zones().next().map_or(0, |z| 1 << z),
                    (held, _) => held,
                }
            }
            PodRule::AntiAffinity {
                over: Topology::Zone,
                selector,
            } if self.count > 0 => {
                mask(&mut zones().filter(|z| at(&self.possible, selector, *z) == 0))
            }
            PodRule::Affinity {
                over: Topology::Node,
                selector,
            } => {
                let none = !self.anywhere.contains_key(selector.as_str());
                let begins = none && own(selector) == 1;
                if node.label(selector) > 0 || begins {
                    open
                } else {
                    return None;
                }
            }
            _ => open,
        };
        for zone in 0..self.count {
            if at(&self.shunning, &pod.label, zone) > 0 {
                allowed &= !(1 << zone);
            }
        }
        (allowed != 0).then_some(allowed)
    }

    /// Notes a pod on a node whose zone is one of `open`.
    pub(super) fn join(&mut self, pod: &'a Pod, open: u64) {
        let label = pod.label.as_str();
        *self.anywhere.entry(label).or_default() += 1;
        let zones: Vec<usize> = (0..self.count).filter(|z| open >> z & 1 == 1).collect();
        let note = |map: &mut BTreeMap<&'a str, Vec<u32>>, label: &'a str, zones: &[usize]| {
            let counts = map.entry(label).or_insert_with(|| vec![0; self.count]);
            for zone in zones {
                counts[*zone] += 1;
            }
        };
        if zones.len() == 1 {
            note(&mut self.settled, label, &zones);
        }
        note(&mut self.possible, label, &zones);
        if let PodRule::AntiAffinity {
            over: Topology::Zone,
            selector,
        } = &pod.rule
        {
            note(&mut self.shunning, selector.as_str(), &zones);
        }
    }
}

/// The zones of an instance in which a machine is offered, as bits; one bit
/// when zones do not matter.
pub(super) fn offered(instance: &Instance, machine: &Machine) -> u64 {
    if instance.zones.is_empty() {
        return 1;
    }
    let zones = instance.zones.iter().enumerate();
    let offered = zones.filter(|(_, zone)| machine.zones.contains(zone));
    offered.fold(0, |mask, (z, _)| mask | 1 << z)
}
