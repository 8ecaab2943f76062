//! Plans that launch nodes: what is carried out, and what is left when it fails.

use crate::bin_packing::{catalog, plan_of_case, plan_of_case_by};
use crate::execute::Host;
use chrono::TimeDelta;
use cloudoptim_core::decision::{Action, LaunchThrough, NodeShape};
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::Elsewhere;
use cloudoptim_core::execute::{Report, StepResult, undo};
use cloudoptim_core::journal::{End, History, Outcome};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::memory::{Fault, FaultKind};
use cloudoptim_core::model::*;
use cloudoptim_core::optimize::optimize;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::plan::{DeclineReason, Plan, Precondition};
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::STEP_KEY;

/// A large node for which a small one is launched.
const SWAP: &str = "pool main
        node n1 8 32Gi type=m6i.2xlarge
        node n2 8 32Gi type=m6i.2xlarge ann=karpenter.sh/do-not-disrupt:true
        pods a n1 3 1 1Gi
        pods b n2 7 1 4Gi";

/// The same through a group that is raised by number, twice.
const GROUP: &str = "group small min=0 desired=1 type=m6i.large zone=a
        node n1 8 32Gi type=m6i.2xlarge
        node n2 2 8Gi type=m6i.large group=small ann=karpenter.sh/do-not-disrupt:true
        node n3 8 32Gi type=m6i.2xlarge ann=karpenter.sh/do-not-disrupt:true
        node n4 8 32Gi type=m6i.2xlarge
        pods a n1 1 1500m 1Gi
        pods b n2 1 1500m 1Gi
        pods c n3 2 3500m 1Gi
        pods d n4 1 1500m 1Gi";

const HEADER: &str = "migrate launch headroom=0 share=100";

fn launches(plan: &Plan) -> usize {
    let launch = |a: &Action| matches!(a, Action::LaunchNodes { .. });
    plan.steps.iter().filter(|s| launch(&s.action)).count()
}

fn report(host: &Host) -> Report {
    host.report_by(&Elsewhere::default())
        .expect("nothing hangs")
}

fn nodes(world: &Snapshot) -> Vec<&Node> {
    world.clusters[0].nodes.items().iter().collect()
}

fn launched(world: &Snapshot) -> usize {
    let has = |n: &&&Node| n.meta.label(STEP_KEY).is_some();
    nodes(world).iter().filter(has).count()
}

/// Nothing was moved, and no node is cordoned or new.
fn assert_as_before(before: &Snapshot, host: &Host) {
    let after = host.memory.world();
    let (before, after) = (&before.clusters[0], &after.clusters[0]);
    let names = |c: &Cluster| {
        let nodes = c.nodes.items().iter();
        let nodes = nodes.map(|n| (n.meta.name.clone(), n.unschedulable));
        nodes.collect::<Vec<_>>()
    };
    assert_eq!(names(after), names(before));
    assert_eq!(after.pods.items(), before.pods.items());
}

#[test]
fn what_is_launched_takes_the_pods_of_what_goes() {
    let (world, plan) = plan_of_case(HEADER, SWAP);
    assert_eq!(launches(&plan), 1, "{}", plan.explain());
    // Launched first, and whatever comes then waits for it.
    assert!(matches!(plan.steps[0].action, Action::LaunchNodes { .. }));
    let waits = |p: &Precondition| matches!(p, Precondition::NodesAreReady(_));
    let waiting = plan
        .steps
        .iter()
        .filter(|s| s.preconditions.iter().any(waits));
    let waiting: Vec<_> = waiting.map(|s| s.action.to_string()).collect();
    assert_eq!(waiting, ["cordon n1", "evict 3 pods from n1"]);
    let saves = plan.totals.saves_per_month;
    assert_eq!(saves.to_string(), "$140.16/mo");

    let host = Host::of(world, plan);
    let report = report(&host);
    assert_eq!(report.end, End::Done, "{report:#?}");
    let world = host.memory.world();
    let gone = nodes(&world).iter().all(|n| n.meta.name != "n1");
    assert!(gone && launched(&world) == 1);
    let new = nodes(&world)
        .into_iter()
        .find(|n| n.meta.label(STEP_KEY).is_some());
    let new = new.unwrap().name();
    let pods = world.clusters[0].pods.items().iter();
    assert!(pods.clone().all(|p| p.node().is_some()));
    assert_eq!(pods.filter(|p| p.node() == Some(&new)).count(), 2);
}

