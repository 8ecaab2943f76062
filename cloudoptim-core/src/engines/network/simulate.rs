//! Where bytes go once clients prefer endpoints of their own zone.

use crate::model::ZoneId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

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

/// How a service's clients are spread over its endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RoutingMode {
    /// `trafficDistribution: PreferSameZone` (`PreferClose` before 1.34).
    PreferSameZone,
    /// `service.kubernetes.io/topology-mode: Auto`.
    TopologyAuto,
}

impl fmt::Display for RoutingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreferSameZone => "same-zone preference",
            Self::TopologyAuto => "topology mode Auto",
        })
    }
}

/// Endpoints by the zone whose clients use them: how many, and how many of
/// these are in that zone.
type Hints = BTreeMap<ZoneId, (u32, u32)>;

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
    let own = endpoints.iter().filter(|(_, n)| **n > 0);
    let hints = own.map(|(zone, n)| (zone.clone(), (*n, *n))).collect();
    route(clients, &hints)
}

/// The same under topology mode Auto, whose controller gives each zone
/// endpoints by its share of the nodes' CPU, taking them from zones that have
/// more. `None` when it would withhold all hints.
pub(super) fn topology_auto(
    clients: &ByZone,
    endpoints: &BTreeMap<ZoneId, u32>,
    cpu: &BTreeMap<ZoneId, u64>,
) -> Option<Outcome> {
    auto_hints(endpoints, cpu).map(|hints| route(clients, &hints))
}

/// The rule of Kubernetes' endpoint slice controller: with `N` endpoints a
/// zone of CPU share `r` wants `N·r` and needs `⌈N·r / 1.2⌉`; when the needs
/// exceed `N` there are no hints. The zone that has most too many gives one to
/// the zone that lacks most, until less than one, or half of one, is left.
fn auto_hints(endpoints: &BTreeMap<ZoneId, u32>, cpu: &BTreeMap<ZoneId, u64>) -> Option<Hints> {
    let count: u32 = endpoints.values().sum();
    let total: u64 = cpu.values().sum();
    let zones = u32::try_from(cpu.len()).unwrap_or(u32::MAX);
    if zones < 2 || total == 0 || zones > count {
        return None;
    }
    let mut needs = 0_u64;
    let mut spare: BTreeMap<&ZoneId, f64> = BTreeMap::new();
    for (zone, share) in cpu {
        let wanted = f64::from(count) * (*share as f64 / total as f64);
        let least = (wanted * (1.0 / 1.2)).ceil();
        needs += least as u64;
        let have = endpoints.get(zone).copied().unwrap_or(0);
        spare.insert(zone, f64::from(have) - wanted.max(least));
    }
    if needs > u64::from(count) {
        return None;
    }
    let mut hints: Hints = endpoints
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(zone, n)| (zone.clone(), (*n, *n)))
        .collect();
    // Bounded: each round moves one endpoint.
    for _ in 0..count {
        let most = |sign: f64| {
            spare
                .iter()
                .map(|(zone, n)| (*zone, n * sign))
                .filter(|(_, n)| *n > 0.0)
                .min_by(|(a, left), (b, right)| right.total_cmp(left).then(a.cmp(b)))
        };
        let (Some((from, give)), Some((to, lack))) = (most(1.0), most(-1.0)) else {
            break;
        };
        if (give < 1.0 && lack < 1.0) || give < 0.5 || lack < 0.5 {
            break;
        }
        if let Some(giver) = hints.get_mut(from) {
            giver.0 = giver.0.saturating_sub(1);
            giver.1 = giver.1.saturating_sub(1);
        }
        hints.entry(to.clone()).or_default().0 += 1;
        *spare.entry(from).or_default() -= 1.0;
        *spare.entry(to).or_default() += 1.0;
    }
    hints.retain(|_, (n, _)| *n > 0);
    Some(hints)
}

fn route(clients: &ByZone, hints: &Hints) -> Outcome {
    let count: u128 = hints.values().map(|(n, _)| u128::from(*n)).sum();
    let total: u128 = clients.values().map(|b| u128::from(*b)).sum();
    let mut cross: u128 = 0;
    let mut spilled: u128 = 0;
    for (zone, bytes) in clients {
        let bytes = u128::from(*bytes);
        match hints.get(zone) {
            Some((n, own)) => {
                let foreign = u128::from(n.saturating_sub(*own));
                cross += (bytes * foreign).div_ceil(u128::from(*n).max(1));
            }
            // No endpoint is in the zone: all of it crosses.
            None => {
                cross += bytes;
                spilled += bytes;
            }
        }
    }
    let mut worst: Option<(u64, ZoneId)> = None;
    for (zone, (n, _)) in hints {
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
        cross_zone: u64::try_from(cross).unwrap_or(u64::MAX),
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

    #[test]
    fn hints_by_cpu_are_withheld_for_eleven_endpoints_in_three_even_zones() {
        let cpu = zones([16, 16, 16]);
        assert_eq!(auto_hints(&zones([4, 4, 3]), &cpu), None);
        let even = auto_hints(&zones([5, 4, 3]), &cpu);
        // The fifth of the first zone serves the third.
        let expected = [("a", (4, 4)), ("b", (4, 4)), ("c", (4, 3))];
        assert_eq!(even, Some(expected.map(|(z, n)| (z.into(), n)).into()));
        let outcome = topology_auto(&zones([100, 100, 100]), &zones([5, 4, 3]), &cpu);
        assert_eq!(
            outcome.map(|o| (o.cross_zone, o.overload_milli)),
            Some((25, 0))
        );
        assert_eq!(auto_hints(&zones([1, 1, 0]), &cpu), None);
    }
}
