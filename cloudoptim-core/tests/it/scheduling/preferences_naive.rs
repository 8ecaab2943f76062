//! Soft preferences against an evaluation that looks at every pod and node.

use super::*;
use cloudoptim_core::knowledge::Gap;
use cloudoptim_core::scheduling::{BrokenPreference, NodeId, PreferencePrices};
use proptest::prelude::*;

const RACK: &str = "rack";
const CORDON: &str = "node.kubernetes.io/unschedulable";

/// Chooses by one number of a drawn row.
fn choose<T: Clone>(row: &[u8], at: usize, from: &[T]) -> T {
    from[usize::from(row[at]) % from.len()].clone()
}

fn some_node(index: usize, row: &[u8]) -> Node {
    let mut n = node(&format!("n{index}"), "64", "256Gi");
    n.meta.labels.remove(ZONE_LABEL);
    if let Some(zone) = choose(row, 0, &[Some("z0"), Some("z1"), Some("z2"), None]) {
        label(&mut n.meta, ZONE_LABEL, zone);
    }
    if let Some(rack) = choose(row, 1, &[Some("r0"), Some("r1"), None]) {
        label(&mut n.meta, RACK, rack);
    }
    let taint = |key: &str, effect| Taint {
        key: key.into(),
        value: "v".into(),
        effect,
    };
    let asks = taint("team", TaintEffect::PreferNoSchedule);
    let asks_too = taint("old", TaintEffect::PreferNoSchedule);
    let keeps = taint("team", TaintEffect::NoSchedule);
    n.taints = choose(
        row,
        2,
        &[
            vec![],
            vec![],
            vec![asks.clone()],
            vec![asks, asks_too],
            vec![keeps],
        ],
    );
    n.unschedulable = choose(row, 3, &[false, false, false, true]);
    n
}

/// Namespaces: `shop` and `web` have known labels, `dark` has none that anybody
/// knows.
const NAMESPACES: [&str; 3] = ["shop", "web", "dark"];

fn some_term(row: &[u8], at: usize) -> PodAffinityTerm {
    let app = choose(row, at, &["a", "b", "c"]);
    let key = choose(row, at + 1, &[ZONE_LABEL, RACK, HOSTNAME_LABEL]);
    let mut term = term(app, key);
    let of_team = |team: &str| LabelSelector {
        match_labels: Labels::from([("team".to_owned(), team.to_owned())]),
        ..Default::default()
    };
    match row[at + 2] % 8 {
        1 => term.namespaces = vec!["web".into(), "dark".into()],
        2 => term.namespace_selector = Some(LabelSelector::default()),
        3 => term.namespace_selector = Some(of_team("shop")),
        4 => {
            term.namespaces = vec!["web".into()];
            term.namespace_selector = Some(of_team("shop"));
        }
        5 => term.match_label_keys = vec!["hash".into()],
        6 => term.mismatch_label_keys = vec!["hash".into()],
        7 => term.selector = Some(LabelSelector::default()),
        _ => {}
    }
    if row[at + 2] == 255 {
        term.selector = None;
    }
    term
}

fn some_spread(row: &[u8], at: usize) -> TopologySpread {
    let mut spread = TopologySpread {
        max_skew: choose(row, at, &[1, 1, 2]),
        topology_key: choose(row, at + 1, &[ZONE_LABEL, RACK, HOSTNAME_LABEL]).into(),
        when_unsatisfiable: choose(
            row,
            at + 2,
            &[
                WhenUnsatisfiable::ScheduleAnyway,
                WhenUnsatisfiable::ScheduleAnyway,
                WhenUnsatisfiable::DoNotSchedule,
            ],
        ),
        selector: choose(
            row,
            at + 3,
            &[
                selecting("a"),
                selecting("b"),
                Some(LabelSelector::default()),
                None,
            ],
        ),
        min_domains: choose(row, at, &[None, None, Some(3)]),
        honour_node_affinity: choose(row, at + 1, &[None, Some(true), Some(false), None]),
        honour_node_taints: choose(row, at + 2, &[None, Some(true), Some(true), Some(false)]),
        ..Default::default()
    };
    if row[at + 3] > 200 {
        spread.match_label_keys = vec!["hash".into()];
    }
    spread
}

