//! The harness's own pricing of what repackings claim to prove.

use cloudoptim_benches::certificate::repack::{Refused, certify};
use cloudoptim_benches::sample::Random;
use cloudoptim_core::engines::bin_packing::solver::{
    Certificate, Class, Device, DeviceRequest, Dislike, ExistingNode, Fleet, Holding, LevelProof,
    Mask, NodeType, Offering, Problem, RepackEffort, repack,
};
use cloudoptim_core::model::MicroUsdPerHour;
use std::collections::BTreeMap;

const SCALE: u64 = 1 << Certificate::SCALE_BITS;

/// A proof of what it says, which nobody believes.
fn proof(per_move: i64, class_values: Vec<u64>) -> LevelProof {
    // Only solvers make them, so one is read.
    let text = serde_json::json!({
        "per_move": per_move,
        "lower_bound": i64::MAX,
        "class_values": class_values,
    });
    serde_json::from_value(text).unwrap()
}

/// Two nodes of 4,000 m at ten cents: two items of 500 m on `a`, six on `b`.
fn two_nodes() -> Fleet {
    let node = |id: &str, free, present| ExistingNode {
        id: id.into(),
        free: vec![free],
        present: vec![(0, present)],
        ..ExistingNode::default()
    };
    let holding = |movable| Holding {
        price: Some(MicroUsdPerHour(100_000)),
        removable: true,
        movable: vec![(0, movable)],
        ..Holding::default()
    };
    Fleet {
        problem: Problem {
            dims: vec!["cpu_milli".into()],
            classes: vec![Class {
                id: "web".into(),
                demand: vec![500],
                ..Class::default()
            }],
            nodes: vec![node("a", 3_000, 2), node("b", 1_000, 6)],
            ..Problem::default()
        },
        holdings: vec![holding(2), holding(6)],
        ..Fleet::default()
    }
}

/// At 12,250 an item and 1,000 a move, all eight items are worth 98,000. `a` costs
/// 2,000 when it goes; when it stays, 102,000 less two items at 13,250 and six at
/// 12,250, which is 2,000, too. `b` costs 6,000 when it goes; when it stays, 106,000
/// less 6 × 13,250 and 2 × 12,250: 2,000. In all 102,000: one node and two moves.
#[test]
fn a_bound_by_hand() {
    let certified = certify(&two_nodes(), &[proof(1_000, vec![12_250 * SCALE])]);
    let level = certified.levels[0].clone().unwrap();
    assert_eq!(level.bound, MicroUsdPerHour(102_000));
    assert_eq!(level.lowered, 0);
    // Two moves for one node; with one, 101,000 are two nodes.
    assert_eq!(certified.within(2), MicroUsdPerHour(100_000));
    assert_eq!(certified.within(1), MicroUsdPerHour(200_000));
    // 94,000, and fleets are whole nodes.
    assert_eq!(certified.bound(), MicroUsdPerHour(100_000));
}

/// A node as large at five cents: values are lowered to 6,250, all items are worth
/// 50,000, and both nodes are cheaper gone, for 2,000 and 6,000.
#[test]
fn values_are_lowered_to_what_new_nodes_cost() {
    let mut fleet = two_nodes();
    fleet.problem.types.push(NodeType {
        id: "half".into(),
        capacity: vec![4_000],
        offerings: vec![Offering {
            price: Some(MicroUsdPerHour(50_000)),
            ..Offering::default()
        }],
        ..NodeType::default()
    });
    let proofs = [proof(1_000, vec![12_250 * SCALE])];
    let level = certify(&fleet, &proofs).levels[0].clone().unwrap();
    assert_eq!(level.bound, MicroUsdPerHour(58_000));
    assert_eq!(level.lowered, 1);
    // What has no price, or is not to be had, is not bought.
    for (price, available) in [(None, None), (Some(MicroUsdPerHour(50_000)), Some(0))] {
        fleet.problem.types[0].offerings[0] = Offering {
            price,
            available,
            ..Offering::default()
        };
        let level = certify(&fleet, &proofs).levels[0].clone().unwrap();
        assert_eq!(level.bound, MicroUsdPerHour(102_000));
    }
}

