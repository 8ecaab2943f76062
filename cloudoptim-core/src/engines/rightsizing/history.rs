//! Whether what was seen of a container is enough to go by.

use super::config::Config;
use super::reason::Reason;
use crate::engines::office_hours::{Sleeper, Span};
use crate::model::{ContainerUsage, UsageGap, UsageStats};
use chrono::{DateTime, TimeDelta, Utc};

/// A usage series may end this long before the snapshot.
const MAX_USAGE_AGE_HOURS: i64 = 24;
/// Pods end and start, and their series with them, within this long of the
/// moment that a schedule names.
const EDGE_MINUTES: i64 = 60;

/// What is known of a workload's own sleep.
pub(super) struct Sleep<'s> {
    /// Its wishes, while it is opted in and may sleep.
    pub(super) wishes: Option<&'s Sleeper<'s>>,
    /// When it was last put to sleep.
    pub(super) since: Option<DateTime<Utc>>,
}

impl Sleep<'_> {
    /// Its sleeps by its wishes. A wish is no proof: they count when all of
    /// them together hold no sample, since who ran in one may have run in all.
    fn unseen(&self, stats: &UsageStats) -> Option<Vec<Span>> {
        let edge = edge(stats);
        let (first, last) = (stats.first_at?, stats.last_at?);
        // Where history cuts a sleep off is no edge of it.
        let around = (
            first.checked_sub_signed(edge)?.checked_sub_signed(edge)?,
            last.checked_add_signed(edge)?.checked_add_signed(edge)?,
        );
        let sleeps = self.wishes?.sleeps(around.0, around.1)?;
        let is_empty = |(from, until): &Span| {
            let inner = from.checked_add_signed(edge);
            let Some((from, until)) = inner.zip(until.checked_sub_signed(edge)) else {
                return false;
            };
            let beside = until <= first || last <= from;
            let in_hole = |gap: &UsageGap| gap.of_all && gap.from <= from && until <= gap.until;
            from >= until || beside || stats.gaps.iter().any(in_hole)
        };
        sleeps.iter().all(is_empty).then_some(sleeps)
    }

    /// Until when it slept from the beginning of a hole on: the row of a sleep
    /// says since when, and the wishes until when.
    fn by_row(&self, gap: &UsageGap, edge: TimeDelta) -> Option<DateTime<Utc>> {
        let before = gap.from.checked_sub_signed(edge)?;
        let after = gap.from.checked_add_signed(edge)?;
        self.since
            .filter(|since| before <= *since && *since <= after)?;
        let sleeps = self.wishes?.sleeps(after, gap.until)?;
        let (begins, ends) = sleeps.first()?;
        (*begins == after).then_some(*ends)
    }
}

/// How far the edges of a hole may be from those of a sleep.
fn edge(stats: &UsageStats) -> TimeDelta {
    TimeDelta::minutes(EDGE_MINUTES).max(TimeDelta::seconds(i64::from(stats.step_seconds)))
}

/// How much of a hole its sleep explains, in seconds.
fn slept(gap: &UsageGap, edge: TimeDelta, sleep: &Sleep<'_>, unseen: &[Span]) -> u64 {
    let inner = gap.from.checked_add_signed(edge);
    // A time beyond the calendar explains nothing.
    let Some((after, before)) = inner.zip(gap.until.checked_sub_signed(edge)) else {
        return 0;
    };
    let within = |(from, until): &Span| *from <= after && before <= *until;
    if unseen.iter().any(within) {
        return gap.seconds();
    }
    match sleep.by_row(gap, edge) {
        Some(woke) if before <= woke => gap.seconds(),
        Some(woke) => u64::try_from((woke - gap.from).num_seconds()).unwrap_or(0),
        None => 0,
    }
}

/// The longest that a hole can be which is not kept one by one.
fn longest_unlisted(stats: &UsageStats) -> u64 {
    if stats.gaps.len() >= UsageGap::MOST {
        return stats.gaps.iter().map(UsageGap::seconds).min().unwrap_or(0);
    }
    let listed = stats.gaps.iter().map(|gap| gap.missing);
    let listed = listed.fold(0, u64::saturating_add);
    match stats.missing.saturating_sub(listed) {
        0 => 0,
        lacks => lacks
            .saturating_add(1)
            .saturating_mul(u64::from(stats.step_seconds))
            .min(u64::from(UsageGap::LEAST_SECONDS)),
    }
}

/// The holes that are left when the sleep is taken out.
struct Holes {
    missing: u64,
    longest_seconds: u64,
    /// Holes that the sleep explains, or a part of them.
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
        if stats.gaps.is_empty() {
            return holes;
        }
        let unseen = sleep.unseen(stats).unwrap_or_default();
        let mut longest_left = longest_unlisted(stats);
        let mut longest_explained = 0;
        for gap in &stats.gaps {
            let seconds = gap.seconds();
            let slept = slept(gap, edge(stats), sleep, &unseen).min(seconds);
            longest_left = longest_left.max(seconds - slept);
            if slept > 0 {
                let missing = u128::from(gap.missing) * u128::from(slept) / u128::from(seconds);
                let missing = u64::try_from(missing).unwrap_or(gap.missing);
                holes.slept += 1;
                holes.missing = holes.missing.saturating_sub(missing);
                holes.longest_sleep_seconds = holes.longest_sleep_seconds.max(slept);
                longest_explained = longest_explained.max(seconds);
            }
        }
        // A longer hole than any that is kept one by one stays what it is.
        if holes.longest_seconds <= longest_explained {
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
