//! The rows of the packed form: which fields each has, for writer and reader.

use super::codec::{Codec, Packed, broken};
use super::error::CatalogError;
use super::figure::{Basis, Benchmark, EbsPrice, Figure, ServicePrice, ServiceUnit, TransferPrice};
use super::instance::{Architecture, Hypervisor, InstanceTypeInfo, LocalStorage};
use super::table::{OperatingSystem, RegionInfo, RegionKind, Source};
use crate::model::{Bytes, MicroUsd, MicroUsdPerMonth, Region};
use chrono::NaiveDate;

const BASES: [Basis; 3] = [Basis::Listed, Basis::Derived, Basis::Estimated];
pub(super) const SYSTEMS: [OperatingSystem; 2] = [OperatingSystem::Linux, OperatingSystem::Windows];
const UNITS: [ServiceUnit; 4] = [
    ServiceUnit::Hour,
    ServiceUnit::Gb,
    ServiceUnit::GibMonth,
    ServiceUnit::MillionRequests,
];

#[derive(Debug, Default)]
pub(super) struct NameRow(pub(super) String);

impl Packed for NameRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        c.text(&mut self.0)
    }
}

pub(super) struct SourceRow(pub(super) Source);

impl SourceRow {
    pub(super) fn blank() -> Self {
        Self(Source::new("", NaiveDate::default()))
    }
}

impl Packed for SourceRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        c.text(&mut self.0.name)?;
        c.text(&mut self.0.origin)?;
        c.date(&mut self.0.as_of)?;
        c.choice(&mut self.0.basis, &BASES)
    }
}

/// A cell of a grid: the region, how many types after the last one, the value.
#[derive(Debug, Default)]
pub(super) struct CellRow {
    pub(super) region: usize,
    pub(super) step: usize,
    pub(super) value: i64,
    pub(super) source: usize,
}

impl Packed for CellRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        c.index(&mut self.region)?;
        c.index(&mut self.step)?;
        c.money(&mut self.value)?;
        c.index(&mut self.source)
    }
}

pub(super) struct RegionRow {
    pub(super) index: usize,
    pub(super) info: RegionInfo,
    pub(super) zones: String,
    pub(super) source: usize,
}

impl RegionRow {
    pub(super) fn blank() -> Self {
        Self {
            index: 0,
            info: RegionInfo {
                name: Region::default(),
                partition: String::new(),
                description: String::new(),
                kind: RegionKind::Region,
                zones: Vec::new(),
            },
            zones: String::new(),
            source: 0,
        }
    }
}

impl Packed for RegionRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        let kinds = [RegionKind::Region, RegionKind::LocalZoneGroup];
        c.index(&mut self.index)?;
        c.text(&mut self.info.partition)?;
        c.text(&mut self.info.description)?;
        c.choice(&mut self.info.kind, &kinds)?;
        c.text(&mut self.zones)?;
        c.index(&mut self.source)
    }
}

pub(super) struct TypeRow {
    pub(super) index: usize,
    pub(super) info: InstanceTypeInfo,
    /// Limits that do not follow from the other fields, as JSON; else empty.
    pub(super) own_limits: String,
    pub(super) source: usize,
}

impl TypeRow {
    pub(super) fn blank() -> Self {
        Self {
            index: 0,
            info: InstanceTypeInfo::new("", 0, Bytes(0), Architecture::Amd64),
            own_limits: String::new(),
            source: 0,
        }
    }

    pub(super) fn new(
        index: usize,
        info: &InstanceTypeInfo,
        source: usize,
    ) -> Result<Self, CatalogError> {
        let mut computed = info.clone();
        computed.recompute_limits();
        let own_limits = if computed == *info {
            String::new()
        } else {
            serde_json::to_string(&(&info.allocatable, info.ebs_attach_limit))
                .map_err(|error| broken(error.to_string()))?
        };
        Ok(Self {
            index,
            info: info.clone(),
            own_limits,
            source,
        })
    }

    pub(super) fn finish(self, name: &str) -> Result<InstanceTypeInfo, CatalogError> {
        let mut info = self.info;
        info.name = name.into();
        if self.own_limits.is_empty() {
            info.recompute_limits();
        } else {
            (info.allocatable, info.ebs_attach_limit) = serde_json::from_str(&self.own_limits)
                .map_err(|error| broken(error.to_string()))?;
        }
        Ok(info)
    }
}

