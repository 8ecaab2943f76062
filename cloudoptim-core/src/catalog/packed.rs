//! A catalogue as bytes: what is embedded, and what a host may keep beside it.

use super::codec::{Packer, Unpacker, broken};
use super::error::CatalogError;
use super::figure::InterruptionBand;
use super::grid::{Cell, Grid, Names, SourceId};
use super::rows::{
    BenchmarkRow, CellRow, EbsRow, NameRow, RegionRow, SYSTEMS, ServiceRow, SourceRow, TransferRow,
    TypeRow, ZonalRow,
};
use super::table::{Source, SpotAdvice};
use super::{Catalog, place};
use crate::model::{Region, ZoneId};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{Read, Write};

/// The first text of the packed form; its number goes up with the layout.
const FORMAT: &str = "cloudoptim catalogue 1";
/// What a packed catalogue may unpack to: forty times the embedded one.
const MAX_UNPACKED: u64 = 32 << 20;
/// Regions times instance types that are read: sixty times the embedded ones.
/// Grids take memory by the product, so that a few bytes must not ask for much.
const MAX_PAIRS: usize = 4 << 20;
/// Savings can be below zero, packed numbers cannot.
const SAVINGS_ZERO: i64 = 1 << 15;

impl Catalog {
    /// The catalogue that comes with the crate.
    ///
    /// ```
    /// use cloudoptim_core::catalog::{Basis, Catalog};
    ///
    /// let catalog = Catalog::embedded()?;
    /// let price = catalog.on_demand("us-east-1", "m6i.large").expect("listed");
    /// assert_eq!(price.to_string(), "$0.096/h (listed, 2026-07-20)");
    /// assert!(catalog.on_demand("us-east-1", "no.such").is_none());
    /// # Ok::<(), cloudoptim_core::catalog::CatalogError>(())
    /// ```
    ///
    /// # Errors
    /// None that a build whose tests pass can give.
    #[cfg(feature = "catalog")]
    pub fn embedded() -> Result<Self, CatalogError> {
        Self::from_bytes(include_bytes!("../../data/catalog.bin.gz"))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CatalogError> {
        let mut unpacked = Vec::new();
        GzDecoder::new(bytes)
            .take(MAX_UNPACKED)
            .read_to_end(&mut unpacked)
            .map_err(|error| broken(error.to_string()))?;
        let mut catalog = Self::default();
        let mut reader = Unpacker::new(&unpacked);
        catalog.read(&mut reader)?;
        reader.finish()?;
        catalog.sort();
        Ok(catalog)
    }

    /// The whole catalogue, compressed; equal catalogues give equal bytes.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] for a date before the year 1.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CatalogError> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(&self.pack()?);
        written
            .and_then(|()| encoder.finish())
            .map_err(|error| broken(error.to_string()))
    }

