//! Bin packing: which nodes can go, and the cheapest set of new ones.

pub mod solver;
