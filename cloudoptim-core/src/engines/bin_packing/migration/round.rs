//! Launches: a round, with which a wave begins.

use super::Obstacle;
use super::course::Course;
use super::ground::Drain;
use crate::decision::Launch;
use crate::engines::bin_packing::limits::Uses;

impl<'a> Course<'_, 'a> {
    /// What the launches of a drain use.
    fn uses(&self, drain: &Drain<'_>) -> Uses {
        let mut all = Uses::new();
        for launch in &drain.launch {
            for (limit, amount) in self.limits.of_launch(launch) {
                let sum: &mut u64 = all.entry(limit).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
        all
    }

    /// Launches what the drain needs, once there is room for it, and of what
    /// the next ones need as much as there is room for: a round, with which a
    /// wave begins.
    pub(super) fn launch(&mut self, index: usize, drain: &Drain<'a>) -> Result<(), Obstacle> {
        if drain.launch.is_empty() || self.launched.contains(&index) {
            return Ok(());
        }
        let uses = self.uses(drain);
        while let Err(short) = self.limits.fits(&uses) {
            if self.open.is_empty() {
                let counts = drain.launch.iter().map(|l| l.count);
                let limit = match short.state.as_str() {
                    "" => short.limit.to_string(),
                    state => format!("{} ({state})", short.limit),
                };
                return Err(Obstacle::SurgeLimit {
                    nodes: counts.fold(0, u32::saturating_add),
                    limit,
                    free: short.free.unwrap_or(0),
                });
            }
            self.close();
        }
        self.close();
        let place = self.going.iter().position(|i| *i == index).unwrap_or(0);
        for mover in self.movers_from(place) {
            let target = self.reserved(mover);
            self.reserve.remove(&self.world, mover.id, target);
        }
        let ground = self.ground;
        let later: Vec<usize> = self.going.iter().skip(place).copied().collect();
        for other in later {
            let Some(drain) = ground.drains.get(other) else {
                continue;
            };
            if drain.launch.is_empty() || self.launched.contains(&other) {
                continue;
            }
            let uses = self.uses(drain);
            if self.limits.take(&uses).is_err() {
                break;
            }
            self.launched.insert(other);
            for launch in &drain.launch {
                self.come(launch);
            }
        }
        // Who waits for room anywhere may find it there.
        for pod in &ground.unsure {
            if !self.crowd.contains(*pod) {
                self.crowd.add_waiting(&self.world, *pod);
            }
        }
        self.find_loose();
        self.keep_room(place);
        Ok(())
    }

    fn come(&mut self, launch: &Launch) {
        if let Some(shape) = &launch.shape {
            for name in &launch.nodes {
                let node = shape.node(name);
                let id = self.world.add_node(node, &shape.daemons, shape.ebs_limit);
                if let Some(id) = id {
                    self.crowd.node_came(&self.world, id);
                    self.new.insert(name.clone(), id);
                    self.unnamed.insert(id);
                }
            }
        }
        self.launch.push(launch.clone());
    }
}
