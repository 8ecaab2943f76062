//! Putting to sleep and waking: what is written and set on which object.

use super::schedule::Schedule;
use super::{Draft, Ground, KEDA_PAUSED, MARK, Reason, push_parts, wish};
use crate::decision::{Action, MissingEvidence, ObjectRef};
use crate::engines::observed::{cluster_name, part};
use crate::model::{ObjectMeta, ScaledObject, TakenAtBasis, Workload, WorkloadKind};

impl Ground<'_> {
    /// Parts without which nobody can say that it is wanted.
    pub(super) fn missing_to_wake(&self) -> Vec<MissingEvidence> {
        let name = cluster_name(self.cluster);
        let namespaces = part(format!("namespaces of {name}"), &self.cluster.namespaces);
        namespaces.into_iter().collect()
    }

    pub(super) fn wake(&self, workload: &Workload, replicas: u32, state: wish::Now) -> Draft {
        if self.inputs.policy.protects(&workload.meta.namespace) {
            return Draft::keep(Reason::NamespaceProtected {
                namespace: workload.meta.namespace.clone(),
            });
        }
        let is_cron = workload.kind == WorkloadKind::CronJob;
        if replicas == 0 && !is_cron {
            return Draft::keep(Reason::ZeroBeforeSleep);
        }
        let changed = self.generations_since(workload);
        if let (Some((then, now)), None) = (changed, self.mark(workload)) {
            return Draft::keep(Reason::MarkGone { then, now });
        }
        let mut draft = Draft::keep(Reason::Wakes { replicas });
        draft.reasons.extend(state.because);
        draft
            .reasons
            .extend(changed.map(|(then, now)| Reason::UpdatedWhileAsleep { then, now }));
        draft.missing = self.missing_to_wake();
        if !draft.missing.is_empty() {
            push_parts(&mut draft);
            return draft;
        }
        let cluster = self.cluster.uid.clone();
        let reference = workload.reference();
        if let Some(object) = self.scaled_object(workload)
            && let Some(paused) = object.meta.annotation(KEDA_PAUSED)
        {
            draft.reasons.push(Reason::PausesKeda {
                scaled_object: object.meta.name.clone(),
            });
            draft
                .actions
                .push(self.annotate_keda(object, KEDA_PAUSED, Some(paused), None));
            if let Some(mark) = object.meta.annotation(MARK) {
                draft
                    .actions
                    .push(self.annotate_keda(object, MARK, Some(mark), None));
            }
            return draft;
        }
        draft.actions.push(if is_cron {
            Action::SuspendWorkload {
                cluster,
                workload: reference,
                suspend: false,
            }
        } else {
            Action::ScaleWorkload {
                cluster,
                workload: reference,
                from: 0,
                to: replicas,
            }
        });
        if let Some(mark) = workload.meta.annotation(MARK) {
            draft
                .actions
                .push(self.annotate(workload, MARK, Some(mark), None));
        }
        draft
    }

    pub(super) fn sleep(
        &self,
        workload: &Workload,
        schedule: Option<Schedule>,
        state: wish::Now,
    ) -> Draft {
        if let Some(reason) = self.obstacle(workload) {
            return Draft::keep(reason);
        }
        let Some(schedule) = schedule else {
            return Draft::keep(Reason::NotOptedIn);
        };
        let is_cron = workload.kind == WorkloadKind::CronJob;
        let Some(replicas) = workload.replicas.or(is_cron.then_some(1)) else {
            return Draft::keep(Reason::ReplicasUnknown);
        };
        if self.changed_since(workload, &schedule) {
            return Draft::keep(Reason::ChangedWhileAsleep { replicas });
        }
        let (at_stake, stake_reason) = self.stake(&[workload], &schedule);
        let (actions, evidence) = match self.ways_to_sleep(workload, replicas) {
            Ok(ways) => ways,
            Err(reason) => return Draft::keep(reason),
        };
        let mut draft = self.stays(
            &Some(schedule),
            state,
            Reason::AsleepUntil {
                until: None,
                schedule: String::new(),
            },
        );
        draft.reasons.extend(evidence);
        draft.reasons.extend(stake_reason);
        draft.at_stake = at_stake;
        draft.missing = self.missing_to_sleep();
        if draft.missing.is_empty() {
            draft.actions = actions;
        } else {
            push_parts(&mut draft);
        }
        draft
    }

    /// Whether somebody scaled a sleeper up. A row of an earlier night, before
    /// the last waking, says nothing.
    fn changed_since(&self, workload: &Workload, schedule: &Schedule) -> bool {
        let now = self.inputs.now();
        match self.entry(workload) {
            Some(entry) => schedule
                .next_change(entry.since)
                .is_none_or(|woke| woke > now),
            None => self.mark(workload).is_some(),
        }
    }

    /// The generation in which it went to sleep, and a later one: its
    /// specification was changed since. With our mark still on it the sleep is
    /// ours all the same; without, somebody took it over. KEDA itself changes
    /// what it scales, after its object was paused.
    fn generations_since(&self, workload: &Workload) -> Option<(i64, i64)> {
        if self.scaled_object(workload).is_some() {
            return None;
        }
        let then = self.entry(workload)?.generation?;
        let now = workload.meta.generation?;
        (now > then).then_some((then, now))
    }

    pub(super) fn missing_to_sleep(&self) -> Vec<MissingEvidence> {
        let cluster = self.cluster;
        let name = cluster_name(cluster);
        let mut missing: Vec<MissingEvidence> = [
            part(format!("namespaces of {name}"), &cluster.namespaces),
            part(format!("workloads of {name}"), &cluster.workloads),
            part(
                format!("horizontal autoscalers of {name}"),
                &cluster.horizontal_autoscalers,
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.keda {
            missing.extend(part(
                format!("scaled objects of {name}"),
                &cluster.scaled_objects,
            ));
        }
        // A schedule asks for the time of day, and nobody stated it.
        if self.inputs.snapshot.taken_at_basis == TakenAtBasis::LatestTimestamp {
            missing.push(MissingEvidence::Part {
                part: "present moment".to_owned(),
                state: "the latest time that the documents name".to_owned(),
            });
        }
        if self.inputs.ledgers.asleep.is_none() {
            missing.push(MissingEvidence::Ledger {
                ledger: "asleep".to_owned(),
                possible_from: self.inputs.now(),
            });
        }
        missing
    }

    /// How it goes to sleep, with the evidence that belongs to it.
    fn ways_to_sleep(
        &self,
        workload: &Workload,
        replicas: u32,
    ) -> Result<(Vec<Action>, Vec<Reason>), Reason> {
        let cluster = self.cluster.uid.clone();
        let mark = Some(replicas.to_string());
        let mut evidence = Vec::new();
        let reference = workload.reference();
        if let Some(object) = self.scaled_object(workload) {
            let scaled_object = object.meta.name.clone();
            if object.meta.annotation(KEDA_PAUSED).is_some() {
                return Err(Reason::KedaPaused { scaled_object });
            }
            evidence.push(Reason::PausesKeda { scaled_object });
            let actions = vec![
                self.annotate_keda(object, MARK, object.meta.annotation(MARK), mark),
                self.annotate_keda(object, KEDA_PAUSED, None, Some("0".to_owned())),
            ];
            return Ok((actions, evidence));
        }
        let mut actions = vec![self.annotate(workload, MARK, workload.meta.annotation(MARK), mark)];
        if workload.kind == WorkloadKind::CronJob {
            if workload.starting_deadline_seconds.is_none() {
                evidence.push(Reason::RunsOnWaking);
            }
            actions.push(Action::SuspendWorkload {
                cluster,
                workload: reference,
                suspend: true,
            });
            return Ok((actions, evidence));
        }
        let autoscalers = self.cluster.horizontal_autoscalers.items();
        if let Some(autoscaler) = autoscalers.iter().find(|a| a.target == reference) {
            evidence.push(Reason::AutoscalerIdles {
                autoscaler: autoscaler.meta.name.clone(),
            });
        }
        let labels = workload.template.as_ref().map(|t| &t.labels);
        let budget = self.cluster.disruption_budgets.items().iter().find(|b| {
            b.meta.namespace == workload.meta.namespace
                && labels.is_some_and(|l| b.selector.as_ref().is_some_and(|s| s.matches(l)))
        });
        if let Some(budget) = budget {
            evidence.push(Reason::BudgetNotAsked {
                budget: budget.meta.name.clone(),
            });
        }
        actions.push(Action::ScaleWorkload {
            cluster,
            workload: reference,
            from: replicas,
            to: 0,
        });
        Ok((actions, evidence))
    }

    pub(super) fn annotate(
        &self,
        workload: &Workload,
        key: &str,
        from: Option<&str>,
        to: Option<String>,
    ) -> Action {
        let api_version = match workload.kind {
            WorkloadKind::CronJob => "batch/v1",
            _ => "apps/v1",
        };
        self.annotation(
            api_version,
            workload.kind.as_str(),
            &workload.meta,
            key,
            from,
            to,
        )
    }

    fn annotate_keda(
        &self,
        object: &ScaledObject,
        key: &str,
        from: Option<&str>,
        to: Option<String>,
    ) -> Action {
        self.annotation(
            "keda.sh/v1alpha1",
            "ScaledObject",
            &object.meta,
            key,
            from,
            to,
        )
    }

    fn annotation(
        &self,
        api_version: &str,
        kind: &str,
        meta: &ObjectMeta,
        key: &str,
        from: Option<&str>,
        to: Option<String>,
    ) -> Action {
        Action::Annotate {
            cluster: self.cluster.uid.clone(),
            object: ObjectRef {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
            },
            key: key.to_owned(),
            from: from.map(str::to_owned),
            to,
        }
    }
}
