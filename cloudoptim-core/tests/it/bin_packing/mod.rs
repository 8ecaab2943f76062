//! Bin packing: scenarios in a few lines each, runs over time, and properties.

pub(crate) mod build;
mod deadline;
mod generated;
mod green;
mod kept;
mod migration;
mod naive;
mod naive_limits;
mod preferring;
mod properties;
mod questions;
pub(crate) mod settings;
mod spreading;
mod time;

use crate::cases::{Line, assert_every_code_occurs, run_cases};
use crate::fixtures::at;
use crate::ticking::passed_at;
use build::build;
use cloudoptim_core::catalog::{
    Architecture, Catalog, InstanceTypeInfo, OperatingSystem, Source, Table,
};
use cloudoptim_core::decision::{Action, Decision, Subject};
use cloudoptim_core::engines::bin_packing::{Config, Headroom, Reason, decide};
use cloudoptim_core::engines::{EngineOutput, Inputs};
use cloudoptim_core::ledger::Ledgers;
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::Overlay;
use cloudoptim_core::policy::Policy;
use cloudoptim_core::providers::Deadline;
use cloudoptim_core::scheduling::PreferencePrices;
pub(crate) use migration::{FORCED, plan_of_case, plan_of_case_by, with_generated_ways};
use settings::config;

const FILE: &str = "bin_packing.txt";
pub(crate) const NOW: &str = "2026-11-24T12:00Z";

/// Types with their shape and on-demand price in us-east-1, in dollars an hour
/// × 10⁶ (list prices of 2025; those of the issues that the cases quote).
const TYPES: [(&str, u32, u64, i64); 13] = [
    ("m6i.large", 2, 8, 96_000),
    ("m6i.xlarge", 4, 16, 192_000),
    ("m6i.2xlarge", 8, 32, 384_000),
    ("t3a.micro", 2, 1, 9_400),
    ("t3a.medium", 2, 4, 37_600),
    ("t3a.xlarge", 4, 16, 150_400),
    ("c5a.xlarge", 4, 8, 154_000),
    ("m6a.xlarge", 4, 16, 172_800),
    ("c6a.2xlarge", 8, 16, 306_000),
    ("c6a.4xlarge", 16, 32, 612_000),
    ("r6a.2xlarge", 8, 64, 453_600),
    ("m7g.2xlarge", 8, 32, 326_400),
    ("r7g.2xlarge", 8, 64, 428_400),
];

pub(crate) fn catalog() -> Catalog {
    let date = chrono::NaiveDate::from_ymd_opt(2025, 1, 2).unwrap();
    let mut table = Table::new(Source::new("test", date));
    for (name, vcpu, gib, price) in TYPES {
        let graviton = name.split('.').next().is_some_and(|f| f.ends_with('g'));
        let arch = if graviton {
            Architecture::Arm64
        } else {
            Architecture::Amd64
        };
        let memory = Bytes(gib << 30);
        let mut info = InstanceTypeInfo::new(name, vcpu, memory, arch);
        info.burstable = name.starts_with('t');
        table.instance_type(info);
        let price = MicroUsdPerHour(price);
        table.on_demand("us-east-1", name, price).unwrap();
        // Spot at a third, everywhere, and one of which nobody says it.
        if name == "r7g.2xlarge" {
            continue;
        }
        table
            .spot(
                "us-east-1",
                name,
                None,
                OperatingSystem::Linux,
                MicroUsdPerHour(price.0 / 3),
            )
            .unwrap();
    }
    let mut catalog = Catalog::empty();
    catalog.overlay(table);
    catalog
}

/// What a run depends on, beside the catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) snapshot: Snapshot,
    pub(crate) ledgers: Ledgers,
    pub(crate) overlay: Overlay,
}

