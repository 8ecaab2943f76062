//! What there is to pack, and into what.

use crate::model::MicroUsdPerHour;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// A packing problem in numbers.
///
/// Everything refers to everything else by its index in these lists; answers
/// use the same indices. The order of the lists does not matter: ids decide
/// every tie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Problem {
    /// Names of the resources, such as `cpu_milli`; every demand and capacity
    /// has one number for each, in this order and in any one unit.
    pub dims: Vec<String>,
    /// Zone ids, at most 64. May be empty when zones do not matter.
    pub zones: Vec<String>,
    /// Device models, such as `T4`.
    pub models: Vec<String>,
    /// What can be bought.
    pub types: Vec<NodeType>,
    /// What is there already and may be used at no further cost.
    pub nodes: Vec<ExistingNode>,
    /// What must be placed.
    pub classes: Vec<Class>,
    /// What may share a node or a zone.
    pub rules: Vec<Rule>,
    /// Of what there is only so much for all new nodes together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub purchase_limits: Vec<PurchaseLimit>,
}

/// What all new nodes together may take of something: CPU of a pool, vCPUs of a
/// quota, addresses of a subnet, instances of a reservation.
///
/// Unlike [`Offering::available`] it has a price: the bound knows what it costs
/// that there is no more, and so does the choice of nodes. The bound buys parts of
/// nodes: where it leaves some of a limit, the price is 0, though what is left may be
/// too little for a whole node and hold one back.
///
/// ```
/// use cloudoptim_core::engines::bin_packing::solver::{PurchaseLimit, Take};
///
/// let type_0 = |offering, amount| Take { node_type: 0, offering, amount };
/// let limit = PurchaseLimit {
///     id: "quota".into(),
///     max: 64,
///     min: 0,
///     // A node of type 0 takes 4 of it, in its second offering 5.
///     takes: vec![type_0(None, 4), type_0(Some(1), 1)],
/// };
/// assert_eq!((limit.taken_by(0, 0), limit.taken_by(0, 1), limit.taken_by(1, 0)), (4, 5, 0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PurchaseLimit {
    /// Unique name.
    pub id: String,
    /// How much there is for new nodes, in any unit. What nodes that exist take is
    /// no part of it.
    pub max: u64,
    /// How much of it nodes of a [`Fleet`](super::Fleet) that stay and new ones have
    /// to take together once one goes that took of it: the minimum of a node group.
    /// Default none. [`solve`](super::solve) knows no nodes that go, and heeds none.
    #[serde(skip_serializing_if = "is_zero")]
    pub min: u64,
    /// What nodes take of it. Several entries about one offering add up; what is
    /// not named takes nothing.
    pub takes: Vec<Take>,
}

const fn is_zero(amount: &u64) -> bool {
    *amount == 0
}

impl PurchaseLimit {
    /// What one node of an offering takes.
    pub fn taken_by(&self, node_type: usize, offering: usize) -> u64 {
        let own = self.takes.iter().filter(|t| {
            t.node_type == node_type && t.offering.is_none_or(|named| named == offering)
        });
        own.fold(0, |sum, t| sum.saturating_add(t.amount))
    }
}

/// What one node takes of a [`PurchaseLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// Its type, by index in [`Problem::types`].
    pub node_type: usize,
    /// Its offering, by index in the type; `None`: any of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offering: Option<usize>,
    /// How much.
    pub amount: u64,
}

/// Items that are equal in every respect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Class {
    /// Unique name; breaks ties.
    pub id: String,
    /// How many to place. Zero is fine for a class that only stands on
    /// existing nodes and matters to rules.
    pub count: u32,
    /// What one item takes of each resource.
    pub demand: Vec<u64>,
    /// The devices one item takes, if any.
    pub devices: Option<DeviceRequest>,
    /// The node types that accept it, by index in [`Problem::types`].
    pub types: Mask,
    /// The existing nodes that accept it, by index in [`Problem::nodes`].
    pub nodes: Mask,
    /// The zones that accept it, by index in [`Problem::zones`].
    pub zones: Mask,
    /// Places that accept it where it would rather not be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dislikes: Vec<Dislike>,
}

