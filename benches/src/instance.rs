//! One packing instance in neutral form, and its way to the solver and back.

use crate::machine_limits::MachineLimit;
use cloudoptim_core::engines::bin_packing::solver::{
    Affinity, Class, CountLimit, Device, DeviceRequest, Mask, NodeType, Offering, Per, Problem,
    Rule, Solution, ZoneSpread,
};
use cloudoptim_core::model::MicroUsdPerHour;
use std::collections::BTreeMap;

/// Pods, node types and rules, as the files give them.
#[derive(Debug, Clone, Default)]
pub struct Instance {
    /// Name, from the file.
    pub name: String,
    /// Names of the resources in [`Pod::amounts`] and [`Machine::amounts`].
    pub dims: Vec<String>,
    /// What to place.
    pub pods: Vec<Pod>,
    /// What can be bought.
    pub machines: Vec<Machine>,
    /// Zones a machine can be bought in; empty when zones do not matter.
    pub zones: Vec<String>,
    /// `(app, other, max)`: on a node that runs `app`, at most `max` pods of
    /// `other`.
    pub app_limits: Vec<(String, String, u32)>,
    /// What bought machines may have together.
    pub machine_limits: Vec<MachineLimit>,
    /// Best number of nodes, or cost, known from the literature.
    pub best_known: Option<f64>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// What it takes of each resource.
    pub amounts: Vec<u64>,
    /// GPUs it takes.
    pub gpus: u32,
    /// Thousandths it takes of each.
    pub gpu_milli: u32,
    /// GPU models it accepts; empty = any.
    pub gpu_models: Vec<String>,
    /// Application it belongs to, for limits between applications.
    pub app: String,
    /// At most this many pods of its application on one node.
    pub max_per_node: Option<u32>,
    /// Label that selectors match, such as `my-label=a`.
    pub label: String,
    /// Placement rule.
    pub rule: PodRule,
}

/// The placement rule of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PodRule {
    /// None.
    #[default]
    None,
    /// Hard topology spread of what `selector` matches.
    Spread {
        /// Node or zone.
        over: Topology,
        /// Label counted.
        selector: String,
        /// Maximum skew.
        skew: u32,
    },
    /// Required affinity to a label.
    Affinity {
        /// Node or zone.
        over: Topology,
        /// Label wanted.
        selector: String,
    },
    /// Required anti-affinity to a label.
    AntiAffinity {
        /// Node or zone.
        over: Topology,
        /// Label shunned.
        selector: String,
    },
}

/// A topology key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topology {
    /// `kubernetes.io/hostname`.
    Node,
    /// `topology.kubernetes.io/zone`.
    Zone,
}

/// A node type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Machine {
    /// Name.
    pub name: String,
    /// What it offers of each resource.
    pub amounts: Vec<u64>,
    /// Model and thousandths of each GPU.
    pub gpus: Vec<(String, u32)>,
    /// Price per hour.
    pub price: MicroUsdPerHour,
    /// Zones it is offered in; ignored when the instance has no zones.
    pub zones: Vec<String>,
}

/// One node of an answer, pod by pod.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Index into [`Instance::machines`].
    pub machine: usize,
    /// Zone, by index into [`Instance::zones`].
    pub zone: Option<usize>,
    /// Pods on it (index into [`Instance::pods`]) with their GPUs.
    pub pods: Vec<(usize, Vec<usize>)>,
}

/// Who goes where.
#[derive(Debug, Clone, Default)]
pub struct Assignment {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Pods without a node.
    pub unplaced: Vec<usize>,
}

impl Instance {
    /// Drops every placement rule (`--plain`); sizes and devices stay.
    #[must_use]
    pub fn plain(mut self) -> Self {
        for pod in &mut self.pods {
            pod.rule = PodRule::None;
            pod.max_per_node = None;
        }
        self.app_limits.clear();
        self.zones.clear();
        self
    }

    /// The numeric problem, and the pods behind each of its classes.
    pub fn problem(&self) -> (Problem, Vec<Vec<usize>>) {
        // A limit counts all pods of the application, those without one too.
        let own = self.pods.iter().filter(|p| p.max_per_node.is_some());
        let limited: std::collections::BTreeSet<&str> = self
            .app_limits
            .iter()
            .flat_map(|(a, b, _)| [a.as_str(), b.as_str()])
            .chain(own.map(|p| p.app.as_str()))
            .collect();
        // Pods that differ in name only are one class.
        let mut groups: BTreeMap<Pod, Vec<usize>> = BTreeMap::new();
        for (i, pod) in self.pods.iter().enumerate() {
            let mut key = pod.clone();
            key.name = String::new();
            if !limited.contains(pod.app.as_str()) {
                key.app = String::new();
            }
            groups.entry(key).or_default().push(i);
        }
        let mut models: Vec<String> = self
            .machines
            .iter()
            .flat_map(|m| m.gpus.iter().map(|g| g.0.clone()))
            .collect();
        models.sort();
        models.dedup();
        let model = |name: &str| models.iter().position(|m| m == name);
        let classes: Vec<Class> = groups
            .keys()
            .enumerate()
            .map(|(i, pod)| Class {
                id: format!("{i:06}"),
                count: groups[pod].len() as u32,
                demand: pod.amounts.clone(),
                devices: (pod.gpus > 0).then(|| DeviceRequest {
                    count: pod.gpus,
                    milli: pod.gpu_milli,
                    models: if pod.gpu_models.is_empty() {
                        Mask::All
                    } else {
                        Mask::only(pod.gpu_models.iter().filter_map(|m| model(m)))
                    },
                }),
                ..Class::default()
            })
            .collect();
        let zone = |name: &str| self.zones.iter().position(|z| z == name);
        let types = self
            .machines
            .iter()
            .map(|m| NodeType {
                id: m.name.clone(),
                capacity: m.amounts.clone(),
                devices: m
                    .gpus
                    .iter()
                    .filter_map(|(name, milli)| {
                        Some(Device {
                            model: model(name)?,
                            milli: *milli,
                        })
                    })
                    .collect(),
                offerings: if self.zones.is_empty() {
                    vec![Offering {
                        zone: None,
                        price: Some(m.price),
                        available: None,
                    }]
                } else {
                    m.zones
                        .iter()
                        .filter_map(|z| zone(z))
                        .map(|z| Offering {
                            zone: Some(z),
                            price: Some(m.price),
                            available: None,
                        })
                        .collect()
                },
            })
            .collect();
        let pods: Vec<&Pod> = groups.keys().collect();
        let problem = Problem {
            dims: self.dims.clone(),
            zones: self.zones.clone(),
            models,
            types,
            nodes: Vec::new(),
            rules: self.rules(&pods),
            classes,
            purchase_limits: self
                .machine_limits
                .iter()
                .map(|limit| limit.for_solver(self))
                .collect(),
        };
        (problem, groups.into_values().collect())
    }

