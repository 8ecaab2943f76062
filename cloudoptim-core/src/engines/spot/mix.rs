//! The cheapest allowed mix of pools for a workload.

use std::collections::BTreeMap;

/// A pool as the mix sees it; groups are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    /// What a replica costs in it an hour, in micro-dollars, risk included.
    pub(super) cost: i64,
    /// The part of the cost that is the expected cost of interruptions.
    pub(super) interruptions: i64,
    /// Instance type.
    pub(super) kind: usize,
    /// Instance family.
    pub(super) family: usize,
    /// Zone.
    pub(super) zone: usize,
}

/// Caps on replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caps {
    /// In all pools together.
    pub(super) total: u32,
    /// In one pool.
    pub(super) pool: u32,
    /// In one instance type, over all zones.
    pub(super) kind: u32,
    /// In one family, and in one zone.
    pub(super) group: u32,
    /// A replica that costs more stays on demand.
    pub(super) cost: i64,
}

/// How much of one pool's interruptions another shares, in thousandths: the
/// correlation of "down" on availability traces for pools of one type in a
/// region (0.42) and of other types there (0.06).
const SAME_TYPE_MILLI: i64 = 420;
const SAME_REGION_MILLI: i64 = 60;

/// Places replicas one by one where the next costs least: its price, and for
/// each replica that would be lost with it a share of the cost of interruptions.
///
/// Greedy: exact for caps that lie within one another (pool, type, family);
/// with the zones' caps across them it may miss the cheapest mix. At one price
/// the emptier zone gets it, then the emptier pool, then the first.
pub(super) fn choose(choices: &[Choice], caps: Caps) -> Vec<u32> {
    let mut placed = vec![0_u32; choices.len()];
    let mut kinds: BTreeMap<usize, u32> = BTreeMap::new();
    let mut families: BTreeMap<usize, u32> = BTreeMap::new();
    let mut zones: BTreeMap<usize, u32> = BTreeMap::new();
    let at = |map: &BTreeMap<usize, u32>, key: usize| map.get(&key).copied().unwrap_or(0);
    for total in 0..caps.total {
        let mut best: Option<((i64, u32, u32), usize)> = None;
        for (index, choice) in choices.iter().enumerate() {
            let here = placed.get(index).copied().unwrap_or(0);
            let same = at(&kinds, choice.kind);
            let room = here < caps.pool
                && same < caps.kind
                && at(&families, choice.family) < caps.group
                && at(&zones, choice.zone) < caps.group;
            if !room || choice.cost > caps.cost {
                continue;
            }
            let shared = SAME_TYPE_MILLI
                .saturating_mul(i64::from(same))
                .saturating_add(SAME_REGION_MILLI.saturating_mul(i64::from(total - same)));
            let cost = choice
                .cost
                .saturating_add(choice.interruptions.saturating_mul(shared) / 1000);
            // At one price, the emptier zone, then the emptier pool.
            let rank = (cost, at(&zones, choice.zone), here);
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, index));
            }
        }
        let Some((_, index)) = best else { break };
        if let (Some(slot), Some(choice)) = (placed.get_mut(index), choices.get(index)) {
            *slot += 1;
            *kinds.entry(choice.kind).or_default() += 1;
            *families.entry(choice.family).or_default() += 1;
            *zones.entry(choice.zone).or_default() += 1;
        }
    }
    placed
}

/// A share of `replicas` in percent, rounded down, and at least one.
pub(super) fn cap(replicas: u32, percent: u32) -> u32 {
    let share = u64::from(replicas) * u64::from(percent) / 100;
    u32::try_from(share).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(cost: i64, kind: usize, zone: usize) -> Choice {
        Choice {
            cost,
            interruptions: 0,
            kind,
            family: kind,
            zone,
        }
    }

    const CAPS: Caps = Caps {
        total: 5,
        pool: 2,
        kind: 3,
        group: 3,
        cost: 100,
    };

    #[test]
    fn the_cheapest_pools_fill_up_to_their_caps() {
        let pools = [
            choice(10, 0, 0),
            choice(11, 0, 1),
            choice(20, 1, 2),
            choice(101, 2, 2),
        ];
        // Two in the cheapest, one more of its type, the rest in the other;
        // the pool above the limit gets none.
        assert_eq!(choose(&pools, CAPS), [2, 1, 2, 0]);
    }

    #[test]
    fn a_risky_pool_is_filled_less_than_its_caps_allow() {
        let risky = Choice {
            interruptions: 9,
            ..choice(19, 0, 0)
        };
        let three = Caps { total: 3, ..CAPS };
        let placed = choose(&[risky, choice(20, 1, 1)], three);
        assert_eq!(placed, [1, 2]);
    }

    /// Every way to place at most `caps.total` replicas without the caps of
    /// zones and families: the most replicas, and their least cost.
    fn brute_force(choices: &[Choice], caps: Caps, placed: &mut Vec<u32>) -> (u32, i64) {
        if placed.len() == choices.len() {
            let total: u32 = placed.iter().sum();
            let mut kinds = BTreeMap::new();
            for (n, c) in placed.iter().zip(choices) {
                *kinds.entry(c.kind).or_insert(0) += n;
            }
            if total > caps.total || kinds.values().any(|n| *n > caps.kind) {
                return (0, 0);
            }
            let cost = placed.iter().zip(choices);
            return (total, cost.map(|(n, c)| i64::from(*n) * c.cost).sum());
        }
        let mut best = (0, 0);
        let open = choices[placed.len()].cost <= caps.cost;
        for n in 0..=if open { caps.pool } else { 0 } {
            placed.push(n);
            let found = brute_force(choices, caps, placed);
            placed.pop();
            if found.0 > best.0 || (found.0 == best.0 && found.1 < best.1) {
                best = found;
            }
        }
        best
    }

    proptest::proptest! {
        #[test]
        fn with_nested_caps_no_mix_is_larger_or_cheaper(
            pools in proptest::collection::vec((1_i64..120, 0_usize..3, 0_usize..3), 1..6),
            total in 0_u32..8,
            pool in 1_u32..4,
            kind in 1_u32..5,
        ) {
            let choices: Vec<_> = pools.iter().map(|(c, k, z)| choice(*c, *k, *z)).collect();
            let caps = Caps { total, pool, kind, group: u32::MAX, cost: 100 };
            let placed = choose(&choices, caps);
            let cost: i64 = placed.iter().zip(&choices).map(|(n, c)| i64::from(*n) * c.cost).sum();
            let got = (placed.iter().sum(), cost);
            proptest::prop_assert_eq!(got, brute_force(&choices, caps, &mut Vec::new()));
        }
    }

    #[test]
    fn small_workloads_may_have_one_replica_in_a_pool() {
        assert_eq!((cap(2, 34), cap(6, 34), cap(100, 34)), (1, 2, 34));
    }
}
