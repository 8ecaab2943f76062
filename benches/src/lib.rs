//! Loaders of neutral cluster formats and the benchmark harness.
