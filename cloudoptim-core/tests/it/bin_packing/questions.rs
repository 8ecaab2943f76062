//! Explanations, what-ifs and prices of rules, in the clusters of `build`.
//!
//! ```text
//! explain pod=<namespace/name> on=<node>
//! explain node=<node>
//! what-if [budget= spread= anti= near= rules= marks= local= node-marks= bare]
//!         [min-of=<node group>[:<nodes>]]
//!         [no-zone= no-type= no-family= type= family= cpu=<app>:<cpu>] [kind=Deployment]
//! prices [most=]
//! green [spot=<percent>] [spot-of=<app>:<percent>] [spot-price=<percent>]
//!       [spot-age=<hours>] [types=<a,b>] [through=<groups,asgs,pools>] [most=<limits priced>]
//! ```

use super::Scenario;
use super::build::build;
use super::generated::{any_case, scenario};
use super::green::{rooms, within};
use super::settings::{config, spot_age, spot_prices};
use crate::cases::{Line, run_cases};
use crate::fixtures::cpu;
use cloudoptim_core::decision::LaunchThrough;
use cloudoptim_core::engines::bin_packing::{
    BoughtFor, Change, Config, LaunchLimit, Price, Pricing, Purchase, constraint_prices,
    explain_node, explain_pod, green_field, limit_prices, solver::Effort, what_if,
};
use cloudoptim_core::engines::{EngineError, Inputs};
use cloudoptim_core::model::*;
use cloudoptim_core::overlay::{Overlay, RequestChange};
use proptest::prelude::*;
use std::collections::BTreeSet;

const FILE: &str = "bin_packing_questions.txt";

fn changes(header: &Line) -> Vec<Change> {
    let kind = header.get("kind").unwrap_or("Deployment");
    let workload = |app: &str| WorkloadRef::new("shop", kind, app);
    let words = header.pairs.iter().filter_map(|(key, value)| {
        let own = value.clone();
        Some(match key.as_str() {
            "budget" => Change::DropBudget {
                budget: NamespacedName::new("shop", value),
            },
            "spread" => Change::DropSpread {
                workload: workload(value),
            },
            "anti" => Change::DropAntiAffinity {
                workload: workload(value),
            },
            "near" => Change::DropPodAffinity {
                workload: workload(value),
            },
            "rules" => Change::DropNodeRules {
                workload: workload(value),
            },
            "marks" => Change::IgnoreMarks {
                workload: workload(value),
            },
            "local" => Change::LoseLocalData {
                workload: workload(value),
            },
            "node-marks" => Change::IgnoreNodeMarks {
                node: NodeName::new(value),
            },
            "no-zone" => Change::ForbidZone {
                zone: format!("us-east-1{value}").into(),
            },
            "no-type" => Change::ForbidType { instance_type: own },
            "no-family" => Change::ForbidFamily { family: own },
            "min-of" => {
                let group = |name: &str| format!("node group {name}");
                match value.split_once(':') {
                    Some((name, nodes)) => Change::SetMinimum {
                        group: group(name),
                        min_size: nodes.parse().unwrap(),
                    },
                    None => Change::LiftMinimum {
                        group: group(value),
                    },
                }
            }
            "type" => Change::AllowType { instance_type: own },
            "family" => Change::AllowFamily { family: own },
            "cpu" => {
                let (app, amount) = value.split_once(':').unwrap();
                let mut change = RequestChange {
                    cluster: "c1".into(),
                    workload: workload(app),
                    container: "main".to_owned(),
                    ..RequestChange::default()
                };
                change.resources.requests.cpu = Some(cpu(amount));
                let requests = vec![change];
                Change::Overlay {
                    overlay: Box::new(Overlay {
                        requests,
                        ..Overlay::default()
                    }),
                }
            }
            _ => return None,
        })
    });
    let bare = header.has("bare").then_some(Change::MoveBarePods);
    words.chain(bare).collect()
}

