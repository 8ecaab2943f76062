//! Settings.

use super::schedule::{Desired, Schedule, ScheduleError};
use crate::engines::{EngineError, EngineId};
use crate::model::LabelSelector;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An exception with an end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Namespace.
    pub namespace: String,
    /// Name of a workload; all of the namespace when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// What is wanted meanwhile.
    pub state: Desired,
    /// From when; at once when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Settings of the office-hours engine.
///
/// Nothing sleeps by default: a namespace is opted in by name, by selector, or
/// by the label or annotation [`OPT_IN`](super::OPT_IN) on it or on a workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The schedule of what is opted in without another. Default 9 to 18 on
    /// weekdays in UTC: name your own zone.
    pub schedule: String,
    /// Schedules by name, for labels, whose values cannot hold a schedule.
    pub schedules: BTreeMap<String, String>,
    /// Namespaces that are opted in. Default none.
    pub namespaces: BTreeSet<String>,
    /// Namespaces that are opted in by their labels. Default none.
    pub namespace_selector: Option<LabelSelector>,
    /// Exceptions with an end.
    pub overrides: Vec<Override>,
    /// Words that make a namespace or a label's value production, which never
    /// sleeps.
    pub production_words: BTreeSet<String>,
    /// Words that make a namespace or a label's value a candidate.
    pub candidate_words: BTreeSet<String>,
    /// Labels that tell the environment.
    pub environment_labels: BTreeSet<String>,
    /// Namespaces that others depend on, and beginnings of names of workloads
    /// that do the cluster's work, wherever they are.
    pub system_names: BTreeSet<String>,
    /// The tool that deploys leaves replicas alone, so it does not undo a sleep.
    /// Default false.
    pub deployer_ignores_replicas: bool,
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|s| (*s).to_owned()).collect()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            schedule: "Mon-Fri 09:00-18:00 UTC".to_owned(),
            schedules: BTreeMap::new(),
            namespaces: BTreeSet::new(),
            namespace_selector: None,
            overrides: Vec::new(),
            production_words: set(&["live", "prd", "prod", "production"]),
            candidate_words: set(&[
                "demo",
                "dev",
                "development",
                "integration",
                "lab",
                "playground",
                "preview",
                "qa",
                "sandbox",
                "stage",
                "staging",
                "stg",
                "test",
                "testing",
                "uat",
            ]),
            environment_labels: set(&[
                "app.kubernetes.io/environment",
                "env",
                "environment",
                "stage",
                "tier",
            ]),
            // What scheduling, names, traffic, admission and deployment need.
            system_names: set(&[
                "argocd",
                "cert-manager",
                "cluster-autoscaler",
                "coredns",
                "external-dns",
                "external-secrets",
                "flux-system",
                "gatekeeper",
                "ingress",
                "istio",
                "karpenter",
                "keda",
                "kube-",
                "kyverno",
                "linkerd",
                "metrics-server",
                "monitoring",
                "velero",
            ]),
            deployer_ignores_replicas: false,
        }
    }
}

impl Config {
    /// With another default schedule.
    #[must_use]
    pub fn with_schedule(mut self, schedule: impl Into<String>) -> Self {
        self.schedule = schedule.into();
        self
    }

    /// With one more namespace opted in.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespaces.insert(namespace.into());
        self
    }

    /// With one more exception.
    #[must_use]
    pub fn with_override(mut self, exception: Override) -> Self {
        self.overrides.push(exception);
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`EngineError::BadSetting`] naming the first schedule that cannot be
    /// read, or exception that ends before it starts.
    pub fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| EngineError::BadSetting {
            engine: EngineId::OfficeHours,
            message,
        };
        let check = |name: &str, text: &str| {
            text.parse::<Schedule>()
                .map(|_| ())
                .map_err(|e| bad(format!("{name}: {e}")))
        };
        check("schedule", &self.schedule)?;
        for (name, text) in &self.schedules {
            check(&format!("schedules.{name}"), text)?;
        }
        for o in &self.overrides {
            if let Some(from) = o.from
                && from >= o.until
            {
                return Err(bad(format!(
                    "overrides: from must be before until, got {from} and {}",
                    o.until
                )));
            }
        }
        Ok(())
    }

    /// The schedule that a label or annotation asks for; `None` to stay out.
    pub(super) fn read(&self, value: &str) -> Result<Option<Schedule>, ScheduleError> {
        let word = value.trim().to_ascii_lowercase();
        match word.as_str() {
            "false" | "no" | "off" | "disabled" => Ok(None),
            "" | "true" | "yes" | "on" | "enabled" | "default" => self.schedule.parse().map(Some),
            _ => match self.schedules.get(value.trim()) {
                Some(named) => named.parse().map(Some),
                None => value.parse().map(Some),
            },
        }
    }
}

/// The first word of a name (`team-dev-2`) that is one of `words`.
pub(super) fn word_in<'a>(name: &'a str, words: &BTreeSet<String>) -> Option<&'a str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|part| words.contains(&part.to_ascii_lowercase()))
}
