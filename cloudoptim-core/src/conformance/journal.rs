//! Checks of journals.

use crate::decision::Action;
use crate::guard::{Approval, Charge, Refusal};
use crate::journal::{End, Entry, Journal, JournalError, Outcome};
use crate::plan::{Fingerprint, StepId};
use crate::providers::{Baseline, ClusterBaseline};
use crate::version::Version;
use chrono::{DateTime, TimeDelta};

/// Entries of every kind, with what is hard to write down: line feeds, zeros,
/// quotes, letters of other scripts, much text.
pub fn sample_entries() -> Vec<Entry> {
    let version = Version::KNOWN;
    let at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let fingerprint = Fingerprint("f00d".to_owned());
    let step = StepId("step\n1".to_owned());
    let action = Action::CordonNode {
        cluster: "c1".into(),
        node: "n\"1\\".into(),
    };
    let mut entries = vec![
        Entry::Begun {
            version,
            at,
            approval: Approval {
                version: Version::KNOWN,
                fingerprint: fingerprint.clone(),
                by: "Ĵo \u{1F9D1} \u{0} \r\n \u{2028}".to_owned(),
                at,
                until: at + TimeDelta::nanoseconds(1),
            },
        },
        Entry::Before {
            version,
            at,
            fingerprint: fingerprint.clone(),
            baseline: Box::new(Baseline {
                clusters: [(
                    "c1".into(),
                    ClusterBaseline {
                        waiting: ["u\"1".into()].into(),
                        ready: [("shop/Deployment/web".to_owned(), u32::MAX)].into(),
                    },
                )]
                .into(),
            }),
        },
        Entry::Started {
            version,
            at: at + TimeDelta::milliseconds(7),
            fingerprint: fingerprint.clone(),
            step: step.clone(),
            key: "k".repeat(4_096),
            undo: Box::new(action.undo()),
            charge: Charge::of(&Action::DrainNode {
                cluster: "c1".into(),
                node: "n1".into(),
                moves: Vec::new(),
            }),
            action: Box::new(action),
            revisions: [("c1".into(), u64::MAX)].into(),
        },
    ];
    let error = "\"}\n{\"".to_owned();
    let outcomes = [
        Outcome::Applied,
        Outcome::FoundApplied,
        Outcome::AlreadyGone,
        Outcome::Stale {
            error: error.clone(),
        },
        Outcome::Failed {
            error: String::new(),
        },
        Outcome::Unclear { what: error },
    ];
    entries.extend(outcomes.map(|outcome| Entry::Finished {
        version,
        at,
        fingerprint: fingerprint.clone(),
        step: step.clone(),
        outcome,
        revisions: [("c\n1".into(), 0)].into(),
    }));
    entries.push(Entry::Refused {
        version,
        at,
        fingerprint: fingerprint.clone(),
        step,
        refusal: Refusal::Killed,
    });
    let ends = [
        End::Done,
        End::Aborted {
            because: Refusal::PlanExpired { at },
        },
        End::NeedsHuman {
            why: "\t".to_owned(),
        },
    ];
    entries.extend(ends.map(|end| Entry::Ended {
        version,
        at,
        fingerprint: fingerprint.clone(),
        end,
    }));
    entries
}

fn good<T>(what: &str, result: Result<T, JournalError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

/// Entries come back as they were given, in order, each as soon as `append` has
/// returned, those that are equal too.
///
/// # Panics
/// When that is not so, or the journal is not empty.
pub async fn keeps_entries_in_order(journal: &impl Journal) {
    let mut expected = Vec::new();
    assert_eq!(good("read", journal.entries().await), expected);
    let id = good("name", journal.id().await);
    assert!(!id.is_empty(), "a journal has a name");
    let samples = sample_entries();
    for entry in samples.iter().chain(&samples) {
        good("append", journal.append(entry).await);
        expected.push(entry.clone());
        let found = good("read", journal.entries().await);
        assert!(
            found == expected,
            "after {} entries {} are there, or others",
            expected.len(),
            found.len()
        );
    }
}

/// What was appended before is there when the journal is opened again, and what
/// is appended then comes after it. `open` opens the same journal, which is
/// empty at first; the one before has been dropped.
///
/// # Panics
/// When that is not so.
pub async fn outlives_its_process<J: Journal>(mut open: impl FnMut() -> Result<J, JournalError>) {
    let mut expected = Vec::new();
    let mut id = None;
    for entry in sample_entries() {
        let journal = good("open", open());
        let name = good("name", journal.id().await);
        assert_eq!(*id.get_or_insert(name.clone()), name, "another name");
        let found = good("read", journal.entries().await);
        assert!(found == expected, "of {} entries", expected.len());
        good("append", journal.append(&entry).await);
        expected.push(entry);
    }
    let journal = good("open", open());
    assert!(good("read", journal.entries().await) == expected);
}

/// While one has the journal open, nobody else gets it, and the one that has it
/// does not notice.
///
/// # Panics
/// When that is not so.
pub async fn has_one_writer<J: Journal>(mut open: impl FnMut() -> Result<J, JournalError>) {
    let first = good("open", open());
    let before = good("read", first.entries().await).len();
    let second = open().map(drop);
    assert!(
        matches!(second, Err(JournalError::InUse(_))),
        "a second one: {second:?}"
    );
    for entry in sample_entries().iter().take(1) {
        good("append", first.append(entry).await);
    }
    assert_eq!(good("read", first.entries().await).len(), before + 1);
    drop(first);
    let later = good("open again", open());
    assert_eq!(good("read", later.entries().await).len(), before + 1);
}
