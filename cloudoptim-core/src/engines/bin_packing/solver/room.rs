//! What can be filled: a node type, a node that stands, or several poured
//! together; and what its fractional knapsack looks like.

use super::knapsack::Knapsack;
use super::model::{Model, Shape, Type};
use super::problem::{ExistingNode, Problem};
use super::solution::{ShareOf, SplitOn};

/// Dual feasible functions to try beside the plain share, for amounts; and for
/// devices, of which small shares are common.
const ROUNDINGS: std::ops::RangeInclusive<u32> = 0..=3;
const DEVICE_ROUNDINGS: std::ops::RangeInclusive<u32> = 0..=9;

/// Something with capacity that the programme can fill.
pub(super) struct Room {
    pub(super) on: SplitOn,
    /// One node, so that limits per node hold in it, and not several poured
    /// together.
    pub(super) single: bool,
    pub(super) price: i64,
    capacity: Vec<u64>,
    /// Thousandths of all devices, and how many there are when all are whole.
    device_milli: u64,
    whole_devices: Option<u64>,
    pub(super) accepts: Vec<bool>,
    /// What an item of each shape costs here beside, at the least, in micro-dollars;
    /// empty where nothing does.
    extra: Vec<i64>,
}

impl Room {
    pub(super) fn of(t: &Type) -> Self {
        Self {
            on: SplitOn::Type(t.source),
            single: true,
            price: t.offers.first().map_or(0, |o| o.raised),
            capacity: t.capacity.clone(),
            device_milli: t.devices.iter().map(|(_, milli)| u64::from(*milli)).sum(),
            whole_devices: t
                .devices
                .iter()
                .all(|(_, milli)| *milli == 1000)
                .then_some(t.devices.len() as u64),
            accepts: t.fits.iter().map(|f| *f > 0).collect(),
            extra: t.extra.clone(),
        }
    }

    /// A node that stands, by what it could hold if its items moved.
    pub(super) fn standing(capacity: Vec<u64>, device_milli: u64, accepts: Vec<bool>) -> Self {
        Self {
            on: SplitOn::Existing,
            single: true,
            price: 0,
            capacity,
            device_milli,
            whole_devices: None,
            accepts,
            extra: Vec::new(),
        }
    }

    /// Several nodes poured into one.
    pub(super) fn pooled(capacity: Vec<u64>, device_milli: u64, accepts: Vec<bool>) -> Self {
        Self {
            on: SplitOn::Existing,
            single: false,
            price: 0,
            capacity,
            device_milli,
            whole_devices: None,
            accepts,
            extra: Vec::new(),
        }
    }

    /// The same where items cost so much beside.
    pub(super) fn disliked(self, extra: Vec<i64>) -> Self {
        Self { extra, ..self }
    }

    /// What an item of a shape costs beside.
    pub(super) fn extra(&self, shape: usize) -> i64 {
        self.extra.get(shape).copied().unwrap_or(0)
    }

    /// The lowest price of a new node.
    pub(super) fn price(&self) -> i64 {
        self.price
    }

    pub(super) fn capacity(&self, r: usize) -> u64 {
        self.capacity.get(r).copied().unwrap_or(0)
    }

    pub(super) fn accepts(&self, shape: usize) -> bool {
        self.accepts.get(shape).copied().unwrap_or(false)
    }

    /// All open existing nodes in one.
    pub(super) fn existing(problem: &Problem, model: &Model) -> Option<Self> {
        let open: Vec<(usize, _)> = problem
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, n)| !n.closed)
            .collect();
        if open.is_empty() {
            return None;
        }
        let mut capacity = vec![0u64; model.dims];
        let mut device_milli = 0u64;
        for (_, node) in &open {
            for (sum, free) in capacity.iter_mut().zip(&node.free) {
                *sum = sum.saturating_add(*free);
            }
            device_milli += node.devices.iter().map(|d| u64::from(d.milli)).sum::<u64>();
        }
        let takes = |s: &Shape, (i, n): &(usize, &ExistingNode)| {
            s.nodes.contains(*i)
                && n.zone.is_none_or(|z| s.zones.contains(z))
                && s.demand.iter().zip(&n.free).all(|(d, f)| d <= f)
        };
        let shapes = model.shapes.iter();
        let accepts = shapes.map(|s| open.iter().any(|node| takes(s, node)));
        let room = Self::pooled(capacity, device_milli, accepts.collect());
        let shapes = model.shapes.iter().filter(|_| model.prefers);
        let extra = shapes.map(|s| {
            let taken = open.iter().filter(|node| takes(s, node));
            taken.map(|(i, _)| s.extra_on(*i)).min().unwrap_or(0)
        });
        Some(room.disliked(extra.collect()))
    }

    /// How much of a resource an item takes, as a fraction.
    pub(super) fn part(
        &self,
        model: &Model,
        item: &Taker<'_>,
        of: ShareOf,
        rounding: u32,
    ) -> (u128, u128) {
        match of {
            ShareOf::Dim(r) => {
                let demand = item.demand.get(r).copied().unwrap_or(0);
                let capacity = self.capacity.get(r).copied().unwrap_or(0);
                rounded(demand, capacity, rounding)
            }
            ShareOf::Devices => {
                let Some((count, milli)) = item.devices else {
                    return (0, 1);
                };
                match self.whole_devices {
                    Some(devices) if devices > 0 => {
                        let (num, den) = rounded(u64::from(milli), 1000, rounding);
                        (num * u128::from(count), den * u128::from(devices))
                    }
                    _ if self.device_milli > 0 && rounding == 0 => (
                        u128::from(count) * u128::from(milli),
                        u128::from(self.device_milli),
                    ),
                    _ => (0, 1),
                }
            }
            ShareOf::Limit(rule) => {
                let max = item
                    .limits
                    .iter()
                    .filter_map(|l| model.self_limits.get(*l))
                    .find(|l| l.rule == rule)
                    .map(|l| l.max);
                match max {
                    Some(max) if self.single => (1, u128::from(max)),
                    _ => (0, 1),
                }
            }
        }
    }
}

