//! The embedded catalogue against its source tables, and tables laid over it.
//!
//! The totals were computed from the CSV tables of 2026-11-23 by a program that
//! shares no code with the packer.

#![cfg(feature = "catalog")]

use cloudoptim_core::catalog::{
    Basis, Catalog, EbsPrice, Figure, InstanceTypeInfo, NodeOverheads, OperatingSystem, RegionKind,
    Source, Table, TableKind, TransferPrice, allocatable_for, service,
};
use cloudoptim_core::model::{
    Bytes, CapacityType, InstanceType, MicroUsd, MicroUsdPerHour, MicroUsdPerMonth, Region, ZoneId,
};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::embedded().unwrap());

/// Types that AWS still prices but no longer describes.
const PRICED_ONLY: [&str; 10] = [
    "cc2.8xlarge",
    "cr1.8xlarge",
    "g2.2xlarge",
    "g2.8xlarge",
    "g3.16xlarge",
    "g3.4xlarge",
    "g3.8xlarge",
    "g3s.xlarge",
    "hs1.8xlarge",
    "i3p.16xlarge",
];
const VOLUME_TYPES: [&str; 7] = ["gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"];

fn type_names() -> Vec<&'static str> {
    let known = CATALOG.instance_types().map(|info| info.name.as_str());
    known.chain(PRICED_ONLY).collect()
}

fn region_names() -> Vec<&'static str> {
    CATALOG.regions().map(|info| info.name.as_str()).collect()
}

/// Every pair of a region and a type for which `get` has an answer.
fn over_all<T>(get: impl Fn(&str, &str) -> Option<T>) -> Vec<T> {
    let mut found = Vec::new();
    for region in region_names() {
        found.extend(
            type_names()
                .into_iter()
                .filter_map(|name| get(region, name)),
        );
    }
    found
}

fn figure(micro: i64, as_of: &str, basis: Basis) -> Option<Figure<MicroUsdPerHour>> {
    let as_of = as_of.parse().unwrap();
    Some(Figure::new(MicroUsdPerHour(micro), as_of, basis))
}

fn listed(micro: i64, as_of: &str) -> Option<Figure<MicroUsdPerHour>> {
    figure(micro, as_of, Basis::Listed)
}

#[test]
fn each_table_has_as_many_rows_as_its_source() {
    let expected = BTreeMap::from([
        (TableKind::InstanceTypes, 1_415),
        (TableKind::Offerings, 21_255),
        (TableKind::OnDemand, 22_834),
        // 18,190 rows, of which 18,182 have a Linux and 12,230 a Windows price.
        (TableKind::Spot, 18_182 + 12_230),
        (TableKind::Interruption, 25_323),
        (TableKind::Ebs, 224),
        (TableKind::Transfer, 28),
        (TableKind::Services, 7),
        (TableKind::Benchmarks, 1_093),
        (TableKind::Regions, 47),
    ]);
    assert_eq!(CATALOG.counts(), expected);
}

#[test]
fn on_demand_prices_sum_to_the_source_by_date_and_basis() {
    let mut sums = BTreeMap::new();
    for price in over_all(|region, name| CATALOG.on_demand(region, name)) {
        let sum = sums
            .entry((price.as_of.to_string(), price.basis))
            .or_insert((0, 0));
        *sum = (sum.0 + 1, sum.1 + price.value.0);
    }
    let key = |date: &str, basis| (date.to_owned(), basis);
    let expected = BTreeMap::from([
        (key("2026-03-15", Basis::Listed), (16_025, 64_887_643_510)),
        (key("2026-03-15", Basis::Estimated), (4_123, 40_821_596_971)),
        (key("2026-07-20", Basis::Listed), (2_686, 17_109_466_242)),
    ]);
    assert_eq!(sums, expected);
}

