//! How few nodes groups may have, as rows of the search for a repacking: nodes that
//! stay and new ones of the group count.
//!
//! A managed node group and the auto scaling group behind it both have a minimum.
//! Where a group's size is not known, none of its nodes goes.

use super::fleet::Launchable;
use super::limits::group_name;
use super::owner::Groups;
use super::repacking::{Launched, RepackingPoint};
use super::shop::Shop;
use super::solver::{Fleet, PurchaseLimit, Take};
use crate::decision::Owner;
use crate::model::{NODE_GROUP_LABEL, Node, NodeName};
use std::collections::{BTreeMap, BTreeSet};

/// More than all nodes there are.
const MOST: u64 = 1 << 50;

/// What a what-if says of a group's minimum, by the group's name.
pub(super) type Stated = BTreeMap<String, Option<u32>>;

/// Minima of the groups of a cluster's nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Minima {
    /// By row: how many may go as it is; negative below a minimum.
    spare: Vec<i128>,
    /// Rows that a node counts in.
    held: BTreeMap<NodeName, Vec<usize>>,
    /// Rows that the next node of a group counts in, by the group's name.
    next: BTreeMap<String, Vec<usize>>,
    /// Nodes of each group.
    members: BTreeMap<String, BTreeSet<NodeName>>,
    /// Groups of which that is not known.
    unknown: BTreeSet<String>,
    /// Nodes of those.
    stay: BTreeSet<NodeName>,
    /// Groups that launch, by what they launch.
    sold: BTreeMap<String, String>,
}

