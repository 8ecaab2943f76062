//! A naive judge of packings, pod by pod.
//!
//! It shares no code with the solver: it reads the instance as the files give
//! it and asks of every pod whether it may stand where it stands, in the sense
//! of the scheduler's filters with that pod taken out and put back.

use crate::instance::{Assignment, Instance, Pod, PodRule, Topology};
use std::collections::BTreeMap;
use std::fmt;

/// Something that a packing breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A pod stands on two nodes, or is both placed and left out.
    PlacedTwice {
        /// The pod.
        pod: String,
    },
    /// A pod is neither placed nor left out.
    Missing {
        /// The pod.
        pod: String,
    },
    /// A node gives out more of a resource than it has.
    Capacity {
        /// The node, by number.
        node: usize,
        /// The resource.
        resource: String,
        /// What its pods take.
        taken: u64,
        /// What it has.
        has: u64,
    },
    /// A pod has the wrong number of GPUs, one twice, or one that does not
    /// exist or is of a model it does not accept.
    Gpus {
        /// The pod.
        pod: String,
        /// The node, by number.
        node: usize,
    },
    /// A GPU is given out more than once over.
    GpuShare {
        /// The node, by number.
        node: usize,
        /// The GPU.
        gpu: usize,
        /// Thousandths given out.
        taken: u64,
    },
    /// A machine is used in a zone that does not offer it.
    Zone {
        /// The node, by number.
        node: usize,
    },
    /// A pod's placement rule does not hold.
    Rule {
        /// The pod.
        pod: String,
        /// The node, by number.
        node: usize,
    },
    /// A node holds more pods of an application than a limit allows.
    AppLimit {
        /// The node, by number.
        node: usize,
        /// The application whose presence brings the limit.
        app: String,
        /// The application counted.
        other: String,
    },
    /// The machines take more than a limit allows.
    MachineLimit {
        /// The limit.
        limit: String,
        /// What they take.
        taken: u64,
    },
    /// The cost that the answer states is not that of its nodes.
    Cost {
        /// Stated, in micro-dollars per hour.
        stated: i64,
        /// Sum over the nodes.
        actual: i64,
    },
    /// What broken preferences cost is not what the answer states.
    Preferences {
        /// Stated, in micro-dollars per hour.
        stated: i64,
        /// Sum over the pods.
        actual: i64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlacedTwice { pod } => write!(f, "pod {pod} is placed twice"),
            Self::Missing { pod } => write!(f, "pod {pod} is neither placed nor left out"),
            Self::Capacity {
                node,
                resource,
                taken,
                has,
            } => write!(f, "node {node} gives out {taken} of {has} {resource}"),
            Self::Gpus { pod, node } => write!(f, "pod {pod} has unfit GPUs on node {node}"),
            Self::GpuShare { node, gpu, taken } => {
                write!(f, "GPU {gpu} of node {node} gives out {taken} thousandths")
            }
            Self::Zone { node } => write!(f, "node {node} is in a zone that does not offer it"),
            Self::Rule { pod, node } => write!(f, "pod {pod} may not stand on node {node}"),
            Self::AppLimit { node, app, other } => {
                write!(f, "node {node} runs {app} and too many pods of {other}")
            }
            Self::MachineLimit { limit, taken } => {
                write!(f, "the nodes take {taken} of the limit {limit}")
            }
            Self::Cost { stated, actual } => {
                write!(f, "the stated cost is {stated}, the nodes cost {actual}")
            }
            Self::Preferences { stated, actual } => {
                write!(
                    f,
                    "broken preferences are stated as {stated}, they cost {actual}"
                )
            }
        }
    }
}

