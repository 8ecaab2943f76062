//! Pods on nodes that are there, against every placement of tiny instances.

use crate::folder;
use cloudoptim_benches::check::violations;
use cloudoptim_benches::instance::{Instance, Machine, Pod};
use cloudoptim_benches::load;
use cloudoptim_benches::sample::Random;
use cloudoptim_benches::stock::{Reason, place};
use cloudoptim_core::engines::bin_packing::solver::Effort;
use std::collections::BTreeSet;
use std::fs;

/// Two or three nodes with up to two GPUs each, and more pods than fit.
fn drawn(seed: u64) -> (Instance, Vec<Machine>) {
    let mut random = Random::new(seed);
    let nodes = (0..2 + random.below(2)).map(|number| {
        let model = ["T4", "V100"][random.below(2)].to_owned();
        Machine {
            name: format!("n{number}"),
            amounts: vec![4 + random.below(5) as u64, 4 + random.below(5) as u64, 3],
            gpus: vec![(model, 1000); random.below(3)],
            ..Machine::default()
        }
    });
    let nodes = nodes.collect();
    let pods = (0..4 + random.below(3)).map(|number| {
        let gpus = [0, 1, 1, 1, 2][random.below(5)];
        let shared = gpus == 1 && random.below(2) == 0;
        Pod {
            name: format!("p{number}"),
            amounts: vec![1 + random.below(5) as u64, 1 + random.below(5) as u64, 1],
            gpus,
            gpu_milli: match (gpus, shared) {
                (0, _) => 0,
                (_, true) => 100 * (2 + random.below(7) as u32),
                (_, false) => 1000,
            },
            gpu_models: match random.below(4) {
                0 if gpus > 0 => vec!["T4".to_owned()],
                _ => Vec::new(),
            },
            ..Pod::default()
        }
    });
    let instance = Instance {
        name: format!("drawn-{seed}"),
        dims: ["cpu", "memory", "pods"].map(str::to_owned).to_vec(),
        pods: pods.collect(),
        ..Instance::default()
    };
    (instance, nodes)
}

/// The most thousandths of GPUs of any placement.
fn most(pods: &[Pod], nodes: &mut [Machine]) -> u64 {
    let Some((pod, rest)) = pods.split_first() else {
        return 0;
    };
    let mut best = most(rest, nodes);
    for node in 0..nodes.len() {
        let before = nodes[node].clone();
        if before.amounts.iter().zip(&pod.amounts).any(|(f, t)| f < t) {
            continue;
        }
        let fit = (0..before.gpus.len()).filter(|gpu| {
            let (model, milli) = &before.gpus[*gpu];
            let accepted = pod.gpu_models.is_empty() || pod.gpu_models.contains(model);
            accepted && *milli >= pod.gpu_milli
        });
        let fit: Vec<usize> = fit.collect();
        // Every set of so many GPUs.
        for set in 0..1u32 << fit.len() {
            if set.count_ones() != pod.gpus {
                continue;
            }
            for (free, takes) in nodes[node].amounts.iter_mut().zip(&pod.amounts) {
                *free -= takes;
            }
            for (at, gpu) in fit.iter().enumerate() {
                if (set >> at) & 1 == 1 {
                    nodes[node].gpus[*gpu].1 -= pod.gpu_milli;
                }
            }
            let own = u64::from(pod.gpus) * u64::from(pod.gpu_milli);
            best = best.max(own + most(rest, nodes));
            nodes[node] = before.clone();
        }
    }
    best
}

