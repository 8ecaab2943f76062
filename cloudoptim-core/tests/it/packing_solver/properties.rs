//! Properties on generated problems.

use super::naive::{faults, unproven};
use cloudoptim_core::engines::bin_packing::solver::{
    Affinity, BoundMethod, Class, CountLimit, Device, DeviceRequest, Dislike, Effort, Existing,
    ExistingNode, Mask, NodeType, Offering, Per, Problem, PurchaseLimit, Rule, Solution, Take,
    UnplacedReason, ZoneSpread, exact, solve,
};
use cloudoptim_core::model::MicroUsdPerHour;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseError, TestRunner};

/// How large and how rich generated problems are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) classes: usize,
    pub(super) per_class: u32,
    pub(super) types: usize,
    pub(super) zones: usize,
    pub(super) nodes: usize,
    pub(super) rules: usize,
    pub(super) devices: bool,
    pub(super) stock: bool,
    /// Whether some places cost items something beside.
    pub(super) dislikes: bool,
}

pub(super) const RICH: Shape = Shape {
    classes: 8,
    per_class: 12,
    types: 6,
    zones: 3,
    nodes: 4,
    rules: 5,
    devices: true,
    stock: true,
    dislikes: true,
};

fn mask(len: usize) -> BoxedStrategy<Mask> {
    if len == 0 {
        return Just(Mask::All).boxed();
    }
    let only = some(len).prop_map(Mask::only);
    prop_oneof![3 => Just(Mask::All), 1 => only].boxed()
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(
    at_all: bool,
    weight: f64,
    inner: BoxedStrategy<T>,
) -> BoxedStrategy<Option<T>> {
    if at_all {
        proptest::option::weighted(weight, inner).boxed()
    } else {
        Just(None).boxed()
    }
}

fn some(len: usize) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(any::<bool>(), len)
        .prop_map(|bits| (0..bits.len()).filter(|i| bits[*i]).collect())
}

fn dislikes(shape: Shape) -> BoxedStrategy<Vec<Dislike>> {
    if !shape.dislikes {
        return Just(Vec::new()).boxed();
    }
    let cost = prop_oneof![1 => Just(0), 3 => 1i64..400, 1 => 400i64..8_000];
    let zones = if shape.zones == 0 {
        Just(Mask::All).boxed()
    } else {
        mask(shape.zones)
    };
    let one = (some(shape.types), some(shape.nodes), zones, cost).prop_map(
        |(types, nodes, zones, cost)| Dislike {
            types: Mask::only(types),
            zones,
            nodes: Mask::only(nodes),
            cost: MicroUsdPerHour(cost * 100),
        },
    );
    prop_oneof![3 => Just(Vec::new()), 1 => proptest::collection::vec(one, 1..3)].boxed()
}

fn classes(shape: Shape) -> impl Strategy<Value = Vec<Class>> {
    let device = (1u32..3, prop_oneof![Just(1000u32), 100u32..1000], mask(2)).prop_map(
        |(count, milli, models)| DeviceRequest {
            count: if milli < 1000 { 1 } else { count },
            milli,
            models,
        },
    );
    let one = (
        0..=shape.per_class,
        1u64..60,
        1u64..60,
        maybe(shape.devices, 0.25, device.boxed()),
        mask(shape.types),
        mask(shape.nodes),
        mask(shape.zones),
        dislikes(shape),
    );
    proptest::collection::vec(one, 1..=shape.classes).prop_map(move |list| {
        list.into_iter()
            .enumerate()
            .map(
                |(i, (count, cpu, memory, devices, types, nodes, zones, dislikes))| Class {
                    id: format!("c{i}"),
                    count,
                    demand: vec![cpu, memory],
                    devices,
                    types,
                    nodes,
                    zones: if shape.zones == 0 { Mask::All } else { zones },
                    dislikes,
                },
            )
            .collect()
    })
}

fn types(shape: Shape) -> impl Strategy<Value = Vec<NodeType>> {
    let offering = (
        proptest::option::weighted(0.9, 1i64..5_000),
        maybe(shape.stock, 0.1, (0u32..4).boxed()),
    );
    let one = (
        20u64..200,
        20u64..200,
        proptest::collection::vec((0usize..2, 200u32..=1000), 0..3),
        proptest::collection::vec(offering, shape.zones.max(1)),
        any::<bool>(),
    );
    proptest::collection::vec(one, shape.types).prop_map(move |list| {
        list.into_iter()
            .enumerate()
            .map(|(i, (cpu, memory, devices, offerings, whole))| NodeType {
                id: format!("t{i}"),
                capacity: vec![cpu, memory],
                devices: if shape.devices {
                    let milli = |m| if whole { 1000 } else { m };
                    let device = |(model, m)| Device {
                        model,
                        milli: milli(m),
                    };
                    devices.into_iter().map(device).collect()
                } else {
                    Vec::new()
                },
                offerings: offerings
                    .into_iter()
                    .enumerate()
                    .map(|(z, (price, available))| Offering {
                        zone: (shape.zones > 0).then_some(z),
                        price: price.map(|p| MicroUsdPerHour(p * 1_000 + i as i64)),
                        available,
                    })
                    .collect(),
            })
            .collect()
    })
}

