//! Tables over the band, beside trying everything.

use super::super::exact::table;
use super::super::relax::shares;
use super::super::{certify, lowest_cost};
use super::*;
use crate::sample::Random;
use cloudoptim_core::engines::bin_packing::solver::{
    Certificate, Class, CountLimit, NodeType, Offering, Per, Problem, Rule, Solution,
};
use cloudoptim_core::model::MicroUsdPerHour;

fn sold(id: String, capacity: Vec<u64>, price: i64) -> NodeType {
    NodeType {
        id,
        capacity,
        offerings: vec![Offering {
            price: Some(MicroUsdPerHour(price)),
            ..Offering::default()
        }],
        ..NodeType::default()
    }
}

fn at_most(max: u32, of: &[usize]) -> Rule {
    Rule::CountLimit(CountLimit {
        per: Per::Node,
        with: of.to_vec(),
        of: of.to_vec(),
        max,
    })
}

/// Four types of about the same shape and six classes, some of them limited.
fn drawn(seed: u64) -> (Problem, Vec<u64>) {
    let mut random = Random::new(seed);
    let mut below = |n: usize| random.below(n) as u64;
    let unit = [1, 1 + below(3), 1];
    let classes: Vec<Class> = (0..6)
        .map(|c| {
            let first = below(6);
            let second = if first == 0 { 1 + below(5) } else { below(6) };
            let few = below(5) == 0;
            Class {
                id: c.to_string(),
                count: if few { 1 + below(6) as u32 } else { 60 },
                demand: vec![first * unit[0], second * unit[1], 1],
                ..Class::default()
            }
        })
        .collect();
    let values = (0..6).map(|_| (1 + below(40)) << 20).collect();
    let shape = [2 + below(4), 2 + below(4)];
    let third = if below(3) == 0 { 4 } else { 60 };
    let types = (1..=4).map(|n| {
        let capacity = vec![
            (shape[0] * n + below(3)) * unit[0],
            (shape[1] * n + below(6)) * unit[1],
            third,
        ];
        sold(n.to_string(), capacity, n as i64)
    });
    let types = types.collect();
    let rules = match below(4) {
        0 => Vec::new(),
        1 => vec![at_most(1 + below(3) as u32, &[0, 1, 2])],
        2 => vec![at_most(1, &[0, 1]), at_most(1 + below(2) as u32, &[3])],
        _ => vec![at_most(3, &[0]), at_most(3, &[1]), at_most(2, &[2, 3])],
    };
    let problem = Problem {
        dims: ["a", "b", "c"].map(str::to_owned).to_vec(),
        types,
        classes,
        rules,
        ..Problem::default()
    };
    (problem, values)
}

/// The most that fits, by trying everything.
fn brute(room: &Room, at: usize, free: &[u64], limits: &[u64]) -> u128 {
    let Some(item) = room.items.get(at) else {
        return 0;
    };
    let mut best = 0;
    for n in 0..=item.count {
        let fits = item.demand.iter().zip(free).all(|(d, f)| d * n <= *f);
        if !fits || item.limits.iter().any(|l| limits[*l] < n) {
            break;
        }
        let left = free.iter().zip(&item.demand).map(|(f, d)| f - d * n);
        let left: Vec<u64> = left.collect();
        let mut limits = limits.to_vec();
        item.limits.iter().for_each(|l| limits[*l] -= n);
        let rest = brute(room, at + 1, &left, &limits);
        best = best.max(u128::from(n) * u128::from(item.value) + rest);
    }
    best
}

fn rooms(problem: &Problem, values: &[u64]) -> Vec<(Room, Vec<Share>)> {
    let rooms = (0..problem.types.len()).filter_map(|t| Room::new(problem, t, values, &[]));
    let with = rooms.map(|room| {
        let shares = shares(&room);
        (room, shares)
    });
    with.collect()
}

fn tried(rooms: &[(Room, Vec<Share>)]) -> Vec<(&Room, &[Share])> {
    rooms.iter().map(|(r, s)| (r, s.as_slice())).collect()
}

