//! Who made a node, and what its group says about removing it.

use super::Reason;
use crate::decision::Owner;
use crate::model::{AutoScalingGroup, Cloud, Cluster, NODE_GROUP_LABEL, NODE_POOL_LABEL, Node};
use std::collections::{BTreeMap, BTreeSet};

/// The group that a node counts in: a pool, a node group or a scaling group.
pub(super) fn group_of(node: &Node, owner: Option<&Owner>) -> String {
    let label = node
        .meta
        .label(NODE_POOL_LABEL)
        .or_else(|| node.meta.label(NODE_GROUP_LABEL));
    label.map_or_else(
        || owner.map(ToString::to_string).unwrap_or_default(),
        str::to_owned,
    )
}

/// Who has to be asked to remove the node; `None` when that is not known.
pub(super) fn owner_of(node: &Node, cluster: &Cluster, cloud: Option<&Cloud>) -> Option<Owner> {
    if node.meta.label("eks.amazonaws.com/compute-type") == Some("auto") {
        return Some(Owner::Provider {
            name: "EKS Auto Mode".to_owned(),
        });
    }
    if node.meta.label("eks.amazonaws.com/compute-type") == Some("fargate") {
        return Some(Owner::Provider {
            name: "Fargate".to_owned(),
        });
    }
    let instance = node.instance_id();
    let record = instance
        .as_ref()
        .and_then(|id| cloud?.instances.items().iter().find(|i| i.id == *id));
    if let Some(name) = record.and_then(|i| i.managed_by.clone()) {
        return Some(Owner::Provider { name });
    }
    let claim = cluster.node_claims.items().iter().find(|claim| {
        claim
            .node_name
            .as_ref()
            .is_some_and(|name| name.as_str() == node.meta.name)
            || (claim.provider_id.is_some() && claim.provider_id == node.provider_id)
    });
    if let Some(claim) = claim {
        return Some(Owner::NodeClaim {
            name: claim.meta.name.clone(),
        });
    }
    let owned = node
        .meta
        .owners
        .iter()
        .find(|owner| owner.kind == "NodeClaim");
    if let Some(claim) = owned {
        return Some(Owner::NodeClaim {
            name: claim.name.clone(),
        });
    }
    let group = instance.as_ref().and_then(|id| {
        let groups = cloud?.auto_scaling_groups.items();
        groups
            .iter()
            .find(|g| g.instances.iter().any(|i| i.instance == *id))
    });
    if let Some(name) = node.meta.label(NODE_GROUP_LABEL) {
        return Some(Owner::NodeGroup {
            name: name.to_owned(),
            auto_scaling_group: group.map(|g| g.name.clone()),
        });
    }
    group.map(|g| Owner::AutoScalingGroup {
        name: g.name.clone(),
    })
}

/// Wanted size and minimum.
type Size = (u32, u32);

/// Whether it is a managed group, and its name; what it wants, and its minimum.
pub(super) type GroupSize = ((bool, String), i128, i128);

/// What groups allow, counted down as nodes go.
#[derive(Debug, Clone)]
pub(super) struct Groups<'a> {
    node_groups: BTreeMap<&'a str, Size>,
    scaling_groups: BTreeMap<&'a str, Size>,
    /// What the list of node groups is, when it is not complete.
    node_groups_state: Option<String>,
    /// What the list of scaling groups is, when it is not complete.
    scaling_groups_state: Option<String>,
    /// Scaling groups that start and stop nodes to keep their zones equal.
    balanced: BTreeSet<&'a str>,
    /// Nodes in service of each group in each zone.
    zones: BTreeMap<(String, String), u32>,
}

impl<'a> Groups<'a> {
    /// Reads the groups of a cluster's nodes: those in service, with the group
    /// that each counts in.
    pub(super) fn new(
        nodes: &[(&Node, String)],
        cluster: &Cluster,
        cloud: Option<&'a Cloud>,
    ) -> Self {
        let mut zones: BTreeMap<(String, String), u32> = BTreeMap::new();
        for (node, group) in nodes {
            *zones.entry((group.clone(), zone_of(node))).or_default() += 1;
        }
        let mut groups = Self {
            node_groups: BTreeMap::new(),
            scaling_groups: BTreeMap::new(),
            node_groups_state: Some("unknown".to_owned()),
            scaling_groups_state: Some("unknown".to_owned()),
            balanced: BTreeSet::new(),
            zones,
        };
        let Some(cloud) = cloud else {
            return groups;
        };
        for group in cloud.auto_scaling_groups.items() {
            let size = (group.desired, group.min_size);
            groups.scaling_groups.insert(&group.name, size);
            if balances(group) {
                groups.balanced.insert(&group.name);
            }
        }
        // Other clusters have groups of the same names.
        let own = cloud.node_groups.items().iter();
        for group in own.filter(|g| g.cluster == cluster.name) {
            let size = (group.desired, group.min_size);
            groups.node_groups.insert(&group.name, size);
        }
        groups.node_groups_state =
            (!cloud.node_groups.is_complete()).then(|| cloud.node_groups.to_string());
        groups.scaling_groups_state = (!cloud.auto_scaling_groups.is_complete())
            .then(|| cloud.auto_scaling_groups.to_string());
        groups
    }

    /// Why the group lets the node not go, if it does not.
    pub(super) fn refuses(&self, node: &Node, group: &str, owner: &Owner) -> Option<Reason> {
        self.size_refuses(owner)
            .or_else(|| self.zones_refuse(node, group, owner))
    }

