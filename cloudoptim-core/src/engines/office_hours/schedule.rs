//! Weekly windows in an IANA zone, as a pure function of the moment.
//!
//! [`Schedule::desired`] looks at nothing but `now`: whoever missed a thousand
//! calls gets the same answer as whoever made them, so a skipped tick cannot
//! leave anything asleep (kube-green#246), and no exact hour has to be hit
//! (Cloud Custodian). Windows are intervals with a start and an end of their
//! own, never "the next end comes before the next start" (keda#4677).
//!
//! # Where the clock is set forward or back
//!
//! A window is read on the wall clock and turned into instants:
//!
//! - An edge that the clock skips happens at the first instant after the gap.
//! - A start that comes twice happens the first time, an end that comes twice
//!   the second time: being awake wins, and nothing toggles twice.
//! - A window that lies in a gap whole (or on a day that a zone skips) is empty.
//!
//! The rules come from the bundled zone data ([`tz_version`]), so two machines
//! agree.

use chrono::{
    DateTime, Datelike, Days, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const DAY: u32 = 1440;
const WEEK: u32 = 7 * DAY;
const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The version of the zone data that schedules are read by.
pub const fn tz_version() -> &'static str {
    chrono_tz::IANA_TZDB_VERSION
}

/// What a schedule wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// To run.
    Awake,
    /// To be scaled down.
    Asleep,
}

impl fmt::Display for Desired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Awake => "awake",
            Self::Asleep => "asleep",
        })
    }
}

/// Why a schedule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The zone is not in the IANA list.
    #[error("unknown time zone {0:?}")]
    UnknownZone(String),
    /// A part is not what it should be.
    #[error("expected {expected}, got {got:?}")]
    Syntax {
        /// What should be there.
        expected: &'static str,
        /// What is there.
        got: String,
    },
    /// A window that starts where it ends could mean nothing or a whole day.
    #[error("window {0:?} starts where it ends; write 00:00-24:00 for a whole day")]
    EmptyOrWhole(String),
}

/// A stretch of every week, in minutes of the wall clock since Monday 00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Window {
    /// Less than a week.
    start: u32,
    /// Minutes from start to end: at least 1, at most a week.
    length: u32,
}

/// Weekly windows in which workloads are awake.
///
/// One line: windows, separated by `;`, then the zone. A window is days and
/// hours (`Mon-Fri 09:00-18:00`, `Mon,Wed 20:00-02:00`, `daily 08:00-24:00`) or
/// a stretch over days (`Mon 06:00-Fri 20:00`). The start belongs to the
/// window, the end does not; an end before the start is on the next day. Days
/// may wrap (`Sun-Thu`). Windows unite.
///
/// ```
/// use cloudoptim_core::engines::office_hours::{Desired, Schedule};
///
/// let schedule: Schedule = "Mon-Fri 09:00-18:00 Europe/Berlin".parse()?;
/// let monday_nine = "2026-03-30T07:00:00Z".parse()?; // summer time since Sunday
/// assert_eq!(schedule.desired(monday_nine), Desired::Awake);
/// assert_eq!(schedule.asleep_fraction_milli(), 732);
/// assert_eq!(schedule.to_string(), "Mon-Fri 09:00-18:00 Europe/Berlin");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// As JSON it is that line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String", extend("format" = "weekly-windows")))]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    text: String,
    zone: Tz,
    windows: Vec<Window>,
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.text
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let syntax = |expected, got: &str| ScheduleError::Syntax {
            expected,
            got: got.to_owned(),
        };
        let (lines, zone) = text
            .rsplit_once(' ')
            .ok_or_else(|| syntax("windows and a time zone", &text))?;
        let zone: Tz = zone
            .parse()
            .map_err(|_| ScheduleError::UnknownZone(zone.to_owned()))?;
        let mut windows = Vec::new();
        for line in lines.split(';').map(str::trim) {
            read_windows(line, &mut windows)?;
        }
        windows.sort_unstable();
        windows.dedup();
        Ok(Self {
            text: text.clone(),
            zone,
            windows,
        })
    }
}

