//! Items that take several devices each, decided first.
//!
//! The fractional filling of a type takes half an item with eight devices where a
//! whole one leaves too little for the rest, so with such items it is worth far
//! more than any whole filling. Few sets of them can be in a filling that is worth
//! a node, though. With such a set in its place, what is left is a smaller node
//! without them, whose own fractional filling is close to its whole ones
//! (branching on the items that matter most; Land and Doig 1960).

use super::bundles::{Bundler, Relaxed};
use super::joined::Bundled;
use super::labels::Priced;
use super::pricing::Search;
use super::room::rounded;
use super::solution::ShareOf;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Sets that are looked at, and that may be left, before it is given up.
const LOOKED_AT: usize = 4_000;
const SETS: usize = 48;

/// Smaller nodes that are remembered.
const KNOWN: usize = 512;

/// Floating point may be wrong by less than this, relative.
const SLACK: f64 = 1e-9;

/// A set of items that take several devices: index in [`Search::shapes`] and how
/// many, sorted.
type Set = Vec<(usize, u32)>;

/// What a set leaves of a node.
#[derive(Debug, Clone)]
struct Rest {
    search: Search,
    bundler: Bundler,
    /// Whether an item may be beside the set.
    beside: Vec<bool>,
}

impl Rest {
    fn values(&self, values: &[f64]) -> Vec<f64> {
        let beside = self.beside.iter().zip(values);
        beside
            .map(|(beside, v)| if *beside { *v } else { 0.0 })
            .collect()
    }
}

/// Smaller nodes, by what is on them already.
#[derive(Debug, Clone, Default)]
pub(super) struct Rests(BTreeMap<Set, Rest>);

/// A set that may be in a filling that is worth enough.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    set: Set,
    /// What the set is worth, and the fractional filling of what it leaves.
    value: f64,
    relaxed: Relaxed,
}

impl Branch {
    /// No filling with exactly this set is worth more.
    pub(super) fn upper(&self) -> f64 {
        self.value + self.relaxed.value
    }
}

/// How sets are listed.
struct Walk<'a> {
    search: &'a Search,
    /// Index, devices, worth, and what it loses against the fractional filling.
    items: Vec<(usize, u32, f64, f64)>,
    left: usize,
    chosen: Set,
    found: Vec<(Set, f64)>,
}

impl Walk<'_> {
    /// All sets with more items from `at` on; whether they were not too many.
    fn on(&mut self, at: usize, devices: u32, value: f64, slack: f64) -> bool {
        for next in at..self.items.len() {
            let (i, takes, worth, loss) = self.items[next];
            if takes > devices || loss > slack {
                continue;
            }
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            let before = self.chosen.clone();
            match self.chosen.last_mut() {
                Some((last, n)) if *last == i => *n += 1,
                _ => self.chosen.push((i, 1)),
            }
            if self.search.fits(&self.chosen) {
                self.found.push((self.chosen.clone(), value + worth));
                if self.found.len() > SETS
                    || !self.on(next, devices - takes, value + worth, slack - loss)
                {
                    return false;
                }
            }
            self.chosen = before;
        }
        true
    }
}