fn rule(shape: Shape, classes: usize) -> BoxedStrategy<Rule> {
    let per = if shape.zones > 0 {
        prop_oneof![3 => Just(Per::Node), 1 => Just(Per::Zone)].boxed()
    } else {
        Just(Per::Node).boxed()
    };
    let limit = (per.clone(), some(classes), some(classes), 0u32..4)
        .prop_map(|(per, with, of, max)| Rule::CountLimit(CountLimit { per, with, of, max }));
    let alone = (per.clone(), some(classes), 1u32..3).prop_map(|(per, with, max)| {
        Rule::CountLimit(CountLimit {
            per,
            of: with.clone(),
            with,
            max,
        })
    });
    let affinity = (per, some(classes), some(classes))
        .prop_map(|(per, with, of)| Rule::Affinity(Affinity { per, with, of }));
    if shape.zones == 0 {
        return prop_oneof![limit, alone].boxed();
    }
    let spread = (some(classes), some(classes), 1u32..3, 0u32..4).prop_map(
        |(with, of, max_skew, min_zones)| {
            Rule::ZoneSpread(ZoneSpread {
                with,
                of,
                max_skew,
                zones: Mask::All,
                min_zones,
            })
        },
    );
    let even = (some(classes), 1u32..3).prop_map(|(with, max_skew)| {
        Rule::ZoneSpread(ZoneSpread {
            of: with.clone(),
            with,
            max_skew,
            zones: Mask::All,
            min_zones: 0,
        })
    });
    prop_oneof![3 => limit, 3 => alone, 1 => affinity, 1 => spread, 2 => even].boxed()
}

pub(super) fn problem(shape: Shape) -> impl Strategy<Value = Problem> {
    (classes(shape), types(shape)).prop_flat_map(move |(classes, types)| {
        let n = classes.len();
        let node = (
            0u64..120,
            0u64..120,
            proptest::collection::vec((0usize..2, 0u32..=1000), 0..2),
            0usize..shape.zones.max(1),
            proptest::collection::vec((0usize..n, 1u32..3), 0..3),
            proptest::bool::weighted(0.2),
        );
        (
            Just(classes),
            Just(types),
            proptest::collection::vec(node, shape.nodes),
            proptest::collection::vec(rule(shape, n), 0..=shape.rules),
        )
            .prop_map(move |(classes, types, nodes, rules)| Problem {
                dims: vec!["cpu".into(), "memory".into()],
                zones: (0..shape.zones).map(|z| format!("z{z}")).collect(),
                models: vec!["A".into(), "B".into()],
                types,
                nodes: nodes
                    .into_iter()
                    .enumerate()
                    .map(
                        |(i, (cpu, memory, devices, zone, present, closed))| ExistingNode {
                            id: format!("n{i}"),
                            zone: (shape.zones > 0).then_some(zone),
                            free: vec![cpu, memory],
                            devices: devices
                                .into_iter()
                                .map(|(model, milli)| Device { model, milli })
                                .collect(),
                            present,
                            closed,
                        },
                    )
                    .collect(),
                classes,
                rules,
                purchase_limits: Vec::new(),
            })
    })
}

/// What a solution says, in ids, in one order.
pub(super) fn readable(problem: &Problem, solution: &Solution) -> Vec<String> {
    let mut out = vec![format!(
        "{} {} {} {:?}",
        solution.cost, solution.preferences, solution.lower_bound, solution.proof.stopped
    )];
    let items = |items: &[cloudoptim_core::engines::bin_packing::solver::Placed]| {
        let mut out: Vec<String> = items
            .iter()
            .map(|p| {
                let id = &problem.classes[p.class].id;
                format!("{id}×{} on {}", p.count, p.devices.len())
            })
            .collect();
        out.sort();
        out.join(" ")
    };
    for n in &solution.nodes {
        let zone = n.zone.map(|z| problem.zones[z].clone());
        let id = &problem.types[n.node_type].id;
        out.push(format!("new {id} {zone:?} {}", items(&n.items)));
    }
    for r in &solution.reused {
        out.push(format!(
            "old {} {}",
            problem.nodes[r.node].id,
            items(&r.items)
        ));
    }
    for u in &solution.unplaced {
        let id = &problem.classes[u.class].id;
        out.push(format!("left {id}×{} {}", u.count, u.reason));
    }
    out.sort();
    out
}

