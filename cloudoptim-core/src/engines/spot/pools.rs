//! Pools: what each costs with its risk, and why it is not used.

use super::config::Config;
use super::launch::{Launcher, launchers};
use super::reason::Reason;
use super::risk::{BandMeans, PoolFacts, RiskModel, band_share_milli, risk_milli};
use crate::catalog::{Figure, InstanceTypeInfo, InterruptionBand};
use crate::decision::Offering;
use crate::engines::{Inputs, day_start};
use crate::ledger::PoolEvent;
use crate::model::{
    CapacityType, Cloud, Cluster, InstanceState, Labels, MicroUsd, MicroUsdPerHour, ZONE_ID_LABEL,
    ZoneId, ZoneName,
};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A type in a zone that someone may launch as spot.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    pub(super) offering: Offering,
    pub(super) info: &'a InstanceTypeInfo,
    /// Index of the launcher, and the labels that its node would have.
    pub(super) launched_by: Vec<(usize, Labels)>,
    pub(super) risk_adjusted: Option<MicroUsdPerHour>,
    /// The part of it that is for interruptions.
    pub(super) interruptions: MicroUsdPerHour,
    /// When its spot price held, where anyone says.
    pub(super) price_as_of: Option<DateTime<Utc>>,
    /// When the bands in its risk held, where there are any.
    pub(super) band_as_of: Option<DateTime<Utc>>,
    /// Its spot price is older than it may be, or of unknown age.
    pub(super) stale: bool,
    /// What rejects it; none when it may be used.
    pub(super) rejected: Vec<Reason>,
    /// All that is said of it.
    pub(super) reasons: Vec<Reason>,
}

/// A type that someone may launch on demand, with labels by launcher and zone.
#[derive(Debug)]
pub(super) struct OnDemand<'a> {
    pub(super) info: &'a InstanceTypeInfo,
    pub(super) price: MicroUsdPerHour,
    pub(super) launched_by: Vec<(usize, Labels)>,
}

/// All that a cluster may launch.
#[derive(Debug)]
pub(super) struct Market<'a> {
    pub(super) launchers: Vec<Launcher<'a>>,
    pub(super) pools: Vec<Pool<'a>>,
    pub(super) on_demand: Vec<OnDemand<'a>>,
    /// Pools beyond the most that are considered.
    pub(super) left_out: u64,
}

/// Zones of the cluster's nodes, by id.
pub(super) fn zones(cluster: &Cluster, cloud: Option<&Cloud>) -> BTreeMap<ZoneId, ZoneName> {
    cluster
        .nodes
        .items()
        .iter()
        .filter_map(|node| {
            let name = node.zone_name()?;
            let id = match node.meta.label(ZONE_ID_LABEL) {
                Some(id) => ZoneId::from(id),
                None => cloud?.zone_id(&name)?.clone(),
            };
            Some((id, name))
        })
        .collect()
}