/// So many updates are left.
fn budget(updates: u64) -> Budget {
    let mut budget = Budget::default();
    budget.take(budget.updates() - updates).unwrap();
    budget
}

#[test]
fn a_band_holds_what_trying_everything_finds() {
    let (mut exact, mut coarser) = (0, 0);
    for seed in 1..=400 {
        let (problem, values) = drawn(seed);
        let rooms = rooms(&problem, &values);
        let limits: Vec<u64> = problem
            .rules
            .iter()
            .map(|rule| match rule {
                Rule::CountLimit(limit) => u64::from(limit.max),
                _ => u64::MAX,
            })
            .collect();
        let fits: Vec<u128> = rooms
            .iter()
            .map(|(r, _)| brute(r, 0, &r.of.capacity, &limits).max(r.price))
            .collect();
        for updates in [1_000_000, 6_000, 1_500] {
            let fine = most(&tried(&rooms), false, &mut budget(updates));
            let coarse = most(&tried(&rooms), true, &mut budget(updates));
            for (at, fits) in fits.iter().enumerate() {
                coarser += u64::from(fine[at].is_none() && coarse[at].is_some());
                for found in [fine[at], coarse[at]].into_iter().flatten() {
                    let what = format!("seed {seed}, type {at}: {found:?}, fits {fits}");
                    assert!(found.value >= *fits, "{what}");
                    if found.exact {
                        exact += 1;
                        assert_eq!(found.value, *fits, "{what}");
                    }
                }
            }
        }
    }
    assert!(exact > 2_000, "{exact} were exact");
    assert!(coarser > 300, "{coarser} only on a coarser grid");
}

const CPUS: [u64; 5] = [100, 250, 500, 1_000, 1_500];

