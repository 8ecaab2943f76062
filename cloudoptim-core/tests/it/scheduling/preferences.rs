//! What pods would rather have, and what it costs not to get it.

use super::*;
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::scheduling::{BrokenPreference, NodeId, PodId, PreferencePrices};

const RACK: &str = "rack";
const HASH: &str = "pod-template-hash";

const PRICES: PreferencePrices = PreferencePrices {
    per_weight: MicroUsdPerHour(10),
    per_taint: MicroUsdPerHour(5_000),
    per_spread: MicroUsdPerHour(70_000),
};

fn newcomer_on(world: &World<'_>, node: &str) -> (PodId, NodeId) {
    let pod = world.pod_id("n", "p").unwrap();
    (pod, world.node_id(&NodeName::new(node)).unwrap())
}

fn kind(broken: &BrokenPreference) -> String {
    let value = serde_json::to_value(broken).unwrap();
    assert_eq!(value["preference"], broken.preference());
    let back: BrokenPreference = serde_json::from_value(value).unwrap();
    assert_eq!(back, *broken);
    broken.preference().to_owned()
}

/// What the newcomer breaks on a node, of an indexed world.
fn of_newcomer(c: &Cluster, node: &str) -> Vec<BrokenPreference> {
    let world = World::new(c, &[]).with_preferences();
    let (p, n) = newcomer_on(&world, node);
    let broken = world.broken_preferences(p, n);
    assert!(broken.is_sorted());
    let cost = broken.iter().map(|b| PRICES.of(b)).sum();
    assert_eq!(world.preference_cost(&PRICES, p, n), cost);
    let about_node: Vec<_> = broken
        .iter()
        .filter(|b| {
            matches!(
                b,
                BrokenPreference::NodeAffinity { .. } | BrokenPreference::Taint { .. }
            )
        })
        .cloned()
        .collect();
    assert_eq!(world.node_preferences(p, n), about_node);
    // Without the index, that is all there is.
    let plain = World::new(c, &[]);
    assert_eq!(plain.broken_preferences(p, n), about_node);
    broken
}

/// The kinds of what the newcomer breaks on a node, joined.
fn broken(c: &Cluster, node: &str) -> String {
    let kinds: Vec<String> = of_newcomer(c, node).iter().map(kind).collect();
    kinds.join(" ")
}

/// `x` in zone a, `y` in zone b, and pods on them.
fn two_zones(pods: Vec<Pod>) -> Cluster {
    let nodes = vec![node_in("x", "us-east-1a"), node_in("y", "us-east-1b")];
    world_of(nodes, pods)
}

fn both(c: &Cluster) -> [String; 2] {
    [broken(c, "x"), broken(c, "y")]
}

fn weighed(weight: i32, term: PodAffinityTerm) -> PreferredPodTerm {
    PreferredPodTerm { weight, term }
}

fn likes(term: PodAffinityTerm) -> Pod {
    let mut p = newcomer("a");
    p.spec.preferred_pod_affinity.push(weighed(50, term));
    p
}

fn dislikes(term: PodAffinityTerm) -> Pod {
    let mut p = newcomer("a");
    p.spec.preferred_pod_anti_affinity.push(weighed(50, term));
    p
}

fn on(app: &str, node: &str) -> Pod {
    pod("n", app, "on", node, small())
}

fn in_zone(weight: i32, zone: &str) -> PreferredNodeTerm {
    let zone = requirement(ZONE_LABEL, Operator::In, &[zone]);
    PreferredNodeTerm {
        weight,
        term: NodeSelectorTerm {
            match_expressions: vec![zone],
            ..Default::default()
        },
    }
}

