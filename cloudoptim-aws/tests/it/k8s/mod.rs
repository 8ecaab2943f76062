//! Clusters through the Kubernetes API.

mod conformance;
mod connection;
mod fake;
mod faults;
mod logged;
mod on_plane;
mod reading;
mod recorded;
mod roles;
mod wire;
