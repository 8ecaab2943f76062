//! A cluster whose store was restored from an older copy.

use super::small::{Anywhere, Small, drained, planned};
use super::*;
use cloudoptim_core::guard::Refusal;
use cloudoptim_core::journal::{End, InMemoryJournal};

async fn run(hands: &Hands, plan: &Plan, journal: &dyn Journal) -> Report {
    let limits = limits().with_patience(3, 1, 2);
    let care = Care {
        placement: &Anywhere,
        ..Care::of(&limits)
    };
    let client = Arc::new(hands.act_client(plan).await);
    hands.run(client, plan, plan, journal, care).await.unwrap()
}

/// Nothing that was done since the copy is in it, so nothing that the journal
/// knows holds: it lets nobody act. Whoever has looked begins a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a21_a_cluster_that_was_restored_from_an_older_copy_is_left_alone() {
    let Some(small) = Small::start().await else {
        return;
    };
    small.node("one", 1).await;
    small.node("two", 1).await;
    let copy = small.plane.backup().await.unwrap();
    let hands = small.hands().await.silent();
    let snapshot = hands.snapshot().await;
    let first = planned(&snapshot, vec![drained(&snapshot, "one")]);
    let journal = InMemoryJournal::default();
    let report = run(&hands, &first, &journal).await;
    assert_eq!((&report.end, report.done()), (&End::Done, 2), "{report:#?}");

    small.plane.restore(&copy).await.unwrap();
    let one = small.get("/api/v1/nodes/one").await;
    assert_ne!(one["spec"]["unschedulable"], true, "the copy is older");
    let hands = small.hands().await.silent();
    let snapshot = hands.snapshot().await;
    let second = planned(&snapshot, vec![drained(&snapshot, "two")]);
    let report = run(&hands, &second, &journal).await;
    let End::Aborted {
        because: Refusal::WentBack { known, found, .. },
    } = &report.end
    else {
        panic!("{report:#?}");
    };
    assert!(found.is_some_and(|found| found < *known), "{report:#?}");
    assert_eq!(small.changes_of(&second), []);

    let report = run(&hands, &second, &InMemoryJournal::default()).await;
    assert_eq!((&report.end, report.done()), (&End::Done, 2), "{report:#?}");
}