#[test]
fn spot_prices_and_advice_sum_to_the_source() {
    let sum = |os| {
        let prices = over_all(|region, name| CATALOG.spot_for(region, name, None, os));
        let total: i64 = prices.iter().map(|price| price.value.0).sum();
        (prices.len(), total)
    };
    assert_eq!(sum(OperatingSystem::Linux), (18_182, 15_941_346_600));
    assert_eq!(sum(OperatingSystem::Windows), (12_230, 35_434_233_000));

    let advice = |os| {
        let mut bands = [0; 5];
        let mut savings = 0;
        for figure in over_all(|region, name| CATALOG.spot_advice(region, name, os)) {
            bands[usize::from(figure.value.band.index)] += 1;
            savings += i64::from(figure.value.savings_percent);
            assert_eq!(figure.as_of.to_string(), "2025-06-28");
        }
        (bands, savings)
    };
    let linux = ([3_239, 2_894, 2_025, 1_874, 4_930], 982_028);
    let windows = ([1_673, 1_998, 2_132, 1_597, 2_961], 489_107);
    assert_eq!(advice(OperatingSystem::Linux), linux);
    assert_eq!(advice(OperatingSystem::Windows), windows);
}

#[test]
fn offerings_and_zones_sum_to_the_source() {
    let mut zones = 0;
    for region in CATALOG.regions() {
        for info in CATALOG.instance_types() {
            let offered = CATALOG.offered_in(&region.name, &info.name);
            assert!(offered.is_sorted());
            assert!(offered.iter().all(|zone| region.zones.contains(zone)));
            zones += offered.len();
        }
    }
    assert_eq!(zones, 64_394);
    assert_eq!(CATALOG.regions().map(|r| r.zones.len()).sum::<usize>(), 95);
    let known = region_names()
        .into_iter()
        .filter(|region| CATALOG.offerings_known(region));
    assert_eq!(known.count(), 30);
}

#[test]
fn instance_types_sum_to_the_source() {
    let sum =
        |f: &dyn Fn(&InstanceTypeInfo) -> u64| -> u64 { CATALOG.instance_types().map(f).sum() };
    let some = |n: Option<u32>| u64::from(n.unwrap_or(0));
    assert_eq!(sum(&|i| u64::from(i.vcpu)), 88_346);
    assert_eq!(sum(&|i| i.memory.mib()), 692_458_402);
    assert_eq!(sum(&|i| some(i.max_pods)), 593_246);
    assert_eq!(sum(&|i| some(i.network_baseline_mbps)), 100_526_117);
    assert_eq!(sum(&|i| some(i.ebs_max_iops)), 164_809_995);
    assert_eq!(sum(&|i| some(i.ebs_max_attach)), 56_899);
    assert_eq!(sum(&|i| u64::from(i.gpu_milli)), 245_500);
    assert_eq!(
        sum(&|i| i.gpu_memory_total.map_or(0, |b| b.mib())),
        13_456_388
    );
    let gigabyte = 1_000_000_000;
    assert_eq!(
        sum(&|i| i.local_storage.map_or(0, |l| l.total.0 / gigabyte)),
        4_619_080
    );
    assert_eq!(sum(&|i| u64::from(i.spot)), 1_381);
    assert_eq!(sum(&|i| u64::from(i.mac)), 9);
    let names: Vec<&str> = CATALOG.instance_types().map(|i| i.name.as_str()).collect();
    assert!(names.is_sorted());
}

