//! The kube-scheduler's rules: one test per sentence, the zoo of constraints
//! with an answer for every pod, and the index against itself rebuilt.

use crate::fixtures::*;
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::CountLimit;
use cloudoptim_core::scheduling::movability::{LocalData, MovePolicy, Movers, go_duration};
use cloudoptim_core::scheduling::{
    Budgets, EvictionRefusal, InfeasibleResize, Movability, Pin, Refusal, World, effective_request,
    template_request,
};
use proptest::prelude::*;

fn zoo() -> Cluster {
    let mut options = InputOptions::default();
    options.complete = true;
    options.taken_at = Some(at("2026-05-01T12:00Z"));
    let mut loader = Loader::new(options);
    let bytes = include_bytes!("testdata/scheduling/constraint_zoo.json");
    loader.add("constraint_zoo.json", bytes);
    let mut snapshot = loader.finish().unwrap().snapshot;
    let mut zoo = snapshot.clusters.remove(0);
    let parts = cluster();
    zoo.workloads = parts.workloads;
    zoo.claims = parts.claims;
    zoo.storage_classes = parts.storage_classes;
    zoo.csi_nodes = parts.csi_nodes;
    zoo.volume_attachments = parts.volume_attachments;
    zoo.namespaces = parts.namespaces;
    zoo.node_pools = parts.node_pools;
    // Three zones of amd64, and one arm64 node on demand with 8 cores. All
    // pods of the zoo stand on the first, which is large enough for them.
    let mut nodes = Vec::new();
    for (name, zone) in [
        ("ip-10-0-1-10.ec2.internal", "us-east-1a"),
        ("b", "us-east-1b"),
        ("c", "us-east-1c"),
        ("arm", "us-east-1a"),
    ] {
        let (cores, memory) = if name == "ip-10-0-1-10.ec2.internal" {
            ("64", "256Gi")
        } else {
            ("8", "32Gi")
        };
        let mut n = node(name, cores, memory);
        n.meta.labels.insert(ZONE_LABEL.into(), zone.into());
        n.allocatable.ephemeral_storage = bytes_of("17Gi");
        n.allocatable.extended.insert("hugepages-2Mi".into(), 0);
        if name == "arm" {
            n.meta.labels.insert(ARCH_LABEL.into(), "arm64".into());
            n.meta
                .labels
                .insert("karpenter.k8s.aws/instance-cpu".into(), "8".into());
        }
        nodes.push(n);
    }
    zoo.nodes = complete(nodes);
    zoo
}

fn bytes_of(text: &str) -> Bytes {
    crate::fixtures::bytes(text)
}

fn zoo_pod<'c>(zoo: &'c Cluster, name: &str) -> &'c Pod {
    zoo.pods
        .items()
        .iter()
        .find(|p| p.meta.name == name)
        .unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn every_pod_of_the_zoo_asks_for_what_is_written_here() {
    let zoo = zoo();
    let mib = |n: u64| n << 20;
    for (name, cpu, memory) in [
        ("spread", 500, 128_974_848),
        ("anti", 100, 129_000_000),
        ("node-affinity", 100, mib(128)),
        ("do-not-disrupt", 100, mib(128)),
        ("not-safe-to-evict", 100, mib(128)),
        ("static-mirror", 100, mib(128)),
        ("daemon", 100, mib(128)),
        ("bare-pod", 100, mib(128)),
        ("init-max", 2000, mib(1024)),
        ("native-sidecar", 170, mib(104)),
        ("overhead", 350, mib(248)),
        ("pod-level-resources", 1000, mib(1024)),
        ("limits-only", 2000, mib(1024)),
        ("resized", 300, mib(256)),
        ("ephemeral-and-hugepages", 1000, mib(1024)),
        ("local-storage", 100, mib(128)),
        ("completed", 100, mib(128)),
        ("terminating", 100, mib(128)),
        ("pending-gated", 100, mib(128)),
    ] {
        let request = effective_request(zoo_pod(&zoo, name), InfeasibleResize::Drop);
        assert_eq!((request.cpu.0, request.memory.0), (cpu, memory), "{name}");
        assert_eq!(request.pods, 1, "{name}");
    }
    let of = |name| effective_request(zoo_pod(&zoo, name), InfeasibleResize::Drop);
    assert_eq!(of("limits-only").extended["nvidia.com/gpu"], 1);
    assert_eq!(
        of("ephemeral-and-hugepages").extended["hugepages-2Mi"],
        mib(64)
    );
    // 500m of storage is half a byte, and half a byte is one.
    assert_eq!(of("ephemeral-and-hugepages").ephemeral_storage, Bytes(1));
}

