//! Reasons.

use super::lattice::Stage;
use super::message::{Interruption, NewState};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest piece of a message that a reason repeats, in characters.
const SHOWN: usize = 64;

/// A piece of a message, cut so that a reason stays short. Control characters
/// are escaped where it is printed.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// What a reason means for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// It cannot be read, or nobody can handle it.
    Unreadable,
    /// It is well formed and of no concern.
    Ignored,
    /// It is for somebody else, or pretends to be for us.
    Foreign,
    /// It was judged.
    Judged,
}

/// Why a message or an instance was treated as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Larger than a body may be.
    TooLarge {
        /// Its bytes.
        bytes: u64,
        /// The most.
        most: u64,
    },
    /// Brackets are nested too deep.
    TooDeep {
        /// The most.
        most: u32,
    },
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON, or cut.
    NotJson {
        /// Line of the error, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
    },
    /// A field stands twice: two readers may take different ones.
    DuplicateKey,
    /// JSON, but no object.
    NotAnObject,
    /// An object of none of the known forms.
    NotAnEvent,
    /// A notification of SNS within another.
    WrappedTwice,
    /// A field is absent or empty.
    MissingField {
        /// Field.
        field: String,
    },
    /// A field is no text or no object.
    WrongType {
        /// Field.
        field: String,
    },
    /// What should be an instance id is none.
    BadInstanceId {
        /// Its beginning.
        id: String,
    },
    /// It came back so often that it is put aside.
    Poison {
        /// How often it was handed out.
        receives: u32,
    },
    /// A version of the envelope that is not known.
    UnknownVersion {
        /// Version.
        version: String,
    },
    /// An event of a type that is not read.
    UnknownDetailType {
        /// Type.
        detail_type: String,
        /// Source.
        source: String,
    },
    /// An interruption of a kind that is not known.
    UnknownAction {
        /// Action.
        action: String,
    },
    /// A state that is not known.
    UnknownState {
        /// State.
        state: String,
    },
    /// A lifecycle transition that is not known.
    UnknownTransition {
        /// Transition.
        transition: String,
    },
    /// A scaling group tries its hook out.
    TestNotification,
    /// A hook of a launch: a node joins without our help.
    LaunchHook,
    /// SNS asks for a confirmation and the like.
    NotANotification {
        /// Type.
        notification: String,
    },
    /// A Health event about another service.
    OtherService {
        /// Service.
        service: String,
    },
    /// A Health event that announces no work.
    OtherCategory {
        /// Category.
        category: String,
    },
    /// A Health event that is neither ahead nor closed.
    NotUpcoming {
        /// Status.
        status: String,
    },
    /// A Health event that names no instance.
    NoInstances,
    /// Our own test event: the way from the bus to the queue works.
    Canary,
    /// The account is not in scope.
    ForeignAccount {
        /// Account.
        account: String,
    },
    /// The region is not in scope.
    ForeignRegion {
        /// Region.
        region: String,
    },
    /// The type of an AWS event, from another source.
    ForeignSource {
        /// Source.
        source: String,
    },
    /// The instance and the resource of the envelope are not the same.
    ResourceMismatch {
        /// Instance.
        instance: String,
        /// Resource.
        resource: String,
    },
    /// No node runs on the instance.
    NotOurs,
    /// A node ran on the instance, and is no more.
    NodeLeft,
    /// No node of the last reading runs on the instance, which may be younger
    /// than that.
    NotKnownYet,
    /// More than one node says that it runs on the instance.
    AmbiguousInstance,
    /// The same event was handled before.
    Duplicate,
    /// The same event is being handled.
    InHand,
    /// The time it gave was over when it came.
    Late {
        /// When it was over.
        deadline: DateTime<Utc>,
    },
    /// More than this was known already.
    Surpassed {
        /// What was known.
        by: Stage,
    },
    /// The same was known, with no later deadline.
    Known {
        /// The deadline that holds.
        deadline: Option<DateTime<Utc>>,
    },
    /// Less time is left than was known.
    Hastened {
        /// The deadline from now on.
        deadline: DateTime<Utc>,
    },
    /// The spot instance is taken back.
    Interrupted {
        /// What happens to it.
        action: Interruption,
        /// When.
        deadline: DateTime<Utc>,
    },
    /// The capacity reservation's instance is taken back.
    CapacityEnds {
        /// When.
        deadline: DateTime<Utc>,
    },
    /// The scaling group terminates it, and waits for an answer.
    TerminatingHook {
        /// Until when, if the hook has the usual timeout.
        deadline: DateTime<Utc>,
    },
    /// It is likely to be taken back.
    AtRisk,
    /// It is likely to be taken back, and the pool's policy acts on that.
    Rebalance {
        /// Pool.
        pool: String,
    },
    /// The pool had as many acts for such recommendations as it may have.
    LoopGuard {
        /// Pool.
        pool: String,
        /// Acts in the window.
        acts: u32,
        /// The most.
        most: u32,
    },
    /// It started a short time ago: new instances of a pool under pressure get
    /// recommendations too, and would be replaced without end.
    TooYoung {
        /// Age in seconds; `None` when not known.
        age_seconds: Option<i64>,
    },
    /// Work on the machine begins soon.
    Scheduled {
        /// When.
        start: DateTime<Utc>,
    },
    /// Work on the machine begins, but not soon.
    BeyondHorizon {
        /// When.
        start: DateTime<Utc>,
    },
    /// Work on the machine was announced without a time.
    NoStart,
    /// The work was called off or is over.
    ChangeClosed,
    /// The state is none that matters.
    StateOfNoConcern {
        /// State.
        state: NewState,
    },
    /// It is on its way out.
    Stopping {
        /// State.
        state: NewState,
    },
    /// It is gone.
    Gone {
        /// State.
        state: NewState,
    },
    /// It was stopped, and runs again.
    StartedAgain,
    /// Many at once, in a short time: EC2 is asked first.
    Unconfirmed {
        /// Nodes cordoned or drained on messages alone in the window, with
        /// this one.
        nodes: u32,
        /// Most for which nobody is asked.
        most: u32,
        /// The cluster or the zone of which there are so many.
        of: String,
    },
    /// EC2 says the same.
    Confirmed,
    /// EC2 says otherwise.
    Contradicted,
    /// EC2 did not answer, or nothing that decides.
    NoAnswer,
    /// There is no notice of the instance.
    NothingPending,
    /// More than one instance: each has its own reason.
    Several {
        /// How many.
        instances: u32,
    },
}