/// Reads what a cluster may launch and prices it.
pub(super) fn market<'a>(
    config: &Config,
    inputs: &Inputs<'a>,
    cluster: &'a Cluster,
    cloud: Option<&'a Cloud>,
    model: &dyn RiskModel,
) -> Market<'a> {
    let launchers = launchers(cluster, cloud);
    let zones = zones(cluster, cloud);
    let region = cloud
        .map(|c| c.region.clone())
        .or_else(|| cluster.region.clone())
        .unwrap_or_default();
    let mut market = Market {
        launchers,
        pools: Vec::new(),
        on_demand: Vec::new(),
        left_out: 0,
    };
    let largest = cluster
        .nodes
        .items()
        .iter()
        .filter_map(|n| inputs.catalog.instance_type(n.instance_type()?))
        .map(|info| info.vcpu)
        .max();
    let max_vcpu = config.max_node_vcpu.or(largest).unwrap_or(u32::MAX);
    let mut pricer = Pricer {
        config,
        max_vcpu,
        inputs,
        cloud,
        model,
        region: region.as_str(),
        means: BTreeMap::new(),
    };
    for info in inputs.catalog.instance_types() {
        if info.mac || info.allocatable.cpu.0 == 0 {
            continue;
        }
        let offered: BTreeSet<&ZoneId> = inputs
            .catalog
            .offered_in(&region, &info.name)
            .into_iter()
            .collect();
        let unknown = !inputs.catalog.offerings_known(region.as_str());
        let mut stable = Vec::new();
        for (id, name) in &zones {
            if !unknown && !offered.contains(id) {
                continue;
            }
            let labels = |capacity: CapacityType, wanted: &dyn Fn(&Launcher<'_>) -> bool| {
                let all = market.launchers.iter().enumerate();
                let mut found = Vec::new();
                for (index, launcher) in all.filter(|(_, l)| wanted(l)) {
                    let labels = launcher.labels(info, region.as_str(), (name, id), capacity);
                    found.extend(labels.map(|labels| (index, labels)));
                }
                found
            };
            stable.extend(labels(CapacityType::OnDemand, &|l| l.on_demand));
            let launched_by = labels(CapacityType::Spot, &|l| l.spot);
            if info.spot && !launched_by.is_empty() {
                let names = launched_by
                    .iter()
                    .filter_map(|(i, _)| market.launchers.get(*i))
                    .map(|l| l.name.clone())
                    .collect();
                let mut pool = pricer.pool(info, id, names);
                pool.launched_by = launched_by;
                market.pools.push(pool);
            }
        }
        let price = inputs.price(cloud, info.name.as_str(), None, CapacityType::OnDemand);
        // The fallback is as little of a kind that nobody runs as a pool is.
        let usable = !stable.is_empty() && !info.bare_metal && info.vcpu <= max_vcpu;
        if let (Some(price), true) = (price, usable) {
            market.on_demand.push(OnDemand {
                info,
                price,
                launched_by: stable,
            });
        }
    }
    // Cheapest per vCPU first; a rejected pool stands behind all others.
    market.pools.sort_by_cached_key(|pool| {
        let price = pool.risk_adjusted.map_or(i64::MAX, |p| {
            p.0.saturating_mul(1000) / i64::from(pool.info.vcpu.max(1))
        });
        (!pool.rejected.is_empty(), price, pool.offering.clone())
    });
    let most = usize::try_from(config.max_pools).unwrap_or(usize::MAX);
    let over = market.pools.len().saturating_sub(most);
    market.left_out = u64::try_from(over).unwrap_or(u64::MAX);
    market.pools.truncate(most);
    market
}

struct Pricer<'r, 'a> {
    config: &'r Config,
    max_vcpu: u32,
    inputs: &'r Inputs<'a>,
    cloud: Option<&'a Cloud>,
    model: &'r dyn RiskModel,
    region: &'r str,
    means: BTreeMap<String, (BandMeans, Option<NaiveDate>)>,
}

