//! Packings that keep more of what items would rather have.
//!
//! The search knows what a node costs with the items on it, but most of its rules
//! fill nodes by amounts alone. Here the choice is made before: each class is cut
//! into parts that may only go where a place costs them no more than so much beside,
//! the whole of it where that is least, or as much as the fluid optimum puts there.
//! What is then packed is an ordinary problem, and judged by what it costs in all.

use super::bound;
use super::limited;
use super::model::Model;
use super::problem::{Affinity, Class, CountLimit, Mask, Problem, Rule, ZoneSpread};
use super::search;
use super::solution::{Effort, Placed, Progress, Solution, Stopped};
use super::stop::Stop;
use crate::model::MicroUsdPerHour;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// The same packing, or one that costs less with what items dislike.
pub(super) fn better(
    problem: &Problem,
    effort: &Effort,
    stop: &Stop,
    observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    first: Solution,
) -> Solution {
    let wanted = problem.classes.iter().filter(|c| c.count > 0);
    let settled = matches!(first.proof.stopped, Stopped::Optimal | Stopped::Observer);
    if settled || wanted.map(|c| c.dislikes.len()).sum::<usize>() == 0 {
        return first;
    }
    let quick = effort.strategies == 1;
    let model = Model::new(problem).until(stop);
    let mut best = first;
    let mut seen: Vec<Problem> = Vec::new();
    // The bound is known; but with what is made on the way to one of their own the
    // first two are never dearer than searches to which preferences are rules, or
    // nothing.
    for (name, parts, labels) in [
        (
            "preferences kept",
            Parts::kept(problem),
            effort.bound_labels,
        ),
        (
            "preferences ignored",
            Parts::without(problem),
            effort.bound_labels,
        ),
        (
            "preferences as the bound keeps them",
            Parts::flowing(problem, &model, effort.bound_pivots),
            0,
        ),
    ] {
        if stop.is_due() || seen.contains(&parts.problem) {
            continue;
        }
        let effort = effort.clone().with_bound_labels(labels);
        let found = search::run(&parts.problem, &effort, stop, &mut |_| {
            ControlFlow::Continue(())
        });
        seen.push(parts.problem.clone());
        let found = parts.back(problem, found);
        best.work.strategies += found.work.strategies;
        best.work.placements += found.work.placements;
        best.work.pivots += found.work.pivots;
        best.work.improvements += found.work.improvements;
        let cost = |s: &Solution| s.cost.0.saturating_add(s.preferences.0);
        // Who is left out for being cut has a place elsewhere.
        let left = |s: &Solution| -> BTreeMap<usize, u32> {
            let mut left = BTreeMap::new();
            for unplaced in &s.unplaced {
                *left.entry(unplaced.class).or_default() += unplaced.count;
            }
            left
        };
        if left(&found) == left(&best) && cost(&found) < cost(&best) {
            best.cost = found.cost;
            best.preferences = found.preferences;
            best.nodes = found.nodes;
            best.reused = found.reused;
            best.proof.strategy = format!("{name}: {}", found.proof.strategy);
            let certificate = best.proof.certificate.as_ref();
            best.purchase_limits = limited::uses(problem, &best.nodes, certificate);
            let unplaced = best.unplaced.iter().map(|u| u64::from(u.count)).sum();
            let flow = observe(Progress {
                cost: MicroUsdPerHour(cost(&best)),
                unplaced,
                strategy: &best.proof.strategy,
            });
            if cost(&best) == best.lower_bound.0 && unplaced == 0 {
                best.proof.stopped = Stopped::Optimal;
            }
            if flow.is_break() {
                best.proof.stopped = Stopped::Observer;
                return best;
            }
        }
        if quick || best.proof.stopped == Stopped::Optimal {
            break;
        }
    }
    if stop.was_due() && best.proof.stopped != Stopped::Optimal {
        best.proof.stopped = Stopped::Deadline;
    }
    best
}

/// A problem whose classes are cut into parts.
struct Parts {
    problem: Problem,
    /// Class of each part.
    of: Vec<usize>,
}

impl Parts {
    /// Every class where that costs it least, as far as sizes tell.
    fn kept(problem: &Problem) -> Self {
        Self::new(problem, |_, class| {
            let least = Places::new(problem, class).least();
            vec![(class.count, least)]
        })
    }