#[test]
fn no_placement_has_more_gpus_than_the_bound_and_most_answers_have_as_many() {
    let (mut crowded, mut best_found) = (0, 0);
    let mut reasons = BTreeSet::new();
    for seed in 0..400 {
        let (instance, nodes) = drawn(seed);
        let optimum = most(&instance.pods, &mut nodes.clone());
        let answer = place(&instance, &nodes, &Effort::default()).unwrap();
        assert_eq!(answer.violations, [], "seed {seed}");
        let (stocked, placed) = (&answer.stocked, &answer.assignment);
        // On no more nodes than there are, whoever judges it.
        let cost = placed.nodes.iter();
        let cost = cost.map(|n| stocked.instance.machines[n.machine].price.0);
        assert_eq!(violations(&stocked.instance, placed, cost.sum()), []);
        assert!(placed.nodes.len() <= nodes.len());
        for node in &placed.nodes {
            let has = &stocked.instance.machines[node.machine];
            let alike = |n: &&Machine| n.amounts == has.amounts && n.gpus == has.gpus;
            assert!(nodes.iter().any(|n| alike(&n)), "seed {seed}");
        }
        let has = stocked.placed_milli(placed);
        assert!(
            has <= optimum && optimum <= answer.most_milli,
            "seed {seed}: {has} {optimum} {}",
            answer.most_milli
        );
        let left_out = stocked.left_out(placed);
        let named: usize = left_out.iter().map(|l| l.pods.len()).sum();
        assert_eq!(named, placed.unplaced.len());
        let codes = left_out.iter().map(|l| match l.reason {
            Reason::FitsNoNode => "fits no node",
            Reason::Gpus { .. } => "GPUs",
            Reason::Resources { .. } => "resources",
            Reason::RoomLeft => panic!("seed {seed}: {left_out:?}"),
        });
        reasons.extend(codes);
        if optimum < stocked.asked_milli() {
            crowded += 1;
            best_found += u32::from(has == optimum);
        }
    }
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(crowded >= 150, "{crowded} of 400");
    assert!(
        best_found * 100 >= crowded * 90,
        "{best_found} of {crowded}"
    );
}

#[test]
fn nodes_are_read_with_their_gpus_and_other_lists_are_refused() {
    let folder = folder("stock-nodes");
    let file = folder.join("nodes.csv");
    let text =
        "name,cpu_milli,memory_mib,gpu,gpu_model,pods\nn1,8000,1024,2,T4,110\nn2,4000,512,0,,9\n";
    fs::write(&file, text).unwrap();
    let nodes = load::nodes(&file).unwrap();
    let gpus: Vec<usize> = nodes.iter().map(|n| n.gpus.len()).collect();
    assert_eq!((gpus, &nodes[1].amounts), (vec![2, 0], &vec![4000, 512, 9]));
    assert_eq!(nodes[0].gpus[1], ("T4".to_owned(), 1000));
    fs::write(&file, "name,cpu_milli\nn1,8000\n").unwrap();
    let err = load::nodes(&file).unwrap_err().to_string();
    assert!(
        err.ends_with("is not a list of nodes: it has no column memory_mib"),
        "{err}"
    );
    fs::write(&file, text.replace("1024,2", "1024,4000000000")).unwrap();
    let err = load::nodes(&file).unwrap_err().to_string();
    assert!(
        err.ends_with(":2: gpu must be at most 1000, got 4000000000"),
        "{err}"
    );
    fs::write(&file, text.replace("8000", "many")).unwrap();
    let err = load::nodes(&file).unwrap_err().to_string();
    assert!(
        err.ends_with(":2: cpu_milli must be a number, got \"many\""),
        "{err}"
    );
}

#[test]
fn a_pod_that_asks_for_more_gpus_than_are_counted_is_refused_by_name() {
    let (mut instance, nodes) = drawn(1);
    instance.pods[1].gpus = 4_000_000_000;
    let err = place(&instance, &nodes, &Effort::quick()).unwrap_err();
    assert_eq!(err, "p1: gpu must be at most 1000, got 4000000000");
    instance.pods.clear();
    let nobody = place(&instance, &nodes, &Effort::quick()).unwrap();
    assert_eq!((nobody.most_milli, nobody.violations.len()), (0, 0));
    let (instance, _) = drawn(1);
    let nowhere = place(&instance, &[], &Effort::quick()).unwrap();
    assert_eq!((nowhere.most_milli, nowhere.violations.len()), (0, 0));
    assert_eq!(nowhere.assignment.unplaced.len(), instance.pods.len());
}
