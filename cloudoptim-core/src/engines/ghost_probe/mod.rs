//! Ghost probe: instances that no cluster knows, and nodes without an instance.

mod config;
mod reason;

pub use config::Config;
pub use reason::Reason;

use super::{Engine, EngineError, EngineId, EngineOutput, Inputs};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct GhostProbe {
    config: Config,
}

impl GhostProbe {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for GhostProbe {
    fn id(&self) -> EngineId {
        EngineId::GhostProbe
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        let _ = (&self.config, inputs);
        Ok(EngineOutput::new(EngineId::GhostProbe, Vec::new()))
    }
}
