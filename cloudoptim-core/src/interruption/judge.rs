//! What a notice changes for one instance.

use super::config::{Config, RebalancePolicy};
use super::decision::{Act, Consent, NodeRef};
use super::lattice::{Change, Stage, Standing};
use super::memory::{Key, Window};
use super::message::{Event, Interruption, NewState, Notice};
use super::reason::Reason;
use super::scope::{Fleet, Member};
use crate::ledger::{PoolEvent, PoolEventKind};
use crate::model::{ClusterUid, InstanceId, ZoneName};
use chrono::{DateTime, TimeDelta, Utc};

/// A cluster, or a zone of one.
pub(super) type Group = (ClusterUid, Option<ZoneName>);

/// What is known of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) standing: Standing,
    pub(super) node: NodeRef,
    /// When the notice that counts was given.
    pub(super) noticed_at: DateTime<Utc>,
    /// Taken without asking: a cordon of ours, or a drain.
    pub(super) taken: bool,
    /// A drain was asked for, of either kind.
    pub(super) drains: bool,
    /// The drain does not wait for the limits of voluntary ones.
    pub(super) urgent: bool,
    /// What waits for an answer of EC2.
    pub(super) asked: Option<Act>,
    pub(super) confirmed: bool,
    /// The Health event behind [`Stage::Scheduled`].
    pub(super) work: Option<Key>,
    /// The state that it stops by.
    pub(super) stops_by: Option<NewState>,
    pub(super) evidence: Option<PoolEvent>,
    /// The event that changed it last.
    pub(super) by: Option<Key>,
    pub(super) expires: DateTime<Utc>,
}

/// A state before a change.
pub(super) type Before = Option<Box<State>>;

impl State {
    fn new(member: &Member, standing: Standing, at: DateTime<Utc>) -> Self {
        Self {
            standing,
            node: NodeRef {
                cluster: member.cluster.clone(),
                name: member.node.clone(),
                uid: member.uid.clone(),
            },
            noticed_at: at,
            taken: false,
            drains: false,
            urgent: false,
            asked: None,
            confirmed: false,
            work: None,
            stops_by: None,
            evidence: None,
            by: None,
            expires: at,
        }
    }
}

/// What is asked about one instance.
pub(super) struct Case<'c> {
    pub(super) config: &'c Config,
    pub(super) fleet: &'c Fleet,
    pub(super) member: &'c Member,
    pub(super) instance: &'c str,
    /// When the notice was given: the earliest that anybody says, and not
    /// later than now.
    pub(super) given: DateTime<Utc>,
    pub(super) now: DateTime<Utc>,
    /// The work of this Health event was closed.
    pub(super) is_closed: bool,
}

/// Acts on messages alone, and for recommendations, of late.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) taken: Window<Group, InstanceId>,
    pub(super) rebalanced: Window<(ClusterUid, String), InstanceId>,
}

/// What comes out.
pub(super) struct Outcome {
    pub(super) act: Act,
    pub(super) reason: Reason,
    pub(super) evidence: Option<PoolEvent>,
}

const fn outcome(act: Act, reason: Reason) -> Outcome {
    Outcome {
        act,
        reason,
        evidence: None,
    }
}

pub(super) fn seconds(n: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(n))
}

