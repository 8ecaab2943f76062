//! Of what there is only so much: launches use it, and nodes that go free it.
//!
//! What is not known is not unlimited: a launch that needs it is refused, with
//! what is missing. A pool without limits has none. Of the addresses that a node
//! and its pods hold, only the node's own counts as free when it goes.

mod day_zero;

use super::Config;
use crate::catalog::Catalog;
use crate::decision::{Launch, Owner, is_planned};
use crate::engines::Inputs;
use crate::model::{
    CapacityType, Cloud, Cluster, Commitment, CommitmentKind, Instance, InstanceState, Labels,
    NODE_POOL_LABEL, Node, NodePool, SubnetId, ZONE_LABEL, ZoneId, ZoneName,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Room for launches that the operator states, where the account does not tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct StatedRoom {
    /// Free vCPUs by code of the quota, such as `L-1216C47A`. Default none: what
    /// the account does not tell is not known, and nothing is launched.
    pub free_vcpus: BTreeMap<String, u64>,
    /// Free addresses of subnets by zone name. Default none, as above.
    pub free_addresses: BTreeMap<String, u64>,
    /// Addresses that a node takes with its pods. Default: one, and one for each
    /// pod that it may run; the VPC CNI of EKS gives each pod one of the subnet's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses_per_node: Option<u32>,
}

/// Something of which there is only so much for launches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "limit", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LaunchLimit {
    /// Nodes beyond those of before, at once.
    Surge,
    /// CPU of a pool's nodes, in thousandths.
    PoolCpu {
        /// Pool.
        pool: String,
    },
    /// Memory of a pool's nodes, in bytes.
    PoolMemory {
        /// Pool.
        pool: String,
    },
    /// Nodes of a pool.
    PoolNodes {
        /// Pool.
        pool: String,
    },
    /// Maximum of a group.
    GroupSize {
        /// Group.
        group: String,
    },
    /// vCPUs of a quota.
    Vcpus {
        /// Its code, or the class of families whose code is not known.
        quota: String,
    },
    /// Addresses of the subnets in a zone.
    Addresses {
        /// Zone.
        zone: String,
    },
    /// Instances of capacity reservations.
    Reserved {
        /// Instance type.
        instance_type: String,
        /// Zone.
        zone: String,
    },
}

impl fmt::Display for LaunchLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Surge => f.write_str("the surge"),
            Self::PoolCpu { pool } => write!(f, "the CPU limit of pool {pool}"),
            Self::PoolMemory { pool } => write!(f, "the memory limit of pool {pool}"),
            Self::PoolNodes { pool } => write!(f, "the node limit of pool {pool}"),
            Self::GroupSize { group } => write!(f, "the maximum of {group}"),
            Self::Vcpus { quota } => write!(f, "the vCPU quota {quota}"),
            Self::Addresses { zone } => write!(f, "the subnets in {zone}"),
            Self::Reserved {
                instance_type,
                zone,
            } => write!(f, "the capacity reservations of {instance_type} in {zone}"),
        }
    }
}

/// What launches use of each limit, or a node that goes frees.
pub(super) type Uses = BTreeMap<LaunchLimit, u64>;

/// A limit that leaves no room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Short {
    pub(super) limit: LaunchLimit,
    /// What is free; `None`: not known, see `state`.
    pub(super) free: Option<u64>,
    /// What is known instead.
    pub(super) state: String,
}

/// Free amounts, counted down by launches and up by removals.
#[derive(Debug, Clone)]
pub(super) struct Limits<'a> {
    catalog: &'a Catalog,
    addresses_per_node: Option<u32>,
    cloud: Option<&'a Cloud>,
    /// Subnets whose free addresses are counted.
    subnets: BTreeSet<&'a SubnetId>,
    pools: BTreeMap<&'a str, &'a NodePool>,
    /// Free, or what is known instead. Pools' rows are there where they have a
    /// limit; the others are not known when they are not there.
    rows: BTreeMap<LaunchLimit, Result<i128, String>>,
}