    fn rules(&self, pods: &[&Pod]) -> Vec<Rule> {
        let which = |f: &dyn Fn(&Pod) -> bool| -> Vec<usize> {
            (0..pods.len()).filter(|i| f(pods[*i])).collect()
        };
        let mut rules = Vec::new();
        let mut seen: Vec<&PodRule> = pods.iter().map(|p| &p.rule).collect();
        seen.sort();
        seen.dedup();
        for rule in seen {
            let with = which(&|p| p.rule == *rule);
            match rule {
                PodRule::None => {}
                PodRule::Spread {
                    over: Topology::Node,
                    selector,
                    skew,
                } => rules.push(Rule::CountLimit(CountLimit {
                    // An empty node is always possible, so the emptiest holds
                    // none and the skew is a maximum.
                    per: Per::Node,
                    with,
                    of: which(&|p| p.label == *selector),
                    max: *skew,
                })),
                PodRule::Spread {
                    over: Topology::Zone,
                    selector,
                    skew,
                } => rules.push(Rule::ZoneSpread(ZoneSpread {
                    with,
                    of: which(&|p| p.label == *selector),
                    max_skew: *skew,
                    zones: Mask::All,
                    min_zones: 0,
                })),
                PodRule::Affinity { over, selector } => rules.push(Rule::Affinity(Affinity {
                    per: per(*over),
                    with,
                    of: which(&|p| p.label == *selector),
                })),
                PodRule::AntiAffinity { over, selector } => {
                    let of = which(&|p| p.label == *selector);
                    let (inside, outside): (Vec<usize>, Vec<usize>) =
                        with.iter().partition(|i| of.contains(i));
                    for (with, max) in [(inside, 1), (outside, 0)] {
                        if !with.is_empty() {
                            rules.push(Rule::CountLimit(CountLimit {
                                per: per(*over),
                                with,
                                of: of.clone(),
                                max,
                            }));
                        }
                    }
                }
            }
        }
        let mut by_app: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, pod) in pods.iter().enumerate() {
            by_app.entry(pod.app.as_str()).or_default().push(i);
        }
        for (app, members) in &by_app {
            // The strictest limit among the pods of an application binds
            // wherever one of those that ask for it stands.
            let mut limits: Vec<u32> = members
                .iter()
                .filter_map(|i| pods[*i].max_per_node)
                .collect();
            limits.sort_unstable();
            limits.dedup();
            for max in limits {
                rules.push(Rule::CountLimit(CountLimit {
                    per: Per::Node,
                    with: which(&|p| p.app == *app && p.max_per_node == Some(max)),
                    of: members.clone(),
                    max,
                }));
            }
        }
        for (app, other, max) in &self.app_limits {
            let (Some(with), Some(of)) = (by_app.get(app.as_str()), by_app.get(other.as_str()))
            else {
                continue;
            };
            rules.push(Rule::CountLimit(CountLimit {
                per: Per::Node,
                with: with.clone(),
                of: of.clone(),
                max: *max,
            }));
        }
        rules
    }

    /// The answer pod by pod. `groups` are those of [`Instance::problem`].
    pub fn assignment(&self, solution: &Solution, groups: &[Vec<usize>]) -> Assignment {
        let mut next: Vec<std::slice::Iter<'_, usize>> = groups.iter().map(|g| g.iter()).collect();
        let mut nodes = Vec::new();
        for new in &solution.nodes {
            let mut node = Node {
                machine: new.node_type,
                zone: new.zone,
                pods: Vec::new(),
            };
            for placed in &new.items {
                for _ in 0..placed.count {
                    if let Some(pod) = next[placed.class].next() {
                        node.pods.push((*pod, placed.devices.clone()));
                    }
                }
            }
            nodes.push(node);
        }
        let mut unplaced = Vec::new();
        for rest in next {
            unplaced.extend(rest.copied());
        }
        Assignment { nodes, unplaced }
    }
}

fn per(topology: Topology) -> Per {
    match topology {
        Topology::Node => Per::Node,
        Topology::Zone => Per::Zone,
    }
}
