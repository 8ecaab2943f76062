//! Whose events count, and which nodes they are about.

use super::config::Error;
use crate::decision::Offering;
use crate::model::{
    AccountId, CapacityType, Cloud, Cluster, ClusterUid, InstanceId, InstanceType,
    NODE_GROUP_LABEL, NODE_POOL_LABEL, NodeName, Region, Uid, ZONE_ID_LABEL, ZoneId, ZoneName,
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts and regions whose events count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    accounts: BTreeSet<AccountId>,
    regions: BTreeSet<Region>,
    canary: Option<String>,
}

impl Scope {
    /// A scope of these accounts and regions.
    ///
    /// # Errors
    /// [`Error::EmptyScope`] without an account or a region.
    pub fn new(
        accounts: impl IntoIterator<Item = AccountId>,
        regions: impl IntoIterator<Item = Region>,
    ) -> Result<Self, Error> {
        let scope = Self {
            accounts: accounts.into_iter().collect(),
            regions: regions.into_iter().collect(),
            canary: None,
        };
        let empty = |what: &str| Error::EmptyScope {
            what: what.to_owned(),
        };
        if scope.accounts.is_empty() {
            return Err(empty("account"));
        }
        if scope.regions.is_empty() {
            return Err(empty("region"));
        }
        Ok(scope)
    }

    /// Knows events of this source as our own tests of the way to the queue.
    #[must_use]
    pub fn with_canary(mut self, source: impl Into<String>) -> Self {
        self.canary = Some(source.into());
        self
    }

    pub(super) fn has_account(&self, account: &str) -> bool {
        self.accounts.contains(account)
    }

    pub(super) fn has_region(&self, region: &str) -> bool {
        self.regions.contains(region)
    }

    pub(super) fn is_canary(&self, source: &str) -> bool {
        self.canary.as_deref() == Some(source)
    }
}

/// A node, found by its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Cluster.
    pub cluster: ClusterUid,
    /// Node.
    pub node: NodeName,
    /// Uid of the node object: the precondition of an act.
    pub uid: Uid,
    /// Zone name.
    pub zone: Option<ZoneName>,
    /// Node pool or node group.
    pub pool: Option<String>,
    /// Type, zone and capacity type, where all that matters is known.
    pub offering: Option<Offering>,
    /// When the node joined.
    pub since: Option<DateTime<Utc>>,
    /// Place of the cluster and of the zone in [`Fleet`]'s counts.
    pub(super) cluster_at: usize,
    pub(super) zone_at: Option<usize>,
}

/// The nodes of some clusters by instance id: names and addresses are reused,
/// ids are not.
///
/// ```
/// use cloudoptim_core::interruption::Fleet;
/// use cloudoptim_core::knowledge::{Knowledge, Provenance};
/// use cloudoptim_core::model::{Cluster, Node};
///
/// let mut node = Node { provider_id: Some("aws:///us-east-1a/i-0abc".into()), ..Node::default() };
/// node.meta.name = "ip-10-0-0-1".into();
/// let nodes = Knowledge::complete(vec![node], Provenance::new("test", "c"));
/// let cluster = Cluster { nodes, ..Cluster::default() };
///
/// let mut fleet = Fleet::default();
/// fleet.add(&cluster, None);
/// let member = fleet.get("i-0abc");
/// assert_eq!(member.map(|m| m.node.as_str()), Some("ip-10-0-0-1"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    members: BTreeMap<InstanceId, Member>,
    ambiguous: BTreeSet<InstanceId>,
    /// Names and numbers of nodes of clusters and zones.
    groups: Vec<(String, u32)>,
    pools: BTreeMap<(ClusterUid, String), u32>,
    incomplete: bool,
    as_of: Option<DateTime<Utc>>,
    added: bool,
}

