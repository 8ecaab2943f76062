//! Wave after wave, on the cluster as it is then.
//!
//! A pod that the scheduler chose a node for stands nowhere for sure: it joins
//! the crowd, see [`crowd`](crate::scheduling::crowd). What is proven later is
//! proven with the crowd about.

mod ending;
mod forms;
mod pools;

use super::ground::{Drain, Ground, Mover};
use super::open::Open;
use super::{Obstacle, Wave};
use crate::decision::{Launch, is_planned};
use crate::engines::bin_packing::limits::Limits;
use crate::engines::bin_packing::trial::{leaves_again, named};
use crate::model::{NodeName, Pod, WorkloadRef};
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
        course.learn_ranges();
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

    /// Looks where pods could come before any node is closed for a time: the crowd
    /// keeps what it finds, and that node is open again later.
    fn learn_ranges(&mut self) {
        let movers = self.movers_from(0);
        if movers.iter().any(|mover| mover.shifts) {
            for mover in movers {
                self.crowd.range(&self.world, mover.id);
            }
        }
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

    /// The room that is kept for a pod: none for one that has room anyway, and
    /// none for one whose place is not known, which takes it everywhere already.
    pub(super) fn reserved(&self, mover: &Mover) -> Option<NodeId> {
        let elsewhere = self.crowd.contains(mover.id) || self.loose.contains(&mover.id);
        self.to(mover).filter(|_| !elsewhere)
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
}

/// One pod and its way, as decided.
struct Step<'s, 'a> {
    index: usize,
    place: usize,
    drain: &'s Drain<'a>,
    mover: &'s Mover,
    pod: &'a Pod,
}
