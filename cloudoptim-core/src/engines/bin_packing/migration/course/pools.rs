//! How many nodes of a pool a wave may disrupt.

use super::{Course, Refused};
use crate::engines::bin_packing::migration::Obstacle;
use crate::engines::bin_packing::migration::ground::Drain;
use crate::guard::lookup::pool;
use crate::model::{NODE_POOL_LABEL, Node};
use crate::plan::{LAUNCH_SECONDS, REMOVE_SECONDS};

impl<'a> Course<'_, 'a> {
    /// Whether the share of a pool that is disrupted at a time has room for the
    /// node, which that drain empties, beside those of the open wave and those out
    /// of service.
    pub(super) fn share(&self, of: &Node, drain: Option<usize>) -> Result<(), Refused> {
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
    pub(super) fn touch(
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
}