fn answer(
    header: &Line,
    scenario: &Scenario,
    inputs: &Inputs<'_>,
    uid: &ClusterUid,
) -> Result<Vec<String>, EngineError> {
    let config = config(header);
    Ok(match (header.word(0), header.get("pod")) {
        ("explain", Some(pod)) => {
            let node = NodeName::new(header.get("on").unwrap());
            let answer = explain_pod(&config, inputs, uid, pod, &node)?;
            let by_uid = explain_pod(&config, inputs, uid, answer.uid.as_str(), &node)?;
            assert_eq!(answer, by_uid);
            vec![answer.to_string()]
        }
        ("explain", None) => {
            let node = NodeName::new(header.get("node").unwrap());
            let answer = explain_node(&config, inputs, uid, &node)?;
            let way = answer.in_the_way_per_month;
            let way = way.map_or("?".to_owned(), |usd| usd.to_string());
            let first = format!("{answer} [in the way: {way}]");
            let pods = answer.pods.iter().map(ToString::to_string);
            std::iter::once(first).chain(pods).collect()
        }
        ("what-if", _) => {
            let answer = what_if(&config, inputs, uid, &changes(header))?;
            let json = serde_json::to_string(&answer).unwrap();
            assert_eq!(answer, serde_json::from_str(&json).unwrap());
            vec![answer.to_string()]
        }
        ("green", _) => {
            let (effort, purchase) = (Effort::default(), purchase(header));
            let most = header.get("most").map_or(0, |n| n.parse().unwrap());
            let with_prices = limit_prices(&config, inputs, uid, &purchase, &effort, most)?;
            let answer = green_field(&config, inputs, uid, &purchase, &effort)?;
            assert_eq!(answer, with_prices.field);
            let prices = with_prices.prices.iter().map(ToString::to_string);
            let prices = prices.filter(|_| header.get("most").is_some());
            let json = serde_json::to_string(&answer).unwrap();
            assert_eq!(answer, serde_json::from_str(&json).unwrap());
            let nodes = answer.nodes.iter().map(|node| {
                let mut words = vec![format!("{}:", node.offering)];
                words.extend(node.pods.iter().map(|p| p.name.clone()));
                if node.bought_for != BoughtFor::Pods {
                    words.push(format!("({})", node.bought_for));
                }
                words.join(" ")
            });
            let minima = with_prices.minima.iter().map(ToString::to_string);
            let minima = minima.filter(|_| header.get("most").is_some());
            let first = std::iter::once(answer.to_string());
            first.chain(nodes).chain(prices).chain(minima).collect()
        }
        ("prices", _) => {
            let most = header.get("most").map_or(20, |n| n.parse().unwrap());
            prices(&config, scenario, most)
        }
        (other, _) => panic!("{other}?"),
    })
}

/// What may be bought; spot at a third of the price.
fn purchase(header: &Line) -> Purchase {
    let mut purchase = Purchase::default();
    let percent = |text: &str| text.parse().unwrap();
    if let Some(spot) = header.get("spot") {
        purchase = purchase.with_spot_percent(percent(spot));
    }
    if let Some(of) = header.get("spot-of") {
        let (app, of) = of.split_once(':').unwrap();
        let workload = WorkloadRef::new("shop", "Deployment", app);
        purchase = purchase.with_spot_percent_of(workload, percent(of));
    }
    let through = header.get("through").into_iter();
    purchase = purchase.with_through(through.flat_map(|t| t.split(',')).map(|who| match who {
        "pools" => LaunchThrough::NodePools,
        "groups" => LaunchThrough::NodeGroups,
        "asgs" => LaunchThrough::AutoScalingGroups,
        other => panic!("{other}?"),
    }));
    if let Some(types) = header.get("types") {
        purchase = purchase.with_instance_types(types.split(',').map(InstanceType::from));
    }
    let dear = header.get("spot-price").map_or(33, |p| p.parse().unwrap());
    let (as_of, dated) = spot_age(header);
    let mut purchase = purchase.with_spot_prices(spot_prices(dear), as_of);
    purchase.spot_prices_as_of = purchase.spot_prices_as_of.filter(|_| dated);
    purchase
}

