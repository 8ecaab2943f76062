//! The true optimum of very small problems, by trying everything.
//!
//! It judges the solver in tests and shares nothing with it but the problem:
//! no classes merged, no types removed, every rule read anew for every node
//! and zone of every complete placement.

use super::problem::{Device, DeviceRequest, Per, Problem, Rule};
use crate::model::MicroUsdPerHour;

/// The largest number of items [`optimum`] accepts.
pub const MAX_ITEMS: usize = 10;

/// The least cost of placing **every** item, what items dislike included, or `None`
/// when that is impossible.
///
/// Also `None` above [`MAX_ITEMS`] items. The time grows faster than
/// exponentially: about a millisecond for 5 items, a second for 8.
///
/// ```
/// use cloudoptim_core::engines::bin_packing::solver::{
///     Class, NodeType, Offering, Problem, exact,
/// };
/// use cloudoptim_core::model::MicroUsdPerHour;
///
/// let price = |p| vec![Offering { price: Some(MicroUsdPerHour(p)), ..Offering::default() }];
/// let problem = Problem {
///     dims: vec!["cpu_milli".into()],
///     classes: vec![Class { id: "a".into(), count: 3, demand: vec![400], ..Class::default() }],
///     types: vec![
///         NodeType { id: "s".into(), capacity: vec![500], offerings: price(60), ..NodeType::default() },
///         NodeType { id: "m".into(), capacity: vec![900], offerings: price(100), ..NodeType::default() },
///     ],
///     ..Problem::default()
/// };
/// // One medium node with two items, one small with the third.
/// assert_eq!(exact::optimum(&problem), Some(MicroUsdPerHour(160)));
/// ```
pub fn optimum(problem: &Problem) -> Option<MicroUsdPerHour> {
    problem.validate().ok()?;
    let items: Vec<usize> = problem
        .classes
        .iter()
        .enumerate()
        .flat_map(|(i, c)| std::iter::repeat_n(i, c.count as usize))
        .collect();
    if items.len() > MAX_ITEMS {
        return None;
    }
    let mut search = Search {
        problem,
        items,
        on_node: vec![Vec::new(); problem.nodes.len()],
        groups: Vec::new(),
        best: None,
    };
    search.place(0);
    search.best.map(MicroUsdPerHour)
}

struct Search<'a> {
    problem: &'a Problem,
    /// Class of each item.
    items: Vec<usize>,
    /// Classes of the items on each existing node.
    on_node: Vec<Vec<usize>>,
    /// Classes of the items on each new node; its type comes last.
    groups: Vec<Vec<usize>>,
    best: Option<i64>,
}

