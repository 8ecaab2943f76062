//! Why a pod does not end well.

use crate::scheduling::{EvictionRefusal, Pin};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a pod of a node that goes cannot finish, or has nowhere to go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shortfall {
    /// It asks for more time to end than is left.
    GraceTooLong {
        /// Seconds that it asks for.
        asks_seconds: i64,
        /// Seconds that it gets.
        gets_seconds: i64,
    },
    /// No time is left at all; it is evicted all the same, so that its
    /// successor starts.
    NoTime,
    /// Its budget lets so few go at once that its turn comes too late.
    BudgetTooSlow {
        /// Pods before it in the lane.
        before: u32,
        /// Pods that the budget lets go at once.
        at_once: u32,
    },
    /// The eviction API will not let it go.
    BudgetBlocks {
        /// Why.
        why: EvictionRefusal,
    },
    /// No node that stays has room for it now.
    NoRoom,
    /// It is not moved.
    Pinned {
        /// Every reason.
        why: Vec<Pin>,
    },
    /// It ends with its node.
    GoesWithNode {
        /// Why.
        why: Pin,
    },
    /// It is being deleted already.
    Leaving,
}

macro_rules! codes {
    ($($variant:ident = $code:literal,)*) => {
        impl Shortfall {
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
    GraceTooLong = "grace_too_long",
    NoTime = "no_time",
    BudgetTooSlow = "budget_too_slow",
    BudgetBlocks = "budget_blocks",
    NoRoom = "no_room",
    Pinned = "pinned",
    GoesWithNode = "goes_with_node",
    Leaving = "leaving",
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GraceTooLong {
                asks_seconds,
                gets_seconds,
            } => write!(
                f,
                "it asks for {asks_seconds} s to end, and gets {gets_seconds} s"
            ),
            Self::NoTime => f.write_str("no time is left"),
            Self::BudgetTooSlow { before, at_once } => write!(
                f,
                "{before} pods of its budget go before it, {at_once} at once"
            ),
            Self::BudgetBlocks { why } => write!(f, "it may not be evicted: {why}"),
            Self::NoRoom => f.write_str("no node that stays has room for it"),
            Self::Pinned { why } => {
                f.write_str("it is not moved:")?;
                for (n, pin) in why.iter().enumerate() {
                    write!(f, "{} {pin}", if n == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::GoesWithNode { why } => write!(f, "it ends with its node: {why}"),
            Self::Leaving => f.write_str("it is being deleted already"),
        }
    }
}
