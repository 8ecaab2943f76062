//! Integration tests of the adapters: one binary, one module per subject.

#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

#[cfg(feature = "journal-file")]
mod journal;
