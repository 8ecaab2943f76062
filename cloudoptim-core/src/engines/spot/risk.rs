//! How likely a pool is to be taken back.

use crate::catalog::InterruptionBand;
use crate::ledger::PoolEventKind;
use crate::model::{InstanceType, Region, ZoneId};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an estimate is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RiskBasis {
    /// The pool's own Spot Advisor band.
    AdvisorBand,
    /// Its band, more than 30 days old.
    StaleAdvisorBand,
    /// No band: the mean of its family in the region.
    FamilyInRegion,
    /// No band: the mean of its family in other regions.
    Family,
    /// No band: the mean of all types of the region.
    AllTypes,
    /// Nothing: the worst band.
    WorstBand,
    /// Events of the pool outweigh the prior.
    Observed,
    /// A model of the host.
    Model,
}

impl fmt::Display for RiskBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdvisorBand => "its advisor band",
            Self::StaleAdvisorBand => "its advisor band, which is old",
            Self::FamilyInRegion => "the bands of its family in the region",
            Self::Family => "the bands of its family elsewhere",
            Self::AllTypes => "the bands of all types of the region",
            Self::WorstBand => "the worst band, for want of any",
            Self::Observed => "events of the pool",
            Self::Model => "a model",
        })
    }
}

/// Interruptions of a pool per hour, in millionths, with an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Estimate {
    /// Best guess.
    pub value: u64,
    /// Lower end.
    pub low: u64,
    /// Upper end.
    pub high: u64,
    /// What it is made from.
    pub basis: RiskBasis,
}

/// What an estimate is made of, factor by factor. The fourth factor, how much
/// of a workload goes at once, is the workload's and stands in its reasons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RiskFactors {
    /// First: the hazard by the Spot Advisor's bands alone, in millionths.
    pub prior_ppm: u64,
    /// Pool-hours that the prior weighs against own observations.
    pub prior_hours: u32,
    /// Second: the hazard of prior and own observations, in millionths.
    pub observed_ppm: u64,
    /// Events of the pool in the ledger.
    pub events: u32,
    /// Hours since the oldest of our running instances in the pool was launched.
    pub up_hours: u32,
    /// Third: the hazard by the time since the pool's last event, in
    /// millionths; none where that is 14 days ago or never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_ppm: Option<u64>,
    /// Chance of an interruption within an hour by that time, in thousandths,
    /// rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_1h_milli: Option<u32>,
    /// Hours since the pool's last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_hours: Option<u32>,
}

/// Means of the advisor's bands, as shares in thousandths, where there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BandMeans {
    /// Of the family in the region.
    pub family_in_region: Option<u32>,
    /// Of the family in all regions.
    pub family: Option<u32>,
    /// Of all types of the region.
    pub all_types: Option<u32>,
}

/// What a risk model may know of a pool.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PoolFacts {
    /// Region.
    pub region: Region,
    /// Instance type.
    pub instance_type: InstanceType,
    /// Zone.
    pub zone: Option<ZoneId>,
    /// The advisor's band, and its age in days.
    pub band: Option<(InterruptionBand, u32)>,
    /// Means to fall back on.
    pub means: BandMeans,
    /// Day of the band, or of the oldest band in the means.
    pub band_as_of: Option<NaiveDate>,
    /// Events with their age in hours, the latest first.
    pub events: Vec<(PoolEventKind, f64)>,
    /// Hours since the oldest of our running instances in the pool was launched.
    pub up_hours: f64,
}

impl PoolFacts {
    /// A pool of which nothing else is known.
    pub fn new(region: Region, instance_type: InstanceType, zone: Option<ZoneId>) -> Self {
        Self {
            region,
            instance_type,
            zone,
            band: None,
            means: BandMeans::default(),
            band_as_of: None,
            events: Vec::new(),
            up_hours: 0.0,
        }
    }
}

