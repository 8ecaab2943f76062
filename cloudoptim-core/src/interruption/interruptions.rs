//! From messages to decisions.

use super::config::{Config, Error, Queue};
use super::confirm::Confirmation;
use super::decision::{Act, Consent, Decision, Entry, NodeRef, Receipt, Step, Verdict};
use super::judge::{Case, Outcome, Recent, State, after, is_soon, seconds};
use super::lattice::{Stage, Standing};
use super::memory::{Events, Key, Seen};
use super::message::{Event, Message, NewState, Notice, read};
use super::reason::{Class, Reason, shown};
use super::scope::{Fleet, Scope};
use crate::model::{InstanceId, NodeName};
use crate::version::Version;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// No state is kept longer than that, whatever a message says.
const LONGEST: TimeDelta = TimeDelta::days(90);

/// What is known of the instances of some clusters, and what each message
/// changes about it.
///
/// Messages may come twice, late, early, in any order, forged, or for others.
/// However they come, one drain is asked for per instance: later notices hasten
/// it or change nothing.
///
/// A decision is made final by [`done`](Self::done) or taken back by
/// [`failed`](Self::failed); until then copies of its message are left in the
/// queue. Losing all state (a crash) is harmless: the messages that were not
/// deleted come again.
///
/// # Examples
/// ```
/// use cloudoptim_core::interruption::{Act, Config, Consent, Fleet, Interruptions, Message, Scope, Verdict};
/// use cloudoptim_core::knowledge::{Knowledge, Provenance};
/// use cloudoptim_core::model::{Cluster, Node};
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// let mut nodes = Vec::new();
/// for (name, id) in [("a", "i-0a"), ("b", "i-0b"), ("c", "i-0c")] {
///     let mut node = Node { provider_id: Some(format!("aws:///us-east-1a/{id}")), ..Node::default() };
///     node.meta.name = name.into();
///     nodes.push(node);
/// }
/// let nodes = Knowledge::complete(nodes, Provenance::new("test", "c"));
/// let mut fleet = Fleet::default();
/// fleet.add(&Cluster { nodes, ..Cluster::default() }, None);
///
/// let scope = Scope::new(["111122223333".into()], ["us-east-1".into()])?;
/// let mut interruptions = Interruptions::new(Config::default(), scope)?;
/// let message = Message {
///     body: br#"{"version":"0","id":"7","detail-type":"EC2 Spot Instance Interruption Warning",
///       "source":"aws.ec2","account":"111122223333","time":"2026-03-03T11:25:35Z",
///       "region":"us-east-1","resources":["arn:aws:ec2:us-east-1a:instance/i-0b"],
///       "detail":{"instance-id":"i-0b","instance-action":"terminate"}}"#,
///     sent_at: None,
///     receives: 1,
/// };
/// let at: DateTime<Utc> = "2026-03-03T11:25:35Z".parse()?;
/// let now = at + TimeDelta::seconds(2);
/// let decision = interruptions.receive(message, &fleet, now);
/// assert_eq!(decision.verdict, Verdict::Ack);
/// let deadline = at + TimeDelta::seconds(120);
/// assert_eq!(decision.steps[0].act, Act::Drain { deadline, consent: Consent::AtOnce });
///
/// // The host cordons, writes the drain down, and only then deletes the message.
/// interruptions.done(&decision.receipt);
/// let again = interruptions.receive(message, &fleet, now);
/// assert_eq!(again.steps[0].act, Act::Nothing);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Interruptions {
    config: Config,
    scope: Scope,
    events: Events,
    states: BTreeMap<InstanceId, State>,
    /// States in the order in which they run out.
    expiry: BTreeSet<(DateTime<Utc>, InstanceId)>,
    recent: Recent,
    /// The latest moment that was seen: what is remembered never gets younger.
    clock: DateTime<Utc>,
}

