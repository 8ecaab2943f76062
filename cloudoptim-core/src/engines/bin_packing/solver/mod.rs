//! The numeric packing solver, independent of Kubernetes.
//!
//! A [`Problem`] is classes of equal items, node types with prices, nodes that
//! exist already, and rules about what may share a node or a zone. [`solve`]
//! answers with the cheapest set of nodes it can find, a lower bound that no
//! packing can beat, and the [`Proof`] of that bound in integers.
//! [`Existing`] answers the other question: do these items fit on the nodes
//! that are there, and can this node be emptied?
//!
//! - Same problem, same answer, in whatever order its parts are given; work is
//!   bounded by counts ([`Effort`]). A clock bounds it only where the caller asks
//!   for that ([`solve_until`], [`repack_until`]).
//! - With feature `parallel` types are priced and packings tried on the threads
//!   of rayon's present pool ([`threads`]); the bytes stay the same.
//! - Small integer programmes are solved in Rust, or with feature `highs` by HiGHS,
//!   which is C++: needs cmake, a C++ compiler and libclang. Plans with and without
//!   it may differ where costs tie, or where a programme is too large to be solved
//!   to its end; the same problem gives the same bytes either way.
//! - A plan never breaks a capacity, a rule or a [`PurchaseLimit`]. What cannot be
//!   placed is in [`Solution::unplaced`] with its reason.
//! - What an item [dislikes](Class::dislikes) of a place is part of what a plan costs,
//!   and of the bound.
//! - A node type without a price is never opened; the proof counts such types.

mod answer;
mod balance;
mod bin;
mod bound;
mod branches;
mod bundles;
mod canon;
mod columns;
mod cover;
mod devices;
pub mod exact;
mod existing;
mod family;
mod fewer;
mod greedy;
mod grid;
mod hybrid;
mod improve;
mod integer;
mod joined;
mod knapsack;
mod labels;
mod level;
mod limited;
mod looks;
mod lp;
mod merged;
mod model;
mod pack;
mod parallel;
mod parts;
mod preferences;
mod pricing;
mod problem;
mod proportional;
mod repack;
mod roofs;
mod room;
mod search;
mod small;
mod solution;
mod stop;
mod sums;
mod surrogate;
mod swaps;
mod tight;
mod zones;

pub(super) use grid::gcd;

pub use existing::{Existing, Misfit, Move};
pub use problem::{
    Affinity, Class, CountLimit, Device, DeviceRequest, Dislike, ExistingNode, Mask, NodeType,
    Offering, Per, Problem, ProblemError, PurchaseLimit, Rule, Take, ZoneSpread,
};
pub use repack::{
    Fleet, Frontier, Holding, LevelProof, Place, Point, PrefixEnd, Relocation, RepackEffort,
    repack, repack_until,
};
pub use solution::{
    BoundMethod, Certificate, Effort, LimitUse, NewNode, Note, Placed, Progress, Proof, Reused,
    Share, ShareOf, Solution, Split, SplitOn, Stopped, Unplaced, UnplacedReason, Work,
};

use crate::providers::Deadline;
use std::ops::ControlFlow;
use stop::Stop;

/// How many threads [`solve`] and [`repack`] use when they are called here.
///
/// The threads of rayon's present pool with feature `parallel`, else one. The
/// answer is the same for any number.
pub fn threads() -> usize {
    parallel::width()
}

/// Packs every item of `problem` as cheaply as the effort allows.
///
/// # Errors
/// [`ProblemError`] when the problem contradicts itself (an index out of
/// range, a demand of the wrong length, an id used twice). A problem that
/// cannot be packed in full is not an error: see [`Solution::unplaced`].
pub fn solve(problem: &Problem, effort: &Effort) -> Result<Solution, ProblemError> {
    solve_until(problem, effort, None, &mut |_| ControlFlow::Continue(()))
}

/// [`solve`], telling `observe` of every better packing as it is found.
///
/// A caller that has enough answers [`ControlFlow::Break`]: the search then
/// ends with the best packing so far, and the proof says so.
///
/// # Errors
/// Those of [`solve`].
pub fn solve_observed(
    problem: &Problem,
    effort: &Effort,
    observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Solution, ProblemError> {
    solve_until(problem, effort, None, observe)
}

/// [`solve_observed`] with a deadline, if there is one.
///
/// The deadline is looked at wherever work is measured. When it has passed, the
/// search ends with the best packing and the best bound so far, and says so
/// ([`Stopped::Deadline`]); the first packing is made however late it is, and so is
/// a bound that takes no longer. What was found by then depends on the machine:
/// plans that have to be the same elsewhere are limited by [`Effort`] alone.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use cloudoptim_core::engines::bin_packing::solver::{
///     Class, Effort, NodeType, Offering, Problem, Stopped, solve_until,
/// };
/// use cloudoptim_core::memory::ManualClock;
/// use cloudoptim_core::model::MicroUsdPerHour;
/// use cloudoptim_core::providers::Deadline;
/// use std::ops::ControlFlow;
/// use std::sync::Arc;
///
/// let class = |at: u64| Class {
///     id: format!("c{at}"),
///     count: 20,
///     demand: vec![400 + 130 * at],
///     ..Class::default()
/// };
/// let problem = Problem {
///     dims: vec!["cpu_milli".into()],
///     classes: (0..6).map(class).collect(),
///     types: vec![NodeType {
///         id: "m6i.xlarge".into(),
///         capacity: vec![3_920],
///         offerings: vec![Offering {
///             price: Some(MicroUsdPerHour(192_000)),
///             ..Offering::default()
///         }],
///         ..NodeType::default()
///     }],
///     ..Problem::default()
/// };
/// // Too late already: all items are placed even so.
/// let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
/// let deadline = Deadline::after(clock, TimeDelta::zero());
/// let mut told = |_: cloudoptim_core::engines::bin_packing::solver::Progress<'_>| {
///     ControlFlow::Continue(())
/// };
/// let solution = solve_until(&problem, &Effort::default(), Some(&deadline), &mut told)?;
/// assert_eq!(solution.proof.stopped, Stopped::Deadline);
/// assert!(solution.unplaced.is_empty() && solution.lower_bound <= solution.cost);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`solve`].
pub fn solve_until(
    problem: &Problem,
    effort: &Effort,
    deadline: Option<&Deadline>,
    observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Solution, ProblemError> {
    problem.validate()?;
    let canonical = canon::Canonical::new(problem).on_grid();
    let stop = Stop::at(deadline);
    let solution = search::run(&canonical.problem, effort, &stop, observe);
    let solution = preferences::better(&canonical.problem, effort, &stop, observe, solution);
    Ok(canonical.back(solution))
}
