//! What a group says of the nodes that it launches.

use crate::decision::Owner;
use crate::model::{CapacityType, Cloud, Cluster, HOSTNAME_LABEL, InstanceType, Node};
use std::collections::BTreeSet;

/// A managed node group or an auto scaling group as it is described.
pub(super) struct Described<'g> {
    /// Wanted nodes.
    pub(super) size: u32,
    /// Fewest nodes, by its own word: what stands behind it may have more.
    pub(super) min_size: u32,
    types: &'g [InstanceType],
    /// Names or ids.
    zones: BTreeSet<String>,
    /// `None` where it does not say.
    pub(super) capacity: Option<CapacityType>,
}

impl<'g> Described<'g> {
    /// `None` when it is not listed, or no group.
    pub(super) fn new(owner: &Owner, cluster: &Cluster, cloud: &'g Cloud) -> Option<Self> {
        match owner {
            Owner::NodeGroup { name, .. } => {
                let groups = cloud.node_groups.items().iter();
                let mut groups = groups.filter(|g| g.cluster == cluster.name);
                let group = groups.find(|g| g.name == *name)?;
                let subnets = cloud.subnets.items().iter();
                let own = subnets.filter(|s| group.subnets.contains(&s.id));
                let zones = own.filter_map(|s| s.zone_id.as_ref().map(ToString::to_string));
                Some(Self {
                    size: group.desired,
                    min_size: group.min_size,
                    types: &group.instance_types,
                    zones: zones.collect(),
                    capacity: Some(group.capacity_type),
                })
            }
            Owner::AutoScalingGroup { name } => {
                let mut groups = cloud.auto_scaling_groups.items().iter();
                let group = groups.find(|g| g.name == *name)?;
                Some(Self {
                    size: group.desired,
                    min_size: group.min_size,
                    types: &group.instance_types,
                    zones: group.zones.iter().map(ToString::to_string).collect(),
                    capacity: None,
                })
            }
            _ => None,
        }
    }

    /// Its type; `None` when it chooses one itself.
    pub(super) fn one_type(&self) -> Option<&'g InstanceType> {
        match self.types {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Name or id of its zone; `None` when it chooses one itself.
    pub(super) fn one_zone(&self) -> Option<&str> {
        let mut zones = self.zones.iter();
        let only = zones.next();
        only.filter(|_| zones.next().is_none()).map(String::as_str)
    }
}

/// The fewest instances of auto scaling groups, as far as they are listed.
pub(super) fn min_size_of(groups: &BTreeSet<String>, cloud: &Cloud) -> u32 {
    let all = cloud.auto_scaling_groups.items().iter();
    let own = all.filter(|group| groups.contains(&group.name));
    own.fold(0, |sum, group| sum.saturating_add(group.min_size))
}

/// What the next node of a group is, after one that it has.
pub(super) fn next_like(node: &Node) -> Node {
    let mut copy = node.clone();
    copy.meta.labels.remove(HOSTNAME_LABEL);
    copy.meta.annotations.clear();
    copy.meta.owners.clear();
    copy.provider_id = None;
    copy
}
