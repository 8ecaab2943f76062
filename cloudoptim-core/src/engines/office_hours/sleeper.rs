//! When a workload sleeps by its wishes, over a span of time.

use super::config::Config;
use super::schedule::{Desired, Schedule};
use super::{ASLEEP_UNTIL, AWAKE_UNTIL, wish};
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
    /// Its sleeps between two moments, cut off at both, by the schedule and the
    /// exceptions that say since when they hold. `None` where one does not, and
    /// with too many to follow.
    pub(in crate::engines) fn sleeps(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Option<Vec<Span>> {
        if self.is_undated(from) {
            return None;
        }
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

    /// Whether an exception holds of which nobody knows since when: an
    /// annotation, readable or not, or a setting without a beginning.
    fn is_undated(&self, at: DateTime<Utc>) -> bool {
        let meta = &self.workload.meta;
        let metas = [Some(meta), self.namespace].into_iter().flatten();
        let annotated =
            metas.flat_map(|m| [AWAKE_UNTIL, ASLEEP_UNTIL].map(|key| m.annotation(key)));
        let annotated = annotated.flatten().any(|value: &str| {
            let until = DateTime::parse_from_rfc3339(value.trim());
            until.map_or(true, |until| at < until)
        });
        let mut settings = self.config.overrides.iter();
        annotated
            || settings.any(|o| {
                let names = o.workload.as_ref().is_none_or(|name| *name == meta.name);
                o.from.is_none() && at < o.until && o.namespace == meta.namespace && names
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Override;
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn sleeps(config: &Config, workload: &Workload) -> Option<Vec<Span>> {
        let sleeper = Sleeper {
            config,
            workload,
            namespace: None,
            schedule: "Mon-Fri 09:00-18:00 UTC".parse().unwrap(),
        };
        sleeper.sleeps(at("2026-11-16T12:00:00Z"), at("2026-11-18T00:00:00Z"))
    }

    #[test]
    fn exceptions_count_since_they_hold_and_are_unknown_without_that() {
        let night = (at("2026-11-16T18:00:00Z"), at("2026-11-17T09:00:00Z"));
        let evening = (at("2026-11-17T18:00:00Z"), at("2026-11-18T00:00:00Z"));
        let mut workload = Workload::default();
        workload.meta.namespace = "shop".to_owned();
        let usual = Some(vec![night, evening]);
        assert_eq!(sleeps(&Config::default(), &workload), usual);
        let mut exception = Override {
            namespace: "shop".to_owned(),
            workload: None,
            state: Desired::Awake,
            from: Some(at("2026-11-16T20:00:00Z")),
            until: at("2026-11-17T02:00:00Z"),
        };
        let config = Config::default().with_override(exception.clone());
        let around = [
            (night.0, exception.from.unwrap()),
            (exception.until, night.1),
        ];
        let cut = Some(vec![around[0], around[1], evening]);
        assert_eq!(sleeps(&config, &workload), cut);
        exception.from = None;
        let config = Config::default().with_override(exception.clone());
        assert_eq!(sleeps(&config, &workload), None);
        // What was over by then, or is of others, does not matter.
        exception.until = at("2026-11-16T12:00:00Z");
        let config = Config::default().with_override(exception.clone());
        assert_eq!(sleeps(&config, &workload), usual);
        exception.until = at("2026-11-17T00:00:00Z");
        exception.workload = Some("other".to_owned());
        let config = Config::default().with_override(exception);
        assert_eq!(sleeps(&config, &workload), usual);
        for (value, expected) in [
            ("2026-11-16T12:00:00Z", usual.clone()),
            ("2026-11-16T12:00:01Z", None),
            ("soon", None),
        ] {
            for key in [AWAKE_UNTIL, ASLEEP_UNTIL] {
                let mut workload = workload.clone();
                let annotations = &mut workload.meta.annotations;
                annotations.insert(key.to_owned(), value.to_owned());
                assert_eq!(
                    sleeps(&Config::default(), &workload),
                    expected,
                    "{key} {value}"
                );
            }
        }
    }
}