impl Minima {
    /// `stated` goes before what `groups` say: no minimum, or another one. Of a
    /// group whose size is not known so many nodes are wanted as are there.
    pub(super) fn new<'n>(
        groups: &Groups<'_>,
        nodes: impl IntoIterator<Item = (&'n Node, Option<&'n Owner>)>,
        stated: &Stated,
    ) -> Self {
        let mut out = Self::default();
        let mut by_group: BTreeMap<String, (&Owner, BTreeSet<NodeName>)> = BTreeMap::new();
        for (node, owner) in nodes {
            let Some((owner, name)) = owner.and_then(|o| Some((o, group_name(o)?))) else {
                continue;
            };
            let group = by_group.entry(name).or_insert((owner, BTreeSet::new()));
            group.1.insert(node.name());
        }
        let mut rows: BTreeMap<(bool, String), usize> = BTreeMap::new();
        for (name, (owner, members)) in by_group {
            let stated = stated.get(&name);
            let count = i128::try_from(members.len()).unwrap_or(i128::MAX);
            let sizes = match (groups.sizes(owner), stated) {
                (Some(sizes), _) => sizes,
                (None, Some(Some(_))) => vec![((true, name.clone()), count, 0)],
                (None, _) => Vec::new(),
            };
            let known = !sizes.is_empty() || stated.is_some();
            let mut own = Vec::new();
            for (key, wanted, least) in sizes.into_iter().filter(|_| stated != Some(&None)) {
                let least = stated.copied().flatten().map_or(least, i128::from);
                own.push(*rows.entry(key).or_insert_with(|| {
                    out.spare.push(wanted.saturating_sub(least));
                    out.spare.len() - 1
                }));
            }
            for node in &members {
                if known {
                    out.held.insert(node.clone(), own.clone());
                } else {
                    out.stay.insert(node.clone());
                }
            }
            if !known {
                out.unknown.insert(name.clone());
            }
            out.next.insert(name.clone(), own);
            out.members.insert(name, members);
        }
        out
    }

    /// The same with what groups launch by themselves.
    pub(super) fn selling(mut self, shop: &Shop) -> Self {
        let sold = shop.wares.iter().filter_map(|ware| {
            let group = group_name(&ware.via)?;
            Some((ware.launchable.id.clone(), group))
        });
        self.sold.extend(sold);
        self
    }

    /// Whether a node stays because its group's minimum is not known.
    pub(super) fn keeps(&self, node: &NodeName) -> bool {
        self.stay.contains(node)
    }

    /// Groups whose minimum is not known.
    pub(super) const fn unknown(&self) -> &BTreeSet<String> {
        &self.unknown
    }

    /// Whether there are nodes of such a group.
    pub(super) fn has(&self, group: &str) -> bool {
        self.members.contains_key(group)
    }

    /// Groups that may not lose all of their nodes, with these.
    pub(super) fn binding(&self) -> impl Iterator<Item = (&String, &BTreeSet<NodeName>)> {
        let count = |row: usize| {
            self.held
                .values()
                .filter(|rows| rows.contains(&row))
                .count()
        };
        self.members.iter().filter(move |(group, _)| {
            let rows = self.next.get(*group).into_iter().flatten();
            let mut rows = rows.map(|row| (self.spare[*row], count(*row)));
            let all = |count: usize| i128::try_from(count).unwrap_or(i128::MAX);
            self.unknown.contains(*group) || rows.any(|(spare, count)| spare < all(count))
        })
    }

    /// Rows that a new node counts in.
    fn of_new(&self, kind: &Launchable) -> &[usize] {
        let labelled = || {
            let (node, _) = kind.zones.values().next()?;
            group_name(&Owner::NodeGroup {
                name: node.meta.label(NODE_GROUP_LABEL)?.to_owned(),
                auto_scaling_group: None,
            })
        };
        let group = self.sold.get(&kind.id).cloned().or_else(labelled);
        let rows = group.and_then(|group| self.next.get(&group));
        rows.map_or(&[], Vec::as_slice)
    }

    /// Puts them into a fleet, whose nodes have these names and which launches these
    /// kinds; after all other limits.
    pub(super) fn put_into(&self, fleet: &mut Fleet, names: &[NodeName], kinds: &[Launchable]) {
        let rows = |name: &NodeName| self.held.get(name).map_or(&[][..], Vec::as_slice);
        for (row, spare) in self.spare.iter().enumerate() {
            let both = fleet.holdings.iter_mut().zip(names);
            let own = both.filter(|(h, name)| h.removable && rows(name).contains(&row));
            let own: Vec<_> = own.map(|(holding, _)| holding).collect();
            let count = i128::try_from(own.len()).unwrap_or(i128::MAX);
            let Ok(min) = u64::try_from(count.saturating_sub(*spare)) else {
                continue;
            };
            if min == 0 || own.is_empty() {
                continue;
            }
            let limit = fleet.problem.purchase_limits.len();
            for holding in own {
                holding.takes.push((limit, 1));
            }
            let new = kinds.iter().enumerate();
            let new = new.filter(|(_, kind)| self.of_new(kind).contains(&row));
            let takes = new.map(|(node_type, _)| Take {
                node_type,
                offering: None,
                amount: 1,
            });
            fleet.problem.purchase_limits.push(PurchaseLimit {
                id: format!("minimum {row:06}"),
                max: MOST,
                min: min.min(MOST),
                takes: takes.collect(),
            });
        }
    }

    /// Whether a repacking leaves enough.
    pub(super) fn keep(&self, point: &RepackingPoint, kinds: &[Launchable]) -> bool {
        let mut went: BTreeMap<usize, i128> = BTreeMap::new();
        let gone = point.removed.iter().filter_map(|n| self.held.get(n));
        for row in gone.flatten() {
            *went.entry(*row).or_default() += 1;
        }
        let kind = |new: &Launched| kinds.iter().find(|kind| kind.id == new.kind);
        let bought = point.launched.iter().filter_map(kind);
        for row in bought.flat_map(|kind| self.of_new(kind)) {
            if let Some(went) = went.get_mut(row) {
                *went -= 1;
            }
        }
        went.iter().all(|(row, went)| *went <= self.spare[*row])
    }
}