/// The code of the quota that counts vCPUs of the family's class; those of other
/// classes are not known by heart. Codes as `aws service-quotas
/// list-service-quotas --service-code ec2` gives them.
pub(super) fn quota_code(category: &str, capacity: CapacityType) -> Option<&'static str> {
    let spot = capacity == CapacityType::Spot;
    match category {
        "a" | "c" | "d" | "h" | "i" | "im" | "is" | "m" | "r" | "t" | "z" => {
            Some(if spot { "L-34B43A08" } else { "L-1216C47A" })
        }
        "g" | "gr" | "vt" => Some(if spot { "L-3819A6DF" } else { "L-DB2E81BA" }),
        "p" => Some(if spot { "L-7212CCBC" } else { "L-417A185B" }),
        _ => None,
    }
}

/// What of a node or a launch counts against limits.
struct Facts<'f> {
    instance_type: &'f str,
    capacity: CapacityType,
    zone: Option<String>,
    pods: u64,
    pool: Option<&'f str>,
    group: Option<String>,
    count: u64,
}

impl<'a> Limits<'a> {
    pub(super) fn new(
        config: &Config,
        inputs: &Inputs<'a>,
        cluster: &'a Cluster,
        cloud: Option<&'a Cloud>,
    ) -> Self {
        let nodes = cluster.nodes.items();
        let surge = nodes
            .len()
            .saturating_mul(usize::try_from(config.max_surge_percent).unwrap_or(usize::MAX));
        let surge = surge.div_ceil(100);
        let mut limits = Self {
            catalog: inputs.catalog,
            addresses_per_node: config.stated_room.addresses_per_node,
            cloud,
            subnets: BTreeSet::new(),
            pools: BTreeMap::new(),
            rows: BTreeMap::new(),
        };
        let surge = i128::try_from(surge).unwrap_or(i128::MAX);
        limits.rows.insert(LaunchLimit::Surge, Ok(surge));
        for pool in cluster.node_pools.items() {
            limits.pools.insert(&pool.meta.name, pool);
            limits.pool(pool, cluster);
        }
        limits.quotas(config);
        limits.addresses(config, cluster);
        limits.groups(cluster);
        limits.reserved(inputs.now());
        // What earlier answers launch is in no list of the account yet. Pools
        // count their nodes, and those are among them.
        let planned = nodes.iter().filter(|n| is_planned(&n.name()));
        for node in planned {
            for (limit, amount) in limits.held_by(node, None) {
                let counted = matches!(
                    limit,
                    LaunchLimit::Surge
                        | LaunchLimit::PoolCpu { .. }
                        | LaunchLimit::PoolMemory { .. }
                        | LaunchLimit::PoolNodes { .. }
                );
                if let Some(Ok(free)) = limits.rows.get_mut(&limit).filter(|_| !counted) {
                    *free -= i128::from(amount);
                }
            }
        }
        limits
    }

    fn pool(&mut self, pool: &NodePool, cluster: &Cluster) {
        let Some(most) = &pool.limits else { return };
        let name = &pool.meta.name;
        let is_own = |labels: &Labels| labels.get(NODE_POOL_LABEL) == Some(name);
        let mut coming = cluster.node_claims.items().iter();
        let coming = coming.find(|c| is_own(&c.meta.labels) && c.node_name.is_none());
        let state = match (&cluster.node_claims, coming) {
            (_, Some(claim)) => Some(format!("claim {} has no node yet", claim.meta.name)),
            (claims, None) if !claims.is_complete() => Some(format!("node claims: {claims}")),
            _ => None,
        };
        let (mut cpu, mut memory, mut count) = (0_i128, 0_i128, 0_i128);
        let nodes = cluster.nodes.items().iter();
        for node in nodes.filter(|n| is_own(&n.meta.labels)) {
            cpu += i128::from(node.capacity.cpu.0);
            memory += i128::from(node.capacity.memory.0);
            count += 1;
        }
        let mut row = |limit: LaunchLimit, most: u64, used: i128| {
            let free = state.clone().map_or(Ok(i128::from(most) - used), Err);
            self.rows.insert(limit, free);
        };
        let pool = || name.clone();
        if let Some(most) = most.cpu {
            row(LaunchLimit::PoolCpu { pool: pool() }, most.0, cpu);
        }
        if let Some(most) = most.memory {
            row(LaunchLimit::PoolMemory { pool: pool() }, most.0, memory);
        }
        if let Some(most) = most.extended.get("nodes") {
            row(LaunchLimit::PoolNodes { pool: pool() }, *most, count);
        }
    }