    /// The same but for its size.
    pub(super) fn zones_refuse(&self, node: &Node, group: &str, owner: &Owner) -> Option<Reason> {
        let zone = zone_of(node);
        let here = self.count(group, &zone);
        let last = (here <= 1).then(|| Reason::LastInZone {
            pool: group.to_owned(),
            zone: zone.clone(),
        });
        last.or_else(|| {
            let scaling_group = scaling_group_of(owner)?;
            let most = self.zones.iter().filter(|((g, _), _)| g == group);
            let most = most.map(|(_, count)| *count).max()?;
            (self.balanced.contains(scaling_group) && most > here).then(|| Reason::ZoneBalance {
                group: scaling_group.to_owned(),
                zone,
                nodes: here,
                most,
            })
        })
    }

    /// Whether its group, node group or scaling group, has no more nodes than it
    /// has to have.
    pub(super) fn at_minimum(&self, owner: &Owner) -> bool {
        matches!(
            self.size_refuses(owner),
            Some(Reason::GroupAtMinimum { .. })
        )
    }

    /// The groups that a node of an owner counts in, managed ones first: how many
    /// nodes each wants, and its minimum. `None` when that is not known.
    pub(super) fn sizes(&self, owner: &Owner) -> Option<Vec<GroupSize>> {
        if let Some(Reason::PartMissing { .. }) = self.size_refuses(owner) {
            return None;
        }
        let sized = |managed: bool, name: &str, size: &Size| {
            let (wanted, least) = *size;
            ((managed, name.to_owned()), wanted.into(), least.into())
        };
        let managed = match owner {
            Owner::NodeGroup { name, .. } => self.node_groups.get_key_value(name.as_str()),
            _ => None,
        };
        let behind = scaling_group_of(owner);
        let behind = behind.and_then(|name| self.scaling_groups.get_key_value(name));
        let managed = managed.map(|(name, size)| sized(true, name, size));
        let behind = behind.map(|(name, size)| sized(false, name, size));
        Some(managed.into_iter().chain(behind).collect())
    }

    fn size_refuses(&self, owner: &Owner) -> Option<Reason> {
        let missing = |part: &str, state: &str| {
            Some(Reason::PartMissing {
                part: part.to_owned(),
                state: state.to_owned(),
            })
        };
        let at_minimum = |name: &str, size: Option<&Size>| {
            let (desired, min_size) = *size?;
            (desired <= min_size).then(|| Reason::GroupAtMinimum {
                group: name.to_owned(),
                min_size,
            })
        };
        let node_group = match owner {
            Owner::NodeGroup { name, .. } => Some(name.as_str()),
            Owner::AutoScalingGroup { .. } => None,
            _ => return None,
        };
        let scaling_group = scaling_group_of(owner);
        let own_size = node_group.and_then(|name| self.node_groups.get(name));
        let size_behind = scaling_group.and_then(|name| self.scaling_groups.get(name));
        if let (Some(_), None, Some(state)) = (node_group, own_size, &self.node_groups_state) {
            return missing("node groups", state);
        }
        if let (None, Some(state)) = (size_behind, &self.scaling_groups_state) {
            return missing("auto scaling groups", state);
        }
        if own_size.is_none() && size_behind.is_none() {
            return missing(&format!("the size of {owner}"), "not listed");
        }
        node_group
            .and_then(|name| at_minimum(name, own_size))
            .or_else(|| scaling_group.and_then(|name| at_minimum(name, size_behind)))
    }

    fn count(&self, group: &str, zone: &str) -> u32 {
        let key = (group.to_owned(), zone.to_owned());
        self.zones.get(&key).copied().unwrap_or(0)
    }

    /// Counts a node that goes.
    pub(super) fn removed(&mut self, node: &Node, group: &str, owner: &Owner) {
        self.shrunk(owner);
        self.replaced(node, group);
    }

    /// Counts a node that goes when one of its group comes.
    pub(super) fn replaced(&mut self, node: &Node, group: &str) {
        if let Some(count) = self.zones.get_mut(&(group.to_owned(), zone_of(node))) {
            *count = count.saturating_sub(1);
        }
    }

    /// Counts a node that comes.
    pub(super) fn grown(&mut self, node: &Node, group: &str) {
        let count = self.zones.entry((group.to_owned(), zone_of(node)));
        *count.or_default() += 1;
    }

    /// Counts a node of an owner that is gone already.
    pub(super) fn shrunk(&mut self, owner: &Owner) {
        if let Owner::NodeGroup { name, .. } = owner
            && let Some((desired, _)) = self.node_groups.get_mut(name.as_str())
        {
            *desired = desired.saturating_sub(1);
        }
        if let Some(name) = scaling_group_of(owner)
            && let Some((desired, _)) = self.scaling_groups.get_mut(name)
        {
            *desired = desired.saturating_sub(1);
        }
    }
}

/// Whether a scaling group makes up for a zone that falls behind: it starts a
/// node there and stops one elsewhere.
fn balances(group: &AutoScalingGroup) -> bool {
    group.zones.len() > 1 && !group.suspended.iter().any(|p| p == "AZRebalance")
}

fn scaling_group_of(owner: &Owner) -> Option<&str> {
    match owner {
        Owner::AutoScalingGroup { name } => Some(name),
        Owner::NodeGroup {
            auto_scaling_group, ..
        } => auto_scaling_group.as_deref(),
        _ => None,
    }
}

fn zone_of(node: &Node) -> String {
    node.zone_name()
        .map_or_else(|| "no zone".to_owned(), |z| z.to_string())
}
