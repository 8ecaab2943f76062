//! Bin packing: which nodes can go, and the cheapest set of new ones.

mod config;
mod reason;
pub mod solver;

pub use config::Config;
pub use reason::Reason;

use super::{Engine, EngineError, EngineId, EngineOutput, Inputs};

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct BinPacking {
    config: Config,
}

impl BinPacking {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for BinPacking {
    fn id(&self) -> EngineId {
        EngineId::BinPacking
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        let _ = (&self.config, inputs);
        Ok(EngineOutput::new(EngineId::BinPacking, Vec::new()))
    }
}
