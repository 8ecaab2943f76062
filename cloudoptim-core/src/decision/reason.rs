//! Why: the reasons of all engines.

use crate::engines::{
    bin_packing, ghost_probe, network, office_hours, oom, rightsizing, spot, zombie_volumes,
};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($(#[$meta:meta])* $variant:ident($module:ident)),* $(,)?) => {
        /// Why an engine decided as it did.
        ///
        /// As JSON, `engine` and `code` are stable, and the facts are fields.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "engine", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$meta])* $variant($module::Reason),)*
        }

        $(impl From<$module::Reason> for Reason {
            fn from(reason: $module::Reason) -> Self {
                Self::$variant(reason)
            }
        })*

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(reason) => reason.fmt(f),)*
                }
            }
        }
    };
}

reasons! {
    /// Of the spot engine.
    Spot(spot),
    /// Of the bin packing engine.
    BinPacking(bin_packing),
    /// Of the rightsizing engine.
    Rightsizing(rightsizing),
    /// Of the office-hours engine.
    OfficeHours(office_hours),
    /// Of the ghost probe.
    GhostProbe(ghost_probe),
    /// Of the zombie-volume engine.
    ZombieVolumes(zombie_volumes),
    /// Of the network engine.
    Network(network),
    /// Of the OOM engine.
    Oom(oom),
}

impl Reason {
    /// Engine and code, such as `("bin_packing", "empty")`.
    pub fn code(&self) -> (String, String) {
        let value = serde_json::to_value(self).unwrap_or_default();
        let field = |name: &str| {
            value
                .get(name)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        (field("engine"), field("code"))
    }
}
