//! The end of a wave.

use super::{Course, Mode};
use crate::engines::bin_packing::migration::open::Open;
use crate::engines::bin_packing::migration::{Eviction, Placement, Rollback, Wave};
use crate::model::{NODE_POOL_LABEL, NodeName};
use crate::plan::{LAUNCH_SECONDS, REMOVE_SECONDS, leaving_seconds, rounds};
use crate::scheduling::NodeId;
use std::collections::BTreeSet;

impl<'a> Course<'_, 'a> {
    /// Ends the open wave: its nodes go.
    pub(in crate::engines::bin_packing::migration) fn close(&mut self) {
        let open = std::mem::replace(&mut self.open, Open::new(self.ground));
        if open.is_empty() {
            return;
        }
        let name = |node: NodeId| self.world.node(node).map(|n| n.name());
        let placement = match &open.forced {
            None if self.mode == Mode::Checked => Placement::Checked,
            None => Placement::Free,
            Some((target, closed)) => Placement::Forced {
                target: name(*target).unwrap_or_default(),
                closed: closed.iter().filter_map(|node| name(*node)).collect(),
            },
        };
        let ground = self.ground;
        let drain = |index: usize| ground.drains.get(index);
        let evictions: Vec<Eviction> = open
            .steps
            .iter()
            .filter_map(|(index, place, room)| {
                let drain = drain(*index)?;
                let mover = drain.pods.get(*place)?;
                let planned = &mover.planned;
                Some(Eviction {
                    pod: planned.pod.clone(),
                    uid: planned.uid.clone(),
                    from: name(mover.from)?,
                    serves: mover.shifts.then(|| drain.node.name()),
                    to: planned.to.clone(),
                    room_on: room.and_then(name),
                })
            })
            .collect();
        let pods = open.steps.iter().filter_map(|(index, place, _)| {
            let mover = drain(*index)?.pods.get(*place)?;
            self.world.pod(mover.id)
        });
        let leaving = match placement {
            Placement::Free | Placement::Checked => leaving_seconds(&ground.budgets, pods),
            Placement::Forced { .. } => rounds(&open.graces, 1),
        };
        let launch = std::mem::take(&mut self.launch);
        let removed: Vec<NodeName> = open
            .leaves
            .iter()
            .filter_map(|i| drain(*i).map(|d| d.node.name()))
            .collect();
        let mut seconds = leaving;
        for (part, needed) in [
            (LAUNCH_SECONDS, !launch.is_empty()),
            (ground.settle_seconds, !evictions.is_empty()),
            (REMOVE_SECONDS, !removed.is_empty()),
        ] {
            seconds = seconds.saturating_add(if needed { part } else { 0 });
        }
        let mut rollback = Rollback {
            uncordon: self.there.clone(),
            gone: removed.clone(),
        };
        let closed = open.shut.and_then(name);
        if let Placement::Forced { closed, .. } = &placement {
            rollback.uncordon.extend(closed.iter().cloned());
            rollback.uncordon.sort();
        } else if let Some(closed) = &closed {
            rollback.uncordon.push(closed.clone());
            rollback.uncordon.sort();
        }
        if let Some(before) = self.waves.last() {
            let mut gone = before.rollback.gone.clone();
            gone.append(&mut rollback.gone);
            rollback.gone = gone;
        }
        if let Some(node) = open.shut {
            self.world.uncordon_node(node);
        }
        if self.mode == Mode::Checked {
            self.settle(&open);
        }
        for node in self.left_by(&open) {
            self.crowd.room_came(&self.world, node, &ground.unsure);
        }
        for drain in open.leaves.iter().filter_map(|i| drain(*i)) {
            self.world.remove_node(drain.id);
            let freed = self.limits.of_node(drain.node, drain.via.as_ref());
            self.limits.free(&freed);
            if let Some(pool) = drain.node.meta.label(NODE_POOL_LABEL) {
                *self.gone.entry(pool.to_owned()).or_default() += 1;
            }
        }
        self.there.retain(|node| !removed.contains(node));
        self.seconds = self.seconds.saturating_add(seconds);
        let number = u32::try_from(self.waves.len()).unwrap_or(u32::MAX);
        self.waves.push(Wave {
            number: number.saturating_add(1),
            launch,
            cordon: std::mem::take(&mut self.cordon),
            placement,
            closed,
            evictions,
            removed,
            seconds,
            rollback,
        });
    }

    /// Nodes that stay and that pods of the wave leave.
    pub(super) fn left_by(&self, wave: &Open<'a>) -> BTreeSet<NodeId> {
        let movers = wave.steps.iter().filter_map(|(index, place, _)| {
            let drain = self.ground.drains.get(*index)?;
            drain.pods.get(*place)
        });
        movers.filter(|m| m.shifts).map(|m| m.from).collect()
    }

    /// Puts the pods of a wave that is over where the plan has them.
    fn settle(&mut self, wave: &Open<'a>) {
        for (index, place, _) in &wave.steps {
            let drain = self.ground.drains.get(*index);
            let Some(mover) = drain.and_then(|d| d.pods.get(*place)) else {
                continue;
            };
            if let Some(target) = self.to(mover) {
                self.crowd.remove(&self.world, mover.id);
                self.world.place_pod(mover.id, target);
            }
        }
    }
}
