//! How long does the embedded catalogue take to load, and a figure to look up?
//!
//! Lookups go through 4,096 pairs of region and type in random order, so that
//! they do not all find their line in the processor's cache.

use cloudoptim_benches::sample::Random;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::model::{InstanceType, Region};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const KEYS: usize = 4_096;

fn catalog(c: &mut Criterion) {
    let mut group = c.benchmark_group("catalog");
    group.bench_function("load", |b| b.iter(Catalog::embedded));

    let Ok(catalog) = Catalog::embedded() else {
        return;
    };
    let mut sold: Vec<(Region, InstanceType)> = Vec::new();
    for region in catalog.regions() {
        for info in catalog.instance_types() {
            if catalog
                .on_demand(region.name.as_str(), info.name.as_str())
                .is_some()
            {
                sold.push((region.name.clone(), info.name.clone()));
            }
        }
    }
    let mut random = Random::new(1);
    let keys: Vec<_> = (0..KEYS)
        .map(|_| sold[random.below(sold.len())].clone())
        .collect();

    let mut keys = keys.iter().cycle();
    let mut next = move || keys.next().map(|(r, t)| (black_box(r), black_box(t)));
    group.bench_function("on_demand", |b| {
        b.iter(|| next().map(|(r, t)| catalog.on_demand(r.as_str(), t.as_str())));
    });
    group.bench_function("spot", |b| {
        b.iter(|| next().map(|(r, t)| catalog.spot(r.as_str(), t.as_str(), None)));
    });
    group.bench_function("instance_type", |b| {
        b.iter(|| next().map(|(_, t)| black_box(catalog.instance_type(t.as_str())).is_some()));
    });
    group.bench_function("offered_in", |b| {
        b.iter(|| next().map(|(r, t)| catalog.offered_in(r, t).len()));
    });
    group.finish();
}

criterion_group!(benches, catalog);
criterion_main!(benches);