/// Estimates how often a pool is interrupted. Pure: the same facts give the
/// same estimate.
pub trait RiskModel: fmt::Debug + Send + Sync {
    /// A name for reports.
    fn name(&self) -> &str;

    /// Interruptions of the pool per hour, in millionths. A pool counts as one
    /// coin, not as its nodes: nodes of a pool go together.
    fn hazard_per_hour_ppm(&self, pool: &PoolFacts) -> Estimate;

    /// What the estimate is made of; `None` for a model that does not say.
    fn factors(&self, pool: &PoolFacts) -> Option<RiskFactors> {
        let _ = pool;
        None
    }
}

/// The Day-Zero model: the Spot Advisor's band as a weak prior, own
/// observations on top, and the age since the pool's last event.
///
/// - Prior: the band's share `f` of a month gives `λ0 = -ln(1-f) / 730` an
///   hour, which weighs `m0` = 24 pool-hours; a band older than 30 days loses
///   half its weight every 30 days. Without a band: the family in the region,
///   the family, all types, the worst band. Never zero.
/// - Own observations: `λ = (λ0·m0 + e) / (m0 + u)`, with events `e` and hours
///   up `u`, both halved every 7 days.
/// - State: for 14 days after an event the hazard is at least that of a Lomax
///   law, `λ = a·ln((b+A+24)/(b+A)) / 24` at age `A` hours, `a` = 1.1, `b` =
///   0.8 h, fitted on availability traces of nine scarce pools (February 2023).
///
/// | pool | interruptions an hour, millionths |
/// | --- | --- |
/// | band 0, no events | 35 |
/// | band 4, no events | 489 |
/// | interrupted 6 h ago | 69,235 |
/// | interrupted 7 days ago | 6,093 |
///
/// Not calibrated: no public data join bands with interruptions. Read as a
/// hazard, bands lie orders of magnitude below what traces of scarce pools
/// show, so the interval matters more than the value.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdvisorPrior;

/// Shares of the bands: the middle, and 30 % for the open-ended one.
const SHARES: [f64; 5] = [0.025, 0.08, 0.135, 0.19, 0.30];
/// Upper end of the open-ended band, which has none: twice its value.
const OPEN_END: f64 = 0.60;
const HOURS: f64 = 730.0;
const HALF_LIFE_HOURS: f64 = 168.0;
const PRIOR_HOURS: f64 = 24.0;
const FRESH_DAYS: f64 = 30.0;
const STATE_HOURS: f64 = 336.0;
const LOMAX_A: f64 = 1.1;
const LOMAX_B: f64 = 0.8;

fn hazard(share: f64) -> f64 {
    -(1.0 - share.clamp(0.0, 0.99)).ln() / HOURS
}

fn ppm(hazard: f64) -> u64 {
    let scaled = (hazard * 1e6).round();
    if scaled.is_finite() && scaled > 0.0 {
        scaled.min(1e12) as u64
    } else {
        0
    }
}

impl AdvisorPrior {
    /// Share of a month, its interval, weight in hours, and basis.
    fn prior(pool: &PoolFacts) -> (f64, f64, f64, f64, RiskBasis) {
        if let Some((band, age_days)) = pool.band {
            let share = SHARES
                .get(usize::from(band.index))
                .copied()
                .unwrap_or(SHARES[4]);
            let days_over = (f64::from(age_days) - FRESH_DAYS).max(0.0);
            // Never below an hour: a stale band still beats nothing.
            let weight = (PRIOR_HOURS * 0.5_f64.powf(days_over / FRESH_DAYS)).max(1.0);
            if days_over > 0.0 {
                return (share, 0.0, OPEN_END, weight, RiskBasis::StaleAdvisorBand);
            }
            let low = f64::from(band.low_percent) / 100.0;
            let high = band.high_percent.map_or(OPEN_END, |p| f64::from(p) / 100.0);
            return (share, low, high, weight, RiskBasis::AdvisorBand);
        }
        let means = [
            (pool.means.family_in_region, RiskBasis::FamilyInRegion),
            (pool.means.family, RiskBasis::Family),
            (pool.means.all_types, RiskBasis::AllTypes),
        ];
        let (share, basis) = means
            .into_iter()
            .find_map(|(mean, basis)| Some((f64::from(mean?) / 1000.0, basis)))
            .unwrap_or((SHARES[4], RiskBasis::WorstBand));
        (share, 0.0, OPEN_END, PRIOR_HOURS, basis)
    }
}

