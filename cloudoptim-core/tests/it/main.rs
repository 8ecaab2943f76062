//! Integration tests of the core: one binary, one module per subject.

#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod bin_packing;
#[cfg(feature = "conformance")]
mod cached;
#[allow(dead_code)] // each engine uses a part
mod cases;
mod catalog;
#[cfg(feature = "conformance")]
mod conformance;
mod drain_time;
mod execute;
#[allow(dead_code)] // each engine uses a part
mod fixtures;
mod freshness;
mod ghost_probe;
mod golden;
mod input;
mod input_aws;
mod interruption;
mod joint;
mod joint_properties;
mod joint_sleep;
#[cfg(feature = "schema")]
mod json_schema;
mod network;
mod office_hours;
mod oom;
mod packing_solver;
mod plan_launches;
mod plan_shifts;
mod plan_waves;
mod properties;
mod quantity;
#[cfg(all(feature = "report", feature = "catalog"))]
mod report;
#[cfg(all(feature = "report", feature = "catalog"))]
mod report_packing;
mod rightsizing;
mod scheduling;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "catalog")]
mod shop_waste;
mod spot;
mod spot_over_time;
mod ticking;
mod usage;
mod zombie_volumes;