fn read_windows(line: &str, windows: &mut Vec<Window>) -> Result<(), ScheduleError> {
    let syntax = |expected| ScheduleError::Syntax {
        expected,
        got: line.to_owned(),
    };
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        [days, hours] => {
            let (start, end) = hours
                .split_once('-')
                .ok_or_else(|| syntax("hours such as 09:00-18:00"))?;
            let (start, end) = (minute(start, false)?, minute(end, true)?);
            if start == end {
                return Err(ScheduleError::EmptyOrWhole(line.to_owned()));
            }
            let length = if end > start {
                end - start
            } else {
                end + DAY - start
            };
            for day in read_days(days)? {
                let start = day * DAY + start;
                windows.push(Window { start, length });
            }
            Ok(())
        }
        // `Mon 06:00-Fri 20:00`
        [from, middle, end] => {
            let (start, to) = middle
                .split_once('-')
                .ok_or_else(|| syntax("a stretch such as Mon 06:00-Fri 20:00"))?;
            let start = day(from)? * DAY + minute(start, false)?;
            let end = day(to)? * DAY + minute(end, true)?;
            let length = (end + WEEK - start) % WEEK;
            if length == 0 {
                return Err(ScheduleError::EmptyOrWhole(line.to_owned()));
            }
            windows.push(Window { start, length });
            Ok(())
        }
        _ => Err(syntax("a window such as Mon-Fri 09:00-18:00")),
    }
}

fn read_days(text: &str) -> Result<Vec<u32>, ScheduleError> {
    if text.eq_ignore_ascii_case("daily") || text == "*" {
        return Ok((0..7).collect());
    }
    let mut days = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((from, to)) => {
                let (from, to) = (day(from)?, day(to)?);
                let count = (to + 7 - from) % 7;
                days.extend((0..=count).map(|i| (from + i) % 7));
            }
            None => days.push(day(part)?),
        }
    }
    Ok(days)
}

fn day(text: &str) -> Result<u32, ScheduleError> {
    (0u32..)
        .zip(NAMES)
        .find(|(_, name)| name.eq_ignore_ascii_case(text))
        .map(|(index, _)| index)
        .ok_or_else(|| ScheduleError::Syntax {
            expected: "a day such as Mon",
            got: text.to_owned(),
        })
}

/// Minutes since midnight of `HH:MM`; `24:00` only where a day may end.
fn minute(text: &str, is_end: bool) -> Result<u32, ScheduleError> {
    let error = || ScheduleError::Syntax {
        expected: "a time such as 09:00",
        got: text.to_owned(),
    };
    let (hours, minutes) = text.split_once(':').ok_or_else(error)?;
    let two = |s: &str| {
        (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit()))
            .then(|| s.parse::<u32>().ok())
            .flatten()
    };
    let (h, m) = (
        two(hours).ok_or_else(error)?,
        two(minutes).ok_or_else(error)?,
    );
    match (h, m) {
        (0..=23, 0..=59) => Ok(h * 60 + m),
        (24, 0) if is_end => Ok(DAY),
        _ => Err(error()),
    }
}

impl Schedule {
    /// What is wanted at `now`. Depends on nothing else. A clock that is not set
    /// (before 1970 or after 9999) means awake.
    pub fn desired(&self, now: DateTime<Utc>) -> Desired {
        if !is_set(now) {
            return Desired::Awake;
        }
        let awake = self
            .intervals(now, now)
            .into_iter()
            .any(|(start, end)| start <= now && now < end);
        if awake {
            Desired::Awake
        } else {
            Desired::Asleep
        }
    }

    /// Whether a clock on the wall of the zone shows a time within a window. An
    /// hour that comes twice counts both times, and one that is skipped never.
    /// A clock that is not set (before 1970 or after 9999) is in no window.
    ///
    /// Stricter than [`desired`](Self::desired) at an edge that comes twice,
    /// since here the windows permit and there they keep awake.
    pub fn contains(&self, now: DateTime<Utc>) -> bool {
        if !is_set(now) {
            return false;
        }
        let local = now.with_timezone(&self.zone).naive_local();
        let minute =
            local.weekday().num_days_from_monday() * DAY + local.num_seconds_from_midnight() / 60;
        self.windows
            .iter()
            .any(|w| (minute + WEEK - w.start) % WEEK < w.length)
    }