    /// As many items of each class at each cost as the fluid optimum puts there.
    fn flowing(problem: &Problem, model: &Model, pivots: u64) -> Self {
        let bound = bound::fluid(problem, model, pivots);
        let mut flow: Vec<BTreeMap<i64, f64>> = vec![BTreeMap::new(); model.shapes.len()];
        for ((ty, shape), amount) in &bound.flow {
            let extra = model.types[*ty].extra(*shape);
            *flow[*shape].entry(extra).or_default() += amount;
        }
        let shape_of = |class: usize| Some(model.kinds[*model.kind_of_class.get(class)?].shape);
        Self::new(problem, |index, class| {
            let flow = shape_of(index).map(|shape| &flow[shape]);
            let flow: Vec<(i64, f64)> = flow.into_iter().flatten().map(|(e, f)| (*e, *f)).collect();
            let all: f64 = flow.iter().map(|(_, f)| f).sum();
            if all <= 0.0 {
                return vec![(class.count, i64::MAX)];
            }
            let mut parts = Vec::new();
            let (mut so_far, mut given) = (0.0, 0);
            for (extra, amount) in flow {
                so_far += amount / all;
                let until = (f64::from(class.count) * so_far).round() as u32;
                let until = until.clamp(given, class.count);
                parts.push((until - given, extra));
                given = until;
            }
            if let Some((last, _)) = parts.last_mut() {
                *last += class.count - given;
            }
            parts.retain(|(count, _)| *count > 0);
            parts
        })
    }

    /// `cut` gives the parts of a class: how many, and what a place may cost them
    /// beside.
    fn new(problem: &Problem, cut: impl Fn(usize, &Class) -> Vec<(u32, i64)>) -> Self {
        let ids: BTreeSet<&str> = problem.classes.iter().map(|c| c.id.as_str()).collect();
        let mut classes: Vec<Class> = problem.classes.clone();
        let mut of: Vec<usize> = (0..classes.len()).collect();
        for (index, class) in problem.classes.iter().enumerate() {
            if class.count == 0 || class.dislikes.is_empty() {
                continue;
            }
            let places = Places::new(problem, class);
            for (at, (count, most)) in cut(index, class).into_iter().enumerate() {
                let part = Class {
                    count,
                    ..places.within(problem, class, most)
                };
                if at == 0 {
                    classes[index] = part;
                    continue;
                }
                let mut id = format!("{}/{at}", class.id);
                while ids.contains(id.as_str()) {
                    id.push('\'');
                }
                of.push(index);
                classes.push(Class { id, ..part });
            }
        }
        Self {
            problem: in_parts(problem, classes, &of),
            of,
        }
    }

    /// As if nobody disliked anything.
    fn without(problem: &Problem) -> Self {
        let mut free = problem.clone();
        for class in &mut free.classes {
            class.dislikes.clear();
        }
        Self {
            of: (0..free.classes.len()).collect(),
            problem: free,
        }
    }

    /// A solution in the classes of the whole, with what items dislike there.
    fn back(&self, whole: &Problem, mut solution: Solution) -> Solution {
        let merged = |items: &mut Vec<Placed>| {
            let mut counts: BTreeMap<(usize, Vec<usize>), u32> = BTreeMap::new();
            for item in items.drain(..) {
                *counts
                    .entry((self.of[item.class], item.devices))
                    .or_default() += item.count;
            }
            items.extend(counts.into_iter().map(|((class, devices), count)| Placed {
                class,
                count,
                devices,
            }));
        };
        for node in &mut solution.nodes {
            merged(&mut node.items);
        }
        for node in &mut solution.reused {
            merged(&mut node.items);
        }
        for unplaced in &mut solution.unplaced {
            unplaced.class = self.of[unplaced.class];
        }
        solution.nodes.sort();
        let new = solution.nodes.iter().flat_map(|node| {
            let items = node.items.iter();
            items.map(|item| {
                let class = &whole.classes[item.class];
                class.extra(node.node_type, node.zone) * i64::from(item.count)
            })
        });
        let old = solution.reused.iter().flat_map(|node| {
            let items = node.items.iter();
            items.map(|item| whole.classes[item.class].extra_on(node.node) * i64::from(item.count))
        });
        solution.preferences = MicroUsdPerHour(new.chain(old).sum());
        solution
    }
}

