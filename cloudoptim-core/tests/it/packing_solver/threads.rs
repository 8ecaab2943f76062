//! The same bytes on any number of threads, feature `parallel`.

use super::properties::{self, RICH, Shape};
use cloudoptim_core::engines::bin_packing::solver::{
    Class, Device, DeviceRequest, Effort, ExistingNode, Fleet, Holding, Mask, NodeType, Offering,
    Problem, RepackEffort, Rule, ZoneSpread, repack, solve_observed, threads,
};
use cloudoptim_core::model::MicroUsdPerHour;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::ops::ControlFlow;

/// Numbers that look drawn (Knuth's multiplier and increment for 64 bits).
struct Draws(u64);

impl Draws {
    fn from(&mut self, low: u64, high: u64) -> u64 {
        let Self(state) = self;
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        low + (*state >> 33) % (high - low)
    }
}

/// Classes of any size on types of any size, dearer than they are large by some.
fn drawn(seed: u64, classes: usize, types: usize, zones: usize, devices: bool) -> Problem {
    let mut draws = Draws(seed);
    let types = (0..types).map(|i| {
        let size = draws.from(1, 9);
        let (cpu, memory) = (
            1_000 * size,
            1_000 * size * [1, 2, 4, 8][draws.from(0, 4) as usize],
        );
        let count = if devices { draws.from(0, 5) } else { 0 };
        let cost = cpu * 3 + memory + 9_000 * count + draws.from(0, 400);
        let whole = Device {
            model: 0,
            milli: 1000,
        };
        NodeType {
            id: format!("t{i}"),
            capacity: vec![cpu, memory],
            devices: vec![whole; count as usize],
            offerings: (0..zones.max(1))
                .map(|z| Offering {
                    zone: (zones > 0).then_some(z),
                    price: Some(MicroUsdPerHour(cost as i64)),
                    available: None,
                })
                .collect(),
        }
    });
    let types: Vec<NodeType> = types.collect();
    let classes = (0..classes).map(|i| Class {
        id: format!("c{i}"),
        count: draws.from(1, 12) as u32,
        demand: vec![draws.from(50, 900), draws.from(50, 1_800)],
        devices: (devices && i % 3 == 0).then(|| DeviceRequest {
            count: 1,
            milli: [1000, 250, 400][draws.from(0, 3) as usize],
            models: Mask::All,
        }),
        ..Class::default()
    });
    let classes: Vec<Class> = classes.collect();
    let spread = Rule::ZoneSpread(ZoneSpread {
        with: vec![0],
        of: vec![0],
        max_skew: 1,
        zones: Mask::All,
        min_zones: 0,
    });
    Problem {
        dims: vec!["cpu".into(), "memory".into()],
        zones: (0..zones).map(|z| format!("z{z}")).collect(),
        models: if devices {
            vec!["A".into()]
        } else {
            Vec::new()
        },
        types,
        classes,
        rules: if zones > 0 { vec![spread] } else { Vec::new() },
        ..Problem::default()
    }
}

/// What `work` gives on so many threads, with how many it saw.
fn on<R: Send>(count: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .build()
        .unwrap();
    pool.install(|| {
        assert_eq!(threads(), count);
        work()
    })
}

/// An answer and all that was told on the way, as bytes.
fn bytes(problem: &Problem, effort: &Effort) -> String {
    let mut told = Vec::new();
    let solution = solve_observed(problem, effort, &mut |progress| {
        told.push(format!("{progress:?}"));
        ControlFlow::Continue(())
    });
    format!(
        "{told:?} {}",
        serde_json::to_string(&solution.unwrap()).unwrap()
    )
}

fn alike(name: &str, problem: &Problem, effort: &Effort) {
    let one = on(1, || bytes(problem, effort));
    for count in [2, 5] {
        let more = on(count, || bytes(problem, effort));
        assert_eq!(one, more, "{name} on {count} threads");
    }
}

/// Little enough for work to run out in the midst of every part of the search.
fn tight(by: u64) -> Effort {
    Effort::default()
        .with_placements(4_000 * by)
        .with_bound_labels(90 * by)
        .with_bound_pivots(60 * by)
}

#[test]
fn few_classes_on_many_types_give_the_same_bytes_on_any_number_of_threads() {
    let problem = drawn(1, 30, 28, 0, false);
    alike("full", &problem, &Effort::default());
    for by in [1, 2, 5, 16, 40] {
        alike(&format!("tight {by}"), &problem, &tight(by));
    }
}

#[test]
fn many_classes_give_the_same_bytes_on_any_number_of_threads() {
    let problem = drawn(2, 340, 12, 0, false);
    alike("full", &problem, &Effort::default());
    for by in [1, 30, 200] {
        alike(&format!("tight {by}"), &problem, &tight(by));
    }
}

#[test]
fn zones_give_the_same_bytes_on_any_number_of_threads() {
    let problem = drawn(3, 14, 16, 3, false);
    alike("full", &problem, &Effort::default());
    for by in [1, 8, 40] {
        alike(&format!("tight {by}"), &problem, &tight(by));
    }
}

#[test]
fn devices_give_the_same_bytes_on_any_number_of_threads() {
    let problem = drawn(4, 12, 18, 0, true);
    alike("full", &problem, &Effort::default());
    for by in [1, 8, 40] {
        alike(&format!("tight {by}"), &problem, &tight(by));
    }
}

#[test]
fn generated_problems_give_the_same_bytes_on_any_number_of_threads() {
    let mut runner = TestRunner::deterministic();
    let nodes = [0, 4];
    for (case, nodes) in (0..24).zip(nodes.into_iter().cycle()) {
        let shape = Shape {
            types: 12,
            nodes,
            ..RICH
        };
        let drawn = properties::problem(shape);
        let problem = drawn.new_tree(&mut runner).unwrap().current();
        alike(&format!("case {case}"), &problem, &Effort::default());
    }
}

#[test]
fn repackings_give_the_same_bytes_on_any_number_of_threads() {
    let mut base = drawn(5, 8, 6, 0, false);
    let mut draws = Draws(6);
    let mut holdings = Vec::new();
    for i in 0..24 {
        let of = base.types[draws.from(0, 6) as usize].clone();
        let mut free = of.capacity.clone();
        let mut present: Vec<(usize, u32)> = Vec::new();
        for (class, item) in base.classes.iter().enumerate() {
            let fits = item.demand.iter().zip(&free).all(|(d, f)| 2 * d <= *f);
            if fits && draws.from(0, 3) > 0 {
                for (free, demand) in free.iter_mut().zip(&item.demand) {
                    *free -= demand;
                }
                present.push((class, 1));
            }
        }
        holdings.push(Holding {
            price: of.offerings[0].price,
            removable: i % 7 > 0,
            movable: present.clone(),
            ..Holding::default()
        });
        base.nodes.push(ExistingNode {
            id: format!("n{i}"),
            free,
            present,
            ..ExistingNode::default()
        });
    }
    let fleet = Fleet {
        problem: base,
        holdings,
        ..Fleet::default()
    };
    let said = || serde_json::to_string(&repack(&fleet, &RepackEffort::default()).unwrap());
    let one = on(1, || said().unwrap());
    assert!(one.contains("fluid"), "{one}");
    for count in [2, 5] {
        assert_eq!(one, on(count, || said().unwrap()), "{count} threads");
    }
}
