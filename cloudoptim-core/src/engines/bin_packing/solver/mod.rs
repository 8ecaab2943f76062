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
//!   bounded by counts ([`Effort`]), never by a clock.
//! - With feature `parallel` types are priced and packings tried on the threads
//!   of rayon's present pool ([`threads`]); the bytes stay the same.
//! - Small integer programmes are solved in Rust, or with feature `highs` by HiGHS,
//!   which is C++: needs cmake, a C++ compiler and libclang. Plans with and without
//!   it may differ where costs tie, or where a programme is too large to be solved
//!   to its end; the same problem gives the same bytes either way.
//! - A plan never breaks a capacity, a rule or a [`PurchaseLimit`]. What cannot be
//!   placed is in [`Solution::unplaced`] with its reason.
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
mod pricing;
mod problem;
mod proportional;
mod repack;
mod roofs;
mod room;
mod search;
mod small;
mod solution;
mod sums;
mod surrogate;
mod swaps;
mod tight;
mod zones;

pub(super) use grid::gcd;

pub use existing::{Existing, Misfit, Move};
pub use problem::{
    Affinity, Class, CountLimit, Device, DeviceRequest, ExistingNode, Mask, NodeType, Offering,
    Per, Problem, ProblemError, PurchaseLimit, Rule, Take, ZoneSpread,
};
pub use repack::{
    Fleet, Frontier, Holding, LevelProof, Place, Point, PrefixEnd, Relocation, RepackEffort, repack,
};
pub use solution::{
    BoundMethod, Certificate, Effort, LimitUse, NewNode, Note, Placed, Progress, Proof, Reused,
    Share, ShareOf, Solution, Split, SplitOn, Stopped, Unplaced, UnplacedReason, Work,
};

use std::ops::ControlFlow;

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
    solve_observed(problem, effort, &mut |_| ControlFlow::Continue(()))
}

/// [`solve`], telling `observe` of every better packing as it is found.
///
/// A caller with a deadline answers [`ControlFlow::Break`]: the search then
/// ends with the best packing so far, and the proof says so. Such an answer
/// depends on when it was broken off.
///
/// # Errors
/// Those of [`solve`].
pub fn solve_observed(
    problem: &Problem,
    effort: &Effort,
    observe: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Solution, ProblemError> {
    problem.validate()?;
    let canonical = canon::Canonical::new(problem).on_grid();
    let solution = search::run(&canonical.problem, effort, observe);
    Ok(canonical.back(solution))
}