/// Of each preference none, one or two.
fn some_pod(index: usize, row: &[u8]) -> Pod {
    let namespace = choose(row, 0, &NAMESPACES);
    let app = choose(row, 1, &["a", "b"]);
    let on = choose(row, 2, &["n0", "n1", "n2", "n3", "gone"]);
    let mut p = pod(namespace, app, &format!("p{index}"), on, small());
    if let Some(hash) = choose(row, 3, &[None, Some("1"), Some("2")]) {
        label(&mut p.meta, "hash", hash);
    }
    match row[4] % 6 {
        1 => p.meta.deleted_at = Some(at("2026-05-01T11:00Z")),
        2 => p.meta.owners = vec![owner("DaemonSet", "d", "uid-d")],
        3 => p.spec.node_name = None,
        _ => {}
    }
    let spec = &mut p.spec;
    for i in 0..usize::from(row[5] % 3) {
        spec.preferred_pod_affinity.push(PreferredPodTerm {
            weight: choose(row, 6 + i, &[1, 50, 100, 0]),
            term: some_term(row, 8 + 3 * i),
        });
    }
    for i in 0..usize::from(row[14] % 3) {
        spec.preferred_pod_anti_affinity.push(PreferredPodTerm {
            weight: choose(row, 15 + i, &[1, 50, 100, 0]),
            term: some_term(row, 17 + 3 * i),
        });
    }
    for i in 0..usize::from(row[23] % 3) {
        spec.topology_spread.push(some_spread(row, 24 + 4 * i));
    }
    for i in 0..usize::from(row[32] % 3) {
        let mut wish = PreferredNodeTerm {
            weight: choose(row, 33 + i, &[1, 80, 0]),
            ..Default::default()
        };
        let term = &mut wish.term;
        match row[35 + i] % 4 {
            0 => term
                .match_expressions
                .push(requirement(ZONE_LABEL, Operator::In, &["z0", "z1"])),
            1 => term
                .match_expressions
                .push(requirement(RACK, Operator::DoesNotExist, &[])),
            2 => term
                .match_fields
                .push(requirement("metadata.name", Operator::NotIn, &["n1"])),
            _ => {}
        }
        spec.preferred_node_affinity.push(wish);
    }
    let toleration = |key: &str, effect| Toleration {
        key: key.into(),
        exists: true,
        effect,
        ..Default::default()
    };
    match row[37] % 6 {
        1 => spec.tolerations.push(toleration("team", None)),
        2 => {
            let effect = Some(TaintEffect::NoSchedule);
            spec.tolerations.push(toleration("team", effect));
        }
        3 => spec.tolerations.push(toleration(CORDON, None)),
        4 => spec.tolerations.push(toleration("", None)),
        _ => {}
    }
    match row[38] % 5 {
        1 => {
            spec.node_selector.insert(RACK.into(), "r0".into());
        }
        2 => {
            let zone = requirement(ZONE_LABEL, Operator::NotIn, &["z1"]);
            spec.required_node_affinity = Some(vec![NodeSelectorTerm {
                match_expressions: vec![zone],
                ..Default::default()
            }]);
        }
        _ => {}
    }
    // A hard rule beside the soft ones.
    if row[39] % 4 == 1 {
        spec.required_pod_anti_affinity.push(term("a", RACK));
    }
    p
}

/// What the naive evaluation knows: plain lists.
struct Plain {
    /// With whether it is there, and whether it was cordoned in thought.
    nodes: Vec<(Node, bool, bool)>,
    /// In the order of the world's, with places.
    pods: Vec<(Pod, Option<usize>)>,
}

