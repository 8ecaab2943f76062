//! Tables that go over a catalogue, each row with its source.

use super::error::CatalogError;
use super::figure::{Basis, Benchmark, EbsPrice, InterruptionBand, ServicePrice, TransferPrice};
use super::instance::InstanceTypeInfo;
use crate::model::{MicroUsdPerHour, Region, ZoneId};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Where figures are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Source {
    /// What it is, such as `AWS price list`.
    pub name: String,
    /// Where it can be found: a repository and commit, an address, a file.
    pub origin: String,
    /// The day for which its figures held.
    pub as_of: NaiveDate,
    /// How its figures are known.
    pub basis: Basis,
}

impl Source {
    /// A source of listed figures.
    pub fn new(name: impl Into<String>, as_of: NaiveDate) -> Self {
        Self {
            name: name.into(),
            origin: String::new(),
            as_of,
            basis: Basis::Listed,
        }
    }

    /// Sets how its figures are known.
    #[must_use]
    pub const fn with_basis(mut self, basis: Basis) -> Self {
        self.basis = basis;
        self
    }

    /// Sets where it can be found.
    #[must_use]
    pub fn with_origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into();
        self
    }
}

/// The system that an instance runs, where its price depends on it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperatingSystem {
    /// Linux without licence costs.
    #[default]
    Linux,
    /// Windows Server, its licence included.
    Windows,
}

/// What a [`RegionInfo`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RegionKind {
    /// A region.
    Region,
    /// Local zones of a city, which the spot price document lists beside the
    /// regions (`us-east-1-atl-1`).
    LocalZoneGroup,
}

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegionInfo {
    /// The name, such as `us-east-1`.
    pub name: Region,
    /// `aws`, `aws-us-gov`, `aws-cn`, …
    pub partition: String,
    /// AWS's name for people, such as `US East (N. Virginia)`.
    pub description: String,
    /// What it is.
    pub kind: RegionKind,
    /// Its zones in the order of their ids; empty when they are not known.
    pub zones: Vec<ZoneId>,
}

/// What the Spot Advisor says of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpotAdvice {
    /// How much of the capacity was reclaimed.
    pub band: InterruptionBand,
    /// Whole percent off on-demand, a 30-day mean over the zones; below zero
    /// where spot was the dearer.
    pub savings_percent: i16,
}

#[derive(Debug, Clone)]
pub(super) enum Row {
    Region(RegionInfo),
    Type(Box<InstanceTypeInfo>),
    Offering(Region, String, Vec<ZoneId>),
    OnDemand(Region, String, MicroUsdPerHour),
    Spot(
        Region,
        String,
        Option<ZoneId>,
        OperatingSystem,
        MicroUsdPerHour,
    ),
    Advice(Region, String, OperatingSystem, SpotAdvice),
    Ebs(Region, String, EbsPrice),
    Transfer(Region, TransferPrice),
    Service(Option<Region>, String, ServicePrice),
    Benchmark(String, Benchmark),
}

/// Rows of any kind that [`Catalog::overlay`](super::Catalog::overlay) puts
/// over what a catalogue has, each under the source named before it.
///
/// ```
/// use cloudoptim_core::catalog::{Basis, Catalog, Source, Table};
/// use cloudoptim_core::model::MicroUsdPerHour;
///
/// let today = "2026-11-23".parse()?;
/// let mut table = Table::new(Source::new("contract", today));
/// table.on_demand("us-east-1", "m6i.large", MicroUsdPerHour(71_000))?;
///
/// let mut catalog = Catalog::empty();
/// catalog.overlay(table);
/// let price = catalog.on_demand("us-east-1", "m6i.large").expect("just put there");
/// assert_eq!(price.to_string(), "$0.071/h (listed, 2026-11-23)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) sources: Vec<Source>,
    pub(super) rows: Vec<(usize, Row)>,
}

impl Table {
    /// An empty table whose rows are from `source`.
    pub fn new(source: Source) -> Self {
        Self {
            sources: vec![source],
            rows: Vec::new(),
        }
    }

