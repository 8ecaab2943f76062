//! Seeded clusters of any size, for benches that need no file.

use crate::dump::{Cluster, NodeType, Pod, write};
use crate::instance::{Instance, Machine, Pod as PackingPod};
use crate::load::TypeRow;
use crate::sample::Random;
use crate::scene::Sizes;
use cloudoptim_core::model::MicroUsdPerHour;
use std::collections::BTreeSet;
use std::io;

/// CPU in millicores and memory in MiB that pods commonly ask for, from a
/// tenth of a core to eight, at 1 to 8 GiB a core.
const SIZES: [(u64, u64); 12] = [
    (100, 128),
    (100, 512),
    (250, 512),
    (250, 1_024),
    (500, 1_024),
    (500, 4_096),
    (1_000, 2_048),
    (1_000, 8_192),
    (2_000, 4_096),
    (2_000, 16_384),
    (4_000, 8_192),
    (8_000, 32_768),
];

fn size(random: &mut Random) -> (u64, u64) {
    // The product of two draws: small pods are the common ones.
    SIZES[random.below(SIZES.len()) * (1 + random.below(SIZES.len())) / SIZES.len()]
}

/// A packing instance: pods of twelve sizes, and nodes of three shapes in
/// eight sizes at list prices of us-east-1 (c6i, m6i, r6i).
#[must_use]
pub fn packing(pods: usize, seed: u64) -> Instance {
    let mut random = Random::new(seed);
    let shapes: [(&str, u64, i64); 3] = [
        ("c6i", 2_048, 42_500),
        ("m6i", 4_096, 48_000),
        ("r6i", 8_192, 63_000),
    ];
    let mut machines = Vec::new();
    for (family, mib_per_cpu, price_per_cpu) in shapes {
        for cpus in [2u64, 4, 8, 16, 32, 48, 64, 96] {
            machines.push(Machine {
                name: format!("{family}-{cpus}"),
                // About what a kubelet leaves.
                amounts: vec![
                    cpus * 1_000 - 80,
                    cpus * mib_per_cpu * 37 / 40 - 600,
                    29 * cpus.min(25),
                ],
                price: MicroUsdPerHour(price_per_cpu * cpus as i64),
                ..Machine::default()
            });
        }
    }
    Instance {
        name: format!("seeded-{pods}"),
        dims: ["cpu_milli", "memory_mib", "pods"]
            .map(str::to_owned)
            .to_vec(),
        pods: (0..pods)
            .map(|i| {
                let (cpu, memory) = size(&mut random);
                PackingPod {
                    name: format!("p{i}"),
                    amounts: vec![cpu, memory, 1],
                    ..PackingPod::default()
                }
            })
            .collect(),
        machines,
        ..Instance::default()
    }
}

