//! Office hours: what nobody uses at night sleeps.

mod config;
mod reason;

pub use config::Config;
pub use reason::Reason;

use super::{Engine, EngineError, EngineId, EngineOutput, Inputs};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct OfficeHours {
    config: Config,
}

impl OfficeHours {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for OfficeHours {
    fn id(&self) -> EngineId {
        EngineId::OfficeHours
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        let _ = (&self.config, inputs);
        Ok(EngineOutput::new(EngineId::OfficeHours, Vec::new()))
    }
}