fn prices(config: &Config, scenario: &Scenario, most: u32) -> Vec<String> {
    let pricing = Pricing::default().with_most(most);
    let answer =
        scenario.ask(|inputs, uid| constraint_prices(config, inputs, uid, &pricing).unwrap());
    let mut last = MicroUsdPerMonth(i64::MAX);
    for price in answer.prices.iter().filter_map(|p| match &p.price {
        Price::Known {
            per_month,
            at_least,
            at_most,
        } => Some((*at_least, *per_month, *at_most)),
        _ => None,
    }) {
        assert!(price.0 <= price.2 && price.1 <= last, "{price:?}");
        assert!(MicroUsdPerMonth::ZERO <= price.1 && price.1 <= price.2);
        last = price.1;
    }
    let lines = answer.prices.iter().map(|p| {
        let nodes: Vec<&str> = p.nodes.iter().map(NodeName::as_str).collect();
        format!("{p} [{}]", nodes.join(" "))
    });
    let together = answer.together_per_month;
    let together = together.map_or("?".to_owned(), |usd| usd.to_string());
    lines.chain([format!("together {together}")]).collect()
}

#[test]
fn questions_about_pods_nodes_and_rules() {
    run_cases(FILE, |header, lines| {
        let scenario = build(header, lines);
        scenario.ask(|inputs, uid| {
            let answer = answer(header, &scenario, inputs, uid);
            answer.unwrap_or_else(|e| vec![e.to_string()])
        })
    });
}

#[test]
fn the_order_of_objects_changes_no_price() {
    let lines = [
        "node n1 8 32Gi type=m6i.2xlarge",
        "node n2 4 16Gi",
        "node n3 4 16Gi",
        "pod web-1 n1 500m 1Gi avoids=web",
        "pod web-2 n2 500m 1Gi avoids=web",
        "pod api-1 n2 500m 1Gi",
        "pod job-1 n3 500m 1Gi ann=karpenter.sh/do-not-disrupt:true",
        "pdb web min=2",
        "pdb api min=1",
    ];
    let prices = |lines: &[Line]| {
        let scenario = build(&Line::default(), lines);
        scenario.ask(|inputs, uid| {
            constraint_prices(&Config::default(), inputs, uid, &Pricing::default()).unwrap()
        })
    };
    let mut lines: Vec<Line> = lines.into_iter().map(Line::parse).collect();
    let before = prices(&lines);
    assert_eq!(before.prices.len(), 5);
    lines.reverse();
    assert_eq!(prices(&lines), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// What is not named as holding something back holds nothing back that anybody can
    /// prove.
    #[test]
    fn every_limit_that_costs_something_is_named(case in any_case(), rooms in rooms()) {
        let (config, case) = within(&case, rooms);
        let config = config.with_launch_through([LaunchThrough::NodePools]);
        let scenario = scenario(&case);
        let pricing = Pricing::default().with_most(0);
        scenario.ask(|inputs, uid| {
            let named = constraint_prices(&config, inputs, uid, &pricing).unwrap();
            let named: BTreeSet<LaunchLimit> = named
                .prices
                .into_iter()
                .filter_map(|of| match of.change {
                    Change::LiftLimit { limit } => Some(limit),
                    _ => None,
                })
                .collect();
            let pool = || "main".to_owned();
            let quota = "L-1216C47A".to_owned();
            let zones = ["us-east-1a", "us-east-1b"];
            let mut limits = vec![
                LaunchLimit::PoolCpu { pool: pool() },
                LaunchLimit::PoolMemory { pool: pool() },
                LaunchLimit::PoolNodes { pool: pool() },
                LaunchLimit::Vcpus { quota },
            ];
            limits.extend(zones.map(|zone| LaunchLimit::Addresses { zone: zone.to_owned() }));
            for limit in limits.into_iter().filter(|limit| !named.contains(limit)) {
                let change = Change::LiftLimit { limit };
                let answer = what_if(&config, inputs, uid, &[change]).unwrap();
                let saves = answer.at_least_per_month.unwrap_or_default();
                prop_assert_eq!(saves, MicroUsdPerMonth::ZERO, "{} of {:?}", answer, named);
            }
            Ok(())
        })?;
    }
}
