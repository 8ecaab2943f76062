//! What all new nodes together may take of something, compiled, and its price.
//!
//! Every unit of a limit gets a price, so that nodes which take much of what is
//! scarce count as dearer (Lagrangian relaxation, Geoffrion 1974). What nodes cost
//! less the worth of all limits bounds the true cost whatever the prices are; good
//! ones are the duals of the limits in the fluid programme.

use super::bin::{Bin, On};
use super::model::{Model, Shape};
use super::problem::{Problem, PurchaseLimit};
use super::solution::{Certificate, LimitUse, NewNode};
use std::collections::BTreeMap;

/// No limit is worth more, in micro-dollars × 2^[`Certificate::SCALE_BITS`].
const MOST_WORTH: u64 = 1 << 62;

/// A limit that may bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    /// Index in the problem.
    pub(super) source: usize,
    /// How much there is, at least 1.
    pub(super) max: u64,
    /// What the whole of it is worth, as in a certificate.
    pub(super) value: u64,
    /// So much of it has to be taken: one node is as good as another only if it
    /// takes as much.
    pub(super) has_min: bool,
}

/// Limits that may bind, and what offers take of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Limited {
    pub(super) limits: Vec<Limit>,
    /// What a node takes: limits and amounts. Offers refer to these.
    takes: Vec<Vec<(usize, u64)>>,
}

/// What one node of each offering takes of a limit, by type and offering.
pub(super) fn table(problem: &Problem, limit: &PurchaseLimit) -> Vec<Vec<u64>> {
    let offerings = problem.types.iter().map(|t| vec![0; t.offerings.len()]);
    let mut table: Vec<Vec<u64>> = offerings.collect();
    for take in &limit.takes {
        let Some(own) = table.get_mut(take.node_type) else {
            continue;
        };
        for (offering, amount) in own.iter_mut().enumerate() {
            if take.offering.is_none_or(|named| named == offering) {
                *amount = take.amount.saturating_add(*amount);
            }
        }
    }
    table
}

/// What a node that takes `amount` pays for it, in micro-dollars.
fn charge(limit: &Limit, amount: u64) -> i64 {
    let whole = u128::from(limit.value) * u128::from(amount) / u128::from(limit.max.max(1));
    i64::try_from(whole >> Certificate::SCALE_BITS).unwrap_or(i64::MAX)
}

/// Limits while a model is built: what the offerings take of each.
pub(super) struct Tables {
    limits: Vec<(Limit, Vec<Vec<u64>>)>,
    index: BTreeMap<Vec<(usize, u64)>, u32>,
}

impl Tables {
    pub(super) fn new(problem: &Problem) -> Self {
        let items = problem.classes.iter().map(|c| u64::from(c.count));
        let items: u64 = items.sum();
        let limits = problem.purchase_limits.iter().enumerate();
        let limits = limits.filter_map(|(source, limit)| {
            let table = table(problem, limit);
            let max = limit.max;
            // Every node holds an item, so more nodes than items take nothing.
            let on_sale = problem.types.iter().zip(&table).flat_map(|(t, takes)| {
                let takes = t.offerings.iter().zip(takes);
                takes.filter(|(o, amount)| o.price.is_some() && **amount <= max)
            });
            let most = on_sale.map(|(_, amount)| *amount).max().unwrap_or(0);
            let binds = u128::from(most) * u128::from(items) > u128::from(max);
            let bars = table.iter().flatten().any(|amount| *amount > max);
            let has_min = limit.min > 0;
            let compiled = Limit {
                source,
                max,
                value: 0,
                has_min,
            };
            (binds || bars || has_min).then_some((compiled, table))
        });
        Self {
            limits: limits.collect(),
            index: BTreeMap::new(),
        }
    }

    /// Whether a limit leaves room for one node of an offering.
    pub(super) fn admits(&self, ty: usize, offering: usize) -> bool {
        let mut limits = self.limits.iter();
        limits.all(|(limit, table)| table[ty][offering] <= limit.max)
    }

    /// The number of what a node of an offering takes.
    pub(super) fn takes(&mut self, ty: usize, offering: usize) -> u32 {
        let limits = self.limits.iter().enumerate();
        let takes = limits.map(|(at, (_, table))| (at, table[ty][offering]));
        let takes: Vec<(usize, u64)> = takes.filter(|(_, amount)| *amount > 0).collect();
        let next = self.index.len() as u32;
        *self.index.entry(takes).or_insert(next)
    }

    pub(super) fn compiled(self) -> Limited {
        let mut takes = vec![Vec::new(); self.index.len()];
        for (list, at) in self.index {
            takes[at as usize] = list;
        }
        Limited {
            limits: self.limits.into_iter().map(|(limit, _)| limit).collect(),
            takes,
        }
    }
}

