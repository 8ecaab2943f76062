//! What the catalogue answers with: a value, its date, and how it is known.

use crate::model::{MicroUsd, MicroUsdPerMonth};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a figure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Published or measured as it stands.
    Listed,
    /// Computed from listed figures by a rule that holds wherever it could be checked.
    Derived,
    /// Computed from similar figures; never to be shown as a list price.
    Estimated,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listed => "listed",
            Self::Derived => "derived",
            Self::Estimated => "estimated",
        })
    }
}

/// A value with its date and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Figure<T> {
    /// The value.
    pub value: T,
    /// The day for which the value held.
    pub as_of: NaiveDate,
    /// How it is known.
    pub basis: Basis,
}

impl<T> Figure<T> {
    /// A figure.
    pub const fn new(value: T, as_of: NaiveDate, basis: Basis) -> Self {
        Self {
            value,
            as_of,
            basis,
        }
    }

    /// The same date and basis with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Figure<U> {
        Figure {
            value: f(self.value),
            as_of: self.as_of,
            basis: self.basis,
        }
    }

    /// A value computed from two figures: it has the older date and the weaker
    /// basis of both.
    pub fn with<U, V>(self, other: Figure<U>, f: impl FnOnce(T, U) -> V) -> Figure<V> {
        Figure {
            value: f(self.value, other.value),
            as_of: self.as_of.min(other.as_of),
            basis: self.basis.max(other.basis),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Figure<T> {
    /// `$0.096/h (listed, 2026-07-20)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.value, self.basis, self.as_of)
    }
}

/// How much of a pool's capacity was reclaimed in the trailing month, as the
/// Spot Advisor groups it.
///
/// | index | share |
/// | --- | --- |
/// | 0 | below 5 % |
/// | 1 | 5 to 10 % |
/// | 2 | 10 to 15 % |
/// | 3 | 15 to 20 % |
/// | 4 | above 20 %, open-ended |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "RawBand")]
#[non_exhaustive]
pub struct InterruptionBand {
    /// 0 to 4, the calmest first.
    pub index: u8,
    /// The share at the lower end, in percent.
    pub low_percent: u8,
    /// The share at the upper end, in percent; none for the open-ended band.
    pub high_percent: Option<u8>,
}

/// What is read of a band: the percentages follow from the index.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct RawBand {
    /// 0 to 4, the calmest first.
    index: u8,
}

impl TryFrom<RawBand> for InterruptionBand {
    type Error = String;

    fn try_from(raw: RawBand) -> Result<Self, String> {
        Self::from_index(raw.index)
            .ok_or_else(|| format!("interruption band must be 0 to 4, got {}", raw.index))
    }
}

impl InterruptionBand {
    /// The band with this index; `None` above 4.
    pub const fn from_index(index: u8) -> Option<Self> {
        let (low_percent, high_percent) = match index {
            0 => (0, Some(5)),
            1 => (5, Some(10)),
            2 => (10, Some(15)),
            3 => (15, Some(20)),
            4 => (20, None),
            _ => return None,
        };
        Some(Self {
            index,
            low_percent,
            high_percent,
        })
    }
}

impl fmt::Display for InterruptionBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.low_percent, self.high_percent) {
            (0, Some(high)) => write!(f, "<{high}%"),
            (low, Some(high)) => write!(f, "{low}-{high}%"),
            (low, None) => write!(f, ">{low}%"),
        }
    }
}

/// What a type of EBS volume costs in a region. A "GB" of AWS's price list is
/// a GiB, its "MB/s" a MiB/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EbsPrice {
    /// Storage, per GiB and month.
    pub per_gib_month: Figure<MicroUsdPerMonth>,
    /// Per provisioned IOPS above `iops_included` and month; none where IOPS
    /// are not provisioned.
    pub per_iops_month: Option<Figure<MicroUsdPerMonth>>,
    /// IOPS that come with the volume (gp3: 3000).
    pub iops_included: u32,
    /// io2: each IOPS from 32,001 to 64,000.
    pub per_iops_month_32k_64k: Option<Figure<MicroUsdPerMonth>>,
    /// io2: each IOPS above 64,000.
    pub per_iops_month_over_64k: Option<Figure<MicroUsdPerMonth>>,
    /// Per provisioned MiB/s above `mibps_included` and month; none where
    /// throughput is not provisioned.
    pub per_mibps_month: Option<Figure<MicroUsdPerMonth>>,
    /// Throughput that comes with the volume, in MiB/s (gp3: 125).
    pub mibps_included: u32,
    /// A snapshot of such a volume, per stored GiB and month. Snapshots are
    /// incremental, so volume size × this is an upper bound.
    pub snapshot_per_gib_month: Option<Figure<MicroUsdPerMonth>>,
}

