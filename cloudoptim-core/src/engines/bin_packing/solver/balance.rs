//! The same mix in every zone.
//!
//! A zone whose items ask for much memory and one whose items ask for much CPU
//! both leave something empty; so do one with the large items and one with the
//! small. Together they would not. Items that stand in the same rules about
//! zones can change places without touching any rule, so they do, until each
//! zone has its part of the items of every size, and of those under every limit
//! per node.

use super::greedy::area_values;
use super::model::Model;
use std::collections::BTreeMap;

/// Exchanges that are looked at, at most.
const LOOKS: u64 = 2_000_000;

/// How often all exchanges are gone through, at most.
const PASSES: u32 = 40;

/// How much evenness of the items under limits counts beside that of sizes.
const LIMITS: f64 = 0.3;

/// Which kinds may change places.
pub(super) struct Group {
    pub(super) kinds: Vec<usize>,
    /// Whether items may also move without another coming back: no rule names
    /// them.
    pub(super) free: bool,
}

/// What a zone has of each size and under each limit, as parts of the whole.
struct Shares<'a> {
    weights: Vec<f64>,
    of_zone: Vec<Vec<f64>>,
    /// Of each zone the weighted sum of its shares, and that of their squares.
    sums: Vec<(f64, f64)>,
    /// The rows of a kind, and the part that one item is of each.
    of_kind: &'a [Vec<(usize, f64)>],
}

impl Shares<'_> {
    /// How uneven a zone is.
    fn uneven(&self, zone: usize) -> f64 {
        let (mean, square) = self.sums[zone];
        square - mean * mean
    }

    fn shift(&mut self, zone: usize, kind: usize, n: f64) {
        let (mean, square) = &mut self.sums[zone];
        for (row, own) in &self.of_kind[kind] {
            let share = &mut self.of_zone[zone][*row];
            let weight = self.weights[*row];
            *square -= weight * *share * *share;
            *share += n * own;
            *mean += weight * n * own;
            *square += weight * *share * *share;
        }
    }

    fn exchange(&mut self, (a, b): (usize, usize), kind: usize, other: Option<usize>, n: f64) {
        self.shift(a, kind, -n);
        self.shift(b, kind, n);
        if let Some(other) = other {
            self.shift(b, other, -n);
            self.shift(a, other, n);
        }
    }
}

/// Rows of each kind: its size, each of its limits, and its size under the limit
/// that forces the most nodes; and how much each row matters.
fn rows(model: &Model, counts: &[u32]) -> (Vec<Vec<usize>>, Vec<f64>) {
    let area = area_values(model);
    let mut under = vec![0.0; model.limits.len()];
    let limits = |k: usize| {
        let own = model.kinds[k].touches.iter().filter(|t| t.with && t.of);
        own.map(|t| t.rule as usize)
            .filter(|l| *l < model.limits.len())
    };
    for (k, n) in counts.iter().enumerate() {
        for l in limits(k) {
            under[l] += f64::from(*n) / f64::from(model.limits[l].max(1));
        }
    }
    let most = (0..under.len()).max_by(|a, b| under[*a].total_cmp(&under[*b]).then(b.cmp(a)));
    let most_nodes = most.map_or(1.0, |l| under[l].max(1.0));
    let mut weights: Vec<f64> = Vec::new();
    let mut index: BTreeMap<_, usize> = BTreeMap::new();
    let mut of_kind = Vec::with_capacity(counts.len());
    for (k, n) in counts.iter().enumerate() {
        let shape = &model.shapes[model.kinds[k].shape];
        let value = area[model.kinds[k].shape] * f64::from(*n);
        let size = (Some((&shape.demand, &shape.devices)), None);
        let limit = |l: usize| {
            let whole = (None, Some(l));
            let sized = (Some((&shape.demand, &shape.devices)), Some(l));
            let forces = LIMITS * f64::from(*n) / f64::from(model.limits[l].max(1)) / most_nodes;
            let sized = (Some(l) == most).then_some((sized, value));
            std::iter::once((whole, forces)).chain(sized)
        };
        let own: Vec<usize> = std::iter::once((size, value))
            .chain(limits(k).flat_map(limit))
            .map(|(key, weight)| {
                let row = *index.entry(key).or_insert_with(|| {
                    weights.push(0.0);
                    weights.len() - 1
                });
                weights[row] += weight;
                row
            })
            .collect();
        of_kind.push(own);
    }
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum.max(1e-9));
    (of_kind, weights)
}

/// Exchanges items of `counts` (by zone and kind) between `zones`.
pub(super) fn balance(model: &Model, zones: &[usize], groups: &[Group], counts: &mut [Vec<u32>]) {
    let count = |k: usize| zones.iter().map(|z| counts[*z][k]).sum();
    let all: Vec<u32> = (0..model.kinds.len()).map(count).collect();
    let (own_rows, weights) = rows(model, &all);
    let mut total = vec![0.0; weights.len()];
    for (own, n) in own_rows.iter().zip(&all) {
        own.iter().for_each(|row| total[*row] += f64::from(*n));
    }
    let of_kind: Vec<Vec<(usize, f64)>> = own_rows
        .iter()
        .map(|own| {
            own.iter()
                .map(|row| (*row, 1.0 / total[*row].max(1.0)))
                .collect()
        })
        .collect();
    let mut shares = Shares {
        of_zone: vec![vec![0.0; weights.len()]; counts.len()],
        sums: vec![(0.0, 0.0); counts.len()],
        weights,
        of_kind: &of_kind,
    };
    for zone in zones {
        for (kind, n) in counts[*zone].iter().enumerate().filter(|(_, n)| **n > 0) {
            shares.shift(*zone, kind, f64::from(*n));
        }
    }
    let mut looks = 0;
    for _ in 0..PASSES {
        let mut changed = false;
        for group in groups {
            for (a, b) in pairs(zones) {
                for kind in &group.kinds {
                    let back = group.kinds.iter().filter(|k| *k != kind).map(|k| Some(*k));
                    for other in group.free.then_some(None).into_iter().chain(back) {
                        if looks >= LOOKS {
                            return;
                        }
                        looks += 1;
                        changed |= exchange(&mut shares, counts, (a, b), *kind, other);
                    }
                }
            }
        }
        if !changed {
            return;
        }
    }
}