#[test]
fn every_preferred_node_term_that_does_not_hold_is_broken_by_its_weight() {
    let mut p = newcomer("a");
    let mut by_name = PreferredNodeTerm {
        weight: 7,
        ..Default::default()
    };
    let field = requirement("metadata.name", Operator::In, &["y"]);
    by_name.term.match_fields.push(field);
    p.spec.preferred_node_affinity = vec![
        in_zone(100, "us-east-1a"),
        in_zone(20, "us-east-1b"),
        by_name,
        // Neither of these says anything to the kube-scheduler.
        in_zone(0, "us-east-1c"),
        PreferredNodeTerm {
            weight: 30,
            ..Default::default()
        },
    ];
    let c = two_zones(vec![p]);
    let weights = |node: &str| -> Vec<i32> {
        let broken = of_newcomer(&c, node).into_iter().map(|b| match b {
            BrokenPreference::NodeAffinity { weight, .. } => weight,
            other => panic!("{other}"),
        });
        broken.collect()
    };
    assert_eq!(weights("x"), [7, 20]);
    assert_eq!(weights("y"), [100]);
    let world = World::new(&c, &[]);
    let cost = |node: &str| {
        let (p, n) = newcomer_on(&world, node);
        world.preference_cost(&PRICES, p, n)
    };
    assert_eq!(cost("x"), MicroUsdPerHour(270));
    assert_eq!(cost("y"), MicroUsdPerHour(1_000));
}

#[test]
fn a_taint_that_asks_to_stay_away_is_broken_unless_it_is_tolerated() {
    let asks = Taint {
        key: "team".into(),
        value: "web".into(),
        effect: TaintEffect::PreferNoSchedule,
    };
    let tolerates = |key: &str, value: Option<&str>, effect| Toleration {
        key: key.into(),
        exists: value.is_none(),
        value: value.unwrap_or_default().into(),
        effect,
        seconds: None,
    };
    for (toleration, want) in [
        (None, "taint"),
        (Some(tolerates("team", Some("web"), None)), ""),
        (Some(tolerates("team", Some("shop"), None)), "taint"),
        (Some(tolerates("team", None, None)), ""),
        (Some(tolerates("", None, None)), ""),
        (
            Some(tolerates("team", None, Some(TaintEffect::PreferNoSchedule))),
            "",
        ),
        (
            Some(tolerates("team", None, Some(TaintEffect::NoSchedule))),
            "taint",
        ),
    ] {
        let mut c = two_zones(vec![newcomer("a")]);
        c.nodes.value_mut().unwrap()[0].taints.push(asks.clone());
        let tolerations = &mut c.pods.value_mut().unwrap()[0].spec.tolerations;
        tolerations.extend(toleration.clone());
        assert_eq!(both(&c), [want, ""], "{toleration:?}");
        assert_eq!(refused(&c, "x"), "");
    }
    // One that keeps pods away is no preference.
    let mut c = two_zones(vec![newcomer("a")]);
    let mut keeps = asks;
    keeps.effect = TaintEffect::NoSchedule;
    c.nodes.value_mut().unwrap()[0].taints.push(keeps);
    assert_eq!(both(&c), ["", ""]);
    assert_eq!(refused(&c, "x"), "taint");
}

#[test]
fn a_pod_would_rather_be_near_another_pod_than_alone() {
    let c = two_zones(vec![on("b", "x"), likes(term("b", ZONE_LABEL))]);
    assert_eq!(both(&c), ["", "pod_affinity"]);
    // Nobody to be near to; the pod itself is no company, where it stands or not.
    let c = two_zones(vec![likes(term("a", ZONE_LABEL))]);
    assert_eq!(both(&c), ["pod_affinity", "pod_affinity"]);
    let mut there = likes(term("a", ZONE_LABEL));
    there.spec.node_name = Some(NodeName::new("x"));
    let c = two_zones(vec![there.clone()]);
    assert_eq!(both(&c), ["pod_affinity", "pod_affinity"]);
    let c = two_zones(vec![there, on("a", "x")]);
    assert_eq!(both(&c), ["", "pod_affinity"]);
    // Terms are counted one by one: no pod has to meet both.
    let mut p = likes(term("b", ZONE_LABEL));
    p.spec
        .preferred_pod_affinity
        .push(weighed(1, term("c", ZONE_LABEL)));
    let mut other = on("c", "y");
    other.meta.name = "other".into();
    let c = two_zones(vec![on("b", "x"), other, p.clone()]);
    assert_eq!(both(&c), ["pod_affinity", "pod_affinity"]);
    // A weight of 0 wants nothing.
    for wish in &mut p.spec.preferred_pod_affinity {
        wish.weight = 0;
    }
    assert_eq!(both(&two_zones(vec![p])), ["", ""]);
}

