//! Seeded clusters of any size, for benches that need no file.

use crate::dump::{Cluster, NodeType, Pod, write};
use crate::instance::{Instance, Machine, Pod as PackingPod};
use crate::sample::Random;
use cloudoptim_core::model::MicroUsdPerHour;
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
    fn every_pod_of_a_seeded_cluster_fits_some_machine() {
        let instance = packing(500, 1);
        let fits = |pod: &PackingPod| {
            let mut machines = instance.machines.iter();
            machines.any(|m| pod.amounts.iter().zip(&m.amounts).all(|(a, b)| a <= b))
        };
        assert!(instance.pods.iter().all(fits));
    }
}
