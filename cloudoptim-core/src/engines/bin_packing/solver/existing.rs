//! Placing items on nodes that exist.

use super::bin::Bin;
use super::canon::Canonical;
use super::model::Model;
use super::pack::waste;
use super::problem::{Problem, ProblemError};
use super::zones::ZoneRules;
use std::cmp::Reverse;
use thiserror::Error;

/// The existing nodes of a problem, to be filled and emptied step by step.
///
/// An engine asks "can this node be emptied?" for many nodes in turn; what was
/// moved for the earlier ones stays moved for the later ones. Items go where
/// they leave the least room behind, largest first; that is a heuristic, so
/// [`Misfit`] means "no place found", not "no place exists".
///
/// ```
/// use cloudoptim_core::engines::bin_packing::solver::{Class, Existing, ExistingNode, Problem};
///
/// let node = |id: &str, free, present| ExistingNode {
///     id: id.into(),
///     free: vec![free],
///     present: vec![(0, present)],
///     ..ExistingNode::default()
/// };
/// let problem = Problem {
///     dims: vec!["cpu_milli".into()],
///     classes: vec![Class { id: "web".into(), demand: vec![500], ..Class::default() }],
///     nodes: vec![node("a", 3_000, 2), node("b", 900, 6)],
///     ..Problem::default()
/// };
/// let mut nodes = Existing::new(&problem)?;
/// // The two items of `a` do not both fit on `b`; the six of `b` fit on `a`.
/// assert!(nodes.empty(0, &[(0, 2)]).is_err());
/// assert_eq!(nodes.empty(1, &[(0, 6)])?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Existing {
    canonical: Canonical,
    model: Model,
    bins: Vec<Bin>,
    closed: Vec<bool>,
    zones: ZoneRules,
    /// Canonical indices by those of the problem.
    class_of: Vec<usize>,
    node_of: Vec<usize>,
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

/// The first item for which no open node was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("no open node takes an item of class {class}")]
pub struct Misfit {
    /// Index of the class.
    pub class: usize,
}

impl Existing {
    /// The nodes as the problem describes them. Its node types and counts
    /// play no part.
    ///
    /// # Errors
    /// Those of [`Problem::validate`].
    pub fn new(problem: &Problem) -> Result<Self, ProblemError> {
        problem.validate()?;
        let canonical = Canonical::new(problem);
        let model = Model::new(&canonical.problem);
        let nodes = &canonical.problem.nodes;
        let bins = nodes
            .iter()
            .enumerate()
            .map(|(i, n)| Bin::existing(&model, i, n))
            .collect();
        let (class_of, node_of) = canonical.inverse();
        Ok(Self {
            closed: nodes.iter().map(|n| n.closed).collect(),
            zones: ZoneRules::new(&canonical.problem, &model),
            bins,
            model,
            class_of,
            node_of,
            canonical,
        })
    }

    /// Places all of `items` (class and count) on open nodes, or none of them.
    ///
    /// # Errors
    /// [`Misfit`] names the first item that found no place.
    pub fn place(&mut self, items: &[(usize, u32)]) -> Result<Vec<Move>, Misfit> {
        let mut undo = Undo::new(self);
        match self.place_all(items, &mut undo) {
            Ok(moves) if self.zones.total() <= undo.excess => Ok(moves),
            outcome => {
                undo.restore(self);
                Err(outcome.err().unwrap_or_else(|| first(items)))
            }
        }
    }

    /// Closes `node` and places all of `items`, which must stand on it, on
    /// other open nodes; changes nothing when one of them finds no place.
    ///
    /// Rules are judged as the scheduler would, with all of `items` gone
    /// first; a rule that holds now still holds afterwards.
    ///
    /// # Errors
    /// [`Misfit`] names the first item that found no place. An index that is
    /// out of range is such an item.
    pub fn empty(&mut self, node: usize, items: &[(usize, u32)]) -> Result<Vec<Move>, Misfit> {
        let Some(node) = self.node_of.get(node).copied() else {
            return Err(first(items));
        };
        let mut undo = Undo::new(self);
        undo.keep(&self.bins, node);
        undo.opened = Some((node, self.closed[node]));
        self.closed[node] = true;
        for (class, count) in items {
            let Some(kind) = self.kind(*class) else {
                undo.restore(self);
                return Err(Misfit { class: *class });
            };
            let bin = &mut self.bins[node];
            // Items that came here earlier leave first.
            let mut rest = *count;
            while rest > 0 {
                let Some(at) = bin.items.iter().position(|i| i.kind as usize == kind) else {
                    break;
                };
                let n = bin.items[at].count.min(rest);
                bin.remove(&self.model, at, n);
                rest -= n;
            }
            bin.release_present(&self.model, kind, rest);
            if let Some(zone) = bin.zone {
                self.zones.shift(kind, zone, -i64::from(*count));
                undo.shifts.push((kind, zone, -i64::from(*count)));
            }
        }
        match self.place_all(items, &mut undo) {
            Ok(moves) if self.zones.total() <= undo.excess => Ok(moves),
            outcome => {
                undo.restore(self);
                Err(outcome.err().unwrap_or_else(|| first(items)))
            }
        }
    }

