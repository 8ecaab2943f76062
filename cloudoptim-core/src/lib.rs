//! Pure decisions that cut the cost of Kubernetes clusters on AWS.
//!
//! Nothing here reads a clock, opens a file or talks to a network: a snapshot
//! goes in, a plan comes out, and the same input gives the same bytes.

pub mod catalog;
pub mod engines;
pub mod knowledge;
pub mod model;