/// Whether a term means a pod; `unknown` where nobody can say.
fn means(term: &PodAffinityTerm, owner: &Pod, other: &Pod, unknown: bool) -> bool {
    let Some(selector) = &term.selector else {
        return false;
    };
    let there = other.meta.namespace.as_str();
    let by_label = term.namespace_selector.as_ref().map(|selector| {
        let empty = selector.match_labels.is_empty() && selector.match_expressions.is_empty();
        let labels = Labels::from([("team".to_owned(), there.to_owned())]);
        match there {
            _ if empty => true,
            "dark" => unknown,
            _ => selector.matches(&labels),
        }
    });
    let by_name = if term.namespaces.is_empty() && by_label.is_none() {
        there == owner.meta.namespace
    } else {
        term.namespaces.iter().any(|n| n == there)
    };
    let value = |pod: &Pod, key: &String| pod.meta.labels.get(key).cloned();
    let keys = |keys: &[String], equal: bool| {
        keys.iter().all(|key| {
            let mine = value(owner, key);
            mine.is_none() || (mine == value(other, key)) == equal
        })
    };
    (by_name || by_label == Some(true))
        && selector.matches(&other.meta.labels)
        && keys(&term.match_label_keys, true)
        && keys(&term.mismatch_label_keys, false)
}

impl Plain {
    /// Pods beside `pod` in the domain of `node` that a term means; `None`
    /// without a domain.
    fn others(
        &self,
        pod: usize,
        node: usize,
        term: &PodAffinityTerm,
        unknown: bool,
    ) -> Option<usize> {
        let domain = |node: usize| self.nodes[node].0.meta.labels.get(&term.topology_key);
        let here = domain(node)?;
        let owner = &self.pods[pod].0;
        let others = self.pods.iter().enumerate().filter(|(index, (p, place))| {
            *index != pod
                && place.is_some_and(|place| domain(place) == Some(here))
                && means(term, owner, p, unknown)
        });
        Some(others.count())
    }

    fn eligible(&self, spec: &PodSpec, spread: &TopologySpread, node: usize) -> bool {
        let (node, there, cordoned) = &self.nodes[node];
        let labels = &node.meta.labels;
        let mut soft = spec.topology_spread.iter();
        let keys = soft.all(|s| {
            s.when_unsatisfiable != WhenUnsatisfiable::ScheduleAnyway
                || labels.contains_key(&s.topology_key)
        });
        let selected = spec
            .node_selector
            .iter()
            .all(|(k, v)| labels.get(k) == Some(v));
        let required = spec.required_node_affinity.iter().flatten();
        let all = |term: &NodeSelectorTerm| {
            let mut requirements = term.match_expressions.iter();
            requirements.all(|r| r.matches(labels.get(&r.key).map(String::as_str)))
        };
        let affine = required.clone().count() == 0 || required.clone().any(all);
        let keeps = |taint: &Taint| {
            taint.effect != TaintEffect::PreferNoSchedule
                && !spec.tolerations.iter().any(|t| taint.tolerated_by(t))
        };
        let cordon = Taint {
            key: CORDON.into(),
            value: String::new(),
            effect: TaintEffect::NoSchedule,
        };
        let tainted =
            node.taints.iter().any(keeps) || ((node.unschedulable || *cordoned) && keeps(&cordon));
        *there
            && keys
            && (spread.honour_node_affinity == Some(false) || (selected && affine))
            && (spread.honour_node_taints != Some(true) || !tainted)
    }