impl Packed for TypeRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        let i = &mut self.info;
        c.index(&mut self.index)?;
        c.small(&mut i.vcpu)?;
        c.optional_small(&mut i.cores)?;
        c.optional_small(&mut i.threads_per_core)?;
        c.number(&mut i.memory.0)?;
        let architectures = [Architecture::Amd64, Architecture::Arm64];
        c.choice(&mut i.architecture, &architectures)?;
        c.flag(&mut i.mac)?;
        c.optional_text(&mut i.cpu_vendor)?;
        c.optional_small(&mut i.clock_mhz)?;
        c.optional_small(&mut i.max_pods)?;
        c.small(&mut i.gpu_count)?;
        c.small(&mut i.gpu_milli)?;
        c.optional_text(&mut i.gpu_vendor)?;
        c.optional_text(&mut i.gpu_model)?;
        for memory in [&mut i.gpu_memory, &mut i.gpu_memory_total] {
            let mut bytes = memory.map(|b| b.0);
            c.optional(&mut bytes)?;
            *memory = bytes.map(Bytes);
        }
        c.small(&mut i.accelerator_count)?;
        c.optional_text(&mut i.accelerator_model)?;
        c.small(&mut i.fpga_count)?;
        let mut total = i.local_storage.map(|l| l.total.0);
        c.optional(&mut total)?;
        let mut local = i.local_storage.unwrap_or(LocalStorage::nvme(Bytes(0), 0));
        c.small(&mut local.disks)?;
        c.flag(&mut local.ssd)?;
        c.flag(&mut local.nvme)?;
        i.local_storage = total.map(|total| LocalStorage {
            total: Bytes(total),
            ..local
        });
        for field in [
            &mut i.network_baseline_mbps,
            &mut i.network_peak_mbps,
            &mut i.network_cards,
            &mut i.eni_max,
            &mut i.eni_default_card,
            &mut i.ipv4_per_eni,
            &mut i.branch_eni,
            &mut i.ebs_baseline_mbps,
            &mut i.ebs_max_mbps,
            &mut i.ebs_baseline_iops,
            &mut i.ebs_max_iops,
            &mut i.ebs_max_attach,
        ] {
            c.optional_small(field)?;
        }
        c.choice(&mut i.ebs_attach_shared, &[None, Some(false), Some(true)])?;
        c.choice(
            &mut i.hypervisor,
            &[None, Some(Hypervisor::Nitro), Some(Hypervisor::Xen)],
        )?;
        for flag in [
            &mut i.efa,
            &mut i.current_generation,
            &mut i.burstable,
            &mut i.bare_metal,
            &mut i.spot,
        ] {
            c.flag(flag)?;
        }
        c.text(&mut self.own_limits)?;
        c.index(&mut self.source)
    }
}

pub(super) struct BenchmarkRow {
    pub(super) index: usize,
    pub(super) benchmark: Benchmark,
    pub(super) source: usize,
}

impl BenchmarkRow {
    pub(super) fn blank() -> Self {
        Self {
            index: 0,
            benchmark: Benchmark {
                coremark_per_second: 0,
                ffmpeg_milli_fps: None,
                os_visible_memory_mib: None,
                threads: 0,
            },
            source: 0,
        }
    }
}

impl Packed for BenchmarkRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        c.index(&mut self.index)?;
        c.number(&mut self.benchmark.coremark_per_second)?;
        c.optional_small(&mut self.benchmark.ffmpeg_milli_fps)?;
        c.optional(&mut self.benchmark.os_visible_memory_mib)?;
        c.small(&mut self.benchmark.threads)?;
        c.index(&mut self.source)
    }
}

pub(super) struct ZonalRow {
    pub(super) region: usize,
    pub(super) instance_type: String,
    pub(super) os: OperatingSystem,
    pub(super) zone: String,
    pub(super) price: i64,
    pub(super) source: usize,
}

impl ZonalRow {
    pub(super) fn blank() -> Self {
        Self {
            region: 0,
            instance_type: String::new(),
            os: OperatingSystem::Linux,
            zone: String::new(),
            price: 0,
            source: 0,
        }
    }
}