#[test]
fn a_pod_would_rather_stand_apart_from_those_it_avoids() {
    let c = two_zones(vec![on("b", "x"), dislikes(term("b", ZONE_LABEL))]);
    assert_eq!(both(&c), ["pod_anti_affinity", ""]);
    // Not from itself.
    let mut there = dislikes(term("a", HOSTNAME_LABEL));
    there.spec.node_name = Some(NodeName::new("x"));
    assert_eq!(both(&two_zones(vec![there.clone()])), ["", ""]);
    let c = two_zones(vec![there, on("a", "x")]);
    assert_eq!(both(&c), ["pod_anti_affinity", ""]);
    // What others would rather is theirs to break.
    let mut there = on("b", "x");
    let wish = weighed(100, term("a", ZONE_LABEL));
    there.spec.preferred_pod_anti_affinity.push(wish);
    let c = two_zones(vec![there, newcomer("a")]);
    assert_eq!(both(&c), ["", ""]);
}

#[test]
fn a_node_without_the_label_is_far_from_everybody() {
    let mut c = two_zones(vec![on("b", "x"), likes(term("b", RACK))]);
    assert_eq!(both(&c), ["pod_affinity", "pod_affinity"]);
    label(&mut c.nodes.value_mut().unwrap()[0].meta, RACK, "r1");
    assert_eq!(both(&c), ["", "pod_affinity"]);
    let mut c = two_zones(vec![on("b", "x"), dislikes(term("b", RACK))]);
    assert_eq!(both(&c), ["", ""]);
    for n in c.nodes.value_mut().unwrap() {
        label(&mut n.meta, RACK, "r1");
    }
    assert_eq!(both(&c), ["pod_anti_affinity", "pod_anti_affinity"]);
}

#[test]
fn preferred_terms_mean_pods_as_required_ones_do() {
    let of_team = LabelSelector {
        match_labels: Labels::from([("team".to_owned(), "shop".to_owned())]),
        ..Default::default()
    };
    let mut named = meta("", "other");
    label(&mut named, "team", "shop");
    for (namespace, names, selector, met) in [
        ("n", &[][..], None, true),
        ("other", &[], None, false),
        ("other", &["other"], None, true),
        ("n", &["other"], None, false),
        ("other", &[], Some(of_team.clone()), true),
        ("third", &[], Some(of_team.clone()), false),
        ("third", &[], Some(LabelSelector::default()), true),
        ("other", &["n"], Some(of_team), true),
    ] {
        let mut b = term("b", ZONE_LABEL);
        b.namespaces = names.iter().map(|n| (*n).to_owned()).collect();
        b.namespace_selector = selector.clone();
        let there = pod(namespace, "b", "on", "x", small());
        for p in [likes(b.clone()), dislikes(b)] {
            let far = !p.spec.preferred_pod_affinity.is_empty();
            let mut c = two_zones(vec![there.clone(), p]);
            let namespaces = [meta("", "n"), named.clone(), meta("", "third")];
            c.namespaces = complete(namespaces.map(|meta| Namespace { meta }).to_vec());
            let want = match (far, met) {
                (true, false) => "pod_affinity",
                (false, true) => "pod_anti_affinity",
                _ => "",
            };
            assert_eq!(broken(&c, "x"), want, "{namespace} {names:?} {selector:?}");
        }
    }
    // Keys take their values from the pod that prefers.
    let mut there = on("a", "x");
    label(&mut there.meta, HASH, "1");
    let mut same = term("a", ZONE_LABEL);
    same.match_label_keys = vec![HASH.into()];
    let mut other = term("a", ZONE_LABEL);
    other.mismatch_label_keys = vec![HASH.into()];
    for (hash, term, met) in [
        ("1", &same, true),
        ("2", &same, false),
        ("1", &other, false),
        ("2", &other, true),
    ] {
        for mut p in [likes(term.clone()), dislikes(term.clone())] {
            label(&mut p.meta, HASH, hash);
            let far = !p.spec.preferred_pod_affinity.is_empty();
            let c = two_zones(vec![there.clone(), p]);
            assert_eq!(broken(&c, "x").is_empty(), far == met, "{hash} {term:?}");
        }
    }
    // Without a selector a term means nobody.
    let mut nobody = term("b", ZONE_LABEL);
    nobody.selector = None;
    let c = two_zones(vec![on("b", "x"), likes(nobody.clone())]);
    assert_eq!(both(&c), ["pod_affinity", "pod_affinity"]);
    let c = two_zones(vec![on("b", "x"), dislikes(nobody)]);
    assert_eq!(both(&c), ["", ""]);
}

