//! What stops a step, or a plan.

use super::{Fits, Host, approval, block_on, world};
use chrono::TimeDelta;
use cloudoptim_core::collect::Part;
use cloudoptim_core::decision::Action;
use cloudoptim_core::execute::StepResult;
use cloudoptim_core::guard::{ApprovalError, ApprovedPlan, Cap, Kind, Limits, Placement, Refusal};
use cloudoptim_core::journal::{End, Entry, History, Journal, Outcome};
use cloudoptim_core::knowledge::{Gap, Knowledge};
use cloudoptim_core::memory::{Act, InMemory, ManualKillSwitch};
use cloudoptim_core::model::*;
use cloudoptim_core::plan::{Fingerprint, StepId};
use cloudoptim_core::providers::{Clock, NoKillSwitch};
use cloudoptim_core::version::Version;
use std::collections::BTreeSet;

#[derive(Debug)]
struct FitsNowhere;

impl Placement for FitsNowhere {
    fn fits_elsewhere(&self, _: &Cluster, _: &NodeName, _: &[Uid]) -> Result<(), String> {
        Err("pod shop/web-1 fits on no other node".to_owned())
    }
}

#[test]
fn the_kill_switch_takes_effect_within_one_step() {
    for looks in 0..10_u64 {
        let host = Host::new();
        let switch = ManualKillSwitch::on_from(looks);
        let report = host
            .run_with(&host.journal, &switch, &Fits)
            .unwrap()
            .unwrap();
        assert_eq!(host.memory.acts().len(), usize::try_from(looks).unwrap());
        match report.end {
            End::Aborted { because } => assert_eq!(because, Refusal::Killed),
            // A decision was half done, and whoever pulled the brake wants no undo.
            End::NeedsHuman { why } => assert!(why.contains("left half done"), "{why}"),
            End::Done => panic!("the switch was on"),
            _ => unreachable!(),
        }
    }
}

#[test]
fn a_drain_is_simulated_again_and_refused_when_a_pod_fits_nowhere() {
    let host = Host::new();
    let report = host
        .run_with(&host.journal, &NoKillSwitch, &FitsNowhere)
        .unwrap()
        .unwrap();
    assert!(report.steps.iter().any(|(_, r)| matches!(
        r,
        StepResult::Refused {
            refusal: Refusal::Precondition { .. }
        }
    )));
    assert!(!host.outcome().clusters[0].nodes.items()[0].unschedulable);
}

#[test]
fn an_approval_is_for_one_unaltered_plan_by_somebody_for_a_time() {
    let plan = Host::new().plan;
    let mut altered = plan.clone();
    altered.steps.pop();
    assert!(matches!(
        ApprovedPlan::new(altered, approval(&plan)),
        Err(ApprovalError::Altered { .. })
    ));
    let mut other = approval(&plan);
    other.fingerprint.0.push('0');
    assert!(matches!(
        ApprovedPlan::new(plan.clone(), other),
        Err(ApprovalError::AnotherPlan { .. })
    ));
    let mut nobody = approval(&plan);
    nobody.by = " ".to_owned();
    assert!(matches!(
        ApprovedPlan::new(plan.clone(), nobody),
        Err(ApprovalError::Nobody)
    ));
    let mut never = approval(&plan);
    never.until = never.at;
    assert!(matches!(
        ApprovedPlan::new(plan, never),
        Err(ApprovalError::NeverValid { .. })
    ));
}

#[test]
fn nothing_is_done_before_or_after_its_time() {
    for (minutes, code) in [(-1, "begins"), (240, "ended")] {
        let host = Host::new();
        host.clock.jump(TimeDelta::minutes(minutes));
        let report = host.report();
        let End::Aborted { because } = report.end else {
            panic!("{report:#?}")
        };
        assert!(because.to_string().contains(code), "{because}");
        assert_eq!(host.memory.acts(), []);
    }
}

#[test]
fn another_cluster_or_account_behind_the_handle_stops_the_plan() {
    for (scope, other) in [("c1", "c2"), ("111122223333/us-east-1", "999/us-east-1")] {
        let host = Host::new();
        host.memory.answer_as(scope, other);
        let report = host.report();
        assert!(
            matches!(
                &report.end,
                End::Aborted {
                    because: Refusal::WrongIdentity { .. }
                } | End::NeedsHuman { .. }
            ),
            "{report:#?}"
        );
        let touched = host.memory.acts().into_iter().any(|act| {
            act.action
                .resource()
                .starts_with(scope.split('/').next().unwrap())
        });
        assert!(!touched);
    }
}