/// Moves items of `kind` from the first zone to the second, as many of `other`
/// back, if that makes both more even.
fn exchange(
    shares: &mut Shares<'_>,
    counts: &mut [Vec<u32>],
    (a, b): (usize, usize),
    kind: usize,
    other: Option<usize>,
) -> bool {
    let mut n = counts[a][kind].min(other.map_or(u32::MAX, |o| counts[b][o]));
    if n == 0 {
        return false;
    }
    let now = shares.uneven(a) + shares.uneven(b);
    while n > 0 {
        let step = f64::from(n);
        shares.exchange((a, b), kind, other, step);
        if shares.uneven(a) + shares.uneven(b) < now * (1.0 - 1e-6) - 1e-15 {
            counts[a][kind] -= n;
            counts[b][kind] += n;
            if let Some(o) = other {
                counts[b][o] -= n;
                counts[a][o] += n;
            }
            return true;
        }
        shares.exchange((b, a), kind, other, step);
        n /= 4;
    }
    false
}

fn pairs(zones: &[usize]) -> impl Iterator<Item = (usize, usize)> + '_ {
    zones.iter().flat_map(move |a| {
        let others = zones.iter().filter(move |b| *b != a);
        others.map(move |b| (*a, *b))
    })
}

/// Kinds by what rules see of them.
pub(super) fn grouped<K: Ord>(
    keys: impl Iterator<Item = (usize, Option<(K, bool)>)>,
) -> Vec<Group> {
    let mut groups: BTreeMap<(K, bool), Vec<usize>> = BTreeMap::new();
    for (kind, key) in keys {
        if let Some(key) = key {
            groups.entry(key).or_default().push(kind);
        }
    }
    let groups = groups
        .into_iter()
        .map(|((_, free), kinds)| Group { kinds, free });
    groups.filter(|g| g.free || g.kinds.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::super::problem::{Class, NodeType, Offering, Problem};
    use super::*;
    use crate::model::MicroUsdPerHour;

    /// Three sizes, and a type that is sold in two zones.
    fn model() -> Model {
        let classes = [(1, 8), (4, 4), (8, 1)].into_iter().enumerate();
        let offering = |zone| Offering {
            zone: Some(zone),
            price: Some(MicroUsdPerHour(10)),
            ..Offering::default()
        };
        Model::new(&Problem {
            dims: vec!["cpu".to_owned(), "memory".to_owned()],
            zones: vec!["a".to_owned(), "b".to_owned()],
            classes: classes
                .map(|(at, (cpu, memory))| Class {
                    id: format!("{at}"),
                    count: 8,
                    demand: vec![cpu, memory],
                    ..Class::default()
                })
                .collect(),
            types: vec![NodeType {
                id: "t".to_owned(),
                capacity: vec![16, 16],
                offerings: vec![offering(0), offering(1)],
                ..NodeType::default()
            }],
            ..Problem::default()
        })
    }

    #[test]
    fn zones_exchange_sizes_and_keep_their_number_of_items() {
        let group = |free| Group {
            kinds: vec![0, 1, 2],
            free,
        };
        let mut counts = vec![vec![8, 4, 0], vec![0, 4, 8]];
        balance(&model(), &[0, 1], &[group(false)], &mut counts);
        assert_eq!(counts, [[4, 4, 4], [4, 4, 4]]);
        // Unequal zones: each size in the same parts, as far as whole items go.
        let mut counts = vec![vec![8, 0, 0], vec![0, 8, 8]];
        balance(&model(), &[0, 1], &[group(false)], &mut counts);
        assert_eq!(counts[0].iter().sum::<u32>(), 8, "{counts:?}");
        assert!(counts[0].iter().all(|n| (2..=3).contains(n)), "{counts:?}");
        let both = counts[0].iter().zip(&counts[1]);
        assert!(both.map(|(a, b)| a + b).all(|n| n == 8), "{counts:?}");
    }

    #[test]
    fn kinds_that_a_rule_tells_apart_stay_where_they_are() {
        let of = |kinds: &[usize]| Group {
            kinds: kinds.to_vec(),
            free: false,
        };
        let before = vec![vec![8, 4, 0], vec![0, 4, 8]];
        let mut counts = before.clone();
        balance(&model(), &[0, 1], &[of(&[0, 1])], &mut counts);
        assert_eq!(counts[0][2], 0);
        let mut counts = before.clone();
        balance(&model(), &[0, 1], &[], &mut counts);
        assert_eq!(counts, before);
    }
}