    fn quotas(&mut self, config: &Config) {
        if let Some(cloud) = self.cloud {
            for quota in cloud.quotas.items() {
                let used = quota
                    .used
                    .map(i128::from)
                    .or_else(|| self.vcpus_of(&quota.code));
                let free = used.map(|used| i128::from(quota.value) - used);
                let free = free.ok_or_else(|| format!("its use: instances: {}", cloud.instances));
                let quota = quota.code.clone();
                self.rows.insert(LaunchLimit::Vcpus { quota }, free);
            }
        }
        for (quota, free) in &config.stated_room.free_vcpus {
            let quota = quota.clone();
            let row = self.rows.entry(LaunchLimit::Vcpus { quota });
            row.or_insert(Ok(i128::from(*free)));
        }
    }

    /// vCPUs of the instances that count against a quota.
    fn vcpus_of(&self, code: &str) -> Option<i128> {
        let cloud = self.cloud?;
        if !cloud.instances.is_complete() {
            return None;
        }
        let mut used = 0_i128;
        for instance in cloud.instances.items().iter().filter(|i| runs(i)) {
            let name = instance.instance_type.as_str();
            let info = self.catalog.instance_type(name);
            // A type that nobody knows might count.
            let info = info?;
            if quota_code(info.category(), instance.capacity_type) == Some(code) {
                used += i128::from(info.vcpu);
            }
        }
        Some(used)
    }

    /// Free addresses of the subnets in which the cluster's instances stand.
    fn addresses(&mut self, config: &Config, cluster: &Cluster) {
        let mut free: BTreeMap<String, i128> = BTreeMap::new();
        if let Some(cloud) = self.cloud {
            let own: BTreeSet<_> = cluster
                .nodes
                .items()
                .iter()
                .filter_map(Node::instance_id)
                .collect();
            let mut used: BTreeMap<&SubnetId, String> = BTreeMap::new();
            for instance in cloud.instances.items() {
                let zone = instance.zone.as_ref().map(ToString::to_string);
                if let (Some(subnet), Some(zone), true) =
                    (&instance.subnet, zone, own.contains(&instance.id))
                {
                    used.insert(subnet, zone);
                }
            }
            for subnet in cloud.subnets.items() {
                if let Some(zone) = used.get(&subnet.id) {
                    self.subnets.insert(&subnet.id);
                    let free = free.entry(zone.clone()).or_default();
                    *free += i128::from(subnet.free_addresses);
                }
            }
        }
        for (zone, stated) in &config.stated_room.free_addresses {
            free.entry(zone.clone()).or_insert(i128::from(*stated));
        }
        for (zone, free) in free {
            self.rows.insert(LaunchLimit::Addresses { zone }, Ok(free));
        }
    }

    fn groups(&mut self, cluster: &Cluster) {
        let Some(cloud) = self.cloud else { return };
        let mut row = |group: Owner, most: u32, wanted: u32| {
            let free = i128::from(most) - i128::from(wanted);
            let group = group_name(&group).unwrap_or_default();
            self.rows.insert(LaunchLimit::GroupSize { group }, Ok(free));
        };
        for group in cloud.auto_scaling_groups.items() {
            let name = group.name.clone();
            row(
                Owner::AutoScalingGroup { name },
                group.max_size,
                group.desired,
            );
        }
        let own = cloud.node_groups.items().iter();
        for group in own.filter(|g| g.cluster == cluster.name) {
            let owner = Owner::NodeGroup {
                name: group.name.clone(),
                auto_scaling_group: None,
            };
            row(owner, group.max_size, group.desired);
        }
    }

