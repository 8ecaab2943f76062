//! Prices the proofs of a repacking's bounds anew.
//!
//! A [`LevelProof`] has a price per move μ and says what one item of each class is
//! worth. From these two alone, in integers and without the solver's code, follows
//! what "cost plus μ times the items that move" is never below:
//!
//! - all items that may move, at their values,
//! - plus the prices of nodes that stay whatever happens,
//! - plus, for each node that may go, the lesser of what it costs when it goes
//!   (μ for each of its items) and when it stays (its price, and μ for each of its
//!   items, less the most that it can hold),
//! - less, for each node that stays whatever happens, the most that it can hold
//!   beyond μ for each of its items,
//!
//! where an item that stays where it stands holds its value and μ, and one that
//! comes holds its value, both less what it dislikes of the node. New nodes must not hold more than they cost: where one
//! seems to, the values of what it takes are lowered until it does not.
//!
//! The most that a node can hold is bounded from above in two ways, and the lesser
//! counts: with items that may be cut (all resources, prices checked item by item),
//! and with whole items in a table over two resources (`grid`), on top of which
//! the subsets of the node's own items are gone through. Devices count by their sum,
//! rules not at all, and of each item there may be any number: each can only raise
//! what a node seems to hold. So any values and any μ give a bound that holds, and
//! what a proof itself claims to prove is never read.

mod fluid;
mod grid;

use self::grid::Grid;
use super::exact::gcd;
use cloudoptim_core::engines::bin_packing::solver::{
    Certificate, Dislike, Fleet, LevelProof, Problem,
};
use cloudoptim_core::model::MicroUsdPerHour;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Higher values of an item, and higher prices per move, count as this much, which
/// is a value and a price like any other: so all sums fit. 134 USD an hour.
const HIGHEST: u64 = 1 << 47;

/// Nodes share a table with others of about their size that accept the same, when
/// there are not more than so many kinds of these.
const GROUPS: usize = 24;

/// Steps to fill tables, for all levels and groups together: of nodes that are
/// there, and of new ones.
const FILLS: u64 = 100_000_000;
const NEW_FILLS: u64 = 600_000_000;

/// Cells of one table, and of a first sketch of one that is too large.
const CELLS: u64 = 10_000_000;
const SKETCH: u64 = 4_096;

/// Subsets of nodes' own items, for all levels and nodes together, and for one node
/// at a time.
const SUBSETS: u64 = 12_000_000;
const WIDTH: u64 = 512;

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The fleet contradicts itself.
    Fleet(String),
    /// There is not one value for each class.
    Values {
        /// Values.
        found: usize,
        /// Classes.
        expected: usize,
    },
    /// The price per move is below zero.
    PerMove(MicroUsdPerHour),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet(why) => write!(f, "the fleet contradicts itself: {why}"),
            Self::Values { found, expected } => {
                write!(f, "{found} values for {expected} classes")
            }
            Self::PerMove(price) => write!(f, "the price per move is {price}"),
        }
    }
}

/// What one price per move proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The price per move that counted.
    pub per_move: MicroUsdPerHour,
    /// Cost plus price of the moves is never below this.
    pub bound: MicroUsdPerHour,
    /// Offerings that seemed to hold more than they cost, so that values were
    /// lowered.
    pub lowered: usize,
}

/// What the proofs of a repacking prove together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certified {
    /// By proof, in their order.
    pub levels: Vec<Result<Level, Refused>>,
    /// What the nodes cost that stay whatever happens.
    fixed: i128,
    /// What all other costs are multiples of; 0 when there are none.
    step: i128,
    /// Items that may move.
    items: u64,
}

impl Certified {
    /// No repacking with at most so many moves costs less.
    #[must_use]
    pub fn within(&self, moves: u64) -> MicroUsdPerHour {
        let moves = i128::from(moves.min(self.items));
        let levels = self.levels.iter().flatten();
        let above = levels.map(|level| {
            i128::from(level.bound.0) - i128::from(level.per_move.0) * moves - self.fixed
        });
        let above = above.max().unwrap_or(0).max(0);
        let whole = if self.step > 0 {
            above.saturating_add(self.step - 1) / self.step * self.step
        } else {
            above
        };
        MicroUsdPerHour(i64::try_from(self.fixed + whole).unwrap_or(i64::MAX))
    }