impl Class {
    /// What one item costs beside on a new node, in micro-dollars per hour.
    pub fn extra(&self, node_type: usize, zone: Option<usize>) -> i64 {
        extra(&self.dislikes, node_type, zone)
    }

    /// What one item costs beside on a node that exists.
    pub fn extra_on(&self, node: usize) -> i64 {
        extra_on(&self.dislikes, node)
    }
}

impl Class {
    fn disliked(&self) -> Result<(), ProblemError> {
        let below = self
            .dislikes
            .iter()
            .find(|d| d.cost < MicroUsdPerHour::ZERO);
        if let Some(Dislike { cost, .. }) = below {
            return Err(ProblemError::Dislike {
                class: self.id.clone(),
                cost: *cost,
            });
        }
        let all = self.dislikes.iter().map(|d| d.cost.0);
        if all.fold(0, i64::saturating_add) >= MAX_DISLIKES {
            return Err(ProblemError::TooLarge {
                what: format!("what class {:?} dislikes", self.id),
            });
        }
        Ok(())
    }
}

pub(super) fn extra(dislikes: &[Dislike], node_type: usize, zone: Option<usize>) -> i64 {
    let there = |d: &&Dislike| {
        d.types.contains(node_type) && zone.is_none_or(|zone| d.zones.contains(zone))
    };
    dislikes.iter().filter(there).map(|d| d.cost.0).sum()
}

pub(super) fn extra_on(dislikes: &[Dislike], node: usize) -> i64 {
    let there = dislikes.iter().filter(|d| d.nodes.contains(node));
    there.map(|d| d.cost.0).sum()
}

/// Places where an item costs something beside its node: a soft preference that is
/// broken there. What several say of one place adds up.
///
/// ```
/// use cloudoptim_core::engines::bin_packing::solver::{Class, Dislike, Mask};
/// use cloudoptim_core::model::MicroUsdPerHour;
///
/// let class = Class {
///     // Rather not on type 1 in zone 0, nor on any node that exists.
///     dislikes: vec![Dislike {
///         types: Mask::only([1]),
///         zones: Mask::only([0]),
///         nodes: Mask::All,
///         cost: MicroUsdPerHour(500),
///     }],
///     ..Class::default()
/// };
/// assert_eq!((class.extra(1, Some(0)), class.extra(1, Some(2))), (500, 0));
/// assert_eq!(class.extra_on(7), 500);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dislike {
    /// Node types, by index in [`Problem::types`]: a new node is such a place if its
    /// zone is one of `zones`, too.
    #[serde(default = "nowhere")]
    pub types: Mask,
    /// Zones of new nodes, by index in [`Problem::zones`].
    #[serde(default)]
    pub zones: Mask,
    /// Nodes that exist, by index in [`Problem::nodes`].
    #[serde(default = "nowhere")]
    pub nodes: Mask,
    /// What one item there costs, from 0 to 2^40 micro-dollars per hour over all
    /// dislikes of a class.
    pub cost: MicroUsdPerHour,
}

const fn nowhere() -> Mask {
    Mask::NONE
}

/// Least sum of what a class dislikes that is too much to add up.
const MAX_DISLIKES: i64 = 1 << 40;

/// `count` different devices, of each of which an item takes `milli`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    /// How many devices, at least 1.
    pub count: u32,
    /// Thousandths of each device, 1 to 1000.
    pub milli: u32,
    /// The acceptable models, by index in [`Problem::models`].
    #[serde(default)]
    pub models: Mask,
}

/// One device of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its model, by index in [`Problem::models`].
    pub model: usize,
    /// Thousandths of it that can be given out: 1000 for a whole free device.
    pub milli: u32,
}

/// A kind of node that can be bought.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeType {
    /// Unique name; breaks ties.
    pub id: String,
    /// What a new node offers to items, after overheads and daemons.
    pub capacity: Vec<u64>,
    /// Its devices.
    pub devices: Vec<Device>,
    /// Where it can be bought and at what price.
    pub offerings: Vec<Offering>,
}

/// A price of a node type in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Offering {
    /// The zone, by index in [`Problem::zones`]; `None` only when the problem
    /// names no zones.
    pub zone: Option<usize>,
    /// Price of one node. `None` = unknown: such an offering is never bought.
    pub price: Option<MicroUsdPerHour>,
    /// How many can be bought. `None` = as many as needed.
    pub available: Option<u32>,
}

