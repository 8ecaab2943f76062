//! Spread over domains.

use super::*;

const HASH: &str = "pod-template-hash";

fn over(key: &str, max_skew: u32) -> TopologySpread {
    TopologySpread {
        max_skew,
        topology_key: key.into(),
        selector: selecting("a"),
        ..Default::default()
    }
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

fn three_zones() -> Vec<Node> {
    [
        ("x", "us-east-1a"),
        ("y", "us-east-1b"),
        ("z", "us-east-1c"),
    ]
    .map(|(name, zone)| node_in(name, zone))
    .to_vec()
}

fn spread_by(spread: TopologySpread) -> Pod {
    let mut p = newcomer("a");
    p.spec.topology_spread.push(spread);
    p
}

/// Which of the nodes refuse the newcomer, and by what: `x:rule`.
fn refusing(nodes: Vec<Node>, mut pods: Vec<Pod>, newcomer: Pod) -> String {
    let names: Vec<String> = nodes.iter().map(|n| n.meta.name.clone()).collect();
    pods.push(newcomer);
    let c = world_of(nodes, pods);
    let said = names.iter().filter_map(|name| {
        let rules = refused(&c, name);
        (!rules.is_empty()).then(|| format!("{name}:{rules}"))
    });
    said.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_domain_may_be_so_far_ahead_of_the_emptiest_and_no_further() {
    for (counts, max_skew, want) in [
        ([0, 0, 0], 1, ""),
        ([1, 0, 0], 1, "x:topology_spread"),
        ([1, 1, 0], 1, "x:topology_spread y:topology_spread"),
        ([1, 1, 1], 1, ""),
        ([2, 1, 1], 1, "x:topology_spread"),
        ([1, 0, 0], 2, ""),
        ([2, 0, 0], 2, "x:topology_spread"),
        // Too far ahead already: the others may still catch up.
        ([5, 0, 1], 1, "x:topology_spread z:topology_spread"),
    ] {
        let p = spread_by(over(ZONE_LABEL, max_skew));
        let got = refusing(three_zones(), placed(counts), p);
        assert_eq!(got, want, "{counts:?} {max_skew}");
    }
}

#[test]
fn a_soft_spread_refuses_nothing() {
    let mut soft = over(ZONE_LABEL, 1);
    soft.when_unsatisfiable = WhenUnsatisfiable::ScheduleAnyway;
    soft.min_domains = Some(9);
    let got = refusing(three_zones(), placed([5, 0, 0]), spread_by(soft.clone()));
    assert_eq!(got, "");
    // Nor where its key is missing.
    soft.topology_key = "rack".into();
    assert_eq!(refusing(three_zones(), vec![], spread_by(soft)), "");
}

#[test]
fn a_pod_counts_itself_only_where_its_spread_selects_it() {
    let mut p = spread_by(over(ZONE_LABEL, 1));
    let got = refusing(three_zones(), placed([1, 0, 0]), p.clone());
    assert_eq!(got, "x:topology_spread");
    label(&mut p.meta, "app", "other");
    let got = refusing(three_zones(), placed([1, 0, 0]), p.clone());
    assert_eq!(got, "");
    let got = refusing(three_zones(), placed([2, 0, 0]), p);
    assert_eq!(got, "x:topology_spread");
}

#[test]
fn fewer_domains_than_asked_for_make_the_emptiest_count_as_none() {
    for (min_domains, want) in [
        (None, ""),
        (Some(3), ""),
        (
            Some(4),
            "x:topology_spread y:topology_spread z:topology_spread",
        ),
    ] {
        let mut spread = over(ZONE_LABEL, 1);
        spread.min_domains = min_domains;
        let got = refusing(three_zones(), placed([1, 1, 1]), spread_by(spread));
        assert_eq!(got, want, "{min_domains:?}");
    }
}

#[test]
fn nodes_that_the_pods_affinity_leaves_out_count_only_where_the_policy_says_so() {
    let mut nodes = three_zones();
    for n in &mut nodes[..2] {
        label(&mut n.meta, "disk", "ssd");
    }
    // Zone c is empty, and no node of it has the disk.
    for (policy, want) in [
        (None, "z:node_selector"),
        (Some(true), "z:node_selector"),
        (
            Some(false),
            "x:topology_spread y:topology_spread z:node_selector",
        ),
    ] {
        let mut spread = over(ZONE_LABEL, 1);
        spread.honour_node_affinity = policy;
        let mut p = spread_by(spread);
        p.spec.node_selector.insert("disk".into(), "ssd".into());
        let got = refusing(nodes.clone(), placed([1, 1, 0]), p.clone());
        assert_eq!(got, want, "{policy:?}");
        // A required affinity is read as the selector is.
        p.spec.node_selector.clear();
        p.spec.required_node_affinity = Some(vec![NodeSelectorTerm {
            match_expressions: vec![requirement("disk", Operator::Exists, &[])],
            ..Default::default()
        }]);
        let got = refusing(nodes.clone(), placed([1, 1, 0]), p);
        assert_eq!(got, want.replace("node_selector", "node_affinity"));
    }
    // Pods on nodes that do not count are not counted either.
    let mut spread = over(ZONE_LABEL, 1);
    spread.min_domains = Some(3);
    let mut p = spread_by(spread);
    p.spec.node_selector.insert("disk".into(), "ssd".into());
    let got = refusing(nodes, placed([0, 0, 1]), p);
    assert_eq!(got, "z:node_selector");
}

#[test]
fn nodes_whose_taints_are_not_tolerated_count_unless_the_policy_says_so() {
    let mut nodes = three_zones();
    nodes[2].taints.push(Taint {
        key: "team".into(),
        ..Default::default()
    });
    let tolerates = Toleration {
        key: "team".into(),
        exists: true,
        ..Default::default()
    };
    let both = "x:topology_spread y:topology_spread";
    let tainted = "x:topology_spread y:topology_spread z:taint";
    for (policy, tolerated, want) in [
        (None, false, tainted),
        (Some(false), false, tainted),
        (Some(true), false, "z:taint"),
        (Some(true), true, both),
        (None, true, both),
    ] {
        let mut spread = over(ZONE_LABEL, 1);
        spread.honour_node_taints = policy;
        let mut p = spread_by(spread);
        p.spec
            .tolerations
            .extend(tolerated.then(|| tolerates.clone()));
        let got = refusing(nodes.clone(), placed([1, 1, 0]), p);
        assert_eq!(got, want, "{policy:?} {tolerated}");
    }
    // A cordon is a taint of this rule; one that only asks to stay away is not.
    let honours = |change: fn(&mut Node)| {
        let mut nodes = three_zones();
        change(&mut nodes[2]);
        let mut spread = over(ZONE_LABEL, 1);
        spread.honour_node_taints = Some(true);
        refusing(nodes, placed([1, 1, 0]), spread_by(spread))
    };
    assert_eq!(honours(|n| n.unschedulable = true), "z:not_target");
    let asks = |n: &mut Node| {
        n.taints.push(Taint {
            key: "team".into(),
            value: String::new(),
            effect: TaintEffect::PreferNoSchedule,
        });
    };
    assert_eq!(honours(asks), both);
}

#[test]
fn label_keys_count_the_own_revision_once_however_they_are_written() {
    let mut old = placed([2, 0, 0]);
    for p in &mut old {
        label(&mut p.meta, HASH, "1");
    }
    let newcomer = |spread: TopologySpread, hash: Option<&str>| {
        let mut p = spread_by(spread);
        if let Some(hash) = hash {
            label(&mut p.meta, HASH, hash);
        }
        p
    };
    let mut by_revision = over(ZONE_LABEL, 1);
    by_revision.match_label_keys = vec![HASH.into()];
    // From 1.34 the API server writes the value into the selector too.
    let mut merged = by_revision.clone();
    let value = requirement(HASH, Operator::In, &["2"]);
    merged
        .selector
        .as_mut()
        .unwrap()
        .match_expressions
        .push(value);
    for (spread, hash, want) in [
        (&by_revision, Some("2"), ""),
        (&by_revision, Some("1"), "x:topology_spread"),
        (&by_revision, None, "x:topology_spread"),
        (&merged, Some("2"), ""),
    ] {
        let p = newcomer(spread.clone(), hash);
        let got = refusing(three_zones(), old.clone(), p);
        assert_eq!(got, want, "{hash:?}");
    }
    // Both ways of writing count the new revision alike.
    let mut new = placed([1, 0, 0]);
    label(&mut new[0].meta, HASH, "2");
    for spread in [&by_revision, &merged] {
        let p = newcomer(spread.clone(), Some("2"));
        let got = refusing(three_zones(), new.clone(), p);
        assert_eq!(got, "x:topology_spread");
    }
}

#[test]
fn pods_that_are_going_and_those_of_other_namespaces_do_not_count() {
    let spread = || spread_by(over(ZONE_LABEL, 1));
    let mut going = placed([1, 0, 0]);
    going[0].meta.deleted_at = Some(at("2026-05-01T11:00Z"));
    assert_eq!(refusing(three_zones(), going, spread()), "");
    let other = pod("other", "a", "x-0", "x", small());
    assert_eq!(refusing(three_zones(), vec![other], spread()), "");
    let mut waiting = placed([1, 0, 0]);
    waiting[0].spec.node_name = None;
    assert_eq!(refusing(three_zones(), waiting, spread()), "");
}

#[test]
fn a_node_without_the_key_is_refused_and_counts_for_no_other_key() {
    let rack = || {
        let mut p = spread_by(over(ZONE_LABEL, 1));
        p.spec.topology_spread.push(over("rack", 5));
        p
    };
    let mut nodes = three_zones();
    let got = refusing(nodes.clone(), vec![], rack());
    let missing = "topology_key_missing";
    assert_eq!(got, format!("x:{missing} y:{missing} z:{missing}"));
    // With racks in two zones, the third is no domain: its emptiness holds
    // nobody back.
    for n in &mut nodes[..2] {
        label(&mut n.meta, "rack", "r1");
    }
    let got = refusing(nodes, placed([1, 1, 0]), rack());
    assert_eq!(got, format!("z:{missing}"));
}

#[test]
fn a_spread_without_a_selector_counts_nobody() {
    let mut spread = over(ZONE_LABEL, 1);
    spread.selector = None;
    let got = refusing(three_zones(), placed([5, 0, 0]), spread_by(spread.clone()));
    assert_eq!(got, "");
    spread.selector = Some(LabelSelector::default());
    let got = refusing(three_zones(), placed([5, 0, 0]), spread_by(spread));
    assert_eq!(got, "x:topology_spread");
}

#[test]
fn every_hard_spread_of_a_pod_must_hold() {
    // Two nodes in zone a: the host is free, the zone is not.
    let mut nodes = three_zones();
    nodes.push(node_in("x2", "us-east-1a"));
    let mut p = spread_by(over(ZONE_LABEL, 1));
    p.spec.topology_spread.push(over(HOSTNAME_LABEL, 1));
    let got = refusing(nodes, placed([1, 0, 0]), p);
    let zone = "topology_spread";
    assert_eq!(got, format!("x:{zone} {zone} x2:{zone}"));
}
