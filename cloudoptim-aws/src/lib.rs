//! AWS and Kubernetes behind the provider traits of `cloudoptim-core`.
//!
//! Each adapter stands behind a feature of its own:
//!
//! - `kubernetes`: `k8s` reads clusters through their API;
//! - `testing`: the parts that tests of adapters are made of.

#[cfg(feature = "kubernetes")]
pub mod clock;
#[cfg(feature = "kubernetes")]
pub mod k8s;
#[cfg(all(feature = "testing", unix))]
pub mod testing;
