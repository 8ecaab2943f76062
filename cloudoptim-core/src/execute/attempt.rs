//! One step: asked for, written down, sent, and looked at.

use super::caught::{caught, caught_now};
use super::effect::{Effect, effect};
use super::lease::Keeper;
use super::{ExecuteError, Run, apply, read};
use crate::guard::{Context, Fresh, Permit, Refusal, charge, check, step_key};
use crate::journal::{Entry, Outcome, StepState, started};
use crate::plan::Step;
use crate::providers::ProviderError;
use crate::version::Version;
use chrono::TimeDelta;

/// What the provider says, with what made it say so.
pub(super) fn said(error: &ProviderError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// What is to be done after an attempt.
pub(super) enum Attempt {
    Over,
    Refused(Refusal),
    Again(TimeDelta),
}

impl Run<'_> {
    /// Finds out by reading whether a step that was begun has had its effect.
    pub(super) async fn look_up(&mut self, step: &Step, error: &str) -> Result<(), ExecuteError> {
        let mut waits = 0;
        let found = loop {
            let found = match self.read_effect(step).await {
                Ok(fresh) => effect(
                    &step.action,
                    &step_key(&self.plan.fingerprint, &step.id),
                    &fresh.snapshot,
                ),
                Err(refusal) => Effect::Unclear(refusal.to_string()),
            };
            if found == Effect::Done || waits >= self.env.limits.max_waits.min(3) {
                break found;
            }
            // A change may be on its way: nothing is said before it had time.
            waits += 1;
            self.env.clock.sleep(self.env.limits.wait()).await;
        };
        let outcome = match found {
            Effect::Done => Outcome::FoundApplied,
            Effect::NotDone => Outcome::Failed {
                error: format!("{error}, and reading shows no effect"),
            },
            Effect::Unclear(what) => {
                self.unclear.push(format!("{}: {what}", step.action));
                Outcome::Unclear { what }
            }
        };
        self.finish(step, outcome).await
    }

    async fn finish(&mut self, step: &Step, outcome: Outcome) -> Result<(), ExecuteError> {
        let at = self.env.clock.now();
        self.write(Entry::Finished {
            version: Version::KNOWN,
            at,
            fingerprint: self.plan.fingerprint.clone(),
            step: step.id.clone(),
            outcome,
            revisions: self.seen.clone(),
        })
        .await?;
        Ok(())
    }

    /// Remembers how far the histories of the clusters have come.
    fn see(&mut self, fresh: &Fresh) {
        for cluster in &fresh.snapshot.clusters {
            if let Some(revision) = fresh.revision(&cluster.uid, u64::max) {
                let seen = self.seen.entry(cluster.uid.clone()).or_default();
                *seen = (*seen).max(revision);
            }
        }
    }

    /// Reads what the step is judged by.
    pub(super) async fn read(&self, step: &Step) -> Result<Fresh, Refusal> {
        let env = self.env;
        let read = read::read(step, &self.plan.scope, env.sources, env.clock);
        caught(read)
            .await
            .unwrap_or_else(|what| Err(Refusal::Panicked { what }))
    }

    /// Reads what shows whether it has had its effect.
    async fn read_effect(&mut self, step: &Step) -> Result<Fresh, Refusal> {
        let env = self.env;
        let read = read::read_effect(step, &self.plan.scope, env.sources, env.clock);
        let fresh = caught(read)
            .await
            .unwrap_or_else(|what| Err(Refusal::Panicked { what }))?;
        self.see(&fresh);
        Ok(fresh)
    }

    async fn brake_is_off(&self) -> Result<(), Refusal> {
        let unreadable = |error| Err(Refusal::KillSwitchUnreadable { error });
        match caught(self.env.kill_switch.is_on()).await {
            Ok(Ok(false)) => Ok(()),
            Ok(Ok(true)) => Err(Refusal::Killed),
            Ok(Err(error)) => unreadable(error.to_string()),
            Err(what) => unreadable(format!("it panicked: {what}")),
        }
    }

    /// Everything that is asked before an act, once.
    async fn ask(&mut self, step: &Step, undoing: bool) -> Result<Permit, Refusal> {
        if !undoing {
            self.brake_is_off().await?;
            let now = self.env.clock.now();
            self.env.limits.window_open(&step.action, now)?;
            self.all_is_well(step).await?;
        }
        let fresh = self.read(step).await?;
        let context = Context {
            plan: self.plan,
            approval: self.approval,
            now: self.env.clock.now(),
            fresh: &fresh,
            history: &self.history,
            limits: self.env.limits,
            placement: self.env.placement,
            undoing,
        };
        let permit = caught_now(|| check(step, &context))
            .unwrap_or_else(|what| Err(Refusal::Panicked { what }))?;
        self.see(&fresh);
        Ok(permit)
    }

    /// The emergency brake, health, fresh reads and all guards, waiting for what
    /// passes by itself.
    async fn permit(&mut self, step: &Step, undoing: bool) -> Result<Permit, Refusal> {
        if !undoing {
            self.bake(step).await;
        }
        let mut waits = 0;
        loop {
            match self.ask(step, undoing).await {
                Err(refusal) if refusal.is_temporary() && waits < self.env.limits.max_waits => {
                    waits += 1;
                    self.env.clock.sleep(self.env.limits.wait()).await;
                }
                judged => return judged,
            }
        }
    }

    async fn refuse(&mut self, step: &Step, refusal: Refusal) -> Result<Attempt, ExecuteError> {
        let at = self.env.clock.now();
        self.write(Entry::Refused {
            version: Version::KNOWN,
            at,
            fingerprint: self.plan.fingerprint.clone(),
            step: step.id.clone(),
            refusal: refusal.clone(),
        })
        .await?;
        Ok(Attempt::Refused(refusal))
    }

    pub(super) async fn attempt(
        &mut self,
        step: &Step,
        undoing: bool,
    ) -> Result<Attempt, ExecuteError> {
        let permit = match self.permit(step, undoing).await {
            Ok(permit) => permit.fenced(self.keeper.map(Keeper::fence)),
            Err(refusal) => return self.refuse(step, refusal).await,
        };
        let charge = if undoing {
            None
        } else {
            charge(step, self.plan)
        };
        let intent = started(
            self.env.clock.now(),
            &self.plan.fingerprint,
            step,
            permit.key(),
            charge,
            self.seen.clone(),
        );
        self.write(intent).await?;
        if let Some(keeper) = self.keeper
            && let Err(lost) = keeper.confirm().await
        {
            let error = format!("nothing was sent: {lost}");
            self.finish(step, Outcome::Failed { error }).await?;
            return Err(lost.into());
        }
        let sent = match caught(apply::apply(&permit, self.env.actuators)).await {
            Ok(sent) => sent,
            Err(what) => {
                self.look_up(step, &format!("it panicked: {what}")).await?;
                return Ok(Attempt::Refused(Refusal::Panicked { what }));
            }
        };
        let again = match sent {
            Ok(()) => {
                self.verify(step).await?;
                None
            }
            Err(error @ ProviderError::NotFound { .. }) => {
                // Gone is done for what takes away, and the end for the rest.
                let outcome = if step.action.is_destructive() {
                    Outcome::AlreadyGone
                } else {
                    Outcome::Stale {
                        error: said(&error),
                    }
                };
                self.finish(step, outcome).await?;
                None
            }
            Err(error @ ProviderError::Conflict { .. }) => {
                let error = said(&error);
                self.finish(step, Outcome::Stale { error }).await?;
                // Nothing was changed. What was written in between may have
                // nothing to do with the step: the guards read and judge again.
                Some(TimeDelta::zero())
            }
            Err(error) if error.is_ambiguous() => {
                self.look_up(step, &said(&error)).await?;
                matches!(
                    self.state(step),
                    StepState::Finished(Outcome::Failed { .. })
                )
                .then(|| self.env.limits.wait())
            }
            Err(error) => {
                let after = match &error {
                    ProviderError::Throttled { retry_after, .. } => {
                        let wait = retry_after.unwrap_or_else(|| self.env.limits.wait());
                        Some(wait.clamp(TimeDelta::seconds(1), TimeDelta::minutes(5)))
                    }
                    _ => None,
                };
                let error = said(&error);
                self.finish(step, Outcome::Failed { error }).await?;
                after
            }
        };
        Ok(match again {
            Some(after) if self.may_try_again(step) => Attempt::Again(after),
            _ => Attempt::Over,
        })
    }

    /// The provider says that it is done; reading has to show it.
    async fn verify(&mut self, step: &Step) -> Result<(), ExecuteError> {
        let key = step_key(&self.plan.fingerprint, &step.id);
        let mut waits = 0;
        let outcome = loop {
            let found = match self.read_effect(step).await {
                Ok(fresh) => effect(&step.action, &key, &fresh.snapshot),
                Err(refusal) => Effect::Unclear(refusal.to_string()),
            };
            let what = match found {
                Effect::Done => break Outcome::Applied,
                Effect::NotDone => {
                    "the provider says that it is done, and reading does not show it".to_owned()
                }
                Effect::Unclear(what) => what,
            };
            if waits >= self.env.limits.max_waits {
                self.unclear.push(format!("{}: {what}", step.action));
                break Outcome::Unclear { what };
            }
            waits += 1;
            self.env.clock.sleep(self.env.limits.wait()).await;
        };
        self.finish(step, outcome).await
    }
}
