//! What is noted while documents are read.

use super::report::{Broken, LoadReport};
use std::collections::BTreeMap;

/// Most broken objects that a report lists one by one.
const LISTED_BROKEN: usize = 1000;

/// The report, and what the summary of usage will say.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) report: LoadReport,
    /// Series that were left out, by reason.
    pub(super) left_out: BTreeMap<&'static str, u64>,
    /// Some answer failed, was broken or may be partial: the first in words.
    pub(super) usage_gap: Option<(u64, String)>,
    /// Where fields are that nothing reads, when that is asked for.
    pub(super) unread: Option<Vec<Vec<super::broken::Step>>>,
}

impl Log {
    pub(super) fn count(&mut self, kind: &str) {
        add(&mut self.report.kinds, kind);
    }

    pub(super) fn skip(&mut self, kind: &str) {
        add(&mut self.report.skipped, kind);
    }

    pub(super) fn skip_fields(&mut self, kind: &str, n: u64) {
        if n > 0 {
            let all = &mut self.report.skipped_fields;
            let count = all.entry(kind.to_owned()).or_default();
            *count = count.saturating_add(n);
        }
    }

    pub(super) fn leave_out(&mut self, why: &'static str) {
        let count = self.left_out.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn usage_gap(&mut self, why: impl FnOnce() -> String) {
        let gap = self.usage_gap.get_or_insert_with(|| (0, why()));
        gap.0 = gap.0.saturating_add(1);
    }

    pub(super) fn break_off(&mut self, broken: Broken) {
        let report = &mut self.report;
        report.broken_count = report.broken_count.saturating_add(1);
        if report.broken.len() < LISTED_BROKEN {
            report.broken.push(broken);
        }
    }

    pub(super) fn duplicates(&mut self, n: u64) {
        let all = &mut self.report.duplicate_objects;
        *all = all.saturating_add(n);
    }
}

fn add(counts: &mut BTreeMap<String, u64>, key: &str) {
    match counts.get_mut(key) {
        Some(count) => *count = count.saturating_add(1),
        None => {
            counts.insert(key.to_owned(), 1);
        }
    }
}