fn unclear(cluster: &Cluster) -> usize {
    let world = World::new(cluster, &[]).with_preferences();
    world.pods_with_unclear_preferences()
}

#[test]
fn where_labels_of_a_namespace_are_not_known_nothing_is_known_to_be_broken() {
    let mut by_team = term("b", ZONE_LABEL);
    by_team.namespace_selector = Some(LabelSelector {
        match_labels: Labels::from([("team".to_owned(), "shop".to_owned())]),
        ..Default::default()
    });
    let there = pod("other", "b", "on", "x", small());
    for (p, known) in [
        (likes(by_team.clone()), ["pod_affinity", "pod_affinity"]),
        (dislikes(by_team.clone()), ["", ""]),
    ] {
        let mut c = two_zones(vec![there.clone(), p.clone()]);
        assert_eq!(both(&c), known);
        assert_eq!(unclear(&c), 0);
        c.namespaces = std::mem::take(&mut c.namespaces).demoted(Gap::CompletenessNotStated);
        // Nobody of that app is in zone b, whatever the labels.
        assert_eq!(both(&c), ["", known[1]]);
        assert_eq!(unclear(&c), 1);
        // Of nobody is that doubtful whom the labels leave out anyway.
        c.pods
            .value_mut()
            .unwrap()
            .retain(|pod| pod.meta.namespace != "other");
        assert_eq!(unclear(&c), 0);
    }
    // The same words for both: what may be meant is company, and is not avoided.
    let mut p = likes(by_team.clone());
    let wish = weighed(50, by_team);
    p.spec.preferred_pod_anti_affinity.push(wish);
    let mut c = two_zones(vec![there, p]);
    c.namespaces = std::mem::take(&mut c.namespaces).demoted(Gap::CompletenessNotStated);
    assert_eq!(both(&c), ["", "pod_affinity"]);
}

fn over(key: &str, max_skew: u32) -> TopologySpread {
    TopologySpread {
        max_skew,
        topology_key: key.into(),
        when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
        selector: selecting("a"),
        ..Default::default()
    }
}

fn spread_by(spreads: &[TopologySpread]) -> Pod {
    let mut p = newcomer("a");
    p.spec.topology_spread = spreads.to_vec();
    p
}

/// Pods of `a` by node: `x` in zone a, `y` in zone b, `z` in zone c.
fn placed(counts: [usize; 3]) -> Vec<Pod> {
    let nodes = ["x", "y", "z"].iter().zip(counts);
    nodes
        .flat_map(|(node, count)| {
            (0..count).map(move |i| pod("n", "a", &format!("{node}-{i}"), node, small()))
        })
        .collect()
}

fn three_zones(mut pods: Vec<Pod>, newcomer: Pod) -> Cluster {
    let nodes = ["x", "y", "z"].iter().zip(["a", "b", "c"]);
    let nodes = nodes.map(|(name, zone)| node_in(name, &format!("us-east-1{zone}")));
    pods.push(newcomer);
    world_of(nodes.collect(), pods)
}

const NOWHERE: [Vec<i64>; 3] = [const { Vec::new() }; 3];

/// Of each node, the skews beyond what is asked for; -1 without the label.
fn skews(c: &Cluster) -> [Vec<i64>; 3] {
    ["x", "y", "z"].map(|node| {
        let broken = of_newcomer(c, node).into_iter().map(|b| match b {
            BrokenPreference::TopologySpread { skew, .. } => skew.map_or(-1, i64::from),
            other => panic!("{other}"),
        });
        broken.collect()
    })
}

