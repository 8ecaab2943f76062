//! What the operator wants and forbids.

use crate::engines::{
    bin_packing, ghost_probe, network, office_hours, oom, rightsizing, spot, zombie_volumes,
};
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Version of the policy's JSON.
pub const POLICY_VERSION: u32 = 1;

/// What the operator wants and forbids. Everything has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Version of this JSON: [`POLICY_VERSION`]; another one is refused.
    pub version: Version<Self>,
    /// Engines that run; all eight by default.
    pub engines: BTreeSet<crate::engines::EngineId>,
    /// Namespaces whose objects are never changed. Default `kube-system`,
    /// `kube-public` and `kube-node-lease`: a cluster lives on them.
    pub protected_namespaces: BTreeSet<String>,
    /// Settings of the plan.
    pub plan: crate::plan::Config,
    /// Settings of the spot engine.
    pub spot: spot::Config,
    /// Settings of the bin packing engine.
    pub bin_packing: bin_packing::Config,
    /// Settings of the rightsizing engine.
    pub rightsizing: rightsizing::Config,
    /// Settings of the office-hours engine.
    pub office_hours: office_hours::Config,
    /// Settings of the ghost probe.
    pub ghost_probe: ghost_probe::Config,
    /// Settings of the zombie-volume engine.
    pub zombie_volumes: zombie_volumes::Config,
    /// Settings of the network engine.
    pub network: network::Config,
    /// Settings of the OOM engine.
    pub oom: oom::Config,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: Version::KNOWN,
            engines: crate::engines::EngineId::ALL.into_iter().collect(),
            protected_namespaces: ["kube-system", "kube-public", "kube-node-lease"]
                .into_iter()
                .map(str::to_owned)
                .collect(),
            plan: Default::default(),
            spot: Default::default(),
            bin_packing: Default::default(),
            rightsizing: Default::default(),
            office_hours: Default::default(),
            ghost_probe: Default::default(),
            zombie_volumes: Default::default(),
            network: Default::default(),
            oom: Default::default(),
        }
    }
}

impl Policy {
    /// Whether objects of that namespace are left alone.
    pub fn protects(&self, namespace: &str) -> bool {
        self.protected_namespaces.contains(namespace)
    }
}
