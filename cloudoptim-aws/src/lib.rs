//! AWS and Kubernetes behind the provider traits of `cloudoptim-core`.
//!
//! No adapter works yet: the traits that they will implement are in
//! [`cloudoptim_core::providers`], and each adapter arrives behind a feature
//! of its own, together with its conformance tests. The feature `testing` has
//! the parts that those tests are made of.

#[cfg(all(feature = "testing", unix))]
pub mod testing;
