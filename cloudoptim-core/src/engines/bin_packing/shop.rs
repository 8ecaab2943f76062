//! What can be launched in a cluster, and through whom.
//!
//! Karpenter's pools offer the types of the families that the cluster runs now,
//! as far as their requirements allow, on demand, in the zones where the cluster
//! has nodes. Groups offer copies of their nodes, when they have one type and
//! one zone: else they choose themselves what comes.

use super::Config;
use super::fleet::Launchable;
use super::limits::{LaunchLimit, Limits, Short, Uses, group_name};
use super::owner::owner_of;
use crate::catalog::{InstanceTypeInfo, NodeOverheads};
use crate::decision::{
    Launch, LaunchThrough, MissingEvidence, NodeShape, Offering, Owner, Subject, is_planned,
};
use crate::engines::{Inputs, NotJudged};
use crate::ledger::PoolEventKind;
use crate::model::{
    CapacityType, Cloud, Cluster, HOSTNAME_LABEL, InstanceType, MicroUsdPerHour, Node, NodeName,
    NodePool, Resources, ZoneId, ZoneName,
};
use crate::scheduling::capacity::{daemon_overhead, hypothetical_node, not_target, pool_allows};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

/// A kind of node, and who launches it.
#[derive(Debug, Clone)]
pub(super) struct Ware {
    pub(super) launchable: Launchable,
    pub(super) via: Owner,
    instance_type: String,
    capacity: CapacityType,
    zone_ids: BTreeMap<String, ZoneId>,
    group_size: Option<u32>,
}

impl Ware {
    /// A launch of nodes of it, under these names.
    pub(super) fn launch(&self, zone: &str, names: Vec<NodeName>, least: Resources) -> Launch {
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let offering = Offering {
            instance_type: self.instance_type.as_str().into(),
            zone: self.zone_ids.get(zone).cloned(),
            capacity_type: self.capacity,
        };
        let kind = &self.launchable;
        let shape = kind.zones.get(zone).map(|(node, _)| {
            let daemons = kind.daemons.clone();
            Box::new(NodeShape::of(node, daemons, kind.ebs_limit, least))
        });
        Launch {
            nodes: names,
            shape,
            group_size: self.group_size,
            ..Launch::new(offering, count, self.via.clone())
        }
    }
}

/// Everything that can be launched.
#[derive(Debug, Default)]
pub(super) struct Shop {
    pub(super) wares: Vec<Ware>,
    /// What cannot be, and what is missing for it.
    pub(super) not_judged: Vec<NotJudged>,
    /// Limits of which more room would let more be launched.
    pub(super) binding: BTreeSet<LaunchLimit>,
}

impl Shop {
    pub(super) fn new(
        config: &Config,
        inputs: &Inputs<'_>,
        cluster: &Cluster,
        cloud: Option<&Cloud>,
        limits: &Limits<'_>,
    ) -> Self {
        let through = &config.launch_through;
        let mut maker = Maker {
            inputs,
            cluster,
            cloud,
            max_vcpus: config.max_node_vcpus,
            wares: Vec::new(),
            missing: BTreeMap::new(),
            binding: BTreeSet::new(),
        };
        if through.contains(&LaunchThrough::NodePools) {
            maker.pools();
        }
        maker.groups(through);
        maker.leave_out_short(config);
        maker.leave_out_full(limits);
        let subject = Subject::Cluster {
            cluster: cluster.uid.clone(),
        };
        let missing = maker.missing.into_iter();
        Self {
            wares: maker.wares,
            binding: maker.binding,
            not_judged: missing
                .map(|(missing, count)| NotJudged {
                    subject: Some(subject.clone()),
                    count,
                    missing,
                })
                .collect(),
        }
    }

    /// The kinds, in the order of the wares.
    pub(super) fn launchables(&self) -> Vec<Launchable> {
        self.wares.iter().map(|w| w.launchable.clone()).collect()
    }
}

struct Maker<'m> {
    inputs: &'m Inputs<'m>,
    cluster: &'m Cluster,
    cloud: Option<&'m Cloud>,
    max_vcpus: u32,
    wares: Vec<Ware>,
    missing: BTreeMap<MissingEvidence, u64>,
    /// Limits of which more room would let more be launched.
    binding: BTreeSet<LaunchLimit>,
}

