//! Whether a search has to end before its work is done.

use crate::providers::Deadline;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A deadline as one search sees it, or as a part of the search does that has a share
/// of the time. It is asked wherever work is measured; copies know what one of them
/// has been told.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Option<Arc<Watched>>);

#[derive(Debug)]
struct Watched {
    deadline: Deadline,
    passed: AtomicBool,
    /// Whether some part of the search has been told to end.
    told: Arc<AtomicBool>,
}

impl Stop {
    pub(super) fn at(deadline: Option<&Deadline>) -> Self {
        let watched = |deadline: &Deadline| Watched {
            deadline: deadline.clone(),
            passed: AtomicBool::new(false),
            told: Arc::default(),
        };
        Self(deadline.map(|deadline| Arc::new(watched(deadline))))
    }

    /// For what may take one of so many equal parts of the time that is left.
    pub(super) fn share(&self, parts: usize) -> Self {
        let parts = i32::try_from(parts).unwrap_or(i32::MAX);
        let watched = |whole: &Arc<Watched>| Watched {
            deadline: whole.deadline.share(1, parts),
            passed: AtomicBool::new(whole.passed.load(Ordering::Relaxed)),
            told: whole.told.clone(),
        };
        Self(self.0.as_ref().map(|whole| Arc::new(watched(whole))))
    }

    /// Whether there is a deadline.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the time is up. What asks ends then.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.0.as_ref().is_some_and(|watched| watched.look())
    }

    /// Whether something has been told to end.
    pub(super) fn was_due(&self) -> bool {
        let told = |watched: &Arc<Watched>| watched.told.load(Ordering::Relaxed);
        self.0.as_ref().is_some_and(told)
    }
}

impl Watched {
    fn look(&self) -> bool {
        let before = self.passed.load(Ordering::Relaxed);
        let passed = before || self.deadline.has_passed();
        if passed && !before {
            self.passed.store(true, Ordering::Relaxed);
            self.told.store(true, Ordering::Relaxed);
        }
        passed
    }
}
