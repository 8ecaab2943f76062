//! What a message says.

use super::arn;
use super::config::Config;
use super::raw::{Body, Detail, Object, Text};
use super::reason::{Reason, shown};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// A message as the queue hands it out.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Body, as bytes: nothing is known of it.
    pub body: &'a [u8],
    /// When the queue took it in (`SentTimestamp`), by the queue's clock.
    pub sent_at: Option<DateTime<Utc>>,
    /// How often it was handed out, this time too (`ApproximateReceiveCount`).
    pub receives: u32,
}

/// The kinds of events that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// EC2 says that an instance is more likely than others to be taken back.
    Rebalance,
    /// AWS Health announces work on a machine.
    ScheduledChange,
    /// A scaling group is about to terminate an instance, and waits for us.
    AsgLifecycleTerminate,
    /// EC2 takes a spot instance back.
    SpotInterruption,
    /// EC2 takes an instance in a capacity reservation back.
    CapacityReservationInterruption,
    /// An instance is in another state now.
    StateChange,
}

impl Kind {
    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rebalance => "rebalance",
            Self::ScheduledChange => "scheduled_change",
            Self::AsgLifecycleTerminate => "asg_lifecycle_terminate",
            Self::SpotInterruption => "spot_interruption",
            Self::CapacityReservationInterruption => "capacity_reservation_interruption",
            Self::StateChange => "state_change",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! exact {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// The word that AWS uses.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The whole word, in letters of either case, or nothing.
            fn read(text: &str) -> Option<Self> {
                [$(Self::$variant),*].into_iter().find(|v| text.eq_ignore_ascii_case(v.word()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

exact!(
    /// What an interruption does to the instance.
    Interruption {
        /// It is terminated.
        Terminate = "terminate",
        /// It is stopped, and may start again.
        Stop = "stop",
        /// It is frozen, at once.
        Hibernate = "hibernate",
    }
);

exact!(
    /// The state that an instance has now.
    NewState {
        /// Starting.
        Pending = "pending",
        /// Running.
        Running = "running",
        /// Stopping.
        Stopping = "stopping",
        /// Stopped.
        Stopped = "stopped",
        /// On its way to terminated.
        ShuttingDown = "shutting-down",
        /// Gone for good.
        Terminated = "terminated",
    }
);

/// A lifecycle hook that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Scaling group.
    pub group: String,
    /// Name of the hook.
    pub name: String,
    /// What its answer has to name.
    pub token: String,
}

/// What an event says beside whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// [`Kind::Rebalance`].
    Rebalance,
    /// [`Kind::ScheduledChange`].
    ScheduledChange {
        /// It was called off or is over.
        closed: bool,
        /// When it starts.
        start: Option<DateTime<Utc>>,
    },
    /// [`Kind::AsgLifecycleTerminate`].
    AsgLifecycleTerminate {
        /// What to answer.
        hook: Hook,
    },
    /// [`Kind::SpotInterruption`].
    SpotInterruption {
        /// What happens to the instance.
        action: Interruption,
    },
    /// [`Kind::CapacityReservationInterruption`].
    CapacityReservationInterruption {
        /// When the instance is terminated, where the event says so.
        ends_at: Option<DateTime<Utc>>,
    },
    /// [`Kind::StateChange`].
    StateChange {
        /// The state now.
        state: NewState,
    },
}

/// An event about instances, as it was read: nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What tells it from others of its kind: the envelope's id, the token of a
    /// lifecycle hook, or the ARN of a Health event.
    pub id: Cow<'a, str>,
    /// Account of the instances.
    pub account: Cow<'a, str>,
    /// Account that the event came from, where it is another one.
    pub through: Option<Cow<'a, str>>,
    /// Region; `None` where the form has none (a hook that writes to the queue
    /// itself).
    pub region: Option<Cow<'a, str>>,
    /// When it happened; `None` when that is absent or no time.
    pub at: Option<DateTime<Utc>>,
    /// What it says.
    pub notice: Notice,
    /// Instances that it is about, in its order, at least one.
    pub instances: Vec<Cow<'a, str>>,
}

impl Event<'_> {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self.notice {
            Notice::Rebalance => Kind::Rebalance,
            Notice::ScheduledChange { .. } => Kind::ScheduledChange,
            Notice::AsgLifecycleTerminate { .. } => Kind::AsgLifecycleTerminate,
            Notice::SpotInterruption { .. } => Kind::SpotInterruption,
            Notice::CapacityReservationInterruption { .. } => Kind::CapacityReservationInterruption,
            Notice::StateChange { .. } => Kind::StateChange,
        }
    }

    fn into_owned(self) -> Event<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Event {
            id: own(self.id),
            account: own(self.account),
            through: self.through.map(own),
            region: self.region.map(own),
            at: self.at,
            notice: self.notice,
            instances: self.instances.into_iter().map(own).collect(),
        }
    }
}

