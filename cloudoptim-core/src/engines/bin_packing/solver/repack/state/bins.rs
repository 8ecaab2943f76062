//! The nodes of a trial.

use super::super::super::bin::Bin;
use super::super::super::roofs::{BLOCK, Roofs};
use std::ops::{Index, Range};
use std::sync::Arc;

/// Nodes, shared with the trials that these were copied from until they change;
/// what is free on them also lies side by side, as looks at all of them begin there.
#[derive(Debug, Clone)]
pub(super) struct Bins {
    bins: Vec<Arc<Bin>>,
    dims: usize,
    /// By node and amount; nothing of a node that takes nothing.
    free: Vec<u64>,
    roofs: Roofs,
    /// Whether a node of a block has changed since all of them were looked at.
    changed: Vec<bool>,
}

impl Bins {
    pub(super) fn new(dims: usize, bins: impl IntoIterator<Item = Bin>) -> Self {
        let mut all = Self {
            bins: Vec::new(),
            dims,
            free: Vec::new(),
            roofs: Roofs::new(dims),
            changed: Vec::new(),
        };
        bins.into_iter().for_each(|bin| all.push(bin));
        all
    }

    pub(super) fn len(&self) -> usize {
        self.bins.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bin> {
        self.bins.iter().map(AsRef::as_ref)
    }

    pub(super) fn get(&self, node: usize) -> Option<&Bin> {
        self.bins.get(node).map(AsRef::as_ref)
    }

    /// A node as it is, to [`Bins::put`] it back.
    pub(super) fn share(&self, node: usize) -> Arc<Bin> {
        Arc::clone(&self.bins[node])
    }

    /// Adds a node at the end.
    pub(super) fn push(&mut self, bin: Bin) {
        let node = self.bins.len();
        self.bins.push(Arc::new(bin));
        self.free.resize(self.bins.len() * self.dims, 0);
        self.changed.resize(self.bins.len().div_ceil(BLOCK), true);
        self.note(node);
    }

    /// Puts a node in the place of another.
    pub(super) fn put(&mut self, node: usize, bin: Arc<Bin>) {
        self.bins[node] = bin;
        self.note(node);
    }

    /// Does something to a node.
    pub(super) fn change<R>(&mut self, node: usize, act: impl FnOnce(&mut Bin) -> R) -> R {
        let done = act(Arc::make_mut(&mut self.bins[node]));
        self.note(node);
        done
    }

    /// What is free on a node.
    #[inline]
    pub(super) fn free(&self, node: usize) -> &[u64] {
        &self.free[node * self.dims..(node + 1) * self.dims]
    }

    /// Whether a node has as much free as an item asks for.
    #[inline]
    pub(super) fn fits(&self, node: usize, demand: &[u64]) -> bool {
        let free = self.free(node);
        // Without a branch for each amount: which one is short changes all the time.
        let pairs = demand.iter().zip(free);
        pairs.fold(true, |fits, (demand, free)| fits & (demand <= free))
    }

    fn note(&mut self, node: usize) {
        let free = self.bins[node].free.iter().copied();
        let of = &mut self.free[node * self.dims..(node + 1) * self.dims];
        of.iter_mut()
            .zip(free.chain(std::iter::repeat(0)))
            .for_each(|(of, free)| *of = free);
        self.counts(node, true);
    }

    /// Blocks of nodes.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        self.roofs.blocks()
    }

    /// Whether a node of a block may have as much free as an item asks for.
    pub(super) fn admit(&self, block: usize, demand: &[u64]) -> bool {
        self.roofs.admit(block, demand, 0)
    }

    /// Looks at the nodes of a block anew, those of them that `count`, if one has
    /// changed.
    pub(super) fn renew(
        &mut self,
        block: usize,
        nodes: Range<usize>,
        count: impl Fn(usize) -> bool,
    ) {
        if std::mem::take(&mut self.changed[block]) {
            self.roofs.lower(block);
            for node in nodes.filter(|node| count(*node)) {
                self.raise(node);
            }
        }
    }

    /// A node counts no more, or again.
    pub(super) fn counts(&mut self, node: usize, counts: bool) {
        self.changed[node / BLOCK] = true;
        if counts {
            self.raise(node);
        }
    }

    fn raise(&mut self, node: usize) {
        let free = &self.free[node * self.dims..(node + 1) * self.dims];
        self.roofs.raise(node, free, 0);
    }
}

impl Index<usize> for Bins {
    type Output = Bin;

    fn index(&self, node: usize) -> &Bin {
        &self.bins[node]
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::model::Model;
    use super::super::super::super::problem::{Class, ExistingNode, Problem};
    use super::*;

    #[test]
    fn copies_do_not_change_with_each_other_and_blocks_know_what_is_free() {
        let node = |at: usize| ExistingNode {
            id: format!("n{at:03}"),
            free: vec![10],
            ..ExistingNode::default()
        };
        let problem = Problem {
            dims: vec!["cpu_milli".into()],
            classes: vec![Class {
                id: "web".into(),
                demand: vec![6],
                ..Class::default()
            }],
            nodes: (0..BLOCK + 1).map(node).collect(),
            ..Problem::default()
        };
        let model = Model::new(&problem);
        let nodes = problem.nodes.iter().enumerate();
        let first = Bins::new(
            model.dims,
            nodes.map(|(at, node)| Bin::existing(&model, at, node)),
        );
        let mut second = first.clone();
        let before = second.share(BLOCK);
        second.change(BLOCK, |bin| bin.add(&model, 0, 1));
        assert_eq!(
            (first.free(BLOCK), second.free(BLOCK)),
            (&[10][..], &[4][..])
        );
        assert_eq!(second[BLOCK].free, [4]);
        assert!(first.fits(BLOCK, &[6]) && !second.fits(BLOCK, &[6]));
        // The block is believed until it is looked at.
        let last = BLOCK..BLOCK + 1;
        assert!(second.admit(1, &[6]));
        second.renew(1, last.clone(), |_| true);
        assert!(!second.admit(1, &[6]) && second.admit(1, &[4]));
        // Nothing has changed since: nobody asks who counts.
        second.renew(1, last.clone(), |_| panic!("looked at again"));
        second.counts(BLOCK, false);
        second.renew(1, last.clone(), |_| false);
        assert!(!second.admit(1, &[1]));
        second.counts(BLOCK, true);
        assert!(second.admit(1, &[4]));
        second.put(BLOCK, before);
        assert!(second.admit(1, &[10]) && second.fits(BLOCK, &[10]));
    }
}
