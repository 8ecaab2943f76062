//! Where bytes go once clients prefer endpoints of their own zone.

use crate::model::ZoneId;
use std::collections::BTreeMap;

/// Bytes a day by the zone of the clients.
pub(super) type ByZone = BTreeMap<ZoneId, u64>;

/// What routing does to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Bytes a day that cross zones.
    pub(super) cross_zone: u64,
    /// The busiest endpoint above the mean, in thousandths, rounded up.
    pub(super) overload_milli: u64,
    /// Its zone.
    pub(super) zone: Option<ZoneId>,
}

/// Each zone's clients use the endpoints of their zone evenly; those of a zone
/// without one use all endpoints evenly, as kube-proxy does.
///
/// With `B` bytes from a zone's clients, `n` endpoints in it, `N` in all, `S`
/// bytes of clients without an endpoint and `T` bytes in all, an endpoint of
/// the zone gets `B/n + S/N`, the mean is `T/N`, and the overload their ratio
/// less one.
///
/// | clients by zone | endpoints by zone | overload |
/// | --- | --- | --- |
/// | 1/3, 1/3, 1/3 | 4, 4, 3 | 22.3 % |
/// | 4/11, 4/11, 3/11 | 4, 4, 3 | 0 % |
pub(super) fn prefer_same_zone(clients: &ByZone, endpoints: &BTreeMap<ZoneId, u32>) -> Outcome {
    let count: u128 = endpoints.values().map(|n| u128::from(*n)).sum();
    let total: u128 = clients.values().map(|b| u128::from(*b)).sum();
    let has = |zone: &ZoneId| endpoints.get(zone).is_some_and(|n| *n > 0);
    let spilled: u128 = clients
        .iter()
        .filter(|(zone, _)| !has(zone))
        .map(|(_, b)| u128::from(*b))
        .sum();
    let mut worst: Option<(u64, ZoneId)> = None;
    for (zone, n) in endpoints.iter().filter(|(_, n)| **n > 0) {
        if total == 0 {
            break;
        }
        let n = u128::from(*n);
        let local = u128::from(clients.get(zone).copied().unwrap_or(0));
        // (local/n + spilled/count) ÷ (total/count), in thousandths.
        let above = (local * count + spilled * n).saturating_mul(1000);
        let ratio = above.div_ceil(n * total);
        let milli = u64::try_from(ratio.saturating_sub(1000)).unwrap_or(u64::MAX);
        if worst.as_ref().is_none_or(|(most, _)| milli > *most) {
            worst = Some((milli, zone.clone()));
        }
    }
    Outcome {
        // No endpoint is in the zone of a client that spills: all of it crosses.
        cross_zone: u64::try_from(spilled).unwrap_or(u64::MAX),
        overload_milli: worst.as_ref().map_or(0, |(milli, _)| *milli),
        zone: worst.map(|(_, zone)| zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones<T: Copy>(values: [T; 3]) -> BTreeMap<ZoneId, T> {
        ["a", "b", "c"]
            .into_iter()
            .zip(values)
            .map(|(zone, value)| (ZoneId::from(zone), value))
            .collect()
    }

    #[test]
    fn eleven_endpoints_in_three_zones_are_overloaded_by_even_clients_only() {
        let even = prefer_same_zone(&zones([100, 100, 100]), &zones([4, 4, 3]));
        assert_eq!(even.overload_milli, 223);
        assert_eq!(even.zone, Some("c".into()));
        let matching = prefer_same_zone(&zones([400, 400, 300]), &zones([4, 4, 3]));
        assert_eq!((matching.overload_milli, matching.cross_zone), (0, 0));
    }

    #[test]
    fn clients_without_an_endpoint_in_their_zone_spill_over_all() {
        let outcome = prefer_same_zone(&zones([90, 90, 90]), &zones([3, 3, 0]));
        assert_eq!((outcome.cross_zone, outcome.overload_milli), (90, 0));
    }
}
