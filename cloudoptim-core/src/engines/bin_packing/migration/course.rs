//! Wave after wave, on the cluster as it is then.
//!
//! A pod that the scheduler chose a node for stands nowhere for sure: it joins
//! the crowd, see [`crowd`](crate::scheduling::crowd). What is proven later is
//! proven with the crowd about.

use super::ground::{Drain, Ground, Mover};
use super::open::Open;
use super::{Eviction, Obstacle, Placement, Rollback, Wave};
use crate::decision::{Launch, is_planned};
use crate::engines::bin_packing::limits::Limits;
use crate::engines::bin_packing::trial::{leaves_again, named};
use crate::guard::lookup::{pool, says_leave_it};
use crate::model::{NODE_POOL_LABEL, Node, NodeName, Pod, WorkloadRef};
use crate::plan::{LAUNCH_SECONDS, REMOVE_SECONDS, grace_seconds, leaving_seconds, rounds};
use crate::scheduling::crowd::{Crowd, Reserve, Total};
use crate::scheduling::{NodeId, PodId, World};
use std::collections::{BTreeMap, BTreeSet};

/// What the proof of a wave counts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Pods of earlier waves are wherever the scheduler chose, or where they
    /// had to go; evictions are free where that is safe.
    FreeFirst,
    /// The same, and forced where that is possible.
    ForcedFirst,
    /// Pods of earlier waves are where the plan puts them: looked at again.
    Checked,
}

pub(super) struct Course<'g, 'a> {
    pub(super) ground: &'g Ground<'a>,
    mode: Mode,
    /// The cluster after the closed waves and the evictions of the open one:
    /// pods of the crowd stand nowhere in it.
    pub(super) world: World<'a>,
    pub(super) crowd: Crowd,
    pub(super) reserve: Reserve,
    /// Pods that find room wherever all others go.
    loose: BTreeSet<PodId>,
    waves: Vec<Wave>,
    pub(super) open: Open<'a>,
    /// Nodes to cordon with the first wave.
    cordon: Vec<NodeName>,
    /// Nodes that go and are still there.
    there: Vec<NodeName>,
    seconds: u64,
    /// Nodes gone by pool.
    gone: BTreeMap<String, usize>,
    /// Drains, in order.
    pub(super) going: Vec<usize>,
    pub(super) limits: Limits<'a>,
    /// Nodes launched, by their names in the plan.
    pub(super) new: BTreeMap<NodeName, NodeId>,
    /// Launches that begin the next wave.
    pub(super) launch: Vec<Launch>,
    /// Drains whose launches are made.
    pub(super) launched: BTreeSet<usize>,
    /// Nodes whose real names are not known: no cordon can name them.
    pub(super) unnamed: BTreeSet<NodeId>,
    /// Pods of each workload that may have left on demand for spot.
    pub(super) left_on_demand: BTreeMap<WorkloadRef, u32>,
}

/// What stands in the way of an attempt.
enum Refused {
    /// Another form may do.
    Here,
    /// Nothing will.
    Never(Obstacle),
}

/// A form that one eviction may have.
type Attempt<'g, 'a> = fn(&mut Course<'g, 'a>, &Step<'g, 'a>) -> Result<(), Refused>;

impl<'g, 'a> Course<'g, 'a> {
    /// Empties these drains in this mode, and then `rest`, which is looked at
    /// again; or says which one has no safe way.
    pub(super) fn run(
        ground: &'g Ground<'a>,
        mode: Mode,
        first: &[usize],
        rest: &[usize],
    ) -> Result<Vec<Wave>, (usize, Box<Obstacle>)> {
        let going = [first, rest].concat();
        let names = going.iter().filter_map(|i| ground.drains.get(*i));
        let names: Vec<NodeName> = names.map(|d| d.node.name()).collect();
        let mut course = Self {
            ground,
            mode,
            world: ground.world.clone(),
            crowd: Crowd::default(),
            reserve: Reserve::default(),
            loose: BTreeSet::new(),
            waves: Vec::new(),
            open: Open::new(ground),
            cordon: names.clone(),
            there: names,
            seconds: 0,
            gone: BTreeMap::new(),
            going: going.clone(),
            limits: ground.limits.clone(),
            new: BTreeMap::new(),
            launch: Vec::new(),
            launched: BTreeSet::new(),
            unnamed: BTreeSet::new(),
            left_on_demand: BTreeMap::new(),
        };
        let nodes = course.world.nodes();
        let unnamed = nodes.filter(|id| {
            let node = course.world.node(*id);
            node.is_some_and(|n| is_planned(&n.name()))
        });
        course.unnamed = unnamed.collect();
        for drain in going.iter().filter_map(|i| ground.drains.get(*i)) {
            course.world.cordon_node(drain.id);
        }
        for pod in &ground.unsure {
            course.crowd.add_waiting(&course.world, *pod);
        }
        for pod in &ground.leaving {
            course.crowd.add_leaving(&course.world, *pod);
        }
        course.find_loose();
        course.keep_room(0);
        for (place, index) in going.iter().enumerate() {
            if place == first.len() {
                course.close();
                course.mode = Mode::Checked;
            }
            course
                .drain(*index)
                .map_err(|obstacle| (*index, Box::new(obstacle)))?;
        }
        course.close();
        Ok(course.waves)
    }

