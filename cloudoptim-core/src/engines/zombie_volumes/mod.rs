//! Zombie volumes: volumes that nothing can need any more.

mod config;
mod reason;

pub use config::Config;
pub use reason::Reason;

use super::{Engine, EngineError, EngineId, EngineOutput, Inputs};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct ZombieVolumes {
    config: Config,
}

impl ZombieVolumes {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for ZombieVolumes {
    fn id(&self) -> EngineId {
        EngineId::ZombieVolumes
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        let _ = (&self.config, inputs);
        Ok(EngineOutput::new(EngineId::ZombieVolumes, Vec::new()))
    }
}
