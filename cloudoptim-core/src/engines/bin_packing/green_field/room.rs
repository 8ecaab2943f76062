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
                ..PurchaseLimit::default()
            });
            rooms.limits.push((limit, free, most.unwrap_or(0)));
        }
        rooms
    }

    /// Takes room for nodes of a kind that has one zone: for `count`, or as many as
    /// there is room for. Gives how many, and the limits that leave no room for the
    /// next where these are fewer.
    pub(super) fn take(&mut self, kind: usize, count: u32) -> (u32, Vec<LaunchLimit>) {
        let each = |row: &PurchaseLimit| {
            let own = row.takes.iter().filter(|take| take.node_type == kind);
            own.fold(0_u64, |sum, take| sum.saturating_add(take.amount))
        };
        let room = |row: &PurchaseLimit| row.max.checked_div(each(row)).unwrap_or(u64::MAX);
        let most = self.rows.iter().map(room).min().unwrap_or(u64::MAX);
        let nodes = count.min(u32::try_from(most).unwrap_or(u32::MAX));
        let rows = self.rows.iter().zip(&self.limits);
        let short = rows.filter(|(row, _)| nodes < count && room(row) <= u64::from(nodes));
        let short = short.map(|(_, (limit, ..))| limit.clone()).collect();
        for row in &mut self.rows {
            let taken = each(row).saturating_mul(u64::from(nodes));
            row.max = row.max.saturating_sub(taken);
        }
        (nodes, short)
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
            let found = found.find(|u| u.limit == row);
            let value = found.map_or(0, |u| u.value);
            // The search has what minima leave of it, at the same price for each unit.
            let left = found.map_or(*room, |u| u.max).max(1);
            let whole = u128::from(value) * u128::from(*room) / u128::from(left);
            let worth = whole >> Certificate::SCALE_BITS;
            let worth = i64::try_from(worth).unwrap_or(i64::MAX);
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
