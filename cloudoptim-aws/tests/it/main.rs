//! Tests of the adapters, on a real control plane where they need one.

#![allow(clippy::unwrap_used)] // helpers of tests may, as tests may

#[cfg(feature = "kubernetes")]
mod k8s;
mod plane;
