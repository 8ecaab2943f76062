//! Sums over short rows, for the loops that run most.
//!
//! Rows are as long as there are amounts, often three. Chains of iterators over
//! them are not put in place in every build, and then cost more than the sums.

/// Products of both rows, added up; the longer one's rest is left out.
#[inline]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let b = &b[..n];
    let mut sum = 0.0;
    for (i, a) in a[..n].iter().enumerate() {
        sum += a * b[i];
    }
    sum
}

/// Takes `times` the products of `row` off `from`.
#[inline]
pub(super) fn take_times(from: &mut [f64], times: f64, row: &[f64]) {
    let n = from.len().min(row.len());
    let row = &row[..n];
    for (i, from) in from[..n].iter_mut().enumerate() {
        *from -= times * row[i];
    }
}

/// Whether no amount asked for is more than what is free of it.
#[inline]
pub(super) fn fits(demand: &[u64], free: &[u64]) -> bool {
    let n = demand.len().min(free.len());
    let free = &free[..n];
    for (i, demand) in demand[..n].iter().enumerate() {
        if *demand > free[i] {
            return false;
        }
    }
    true
}

/// Takes `count` times `demand` off `free`; it must fit.
#[inline]
pub(super) fn take(free: &mut [u64], demand: &[u64], count: u64) {
    let n = demand.len().min(free.len());
    let demand = &demand[..n];
    for (i, free) in free[..n].iter_mut().enumerate() {
        *free -= demand[i] * count;
    }
}

/// Gives `count` times `demand` back to `free`.
#[inline]
pub(super) fn give(free: &mut [u64], demand: &[u64], count: u64) {
    let n = demand.len().min(free.len());
    let demand = &demand[..n];
    for (i, free) in free[..n].iter_mut().enumerate() {
        *free += demand[i] * count;
    }
}

/// How many times `demand` fits `free`, at most `most`.
#[inline]
pub(super) fn room(demand: &[u64], free: &[u64], most: u64) -> u64 {
    let n = demand.len().min(free.len());
    let free = &free[..n];
    let mut room = most;
    for (i, demand) in demand[..n].iter().enumerate() {
        if *demand > free[i] {
            return 0;
        }
        if *demand > 0 && demand.saturating_mul(room) > free[i] {
            room = free[i] / demand;
        }
    }
    room
}
