//! What machines of a kind may take together, as `--limit` states it.

use crate::instance::{Instance, Machine};
use cloudoptim_core::engines::bin_packing::solver::{PurchaseLimit, Take};
use std::fmt;
use std::str::FromStr;

/// What all bought machines whose names begin alike may have together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineLimit {
    /// The resource, such as `cpu_milli`, or `nodes`.
    pub of: String,
    /// How the names begin; empty for all machines.
    pub prefix: String,
    /// The most of it.
    pub max: u64,
}

impl FromStr for MachineLimit {
    type Err = String;

    /// Reads `RESOURCE:PREFIX=MAX`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a limit must be RESOURCE:PREFIX=MAX, got {text:?}");
        let (left, max) = text.rsplit_once('=').ok_or_else(wrong)?;
        let (of, prefix) = left.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            of: of.to_owned(),
            prefix: prefix.to_owned(),
            max: max.parse().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for MachineLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}={}", self.of, self.prefix, self.max)
    }
}

impl MachineLimit {
    /// What one machine takes of it.
    pub fn taken_by(&self, instance: &Instance, machine: &Machine) -> u64 {
        if !machine.name.starts_with(&self.prefix) {
            return 0;
        }
        if self.of == "nodes" {
            return 1;
        }
        let dim = instance.dims.iter().position(|dim| *dim == self.of);
        dim.and_then(|dim| machine.amounts.get(dim).copied())
            .unwrap_or(0)
    }

    /// The same for the solver.
    pub(crate) fn for_solver(&self, instance: &Instance) -> PurchaseLimit {
        let takes = instance.machines.iter().enumerate();
        let takes = takes.map(|(node_type, machine)| Take {
            node_type,
            offering: None,
            amount: self.taken_by(instance, machine),
        });
        PurchaseLimit {
            id: self.to_string(),
            max: self.max,
            takes: takes.filter(|take| take.amount > 0).collect(),
            ..PurchaseLimit::default()
        }
    }
}