/// A node that exists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExistingNode {
    /// Unique name; breaks ties.
    pub id: String,
    /// Its zone, by index in [`Problem::zones`].
    pub zone: Option<usize>,
    /// What is free on it.
    pub free: Vec<u64>,
    /// What is free of each of its devices.
    pub devices: Vec<Device>,
    /// Items that stand on it: class and count. They are already taken out of
    /// `free` and `devices`, and count for rules.
    pub present: Vec<(usize, u32)>,
    /// Accepts nothing more (cordoned, not ready, being emptied); what stands
    /// on it still counts for rules.
    pub closed: bool,
}

/// Where a rule counts: on each node or in each zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// On each node by itself.
    Node,
    /// Over all nodes of a zone.
    Zone,
}

/// What may share a node or a zone. Lists hold indices of [`Problem::classes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// See [`CountLimit`].
    CountLimit(CountLimit),
    /// See [`ZoneSpread`].
    ZoneSpread(ZoneSpread),
    /// See [`Affinity`].
    Affinity(Affinity),
}

/// Wherever an item of `with` is, there are at most `max` items of `of`, the
/// item itself included when it is one of them.
///
/// The rule is about what stands together, not about who came first, so it is
/// symmetric by nature: a newcomer of `of` is refused where an item of `with`
/// stands, as the kube-scheduler does for required anti-affinity.
///
/// | wanted | `with` | `of` | `max` |
/// |---|---|---|---|
/// | at most one replica of A per node | A | A | 1 |
/// | A never beside B (neither is the other) | A | B | 0 |
/// | at most 8 instances of an app per node | the app | the app | 8 |
/// | one user of a host port | all users | all users | 1 |
/// | hostname spread of A, skew 1, empty nodes possible | A | what its selector counts | 1 |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountLimit {
    /// Node or zone.
    pub per: Per,
    /// The items that bring the limit.
    pub with: Vec<usize>,
    /// The items that are counted.
    pub of: Vec<usize>,
    /// How many of them may be there.
    pub max: u32,
}

/// A zone that holds an item of `with` has at most `max_skew` more items of
/// `of` than the emptiest of `zones`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneSpread {
    /// The items that ask for the spread.
    pub with: Vec<usize>,
    /// The items that are counted.
    pub of: Vec<usize>,
    /// The largest difference, at least 1.
    pub max_skew: u32,
    /// The zones that count, those without any item included.
    #[serde(default)]
    pub zones: Mask,
    /// With fewer `zones` than this, the emptiest counts as holding none.
    #[serde(default)]
    pub min_zones: u32,
}

/// An item of `with` stands only where an item of `of` stands.
///
/// When no item of `of` stands anywhere, an item of `with` that is itself in
/// `of` may be the first; the group then stays in one place, because a second
/// place could never have been created in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affinity {
    /// Node or zone.
    pub per: Per,
    /// The items that ask for company.
    pub with: Vec<usize>,
    /// The company.
    pub of: Vec<usize>,
}

/// A set of indices, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// Every index.
    #[default]
    All,
    /// These bits only: index `i` is bit `i % 64` of word `i / 64`.
    Only(Vec<u64>),
}

impl Mask {
    /// No index at all.
    pub const NONE: Self = Self::Only(Vec::new());

    /// Exactly these indices.
    ///
    /// ```
    /// use cloudoptim_core::engines::bin_packing::solver::Mask;
    ///
    /// let mask = Mask::only([2, 70]);
    /// assert!(mask.contains(70) && !mask.contains(3));
    /// assert!(Mask::All.contains(3));
    /// ```
    pub fn only(indices: impl IntoIterator<Item = usize>) -> Self {
        let mut words: Vec<u64> = Vec::new();
        for i in indices {
            if words.len() <= i / 64 {
                words.resize(i / 64 + 1, 0);
            }
            if let Some(word) = words.get_mut(i / 64) {
                *word |= 1 << (i % 64);
            }
        }
        Self::Only(words)
    }

