//! What a pod's volumes ask of a node.

use super::*;
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::scheduling::movability::{MovePolicy, Movers};
use cloudoptim_core::scheduling::{ClaimProblem, Movability, Refusal};

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

const EBS_ZONE: &str = "topology.ebs.csi.aws.com/zone";

fn claim(name: &str, class: &str) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        meta: meta("n", name),
        phase: ClaimPhase::Pending,
        storage_class: Some(class.into()),
        ..Default::default()
    }
}

fn bound(name: &str, volume: &str) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        phase: ClaimPhase::Bound,
        volume_name: Some(volume.into()),
        ..claim(name, "gp3")
    }
}

fn class(name: &str, binding_mode: BindingMode) -> StorageClass {
    StorageClass {
        meta: meta("", name),
        provisioner: "ebs.csi.aws.com".into(),
        binding_mode,
        ..Default::default()
    }
}

fn in_zone(key: &str, zones: &[&str]) -> NodeSelectorTerm {
    NodeSelectorTerm {
        match_expressions: vec![requirement(key, Operator::In, zones)],
        ..Default::default()
    }
}

fn volume(name: &str, terms: Vec<NodeSelectorTerm>) -> PersistentVolume {
    PersistentVolume {
        meta: meta("", name),
        source: PvSource::Ebs {
            volume: format!("vol-{name}").as_str().into(),
        },
        node_affinity: Some(terms),
        ..Default::default()
    }
}

fn using(mut p: Pod, claims: &[&str]) -> Pod {
    for name in claims {
        p.spec.volumes.push(PodVolume {
            name: (*name).to_owned(),
            source: PodVolumeSource::Claim {
                name: (*name).to_owned(),
            },
        });
    }
    p
}

/// `x` in zone a, `y` in zone b, with the keys of the driver and of Kubernetes.
fn stored(claims: Vec<PersistentVolumeClaim>, pods: Vec<Pod>) -> Cluster {
    let nodes = [("x", "us-east-1a"), ("y", "us-east-1b")].map(|(name, zone)| {
        let mut n = node_in(name, zone);
        label(&mut n.meta, EBS_ZONE, zone);
        n
    });
    let mut c = world_of(nodes.to_vec(), pods);
    c.claims = complete(claims);
    c.storage_classes = complete(vec![
        class("gp3", BindingMode::WaitForFirstConsumer),
        class("gp3-now", BindingMode::Immediate),
    ]);
    c
}

fn both(c: &Cluster) -> [String; 2] {
    [refused(c, "x"), refused(c, "y")]
}

#[test]
fn a_volume_is_reached_where_one_of_its_terms_holds() {
    for (terms, want) in [
        (
            vec![in_zone(EBS_ZONE, &["us-east-1a"])],
            ["", "volume_affinity"],
        ),
        (
            vec![in_zone(ZONE_LABEL, &["us-east-1a"])],
            ["", "volume_affinity"],
        ),
        (
            vec![in_zone(EBS_ZONE, &["us-east-1a", "us-east-1b"])],
            ["", ""],
        ),
        (
            vec![
                in_zone(EBS_ZONE, &["us-east-1c"]),
                in_zone(EBS_ZONE, &["us-east-1b"]),
            ],
            ["volume_affinity", ""],
        ),
        (
            vec![in_zone(EBS_ZONE, &["us-east-1c"])],
            ["volume_affinity"; 2],
        ),
    ] {
        let pods = vec![using(newcomer("a"), &["c-0"])];
        let mut c = stored(vec![bound("c-0", "pv-0")], pods);
        c.persistent_volumes = complete(vec![volume("pv-0", terms.clone())]);
        assert_eq!(both(&c), want, "{terms:?}");
    }
    // Volumes from before the CSI drivers say it with a label.
    let mut old = volume("pv-0", vec![]);
    old.node_affinity = None;
    label(&mut old.meta, ZONE_LABEL, "us-east-1b__us-east-1c");
    let mut c = stored(
        vec![bound("c-0", "pv-0")],
        vec![using(newcomer("a"), &["c-0"])],
    );
    c.persistent_volumes = complete(vec![old]);
    assert_eq!(both(&c), ["volume_affinity", ""]);
}

#[test]
fn all_volumes_of_a_pod_must_be_reached_from_one_node() {
    let zone = |zones: &[&str]| vec![in_zone(EBS_ZONE, zones)];
    for (second, want) in [
        (
            zone(&["us-east-1a"]),
            ["", "volume_affinity volume_affinity"],
        ),
        (zone(&["us-east-1b"]), ["volume_affinity"; 2]),
        // Alternatives of one meet those of the other.
        (zone(&["us-east-1b", "us-east-1a"]), ["", "volume_affinity"]),
    ] {
        let claims = vec![bound("c-0", "pv-0"), bound("c-1", "pv-1")];
        let mut c = stored(claims, vec![using(newcomer("a"), &["c-0", "c-1"])]);
        let first = volume("pv-0", zone(&["us-east-1a"]));
        c.persistent_volumes = complete(vec![first, volume("pv-1", second)]);
        assert_eq!(both(&c), want);
    }
}

