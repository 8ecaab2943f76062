//! Nodes in blocks, to pass over many of them at once.
//!
//! Of each amount it is known for a block what is free on a node of it at the
//! most; where that is too little for an item, it fits on none of them.

use super::sums;
use std::ops::Range;

/// Nodes of a block.
pub(super) const BLOCK: usize = 32;

/// What is free on a node at the most, by block.
#[derive(Debug, Clone)]
pub(super) struct Roofs {
    nodes: usize,
    /// Amounts, and one for the devices.
    width: usize,
    free: Vec<u64>,
}

impl Roofs {
    /// No nodes yet, on which so many amounts matter beside devices.
    pub(super) fn new(dims: usize) -> Self {
        Self {
            nodes: 0,
            width: dims + 1,
            free: Vec::new(),
        }
    }

    /// Blocks, and the nodes of each.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let nodes = self.nodes;
        (0..nodes.div_ceil(BLOCK)).map(move |block| {
            let first = block * BLOCK;
            (block, first..(first + BLOCK).min(nodes))
        })
    }

    /// Whether a node of a block may take an item that asks for so much, and so much
    /// of one device.
    #[inline]
    pub(super) fn admit(&self, block: usize, demand: &[u64], device: u64) -> bool {
        let free = self.free.get(block * self.width..(block + 1) * self.width);
        free.is_some_and(|free| {
            let (devices, free) = (free.last(), &free[..self.width - 1]);
            sums::fits(demand, free) && devices.is_some_and(|most| device <= *most)
        })
    }

    /// A node, perhaps a new one at the end, has so much free now.
    pub(super) fn raise(&mut self, node: usize, free: &[u64], device: u64) {
        self.nodes = self.nodes.max(node + 1);
        let blocks = self.nodes.div_ceil(BLOCK);
        self.free.resize(blocks * self.width, 0);
        let block = node / BLOCK;
        let roof = &mut self.free[block * self.width..(block + 1) * self.width];
        if let Some(most) = roof.last_mut() {
            *most = device.max(*most);
        }
        for (most, free) in roof.iter_mut().zip(free.iter().take(self.width - 1)) {
            *most = (*free).max(*most);
        }
    }

    /// Forgets a block, for its nodes to be told anew.
    pub(super) fn lower(&mut self, block: usize) {
        let roof = self.free.iter_mut().skip(block * self.width);
        roof.take(self.width).for_each(|most| *most = 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_admits_what_one_of_its_nodes_may_have_free() {
        let mut roofs = Roofs::new(2);
        for node in 0..=BLOCK {
            let last = u64::from(node == BLOCK);
            roofs.raise(node, &[4 + last, 2], 0);
        }
        assert_eq!(
            roofs.blocks().collect::<Vec<_>>(),
            [(0, 0..BLOCK), (1, BLOCK..BLOCK + 1)]
        );
        let admit = |roofs: &Roofs, demand: [u64; 2], device| {
            [0, 1].map(|block| roofs.admit(block, &demand, device))
        };
        assert_eq!(admit(&roofs, [4, 2], 0), [true, true]);
        assert_eq!(admit(&roofs, [5, 2], 0), [false, true]);
        assert_eq!(admit(&roofs, [4, 3], 0), [false, false]);
        assert_eq!(admit(&roofs, [4, 2], 1), [false, false]);
        // A node gets fuller, which is known once the block is told anew.
        roofs.raise(BLOCK, &[1, 1], 500);
        assert_eq!(admit(&roofs, [5, 2], 500), [false, true]);
        roofs.lower(1);
        assert_eq!(admit(&roofs, [0, 0], 0), [true, true]);
        roofs.raise(BLOCK, &[1, 1], 500);
        assert_eq!(admit(&roofs, [1, 1], 500), [false, true]);
        assert_eq!(admit(&roofs, [2, 1], 0), [true, false]);
    }
}
