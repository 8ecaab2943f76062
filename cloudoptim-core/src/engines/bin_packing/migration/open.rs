//! The wave that is being filled.

use super::ground::Ground;
use crate::scheduling::{Budgets, NodeId};
use std::collections::BTreeSet;

/// The wave that is being filled.
pub(super) struct Open<'a> {
    /// A pod goes alone, and no other beside it.
    pub(super) alone: bool,
    pub(super) forced: Option<(NodeId, Vec<NodeId>)>,
    /// The node that stays and that its pods leave.
    pub(super) shut: Option<NodeId>,
    /// Drain, pod, and the node with room for it, where it is a single one.
    pub(super) steps: Vec<(usize, usize, Option<NodeId>)>,
    /// Drains that it touches.
    pub(super) touched: BTreeSet<usize>,
    /// Drains that end with it.
    pub(super) leaves: Vec<usize>,
    pub(super) budgets: Budgets<'a>,
    pub(super) graces: Vec<u64>,
}

impl<'a> Open<'a> {
    pub(super) fn new(ground: &Ground<'a>) -> Self {
        Self {
            alone: false,
            forced: None,
            shut: None,
            steps: Vec::new(),
            touched: BTreeSet::new(),
            leaves: Vec::new(),
            budgets: ground.budgets.clone(),
            graces: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.leaves.is_empty()
    }

    /// Takes back a touch that came to nothing.
    pub(super) fn untouch(&mut self, index: usize) {
        let used = self.steps.iter().any(|(i, ..)| *i == index);
        if !used && !self.leaves.contains(&index) {
            self.touched.remove(&index);
        }
    }
}
