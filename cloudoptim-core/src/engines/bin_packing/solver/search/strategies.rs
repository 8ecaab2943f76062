//! The strategies of the portfolio, in their order.

use super::super::columns::{self, Programme};
use super::super::fewer;
use super::super::greedy::{self, Opens};
use super::super::improve;
use super::super::level::level;
use super::super::merged::Merged;
use super::super::pack::{Key, Pack, Pick, Scope};
use super::super::proportional::{Setting, proportional};
use super::super::solution::Stopped;
use super::{Part, Search};
use std::ops::ControlFlow;

/// Where a packing costs no more than this above the bound, as a part of it, the
/// proportional packing has nothing to add.
const PROPORTIONAL: f64 = 1e-3;

/// The same for nodes that are filled evenly, once all items are on some.
const LEVELLED: f64 = 5e-4;

/// Settings of the proportional packing to try, and how many in a row may bring
/// nothing.
const SETTINGS: u64 = 40;
const IDLE_SETTINGS: u32 = 10;

/// A zone whose packing costs this little more than the linear programme says is
/// not packed again.
const GOOD_ZONE: f64 = 1.5e-3;

/// A whole packing that costs no more than this above the bound, as a part of it,
/// is not packed again either.
const GOOD: f64 = 2e-4;

/// Where limits on what shares a node carry more of the cost than this, nodes are
/// not filled by amounts alone.
const LIMITED: f64 = 0.01;

/// What packings onto such nodes are called. Programmes do not learn from them:
/// no two of their nodes are alike, so that a dive finds none to open many times.
const EVENLY: &str = "levelled";

/// How much more than the demand nodes that are filled evenly may hold.
const SPARES: [f64; 8] = [
    0.0, 0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.004, 0.012,
];

/// Entries of its inverse that a programme over whole fillings may change in all:
/// a pivot goes through the square of the rows.
const ENTRIES: u64 = 400_000_000;

/// Up to this many types, first fit is tried on each of them.
const FEW_TYPES: usize = 64;

