//! Prices the certificate of a lower bound anew.
//!
//! A certificate says what one item of each class is worth; it holds when no
//! node can hold more value than it costs. Here that is found out without the
//! solver's pricing, type by type:
//!
//! - by the certificate's own split of the price, where it has one, in integers;
//! - else by a linear relaxation (nodes may hold parts of items; amounts also
//!   rounded by dual feasible functions), whose duals are rounded and then
//!   checked in integers;
//! - else exactly, by a table over that part of the requests' grid that whole items
//!   need on the way to a full node, which serves smaller types too; by branch and
//!   bound; or by a table over the whole of the grid, where that is small. Devices
//!   enter these by their sum only, and a table may leave a resource out or round
//!   requests down to a coarser grid: each can only raise what a node seems to hold,
//!   and the type then counts as relaxed. Of several such bounds the least holds.
//!
//! Where a type still holds more than it costs, the values of what it takes are
//! lowered until it does not. What the lowered values add up to is certified,
//! whatever the solver did. Where limits on purchases have values, nodes cost what
//! they take of them more, and these values are taken off at the end.

mod band;
mod exact;
mod lists;
mod relax;
pub mod repack;

use cloudoptim_core::engines::bin_packing::solver::{
    Certificate, Class, Dislike, NodeType, Offering, Per, Problem, Rule, Share, ShareOf, Solution,
    SplitOn,
};
use cloudoptim_core::model::MicroUsdPerHour;
use std::collections::BTreeMap;
use std::fmt;

/// What a certificate proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Certified {
    /// No packing costs less; never above what the solution claims.
    pub bound: MicroUsdPerHour,
    /// Types proven by a split of their price.
    pub split: usize,
    /// Types priced exactly.
    pub exact: usize,
    /// Types priced by a relaxation.
    pub relaxed: usize,
    /// Types that seemed to hold more than they cost, so that values were
    /// lowered.
    pub lowered: usize,
}

impl fmt::Display for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.split, "by split"),
            (self.exact, "exact"),
            (self.relaxed, "relaxed"),
        ];
        let parts = parts.iter().filter(|p| p.0 > 0);
        let text: Vec<String> = parts.map(|(n, how)| format!("{n} {how}")).collect();
        f.write_str(&text.join(", "))?;
        if self.lowered > 0 {
            write!(f, "; {} lowered", self.lowered)?;
        }
        Ok(())
    }
}

/// Equal items as a type sees them.
#[derive(Debug, Clone)]
struct Item {
    demand: Vec<u64>,
    /// Devices, and thousandths of each.
    devices: Option<(u32, u32)>,
    /// Per-node limits that count it, by index in the problem's rules.
    limits: Vec<usize>,
    count: u64,
    /// On this type, without what they dislike of it.
    value: u64,
    /// What they dislike, × 2^[`Certificate::SCALE_BITS`].
    disliked: u64,
    classes: Vec<usize>,
}

/// A type with what it can hold.
struct Room {
    /// With capacities cut down to what the items can take.
    of: NodeType,
    /// Lowest price, × 2^[`Certificate::SCALE_BITS`].
    price: u128,
    items: Vec<Item>,
    /// The most of each limit, by rule.
    limits: BTreeMap<usize, u32>,
}

