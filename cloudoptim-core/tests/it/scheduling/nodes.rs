//! Node selectors, affinities to nodes, taints, ports, systems.

use super::*;
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::overlay::CountLimit;
use cloudoptim_core::scheduling::capacity::tolerated_for_a_time;

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

fn expressions(all: Vec<Requirement>) -> NodeSelectorTerm {
    NodeSelectorTerm {
        match_expressions: all,
        ..Default::default()
    }
}

fn fields(all: Vec<Requirement>) -> NodeSelectorTerm {
    NodeSelectorTerm {
        match_fields: all,
        ..Default::default()
    }
}

fn near(terms: Vec<NodeSelectorTerm>) -> String {
    let mut x = node("x", "8", "32Gi");
    label(&mut x.meta, "cpus", "8");
    label(&mut x.meta, "size", "large");
    let mut p = newcomer("a");
    p.spec.required_node_affinity = Some(terms);
    refused_on(x, p)
}

#[test]
fn operators_read_labels_as_the_scheduler_does() {
    use Operator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
    for (key, operator, values, holds) in [
        ("cpus", Gt, &["7"][..], true),
        ("cpus", Gt, &["8"], false),
        ("cpus", Lt, &["9"], true),
        ("cpus", Lt, &["8"], false),
        // As integers: as text 8 would come after 10.
        ("cpus", Lt, &["10"], true),
        ("cpus", Gt, &["-1"], true),
        ("size", Gt, &["1"], false),
        ("size", Lt, &["1"], false),
        ("absent", Gt, &["0"], false),
        ("absent", Lt, &["9"], false),
        ("cpus", Gt, &["seven"], false),
        ("cpus", Gt, &["1", "2"], false),
        ("size", In, &["small", "large"], true),
        ("size", In, &["small"], false),
        ("absent", In, &["small"], false),
        ("size", NotIn, &["small"], true),
        ("size", NotIn, &["large"], false),
        ("absent", NotIn, &["small"], true),
        ("size", Exists, &[], true),
        ("absent", Exists, &[], false),
        ("size", DoesNotExist, &[], false),
        ("absent", DoesNotExist, &[], true),
    ] {
        let rule = requirement(key, operator, values);
        let got = near(vec![expressions(vec![rule.clone()])]);
        assert_eq!(got, if holds { "" } else { "node_affinity" }, "{rule}");
    }
}

#[test]
fn terms_are_alternatives_and_what_a_term_asks_for_must_all_hold() {
    let yes = || requirement("size", Operator::In, &["large"]);
    let no = || requirement("size", Operator::In, &["small"]);
    let name = |operator, name| requirement("metadata.name", operator, &[name]);
    use Operator::{Exists, In, NotIn};
    for (terms, holds) in [
        (
            vec![expressions(vec![no()]), expressions(vec![yes()])],
            true,
        ),
        (
            vec![expressions(vec![no()]), expressions(vec![no()])],
            false,
        ),
        (vec![expressions(vec![yes(), yes()])], true),
        (vec![expressions(vec![yes(), no()])], false),
        // The name is the only field.
        (vec![fields(vec![name(In, "x")])], true),
        (vec![fields(vec![name(In, "y")])], false),
        (vec![fields(vec![name(NotIn, "y")])], true),
        (vec![fields(vec![name(NotIn, "x")])], false),
        (vec![fields(vec![name(Exists, "x")])], false),
        (vec![fields(vec![requirement("spec.x", In, &["x"])])], false),
        (
            vec![NodeSelectorTerm {
                match_expressions: vec![no()],
                match_fields: vec![name(In, "x")],
            }],
            false,
        ),
        // No term, or one that asks for nothing, holds nowhere.
        (vec![], false),
        (vec![expressions(vec![])], false),
        (vec![expressions(vec![]), expressions(vec![yes()])], true),
    ] {
        let got = near(terms.clone());
        assert_eq!(got, if holds { "" } else { "node_affinity" }, "{terms:?}");
    }
    // The selector must hold beside the affinity.
    let mut p = newcomer("a");
    p.spec.node_selector.insert("size".into(), "large".into());
    p.spec.required_node_affinity = Some(vec![fields(vec![name(In, "x")])]);
    assert_eq!(refused_on(node("x", "8", "32Gi"), p), "node_selector");
}