#[test]
fn a_soft_spread_is_broken_beyond_its_skew() {
    for (counts, max_skew, want) in [
        ([0, 0, 0], 1, [vec![], vec![], vec![]]),
        ([1, 0, 0], 1, [vec![2], vec![], vec![]]),
        ([1, 1, 0], 1, [vec![2], vec![2], vec![]]),
        ([2, 1, 1], 1, [vec![2], vec![], vec![]]),
        ([1, 0, 0], 2, [vec![], vec![], vec![]]),
        ([5, 0, 1], 1, [vec![6], vec![], vec![2]]),
    ] {
        // However few domains there are, the emptiest is the emptiest.
        let mut spread = over(ZONE_LABEL, max_skew);
        spread.min_domains = Some(9);
        let c = three_zones(placed(counts), spread_by(&[spread]));
        assert_eq!(skews(&c), want, "{counts:?} {max_skew}");
    }
}

#[test]
fn a_soft_spread_counts_the_pod_once_and_where_it_would_be() {
    // Two in zone a, of which one is the pod itself, and one in zone b.
    let mut there = spread_by(&[over(ZONE_LABEL, 1)]);
    there.spec.node_name = Some(NodeName::new("x"));
    let c = three_zones(placed([1, 1, 0]), there);
    assert_eq!(skews(&c), [vec![2], vec![2], vec![]]);
    // It selects others only.
    let mut p = spread_by(&[over(ZONE_LABEL, 1)]);
    label(&mut p.meta, "app", "b");
    let c = three_zones(placed([2, 1, 0]), p);
    assert_eq!(skews(&c), [vec![2], vec![], vec![]]);
    // Those that are going and those of other namespaces do not count.
    let mut pods = placed([2, 0, 0]);
    pods[0].meta.deleted_at = Some(at("2026-05-01T11:00Z"));
    pods[1].meta.namespace = "other".into();
    let c = three_zones(pods, spread_by(&[over(ZONE_LABEL, 1)]));
    assert_eq!(skews(&c), NOWHERE);
    // A hard spread is a rule, and not told here.
    let mut hard = over(ZONE_LABEL, 1);
    hard.when_unsatisfiable = WhenUnsatisfiable::DoNotSchedule;
    let c = three_zones(placed([1, 0, 0]), spread_by(&[hard]));
    assert_eq!(skews(&c), NOWHERE);
}

#[test]
fn a_soft_spread_counts_nodes_that_have_all_its_soft_keys() {
    let spreads = [over(ZONE_LABEL, 1), over(RACK, 5)];
    let mut c = three_zones(placed([1, 1, 0]), spread_by(&spreads));
    // No node has a rack: no node counts, and all lack the label.
    assert_eq!(skews(&c), [vec![-1], vec![-1], vec![-1]]);
    // With racks in two zones, the emptiness of the third counts no longer.
    for n in &mut c.nodes.value_mut().unwrap()[..2] {
        label(&mut n.meta, RACK, "r1");
    }
    assert_eq!(skews(&c), [vec![], vec![], vec![-1]]);
    // A hard key is none of its business.
    let mut hard = over(RACK, 5);
    hard.when_unsatisfiable = WhenUnsatisfiable::DoNotSchedule;
    let pods = &mut c.pods.value_mut().unwrap();
    pods.last_mut().unwrap().spec.topology_spread[1] = hard;
    assert_eq!(skews(&c), [vec![2], vec![2], vec![]]);
}