#[test]
fn volume_transfer_and_speed_figures_sum_to_the_source() {
    let mut sums = [(0, 0); 5];
    let mut bases = [0; 3];
    for region in region_names() {
        for price in VOLUME_TYPES.map(|v| CATALOG.ebs_price(region, v)) {
            let Some(price) = price else { continue };
            bases[price.per_gib_month.basis as usize] += 1;
            let columns = [
                Some(price.per_gib_month),
                price.per_iops_month,
                price.per_mibps_month,
                price.per_iops_month_32k_64k,
                price.per_iops_month_over_64k,
            ];
            for (sum, figure) in sums.iter_mut().zip(columns) {
                if let Some(figure) = figure {
                    *sum = (sum.0 + 1, sum.1 + figure.value.0);
                }
            }
        }
    }
    let expected = [
        (224, 20_214_802),
        (96, 4_948_080),
        (32, 1_509_770),
        (32, 1_665_750),
        (32, 1_166_020),
    ];
    assert_eq!(sums, expected);
    assert_eq!(bases, [120, 7, 97]);

    let sum = |f: &dyn Fn(&TransferPrice) -> Option<MicroUsd>| -> (usize, i64) {
        let prices = region_names().into_iter();
        let known: Vec<i64> = prices
            .filter_map(|region| CATALOG.transfer(region))
            .filter_map(|figure| f(&figure.value))
            .map(|price| price.0)
            .collect();
        (known.len(), known.iter().sum())
    };
    assert_eq!(sum(&|t| Some(t.cross_zone_each_way_per_gb)), (28, 280_000));
    assert_eq!(sum(&|t| t.inter_region_per_gb), (28, 1_585_500));
    assert_eq!(sum(&|t| t.us_east_pair_per_gb), (2, 20_000));
    assert_eq!(sum(&|t| t.internet_first_10tb_per_gb), (28, 3_045_600));
    assert_eq!(sum(&|t| t.internet_next_40tb_per_gb), (28, 2_630_000));
    assert_eq!(sum(&|t| t.internet_next_100tb_per_gb), (28, 2_294_800));
    assert_eq!(sum(&|t| t.internet_over_150tb_per_gb), (28, 1_886_000));

    let runs: Vec<_> = type_names()
        .into_iter()
        .filter_map(|name| CATALOG.coremark(name))
        .collect();
    assert_eq!(runs.len(), 1_093);
    let total: u64 = runs.iter().map(|run| run.value).sum();
    assert_eq!(total, 1_354_190_863);
    let dates: Vec<String> = runs.iter().map(|run| run.as_of.to_string()).collect();
    assert_eq!(dates.iter().min().map(String::as_str), Some("2025-12-10"));
    assert_eq!(dates.iter().max().map(String::as_str), Some("2026-07-01"));
}

#[test]
fn prices_are_those_of_the_list_with_their_date_and_basis() {
    let price = |region, name| CATALOG.on_demand(region, name);
    assert_eq!(
        price("us-east-1", "m6i.large"),
        listed(96_000, "2026-07-20")
    );
    assert_eq!(
        price("eu-central-1", "m6i.large"),
        listed(115_000, "2026-03-15")
    );
    // Estimated by the family's ratio, and by that of the newest families.
    let estimate = |micro| figure(micro, "2026-03-15", Basis::Estimated);
    assert_eq!(price("af-south-1", "c5.metal"), estimate(5_472_000));
    assert_eq!(price("af-south-1", "c8g.12xlarge"), estimate(2_567_419));

    let spot = |region, name| CATALOG.spot(region, name, None);
    assert_eq!(spot("us-east-1", "m6i.large"), listed(34_000, "2026-01-19"));
    let windows = OperatingSystem::Windows;
    assert_eq!(
        CATALOG.spot_for("us-east-1", "m6i.large", None, windows),
        listed(102_400, "2026-01-19")
    );
    let of = |capacity_type| CATALOG.price("us-east-1", "m6i.large", capacity_type, None);
    assert_eq!(of(CapacityType::OnDemand), listed(96_000, "2026-07-20"));
    assert_eq!(of(CapacityType::Spot), listed(34_000, "2026-01-19"));
    assert_eq!(of(CapacityType::Reserved), None);
}

#[test]
fn what_the_sources_do_not_have_is_none() {
    assert!(CATALOG.instance_type("m6i.enormous").is_none());
    assert_eq!(CATALOG.on_demand("us-east-1", "r9g.large"), None);
    assert_eq!(CATALOG.on_demand("ap-east-2", "m6i.large"), None);
    assert_eq!(CATALOG.on_demand("moon-1", "m6i.large"), None);
    assert_eq!(CATALOG.spot("us-gov-west-1", "m6i.large", None), None);
    // Newer than the advisor: not known, and not "below 5 %".
    assert!(CATALOG.instance_type("m8i.large").is_some());
    assert_eq!(CATALOG.interruption_band("us-east-1", "m8i.large"), None);
    assert_eq!(CATALOG.ebs_price("mx-central-1", "gp3"), None);
    assert_eq!(CATALOG.ebs_price("us-east-1", "gp9"), None);
    assert_eq!(CATALOG.transfer("eu-central-2"), None);
    assert_eq!(
        CATALOG.service_price("eu-west-1", service::NAT_GATEWAY),
        None
    );
    assert_eq!(CATALOG.coremark("r9g.large"), None);
    let mexico = (
        Region::from("mx-central-1"),
        InstanceType::from("m6i.large"),
    );
    assert!(CATALOG.offered_in(&mexico.0, &mexico.1).is_empty());
    assert!(!CATALOG.offerings_known("mx-central-1"));
    assert!(CATALOG.offerings_known("us-east-1"));
    assert_eq!(
        CATALOG.source(TableKind::OnDemand, "us-east-1", "r9g.large"),
        None
    );
}