/// 58,000 at 1,000 a move, as above: with seven moves 51,000. What is dearer in
/// another zone may be bought, too, where a rule asks for that zone.
#[test]
fn bounds_are_whole_steps_of_all_prices_and_of_nothing_else() {
    let mut fleet = two_nodes();
    fleet.problem.zones = vec!["y".into(), "z".into()];
    fleet
        .problem
        .nodes
        .iter_mut()
        .for_each(|n| n.zone = Some(0));
    let offering = |zone, price| Offering {
        zone: Some(zone),
        price: Some(MicroUsdPerHour(price)),
        ..Offering::default()
    };
    fleet.problem.types.push(NodeType {
        id: "half".into(),
        capacity: vec![4_000],
        offerings: vec![offering(0, 50_000), offering(1, 70_000)],
        ..NodeType::default()
    });
    let proofs = [proof(1_000, vec![12_250 * SCALE])];
    let certified = certify(&fleet, &proofs);
    assert_eq!(certified.within(8), MicroUsdPerHour(50_000));
    assert_eq!(certified.within(7), MicroUsdPerHour(60_000));
    // A node that stays costs what it costs: 100,001 and steps of 10,000.
    fleet.problem.nodes.push(ExistingNode {
        id: "c".into(),
        zone: Some(1),
        free: vec![0],
        ..ExistingNode::default()
    });
    fleet.holdings.push(Holding {
        price: Some(MicroUsdPerHour(100_001)),
        ..Holding::default()
    });
    let certified = certify(&fleet, &proofs);
    assert_eq!(certified.within(8), MicroUsdPerHour(150_001));
    assert_eq!(certified.within(7), MicroUsdPerHour(160_001));
}

#[test]
fn what_is_no_proof_is_refused_by_name() {
    let fleet = two_nodes();
    let proofs = [
        proof(1_000, vec![SCALE; 2]),
        proof(-1, vec![SCALE]),
        proof(0, vec![SCALE]),
    ];
    let certified = certify(&fleet, &proofs);
    let why: Vec<String> = certified.refused().map(ToString::to_string).collect();
    assert_eq!(why.len(), 2, "{why:?}");
    assert_eq!(why[0], "2 values for 1 classes");
    assert!(certified.levels[2].is_ok());
    let mut fleet = fleet;
    fleet.holdings.pop();
    let certified = certify(&fleet, &proofs);
    let refused: Vec<&Refused> = certified.refused().collect();
    assert!(matches!(refused.as_slice(), [Refused::Fleet(_), ..]));
    assert_eq!(certified.bound(), MicroUsdPerHour::ZERO);
}

fn below(random: &mut Random, n: u64) -> u64 {
    random.below(usize::try_from(n).unwrap()) as u64
}

