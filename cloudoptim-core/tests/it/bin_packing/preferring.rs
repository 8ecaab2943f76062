//! Soft preferences: a cost, never a rule.

use super::generated::{Case, any_case, open, scenario};
use super::properties::{after, obeys};
use super::{Scenario, run};
use cloudoptim_core::decision::LaunchThrough;
use cloudoptim_core::engines::bin_packing::solver::{Effort, RepackEffort};
use cloudoptim_core::engines::bin_packing::{
    Change, Config, Price, Pricing, Purchase, constraint_prices, green_field, launchable_copies,
    repacking, what_if,
};
use cloudoptim_core::model::{Cluster, MicroUsdPerHour, Node, NodeName, Pod, TaintEffect};
use cloudoptim_core::scheduling::{PreferencePrices, World};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What pods of an app may prefer; those about other pods come last.
const WISHES: [&str; 8] = [
    "",
    "rather=disk:ssd",
    "rather=disk:hdd weight=3",
    "tolerates=old",
    "rather=topology.kubernetes.io/zone:us-east-1a weight=40",
    "soft-spread=zone",
    "rather-avoids=APP weight=20",
    "rather-near=app0",
];

/// Of wishes about nodes only.
const ABOUT_NODES: usize = 5;

/// The case with wishes of its six apps, and with nodes that pods had better leave.
fn wishing(case: Case, wishes: &[usize], old: &[bool]) -> Case {
    let (mut lines, mut nodes) = (case.0, 0);
    for line in &mut lines {
        if let Some(app) = line.strip_prefix("pod app") {
            let app: usize = app[..1].parse().unwrap();
            let wish = WISHES[wishes[app]].replace("APP", &format!("app{app}"));
            if !line.contains("tolerates") || !wish.contains("tolerates") {
                line.push_str(&format!(" {wish}"));
            }
        } else if line.starts_with("node ") {
            if old[nodes % old.len()] && !line.contains("taint") {
                line.push_str(" taint=old:PreferNoSchedule");
            }
            nodes += 1;
        }
    }
    Case(lines)
}

fn wishes(kinds: usize) -> impl Strategy<Value = (Vec<usize>, Vec<bool>)> {
    (
        prop::collection::vec(0..kinds, 6),
        prop::collection::vec(prop::bool::weighted(0.3), 8),
    )
}

/// Nothing, some cents and more than any node costs.
fn prices() -> impl Strategy<Value = PreferencePrices> {
    let one = || prop_oneof![1 => Just(0), 3 => 1i64..400, 1 => 400i64..9_000];
    (one(), one(), one()).prop_map(|(weight, taint, spread)| PreferencePrices {
        per_weight: MicroUsdPerHour(weight),
        per_taint: MicroUsdPerHour(100 * taint),
        per_spread: MicroUsdPerHour(100 * spread),
    })
}

/// What pods break of what they prefer about their nodes, read off the objects.
fn about_nodes(prices: &PreferencePrices, cluster: &Cluster) -> i64 {
    let mut sum = 0;
    for pod in cluster.pods.items() {
        let daemon = pod.meta.owners.iter().any(|o| o.kind == "DaemonSet");
        let nodes = cluster.nodes.items();
        let node = nodes
            .iter()
            .find(|n| Some(&n.name()) == pod.spec.node_name.as_ref());
        let Some(node) = node.filter(|_| !daemon && pod.meta.deleted_at.is_none()) else {
            continue;
        };
        sum += breaks(prices, pod, node);
    }
    sum
}

fn breaks(prices: &PreferencePrices, pod: &Pod, node: &Node) -> i64 {
    let mut sum = 0;
    for wish in &pod.spec.preferred_node_affinity {
        for r in &wish.term.match_expressions {
            let value = node.meta.labels.get(&r.key);
            if value != r.values.first() {
                sum += prices.per_weight.0 * i64::from(wish.weight);
            }
        }
    }
    for taint in &node.taints {
        let mut tolerations = pod.spec.tolerations.iter();
        let tolerated = tolerations.any(|t| t.key == taint.key);
        if taint.effect == TaintEffect::PreferNoSchedule && !tolerated {
            sum += prices.per_taint.0;
        }
    }
    sum
}

fn saved(before: &Scenario, after: &Scenario) -> i64 {
    let priced = |scenario: &Scenario| -> i64 {
        let nodes = scenario.snapshot.clusters[0].nodes.items().iter();
        let prices = nodes.map(|n| match n.instance_type().unwrap() {
            "m6i.large" => 96_000,
            "m6i.xlarge" => 192_000,
            _ => 384_000,
        });
        prices.sum()
    };
    priced(before) - priced(after)
}

