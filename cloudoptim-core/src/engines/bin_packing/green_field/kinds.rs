//! The kinds of nodes that there are to buy.

use super::Purchase;
use crate::catalog::{InstanceTypeInfo, NodeOverheads};
use crate::decision::{LaunchThrough, MissingEvidence, Owner, is_planned};
use crate::engines::Inputs;
use crate::engines::bin_packing::Config;
use crate::engines::bin_packing::fleet::Launchable;
use crate::engines::bin_packing::group::{Described, min_size_of, next_like};
use crate::engines::bin_packing::limits::{LaunchLimit, Limits, group_name};
use crate::engines::bin_packing::owner::owner_of;
use crate::model::{
    CapacityType, Cloud, Cluster, HOSTNAME_LABEL, InstanceType, MicroUsdPerHour, NODE_GROUP_LABEL,
    Node, NodePool, Resources, Zone, ZoneId, ZoneName,
};
use crate::scheduling::capacity::{daemon_overhead, hypothetical_node, not_target, pool_allows};
use std::collections::{BTreeMap, BTreeSet};

/// A kind of node that can be bought, and what it is called.
pub(super) struct NewKind {
    pub(super) launchable: Launchable,
    /// Ids of its zones, by name.
    pub(super) zone_ids: BTreeMap<String, ZoneId>,
    pub(super) instance_type: InstanceType,
    pub(super) capacity_type: CapacityType,
    pub(super) pool: Option<String>,
    pub(super) group: Option<Owner>,
    /// Fewest nodes that the group has.
    pub(super) min_size: u32,
}

/// A group, by what is known of it.
struct Group<'g> {
    owner: Owner,
    /// Its first node in service.
    like: Option<&'g Node>,
    /// Names of the auto scaling groups behind a managed one.
    behind: BTreeSet<String>,
}

/// Where nodes are bought.
#[derive(Clone, Copy)]
pub(super) struct Market<'m> {
    pub(super) config: &'m Config,
    pub(super) inputs: &'m Inputs<'m>,
    pub(super) cluster: &'m Cluster,
    pub(super) purchase: &'m Purchase,
    /// As they are when every node of now is gone.
    pub(super) limits: &'m Limits<'m>,
}

/// What can be bought.
pub(super) fn kinds(market: Market<'_>, missing: &mut BTreeSet<MissingEvidence>) -> Vec<NewKind> {
    let Market {
        inputs, purchase, ..
    } = market;
    missing.extend(purchase.spot().stale(inputs.snapshot.taken_at));
    let through = &purchase.through;
    let mut kinds = Vec::new();
    if through.is_empty() || through.contains(&LaunchThrough::NodePools) {
        market.of_pools(&mut kinds, missing);
    }
    market.of_groups(&mut kinds, missing);
    kinds
}

impl Group<'_> {
    fn new(owner: Owner, behind: impl IntoIterator<Item = String>) -> Self {
        Self {
            owner,
            like: None,
            behind: behind.into_iter().collect(),
        }
    }
}