/// Up to four nodes with up to six items of three classes, and up to two types.
fn drawn(seed: u64) -> Fleet {
    let random = &mut Random::new(seed);
    let (dims, zones) = (1 + random.below(3), random.below(3));
    let devices = random.below(4) == 0;
    let nodes = 2 + random.below(3);
    let types = random.below(3);
    let some = |random: &mut Random, n: usize| -> Mask {
        if random.below(3) > 0 {
            return Mask::All;
        }
        Mask::only((0..n).filter(|_| random.below(3) > 0))
    };
    let classes: Vec<Class> = (0..3)
        .map(|c| Class {
            id: format!("c{c}"),
            demand: (0..dims).map(|_| below(random, 60)).collect(),
            devices: (devices && random.below(2) == 0).then_some(DeviceRequest {
                count: 1,
                milli: 500,
                models: Mask::All,
            }),
            types: some(random, types),
            nodes: some(random, nodes),
            zones: some(random, zones),
            ..Class::default()
        })
        .collect();
    let zone = |random: &mut Random| (zones > 0).then(|| random.below(zones));
    let price = |random: &mut Random| MicroUsdPerHour(50 * (1 + below(random, 12)) as i64);
    let mut left = 6;
    let mut problem = Problem {
        dims: (0..dims).map(|r| format!("r{r}")).collect(),
        zones: (0..zones).map(|z| format!("z{z}")).collect(),
        models: vec!["gpu".into()],
        classes,
        ..Problem::default()
    };
    let mut holdings = Vec::new();
    for n in 0..nodes {
        let mut free: Vec<u64> = (0..dims).map(|_| 40 + below(random, 120)).collect();
        let mut milli: u32 = if devices { 1_000 } else { 0 };
        let mut here: BTreeMap<usize, u32> = BTreeMap::new();
        for _ in 0..random.below(4).min(left) {
            let c = random.below(3);
            let class = &problem.classes[c];
            let asks = class.devices.as_ref().map_or(0, |d| d.milli);
            if class.demand.iter().zip(&free).all(|(d, f)| d <= f) && asks <= milli {
                for (f, d) in free.iter_mut().zip(&class.demand) {
                    *f -= d;
                }
                milli -= asks;
                *here.entry(c).or_default() += 1;
                left -= 1;
            }
        }
        problem.nodes.push(ExistingNode {
            id: format!("n{n}"),
            zone: zone(random),
            free,
            devices: vec![Device { model: 0, milli }; usize::from(devices)],
            present: here.iter().map(|(c, k)| (*c, *k)).collect(),
            closed: random.below(6) == 0,
        });
        // Some that stand here do not move.
        let pinned = random.below(4) == 0;
        let movable = here.iter().map(|(c, k)| (*c, k - u32::from(pinned)));
        holdings.push(Holding {
            price: (random.below(8) > 0).then(|| price(random)),
            removable: !pinned && random.below(5) > 0,
            movable: movable.filter(|(_, k)| *k > 0).collect(),
            ..Holding::default()
        });
    }
    for t in 0..types {
        problem.types.push(NodeType {
            id: format!("t{t}"),
            capacity: (0..dims).map(|_| 40 + below(random, 120)).collect(),
            devices: vec![
                Device {
                    model: 0,
                    milli: 1_000
                };
                usize::from(devices)
            ],
            offerings: (0..zones.max(1))
                .map(|z| Offering {
                    zone: (zones > 0).then_some(z),
                    price: (random.below(8) > 0).then(|| price(random)),
                    available: (random.below(8) == 0).then_some(0),
                })
                .collect(),
        });
    }
    // Every third fleet has places that items dislike.
    if seed.is_multiple_of(3) {
        for class in &mut problem.classes {
            let some = |random: &mut Random, n: usize| {
                let all: Vec<usize> = (0..n).filter(|_| random.below(2) == 0).collect();
                Mask::only(all)
            };
            class.dislikes.push(Dislike {
                types: some(random, types),
                zones: if zones > 0 && random.below(2) == 0 {
                    some(random, zones)
                } else {
                    Mask::All
                },
                nodes: some(random, nodes),
                cost: MicroUsdPerHour(below(random, 60) as i64),
            });
        }
    }
    Fleet {
        problem,
        holdings,
        narrow_rules: Vec::new(),
    }
}

/// What an item dislikes of a place.
fn disliked(class: &Class, there: impl Fn(&Dislike) -> bool) -> i64 {
    let all = class.dislikes.iter().filter(|d| there(d));
    all.map(|d| d.cost.0).sum()
}

/// Where items stand: on a node that is there, or on a new one.
struct Search<'f> {
    fleet: &'f Fleet,
    items: Vec<usize>,
    /// Items by class: on each node that is there, then on each new one.
    on: Vec<[u32; 3]>,
    /// By moves, the lowest cost.
    best: Vec<i64>,
}