    /// No repacking costs less, however many items move.
    #[must_use]
    pub fn bound(&self) -> MicroUsdPerHour {
        self.within(self.items)
    }

    /// Why proofs prove nothing, those that do.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> {
        self.levels.iter().filter_map(|level| level.as_ref().err())
    }
}

/// Prices the proofs of a repacking's bounds anew.
///
/// Same fleet and proofs, same answer.
#[must_use]
pub fn certify(fleet: &Fleet, proofs: &[LevelProof]) -> Certified {
    if let Err(err) = fleet.validate() {
        let refused = Refused::Fleet(err.to_string());
        return Certified {
            levels: proofs.iter().map(|_| Err(refused.clone())).collect(),
            ..Certified::default()
        };
    }
    let yard = Yard::new(fleet, proofs.len());
    let classes = fleet.problem.classes.len();
    let begun = proofs.iter().map(|proof| {
        let found = proof.class_values.len();
        if found != classes {
            return Err(Refused::Values {
                found,
                expected: classes,
            });
        }
        if proof.per_move < MicroUsdPerHour::ZERO {
            return Err(Refused::PerMove(proof.per_move));
        }
        Ok(yard.begin(&proof.class_values, proof.per_move))
    });
    let begun: Vec<Result<Begun<'_>, Refused>> = begun.collect();
    let fill = share(NEW_FILLS, begun.iter().flatten().flat_map(|b| &b.wants));
    let payable = begun.into_iter().map(|b| Ok(yard.payable(b?, fill)));
    let payable: Vec<Result<Payable<'_>, Refused>> = payable.collect();
    let fill = share(FILLS, payable.iter().flatten().flat_map(|p| &p.wants));
    let levels = payable.into_iter().map(|p| Ok(yard.level(p?, fill)));
    Certified {
        levels: levels.collect(),
        fixed: yard.fixed,
        step: i128::from(yard.step),
        items: yard.items.iter().fold(0, |n, i| n.saturating_add(i.count)),
    }
}

/// A class of which some may move.
#[derive(Debug)]
struct Item {
    class: usize,
    /// Of each resource; thousandths of devices come last.
    demand: Vec<u64>,
    count: u64,
}

impl Item {
    /// So many of it fit at the most.
    fn most_in(&self, capacity: &[u128]) -> u128 {
        let sides = self.demand.iter().zip(capacity).filter(|(d, _)| **d > 0);
        let fits = sides.map(|(d, has)| has / u128::from(*d)).min();
        fits.unwrap_or(u128::MAX).min(u128::from(self.count))
    }
}

/// Equal nodes.
#[derive(Debug)]
struct Stand {
    group: usize,
    /// Once the items that may move are gone.
    capacity: Vec<u128>,
    /// These items.
    home: Home,
    /// Prices of those that may go.
    go: Vec<i64>,
    /// How many stay whatever happens.
    stay: u64,
}

/// What can be bought at one price.
#[derive(Debug)]
struct Sale {
    group: usize,
    capacity: Vec<u128>,
    price: u64,
    accepts: Vec<usize>,
}

/// Nodes that accept the same and are of about the same size.
#[derive(Debug)]
struct Group {
    accepts: Vec<usize>,
    /// Items that stand on some of them.
    home: Vec<usize>,
    /// The most that any of them has.
    capacity: Vec<u128>,
    /// What each item dislikes of them.
    disliked: Vec<u64>,
}

impl Group {
    /// Values of items without what they dislike here.
    fn own<'v>(&self, values: &'v [u64]) -> Cow<'v, [u64]> {
        if self.disliked.is_empty() {
            return Cow::Borrowed(values);
        }
        let own = values.iter().zip(&self.disliked);
        Cow::Owned(
            own.map(|(value, cost)| value.saturating_sub(*cost))
                .collect(),
        )
    }

    /// What an item dislikes here.
    fn disliked(&self, item: usize) -> u64 {
        self.disliked.get(item).copied().unwrap_or(0)
    }
}

