//! What can be launched in a cluster, and through whom.
//!
//! Karpenter's pools offer the types of the families that the cluster runs now,
//! as far as their requirements allow, in the zones where the cluster has nodes:
//! on demand, and on spot where the pool names it and the settings let anything
//! come there. Groups offer copies of their nodes, when they have one type and
//! one zone: else they choose themselves what comes. What is on spot has its risk
//! in the price; where that is not known, nobody offers it.

use super::binding::Ask;
use super::fleet::Launchable;
use super::group::{Described, next_like};
use super::limits::{LaunchLimit, Limits, Short, Uses, group_name};
use super::owner::owner_of;
use super::rows::Rows;
use super::{Config, Reason};
use crate::catalog::{InstanceTypeInfo, NodeOverheads};
use crate::decision::{
    Launch, LaunchThrough, MissingEvidence, NodeShape, Offering, Owner, Subject, is_planned,
};
use crate::engines::{Inputs, NotJudged, spot};
use crate::ledger::{PoolEvent, PoolEventKind};
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
    /// What the risk adds to the price, by zone name; on spot only.
    risks: BTreeMap<String, MicroUsdPerHour>,
    group_size: Option<u32>,
}

impl Ware {
    fn new(
        launchable: Launchable,
        via: Owner,
        instance_type: &str,
        capacity: CapacityType,
    ) -> Self {
        Self {
            launchable,
            via,
            instance_type: instance_type.to_owned(),
            capacity,
            zone_ids: BTreeMap::new(),
            risks: BTreeMap::new(),
            group_size: None,
        }
    }

    /// Offers it in a zone, where it counts with its risk.
    fn offer(
        &mut self,
        zone: String,
        node: Node,
        price: MicroUsdPerHour,
        risk: Option<MicroUsdPerHour>,
    ) {
        let all = price + risk.unwrap_or_default();
        self.risks.extend(risk.map(|risk| (zone.clone(), risk)));
        self.launchable.zones.insert(zone, (node, all));
    }