/// Everything that `assignment` breaks.
pub fn violations(
    instance: &Instance,
    assignment: &Assignment,
    stated_cost: i64,
) -> Vec<Violation> {
    let mut found = Vec::new();
    once_each(instance, assignment, &mut found);
    let mut cost = 0i64;
    for limit in &instance.machine_limits {
        let mut taken = 0;
        for node in &assignment.nodes {
            let machine = &instance.machines[node.machine];
            let dim = instance.dims.iter().position(|dim| *dim == limit.of);
            if machine.name.starts_with(&limit.prefix) {
                taken += dim.map_or(1, |dim| machine.amounts[dim]);
            }
        }
        if taken > limit.max {
            found.push(Violation::MachineLimit {
                limit: limit.to_string(),
                taken,
            });
        }
    }
    for (number, node) in assignment.nodes.iter().enumerate() {
        let machine = &instance.machines[node.machine];
        cost += machine.price.0;
        if !instance.zones.is_empty() {
            let offered = node
                .zone
                .is_some_and(|z| machine.zones.contains(&instance.zones[z]));
            if !offered {
                found.push(Violation::Zone { node: number });
            }
        }
        for (r, resource) in instance.dims.iter().enumerate() {
            let taken: u64 = node
                .pods
                .iter()
                .map(|(p, _)| instance.pods[*p].amounts[r])
                .sum();
            if taken > machine.amounts[r] {
                found.push(Violation::Capacity {
                    node: number,
                    resource: resource.clone(),
                    taken,
                    has: machine.amounts[r],
                });
            }
        }
        gpus(instance, number, assignment, &mut found);
        apps(instance, number, assignment, &mut found);
    }
    if cost != stated_cost {
        found.push(Violation::Cost {
            stated: stated_cost,
            actual: cost,
        });
    }
    placement(instance, assignment, &mut found);
    found
}

fn once_each(instance: &Instance, assignment: &Assignment, found: &mut Vec<Violation>) {
    let mut seen = vec![0u32; instance.pods.len()];
    for node in &assignment.nodes {
        for (pod, _) in &node.pods {
            seen[*pod] += 1;
        }
    }
    for pod in &assignment.unplaced {
        seen[*pod] += 1;
    }
    for (pod, n) in seen.iter().enumerate() {
        let pod = instance.pods[pod].name.clone();
        match n {
            0 => found.push(Violation::Missing { pod }),
            1 => {}
            _ => found.push(Violation::PlacedTwice { pod }),
        }
    }
}

fn gpus(instance: &Instance, number: usize, assignment: &Assignment, found: &mut Vec<Violation>) {
    let node = &assignment.nodes[number];
    let machine = &instance.machines[node.machine];
    let mut taken = vec![0u64; machine.gpus.len()];
    for (p, devices) in &node.pods {
        let pod = &instance.pods[*p];
        let mut distinct = devices.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let fit = distinct.len() == devices.len()
            && devices.len() == pod.gpus as usize
            && devices.iter().all(|d| {
                machine.gpus.get(*d).is_some_and(|(model, _)| {
                    pod.gpu_models.is_empty() || pod.gpu_models.contains(model)
                })
            });
        if !fit {
            found.push(Violation::Gpus {
                pod: pod.name.clone(),
                node: number,
            });
            continue;
        }
        for d in devices {
            taken[*d] += u64::from(pod.gpu_milli);
        }
    }
    for (gpu, taken) in taken.into_iter().enumerate() {
        if taken > u64::from(machine.gpus[gpu].1) {
            found.push(Violation::GpuShare {
                node: number,
                gpu,
                taken,
            });
        }
    }
}

fn apps(instance: &Instance, number: usize, assignment: &Assignment, found: &mut Vec<Violation>) {
    let mut count: BTreeMap<&str, u32> = BTreeMap::new();
    let pods: Vec<&Pod> = assignment.nodes[number]
        .pods
        .iter()
        .map(|(p, _)| &instance.pods[*p])
        .collect();
    for pod in &pods {
        *count.entry(pod.app.as_str()).or_default() += 1;
    }
    for pod in &pods {
        if pod
            .max_per_node
            .is_some_and(|max| count[pod.app.as_str()] > max)
        {
            found.push(Violation::AppLimit {
                node: number,
                app: pod.app.clone(),
                other: pod.app.clone(),
            });
        }
    }
    for (app, other, max) in &instance.app_limits {
        let here = count.get(app.as_str()).copied().unwrap_or(0);
        let others = count.get(other.as_str()).copied().unwrap_or(0);
        if here > 0 && others > *max {
            found.push(Violation::AppLimit {
                node: number,
                app: app.clone(),
                other: other.clone(),
            });
        }
    }
}