/// Reverses and rotates every list of a problem, with all indices.
pub(super) fn shuffled(p: &Problem, by: usize) -> Problem {
    let order = |n: usize| -> Vec<usize> {
        let mut v: Vec<usize> = (0..n).rev().collect();
        if n > 0 {
            v.rotate_left(by % n);
        }
        v
    };
    let inverse = |order: &[usize]| {
        let mut out = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            out[*old] = new;
        }
        out
    };
    let (classes, types, nodes, zones) = (
        order(p.classes.len()),
        order(p.types.len()),
        order(p.nodes.len()),
        order(p.zones.len()),
    );
    let (dims, rules) = (order(p.dims.len()), order(p.rules.len()));
    let (new_class, new_zone) = (inverse(&classes), inverse(&zones));
    let mask = |m: &Mask, order: &[usize]| match m {
        Mask::All => Mask::All,
        Mask::Only(_) => Mask::only((0..order.len()).filter(|i| m.contains(order[*i]))),
    };
    let amounts = |v: &[u64]| dims.iter().map(|d| v[*d]).collect::<Vec<u64>>();
    let set = |v: &[usize]| {
        v.iter()
            .rev()
            .map(|c| new_class[*c])
            .collect::<Vec<usize>>()
    };
    Problem {
        dims: dims.iter().map(|d| p.dims[*d].clone()).collect(),
        zones: zones.iter().map(|z| p.zones[*z].clone()).collect(),
        models: p.models.clone(),
        types: types
            .iter()
            .map(|t| {
                let t = &p.types[*t];
                NodeType {
                    id: t.id.clone(),
                    capacity: amounts(&t.capacity),
                    devices: t.devices.iter().rev().copied().collect(),
                    offerings: t
                        .offerings
                        .iter()
                        .rev()
                        .map(|o| Offering {
                            zone: o.zone.map(|z| new_zone[z]),
                            ..o.clone()
                        })
                        .collect(),
                }
            })
            .collect(),
        nodes: nodes
            .iter()
            .map(|n| {
                let n = &p.nodes[*n];
                ExistingNode {
                    id: n.id.clone(),
                    zone: n.zone.map(|z| new_zone[z]),
                    free: amounts(&n.free),
                    devices: n.devices.iter().rev().copied().collect(),
                    present: n
                        .present
                        .iter()
                        .rev()
                        .map(|(c, k)| (new_class[*c], *k))
                        .collect(),
                    closed: n.closed,
                }
            })
            .collect(),
        classes: classes
            .iter()
            .map(|c| {
                let c = &p.classes[*c];
                Class {
                    id: c.id.clone(),
                    count: c.count,
                    demand: amounts(&c.demand),
                    devices: c.devices.clone(),
                    types: mask(&c.types, &types),
                    nodes: mask(&c.nodes, &nodes),
                    zones: mask(&c.zones, &zones),
                    dislikes: c
                        .dislikes
                        .iter()
                        .rev()
                        .map(|d| Dislike {
                            types: mask(&d.types, &types),
                            zones: mask(&d.zones, &zones),
                            nodes: mask(&d.nodes, &nodes),
                            cost: d.cost,
                        })
                        .collect(),
                }
            })
            .collect(),
        rules: rules
            .iter()
            .map(|r| match &p.rules[*r] {
                Rule::CountLimit(l) => Rule::CountLimit(CountLimit {
                    with: set(&l.with),
                    of: set(&l.of),
                    ..l.clone()
                }),
                Rule::ZoneSpread(s) => Rule::ZoneSpread(ZoneSpread {
                    with: set(&s.with),
                    of: set(&s.of),
                    ..s.clone()
                }),
                Rule::Affinity(a) => Rule::Affinity(Affinity {
                    with: set(&a.with),
                    of: set(&a.of),
                    ..a.clone()
                }),
                other => other.clone(),
            })
            .collect(),
        purchase_limits: shuffled_limits(p, &inverse(&types)),
    }
}

fn shuffled_limits(p: &Problem, new_type: &[usize]) -> Vec<PurchaseLimit> {
    let limits = p.purchase_limits.iter().rev().map(|limit| {
        let takes = limit.takes.iter().rev().map(|take| {
            let last = p.types[take.node_type].offerings.len() - 1;
            Take {
                node_type: new_type[take.node_type],
                offering: take.offering.map(|o| last - o),
                ..*take
            }
        });
        PurchaseLimit {
            takes: takes.collect(),
            ..limit.clone()
        }
    });
    limits.collect()
}

