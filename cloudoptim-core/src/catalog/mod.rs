//! The Day-Zero catalogue: what instance types, volumes and traffic cost and
//! how often spot is reclaimed, before a single live call is made.
//!
//! [`Catalog::embedded`] (feature `catalog`) holds AWS's public figures with
//! the date and the source of each. They are list prices of a day gone by;
//! [`Catalog::overlay`] puts newer ones over them, figure by figure.
//!
//! Every figure says `as_of` and [`Basis`]. One that is not there is `None`:
//! never zero, and for the Spot Advisor never "below 5 %".
//!
//! | table | embedded rows | as of |
//! | --- | --- | --- |
//! | instance types | 1,415 | 2026-10-27 (1,395), 2026-05, 2025-02 |
//! | offerings by zone id | 21,255 | 2026-10-27 |
//! | on-demand prices, Linux | 22,834 | 2026-07-20 (us-east-1, GovCloud), 2026-03-15 |
//! | spot prices by region, Linux and Windows | 18,190 | 2026-01-19 |
//! | Spot Advisor, Linux and Windows | 25,323 | 2025-06-28 |
//! | EBS prices | 224 | 2021-07-14, spot-checked up to 2026 |
//! | transfer prices | 28 | 2024-09-25 |
//! | service prices | 7 | each its own |
//! | CoreMark and ffmpeg runs | 1,093 | 2025-12-10 to 2026-07-01 |
//! | regions and zones | 47 | 2026 |
//!
//! The packed file is made by the example `pack_catalog` from CSV tables.

mod capacity;
mod codec;
mod error;
mod figure;
mod grid;
mod instance;
mod packed;
mod prices;
mod rows;
mod table;

pub use capacity::{NodeOverheads, OverheadsError, allocatable_for};
pub use error::CatalogError;
pub use figure::{
    Basis, Benchmark, EbsPrice, Figure, InterruptionBand, ServicePrice, ServiceUnit, TransferPrice,
};
pub use instance::{Architecture, Hypervisor, InstanceTypeInfo, LocalStorage};
pub use table::{OperatingSystem, RegionInfo, RegionKind, Source, SpotAdvice, Table};

use crate::model::{CapacityType, InstanceType, MicroUsd, MicroUsdPerHour, Region, ZoneId};
use grid::{Cell, Grid, Names, SourceId};
use std::collections::BTreeMap;
use std::fmt;
use table::Row;

/// Which of the catalogue's tables a figure is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TableKind {
    /// Instance types; the region is ignored.
    InstanceTypes,
    /// Zones that offer a type.
    Offerings,
    /// On-demand prices.
    OnDemand,
    /// Regional spot prices, Linux.
    Spot,
    /// Spot Advisor, Linux.
    Interruption,
    /// EBS prices, by volume type.
    Ebs,
    /// Transfer prices; the name is ignored.
    Transfer,
    /// Service prices, by item.
    Services,
    /// Measured speed; the region is ignored.
    Benchmarks,
    /// Regions; the name is ignored.
    Regions,
}

/// The spot price of one zone.
#[derive(Debug, Clone, Copy)]
struct ZonalPrice {
    /// The zone's number among `zone_names`.
    zone: usize,
    cell: Cell<i64>,
}

/// The catalogue. See the [module's documentation](self).
#[derive(Clone, Default)]
pub struct Catalog {
    sources: Vec<Source>,
    region_names: Names,
    type_names: Names,
    regions: Vec<Option<Cell<RegionInfo>>>,
    types: Vec<Option<Cell<InstanceTypeInfo>>>,
    types_by_name: Vec<usize>,
    regions_by_name: Vec<usize>,
    zone_sets: Vec<Vec<ZoneId>>,
    zone_set_ids: BTreeMap<Vec<ZoneId>, u32>,
    offerings: Grid<u32>,
    on_demand: Grid<i64>,
    spot: [Grid<i64>; 2],
    zone_names: Names,
    zonal_spot: [Grid<Vec<ZonalPrice>>; 2],
    advice: [Grid<SpotAdvice>; 2],
    ebs: BTreeMap<usize, BTreeMap<String, Cell<EbsPrice>>>,
    transfer: BTreeMap<usize, Cell<TransferPrice>>,
    services: BTreeMap<String, BTreeMap<Option<Region>, Cell<ServicePrice>>>,
    benchmarks: Vec<Option<Cell<Benchmark>>>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("regions", &self.regions_by_name.len())
            .field("instance_types", &self.types_by_name.len())
            .field("offerings", &self.offerings.len())
            .field("on_demand", &self.on_demand.len())
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}

