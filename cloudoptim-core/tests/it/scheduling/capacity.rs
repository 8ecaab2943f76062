//! Which nodes take pods, and what a node that is not there yet would have.

use super::*;
use cloudoptim_core::catalog::{Architecture, InstanceTypeInfo, NodeOverheads, allocatable_for};
use cloudoptim_core::scheduling::capacity::{
    daemon_overhead, daemon_runs_on, hypothetical_node, pool_allows,
};

#[test]
fn a_live_node_has_what_its_kubelet_says_whatever_its_type() {
    let mut x = node("x", "1", "1Gi");
    label(&mut x.meta, INSTANCE_TYPE_LABEL, "m6i.24xlarge");
    x.capacity = Resources::new(cpu("96"), bytes("384Gi"));
    let p = pod("n", "a", "p", "gone", container("c", "2", "64Mi"));
    assert_eq!(refused_on(x, p), "resource");
}

#[test]
fn nodes_that_are_going_or_not_ready_are_no_targets() {
    let with = |change: &dyn Fn(&mut Node)| {
        let mut x = node("x", "8", "32Gi");
        change(&mut x);
        let mut p = newcomer("a");
        // Whatever it tolerates.
        p.spec.tolerations.push(Toleration {
            exists: true,
            ..Default::default()
        });
        refused_on(x, p)
    };
    let tainted = |key: &'static str| {
        move |x: &mut Node| {
            x.taints.push(Taint {
                key: key.into(),
                ..Default::default()
            });
        }
    };
    assert_eq!(with(&|_| ()), "");
    assert_eq!(with(&tainted("team")), "");
    assert_eq!(with(&|x| x.unschedulable = true), "not_target");
    assert_eq!(with(&|x| x.conditions.clear()), "not_target");
    assert_eq!(
        with(&|x| x.conditions[0].status = ConditionStatus::False),
        "not_target"
    );
    assert_eq!(
        with(&|x| x.meta.deleted_at = Some(at("2026-05-01T11:00Z"))),
        "not_target"
    );
    for key in [
        "node.kubernetes.io/unschedulable",
        "karpenter.sh/disrupted",
        "ToBeDeletedByClusterAutoscaler",
        "karpenter.sh/unregistered",
        "node.cloudprovider.kubernetes.io/uninitialized",
        "ebs.csi.aws.com/agent-not-ready",
        "startup-taint.cluster-autoscaler.kubernetes.io/gpu",
    ] {
        assert_eq!(with(&tainted(key)), "not_target", "{key}");
    }
    // The pool says which of its taints go away once a node is set up.
    let mut x = node("x", "8", "32Gi");
    tainted("cni-is-coming")(&mut x);
    label(&mut x.meta, NODE_POOL_LABEL, "general");
    let mut p = newcomer("a");
    p.spec.tolerations.push(Toleration {
        exists: true,
        ..Default::default()
    });
    let mut c = world_of(vec![x], vec![p]);
    assert_eq!(refused(&c, "x"), "");
    c.node_pools = complete(vec![NodePool {
        meta: meta("", "general"),
        startup_taints: vec![Taint {
            key: "cni-is-coming".into(),
            ..Default::default()
        }],
        ..Default::default()
    }]);
    assert_eq!(refused(&c, "x"), "not_target");
}

fn m6g_large() -> InstanceTypeInfo {
    let mut info = InstanceTypeInfo::new("m6g.large", 2, bytes("8Gi"), Architecture::Arm64);
    info.max_pods = Some(29);
    info.allocatable = allocatable_for(&info, &NodeOverheads::default());
    info
}

