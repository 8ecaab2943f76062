//! What a Karpenter node pool says about removing its nodes.

use super::Reason;
use crate::model::{Cluster, DisruptionBudget, NODE_POOL_LABEL, Node, NodePool};
use crate::scheduling::NotTarget;
use crate::scheduling::capacity::not_target;
use crate::scheduling::movability::go_duration;
use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use std::collections::BTreeMap;

/// A window longer than this is taken to hold always.
const LONGEST_WINDOW: TimeDelta = TimeDelta::days(31);

/// The pools of a cluster with their budgets as they hold now.
#[derive(Debug)]
pub(super) struct Pools<'a> {
    by_name: BTreeMap<&'a str, Rules<'a>>,
    /// What the list of pools is, when it is not complete.
    state: Option<String>,
}

#[derive(Debug)]
struct Rules<'a> {
    pool: &'a NodePool,
    nodes: usize,
    /// Nodes that are broken or on their way out.
    out: usize,
    /// Budgets that hold now and leave no node to remove.
    closed: Vec<&'a DisruptionBudget>,
}

impl<'a> Pools<'a> {
    pub(super) fn new(cluster: &'a Cluster, now: DateTime<Utc>) -> Self {
        let pools = cluster.node_pools.items();
        let rules = |pool: &'a NodePool| {
            let of_pool = |node: &&Node| node.meta.label(NODE_POOL_LABEL) == Some(&pool.meta.name);
            let nodes: Vec<&Node> = cluster.nodes.items().iter().filter(of_pool).collect();
            // Nodes that are broken or on their way out are taken off.
            let out = |node: &&&Node| {
                let why = not_target(node, pools);
                why.iter()
                    .any(|w| !matches!(w, NotTarget::Cordoned | NotTarget::StartupTaint { .. }))
            };
            let out = nodes.iter().filter(out).count();
            let closed = pool
                .budgets
                .iter()
                .filter(|b| allowed(b, nodes.len()).is_none_or(|n| n <= out) && holds(b, now))
                .collect();
            let nodes = nodes.len();
            Rules {
                pool,
                nodes,
                out,
                closed,
            }
        };
        Self {
            by_name: pools
                .iter()
                .map(|p| (p.meta.name.as_str(), rules(p)))
                .collect(),
            state: (!cluster.node_pools.is_complete()).then(|| cluster.node_pools.to_string()),
        }
    }

    /// Why the node's pool does not let it go, if it does not.
    ///
    /// Deleting a claim goes past the pool's own checks, so they are made here.
    pub(super) fn forbids(&self, node: &Node, empty: bool) -> Option<Reason> {
        let name = node.meta.label(NODE_POOL_LABEL)?;
        let Some(rules) = self.by_name.get(name) else {
            return self.state.as_ref().map(|state| Reason::PartMissing {
                part: "node pools".to_owned(),
                state: state.clone(),
            });
        };
        let forbids = |setting: String| {
            Some(Reason::PoolForbids {
                pool: name.to_owned(),
                setting,
            })
        };
        if rules.pool.consolidate_after.as_deref() == Some("Never") {
            return forbids("consolidateAfter: Never".to_owned());
        }
        if rules.pool.consolidation_policy.as_deref() == Some("WhenEmpty") && !empty {
            return forbids("consolidationPolicy: WhenEmpty".to_owned());
        }
        let mut closed = rules.closed.iter();
        let budget = closed.find(|b| is_about(b, empty))?;
        forbids(setting(budget))
    }

    /// How many nodes of the node's pool may be on their way out at once at
    /// any time from `from` to `to`, and by which setting, once `gone` of them
    /// are gone. `None` without a limit.
    pub(super) fn at_once(
        &self,
        node: &Node,
        empty: bool,
        gone: usize,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
    ) -> Option<(usize, String)> {
        let rules = self.by_name.get(node.meta.label(NODE_POOL_LABEL)?)?;
        let nodes = rules.nodes.saturating_sub(gone);
        let budgets = rules.pool.budgets.iter();
        let limits = budgets
            .filter(|b| is_about(b, empty) && holds_within(b, from, to))
            .map(|b| {
                let most = allowed(b, nodes).unwrap_or(0);
                (most.saturating_sub(rules.out), setting(b))
            });
        limits.min()
    }
}

/// Whether a budget limits the removal of such nodes.
fn is_about(budget: &DisruptionBudget, empty: bool) -> bool {
    let cause = if empty { "Empty" } else { "Underutilized" };
    budget.reasons.is_empty() || budget.reasons.iter().any(|r| r == cause)
}

fn setting(budget: &DisruptionBudget) -> String {
    match &budget.schedule {
        Some(schedule) => format!("budget nodes: {}, schedule: {schedule}", budget.nodes),
        None => format!("budget nodes: {}", budget.nodes),
    }
}

/// Nodes of a pool that the budget lets go at once, percentages rounded up;
/// `None` when it is not written as a number.
fn allowed(budget: &DisruptionBudget, nodes: usize) -> Option<usize> {
    match budget.nodes.strip_suffix('%') {
        Some(percent) => {
            let percent: usize = percent.parse().ok()?;
            Some(nodes.saturating_mul(percent).div_ceil(100))
        }
        None => budget.nodes.parse().ok(),
    }
}

/// Whether a budget holds now. One whose window cannot be read holds.
fn holds(budget: &DisruptionBudget, now: DateTime<Utc>) -> bool {
    holds_within(budget, now, now)
}