const fn os_index(os: OperatingSystem) -> usize {
    match os {
        OperatingSystem::Linux => 0,
        OperatingSystem::Windows => 1,
    }
}

impl Catalog {
    /// A catalogue that knows nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The instance type of this name.
    pub fn instance_type(&self, name: &str) -> Option<&InstanceTypeInfo> {
        self.type_cell(name).map(|cell| &cell.value)
    }

    /// The instance type of this name, with its date and basis.
    pub fn instance_type_figure(&self, name: &str) -> Option<Figure<&InstanceTypeInfo>> {
        let cell = self.type_cell(name)?;
        self.figure(&cell.value, cell.source)
    }

    fn type_cell(&self, name: &str) -> Option<&Cell<InstanceTypeInfo>> {
        self.types.get(self.type_names.get(name)?)?.as_ref()
    }

    /// Every instance type, in the order of the names; retired types too.
    pub fn instance_types(&self) -> impl Iterator<Item = &InstanceTypeInfo> {
        self.types_by_name
            .iter()
            .filter_map(|id| self.types.get(*id)?.as_ref())
            .map(|cell| &cell.value)
    }

    /// Every region and group of local zones, in the order of the names.
    pub fn regions(&self) -> impl Iterator<Item = &RegionInfo> {
        self.regions_by_name
            .iter()
            .filter_map(|id| self.regions.get(*id)?.as_ref())
            .map(|cell| &cell.value)
    }

    /// The region of this name.
    pub fn region(&self, name: &str) -> Option<&RegionInfo> {
        let cell = self.regions.get(self.region_names.get(name)?)?.as_ref()?;
        Some(&cell.value)
    }

    /// A region's zones in the order of their ids; empty when they are not known.
    pub fn zones(&self, region: &str) -> &[ZoneId] {
        self.region(region).map_or(&[], |info| &info.zones)
    }

    /// The zones of a region in which a type is offered, in the order of
    /// their ids.
    ///
    /// Empty when it is not offered there, and also when nothing is known of
    /// the region: ask [`offerings_known`](Self::offerings_known).
    pub fn offered_in(&self, region: &Region, instance_type: &InstanceType) -> Vec<&ZoneId> {
        self.ids(region.as_str(), instance_type.as_str())
            .and_then(|(r, t)| self.offered(r, t))
            .map(|zones| zones.iter().collect())
            .unwrap_or_default()
    }

    fn offered(&self, region: usize, instance_type: usize) -> Option<&[ZoneId]> {
        let cell = self.offerings.get(region, instance_type)?;
        self.zone_sets.get(cell.value as usize).map(Vec::as_slice)
    }

    /// Whether it is known what a region offers.
    pub fn offerings_known(&self, region: &str) -> bool {
        self.region_names
            .get(region)
            .is_some_and(|id| self.offerings.has_row(id))
    }

    /// The on-demand price of a type: Linux, shared tenancy.
    pub fn on_demand(&self, region: &str, instance_type: &str) -> Option<Figure<MicroUsdPerHour>> {
        let (r, t) = self.ids(region, instance_type)?;
        let cell = self.on_demand.get(r, t)?;
        self.figure(MicroUsdPerHour(cell.value), cell.source)
    }

    /// The spot price of a type, Linux.
    ///
    /// The embedded prices are of a region as a whole. With a zone, the answer
    /// is the zone's own price where a table gave one, else the regional one
    /// as [`Basis::Estimated`]; `None` where the type is known not to be
    /// offered in that zone. Without a zone, it is the regional price only.
    pub fn spot(
        &self,
        region: &str,
        instance_type: &str,
        zone: Option<&ZoneId>,
    ) -> Option<Figure<MicroUsdPerHour>> {
        self.spot_for(region, instance_type, zone, OperatingSystem::Linux)
    }