#[test]
fn a_zones_spot_price_is_an_estimate_and_none_where_the_type_is_not_offered() {
    let zone = |id: &str| CATALOG.spot("us-east-1", "m6i.large", Some(&ZoneId::from(id)));
    let estimate = figure(34_000, "2026-01-19", Basis::Estimated);
    assert_eq!(zone("use1-az4"), estimate);
    assert_eq!(zone("use1-az3"), None);
    let region = Region::from("us-east-1");
    let offered = CATALOG.offered_in(&region, &InstanceType::from("m6i.large"));
    let ids: Vec<&str> = offered.iter().map(|zone| zone.as_str()).collect();
    assert_eq!(
        ids,
        ["use1-az1", "use1-az2", "use1-az4", "use1-az5", "use1-az6"]
    );
}

#[test]
fn bands_come_with_their_share_and_date() {
    let band = |name| CATALOG.interruption_band("us-east-1", name).unwrap();
    let m6i = band("m6i.large");
    assert_eq!(m6i.to_string(), "10-15% (listed, 2025-06-28)");
    assert_eq!((m6i.value.index, m6i.value.low_percent), (2, 10));
    // Spot was dearer than on-demand.
    let linux = OperatingSystem::Linux;
    let p5 = CATALOG.spot_advice("ca-central-1", "p5.48xlarge", linux);
    assert_eq!(p5.unwrap().value.savings_percent, -62);
}

#[test]
fn volumes_and_traffic_cost_what_the_price_list_says() {
    let volume = |region, name| -> EbsPrice { CATALOG.ebs_price(region, name).unwrap() };
    let gp3 = volume("us-east-1", "gp3");
    assert_eq!(
        gp3.per_gib_month.to_string(),
        "$0.08/mo (listed, 2021-07-14)"
    );
    assert_eq!((gp3.iops_included, gp3.mibps_included), (3_000, 125));
    let cost = gp3.per_month(500, Some(4_000), Some(250));
    assert_eq!(cost.value, MicroUsdPerMonth(50_000_000));
    let snapshot = gp3.snapshot_per_gib_month.unwrap();
    assert_eq!(snapshot.to_string(), "$0.05/mo (listed, 2024-07-01)");
    assert_eq!(volume("eu-west-1", "gp3").snapshot_per_gib_month, None);
    assert_eq!(volume("us-east-1", "gp2").per_iops_month, None);
    let io2 = volume("eu-west-1", "io2");
    assert_eq!(io2.per_iops_month.unwrap().basis, Basis::Derived);
    assert_eq!(
        volume("eu-west-1", "gp2").per_gib_month.basis,
        Basis::Listed
    );

    let transfer = CATALOG.transfer("us-east-1").unwrap();
    assert_eq!(transfer.as_of.to_string(), "2024-09-25");
    assert_eq!(transfer.value.cross_zone_per_gb(), MicroUsd(20_000));
    let between = |from, to| CATALOG.inter_region_per_gb(from, to).map(|f| f.value.0);
    assert_eq!(between("us-east-1", "us-east-2"), Some(10_000));
    assert_eq!(between("us-east-1", "us-west-2"), Some(20_000));
    assert_eq!(between("us-east-1", "us-east-1"), None);
}