impl EbsPrice {
    /// A price for storage only.
    pub const fn new(per_gib_month: Figure<MicroUsdPerMonth>) -> Self {
        Self {
            per_gib_month,
            per_iops_month: None,
            iops_included: 0,
            per_iops_month_32k_64k: None,
            per_iops_month_over_64k: None,
            per_mibps_month: None,
            mibps_included: 0,
            snapshot_per_gib_month: None,
        }
    }

    /// What a volume costs a month: storage, and what is provisioned beyond
    /// that which comes with it. Has the date and the basis of the weakest
    /// price that it is made of.
    ///
    /// Give `iops` and `mibps` as EC2 reports them; a type for which they are
    /// not sold (gp2, st1) ignores them.
    ///
    /// gp3 in us-east-1 with 500 GiB, 4,000 IOPS and 250 MiB/s:
    /// 500 × $0.08 + 1,000 × $0.005 + 125 × $0.04 = $50.00.
    pub fn per_month(
        &self,
        gib: u64,
        iops: Option<u32>,
        mibps: Option<u32>,
    ) -> Figure<MicroUsdPerMonth> {
        let times = |price: Figure<MicroUsdPerMonth>, count: u64| {
            price.map(|p| p.times(i64::try_from(count).unwrap_or(i64::MAX)))
        };
        let mut total = times(self.per_gib_month, gib);
        let mut add = |price: Option<Figure<MicroUsdPerMonth>>, count: u32| {
            if let (Some(price), 1..) = (price, count) {
                total = total.with(times(price, u64::from(count)), |a, b| a + b);
            }
        };
        let iops = iops.unwrap_or(0);
        let first_tier = match self.per_iops_month_32k_64k {
            Some(_) => iops.min(32_000),
            None => iops,
        };
        let second_tier = match self.per_iops_month_over_64k {
            Some(_) => iops.min(64_000),
            None => iops,
        };
        add(
            self.per_iops_month,
            first_tier.saturating_sub(self.iops_included),
        );
        add(
            self.per_iops_month_32k_64k,
            second_tier.saturating_sub(32_000),
        );
        add(self.per_iops_month_over_64k, iops.saturating_sub(64_000));
        add(
            self.per_mibps_month,
            mibps.unwrap_or(0).saturating_sub(self.mibps_included),
        );
        total
    }
}

/// What it costs to move data out of a zone of a region, per GB (10^9 bytes).
/// Traffic in one zone over private addresses is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TransferPrice {
    /// To another zone of the region, charged once on each side: a GB that
    /// crosses costs twice this, see [`cross_zone_per_gb`](Self::cross_zone_per_gb).
    pub cross_zone_each_way_per_gb: MicroUsd,
    /// To another region.
    pub inter_region_per_gb: Option<MicroUsd>,
    /// Between us-east-1 and us-east-2, which is cheaper.
    pub us_east_pair_per_gb: Option<MicroUsd>,
    /// To the internet, the first 10 TB of a month.
    pub internet_first_10tb_per_gb: Option<MicroUsd>,
    /// To the internet, the next 40 TB.
    pub internet_next_40tb_per_gb: Option<MicroUsd>,
    /// To the internet, the next 100 TB.
    pub internet_next_100tb_per_gb: Option<MicroUsd>,
    /// To the internet, above 150 TB.
    pub internet_over_150tb_per_gb: Option<MicroUsd>,
}

impl TransferPrice {
    /// Prices of which only the one between zones is known.
    pub const fn new(cross_zone_each_way_per_gb: MicroUsd) -> Self {
        Self {
            cross_zone_each_way_per_gb,
            inter_region_per_gb: None,
            us_east_pair_per_gb: None,
            internet_first_10tb_per_gb: None,
            internet_next_40tb_per_gb: None,
            internet_next_100tb_per_gb: None,
            internet_over_150tb_per_gb: None,
        }
    }

    /// What a GB that crosses a zone's border costs in all: both sides pay.
    pub const fn cross_zone_per_gb(&self) -> MicroUsd {
        self.cross_zone_each_way_per_gb.times(2)
    }
}