impl<'a> Pricer<'_, 'a> {
    fn pool(
        &mut self,
        info: &'a InstanceTypeInfo,
        zone: &ZoneId,
        launchers: Vec<String>,
    ) -> Pool<'a> {
        let kind = info.name.as_str();
        let price = |zone, capacity| self.inputs.dated_price(self.cloud, kind, zone, capacity);
        let spot = price(Some(zone), CapacityType::Spot);
        let on_demand = price(None, CapacityType::OnDemand).map(|(price, _)| price);
        let mut pool = Pool {
            offering: Offering {
                instance_type: info.name.clone(),
                zone: Some(zone.clone()),
                capacity_type: CapacityType::Spot,
            },
            info,
            launched_by: Vec::new(),
            risk_adjusted: None,
            interruptions: MicroUsdPerHour::ZERO,
            price_as_of: spot.and_then(|(_, as_of)| as_of),
            band_as_of: None,
            stale: false,
            rejected: kind_of(self.config, info, self.max_vcpu),
            reasons: Vec::new(),
        };
        if let Some(event) = self.quarantine(&pool.offering) {
            pool.rejected.push(event);
        }
        match (spot, on_demand) {
            (None, _) => pool.rejected.push(Reason::PriceUnknown),
            (Some(_), None) => pool.rejected.push(Reason::OnDemandPriceUnknown),
            (Some((spot, _)), Some(on_demand)) => {
                self.price(&mut pool, spot, on_demand, launchers);
            }
        }
        let mut all = pool.rejected.clone();
        all.append(&mut pool.reasons);
        pool.reasons = all;
        pool
    }

    fn price(
        &mut self,
        pool: &mut Pool<'a>,
        spot: MicroUsdPerHour,
        on_demand: MicroUsdPerHour,
        launchers: Vec<String>,
    ) {
        let facts = self.facts(pool);
        let hazard = self.model.hazard_per_hour_ppm(&facts);
        let factors = self.model.factors(&facts);
        pool.band_as_of = facts.band_as_of.and_then(day_start);
        let hours = TimeDelta::hours(i64::from(self.config.max_price_age_hours));
        let fresh = |as_of| self.inputs.now() - as_of <= hours;
        pool.stale = !pool.price_as_of.is_some_and(fresh);
        let minutes = |rate: MicroUsdPerHour, minutes: u32| rate.ratio(u64::from(minutes), 60).0;
        let cost = MicroUsd(
            minutes(spot, self.config.drain_minutes)
                .saturating_add(minutes(on_demand, self.config.boot_minutes))
                .saturating_add(self.config.churn_cost.0),
        );
        let interruptions = MicroUsdPerHour(cost.ratio(hazard.value, 1_000_000).0);
        let away = MicroUsdPerHour(minutes(on_demand, self.config.boot_minutes));
        let unavailability = away.ratio(hazard.value, 1_000_000);
        let adjusted = spot + interruptions + unavailability;
        pool.risk_adjusted = Some(adjusted);
        pool.interruptions = interruptions + unavailability;
        pool.reasons.push(Reason::PoolPriced {
            price: spot,
            on_demand,
            hazard_ppm: hazard,
            interruption_cost: cost,
            expected_interruptions: interruptions,
            unavailability,
            risk_adjusted: adjusted,
            risk_1h_milli: factors
                .as_ref()
                .and_then(|f| f.state_1h_milli)
                .max(Some(risk_milli(hazard.value, 1))),
            risk_24h_milli: risk_milli(hazard.value, 24),
            factors: factors.map(Box::new),
            price_as_of: pool.price_as_of,
            band_as_of: pool.band_as_of,
            launchers,
        });
        if pool.stale {
            pool.reasons.push(Reason::PriceStale {
                as_of: pool.price_as_of,
                max_age_hours: self.config.max_price_age_hours,
            });
        }
        let most = on_demand.ratio(u64::from(self.config.max_price_percent), 100);
        if spot > most || spot >= on_demand {
            pool.rejected.push(Reason::NotCheaper {
                price: spot,
                on_demand,
                max_percent: self.config.max_price_percent,
            });
        } else if adjusted >= on_demand {
            pool.rejected.push(Reason::RiskTooDear {
                risk_adjusted: adjusted,
                on_demand,
            });
        }
    }

    fn quarantine(&self, offering: &Offering) -> Option<Reason> {
        let hours = TimeDelta::hours(i64::from(self.config.quarantine_hours));
        let events = self.inputs.ledgers.pool_events.as_deref();
        events
            .unwrap_or_default()
            .iter()
            .filter(|e| is_of(e, offering))
            .filter_map(|e| Some((e.at, e.kind, e.at.checked_add_signed(hours)?)))
            .filter(|(_, _, until)| *until > self.inputs.now())
            .max()
            .map(|(at, event, until)| Reason::Quarantined { event, at, until })
    }

    fn facts(&mut self, pool: &Pool<'a>) -> PoolFacts {
        let now = self.inputs.now();
        let kind = pool.info.name.clone();
        let mut facts =
            PoolFacts::new(self.region.into(), kind.clone(), pool.offering.zone.clone());
        let band = self
            .inputs
            .catalog
            .interruption_band(self.region, kind.as_str());
        facts.band = band.map(|figure| {
            let days = (now.date_naive() - figure.as_of).num_days().max(0);
            (figure.value, u32::try_from(days).unwrap_or(u32::MAX))
        });
        facts.band_as_of = band.map(|figure| figure.as_of);
        if facts.band.is_none() {
            (facts.means, facts.band_as_of) = self.means(pool.info);
        }
        let events = self.inputs.ledgers.pool_events.as_deref();
        facts.events = events
            .unwrap_or_default()
            .iter()
            .filter(|e| is_of(e, &pool.offering) && e.at <= now)
            .map(|e| (e.kind, hours_since(e.at, now)))
            .collect();
        facts
            .events
            .sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let instances = self.cloud.map(|c| c.instances.items());
        facts.up_hours = instances
            .unwrap_or_default()
            .iter()
            .filter(|i| {
                i.instance_type == kind
                    && i.capacity_type == CapacityType::Spot
                    && i.state == InstanceState::Running
                    && i.zone_id == pool.offering.zone
            })
            .filter_map(|i| Some(hours_since(i.launched_at?, now)))
            .fold(0.0, f64::max);
        facts
    }

    /// Means of the bands, and the day of the oldest that is in the one to be
    /// used.
    fn means(&mut self, info: &InstanceTypeInfo) -> (BandMeans, Option<NaiveDate>) {
        let family = info.family().to_owned();
        if let Some(known) = self.means.get(&family) {
            return *known;
        }
        let catalog = self.inputs.catalog;
        let regions: Vec<&str> = catalog.regions().map(|r| r.name.as_str()).collect();
        let mut own = Mean::default();
        let mut elsewhere = Mean::default();
        let mut all = Mean::default();
        for other in catalog.instance_types() {
            let kind = other.name.as_str();
            if let Some(band) = catalog.interruption_band(self.region, kind) {
                all.add(band);
                if other.family() == family {
                    own.add(band);
                }
            }
            if other.family() == family {
                for region in &regions {
                    if let Some(band) = catalog.interruption_band(region, kind) {
                        elsewhere.add(band);
                    }
                }
            }
        }
        let means = BandMeans {
            family_in_region: own.value(),
            family: elsewhere.value(),
            all_types: all.value(),
        };
        let as_of = own.oldest.or(elsewhere.oldest).or(all.oldest);
        self.means.insert(family, (means, as_of));
        (means, as_of)
    }
}