    /// When what is wanted changes next; `None` when it never does.
    pub fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if !is_set(now) {
            return None;
        }
        let state = self.desired(now);
        // Nine days hold an edge of every weekly window, a skipped day too.
        let horizon = now.checked_add_days(Days::new(9))?;
        let mut edges: Vec<DateTime<Utc>> = self
            .intervals(now, horizon)
            .into_iter()
            .flat_map(|(start, end)| [start, end])
            .filter(|edge| *edge > now)
            .collect();
        edges.sort_unstable();
        edges.into_iter().find(|edge| self.desired(*edge) != state)
    }

    /// The share of a week without clock changes in which it wants sleep, in
    /// thousandths, rounded down: 732 for nine hours on five days.
    pub fn asleep_fraction_milli(&self) -> u32 {
        (WEEK - self.awake_minutes()) * 1000 / WEEK
    }

    /// The zone's name.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    fn awake_minutes(&self) -> u32 {
        // Laid over two weeks, so that what wraps is counted in the second.
        let mut parts: Vec<(u32, u32)> = self
            .windows
            .iter()
            .flat_map(|w| {
                [
                    (w.start, w.start + w.length),
                    (w.start + WEEK, w.start + WEEK + w.length),
                ]
            })
            .map(|(start, end)| (start.max(WEEK), end.min(2 * WEEK)))
            .filter(|(start, end)| start < end)
            .collect();
        parts.sort_unstable();
        let mut reached = WEEK;
        let mut sum = 0;
        for (start, end) in parts {
            sum += end.saturating_sub(start.max(reached));
            reached = reached.max(end);
        }
        sum
    }

    /// Every window as instants that may touch `from` to `to`.
    fn intervals(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let mut all = Vec::new();
        let first = from.with_timezone(&self.zone).date_naive();
        let last = to.with_timezone(&self.zone).date_naive();
        // A window may have begun a week ago, and zones skip whole days.
        let Some(mut date) = first.checked_sub_days(Days::new(8)) else {
            return all;
        };
        let Some(last) = last.checked_add_days(Days::new(1)) else {
            return all;
        };
        while date <= last {
            let today = date.weekday().num_days_from_monday() * DAY;
            for window in self.windows.iter().filter(|w| w.start / DAY * DAY == today) {
                let midnight = date.and_time(chrono::NaiveTime::MIN);
                let minutes = |m: u32| TimeDelta::minutes(i64::from(m));
                let start = midnight.checked_add_signed(minutes(window.start % DAY));
                let end = start.and_then(|s| s.checked_add_signed(minutes(window.length)));
                if let (Some(start), Some(end)) = (start, end) {
                    all.push((first_at(self.zone, start), last_at(self.zone, end)));
                }
            }
            match date.succ_opt() {
                Some(next) => date = next,
                None => break,
            }
        }
        all
    }
}

/// Whether a clock that shows `now` has been set.
fn is_set(now: DateTime<Utc>) -> bool {
    (1970..=9999).contains(&now.year())
}

/// The first instant at which the wall clock shows `local` or later.
fn first_at(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => at.with_timezone(&Utc),
        LocalResult::Ambiguous(a, b) => a.min(b).with_timezone(&Utc),
        LocalResult::None => after_gap(zone, local),
    }
}

/// The last instant at which the wall clock comes to `local`.
fn last_at(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => at.with_timezone(&Utc),
        LocalResult::Ambiguous(a, b) => a.max(b).with_timezone(&Utc),
        LocalResult::None => after_gap(zone, local),
    }
}

