//! The main job: reads a cluster, runs the eight engines, writes the report.
fn main() {}
