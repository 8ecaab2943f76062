//! Reasons.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the office-hours engine decided as it did.
///
/// The first reason of a decision settles it; those after it are evidence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A part of the snapshot is missing or may have holes.
    PartMissing {
        /// Which part.
        part: String,
        /// What it is instead of complete.
        state: String,
    },
    /// The policy protects the namespace.
    NamespaceProtected {
        /// Namespace.
        namespace: String,
    },
    /// Others depend on it.
    SystemService {
        /// The name that says so.
        name: String,
    },
    /// It is production.
    Production {
        /// The name or label that says so.
        by: String,
    },
    /// Nobody opted it in.
    NotOptedIn,
    /// Somebody opted it out.
    OptedOut {
        /// The label or annotation, and of what.
        by: String,
    },
    /// Nobody opted it in, and it looks as if it could sleep.
    Candidate {
        /// The name or label that says so.
        by: String,
        /// Workloads that would sleep.
        workloads: u64,
    },
    /// The schedule cannot be read, so it stays awake.
    ScheduleUnreadable {
        /// The schedule as written, and where.
        schedule: String,
        /// What is wrong.
        error: String,
    },
    /// An exception cannot be read, so it stays awake.
    OverrideUnreadable {
        /// The value as written.
        value: String,
    },
    /// Evidence: an exception holds.
    Overridden {
        /// Who says so.
        by: String,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// It is to run now.
    AwakeUntil {
        /// Until when; for ever when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
        /// Schedule.
        schedule: String,
    },
    /// It is to sleep now.
    AsleepUntil {
        /// Until when; for ever when `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
        /// Schedule.
        schedule: String,
    },
    /// It sleeps and is to run: it gets back what it had.
    Wakes {
        /// Replicas that it had.
        replicas: u32,
    },
    /// Somebody had scaled it to nothing before it went to sleep.
    ZeroBeforeSleep,
    /// Somebody scaled it while it was to sleep: it is left to them.
    ChangedWhileAsleep {
        /// Replicas now.
        replicas: u32,
    },
    /// Evidence: its specification was changed while it slept, and the mark of
    /// its sleep is still on it.
    UpdatedWhileAsleep {
        /// Generation after it was put to sleep.
        then: i64,
        /// Generation now.
        now: i64,
    },
    /// Its specification was changed while it slept, and the mark of its sleep
    /// is gone: somebody took it over, and it is left to them.
    MarkGone {
        /// Generation after it was put to sleep.
        then: i64,
        /// Generation now.
        now: i64,
    },
    /// Nobody put it to sleep, and it is down.
    AlreadyDown,
    /// It runs, and a mark of an earlier sleep is left.
    MarkLeft,
    /// Its replicas are not stated.
    ReplicasUnknown,
    /// It runs on every node.
    DaemonSet,
    /// A job is left to end.
    JobLeft,
    /// Its kind has no replicas that could be set.
    KindNotScaled {
        /// Kind.
        kind: String,
    },
    /// A controller would set it back.
    OwnedBy {
        /// Kind and name.
        owner: String,
    },
    /// The tool that deploys it would set it back.
    DeployerReverts {
        /// Label, annotation or field manager that says so.
        by: String,
    },
    /// Its claims would be deleted with its replicas.
    ClaimsWouldGo,
    /// Evidence: its autoscaler does nothing while it is at zero.
    AutoscalerIdles {
        /// Autoscaler.
        autoscaler: String,
    },
    /// Evidence: KEDA scales it and is paused.
    PausesKeda {
        /// ScaledObject.
        scaled_object: String,
    },
    /// Somebody else paused KEDA.
    KedaPaused {
        /// ScaledObject.
        scaled_object: String,
    },
    /// Evidence: a disruption budget is no obstacle, since scaling evicts nobody.
    BudgetNotAsked {
        /// Budget.
        budget: String,
    },
    /// Evidence: a start that it misses is made up for when it wakes.
    RunsOnWaking,
    /// Evidence: its requests hold a share of the price of its nodes, which is
    /// saved only where nodes go.
    HoldsNodes {
        /// Share of the week that it sleeps, in thousandths.
        asleep_milli: u32,
    },
    /// The price of one of its nodes is not known.
    PriceUnknown {
        /// Node.
        node: String,
    },
}