/// Values of items before they are lowered, and a price per move.
#[derive(Debug)]
struct Begun<'y> {
    values: Vec<u64>,
    per_move: i64,
    /// What seems to hold more than it costs, by group, and how much.
    open: Vec<Vec<(&'y Sale, u128)>>,
    /// Steps that the tables for these would take.
    wants: Vec<u64>,
}

/// Nodes, and the most that they hold of items that may be cut.
type Open<'y> = (&'y Stand, Option<u128>);

/// Values at which new nodes pay for themselves, and what the nodes that are there
/// hold of items that may be cut.
#[derive(Debug)]
struct Payable<'y> {
    values: Vec<u64>,
    lowered: usize,
    per_move: i64,
    bonus: u64,
    /// What nodes add to the bound as far as that is known.
    total: i128,
    /// By group, what its resources carry, and nodes of which whole items could hold
    /// less, with the most that parts do.
    open: Vec<(Vec<f64>, Vec<Open<'y>>)>,
    /// Steps that the tables for these would take.
    wants: Vec<u64>,
}

/// The most steps that a table may take when all together take no more than these:
/// those that take fewer leave the others more.
fn share<'w>(mut left: u64, wants: impl Iterator<Item = &'w u64>) -> u64 {
    let mut wants: Vec<u64> = wants.copied().collect();
    wants.sort_unstable();
    let mut tables = wants.len() as u64;
    for want in wants {
        let each = left / tables.max(1);
        if want > each {
            return each;
        }
        left -= want;
        tables -= 1;
    }
    u64::MAX
}

/// Whether a new node seems to hold more than it costs by more than what rounding
/// does.
fn far((sale, most): &(&Sale, u128)) -> bool {
    *most > sale.scaled() + (sale.scaled() >> 30)
}

/// A fleet, made ready.
#[derive(Debug)]
struct Yard {
    items: Vec<Item>,
    stands: Vec<Stand>,
    stand_groups: Vec<Group>,
    sales: Vec<Sale>,
    sale_groups: Vec<Group>,
    fixed: i128,
    /// What all other costs are multiples of.
    step: u64,
    /// Subsets for one node.
    subsets: u64,
}

/// Items and how many of each.
type Home = Vec<(usize, u64)>;

/// What is accepted, the capacity, and what each item dislikes of the place as values
/// are (nothing where none does), by which nodes are grouped.
type Room = (Vec<usize>, Vec<u128>, Vec<u64>);

/// What items dislike of a place, as values are.
fn disliked(problem: &Problem, items: &[Item], there: impl Fn(&Dislike) -> bool) -> Vec<u64> {
    let costs = items.iter().map(|item| {
        let dislikes = problem.classes[item.class].dislikes.iter();
        let costs = dislikes
            .filter(|d| there(d))
            .map(|d| d.cost.0.unsigned_abs());
        let cost = costs.fold(0, u64::saturating_add);
        // What is too much to be scaled is more than any value.
        cost.saturating_mul(1 << Certificate::SCALE_BITS)
    });
    let costs: Vec<u64> = costs.collect();
    if costs.iter().all(|cost| *cost == 0) {
        return Vec::new();
    }
    costs
}