#[test]
fn a_soft_spread_heeds_affinity_and_taints_as_it_is_told() {
    let not_c = requirement(ZONE_LABEL, Operator::NotIn, &["us-east-1c"]);
    let not_c = NodeSelectorTerm {
        match_expressions: vec![not_c],
        ..Default::default()
    };
    for (honours, want) in [
        (None, [vec![], vec![], vec![]]),
        (Some(true), [vec![], vec![], vec![]]),
        (Some(false), [vec![2], vec![2], vec![]]),
    ] {
        let mut spread = over(ZONE_LABEL, 1);
        spread.honour_node_affinity = honours;
        let mut p = spread_by(&[spread]);
        p.spec.required_node_affinity = Some(vec![not_c.clone()]);
        assert_eq!(
            skews(&three_zones(placed([1, 1, 0]), p)),
            want,
            "{honours:?}"
        );
    }
    for (honours, want) in [
        (None, [vec![2], vec![2], vec![]]),
        (Some(false), [vec![2], vec![2], vec![]]),
        (Some(true), [vec![], vec![], vec![]]),
    ] {
        let mut spread = over(ZONE_LABEL, 1);
        spread.honour_node_taints = honours;
        let mut c = three_zones(placed([1, 1, 0]), spread_by(&[spread]));
        c.nodes.value_mut().unwrap()[2].taints.push(Taint {
            key: "team".into(),
            ..Default::default()
        });
        assert_eq!(skews(&c), want, "{honours:?}");
    }
}

#[test]
fn counts_follow_pods_and_nodes() {
    let mut spread = over(ZONE_LABEL, 1);
    spread.honour_node_taints = Some(true);
    let mut p = spread_by(&[spread]);
    let near = weighed(50, term("b", RACK));
    p.spec.preferred_pod_affinity.push(near);
    let mut pods = placed([1, 1, 0]);
    pods.push(on("b", "x"));
    let mut c = three_zones(pods, p);
    for n in c.nodes.value_mut().unwrap() {
        label(&mut n.meta, RACK, "r1");
    }
    let mut world = World::new(&c, &[]).with_preferences();
    let told = |world: &World<'_>, node: &str| {
        let (p, n) = newcomer_on(world, node);
        let kinds: Vec<String> = world.broken_preferences(p, n).iter().map(kind).collect();
        kinds.join(" ")
    };
    let id = |world: &World<'_>, name: &str| world.node_id(&NodeName::new(name)).unwrap();
    let (x, z) = (id(&world, "x"), id(&world, "z"));
    assert_eq!(told(&world, "x"), "topology_spread");
    assert_eq!(told(&world, "z"), "");
    // A cordon of the emptiest zone, and its end.
    world.cordon_node(z);
    assert_eq!(told(&world, "x"), "");
    world.uncordon_node(z);
    assert_eq!(told(&world, "x"), "topology_spread");
    // A pod in the third zone.
    let b = world.pod_id("n", "on").unwrap();
    let first = world.pod_id("n", "x-0").unwrap();
    assert!(world.place_pod(first, z));
    assert_eq!(told(&world, "x"), "");
    assert_eq!(told(&world, "z"), "topology_spread");
    // Its company goes, and comes back on a new node of another rack.
    world.remove_pod(b);
    assert_eq!(told(&world, "x"), "pod_affinity");
    let mut new = node_in("new", "us-east-1d");
    label(&mut new.meta, RACK, "r2");
    let new = world.add_node(new, &Resources::default(), None).unwrap();
    assert!(world.place_pod(b, new));
    assert_eq!(told(&world, "new"), "");
    // The new zone is the emptiest.
    assert_eq!(told(&world, "y"), "pod_affinity topology_spread");
    // It goes with what stands there.
    assert!(world.remove_node(new));
    assert_eq!(told(&world, "x"), "pod_affinity");
    assert!(world.place_pod(b, x));
    assert_eq!(told(&world, "x"), "");
    assert_eq!(told(&world, "y"), "topology_spread");
}