/// A packing instance in which every workload asks for what it needs and no
/// round number: `classes` different sizes ([`Sizes::Rightsized`]), few replicas
/// the common case and 80 times as many the rare one, `pods` pods in all, at
/// least one of each size. GPUs of `types` are left out.
///
/// # Errors
/// When there are fewer pods than classes, or more classes than can be told
/// apart.
pub fn rightsized(
    classes: usize,
    pods: usize,
    seed: u64,
    types: &[TypeRow],
) -> Result<Instance, String> {
    if classes == 0 || classes > 20_000 || pods < classes {
        return Err(format!(
            "classes must be from 1 to 20000 and at most the pods, got {classes} and {pods}"
        ));
    }
    let mut random = Random::new(seed);
    let mut sizes = BTreeSet::new();
    // Large sizes are rare, so some draws come twice.
    while sizes.len() < classes {
        sizes.insert(Sizes::Rightsized.draw(&mut random));
    }
    let weights: Vec<f64> = (0..classes)
        .map(|_| 80.0_f64.powf(random.below(1 << 20) as f64 / f64::from(1 << 20)))
        .collect();
    let total: f64 = weights.iter().sum();
    let spare = (pods - classes) as f64;
    let mut seen = 0.0;
    let mut out = Vec::with_capacity(pods);
    for (class, ((cpu, memory), weight)) in sizes.iter().zip(weights).enumerate() {
        // Cumulative shares, so that the parts add up to the whole.
        let before = (seen / total * spare).round() as usize;
        seen += weight;
        let last = class + 1 == classes;
        let after = if last {
            pods - classes
        } else {
            (seen / total * spare).round() as usize
        };
        for replica in 0..=after - before {
            out.push(PackingPod {
                name: format!("w{class}-{replica}"),
                amounts: vec![*cpu, *memory, 1],
                ..PackingPod::default()
            });
        }
    }
    let machines = types.iter().filter(|t| t.gpus.is_empty());
    Ok(Instance {
        name: format!("rightsized-{classes}-{pods}-seed{seed}"),
        dims: ["cpu_milli", "memory_mib", "pods"]
            .map(str::to_owned)
            .to_vec(),
        pods: out,
        machines: machines
            .map(|t| Machine {
                name: t.name.clone(),
                amounts: vec![t.cpu_milli, t.memory_mib, t.pods],
                price: t.price,
                ..Machine::default()
            })
            .collect(),
        ..Instance::default()
    })
}

/// The documents of a cluster as `kubectl` prints them, ten pods to a workload
/// and twelve to a node.
///
/// # Errors
/// None in practice: it writes to memory.
pub fn documents(pods: usize, seed: u64) -> io::Result<Vec<u8>> {
    let mut random = Random::new(seed);
    let sizes: Vec<(u64, u64)> = (0..pods.div_ceil(10)).map(|_| size(&mut random)).collect();
    let cluster = Cluster {
        pods: (0..pods)
            .map(|i| Pod {
                workload: i / 10,
                cpu_milli: sizes[i / 10].0,
                memory_mib: sizes[i / 10].1,
            })
            .collect(),
        nodes: pods.div_ceil(12).max(3),
        node_type: NodeType {
            name: "m6i.8xlarge".to_owned(),
            vcpu: 32,
            memory_mib: 131_072,
            alloc_cpu_milli: 31_850,
            alloc_memory_mib: 118_312,
            alloc_pods: 234,
        },
        zones: [("us-east-1a", "use1-az4"), ("us-east-1b", "use1-az6")]
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .to_vec(),
        seed,
        managed_fields: false,
        compact: false,
    };
    let mut out = Vec::new();
    write(&cluster, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_cluster() {
        assert_eq!(packing(50, 1).pods, packing(50, 1).pods);
        assert_ne!(packing(50, 1).pods, packing(50, 2).pods);
        assert_eq!(documents(20, 1).unwrap(), documents(20, 1).unwrap());
    }

    #[test]
    fn rightsized_pods_are_as_many_and_as_different_as_asked_for() {
        let types = crate::load::catalogue().unwrap();
        let instance = rightsized(90, 1_000, 3, &types).unwrap();
        let sizes: BTreeSet<_> = instance.pods.iter().map(|p| &p.amounts).collect();
        assert_eq!((instance.pods.len(), sizes.len()), (1_000, 90));
        assert_eq!(
            instance.pods,
            rightsized(90, 1_000, 3, &types).unwrap().pods
        );
        assert_ne!(
            instance.pods,
            rightsized(90, 1_000, 4, &types).unwrap().pods
        );
        assert!(instance.machines.iter().all(|m| m.gpus.is_empty()));
        assert!(rightsized(90, 89, 3, &types).is_err());
    }

    #[test]
    fn every_pod_of_a_seeded_cluster_fits_some_machine() {
        let instance = packing(500, 1);
        let fits = |pod: &PackingPod| {
            let mut machines = instance.machines.iter();
            machines.any(|m| pod.amounts.iter().zip(&m.amounts).all(|(a, b)| a <= b))
        };
        assert!(instance.pods.iter().all(fits));
    }
}
