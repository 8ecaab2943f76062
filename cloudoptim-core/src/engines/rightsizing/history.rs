//! Whether what was seen of a container is enough to go by.

use super::config::Config;
use super::reason::Reason;
use crate::engines::office_hours::{Desired, Schedule};
use crate::model::{ContainerUsage, UsageGap, UsageStats};
use chrono::{DateTime, TimeDelta, Utc};

/// A usage series may end this long before the snapshot.
const MAX_USAGE_AGE_HOURS: i64 = 24;
/// Pods end and start, and their series with them, within this long of the
/// moment that a schedule names.
const EDGE_MINUTES: i64 = 60;

/// What is known of a workload's own sleep.
pub(super) struct Sleep<'s> {
    /// Its schedule.
    pub(super) schedule: Option<&'s Schedule>,
    /// When it was last put to sleep.
    pub(super) since: Option<DateTime<Utc>>,
}

impl Sleep<'_> {
    /// Whether it slept all the time of a hole.
    fn explains(&self, gap: &UsageGap, step_seconds: u32) -> bool {
        let edge =
            TimeDelta::minutes(EDGE_MINUTES).max(TimeDelta::seconds(i64::from(step_seconds)));
        // A time beyond the calendar explains nothing.
        let times = (
            gap.from.checked_sub_signed(edge),
            gap.from.checked_add_signed(edge),
            gap.until.checked_sub_signed(edge),
        );
        let (Some(before), Some(after), Some(until)) = times else {
            return false;
        };
        let by_schedule = self.schedule.is_some_and(|schedule| {
            schedule.desired(after) == Desired::Asleep
                && schedule
                    .next_change(after)
                    .is_none_or(|wakes| wakes >= until)
        });
        // The row does not say until when it slept: the first value does.
        let by_ledger = self
            .since
            .is_some_and(|since| before <= since && since <= after);
        by_schedule || by_ledger
    }
}

/// The holes that are left when the sleep is taken out.
struct Holes {
    missing: u64,
    longest_seconds: u64,
    /// Holes that the sleep explains.
    slept: u64,
    longest_sleep_seconds: u64,
}

impl Holes {
    fn of(stats: &UsageStats, sleep: &Sleep<'_>) -> Self {
        let mut holes = Self {
            missing: stats.missing,
            longest_seconds: stats.longest_gap_seconds,
            slept: 0,
            longest_sleep_seconds: 0,
        };
        let mut longest_left = 0;
        for gap in &stats.gaps {
            let seconds = u64::try_from((gap.until - gap.from).num_seconds()).unwrap_or(0);
            if sleep.explains(gap, stats.step_seconds) {
                holes.slept += 1;
                holes.missing = holes.missing.saturating_sub(gap.missing);
                holes.longest_sleep_seconds = holes.longest_sleep_seconds.max(seconds);
            } else {
                longest_left = longest_left.max(seconds);
            }
        }
        // A longer hole than any that is kept one by one stays what it is.
        if holes.longest_seconds <= holes.longest_sleep_seconds {
            holes.longest_seconds = longest_left;
        }
        holes
    }
}

/// Whether a history is long and dense enough. Holes in which the workload
/// slept are none, and are told.
pub(super) fn enough(
    config: &Config,
    now: DateTime<Utc>,
    usage: &ContainerUsage,
    stats: &UsageStats,
    runs: bool,
    sleep: &Sleep<'_>,
) -> Result<Option<Reason>, Vec<Reason>> {
    let (Some(first), Some(last)) = (stats.first_at, stats.last_at) else {
        return Err(vec![Reason::TooFewSamples {
            samples: 0,
            needed: config.min_samples,
        }]);
    };
    let hours = |span: chrono::TimeDelta| u64::try_from(span.num_hours()).unwrap_or(0);
    // The last sample stands for the step that begins with it.
    let span = last - first + chrono::TimeDelta::seconds(i64::from(stats.step_seconds));
    if span < config.min_history() {
        return Err(vec![Reason::TooLittleHistory {
            hours: hours(span),
            needed: hours(config.min_history()),
        }]);
    }
    if now - last > chrono::TimeDelta::hours(MAX_USAGE_AGE_HOURS) && !runs {
        return Err(vec![Reason::StaleUsage { last_at: last }]);
    }
    if runs {
        let seen = u64::try_from(usage.pods.len()).unwrap_or(0);
        let needed = u64::from(config.min_runs);
        return if seen < needed {
            Err(vec![Reason::TooFewRuns { runs: seen, needed }])
        } else {
            Ok(None)
        };
    }
    if stats.samples < config.min_samples {
        return Err(vec![Reason::TooFewSamples {
            samples: stats.samples,
            needed: config.min_samples,
        }]);
    }
    let holes = Holes::of(stats, sleep);
    let all = u128::from(stats.samples) + u128::from(holes.missing);
    let too_many = u128::from(holes.missing) * 100 > all * u128::from(config.max_missing_percent);
    if too_many || holes.longest_seconds > u64::from(config.max_gap_hours) * 3600 {
        return Err(vec![Reason::Holes {
            missing: holes.missing,
            samples: stats.samples,
            longest_gap_seconds: holes.longest_seconds,
        }]);
    }
    Ok((holes.slept > 0).then_some(Reason::AsleepMeanwhile {
        gaps: holes.slept,
        longest_gap_seconds: holes.longest_sleep_seconds,
    }))
}