impl Search<'_> {
    fn place(&mut self, item: usize) {
        let Some(class) = self.items.get(item).copied() else {
            let mut chosen = Vec::new();
            let on_nodes = self.on_node.iter().enumerate().flat_map(|(node, items)| {
                let classes = items.iter().map(|c| &self.problem.classes[*c]);
                classes.map(move |c| c.extra_on(node))
            });
            let beside = on_nodes.sum();
            self.buy(&mut chosen, beside);
            return;
        };
        for node in 0..self.on_node.len() {
            let existing = &self.problem.nodes[node];
            let c = &self.problem.classes[class];
            let zone_ok = existing.zone.is_none_or(|z| c.zones.contains(z));
            if existing.closed || !c.nodes.contains(node) || !zone_ok {
                continue;
            }
            self.on_node[node].push(class);
            if self.holds(&existing.free, &existing.devices, &self.on_node[node]) {
                self.place(item + 1);
            }
            self.on_node[node].pop();
        }
        for group in 0..=self.groups.len() {
            if group == self.groups.len() {
                self.groups.push(Vec::new());
            }
            self.groups[group].push(class);
            if self.some_type(&self.groups[group]) {
                self.place(item + 1);
            }
            self.groups[group].pop();
            if self.groups[group].is_empty() {
                self.groups.pop();
            }
        }
    }

    fn some_type(&self, group: &[usize]) -> bool {
        (0..self.problem.types.len()).any(|t| self.type_holds(t, group))
    }

    fn type_holds(&self, t: usize, group: &[usize]) -> bool {
        let node_type = &self.problem.types[t];
        group
            .iter()
            .all(|c| self.problem.classes[*c].types.contains(t))
            && self.holds(&node_type.capacity, &node_type.devices, group)
    }

    fn holds(&self, capacity: &[u64], devices: &[Device], group: &[usize]) -> bool {
        let classes = &self.problem.classes;
        let fits = capacity.iter().enumerate().all(|(r, c)| {
            let taken: u64 = group.iter().map(|i| classes[*i].demand[r]).sum();
            taken <= *c
        });
        let mut requests: Vec<&DeviceRequest> = group
            .iter()
            .filter_map(|i| classes[*i].devices.as_ref())
            .collect();
        requests.sort_by_key(|r| std::cmp::Reverse((r.milli, r.count)));
        fits && share_out(&mut devices.to_vec(), &requests, 0, 0)
    }

    /// Chooses an offering for each group, then asks the rules.
    fn buy(&mut self, chosen: &mut Vec<(usize, usize)>, cost: i64) {
        if self.best.is_some_and(|best| cost >= best) {
            return;
        }
        let Some(group) = self.groups.get(chosen.len()).cloned() else {
            if self.rules_hold(chosen) {
                self.best = Some(cost);
            }
            return;
        };
        let mut options = Vec::new();
        for (t, node_type) in self.problem.types.iter().enumerate() {
            if !self.type_holds(t, &group) {
                continue;
            }
            for (o, offering) in node_type.offerings.iter().enumerate() {
                let Some(price) = offering.price else {
                    continue;
                };
                let used = chosen.iter().filter(|c| **c == (t, o)).count();
                let left = offering.available.is_none_or(|n| used < n as usize)
                    && self.limits_leave(chosen, (t, o));
                let zone_ok = offering.zone.is_none_or(|z| {
                    let mut classes = group.iter().map(|c| &self.problem.classes[*c]);
                    classes.all(|c| c.zones.contains(z))
                });
                let beside = group.iter().map(|c| {
                    let class = &self.problem.classes[*c];
                    class.extra(t, offering.zone)
                });
                if left && zone_ok {
                    options.push((price.0 + beside.sum::<i64>(), t, o));
                }
            }
        }
        options.sort_unstable();
        for (price, t, o) in options {
            chosen.push((t, o));
            self.buy(chosen, cost + price);
            chosen.pop();
        }
    }

    /// Whether one more node of an offering breaks no purchase limit.
    fn limits_leave(&self, chosen: &[(usize, usize)], next: (usize, usize)) -> bool {
        self.problem.purchase_limits.iter().all(|limit| {
            let nodes = chosen.iter().chain([&next]);
            let taken = nodes.map(|(t, o)| u128::from(limit.taken_by(*t, *o)));
            taken.sum::<u128>() <= u128::from(limit.max)
        })
    }

    fn rules_hold(&self, chosen: &[(usize, usize)]) -> bool {
        let p = self.problem;
        // Every node with its zone, what was there and what came.
        let mut nodes: Vec<(Option<usize>, Vec<usize>, Vec<usize>)> = Vec::new();
        for (node, new) in p.nodes.iter().zip(&self.on_node) {
            let present = node
                .present
                .iter()
                .flat_map(|(c, n)| std::iter::repeat_n(*c, *n as usize))
                .collect();
            nodes.push((node.zone, present, new.clone()));
        }
        for (group, (t, o)) in self.groups.iter().zip(chosen) {
            nodes.push((p.types[*t].offerings[*o].zone, Vec::new(), group.clone()));
        }
        let domains = |per: Per| -> Vec<(Vec<usize>, Vec<usize>)> {
            match per {
                Per::Node => nodes
                    .iter()
                    .map(|(_, present, new)| (present.clone(), new.clone()))
                    .collect(),
                Per::Zone => (0..p.zones.len())
                    .map(|z| {
                        let mut both = (Vec::new(), Vec::new());
                        for (zone, present, new) in &nodes {
                            if *zone == Some(z) {
                                both.0.extend(present);
                                both.1.extend(new);
                            }
                        }
                        both
                    })
                    .collect(),
            }
        };
        let count =
            |list: &[usize], set: &[usize]| list.iter().filter(|c| set.contains(c)).count() as i64;
        p.rules.iter().all(|rule| match rule {
            Rule::CountLimit(r) => domains(r.per).iter().all(|(present, new)| {
                let with = count(present, &r.with) + count(new, &r.with);
                let of = count(present, &r.of) + count(new, &r.of);
                // What was broken before counts only when it gets worse.
                let touched = count(new, &r.with) + count(new, &r.of) > 0;
                !touched || with == 0 || of <= i64::from(r.max)
            }),
            Rule::ZoneSpread(r) => {
                let zones = domains(Per::Zone);
                let of = |z: usize| count(&zones[z].0, &r.of) + count(&zones[z].1, &r.of);
                let eligible: Vec<usize> =
                    (0..zones.len()).filter(|z| r.zones.contains(*z)).collect();
                let least = if eligible.len() < r.min_zones as usize {
                    0
                } else {
                    eligible.iter().map(|z| of(*z)).min().unwrap_or(0)
                };
                (0..zones.len()).all(|z| {
                    let with = count(&zones[z].1, &r.with);
                    with == 0 || of(z) <= least + i64::from(r.max_skew)
                })
            }
            Rule::Affinity(r) => {
                let list = domains(r.per);
                let mut started = 0;
                let all = list.iter().all(|(present, new)| {
                    let with = count(new, &r.with);
                    let own = new
                        .iter()
                        .filter(|c| r.with.contains(c) && r.of.contains(c))
                        .count();
                    let others = count(present, &r.of) + count(new, &r.of) - own as i64;
                    if with == 0 || others > 0 {
                        return true;
                    }
                    started += 1;
                    own > 0
                });
                let present: i64 = list.iter().map(|(here, _)| count(here, &r.of)).sum();
                all && (started == 0 || (started == 1 && present == 0))
            }
            #[allow(unreachable_patterns)] // more kinds of rules may come
            _ => false,
        })
    }
}

/// Whether the requests from `next` on can be served, `taken` devices of the
/// next one being chosen already (as a bit mask).
fn share_out(
    devices: &mut Vec<Device>,
    requests: &[&DeviceRequest],
    next: usize,
    taken: u64,
) -> bool {
    let Some(request) = requests.get(next) else {
        return true;
    };
    if taken.count_ones() == request.count {
        return share_out(devices, requests, next + 1, 0);
    }
    // Devices of one request are interchangeable: choose them in order.
    let first = 64 - taken.leading_zeros() as usize;
    for i in first..devices.len() {
        let device = devices[i];
        if device.milli < request.milli || !request.models.contains(device.model) {
            continue;
        }
        devices[i].milli -= request.milli;
        let served = share_out(devices, requests, next, taken | 1 << i);
        devices[i].milli += request.milli;
        if served {
            return true;
        }
    }
    false
}