    /// [`spot`](Self::spot), for the system that the instance runs.
    pub fn spot_for(
        &self,
        region: &str,
        instance_type: &str,
        zone: Option<&ZoneId>,
        os: OperatingSystem,
    ) -> Option<Figure<MicroUsdPerHour>> {
        let (r, t) = self.ids(region, instance_type)?;
        if let Some(zone) = zone {
            if let Some(cell) = self.zonal_cell(r, t, zone, os) {
                return self.figure(MicroUsdPerHour(cell.value), cell.source);
            }
            if self
                .offered(r, t)
                .is_some_and(|zones| !zones.contains(zone))
            {
                return None;
            }
        }
        let cell = self.spot.get(os_index(os))?.get(r, t)?;
        let mut figure = self.figure(MicroUsdPerHour(cell.value), cell.source)?;
        if zone.is_some() {
            figure.basis = Basis::Estimated;
        }
        Some(figure)
    }

    /// The price of an offering; `None` for reserved capacity, whose price is
    /// that of a contract.
    pub fn price(
        &self,
        region: &str,
        instance_type: &str,
        capacity_type: CapacityType,
        zone: Option<&ZoneId>,
    ) -> Option<Figure<MicroUsdPerHour>> {
        match capacity_type {
            CapacityType::OnDemand => self.on_demand(region, instance_type),
            CapacityType::Spot => self.spot(region, instance_type, zone),
            CapacityType::Reserved => None,
        }
    }

    /// How much of a type's spot capacity in a region was reclaimed in the
    /// trailing month, Linux. `None` is not known, and not "below 5 %".
    pub fn interruption_band(
        &self,
        region: &str,
        instance_type: &str,
    ) -> Option<Figure<InterruptionBand>> {
        self.spot_advice(region, instance_type, OperatingSystem::Linux)
            .map(|figure| figure.map(|advice| advice.band))
    }

    /// All that the Spot Advisor says of a type in a region.
    pub fn spot_advice(
        &self,
        region: &str,
        instance_type: &str,
        os: OperatingSystem,
    ) -> Option<Figure<SpotAdvice>> {
        let (r, t) = self.ids(region, instance_type)?;
        let cell = self.advice.get(os_index(os))?.get(r, t)?;
        self.figure(cell.value, cell.source)
    }

    /// What a type of EBS volume costs (`gp3`, `gp2`, `io1`, `io2`, `st1`,
    /// `sc1`, `standard`).
    pub fn ebs_price(&self, region: &str, volume_type: &str) -> Option<EbsPrice> {
        let id = self.region_names.get(region)?;
        let mut price = self.ebs.get(&id)?.get(volume_type)?.value;
        if price.snapshot_per_gib_month.is_none() {
            price.snapshot_per_gib_month = self
                .service_price(region, service::SNAPSHOT_STORAGE)
                .filter(|figure| figure.value.per == ServiceUnit::GibMonth)
                .map(|figure| figure.map(|s| crate::model::MicroUsdPerMonth(s.price.0)));
        }
        Some(price)
    }

    /// What it costs to move data out of a zone of a region.
    pub fn transfer(&self, region: &str) -> Option<Figure<TransferPrice>> {
        let cell = self.transfer.get(&self.region_names.get(region)?)?;
        self.figure(cell.value, cell.source)
    }

    /// What a GB from one region to another costs, the cheaper rate between
    /// us-east-1 and us-east-2 included. Free within one region, so `None`
    /// there: see [`TransferPrice::cross_zone_per_gb`].
    pub fn inter_region_per_gb(&self, from: &str, to: &str) -> Option<Figure<MicroUsd>> {
        if from == to {
            return None;
        }
        let figure = self.transfer(from)?;
        let pair = ["us-east-1", "us-east-2"];
        let price = match figure.value.us_east_pair_per_gb {
            Some(price) if pair.contains(&from) && pair.contains(&to) => price,
            _ => figure.value.inter_region_per_gb?,
        };
        Some(figure.map(|_| price))
    }