#[test]
fn without_capacity_the_old_node_stays_and_nothing_is_drained() {
    let (world, plan) = plan_of_case(HEADER, SWAP);
    let fault = Fault::always("launch_nodes", FaultKind::NoCapacity);
    let host = Host::of(world.clone(), plan).with_fault(fault);
    let report = report(&host);
    let StepResult::Finished {
        outcome: Outcome::Failed { error },
    } = &report.steps[0].1
    else {
        panic!("{report:#?}")
    };
    assert!(error.contains("capacity"), "{error}");
    assert_eq!(report.done(), 0);
    assert_as_before(&world, &host);
}

/// A change of what launched nodes are like.
type Edit<'e> = &'e dyn Fn(&mut NodeShape);

/// Changes what the plan expects of launched nodes, or asks for.
fn expecting(plan: &mut Plan, asked: bool, edit: impl Fn(&mut NodeShape)) {
    for step in &mut plan.steps {
        if let (Action::LaunchNodes { launch, .. }, true) = (&mut step.action, asked) {
            launch.shape.iter_mut().for_each(|s| edit(s));
        }
        for precondition in &mut step.preconditions {
            if let (Precondition::NodesAreReady(launched), false) = (precondition, asked) {
                launched.shape.iter_mut().for_each(|s| edit(s));
            }
        }
    }
    plan.fingerprint = plan.computed_fingerprint();
}

