//! Who made a node, and what its group says about removing it.

use super::Reason;
use crate::decision::Owner;
use crate::model::{Cloud, Cluster, NODE_GROUP_LABEL, NODE_POOL_LABEL, Node};
use std::collections::BTreeMap;

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

/// What groups and pools allow, counted down as nodes go.
#[derive(Debug)]
pub(super) struct Groups {
    /// Wanted size and minimum of each group.
    sizes: BTreeMap<String, (u32, u32)>,
    /// Nodes of each group in each zone.
    zones: BTreeMap<(String, String), u32>,
}

impl Groups {
    pub(super) fn new(nodes: &[(&Node, String)], cloud: Option<&Cloud>) -> Self {
        let mut sizes = BTreeMap::new();
        if let Some(cloud) = cloud {
            for group in cloud.auto_scaling_groups.items() {
                sizes.insert(group.name.clone(), (group.desired, group.min_size));
            }
            for group in cloud.node_groups.items() {
                sizes.insert(group.name.clone(), (group.desired, group.min_size));
            }
        }
        let mut zones: BTreeMap<(String, String), u32> = BTreeMap::new();
        for (node, group) in nodes {
            *zones.entry((group.clone(), zone_of(node))).or_default() += 1;
        }
        Self { sizes, zones }
    }

    /// Why the group lets the node not go, if it does not.
    pub(super) fn refuses(&self, node: &Node, group: &str, owner: &Owner) -> Option<Reason> {
        if let Owner::NodeGroup { name, .. } | Owner::AutoScalingGroup { name } = owner
            && let Some((desired, min_size)) = self.sizes.get(name)
            && desired <= min_size
        {
            return Some(Reason::GroupAtMinimum {
                group: name.clone(),
                min_size: *min_size,
            });
        }
        let zone = zone_of(node);
        (self
            .zones
            .get(&(group.to_owned(), zone.clone()))
            .copied()
            .unwrap_or(0)
            <= 1)
            .then(|| Reason::LastInZone {
                pool: group.to_owned(),
                zone,
            })
    }

    /// Counts a node that goes.
    pub(super) fn removed(&mut self, node: &Node, group: &str, owner: &Owner) {
        if let Owner::NodeGroup { name, .. } | Owner::AutoScalingGroup { name } = owner
            && let Some((desired, _)) = self.sizes.get_mut(name)
        {
            *desired = desired.saturating_sub(1);
        }
        if let Some(count) = self.zones.get_mut(&(group.to_owned(), zone_of(node))) {
            *count = count.saturating_sub(1);
        }
    }
}

fn zone_of(node: &Node) -> String {
    node.zone_name()
        .map_or_else(|| "no zone".to_owned(), |z| z.to_string())
}

/// Why the node's pool does not let it go, if it does not.
pub(super) fn pool_forbids(node: &Node, cluster: &Cluster, empty: bool) -> Option<Reason> {
    let name = node.meta.label(NODE_POOL_LABEL)?;
    let pool = cluster
        .node_pools
        .items()
        .iter()
        .find(|p| p.meta.name == name)?;
    let forbids = |setting: String| {
        Some(Reason::PoolForbids {
            pool: name.to_owned(),
            setting,
        })
    };
    if pool.consolidate_after.as_deref() == Some("Never") {
        return forbids("consolidateAfter: Never".to_owned());
    }
    if pool.consolidation_policy.as_deref() == Some("WhenEmpty") && !empty {
        return forbids("consolidationPolicy: WhenEmpty".to_owned());
    }
    // A budget with a schedule holds at times only; the owner checks it again.
    let closed = pool.budgets.iter().find(|b| {
        b.schedule.is_none()
            && (b.nodes == "0" || b.nodes == "0%")
            && (b.reasons.is_empty()
                || b.reasons
                    .iter()
                    .any(|r| r == if empty { "Empty" } else { "Underutilized" }))
    });
    closed.and_then(|b| forbids(format!("budget nodes: {}", b.nodes)))
}