    /// What a service costs; `item` is one of [`service`]'s names.
    ///
    /// A price for all regions covers those of the `aws` partition, not
    /// GovCloud, China or a sovereign cloud.
    pub fn service_price(&self, region: &str, item: &str) -> Option<Figure<ServicePrice>> {
        let (_, cell) = self.service_cell(region, item)?;
        self.figure(cell.value, cell.source)
    }

    fn service_cell(
        &self,
        region: &str,
        item: &str,
    ) -> Option<(&Option<Region>, &Cell<ServicePrice>)> {
        let by_region = self.services.get(item)?;
        by_region
            .get_key_value(&Some(Region::from(region)))
            .or_else(|| {
                self.in_aws_partition(region)
                    .then(|| by_region.get_key_value(&None))
                    .flatten()
            })
    }

    fn in_aws_partition(&self, region: &str) -> bool {
        match self.region(region) {
            Some(info) => info.partition == "aws",
            None => !["cn-", "us-gov-", "us-iso", "eu-isoe", "eusc-"]
                .iter()
                .any(|prefix| region.starts_with(prefix)),
        }
    }

    /// CoreMark iterations per second on all threads of a type. One run per
    /// type: differences under about 5 % are noise.
    pub fn coremark(&self, instance_type: &str) -> Option<Figure<u64>> {
        self.benchmark(instance_type)
            .map(|figure| figure.map(|b| b.coremark_per_second))
    }

    /// All that was measured of a type.
    pub fn benchmark(&self, instance_type: &str) -> Option<Figure<Benchmark>> {
        let id = self.type_names.get(instance_type)?;
        let cell = self.benchmarks.get(id)?.as_ref()?;
        self.figure(cell.value, cell.source)
    }

    /// Where a figure is from; `None` when there is no such figure. `name` is
    /// the instance type, the volume type or the item.
    pub fn source(&self, kind: TableKind, region: &str, name: &str) -> Option<&Source> {
        let region_id = self.region_names.get(region);
        let ids = self.ids(region, name);
        let linux = os_index(OperatingSystem::Linux);
        let source = match kind {
            TableKind::InstanceTypes => self.type_cell(name)?.source,
            TableKind::Offerings => ids.and_then(|(r, t)| self.offerings.get(r, t))?.source,
            TableKind::OnDemand => ids.and_then(|(r, t)| self.on_demand.get(r, t))?.source,
            TableKind::Spot => {
                ids.and_then(|(r, t)| self.spot.get(linux)?.get(r, t))?
                    .source
            }
            TableKind::Interruption => {
                ids.and_then(|(r, t)| self.advice.get(linux)?.get(r, t))?
                    .source
            }
            TableKind::Ebs => self.ebs.get(&region_id?)?.get(name)?.source,
            TableKind::Transfer => self.transfer.get(&region_id?)?.source,
            TableKind::Services => self.service_cell(region, name)?.1.source,
            TableKind::Benchmarks => {
                let id = self.type_names.get(name)?;
                self.benchmarks.get(id)?.as_ref()?.source
            }
            TableKind::Regions => self.regions.get(region_id?)?.as_ref()?.source,
        };
        self.sources.get(source.index())
    }

    /// Where a zone's own spot price (Linux) is from; `None` when the zone has
    /// none of its own.
    pub fn zonal_spot_source(
        &self,
        region: &str,
        instance_type: &str,
        zone: &ZoneId,
    ) -> Option<&Source> {
        let (r, t) = self.ids(region, instance_type)?;
        let cell = self.zonal_cell(r, t, zone, OperatingSystem::Linux)?;
        self.sources.get(cell.source.index())
    }

    fn zonal_cell(
        &self,
        region: usize,
        instance_type: usize,
        zone: &ZoneId,
        os: OperatingSystem,
    ) -> Option<&Cell<i64>> {
        let zone = self.zone_names.get(zone.as_str())?;
        let prices = self.zonal_spot.get(os_index(os))?;
        let prices = &prices.get(region, instance_type)?.value;
        let price = prices.iter().find(|price| price.zone == zone)?;
        Some(&price.cell)
    }