    /// `None` without the label.
    fn skew(&self, pod: usize, node: usize, spread: &TopologySpread) -> Option<u32> {
        let owner = &self.pods[pod].0;
        let term = PodAffinityTerm {
            selector: spread.selector.clone(),
            match_label_keys: spread.match_label_keys.clone(),
            ..Default::default()
        };
        let label = |node: usize| self.nodes[node].0.meta.labels.get(&spread.topology_key);
        let here = label(node)?;
        let eligible: Vec<usize> = (0..self.nodes.len())
            .filter(|n| self.eligible(&owner.spec, spread, *n))
            .collect();
        let count = |domain: &String| -> u32 {
            let counted = self.pods.iter().enumerate().filter(|(index, (p, place))| {
                *index != pod
                    && p.meta.deleted_at.is_none()
                    && place.is_some_and(|n| eligible.contains(&n) && label(n) == Some(domain))
                    && means(&term, owner, p, false)
            });
            u32::try_from(counted.count()).unwrap()
        };
        let least = eligible.iter().filter_map(|n| label(*n)).map(count).min();
        let with_itself = count(here) + u32::from(means(&term, owner, owner, false));
        Some(with_itself.saturating_sub(least.unwrap_or(0)))
    }

    fn broken(&self, pod: usize, node: usize) -> Vec<BrokenPreference> {
        let spec = &self.pods[pod].0.spec;
        let there = &self.nodes[node].0;
        let mut broken = Vec::new();
        for wish in &spec.preferred_node_affinity {
            let PreferredNodeTerm { weight, term } = wish.clone();
            let labels = &there.meta.labels;
            let by_label = term
                .match_expressions
                .iter()
                .map(|r| r.matches(labels.get(&r.key).map(String::as_str)));
            let by_name = term
                .match_fields
                .iter()
                .map(|r| r.matches(Some(there.meta.name.as_str())));
            if weight > 0 && by_label.chain(by_name).any(|holds| !holds) {
                broken.push(BrokenPreference::NodeAffinity { weight, term });
            }
        }
        for taint in there.taints.clone() {
            if taint.effect == TaintEffect::PreferNoSchedule
                && !spec.tolerations.iter().any(|t| taint.tolerated_by(t))
            {
                broken.push(BrokenPreference::Taint { taint });
            }
        }
        for PreferredPodTerm { weight, term } in spec.preferred_pod_affinity.clone() {
            if weight > 0 && self.others(pod, node, &term, true).unwrap_or(0) == 0 {
                broken.push(BrokenPreference::PodAffinity { weight, term });
            }
        }
        for PreferredPodTerm { weight, term } in spec.preferred_pod_anti_affinity.clone() {
            if weight > 0 && self.others(pod, node, &term, false).unwrap_or(0) > 0 {
                broken.push(BrokenPreference::PodAntiAffinity { weight, term });
            }
        }
        for spread in &spec.topology_spread {
            if spread.when_unsatisfiable != WhenUnsatisfiable::ScheduleAnyway {
                continue;
            }
            let skew = self.skew(pod, node, spread);
            if skew.is_none_or(|skew| skew > spread.max_skew) {
                broken.push(BrokenPreference::TopologySpread {
                    topology_key: spread.topology_key.clone(),
                    max_skew: spread.max_skew,
                    skew,
                });
            }
        }
        broken.sort();
        broken
    }

    fn cost(&self, prices: &PreferencePrices) -> MicroUsdPerHour {
        let mut cost = MicroUsdPerHour::ZERO;
        for (index, (p, place)) in self.pods.iter().enumerate() {
            let daemon = p.meta.owners.iter().any(|o| o.kind == "DaemonSet");
            if let (Some(place), false, None) = (place, daemon, p.meta.deleted_at) {
                cost += self
                    .broken(index, *place)
                    .iter()
                    .map(|b| prices.of(b))
                    .sum();
            }
        }
        cost
    }
}