    /// SHA-256 of the catalogue's content in hexadecimal digits, so that a
    /// recorded answer can say which catalogue it was given.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes).
    pub fn digest(&self) -> Result<String, CatalogError> {
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(self.pack()?) {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }

    fn pack(&self) -> Result<Vec<u8>, CatalogError> {
        // Ids follow the order in which names came; the packed form numbers
        // them by name, so that how a catalogue was put together leaves no mark.
        let regions = self.region_names.sorted();
        let types = self.type_names.sorted();
        let named = |names: &Names, ids: &[usize]| -> Vec<NameRow> {
            ids.iter()
                .map(|id| NameRow(names.name(*id).to_owned()))
                .collect()
        };
        let order = SourceOrder::new(&self.sources);

        let mut packer = Packer::default();
        packer.section(vec![NameRow(FORMAT.to_owned())])?;
        packer.section(order.rows(&self.sources))?;
        packer.section(named(&self.region_names, &regions))?;
        packer.section(named(&self.type_names, &types))?;

        let cells = |grid: &Grid<i64>| grid_rows(grid, &regions, &types, &order, |v| *v);
        let advice = |grid: &Grid<SpotAdvice>| {
            grid_rows(grid, &regions, &types, &order, |advice| {
                i64::from(advice.band.index) << 16
                    | (i64::from(advice.savings_percent) + SAVINGS_ZERO)
            })
        };
        let mut rows = Vec::new();
        for (index, id) in regions.iter().enumerate() {
            if let Some(Some(cell)) = self.regions.get(*id) {
                rows.push(RegionRow {
                    index,
                    info: cell.value.clone(),
                    zones: join(&cell.value.zones),
                    source: order.of(cell.source),
                });
            }
        }
        packer.section(rows)?;

        let mut rows = Vec::new();
        let mut benchmarks = Vec::new();
        for (index, id) in types.iter().enumerate() {
            if let Some(Some(cell)) = self.types.get(*id) {
                rows.push(TypeRow::new(index, &cell.value, order.of(cell.source))?);
            }
            if let Some(Some(cell)) = self.benchmarks.get(*id) {
                benchmarks.push(BenchmarkRow {
                    index,
                    benchmark: cell.value,
                    source: order.of(cell.source),
                });
            }
        }
        packer.section(rows)?;
        packer.section(benchmarks)?;

        let mut sets: Vec<&Vec<ZoneId>> = self.zone_set_ids.keys().collect();
        sets.sort();
        let set_of = |id: &u32| {
            let set = self.zone_sets.get(*id as usize);
            let place = set.and_then(|set| sets.binary_search(&set).ok());
            i64::try_from(place.unwrap_or(0)).unwrap_or(i64::MAX)
        };
        packer.section(sets.iter().map(|set| NameRow(join(set))).collect())?;
        packer.section(grid_rows(&self.offerings, &regions, &types, &order, set_of))?;
        packer.section(cells(&self.on_demand))?;
        for grid in &self.spot {
            packer.section(cells(grid))?;
        }
        for grid in &self.advice {
            packer.section(advice(grid))?;
        }

        let mut rows = Vec::new();
        for (region, region_id) in regions.iter().enumerate() {
            for type_id in &types {
                for (os, grid) in SYSTEMS.iter().zip(&self.zonal_spot) {
                    let Some(prices) = grid.get(*region_id, *type_id) else {
                        continue;
                    };
                    let mut zones: Vec<ZonalRow> = prices
                        .value
                        .iter()
                        .map(|price| ZonalRow {
                            region,
                            instance_type: self.type_names.name(*type_id).to_owned(),
                            os: *os,
                            zone: self.zone_names.name(price.zone).to_owned(),
                            price: price.cell.value,
                            source: order.of(price.cell.source),
                        })
                        .collect();
                    zones.sort_by(|a, b| a.zone.cmp(&b.zone));
                    rows.append(&mut zones);
                }
            }
        }
        packer.section(rows)?;

        let mut ebs = Vec::new();
        let mut transfer = Vec::new();
        for (index, id) in regions.iter().enumerate() {
            for (volume_type, cell) in self.ebs.get(id).into_iter().flatten() {
                ebs.push(EbsRow {
                    region: index,
                    volume_type: volume_type.clone(),
                    price: cell.value,
                    source: order.of(cell.source),
                });
            }
            if let Some(cell) = self.transfer.get(id) {
                transfer.push(TransferRow {
                    region: index,
                    price: cell.value,
                    source: order.of(cell.source),
                });
            }
        }
        packer.section(ebs)?;
        packer.section(transfer)?;

        let mut rows = Vec::new();
        for (item, by_region) in &self.services {
            for (region, cell) in by_region {
                rows.push(ServiceRow {
                    region: region.as_ref().map(ToString::to_string),
                    item: item.clone(),
                    price: cell.value,
                    source: order.of(cell.source),
                });
            }
        }
        packer.section(rows)?;
        Ok(packer.out)
    }

    fn read(&mut self, reader: &mut Unpacker<'_>) -> Result<(), CatalogError> {
        let mut formats = Vec::new();
        reader.section(NameRow::default, |row| {
            formats.push(row.0);
            Ok(())
        })?;
        if formats != [FORMAT] {
            return Err(broken(format!("format {formats:?} instead of {FORMAT:?}")));
        }
        reader.section(SourceRow::blank, |row| {
            self.sources.push(row.0);
            Ok(())
        })?;
        let check = Limits {
            sources: self.sources.len(),
        };
        reader.section(NameRow::default, |row| {
            self.region_names.add(&row.0);
            Ok(())
        })?;
        reader.section(NameRow::default, |row| {
            self.type_names.add(&row.0);
            Ok(())
        })?;
        let (regions, types) = (self.region_names.len(), self.type_names.len());
        if regions.saturating_mul(types) > MAX_PAIRS {
            return Err(broken(format!("{regions} regions times {types} types")));
        }

        reader.section(RegionRow::blank, |mut row| {
            let source = check.source(row.source)?;
            row.info.name = Region::from(self.region_names.name(within(row.index, regions)?));
            row.info.zones = parted(&row.zones);
            let value = row.info;
            place(&mut self.regions, row.index, Cell { value, source });
            Ok(())
        })?;
        reader.section(TypeRow::blank, |row| {
            let source = check.source(row.source)?;
            let index = within(row.index, types)?;
            let value = row.finish(self.type_names.name(index))?;
            place(&mut self.types, index, Cell { value, source });
            Ok(())
        })?;
        reader.section(BenchmarkRow::blank, |row| {
            let source = check.source(row.source)?;
            let value = row.benchmark;
            place(
                &mut self.benchmarks,
                within(row.index, types)?,
                Cell { value, source },
            );
            Ok(())
        })?;
        reader.section(NameRow::default, |row| {
            self.zone_set(parted(&row.0));
            Ok(())
        })?;

        let sets = self.zone_sets.len();
        let size = (regions, types);
        read_grid(reader, &mut self.offerings, size, check, |value| {
            let id = u32::try_from(value).map_err(|_| broken("zone set out of range"))?;
            within(id as usize, sets)?;
            Ok(id)
        })?;
        read_grid(reader, &mut self.on_demand, size, check, Ok)?;
        for grid in &mut self.spot {
            read_grid(reader, grid, size, check, Ok)?;
        }
        for grid in &mut self.advice {
            read_grid(reader, grid, size, check, |value| {
                let band = u8::try_from(value >> 16).ok();
                let band = band.and_then(InterruptionBand::from_index);
                Ok(SpotAdvice {
                    band: band.ok_or_else(|| broken("band out of range"))?,
                    savings_percent: i16::try_from((value & 0xffff) - SAVINGS_ZERO)
                        .map_err(|_| broken("saving out of range"))?,
                })
            })?;
        }
        reader.section(ZonalRow::blank, |row| {
            let source = check.source(row.source)?;
            let instance_type = self.type_names.get(&row.instance_type);
            let instance_type = instance_type.ok_or_else(|| broken("unknown instance type"))?;
            let pair = (within(row.region, regions)?, instance_type);
            let value = row.price;
            self.put_zonal(pair, row.os, &row.zone.into(), Cell { value, source });
            Ok(())
        })?;
        reader.section(EbsRow::blank, |row| {
            let source = check.source(row.source)?;
            let value = row.price;
            let by_type = self.ebs.entry(within(row.region, regions)?).or_default();
            by_type.insert(row.volume_type, Cell { value, source });
            Ok(())
        })?;
        reader.section(TransferRow::blank, |row| {
            let source = check.source(row.source)?;
            let value = row.price;
            self.transfer
                .insert(within(row.region, regions)?, Cell { value, source });
            Ok(())
        })?;
        reader.section(ServiceRow::blank, |row| {
            let source = check.source(row.source)?;
            let value = row.price;
            let by_region = self.services.entry(row.item).or_default();
            by_region.insert(row.region.map(Region::from), Cell { value, source });
            Ok(())
        })
    }
}

/// Sources in the order of their text, so that equal catalogues pack equally.
struct SourceOrder {
    sorted: Vec<usize>,
    place: Vec<usize>,
}

impl SourceOrder {
    fn new(sources: &[Source]) -> Self {
        let mut sorted: Vec<usize> = (0..sources.len()).collect();
        sorted.sort_by_key(|index| {
            let s = &sources[*index];
            (s.name.clone(), s.as_of, s.basis, s.origin.clone())
        });
        let mut place = vec![0; sources.len()];
        for (to, from) in sorted.iter().enumerate() {
            place[*from] = to;
        }
        Self { sorted, place }
    }

