//! Integration tests of the core: one binary, one module per subject.

#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

#[allow(dead_code)] // each engine uses a part
mod cases;
mod catalog;
mod execute;
#[allow(dead_code)] // each engine uses a part
mod fixtures;
mod network;
mod packing_solver;
mod quantity;
#[cfg(all(feature = "report", feature = "catalog"))]
mod report;
mod rightsizing;
mod spot;
mod usage;
