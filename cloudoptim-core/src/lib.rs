//! Pure decisions that cut the cost of Kubernetes clusters on AWS.
//!
//! Nothing here reads a clock, opens a file or talks to a network: a snapshot
//! goes in, a plan comes out, and the same input gives the same bytes. Who cannot
//! wait for that passes a [`Deadline`](providers::Deadline) by a clock of their own.
//!
//! | feature | adds |
//! | --- | --- |
//! | `catalog` (default) | public AWS prices and shapes, embedded |
//! | `report` | a plan as one HTML page |
//! | `parallel` | packing on the threads of rayon's present pool: types priced and packings tried side by side; the bytes are those of one thread |
//! | `highs` | small integer programmes of the packing solver solved by HiGHS, and by microlp only where that fails; compiles C++ (needs cmake, a C++ compiler and libclang) |
//! | `mocks`, `conformance` | parts for testing providers |
//! | `schema` | JSON Schemas of all that crosses the API |

pub mod catalog;
pub mod collect;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod decision;
pub mod engines;
pub mod execute;
pub mod guard;
pub mod health;
pub mod input;
pub mod interruption;
pub mod journal;
pub mod knowledge;
pub mod ledger;
pub mod memory;
pub mod model;
pub mod optimize;
pub mod overlay;
pub mod plan;
pub mod policy;
pub mod providers;
#[cfg(feature = "report")]
pub mod report;
pub mod scheduling;
#[cfg(feature = "schema")]
pub mod schema;
pub mod usage;
pub mod version;

/// Compiles and runs the README's Rust.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