/// Reads a message body of any form: an event of EventBridge, a lifecycle hook
/// that writes to the queue itself, or either within a notification of SNS.
///
/// Words are compared whole (in letters of either case): `stop` is no state.
/// An event that names a resource other than its instance is refused, as is
/// one with the type of an AWS event and another source.
///
/// # Errors
/// A [`Reason`] whose [`class`](Reason::class) says whether the body cannot be
/// read, is of no concern, or contradicts itself.
///
/// # Examples
/// ```
/// use cloudoptim_core::interruption::{Config, Kind, read};
///
/// let body = br#"{"version":"0","id":"7","detail-type":"EC2 Instance Rebalance Recommendation",
///   "source":"aws.ec2","account":"111122223333","time":"2026-03-06T14:22:32Z",
///   "region":"us-east-1","resources":["arn:aws:ec2:us-east-1b:instance/i-0a1b2c3d4e5f60718"],
///   "detail":{"instance-id":"i-0a1b2c3d4e5f60718"}}"#;
/// let event = read(&Config::default(), body).map_err(|r| r.to_string())?;
/// assert_eq!(event.kind(), Kind::Rebalance);
/// assert_eq!(event.instances, ["i-0a1b2c3d4e5f60718"]);
///
/// let refused = read(&Config::default(), b"[]").unwrap_err();
/// assert_eq!(refused.to_string(), "the body is no JSON object");
/// # Ok::<(), String>(())
/// ```
pub fn read<'a>(config: &Config, body: &'a [u8]) -> Result<Event<'a>, Reason> {
    let raw = parse(config, body)?;
    match raw.notification.as_str() {
        None => event(raw),
        Some("Notification") => {
            let Some(inner) = raw.message.as_str() else {
                return Err(missing("Message"));
            };
            let inner = parse(config, inner.as_bytes())?;
            if !inner.notification.is_absent() {
                return Err(Reason::WrappedTwice);
            }
            event(inner).map(Event::into_owned)
        }
        Some(other) => Err(Reason::NotANotification {
            notification: shown(other),
        }),
    }
}

fn parse<'a>(config: &Config, body: &'a [u8]) -> Result<Body<'a>, Reason> {
    let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if bytes > u64::from(config.max_body_bytes) {
        return Err(Reason::TooLarge {
            bytes,
            most: u64::from(config.max_body_bytes),
        });
    }
    let text = std::str::from_utf8(body).map_err(|_| Reason::NotUtf8)?;
    if is_deeper(body, config.max_depth) {
        return Err(Reason::TooDeep {
            most: config.max_depth,
        });
    }
    let first = body.iter().find(|b| !b.is_ascii_whitespace());
    match first {
        Some(b'{') => {}
        Some(b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => {
            return Err(Reason::NotAnObject);
        }
        _ => return Err(Reason::NotJson { line: 1, column: 1 }),
    }
    serde_json::from_str(text).map_err(|err| {
        if err.is_data() {
            return Reason::DuplicateKey;
        }
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Reason::NotJson {
            line: small(err.line()),
            column: small(err.column()),
        }
    })
}

/// Whether brackets are nested deeper than `most`.
fn is_deeper(body: &[u8], most: u32) -> bool {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let opens = body.iter().filter(|b| matches!(b, b'{' | b'[')).count();
    if opens <= most {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in body {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

fn missing(field: &str) -> Reason {
    Reason::MissingField {
        field: field.to_owned(),
    }
}

/// A text that has to be there.
fn needed<'a>(field: &str, text: Text<'a>) -> Result<Cow<'a, str>, Reason> {
    match text {
        Text::Is(text) if !text.is_empty() => Ok(text),
        Text::Other => Err(Reason::WrongType {
            field: field.to_owned(),
        }),
        Text::Is(_) | Text::Absent => Err(missing(field)),
    }
}

fn instance_id<'a>(field: &str, text: Text<'a>) -> Result<Cow<'a, str>, Reason> {
    let id = needed(field, text)?;
    if is_instance_id(&id) {
        Ok(id)
    } else {
        Err(Reason::BadInstanceId { id: shown(&id) })
    }
}

/// `i-` and letters or digits: no space, no control character, nothing that
/// only looks like a letter.
fn is_instance_id(text: &str) -> bool {
    let tail = text.strip_prefix("i-").unwrap_or_default().as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=32).contains(&tail.len()) && tail.iter().all(plain)
}

fn time(text: &Text<'_>) -> Option<DateTime<Utc>> {
    let text = text.as_str()?;
    let at = DateTime::parse_from_rfc3339(text);
    let at = at.or_else(|_| DateTime::parse_from_rfc2822(text));
    at.ok().map(|at| at.with_timezone(&Utc))
}

