//! Integration tests of the core: one binary, one module per subject.

#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

mod catalog;
mod quantity;