impl Scenario {
    /// Asks something about its cluster.
    fn ask<T>(&self, question: impl FnOnce(&Inputs<'_>, &ClusterUid) -> T) -> T {
        self.ask_by(&Policy::default(), question)
    }

    /// The same, with another policy.
    fn ask_by<T>(
        &self,
        policy: &Policy,
        question: impl FnOnce(&Inputs<'_>, &ClusterUid) -> T,
    ) -> T {
        self.ask_until(policy, None, question)
    }

    /// The same, with a deadline.
    fn ask_until<T>(
        &self,
        policy: &Policy,
        deadline: Option<&Deadline>,
        question: impl FnOnce(&Inputs<'_>, &ClusterUid) -> T,
    ) -> T {
        let inputs = Inputs {
            snapshot: &self.snapshot,
            overlay: &self.overlay,
            catalog: &catalog(),
            policy,
            ledgers: &self.ledgers,
            deadline,
        };
        question(&inputs, &self.snapshot.clusters[0].uid)
    }
}

fn run(config: &Config, scenario: &Scenario) -> EngineOutput {
    run_until(config, scenario, None)
}

fn run_until(config: &Config, scenario: &Scenario, deadline: Option<&Deadline>) -> EngineOutput {
    let mut policy = Policy::default();
    policy.bin_packing = config.clone();
    scenario.ask_until(&policy, deadline, |inputs, _| {
        decide(config, inputs).unwrap()
    })
}

fn node_of(decision: &Decision) -> &NodeName {
    match &decision.subject {
        Subject::Node { node, .. } => node,
        other => panic!("{other}"),
    }
}

fn show(decision: &Decision, explain: bool) -> String {
    let mut words = vec![if decision.is_keep() { "stay" } else { "go" }.to_owned()];
    words.push(node_of(decision).to_string());
    for action in &decision.actions {
        match action {
            Action::CordonNode { node, .. } if node == node_of(decision) => {}
            Action::CordonNode { node, .. } => words.push(format!("({node}:")),
            Action::UncordonNode { node, .. } => {
                assert_ne!(node, node_of(decision));
                words.push(")".to_owned());
            }
            Action::DrainNode { moves, .. } => words.extend(moves.iter().map(|m| {
                let to = m.to.as_ref().map_or("?", NodeName::as_str);
                format!("{}>{to}", m.pod.name)
            })),
            Action::RemoveNode { via, .. } => words.push(format!("via \"{via}\"")),
            Action::LaunchNodes { launch, .. } => {
                let names: Vec<&str> = launch.nodes.iter().map(NodeName::as_str).collect();
                let (what, via) = (&launch.offering, &launch.via);
                words.push(format!(
                    "launch \"{what}\" through \"{via}\" as {}",
                    names.join(",")
                ));
            }
            other => panic!("{other}"),
        }
    }
    if let Some(saves) = decision.saves_per_month {
        words.push(format!("saves={saves}"));
    }
    if let Some(stake) = decision.at_stake_per_month {
        words.push(format!("stake={stake}"));
    }
    words.extend(decision.reasons.iter().map(|r| {
        let code = r.code().1;
        if explain {
            format!("{code}: {r};")
        } else {
            code.to_owned()
        }
    }));
    words.join(" ")
}

fn dollars(amount: Option<MicroUsdPerHour>) -> String {
    amount.map_or("?".to_owned(), |a| a.to_string())
}

fn lines_of(header: &Line, output: &EngineOutput) -> Vec<String> {
    let explain = header.has("explain");
    let mut lines: Vec<String> = output.decisions.iter().map(|d| show(d, explain)).collect();
    if header.has("figures") {
        lines.extend(output.figures.iter().map(|f| {
            format!(
                "figures of {}: {} now, {} after, at least {}; {} moves",
                f.of,
                dollars(f.cost_now),
                dollars(f.cost_after),
                dollars(f.lower_bound),
                f.moves
            )
        }));
    }
    if header.has("green") {
        lines.extend(output.alternatives.iter().map(|a| {
            let saves = a.saves_per_month.map_or("?".to_owned(), |s| s.to_string());
            format!("{}, saves={saves}", a.what)
        }));
    }
    lines.extend(
        output
            .not_judged
            .iter()
            .map(|n| format!("not-judged {}", n.missing)),
    );
    lines
}

#[test]
fn scenarios_of_nodes_that_go_and_nodes_that_stay() {
    run_cases(FILE, |header, lines| {
        let look = header.get("look").map(|look| look.parse().unwrap());
        let deadline = look.map(|look| passed_at(look).1);
        let output = run_until(&config(header), &build(header, lines), deadline.as_ref());
        lines_of(header, &output)
    });
}

#[test]
fn every_reason_occurs_and_every_code_is_listed() {
    assert_every_code_occurs(Reason::CODES, &[FILE]);
}

#[test]
fn settings_out_of_range_are_refused_with_the_value() {
    let refused = |config: Config| config.validate().unwrap_err().to_string();
    for (config, message) in [
        (
            Config::default().with_headroom_percent(91),
            "bin_packing: headroom_percent must be from 0 to 90, got 91",
        ),
        (
            Config::default().with_max_workload_share_percent(0),
            "bin_packing: max_workload_share_percent must be from 1 to 100, got 0",
        ),
        (
            Config::default().with_max_workload_share_percent(101),
            "bin_packing: max_workload_share_percent must be from 1 to 100, got 101",
        ),
        (
            Config::default().with_max_workload_zone_share_percent(0),
            "bin_packing: max_workload_zone_share_percent must be from 1 to 100, got 0",
        ),
        (
            Config::default().with_headroom(vec![Headroom::default()]),
            "bin_packing: headroom must be for 1 to 1000 pods each, got 0",
        ),
        (
            Config::default().with_min_saving_per_month(MicroUsdPerMonth(-1)),
            "bin_packing: min_saving_per_month must not be negative, got -$0.000001/mo",
        ),
        (
            Config::default().with_max_disrupted_percent(101),
            "bin_packing: max_disrupted_percent must be from 1 to 100, got 101",
        ),
        (
            Config::default().with_preferences(PreferencePrices {
                per_taint: MicroUsdPerHour(-1),
                ..PreferencePrices::default()
            }),
            "bin_packing: preferences.per_taint must be from 0 to $10.00/h, got -$0.000001/h",
        ),
        (
            Config::default().with_max_surge_percent(0),
            "bin_packing: max_surge_percent must be from 1 to 100, got 0",
        ),
        (
            Config::default().with_concentration(0, 3),
            "bin_packing: max_node_vcpus must be 1 or more, got 0",
        ),
        (
            Config::default().with_extra_per_node(MicroUsdPerHour(-1)),
            "bin_packing: extra_per_node must not be negative, got -$0.000001/h",
        ),
        (
            Config::default().with_marginal_prices(vec![OfferingPrice {
                instance_type: "m6i.large".into(),
                per_hour: MicroUsdPerHour(-1),
                ..OfferingPrice::default()
            }]),
            "bin_packing: marginal_prices must not be negative, got -$0.000001/h for m6i.large",
        ),
        (
            Config::default().with_spot_percent(101),
            "bin_packing: spot_percent must be from 0 to 100, got 101",
        ),
        (
            Config::default().with_spot_prices(
                vec![OfferingPrice {
                    instance_type: "m6i.large".into(),
                    capacity_type: CapacityType::Spot,
                    ..OfferingPrice::default()
                }],
                at(NOW),
            ),
            "bin_packing: spot_prices of m6i.large must be above 0, got $0.00/h",
        ),
        (
            Config::default().with_max_spot_price_age_hours(0),
            "bin_packing: max_spot_price_age_hours must be at least 1, got 0",
        ),
        (
            Config::default().with_max_evictions_in_flight(0),
            "bin_packing: max_evictions_in_flight must be 1 or more, got 0",
        ),
    ] {
        assert_eq!(refused(config), message);
    }
    assert!(Config::default().validate().is_ok());
}