/// The end of the gap that `local` lies in.
fn after_gap(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    // No offset is beyond 15 hours, and gaps lie weeks apart from other
    // changes, so within the span the wall clock passes `local` once.
    let base = local.and_utc();
    let (mut before, mut after) = (-15 * 3600, 15 * 3600);
    let at = |seconds: i64| base + TimeDelta::seconds(seconds);
    while after - before > 1 {
        let middle = i64::midpoint(before, after);
        if at(middle).with_timezone(&zone).naive_local() < local {
            before = middle;
        } else {
            after = middle;
        }
    }
    at(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn desired(text: &str, now: &str) -> Desired {
        schedule(text).desired(now.parse().unwrap())
    }

    #[test]
    fn the_start_belongs_to_a_window_and_the_end_does_not() {
        let s = "Mon-Fri 09:00-18:00 UTC";
        assert_eq!(desired(s, "2026-11-23T08:59:59Z"), Desired::Asleep);
        assert_eq!(desired(s, "2026-11-23T09:00:00Z"), Desired::Awake);
        assert_eq!(desired(s, "2026-11-23T17:59:59Z"), Desired::Awake);
        assert_eq!(desired(s, "2026-11-23T18:00:00Z"), Desired::Asleep);
        assert_eq!(desired(s, "2026-11-22T12:00:00Z"), Desired::Asleep);
    }

    #[test]
    fn windows_go_over_midnight_and_over_the_end_of_the_week() {
        let s = "Sun 22:00-06:00 UTC";
        assert_eq!(desired(s, "2026-11-23T05:59:00Z"), Desired::Awake);
        assert_eq!(desired(s, "2026-11-23T06:00:00Z"), Desired::Asleep);
        let weekend_off = "Mon 06:00-Fri 20:00 Europe/Berlin";
        assert_eq!(desired(weekend_off, "2026-11-20T18:59:00Z"), Desired::Awake);
        assert_eq!(
            desired(weekend_off, "2026-11-20T19:00:00Z"),
            Desired::Asleep
        );
        assert_eq!(desired(weekend_off, "2026-11-23T05:00:00Z"), Desired::Awake);
        let over = "Fri 20:00-Mon 06:00 UTC";
        assert_eq!(desired(over, "2026-11-22T12:00:00Z"), Desired::Awake);
        assert_eq!(
            schedule(over).asleep_fraction_milli(),
            (168 - 58) * 1000 / 168
        );
    }

    #[test]
    fn a_leap_day_is_a_day_as_any_other_and_its_week_is_none_the_longer() {
        // 2028-02-29 is a Tuesday, 2024-02-29 was a Thursday.
        let s = "Mon-Fri 09:00-18:00 Europe/Berlin";
        assert_eq!(desired(s, "2028-02-29T07:59:59Z"), Desired::Asleep);
        assert_eq!(desired(s, "2028-02-29T08:00:00Z"), Desired::Awake);
        assert_eq!(desired(s, "2028-02-29T17:00:00Z"), Desired::Asleep);
        let next = |now: &str| schedule(s).next_change(now.parse().unwrap());
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(next("2028-02-28T17:00:00Z"), at("2028-02-29T08:00:00Z"));
        assert_eq!(next("2028-02-29T17:00:00Z"), at("2028-03-01T08:00:00Z"));
        // Over midnight into the leap day, and out of it.
        let nights = "Wed 22:00-06:00; Thu 22:00-06:00 UTC";
        assert_eq!(desired(nights, "2024-02-29T05:59:00Z"), Desired::Awake);
        assert_eq!(desired(nights, "2024-02-29T06:00:00Z"), Desired::Asleep);
        assert_eq!(desired(nights, "2024-03-01T05:59:00Z"), Desired::Awake);
        assert_eq!(desired(nights, "2024-03-01T06:00:00Z"), Desired::Asleep);
    }

    #[test]
    fn a_night_over_a_clock_change_has_an_hour_less_or_more_and_toggles_once() {
        // Berlin, Saturday 22:00 to Sunday 06:00, in March and in October.
        let s = schedule("Sat 22:00-06:00 Europe/Berlin");
        let span = |from: &str| {
            let from: DateTime<Utc> = from.parse().unwrap();
            assert_eq!(s.desired(from - TimeDelta::seconds(1)), Desired::Asleep);
            assert_eq!(s.desired(from), Desired::Awake);
            s.next_change(from).map(|until| (until - from).num_hours())
        };
        assert_eq!(span("2026-03-28T21:00:00Z"), Some(7));
        assert_eq!(span("2026-10-24T20:00:00Z"), Some(9));
        assert_eq!(span("2026-11-21T21:00:00Z"), Some(8));
    }

    #[test]
    fn a_stretch_over_the_end_of_the_week_wraps_with_the_clock_change_in_it() {
        // New York changes on Sunday 2026-03-08 at 02:00 and 2026-11-01 at 02:00.
        let s = schedule("Fri 20:00-Mon 06:00 America/New_York");
        let wrapped = |from: &str| {
            let from: DateTime<Utc> = from.parse().unwrap();
            assert_eq!(s.desired(from), Desired::Awake);
            s.next_change(from).map(|until| (until - from).num_hours())
        };
        assert_eq!(wrapped("2026-03-07T01:00:00Z"), Some(57));
        assert_eq!(wrapped("2026-10-31T00:00:00Z"), Some(59));
    }

    #[test]
    fn what_a_week_holds_is_counted_once() {
        assert_eq!(
            schedule("Mon-Fri 09:00-18:00 UTC").asleep_fraction_milli(),
            732
        );
        assert_eq!(schedule("daily 00:00-24:00 UTC").asleep_fraction_milli(), 0);
        let twice = "Mon 09:00-12:00; Mon 11:00-13:00; Sun 23:00-01:00 UTC";
        assert_eq!(schedule(twice).awake_minutes(), 240 + 120);
    }

    #[test]
    fn keda_4677_different_days_for_start_and_end_do_not_stay_on_all_weekend() {
        // Start on weekdays at 08:00, end on weekdays at 18:00.
        let s = "Mon-Fri 08:00-18:00 Europe/Amsterdam";
        for hour in 0..48 {
            let now = "2026-11-21T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
            assert_eq!(
                schedule(s).desired(now + TimeDelta::hours(hour)),
                Desired::Asleep
            );
        }
    }

    #[test]
    fn kube_green_246_and_custodian_a_missed_tick_changes_nothing() {
        let s = schedule("Mon-Fri 09:00-18:00 Europe/Rome");
        // Nobody asked from Friday on; the answer on Monday at 09:47 is the same.
        let late = "2026-11-23T08:47:00Z".parse().unwrap();
        assert_eq!(s.desired(late), Desired::Awake);
        assert_eq!(
            s.next_change(late),
            Some("2026-11-23T17:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn a_skipped_start_comes_after_the_gap_and_a_doubled_one_comes_once() {
        // Berlin, 2026-03-29: 02:00 to 03:00 is skipped at 01:00Z.
        let s = "Sun 02:30-05:00 Europe/Berlin";
        assert_eq!(desired(s, "2026-03-29T00:59:59Z"), Desired::Asleep);
        assert_eq!(desired(s, "2026-03-29T01:00:00Z"), Desired::Awake);
        // Berlin, 2026-10-25: 02:00 to 03:00 comes twice, from 00:00Z and 01:00Z.
        assert_eq!(desired(s, "2026-10-25T00:30:00Z"), Desired::Awake);
        assert_eq!(desired(s, "2026-10-25T01:15:00Z"), Desired::Awake);
        let ends = "Sun 01:00-02:30 Europe/Berlin";
        assert_eq!(desired(ends, "2026-10-25T00:45:00Z"), Desired::Awake);
        assert_eq!(desired(ends, "2026-10-25T01:29:59Z"), Desired::Awake);
        assert_eq!(desired(ends, "2026-10-25T01:30:00Z"), Desired::Asleep);
        let inside = "Sun 02:10-02:50 Europe/Berlin";
        assert_eq!(desired(inside, "2026-03-29T01:00:00Z"), Desired::Asleep);
    }

    #[test]
    fn midnight_may_be_missing_and_half_hours_may_shift() {
        // Cairo springs forward at midnight: Friday 2026-04-24 begins at 01:00.
        let cairo = "Fri 00:00-08:00 Africa/Cairo";
        assert_eq!(desired(cairo, "2026-04-23T21:59:59Z"), Desired::Asleep);
        assert_eq!(desired(cairo, "2026-04-23T22:00:00Z"), Desired::Awake);
        // Lord Howe shifts by half an hour at 02:00 on 2026-10-04.
        let howe = "Sun 02:15-03:00 Australia/Lord_Howe";
        assert_eq!(desired(howe, "2026-10-03T15:30:00Z"), Desired::Awake);
        assert_eq!(desired(howe, "2026-10-03T15:29:59Z"), Desired::Asleep);
    }

    #[test]
    fn a_schedule_that_cannot_be_read_says_what_is_wrong() {
        let error = |text: &str| text.parse::<Schedule>().unwrap_err().to_string();
        assert_eq!(
            error("Mon-Fri 09:00-18:00 Mars/Base"),
            "unknown time zone \"Mars/Base\""
        );
        assert_eq!(
            error("Mo-Fri 09:00-18:00 UTC"),
            "expected a day such as Mon, got \"Mo\""
        );
        assert_eq!(
            error("Mon 9:00-18:00 UTC"),
            "expected a time such as 09:00, got \"9:00\""
        );
        assert_eq!(
            error("Mon 24:00-08:00 UTC"),
            "expected a time such as 09:00, got \"24:00\""
        );
        assert_eq!(
            error("Mon 09:00-09:00 UTC"),
            "window \"Mon 09:00-09:00\" starts where it ends; write 00:00-24:00 for a whole day"
        );
        assert_eq!(
            error("UTC"),
            "expected windows and a time zone, got \"UTC\""
        );
        assert!(error("Mon-Fri UTC").starts_with("expected a window"));
        assert!("Mon-Fri 09:00-18:00".parse::<Schedule>().is_err());
    }

    #[test]
    fn what_permits_follows_the_clock_on_the_wall() {
        let within = |text: &str, now: &str| schedule(text).contains(now.parse().unwrap());
        let s = "Mon-Fri 09:00-18:00 UTC";
        assert!(!within(s, "2026-11-23T08:59:59Z") && within(s, "2026-11-23T09:00:00Z"));
        assert!(within(s, "2026-11-23T17:59:59Z") && !within(s, "2026-11-23T18:00:00Z"));
        assert!(within("Sun 22:00-06:00 UTC", "2026-11-23T05:59:59Z"));
        assert!(!within("Sun 22:00-06:00 UTC", "2026-11-23T06:00:00Z"));
        // Berlin, 2026-03-29: 02:00 to 03:00 is skipped at 01:00Z.
        let s = "Sun 02:30-05:00 Europe/Berlin";
        assert!(!within(s, "2026-03-29T00:59:59Z") && within(s, "2026-03-29T01:00:00Z"));
        assert!(!within(
            "Sun 02:10-02:50 Europe/Berlin",
            "2026-03-29T01:00:00Z"
        ));
        // Berlin, 2026-10-25: 02:00 to 03:00 comes twice, from 00:00Z and 01:00Z.
        let s = "Sun 01:00-02:30 Europe/Berlin";
        for (now, is) in [
            ("2026-10-24T23:00:00Z", true),
            ("2026-10-25T00:29:59Z", true),
            // The wall shows 02:45, and then 02:00 again.
            ("2026-10-25T00:45:00Z", false),
            ("2026-10-25T01:00:00Z", true),
            ("2026-10-25T01:30:00Z", false),
        ] {
            assert_eq!(within(s, now), is, "{now}");
        }
        for zone in ["Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu"] {
            let all = schedule(&format!("daily 00:00-24:00 {zone}"));
            let mut now: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
            for _ in 0..365 * 48 {
                assert!(all.contains(now), "{zone} {now}");
                now += TimeDelta::minutes(30);
            }
        }
        assert!(!schedule("daily 00:00-24:00 UTC").contains(DateTime::<Utc>::MIN_UTC));
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        let s = schedule("Mon-Fri 09:00-18:00 Asia/Tokyo");
        for now in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let _ = (s.desired(now), s.next_change(now));
        }
    }
}