    fn kind(&self, class: usize) -> Option<usize> {
        let canonical = self.class_of.get(class)?;
        self.model.kind_of_class.get(*canonical).copied()
    }

    fn place_all(&mut self, items: &[(usize, u32)], undo: &mut Undo) -> Result<Vec<Move>, Misfit> {
        let mut order: Vec<(usize, usize, u32)> = Vec::with_capacity(items.len());
        for (class, count) in items {
            let kind = self.kind(*class).ok_or(Misfit { class: *class })?;
            order.push((kind, *class, *count));
        }
        let largest: Vec<u64> = (0..self.model.dims)
            .map(|r| {
                let most = self.model.shapes.iter().map(|s| s.demand[r]).max();
                most.unwrap_or(0).max(1)
            })
            .collect();
        let size = |kind: usize| -> u64 {
            let shape = &self.model.shapes[self.model.kinds[kind].shape];
            let parts = shape.demand.iter().zip(&largest);
            parts
                .map(|(d, l)| (u128::from(*d) * 1_000_000 / u128::from(*l)) as u64)
                .sum()
        };
        order.sort_by_cached_key(|(kind, class, _)| {
            let restricted = self.model.kinds[*kind].touches.len();
            (
                Reverse(size(*kind)),
                Reverse(restricted),
                self.class_of[*class],
            )
        });
        let mut moves: Vec<Move> = Vec::new();
        for (kind, class, count) in order {
            for _ in 0..count {
                let to = self.best_node(kind).ok_or(Misfit { class })?;
                undo.keep(&self.bins, to);
                self.bins[to].add(&self.model, kind, 1);
                if let Some(zone) = self.bins[to].zone {
                    self.zones.shift(kind, zone, 1);
                    undo.shifts.push((kind, zone, 1));
                }
                let to = self.canonical.node(to);
                match moves.last_mut() {
                    Some(last) if last.class == class && last.to == to => last.count += 1,
                    _ => moves.push(Move {
                        class,
                        count: 1,
                        to,
                    }),
                }
            }
        }
        Ok(moves)
    }

    /// The open node on which an item leaves the least room behind.
    fn best_node(&mut self, kind: usize) -> Option<usize> {
        let shape = &self.model.shapes[self.model.kinds[kind].shape];
        let alone = !self.model.kinds[kind].company.is_empty() && self.starts_group(kind);
        let mut candidates: Vec<(f64, usize)> = self
            .bins
            .iter()
            .enumerate()
            .filter(|(i, b)| {
                !self.closed[*i]
                    && b.accepts(&self.model, kind)
                    && if alone {
                        b.room_alone(&self.model, kind, 1) > 0
                    } else {
                        b.room(&self.model, kind, 1) > 0
                    }
            })
            .map(|(i, b)| (waste(&self.model, b, &shape.demand), i))
            .collect();
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        candidates.into_iter().map(|(_, i)| i).find(|i| {
            let zone = self.bins[*i].zone;
            zone.is_none_or(|zone| self.zones.admits(kind, zone))
        })
    }
}

impl Existing {
    /// Whether an item is its own company and there is none anywhere. Unlike
    /// in a packing from scratch, what stood there may have left.
    fn starts_group(&self, kind: usize) -> bool {
        let k = &self.model.kinds[kind];
        k.company.iter().all(|a| {
            let rule = (self.model.limits.len() + a) as u32;
            k.touches.iter().any(|t| t.rule == rule && t.of)
                && self.bins.iter().all(|b| b.company(&self.model, *a) == 0)
        })
    }
}

fn first(items: &[(usize, u32)]) -> Misfit {
    Misfit {
        class: items.first().map_or(0, |i| i.0),
    }
}

/// How to take back what a failed attempt changed.
struct Undo {
    bins: Vec<(usize, Bin)>,
    shifts: Vec<(usize, usize, i64)>,
    opened: Option<(usize, bool)>,
    /// Rules about zones that were broken before, in items.
    excess: i64,
}

impl Undo {
    fn new(nodes: &Existing) -> Self {
        Self {
            bins: Vec::new(),
            shifts: Vec::new(),
            opened: None,
            excess: nodes.zones.total(),
        }
    }

    fn keep(&mut self, bins: &[Bin], index: usize) {
        if self.bins.iter().all(|(i, _)| *i != index) {
            self.bins.push((index, bins[index].clone()));
        }
    }

    fn restore(self, nodes: &mut Existing) {
        for (index, bin) in self.bins {
            nodes.bins[index] = bin;
        }
        for (kind, zone, count) in self.shifts {
            nodes.zones.shift(kind, zone, -count);
        }
        if let Some((node, closed)) = self.opened {
            nodes.closed[node] = closed;
        }
    }
}
