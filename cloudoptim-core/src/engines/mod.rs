//! The eight decision engines.

pub mod bin_packing;