#[test]
fn every_pod_of_the_zoo_moves_or_stays_as_written_here() {
    let zoo = zoo();
    let movers = Movers::new(&zoo, at("2026-05-01T12:00Z"), MovePolicy::default());
    let said = |name: &str| match movers.judge(zoo_pod(&zoo, name)) {
        Movability::NeverMoves { why } => why
            .iter()
            .map(|pin| match pin {
                Pin::Annotation { key, .. } => key.rsplit('/').next().unwrap().to_owned(),
                other => format!("{other:?}")
                    .split([' ', '{'])
                    .next()
                    .unwrap()
                    .to_owned(),
            })
            .collect::<Vec<_>>()
            .join(" "),
        other => format!("{other:?}"),
    };
    // All pods of the zoo but three have no controller.
    for name in [
        "spread",
        "anti",
        "node-affinity",
        "bare-pod",
        "init-max",
        "native-sidecar",
        "overhead",
        "pod-level-resources",
        "limits-only",
        "resized",
        "ephemeral-and-hugepages",
        "pending-gated",
    ] {
        assert_eq!(said(name), "Bare", "{name}");
    }
    assert_eq!(said("do-not-disrupt"), "do-not-disrupt Bare");
    assert_eq!(said("not-safe-to-evict"), "safe-to-evict Bare");
    assert_eq!(said("local-storage"), "Bare HostPath");
    assert_eq!(said("static-mirror"), "Stays { why: Mirror }");
    assert_eq!(said("daemon"), "Stays { why: DaemonSet }");
    assert_eq!(said("completed"), "NotCounted");
    assert_eq!(said("terminating"), "Leaving { placed_again: false }");
}