    fn put_zonal(
        &mut self,
        (region, instance_type): (usize, usize),
        os: OperatingSystem,
        zone: &ZoneId,
        cell: Cell<i64>,
    ) {
        let columns = self.type_names.len();
        let zone = self.zone_names.add(zone.as_str());
        let price = ZonalPrice { zone, cell };
        let Some(grid) = self.zonal_spot.get_mut(os_index(os)) else {
            return;
        };
        let Some(prices) = grid.get_mut(region, instance_type) else {
            let source = cell.source;
            let value = vec![price];
            grid.set(region, instance_type, columns, Cell { value, source });
            return;
        };
        let prices = &mut prices.value;
        match prices.iter_mut().find(|known| known.zone == zone) {
            Some(known) => *known = price,
            None => prices.push(price),
        }
    }

    /// How many spot prices are of a single zone.
    fn zonal_prices(&self) -> usize {
        let grids = self.zonal_spot.iter();
        grids.flat_map(Grid::values).map(Vec::len).sum()
    }

    /// Every source that a table named, in the order in which they came.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// How many rows each table has.
    pub fn counts(&self) -> BTreeMap<TableKind, usize> {
        let filled = |advice: &[Grid<SpotAdvice>; 2]| advice.iter().map(Grid::len).sum();
        BTreeMap::from([
            (TableKind::InstanceTypes, self.types_by_name.len()),
            (TableKind::Offerings, self.offerings.len()),
            (TableKind::OnDemand, self.on_demand.len()),
            (
                TableKind::Spot,
                self.spot.iter().map(Grid::len).sum::<usize>() + self.zonal_prices(),
            ),
            (TableKind::Interruption, filled(&self.advice)),
            (TableKind::Ebs, self.ebs.values().map(BTreeMap::len).sum()),
            (TableKind::Transfer, self.transfer.len()),
            (
                TableKind::Services,
                self.services.values().map(BTreeMap::len).sum(),
            ),
            (
                TableKind::Benchmarks,
                self.benchmarks.iter().flatten().count(),
            ),
            (TableKind::Regions, self.regions_by_name.len()),
        ])
    }

    /// Puts a table over what is there: each of its rows takes the place of
    /// the figure of the same key, with its own date, basis and source. What
    /// the table does not name stays as it was.
    ///
    /// A spot price for a whole region leaves the prices of its zones alone.
    pub fn overlay(&mut self, table: Table) {
        let sources: Vec<SourceId> = table
            .sources
            .into_iter()
            .map(|source| self.add_source(source))
            .collect();
        for (source, row) in table.rows {
            if let Some(source) = sources.get(source) {
                self.put(*source, row);
            }
        }
        self.sort();
    }