    /// Pods with no rule but room, for which there is room by count from the
    /// first wave to the last: all that comes to the nodes that stay is the
    /// crowd and the pods that move.
    pub(super) fn find_loose(&mut self) {
        let mut total = Total::default();
        let drains = self.going.iter().filter_map(|i| self.ground.drains.get(*i));
        let own: BTreeSet<PodId> = drains.flat_map(|d| &d.pods).map(|m| m.id).collect();
        let unsure = self.ground.unsure.iter().copied();
        // Those without room anywhere find some where pods leave nodes that stay.
        let room_comes = self.movers_from(0).iter().any(|m| m.shifts);
        let waiting = unsure.filter(|id| room_comes || self.crowd.contains(*id));
        for id in own
            .iter()
            .copied()
            .chain(waiting.filter(|id| !own.contains(id)))
        {
            total.add(&self.world, id);
        }
        for id in own {
            let world = &self.world;
            if !world.wants_room_only(id) || !world.may_be_chosen_for(id) {
                continue;
            }
            let mut nodes = self.crowd.range(world, id);
            nodes.retain(|node| leaves_again(world, id, *node).is_none());
            if total.leaves_room(world, id, &nodes) {
                self.loose.insert(id);
            }
        }
        // The count is for nodes that are open all the time.
        let shifts = self.movers_from(0).into_iter().filter(|m| m.shifts);
        for mover in shifts {
            self.loose.remove(&mover.id);
        }
    }