#[test]
fn what_a_pod_prefers_refuses_nothing() {
    let mut p = newcomer("a");
    p.spec.preferred_node_affinity.push(PreferredNodeTerm {
        weight: 100,
        term: expressions(vec![requirement("size", Operator::Exists, &[])]),
    });
    let preferred = |term| PreferredPodTerm { weight: 100, term };
    p.spec
        .preferred_pod_affinity
        .push(preferred(term("b", HOSTNAME_LABEL)));
    p.spec
        .preferred_pod_anti_affinity
        .push(preferred(term("z", HOSTNAME_LABEL)));
    let mut x = node("x", "8", "32Gi");
    x.taints.push(Taint {
        key: "slow".into(),
        value: "yes".into(),
        effect: TaintEffect::PreferNoSchedule,
    });
    let mut on = pod("n", "z", "on", "x", small());
    on.spec
        .preferred_pod_anti_affinity
        .push(preferred(term("a", HOSTNAME_LABEL)));
    assert_eq!(refused(&world_of(vec![x], vec![on, p]), "x"), "");
}

#[test]
fn taints_refuse_whom_they_are_not_tolerated_by() {
    use TaintEffect::{NoExecute, NoSchedule, PreferNoSchedule};
    let with = |effect, tolerations: Vec<Toleration>| {
        let mut x = node("x", "8", "32Gi");
        x.taints.push(Taint {
            key: "team".into(),
            value: "ml".into(),
            effect,
        });
        let mut p = newcomer("a");
        p.spec.tolerations = tolerations;
        refused_on(x, p)
    };
    let toleration = |key: &str, exists, value: &str, effect, seconds| Toleration {
        key: key.into(),
        exists,
        value: value.into(),
        effect,
        seconds,
    };
    for effect in [NoSchedule, NoExecute] {
        for (toleration, tolerated) in [
            (toleration("team", false, "ml", None, None), true),
            (toleration("team", false, "ml", Some(effect), None), true),
            (toleration("team", false, "web", None, None), false),
            (
                toleration("team", false, "ml", Some(PreferNoSchedule), None),
                false,
            ),
            (toleration("team", true, "", None, None), true),
            (toleration("other", true, "", None, None), false),
            (toleration("", true, "", None, None), true),
            (
                toleration("", true, "", Some(PreferNoSchedule), None),
                false,
            ),
            // Time bounds how long a pod stays, not whether it comes.
            (toleration("team", true, "", Some(effect), Some(300)), true),
            (toleration("team", true, "", Some(effect), Some(0)), true),
        ] {
            let got = with(effect, vec![toleration.clone()]);
            assert_eq!(got, if tolerated { "" } else { "taint" }, "{toleration:?}");
        }
        assert_eq!(with(effect, vec![]), "taint");
    }
    assert_eq!(with(PreferNoSchedule, vec![]), "");
    // The packer asks for the time too: a pod that leaves again is not moved.
    let mut x = node("x", "8", "32Gi");
    let tolerated = |x: &Node, tolerations: &[Toleration]| {
        tolerated_for_a_time(tolerations, x).map(|t| t.key.clone())
    };
    let some_time = toleration("team", true, "", None, Some(300));
    let always = toleration("team", true, "", None, None);
    assert_eq!(tolerated(&x, std::slice::from_ref(&some_time)), None);
    for (effect, evicts) in [(NoExecute, true), (NoSchedule, false)] {
        x.taints = vec![Taint {
            key: "team".into(),
            value: "ml".into(),
            effect,
        }];
        let key = evicts.then(|| "team".to_owned());
        assert_eq!(tolerated(&x, std::slice::from_ref(&some_time)), key);
        assert_eq!(tolerated(&x, std::slice::from_ref(&always)), None);
        // The first that fits counts.
        assert_eq!(tolerated(&x, &[some_time.clone(), always.clone()]), key);
        assert_eq!(tolerated(&x, &[always.clone(), some_time.clone()]), None);
        assert_eq!(tolerated(&x, &[]), None);
    }
    // A toleration of one effect leaves the other.
    let mut x = node("x", "8", "32Gi");
    for effect in [NoSchedule, NoExecute] {
        x.taints.push(Taint {
            key: "team".into(),
            value: "ml".into(),
            effect,
        });
    }
    let mut p = newcomer("a");
    p.spec.tolerations = vec![toleration("team", true, "", Some(NoSchedule), None)];
    assert_eq!(refused_on(x, p), "taint");
}

fn port(number: u16, protocol: &str, ip: &str) -> HostPort {
    HostPort {
        port: number,
        protocol: protocol.into(),
        ip: ip.into(),
    }
}

