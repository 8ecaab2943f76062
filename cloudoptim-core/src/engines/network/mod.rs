//! Network: traffic that crosses zones without need.

mod config;
mod reason;

pub use config::Config;
pub use reason::Reason;

use super::{Engine, EngineError, EngineId, EngineOutput, Inputs};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct Network {
    config: Config,
}

impl Network {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for Network {
    fn id(&self) -> EngineId {
        EngineId::Network
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        let _ = (&self.config, inputs);
        Ok(EngineOutput::new(EngineId::Network, Vec::new()))
    }
}