macro_rules! codes {
    ($($variant:ident = $code:literal,)*) => {
        impl Reason {
            /// Every code, in the order of the variants.
            pub const CODES: &'static [&'static str] = &[$($code),*];

            /// Its code, as in JSON.
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code,)*
                }
            }
        }
    };
}

codes! {
    TooLarge = "too_large",
    TooDeep = "too_deep",
    NotUtf8 = "not_utf8",
    NotJson = "not_json",
    DuplicateKey = "duplicate_key",
    NotAnObject = "not_an_object",
    NotAnEvent = "not_an_event",
    WrappedTwice = "wrapped_twice",
    MissingField = "missing_field",
    WrongType = "wrong_type",
    BadInstanceId = "bad_instance_id",
    Poison = "poison",
    UnknownVersion = "unknown_version",
    UnknownDetailType = "unknown_detail_type",
    UnknownAction = "unknown_action",
    UnknownState = "unknown_state",
    UnknownTransition = "unknown_transition",
    TestNotification = "test_notification",
    LaunchHook = "launch_hook",
    NotANotification = "not_a_notification",
    OtherService = "other_service",
    OtherCategory = "other_category",
    NotUpcoming = "not_upcoming",
    NoInstances = "no_instances",
    Canary = "canary",
    ForeignAccount = "foreign_account",
    ForeignRegion = "foreign_region",
    ForeignSource = "foreign_source",
    ResourceMismatch = "resource_mismatch",
    NotOurs = "not_ours",
    NodeLeft = "node_left",
    NotKnownYet = "not_known_yet",
    AmbiguousInstance = "ambiguous_instance",
    Duplicate = "duplicate",
    InHand = "in_hand",
    Late = "late",
    Surpassed = "surpassed",
    Known = "known",
    Hastened = "hastened",
    Interrupted = "interrupted",
    CapacityEnds = "capacity_ends",
    TerminatingHook = "terminating_hook",
    AtRisk = "at_risk",
    Rebalance = "rebalance",
    LoopGuard = "loop_guard",
    TooYoung = "too_young",
    Scheduled = "scheduled",
    BeyondHorizon = "beyond_horizon",
    NoStart = "no_start",
    ChangeClosed = "change_closed",
    StateOfNoConcern = "state_of_no_concern",
    Stopping = "stopping",
    Gone = "gone",
    StartedAgain = "started_again",
    Unconfirmed = "unconfirmed",
    Confirmed = "confirmed",
    Contradicted = "contradicted",
    NoAnswer = "no_answer",
    NothingPending = "nothing_pending",
    Several = "several",
}

