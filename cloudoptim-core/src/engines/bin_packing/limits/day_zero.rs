//! Limits as they are when a cluster has no node yet.

use super::{LaunchLimit, Limits, filled, group_name, reservations};
use crate::decision::{Owner, is_planned};
use crate::model::{Cluster, Node, NodeName, PodPhase};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

impl Limits<'_> {
    /// As if the cluster had no node yet: with all that its nodes hold. Of the
    /// addresses of pods those of the pods that run count, unless it is stated how
    /// many a node takes. Groups are at nothing, with all of their maximum free, and
    /// reservations without the cluster's own instances.
    pub(in super::super) fn at_day_zero(mut self, cluster: &Cluster, now: DateTime<Utc>) -> Self {
        let mut pods: BTreeMap<&NodeName, u64> = BTreeMap::new();
        for pod in cluster.pods.items() {
            let ended = matches!(pod.status.phase, PodPhase::Succeeded | PodPhase::Failed);
            if let Some(node) = pod.spec.node_name.as_ref().filter(|_| !ended)
                && !pod.spec.host_network
            {
                *pods.entry(node).or_default() += 1;
            }
        }
        for node in cluster.nodes.items() {
            let mut uses = self.held_by(node, None);
            if !is_planned(&node.name()) {
                // By its instance, below: a label says not which one it fills.
                uses.retain(|limit, _| !matches!(limit, LaunchLimit::Reserved { .. }));
            }
            let own = self.addresses_of(node);
            let held = self.addresses_per_node.map(u64::from);
            let running = pods.get(&node.name()).copied().unwrap_or(0);
            let held = held.unwrap_or_else(|| running.saturating_add(1));
            for (limit, amount) in &mut uses {
                if matches!(limit, LaunchLimit::Addresses { .. }) {
                    // Nothing, where it is not known to be in a counted subnet.
                    *amount = held.saturating_mul(own);
                }
            }
            self.free(&uses);
        }
        self.empty_groups(cluster);
        self.empty_reservations(cluster, now);
        self
    }

    fn empty_groups(&mut self, cluster: &Cluster) {
        let Some(cloud) = self.cloud else { return };
        let scaling = cloud.auto_scaling_groups.items().iter().map(|group| {
            let name = group.name.clone();
            (Owner::AutoScalingGroup { name }, group.max_size)
        });
        let own = cloud.node_groups.items().iter();
        let own = own.filter(|g| g.cluster == cluster.name).map(|group| {
            let owner = Owner::NodeGroup {
                name: group.name.clone(),
                auto_scaling_group: None,
            };
            (owner, group.max_size)
        });
        for (owner, most) in scaling.chain(own) {
            let group = group_name(&owner).unwrap_or_default();
            let most = Ok(i128::from(most));
            self.rows.insert(LaunchLimit::GroupSize { group }, most);
        }
    }

    /// A reservation of which nobody says for which platform it is may not be for
    /// nodes: how much room there is in it is not known.
    fn empty_reservations(&mut self, cluster: &Cluster, now: DateTime<Utc>) {
        let Some(cloud) = self.cloud else { return };
        let nodes = cluster.nodes.items().iter();
        let own: BTreeSet<_> = nodes.filter_map(Node::instance_id).collect();
        for (limit, reservation) in reservations(cloud, now) {
            let inside = filled(cloud, reservation).filter(|i| own.contains(&i.id));
            let inside = i128::try_from(inside.count()).unwrap_or(i128::MAX);
            let Some(row) = self.rows.get_mut(&limit) else {
                continue;
            };
            match row {
                Ok(_) if reservation.platform.is_none() => {
                    let id = &reservation.id;
                    *row = Err(format!("the platform of {id} is not listed"));
                }
                Ok(free) => *free += inside,
                Err(_) => {}
            }
        }
    }

    /// The capacity reservation that a node is in, of those whose room is known.
    pub(in super::super) fn reservation_of(
        &self,
        node: &Node,
        now: DateTime<Utc>,
    ) -> Option<LaunchLimit> {
        let cloud = self.cloud?;
        let id = node.instance_id()?;
        let mut all = reservations(cloud, now);
        let (limit, _) = all.find(|(_, r)| filled(cloud, r).any(|i| i.id == id))?;
        let known = matches!(self.rows.get(&limit), Some(Ok(_)));
        known.then_some(limit)
    }

    /// Whether instances on demand that nobody sends there may fill a part of a
    /// type's capacity reservations in a zone.
    pub(in super::super) fn fills_by_itself(
        &self,
        limit: &LaunchLimit,
        now: DateTime<Utc>,
    ) -> bool {
        let Some(cloud) = self.cloud else {
            return false;
        };
        let mut all = reservations(cloud, now);
        all.any(|(of, reservation)| of == *limit && reservation.targeted != Some(true))
    }
}