    fn add_source(&mut self, source: Source) -> SourceId {
        let known = self.sources.iter().position(|s| *s == source);
        SourceId::new(known.unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        }))
    }

    fn put(&mut self, source: SourceId, row: Row) {
        let columns = self.type_names.len();
        match row {
            Row::Region(mut info) => {
                info.zones.sort();
                let id = self.region_names.add(info.name.as_str());
                place(
                    &mut self.regions,
                    id,
                    Cell {
                        value: info,
                        source,
                    },
                );
            }
            Row::Type(info) => {
                let id = self.type_names.add(info.name.as_str());
                place(
                    &mut self.types,
                    id,
                    Cell {
                        value: *info,
                        source,
                    },
                );
            }
            Row::Offering(region, name, zones) => {
                let (r, t) = self.add_ids(&region, &name);
                let value = self.zone_set(zones);
                self.offerings.set(r, t, columns, Cell { value, source });
            }
            Row::OnDemand(region, name, price) => {
                let (r, t) = self.add_ids(&region, &name);
                let value = price.0;
                self.on_demand.set(r, t, columns, Cell { value, source });
            }
            Row::Spot(region, name, zone, os, price) => {
                let (r, t) = self.add_ids(&region, &name);
                let cell = Cell {
                    value: price.0,
                    source,
                };
                match zone {
                    Some(zone) => {
                        self.put_zonal((r, t), os, &zone, cell);
                    }
                    None => {
                        if let Some(grid) = self.spot.get_mut(os_index(os)) {
                            grid.set(r, t, columns, cell);
                        }
                    }
                }
            }
            Row::Advice(region, name, os, value) => {
                let (r, t) = self.add_ids(&region, &name);
                if let Some(grid) = self.advice.get_mut(os_index(os)) {
                    grid.set(r, t, columns, Cell { value, source });
                }
            }
            Row::Ebs(region, name, value) => {
                let id = self.region_names.add(region.as_str());
                let by_type = self.ebs.entry(id).or_default();
                by_type.insert(name, Cell { value, source });
            }
            Row::Transfer(region, value) => {
                let id = self.region_names.add(region.as_str());
                self.transfer.insert(id, Cell { value, source });
            }
            Row::Service(region, item, value) => {
                let by_region = self.services.entry(item).or_default();
                by_region.insert(region, Cell { value, source });
            }
            Row::Benchmark(name, value) => {
                let id = self.type_names.add(&name);
                place(&mut self.benchmarks, id, Cell { value, source });
            }
        }
    }

    fn sort(&mut self) {
        self.types_by_name = present(&self.types, self.type_names.sorted());
        self.regions_by_name = present(&self.regions, self.region_names.sorted());
    }

    fn zone_set(&mut self, zones: Vec<ZoneId>) -> u32 {
        if let Some(id) = self.zone_set_ids.get(&zones) {
            return *id;
        }
        let id = u32::try_from(self.zone_sets.len()).unwrap_or(u32::MAX);
        self.zone_sets.push(zones.clone());
        self.zone_set_ids.insert(zones, id);
        id
    }

    fn ids(&self, region: &str, instance_type: &str) -> Option<(usize, usize)> {
        Some((
            self.region_names.get(region)?,
            self.type_names.get(instance_type)?,
        ))
    }

    fn add_ids(&mut self, region: &Region, instance_type: &str) -> (usize, usize) {
        (
            self.region_names.add(region.as_str()),
            self.type_names.add(instance_type),
        )
    }

    fn figure<T>(&self, value: T, source: SourceId) -> Option<Figure<T>> {
        let source = self.sources.get(source.index())?;
        Some(Figure::new(value, source.as_of, source.basis))
    }
}

/// The ids that have a cell, in the order given.
fn present<T>(cells: &[Option<Cell<T>>], mut ids: Vec<usize>) -> Vec<usize> {
    ids.retain(|id| cells.get(*id).is_some_and(Option::is_some));
    ids
}

fn place<T>(cells: &mut Vec<Option<Cell<T>>>, id: usize, cell: Cell<T>) {
    if cells.len() <= id {
        cells.resize_with(id + 1, || None);
    }
    if let Some(slot) = cells.get_mut(id) {
        *slot = Some(cell);
    }
}

/// Names of the items that [`Catalog::service_price`] knows.
pub mod service {
    /// An EKS control plane in standard support, per hour.
    pub const EKS_CLUSTER: &str = "eks_cluster_standard_support";
    /// An EKS control plane in extended support, per hour.
    pub const EKS_CLUSTER_EXTENDED: &str = "eks_cluster_extended_support";
    /// A NAT gateway, per hour.
    pub const NAT_GATEWAY: &str = "nat_gateway";
    /// Data through a NAT gateway, per GB.
    pub const NAT_GATEWAY_DATA: &str = "nat_gateway_data";
    /// A public IPv4 address, per hour.
    pub const PUBLIC_IPV4: &str = "public_ipv4_address";
    /// Snapshots of volumes, per GiB and month.
    pub const SNAPSHOT_STORAGE: &str = "ebs_snapshot_storage";
    /// Requests to magnetic volumes, per million.
    pub const MAGNETIC_IO: &str = "ebs_magnetic_io";
}