impl Maker<'_> {
    fn miss(&mut self, missing: MissingEvidence) {
        *self.missing.entry(missing).or_default() += 1;
    }

    /// Zones in which the cluster has nodes, by name, with their ids.
    fn zones(&self) -> Vec<(ZoneName, ZoneId)> {
        let nodes = self.cluster.nodes.items().iter();
        let names: BTreeSet<ZoneName> = nodes.filter_map(Node::zone_name).collect();
        let id = |name: &ZoneName| self.cloud.and_then(|c| c.zone_id(name).cloned());
        names
            .into_iter()
            .filter_map(|name| Some((name.clone(), id(&name)?)))
            .collect()
    }

    fn pools(&mut self) {
        let pools = &self.cluster.node_pools;
        if !pools.is_complete() {
            return self.miss(MissingEvidence::Part {
                part: "node pools".to_owned(),
                state: pools.to_string(),
            });
        }
        for pool in pools.items().iter().filter(|p| p.meta.deleted_at.is_none()) {
            self.pool(pool);
        }
    }

    fn pool(&mut self, pool: &NodePool) {
        let (inputs, cluster, cloud) = (self.inputs, self.cluster, self.cloud);
        let nodes = cluster.nodes.items().iter();
        let families: BTreeSet<&str> = nodes
            .filter_map(|n| inputs.catalog.instance_type(n.instance_type()?))
            .map(|info| info.family())
            .collect();
        let zones = self.zones();
        let daemons = |node: &Node| {
            daemon_overhead(
                node,
                cluster.workloads.items(),
                cluster.limit_ranges.items(),
                cluster.runtime_classes.items(),
            )
        };
        let capacity = CapacityType::OnDemand;
        let types = inputs.catalog.instance_types();
        let most = self.max_vcpus;
        let fits =
            |i: &&InstanceTypeInfo| families.contains(i.family()) && !i.mac && i.vcpu <= most;
        for info in types.filter(fits) {
            let name = info.name.as_str();
            let id = format!("{} {name}", pool.meta.name);
            let mut kind = Launchable::new(id, Resources::default(), info.ebs_attach_limit);
            let mut zone_ids = BTreeMap::new();
            for (zone, zone_id) in &zones {
                let overheads = NodeOverheads::default();
                let at = Some((zone, zone_id));
                let mut node = hypothetical_node(name, info, at, capacity, Some(pool), &overheads);
                if !pool_allows(pool, &node) {
                    continue;
                }
                node.meta.labels.remove(HOSTNAME_LABEL);
                let listed = || {
                    let price = inputs.price(cloud, name, Some(zone_id), capacity)?;
                    Some(price + inputs.policy.bin_packing.extra_per_node)
                };
                let stated = inputs.marginal(name, Some(zone_id), capacity);
                let Some(price) = stated.or_else(listed) else {
                    let of = format!("{name} in {zone}, on demand");
                    self.miss(MissingEvidence::Price { of });
                    continue;
                };
                kind.daemons.raise_to(&daemons(&node));
                zone_ids.insert(zone.to_string(), zone_id.clone());
                kind.zones.insert(zone.to_string(), (node, price));
            }
            if !kind.zones.is_empty() {
                self.wares.push(Ware {
                    launchable: kind,
                    via: Owner::NodePool {
                        name: pool.meta.name.clone(),
                    },
                    instance_type: name.to_owned(),
                    capacity,
                    zone_ids,
                    group_size: None,
                });
            }
        }
    }

    /// Groups that can be asked, by the first of their nodes in service.
    fn groups(&mut self, through: &BTreeSet<LaunchThrough>) {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut nodes: Vec<&Node> = self.cluster.nodes.items().iter().collect();
        nodes.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        for node in nodes {
            let owner = owner_of(node, self.cluster, self.cloud);
            let Some(owner) = owner.filter(|o| group_name(o).is_some()) else {
                continue;
            };
            let asked = owner.launches_as().is_some_and(|k| through.contains(&k));
            let serves = not_target(node, self.cluster.node_pools.items()).is_empty();
            if asked && serves && !is_planned(&node.name()) && seen.insert(owner.to_string()) {
                self.group(node, owner);
            }
        }
    }

    fn group(&mut self, node: &Node, owner: Owner) {
        let (Some(cloud), Some(instance_type)) = (self.cloud, node.instance_type()) else {
            return;
        };
        let confirm = |what: &str| MissingEvidence::Confirmation {
            of: format!("which {what} {owner} launches: it chooses itself"),
        };
        let (size, types, zones) = match &owner {
            Owner::NodeGroup { name, .. } => {
                let groups = cloud.node_groups.items().iter();
                let mut groups = groups.filter(|g| g.cluster == self.cluster.name);
                let Some(group) = groups.find(|g| g.name == *name) else {
                    return;
                };
                let subnets = cloud.subnets.items().iter();
                let own = subnets.filter(|s| group.subnets.contains(&s.id));
                let zones: BTreeSet<String> = own
                    .filter_map(|s| s.zone_id.as_ref().map(ToString::to_string))
                    .collect();
                (group.desired, &group.instance_types, zones)
            }
            Owner::AutoScalingGroup { name } => {
                let mut groups = cloud.auto_scaling_groups.items().iter();
                let Some(group) = groups.find(|g| g.name == *name) else {
                    return;
                };
                let zones = group.zones.iter().map(ToString::to_string).collect();
                (group.desired, &group.instance_types, zones)
            }
            _ => return,
        };
        // A node from before the group was changed says nothing of the next one.
        let same_type = |t: &InstanceType| t.as_str() == instance_type;
        if types.len() != 1 || !types.iter().all(same_type) {
            return self.miss(confirm("type"));
        }
        let (1, Some(zone)) = (zones.len(), node.zone_name()) else {
            return self.miss(confirm("zone"));
        };
        let known_by = [
            Some(zone.to_string()),
            cloud.zone_id(&zone).map(ToString::to_string),
        ];
        if !zones.iter().all(|z| known_by.contains(&Some(z.clone()))) {
            return self.miss(confirm("zone"));
        }
        let info = self.inputs.catalog.instance_type(instance_type);
        if info.is_some_and(|i| i.vcpu > self.max_vcpus) {
            return;
        }
        let Some(capacity) = node.capacity_type() else {
            return self.miss(confirm("capacity type"));
        };
        let Some(price) = self.inputs.marginal_price(self.cluster, node) else {
            return self.miss(MissingEvidence::Price {
                of: format!("nodes of {owner}"),
            });
        };
        let mut copy = node.clone();
        copy.meta.labels.remove(HOSTNAME_LABEL);
        copy.meta.annotations.clear();
        copy.meta.owners.clear();
        copy.provider_id = None;
        let mut kind = Launchable::new(
            format!("{owner} {instance_type}"),
            daemon_overhead(
                &copy,
                self.cluster.workloads.items(),
                self.cluster.limit_ranges.items(),
                self.cluster.runtime_classes.items(),
            ),
            info.and_then(|i| i.ebs_attach_limit),
        );
        let id = cloud.zone_id(&zone).cloned();
        kind.zones.insert(zone.to_string(), (copy, price));
        self.wares.push(Ware {
            instance_type: instance_type.to_owned(),
            launchable: kind,
            via: owner,
            capacity,
            zone_ids: id.map(|id| (zone.to_string(), id)).into_iter().collect(),
            group_size: Some(size),
        });
    }

    /// Takes out what was not to be had a short time ago.
    fn leave_out_short(&mut self, config: &Config) {
        let now = self.inputs.now();
        let pause = TimeDelta::minutes(i64::from(config.cooldown_minutes));
        let events = self.inputs.ledgers.pool_events.iter().flatten();
        let short: Vec<&Offering> = events
            .filter(|e| e.kind == PoolEventKind::InsufficientCapacity && now - e.at < pause)
            .map(|e| &e.offering)
            .collect();
        for ware in &mut self.wares {
            let Ware {
                launchable,
                zone_ids,
                instance_type,
                capacity,
                ..
            } = ware;
            launchable.zones.retain(|zone, _| {
                let id = zone_ids.get(zone);
                !short.iter().any(|s| {
                    s.instance_type.as_str() == instance_type
                        && s.capacity_type == *capacity
                        && s.zone.as_ref().is_none_or(|z| Some(z) == id)
                })
            });
        }
        self.wares.retain(|w| !w.launchable.zones.is_empty());
    }

    /// Takes out what no limit leaves room for, or for which that is not known,
    /// and says how many there is room for at the most.
    fn leave_out_full(&mut self, limits: &Limits<'_>) {
        let mut unknown: Vec<MissingEvidence> = Vec::new();
        for ware in &mut self.wares {
            let zones: Vec<String> = ware.launchable.zones.keys().cloned().collect();
            for zone in zones {
                let each = each(ware, &zone, limits);
                match limits.fits(&each) {
                    Ok(()) => {
                        let room = limits.room(&each, MOST);
                        let more = each.iter().map(|(limit, amount)| {
                            let count = u64::from(room).saturating_add(1);
                            (limit.clone(), amount.saturating_mul(count))
                        });
                        let short = limits.fits(&more.collect()).err();
                        self.binding.extend(short.map(|s| s.limit));
                        ware.launchable.available.insert(zone, room);
                    }
                    Err(short) => {
                        self.binding.insert(short.limit.clone());
                        unknown.extend(missing(short));
                        ware.launchable.zones.remove(&zone);
                    }
                }
            }
        }
        self.wares.retain(|w| !w.launchable.zones.is_empty());
        unknown.into_iter().for_each(|m| self.miss(m));
    }
}

/// More nodes than any plan launches.
const MOST: u32 = 100_000;

/// What one node of a ware uses.
pub(super) fn each(ware: &Ware, zone: &str, limits: &Limits<'_>) -> Uses {
    let mut launch = ware.launch(zone, Vec::new(), Resources::default());
    launch.count = 1;
    limits.of_launch(&launch)
}

/// What is missing when a limit is not known; nothing when it is only full.
fn missing(short: Short) -> Option<MissingEvidence> {
    if short.free.is_some() {
        return None;
    }
    let limit: LaunchLimit = short.limit;
    Some(MissingEvidence::Part {
        part: format!("room in {limit}"),
        state: short.state,
    })
}

/// A node that is bought in thought.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) name: NodeName,
    pub(super) ware: usize,
    pub(super) zone: String,
    pub(super) price: MicroUsdPerHour,
}