#[test]
fn all_pods_together_cost_what_those_cost_that_could_stand_elsewhere() {
    let away = |name: &str, node: &str| {
        let mut p = pod("n", "a", name, node, small());
        let wish = weighed(50, term("a", HOSTNAME_LABEL));
        p.spec.preferred_pod_anti_affinity.push(wish);
        p
    };
    let owned = |name: &str, kind: &str| {
        let mut p = away(name, "x");
        p.meta.owners = vec![owner(kind, "o", "uid-o")];
        p
    };
    let mut going = away("going", "x");
    going.meta.deleted_at = Some(at("2026-05-01T11:00Z"));
    let pods = vec![
        away("one", "x"),
        away("waits", "gone"),
        owned("daemon", "DaemonSet"),
        owned("static", "Node"),
        going,
    ];
    let c = two_zones(pods);
    let mut world = World::new(&c, &[]).with_preferences();
    assert_eq!(world.preferences_cost(&PRICES), MicroUsdPerHour(500));
    let waits = world.pod_id("n", "waits").unwrap();
    let x = world.node_id(&NodeName::new("x")).unwrap();
    assert!(world.place_pod(waits, x));
    assert_eq!(world.preferences_cost(&PRICES), MicroUsdPerHour(1_000));
    let free = PreferencePrices::default();
    assert_eq!(world.preferences_cost(&free), MicroUsdPerHour::ZERO);
    // Without the index nothing is told about other pods.
    let plain = World::new(&c, &[]);
    assert_eq!(plain.preferences_cost(&PRICES), MicroUsdPerHour::ZERO);
}

#[test]
fn prices_are_per_point_and_weights_are_held_to_their_range() {
    let of = |prices: PreferencePrices, weight| {
        let term = PodAffinityTerm::default();
        prices.of(&BrokenPreference::PodAffinity { weight, term })
    };
    for (weight, want) in [(-7, 0), (0, 0), (1, 10), (100, 1_000), (101, 1_000)] {
        assert_eq!(of(PRICES, weight), MicroUsdPerHour(want), "{weight}");
        assert_eq!(of(PRICES, weight), {
            let term = NodeSelectorTerm::default();
            PRICES.of(&BrokenPreference::NodeAffinity { weight, term })
        });
    }
    let dear = PreferencePrices {
        per_weight: MicroUsdPerHour(i64::MAX),
        ..PRICES
    };
    assert_eq!(of(dear, 2), MicroUsdPerHour(i64::MAX));
    assert!(PreferencePrices::default().are_zero());
    let one = PreferencePrices {
        per_spread: MicroUsdPerHour(1),
        ..Default::default()
    };
    assert!(!one.are_zero());
    let read: PreferencePrices = serde_json::from_str("{\"per_taint\":3}").unwrap();
    assert_eq!(read.per_taint, MicroUsdPerHour(3));
    assert_eq!(read.per_weight, MicroUsdPerHour::ZERO);
    assert!(serde_json::from_str::<PreferencePrices>("{\"per_pod\":3}").is_err());
}

#[test]
fn preferences_are_told_in_sentences() {
    let taint = Taint {
        key: "team".into(),
        value: "web".into(),
        effect: TaintEffect::PreferNoSchedule,
    };
    let spread = |skew| BrokenPreference::TopologySpread {
        topology_key: ZONE_LABEL.into(),
        max_skew: 1,
        skew,
    };
    for (broken, want) in [
        (
            BrokenPreference::NodeAffinity {
                weight: 10,
                term: in_zone(10, "us-east-1a").term,
            },
            "a preferred term of the node affinity does not hold (weight 10): \
             topology.kubernetes.io/zone in (us-east-1a)",
        ),
        (
            BrokenPreference::Taint { taint },
            "the taint team=web, which asks pods to stay away, is not tolerated",
        ),
        (
            BrokenPreference::PodAffinity {
                weight: 50,
                term: term("b", ZONE_LABEL),
            },
            "no pod that it would rather be near shares its topology.kubernetes.io/zone \
             (weight 50)",
        ),
        (
            BrokenPreference::PodAntiAffinity {
                weight: 50,
                term: term("b", ZONE_LABEL),
            },
            "a pod that it would rather avoid shares its topology.kubernetes.io/zone (weight 50)",
        ),
        (
            spread(Some(3)),
            "its topology.kubernetes.io/zone would be 3 ahead of the emptiest domain: \
             rather no more than 1",
        ),
        (
            spread(None),
            "the node lacks the label topology.kubernetes.io/zone, by which it would rather be \
             spread",
        ),
    ] {
        assert_eq!(broken.to_string(), want);
        kind(&broken);
    }
}