/// The problem with parts of classes in the place of these: `of` says whose part each
/// is. What rules say of a class they say of all its parts.
pub(super) fn in_parts(problem: &Problem, classes: Vec<Class>, of: &[usize]) -> Problem {
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); problem.classes.len()];
    for (part, class) in of.iter().enumerate() {
        parts[*class].push(part);
    }
    let all = |list: &[usize]| {
        let mut out: Vec<usize> = list.iter().flat_map(|c| parts[*c].clone()).collect();
        out.sort_unstable();
        out
    };
    let rules = problem.rules.iter().map(|rule| match rule {
        Rule::CountLimit(r) => Rule::CountLimit(CountLimit {
            with: all(&r.with),
            of: all(&r.of),
            ..r.clone()
        }),
        Rule::ZoneSpread(r) => Rule::ZoneSpread(ZoneSpread {
            with: all(&r.with),
            of: all(&r.of),
            ..r.clone()
        }),
        Rule::Affinity(r) => Rule::Affinity(Affinity {
            with: all(&r.with),
            of: all(&r.of),
            ..r.clone()
        }),
    });
    Problem {
        rules: rules.collect(),
        classes,
        ..problem.clone()
    }
}

/// What places that are large enough for an item cost it beside.
pub(super) struct Places {
    /// By type and zone of what is on sale.
    types: Vec<(usize, Option<usize>, i64)>,
    nodes: Vec<(usize, i64)>,
}

impl Places {
    fn new(problem: &Problem, class: &Class) -> Self {
        let holds = |has: &[u64]| class.demand.iter().zip(has).all(|(d, c)| d <= c);
        let types = Self::on_sale(problem, class);
        let types = types.filter(|(at, ..)| holds(&problem.types[*at].capacity));
        let types = types.collect();
        let mut nodes = Vec::new();
        for (at, n) in problem.nodes.iter().enumerate() {
            let here = n.zone.is_none_or(|z| class.zones.contains(z));
            if here && !n.closed && class.nodes.contains(at) && holds(&n.free) {
                nodes.push((at, class.extra_on(at)));
            }
        }
        Self { types, nodes }
    }

    /// Type, zone and what an item costs beside, of whatever is on sale for a class.
    pub(super) fn on_sale<'p>(
        problem: &'p Problem,
        class: &'p Class,
    ) -> impl Iterator<Item = (usize, Option<usize>, i64)> + 'p {
        let types = problem.types.iter().enumerate();
        let types = types.filter(|(at, _)| class.types.contains(*at));
        let all = types.flat_map(|(at, t)| t.offerings.iter().map(move |o| (at, o)));
        let here = all.filter(|(_, o)| {
            let zone = o.zone.is_none_or(|z| class.zones.contains(z));
            zone && o.price.is_some() && o.available != Some(0)
        });
        here.map(|(at, o)| (at, o.zone, class.extra(at, o.zone)))
    }

    fn least(&self) -> i64 {
        let types = self.types.iter().map(|(.., extra)| *extra);
        let nodes = self.nodes.iter().map(|(_, extra)| *extra);
        types.chain(nodes).min().unwrap_or(i64::MAX)
    }

    /// The class, only where a place costs it no more than that beside; in a zone in
    /// which some places do, others of it may cost more.
    fn within(&self, problem: &Problem, class: &Class, most: i64) -> Class {
        if most == i64::MAX {
            return class.clone();
        }
        let types = self.types.iter().filter(|(.., extra)| *extra <= most);
        let nodes = self.nodes.iter().filter(|(_, extra)| *extra <= most);
        let at_types = types.clone().filter_map(|(_, zone, _)| *zone);
        let at_nodes = nodes.clone().filter_map(|(at, _)| problem.nodes[*at].zone);
        let zones: Vec<usize> = at_types.chain(at_nodes).collect();
        Class {
            types: Mask::only(types.map(|(at, ..)| *at)),
            nodes: Mask::only(nodes.map(|(at, _)| *at)),
            zones: match problem.zones.len() {
                all if (0..all).all(|z| zones.contains(&z)) => Mask::All,
                _ => Mask::only(zones),
            },
            ..class.clone()
        }
    }
}