impl Market<'_> {
    fn of_pools(&self, kinds: &mut Vec<NewKind>, missing: &mut BTreeSet<MissingEvidence>) {
        let cluster = self.cluster;
        let zones = self.zones();
        if zones.is_empty() {
            missing.insert(MissingEvidence::Part {
                part: "zones".to_owned(),
                state: "no node and no zone of the region is known".to_owned(),
            });
        }
        if !cluster.node_pools.is_complete() {
            // Their labels and taints decide who fits.
            missing.insert(MissingEvidence::Part {
                part: "node pools".to_owned(),
                state: cluster.node_pools.to_string(),
            });
        }
        let pools = cluster.node_pools.items().iter();
        let pools: Vec<&NodePool> = pools.filter(|p| p.meta.deleted_at.is_none()).collect();
        let templates: Vec<Option<&NodePool>> = match pools.as_slice() {
            [] if self.purchase.through.is_empty() => vec![None],
            pools => pools.iter().map(|pool| Some(*pool)).collect(),
        };
        let types = self.inputs.catalog.instance_types();
        for info in types.filter(|info| self.wants(info)) {
            for pool in &templates {
                for capacity_type in [
                    CapacityType::OnDemand,
                    CapacityType::Spot,
                    CapacityType::Reserved,
                ] {
                    kinds.extend(self.kind(info, *pool, capacity_type, &zones, missing));
                }
            }
        }
    }

    fn wants(&self, info: &InstanceTypeInfo) -> bool {
        let named = &self.purchase.instance_types;
        let chosen = match named.is_empty() {
            true => self.runs(info),
            false => named.contains(&info.name),
        };
        chosen && !info.mac && info.vcpu <= self.config.max_node_vcpus
    }

    /// Whether the cluster has nodes of such an architecture, and burstable ones if
    /// it is one.
    fn runs(&self, info: &InstanceTypeInfo) -> bool {
        let nodes = self.cluster.nodes.items().iter();
        let info_of = |node: &Node| self.inputs.catalog.instance_type(node.instance_type()?);
        let mut now = nodes.filter_map(info_of);
        let alike = now.clone().any(|n| n.architecture == info.architecture);
        alike && (!info.burstable || now.any(|n| n.burstable))
    }

    /// Zones in which the cluster has nodes, or all of its region when it has none.
    fn zones(&self) -> Vec<(ZoneName, ZoneId)> {
        let Some(cloud) = self.inputs.snapshot.cloud_of(self.cluster) else {
            return Vec::new();
        };
        let nodes = self.cluster.nodes.items();
        let mut names: BTreeSet<ZoneName> = nodes.iter().filter_map(Node::zone_name).collect();
        if names.is_empty() {
            names.extend(cloud.zones.items().iter().map(|zone| zone.name.clone()));
        }
        let with_id = |name: ZoneName| {
            let id = cloud.zone_id(&name)?.clone();
            Some((name, id))
        };
        names.into_iter().filter_map(with_id).collect()
    }

    /// What a node of an offering costs, with what it costs beside.
    fn price(
        &self,
        name: &str,
        zone: &ZoneId,
        capacity_type: CapacityType,
    ) -> Option<MicroUsdPerHour> {
        let (inputs, cloud) = (self.inputs, self.inputs.snapshot.cloud_of(self.cluster));
        let extra = inputs.policy.bin_packing.extra_per_node;
        let price = match capacity_type {
            CapacityType::Spot => {
                let now = inputs.snapshot.taken_at;
                self.purchase.spot().price(name, zone, now)
            }
            CapacityType::Reserved => {
                // It is paid for whether it is filled or not.
                let stated = inputs.marginal(name, Some(zone), capacity_type);
                return Some(stated.unwrap_or(extra));
            }
            _ => inputs.price(cloud, name, Some(zone), capacity_type),
        };
        price.map(|price| price + extra)
    }

    /// Whether there is room in capacity reservations for a node of a pool, or of
    /// nobody.
    fn reserves(
        &self,
        name: &str,
        zone: &ZoneId,
        pool: Option<&NodePool>,
        missing: &mut BTreeSet<MissingEvidence>,
    ) -> bool {
        let limit = LaunchLimit::Reserved {
            instance_type: name.to_owned(),
            zone: zone.to_string(),
        };
        let asked = pool.is_none_or(names_reserved);
        match self.limits.known(&limit) {
            Ok(free) if free.unwrap_or(0) <= 0 => false,
            Ok(_) if asked => true,
            Ok(_) => {
                self.may_fill(&limit, missing);
                false
            }
            Err(state) => {
                let part = format!("room in {limit}");
                missing.insert(MissingEvidence::Part { part, state });
                false
            }
        }
    }

    /// Notes that nodes on demand, which are not sent there, may be in capacity
    /// reservations: then they cost less than their price.
    fn may_fill(&self, limit: &LaunchLimit, missing: &mut BTreeSet<MissingEvidence>) {
        let now = self.inputs.now();
        let room = matches!(self.limits.known(limit), Ok(Some(free)) if free > 0);
        if room && self.limits.fills_by_itself(limit, now) {
            missing.insert(MissingEvidence::Part {
                part: format!("use of {limit}"),
                state: "not known: nodes on demand may fill them".to_owned(),
            });
        }
    }

    fn kind(
        &self,
        info: &InstanceTypeInfo,
        pool: Option<&NodePool>,
        capacity_type: CapacityType,
        zones: &[(ZoneName, ZoneId)],
        missing: &mut BTreeSet<MissingEvidence>,
    ) -> Option<NewKind> {
        let name = info.name.as_str();
        let of_pool = pool.map(|pool| format!("{} ", pool.meta.name));
        let id = format!("{}{name} {capacity_type:?}", of_pool.unwrap_or_default());
        let mut launchable = Launchable::new(id, Resources::default(), info.ebs_attach_limit);
        for (zone, zone_id) in zones {
            let reserved = capacity_type == CapacityType::Reserved;
            if reserved && !self.reserves(name, zone_id, pool, missing) {
                continue;
            }
            let Some(price) = self.price(name, zone_id, capacity_type) else {
                continue;
            };
            let at = Some((zone, zone_id));
            let overheads = NodeOverheads::default();
            let mut node = hypothetical_node(name, info, at, capacity_type, pool, &overheads);
            if pool.is_some_and(|pool| !pool_allows(pool, &node)) {
                continue;
            }
            node.meta.labels.remove(HOSTNAME_LABEL);
            self.offer(&mut launchable, zone, node, price);
        }
        (!launchable.zones.is_empty()).then(|| NewKind {
            launchable,
            zone_ids: zones
                .iter()
                .map(|(name, id)| (name.to_string(), id.clone()))
                .collect(),
            instance_type: info.name.clone(),
            capacity_type,
            pool: pool.map(|pool| pool.meta.name.clone()),
            group: None,
            min_size: 0,
        })
    }

    fn offer(&self, kind: &mut Launchable, zone: &ZoneName, node: Node, price: MicroUsdPerHour) {
        kind.daemons.raise_to(&daemon_overhead(
            &node,
            self.cluster.workloads.items(),
            self.cluster.limit_ranges.items(),
            self.cluster.runtime_classes.items(),
        ));
        kind.zones.insert(zone.to_string(), (node, price));
    }

    /// Groups of one type in one zone: those of which the cluster has nodes, and
    /// managed ones that tell what a node of theirs is.
    fn of_groups(&self, kinds: &mut Vec<NewKind>, missing: &mut BTreeSet<MissingEvidence>) {
        let asked = |through| self.purchase.through.contains(&through);
        let Some(cloud) = self.inputs.snapshot.cloud_of(self.cluster) else {
            return;
        };
        // By name: who is behind a managed group is no part of its name.
        let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
        if asked(LaunchThrough::NodeGroups) {
            let listed = &cloud.node_groups;
            if !listed.is_complete() {
                missing.insert(MissingEvidence::Part {
                    part: "node groups".to_owned(),
                    state: listed.to_string(),
                });
            }
            let own = listed.items().iter();
            for group in own.filter(|g| g.cluster == self.cluster.name) {
                let owner = Owner::NodeGroup {
                    name: group.name.clone(),
                    auto_scaling_group: None,
                };
                let name = group_name(&owner).unwrap_or_default();
                let behind = group.auto_scaling_groups.iter().cloned();
                groups.insert(name, Group::new(owner, behind));
            }
        }
        let mut nodes: Vec<&Node> = self.cluster.nodes.items().iter().collect();
        nodes.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        for node in nodes {
            let owner = owner_of(node, self.cluster, Some(cloud));
            let named = owner.and_then(|owner| Some((group_name(&owner)?, owner)));
            let Some((name, owner)) = named else {
                continue;
            };
            if owner.launches_as().is_some_and(asked) && !is_planned(&node.name()) {
                let behind = match &owner {
                    Owner::NodeGroup {
                        auto_scaling_group, ..
                    } => auto_scaling_group.clone(),
                    _ => None,
                };
                let of = groups.entry(name);
                let of = of.or_insert_with(|| Group::new(owner, None));
                of.behind.extend(behind);
                if not_target(node, self.cluster.node_pools.items()).is_empty() {
                    of.like = of.like.or(Some(node));
                }
            }
        }
        for group in groups.into_values() {
            kinds.extend(self.of_group(cloud, group, missing));
        }
    }

    fn of_group(
        &self,
        cloud: &Cloud,
        group: Group<'_>,
        missing: &mut BTreeSet<MissingEvidence>,
    ) -> Option<NewKind> {
        let Group {
            owner,
            like,
            behind,
        } = group;
        let Some(group) = Described::new(&owner, self.cluster, cloud) else {
            // How many nodes it keeps is not known.
            missing.insert(MissingEvidence::Part {
                part: format!("the size of {owner}"),
                state: "not listed".to_owned(),
            });
            return None;
        };
        let min_size = group.min_size.max(min_size_of(&behind, cloud));
        let listed = matches!(owner, Owner::NodeGroup { .. });
        if like.is_none() && !listed && min_size == 0 {
            // None of its nodes is in service, and none has to be.
            return None;
        }
        let mut confirm = |what: &str| {
            missing.insert(MissingEvidence::Confirmation {
                of: format!("which {what} {owner} launches: it chooses itself"),
            });
            None
        };
        let Some(instance_type) = group.one_type() else {
            return confirm("type");
        };
        let mut zones = cloud.zones.items().iter();
        let of_group = group.one_zone().and_then(|of_group| {
            let named = |z: &&Zone| z.name.as_str() == of_group || z.id.as_str() == of_group;
            zones.find(named)
        });
        let Some(zone) = of_group else {
            return confirm("zone");
        };
        // A node from before the group was changed says nothing of the next one.
        let like = like.filter(|node| {
            node.instance_type() == Some(instance_type.as_str())
                && node.zone_name().as_ref() == Some(&zone.name)
        });
        let of_node = like.and_then(Node::capacity_type);
        let Some(capacity_type) = group.capacity.or(of_node) else {
            return confirm("capacity type");
        };
        let like = like.filter(|_| of_node == Some(capacity_type));
        let name = instance_type.as_str();
        let info = self.inputs.catalog.instance_type(name);
        let named = &self.purchase.instance_types;
        let chosen = named.is_empty() || named.contains(instance_type);
        if !chosen || info.is_some_and(|i| i.vcpu > self.config.max_node_vcpus) {
            return None;
        }
        let node = match (like, &owner, info) {
            (Some(node), ..) => next_like(node),
            (None, Owner::NodeGroup { name, .. }, Some(info)) => {
                let own = cloud.node_groups.items().iter();
                let mut own = own.filter(|g| g.cluster == self.cluster.name);
                let of = own.find(|g| g.name == *name)?;
                let at = Some((&zone.name, &zone.id));
                let overheads = NodeOverheads::default();
                let mut node = hypothetical_node(
                    info.name.as_str(),
                    info,
                    at,
                    capacity_type,
                    None,
                    &overheads,
                );
                let labels = &mut node.meta.labels;
                labels.remove(HOSTNAME_LABEL);
                // Karpenter's words are on its own nodes only.
                labels.retain(|key, _| !key.starts_with("karpenter."));
                let agreed = capacity_type.label().replace('-', "_").to_uppercase();
                labels.insert("eks.amazonaws.com/capacityType".to_owned(), agreed);
                labels.insert(NODE_GROUP_LABEL.to_owned(), name.clone());
                labels.extend(of.labels.clone());
                node.taints = of.taints.clone();
                node
            }
            _ => {
                missing.insert(MissingEvidence::Confirmation {
                    of: format!("what a node of {owner} is: the cluster has none like it"),
                });
                return None;
            }
        };
        let Some(price) = self.price(name, &zone.id, capacity_type) else {
            // What is on spot and has no price with its risk is not bought, where it
            // does not have to be.
            if capacity_type != CapacityType::Spot || min_size > 0 {
                missing.insert(MissingEvidence::Price {
                    of: format!("nodes of {owner}"),
                });
            }
            return None;
        };
        if capacity_type == CapacityType::OnDemand {
            let limit = LaunchLimit::Reserved {
                instance_type: name.to_owned(),
                zone: zone.id.to_string(),
            };
            self.may_fill(&limit, missing);
        }
        let id = format!("{owner} {name}");
        let attached = info.and_then(|i| i.ebs_attach_limit);
        let mut launchable = Launchable::new(id, Resources::default(), attached);
        self.offer(&mut launchable, &zone.name, node, price);
        Some(NewKind {
            launchable,
            zone_ids: BTreeMap::from([(zone.name.to_string(), zone.id.clone())]),
            instance_type: instance_type.clone(),
            capacity_type,
            pool: None,
            group: Some(owner),
            min_size,
        })
    }
}

/// Whether Karpenter launches nodes of a pool into capacity reservations: only
/// where the pool names them.
fn names_reserved(pool: &NodePool) -> bool {
    let mut of = pool.requirements.iter();
    let capacity = of.find(|r| r.key == "karpenter.sh/capacity-type");
    capacity.is_some_and(|r| r.matches(Some("reserved")))
}
