//! A deadline at any moment: fewer nodes go, and what is said still holds.

use super::generated::{any_case, open, scenario};
use super::properties::{any_config, obeys};
use super::{Scenario, run, run_until};
use crate::ticking::{alone, passed_at};
use cloudoptim_core::decision::LaunchThrough;
use cloudoptim_core::engines::EngineOutput;
use cloudoptim_core::engines::bin_packing::solver::{Effort, RepackEffort};
use cloudoptim_core::engines::bin_packing::{
    Config, Price, Pricing, Purchase, constraint_prices, green_field, launchable_copies,
    limit_prices, repacking, what_if,
};
use cloudoptim_core::model::{MicroUsdPerHour, MicroUsdPerMonth};
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;

/// What is decided with a deadline, and how often the clock was looked at.
fn until(config: &Config, scenario: &Scenario, look: i64) -> (EngineOutput, i64) {
    let (clock, deadline) = passed_at(look);
    let output = alone(|| run_until(config, scenario, Some(&deadline)));
    (output, clock.looks())
}

const NEVER: i64 = i64::MAX / 2;

/// How often the code occurs among the reasons.
fn times(output: &EngineOutput, code: &str) -> usize {
    let reasons = output.decisions.iter().flat_map(|d| &d.reasons);
    reasons.filter(|r| r.code().1 == code).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_is_whole_whenever_it_ends(
        case in any_case(),
        config in any_config(),
        launches: bool,
        part in 0i64..100,
    ) {
        let scenario = scenario(&case);
        let config = match launches {
            true => config.with_launch_through([LaunchThrough::NodePools]),
            false => config,
        };
        let full = run(&config, &scenario);
        let (never, all) = until(&config, &scenario, NEVER);
        prop_assert_eq!(&never, &full, "a deadline that does not pass changes nothing");
        prop_assert_eq!(times(&full, "out_of_time"), 0);
        for look in [1, 1 + all * part / 100] {
            let (output, looked) = until(&config, &scenario, look);
            if !launches {
                obeys(&config, &scenario, &output)?;
            }
            prop_assert_eq!(output.decisions.len(), full.decisions.len());
            prop_assert!(output.decisions.iter().all(|d| !d.reasons.is_empty()));
            for (figures, whole) in output.figures.iter().zip(&full.figures) {
                let (now, after) = (figures.cost_now.unwrap(), figures.cost_after.unwrap());
                prop_assert!(after <= now, "{after} instead of {now}");
                prop_assert_eq!(figures.lower_bound.is_some(), whole.lower_bound.is_some());
                let bound = figures.lower_bound.unwrap_or(MicroUsdPerHour::ZERO);
                prop_assert!(bound <= after && bound <= whole.cost_after.unwrap());
            }
            let said = output.figures.iter().any(|f| f.proof.contains("deadline"));
            prop_assert!(said || looked <= look, "{looked} looks for {look}");
            if !said {
                prop_assert_eq!(&output, &full);
            }
        }
        // Nothing but a launch takes the time of a look before the first node is tried.
        let (none, _) = until(&config, &scenario, 1);
        prop_assert!(none.decisions.iter().all(cloudoptim_core::decision::Decision::is_keep));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn answers_hold_whenever_they_end(case in any_case(), part in 0i64..100) {
        let scenario = scenario(&case);
        let policy = Policy::default();
        let config = open();
        let (purchase, effort) = (Purchase::default(), Effort::default());
        let ask = |look: i64| {
            let (clock, deadline) = passed_at(look);
            let answer = alone(|| {
                scenario.ask_until(&policy, Some(&deadline), |inputs, _| {
                    let cluster = &inputs.snapshot.clusters[0];
                    let copies = launchable_copies(inputs, cluster);
                    let effort = RepackEffort::default();
                    repacking(&config, inputs, cluster, &copies, &effort).unwrap()
                })
            });
            (answer, clock.looks())
        };
        let (full, all) = ask(NEVER);
        prop_assert!(!full.late);
        for look in [1, 1 + all * part / 100] {
            let (found, looked) = ask(look);
            prop_assert!(found.late || looked <= look);
            let first = found.points.first().unwrap();
            prop_assert_eq!(first.moved, 0);
            for point in &found.points {
                prop_assert!(point.lower_bound <= point.cost && point.cost <= found.cost_before);
            }
            for point in &full.points {
                prop_assert!(found.lower_bound <= point.cost);
            }
        }
        // With the deadline behind us nothing is tried, and no figure is made up.
        let (_, passed) = passed_at(0);
        scenario.ask_until(&policy, Some(&passed), |inputs, uid| {
            let pricing = Pricing::default();
            let prices = constraint_prices(&config, inputs, uid, &pricing).unwrap();
            for price in &prices.prices {
                let none = matches!(price.price, Price::NotTried | Price::Unknown { .. });
                prop_assert!(none, "{price}");
            }
            prop_assert_eq!(prices.together_per_month, None);
            let answer = what_if(&config, inputs, uid, &[]).unwrap();
            prop_assert!(answer.before.late && answer.after.late);
            if let (Some(least), Some(most)) =
                (answer.at_least_per_month, answer.at_most_per_month)
            {
                prop_assert!(least <= MicroUsdPerMonth::ZERO && MicroUsdPerMonth::ZERO <= most);
            }
            let prices = limit_prices(&config, inputs, uid, &purchase, &effort, 3).unwrap();
            let field = &prices.field;
            prop_assert!(field.late || field.nodes.is_empty());
            prop_assert!(prices.prices.iter().all(|of| of.price == Price::NotTried));
            prop_assert!(prices.minima.iter().all(|of| of.price == Price::NotTried));
            Ok(())
        })?;
        // What is compared with a search that was cut has no price.
        let cut = passed_at(1 + all * part / 100).1;
        let prices = alone(|| {
            scenario.ask_until(&policy, Some(&cut), |inputs, uid| {
                constraint_prices(&config, inputs, uid, &Pricing::default()).unwrap()
            })
        });
        if prices.before.late {
            prop_assert!(prices.prices.iter().all(|p| p.per_month().is_none()), "{:?}", prices);
            prop_assert_eq!(prices.together_per_month, None);
        }
        // A first packing is there even so; more time makes it no dearer.
        let in_time = scenario.ask(|inputs, uid| {
            green_field(&config, inputs, uid, &purchase, &effort).unwrap()
        });
        let late = scenario.ask_until(&policy, Some(&passed), |inputs, uid| {
            green_field(&config, inputs, uid, &purchase, &effort).unwrap()
        });
        prop_assert!(!in_time.late);
        if late.is_whole() && in_time.is_whole() {
            prop_assert!(late.lower_bound <= in_time.cost && in_time.cost <= late.cost);
        }
    }
}
