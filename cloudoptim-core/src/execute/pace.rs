//! Going on with care: the first step is watched, and all is well before the next.

use super::caught::caught;
use super::{ExecuteError, Run};
use crate::guard::{Refusal, disturbs};
use crate::journal::Entry;
use crate::plan::{Step, StepId};
use crate::providers::{Baseline, HealthGate, Underway, Verdict};
use crate::version::Version;
use chrono::TimeDelta;

impl Run<'_> {
    fn disturbing(&self) -> impl Iterator<Item = &Step> {
        self.plan.steps.iter().filter(|s| disturbs(&s.action))
    }

    fn first_disturbed(&self) -> Option<(StepId, chrono::DateTime<chrono::Utc>)> {
        let counts = |id: &StepId| self.disturbing().any(|s| s.id == *id);
        let first = self.history.first_done(&self.plan.fingerprint, counts);
        first.map(|(id, at)| (id.clone(), at))
    }

    /// Notes how things are before the first act, for the gate to compare with.
    /// `Some`: it cannot be told, and the plan is not begun.
    pub(super) async fn note_before(&mut self) -> Result<Option<Refusal>, ExecuteError> {
        let plan = self.plan;
        let Some(gate) = self.env.gate else {
            return Ok(None);
        };
        if self.history.before(&plan.fingerprint).is_some() || self.disturbing().nth(1).is_none() {
            return Ok(None);
        }
        let mut waits = 0;
        let baseline = loop {
            let noted = caught(gate.before(plan, self.env.sources)).await;
            let why = match noted {
                Ok(Ok(baseline)) => break baseline,
                Ok(Err(why)) => why,
                Err(what) => return Ok(Some(Refusal::Panicked { what })),
            };
            if waits >= self.env.limits.max_waits {
                return Ok(Some(Refusal::HealthUnknown { why }));
            }
            waits += 1;
            self.env.clock.sleep(self.env.limits.wait()).await;
        };
        if baseline != Baseline::default() {
            let at = self.env.clock.now();
            self.write(Entry::Before {
                version: Version::KNOWN,
                at,
                fingerprint: plan.fingerprint.clone(),
                baseline: Box::new(baseline),
            })
            .await?;
        }
        Ok(None)
    }

    /// After the first step that disturbs, time passes before the next.
    pub(super) async fn bake(&mut self, step: &Step) {
        if self.baked || !disturbs(&step.action) {
            return;
        }
        let Some((first, at)) = self.first_disturbed() else {
            return;
        };
        if first == step.id {
            return;
        }
        let gone = self.env.clock.now().signed_duration_since(at);
        let left = self.env.limits.bake() - gone.max(TimeDelta::zero());
        if left > TimeDelta::zero() {
            self.env.clock.sleep(left).await;
        }
        self.baked = true;
    }

    /// Whether all is well, where something was disturbed before.
    pub(super) async fn all_is_well(&self, step: &Step) -> Result<(), Refusal> {
        let Some(gate) = self.env.gate.filter(|_| disturbs(&step.action)) else {
            return Ok(());
        };
        let fingerprint = &self.plan.fingerprint;
        let begun = |s: &Step| s.id != step.id && self.history.attempts(fingerprint, &s.id) > 0;
        let Some(since) = self.history.last_finished(fingerprint) else {
            return Ok(());
        };
        if !self.disturbing().any(begun) {
            return Ok(());
        }
        self.judged(gate, since).await
    }

    async fn judged(
        &self,
        gate: &dyn HealthGate,
        since: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), Refusal> {
        let nothing = Baseline::default();
        let before = self.history.before(&self.plan.fingerprint);
        let underway = Underway {
            plan: self.plan,
            sources: self.env.sources,
            before: before.unwrap_or(&nothing),
            since,
        };
        match caught(gate.judge(underway)).await {
            Ok(Verdict::Healthy) => Ok(()),
            Ok(Verdict::Unhealthy { why }) => Err(Refusal::Unhealthy { why }),
            Ok(Verdict::Unknown { why }) => Err(Refusal::HealthUnknown { why }),
            Err(what) => Err(Refusal::HealthUnknown {
                why: format!("the gate panicked: {what}"),
            }),
        }
    }
}
