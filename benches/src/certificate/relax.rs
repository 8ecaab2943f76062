//! The linear relaxation of "what is the most that a node can hold": its duals
//! say which part of the price each resource carries.

use super::{Item, Room};
use cloudoptim_core::engines::bin_packing::solver::{Share, ShareOf};

/// Roundings to try, of amounts and of devices.
const ROUNDINGS: u32 = 3;
const DEVICE_ROUNDINGS: u32 = 9;

/// Pivots before the duals are taken as they are.
const PIVOTS: usize = 2_000;

/// Shares of the optimal duals, rounded up. Their sum is what a node holds at
/// most; whether it really bounds each item is for the caller to check.
pub(super) fn shares(room: &Room) -> Vec<Share> {
    let rows = rows(room);
    let parts: Vec<Vec<f64>> = rows
        .iter()
        .map(|(of, rounding)| {
            let part = |item: &Item| {
                let (num, den) = room.part(item, *of, *rounding);
                num as f64 / den as f64
            };
            room.items.iter().map(part).collect()
        })
        .collect();
    let values: Vec<f64> = room.items.iter().map(|i| i.value as f64).collect();
    let duals = duals(&parts, &values);
    rows.into_iter()
        .zip(duals)
        .filter(|(_, dual)| *dual > 0.0)
        .map(|((of, rounding), dual)| Share {
            of,
            rounding,
            amount: (dual.ceil() as u64).saturating_add(1),
        })
        .collect()
}

/// Resources and roundings in which some item takes more than by its amount.
fn rows(room: &Room) -> Vec<(ShareOf, u32)> {
    let dims = (0..room.of.capacity.len()).map(|r| (ShareOf::Dim(r), ROUNDINGS));
    let limits = room.limits.keys().map(|l| (ShareOf::Limit(*l), 0));
    let all = dims
        .chain([(ShareOf::Devices, DEVICE_ROUNDINGS)])
        .chain(limits);
    let mut rows = Vec::new();
    for (of, roundings) in all {
        for k in 0..=roundings {
            let helps = room.items.iter().any(|item| {
                let (num, den) = room.part(item, of, k);
                let (plain, whole) = room.part(item, of, 0);
                if k == 0 {
                    num > 0
                } else {
                    num * whole > plain * den
                }
            });
            if helps {
                rows.push((of, k));
            }
        }
    }
    rows
}

/// Duals of `max values · x, parts x ≤ 1, x ≥ 0`, by the simplex method on a
/// dense table (Dantzig 1947), with the least index among equals late on.
pub(super) fn duals(parts: &[Vec<f64>], values: &[f64]) -> Vec<f64> {
    let (rows, columns) = (parts.len(), values.len());
    let scale = values.iter().copied().fold(0.0, f64::max);
    if scale <= 0.0 {
        return vec![0.0; rows];
    }
    let width = columns + rows + 1;
    let mut table: Vec<Vec<f64>> = parts
        .iter()
        .enumerate()
        .map(|(r, row)| {
            let mut line = row.clone();
            line.resize(width, 0.0);
            line[columns + r] = 1.0;
            line[width - 1] = 1.0;
            line
        })
        .collect();
    let mut worth: Vec<f64> = values.iter().map(|v| v / scale).collect();
    worth.resize(width, 0.0);
    for pivot in 0..PIVOTS {
        let better = (0..width - 1).filter(|c| worth[*c] > 1e-11);
        let enters = if pivot < PIVOTS / 2 {
            better.max_by(|a, b| worth[*a].total_cmp(&worth[*b]))
        } else {
            better.min()
        };
        let Some(enters) = enters else { break };
        let ratio = |r: &usize| table[*r][width - 1] / table[*r][enters];
        let leaves = (0..rows)
            .filter(|r| table[*r][enters] > 1e-11)
            .min_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let Some(leaves) = leaves else { break };
        let by = table[leaves][enters];
        table[leaves].iter_mut().for_each(|x| *x /= by);
        let line = table[leaves].clone();
        let reduce = |row: &mut Vec<f64>| {
            let factor = row[enters];
            if factor != 0.0 {
                for (x, y) in row.iter_mut().zip(&line) {
                    *x -= factor * y;
                }
            }
        };
        for (r, row) in table.iter_mut().enumerate() {
            if r != leaves {
                reduce(row);
            }
        }
        reduce(&mut worth);
    }
    (0..rows)
        .map(|r| (-worth[columns + r] * scale).max(0.0))
        .collect()
}
