//! Tests of the adapters, on a real control plane where they need one.

#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

#[cfg(all(feature = "kubernetes", feature = "journal-file"))]
mod act;
#[cfg(feature = "journal-file")]
mod journal;
#[cfg(feature = "kubernetes")]
mod k8s;
mod plane;
