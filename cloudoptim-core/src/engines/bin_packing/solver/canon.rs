//! One order for every way of writing the same problem down.

use super::grid::gcd;
use super::limited;
use super::problem::{
    Affinity, Class, CountLimit, DeviceRequest, Dislike, ExistingNode, Mask, NodeType, Problem,
    PurchaseLimit, Rule, Take, ZoneSpread,
};
use super::solution::{NewNode, Note, Placed, Solution, SplitOn};
use crate::model::MicroUsdPerHour;

/// A problem with every list sorted by id, and the way back.
#[derive(Debug, Clone)]
pub(super) struct Canonical {
    pub(super) problem: Problem,
    classes: Vec<usize>,
    types: Vec<usize>,
    nodes: Vec<usize>,
    zones: Vec<usize>,
    rules: Vec<usize>,
    dims: Vec<usize>,
    limits: Vec<usize>,
    /// Original offering index by canonical type and canonical offering.
    offerings: Vec<Vec<usize>>,
    /// Original device index by canonical type, or node, and canonical device.
    type_devices: Vec<Vec<usize>>,
    node_devices: Vec<Vec<usize>>,
}

/// `order[new] = old`, sorted by key.
fn order_by<K: Ord>(len: usize, key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_cached_key(|i| key(*i));
    order
}

/// `inverse[old] = new`.
fn inverse(order: &[usize]) -> Vec<usize> {
    let mut out = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        out[*old] = new;
    }
    out
}

fn permute<T: Clone>(items: &[T], order: &[usize]) -> Vec<T> {
    order.iter().map(|i| items[*i].clone()).collect()
}

fn mask(mask: &Mask, order: &[usize]) -> Mask {
    match mask {
        Mask::All => Mask::All,
        // A mask that holds everything is written as such, so that classes
        // which differ in spelling only are the same.
        Mask::Only(_) if order.iter().all(|old| mask.contains(*old)) => Mask::All,
        Mask::Only(_) => Mask::only(
            order
                .iter()
                .enumerate()
                .filter(|(_, old)| mask.contains(**old))
                .map(|(new, _)| new),
        ),
    }
}

/// Those that cost something, in an order of their own; where there is nothing to
/// place, none.
fn dislikes(class: &Class, types: &[usize], zones: &[usize], nodes: &[usize]) -> Vec<Dislike> {
    let all = class.dislikes.iter().filter(|_| class.count > 0);
    let some = all.filter(|d| d.cost > MicroUsdPerHour::ZERO);
    let mut out: Vec<Dislike> = some
        .map(|d| Dislike {
            types: mask(&d.types, types),
            zones: mask(&d.zones, zones),
            nodes: mask(&d.nodes, nodes),
            cost: d.cost,
        })
        .collect();
    out.sort_unstable();
    out
}