/// Nodes of 1 to `most` CPUs with 2 GiB each, less what the system takes; pods of
/// so many times six sizes, those of some sizes also of a kind of which a node takes
/// one.
fn mix(most: u64, cpus: &[u64]) -> (Problem, Vec<u64>) {
    let memory = [100, 256, 512, 1_024, 2_048, 4_096];
    let mut random = Random::new(7);
    let (mut classes, mut values, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for cpu in cpus {
        for memory in memory {
            for kind in 0..2 {
                if kind == 1 && classes.len() % 4 != 1 {
                    continue;
                }
                if kind == 1 {
                    alone.push(classes.len());
                }
                classes.push(Class {
                    id: format!("{:03}", classes.len()),
                    count: 5_000_000,
                    demand: vec![*cpu, memory, 1],
                    ..Class::default()
                });
                let value = (cpu * 180 + memory * 60) * (90 + random.below(20) as u64);
                values.push((value / 100 + 40_000 * kind) << 20);
            }
        }
    }
    let types = (1..=most).map(|n| {
        let capacity = vec![1_000 * n - 100, 2_048 * n - 10, 10 * n];
        sold(format!("{n:03}"), capacity, 314_748 * n as i64)
    });
    let problem = Problem {
        dims: ["cpu", "memory", "pods"].map(str::to_owned).to_vec(),
        types: types.collect(),
        classes,
        rules: vec![at_most(1, &alone)],
        ..Problem::default()
    };
    (problem, values)
}

#[test]
fn one_band_says_of_many_sizes_what_a_whole_table_says_of_each() {
    let (problem, values) = mix(9, &CPUS);
    let rooms = rooms(&problem, &values);
    let mut all = Budget::default();
    let found = most(&tried(&rooms), false, &mut all);
    // One band serves them all, so it takes little more than that of the largest.
    let mut last = Budget::default();
    let before = last.updates();
    most(&tried(&rooms[8..]), false, &mut last);
    assert!(before - all.updates() < 2 * (before - last.updates()));
    for ((room, shares), found) in rooms.iter().zip(&found) {
        let whole = table(room, shares, 1_000_000, &mut Budget::default()).unwrap();
        let found = found.unwrap();
        assert!(found.exact, "{}: {found:?}, {whole:?}", room.of.id);
        assert_eq!(found.value, whole.value, "{}", room.of.id);
        assert!(found.value > room.price, "{}", room.of.id);
    }
    // A coarser grid says a little more.
    let coarse = most(&tried(&rooms[8..]), true, &mut budget(8_000_000));
    let (coarse, whole) = (coarse[0].unwrap(), found[8].unwrap());
    assert!(
        coarse.value >= whole.value && !coarse.exact,
        "{coarse:?} {whole:?}"
    );
    assert!(coarse.value < whole.value * 21 / 20);
}

#[test]
fn values_that_no_large_type_exceeds_are_certified_whole_and_no_more() {
    let (mut problem, mut values) = mix(20, &[100, 1_250]);
    problem.types.drain(..19);
    let whole = |values: &[u64]| {
        let rooms = rooms(&problem, values);
        let (room, shares) = &rooms[0];
        let whole = table(room, shares, 10_000_000, &mut Budget::default()).unwrap();
        (room.price, whole.value)
    };
    // As much as the table over both amounts allows.
    let (price, most) = whole(&values);
    for value in &mut values {
        *value = u64::try_from(u128::from(*value) * price / most).unwrap();
    }
    assert_eq!(whole(&values), (price, price));
    let claimed = |values: &[u64]| {
        let classes = problem.classes.iter().zip(values);
        let worth = classes.map(|(c, v)| u128::from(*v) * u128::from(c.count));
        let mut solution = Solution {
            lower_bound: lowest_cost(&problem, worth.sum()),
            ..Solution::default()
        };
        solution.proof.certificate = Some(Certificate {
            class_values: values.to_vec(),
            ..Certificate::default()
        });
        solution
    };
    let honest = claimed(&values);
    let certified = certify(&problem, &honest);
    assert_eq!(certified.bound, honest.lower_bound, "{certified}");
    assert_eq!((certified.exact, certified.lowered), (1, 0), "{certified}");
    // Values that are all a little too high are not let pass, nor is a single one
    // that makes a node worth too much.
    let forged: Vec<u64> = values.iter().map(|v| v + v / 1_000).collect();
    let claim = claimed(&forged);
    let certified = certify(&problem, &claim);
    assert!(certified.bound < claim.lower_bound);
    assert_eq!(certified.lowered, 1);
    let mut noticed = 0;
    for class in (0..values.len()).step_by(8) {
        let mut forged = values.clone();
        forged[class] += forged[class] / 100;
        let claim = claimed(&forged);
        let (price, most) = whole(&forged);
        let certified = certify(&problem, &claim);
        assert_eq!(
            certified.lowered,
            usize::from(most > price),
            "class {class}"
        );
        assert!(most == price || certified.bound < claim.lower_bound);
        noticed += certified.lowered;
    }
    assert!(noticed > 0);
}

#[test]
fn amounts_in_bytes_and_worth_without_end_are_no_harm() {
    let (problem, mut values) = mix(3, &CPUS);
    for shift in [20, 43] {
        let mut bytes = problem.clone();
        for class in &mut bytes.classes {
            let demand = class.demand.iter_mut().take(2);
            demand.for_each(|d| *d = (*d << shift) + 1);
        }
        for of in &mut bytes.types {
            of.capacity.iter_mut().take(2).for_each(|c| *c <<= shift);
        }
        let rooms = rooms(&bytes, &values);
        for coarse in [false, true] {
            let found = most(&tried(&rooms), coarse, &mut budget(4_000_000));
            assert!(
                found.iter().all(|f| f.is_some() == coarse),
                "{shift}: {found:?}"
            );
        }
    }
    values.fill(u64::MAX);
    let rooms = rooms(&problem, &values);
    let found = most(&tried(&rooms), true, &mut budget(4_000_000));
    assert!(found.iter().all(Option::is_none), "{found:?}");
}
