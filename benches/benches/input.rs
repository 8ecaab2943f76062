//! How long does it take to read a cluster's documents?
//!
//! 500 pods of 50 workloads on 42 nodes, plain and gzipped, as `kubectl` prints
//! them; bytes are those of the plain text.

use cloudoptim_benches::seeded;
use cloudoptim_core::input::{InputOptions, Loaded, Loader};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::hint::black_box;
use std::io::Write;

fn load(bytes: &[u8]) -> Option<Loaded> {
    let mut loader = Loader::new(InputOptions::default());
    loader.add("dump.json", black_box(bytes));
    loader.finish().ok()
}

fn input(c: &mut Criterion) {
    let Ok(plain) = seeded::documents(500, 1) else {
        return;
    };
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packed
        .write_all(&plain)
        .and_then(|()| packed.finish())
        .unwrap_or_default();
    for bytes in [&plain, &packed] {
        let pods = load(bytes).map(|l| l.snapshot.clusters[0].pods.items().len());
        assert_eq!(pods, Some(500), "a bench of what was not read says nothing");
    }
    let mut group = c.benchmark_group("input");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.bench_function("500_pods", |b| b.iter(|| load(&plain)));
    group.bench_function("500_pods_gz", |b| b.iter(|| load(&packed)));
    group.finish();
}

criterion_group!(benches, input);
criterion_main!(benches);
