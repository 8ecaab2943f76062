//! Clusters through the Kubernetes API.

mod conformance;
mod connection;
mod fake;
mod on_plane;
mod reading;
mod recorded;
mod roles;
mod wire;