/// Events, halved every 7 days, and hours up, likewise.
fn observed(pool: &PoolFacts) -> (f64, f64) {
    let events: f64 = pool
        .events
        .iter()
        .map(|(_, age)| 0.5_f64.powf(age.max(0.0) / HALF_LIFE_HOURS))
        .sum();
    let up = HALF_LIFE_HOURS / std::f64::consts::LN_2
        * (1.0 - 0.5_f64.powf(pool.up_hours.max(0.0) / HALF_LIFE_HOURS));
    (events, up)
}

/// Hours since the latest event; infinite without any.
fn latest(pool: &PoolFacts) -> f64 {
    let ages = pool.events.iter().map(|(_, age)| age.max(0.0));
    ages.fold(f64::INFINITY, f64::min)
}

/// Mean hazard of the next hours at an age since the last event.
fn state(age: f64, hours: f64) -> f64 {
    LOMAX_A * ((LOMAX_B + age + hours) / (LOMAX_B + age)).ln() / hours
}

impl RiskModel for AdvisorPrior {
    fn name(&self) -> &str {
        "advisor_prior"
    }

    fn factors(&self, pool: &PoolFacts) -> Option<RiskFactors> {
        let (share, _, _, weight, _) = Self::prior(pool);
        let (events, up) = observed(pool);
        let latest = latest(pool);
        let recent = latest < STATE_HOURS;
        Some(RiskFactors {
            prior_ppm: ppm(hazard(share)),
            prior_hours: weight.round() as u32,
            observed_ppm: ppm((hazard(share) * weight + events) / (weight + up)),
            events: u32::try_from(pool.events.len()).unwrap_or(u32::MAX),
            up_hours: pool.up_hours.max(0.0) as u32,
            state_ppm: recent.then(|| ppm(state(latest, 24.0))),
            state_1h_milli: recent.then(|| risk_milli(ppm(state(latest, 1.0)), 1)),
            last_event_hours: latest.is_finite().then_some(latest as u32),
        })
    }

    fn hazard_per_hour_ppm(&self, pool: &PoolFacts) -> Estimate {
        let (share, low, high, weight, mut basis) = Self::prior(pool);
        let (events, up) = observed(pool);
        let posterior = |prior: f64| (prior * weight + events) / (weight + up);
        let mut value = posterior(hazard(share));
        let latest = latest(pool);
        if latest < STATE_HOURS {
            value = value.max(state(latest, 24.0));
            basis = RiskBasis::Observed;
        }
        let value = ppm(value).max(1);
        Estimate {
            value,
            low: ppm(posterior(hazard(low))).min(value),
            high: ppm(posterior(hazard(high))).max(value),
            basis,
        }
    }
}

/// Share of a band in thousandths, for means.
pub(super) fn band_share_milli(band: InterruptionBand) -> u32 {
    [25, 80, 135, 190, 300]
        .get(usize::from(band.index))
        .copied()
        .unwrap_or(300)
}