/// The kinds of detail, by type and source of the event.
enum Form {
    Rebalance,
    Spot,
    Capacity,
    State,
    Health,
    HookTerminate,
    HookLaunch,
}

impl Form {
    fn of(detail_type: &str) -> Option<(Self, &'static str)> {
        Some(match detail_type {
            "EC2 Spot Instance Interruption Warning" => (Self::Spot, "aws.ec2"),
            "EC2 Instance Rebalance Recommendation" => (Self::Rebalance, "aws.ec2"),
            "EC2 Instance State-change Notification" => (Self::State, "aws.ec2"),
            // The documentation has the first name, a widely used reader the second.
            "EC2 Interruptible Capacity Reservation Instance Interruption Warning"
            | "EC2 Capacity Reservation Instance Interruption Warning" => {
                (Self::Capacity, "aws.ec2")
            }
            "AWS Health Event" => (Self::Health, "aws.health"),
            "EC2 Instance-terminate Lifecycle Action" => (Self::HookTerminate, "aws.autoscaling"),
            "EC2 Instance-launch Lifecycle Action" => (Self::HookLaunch, "aws.autoscaling"),
            _ => return None,
        })
    }
}

fn event(raw: Body<'_>) -> Result<Event<'_>, Reason> {
    if raw.detail_type.is_absent() {
        let is_hook = !raw.transition.is_absent() || !raw.event.is_absent();
        return if is_hook {
            direct_hook(raw)
        } else {
            Err(Reason::NotAnEvent)
        };
    }
    let detail_type = needed("detail-type", raw.detail_type)?;
    let source = needed("source", raw.source)?;
    let version = needed("version", raw.version)?;
    if version != "0" {
        return Err(Reason::UnknownVersion {
            version: shown(&version),
        });
    }
    let Some((form, from)) = Form::of(&detail_type) else {
        return Err(Reason::UnknownDetailType {
            detail_type: shown(&detail_type),
            source: shown(&source),
        });
    };
    // PutEvents does not take a source of AWS.
    if source != from {
        return Err(Reason::ForeignSource {
            source: shown(&source),
        });
    }
    let detail = match raw.detail {
        Object::Is(detail) => detail,
        Object::Absent => return Err(missing("detail")),
        Object::Other => {
            return Err(Reason::WrongType {
                field: "detail".to_owned(),
            });
        }
    };
    let envelope = Envelope {
        id: needed("id", raw.id)?,
        account: needed("account", raw.account)?,
        region: needed("region", raw.region)?,
        at: time(&raw.time),
        resources: raw.resources.0,
    };
    match form {
        Form::Health => envelope.health(detail),
        Form::HookTerminate => envelope.hook(detail),
        Form::HookLaunch => Err(Reason::LaunchHook),
        form => envelope.ec2(&form, detail),
    }
}

struct Envelope<'a> {
    id: Cow<'a, str>,
    account: Cow<'a, str>,
    region: Cow<'a, str>,
    at: Option<DateTime<Utc>>,
    resources: Vec<Text<'a>>,
}