/// Cost of first-fit decreasing, opening `opens` or, where that does not take
/// the item, the cheapest type that does. For problems without zones, rules,
/// devices and existing nodes.
fn first_fit_decreasing(p: &Problem, opens: Option<usize>) -> Option<i64> {
    let price = |t: usize| p.types[t].offerings[0].price.map(|x| x.0);
    let fits = |t: usize, c: &Class| {
        c.types.contains(t)
            && c.demand
                .iter()
                .zip(&p.types[t].capacity)
                .all(|(d, k)| d <= k)
    };
    let most: Vec<u64> = (0..2)
        .map(|r| p.types.iter().map(|t| t.capacity[r]).max().unwrap_or(1))
        .collect();
    let mut items: Vec<&Class> = Vec::new();
    for class in &p.classes {
        items.extend(std::iter::repeat_n(class, class.count as usize));
    }
    items.sort_by(|a, b| {
        let size =
            |c: &Class| c.demand[0] as f64 / most[0] as f64 + c.demand[1] as f64 / most[1] as f64;
        size(b).total_cmp(&size(a)).then(a.id.cmp(&b.id))
    });
    let mut bins: Vec<(usize, Vec<u64>)> = Vec::new();
    let mut cost = 0;
    for class in items {
        let open = bins.iter_mut().find(|(t, free)| {
            fits(*t, class) && class.demand.iter().zip(free.iter()).all(|(d, f)| d <= f)
        });
        match open {
            Some((_, free)) => {
                for (f, d) in free.iter_mut().zip(&class.demand) {
                    *f -= d;
                }
            }
            None => {
                let preferred = opens.filter(|t| fits(*t, class) && price(*t).is_some());
                let cheapest = || {
                    (0..p.types.len())
                        .filter(|t| fits(*t, class) && price(*t).is_some())
                        .min_by_key(|t| (price(*t), p.types[*t].id.clone()))
                };
                let Some(t) = preferred.or_else(cheapest) else {
                    continue;
                };
                cost += price(t)?;
                let free = p.types[t].capacity.iter().zip(&class.demand);
                bins.push((t, free.map(|(c, d)| c - d).collect()));
            }
        }
    }
    Some(cost)
}

/// What nodes cost, and what items dislike.
pub(super) fn total(solution: &Solution) -> MicroUsdPerHour {
    solution.cost + solution.preferences
}