#[test]
fn a_claim_that_waits_for_its_pod_goes_where_its_class_makes_volumes() {
    let mut c = stored(
        vec![claim("c-0", "gp3")],
        vec![using(newcomer("a"), &["c-0"])],
    );
    assert_eq!(both(&c), ["", ""]);
    let topologies = &mut c.storage_classes.value_mut().unwrap()[0].allowed_topologies;
    topologies.push(in_zone(EBS_ZONE, &["us-east-1b"]));
    assert_eq!(both(&c), ["volume_topology", ""]);
    let topologies = &mut c.storage_classes.value_mut().unwrap()[0].allowed_topologies;
    topologies.push(in_zone(EBS_ZONE, &["us-east-1a"]));
    assert_eq!(both(&c), ["", ""]);
    // The volume to come takes a slot of the node already.
    c.csi_nodes = complete(vec![CsiNode {
        meta: meta("", "x"),
        drivers: vec![CsiDriver {
            name: "ebs.csi.aws.com".into(),
            attach_limit: Some(0),
        }],
    }]);
    assert_eq!(both(&c), ["attach_limit", ""]);
}

#[test]
fn a_claim_without_a_class_has_the_default_one() {
    let mut unnamed = claim("c-0", "");
    unnamed.storage_class = None;
    let mut c = stored(vec![unnamed], vec![using(newcomer("a"), &["c-0"])]);
    assert_eq!(refused(&c, "x"), "claim");
    c.storage_classes.value_mut().unwrap()[0].is_default = true;
    assert_eq!(refused(&c, "x"), "");
}

fn problem(c: &Cluster) -> Option<ClaimProblem> {
    let world = World::new(c, &[]);
    let (p, x) = (world.pod_id("n", "p"), world.node_id(&NodeName::new("x")));
    let refusals = world.check(p.unwrap(), x.unwrap()).err()?;
    refusals.0.iter().find_map(|r| match r {
        Refusal::Claim { problem, .. } => Some(*problem),
        _ => None,
    })
}

#[test]
fn a_claim_that_no_node_can_serve_says_what_is_wrong() {
    use ClaimProblem::{
        ClassUnknown, Deleting, Lost, Missing, UnboundImmediate, Unknown, VolumeMissing,
    };
    let with = |change: &dyn Fn(&mut Cluster)| {
        let pods = vec![using(newcomer("a"), &["c-0"])];
        let mut c = stored(vec![bound("c-0", "pv-0")], pods);
        let zone = in_zone(EBS_ZONE, &["us-east-1a"]);
        c.persistent_volumes = complete(vec![volume("pv-0", vec![zone])]);
        change(&mut c);
        problem(&c)
    };
    let of = |c: &mut Cluster, change: &dyn Fn(&mut PersistentVolumeClaim)| {
        change(&mut c.claims.value_mut().unwrap()[0]);
    };
    assert_eq!(with(&|_| ()), None);
    assert_eq!(
        with(&|c| of(c, &|p| p.phase = ClaimPhase::Lost)),
        Some(Lost)
    );
    let deleted = Some(at("2026-05-01T11:00Z"));
    assert_eq!(
        with(&|c| of(c, &|p| p.meta.deleted_at = deleted)),
        Some(Deleting)
    );
    assert_eq!(with(&|c| c.claims = complete(vec![])), Some(Missing));
    assert_eq!(with(&|c| c.claims = Knowledge::default()), Some(Unknown));
    let none = |c: &mut Cluster| c.persistent_volumes = complete(vec![]);
    assert_eq!(with(&none), Some(VolumeMissing));
    let unread = |c: &mut Cluster| c.persistent_volumes = Knowledge::default();
    assert_eq!(with(&unread), Some(Unknown));
    let now = |c: &mut Cluster| of(c, &|p| *p = claim("c-0", "gp3-now"));
    assert_eq!(with(&now), Some(UnboundImmediate));
    let other = |c: &mut Cluster| of(c, &|p| *p = claim("c-0", "io2"));
    assert_eq!(with(&other), Some(ClassUnknown));
}