#[derive(Default)]
struct Mean {
    sum: u64,
    count: u64,
    oldest: Option<NaiveDate>,
}

impl Mean {
    fn add(&mut self, band: Figure<InterruptionBand>) {
        self.sum += u64::from(band_share_milli(band.value));
        self.count += 1;
        self.oldest = Some(self.oldest.map_or(band.as_of, |day| day.min(band.as_of)));
    }

    /// Rounded up: a mean of shares is never nothing.
    fn value(&self) -> Option<u32> {
        (self.count > 0).then(|| u32::try_from(self.sum.div_ceil(self.count)).unwrap_or(u32::MAX))
    }
}

fn hours_since(at: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    ((now - at).num_seconds().max(0)) as f64 / 3600.0
}

/// Whether an event is about the pool; one without a zone is about all zones.
pub(super) fn is_of(event: &PoolEvent, offering: &Offering) -> bool {
    event.offering.instance_type == offering.instance_type
        && event.offering.capacity_type == CapacityType::Spot
        && (event.offering.zone.is_none() || event.offering.zone == offering.zone)
}

/// Whether a type is not used on spot, whatever it costs.
pub(crate) fn rules_out(config: &Config, info: &InstanceTypeInfo) -> bool {
    !info.spot || !kind_of(config, info, u32::MAX).is_empty()
}

fn kind_of(config: &Config, info: &InstanceTypeInfo, max_vcpu: u32) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if info.vcpu > max_vcpu {
        reasons.push(Reason::LargerThanNodes {
            vcpu: info.vcpu,
            max: max_vcpu,
        });
    }
    if info.burstable && !config.burstable {
        reasons.push(Reason::Burstable);
    }
    if !info.current_generation && !config.old_generations {
        reasons.push(Reason::OldGeneration);
    }
    if info.bare_metal {
        reasons.push(Reason::BareMetal);
    }
    let accelerated = info.gpu_count > 0 || info.accelerator_count > 0 || info.fpga_count > 0;
    if accelerated && !config.accelerators {
        reasons.push(Reason::AcceleratedType);
    }
    reasons
}