/// Asks of every placed pod whether its own rule, and the anti-affinity of the
/// others, lets it stand where it is.
fn placement(instance: &Instance, assignment: &Assignment, found: &mut Vec<Violation>) {
    let zones = instance.zones.len();
    // Pods by label on each node, in each zone and everywhere.
    let mut on_node: Vec<BTreeMap<&str, u32>> = Vec::new();
    let mut in_zone: Vec<BTreeMap<&str, u32>> = vec![BTreeMap::new(); zones];
    let mut anywhere: BTreeMap<&str, u32> = BTreeMap::new();
    for node in &assignment.nodes {
        let mut labels = BTreeMap::new();
        for (p, _) in &node.pods {
            let label = instance.pods[*p].label.as_str();
            *labels.entry(label).or_default() += 1;
            *anywhere.entry(label).or_default() += 1;
            if let Some(zone) = node.zone {
                *in_zone[zone].entry(label).or_default() += 1;
            }
        }
        on_node.push(labels);
    }
    let get = |map: &BTreeMap<&str, u32>, label: &str| map.get(label).copied().unwrap_or(0);
    let mut groups: BTreeMap<(&str, Topology), usize> = BTreeMap::new();
    for (number, node) in assignment.nodes.iter().enumerate() {
        for (p, _) in &node.pods {
            let pod = &instance.pods[*p];
            let own = |selector: &str| u32::from(pod.label == selector);
            let ok = match &pod.rule {
                PodRule::None => true,
                PodRule::Spread {
                    over,
                    selector,
                    skew,
                } => {
                    let (here, least) = match over {
                        // A node that does not exist yet holds none.
                        Topology::Node => (get(&on_node[number], selector) - own(selector), 0),
                        Topology::Zone => {
                            let Some(zone) = node.zone else { continue };
                            let without = |z: usize| {
                                let taken = if z == zone { own(selector) } else { 0 };
                                get(&in_zone[z], selector) - taken
                            };
                            (without(zone), (0..zones).map(without).min().unwrap_or(0))
                        }
                    };
                    here + own(selector) <= least + skew
                }
                PodRule::AntiAffinity { over, selector } => {
                    let here = match over {
                        Topology::Node => get(&on_node[number], selector),
                        Topology::Zone => {
                            let Some(zone) = node.zone else { continue };
                            get(&in_zone[zone], selector)
                        }
                    };
                    here - own(selector) == 0
                }
                PodRule::Affinity { over, selector } => {
                    let (here, place) = match over {
                        Topology::Node => (get(&on_node[number], selector), number),
                        Topology::Zone => {
                            let Some(zone) = node.zone else { continue };
                            (get(&in_zone[zone], selector), zone)
                        }
                    };
                    let alone = get(&anywhere, selector) == own(selector);
                    // Where no pod without this rule matches, the group began
                    // by itself. The scheduler lets it do so only while nothing
                    // matches anywhere, so in one place.
                    let same_place = |n: usize| match over {
                        Topology::Node => n == number,
                        Topology::Zone => assignment.nodes[n].zone == node.zone,
                    };
                    let seeded = (0..assignment.nodes.len())
                        .filter(|n| same_place(*n))
                        .flat_map(|n| &assignment.nodes[n].pods)
                        .map(|(p, _)| &instance.pods[*p])
                        .any(|o| o.label == *selector && o.rule != pod.rule);
                    let together =
                        seeded || *groups.entry((selector, *over)).or_insert(place) == place;
                    together && (here > own(selector) || (alone && own(selector) == 1))
                }
            };
            if !ok {
                found.push(Violation::Rule {
                    pod: pod.name.clone(),
                    node: number,
                });
            }
        }
    }
}