impl Yard {
    fn new(fleet: &Fleet, levels: usize) -> Self {
        let problem = &fleet.problem;
        let mut counts = vec![0u64; problem.classes.len()];
        for (class, n) in fleet.holdings.iter().flat_map(|h| &h.movable) {
            counts[*class] = counts[*class].saturating_add(u64::from(*n));
        }
        let mut item_of = vec![usize::MAX; counts.len()];
        let mut items: Vec<Item> = Vec::new();
        for (class, count) in counts.into_iter().enumerate().filter(|(_, n)| *n > 0) {
            let of = &problem.classes[class];
            let devices = of.devices.as_ref();
            let milli = devices.map_or(0, |d| u64::from(d.count) * u64::from(d.milli));
            item_of[class] = items.len();
            items.push(Item {
                class,
                demand: of.demand.iter().copied().chain([milli]).collect(),
                count,
            });
        }
        // Nodes that are there, equal ones together.
        let mut fixed: i128 = 0;
        let mut equal: BTreeMap<(Room, Home), (Vec<i64>, u64)> = BTreeMap::new();
        for (i, (node, holding)) in problem.nodes.iter().zip(&fleet.holdings).enumerate() {
            let milli: u64 = node.devices.iter().map(|d| u64::from(d.milli)).sum();
            let free = node.free.iter().copied().chain([milli]);
            let mut capacity: Vec<u128> = free.map(u128::from).collect();
            let mut home: BTreeMap<usize, u64> = BTreeMap::new();
            for (class, n) in holding.movable.iter().filter(|(_, n)| *n > 0) {
                let item = item_of[*class];
                *home.entry(item).or_default() += u64::from(*n);
                for (has, d) in capacity.iter_mut().zip(&items[item].demand) {
                    *has += u128::from(*d) * u128::from(*n);
                }
            }
            let accepts = |item: &Item| {
                let class = &problem.classes[item.class];
                !node.closed
                    && class.nodes.contains(i)
                    && node.zone.is_none_or(|zone| class.zones.contains(zone))
            };
            let accepts = (0..items.len()).filter(|c| accepts(&items[*c])).collect();
            let disliked = disliked(problem, &items, |d| d.nodes.contains(i));
            let key = ((accepts, capacity, disliked), home.into_iter().collect());
            let (go, stay) = equal.entry(key).or_default();
            match holding.price {
                Some(price) if holding.removable => go.push(price.0),
                price => {
                    fixed += price.map_or(0, |p| i128::from(p.0));
                    *stay += 1;
                }
            }
        }
        let (rooms, nodes): (Vec<Room>, Vec<_>) = equal
            .into_iter()
            .map(|((room, home), nodes)| (room, (home, nodes)))
            .unzip();
        let (mut stand_groups, group_of) = grouped(&rooms, 1);
        let mut stands = Vec::with_capacity(rooms.len());
        for ((group, (_, capacity, _)), (home, (go, stay))) in
            group_of.into_iter().zip(rooms).zip(nodes)
        {
            for (item, _) in &home {
                if !stand_groups[group].home.contains(item) {
                    stand_groups[group].home.push(*item);
                }
            }
            stands.push(Stand {
                group,
                capacity,
                home,
                go,
                stay,
            });
        }
        // What can be bought, by what it takes, at its lowest price.
        let mut offers: BTreeMap<Room, u64> = BTreeMap::new();
        let there = stands.iter().flat_map(|s: &Stand| &s.go);
        let mut step = there.fold(0, |step, price| gcd(step, price.unsigned_abs()));
        for item in &items {
            for dislike in &problem.classes[item.class].dislikes {
                step = gcd(step, dislike.cost.0.unsigned_abs());
            }
        }
        for (t, of) in problem.types.iter().enumerate() {
            let milli: u64 = of.devices.iter().map(|d| u64::from(d.milli)).sum();
            let capacity = of.capacity.iter().copied().chain([milli]);
            let capacity: Vec<u128> = capacity.map(u128::from).collect();
            for offering in of.offerings.iter().filter(|o| o.available != Some(0)) {
                // What has no price is never bought.
                let Some(price) = offering.price else {
                    continue;
                };
                let price = price.0.unsigned_abs();
                // Rules may ask for dearer ones, too.
                step = gcd(step, price);
                let accepts = |item: &Item| {
                    let class = &problem.classes[item.class];
                    let mut sides = item.demand.iter().zip(&capacity);
                    class.types.contains(t)
                        && offering.zone.is_none_or(|zone| class.zones.contains(zone))
                        && sides.all(|(d, has)| u128::from(*d) <= *has)
                };
                let accepts: Vec<usize> =
                    (0..items.len()).filter(|c| accepts(&items[*c])).collect();
                let disliked = disliked(problem, &items, |d| {
                    d.types.contains(t) && offering.zone.is_none_or(|z| d.zones.contains(z))
                });
                let key = (accepts, capacity.clone(), disliked);
                let least = offers.entry(key).or_insert(price);
                *least = price.min(*least);
            }
        }
        let (rooms, prices): (Vec<Room>, Vec<u64>) = offers.into_iter().unzip();
        let (sale_groups, group_of) = grouped(&rooms, 2);
        let sales = group_of.into_iter().zip(rooms).zip(prices);
        let sales = sales.map(|((group, (accepts, capacity, _)), price)| Sale {
            group,
            capacity,
            price,
            accepts,
        });
        let levels = levels.max(1) as u64;
        Self {
            subsets: SUBSETS / (levels * stands.len().max(1) as u64),
            sales: sales.collect(),
            items,
            stands,
            stand_groups,
            sale_groups,
            fixed,
            step,
        }
    }