    fn reserved(&mut self, now: DateTime<Utc>) {
        let Some(cloud) = self.cloud else { return };
        for (limit, reservation) in reservations(cloud, now) {
            let row = self.rows.entry(limit).or_insert(Ok(0));
            let filled = filled(cloud, reservation).count();
            let filled = i128::try_from(filled).unwrap_or(i128::MAX);
            let id = &reservation.id;
            *row = match (&*row, reservation.count, cloud.instances.is_complete()) {
                (Ok(free), Some(count), true) => Ok(free + i128::from(count) - filled),
                (Err(state), ..) => Err(state.clone()),
                (_, None, _) => Err(format!("how many {id} has is not listed")),
                (_, _, false) => Err(format!("instances: {}", cloud.instances)),
            };
        }
    }

    /// What a launch uses.
    pub(super) fn of_launch(&self, launch: &Launch) -> Uses {
        let shape = launch.shape.as_deref();
        let offering = &launch.offering;
        let zone = shape.and_then(|s| s.labels.get(ZONE_LABEL).cloned());
        self.uses(&Facts {
            instance_type: offering.instance_type.as_str(),
            capacity: offering.capacity_type,
            zone: zone.or_else(|| self.zone_name(offering.zone.as_ref())),
            pods: shape.map_or(0, |s| s.allocatable.pods),
            pool: match &launch.via {
                Owner::NodePool { name } => Some(name),
                _ => None,
            },
            group: group_name(&launch.via),
            count: u64::from(launch.count),
        })
    }

    /// What a node frees when it goes: what it holds, as far as that is known.
    pub(super) fn of_node(&self, node: &Node, owner: Option<&Owner>) -> Uses {
        let mut uses = self.held_by(node, owner);
        let known = self.addresses_of(node);
        for (limit, amount) in &mut uses {
            if matches!(limit, LaunchLimit::Addresses { .. }) {
                *amount = (*amount).min(known);
            }
        }
        uses
    }

    /// Addresses of the counted subnets that a node certainly gives back: its
    /// own. How many its pods hold is not known, nor where those are; nor is
    /// what a network interface that outlives its instance keeps.
    fn addresses_of(&self, node: &Node) -> u64 {
        let id = node.instance_id();
        let instances = self.cloud.map(|c| c.instances.items()).unwrap_or_default();
        let own = |i: &&Instance| id.as_ref() == Some(&i.id) && i.lasting_interfaces.is_empty();
        let subnet = instances.iter().find(own).and_then(|i| i.subnet.as_ref());
        u64::from(subnet.is_some_and(|s| self.subnets.contains(s)))
    }

    /// What a node counts for.
    fn held_by(&self, node: &Node, owner: Option<&Owner>) -> Uses {
        let Some(instance_type) = node.instance_type() else {
            return Uses::from([(LaunchLimit::Surge, 1)]);
        };
        let mut uses = self.uses(&Facts {
            instance_type,
            capacity: node.capacity_type().unwrap_or_default(),
            zone: node.zone_name().map(|z| z.to_string()),
            pods: node.allocatable.pods,
            pool: node.meta.label(NODE_POOL_LABEL),
            group: owner.and_then(group_name),
            count: 1,
        });
        let listed = self.catalog.instance_type(instance_type).is_some();
        if node.capacity_type().is_none() || !listed {
            // Which quota it frees is not known, or how much of it.
            uses.retain(|limit, _| !matches!(limit, LaunchLimit::Vcpus { .. }));
        }
        // As many as its capacity says, which is what the pool counts.
        for (limit, amount) in &mut uses {
            match limit {
                LaunchLimit::PoolCpu { .. } => *amount = node.capacity.cpu.0,
                LaunchLimit::PoolMemory { .. } => *amount = node.capacity.memory.0,
                _ => {}
            }
        }
        uses
    }

    fn zone_name(&self, id: Option<&ZoneId>) -> Option<String> {
        let zones = self.cloud?.zones.items().iter();
        let name: Option<&ZoneName> = zones.filter(|z| Some(&z.id) == id).map(|z| &z.name).next();
        name.map(ToString::to_string)
    }