impl Search<'_> {
    fn home(&self, node: usize) -> [u32; 3] {
        let mut home = [0; 3];
        for (c, k) in &self.fleet.holdings[node].movable {
            home[*c] += k;
        }
        home
    }

    /// Whether the first items fit where they are; what new nodes cost.
    fn settle(&self) -> Option<i64> {
        let problem = &self.fleet.problem;
        let asks = |c: usize, r: usize| -> u64 {
            let class = &problem.classes[c];
            let milli = class.devices.as_ref().map_or(0, |d| u64::from(d.milli));
            class.demand.get(r).copied().unwrap_or(milli)
        };
        let used = |on: &[u32; 3], r: usize| -> u64 {
            (0..3).map(|c| asks(c, r) * u64::from(on[c])).sum()
        };
        let milli =
            |devices: &[Device]| -> u64 { devices.iter().map(|d| u64::from(d.milli)).sum() };
        let dims = problem.dims.len();
        let mut cost = 0;
        for (n, on) in self.on.iter().enumerate() {
            if let Some(node) = problem.nodes.get(n) {
                let home = self.home(n);
                for c in (0..3).filter(|c| on[*c] > home[*c]) {
                    let class = &problem.classes[c];
                    let zone = node.zone.is_none_or(|z| class.zones.contains(z));
                    if node.closed || !zone || !class.nodes.contains(n) {
                        return None;
                    }
                }
                for r in 0..=dims {
                    let free = node.free.get(r).copied();
                    let free = free.unwrap_or_else(|| milli(&node.devices));
                    if used(on, r) > free + used(&home, r) {
                        return None;
                    }
                }
                continue;
            }
            let takes = |t: usize, o: &Offering| {
                let of = &problem.types[t];
                let fits = (0..=dims).all(|r| {
                    let has = of.capacity.get(r).copied();
                    used(on, r) <= has.unwrap_or_else(|| milli(&of.devices))
                });
                let mut here = (0..3).filter(|c| on[*c] > 0).map(|c| &problem.classes[c]);
                let accepted = here.all(|class| {
                    class.types.contains(t) && o.zone.is_none_or(|z| class.zones.contains(z))
                });
                fits && accepted && o.available != Some(0)
            };
            let offers = problem.types.iter().enumerate();
            let offers = offers.flat_map(|(t, of)| of.offerings.iter().map(move |o| (t, o)));
            let prices = offers.filter(|(t, o)| takes(*t, o)).filter_map(|(t, o)| {
                let beside = (0..3).map(|c| {
                    let here = |d: &Dislike| {
                        d.types.contains(t) && o.zone.is_none_or(|z| d.zones.contains(z))
                    };
                    disliked(&problem.classes[c], here) * i64::from(on[c])
                });
                Some(o.price?.0 + beside.sum::<i64>())
            });
            cost += prices.min()?;
        }
        Some(cost)
    }

    fn go(&mut self, next: usize) {
        let Some(bought) = self.settle() else {
            return;
        };
        let there = self.fleet.holdings.len();
        let Some(class) = self.items.get(next).copied() else {
            let (mut cost, mut moved) = (bought, 0);
            for (n, holding) in self.fleet.holdings.iter().enumerate() {
                let home = self.home(n);
                moved += (0..3)
                    .map(|c| home[c].saturating_sub(self.on[n][c]))
                    .sum::<u32>();
                let empty = self.on[n] == [0; 3];
                if !(holding.removable && empty) {
                    cost += holding.price.map_or(0, |p| p.0);
                }
                for (c, count) in self.on[n].iter().enumerate() {
                    let class = &self.fleet.problem.classes[c];
                    cost += disliked(class, |d| d.nodes.contains(n)) * i64::from(*count);
                }
            }
            let known = &mut self.best[moved as usize];
            *known = cost.min(*known);
            return;
        };
        for n in 0..self.on.len() {
            self.on[n][class] += 1;
            self.go(next + 1);
            self.on[n][class] -= 1;
        }
        if !self.fleet.problem.types.is_empty() {
            self.on.push([0; 3]);
            self.on[there..].last_mut().unwrap()[class] = 1;
            self.go(next + 1);
            self.on.pop();
        }
    }
}

/// By moves, the lowest cost of all repackings with exactly so many.
fn optimum(fleet: &Fleet) -> Vec<i64> {
    let movable = fleet.holdings.iter().flat_map(|h| &h.movable);
    let items: Vec<usize> = movable
        .flat_map(|(c, k)| std::iter::repeat_n(*c, *k as usize))
        .collect();
    let mut search = Search {
        best: vec![i64::MAX; items.len() + 1],
        on: vec![[0; 3]; fleet.holdings.len()],
        items,
        fleet,
    };
    search.go(0);
    search.best
}

