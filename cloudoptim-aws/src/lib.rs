//! AWS and Kubernetes behind the provider traits of `cloudoptim-core`.
//!
//! Each adapter stands behind a feature of its own:
//!
//! - `journal-file`: `journal` keeps what was done in a file;
//! - `kubernetes`: `k8s` reads clusters through their API, and changes them;
//! - `testing`: the parts that tests of adapters are made of.

#[cfg(feature = "kubernetes")]
pub mod clock;
#[cfg(feature = "journal-file")]
pub mod journal;
#[cfg(feature = "kubernetes")]
pub mod k8s;
#[cfg(all(feature = "testing", unix))]
pub mod testing;
