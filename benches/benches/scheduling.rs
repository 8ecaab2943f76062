//! How long does it take to say what a pod asks for, and where it could run?
//!
//! A seeded cluster of 1,000 placed pods on 84 nodes. Half of its workloads have
//! a hard spread over zones, a third must not share a node with themselves.

use cloudoptim_benches::seeded;
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::model::Cluster;
use cloudoptim_core::scheduling::{InfeasibleResize, World, effective_request};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use std::hint::black_box;

fn cluster(pods: usize) -> Option<Cluster> {
    let mut documents: Value = serde_json::from_slice(&seeded::documents(pods, 1).ok()?).ok()?;
    for object in documents["items"].as_array_mut()? {
        if object["kind"] == "Pod" {
            rules(object);
        }
    }
    let mut loader = Loader::new(InputOptions::default());
    loader.add("dump.json", documents.to_string().as_bytes());
    loader.finish().ok()?.snapshot.clusters.pop()
}

fn rules(pod: &mut Value) {
    let app = pod["metadata"]["labels"]["app.kubernetes.io/instance"].clone();
    let digits = app
        .as_str()
        .unwrap_or_default()
        .trim_start_matches("service-");
    let number: usize = digits.parse().unwrap_or(0);
    let own = json!({ "matchLabels": { "app.kubernetes.io/instance": app } });
    if number.is_multiple_of(2) {
        pod["spec"]["topologySpreadConstraints"] = json!([{
            "labelSelector": own, "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
        }]);
    }
    if number.is_multiple_of(3) {
        let term = json!({ "labelSelector": own, "topologyKey": "kubernetes.io/hostname" });
        pod["spec"]["affinity"] = json!({
            "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] },
        });
    }
}

fn scheduling(c: &mut Criterion) {
    let Some(cluster) = cluster(1_000) else {
        return;
    };
    let pods = cluster.pods.items();
    assert_eq!(
        pods.len(),
        1_000,
        "a bench of what was not read says nothing"
    );
    let mut group = c.benchmark_group("scheduling");

    let mut next = pods.iter().cycle();
    group.bench_function("effective_request", |b| {
        b.iter(|| {
            let pod = black_box(next.next());
            pod.map(|pod| effective_request(pod, InfeasibleResize::Drop))
        });
    });

    group.sample_size(20);
    group.bench_function("world_of_1000_pods", |b| {
        b.iter(|| World::new(black_box(&cluster), &[]));
    });
    group.sample_size(100);

    // One pod against every node, as a packer asks.
    let world = World::new(&cluster, &[]);
    let nodes: Vec<_> = world.nodes().collect();
    let ids: Vec<_> = world.pods().collect();
    group.throughput(Throughput::Elements(nodes.len() as u64));
    let mut pod = ids.iter().cycle();
    group.bench_function("fits_on_84_nodes", |b| {
        b.iter(|| {
            let pod = pod.next().copied()?;
            Some(nodes.iter().filter(|n| world.fits(pod, **n)).count())
        });
    });
    let mut pod = ids.iter().cycle();
    group.bench_function("check_on_84_nodes", |b| {
        b.iter(|| {
            let pod = pod.next().copied()?;
            Some(
                nodes
                    .iter()
                    .filter(|n| world.check(pod, **n).is_ok())
                    .count(),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, scheduling);
criterion_main!(benches);