#[test]
fn a_price_for_all_regions_covers_the_aws_partition_only() {
    let eks = |region| {
        let figure = CATALOG.service_price(region, service::EKS_CLUSTER);
        figure.map(|f| (f.value.price.0, f.as_of.to_string()))
    };
    let price = Some((100_000, "2025-07-07".to_owned()));
    assert_eq!(eks("us-east-1"), price);
    assert_eq!(eks("eu-central-2"), price);
    assert_eq!(eks("us-gov-west-1"), None);
    assert_eq!(eks("cn-north-1"), None);
    assert_eq!(eks("cn-future-9"), None);
    let nat = CATALOG.service_price("us-east-1", service::NAT_GATEWAY);
    assert_eq!(nat.unwrap().value.price, MicroUsd(45_000));
}

#[test]
fn a_type_tells_what_packing_spot_and_network_need() {
    let m6i = CATALOG.instance_type("m6i.large").unwrap();
    assert_eq!((m6i.vcpu, m6i.memory), (2, Bytes::from_gib(8)));
    assert_eq!(m6i.allocatable.memory, Bytes::from_mib(6_903));
    assert_eq!(
        (m6i.family(), m6i.size(), m6i.generation()),
        ("m6i", "large", Some(6))
    );
    let info = CATALOG.instance_type("m5.large").unwrap();
    assert_eq!(
        (info.ebs_max_attach, info.ebs_attach_limit),
        (Some(27), Some(25))
    );
    assert_eq!(info.network_baseline_mbps, Some(750));
    let g6f = CATALOG.instance_type("g6f.large").unwrap();
    assert_eq!((g6f.gpu_count, g6f.gpu_milli), (1, 125));
    assert_eq!(g6f.allocatable.extended.get("nvidia.com/gpu"), Some(&1));
    let trn = CATALOG.instance_type("trn2.48xlarge").unwrap();
    assert_eq!(
        trn.allocatable.extended.get("aws.amazon.com/neuron"),
        Some(&16)
    );
    assert_eq!(trn.allocatable.pods, 100);
    let as_of = |name| {
        CATALOG
            .instance_type_figure(name)
            .unwrap()
            .as_of
            .to_string()
    };
    assert_eq!(as_of("m6i.large"), "2026-10-27");
    assert_eq!(as_of("f1.2xlarge"), "2025-02-01");
    assert_eq!(CATALOG.coremark("m6i.large").unwrap().value, 35_055);
}

#[test]
fn the_formula_agrees_with_karpenters_table_for_every_type() {
    let table = include_str!("testdata/catalog/allocatable.csv");
    let mut checked = 0;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let info = CATALOG.instance_type(fields[0]).unwrap();
        let node = allocatable_for(info, &NodeOverheads::default());
        let numbers = (node.cpu.0, node.memory.0, node.pods);
        let parsed = |i: usize| fields[i].parse::<u64>().unwrap();
        let mib = 1 << 20;
        assert_eq!(numbers, (parsed(1), parsed(2) * mib, parsed(3)), "{line}");
        assert_eq!(info.allocatable, node, "{line}");
        checked += 1;
    }
    assert_eq!(checked, 1_363);
}

#[test]
fn regions_know_their_partition_zones_and_kind() {
    let virginia = CATALOG.region("us-east-1").unwrap();
    assert_eq!(virginia.description, "US East (N. Virginia)");
    assert_eq!(virginia.zones.len(), 6);
    assert_eq!(CATALOG.zones("us-west-1").len(), 2);
    assert!(CATALOG.zones("moon-1").is_empty());
    let atlanta = CATALOG.region("us-east-1-atl-1").unwrap();
    assert_eq!(atlanta.kind, RegionKind::LocalZoneGroup);
    assert_eq!(
        CATALOG.region("us-gov-west-1").unwrap().partition,
        "aws-us-gov"
    );
}

