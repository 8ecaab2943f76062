//! The bound with minima: what nodes have to take of a purchase limit is worth
//! something.
//!
//! Every unit of a minimum gets a price that nodes are paid for it, those that are
//! there and new ones; what all units of the minimum are worth comes on top
//! (Lagrangian relaxation, Geoffrion 1974). That bounds the cost whatever the prices
//! are, as long as none is negative; good ones are looked for.

use super::super::limited;
use super::super::model::Type;
use super::super::room::Pricer;
use super::Fleet;
use super::relax::{Level, Relaxation};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Programmes that are solved to find good prices where moves cost nothing.
const TRIES: usize = 24;

/// Steps of prices, each half of the one before.
const HALVINGS: u32 = 4;

/// A minimum that nodes which may go have a part in.
struct Row {
    /// What they and new ones have to take, beside those that stay anyway.
    needs: u64,
    /// What each node that may go takes, where that is something.
    takes: Vec<(usize, u64)>,
    /// What new nodes take, by type and offering of the problem.
    new: Vec<Vec<u64>>,
    /// No unit is worth more than a new node that takes some costs.
    most: i64,
}

/// A relaxation whose nodes are paid for minima.
pub(super) struct Floored<'a> {
    plain: Relaxation<'a>,
    rows: Vec<Row>,
    /// Prices of nodes without that.
    nodes: Vec<Option<(i64, i64)>>,
    /// Good prices of units, by row, once they have been looked for.
    found: Option<Vec<i64>>,
}

impl<'a> Floored<'a> {
    /// `fleet` is the relaxation's.
    pub(super) fn new(plain: Relaxation<'a>, fleet: &Fleet, removable: &[bool]) -> Self {
        let limits = fleet.problem.purchase_limits.iter().enumerate();
        let rows = limits.filter(|(_, limit)| limit.min > 0);
        let rows = rows.filter_map(|(limit, of)| {
            let (mut all, mut stay) = (0u64, 0u64);
            let mut takes = Vec::new();
            for (node, holding) in fleet.holdings.iter().enumerate() {
                let own = holding.takes.iter().filter(|(l, _)| *l == limit);
                let own = own.fold(0u64, |sum, (_, amount)| amount.saturating_add(sum));
                all = all.saturating_add(own);
                if !removable[node] {
                    stay = stay.saturating_add(own);
                } else if own > 0 {
                    takes.push((node, own));
                }
            }
            // Below a minimum as it is, all may stay.
            let needs = of.min.min(all).saturating_sub(stay);
            let new = limited::table(&fleet.problem, of);
            let offers = fleet.problem.types.iter().zip(&new);
            let offers = offers.flat_map(|(t, takes)| t.offerings.iter().zip(takes));
            let units = offers.filter_map(|(offer, takes)| {
                let price = offer.price.filter(|_| *takes > 0)?;
                let takes = i64::try_from(*takes).unwrap_or(i64::MAX);
                (price.0 - 1).checked_div(takes)
            });
            let most = units.min().unwrap_or(i64::MAX);
            // A row whose amounts are beyond counting money by them is left out.
            let small = takes.iter().all(|(_, n)| *n <= 1 << 16) && needs <= 1 << 32;
            (needs > 0 && most > 0 && small).then_some(Row {
                needs,
                takes,
                new,
                most,
            })
        });
        Self {
            rows: rows.collect(),
            nodes: plain.nodes.clone(),
            plain,
            found: None,
        }
    }

