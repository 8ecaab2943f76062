//! How long does a packing take, and what does it cost?
//!
//! The same seeded clusters at 100, 1,000 and 10,000 pods, at both efforts.
//! Speed without quality means nothing, so cost, bound and gap of each answer
//! are printed beside its time, and a wrong answer stops the run. The same for
//! repacking fleets of 50, 200 and 800 nodes.

use cloudoptim_benches::check;
use cloudoptim_benches::load::TypeRow;
use cloudoptim_benches::scene::{Plan, Sizes};
use cloudoptim_benches::seeded;
use cloudoptim_core::engines::bin_packing::solver::{Effort, RepackEffort, repack, solve};
use cloudoptim_core::model::MicroUsdPerHour;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

fn packing(c: &mut Criterion) {
    let mut group = c.benchmark_group("bin_packing");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    for pods in [100, 1_000, 10_000] {
        let instance = seeded::packing(pods, 1);
        let (problem, groups) = instance.problem();
        group.throughput(Throughput::Elements(pods as u64));
        for (name, effort) in [("quick", Effort::quick()), ("full", Effort::default())] {
            let id = BenchmarkId::new(name, pods);
            let Ok(solution) = solve(&problem, &effort) else {
                panic!("the seeded problem contradicts itself");
            };
            let assignment = instance.assignment(&solution, &groups);
            let wrong = check::violations(&instance, &assignment, solution.cost.0);
            assert!(wrong.is_empty(), "{wrong:?}");
            assert!(assignment.unplaced.is_empty(), "every pod fits somewhere");
            eprintln!(
                "bin_packing/{name}/{pods}: {} nodes at ${:.3}/h, bound ${:.3}/h, gap {:.3} %",
                assignment.nodes.len(),
                solution.cost.usd(),
                solution.lower_bound.usd(),
                solution.gap().unwrap_or(f64::NAN) * 100.0
            );
            group.bench_function(id, |b| b.iter(|| solve(black_box(&problem), &effort)));
        }
    }
    group.finish();
}

/// Fleets of four types, half of whose pods are gone.
fn repacking(c: &mut Criterion) {
    let mut group = c.benchmark_group("repack");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    let of = |name: &str, cpu_milli, memory_mib, micro_usd| TypeRow {
        name: name.to_owned(),
        cpu_milli,
        memory_mib,
        pods: 58,
        gpus: Vec::new(),
        price: MicroUsdPerHour(micro_usd),
        zones: Vec::new(),
    };
    let types = vec![
        of("general", 7_910, 30_000, 384_000),
        of("compute", 7_910, 14_800, 340_000),
        of("memory", 3_920, 30_100, 252_000),
        of("large", 15_890, 60_400, 806_400),
    ];
    for nodes in [50, 200, 800] {
        let plan = Plan {
            nodes,
            types: types.clone(),
            sizes: Sizes::Mix,
            keep: 0.5,
            replicas: 50,
            spread_every: 0,
            seed: 1,
        };
        let scene = plan.scene();
        let fleet = scene.fleet(&[]);
        let effort = RepackEffort::default();
        let Ok(frontier) = repack(&fleet, &effort) else {
            panic!("the scene contradicts itself");
        };
        let faults: usize = frontier
            .points
            .iter()
            .map(|p| scene.faults(&fleet, p))
            .sum();
        assert_eq!(faults, 0);
        if let (Some(best), Some(prefix)) = (frontier.points.last(), frontier.prefix) {
            eprintln!(
                "repack/{nodes}: ${:.3}/h after {} moves, bound ${:.3}/h; prefixes ${:.3}/h after {}",
                best.cost.usd(),
                best.moved,
                frontier.lower_bound.usd(),
                prefix.cost.usd(),
                prefix.evictions
            );
        }
        group.throughput(Throughput::Elements(nodes as u64));
        let id = BenchmarkId::new("four types", nodes);
        group.bench_function(id, |b| b.iter(|| repack(black_box(&fleet), &effort)));
    }
    group.finish();
}

criterion_group!(benches, packing, repacking);
criterion_main!(benches);
