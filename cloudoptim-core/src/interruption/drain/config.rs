//! Settings of drains.

use crate::interruption::Error;
use crate::scheduling::movability::MovePolicy;
use serde::{Deserialize, Serialize};

/// Settings of [`plan`](super::plan).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Seconds before the deadline in which nothing is begun. Default 10.
    pub margin_seconds: u32,
    /// Seconds until a new node runs pods. Default 180.
    pub launch_seconds: u32,
    /// Seconds until an evicted pod's successor is ready, so that a budget lets
    /// the next one go. Default 30.
    pub ready_seconds: u32,
    /// Which pods may be moved.
    pub moves: MovePolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // Two calls and a node's clock that runs ahead.
            margin_seconds: 10,
            // As plans count a launch: 2 to 3 minutes on EC2.
            launch_seconds: 180,
            // A proposal: image there, a probe or two. Measure your own.
            ready_seconds: 30,
            moves: MovePolicy::default(),
        }
    }
}

impl Config {
    /// Sets [`margin_seconds`](Self::margin_seconds).
    #[must_use]
    pub const fn with_margin_seconds(mut self, seconds: u32) -> Self {
        self.margin_seconds = seconds;
        self
    }

    /// Sets [`launch_seconds`](Self::launch_seconds).
    #[must_use]
    pub const fn with_launch_seconds(mut self, seconds: u32) -> Self {
        self.launch_seconds = seconds;
        self
    }

    /// Sets [`ready_seconds`](Self::ready_seconds).
    #[must_use]
    pub const fn with_ready_seconds(mut self, seconds: u32) -> Self {
        self.ready_seconds = seconds;
        self
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::BadSetting`] for the first value out of range.
    pub fn validate(&self) -> Result<(), Error> {
        for (name, value, least, most) in [
            ("margin_seconds", self.margin_seconds, 1, 60),
            ("launch_seconds", self.launch_seconds, 0, 3_600),
            ("ready_seconds", self.ready_seconds, 1, 3_600),
        ] {
            if value < least || value > most {
                return Err(Error::BadSetting {
                    message: format!("drain {name} must be {least} to {most}, got {value}"),
                });
            }
        }
        Ok(())
    }
}