    /// The programme without minima: what it proves holds with them, too.
    pub(super) fn plain(&mut self) -> &mut Relaxation<'a> {
        &mut self.plain
    }

    /// [`Relaxation::nodes_by_look`].
    pub(super) fn nodes_by_look(&self) -> Vec<Vec<usize>> {
        self.plain.nodes_by_look()
    }

    /// [`Relaxation::solve`], with the best prices found for minima.
    pub(super) fn solve(&mut self, per_move: i64, pivot_limit: u64) -> Level {
        let level = self.plain.solve(per_move, pivot_limit);
        if self.rows.is_empty() {
            return level;
        }
        let mut hunt = Hunt {
            best: (vec![0; self.rows.len()], level),
            seen: BTreeSet::from([vec![0; self.rows.len()]]),
            pivot_limit,
            left: TRIES,
        };
        let dear = self.dearness(&hunt.best);
        self.attempt(&mut hunt, dear);
        if let Some(found) = self.found.clone() {
            self.attempt(&mut hunt, found);
            return hunt.best.1;
        }
        let whole: Vec<i64> = self.rows.iter().map(|row| self.whole(row)).collect();
        self.attempt(&mut hunt, whole.clone());
        // Those first that may be worth most.
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|row| {
            let all = i128::from(whole[*row]) * i128::from(self.rows[*row].needs);
            (Reverse(all), *row)
        });
        for row in &order {
            for price in [whole[*row], 0] {
                let mut prices = hunt.best.0.clone();
                prices[*row] = price;
                self.attempt(&mut hunt, prices);
            }
        }
        for halvings in 1..=HALVINGS {
            let dear = self.dearness(&hunt.best);
            self.attempt(&mut hunt, dear);
            for row in &order {
                let step = whole[*row] >> halvings;
                for price in [step, -step] {
                    let mut prices = hunt.best.0.clone();
                    prices[*row] = (prices[*row] + price).clamp(0, self.rows[*row].most);
                    self.attempt(&mut hunt, prices);
                }
            }
        }
        self.found = Some(hunt.best.0);
        hunt.best.1
    }

    /// Solves at other prices of units, and keeps what proves more.
    fn attempt(&mut self, hunt: &mut Hunt, prices: Vec<i64>) {
        let over = hunt.left == 0 || self.plain.model.stop.is_due();
        if over || !hunt.seen.insert(prices.clone()) {
            return;
        }
        hunt.left -= 1;
        let level = self.at(&prices, hunt.best.1.per_move, hunt.pivot_limit);
        if let Some(level) = level.filter(|level| level.lower > hunt.best.1.lower) {
            hunt.best = (prices, level);
        }
    }

    /// The programme at prices of units; `None` where these prove nothing.
    fn at(&mut self, prices: &[i64], per_move: i64, pivot_limit: u64) -> Option<Level> {
        let mut below = false;
        let mut nodes = self.nodes.clone();
        for (row, price) in self.rows.iter().zip(prices) {
            for (node, takes) in &row.takes {
                if let Some((cost, _)) = nodes.get_mut(*node).and_then(Option::as_mut) {
                    *cost = cost.checked_sub(price.checked_mul(i64::try_from(*takes).ok()?)?)?;
                    below |= *cost < 0;
                }
            }
        }
        let model = self.plain.model;
        let new = self.costs(&model.types, prices)?;
        let dominated = self.costs(&model.dominated, prices)?;
        let before = (
            std::mem::replace(&mut self.plain.nodes, nodes),
            costs_in(&mut self.plain.types, new),
            costs_in(&mut self.plain.dominated, dominated),
        );
        let level = self.plain.solve(per_move, pivot_limit);
        self.plain.nodes = before.0;
        costs_in(&mut self.plain.types, before.1);
        costs_in(&mut self.plain.dominated, before.2);
        // Nodes that stay whatever happens are the least that a level proves, which
        // is too much where others cost less than nothing.
        if below && level.lower <= self.plain.fixed {
            return None;
        }
        let worth = self.rows.iter().zip(prices).map(|(row, price)| {
            let needs = i64::try_from(row.needs).ok()?;
            price.checked_mul(needs)
        });
        let worth = worth.sum::<Option<i64>>()?;
        Some(Level {
            lower: level.lower.checked_add(worth)?,
            ..level
        })
    }

    /// What new nodes cost at prices of units, by type; `None` when one would cost
    /// nothing for that.
    fn costs(&self, types: &[Type], prices: &[i64]) -> Option<Vec<i64>> {
        let cost = |t: &Type| {
            let offers = t.offers.iter().map(|offer| {
                let mut cost = offer.raised;
                for (row, price) in self.rows.iter().zip(prices) {
                    let takes = i64::try_from(row.new[t.source][offer.offering]).ok()?;
                    cost = cost.checked_sub(price.checked_mul(takes)?)?;
                }
                (cost == offer.raised || cost > 0).then_some(cost)
            });
            let offers = offers.collect::<Option<Vec<i64>>>()?;
            Some(offers.into_iter().min().unwrap_or(0))
        };
        types.iter().map(cost).collect()
    }

    /// Prices of units at which as many are kept as there have to be: what the last
    /// of them costs above what it can hold.
    fn dearness(&self, (prices, level): &(Vec<i64>, Level)) -> Vec<i64> {
        let rows = self.rows.iter().zip(prices);
        let dear = rows.map(|(row, price)| {
            let last = row.last(|node| level.dear[node].ceil() as i64);
            price.saturating_add(last).clamp(0, row.most)
        });
        dear.collect()
    }

    /// What a unit costs of the last node that has to be kept, if nothing is on it.
    fn whole(&self, row: &Row) -> i64 {
        let last = row.last(|node| self.nodes[node].map_or(0, |(price, _)| price));
        last.clamp(0, row.most)
    }
}

impl Row {
    /// What a unit costs of the last node that has to be kept, of those that are
    /// cheapest by `cost`.
    fn last(&self, cost: impl Fn(usize) -> i64) -> i64 {
        let units = self.takes.iter().map(|(node, takes)| {
            let each = i64::try_from(*takes).unwrap_or(i64::MAX).max(1);
            (cost(*node).div_euclid(each), *node, *takes)
        });
        let mut units: Vec<(i64, usize, u64)> = units.collect();
        units.sort_unstable();
        let mut needs = self.needs;
        for (each, _, takes) in &units {
            needs = needs.saturating_sub(*takes);
            if needs == 0 {
                return *each;
            }
        }
        units.last().map_or(0, |(each, ..)| *each)
    }
}

/// A search for prices of units.
struct Hunt {
    best: (Vec<i64>, Level),
    seen: BTreeSet<Vec<i64>>,
    pivot_limit: u64,
    /// Programmes that may still be solved.
    left: usize,
}

/// Sets what rooms cost, and says what they did.
fn costs_in(rooms: &mut [Pricer], costs: Vec<i64>) -> Vec<i64> {
    let both = rooms.iter_mut().zip(costs);
    both.map(|(pricer, cost)| std::mem::replace(&mut pricer.room.price, cost))
        .collect()
}
