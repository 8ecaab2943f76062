//! From a canonical problem to a solution: bound, zones, portfolio,
//! improvement, answer.

mod combined;
mod kept;
mod strategies;

use super::answer::{assemble, placeable};
use super::bin::Bin;
use super::bound::{self, Bound};
use super::columns::{self, Programme};
use super::greedy::{self, Opens};
use super::hybrid;
use super::integer;
use super::merged::Merged;
use super::model::Model;
use super::pack::{self, Pack, Scope};
use super::problem::Problem;
use super::small::{self, Small};
use super::solution::{BoundMethod, Certificate, Effort, Note, Progress, Solution, Stopped, Work};
use super::stop::Stop;
use super::zones;
use crate::model::MicroUsdPerHour;
use std::ops::ControlFlow;

/// A part of the problem that is packed by itself.
struct Part {
    zone: Option<usize>,
    start: Pack,
    best: Option<(Pack, String)>,
    /// The best packings before improvement, best first.
    elite: Vec<(Pack, String)>,
    /// Nodes that were found to be as few as can be.
    least: usize,
    /// What it may take of purchase limits before others are packed.
    allotted: Vec<u64>,
}

/// How many packings of a part are worth improving.
const ELITE: usize = 4;

/// Up to this many items, each zone is tried as the home of those that are free.
const AT_HOME: u64 = 200;

