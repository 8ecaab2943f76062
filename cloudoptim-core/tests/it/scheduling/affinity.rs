//! Pods near and far from pods.

use super::*;
use cloudoptim_core::knowledge::Gap;

const RACK: &str = "rack";

/// `x` in zone a, `y` in zone b, and pods on them.
fn two_zones(pods: Vec<Pod>) -> Cluster {
    let nodes = vec![node_in("x", "us-east-1a"), node_in("y", "us-east-1b")];
    world_of(nodes, pods)
}

fn wants(terms: Vec<PodAffinityTerm>) -> Pod {
    let mut p = newcomer("a");
    p.spec.required_pod_affinity = terms;
    p
}

fn avoids(terms: Vec<PodAffinityTerm>) -> Pod {
    let mut p = newcomer("a");
    p.spec.required_pod_anti_affinity = terms;
    p
}

/// The rules on `x` and on `y`.
fn both(c: &Cluster) -> [String; 2] {
    [refused(c, "x"), refused(c, "y")]
}

#[test]
fn a_pod_is_kept_from_those_it_avoids_and_from_those_that_avoid_it() {
    let there = pod("n", "b", "on", "x", small());
    let c = two_zones(vec![there.clone(), avoids(vec![term("b", ZONE_LABEL)])]);
    assert_eq!(both(&c), ["pod_anti_affinity", ""]);
    // The other way round: who stands there says no.
    let mut there = there;
    there.spec.required_pod_anti_affinity = vec![term("a", ZONE_LABEL)];
    let c = two_zones(vec![there, newcomer("a")]);
    assert_eq!(both(&c), ["avoided_by_others", ""]);
    // Both at once.
    let mut there = pod("n", "a", "on", "x", small());
    there.spec.required_pod_anti_affinity = vec![term("a", HOSTNAME_LABEL)];
    let c = two_zones(vec![there, avoids(vec![term("a", HOSTNAME_LABEL)])]);
    assert_eq!(both(&c), ["pod_anti_affinity avoided_by_others", ""]);
}

#[test]
fn an_affinity_wants_one_pod_for_all_its_terms_or_starts_the_group() {
    let on = |app: &str, node: &str| pod("n", app, "on", node, small());
    let c = two_zones(vec![on("b", "x"), wants(vec![term("b", ZONE_LABEL)])]);
    assert_eq!(both(&c), ["", "pod_affinity"]);
    // Nobody to be near to, and it is not itself who is meant.
    let c = two_zones(vec![wants(vec![term("b", ZONE_LABEL)])]);
    assert_eq!(both(&c), ["pod_affinity", "pod_affinity"]);
    // The first of a group that wants to be near itself goes anywhere.
    let c = two_zones(vec![wants(vec![term("a", ZONE_LABEL)])]);
    assert_eq!(both(&c), ["", ""]);
    let c = two_zones(vec![on("a", "y"), wants(vec![term("a", ZONE_LABEL)])]);
    assert_eq!(both(&c), ["pod_affinity", ""]);
    // Two pods that match one term each are not one that matches both.
    let second = PodAffinityTerm {
        selector: Some(LabelSelector {
            match_labels: Labels::from([("tier".to_owned(), "db".to_owned())]),
            ..Default::default()
        }),
        topology_key: ZONE_LABEL.into(),
        ..Default::default()
    };
    let mut other = pod("n", "c", "other", "x", small());
    label(&mut other.meta, "tier", "db");
    let both_terms = wants(vec![term("b", ZONE_LABEL), second]);
    let mut c = two_zones(vec![on("b", "x"), other, both_terms]);
    assert_eq!(refused(&c, "x"), "pod_affinity");
    label(&mut c.pods.value_mut().unwrap()[0].meta, "tier", "db");
    assert_eq!(refused(&c, "x"), "");
}

#[test]
fn a_node_without_the_key_is_refused_by_affinity_and_free_for_anti_affinity() {
    let on = pod("n", "b", "on", "x", small());
    let mut c = two_zones(vec![on.clone(), wants(vec![term("b", RACK)])]);
    assert_eq!(refused(&c, "x"), "topology_key_missing");
    label(&mut c.nodes.value_mut().unwrap()[0].meta, RACK, "r1");
    assert_eq!(both(&c), ["", "topology_key_missing"]);
    // Even the first of its group needs the key.
    let c = two_zones(vec![wants(vec![term("a", RACK)])]);
    assert_eq!(refused(&c, "x"), "topology_key_missing");
    // Without the key there is no domain to share, on either side.
    let c = two_zones(vec![on.clone(), avoids(vec![term("b", RACK)])]);
    assert_eq!(both(&c), ["", ""]);
    let mut there = on;
    there.spec.required_pod_anti_affinity = vec![term("a", RACK)];
    let c = two_zones(vec![there, newcomer("a")]);
    assert_eq!(both(&c), ["", ""]);
}