impl Packed for ZonalRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        c.index(&mut self.region)?;
        c.text(&mut self.instance_type)?;
        c.choice(&mut self.os, &SYSTEMS)?;
        c.text(&mut self.zone)?;
        c.money(&mut self.price)?;
        c.index(&mut self.source)
    }
}

fn blank_figure() -> Figure<MicroUsdPerMonth> {
    Figure::new(MicroUsdPerMonth(0), NaiveDate::default(), Basis::Listed)
}

fn visit_figure<C: Codec>(
    c: &mut C,
    figure: &mut Option<Figure<MicroUsdPerMonth>>,
) -> Result<(), CatalogError> {
    let mut there = figure.is_some();
    c.flag(&mut there)?;
    let mut inner = figure.unwrap_or_else(blank_figure);
    c.money(&mut inner.value.0)?;
    c.date(&mut inner.as_of)?;
    c.choice(&mut inner.basis, &BASES)?;
    *figure = there.then_some(inner);
    Ok(())
}

pub(super) struct EbsRow {
    pub(super) region: usize,
    pub(super) volume_type: String,
    pub(super) price: EbsPrice,
    pub(super) source: usize,
}

impl EbsRow {
    pub(super) fn blank() -> Self {
        Self {
            region: 0,
            volume_type: String::new(),
            price: EbsPrice::new(blank_figure()),
            source: 0,
        }
    }
}

impl Packed for EbsRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        c.index(&mut self.region)?;
        c.text(&mut self.volume_type)?;
        let price = &mut self.price;
        let mut storage = Some(price.per_gib_month);
        visit_figure(c, &mut storage)?;
        price.per_gib_month = storage.ok_or_else(|| broken("a volume without a price"))?;
        visit_figure(c, &mut price.per_iops_month)?;
        c.small(&mut price.iops_included)?;
        visit_figure(c, &mut price.per_iops_month_32k_64k)?;
        visit_figure(c, &mut price.per_iops_month_over_64k)?;
        visit_figure(c, &mut price.per_mibps_month)?;
        c.small(&mut price.mibps_included)?;
        visit_figure(c, &mut price.snapshot_per_gib_month)?;
        c.index(&mut self.source)
    }
}

pub(super) struct TransferRow {
    pub(super) region: usize,
    pub(super) price: TransferPrice,
    pub(super) source: usize,
}

impl TransferRow {
    pub(super) fn blank() -> Self {
        Self {
            region: 0,
            price: TransferPrice::new(MicroUsd(0)),
            source: 0,
        }
    }
}

impl Packed for TransferRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        let p = &mut self.price;
        c.index(&mut self.region)?;
        c.money(&mut p.cross_zone_each_way_per_gb.0)?;
        for price in [
            &mut p.inter_region_per_gb,
            &mut p.us_east_pair_per_gb,
            &mut p.internet_first_10tb_per_gb,
            &mut p.internet_next_40tb_per_gb,
            &mut p.internet_next_100tb_per_gb,
            &mut p.internet_over_150tb_per_gb,
        ] {
            let mut there = price.is_some();
            c.flag(&mut there)?;
            let mut micro = price.map_or(0, |p| p.0);
            c.money(&mut micro)?;
            *price = there.then_some(MicroUsd(micro));
        }
        c.index(&mut self.source)
    }
}

pub(super) struct ServiceRow {
    pub(super) region: Option<String>,
    pub(super) item: String,
    pub(super) price: ServicePrice,
    pub(super) source: usize,
}

impl ServiceRow {
    pub(super) fn blank() -> Self {
        Self {
            region: None,
            item: String::new(),
            price: ServicePrice {
                price: MicroUsd(0),
                per: ServiceUnit::Hour,
            },
            source: 0,
        }
    }
}

impl Packed for ServiceRow {
    fn visit<C: Codec>(&mut self, c: &mut C) -> Result<(), CatalogError> {
        c.optional_text(&mut self.region)?;
        c.text(&mut self.item)?;
        c.money(&mut self.price.price.0)?;
        c.choice(&mut self.price.per, &UNITS)?;
        c.index(&mut self.source)
    }
}