/// The world agrees about every pod on every node that is there.
fn agree(plain: &Plain, world: &World<'_>, ids: &[NodeId]) {
    let prices = PreferencePrices {
        per_weight: MicroUsdPerHour(10),
        per_taint: MicroUsdPerHour(5_000),
        per_spread: MicroUsdPerHour(70_000),
    };
    for (pod, id) in world.pods().enumerate() {
        assert_eq!(world.pod(id), Some(&plain.pods[pod].0));
        for (node, to) in ids.iter().enumerate().filter(|(n, _)| plain.nodes[*n].1) {
            let got = world.broken_preferences(id, *to);
            let want = plain.broken(pod, node);
            assert_eq!(got, want, "p{pod} of n{node}");
            let cost = want.iter().map(|b| prices.of(b)).sum();
            assert_eq!(world.preference_cost(&prices, id, *to), cost);
        }
    }
    assert_eq!(world.preferences_cost(&prices), plain.cost(&prices));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Counts that follow moves say what a look at everything says; counts
    /// taken after the moves say it too; and hard rules hear of none of it.
    #[test]
    fn an_indexed_world_agrees_with_a_look_at_everything(
        nodes in prop::collection::vec(prop::array::uniform4(0_u8..), 1..6),
        pods in prop::collection::vec(prop::collection::vec(0_u8.., 40), 1..9),
        moves in prop::collection::vec(prop::array::uniform7(0_u8..), 0..14),
    ) {
        let mut c = cluster();
        let all: Vec<Node> = nodes.iter().enumerate().map(|(i, r)| some_node(i, r)).collect();
        c.nodes = complete(all);
        let all = pods.iter().enumerate().map(|(i, r)| some_pod(i, r)).collect();
        c.pods = complete(all);
        let labelled = ["shop", "web"].map(|name| {
            let mut meta = meta("", name);
            label(&mut meta, "team", name);
            Namespace { meta }
        });
        c.namespaces = complete(labelled.to_vec()).demoted(Gap::CompletenessNotStated);

        let mut moved = World::new(&c, &[]);
        let mut world = moved.clone().with_preferences();
        let mut ids: Vec<NodeId> = world.nodes().collect();
        let place = |world: &World<'_>, pod| {
            let place = world.place(pod);
            place.map(|place| ids.iter().position(|id| *id == place).unwrap())
        };
        let mut plain = Plain {
            nodes: c.nodes.items().iter().map(|n| (n.clone(), true, false)).collect(),
            pods: world
                .pods()
                .map(|p| (world.pod(p).unwrap().clone(), place(&world, p)))
                .collect(),
        };
        agree(&plain, &world, &ids);
        for row in moves {
            let pod = usize::from(row[1]) % plain.pods.len();
            let id = world.pods().nth(pod).unwrap();
            let node = usize::from(row[2]) % ids.len();
            for world in [&mut world, &mut moved] {
                match row[0] % 8 {
                    0..=2 => {
                        prop_assert_eq!(world.place_pod(id, ids[node]), plain.nodes[node].1);
                    }
                    3 => {
                        world.remove_pod(id);
                    }
                    4 => prop_assert_eq!(world.remove_node(ids[node]), plain.nodes[node].1),
                    5 => world.cordon_node(ids[node]),
                    6 => world.uncordon_node(ids[node]),
                    _ => {
                        let new = some_node(ids.len(), &row[3..]);
                        prop_assert!(world.add_node(new, &Resources::default(), None).is_some());
                    }
                }
            }
            match row[0] % 8 {
                0..=2 if plain.nodes[node].1 => plain.pods[pod].1 = Some(node),
                3 => plain.pods[pod].1 = None,
                4 => {
                    plain.nodes[node].1 = false;
                    for (_, place) in &mut plain.pods {
                        *place = place.filter(|place| *place != node);
                    }
                }
                5 => plain.nodes[node].2 = true,
                6 => plain.nodes[node].2 = false,
                7 => {
                    let new = some_node(ids.len(), &row[3..]);
                    ids.push(world.node_id(&NodeName::new(new.meta.name.clone())).unwrap());
                    plain.nodes.push((new, true, false));
                }
                _ => {}
            }
            agree(&plain, &world, &ids);
        }
        for pod in world.pods() {
            for node in world.nodes() {
                prop_assert_eq!(world.check(pod, node), moved.check(pod, node));
                let about_node = world.node_preferences(pod, node);
                prop_assert_eq!(moved.broken_preferences(pod, node), about_node);
            }
        }
        agree(&plain, &moved.with_preferences(), &ids);
    }
}
