//! When a workload sleeps by its wishes, over a span of time.

use super::config::Config;
use super::schedule::{Desired, Schedule};
use super::wish;
use crate::model::{ObjectMeta, Workload};
use chrono::{DateTime, Utc};

/// Most changes that are followed: two a day for more than a year.
const MAX_CHANGES: usize = 1000;

/// From when until when.
pub(in crate::engines) type Span = (DateTime<Utc>, DateTime<Utc>);

/// A workload that is opted in and may sleep.
pub(in crate::engines) struct Sleeper<'a> {
    pub(super) config: &'a Config,
    pub(super) workload: &'a Workload,
    pub(super) namespace: Option<&'a ObjectMeta>,
    pub(super) schedule: Schedule,
}

impl Sleeper<'_> {
    /// Its sleeps between two moments, cut off at both, by the schedule and by
    /// every exception that holds. An annotation does not say since when: it
    /// holds for all the time before. `None` with too many to follow.
    pub(in crate::engines) fn sleeps(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Option<Vec<Span>> {
        let mut sleeps: Vec<Span> = Vec::new();
        let mut at = from;
        for _ in 0..MAX_CHANGES {
            if at >= until {
                return Some(sleeps);
            }
            let state = wish::at(
                self.config,
                &self.schedule,
                self.workload,
                self.namespace,
                at,
            );
            let begins = self.config.overrides.iter().filter_map(|o| o.from);
            let changes = begins.chain(state.until).filter(|change| *change > at);
            let next = changes.min().map_or(until, |change| change.min(until));
            if state.desired == Desired::Asleep {
                match sleeps.last_mut() {
                    Some((_, end)) if *end == at => *end = next,
                    _ => sleeps.push((at, next)),
                }
            }
            at = next;
        }
        None
    }
}