fn pool() -> NodePool {
    NodePool {
        meta: meta("", "arm"),
        labels: Labels::from([("team".to_owned(), "ml".to_owned())]),
        requirements: vec![
            requirement("tier", Operator::In, &["batch"]),
            requirement("rack", Operator::In, &["r1", "r2"]),
            requirement(ARCH_LABEL, Operator::In, &["arm64"]),
        ],
        taints: vec![Taint {
            key: "arm".into(),
            value: "yes".into(),
            effect: TaintEffect::NoSchedule,
        }],
        startup_taints: vec![Taint {
            key: "cni-is-coming".into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn hypothetical(pool: Option<&NodePool>, overheads: &NodeOverheads) -> Node {
    let zone: (ZoneName, ZoneId) = ("us-east-1b".into(), "use1-az6".into());
    let zone = Some((&zone.0, &zone.1));
    hypothetical_node(
        "new",
        &m6g_large(),
        zone,
        CapacityType::Spot,
        pool,
        overheads,
    )
}

#[test]
fn a_node_that_is_not_there_yet_has_the_labels_of_its_type_zone_and_pool() {
    let new = hypothetical(Some(&pool()), &NodeOverheads::default());
    for (key, value) in [
        ("kubernetes.io/hostname", "new"),
        ("node.kubernetes.io/instance-type", "m6g.large"),
        ("kubernetes.io/arch", "arm64"),
        ("kubernetes.io/os", "linux"),
        ("karpenter.sh/capacity-type", "spot"),
        ("karpenter.k8s.aws/instance-family", "m6g"),
        ("karpenter.k8s.aws/instance-category", "m"),
        ("karpenter.k8s.aws/instance-generation", "6"),
        ("karpenter.k8s.aws/instance-size", "large"),
        ("karpenter.k8s.aws/instance-cpu", "2"),
        ("karpenter.k8s.aws/instance-memory", "8192"),
        ("topology.kubernetes.io/zone", "us-east-1b"),
        ("topology.ebs.csi.aws.com/zone", "us-east-1b"),
        ("topology.k8s.aws/zone-id", "use1-az6"),
        ("karpenter.sh/nodepool", "arm"),
        ("team", "ml"),
        ("tier", "batch"),
    ] {
        assert_eq!(new.meta.label(key), Some(value), "{key}");
    }
    // Which of two racks it would be is not known.
    assert_eq!(new.meta.label("rack"), None);
    assert_eq!(new.taints, pool().taints);
    assert!(pool_allows(&pool(), &{
        let mut in_rack = new.clone();
        label(&mut in_rack.meta, "rack", "r2");
        in_rack
    }));
    // It is ready, and takes those who tolerate its taint.
    let mut p = newcomer("a");
    assert_eq!(refused_on(new.clone(), p.clone()), "taint");
    p.spec.tolerations.push(Toleration {
        key: "arm".into(),
        exists: true,
        ..Default::default()
    });
    assert_eq!(refused_on(new, p), "");
}

#[test]
fn a_node_that_is_not_there_yet_has_what_the_kubelet_would_leave() {
    // 8192 - 64 on arm64, of that 92.5 %, less 255 + 11 x 29 for the kubelet
    // and 100 before it evicts; of 2000m 6 % of the first core and 1 % of the
    // second; of 20 GiB of disk 10 % and 1 GiB.
    let new = hypothetical(None, &NodeOverheads::default());
    assert_eq!(new.allocatable.cpu, MilliCpu(1930));
    let memory = new.allocatable.memory.0;
    let whole = (8192 - 64) * 1024 * 1024 * 925 / 1000;
    let want = whole - ((255 + 11 * 29 + 100) << 20);
    assert!(memory.abs_diff(want) < 1 << 20, "{memory} {want}");
    assert_eq!(new.allocatable.pods, 29);
    assert_eq!(new.allocatable.ephemeral_storage, bytes("17Gi"));
    let mut overheads = NodeOverheads::default();
    overheads.max_pods = Some(10);
    let less = hypothetical(None, &overheads);
    assert_eq!(less.allocatable.pods, 10);
}

#[test]
fn a_node_that_is_added_has_room_after_its_daemons_and_the_slots_that_are_known() {
    let mut p = pod("n", "a", "p", "gone", container("c", "1800m", "64Mi"));
    p.spec.volumes.push(PodVolume {
        name: "data".into(),
        source: PodVolumeSource::Claim { name: "c-0".into() },
    });
    let mut c = world_of(vec![], vec![p]);
    c.claims = complete(vec![PersistentVolumeClaim {
        meta: meta("n", "c-0"),
        volume_name: Some("pv-0".into()),
        phase: ClaimPhase::Bound,
        ..Default::default()
    }]);
    c.persistent_volumes = complete(vec![PersistentVolume {
        meta: meta("", "pv-0"),
        source: PvSource::Ebs {
            volume: "vol-0".into(),
        },
        ..Default::default()
    }]);
    let added = |daemons: &str, ebs_limit: Option<u32>| {
        let mut world = World::new(&c, &[]);
        let mut taken = Resources::new(cpu(daemons), Bytes(0));
        taken.pods = 2;
        let new = hypothetical(None, &NodeOverheads::default());
        let id = world.add_node(new.clone(), &taken, ebs_limit).unwrap();
        assert_eq!(world.used(id), taken);
        assert_eq!(
            world.add_node(new, &taken, ebs_limit),
            None,
            "its name is taken"
        );
        rules(&world, "n", "p", "new").join(" ")
    };
    // 1930m in all.
    assert_eq!(added("130m", Some(1)), "");
    assert_eq!(added("131m", Some(1)), "resource");
    assert_eq!(added("0", Some(0)), "attach_limit");
    assert_eq!(added("0", None), "attach_limit_unknown");
}

fn daemon(name: &str, change: impl Fn(&mut PodSpec)) -> Workload {
    let [mut set, _] = deployment("n", name, 1, small());
    set.kind = WorkloadKind::DaemonSet;
    change(&mut set.template.as_mut().unwrap().spec);
    set
}

#[test]
fn daemons_run_where_selector_affinity_and_tolerations_let_them() {
    let new = hypothetical(Some(&pool()), &NodeOverheads::default());
    let tolerant = |spec: &mut PodSpec| {
        spec.tolerations.push(Toleration {
            exists: true,
            ..Default::default()
        });
    };
    let selects = |key: &str, value: &str| {
        daemon("d", |spec| {
            tolerant(spec);
            spec.node_selector.insert(key.into(), value.into());
        })
    };
    assert!(daemon_runs_on(&daemon("d", tolerant), &new));
    assert!(!daemon_runs_on(&daemon("d", |_| ()), &new), "its taint");
    assert!(daemon_runs_on(&selects(ARCH_LABEL, "arm64"), &new));
    assert!(!daemon_runs_on(&selects(ARCH_LABEL, "amd64"), &new));
    let windows = daemon("d", |spec| {
        tolerant(spec);
        spec.required_node_affinity = Some(vec![NodeSelectorTerm {
            match_expressions: vec![requirement("kubernetes.io/os", Operator::In, &["windows"])],
            ..Default::default()
        }]);
    });
    assert!(!daemon_runs_on(&windows, &new));
    // Taints of a node's state keep no daemon away, nor does a cordon.
    let mut sick = node("x", "8", "32Gi");
    sick.unschedulable = true;
    for (key, effect) in [
        ("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
        ("node.kubernetes.io/not-ready", TaintEffect::NoExecute),
        ("node.kubernetes.io/disk-pressure", TaintEffect::NoSchedule),
    ] {
        sick.taints.push(Taint {
            key: key.into(),
            value: String::new(),
            effect,
        });
    }
    assert!(daemon_runs_on(&daemon("d", |_| ()), &sick));
    let [other, _] = deployment("n", "a", 1, small());
    assert!(
        !daemon_runs_on(&other, &node("x", "8", "32Gi")),
        "no daemon"
    );
}

#[test]
fn daemons_take_only_of_nodes_that_they_run_on_and_as_admitted() {
    let x = node("x", "8", "32Gi");
    let mut unsized_daemon = daemon("limits", |spec| {
        spec.containers[0].resources = ContainerResources::default();
        spec.runtime_class = Some("kata".into());
    });
    unsized_daemon.meta.namespace = "sized".into();
    let sets = [
        daemon("plain", |_| ()),
        daemon("windows", |spec| {
            spec.node_selector
                .insert("kubernetes.io/os".into(), "windows".into());
        }),
        unsized_daemon,
    ];
    let item = LimitRangeItem {
        kind: "Container".into(),
        default_request: ResourceList {
            cpu: Some(cpu("30m")),
            memory: Some(bytes("30Mi")),
            ..Default::default()
        },
        ..Default::default()
    };
    let range = |namespace: &str| LimitRange {
        meta: meta(namespace, "defaults"),
        items: vec![item.clone()],
    };
    let class = RuntimeClass {
        meta: meta("", "kata"),
        overhead: Some(ResourceList {
            memory: Some(bytes("6Mi")),
            ..Default::default()
        }),
        ..Default::default()
    };
    let total = daemon_overhead(&x, &sets, &[range("sized"), range("n")], &[class]);
    // 100m and 64Mi of one, 30m and 30Mi + 6Mi of the other, two slots.
    assert_eq!((total.cpu.0, total.memory.mib(), total.pods), (130, 100, 2));
    let none = daemon_overhead(
        &hypothetical(Some(&pool()), &NodeOverheads::default()),
        &sets,
        &[],
        &[],
    );
    assert_eq!(none, Resources::default());
}