#[test]
fn a_node_that_is_short_or_not_set_up_takes_no_pods_and_is_released() {
    let taint = |key: &str| Taint {
        key: key.to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    };
    let cases: [(&str, bool, Edit<'_>); 4] = [
        ("cpu", false, &|s| s.least.cpu = MilliCpu(99_000)),
        ("not set up yet", true, &|s| {
            s.taints.push(taint("node.cilium.io/agent-not-ready"))
        }),
        ("taint team", true, &|s| s.taints.push(taint("team"))),
        ("label disk", false, &|s| {
            s.labels.insert("disk".to_owned(), "ssd".to_owned());
        }),
    ];
    for (why, asked, edit) in cases {
        let (world, mut plan) = plan_of_case(HEADER, SWAP);
        expecting(&mut plan, asked, edit);
        let host = Host::of(world.clone(), plan);
        let report = report(&host);
        let StepResult::Refused { refusal } = &report.steps[1].1 else {
            panic!("{why}: {report:#?}")
        };
        assert!(refusal.to_string().contains(why), "{why}: {refusal}");
        assert_eq!(report.steps[0].1, StepResult::Undone, "{why}");
        assert_as_before(&world, &host);
    }
}

#[test]
fn a_lost_answer_is_looked_up_and_launches_no_more() {
    for kind in [FaultKind::LostAnswer, FaultKind::LostRequest] {
        let (world, plan) = plan_of_case(HEADER, SWAP);
        let host = Host::of(world, plan).with_fault(Fault::once("launch_nodes", 0, kind));
        let report = report(&host);
        assert_eq!(report.end, End::Done, "{kind:?}: {report:#?}");
        assert_eq!(launched(&host.memory.world()), 1, "{kind:?}");
    }
}

#[test]
fn a_crash_after_a_launch_launches_no_more() {
    for kind in [FaultKind::HangsAfter, FaultKind::HangsBefore] {
        let (world, plan) = plan_of_case(HEADER, SWAP);
        let host = Host::of(world, plan).with_fault(Fault::once("launch_nodes", 0, kind));
        assert!(host.report_by(&Elsewhere::default()).is_none(), "{kind:?}");
        host.memory.heal();
        let report = report(&host);
        assert_eq!(report.end, End::Done, "{kind:?}: {report:#?}");
        assert_eq!(launched(&host.memory.world()), 1, "{kind:?}");
    }
}

#[test]
fn a_drain_that_fails_releases_what_was_launched_for_it() {
    for operation in ["cordon_node", "drain_node"] {
        let (world, plan) = plan_of_case(HEADER, SWAP);
        let fault = Fault::always(operation, FaultKind::Denied);
        let host = Host::of(world.clone(), plan).with_fault(fault);
        let report = report(&host);
        assert_eq!(report.steps[0].1, StepResult::Undone, "{operation}");
        assert_as_before(&world, &host);
    }
}

#[test]
fn taking_a_plan_back_keeps_launched_nodes_with_pods() {
    let (world, plan) = plan_of_case(HEADER, SWAP);
    let host = Host::of(world, plan);
    report(&host);
    let now = host.memory.world();
    let history = History::new(host.entries());
    let back = undo(&host.plan, &history, &now, TimeDelta::hours(1));
    let releases = |p: &Plan| {
        let mut steps = p.steps.iter();
        steps.any(|s| matches!(s.action, Action::ReleaseNodes { .. }))
    };
    assert!(!releases(&back), "{}", back.explain());
    // Once they are idle they go.
    host.memory.change(|world| {
        let pods = world.clusters[0].pods.value_mut().unwrap();
        pods.retain(|p| p.node().is_some_and(|n| n.as_str() == "n2"));
    });
    let now = host.memory.world();
    let back = undo(&host.plan, &history, &now, TimeDelta::hours(1));
    assert!(releases(&back), "{}", back.explain());
    let mut again = Host::of(now, back);
    again.memory = host.memory.clone();
    again.clock = host.clock.clone();
    let done = report(&again);
    assert_eq!(launched(&host.memory.world()), 0, "{done:#?}");
}

#[test]
fn a_group_is_raised_from_the_size_that_it_has_by_then() {
    let (world, plan) = plan_of_case(&format!("{HEADER} surge=20"), GROUP);
    let sizes = plan.steps.iter().filter_map(|s| match &s.action {
        Action::LaunchNodes { launch, .. } => launch.group_size,
        _ => None,
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [1, 2], "{}", plan.explain());
    let host = Host::of(world.clone(), plan.clone());
    let done = report(&host);
    assert_eq!(done.end, End::Done, "{done:#?}");
    let after = host.memory.world();
    assert_eq!(after.clouds[0].node_groups.items()[0].desired, 3);
    assert_eq!(launched(&after), 2);
    // Somebody else raised it meanwhile: nothing is launched on top.
    let host = Host::of(world, plan);
    host.memory.change(|world| {
        world.clouds[0].node_groups.value_mut().unwrap()[0].desired = 2;
    });
    let refused = report(&host);
    assert!(
        matches!(refused.steps[0].1, StepResult::Refused { .. }),
        "{refused:#?}"
    );
    assert_eq!(launched(&host.memory.world()), 0);
}

#[test]
fn where_nobody_launches_the_decision_is_declined() {
    let (_, plan) = plan_of_case_by(HEADER, SWAP, |config| config.launch_through.clear());
    assert_eq!(plan.steps, []);
    let codes = plan.declined.iter().map(|d| &d.because);
    let nobody = |b: &&DeclineReason| matches!(b, DeclineReason::NobodyLaunches { .. });
    assert_eq!(codes.filter(nobody).count(), 1, "{:#?}", plan.declined);
    let (_, plan) = plan_of_case_by(HEADER, SWAP, |config| {
        config.launch_through = [LaunchThrough::NodeGroups].into();
    });
    assert_eq!(plan.steps, []);
}

/// Rightsizing and sleep find nothing: the joint run launches once, and its
/// later questions build on what is launched.
#[test]
fn the_joint_run_launches_what_the_packer_wants() {
    let mut settings = None;
    let (snapshot, alone) = plan_of_case_by(HEADER, SWAP, |c| settings = Some(c.clone()));
    let mut policy = Policy::default();
    policy.bin_packing = settings.unwrap();
    let inputs = Inputs {
        snapshot: &snapshot,
        overlay: &Overlay::default(),
        catalog: &catalog(),
        policy: &policy,
        ledgers: &Ledgers::default(),
        deadline: None,
    };
    let joint = optimize(&inputs).unwrap();
    assert_eq!(launches(&joint), 1, "{}", joint.explain());
    let packing = |plan: &Plan| -> Vec<String> {
        let steps = plan.steps.iter().filter(|s| s.wave.is_some());
        steps.map(|s| s.action.to_string()).collect()
    };
    assert_eq!(packing(&joint), packing(&alone));
    let (now, after) = (
        joint.totals.nodes_per_hour,
        joint.totals.nodes_per_hour_after,
    );
    assert_eq!((now - after).to_string(), "$0.19/h");
    let bound = joint.totals.lower_bound_per_hour.unwrap();
    assert!(
        bound <= after && bound > MicroUsdPerHour::ZERO,
        "{bound} {after}"
    );
}
