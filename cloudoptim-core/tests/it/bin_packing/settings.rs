//! From the first line of a case to the settings of the engine.

use super::build::{number, zone};
use super::{NOW, TYPES};
use crate::cases::Line;
use crate::fixtures::*;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::decision::LaunchThrough;
use cloudoptim_core::engines::bin_packing::{Config, Headroom, StatedRoom};
use cloudoptim_core::model::*;
use cloudoptim_core::scheduling::movability::LocalData;
use cloudoptim_core::scheduling::{InfeasibleResize, PreferencePrices};

/// `<per weight>:<per taint>:<per spread>`, in micro-dollars an hour.
fn preferences(text: &str) -> PreferencePrices {
    let mut prices = text.split(':').map(|n| MicroUsdPerHour(n.parse().unwrap()));
    let mut next = || prices.next().unwrap_or_default();
    PreferencePrices {
        per_weight: next(),
        per_taint: next(),
        per_spread: next(),
    }
}

pub(crate) fn config(header: &Line) -> Config {
    let mut config = Config::default();
    let age = number(header, "age").unwrap_or(config.min_node_age_minutes);
    let cooldown = number(header, "cooldown").unwrap_or(config.cooldown_minutes);
    config = config.with_quiet_minutes(age, cooldown);
    if let Some(percent) = number(header, "headroom") {
        config = config.with_headroom_percent(percent);
    }
    if let Some(percent) = number(header, "share") {
        config = config.with_max_workload_share_percent(percent);
    }
    if let Some(percent) = number(header, "zone-share") {
        config = config.with_max_workload_zone_share_percent(percent);
    }
    if let Some(text) = header.get("room") {
        config = config.with_headroom(vec![room(text)]);
    }
    if let Some(dollars) = number::<f64>(header, "min-saving") {
        let micro = (dollars * 1e6).round() as i64;
        config = config.with_min_saving_per_month(MicroUsdPerMonth(micro));
    }
    if let Some(text) = header.get("prefers") {
        config = config.with_preferences(preferences(text));
    }
    if header.has("launch") {
        use LaunchThrough::{AutoScalingGroups, NodeGroups, NodePools};
        config = config.with_launch_through([NodePools, NodeGroups, AutoScalingGroups]);
        let mut room = StatedRoom::default();
        // `?` = nobody says.
        let stated = |key| match header.get(key) {
            Some("?") => None,
            other => Some(other.map_or(1_000, |n| n.parse().unwrap())),
        };
        let vcpus = stated("vcpus").map(|n| ("L-1216C47A".to_owned(), n));
        room.free_vcpus.extend(vcpus);
        let zones = ["a", "b"].map(zone);
        let free = stated("addresses");
        room.free_addresses
            .extend(zones.into_iter().filter_map(|z| Some((z, free?))));
        room.addresses_per_node = number(header, "addresses-each");
        config = config.with_stated_room(room);
    }
    let micro = |dollars: f64| MicroUsdPerHour((dollars * 1e6).round() as i64);
    if let Some(dollars) = number(header, "extra") {
        config = config.with_extra_per_node(micro(dollars));
    }
    if let Some((name, dollars)) = header.get("marginal").and_then(|m| m.split_once(':')) {
        config = config.with_marginal_prices(vec![OfferingPrice {
            instance_type: name.into(),
            capacity_type: CapacityType::OnDemand,
            per_hour: micro(dollars.parse().unwrap()),
            ..Default::default()
        }]);
    }
    if let Some(percent) = number(header, "spot") {
        config = config.with_spot_percent(percent);
        let vcpus = number(header, "spot-vcpus").unwrap_or(1_000);
        let free = &mut config.stated_room.free_vcpus;
        free.insert("L-34B43A08".to_owned(), vcpus);
    }
    if let Some((app, percent)) = header.get("spot-of").and_then(|of| of.split_once(':')) {
        let workload = WorkloadRef::new("shop", "Deployment", app);
        config = config.with_spot_percent_of(workload, percent.parse().unwrap());
    }
    // With its risk; a third of the price on demand without.
    let dear = header.get("spot-price").unwrap_or("40");
    if let Ok(percent) = dear.parse::<i64>() {
        let (as_of, dated) = spot_age(header);
        let mut prices = spot_prices(percent);
        if let Some((name, percent)) = header.get("dear-spot").and_then(|d| d.split_once(':')) {
            let dear = spot_prices(percent.parse().unwrap());
            prices.retain(|p| p.instance_type.as_str() != name);
            prices.extend(
                dear.into_iter()
                    .filter(|p| p.instance_type.as_str() == name),
            );
        }
        config = config.with_spot_prices(prices, as_of);
        config.spot_prices_as_of = config.spot_prices_as_of.filter(|_| dated);
    }
    config = config.with_moves_from_kept(!header.has("keep-others"));
    config.max_node_vcpus = number(header, "max-vcpus").unwrap_or(config.max_node_vcpus);
    config.min_nodes = number(header, "min-nodes").unwrap_or(config.min_nodes);
    if let Some(percent) = number(header, "surge") {
        config = config.with_max_surge_percent(percent);
    }
    if let Some(pods) = number(header, "flight") {
        config = config.with_max_evictions_in_flight(pods);
    }
    // Small clusters: with the default they would go node by node.
    config = config.with_max_disrupted_percent(number(header, "at-once").unwrap_or(100));
    config.max_nodes = number(header, "max-nodes").unwrap_or(config.max_nodes);
    if header.get("empty-dir") == Some("keeps") {
        config.moves.empty_dir = LocalData::Keeps;
    }
    if header.get("host-path") == Some("disposable") {
        config.moves.host_path = LocalData::Disposable;
    }
    if header.get("local") == Some("disposable") {
        config.moves.local_volumes = LocalData::Disposable;
    }
    if header.get("refused-resize") == Some("drop") {
        config.moves.infeasible_resize = InfeasibleResize::Drop;
    }
    config.assume_no_commitments = header.has("no-commitments");
    config.moves.move_bare_pods = header.get("bare") == Some("moves");
    config
}

/// `3:500m:1Gi:main:a`: pods, their size, pool and zone; `-` for any.
fn room(text: &str) -> Headroom {
    let mut words = text.split(':');
    let mut word = || words.next().filter(|w| *w != "-");
    Headroom {
        pods: word().unwrap().parse().unwrap(),
        cpu: cpu(word().unwrap()),
        memory: bytes(word().unwrap()),
        pool: word().map(str::to_owned),
        zone: word().map(zone),
    }
}

/// Prices on spot of every type, in percent of those on demand.
pub(super) fn spot_prices(percent: i64) -> Vec<OfferingPrice> {
    let prices = TYPES.iter().map(|(name, _, _, price)| OfferingPrice {
        instance_type: (*name).into(),
        zone_id: None,
        capacity_type: CapacityType::Spot,
        per_hour: MicroUsdPerHour(price * percent / 100),
    });
    prices.collect()
}

/// When prices on spot held, `spot-age=<hours>` ago, and whether that is known
/// (`spot-age=?`).
pub(super) fn spot_age(header: &Line) -> (DateTime<Utc>, bool) {
    let age = header.get("spot-age").unwrap_or("1");
    let hours = TimeDelta::hours(age.parse().unwrap_or(1));
    (at(NOW) - hours, age != "?")
}
