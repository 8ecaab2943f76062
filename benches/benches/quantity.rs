//! How long does a Kubernetes quantity take to parse?
//!
//! Each measurement parses what a pod's containers commonly hold, and what the
//! grammar allows at its worst.

use cloudoptim_core::model::Quantity;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("quantity");
    for (name, texts) in [
        ("common", &["100m", "1", "256Mi", "1Gi", "2", "500m"][..]),
        ("rare", &["1.5Gi", "12e6", "0.1", "3.001n", "9Ei", "129e-3"]),
        ("refused", &["", "1gi", "100 m", "--1", "1.2.3", "Gi"]),
    ] {
        group.throughput(Throughput::Elements(texts.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                for text in texts {
                    let _ = black_box(Quantity::parse(black_box(text)));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