#[test]
fn a_table_laid_over_wins_and_keeps_its_provenance() {
    let mut catalog = CATALOG.clone();
    let contract = Source::new("contract 42", "2026-11-20".parse().unwrap())
        .with_basis(Basis::Derived)
        .with_origin("procurement");
    let mut table = Table::new(contract.clone());
    let az4 = ZoneId::from("use1-az4");
    let linux = OperatingSystem::Linux;
    table
        .on_demand("us-east-1", "m6i.large", MicroUsdPerHour(71_000))
        .unwrap()
        .spot(
            "us-east-1",
            "m6i.large",
            Some(az4.clone()),
            linux,
            MicroUsdPerHour(29_000),
        )
        .unwrap();
    catalog.overlay(table);

    let derived = |micro| figure(micro, "2026-11-20", Basis::Derived);
    assert_eq!(catalog.on_demand("us-east-1", "m6i.large"), derived(71_000));
    let source = catalog.source(TableKind::OnDemand, "us-east-1", "m6i.large");
    assert_eq!(source, Some(&contract));
    // The zone has its own price now; the region and the other zones do not.
    let spot = |zone| catalog.spot("us-east-1", "m6i.large", zone);
    assert_eq!(spot(Some(&az4)), derived(29_000));
    assert_eq!(
        catalog.zonal_spot_source("us-east-1", "m6i.large", &az4),
        Some(&contract)
    );
    assert_eq!(spot(None), listed(34_000, "2026-01-19"));
    let az1 = ZoneId::from("use1-az1");
    assert_eq!(
        spot(Some(&az1)),
        figure(34_000, "2026-01-19", Basis::Estimated)
    );
    // What the table does not name is as it was, its source too.
    let xlarge = catalog.on_demand("us-east-1", "m6i.xlarge");
    assert_eq!(xlarge, listed(192_000, "2026-07-20"));
    let embedded = catalog.source(TableKind::OnDemand, "us-east-1", "m6i.xlarge");
    assert!(embedded.unwrap().origin.contains("karpenter"));
}

#[test]
fn new_types_regions_and_offerings_can_be_laid_over() {
    let mut catalog = CATALOG.clone();
    let mut table = Table::new(Source::new("ours", "2026-11-20".parse().unwrap()));
    let architecture = cloudoptim_core::catalog::Architecture::Arm64;
    let info = InstanceTypeInfo::new("a9.giant", 512, Bytes::from_gib(4096), architecture);
    let zones = vec![ZoneId::from("moon1-az2"), ZoneId::from("moon1-az1")];
    table
        .instance_type(info)
        .offering("moon-1", "a9.giant", zones)
        .on_demand("moon-1", "a9.giant", MicroUsdPerHour(9_000_000))
        .unwrap();
    catalog.overlay(table);
    assert_eq!(
        catalog.instance_types().next().unwrap().name.as_str(),
        "a1.2xlarge"
    );
    assert_eq!(catalog.instance_types().count(), 1_416);
    assert_eq!(catalog.instance_type("a9.giant").unwrap().vcpu, 512);
    let offered = catalog.offered_in(&"moon-1".into(), &"a9.giant".into());
    assert_eq!(
        offered,
        [&ZoneId::from("moon1-az1"), &ZoneId::from("moon1-az2")]
    );
    assert_eq!(
        catalog.on_demand("moon-1", "a9.giant"),
        listed(9_000_000, "2026-11-20")
    );
    let names: Vec<_> = catalog.instance_types().map(|i| &i.name).collect();
    assert!(names.is_sorted());
}

#[test]
fn a_price_of_zero_is_refused() {
    let mut table = Table::new(Source::new("thin reply", "2026-11-20".parse().unwrap()));
    let error = table.on_demand("us-east-1", "m6i.large", MicroUsdPerHour(0));
    assert_eq!(
        error.unwrap_err().to_string(),
        "price of m6i.large must be above zero, got 0"
    );
    assert!(table.is_empty());
}

#[test]
fn packing_is_lossless_and_says_nothing_of_the_order_of_tables() {
    let bytes = CATALOG.to_bytes().unwrap();
    let again = Catalog::from_bytes(&bytes).unwrap();
    assert_eq!(again.digest().unwrap(), CATALOG.digest().unwrap());
    assert_eq!(again.sources(), CATALOG.sources());

    let table = |name: &str, as_of: &str, region: &str, price| {
        let mut table = Table::new(Source::new(name, as_of.parse().unwrap()));
        let zone = Some(ZoneId::from("use1-az1"));
        let linux = OperatingSystem::Linux;
        table
            .on_demand(region, "z9.new", MicroUsdPerHour(price))
            .unwrap()
            .spot(region, "z9.new", zone, linux, MicroUsdPerHour(price / 2))
            .unwrap();
        table
    };
    let tables = [
        table("one", "2026-11-01", "zz-1", 10),
        table("two", "2026-11-02", "aa-1", 20),
    ];
    let packed = |order: [usize; 2]| {
        let mut catalog = CATALOG.clone();
        order
            .iter()
            .for_each(|i| catalog.overlay(tables[*i].clone()));
        catalog.to_bytes().unwrap()
    };
    assert_eq!(packed([0, 1]), packed([1, 0]));
    let read = Catalog::from_bytes(&packed([0, 1])).unwrap();
    assert_eq!(read.on_demand("aa-1", "z9.new"), listed(20, "2026-11-02"));
    let zone = ZoneId::from("use1-az1");
    assert_eq!(
        read.spot("zz-1", "z9.new", Some(&zone)),
        listed(5, "2026-11-01")
    );
}