fn rules(world: &World<'_>, namespace: &str, pod: &str, node: &str) -> Vec<String> {
    let pod = world
        .pod_id(namespace, pod)
        .unwrap_or_else(|| panic!("{pod}"));
    let node = world
        .node_id(&NodeName::new(node))
        .unwrap_or_else(|| panic!("{node}"));
    let refusals = world.check(pod, node).err().map_or_else(Vec::new, |r| r.0);
    assert_eq!(world.fits(pod, node), refusals.is_empty());
    refusals
        .iter()
        .map(|r| {
            let value = serde_json::to_value(r).unwrap();
            value["rule"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn every_pod_of_the_zoo_goes_where_is_written_here() {
    let zoo = zoo();
    let world = World::new(&zoo, &[]);
    let host = "ip-10-0-1-10.ec2.internal";
    for (name, on_host, on_b, on_arm) in [
        // Anti carries app=web too: the pods of web are two, in one zone. A
        // second in zone a would be 2 to 0.
        (
            "spread",
            "avoided_by_others topology_spread",
            "",
            "topology_spread",
        ),
        ("anti", "pod_anti_affinity", "", ""),
        (
            "node-affinity",
            "node_affinity node_selector",
            "node_affinity node_selector",
            "",
        ),
        ("init-max", "", "", ""),
        ("overhead", "", "", ""),
        ("limits-only", "resource", "resource", "resource"),
        (
            "ephemeral-and-hugepages",
            "resource",
            "resource",
            "resource",
        ),
        ("local-storage", "claim", "claim", "claim"),
        ("pending-gated", "gated", "gated", "gated"),
    ] {
        let got = |node| {
            let mut rules = rules(&world, "demo", name, node);
            rules.sort();
            rules.join(" ")
        };
        assert_eq!(got(host), on_host, "{name} on its host");
        assert_eq!(got("b"), on_b, "{name} on b");
        assert_eq!(got("arm"), on_arm, "{name} on arm");
    }
    // What has ended is not in the world.
    assert_eq!(world.pod_id("demo", "completed"), None);
}

#[test]
fn an_infeasible_resize_counts_only_for_those_who_want_to_be_sure() {
    let mut p = pod("n", "a", "p", "x", container("c", "500m", "1Gi"));
    p.status.resize_pending = Some("Infeasible".into());
    let held = ResourceList {
        cpu: Some(cpu("200m")),
        memory: Some(bytes_of("1Gi")),
        ..Default::default()
    };
    p.status.containers[0].allocated = Some(held);
    assert_eq!(
        effective_request(&p, InfeasibleResize::Drop).cpu,
        cpu("200m")
    );
    assert_eq!(
        effective_request(&p, InfeasibleResize::Keep).cpu,
        cpu("500m")
    );
}

#[test]
fn a_template_takes_limits_then_limit_ranges_then_overhead() {
    let mut c = container("c", "100m", "1Gi");
    c.resources.requests = ResourceList::default();
    c.resources.limits.cpu = Some(cpu("2"));
    let spec = PodSpec {
        containers: vec![c],
        ..Default::default()
    };
    let mut item = LimitRangeItem {
        kind: "Container".into(),
        ..Default::default()
    };
    item.default_request.cpu = Some(cpu("10m"));
    item.default_request.memory = Some(bytes_of("64Mi"));
    let range = LimitRange {
        items: vec![item],
        ..Default::default()
    };
    let class = RuntimeClass {
        overhead: Some(ResourceList {
            memory: Some(bytes_of("120Mi")),
            ..Default::default()
        }),
        ..Default::default()
    };
    let got = template_request(&spec, &[&range], Some(&class));
    assert_eq!((got.cpu, got.memory), (cpu("2"), bytes_of("184Mi")));
}

#[test]
fn a_duration_protects_from_the_start_of_the_pod_and_nonsense_does_not() {
    let cluster = cluster();
    let judge = |value: &str, started: Option<&str>| {
        let mut p = pod("n", "a", "p", "x", container("c", "1", "1Gi"));
        p.status.started_at = started.map(at);
        p.meta
            .annotations
            .insert("karpenter.sh/do-not-disrupt".into(), value.into());
        Movers::new(&cluster, at("2026-05-01T12:00Z"), MovePolicy::default()).judge(&p)
            == Movability::Moves
    };
    assert!(!judge("true", None));
    assert!(!judge("2h", Some("2026-05-01T10:30Z")));
    assert!(judge("1h30m", Some("2026-05-01T10:30Z")));
    assert!(!judge("1h", None), "an unknown start protects");
    assert!(judge("soon", None), "nonsense is ignored");
    assert_eq!(go_duration("1.5h").map(|d| d.num_minutes()), Some(90));
    assert_eq!(go_duration("90"), None);
}

#[test]
fn local_data_follows_the_policy_and_the_list_of_safe_volumes() {
    let cluster = cluster();
    let keeps = {
        let mut policy = MovePolicy::default();
        policy.empty_dir = LocalData::Keeps;
        policy
    };
    let mut p = pod("n", "a", "p", "x", container("c", "1", "1Gi"));
    p.spec.volumes.push(PodVolume {
        name: "scratch".into(),
        source: PodVolumeSource::EmptyDir { in_memory: false },
    });
    let judge = |p: &Pod, policy: &MovePolicy| {
        Movers::new(&cluster, at("2026-05-01T12:00Z"), policy.clone()).judge(p)
    };
    assert_eq!(judge(&p, &MovePolicy::default()), Movability::Moves);
    assert!(matches!(judge(&p, &keeps), Movability::NeverMoves { .. }));
    let safe = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
    p.meta
        .annotations
        .insert(safe.into(), "other,scratch".into());
    assert_eq!(judge(&p, &keeps), Movability::Moves);
}

#[test]
fn a_local_volume_pins_and_an_ebs_volume_holds_its_zone_and_its_slot() {
    let mut c = cluster();
    let mut near = node("near", "8", "32Gi");
    near.meta
        .labels
        .insert("topology.ebs.csi.aws.com/zone".into(), "us-east-1a".into());
    let mut far = node("far", "8", "32Gi");
    far.meta
        .labels
        .insert("topology.ebs.csi.aws.com/zone".into(), "us-east-1b".into());
    c.nodes = complete(vec![near, far]);
    let term = NodeSelectorTerm {
        match_expressions: vec![Requirement {
            key: "topology.ebs.csi.aws.com/zone".into(),
            operator: Operator::In,
            values: vec!["us-east-1a".into()],
        }],
        ..Default::default()
    };
    let volume = |name: &str, source| PersistentVolume {
        meta: meta("", name),
        source,
        node_affinity: Some(vec![term.clone()]),
        ..Default::default()
    };
    c.persistent_volumes = complete(vec![
        volume(
            "pv-0",
            PvSource::Ebs {
                volume: "vol-0".into(),
            },
        ),
        volume("pv-1", PvSource::Local),
    ]);
    let claim = |name: &str, volume: &str| PersistentVolumeClaim {
        meta: meta("n", name),
        phase: ClaimPhase::Bound,
        volume_name: Some(volume.into()),
        ..Default::default()
    };
    c.claims = complete(vec![claim("c-0", "pv-0"), claim("c-1", "pv-1")]);
    let limit = |name: &str, attach_limit| CsiNode {
        meta: meta("", name),
        drivers: vec![CsiDriver {
            name: "ebs.csi.aws.com".into(),
            attach_limit: Some(attach_limit),
        }],
    };
    c.csi_nodes = complete(vec![limit("near", 0), limit("far", 5)]);
    let with = |name: &str, claim: &str| {
        let mut p = pod("n", "a", name, "gone", container("c", "1", "1Gi"));
        p.spec.volumes.push(PodVolume {
            name: "data".into(),
            source: PodVolumeSource::Claim { name: claim.into() },
        });
        p
    };
    c.pods = complete(vec![with("p-0", "c-0"), with("p-1", "c-1")]);
    let world = World::new(&c, &[]);
    // karpenter#2287: a node without a free attachment is not a target.
    assert_eq!(rules(&world, "n", "p-0", "near"), ["attach_limit"]);
    assert_eq!(rules(&world, "n", "p-0", "far"), ["volume_affinity"]);
    let movers = Movers::new(&c, at("2026-05-01T12:00Z"), MovePolicy::default());
    let judge = |i: usize| movers.judge(&c.pods.items()[i]);
    assert_eq!(judge(0), Movability::Moves);
    assert!(matches!(judge(1), Movability::NeverMoves { .. }));
}

#[test]
fn every_rule_that_fails_is_listed() {
    let mut c = cluster();
    let mut n = node("x", "1", "1Gi");
    n.unschedulable = true;
    n.taints.push(Taint {
        key: "team".into(),
        value: "ml".into(),
        effect: TaintEffect::NoSchedule,
    });
    n.allocatable.pods = 1;
    c.nodes = complete(vec![n]);
    let mut on = pod("n", "a", "on", "x", container("c", "500m", "512Mi"));
    let port = HostPort {
        port: 80,
        protocol: "TCP".into(),
        ip: String::new(),
    };
    on.spec.containers[0].host_ports.push(port.clone());
    let mut p = pod("n", "b", "p", "gone", container("c", "600m", "600Mi"));
    p.spec.containers[0].host_ports.push(HostPort {
        ip: "10.0.0.1".into(),
        ..port
    });
    p.spec.node_selector.insert("disk".into(), "ssd".into());
    p.spec.os = Some("windows".into());
    p.spec.resource_claims.push("gpu".into());
    c.pods = complete(vec![on, p]);
    let world = World::new(&c, &[]);
    let mut got = rules(&world, "n", "p", "x");
    got.sort();
    let want = [
        "host_port",
        "node_selector",
        "not_target",
        "operating_system",
        "resource",
        "resource",
        "resource",
        "resource_claims",
        "taint",
    ];
    assert_eq!(got, want);
}

#[test]
fn count_limits_bind_only_nodes_that_hold_both() {
    let mut c = cluster();
    c.nodes = complete(vec![node("x", "8", "32Gi"), node("y", "8", "32Gi")]);
    let small = || container("c", "100m", "64Mi");
    c.pods = complete(vec![
        pod("n", "a", "a-1", "x", small()),
        pod("n", "b", "b-1", "gone", small()),
    ]);
    let set = |app: &str| WorkloadRef::new("n", "ReplicaSet", format!("{app}-1"));
    let limit = CountLimit {
        cluster: "c1".into(),
        with: Some(set("a")),
        of: set("b"),
        max: 0,
    };
    let world = World::new(&c, &[limit]);
    assert_eq!(rules(&world, "n", "b-1", "x"), ["count_limit"]);
    assert_eq!(rules(&world, "n", "b-1", "y"), [""; 0]);
}

fn budget(name: &str, app: Option<&str>) -> PodDisruptionBudget {
    PodDisruptionBudget {
        meta: meta("n", name),
        selector: app.map(|app| LabelSelector {
            match_labels: Labels::from([("app".to_owned(), app.to_owned())]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn three(budgets: Vec<PodDisruptionBudget>) -> Cluster {
    let mut c = cluster();
    let small = || container("c", "100m", "64Mi");
    let pods = ["a-1", "a-2", "a-3"].map(|n| pod("n", "a", n, "x", small()));
    c.pods = complete(pods.to_vec());
    c.workloads = complete(deployment("n", "a", 3, small()).to_vec());
    c.disruption_budgets = complete(budgets);
    c
}

/// Evictions that are granted one after the other.
fn granted(c: &Cluster) -> usize {
    let mut budgets = Budgets::new(c, at("2026-05-01T12:00Z"));
    let pods = c.pods.items().iter();
    pods.filter(|p| budgets.take(p).is_ok()).count()
}

#[test]
fn percentages_are_rounded_up_on_both_sides() {
    let with = |min, max| {
        let mut b = budget("b", Some("a"));
        (b.min_available, b.max_unavailable) = (min, max);
        granted(&three(vec![b]))
    };
    use IntOrPercent::{Count, Percent};
    assert_eq!(with(Some(Percent(50)), None), 1); // two of three stay
    assert_eq!(with(None, Some(Percent(25))), 1); // one of three may go
    assert_eq!(with(None, Some(Percent(34))), 2);
    assert_eq!(with(Some(Count(3)), None), 0);
    assert_eq!(with(None, Some(Count(0))), 0);
    assert_eq!(with(Some(Count(0)), None), 3);
}

#[test]
fn a_status_is_believed_only_of_the_present_generation() {
    let mut b = budget("b", Some("a"));
    b.max_unavailable = Some(IntOrPercent::Count(1));
    b.meta.generation = Some(2);
    b.observed_generation = Some(2);
    (b.disruptions_allowed, b.expected_pods) = (Some(3), Some(3));
    (b.current_healthy, b.desired_healthy) = (Some(3), Some(0));
    assert_eq!(granted(&three(vec![b.clone()])), 3);
    b.observed_generation = Some(1);
    assert_eq!(granted(&three(vec![b.clone()])), 1);
    // A granted eviction counts for two minutes where it is computed anew.
    b.disrupted_pods
        .insert("a-1".into(), at("2026-05-01T11:59Z"));
    assert_eq!(granted(&three(vec![b.clone()])), 0);
    b.disrupted_pods
        .insert("a-1".into(), at("2026-05-01T11:58Z"));
    assert_eq!(granted(&three(vec![b])), 1);
}

#[test]
fn no_selector_selects_nothing_and_an_empty_one_everything() {
    let mut b = budget("b", None);
    b.max_unavailable = Some(IntOrPercent::Count(0));
    assert_eq!(granted(&three(vec![b.clone()])), 3);
    b.selector = Some(LabelSelector::default());
    assert_eq!(granted(&three(vec![b])), 0);
}

#[test]
fn two_budgets_block_and_missing_parts_block() {
    let loose = |name: &str| {
        let mut b = budget(name, Some("a"));
        b.max_unavailable = Some(IntOrPercent::Count(3));
        b
    };
    let c = three(vec![loose("b"), loose("c")]);
    let budgets = Budgets::new(&c, at("2026-05-01T12:00Z"));
    let refusal = budgets.can_evict(&c.pods.items()[0]).unwrap_err();
    assert!(matches!(&refusal, EvictionRefusal::SeveralBudgets { budgets } if budgets.len() == 2));
    assert!(refusal.is_permanent());
    let mut c = three(vec![]);
    c.disruption_budgets = Default::default();
    assert_eq!(granted(&c), 0);
}

#[test]
fn pods_that_are_not_ready_follow_the_unhealthy_policy() {
    let with = |policy, ready: [bool; 3]| {
        let mut b = budget("b", Some("a"));
        b.min_available = Some(IntOrPercent::Count(2));
        b.unhealthy_policy = policy;
        let mut c = three(vec![b]);
        for (p, ready) in c.pods.value_mut().unwrap().iter_mut().zip(ready) {
            p.status.ready = Some(ready);
        }
        let budgets = Budgets::new(&c, at("2026-05-01T12:00Z"));
        budgets.can_evict(&c.pods.items()[0]).is_ok()
    };
    use UnhealthyPodEviction::{AlwaysAllow, IfHealthyBudget, Unrecognised};
    assert!(with(IfHealthyBudget, [false, true, true]));
    assert!(!with(IfHealthyBudget, [false, false, true]));
    assert!(with(AlwaysAllow, [false, false, true]));
    assert!(!with(Unrecognised, [false, true, true]));
    assert!(with(Unrecognised, [true, true, true]));
}

fn term(app: &str, key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: budget("x", Some(app)).selector,
        topology_key: key.into(),
        ..Default::default()
    }
}

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
                selector: budget("x", Some(app)).selector,
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
