//! The forms that an eviction may have: free, alone, or forced.

use super::{Course, Mode, Refused, Step};
use crate::engines::bin_packing::migration::ground::Mover;
use crate::engines::bin_packing::migration::open::Open;
use crate::engines::bin_packing::trial::leaves_again;
use crate::guard::lookup::says_leave_it;
use crate::plan::{grace_seconds, rounds};
use crate::scheduling::NodeId;

impl<'g, 'a> Course<'g, 'a> {
    /// Puts the pod into the open forced wave, if it has the same way and, on
    /// its own, no freer one.
    pub(super) fn follows(&mut self, step: &Step<'g, 'a>) -> bool {
        let Some((target, closed)) = self.open.forced.clone() else {
            return false;
        };
        if self.to(step.mover) != Some(target) || !self.open.leaves.is_empty() {
            return false;
        }
        // Who waits may take the room that it makes.
        if self.mode == Mode::FreeFirst && !self.left_by(&self.open).is_empty() {
            return false;
        }
        if self.mode == Mode::FreeFirst {
            let forced = std::mem::replace(&mut self.open, Open::new(self.ground));
            // The forced wave ends before the free one begins.
            let before = self.seconds;
            let forced_for = rounds(&forced.graces, 1) + self.ground.settle_seconds;
            self.seconds = before.saturating_add(forced_for);
            let found = self.free(step);
            self.seconds = before;
            let free = std::mem::replace(&mut self.open, forced);
            if found.is_ok() {
                self.close();
                self.open = free;
                return true;
            }
        }
        self.closing(step, target) == closed && self.force(step, target, &closed).is_ok()
    }

    /// What has to be cordoned so that the pod can only go to the target.
    pub(super) fn closing(&mut self, step: &Step<'g, 'a>, target: NodeId) -> Vec<NodeId> {
        let mut nodes = self.crowd.range(&self.world, step.mover.id);
        nodes.retain(|node| *node != target);
        let from = step.mover.from;
        if step.mover.shifts && !nodes.contains(&from) {
            nodes.push(from);
            nodes.sort();
        }
        nodes
    }

    pub(super) fn free_anew(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
        if !self.open.is_empty() {
            self.close();
        }
        self.free(step)
    }

    /// Adds the pod to the open wave, if that is still free with it.
    pub(super) fn free(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
        let most = usize::try_from(self.ground.config.max_evictions_in_flight);
        let full = self.open.steps.len() >= most.unwrap_or(usize::MAX);
        let id = step.mover.id;
        // One node at a time is closed, and its pods leave in waves of their own.
        let shut = step.mover.shifts.then_some(step.mover.from);
        if full
            || self.open.alone
            || self.open.forced.is_some()
            || (self.open.shut != shut && !self.open.is_empty())
            || !self.world.may_be_chosen_for(id)
        {
            return Err(Refused::Here);
        }
        if self.open.budgets.can_evict(step.pod).is_err() || !self.keeps_on_demand(step.mover, None)
        {
            return Err(Refused::Here);
        }
        self.begin(step)?;
        let was_unsure = self.crowd.contains(id);
        let target = self.reserved(step.mover);
        self.reserve.remove(&self.world, id, target);
        self.shut(shut);
        self.crowd.add_but(&self.world, id, shut);
        let known = self.crowd.contains(id) || self.loose.contains(&id);
        // What later pods count on is looked at when their turn comes.
        let checked = self.mode == Mode::Checked;
        let stands = checked || self.reserve.stands(&self.world, &self.crowd, id);
        let safe = known && stands;
        let Some(rooms) = safe.then(|| self.rooms(step)).flatten() else {
            if !was_unsure {
                self.crowd.remove(&self.world, id);
            }
            self.reserve.add(&self.world, id, target);
            self.open.untouch(step.index);
            self.open_again();
            return Err(Refused::Here);
        };
        let known = self.open.steps.iter_mut().zip(&rooms);
        known.for_each(|((_, _, have), room)| *have = *room);
        if let Some(room) = rooms.last() {
            self.open.steps.push((step.index, step.place, *room));
        }
        // It was asked above.
        let _ = self.open.budgets.take(step.pod);
        self.open.graces.push(grace_seconds(step.pod));
        self.leaves_on_demand(step.mover, None);
        self.world.remove_pod(id);
        Ok(())
    }

    /// A node with room for each pod of the open wave and for one more,
    /// wherever the others go.
    fn rooms(&mut self, step: &Step<'g, 'a>) -> Option<Vec<Option<NodeId>>> {
        let ground = self.ground;
        let steps = self.open.steps.iter();
        let mut all: Vec<(&Mover, Option<NodeId>)> = steps
            .filter_map(|(index, place, room)| {
                let drain = ground.drains.get(*index)?;
                Some((drain.pods.get(*place)?, *room))
            })
            .collect();
        all.push((step.mover, self.to(step.mover)));
        let mut rooms = Vec::new();
        for (mover, first) in all {
            if self.loose.contains(&mover.id) {
                rooms.push(None);
                continue;
            }
            let nodes = self.crowd.nodes_of(mover.id).to_vec();
            let first = first.filter(|node| nodes.contains(node));
            let mut tried = first.into_iter().chain(nodes.iter().copied());
            rooms.push(Some(tried.find(|node| self.has_room(mover, *node))?));
        }
        Some(rooms)
    }

