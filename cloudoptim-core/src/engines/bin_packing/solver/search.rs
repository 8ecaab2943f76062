//! From a canonical problem to a solution: bound, zones, portfolio,
//! improvement, answer.

use super::bin::{Bin, On};
use super::bound::{self, Bound};
use super::columns::{self, Programme};
use super::greedy::{self, Opens};
use super::hybrid;
use super::improve;
use super::level::level;
use super::merged::Merged;
use super::model::Model;
use super::pack::{self, Key, Pack, Pick, Scope, price};
use super::problem::Problem;
use super::proportional::{Setting, proportional};
use super::solution::{
    BoundMethod, Certificate, Effort, NewNode, Note, Placed, Progress, Proof, Reused, Solution,
    Stopped, Unplaced, UnplacedReason, Work,
};
use super::zones::{self, ZoneRules};
use crate::model::MicroUsdPerHour;
use std::ops::ControlFlow;

/// A part of the problem that is packed by itself.
struct Part {
    zone: Option<usize>,
    start: Pack,
    best: Option<(Pack, String)>,
    /// The best packings before improvement, best first.
    elite: Vec<(Pack, String)>,
}

/// How many packings of a part are worth improving.
const ELITE: usize = 4;

/// Where a packing costs no more than this above the bound, as a part of it, the
/// proportional packing has nothing to add.
const PROPORTIONAL: f64 = 1e-3;

/// Settings of the proportional packing to try, and how many in a row may bring
/// nothing.
const SETTINGS: u64 = 40;
const IDLE_SETTINGS: u32 = 10;

/// A zone whose packing costs this little more than the linear programme says is
/// not packed again.
const GOOD_ZONE: f64 = 1.5e-3;

/// Where limits on what shares a node carry more of the cost than this, nodes are
/// not filled by amounts alone.
const LIMITED: f64 = 0.01;

/// How much more than the demand nodes that are filled evenly may hold.
const SPARES: [f64; 8] = [
    0.0, 0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.004, 0.012,
];

/// Up to this many types, first fit is tried on each of them.
const FEW_TYPES: usize = 64;

impl Part {
    fn new(zone: Option<usize>, start: Pack) -> Self {
        Self {
            zone,
            start,
            best: None,
            elite: Vec::new(),
        }
    }
}

/// The search over strategies, with what it has found so far.
struct Search<'a> {
    model: &'a Model,
    effort: &'a Effort,
    observe: &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    parts: Vec<Part>,
    work: Work,
    /// Fillings that the bound made on its way.
    configs: Vec<columns::Config>,
    /// Placements up to which the present part may go on.
    limit: u64,
    stopped: Stopped,
    /// No packing costs less.
    lower: MicroUsdPerHour,
}

/// Solves a canonical problem.
pub(super) fn run(
    problem: &Problem,
    effort: &Effort,
    observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Solution {
    let model = Model::new(problem);
    let counts: Vec<u32> = (0..model.kinds.len())
        .map(|k| {
            let fits = reason(problem, &model, k) != UnplacedReason::FitsNothing;
            if fits { model.kinds[k].count } else { 0 }
        })
        .collect();
    let open: Vec<Bin> = problem
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, n)| !n.closed)
        .map(|(i, n)| Bin::existing(&model, i, n))
        .collect();
    let nothing_open = open.is_empty();
    let parts = if model.zoned {
        let split = zones::split(problem, &model, &counts);
        let zones = split.into_iter().enumerate();
        zones
            .map(|(zone, counts)| {
                let here = open.iter().filter(|b| b.zone == Some(zone)).cloned();
                Part::new(Some(zone), Pack::new(&model, counts, here.collect()))
            })
            .collect()
    } else {
        vec![Part::new(None, Pack::new(&model, counts, open))]
    };
    let mut search = Search {
        model: &model,
        effort,
        observe,
        parts,
        work: Work::default(),
        configs: Vec::new(),
        limit: u64::MAX,
        stopped: Stopped::Finished,
        lower: MicroUsdPerHour::ZERO,
    };
    // A first answer at once, then the bound, whose values guide the rest.
    let nothing = Bound::none(&model);
    search.each_part(&nothing, &mut |search, part, scope| {
        search.consider(part, scope, "first fit, cheapest", &mut |pack| {
            greedy::first_fit(scope, pack, Opens::Cheapest);
        })
    });
    let mut bound = bound::fluid(problem, &model, effort.bound_pivots);
    search.work.pivots = bound.pivots;
    search.lower = bound.lower;
    search.each_part(&bound, &mut |search, part, scope| {
        search.greedy(part, scope)
    });
    if nothing_open && !search.done() {
        search.configurations(problem, &mut bound);
        search.lower = bound.lower;
    }
    if !search.done() {
        search.each_part(&bound, &mut |search, part, scope| {
            search.portfolio(part, scope)
        });
    }
    let (mut pack, strategy) = search.join();
    if model.zoned {
        settle(problem, &model, &mut pack);
    }
    let (stopped, work) = (search.stopped, search.work);
    assemble(problem, &model, &bound, pack, strategy, work, stopped)
}