impl Fleet {
    /// Adds the nodes of a cluster. `cloud` is the account and region that it
    /// runs in, for the ids of zones.
    pub fn add(&mut self, cluster: &Cluster, cloud: Option<&Cloud>) {
        let as_of = cluster.nodes.provenance().and_then(|p| p.observed_at);
        // The oldest reading is the one that may lack an instance.
        self.as_of = if self.added {
            self.as_of.zip(as_of).map(|(a, b)| a.min(b))
        } else {
            as_of
        };
        self.added = true;
        self.incomplete |= !cluster.nodes.is_complete();
        let cluster_at = self.groups.len();
        self.groups.push((format!("cluster {:?}", cluster.name), 0));
        let mut zones: BTreeMap<ZoneName, usize> = BTreeMap::new();
        for node in cluster.nodes.items() {
            // A node of another provider counts as well: it takes pods.
            self.count(cluster_at);
            let zone = node.zone_name();
            let zone_at = zone.as_ref().map(|zone| {
                *zones.entry(zone.clone()).or_insert_with(|| {
                    self.groups.push((format!("zone {zone}"), 0));
                    self.groups.len().saturating_sub(1)
                })
            });
            zone_at.into_iter().for_each(|at| self.count(at));
            let labels = &node.meta;
            let pool = labels.label(NODE_POOL_LABEL);
            let pool = pool.or_else(|| labels.label(NODE_GROUP_LABEL));
            let pool = pool.map(str::to_owned);
            if let Some(pool) = &pool {
                let key = (cluster.uid.clone(), pool.clone());
                let nodes = self.pools.entry(key).or_default();
                *nodes = nodes.saturating_add(1);
            }
            let Some(id) = node.instance_id() else {
                continue;
            };
            let zone_id = labels.label(ZONE_ID_LABEL).map(ZoneId::from);
            let zone_id = zone_id.or_else(|| cloud?.zone_id(zone.as_ref()?).cloned());
            let offering = node.instance_type().zip(node.capacity_type());
            let offering = offering.map(|(instance_type, capacity_type)| Offering {
                instance_type: InstanceType::from(instance_type),
                zone: zone_id,
                capacity_type,
            });
            let member = Member {
                cluster: cluster.uid.clone(),
                node: node.name(),
                uid: node.meta.uid.clone(),
                zone,
                pool,
                offering,
                since: node.meta.created_at,
                cluster_at,
                zone_at,
            };
            if self.members.insert(id.clone(), member).is_some() {
                self.ambiguous.insert(id);
            }
        }
    }

    fn count(&mut self, at: usize) {
        if let Some((_, nodes)) = self.groups.get_mut(at) {
            *nodes = nodes.saturating_add(1);
        }
    }

    /// The node on an instance; `None` when there is none, or more than one.
    pub fn get(&self, instance: &str) -> Option<&Member> {
        let found = self.members.get(instance)?;
        (self.ambiguous.is_empty() || !self.ambiguous.contains(instance)).then_some(found)
    }

    /// Whether more than one node says that it runs on the instance.
    pub fn is_ambiguous(&self, instance: &str) -> bool {
        self.ambiguous.contains(instance)
    }

    /// Nodes that run on an instance.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether no node runs on an instance.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether an instance that was there at `moment` would be found here.
    pub(super) fn knows_all_of(&self, moment: DateTime<Utc>) -> bool {
        self.added && !self.incomplete && self.as_of.is_some_and(|at| at >= moment)
    }

    /// Name and number of nodes of a cluster or zone.
    pub(super) fn group(&self, at: usize) -> (&str, u32) {
        self.groups.get(at).map_or(("", 0), |(name, n)| (name, *n))
    }

    /// Nodes of a pool.
    pub(super) fn pool_size(&self, cluster: &ClusterUid, pool: &str) -> u32 {
        let key = (cluster.clone(), pool.to_owned());
        self.pools.get(&key).copied().unwrap_or(0)
    }
}

impl Member {
    /// Whether it is known to be a spot instance.
    pub(super) fn is_spot(&self) -> bool {
        let offering = self.offering.as_ref();
        offering.is_some_and(|o| o.capacity_type == CapacityType::Spot)
    }
}