/// `demand / capacity`, or its dual feasible rounding, as a fraction.
pub(super) fn rounded(demand: u64, capacity: u64, rounding: u32) -> (u128, u128) {
    let (demand, capacity) = (u128::from(demand), u128::from(capacity));
    if demand == 0 || capacity == 0 {
        return (0, 1);
    }
    let k = u128::from(rounding);
    let scaled = demand * (k + 1);
    if k == 0 || scaled % capacity == 0 {
        (demand, capacity)
    } else {
        (scaled / capacity, k)
    }
}

/// What takes a part of a room: a shape, or a group.
pub(super) struct Taker<'a> {
    pub(super) demand: &'a [u64],
    pub(super) devices: Option<(u32, u32)>,
    pub(super) limits: &'a [usize],
}

impl<'a> Taker<'a> {
    pub(super) fn of(shape: &'a Shape) -> Self {
        Self {
            demand: &shape.demand,
            devices: shape.devices.as_ref().map(|d| (d.count, d.milli)),
            limits: &shape.limits,
        }
    }
}

/// Shapes that the programme treats as one.
pub(super) struct Group {
    pub(super) demand: Vec<u64>,
    pub(super) shapes: Vec<usize>,
    pub(super) count: f64,
}

/// A room ready for pricing.
pub(super) struct Pricer {
    pub(super) room: Room,
    pub(super) rows: Vec<(ShareOf, u32)>,
    /// Groups by column of the knapsack.
    pub(super) groups: Vec<usize>,
    pub(super) knapsack: Knapsack,
    /// What one item of each column costs here beside; empty where nothing does.
    extra: Vec<f64>,
}

impl Pricer {
    pub(super) fn new(model: &Model, groups: &[Group], room: Room) -> Self {
        let mut keys: Vec<(ShareOf, u32)> = Vec::new();
        let columns: Vec<usize> = (0..groups.len())
            .filter(|g| groups[*g].shapes.iter().any(|s| room.accepts[*s]))
            .collect();
        let takers: Vec<Taker<'_>> = columns
            .iter()
            .map(|g| Taker {
                demand: &groups[*g].demand,
                ..Taker::of(&model.shapes[groups[*g].shapes[0]])
            })
            .collect();
        let resources = (0..model.dims)
            .map(ShareOf::Dim)
            .chain([ShareOf::Devices])
            .chain(model.self_limits.iter().map(|l| ShareOf::Limit(l.rule)));
        for of in resources {
            let roundings = match of {
                ShareOf::Devices => DEVICE_ROUNDINGS,
                _ => ROUNDINGS,
            };
            for rounding in roundings {
                let limit = matches!(of, ShareOf::Limit(_));
                if rounding > 0 && (limit || !room.single) {
                    break;
                }
                // A rounding that never takes more than the plain share adds
                // nothing.
                let useful = takers.iter().any(|t| {
                    let (num, den) = room.part(model, t, of, rounding);
                    let (plain_num, plain_den) = room.part(model, t, of, 0);
                    if rounding == 0 {
                        num > 0
                    } else {
                        num * plain_den > plain_num * den
                    }
                });
                if useful {
                    keys.push((of, rounding));
                }
            }
        }
        let parts = takers
            .iter()
            .map(|t| {
                keys.iter()
                    .map(|(of, rounding)| {
                        let (num, den) = room.part(model, t, *of, *rounding);
                        num as f64 / den as f64
                    })
                    .collect()
            })
            .collect();
        let least = |g: &usize| {
            let shapes = groups[*g].shapes.iter().filter(|s| room.accepts(**s));
            shapes.map(|s| room.extra(*s)).min().unwrap_or(0) as f64
        };
        let mut extra: Vec<f64> = columns.iter().map(least).collect();
        if extra.iter().all(|extra| *extra == 0.0) {
            extra.clear();
        }
        Self {
            extra,
            knapsack: Knapsack::new(keys.len(), parts),
            room,
            rows: keys,
            groups: columns,
        }
    }

    /// Values of the groups it accepts, in its own order, without what their items
    /// cost here beside.
    pub(super) fn own(&self, values: &[f64]) -> Vec<f64> {
        let mut own: Vec<f64> = self.groups.iter().map(|g| values[*g]).collect();
        for (value, extra) in own.iter_mut().zip(&self.extra) {
            *value = (*value - extra).max(0.0);
        }
        own
    }

    /// What one item of a column costs here beside.
    pub(super) fn extra(&self, column: usize) -> f64 {
        self.extra.get(column).copied().unwrap_or(0.0)
    }

    /// What a filling, by columns, costs here beside.
    pub(super) fn beside(&self, amounts: &[(usize, f64)]) -> f64 {
        if self.extra.is_empty() {
            return 0.0;
        }
        amounts.iter().map(|(c, z)| self.extra(*c) * z).sum()
    }

    /// What a filling, by shapes, costs here beside.
    pub(super) fn beside_of(&self, counts: &[(usize, u32)]) -> f64 {
        let items = counts.iter();
        items
            .map(|(s, n)| self.room.extra(*s) as f64 * f64::from(*n))
            .sum()
    }
}
