//! Moves off nodes that stay: what plans are worth with them and without.

use super::build::build;
use super::generated::{any_case, dice, open, pinned_case, scenario, tight_case};
use super::migration::way;
use super::{Scenario, node_of, run};
use crate::cases::Line;
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::{Config, Placement, Wave, decide, migration};
use cloudoptim_core::model::*;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

/// What decisions are worth, as far as there is a safe way: an hour's saving, less
/// what their moves cost, and the moves.
fn worth(config: &Config, scenario: &Scenario) -> (i64, usize) {
    let decisions = run(config, scenario).decisions;
    let way = way(config, scenario, &decisions);
    let moves: usize = way.waves.iter().map(|w| w.evictions.len()).sum();
    let left: BTreeSet<&NodeName> = way.left_out.iter().map(|l| &l.node).collect();
    let goes = decisions.iter().filter(|d| !left.contains(node_of(d)));
    let saves: MicroUsdPerMonth = goes.filter_map(|d| d.saves_per_month).sum();
    (
        saves.0 / 730 - moves as i64 * config.price_per_move.0,
        moves,
    )
}

/// With moves off nodes that stay no plan is worth less than without.
#[test]
fn plans_are_worth_no_less_with_moves_off_nodes_that_stay() {
    let mut runner = TestRunner::deterministic();
    for (name, cases, count) in [
        ("pinned", pinned_case().boxed(), 300),
        ("tight", tight_case().boxed(), 150),
        ("any", any_case().boxed(), 150),
    ] {
        let (mut better, mut more, mut all, mut moved) = (0, 0, 0, (0, 0));
        for number in 0..count {
            let case = cases.new_tree(&mut runner).unwrap().current();
            let scenario = scenario(&case);
            let cordons = [u32::MAX, 0, 20][number % 3];
            let config = open().with_max_temporary_cordons(cordons);
            let with = worth(&config, &scenario);
            let without = worth(&config.with_moves_from_kept(false), &scenario);
            // Each decision's dollars are rounded for itself.
            assert!(with.0 >= without.0 - 50, "{with:?} {without:?} {case:?}");
            if with.0 > without.0 + 50 {
                better += 1;
                moved = (moved.0 + with.1, moved.1 + without.1);
                more += with.0 - without.0;
            }
            all += without.0;
        }
        assert!(better > 5 || name != "pinned", "{better} of {count}");
        println!("{name}: {better} of {count} better, by {more} of {all}, moves {moved:?}");
    }
}

/// What comes of a cluster, with moves off nodes that stay and without: nodes that
/// go, moves, those off nodes that stay, waves, nodes closed for one, what has no
/// safe way, and what is saved a month.
fn figures(inputs: &Inputs<'_>) -> [[usize; 7]; 2] {
    [true, false].map(|moves| {
        let config = inputs.policy.bin_packing.clone();
        let config = config.with_moves_from_kept(moves);
        let decisions = decide(&config, inputs).unwrap().decisions;
        let uid = &inputs.snapshot.clusters[0].uid;
        let way = migration(&config, inputs, uid, &decisions).unwrap();
        let evictions = || way.waves.iter().flat_map(|w| &w.evictions);
        let closed = |wave: &Wave| match &wave.placement {
            Placement::Forced { closed, .. } => closed.len(),
            _ => wave.closed.iter().count(),
        };
        let left: BTreeSet<&NodeName> = way.left_out.iter().map(|l| &l.node).collect();
        let goes = decisions.iter().filter(|d| !left.contains(node_of(d)));
        let saves: MicroUsdPerMonth = goes.filter_map(|d| d.saves_per_month).sum();
        [
            way.waves.iter().map(|w| w.removed.len()).sum(),
            evictions().count(),
            evictions().filter(|e| e.serves.is_some()).count(),
            way.waves.len(),
            way.waves.iter().map(closed).sum(),
            left.len(),
            usize::try_from(saves.0 / 1_000_000).unwrap(),
        ]
    })
}

/// What is saved a month, in thousandths of a dollar, moves paid.
fn pays(figures: [usize; 7]) -> i64 {
    figures[6] as i64 * 1_000 - figures[1] as i64 * 87
}

/// Forty nodes, full once, of whose pods the part `keep` is left; one in `pins`
/// never moves.
fn scaled_down(seed: u64, keep: u64, pins: u64) -> String {
    let mut throw = dice(seed);
    let mut text = String::new();
    let mut serial = 0;
    for n in 0..40 {
        let (kind, cpu, gib) = [("m6i.xlarge", 4, 16), ("m6i.2xlarge", 8, 32)][n % 2];
        text += &format!("node n{n:02} {cpu} {gib}Gi type={kind}\n");
        let (mut cpu, mut memory) = (cpu * 1_000, gib * 1_024);
        for _ in 0..30 {
            let (c, m) = ((1 + throw(12)) * 250, (1 + throw(12)) * 512);
            let kept = throw(100) < keep;
            let pinned = throw(pins) == 0;
            if c <= cpu && m <= memory {
                (cpu, memory) = (cpu - c, memory - m);
                serial += 1;
                if kept {
                    let app = throw(20);
                    let (name, extra) = [("app", ""), ("pin", "kind=Bare")][usize::from(pinned)];
                    text += &format!("pod {name}{app}-{serial} n{n:02} {c}m {m}Mi {extra}\n");
                }
            }
        }
    }
    text
}

#[test]
fn clusters_that_were_scaled_down_save_no_less_where_room_is_made() {
    for (seed, keep, pins) in [(1, 70, 12), (5, 60, 6)] {
        let text = scaled_down(seed, keep, pins);
        let lines: Vec<Line> = text.lines().map(Line::parse).collect();
        let scenario = build(&Line::parse("decide"), &lines);
        let mut policy = Policy::default();
        policy.bin_packing = open().with_max_temporary_cordons(20);
        let [with, without] = scenario.ask_by(&policy, |inputs, _| figures(inputs));
        println!("seed {seed}, {keep} % kept, one of {pins} pinned: {with:?}, without {without:?}");
        assert!(pays(with) + 1_000 >= pays(without), "{with:?} {without:?}");
    }
}

#[cfg(feature = "catalog")]
#[test]
fn the_shop_saves_no_less_where_room_is_made() {
    let snapshot = crate::shop_waste::shop();
    let [with, without] = figures(&Inputs {
        snapshot: &snapshot,
        overlay: &Default::default(),
        catalog: &cloudoptim_core::catalog::Catalog::embedded().unwrap(),
        policy: &Policy::default(),
        ledgers: &Default::default(),
        deadline: None,
    });
    println!("shop: {with:?}, without {without:?}");
    assert!(pays(with) + 1_000 >= pays(without), "{with:?} {without:?}");
}