    /// Movers of the drains from that place on.
    pub(super) fn movers_from(&self, place: usize) -> Vec<&'g Mover> {
        let ground = self.ground;
        let drains = self.going.iter().skip(place);
        let drains = drains.filter_map(|i| ground.drains.get(*i));
        drains.flat_map(|d| &d.pods).collect()
    }

    /// Keeps room on their targets for the pods of the drains from that place on.
    pub(super) fn keep_room(&mut self, place: usize) {
        for mover in self.movers_from(place) {
            let target = self.reserved(mover);
            self.reserve.add(&self.world, mover.id, target);
        }
    }

    /// Where a pod should go, if that node is there.
    fn to(&self, mover: &Mover) -> Option<NodeId> {
        let new = mover.launched.as_ref().and_then(|name| self.new.get(name));
        mover.to.or(new.copied())
    }

    fn drain(&mut self, index: usize) -> Result<(), Obstacle> {
        let ground = self.ground;
        let Some(drain) = ground.drains.get(index) else {
            return Ok(());
        };
        self.launch(index, drain)?;
        for (place, mover) in drain.pods.iter().enumerate() {
            self.evict(index, place, drain, mover)?;
        }
        loop {
            match self.touch(index, drain, drain.pods.is_empty(), 0) {
                Ok(()) => break,
                Err(Refused::Never(obstacle)) => return Err(obstacle),
                Err(Refused::Here) if self.open.is_empty() => return Ok(()),
                Err(Refused::Here) => self.close(),
            }
        }
        self.open.leaves.push(index);
        Ok(())
    }

    fn evict(
        &mut self,
        index: usize,
        place: usize,
        drain: &'g Drain<'a>,
        mover: &'g Mover,
    ) -> Result<(), Obstacle> {
        let Some(pod) = self.world.pod(mover.id) else {
            return Ok(());
        };
        let step = Step {
            index,
            place,
            drain,
            mover,
            pod,
        };
        if !self.world.heeds_cordon(mover.id) {
            return Err(Obstacle::ToleratesCordon { pod: named(pod) });
        }
        if let Err(why) = self.ground.budgets.can_evict(pod) {
            let pod = named(pod);
            return Err(Obstacle::BudgetBlocks { pod, why });
        }
        if self.follows(&step) {
            return Ok(());
        }
        let attempts: &[Attempt<'g, 'a>] = match self.mode {
            Mode::FreeFirst => &[Self::free, Self::free_anew, Self::forced],
            Mode::ForcedFirst => &[Self::forced, Self::free_anew],
            Mode::Checked => &[Self::free, Self::free_anew, Self::alone],
        };
        for attempt in attempts {
            match attempt(self, &step) {
                Ok(()) => return Ok(()),
                Err(Refused::Never(obstacle)) => return Err(obstacle),
                Err(Refused::Here) => {}
            }
        }
        Err(self.obstacle(&step))
    }

    /// Puts the pod into the open forced wave, if it has the same way and, on
    /// its own, no freer one.
    fn follows(&mut self, step: &Step<'g, 'a>) -> bool {
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
    fn closing(&mut self, step: &Step<'g, 'a>, target: NodeId) -> Vec<NodeId> {
        let mut nodes = self.crowd.range(&self.world, step.mover.id);
        nodes.retain(|node| *node != target);
        let from = step.mover.from;
        if step.mover.shifts && !nodes.contains(&from) {
            nodes.push(from);
            nodes.sort();
        }
        nodes
    }

    fn free_anew(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
        if !self.open.is_empty() {
            self.close();
        }
        self.free(step)
    }

    /// Adds the pod to the open wave, if that is still free with it.
    fn free(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
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
    fn alone(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
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
    fn forced(&mut self, step: &Step<'g, 'a>) -> Result<(), Refused> {
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

    /// The room that is kept for a pod: none for one that has room anyway, and
    /// none for one whose place is not known, which takes it everywhere already.
    pub(super) fn reserved(&self, mover: &Mover) -> Option<NodeId> {
        let elsewhere = self.crowd.contains(mover.id) || self.loose.contains(&mover.id);
        self.to(mover).filter(|_| !elsewhere)
    }

    /// Whether the share of a pool that is disrupted at a time has room for the
    /// node, which that drain empties, beside those of the open wave and those out
    /// of service.
    fn share(&self, of: &Node, drain: Option<usize>) -> Result<(), Refused> {
        let ground = self.ground;
        let name = pool(of);
        let (mut size, mut out) = (0, 0);
        for node in ground.nodes {
            if pool(node) != name || self.world.node_id(&node.name()).is_none() {
                continue;
            }
            size += 1_usize;
            let broken = !node.is_ready() || node.meta.deleted_at.is_some();
            out += usize::from(broken && node.meta.name != of.meta.name);
        }
        let percent = usize::try_from(ground.config.max_disrupted_percent).unwrap_or(100);
        let most = size.saturating_mul(percent).div_ceil(100).max(1);
        let Some(room) = most.checked_sub(out).filter(|room| *room > 0) else {
            return Err(Refused::Never(Obstacle::PoolForbids {
                pool: name.to_owned(),
                setting: format!(
                    "{percent} % of {size} nodes at a time, with {out} out of service"
                ),
            }));
        };
        let others = self.open.touched.iter().filter(|i| Some(**i) != drain);
        let others = others
            .filter_map(|i| ground.drains.get(*i))
            .filter(|other| pool(other.node) == name)
            .count();
        if others < room {
            Ok(())
        } else {
            Err(Refused::Here)
        }
    }

    /// Counts a node among those that the open wave disrupts, if its pool lets
    /// so many go at once until the wave has ended.
    fn touch(
        &mut self,
        index: usize,
        drain: &Drain<'a>,
        empty: bool,
        grace: u64,
    ) -> Result<(), Refused> {
        self.share(drain.node, Some(index))?;
        let pool = |drain: &Drain<'_>| drain.node.meta.label(NODE_POOL_LABEL).map(str::to_owned);
        let Some(mine) = pool(drain) else {
            self.open.touched.insert(index);
            return Ok(());
        };
        let graces = self.open.graces.iter().fold(grace, |all, g| all + g);
        let most = graces + LAUNCH_SECONDS + self.ground.settle_seconds + REMOVE_SECONDS;
        let from = self.ground.after(self.seconds);
        let to = self.ground.after(self.seconds.saturating_add(most));
        let gone = self.gone.get(&mine).copied().unwrap_or(0);
        let at_once = self
            .ground
            .pools
            .at_once(drain.node, empty, gone, (from, to));
        let Some((at_once, setting)) = at_once else {
            self.open.touched.insert(index);
            return Ok(());
        };
        let others = self.open.touched.iter().filter(|i| **i != index);
        let others = others
            .filter_map(|i| self.ground.drains.get(*i))
            .filter(|other| pool(other).as_ref() == Some(&mine))
            .count();
        if others < at_once {
            self.open.touched.insert(index);
            return Ok(());
        }
        Err(if self.open.is_empty() {
            let pool = mine;
            Refused::Never(Obstacle::PoolForbids { pool, setting })
        } else {
            Refused::Here
        })
    }

    fn obstacle(&mut self, step: &Step<'g, 'a>) -> Obstacle {
        if let Some(obstacle) = self.on_demand_obstacle(step.mover) {
            return obstacle;
        }
        let pod = named(step.pod);
        let Some(target) = self.to(step.mover) else {
            return Obstacle::NoTarget { pod };
        };
        let closed = self.closing(step, target);
        closed.iter().for_each(|node| self.world.cordon_node(*node));
        let answer = self.world.check(step.mover.id, target);
        closed
            .iter()
            .for_each(|node| self.world.uncordon_node(*node));
        match (answer, step.mover.planned.to.clone()) {
            (Err(refusals), Some(to)) => Obstacle::TargetRefuses { pod, to, refusals },
            _ => Obstacle::Unsettled { pod },
        }
    }

    /// Ends the open wave: its nodes go.
    pub(super) fn close(&mut self) {
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
    fn left_by(&self, wave: &Open<'a>) -> BTreeSet<NodeId> {
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

/// One pod and its way, as decided.
struct Step<'s, 'a> {
    index: usize,
    place: usize,
    drain: &'s Drain<'a>,
    mover: &'s Mover,
    pod: &'a Pod,
}