fn set(classes: &[usize], new_of: &[usize]) -> Vec<usize> {
    let mut out: Vec<usize> = classes.iter().map(|c| new_of[*c]).collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// By amount, what all demands of the counted classes that are taken are multiples
/// of; 0 where there is none.
fn steps(classes: &[Class], dims: usize, takes: &dyn Fn(usize, &Class) -> bool) -> Vec<u64> {
    let mut steps = vec![0; dims];
    for (c, class) in classes.iter().enumerate() {
        if class.count == 0 || !takes(c, class) {
            continue;
        }
        for (step, demand) in steps.iter_mut().zip(&class.demand) {
            *step = gcd(*step, *demand);
        }
        if steps.iter().all(|step| *step == 1) {
            break;
        }
    }
    steps
}

fn cut(amounts: &mut [u64], steps: &[u64]) {
    for (amount, step) in amounts.iter_mut().zip(steps) {
        *amount -= amount.checked_rem(*step).unwrap_or(0);
    }
}

impl Canonical {
    /// The same with capacities cut down to what the counted classes can take: a
    /// multiple of the greatest number that all of their demands are multiples of.
    /// No item ever gets what is above that, and bounds are the sharper for it.
    pub(super) fn on_grid(mut self) -> Self {
        let problem = &mut self.problem;
        let classes = &problem.classes;
        let dims = problem.dims.len();
        for (t, of) in problem.types.iter_mut().enumerate() {
            let takes = |_: usize, class: &Class| class.types.contains(t);
            cut(&mut of.capacity, &steps(classes, dims, &takes));
        }
        for (n, node) in problem.nodes.iter_mut().enumerate() {
            let present = &node.present;
            let takes = |c: usize, class: &Class| {
                class.nodes.contains(n) || present.iter().any(|(here, _)| *here == c)
            };
            cut(&mut node.free, &steps(classes, dims, &takes));
        }
        self
    }

    /// `problem` must be valid.
    pub(super) fn new(problem: &Problem) -> Self {
        let dims = order_by(problem.dims.len(), |i| problem.dims[i].clone());
        let zones = order_by(problem.zones.len(), |i| problem.zones[i].clone());
        let models = order_by(problem.models.len(), |i| problem.models[i].clone());
        let types = order_by(problem.types.len(), |i| problem.types[i].id.clone());
        let nodes = order_by(problem.nodes.len(), |i| problem.nodes[i].id.clone());
        let classes = order_by(problem.classes.len(), |i| problem.classes[i].id.clone());
        let (zone_new, model_new, class_new) =
            (inverse(&zones), inverse(&models), inverse(&classes));
        let devices = |list: &[super::problem::Device]| {
            let mut out: Vec<(super::problem::Device, usize)> = list
                .iter()
                .enumerate()
                .map(|(i, d)| {
                    let mut d = *d;
                    d.model = model_new[d.model];
                    (d, i)
                })
                .collect();
            out.sort_unstable();
            out.into_iter().unzip()
        };
        let limits = order_by(problem.purchase_limits.len(), |i| {
            problem.purchase_limits[i].id.clone()
        });
        let tables: Vec<Vec<Vec<u64>>> = limits
            .iter()
            .map(|l| limited::table(problem, &problem.purchase_limits[*l]))
            .collect();
        let mut offerings: Vec<Vec<usize>> = Vec::new();
        let mut type_devices = Vec::new();
        let mut node_devices = Vec::new();
        let new_types = types
            .iter()
            .map(|old| {
                let t = &problem.types[*old];
                let mut list: Vec<_> = t
                    .offerings
                    .iter()
                    .enumerate()
                    .map(|(i, o)| {
                        let mut o = o.clone();
                        o.zone = o.zone.map(|z| zone_new[z]);
                        (o, i)
                    })
                    .collect();
                let takes =
                    |i: usize| -> Vec<u64> { tables.iter().map(|table| table[*old][i]).collect() };
                list.sort_by_cached_key(|(o, i)| (o.zone, o.price, o.available, takes(*i), *i));
                let (list, from) = list.into_iter().unzip();
                offerings.push(from);
                let (device_list, from) = devices(&t.devices);
                type_devices.push(from);
                NodeType {
                    id: t.id.clone(),
                    capacity: permute(&t.capacity, &dims),
                    devices: device_list,
                    offerings: list,
                }
            })
            .collect();
        let new_nodes = nodes
            .iter()
            .map(|old| {
                let n = &problem.nodes[*old];
                let (device_list, from) = devices(&n.devices);
                node_devices.push(from);
                let mut present: Vec<(usize, u32)> =
                    n.present.iter().map(|(c, k)| (class_new[*c], *k)).collect();
                present.sort_unstable();
                ExistingNode {
                    id: n.id.clone(),
                    zone: n.zone.map(|z| zone_new[z]),
                    free: permute(&n.free, &dims),
                    devices: device_list,
                    present,
                    closed: n.closed,
                }
            })
            .collect();
        let new_limits = limits
            .iter()
            .zip(&tables)
            .map(|(old, table)| {
                let limit = &problem.purchase_limits[*old];
                let mut takes = Vec::new();
                for (node_type, offerings) in offerings.iter().enumerate() {
                    for (offering, from) in offerings.iter().enumerate() {
                        let amount = table[types[node_type]][*from];
                        if amount > 0 {
                            takes.push(Take {
                                node_type,
                                offering: Some(offering),
                                amount,
                            });
                        }
                    }
                }
                PurchaseLimit {
                    id: limit.id.clone(),
                    max: limit.max,
                    min: limit.min,
                    takes,
                }
            })
            .collect();
        let new_classes = classes
            .iter()
            .map(|old| {
                let c = &problem.classes[*old];
                Class {
                    id: c.id.clone(),
                    count: c.count,
                    demand: permute(&c.demand, &dims),
                    devices: c.devices.as_ref().map(|d| DeviceRequest {
                        count: d.count,
                        milli: d.milli,
                        models: mask(&d.models, &models),
                    }),
                    types: mask(&c.types, &types),
                    nodes: mask(&c.nodes, &nodes),
                    zones: mask(&c.zones, &zones),
                    dislikes: dislikes(c, &types, &zones, &nodes),
                }
            })
            .collect();
        let mut new_rules: Vec<(Rule, usize)> = problem
            .rules
            .iter()
            .map(|rule| match rule {
                Rule::CountLimit(r) => Rule::CountLimit(CountLimit {
                    per: r.per,
                    with: set(&r.with, &class_new),
                    of: set(&r.of, &class_new),
                    max: r.max,
                }),
                Rule::ZoneSpread(r) => Rule::ZoneSpread(ZoneSpread {
                    with: set(&r.with, &class_new),
                    of: set(&r.of, &class_new),
                    max_skew: r.max_skew,
                    zones: mask(&r.zones, &zones),
                    min_zones: r.min_zones,
                }),
                Rule::Affinity(r) => Rule::Affinity(Affinity {
                    per: r.per,
                    with: set(&r.with, &class_new),
                    of: set(&r.of, &class_new),
                }),
            })
            .zip(0..)
            .collect();
        new_rules.sort_by_cached_key(|(rule, i)| (key(rule), *i));
        let (new_rules, rules) = new_rules.into_iter().unzip();
        Self {
            problem: Problem {
                dims: permute(&problem.dims, &dims),
                zones: permute(&problem.zones, &zones),
                models: permute(&problem.models, &models),
                types: new_types,
                nodes: new_nodes,
                classes: new_classes,
                rules: new_rules,
                purchase_limits: new_limits,
            },
            classes,
            types,
            nodes,
            zones,
            rules,
            dims,
            limits,
            offerings,
            type_devices,
            node_devices,
        }
    }

    /// Canonical indices of rules by their original ones.
    pub(super) fn rules_new(&self, rules: &[usize]) -> Vec<usize> {
        let new = inverse(&self.rules);
        rules.iter().filter_map(|r| new.get(*r).copied()).collect()
    }

    /// Index of the original class.
    pub(super) fn class(&self, canonical: usize) -> usize {
        self.classes[canonical]
    }

    /// Index of the original node.
    pub(super) fn node(&self, canonical: usize) -> usize {
        self.nodes[canonical]
    }

    /// Canonical indices of classes and of nodes by their original ones.
    pub(super) fn inverse(&self) -> (Vec<usize>, Vec<usize>) {
        (inverse(&self.classes), inverse(&self.nodes))
    }

    /// The canonical index of a purchase limit.
    pub(super) fn limit_new(&self, limit: usize) -> usize {
        let new = self.limits.iter().position(|old| *old == limit);
        new.unwrap_or(limit)
    }

    /// Bought nodes in the indices of the original problem.
    pub(super) fn bought_back(&self, nodes: &mut [NewNode]) {
        for node in nodes {
            for item in &mut node.items {
                item.class = self.classes[item.class];
                for device in &mut item.devices {
                    *device = self.type_devices[node.node_type][*device];
                }
            }
            node.offering = self.offerings[node.node_type][node.offering];
            node.node_type = self.types[node.node_type];
            node.zone = node.zone.map(|z| self.zones[z]);
        }
    }

    /// The same solution in the indices of the original problem. Lists keep
    /// their canonical order.
    pub(super) fn back(&self, mut solution: Solution) -> Solution {
        let placed = |items: &mut Vec<Placed>, devices: &[usize]| {
            for item in items {
                item.class = self.classes[item.class];
                for device in &mut item.devices {
                    *device = devices[*device];
                }
            }
        };
        self.bought_back(&mut solution.nodes);
        for reused in &mut solution.reused {
            placed(&mut reused.items, &self.node_devices[reused.node]);
            reused.node = self.nodes[reused.node];
        }
        for unplaced in &mut solution.unplaced {
            unplaced.class = self.classes[unplaced.class];
        }
        for limit in &mut solution.purchase_limits {
            limit.limit = self.limits[limit.limit];
        }
        for note in &mut solution.proof.notes {
            if let Note::LimitReached { limit } = note {
                *limit = self.limits[*limit];
            }
        }
        if let Some(certificate) = &mut solution.proof.certificate {
            if !certificate.limit_values.is_empty() {
                let mut values = vec![0; self.limits.len()];
                for (new, value) in certificate.limit_values.iter().enumerate() {
                    values[self.limits[new]] = *value;
                }
                certificate.limit_values = values;
            }
            let mut values = vec![0; certificate.class_values.len()];
            for (new, value) in certificate.class_values.iter().enumerate() {
                values[self.classes[new]] = *value;
            }
            certificate.class_values = values;
            for split in &mut certificate.splits {
                split.on = match split.on {
                    SplitOn::Type(i) => SplitOn::Type(self.types[i]),
                    SplitOn::Existing => SplitOn::Existing,
                };
                for share in &mut split.shares {
                    share.of = share.of.map(|i| self.dims[i], |i| self.rules[i]);
                }
            }
        }
        solution
    }
}

/// Rules in an order that depends on their content only.
fn key(rule: &Rule) -> (u8, Vec<usize>, Vec<usize>, Vec<u64>) {
    match rule {
        Rule::CountLimit(r) => {
            let per = r.per as u64;
            (0, r.with.clone(), r.of.clone(), vec![per, u64::from(r.max)])
        }
        Rule::ZoneSpread(r) => {
            let zones = match &r.zones {
                Mask::All => u64::MAX,
                Mask::Only(words) => words.first().copied().unwrap_or(0),
            };
            let skew = u64::from(r.max_skew);
            (
                1,
                r.with.clone(),
                r.of.clone(),
                vec![skew, zones, u64::from(r.min_zones)],
            )
        }
        Rule::Affinity(r) => (2, r.with.clone(), r.of.clone(), vec![r.per as u64]),
    }
}