    /// Says that the rows to come are from another source.
    pub fn source(&mut self, source: Source) -> &mut Self {
        // The current source is the last: an equal one is moved to the end.
        if self.sources.last() != Some(&source) {
            self.sources.push(source);
        }
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a region.
    pub fn region(&mut self, info: RegionInfo) -> &mut Self {
        self.push(Row::Region(info))
    }

    /// Adds an instance type.
    pub fn instance_type(&mut self, info: InstanceTypeInfo) -> &mut Self {
        self.push(Row::Type(Box::new(info)))
    }

    /// Says in which zones of a region a type is offered, in place of what
    /// was known of it there.
    pub fn offering(
        &mut self,
        region: impl Into<Region>,
        instance_type: &str,
        mut zones: Vec<ZoneId>,
    ) -> &mut Self {
        zones.sort();
        zones.dedup();
        self.push(Row::Offering(region.into(), instance_type.into(), zones))
    }

    /// Adds an on-demand price: Linux, shared tenancy.
    ///
    /// # Errors
    /// [`CatalogError::NotAPrice`] at zero or below.
    pub fn on_demand(
        &mut self,
        region: impl Into<Region>,
        instance_type: &str,
        price: MicroUsdPerHour,
    ) -> Result<&mut Self, CatalogError> {
        check(price, instance_type)?;
        Ok(self.push(Row::OnDemand(region.into(), instance_type.into(), price)))
    }

    /// Adds a spot price, of one zone or of the region as a whole.
    ///
    /// # Errors
    /// [`CatalogError::NotAPrice`] at zero or below.
    pub fn spot(
        &mut self,
        region: impl Into<Region>,
        instance_type: &str,
        zone: Option<ZoneId>,
        os: OperatingSystem,
        price: MicroUsdPerHour,
    ) -> Result<&mut Self, CatalogError> {
        check(price, instance_type)?;
        let row = Row::Spot(region.into(), instance_type.into(), zone, os, price);
        Ok(self.push(row))
    }

    /// Adds what the Spot Advisor says of a pool.
    pub fn advice(
        &mut self,
        region: impl Into<Region>,
        instance_type: &str,
        os: OperatingSystem,
        advice: SpotAdvice,
    ) -> &mut Self {
        self.push(Row::Advice(region.into(), instance_type.into(), os, advice))
    }

    /// Adds the price of a type of EBS volume, whose figures keep the dates
    /// and bases that they have.
    pub fn ebs(
        &mut self,
        region: impl Into<Region>,
        volume_type: &str,
        price: EbsPrice,
    ) -> &mut Self {
        self.push(Row::Ebs(region.into(), volume_type.into(), price))
    }

    /// Adds a region's transfer prices.
    pub fn transfer(&mut self, region: impl Into<Region>, price: TransferPrice) -> &mut Self {
        self.push(Row::Transfer(region.into(), price))
    }

    /// Adds the price of a service, of one region or of all of the `aws`
    /// partition.
    ///
    /// # Errors
    /// [`CatalogError::NotAPrice`] at zero or below.
    pub fn service(
        &mut self,
        region: Option<Region>,
        item: &str,
        price: ServicePrice,
    ) -> Result<&mut Self, CatalogError> {
        check(MicroUsdPerHour(price.price.0), item)?;
        Ok(self.push(Row::Service(region, item.into(), price)))
    }

    /// Adds the measured speed of a type.
    pub fn benchmark(&mut self, instance_type: &str, benchmark: Benchmark) -> &mut Self {
        self.push(Row::Benchmark(instance_type.into(), benchmark))
    }

    fn push(&mut self, row: Row) -> &mut Self {
        self.rows.push((self.sources.len() - 1, row));
        self
    }
}

fn check(price: MicroUsdPerHour, what: &str) -> Result<(), CatalogError> {
    if price.0 <= 0 {
        return Err(CatalogError::NotAPrice {
            what: what.to_owned(),
            price: price.0,
        });
    }
    Ok(())
}