/// Pods that are being deleted come back elsewhere: what they would rather have is
/// asked only then.
fn settled(case: &Case) -> Case {
    let lines = case.0.iter().map(|l| l.replace("leaving", ""));
    Case(lines.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn without_a_price_they_change_nothing(
        case in any_case(),
        (wishes, old) in wishes(WISHES.len()),
    ) {
        let plain = scenario(&case);
        // Tolerating a taint of that effect is no preference.
        let wishes: Vec<usize> = wishes.iter().map(|w| if *w == 3 { 0 } else { *w }).collect();
        let wishing = scenario(&wishing(case, &wishes, &old));
        prop_assert_eq!(run(&open(), &wishing).decisions, run(&open(), &plain).decisions);
    }

    #[test]
    fn they_are_no_rules_and_nothing_is_worth_less_than_what_it_breaks(
        case in any_case(),
        (wishes, old) in wishes(ABOUT_NODES),
        prices in prices(),
    ) {
        let before = scenario(&wishing(settled(&case), &wishes, &old));
        let config = open().with_preferences(prices);
        let output = run(&config, &before);
        obeys(&config, &before, &output)?;
        let after = after(&before, &output);
        let broken = |s: &Scenario| about_nodes(&prices, &s.snapshot.clusters[0]);
        let more = broken(&after) - broken(&before);
        let saves = saved(&before, &after);
        prop_assert!(more <= saves, "breaks {more} more for {saves}");
    }

    #[test]
    fn with_all_kinds_of_them_rules_hold(
        case in any_case(),
        (wishes, old) in wishes(WISHES.len()),
        prices in prices(),
    ) {
        let scenario = scenario(&wishing(case, &wishes, &old));
        let config = open().with_preferences(prices);
        let output = run(&config, &scenario);
        obeys(&config, &scenario, &output)?;
        for figures in &output.figures {
            let (now, after) = (figures.cost_now.unwrap(), figures.cost_after.unwrap());
            prop_assert!(after <= now && figures.lower_bound.unwrap() <= after);
        }
    }
}

/// The cluster of a point, pod by pod.
fn moved(cluster: &Cluster, to: &BTreeMap<&str, &NodeName>) -> Cluster {
    let mut cluster = cluster.clone();
    for pod in cluster.pods.value_mut().unwrap() {
        if let Some(to) = to.get(pod.meta.uid.as_str()) {
            pod.spec.node_name = Some((*to).clone());
        }
    }
    cluster
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn points_tell_what_they_break_and_bounds_hold(
        case in any_case(),
        (wishes, old) in wishes(WISHES.len()),
        prices in prices(),
        launches: bool,
    ) {
        let scenario = scenario(&wishing(settled(&case), &wishes, &old));
        let config = open().with_preferences(prices);
        scenario.ask(|inputs, _| -> Result<(), TestCaseError> {
            let cluster = &inputs.snapshot.clusters[0];
            let kinds = launchable_copies(inputs, cluster);
            let kinds = if launches { kinds } else { Vec::new() };
            let effort = RepackEffort::default();
            let found = repacking(&config, inputs, cluster, &kinds, &effort).unwrap();
            for point in &found.points {
                prop_assert!(point.lower_bound <= point.total());
                prop_assert!(found.lower_bound <= point.total());
                if !point.launched.is_empty() || cluster.pods.items().iter().any(|p| p.node().is_none()) {
                    continue;
                }
                let to = point.moves.iter().map(|m| (m.uid.as_str(), &m.to)).collect();
                let mut then = moved(cluster, &to);
                let gone = |n: &Node| point.removed.contains(&n.name());
                then.nodes.value_mut().unwrap().retain(|n| !gone(n));
                let world = World::new(&then, &[]).with_preferences();
                prop_assert_eq!(point.preferences, world.preferences_cost(&prices));
            }
            let pairs = found.points.iter().zip(found.points.iter().skip(1));
            for (a, b) in pairs {
                prop_assert!(a.moved < b.moved && a.total() > b.total());
            }
            Ok(())
        })?;
    }

    #[test]
    fn answers_hold_with_what_pods_prefer(
        case in any_case(),
        (wishes, old) in wishes(WISHES.len()),
        prices in prices(),
    ) {
        let scenario = scenario(&wishing(settled(&case), &wishes, &old));
        let config = open().with_preferences(prices);
        scenario.ask(|inputs, cluster| -> Result<(), TestCaseError> {
            let answer = what_if(&config, inputs, cluster, &[Change::IgnorePreferences]).unwrap();
            let (least, saves, most) = (
                answer.at_least_per_month,
                answer.saves_per_month,
                answer.at_most_per_month,
            );
            if let (Some(least), Some(saves), Some(most)) = (least, saves, most) {
                prop_assert!(least <= saves && saves <= most, "{least} {saves} {most}");
            }
            prop_assert_eq!(answer.after.preferences, MicroUsdPerHour::ZERO);
            let (purchase, effort) = (Purchase::default(), Effort::default());
            let green = green_field(&config, inputs, cluster, &purchase, &effort).unwrap();
            if green.is_whole() {
                prop_assert!(green.lower_bound <= green.total());
            }
            let prices = constraint_prices(&config, inputs, cluster, &Pricing::default()).unwrap();
            let asked = prices.prices.iter().find(|p| p.change == Change::IgnorePreferences);
            prop_assert_eq!(asked.is_some(), !config.preferences.are_zero());
            if let Some(Price::Known { per_month, at_most, .. }) = asked.map(|a| &a.price) {
                prop_assert!(per_month <= at_most);
            }
            Ok(())
        })?;
    }

    #[test]
    fn launches_are_worth_what_they_break(
        case in any_case(),
        (wishes, old) in wishes(WISHES.len()),
        prices in prices(),
    ) {
        let scenario = scenario(&wishing(case, &wishes, &old));
        let config = open().with_preferences(prices);
        let config = config.with_launch_through([LaunchThrough::NodePools]);
        let output = run(&config, &scenario);
        for figures in &output.figures {
            let (now, after) = (figures.cost_now.unwrap(), figures.cost_after.unwrap());
            prop_assert!(after <= now && figures.lower_bound.unwrap() <= after);
        }
    }
}

/// Every setting of the prices reaches the engine.
#[test]
fn each_price_counts_for_its_own_kind() {
    let line = |extra: &str, taint: &str| {
        vec![
            "pool main".to_owned(),
            "node n1 4 16Gi".to_owned(),
            format!("node n2 4 16Gi {taint}"),
            format!("pod web-1 n1 1 1Gi {extra}"),
            "pod web-2 n2 3 1Gi kind=Bare".to_owned(),
        ]
    };
    let goes = |extra: &str, taint: &str, prices: [i64; 3]| {
        let [per_weight, per_taint, per_spread] = prices.map(MicroUsdPerHour);
        let config: Config = open().with_preferences(PreferencePrices {
            per_weight,
            per_taint,
            per_spread,
        });
        let output = run(&config, &scenario(&Case(line(extra, taint))));
        output.decisions.iter().any(|d| !d.is_keep())
    };
    let dear = 150_000;
    for (extra, taint, kind) in [
        ("rather-avoids=web weight=100", "", 0),
        ("", "taint=old:PreferNoSchedule", 1),
        ("soft-spread=host", "", 2),
    ] {
        for of in 0..3 {
            let mut prices = [0; 3];
            prices[of] = if of == 0 { dear / 50 } else { 2 * dear };
            assert_eq!(
                goes(extra, taint, prices),
                of != kind,
                "{extra} {taint} {of}"
            );
        }
    }
}

/// What nobody can tell of preferences is named where they count, and only there.
#[test]
fn whom_preferences_mean_that_nobody_can_tell_is_said() {
    let said = |prices: PreferencePrices, partial: bool| {
        let mut lines = vec![
            "pool main".to_owned(),
            "node n1 4 16Gi".to_owned(),
            "node n2 4 16Gi".to_owned(),
            "pod web-1 n1 1 1Gi rather-avoids=pin rather-in=shop".to_owned(),
            "pod pin-1 n2 3 1Gi kind=Bare".to_owned(),
        ];
        lines.extend(partial.then(|| "partial namespaces".to_owned()));
        let scenario = scenario(&Case(lines));
        let config = open().with_preferences(prices);
        let output = run(&config, &scenario);
        let judged = output.not_judged.iter().map(|n| n.missing.to_string());
        let judged = judged.filter(|m| m.starts_with("namespaces")).count();
        let (purchase, effort) = (Purchase::default(), Effort::quick());
        let anew = scenario
            .ask(|inputs, uid| green_field(&config, inputs, uid, &purchase, &effort).unwrap());
        let missing = anew.missing.iter().map(ToString::to_string);
        let missing = missing.filter(|m| m.starts_with("namespaces")).count();
        [judged, missing]
    };
    let dear = MicroUsdPerHour(1_000);
    let by_weight = PreferencePrices {
        per_weight: dear,
        ..PreferencePrices::default()
    };
    let by_spread = PreferencePrices {
        per_spread: dear,
        ..PreferencePrices::default()
    };
    assert_eq!(said(by_weight, true), [1, 1]);
    assert_eq!(said(by_weight, false), [0, 0]);
    assert_eq!(said(by_spread, true), [0, 0]);
    assert_eq!(said(PreferencePrices::default(), true), [0, 0]);
}
