//! What others do, told anew, to measure ours against.
//!
//! Every baseline is our own code after the published description of a rule; it
//! is *that rule*, not the product: no API calls, timeouts, pauses or budgets.
//! Their answers are judged by the same naive checkers as ours.

mod bin;
pub mod consolidate;
pub mod first_fit;
pub mod provision;
pub mod scale_down;
pub mod yard;