/// Prices the certificate of a solution anew. Without one, or with existing
/// nodes to fill, nothing is certified.
#[must_use]
pub fn certify(problem: &Problem, solution: &Solution) -> Certified {
    let mut certified = Certified::default();
    let Some(certificate) = &solution.proof.certificate else {
        return certified;
    };
    if certificate.class_values.len() != problem.classes.len()
        || problem.nodes.iter().any(|n| !n.closed)
    {
        return certified;
    }
    let mut allowed: Vec<Option<u64>> = vec![None; problem.classes.len()];
    let mut budget = exact::Budget::default();
    let mut rooms: Vec<(usize, Room)> = (0..problem.types.len())
        .filter_map(|t| {
            Some((
                t,
                Room::new(
                    problem,
                    t,
                    &certificate.class_values,
                    &certificate.limit_values,
                )?,
            ))
        })
        .collect();
    // Small types first: they are the quick ones to price exactly.
    rooms.sort_by_key(|(t, room)| (room.price, *t));
    let split = |t: usize| {
        let mut splits = certificate.splits.iter();
        splits.find(|s| s.on == SplitOn::Type(t))
    };
    let own = rooms.iter().filter(|(t, _)| split(*t).is_none());
    let own: Vec<&Room> = own.map(|(_, room)| room).collect();
    let mut priced = priced(&own, &mut budget).into_iter();
    for (t, room) in &rooms {
        let values = match split(*t) {
            Some(split) => {
                certified.split += 1;
                room.by_shares(&split.shares)
            }
            None => {
                // Worth nothing where nothing is known.
                let nothing = || (vec![0; room.items.len()], false);
                let (values, exactly) = priced.next().unwrap_or_else(nothing);
                certified.exact += usize::from(exactly);
                certified.relaxed += usize::from(!exactly);
                values
            }
        };
        let mut lowered = false;
        for (item, most) in room.items.iter().zip(values) {
            // A rounding unit is not worth a word.
            lowered |= most.saturating_add(most >> 30) < item.value;
            for class in &item.classes {
                let most = most.saturating_add(item.disliked);
                let value = most.min(certificate.class_values[*class]);
                let known = allowed[*class].get_or_insert(value);
                *known = (*known).min(value);
            }
        }
        certified.lowered += usize::from(lowered);
    }
    let items = problem.classes.iter().zip(&allowed);
    let worth = items.map(|(class, value)| {
        // What no type on sale takes is outside the bound.
        u128::from(value.unwrap_or(0)) * u128::from(class.count)
    });
    // No packing pays more for its limits than they are worth.
    let limits: u128 = certificate
        .limit_values
        .iter()
        .map(|v| u128::from(*v))
        .sum();
    let bound = lowest_cost(problem, worth.sum::<u128>().saturating_sub(limits));
    certified.bound = bound.min(solution.lower_bound);
    certified
}

/// What each item of each type may be worth by our own pricing, and whether that was
/// exact.
fn priced(rooms: &[&Room], budget: &mut exact::Budget) -> Vec<(Vec<u64>, bool)> {
    let shares: Vec<Vec<Share>> = rooms.iter().map(|room| relax::shares(room)).collect();
    let both = || rooms.iter().zip(&shares);
    let relaxed: Vec<Option<Vec<u64>>> = both().map(|(r, shares)| r.relaxed(shares)).collect();
    let open = both()
        .zip(&relaxed)
        .filter(|(_, relaxed)| relaxed.is_none());
    let open: Vec<(&Room, &[Share])> = open.map(|((r, s), _)| (*r, s.as_slice())).collect();
    let mut found = most(&open, budget).into_iter();
    both()
        .zip(relaxed)
        .map(|((room, shares), relaxed)| match relaxed {
            Some(values) => (values, false),
            None => room.lowered(shares, found.next().flatten()),
        })
        .collect()
}

/// The most that fits each type, or the price when that is more: one way after
/// another for those of which it is not known yet that they hold no more than they
/// cost, and the least of what they say.
fn most(rooms: &[(&Room, &[Share])], budget: &mut exact::Budget) -> Vec<Option<exact::Most>> {
    type Way = fn(&[(&Room, &[Share])], &mut exact::Budget) -> Vec<Option<exact::Most>>;
    let ways: [Way; 4] = [
        |rooms, budget| band::most(rooms, false, budget),
        |rooms, budget| {
            let rooms = rooms.iter();
            rooms.map(|(r, s)| exact::quick(r, s, budget)).collect()
        },
        |rooms, budget| band::most(rooms, true, budget),
        |rooms, budget| {
            let rooms = rooms.iter();
            rooms.map(|(r, s)| exact::slow(r, s, budget)).collect()
        },
    ];
    let mut found: Vec<Option<exact::Most>> = vec![None; rooms.len()];
    for way in ways {
        let open = |at: &usize| !found[*at].is_some_and(|most| most.is_enough(rooms[*at].0));
        let open: Vec<usize> = (0..rooms.len()).filter(open).collect();
        let tried: Vec<(&Room, &[Share])> = open.iter().map(|at| rooms[*at]).collect();
        for (at, other) in open.into_iter().zip(way(&tried, budget)) {
            let both = found[at].into_iter().chain(other);
            found[at] = both.min_by_key(|most| (most.value, !most.exact));
        }
    }
    found
}