impl Interruptions {
    /// Starts with nothing known.
    ///
    /// # Errors
    /// [`Error::BadSetting`] for a setting out of range.
    pub fn new(config: Config, scope: Scope) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self {
            events: Events::new(config.max_remembered),
            config,
            scope,
            states: BTreeMap::new(),
            expiry: BTreeSet::new(),
            recent: Recent::default(),
            clock: DateTime::<Utc>::MIN_UTC,
        })
    }

    /// The settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Events that are remembered, and instances whose state is kept.
    pub fn size(&self) -> (usize, usize) {
        (self.events.len(), self.states.len())
    }

    /// Decides about a message. Never panics, whatever the message holds.
    pub fn receive(&mut self, message: Message<'_>, fleet: &Fleet, now: DateTime<Utc>) -> Decision {
        self.advance(now);
        let event = match read(&self.config, message.body) {
            Ok(event) => event,
            Err(reason) => return self.unread(reason),
        };
        let mut decision = match self.out_of_scope(&event) {
            Some(reason) => self.unread(reason),
            None => self.judge(&event, message, fleet, now),
        };
        decision.kind = Some(event.kind());
        decision
    }

    /// Moves on to `now`, and forgets what is over.
    fn advance(&mut self, now: DateTime<Utc>) {
        self.clock = self.clock.max(now);
        self.events.prune(self.clock);
        self.recent.taken.prune(self.clock);
        self.recent.rebalanced.prune(self.clock);
        self.trim();
    }

    /// Forgets states that ran out, and the next to do so while there are too
    /// many.
    fn trim(&mut self) {
        let most = usize::try_from(self.config.max_instances).unwrap_or(usize::MAX);
        while let Some((at, _)) = self.expiry.first() {
            if *at > self.clock && self.states.len() <= most {
                break;
            }
            if let Some((_, instance)) = self.expiry.pop_first() {
                self.states.remove(&instance);
            }
        }
    }

    /// The decision about a message that is not for us or says nothing.
    fn unread(&self, reason: Reason) -> Decision {
        let reason = match reason {
            Reason::UnknownDetailType { source, .. } if self.scope.is_canary(&source) => {
                return Decision::of_message(Verdict::Ack, Reason::Canary);
            }
            other => other,
        };
        let shared = self.config.queue == Queue::Shared;
        let verdict = match reason.class() {
            Class::Unreadable => Verdict::Quarantine,
            Class::Ignored | Class::Foreign if shared => Verdict::Leave,
            Class::Foreign => Verdict::Quarantine,
            Class::Ignored | Class::Judged => Verdict::Ack,
        };
        Decision::of_message(verdict, reason)
    }

    fn out_of_scope(&self, event: &Event<'_>) -> Option<Reason> {
        let accounts = [Some(&event.account), event.through.as_ref()];
        for account in accounts.into_iter().flatten() {
            if !self.scope.has_account(account) {
                let account = shown(account);
                return Some(Reason::ForeignAccount { account });
            }
        }
        let region = event.region.as_deref()?;
        let foreign = !self.scope.has_region(region);
        foreign.then(|| Reason::ForeignRegion {
            region: shown(region),
        })
    }

    fn judge(
        &mut self,
        event: &Event<'_>,
        message: Message<'_>,
        fleet: &Fleet,
        now: DateTime<Utc>,
    ) -> Decision {
        let given = [event.at, message.sent_at, Some(now)];
        let given = given.into_iter().flatten().min().unwrap_or(now);
        let mut steps = Vec::with_capacity(event.instances.len());
        let mut receipt = Vec::new();
        let incoming = Incoming {
            event,
            receives: message.receives,
            given,
            fleet,
            now,
        };
        for instance in &event.instances {
            steps.push(self.step(incoming, instance, &mut receipt));
        }
        let verdict = self.verdict(&steps, message.receives);
        let reason = match steps.as_slice() {
            [only] => only.reason.clone(),
            many => Reason::Several {
                instances: u32::try_from(many.len()).unwrap_or(u32::MAX),
            },
        };
        let skew = event.at.zip(message.sent_at);
        let skew = skew.map(|(at, sent)| (at - sent).num_seconds());
        let most = i64::from(self.config.max_skew_seconds);
        Decision {
            version: Version::KNOWN,
            verdict,
            reason,
            kind: None,
            skew_seconds: skew.filter(|s| s.abs() > most),
            steps,
            receipt: Receipt(receipt),
        }
    }

    fn step(&mut self, incoming: Incoming<'_>, instance: &str, receipt: &mut Vec<Entry>) -> Step {
        let Incoming {
            event,
            receives,
            given,
            fleet,
            now,
        } = incoming;
        let nothing = |reason| step(instance, Act::Nothing, reason);
        let Some(member) = fleet.get(instance) else {
            let was_ours = self.states.contains_key(instance);
            return nothing(missing(event, instance, given, fleet, was_ours));
        };
        let key = key(event, instance);
        match self.events.get(&key) {
            Some(Seen::Done) => return nothing(Reason::Duplicate),
            Some(Seen::InHand) => return nothing(Reason::InHand),
            None => {}
        }
        if receives >= self.config.max_receives {
            return nothing(Reason::Poison { receives });
        }
        let is_closed = matches!(event.notice, Notice::ScheduledChange { closed: false, .. })
            && self
                .events
                .get(&Key::new(event, CLOSED, instance))
                .is_some();
        let mut state = self.states.get(instance).cloned();
        let case = Case {
            config: &self.config,
            fleet,
            member,
            instance,
            given,
            now,
            is_closed,
        };
        let Outcome {
            act,
            reason,
            evidence,
        } = case.judge(event, &mut state, &mut self.recent);
        let mut before = None;
        if state.as_ref() != self.states.get(instance) {
            before = self.take(instance).map(Box::new);
            if let Some(mut state) = state {
                state.by = Some(key);
                self.keep(InstanceId::new(instance), state, now);
            }
        }
        let hook = match &event.notice {
            Notice::AsgLifecycleTerminate { hook } => Some(hook.clone()),
            _ => None,
        };
        let is_act = !matches!(act, Act::Nothing) || hook.is_some() || evidence.is_some();
        let seen = if is_act { Seen::InHand } else { Seen::Done };
        let until = after(self.clock, seconds(self.config.remember_seconds));
        self.events.put(key, seen, until);
        if is_act {
            receipt.push(Entry {
                instance: InstanceId::new(instance),
                key,
                before,
            });
        }
        Step {
            node: Some(NodeRef {
                cluster: member.cluster.clone(),
                name: member.node.clone(),
                uid: member.uid.clone(),
            }),
            hook,
            evidence,
            ..step(instance, act, reason)
        }
    }

    /// Takes a state out, to be changed.
    fn take(&mut self, instance: &str) -> Option<State> {
        let (id, state) = self.states.remove_entry(instance)?;
        self.expiry.remove(&(state.expires, id));
        Some(state)
    }

    /// Puts a state back.
    fn keep(&mut self, instance: InstanceId, mut state: State, now: DateTime<Utc>) {
        let deadline = state.standing.deadline.unwrap_or(now).max(self.clock);
        let deadline = deadline.min(after(self.clock, LONGEST));
        state.expires = after(deadline, seconds(self.config.remember_seconds));
        self.expiry.insert((state.expires, instance.clone()));
        self.states.insert(instance, state);
        self.trim();
    }

    fn verdict(&self, steps: &[Step], receives: u32) -> Verdict {
        let shared = self.config.queue == Queue::Shared;
        let any = |is: fn(&Reason) -> bool| steps.iter().any(|s| is(&s.reason));
        let unknown = any(|r| matches!(r, Reason::NotKnownYet | Reason::AmbiguousInstance));
        if unknown && receives < self.config.max_receives {
            return Verdict::Retry;
        }
        if any(|r| matches!(r, Reason::InHand)) {
            return Verdict::Leave;
        }
        if any(|r| matches!(r, Reason::Poison { .. })) {
            return Verdict::Quarantine;
        }
        if shared && (unknown || any(|r| matches!(r, Reason::NotOurs))) {
            return Verdict::Leave;
        }
        if unknown {
            Verdict::Quarantine
        } else {
            Verdict::Ack
        }
    }

    /// The acts of a decision are under way, and its message is deleted:
    /// copies of it may be deleted too.
    pub fn done(&mut self, receipt: &Receipt) {
        for entry in &receipt.0 {
            self.events.set(&entry.key, Seen::Done);
        }
    }

    /// The acts of a decision could not be begun: its message, when it comes
    /// again, is judged anew. What later messages changed since then stays.
    pub fn failed(&mut self, receipt: &Receipt) {
        for entry in &receipt.0 {
            self.events.forget(&entry.key);
            let Some(state) = self.take(entry.instance.as_str()) else {
                continue;
            };
            if state.by != Some(entry.key) {
                self.put_back(&entry.instance, state);
                continue;
            }
            let was_taken = entry.before.as_ref().is_some_and(|s| s.taken);
            if state.taken && !was_taken {
                self.recent.taken.remove(&entry.instance);
            }
            if let Some(before) = &entry.before {
                self.put_back(&entry.instance, State::clone(before));
            }
        }
    }

    fn put_back(&mut self, instance: &InstanceId, state: State) {
        self.expiry.insert((state.expires, instance.clone()));
        self.states.insert(instance.clone(), state);
    }

    /// Instances to ask EC2 about, in id order, with what is said of them and
    /// when that was: those that are drained or wait for an answer, and were
    /// not confirmed.
    pub fn unconfirmed(&self) -> impl Iterator<Item = (&InstanceId, Stage, DateTime<Utc>)> {
        let open = |s: &State| !s.confirmed && (s.urgent || s.asked.is_some());
        let states = self.states.iter();
        states.filter_map(move |(id, s)| open(s).then_some((id, s.standing.stage, s.noticed_at)))
    }

    /// Takes EC2's answer about an instance, and says what follows.
    ///
    /// | answer | what waited for it | what was begun without it |
    /// | --- | --- | --- |
    /// | confirmed | is due now | goes on |
    /// | contradicted | is off | our cordon is taken back |
    /// | unavailable | waits on | goes on |
    pub fn answer(
        &mut self,
        instance: &InstanceId,
        answer: Confirmation,
        now: DateTime<Utc>,
    ) -> Step {
        self.advance(now);
        let id = instance.as_str();
        let Some(mut state) = self.take(id) else {
            return step(id, Act::Nothing, Reason::NothingPending);
        };
        let node = Some(state.node.clone());
        let (act, reason) = match answer {
            Confirmation::Confirmed => {
                state.confirmed = true;
                // What EC2 says needs no limit.
                self.recent.taken.remove(instance);
                let act = match state.asked.take() {
                    Some(act) => {
                        state.taken = true;
                        at_once(act)
                    }
                    None => Act::Nothing,
                };
                self.put_back(instance, state);
                (act, Reason::Confirmed)
            }
            Confirmation::Contradicted => {
                self.recent.taken.remove(instance);
                let by = after(now, seconds(self.config.uncordon_within_seconds));
                let act = if state.taken {
                    Act::Uncordon { by }
                } else {
                    Act::Nothing
                };
                let withdrawn = state.evidence.take();
                return Step {
                    node,
                    withdrawn,
                    ..step(id, act, Reason::Contradicted)
                };
            }
            Confirmation::Unavailable => {
                self.put_back(instance, state);
                (Act::Nothing, Reason::NoAnswer)
            }
        };
        Step {
            node,
            ..step(id, act, reason)
        }
    }

    /// Drains of announced work that has come within the horizon, in id order,
    /// each once.
    pub fn due(&mut self, now: DateTime<Utc>) -> Vec<Step> {
        self.advance(now);
        let mut due = Vec::new();
        for (id, state) in &mut self.states {
            let Standing {
                stage: Stage::Scheduled,
                deadline: Some(start),
            } = state.standing
            else {
                continue;
            };
            if state.drains || !is_soon(&self.config, start, now) {
                continue;
            }
            state.drains = true;
            let before = Some(start);
            due.push(Step {
                node: Some(state.node.clone()),
                ..step(
                    id.as_str(),
                    Act::PlanDrain { before },
                    Reason::Scheduled { start },
                )
            });
        }
        due
    }

    /// Nodes that no pod should be moved onto: some notice of them holds.
    pub fn at_risk(&self) -> BTreeSet<NodeName> {
        self.states.values().map(|s| s.node.name.clone()).collect()
    }
}

