//! Namespaces that nobody opted in.

use super::schedule::Schedule;
use super::wish::{self, Wish};
use super::{Draft, Ground, Reason, push_parts};
use crate::decision::{Decision, MissingEvidence};
use crate::model::{Workload, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};

impl Ground<'_> {
    /// One keep for each namespace that is not opted in.
    pub(super) fn namespaces(&self) -> Vec<Decision> {
        let mut names: BTreeSet<&str> = self.namespaces.keys().copied().collect();
        names.extend(self.tops().map(|w| w.meta.namespace.as_str()));
        let sleepers = self.sleepers(true);
        names
            .into_iter()
            .filter_map(|name| {
                let draft = self.judge_namespace(name, &sleepers)?;
                Some(self.settle(WorkloadRef::new(name, "Namespace", name), draft))
            })
            .collect()
    }

    fn judge_namespace(&self, name: &str, sleepers: &[(&Workload, Schedule)]) -> Option<Draft> {
        let meta = self.namespace(name);
        let wish = wish::of_namespace(self.config, name, meta);
        if let Some(reason) = self.forbidden(name) {
            return Some(Draft::keep(reason));
        }
        match wish {
            Wish::On(_) => return None, // its workloads are listed
            Wish::Out(by) => return Some(Draft::keep(Reason::OptedOut { by })),
            Wish::Unreadable(reason) => return Some(Draft::keep(reason)),
            Wish::None => {}
        }
        let none = BTreeMap::new();
        let labels = meta.map_or(&none, |m| &m.labels);
        let Some(by) = wish::candidate(self.config, name, labels) else {
            return Some(Draft::keep(Reason::NotOptedIn));
        };
        let mine: Vec<&Workload> = sleepers
            .iter()
            .map(|(w, _)| *w)
            .filter(|w| w.meta.namespace == name)
            .collect();
        let mut draft = Draft::keep(Reason::Candidate {
            by,
            workloads: mine.len() as u64,
        });
        draft.missing.push(MissingEvidence::Confirmation {
            of: format!("office hours for namespace {name}"),
        });
        draft.missing.extend(self.missing_to_sleep());
        if let Ok(schedule) = self.config.schedule.parse::<Schedule>() {
            let (at_stake, reason) = self.stake(&mine, &schedule);
            draft.at_stake = at_stake;
            draft.reasons.extend(reason);
        }
        push_parts(&mut draft);
        Some(draft)
    }
}