    /// Prices new nodes by what items may be cut into.
    fn begin(&self, class_values: &[u64], per_move: MicroUsdPerHour) -> Begun<'_> {
        let items = &self.items;
        let own = items.iter().map(|i| class_values[i.class].min(HIGHEST));
        let values: Vec<u64> = own.collect();
        let mut open: Vec<Vec<(&Sale, u128)>> = vec![Vec::new(); self.sale_groups.len()];
        for sale in &self.sales {
            let capacity = &sale.capacity;
            let own = self.sale_groups[sale.group].own(&values);
            let (prices, _) = fluid::prices(items, &sale.accepts, &own, capacity, false);
            let most = prices
                .iter()
                .filter_map(|p| p.most(items, &own, capacity, &[], 0));
            let most = most.min().unwrap_or(u128::MAX);
            if most > sale.scaled() {
                open[sale.group].push((sale, most));
            }
        }
        let mut wants = Vec::new();
        for (group, open) in self.sale_groups.iter().zip(&open) {
            if open.iter().any(far) {
                let own = group.own(&values);
                let carried = self.carried(group, &own);
                wants.push(self.wants(group, &carried, &own));
            }
        }
        Begun {
            values,
            wants,
            per_move: per_move.0.min((HIGHEST >> Certificate::SCALE_BITS) as i64),
            open,
        }
    }

    /// What values and a price per move prove, with so many steps to fill a table.
    fn level(&self, payable: Payable<'_>, fill: u64) -> Level {
        let Payable {
            values,
            bonus,
            mut total,
            ..
        } = payable;
        for (group, (carried, open)) in self.stand_groups.iter().zip(&payable.open) {
            if open.is_empty() {
                continue;
            }
            let values = group.own(&values);
            let grid = self.grid(group, carried, &values, fill);
            let table = grid.fill(&values);
            for (stand, by_parts) in open {
                let (capacity, home) = (&stand.capacity, &stand.home);
                let steps: u64 = home.iter().map(|(_, n)| n + 1).sum();
                let width = (self.subsets / steps.max(1)).clamp(1, WIDTH);
                let whole = table.most(&self.items, &values, capacity, home, bonus, width as usize);
                total += stand.adds(by_parts.map_or(whole, |parts| parts.min(whole)), bonus);
            }
        }
        let whole = total.div_euclid(1 << Certificate::SCALE_BITS)
            + i128::from(total.rem_euclid(1 << Certificate::SCALE_BITS) > 0);
        let bound = (whole + self.fixed).max(self.fixed);
        Level {
            per_move: MicroUsdPerHour(payable.per_move),
            bound: MicroUsdPerHour(i64::try_from(bound).unwrap_or(i64::MAX)),
            lowered: payable.lowered,
        }
    }

    /// What each resource carries of what nodes of a group hold.
    fn carried(&self, group: &Group, values: &[u64]) -> Vec<f64> {
        fluid::prices(&self.items, &group.accepts, values, &group.capacity, false).1
    }

    /// A grid over the two resources that carry most of what nodes hold.
    fn grid_of(&self, group: &Group, carried: &[f64], cells: u64) -> Grid {
        let asked = |r: &usize| {
            let mut items = group.accepts.iter().map(|c| &self.items[*c]);
            items.any(|i| i.demand[*r] > 0)
        };
        let mut dims: Vec<usize> = (0..carried.len()).filter(asked).collect();
        dims.sort_by(|a, b| carried[*b].total_cmp(&carried[*a]).then(a.cmp(b)));
        dims.truncate(2);
        // The inner loops run along the second.
        dims.sort_unstable();
        let (accepts, home) = (&group.accepts, &group.home);
        Grid::new(&self.items, accepts, home, &group.capacity, &dims, cells)
    }

    /// Steps to fill the finest table.
    fn wants(&self, group: &Group, carried: &[f64], values: &[u64]) -> u64 {
        let finest = self.grid_of(group, carried, CELLS);
        finest.size() * finest.needed(values).len() as u64
    }

    /// The finest grid with a table that takes about so many steps to fill.
    fn grid(&self, group: &Group, carried: &[f64], values: &[u64], fill: u64) -> Grid {
        let finest = self.grid_of(group, carried, CELLS);
        let needed = finest.needed(values).len() as u64;
        if finest.size() * needed <= fill {
            return finest;
        }
        // On a coarser grid fewer are needed.
        let sketch = self.grid_of(group, carried, SKETCH);
        let needed = sketch.needed(values).len() as u64;
        self.grid_of(group, carried, (fill / needed.max(1)).clamp(SKETCH, CELLS))
    }

    /// Lowers values until nothing that can be bought holds more than it costs, and
    /// prices the nodes that are there by what items may be cut into.
    fn payable(&self, begun: Begun<'_>, fill: u64) -> Payable<'_> {
        let (values, lowered) = self.lowered(begun.values, begun.open, fill);
        let bonus = begun.per_move.unsigned_abs() << Certificate::SCALE_BITS;
        let worth = self.items.iter().zip(&values);
        let worth = worth.map(|(i, v)| i128::from(i.count) * i128::from(*v));
        let mut total: i128 = worth.sum();
        let (mut open, mut wants) = (Vec::with_capacity(self.stand_groups.len()), Vec::new());
        for (n, group) in self.stand_groups.iter().enumerate() {
            let (items, most) = (&self.items, &group.capacity);
            let values = group.own(&values);
            let (prices, carried) = fluid::prices(items, &group.accepts, &values, most, true);
            let comes = group.accepts.iter().any(|c| values[*c] > 0);
            let mut of = Vec::new();
            for stand in self.stands.iter().filter(|s| s.group == n) {
                let (capacity, home) = (&stand.capacity, &stand.home);
                let by_parts = prices
                    .iter()
                    .filter_map(|p| p.most(items, &values, capacity, home, bonus));
                let by_parts = by_parts.min();
                match by_parts {
                    // It goes whatever less it holds, or nothing comes to it.
                    Some(most) if !comes || stand.goes_at(most) => {
                        total += stand.adds(most, bonus);
                    }
                    _ => of.push((stand, by_parts)),
                }
            }
            if !of.is_empty() {
                wants.push(self.wants(group, &carried, &values));
            }
            open.push((carried, of));
        }
        Payable {
            values,
            wants,
            lowered,
            per_move: begun.per_move,
            bonus,
            total,
            open,
        }
    }

    /// Values at which nothing that can be bought holds more than it costs, none
    /// above those given, and how many offerings lowered them.
    fn lowered(
        &self,
        claimed: Vec<u64>,
        mut open: Vec<Vec<(&Sale, u128)>>,
        fill: u64,
    ) -> (Vec<u64>, usize) {
        let (mut values, mut lowered) = (claimed.clone(), 0);
        for (group, open) in self.sale_groups.iter().zip(&mut open) {
            // A coarse table is often enough.
            for fill in [fill / 16, fill] {
                // What is rounding only is not worth a table.
                if !open.iter().any(far) {
                    break;
                }
                let items = &self.items;
                let claimed = group.own(&claimed);
                let carried = self.carried(group, &claimed);
                let grid = self.grid(group, &carried, &claimed, fill);
                let table = grid.fill(&claimed);
                for (sale, most) in open.iter_mut() {
                    let whole = table.most(items, &claimed, &sale.capacity, &[], 0, 1);
                    *most = whole.min(*most);
                }
            }
            lowered += open.iter().filter(|o| far(o)).count();
            let claimed = group.own(&claimed);
            for (sale, most) in open.iter().filter(|(sale, most)| *most > sale.scaled()) {
                for c in &sale.accepts {
                    let part = u128::from(claimed[*c]).checked_mul(sale.scaled());
                    let value = part.map_or(0, |part| part / most);
                    let value = value + u128::from(group.disliked(*c));
                    values[*c] = values[*c].min(u64::try_from(value).unwrap_or(u64::MAX));
                }
            }
        }
        (values, lowered)
    }
}