impl Search<'_> {
    fn each_part(
        &mut self,
        bound: &Bound,
        run: &mut dyn FnMut(&mut Self, usize, Scope<'_>) -> ControlFlow<()>,
    ) {
        let types = pack::promising(self.model, bound);
        for part in 0..self.parts.len() {
            let scope = Scope {
                model: self.model,
                bound,
                zone: self.parts[part].zone,
                types: &types,
            };
            if self.parts[part].start.left.total == 0 {
                continue;
            }
            if run(self, part, scope).is_break() || self.done() {
                return;
            }
        }
    }

    /// What the best packings of all parts cost; `None` while something is left
    /// out.
    fn reached(&self) -> Option<MicroUsdPerHour> {
        let waiting = self.parts.iter().filter(|p| p.start.left.total > 0);
        let costs = waiting.map(|part| {
            let (pack, _) = part.best.as_ref()?;
            (pack.left.total == 0).then(|| pack.cost(self.model))
        });
        Some(MicroUsdPerHour(costs.sum::<Option<i64>>()?))
    }

    /// Whether the best packings cost hardly more than the bound.
    fn within(&self, part: f64) -> bool {
        let enough = self.lower.0 as f64 * (1.0 + part);
        self.reached().is_some_and(|cost| cost.0 as f64 <= enough)
    }

    /// Whether nothing better can be found, or the observer broke off.
    fn done(&self) -> bool {
        let optimal = self.reached().is_some_and(|cost| cost <= self.lower);
        optimal || self.stopped == Stopped::Observer
    }

    /// The bound over whole fillings of all parts together, when it is better;
    /// its fillings serve the parts.
    fn configurations(&mut self, problem: &Problem, bound: &mut Bound) {
        let merged = Merged::new(self.model, bound);
        let relaxed = &merged.model;
        let fits = |s: usize| relaxed.types.iter().any(|t| t.fits[s] > 0);
        let left: Vec<u32> = (0..relaxed.shapes.len())
            .map(|s| if fits(s) { relaxed.kinds[s].count } else { 0 })
            .collect();
        let some = left.iter().filter(|n| **n > 0).count();
        if some == 0 || some > columns::MAX_SHAPES || self.effort.bound_labels == 0 {
            return;
        }
        let types = pack::promising(self.model, bound);
        let scope = Scope {
            model: relaxed,
            bound: &merged.bound,
            zone: None,
            types: &types,
        };
        let plain = Pack::new(relaxed, left.clone(), Vec::new());
        let pivots = self.effort.bound_pivots;
        let budget = self.effort.placements / 20;
        let mut programme = Programme::new(scope, &plain, &types, pivots, budget);
        for part in &self.parts {
            for (pack, _) in &part.elite {
                programme.learn(&merged, pack);
            }
        }
        let known = programme.explored(&left);
        let labels = self.effort.bound_labels;
        let reached = self.reached();
        let fluid = &merged.bound;
        let found = hybrid::bound(relaxed, &left, fluid, &known, reached, pivots, labels);
        let Some(found) = found else {
            bound.notes.push(Note::BoundFallback);
            return;
        };
        self.work.pivots += found.pivots;
        self.work.labels += found.work;
        self.configs = found.configs;
        if found.lower <= bound.lower {
            return;
        }
        bound.lower = found.lower;
        bound.method = BoundMethod::Configurations;
        let mut class_values = vec![0u64; problem.classes.len()];
        for (kind, shape) in self.model.kinds.iter().zip(merged.of_kind) {
            for (class, _) in &kind.classes {
                class_values[*class] = found.values[shape];
            }
        }
        bound.certificate = Some(Certificate {
            class_values,
            splits: Vec::new(),
            price_step: bound.price_step,
        });
        if found.fluid_types > 0 {
            let types = found.fluid_types;
            bound.notes.push(Note::FluidTypes { types });
        }
        if found.cut_short {
            let labels = found.work;
            bound.notes.push(Note::BoundLabelLimit { labels });
        }
    }

    /// Greedy rules, those that do best first.
    fn greedy(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        // Every part may spend its share of what is left.
        let waiting = self.parts[part..].iter().filter(|p| p.start.left.total > 0);
        let left = self.effort.placements.saturating_sub(self.work.placements);
        self.limit = self.work.placements + left / (waiting.count() as u64).max(1);
        let area = area_values(self.model);
        let fluid = scope.bound.values.clone();
        let many = self.many(part);
        for (name, pick) in [
            ("scarce", Pick::Scarce),
            ("balanced", Pick::Balance(0.3)),
            ("size", Pick::Order(Key::Size)),
            ("widest", Pick::Order(Key::Widest)),
        ] {
            if many && !matches!(pick, Pick::Order(_)) {
                continue; // they look at every shape for every item
            }
            for (by, values) in [("fluid", &fluid), ("area", &area)] {
                self.consider(part, scope, &format!("ratio {name} {by}"), &mut |pack| {
                    greedy::fill_open(scope, pack);
                    greedy::by_ratio(scope, pack, pick, values);
                })?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Columns, then the other strategies in their fixed order.
    fn portfolio(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        let waiting = self.parts[part..].iter().filter(|p| p.start.left.total > 0);
        let left = self.effort.placements.saturating_sub(self.work.placements);
        self.limit = self.work.placements + left / (waiting.count() as u64).max(1);
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
        let won = |(_, name): &(Pack, String)| name.starts_with("columns");
        if self.parts[part].best.as_ref().is_some_and(won) {
            // No rule was ever better where the programme was.
            return self.improve(part, scope);
        }
        // First fit on each type, as long as there are few.
        let used = (0..types).filter(|t| types <= FEW_TYPES || scope.bound.usage[*t] > 0.0);
        for t in used {
            self.consider(part, scope, "first fit, one type", &mut |pack| {
                greedy::first_fit(scope, pack, Opens::Type(t));
            })?;
        }
        self.consider(part, scope, "one node each", &mut |pack| {
            greedy::one_each(scope, pack);
        })?;
        for (name, pick) in [
            ("dot", Pick::Dot),
            ("l2", Pick::L2),
            ("value", Pick::Order(Key::Value)),
            ("balanced large", Pick::Balance(1.0)),
        ] {
            self.consider(part, scope, &format!("ratio {name} fluid"), &mut |pack| {
                greedy::fill_open(scope, pack);
                greedy::by_ratio(scope, pack, pick, &fluid);
            })?;
        }
        self.improve(part, scope)
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
        for spare in SPARES {
            let mut all = false;
            self.consider(part, scope, "levelled", &mut |pack| {
                greedy::fill_open(scope, pack);
                let some = level(scope, pack, spare);
                all = !some || pack.left.total == 0;
                greedy::by_ratio(scope, pack, Pick::Order(Key::Size), &scope.bound.values);
            })?;
            if all {
                break; // with more to spare it costs more
            }
        }
        ControlFlow::Continue(())
    }

    /// Nodes filled by the shares of the fluid optimum, with several settings
    /// while they bring something.
    fn proportional(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        let mut idle = 0;
        for seed in 0..SETTINGS {
            let setting = Setting {
                share: [0.35, 0.5, 0.2, 0.65][seed as usize % 4],
                drawn: [5, 3, 8][seed as usize % 3],
                tail: [2.5, 1.5, 4.0, 2.0, 3.0][seed as usize % 5],
            };
            let best = |s: &Self| s.parts[part].best.as_ref().map(|(p, _)| p.rank(s.model));
            let before = best(self);
            self.consider(part, scope, "proportional", &mut |pack| {
                greedy::fill_open(scope, pack);
                proportional(scope, pack, setting, seed);
                greedy::fill_open(scope, pack);
                greedy::by_ratio(scope, pack, Pick::Order(Key::Size), &scope.bound.values);
            })?;
            idle = if best(self) == before { idle + 1 } else { 0 };
            if idle == IDLE_SETTINGS {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// Column generation and dive. Says what the linear programme costs.
    fn columns(&mut self, part: usize, scope: Scope<'_>, name: &str) -> ControlFlow<(), f64> {
        let merged = Merged::new(self.model, scope.bound);
        let shapes = merged.left(&self.parts[part].start.left.kinds);
        if shapes.iter().filter(|n| **n > 0).count() > columns::MAX_SHAPES {
            return ControlFlow::Continue(0.0);
        }
        let pivots = self.effort.bound_pivots;
        // Zones try twice; half is for what comes after.
        let tries = if self.parts.len() > 1 { 4 } else { 2 };
        let budget = self.limit.saturating_sub(self.work.placements) / tries;
        let elite: Vec<Pack> = self.parts[part]
            .elite
            .iter()
            .map(|(p, _)| p.clone())
            .collect();
        let configs = std::mem::take(&mut self.configs);
        let mut done = 0;
        let mut work = 0;
        let mut least = 0.0;
        let outcome = self.consider(part, scope, name, &mut |pack| {
            greedy::fill_open(scope, pack);
            let wide = Scope {
                model: &merged.model,
                bound: &merged.bound,
                ..scope
            };
            let left = merged.left(&pack.left.kinds);
            let plain = Pack::new(&merged.model, left.clone(), Vec::new());
            let mut programme = Programme::new(wide, &plain, scope.types, pivots, budget);
            for known in &elite {
                programme.learn(&merged, known);
            }
            programme.learn_configs(&configs);
            let plan = programme.dive(&left);
            least = programme.least;
            done = programme.pivots;
            work = programme.work;
            columns::carry_out(scope, &merged, pack, &plan);
            greedy::fill_open(scope, pack);
            greedy::by_ratio(scope, pack, Pick::Scarce, &scope.bound.values);
        });
        self.configs = configs;
        self.work.pivots += done;
        self.work.placements += work;
        outcome.map_continue(|()| least)
    }

    /// Improves the best packings of a part.
    fn improve(&mut self, part: usize, scope: Scope<'_>) -> ControlFlow<()> {
        for (mut pack, name) in std::mem::take(&mut self.parts[part].elite) {
            if self.work.placements >= self.limit {
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

    /// Runs one strategy on a part and keeps its packing if it is better.
    fn consider(
        &mut self,
        part: usize,
        scope: Scope<'_>,
        name: &str,
        run: &mut dyn FnMut(&mut Pack),
    ) -> ControlFlow<()> {
        let over =
            self.work.placements >= self.limit || self.work.strategies >= self.effort.strategies;
        if over && self.parts[part].best.is_some() {
            self.stopped = Stopped::WorkLimit;
            return ControlFlow::Continue(());
        }
        let mut pack = self.parts[part].start.clone();
        run(&mut pack);
        greedy::follow(scope, &mut pack);
        self.work.placements += pack.work;
        self.work.strategies += 1;
        let rank = pack.rank(self.model);
        let elite = &mut self.parts[part].elite;
        let ranks: Vec<_> = elite.iter().map(|(p, _)| p.rank(self.model)).collect();
        if !ranks.contains(&rank) {
            let at = ranks.partition_point(|r| *r < rank);
            elite.insert(at, (pack.clone(), name.to_owned()));
            elite.truncate(ELITE);
        }
        self.offer(part, pack, name)
    }

    /// Keeps a packing of a part if it is better, and tells the observer.
    fn offer(&mut self, part: usize, pack: Pack, name: &str) -> ControlFlow<()> {
        let best = &mut self.parts[part].best;
        let better = best
            .as_ref()
            .is_none_or(|(b, _)| pack.rank(self.model) < b.rank(self.model));
        if !better {
            return ControlFlow::Continue(());
        }
        *best = Some((pack, name.to_owned()));
        let waits = |p: &Part| p.best.is_none() && p.start.left.total > 0;
        if self.parts.iter().any(waits) {
            return ControlFlow::Continue(());
        }
        let (mut cost, mut unplaced) = (0, 0);
        for (pack, _) in self.parts.iter().filter_map(|p| p.best.as_ref()) {
            cost += pack.cost(self.model);
            unplaced += pack.left.total;
        }
        let answer = (self.observe)(Progress {
            cost: MicroUsdPerHour(cost),
            unplaced,
            strategy: name,
        });
        if answer.is_break() {
            self.stopped = Stopped::Observer;
        }
        if self.done() {
            return ControlFlow::Break(());
        }
        answer
    }

    /// The best packings of all parts in one, and where they came from.
    fn join(&mut self) -> (Pack, String) {
        let mut names: Vec<String> = Vec::new();
        let mut all = Pack::new(self.model, vec![0; self.model.kinds.len()], Vec::new());
        for part in std::mem::take(&mut self.parts) {
            let (pack, name) = part.best.unwrap_or((part.start, String::new()));
            all.bins.extend(pack.bins);
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        (all, names.join("; "))
    }
}

/// Takes items away until every rule about zones holds. Needed only when a
/// zone could not take all that the split gave it.
fn settle(problem: &Problem, model: &Model, pack: &mut Pack) {
    let mut rules = ZoneRules::new(problem, model);
    let mut held = vec![vec![0u32; model.kinds.len()]; problem.zones.len()];
    for bin in &pack.bins {
        for item in &bin.items {
            if let Some(zone) = bin.zone {
                rules.shift(item.kind as usize, zone, i64::from(item.count));
                held[zone][item.kind as usize] += item.count;
            }
        }
    }
    while let Some((zone, kind)) = rules.offender(|zone, kind| held[zone][kind] > 0) {
        let found = pack.bins.iter_mut().find_map(|b| {
            let here = b.zone == Some(zone);
            let at = b.items.iter().position(|i| i.kind as usize == kind);
            at.filter(|_| here).map(|at| (b, at))
        });
        let Some((bin, at)) = found else { break };
        let first = model.limits.len() as u32;
        let mut next = Some((at, 1));
        let mut company: Vec<usize> = Vec::new();
        while let Some((at, count)) = next {
            let kind = bin.items[at].kind as usize;
            bin.remove(model, at, count);
            rules.shift(kind, zone, -i64::from(count));
            held[zone][kind] -= count;
            // Whoever stands here for its company leaves with it.
            let was = model.kinds[kind].touches.iter();
            company.extend(
                was.filter(|t| t.of && t.rule >= first)
                    .map(|t| (t.rule - first) as usize),
            );
            let lonely = bin.items.iter().position(|i| {
                let asks = &model.kinds[i.kind as usize].company;
                asks.iter().any(|a| company.contains(a))
            });
            next = lonely.map(|at| (at, bin.items[at].count));
        }
    }
    pack.bins.retain(|b| !b.is_empty());
}

/// What items are worth by size alone: demand over total demand.
pub(super) fn area_values(model: &Model) -> Vec<f64> {
    let mut total = vec![0.0; model.dims + 1];
    let demand = |s: usize| -> Vec<f64> {
        let shape = &model.shapes[s];
        let devices = shape
            .devices
            .as_ref()
            .map_or(0.0, |d| f64::from(d.count) * f64::from(d.milli));
        shape
            .demand
            .iter()
            .map(|d| *d as f64)
            .chain([devices])
            .collect()
    };
    for kind in &model.kinds {
        for (sum, d) in total.iter_mut().zip(demand(kind.shape)) {
            *sum += d * f64::from(kind.count);
        }
    }
    (0..model.shapes.len())
        .map(|s| {
            demand(s)
                .iter()
                .zip(&total)
                .map(|(d, t)| if *t > 0.0 { d / t } else { 0.0 })
                .sum()
        })
        .collect()
}

/// Writes a packing down as a solution, in canonical order.
fn assemble(
    problem: &Problem,
    model: &Model,
    bound: &Bound,
    pack: Pack,
    strategy: String,
    work: Work,
    stopped: Stopped,
) -> Solution {
    // Kinds stand for classes: hand their items out in order.
    let mut classes: Vec<Vec<(usize, u32)>> = model
        .kinds
        .iter()
        .map(|k| {
            let mut list: Vec<(usize, u32)> =
                k.classes.iter().copied().filter(|(_, n)| *n > 0).collect();
            list.reverse();
            list
        })
        .collect();
    let cost: i64 = pack.bins.iter().map(|b| price(model, b)).sum();
    let mut bins = pack.bins;
    bins.retain(|b| !b.is_empty());
    bins.sort_by_cached_key(|b| {
        let mut items = b.items.clone();
        items.sort_unstable();
        (b.on, items)
    });
    let mut nodes = Vec::new();
    let mut reused = Vec::new();
    for bin in &bins {
        let mut items = bin.items.clone();
        items.sort_unstable();
        let mut placed: Vec<Placed> = Vec::new();
        for item in items {
            let mut count = item.count;
            let list = &mut classes[item.kind as usize];
            while count > 0 {
                let Some(last) = list.last_mut() else { break };
                let n = count.min(last.1);
                placed.push(Placed {
                    class: last.0,
                    count: n,
                    devices: (0..64).filter(|i| (item.devices >> i) & 1 == 1).collect(),
                });
                last.1 -= n;
                count -= n;
                if last.1 == 0 {
                    list.pop();
                }
            }
        }
        placed.sort_unstable();
        match bin.on {
            On::Node(node) => reused.push(Reused {
                node: node as usize,
                items: placed,
            }),
            On::New { ty, offer } => {
                let t = &model.types[ty as usize];
                let offer = t.offers[offer as usize];
                nodes.push(NewNode {
                    node_type: t.source,
                    offering: offer.offering,
                    zone: offer.zone,
                    price: offer.price,
                    items: placed,
                });
            }
        }
    }
    let mut unplaced = Vec::new();
    let mut fits_nothing = 0;
    for (kind, list) in classes.iter().enumerate() {
        for (class, count) in list.iter().rev() {
            let reason = reason(problem, model, kind);
            if reason == UnplacedReason::FitsNothing {
                fits_nothing += count;
            }
            unplaced.push(Unplaced {
                class: *class,
                count: *count,
                reason,
            });
        }
    }
    unplaced.sort_unstable();
    let mut notes = bound.notes.clone();
    if fits_nothing > 0 {
        notes.push(Note::ItemsFitNothing {
            items: fits_nothing,
        });
    }
    let cost = MicroUsdPerHour(cost);
    let fits_all = unplaced
        .iter()
        .all(|u| u.reason == UnplacedReason::FitsNothing);
    Solution {
        nodes,
        reused,
        unplaced,
        cost,
        lower_bound: bound.lower,
        proof: Proof {
            method: bound.method,
            certificate: bound.certificate.clone(),
            stopped: if fits_all && cost == bound.lower {
                Stopped::Optimal
            } else {
                stopped
            },
            strategy,
            notes,
        },
        work,
    }
}

/// Why items of a kind were left over.
fn reason(problem: &Problem, model: &Model, kind: usize) -> UnplacedReason {
    let k = &model.kinds[kind];
    let on_type = model.types.iter().any(|t| t.fits[k.shape] > 0);
    let shape = &model.shapes[k.shape];
    let on_node = problem.nodes.iter().enumerate().any(|(i, n)| {
        !n.closed
            && shape.nodes.contains(i)
            && n.zone.is_none_or(|z| shape.zones.contains(z))
            && shape.demand.iter().zip(&n.free).all(|(d, f)| d <= f)
    });
    if !on_type && !on_node {
        UnplacedReason::FitsNothing
    } else if !k.touches.is_empty() || k.zoned {
        UnplacedReason::Rules
    } else {
        UnplacedReason::NoneLeft
    }
}
