//! The most that a node holds when items may be cut: prices of its resources at
//! which no item is worth more than it takes.

use super::super::relax::duals;
use super::Item;

/// Prices per unit of a resource have so many binary digits behind those of
/// values.
const FRACTION: u32 = 40;

/// How much more or less of one resource than a node has, for prices of other
/// corners.
const LEANS: [f64; 4] = [8.0, 2.0, 0.25, 0.04];

/// Prices of resources that pay for every item, but for some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prices {
    per_unit: Vec<u128>,
    /// Items that they do not pay for, and what each lacks.
    loose: Vec<(usize, u128)>,
}

/// Prices for nodes of about a capacity, those for exactly this one first, and
/// what each resource of it is worth then.
pub(super) fn prices(
    items: &[Item],
    accepts: &[usize],
    values: &[u64],
    capacity: &[u128],
    leaning: bool,
) -> (Vec<Prices>, Vec<f64>) {
    let inside = |c: &&usize| {
        let mut sides = items[**c].demand.iter().zip(capacity);
        values[**c] > 0 && sides.all(|(d, has)| u128::from(*d) <= *has)
    };
    let fitting: Vec<usize> = accepts.iter().filter(inside).copied().collect();
    let asked = |r: &usize| fitting.iter().any(|c| items[*c].demand[*r] > 0);
    let rows: Vec<usize> = (0..capacity.len()).filter(asked).collect();
    let worth: Vec<f64> = fitting.iter().map(|c| values[*c] as f64).collect();
    let mut leans = vec![vec![1.0; rows.len()]];
    if leaning && rows.len() > 1 {
        for row in 0..rows.len() {
            for by in LEANS {
                let mut lean = vec![1.0; rows.len()];
                lean[row] = by;
                leans.push(lean);
            }
        }
    }
    let mut carried = vec![0.0; capacity.len()];
    let mut out: Vec<Prices> = Vec::new();
    for (number, lean) in leans.iter().enumerate() {
        let size = |row: usize| capacity[rows[row]] as f64 * lean[row];
        let part = |row: usize, c: usize| items[c].demand[rows[row]] as f64 / size(row);
        let parts: Vec<Vec<f64>> = (0..rows.len())
            .map(|row| fitting.iter().map(|c| part(row, *c)).collect())
            .collect();
        let mut per_unit = vec![0u128; capacity.len()];
        for (row, dual) in duals(&parts, &worth).into_iter().enumerate() {
            if number == 0 {
                carried[rows[row]] = dual;
            }
            let unit = dual / size(row) * (1u64 << FRACTION) as f64;
            per_unit[rows[row]] = unit.ceil().max(0.0) as u128;
        }
        let prices = Prices::paying(items, &fitting, values, per_unit);
        if !out.contains(&prices) {
            out.push(prices);
        }
    }
    (out, carried)
}

/// What amounts are worth; `None` when that is too much to multiply out.
fn worth(per_unit: &[u128], mut amounts: impl Iterator<Item = u128>) -> Option<u128> {
    per_unit.iter().try_fold(0u128, |sum, price| {
        sum.checked_add(price.checked_mul(amounts.next()?)?)
    })
}

impl Prices {
    /// Raised until they pay for all that they can pay for.
    fn paying(items: &[Item], fitting: &[usize], values: &[u64], mut per_unit: Vec<u128>) -> Self {
        let lacks = |per_unit: &[u128], c: usize| {
            let paid = worth(per_unit, items[c].demand.iter().map(|d| u128::from(*d)));
            let value = u128::from(values[c]) << FRACTION;
            value.saturating_sub(paid.unwrap_or(u128::MAX))
        };
        for _ in 0..3 {
            let most = fitting
                .iter()
                .map(|c| lacks(&per_unit, *c) as f64 / values[*c] as f64)
                .fold(0.0, f64::max)
                / (1u64 << FRACTION) as f64;
            // Rounding only; what is not paid for at all stays loose.
            if most <= 0.0 || most > 1e-6 {
                break;
            }
            for price in per_unit.iter_mut().filter(|p| **p > 0) {
                *price += (*price as f64 * most * 2.0).ceil() as u128 + 1;
            }
        }
        let loose = fitting.iter().map(|c| (*c, lacks(&per_unit, *c)));
        Self {
            loose: loose.filter(|(_, lacks)| *lacks > 0).collect(),
            per_unit,
        }
    }

    /// No content of a node is worth more, its own items `bonus` above their
    /// value; `None` when that is too much to multiply out.
    pub(super) fn most(
        &self,
        items: &[Item],
        values: &[u64],
        capacity: &[u128],
        home: &[(usize, u64)],
        bonus: u64,
    ) -> Option<u128> {
        let mut sum = worth(&self.per_unit, capacity.iter().copied())?;
        for (c, lacks) in &self.loose {
            sum = sum.checked_add(lacks.checked_mul(items[*c].most_in(capacity))?)?;
        }
        for (c, count) in home {
            let value = (u128::from(values[*c]) + u128::from(bonus)) << FRACTION;
            let paid = worth(
                &self.per_unit,
                items[*c].demand.iter().map(|d| u128::from(*d)),
            )?;
            let above = value.saturating_sub(paid);
            sum = sum.checked_add(above.checked_mul(u128::from(*count))?)?;
        }
        Some(sum.div_ceil(1 << FRACTION))
    }
}
