//! Rightsizing: requests that follow what containers use.

mod config;
mod reason;

pub use config::Config;
pub use reason::Reason;

use super::{Engine, EngineError, EngineId, EngineOutput, Inputs};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct Rightsizing {
    config: Config,
}

impl Rightsizing {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for Rightsizing {
    fn id(&self) -> EngineId {
        EngineId::Rightsizing
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        let _ = (&self.config, inputs);
        Ok(EngineOutput::new(EngineId::Rightsizing, Vec::new()))
    }
}