impl Stand {
    /// Whether all of these nodes go where they hold so much.
    fn goes_at(&self, holds: u128) -> bool {
        let mut prices = self.go.iter().map(|price| price.unsigned_abs());
        self.stay == 0 && prices.all(|p| holds <= u128::from(p) << Certificate::SCALE_BITS)
    }

    /// What these nodes add to the bound when they hold so much.
    fn adds(&self, holds: u128, bonus: u64) -> i128 {
        // All sums are below 2^127, as values, prices and counts are bounded.
        let holds = i128::try_from(holds).unwrap_or(i128::MAX >> 40);
        let moves: i128 = self.home.iter().map(|(_, n)| i128::from(*n)).sum();
        let moves = moves * i128::from(bonus);
        let go = self.go.iter().map(|price| {
            let price = i128::from(*price) << Certificate::SCALE_BITS;
            moves.min(price + moves - holds)
        });
        go.sum::<i128>() + (moves - holds) * i128::from(self.stay)
    }
}

impl Sale {
    fn scaled(&self) -> u128 {
        u128::from(self.price) << Certificate::SCALE_BITS
    }
}

/// What rooms of a group have in common: what they accept, about how large they are,
/// and what items dislike of them.
type Alike<'r> = (&'r [usize], Vec<u32>, &'r [u64]);

