//! What reading needs: which engine reads what, in one table.

use super::listing::{self, Listing};
use cloudoptim_core::engines::EngineId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One permission of a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Permission {
    /// Verb, such as `list`.
    pub verb: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Resource, with its subresource where that is meant: `pods/eviction`.
    pub resource: String,
    /// Namespace; `None` for the whole cluster.
    pub namespace: Option<String>,
    /// Name of the only object that is needed.
    pub name: Option<String>,
}

impl Permission {
    /// On every object of the cluster.
    pub fn new(verb: &str, group: &str, resource: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: None,
            name: None,
        }
    }

    /// Only in that namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only on that object.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }
}

/// `list pods in shop`, as errors name it.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, sub) = match self.resource.split_once('/') {
            Some((resource, sub)) => (resource, Some(sub)),
            None => (self.resource.as_str(), None),
        };
        write!(f, "{} {resource}", self.verb)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(sub) = sub {
            write!(f, "/{sub}")?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, " in {namespace}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        Ok(())
    }
}

/// What every engine reads: who owns what, and who wants to be left alone.
const COMMON: &[&[Listing]] = &[
    &[listing::NAMESPACES, listing::NODES, listing::PODS],
    listing::WORKLOADS,
];

/// What a move of pods has to respect.
const MOVES: &[Listing] = &[
    listing::ATTACHMENTS,
    listing::BUDGETS,
    listing::CLAIMS,
    listing::CSI_NODES,
    listing::PERSISTENT_VOLUMES,
    listing::STORAGE_CLASSES,
];

/// What else wants to set the size of a workload.
const SIZES: &[Listing] = &[
    listing::HORIZONTAL,
    listing::LIMIT_RANGES,
    listing::POD_METRICS,
    listing::QUOTAS,
    listing::SCALED,
    listing::VERTICAL,
];

fn of_engine(engine: EngineId) -> Vec<Listing> {
    let own: &[&[Listing]] = match engine {
        EngineId::Oom => &[SIZES, &[listing::EVENTS]],
        EngineId::Rightsizing => &[SIZES],
        EngineId::OfficeHours => &[MOVES, &[listing::HORIZONTAL, listing::SCALED]],
        EngineId::Spot => &[
            MOVES,
            &[listing::EVENTS, listing::NODE_CLAIMS, listing::NODE_POOLS],
        ],
        EngineId::BinPacking => &[
            MOVES,
            &[
                listing::LIMIT_RANGES,
                listing::NODE_CLAIMS,
                listing::NODE_POOLS,
                listing::POD_METRICS,
                listing::PRIORITIES,
                listing::RUNTIMES,
            ],
        ],
        EngineId::GhostProbe => &[&[listing::LEASES, listing::NODE_CLAIMS]],
        EngineId::ZombieVolumes => &[&[
            listing::ATTACHMENTS,
            listing::CLAIMS,
            listing::PERSISTENT_VOLUMES,
            listing::SNAPSHOTS,
            listing::STORAGE_CLASSES,
        ]],
        EngineId::Network => &[&[
            listing::HORIZONTAL,
            listing::SCALED,
            listing::SERVICES,
            listing::SLICES,
        ]],
        // A later engine reads everything until it is listed here.
        _ => &[
            SIZES,
            MOVES,
            &[
                listing::EVENTS,
                listing::LEASES,
                listing::NODE_CLAIMS,
                listing::NODE_POOLS,
                listing::PRIORITIES,
                listing::RUNTIMES,
                listing::SERVICES,
                listing::SLICES,
                listing::SNAPSHOTS,
            ],
        ],
    };
    COMMON
        .iter()
        .chain(own)
        .flat_map(|part| part.iter().copied())
        .collect()
}

/// The permissions that reading for those engines takes, each with the engines
/// that need it. With `namespaces`, what lives in namespaces only there.
pub(super) fn needed(
    engines: &[EngineId],
    namespaces: &[String],
) -> BTreeMap<Permission, BTreeSet<EngineId>> {
    let mut out: BTreeMap<Permission, BTreeSet<EngineId>> = BTreeMap::new();
    let identity = Permission::new("get", "", "namespaces").named("kube-system");
    for engine in engines {
        out.entry(identity.clone()).or_default().insert(*engine);
        for what in of_engine(*engine) {
            let permission = Permission::new("list", what.group, what.resource);
            let places: Vec<Option<&str>> = match (what.only, what.namespaced) {
                (Some(only), _) => vec![Some(only)],
                (None, true) if !namespaces.is_empty() => {
                    namespaces.iter().map(|name| Some(name.as_str())).collect()
                }
                (None, _) => vec![None],
            };
            for place in places {
                let permission = match place {
                    Some(place) => permission.clone().in_namespace(place),
                    None => permission.clone(),
                };
                out.entry(permission).or_default().insert(*engine);
            }
        }
    }
    out
}