#[test]
fn namespaces_are_those_named_those_selected_or_the_own_one() {
    let mut named = meta("", "other");
    label(&mut named, "team", "shop");
    let of_team = |team: &str| LabelSelector {
        match_labels: Labels::from([("team".to_owned(), team.to_owned())]),
        ..Default::default()
    };
    let by_name = |name: &str| LabelSelector {
        match_labels: Labels::from([("kubernetes.io/metadata.name".to_owned(), name.to_owned())]),
        ..Default::default()
    };
    // Where the other pod stands, names, selector, and whether it is met.
    for (namespace, names, selector, met) in [
        ("n", &[][..], None, true),
        ("other", &[], None, false),
        ("other", &["other"], None, true),
        ("n", &["other"], None, false),
        ("other", &[], Some(of_team("shop")), true),
        ("other", &[], Some(of_team("web")), false),
        ("other", &[], Some(by_name("other")), true),
        // Every namespace, labelled or not.
        ("other", &[], Some(LabelSelector::default()), true),
        ("n", &[], Some(LabelSelector::default()), true),
        ("third", &[], Some(LabelSelector::default()), true),
        // Names and selector add up.
        ("n", &["n"], Some(of_team("shop")), true),
        ("other", &["n"], Some(of_team("shop")), true),
        ("third", &["n"], Some(of_team("shop")), false),
        // With a selector the own namespace is no longer meant.
        ("n", &[], Some(of_team("shop")), false),
    ] {
        let mut near_b = term("b", ZONE_LABEL);
        near_b.namespaces = names.iter().map(|n| (*n).to_owned()).collect();
        near_b.namespace_selector = selector.clone();
        let on = pod(namespace, "b", "on", "x", small());
        let mut c = two_zones(vec![on, wants(vec![near_b.clone()])]);
        let namespaces = [meta("", "n"), named.clone(), meta("", "third")];
        c.namespaces = complete(namespaces.map(|meta| Namespace { meta }).to_vec());
        let want = if met { "" } else { "pod_affinity" };
        assert_eq!(refused(&c, "x"), want, "{namespace} {names:?} {selector:?}");
        c.pods.value_mut().unwrap()[1] = avoids(vec![near_b]);
        let want = if met { "pod_anti_affinity" } else { "" };
        assert_eq!(refused(&c, "x"), want, "{namespace} {names:?} {selector:?}");
    }
}

#[test]
fn a_namespace_of_unknown_labels_is_avoided_and_is_no_company() {
    let mut by_team = term("b", ZONE_LABEL);
    by_team.namespace_selector = Some(LabelSelector {
        match_labels: Labels::from([("team".to_owned(), "shop".to_owned())]),
        ..Default::default()
    });
    let on = pod("other", "b", "on", "x", small());
    let mut c = two_zones(vec![on, wants(vec![by_team.clone()])]);
    c.namespaces = std::mem::take(&mut c.namespaces).demoted(Gap::CompletenessNotStated);
    assert_eq!(refused(&c, "x"), "pod_affinity");
    c.pods.value_mut().unwrap()[1] = avoids(vec![by_team.clone()]);
    assert_eq!(refused(&c, "x"), "pod_anti_affinity");
    // All namespaces are all, whatever their labels.
    by_team.namespace_selector = Some(LabelSelector::default());
    c.pods.value_mut().unwrap()[1] = wants(vec![by_team]);
    assert_eq!(refused(&c, "x"), "");
}

#[test]
fn label_keys_take_their_values_from_the_newcomer() {
    const HASH: &str = "pod-template-hash";
    let on = |hash: Option<&str>| {
        let mut on = pod("n", "a", "on", "x", small());
        if let Some(hash) = hash {
            label(&mut on.meta, HASH, hash);
        }
        on
    };
    let hashed = |mut p: Pod, hash: Option<&str>| {
        if let Some(hash) = hash {
            label(&mut p.meta, HASH, hash);
        }
        p
    };
    let mut same = term("a", ZONE_LABEL);
    same.match_label_keys = vec![HASH.into()];
    let mut other = term("a", ZONE_LABEL);
    other.mismatch_label_keys = vec![HASH.into()];
    // Hash of the one there, of the newcomer, and whether the two terms meet it.
    for (there, mine, meets_same, meets_other) in [
        (Some("1"), Some("1"), true, false),
        (Some("1"), Some("2"), false, true),
        // Without the label the key says nothing.
        (Some("1"), None, true, true),
        // `NotIn` holds of what has no such label.
        (None, Some("1"), false, true),
    ] {
        for (term, met) in [(&same, meets_same), (&other, meets_other)] {
            let p = hashed(avoids(vec![term.clone()]), mine);
            let c = two_zones(vec![on(there), p]);
            let want = if met { "pod_anti_affinity" } else { "" };
            assert_eq!(refused(&c, "x"), want, "{there:?} {mine:?} {term:?}");
        }
    }
    // An affinity to the own revision: the first of it starts anew in any zone.
    let p = hashed(wants(vec![same]), Some("2"));
    assert_eq!(both(&two_zones(vec![on(Some("1")), p])), ["", ""]);
}

#[test]
fn a_term_without_a_selector_selects_nobody() {
    let mut nobody = term("b", ZONE_LABEL);
    nobody.selector = None;
    nobody.match_label_keys = vec!["app".into()];
    let on = pod("n", "b", "on", "x", small());
    let c = two_zones(vec![on.clone(), wants(vec![nobody.clone()])]);
    assert_eq!(both(&c), ["pod_affinity", "pod_affinity"]);
    let c = two_zones(vec![on.clone(), avoids(vec![nobody.clone()])]);
    assert_eq!(both(&c), ["", ""]);
    // An empty one selects everybody in the namespace.
    nobody.selector = Some(LabelSelector::default());
    nobody.match_label_keys.clear();
    let c = two_zones(vec![on, avoids(vec![nobody])]);
    assert_eq!(both(&c), ["pod_anti_affinity", ""]);
}

#[test]
fn a_pod_that_is_going_is_avoided_until_it_is_gone() {
    let mut on = pod("n", "b", "on", "x", small());
    on.meta.deleted_at = Some(at("2026-05-01T11:00Z"));
    let c = two_zones(vec![on, avoids(vec![term("b", ZONE_LABEL)])]);
    assert_eq!(both(&c), ["pod_anti_affinity", ""]);
}