/// Groups of rooms, and the one of each room: those that accept the same and are
/// of about the same size, to so many binary digits; where that makes too many,
/// larger steps of size, or what any of them accepts.
fn grouped(rooms: &[Room], finest: u32) -> (Vec<Group>, Vec<usize>) {
    let coarser = [(true, 3), (true, 0), (false, 2), (false, 0)];
    for (same, step) in [(true, finest)].into_iter().chain(coarser) {
        // What is disliked is never taken together.
        let mut index: BTreeMap<Alike<'_>, Vec<usize>> = BTreeMap::new();
        for (i, (accepts, capacity, disliked)) in rooms.iter().enumerate() {
            let size = |has: &u128| (u128::BITS - has.leading_zeros()).checked_div(step);
            // What accepts nothing needs no table.
            let accepts: &[usize] = if same || accepts.is_empty() {
                accepts
            } else {
                &[usize::MAX]
            };
            let sizes = if accepts.is_empty() {
                Vec::new()
            } else {
                capacity.iter().map(|has| size(has).unwrap_or(0)).collect()
            };
            index.entry((accepts, sizes, disliked)).or_default().push(i);
        }
        if index.len() > GROUPS && (same || step > 0) {
            continue;
        }
        let mut of = vec![0; rooms.len()];
        let mut groups = Vec::with_capacity(index.len());
        for (n, ((.., disliked), members)) in index.into_iter().enumerate() {
            let mut accepts: Vec<usize> = Vec::new();
            let mut capacity: Vec<u128> = Vec::new();
            for i in members {
                of[i] = n;
                let (own, has, _) = &rooms[i];
                accepts.extend(own);
                capacity.resize(has.len(), 0);
                for (most, has) in capacity.iter_mut().zip(has) {
                    *most = (*most).max(*has);
                }
            }
            accepts.sort_unstable();
            accepts.dedup();
            groups.push(Group {
                accepts,
                home: Vec::new(),
                capacity,
                disliked: disliked.to_vec(),
            });
        }
        return (groups, of);
    }
    (Vec::new(), vec![0; rooms.len()])
}