    fn zone_id(&self, name: &str) -> Option<String> {
        let id = self.cloud?.zone_id(&ZoneName::from(name))?;
        Some(id.to_string())
    }

    fn uses(&self, facts: &Facts<'_>) -> Uses {
        let count = facts.count;
        let mut uses = Uses::from([(LaunchLimit::Surge, count)]);
        let info = self.catalog.instance_type(facts.instance_type);
        // Of a type that nobody lists any amount may be needed, and no limit has room.
        let vcpu = info.map_or(u64::MAX, |i| u64::from(i.vcpu));
        let quota = info.and_then(|i| quota_code(i.category(), facts.capacity));
        let class = || match info {
            Some(info) => format!("of class {} ({})", info.category(), facts.capacity),
            None => format!("of {}", facts.instance_type),
        };
        let quota = quota.map_or_else(class, str::to_owned);
        uses.insert(LaunchLimit::Vcpus { quota }, vcpu.saturating_mul(count));
        let each = self.addresses_per_node.map(u64::from);
        let each = each.unwrap_or_else(|| facts.pods.saturating_add(1));
        let zone = facts.zone.clone().unwrap_or_default();
        if facts.capacity == CapacityType::Reserved {
            let id = self.zone_id(&zone);
            let limit = LaunchLimit::Reserved {
                instance_type: facts.instance_type.to_owned(),
                zone: id.unwrap_or_default(),
            };
            uses.insert(limit, count);
        }
        uses.insert(LaunchLimit::Addresses { zone }, each.saturating_mul(count));
        if let Some(pool) = facts.pool {
            let name = || pool.to_owned();
            let memory = info.map_or(u64::MAX, |i| i.memory.0);
            for (limit, amount) in [
                (
                    LaunchLimit::PoolCpu { pool: name() },
                    vcpu.saturating_mul(1_000),
                ),
                (LaunchLimit::PoolMemory { pool: name() }, memory),
                (LaunchLimit::PoolNodes { pool: name() }, 1),
            ] {
                uses.insert(limit, amount.saturating_mul(count));
            }
        }
        if let Some(group) = &facts.group {
            let group = group.clone();
            uses.insert(LaunchLimit::GroupSize { group }, count);
        }
        uses
    }

    /// What a new node uses in a zone that can run so many pods, made by a pool, a
    /// group, or nobody.
    pub(super) fn of_new(
        &self,
        (instance_type, capacity): (&str, CapacityType),
        zone: &str,
        pods: u64,
        pool: Option<&str>,
        group: Option<&Owner>,
    ) -> Uses {
        self.uses(&Facts {
            instance_type,
            capacity,
            zone: Some(zone.to_owned()),
            pods,
            pool,
            group: group.and_then(group_name),
            count: 1,
        })
    }

    /// What is free of a limit; `None` where there is no such limit.
    ///
    /// # Errors
    /// What is known instead.
    pub(super) fn known(&self, limit: &LaunchLimit) -> Result<Option<i128>, String> {
        match (self.rows.get(limit), limit) {
            (Some(row), _) => row.clone().map(Some),
            (
                None,
                LaunchLimit::PoolCpu { pool }
                | LaunchLimit::PoolMemory { pool }
                | LaunchLimit::PoolNodes { pool },
            ) if self.pools.contains_key(pool.as_str()) => Ok(None),
            (None, LaunchLimit::Reserved { .. }) => Ok(Some(0)),
            (None, _) => Err("not listed".to_owned()),
        }
    }

    /// Uses so much, or nothing when a limit leaves no room for it.
    pub(super) fn take(&mut self, uses: &Uses) -> Result<(), Short> {
        self.fits(uses)?;
        for (limit, amount) in uses {
            if let Some(Ok(free)) = self.rows.get_mut(limit) {
                *free -= i128::from(*amount);
            }
        }
        Ok(())
    }

