//! Limits of pools, groups, quotas, subnets and capacity reservations, as rows of the
//! search.

use super::kinds::NewKind;
use super::{GreenField, LimitUse};
use crate::engines::bin_packing::limits::{LaunchLimit, Limits, Uses};
use crate::engines::bin_packing::solver::{Certificate, Note, PurchaseLimit, Solution, Take};
use crate::model::MicroUsdPerHour;
use std::collections::BTreeMap;

/// Larger amounts than the solver adds up exactly are as good as this.
const MOST: u64 = 1 << 50;

/// What new nodes use, and how much of it there is.
pub(super) struct Rooms {
    /// By kind and zone.
    uses: BTreeMap<(String, String), Uses>,
    /// The limits that are known, in the order of the rows, with how much there is
    /// and the most that a node takes.
    limits: Vec<(LaunchLimit, u64, u64)>,
    /// What is known instead of the others.
    unknown: BTreeMap<LaunchLimit, String>,
    /// For the solver.
    pub(super) rows: Vec<PurchaseLimit>,
}

impl Rooms {
    /// Of `kinds`, in the order in which the solver has them; `limits` as they are
    /// when every node of now is gone.
    pub(super) fn new(kinds: &[NewKind], limits: &Limits<'_>) -> Self {
        let mut rooms = Self {
            uses: BTreeMap::new(),
            limits: Vec::new(),
            unknown: BTreeMap::new(),
            rows: Vec::new(),
        };
        let mut takes: BTreeMap<LaunchLimit, (u64, Vec<Take>)> = BTreeMap::new();
        for (node_type, kind) in kinds.iter().enumerate() {
            let zones = kind.launchable.zones.iter().enumerate();
            for (offering, (zone, (node, _))) in zones {
                let of = (kind.instance_type.as_str(), kind.capacity_type);
                let pods = node.allocatable.pods;
                let (pool, group) = (kind.pool.as_deref(), kind.group.as_ref());
                let mut uses = limits.of_new(of, zone, pods, pool, group);
                uses.remove(&LaunchLimit::Surge);
                for (limit, amount) in &uses {
                    let free = match limits.known(limit) {
                        Ok(Some(free)) => u64::try_from(free.max(0)).unwrap_or(MOST).min(MOST),
                        Ok(None) => continue,
                        Err(state) => {
                            rooms.unknown.insert(limit.clone(), state);
                            continue;
                        }
                    };
                    let (_, takes) = takes.entry(limit.clone()).or_insert((free, Vec::new()));
                    takes.push(Take {
                        node_type,
                        offering: Some(offering),
                        amount: (*amount).min(MOST),
                    });
                }
                let of = (kind.launchable.id.clone(), zone.clone());
                rooms.uses.insert(of, uses);
            }
        }
        for (limit, (free, takes)) in takes {
            let most = takes.iter().map(|take| take.amount).max();
            rooms.rows.push(PurchaseLimit {
                // Ids break ties: the order of the limits is that of the rows.
                id: format!("{:06}", rooms.rows.len()),
                max: free,
                takes,
            });
            rooms.limits.push((limit, free, most.unwrap_or(0)));
        }
        rooms
    }

    /// Nodes for which there is room in capacity reservations.
    pub(super) fn reserved(&self) -> u64 {
        let own = self.limits.iter();
        let own = own.filter(|(limit, ..)| matches!(limit, LaunchLimit::Reserved { .. }));
        own.fold(0, |sum, (_, room, _)| sum.saturating_add(*room))
    }

    /// What the new nodes of an answer take, and what is not known of that.
    pub(super) fn tell(self, solution: &Solution, out: &mut GreenField) {
        let mut used: BTreeMap<&LaunchLimit, u64> = BTreeMap::new();
        for node in &out.nodes {
            let of = (node.kind.clone(), node.zone.to_string());
            for (limit, amount) in self.uses.get(&of).into_iter().flatten() {
                let used = used.entry(limit).or_default();
                *used = used.saturating_add(*amount);
            }
        }
        for (row, (limit, room, node_takes)) in self.limits.iter().enumerate() {
            let mut found = solution.purchase_limits.iter();
            let value = found.find(|u| u.limit == row).map_or(0, |u| u.value);
            let worth = i64::try_from(value >> Certificate::SCALE_BITS).unwrap_or(i64::MAX);
            let used = used.get(limit).copied().unwrap_or(0);
            let reached = Note::LimitReached { limit: row };
            let binds = value > 0 || solution.proof.notes.contains(&reached);
            if used > 0 || binds || room < node_takes {
                out.limits.push(LimitUse {
                    limit: limit.clone(),
                    used,
                    room: *room,
                    node_takes: *node_takes,
                    binds,
                    worth: MicroUsdPerHour(worth),
                });
            }
        }
        let unknown = self.unknown.into_iter();
        out.limits_not_known = unknown
            .filter(|(limit, _)| used.contains_key(limit))
            .collect();
    }
}
