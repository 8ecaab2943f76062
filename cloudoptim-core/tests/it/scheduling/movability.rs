//! Which pods count, which may be moved, and what a move costs.

use super::*;
use cloudoptim_core::scheduling::movability::{
    LocalData, MovePolicy, Movers, eviction_cost_milli, go_duration, move_cost_milli,
    node_protections,
};
use cloudoptim_core::scheduling::{InfeasibleResize, Movability, Pin};

pub(super) fn judge(c: &Cluster, p: &Pod) -> Movability {
    Movers::new(c, at("2026-05-01T12:00Z"), MovePolicy::default()).judge(p)
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
fn what_has_ended_takes_nothing_and_what_is_going_takes_its_place() {
    let half = || container("c", "500m", "64Mi");
    let on = |change: fn(&mut Pod)| {
        let mut on = pod("n", "b", "on", "x", half());
        change(&mut on);
        let p = pod("n", "a", "p", "gone", container("c", "600m", "64Mi"));
        refused(&world_of(vec![node("x", "1", "1Gi")], vec![on, p]), "x")
    };
    assert_eq!(on(|p| p.status.phase = PodPhase::Succeeded), "");
    assert_eq!(on(|p| p.status.phase = PodPhase::Failed), "");
    assert_eq!(
        on(|p| p.meta.deleted_at = Some(at("2026-05-01T11:00Z"))),
        "resource"
    );
    // A pod that is to get its node by preemption counts there already.
    let nominated = |p: &mut Pod| {
        p.spec.node_name = None;
        p.status.phase = PodPhase::Pending;
        p.status.nominated_node = Some(NodeName::new("x"));
    };
    assert_eq!(on(nominated), "resource");
    let mut p = pod("n", "b", "on", "x", half());
    nominated(&mut p);
    let pinned = Movability::NeverMoves {
        why: vec![Pin::Nominated],
    };
    assert_eq!(judge(&cluster(), &p), pinned);
}

#[test]
fn a_pod_that_is_going_is_placed_again_where_its_set_makes_the_same_anew() {
    let going = |kind: &str| {
        let mut p = pod("n", "a", "p", "x", small());
        p.meta.owners = vec![owner(kind, "a", "uid")];
        p.meta.deleted_at = Some(at("2026-05-01T11:00Z"));
        judge(&cluster(), &p)
    };
    let again = |placed_again| Movability::Leaving { placed_again };
    assert_eq!(going("StatefulSet"), again(true));
    assert_eq!(going("ReplicaSet"), again(false));
    assert_eq!(going("Job"), again(false));
}

#[test]
fn static_pods_and_daemons_go_with_their_node_and_bare_pods_stay() {
    let owned = |kind: Option<&str>| {
        let mut p = pod("n", "a", "p", "x", small());
        p.meta.owners = kind.map(|k| owner(k, "a", "uid")).into_iter().collect();
        p
    };
    let stays = |why| Movability::Stays { why };
    assert_eq!(judge(&cluster(), &owned(Some("Node"))), stays(Pin::Mirror));
    assert_eq!(
        judge(&cluster(), &owned(Some("DaemonSet"))),
        stays(Pin::DaemonSet)
    );
    let mut mirror = owned(None);
    let key = "kubernetes.io/config.mirror".to_owned();
    mirror.meta.annotations.insert(key, "abc".to_owned());
    assert_eq!(judge(&cluster(), &mirror), stays(Pin::Mirror));
    let bare = owned(None);
    let why = vec![Pin::Bare];
    assert_eq!(judge(&cluster(), &bare), Movability::NeverMoves { why });
    let mut policy = MovePolicy::default();
    policy.move_bare_pods = true;
    let c = cluster();
    let movers = Movers::new(&c, at("2026-05-01T12:00Z"), policy);
    assert_eq!(movers.judge(&bare), Movability::Moves);
    // An owner that does not control it makes nothing anew.
    let mut loose = owned(Some("ReplicaSet"));
    loose.meta.owners[0].controller = false;
    let why = vec![Pin::Bare];
    assert_eq!(judge(&c, &loose), Movability::NeverMoves { why });
}

#[test]
fn every_word_that_asks_to_be_left_alone_is_heard() {
    // Key, value, and whether it holds a pod, as annotation and as label.
    for (key, value, annotation, as_label) in [
        ("karpenter.sh/do-not-disrupt", "true", true, false),
        ("karpenter.sh/do-not-disrupt", "false", false, false),
        (
            "cluster-autoscaler.kubernetes.io/safe-to-evict",
            "false",
            true,
            true,
        ),
        (
            "cluster-autoscaler.kubernetes.io/safe-to-evict",
            "true",
            false,
            false,
        ),
        ("autoscaling.cast.ai/removal-disabled", "true", true, true),
        (
            "autoscaling.cast.ai/removal-disabled",
            "false",
            false,
            false,
        ),
        (
            "descheduler.alpha.kubernetes.io/prefer-no-eviction",
            "",
            true,
            false,
        ),
        ("cloudoptim/protect", "true", true, true),
        ("cloudoptim/protect", "false", false, false),
        ("beta.evictor.cast.ai/disposable", "true", false, false),
        (
            "controller.kubernetes.io/pod-deletion-cost",
            "100",
            false,
            false,
        ),
    ] {
        let word = (key.to_owned(), value.to_owned());
        let mut p = pod("n", "a", "p", "x", small());
        p.meta.annotations.extend([word.clone()]);
        let held = judge(&cluster(), &p) != Movability::Moves;
        assert_eq!(held, annotation, "{key}={value}");
        let mut p = pod("n", "a", "p", "x", small());
        p.meta.labels.extend([word]);
        let held = judge(&cluster(), &p) != Movability::Moves;
        assert_eq!(held, as_label, "{key}={value} as a label");
    }
    // Words that let a pod go although nobody would make it anew.
    for (key, value) in [
        ("cluster-autoscaler.kubernetes.io/safe-to-evict", "true"),
        ("beta.evictor.cast.ai/disposable", "true"),
        ("descheduler.alpha.kubernetes.io/evict", "true"),
    ] {
        let mut p = pod("n", "a", "p", "x", small());
        p.meta.owners.clear();
        p.meta.annotations.insert(key.to_owned(), value.to_owned());
        assert_eq!(judge(&cluster(), &p), Movability::Moves, "{key}");
    }
    // On nodes.
    for (key, value, held) in [
        ("karpenter.sh/do-not-disrupt", "true", true),
        ("karpenter.sh/do-not-disrupt", "1h", false),
        (
            "cluster-autoscaler.kubernetes.io/scale-down-disabled",
            "true",
            true,
        ),
        (
            "cluster-autoscaler.kubernetes.io/scale-down-disabled",
            "false",
            false,
        ),
        ("autoscaling.cast.ai/removal-disabled", "true", true),
        ("cloudoptim/protect", "true", true),
    ] {
        let mut x = node("x", "1", "1Gi");
        x.meta.annotations.insert(key.to_owned(), value.to_owned());
        let pins = node_protections(&x, at("2026-05-01T12:00Z"));
        assert_eq!(!pins.is_empty(), held, "{key}={value}");
    }
}

fn costing(deletion_cost: &str, priority: i32) -> Pod {
    let mut p = pod("n", "a", "p", "x", small());
    let key = "controller.kubernetes.io/pod-deletion-cost".to_owned();
    p.meta.annotations.insert(key, deletion_cost.to_owned());
    p.spec.priority = Some(priority);
    p
}

#[test]
fn an_eviction_costs_by_deletion_cost_and_priority() {
    for (deletion_cost, priority, milli) in [
        ("0", 0, 1000),
        ("", 0, 1000),
        ("much", 0, 1000),
        ("134217728", 0, 2000), // 2^27
        ("-134217728", 0, 0),
        ("2147483647", 0, 10_000),
        ("-2147483647", 0, -10_000),
        ("0", 33_554_432, 2000), // 2^25
        ("0", -33_554_432, 0),
        ("0", 2_000_001_000, 10_000),
        ("134217728", -33_554_432, 1000),
        ("67108864", 16_777_216, 2000),
    ] {
        let p = costing(deletion_cost, priority);
        let got = eviction_cost_milli(&p);
        assert_eq!(got, milli, "{deletion_cost} {priority}");
    }
    assert_eq!(eviction_cost_milli(&pod("n", "a", "p", "x", small())), 1000);
}

#[test]
fn a_move_costs_more_of_the_only_pod_and_of_one_that_is_slow_to_go_or_to_come() {
    // Grace, seconds from start to ready, restarts, whether it is alone.
    for (grace, warm_up, restarts, alone, milli) in [
        (None, 0, 0, false, 1000),
        (Some(30), 0, 0, false, 1000),
        (Some(0), 0, 0, false, 1000),
        (Some(60), 0, 0, false, 1100),
        (Some(600), 0, 0, false, 2000),
        (Some(86_400), 0, 0, false, 2000),
        (None, 120, 0, false, 1200),
        (None, 6_000, 0, false, 2000),
        // Ready since a restart, not since a start.
        (None, 6_000, 3, false, 1000),
        (None, 0, 0, true, 1500),
        (Some(600), 600, 0, true, 3500),
    ] {
        let mut p = pod("n", "a", "p", "x", small());
        p.spec.termination_grace_seconds = grace;
        let start = at("2026-05-01T10:00Z");
        p.status.started_at = Some(start);
        p.status.ready_since = Some(start + chrono::TimeDelta::seconds(warm_up));
        p.status.containers[0].restart_count = restarts;
        let got = move_cost_milli(&p, alone);
        assert_eq!(got, milli, "{grace:?} {warm_up} {restarts} {alone}");
    }
    assert_eq!(move_cost_milli(&costing("-134217728", 0), true), 500);
}

#[test]
fn the_rule_for_refused_resizes_is_a_setting() {
    let policy: MovePolicy = serde_json::from_str(r#"{"infeasible_resize": "drop"}"#).unwrap();
    assert_eq!(policy.infeasible_resize, InfeasibleResize::Drop);
    // A pod that moves is made anew, and asks for what it wants.
    let default = MovePolicy::default().infeasible_resize;
    assert_eq!(default, InfeasibleResize::Keep);
    // Of 1 CPU the pod that stands there holds 200m, and wants 500m.
    let mut on = pod("n", "b", "on", "x", container("c", "500m", "64Mi"));
    on.status.resize_pending = Some("Infeasible".into());
    let held = ResourceList {
        cpu: Some(cpu("200m")),
        memory: Some(bytes("64Mi")),
        ..Default::default()
    };
    on.status.containers[0].allocated = Some(held);
    let p = pod("n", "a", "p", "gone", container("c", "800m", "64Mi"));
    let c = world_of(vec![node("x", "1", "1Gi")], vec![on, p]);
    let ask = |rule| rules(&World::with_infeasible_resize(&c, &[], rule), "n", "p", "x");
    assert_eq!(ask(InfeasibleResize::Drop), [""; 0]);
    assert_eq!(ask(InfeasibleResize::Keep), ["resource"]);
}