    /// Whether `index` is in the set.
    pub fn contains(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Only(words) => {
                (words.get(index / 64).copied().unwrap_or(0) >> (index % 64)) & 1 == 1
            }
        }
    }
}

/// Why a [`Problem`] contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// A vector of amounts does not have one number per resource.
    #[error("{what} has {found} amounts, expected {expected}")]
    Dims {
        /// The class, type or node.
        what: String,
        /// Amounts given.
        found: usize,
        /// Length of [`Problem::dims`].
        expected: usize,
    },
    /// An index points at nothing.
    #[error("{what} refers to {list} {index}, of which there are {len}")]
    Index {
        /// What holds the index.
        what: String,
        /// The list it points into.
        list: &'static str,
        /// The index.
        index: usize,
        /// Length of that list.
        len: usize,
    },
    /// An id occurs twice.
    #[error("{list} id {id:?} occurs twice")]
    DuplicateId {
        /// The list.
        list: &'static str,
        /// The id.
        id: String,
    },
    /// A device request is not 1 or more devices of 1 to 1000 thousandths.
    #[error("class {class:?} asks for {count} devices of {milli} thousandths")]
    Devices {
        /// The class.
        class: String,
        /// Devices asked for.
        count: u32,
        /// Thousandths of each.
        milli: u32,
    },
    /// An offering or a node names a zone only sometimes.
    #[error("{what} names no zone, but the problem has zones")]
    NoZone {
        /// The type or node.
        what: String,
    },
    /// A price below zero.
    #[error("type {node_type:?} has the price {price}")]
    Price {
        /// The type.
        node_type: String,
        /// The price.
        price: MicroUsdPerHour,
    },
    /// What an item costs in some place is below zero.
    #[error("class {class:?} dislikes a place at {cost}")]
    Dislike {
        /// The class.
        class: String,
        /// The cost.
        cost: MicroUsdPerHour,
    },
    /// A spread without room.
    #[error("max_skew must be at least 1, got 0")]
    Skew,
    /// More zones than a problem can hold.
    #[error("at most 64 zones, got {0}")]
    Zones(usize),
    /// What is said of the nodes of a fleet does not match them.
    #[error("{0}")]
    Holdings(String),
    /// More than the solver can add up exactly.
    #[error("{what} is more than the solver can add up exactly")]
    TooLarge {
        /// The amount.
        what: String,
    },
}

/// Amounts above this could not be added up exactly.
const MAX_AMOUNT: u64 = 1 << 60;

impl Problem {
    /// Checks that lengths, indices, ids and ranges agree.
    ///
    /// # Errors
    /// The first [`ProblemError`] found.
    pub fn validate(&self) -> Result<(), ProblemError> {
        if self.zones.len() > 64 {
            return Err(ProblemError::Zones(self.zones.len()));
        }
        unique("zone", self.zones.iter())?;
        unique("model", self.models.iter())?;
        if self.models.len() > usize::from(u16::MAX) {
            return Err(ProblemError::TooLarge {
                what: "the number of device models".to_owned(),
            });
        }
        unique("type", self.types.iter().map(|t| &t.id))?;
        unique("node", self.nodes.iter().map(|n| &n.id))?;
        unique("class", self.classes.iter().map(|c| &c.id))?;
        for t in &self.types {
            self.amounts(&t.capacity, || format!("type {:?}", t.id))?;
            self.devices(&t.devices, || format!("type {:?}", t.id))?;
            for offering in &t.offerings {
                self.zone(offering.zone, || format!("type {:?}", t.id))?;
                if let Some(price) = offering.price {
                    if price < MicroUsdPerHour::ZERO {
                        return Err(ProblemError::Price {
                            node_type: t.id.clone(),
                            price,
                        });
                    }
                    if price.0 >= 1 << 44 {
                        return Err(ProblemError::TooLarge {
                            what: format!("the price of type {:?}", t.id),
                        });
                    }
                }
            }
        }
        unique("purchase limit", self.purchase_limits.iter().map(|l| &l.id))?;
        for limit in &self.purchase_limits {
            self.purchase_limit(limit)?;
        }
        for n in &self.nodes {
            self.amounts(&n.free, || format!("node {:?}", n.id))?;
            self.devices(&n.devices, || format!("node {:?}", n.id))?;
            self.zone(n.zone, || format!("node {:?}", n.id))?;
            for (class, _) in &n.present {
                index("class", *class, self.classes.len(), || {
                    format!("node {:?}", n.id)
                })?;
            }
        }
        for c in &self.classes {
            self.amounts(&c.demand, || format!("class {:?}", c.id))?;
            if let Some(request) = &c.devices
                && (request.count == 0 || request.milli == 0 || request.milli > 1000)
            {
                return Err(ProblemError::Devices {
                    class: c.id.clone(),
                    count: request.count,
                    milli: request.milli,
                });
            }
            c.disliked()?;
        }
        let items: u64 = self.classes.iter().map(|c| u64::from(c.count)).sum();
        if items > u64::from(u32::MAX) {
            return Err(ProblemError::TooLarge {
                what: "the number of items".to_owned(),
            });
        }
        for (i, rule) in self.rules.iter().enumerate() {
            let (with, of) = match rule {
                Rule::CountLimit(r) => (&r.with, &r.of),
                Rule::ZoneSpread(r) => {
                    if r.max_skew == 0 {
                        return Err(ProblemError::Skew);
                    }
                    (&r.with, &r.of)
                }
                Rule::Affinity(r) => (&r.with, &r.of),
            };
            for class in with.iter().chain(of) {
                index("class", *class, self.classes.len(), || format!("rule {i}"))?;
            }
        }
        Ok(())
    }