/// What a node of each offering of a type takes of each limit.
fn taken(problem: &Problem, t: usize) -> Vec<Vec<u128>> {
    let mut all = vec![vec![0; problem.purchase_limits.len()]; problem.types[t].offerings.len()];
    for (number, limit) in problem.purchase_limits.iter().enumerate() {
        for take in limit.takes.iter().filter(|take| take.node_type == t) {
            for (offering, taken) in all.iter_mut().enumerate() {
                if take.offering.unwrap_or(offering) == offering {
                    taken[number] += u128::from(take.amount);
                }
            }
        }
    }
    all
}

/// The least sum of prices that is no less than a value.
fn lowest_cost(problem: &Problem, value: u128) -> MicroUsdPerHour {
    let whole = value.div_ceil(1 << Certificate::SCALE_BITS);
    let prices = problem.types.iter().flat_map(|t| &t.offerings);
    let prices = prices.filter(|o| o.available != Some(0));
    let prices = prices.filter_map(|o| o.price.map(|p| u128::from(p.0.unsigned_abs())));
    let counted = problem.classes.iter().filter(|c| c.count > 0);
    let disliked = counted.flat_map(|c| &c.dislikes);
    let disliked = disliked.map(|d| u128::from(d.cost.0.unsigned_abs()));
    let step = prices.chain(disliked).fold(0, gcd).max(1);
    let lowest = whole.div_ceil(step).saturating_mul(step);
    MicroUsdPerHour(i64::try_from(lowest).unwrap_or(i64::MAX))
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Room {
    /// `None` for a type that is not on sale or takes nothing of value.
    fn new(problem: &Problem, t: usize, values: &[u64], limit_values: &[u64]) -> Option<Self> {
        let of = &problem.types[t];
        let taken = taken(problem, t);
        let limits = &problem.purchase_limits;
        // What a limit leaves no room for cannot be bought.
        let on_sale = || {
            let offers = of.offerings.iter().zip(&taken);
            offers.filter(|(o, taken)| {
                let mut rows = limits.iter().zip(*taken);
                o.available != Some(0) && rows.all(|(limit, taken)| *taken <= u128::from(limit.max))
            })
        };
        let prices = on_sale().filter_map(|(o, taken)| {
            let rows = limits.iter().zip(limit_values).zip(taken);
            // Each limit's part in whole micro-dollars, rounded down.
            let charges =
                rows.filter(|((limit, _), _)| limit.max > 0)
                    .map(|((limit, value), taken)| {
                        (u128::from(*value) * taken / u128::from(limit.max))
                            >> Certificate::SCALE_BITS
                    });
            Some(u128::from(o.price?.0.unsigned_abs()) + charges.sum::<u128>())
        });
        let price = prices.min()?;
        let mut limits = BTreeMap::new();
        let mut counted: Vec<Vec<usize>> = vec![Vec::new(); problem.classes.len()];
        for (number, rule) in problem.rules.iter().enumerate() {
            let Rule::CountLimit(limit) = rule else {
                continue;
            };
            if limit.per != Per::Node {
                continue;
            }
            limits.insert(number, limit.max);
            let of: std::collections::BTreeSet<usize> = limit.of.iter().copied().collect();
            for class in limit.with.iter().filter(|c| of.contains(c)) {
                counted[*class].push(number);
            }
        }
        let mut items: BTreeMap<_, Item> = BTreeMap::new();
        for (c, class) in problem.classes.iter().enumerate() {
            let sold = on_sale()
                .any(|(o, _)| o.price.is_some() && o.zone.is_none_or(|z| class.zones.contains(z)));
            let fits = class
                .demand
                .iter()
                .zip(&of.capacity)
                .all(|(d, has)| d <= has);
            let banned = counted[c].iter().any(|l| limits.get(l) == Some(&0));
            if class.count == 0
                || !sold
                || !class.types.contains(t)
                || !fits
                || banned
                || !suits(class, of)
            {
                continue;
            }
            let devices = class.devices.as_ref().map(|d| (d.count, d.milli));
            let beside = disliked(class, t, on_sale().map(|(o, _)| o));
            let value = values[c].saturating_sub(beside);
            let key = (class.demand.clone(), devices, counted[c].clone(), beside);
            let item = items.entry(key).or_insert_with(|| Item {
                demand: class.demand.clone(),
                devices,
                limits: counted[c].clone(),
                count: 0,
                value: 0,
                disliked: beside,
                classes: Vec::new(),
            });
            item.count += u64::from(class.count);
            item.value = item.value.max(value);
            item.classes.push(c);
        }
        // All that fits is made of whole requests.
        let mut of = of.clone();
        for (dim, has) in of.capacity.iter_mut().enumerate() {
            let step = items.values().fold(0, |step, item| {
                gcd(step, u128::from(item.demand.get(dim).copied().unwrap_or(0)))
            });
            let over = u128::from(*has).checked_rem(step).unwrap_or(0);
            *has -= u64::try_from(over).unwrap_or(0);
        }
        (!items.is_empty()).then(|| Self {
            of,
            price: price << Certificate::SCALE_BITS,
            items: items.into_values().collect(),
            limits,
        })
    }

    /// What shares of the price allow each item to be worth.
    fn by_shares(&self, shares: &[Share]) -> Vec<u64> {
        let sum: u128 = shares.iter().map(|s| u128::from(s.amount)).sum();
        let most = |item: &Item| {
            let worth: u128 = shares
                .iter()
                .map(|share| {
                    let (num, den) = self.part(item, share.of, share.rounding);
                    u128::from(share.amount) * num / den
                })
                .sum();
            // Shares of more than the price are cut down to it.
            let worth = if sum > self.price {
                scaled(worth, self.price, sum)
            } else {
                worth
            };
            u64::try_from(worth).unwrap_or(u64::MAX)
        };
        self.items.iter().map(most).collect()
    }

    /// What shares of the price allow each item to be worth, where that is enough.
    fn relaxed(&self, shares: &[Share]) -> Option<Vec<u64>> {
        let sum: u128 = shares.iter().map(|s| u128::from(s.amount)).sum();
        let relaxed = self.by_shares(shares);
        let enough = relaxed.iter().zip(&self.items).all(|(most, item)| {
            // A rounding unit is no reason to try harder.
            most.saturating_add(most >> 30) >= item.value
        });
        (enough && sum <= self.price + (self.price >> 30)).then_some(relaxed)
    }

    /// What each item may be worth where all that fits is worth so much at most, and
    /// whether that is exact.
    fn lowered(&self, shares: &[Share], found: Option<exact::Most>) -> (Vec<u64>, bool) {
        let relaxed = self.by_shares(shares);
        let Some(found) = found else {
            return (relaxed, false);
        };
        let values = self.items.iter().map(|item| {
            let value = u128::from(item.value);
            let value = if found.value > self.price {
                scaled(value, self.price, found.value)
            } else {
                value
            };
            u64::try_from(value).unwrap_or(u64::MAX)
        });
        // Each is a bound by itself, so the better of the two holds only for all
        // items together.
        let values: Vec<u64> = values.collect();
        let total = |values: &[u64]| -> u128 {
            let items = self.items.iter().zip(values);
            items
                .map(|(i, v)| u128::from(i.count) * u128::from(i.value.min(*v)))
                .sum()
        };
        if total(&values) >= total(&relaxed) {
            (values, found.exact)
        } else {
            (relaxed, false)
        }
    }

    /// The part of a resource that an item takes, as a fraction.
    fn part(&self, item: &Item, of: ShareOf, rounding: u32) -> (u128, u128) {
        match of {
            ShareOf::Dim(r) => {
                let demand = item.demand.get(r).copied().unwrap_or(0);
                let has = self.of.capacity.get(r).copied().unwrap_or(0);
                rounded(u128::from(demand), u128::from(has), rounding)
            }
            ShareOf::Devices => {
                let Some((count, milli)) = item.devices else {
                    return (0, 1);
                };
                let devices = &self.of.devices;
                let sum: u128 = devices.iter().map(|d| u128::from(d.milli)).sum();
                let (count, milli) = (u128::from(count), u128::from(milli));
                if devices.iter().all(|d| d.milli == 1_000) {
                    let (num, den) = rounded(milli, 1_000, rounding);
                    (num * count, den * (devices.len() as u128).max(1))
                } else if rounding == 0 {
                    (count * milli, sum.max(1))
                } else {
                    (0, 1)
                }
            }
            ShareOf::Limit(rule) => match self.limits.get(&rule) {
                Some(max) if item.limits.contains(&rule) => (1, u128::from(*max).max(1)),
                _ => (0, 1),
            },
        }
    }
}

/// `value × part / whole`, rounded down; zero when it cannot be multiplied out.
fn scaled(value: u128, part: u128, whole: u128) -> u128 {
    value.checked_mul(part).map_or(0, |p| p / whole.max(1))
}

/// A part of a whole by the dual feasible function `u⁽ᵏ⁾` of Fekete and Schepers
/// (2001), `k` = 0 for the part as it is.
fn rounded(part: u128, whole: u128, k: u32) -> (u128, u128) {
    let k = u128::from(k);
    if part == 0 || whole == 0 {
        return (0, 1);
    }
    let times = part * (k + 1);
    if k == 0 || times.is_multiple_of(whole) {
        (part, whole)
    } else {
        (times / whole, k)
    }
}

/// What an item dislikes of a type, in the zone where that is least, as values are.
fn disliked<'o>(class: &Class, t: usize, offers: impl Iterator<Item = &'o Offering>) -> u64 {
    let priced = offers.filter(|o| o.price.is_some());
    let beside = priced
        .filter(|o| o.zone.is_none_or(|z| class.zones.contains(z)))
        .map(|offer| {
            let here = |d: &&Dislike| {
                d.types.contains(t) && offer.zone.is_none_or(|z| d.zones.contains(z))
            };
            let costs = class.dislikes.iter().filter(here);
            let costs = costs.map(|d| d.cost.0.unsigned_abs());
            costs.fold(0, u64::saturating_add)
        });
    let least = beside.min().unwrap_or(0);
    // What is too much to be scaled is more than any value.
    least.saturating_mul(1 << Certificate::SCALE_BITS)
}