    /// What is launched, and what each of it costs.
    pub(super) fn reason(&self, zone: &str, launch: &Launch) -> Option<Reason> {
        let (_, all) = self.launchable.zones.get(zone)?;
        let risk = self.risks.get(zone).copied();
        Some(Reason::Launches {
            offering: launch.offering.clone(),
            nodes: launch.count,
            price: *all - risk.unwrap_or_default(),
            risk,
        })
    }

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
#[derive(Debug, Clone, Default)]
pub(super) struct Shop {
    pub(super) wares: Vec<Ware>,
    /// What cannot be, and what is missing for it.
    pub(super) not_judged: Vec<NotJudged>,
    /// What a node of each offer takes of limits, and costs, of those too for which
    /// there is no room.
    pub(super) asks: Vec<Ask>,
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
            config,
            on_spot: config.spot().is_wanted(),
            wares: Vec::new(),
            missing: BTreeMap::new(),
            asks: Vec::new(),
        };
        maker.know_events();
        if through.contains(&LaunchThrough::NodePools) {
            maker.pools();
        }
        maker.groups(through);
        maker.leave_out_short();
        maker.leave_out_full(limits);
        let subject = Subject::Cluster {
            cluster: cluster.uid.clone(),
        };
        let missing = maker.missing.into_iter();
        Self {
            wares: maker.wares,
            asks: maker.asks,
            not_judged: missing
                .map(|(missing, count)| NotJudged {
                    subject: Some(subject.clone()),
                    count,
                    missing,
                })
                .collect(),
        }
    }

    /// The limits that launches share with each other and with `nodes`, as they are
    /// before one of these goes.
    pub(super) fn rows<'n>(
        &self,
        limits: &Limits<'_>,
        nodes: impl IntoIterator<Item = (&'n Node, Option<&'n Owner>)>,
    ) -> Rows {
        let wares = self.wares.iter().flat_map(|ware| {
            let zones = ware.launchable.zones.keys();
            zones.map(move |zone| {
                let of = (ware.launchable.id.clone(), zone.clone());
                (of, each(ware, zone, limits))
            })
        });
        Rows::new(limits, wares.collect(), nodes)
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
    config: &'m Config,
    /// Whether anything may be launched on spot.
    on_spot: bool,
    wares: Vec<Ware>,
    missing: BTreeMap<MissingEvidence, u64>,
    asks: Vec<Ask>,
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
        let inputs = self.inputs;
        let nodes = self.cluster.nodes.items().iter();
        let families: BTreeSet<&str> = nodes
            .filter_map(|n| inputs.catalog.instance_type(n.instance_type()?))
            .map(|info| info.family())
            .collect();
        let zones = self.zones();
        let types = inputs.catalog.instance_types();
        let most = self.config.max_node_vcpus;
        let fits =
            |i: &&InstanceTypeInfo| families.contains(i.family()) && !i.mac && i.vcpu <= most;
        for info in types.filter(fits) {
            self.kind(pool, info, CapacityType::OnDemand, &zones);
            let rules_out = spot::rules_out(&inputs.policy.spot, info);
            if self.on_spot && spot::names_spot(pool) && !rules_out {
                self.kind(pool, info, CapacityType::Spot, &zones);
            }
        }
    }

    /// One type of a pool, in all zones where it may be launched and its price
    /// is known.
    fn kind(
        &mut self,
        pool: &NodePool,
        info: &InstanceTypeInfo,
        capacity: CapacityType,
        zones: &[(ZoneName, ZoneId)],
    ) {
        let cluster = self.cluster;
        let name = info.name.as_str();
        let of_pool = format!("{} {name}", pool.meta.name);
        let id = match capacity {
            CapacityType::OnDemand => of_pool,
            other => format!("{of_pool} {other}"),
        };
        let launchable = Launchable::new(id, Resources::default(), info.ebs_attach_limit);
        let via = Owner::NodePool {
            name: pool.meta.name.clone(),
        };
        let mut ware = Ware::new(launchable, via, name, capacity);
        for (zone, zone_id) in zones {
            let overheads = NodeOverheads::default();
            let at = Some((zone, zone_id));
            let mut node = hypothetical_node(name, info, at, capacity, Some(pool), &overheads);
            if !pool_allows(pool, &node) {
                continue;
            }
            node.meta.labels.remove(HOSTNAME_LABEL);
            let offering = Offering {
                instance_type: info.name.clone(),
                zone: Some(zone_id.clone()),
                capacity_type: capacity,
            };
            let Some((price, risk)) = self.price(&offering, &format!("{name} in {zone}")) else {
                continue;
            };
            ware.launchable.daemons.raise_to(&daemon_overhead(
                &node,
                cluster.workloads.items(),
                cluster.limit_ranges.items(),
                cluster.runtime_classes.items(),
            ));
            ware.zone_ids.insert(zone.to_string(), zone_id.clone());
            ware.offer(zone.to_string(), node, price, risk);
        }
        if !ware.launchable.zones.is_empty() {
            self.wares.push(ware);
        }
    }

    /// What a node of an offering costs, and what its risk adds to that; the
    /// offering is left out when one of the two is not known.
    fn price(
        &mut self,
        offering: &Offering,
        of: &str,
    ) -> Option<(MicroUsdPerHour, Option<MicroUsdPerHour>)> {
        let Offering {
            instance_type,
            zone,
            capacity_type,
        } = offering;
        let (inputs, name, zone) = (self.inputs, instance_type.as_str(), zone.as_ref());
        let listed = inputs.price(self.cloud, name, zone, *capacity_type);
        let stated = inputs.marginal(name, zone, *capacity_type);
        let extra = inputs.policy.bin_packing.extra_per_node;
        let Some(price) = stated.or_else(|| listed.map(|price| price + extra)) else {
            let how = match capacity_type {
                CapacityType::OnDemand => "on demand",
                _ => "on spot",
            };
            let of = format!("{of}, {how}");
            self.miss(MissingEvidence::Price { of });
            return None;
        };
        if *capacity_type != CapacityType::Spot {
            return Some((price, None));
        }
        let now = inputs.snapshot.taken_at;
        if let Some(stale) = self.config.spot().stale(now) {
            self.miss(stale);
            return None;
        }
        let with_risk = zone.and_then(|zone| self.config.spot().price(name, zone, now));
        let risk = with_risk.zip(listed).map(|(with, without)| with - without);
        let Some(risk) = risk.filter(|risk| *risk > MicroUsdPerHour::ZERO) else {
            let of = format!("{of}, on spot with its risk");
            self.miss(MissingEvidence::Price { of });
            return None;
        };
        Some((price, Some(risk)))
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
        let Some(group) = Described::new(&owner, self.cluster, cloud) else {
            return;
        };
        // A node from before the group was changed says nothing of the next one.
        if group.one_type().map(InstanceType::as_str) != Some(instance_type) {
            return self.miss(confirm("type"));
        }
        let (Some(of_group), Some(zone)) = (group.one_zone(), node.zone_name()) else {
            return self.miss(confirm("zone"));
        };
        let id = cloud.zone_id(&zone).map(ToString::to_string);
        if of_group != zone.as_str() && Some(of_group) != id.as_deref() {
            return self.miss(confirm("zone"));
        }
        let info = self.inputs.catalog.instance_type(instance_type);
        if info.is_some_and(|i| i.vcpu > self.config.max_node_vcpus) {
            return;
        }
        let Some(capacity) = node.capacity_type() else {
            return self.miss(confirm("capacity type"));
        };
        let on_spot = capacity == CapacityType::Spot;
        if group
            .capacity
            .is_some_and(|of_group| (of_group == CapacityType::Spot) != on_spot)
        {
            return self.miss(confirm("capacity type"));
        }
        let zone_id = cloud.zone_id(&zone).cloned();
        let (price, risk) = if on_spot {
            let offering = Offering {
                instance_type: instance_type.into(),
                zone: zone_id.clone(),
                capacity_type: capacity,
            };
            if !self.on_spot {
                return;
            }
            match self.price(&offering, &format!("nodes of {owner}")) {
                Some(price) => price,
                None => return,
            }
        } else {
            let Some(price) = self.inputs.marginal_price(self.cluster, node) else {
                return self.miss(MissingEvidence::Price {
                    of: format!("nodes of {owner}"),
                });
            };
            (price, None)
        };
        let size = group.size;
        let copy = next_like(node);
        let launchable = Launchable::new(
            format!("{owner} {instance_type}"),
            daemon_overhead(
                &copy,
                self.cluster.workloads.items(),
                self.cluster.limit_ranges.items(),
                self.cluster.runtime_classes.items(),
            ),
            info.and_then(|i| i.ebs_attach_limit),
        );
        let mut ware = Ware::new(launchable, owner, instance_type, capacity);
        ware.group_size = Some(size);
        let ids = zone_id.map(|id| (zone.to_string(), id));
        ware.zone_ids.extend(ids);
        ware.offer(zone.to_string(), copy, price, risk);
        self.wares.push(ware);
    }

    /// For how long the spot engine does not use a pool after an event.
    fn quarantine(&self) -> TimeDelta {
        TimeDelta::hours(i64::from(self.inputs.policy.spot.quarantine_hours))
    }

    /// Launches nothing on spot when nobody says where it was taken back.
    fn know_events(&mut self) {
        if self.on_spot && self.inputs.ledgers.pool_events.is_none() {
            self.on_spot = false;
            let now = self.inputs.now();
            let possible_from = now.checked_add_signed(self.quarantine());
            self.miss(MissingEvidence::Ledger {
                ledger: "pool_events".to_owned(),
                possible_from: possible_from.unwrap_or(now),
            });
        }
    }

    /// Takes out what was not to be had a short time ago, and on spot what was
    /// taken back.
    fn leave_out_short(&mut self) {
        let now = self.inputs.now();
        let pause = TimeDelta::minutes(i64::from(self.config.cooldown_minutes));
        let quarantine = self.quarantine();
        let events = self.inputs.ledgers.pool_events.iter().flatten();
        let refused =
            |e: &PoolEvent| e.kind == PoolEventKind::InsufficientCapacity && now - e.at < pause;
        let lost = |e: &PoolEvent| {
            e.offering.capacity_type == CapacityType::Spot && now - e.at < quarantine
        };
        let short: Vec<&Offering> = events
            .filter(|e| refused(e) || lost(e))
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
                        ware.launchable.available.insert(zone.clone(), room);
                    }
                    Err(short) => unknown.extend(missing(short)),
                }
                let offer = ware.launchable.zones.get(&zone);
                self.asks.extend(offer.map(|(_, price)| (each, *price)));
                if !ware.launchable.available.contains_key(&zone) {
                    ware.launchable.zones.remove(&zone);
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