    fn rows(&self, sources: &[Source]) -> Vec<SourceRow> {
        self.sorted
            .iter()
            .filter_map(|index| sources.get(*index).cloned().map(SourceRow))
            .collect()
    }

    fn of(&self, id: SourceId) -> usize {
        self.place.get(id.index()).copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy)]
struct Limits {
    sources: usize,
}

impl Limits {
    fn source(self, index: usize) -> Result<SourceId, CatalogError> {
        within(index, self.sources).map(SourceId::new)
    }
}

fn within(index: usize, len: usize) -> Result<usize, CatalogError> {
    if index < len {
        Ok(index)
    } else {
        Err(broken(format!("entry {index} of {len}")))
    }
}

fn join(zones: &[ZoneId]) -> String {
    let names: Vec<&str> = zones.iter().map(ZoneId::as_str).collect();
    names.join("|")
}

fn parted(zones: &str) -> Vec<ZoneId> {
    zones
        .split('|')
        .filter(|zone| !zone.is_empty())
        .map(ZoneId::from)
        .collect()
}

fn grid_rows<T>(
    grid: &Grid<T>,
    regions: &[usize],
    types: &[usize],
    order: &SourceOrder,
    value: impl Fn(&T) -> i64,
) -> Vec<CellRow> {
    let mut rows = Vec::with_capacity(grid.len());
    for (region, region_id) in regions.iter().enumerate() {
        let mut last = 0;
        for (index, type_id) in types.iter().enumerate() {
            if let Some(cell) = grid.get(*region_id, *type_id) {
                rows.push(CellRow {
                    region,
                    step: index - last,
                    value: value(&cell.value),
                    source: order.of(cell.source),
                });
                last = index;
            }
        }
    }
    rows
}

fn read_grid<T>(
    reader: &mut Unpacker<'_>,
    grid: &mut Grid<T>,
    (regions, types): (usize, usize),
    check: Limits,
    value: impl Fn(i64) -> Result<T, CatalogError>,
) -> Result<(), CatalogError> {
    let mut last = (0_usize, 0_usize);
    reader.section(CellRow::default, |row| {
        let start = if row.region == last.0 { last.1 } else { 0 };
        let index = within(start.saturating_add(row.step), types)?;
        last = (within(row.region, regions)?, index);
        let source = check.source(row.source)?;
        let value = value(row.value)?;
        grid.set(row.region, index, types, Cell { value, source });
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{
        Basis, Benchmark, EbsPrice, Figure, InstanceTypeInfo, OperatingSystem, RegionInfo,
        RegionKind, ServicePrice, ServiceUnit, Table, TransferPrice,
    };
    use crate::model::{Bytes, MicroUsd, MicroUsdPerHour, MicroUsdPerMonth};

    /// A row of every kind.
    fn small() -> Catalog {
        let day = "2026-11-23".parse().unwrap();
        let mut table = Table::new(Source::new("a", day).with_origin("somewhere"));
        let arm = crate::catalog::Architecture::Arm64;
        let mut info = InstanceTypeInfo::new("t.big", 4, Bytes::from_gib(16), arm);
        info.gpu_model = Some("model".into());
        info.allocatable.pods = 7;
        let mut ebs = EbsPrice::new(Figure::new(MicroUsdPerMonth(1), day, Basis::Derived));
        ebs.per_iops_month = Some(Figure::new(MicroUsdPerMonth(2), day, Basis::Estimated));
        let advice = SpotAdvice {
            band: InterruptionBand::from_index(4).unwrap(),
            savings_percent: -62,
        };
        let (zone, os) = (ZoneId::from("r-az1"), OperatingSystem::Windows);
        table
            .region(RegionInfo {
                name: "r-1".into(),
                partition: "aws".into(),
                description: "here".into(),
                kind: RegionKind::LocalZoneGroup,
                zones: vec![zone.clone()],
            })
            .instance_type(info)
            .offering("r-1", "t.big", vec![zone.clone()])
            .advice("r-1", "t.big", os, advice)
            .ebs("r-1", "gp3", ebs)
            .transfer("r-1", TransferPrice::new(MicroUsd(3)))
            .benchmark(
                "t.big",
                Benchmark {
                    coremark_per_second: 5,
                    ffmpeg_milli_fps: Some(6),
                    os_visible_memory_mib: None,
                    threads: 4,
                },
            );
        let price = MicroUsdPerHour(9);
        let per = ServiceUnit::MillionRequests;
        let service = ServicePrice {
            price: MicroUsd(8),
            per,
        };
        table.on_demand("r-1", "t.big", price).unwrap();
        table.spot("r-1", "t.big", None, os, price).unwrap();
        table.spot("r-1", "t.big", Some(zone), os, price).unwrap();
        table.service(Some("r-1".into()), "thing", service).unwrap();
        let mut catalog = Catalog::empty();
        catalog.overlay(table);
        catalog
    }

    #[test]
    fn a_row_of_every_kind_comes_back() {
        let catalog = small();
        let read = Catalog::from_bytes(&catalog.to_bytes().unwrap()).unwrap();
        assert_eq!(read.pack().unwrap(), catalog.pack().unwrap());
        assert_eq!(read.counts(), catalog.counts());
        assert!(catalog.counts().values().all(|rows| *rows > 0));
        assert_eq!(read.instance_type("t.big"), catalog.instance_type("t.big"));
        let windows = OperatingSystem::Windows;
        let advice = read.spot_advice("r-1", "t.big", windows).unwrap().value;
        assert_eq!(advice.savings_percent, -62);
        assert_eq!(
            read.ebs_price("r-1", "gp3"),
            catalog.ebs_price("r-1", "gp3")
        );
        assert_eq!(read.benchmark("t.big"), catalog.benchmark("t.big"));
        assert_eq!(read.region("r-1"), catalog.region("r-1"));
    }

    #[test]
    fn no_altered_or_missing_byte_panics() {
        // Past the checksum of the compressed form, straight at the reader.
        let packed = small().pack().unwrap();
        let read = |bytes: &[u8]| {
            let mut reader = Unpacker::new(bytes);
            let read = Catalog::empty().read(&mut reader);
            read.and_then(|()| reader.finish())
        };
        assert!(read(&packed).is_ok());
        for at in 0..packed.len() {
            assert!(read(&packed[..at]).is_err(), "cut at {at}");
            for flip in [0x01, 0x10, 0x7f, 0x80, 0xff] {
                let mut altered = packed.clone();
                altered[at] ^= flip;
                let _ = read(&altered);
            }
        }
    }

    #[test]
    fn a_grid_that_would_need_much_memory_is_refused() {
        let names = |letter: char| -> Vec<NameRow> {
            (0..3_000)
                .map(|i| NameRow(format!("{letter}{i}")))
                .collect()
        };
        let mut packer = Packer::default();
        packer.section(vec![NameRow(FORMAT.to_owned())]).unwrap();
        packer.section(Vec::<SourceRow>::new()).unwrap();
        packer.section(names('r')).unwrap();
        packer.section(names('t')).unwrap();
        let refused = Catalog::empty().read(&mut Unpacker::new(&packer.out));
        assert!(refused.unwrap_err().to_string().contains("3000 regions"));
    }
}
