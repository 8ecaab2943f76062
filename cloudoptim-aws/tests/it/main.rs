//! Tests of the adapters, on a real control plane where they need one.

mod plane;