impl Search<'_> {
    /// Greedy rules, those that do best first.
    pub(super) fn greedy(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        // Every part may spend its share of what is left.
        let left = self.effort.placements.saturating_sub(self.work.placements);
        self.limit = self.work.placements + left / (self.waiting(part) as u64).max(1);
        let area = greedy::area_values(self.model);
        let fluid = scope.bound.values.clone();
        let many = self.many(part);
        let picks = [
            ("scarce", Pick::Scarce),
            ("balanced", Pick::Balance(0.3)),
            ("size", Pick::Order(Key::Size)),
            ("widest", Pick::Order(Key::Widest)),
        ];
        let mut tries = Vec::new();
        for (name, pick) in picks {
            if many && !matches!(pick, Pick::Order(_)) {
                continue; // they look at every shape for every item
            }
            for (by, values) in [("fluid", &fluid), ("area", &area)] {
                tries.push((format!("ratio {name} {by}"), (pick, values)));
            }
        }
        self.consider_each(
            part,
            scope,
            &tries,
            |(pick, values), pack| {
                greedy::fill_open(scope, pack);
                greedy::by_ratio(scope, pack, *pick, values);
            },
            |_, ()| false,
        )
    }

    /// Columns, then the other strategies in their fixed order.
    pub(super) fn portfolio(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        let left = self.effort.placements.saturating_sub(self.work.placements);
        self.limit = self.work.placements + left / (self.waiting(part) as u64).max(1);
        let fluid = scope.bound.values.clone();
        let types = self.model.types.len();
        if self.many(part) {
            self.levelled(part, scope)?;
            if !self.within(PROPORTIONAL) {
                self.proportional(part, scope)?;
            }
            return self.improve(part, scope);
        }
        self.levelled(part, scope)?;
        let least = self.columns(part, scope, "columns of all")?;
        if self.parts.len() > 1 {
            // What is best for all zones together need not be for one.
            self.improve(part, scope)?;
            let best = self.parts[part].best.as_ref();
            let cost = best.map_or(f64::INFINITY, |(pack, _)| pack.cost(self.model) as f64);
            if cost > least * (1.0 + GOOD_ZONE) {
                let all = std::mem::take(&mut self.configs);
                self.columns(part, scope, "columns")?;
                self.configs = all;
            }
        }
        if self.parts.len() == 1 && !self.within(GOOD) {
            // What the first packing holds teaches the programme another way.
            self.columns(part, scope, "columns again")?;
        }
        // First fit on each type, as long as there are few.
        let used = (0..types).filter(|t| types <= FEW_TYPES || scope.bound.usage[*t] > 0.0);
        let tries: Vec<_> = used
            .map(|t| ("first fit, one type".to_owned(), t))
            .collect();
        self.consider_each(
            part,
            scope,
            &tries,
            |t, pack| greedy::first_fit(scope, pack, Opens::Type(*t)),
            |_, ()| false,
        )?;
        let won = |(_, name): &(Pack, String)| name.starts_with("columns");
        if self.parts[part].best.as_ref().is_some_and(won) {
            // No other rule was ever better where the programme was.
            return self.improve(part, scope);
        }
        self.consider(part, scope, "one node each", &mut |pack| {
            greedy::one_each(scope, pack);
        })?;
        let picks = [
            ("dot", Pick::Dot),
            ("l2", Pick::L2),
            ("value", Pick::Order(Key::Value)),
            ("balanced large", Pick::Balance(1.0)),
        ];
        let tries = picks.map(|(name, pick)| (format!("ratio {name} fluid"), pick));
        self.consider_each(
            part,
            scope,
            &tries,
            |pick, pack| {
                greedy::fill_open(scope, pack);
                greedy::by_ratio(scope, pack, *pick, &fluid);
            },
            |_, ()| false,
        )?;
        self.improve(part, scope)
    }

    /// Pivots of a programme over whole fillings.
    pub(super) fn pivots(&self, rows: usize) -> u64 {
        let entries = (rows * rows).max(1) as u64;
        self.effort.bound_pivots.min(ENTRIES / entries)
    }

    /// Whether a part has too many shapes for programmes over whole fillings.
    fn many(&self, part: usize) -> bool {
        let shapes = self.parts[part].start.left.shapes.iter();
        shapes.filter(|n| **n > 0).count() > columns::MAX_SHAPES
    }

    /// Nodes opened at once and filled evenly.
    fn levelled(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        let limited: f64 = scope.bound.limits.iter().sum();
        if limited > LIMITED * scope.bound.lower.0 as f64 {
            return ControlFlow::Continue(());
        }
        self.consider_each(
            part,
            scope,
            &SPARES.map(|spare| (EVENLY.to_owned(), spare)),
            |spare, pack| {
                greedy::fill_open(scope, pack);
                let some = level(scope, pack, *spare);
                let all = !some || pack.left.total == 0;
                greedy::by_ratio(scope, pack, Pick::Order(Key::Size), &scope.bound.values);
                all
            },
            // With more to spare it costs more; but which whole nodes are opened is
            // a search of its own, and may have missed.
            |search, all| all && search.within(LEVELLED),
        )
    }

    /// Nodes filled by the shares of the fluid optimum, with several settings
    /// while they bring something.
    fn proportional(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        let setting = |seed: u64| Setting {
            share: [0.35, 0.5, 0.2, 0.65][seed as usize % 4],
            drawn: [5, 3, 8][seed as usize % 3],
            tail: [2.5, 1.5, 4.0, 2.0, 3.0][seed as usize % 5],
        };
        let tries: Vec<_> = (0..SETTINGS)
            .map(|seed| ("proportional".to_owned(), (setting(seed), seed)))
            .collect();
        let best = |s: &Self| s.parts[part].best.as_ref().map(|(p, _)| p.rank(s.model));
        let mut before = best(self);
        let mut idle = 0;
        self.consider_each(
            part,
            scope,
            &tries,
            |(setting, seed), pack| {
                greedy::fill_open(scope, pack);
                proportional(scope, pack, *setting, *seed);
                greedy::fill_open(scope, pack);
                greedy::by_ratio(scope, pack, Pick::Order(Key::Size), &scope.bound.values);
            },
            |search, ()| {
                let now = best(search);
                idle = if now == before { idle + 1 } else { 0 };
                before = now;
                idle == IDLE_SETTINGS
            },
        )
    }

    /// Column generation and dive. Says what the linear programme costs.
    fn columns(&mut self, part: usize, scope: Scope<'_>, name: &str) -> ControlFlow<(), f64> {
        let merged = Merged::new(self.model, scope.bound);
        let shapes = merged.left(&self.parts[part].start.left.kinds);
        if shapes.iter().filter(|n| **n > 0).count() > columns::MAX_SHAPES {
            return ControlFlow::Continue(0.0);
        }
        let pivots = self.pivots(shapes.iter().filter(|n| **n > 0).count());
        // Zones try twice; half is for what comes after.
        let tries = if self.parts.len() > 1 { 4 } else { 2 };
        let budget = self.limit.saturating_sub(self.work.placements) / tries;
        let elite: Vec<Pack> = self.parts[part]
            .elite
            .iter()
            .filter(|(_, name)| !name.starts_with(EVENLY))
            .map(|(p, _)| p.clone())
            .collect();
        let configs = std::mem::take(&mut self.configs);
        let mut done = 0;
        let mut work = 0;
        let mut least = 0.0;
        let mut fillings = Vec::new();
        let outcome = self.consider(part, scope, name, &mut |pack| {
            greedy::fill_open(scope, pack);
            let wide = Scope {
                model: &merged.model,
                bound: &merged.bound,
                ..scope
            };
            let left = merged.left(&pack.left.kinds);
            let mut plain = Pack::new(&merged.model, left.clone(), Vec::new());
            plain.stock = pack.stock.clone();
            let mut programme = Programme::new(wide, &plain, scope.types, pivots, budget);
            for known in &elite {
                programme.learn(&merged, known);
            }
            programme.learn_configs(&configs);
            let plan = programme.dive(&left);
            least = programme.least;
            done = programme.pivots;
            work = programme.work;
            fillings = programme.known();
            columns::carry_out(scope, &merged, pack, &plan);
            greedy::fill_open(scope, pack);
            greedy::by_ratio(scope, pack, Pick::Scarce, &scope.bound.values);
        });
        self.configs = configs;
        self.fillings.append(&mut fillings);
        self.work.pivots += done;
        self.work.placements += work;
        outcome.map_continue(|()| least)
    }

    /// Improves the best packings of a part.
    pub(super) fn improve(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        for (mut pack, name) in std::mem::take(&mut self.parts[part].elite) {
            if self.work.placements >= self.limit || self.stop.is_due() {
                self.stopped = Stopped::WorkLimit;
                break;
            }
            pack.work = 0;
            let budget = self.limit - self.work.placements;
            let rounds = self.effort.improvement_rounds;
            self.work.improvements += improve::improve(scope, &mut pack, rounds, budget);
            self.work.placements += pack.work;
            self.offer(part, pack, &format!("{name}, improved"))?;
        }
        ControlFlow::Continue(())
    }

    /// Brings the best packing of a part to fewer nodes, where all are of one type.
    pub(super) fn fewer(&mut self, part: usize) -> ControlFlow<()> {
        let Part { best, least, .. } = &self.parts[part];
        let best = best.as_ref().filter(|_| !self.stop.is_due());
        let best = best.filter(|(pack, _)| pack.bins.len() < *least);
        let Some((pack, name)) = best.cloned() else {
            return ControlFlow::Continue(());
        };
        let name = format!("{name}, on fewer nodes");
        let budget = self.limit.saturating_sub(self.work.placements);
        let (found, work) = fewer::fewer(self.model, &pack, budget, &self.stop);
        let nodes = found.as_ref().map_or(pack.bins.len(), |p| p.bins.len());
        self.parts[part].least = nodes;
        self.work.placements += work;
        match found {
            Some(pack) => self.offer(part, pack, &name),
            None => ControlFlow::Continue(()),
        }
    }
}