#[test]
fn a_claim_that_nobody_provisions_goes_where_a_free_volume_is() {
    let mut waits = claim("c-0", "disks");
    waits.storage = Some(bytes("10Gi"));
    waits.access_modes = vec!["ReadWriteOnce".into()];
    let disk = |name: &str, host: &str| {
        let mut v = volume(name, vec![in_zone(HOSTNAME_LABEL, &[host])]);
        v.source = PvSource::Local;
        v.phase = PvPhase::Available;
        v.storage_class = Some("disks".into());
        v.capacity = Some(bytes("20Gi"));
        v.access_modes = vec!["ReadWriteOnce".into()];
        v
    };
    let with = |change: &dyn Fn(&mut PersistentVolume)| {
        let mut c = stored(vec![waits.clone()], vec![using(newcomer("a"), &["c-0"])]);
        let mut by_hand = class("disks", BindingMode::WaitForFirstConsumer);
        by_hand.provisioner = "kubernetes.io/no-provisioner".into();
        c.storage_classes = complete(vec![by_hand]);
        let mut v = disk("pv-0", "y");
        change(&mut v);
        c.persistent_volumes = complete(vec![v]);
        c
    };
    assert_eq!(both(&with(&|_| ())), ["volume_topology", ""]);
    let own = NamespacedName::new("n", "c-0");
    assert_eq!(
        both(&with(&|v| v.claim = Some(own.clone()))),
        ["volume_topology", ""]
    );
    // Taken, too small, of another class or mode, or kept for another.
    let other = NamespacedName::new("n", "c-9");
    let unfit: [&dyn Fn(&mut PersistentVolume); 5] = [
        &|v| v.phase = PvPhase::Bound,
        &|v| v.capacity = Some(bytes("9Gi")),
        &|v| v.storage_class = Some("gp3".into()),
        &|v| v.access_modes = vec!["ReadOnlyMany".into()],
        &|v| v.claim = Some(other.clone()),
    ];
    for change in unfit {
        assert_eq!(problem(&with(change)), Some(ClaimProblem::NoFreeVolume));
    }
    let mut c = with(&|_| ());
    c.claims.value_mut().unwrap()[0].storage = None;
    assert_eq!(problem(&c), Some(ClaimProblem::Unknown));
    let mut c = with(&|_| ());
    c.persistent_volumes
        .value_mut()
        .unwrap()
        .push(disk("pv-1", "x"));
    assert_eq!(both(&c), ["", ""]);
    c.persistent_volumes = Knowledge::default();
    assert_eq!(problem(&c), Some(ClaimProblem::Unknown));
}

#[test]
fn a_claim_for_one_pod_or_one_node_is_not_shared() {
    let shared = |mode: &str, on: &str| {
        let mut claim = bound("c-0", "pv-0");
        claim.access_modes = vec![mode.into()];
        let other = using(pod("n", "b", "on", on, small()), &["c-0"]);
        let mut c = stored(vec![claim], vec![other, using(newcomer("a"), &["c-0"])]);
        let zones = in_zone(EBS_ZONE, &["us-east-1a", "us-east-1b"]);
        c.persistent_volumes = complete(vec![volume("pv-0", vec![zones])]);
        both(&c)
    };
    assert_eq!(shared("ReadWriteOncePod", "x"), ["claim_in_use"; 2]);
    assert_eq!(shared("ReadWriteOncePod", "gone"), ["", ""]);
    assert_eq!(shared("ReadWriteOnce", "x"), ["", "claim_in_use"]);
    assert_eq!(shared("ReadWriteMany", "x"), ["", ""]);
    assert_eq!(shared("ReadOnlyMany", "x"), ["", ""]);
}

#[test]
fn a_claim_that_is_made_for_the_pod_is_made_anew_where_it_lands() {
    let mut p = newcomer("a");
    p.spec.volumes.push(PodVolume {
        name: "scratch".into(),
        source: PodVolumeSource::Ephemeral,
    });
    let mut c = stored(vec![bound("p-scratch", "pv-0")], vec![p]);
    let zone = in_zone(EBS_ZONE, &["us-east-1a"]);
    c.persistent_volumes = complete(vec![volume("pv-0", vec![zone])]);
    assert_eq!(both(&c), ["", ""]);
    c.claims = Knowledge::default();
    assert_eq!(problem(&c), Some(ClaimProblem::Unknown));
}

#[test]
fn a_claim_that_is_made_for_the_pod_waits_for_a_free_volume_where_nobody_makes_any() {
    let mut p = newcomer("a");
    p.spec.volumes.push(PodVolume {
        name: "scratch".into(),
        source: PodVolumeSource::Ephemeral,
    });
    let mut scratch = bound("p-scratch", "pv-0");
    scratch.storage_class = Some("disks".into());
    scratch.storage = Some(bytes("10Gi"));
    let mut c = stored(vec![scratch], vec![p]);
    let mut by_hand = class("disks", BindingMode::WaitForFirstConsumer);
    by_hand.provisioner = "kubernetes.io/no-provisioner".into();
    c.storage_classes = complete(vec![by_hand]);
    let disk = |name: &str, host: &str, phase| {
        let mut v = volume(name, vec![in_zone(HOSTNAME_LABEL, &[host])]);
        v.source = PvSource::Local;
        v.phase = phase;
        v.storage_class = Some("disks".into());
        v.capacity = Some(bytes("20Gi"));
        v
    };
    let used = disk("pv-0", "x", PvPhase::Bound);
    c.persistent_volumes = complete(vec![used.clone()]);
    assert_eq!(problem(&c), Some(ClaimProblem::NoFreeVolume));
    let free = disk("pv-1", "y", PvPhase::Available);
    c.persistent_volumes = complete(vec![used, free]);
    assert_eq!(both(&c), ["volume_topology", ""]);
}

