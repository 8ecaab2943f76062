//! How long does a packing take, and what does it cost?
//!
//! The same seeded clusters at 100, 1,000 and 10,000 pods, at both efforts.
//! Speed without quality means nothing, so cost, bound and gap of each answer
//! are printed beside its time, and a wrong answer stops the run.

use cloudoptim_benches::check;
use cloudoptim_benches::seeded;
use cloudoptim_core::engines::bin_packing::solver::{Effort, solve};
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

criterion_group!(benches, packing);
criterion_main!(benches);