/// `P(at least one interruption in so many hours)` in thousandths, of a hazard
/// an hour in millionths. Rounded up: a small risk is not none.
pub(super) fn risk_milli(hazard_ppm: u64, hours: u32) -> u32 {
    let p = -(-(hazard_ppm as f64) * f64::from(hours) / 1e6).exp_m1();
    (p * 1000.0).ceil().clamp(0.0, 1000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(band: Option<u8>, age_days: u32) -> PoolFacts {
        let mut facts = PoolFacts::new("r".into(), "m6i.large".into(), None);
        facts.band = band
            .and_then(InterruptionBand::from_index)
            .map(|b| (b, age_days));
        facts
    }

    fn of(facts: &PoolFacts) -> Estimate {
        AdvisorPrior.hazard_per_hour_ppm(facts)
    }

    #[test]
    fn the_table_of_the_documentation_holds() {
        assert_eq!(of(&pool(Some(0), 1)).value, 35);
        assert_eq!(of(&pool(Some(4), 1)).value, 489);
        let mut hit = pool(Some(0), 1);
        hit.events = vec![(PoolEventKind::InterruptionNotice, 6.0)];
        hit.up_hours = 10_000.0;
        assert_eq!(of(&hit).value, 69_235);
        hit.events = vec![(PoolEventKind::InterruptionNotice, 168.0)];
        assert_eq!(of(&hit).value, 6_093);
    }

    #[test]
    fn the_factors_add_up_to_the_estimate() {
        let mut facts = pool(Some(4), 1);
        facts.up_hours = 40.0;
        let quiet = AdvisorPrior.factors(&facts).unwrap();
        assert_eq!((quiet.prior_ppm, quiet.prior_hours), (489, 24));
        assert_eq!(
            (quiet.events, quiet.up_hours, quiet.state_ppm),
            (0, 40, None)
        );
        assert_eq!(of(&facts).value, quiet.observed_ppm);
        facts.events = vec![(PoolEventKind::InterruptionNotice, 0.0)];
        let hit = AdvisorPrior.factors(&facts).unwrap();
        assert_eq!((hit.events, hit.last_event_hours), (1, Some(0)));
        assert_eq!(of(&facts).value, hit.state_ppm.unwrap());
        // 1 - (0.8 / 1.8)^1.1: the fit says 0.60 for the first hour.
        assert_eq!(hit.state_1h_milli, Some(591));
    }

    #[test]
    fn a_hazard_is_never_shown_as_no_risk() {
        assert_eq!(risk_milli(0, 24), 0);
        for hazard_ppm in [1, 35, 499, 1_000] {
            assert_eq!(risk_milli(hazard_ppm, 1), 1, "{hazard_ppm}");
        }
        assert_eq!(risk_milli(35, 24), 1);
        assert_eq!(risk_milli(1_001, 1), 2);
        assert_eq!(risk_milli(u64::MAX, 24), 1000);
    }

    #[test]
    fn a_missing_band_is_never_the_lowest_risk_and_never_zero() {
        let missing = of(&pool(None, 0));
        assert_eq!(missing.value, of(&pool(Some(4), 1)).value);
        assert_eq!(missing.basis, RiskBasis::WorstBand);
        let mut family = pool(None, 0);
        family.means.family_in_region = Some(120);
        assert_eq!(of(&family).basis, RiskBasis::FamilyInRegion);
        assert!(of(&family).value > of(&pool(Some(1), 1)).value);
        let mut quiet = pool(Some(0), 1);
        quiet.up_hours = 1e9;
        assert!(of(&quiet).value >= 1);
    }

    #[test]
    fn an_old_band_keeps_its_value_and_widens_its_interval() {
        let (fresh, old) = (of(&pool(Some(1), 10)), of(&pool(Some(1), 500)));
        assert_eq!(fresh.value, old.value);
        assert!(old.low < fresh.low && old.high > fresh.high);
    }

    #[test]
    fn hours_without_a_loss_lower_the_hazard_and_events_raise_it() {
        let mut facts = pool(Some(4), 1);
        let before = of(&facts).value;
        facts.up_hours = 200.0;
        let quiet = of(&facts).value;
        facts.events = vec![(PoolEventKind::InsufficientCapacity, 400.0)];
        assert!(quiet < before && of(&facts).value > quiet);
    }
}