/// Whether a type's devices, all free, serve one item.
fn suits(class: &Class, of: &NodeType) -> bool {
    class.devices.as_ref().is_none_or(|request| {
        let good = of.devices.iter();
        let good = good.filter(|d| d.milli >= request.milli && request.models.contains(d.model));
        good.count() >= request.count as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Random;
    use cloudoptim_core::engines::bin_packing::solver::{CountLimit, Device, DeviceRequest, Mask};

    /// A type of three resources and six classes, some of them limited.
    fn drawn(seed: u64) -> (Problem, Vec<u64>) {
        let mut random = Random::new(seed);
        let mut below = |n: usize| random.below(n) as u64;
        let capacity = vec![8 + below(9), 8 + below(9), 3 + below(6)];
        let classes: Vec<Class> = (0..6)
            .map(|c| Class {
                id: c.to_string(),
                count: 1 + below(9) as u32,
                demand: vec![1 + below(6), below(6), 1],
                ..Class::default()
            })
            .collect();
        let values = (0..6).map(|_| (1 + below(40)) << 20).collect();
        let limited: Vec<usize> = (0..below(4) as usize).collect();
        let problem = Problem {
            dims: ["a", "b", "c"].map(str::to_owned).to_vec(),
            types: vec![NodeType {
                id: "t".to_owned(),
                capacity,
                offerings: vec![Offering {
                    price: Some(MicroUsdPerHour(1)),
                    ..Offering::default()
                }],
                ..NodeType::default()
            }],
            rules: vec![Rule::CountLimit(CountLimit {
                per: Per::Node,
                with: limited.clone(),
                of: limited,
                max: 2,
            })],
            classes,
            ..Problem::default()
        };
        (problem, values)
    }

    /// The most that fits, by trying everything.
    fn brute(room: &Room, at: usize, free: &[u64], limited: u64) -> u128 {
        let Some(item) = room.items.get(at) else {
            return 0;
        };
        let own = u64::from(!item.limits.is_empty());
        let mut best = 0;
        for n in 0..=item.count {
            let fits = item.demand.iter().zip(free).all(|(d, f)| d * n <= *f);
            if !fits || own * n > limited {
                break;
            }
            let left: Vec<u64> = free
                .iter()
                .zip(&item.demand)
                .map(|(f, d)| f - d * n)
                .collect();
            let rest = brute(room, at + 1, &left, limited - own * n);
            best = best.max(u128::from(n) * u128::from(item.value) + rest);
        }
        best
    }

    #[test]
    fn no_pricing_is_below_what_fits_and_the_exact_ones_meet_it() {
        let mut exact = 0;
        for seed in 1..=200 {
            let (problem, values) = drawn(seed);
            let Some(room) = Room::new(&problem, 0, &values, &[]) else {
                continue;
            };
            let fits = brute(&room, 0, &room.of.capacity, 2);
            let shares = relax::shares(&room);
            let sum: u128 = shares.iter().map(|s| u128::from(s.amount)).sum();
            assert!(sum >= fits, "seed {seed}: relaxed {sum}, fits {fits}");
            let branched = exact::branch(&room, &shares).unwrap();
            assert_eq!(
                (branched.value, branched.exact),
                (fits, true),
                "seed {seed}"
            );
            for cells in [8, 40, 1_000_000] {
                let mut budget = exact::Budget::default();
                let Some(table) = exact::table(&room, &shares, cells, &mut budget) else {
                    continue;
                };
                assert!(table.value >= fits, "seed {seed}: {cells} cells");
                if table.exact {
                    exact += 1;
                    assert_eq!(table.value, fits, "seed {seed}: {cells} cells");
                }
            }
            // What is allowed in the end is worth no more than the price.
            let priced = priced(&[&room], &mut exact::Budget::default());
            let (allowed, _) = priced.into_iter().next().unwrap();
            let mut lowered = Room::new(&problem, 0, &values, &[]).unwrap();
            for (item, most) in lowered.items.iter_mut().zip(allowed) {
                item.value = item.value.min(most);
            }
            assert!(brute(&lowered, 0, &lowered.of.capacity, 2) <= lowered.price);
        }
        assert!(exact > 20, "{exact} tables were exact");
    }

    #[test]
    fn a_value_without_end_has_shares_without_end() {
        let (problem, _) = drawn(1);
        let room = Room::new(&problem, 0, &[u64::MAX; 6], &[]).unwrap();
        let shares = relax::shares(&room);
        let worth = room.by_shares(&shares);
        // Cut down to the price, not let pass.
        let most = u64::try_from(room.price).unwrap();
        assert!(!shares.is_empty() && worth.iter().all(|v| *v <= most));
    }

    #[test]
    fn a_table_knows_how_many_devices_there_are() {
        let (mut problem, _) = drawn(1);
        problem.rules.clear();
        problem.models = vec!["gpu".to_owned()];
        problem.types[0].devices = vec![
            Device {
                model: 0,
                milli: 1000
            };
            2
        ];
        problem.types[0].capacity = vec![50, 50, 50];
        problem.classes.truncate(1);
        problem.classes[0].devices = Some(DeviceRequest {
            count: 1,
            milli: 1000,
            models: Mask::All,
        });
        let value = 7 << 20;
        let room = Room::new(&problem, 0, &[value], &[]).unwrap();
        let shares = relax::shares(&room);
        let most = exact::table(&room, &shares, 100_000, &mut exact::Budget::default());
        assert_eq!(most.unwrap().value, 2 * u128::from(value));
    }
}