impl Bundler {
    /// Sets of items with several devices that may be in fillings worth more than
    /// `least`; `None` where they are too many, or not alone in what they take.
    pub(super) fn branches(
        &mut self,
        search: &Search,
        relaxed: &Relaxed,
        values: &[f64],
        least: f64,
    ) -> Option<Vec<Branch>> {
        let slack = (relaxed.value - least).max(0.0) + SLACK * relaxed.value;
        let device = relaxed.device(self.devices);
        let several = self.single.iter().filter(|bundle| bundle.devices > 1);
        let items = several.filter_map(|bundle| {
            let (i, _) = bundle.items.first().filter(|(i, _)| values[*i] > 0.0)?;
            let gain = self.beyond(search, values, relaxed.duals(), *i);
            let loss = (device * f64::from(bundle.devices) - gain).max(0.0);
            Some((*i, bundle.devices, values[*i], loss))
        });
        let items: Vec<(usize, u32, f64, f64)> = items.collect();
        if items.iter().any(|(i, ..)| !search.limits[*i].is_empty()) {
            return None;
        }
        let mut walk = Walk {
            search,
            items,
            left: LOOKED_AT,
            chosen: Vec::new(),
            found: Vec::new(),
        };
        if !walk.on(0, self.devices, 0.0, slack) {
            return None;
        }
        let found = walk.found;
        let mut rests = std::mem::take(&mut self.rests);
        if rests.0.len() > KNOWN {
            rests = Rests::default();
        }
        let mut out = Vec::new();
        for (set, value) in found {
            let rest = match rests.0.entry(set.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.rest(search, &set)?),
            };
            let own = rest.values(values);
            let relaxed = rest.bundler.relax(&rest.search, &own);
            let branch = Branch {
                set,
                value,
                relaxed,
            };
            if branch.upper() > least {
                out.push(branch);
            }
        }
        self.rests = rests;
        Some(out)
    }

    /// The node that a set leaves.
    fn rest(&self, search: &Search, set: &[(usize, u32)]) -> Option<Rest> {
        let mut capacity = search.capacity.clone();
        let mut devices = self.devices;
        for (i, n) in set {
            let takes = &search.demand[i * search.dims..(i + 1) * search.dims];
            for (free, takes) in capacity.iter_mut().zip(takes) {
                *free = free.checked_sub(takes.checked_mul(u64::from(*n))?)?;
            }
            let request = search.requests[*i].as_ref()?;
            devices = devices.checked_sub(request.count.checked_mul(*n)?)?;
        }
        let kinds: Vec<(usize, (ShareOf, u32))> = self
            .kinds()
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, (of, _))| *of != ShareOf::Devices)
            .collect();
        let mut beside = Vec::with_capacity(search.shapes.len());
        let mut parts = Vec::with_capacity(search.shapes.len());
        let mut requests = search.requests.clone();
        for (i, parts_before) in search.parts.iter().enumerate() {
            let takes = &search.demand[i * search.dims..(i + 1) * search.dims];
            let request = search.requests[i].as_ref().map_or(0, |r| r.count);
            let fits = takes
                .iter()
                .zip(&capacity)
                .all(|(takes, free)| takes <= free);
            let fits = fits && request <= devices.min(1);
            beside.push(fits);
            if !fits {
                requests[i] = None;
            }
            parts.push(
                kinds
                    .iter()
                    .map(|(row, (of, rounding))| match of {
                        ShareOf::Dim(dim) => {
                            let (num, den) = rounded(takes[*dim], capacity[*dim], *rounding);
                            num as f64 / den as f64
                        }
                        _ => parts_before[*row],
                    })
                    .collect(),
            );
        }
        let search = Search {
            capacity,
            devices: search.devices[..devices as usize].to_vec(),
            parts,
            requests,
            ..search.clone()
        };
        let kinds: Vec<(ShareOf, u32)> = kinds.into_iter().map(|(_, kind)| kind).collect();
        let bundler = Self::new(&search, &kinds)?;
        Some(Rest {
            search,
            bundler,
            beside,
        })
    }

    /// Like [`Bundler::joined`], with the set of a branch on the node.
    pub(super) fn joined_beside(
        &self,
        search: &Search,
        branch: &Branch,
        values: &[f64],
        part: f64,
        target: f64,
        budget: u64,
    ) -> Option<Priced> {
        let rest = self.rests.0.get(&branch.set)?;
        let own = rest.values(values);
        let bundled = Bundled::plain(branch.relaxed.clone());
        let left = target - branch.value;
        let mut priced = rest
            .bundler
            .joined(&rest.search, &bundled, &own, part, left, budget)?;
        priced.upper = (priced.upper + branch.value).max(target);
        let set: Vec<(usize, u32)> = branch
            .set
            .iter()
            .map(|(i, n)| (search.shapes[*i], *n))
            .collect();
        let with = |counts: &mut Vec<(usize, u32)>| {
            counts.extend(&set);
            counts.sort_unstable();
        };
        if branch.value > target && priced.value <= left {
            // The set is worth enough by itself.
            priced.value = 0.0;
            priced.counts = Vec::new();
        }
        if priced.counts.is_empty() && branch.value <= target {
            return Some(priced);
        }
        priced.value += branch.value;
        with(&mut priced.counts);
        priced.others.iter_mut().for_each(with);
        Some(priced)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundles::tests::{brute, problem, search};
    use super::*;

    #[test]
    fn sets_decided_first_find_what_trying_everything_finds() {
        let (mut decided, mut closer) = (0, 0);
        for seed in 1..=300u32 {
            let devices = 2 + seed as usize % 4;
            let (mut problem, by_class) = problem(seed.into(), devices);
            // Two more with several devices, as far as there are so many.
            for (class, count) in problem.classes.iter_mut().zip([0, 2, 3, 2]) {
                if let Some(request) = class.devices.as_mut().filter(|_| count > 0) {
                    (request.count, request.milli) = (count, 1000);
                }
            }
            let (search, pricer, values) = search(&problem, &by_class);
            let mut bundler = Bundler::new(&search, &pricer.rows).unwrap();
            let mut free = vec![10, 12];
            free.resize(2 + devices, 1000);
            let best = brute(&search, &values, 0, &mut free);
            for target in [0.5, 0.9, 0.999, 1.02].map(|part| best * part) {
                let bundled = Bundled::new(&mut bundler, &search, &values, target);
                assert!(bundled.upper.max(target) >= best - 1e-6, "seed {seed}");
                closer += usize::from(bundled.upper < bundled.all.value * (1.0 - 1e-6));
                let joined = bundler.joined(&search, &bundled, &values, 1.0, target, u64::MAX);
                let joined = joined.unwrap();
                decided += usize::from(joined.counts.iter().any(|(shape, _)| {
                    let i = search.shapes.iter().position(|s| s == shape).unwrap();
                    search.requests[i].as_ref().is_some_and(|r| r.count > 1)
                }));
                let right = best.max(target);
                assert!(
                    (joined.upper - right).abs() <= 1e-6 * right,
                    "seed {seed}: {joined:?}, best {best}, target {target}"
                );
                if target < best {
                    assert!(
                        (joined.value - best).abs() < 1e-6,
                        "seed {seed}: {joined:?}"
                    );
                }
                for counts in joined.others.iter().chain([&joined.counts]) {
                    let by_index: Vec<(usize, u32)> = counts
                        .iter()
                        .map(|(s, n)| (search.shapes.iter().position(|t| t == s).unwrap(), *n))
                        .collect();
                    assert!(search.fits(&by_index), "seed {seed}: {joined:?}");
                }
            }
        }
        assert!(decided >= 200, "{decided}");
        assert!(closer >= 200, "{closer}");
    }
}