#[test]
fn slots_for_volumes_are_counted_by_driver_and_each_volume_once() {
    let attach = |limit: Option<u32>, on: &[&str], mine: &[&str]| {
        let names = ["c-0", "c-1", "c-2"];
        let claims = names.map(|n| {
            let mut claim = bound(n, &n.replace('c', "pv"));
            claim.access_modes = vec!["ReadWriteMany".into()];
            claim
        });
        let other = using(pod("n", "b", "on", "x", small()), on);
        let pods = vec![other, using(newcomer("a"), mine)];
        let mut c = stored(claims.to_vec(), pods);
        let volumes = names.map(|n| {
            let mut v = volume(&n.replace('c', "pv"), vec![]);
            v.node_affinity = None;
            v
        });
        c.persistent_volumes = complete(volumes.to_vec());
        c.csi_nodes = complete(vec![CsiNode {
            meta: meta("", "x"),
            drivers: vec![CsiDriver {
                name: "ebs.csi.aws.com".into(),
                attach_limit: limit,
            }],
        }]);
        c
    };
    assert_eq!(refused(&attach(Some(2), &["c-0"], &["c-1"]), "x"), "");
    let two = attach(Some(2), &["c-0", "c-1"], &["c-2"]);
    assert_eq!(refused(&two, "x"), "attach_limit");
    // A volume that is there already needs no second slot.
    assert_eq!(
        refused(&attach(Some(2), &["c-0", "c-1"], &["c-1"]), "x"),
        ""
    );
    assert_eq!(refused(&attach(None, &["c-0"], &["c-1"]), "x"), "");
    // Without the limits, or without what is attached, nobody knows.
    let mut c = attach(Some(2), &[], &["c-1"]);
    c.volume_attachments = Knowledge::default();
    assert_eq!(refused(&c, "x"), "attach_limit_unknown");
    let mut c = attach(Some(2), &[], &["c-1"]);
    c.csi_nodes = Knowledge::default();
    assert_eq!(refused(&c, "x"), "attach_limit_unknown");
    // What is attached without a pod takes a slot too.
    let mut c = attach(Some(1), &[], &["c-1"]);
    assert_eq!(refused(&c, "x"), "");
    c.volume_attachments = complete(vec![VolumeAttachment {
        meta: meta("", "csi-0"),
        node: NodeName::new("x"),
        volume_name: Some("pv-0".into()),
        ..Default::default()
    }]);
    assert_eq!(refused(&c, "x"), "attach_limit");
}

#[test]
fn memory_is_no_local_data_and_a_policy_may_give_local_data_away() {
    use cloudoptim_core::scheduling::movability::LocalData;
    let mut c = stored(vec![bound("c-0", "pv-0")], vec![]);
    let mut local = volume("pv-0", vec![in_zone(HOSTNAME_LABEL, &["x"])]);
    local.source = PvSource::Local;
    c.persistent_volumes = complete(vec![local]);
    let mut keeps = MovePolicy::default();
    keeps.empty_dir = LocalData::Keeps;
    let mut gives = MovePolicy::default();
    gives.local_volumes = LocalData::Disposable;
    gives.host_path = LocalData::Disposable;
    let moves = |source: PodVolumeSource, policy: &MovePolicy| {
        let mut p = pod("n", "a", "p", "x", small());
        p.spec.volumes.push(PodVolume {
            name: "v".into(),
            source,
        });
        let now = at("2026-05-01T12:00Z");
        Movers::new(&c, now, policy.clone()).judge(&p) == Movability::Moves
    };
    let empty = |in_memory| PodVolumeSource::EmptyDir { in_memory };
    let local = || PodVolumeSource::Claim { name: "c-0".into() };
    assert!(moves(empty(true), &keeps));
    assert!(!moves(empty(false), &keeps));
    assert!(moves(empty(false), &gives));
    assert!(!moves(local(), &keeps));
    assert!(moves(local(), &gives));
    assert!(!moves(PodVolumeSource::HostPath, &keeps));
    assert!(moves(PodVolumeSource::HostPath, &gives));
    // Its place is kept all the same: data that may be lost is not elsewhere.
    let mut c = c.clone();
    c.pods = complete(vec![using(newcomer("a"), &["c-0"])]);
    assert_eq!(both(&c), ["", "volume_affinity"]);
}