impl Reason {
    /// What it means for the message.
    pub const fn class(&self) -> Class {
        match self {
            Self::TooLarge { .. }
            | Self::TooDeep { .. }
            | Self::NotUtf8
            | Self::NotJson { .. }
            | Self::DuplicateKey
            | Self::NotAnObject
            | Self::NotAnEvent
            | Self::WrappedTwice
            | Self::MissingField { .. }
            | Self::WrongType { .. }
            | Self::BadInstanceId { .. }
            | Self::Poison { .. } => Class::Unreadable,
            Self::UnknownVersion { .. }
            | Self::UnknownDetailType { .. }
            | Self::UnknownAction { .. }
            | Self::UnknownState { .. }
            | Self::UnknownTransition { .. }
            | Self::TestNotification
            | Self::LaunchHook
            | Self::NotANotification { .. }
            | Self::OtherService { .. }
            | Self::OtherCategory { .. }
            | Self::NotUpcoming { .. }
            | Self::NoInstances
            | Self::Canary => Class::Ignored,
            Self::ForeignAccount { .. }
            | Self::ForeignRegion { .. }
            | Self::ForeignSource { .. }
            | Self::ResourceMismatch { .. }
            | Self::NotOurs => Class::Foreign,
            _ => Class::Judged,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, most } => {
                write!(f, "the body has {bytes} bytes, at most {most} are read")
            }
            Self::TooDeep { most } => write!(f, "the body is nested deeper than {most}"),
            Self::NotUtf8 => f.write_str("the body is not UTF-8"),
            Self::NotJson { line, column } => {
                write!(f, "the body is no JSON from line {line}, column {column}")
            }
            Self::DuplicateKey => f.write_str("a field stands twice in the body"),
            Self::NotAnObject => f.write_str("the body is no JSON object"),
            Self::NotAnEvent => f.write_str("the body has the form of no known message"),
            Self::WrappedTwice => f.write_str("a notification lies within a notification"),
            Self::MissingField { field } => write!(f, "{field} is missing"),
            Self::WrongType { field } => write!(f, "{field} is of a wrong type"),
            Self::BadInstanceId { id } => write!(f, "{id:?} is no instance id"),
            Self::Poison { receives } => {
                write!(f, "it was handed out {receives} times and never settled")
            }
            Self::UnknownVersion { version } => {
                write!(f, "version {version:?} of events is not known")
            }
            Self::UnknownDetailType {
                detail_type,
                source,
            } => write!(f, "{detail_type:?} of {source:?} is not read"),
            Self::UnknownAction { action } => {
                write!(f, "interruption action {action:?} is not known")
            }
            Self::UnknownState { state } => write!(f, "instance state {state:?} is not known"),
            Self::UnknownTransition { transition } => {
                write!(f, "lifecycle transition {transition:?} is not known")
            }
            Self::TestNotification => f.write_str("a scaling group tries its hook out"),
            Self::LaunchHook => f.write_str("the hook is of a launch"),
            Self::NotANotification { notification } => {
                write!(f, "SNS sent {notification:?}, which is no notification")
            }
            Self::OtherService { service } => {
                write!(f, "the Health event is about {service:?}")
            }
            Self::OtherCategory { category } => {
                write!(f, "the Health event is of category {category:?}")
            }
            Self::NotUpcoming { status } => write!(f, "the Health event is {status:?}"),
            Self::NoInstances => f.write_str("the Health event names no instance"),
            Self::Canary => f.write_str("our own test event"),
            Self::ForeignAccount { account } => {
                write!(f, "account {account:?} is not in scope")
            }
            Self::ForeignRegion { region } => write!(f, "region {region:?} is not in scope"),
            Self::ForeignSource { source } => {
                write!(f, "an event of this type does not come from {source:?}")
            }
            Self::ResourceMismatch { instance, resource } => write!(
                f,
                "the event is about {instance:?}, but its resource is {resource:?}"
            ),
            Self::NotOurs => f.write_str("no node runs on the instance"),
            Self::NodeLeft => f.write_str("a node ran on the instance, and is no more"),
            Self::NotKnownYet => {
                f.write_str("no node is known to run on the instance, which may be new")
            }
            Self::AmbiguousInstance => {
                f.write_str("more than one node says that it runs on the instance")
            }
            Self::Duplicate => f.write_str("the event was handled before"),
            Self::InHand => f.write_str("the event is being handled"),
            Self::Late { deadline } => write!(f, "its time was over at {deadline}"),
            Self::Surpassed { by } => write!(f, "it was known before that the instance is {by}"),
            Self::Known {
                deadline: Some(deadline),
            } => write!(f, "it was known before, until {deadline}"),
            Self::Known { deadline: None } => f.write_str("it was known before"),
            Self::Hastened { deadline } => {
                write!(f, "less time is left than was known: until {deadline}")
            }
            Self::Interrupted { action, deadline } => {
                write!(f, "EC2 takes the instance back ({action}) at {deadline}")
            }
            Self::CapacityEnds { deadline } => write!(
                f,
                "EC2 takes the capacity reservation's instance back at {deadline}"
            ),
            Self::TerminatingHook { deadline } => write!(
                f,
                "its scaling group terminates the instance, and waits until {deadline}"
            ),
            Self::AtRisk => f.write_str("the instance is likely to be taken back"),
            Self::Rebalance { pool } => write!(
                f,
                "the instance is likely to be taken back, and pool {pool:?} acts on that"
            ),
            Self::LoopGuard { pool, acts, most } => write!(
                f,
                "pool {pool:?} had {acts} acts for recommendations of late, at most {most} are made"
            ),
            Self::TooYoung {
                age_seconds: Some(age),
            } => write!(f, "the node is only {age} s old"),
            Self::TooYoung { age_seconds: None } => f.write_str("the node's age is not known"),
            Self::Scheduled { start } => write!(f, "work on the machine begins at {start}"),
            Self::BeyondHorizon { start } => {
                write!(
                    f,
                    "work on the machine begins at {start}, which is not soon"
                )
            }
            Self::NoStart => f.write_str("work on the machine was announced without a time"),
            Self::ChangeClosed => f.write_str("the work was called off or is over"),
            Self::StateOfNoConcern { state } => write!(f, "the instance is {state}"),
            Self::Stopping { state } => write!(f, "the instance is {state}, on its way out"),
            Self::Gone { state } => write!(f, "the instance is {state}, and so gone"),
            Self::StartedAgain => f.write_str("the instance was stopped, and runs again"),
            Self::Unconfirmed { nodes, most, of } => write!(
                f,
                "it would be node {nodes} of {of} on messages alone, at most {most} are taken without asking EC2"
            ),
            Self::Confirmed => f.write_str("EC2 says the same"),
            Self::Contradicted => f.write_str("EC2 says otherwise"),
            Self::NoAnswer => f.write_str("EC2 gave no answer that decides"),
            Self::NothingPending => f.write_str("there is no notice of the instance"),
            Self::Several { instances } => write!(f, "{instances} instances, each on its own"),
        }
    }
}