/// Whether a budget holds at some time from `from` to `to`.
fn holds_within(budget: &DisruptionBudget, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
    let Some(schedule) = &budget.schedule else {
        return true;
    };
    let length = budget.duration.as_deref().and_then(go_duration);
    let (Some(length), Some(cron)) = (length, Cron::parse(schedule)) else {
        return true;
    };
    if length > LONGEST_WINDOW || to - from > LONGEST_WINDOW {
        return true;
    }
    let Some(mut minute) = to.with_second(0).and_then(|m| m.with_nanosecond(0)) else {
        return true;
    };
    while from - minute < length {
        if cron.starts_at(minute) {
            return true;
        }
        minute -= TimeDelta::minutes(1);
    }
    false
}

/// A cron schedule of five fields, each as a set of bits.
#[derive(Debug)]
struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both day fields are given, and either may match.
    either_day: bool,
}

impl Cron {
    fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return None;
        };
        const MONTHS: [&str; 12] = [
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ];
        const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        let weekdays = bits(weekday, 0, 7, &DAYS)?;
        let any = |field: &str| field.starts_with(['*', '?']);
        Some(Self {
            minutes: bits(minute, 0, 59, &[])?,
            hours: bits(hour, 0, 23, &[])?,
            days: bits(day, 1, 31, &[])?,
            months: bits(month, 1, 12, &MONTHS)?,
            // Sunday is 0 and 7.
            weekdays: weekdays | (weekdays >> 7),
            either_day: !any(day) && !any(weekday),
        })
    }

    fn starts_at(&self, at: DateTime<Utc>) -> bool {
        let has = |set: u64, value: u32| (set >> value) & 1 == 1;
        let day = has(self.days, at.day());
        let weekday = has(self.weekdays, at.weekday().num_days_from_sunday());
        has(self.minutes, at.minute())
            && has(self.hours, at.hour())
            && has(self.months, at.month())
            && if self.either_day {
                day || weekday
            } else {
                day && weekday
            }
    }
}

/// A field such as `*/15`, `1-5` or `mon,wed` as a set of bits.
fn bits(field: &str, first: u32, last: u32, names: &[&str]) -> Option<u64> {
    let number = |text: &str| -> Option<u32> {
        let lower = text.to_ascii_lowercase();
        let named = names.iter().position(|n| *n == lower);
        let value = match named {
            Some(index) => u32::try_from(index).ok()? + first,
            None => text.parse().ok()?,
        };
        (first..=last).contains(&value).then_some(value)
    };
    let mut set = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|s| *s > 0)?),
            None => (part, 1),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (first, last),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            // `5/10` counts on to the end of the range.
            (_, None) if part.contains('/') => (number(range)?, last),
            (_, None) => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        let mut value = from;
        while value <= to {
            set |= 1 << value;
            value = value.saturating_add(step);
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(schedule: &str, duration: &str) -> DisruptionBudget {
        DisruptionBudget {
            nodes: "0".to_owned(),
            schedule: Some(schedule.to_owned()),
            duration: Some(duration.to_owned()),
            reasons: Vec::new(),
        }
    }

    fn holds_at(schedule: &str, duration: &str, at: &str) -> bool {
        let at: DateTime<Utc> = at.parse().unwrap_or_default();
        holds(&budget(schedule, duration), at)
    }

    #[test]
    fn a_window_starts_at_its_minute_and_ends_after_its_length() {
        // 2026-11-24 is a Tuesday.
        for (at, expected) in [
            ("2026-11-24T08:59:59Z", false),
            ("2026-11-24T09:00:00Z", true),
            ("2026-11-24T16:59:59Z", true),
            ("2026-11-24T17:00:00Z", false),
            ("2026-11-22T12:00:00Z", false),
        ] {
            assert_eq!(holds_at("0 9 * * mon-fri", "8h", at), expected, "{at}");
        }
    }

    #[test]
    fn a_window_that_starts_during_a_time_holds_within_it() {
        let at = |text: &str| -> DateTime<Utc> { text.parse().unwrap_or_default() };
        let nine = budget("0 9 * * *", "1h");
        for (from, to, expected) in [
            ("2026-11-24T08:00:00Z", "2026-11-24T08:59:59Z", false),
            ("2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z", true),
            ("2026-11-24T09:59:59Z", "2026-11-24T12:00:00Z", true),
            ("2026-11-24T10:00:00Z", "2026-11-24T12:00:00Z", false),
            ("2026-11-24T08:00:00Z", "2026-11-24T12:00:00Z", true),
        ] {
            assert_eq!(holds_within(&nine, at(from), at(to)), expected, "{from}");
        }
    }

    #[test]
    fn names_steps_lists_and_either_day_are_read() {
        for (schedule, at, expected) in [
            ("*/15 * * * *", "2026-11-24T12:30:10Z", true),
            ("*/15 * * * *", "2026-11-24T12:31:10Z", false),
            ("0 0 1 * tue", "2026-11-24T00:00:00Z", true),
            ("0 0 1 * *", "2026-11-24T00:00:00Z", false),
            ("0 0 * nov 7", "2026-11-22T00:00:00Z", true),
            ("@daily", "2026-11-24T00:00:59Z", true),
        ] {
            assert_eq!(holds_at(schedule, "1m", at), expected, "{schedule} {at}");
        }
    }

    #[test]
    fn a_window_that_cannot_be_read_holds() {
        for (schedule, duration) in [
            ("every day", "1h"),
            ("61 * * * *", "1h"),
            ("0 9 * * *", "long"),
        ] {
            assert!(holds_at(schedule, duration, "2026-11-24T12:00:00Z"));
        }
    }

    #[test]
    fn percentages_are_rounded_up() {
        let of = |nodes: &str, count| {
            let budget = DisruptionBudget {
                nodes: nodes.to_owned(),
                ..Default::default()
            };
            allowed(&budget, count)
        };
        assert_eq!(of("10%", 5), Some(1));
        assert_eq!(of("0%", 5), Some(0));
        assert_eq!(of("3", 5), Some(3));
        assert_eq!(of("some", 5), None);
    }
}