impl Reason {
    /// Every code, as in JSON.
    pub const CODES: &[&str] = &[
        "part_missing",
        "namespace_protected",
        "system_service",
        "production",
        "not_opted_in",
        "opted_out",
        "candidate",
        "schedule_unreadable",
        "override_unreadable",
        "overridden",
        "awake_until",
        "asleep_until",
        "wakes",
        "zero_before_sleep",
        "changed_while_asleep",
        "updated_while_asleep",
        "mark_gone",
        "already_down",
        "mark_left",
        "replicas_unknown",
        "daemon_set",
        "job_left",
        "kind_not_scaled",
        "owned_by",
        "deployer_reverts",
        "claims_would_go",
        "autoscaler_idles",
        "pauses_keda",
        "keda_paused",
        "budget_not_asked",
        "runs_on_waking",
        "holds_nodes",
        "price_unknown",
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = |f: &mut fmt::Formatter<'_>, until: &Option<DateTime<Utc>>| match until {
            Some(until) => write!(f, "until {until}"),
            None => f.write_str("for ever"),
        };
        match self {
            Self::PartMissing { part, state } => write!(f, "{part} is {state}"),
            Self::NamespaceProtected { namespace } => {
                write!(f, "the policy protects namespace {namespace}")
            }
            Self::SystemService { name } => write!(f, "others depend on {name}"),
            Self::Production { by } => write!(f, "{by} says that it is production"),
            Self::NotOptedIn => f.write_str("nobody opted it in"),
            Self::OptedOut { by } => write!(f, "{by} opted it out"),
            Self::Candidate { by, workloads } => write!(
                f,
                "{by} suggests that its {workloads} workloads could sleep, and nobody opted them in"
            ),
            Self::ScheduleUnreadable { schedule, error } => {
                write!(
                    f,
                    "the schedule {schedule:?} cannot be read ({error}), so it stays awake"
                )
            }
            Self::OverrideUnreadable { value } => {
                write!(
                    f,
                    "the exception {value:?} is not a time, so it stays awake"
                )
            }
            Self::Overridden { by, until } => write!(f, "{by} says otherwise until {until}"),
            Self::AwakeUntil {
                until: at,
                schedule,
            } => {
                write!(f, "{schedule} wants it awake ")?;
                until(f, at)
            }
            Self::AsleepUntil {
                until: at,
                schedule,
            } => {
                write!(f, "{schedule} wants it asleep ")?;
                until(f, at)
            }
            Self::Wakes { replicas } => write!(f, "it wakes with the {replicas} replicas it had"),
            Self::ZeroBeforeSleep => f.write_str("somebody had scaled it to zero before it slept"),
            Self::ChangedWhileAsleep { replicas } => {
                write!(
                    f,
                    "somebody set it to {replicas} replicas while it was to sleep"
                )
            }
            Self::UpdatedWhileAsleep { then, now } => write!(
                f,
                "its specification went from generation {then} to {now} while it slept"
            ),
            Self::MarkGone { then, now } => write!(
                f,
                "its specification went from generation {then} to {now} while it slept, and its mark is gone"
            ),
            Self::AlreadyDown => f.write_str("it is down, and not because it was put to sleep"),
            Self::MarkLeft => f.write_str("it runs, and the mark of an earlier sleep is left"),
            Self::ReplicasUnknown => f.write_str("its replicas are not stated"),
            Self::DaemonSet => f.write_str("it runs on every node"),
            Self::JobLeft => f.write_str("jobs are left to end"),
            Self::KindNotScaled { kind } => write!(f, "a {kind} has no replicas to set"),
            Self::OwnedBy { owner } => write!(f, "{owner} controls it and would set it back"),
            Self::DeployerReverts { by } => {
                write!(f, "{by} says that a tool deploys it and would set it back")
            }
            Self::ClaimsWouldGo => f.write_str("its claims would be deleted with its replicas"),
            Self::AutoscalerIdles { autoscaler } => {
                write!(
                    f,
                    "autoscaler {autoscaler} does nothing while it is at zero"
                )
            }
            Self::PausesKeda { scaled_object } => {
                write!(
                    f,
                    "KEDA scales it by {scaled_object}, which is paused at zero"
                )
            }
            Self::KedaPaused { scaled_object } => {
                write!(f, "somebody paused KEDA's {scaled_object}")
            }
            Self::BudgetNotAsked { budget } => {
                write!(
                    f,
                    "budget {budget} is not asked: scaling down evicts nobody"
                )
            }
            Self::RunsOnWaking => f.write_str("a start that it misses is made up for on waking"),
            Self::HoldsNodes { asleep_milli } => write!(
                f,
                "its requests hold a share of its nodes' price for {}.{} % of the week",
                asleep_milli / 10,
                asleep_milli % 10
            ),
            Self::PriceUnknown { node } => write!(f, "the price of node {node} is not known"),
        }
    }
}