impl Limited {
    pub(super) fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Limits and amounts that a node takes, by the number of its offer.
    pub(super) fn takes(&self, number: u32) -> &[(usize, u64)] {
        self.takes.get(number as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether the first takes no more of any limit than the second, and as much
    /// of those that have a minimum.
    pub(super) fn no_more(&self, a: u32, b: u32) -> bool {
        let of = |number: u32, limit: usize| -> u64 {
            let takes = self.takes(number).iter();
            takes.filter(|(l, _)| *l == limit).map(|(_, n)| *n).sum()
        };
        let mut limits = self.limits.iter().enumerate();
        a == b
            || limits.all(|(at, limit)| match limit.has_min {
                true => of(a, at) == of(b, at),
                false => of(a, at) <= of(b, at),
            })
    }

    /// What all limits are worth, in micro-dollars × 2^[`Certificate::SCALE_BITS`].
    pub(super) fn worth(&self) -> u128 {
        self.limits.iter().map(|l| u128::from(l.value)).sum()
    }

    /// How much there is of each.
    pub(super) fn room(&self) -> Vec<u64> {
        self.limits.iter().map(|l| l.max).collect()
    }

    /// Values by limit of the problem, for a certificate; none where all are zero.
    pub(super) fn values(&self, problem: &Problem) -> Vec<u64> {
        if self.worth() == 0 {
            return Vec::new();
        }
        let mut values = vec![0; problem.purchase_limits.len()];
        for limit in &self.limits {
            values[limit.source] = limit.value;
        }
        values
    }
}

impl Model {
    /// The same model with values of the limits: offers at the prices that these
    /// make, in their order.
    pub(super) fn valued(&self, values: &[u64]) -> Self {
        let mut out = self.clone();
        for (limit, value) in out.limited.limits.iter_mut().zip(values) {
            limit.value = (*value).min(MOST_WORTH);
        }
        let limited = &out.limited;
        for t in out.types.iter_mut().chain(&mut out.dominated) {
            for offer in &mut t.offers {
                let takes = limited.takes(offer.takes).iter();
                let charges = takes.map(|(limit, amount)| charge(&limited.limits[*limit], *amount));
                offer.raised = charges.fold(offer.price.0, i64::saturating_add);
            }
            t.offers.sort_by_key(|o| (o.raised, o.zone, o.offering));
        }
        out
    }

    /// What new bins take of each limit.
    pub(super) fn taken(&self, bins: &[Bin]) -> Vec<u64> {
        let mut taken = vec![0u64; self.limited.limits.len()];
        for bin in bins {
            if let On::New { ty, offer } = bin.on {
                let offer = &self.types[ty as usize].offers[offer as usize];
                for (limit, amount) in self.limited.takes(offer.takes) {
                    taken[*limit] = taken[*limit].saturating_add(*amount);
                }
            }
        }
        taken
    }
}

/// What `nodes` take of each limit of the problem, with what it is worth by a
/// certificate.
pub(super) fn uses(
    problem: &Problem,
    nodes: &[NewNode],
    certificate: Option<&Certificate>,
) -> Vec<LimitUse> {
    let limits = problem.purchase_limits.iter().enumerate();
    let uses = limits.map(|(limit, of)| {
        let table = table(problem, of);
        let taken = nodes.iter().map(|n| table[n.node_type][n.offering]);
        let value = certificate.and_then(|c| c.limit_values.get(limit).copied());
        LimitUse {
            limit,
            used: taken.fold(0, u64::saturating_add),
            max: of.max,
            value: value.unwrap_or(0),
        }
    });
    uses.collect()
}

/// Limits of the problem that leave no room for a single node of an offering that
/// takes a shape.
pub(super) fn bars(problem: &Problem, shape: &Shape) -> Vec<usize> {
    let limits = problem.purchase_limits.iter().enumerate();
    let bars = limits.filter(|(_, limit)| {
        let table = table(problem, limit);
        problem
            .types
            .iter()
            .zip(&table)
            .enumerate()
            .any(|(i, (t, takes))| {
                let large = t.capacity.iter().zip(&shape.demand).all(|(c, d)| d <= c);
                let mut offerings = t.offerings.iter().zip(takes);
                large
                    && shape.types.contains(i)
                    && offerings.any(|(o, amount)| {
                        let here = o.zone.is_none_or(|z| shape.zones.contains(z));
                        *amount > limit.max && here && o.price.is_some() && o.available != Some(0)
                    })
            })
    });
    bars.map(|(i, _)| i).collect()
}