    /// Whether the node takes the pod wherever the crowd is.
    fn has_room(&mut self, mover: &Mover, node: NodeId) -> bool {
        leaves_again(&self.world, mover.id, node).is_none()
            && self.crowd.holds_always(&mut self.world, mover.id, node)
    }

    /// Evicts the pod in a wave of its own, when it has room as things stand: it
    /// is looked at again right before.
    pub(super) fn alone(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
        let Some(target) = self.to(step.mover) else {
            return Err(Refused::Here);
        };
        if !self.open.is_empty() {
            self.close();
        }
        let id = step.mover.id;
        // One that comes again by itself does so before anybody looks.
        let fits = if self.ground.unsure.contains(&id) {
            self.has_room(step.mover, target)
        } else {
            leaves_again(&self.world, id, target).is_none() && self.world.fits(id, target)
        };
        let chosen = self.world.may_be_chosen_for(id) && self.keeps_on_demand(step.mover, None);
        if !fits || !chosen {
            return Err(Refused::Here);
        }
        self.begin(step)?;
        self.shut(step.mover.shifts.then_some(step.mover.from));
        let _ = self.open.budgets.take(step.pod);
        self.open.steps.push((step.index, step.place, Some(target)));
        self.open.graces.push(grace_seconds(step.pod));
        self.open.alone = true;
        self.leaves_on_demand(step.mover, None);
        self.world.remove_pod(id);
        Ok(())
    }

    /// Evicts the pod in a wave of its own, with one node left to go to.
    pub(super) fn forced(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
        let Some(target) = self.to(step.mover) else {
            return Err(Refused::Here);
        };
        if !self.open.is_empty() {
            self.close();
        }
        let closed = self.closing(step, target);
        if !closed.iter().all(|node| self.may_close(*node)) {
            return Err(Refused::Here);
        }
        self.force(step, target, &closed)
    }

    /// Whether the node may be cordoned for the time of a wave.
    fn may_close(&self, node: NodeId) -> bool {
        let found = self.world.node(node);
        found.is_some_and(|n| !says_leave_it(&n.meta)) && !self.unnamed.contains(&node)
    }

    /// Whether the pod may leave in the open wave, as far as the nodes go.
    fn begin(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
        let mover = step.mover;
        if !mover.shifts {
            return self.touch(step.index, step.drain, false, grace_seconds(step.pod));
        }
        // A pod whose place is not known from the start comes when it likes, and
        // somebody else's cordon is not ours to open.
        let open = self.open.shut == Some(mover.from)
            || self.world.not_target(mover.from).is_empty() && self.may_close(mover.from);
        if !open || self.ground.unsure.contains(&mover.id) {
            return Err(Refused::Here);
        }
        let node = self.world.node(mover.from).ok_or(Refused::Here)?;
        self.share(node, None)
    }

    /// Cordons the node that stays and that pods of the open wave leave.
    fn shut(&mut self, node: Option<NodeId>) {
        if let Some(node) = node.filter(|_| self.open.shut.is_none()) {
            self.world.cordon_node(node);
            self.open.shut = Some(node);
        }
    }

    /// Opens that node again, when nothing leaves it after all.
    fn open_again(&mut self) {
        if self.open.is_empty()
            && let Some(node) = self.open.shut.take()
        {
            self.world.uncordon_node(node);
        }
    }

    fn force(
        &mut self,
        step: &Step<'g, 'a>,
        target: NodeId,
        closed: &[NodeId],
    ) -> Result<(), Refused> {
        if !self.keeps_on_demand(step.mover, Some(target)) {
            return Err(Refused::Here);
        }
        self.begin(step)?;
        let id = step.mover.id;
        closed.iter().for_each(|node| self.world.cordon_node(*node));
        let safe = self.has_room(step.mover, target);
        closed
            .iter()
            .for_each(|node| self.world.uncordon_node(*node));
        if !safe {
            self.open.untouch(step.index);
            return Err(Refused::Here);
        }
        let reserved = self.reserved(step.mover);
        self.reserve.remove(&self.world, id, reserved);
        self.leaves_on_demand(step.mover, Some(target));
        if self.crowd.contains(id) {
            // It comes again when it likes: perhaps it did already.
            self.world.remove_pod(id);
        } else {
            self.world.place_pod(id, target);
        }
        self.open.forced = Some((target, closed.to_vec()));
        self.open.steps.push((step.index, step.place, Some(target)));
        self.open.graces.push(grace_seconds(step.pod));
        Ok(())
    }
}
