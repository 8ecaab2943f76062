//! What is wanted of a workload: who opted it in, on which schedule, and which
//! exceptions hold. The more specific wins; between equals, being awake does.

use super::config::{Config, word_in};
use super::schedule::{Desired, Schedule};
use super::{ASLEEP_UNTIL, AWAKE_UNTIL, OPT_IN, Reason};
use crate::model::{Labels, ObjectMeta, Workload};
use chrono::{DateTime, Utc};

/// What somebody wants of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    None,
    /// To be left alone.
    Out(String),
    /// A schedule that cannot be read.
    Unreadable(Reason),
    /// A schedule.
    On(Schedule),
}

/// The wish of the object itself; `None` when it carries none.
fn own(config: &Config, meta: &ObjectMeta, what: &str) -> Option<Wish> {
    let value = meta.annotation(OPT_IN).or_else(|| meta.label(OPT_IN))?;
    Some(match config.read(value) {
        Ok(Some(schedule)) => Wish::On(schedule),
        Ok(None) => Wish::Out(format!("{OPT_IN} of the {what}")),
        Err(error) => Wish::Unreadable(Reason::ScheduleUnreadable {
            schedule: value.to_owned(),
            error: error.to_string(),
        }),
    })
}

/// The wish for every workload of a namespace.
pub(super) fn of_namespace(config: &Config, name: &str, meta: Option<&ObjectMeta>) -> Wish {
    if let Some(wish) = meta.and_then(|m| own(config, m, "namespace")) {
        return wish;
    }
    let selected = match (&config.namespace_selector, meta) {
        (Some(selector), Some(meta)) => selector.matches(&meta.labels),
        _ => false,
    };
    if !selected && !config.namespaces.contains(name) {
        return Wish::None;
    }
    match config.schedule.parse() {
        Ok(schedule) => Wish::On(schedule),
        // Settings are validated first, so this is out of reach.
        Err(_) => Wish::None,
    }
}

/// The wish for a workload, and whether the workload itself makes it.
pub(super) fn of(
    config: &Config,
    workload: &Workload,
    namespace: Option<&ObjectMeta>,
) -> (Wish, bool) {
    match own(config, &workload.meta, "workload") {
        Some(wish) => (wish, true),
        None => (
            of_namespace(config, &workload.meta.namespace, namespace),
            false,
        ),
    }
}

/// What is wanted at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) desired: Desired,
    /// Until when; for ever when `None`.
    pub(super) until: Option<DateTime<Utc>>,
    /// What says so, beside the schedule.
    pub(super) because: Option<Reason>,
}

/// The schedule at a moment, with the exceptions that hold.
pub(super) fn at(
    config: &Config,
    schedule: &Schedule,
    workload: &Workload,
    namespace: Option<&ObjectMeta>,
    now: DateTime<Utc>,
) -> Now {
    let name = &workload.meta.name;
    let space = &workload.meta.namespace;
    let of_workload = exception(config, &workload.meta, space, Some(name), now);
    let found = of_workload.or_else(|| {
        let none = ObjectMeta::default();
        exception(config, namespace.unwrap_or(&none), space, None, now)
    });
    found.unwrap_or_else(|| Now {
        desired: schedule.desired(now),
        until: schedule.next_change(now),
        because: None,
    })
}

/// An exception of one level: annotations and settings are equals.
fn exception(
    config: &Config,
    meta: &ObjectMeta,
    namespace: &str,
    workload: Option<&str>,
    now: DateTime<Utc>,
) -> Option<Now> {
    let mut held: Vec<(Desired, DateTime<Utc>, String)> = config
        .overrides
        .iter()
        .filter(|o| o.namespace == namespace && o.workload.as_deref() == workload)
        .filter(|o| o.from.is_none_or(|from| from <= now) && now < o.until)
        .map(|o| (o.state, o.until, "the policy".to_owned()))
        .collect();
    for (key, state) in [
        (AWAKE_UNTIL, Desired::Awake),
        (ASLEEP_UNTIL, Desired::Asleep),
    ] {
        let Some(value) = meta.annotation(key) else {
            continue;
        };
        match DateTime::parse_from_rfc3339(value.trim()) {
            Ok(until) if now < until => {
                held.push((
                    state,
                    until.with_timezone(&Utc),
                    format!("annotation {key}"),
                ));
            }
            Ok(_) => {}
            Err(_) => {
                return Some(Now {
                    desired: Desired::Awake,
                    until: None,
                    because: Some(Reason::OverrideUnreadable {
                        value: value.to_owned(),
                    }),
                });
            }
        }
    }
    // Awake sorts before asleep; of equals the longest holds.
    held.sort_by(|a, b| (a.0, b.1, &a.2).cmp(&(b.0, a.1, &b.2)));
    let (desired, until, by) = held.into_iter().next()?;
    Some(Now {
        desired,
        until: Some(until),
        because: Some(Reason::Overridden { by, until }),
    })
}

/// What says that a namespace or a workload is production.
pub(super) fn production(config: &Config, namespace: &str, labels: &[&Labels]) -> Option<String> {
    if word_in(namespace, &config.production_words).is_some() {
        return Some(format!("namespace {namespace}"));
    }
    environment(config, labels, |value| {
        word_in(value, &config.production_words).is_some()
    })
}

/// What says that a namespace could sleep.
pub(super) fn candidate(config: &Config, namespace: &str, labels: &Labels) -> Option<String> {
    if let Some((key, value)) = labels.iter().find(|(k, _)| k.ends_with("office-hours")) {
        return Some(format!("label {key}={value}"));
    }
    let by_label = environment(config, &[labels], |value| {
        word_in(value, &config.candidate_words).is_some()
    });
    by_label.or_else(|| {
        word_in(namespace, &config.candidate_words).map(|word| format!("the name's {word:?}"))
    })
}

fn environment(config: &Config, labels: &[&Labels], is: impl Fn(&str) -> bool) -> Option<String> {
    labels
        .iter()
        .flat_map(|l| l.iter())
        .find(|(key, value)| config.environment_labels.contains(*key) && is(value))
        .map(|(key, value)| format!("label {key}={value}"))
}

/// What says that others depend on it.
pub(super) fn system(config: &Config, name: &str) -> Option<Reason> {
    let named = config
        .system_names
        .iter()
        .any(|s| name.starts_with(s.as_str()));
    let speaking = ["webhook", "operator", "admission", "ingress"]
        .iter()
        .any(|word| name.split('-').any(|part| part == *word));
    (named || speaking).then(|| Reason::SystemService {
        name: name.to_owned(),
    })
}

/// What says that a tool deploys the workload and sets it back.
///
/// `kubectl` and Helm set replicas when somebody runs them; Argo CD and Flux do
/// it all the time.
pub(super) fn deployer(meta: &ObjectMeta) -> Option<String> {
    const KEYS: [&str; 5] = [
        "argocd.argoproj.io/instance",
        "argocd.argoproj.io/tracking-id",
        "helm.toolkit.fluxcd.io/name",
        "kustomize.toolkit.fluxcd.io/name",
        "fluxcd.io/sync-checksum",
    ];
    const MANAGERS: [&str; 5] = [
        "argocd-application-controller",
        "argocd-controller",
        "argocd-server",
        "helm-controller",
        "kustomize-controller",
    ];
    let key = KEYS
        .into_iter()
        .find(|k| meta.labels.contains_key(*k) || meta.annotations.contains_key(*k));
    let manager = MANAGERS
        .into_iter()
        .find(|m| meta.field_managers.iter().any(|have| have == m));
    key.map(str::to_owned)
        .or_else(|| manager.map(|m| format!("field manager {m}")))
}
