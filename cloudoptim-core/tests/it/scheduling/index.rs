//! The index against itself built anew.

use super::*;
use cloudoptim_core::scheduling::Refusal;
use proptest::prelude::*;

/// A small cluster of all topology rules, from numbers.
fn random(places: &[(usize, usize, usize)]) -> Cluster {
    let mut c = cluster();
    let nodes = (0..4).map(|i| {
        let mut n = node(&format!("n{i}"), "4", "8Gi");
        let zone = format!("z{}", i % 2);
        n.meta.labels.insert(ZONE_LABEL.into(), zone);
        n
    });
    c.nodes = complete(nodes.collect());
    let pods = places.iter().enumerate().map(|(i, (app, on, rule))| {
        let app = ["a", "b"][app % 2];
        let on = format!("n{}", on % 5); // n4 is not there
        let mut p = pod(
            "n",
            app,
            &format!("p{i}"),
            &on,
            container("c", "700m", "1Gi"),
        );
        match rule % 6 {
            1 => p
                .spec
                .required_pod_anti_affinity
                .push(term("a", HOSTNAME_LABEL)),
            2 => p.spec.required_pod_affinity.push(term(app, ZONE_LABEL)),
            3 | 4 => p.spec.topology_spread.push(TopologySpread {
                max_skew: 1,
                topology_key: [ZONE_LABEL, HOSTNAME_LABEL][rule % 2].into(),
                selector: selecting(app),
                min_domains: Some(2),
                ..Default::default()
            }),
            5 => p.spec.containers[0].host_ports.push(HostPort {
                port: 80,
                ..Default::default()
            }),
            _ => {}
        }
        p
    });
    c.pods = complete(pods.collect());
    c
}

fn all_answers(world: &World<'_>) -> Vec<Option<Vec<Refusal>>> {
    let nodes: Vec<_> = world.nodes().collect();
    world
        .pods()
        .flat_map(|p| nodes.iter().map(move |n| (p, *n)).collect::<Vec<_>>())
        .map(|(p, n)| {
            let answer = world.check(p, n).err().map(|r| r.0);
            assert_eq!(world.fits(p, n), answer.is_none());
            answer
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A world in which pods moved answers as one that is built anew.
    #[test]
    fn moves_leave_the_index_as_if_it_were_new(
        places in prop::collection::vec((0_usize..2, 0_usize..5, 0_usize..6), 1..10),
        moves in prop::collection::vec((0_usize..10, 0_usize..4), 0..12),
    ) {
        let before = random(&places);
        let mut world = World::new(&before, &[]);
        let mut after = places.clone();
        for (pod, node) in moves {
            let pod = pod % places.len();
            after[pod].1 = node;
            let name = format!("p{pod}");
            let id = world.pod_id("n", &name).unwrap();
            let to = world.node_id(&NodeName::new(format!("n{node}"))).unwrap();
            world.remove_pod(id);
            prop_assert!(world.place_pod(id, to));
        }
        let moved = random(&after);
        let rebuilt = World::new(&moved, &[]);
        prop_assert_eq!(all_answers(&world), all_answers(&rebuilt));
    }

    /// A pod that stands somewhere is judged as if it had been taken away.
    #[test]
    fn a_pod_does_not_stand_in_its_own_way(
        places in prop::collection::vec((0_usize..2, 0_usize..4, 0_usize..6), 1..8),
    ) {
        let c = random(&places);
        let world = World::new(&c, &[]);
        let nodes: Vec<_> = world.nodes().collect();
        for pod in world.pods() {
            let mut without = world.clone();
            without.remove_pod(pod);
            for node in &nodes {
                prop_assert_eq!(world.check(pod, *node), without.check(pod, *node));
            }
        }
    }

    /// A removed node leaves the index as if it had never been.
    #[test]
    fn a_removed_node_is_forgotten(
        places in prop::collection::vec((0_usize..2, 1_usize..4, 0_usize..6), 1..8),
    ) {
        let c = random(&places);
        let mut world = World::new(&c, &[]);
        let gone = world.node_id(&NodeName::new("n0")).unwrap();
        prop_assert!(world.remove_node(gone));
        let mut less = c.clone();
        less.nodes.value_mut().unwrap().retain(|n| n.meta.name != "n0");
        let rebuilt = World::new(&less, &[]);
        prop_assert_eq!(all_answers(&world), all_answers(&rebuilt));
    }
}
