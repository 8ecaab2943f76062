//! What the three engines that look for waste find in the sample cluster, on a
//! first run and with ledgers (see `examples/data/shop/README.md`).

use crate::fixtures::at;
use cloudoptim_core::catalog::Catalog;
use cloudoptim_core::decision::{Decision, Subject};
use cloudoptim_core::engines::{EngineOutput, Inputs, ghost_probe, office_hours, zombie_volumes};
use cloudoptim_core::input::{InputOptions, Loader};
use cloudoptim_core::ledger::{Ledgers, Observed};
use cloudoptim_core::model::{InstanceId, MicroUsdPerMonth, Snapshot, VolumeId};
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn shop() -> Snapshot {
    let mut options = InputOptions::default();
    options.taken_at = Some(at("2026-11-22T02:30Z"));
    options.complete = true;
    let mut loader = Loader::new(options);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/shop");
    for folder in ["aws", "k8s"] {
        let mut files: Vec<_> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            loader.add(&name, &std::fs::read(&file).unwrap());
        }
    }
    loader.finish().unwrap().snapshot
}

fn run(
    snapshot: &Snapshot,
    ledgers: &Ledgers,
    decide: impl Fn(&Inputs<'_>) -> EngineOutput,
) -> EngineOutput {
    decide(&Inputs {
        snapshot,
        overlay: &Overlay::default(),
        catalog: &Catalog::embedded().unwrap(),
        policy: &Policy::default(),
        ledgers,
        deadline: None,
    })
}

/// `id first-reason` of each decision that `pick` takes.
fn list(output: &EngineOutput, pick: impl Fn(&Decision) -> bool) -> Vec<String> {
    let taken = output.decisions.iter().filter(|d| pick(d));
    taken
        .map(|d| {
            let what = match &d.subject {
                Subject::Instance { instance, .. } => instance.to_string(),
                Subject::Volume { volume, .. } => volume.to_string(),
                Subject::Workload { workload, .. } => workload.to_string(),
                other => other.to_string(),
            };
            format!("{what} {}", d.reasons[0].code().1)
        })
        .collect()
}

fn first(decision: &Decision) -> String {
    decision.reasons[0].code().1
}

/// Seen at every hour of the last ten days.
fn ten_days() -> Observed {
    Observed {
        first_at: at("2026-11-12T02:00Z"),
        last_at: at("2026-11-22T01:30Z"),
        count: 240,
        longest_gap_seconds: 3600,
    }
}

#[test]
fn the_two_ghosts_of_the_shop_are_shown_first_and_acted_on_after_a_day() {
    let snapshot = shop();
    let ask = |ledgers: &Ledgers| {
        run(&snapshot, ledgers, |i| {
            ghost_probe::decide(&ghost_probe::Config::default(), i).unwrap()
        })
    };
    let output = ask(&Ledgers::default());
    assert!(output.decisions.iter().all(Decision::is_keep));
    let mut others = list(&output, |d| {
        matches!(d.subject, Subject::Instance { .. }) && first(d) != "has_node"
    });
    others.sort();
    assert_eq!(
        others,
        [
            "i-000bf5f0839ced01c young",
            "i-01d2815feda423ed3 group_lifecycle",
            "i-0471718d2ff28e85f stopped",
            "i-07a4ebf830857f4dc ending",
            "i-0a91fdd949608509a not_ours",
            "i-0d23b9e693eff111c never_observed",
            "i-0d6a74dbe3e572e0f never_observed",
            "i-0f7c630a48c5cb75b foreign_cluster",
        ]
    );
    let stake: MicroUsdPerMonth = output
        .decisions
        .iter()
        .filter_map(|d| d.at_stake_per_month)
        .sum();
    // m6i.2xlarge at $0.384 and c6i.2xlarge at $0.34 an hour.
    assert_eq!(stake, MicroUsdPerMonth((384_000 + 340_000) * 730));

    let seen = ["i-0d6a74dbe3e572e0f", "i-0d23b9e693eff111c"];
    let rows = seen.map(|id| (InstanceId::from(id), ten_days()));
    let output = ask(&Ledgers {
        instances_without_node: Some(BTreeMap::from(rows)),
        ..Default::default()
    });
    for decision in output.decisions.iter().filter(|d| first(d) == "absent_for") {
        // Whatever is still missing is named; nothing irreversible is due yet.
        assert!(!decision.is_destructive());
        assert!(!decision.is_keep() || !decision.missing_evidence.is_empty());
    }
}

#[test]
fn of_ten_free_volumes_of_the_shop_four_are_suspects() {
    let snapshot = shop();
    let ask = |ledgers: &Ledgers| {
        run(&snapshot, ledgers, |i| {
            zombie_volumes::decide(&zombie_volumes::Config::default(), i).unwrap()
        })
    };
    let attached = |d: &Decision| first(d).starts_with("attached");
    let output = ask(&Ledgers::default());
    assert!(output.decisions.iter().all(Decision::is_keep));
    assert_eq!(output.decisions.len(), 79);
    let free = list(&output, |d| !attached(d));
    assert_eq!(
        free,
        [
            "vol-0231a8f66df0b6bcc released_retained",
            "vol-02d7942b5f1864c54 never_observed",
            "vol-0317b7f36a6103b81 protected_by_tag",
            "vol-05e016f454cb858e8 never_observed",
            "vol-0c31a2506db243a17 backup",
            "vol-0c92240eb72f493b5 never_observed",
            "vol-0d0896384ad0c7fd4 never_observed",
            "vol-0d66e0a562c40b580 stateful_set_claim",
            "vol-0ed2a3380cb1b4519 foreign_cluster",
            "vol-0f30f3f6b8839cdbf stateful_set_claim",
        ]
    );
    let volumes = output.decisions.iter().filter_map(|d| match &d.subject {
        Subject::Volume { volume, .. } => Some((VolumeId::clone(volume), ten_days())),
        _ => None,
    });
    let output = ask(&Ledgers {
        volumes_unattached: Some(volumes.collect()),
        asleep: Some(vec![]),
        ..Default::default()
    });
    // Four deletions are more than 5 % of 79: none is done, and it says so.
    assert_eq!(list(&output, |d| first(d) == "cap_exceeded").len(), 4);
    assert!(output.decisions.iter().all(Decision::is_keep));
}

#[test]
fn dev_and_staging_of_the_shop_are_candidates_and_nothing_else_is() {
    let snapshot = shop();
    let output = run(&snapshot, &Ledgers::default(), |i| {
        office_hours::decide(&office_hours::Config::default(), i).unwrap()
    });
    let candidates = list(&output, |d| first(d) == "candidate");
    assert_eq!(
        candidates,
        [
            "dev/Namespace/dev candidate",
            "staging/Namespace/staging candidate"
        ]
    );
    assert!(output.decisions.iter().all(Decision::is_keep));
    for d in output.decisions.iter().filter(|d| first(d) == "candidate") {
        assert!(d.at_stake_per_month > Some(MicroUsdPerMonth::ZERO), "{d:?}");
    }
}