impl<'a> Envelope<'a> {
    fn ec2(self, form: &Form, detail: Detail<'a>) -> Result<Event<'a>, Reason> {
        let instance = instance_id("detail.instance-id", detail.instance_id)?;
        let resource = self.resources.first().and_then(Text::as_str);
        let agrees = resource
            .is_some_and(|arn| arn::is_instance(arn, &self.account, &self.region, &instance));
        if !agrees {
            return Err(Reason::ResourceMismatch {
                instance: shown(&instance),
                resource: shown(resource.unwrap_or_default()),
            });
        }
        let notice = match form {
            Form::Spot => {
                let word = needed("detail.instance-action", detail.instance_action)?;
                let action = Interruption::read(&word);
                Notice::SpotInterruption {
                    action: action.ok_or_else(|| Reason::UnknownAction {
                        action: shown(&word),
                    })?,
                }
            }
            Form::Capacity => Notice::CapacityReservationInterruption {
                ends_at: time(&detail.termination_time),
            },
            Form::State => {
                let word = match detail.state {
                    Text::Is(word) => word,
                    other => needed("detail.state", other)?,
                };
                let state = NewState::read(&word);
                Notice::StateChange {
                    state: state.ok_or_else(|| Reason::UnknownState {
                        state: shown(&word),
                    })?,
                }
            }
            _ => Notice::Rebalance,
        };
        Ok(self.about(notice, vec![instance]))
    }

    fn about(self, notice: Notice, instances: Vec<Cow<'a, str>>) -> Event<'a> {
        Event {
            id: self.id,
            account: self.account,
            through: None,
            region: Some(self.region),
            at: self.at,
            notice,
            instances,
        }
    }

    fn hook(mut self, detail: Detail<'a>) -> Result<Event<'a>, Reason> {
        let hook = hook(
            detail.event,
            detail.transition,
            detail.group,
            detail.hook,
            detail.token,
        )?;
        let instance = instance_id("detail.EC2InstanceId", detail.instance)?;
        let resource = self.resources.first().and_then(Text::as_str);
        let agrees = resource
            .is_some_and(|arn| arn::is_group(arn, &self.account, &self.region, &hook.group));
        if !agrees {
            return Err(Reason::ResourceMismatch {
                instance: shown(&instance),
                resource: shown(resource.unwrap_or_default()),
            });
        }
        // The same hook may reach the queue on two ways.
        self.id = Cow::Owned(hook.token.clone());
        Ok(self.about(Notice::AsgLifecycleTerminate { hook }, vec![instance]))
    }

    fn health(mut self, detail: Detail<'a>) -> Result<Event<'a>, Reason> {
        let service = needed("detail.service", detail.service)?;
        if service != "EC2" {
            return Err(Reason::OtherService {
                service: shown(&service),
            });
        }
        let category = needed("detail.eventTypeCategory", detail.category)?;
        if category != "scheduledChange" {
            return Err(Reason::OtherCategory {
                category: shown(&category),
            });
        }
        let closed = match detail.status.as_str() {
            None | Some("upcoming") => false,
            Some("closed") => true,
            Some(other) => {
                return Err(Reason::NotUpcoming {
                    status: shown(other),
                });
            }
        };
        self.id = needed("detail.eventArn", detail.event_arn)?;
        let mut instances: Vec<Cow<'a, str>> = Vec::new();
        for entity in detail.entities.0 {
            let value = match entity {
                Object::Is(entity) => entity.value.into_cow(),
                Object::Absent | Object::Other => None,
            };
            // Volumes and zones are entities too.
            let id = value.map(|value| match value {
                Cow::Borrowed(text) => Cow::Borrowed(arn::tail(text)),
                Cow::Owned(text) => Cow::Owned(arn::tail(&text).to_owned()),
            });
            instances.extend(id.filter(|id| is_instance_id(id)));
        }
        if instances.is_empty() {
            return Err(Reason::NoInstances);
        }
        let mut named: BTreeSet<Cow<'a, str>> = BTreeSet::new();
        instances.retain(|id| named.insert(id.clone()));
        let listed = |text: &Text<'_>| text.as_str().is_some_and(|t| named.contains(arn::tail(t)));
        if !self.resources.is_empty() && !self.resources.iter().any(listed) {
            let resource = self.resources.first().and_then(Text::as_str);
            return Err(Reason::ResourceMismatch {
                instance: shown(instances.first().map_or("", |i| i)),
                resource: shown(resource.unwrap_or_default()),
            });
        }
        let start = time(&detail.start);
        let mut about = self.about(Notice::ScheduledChange { closed, start }, instances);
        if let Some(affected) = detail.affected_account.into_cow()
            && affected != about.account
        {
            about.through = Some(std::mem::replace(&mut about.account, affected));
        }
        Ok(about)
    }
}

/// A hook that writes to the queue itself.
fn direct_hook(raw: Body<'_>) -> Result<Event<'_>, Reason> {
    let hook = hook(raw.event, raw.transition, raw.group, raw.hook, raw.token)?;
    Ok(Event {
        id: Cow::Owned(hook.token.clone()),
        account: needed("AccountId", raw.account_id)?,
        through: None,
        region: None,
        at: time(&raw.hook_time),
        instances: vec![instance_id("EC2InstanceId", raw.instance)?],
        notice: Notice::AsgLifecycleTerminate { hook },
    })
}

fn hook(
    event: Text<'_>,
    transition: Text<'_>,
    group: Text<'_>,
    name: Text<'_>,
    token: Text<'_>,
) -> Result<Hook, Reason> {
    const TEST: &str = "autoscaling:TEST_NOTIFICATION";
    if event.as_str() == Some(TEST) || transition.as_str() == Some(TEST) {
        return Err(Reason::TestNotification);
    }
    let transition = needed("LifecycleTransition", transition)?;
    match transition.as_ref() {
        "autoscaling:EC2_INSTANCE_TERMINATING" => {}
        "autoscaling:EC2_INSTANCE_LAUNCHING" => return Err(Reason::LaunchHook),
        other => {
            return Err(Reason::UnknownTransition {
                transition: shown(other),
            });
        }
    }
    Ok(Hook {
        group: needed("AutoScalingGroupName", group)?.into_owned(),
        name: needed("LifecycleHookName", name)?.into_owned(),
        token: needed("LifecycleActionToken", token)?.into_owned(),
    })
}
