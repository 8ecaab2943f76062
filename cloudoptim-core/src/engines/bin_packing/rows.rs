//! Limits of launches as rows of the search for a repacking: new nodes share them with
//! each other, and with those that stay.

use super::fleet::Launchable;
use super::limits::{LaunchLimit, Limits, Uses};
use super::solver::{Fleet, PurchaseLimit, Take};
use crate::decision::Owner;
use crate::model::{Node, NodeName};
use std::collections::BTreeMap;

/// More than this is not added up exactly, and limits nothing.
const MOST: u64 = 1 << 50;

/// Rows and amounts.
type Parts = Vec<(usize, u64)>;

/// Limits that are known, with who takes how much of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// What is free before a node goes; negative beyond a limit.
    free: Vec<i128>,
    /// By id and zone of a new node: row and amount.
    new: BTreeMap<(String, String), Parts>,
    /// The same of nodes that are there.
    held: BTreeMap<NodeName, Parts>,
}

impl Rows {
    /// `new` is what new nodes use, by id and zone.
    pub(super) fn new<'n>(
        limits: &Limits<'_>,
        new: BTreeMap<(String, String), Uses>,
        nodes: impl IntoIterator<Item = (&'n Node, Option<&'n Owner>)>,
    ) -> Self {
        let mut rows: BTreeMap<&LaunchLimit, usize> = BTreeMap::new();
        let mut out = Self::default();
        for limit in new.values().flat_map(BTreeMap::keys) {
            // What is there at once says nothing of the end; of what is not known
            // nothing is for sale.
            if let (false, Ok(Some(free))) = (*limit == LaunchLimit::Surge, limits.known(limit)) {
                rows.entry(limit).or_insert_with(|| {
                    out.free.push(free);
                    out.free.len() - 1
                });
            }
        }
        let taken = |uses: &Uses| -> Parts {
            let taken = uses.iter().filter(|(_, amount)| **amount > 0);
            let taken = taken.filter_map(|(limit, amount)| Some((*rows.get(limit)?, *amount)));
            taken.collect()
        };
        let held = nodes.into_iter().map(|(node, owner)| {
            let uses = limits.of_node(node, owner);
            (node.name(), taken(&uses))
        });
        out.held = held.collect();
        let new = new.iter().map(|(of, uses)| (of.clone(), taken(uses)));
        out.new = new.collect();
        out
    }

    /// Puts them into a fleet, whose nodes have these names.
    pub(super) fn put_into(&self, fleet: &mut Fleet, names: &[NodeName], kinds: &[Launchable]) {
        let mut all = self.free.clone();
        let holdings = fleet.holdings.iter_mut().zip(names);
        let mut goes: Vec<(&mut Parts, &Parts)> = Vec::new();
        for (holding, name) in holdings.filter(|(h, _)| h.removable) {
            let Some(held) = self.held.get(name) else {
                continue;
            };
            for (row, amount) in held {
                all[*row] = all[*row].saturating_add(i128::from(*amount));
            }
            goes.push((&mut holding.takes, held));
        }
        let mut limits: BTreeMap<usize, PurchaseLimit> = BTreeMap::new();
        for (row, max) in all.into_iter().enumerate() {
            if max <= i128::from(MOST) {
                let limit = PurchaseLimit {
                    id: format!("{row:06}"),
                    max: u64::try_from(max).unwrap_or(0),
                    ..PurchaseLimit::default()
                };
                limits.insert(row, limit);
            }
        }
        for (node_type, kind) in kinds.iter().enumerate() {
            for (offering, zone) in kind.zones.keys().enumerate() {
                for (row, amount) in self.of(&kind.id, zone) {
                    if let Some(limit) = limits.get_mut(row) {
                        limit.takes.push(Take {
                            node_type,
                            offering: Some(offering),
                            amount: (*amount).min(2 * MOST),
                        });
                    }
                }
            }
        }
        let place: BTreeMap<usize, usize> = limits.keys().copied().zip(0..).collect();
        for (takes, held) in goes {
            let held = held.iter();
            *takes = held
                .filter_map(|(row, amount)| Some((*place.get(row)?, *amount)))
                .collect();
        }
        fleet.problem.purchase_limits = limits.into_values().collect();
    }

    fn of(&self, id: &str, zone: &str) -> &[(usize, u64)] {
        let of = (id.to_owned(), zone.to_owned());
        self.new.get(&of).map_or(&[], Vec::as_slice)
    }

    /// Whether there is room for new nodes, by id and zone, once others are gone.
    pub(super) fn allow<'b>(
        &self,
        gone: impl IntoIterator<Item = &'b NodeName>,
        bought: impl IntoIterator<Item = (&'b str, &'b str)>,
    ) -> bool {
        let mut left = self.free.clone();
        for (row, amount) in gone.into_iter().filter_map(|n| self.held.get(n)).flatten() {
            left[*row] = left[*row].saturating_add(i128::from(*amount));
        }
        let mut taken: BTreeMap<usize, i128> = BTreeMap::new();
        for (id, zone) in bought {
            for (row, amount) in self.of(id, zone) {
                let taken = taken.entry(*row).or_default();
                *taken = taken.saturating_add(i128::from(*amount));
            }
        }
        taken.iter().all(|(row, taken)| *taken <= left[*row])
    }
}