/// Values and prices per move of all kinds, some of them absurd.
fn any(random: &mut Random) -> LevelProof {
    let value = |random: &mut Random| match random.below(12) {
        0 => u64::MAX,
        1 => 0,
        2 => below(random, 1_000),
        _ => below(random, 400) * SCALE + below(random, SCALE),
    };
    let per_move = match random.below(8) {
        0 => i64::MAX,
        1 | 2 => 0,
        _ => below(random, 300) as i64,
    };
    proof(per_move, (0..3).map(|_| value(random)).collect())
}

#[test]
fn no_values_prove_more_than_the_optimum() {
    let (mut proofs, mut above) = (0, 0);
    for seed in 0..400 {
        let fleet = drawn(seed);
        let best = optimum(&fleet);
        let fixed = certify(&fleet, &[]).bound();
        let random = &mut Random::new(seed + 77_000);
        let drawn: Vec<LevelProof> = (0..24).map(|_| any(random)).collect();
        for proof in &drawn {
            let certified = certify(&fleet, std::slice::from_ref(proof));
            let level = certified.levels[0].clone().unwrap();
            let total = |(moved, cost): (usize, &i64)| {
                i128::from(*cost) + i128::from(proof.per_move.0) * moved as i128
            };
            let least = best.iter().enumerate().map(total).min().unwrap();
            assert!(
                i128::from(level.bound.0) <= least,
                "seed {seed}: {level:?} and {least} of {proof:?} for {fleet:#?}"
            );
            proofs += 1;
            above += usize::from(level.bound > fixed);
        }
        within(&fleet, &drawn, &best, seed);
    }
    assert!(above * 3 > proofs, "{above} of {proofs}");
}

/// At every number of moves, and in whole steps of the prices.
fn within(fleet: &Fleet, proofs: &[LevelProof], best: &[i64], seed: u64) -> usize {
    let certified = certify(fleet, proofs);
    let (mut least, mut met) = (i64::MAX, 0);
    for (moved, cost) in best.iter().enumerate() {
        least = least.min(*cost);
        let bound = certified.within(moved as u64);
        assert!(
            bound.0 <= least,
            "seed {seed}: {bound} within {moved} moves, and {least} for {fleet:#?}"
        );
        met += usize::from(bound.0 == least);
    }
    assert!(certified.bound() <= certified.within(0));
    met
}

#[test]
fn what_the_solver_proves_is_confirmed_and_forgeries_prove_nothing() {
    let (mut met, mut all, mut short) = (0, 0, 0);
    for seed in 1_000..1_300 {
        let fleet = drawn(seed);
        let best = optimum(&fleet);
        let frontier = repack(&fleet, &RepackEffort::default()).unwrap();
        let certified = certify(&fleet, &frontier.proofs);
        for point in &frontier.points {
            let bound = certified.within(point.moved);
            assert!(
                bound <= point.total(),
                "seed {seed}: {bound} for {point:#?}"
            );
            short += usize::from(bound < point.lower_bound);
        }
        met += within(&fleet, &frontier.proofs, &best, seed);
        all += best.len();
        for forge in [
            |p: &mut LevelProof| p.class_values.iter_mut().for_each(|v| *v *= 2),
            |p: &mut LevelProof| p.per_move.0 *= 3,
            |p: &mut LevelProof| p.per_move.0 /= 2,
            |p: &mut LevelProof| p.class_values.reverse(),
            |p: &mut LevelProof| p.lower_bound.0 = i64::MAX,
        ] {
            let mut forged = frontier.proofs.clone();
            forged.iter_mut().for_each(forge);
            within(&fleet, &forged, &best, seed);
        }
    }
    println!("{met} of {all} optima proven, {short} points with less than claimed");
    assert!(met * 2 > all, "{met} of {all}");
}

#[test]
fn the_order_of_proofs_changes_nothing() {
    for seed in 0..40 {
        let fleet = drawn(seed);
        let random = &mut Random::new(seed);
        let mut proofs: Vec<LevelProof> = (0..5).map(|_| any(random)).collect();
        let one = certify(&fleet, &proofs);
        assert_eq!(one, certify(&fleet, &proofs));
        proofs.reverse();
        let other = certify(&fleet, &proofs);
        for moves in 0..7 {
            assert_eq!(one.within(moves), other.within(moves));
        }
    }
}
