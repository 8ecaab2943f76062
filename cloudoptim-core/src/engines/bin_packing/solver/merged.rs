//! The model as the configuration programmes see it: one kind per shape, rules
//! between classes forgotten, and shapes that differ only in limits which do
//! not bind taken together.
//!
//! A limit that carries nothing of the cost of the fluid optimum hardly matters
//! for what nodes to buy. Without it there are fewer rows and fewer fillings to
//! choose from, and what is proven holds for the true model all the more. The
//! limit is kept again when the plan is carried out.

use super::bound::Bound;
use super::model::{Kind, Model, SelfLimit, Shape, Touch, Type, empty_fit};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The part of the bound that a limit carries when it counts as binding.
const BINDING: f64 = 1e-5;

#[derive(Debug, Clone)]
pub(super) struct Merged {
    pub(super) model: Model,
    /// What is known of its shapes.
    pub(super) bound: Bound,
    /// Its shape for each kind of the true model.
    pub(super) of_kind: Vec<usize>,
    /// Kinds of the true model by its shapes, those under most rules first.
    pub(super) kinds: Vec<Vec<usize>>,
}

impl Merged {
    pub(super) fn new(model: &Model, bound: &Bound) -> Self {
        let least = BINDING * bound.lower.0 as f64;
        let binds = |limit: usize| bound.limits.get(limit).is_some_and(|cost| *cost > least);
        // The new number of each limit that stays.
        let mut number: Vec<Option<usize>> = vec![None; model.self_limits.len()];
        let mut self_limits: Vec<SelfLimit> = Vec::new();
        for (i, limit) in model.self_limits.iter().enumerate() {
            if binds(i) {
                number[i] = Some(self_limits.len());
                self_limits.push(limit.clone());
            }
        }
        let mut shapes: Vec<Shape> = Vec::new();
        let mut of_shape: Vec<usize> = Vec::with_capacity(model.shapes.len());
        let mut index: BTreeMap<_, usize> = BTreeMap::new();
        let mut values: Vec<f64> = Vec::new();
        for (s, shape) in model.shapes.iter().enumerate() {
            let limits: Vec<usize> = shape.limits.iter().filter_map(|l| number[*l]).collect();
            let key = (
                shape.demand.clone(),
                shape.devices.clone(),
                shape.types.clone(),
                shape.nodes.clone(),
                shape.zones.clone(),
                shape.dislikes.clone(),
                limits.clone(),
            );
            let value = bound.values[s];
            let merged = *index.entry(key).or_insert_with(|| {
                shapes.push(Shape {
                    limits,
                    kinds: vec![shapes.len()],
                    ..shape.clone()
                });
                values.push(value);
                shapes.len() - 1
            });
            values[merged] = values[merged].min(value);
            of_shape.push(merged);
        }
        let of_kind: Vec<usize> = model.kinds.iter().map(|k| of_shape[k.shape]).collect();
        let mut by_shape: Vec<Vec<usize>> = vec![Vec::new(); shapes.len()];
        for (kind, shape) in of_kind.iter().enumerate() {
            by_shape[*shape].push(kind);
        }
        for kinds in &mut by_shape {
            kinds.sort_by_key(|k| (Reverse(model.kinds[*k].touches.len()), *k));
        }
        let kinds: Vec<Kind> = shapes
            .iter()
            .zip(&by_shape)
            .enumerate()
            .map(|(s, (shape, kinds))| Kind {
                shape: s,
                count: kinds.iter().map(|k| model.kinds[*k].count).sum(),
                touches: shape
                    .limits
                    .iter()
                    .map(|l| Touch {
                        rule: *l as u32,
                        with: true,
                        of: true,
                    })
                    .collect(),
                company: Vec::new(),
                zoned: false,
                classes: Vec::new(),
            })
            .collect();
        let types = model
            .types
            .iter()
            .map(|t| {
                let mut fits = vec![0; shapes.len()];
                for (s, merged) in of_shape.iter().enumerate() {
                    if t.fits[s] > 0 {
                        let shape = &shapes[*merged];
                        fits[*merged] =
                            empty_fit(shape, t.source, &t.capacity, &t.devices, &self_limits);
                    }
                }
                let mut extra = vec![0; if model.prefers { shapes.len() } else { 0 }];
                for (s, merged) in of_shape.iter().enumerate() {
                    if let Some(extra) = extra.get_mut(*merged) {
                        *extra = t.extra(s);
                    }
                }
                let t = t.clone();
                Type { fits, extra, ..t }
            })
            .collect();
        let mut wanted = vec![false; shapes.len()];
        for (s, merged) in of_shape.iter().enumerate() {
            wanted[*merged] |= model.wanted[s];
        }
        Self {
            model: Model {
                dims: model.dims,
                limits: self_limits.iter().map(|l| l.max).collect(),
                self_limits,
                shapes,
                kinds,
                kind_of_class: Vec::new(),
                largest: model.largest.clone(),
                types,
                dominated: Vec::new(),
                wanted,
                affinity_present: Vec::new(),
                zoned: model.zoned,
                unpriced: model.unpriced,
                prefers: model.prefers,
                limited: model.limited.clone(),
                barred: Vec::new(),
                stop: model.stop.clone(),
            },
            bound: Bound {
                values,
                flow: BTreeMap::new(),
                certificate: None,
                ..bound.clone()
            },
            of_kind,
            kinds: by_shape,
        }
    }

    /// What is left of its shapes, by kinds of the true model.
    pub(super) fn left(&self, kinds: &[u32]) -> Vec<u32> {
        let mut left = vec![0; self.kinds.len()];
        for (shape, count) in self.of_kind.iter().zip(kinds) {
            left[*shape] += count;
        }
        left
    }
}