    fn purchase_limit(&self, limit: &PurchaseLimit) -> Result<(), ProblemError> {
        let what = || format!("purchase limit {:?}", limit.id);
        for take in &limit.takes {
            index("type", take.node_type, self.types.len(), what)?;
            let offerings = self.types.get(take.node_type).map(|t| t.offerings.len());
            if let Some(offering) = take.offering {
                index("offering", offering, offerings.unwrap_or(0), what)?;
            }
        }
        let sum = |sum: u64, take: &Take| sum.saturating_add(take.amount);
        if limit.max.max(limit.min) > MAX_AMOUNT || limit.takes.iter().fold(0, sum) > MAX_AMOUNT {
            return Err(ProblemError::TooLarge { what: what() });
        }
        Ok(())
    }

    fn amounts(&self, amounts: &[u64], what: impl Fn() -> String) -> Result<(), ProblemError> {
        if amounts.len() != self.dims.len() {
            return Err(ProblemError::Dims {
                what: what(),
                found: amounts.len(),
                expected: self.dims.len(),
            });
        }
        if amounts.iter().any(|a| *a > MAX_AMOUNT) {
            return Err(ProblemError::TooLarge {
                what: format!("an amount of {}", what()),
            });
        }
        Ok(())
    }

    fn devices(&self, devices: &[Device], what: impl Fn() -> String) -> Result<(), ProblemError> {
        for device in devices {
            index("model", device.model, self.models.len(), &what)?;
        }
        if devices.len() > 64 {
            return Err(ProblemError::TooLarge {
                what: format!("the number of devices of {} (at most 64)", what()),
            });
        }
        if devices.iter().any(|d| d.milli > 1000) {
            return Err(ProblemError::TooLarge {
                what: format!("the share of a device of {} (at most 1000)", what()),
            });
        }
        Ok(())
    }

    fn zone(&self, zone: Option<usize>, what: impl Fn() -> String) -> Result<(), ProblemError> {
        match zone {
            Some(zone) => index("zone", zone, self.zones.len(), what),
            None if self.zones.is_empty() => Ok(()),
            None => Err(ProblemError::NoZone { what: what() }),
        }
    }
}

fn unique<'a>(
    list: &'static str,
    ids: impl Iterator<Item = &'a String>,
) -> Result<(), ProblemError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(ProblemError::DuplicateId {
                list,
                id: id.clone(),
            });
        }
    }
    Ok(())
}

fn index(
    list: &'static str,
    index: usize,
    len: usize,
    what: impl Fn() -> String,
) -> Result<(), ProblemError> {
    if index < len {
        return Ok(());
    }
    Err(ProblemError::Index {
        what: what(),
        list,
        index,
        len,
    })
}