/// The bound is no more than the optimum, and that no more than the plan, if there
/// is one.
pub(super) fn in_order(p: &Problem, solution: &Solution) -> Result<(), TestCaseError> {
    if let Some(optimum) = exact::optimum(p) {
        prop_assert!(
            solution.lower_bound <= optimum,
            "{} > {optimum}",
            solution.lower_bound
        );
        if solution.unplaced.is_empty() {
            let cost = total(solution);
            prop_assert!(optimum <= cost, "{optimum} > {cost}");
        }
    } else {
        prop_assert!(!solution.unplaced.is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn every_item_is_placed_once_and_nothing_is_broken(p in problem(RICH)) {
        let solution = solve(&p, &Effort::default()).unwrap();
        let faults = faults(&p, &solution);
        prop_assert!(faults.is_empty(), "{faults:?}\n{solution:?}");
    }

    #[test]
    fn the_bound_is_proven_by_its_certificate(p in problem(RICH)) {
        let solution = solve(&p, &Effort::default()).unwrap();
        let unproven = unproven(&p, &solution);
        prop_assert!(unproven.is_empty(), "{unproven:?}");
        if solution.unplaced.iter().all(|u| u.reason == UnplacedReason::FitsNothing) {
            prop_assert!(solution.lower_bound <= total(&solution));
        }
    }

    #[test]
    fn whole_fillings_are_worth_no_more_than_their_node(
        p in problem(Shape { nodes: 0, ..RICH }),
        labels in prop_oneof![Just(20_000_000u64), Just(2_000), Just(50)],
    ) {
        let solution = solve(&p, &Effort::default().with_bound_labels(labels)).unwrap();
        let unproven = unproven(&p, &solution);
        prop_assert!(unproven.is_empty(), "{unproven:?}");
        if solution.unplaced.iter().all(|u| u.reason == UnplacedReason::FitsNothing) {
            prop_assert!(solution.lower_bound <= total(&solution));
        }
    }

    #[test]
    fn a_shuffled_problem_has_the_same_answer(p in problem(RICH), by in 0usize..7) {
        let other = shuffled(&p, by);
        let a = solve(&p, &Effort::default()).unwrap();
        let b = solve(&other, &Effort::default()).unwrap();
        prop_assert_eq!(readable(&p, &a), readable(&other, &b));
    }

    #[test]
    fn less_effort_is_still_a_whole_answer(p in problem(RICH)) {
        let quick = solve(&p, &Effort::quick()).unwrap();
        let faults = faults(&p, &quick);
        prop_assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn never_dearer_than_first_fit_or_one_node_for_each(
        p in problem(Shape {
            zones: 0,
            nodes: 0,
            rules: 0,
            devices: false,
            stock: false,
            dislikes: false,
            ..RICH
        })
    ) {
        let solution = solve(&p, &Effort::default()).unwrap();
        for opens in std::iter::once(None).chain((0..p.types.len()).map(Some)) {
            if let Some(cost) = first_fit_decreasing(&p, opens) {
                prop_assert!(solution.cost.0 <= cost, "{opens:?}: {} > {cost}", solution.cost.0);
            }
        }
        let alone: i64 = p
            .classes
            .iter()
            .filter_map(|c| {
                (0..p.types.len())
                    .filter(|t| {
                        c.types.contains(*t)
                            && c.demand.iter().zip(&p.types[*t].capacity).all(|(d, k)| d <= k)
                    })
                    .filter_map(|t| p.types[t].offerings[0].price)
                    .min()
                    .map(|price| price.0 * i64::from(c.count))
            })
            .sum();
        prop_assert!(solution.cost.0 <= alone);
    }

    #[test]
    fn a_node_that_was_emptied_left_nothing_broken(p in problem(Shape { types: 1, ..RICH })) {
        let mut nodes = Existing::new(&p).unwrap();
        for (n, node) in p.nodes.iter().enumerate() {
            if node.closed {
                continue;
            }
            let Ok(moves) = nodes.empty(n, &node.present) else { continue };
            let moved: u32 = moves.iter().map(|m| m.count).sum();
            let present: u32 = node.present.iter().map(|(_, k)| k).sum();
            prop_assert_eq!(moved, present);
            for m in moves {
                prop_assert!(m.to != n && !p.nodes[m.to].closed);
                prop_assert!(p.classes[m.class].nodes.contains(m.to));
            }
        }
    }
}

pub(super) const TINY: Shape = Shape {
    classes: 4,
    per_class: 2,
    types: 3,
    zones: 0,
    nodes: 1,
    rules: 2,
    devices: true,
    stock: true,
    dislikes: true,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn bound_optimum_and_plan_are_in_order(p in problem(TINY)) {
        let solution = solve(&p, &Effort::default()).unwrap();
        in_order(&p, &solution)?;
    }

    #[test]
    fn a_tiny_packing_on_new_nodes_is_the_cheapest(
        p in problem(Shape {
            classes: 5,
            per_class: 1,
            zones: 3,
            nodes: 0,
            stock: false,
            devices: false,
            ..TINY
        })
    ) {
        // Who may come first is judged more strictly by the solver.
        let affinity = |r: &Rule| matches!(r, Rule::Affinity(_));
        prop_assume!(!p.rules.iter().any(affinity));
        let solution = solve(&p, &Effort::default()).unwrap();
        if let Some(optimum) = exact::optimum(&p) {
            prop_assert!(solution.unplaced.is_empty());
            prop_assert_eq!(total(&solution), optimum);
        }
    }

    #[test]
    fn bound_optimum_and_plan_are_in_order_with_zones(
        p in problem(Shape { zones: 2, per_class: 1, classes: 5, ..TINY })
    ) {
        let solution = solve(&p, &Effort::default()).unwrap();
        if let Some(optimum) = exact::optimum(&p) {
            prop_assert!(solution.lower_bound <= optimum);
            if solution.unplaced.is_empty() {
                prop_assert!(optimum <= total(&solution));
            }
        } else {
            prop_assert!(!solution.unplaced.is_empty());
        }
    }
}

/// What the property above is about does occur among what it is shown.
#[test]
fn many_generated_problems_are_bounded_by_whole_fillings() {
    let mut runner = TestRunner::deterministic();
    let problems = problem(Shape { nodes: 0, ..RICH });
    let by_fillings = (0..200).filter(|_| {
        let p = problems.new_tree(&mut runner).unwrap().current();
        let solution = solve(&p, &Effort::default()).unwrap();
        solution.proof.method == BoundMethod::Configurations
    });
    let count = by_fillings.count();
    assert!(count >= 20, "{count} of 200");
}