impl Part {
    fn new(zone: Option<usize>, start: Pack) -> Self {
        Self {
            zone,
            start,
            best: None,
            elite: Vec::new(),
            least: usize::MAX,
            allotted: Vec::new(),
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
    /// Fillings that the programmes of the present part know.
    fillings: Vec<columns::Config>,
    /// Who solves integer programmes.
    solvers: &'a [integer::Solver],
    /// When the present part has to end.
    stop: Stop,
    /// Whether an integer programme failed.
    cover_failed: bool,
    /// Placements up to which the present part may go on.
    limit: u64,
    stopped: Stopped,
    /// No packing costs less.
    lower: MicroUsdPerHour,
    /// What the best packing that the observer knows leaves out, and its cost.
    told: Option<(u64, i64)>,
    /// How many there are to place.
    items: u64,
}

/// Solves a canonical problem.
pub(super) fn run(
    problem: &Problem,
    effort: &Effort,
    stop: &Stop,
    observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Solution {
    run_with(problem, effort, integer::SOLVERS, stop, observe)
}

/// The same, with integer programmes solved by others.
fn run_with(
    problem: &Problem,
    effort: &Effort,
    solvers: &[integer::Solver],
    stop: &Stop,
    observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Solution {
    let plain = Model::new(problem).until(stop);
    let valued;
    let mut model = &plain;
    let counts: Vec<u32> = (0..model.kinds.len())
        .map(|k| {
            let fits = placeable(problem, model, k);
            if fits { model.kinds[k].count } else { 0 }
        })
        .collect();
    let open: Vec<Bin> = problem
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, n)| !n.closed)
        .map(|(i, n)| Bin::existing(model, i, n))
        .collect();
    let nothing_open = open.is_empty();
    let mut search = Search {
        model,
        effort,
        observe,
        parts: parts(problem, model, &counts, &open, None),
        work: Work::default(),
        configs: Vec::new(),
        fillings: Vec::new(),
        solvers,
        stop: stop.clone(),
        cover_failed: false,
        limit: u64::MAX,
        stopped: Stopped::Finished,
        lower: MicroUsdPerHour::ZERO,
        told: None,
        items: counts.iter().map(|n| u64::from(*n)).sum(),
    };
    // A first answer at once, then the bound, whose values guide the rest.
    let nothing = Bound::none(model);
    search.allot();
    search.each_part(&nothing, &mut |search, part, scope| {
        search.consider(part, scope, "first fit, cheapest", &mut |pack| {
            greedy::first_fit(scope, pack, Opens::Cheapest);
        })
    });
    let mut bound = bound::fluid(problem, model, effort.bound_pivots);
    if bound.limit_values.iter().any(|value| *value > 0) {
        valued = model.valued(&bound.limit_values);
        search.value(&valued);
        model = &valued;
    }
    search.work.pivots = bound.pivots;
    search.lower = bound.lower;
    search.each_part(&bound, &mut |search, part, scope| {
        search.greedy(part, scope)?;
        search.fewer(part)
    });
    if nothing_open && !search.ended() && !bound.too_tight {
        search.configurations(problem, &mut bound);
        search.lower = bound.lower;
    }
    let small = if nothing_open && !search.ended() {
        search.small(problem, &counts)
    } else {
        None
    };
    // Nothing is cheaper than the best that was gone through, or than what is
    // known already.
    let settled = small.as_ref().is_some_and(|small| {
        small.complete && (small.pack.is_some() || search.reached().is_some())
    });
    if !search.ended() && !settled {
        search.each_part(&bound, &mut |search, part, scope| {
            search.portfolio(part, scope)?;
            search.cover(part, scope)?;
            search.fewer(part)
        });
    }
    if search.cover_failed {
        bound.notes.push(Note::CoverFailed);
    }
    let (mut pack, mut strategy) = search.join();
    if model.zoned {
        zones::settle(problem, model, &mut pack);
    }
    pack.count_left(model, &counts);
    if model.zoned && nothing_open && !settled {
        search.homes(problem, &counts, &bound, &mut pack, &mut strategy);
    }
    let best = small.and_then(|small| small.pack);
    if let Some(best) = best.filter(|best| best.rank(model) < pack.rank(model)) {
        (pack, strategy) = (best, "every packing".to_owned());
        // Whoever breaks off here is late: this is the end.
        let _ = search.tell(pack.left.total, pack.cost(model), &strategy);
    }
    let mut stopped = search.stopped;
    if stop.was_due() && stopped != Stopped::Observer {
        stopped = Stopped::Deadline;
    }
    let work = search.work;
    assemble(problem, model, &bound, pack, strategy, work, stopped)
}

/// What is packed by itself: each zone with its items, or everything.
fn parts(
    problem: &Problem,
    model: &Model,
    counts: &[u32],
    open: &[Bin],
    home: Option<usize>,
) -> Vec<Part> {
    if !model.zoned {
        return vec![Part::new(
            None,
            Pack::new(model, counts.to_vec(), open.to_vec()),
        )];
    }
    let split = zones::split(problem, model, counts, home);
    let zones = split.into_iter().enumerate();
    zones
        .map(|(zone, counts)| {
            let here = open.iter().filter(|b| b.zone == Some(zone)).cloned();
            Part::new(Some(zone), Pack::new(model, counts, here.collect()))
        })
        .collect()
}

impl<'a> Search<'a> {
    fn each_part(
        &mut self,
        bound: &Bound,
        run: &mut dyn FnMut(&mut Self, usize, Scope<'_>) -> ControlFlow<()>,
    ) {
        let types = pack::promising(self.model, bound);
        let whole = self.model.stop.clone();
        for part in 0..self.parts.len() {
            if self.parts[part].start.left.total == 0 {
                continue;
            }
            // Every part may take its share of the time.
            let hurried;
            let mut model = self.model;
            let waiting = self.waiting(part);
            if whole.is_set() && waiting > 1 {
                self.stop = whole.share(waiting);
                hurried = model.clone().until(&self.stop);
                model = &hurried;
            }
            let scope = Scope {
                model,
                bound,
                zone: self.parts[part].zone,
                types: &types,
            };
            self.share_out(part);
            let flow = run(self, part, scope);
            self.stop = whole.clone();
            if flow.is_break() || self.done() {
                return;
            }
        }
    }

    /// How many parts from `part` on have something to pack.
    fn waiting(&self, part: usize) -> usize {
        let waiting = self.parts[part..].iter().filter(|p| p.start.left.total > 0);
        waiting.count()
    }

    /// Goes on with a model that differs in the values of purchase limits.
    fn value(&mut self, model: &'a Model) {
        for part in &mut self.parts {
            let best = part.best.iter_mut();
            let elite = part.elite.iter_mut();
            for (pack, _) in best.chain(elite) {
                pack.reordered(self.model, model);
            }
            part.start.reordered(self.model, model);
        }
        self.model = model;
    }

    /// What each part may take of purchase limits before the others are packed: by
    /// the size of its items, where they can use any.
    fn allot(&mut self) {
        let limited = &self.model.limited;
        if limited.is_empty() {
            return;
        }
        let values = greedy::area_values(self.model);
        let offers = self.model.types.iter().flat_map(|t| &t.offers);
        let mut asks = vec![vec![0.0; self.parts.len()]; limited.limits.len()];
        for offer in offers {
            for (limit, _) in limited.takes(offer.takes) {
                for (ask, part) in asks[*limit].iter_mut().zip(&self.parts) {
                    if part.zone.is_none() || part.zone == offer.zone {
                        let kinds = part.start.left.kinds.iter().zip(&self.model.kinds);
                        *ask = kinds.map(|(n, k)| f64::from(*n) * values[k.shape]).sum();
                    }
                }
            }
        }
        for (at, part) in self.parts.iter_mut().enumerate() {
            let shares = limited.limits.iter().zip(&asks).map(|(limit, asks)| {
                let all: f64 = asks.iter().sum();
                let share = if all > 0.0 { asks[at] / all } else { 0.0 };
                ((limit.max as f64 * share * (1.0 - 1e-9)) as u64).min(limit.max)
            });
            part.allotted = shares.collect();
        }
    }

    /// Gives a part what the others do not take of purchase limits, or are not
    /// allotted as long as they are not packed.
    fn share_out(&mut self, part: usize) {
        if self.model.limited.is_empty() {
            return;
        }
        let mut room = self.model.limited.room();
        for (_, other) in self.parts.iter().enumerate().filter(|(i, _)| *i != part) {
            let taken = match &other.best {
                Some((pack, _)) => self.model.taken(&pack.bins),
                None => other.allotted.clone(),
            };
            for (room, taken) in room.iter_mut().zip(taken) {
                *room = room.saturating_sub(taken);
            }
        }
        let model = self.model;
        let fits = |pack: &Pack| {
            let taken = model.taken(&pack.bins);
            taken.iter().zip(&room).all(|(taken, room)| taken <= room)
        };
        let own = &mut self.parts[part];
        own.start.stock.limit_to(room.clone());
        own.elite.retain(|(pack, _)| fits(pack));
        for (pack, _) in own.best.iter_mut().chain(&mut own.elite) {
            pack.restock(model, room.clone());
        }
    }

    /// Items that no part has: the zones could not take them.
    fn missing(&self) -> u64 {
        let given = self.parts.iter().map(|p| p.start.left.total);
        self.items - given.sum::<u64>()
    }

    /// What the best packings of all parts cost; `None` while something is left
    /// out.
    fn reached(&self) -> Option<MicroUsdPerHour> {
        if self.missing() > 0 {
            return None;
        }
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

    /// The same, or it is too late for more.
    fn ended(&self) -> bool {
        self.done() || self.stop.is_due()
    }

    /// The bound over whole fillings of all parts together, when it is better;
    /// its fillings serve the parts.
    fn configurations(&mut self, problem: &Problem, bound: &mut Bound) {
        let mut merged = Merged::new(self.model, bound);
        // Half of the time is for packings of what is found here.
        merged.model.stop = self.stop.share(2);
        let relaxed = &merged.model;
        // Fillings are judged by what they cost, and nothing is a part of zero.
        let mut lowest = relaxed.types.iter().filter_map(|t| t.offers.first());
        if lowest.any(|offer| offer.raised <= 0) {
            return;
        }
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
        let pivots = self.pivots(some);
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
            limit_values: self.model.limited.values(problem),
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

    /// Goes through all packings, where items are few enough for that.
    fn small(&mut self, problem: &Problem, counts: &[u32]) -> Option<Small> {
        let budget = self.effort.placements.saturating_sub(self.work.placements) / 4;
        let reached = self.reached().map(|cost| cost.0);
        let found = small::cheapest(problem, self.model, counts, reached, budget)?;
        self.work.placements += found.work;
        Some(found)
    }

    /// Tries each zone as the home of whatever may choose, where items are so few
    /// that a node in every zone is dear.
    fn homes(
        &mut self,
        problem: &Problem,
        counts: &[u32],
        bound: &Bound,
        best: &mut Pack,
        strategy: &mut String,
    ) {
        if self.items > AT_HOME {
            return;
        }
        for home in 0..problem.zones.len() {
            let optimal = best.left.total == 0 && best.cost(self.model) <= self.lower.0;
            let late = self.stop.is_due();
            if optimal || late || self.stopped != Stopped::Finished {
                return;
            }
            self.parts = parts(problem, self.model, counts, &[], Some(home));
            self.allot();
            self.each_part(bound, &mut |search, part, scope| {
                search.greedy(part, scope)?;
                search.portfolio(part, scope)
            });
            let (mut pack, name) = self.join();
            zones::settle(problem, self.model, &mut pack);
            pack.count_left(self.model, counts);
            if pack.rank(self.model) < best.rank(self.model) {
                (*best, *strategy) = (pack, name);
            }
        }
    }

    /// The best packings of all parts in one, and where they came from. What they
    /// leave out is not counted.
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
