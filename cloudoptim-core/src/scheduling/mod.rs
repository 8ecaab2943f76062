//! The kube-scheduler's rules, once, for every engine.
//!
//! - [`request`]: what a pod asks for, as the scheduler adds it up.
//! - [`movability`]: which pods count, and which may be moved.
//! - [`capacity`]: which nodes take pods, and what a node that does not exist
//!   yet would have.
//! - [`World`]: an index of one cluster that answers "could this pod run on
//!   that node" with **every** rule that fails, and in which pods can be moved
//!   and nodes removed in thought.
//! - [`BrokenPreference`]: a soft preference that a pod would break on a node;
//!   [`PreferencePrices`] say what that counts for.
//! - [`budgets`]: what the disruption budgets allow.
//!
//! Hard rules refuse a node. What is not known refuses: a claim that was not
//! collected is not a claim without rules. Soft ones (`ScheduleAnyway`,
//! preferred affinities, `PreferNoSchedule`) never refuse: which of them a pod
//! would break on a node is another question, [`World::broken_preferences`].
//! What is not known breaks none of them.

mod asking;
pub mod budgets;
pub mod capacity;
mod check;
pub(crate) mod crowd;
mod labelled;
pub mod movability;
mod pods;
mod preferences;
mod refusal;
pub mod request;
mod soft;
mod terms;
pub(crate) mod traits;
mod volumes;
mod world;

pub use budgets::{Budgets, EvictionRefusal, TakenOff};
pub use capacity::NotTarget;
pub use movability::{Movability, Pin};
pub use preferences::{BrokenPreference, PreferencePrices};
pub use refusal::{ClaimProblem, Refusal, Refusals};
pub use request::{InfeasibleResize, device_request, effective_request, template_request};
pub use world::{Feasibility, NodeId, PodId, World};