/// A moment and a span, without leaving the calendar.
pub(super) fn after(at: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(span)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

impl Case<'_> {
    /// Judges a notice, and changes the state and the counts by it.
    pub(super) fn judge(
        &self,
        event: &Event<'_>,
        state: &mut Option<State>,
        recent: &mut Recent,
    ) -> Outcome {
        let notice_ends = after(self.given, seconds(self.config.notice_seconds));
        match &event.notice {
            Notice::Rebalance => self.rebalance(state, recent),
            Notice::ScheduledChange { closed: true, .. } => self.closed(event, state),
            Notice::ScheduledChange { start, .. } => self.scheduled(event, *start, state),
            Notice::AsgLifecycleTerminate { .. } => {
                let timeout = seconds(self.config.hook_timeout_seconds);
                let deadline = after(self.given, timeout);
                let reason = Reason::TerminatingHook { deadline };
                self.urgent(Stage::Released, deadline, deadline, reason, state, recent)
            }
            Notice::SpotInterruption { action } => {
                // What freezes does so at once.
                let deadline = match action {
                    Interruption::Hibernate => self.given,
                    Interruption::Terminate | Interruption::Stop => notice_ends,
                };
                let reason = Reason::Interrupted {
                    action: *action,
                    deadline,
                };
                let stage = Stage::Interrupted;
                let mut out = self.urgent(stage, deadline, notice_ends, reason, state, recent);
                self.add_evidence(&mut out, PoolEventKind::InterruptionNotice, state);
                out
            }
            Notice::CapacityReservationInterruption { ends_at } => {
                let deadline = ends_at.unwrap_or(notice_ends);
                let reason = Reason::CapacityEnds { deadline };
                self.urgent(
                    Stage::Interrupted,
                    deadline,
                    deadline,
                    reason,
                    state,
                    recent,
                )
            }
            Notice::StateChange { state: new } => match new {
                NewState::Pending | NewState::Running => self.runs(event, *new, state),
                NewState::Stopping | NewState::ShuttingDown => {
                    let reason = Reason::Stopping { state: *new };
                    let mut out = self.urgent(
                        Stage::Stopping,
                        self.given,
                        notice_ends,
                        reason,
                        state,
                        recent,
                    );
                    if let (Reason::Stopping { .. }, Some(state)) = (&mut out.reason, state) {
                        state.stops_by = Some(*new);
                    }
                    out
                }
                NewState::Stopped | NewState::Terminated => self.gone(*new, notice_ends, state),
            },
        }
    }

    /// Takes a notice into the state.
    fn raise(
        &self,
        state: &mut Option<State>,
        stage: Stage,
        deadline: Option<DateTime<Utc>>,
    ) -> Change {
        match state {
            None => {
                let standing = Standing::new(stage, deadline);
                *state = Some(State::new(self.member, standing, self.given));
                Change::Up
            }
            Some(state) => {
                let change = state.standing.raise(stage, deadline);
                if change == Change::Up {
                    state.noticed_at = self.given;
                }
                change
            }
        }
    }

    /// Nothing, as that or more was known.
    fn known(state: &Option<State>, change: Change) -> Outcome {
        let standing = state.as_ref().map(|s| s.standing);
        let reason = match (change, standing) {
            (Change::Lower, Some(standing)) => Reason::Surpassed { by: standing.stage },
            (_, standing) => Reason::Known {
                deadline: standing.and_then(|s| s.deadline),
            },
        };
        outcome(Act::Nothing, reason)
    }

    /// A notice after which the pods have to go.
    fn urgent(
        &self,
        stage: Stage,
        deadline: DateTime<Utc>,
        late_from: DateTime<Utc>,
        reason: Reason,
        state: &mut Option<State>,
        recent: &mut Recent,
    ) -> Outcome {
        if late_from <= self.now {
            // It changes nothing, so that it cannot hide one that is in time.
            return outcome(
                Act::Verify,
                Reason::Late {
                    deadline: late_from,
                },
            );
        }
        let change = self.raise(state, stage, Some(deadline));
        let Some(known) = state.as_mut() else {
            return outcome(Act::Nothing, reason);
        };
        let reason = match change {
            Change::Same | Change::Lower => return Self::known(state, change),
            Change::Up => reason,
            Change::Sooner => Reason::Hastened { deadline },
        };
        // What waits for an answer was not begun.
        let starts = !known.drains || matches!(known.asked, Some(Act::Drain { .. }));
        let act = |consent| {
            if starts {
                Act::Drain { deadline, consent }
            } else {
                Act::Hasten { deadline, consent }
            }
        };
        known.drains = true;
        known.urgent = true;
        match self.consent(known, recent) {
            Ok(()) => {
                known.taken = true;
                known.asked = None;
                outcome(act(Consent::AtOnce), reason)
            }
            Err(reason) => {
                let act = act(Consent::ConfirmFirst);
                known.asked = Some(act);
                outcome(act, reason)
            }
        }
    }

    /// Whether the node may be taken on messages alone; then it counts.
    fn consent(&self, state: &State, recent: &mut Recent) -> Result<(), Reason> {
        if state.taken || state.confirmed {
            return Ok(());
        }
        let member = self.member;
        let cluster: Group = (member.cluster.clone(), None);
        let mut groups = vec![(cluster, member.cluster_at, 3)];
        if let (Some(zone), Some(at)) = (&member.zone, member.zone_at) {
            groups.push(((member.cluster.clone(), Some(zone.clone())), at, 1));
        }
        for (group, at, least) in &groups {
            let (name, population) = self.fleet.group(*at);
            let percent = u64::from(self.config.unconfirmed_percent);
            let most = u64::from(population) * percent / 100;
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            let most = most.max(u32::from(population >= *least && percent > 0));
            let nodes = recent.taken.count(group).saturating_add(1);
            if nodes > most {
                return Err(Reason::Unconfirmed {
                    nodes,
                    most,
                    of: name.to_owned(),
                });
            }
        }
        let until = after(self.now, seconds(self.config.unconfirmed_window_seconds));
        let groups = groups.into_iter().map(|(group, _, _)| group).collect();
        recent
            .taken
            .add(until, InstanceId::new(self.instance), groups);
        Ok(())
    }

    fn rebalance(&self, state: &mut Option<State>, recent: &mut Recent) -> Outcome {
        let change = self.raise(state, Stage::AtRisk, None);
        let mut out = match (change, state.as_mut()) {
            (Change::Up, Some(state)) => self.rebalance_act(state, recent),
            _ => Self::known(state, change),
        };
        self.add_evidence(&mut out, PoolEventKind::RebalanceRecommendation, state);
        out
    }

    fn rebalance_act(&self, state: &mut State, recent: &mut Recent) -> Outcome {
        let config = self.config;
        let pool = self.member.pool.as_deref();
        let policy = pool.and_then(|p| config.rebalance_pools.get(p));
        let policy = *policy.unwrap_or(&config.rebalance);
        if policy == RebalancePolicy::Mark {
            return outcome(Act::Mark, Reason::AtRisk);
        }
        let age = self
            .member
            .since
            .map(|since| (self.now - since).num_seconds());
        let youngest = i64::from(config.rebalance_min_age_minutes).saturating_mul(60);
        if age.is_none_or(|age| age < youngest) {
            return outcome(Act::Mark, Reason::TooYoung { age_seconds: age });
        }
        let name = pool.unwrap_or_default().to_owned();
        let key = (self.member.cluster.clone(), name.clone());
        let size = u64::from(self.fleet.pool_size(&key.0, &name));
        let most = size * u64::from(config.rebalance_max_percent) / 100;
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        let acts = recent.rebalanced.count(&key);
        if acts >= most {
            let guard = Reason::LoopGuard {
                pool: name,
                acts,
                most,
            };
            return outcome(Act::Mark, guard);
        }
        let reason = Reason::Rebalance { pool: name };
        let act = if policy == RebalancePolicy::Drain {
            state.drains = true;
            Act::PlanDrain { before: None }
        } else {
            match self.consent(state, recent) {
                Ok(()) => state.taken = true,
                Err(unconfirmed) => return outcome(Act::Mark, unconfirmed),
            }
            Act::Cordon {
                consent: Consent::AtOnce,
            }
        };
        let until = after(self.now, TimeDelta::hours(1));
        let instance = InstanceId::new(self.instance);
        recent.rebalanced.add(until, instance, vec![key]);
        outcome(act, reason)
    }

    fn scheduled(
        &self,
        event: &Event<'_>,
        start: Option<DateTime<Utc>>,
        state: &mut Option<State>,
    ) -> Outcome {
        if self.is_closed {
            return outcome(Act::Nothing, Reason::ChangeClosed);
        }
        let Some(start) = start else {
            return outcome(Act::Nothing, Reason::NoStart);
        };
        if start <= self.now {
            return outcome(Act::Verify, Reason::Late { deadline: start });
        }
        let change = self.raise(state, Stage::Scheduled, Some(start));
        let Some(known) = state.as_mut() else {
            return outcome(Act::Nothing, Reason::NoStart);
        };
        if matches!(change, Change::Same | Change::Lower) {
            return Self::known(state, change);
        }
        known.work = Some(Key::text(&event.id));
        if !is_soon(self.config, start, self.now) {
            return outcome(Act::Wait { start }, Reason::BeyondHorizon { start });
        }
        let act = if known.drains {
            Act::Limit { before: start }
        } else {
            Act::PlanDrain {
                before: Some(start),
            }
        };
        known.drains = true;
        outcome(act, Reason::Scheduled { start })
    }

    fn closed(&self, event: &Event<'_>, state: &mut Option<State>) -> Outcome {
        let is_this = state.as_ref().is_some_and(|s| {
            s.standing.stage == Stage::Scheduled && s.work == Some(Key::text(&event.id))
        });
        let act = match state {
            Some(known) if is_this => {
                let was_acted_on = known.drains || known.taken;
                *state = None;
                if was_acted_on {
                    Act::Cancel
                } else {
                    Act::Nothing
                }
            }
            _ => Act::Nothing,
        };
        outcome(act, Reason::ChangeClosed)
    }

    fn runs(&self, event: &Event<'_>, new: NewState, state: &mut Option<State>) -> Outcome {
        let stopped = state.as_ref().is_some_and(|s| {
            let restarts = matches!(s.stops_by, Some(NewState::Stopping | NewState::Stopped));
            restarts && event.at.is_some_and(|at| at > s.noticed_at)
        });
        if !stopped {
            return outcome(Act::Nothing, Reason::StateOfNoConcern { state: new });
        }
        let was_taken = state.take().is_some_and(|s| s.taken);
        let act = if was_taken {
            let by = after(self.now, seconds(self.config.uncordon_within_seconds));
            Act::Uncordon { by }
        } else {
            Act::Nothing
        };
        outcome(act, Reason::StartedAgain)
    }

    fn gone(&self, new: NewState, late_from: DateTime<Utc>, state: &mut Option<State>) -> Outcome {
        if late_from <= self.now {
            return outcome(
                Act::Verify,
                Reason::Late {
                    deadline: late_from,
                },
            );
        }
        let change = self.raise(state, Stage::Gone, None);
        if change != Change::Up {
            return Self::known(state, change);
        }
        if let Some(known) = state {
            known.asked = None;
            known.stops_by = Some(match known.stops_by {
                // Terminated instances do not come back.
                Some(NewState::ShuttingDown) => NewState::ShuttingDown,
                _ => new,
            });
        }
        outcome(Act::CleanUp, Reason::Gone { state: new })
    }

    /// A notice is evidence about the pool, even one that came too late.
    fn add_evidence(&self, out: &mut Outcome, kind: PoolEventKind, state: &mut Option<State>) {
        let told = matches!(out.reason, Reason::Surpassed { .. } | Reason::Known { .. });
        let Some(offering) = self.member.offering.as_ref().filter(|_| !told) else {
            return;
        };
        if !self.member.is_spot() || matches!(out.reason, Reason::Hastened { .. }) {
            return;
        }
        let event = PoolEvent {
            offering: offering.clone(),
            kind,
            at: self.given,
            instance: Some(InstanceId::new(self.instance)),
        };
        if let Some(state) = state {
            state.evidence = Some(event.clone());
        }
        out.evidence = Some(event);
    }
}

/// Whether work that begins at `start` is within the horizon.
pub(super) fn is_soon(config: &Config, start: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    start <= after(now, TimeDelta::hours(i64::from(config.horizon_hours)))
}
