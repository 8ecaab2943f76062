//! Traffic by pair of workloads, and who calls whom.

use super::reason::ClientBasis;
use super::simulate::ByZone;
use crate::model::{
    HOURS_PER_MONTH, MicroUsd, MicroUsdPerMonth, NamespacedName, TrafficEdge, ZoneId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Bytes in one GB as AWS bills it.
const GB: i128 = 1_000_000_000;

/// What bytes a day cost a month of 730 hours, rounded down.
///
/// 1 GB a day at $0.02: 730 ÷ 24 × $0.02 = $0.608333.
pub(super) fn cost(bytes_per_day: u64, per_gb: MicroUsd) -> MicroUsdPerMonth {
    let micro = i128::from(bytes_per_day) * i128::from(per_gb.0) * i128::from(HOURS_PER_MONTH);
    let value = micro / (24 * GB);
    MicroUsdPerMonth(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Who opens the connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Direction {
    /// The first side does.
    FirstCalls(ClientBasis),
    /// The second side does.
    SecondCalls(ClientBasis),
    /// Nobody can say.
    Unknown,
    /// No service with an address of its own is between them.
    NoService,
}

/// Two workloads and all bytes between them, both directions together.
#[derive(Debug, Clone, Default)]
pub(super) struct Pair {
    /// Bytes a day by zone of the first and zone of the second.
    pub(super) cells: BTreeMap<(ZoneId, ZoneId), u64>,
    /// Edges that were given more than once.
    pub(super) repeated: u32,
    /// Bytes a day with a zone missing.
    pub(super) without_zone: u64,
    /// Bytes that the first sent as the one who opened, and as the one who answered.
    opened_by_first: u64,
    opened_by_second: u64,
}

impl Pair {
    /// Bytes a day, those without a zone included.
    pub(super) fn bytes(&self) -> u64 {
        self.cells
            .values()
            .fold(self.without_zone, |sum, b| sum.saturating_add(*b))
    }

    /// Bytes a day from zone to zone.
    pub(super) fn cross_zone(&self) -> u64 {
        self.cells
            .iter()
            .filter(|((a, b), _)| a != b)
            .fold(0, |sum, (_, b)| sum.saturating_add(*b))
    }

    /// Bytes a day by the zone of the first or of the second side.
    pub(super) fn by_zone_of(&self, first: bool) -> ByZone {
        let mut sums = ByZone::new();
        for ((a, b), bytes) in &self.cells {
            let zone = if first { a } else { b };
            let sum = sums.entry(zone.clone()).or_default();
            *sum = sum.saturating_add(*bytes);
        }
        sums
    }
}

/// Key of a pair: the lesser name first.
pub(super) type PairKey = (NamespacedName, NamespacedName);

/// Gathers edges into pairs. The same edge given twice counts once, with its
/// largest figure: both ends of a flow may have reported it.
pub(super) fn pairs(edges: &[TrafficEdge]) -> BTreeMap<PairKey, Pair> {
    let mut largest: BTreeMap<_, (u64, u32)> = BTreeMap::new();
    for e in edges {
        let key = (
            (
                e.from_namespace.as_str(),
                e.from_workload.as_str(),
                &e.from_zone,
            ),
            (e.to_namespace.as_str(), e.to_workload.as_str(), &e.to_zone),
            e.opened_by_sender,
        );
        let entry = largest.entry(key).or_insert((0, 0));
        entry.0 = entry.0.max(e.bytes_per_day);
        entry.1 += 1;
    }
    let mut pairs: BTreeMap<PairKey, Pair> = BTreeMap::new();
    for ((from, to, opened), (bytes, times)) in largest {
        let sender = NamespacedName::new(from.0, from.1);
        let receiver = NamespacedName::new(to.0, to.1);
        let sender_first = sender <= receiver;
        let (key, zones) = if sender_first {
            ((sender, receiver), (from.2.clone(), to.2.clone()))
        } else {
            ((receiver, sender), (to.2.clone(), from.2.clone()))
        };
        let pair = pairs.entry(key).or_default();
        pair.repeated += times - 1;
        if zones.0.as_str().is_empty() || zones.1.as_str().is_empty() {
            pair.without_zone = pair.without_zone.saturating_add(bytes);
        } else {
            let cell = pair.cells.entry(zones).or_default();
            *cell = cell.saturating_add(bytes);
        }
        if let Some(opened) = opened {
            let side = if opened == sender_first {
                &mut pair.opened_by_first
            } else {
                &mut pair.opened_by_second
            };
            *side = side.saturating_add(bytes);
        }
    }
    pairs
}

/// Who calls whom, for each pair.
///
/// What was observed comes first; else the side that alone is behind a
/// service is called; else the side nearer to an entry of the cluster calls.
/// Both sides at one distance stay unknown.
pub(super) fn directions(
    pairs: &BTreeMap<PairKey, Pair>,
    behind_service: &BTreeSet<NamespacedName>,
    entries: &BTreeSet<NamespacedName>,
) -> BTreeMap<PairKey, Direction> {
    let distance = distances(pairs, entries);
    let judge = |(first, second): &PairKey, pair: &Pair| {
        match (pair.opened_by_first > 0, pair.opened_by_second > 0) {
            (true, false) => return Direction::FirstCalls(ClientBasis::Observed),
            (false, true) => return Direction::SecondCalls(ClientBasis::Observed),
            (true, true) => return Direction::Unknown,
            (false, false) => {}
        }
        let has = |name| behind_service.contains(name);
        match (has(first), has(second)) {
            (false, false) => Direction::NoService,
            (true, true) if first == second => Direction::FirstCalls(ClientBasis::OnlyService),
            (false, true) => Direction::FirstCalls(ClientBasis::OnlyService),
            (true, false) => Direction::SecondCalls(ClientBasis::OnlyService),
            (true, true) => match (distance.get(first), distance.get(second)) {
                (Some(a), Some(b)) if a < b => Direction::FirstCalls(ClientBasis::NearerToEntry),
                (Some(a), Some(b)) if b < a => Direction::SecondCalls(ClientBasis::NearerToEntry),
                _ => Direction::Unknown,
            },
        }
    };
    pairs
        .iter()
        .map(|(key, pair)| (key.clone(), judge(key, pair)))
        .collect()
}

fn distances<'a>(
    pairs: &'a BTreeMap<PairKey, Pair>,
    entries: &'a BTreeSet<NamespacedName>,
) -> BTreeMap<&'a NamespacedName, u32> {
    let mut neighbours: BTreeMap<&NamespacedName, Vec<&NamespacedName>> = BTreeMap::new();
    for (a, b) in pairs.keys() {
        neighbours.entry(a).or_default().push(b);
        neighbours.entry(b).or_default().push(a);
    }
    let mut distance: BTreeMap<&NamespacedName, u32> = entries.iter().map(|e| (e, 0)).collect();
    let mut queue: VecDeque<&NamespacedName> = entries.iter().collect();
    while let Some(at) = queue.pop_front() {
        let next = distance.get(at).copied().unwrap_or(0) + 1;
        for other in neighbours.get(at).into_iter().flatten() {
            if !distance.contains_key(*other) {
                distance.insert(other, next);
                queue.push_back(other);
            }
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, from_zone: &str, to: &str, to_zone: &str, bytes: u64) -> TrafficEdge {
        TrafficEdge {
            from_namespace: "n".into(),
            from_workload: from.into(),
            from_zone: from_zone.into(),
            to_namespace: "n".into(),
            to_workload: to.into(),
            to_zone: to_zone.into(),
            bytes_per_day: bytes,
            ..Default::default()
        }
    }

    #[test]
    fn a_gigabyte_a_day_costs_thirty_and_a_half_times_its_price_a_month() {
        assert_eq!(
            cost(1_000_000_000, MicroUsd(20_000)),
            MicroUsdPerMonth(608_333)
        );
    }

    #[test]
    fn both_directions_meet_in_one_pair_and_an_edge_given_twice_counts_once() {
        let edges = [
            edge("web", "a", "api", "b", 10),
            edge("api", "b", "web", "a", 5),
            edge("web", "a", "api", "b", 12),
        ];
        let pairs = pairs(&edges);
        let pair = pairs.values().next().unwrap();
        assert_eq!((pairs.len(), pair.cross_zone(), pair.repeated), (1, 17, 1));
        // The first of the pair is api, by name.
        assert_eq!(pair.by_zone_of(true), ByZone::from([("b".into(), 17)]));
    }

    #[test]
    fn the_side_nearer_to_an_entry_calls_and_equals_stay_unknown() {
        let edges = [
            edge("in", "a", "web", "b", 1),
            edge("web", "a", "api", "b", 1),
            edge("web", "a", "cart", "b", 1),
            edge("cart", "a", "api", "b", 1),
        ];
        let pairs = pairs(&edges);
        let name = |n: &str| NamespacedName::new("n", n);
        let all = ["in", "web", "api", "cart"].map(name).into_iter().collect();
        let found = directions(&pairs, &all, &[name("in")].into_iter().collect());
        let of = |a: &str, b: &str| found[&(name(a), name(b))].clone();
        assert_eq!(
            of("in", "web"),
            Direction::FirstCalls(ClientBasis::NearerToEntry)
        );
        assert_eq!(
            of("api", "web"),
            Direction::SecondCalls(ClientBasis::NearerToEntry)
        );
        assert_eq!(of("api", "cart"), Direction::Unknown);
    }
}
