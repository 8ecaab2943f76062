//! AWS and Kubernetes behind the provider traits of `cloudoptim-core`.
//!
//! Each adapter stands behind a feature of its own:
//!
//! - `journal-file`: [`journal`] keeps what was done in a file.

#[cfg(feature = "journal-file")]
pub mod journal;
