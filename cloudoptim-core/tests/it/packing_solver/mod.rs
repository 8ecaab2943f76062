//! The packing solver against a naive checker, an exact oracle and simple
//! baselines, on generated problems.

mod cases;
mod deadline;
mod free;
mod limits;
mod naive;
mod preferring;
mod properties;
mod repack;
#[cfg(feature = "parallel")]
mod threads;