    /// Whether there is room for so much; the first limit that has none.
    pub(super) fn fits(&self, uses: &Uses) -> Result<(), Short> {
        for (limit, amount) in uses.iter().filter(|(_, amount)| **amount > 0) {
            let short = |free: Option<u64>, state: &str| Short {
                limit: limit.clone(),
                free,
                state: state.to_owned(),
            };
            match (self.rows.get(limit), limit) {
                (Some(Ok(free)), _) if *free >= i128::from(*amount) => {}
                (Some(Ok(free)), _) => {
                    return Err(short(Some(u64::try_from(*free).unwrap_or(0)), ""));
                }
                (Some(Err(state)), _) => return Err(short(None, state)),
                (
                    None,
                    LaunchLimit::PoolCpu { pool }
                    | LaunchLimit::PoolMemory { pool }
                    | LaunchLimit::PoolNodes { pool },
                ) => {
                    if !self.pools.contains_key(pool.as_str()) {
                        return Err(short(None, "the pool is not listed"));
                    }
                }
                (None, LaunchLimit::Reserved { .. }) => return Err(short(Some(0), "")),
                (None, _) => return Err(short(None, "not listed")),
            }
        }
        Ok(())
    }

    /// How many of such launches there is room for, at most `most`.
    pub(super) fn room(&self, each: &Uses, most: u32) -> u32 {
        let fits = |count: u32| {
            let all = each.iter();
            let all = all.map(|(l, n)| (l.clone(), n.saturating_mul(u64::from(count))));
            self.fits(&all.collect()).is_ok()
        };
        // As large as fits, by halving.
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = high - (high - low) / 2;
            if fits(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low
    }

    /// Frees what a node that goes has used.
    pub(super) fn free(&mut self, uses: &Uses) {
        for (limit, amount) in uses {
            if let Some(Ok(free)) = self.rows.get_mut(limit) {
                *free += i128::from(*amount);
            }
        }
    }

    /// With what these nodes free when they go, and without the limit of what
    /// is there at once: what there can be at the end.
    pub(super) fn at_the_end<'n>(
        mut self,
        going: impl IntoIterator<Item = (&'n Node, Option<&'n Owner>)>,
    ) -> Self {
        for (node, owner) in going {
            let uses = self.of_node(node, owner);
            self.free(&uses);
        }
        let free = Ok(i128::from(u64::MAX));
        self.rows.insert(LaunchLimit::Surge, free);
        self
    }
}

impl Limits<'_> {
    /// The same as if a limit were not there.
    pub(super) fn lifted(mut self, limit: &LaunchLimit) -> Self {
        self.rows.insert(limit.clone(), Ok(i128::from(u64::MAX)));
        self
    }
}

/// Capacity reservations that nodes can fill now, with the limit that each counts
/// for. Those of another platform than nodes have are none.
fn reservations(
    cloud: &Cloud,
    now: DateTime<Utc>,
) -> impl Iterator<Item = (LaunchLimit, &Commitment)> {
    let all = cloud.commitments.items().iter();
    let own = all.filter(move |c| {
        let platform = c.platform.as_deref().unwrap_or(LINUX);
        let lasts = c.ends_at.is_none_or(|end| end > now);
        c.kind == CommitmentKind::CapacityReservation && platform == LINUX && lasts
    });
    own.filter_map(|c| {
        let limit = LaunchLimit::Reserved {
            instance_type: c.instance_type.clone()?,
            zone: c.zone_id.as_ref()?.to_string(),
        };
        Some((limit, c))
    })
}

/// Instances in a capacity reservation.
fn filled<'c>(cloud: &'c Cloud, of: &'c Commitment) -> impl Iterator<Item = &'c Instance> {
    let all = cloud.instances.items().iter();
    all.filter(|i| runs(i) && i.capacity_reservation.as_ref() == Some(&of.id))
}

/// Platform of what nodes run on, as reservations name it.
const LINUX: &str = "Linux/UNIX";

const fn runs(instance: &Instance) -> bool {
    matches!(
        instance.state,
        InstanceState::Running | InstanceState::Pending
    )
}

/// The name of a group that has a size.
pub(super) fn group_name(owner: &Owner) -> Option<String> {
    match owner {
        Owner::NodeGroup { name, .. } => Some(format!("node group {name}")),
        Owner::AutoScalingGroup { .. } => Some(owner.to_string()),
        _ => None,
    }
}