#[test]
fn host_ports_meet_by_number_protocol_and_address() {
    for (there, wanted, free) in [
        (port(80, "TCP", ""), port(80, "TCP", ""), false),
        (port(80, "TCP", ""), port(81, "TCP", ""), true),
        (port(80, "TCP", ""), port(80, "UDP", ""), true),
        (port(80, "", ""), port(80, "TCP", ""), false),
        (
            port(80, "TCP", "10.0.0.1"),
            port(80, "TCP", "10.0.0.1"),
            false,
        ),
        (
            port(80, "TCP", "10.0.0.1"),
            port(80, "TCP", "10.0.0.2"),
            true,
        ),
        // All addresses meet each one.
        (port(80, "TCP", ""), port(80, "TCP", "10.0.0.2"), false),
        (
            port(80, "TCP", "10.0.0.1"),
            port(80, "TCP", "0.0.0.0"),
            false,
        ),
    ] {
        let mut on = pod("n", "b", "on", "x", small());
        on.spec.containers[0].host_ports.push(there.clone());
        let mut p = newcomer("a");
        p.spec.containers[0].host_ports.push(wanted.clone());
        let c = world_of(vec![node("x", "8", "32Gi")], vec![on, p]);
        let want = if free { "" } else { "host_port" };
        assert_eq!(refused(&c, "x"), want, "{there:?} {wanted:?}");
    }
}

#[test]
fn sidecars_keep_their_ports_and_init_containers_give_them_back() {
    for (sidecar, want) in [(true, "host_port"), (false, "")] {
        let mut on = pod("n", "b", "on", "x", small());
        let mut init = small();
        init.restarts_always = sidecar;
        init.host_ports.push(port(80, "TCP", ""));
        on.spec.init_containers.push(init);
        let mut p = newcomer("a");
        p.spec.containers[0].host_ports.push(port(80, "TCP", ""));
        let c = world_of(vec![node("x", "8", "32Gi")], vec![on, p]);
        assert_eq!(refused(&c, "x"), want);
    }
}

#[test]
fn on_the_host_network_every_port_is_the_nodes() {
    let of = |name: &str, on: &str, network: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "Pod",
                "metadata": {{"name": "{name}", "namespace": "n", "uid": "{name}"}},
                "spec": {{"nodeName": "{on}", {network} "containers": [
                  {{"name": "c", "ports": [{{"containerPort": 9100}}]}}]}},
                "status": {{"phase": "Running"}}}}"#
        )
    };
    let host = r#""hostNetwork": true,"#;
    for (there, wanted, want) in [(host, host, "host_port"), (host, "", ""), ("", host, "")] {
        let text = format!(
            r#"{{"apiVersion": "v1", "kind": "List", "items": [{}, {}]}}"#,
            of("on", "x", there),
            of("p", "gone", wanted)
        );
        let mut options = InputOptions::default();
        options.complete = true;
        options.taken_at = Some(at("2026-05-01T12:00Z"));
        let mut loader = Loader::new(options);
        loader.add("pods.json", text.as_bytes());
        let mut snapshot = loader.finish().unwrap().snapshot;
        let pods = snapshot.clusters.remove(0).pods.items().to_vec();
        let c = world_of(vec![node("x", "8", "32Gi")], pods);
        assert_eq!(refused(&c, "x"), want);
    }
}

#[test]
fn system_architecture_family_and_build_are_labels_to_ask_for() {
    let mut windows = node("x", "8", "32Gi");
    for (key, value) in [
        ("kubernetes.io/os", "windows"),
        ("node.kubernetes.io/windows-build", "10.0.20348"),
        ("karpenter.k8s.aws/instance-family", "m6i"),
    ] {
        label(&mut windows.meta, key, value);
    }
    let mut p = newcomer("a");
    p.spec.os = Some("windows".into());
    for (key, value, want) in [
        ("kubernetes.io/os", "windows", ""),
        ("kubernetes.io/os", "linux", "node_selector"),
        ("kubernetes.io/arch", "amd64", ""),
        ("kubernetes.io/arch", "arm64", "node_selector"),
        ("node.kubernetes.io/windows-build", "10.0.20348", ""),
        (
            "node.kubernetes.io/windows-build",
            "10.0.17763",
            "node_selector",
        ),
        ("karpenter.k8s.aws/instance-family", "m6i", ""),
        ("karpenter.k8s.aws/instance-family", "c7g", "node_selector"),
    ] {
        let mut p = p.clone();
        p.spec.node_selector.insert(key.into(), value.into());
        assert_eq!(refused_on(windows.clone(), p), want, "{key}={value}");
    }
    // The pod's own word for its system is enough.
    assert_eq!(
        refused_on(node("x", "8", "32Gi"), p.clone()),
        "operating_system"
    );
    let mut says = node("x", "8", "32Gi");
    says.os = Some("windows".into());
    assert_eq!(refused_on(says, p), "");
}