/// All parts of the cluster are of that point in its history.
fn at_revision(world: &Snapshot, revision: Option<u64>) -> Snapshot {
    fn set(value: &mut serde_json::Value, revision: Option<u64>) {
        match value {
            serde_json::Value::Object(fields) => {
                if let Some(provenance) = fields.get_mut("provenance") {
                    provenance["revision"] = revision.into();
                }
                fields.values_mut().for_each(|v| set(v, revision));
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|v| set(v, revision)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(world).unwrap();
    set(&mut value["clusters"], revision);
    serde_json::from_value(value).unwrap()
}

/// A21: the journal has seen more of the cluster's history than the cluster
/// shows, or the cluster does not say any more where it is.
#[test]
fn a_cluster_that_went_back_in_its_history_stops_the_plan() {
    for (found, is_fine) in [(Some(99), false), (None, false), (Some(100), true)] {
        let host = Host::new();
        let seen = Entry::Finished {
            version: Version::KNOWN,
            at: host.clock.now(),
            fingerprint: Fingerprint("earlier".to_owned()),
            step: StepId("s".to_owned()),
            outcome: Outcome::Applied,
            revisions: [("c1".into(), 100)].into(),
        };
        block_on(host.journal.append(&seen)).unwrap().unwrap();
        host.memory
            .change(|world| *world = at_revision(world, found));
        let report = host.report();
        if is_fine {
            assert_eq!(report.end, End::Done, "{report:#?}");
            let history = History::new(host.entries());
            assert_eq!(history.revisions(), [("c1".into(), 100)].into());
            continue;
        }
        let because = Refusal::WentBack {
            cluster: "c1".into(),
            known: 100,
            found,
        };
        assert_eq!(report.end, End::Aborted { because }, "{report:#?}");
        for act in host.memory.acts() {
            let action = serde_json::to_value(&act.action).unwrap();
            assert_ne!(action["cluster"], "c1");
        }
    }
}

#[test]
fn protected_things_are_left_alone() {
    let host = Host::new();
    host.memory.change(|world| {
        let (c, a) = (&mut world.clusters[0], &mut world.clouds[0]);
        for pod in c.pods.value_mut().unwrap() {
            let mark = ("karpenter.sh/do-not-disrupt".to_owned(), "true".to_owned());
            pod.meta.annotations.extend([mark]);
        }
        for instance in a.instances.value_mut().unwrap() {
            instance.stop_protected = Some(true);
        }
        for volume in a.volumes.value_mut().unwrap() {
            volume
                .tags
                .insert("cloudoptim/protect".to_owned(), "true".to_owned());
        }
    });
    let report = host.report();
    let refused = report.steps.iter().filter(|(_, r)| {
        matches!(
            r,
            StepResult::Refused {
                refusal: Refusal::Protected { .. }
            }
        )
    });
    assert_eq!(refused.count(), 3, "{report:#?}");
    assert!(
        host.memory
            .acts()
            .iter()
            .all(|a| !a.action.is_destructive())
    );
}

#[test]
fn a_plan_over_a_cap_is_not_begun() {
    let mut host = Host::new();
    host.limits = Limits::default().with_cap(
        Kind::Patches,
        Cap {
            per_run: 2,
            per_hour: 10,
            per_day: 10,
        },
    );
    let report = host.report();
    assert!(
        matches!(
            &report.end,
            End::Aborted {
                because: Refusal::OverCap {
                    would_be: 3,
                    limit: 2,
                    ..
                }
            }
        ),
        "{report:#?}"
    );
    assert_eq!(host.memory.acts(), []);
}

#[test]
fn an_hour_is_counted_over_all_plans_of_the_journal() {
    let mut host = Host::new();
    host.report();
    // The same world again, and another plan of it, with the same journal.
    let again = Host::new();
    host.memory = again.memory.clone();
    host.limits = Limits::default().with_cap(
        Kind::Volumes,
        Cap {
            per_run: 1,
            per_hour: 1,
            per_day: 1,
        },
    );
    host.plan.made_at += TimeDelta::minutes(1);
    host.plan.fingerprint = host.plan.computed_fingerprint();
    host.memory = InMemory::new(world(), host.clock.clone());
    let report = host.report();
    assert!(
        matches!(
            &report.end,
            End::Aborted {
                because: Refusal::OverCap {
                    kind: Kind::Volumes,
                    ..
                }
            }
        ),
        "{report:#?}"
    );
    let deleted = host.memory.acts().into_iter();
    assert!(
        !deleted
            .map(|a| a.action)
            .any(|a| matches!(a, Action::DeleteVolume { .. }))
    );
}

fn destructive(host: &Host) -> BTreeSet<String> {
    let acts = host.memory.acts().into_iter().map(|a| a.action);
    acts.filter(|a| a.is_destructive() || matches!(a, Action::StopInstance { .. }))
        .map(|a| a.to_string())
        .collect()
}

pub(crate) fn demote(world: &mut Snapshot, part: Part, unknown: bool) {
    macro_rules! demote {
        ($($owner:expr => $field:ident: $kind:ident),* $(,)?) => {
            match part {
                $(Part::$kind => {
                    let old = std::mem::take(&mut $owner.$field);
                    let why = Gap::OutOfScope { what: "a page".to_owned() };
                    $owner.$field = if unknown { Knowledge::unknown(why) } else { old.demoted(why) };
                })*
                _ => {}
            }
        };
    }
    demote!(
        world.clouds[0] => instances: Instances,
        world.clouds[0] => volumes: Volumes,
        world.clouds[0] => ebs_snapshots: EbsSnapshots,
        world.clusters[0] => nodes: Nodes,
        world.clusters[0] => pods: Pods,
        world.clusters[0] => workloads: Workloads,
        world.clusters[0] => services: Services,
        world.clusters[0] => disruption_budgets: DisruptionBudgets,
        world.clusters[0] => persistent_volumes: PersistentVolumes,
        world.clusters[0] => claims: Claims,
        world.clusters[0] => storage_classes: StorageClasses,
        world.clusters[0] => csi_nodes: CsiNodes,
        world.clusters[0] => volume_attachments: VolumeAttachments,
        world.clusters[0] => namespaces: Namespaces,
    );
}

#[test]
fn less_knowledge_never_means_more_destruction() {
    let host = Host::new();
    host.report();
    let all = destructive(&host);
    assert_eq!(all.len(), 3, "{all:?}");
    for part in Part::all() {
        for unknown in [false, true] {
            let host = Host::new();
            host.memory.change(|world| demote(world, part, unknown));
            let _ = host.report();
            let some = destructive(&host);
            assert!(some.is_subset(&all), "{part}: {some:?}");
            match part {
                Part::Nodes => assert_eq!(some.len(), 0, "{part}: {some:?}"),
                Part::Instances | Part::Volumes | Part::Pods => {
                    assert!(some.len() < all.len(), "{part}: {some:?}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn an_empty_list_of_nodes_makes_no_ghost() {
    let host = Host::new();
    host.memory
        .change(|world| world.clusters[0].nodes.value_mut().unwrap().clear());
    let report = host.report();
    assert_eq!(destructive(&host), BTreeSet::new());
    assert!(report.steps.iter().any(|(_, r)| matches!(
        r,
        StepResult::Refused {
            refusal: Refusal::Empty { .. }
        }
    )));
}

/// Nodes that all run elsewhere say nothing about instances here.
#[test]
fn nodes_of_another_world_make_no_ghost() {
    for id in [
        "gce://project/zone/vm-1",
        "aws:///us-east-1a/i-of-another-account",
    ] {
        let host = Host::new();
        host.memory.change(|world| {
            let nodes = world.clusters[0].nodes.value_mut().unwrap();
            nodes
                .iter_mut()
                .for_each(|n| n.provider_id = Some(id.to_owned()));
        });
        host.report();
        let acts = host.memory.acts();
        let stops = |act: &Act| matches!(act.action, Action::StopInstance { .. });
        assert!(!acts.iter().any(stops), "{id}");
    }
}