/// An event as it came.
#[derive(Clone, Copy)]
struct Incoming<'c> {
    event: &'c Event<'c>,
    receives: u32,
    given: DateTime<Utc>,
    fleet: &'c Fleet,
    now: DateTime<Utc>,
}

/// Marks the key of work that was closed.
const CLOSED: &str = "closed";

fn key(event: &Event<'_>, instance: &str) -> Key {
    match &event.notice {
        Notice::ScheduledChange { closed: true, .. } => Key::new(event, CLOSED, instance),
        Notice::ScheduledChange { start, .. } => {
            let start = start.map_or_else(String::new, |s| s.timestamp().to_string());
            Key::new(event, &start, instance)
        }
        _ => Key::new(event, "", instance),
    }
}

/// Why an instance has no node.
fn missing(
    event: &Event<'_>,
    instance: &str,
    given: DateTime<Utc>,
    fleet: &Fleet,
    was_ours: bool,
) -> Reason {
    if fleet.is_ambiguous(instance) {
        return Reason::AmbiguousInstance;
    }
    // What starts or is gone has no node yet, or none any more.
    let no_node = match &event.notice {
        Notice::StateChange { state } => *state != NewState::Stopping,
        _ => false,
    };
    match (no_node || fleet.knows_all_of(given), was_ours) {
        (true, true) => Reason::NodeLeft,
        (true, false) => Reason::NotOurs,
        (false, _) => Reason::NotKnownYet,
    }
}

fn step(instance: &str, act: Act, reason: Reason) -> Step {
    Step {
        instance: InstanceId::new(instance),
        node: None,
        act,
        reason,
        hook: None,
        evidence: None,
        withdrawn: None,
    }
}

/// The same act, with no question left.
const fn at_once(act: Act) -> Act {
    let consent = Consent::AtOnce;
    match act {
        Act::Cordon { .. } => Act::Cordon { consent },
        Act::Drain { deadline, .. } => Act::Drain { deadline, consent },
        Act::Hasten { deadline, .. } => Act::Hasten { deadline, consent },
        other => other,
    }
}
