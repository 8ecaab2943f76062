//! Spot: which workloads can run on spare capacity, where, and at what risk-adjusted price.

mod config;
mod reason;

pub use config::Config;
pub use reason::Reason;

use super::{Engine, EngineError, EngineId, EngineOutput, Inputs};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct Spot {
    config: Config,
}

impl Spot {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for Spot {
    fn id(&self) -> EngineId {
        EngineId::Spot
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        let _ = (&self.config, inputs);
        Ok(EngineOutput::new(EngineId::Spot, Vec::new()))
    }
}