#[test]
fn limits_that_a_source_gave_itself_survive_packing() {
    let mut info = CATALOG.instance_type("m6i.large").unwrap().clone();
    info.allocatable.memory = Bytes::from_mib(7_000);
    info.ebs_attach_limit = Some(3);
    let mut table = Table::new(Source::new("measured", "2026-11-20".parse().unwrap()));
    table.instance_type(info.clone());
    let mut catalog = CATALOG.clone();
    catalog.overlay(table);
    let read = Catalog::from_bytes(&catalog.to_bytes().unwrap()).unwrap();
    assert_eq!(read.instance_type("m6i.large"), Some(&info));
}

#[test]
fn packed_bytes_that_are_cut_or_altered_are_refused() {
    let bytes = CATALOG.to_bytes().unwrap();
    for end in [0, 1, 10, 1_000, bytes.len() / 2, bytes.len() - 1] {
        assert!(Catalog::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut altered = bytes.clone();
        altered[at] ^= 0x55;
        // The header's date and system are the only bytes that do not matter.
        let refused = Catalog::from_bytes(&altered).is_err();
        assert!(refused || (3..10).contains(&at), "altered at {at}");
    }
    let error = Catalog::from_bytes(b"not packed").unwrap_err().to_string();
    assert!(error.starts_with("packed catalogue is broken"), "{error}");
}

#[test]
fn every_figure_has_a_source_that_says_where_it_is_from() {
    for source in CATALOG.sources() {
        assert!(
            !source.name.is_empty() && !source.origin.is_empty(),
            "{source:?}"
        );
    }
    let origin = |kind, region, name| CATALOG.source(kind, region, name).unwrap().origin.as_str();
    let cases = [
        (
            TableKind::InstanceTypes,
            "",
            "m6i.large",
            "getmoto/moto 5.2.5",
        ),
        (
            TableKind::Offerings,
            "us-east-1",
            "m6i.large",
            "getmoto/moto 5.2.5",
        ),
        (TableKind::OnDemand, "eu-west-1", "m6i.large", "8ef5da6"),
        (TableKind::Spot, "us-east-1", "m6i.large", "f049f4f"),
        (TableKind::Interruption, "us-east-1", "m6i.large", "05e9331"),
        (TableKind::Ebs, "us-east-1", "gp3", "EBS price page"),
        (TableKind::Transfer, "us-east-1", "", "95ba4f4"),
        (TableKind::Services, "us-east-1", "nat_gateway", "95ba4f4"),
        (TableKind::Benchmarks, "", "m6i.large", "4ef36cd"),
        (TableKind::Regions, "us-east-1", "", "botocore"),
    ];
    for (kind, region, name, part) in cases {
        assert!(origin(kind, region, name).contains(part), "{kind:?}");
    }
}

#[test]
fn types_and_figures_cross_the_api_as_json() {
    let info = CATALOG.instance_type("g5.xlarge").unwrap();
    let json = serde_json::to_string(info).unwrap();
    assert!(json.contains(r#""architecture":"amd64""#));
    let read: InstanceTypeInfo = serde_json::from_str(&json).unwrap();
    assert_eq!(&read, info);
    let price = CATALOG.on_demand("us-east-1", "m6i.large");
    let json = serde_json::to_string(&price).unwrap();
    assert_eq!(
        json,
        r#"{"value":96000,"as_of":"2026-07-20","basis":"listed"}"#
    );
}