/// What a service price is per.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceUnit {
    /// An hour.
    Hour,
    /// A GB processed.
    Gb,
    /// A GiB kept for a month of 730 hours.
    GibMonth,
    /// A million requests.
    MillionRequests,
}

/// What a service costs per [`ServiceUnit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServicePrice {
    /// The price of one unit.
    pub price: MicroUsd,
    /// The unit.
    pub per: ServiceUnit,
}

/// Measured speed of an instance type; one run per type, so differences under
/// about 5 % are noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Benchmark {
    /// CoreMark iterations per second on all threads of the instance.
    pub coremark_per_second: u64,
    /// Frames per second of one ffmpeg transcode, in thousandths.
    pub ffmpeg_milli_fps: Option<u32>,
    /// Memory that Linux reports, in MiB.
    pub os_visible_memory_mib: Option<u64>,
    /// Threads that ran.
    pub threads: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn listed(micro: i64) -> Figure<MicroUsdPerMonth> {
        Figure::new(MicroUsdPerMonth(micro), date("2025-01-01"), Basis::Listed)
    }

    #[test]
    fn a_computed_figure_has_the_older_date_and_the_weaker_basis() {
        let old_estimate = Figure::new(3, date("2021-07-14"), Basis::Estimated);
        let fresh = Figure::new(2, date("2026-01-19"), Basis::Listed);
        let both = fresh.with(old_estimate, |a, b| a * b);
        assert_eq!(both, Figure::new(6, date("2021-07-14"), Basis::Estimated));
    }

    #[test]
    fn a_volume_pays_only_for_what_is_beyond_the_included() {
        let mut gp3 = EbsPrice::new(listed(80_000));
        gp3.per_iops_month = Some(listed(5_000));
        gp3.iops_included = 3_000;
        gp3.per_mibps_month = Some(listed(40_000));
        gp3.mibps_included = 125;
        let cost = |iops, mibps| gp3.per_month(500, iops, mibps).value.to_string();
        assert_eq!(cost(Some(3_000), Some(125)), "$40.00/mo");
        assert_eq!(cost(Some(4_000), Some(250)), "$50.00/mo");
        assert_eq!(cost(None, None), "$40.00/mo");
    }

    #[test]
    fn io2_iops_are_cheaper_in_the_upper_tiers() {
        let mut io2 = EbsPrice::new(listed(0));
        io2.per_iops_month = Some(listed(65_000));
        io2.per_iops_month_32k_64k = Some(listed(45_500));
        io2.per_iops_month_over_64k = Some(listed(31_850));
        // 32,000 × 0.065 + 32,000 × 0.0455 + 1,000 × 0.03185
        let cost = io2.per_month(100, Some(65_000), None);
        assert_eq!(cost.value.to_string(), "$3567.85/mo");
        assert_eq!(io2.per_month(100, Some(100), None).value.0, 6_500_000);
    }

    #[test]
    fn a_weak_price_weakens_the_sum_only_when_it_is_used() {
        let mut gp3 = EbsPrice::new(listed(80_000));
        gp3.mibps_included = 125;
        gp3.per_mibps_month = Some(Figure::new(
            MicroUsdPerMonth(40_000),
            date("2021-07-14"),
            Basis::Derived,
        ));
        assert_eq!(gp3.per_month(1, None, Some(125)).basis, Basis::Listed);
        assert_eq!(gp3.per_month(1, None, Some(126)).basis, Basis::Derived);
    }

    #[test]
    fn bands_print_their_share_and_the_last_is_open() {
        let text = |i| InterruptionBand::from_index(i).map(|b| b.to_string());
        assert_eq!(text(0).as_deref(), Some("<5%"));
        assert_eq!(text(2).as_deref(), Some("10-15%"));
        assert_eq!(text(4).as_deref(), Some(">20%"));
        assert_eq!(text(5), None);
        let json = serde_json::to_string(&InterruptionBand::from_index(3)).unwrap();
        assert_eq!(json, r#"{"index":3,"low_percent":15,"high_percent":20}"#);
        let band: InterruptionBand = serde_json::from_str(&json).unwrap();
        assert_eq!(Some(band), InterruptionBand::from_index(3));
        assert!(serde_json::from_str::<InterruptionBand>(r#"{"index":9}"#).is_err());
    }
}
